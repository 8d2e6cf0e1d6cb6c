"""Runs in EvalScope's environment: see `driver_protocol`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

import driver_protocol

GENERAL_BENCHMARKS = ("general_mcq", "general_qa")
"""Benchmarks that read files of one's own: `NAME_val.csv`, `NAME.jsonl`, …"""
SPLITS = ("_val", "_test", "_dev")
FORMATS = (".jsonl", ".csv", ".tsv", ".parquet")
NEEDS = {"sandbox": "sandbox_config", "judge": "_use_llm_judge = True"}
CUT_OFF = ("max_tokens", "model_length", "length")
DECIMALS = 4
"""EvalScope rounds what it reports so."""


def check() -> None:
    """Import what a run needs."""
    from evalscope import TaskConfig, run_task  # noqa: F401
    from evalscope.report import Report  # noqa: F401


def catalogue() -> Iterator[dict[str, Any]]:
    """Every benchmark of the package's own index."""
    package = Path(str(distribution("evalscope").locate_file("evalscope")))
    index = json.loads((package / "benchmarks" / "_index.json").read_text(encoding="utf-8"))
    for name, module in sorted(index.items()):
        meta, statistics = _meta(package, name)
        source = package.parent / (module.replace(".", "/") + ".py")
        text = source.read_text(encoding="utf-8") if source.is_file() else ""
        needs = [
            need
            for need, found in (("sandbox", meta.get("sandbox_config")), ("judge", NEEDS["judge"] in text))
            if found
        ]
        yield {
            "name": name,
            "title": meta.get("pretty_name") or name,
            "category": ", ".join(meta.get("tags") or []),
            "modality": meta.get("category") or "",
            "metric": ", ".join(_metric_name(metric) for metric in meta.get("metrics") or []),
            "size": statistics.get("total_samples") or None,
            "hub": meta.get("dataset_id") or "",
            "needs": needs,
        }


