"""Running a coroutine to its end from ordinary code, in a notebook as well, where a loop runs already."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


def run_to_end(coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
    """`asyncio.run`, in a thread of its own where this one has a running loop.

    An interrupt of the waiting thread cancels the coroutine and waits until it has cleaned up.
    """
    if not _in_running_loop():
        return asyncio.run(coroutine)
    result: Future[ResultT] = Future()
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    async def told() -> ResultT:
        task = asyncio.current_task()
        assert task
        started.set_result((asyncio.get_running_loop(), task))
        return await coroutine

    def work() -> None:
        try:
            result.set_result(asyncio.run(told()))
        except BaseException as error:  # noqa: BLE001 - raised in the waiting thread
            result.set_exception(error)

    thread = threading.Thread(target=work, name="evalsuite-loop")
    thread.start()
    try:
        return result.result()
    except KeyboardInterrupt:
        loop, task = started.result()
        if thread.is_alive():
            loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        thread.join()


def _in_running_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
