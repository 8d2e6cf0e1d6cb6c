"""Agent steps (`toolbench`): given a dialogue and tools, what does the model do next?

One record is one step: `messages`, `tools`, `target` (the gold step as ReAct text); optional `dialogue`, which clusters
the steps of a dialogue, since they are not independent. Dialogue files (`conversations`) are split into steps.
Prompts: `evalsuite.tasks.agent_formats`. Parsing and scores: `evalsuite.metrics.tool_steps`; labels: `evalsuite.metrics.tool_failures`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evalsuite.data.row_parser import RowError, RowFacts
from evalsuite.metrics import tool_conditions, tool_failures, tool_schemas, tool_steps, tool_texts
from evalsuite.tasks.agent_formats import AGENT_ROLE, openai_prompt, react_prompt, toolbench_prompt
from evalsuite.tasks.base import Task
from evalsuite.tasks.capabilities import Capabilities
from evalsuite.tasks.columns import Columns, checked_messages, json_value, text_value
from evalsuite.tasks.dialogues import CONVERSATION_FORM, described_tools, dialogue_steps
from evalsuite.tasks.metric import Breakdown, Metric
from evalsuite.tasks.replies import answer_text, harness_text, outcome, reference_text
from evalsuite.tasks.style import Style
from evalsuite.tasks.toolbench_tables import TABLES, table_keys
from evalsuite.types import Message, Prompt, Reply, Score

GOLD_EXPECTED = "a step that the record's own tools allow"
DIALOGUE_COLUMNS = frozenset({"conversations", "tools"})
PERCENT_METRICS = ("plan_em", "act_em", "hallucination_rate")
SCORE_METRICS = ("avg_f1", "easy_f1", "hard_f1", "rouge_l")


@dataclass(frozen=True, slots=True)
class ToolBenchRow:
    """The dialogue so far, the tools that are offered, and the gold step."""

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...]
    target: str
    dialogue: str | None


class ToolBenchTask(Task[ToolBenchRow]):
    """The next step of an agent, judged against a gold step."""

    kind: ClassVar[str] = "toolbench"
    version: ClassVar[str] = "2"
    columns: ClassVar[Columns] = Columns(
        required=("messages", "tools", "target"),
        description="messages, tools, target; optional id, dialogue; or dialogues: conversations, tools",
    )
    capabilities: ClassVar[Capabilities] = Capabilities(few_shot=None, pools_files=False)
    """Files are not pooled: in-domain and out-of-domain data are never averaged together."""
    profiles: ClassVar[tuple[str, ...]] = ("strict", "paper")
    """Both are always computed, even without `--profile`."""
    label_versions: ClassVar[Mapping[str, str]] = {"labels": tool_failures.VERSION}
    breakdowns: ClassVar[tuple[Breakdown, ...]] = TABLES

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """Messages with tools and a target, or a dialogue with tools."""
        return super().recognises(values) or values.keys() >= DIALOGUE_COLUMNS

    def expand(self, values: Mapping[str, Any], number: int) -> Iterable[Mapping[str, Any]]:
        """One row for each step of the agent in a dialogue; other records are one row."""
        if not values.keys() >= DIALOGUE_COLUMNS:
            yield values
            return
        tools = described_tools(_tools(values))
        dialogue = text_value(values, "id") or str(number)
        turns = json_value(values, "conversations", CONVERSATION_FORM)
        for step, (messages, target) in enumerate(dialogue_steps(turns, tools)):
            yield {
                "id": f"{dialogue}-{step}",
                "dialogue": dialogue,
                "messages": messages,
                "tools": tools,
                "target": target,
            }

    def parse(self, values: Mapping[str, Any]) -> ToolBenchRow:
        """See `RowReader.parse`."""
        messages = checked_messages(json_value(values, "messages", "a list of messages"))
        tools = _tools(values)
        target = text_value(values, "target")
        if not target.strip():
            raise RowError(("the target is empty", "the gold step as 'Thought: … Action: … Action Input: …'"))
        return ToolBenchRow(tuple(messages), tuple(tools), target, text_value(values, "dialogue") or None)

    def audit(self, row: ToolBenchRow) -> Iterable[tuple[str, str]]:
        """A gold step that breaks the schema of its tool, or names a tool that is not offered."""
        schemas = tool_schemas.offered_schemas(row.tools)
        faults = tool_failures.gold_problems(tool_steps.parse_step(row.target), schemas)
        return [(f"{words} [{fault}]", GOLD_EXPECTED) for fault, words in faults.items()]

    def facts(self, row: ToolBenchRow) -> RowFacts:
        """Steps of one dialogue are not independent."""
        return RowFacts(cluster=row.dialogue)

    def prompt(self, row: ToolBenchRow, shots: Sequence[ToolBenchRow], style: Style, subject: str) -> Prompt:
        """The dialogue so far, in the format that `--agent-format` names."""
        if style.agent_format == "openai-tools":
            return openai_prompt(row.messages, row.tools)
        render = toolbench_prompt if style.agent_format == "toolbench" else react_prompt
        return render(row.messages, row.tools, flat=style.completions)

    def breakdown_keys(self, row: ToolBenchRow, score: Score) -> Iterable[tuple[str, tuple[str, ...]]]:
        """See `evalsuite.tasks.toolbench_tables`."""
        return table_keys(row.target, row.messages, row.tools, score)

    def signature_parts(self, style: Style) -> tuple[str, ...]:
        """The agent format, which decides the prompts."""
        return (f"agent:{style.agent_format}",)

    def gold(self, row: ToolBenchRow) -> str:
        """The gold step."""
        return row.target

    def score(self, row: ToolBenchRow, reply: Reply, style: Style) -> Score:
        """Scores of both profiles: `paper`, as published, and `strict`, with denominators independent of the reply."""
        text = answer_text(reply, style) or ""
        gold = tool_steps.parse_step(reference_text(row.target, style))
        offered = tool_steps.tool_names(row.tools)
        step, form = tool_texts.read_reply(text, reply.tool_calls)
        strict = tool_steps.score_strict(gold, step, offered)
        paper = tool_steps.score_paper(
            tool_steps.parse_step(row.target),
            tool_steps.parse_step(harness_text(reply) or "", reply.tool_calls),
            offered,
        )
        conditional = tool_conditions.conditional_scores(gold, step, strict)
        written = tool_failures.WrittenReply(
            text,
            reply.tool_calls,
            truncated=reply.finish_reason == "length",
            native_calls_expected=style.agent_format == "openai-tools",
        )
        schemas = tool_schemas.offered_schemas(row.tools)
        failures = tool_failures.failures(gold, written, schemas, earlier_steps(row.messages))
        found = step.action != tool_steps.NO_ACTION
        only_paper = f"paper/{paper.skipped}" if paper.skipped and not strict.skipped else ""
        notes = (strict.skipped, only_paper, *strict.notes)
        return Score(
            outcome=outcome(found, reply),
            extracted={
                "plan": step.plan,
                "action": step.action,
                "input": step.input,
                "answer": step.answer,
                "failures": failures,
            },
            stage="" if not found else _stage(reply, form),
            values={f"strict/{name}": value for name, value in {**strict.values, **conditional}.items()}
            | {f"paper/{name}": value for name, value in paper.values.items()},
            labels=tuple(dict.fromkeys(label for label in (*failures, *notes) if label)),
            details={"offered": list(schemas)},
        )

    def metrics(self, style: Style) -> tuple[Metric, ...]:
        """Five headline metrics and the two parts of avg_f1 in each profile, then the conditional scores."""
        headline = tuple(
            Metric(
                f"{profile}/{name}",
                unit="proportion" if name in PERCENT_METRICS else "score",
                primary=profile == "strict" and name == "plan_em",
                higher_is_better=name != "hallucination_rate",
                profile=profile,
                version=tool_steps.STRICT_VERSION if profile == "strict" else tool_steps.VERSION,
            )
            for profile in ("strict", "paper")
            for name in (*PERCENT_METRICS, *SCORE_METRICS)
        )
        conditional = tuple(
            Metric(
                f"strict/{name}",
                unit="proportion" if name.startswith("act_em") else "score",
                profile="strict",
                version=tool_conditions.VERSION,
                detail=True,
            )
            for name in tool_conditions.CONDITIONAL_METRICS
        )
        return headline + conditional


def _stage(reply: Reply, form: str) -> str:
    """What the step was read from: native calls, a call in the text, or ReAct text."""
    if reply.tool_calls:
        return "tool_calls"
    return "react" if form in ("", "markdown") else "text_call"


def earlier_steps(messages: Sequence[Message]) -> list[tool_steps.AgentStep]:
    """The agent's earlier steps in a dialogue, whether written as text or as native calls."""
    return [
        tool_steps.parse_step(_text(turn), calls if isinstance(calls, list) else None)
        for turn in messages
        if turn["role"] == AGENT_ROLE
        for calls in (turn.get("tool_calls"),)
    ]


def _text(turn: Message) -> str:
    content = turn["content"]
    return content if isinstance(content, str) else ""


def _tools(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    tools = json_value(values, "tools", "a list of tools")
    if not isinstance(tools, list) or not all(tool_steps.tool_names([tool]) for tool in tools):
        raise RowError(("'tools' is not a list of named tools", "objects with a 'name' (or 'Name')"))
    return tools
