"""Finished runs → better, worse, or no detectable difference: the one function behind the command line and Python."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.comparison.document import comparison_document
from evalsuite.comparison.findings import ComparisonRequest, Findings, compare_sides
from evalsuite.comparison.sides import resolve_sides, sides_from_run
from evalsuite.comparison.wording import verdict_sentence
from evalsuite.errors import GateFailed, InputError
from evalsuite.metrics.gates import RegressionGate
from evalsuite.runs.run import Run
from evalsuite.runs.schema import line_object

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Comparison:
    """What comparing found. `document` is all of it (see `comparison.document`); the rest shows parts of it."""

    document: Mapping[str, Any]
    findings: Findings = field(repr=False)
    gates: tuple[RegressionGate, ...] = ()

    @property
    def verdicts(self) -> list[str]:
        """One sentence for every metric that is judged."""
        return [verdict["sentence"] for verdict in self.document["verdicts"]]

    @property
    def warnings(self) -> list[str]:
        """What a reader of the verdicts has to know."""
        return list(self.document["warnings"])

    @property
    def regressions(self) -> list[Mapping[str, Any]]:
        """The results that fail a gate: worse, and by more than its margin."""
        judged = [result for result in self.document["results"] if result["verdict"]]
        return [result for result in judged if any(_fails(result, gate) for gate in self.gates)]

    def check(self) -> None:
        """Raise `GateFailed` where a result fails a gate."""
        baseline = self.document["baseline"]
        failed = " ".join(verdict_sentence(result, baseline) for result in self.regressions)
        if failed:
            raise GateFailed(f"--fail-on-regression: {failed}")

    def html(self) -> str:
        """One offline page, as text."""
        from evalsuite.comparison.rows import paired_lines
        from evalsuite.report.comparison_page import render_comparison

        flips = list(self.findings.flips())
        return render_comparison(
            self.document,
            flips,
            lambda: map(line_object, paired_lines(self.findings)),
            self.command(),
            self._costs(),
        )

    def csv(self) -> bytes:
        """Every result, one a line, as UTF-8."""
        from evalsuite.comparison.tables import to_csv

        return to_csv(self.document)

    def markdown(self, *, style: str | None = None) -> str:
        """Verdicts, what to know and a table, fit for a comment on a pull request; `style` may be `swift`."""
        from evalsuite.comparison.tables import to_markdown

        return to_markdown(self.document, style)

    def junit(self) -> bytes:
        """One test case a verdict; failed is what fails a gate, or, without gates, what is worse."""
        from evalsuite.comparison.tables import to_junit

        return to_junit(self.document, self.regressions if self.gates else None)

    def frame(self) -> pd.DataFrame:
        """Every result, one a row. Needs pandas."""
        from evalsuite.runs.frames import to_frame

        return to_frame(self.document["results"])

    def command(self) -> str:
        """The command line that compares the same."""
        return " ".join(map(shlex.quote, ["evalsuite", "compare", *self._words()]))

    def _words(self) -> Iterator[str]:
        for side in self.findings.sides:
            yield f"{side.run.path}:{side.variant}"
        baseline = self.findings.baseline
        if baseline is not self.findings.sides[0]:
            yield from ("--baseline", f"{baseline.run.path}:{baseline.variant}")
        for metric in self.findings.question.metrics:
            yield from ("--metric", metric)
        for gate in self.gates:
            yield from ("--fail-on-regression", *([str(gate)] if str(gate) else []))

    def _costs(self) -> dict[tuple[str, str], float | None]:
        """What each side paid for a dataset, where its run knows the price."""
        return {
            (side.label, account["dataset"]): account.get("cost")
            for side in self.findings.sides
            for account in side.run.summary.get("accounts") or ()
            if account.get("variant") == side.variant
        }

    def __str__(self) -> str:
        return "\n".join(self.verdicts)

    def _repr_html_(self) -> str:
        from evalsuite.formatting.notebook import comparison_html

        return comparison_html(self.document)


def compare(
    *runs: str | Path | Run,
    baseline: str | None = None,
    metrics: Sequence[str] = (),
    fail_on_regression: Sequence[str] = (),
) -> Comparison:
    """Compare variants of finished runs on the rows they have in common.

    A run is a `Run`, its directory, or `DIRECTORY:VARIANT`; without a variant all of its variants are taken. `baseline`
    names the side the others are held against (the first by default). `metrics` are judged in place of the primary
    ones. `fail_on_regression` holds gates (`METRIC[:MARGIN]`, or `""` for all that is judged), whose metrics are judged
    too; `Comparison.check` raises where one fails. Raises `InputError` where there is nothing to compare.
    """
    gates = tuple(RegressionGate.parse(text) for text in fail_on_regression)
    gated = tuple(gate.metric for gate in gates if gate.metric)
    findings = compare_sides(resolve_sides(runs), ComparisonRequest(baseline, tuple(metrics), gated))
    for one in findings.contrasts:
        for gate in gates:
            if one.judged and gate.metric in (None, one.metric.name):
                gate.check(one.metric.name, one.metric.highest)
    return Comparison(comparison_document(findings), findings, gates)


def compare_run(run: Run, baseline: str | None = None) -> dict[str, Any] | None:
    """The document of a run's own variants; None for a run of one, or where they have nothing in common."""
    if len(run.info["variants"]) < 2:
        return None
    try:
        return comparison_document(compare_sides(sides_from_run(run), ComparisonRequest(baseline)))
    except InputError:
        return None


def _fails(result: Mapping[str, Any], gate: RegressionGate) -> bool:
    of_gate = gate.metric in (None, result["metric"])
    return of_gate and result["verdict"] == "worse" and abs(float(result["delta"])) > gate.margin
