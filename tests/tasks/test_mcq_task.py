"""Multiple choice: rows in every layout, prompts asserted in full, replies and their scores."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known import known

from evalsuite.data.row_parser import RowError
from evalsuite.tasks.ceval import CEVAL_GROUPS, CEVAL_SUBJECTS
from evalsuite.tasks.cmmlu import CMMLU_GROUPS
from evalsuite.tasks.exam_groups import subject_groups
from evalsuite.tasks.mcq import (
    NUMBER_READ_AS_TEXT,
    NUMBER_READS_LIKE_OPTION,
    OTHER_PLACE,
    SEVERAL_ANSWERS,
    McqRow,
    McqTask,
)
from evalsuite.tasks.mcq_wording import WORDINGS
from evalsuite.tasks.style import Language, Style
from evalsuite.types import LogprobPrompt, Reply

TASK = McqTask()
ROW: dict[str, Any] = {
    "question": "Which is wet?",
    "a": "water",
    "b": "fire",
    "c": "earth",
    "d": "air",
    "answer": "A",
}
ZH: dict[str, Any] = {"question": "哪个是湿的？", "a": "水", "b": "火", "answer": "A"}
EN, CN = Style("en", 0), Style("zh", 0, data_lang="zh")


def faults(**changed: Any) -> list[tuple[str, str]]:
    with pytest.raises(RowError) as caught:
        TASK.parse(ROW | changed)
    return list(caught.value.faults)


class TestRows:
    @pytest.mark.parametrize(
        ("answer", "gold"),
        [
            ("A", ("A",)),
            (" c ", ("C",)),
            ("Ｂ", ("B",)),
            ("AC", ("A", "C")),
            ("C,A", ("A", "C")),
            ("A、C", ("A", "C")),
            ('["A","C"]', ("A", "C")),
            (["A", "C"], ("A", "C")),
            ("earth", ("C",)),
            ("Earth ", ("C",)),
        ],
    )
    def test_parse_answer_in_every_form(self, answer: list[Any] | str, gold: tuple[Any, ...]) -> None:
        assert TASK.parse(ROW | {"answer": answer}).answer == gold

    @pytest.mark.parametrize("answer", ["E", "wind", "AE", "AA", "1", 2, ["A", "x"], "A or B"])
    def test_parse_answer_that_is_no_option_is_refused(self, answer: int | list[Any] | str) -> None:
        ((what, expected),) = faults(answer=answer)
        assert what.endswith("is not among the options")
        assert expected == "one of A, B, C, D, several of them (AC), or the full text of one option"

    @pytest.mark.parametrize("answer", ["", " ", None, float("nan")])
    def test_parse_empty_answer_is_refused(self, answer: float | str | None) -> None:
        assert faults(answer=answer)[0][0] == "the answer is empty"

    @pytest.mark.parametrize("empty", ["", "  ", None, float("nan")])
    def test_parse_three_options_in_a_table_of_four(self, empty: float | str | None) -> None:
        assert list(TASK.parse(ROW | {"d": empty}).options) == ["A", "B", "C"]

    def test_parse_five_options_and_numbers(self) -> None:
        row = TASK.parse(ROW | {"b": 2, "e": 0, "answer": "E"})
        assert dict(row.options) == {"A": "water", "B": "2", "C": "earth", "D": "air", "E": "0"}

    def test_parse_empty_option_before_a_filled_one_is_refused(self) -> None:
        ((what, expected),) = faults(c="")
        assert what == "option C is empty, but option D is 'air'"
        assert expected == "options without a gap; leave only the last ones empty"

    def test_parse_lists_every_fault(self) -> None:
        found = [what for what, _ in faults(question=" ", b="", c="", d="")]
        assert found == ["the question is empty", "1 option"]
        assert faults(a="", b="", c="", d="")[0][0] == "no options"

    @pytest.mark.parametrize("column", ["choices", "options"])
    @pytest.mark.parametrize("value", [["x", 2, "z"], '["x", 2, "z"]'])
    def test_parse_list_of_choices(self, column: str, value: list[Any] | str) -> None:
        row = TASK.parse({"question": "q", column: value, "answer": "z"})
        assert (dict(row.options), row.answer) == ({"A": "x", "B": "2", "C": "z"}, ("C",))

    @pytest.mark.parametrize(
        ("value", "what"),
        [
            ("x, y", "'choices' is 'x, y'"),
            ('{"A": "x"}', "1 option"),
            ("3", "'choices' is '3'"),
            ("['x', y]", "'choices' is not a list (neither a quoted text nor a number at character 7)"),
            (["x"] * 27, "27 options"),
            (["x", {"deep": ["y"]}], "item 1 of 'choices' is 'x'"),
            (["x", ["y"]], "item 2 of 'choices' is ['y']"),
        ],
    )
    def test_parse_choices_that_are_no_list_of_texts_are_refused(
        self, value: list[Any] | str, what: str
    ) -> None:
        with pytest.raises(RowError) as caught:
            TASK.parse({"question": "q", "choices": value, "answer": "A"})
        assert caught.value.faults[0][0] == what

    def test_repairs_number_that_reads_like_another_option(self) -> None:
        row = TASK.parse({"question": "q", "choices": ["1", "2", "3"], "answer": "2"})
        assert row.answer == ("C",)
        assert TASK.repairs(row) == (NUMBER_READS_LIKE_OPTION,)
        same = TASK.parse({"question": "q", "choices": ["0", "1", "2"], "answer": "2"})
        assert (same.answer, TASK.repairs(same)) == (("C",), ())

    @pytest.mark.parametrize(
        ("options", "answer", "said"),
        [
            ({"a": "1", "b": "2", "c": "3"}, "2", (NUMBER_READ_AS_TEXT,)),
            ({"a": "2", "b": "1", "c": "0"}, "0", (NUMBER_READ_AS_TEXT,)),
            ({"a": "0", "b": "7"}, "0", ()),
            ({"a": "40", "b": "50"}, "50", ()),
            ({"a": "x", "b": "y"}, "B", ()),
        ],
    )
    def test_repairs_number_beside_columns_that_could_be_a_place(
        self, options: dict[str, str], answer: str, said: tuple[str, ...]
    ) -> None:
        row = TASK.parse({"question": "q", "answer": answer} | options)
        assert TASK.repairs(row) == said

    @pytest.mark.parametrize(
        ("place", "said"), [(0, 1), ("A", 1), (2, 0), (3, 0), ("C", 0), ("c", 0), (None, 0), ("odd", 0)]
    )
    def test_repairs_place_that_contradicts_the_answer(self, place: object, said: int) -> None:
        row = TASK.parse({"question": "q", "choices": ["x", "y", "z"], "answer": "C", "answer_idx": place})
        assert row.answer == ("C",)
        assert TASK.repairs(row) == (OTHER_PLACE.format("answer_idx"),) * said

    def test_repairs_several_right_answers_change_every_prompt(self) -> None:
        assert TASK.repairs(TASK.parse(ROW | {"answer": "AC"})) == (SEVERAL_ANSWERS,)
        assert TASK.repairs(TASK.parse(ROW)) == ()

    def test_parse_empty_list_column_uses_the_lettered_ones(self) -> None:
        assert len(TASK.parse(ROW | {"choices": ""}).options) == 4

    @pytest.mark.parametrize(
        ("changed", "subject"),
        [
            ({}, None),
            ({"subject": " law "}, "law"),
            ({"category": "art"}, "art"),
            ({"subject": "", "category": "art"}, "art"),
            ({"subject": 7}, "7"),
        ],
    )
    def test_facts_subject(self, changed: dict[str, Any], subject: str | None) -> None:
        assert TASK.facts(TASK.parse(ROW | changed)).subject == subject

    def test_facts_category_beside_the_subject(self) -> None:
        row = TASK.parse(ROW | {"subject": "law", "category": " arts "})
        assert (TASK.facts(row).subject, TASK.facts(row).category) == ("law", "arts")

    @pytest.mark.parametrize(
        ("columns", "missing"),
        [
            ({"question", "a", "b", "answer"}, []),
            ({"question", "choices", "answer"}, []),
            ({"question", "a", "b"}, ["'answer'"]),
            ({"a"}, ["'question'", "'answer'", "'B'"]),
        ],
    )
    def test_missing_columns_are_named(self, columns: set[Any], missing: list[Any]) -> None:
        assert TASK.missing_columns(columns) == missing

    def test_traits(self) -> None:
        assert set(TASK.traits(TASK.parse(ZH | {"answer": "AB"}))) == {"zh", "multiple"}
        assert not tuple(TASK.traits(TASK.parse(ROW)))


class TestPrompts:
    def test_prompt_english_without_examples(self) -> None:
        prompt = TASK.prompt(TASK.parse(ROW), [], EN, "anything")
        assert prompt.messages == [
            {
                "role": "user",
                "content": "The following are multiple choice questions. Choose the correct option. "
                'Reply only in the form "Answer: X", without an explanation.\n\n'
                "Which is wet?\nA. water\nB. fire\nC. earth\nD. air",
            }
        ]
        assert prompt.text is None

    def test_prompt_chinese_with_an_example_and_a_subject(self) -> None:
        shot = TASK.parse({"question": " 几？\n", "a": "一", "b": "二", "c": "三", "answer": "C"})
        prompt = TASK.prompt(TASK.parse(ZH), [shot], Style("zh", 1, subjects=True), "college_physics")
        assert prompt.messages == [
            {
                "role": "user",
                "content": "以下是关于大学物理的选择题，请选出正确答案。请直接按“答案：X”的格式作答，不要解释。\n\n几？\nA. 一\nB. 二\nC. 三",
            },
            {"role": "assistant", "content": "答案：C"},
            {"role": "user", "content": "哪个是湿的？\nA. 水\nB. 火"},
        ]

    def test_prompt_ceval_wording(self) -> None:
        style = Style("zh", 0, subjects=True, exam="ceval")
        (message,) = TASK.prompt(TASK.parse(ZH), [], style, "law").messages or ()
        assert message["content"].startswith("以下是中国关于法学考试的单项选择题，请选出其中的正确答案。")

    def test_prompt_unknown_subject_has_the_name_of_the_file(self) -> None:
        (message,) = (
            TASK.prompt(TASK.parse(ROW), [], Style("en", 0, subjects=True), "my_subject").messages or ()
        )
        assert "multiple choice questions about my subject." in message["content"]

    def test_prompt_several_right_answers(self) -> None:
        row = TASK.parse(ZH | {"answer": "AB"})
        first, reply, _ = TASK.prompt(row, [row], Style("zh", 1, multiple=True), "x").messages or ()
        assert "正确选项可能有一个或多个，请全部选出。请直接按“答案：XY”的格式作答" in first["content"]
        assert reply["content"] == "答案：AB"
        (message,) = TASK.prompt(row, [], Style("en", 0, multiple=True), "x").messages or ()
        assert (
            'One or more options may be correct; give all of them. Reply only in the form "Answer: XY"'
            in message["content"]
        )

    def test_prompt_cot_asks_for_reasoning_first(self) -> None:
        shot = TASK.parse(ROW | {"explanation": " Water is wet. "})
        first, reply, _ = TASK.prompt(TASK.parse(ROW), [shot], Style("en", 1, cot=True), "x").messages or ()
        assert 'Think step by step, then end with a last line of the form "Answer: X".' in first["content"]
        assert reply["content"] == "Water is wet.\nAnswer: A"

    def test_prompt_explanation_is_shown_only_with_cot(self) -> None:
        shot = TASK.parse(ROW | {"explanation": "Water is wet."})
        assert "Water is wet" not in str(TASK.prompt(TASK.parse(ROW), [shot], Style("en", 1), "x").messages)

    def test_prompt_completions_is_a_flat_text(self) -> None:
        shot = TASK.parse(ZH)
        prompt = TASK.prompt(TASK.parse(ZH), [shot], Style("zh", 1, completions=True), "x")
        assert prompt.text == (
            "以下是选择题，请选出正确答案。\n\n哪个是湿的？\nA. 水\nB. 火\n答案：A\n\n哪个是湿的？\nA. 水\nB. 火\n答案："
        )
        assert prompt.stop == ("\n",)
        english = TASK.prompt(TASK.parse(ROW), [], Style("en", 0, completions=True), "x").text
        assert english is not None
        assert english.endswith("D. air\nAnswer:")

    @pytest.mark.parametrize("lang", ["zh", "en"])
    @pytest.mark.parametrize("cot", [False, True])
    @pytest.mark.parametrize("completions", [False, True])
    def test_prompt_examples_and_instruction_have_the_same_marker(
        self, lang: Language, cot: bool, completions: bool
    ) -> None:
        shot = TASK.parse(ROW | {"explanation": "Because."})
        prompt = TASK.prompt(TASK.parse(ROW), [shot], Style(lang, 1, cot=cot, completions=completions), "x")
        marker = WORDINGS[lang].marker
        other = WORDINGS["en" if lang == "zh" else "zh"].marker.rstrip()
        text = prompt.text or "\n".join(message["content"] for message in prompt.messages or ())
        assert f"{marker}A" in text
        assert other not in text

    def test_score_reply_in_the_form_of_the_instruction_is_read(self) -> None:
        for style in (EN, CN):
            wording = WORDINGS[style.lang]
            assert TASK.score(TASK.parse(ROW), Reply(f"{wording.marker}A"), style).values["accuracy"] == 1.0

    def test_max_tokens_with_cot_leaves_room_for_reasoning(self) -> None:
        assert TASK.max_tokens(EN) < TASK.max_tokens(Style("en", 0, cot=True))


class TestScores:
    @pytest.mark.parametrize(
        ("reply", "outcome", "stage", "extracted", "accuracy"),
        [
            (Reply("Answer: A"), "scored", "marker", ["A"], 1.0),
            (Reply("答案：B"), "scored", "marker", ["B"], 0.0),
            (Reply("<think>B? no</think>\nA"), "scored", "bare", ["A"], 1.0),
            (Reply("thinking … </think>A"), "scored", "bare", ["A"], 1.0),
            (Reply("It must be the water."), "scored", "option_text", ["A"], 1.0),
            (Reply("<think>Answer: A"), "unparsed", "", None, 0.0),
            (Reply("<think>Answer: A", finish_reason="length"), "truncated", "", None, 0.0),
            (Reply("Answer: A. And furthermore", finish_reason="length"), "scored", "marker", ["A"], 1.0),
            (Reply("Well", finish_reason="length"), "truncated", "", None, 0.0),
            (Reply(""), "unparsed", "", None, 0.0),
            (Reply("", tool_calls=[{"function": {"name": "f"}}]), "unparsed", "", None, 0.0),
            (Reply("", reasoning="Answer: A"), "unparsed", "", None, 0.0),
            (Reply("AB"), "unparsed", "", None, 0.0),
            (Reply("E"), "unparsed", "", None, 0.0),
        ],
    )
    def test_score_replies(
        self, reply: Any, outcome: str, stage: str, extracted: list[Any] | None, accuracy: float
    ) -> None:
        score = TASK.score(TASK.parse(ROW), reply, EN)
        assert (score.outcome, score.stage, score.extracted) == (outcome, stage, extracted)
        assert score.values == {"accuracy": accuracy}

    @pytest.mark.parametrize("multiple", [False, True])
    @pytest.mark.parametrize(
        "text",
        [
            "",
            " \n\t",
            "。。。!?...,,,",
            "()[]{}**__``",
            "half of \ud83d",
            "\ud800\udfff",
            "\x00\x1b[31m\u202e",
            "<think>Answer: A",
            "<think>Answer: A</thin",
            "<think></think>",
            "NaN",
            '{"answer": NaN}',
            "x" * 1_000_000,
            "A" * 1_000_000,
            "answer is " * 100_000,
            "选" * 300_000,
            r"\boxed{" * 100_000,
            "[[[[" * 250_000,
        ],
        ids=lambda text: repr(text[:12]) if isinstance(text, str) else None,
    )
    def test_score_reply_without_an_answer_has_its_outcome(self, text: str, multiple: bool) -> None:
        score = TASK.score(TASK.parse(ROW), Reply(text), Style("en", 0, multiple=multiple))
        assert (score.outcome, score.extracted, score.stage) == ("unparsed", None, "")
        assert set(score.values.values()) == {0.0}

    @settings(deadline=None)
    @given(
        st.text() | st.sampled_from(["Answer: A", "<think>", "</think>答案：B"]),
        st.sampled_from([None, "stop", "length"]),
        st.sampled_from(["en", "zh"]),
        st.booleans(),
        st.booleans(),
        st.sampled_from([None, "marker", "letter"]),
        st.none() | st.lists(st.tuples(st.text(max_size=3) | st.just(" A"), st.floats(-40, 0)), max_size=6),
    )
    def test_score_any_reply_in_any_style(
        self,
        text: Any,
        finish: str | None,
        lang: Language,
        multiple: bool,
        completions: bool,
        logprob: LogprobPrompt | None,
        alternatives: Any,
    ) -> None:
        row = TASK.parse(ROW)
        style = Style(lang, 0, multiple=multiple, completions=completions, logprob=logprob)
        score = TASK.score(row, Reply(text, finish_reason=finish, alternatives=alternatives), style)
        assert (score.outcome == "scored") == bool(score.extracted) == bool(score.stage)
        assert set(score.extracted or ()) <= set(row.options)
        assert {metric.score for metric in TASK.metrics(style)} <= set(score.values) | {"partial_credit"}
        assert all(0 <= known(value) <= 1 for value in score.values.values())

    @pytest.mark.parametrize(
        ("text", "accuracy", "partial"),
        [("答案：AC", 1.0, 1.0), ("答案：A", 0.0, 0.5), ("答案：AB", 0.0, 0.0), ("不知道", 0.0, 0.0)],
    )
    def test_score_several_right_answers(self, text: str, accuracy: float, partial: float) -> None:
        score = TASK.score(TASK.parse(ROW | {"answer": "AC"}), Reply(text), Style("zh", 0, multiple=True))
        assert score.values == {"accuracy": accuracy, "partial_credit": partial}

    def test_gold_and_metrics(self) -> None:
        assert TASK.gold(McqRow("q", {"A": "x", "B": "y"}, ("A", "B"))) == ["A", "B"]
        assert [metric.name for metric in TASK.metrics(EN)] == ["accuracy", "accuracy_macro"]
        assert [metric.name for metric in TASK.metrics(Style("en", 0, multiple=True))][-1] == "partial_credit"


class TestExamGroups:
    def test_ceval_groups_have_52_subjects(self) -> None:
        assert len(CEVAL_SUBJECTS) == len(set(CEVAL_SUBJECTS.values())) == 52
        sizes = {group: len(subjects) for group, subjects in CEVAL_GROUPS.items()}
        assert sizes == {"STEM": 20, "Social Science": 10, "Humanities": 11, "Other": 11, "C-Eval Hard": 8}
        assert set(CEVAL_GROUPS["C-Eval Hard"]) <= set(CEVAL_GROUPS["STEM"])

    def test_cmmlu_groups_have_67_subjects(self) -> None:
        sizes = {group: len(subjects) for group, subjects in CMMLU_GROUPS.items()}
        assert sizes == {
            "STEM": 17,
            "Humanities": 13,
            "Social Science": 22,
            "Other": 15,
            "China specific": 15,
        }
        four = [subject for group in list(CMMLU_GROUPS)[:4] for subject in CMMLU_GROUPS[group]]
        assert len(four) == len(set(four)) == 67
        assert set(CMMLU_GROUPS["China specific"]) <= set(four)

    @pytest.mark.parametrize(
        ("dataset", "subjects", "groups"),
        [
            ("exam", ["law", "logic", "college_physics"], ["STEM", "Humanities", "C-Eval Hard"]),
            ("exam", ["agronomy", "arts", "chinese_history"], ["Humanities", "Other", "China specific"]),
            ("exam", ["law", "poetry"], []),
            ("exam", ["law"], []),
            ("exam", ["high_school_physics", "high_school_biology"], []),
            ("exam", [], []),
            ("C-Eval_val", ["high_school_physics", "poetry"], ["STEM", "C-Eval Hard"]),
            ("cmmlu", ["high_school_physics"], ["STEM"]),
            ("ceval", ["poetry"], []),
        ],
    )
    def test_subject_groups_of_an_exam(self, dataset: str, subjects: list[Any], groups: list[Any]) -> None:
        assert list(subject_groups(dataset, subjects)) == groups

    def test_subject_groups_may_share_a_subject(self) -> None:
        found = subject_groups("exam", ["law", "college_physics"])
        assert dict(found) == {
            "STEM": ["college_physics"],
            "Humanities": ["law"],
            "C-Eval Hard": ["college_physics"],
        }


class TestProfiles:
    STYLE = Style("zh", 0, multiple=True, profiles=TASK.profiles)

    def test_score_profiles_read_the_reply_without_its_reasoning(self) -> None:
        row = TASK.parse(ROW | {"answer": "AC"})
        values = TASK.score(row, Reply("<think>答案：B</think>答案：A"), self.STYLE).values
        assert values["evalscope/accuracy"] == 0.5
        assert values["oc_first_capital/accuracy"] == 0.0
        assert not any(TASK.score(row, Reply("<think>答案：AC"), self.STYLE).values.values())

    def test_metrics_share_of_labels_has_the_unit_score(self) -> None:
        for multiple, unit in ((True, "score"), (False, "proportion")):
            style = Style("zh", 0, multiple=multiple, profiles=("evalscope",))
            assert [metric.unit for metric in TASK.metrics(style) if metric.profile == "evalscope"] == [unit]


class TestContext:
    """Text in columns of its own is asked before the question."""

    ROW = ROW | {"passage": "Three roads meet here."}

    @pytest.mark.parametrize("column", ["passage", "article", "context", "input", "instruction", "hint"])
    def test_prompt_with_a_context_column_asks_it_before_the_question(self, column: str) -> None:
        plain = TASK.prompt(TASK.parse(ROW), (), Style("en", 0), "x").messages
        asked = TASK.prompt(TASK.parse(ROW | {column: "Three roads."}), (), Style("en", 0), "x").messages
        assert plain is not None
        assert asked is not None
        header, _, question = plain[0]["content"].partition("\n\n")
        assert asked[0]["content"] == f"{header}\n\nThree roads.\n\n{question}"

    def test_flat_prompt_with_a_passage_asks_it_in_the_examples_too(self) -> None:
        style = Style("en", 1, completions=True)
        prompt = TASK.prompt(TASK.parse(self.ROW), [TASK.parse(self.ROW)], style, "x")
        assert prompt.text is not None
        assert prompt.text.count(f"\n\nThree roads meet here.\n\n{ROW['question']}\nA. ") == 2

    @pytest.mark.parametrize("empty", ["", "  ", None, float("nan")])
    def test_prompt_with_an_empty_context_is_the_prompt_without_one(self, empty: float | str | None) -> None:
        style = Style("en", 0)
        plain = TASK.prompt(TASK.parse(ROW), (), style, "x")
        assert TASK.prompt(TASK.parse(ROW | {"passage": empty, "hint": empty}), (), style, "x") == plain
        assert "context" not in tuple(TASK.traits(TASK.parse(ROW | {"passage": empty})))
