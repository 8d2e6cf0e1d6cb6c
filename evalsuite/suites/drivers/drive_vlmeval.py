"""Runs in VLMEvalKit's environment (`ms-vlmeval`): see `driver_protocol`."""

from __future__ import annotations

import json
import math
import os
import shutil
import string
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import driver_protocol

MODEL = "model"
DEFAULT_MAX_TOKENS = 2048
PERCENT = 100.0
RETRIES = 3
EXACT = "exact_matching"
BY_RULE = ("MCQ", "Y/N", "MCQ_MMMU_Pro")
"""Types of benchmarks that are judged without another model."""
DATA_VARIABLE = "LMUData"
FAILED = "Failed to obtain answer via API"


def check() -> None:
    """Import what a run needs."""
    import vlmeval.run  # noqa: F401


def catalogue() -> Iterator[dict[str, Any]]:
    """Every benchmark that a class of the kit supports."""
    check()
    from vlmeval.dataset import DATASET_CLASSES

    seen = set()
    for kind in DATASET_CLASSES:
        kind_type = getattr(kind, "TYPE", "") or ""
        urls = getattr(kind, "DATASET_URL", None) or {}
        for name in kind.supported_datasets():
            if name in seen:
                continue
            seen.add(name)
            yield {
                "name": name,
                "title": name,
                "category": kind_type,
                "modality": (getattr(kind, "MODALITY", "") or "").lower(),
                "metric": "accuracy" if kind_type in BY_RULE else "",
                "size": None,
                "hub": urls.get(name, "") if isinstance(urls, dict) else "",
                "needs": [] if kind_type in (*BY_RULE, "VQA") else ["judge"],
            }


def run(job: Mapping[str, Any]) -> None:
    """Run one benchmark, or a TSV of one's own, or go on with it; write what it found."""
    work = Path(job["work"])
    out = work / "output"
    name = _place_data(job, work)
    if job["shots"]:
        driver_protocol.refuse("VLMEvalKit asks without examples: leave out --shots.")
    os.environ |= {"LMDEPLOY_API_KEY": driver_protocol.key(), "PRED_FORMAT": "tsv", "EVAL_FORMAT": "csv"}
    arguments = [
        *("--data", name, "--model", MODEL, "--work-dir", str(out), "--reuse"),
        *("--base-url", job["base_url"], "--api-nproc", str(job["concurrency"]), "--retry", str(RETRIES)),
        *(
            "--max-tokens",
            str(job["max_tokens"] or DEFAULT_MAX_TOKENS),
            "--timeout",
            str(int(job["timeout"])),
        ),
        *("--temperature", str(job["temperature"])),
    ]
    for option in ("limit", "top_p"):
        if job[option] is not None:
            arguments += [f"--{option.replace('_', '-')}", str(job[option])]
    more = {key: job[key] for key in ("seed",) if job[key] is not None} | dict(job["fields"])
    if more:
        arguments += ["--extra-body", json.dumps(more)]
    arguments += _judge_arguments(job)
    sys.argv = ["run.py", *arguments]
    os.chdir(work)
    _call_by_name(job["model"])
    from vlmeval.run import parse_args, run_task

    run_task(parse_args())
    reported: list[dict[str, Any]] = []
    samples = list(_samples(out / MODEL, name, reported))
    driver_protocol.write_results(work, samples, reported, version("ms-vlmeval"))


def _place_data(job: Mapping[str, Any], work: Path) -> str:
    """The benchmark's name; a TSV of one's own is put where the kit looks for it."""
    if not job["data"]:
        return str(job["benchmark"])
    data = Path(job["data"])
    if job["benchmark"] != "custom":
        os.environ[DATA_VARIABLE] = str(data if data.is_dir() else data.parent)
        return str(job["benchmark"])
    if data.suffix != ".tsv":
        driver_protocol.refuse(
            f"{data}: VLMEvalKit reads TSV files: index, question, A, B, …, answer; optional image, hint, category."
        )
    with data.open(encoding="utf-8-sig") as stream:
        columns = stream.readline().rstrip("\n").split("\t")
    if not {"A", "B", "answer", "index"} <= set(columns):
        driver_protocol.refuse(
            f"{data}: VLMEvalKit judges files of one's own as multiple choice only, with the columns index, question, A, B, answer "
            f"(found: {', '.join(columns)}). Questions with a free answer: evalsuite's own -d qa:FILE.tsv takes pictures as well."
        )
    root = work / "data"
    root.mkdir(exist_ok=True)
    os.environ[DATA_VARIABLE] = str(root)
    name = data.stem
    shutil.copyfile(data, root / f"{name}.tsv")
    return name


