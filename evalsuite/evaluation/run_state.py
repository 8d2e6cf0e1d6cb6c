"""The state of a run: what each variant still owes, the progress so far, and run.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evalsuite.backends.base import ServedModel
from evalsuite.config import RunConfig
from evalsuite.evaluation.results import build_run_info
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.runs.dataset_plan import DatasetPlan
from evalsuite.runs.directory import RUN_FILE, RunDirectory
from evalsuite.runs.progress import RunProgress
from evalsuite.runs.provenance import environment_info
from evalsuite.runs.resume import reconcile
from evalsuite.runs.run import IDENTICAL
from evalsuite.runs.schema import RunInfo
from evalsuite.runs.work import Variant, Work, new_work
from evalsuite.serving.server_plan import ServerPlan
from evalsuite.serving.variants import ServedFacts, ServingPlan, first_prompts, liveness
from evalsuite.types import LogprobPrompt

if TYPE_CHECKING:
    from evalsuite.suites.jobs import SuiteJob
    from evalsuite.suites.suite_runs import SuiteRuns


class RunState:
    """What each variant of a run owes, and what was served. `progress` counts what is done."""

    def __init__(
        self,
        config: RunConfig,
        serving: ServingPlan,
        plans: Sequence[DatasetPlan],
        directory: RunDirectory,
        jobs: Sequence[SuiteJob] = (),
    ) -> None:
        self.config = config
        self.serving = serving
        self.directory = directory
        self.progress = RunProgress()
        self._plans = tuple(plans)
        self._environment = environment_info()
        before = directory.read_info()
        self._facts = ServedFacts(serving, before)
        if _recorded_logprob_form(before) == "letter":
            self._plan_with_logprob_form("letter")
        self._works: dict[str, Work] = {}
        self._proved: set[str] = set()
        self.suites = self._suite_runs(jobs) if jobs else None
        """The benchmarks that other suites run."""
        self.reconcile()

    def _suite_runs(self, jobs: Sequence[SuiteJob]) -> SuiteRuns:
        from evalsuite.suites.suite_runs import SuiteRuns  # what only they need

        return SuiteRuns(jobs, self._variants(), self.directory, self.config)

    @property
    def works(self) -> list[Work]:
        """The work of every variant, in order."""
        return list(self._works.values())

    def work(self, checkpoint: Checkpoint) -> Work:
        """The work of a variant."""
        return self._works[checkpoint.name]

    def owed(self, plan: ServerPlan) -> list[Checkpoint]:
        """The variants of a server that still owe samples or benchmarks."""
        return [one for one in plan.checkpoints if self.has_owed_rows(one) or self.has_owed_benchmarks(one)]

    def has_owed_rows(self, checkpoint: Checkpoint) -> bool:
        """Whether a variant still owes samples that evalsuite asks itself."""
        return bool(self._works[checkpoint.name].owed_total)

    def has_owed_benchmarks(self, checkpoint: Checkpoint) -> bool:
        """Whether a variant still owes benchmarks of other suites."""
        return self.suites is not None and self.suites.owed(checkpoint.name)

    def reconcile(self) -> None:
        """Match the plan with the journal: finished samples are counted, the rest is owed. Writes run.json."""
        self.progress.restart()
        works = [new_work(variant, self._plans, self.config.on_error) for variant in self._variants()]
        works = reconcile(
            works,
            self.directory,
            self.progress,
            keep_errors=self.config.on_error != "fail",
            ignored_datasets=self.suites.names if self.suites else (),
        )
        self._works = {work.variant.name: work for work in works}
        self.progress.total = sum(plan.rows for work in works for plan in work.plans)
        self.progress.reused = self.progress.total - sum(work.owed_total for work in works)
        if self.suites:
            self.suites.reconcile(self.progress)
        self.record()

    def _variants(self) -> list[Variant]:
        return [
            Variant(checkpoint.name, self.serving.fingerprint(checkpoint), self._warning(checkpoint))
            for checkpoint in self.serving.checkpoints
        ]

    async def record_server(self, checkpoint: Checkpoint, served: ServedModel) -> list[str]:
        """Record what answers and whether its adapter makes a difference; return the warnings about it."""
        work = self._works[checkpoint.name]
        owed = [plan for plan in work.plans if work.count_owed(plan)]
        self._proved.add(checkpoint.name)
        live = await liveness(served, owed, completions=self.config.completions)
        chat = any(prompt.messages is not None for prompt in first_prompts(owed))
        warnings = self._facts.add(checkpoint, served, live, chat=chat)
        self._note(checkpoint)
        return warnings

    def facts(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """The facts that `record_server` recorded."""
        return self._facts.by_variant[checkpoint.name]

    def record_cached(self, checkpoint: Checkpoint, facts: Mapping[str, Any]) -> list[str]:
        """Record facts of an earlier start for a variant that is answered from the cache; return the warnings about it."""
        self._facts.by_variant[checkpoint.name] = dict(facts)
        self._note(checkpoint)
        return list(facts.get("warnings", ()))

    def _note(self, checkpoint: Checkpoint) -> None:
        work = self._works[checkpoint.name]
        variant = replace(work.variant, warning=self._warning(checkpoint))
        self._works[checkpoint.name] = replace(work, variant=variant)
        self.record()

    def mark_finished(self, checkpoint: Checkpoint) -> None:
        """Note that a variant owes nothing any more."""
        work = self._works[checkpoint.name]
        nothing = {plan.name: bytearray(plan.rows) for plan in work.plans}
        self._works[checkpoint.name] = replace(work, owed=nothing)

    def is_recorded(self, checkpoint: Checkpoint) -> bool:
        """Whether this start has recorded the server of a variant."""
        return checkpoint.name in self._proved

    def set_logprob_form(self, form: LogprobPrompt) -> None:
        """Ask for label log-probabilities in another form, and match the plan with the journal again."""
        self._plan_with_logprob_form(form)
        self.reconcile()

    def _plan_with_logprob_form(self, form: LogprobPrompt) -> None:
        self._plans = tuple(plan.with_logprob_form(form) for plan in self._plans)

    def _warning(self, checkpoint: Checkpoint) -> str:
        return IDENTICAL if self._facts.identical(checkpoint) else ""

    def record(self) -> None:
        """Write run.json. It holds no secret, and nothing that differs between two starts of the same run."""
        datasets = [plan.info() for plan in self._plans]
        if self.suites:
            datasets += self.suites.infos()
        variants = self.serving.variant_infos(self._facts.by_variant)
        info = build_run_info(self.config, variants, datasets, self._environment)
        self.directory.write_document(RUN_FILE, info)


def _recorded_logprob_form(before: RunInfo | None) -> LogprobPrompt | None:
    """The form in which an earlier start of the run asked for label log-probabilities."""
    forms = (dataset.style.logprob for dataset in before.datasets) if before else ()
    return next((form for form in forms if form), None)
