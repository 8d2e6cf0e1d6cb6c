"""Plans what `evalsuite score` scores: finds prediction files, recognises their layout, checks every row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from msgspec import UNSET, structs

from evalsuite.config import ScoreConfig
from evalsuite.data import evalscope
from evalsuite.data.builtin import locate_dataset
from evalsuite.data.columns import ColumnNames
from evalsuite.data.dataset import Dataset, load_dataset
from evalsuite.data.layout import DataFile, dataset_name, find_files
from evalsuite.data.predictions import Layout, PredictionParser, find_layout, records_of
from evalsuite.data.row_parser import RowError
from evalsuite.data.spec import DatasetSpec, parse_spec
from evalsuite.endpoint.wire import Generation
from evalsuite.errors import ConfigError, InputError
from evalsuite.runs.dataset_plan import DatasetPlan
from evalsuite.runs.dataset_style import pair_share
from evalsuite.runs.gate_checks import check_gates
from evalsuite.runs.judges import NO_JUDGE, make_judge
from evalsuite.runs.plan import plan_each, refuse_hidden_choices, split_by_file, unique_name
from evalsuite.runs.schema import DatasetInfo
from evalsuite.runs.work import Variant
from evalsuite.tasks import KINDS, infer_kind, task_class
from evalsuite.tasks.base import Task
from evalsuite.tasks.exam_groups import CEVAL, exam_name
from evalsuite.tasks.profiles import check_profiles, select_profiles
from evalsuite.tasks.style import (
    LOGPROB_TRAIT,
    MULTIPLE_TRAIT,
    REWARD_TRAIT,
    UNJUDGED_TRAIT,
    Style,
    keeps_turn_lines,
    language_of,
    names_categories,
)
from evalsuite.types import Reply, RowT, Sample

FINGERPRINT_DIGITS = 16
COMMON_NAMES = frozenset({"predictions", "generated_predictions", "infer_result", "result", "results"})
"""Generic names of prediction files: the folder's name tells them apart."""


@dataclass(frozen=True, slots=True)
class PredictedSample(Sample[RowT]):
    """A sample that comes with its reply; None where there is none."""

    reply: Reply | None


@dataclass(frozen=True, kw_only=True)
class PredictionPlan(DatasetPlan):
    """A dataset that comes with its replies. Nobody knows how they were asked for, and no signature claims to."""

    variant: Variant
    layout: str

    @property
    def reply_limit(self) -> None:
        """Nobody knows it."""
        return None

    def samples(self) -> Iterator[tuple[Sample[Any], Sequence[Any]]]:
        """The samples with their replies, without few-shot examples."""
        for sample, _ in self.dataset.samples(self.limit):
            row = sample.row
            yield (
                PredictedSample(sample.id, sample.index, sample.line, sample.subset, row.row, row.reply),
                (),
            )

    def existing_reply(self, sample: Sample[Any]) -> Reply | None:
        """The reply that a sample comes with."""
        assert isinstance(sample, PredictedSample)
        return sample.reply

    def key_suffix(self, sample: Sample[Any]) -> bytes:
        """The row's place: equal questions may have got different replies."""
        return f"|{sample.subset}|{sample.index}|{sample.id}".encode("utf-8", "surrogatepass")

    @property
    def draws_at_random(self) -> bool:
        """Unknown, so nothing is said about it."""
        return True

    def conditions(self) -> list[str]:
        """How it was asked, as parts of a signature."""
        return self.prediction_conditions()

    def info(self) -> DatasetInfo:
        """The dataset's entry in run.json. It claims nothing about how replies were asked for."""
        return structs.replace(
            super().info(),
            shots=UNSET,
            cot=UNSET,
            generation=None,
            variant=self.variant.name,
            layout=self.layout,
        )


def plan_predictions(config: ScoreConfig) -> tuple[PredictionPlan, ...]:
    """Find and check every file of predictions. Raises one `InputError` for the faults of all of them."""
    taken: dict[str, set[str]] = {}

    def plan_one(text: str) -> list[PredictionPlan]:
        spec = parse_spec(text, list(KINDS))
        plans: list[PredictionPlan] = []
        for variant, source in _sources(spec, config.name):
            names = taken.setdefault(variant, set())
            name = unique_name(dataset_name(Path(source.target)), names)
            names.add(name)
            plans.extend(_plans(source, config, variant, name))
        return plans

    plans = plan_each(config.datasets, plan_one)
    check_profiles(config.profile, [(plan.task, plan.style) for plan in plans])
    check_gates(config.gates, plans)
    return tuple(plans)


