"""Run directories of format 1, as evalsuite 0.1.0 wrote them: they load, resume, rescore, compare and render."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mock_server import Answer, Asked, MockServer, reply
from run_helpers import call, lines_of

from evalsuite import compare, load_run
from evalsuite.evaluation.rebuild import rebuild
from evalsuite.evaluation.rescore import rescore
from evalsuite.runs.run import Run
from evalsuite.runs.schema import RunInfo, decode_document

FIXTURES = Path(__file__).parents[1] / "fixtures" / "run_format_1"
ADDRESS = ("127.83.12.7", 18423)
"""Where `interrupted` was asked: the address is part of the variant's fingerprint."""
REPLIES = {
    "capital of France": "Paris is the capital of France.",
    "太阳": "太阳从西边升起。",
    "spider": "Eight",
    "Tom has": r"He has 3 + 4 = 7 apples. \boxed{7}",
    "A box": "#### 35",
}
OWED = ("spider", "Tom has", "A box", "太阳")
"""What marks the prompts of the samples that `interrupted` still owes; its sixth line is torn."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the directories, with their data beside them, as the working directory."""
    copy = tmp_path / "runs"
    shutil.copytree(FIXTURES, copy)
    monkeypatch.chdir(copy)
    return copy


def answer(asked: Asked) -> Answer:
    return reply(
        next((text for part, text in REPLIES.items() if part in asked.prompt.splitlines()[-1]), "ok")
    )


def numbers(run: Run) -> dict[tuple[str, ...], tuple[float | None, ...]]:
    """Every value with its interval and its count; signatures may name newer scorers."""
    return {
        (variant, dataset, subset, name): (metric.value, metric.ci_low, metric.ci_high, metric.n)
        for variant, of_variant in run.summary.variants.items()
        for dataset, results in of_variant.datasets.items()
        for subset, part in results.subsets.items()
        for name, metric in part.metrics.items()
    }


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer(answer, address=ADDRESS) as running:
        yield running


@pytest.mark.parametrize("name", ["finished", "scored"])
def test_load_run_of_format_1_has_its_numbers(folder: Path, name: str) -> None:
    run = load_run(folder / name)
    assert run.complete
    assert run.summary.run == name
    assert run.info.format == 1
    assert sum(1 for _ in run.samples()) == run.summary.totals.samples


@pytest.mark.parametrize("name", ["finished", "scored"])
def test_rescore_of_format_1_reads_every_sample(folder: Path, name: str) -> None:
    before = load_run(folder / name)
    after = rescore(folder / name)
    assert after.summary.rescored
    assert after.summary.rescored.samples == before.summary.totals.samples
    assert after.summary.variants.keys() == before.summary.variants.keys()
    assert after.info.rescored
    for variant, entry in before.summary.variants.items():
        for dataset, results in entry.datasets.items():
            whole = after.summary.variants[variant].datasets[dataset].subsets["all"]
            assert whole.samples == results.subsets["all"].samples


@pytest.mark.parametrize("name", ["finished", "scored"])
def test_rebuild_of_format_1_gives_the_numbers_of_its_summary(folder: Path, name: str) -> None:
    before = load_run(folder / name)
    after = rebuild(folder / name)
    assert numbers(after) == numbers(before)
    assert after.summary.totals == before.summary.totals
    assert "<html" in (folder / name / "report.html").read_text(encoding="utf-8")


def test_rebuild_of_an_interrupted_run_of_format_1_says_what_is_owed(folder: Path) -> None:
    run = rebuild(folder / "interrupted")
    assert not run.complete
    assert run.summary.totals.owed == len(OWED)


def test_compare_of_format_1_pairs_all_rows(folder: Path) -> None:
    shutil.copytree(folder / "finished", folder / "again")
    found = compare(folder / "finished", folder / "again")
    assert {pairing.matched for pairing in found.document.rows} == {2, 3, 4}
    assert all(result.delta == 0 for result in found.document.results if result.delta is not None)


def test_resume_of_format_1_asks_only_owed_rows_and_keeps_keys(folder: Path, server: MockServer) -> None:
    keys = [line["key"] for line in lines_of(folder / "finished")]
    info = decode_document((folder / "interrupted" / "run.json").read_bytes(), RunInfo)
    words = shlex.split(info.command)[1:]
    done = call([*words, "--out", ".", "--name", "interrupted"], cwd=folder)
    assert done.returncode == 0, done.stderr
    prompts = [asked.prompt for asked in server.requests if asked.prompt != "Hello"]
    assert len(prompts) == len(OWED)
    assert all(any(part in prompt for prompt in prompts) for part in OWED)
    assert sorted(line["key"] for line in lines_of(folder / "interrupted")) == sorted(keys)
    assert load_run(folder / "interrupted").complete
