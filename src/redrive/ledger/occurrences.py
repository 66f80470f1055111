"""What a new failure of an entry means, told from the entry's row as it was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from redrive.domain import (
    DROPPED_AT_ONCE,
    AppId,
    EntryState,
    Failure,
    OperationId,
    Stamp,
)
from redrive.ledger.early import (
    COMPLETED,
    FAILED_AFTER_MOVE,
    FAILED_AS_ANNOUNCED,
    FAILED_BEFORE_MOVE,
)
from redrive.ledger.moves import GroupNews
from redrive.ledger.outcomes import FAILED_AGAIN, Attribution
from redrive.ports import EntryVersion, Seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Occurrence:
    """A failure that is new: its number, its group, and its entry's row as it was (None: there was
    none)."""

    failure: Failure
    seq: int
    group_pk: int
    row: Row[Any] | None

    @property
    def is_claimed(self) -> bool:
        return self.row is not None and self.row.state == EntryState.CLAIMED


def news_of_groups(occurrences: Sequence[Occurrence]) -> dict[int, GroupNews]:
    """What is new of each group."""
    of_group: defaultdict[int, list[Occurrence]] = defaultdict(list)
    for one in occurrences:
        of_group[one.group_pk].append(one)
    news = {}
    for group_pk, found in of_group.items():
        newest = max(found, key=lambda one: (one.failure.failed_at, one.seq))
        news[group_pk] = GroupNews(
            failures=len(found),
            first_at=min(one.failure.failed_at for one in found),
            last_at=newest.failure.failed_at,
            newest_seq=newest.seq,
        )
    return news


def job_name_of(row: Row[Any] | None, failure: Failure) -> str:
    """An event does not tell the job's name."""
    return row.job_name if row is not None and failure.event_only else failure.job_name


def same_failures(row: Row[Any], one: Occurrence) -> int:
    """How many times in a row the entry failed the same way after it was handed over."""
    if one.group_pk != row.group_pk:
        return 0
    return int(row.same_failures) + _was_handed_over(row, one.failure)


def _was_handed_over(row: Row[Any], failure: Failure) -> bool:
    """Whether the entry's last hand-over lies between its failure before and this one. Of a
    claimed entry that is only known if the job carries the claim's stamp; its settle learns the
    rest."""
    if row.state == EntryState.CLAIMED:
        return _is_of_claim(row, failure)
    was_moved = row.moved_at is not None and row.state != EntryState.FAILED
    return was_moved and _hand_over(row, failure) == _last_hand_over(row)


def app_after(row: Row[Any], failure: Failure) -> AppId:
    """The app of an entry that failed again: another one if its job id was used anew. A claimed
    entry keeps its app, under which its operation counts it; an event does not tell the app."""
    keeps = failure.event_only or row.state == EntryState.CLAIMED
    return AppId(row.app_id) if keeps else failure.app_id


def is_new(row: Row[Any], failure: Failure) -> bool:
    """Whether a known entry's failure is another occurrence.

    Finish times come from workers' clocks, so a later run may carry an earlier time: any other
    time is another run. The time of an event is not a finish time: it is compared with the
    hand-over instead, and says nothing new about an entry that is failed already.
    """
    if failure.event_only:
        if row.state == EntryState.DISMISSED:
            # Told of late: it is the very failure that was dismissed.
            return bool(failure.failed_at > row.heard_at)
        moved_before = row.moved_at is None or failure.failed_at >= row.moved_at
        told_before = row.failed_at == failure.failed_at
        return row.state != EntryState.FAILED and moved_before and not told_before
    return bool(row.failed_at != failure.failed_at)


def version_of(row: Row[Any]) -> EntryVersion:
    """The version of an entry's row."""
    return EntryVersion(EntryState(row.state), row.generation, row.failure_seq, row.selectable_seq)


def is_outdated(row: Row[Any], failure: Failure, seen: Seen | None) -> bool:
    """Whether something became of the entry since the failure was read, so that it may be one from
    before. What was only announced was not read: its time tells (see :func:`is_new`)."""
    if seen is None or failure.event_only:
        return False
    if isinstance(seen, int):
        return bool(row.failure_seq > seen)
    return seen.get(failure.job_id) != version_of(row)


def _hand_over(row: Row[Any], failure: Failure) -> Stamp | None:
    """The hand-over that a job's stamp names. An event has none; it is only taken in if it is
    younger than the entry's last hand-over, so it belongs to that one."""
    return (_last_hand_over(row) if failure.event_only else None) or failure.stamp


def _last_hand_over(row: Row[Any]) -> Stamp | None:
    if row.operation_id is None:
        return None
    return Stamp(operation_id=OperationId(row.operation_id), generation=row.generation)


def verdict_of(row: Row[Any], one: Occurrence) -> Attribution | None:
    """What a new occurrence says of the hand-over that it came after, if any: it failed again."""
    stamp = _hand_over(row, one.failure)
    if stamp is None:
        return None
    return Attribution(
        entry_pk=row.id,
        operation_id=stamp.operation_id,
        generation=stamp.generation,
        outcome=FAILED_AGAIN,
        at=one.failure.failed_at,
        same_way=_same_way(row, one),
        failed_before=row.failed_at,
    )


def _same_way(row: Row[Any], one: Occurrence) -> bool | None:
    """Whether an entry failed as it did before; None where that is not known.

    What was only announced came without a stack trace, so that it compares with its like alone.
    """
    announced_before = row.defect == DROPPED_AT_ONCE
    if row.group_pk is None or announced_before != one.failure.event_only:
        return None
    return bool(one.group_pk == row.group_pk)


def early_same_way(row: Row[Any], one: Occurrence) -> bool | None:
    """The same of a claimed entry, whose first failure after the hand-over is the one that counts.

    Where the first one did not tell that it came after, nobody knows which of them did.
    """
    if row.early_outcome == FAILED_AFTER_MOVE:
        first: bool | None = row.early_same_way
        return first
    told_nothing = row.early_outcome in (FAILED_BEFORE_MOVE, FAILED_AS_ANNOUNCED)
    return None if told_nothing else _same_way(row, one)


def early(row: Row[Any], failure: Failure) -> tuple[str, datetime]:
    """What is known of a claimed entry's job now: whether it failed after the hand-over of this
    very claim, or that it has completed since, where the failure was only announced late."""
    if failure.event_only and row.early_outcome == COMPLETED and row.early_at > failure.failed_at:
        return row.early_outcome, row.early_at
    if _is_of_claim(row, failure):
        return FAILED_AFTER_MOVE, failure.failed_at
    return FAILED_AS_ANNOUNCED if failure.event_only else FAILED_BEFORE_MOVE, failure.failed_at


def _is_of_claim(row: Row[Any], failure: Failure) -> bool:
    """Whether a claimed entry's failure carries the stamp of that very claim."""
    return failure.stamp is not None and failure.stamp == _last_hand_over(row)


def brought_anew(one: Occurrence, now: datetime) -> dict[str, Any]:
    """What every occurrence brings anew."""
    failure = one.failure
    return {
        "failure_seq": one.seq,
        "selectable_seq": one.seq,
        "group_pk": one.group_pk,
        "failed_at": failure.failed_at,
        "heard_at": now,
        "started_at": failure.started_at,
        "error_type": failure.error_type,
        "error_message": failure.error_message,
        "attempts_made": failure.attempts_made,
        "defect": failure.defect,
    }