def _sources(spec: DatasetSpec, name: str | None) -> list[tuple[str, DatasetSpec]]:
    """Variant and file: one path, or the files of an EvalScope folder with their models."""
    path, _ = locate_dataset(spec.target)
    found = evalscope.model_files(path)
    if not found:
        return [(name or variant_name(path), replace(spec, target=str(path)))]
    one_model = len({model for model, _ in found}) == 1
    sources = []
    for model, file in found:
        kind = evalscope.kind_of(file, spec.kind)
        sources.append(
            ((name if one_model else None) or model, DatasetSpec(f"{kind}:{file}", kind, str(file)))
        )
    return sources


def variant_name(path: Path) -> str:
    """The variant's name: the file's or folder's name, or the parent folder's if that is generic."""
    name = dataset_name(path)
    above = path.resolve().parent.name
    return above if name.lower() in COMMON_NAMES and above else name


def prediction_files(path: Path, columns: ColumnNames) -> tuple[DataFile, ...]:
    """The files of a path, without few-shot examples, since nothing is asked."""
    return tuple(replace(file, dev=None, lenient=True) for file in find_files(path, columns))


def _plans(spec: DatasetSpec, config: ScoreConfig, variant: str, name: str) -> Iterator[PredictionPlan]:
    path = Path(spec.target)
    files = prediction_files(path, ColumnNames.from_mapping(config.columns))
    layout, first = find_layout(files[0])
    task = task_class(spec.kind or _kind(layout, first, files[0]))()
    for part, its_files in split_by_file(name, files, task):
        dataset = load_dataset(part, its_files, PredictionParser(task, layout))
        if UNJUDGED_TRAIT in dataset.traits and not config.judge_model:
            raise ConfigError(
                f"{spec.text}: {dataset.traits[UNJUDGED_TRAIT]} answers have no 'judgement': {NO_JUDGE}, or add that column."
            )
        if dataset.traits.keys() >= {LOGPROB_TRAIT, REWARD_TRAIT}:
            raise InputError(
                f"{spec.text}: {dataset.traits[REWARD_TRAIT]} rows hold rewards and {dataset.traits[LOGPROB_TRAIT]} log-probabilities, "
                "which have no margin in common. Score them as two files."
            )
        style = _style(config, task, dataset, files_are_subjects=path.is_dir() and part == name)
        yield PredictionPlan(
            spec=spec,
            task=task,
            dataset=dataset,
            style=style,
            generation=Generation(task.max_tokens(style)),
            limit=config.limit,
            recognised=not spec.kind,
            variant=Variant(variant, _fingerprint(dataset)),
            layout=layout.name,
            judge=make_judge(config) if UNJUDGED_TRAIT in dataset.traits else None,
        )


def _style(config: ScoreConfig, task: Task[Any], dataset: Dataset[Any], *, files_are_subjects: bool) -> Style:
    data_lang = language_of(dataset.traits, sum(dataset.counts.values()))
    return Style(
        lang=data_lang if config.lang == "auto" else config.lang,
        data_lang=data_lang,
        shots=0,
        subjects=files_are_subjects or len(dataset.counts) > 1,
        multiple=MULTIPLE_TRAIT in dataset.traits,
        categories=names_categories(dataset.traits),
        exam=CEVAL if exam_name(dataset.name) == CEVAL else None,
        pairs=pair_share(dataset.traits, sum(dataset.counts.values())),
        reward=REWARD_TRAIT in dataset.traits,
        profiles=select_profiles(task, config.profile),
        reasoning_tags=config.reasoning_tags,
        keeps_turn_lines=keeps_turn_lines(dataset.traits, sum(dataset.counts.values())),
    )


def _kind(layout: Layout, first: Mapping[str, Any], file: DataFile) -> str:
    path = file.path
    try:
        kind = infer_kind(layout.translate(first), str(path))
        refuse_hidden_choices(kind, map(layout.translate, records_of(file)), path)
    except RowError as error:
        raise InputError(f"{path}: {error}. Name the kind before the path, for instance qa:{path}") from error
    return kind


def _fingerprint(dataset: Dataset[Any]) -> str:
    """A hash of the files' content."""
    digests = [facts.sha256 for facts in dataset.facts]
    together = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return together[:FINGERPRINT_DIGITS]
