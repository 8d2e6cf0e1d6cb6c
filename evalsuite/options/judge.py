"""Which model judges replies."""

from typing import Annotated, ClassVar

from evalsuite.errors import ConfigError
from evalsuite.options.checks import check_url, check_variable
from evalsuite.options.fields import Count, NonEmptyText, Option, OptionPart, option_part
from evalsuite.options.model import OPENAI_KEY_VARIABLE

SELF_JUDGE = "self"
"""`--judge-model self`: the model under test judges its own replies."""


@option_part
class JudgeOptions(OptionPart):
    """The model that judges replies of kind judge."""

    panel: ClassVar[str] = "Judge"

    judge_base_url: Annotated[
        str | None,
        Option(
            "Address of the model that judges replies (kind judge).",
            metavar="URL",
            check=check_url,
            secret=True,
        ),
    ] = None
    judge_model: Annotated[
        str | None,
        Option("Its name there; self: the model under test judges its own replies.", metavar="NAME|self"),
    ] = None
    judge_revision: Annotated[
        NonEmptyText | None,
        Option(
            "Which judge answers there now (a commit, a date). Another text is another judge, which is asked anew.",
            metavar="TEXT",
            identity="unless default",
        ),
    ] = None
    judge_api_key_env: Annotated[
        str,
        Option(
            "Environment variable that holds the judge's API key.",
            metavar="VAR",
            check=check_variable,
            secret=True,
            identity=False,
        ),
    ] = OPENAI_KEY_VARIABLE
    judge_max_tokens: Annotated[
        Count, Option("Longest verdict, in tokens, reasoning included.", metavar="N")
    ] = 2048

    def check_judge(self) -> None:
        """Raise `ConfigError` where only half of a judge is named."""
        if self.judge_revision and not self.judge_base_url:
            raise ConfigError(
                "--judge-revision tells apart what is served at --judge-base-url; name that too"
            )
        is_self = self.judge_model == SELF_JUDGE
        if self.judge_base_url and (not self.judge_model or is_self):
            raise ConfigError(
                "--judge-base-url is the address of a judge: name the judge with --judge-model NAME"
                + (f"; '{SELF_JUDGE}' is the model under test" if is_self else "")
            )
        if self.judge_model and not is_self and not self.judge_base_url:
            raise ConfigError(
                f"--judge-model {self.judge_model}: add its address with --judge-base-url URL, "
                f"or write --judge-model {SELF_JUDGE} to let the model under test judge its own replies"
            )
