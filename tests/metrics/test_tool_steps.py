"""Steps of an agent: how they are read, and both profiles against definition and reference vectors."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known import known
from shared_data import SHARED, SHARED_DATA
from step_cases import PAPER_NAMES

from evalsuite.metrics import paper_rouge, tool_steps
from evalsuite.metrics.tool_steps import METRICS, AgentStep, parse_step, score_paper, score_strict, tool_names

VECTORS = SHARED / "golden/toolbench.json"
STATIC = SHARED_DATA / "toolbench/static_out_of_domain.json"
OFFERED = frozenset({"a", "b", "Finish"})
GIVE_UP = '{"return_type": "give_up_and_restart"}'


def call(action: Any, arguments: Any) -> Any:
    return f"Thought: t\nAction: {action}\nAction Input: {arguments if isinstance(arguments, str) else json.dumps(arguments)}"


def finish(answer: Any) -> Any:
    return call("Finish", {"return_type": "give_answer", "final_answer": answer})


def paper(gold: Any, reply: Any, offered: Any = OFFERED) -> Any:
    return score_paper(parse_step(gold), parse_step(reply), offered)


def strict(gold: Any, reply: Any, offered: Any = OFFERED) -> Any:
    return score_strict(parse_step(gold), parse_step(tool_steps.cut_at_observation(reply)), offered)


def profile(scores: Any) -> Any:
    rows = {
        name: [score.values[name] for score in scores if score.values[name] is not None] for name in METRICS
    }
    return {name: sum(row) / len(row) if row else None for name, row in rows.items()}


# --- reading ---


@pytest.mark.parametrize(
    ("reply", "step"),
    [
        (None, AgentStep("call", "none", "{}")),
        ("", AgentStep("call", "none", "{}")),
        ("no action here", AgentStep("call", "none", "{}")),
        ("Action:", AgentStep("call", "", "{}")),
        ("Action: a", AgentStep("call", "a", "{}")),
        ("action: a", AgentStep("call", "none", "{}")),
        ('Action Input: {"x": 1}', AgentStep("call", "none", '{"x": 1}')),
        ("Action Input: {} Action: a", AgentStep("call", "a", "{} Action: a")),
        ("Action: a\nAction: b\nAction Input: {}\nAction Input: 1", AgentStep("call", "b", "1")),
        (call("a", "not json"), AgentStep("call", "a", "not json")),
        (call("Finish", GIVE_UP), AgentStep("give_up", None, GIVE_UP)),
        (call("Finish", "oops"), AgentStep("give_up", None, "oops")),
        (call("Finish", "[1]"), AgentStep("give_up", None, "[1]")),
        (call("Finish", "[" * 100_000), AgentStep("give_up", None, "[" * 100_000)),
        ("Action: Finish", AgentStep("give_up", None, "{}")),
    ],
    ids=repr,
)
def test_react_text_is_read_as_defined(reply: str | None, step: Any) -> None:
    assert parse_step(reply) == step


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("", "None"),
        (" . ", "None"),
        (",", "None"),
        (None, "None"),
        (5, "5"),
        (["a"], "['a']"),
        ("x", "x"),
        ("...", "..."),
    ],
)
def test_answers_are_text_and_blank_ones_are_none(written: int | list[Any] | str | None, answer: str) -> None:
    step = parse_step(finish(written))
    assert (step.plan, step.answer) == ("finish", answer)


def test_a_finish_without_answer_is_still_a_finish() -> None:
    assert parse_step(call("Finish", {"return_type": "give_answer"})).answer == "None"


@pytest.mark.parametrize(
    ("tool_call", "step"),
    [
        ({"function": {"name": "a", "arguments": '{"x": 1}'}}, AgentStep("call", "a", '{"x": 1}')),
        ({"function": {"name": "a", "arguments": {"x": "é"}}}, AgentStep("call", "a", '{"x": "é"}')),
        ({"function": {"name": "a", "arguments": ""}}, AgentStep("call", "a", "{}")),
        ({"function": {"name": "a", "arguments": None}}, AgentStep("call", "a", "{}")),
        ({"function": {"name": "a", "arguments": {1, 2}}}, AgentStep("call", "a", "{}")),
        ({"function": {"name": None}}, AgentStep("call", "none", "{}")),
        ({"function": "a"}, AgentStep("call", "none", "{}")),
        ({}, AgentStep("call", "none", "{}")),
        ({"function": {"name": "Finish", "arguments": GIVE_UP}}, AgentStep("give_up", None, GIVE_UP)),
    ],
    ids=repr,
)
def test_native_calls_are_read_too(tool_call: dict[str, Any], step: Any) -> None:
    assert parse_step("Action: ignored", [tool_call]) == step


def test_no_native_calls_leave_the_text() -> None:
    assert parse_step("Action: a", []) == parse_step("Action: a", None) == AgentStep("call", "a", "{}")


def test_tool_names_come_in_three_spellings() -> None:
    tools = [
        {"name": "a", "parameters": "a string"},
        {"Name": "b", "function": "a description"},
        {"type": "function", "function": {"name": "c"}},
        {"name": "a"},
        {"name": ["unhashable"]},
        {"description": "no name"},
        "text",
        None,
    ]
    assert tool_names(tools) == {"a", "b", "c"}
    assert tool_names(None) == tool_names("ab") == tool_names({"name": "a"}) == frozenset()


# --- both profiles ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.text(max_size=3) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=5,
)
ARGUMENTS = st.one_of(JSON.map(json.dumps), st.sampled_from(["not json", "", "{", "[]", "{'x': 1}"]))
STEPS = st.one_of(
    st.builds(
        call,
        st.sampled_from(["a", "b", "none", "", "zzz", "Finish", tool_steps.INVALID_GOLD_ACTION]),
        ARGUMENTS,
    ),
    st.builds(finish, st.one_of(JSON, st.text("ab. \n中", max_size=12))),
    st.just(call("Finish", GIVE_UP)),
    st.text(max_size=9),
)
TOOLS = st.lists(st.sampled_from(["a", "b", "Finish"]), max_size=4).map(frozenset)


@settings(deadline=None)
@given(STEPS, STEPS, TOOLS)
def test_scoring_never_raises_and_stays_in_range(gold: Any, reply: Any, offered: list[Any]) -> None:
    for score in (paper(gold, reply, offered), strict(gold, reply, offered)):
        assert set(score.values) == set(METRICS)
        assert all(value is None or 0 <= value <= 1 for value in score.values.values())


@settings(deadline=None)
@given(STEPS, TOOLS)
def test_the_gold_itself_scores_the_maximum_in_strict(gold: Any, offered: list[Any]) -> None:
    step = parse_step(gold)
    values = score_strict(step, step, offered).values
    for name, value in values.items():
        best = {"hallucination_rate": 0.0, "rouge_l": pytest.approx(1, abs=1e-8)}.get(name, 1.0)
        assert value is None or value == best


@settings(deadline=None)
@given(STEPS, STEPS, STEPS, TOOLS)
def test_strict_denominators_do_not_depend_on_the_reply(
    gold: Any, one: Any, other: Any, offered: list[Any]
) -> None:
    step = parse_step(gold)
    first, second = (score_strict(step, parse_step(reply), offered) for reply in (one, other))
    assert first.skipped == second.skipped
    assert [first.values[name] is None for name in METRICS] == [
        second.values[name] is None for name in METRICS
    ]


def test_wrong_and_extra_arguments_share_credit() -> None:
    for score in (paper, strict):
        values = score(call("a", {"x": 1, "y": 2}), call("a", {"x": 9, "y": 2, "z": 3})).values
        assert values["avg_f1"] == values["hard_f1"] == pytest.approx(0.6, abs=1e-12)  # R = 1.5/2, P = 1.5/3
        assert values["easy_f1"] is None


@pytest.mark.parametrize("reply", ["not json", "[]", '["x"]', "1", "null", "{}"])
def test_an_input_that_is_no_object_scores_zero(reply: str) -> None:
    assert paper(call("a", {"x": 1}), call("a", reply)).values["hard_f1"] == 0
    assert strict(call("a", {"x": 1}), call("a", reply)).values["hard_f1"] == 0


def test_an_empty_gold_wants_an_empty_input() -> None:
    for score in (paper, strict):
        assert score(call("a", "{}"), call("a", " { } ")).values["easy_f1"] == 1
        assert score(call("a", "{}"), call("a", '{"x": 1}')).values["easy_f1"] == 0
        assert score(call("a", "{}"), call("a", "{}")).values["hard_f1"] is None


# --- paper ---


def test_paper_compares_values_as_python_does() -> None:
    assert paper(call("a", '{"x": 1}'), call("a", '{"x": true}')).values["avg_f1"] == 1


def test_paper_counts_differing_names_in_easy_and_hard() -> None:
    values = paper(call("a", "not json"), call("b", "{}")).values
    assert [values[name] for name in ("act_em", "avg_f1", "easy_f1", "hard_f1")] == [0, 0, 0, 0]


def test_paper_has_no_f1_entry_for_a_gold_that_is_no_json() -> None:
    values = paper(call("a", "not json"), call("a", "{}")).values
    assert (values["act_em"], values["avg_f1"], values["easy_f1"], values["hard_f1"]) == (1, None, None, None)


def test_paper_lets_giving_up_equal_a_gold_without_action() -> None:
    values = paper("just text", call("Finish", GIVE_UP)).values
    assert (values["plan_em"], values["act_em"], values["easy_f1"]) == (0, 1, 1)


def test_paper_keeps_a_gold_give_up_only_when_the_reply_gives_up() -> None:
    assert paper(call("Finish", GIVE_UP), call("Finish", GIVE_UP)).values["plan_em"] == 1
    assert paper(call("Finish", GIVE_UP), call("a", "{}")).skipped == tool_steps.SKIPPED_GOLD_NOT_OFFERED
    assert paper(call("zzz", "{}"), call("Finish", GIVE_UP)).skipped == ""


def test_paper_counts_a_skipped_row_in_the_hallucination_denominator_only() -> None:
    scores = [
        paper(call(tool_steps.INVALID_GOLD_ACTION, "{}"), call("zzz", "{}")),
        paper(call("zzz", "{}"), call("zzz", "{}")),
        paper(call("a", "{}"), call("zzz", "{}")),
        paper(call("a", "{}"), "no action"),
    ]
    assert [score.skipped for score in scores] == ["gold_action_invalid", "gold_action_not_offered", "", ""]
    assert profile(scores)["hallucination_rate"] == 0.25
    assert profile(scores)["plan_em"] == 1


def test_an_answer_without_a_word_scores_zero_and_is_noted() -> None:
    score = paper(finish("the cat"), finish("..."))
    assert (score.values["rouge_l"], score.notes) == (0, ("answer_without_words",))
    score = paper(finish("..."), finish("the cat"))
    assert (score.values["rouge_l"], score.notes) == (None, ("answer_without_words",))


def test_a_reply_that_does_not_finish_answers_none() -> None:
    assert paper(finish("none of it"), call("a", "{}")).values["rouge_l"] == pytest.approx(0.5, abs=1e-7)
    assert paper(finish("the cat"), call("a", "{}")).values["rouge_l"] == 0


@pytest.mark.parametrize(
    ("reference", "hypothesis", "value"),
    [
        ("the cat sat. on the mat", "the cat sat. on the mat", 0.999999995),
        ("a b c d", "a x b", 2 * (2 / 4 * 2 / 3) / (2 / 4 + 2 / 3 + 1e-8)),
        ("a a a", "a", 0.999999995),
        ("a b", "b a", 0.5 / (1 + 1e-8)),
        ("a. b", "b. a", 0.999999995),
        ("a. ", "a", 2 * (1 / 2) / (3 / 2 + 1e-8)),
        ("x", "y", 0.0),
        ("...", "a", None),
        ("a", "", None),
    ],
)
def test_rouge_l_follows_the_rouge_package(reference: str, hypothesis: str, value: float | None) -> None:
    found = paper_rouge.paper_rouge_l(reference, hypothesis)
    assert found is None if value is None else found == pytest.approx(value, abs=1e-12)


def recursive_words(reference: Any, hypothesis: Any) -> Any:
    """The definition's walk over a plain table: the oracle for the bit vectors."""
    rows, columns = len(reference) + 1, len(hypothesis) + 1
    table = [[0] * columns for _ in range(rows)]
    for i in range(1, rows):
        for j in range(1, columns):
            same = reference[i - 1] == hypothesis[j - 1]
            table[i][j] = table[i - 1][j - 1] + 1 if same else max(table[i - 1][j], table[i][j - 1])
    words, i, j = set(), rows - 1, columns - 1
    while i and j:
        if reference[i - 1] == hypothesis[j - 1]:
            words.add(reference[i - 1])
            i, j = i - 1, j - 1
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return words


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcde"), max_size=20), st.lists(st.sampled_from("abcde"), max_size=20))
def test_bit_vectors_find_the_same_subsequence_as_a_plain_table(
    reference: list[Any], hypothesis: list[Any]
) -> None:
    assert paper_rouge._common_subsequence(reference, hypothesis) == recursive_words(reference, hypothesis)


