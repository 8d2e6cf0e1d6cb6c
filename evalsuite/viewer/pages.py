"""What each address of the local page answers. Names in addresses are looked up in the catalog, never put into a path.

/                      the page
/rows                  its list alone, which its script asks for again and again
/report?run=NAME       a run's report: the file, or, while it goes on or was killed, made from its journal
/file?run=NAME&name=F  one of `FILES`, as it is
/compare?side=RUN:VARIANT&side=…[&baseline=RUN:VARIANT]   what `evalsuite compare --html` writes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import parse_qs, quote, urlsplit

from evalsuite.errors import EvalsuiteError
from evalsuite.formatting.numbers import MISSING, counted, format_count, format_interval, format_value
from evalsuite.runs.directory import REPORT_FILE, SUMMARY_CSV, SUMMARY_JSON, RunDirectory
from evalsuite.viewer.catalog import CatalogRun, Headline, RunCatalog

HTML, CSV, JSON = "text/html; charset=utf-8", "text/csv; charset=utf-8", "application/json"
FILES = {SUMMARY_CSV: CSV, SUMMARY_JSON: JSON}
MOST_PARAMETERS = 200
Query: TypeAlias = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Response:
    """What is sent back."""

    content: bytes
    content_type: str = HTML
    status: HTTPStatus = HTTPStatus.OK


def respond(catalog: RunCatalog, target: str) -> Response:
    """The answer to a GET of an address' path and query."""
    try:
        parts = urlsplit(target)
        query = parse_qs(parts.query, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        return _problem("This address cannot be read.", HTTPStatus.BAD_REQUEST)
    pages = {"/": _page, "/rows": _rows, "/report": _report, "/file": _file, "/compare": _compare}
    if parts.path not in pages:
        return _problem("There is no such page.", HTTPStatus.NOT_FOUND)
    try:
        return pages[parts.path](catalog, query)
    except EvalsuiteError as error:
        return _problem(str(error), HTTPStatus.BAD_REQUEST)
    except Exception as error:  # noqa: BLE001 - files may be of any kind, and vanish; the other pages go on
        said = f"This page cannot be made of the files that are there ({type(error).__name__}: {error})."
        return _problem(said, HTTPStatus.INTERNAL_SERVER_ERROR)


def _page(catalog: RunCatalog, _: Query) -> Response:
    return _rendered("viewer.html.j2", root=str(catalog.root), **_listing(catalog))


def _rows(catalog: RunCatalog, _: Query) -> Response:
    from evalsuite.report.page import environment

    content = environment().get_template("viewer_rows.html.j2").render(**_listing(catalog))
    return Response(content.encode("utf-8", "replace"))


def _report(catalog: RunCatalog, query: Query) -> Response:
    run = _run(catalog, query)
    if run is None:
        return _problem("There is no such run in this folder.", HTTPStatus.NOT_FOUND)
    if run.reported:
        return Response((run.path / REPORT_FILE).read_bytes())
    from evalsuite.evaluation.rebuild import render_from_journal

    return Response(render_from_journal(RunDirectory(run.path)).page)


def _file(catalog: RunCatalog, query: Query) -> Response:
    run, name = _run(catalog, query), "".join(query.get("name", ()))
    if run is None or name not in FILES or not (run.path / name).is_file():
        return _problem("There is no such file.", HTTPStatus.NOT_FOUND)
    return Response((run.path / name).read_bytes(), FILES[name])


def _compare(catalog: RunCatalog, query: Query) -> Response:
    from evalsuite.evaluation.compare import compare

    known = {
        variant.side: f"{run.path}:{variant.name}"
        for run in reversed(catalog.runs())  # the oldest first: it is the baseline where none is named
        for variant in run.variants
    }
    asked = [*query.get("baseline", ()), *query.get("side", ())]
    if strange := [side for side in asked if side not in known]:
        return _problem(f"There is no {strange[0]} in this folder.", HTTPStatus.NOT_FOUND)
    first = known[query["baseline"][0]] if query.get("baseline") else None
    chosen = [path for side, path in known.items() if side in asked]
    chosen.sort(key=lambda path: path != first)
    if len(chosen) < 2:
        return _problem("Comparing takes two: tick two variants or more.", HTTPStatus.BAD_REQUEST)
    return Response(compare(*chosen, baseline=first).html().encode("utf-8", "replace"))


def _run(catalog: RunCatalog, query: Query) -> CatalogRun | None:
    return catalog.find("".join(query.get("run", ())))


def _listing(catalog: RunCatalog) -> dict[str, Any]:
    runs = catalog.runs()
    running = sum(run.state == "running" for run in runs)
    said = counted(len(runs), "run") + (f", {running} running" if running else "")
    return {
        "runs": runs,
        "said": said,
        "running": running,
        "shown": _shown,
        "count": format_count,
        "quoted": _quoted,
    }


def _shown(headline: Headline) -> tuple[str, str, str, str]:
    """A headline's metric, value, interval and n in words."""
    metric = headline.metric
    if metric is None:
        return "", MISSING, "", ""
    interval = format_interval(metric["unit"], metric["ci_low"], metric["ci_high"])
    return headline.name, format_value(metric["unit"], metric["value"]), interval, format_count(metric["n"])


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")


def _problem(sentence: str, status: HTTPStatus) -> Response:
    return _rendered("viewer_problem.html.j2", status, sentence=sentence)


def _rendered(template: str, status: HTTPStatus = HTTPStatus.OK, **context: Any) -> Response:
    from evalsuite.report.page import assemble_page

    page = assemble_page(
        template, context, styles=["style.css", "viewer.css"], script="viewer.js", allow_same_origin=True
    )
    return Response(page.encode("utf-8", "replace"), status=status)