def _meta(package: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    file = package / "benchmarks" / "_meta" / f"{name}.json"
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found.get("meta") or {}, found.get("statistics") or {}


def _metric_name(metric: Any) -> str:
    return next(iter(metric)) if isinstance(metric, dict) else str(metric)


def run(job: Mapping[str, Any]) -> None:
    """Run or continue one benchmark and write its results."""
    check()
    from evalscope import TaskConfig, run_task

    _find_sentence_model()
    work = Path(job["work"])
    out = work / "output"
    config = TaskConfig(
        model=job["model"],
        model_id="model",
        api_url=job["base_url"],
        api_key=driver_protocol.key(),
        eval_type="openai_api",
        datasets=[job["benchmark"]],
        dataset_args={job["benchmark"]: _dataset_arguments(job)},
        generation_config=_generation(job),
        eval_batch_size=job["concurrency"],
        limit=job["limit"],
        ignore_errors=job["ignore_errors"],
        work_dir=str(out),
        no_timestamp=True,
        use_cache=str(out) if out.is_dir() else None,
        seed=job["seed"] if job["seed"] is not None else 42,
        **_judge(job),
        **({"sandbox": {"enabled": True}} if job["sandbox"] else {}),
    )
    run_task(config)
    notes: list[str] = []
    samples = _samples(out, job["benchmark"], notes)
    report = json.loads((out / "reports" / "model" / f"{job['benchmark']}.json").read_text(encoding="utf-8"))
    driver_protocol.write_results(
        work, samples, _reported(report, out, job["benchmark"]), version("evalscope"), notes
    )


def _find_sentence_model() -> None:
    """NLTK's, which BLEU needs, lies in a package of the environment: nothing has to be downloaded."""
    found = Path(str(distribution("evalscope").locate_file("llama_index/core/_static/nltk_cache")))
    if found.is_dir() and not os.environ.get("NLTK_DATA"):
        os.environ["NLTK_DATA"] = str(found)
        if "nltk" in sys.modules:  # it looked already
            sys.modules["nltk"].data.path.insert(0, str(found))


def _dataset_arguments(job: Mapping[str, Any]) -> dict[str, Any]:
    arguments = dict(job["arguments"])
    if job["shots"] is not None:
        arguments["few_shot_num"] = job["shots"]
    if not job["data"]:
        return arguments
    path = Path(job["data"])
    if job["benchmark"] in GENERAL_BENCHMARKS:
        folder = path if path.is_dir() else path.parent
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        names = dict.fromkeys(_subset(file) for file in files if file.suffix in FORMATS)
        return {"local_path": str(folder), "subset_list": list(names), **arguments}
    if path.is_file():
        return {**_as_hub_folder(path, Path(job["work"]) / "data"), **arguments}
    return {"local_path": str(path), **arguments}


def _as_hub_folder(file: Path, folder: Path) -> dict[str, Any]:
    """A file of rows as a data set of a hub looks like on the disk, with one subset of the file's name."""
    folder.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".json":
        rows = json.loads(file.read_text(encoding="utf-8"))
    else:
        rows = list(driver_protocol.read_json_lines(file))
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    files = [{"split": split, "path": "rows.jsonl"} for split in ("test", "train", "validation")]
    card = {"configs": [{"config_name": file.stem, "data_files": files}]}
    (folder / "README.md").write_text(f"---\n{json.dumps(card)}\n---\n", encoding="utf-8")
    return {"local_path": str(folder), "subset_list": [file.stem]}


def _subset(file: Path) -> str:
    """`NAME` of `NAME_val.csv`, under which its `NAME_dev.csv` is found as well."""
    return next((file.stem[: -len(split)] for split in SPLITS if file.stem.endswith(split)), file.stem)


def _generation(job: Mapping[str, Any]) -> dict[str, Any]:
    settings = {"timeout": job["timeout"], "retries": 2, "retry_interval": 2}
    names = {
        "temperature": "temperature",
        "max_tokens": "max_tokens",
        "top_p": "top_p",
        "stop": "stop_seqs",
        "seed": "seed",
    }
    settings.update({theirs: job[ours] for ours, theirs in names.items() if job[ours] not in (None, [])})
    return settings | ({"extra_body": job["fields"]} if job["fields"] else {})


def _judge(job: Mapping[str, Any]) -> dict[str, Any]:
    judge = job["judge"]
    if not judge:
        return {}
    model = {"model_id": judge["model"], "api_url": judge["base_url"], "api_key": driver_protocol.judge_key()}
    return {"judge": {"models": [{**model, "generation_config": {"max_tokens": judge["max_tokens"]}}]}}


def _samples(out: Path, benchmark: str, notes: list[str]) -> Iterator[dict[str, Any]]:
    """A line for every prediction, with the review of the same index; of several the last counts."""
    for file in sorted((out / "predictions" / "model").glob(f"{benchmark}_*.jsonl")):
        reviews = {
            line.get("index"): line
            for line in driver_protocol.read_json_lines(out / "reviews" / "model" / file.name)
        }
        predictions = {line.get("index"): line for line in driver_protocol.read_json_lines(file)}
        failed: dict[str, tuple[int, str]] = {}
        for index in sorted(predictions):
            yield _sample(file.stem[len(benchmark) + 1 :], predictions[index], reviews.get(index), failed)
        for metric, (count, reason) in failed.items():
            notes.append(
                f"EvalScope could not compute {metric} for {count} samples and counts 0 for them; here they are left out. It said: {reason}"
            )


def _sample(
    subset: str,
    prediction: Mapping[str, Any],
    review: Mapping[str, Any] | None,
    failed: dict[str, tuple[int, str]],
) -> dict[str, Any]:
    output = prediction.get("model_output") or {}
    choice = (output.get("choices") or [{}])[0]
    message = choice.get("message") or {}
    usage = output.get("usage") or {}
    review = review or {}
    score = (review.get("sample_score") or {}).get("score") or {}
    return {
        "subset": subset,
        "id": str(
            ((review.get("sample_score") or {}).get("sample_metadata") or {}).get("id", prediction["index"])
        ),
        "index": prediction["index"],
        "messages": _asked(prediction.get("messages")),
        "reply": _text(message.get("content")) if choice and not output.get("error") else None,
        "tool_calls": message.get("tool_calls"),
        "finish_reason": "length" if choice.get("stop_reason") in CUT_OFF else choice.get("stop_reason"),
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "latency_s": output.get("time"),
        "gold": _gold(review.get("target"), prediction.get("metadata")),
        "extracted": score.get("extracted_prediction"),
        "scores": _values(score, failed),
        "error": output.get("error"),
    }


def _values(score: Mapping[str, Any], failed: dict[str, tuple[int, str]]) -> dict[str, float | None]:
    """The scores; one that could not be computed is None, although EvalScope writes 0."""
    found = {
        name: float(value)
        for name, value in (score.get("value") or {}).items()
        if isinstance(value, int | float)
    }
    values: dict[str, float | None] = dict(found)
    for metric, reason in ((score.get("metadata") or {}).get("metric_errors") or {}).items():
        values |= dict.fromkeys(name for name in found if name.lower().startswith(metric.lower()))
        said = [line.strip() for line in str(reason).splitlines() if line.strip(" *:")]
        telling = next((line for line in said if "not found" in line), said[0] if said else "")
        failed[metric] = (failed.get(metric, (0, ""))[0] + 1, telling)
    return values


def _gold(target: Any, metadata: Any) -> Any:
    if target and any(target):
        return target[0] if len(target) == 1 else target
    return (metadata or {}).get("target")


def _asked(messages: Any) -> list[dict[str, Any]]:
    turns = [turn for turn in messages or [] if isinstance(turn, dict)]
    while turns and turns[-1].get("role") == "assistant":
        turns.pop()
    return [{"role": turn.get("role"), "content": turn.get("content")} for turn in turns]


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if isinstance(part, dict) and part.get("text"))
    return content or ""


def _reported(report: Mapping[str, Any], out: Path, benchmark: str) -> Iterator[dict[str, Any]]:
    """EvalScope's totals, under the metric names of the samples."""
    from evalscope.metrics.semantics.naming import canonicalize_producer_identity

    names = {}
    for file in (out / "reviews" / "model").glob(f"{benchmark}_*.jsonl"):
        for line in driver_protocol.read_json_lines(file):
            score = (line.get("sample_score") or {}).get("score") or {}
            for name in score.get("value") or {}:
                if name not in names:
                    names[name] = canonicalize_producer_identity(name, "mean")
    primary = report.get("primary_metric_identity") or {}
    for metric in report.get("metrics") or []:
        identity = metric["identity"]
        name = next(
            (
                ours
                for ours, theirs in names.items()
                if (theirs.name, theirs.dimensions) == (identity["name"], identity["dimensions"])
            ),
            None,
        )
        if identity["aggregation"] not in ("mean", "identity"):
            continue
        better = {"higher_is_better": "higher", "lower_is_better": "lower"}.get(
            metric["semantics"]["direction"]
        )
        yield {
            "metric": name or _identity_name(identity),
            "value": metric["score"],
            "decimals": DECIMALS,
            "subset": "all",
            "better": better,
            "primary": identity == primary,
        }


def _identity_name(identity: Mapping[str, Any]) -> str:
    axes = ",".join(f"{name}={value}" for name, value in sorted(identity["dimensions"].items()))
    return str(identity["name"]) + (f"({axes})" if axes else "")


if __name__ == "__main__":
    driver_protocol.main(check, catalogue, run)