def _judge_arguments(job: Mapping[str, Any]) -> list[str]:
    judge = job["judge"]
    if not judge:
        return ["--judge", EXACT]
    os.environ["OPENAI_API_KEY_JUDGE"] = driver_protocol.judge_key()
    os.environ["OPENAI_API_KEY"] = driver_protocol.judge_key()
    return ["--judge", judge["model"], "--judge-base-url", judge["base_url"]]


def _call_by_name(model: str) -> None:
    """The kit names folders after the model, so it gets a plain name, and the server gets the real one."""
    import vlmeval.run as kit

    original = kit.LMDeployAPI
    kit.LMDeployAPI = lambda **arguments: original(**{**arguments, "model": model})


def _latest(folder: Path, pattern: str) -> Path | None:
    """The newest file of that name in the folders of all starts; earlier ones are the cache it went on from."""
    found = sorted(folder.rglob(pattern), key=lambda file: file.stat().st_mtime)
    return found[-1] if found else None


def _samples(folder: Path, name: str, reported: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a sample for every prediction, with its entry in the judge's result file."""
    predictions = _table(_latest(folder, f"{MODEL}_{name}.tsv"))
    hits = _hits(folder, name)
    for position, row in enumerate(predictions):
        index = str(row.get("index", position))
        reply = row.get("prediction")
        text = "" if _absent(reply) else str(reply)
        failed = text.startswith(FAILED)
        hit = hits.get(index, {})
        gold = row.get("answer")
        yield {
            "subset": str(row.get("split") or name) if not _absent(row.get("split")) else name,
            "id": index,
            "index": position,
            "prompt": _asked(row),
            "reply": None if failed else text,
            "error": text if failed else None,
            "gold": None if _absent(gold) else gold,
            "extracted": text,
            "scores": {"accuracy": float(hit["hit"])} if "hit" in hit else {},
            "category": None if _absent(row.get("category")) else str(row.get("category")),
        }
    reported.extend(_totals(folder, name))


def _asked(row: Mapping[str, Any]) -> str:
    hint = "" if _absent(row.get("hint")) else f"Hint: {row['hint']}\n"
    options = "".join(
        f"{label}. {row[label]}\n"
        for label in string.ascii_uppercase
        if label in row and not _absent(row[label])
    )
    return f"{hint}Question: {row.get('question', '')}\n{options}".rstrip()


def _absent(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _table(file: Path | None) -> list[dict[str, Any]]:
    """The rows of one of the kit's files."""
    if file is None:
        return []
    from vlmeval.smp import load

    rows: list[dict[str, Any]] = load(str(file)).to_dict("records")
    return rows


def _hits(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """The judge's results by index."""
    file = _latest(folder, f"{MODEL}_{name}_*result.tsv") or _latest(folder, f"{MODEL}_{name}_*result.xlsx")
    return {str(row["index"]): row for row in _table(file) if "index" in row}


def _totals(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The table of accuracies: one row a split, one column a category beside `Overall`."""
    rows = _table(_latest(folder, f"{MODEL}_{name}*_acc.csv"))
    for row in rows:
        value = row.get("Overall")
        if isinstance(value, int | float):
            whole = len(rows) == 1
            yield {
                "metric": "accuracy",
                "value": float(value),
                "decimals": 4,
                "subset": "all" if whole else str(row.get("split")),
                "better": "higher",
                "primary": True,
            }


if __name__ == "__main__":
    driver_protocol.main(check, catalogue, run)
