"""Loads a saved adapter into a running vLLM for one check. Runs as a child process of the training.

vLLM takes adapters while it serves where it was started with `--enable-lora` and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1:
`POST /v1/load_lora_adapter {"lora_name", "lora_path"}`, `POST /v1/unload_lora_adapter {"lora_name"}` (vLLM's documentation of
LoRA). The server must be able to read the path.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalsuite._util.log_handlers import write_log
from evalsuite.config import RunConfig, build_config
from evalsuite.errors import EvalsuiteError, ServerError

logger = logging.getLogger(__name__)

CHILD = "import sys; sys.path[:] = filter(None, sys.path); from evalsuite.training import adapter_server; adapter_server.main()"
HTTP_OK = 200
CONTROL_TIMEOUT_SECONDS = 120.0
"""Reading an adapter from a network disk takes a while."""
NOT_TAKEN = (
    "vLLM can load adapters while it serves if it is started with --enable-lora --max-lora-rank N and the environment variable "
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1, and can read the folder."
)
FULL_WEIGHTS = (
    'it is not an adapter, and a running server cannot load full weights: take mode="subprocess", or name with model=… what '
    "an endpoint serves already."
)


def served_name(step: int) -> str:
    """The name of a step's adapter on the server."""
    return f"evalsuite-step-{step}"


def adapter_command(config: RunConfig, checkpoint: Path | None) -> list[str]:
    """The command of the child that loads the adapter, runs the check and unloads the adapter. Raises `ServerError`."""
    assert checkpoint
    if not (checkpoint / "adapter_config.json").is_file():
        raise ServerError(f"{checkpoint}: {FULL_WEIGHTS}")
    landing = {"out": str(config.out), "name": config.name, "fresh": config.fresh}
    job = {"config": config.recorded() | landing, "adapter": str(checkpoint.resolve())}
    return [sys.executable, "-c", CHILD, json.dumps(job)]


def main() -> None:
    """Run in the child; exit codes as those of `evalsuite run`."""
    job = json.loads(sys.argv[1])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = build_config(job["config"])
    from evalsuite.evaluation.evaluate import evaluate

    try:
        with write_log(), adapter_on(config, Path(job["adapter"])):
            evaluate(config)
    except EvalsuiteError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


@contextmanager
def adapter_on(config: RunConfig, adapter: Path) -> Iterator[None]:
    """Serve the adapter under the configuration's model name inside the block. Raises `ServerError`."""
    from evalsuite._util.http.calls import call
    from evalsuite._util.http.environment import read_api_key
    from evalsuite._util.http.transport import HttpResponse, TransportError
    from evalsuite.endpoint.redaction import KeyRedactor
    from evalsuite.endpoint.wire import error_message

    key = read_api_key(config.api_key_env)
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    def control(verb: str, **fields: str | None) -> HttpResponse:
        body = {"lora_name": config.model, **fields}
        return call("POST", f"{config.base_url}/{verb}", CONTROL_TIMEOUT_SECONDS, body, headers)

    try:
        control("unload_lora_adapter")  # left behind by a check that was killed
        response = control("load_lora_adapter", lora_path=str(adapter))
    except TransportError as error:
        raise ServerError(f"{config.base_url} cannot be reached ({error}). Is the server running?") from error
    if response.status != HTTP_OK:
        words = error_message(KeyRedactor(key).raw(response.body))
        raise ServerError(
            f"{config.base_url} does not load {adapter}: HTTP {response.status}: {words} {NOT_TAKEN}"
        )
    try:
        yield
    finally:
        try:
            control("unload_lora_adapter")
        except TransportError as error:
            logger.warning("%s could not be unloaded: %s", config.model, error)
