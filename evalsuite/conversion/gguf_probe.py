"""The reading of a GGUF file: llama.cpp serves it and is asked what `makers.reading` asks, as text, so that its tokenizer is held against the original's as well."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evalsuite._util.http.calls import call, read_json
from evalsuite._util.http.transport import TransportError
from evalsuite.backends.llamacpp import INSTALL, LlamaCppBackend
from evalsuite.conversion.fidelity import Reading
from evalsuite.conversion.scripts.reading import ANSWER_TOKENS, CANDIDATES, QUESTION, TEXTS
from evalsuite.conversion.staging import Worker
from evalsuite.errors import ServerError
from evalsuite.models.checkpoint import Checkpoint

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 600.0
NAME = "made"
PLAIN_LETTER = "a"
"""Forced upon each reply, whose probabilities are those before that: of a token that is part of a character llama.cpp tells none."""
FORCE = 1e4


def require_llama_cpp() -> None:
    """Raise `ServerError` where nothing here can load a GGUF file."""
    if find_spec("xllamacpp") is None:
        raise ServerError(
            f"a GGUF file is loaded and asked before it is called good, which takes xllamacpp; run: {INSTALL}"
        )


def read_gguf(file: Path, worker: Worker) -> Reading:
    """Serve it and ask. Raises `ServerError`."""
    checkpoint = Checkpoint(NAME, NAME, str(file), "gguf", "", file)
    logger.info("loading what was saved …")
    with LlamaCppBackend().serve([checkpoint], {"n_ctx": "1024", "n_parallel": "1"}, worker.log) as server:
        address = server.served[NAME].base_url.removesuffix("/v1")
        try:
            tokens = [_post(f"{address}/tokenize", {"content": text, "add_special": True}) for text in TEXTS]
            following = [_post(f"{address}/completion", _next_token_request(text)) for text in TEXTS]
            answer = _post(f"{address}/v1/chat/completions", _question())
            return Reading(
                tuple(tuple(one["tokens"]) for one in tokens),
                tuple(_following(one) for one in following),
                str(answer["choices"][0]["message"]["content"] or "").strip(),
            )
        except (TransportError, ValueError, LookupError, TypeError) as error:
            server.check()
            raise ServerError(
                f"llama.cpp loads {file.name} and does not answer ({error}). See {worker.log}."
            ) from error


def _post(url: str, body: dict[str, Any]) -> Any:
    return read_json(call("POST", url, TIMEOUT_SECONDS, body))


def _next_token_request(text: str) -> dict[str, Any]:
    return {
        "prompt": text,
        "n_predict": 1,
        "n_probs": CANDIDATES,
        "temperature": 0.0,
        "cache_prompt": False,
        "logit_bias": [[PLAIN_LETTER, FORCE]],
    }


def _question() -> dict[str, Any]:
    messages = [{"role": "user", "content": QUESTION}]
    return {"model": NAME, "messages": messages, "max_tokens": ANSWER_TOKENS, "temperature": 0.0}


def _following(reply: Any) -> dict[int, float]:
    listed = reply["completion_probabilities"][0]["top_logprobs"]
    return {int(one["id"]): float(one["logprob"]) for one in listed}
