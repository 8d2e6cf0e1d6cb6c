"""The child process with llama.cpp's server. Its only argument is a JSON object of parameters.

Reports one JSON line to its parent (`{"address": …}` or `{"error": …}`), then serves until it is ended.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

SWITCHES = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def main() -> None:
    """Load the model, report, serve."""
    parameters = json.loads(sys.argv[1])
    note = int(os.environ["EVALSUITE_NOTE_FD"])
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = parameters["model"]
    settings.model_alias = {parameters["alias"]}
    settings.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 1.0) for path in parameters["adapters"]]
    settings.hostnames = [parameters["host"]]
    settings.port = parameters["port"]
    settings.n_parallel = parameters["n_parallel"]
    settings.n_ctx = parameters["n_ctx"] * parameters["n_parallel"]
    settings.cpuparams.n_threads = parameters["n_threads"]
    settings.cpuparams_batch.n_threads = parameters["n_threads_batch"]
    settings.ui = False
    if parameters["chat_template"] is not None:
        settings.chat_template = parameters["chat_template"]
        settings.use_jinja = True
    wrong = apply_extra(settings, parameters["extra"])
    if wrong:
        _report(note, {"error": wrong})
        return
    server = xllamacpp.Server(settings)
    _report(note, {"address": server.listening_address})
    threading.Event().wait()


def apply_extra(settings: Any, extra: dict[str, str]) -> str | None:
    """Set further parameters of llama.cpp by name, converted to their types. Returns what is wrong, or None."""
    for name, text in extra.items():
        current = getattr(settings, name, None)
        if not isinstance(current, bool | int | float | str):
            return f"'{name}' is not a simple parameter of llama.cpp's CommonParams"
        try:
            value = SWITCHES[text.lower()] if isinstance(current, bool) else type(current)(text)
            setattr(settings, name, value)
        except (KeyError, ValueError, TypeError, OverflowError):
            return f"{name}={text}: expected {type(current).__name__}"
    return None


def _report(note: int, message: dict[str, str]) -> None:
    os.write(note, json.dumps(message).encode() + b"\n")
    os.close(note)
