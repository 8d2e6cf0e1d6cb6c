"""Prediction folders of EvalScope (as 1.14 writes them) → records in our own layout.

    WORK/predictions/MODEL/BENCHMARK_SUBSET.jsonl   {"index", "model", "model_output", "messages", "metadata"}
    WORK/reviews/MODEL/BENCHMARK_SUBSET.jsonl       {"index", "target": [text, …], …}

A prediction line has the reply and not the gold answer: that is in the review of the same index. `tool_bench` keeps
its whole record in `metadata`. The options of a multiple-choice question are in neither (and may have been shuffled),
so those benchmarks cannot be judged again from such a folder. Source: `ModelResult` and `ReviewResult` in
`evalscope/api/evaluator/cache.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from evalsuite.data.row_parser import RowError
from evalsuite.errors import InputError

COLUMNS = frozenset({"index", "model_output", "messages"})
PREDICTIONS, REVIEWS = "predictions", "reviews"
KIND_BY_BENCHMARK = {"general_qa": "qa", "gsm8k": "gsm8k", "tool_bench": "toolbench"}
"""Benchmarks whose files hold all that judging needs, and what they are here."""
CUT_OFF = frozenset({"max_tokens", "model_length", "length"})
TOOLBENCH_FIELDS = ("messages", "tools", "target")

Values = Mapping[str, Any]


def recognises(columns: Collection[str]) -> bool:
    """Whether a record is one of EvalScope's predictions."""
    return set(columns) >= COLUMNS


def model_files(path: Path) -> list[tuple[str, Path]]:
    """The models and prediction files of a work directory, its `predictions`, or one file there; else none."""
    if path.is_file():
        return [(path.parent.name, path)] if path.resolve().parent.parent.name == PREDICTIONS else []
    root = path if path.name == PREDICTIONS else path / PREDICTIONS
    found = sorted(root.glob("*/*.jsonl")) if root.is_dir() else []
    return [(file.parent.name, file) for file in found]


def kind_of(path: Path, wanted: str | None) -> str:
    """The kind of a file: the wanted one, else its benchmark's. Raises `InputError` where it cannot be judged."""
    known = (
        kind for benchmark, kind in KIND_BY_BENCHMARK.items() if f"{path.stem}_".startswith(f"{benchmark}_")
    )
    kind = wanted or next(known, None)
    if kind in KIND_BY_BENCHMARK.values():
        return str(kind)
    raise InputError(
        f"{path}: EvalScope's predictions of this benchmark do not hold what judging needs (multiple choice lacks the options). "
        f"Scored are {', '.join(KIND_BY_BENCHMARK)}; others that have a free answer by a kind of your own: qa:{path}"
    )


class EvalscopeFile:
    """One file of predictions, with the reviews that hold its gold answers."""

    def __init__(self, path: Path) -> None:
        model = path.resolve().parent
        self._reviews = model.parent.parent / REVIEWS / model.name / path.name

    def translate(self, values: Values) -> Values:
        """A record in our own layout; raises `RowError`."""
        reply, reason = _reply(values.get("model_output"))
        ours = {"id": values.get("index"), "prediction": reply, "finish_reason": reason}
        metadata = values.get("metadata")
        if isinstance(metadata, dict) and all(metadata.get(name) for name in TOOLBENCH_FIELDS):
            return ours | {name: metadata[name] for name in TOOLBENCH_FIELDS}
        messages = _asked(values.get("messages"))
        gold = self._gold(values.get("index"))
        question = messages[-1]["content"] if messages else ""
        number = gold if "####" in gold else f"#### {gold}"
        return ours | {"messages": messages, "question": question, "response": gold, "answer": number}

    def _gold(self, index: Any) -> str:
        offset = self._offsets.get(index)
        if offset is None:
            expected = "every prediction reviewed; finish the evaluation in EvalScope"
            raise RowError((f"{self._reviews} has no review of index {index}", expected))
        with self._reviews.open("rb") as stream:
            stream.seek(offset)
            targets = orjson.loads(stream.readline()).get("target") or []
        if isinstance(targets, str):
            targets = [targets]
        if len(targets) != 1:
            raise RowError((f"{len(targets)} gold answers in {self._reviews}", "one gold answer a row"))
        return str(targets[0])

    @cached_property
    def _offsets(self) -> dict[Any, int]:
        """Where each review begins; of several of one index the last counts, as in EvalScope."""
        if not self._reviews.is_file():
            raise InputError(
                f"{self._reviews}: no such file. EvalScope's predictions lack the gold answers, which stand in its reviews; "
                "name the work directory that has both."
            )
        offsets, offset = {}, 0
        with self._reviews.open("rb") as stream:
            for raw in stream:
                offsets[_index(raw)] = offset
                offset += len(raw)
        return offsets


def _index(raw: bytes) -> Any:
    """The index of a review; None for a line that is none."""
    try:
        review = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return review.get("index") if isinstance(review, dict) else None


def _reply(output: Any) -> tuple[dict[str, Any] | None, str | None]:
    """The first choice as a message, and why it ended in OpenAI's words; None where there is no reply."""
    choices = output.get("choices") if isinstance(output, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return None, None
    reason = choice.get("stop_reason")
    return {"content": message.get("content")}, "length" if reason in CUT_OFF else reason


def _asked(messages: Any) -> list[dict[str, Any]]:
    """The turns before the reply, each with its text alone."""
    turns = [turn for turn in messages if isinstance(turn, dict)] if isinstance(messages, list) else []
    while turns and turns[-1].get("role") == "assistant":
        turns.pop()
    return [{"role": turn.get("role"), "content": content_text(turn.get("content"))} for turn in turns]


def content_text(content: Any) -> str:
    """A message's content, or the text parts of one that comes in parts."""
    if isinstance(content, list):
        parts = (part for part in content if isinstance(part, dict))
        return "\n".join(str(part["text"]) for part in parts if part.get("text") is not None)
    return content if isinstance(content, str) else ""
