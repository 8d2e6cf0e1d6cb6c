"""Which of two answers to a prompt a model, or a reward model, prefers (`preference`).

Columns `prompt` (or `question`), `chosen` and `rejected`: texts, or lists of chat messages as TRL and UltraFeedback write
them, where both lists may begin with the prompt's own turns; optional `id`, `system`, `subset` or `category`.

By log-probability (`--preference-mode logprob`) three texts are measured: the prompt with each answer, and the prompt
alone, which tells where the answers begin (`metrics.likelihood.shared_prefix_length`). Chat puts each through the model's own
template, so that the end-of-turn mark belongs to an answer; `--completions` joins flat texts. By a reward model
(`--preference-mode reward`) the two conversations are given their rewards. Nothing is generated.

    accuracy              share of pairs with log P(chosen) > log P(rejected); a tie is no success (RewardBench)
    margin                mean of log P(chosen) - log P(rejected), in nats
    accuracy_per_token    the same comparisons of log P / number of the answer's tokens, which does not
    margin_per_token        favour short answers

With a reward model, `accuracy` and `margin` are of rewards and the other two do not exist. Data that is only scored
holds `chosen_logprobs` and `rejected_logprobs` (lists, one number a token of the answer) or `chosen_score` and
`rejected_score` (numbers).

Source of the convention: Lambert et al. 2024 (RewardBench, arXiv 2403.13787).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
"""The label of a reply that does not measure both answers."""
STAGES: Mapping[Measure, str] = {"logprobs": "logprobs", "reward": "reward"}


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """The turns up to the answers, and the two answers."""

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

    def facts(self, row: PreferenceRow, reply: Reply | None = None) -> RowFacts:
        """A recorded reply holds rewards or log-probabilities."""
        traits = [CHINESE_TRAIT] if has_cjk(text_value(row.messages[-1], "content")) else []
        if reply and reply.measured:
            traits.append(LOGPROB_TRAIT if reply.measured.reward is None else REWARD_TRAIT)
        return RowFacts(row.subject, traits=tuple(traits))

    def max_tokens(self, style: Style) -> int:
        """None is wanted; servers want to give one."""
        return 1

    def prompt(
        self, row: PreferenceRow, shots: Sequence[PreferenceRow], style: Style, subject: str
    ) -> Prompt:
        """The prompt with the chosen answer."""
        return _answer_prompt(row.messages, row.chosen, style)

    def follow_up_requests(self, row: PreferenceRow, reply: Reply, style: Style) -> Sequence[FollowUpRequest]:
        """The prompt with the rejected answer; by log-probability the prompt alone, too."""
        asks = [FollowUpRequest(_answer_prompt(row.messages, row.rejected, style))]
        return asks if style.reward else [*asks, FollowUpRequest(_answer_prompt(row.messages, "", style))]

    def probe(self, style: Style) -> Prompt:
        """A conversation of two turns."""
        return _answer_prompt(({"role": "user", "content": GREETING},), "Good day to you.", style)

    def recorded_reply(self, values: Mapping[str, Any]) -> Reply | None:
        """Columns `chosen_logprobs` and `rejected_logprobs`, or `chosen_score` and `rejected_score`."""
        found = [recorded_logprobs(values, name) for name in LOGPROBS_COLUMNS]
        if None in found:
            found = [_recorded_score(values, name) for name in SCORE_COLUMNS]
        chosen, rejected = found
        if chosen is None or rejected is None:
            return None
        return Reply("", measured=chosen, further=(FollowUpReply("model", "", Reply("", measured=rejected)),))

    def gold(self, row: PreferenceRow) -> dict[str, str]:
        """Both answers, each under what people said of it."""
        return {CHOSEN: row.chosen, REJECTED: row.rejected}

    def row_from_gold(self, gold: Mapping[str, str], style: Style) -> PreferenceRow:
        """The texts play no part in the scores."""
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
        """Accuracy leads, over all pairs and over subsets; with a reward model there are no tokens to divide by."""
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
        """By what answers are compared."""
        return (f"by:{STAGES['reward' if style.reward else 'logprobs']}",)


def _prompt(values: Mapping[str, Any]) -> list[Message]:
    """The prompt's turns; none where the answers' own messages hold them."""
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
    """An answer as messages; a text is one of the assistant."""
    value = values.get(name)
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        try:
            value = json_value(values, name, MESSAGES_FORM)
        except RowError:
            value = values[name]  # an answer may begin with such brackets
    if isinstance(value, list):
        return [_bare_message(turn) for turn in checked_messages(value, name)]
    text = text_value(values, name)
    return [{"role": "assistant", "content": text}] if text else []


def _bare_message(message: Message) -> Message:
    """A message without what datasets add to it (`weight`, `name`)."""
    return {"role": message["role"], "content": message["content"]}


def _common_turns(first: Sequence[Message], second: Sequence[Message]) -> list[Message]:
    return list(first[:-1]) if first[:-1] == second[:-1] else []


def _without_system(messages: Sequence[Message]) -> list[Message]:
    return [message for message in messages if message["role"] != "system"]


def _answer_prompt(messages: Sequence[Message], answer: str, style: Style) -> Prompt:
    """The prompt with an answer, or without one where it is empty."""
    answered = [*messages, {"role": "assistant", "content": answer}] if answer else list(messages)
    if style.reward:
        return Prompt(messages=answered, measure="reward")
    if not style.completions:
        return Prompt(messages=answered, measure="logprobs")
    text = "\n".join(text_value(message, "content") for message in messages)
    return Prompt(text=text + _separator(text, answer) + answer, measure="logprobs")


def _separator(text: str, answer: str) -> str:
    """A space, unless there is white space already, nothing follows, or the answer begins in Chinese."""
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
    """Each answer's log-probability and number of tokens, or its reward and 0; None where one is missing."""
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
