"""What report.html costs: seconds to write it, its size beside the compressed journal, and how quick it is in chromium."""

from __future__ import annotations

import argparse
import gzip
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from compare import WORDS

from evalsuite.report.run_page import render_run
from evalsuite.runs.schema import decode_line

FIXED_BYTES, PER_COMPRESSED_BYTE = 300_000, 1.2
"""What a page may take besides its samples, and for each byte of the compressed journal."""

SEARCH = """async () => {
    const [query, found] = ['query', 'found'].map((id) => document.getElementById(id));
    const began = performance.now();
    let [last, longest] = [began, 0];
    query.value = 'seven quiet engines';
    query.dispatchEvent(new Event('input'));
    while (!/ of /.test(found.textContent)) {
        await new Promise((resolve) => setTimeout(resolve));
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
    }
    return [performance.now() - began, longest];
}"""
FILTER = """() => {
    const began = performance.now();
    const select = document.getElementById('filter-subset');
    select.value = select.options[2].value;
    select.dispatchEvent(new Event('change'));
    return performance.now() - began;
}"""


def lines(rows: int) -> Iterator[dict[str, Any]]:
    """Journal lines of questions with replies of 20 to 160 words."""
    shown = random.Random(1)
    for number in range(rows):
        gold, said = shown.choice("ABCD"), shown.choice("ABCD")
        text = " ".join(shown.choices(WORDS, k=shown.randrange(20, 160)))
        yield {
            "key": f"{shown.getrandbits(128):032x}",
            "variant": "base",
            "dataset": "exam",
            "subset": f"subject {number % 7}",
            "id": str(number),
            "index": number,
            "messages": [
                {"role": "user", "content": f"Question {number}: {shown.random()}?\nA. x\nB. y\nC. z\nD. w"}
            ],
            "reply": {"text": f"{text} Answer: {said}", "finish_reason": "stop"},
            "outcome": "scored",
            "extracted": [said],
            "stage": "marker",
            "gold": gold,
            "scores": {"accuracy": float(gold == said)},
            "labels": [],
            "usage": {"prompt_tokens": 90, "completion_tokens": 80},
            "latency_s": shown.random(),
            "attempts": 1,
            "error": None,
        }


def written(rows: int, page: Path) -> str:
    """Write the page of so many rows; the figures in words."""
    journal = [orjson.dumps(line) + b"\n" for line in lines(rows)]
    metric = {"value": 0.25, "n": rows, "primary": True, "unit": "proportion"}
    subsets = {"all": {"samples": rows, "metrics": {"accuracy": metric}}}
    summary = {"run": "bench", "variants": {"base": {"datasets": {"exam": {"subsets": subsets}}}}}
    started = time.perf_counter()
    content = render_run(
        {}, summary, lambda: (line for raw in journal if (line := decode_line(raw)))
    ).encode()
    seconds = time.perf_counter() - started
    page.write_bytes(content)
    allowed = FIXED_BYTES + PER_COMPRESSED_BYTE * len(gzip.compress(b"".join(journal), 6))
    return f"{rows:,} rows: {seconds:.2f} s, {len(content) / 1e6:.2f} MB of {allowed / 1e6:.2f} MB allowed"


def opened(page: Path, chromium: str) -> str:
    """How quick the page is, in words."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        started = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("#detail h3")
        ready = time.perf_counter() - started
        filtered = tab.evaluate(FILTER)
        tab.click("#clear")
        searched, longest = tab.evaluate(SEARCH)
        browser.close()
    return (
        f"opened in {ready:.2f} s, filtered in {filtered:.0f} ms, "
        f"searched in {searched / 1000:.1f} s and never busy for more than {longest:.0f} ms"
    )


def main() -> None:
    """Print a line a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000, 10_000, 50_000])
    wanted = parser.parse_args()
    chromium = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        for rows in wanted.rows:
            figures = written(rows, page)
            print(f"{figures}; {opened(page, chromium)}" if chromium else figures)


if __name__ == "__main__":
    main()
