"""Reads a GGUF file's predictions through llama.cpp's server.

It gets the texts of `scripts.reading` as text, so the file's tokenizer is compared with the original's as well.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from evalsuite._util.http.calls import call, read_json
from evalsuite._util.http.transport import TransportError
from evalsuite.backends.llamacpp import LlamaCppBackend
from evalsuite.conversion.fidelity import Reading
from evalsuite.conversion.scripts.reading import ANSWER_TOKENS, CANDIDATES, QUESTION, TEXTS
from evalsuite.conversion.worker import Worker
from evalsuite.errors import ServerError
from evalsuite.models.checkpoint import Checkpoint

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 600.0
NAME = "made"
PLAIN_LETTER = "a"
"""Forced as each reply: llama.cpp reports no probabilities for a token that is only part of a character, but those
before the bias for this one."""
FORCE = 1e4


def read_gguf(file: Path, worker: Worker) -> Reading:
    """Serve a GGUF file and read its predictions. Raises `ServerError`."""
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
