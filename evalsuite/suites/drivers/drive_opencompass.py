"""Runs in OpenCompass's environment: see `driver_protocol`."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

import driver_protocol

PERCENT = 100.0
DECIMALS = 2
"""OpenCompass reports percentages; its summary shows two decimals, its results all of them."""
MODEL = "model"
RUN = "run"
"""Folders of its output: under a fixed name it goes on with what is there."""
LONGEST_PROMPT = 1 << 20
"""More than any model takes: the server knows its own limit, and OpenCompass would need its tokenizer."""
DEFAULT_MAX_TOKENS = 2048
ROLES = {"HUMAN": "user", "BOT": "assistant", "SYSTEM": "system"}
CORRECT = ("correct", "is_correct", "cons_correct")
REFERENCE = ("refr", "gold", "answer", "reference", "references", "ref_answer")
PARSED = ("parsed", "pred", "prediction", "extracted")


def check() -> None:
    """Import what a run needs."""
    import opencompass.cli.main  # noqa: F401


def _configs() -> Path:
    return Path(str(distribution("opencompass").locate_file("opencompass"))) / "configs" / "datasets"


def catalogue() -> Iterator[dict[str, Any]]:
    """Every configuration that asks for a generated reply."""
    for file in sorted(_configs().rglob("*.py"), key=lambda file: file.stem):
        if "gen" not in file.stem or "ppl" in file.stem:
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        judged = "judge" in file.stem.lower() or "GenericLLMEvaluator" in text
        yield {
            "name": file.stem,
            "title": file.stem,
            "category": file.relative_to(_configs()).parts[0],
            "modality": "llm",
            "metric": "",
            "size": None,
            "hub": _hub(file, text),
            "needs": ["judge"] if judged else [],
        }


def _hub(file: Path, text: str) -> str:
    """Where its data is. Many configurations only import another one: `from .NAME import …`."""
    for other in re.findall(r"from\s+\.(\w+)\s+import", text):
        path = file.with_name(f"{other}.py")
        text += path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return next(iter(re.findall(r"path\s*=\s*['\"]([^'\"]+)['\"]", text)), "")


def run(job: Mapping[str, Any]) -> None:
    """Run or continue one configuration or the user's own file, and write the results."""
    work = Path(job["work"])
    out = work / "output"
    os.environ["OPENAI_API_KEY"] = driver_protocol.key()
    if job["data"] and job["benchmark"] != "custom":
        os.environ["COMPASS_DATA_CACHE"] = job["data"]
    if job["judge"]:
        os.environ["OC_JUDGE_MODEL"] = job["judge"]["model"]
        os.environ["OC_JUDGE_API_BASE"] = job["judge"]["base_url"]
        os.environ["OC_JUDGE_API_KEY"] = driver_protocol.judge_key()
    if job["shots"] is not None:
        driver_protocol.refuse(
            "OpenCompass fixes the examples in its configurations (ceval_gen_2daf24, …): leave out --shots and name one."
        )
    drivers = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [drivers, os.environ.get("PYTHONPATH")]))
    config = work / "config.py"
    datasets = _datasets(job)
    _write_config(config, datasets, job)
    os.chdir(work)
    sys.argv = [
        "opencompass",
        str(config),
        "-w",
        str(out),
        "-r",
        RUN,
        "--debug",
        "--dump-eval-details",
        "True",
    ]
    from opencompass.cli.main import main

    main()
    reported: list[dict[str, Any]] = []
    samples = list(_samples(out / RUN, reported))
    driver_protocol.write_results(work, samples, reported, version("opencompass"))


def _datasets(job: Mapping[str, Any]) -> list[Any]:
    if job["benchmark"] == "custom":
        from opencompass.datasets.custom import make_custom_dataset_config

        found = [make_custom_dataset_config({"path": job["data"]})]
    else:
        from mmengine.config import Config

        file = next(file for file in _configs().rglob("*.py") if file.stem == job["benchmark"])
        content = Config.fromfile(str(file), format_python_code=False)
        found = [one for name in content if name.endswith("_datasets") for one in content[name]]
    for dataset in found if job["limit"] else ():
        dataset["reader_cfg"]["test_range"] = f"[0:{job['limit']}]"
    return found


