"""How a whole dataset is asked and judged, and the row traits that decide it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from evalsuite.types import AgentFormat, LogprobPrompt

Language: TypeAlias = Literal["zh", "en"]
CHINESE_TRAIT = "zh"
SUBJECT_TRAIT = "subject"
CATEGORY_TRAIT = "category"
MULTIPLE_TRAIT = "multiple"
PICTURE_TRAIT = "pictures"
CONTEXT_TRAIT = "context"
PAIR_TRAIT = "pair"
REWARD_TRAIT = "reward"
LOGPROB_TRAIT = "logprob"
UNJUDGED_TRAIT = "unjudged"
TURN_LINES_TRAIT = "turn_lines"


@dataclass(frozen=True, slots=True)
class Style:
    """How a dataset is asked and judged: the same for all of its rows. run.json records it."""

    lang: Language
    """Language of the wording around the data; `--lang` overrides the data's own."""
    shots: int
    data_lang: Language = "en"
    """Language of the data itself, whatever `--lang` says."""
    cot: bool = False
    completions: bool = False
    subjects: bool = False
    """Rows come from named subjects, so a header may name the subject."""
    multiple: bool = False
    """Some rows have several right answers, so every row is asked as if it may have."""
    logprob: LogprobPrompt | None = None
    """How the probabilities of option letters are requested; None if the reply's text holds the answer."""
    categories: bool = False
    """Rows name a category beside their subject, and results are given for each category."""
    exam: str | None = None
    """The benchmark whose own wording is used (`ceval`)."""
    profiles: tuple[str, ...] = ()
    """Scoring profiles that the user asked for, of those the task has."""
    agent_format: AgentFormat = "react"
    """How an agent's tools and turns are written."""
    pairs: Literal["none", "some", "all"] = "none"
    """Which rows hold a second answer that the reply is compared with."""
    reward: bool = False
    """The model gives texts a reward, not log-probabilities."""
    context: bool = False
    """Some rows have text that is asked before the question (`evalsuite.tasks.columns.CONTEXT_COLUMNS`)."""
    reasoning_tags: tuple[str, ...] = ()
    """Further marks around reasoning, each as "OPEN,CLOSE"."""
    keeps_turn_lines: bool = False
    """References hold lines such as "Question:", so such a line does not end a reply."""


def language_of(traits: Mapping[str, int], rows: int) -> Language:
    """Chinese if at least half of the rows are, else English. `traits` counts the rows that have each trait."""
    return "zh" if rows and traits.get(CHINESE_TRAIT, 0) * 2 >= rows else "en"


def keeps_turn_lines(traits: Mapping[str, int], rows: int) -> bool:
    """Whether at least one reference in twenty holds lines that would end a reply."""
    return bool(rows) and traits.get(TURN_LINES_TRAIT, 0) * 20 >= rows


def select_traits(present: Mapping[str, object]) -> tuple[str, ...]:
    """The traits whose value is true.

    >>> select_traits({"zh": True, "pictures": ()})
    ('zh',)
    """
    return tuple(trait for trait, value in present.items() if value)


def names_categories(traits: Mapping[str, int]) -> bool:
    """Whether rows name categories beside subjects. Without subjects, categories take their place."""
    return CATEGORY_TRAIT in traits and SUBJECT_TRAIT in traits
