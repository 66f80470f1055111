"""What a new failure says of the hand-overs that came before it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from redrive.domain import (
    DROPPED_AT_ONCE,
    LIVE_STATES,
    Failure,
    OperationId,
    Outcome,
    Stamp,
)
from redrive.ledger.outcomes import FAILED_AGAIN, VANISHED, Attribution
from redrive.ledger.settling import FAILED_AFTER_MOVE, FAILED_BEFORE_MOVE


def _hand_over(row: Row[Any], failure: Failure) -> Stamp | None:
    """The hand-over that a job's stamp names. An event has none; it is only taken in if it is
    younger than the entry's last hand-over, so it belongs to that one."""
    return (_last_hand_over(row) if failure.event_only else None) or failure.stamp


def _last_hand_over(row: Row[Any]) -> Stamp | None:
    if row.operation_id is None:
        return None
    return Stamp(operation_id=OperationId(row.operation_id), generation=row.generation)


def attributions_of(row: Row[Any], failure: Failure, group_pk: int) -> list[Attribution]:
    """What a new occurrence, of a group, says of hand-overs: the one it came after failed again.

    If the job was still out under another one, nothing is left of that: its queue's store lost it
    together with all that came of it, or somebody put another job under the id.
    """
    own = _last_hand_over(row)
    after = _hand_over(row, failure)
    same_way = _same_way(row, failure, group_pk)
    verdicts = [] if after is None else [_verdict(row, failure, after, FAILED_AGAIN, same_way)]
    if own is not None and own != after and row.state in LIVE_STATES:
        verdicts.append(_verdict(row, failure, own, VANISHED, None))
    return verdicts


def _verdict(
    row: Row[Any], failure: Failure, stamp: Stamp, outcome: Outcome, same_way: bool | None
) -> Attribution:
    return Attribution(
        entry_pk=row.id,
        operation_id=stamp.operation_id,
        generation=stamp.generation,
        outcome=outcome,
        at=failure.failed_at,
        same_way=same_way,
        failed_before=row.failed_at,
    )


def _same_way(row: Row[Any], failure: Failure, group_pk: int) -> bool | None:
    """Whether an entry failed as it did before; None where that is not known.

    What was only announced came without a stack trace, so that it compares with its like alone.
    """
    announced_before = row.defect == DROPPED_AT_ONCE
    if row.group_pk is None or announced_before != failure.event_only:
        return None
    return bool(group_pk == row.group_pk)


def early_same_way_of(row: Row[Any], failure: Failure, group_pk: int) -> bool | None:
    """The same of a claimed entry, whose first failure after the hand-over is the one that counts.

    Where the first one did not tell that it came after, nobody knows which of them did.
    """
    if row.early_outcome == FAILED_AFTER_MOVE:
        first: bool | None = row.early_same_way
        return first
    if row.early_outcome == FAILED_BEFORE_MOVE:
        return None
    return _same_way(row, failure, group_pk)


def early_outcome_of(row: Row[Any], failure: Failure) -> str:
    """Whether a claimed entry's job failed after the hand-over of this very claim."""
    stamp = failure.stamp
    moved = stamp is not None and (stamp.operation_id, stamp.generation) == (
        row.operation_id,
        row.generation,
    )
    return FAILED_AFTER_MOVE if moved else FAILED_BEFORE_MOVE
