"""Finished runs judged again from their journals: nothing is lost whatever is missing, and what changed is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from known import known
from mock_server import MODEL, Asked, MockServer, failing, ordinary, reply
from run_helpers import config, lines_of, summary_of
from scoring_helpers import HEADLINE, ROWS, scoring, write_rows

from evalsuite import Run, evaluate
from evalsuite.config import build_config
from evalsuite.errors import ConfigError, InputError, RunDirectoryError, RunIncomplete
from evalsuite.evaluation.rescore import rescore
from evalsuite.evaluation.score import score
from evalsuite.runs.directory import lock_run_directory
from evalsuite.runs.schema import MetricChange, RescoreSummary


def all_kinds(server: MockServer, folder: Path) -> Run:
    """A run of every kind, some replies right, one cut off, one of nothing."""
    texts = ["Answer: B", r"\boxed{2}", "The quick brown fox", str(ROWS["toolbench"][0]["predictions"]), ""]
    server.behave = lambda asked: reply(
        texts[len(asked.prompt) % len(texts)], finish_reason="length" if "more" in asked.prompt else "stop"
    )
    specs = []
    for kind, rows in ROWS.items():
        bare = [{name: row[name] for name in row if not name.startswith("prediction")} for row in rows]
        specs.append(f"{kind}:{write_rows(folder / 'data' / f'{kind}.jsonl', bare)}")
    given = {"base_url": server.url, "model": MODEL, "out": folder / "out", "name": "run", "datasets": specs}
    return evaluate(build_config(given))


def tampered(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """The journal and the summary as another version's scorers would have left them."""
    lines = lines_of(run)
    for line in lines:
        change(line)
    (run / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


# ---------------------------------------------------------------- what goes wrong


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="not a run directory"):
            rescore(path)


@pytest.mark.parametrize("change", ["gone", "edited"])
@pytest.mark.parametrize("kind", ["mcq", "toolbench"])
def test_a_kind_that_needs_its_rows_names_the_file_and_leaves_the_run_alone(
    server: MockServer, tmp_path: Path, kind: str, change: str
) -> None:
    run = all_kinds(server, tmp_path)
    before = contents(run.path)
    path = tmp_path / "data" / f"{kind}.jsonl"
    if change == "gone":
        path.unlink()
    else:
        path.write_text(path.read_text() + "\n")
    with pytest.raises(InputError, match=f"judging {kind} needs more of a row.*{kind}.jsonl"):
        rescore(run.path)
    assert contents(run.path) == before


