"""How replies are generated."""

from typing import Annotated, ClassVar

from evalsuite.options.checks import check_stop
from evalsuite.options.fields import (
    Count,
    NonNegativeNumber,
    Option,
    OptionPart,
    Probability,
    TextList,
    default,
    option_part,
)


@option_part
class SamplingOptions(OptionPart):
    """Generation settings that are sent with every request."""

    panel: ClassVar[str] = "Generation"

    temperature: Annotated[
        NonNegativeNumber, Option("Sampling temperature.", metavar="NUMBER", scoring=False)
    ] = 0.0
    max_tokens: Annotated[
        Count | None,
        Option(
            "Longest reply, in tokens.", metavar="N", default_text="mcq 128, qa 512, else 1024", scoring=False
        ),
    ] = None
    top_p: Annotated[
        Probability | None,
        Option(
            "Nucleus sampling: probability mass to draw from.",
            metavar="NUMBER",
            default_text="not sent",
            scoring=False,
        ),
    ] = None
    seed: Annotated[
        int | None, Option("Random seed.", metavar="N", default_text="not sent", scoring=False)
    ] = None
    stop: Annotated[
        TextList, Option("Stop string. Repeatable.", metavar="TEXT", check=check_stop, scoring=False)
    ] = default(())
    completions: Annotated[
        bool,
        Option(
            "Send flat prompts to /completions, for base models.",
            names=("--completions/--chat",),
            scoring=False,
        ),
    ] = False