LONG = " ".join(str(number % 997) for number in range(5_000))


@pytest.mark.parametrize(
    ("reference", "hypothesis"),
    [(LONG, LONG[::-1]), ("green tea", "tea dog " * 125_000), ("green tea. no", "tea. " * 200_000)],
    ids=["thousands of words", "a megabyte of one sentence", "a megabyte of sentences"],
)
def test_long_answers_take_no_time(reference: str, hypothesis: str) -> None:
    start = time.process_time()
    assert known(paper_rouge.paper_rouge_l(reference, hypothesis)) > 0
    assert time.process_time() - start < 5  # seconds; quadratic time would be 13 and more


# --- strict ---


def test_strict_cuts_what_the_model_imagined() -> None:
    reply = call("a", "{}") + "\nObservation: done\nAction: b\nAction Input: {}"
    assert strict(call("a", "{}"), reply).values["act_em"] == 1
    assert paper(call("a", "{}"), reply).values["act_em"] == 0


@pytest.mark.parametrize(
    ("gold", "reply", "equal"),
    [("1", "true", False), ("0", "false", False), ('"1"', "1", False), ("1", "1.0", True), ("null", "0", False), ("[1]", "[true]", False), ('{"k": [1]}', '{"k": [1.0]}', True), ('{"k": 1}', "[]", False), ("true", "true", True)],
)  # fmt: skip
def test_strict_compares_by_json_type(gold: str, reply: str, equal: bool) -> None:
    found = strict(call("a", f'{{"x": {gold}}}'), call("a", f'{{"x": {reply}}}')).values["hard_f1"]
    assert found == (1 if equal else 0.5)


