"""Pictures in rows of ours, asked of a real vision-language model: randomly initialised and tiny, so it sees and says nonsense."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_helpers import reply_of
from small_pictures import png

from evalsuite import evaluate
from evalsuite.config import build_config
from evalsuite.suites.environments import find_environment
from evalsuite.suites.registry import SUITES

SERVER = Path(__file__).with_name("tiny_vision_server.py")
NAME = "tiny-random-llava"
COLOURS = ((255, 0, 0), (0, 0, 255), (0, 255, 0), (250, 250, 0))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    found = find_environment(SUITES["vlmeval"])
    if found.state != "ready":
        pytest.skip("torch, transformers and Pillow come with VLMEvalKit's environment: make test-suites")
    with subprocess.Popen([found.python, "-B", SERVER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def test_vision_model_model_sees_the_pictures_of_a_tsv_and_of_files(address: str, tmp_path: Path) -> None:
    rows = [
        f"{place}\t{base64.b64encode(png(colour)).decode()}\tWhich colour?\tred\tblue\tA"
        for place, colour in enumerate(COLOURS)
    ]
    (tmp_path / "colours.tsv").write_text("\n".join(["index\timage\tquestion\tA\tB\tanswer", *rows]) + "\n")
    for place, colour in enumerate(COLOURS):
        (tmp_path / f"{place}.png").write_bytes(png(colour))
    asked = [
        {"query": "What is it?", "response": "a colour", "image": [f"{place}.png", "0.png"]}
        for place in range(len(COLOURS))
    ]
    (tmp_path / "qa.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    given = {"base_url": address, "model": NAME, "out": tmp_path / "out", "name": "run", "max_tokens": 8}
    run = evaluate(
        build_config({**given, "datasets": [str(tmp_path / "colours.tsv"), f"qa:{tmp_path / 'qa.jsonl'}"]})
    )
    lines = list(run.samples())
    assert all(line.outcome != "error" for line in lines)
    for dataset in ("colours", "qa"):
        replies = {reply_of(line).text for line in lines if line.dataset == dataset}
        assert len(replies) > 1, "the same question is answered the same whatever the picture"
