"""The ledger's side of steering an operation: pause, resume, its limits, its canary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from redrive.domain import Actor, CanaryState, Operation, OperationId


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """What the canary handed over, and what became of it."""

    handed_over: int = 0
    recovered: int = 0
    failed_again: int = 0

    @property
    def without_outcome(self) -> int:
        return self.handed_over - self.recovered - self.failed_again


class SteeringLedger(Protocol):
    """One method is one transaction; what changes is audited, before and after.

    A method that takes an Operation is its runner's and acts under its ``runner_epoch``: if
    another runner has taken the operation over, nothing changes and StaleRunner is raised. Every
    method may be called again with the same arguments.
    """

    async def request_pause(
        self, operation_id: OperationId, actor: Actor, reason: str
    ) -> Operation:
        """Pause a queued operation at once; ask the runner of a running one to pause it, and let
        no claim start after this.

        One that is paused, or asked to pause, stays as it is. Raises OperationNotFound,
        OperationFinished; CannotPause for one that is being cancelled or acts on a single entry.
        """

    async def pause(self, operation: Operation, by: str | None, reason: str) -> Operation:
        """Pause a running operation of which nothing is in hand.

        ``by`` is ``canary`` or ``guard``; None: as an operator asked, unless that was taken back
        meanwhile. Returns the operation as it is then: paused, or in another state because a
        cancel or a resume came first.
        """

    async def resume(self, operation_id: OperationId, actor: Actor) -> Operation:
        """Queue a paused operation again; take a pause back that its runner has not come to.

        After a canary or a guard has paused it the next run begins with a canary. One that waits
        for approval is approved by this: ApprovalNeeded is raised to who started it, and to who
        is not signed in. Raises OperationNotFound, OperationFinished, NotPaused.
        """

    async def change_controls(
        self, operation_id: OperationId, actor: Actor, changes: Mapping[str, Any]
    ) -> Operation:
        """Replace some of the fields of an open operation's Controls; None takes a limit away.

        A canary that was not there or is another one begins from where the operation is. What
        waits for approval is approved as it was started: WaitsForApproval. Raises
        OperationNotFound, OperationFinished, BadControls.
        """

    async def move_canary(
        self, operation: Operation, to: CanaryState, until: datetime | None = None
    ) -> Operation:
        """Bring the canary on: PENDING begins it from what is claimed so far, WAITING waits for
        outcomes ``until`` then, PASSED ends it."""

    async def tried(self, operation: Operation) -> Tried:
        """What was handed over since the canary began; its items alone are looked at."""
