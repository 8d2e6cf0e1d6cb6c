"""What differs between two sides besides their replies: the model, which should differ, and settings, which should not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from evalsuite.comparison.alignment import dataset_label
from evalsuite.comparison.sides import Side
from evalsuite.runs.schema import DatasetInfo, HarnessInfo
from evalsuite.tasks.style import Style

SCORING_FIELDS = frozenset({"profiles", "categories"})
DifferenceKind: TypeAlias = Literal[
    "model", "prompts", "data", "generation", "scorers", "policy", "chance", "versions"
]
EXPECTED_KINDS = frozenset({"model", "chance", "versions"})
"""Kinds that cause no warning: their effect on the scores is what a comparison measures."""
CHANCE_FIELDS = ("seed", "repeats")
"""Settings that decide which replies are drawn, and how many. They favour no side."""
HARNESS_CONDITIONS: Mapping[str, tuple[DifferenceKind, str]] = {
    "t": ("generation", "temperature"),
    "max_tokens": ("generation", "max_tokens"),
    "top_p": ("generation", "top_p"),
    "seed": ("chance", "seed"),
    "shots": ("prompts", "shots"),
    "task": ("prompts", "task version"),
    "benchmark": ("data", "benchmark"),
    "data": ("data", "data"),
    "judge": ("scorers", "judge"),
}
"""The conditions in signatures of another harness, and what they say. A limit of rows is left out: it changes no common row."""
MODEL_FIELDS = ("source", "model", "form", "backend", "fingerprint")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same. `dataset` is empty if it concerns the whole run."""

    kind: DifferenceKind
    what: str
    baseline: Any
    variant: Any
    dataset: str = ""

    @property
    def warns(self) -> bool:
        """Whether scores may differ because of it, whatever the model."""
        return self.kind not in EXPECTED_KINDS


def has_same_wording(before: Side, after: Side, names: tuple[str, str]) -> bool:
    """Whether the questions of a dataset have the same wording on both sides. In chats the number of examples may differ."""
    first, second = before.datasets[names[0]].info, after.datasets[names[1]].info
    styles = [
        _prompt_settings(side.datasets[name].style) for side, name in zip((before, after), names, strict=True)
    ]
    versions = [info.scorers.get("task") for info in (first, second)]
    if not styles[0]["completions"]:
        for style in styles:
            del style["shots"]
    return styles[0] == styles[1] and versions[0] == versions[1]


def run_differences(before: Side, after: Side) -> Iterator[Difference]:
    """Yield differences of the models and of the whole runs."""
    for field in MODEL_FIELDS:
        values = getattr(before.described, field), getattr(after.described, field)
        if values[0] != values[1]:
            yield Difference("model", field, values[0], values[1])
    if before.on_error != after.on_error:
        yield Difference("policy", "on_error", before.on_error, after.on_error)
    yield from _field_differences("versions", _versions(before), _versions(after))


def dataset_differences(before: Side, after: Side, names: tuple[str, str]) -> Iterator[Difference]:
    """Yield differences in the prompts, settings and scorers of a dataset."""
    label = dataset_label(names)
    datasets = before.datasets[names[0]], after.datasets[names[1]]
    infos = [dataset.info for dataset in datasets]
    harnesses = [info.harness for info in infos]
    predicted = [dataset.is_predicted or dataset.info.harness is not None for dataset in datasets]
    yield from _field_differences(
        "prompts", _prompt_settings(datasets[0].style), _prompt_settings(datasets[1].style), label
    )
    scorers = [dict(info.scorers) for info in infos]
    versions = [found.pop("task", None) for found in scorers]
    if versions[0] != versions[1]:
        yield Difference("prompts", "task version", versions[0], versions[1], label)
    if not any(predicted):
        hashes = _hashes(infos[0]), _hashes(infos[1])
        if sorted(hashes[0].values()) != sorted(hashes[1].values()):
            yield from _field_differences("data", hashes[0], hashes[1], label)
        settings = [dataset.settings | {"repeats": dataset.repeats} for dataset in datasets]
        chance = [{name: found.pop(name, None) for name in CHANCE_FIELDS} for found in settings]
        yield from _field_differences("generation", settings[0], settings[1], label)
        yield from _field_differences("chance", chance[0], chance[1], label)
    elif harnesses[0] and harnesses[1]:
        yield from _harness_differences(harnesses[0], harnesses[1], label)
    elif not all(predicted):
        yield Difference("generation", "replies", _reply_source(infos[0]), _reply_source(infos[1]), label)
    common = [name for name in scorers[0] if name in scorers[1] and name != "multiple"]  # part of the style
    judged = [{name: found[name] for name in common} for found in scorers]
    yield from _field_differences("scorers", judged[0], judged[1], label)


def _reply_source(info: DatasetInfo) -> str:
    if info.harness:
        return f"from {info.harness.name}"
    return "predictions, settings unknown" if info.layout else "from evalsuite"


def _harness_differences(before: HarnessInfo, after: HarnessInfo, label: str) -> Iterator[Difference]:
    """Yield differences in the conditions that other harnesses recorded."""
    if before.name != after.name:
        yield Difference("generation", "replies", f"from {before.name}", f"from {after.name}", label)
        return
    first, second = (
        dict(condition.partition(":")[::2] for condition in harness.conditions) for harness in (before, after)
    )
    for name, (kind, what) in HARNESS_CONDITIONS.items():
        if first.get(name) != second.get(name):
            yield Difference(kind, what, first.get(name), second.get(name), label)


def _field_differences(
    kind: DifferenceKind, before: Mapping[str, Any], after: Mapping[str, Any], dataset: str = ""
) -> Iterator[Difference]:
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield Difference(kind, name, before.get(name), after.get(name), dataset)


def _hashes(info: DatasetInfo) -> dict[str, str]:
    return {Path(file.path).name: file.sha256[:12] for file in info.files}


def _versions(side: Side) -> dict[str, Any]:
    info = side.run.info
    packages = info.versions.packages if info.versions else {}
    return {"evalsuite": info.rescored.evalsuite if info.rescored else info.evalsuite, **packages}


def _prompt_settings(style: Style) -> dict[str, Any]:
    """The parts of a style that change prompts. Profiles and categories only add scores of the same replies."""
    return {name: value for name, value in asdict(style).items() if name not in SCORING_FIELDS}
