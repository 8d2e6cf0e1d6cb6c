"""Labels of failures: all that apply, each on evidence; the gold step as a reply has none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.metrics.tool_failures import LABELS, WrittenReply, failures, gold_problems, nearest_tool_name
from evalsuite.metrics.tool_schemas import offered_schemas
from evalsuite.metrics.tool_steps import parse_step, score_strict, tool_names

TOOLS = [
    {"name": "forecast", "parameters": {"city": "string, required", "day": "integer, optional"}},
    {"name": "find_city", "parameters": {"name": "string"}},
    {"name": "mystery", "parameters": "whatever you like"},
    {"name": "choose", "parameters": {"type": "object", "properties": {"unit": {"enum": ["C", "F"]}}}},
    {"name": "Finish"},
]
SCHEMAS = offered_schemas(TOOLS)


def call(name: str = "forecast", written: str = '{"city": "Porto", "day": 1}') -> str:
    return f"Thought: so\nAction: {name}\nAction Input: {written}"


GIVE_UP = call("Finish", '{"return_type": "give_up_and_restart"}')
FINISH = call("Finish", '{"return_type": "give_answer", "final_answer": "rain"}')


def labels(reply: str, gold: str = call(), earlier: tuple[str, ...] = (), **form: Any) -> dict[str, Any]:
    return failures(parse_step(gold), WrittenReply(reply, **form), SCHEMAS, map(parse_step, earlier))


class TestForm:
    @pytest.mark.parametrize("reply", ["", " \n\t", "\ufeff".strip("\ufeff")])
    def test_an_empty_reply(self, reply: str) -> None:
        assert labels(reply) == {"empty": None}

    def test_cut_off_at_the_limit(self) -> None:
        assert labels("", truncated=True) == {"empty": None, "truncated": None}
        assert labels(call(), truncated=True) == {"truncated": None}

    @pytest.mark.parametrize(
        "reply",
        [
            "It will rain.",
            "...",
            "Action: forecast",
            'Action Input: {"city": "Porto", "day": 1}',
            "Action:\nAction Input: {}",
            "Action: forecast\nwith a word more\nAction Input: {}",
            f"{call()}\n{call()}",
            f"{call()}\nObservation: sun",
        ],
    )
    def test_not_one_well_formed_step(self, reply: str) -> None:
        assert "format_violation" in labels(reply)

    def test_a_thought_may_speak_of_actions(self) -> None:
        assert labels(f"Thought: two ways.\nAction:\n1. ask\n2. guess\n{call()}") == {}

    def test_native_calls(self) -> None:
        native = {"function": {"name": "forecast", "arguments": '{"city": "Porto", "day": 1}'}}
        assert labels("", tool_calls=[native]) == {}
        assert labels("", tool_calls=[native], native_calls_expected=True) == {}
        assert "format_violation" in labels("", tool_calls=[{}])
        assert labels(call(), native_calls_expected=True) == {"format_violation": "react"}


class TestChoice:
    def test_plans(self) -> None:
        assert labels(FINISH) == {"wrong_plan": None}
        assert labels(GIVE_UP, gold=FINISH) == {"wrong_plan": None}
        assert labels(call(), gold=FINISH) == {"wrong_plan": None}
        assert labels(call("Finish", "oops"), gold=GIVE_UP) == {"malformed_json": "unrepairable"}

    def test_a_tool_that_is_not_offered_with_the_nearest_name(self) -> None:
        assert labels(call("get_forecast")) == {"hallucinated_tool": "forecast"}
        assert labels(call("x" * 1_000_000)) == {"hallucinated_tool": None}
        assert failures(parse_step(call()), WrittenReply(call("x")), {"forecast": SCHEMAS["forecast"]}) == {
            "hallucinated_tool": "forecast"
        }

    def test_an_offered_tool_but_another(self) -> None:
        assert labels(call("find_city", '{"name": "Porto"}')) == {"wrong_tool": None}

    def test_a_skipped_row_is_not_compared(self) -> None:
        gold = call("not_offered")
        assert labels(call("get_forecast"), gold=gold) == {}
        assert labels(GIVE_UP, gold=gold) == {}
        assert labels(call("forecast", "oops"), gold=gold) == {"malformed_json": "unrepairable"}

    def test_nearest_names(self) -> None:
        assert nearest_tool_name("forcast", ["forecast", "find_city"]) == "forecast"
        assert nearest_tool_name("x", []) is None


class TestArguments:
    @pytest.mark.parametrize(
        ("written", "detail"),
        [("{'city': 'Porto'}", "repairable"), ("oops", "unrepairable"), ("", "unrepairable"), ("[1]", "unrepairable"),
         ('{"day": NaN}', "repairable")],
    )  # fmt: skip
    def test_malformed(self, written: str, detail: str) -> None:
        assert labels(call(written=written)) == {"malformed_json": detail}

    def test_against_the_tool_s_own_words(self) -> None:
        assert labels(call(written='{"day": "1", "hour": 3}')) == {
            "missing_required": ["city"],
            "unknown_param": ["hour"],
            "wrong_type": ["day"],
            "wrong_value": ["day"],
        }

    def test_of_another_tool_than_the_gold_one_too(self) -> None:
        assert labels(call(written="{}"), gold=call("find_city", "{}")) == {
            "wrong_tool": None,
            "missing_required": ["city"],
        }

    def test_parameters_that_are_not_described_are_compared_with_the_gold_call_only(self) -> None:
        gold = call("mystery", '{"a": 1, "b": 2}')
        assert labels(call("mystery", '{"b": 2, "c": 3}'), gold=gold) == {"other_arguments": ["a", "c"]}
        assert labels(call("mystery", '{"a": 1}'), gold=call("mystery", "{}")) == {"other_arguments": ["a"]}
        assert labels(call("mystery", '{"a": 1}'), gold=call("mystery", "oops")) == {}

    def test_an_optional_parameter_of_the_gold_call_left_out(self) -> None:
        assert labels(call(written='{"city": "Porto"}')) == {"other_arguments": ["day"]}

    def test_names_that_a_label_has_already_are_not_named_twice(self) -> None:
        assert labels(call(written='{"day": 1, "hour": 3}')) == {
            "missing_required": ["city"],
            "unknown_param": ["hour"],
        }

    def test_values_by_json_type(self) -> None:
        assert labels(call(written='{"city": "Porto", "day": 1.0}')) == {}
        assert labels(call(written='{"city": "Porto", "day": true}')).keys() == {"wrong_type", "wrong_value"}

    @pytest.mark.parametrize("written", ['{"day": "tomorrow"}', '{"hour": 3}', "{}", "oops"])
    def test_what_the_gold_step_does_is_no_failure(self, written: str) -> None:
        assert labels(call(written=written), gold=call(written=written)) == {}


class TestRepeats:
    def test_the_same_call_again(self) -> None:
        again = call(written='{ "day": 1, "city": "Lyon"}')
        assert labels(again, earlier=(call(written='{"city": "Lyon", "day": 1}'),)).keys() == {
            "wrong_value",
            "repeated_step",
        }
        assert "repeated_step" not in labels(again, earlier=(call(), FINISH, "", "Action: forecast"))

    def test_a_repeat_that_the_gold_step_makes_is_right(self) -> None:
        assert labels(call(), earlier=(call(),)) == {}

    def test_saying_nothing_twice_is_no_repeat(self) -> None:
        assert "repeated_step" not in labels("hm", earlier=("hm",))


class TestGold:
    @pytest.mark.parametrize(
        ("gold", "fault"),
        [
            (call("invalid_hallucination_function_name"), "gold_action_invalid"),
            (call("forecst"), "gold_action_not_offered"),
            (call(written="oops"), "gold_malformed_json"),
            (call(written='{"day": 1}'), "gold_missing_required"),
            (call(written='{"city": "x", "hour": 1}'), "gold_unknown_param"),
            (call(written='{"city": 1}'), "gold_wrong_type"),
            (call("choose", '{"unit": "K"}'), "gold_outside_enum"),
        ],
    )
    def test_faults(self, gold: str, fault: str) -> None:
        assert list(gold_problems(parse_step(gold), SCHEMAS)) == [fault]

    def test_faults_are_said_in_words(self) -> None:
        assert gold_problems(parse_step(call("forecst")), SCHEMAS) == {
            "gold_action_not_offered": "the gold step calls 'forecst', which is not offered (the nearest name is 'forecast')"
        }

    @pytest.mark.parametrize("gold", [call(), FINISH, GIVE_UP, "It rains.", call("mystery", '{"a": 1}')])
    def test_no_fault(self, gold: str) -> None:
        assert gold_problems(parse_step(gold), SCHEMAS) == {}


PIECES = st.lists(
    st.sampled_from(
        ["Action:", "Action Input:", "Observation:", "forecast", "Finish", "{}", '{"day": "x"}', "{'a", "\n", "\ud800",
         '{"return_type": "give_answer"}', "invalid_hallucination_function_name", "[" * 3000, '{"a": NaN}']
    )
    | st.text(max_size=5)
).map("".join)  # fmt: skip
TOOL_LISTS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["forecast", "Finish", "x", ""])},
        optional={
            "parameters": st.none()
            | st.text(max_size=5)
            | st.dictionaries(st.text(max_size=3), st.text(max_size=9))
        },
    ),
    max_size=3,
)


ARGUMENTS = st.dictionaries(
    st.sampled_from(["a", "day", "city"]), st.sampled_from([1, 1.5, True, "1", None, [1]])
)
STEPS = st.builds(
    call,
    st.sampled_from(["forecast", "x", "none", "invalid_hallucination_function_name"]),
    ARGUMENTS.map(json.dumps) | st.sampled_from(["oops", "[1]", '{"a": NaN}', ""]),
) | st.sampled_from([FINISH, GIVE_UP, call("Finish", "oops"), "", "hm", "<think>"])


@given(PIECES, PIECES, TOOL_LISTS, st.booleans())
def test_nothing_raises_and_labels_are_known(
    gold: str, reply: str, tools: list[Any], truncated: bool
) -> None:
    schemas = offered_schemas(tools)
    step = parse_step(gold)
    found = failures(step, WrittenReply(reply, truncated=truncated), schemas, [parse_step(reply)])
    assert list(found) == [label for label in LABELS if label in found]
    gold_problems(step, schemas)


@settings(max_examples=300)
@given(STEPS, STEPS, TOOL_LISTS)
def test_no_zero_is_silent(gold_text: Any, reply_text: Any, tools: list[Any]) -> None:
    gold, reply = parse_step(gold_text), parse_step(reply_text)
    strict = score_strict(gold, reply, tool_names(tools))
    found = failures(gold, WrittenReply(reply_text), offered_schemas(tools))
    for name in ("plan_em", "act_em", "avg_f1"):
        assert found or strict.values[name] in (None, 1.0), name


@given(PIECES, TOOL_LISTS)
def test_the_gold_step_as_a_reply_fails_in_form_at_most(gold: str, tools: list[Any]) -> None:
    text = gold.partition("Observation:")[0]
    found = failures(parse_step(text), WrittenReply(text), offered_schemas(tools), [parse_step(text)])
    assert found.keys() <= {"empty", "format_violation", "hallucinated_tool"}
    assert "hallucinated_tool" not in found
