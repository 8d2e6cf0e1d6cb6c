"""Free answers: every way to write the turns, prompts asserted in full, replies and their scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from known import known

from evalsuite.data.row_parser import RowError
from evalsuite.metrics import english_words
from evalsuite.tasks.profiles import select_profiles
from evalsuite.tasks.qa import QaTask
from evalsuite.tasks.style import Language, Style
from evalsuite.types import Reply

TASK = QaTask()
EN = Style("en", 0)
PAIR = {"query": "Why?", "response": "Because."}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def faults(values: dict[str, Any]) -> list[str]:
    with pytest.raises(RowError) as caught:
        TASK.parse(values)
    return [what for what, _ in caught.value.faults]


class TestRows:
    @pytest.mark.parametrize("question", ["query", "question"])
    @pytest.mark.parametrize("answer", ["response", "answer"])
    def test_parse_names_of_the_columns(self, question: str, answer: str) -> None:
        row = TASK.parse({question: "Why?", answer: "Because."})
        assert (row.question, row.reference) == ("Why?", "Because.")

    @pytest.mark.parametrize(
        "history",
        [
            [["Hi", "Hello"]],
            '[["Hi", "Hello"]]',
            [user("Hi"), assistant("Hello")],
            '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]',
        ],
    )
    def test_parse_history_becomes_turns(self, history: list[Any] | str) -> None:
        row = TASK.parse(PAIR | {"system": "Be brief.", "history": history})
        assert list(row.messages) == [
            {"role": "system", "content": "Be brief."},
            user("Hi"),
            assistant("Hello"),
            user("Why?"),
        ]

    @pytest.mark.parametrize("history", ["", "  ", "[]", None, []])
    def test_parse_empty_history_is_ignored(self, history: list[Any] | str | None) -> None:
        assert list(TASK.parse(PAIR | {"history": history, "system": " "}).messages) == [user("Why?")]

    @pytest.mark.parametrize(
        "history",
        [
            "not json",
            "5",
            5,
            '{"a": 1}',
            '["Hi"]',
            '[["Hi"]]',
            '[["Hi", "Hello", "x"]]',
            '[["Hi", null]]',
            '[{"role": "user"}]',
            '"text"',
        ],
    )
    def test_parse_unreadable_history_is_refused(self, history: int | str) -> None:
        (what,) = faults(PAIR | {"history": history})
        assert "history" in what

    def test_parse_last_turn_of_messages_is_the_reference(self) -> None:
        row = TASK.parse({"messages": [user("Why?"), assistant("Because.")]})
        assert (list(row.messages), row.reference) == ([user("Why?")], "Because.")

    def test_parse_messages_as_json_text(self) -> None:
        row = TASK.parse({"messages": '[{"role": "user", "content": "Why?"}]', "response": "So."})
        assert (row.question, row.reference) == ("Why?", "So.")

    def test_parse_messages_that_show_the_answer_are_refused(self) -> None:
        assert faults({"messages": [user("Why?"), assistant("Because.")], "response": "So."}) == [
            "the last message is the assistant's"
        ]

    @pytest.mark.parametrize(
        ("messages", "what"),
        [
            ([user("Why?")], "the reference answer is empty"),
            ([user("Why?"), {"role": "assistant", "content": None}], "the reference answer is empty"),
            ([assistant("Because.")], "the question is empty"),
            ([user(" "), assistant("Because.")], "the question is empty"),
            (
                [{"from": "human", "value": "Why?"}],
                "message 1 of 'messages' is not an object with 'role' and 'content'",
            ),
            (
                [user("Why?"), "Because."],
                "message 2 of 'messages' is not an object with 'role' and 'content'",
            ),
            ("[oops", "'messages' is not JSON"),
            ('{"role": "user"}', "'messages' is not a list"),
        ],
    )
    def test_parse_unreadable_messages_are_refused(self, messages: list[Any] | str, what: str) -> None:
        assert faults({"messages": messages})[0].startswith(what)

    @pytest.mark.parametrize("empty", ["", "  ", None, float("nan")])
    def test_parse_empty_cells_are_refused(self, empty: float | str | None) -> None:
        assert faults({"query": empty, "response": empty}) == [
            "the question is empty",
            "the reference answer is empty",
        ]

    @pytest.mark.parametrize(
        ("columns", "missing"),
        [
            (["query", "response"], []),
            (["messages"], []),
            (["question"], ["'response' (or 'answer', or 'messages')"]),
            (
                ["prompt"],
                ["'query' (or 'question', or 'messages')", "'response' (or 'answer', or 'messages')"],
            ),
        ],
    )
    def test_missing_columns_are_named(self, columns: list[Any], missing: list[Any]) -> None:
        assert TASK.missing_columns(columns) == missing


class TestPrompts:
    def test_prompt_examples_follow_the_system_turn(self) -> None:
        shot = TASK.parse({"query": "What?", "response": "That."})
        row = TASK.parse(PAIR | {"system": "Be brief.", "history": [["Hi", "Hello"]]})
        assert TASK.prompt(row, [shot], Style("en", 1), "x").messages == [
            {"role": "system", "content": "Be brief."},
            user("What?"),
            assistant("That."),
            user("Hi"),
            assistant("Hello"),
            user("Why?"),
        ]

    @pytest.mark.parametrize(
        ("lang", "text"),
        [
            ("en", "Question: What?\nAnswer: That.\n\nQuestion: Why?\nAnswer:"),
            ("zh", "问题：What?\n回答： That.\n\n问题：Why?\n回答："),
        ],
    )
    def test_prompt_completions_is_a_flat_text(self, lang: Language, text: str) -> None:
        shot = TASK.parse({"query": "What?", "response": "That."})
        prompt = TASK.prompt(TASK.parse(PAIR), [shot], Style(lang, 1, completions=True), "x")
        assert prompt.text == text
        assert prompt.stop == ("\nQuestion:" if lang == "en" else "\n问题：",)


class TestScores:
    def test_score_reply_equal_to_the_reference(self) -> None:
        score = TASK.score(
            TASK.parse(PAIR | {"response": "the cat sat on the mat"}), Reply("The cat sat on the mat."), EN
        )
        assert score.outcome == "scored"
        assert score.values["rouge_l"] == score.values["rouge_2_recall"] == 1.0
        assert score.values["length_ratio"] == 1.0
        assert set(score.statistics) == {"bleu", "chrf"}

    @pytest.mark.parametrize(
        ("reply", "outcome"),
        [
            (Reply(""), "unparsed"),
            (Reply(" \n"), "unparsed"),
            (Reply("", finish_reason="length"), "truncated"),
            (Reply("<think>Because.", finish_reason="length"), "truncated"),
            (Reply("<think>Because."), "unparsed"),
            (Reply("", tool_calls=[{}]), "unparsed"),
            (Reply("Because, cut", finish_reason="length"), "scored"),
        ],
    )
    def test_score_outcomes(self, reply: Any, outcome: str) -> None:
        score = TASK.score(TASK.parse(PAIR), reply, EN)
        assert score.outcome == outcome
        assert (score.values["rouge_l"] == 0.0) == (outcome != "scored")

    def test_score_ignores_reasoning(self) -> None:
        score = TASK.score(TASK.parse(PAIR), Reply("<think>Wrong words here</think>Because."), EN)
        assert (score.extracted, score.values["rouge_1"]) == ("Because.", 1.0)

    def test_metrics_tokenizer_depends_on_the_language_of_the_data(self) -> None:
        for style, name in ((Style("en", 0, data_lang="zh"), "zh"), (Style("zh", 0), "13a")):
            (bleu,) = (metric for metric in TASK.metrics(style) if metric.name == "bleu")
            assert f"tok:{name}" in bleu.version
        assert tuple(TASK.traits(TASK.parse(PAIR | {"response": "因为天空是蓝色的"}))) == ("zh",)

    def test_metrics_primary_is_rouge_l(self) -> None:
        assert TASK.metrics(EN)[0].name == "rouge_l"


class TestProfiles:
    STYLE = Style("en", 0, profiles=select_profiles(TASK, ["swift", "opencompass", "evalscope"]))

    def test_score_profiles_and_metrics_match(self, tiny_model: Path) -> None:
        score = TASK.score(TASK.parse(PAIR), Reply("an answer"), self.STYLE)
        assert set(score.values) | {"chrf"} == {metric.name for metric in TASK.metrics(self.STYLE)}

    def test_metrics_of_profiles_names_units_and_details(self) -> None:
        metrics = [metric for metric in TASK.metrics(self.STYLE) if "/" in metric.name]
        assert len([metric for metric in metrics if metric.profile == "evalscope"]) == 13
        assert {(metric.profile, metric.unit) for metric in metrics} == {
            ("evalscope", "score"),
            ("swift", "bleu"),
        }
        versions = {metric.name: metric.version for metric in metrics}
        assert versions["evalscope/bleu-1"] == f"1:nltk:{english_words.version()}"
        assert versions["evalscope/Rouge-1-R"] == versions["swift/bleu-4"] == "1"
        assert [metric.name for metric in metrics if not metric.detail] == [
            "evalscope/Rouge-L-R", "swift/rouge-1", "swift/rouge-2", "swift/rouge-l", "swift/bleu-4",
        ]  # fmt: skip

    def test_score_profiles_read_the_reply_without_its_reasoning(self, tiny_model: Path) -> None:
        row = TASK.parse({"query": "q", "response": "the cat"})
        values = TASK.score(row, Reply("<think>dog</think>the cat"), self.STYLE).values
        assert values["evalscope/Rouge-L-R"] == 1.0
        unfinished = TASK.score(row, Reply("<think>the cat"), self.STYLE).values
        assert not any(value for name, value in unfinished.items() if "/" in name)

    def test_score_without_profiles_has_none_of_their_values(self) -> None:
        assert not any("/" in name for name in TASK.score(TASK.parse(PAIR), Reply("x"), EN).values)


class TestContext:
    """Text in columns of its own is asked before the question."""

    ROW = PAIR | {"context": "Air scatters blue light.", "instruction": "Answer in one sentence."}
    BEFORE = "Answer in one sentence.\n\nAir scatters blue light.\n\n"

    def test_chat_prompt_with_a_context_asks_it_before_the_question(self) -> None:
        row, shot = TASK.parse(self.ROW), TASK.parse(self.ROW)
        prompt = TASK.prompt(row, [shot], Style("en", 1), "x")
        question = {"role": "user", "content": f"{self.BEFORE}{PAIR['query']}"}
        assert prompt.messages == [
            question,
            {"role": "assistant", "content": PAIR["response"]},
            question,
        ]

    def test_chat_prompt_with_a_history_asks_the_context_with_the_last_question(self) -> None:
        row = TASK.parse(self.ROW | {"history": [["Hello?", "Hello."]], "system": "Be brief."})
        prompt = TASK.prompt(row, (), Style("en", 0), "x")
        assert prompt.messages == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello?"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": f"{self.BEFORE}{PAIR['query']}"},
        ]

    def test_flat_prompt_with_a_context_asks_it_before_the_question(self) -> None:
        prompt = TASK.prompt(TASK.parse(self.ROW), (), Style("en", 0, completions=True), "x")
        assert prompt.text == f"{self.BEFORE}Question: {PAIR['query']}\nAnswer:"

    def test_chat_history_holds_all_that_is_asked(self) -> None:
        messages = [user("Why?")]
        row = TASK.parse({"messages": messages, "response": "So.", "context": "unused"})
        assert TASK.prompt(row, (), Style("en", 0), "x").messages == messages
        assert "context" not in tuple(TASK.traits(row))

    def test_traits_of_a_row_with_a_context(self) -> None:
        assert tuple(TASK.traits(TASK.parse(self.ROW))) == ("context",)


class TestReferences:
    """Several references, and references that hold more than the answer."""

    @pytest.mark.parametrize("name", ["response", "answer"])
    @pytest.mark.parametrize("value", [["Paris", "the city of Paris"], '["Paris", "the city of Paris"]'])
    def test_parse_list_of_references_keeps_all(self, name: str, value: list[Any] | str) -> None:
        row = TASK.parse({"query": "Capital?", name: value})
        assert row.references == ("Paris", "the city of Paris")
        assert TASK.gold(row) == ["Paris", "the city of Paris"]
        assert TASK.row_from_gold(TASK.gold(row), EN).references == row.references
        assert "multiple" in tuple(TASK.traits(row))

    @pytest.mark.parametrize("value", ["[1, 2]", "[Paris]", "[]x", '["a", 1]'])
    def test_parse_text_in_brackets_is_a_text(self, value: str) -> None:
        assert TASK.parse({"query": "Capital?", "response": value}).references == (value,)

    @pytest.mark.parametrize(
        ("value", "fault"),
        [
            ({"text": "Paris"}, "'response' is an object"),
            (["Paris", ""], "entry 2 of 'response' is ''"),
            (["Paris", None], "entry 2 of 'response' is None"),
            ([["Paris"]], "entry 1 of 'response' is ['Paris']"),
            ("<think>\n\n</think>", "the reference answer holds nothing but reasoning"),
        ],
    )
    def test_parse_reference_of_another_form_is_refused(
        self, value: dict[str, Any] | list[Any] | str, fault: str
    ) -> None:
        assert fault in faults({"query": "Capital?", "response": value})

    @pytest.mark.parametrize("reply", ["Paris", "the city of Paris"])
    def test_score_best_reference_counts(self, reply: str) -> None:
        score = TASK.score(TASK.parse(PAIR | {"response": ["Paris", "the city of Paris"]}), Reply(reply), EN)
        assert score.values["rouge_l"] == score.values["length_ratio"] == 1.0

    def test_metrics_of_several_references_have_a_signature_of_their_own(self) -> None:
        several = Style("en", 0, multiple=True)
        versions = {metric.name: metric.version for metric in TASK.metrics(several)}
        assert "nrefs:var" in versions["bleu"]
        assert "nrefs:var" in versions["chrf"]

    @pytest.mark.parametrize(
        "reference",
        [
            "<think>\n\n</think>\n\nParis is it.",
            "Paris is it.<|im_end|>",
            "<think>France.</think>Paris is it.",
        ],
    )
    def test_score_reference_is_cleaned_as_replies_are(self, reference: str) -> None:
        row = TASK.parse(PAIR | {"response": reference})
        for reply in (reference, "Paris is it."):
            assert TASK.score(row, Reply(reply), EN).values["rouge_l"] == 1.0

    def test_score_reference_whose_reasoning_never_closes_stays_as_it_is(self) -> None:
        row = TASK.parse(PAIR | {"response": "<think> opens a block"})
        assert TASK.score(row, Reply("think opens a block"), EN).values["rouge_l"] == 1.0

    def test_score_lines_that_open_turns_stay_where_references_hold_them(self) -> None:
        text = "Q: Who?\nA: Ann went home.\nQ: Where?\nA: Home."
        row = TASK.parse(PAIR | {"response": text})
        assert "turn_lines" in tuple(TASK.traits(row))
        kept = Style("en", 0, keeps_turn_lines=True)
        assert TASK.score_and_label(row, Reply(text), kept).extracted == text
        cut = TASK.score_and_label(row, Reply(text), EN)
        assert (cut.extracted, cut.labels) == ("Q: Who?\nA: Ann went home.", ("runs_on",))

    def test_score_profiles_read_the_raw_reply_and_the_first_reference(self) -> None:
        style = Style("en", 0, profiles=("swift",))
        row = TASK.parse(PAIR | {"response": ["the cat sat here", "another text"]})
        values = TASK.score(row, Reply("<think>x</think>the cat sat here"), style).values
        assert values["swift/rouge-l"] == pytest.approx(100, abs=1e-4)
        ended = TASK.score(row, Reply("the cat sat here</s>"), style).values
        assert ended["rouge_l"] == 1.0
        assert known(ended["swift/rouge-l"]) < 99


class TestNotes:
    @pytest.mark.parametrize(
        ("reference", "label"),
        [
            ("Столица Франции — Париж, это так.", "reference_without_words"),
            ("Столица Франции — Paris, это так.", "reference_mostly_unread"),
            ("Paris", "no_4_grams"),
        ],
    )
    def test_score_labels_rows_whose_scores_say_little(self, reference: str, label: str) -> None:
        row = TASK.parse(PAIR | {"response": reference})
        assert label in TASK.score(row, Reply(reference), EN).labels
        assert list(TASK.label_notes({label: 2}, 2))

    def test_label_notes_of_bleu_need_every_row(self) -> None:
        assert not list(TASK.label_notes({"no_4_grams": 1}, 2))
        assert "BLEU finds no 4-gram" in next(iter(TASK.label_notes({"no_4_grams": 2}, 2)))

    @pytest.mark.parametrize("reference", ["the cat sat on the mat", "déjà vu à la carte", "我爱北京天安门"])
    def test_score_has_no_label_where_scores_say_something(self, reference: str) -> None:
        row = TASK.parse(PAIR | {"response": reference})
        style = EN if reference.isascii() or "é" in reference else Style("zh", 0, data_lang="zh")
        assert TASK.score(row, Reply(reference), style).labels == ()
        assert not list(TASK.audit(row))

    def test_audit_names_references_that_rouge_cannot_read(self) -> None:
        for reference in ("Столица", "Столица Франции — Paris"):
            ((what, expected),) = TASK.audit(TASK.parse(PAIR | {"response": reference}))
            assert "ROUGE" in what
            assert "Latin letters" in expected
