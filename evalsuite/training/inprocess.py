"""A check with the model in memory: an ordinary run, decoded by all processes of the training."""

from __future__ import annotations

import time
from typing import Any

from evalsuite.config import RunConfig
from evalsuite.errors import ConfigError
from evalsuite.evaluation.evaluate import evaluate
from evalsuite.runs.run import Run
from evalsuite.training.decode_rounds import RoundDecoder
from evalsuite.training.distributed import Ranks
from evalsuite.training.fingerprint import weights_fingerprint
from evalsuite.training.live_model import LiveModel, LiveTransport, live_serving
from evalsuite.training.state_guard import preserve_model_state

INSTEAD = 'Use mode="subprocess", which evaluates the saved checkpoint, or mode="server".'


class NoTokenizer(Exception):
    """The trainer has no tokenizer, and none was given."""


def check_in_process(
    config: RunConfig, model: Any, tokenizer: Any, ranks: Ranks, *, batch_size: int, timeout: float
) -> Run | None:
    """Evaluate the model and leave it unchanged. All processes call it; the first gets the run, the others None.

    Raises what `evaluate` raises.
    """
    if tokenizer is None:
        raise NoTokenizer(
            "the trainer has no tokenizer: give it one (processing_class=…), or EvalCallback(tokenizer=…)"
        )
    deadline = time.monotonic() + timeout
    name = str(config.name)
    with preserve_model_state(model):
        live = LiveModel(model, tokenizer, name)
        rounds = RoundDecoder(live, ranks, batch_size)
        if not ranks.first:
            rounds.serve()
            return None
        try:
            transport = LiveTransport(live, rounds, deadline)
            serving = live_serving(
                live,
                transport,
                name=name,
                fingerprint=weights_fingerprint(model),
                source=f"the model in training, at step {config.step}",
                max_rows=rounds.max_rows,
            )
            return evaluate(config, serving=serving)
        finally:
            ranks.broadcast(None)


def refuse_sharded_weights(args: Any, model: Any) -> None:
    """Refuse weights that are sharded over processes, before anything is trained. Raises `ConfigError`."""
    plugin = getattr(getattr(args, "hf_deepspeed_config", None), "is_zero3", None)
    if callable(plugin) and plugin():
        raise ConfigError(
            f'mode="inprocess" cannot generate under DeepSpeed ZeRO-3: each process holds a part of the weights. {INSTEAD}'
        )
    state = getattr(args, "distributed_state", None)
    kind = str(getattr(state, "distributed_type", "")).upper()
    if kind.endswith(("FSDP", "MEGATRON_LM", "TP")) or getattr(args, "fsdp", None) or _has_shards(model):
        raise ConfigError(
            f'mode="inprocess" cannot generate under FSDP or tensor parallelism: each process holds a part of the weights. {INSTEAD}'
        )


def _has_shards(model: Any) -> bool:
    """Whether a parameter is a shard."""
    return model is not None and any(type(one).__name__ == "DTensor" for one in model.parameters())
