"""The real packages against a served model. They need environments of their own: `make test-suites` makes them.

The replies come from a mock server on a real socket, which answers each prompt in a way of its own; SmolLM2 is asked by
the tests marked `model`.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mock_server import MODEL, Answer, Asked, MockServer, completion, document
from nltk_model import using_model
from run_helpers import KEY, config, reply_of
from small_pictures import png

from evalsuite import evaluate
from evalsuite.data.builtin import locate_dataset
from evalsuite.data.dataset import load_dataset
from evalsuite.data.layout import find_files
from evalsuite.errors import RunIncomplete
from evalsuite.metrics import choices_profiles, qa_profiles
from evalsuite.runs.run import Run
from evalsuite.suites.catalogue import list_benchmarks
from evalsuite.suites.environments import find_environment
from evalsuite.suites.registry import SUITES
from evalsuite.tasks.style import Style
from evalsuite.tasks.toolbench import ToolBenchRow, ToolBenchTask
from evalsuite.types import Reply

REPLIES = (
    "答案：A",
    "B",
    "The answer is C.",
    "答案：D",
    "I do not know",
    "天空是蓝色的 because of Rayleigh scattering",
    "Thought: x\nAction: find_city\nAction Input: {}",
)


def answer(asked: Asked) -> Answer:
    """Another reply for each prompt, the same each time; with all that strict clients want."""
    text = REPLIES[zlib.crc32(asked.prompt.encode()) % len(REPLIES)]
    return document(completion(text) | {"id": "x", "model": MODEL, "created": 1})


@pytest.fixture
def model() -> Iterator[MockServer]:
    with MockServer(answer) as server:
        yield server


def needs(name: str) -> pytest.MarkDecorator:
    found = find_environment(SUITES[name])
    return pytest.mark.skipif(
        found.state != "ready", reason=f"{SUITES[name].title} is {found.state}: make test-suites"
    )


def data(name: str) -> Path:
    return locate_dataset(name)[0]


def said_of_means(run: Run) -> list[str]:
    """What the run says where our mean is not the suite's number."""
    return [warning for warning in run.summary.warnings if " reports " in warning]


@needs("evalscope")
def test_real_suite_general_mcq_is_scored_as_our_profile_scores_it(model: MockServer, tmp_path: Path) -> None:
    run = evaluate(config(model, tmp_path / "out", datasets=[f"evalscope:general_mcq={data('mcq_zh')}"]))
    lines = list(run.samples())
    assert len(lines) == 48
    assert said_of_means(run) == []
    for line in lines:
        text = reply_of(line).text
        ours = choices_profiles.accuracy(
            "evalscope", text, tuple("ABCD"), tuple(line.gold), chinese=True, multiple=False
        )
        assert line.scores["evalscope/accuracy"] == ours, text


@needs("evalscope")
@pytest.mark.parametrize("name", ["qa_zh", "qa_en"])
def test_real_suite_general_qa_is_scored_as_our_profile_scores_it(
    model: MockServer, tmp_path: Path, name: str
) -> None:
    run = evaluate(config(model, tmp_path / "out", datasets=[f"evalscope:general_qa={data(name)}"]))
    assert said_of_means(run) == []
    with using_model(sentence_model()):
        for line in run.samples():
            ours = qa_profiles.score("evalscope", line.gold, reply_of(line).text)
            theirs = {metric.removeprefix("evalscope/"): value for metric, value in line.scores.items()}
            assert theirs == pytest.approx({metric: ours[metric] for metric in theirs}, abs=1e-9)


def sentence_model() -> Path:
    """NLTK's, which lies in a package of EvalScope's environment."""
    root = find_environment(SUITES["evalscope"]).python.parents[1]
    return next(root.glob("lib/python*/site-packages/llama_index/core/_static/nltk_cache"))


@needs("evalscope")
def test_tool_bench_on_a_local_file_differs_only_as_documented(model: MockServer, tmp_path: Path) -> None:
    run = evaluate(
        config(model, tmp_path / "out", datasets=[f"evalscope:tool_bench={data('toolbench_style')}"])
    )
    task = ToolBenchTask()
    path = data("toolbench_style")
    rows = {sample.index: sample.row for sample, _ in load_dataset("t", find_files(path), task).samples()}
    lines = list(run.samples())
    assert len(lines) == len(rows) == 41
    pairs = {
        "plan_em": "paper/plan_em",
        "Act.EM": "paper/act_em",
        "F1": "paper/avg_f1",
        "Easy_F1": "paper/easy_f1",
        "Hard_F1": "paper/hard_f1",
    }
    left_out = [rows[line.index] for line in lines if not line.scores]
    assert left_out
    assert all(map(asks_no_tool, left_out))
    for line in lines:
        ours = task.score(rows[line.index], Reply(reply_of(line).text), Style("en", 0)).values
        theirs = {metric.removeprefix("evalscope/"): value for metric, value in line.scores.items()}
        for metric in pairs.keys() & theirs.keys():
            assert theirs[metric] == ours[pairs[metric]], (metric, line.id, reply_of(line).text)


