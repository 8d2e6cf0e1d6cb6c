"""What the model is asked, and how replies are scored."""

from dataclasses import field
from typing import Annotated, ClassVar, Literal, TypeAlias

from evalsuite.options.checks import check_reasoning_tags, read_columns
from evalsuite.options.fields import (
    Count,
    CountOrZero,
    Option,
    OptionPart,
    Pairs,
    TextList,
    default,
    option_part,
)
from evalsuite.types import AgentFormat

McqMode: TypeAlias = Literal["generate", "logprob"]
LangOption: TypeAlias = Literal["auto", "zh", "en"]
PreferenceMode: TypeAlias = Literal["logprob", "reward"]


@option_part
class WorkOptions(OptionPart):
    """Datasets, prompts and scoring."""

    panel: ClassVar[str] = "Work"

    datasets: Annotated[
        TextList,
        Option(
            "Dataset: a file, a folder of subjects, or a name from `evalsuite datasets`. Repeatable.",
            metavar="[KIND:]NAME|PATH",
            names=("--dataset", "-d"),
        ),
    ] = default(())
    columns: Annotated[
        Pairs,
        Option(
            "Names of the file's columns, where they are not the usual ones.",
            metavar="question=Q,answer=A",
            read=read_columns,
            identity="unless default",
        ),
    ] = default(field(default_factory=dict))
    limit: Annotated[
        Count | None,
        Option(
            "Use at most N rows of each dataset, spread evenly over its subjects.",
            metavar="N",
            default_text="all",
        ),
    ] = None
    shots: Annotated[
        CountOrZero | None,
        Option(
            "Number of few-shot examples, taken from the dev file.",
            metavar="N",
            default_text="mcq 5, gsm8k 4, else 0",
            scoring=False,
        ),
    ] = None
    cot: Annotated[
        bool, Option("Let the model think step by step before it answers (mcq).", scoring=False)
    ] = False
    mcq_mode: Annotated[
        McqMode,
        Option(
            "How mcq is answered: by a generated reply, or by the log-probabilities of the option letters.",
            scoring=False,
        ),
    ] = "generate"
    lang: Annotated[
        LangOption, Option("Language of the instructions in the prompt.", default_text="auto, from the data")
    ] = "auto"
    repeats: Annotated[
        Count,
        Option(
            "Ask every row N times, for pass@k and pass^k. Needs a --temperature. With --seed S the seeds are S, S+1, …",
            metavar="N",
            identity="unless default",
            scoring=False,
        ),
    ] = 1
    profile: Annotated[
        TextList,
        Option(
            "Also score as another harness does (mcq: evalscope, oc_first_capital, oc_first_option; "
            "qa: evalscope, swift; gsm8k: lm_eval_strict, lm_eval_flexible, opencompass). Repeatable.",
            metavar="NAME",
            identity=False,
        ),
    ] = default(())
    reasoning_tags: Annotated[
        TextList,
        Option(
            "Tags around a model's reasoning, where they are not usual ones: what stands between them is not scored. "
            "Repeatable.",
            metavar="OPEN,CLOSE",
            check=check_reasoning_tags,
            identity=False,
        ),
    ] = default(())
    agent_format: Annotated[
        AgentFormat,
        Option(
            "Format of toolbench conversations: ReAct text, ToolLLaMA's format, or the request's own tool list.",
        ),
    ] = "react"
    preference_mode: Annotated[
        PreferenceMode,
        Option(
            "How preference pairs are compared: by log-probability, or by the rewards of a reward model.",
            scoring=False,
        ),
    ] = "logprob"
