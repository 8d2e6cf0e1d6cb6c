"""run.json: what was asked of whom."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from evalsuite.runs.schema.document import Document, always_written
from evalsuite.tasks.style import Style


class AdapterInfo(Document, frozen=True, kw_only=True):
    """An adapter of a variant."""

    path: str
    fingerprint: str


class LivenessInfo(Document, frozen=True, kw_only=True):
    """Whether the adapter makes a difference on the server that answered."""

    identical: bool
    by: str
    """What was compared: log-probabilities or texts."""
    prompts: int
    difference: float | None = always_written(None)


class VariantInfo(Document, frozen=True, kw_only=True):
    """A variant of a run. `served`, `live` and `warnings` are known once it has answered."""

    name: str
    model: str | None
    """The name requests carry."""
    source: str
    form: str
    """What it is on disk, or `served`, `predictions`, `imported`."""
    backend: str | None
    fingerprint: str
    details: dict[str, Any] = msgspec.field(default_factory=dict)
    adapters: tuple[AdapterInfo, ...] = ()
    made_by: tuple[str, ...] = ()
    """The conversions that made it."""
    why: str = ""
    """Why this backend was chosen."""
    served: dict[str, str] | None = None
    """What the engine says of itself: name, version, dtype, device, template."""
    live: LivenessInfo | None = None
    warnings: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether its adapter was found to make no difference."""
        return self.live is not None and self.live.identical


class FileInfo(Document, frozen=True, kw_only=True):
    """A data file."""

    path: str
    sha256: str
    rows: int


class JudgeInfo(Document, frozen=True, kw_only=True):
    """The model that judged replies. `base_url` is null where the model under test judged itself."""

    model: str
    base_url: str | None
    generation: dict[str, Any]
    """Request fields."""
    itself: bool
    revision: str | None = None


class HarnessInfo(Document, frozen=True, kw_only=True):
    """The tool that asked and scored the samples."""

    name: str
    version: str
    conditions: tuple[str, ...] = always_written(())


class MetricInfo(Document, frozen=True, kw_only=True):
    """A metric that another tool computed."""

    name: str
    unit: Literal["proportion", "score", "bleu", "ratio", "difference"]
    primary: bool
    higher_is_better: bool
    profile: str
    version: str
    detail: bool


class DatasetInfo(Document, frozen=True, kw_only=True):
    """A dataset of a run: what was asked, enough to score the journal again."""

    name: str
    kind: str
    spec: str
    """As the user wrote it."""
    files: tuple[FileInfo, ...]
    samples: int
    subsets: dict[str, int]
    """Samples of each subset, repeats not counted."""
    shots: int | UnsetType = UNSET
    lang: str | UnsetType = UNSET
    cot: bool | UnsetType = UNSET
    style: Style
    generation: dict[str, Any] | None = None
    """Request fields; absent for predictions, whose settings nobody knows."""
    scorers: dict[str, str]
    """Versions of everything that scores: when one changes, recorded replies are scored again."""
    judge: JudgeInfo | None = None
    repeats: int = 1
    variant: str | UnsetType = UNSET
    """The only variant it belongs to; without the key it belongs to all."""
    layout: str | None = None
    """The layout of a file of predictions."""
    harness: HarnessInfo | None = None
    metrics: tuple[MetricInfo, ...] = ()
    """Of a dataset that another tool scored."""
    notes: tuple[str, ...] = ()
    """What a reader must know about its numbers."""
    columns: dict[str, str] = msgspec.field(default_factory=dict)
    """The user's own names of columns: ours → theirs."""
    folder: str | None = None
    """Where another suite's own files are, relative to the run directory."""

    def belongs_to(self, variant: str) -> bool:
        """Whether a variant has samples of it."""
        return self.variant is UNSET or self.variant == variant


class Versions(Document, frozen=True, kw_only=True):
    """What scores and requests depend on."""

    evalsuite: str
    python: str
    platform: str
    packages: dict[str, str]


class GitInfo(Document, frozen=True, kw_only=True):
    """The commit of the working directory."""

    commit: str
    dirty: bool


class RescoreInfo(Document, frozen=True, kw_only=True):
    """What scored the journal last."""

    evalsuite: str
    versions: Versions
    source: str | None = msgspec.field(name="from", default=None)
    """The run directory whose journal was scored, if it is another one."""


class RunInfo(Document, frozen=True, kw_only=True):
    """run.json: what was asked of whom. It holds no secret, and no time."""

    format: int
    evalsuite: str
    command: str
    config: dict[str, Any]
    """The options of the run, by field of `RunConfig`."""
    variants: tuple[VariantInfo, ...]
    datasets: tuple[DatasetInfo, ...]
    versions: Versions | None = always_written(None)
    git: GitInfo | None = always_written(None)
    step: int | None = None
    """The training step of the checkpoint."""
    rescored: RescoreInfo | None = None

    @property
    def on_error(self) -> Literal["fail", "skip", "wrong"]:
        """The policy for failed samples."""
        policy: Literal["fail", "skip", "wrong"] = self.config.get("on_error", "fail")
        return policy

    @property
    def baseline(self) -> str | None:
        """The variant that others are compared with, if one was named."""
        return self.config.get("baseline")

    @property
    def profiles(self) -> tuple[str, ...]:
        """The scoring profiles beside the default one."""
        return tuple(self.config.get("profile") or ())

    @property
    def csv_for(self) -> Literal["any", "excel"]:
        """The program that summary.csv is written for."""
        program: Literal["any", "excel"] = self.config.get("csv_for", "any")
        return program

    @property
    def price(self) -> Any:
        """`--price`, as it was given."""
        return self.config.get("price")

    def variant(self, name: str) -> VariantInfo | None:
        """The variant of this name."""
        return next((variant for variant in self.variants if variant.name == name), None)

    def datasets_of(self, variant: str) -> tuple[DatasetInfo, ...]:
        """The datasets that a variant was asked."""
        return tuple(dataset for dataset in self.datasets if dataset.belongs_to(variant))