def asks_no_tool(row: ToolBenchRow) -> bool:
    """Whether the gold step ends the dialogue."""
    return "Action: Finish" in row.target or "Action:" not in row.target


@needs("evalscope")
def test_real_suite_evalscope_resumes_from_its_cache_and_writes_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    refused: list[str] = []

    def sometimes(asked: Asked) -> Answer:
        if asked.prompt.startswith("Hello") or len(refused) >= 40:
            return answer(asked)
        refused.append(asked.prompt)
        return answer(asked) if len(refused) < 10 else Answer(b"{}", 400)

    with MockServer(sometimes, key=KEY) as server:
        given = {"datasets": [f"evalscope:general_mcq={data('mcq_en')}"], "concurrency": 2}
        with pytest.raises(RunIncomplete, match="general_mcq"):
            evaluate(config(server, tmp_path / "out", **given))
        refused.extend([""] * 40)
        server.forget()
        run = evaluate(config(server, tmp_path / "out", **given))
        assert len(list(run.samples())) == 48
        assert 0 < server.total < 48
    for file in (tmp_path / "out").rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file


@needs("opencompass")
def test_real_suite_opencompass_over_a_csv_of_ones_own(model: MockServer, tmp_path: Path) -> None:
    path = data("mcq_en") / "biology_val.csv"
    run = evaluate(config(model, tmp_path / "out", datasets=[f"opencompass:{path}"], max_tokens=20))
    lines = list(run.samples())
    assert len(lines) == 12
    assert {value for line in lines for value in line.scores.values()} == {0.0, 1.0}
    assert lines[0].message_list is not None
    assert lines[0].message_list[0]["content"].startswith("Question:")
    assert said_of_means(run) == []


@needs("vlmeval")
@pytest.mark.parametrize("pictured", [False, True], ids=["text", "pictures"])
def test_real_suite_vlmevalkit_over_a_tsv_of_ones_own(
    model: MockServer, tmp_path: Path, pictured: bool
) -> None:
    columns = [
        "index",
        *(["image"] if pictured else []),
        "question",
        "A",
        "B",
        "C",
        "D",
        "answer",
        "category",
    ]
    rows = [
        [
            str(place),
            *([base64.b64encode(png((255, 0, 0))).decode()] if pictured else []),
            f"Which one, {place}?",
            "one",
            "two",
            "three",
            "four",
            "ABCD"[place % 4],
            "counting",
        ]
        for place in range(6)
    ]
    path = tmp_path / "own.tsv"
    path.write_text("\n".join("\t".join(row) for row in [columns, *rows]) + "\n")
    run = evaluate(config(model, tmp_path / "out", datasets=[f"vlmeval:{path}"], max_tokens=20))
    assert [line.id for line in run.samples()] == [str(place) for place in range(6)]
    assert said_of_means(run) == []
    sent = [
        asked.body["messages"][-1]["content"]
        for asked in model.requests
        if isinstance(asked.body["messages"][-1]["content"], list)
    ]
    assert any(part["type"] == "image_url" for content in sent for part in content) == pictured


@needs("vlmeval")
def test_real_suite_vlmevalkit_refuses_a_free_answer_in_one_paragraph(
    model: MockServer, tmp_path: Path
) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("index\tquestion\tanswer\n0\twhat?\tthis\n")
    with pytest.raises(RunIncomplete, match=r"multiple choice only.*-d qa:"):
        evaluate(config(model, tmp_path / "out", datasets=[f"vlmeval:{path}"]))


@needs("evalscope")
def test_real_suite_catalogue_has_every_benchmark_with_its_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path))
    found = {
        benchmark.name: benchmark for benchmark in list_benchmarks(find_environment(SUITES["evalscope"]))
    }
    assert len(found) == 276
    assert found["mmlu_pro"].hub
    assert found["humaneval"].needs == ("sandbox",)
    assert found["mmlu_pro"].size == 12032
    assert json.dumps(found["general_mcq"].metric) == '"accuracy"'


@needs("opencompass")
def test_opencompass_alias_configuration_names_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path))
    found = {
        benchmark.name: benchmark for benchmark in list_benchmarks(find_environment(SUITES["opencompass"]))
    }
    assert "ceval" in found["ceval_gen"].hub
    assert len(found) > 1000