def test_a_journal_that_run_json_does_not_know_is_refused(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    run = evaluate(config(server, tmp_path / "out", data))
    tampered(run.path, lambda line: line.update(dataset="other"))
    before = contents(run.path)
    with pytest.raises(InputError, match=r"samples of 'other'.*evalsuite run"):
        rescore(run.path)
    assert contents(run.path) == before


def test_a_run_json_of_another_version_is_refused(server: MockServer, data: Path, tmp_path: Path) -> None:
    run = evaluate(config(server, tmp_path / "out", data))
    info = json.loads((run.path / "run.json").read_bytes())
    del info["datasets"][0]["style"]
    (run.path / "run.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match="written by another version"):
        rescore(run.path)


def test_a_run_in_use_is_refused(server: MockServer, data: Path, tmp_path: Path) -> None:
    run = evaluate(config(server, tmp_path / "out", data))
    with (
        lock_run_directory(run.path, fresh=False),
        pytest.raises(RunDirectoryError, match="another evalsuite"),
    ):
        rescore(run.path)


def test_what_an_interrupted_rescoring_left_is_no_obstacle(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    run = evaluate(config(server, tmp_path / "out", data))
    (run.path / ".rescoring").mkdir()
    (run.path / ".rescoring" / "samples.jsonl").write_text("{}\nhalf")
    again = rescore(run.path)
    assert again.summary.variants == run.summary.variants
    assert not (run.path / ".rescoring").exists()


def test_a_line_that_stands_twice_counts_once(server: MockServer, data: Path, tmp_path: Path) -> None:
    run = evaluate(config(server, tmp_path / "out", data))
    journal = run.path / "samples.jsonl"
    journal.write_bytes(journal.read_bytes() + journal.read_bytes().splitlines(keepends=True)[0] + b'{"torn')
    assert rescore(run.path).summary.variants == run.summary.variants
    assert len(lines_of(run.path)) == 12


def test_an_incomplete_run_stays_one(server: MockServer, data: Path, tmp_path: Path) -> None:
    def refuse_one(asked: Asked) -> Any:
        return failing(400) if asked.prompt == "question 0" else ordinary(asked)

    server.behave = refuse_one
    with pytest.raises(RunIncomplete):
        evaluate(config(server, tmp_path / "out", data))
    before = summary_of(tmp_path / "out" / "run")
    with pytest.raises(RunIncomplete, match="1 of 12 samples are missing") as raised:
        rescore(tmp_path / "out" / "run")
    said = str(raised.value)
    assert "Run the same command again" not in said  # that would judge again, and ask for nothing
    assert said.endswith(f" --out {tmp_path / 'out'} --name run")
    after = summary_of(tmp_path / "out" / "run")
    assert (after["variants"], after["problem"], after["errors"]) == (
        before["variants"],
        before["problem"],
        before["errors"],
    )


# ---------------------------------------------------------------- the round trip


def test_scoring_a_journal_and_rescoring_give_the_runs_own_summary(
    server: MockServer, tmp_path: Path
) -> None:
    run = all_kinds(server, tmp_path)
    asked = server.total
    scored = score(scoring(tmp_path / "out", run.path / "samples.jsonl", name="again"))
    rescored = rescore(run.path)
    assert scored.summary.variants == rescored.summary.variants == run.summary.variants
    unchanged = RescoreSummary(samples=8, outcomes_changed=0, scores_changed=0, metrics=())
    assert scored.summary.rescored == rescored.summary.rescored == unchanged
    for name in ("complete", "started", "finished", "totals", "errors", "warnings"):
        assert getattr(scored.summary, name) == getattr(rescored.summary, name) == getattr(run.summary, name)
    assert (run.path / "summary.csv").read_text() == (scored.path / "summary.csv").read_text().replace(
        "again,", "run,"
    )
    assert sorted(lines_of(scored.path), key=str) == sorted(lines_of(run.path), key=str)
    assert server.total == asked


def test_a_rescored_run_is_read_again_without_a_request(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    given = config(server, tmp_path / "out", data)
    run = evaluate(given)
    rescore(run.path)
    server.forget()
    assert evaluate(given).summary.variants == run.summary.variants
    assert server.total == 0


def test_the_journal_alone_is_enough_where_the_gold_answer_is(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    run = evaluate(config(server, tmp_path / "out", data))
    data.unlink()
    assert rescore(run.path).summary.variants == run.summary.variants


@pytest.mark.parametrize("kind", ROWS)
def test_scored_predictions_are_rescored_as_runs_are(tmp_path: Path, kind: str) -> None:
    run = score(scoring(tmp_path / "out", write_rows(tmp_path / "p.jsonl", ROWS[kind])))
    again = rescore(run.path)
    assert again.summary.variants == run.summary.variants
    assert again.metric(HEADLINE[kind]) == 1.0


def test_files_that_are_never_averaged_together_are_judged_each_by_its_own_rows(tmp_path: Path) -> None:
    for place in ("in", "out"):
        rows = ROWS["toolbench"] if place == "in" else ROWS["toolbench"][:1]
        write_rows(tmp_path / "agents" / "test" / f"{place}_domain.jsonl", rows)
    run = score(scoring(tmp_path / "out", tmp_path / "agents"))
    assert list(run.summary.variants["scored"].datasets) == ["agents/in_domain", "agents/out_domain"]
    again = rescore(run.path)
    assert again.summary.variants == run.summary.variants
    assert known(again.summary.rescored).samples == 3


@pytest.mark.parametrize("policy", ["skip", "wrong"])
def test_samples_that_could_not_be_had_count_as_they_did(
    server: MockServer, data: Path, tmp_path: Path, policy: str
) -> None:
    server.behave = lambda asked: failing(400) if asked.prompt == "question 0" else ordinary(asked)
    run = evaluate(config(server, tmp_path / "out", data, on_error=policy))
    again = rescore(run.path)
    assert again.summary.variants == run.summary.variants
    assert known(again.summary.rescored).scores_changed == 0


# ---------------------------------------------------------------- what changed


def test_what_changed_is_said_and_the_summary_before_is_kept(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    run = evaluate(config(server, tmp_path / "out", data))

    def worse(line: dict[str, Any]) -> None:
        if line["index"] < 3:
            line.update(outcome="unparsed", scores={**line["scores"], "rouge_l": 0.0})

    tampered(run.path, worse)
    summary = summary_of(run.path)
    metric = summary["variants"][MODEL]["datasets"]["qa"]["subsets"]["all"]["metrics"]["rouge_l"]
    metric["value"] = 0.75
    (run.path / "summary.json").write_text(json.dumps(summary))
    again = rescore(run.path)
    assert again.summary.rescored == RescoreSummary(
        samples=12,
        outcomes_changed=3,
        scores_changed=3,
        metrics=(MetricChange(variant=MODEL, dataset="qa", metric="rouge_l", before=0.75, after=1.0),),
    )
    assert json.loads((run.path / "summary.before-rescore.json").read_bytes()) == summary
    assert known(again.info.rescored).evalsuite
    assert all(line["outcome"] == "scored" for line in lines_of(run.path))


def test_beside_leaves_the_run_alone_and_no_other_run_is_written_over(
    server: MockServer, data: Path, tmp_path: Path
) -> None:
    run = evaluate(config(server, tmp_path / "out", data))
    before = contents(run.path)
    for _ in range(2):
        beside = rescore(run.path, beside=tmp_path / "out" / "beside")
    assert contents(run.path) == before
    assert beside.summary.run == beside.name == "beside"
    other = evaluate(config(server, tmp_path / "out", data, name="other", limit=1))
    with pytest.raises(InputError, match="holds another run"):
        rescore(run.path, beside=other.path)


def test_a_journal_is_scored_alone_and_whole(server: MockServer, data: Path, tmp_path: Path) -> None:
    run = evaluate(config(server, tmp_path / "out", data))
    predictions = write_rows(tmp_path / "p.jsonl", ROWS["qa"])
    with pytest.raises(ConfigError, match="scored by itself"):
        score(scoring(tmp_path / "out", run.path, predictions))
    with pytest.raises(ConfigError, match="scored as it is"):
        score(scoring(tmp_path / "out", run.path, limit=3))
    (tmp_path / "alone.jsonl").write_bytes((run.path / "samples.jsonl").read_bytes())
    with pytest.raises(InputError, match=r"without the run\.json"):
        score(scoring(tmp_path / "out", tmp_path / "alone.jsonl"))
    assert score(scoring(tmp_path / "out", run.path, name=None)).name == "run-rescored"
