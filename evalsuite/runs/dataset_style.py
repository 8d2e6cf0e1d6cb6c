"""How a dataset is asked: its style and generation settings, from the options and what is in the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from evalsuite.config import RunConfig
from evalsuite.data.dataset import Dataset
from evalsuite.endpoint.likelihood_requests import ONE_TOKEN
from evalsuite.endpoint.wire import Generation
from evalsuite.errors import ConfigError, InputError
from evalsuite.tasks.base import Task
from evalsuite.tasks.exam_groups import CEVAL, exam_name
from evalsuite.tasks.profiles import select_profiles
from evalsuite.tasks.style import (
    CONTEXT_TRAIT,
    MULTIPLE_TRAIT,
    PAIR_TRAIT,
    PICTURE_TRAIT,
    REWARD_TRAIT,
    Style,
    keeps_turn_lines,
    language_of,
    names_categories,
)

TOP_LOGPROBS = 20
"""The most that OpenAI's chat API and vLLM (--max-logprobs) give by default."""


def choose_generation(config: RunConfig, task: Task[Any], style: Style) -> Generation:
    """The options' settings, or fixed ones where no text is generated."""
    if task.capabilities.measures_texts:
        return ONE_TOKEN
    return Generation(
        max_tokens=1 if style.logprob else config.max_tokens or task.max_tokens(style),
        temperature=config.temperature,
        top_p=config.top_p,
        seed=config.seed,
        stop=() if style.logprob else config.stop,
        top_logprobs=TOP_LOGPROBS if style.logprob else None,
    )


def pair_share(traits: Mapping[str, int], rows: int) -> Literal["none", "some", "all"]:
    """Whether none, some or all rows of a dataset are pairs."""
    pairs = traits.get(PAIR_TRAIT, 0)
    return "none" if not pairs else "all" if pairs == rows else "some"


def check_logprob_mode(style: Style, task: Task[Any], dataset: Dataset[Any]) -> None:
    """Refuse rows that one token cannot answer. Raises `InputError`."""
    if style.cot:
        raise ConfigError(
            "--mcq-mode logprob reads the first token of an answer, before which --cot lets the model think; "
            "leave out one of them."
        )
    unfit = list(dataset.findings(task.logprob_problems))
    if unfit:
        first = unfit[0]
        raise InputError(
            f"--mcq-mode logprob: one token cannot answer {len(unfit)} of the rows of {dataset.name}, "
            f"the first of them {first.file}:{first.line} ({first.what}; expected {first.expected}). "
            "Leave these rows out, or use --mcq-mode generate."
        )


def choose_style(
    config: RunConfig, task: Task[Any], dataset: Dataset[Any], *, files_are_subjects: bool
) -> Style:
    """The style of a dataset. Raises `InputError` for options that its data do not allow."""
    rows = sum(dataset.counts.values())
    data_lang = language_of(dataset.traits, rows)
    if PICTURE_TRAIT in dataset.traits and config.completions:
        raise ConfigError(
            f"--completions: {dataset.name} has pictures, which only chat requests carry; leave it out."
        )
    by_logprob = config.mcq_mode == "logprob" and task.capabilities.logprob
    return Style(
        lang=data_lang if config.lang == "auto" else config.lang,
        data_lang=data_lang,
        shots=_shots(config, task, dataset),
        cot=config.cot and task.capabilities.cot,
        completions=config.completions or task.capabilities.flat_prompts_only,
        subjects=files_are_subjects or len(dataset.counts) > 1,
        multiple=MULTIPLE_TRAIT in dataset.traits,
        context=CONTEXT_TRAIT in dataset.traits,
        logprob="marker" if by_logprob else None,
        categories=names_categories(dataset.traits),
        agent_format=config.agent_format,
        pairs=pair_share(dataset.traits, rows),
        reward=config.preference_mode == "reward" or REWARD_TRAIT in dataset.traits,
        exam=CEVAL if exam_name(dataset.name) == CEVAL else None,
        profiles=select_profiles(task, config.profile, in_words=not by_logprob),
        reasoning_tags=config.reasoning_tags,
        keeps_turn_lines=keeps_turn_lines(dataset.traits, rows),
    )


def _shots(config: RunConfig, task: Task[Any], dataset: Dataset[Any]) -> int:
    """The number of few-shot examples. A number that the user gave is never cut silently.

    Kinds that are asked without examples stay so where there is no dev file, whatever the others get.
    """
    few_shot = task.capabilities.few_shot
    if few_shot is None:
        return 0
    pools = [len(dataset.pools[file.dev]) if file.dev else 0 for file in dataset.files]
    most = max(pools) or len(few_shot.builtin)
    if config.shots is None:
        return min(few_shot.default, most)
    if not most and not few_shot.default:
        return 0
    fewest = min(pools) if any(pools) else most
    if fewest < config.shots:
        found = (
            f"only {fewest} examples in a dev file"
            if fewest
            else "no examples (a file NAME_dev beside NAME_val, or dev/)"
        )
        raise ConfigError(
            f"--shots {config.shots}: {dataset.name} has {found}. "
            "Add some or ask for fewer; they are never taken from the evaluated rows."
        )
    return config.shots
