"""Agent steps: records from JSON and CSV, prompts as ReAct text, outcomes of every kind of reply."""

from __future__ import annotations

import json
from typing import Any

import pytest
from shared_data import SHARED_DATA

from evalsuite.data.row_parser import RowError
from evalsuite.tasks import infer_kind
from evalsuite.tasks.dialogues import FINISH_TOOL, SYSTEM
from evalsuite.tasks.style import Style
from evalsuite.tasks.toolbench import ToolBenchTask
from evalsuite.types import Reply

TASK = ToolBenchTask()
SHARED = SHARED_DATA / "toolbench"
STYLE = Style("en", 0)
TOOLS = [{"name": "forecast", "parameters": {"day": "integer"}}, {"Name": "Finish"}]
CALL = 'Thought: so\nAction: forecast\nAction Input: {"day": 1}'
FINISH = 'Thought: done\nAction: Finish\nAction Input: {"return_type": "give_answer", "final_answer": "rain"}'
GIVE_UP = 'Thought: no\nAction: Finish\nAction Input: {"return_type": "give_up_and_restart"}'
ROW: dict[str, Any] = {"messages": [{"role": "user", "content": "Weather?"}], "tools": TOOLS, "target": CALL}


def score(reply: Reply, target: str = CALL) -> Any:
    return TASK.score(TASK.parse(ROW | {"target": target}), reply, STYLE)


class TestRows:
    def test_parse_json_text_in_a_csv(self) -> None:
        cells = {name: json.dumps(ROW[name]) for name in ("messages", "tools")}
        assert TASK.parse({**ROW, **cells}) == TASK.parse(ROW)

    @pytest.mark.parametrize(
        ("dialogue", "cluster"), [(None, None), ("", None), (7, "7"), (0, "0"), ("x", "x")]
    )
    def test_facts_cluster_is_the_dialogue(self, dialogue: int | str | None, cluster: str | None) -> None:
        assert TASK.facts(TASK.parse(ROW | {"dialogue": dialogue})).cluster == cluster

    @pytest.mark.parametrize(
        ("changed", "what"),
        [
            ({"messages": "[oops"}, "'messages' is not JSON"),
            ({"messages": []}, "'messages' is empty"),
            (
                {"messages": [{"role": "user"}]},
                "message 1 of 'messages' is not an object with 'role' and 'content'",
            ),
            ({"tools": "x"}, "'tools' is not JSON"),
            ({"tools": None}, "'tools' is not a list of named tools"),
            ({"tools": ["forecast"]}, "'tools' is not a list of named tools"),
            ({"tools": [{"description": "nameless"}]}, "'tools' is not a list of named tools"),
            ({"target": " "}, "the target is empty"),
        ],
    )
    def test_parse_faults(self, changed: dict[str, Any], what: str) -> None:
        with pytest.raises(RowError) as caught:
            TASK.parse(ROW | changed)
        assert caught.value.faults[0][0].startswith(what)

    def test_parse_tools_in_openai_form_or_none(self) -> None:
        TASK.parse(ROW | {"tools": [{"type": "function", "function": {"name": "f"}}]})
        TASK.parse(ROW | {"tools": []})

    def test_missing_columns_are_named(self) -> None:
        assert TASK.missing_columns(["messages"]) == ["'tools'", "'target'"]


def turn(who: str, text: str) -> dict[str, str]:
    return {"from": who, "value": text}


DIALOGUE: dict[str, Any] = {
    "tools": [{"Name": "forecast", "function": "Weather.", "input": {"day": "integer"}}],
    "conversations": [
        turn("user", "Weather?"),
        turn("assistant", "so \nNext: caller."),
        turn("caller", 'Action: forecast\nAction Input: {"day": 1}'),
        turn("observation", "wet"),
        turn("assistant", "I call nothing.\nNext: caller."),
        turn("assistant", "done\nNext: conclusion."),
        turn("conclusion", " rain "),
        turn("assistant", "no\nNext: give up."),
    ],
}


