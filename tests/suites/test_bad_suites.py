"""What goes wrong with another suite, as the user of the command sees it: one paragraph, its exit code, native results kept."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from run_helpers import arguments, call, config, lines_of, summary_of

from evalsuite import evaluate
from evalsuite.errors import RunIncomplete
from evalsuite.suites import driver_process as driving

QUIZ = "evalscope:quiz"
SKY = "the sky fell"


@pytest.mark.parametrize(
    ("text", "how", "said"),
    [
        (
            "opencompass:ceval_gen",
            "",
            ["OpenCompass is not installed", "evalsuite suites install opencompass"],
        ),
        (QUIZ, "old", ["evalscope 1.9.0; tested are 1.14", "suites install evalscope"]),
        (QUIZ, "absent", ["has no evalscope", "suites install evalscope"]),
        (QUIZ, "does not run", ["init_fs_encoding", "suites install evalscope"]),
        ("evalscope:quizz", "", ["Did you mean evalscope:quiz", "evalsuite datasets evalscope"]),
        ("evalscope:judged", "", ["judge", "--judge-base-url"]),
        ("evalscope:boxed", "", ["sandbox", "Docker"]),
        ("evalscope:quiz=nowhere.csv", "", ["no file or folder", "nowhere.csv"]),
    ],
)
def test_bad_suite_can_be_known_before_ends_with_2_and_asks_nothing(
    server: Any, suite: Path, data: Path, tmp_path: Path, text: str, how: str, said: list[Any]
) -> None:
    environment = os.environ | {"FAKE_SUITE": how, "PATH": str(tmp_path)}
    done = call(arguments(server, tmp_path / "out", data, text), env=environment)
    assert done.returncode == 2
    assert server.total == 0
    one_paragraph(done.stderr, said)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("crash", ["ended with exit code 1", SKY]),
        ("no data", ["could not get its data", "Max retries exceeded", "It is hub/quiz", f"{QUIZ}=FOLDER"]),
        ("broken", ["environment is broken", SKY, "suites install evalscope --fresh"]),
        ("lacking", ["needs a package", SKY, "-m pip install"]),
        ("hang", ["was not finished after 2 s", "Predicting: 0/3"]),
        ("no result", ["left no result", "result.json"]),
        ("half a result", ["left no result", "result.json"]),
        ("half", ["samples.jsonl:3", "not a sample", "run the same command again"]),
        ("no samples", ["wrote no samples", "acc = 0.6666", "nothing to score"]),
    ],
)
def test_suite_failure_exits_with_3_and_keeps_native_results(
    server: Any, suite: Path, data: Path, tmp_path: Path, how: str, said: list[Any]
) -> None:
    words = arguments(server, tmp_path / "out", data, QUIZ, more=["--suite-timeout", "2"])
    done = call(words, env=os.environ | {"FAKE_SUITE": how})
    assert done.returncode == 3
    one_paragraph(done.stderr, said)
    assert "rouge_l" in done.stdout
    assert "INCOMPLETE: a benchmark of another suite has no results" in done.stdout
    run = tmp_path / "out" / "run"
    assert summary_of(run)["variants"]["mock-model"]["datasets"].keys() == {"qa"}
    assert {line["dataset"] for line in lines_of(run)} == {"qa"}
    assert (run / "report.html").is_file()


def one_paragraph(text: str, said: list[str]) -> None:
    """The error is one, names all that it must, and is no traceback."""
    (start,) = [found.start() for found in re.finditer(r"^error: ", text, re.MULTILINE)]
    errors = text[start:]
    assert "Traceback" not in text
    assert "\n\n" not in errors.strip()
    for words in said:
        assert words in errors, errors


def test_bad_suite_suite_that_says_nothing_is_ended(
    server: Any, suite: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driving, "LONGEST_SILENCE_SECONDS", 2.0)
    monkeypatch.setenv("FAKE_SUITE", "hang")
    with pytest.raises(RunIncomplete, match=r"(?s)hangs: it has printed nothing for 2 s.*Predicting: 0/3"):
        evaluate(config(server, tmp_path / "out", datasets=[f"qa:{data}", QUIZ], timeout=1))
    assert summary_of(tmp_path / "out" / "run")["variants"]["mock-model"]["datasets"].keys() == {"qa"}


def test_suite_samples_without_a_score_are_shown_with_the_suites_number(
    server: Any, suite: Path, tmp_path: Path
) -> None:
    words = arguments(server, tmp_path / "out", QUIZ)
    done = call(words, env=os.environ | {"FAKE_SUITE": "no scores"})
    assert done.returncode == 0, done.stderr
    assert (
        "evalscope reports acc = 0.666667 and wrote no score of single samples" in done.stderr + done.stdout
    )
    run = tmp_path / "out" / "run"
    assert len(lines_of(run)) == 3
    found = summary_of(run)["variants"]["mock-model"]["datasets"]["quiz"]["subsets"]["all"]
    assert (found["samples"], found["metrics"]) == (3, {})
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "wrote no score of single samples" in page
    assert "No sample of this dataset has a score." in page
    assert call(["rescore", str(run)]).returncode == 0
