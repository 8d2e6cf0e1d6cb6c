"""report.html: one evaluation run as one offline file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from evalsuite.report import view
from evalsuite.report.excerpt import Excerpt, pack_within
from evalsuite.report.numbers import counted, format_count
from evalsuite.report.page import assemble
from evalsuite.report.tally import Tally
from evalsuite.report.texts import dump


def render(
    run: Mapping[str, Any],
    summary: Mapping[str, Any],
    samples: Iterable[Mapping[str, Any]],
    *,
    max_samples: int = 2000,
) -> str:
    """The page of a run: `run` is run.json, `summary` summary.json, `samples` the lines of samples.jsonl.

    Pure: reads nothing but its own templates. `samples` is passed over once and may be of any length; at
    most `max_samples` are in the page, and the page says how many there are. The result can be written as
    UTF-8 whatever the samples hold.
    """
    excerpt = Excerpt(max_samples, view.metrics_by_dataset(summary))
    tally = Tally()
    for sample in samples:
        tally.add(sample)
        excerpt.add(sample)
    data, text_limit = pack_within(excerpt)
    context = {
        **_context(run, summary),
        "habits": view.habits(tally),
        "shown": len(excerpt),
        "shown_sentence": excerpt.sentence(),
        "text_limit": format_count(text_limit),
    }
    return assemble("report.html.j2", context, data=data, style="style.css", script="script.js")


def _context(run: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
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
        "owed": f"{counted(owed, 'sample')} {'is' if owed == 1 else 'are'} still owed" if owed else "",
        "command": str(run.get("command") or ""),
        "several": len(variants) > 1,
        "verdicts": view.verdicts(summary),
        "facts": view.facts(summary),
        "errors": [_error(error) for error in summary.get("errors") or ()],
        "warnings": [str(warning) for warning in summary.get("warnings") or ()],
        "outcomes": view.outcomes_shown(summary),
        "tables": view.metric_tables(run, summary),
        "subset_tables": view.subset_tables(summary),
        "variants": list(run.get("variants") or ()),
        "datasets": list(run.get("datasets") or ()),
        "signatures": view.signatures(summary),
        "versions": _versions(run.get("versions") or {}),
        "git": run.get("git") or {},
        "config": dump(run.get("config") or {}, indent=True),
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
