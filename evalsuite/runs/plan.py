"""What a run will ask: every dataset found, checked, given its task, its style and its generation settings."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any, Literal, TypeVar

from evalsuite.config import RunConfig, ValidateConfig
from evalsuite.data.builtin import locate_dataset
from evalsuite.data.columns import ColumnNames
from evalsuite.data.dataset import Dataset, load_dataset
from evalsuite.data.layout import DataFile, dataset_name, find_files
from evalsuite.data.readers import first_record, read_records
from evalsuite.data.records import Record
from evalsuite.data.spec import DatasetSpec, is_suite_spec, parse_spec
from evalsuite.endpoint.likelihood_requests import ONE_TOKEN, build_request
from evalsuite.endpoint.wire import Generation, Request
from evalsuite.errors import FIX_ROWS_ADVICE, ConfigError, DataError, InputError, Problem
from evalsuite.metrics import cleaning
from evalsuite.metrics.gates import Gate
from evalsuite.options.judge import SELF_JUDGE
from evalsuite.tasks import KINDS, infer_kind, task_class
from evalsuite.tasks.base import FollowUpRequest, Task
from evalsuite.tasks.exam_groups import CEVAL, exam_name, subject_groups
from evalsuite.tasks.mcq_checks import hidden_choices
from evalsuite.tasks.metric import Metric
from evalsuite.tasks.profiles import check_profiles, select_profiles
from evalsuite.tasks.repeats import repeat_metrics
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
from evalsuite.types import LogprobPrompt, Prompt, Reply, Sample

PlannedT = TypeVar("PlannedT")
SHORT_NAMES = {"temperature": "t"}
ROWS_OF_ONE_KIND = 200
"""Rows that are looked at before a file of questions and answers is taken for free answers."""
SHOWN_HASH_DIGITS = 8
TOP_LOGPROBS = 20
"""The most that OpenAI's chat API and vLLM (--max-logprobs) give by default."""


NO_JUDGE = "a judge has to read the replies, and none is named. Add --judge-base-url URL --judge-model NAME (any OpenAI endpoint)"


@dataclass(frozen=True, slots=True)
class Judge:
    """Who judges the replies, and how it is asked. `base_url` is None where the model under test does."""

    model: str
    base_url: str | None
    generation: Generation
    itself: bool = False
    """Whether it is the model under test."""
    revision: str | None = None
    """What tells it from another one under the same name, if the user says."""

    @property
    def fingerprint(self) -> str:
        """Of a judge at an address: all that is known of it."""
        return "|".join(part for part in (self.base_url, self.model, self.revision) if part)

    def described(self) -> dict[str, Any]:
        """The judge's entry in run.json."""
        return {
            "model": self.model,
            "base_url": self.base_url,
            "generation": self.generation.fields(),
            "itself": self.itself,
            **({"revision": self.revision} if self.revision else {}),
        }


