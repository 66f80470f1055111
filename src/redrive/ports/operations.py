"""The ledger, the queue and the progress of operations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from redrive.domain import (
    Actor,
    Batch,
    Operation,
    OperationId,
    OperationState,
    Payload,
    Progress,
    Settlement,
    StartRequest,
)
from redrive.ports.steering import SteeringLedger


class OperationLedger(SteeringLedger, Protocol):
    """The ledger's side of the operation protocol. One method is one transaction.

    Raises LedgerUnavailable when the store cannot be reached or stays locked; nothing has
    changed then, unless the store went away before it confirmed the change. Every method but the
    starts may be called again with the same arguments.

    A method that takes an Operation acts under its ``runner_epoch``: if another runner has taken
    the operation over, nothing changes and StaleRunner is raised.
    """

    async def start_bulk(self, request: StartRequest) -> tuple[Operation, bool]:
        """Freeze the selection, count it, insert the operation.

        Returns the operation and whether it is new: the same idempotency key by the same actor
        answers with the operation it started. Raises AppNotFound, NothingToDo,
        OperationOverlap, IdempotencyMismatch. One over more entries than a second person has to
        approve is paused from the start, by ``approval``.
        """

    async def start_single(self, request: StartRequest) -> tuple[Operation, Batch]:
        """Insert an operation of one, running, with its entry claimed as batch 1.

        Raises EntryNotFound, WrongState. Of two calls at once for one entry, one wins.
        """

    async def take_over(self, operation_id: OperationId) -> Operation | None:
        """Raise the runner epoch of an open operation; a queued one is running then.

        None if the operation is unknown, terminal or paused.
        """

    async def claim(self, operation: Operation, limit: int) -> Batch | None:
        """Claim the next entries in the order they failed: ``limit`` at most, and fewer where
        their data is large (BATCH_BYTES). None when the selection is done, or the operation is
        cancelling, paused or to be paused."""

    async def unsettled(self, operation: Operation) -> list[Batch]:
        """The batches that are claimed and not settled, each under its own number."""

    async def payload(self, entry_pk: int) -> tuple[str, Payload | None]:
        """The job name and, if it was kept, the payload of an entry."""

    async def failed_since(self, entry_pk: int) -> datetime:
        """When an entry's job had surely failed: its finish time or, where the worker's clock is
        ahead, when the ledger heard of it."""

    async def settle(
        self, operation: Operation, batch: Batch, settlements: Sequence[Settlement]
    ) -> Operation:
        """Give items and entries their state and reason; returns the operation's new counts.

        A batch that is settled already stays as it is.
        """

    async def release(self, operation: Operation, batch: Batch, engine_away: bool) -> Operation:
        """Give a claimed batch back: its entries are as they were, error intact."""

    async def finish(
        self, operation: Operation, state: OperationState, error: str | None
    ) -> Operation:
        """Make the operation terminal; it keeps all its counts. Said again by the same runner, it
        answers with the operation as that left it. Raises StaleRunner.

        If an undo is wanted of which ``operation`` does not know yet, or anything of it is claimed
        and not settled, nothing changes and the operation is answered as it is, still open.
        """

    async def request_cancel(
        self, operation_id: OperationId, actor: Actor, *, undo: bool = False
    ) -> Operation:
        """Ask the runner to stop: running becomes cancelling; queued and paused become cancelled at
        once, because nothing of them is in hand.

        With ``undo`` also to take back what was moved and has not started. An operation that is
        over is opened again for that, as cancelling, while something that it moved is waiting.

        Raises OperationNotFound; OperationFinished, or with ``undo`` NothingToTakeBack. A second
        request changes nothing.
        """

    async def operation(self, operation_id: OperationId) -> Operation | None:
        """The operation with its counts, or None."""

    async def open_operations(self) -> list[Operation]:
        """Every operation that is not terminal, oldest first."""

    async def release_loose(self) -> int:
        """Give back entries that are claimed by an operation which is over or unknown.

        There are none unless the ledger was restored from a backup; returns how many.
        """


class ProgressStore(Protocol):
    """The fast view of an operation's progress, gone an hour after its last change.

    Raises StoreUnavailable when it cannot be reached.
    """

    async def write(self, progress: Progress) -> None:
        """Set all counters in one step and tell listeners. Counts of the same operation never
        go down: an older state that arrives late changes nothing."""

    async def read(self, operation_id: OperationId) -> Progress | None:
        """The progress, or None where it has expired."""

    def changes(self, operation_id: OperationId) -> AsyncIterator[Progress]:
        """The progress now and at every change, until the operation is terminal."""


class OperationQueue(Protocol):
    """Hands open operations to the runners. Raises StoreUnavailable."""

    async def put(self, operation_id: OperationId, turn: int = 0) -> None:
        """Make sure that a runner gets the operation; twice in one turn is as good as once."""
