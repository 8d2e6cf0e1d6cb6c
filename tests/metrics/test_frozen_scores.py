"""No score changes under an unchanged version: what every scorer makes of a frozen corpus of our own is on record.

`frozen/*.jsonl` are files of predictions, as `evalsuite score` takes them; a file's name begins with its kind. Never
edit one: a row more is another corpus. `frozen/scores.json` holds, by file and by scorer, a digest a version of all it
gave: a metric's scores and result, `task` the prompts and what was read from the replies, `labels` the labels,
`intervals` those of the means (their version names the metrics' versions too, since intervals follow the scores). The comparison profiles are held to their sources elsewhere.

When a change of scores is meant: raise the scorer's VERSION, say what changed in CHANGELOG.md under "Scores changed",
and run this file as a script, which adds the new versions' digests and never changes an old one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import astuple, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any, get_args

import pytest
from known import known
from scoring_helpers import CORPORA, FROZEN, frozen_plan

from evalsuite.metrics import stats
from evalsuite.runs.aggregate import ScoreAggregate
from evalsuite.runs.predictions import PredictionPlan
from evalsuite.tasks.style import Language
from evalsuite.types import AgentFormat, Score

RECORD = FROZEN / "scores.json"
DIGITS = 10
"""Of a score that count: the last ones depend on the machine's mathematics."""


def digest(value: Any) -> str:
    written = json.dumps(rounded(value), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value


def prompts(plan: PredictionPlan) -> Iterator[Any]:
    rows = [sample.row for sample, _ in plan.samples()]
    formats = get_args(AgentFormat) if plan.task.kind == "toolbench" else ("react",)
    languages: tuple[Language, ...] = ("en", "zh")
    for lang, completions, cot, agent_format in product(languages, (False, True), (False, True), formats):
        style = replace(
            plan.style, lang=lang, completions=completions, cot=cot, agent_format=agent_format, shots=1
        )
        for row, shot in pairwise(rows):
            prompt = plan.task.prompt(row, [shot], style, "subject")
            yield [prompt.messages, prompt.text, prompt.stop, prompt.tools]


def found_in(plan: PredictionPlan) -> dict[str, tuple[str, str]]:
    """Scorer → its version and the digest of what it gave."""
    samples = [sample for sample, _ in plan.samples()]
    scores: list[Score] = [
        plan.task.score(sample.row, known(plan.existing_reply(sample)), plan.style) for sample in samples
    ]
    aggregate = ScoreAggregate(plan.metrics, "fail")
    for sample, score in zip(samples, scores, strict=True):
        aggregate.add(sample.subset, score.outcome, score.values, score.statistics)
    results = {result.metric.name: result for result in aggregate.results()}
    intervals = {
        name: astuple(result.interval)
        for name, result in results.items()
        if result.metric.aggregate != "corpus"  # drawn by numpy's generator
    }
    read = [[score.outcome, score.stage, score.extracted] for score in scores]
    scored_by = ",".join(sorted({metric.version.partition(":")[0] for metric in plan.metrics}))
    found = {
        "task": (plan.task.version, digest([read, *prompts(plan)])),
        "intervals": (f"{stats.VERSION} of {scored_by}", digest(intervals)),
    }
    for name, version in plan.task.label_versions.items():
        found[name] = (version, digest([score.labels for score in scores]))
    for metric in plan.metrics:
        given = [[score.values.get(metric.score), score.statistics.get(metric.score)] for score in scores]
        found[metric.name] = (
            metric.version.partition(":")[0],
            digest([given, results[metric.name].interval.value]),
        )
    return found


def recorded() -> dict[str, dict[str, dict[str, str]]]:
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


@pytest.mark.parametrize("corpus", CORPORA, ids=lambda path: path.stem)
def test_no_score_changes_under_an_unchanged_version(corpus: Path) -> None:
    known = recorded()[corpus.stem]
    changed = []
    for scorer, (version, now) in found_in(frozen_plan(corpus)).items():
        before = known.get(scorer, {}).get(version)
        if before != now:
            changed.append(f"{scorer} v{version}: {before or 'not on record'}, now {now}")
    assert not changed, f"see the top of {Path(__file__).name}:\n" + "\n".join(changed)


@pytest.mark.parametrize("corpus", CORPORA, ids=lambda path: path.stem)
def test_the_record_notices_a_change(corpus: Path) -> None:
    plan = frozen_plan(corpus)
    task = type(plan.task)

    class Lenient(task):  # type: ignore[misc,valid-type]
        """Gives every score a little more."""

        def score(self, row: Any, reply: Any, style: Any) -> Score:
            score: Score = super().score(row, reply, style)
            more = {name: value if value is None else value + 1e-6 for name, value in score.values.items()}
            counts = {name: [*counts[:-1], counts[-1] + 1] for name, counts in score.statistics.items()}
            return replace(score, values=more, statistics=counts, labels=(*score.labels, "x"), stage="x")

    known, found = recorded()[corpus.stem], found_in(replace(plan, task=Lenient()))
    assert not [scorer for scorer, (version, now) in found.items() if known[scorer][version] == now]


def add_new_versions() -> None:
    """Put on record what is not there yet."""
    record = recorded()
    for corpus in CORPORA:
        scorers = record.setdefault(corpus.stem, {})
        for scorer, (version, now) in found_in(frozen_plan(corpus)).items():
            scorers.setdefault(scorer, {}).setdefault(version, now)
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    add_new_versions()
