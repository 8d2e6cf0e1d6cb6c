"""run.json and summary.json as the page's template reads them: rows of ready text, nothing to compute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from evalsuite.report import charts
from evalsuite.report.excerpt import Metrics
from evalsuite.report.numbers import (
    MISSING,
    counted,
    finite,
    format_count,
    format_duration,
    format_interval,
    format_rate,
    format_speed,
    format_value,
    scaled,
)
from evalsuite.report.tally import Behaviour, Tally
from evalsuite.report.texts import dump
from evalsuite.runs.run import identical_variants

WHOLE = "all"
"""The subset that stands for a whole dataset."""

RESULTS_IN_THE_VERDICT = 3
"""A sentence with more numbers is not read; the table is right below it."""

TALLIES_SHOWN = 12
"""Labels and stages named one by one; the rest is summed up."""

BREAKDOWN_LINES = 25
"""Shown of one breakdown; summary.json has more."""

OUTCOMES_APART = ("unparsed", "truncated", "error", "skipped")


class Flag(NamedTuple):
    """How many samples of a row ended in one of the outcomes that are set apart; `link` shows them.

    Skipped ones, to which the metric does not apply, are nothing to worry about and have no link.
    """

    outcome: str
    number: int
    link: str


class Row(NamedTuple):
    """One line of a table of metrics."""

    variant: str
    subset: str
    metric: str
    value: str
    interval: str
    graphic: str
    n: str
    flags: tuple[Flag, ...]
    primary: bool
    lower_is_better: bool
    link: str


class Table(NamedTuple):
    """The rows of one dataset; `notes` are short facts about it."""

    dataset: str
    notes: tuple[str, ...]
    rows: tuple[Row, ...]


class BreakdownRow(NamedTuple):
    """One line of a breakdown: the parts of its key, its numbers, and where its samples are, if that can be told."""

    key: tuple[str, ...]
    numbers: tuple[str, ...]
    link: str


class BreakdownTable(NamedTuple):
    """A further table of one dataset of one variant; `rest` says what is not in it."""

    variant: str
    title: str
    note: str
    columns: tuple[str, ...]
    numbers: tuple[str, ...]
    rows: tuple[BreakdownRow, ...]
    rest: str


class Result(NamedTuple):
    """One primary number of the verdict."""

    dataset: str
    metric: str
    value: str
    interval: str


class Verdict(NamedTuple):
    """One sentence on one variant: how much it answered, and its primary numbers."""

    variant: str
    answered: str
    results: tuple[Result, ...]
    more: str


class Figure(NamedTuple):
    """A histogram with what it shows and a line of percentiles; too few values have no histogram."""

    title: str
    chart: str
    caption: str


class Count(NamedTuple):
    """One label or stage: how often, and its share of the largest in percent for the bar."""

    name: str
    number: str
    width: int
    link: str


class Habit(NamedTuple):
    """How one variant answered one dataset: histograms, labels, and the stages that read the answers."""

    variant: str
    figures: tuple[Figure, ...]
    tallies: tuple[tuple[str, tuple[Count, ...]], ...]


class Part(NamedTuple):
    """One subset of one dataset of one variant, as summary.json holds it."""

    variant: str
    dataset: str
    subset: str
    content: Mapping[str, Any]

    @property
    def category(self) -> str:
        """The category its samples are of; empty where it is a subject's part or the whole."""
        return str(self.content.get("category") or "")

    def metrics(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Its metrics, primary ones first, otherwise in their own order."""
        metrics = self.content.get("metrics") or {}
        return sorted(metrics.items(), key=lambda item: not item[1].get("primary"))

    def link(self, **filters: str) -> str:
        """The address that shows its samples in the explorer."""
        wanted = {"variant": self.variant, "dataset": self.dataset, **filters}
        if self.category:
            wanted["category"] = self.category
        elif self.subset != WHOLE:
            wanted["subset"] = self.subset
        return f"#samples?{urlencode(wanted, errors='replace')}"


def parts(summary: Mapping[str, Any]) -> Iterator[Part]:
    """Every subset of every dataset of every variant, in the summary's order."""
    for variant, of_variant in (summary.get("variants") or {}).items():
        for dataset, of_dataset in (of_variant.get("datasets") or {}).items():
            for subset, content in (of_dataset.get("subsets") or {}).items():
                owed = {"owed": of_dataset.get("owed")} if subset == WHOLE else {}
                yield Part(variant, dataset, subset, {**content, **owed})


def metrics_by_dataset(summary: Mapping[str, Any]) -> Metrics:
    """The metrics of whole datasets with their names, primary first: what a single sample is judged by."""
    return {
        (part.variant, part.dataset): {name: {**metric, "name": name} for name, metric in part.metrics()}
        for part in parts(summary)
        if part.subset == WHOLE
    }


def answered(content: Mapping[str, Any]) -> tuple[int, int]:
    """How many samples of a dataset were answered, and how many it has.

    A failed sample may be counted among `samples` and be owed as well; it is one sample all the same.
    """
    samples = int(content.get("samples") or 0)
    done = samples - int(content.get("n_error") or 0)
    return done, max(samples, done + int(content.get("owed") or 0))


def verdicts(summary: Mapping[str, Any]) -> list[Verdict]:
    """One sentence a variant."""
    wholes: dict[str, list[Part]] = {}
    for part in parts(summary):
        if part.subset == WHOLE:
            wholes.setdefault(part.variant, []).append(part)
    complete = bool(summary.get("complete", True))
    return [_verdict(variant, of_variant, complete) for variant, of_variant in wholes.items()]


def _verdict(variant: str, wholes: Sequence[Part], complete: bool) -> Verdict:
    counts = [answered(part.content) for part in wholes]
    done, asked = sum(one for one, _ in counts), sum(two for _, two in counts)
    results = []
    for part in wholes:
        name, metric = next(iter(part.metrics()), ("", {}))
        if finite(metric.get("value")) is not None:
            interval = format_interval(metric, metric.get("ci_low"), metric.get("ci_high"))
            value = format_value(metric, metric.get("value"))
            results.append(Result(part.dataset, name, value, "" if interval == MISSING else interval))
    left = len(results) - RESULTS_IN_THE_VERDICT
    return Verdict(
        variant=variant,
        answered=_answered_words(done, asked) + ("" if complete else " so far"),
        results=tuple(results[:RESULTS_IN_THE_VERDICT]),
        more=f", and {counted(left, 'more dataset')} below" if left > 0 else "",
    )


def _answered_words(done: int, asked: int) -> str:
    if asked == 1:
        return "answered the one sample" if done else "did not answer the one sample"
    if done == asked:
        return f"answered all {counted(asked, 'sample')}"
    return f"answered {format_count(done)} of {counted(asked, 'sample')}"


def _flags(part: Part, metric: Mapping[str, Any], outcomes: Iterable[str]) -> tuple[Flag, ...]:
    return tuple(
        Flag(
            outcome,
            int(metric.get(f"n_{outcome}") or 0),
            "" if outcome == "skipped" else part.link(outcome=outcome),
        )
        for outcome in outcomes
    )


def outcomes_shown(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns of counts: `skipped` only where a metric did not apply to some sample."""
    skipped = any(metric.get("n_skipped") for part in parts(summary) for _, metric in part.metrics())
    return OUTCOMES_APART if skipped else OUTCOMES_APART[:3]


def _domain(metrics: Iterable[Mapping[str, Any]]) -> tuple[float, float]:
    """The axis of rows of one metric: 0 to 100 where the unit has such an end, else what they span."""
    ends = [0.0]
    for metric in metrics:
        if metric.get("unit") in ("proportion", "score", "bleu"):
            return 0.0, 100.0
        ends.extend(
            end for name in ("value", "ci_low", "ci_high") if (end := finite(metric.get(name))) is not None
        )
    return min(ends), max(ends)


def _row(part: Part, name: str, metric: Mapping[str, Any], graphic: str, outcomes: Iterable[str]) -> Row:
    return Row(
        variant=part.variant,
        subset=part.subset,
        metric=name,
        value=format_value(metric, metric.get("value")),
        interval=format_interval(metric, metric.get("ci_low"), metric.get("ci_high")),
        graphic=graphic,
        n=format_count(metric.get("n")),
        flags=_flags(part, metric, outcomes),
        primary=bool(metric.get("primary")),
        lower_is_better=metric.get("higher_is_better") is False,
        link=part.link(),
    )


def _graphic(
    name: str,
    metric: Mapping[str, Any],
    domain: tuple[float, float],
    reference: Mapping[str, Any] | None = None,
) -> str:
    value, low, high = (scaled(metric, metric.get(key)) for key in ("value", "ci_low", "ci_high"))
    interval = format_interval(metric, metric.get("ci_low"), metric.get("ci_high"))
    words = f"{name} {format_value(metric, metric.get('value'))}"
    if interval != MISSING:
        words += f", 95 % interval {interval}"
    whole = None
    if reference is not None:
        whole = scaled(reference, reference.get("value"))
        words += f"; whole dataset {format_value(reference, reference.get('value'))}"
    return charts.interval_row(value, low, high, title=words, domain=domain, reference=whole)


def metric_tables(run: Mapping[str, Any], summary: Mapping[str, Any]) -> list[Table]:
    """Whole datasets, one table each: every metric, variants of one metric next to each other."""
    outcomes = outcomes_shown(summary)
    by_dataset: dict[str, list[Part]] = {}
    for part in parts(summary):
        if part.subset == WHOLE:
            by_dataset.setdefault(part.dataset, []).append(part)
    tables = []
    for dataset, wholes in by_dataset.items():
        names = list(dict.fromkeys(name for part in wholes for name, _ in part.metrics()))
        rows = []
        for name in names:
            cells = [(part, metric) for part in wholes for key, metric in part.metrics() if key == name]
            domain = _domain(metric for _, metric in cells)
            rows += [
                _row(part, name, metric, _graphic(name, metric, domain), outcomes) for part, metric in cells
            ]
        tables.append(Table(dataset, _notes(run, wholes[0]), tuple(rows)))
    return tables


def _notes(run: Mapping[str, Any], whole: Part) -> tuple[str, ...]:
    described: Mapping[str, Any] = next(
        (one for one in run.get("datasets") or () if one.get("name") == whole.dataset), {}
    )
    notes = [str(whole.content.get("kind") or described.get("kind") or "")]
    notes.append(counted(int(whole.content.get("samples") or 0), "sample"))
    if described.get("shots") is not None:
        notes.append(counted(int(described["shots"]), "shot"))
    if described.get("lang"):
        notes.append(str(described["lang"]))
    return tuple(note for note in notes if note)


def subset_tables(summary: Mapping[str, Any]) -> list[Table]:
    """Datasets of more than one subset: the primary metric of each subset, the best one first."""
    outcomes = outcomes_shown(summary)
    wholes = {(part.variant, part.dataset): part for part in parts(summary) if part.subset == WHOLE}
    by_dataset: dict[str, list[tuple[Part, str, Mapping[str, Any]]]] = {}
    for part in parts(summary):
        if part.subset != WHOLE and not part.category and (first := next(iter(part.metrics()), None)):
            by_dataset.setdefault(part.dataset, []).append((part, *first))
    tables = []
    for dataset, cells in by_dataset.items():
        if len({part.subset for part, _, _ in cells}) < 2:
            continue
        domain = _domain(metric for _, _, metric in cells)
        rows = []
        for part, name, metric in _best_subset_first(cells):
            whole = wholes.get((part.variant, dataset))
            reference = dict(whole.metrics()).get(name) if whole else None
            rows.append(_row(part, name, metric, _graphic(name, metric, domain, reference), outcomes))
        notes = (cells[0][1], counted(len({part.subset for part, _, _ in cells}), "subset"))
        tables.append(Table(dataset, notes, tuple(rows)))
    return tables


def category_tables(summary: Mapping[str, Any]) -> list[Table]:
    """Datasets whose rows are in categories: every metric of each category, in the summary's order."""
    outcomes = outcomes_shown(summary)
    wholes = {(part.variant, part.dataset): part for part in parts(summary) if part.subset == WHOLE}
    by_dataset: dict[str, dict[tuple[str, str], list[tuple[Part, Mapping[str, Any]]]]] = {}
    for part in parts(summary):
        if part.category:
            cells = by_dataset.setdefault(part.dataset, {})
            for name, metric in part.metrics():
                cells.setdefault((part.category, name), []).append((part, metric))
    tables = []
    for dataset, cells in by_dataset.items():
        domain = _domain(metric for of_cell in cells.values() for _, metric in of_cell)
        rows = []
        for (category, name), of_cell in cells.items():
            for part, metric in of_cell:
                reference = dict(wholes[part.variant, dataset].metrics()).get(name)
                graphic = _graphic(name, metric, domain, reference)
                rows.append(_row(part._replace(subset=category), name, metric, graphic, outcomes))
        count = len({category for category, _ in cells})
        tables.append(Table(dataset, (counted(count, "category", "categories"),), tuple(rows)))
    return tables


def breakdown_tables(summary: Mapping[str, Any]) -> list[tuple[str, list[BreakdownTable]]]:
    """Further tables of whole datasets; one title after the other, variants of one title together."""
    by_dataset: dict[str, dict[str, list[BreakdownTable]]] = {}
    for part in parts(summary):
        if part.subset == WHOLE:
            for name, described in (part.content.get("breakdowns") or {}).items():
                by_name = by_dataset.setdefault(part.dataset, {})
                by_name.setdefault(name, []).append(_breakdown(part, described))
    return [
        (dataset, [table for tables in by_name.values() for table in tables])
        for dataset, by_name in by_dataset.items()
    ]


def _breakdown(part: Part, described: Mapping[str, Any]) -> BreakdownTable:
    averages = [str(name) for name in described.get("averages") or ()]
    metrics = dict(part.metrics())
    lines = described.get("lines") or []
    shown = lines[:BREAKDOWN_LINES]
    total = int(described.get("n_lines") or 0)
    unlisted = int(described.get("n_unlisted") or 0) + sum(int(line["n"]) for line in lines[len(shown) :])
    rows = []
    for line in shown:
        key = tuple(map(str, line["key"]))
        values = line.get("values") or {}
        cells = [
            format_value(metrics.get(name, {}), (values.get(name) or {}).get("value")) for name in averages
        ]
        link = part.link(**{described["filter"]: key[0]}) if described.get("filter") else ""
        rows.append(BreakdownRow(key, (format_count(line["n"]), *cells), link))
    rest = f"{counted(unlisted, 'more count')} on lines that are not shown" if unlisted else ""
    if rest and total > len(shown):
        rest = f"The first {len(shown)} of {format_count(total)} lines; {rest}."
    return BreakdownTable(
        variant=part.variant,
        title=str(described.get("title") or ""),
        note=str(described.get("note") or ""),
        columns=tuple(map(str, described.get("columns") or ())),
        numbers=("n", *averages),
        rows=tuple(rows),
        rest=rest,
    )


def _best_subset_first(
    cells: Sequence[tuple[Part, str, Mapping[str, Any]]],
) -> list[tuple[Part, str, Mapping[str, Any]]]:
    """Subsets by the first variant's value, variants of a subset together; without a value last."""
    place: dict[str, tuple[bool, float]] = {}
    for part, _, metric in cells:
        value = finite(metric.get("value"))
        sign = 1.0 if metric.get("higher_is_better") is False else -1.0
        place.setdefault(part.subset, (value is None, sign * (value or 0.0)))
    return sorted(cells, key=lambda cell: place[cell[0].subset])


def habits(tally: Tally) -> list[tuple[str, list[Habit]]]:
    """How each dataset was answered, by each variant; variants of one dataset share their axes."""
    by_dataset: dict[str, list[tuple[str, Behaviour]]] = {}
    for (variant, dataset), behaviour in tally.behaviours.items():
        by_dataset.setdefault(dataset, []).append((variant, behaviour))
    return [(dataset, _habits(dataset, behaviours)) for dataset, behaviours in by_dataset.items()]


def _habits(dataset: str, behaviours: Sequence[tuple[str, Behaviour]]) -> list[Habit]:
    lengths: dict[str, list[float]] = {}
    for _, behaviour in behaviours:
        unit, values = behaviour.lengths()
        lengths.setdefault(unit, []).extend(values)
    length_bins = {unit: _bins(values) for unit, values in lengths.items()}
    latency_bins = _bins([value for _, behaviour in behaviours for value in behaviour.latencies])
    found = []
    for variant, behaviour in behaviours:
        unit, values = behaviour.lengths()
        figures = (
            _figure(f"Reply length in {unit}", values, format_count, length_bins[unit]),
            _figure("Latency in seconds", behaviour.latencies, format_duration, latency_bins),
        )
        tallies = (
            ("Labels", _counts(behaviour.labels, variant=variant, dataset=dataset, filtered="label")),
            (
                "How answers were read",
                _counts(behaviour.stages, variant=variant, dataset=dataset, filtered="stage"),
            ),
        )
        shown = tuple(figure for figure in figures if figure)
        found.append(Habit(variant, shown, tuple((title, counts) for title, counts in tallies if counts)))
    return found


def _bins(values: Sequence[float]) -> charts.Bins | None:
    return charts.choose_bins(values) if values else None


def _figure(
    title: str, values: Sequence[float], words: Callable[[float], str], bins: charts.Bins | None
) -> Figure | None:
    if not values:
        return None
    ordered = sorted(values)
    shares = (("median", 0.5), ("p95", 0.95), ("max", 1.0))
    caption = " · ".join(f"{name} {words(charts.percentile(ordered, share))}" for name, share in shares)
    if bins and bins.overflow and ordered[-1] >= (last := bins.edge(bins.count - 1)):
        caption += f" · last bar from {words(last)} on"
    chart = charts.histogram(ordered, title=title, show=words, bins=bins)
    return Figure(title, chart, f"{counted(len(ordered), 'reply', 'replies')} · {caption}")


def _counts(counter: Counter[str], *, variant: str, dataset: str, filtered: str) -> tuple[Count, ...]:
    ranked = counter.most_common()
    if not ranked:
        return ()
    named, rest = ranked[:TALLIES_SHOWN], ranked[TALLIES_SHOWN:]
    largest = ranked[0][1]
    shown = []
    for name, count in named:
        wanted = {"variant": variant, "dataset": dataset, filtered: name}
        link = f"#samples?{urlencode(wanted, errors='replace')}"
        shown.append(Count(name, format_count(count), max(1, round(100 * count / largest)), link))
    if rest:
        total = sum(count for _, count in rest)
        shown.append(
            Count(
                counted(len(rest), "other"), format_count(total), min(100, round(100 * total / largest)), ""
            )
        )
    return tuple(shown)


def facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The run in a handful of numbers; what is not known is left out."""
    totals = summary.get("totals") or {}
    rate = totals.get("completion_tokens_per_s")
    pairs = (
        ("samples", format_count(totals.get("samples"))),
        ("reused", format_count(totals.get("reused") or None)),
        ("requests", format_count(totals.get("requests"))),
        ("retries", format_count(totals.get("retries") or None)),
        ("wall time", format_duration(totals.get("wall_s"))),
        ("request rate", format_rate(totals.get("requests_per_s"))),
        ("prompt tokens", format_count(totals.get("prompt_tokens"))),
        ("reply tokens", format_count(totals.get("completion_tokens"))),
        ("judge prompt tokens", format_count(totals.get("judge_prompt_tokens"))),
        ("judge reply tokens", format_count(totals.get("judge_completion_tokens"))),
        ("reply token rate", format_rate(rate)),
    )
    return [(name, value) for name, value in pairs if value != MISSING]


def signatures(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(dataset, metric, signature) of whole datasets, each once."""
    found = {
        (part.dataset, name, str(metric["signature"])): None
        for part in parts(summary)
        if part.subset == WHOLE
        for name, metric in part.metrics()
        if metric.get("signature")
    }
    return list(found)


def context(run: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows apart from samples."""
    variants = list((summary.get("variants") or {}).keys())
    totals = summary.get("totals") or {}
    owed = int(totals.get("owed") or 0)
    return {
        "name": str(summary.get("run") or "run"),
        "version": str(run.get("evalsuite") or ""),
        "started": moment(summary.get("started")),
        "finished": moment(summary.get("finished")),
        "incomplete": not summary.get("complete", True),
        "problem": str(summary.get("problem") or ""),
        "owed": f"{counted(owed, 'sample')} {'is' if owed == 1 else 'are'} still owed" if owed else "",
        "command": str(run.get("command") or ""),
        "several": len(variants) > 1,
        "verdicts": verdicts(summary),
        "compared": (summary.get("comparison") or {}).get("verdicts") or [],
        "comparison_warnings": (summary.get("comparison") or {}).get("warnings") or [],
        "facts": facts(summary),
        "errors": [_error(error) for error in summary.get("errors") or ()],
        "warnings": [str(warning) for warning in summary.get("warnings") or ()],
        "outcomes": outcomes_shown(summary),
        "tables": metric_tables(run, summary),
        "category_tables": category_tables(summary),
        "subset_tables": subset_tables(summary),
        "breakdowns": breakdown_tables(summary),
        "variants": list(run.get("variants") or ()),
        "doubtful": identical_variants(run),
        "speeds": {
            name: format_speed(entry["speed"])
            for name, entry in (summary.get("variants") or {}).items()
            if "speed" in entry
        },
        "datasets": list(run.get("datasets") or ()),
        "signatures": signatures(summary),
        "versions": _versions(run.get("versions") or {}),
        "git": run.get("git") or {},
        "config": dump(run["config"], indent=True) if run.get("config") else "",
    }


def moment(stamp: Any) -> str:
    """A time stamp as a person reads it: `2026-11-21 03:20 UTC`; another form is shown as it is."""
    text = str(stamp or "")
    if len(text) >= 16 and text[10] == "T" and text.endswith("Z"):
        return f"{text[:10]} {text[11:16]} UTC"
    return text


def _error(error: Mapping[str, Any]) -> tuple[str, str, str]:
    """(class, message, how often) of a kind of failure."""
    count = int(error.get("count") or 0)
    return str(error.get("class") or "error"), str(error.get("message") or ""), counted(count, "time")


def _versions(versions: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Interpreter, platform and packages as one list."""
    plain = [(name, str(value)) for name, value in versions.items() if not isinstance(value, Mapping)]
    packages = versions.get("packages")
    return plain + [(str(n), str(v)) for n, v in (packages.items() if isinstance(packages, Mapping) else ())]
