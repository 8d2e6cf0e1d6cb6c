"""Sends all owed requests: starts the servers, probes them, asks each variant, and restarts a server that dies once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evalsuite._util.event_loop import run_to_end
from evalsuite.backends.base import ExistingServer, ServedModel, Server
from evalsuite.endpoint.client import Endpoint
from evalsuite.endpoint.logprob_probe import find_logprob_form
from evalsuite.endpoint.reply_cache import RANDOM_REPLIES_NOTE, Wrap, open_cache, wrap_with_cache
from evalsuite.errors import RunIncomplete, ServerDied, ServerError
from evalsuite.evaluation.run_state import RunState
from evalsuite.evaluation.timing import Stopwatch
from evalsuite.models.checkpoint import Checkpoint
from evalsuite.runs.inference import Inference
from evalsuite.runs.journal import Journal
from evalsuite.runs.judges import Judge
from evalsuite.runs.progress import Progress
from evalsuite.runs.resume import PreviousReplies
from evalsuite.runs.work import Work
from evalsuite.serving.endpoints import judge_endpoint, model_endpoint, probe_judge, probe_model
from evalsuite.serving.placement import PlacedServer, group_servers
from evalsuite.serving.variants import start
from evalsuite.types import Party

if TYPE_CHECKING:
    from evalsuite.endpoint.reply_store import ReplyStore
    from evalsuite.evaluation.cached_variants import ServerFacts

logger = logging.getLogger(__name__)

EXIT_WAIT_SECONDS = 3.0
"""Seconds to wait after failed requests for a sign that the server died: longer than its supervisor needs to clean up."""
ONCE_MORE = "It is started once more; what is finished is kept."
TWICE = "It had been started once more already. What is finished is kept: the same command resumes."
IN_CACHE = "%s: every reply is in the cache, so its server is not started."
LETTER_ALONE = (
    "The server does not go on with a turn of the assistant that was begun for it: "
    "--mcq-mode logprob asks for the letter as the whole reply (logprob:letter in signatures)."
)


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that is ready, and the variants it still has to answer for."""

    server: Server
    owed: Sequence[Checkpoint]


@dataclass(frozen=True, slots=True)
class VariantSession:
    """A variant that answers, and the endpoints its samples are sent to."""

    checkpoint: Checkpoint
    server: Server
    parties: dict[Party, Endpoint]
    cache_wrappers: dict[Party, Wrap]
    """The reply cache in front of an endpoint, if there is one."""


