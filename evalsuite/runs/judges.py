"""The model that judges replies, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass

from evalsuite.config import RunConfig
from evalsuite.endpoint.wire import Generation
from evalsuite.options.judge import SELF_JUDGE
from evalsuite.runs.schema import JudgeInfo

NO_JUDGE = "a judge has to read the replies, and none is named. Add --judge-base-url URL --judge-model NAME (any OpenAI endpoint)"


@dataclass(frozen=True, slots=True)
class Judge:
    """The judge of a run. `base_url` is None where the model under test judges its own replies."""

    model: str
    base_url: str | None
    generation: Generation
    itself: bool = False
    """Whether it is the model under test."""
    revision: str | None = None
    """Tells it from another judge of the same name, if the user gave one."""

    @property
    def fingerprint(self) -> str:
        """Everything that is known of a judge behind an address."""
        return "|".join(part for part in (self.base_url, self.model, self.revision) if part)

    def info(self) -> JudgeInfo:
        """The judge's entry in run.json."""
        return JudgeInfo(
            model=self.model,
            base_url=self.base_url,
            generation=self.generation.fields(),
            itself=self.itself,
            revision=self.revision or None,
        )


def make_judge(config: RunConfig) -> Judge | None:
    """The judge that a configuration names. It is asked at temperature 0, if it accepts that."""
    if not config.judge_model:
        return None
    # without --model an address serves one model
    same = config.judge_base_url == config.base_url and config.model in (None, config.judge_model)
    itself = config.judge_model == SELF_JUDGE or same
    return Judge(
        config.judge_model,
        config.judge_base_url,
        Generation(config.judge_max_tokens),
        itself,
        config.judge_revision,
    )
