"""Files that already hold predictions: which layout they have, and each record in ours.

    own             the task's columns and `prediction` (or `predictions`); optional `finish_reason`. Some kinds hold
                    something else in its place: see `RowReader.recorded_reply`.
                    ToolBench-Static's predictions.json (messages, tools, target, predictions) is of this layout
    ms-swift        infer results: `response` and `labels`, the question in `messages` or `query`
    LLaMA-Factory   generated_predictions.jsonl: `label` and `predict`, since 0.8 also `prompt`
    EvalScope       see `evalscope`

A prediction is a text, or a message (an object with `content`, `tool_calls`). A missing or null one is no reply at all; an
empty one is a reply that says nothing. Rows of ms-swift and LLaMA-Factory with an empty label are skipped and counted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic

from evalsuite.data import evalscope
from evalsuite.data.columns import ColumnNames, is_empty, replace_columns
from evalsuite.data.layout import DataFile
from evalsuite.data.readers import read_records
from evalsuite.data.records import Record
from evalsuite.data.row_parser import ReplyParser, RowError, RowFacts, SkippedRow
from evalsuite.errors import InputError
from evalsuite.types import Reply, RowT

PREDICTION = "prediction"
PREDICTION_COLUMNS = (PREDICTION, "predictions")
MEASURED_COLUMNS = ("judgement", "logprobs", "chosen_logprobs", "chosen_score")
"""What kinds that ask for something else than a reply hold in its place; see `RowReader.recorded_reply`."""
FINISH_REASON = "finish_reason"
SEARCHED_RECORDS = 1000
"""A row may lack its prediction; a file whose first thousand rows lack it has none."""
UNKNOWN_QUESTION = "(the file does not say what was asked)"
STEP_COLUMNS = frozenset({"tools", "target"})
JOURNAL_COLUMNS = frozenset({"key", "variant", "reply", "outcome", "gold"})
ONE_PREDICTION = "one prediction a row: a text, or a message with 'content'"

OUR_NAMES = ColumnNames()

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a tool writes its predictions: by which columns it is known, and a record as ours."""

    name: str
    columns: str
    """In words."""
    recognises: Callable[[Collection[str]], bool]
    translate: Callable[[Values], Values]
    names: ColumnNames = OUR_NAMES
    """What the file calls our columns, for messages."""
    gold: str = ""
    """The column of the gold answer; rows in which it is empty are skipped."""


@dataclass(frozen=True, slots=True)
class PredictedRow(Generic[RowT]):
    """A row and what was answered; None where nothing was."""

    row: RowT
    reply: Reply | None


@dataclass(frozen=True, slots=True)
class PredictionParser(Generic[RowT]):
    """Reads the rows of a task with their predictions (see `RowParser`)."""

    task: ReplyParser[RowT]
    layout: Layout

    def missing_columns(self, columns: Collection[str]) -> list[str]:
        """The task's columns; a row without its prediction is counted, not refused."""
        return [self.layout.names.in_words(name) for name in self.task.missing_columns(columns)]

    def expand(self, values: Values, number: int) -> Iterable[Values]:
        """The one row of a record, in our own layout."""
        if self.layout.gold and is_empty(values.get(self.layout.gold)):
            raise SkippedRow(
                f"rows with an empty '{self.layout.gold}' have nothing to compare with and are skipped"
            )
        ours = self.layout.translate(values)
        rows = list(islice(self.task.expand(ours, number), 2))
        if rows and rows[0] is not ours:
            what = "a dialogue of several steps beside one prediction"
            raise RowError((what, "one record a step: messages, tools, target, prediction"))
        return (ours,)

    def parse(self, values: Values) -> PredictedRow[RowT]:
        """The typed row and its reply; raises `RowError`, in the words of the file's layout."""
        try:
            return PredictedRow(self.task.parse(values), self.task.recorded_reply(values) or _reply(values))
        except RowError as error:
            words = self.layout.names.in_words
            raise RowError(*((words(what), words(expected)) for what, expected in error.faults)) from error

    def repairs(self, row: PredictedRow[RowT]) -> Iterable[str]:
        """What was repaired in the row."""
        return self.task.repairs(row.row)

    def audit(self, row: PredictedRow[RowT]) -> Iterable[tuple[str, str]]:
        """What looks wrong in the row's gold."""
        return self.task.audit(row.row)

    def facts(self, row: PredictedRow[RowT]) -> RowFacts:
        """Where the row belongs."""
        return self.task.facts(row.row)

    def traits(self, row: PredictedRow[RowT]) -> Iterable[str]:
        """What the row and its reply say about the dataset."""
        return self.task.traits(row.row, row.reply)


