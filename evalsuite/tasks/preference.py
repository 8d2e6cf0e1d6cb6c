"""Which of two answers to a prompt a model, or a reward model, prefers (`preference`).

Columns `prompt` (or `question`), `chosen` and `rejected`: texts, or lists of chat messages as TRL and UltraFeedback
write them (both lists may begin with the turns of the prompt); optional `id`, `system`, `subset` or `category`.

With `--preference-mode logprob`, three texts are measured: the prompt with each answer, and the prompt alone, which
shows where the answers begin (`metrics.likelihood.shared_prefix_length`). Chat messages go through the model's template,
so the end-of-turn token belongs to the answer; `--completions` joins flat texts. With `--preference-mode reward`, a
reward model scores the two conversations. Nothing is generated.

    accuracy              share of pairs with log P(chosen) > log P(rejected); a tie is no success (RewardBench)
    margin                mean of log P(chosen) - log P(rejected), in nats
    accuracy_per_token    the same with log P divided by the answer's number of tokens,
    margin_per_token        which does not favour short answers

With a reward model, `accuracy` and `margin` compare rewards and the other two do not exist.

For `evalsuite score`, the columns `chosen_logprobs` and `rejected_logprobs` hold lists with one number per token of the
answer, or `chosen_score` and `rejected_score` hold numbers.

Source of the convention: Lambert et al. 2024 (RewardBench, arXiv 2403.13787).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalsuite.data.row_parser import RowError, RowFacts
from evalsuite.metrics import likelihood
from evalsuite.metrics.text import has_cjk
from evalsuite.tasks.base import GREETING, FollowUpRequest, Task
from evalsuite.tasks.capabilities import Capabilities
from evalsuite.tasks.columns import Columns, checked_messages, json_value, text_value
from evalsuite.tasks.metric import Metric
from evalsuite.tasks.perplexity import recorded_logprobs
from evalsuite.tasks.style import CHINESE_TRAIT, LOGPROB_TRAIT, REWARD_TRAIT, Style
from evalsuite.types import FollowUpReply, Measure, Measurement, Message, Prompt, Reply, Score

CHOSEN, REJECTED, TIE = "chosen", "rejected", "tie"
ANSWERS = (CHOSEN, REJECTED)
LOGPROBS_COLUMNS = tuple(f"{name}_logprobs" for name in ANSWERS)
SCORE_COLUMNS = tuple(f"{name}_score" for name in ANSWERS)
MESSAGES_FORM = "a text, or a list of messages that ends in the assistant's"
UNMEASURED = "unmeasured"
"""Label: the server did not measure both answers."""
STAGES: Mapping[Measure, str] = {"logprobs": "logprobs", "reward": "reward"}


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """The turns before the answers, and the two answers."""

    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    subject: str | None = None


class PreferenceTask(Task[PreferenceRow]):
    """Pairs of answers, one of which people prefer."""

    kind: ClassVar[str] = "preference"
    columns: ClassVar[Columns] = Columns(
        required=ANSWERS, description="prompt, chosen, rejected; optional id, system, subset or category"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        few_shot=None, measures_texts=True, has_follow_ups=True
    )

    def parse(self, values: Mapping[str, Any]) -> PreferenceRow:
        """See `RowReader.parse`."""
        faults: list[tuple[str, str]] = []
        prompt = _prompt(values)
        conversations = {name: _conversation(values, name) for name in ANSWERS}
        if not prompt:
            prompt = _common_turns(*conversations.values())
        if not prompt or prompt[-1]["role"] == "assistant":
            faults.append(
                ("there is no prompt", "a text in the column 'prompt', or messages before both answers")
            )
        answers: dict[str, str] = {}
        for name, turns in conversations.items():
            answers[name] = text_value(turns[-1], "content") if turns else ""
            if not answers[name].strip():
                faults.append((f"the {name} answer is empty", f"a text in the column '{name}'"))
            elif turns[-1]["role"] != "assistant" or turns[:-1] not in ([], prompt, _without_system(prompt)):
                faults.append((f"'{name}' does not continue the prompt", f"'{name}' as {MESSAGES_FORM}"))
        if not faults and answers[CHOSEN] == answers[REJECTED]:
            faults.append(("both answers are the same", "two different answers"))
        if faults:
            raise RowError(*faults)
        subject = text_value(values, "subset", "category", "subject").strip() or None
        return PreferenceRow(tuple(prompt), answers[CHOSEN], answers[REJECTED], subject)

    def facts(self, row: PreferenceRow) -> RowFacts:
        """The subject is the column `subset`, else `category` or `subject`."""
        return RowFacts(row.subject)

    def traits(self, row: PreferenceRow, reply: Reply | None = None) -> Iterable[str]:
        """A recorded reply holds rewards or log-probabilities."""
        if has_cjk(text_value(row.messages[-1], "content")):
            yield CHINESE_TRAIT
        if reply and reply.measured:
            yield LOGPROB_TRAIT if reply.measured.reward is None else REWARD_TRAIT

    def max_tokens(self, style: Style) -> int:
        """No token is needed, but servers generate at least one."""
        return 1

    def prompt(
        self, row: PreferenceRow, shots: Sequence[PreferenceRow], style: Style, subject: str
    ) -> Prompt:
        """The prompt with the chosen answer."""
        return _answer_prompt(row.messages, row.chosen, style)

    def follow_up_requests(self, row: PreferenceRow, reply: Reply, style: Style) -> Sequence[FollowUpRequest]:
        """The prompt with the rejected answer; for log-probabilities also the prompt alone."""
        asks = [FollowUpRequest(_answer_prompt(row.messages, row.rejected, style))]
        return asks if style.reward else [*asks, FollowUpRequest(_answer_prompt(row.messages, "", style))]

    def probe(self, style: Style) -> Prompt:
        """A conversation of two turns."""
        return _answer_prompt(({"role": "user", "content": GREETING},), "Good day to you.", style)

    def recorded_reply(self, values: Mapping[str, Any]) -> Reply | None:
        """The columns `chosen_logprobs` and `rejected_logprobs`, or `chosen_score` and `rejected_score`."""
        found = [recorded_logprobs(values, name) for name in LOGPROBS_COLUMNS]
        if None in found:
            found = [_recorded_score(values, name) for name in SCORE_COLUMNS]
        chosen, rejected = found
        if chosen is None or rejected is None:
            return None
        return Reply("", measured=chosen, further=(FollowUpReply("model", "", Reply("", measured=rejected)),))

    def gold(self, row: PreferenceRow) -> dict[str, str]:
        """Both answers, under "chosen" and "rejected"."""
        return {CHOSEN: row.chosen, REJECTED: row.rejected}

    def row_from_gold(self, gold: Mapping[str, str], style: Style) -> PreferenceRow:
        """Scores do not depend on the texts."""
        return PreferenceRow(({"role": "user", "content": ""},), gold[CHOSEN], gold[REJECTED])

    def score(self, row: PreferenceRow, reply: Reply, style: Style) -> Score:
        """Compare the two answers. A reply that does not measure both counts as no success."""
        names = {metric.score for metric in self.metrics(Style(style.lang, 0))}
        compared = _answer_values(reply)
        if compared is None:
            nothing = {name: 0.0 if name.startswith("accuracy") else None for name in names}
            return Score("unparsed", values=nothing, labels=(UNMEASURED,))
        (chosen, chosen_tokens), (rejected, rejected_tokens) = compared
        values: dict[str, float | None] = dict.fromkeys(names)
        values |= {"accuracy": float(chosen > rejected), "margin": chosen - rejected}
        extracted: dict[str, Any] = {CHOSEN: chosen, REJECTED: rejected}
        stage = STAGES["reward"]
        if chosen_tokens and rejected_tokens:
            stage = STAGES["logprobs"]
            per_token = chosen / chosen_tokens, rejected / rejected_tokens
            values["accuracy_per_token"] = float(per_token[0] > per_token[1])
            values["margin_per_token"] = per_token[0] - per_token[1]
            extracted |= {"chosen_tokens": chosen_tokens, "rejected_tokens": rejected_tokens}
        preferred = TIE if chosen == rejected else CHOSEN if chosen > rejected else REJECTED
        labels = (TIE,) if preferred == TIE else ()
        return Score("scored", {"preferred": preferred, **extracted}, stage, values, labels)

    def metrics(self, style: Style) -> tuple[Metric, ...]:
        """Accuracy over all pairs and over subsets, and margins. Values per token need log-probabilities."""
        version = likelihood.VERSION
        metrics = (
            Metric("accuracy", primary=True, version=version),
            Metric("accuracy_macro", aggregate="macro", of="accuracy", version=version),
            Metric("margin", unit="difference", version=version),
            Metric("accuracy_per_token", version=version),
            Metric("margin_per_token", unit="difference", version=version),
        )
        return metrics[:3] if style.reward else metrics

    def signature_parts(self, style: Style) -> tuple[str, ...]:
        """Whether answers are compared by log-probability or by reward."""
        return (f"by:{STAGES['reward' if style.reward else 'logprobs']}",)


def _prompt(values: Mapping[str, Any]) -> list[Message]:
    """The turns of the prompt; empty if they are part of the answers' messages."""
    value = values.get("prompt")
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        value = json_value(values, "prompt", "a text or a list of messages")
    if isinstance(value, list):
        return [_bare_message(turn) for turn in checked_messages(value, "prompt")]
    text = text_value(values, "prompt", "question")
    if not text.strip():
        return []
    system = text_value(values, "system")
    opening: list[Message] = [{"role": "system", "content": system}] if system.strip() else []
    return [*opening, {"role": "user", "content": text}]