def test_strict_refuses_numbers_that_are_not_json() -> None:
    assert strict(call("a", '{"x": NaN}'), call("a", '{"x": NaN}')).values["avg_f1"] is None
    assert strict(call("a", '{"x": 1}'), call("a", '{"x": Infinity}')).values["avg_f1"] == 0


def test_strict_counts_a_gold_give_up() -> None:
    assert strict(call("Finish", GIVE_UP), call("a", "{}")).values["plan_em"] == 0
    assert strict(call("Finish", GIVE_UP), call("Finish", "oops")).values["plan_em"] == 1


def test_strict_splits_easy_and_hard_by_the_gold_alone() -> None:
    values = strict(call("a", "{}"), call("b", "{}")).values
    assert (values["easy_f1"], values["hard_f1"], values["avg_f1"]) == (0, None, 0)


def test_strict_says_why_a_row_is_skipped() -> None:
    assert strict(call("zzz", "{}"), call("Finish", GIVE_UP)).skipped == "gold_action_not_offered"
    score = strict(call(tool_steps.INVALID_GOLD_ACTION, "{}"), call("zzz", "{}"))
    assert (score.skipped, set(score.values.values())) == ("gold_action_invalid", {None})


def test_strict_needs_no_finish_among_the_tools() -> None:
    values = strict(finish("x"), finish("x"), frozenset({"a"})).values
    assert (values["plan_em"], values["hallucination_rate"]) == (1, 0)


