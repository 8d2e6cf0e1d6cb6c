"""Finds the variants to compare: `RUN` or `RUN:VARIANT`, as a user writes it, becomes the variants of finished runs."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalsuite.data.subsets import WHOLE_DATASET
from evalsuite.errors import InputError
from evalsuite.runs.directory import RUN_FILE, find_run_directory
from evalsuite.runs.recorded_dataset import RecordedDataset, recorded_dataset
from evalsuite.runs.run import Run, load_run
from evalsuite.runs.schema import VariantInfo


@dataclass(frozen=True)
class Side:
    """One variant of one run. `label` is its name in the comparison: unique, and as short as possible."""

    label: str
    run: Run
    described: VariantInfo
    """Its entry in run.json."""
    datasets: Mapping[str, RecordedDataset]
    """The datasets it was asked, by name."""

    @property
    def variant(self) -> str:
        """The name of the variant in its run."""
        return self.described.name

    @property
    def run_name(self) -> str:
        """The name of the run."""
        return self.run.summary.run or self.run.name

    @property
    def on_error(self) -> str:
        """The policy of its run for failed samples."""
        return self.run.info.on_error

    @property
    def is_complete(self) -> bool:
        """Whether its run has all its samples."""
        return self.run.complete

    @property
    def used_cache(self) -> bool:
        """Whether some replies of its run came from the cache."""
        return self.run.summary.totals.from_cache > 0

    def sample_count(self, dataset: str) -> int:
        """The number of samples of a dataset in the summary of the run."""
        found = self.run.summary.dataset(self.variant, dataset)
        whole = found.subsets.get(WHOLE_DATASET) if found else None
        return whole.samples if whole else 0


def resolve_sides(texts: Sequence[str | Path | Run]) -> list[Side]:
    """Find the named variants, in order. Raises `InputError` for a name without a run, and for fewer than two variants."""
    chosen: list[tuple[Run, str]] = []
    for text in texts:
        run, variant = (text, None) if isinstance(text, Run) else _parse_side(str(text))
        names = [variant.name for variant in run.info.variants]
        if variant is not None and variant not in names:
            raise InputError(f"{run.path}: the run has no variant '{variant}'.{did_you_mean(variant, names)}")
        chosen += [(run, name) for name in ([variant] if variant is not None else names)]
    return build_sides(chosen)


def sides_from_run(run: Run) -> list[Side]:
    """Return all variants of one run."""
    return build_sides([(run, variant.name) for variant in run.info.variants])


def build_sides(chosen: Sequence[tuple[Run, str]]) -> list[Side]:
    """Label the variants. Raises `InputError` for fewer than two, or for one that is named twice."""
    if len(chosen) < 2:
        raise InputError(
            "a comparison needs two variants: name two runs (evalsuite compare RUN RUN), or one run with several variants."
        )
    for place, times in Counter((run.path.resolve(), variant) for run, variant in chosen).items():
        if times > 1:
            raise InputError(
                f"{place[0]}: the variant '{place[1]}' is named {times} times. Name each variant once. "
                "To see how much a variant differs from itself, run it again with another --name."
            )
    return [_side(run, variant, label) for (run, variant), label in zip(chosen, _labels(chosen), strict=True)]


def choose_baseline(sides: Sequence[Side], wanted: str | None) -> Side:
    """Return the side with the wanted name, or the first one. Raises `InputError` for a name that is unknown or ambiguous."""
    if wanted is None:
        return sides[0]
    exact = [side for side in sides if wanted == side.label]
    named = exact or [side for side in sides if wanted in _all_names(side)]
    if len(named) == 1:
        return named[0]
    labels = [side.label for side in sides]
    if named:
        listed = ", ".join(side.label for side in named)
        raise InputError(f"--baseline {wanted}: several sides have this name; write one of: {listed}.")
    raise InputError(f"--baseline {wanted}: no compared variant has this name.{did_you_mean(wanted, labels)}")


def did_you_mean(wrong: str, names: Collection[str]) -> str:
    """A sentence that suggests the closest name, or lists all of them."""
    close = difflib.get_close_matches(wrong, names, n=1)
    return f" Did you mean {close[0]}?" if close else f" Known names: {', '.join(names)}."


def _all_names(side: Side) -> set[str]:
    """Every name that a user may write for a side."""
    return {
        side.variant,
        side.run_name,
        str(side.run.path),
        f"{side.run_name}:{side.variant}",
        f"{side.run.path}:{side.variant}",
    }


def _parse_side(text: str) -> tuple[Run, str | None]:
    folder = find_run_directory(text)
    if folder:
        return load_run(folder), None
    for place in (place for place in reversed(range(1, len(text))) if text[place] == ":"):
        if folder := find_run_directory(text[:place]):  # names of folders and variants may contain colons
            return load_run(folder), text[place + 1 :]
    head = text.partition(":")[0]
    raise InputError(f"{text}: not the directory of a finished run.{_nearest_run(Path(head or text))}")


def _nearest_run(path: Path) -> str:
    """A hint at the run that was probably meant."""
    folder = path.expanduser().parent
    try:
        names = [entry.name for entry in folder.iterdir() if (entry / RUN_FILE).is_file()]
    except OSError:
        names = []
    if not names:
        return " Runs are in the folder of --out (reports/ by default): write reports/NAME or reports/NAME:VARIANT."
    close = difflib.get_close_matches(path.name, names, n=1)
    shown = close or sorted(names)[:5]
    return f" Did you mean {' or '.join(str(folder / name) for name in shown)}?"


def _labels(chosen: Sequence[tuple[Run, str]]) -> Iterator[str]:
    """Label each variant with its name; if that is ambiguous, with the run's name too, or with the run's path."""
    forms = [
        [variant, f"{run.summary.run or run.name}:{variant}", f"{run.path}:{variant}"]
        for run, variant in chosen
    ]
    runs = Counter(run.path for run, _ in chosen)
    if len({variant for _, variant in chosen}) == 1 and max(runs.values()) == 1:
        for form, (run, _) in zip(forms, chosen, strict=True):
            form[1] = run.name
    counts = Counter(name for form in forms for name in form)
    for form in forms:
        yield next((name for name in form if counts[name] == 1), form[-1])


def _side(run: Run, variant: str, label: str) -> Side:
    described = run.info.variant(variant)
    assert described
    datasets = {info.name: recorded_dataset(info) for info in run.info.datasets_of(variant)}
    return Side(label, run, described, datasets)
