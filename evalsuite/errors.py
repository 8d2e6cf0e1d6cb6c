"""Every failure a user can meet, in one tree.

    EvalsuiteError               exit code 1
    ├── InputError               2    the command or a file is wrong; nothing was sent
    │   ├── ConfigError          2    an option, a YAML key, a combination of them
    │   ├── DataError            2    data files: every bad row is listed
    │   ├── CheckpointError      2    --ckpt is not a model that can be served
    │   └── EndpointError        2    reached, but wrong: key, model name, not an OpenAI endpoint
    ├── RunIncomplete            3    some samples could not be had; the same command resumes
    ├── RunDirectoryError        3    the run directory cannot be used or written (disk full, locked, …)
    ├── ServerError              4    the model server did not start, or cannot be reached
    │   └── ServerDied           4    a server of ours ended by itself
    ├── BadResult                4    what was merged, quantized or converted does not say what its source says
    └── GateFailed             100    a --fail-under or --fail-on-regression gate

Every message says what is wrong, where, and what to do next. Failures of a single request are data, not
exceptions: they end in a sample's outcome `error` (see `endpoint.client.RequestFailure`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from evalsuite._util.invisible import spell_out

SHOWN_PROBLEMS = 20
"""Problems that a message lists; of further ones it says the number."""
FIX_ROWS_ADVICE = "Correct the rows and run the command again."


class EvalsuiteError(Exception):
    """Base of every error raised on purpose; `str(error)` is one paragraph for the user."""

    exit_code: ClassVar[int] = 1
    run_directory: Path | None = None
    """Where results were written all the same."""


class InputError(EvalsuiteError):
    """The command or a file is wrong; nothing was sent to any model."""

    exit_code = 2


class ConfigError(InputError):
    """An option, a configuration key, or a combination of them is wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a data file. `line` is 1-based; 0 means the file as a whole."""

    file: str
    line: int
    what: str
    expected: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {spell_out(self.what)}; expected {spell_out(self.expected)}"


class DataError(InputError):
    """Data files hold rows that cannot be asked or judged."""

    def __init__(self, problems: Sequence[Problem], advice: str = FIX_ROWS_ADVICE) -> None:
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problems" if len(self.problems) > 1 else "1 problem"
        listing = "\n".join(f"  {problem}" for problem in self.problems[:SHOWN_PROBLEMS])
        more = len(self.problems) - SHOWN_PROBLEMS
        if more > 0:
            listing += f"\n  … and {more} more; `evalsuite validate --json` lists all of them"
        super().__init__(f"{count} in the data:\n{listing}\n{advice}")


class CheckpointError(InputError):
    """A checkpoint is missing, broken, or of a form the chosen backend cannot serve."""


class EndpointError(InputError):
    """A server was reached but cannot be used: wrong key, unknown model, not an OpenAI endpoint."""


class RunIncomplete(EvalsuiteError):
    """Some samples could not be had; everything finished is in the journal."""

    exit_code = 3


class RunDirectoryError(EvalsuiteError):
    """The run directory is in use, unreadable, or cannot be written."""

    exit_code = 3


class ServerError(EvalsuiteError):
    """The model server did not start, died, or cannot be reached."""

    exit_code = 4


class FidelityError(EvalsuiteError):
    """A model that was made of another was loaded again, and does not say what its source says."""

    exit_code = 4


class ServerDied(ServerError):
    """A server that evalsuite started ended by itself."""


class GateFailed(EvalsuiteError):
    """A metric stayed under the value of `--fail-under`, or got worse under `--fail-on-regression`."""

    exit_code = 100
