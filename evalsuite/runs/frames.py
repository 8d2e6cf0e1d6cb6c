"""pandas data frames of a run or a comparison, for notebooks. pandas is imported here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from evalsuite.errors import InputError
from evalsuite.runs.schema import SampleLine, Summary, TokenUsage

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_FIELDS = ("variant", "dataset", "subset", "id", "index", "outcome", "stage")


def to_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Make a data frame with one row for each mapping. Raises `InputError` without pandas."""
    try:
        import pandas as pd
    except ImportError as error:
        raise InputError("data frames need pandas: pip install 'evalsuite[frames]'") from error
    return pd.DataFrame(list(rows))


def summary_rows(summary: Summary) -> Iterator[dict[str, Any]]:
    """One row a metric of a subset of a dataset of a variant, as in summary.csv."""
    for variant, of_variant in summary.variants.items():
        for dataset, results in of_variant.datasets.items():
            for subset, part in results.subsets.items():
                for name, metric in part.metrics.items():
                    place = {
                        "run": summary.run,
                        "variant": variant,
                        "dataset": dataset,
                        "subset": subset,
                        "metric": name,
                    }
                    numbers = {key: value for key, value in to_builtins(metric).items() if key != "bounds"}
                    yield place | numbers


def sample_rows(lines: Iterable[SampleLine]) -> Iterator[dict[str, Any]]:
    """One row a sample: the reply in short, and a column for each score and count."""
    for line in lines:
        usage = line.usage or TokenUsage()
        yield {
            **{name: getattr(line, name) for name in SAMPLE_FIELDS},
            "repeat": line.repeat,
            "gold": line.gold,
            "extracted": line.extracted,
            "reply": line.reply.text if line.reply else None,
            "finish_reason": line.reply.finish_reason if line.reply else None,
            **{f"score.{name}": value for name, value in line.scores.items()},
            "labels": list(line.labels),
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "latency_s": line.latency_s,
            "error": line.error.message if line.error else None,
        }
