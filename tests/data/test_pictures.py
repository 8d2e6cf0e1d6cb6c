"""Pictures in rows: which are taken, which are refused, what a request and the journal carry."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known import known
from mock_server import MockServer, reply
from page_data import samples_of
from run_helpers import config, only_plan
from small_pictures import png

from evalsuite import evaluate
from evalsuite.data.pictures import (
    LARGEST_BYTES,
    PictureError,
    read_pictures,
    with_pictures,
    without_pictures,
)
from evalsuite.errors import ConfigError, DataError

RED, BLUE = png((255, 0, 0)), png((0, 0, 255))
RED64 = base64.b64encode(RED).decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data" / "pictures").mkdir(parents=True)
    (tmp_path / "data" / "pictures" / "red.png").write_bytes(RED)
    (tmp_path / "secret.png").write_bytes(BLUE)
    return tmp_path / "data"


def urls(values: dict[str, object], folder: Path) -> list[str]:
    return [picture.url() for picture in read_pictures(values, folder, {})]


@pytest.mark.parametrize(
    "value",
    [
        "pictures/red.png",
        RED64,
        f"data:image/png;base64,{RED64}",
        ["pictures/red.png"],
        json.dumps(["pictures/red.png"]),
    ],
    ids=["path", "base64", "data", "list", "list-as-text"],
)
def test_a_picture_is_sent_as_a_data_address(folder: Path, value: list[Any] | str) -> None:
    assert urls({"image": value}, folder) == [f"data:image/png;base64,{RED64}"]


def test_several_and_an_address(folder: Path) -> None:
    found = urls({"image": ["pictures/red.png", "https://example.org/a.jpg"]}, folder)
    assert found == [f"data:image/png;base64,{RED64}", "https://example.org/a.jpg"]


@pytest.mark.parametrize("empty", [None, "", float("nan"), [], "[]"])
def test_no_picture_is_none(folder: Path, empty: float | list[Any] | str | None) -> None:
    assert urls({"image": empty, "question": "?"}, folder) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("../secret.png", "leads out of the folder"),
        ("/etc/passwd", "leads out of the folder"),
        ("pictures/../../secret.png", "leads out of the folder"),
        ("pictures/none.png", "cannot be read"),
        ("pictures", "cannot be read"),
        ("file:///etc/passwd", "cannot be read"),
        ("a\0b", "cannot be read"),
        ("data:image/png;base64,%%%", "base64"),
        (base64.b64encode(b"no picture at all, but long enough for base64" * 2).decode(), "no picture"),
        ("x" * 3000 + ".png", "cannot be read"),
    ],
)
def test_what_is_no_picture_of_the_folder_is_refused(folder: Path, value: str, said: str) -> None:
    with pytest.raises(PictureError, match=said):
        read_pictures({"image": value}, folder, {})


def test_a_link_out_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    with pytest.raises(PictureError, match="leads out"):
        read_pictures({"image": "link.png"}, folder, {})


def test_a_text_file_and_a_huge_one_are_refused(folder: Path) -> None:
    (folder / "a.png").write_text("not a picture")
    (folder / "b.png").write_bytes(RED + b"\0" * LARGEST_BYTES)
    for name, said in (("a.png", "no picture"), ("b.png", "10.5 MB")):
        with pytest.raises(PictureError, match=said):
            read_pictures({"image": name}, folder, {})


@given(st.text(max_size=200))
def test_any_text_is_a_picture_or_refused(text: str) -> None:
    try:
        found = read_pictures({"image": text}, Path("/nonexistent/folder"), {})
    except PictureError:
        return
    assert all(picture.address for picture in found)


@given(st.binary(max_size=300))
def test_what_the_journal_keeps_names_what_was_sent(content: bytes) -> None:
    address = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    parts = [{"type": "image_url", "image_url": {"url": address}}, {"type": "text", "text": "what is it?"}]
    messages, kept = without_pictures([{"role": "user", "content": parts}, {"role": "user", "content": "x"}])
    (picture,) = kept
    assert picture["bytes"] == len(content)
    assert messages[0]["content"][0]["image_url"]["url"] == picture["name"]
    assert messages[0]["content"][1] == parts[1]
    assert with_pictures("text", ()) == "text"


def write_tsv(path: Path) -> Path:
    """As VLMEvalKit's files are; the third row names the first one's picture."""
    header = "index\timage\tquestion\thint\tA\tB\tC\tD\tanswer\tcategory\tl2-category"
    rows = [
        f"7\t{RED64}\tWhich colour?\tLook closely.\tblue\tred\t\t\tB\tcolour\tperception",
        f"8\t{base64.b64encode(BLUE).decode()}\tWhich colour?\t\tblue\tred\t\t\tA\tcolour\tperception",
        "9\t7\tWhich of them?\t\tred\tblue\t\t\tA\tnaming\tperception",
    ]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_vlmevalkits_tsv_is_read_as_it_is(tmp_path: Path) -> None:
    plan = only_plan(str(write_tsv(tmp_path / "mmbench.tsv")))
    assert plan.task.kind == "mcq"
    samples = [sample for sample, _ in plan.samples()]
    assert [(sample.id, sample.subset) for sample in samples] == [
        ("7", "colour"),
        ("8", "colour"),
        ("9", "naming"),
    ]
    assert samples[0].row.category == "perception"
    assert samples[0].row.question == "Look closely.\nWhich colour?"
    assert samples[2].row.pictures[0].url() == samples[0].row.pictures[0].url()
    assert dict(samples[0].row.options) == {"A": "blue", "B": "red"}


def test_a_run_sends_pictures_and_shows_thumbnails(tmp_path: Path) -> None:
    data = write_tsv(tmp_path / "mmbench.tsv")
    with MockServer(lambda _: reply("Answer: B")) as server:
        run = evaluate(config(server, tmp_path / "out", datasets=[str(data)], shots=0))
        bodies = [
            asked.body for asked in server.requests if isinstance(asked.body["messages"][-1]["content"], list)
        ]
    sent = {part["image_url"]["url"] for body in bodies for part in body["messages"][-1]["content"][:-1]}
    assert sent == {f"data:image/png;base64,{base64.b64encode(picture).decode()}" for picture in (RED, BLUE)}
    line = next(line for line in run.samples() if line.id == "7")
    assert known(line.message_list)[-1]["content"][0]["image_url"]["url"] == known(line.pictures)[0]["name"]
    page = (run.path / "report.html").read_text()
    assert "img-src data:" in page
    assert [len(shown["pictures"]) for shown in samples_of(page)] == [1, 1, 1]


def test_qa_with_a_picture_from_the_folder(folder: Path, tmp_path: Path) -> None:
    row = {"query": "What is it?", "response": "a red square", "image": "pictures/red.png"}
    (folder / "qa.jsonl").write_text(json.dumps(row) + "\n")
    with MockServer(lambda _: reply("a red square")) as server:
        run = evaluate(config(server, tmp_path / "out", datasets=[f"qa:{folder / 'qa.jsonl'}"]))
    assert run.metric("rouge_l") == 1.0


def test_a_bad_picture_is_a_bad_row_with_its_line(folder: Path) -> None:
    (folder / "qa.jsonl").write_text(
        json.dumps({"query": "?", "response": "x", "image": "../secret.png"}) + "\n"
    )
    with pytest.raises(DataError, match=r"qa.jsonl:1: '\.\./secret\.png' leads out"):
        only_plan(str(folder / "qa.jsonl"))


def asked(path: Path, **options: object) -> list[dict[str, Any]]:
    """The messages of the first request for a file."""
    plan = only_plan(str(path))
    sample, shots = next(iter(plan.samples()))
    prompt, _ = plan.request(sample, shots)
    assert prompt.messages is not None
    return list(prompt.messages)


def kinds_of_parts(content: list[dict[str, Any]]) -> list[str]:
    return [
        part["image_url"]["url"][-8:] if part["type"] == "image_url" else part["text"] for part in content
    ]


def test_numbered_pictures_stand_where_the_text_mentions_them(folder: Path) -> None:
    (folder / "blue.png").write_bytes(BLUE)
    row = {
        "question": "Look at <image 2>. Which one is red?",
        "options": ["<image 1>", "<image 2>"],
        "image_1": "pictures/red.png",
        "image_2": "blue.png",
        "answer": "A",
    }
    (folder / "mcq.jsonl").write_text(json.dumps(row) + "\n")
    red, blue = RED64[-8:], base64.b64encode(BLUE).decode()[-8:]
    parts = kinds_of_parts(asked(folder / "mcq.jsonl")[-1]["content"])
    assert [part for part in parts if part in (red, blue)] == [blue, red, blue]
    assert parts[2:] == [". Which one is red?\nA. ", red, "\nB. ", blue]


def test_a_picture_that_no_text_mentions_comes_first(folder: Path) -> None:
    row = {"query": "What is it?", "response": "red", "image_1": "pictures/red.png"}
    (folder / "qa.jsonl").write_text(json.dumps(row) + "\n")
    assert kinds_of_parts(asked(folder / "qa.jsonl")[-1]["content"]) == [RED64[-8:], "What is it?"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "pictures/red.png"}},
        {"type": "image", "image": "pictures/red.png"},
    ],
)
@pytest.mark.parametrize("name", ["vqa.jsonl", "vqa.csv"])
def test_local_pictures_in_messages_are_sent_as_base64(folder: Path, part: dict[str, Any], name: str) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}]
    if name.endswith(".csv"):
        with (folder / name).open("w", newline="") as stream:
            csv.writer(stream).writerows([["messages", "answer"], [json.dumps(messages), "red"]])
    else:
        (folder / name).write_text(json.dumps({"messages": messages, "answer": "red"}) + "\n")
    content = asked(folder / name)[-1]["content"]
    assert content[0] == {"type": "text", "text": "What is it?"}
    assert content[1] == {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{RED64}"}}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "Which?", "options": ["<image 1>", "x"], "answer": "A"}, "mentions '<image 1>', and the row has no picture 1"),
        ({"query": "See <image 2>", "response": "x", "image_1": "pictures/red.png"}, "mentions '<image 2>', and the row has no picture 2"),
        ({"question": "Which?", "A": "x", "B": "y", "answer": "A", "image_1": "dog.jpg"}, "image_1: 'dog.jpg' cannot be read"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "dog.jpg"}}]}], "answer": "x"}, "'dog.jpg' cannot be read"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "../secret.png"}}]}], "answer": "x"}, "leads out of the folder"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}], "answer": "x"}, "has no address"),
    ],
)  # fmt: skip
def test_pictures_that_are_not_there_are_refused_by_line(
    folder: Path, row: dict[str, Any], said: str
) -> None:
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=r"rows\.jsonl:1") as caught:
        only_plan(str(folder / "rows.jsonl"))
    assert said in str(caught.value)


def test_completions_cannot_carry_pictures(tmp_path: Path) -> None:
    data = write_tsv(tmp_path / "mmbench.tsv")
    with MockServer() as server, pytest.raises(ConfigError, match="pictures"):
        evaluate(config(server, tmp_path / "out", datasets=[str(data)], completions=True, shots=0))
