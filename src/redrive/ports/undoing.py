"""The ledger's side of taking back what an operation has moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from redrive.domain import Operation, TakeBackResult, UndoBatch


class UndoLedger(Protocol):
    """One method is one transaction, under the operation's ``runner_epoch``; each may be called
    again with the same arguments. Raises LedgerUnavailable, StaleRunner.

    Only of an operation that is cancelling and whose undo is wanted
    (:meth:`redrive.ports.OperationLedger.request_cancel`).
    """

    async def claim_moved(
        self, operation: Operation, before_seq: int | None, limit: int
    ) -> UndoBatch | None:
        """Claim the newest entries that were moved in one batch and of whose jobs nothing has
        been heard; None where there are none.

        A batch that is claimed and not settled is given again, under its own number, whatever
        ``before_seq``. Otherwise only entries before it, in the order of their failures, are
        looked at: an undo goes through an operation once, from its end. Their items stay
        requeued until they are settled.
        """

    async def settle_moved(
        self, operation: Operation, batch: UndoBatch, results: Mapping[int, TakeBackResult]
    ) -> Operation:
        """What became of the entries, by their number: taken back ones are as they were before
        the hand-over, their error intact, and their items released; the others are queued, or
        what was heard of them meanwhile. Returns the operation's new counts.

        The taken back can be selected by an operation that starts after this. A batch that is
        settled already stays as it is.
        """
