"""The cache of a run (`--cache DIR`), where there is one: opened, put before each party under the party's identity, closed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.endpoint.answer import Ask
from evalsuite.endpoint.client import Endpoint

if TYPE_CHECKING:
    from evalsuite.endpoint.reply_store import ReplyStore

logger = logging.getLogger(__name__)

Wrap = Callable[[Ask], Ask]
RANDOM_REPLIES_NOTE = "--cache: replies are drawn at random at a temperature above 0, so those are neither taken from the cache nor kept."


@contextmanager
def open_cache(folder: Path | None) -> Iterator[ReplyStore | None]:
    """The store in a folder; None where the user names none. What did not work is said at the end.

    Raises `ConfigError` for a folder that cannot be written.
    """
    if folder is None:
        yield None
        return
    # SQLite: not what a run without a cache should load
    from evalsuite.endpoint.reply_store import ReplyStore

    store = ReplyStore(folder)
    try:
        yield store
    finally:
        store.close()
        for sentence in store.problems():
            logger.warning("note: %s", sentence)


def wrap_with_cache(
    store: ReplyStore | None, endpoint: Endpoint, fingerprint: str, engine: Mapping[str, Any] | None = None
) -> Wrap | None:
    """The cache before an endpoint; None where there is none, or where its replies are no matter of what it is asked.

    Who is asked: the fingerprint of what is served, the engine's own facts (versions, dtype, device, chat template), the
    fields each request carries, and what `/models` tells of it.
    """
    if store is None or not endpoint.capabilities.accepts_temperature:
        return None
    from evalsuite.endpoint.cache_policy import with_cache

    identity = cache_identity(fingerprint, engine or {}, endpoint.fields, endpoint.capabilities.model_details)
    return partial(with_cache, store=store, identity=identity)


def cache_identity(
    fingerprint: str, engine: Mapping[str, Any], fields: Mapping[str, Any], told: Mapping[str, Any]
) -> str:
    """Who is asked, in one text; see `wrap_with_cache`."""
    return json.dumps([fingerprint, dict(engine), dict(fields), dict(told)], sort_keys=True, default=str)
