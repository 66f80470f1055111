"""What operators decide about entries, kept by the ledger."""

from __future__ import annotations

from typing import Protocol

from redrive.domain import Entry, Operation, Plan, PlanRequest, PlanStart, StartRequest


class TriageLedger(Protocol):
    """Plans, and dismissals that are taken back. One method is one transaction, but for plan.

    Raises LedgerUnavailable; nothing has changed then.
    """

    async def plan(self, request: PlanRequest) -> Plan:
        """Freeze what the filter selects now, whatever its states say: the entries that a bulk
        operation of the kind takes.

        No entry changes. The selection and its total are of one moment; what else the plan tells
        is read from it right afterwards. A crash in between leaves a plan of which nobody has the
        token. A plan that selects nothing is told and not kept. Every call makes another plan.
        Raises LimitsOfDismissal.
        """

    async def start_plan(self, start: PlanStart) -> tuple[Operation, bool]:
        """Insert an operation over exactly what the plan selected; its cost does not depend on how
        much that is.

        Returns the operation and whether it is new: the same token with the same idempotency key
        answers with the operation it started, and any other token with that key, be it of no plan,
        is an IdempotencyMismatch that names it. Raises PlanNotFound, PlanOfAnother, PlanUsed,
        PlanExpired, OperationOverlap, IdempotencyMismatch, BadControls, LimitsOfDismissal.
        """

    async def forget_plans(self, limit: int) -> int:
        """Remove up to ``limit`` rows of the selection of one plan that has expired unused, or
        whose operation is over; the plan goes with its last ones. Returns 0 when none is left.

        Several may do so at once. A plan that is open is never touched.
        """

    async def restore(self, request: StartRequest) -> Entry:
        """Make a dismissed entry failed again, as it was. Raises EntryNotFound, WrongState."""
