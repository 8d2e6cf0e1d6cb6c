"""report.html: one evaluation run as one offline file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


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
    # Here and not above: a command that writes no report should not wait for what one needs.
    from evalsuite.report import view
    from evalsuite.report.excerpt import Excerpt, pack_within
    from evalsuite.report.numbers import format_count
    from evalsuite.report.page import assemble
    from evalsuite.report.tally import Tally

    excerpt = Excerpt(max_samples, view.metrics_by_dataset(summary))
    tally = Tally()
    for sample in samples:
        tally.add(sample)
        excerpt.add(sample)
    data, text_limit = pack_within(excerpt)
    context = {
        **view.context(run, summary),
        "habits": view.habits(tally),
        "shown": len(excerpt),
        "shown_sentence": excerpt.sentence(),
        "text_limit": format_count(text_limit),
    }
    return assemble("report.html.j2", context, data=data, styles=["style.css"], script="script.js")
