"""Reading: the one way out, for pages, API and command line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta

from redrive.domain import (
    OBSERVE_FOR,
    Actor,
    App,
    AppId,
    AuditEntry,
    AuditFilter,
    CanaryState,
    Entry,
    EntryDetail,
    EntryFilter,
    EntryId,
    GroupDetail,
    GroupId,
    Item,
    ItemState,
    JobState,
    JobStatus,
    JobSummary,
    Judgement,
    Operation,
    OperationId,
    OperationPhase,
    OperationState,
    OperationTally,
    Outcome,
    Pace,
    Progress,
    Prunable,
    QueueCounts,
    phase_of,
    progress_of,
)
from redrive.errors import (
    AppNotFound,
    BadCursor,
    EngineUnavailable,
    EntryNotFound,
    GroupNotFound,
    OperationNotFound,
    QueueNotFound,
    StoreUnavailable,
)
from redrive.insight import Insight
from redrive.ports import (
    Accounts,
    Clock,
    Engine,
    FollowerReports,
    OperationLedger,
    Page,
    ProgressStore,
    ReadingLedger,
    Tried,
)
from redrive.standing import (
    FollowerLag,
    Incident,
    Standing,
    Summary,
    read_followers,
    read_incident,
    read_standing,
    read_summary,
)
from redrive.verdicts import read_judgement

_POLL_SECONDS = 1.0


class Overview(Insight):
    """Every read that a face needs. Raises the NotFound errors, BadCursor, LedgerUnavailable."""

    def __init__(
        self,
        *,
        reading: ReadingLedger,
        operations: OperationLedger,
        accounts: Accounts,
        engines: Mapping[str, Engine],
        progress: ProgressStore,
        reports: FollowerReports,
        clock: Clock,
        observe_for: timedelta = OBSERVE_FOR,
    ) -> None:
        super().__init__(reading, operations, clock)
        self.observe_for = observe_for
        self._accounts = accounts
        self._engines = engines
        self._progress = progress
        self._reports = reports

    async def progress(self, operation_id: OperationId) -> Progress:
        """From the hash while the operation runs, whose runner writes it anew with each batch; from
        the ledger when it does not, and when the hash has expired, cannot be read, or is of before
        a resume. Who last heard of an outcome may not have been able to write it."""
        try:
            fast = await self._progress.read(operation_id)
        except StoreUnavailable:
            fast = None
        operation = await self.operation(operation_id)
        runs = operation.state is OperationState.RUNNING
        if fast is None or not runs or operation.turn > fast.turn:
            return progress_of(operation, self._clock.now())
        return fast

    async def watch(
        self, operation_id: OperationId, *, until_verdict: bool = False
    ) -> AsyncIterator[Progress]:
        """The progress now and at every change, until the operation is terminal, or until its
        verdict is final.

        Goes on from the ledger when the hash is gone or Redis is away.
        """
        last = await self.progress(operation_id)
        yield last
        while not last.state.terminal:
            try:
                async for progress in self._progress.changes(operation_id):
                    if progress != last and progress.completed >= last.completed:
                        yield (last := progress)
            except StoreUnavailable:
                pass
            if not last.state.terminal:
                await asyncio.sleep(_POLL_SECONDS)
                operation = await self.operation(operation_id)
                yield (last := progress_of(operation, self._clock.now()))
        while until_verdict and self._is_observed(last):
            await asyncio.sleep(_POLL_SECONDS)
            fresh = progress_of(await self.operation(operation_id), self._clock.now())
            if fresh != last or not self._is_observed(fresh):
                yield (last := fresh)

    def _is_observed(self, progress: Progress) -> bool:
        phase = phase_of(progress, self._clock.now(), self.observe_for)
        return phase is OperationPhase.OBSERVING

    async def judgement(self, operation_id: OperationId) -> Judgement:
        """An operation's verdict, and how it came about. Raises OperationNotFound."""
        operation = await self.operation(operation_id)
        return await read_judgement(self._reading, operation, self._clock.now(), self.observe_for)

    async def summary(self) -> Summary:
        """The state of everything, all of one moment."""
        now = self._clock.now()
        followers = await self._followers(now)
        return await self._reading.snapshot(lambda ledger: read_summary(ledger, followers, now))

    async def incident(self, span: timedelta, step: timedelta) -> Incident:
        """The summary with what fails and how it went, all of one moment."""
        now = self._clock.now()
        followers = await self._followers(now)
        return await self._reading.snapshot(
            lambda ledger: read_incident(ledger, followers, now, span, step)
        )

    async def standing(self) -> Standing:
        """The counts, the open operations and the followers' lag: cheap enough for every page."""
        followers = await self._followers(self._clock.now())
        return await self._reading.snapshot(lambda ledger: read_standing(ledger, followers))

    async def _followers(self, now: datetime) -> list[FollowerLag]:
        return await read_followers(self._reports, self._engines, now)

    async def apps(self, cursor: str | None, limit: int) -> Page[App]:
        return await self._reading.apps(cursor, limit)

    async def app(self, app_id: AppId) -> App:
        app = await self._reading.app(app_id)
        if app is None:
            raise AppNotFound(app_id=app_id)
        return app

    async def name_app(self, app_id: AppId, display_name: str, actor: Actor) -> App:
        """Give an app a display name. Raises AppNotFound."""
        app = await self._accounts.name_app(app_id, display_name, actor)
        if app is None:
            raise AppNotFound(app_id=app_id)
        return app

    async def note_group(self, group_id: GroupId, note: str, actor: Actor) -> GroupDetail:
        """Keep a note with a group. Raises GroupNotFound."""
        if not await self._accounts.note_group(group_id, note, actor):
            raise GroupNotFound(group_id=group_id)
        return await self.group(group_id)

    async def entries(
        self, entry_filter: EntryFilter, cursor: str | None, limit: int, oldest_first: bool
    ) -> Page[Entry]:
        return await self._reading.entries(entry_filter, cursor, limit, oldest_first)

    async def entry(self, entry_id: EntryId) -> EntryDetail:
        detail = await self._reading.entry(entry_id)
        if detail is None:
            raise EntryNotFound(f"There is no entry {entry_id}. Nothing was changed.")
        return detail

    async def job_status(self, entry: Entry) -> JobStatus | None:
        """Where the entry's job is right now; None when its queue system cannot be reached."""
        engine = self._engines.get(entry.source)
        if engine is None:
            return None
        try:
            (status,) = await engine.statuses(entry.queue, [entry.job_id])
        except EngineUnavailable:
            return None
        return status

    async def operations(
        self,
        state: OperationState | None,
        app_id: AppId | None,
        cursor: str | None,
        limit: int,
    ) -> Page[Operation]:
        return await self._reading.operations(state, app_id, cursor, limit)

    async def operation(self, operation_id: OperationId) -> Operation:
        operation = await self._operations.operation(operation_id)
        if operation is None:
            raise OperationNotFound(operation_id=operation_id)
        return operation

    async def pace(self, operation: Operation) -> Pace | None:
        """How fast an operation goes right now; None where only its runner knows it and has not
        said so."""
        if operation.state is not OperationState.RUNNING:
            return progress_of(operation, self._clock.now()).pace
        progress = await self.progress(operation.operation_id)
        return progress.pace if progress.state is OperationState.RUNNING else None

    async def tried(self, operation: Operation) -> Tried:
        """What an operation's canary has handed over so far, and what became of it."""
        if operation.canary is None or operation.canary is CanaryState.PASSED:
            return Tried()
        return await self._operations.tried(operation)

    async def items(
        self,
        operation_id: OperationId,
        state: ItemState | None,
        cursor: str | None,
        limit: int,
        outcome: Outcome | None = None,
        same_way: bool | None = None,
    ) -> Page[Item]:
        """The items of an operation, as the ledger's ``items``. Raises OperationNotFound."""
        await self.operation(operation_id)
        return await self._reading.items(operation_id, state, cursor, limit, outcome, same_way)

    async def queues(self) -> list[QueueCounts]:
        """Every watched queue with its counts; one line with the problem for a source that
        cannot be reached."""
        found: list[QueueCounts] = []
        for source, engine in self._engines.items():
            try:
                found += [await engine.counts(queue) for queue in await engine.queues()]
            except EngineUnavailable as error:
                found.append(
                    QueueCounts(
                        source=source, queue="*", counts={}, paused=False, problem=str(error)
                    )
                )
        return found

    async def jobs(
        self, source: str | None, queue: str, state: JobState, cursor: str | None, limit: int
    ) -> Page[JobSummary]:
        """Jobs of one state. Raises QueueNotFound, EngineUnavailable, BadCursor."""
        if cursor == "":
            raise BadCursor(cursor=cursor)  # to an engine it is the beginning
        for name, engine in self._engines.items():
            if source in (None, name) and queue in await engine.queues():
                return await engine.jobs(queue, state, cursor or "", limit)
        raise QueueNotFound(queue=queue)

    async def audit_trail(
        self, cursor: str | None, limit: int, audit_filter: AuditFilter | None = None
    ) -> Page[AuditEntry]:
        return await self._accounts.audit_trail(cursor, limit, audit_filter)

    async def tallies(self) -> list[OperationTally]:
        return await self._reading.tallies()

    async def pruned(self) -> Mapping[Prunable, int]:
        return await self._reading.pruned()

    async def ready(self) -> Mapping[str, bool]:
        """Whether each component can be reached: ``ledger``, ``redis``, ``source:{name}``."""
        components = {"ledger": await self._reading.reachable()}
        try:
            await self._reports.read()
            components["redis"] = True
        except StoreUnavailable:
            components["redis"] = False
        for name, engine in self._engines.items():
            try:
                await engine.check()
                components[f"source:{name}"] = True
            except EngineUnavailable:
                components[f"source:{name}"] = False
        return components
