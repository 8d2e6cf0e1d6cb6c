"""LMDeploy, started as `python -m lmdeploy serve api_server`. Needs a GPU, so only its command line and life cycle are tested.

Options: LMDeploy 0.18's documentation. Adapters need its PyTorch engine; TurboMind has none.
"""

from __future__ import annotations

from evalsuite.backends.command import CommandBackend, EngineCommand, LaunchSpec
from evalsuite.backends.ports import HOST


def build_command(launch: LaunchSpec) -> list[str]:
    """The command line after the interpreter."""
    found = ["-m", "lmdeploy", "serve", "api_server", str(launch.path)]
    found += ["--model-name", launch.name, "--server-name", HOST, "--server-port", str(launch.port)]
    if launch.adapters:
        found += ["--backend", "pytorch", "--adapters"]
        found += [f"{name}={path}" for name, path in launch.adapters.items()]
    return found


ENGINE = EngineCommand(
    name="lmdeploy",
    title="LMDeploy",
    distributions=("lmdeploy",),
    build_command=build_command,
    reserved_options=frozenset({"server-name", "server-port", "model-name", "adapters"}),
    memory_advice="Lower --backend-arg session_len=N, max_batch_size=N or cache_max_entry_count=0.5.",
    slots_argument="max-batch-size",
    accepts_jinja=False,
)


def backend() -> CommandBackend:
    """`--backend lmdeploy`."""
    return CommandBackend(ENGINE)
