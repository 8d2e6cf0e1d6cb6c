"""Tables for notebooks: what a run or a comparison holds, as pandas data frames. pandas is loaded here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from evalsuite.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_FIELDS = ("variant", "dataset", "subset", "id", "index", "outcome", "stage")


def to_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row each. Raises `InputError` without pandas."""
    try:
        import pandas as pd
    except ImportError as error:
        raise InputError("data frames need pandas: pip install 'evalsuite[frames]'") from error
    return pd.DataFrame(list(rows))


def summary_rows(summary: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One row a metric of a subset of a dataset of a variant, as summary.csv has them."""
    for variant, entry in summary["variants"].items():
        for dataset, found in entry["datasets"].items():
            for subset, part in found["subsets"].items():
                for name, metric in part["metrics"].items():
                    place = {
                        "run": summary["run"],
                        "variant": variant,
                        "dataset": dataset,
                        "subset": subset,
                        "metric": name,
                    }
                    yield place | {key: value for key, value in metric.items() if key != "bounds"}


def sample_rows(lines: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One row a sample: what was asked and said in short, every score and count in a column of its own."""
    for line in lines:
        reply, usage, error = (line.get(name) or {} for name in ("reply", "usage", "error"))
        yield {
            **{name: line.get(name) for name in SAMPLE_FIELDS},
            "repeat": line.get("repeat", 0),
            "gold": line.get("gold"),
            "extracted": line.get("extracted"),
            "reply": reply.get("text"),
            "finish_reason": reply.get("finish_reason"),
            **{f"score.{name}": value for name, value in line["scores"].items()},
            "labels": list(line.get("labels") or ()),
            "prompt_tokens": usage.get("prompt_tokens"),
            "completion_tokens": usage.get("completion_tokens"),
            "latency_s": line.get("latency_s"),
            "error": error.get("message"),
        }
