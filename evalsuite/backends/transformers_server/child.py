"""The child process with our transformers server. Its only argument is a JSON object of parameters.

Reports one JSON line to its parent (`{"address": …, …}` or `{"error": …}`) once the model is loaded and the port is
bound, then serves until it is ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from aiohttp import web

HOST = "127.0.0.1"
ROWS_ON_CPU = 16
ROWS_ON_GPU = 64


def main() -> None:
    """Load, report, serve."""
    parameters = json.loads(sys.argv[1])
    note = int(os.environ["EVALSUITE_NOTE_FD"])
    import torch

    if parameters["n_threads"]:
        torch.set_num_threads(parameters["n_threads"])
    from evalsuite.backends.transformers_server.model import BadArgument, LoadedModel

    try:
        model = LoadedModel(parameters)
    except BadArgument as wrong:
        _report(note, {"error": str(wrong)})
        return
    asyncio.run(_serve(model, parameters, note))


async def _serve(model: Any, parameters: dict[str, Any], note: int) -> None:
    from evalsuite.backends.transformers_server.application import HttpService
    from evalsuite.backends.transformers_server.engine import DecodingEngine

    slots = parameters["max_batch"] or (ROWS_ON_CPU if model.device == "cpu" else ROWS_ON_GPU)
    service = HttpService(model, DecodingEngine(model, slots))
    runner = web.AppRunner(service.application(), access_log=None, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, HOST, parameters["port"] or 0)
    await site.start()
    port = runner.addresses[0][1]
    _report(note, {"address": f"http://{HOST}:{port}/v1", "slots": slots} | _facts(model))
    await asyncio.Event().wait()


def _facts(model: Any) -> dict[str, Any]:
    """Facts about the loaded model, for run.json."""
    from importlib.metadata import version

    return {
        "dtype": model.dtype,
        "device": model.device,
        "context": model.context,
        "torch": version("torch"),
        "transformers": version("transformers"),
        "peft": version("peft") if any(name.adapters for name in model.names.values()) else "",
        "templates": {name: model.template_hash(name) for name in model.names},
    }


def _report(note: int, message: dict[str, Any]) -> None:
    os.write(note, json.dumps(message).encode() + b"\n")
    os.close(note)
