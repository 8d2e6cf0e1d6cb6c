"""The page of a comparison in a real browser: it works from a file, asks for nothing, and reads without JavaScript."""

from typing import Any

import pytest
from comparison_helpers import RIGHT, SILENT, WRONG, mcq_rows, scored

import evalsuite

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=alert(1)> \u202eevil 中文回答 " * 60


@pytest.fixture(scope="module")
def page(tmp_path_factory: Any) -> Any:
    folder = tmp_path_factory.mktemp("comparison")
    replies = {
        "base": [RIGHT] * 12 + [WRONG] * 28,
        "a-variant-with-a-rather-long-name": [RIGHT] * 10 + [HOSTILE] * 2 + [RIGHT] * 16 + [SILENT] * 12,
        "same": [RIGHT] * 12 + [WRONG] * 28,
    }
    runs = [scored(folder, name, mcq_rows(said)) for name, said in replies.items()]
    path = folder / "page.html"
    path.write_text(evalsuite.compare(*runs).html(), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def visit(browser: Any, page: Any) -> Any:
    contexts, complaints, requests = [], [], []

    def open_page(**options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(page)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url.split("#")[0] for url in requests} == {page}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_comparison_page_with_rows_open_fits_its_window(visit: Any, width: int, scheme: str) -> None:
    tab = visit(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.eval_on_selector_all("details", "all => all.forEach((one) => { one.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scripted", [True, False])
def test_comparison_page_with_and_without_javascript_shows_verdicts(visit: Any, scripted: bool) -> None:
    tab = visit(java_script_enabled=scripted)
    verdicts = tab.locator(".compared li").all_inner_texts()
    assert verdicts[0].startswith("a-variant-with-a-rather-long-name is better than base on exam")
    assert verdicts[1].startswith("No detectable difference between same and base on exam")


def test_comparison_page_without_javascript_shows_changed_rows(visit: Any) -> None:
    tab = visit(java_script_enabled=False)
    tab.locator(".flip-group > summary").first.click()
    tab.locator(".flip > summary").first.click()
    sides = tab.locator(".flip[open] .sides").first
    assert "Answer: B" in sides.inner_text()
    assert "Answer: A" in sides.inner_text()


def test_comparison_page_with_samples_has_the_explorer_of_reports(visit: Any) -> None:
    tab = visit()
    tab.wait_for_selector("#detail .side")
    assert tab.locator("#found").inner_text() == "18 of 40"
    tab.select_option("#filter-variant", "same")
    tab.wait_for_selector("#list .empty")
    tab.select_option("#filter-flip", "both wrong")
    tab.wait_for_function("document.querySelectorAll('#detail .side').length === 2")
    assert tab.locator("#detail .side h5").all_inner_texts() == ["base", "same"]
    assert tab.locator("#found").inner_text() == "28 of 40"


def test_forest_plot_of_each_judged_metric_is_drawn_with_its_text(visit: Any) -> None:
    tab = visit()
    titles = tab.locator("#deltas svg title").all_text_contents()
    assert len(titles) == 2
    assert "+35.0 points, 95 % interval" in titles[0]


def test_comparison_page_theme_button_switches_the_theme(visit: Any) -> None:
    tab = visit(color_scheme="light")
    tab.click("#theme")
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
