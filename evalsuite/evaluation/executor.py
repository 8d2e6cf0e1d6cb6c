"""Who is owed is asked: the servers come up, prove themselves and answer; one that dies meanwhile is started once more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evalsuite._util.event_loop import run_to_end
from evalsuite.backends.base import Say, Served, Server, StandingServer
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.logprob_probe import find_logprob_form
from evalsuite.endpoint.reply_cache import NOT_DECIDED, Wrap, opened_cache, put_before
from evalsuite.errors import RunIncomplete, ServerDied, ServerError
from evalsuite.evaluation.results import Stopwatch
from evalsuite.evaluation.run_state import Ledger
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.runs.inference import Inference
from evalsuite.runs.journal import Journal
from evalsuite.runs.meter import Meter
from evalsuite.runs.plan import Judge
from evalsuite.runs.resume import FirstReplies
from evalsuite.runs.work import Work
from evalsuite.serving.endpoints import check_judge, check_model, judge_endpoint, model_endpoint
from evalsuite.serving.placement import Placed, side_by_side
from evalsuite.serving.variants import start
from evalsuite.types import Party

if TYPE_CHECKING:
    from evalsuite.endpoint.reply_store import ReplyStore
    from evalsuite.evaluation.cached_variants import Told

Display = Callable[[Meter], AbstractContextManager[object]]
DEATH_SECONDS = 3.0
"""How long after requests failed a server is given to turn out dead: longer than its supervisor takes to clear up."""
ONCE_MORE = "It is started once more; what is finished is kept."
TWICE = "It had been started once more already. What is finished is kept: the same command resumes."
IN_CACHE = "{name}: every reply is in the cache, so its server is not started."
LETTER_ALONE = (
    "The server does not go on with a turn of the assistant that was begun for it: "
    "--mcq-mode logprob asks for the letter as the whole reply (logprob:letter in signatures)."
)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is ready, and those of its variants that are owed something."""

    server: Server
    owed: Sequence[Checkpoint]


@dataclass(frozen=True, slots=True)
class Desk:
    """A variant that has proved itself, and whom its samples ask."""

    checkpoint: Checkpoint
    server: Server
    parties: dict[Party, Endpoint]
    through: dict[Party, Wrap]
    """The cache before each of them, where there is one."""