# --- the reference ---


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # From the reference scorer: a finished, an easy and a hard call, and one row more.
        ([], {"plan_em": 1, "act_em": 1, "easy_f1": 1, "hard_f1": 1, "avg_f1": 1, "rouge_l": 0.999999995}),
        ([(call("a", {"x": 1, "y": 2}), "no action here")], {"act_em": 2 / 3, "easy_f1": 0.5, "hard_f1": 0.5, "avg_f1": 2 / 3}),
        ([(call("a", {"x": 1, "y": 2}), call("a", {"x": 9, "y": 2, "z": 3}))], {"hard_f1": 0.8, "avg_f1": 0.8666666666666667}),
        ([(finish("the cat sat. on the mat"), call("Finish", GIVE_UP))], {"plan_em": 0.75, "rouge_l": 0.4999999975}),
    ],
)  # fmt: skip
def test_paper_reproduces_the_reference_on_a_small_corpus(rows: list[Any], expected: dict[str, Any]) -> None:
    base = [call("a", {"x": 1, "y": 2}), call("a", "{}"), finish("the cat sat. on the mat")]
    found = profile([paper(gold, reply) for gold, reply in [*((text, text) for text in base), *rows]])
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12)


@pytest.mark.skipif(not VECTORS.is_file(), reason="the shared golden vectors are not on this machine")
def test_paper_reproduces_every_golden_vector() -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert len(vectors) >= 12
    for vector in vectors:
        scores = [
            score_paper(parse_step(row["target"]), parse_step(row["predictions"]), tool_names(row["tools"]))
            for row in vector["samples"]
        ]
        found = profile(scores)
        for theirs, ours in PAPER_NAMES.items():
            if vector["expected"] is None:  # the reference raised: ours is null or a number in range
                assert found[ours] is None or 0 <= found[ours] <= 1
            elif found[ours] is None:
                assert vector["expected"][theirs] == 0, vector["name"]
            else:
                assert found[ours] == pytest.approx(vector["expected"][theirs], abs=1e-12), vector["name"]


@pytest.mark.skipif(not STATIC.is_file(), reason="the shared ToolBench steps are not on this machine")
def test_real_golds_score_the_maximum_against_themselves() -> None:
    rows = json.loads(STATIC.read_text(encoding="utf-8"))
    for score in (score_paper, score_strict):
        found = profile(
            [
                score(parse_step(row["target"]), parse_step(row["target"]), tool_names(row["tools"]))
                for row in rows
            ]
        )
        assert found["plan_em"] == found["act_em"] == found["avg_f1"] == 1
        assert found["hallucination_rate"] == 0
        assert found["rouge_l"] == pytest.approx(1, abs=1e-7)


def test_an_empty_reply_decides_nothing_by_our_own_rules() -> None:
    gold = tool_steps.parse_step('Thought: t\nAction: a\nAction Input: {"x": 1}')
    empty = tool_steps.parse_step("")
    assert tool_steps.score_strict(gold, empty, {"a"}).values["plan_em"] == 0.0
    assert tool_steps.score_paper(gold, empty, {"a"}).values["plan_em"] == 1.0