@dataclass(frozen=True)
class DatasetPlan:
    """One dataset of a run, ready to be asked. `recognised` tells that the kind came from the columns."""

    spec: DatasetSpec
    task: Task[Any]
    dataset: Dataset[Any]
    style: Style
    generation: Generation
    limit: int | None
    recognised: bool
    judge: Judge | None = field(default=None, kw_only=True)
    repeats: int = field(default=1, kw_only=True)
    """How often each row is asked."""
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    """What a reader has to know of its numbers."""

    @property
    def name(self) -> str:
        """The name results are listed under."""
        return self.dataset.name

    @property
    def rows(self) -> int:
        """How many samples are asked: every row as often as it is repeated."""
        return sum(self.dataset.quotas(self.limit).values()) * self.repeats

    @property
    def reply_limit(self) -> int | None:
        """The tokens a reply may have; None where that is not known."""
        return self.generation.max_tokens

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What the scores add up to."""
        own = self.task.metrics(self.style)
        return (*own, *repeat_metrics(own, self.repeats))

    @cached_property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Published groups of each subject."""
        found: dict[str, tuple[str, ...]] = {}
        for group, subjects in self._exam_groups().items():
            found |= {subject: (*found.get(subject, ()), group) for subject in subjects}
        return found

    @property
    def category_order(self) -> list[str]:
        """The categories that have an order."""
        return list(self._exam_groups())

    def _exam_groups(self) -> Mapping[str, Collection[str]]:
        """The groups of the published exam that the subjects are of; none for other subjects."""
        if not self.task.capabilities.exam_groups:
            return {}
        return subject_groups(self.name, self.dataset.counts)

    def categories(self, subset: str, row: Any) -> tuple[str, ...]:
        """The categories a row counts in, besides its subject: the one it names, and its subject's groups."""
        groups = self.groups.get(subset, ())
        own = self.task.facts(row).category if self.style.categories else None
        return groups if own is None or own in groups else (own, *groups)

    def samples(self) -> Iterator[tuple[Sample[Any], Sequence[Any]]]:
        """The samples, each with its few-shot rows; the tries of a row follow each other."""
        few_shot = self.task.capabilities.few_shot
        fallback = few_shot.builtin if few_shot else ()
        for sample, pool in self.dataset.samples(self.limit):
            shots = (pool or fallback)[: self.style.shots]
            yield sample, shots
            for repeat in range(1, self.repeats):
                yield replace(sample, repeat=repeat), shots

    def request(self, sample: Sample[Any], shots: Sequence[Any]) -> tuple[Prompt, Request]:
        """A sample's prompt and its serialised request; a seed that is given is another one for every try."""
        prompt = self.task.prompt(sample.row, shots, self.style, sample.subset)
        generation = self.generation
        if sample.repeat and generation.seed is not None:
            generation = replace(generation, seed=generation.seed + sample.repeat)
        return prompt, build_request(prompt, generation)

    def further_request(self, ask: FollowUpRequest) -> Request:
        """A further request, serialised."""
        settings = self.judge.generation if ask.of == "judge" and self.judge else self.generation
        return build_request(ask.prompt, settings)

    def existing_reply(self, sample: Sample[Any]) -> Reply | None:
        """The reply a sample comes with, so that only a judge has to be asked."""
        return None

    def with_logprob_form(self, form: LogprobPrompt) -> DatasetPlan:
        """The same, its letters' probabilities asked for in another form, where they are asked for."""
        return replace(self, style=replace(self.style, logprob=form)) if self.style.logprob else self

    def place(self, sample: Sample[Any]) -> bytes:
        """What of a sample's place belongs to its key: nothing, since equal questions may share a reply."""
        return b""

    @property
    def data_hash(self) -> str:
        """One hash of the content of all its files, dev files included."""
        hashes = "\n".join(facts.sha256 for facts in self.dataset.facts)
        return hashlib.sha256(hashes.encode()).hexdigest()

    def conditions(self) -> list[str]:
        """How it was asked, for signatures."""
        style, settings = self.style, self.generation.fields()
        return [
            f"shots:{style.shots}",
            f"lang:{style.lang}",
            *(name for name in ("cot", "multiple", "context") if getattr(style, name)),
            *([f"logprob:{style.logprob}"] if style.logprob else []),
            *([style.exam] if style.exam else []),
            *([f"repeats:{self.repeats}"] if self.repeats > 1 else []),
            "completions" if style.completions else "chat",
            *(f"{SHORT_NAMES.get(name, name)}:{_format_setting(value)}" for name, value in settings.items()),
            f"prompt:v{self.task.version}",
            *tags_condition(style),
            *self.judge_conditions(),
            f"data:{self.data_hash[:SHOWN_HASH_DIGITS]}",
        ]

    def judge_conditions(self) -> list[str]:
        """The judge's part of a signature."""
        return [f"judge:{_format_setting(self.judge.model)}"] if self.judge else []

    def described(self) -> dict[str, Any]:
        """The dataset's entry in run.json."""
        return {
            "name": self.name,
            "kind": self.task.kind,
            "spec": self.spec.text,
            "files": [
                {"path": facts.path, "sha256": facts.sha256, "rows": facts.rows}
                for facts in self.dataset.facts
            ],
            "samples": self.rows,
            "subsets": self.dataset.quotas(self.limit),
            "shots": self.style.shots,
            "lang": self.style.lang,
            "cot": self.style.cot,
            "style": asdict(self.style),
            "generation": self.generation.fields(),
            "scorers": self.scorers(),
            **({"judge": self.judge.described()} if self.judge else {}),
            **({"repeats": self.repeats} if self.repeats > 1 else {}),
            **({"columns": dict(self.dataset.columns.pairs)} if self.dataset.columns else {}),
            **({"notes": list(self.dataset.notes)} if self.dataset.notes else {}),
        }

    def scorers(self) -> dict[str, str]:
        """Versions of what judges: when one changes, kept replies are judged again."""
        versions = {metric.name: metric.version for metric in self.metrics}
        return {
            "task": self.task.version,
            "cleaning": cleaning.VERSION,
            **self.task.label_versions,
            **versions,
            "multiple": str(self.style.multiple),
        }


