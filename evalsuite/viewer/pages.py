"""The pages of the viewer. Names in a URL are looked up in the catalog and never become part of a path.

/                      the page
/rows                  only its list, which the script of the page polls
/report?run=NAME       the report of a run: report.html or, if that is not up to date, made from the journal
/file?run=NAME&name=F  one of `FILES`
/compare?side=RUN:VARIANT&side=…[&baseline=RUN:VARIANT]   the page that `evalsuite compare --html` writes
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
MAX_PARAMETERS = 200
Query: TypeAlias = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class PageResponse:
    """The response to one request."""

    content: bytes
    content_type: str = HTML
    status: HTTPStatus = HTTPStatus.OK


def respond(catalog: RunCatalog, target: str) -> PageResponse:
    """Answer a GET request. `target` is the path and query of the URL."""
    try:
        parts = urlsplit(target)
        query = parse_qs(parts.query, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        return _problem("This URL is not valid.", HTTPStatus.BAD_REQUEST)
    pages = {"/": _page, "/rows": _rows, "/report": _report, "/file": _file, "/compare": _compare}
    if parts.path not in pages:
        return _problem("There is no such page.", HTTPStatus.NOT_FOUND)
    try:
        return pages[parts.path](catalog, query)
    except EvalsuiteError as error:
        return _problem(str(error), HTTPStatus.BAD_REQUEST)
    except Exception as error:  # noqa: BLE001 - files may hold anything and vanish; the server must go on
        sentence = f"This page cannot be made from the files of the run ({type(error).__name__}: {error})."
        return _problem(sentence, HTTPStatus.INTERNAL_SERVER_ERROR)


def _page(catalog: RunCatalog, _: Query) -> PageResponse:
    return _rendered("viewer.html.j2", root=str(catalog.root), **_listing(catalog))


def _rows(catalog: RunCatalog, _: Query) -> PageResponse:
    from evalsuite.report.page import environment

    content = environment().get_template("viewer_rows.html.j2").render(**_listing(catalog))
    return PageResponse(content.encode("utf-8", "replace"))


def _report(catalog: RunCatalog, query: Query) -> PageResponse:
    run = _run(catalog, query)
    if run is None:
        return _problem("There is no such run in this folder.", HTTPStatus.NOT_FOUND)
    if run.reported:
        return PageResponse((run.path / REPORT_FILE).read_bytes())
    from evalsuite.evaluation.rebuild import render_from_journal

    return PageResponse(render_from_journal(RunDirectory(run.path)).page)


def _file(catalog: RunCatalog, query: Query) -> PageResponse:
    run, name = _run(catalog, query), "".join(query.get("name", ()))
    if run is None or name not in FILES or not (run.path / name).is_file():
        return _problem("There is no such file.", HTTPStatus.NOT_FOUND)
    return PageResponse((run.path / name).read_bytes(), FILES[name])


def _compare(catalog: RunCatalog, query: Query) -> PageResponse:
    from evalsuite.evaluation.compare import compare

    known = {
        variant.side: f"{run.path}:{variant.name}"
        for run in reversed(catalog.runs())  # oldest first: without a named baseline it is the baseline
        for variant in run.variants
    }
    requested = [*query.get("baseline", ()), *query.get("side", ())]
    if unknown := [side for side in requested if side not in known]:
        return _problem(f"There is no {unknown[0]} in this folder.", HTTPStatus.NOT_FOUND)
    first = known[query["baseline"][0]] if query.get("baseline") else None
    chosen = [path for side, path in known.items() if side in requested]
    chosen.sort(key=lambda path: path != first)
    if len(chosen) < 2:
        return _problem(
            "A comparison needs at least two variants: select two or more.", HTTPStatus.BAD_REQUEST
        )
    return PageResponse(compare(*chosen, baseline=first).html().encode("utf-8", "replace"))


def _run(catalog: RunCatalog, query: Query) -> CatalogRun | None:
    return catalog.find("".join(query.get("run", ())))


def _listing(catalog: RunCatalog) -> dict[str, Any]:
    runs = catalog.runs()
    running = sum(run.state == "running" for run in runs)
    status_text = counted(len(runs), "run") + (f", {running} running" if running else "")
    return {
        "runs": runs,
        "status_text": status_text,
        "running": running,
        "headline_text": _headline_text,
        "count": format_count,
        "quoted": _quoted,
    }


def _headline_text(headline: Headline) -> tuple[str, str, str, str]:
    """Metric, value, interval and n of a headline as text."""
    metric = headline.metric
    if metric is None:
        return "", MISSING, "", ""
    interval = format_interval(metric["unit"], metric["ci_low"], metric["ci_high"])
    return headline.name, format_value(metric["unit"], metric["value"]), interval, format_count(metric["n"])


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")


def _problem(sentence: str, status: HTTPStatus) -> PageResponse:
    return _rendered("viewer_problem.html.j2", status, sentence=sentence)


def _rendered(template: str, status: HTTPStatus = HTTPStatus.OK, **context: Any) -> PageResponse:
    from evalsuite.report.page import assemble_page

    page = assemble_page(
        template, context, styles=["style.css", "viewer.css"], script="viewer.js", allow_same_origin=True
    )
    return PageResponse(page.encode("utf-8", "replace"), status=status)
