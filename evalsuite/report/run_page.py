"""report.html: one evaluation run as one offline file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def render(
    run: Mapping[str, Any],
    summary: Mapping[str, Any],
    read: Callable[[], Iterable[Mapping[str, Any]]],
    *,
    max_samples: int | None = None,
) -> str:
    """The page of a run: `run` is run.json, `summary` summary.json, `read` gives the lines of samples.jsonl.

    There may be any number of them; they are read once more where not all fit. At most `max_samples` are in the page (by
    default as many as a browser takes), and the page says how many there are, and which. The result can be written as UTF-8 whatever the samples hold.
    """
    # Here and not above: a command that writes no report should not wait for what one needs.
    from evalsuite.formatting.numbers import format_count
    from evalsuite.report.explorer import explorer_context
    from evalsuite.report.page import assemble_page
    from evalsuite.report.reply_statistics import Tally
    from evalsuite.report.run_view import aliases, comparison_context, context
    from evalsuite.report.sample_store import MOST_SAMPLES, SampleStore
    from evalsuite.report.summary_parts import metrics_by_dataset
    from evalsuite.report.worst_rows import worst_rows

    document = summary.get("comparison")
    baseline = document["baseline"] if document else None
    names = aliases(document) if document else {}
    pack = SampleStore(
        metrics_by_dataset(summary),
        MOST_SAMPLES if max_samples is None else max_samples,
        baseline=baseline,
        aliases=names,
    )
    tally = Tally()
    for sample in read():
        tally.add(sample)
        pack.add(sample)
    pack = pack.fit(read)
    return assemble_page(
        "report.html.j2",
        context(run, summary, tally)
        | (comparison_context(document) if document else {})
        | explorer_context(pack)
        | {"worst_rows": worst_rows(pack, baseline, names), "count": format_count},
        data=pack.data(),
    )