def plan_datasets(config: RunConfig) -> tuple[DatasetPlan, ...]:
    """Find, recognise and check every dataset of a configuration.

    Raises `InputError` for all datasets together; `DataError` where there are bad rows, listing each.
    """
    names: set[str] = set()

    def plan_one(text: str) -> list[DatasetPlan]:
        plans = list(_plans(parse_spec(text, list(KINDS)), config, names))
        names.update(name for plan in plans for name in (plan.name, plan.name.partition("/")[0]))
        return plans

    plans = plan_each([text for text in config.datasets if not is_suite_spec(text)], plan_one)
    for plan in plans:
        if plan.task.capabilities.needs_judge and not plan.judge:
            raise ConfigError(
                f"-d {plan.spec.text}: {NO_JUDGE}, or --judge-model {SELF_JUDGE} to let the model under test judge "
                "its own replies, which favours it."
            )
    check_profiles(config.profile, [(plan.task, plan.style) for plan in plans])
    if not any(map(is_suite_spec, config.datasets)):
        check_gates(config.gates, plans)
    return tuple(plans)


def plan_each(texts: Sequence[str], plan_one: Callable[[str], Sequence[PlannedT]]) -> list[PlannedT]:
    """Plan every dataset; one `InputError` for the faults of all of them."""
    plans: list[PlannedT] = []
    problems: list[Problem] = []
    refusals: list[InputError] = []
    for text in texts:
        try:
            plans.extend(plan_one(text))
        except DataError as error:
            problems.extend(error.problems)
        except InputError as error:
            refusals.append(error)
    if problems:
        raise DataError(problems, "\n".join([*map(str, refusals), FIX_ROWS_ADVICE]))
    if refusals:
        raise refusals[0] if len(refusals) == 1 else InputError("\n".join(map(str, refusals)))
    return plans


def tags_condition(style: Style) -> list[str]:
    """The further marks of reasoning as a part of a signature."""
    tags = ";".join(style.reasoning_tags)
    return [f"reasoning-tags:{_format_setting(tags)}"] if tags else []


def _format_setting(value: Any) -> str:
    """A setting as a part of a signature, in which `|` separates."""
    return f"{value:g}" if isinstance(value, float) else str(value).replace("|", "\\u007c")


def plan_spec(text: str, columns: Mapping[str, str] | None = None) -> tuple[DatasetPlan, ...]:
    """What a SPEC stands for, with every default, to check its rows. Raises `InputError`."""
    config = ValidateConfig(datasets=(text,), columns=dict(columns or {}))
    return tuple(_plans(parse_spec(text, list(KINDS)), config, set()))


def _plans(spec: DatasetSpec, config: RunConfig, taken: set[str]) -> Iterator[DatasetPlan]:
    """One plan, or one for each file where the files of a folder must not be averaged together."""
    path, builtin_kind = locate_dataset(spec.target)
    files = find_files(path, ColumnNames.from_mapping(config.columns))
    kind = spec.kind or builtin_kind or _kind_from_columns(files[0])
    task = task_class(kind)()
    recognised = not (spec.kind or builtin_kind)
    name = unique_name(dataset_name(path), taken)
    for part, its_files in split_by_file(name, files, task):
        dataset = load_dataset(part, its_files, task)
        subjects = path.is_dir() and part == name
        yield _plan(spec, config, task, dataset, files_are_subjects=subjects, recognised=recognised)


def split_by_file(
    name: str, files: Sequence[DataFile], task: Task[Any]
) -> Iterator[tuple[str, Sequence[DataFile]]]:
    """One dataset, or one for each file where the files of a folder must not be averaged together."""
    if task.capabilities.pools_files or len(files) == 1:
        yield name, files
        return
    for file in files:
        yield f"{name}/{file.subject}", [file]


def _plan(
    spec: DatasetSpec,
    config: RunConfig,
    task: Task[Any],
    dataset: Dataset[Any],
    *,
    files_are_subjects: bool,
    recognised: bool,
) -> DatasetPlan:
    style = _style(config, task, dataset, files_are_subjects=files_are_subjects)
    if style.logprob:
        _check_logprob(style, task, dataset)
    judge = make_judge(config) if task.capabilities.needs_judge else None
    generation = _generation(config, task, style)
    # what is measured, and a letter's probability, is the same however often it is asked
    repeats = 1 if task.capabilities.measures_texts or style.logprob else config.repeats
    return DatasetPlan(
        spec, task, dataset, style, generation, config.limit, recognised, judge=judge, repeats=repeats
    )


