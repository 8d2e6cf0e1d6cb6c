"""Opens the cache of a run (`--cache DIR`) and puts it in front of each model that is asked."""

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
RANDOM_REPLIES_NOTE = "--cache: replies are random at a temperature above 0, so they are neither taken from the cache nor stored."


@contextmanager
def open_cache(folder: Path | None) -> Iterator[ReplyStore | None]:
    """Open the store in a folder; None if there is no folder. Problems are logged when it is closed.

    Raises `ConfigError` if the folder cannot be written.
    """
    if folder is None:
        yield None
        return
    # SQLite: a run without a cache should not load it
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
    """The cache in front of an endpoint; None without a cache, or if the server chooses its own temperature.

    The identity: the model's fingerprint, the engine's facts (versions, dtype, device, chat template), the extra fields of
    each request, and what `/models` says of the model.
    """
    if store is None or not endpoint.capabilities.accepts_temperature:
        return None
    from evalsuite.endpoint.cache_policy import with_cache

    identity = cache_identity(fingerprint, engine or {}, endpoint.fields, endpoint.capabilities.model_details)
    return partial(with_cache, store=store, identity=identity)


def cache_identity(
    fingerprint: str, engine: Mapping[str, Any], fields: Mapping[str, Any], model_details: Mapping[str, Any]
) -> str:
    """The model's identity as one text; see `wrap_with_cache`."""
    return json.dumps(
        [fingerprint, dict(engine), dict(fields), dict(model_details)], sort_keys=True, default=str
    )
