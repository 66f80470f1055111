"""The ledger's sides on one database, with short true ways into every starting state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import select, update

from redrive.domain import (
    NO_CONTROLS,
    Actor,
    Answer,
    AppId,
    Batch,
    Controls,
    Entry,
    EntryFilter,
    EntryState,
    Failure,
    Item,
    JobId,
    JobOutcome,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    Plan,
    PlanRequest,
    PlanStart,
    Scope,
    Settlement,
    StartRequest,
)
from redrive.ledger import (
    Database,
    SqlAccounts,
    SqlFollowerLedger,
    SqlOperationLedger,
    SqlReadingLedger,
    SqlTriageLedger,
)
from redrive.ledger.schema import entries, metadata, operations
from redrive.ports import DriftVerdict
from redrive.testing import ManualClock
from tests.support.counts import check_counts
from tests.support.factories import (
    ADA,
    AT,
    QUEUE,
    SOURCE,
    active,
    completed,
    failure,
    id_of,
    later,
)
from tests.support.judged import check_outcomes

Rows = dict[str, list[tuple[object, ...]]]
ALL = Scope.everything()


def app_scope(app: str) -> Scope:
    return Scope.of_app(AppId(app))


def request(scope: Scope, kind: OperationKind = OperationKind.RETRY, **values: Any) -> StartRequest:
    return StartRequest(kind=kind, scope=scope, actor=values.pop("actor", ADA), **values)


def results(batch: Batch, answer: Answer, at: float = 10, detail: str = "") -> list[Settlement]:
    """One and the same answer for every entry of a batch."""
    return [
        Settlement(entry_pk=entry.entry_pk, answer=answer, at=later(at), detail=detail)
        for entry in batch.entries
    ]


class Books:
    """A ledger whose clock stands at the test's beginning until it is moved."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = ManualClock(AT)
        self.operations = SqlOperationLedger(database, self.clock)
        self.triage = SqlTriageLedger(database, self.clock)
        self.following = SqlFollowerLedger(database, self.clock)
        self.reading = SqlReadingLedger(database)
        self.accounts = SqlAccounts(database, self.clock)

    async def fail(self, *job_ids: str, app: str = "acme", at: float = 0, **values: Any) -> None:
        """Jobs fail one after the other, and are taken in together."""
        await self.take_in(
            *(failure(job_id, app, at + number, **values) for number, job_id in enumerate(job_ids))
        )

    async def take_in(self, *failures: Failure) -> list[Operation]:
        changed = await self.following.record_failures(SOURCE, QUEUE, failures, None)
        assert changed is not None
        return changed

    async def hear(self, *outcomes: JobOutcome) -> list[Operation]:
        before = (await self.following.cursors(SOURCE, "outcomes")).get(QUEUE, "")
        changed = await self.following.record_outcomes(
            SOURCE, QUEUE, outcomes, (before, f"{before}+")
        )
        assert changed is not None
        return changed

    async def drift(
        self, job_id: str, to_state: EntryState, reason: str = "found so"
    ) -> list[Operation]:
        """A verdict of the drift check about the entry as it is now."""
        return await self.following.record_drift([await self.verdict(job_id, to_state, reason)])

    async def verdict(
        self, job_id: str, to_state: EntryState, reason: str = "found so"
    ) -> DriftVerdict:
        version = (await self.following.versions(SOURCE, QUEUE, [JobId(job_id)]))[JobId(job_id)]
        return DriftVerdict(
            entry_pk=await self.pk(job_id),
            failure_seq=version.failure_seq,
            generation=version.generation,
            from_state=version.state,
            to_state=to_state,
            reason=reason,
        )

    async def start(
        self,
        scope: Scope = ALL,
        kind: OperationKind = OperationKind.RETRY,
        actor: Actor = ADA,
        **values: Any,
    ) -> Operation:
        """A new bulk operation, still queued."""
        operation, new = await self.operations.start_bulk(
            request(scope, kind, actor=actor, **values)
        )
        assert new
        return operation

    async def begin(
        self, scope: Scope = ALL, kind: OperationKind = OperationKind.RETRY
    ) -> Operation:
        """A new bulk operation that a runner has taken."""
        return await self.take_over((await self.start(scope, kind)).operation_id)

    async def plan(
        self,
        kind: OperationKind = OperationKind.RETRY,
        actor: Actor = ADA,
        *,
        include_repeated: bool = False,
        controls: Controls = NO_CONTROLS,
        **narrowed: Any,
    ) -> Plan:
        """A plan over the entries that fit, all of them where nothing is said."""
        return await self.triage.plan(
            PlanRequest(
                kind=kind,
                entry_filter=EntryFilter(**narrowed),
                actor=actor,
                include_repeated=include_repeated,
                controls=controls,
            )
        )

    async def start_plan(self, plan: Plan, actor: Actor = ADA, **values: Any) -> Operation:
        """A new operation over the plan's selection, still queued."""
        assert plan.plan_token is not None
        operation, new = await self.triage.start_plan(
            PlanStart(plan_token=plan.plan_token, actor=actor, **values)
        )
        assert new
        return operation

    async def begin_plan(
        self, kind: OperationKind = OperationKind.RETRY, **narrowed: Any
    ) -> Operation:
        """A planned operation that a runner has taken."""
        started = await self.start_plan(await self.plan(kind, **narrowed))
        return await self.take_over(started.operation_id)

    async def set_entry(self, job_id: str, **values: Any) -> None:
        """Give an entry a past that would take many failures."""
        pk = await self.pk(job_id)
        await self.database.write(
            lambda connection: connection.execute(
                update(entries).where(entries.c.id == pk).values(**values)
            )
        )

    async def take_over(self, operation_id: OperationId) -> Operation:
        taken = await self.operations.take_over(operation_id)
        assert taken is not None
        return taken

    async def claim(self, operation: Operation, limit: int = 100) -> Batch:
        batch = await self.operations.claim(operation, limit)
        assert batch is not None
        return batch

    async def single(
        self,
        job_id: str,
        kind: OperationKind = OperationKind.RETRY,
        *,
        app: str = "acme",
        actor: Actor = ADA,
    ) -> tuple[Operation, Batch]:
        scope = Scope.of_entry(AppId(app), id_of(job_id))
        return await self.operations.start_single(request(scope, kind, actor=actor))

    async def requeue_one(self, job_id: str, at: float = 10, app: str = "acme") -> Operation:
        """Retry one failed entry to the end: it is queued then."""
        operation, batch = await self.single(job_id, app=app)
        return await self.complete(operation, batch, Answer.REQUEUED, at)

    async def complete(
        self, operation: Operation, batch: Batch, answer: Answer, at: float = 10
    ) -> Operation:
        """Settle the batch with one answer and end the operation."""
        await self.operations.settle(operation, batch, results(batch, answer, at))
        return await self.operations.finish(operation, OperationState.COMPLETED, None)

    async def make(self, state: EntryState, job_id: str, app: str = "acme") -> None:
        """Bring a new entry into a state; what was handed over was handed over at 10 seconds."""
        await self.fail(job_id, app=app)
        if state in (EntryState.VANISHED, EntryState.DISMISSED):
            await self.drift(job_id, state)
        elif state is EntryState.CLAIMED:
            await self.single(job_id, app=app)
        elif state is not EntryState.FAILED:
            await self.requeue_one(job_id, app=app)
        if state is EntryState.ACTIVE:
            await self.hear(active(job_id, 11))
        elif state is EntryState.RECOVERED:
            await self.hear(completed(job_id, 12))
        assert (await self.entry(job_id)).state is state

    async def entry(self, job_id: str, queue: str = QUEUE) -> Entry:
        detail = await self.reading.entry(id_of(job_id, queue))
        assert detail is not None, f"the ledger does not know {job_id}"
        return detail.entry

    async def pk(self, job_id: str) -> int:
        rows = await self.database.rows(
            select(entries.c.id).where(entries.c.entry_id == id_of(job_id))
        )
        return int(rows[0].id)

    async def states(self) -> dict[JobId, EntryState]:
        page = await self.reading.entries(EntryFilter(), None, 500, oldest_first=True)
        return {entry.job_id: entry.state for entry in page.items}

    async def operation(self, operation: Operation) -> Operation:
        """The operation as it is now."""
        found = await self.operations.operation(operation.operation_id)
        assert found is not None
        return found

    async def audited(self) -> list[tuple[str, str, str, str]]:
        """Action, actor, reason and result of audit rows, newest first."""
        rows = (await self.accounts.audit_trail(None, 20)).items
        return [(row.action, row.actor, row.reason, row.result) for row in rows]

    async def changed(self) -> tuple[Any, Any]:
        """What the newest audit row says was changed, before and after."""
        (row,) = (await self.accounts.audit_trail(None, 1)).items
        return row.before, row.after

    async def items(self, operation: Operation) -> list[Item]:
        return (await self.reading.items(operation.operation_id, None, None, 500)).items

    async def item(self, operation: Operation, job_id: str) -> Item:
        """The one item that the entry has in the operation."""
        (found,) = [item for item in await self.items(operation) if item.job_id == job_id]
        return found

    async def totals(self) -> dict[EntryState, int]:
        """Entries by state, without the states that nobody is in."""
        return {state: n for state, n in (await self.reading.totals()).items() if n}

    async def rows(self) -> Rows:
        """Everything that is in the ledger. Sequence numbers may be spent for nothing."""
        found: Rows = {}
        for table in metadata.sorted_tables:
            if table.name != "sequences":
                rows = await self.database.rows(select(table))
                found[table.name] = sorted((tuple(row) for row in rows), key=repr)
        return found

    async def check_counts(self) -> None:
        """The counters of apps, groups and operations are what a count of what they count says."""
        await check_counts(self.database)
        await check_outcomes(self.database)

    async def end_by_force(self, operation: Operation, state: OperationState) -> None:
        """Over though something of it is claimed, as no ledger leaves it."""

        async def work(connection: Any) -> None:
            await connection.execute(
                update(operations)
                .where(operations.c.operation_id == operation.operation_id)
                .values(state=state, finished_at=self.clock.now())
            )

        await self.database.write(work)

    async def lose_operation_of(self, job_id: str) -> None:
        """Claimed by an operation that nobody knows, as after a restored backup."""

        async def work(connection: Any) -> None:
            await connection.execute(
                update(entries)
                .where(entries.c.entry_id == id_of(job_id))
                .values(operation_id="op_lost")
            )

        await self.database.write(work)


async def changes_nothing(books: Books, call: Callable[[], Awaitable[object]]) -> None:
    """Assert that the call leaves every table as it was."""
    before = await books.rows()
    await call()
    assert await books.rows() == before


def job_ids(batch: Batch | None) -> list[str]:
    assert batch is not None
    return [entry.job_id for entry in batch.entries]


def named(items: Sequence[Item]) -> dict[str, tuple[str, str | None, str | None]]:
    """State, reason and outcome of items, by job."""
    return {item.job_id: (item.state, item.reason, item.outcome) for item in items}