def _generation(config: RunConfig, task: Task[Any], style: Style) -> Generation:
    """What the user wants; where nothing is generated, always the same."""
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


def make_judge(config: RunConfig) -> Judge | None:
    """The judge a configuration names. It is asked as evenly as it can answer: at temperature 0, if it takes that."""
    if not config.judge_model:
        return None
    # without --model an address serves one model
    same = config.judge_base_url == config.base_url and config.model in (None, config.judge_model)
    itself = config.judge_model == SELF_JUDGE or same
    return Judge(
        config.judge_model,
        config.judge_base_url,
        Generation(config.judge_max_tokens),
        itself,
        config.judge_revision,
    )


def pair_share(traits: Mapping[str, int], rows: int) -> Literal["none", "some", "all"]:
    """How many of a dataset's rows are pairs."""
    pairs = traits.get(PAIR_TRAIT, 0)
    return "none" if not pairs else "all" if pairs == rows else "some"


def _check_logprob(style: Style, task: Task[Any], dataset: Dataset[Any]) -> None:
    """Refuse what one token cannot answer."""
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


def _kind_from_columns(file: DataFile) -> str:
    path, columns = file.path, file.columns
    record = first_record(path, columns=columns)
    if record is None:
        raise DataError([Problem(str(path), 0, "an empty file or no readable row", "at least one row")])
    kind = infer_kind(record.values, str(path))
    records = (item for item in read_records(path, columns=columns) if isinstance(item, Record))
    refuse_hidden_choices(kind, (record.values for record in records), path)
    return kind


def refuse_hidden_choices(kind: str, rows: Iterable[Mapping[str, Any]], path: Any) -> None:
    """Raise `InputError` for multiple choice that would be read as `qa`, because its columns have other names."""
    reason = hidden_choices(islice(rows, ROWS_OF_ONE_KIND)) if kind == "qa" else ""
    if reason:
        raise InputError(
            f"{path}: {reason}. For multiple choice the columns are {task_class('mcq').columns}: rename them, or say which "
            f"they are (--columns question=NAME,answer=NAME). If the answers are free texts, say so: -d qa:{path}"
        )


def unique_name(name: str, taken: Collection[str]) -> str:
    """The name, numbered where it is taken."""
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 2))
    return next((candidate for candidate in (name, *numbered) if candidate not in taken), name)


def _style(config: RunConfig, task: Task[Any], dataset: Dataset[Any], *, files_are_subjects: bool) -> Style:
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
    """How many few-shot examples there are for what is wanted; a number the user gave is never cut silently.

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


def check_gates(gates: Sequence[Gate], plans: Sequence[DatasetPlan]) -> None:
    """Refuse a gate that no dataset of the run can pass or fail, before anything is sent."""
    for gate in gates:
        applies = [plan for plan in plans if gate.dataset in (None, plan.name)]
        metrics = {metric.name: metric for plan in applies for metric in plan.metrics}
        if not applies:
            names = ", ".join(plan.name for plan in plans)
            raise ConfigError(f"--fail-under: this run has no dataset '{gate.dataset}'; there are: {names}.")
        if gate.metric not in metrics and any(plan.task.capabilities.scored_elsewhere for plan in applies):
            continue  # what another suite measures is known when it has
        if gate.metric not in metrics:
            close = difflib.get_close_matches(gate.metric, metrics, n=1)
            hint = f" Did you mean {close[0]}?" if close else f" There are: {', '.join(metrics)}."
            raise ConfigError(f"--fail-under {gate.metric}: no dataset of this run has that metric.{hint}")
        _check_bound(gate, metrics[gate.metric])
        if not metrics[gate.metric].higher_is_better:
            raise ConfigError(
                f"--fail-under {gate.metric}: lower is better there, so a lower bound makes no sense."
            )


def _check_bound(gate: Gate, metric: Metric) -> None:
    """Refuse a bound that the metric passes or fails whatever the model does."""
    highest = metric.highest
    share = highest == 1.0
    if gate.percent and not share:
        raise ConfigError(f"--fail-under {gate.metric}: it is no share, so write its value without %.")
    if gate.value > highest:
        form = "0.4 or 40%" if share else "27.5"
        raise ConfigError(
            f"--fail-under {gate.metric}={gate.value:g}: it lies between 0 and {highest:g}; write {form}, for instance."
        )
