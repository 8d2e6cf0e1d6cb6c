"""The typed documents of a run directory: old ones are read, nothing is lost on the way, JSON Schemas are in step."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import msgspec
import orjson
import pytest

from evalsuite.runs.json_schemas import schema_files
from evalsuite.runs.schema import (
    FollowUpEntry,
    ReplyEntry,
    RunInfo,
    SampleLine,
    Summary,
    TokenUsage,
    decode_document,
    decode_line,
    encode_document,
    encode_line,
)
from evalsuite.tasks.style import Style
from evalsuite.types import FollowUpReply, Measurement, Reply

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "run_format_1"
LINE = SampleLine(
    key="k",
    variant="v",
    dataset="d",
    subset="all",
    id="0",
    index=0,
    prompt=msgspec.Raw(b'"Why?"'),
    reply=ReplyEntry(text="So."),
    outcome="scored",
    scores={"accuracy": 1.0},
    gold="So.",
)

STYLE_FIELDS = asdict(Style(lang="en", shots=0))
"""Old files lack the fields that came later; they are read as their defaults."""


def old_files(name: str) -> list[Path]:
    return sorted(FIXTURES.glob(f"*/{name}"))


@pytest.mark.parametrize("path", old_files("run.json"), ids=lambda path: path.parent.name)
def test_run_info_of_format_1_is_written_as_it_was(path: Path) -> None:
    expected = orjson.loads(path.read_bytes())
    for dataset in expected["datasets"]:
        dataset["style"] |= {
            name: value for name, value in STYLE_FIELDS.items() if name not in dataset["style"]
        }
    encoded = encode_document(decode_document(path.read_bytes(), RunInfo))
    assert encoded == orjson.dumps(expected, option=orjson.OPT_INDENT_2) + b"\n"


@pytest.mark.parametrize("path", old_files("summary.json"), ids=lambda path: path.parent.name)
def test_summary_of_format_1_is_written_as_it_was(path: Path) -> None:
    assert encode_document(decode_document(path.read_bytes(), Summary)) == path.read_bytes()


@pytest.mark.parametrize("path", old_files("samples.jsonl"), ids=lambda path: path.parent.name)
def test_journal_lines_of_format_1_are_written_as_they_were(path: Path) -> None:
    whole = [raw for raw in path.read_bytes().splitlines(keepends=True) if raw.endswith(b"\n")]
    lines = [line for raw in whole if (line := decode_line(raw))]
    assert whole == [encode_line(line) for line in lines]


@pytest.mark.parametrize(
    "raw",
    [
        encode_line(LINE)[:-1],
        encode_line(LINE)[:-9] + b"\n",
        b"[1]\n",
        b"{}\n",
        encode_line(LINE).replace(b'"outcome":"scored"', b'"outcome":"splendid"'),
        encode_line(LINE).replace(b"So.", b"S\xff."),
    ],
    ids=["torn", "cut off", "not an object", "no fields", "unknown outcome", "not UTF-8"],
)
def test_decode_line_of_damaged_line_is_none(raw: bytes) -> None:
    assert decode_line(encode_line(LINE)) is not None
    assert decode_line(raw) is None


def test_decode_line_ignores_keys_it_does_not_know() -> None:
    raw = encode_line(LINE)[:-2] + b',"invented":{"later":1}}\n'
    assert decode_line(raw) == decode_line(encode_line(LINE))


def test_encode_line_replaces_what_json_cannot_carry() -> None:
    nested: list[object] = []
    for _ in range(3_000):
        nested = [nested]
    line = msgspec.structs.replace(LINE, extracted="half \ud83d", gold=[nested])
    found = orjson.loads(encode_line(line))
    assert found["extracted"] == "half �"
    assert found["prompt"] == "Why?"
    assert found["reply"]["text"] == "So."
    assert "statistics" not in found


def test_reply_survives_the_journal() -> None:
    verdict = FollowUpReply(
        "judge", "k2", Reply("7", prompt_tokens=3), 0.5, 2, from_cache=False, wasted=(1, 2)
    )
    reply = Reply(
        "text",
        "because",
        [{"type": "function", "function": {"name": "f", "arguments": "{}"}}],
        "stop",
        prompt_tokens=5,
        completion_tokens=None,
        measured=Measurement(("a", "b"), (None, -0.5)),
        further=(verdict,),
    )
    line = msgspec.structs.replace(
        LINE,
        reply=ReplyEntry.of(reply),
        usage=TokenUsage(prompt_tokens=5),
        further=(FollowUpEntry.from_reply(verdict),),
    )
    read = decode_line(encode_line(line))
    assert read is not None
    assert read.to_reply() == reply


def test_json_schemas_are_in_step_with_the_types() -> None:
    folder = ROOT / "docs" / "schemas"
    written = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    assert written == schema_files(), "run `make schemas`"
