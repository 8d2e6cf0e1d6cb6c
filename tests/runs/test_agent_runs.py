"""Whole runs over agent records: tools in the request, in the key, in the journal; resumed to the same result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mock_server import PROBE, Answer, Asked, MockServer, failing, reply
from page_data import samples_of
from run_helpers import config, lines_of, summary_of

from evalsuite.evaluation.evaluate import evaluate

TOOLS = [
    {"name": "forecast", "parameters": {"day": "integer, required"}},
    {"name": "find_city", "parameters": {}},
]


def record(
    number: int, action: str = "forecast", tools: Any = TOOLS, target: str | None = None
) -> dict[str, Any]:
    target = target or f'Thought: so\nAction: {action}\nAction Input: {{"day": {number}}}'
    return {"messages": [{"role": "user", "content": f"day {number}?"}], "tools": tools, "target": target}


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return path


def native(asked: Asked) -> Answer:
    """Calls a tool natively where there are tools, else in text; the same for every prompt."""
    if "tools" in asked.body:
        function = {"name": "forecast", "arguments": '{"day": 1}'}
        return reply(None, tool_calls=[{"id": "x", "type": "function", "function": function}])
    return reply('Thought: so\nAction: forecast\nAction Input: {"day": 1}')


@pytest.fixture
def server() -> Any:
    with MockServer(native) as running:
        yield running


def run_of(server: MockServer, out: Path, data: Path, **options: Any) -> Path:
    found = config(
        server, out, **({"agent_format": "openai-tools"} | options | {"datasets": [f"toolbench:{data}"]})
    )
    return evaluate(found).path


def dataset_of(run: Path) -> dict[str, Any]:
    """The one dataset's entry in summary.json."""
    (variant,) = summary_of(run)["variants"].values()
    found: dict[str, Any]
    (found,) = variant["datasets"].values()
    return found


def test_tools_travel_with_the_request_into_the_journal(server: Any, tmp_path: Path) -> None:
    run = run_of(server, tmp_path, write(tmp_path / "steps.jsonl", [record(1)]))
    (asked,) = [one for one in server.requests if one.prompt != PROBE]
    names = [tool["function"]["name"] for tool in asked.body["tools"]]
    assert names == ["forecast", "find_city", "Finish"]
    (line,) = lines_of(run)
    assert line["tools"] == asked.body["tools"]
    assert line["offered"] == ["forecast", "find_city"]
    assert (line["stage"], line["labels"], line["scores"]["strict/avg_f1"]) == ("tool_calls", [], 1.0)
    metrics = dataset_of(run)["subsets"]["all"]["metrics"]
    assert metrics["strict/plan_em"]["signature"].endswith("|agent:openai-tools")
    (shown, *_) = samples_of((run / "report.html").read_text(encoding="utf-8"))
    assert shown["messages"][0][0] == "tools"
    assert "find_city" in shown["messages"][0][1]


def test_other_tools_are_another_question(server: Any, tmp_path: Path) -> None:
    data = write(tmp_path / "steps.jsonl", [record(1), record(2)])
    run = run_of(server, tmp_path, data)
    server.forget()
    run_of(server, tmp_path, data)
    assert server.total == 0
    write(data, [record(1), record(2, tools=TOOLS[:1])])
    run_of(server, tmp_path, data)
    assert server.total == 1
    assert len(lines_of(run)) == 2


@pytest.mark.parametrize("agent_format", ["react", "toolbench"])
def test_formats_in_text_send_no_tools(server: Any, tmp_path: Path, agent_format: str) -> None:
    data = write(tmp_path / "steps.jsonl", [record(1)])
    run = run_of(server, tmp_path, data, agent_format=agent_format)
    assert not any("tools" in one.body for one in server.requests)
    (line,) = lines_of(run)
    assert "tools" not in line
    assert line["scores"]["strict/plan_em"] == 1


def test_tools_that_json_cannot_carry_reach_the_journal(server: Any, tmp_path: Path) -> None:
    tools = [{"name": "forecast", "parameters": {"type": "object", "x": 10**30}}]
    run = run_of(server, tmp_path, write(tmp_path / "steps.jsonl", [record(1, tools=tools)]))
    assert lines_of(run)[0]["tools"][0]["function"]["name"] == "forecast"


def test_tables_are_in_the_summary_and_the_page_and_resume_to_the_same(server: Any, tmp_path: Path) -> None:
    records = [record(1), record(2), record(3, "find_city"), record(4, "gone")]
    run = run_of(server, tmp_path, write(tmp_path / "steps.jsonl", records))
    tables = dataset_of(run)["subsets"]["all"]["breakdowns"]
    assert [(line["key"], line["n"]) for line in tables["confusion"]["lines"]] == [
        (["forecast", "forecast"], 2),
        (["find_city", "forecast"], 1),
    ]
    assert {"key": ["wrong_tool"], "n": 1} in tables["labels"]["lines"]
    assert tables["by_depth"]["lines"][0]["values"]["strict/plan_em"] == {"value": 1.0, "n": 3}
    faults = {line["key"][0]: line["n"] for line in tables["gold_audit"]["lines"]}
    assert faults == {"gold_action_not_offered": 1, "gold_unknown_param": 1}
    for name, metric in dataset_of(run)["subsets"]["all"]["metrics"].items():
        reasons = [line["n"] for line in tables["skipped"]["lines"] if line["key"][0] == name]
        assert sum(reasons) == metric["n_skipped"]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Tools: gold and reply" in page
    assert "label=wrong_tool" in page

    journal = (run / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (run / "samples.jsonl").write_bytes(b"".join(journal[::-1][:2]))
    run_of(server, tmp_path, tmp_path / "steps.jsonl")
    assert dataset_of(run)["subsets"]["all"]["breakdowns"] == tables


def test_failed_samples_are_in_no_table(tmp_path: Path) -> None:
    with MockServer(lambda asked: native(asked) if asked.prompt == PROBE else failing(400)) as broken:
        run = run_of(broken, tmp_path, write(tmp_path / "steps.jsonl", [record(1)]), on_error="skip")
    assert "breakdowns" not in dataset_of(run)["subsets"]["all"]
