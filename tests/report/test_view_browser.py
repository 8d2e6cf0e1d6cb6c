"""`evalsuite view` in a real browser: it follows a run, compares what is ticked, and reads without JavaScript."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from comparison_helpers import RIGHT, SILENT, WRONG, mcq_rows, scored
from known import known
from mock_server import PROBE, WAIT_SECONDS, MockServer, ordinary
from run_helpers import arguments, numbered, start, wait_until, write_qa

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=alert(1)> \u202eevil 中文回答 " * 60
LONG = "a-variant-with-a-rather-long-name-checkpoint-12000"


@pytest.fixture
def folder(tmp_path: Any) -> Any:
    scored(tmp_path, "base", mcq_rows([RIGHT] * 8 + [WRONG] * 22))
    scored(tmp_path, LONG, mcq_rows([RIGHT] * 22 + [SILENT] * 6 + [HOSTILE] * 2))
    scored(tmp_path, "中文-sft", mcq_rows([RIGHT] * 9 + [WRONG] * 21))
    return tmp_path / "runs"


@pytest.fixture
def address(folder: Any) -> Any:
    running = start(["view", str(folder), "--port", "0"])
    yield known(running.stdout).readline().split()[0]
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=WAIT_SECONDS)
    assert running.returncode == 0


@pytest.fixture
def visit(browser: Any, address: Any) -> Any:
    contexts, complaints, requests = [], [], []

    def open_page(**options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        context.on("request", lambda request: requests.append(request.url))
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(address)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert all(url.startswith((address, "data:")) for url in requests)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_viewer_page_at_any_width_fits_its_window(visit: Any, width: int, scheme: str) -> None:
    tab = visit(viewport={"width": width, "height": 900}, color_scheme=scheme)
    for box in tab.locator("input[name=side]").all():
        box.check()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_viewer_first_selected_variant_is_the_baseline(visit: Any) -> None:
    tab = visit()
    assert tab.locator("#go").is_disabled()
    tab.check("input[name=side][value='base:base']")
    tab.check(f"input[name=side][value='{LONG}:{LONG}']")
    assert tab.inner_text("#chosen") == "baseline: base"
    with tab.context.expect_page() as opened:
        tab.click("#go")
    page = opened.value
    page.wait_for_load_state()
    verdict = page.locator(".compared li").first.text_content().replace("\u00a0", " ")
    assert verdict.startswith(f"{LONG} is better than base on exam: accuracy +46.7 points")
    tab.uncheck("input[name=side][value='base:base']")
    assert tab.inner_text("#chosen") == f"baseline: {LONG}"


def test_viewer_without_javascript_compares_and_opens_reports(visit: Any) -> None:
    tab = visit(java_script_enabled=False)
    tab.check("input[name=side][value='base:base']")
    tab.check("input[name=side][value='中文-sft:中文-sft']")
    with tab.context.expect_page() as opened:
        tab.click("#go")
    opened.value.wait_for_load_state()
    assert "against base" in opened.value.inner_text("h1")
    tab.click("text=中文-sft")
    tab.wait_for_load_state()
    assert "中文-sft" in tab.inner_text("body")


def test_viewer_filter_keeps_runs_with_its_words(visit: Any) -> None:
    tab = visit()
    tab.fill("#filter", "CHECKPOINT")
    assert tab.locator(".run:visible").count() == 1


def test_viewer_run_appears_progresses_and_ends_without_a_reload(
    visit: Any, folder: Any, tmp_path: Path
) -> Any:
    tab = visit()
    tab.check("input[name=side][value='base:base']")
    data = write_qa(tmp_path / "qa.jsonl", numbered(10))
    goes_on = threading.Event()

    def behave(asked: Any) -> Any:
        if asked.prompt != PROBE and not asked.prompt.endswith(("0", "1", "2")):
            goes_on.wait(WAIT_SECONDS)
        return ordinary(asked)

    with MockServer(behave) as server:
        run = start(arguments(server, folder, data, more=["--name", "live", "--concurrency", "1"]))
        try:
            card = tab.locator(".run[data-name=live]")
            card.wait_for(timeout=WAIT_SECONDS * 1000)
            wait_until(lambda: "3 of 10 samples" in card.inner_text(), "the progress on the page")
            assert card.locator(".state").inner_text() == "running"
            assert card.locator("input").is_disabled()
            assert tab.is_checked("input[name=side][value='base:base']")  # a tick outlives the refresh
            with tab.context.expect_page() as opened:
                card.locator("h2 a").click(modifiers=["ControlOrMeta"])
            opened.value.wait_for_load_state()
            assert "7 of 10 samples are not there yet" in opened.value.inner_text("body")
        finally:
            goes_on.set()
            run.communicate(timeout=WAIT_SECONDS)
    wait_until(lambda: card.locator(".state").inner_text() == "complete", "the end on the page")
    assert "n = 10" in card.inner_text()
    assert card.locator("input").is_enabled()


def test_viewer_page_says_when_the_server_ended(browser: Any, folder: Any) -> None:
    running = start(["view", str(folder), "--port", "0"])
    tab = browser.new_page()
    tab.goto(known(running.stdout).readline().split()[0])
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=WAIT_SECONDS)
    wait_until(lambda: "has ended" in tab.inner_text("#status"), "the end on the page")
    tab.close()