def find_layout(file: DataFile) -> tuple[Layout, Values]:
    """The layout of a file, and the first record that has it. Raises `InputError` when it holds no predictions."""
    path = file.path
    columns: dict[str, None] = {}
    for values in islice(records_of(file), SEARCHED_RECORDS):
        layout = next((layout for layout in (*LAYOUTS, _evalscope(path)) if layout.recognises(values)), None)
        if layout:
            return layout, values
        columns |= dict.fromkeys(values)
    if columns.keys() >= JOURNAL_COLUMNS:
        raise InputError(
            f"{path}: the journal of a run, without the run.json that says of what kind its samples are. "
            "Name the run's directory, or put run.json back beside it."
        )
    known = "\n".join(f"  {layout.name}: {layout.columns}" for layout in (*LAYOUTS, _evalscope(path)))
    raise InputError(
        f"{path}: no predictions in it (columns: {', '.join(columns) or 'none'}). Read are:\n{known}\n"
        "Or ask a model: evalsuite run -d …"
    )


def _evalscope(path: Path) -> Layout:
    return Layout(
        "EvalScope",
        "predictions/MODEL/BENCHMARK_SUBSET.jsonl beside its reviews",
        evalscope.recognises,
        evalscope.EvalscopeFile(path).translate,
    )


def records_of(file: DataFile) -> Iterator[Values]:
    """The records of a file of predictions that can be read."""
    items = read_records(file.path, lenient=True, columns=file.columns)
    return (item.values for item in items if isinstance(item, Record))


def _reply(values: Values) -> Reply | None:
    """The prediction of a record in our own layout."""
    value = next((values[name] for name in PREDICTION_COLUMNS if values.get(name) is not None), None)
    if isinstance(value, list):
        if len(value) > 1:
            raise RowError((f"{len(value)} predictions", ONE_PREDICTION))
        value = value[0] if value else None
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    reason = values.get(FINISH_REASON)
    finish_reason = reason if isinstance(reason, str) and reason else None
    if isinstance(value, dict) and ("content" in value or "tool_calls" in value):
        return _message_reply(value, finish_reason)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return Reply(text, finish_reason=finish_reason)


def _message_reply(message: Values, finish_reason: str | None) -> Reply:
    """An assistant's message as the OpenAI protocol writes it."""
    content, reasoning, calls = (message.get(name) for name in ("content", "reasoning_content", "tool_calls"))
    return Reply(
        text=evalscope.content_text(content),
        reasoning=reasoning if isinstance(reasoning, str) and reasoning else None,
        tool_calls=[call for call in calls if isinstance(call, dict)] or None
        if isinstance(calls, list)
        else None,
        finish_reason=finish_reason,
    )


def _from_swift(values: Values) -> Values:
    """`labels` is the gold answer, `messages` end in the reply."""
    gold, asked = values.get("labels"), values.get("messages")
    dropped = ["labels", "messages", *(["tools"] if not values.get("tools") else [])]
    messages = [turn for turn in asked if isinstance(turn, dict)] if isinstance(asked, list) else []
    while messages and messages[-1].get("role") == "assistant":
        messages.pop()
    if messages:
        text = evalscope.content_text(messages[-1].get("content"))
        questions: dict[str, Any] = {"messages": messages, "question": text}
    else:
        question = values.get("query") or UNKNOWN_QUESTION
        questions = {"query": question, "question": question}
    golds = {"response": gold, "answer": gold, "target": gold}
    return replace_columns(values, questions | golds | {PREDICTION: values.get("response")}, dropped)


def _from_llamafactory(values: Values) -> Values:
    """`prompt` is the whole rendered prompt, where there is one; `label` the gold answer."""
    question = UNKNOWN_QUESTION if is_empty(values.get("prompt")) else values["prompt"]
    asked = {"query": question, "question": question}
    golds = {"response": values.get("label"), "answer": values.get("label")}
    return asked | golds | {PREDICTION: values.get("predict")}


def _from_own(values: Values) -> Values:
    """ToolBench's scorer needs no dialogue, so files made for it may have none."""
    if values.keys() >= STEP_COLUMNS and values.get("messages") is None:
        return replace_columns(values, {"messages": [{"role": "user", "content": UNKNOWN_QUESTION}]})
    return values


OWN = Layout(
    "own",
    "the columns of the task, and 'prediction' or 'predictions'",
    lambda columns: any(name in columns for name in PREDICTION_COLUMNS),
    _from_own,
)
SWIFT = Layout(
    "ms-swift",
    "response, labels; optional messages or query",
    lambda columns: {"response", "labels"} <= set(columns),
    _from_swift,
    ColumnNames((("answer", "labels"), ("target", "labels"), ("prediction", "response"))),
    gold="labels",
)
LLAMAFACTORY = Layout(
    "LLaMA-Factory",
    "label, predict; optional prompt",
    lambda columns: {"label", "predict"} <= set(columns),
    _from_llamafactory,
    ColumnNames(
        (
            ("query", "prompt"),
            ("question", "prompt"),
            ("response", "label"),
            ("answer", "label"),
            ("prediction", "predict"),
        )
    ),
    gold="label",
)
MEASURED = Layout(
    "own",
    "the columns of the task, and 'judgement' (judge), 'logprobs' (perplexity), 'chosen_logprobs' and "
    "'rejected_logprobs' or 'chosen_score' and 'rejected_score' (preference)",
    lambda columns: any(name in columns for name in MEASURED_COLUMNS),
    lambda values: values,
)
LAYOUTS = (OWN, SWIFT, LLAMAFACTORY, MEASURED)