class TestDialogues:
    def test_expand_dialogue_gives_a_row_for_each_decision(self) -> None:
        assert infer_kind(DIALOGUE, "x") == "toolbench"
        rows = list(TASK.expand(DIALOGUE, 7))
        assert [(row["id"], row["dialogue"], row["target"]) for row in rows] == [
            ("7-0", "7", CALL),
            ("7-1", "7", FINISH),
            ("7-2", "7", GIVE_UP),
        ]
        assert rows[0]["tools"][-1] == FINISH_TOOL
        assert [message["role"] for message in rows[2]["messages"]] == [
            "system",
            "user",
            "assistant",
            "function",
            "assistant",
        ]
        assert rows[2]["messages"][3] == {"role": "function", "name": "forecast", "content": "wet"}
        assert [len(row["messages"]) for row in rows] == [2, 4, 5]
        assert all(TASK.missing_columns(row) == [] and TASK.parse(row).dialogue == "7" for row in rows)

    def test_expand_dialogue_with_own_id_and_json_text(self) -> None:
        cells = {name: json.dumps(value) for name, value in DIALOGUE.items()}
        assert [row["id"] for row in TASK.expand({**cells, "id": "d"}, 7)] == ["d-0", "d-1", "d-2"]

    def test_expand_dialogue_keeps_tools_in_step_form(self) -> None:
        (row, *_) = TASK.expand(DIALOGUE | {"tools": TOOLS[:1]}, 0)
        assert row["tools"] == [*TOOLS[:1], FINISH_TOOL]
        (row, *_) = TASK.expand(DIALOGUE | {"tools": [{"name": "Finish"}]}, 0)
        assert row["tools"] == [{"name": "Finish"}]

    def test_expand_step_is_unchanged(self) -> None:
        assert list(TASK.expand(ROW, 0)) == [ROW]

    @pytest.mark.parametrize(
        "conversations", [None, [], "x", "{}", [7], [{"from": "user"}], [{"from": 1, "value": "x"}]]
    )
    def test_expand_unreadable_dialogue_is_refused(self, conversations: list[Any] | str | None) -> None:
        with pytest.raises(RowError, match="'conversations'"):
            list(TASK.expand(DIALOGUE | {"conversations": conversations}, 0))

    @pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not on this machine")
    def test_expand_published_dialogues_give_the_published_steps(self) -> None:
        dialogues = json.loads((SHARED / "out_of_domain.json").read_text(encoding="utf-8"))
        published = json.loads((SHARED / "static_out_of_domain.json").read_text(encoding="utf-8"))
        steps = [row for number, dialogue in enumerate(dialogues) for row in TASK.expand(dialogue, number)]
        for step, expected in zip(steps[::4], published, strict=True):
            assert step["id"] == expected["id"]
            assert TASK.parse(step) == TASK.parse(expected)


class TestPrompts:
    def test_prompt_observations_become_user_turns(self) -> None:
        messages = [
            {"role": "system", "content": "Use tools."},
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": CALL},
            {"role": "function", "name": "forecast", "content": "wet"},
            {"role": "tool", "content": "wetter"},
            {"role": "assistant", "content": None},
        ]
        prompt = TASK.prompt(TASK.parse(ROW | {"messages": messages}), [], STYLE, "x")
        assert prompt.messages == [
            {"role": "system", "content": "Use tools."},
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": CALL},
            {"role": "user", "content": "Observation: wet"},
            {"role": "user", "content": "Observation: wetter"},
            {"role": "assistant", "content": ""},
        ]
        assert prompt.stop == ("Observation:",)

    def test_prompt_without_a_system_turn_gets_one_with_its_tools(self) -> None:
        system, user = TASK.prompt(TASK.parse(ROW), [], STYLE, "x").messages or ()
        assert system == {"role": "system", "content": SYSTEM + json.dumps(TOOLS)}
        assert user == {"role": "user", "content": "Weather?"}

    def test_prompt_completions_is_a_flat_text(self) -> None:
        row = TASK.parse(
            ROW | {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]}
        )
        prompt = TASK.prompt(row, [], Style("en", 0, completions=True), "x")
        assert prompt.text == "S\n\nU\n\nThought:"


