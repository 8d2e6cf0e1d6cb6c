"""The datasets of a finished run as its run.json describes them: enough to score its journal again, not to ask them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalsuite._util.user_cache import file_sha256
from evalsuite.data.builtin import locate_dataset
from evalsuite.data.columns import ColumnNames
from evalsuite.data.dataset import Dataset, FileFacts
from evalsuite.data.layout import find_files
from evalsuite.data.predictions import PredictedRow, PredictionParser, find_layout
from evalsuite.data.spec import parse_spec
from evalsuite.endpoint.wire import Generation
from evalsuite.errors import DataError, InputError
from evalsuite.options.running import OnError
from evalsuite.runs.counting import DatasetCount, new_aggregate
from evalsuite.runs.judges import Judge
from evalsuite.runs.predictions import prediction_files
from evalsuite.runs.schema import DatasetInfo, FileInfo, JudgeInfo, RunInfo
from evalsuite.runs.scored_dataset import ScoredDataset, harness_conditions
from evalsuite.tasks import KINDS, task_class
from evalsuite.tasks.benchmark import BenchmarkTask
from evalsuite.tasks.metric import Metric
from evalsuite.tasks.profiles import select_profiles
from evalsuite.types import Sample


@dataclass(frozen=True, kw_only=True)
class RecordedDataset(ScoredDataset):
    """A dataset as run.json describes it."""

    info: DatasetInfo

    @property
    def name(self) -> str:
        """The name of its results."""
        return self.info.name

    @property
    def files(self) -> tuple[FileInfo, ...]:
        """Its data files, dev files included."""
        return self.info.files

    @property
    def subsets(self) -> Mapping[str, int]:
        """Rows of each subset that were asked; repeats do not count."""
        return self.info.subsets

    @property
    def rows(self) -> int:
        """Samples of a variant."""
        return self.info.samples

    @property
    def data_notes(self) -> tuple[str, ...]:
        """What reading its files repaired or left out."""
        return () if self.info.harness else self.info.notes

    @property
    def is_predicted(self) -> bool:
        """Whether its replies were read from a file."""
        return self.info.layout is not None

    @property
    def reply_limit(self) -> int | None:
        """Tokens that a reply may have; None where nobody knows."""
        limit: int | None = (self.info.generation or {}).get("max_tokens")
        return limit or None

    @property
    def draws_at_random(self) -> bool:
        """Whether two replies to the same prompt may differ by more than noise of serving."""
        return bool((self.info.generation or {}).get("temperature"))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What the scores of its samples add up to."""
        if self.info.harness is None:
            return super().metrics
        return tuple(
            Metric(
                metric.name,
                unit=metric.unit,
                primary=metric.primary,
                higher_is_better=metric.higher_is_better,
                profile=metric.profile,
                version=metric.version,
                detail=metric.detail,
            )
            for metric in self.info.metrics
        )

    def scorers(self) -> dict[str, str]:
        """Versions of everything that scores."""
        return dict(self.info.scorers) if self.info.harness else super().scorers()

    def conditions(self) -> list[str]:
        """How it was asked, as parts of a signature."""
        if self.info.harness:
            return harness_conditions(self.info.harness)
        return self.prediction_conditions() if self.is_predicted else self.asked_conditions(self.settings)

    @property
    def settings(self) -> dict[str, Any]:
        """The request fields of its generation settings."""
        return _generation(self.info.generation or {"max_tokens": 0}).fields()

    def with_profiles(self, profiles: Collection[str]) -> RecordedDataset:
        """The same dataset with further scoring profiles beside its own."""
        wanted = select_profiles(
            self.task, {*self.style.profiles, *profiles}, in_words=self.style.logprob is None
        )
        return replace(self, style=replace(self.style, profiles=wanted))

    def read_rows(self) -> Iterator[Sample[Any]]:
        """Read the rows that were asked from the files that run.json names.

        Raises `InputError` where a file is gone or has another content.
        """
        need = (
            f"judging {self.task.kind} needs more of a row than its gold answer, "
            f"and the journal of '{self.name}' has no more"
        )
        columns = ColumnNames.from_mapping(self.info.columns)
        try:
            path, _ = locate_dataset(parse_spec(self.info.spec, list(KINDS)).target)
            files = prediction_files(path, columns) if self.is_predicted else find_files(path, columns)
            layout = find_layout(files[0])[0] if self.is_predicted else None
        except DataError as error:
            raise InputError(f"{need}: {error.problems[0]}") from error
        except InputError as error:
            listed = ", ".join(file.path for file in self.files)
            raise InputError(
                f"{need}. It needs {listed}, as it was, seen from the folder the run was started in: {error}"
            ) from error
        recorded = {(Path(file.path).name, file.sha256) for file in self.files}
        names = {name for name, _ in recorded}
        files = tuple(file for file in files if file.path.name in names) or files
        for file in files:
            if (file.path.name, file_sha256(file.path)) not in recorded:
                raise InputError(
                    f"{need}. {file.path} is not the file of the run any more (its SHA-256 is another); put that one back."
                )
        parser = PredictionParser(self.task, layout) if layout else self.task
        facts = tuple(FileFacts(file.path, file.sha256, file.rows) for file in self.files)
        for sample, _ in Dataset(self.name, files, parser, facts, dict(self.subsets), {}).samples():
            row = sample.row.row if isinstance(sample.row, PredictedRow) else sample.row
            yield Sample(sample.id, sample.index, sample.line, sample.subset, row)


def recorded_dataset(info: DatasetInfo) -> RecordedDataset:
    """The dataset that an entry of run.json describes. It opens no file. Raises `InputError` for an unknown kind."""
    task = BenchmarkTask() if info.harness else task_class(info.kind)()
    return RecordedDataset(
        info=info,
        task=task,
        style=info.style,
        judge=_judge(info.judge) if info.judge else None,
        repeats=info.repeats,
        notes=info.notes if info.harness else (),
    )


def recorded_counts(
    info: RunInfo, on_error: OnError, profiles: Collection[str] = ()
) -> list[DatasetCount[RecordedDataset]]:
    """Every dataset of every variant of run.json, with nothing counted yet. `profiles` are added to the run's own."""
    return [
        DatasetCount(variant.name, dataset, new_aggregate(dataset, on_error))
        for variant in info.variants
        for entry in info.datasets_of(variant.name)
        for dataset in [recorded_dataset(entry).with_profiles(profiles)]
    ]


def _generation(fields: Mapping[str, Any]) -> Generation:
    return Generation(**{**fields, "stop": tuple(fields.get("stop", ()))})


def _judge(info: JudgeInfo) -> Judge:
    return Judge(info.model, info.base_url, _generation(info.generation), info.itself, info.revision)
