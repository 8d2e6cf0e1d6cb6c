"""Shows the progress of a run on standard error: a live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from evalsuite._util.log_handlers import notes_are_shown
from evalsuite.formatting.numbers import format_duration, format_rate
from evalsuite.runs.progress import RunProgress

REPAINTS_PER_SECOND = 4
PLAIN_LINE_SECONDS = 10.0


@contextmanager
def show_progress(progress: RunProgress, /) -> Iterator[None]:
    """Show the counters until the block ends: a `runs.progress.Progress`. Nothing is shown with `--quiet`."""
    if not notes_are_shown():
        yield
        return
    started = time.perf_counter()
    done_before = progress.done
    live = _live if sys.stderr.isatty() else _plain
    with live(lambda: progress_line(progress, time.perf_counter() - started, done_before)):
        yield


def progress_line(progress: RunProgress, seconds: float, done_before: int = 0) -> str:
    """Format the counters: `120/400 samples · 31.2/s · 2,100 tokens/s · 9 s left · 32 at a time · 2 errors · 1 retry`."""
    rate = (progress.done - done_before) / seconds if seconds > 0 else 0.0
    parts = [f"{progress.reused + progress.done}/{progress.total} samples", format_rate(rate)]
    if progress.completion_tokens:
        parts.append(f"{progress.completion_tokens / max(seconds, 1e-9):,.0f} tokens/s")
    if rate and progress.owed:
        parts.append(f"{format_duration(progress.owed / rate)} left")
    if progress.concurrency:
        parts.append(f"{progress.concurrency} at a time")
    if progress.from_cache:
        parts.append(f"{progress.from_cache} from cache")
    for count, name in ((progress.outcomes["error"], "errors"), (progress.retries, "retries")):
        if count:
            parts.append(f"{count} {name}")
    return " · ".join(parts)


@contextmanager
def _live(line: Callable[[], str]) -> Iterator[None]:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(
        get_renderable=lambda: Text(line()),
        console=Console(stderr=True),
        refresh_per_second=REPAINTS_PER_SECOND,
        transient=False,
    ):
        yield


@contextmanager
def _plain(line: Callable[[], str]) -> Iterator[None]:
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(PLAIN_LINE_SECONDS):
            print(line(), file=sys.stderr, flush=True)

    thread = threading.Thread(target=repeat, name="evalsuite-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        print(line(), file=sys.stderr, flush=True)