def _conversation(values: Mapping[str, Any], name: str) -> list[Message]:
    """An answer as messages; a text becomes one message of the assistant."""
    value = values.get(name)
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        try:
            value = json_value(values, name, MESSAGES_FORM)
        except RowError:
            value = values[name]  # an answer in plain text may begin with "[{"
    if isinstance(value, list):
        return [_bare_message(turn) for turn in checked_messages(value, name)]
    text = text_value(values, name)
    return [{"role": "assistant", "content": text}] if text else []


def _bare_message(message: Message) -> Message:
    """A message without fields that datasets add (`weight`, `name`)."""
    return {"role": message["role"], "content": message["content"]}


def _common_turns(first: Sequence[Message], second: Sequence[Message]) -> list[Message]:
    return list(first[:-1]) if first[:-1] == second[:-1] else []


def _without_system(messages: Sequence[Message]) -> list[Message]:
    return [message for message in messages if message["role"] != "system"]


def _answer_prompt(messages: Sequence[Message], answer: str, style: Style) -> Prompt:
    """The prompt with an answer, or alone if the answer is empty."""
    answered = [*messages, {"role": "assistant", "content": answer}] if answer else list(messages)
    if style.reward:
        return Prompt(messages=answered, measure="reward")
    if not style.completions:
        return Prompt(messages=answered, measure="logprobs")
    text = "\n".join(text_value(message, "content") for message in messages)
    return Prompt(text=text + _separator(text, answer) + answer, measure="logprobs")


