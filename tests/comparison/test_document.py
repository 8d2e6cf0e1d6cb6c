"""The document of a comparison: what is written as JSON is read back as it was."""

import json
from pathlib import Path

import pytest
from comparison_helpers import mcq_rows, replies, scored
from msgspec import ValidationError

import evalsuite
from evalsuite.comparison.document import ComparisonDocument


@pytest.fixture
def document(tmp_path: Path) -> ComparisonDocument:
    runs = [
        scored(tmp_path, f"step-{step}", mcq_rows(replies(right, 20 - right)))
        for step, right in ((1, 5), (2, 15))
    ]
    return evalsuite.compare(*runs).document


def test_document_written_as_json_is_read_back_unchanged(document: ComparisonDocument) -> None:
    assert document.training
    assert ComparisonDocument.from_json(json.loads(json.dumps(document.to_json()))) == document


def test_document_with_unknown_keys_is_read(document: ComparisonDocument) -> None:
    assert ComparisonDocument.from_json(document.to_json() | {"of_a_later_version": 1}) == document


def test_document_without_results_is_refused_with_the_key(document: ComparisonDocument) -> None:
    found = document.to_json()
    del found["results"]
    with pytest.raises(ValidationError, match="results"):
        ComparisonDocument.from_json(found)


def test_document_judged_results_are_those_with_a_verdict(document: ComparisonDocument) -> None:
    assert {result.metric for result in document.judged} == {"accuracy"}
    assert document.variants == ("step-2",)
