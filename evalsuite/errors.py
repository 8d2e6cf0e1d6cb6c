"""Every error that evalsuite raises on purpose, in one tree.

    EvalsuiteError               exit code 1
    ├── InputError               2    the command or a file is wrong; nothing was sent
    │   ├── ConfigError          2    an option, a YAML key, a combination of them
    │   ├── DataError            2    data files: every bad row is listed
    │   ├── CheckpointError      2    --ckpt is not a model that can be served
    │   └── EndpointError        2    reached, but wrong: key, model name, not an OpenAI endpoint
    ├── RunIncomplete            3    some samples have no reply; the same command resumes
    ├── RunDirectoryError        3    the run directory cannot be used or written (disk full, locked, …)
    ├── ServerError              4    the model server did not start, or cannot be reached
    │   └── ServerDied           4    a server that evalsuite started died
    ├── FidelityError            4    a merged, quantized or converted model does not answer like the original
    └── GateFailed             100    a --fail-under or --fail-on-regression gate

Every message says what is wrong, where, and what to do next. A single failed request raises nothing: it becomes the
sample's outcome `error` (see `endpoint.answer.RequestFailure`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

SHOWN_PROBLEMS = 20
"""Problems that a message lists; of further ones it says the number."""
FIX_ROWS_ADVICE = "Correct the rows and run the command again."


class EvalsuiteError(Exception):
    """The base of all errors. `str(error)` is one paragraph for the user."""

    exit_code: ClassVar[int] = 1
    run_directory: Path | None = None
    """The run directory, where results were written in spite of the error."""


class InputError(EvalsuiteError):
    """The command or a file is wrong; nothing was sent to any model."""

    exit_code = 2


class ConfigError(InputError):
    """An option, a configuration key, or a combination of them is wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault in a data file. `line` is 1-based; 0 means the file as a whole."""

    file: str
    line: int
    what: str
    expected: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.what}; expected {self.expected}"


class DataError(InputError):
    """Data files have rows that cannot be asked or scored. `problems` lists them."""

    def __init__(self, problems: Sequence[Problem], advice: str = FIX_ROWS_ADVICE) -> None:
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problems" if len(self.problems) > 1 else "1 problem"
        listing = "\n".join(f"  {problem}" for problem in self.problems[:SHOWN_PROBLEMS])
        more = len(self.problems) - SHOWN_PROBLEMS
        if more > 0:
            listing += f"\n  … and {more} more; `evalsuite validate --json` lists all of them"
        super().__init__(f"{count} in the data:\n{listing}\n{advice}")


class CheckpointError(InputError):
    """A checkpoint is missing, broken, or in a format that the chosen backend cannot serve."""


class EndpointError(InputError):
    """A server was reached but cannot be used: wrong key, unknown model, not an OpenAI endpoint."""


class RunIncomplete(EvalsuiteError):
    """Some samples have no reply. Everything finished is in the journal, and the same command resumes."""

    exit_code = 3


class RunDirectoryError(EvalsuiteError):
    """The run directory is in use, unreadable, or cannot be written."""

    exit_code = 3


class ServerError(EvalsuiteError):
    """The model server did not start, died, or cannot be reached."""

    exit_code = 4


class FidelityError(EvalsuiteError):
    """A merged, quantized or converted model was reloaded and does not answer like the original."""

    exit_code = 4


class ServerDied(ServerError):
    """A server that evalsuite started died while the run went on."""


class GateFailed(EvalsuiteError):
    """A metric is below the value of `--fail-under`, or got worse under `--fail-on-regression`."""

    exit_code = 100
