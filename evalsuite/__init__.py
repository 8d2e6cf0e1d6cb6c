"""evalsuite: evaluate a model as it will be deployed, and find out whether a difference is real.

The public API, and nothing else. Each name is imported on first use, so that `import evalsuite` stays light. What happens
during a run is logged by `logging.getLogger("evalsuite")`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from evalsuite._version import __version__

if TYPE_CHECKING:
    from evalsuite.config import RunConfig, ScoreConfig
    from evalsuite.errors import (
        CheckpointError,
        ConfigError,
        DataError,
        EndpointError,
        EvalsuiteError,
        FidelityError,
        GateFailed,
        InputError,
        RunDirectoryError,
        RunIncomplete,
        ServerDied,
        ServerError,
    )
    from evalsuite.evaluation.compare import Comparison, compare
    from evalsuite.evaluation.evaluate import evaluate
    from evalsuite.evaluation.rescore import rescore
    from evalsuite.evaluation.score import score
    from evalsuite.evaluation.validate import Finding, Validation, validate
    from evalsuite.runs.run import Run, load_run

__all__ = [
    "CheckpointError",
    "Comparison",
    "ConfigError",
    "DataError",
    "EndpointError",
    "EvalsuiteError",
    "FidelityError",
    "Finding",
    "GateFailed",
    "InputError",
    "Run",
    "RunConfig",
    "RunDirectoryError",
    "RunIncomplete",
    "ScoreConfig",
    "ServerDied",
    "ServerError",
    "Validation",
    "__version__",
    "compare",
    "evaluate",
    "load_run",
    "rescore",
    "score",
    "validate",
]

_MODULES = {
    "Comparison": "evalsuite.evaluation.compare",
    "Finding": "evalsuite.evaluation.validate",
    "Run": "evalsuite.runs.run",
    "RunConfig": "evalsuite.config",
    "ScoreConfig": "evalsuite.config",
    "Validation": "evalsuite.evaluation.validate",
    "compare": "evalsuite.evaluation.compare",
    "evaluate": "evalsuite.evaluation.evaluate",
    "load_run": "evalsuite.runs.run",
    "rescore": "evalsuite.evaluation.rescore",
    "score": "evalsuite.evaluation.score",
    "validate": "evalsuite.evaluation.validate",
}
"""Where each public name is defined; the others are errors."""

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'evalsuite' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_MODULES.get(name, "evalsuite.errors")), name)


def __dir__() -> list[str]:
    return __all__
