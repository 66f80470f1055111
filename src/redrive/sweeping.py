"""The sweep: finds again what the runners' queue has forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from redrive.domain import OperationState, ScopeKind
from redrive.faultpoints import Step, reach
from redrive.ports import OperationLedger
from redrive.recovery import Recovery

log = structlog.get_logger()

_INLINE_AT_MOST = timedelta(seconds=30)


async def sweep(ledger: OperationLedger, recovery: Recovery, now: datetime) -> None:
    """Hand every open operation to the runners again, and give back loose claims.

    For operations whose place in the runners' queue was lost. One that a runner has in hand is
    in the queue already, and stays there once. A single retry that has just begun is left to the
    process that carries it out; one that is paused to whoever resumes it.
    """
    released = await ledger.release_loose()
    reach(Step.SWEEP_RELEASED)
    if released:
        log.warning("loose_claims_released", entries=released)
    for operation in await ledger.open_operations():
        inline = operation.scope.kind is ScopeKind.ENTRY
        if operation.state is OperationState.PAUSED:
            continue
        if not inline or operation.created_at + _INLINE_AT_MOST < now:
            await recovery.enqueue(operation.operation_id, operation.turn)
            reach(Step.SWEEP_ENQUEUED)