class TestScores:
    @pytest.mark.parametrize(
        ("reply", "outcome", "stage", "plan"),
        [
            (Reply(CALL), "scored", "react", "call"),
            (Reply(FINISH), "scored", "react", "finish"),
            (Reply(GIVE_UP), "scored", "react", "give_up"),
            (Reply(f"<think>hm</think>{CALL}"), "scored", "react", "call"),
            (Reply(f"<think>{CALL}"), "unparsed", "", "call"),
            (Reply(f"<think>{CALL}", finish_reason="length"), "truncated", "", "call"),
            (Reply(""), "unparsed", "", "call"),
            (Reply("It will rain."), "unparsed", "", "call"),
            (
                Reply("", tool_calls=[{"function": {"name": "forecast", "arguments": '{"day": 1}'}}]),
                "scored",
                "tool_calls",
                "call",
            ),
            (Reply("", tool_calls=[{}]), "unparsed", "", "call"),
            (Reply(CALL[:40], finish_reason="length"), "scored", "react", "call"),
        ],
    )
    def test_score_outcomes(self, reply: Any, outcome: str, stage: str, plan: str) -> None:
        found = score(reply)
        assert (found.outcome, found.stage, found.extracted["plan"]) == (outcome, stage, plan)

    def test_score_equal_step_in_both_profiles(self) -> None:
        values = score(Reply(CALL)).values
        for profile in ("strict", "paper"):
            assert {
                name: values[f"{profile}/{name}"]
                for name in ("plan_em", "act_em", "hallucination_rate", "avg_f1")
            } == {
                "plan_em": 1.0,
                "act_em": 1.0,
                "hallucination_rate": 0.0,
                "avg_f1": 1.0,
            }
            assert values[f"{profile}/rouge_l"] is None

    def test_score_only_strict_cuts_at_an_invented_observation(self) -> None:
        values = score(Reply(f"{CALL}\nObservation: sun\n{FINISH}")).values
        assert (values["strict/plan_em"], values["paper/plan_em"]) == (1.0, 0.0)

    def test_score_native_call_equals_the_written_one(self) -> None:
        native = Reply("", tool_calls=[{"function": {"name": "forecast", "arguments": {"day": 1}}}])
        assert score(native).values == score(Reply(CALL)).values

    def test_score_skipped_row_has_a_reason(self) -> None:
        found = score(Reply(CALL), target=CALL.replace("forecast", "not_offered"))
        assert "gold_action_not_offered" in found.labels
        assert found.values["strict/plan_em"] is None

    def test_score_labels_are_plain_with_details_in_extracted(self) -> None:
        found = score(Reply(CALL.replace("forecast", "forcast")))
        assert found.labels == ("hallucinated_tool",)
        assert found.extracted["failures"] == {"hallucinated_tool": "forecast"}
        assert score(Reply(CALL)).labels == ()

    def test_score_repeated_step_is_labelled(self) -> None:
        messages = [
            *ROW["messages"],
            {"role": "assistant", "content": CALL},
            {"role": "function", "content": "wet"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}],
            },
        ]
        row = TASK.parse(ROW | {"messages": messages, "target": FINISH})
        assert TASK.score(row, Reply(CALL), STYLE).labels == ("wrong_plan", "repeated_step")

    @pytest.mark.parametrize(
        "text", ["", "...", "x" * 1_000_000, f"{CALL}\ud800", f"<think>{CALL}", "Action:" * 50_000]
    )
    def test_score_malformed_replies_are_labelled(self, text: str) -> None:
        assert score(Reply(text)).labels

    def test_score_row_skipped_by_paper_only_is_labelled(self) -> None:
        found = score(Reply(CALL), target=GIVE_UP)
        assert found.labels == ("wrong_plan", "paper/gold_action_not_offered")
        assert found.values["strict/plan_em"] == 0

    def test_metrics_conditional_scores_are_details(self) -> None:
        details = {metric.name for metric in TASK.metrics(STYLE) if metric.detail}
        assert details == {
            "strict/act_em_given_plan",
            "strict/avg_f1_given_tool",
            "strict/argument_name_f1",
            "strict/argument_value_f1",
        }
        assert score(Reply(CALL)).values["strict/argument_value_f1"] == 1

    @pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not on this machine")
    def test_score_published_gold_steps_have_no_label(self) -> None:
        for values in json.loads((SHARED / "static_out_of_domain.json").read_text(encoding="utf-8")):
            row = TASK.parse(values)
            assert TASK.score(row, Reply(row.target), STYLE).labels == ()

    def test_metrics_in_both_profiles(self) -> None:
        names = {metric.name for metric in TASK.metrics(STYLE)}
        assert {"strict/plan_em", "paper/plan_em", "strict/avg_f1", "paper/rouge_l"} <= names
        assert [metric.name for metric in TASK.metrics(STYLE) if not metric.higher_is_better] == [
            "strict/hallucination_rate",
            "paper/hallucination_rate",
        ]


@pytest.mark.parametrize(
    ("reply", "form"),
    [
        ('<tool_call>{"name": "forecast", "arguments": %s}</tool_call>', "tool_call"),
        ('```json\n{"name": "forecast", "arguments": %s}\n```', "fenced_json"),
        ("**Action:** `forecast`\n**Action Input:** %s", "markdown"),
    ],
)
def test_score_call_written_as_text_is_read_by_strict_and_not_by_paper(reply: str, form: str) -> None:
    """It is no hallucination: `strict` reads the call and labels its form, `paper` stays as it was published."""
    arguments = '{"city": "Porto"}'
    row = TASK.parse(
        {
            "messages": [{"role": "user", "content": "Rain?"}],
            "tools": [{"name": "forecast"}],
            "target": f"Thought: so\nAction: forecast\nAction Input: {arguments}",
        }
    )
    found = TASK.score(row, Reply(reply % arguments), Style("en", 0))
    assert found.values["strict/act_em"] == found.values["strict/avg_f1"] == 1.0
    assert found.values["strict/hallucination_rate"] == 0.0
    assert found.values["paper/act_em"] == 0.0
    assert found.extracted["failures"] == {"format_violation": form}
    assert found.labels == ("format_violation",)
