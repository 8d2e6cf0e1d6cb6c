"""`evalsuite datasets`: list what can be evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli.help import SectionedCommand

if TYPE_CHECKING:
    from evalsuite.suites.catalogue import Benchmark

NAME_WIDTH = 34
LONGEST_CELL = 44


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=SectionedCommand)(datasets)


def datasets(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUITE] [WORD …]",
            help="evalscope, opencompass or vlmeval, and words that must appear in a benchmark's line.",
        ),
    ] = None,
) -> None:
    """List the built-in datasets, the kinds of files that are read, and the benchmarks of installed suites."""
    if words:
        _show_benchmarks(words)
        return
    from evalsuite.data.builtin import BUILTIN_DATASETS
    from evalsuite.data.readers import READERS
    from evalsuite.tasks import KINDS, task_class

    print("By name (-d NAME):")
    for dataset in BUILTIN_DATASETS:
        print(f"  {dataset.name:<16} {dataset.kind:<10} {dataset.description}")
    print(
        f"\nYour own files (-d PATH or -d KIND:PATH; {' '.join(READERS)}; upper and lower case of column names are the same):"
    )
    for kind in KINDS:
        print(f"  {kind:<16} columns {task_class(kind).columns}")
    print(
        "\nA folder of subjects: test/ or val/ (and dev/) with one file a subject, or NAME_val.csv (and NAME_dev.csv).\n"
        "Few-shot examples come from dev files only. `evalsuite validate PATH` checks every row."
    )
    _show_suites()


def _show_suites() -> None:
    from evalsuite.suites.catalogue import list_benchmarks
    from evalsuite.suites.environments import find_environment
    from evalsuite.suites.registry import SUITES

    print("\nBenchmarks of other suites (-d SUITE:NAME, -d SUITE:NAME=PATH for data of your own):")
    for suite in SUITES.values():
        found = find_environment(suite)
        if found.state == "ready":
            count = f"{len(list_benchmarks(found))} benchmarks: evalsuite datasets {suite.name} [WORD …]"
        else:
            count = f"{found.state}: evalsuite suites install {suite.name}"
        print(f"  {suite.name:<16} {count}")


def _show_benchmarks(words: list[str]) -> None:
    """Print the benchmarks of a suite, or of all that are ready, whose line contains every word."""
    from evalsuite.suites.catalogue import list_benchmarks
    from evalsuite.suites.environments import find_environment, ready_environment
    from evalsuite.suites.registry import SUITES

    named = words[0] in SUITES
    wanted = [word.lower() for word in words[named:]]
    if named:
        ready = [ready_environment(SUITES[words[0]])]
    else:
        ready = [found for suite in SUITES.values() if (found := find_environment(suite)).state == "ready"]
    print(f"{'-d':<{NAME_WIDTH}} {'modality':<9} {'size':>7}  {'metric':<20} category · needs · data")
    for environment in ready:
        for benchmark in list_benchmarks(environment):
            line = _line(f"{environment.suite.name}:{benchmark.name}", benchmark)
            if all(word in line.lower() for word in wanted):
                print(line)


def _line(name: str, benchmark: Benchmark) -> str:
    size = f"{benchmark.size:,}" if benchmark.size else "·"
    needs = f"needs a {' and a '.join(benchmark.needs)}" if benchmark.needs else ""
    rest = " · ".join(filter(None, (benchmark.category, needs, benchmark.hub)))
    metric = benchmark.metric[:LONGEST_CELL] or "·"
    return f"{name:<{NAME_WIDTH}} {benchmark.modality or '·':<9} {size:>7}  {metric:<20} {rest}"
