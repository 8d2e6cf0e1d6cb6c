"""How a run proceeds, where its results are written, and when it fails."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from evalsuite.options.checks import check_folder_name, check_price, read_price
from evalsuite.options.fields import (
    Count,
    CountOrZero,
    FilePath,
    Option,
    OptionalPath,
    OptionPart,
    PositiveNumber,
    TextList,
    default,
    option_part,
)

if TYPE_CHECKING:
    from evalsuite.metrics.gates import Gate

OnError: TypeAlias = Literal["fail", "skip", "wrong"]
CsvFor: TypeAlias = Literal["any", "excel"]
DEFAULT_OUT = Path("reports")
"""The folder of all runs."""


@option_part
class RunningOptions(OptionPart):
    """Speed, errors, output and gates."""

    panel: ClassVar[str] = "Running"

    concurrency: Annotated[
        Count | Literal["auto"],
        Option(
            "Requests in flight at the same time.",
            metavar="N|auto",
            default_text="auto: the server's slots, else what is fastest",
            identity=False,
            scoring="judge",
        ),
    ] = "auto"
    timeout: Annotated[
        PositiveNumber,
        Option(
            "Seconds for one sample, all attempts together.",
            metavar="SECONDS",
            identity=False,
            scoring="judge",
        ),
    ] = 600.0
    suite_timeout: Annotated[
        PositiveNumber | None,
        Option(
            "Seconds for one benchmark of another suite.",
            metavar="SECONDS",
            default_text="no limit while it makes progress",
            identity=False,
            scoring=False,
        ),
    ] = None
    on_error: Annotated[
        OnError,
        Option(
            "Samples without a reply: fail (the run is incomplete), skip (leave them out) or wrong (count them as wrong).",
            identity=False,
        ),
    ] = "fail"
    stream: Annotated[
        bool,
        Option("Stream replies, to measure the time to the first token.", identity=False, scoring=False),
    ] = False
    cache: Annotated[
        OptionalPath,
        Option(
            "Folder of replies that runs share: replies at temperature 0 are read from it and new ones added.",
            metavar="DIR",
            default_text="no cache",
            identity=False,
            scoring="judge",
        ),
    ] = default(None)
    price: Annotated[
        str | None,
        Option(
            "Price of a million prompt tokens and of a million reply tokens, to report the cost of the run.",
            metavar="IN,OUT",
            read=read_price,
            check=check_price,
            identity=False,
            scoring=False,
        ),
    ] = None
    step: Annotated[
        CountOrZero | None,
        Option(
            "Training step of the checkpoint, for the curve over several runs.",
            metavar="N",
            default_text="unknown",
            identity=False,
        ),
    ] = None
    out: Annotated[FilePath, Option("Folder of all runs.", metavar="DIR", identity=False, output=True)] = (
        default(DEFAULT_OUT)
    )
    name: Annotated[
        str | None,
        Option(
            "Name of this run's folder in it.",
            metavar="NAME",
            default_text="from model and settings",
            check=check_folder_name,
            identity=False,
            output=True,
        ),
    ] = None
    fresh: Annotated[
        bool,
        Option(
            "Start again. An existing run of that name is renamed and kept.",
            names=("--fresh",),
            identity=False,
            output=True,
        ),
    ] = False
    csv_for: Annotated[
        CsvFor,
        Option(
            "Program that will open summary.csv; excel: with a byte order mark, and without cells that Excel would run "
            "as formulas.",
            identity=False,
        ),
    ] = "any"
    fail_under: Annotated[
        TextList,
        Option(
            "Exit with code 100 when a metric is lower. Repeatable.",
            metavar="[DATASET:]METRIC=VALUE",
            identity=False,
        ),
    ] = default(())
    baseline: Annotated[
        str | None,
        Option(
            "Variant that the others are compared with.",
            metavar="VARIANT",
            default_text="the first",
            identity=False,
        ),
    ] = None

    @property
    def gates(self) -> "tuple[Gate, ...]":
        """`fail_under`, parsed. Raises `ConfigError` for a gate that cannot be read."""
        from evalsuite.metrics.gates import Gate

        return tuple(Gate.parse(text) for text in self.fail_under)
