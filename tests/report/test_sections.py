"""Sections of pages: each one has a template of its own, and a page shows them in the registered order."""

import re
from pathlib import Path

import report_examples as examples
from comparison_helpers import mcq_rows, replies, scored

import evalsuite
from evalsuite.report import page, sections
from evalsuite.report.run_page import render_run

TWO = ("smollm2", "smollm2-sft")


def anchors_of(html: str) -> list[str]:
    return re.findall(r'<section (?:id="([\w-]+)"|class="opening")', html)


def test_sections_are_registered_once() -> None:
    for registered in (sections.RUN_SECTIONS, sections.COMPARISON_SECTIONS):
        assert len(set(registered)) == len(registered)


def test_section_templates_and_registered_modules_match() -> None:
    folder = page.TEMPLATES / "sections"
    templates = {path.name.removesuffix(".html.j2") for path in folder.iterdir()}
    used = set()
    for function in {*sections.RUN_SECTIONS, *sections.COMPARISON_SECTIONS}:
        source = Path(function.__code__.co_filename).read_text(encoding="utf-8")
        used |= {name for name in templates if f'"{name}' in source}
    assert used == templates


def test_report_navigation_links_to_each_section_in_order(tmp_path: Path) -> None:
    lines = list(examples.samples(TWO))
    report = render_run(examples.run(TWO), examples.summary(TWO), lambda: map(examples.typed, lines))
    comparison = evalsuite.compare(
        *(
            scored(tmp_path, name, mcq_rows(replies(right, 20 - right)))
            for name, right in (("a", 5), ("b", 15))
        )
    ).html()
    for html in (report, comparison):
        navigation = html[html.index("<nav") : html.index("</nav>")]
        links = re.findall(r'href="#([\w-]+)"', navigation)
        shown = [anchor for anchor in anchors_of(html) if anchor]
        assert len(links) >= 5
        assert [anchor for anchor in shown if anchor in links] == links


def test_report_without_results_shows_only_headline_and_reproduce() -> None:
    assert anchors_of(render_run({}, {}, list)) == ["", "reproduce"]