@dataclass
class Executor:
    """Sends everything that a run owes. `show_progress` shows the progress once the first server is ready."""

    state: RunState
    show_progress: Progress
    stopwatch: Stopwatch
    _shown: bool = False
    _cache: ReplyStore | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def run_all(self) -> None:
        """Ask all variants. Raises `EvalsuiteError`; everything finished by then is in the journal."""
        judge = next((work.judge for work in self.state.works if work.judge), None)
        if judge and judge.base_url and not self.state.config.base_url:
            run_to_end(self._check_judge_reachable(judge))  # before minutes are spent on starting a server
        with self._stack:
            if self.state.progress.owed:
                self._open_cache()
            self._answer_from_cache()
            for group in self._groups():
                self._run_with_restart(group)

    def _groups(self) -> list[list[PlacedServer]]:
        """Group the needed servers: those of a group run at the same time."""
        config = self.state.config
        plans = [plan for plan in self.state.serving.servers if self.state.owed(plan)]
        if len(plans) <= 1:
            return [[PlacedServer(plan)] for plan in plans]
        most = None if config.servers == "auto" else config.servers
        return group_servers(plans, most, tuple(config.backend_arg))

    def _open_cache(self) -> None:
        self._cache = self._stack.enter_context(open_cache(self.state.config.cache))
        drawn = any(
            plan.generation.temperature
            for work in self.state.works
            for plan in work.plans
            if work.count_owed(plan)
        )
        if self._cache and drawn:
            logger.info(RANDOM_REPLIES_NOTE)

    def _answer_from_cache(self) -> None:
        """Answer the variants whose every reply is in the cache. No server is started for them."""
        if self._cache is None:
            return
        from evalsuite.evaluation.cached_variants import (  # not what a run without a cache should load
            ReplyNotCached,
            find_server_facts,
        )

        found: dict[str, ServerFacts] = {}
        for checkpoint in self.state.serving.checkpoints:
            told = find_server_facts(self._cache, self.state, checkpoint)
            if told:
                found[checkpoint.name] = told
                logger.info(IN_CACHE, checkpoint.name)
        if not found:
            return
        self._show()
        known = [one for one in self.state.serving.checkpoints if one.name in found]
        try:
            run_to_end(self._ask_cache([(one, found[one.name]) for one in known]))
        except ReplyNotCached:
            self.state.reconcile()  # the rest is asked
        else:
            for checkpoint in known:
                self.state.mark_finished(checkpoint)

    async def _ask_cache(self, known: Sequence[tuple[Checkpoint, ServerFacts]]) -> None:
        async with AsyncExitStack() as stack:
            sessions = [await self._cached_session(*one, stack) for one in known]
            with Journal(self.state.directory.journal) as journal, self.stopwatch.working():
                await self._in_turn(sessions, journal)
        self.state.progress.throughput.pause()

    async def _cached_session(
        self, checkpoint: Checkpoint, told: ServerFacts, stack: AsyncExitStack
    ) -> VariantSession:
        server = ExistingServer({checkpoint.name: told.served(checkpoint)})
        served = server.served[checkpoint.name]
        endpoint = await stack.enter_async_context(
            model_endpoint(self.state.config, served, told.capabilities)
        )
        for warning in self.state.record_cached(checkpoint, told.facts):
            logger.warning("%s", warning)
        work = self.state.work(checkpoint)
        parties = await self._connect_parties(work.judge, endpoint, stack)
        return VariantSession(
            checkpoint, server, parties, self._cache_wrappers(work, checkpoint, served, parties)
        )

    async def _check_judge_reachable(self, judge: Judge) -> None:
        async with judge_endpoint(self.state.config, judge) as endpoint:
            await probe_judge(endpoint)

    def _run_with_restart(self, group: Sequence[PlacedServer]) -> None:
        """Ask the variants of these servers. If a server dies, start all of them once more."""
        for first in (True, False):
            with ExitStack() as stack:
                running = [
                    self._start_server(placed, stack) for placed in group if self.state.owed(placed.plan)
                ]
                try:
                    self._ask_servers(running)
                except ServerDied as death:
                    if not first:
                        raise ServerDied(f"{death}\n{TWICE}") from death
                    logger.warning("%s\n%s", death, ONCE_MORE)
                else:
                    return
            self.state.reconcile()

    def _start_server(self, placed: PlacedServer, stack: ExitStack) -> RunningServer:
        plan = placed.plan
        owed = self.state.owed(plan)
        log = self.state.directory.server_log(plan.name)
        server = start(plan, owed, self.state.config.backend_arg, log, placed.environment)
        return RunningServer(stack.enter_context(server), owed)

    def _show(self) -> None:
        if not self._shown:
            self._shown = True
            self._stack.enter_context(self.show_progress(self.state.progress))

    def _ask_servers(self, running: Sequence[RunningServer]) -> None:
        """Ask the variants of running servers. Raises `ServerDied` if requests failed because a server died."""
        try:
            if any(self.state.has_owed_rows(one) for of_server in running for one in of_server.owed):
                self._show()
                run_to_end(self._ask(running), self.state.progress.owed)
            self._ask_suites(running)
        except ServerDied:
            raise
        except (ServerError, RunIncomplete):
            for one in running:
                one.server.check(EXIT_WAIT_SECONDS)
            raise

    async def _ask(self, running: Sequence[RunningServer]) -> None:
        """Ask all servers at the same time, and the variants of each server one after another."""
        async with AsyncExitStack() as stack:
            sessions = [
                [
                    await self._open_session(one.server, owed, stack)
                    for owed in one.owed
                    if self.state.has_owed_rows(owed)
                ]
                for one in running
            ]
            with Journal(self.state.directory.journal) as journal, self.stopwatch.working():
                await _gather([self._in_turn(of_server, journal) for of_server in sessions])
        self.state.progress.throughput.pause()

    def _ask_suites(self, running: Sequence[RunningServer]) -> None:
        """Run the benchmarks of other suites, one after another."""
        suites = self.state.suites
        for of_server in running if suites else ():
            for checkpoint in filter(self.state.has_owed_benchmarks, of_server.owed):
                assert suites
                served = of_server.server.served[checkpoint.name]
                run_to_end(self._check_server(checkpoint, served))
                suites.run(checkpoint.name, served, of_server.server.check, self.state.progress)

    async def _check_server(self, checkpoint: Checkpoint, served: ServedModel) -> None:
        """Check that the model is served, and record by what."""
        if self.state.is_recorded(checkpoint):
            return
        async with model_endpoint(self.state.config, served) as endpoint:
            await probe_model(endpoint, ())
        for warning in await self.state.record_server(checkpoint, served):
            logger.warning("%s", warning)

    async def _open_session(
        self, server: Server, checkpoint: Checkpoint, stack: AsyncExitStack
    ) -> VariantSession:
        served = server.served[checkpoint.name]
        endpoint = await stack.enter_async_context(model_endpoint(self.state.config, served))
        work = self.state.work(checkpoint)
        parties = await self._connect_parties(work.judge, endpoint, stack)
        await probe_model(endpoint, [plan for plan in work.plans if work.count_owed(plan)])
        for warning in await self.state.record_server(checkpoint, served):
            logger.warning("%s", warning)
        await self._choose_logprob_form(checkpoint, endpoint, continues=served.continues_turns)
        if self._cache:
            from evalsuite.evaluation.cached_variants import store_server_facts

            store_server_facts(self._cache, self.state, checkpoint, endpoint)
        work = self.state.work(checkpoint)
        return VariantSession(
            checkpoint, server, parties, self._cache_wrappers(work, checkpoint, served, parties)
        )

    def _cache_wrappers(
        self, work: Work, checkpoint: Checkpoint, served: ServedModel, parties: Mapping[Party, Endpoint]
    ) -> dict[Party, Wrap]:
        fingerprint = self.state.serving.fingerprint(checkpoint)
        model = wrap_with_cache(self._cache, parties["model"], fingerprint, served.engine)
        judge = model
        if work.judge and parties["judge"] is not parties["model"]:
            judge = wrap_with_cache(self._cache, parties["judge"], work.judge.fingerprint)
        found: dict[Party, Wrap | None] = {"model": model, "judge": judge}
        return {party: wrap for party, wrap in found.items() if wrap}

    async def _in_turn(self, sessions: Sequence[VariantSession], journal: Journal) -> None:
        for session in sessions:
            work = self.state.work(session.checkpoint)
            with ExitStack() as stack:
                replies = (
                    stack.enter_context(PreviousReplies(self.state.directory))
                    if work.has_follow_ups
                    else None
                )
                await Inference(
                    work,
                    session.parties,
                    journal,
                    self.state.progress,
                    session.server.check,
                    replies,
                    session.cache_wrappers,
                ).run()

    async def _connect_parties(
        self, judge: Judge | None, endpoint: Endpoint, stack: AsyncExitStack
    ) -> dict[Party, Endpoint]:
        """The endpoints to ask: the model and the judge, which is the model itself without an address of its own."""
        parties: dict[Party, Endpoint] = {"model": endpoint, "judge": endpoint}
        if judge and judge.base_url:
            parties["judge"] = await stack.enter_async_context(judge_endpoint(self.state.config, judge))
            await probe_judge(parties["judge"])
        return parties

    async def _choose_logprob_form(
        self, checkpoint: Checkpoint, endpoint: Endpoint, *, continues: bool
    ) -> None:
        """If label log-probabilities are owed, choose a form of request that this server supports."""
        plan = self.state.work(checkpoint).logprob_plan
        if plan is None or plan.style.logprob is None:
            return
        form = await find_logprob_form(
            endpoint,
            plan.generation,
            plan.style.logprob,
            completions=self.state.config.completions,
            continues=continues,
        )
        if form != plan.style.logprob:
            logger.warning(LETTER_ALONE)
            self.state.set_logprob_form(form)


async def _gather(coroutines: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all at the same time. The first failure cancels the others and is raised once they have ended."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
