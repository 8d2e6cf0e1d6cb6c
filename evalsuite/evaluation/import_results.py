"""`evalsuite import PATH`: make a run directory from results of other tools, so that old numbers can be compared.

Nothing is asked, nothing judged again, and PATH is never written to.
"""

from __future__ import annotations

import hashlib
import logging
import shlex
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from evalsuite._version import __version__
from evalsuite.data.evalscope import model_files
from evalsuite.endpoint.wire import dumps
from evalsuite.errors import InputError
from evalsuite.evaluation.results import Outcome, build_summary, make_files
from evalsuite.evaluation.timing import Stopwatch
from evalsuite.imports.imported_results import ImportedResults
from evalsuite.runs.aggregate import ScoreAggregate
from evalsuite.runs.counting import DatasetCount, count_imported_line
from evalsuite.runs.directory import RUN_FILE, RunDirectory, lock_run_directory
from evalsuite.runs.imported import ImportedDataset, ImportedScores, imported_line
from evalsuite.runs.journal import Journal
from evalsuite.runs.plan import unique_name
from evalsuite.runs.progress import RunProgress
from evalsuite.runs.provenance import environment_info
from evalsuite.runs.run import Run, load_run
from evalsuite.runs.schema import FORMAT, RunInfo, VariantInfo, encode_line
from evalsuite.runs.summary import DatasetResults

logger = logging.getLogger(__name__)

READERS: Mapping[str, str] = {
    "LLaMA-Factory's evaluator": "evalsuite.imports.llamafactory",
    "FastChat's MT-Bench judgments": "evalsuite.imports.fastchat",
    "lm-evaluation-harness logs": "evalsuite.imports.lm_eval",
    "inspect-ai logs": "evalsuite.imports.inspect_ai",
}
"""Tool → its reader, in the order they are tried."""
READ = """\
  LLaMA-Factory: a folder with results.json and results.log (and --data)
  FastChat: model_judgment/JUDGE_single.jsonl
  lm-eval: the --output_path of a run with --log_samples
  inspect-ai: a .eval or .json log, or a folder of them"""
IMPORTED = "imported"
"""The `form` of a variant whose results another tool computed."""
HASH_DIGITS = 16


def import_results(
    path: Path,
    *,
    out: Path = Path("reports"),
    name: str | None = None,
    data: Path | None = None,
    fresh: bool = False,
) -> Run:
    """Read the results of a tool at `path` and make a run of them. Raises `InputError` if they are unknown or incomplete.

    `data` is the dataset it was evaluated on, for tools that keep no right answers; `name` is the run's.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder.")
    tool, found = _read(path, data)
    samples = sum(len(one.samples) for one in found)
    logger.info("%s: %s, %d samples of %d datasets", path, tool, samples, len(found))
    with lock_run_directory(out / (name or f"{path.resolve().stem}-imported"), fresh=fresh) as directory:
        before = directory.read_info()
        if before and any(variant.form != IMPORTED for variant in before.variants):
            raise InputError(f"{directory.path}: holds another run. Choose another --name or --out.")
        return _written(directory, path, data, found)


def _read(path: Path, data: Path | None) -> tuple[str, list[ImportedResults]]:
    for tool, module in READERS.items():
        reader = import_module(module)
        if reader.recognises(path):
            return tool, reader.read(path, data)
    hint = " These are EvalScope's files: evalsuite score reads them." if model_files(path) else ""
    raise InputError(f"{path}: nothing that can be imported.{hint} Read are:\n{READ}")


def _written(directory: RunDirectory, path: Path, data: Path | None, found: Sequence[ImportedResults]) -> Run:
    directory.journal.unlink(missing_ok=True)
    progress, stopwatch = RunProgress(), Stopwatch()
    results: list[DatasetCount[ImportedDataset]] = []
    taken: dict[str, set[str]] = {}
    for one in found:
        names = taken.setdefault(one.variant, set())
        name = unique_name(one.dataset, names)
        names.add(name)
        results.append(_taken(directory, one, name, progress))
    command = ["evalsuite", "import", str(path), *(["--data", str(data)] if data else [])]
    environment = environment_info()
    info = RunInfo(
        format=FORMAT,
        evalsuite=__version__,
        command=shlex.join(command),
        config={"on_error": "skip", "baseline": None, "profile": []},
        variants=tuple(_variant(variant, path, found) for variant in taken),
        datasets=tuple(result.dataset.info() for result in results),
        versions=environment.versions,
        git=environment.git,
    )
    directory.write_document(RUN_FILE, info)
    outcome = Outcome([*map(_results, results)], progress, stopwatch.times(progress, None))
    make_files(directory, info, build_summary(directory, info, outcome)).write(directory)
    return load_run(directory.path)


def _results(count: DatasetCount[ImportedDataset]) -> DatasetResults:
    return DatasetResults(count.variant, count.dataset, count.aggregate, owed=0)


def _taken(
    directory: RunDirectory, found: ImportedResults, name: str, progress: RunProgress
) -> DatasetCount[ImportedDataset]:
    """Write the journal lines of one dataset, and count them."""
    source = found.source
    job = hashlib.blake2b(
        f"{found.variant}\n{name}\n{source}".encode(), digest_size=HASH_DIGITS // 2
    ).hexdigest()
    kept = ImportedScores(source)
    for sample in found.samples:
        kept.add(sample)
    dataset = ImportedDataset(
        own_name=name,
        spec=f"{source.harness}:{name}",
        variant=found.variant,
        source=source,
        counts=kept.counts,
        own_metrics=kept.metrics(found.reported),
        notes=(*found.notes, *kept.notes(found.reported)),
    )
    aggregate = ScoreAggregate(dataset.metrics, "skip")
    with Journal(directory.journal) as journal:
        for sample in found.samples:
            line = imported_line(sample, found.variant, name, source, job)
            count_imported_line(aggregate, line)
            progress.earlier.add(line)
            journal.append(encode_line(line))
    progress.total += len(found.samples)
    progress.imported += len(found.samples)
    return DatasetCount(found.variant, dataset, aggregate)


def _variant(name: str, path: Path, found: Sequence[ImportedResults]) -> VariantInfo:
    """A variant's entry in run.json, known by the content of its samples."""
    digest = hashlib.sha256()
    for one in found:
        for sample in one.samples if one.variant == name else ():
            digest.update(dumps([one.dataset, sample.subset, sample.id, dict(sample.scores)]))
    return VariantInfo(
        name=name,
        model=None,
        source=str(path),
        form=IMPORTED,
        backend=None,
        fingerprint=digest.hexdigest()[:HASH_DIGITS],
    )