def _separator(text: str, answer: str) -> str:
    """A space, unless there already is white space, the answer is empty, or it begins in Chinese."""
    if not answer or text[-1:].isspace() or answer[0].isspace() or has_cjk(answer[0]):
        return ""
    return " "


def _recorded_score(values: Mapping[str, Any], name: str) -> Measurement | None:
    value = values.get(name)
    if value is None or value == "":
        return None
    try:
        reward = float(value)
    except (TypeError, ValueError):
        reward = math.nan
    if isinstance(value, bool) or not math.isfinite(reward):
        raise RowError((f"'{name}' is {value!r}", f"a number in '{name}'"))
    return Measurement(reward=reward)


def _answer_values(reply: Reply) -> tuple[tuple[float, int], tuple[float, int]] | None:
    """Log-probability and number of tokens of each answer, or its reward and 0; None if one is missing."""
    measured = [reply.measured, *(further.reply.measured for further in reply.further)]
    if len(measured) < 2 or measured[0] is None or measured[1] is None:
        return None
    chosen, rejected = measured[0], measured[1]
    if chosen.reward is not None and rejected.reward is not None:
        return (chosen.reward, 0), (rejected.reward, 0)
    alone = measured[2].tokens if len(measured) > 2 and measured[2] else ()
    start = likelihood.shared_prefix_length(chosen.tokens, rejected.tokens, alone)
    return likelihood.answer_logprob(chosen.logprobs, start), likelihood.answer_logprob(
        rejected.logprobs, start
    )
