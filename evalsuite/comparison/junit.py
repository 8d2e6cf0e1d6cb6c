"""A comparison as JUnit XML, for CI systems that show test results."""

from __future__ import annotations

from collections.abc import Collection
from xml.etree import ElementTree as ET

from evalsuite.comparison.document import ComparisonDocument, ResultEntry
from evalsuite.formatting.texts import visible


def to_junit(document: ComparisonDocument, failed: Collection[ResultEntry] | None = None) -> bytes:
    """Write a test suite for each variant and a test case for each verdict.

    `failed` are the results whose cases fail; by default those that are worse.
    """
    failing = (
        [result for result in document.judged if result.verdict == "worse"] if failed is None else failed
    )
    sentences = {
        (verdict.variant, verdict.dataset, verdict.metric): verdict.sentence for verdict in document.verdicts
    }
    root = ET.Element("testsuites", name="evalsuite compare")
    for variant in dict.fromkeys(result.variant for result in document.judged):
        cases = [result for result in document.judged if result.variant == variant]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=visible(f"{variant} against {document.baseline}"),
            tests=str(len(cases)),
            failures=str(sum(result in failing for result in cases)),
        )
        for result in cases:
            sentence = sentences[result.variant, result.dataset, result.metric]
            _add_case(suite, result, sentence, failed=result in failing)
        if document.warnings:
            ET.SubElement(suite, "system-err").text = "\n".join(map(visible, document.warnings))
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _add_case(suite: ET.Element, result: ResultEntry, sentence: str, *, failed: bool) -> None:
    case = ET.SubElement(
        suite, "testcase", classname=visible(result.dataset), name=visible(result.metric), time="0"
    )
    if failed:
        ET.SubElement(case, "failure", message=visible(sentence), type="worse")
    else:
        ET.SubElement(case, "system-out").text = visible(sentence)