def _write_config(path: Path, datasets: list[Any], job: Mapping[str, Any]) -> None:
    from mmengine.config import Config

    more = {name: job[name] for name in ("top_p", "seed") if job[name] is not None}
    more |= {"stop": job["stop"]} if job["stop"] else {}
    model = {
        "type": "endpoint_model.EndpointModel",
        "abbr": MODEL,
        "path": job["model"],
        "openai_api_base": job["base_url"],
        "key": "ENV",
        "meta_template": {
            "round": [
                {"role": "HUMAN", "api_role": "HUMAN"},
                {"role": "BOT", "api_role": "BOT", "generate": True},
            ],
            "reserved_roles": [{"role": "SYSTEM", "api_role": "SYSTEM"}],
        },
        "temperature": job["temperature"],
        "max_seq_len": LONGEST_PROMPT,
        "max_out_len": job["max_tokens"] or DEFAULT_MAX_TOKENS,
        "batch_size": job["concurrency"],
        "max_workers": job["concurrency"],
        "query_per_second": 10000,
        "retry": 2,
        "timeout": int(job["timeout"]),
        "extra_body": job["fields"] or None,
        "openai_extra_kwargs": more or None,
        "run_cfg": {"num_gpus": 0},
    }
    Config({"datasets": datasets, "models": [model]}).dump(str(path))


def _samples(out: Path, reported: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A line for every prediction, with what the results say of it; `reported` gets the totals."""
    results = {
        file.stem: json.loads(file.read_text(encoding="utf-8"))
        for file in (out / "results" / MODEL).glob("*.json")
    }
    for name, result in sorted(results.items()):
        details = result.pop("details", None)
        metrics: set[str] = set()
        for index, prediction in enumerate(_predictions(out / "predictions" / MODEL, name)):
            sample = _sample(name, index, prediction, _detail(details, index), result)
            metrics |= sample["scores"].keys()
            yield sample
        several = len(results) > 1
        reported.extend(_totals(name if several else "all", result, metrics))


def _predictions(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """In order; a large dataset is in NAME_0.json, NAME_1.json, …"""
    parts = [folder / f"{name}.json"]
    if not parts[0].is_file():
        parts = sorted(folder.glob(f"{name}_*.json"), key=lambda file: int(file.stem.rpartition("_")[2]))
    for part in parts:
        found = json.loads(part.read_text(encoding="utf-8"))
        yield from (found[key] for key in sorted(found, key=int))


def _detail(details: Any, index: int) -> dict[str, Any]:
    found = None
    if isinstance(details, dict):
        found = details.get(str(index))
        listed = details.get("details")
        if found is None and isinstance(listed, list) and index < len(listed):
            found = listed[index]
    elif isinstance(details, list) and index < len(details):
        found = details[index]
    return found if isinstance(found, dict) else {}


def _sample(
    name: str, index: int, prediction: Mapping[str, Any], detail: Mapping[str, Any], result: Mapping[str, Any]
) -> dict[str, Any]:
    asked = prediction.get("origin_prompt")
    correct = next((detail[key] for key in CORRECT if key in detail), None)
    text = prediction.get("prediction")
    text = _alone(text)
    gold = _alone(next((detail[key] for key in REFERENCE if key in detail), prediction.get("gold")))
    found: dict[str, Any] = {
        "subset": name,
        "id": str(index),
        "index": index,
        "reply": text,
        "gold": gold,
        "extracted": _alone(next((detail[key] for key in PARSED if key in detail), text)),
        "scores": {} if correct is None else {_main_metric(result): float(_truth(correct))},
    }
    if isinstance(asked, list):
        turns = [turn for turn in asked if isinstance(turn, dict)]
        found["messages"] = [
            {"role": ROLES.get(turn["role"], turn["role"]), "content": turn["prompt"]} for turn in turns
        ]
    else:
        found["prompt"] = str(asked or "")
    return found


def _alone(value: Any) -> Any:
    """What a list of one holds: OpenCompass lists what several runs of a row gave."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _truth(value: Any) -> bool:
    return bool(value[0]) if isinstance(value, list) and value else bool(value)


def _main_metric(result: Mapping[str, Any]) -> str:
    """The metric that right answers are counted in: `accuracy` where there is one."""
    return next((name for name in ("accuracy", "score") if name in result), next(iter(result), "accuracy"))


def _totals(subset: str, result: Mapping[str, Any], metrics: set[str]) -> Iterator[dict[str, Any]]:
    """Its numbers, in the samples' scale: shares, where samples are right or wrong."""
    main = _main_metric(result)
    for name, value in result.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            share = name in metrics
            yield {
                "metric": name,
                "value": value / PERCENT if share else value,
                "decimals": DECIMALS + 2 if share else DECIMALS,
                "subset": subset,
                "better": None,
                "primary": name == main,
            }


if __name__ == "__main__":
    driver_protocol.main(check, catalogue, run)
