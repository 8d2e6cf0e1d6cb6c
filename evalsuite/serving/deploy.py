"""`evalsuite deploy`: starts the servers of a run, all at the same time, and keeps them running."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from evalsuite._util.event_loop import run_to_end
from evalsuite.backends.base import ServedModel, Server
from evalsuite.config import DeployConfig
from evalsuite.endpoint.likelihood_requests import build_request
from evalsuite.endpoint.probe import find_model, probe_request
from evalsuite.endpoint.wire import Generation
from evalsuite.errors import ConfigError
from evalsuite.serving.endpoints import model_endpoint
from evalsuite.serving.variants import ServingPlan, plan_serving, start
from evalsuite.tasks.base import GREETING
from evalsuite.types import Prompt

LOOK_SECONDS = 0.5
LOG_FOLDER_PREFIX = "evalsuite-deploy-"


def deploy(config: DeployConfig, ready: Callable[[Sequence[tuple[str, ServedModel]]], None]) -> None:
    """Serve every variant until interrupted. `ready` receives (variant, how to ask it) once each has answered.

    Raises `InputError` before anything starts, `ServerError` if a server does not start or ends by itself. Its log is kept
    in that case and removed otherwise.
    """
    serving = plan_serving(config)
    if "port" in config.backend_arg and len(serving.servers) > 1:
        raise ConfigError(
            f"--backend-arg port=: these variants take {len(serving.servers)} servers, which cannot have one port; leave it out."
        )
    logs = Path(tempfile.mkdtemp(prefix=LOG_FOLDER_PREFIX))
    try:
        _hold(config, serving, logs, ready)
    except KeyboardInterrupt:
        shutil.rmtree(logs, ignore_errors=True)
        raise


def _hold(
    config: DeployConfig,
    serving: ServingPlan,
    logs: Path,
    ready: Callable[[Sequence[tuple[str, ServedModel]]], None],
) -> None:
    with ExitStack() as stack:
        servers: list[Server] = []
        answering: list[tuple[str, ServedModel]] = []
        for plan in serving.servers:
            log = logs / f"server-{plan.name}.log"
            server = stack.enter_context(start(plan, plan.checkpoints, config.backend_arg, log))
            servers.append(server)
            for checkpoint in plan.checkpoints:
                run_to_end(_check(config, server.served[checkpoint.name]))
                answering.append((checkpoint.name, server.served[checkpoint.name]))
        ready(answering)
        never = threading.Event()
        while not never.wait(LOOK_SECONDS):
            for server in servers:
                server.check()


async def _check(config: DeployConfig, served: ServedModel) -> None:
    """Check that the model is listed and answers with one token. A flat prompt: base models may have no chat template."""
    async with model_endpoint(config, served) as endpoint:
        found = await find_model(endpoint)
        await probe_request(endpoint, build_request(Prompt(text=GREETING), Generation(1)), found)