@dataclass
class Asking:
    """Asks everything that a ledger owes; `display` shows its meter from the first server that is ready to the end."""

    ledger: Ledger
    notify: Say
    display: Display
    stopwatch: Stopwatch
    _shown: bool = False
    _cache: ReplyStore | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def everything(self) -> None:
        """Ask all variants. Raises `EvalsuiteError`; what was finished by then is in the journal."""
        judge = next((work.judge for work in self.ledger.works if work.judge), None)
        if judge and judge.base_url and not self.ledger.config.base_url:
            run_to_end(self._reach(judge))  # before minutes are spent on starting a server
        with self._stack:
            if self.ledger.meter.owed:
                self._open_cache()
            self._from_cache_alone()
            for group in self._groups():
                self._in_spite_of_a_death(group)

    def _groups(self) -> list[list[Placed]]:
        """The servers that are needed, those together that run at the same time."""
        config = self.ledger.config
        plans = [plan for plan in self.ledger.serving.servers if self.ledger.owed(plan)]
        if len(plans) <= 1:
            return [[Placed(plan)] for plan in plans]
        most = None if config.servers == "auto" else config.servers
        return side_by_side(plans, most, tuple(config.backend_arg), self.notify)

    def _open_cache(self) -> None:
        self._cache = self._stack.enter_context(opened_cache(self.ledger.config.cache, self.notify))
        drawn = any(
            plan.generation.temperature
            for work in self.ledger.works
            for plan in work.plans
            if work.owed_rows(plan)
        )
        if self._cache and drawn:
            self.notify(NOT_DECIDED)

    def _from_cache_alone(self) -> None:
        """Answer those variants whose every reply is in the cache: for them no server is started."""
        if self._cache is None:
            return
        from evalsuite.evaluation.cached_variants import (  # not what a run without a cache should load
            NotKept,
            recalled,
        )

        found: dict[str, Told] = {}
        for checkpoint in self.ledger.serving.checkpoints:
            told = recalled(self._cache, self.ledger, checkpoint)
            if told:
                found[checkpoint.name] = told
                self.notify(IN_CACHE.format(name=checkpoint.name))
        if not found:
            return
        self._show()
        known = [one for one in self.ledger.serving.checkpoints if one.name in found]
        try:
            run_to_end(self._recall([(one, found[one.name]) for one in known]))
        except NotKept:
            self.ledger.reconcile()  # the rest is asked
        else:
            for checkpoint in known:
                self.ledger.settle(checkpoint)

    async def _recall(self, known: Sequence[tuple[Checkpoint, Told]]) -> None:
        async with AsyncExitStack() as stack:
            desks = [await self._recalled_desk(*one, stack) for one in known]
            with Journal(self.ledger.directory.journal) as journal, self.stopwatch.working():
                await self._in_turn(desks, journal)
        self.ledger.meter.pace.pause()

    async def _recalled_desk(self, checkpoint: Checkpoint, told: Told, stack: AsyncExitStack) -> Desk:
        server = StandingServer({checkpoint.name: told.served(checkpoint)})
        served = server.served[checkpoint.name]
        endpoint = await stack.enter_async_context(model_endpoint(self.ledger.config, served))
        endpoint.told = told.models
        for warning in self.ledger.recall(checkpoint, told.facts):
            self.notify(warning)
        work = self.ledger.work(checkpoint)
        parties = await self._parties(work.judge, endpoint, stack)
        return Desk(checkpoint, server, parties, self._through_cache(work, checkpoint, served, parties))

    async def _reach(self, judge: Judge) -> None:
        async with judge_endpoint(self.ledger.config, judge) as endpoint:
            await check_judge(endpoint)

    def _in_spite_of_a_death(self, group: Sequence[Placed]) -> None:
        """Ask the variants of these servers; where one of them ends by itself, start all of them once more."""
        for first in (True, False):
            with ExitStack() as stack:
                running = [self._started(placed, stack) for placed in group if self.ledger.owed(placed.plan)]
                try:
                    self._asked(running)
                except ServerDied as death:
                    if not first:
                        raise ServerDied(f"{death}\n{TWICE}") from death
                    self.notify(f"{death}\n{ONCE_MORE}")
                else:
                    return
            self.ledger.reconcile()

    def _started(self, placed: Placed, stack: ExitStack) -> Running:
        plan = placed.plan
        owed = self.ledger.owed(plan)
        log = self.ledger.directory.server_log(plan.name)
        server = start(plan, owed, self.ledger.config.backend_arg, log, self.notify, placed.environment)
        return Running(stack.enter_context(server), owed)

    def _show(self) -> None:
        if not self._shown:
            self._shown = True
            self._stack.enter_context(self.display(self.ledger.meter))

    def _asked(self, running: Sequence[Running]) -> None:
        """Ask all of them. Raises `ServerDied` where that is why requests failed."""
        try:
            if any(self.ledger.owes_rows(one) for of_server in running for one in of_server.owed):
                self._show()
                run_to_end(self._ask(running), self.ledger.meter.owed)
            self._ask_suites(running)
        except ServerDied:
            raise
        except (ServerError, RunIncomplete):
            for one in running:
                one.server.check(DEATH_SECONDS)
            raise

    async def _ask(self, running: Sequence[Running]) -> None:
        """Servers at the same time; the variants of each in turn, once all have proved themselves."""
        async with AsyncExitStack() as stack:
            desks = [
                [
                    await self._desk(one.server, owed, stack)
                    for owed in one.owed
                    if self.ledger.owes_rows(owed)
                ]
                for one in running
            ]
            with Journal(self.ledger.directory.journal) as journal, self.stopwatch.working():
                await _together([self._in_turn(of_server, journal) for of_server in desks])
        self.ledger.meter.pace.pause()

    def _ask_suites(self, running: Sequence[Running]) -> None:
        """Have other suites ask their benchmarks, one after another."""
        suites = self.ledger.suites
        for of_server in running if suites else ():
            for checkpoint in filter(self.ledger.owes_benchmarks, of_server.owed):
                assert suites
                served = of_server.server.served[checkpoint.name]
                run_to_end(self._greet(checkpoint, served))
                suites.run(checkpoint.name, served, of_server.server.check, self.ledger.meter)

    async def _greet(self, checkpoint: Checkpoint, served: Served) -> None:
        """Whether the model is served at all, and by what."""
        if self.ledger.proved(checkpoint):
            return
        async with model_endpoint(self.ledger.config, served) as endpoint:
            await check_model(endpoint, ())
        for warning in await self.ledger.prove(checkpoint, served):
            self.notify(warning)

    async def _desk(self, server: Server, checkpoint: Checkpoint, stack: AsyncExitStack) -> Desk:
        served = server.served[checkpoint.name]
        endpoint = await stack.enter_async_context(model_endpoint(self.ledger.config, served))
        work = self.ledger.work(checkpoint)
        parties = await self._parties(work.judge, endpoint, stack)
        await check_model(endpoint, [plan for plan in work.plans if work.owed_rows(plan)])
        for warning in await self.ledger.prove(checkpoint, served):
            self.notify(warning)
        await self._settle_form(checkpoint, endpoint, continues=served.continues_turns)
        if self._cache:
            from evalsuite.evaluation.cached_variants import leave

            leave(self._cache, self.ledger, checkpoint, endpoint)
        work = self.ledger.work(checkpoint)
        return Desk(checkpoint, server, parties, self._through_cache(work, checkpoint, served, parties))

    def _through_cache(
        self, work: Work, checkpoint: Checkpoint, served: Served, parties: Mapping[Party, Endpoint]
    ) -> dict[Party, Wrap]:
        fingerprint = self.ledger.serving.fingerprint(checkpoint)
        model = put_before(self._cache, parties["model"], fingerprint, served.engine)
        judge = model
        if work.judge and parties["judge"] is not parties["model"]:
            judge = put_before(self._cache, parties["judge"], work.judge.fingerprint)
        found: dict[Party, Wrap | None] = {"model": model, "judge": judge}
        return {party: wrap for party, wrap in found.items() if wrap}

    async def _in_turn(self, desks: Sequence[Desk], journal: Journal) -> None:
        for desk in desks:
            work = self.ledger.work(desk.checkpoint)
            with ExitStack() as stack:
                replies = stack.enter_context(FirstReplies(self.ledger.directory)) if work.in_steps else None
                await Inference(
                    work, desk.parties, journal, self.ledger.meter, desk.server.check, replies, desk.through
                ).run()

    async def _parties(
        self, judge: Judge | None, endpoint: Endpoint, stack: AsyncExitStack
    ) -> dict[Party, Endpoint]:
        """Whom to ask: the model, and a judge that has been checked, unless the model is to judge itself."""
        parties: dict[Party, Endpoint] = {"model": endpoint, "judge": endpoint}
        if judge and judge.base_url:
            parties["judge"] = await stack.enter_async_context(judge_endpoint(self.ledger.config, judge))
            await check_judge(parties["judge"])
        return parties

    async def _settle_form(self, checkpoint: Checkpoint, endpoint: Endpoint, *, continues: bool) -> None:
        """Where letters' probabilities are owed, plan them in a form that this server can be asked in."""
        plan = self.ledger.work(checkpoint).logprob_plan
        if plan is None or plan.style.logprob is None:
            return
        form = await find_logprob_form(
            endpoint,
            plan.generation,
            plan.style.logprob,
            completions=self.ledger.config.completions,
            continues=continues,
        )
        if form != plan.style.logprob:
            self.notify(LETTER_ALONE)
            self.ledger.ask_in_form(form)


async def _together(coroutines: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all at the same time; the first that fails ends the others, and is raised once they have ended."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
