"""`compare`: finished runs → better, worse, or no detectable difference."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.comparison.document import ComparisonDocument, ResultEntry
from evalsuite.comparison.document_builder import comparison_document
from evalsuite.comparison.findings import ComparisonRequest, Findings, compare_sides
from evalsuite.comparison.sides import resolve_sides, sides_from_run
from evalsuite.comparison.wording import verdict_sentence
from evalsuite.errors import GateFailed, InputError
from evalsuite.metrics.gates import RegressionGate
from evalsuite.runs.run import Run

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison. `document` holds all of it; the other attributes show parts of it."""

    document: ComparisonDocument
    findings: Findings = field(repr=False)
    gates: tuple[RegressionGate, ...] = ()

    @property
    def verdicts(self) -> list[str]:
        """One sentence for each metric that is judged."""
        return [verdict.sentence for verdict in self.document.verdicts]

    @property
    def warnings(self) -> list[str]:
        """What a reader of the verdicts must know."""
        return list(self.document.warnings)

    @property
    def regressions(self) -> list[ResultEntry]:
        """The results that fail a gate: worse, and by more than its margin."""
        return [result for result in self.document.judged if any(_fails(result, gate) for gate in self.gates)]

    def check(self) -> None:
        """Raise `GateFailed` if a result fails a gate."""
        baseline = self.document.baseline
        failed = " ".join(verdict_sentence(result, baseline) for result in self.regressions)
        if failed:
            raise GateFailed(f"--fail-on-regression: {failed}")

    def html(self) -> str:
        """One offline HTML page."""
        from evalsuite.comparison.rows import paired_lines
        from evalsuite.report.comparison_page import render_comparison

        flips = list(self.findings.flips())
        return render_comparison(
            self.document,
            flips,
            partial(paired_lines, self.findings),
            self.command(),
            self._costs(),
        )

    def csv(self) -> bytes:
        """Every result as a line of UTF-8 CSV."""
        from evalsuite.comparison.tables import to_csv

        return to_csv(self.document)

    def markdown(self, *, style: str | None = None) -> str:
        """Verdicts, warnings and a table, for a comment on a pull request. `style` may be `swift`."""
        from evalsuite.comparison.markdown import to_markdown

        return to_markdown(self.document, style)

    def junit(self) -> bytes:
        """One test case per verdict. A case fails if it fails a gate or, without gates, if it is worse."""
        from evalsuite.comparison.junit import to_junit

        return to_junit(self.document, self.regressions if self.gates else None)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values: what `evalsuite compare --json` prints."""
        return self.document.to_json()

    def frame(self) -> pd.DataFrame:
        """Every result as a row of a data frame. Needs pandas."""
        from evalsuite.runs.frames import to_frame

        return to_frame(self.to_dict()["results"])

    def command(self) -> str:
        """The command line that makes the same comparison."""
        return " ".join(map(shlex.quote, ["evalsuite", "compare", *self._words()]))

    def _words(self) -> Iterator[str]:
        for side in self.findings.sides:
            yield f"{side.run.path}:{side.variant}"
        baseline = self.findings.baseline
        if baseline is not self.findings.sides[0]:
            yield from ("--baseline", f"{baseline.run.path}:{baseline.variant}")
        for metric in self.findings.request.metrics:
            yield from ("--metric", metric)
        for gate in self.gates:
            yield from ("--fail-on-regression", *([str(gate)] if str(gate) else []))

    def _costs(self) -> dict[tuple[str, str], float | None]:
        """The cost of each dataset for each side, if its run knows the price."""
        return {
            (side.label, str(account.dataset)): account.cost
            for side in self.findings.sides
            for account in side.run.summary.accounts
            if account.variant == side.variant
        }

    def __str__(self) -> str:
        return "\n".join(self.verdicts)

    def _repr_html_(self) -> str:
        from evalsuite.comparison.tables import HEADLINES, headline_rows
        from evalsuite.formatting.notebook import notebook_html

        return notebook_html([*self.verdicts, *self.warnings], HEADLINES, headline_rows(self.document))


def compare(
    *runs: str | Path | Run,
    baseline: str | None = None,
    metrics: Sequence[str] = (),
    fail_on_regression: Sequence[str] = (),
) -> Comparison:
    """Compare variants of finished runs on the rows they have in common.

    A run is a `Run`, its directory, or `DIRECTORY:VARIANT`; without a variant, all variants of the run are compared.
    `baseline` names the side that the others are compared with (by default the first). `metrics` get a verdict instead
    of the primary ones. `fail_on_regression` holds gates: `METRIC[:MARGIN]`, or `""` for all judged metrics. The metrics
    of gates are judged too, and `Comparison.check` raises if a gate fails. Raises `InputError` if there is nothing to
    compare.
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
    """Compare the variants of one run, for its summary.json. None if it has only one, or no row in common."""
    if len(run.info.variants) < 2:
        return None
    try:
        findings = compare_sides(sides_from_run(run), ComparisonRequest(baseline))
    except InputError:
        return None
    return comparison_document(findings).to_json()


def _fails(result: ResultEntry, gate: RegressionGate) -> bool:
    if gate.metric not in (None, result.metric) or result.verdict != "worse" or result.delta is None:
        return False
    return abs(result.delta) > gate.margin
