"""A batch on its way: claimed, handed over, settled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from redrive.domain.names import AppId, EntryId, JobId, OperationId
from redrive.domain.states import Answer, EntryState, TakenBack


class ClaimedEntry(NamedTuple):
    """One item in hand: enough for an engine to move the job.

    ``failure_seq`` is of the occurrence that was claimed, whatever the entry has met since. This
    and the other named tuples here are made once per entry, in less than half of a dataclass's
    time.
    """

    entry_pk: int
    failure_seq: int
    entry_id: EntryId
    app_id: AppId
    source: str
    queue: str
    job_id: JobId
    failed_at: datetime
    generation: int
    forgets: bool
    from_state: EntryState
    defect: str | None = None


BATCH_BYTES = 8 * 1024 * 1024
"""A batch ends with the entry whose data brings it to this size, however few they are: a queue's
store does nothing else while it hands a batch over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """A claimed batch of one operation, in hand-over order; ``number`` counts from 1."""

    operation_id: OperationId
    number: int
    entries: tuple[ClaimedEntry, ...]


class RequeueItem(NamedTuple):
    """One job of a :class:`RequeueBatch`; ``failed_at`` names the occurrence to be moved."""

    job_id: JobId
    failed_at: datetime
    generation: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RequeueBatch:
    """The part of a batch that lies in one queue: one script call, one receipt.

    ``mark`` is the value of the re-scan key: true for a retry, false for a resync.
    ``take_finished`` lets completed jobs be moved too (resync). ``low_priority`` puts the jobs
    behind all live traffic.
    """

    queue: str
    operation_id: OperationId
    number: int
    items: tuple[RequeueItem, ...]
    mark: bool
    take_finished: bool
    low_priority: bool = False


class RequeueResult(NamedTuple):
    """What became of one job; ``at`` is the engine's clock at the hand-over."""

    job_id: JobId
    answer: Answer
    at: datetime
    detail: str = ""


class Settlement(NamedTuple):
    """The result for one claimed entry, ready for the ledger."""

    entry_pk: int
    answer: Answer
    at: datetime
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MovedEntry:
    """One entry that an operation has moved and that is to be taken back, if it still waits.

    ``removable``: the operation has created its job anew because its queue had forgotten it, by
    plan, and the ledger can do that again.
    """

    claimed: ClaimedEntry
    moved_at: datetime
    removable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class UndoBatch:
    """Entries of one moved batch (``moved_as``) in the hands of an undo.

    ``number`` is a number of its own among those of the operation's batches.
    """

    operation_id: OperationId
    number: int
    moved_as: int
    entries: tuple[MovedEntry, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TakeBackItem:
    """One job of a :class:`TakeBackBatch`. ``remove``: the operation has created it."""

    job_id: JobId
    generation: int
    remove: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TakeBackBatch:
    """Jobs that batch ``moved_as`` of an operation has moved in one queue, to be taken back.

    ``number`` names the receipt. ``mark`` is the value of the re-scan key that the move has set.
    """

    queue: str
    operation_id: OperationId
    number: int
    moved_as: int
    items: tuple[TakeBackItem, ...]
    mark: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class TakeBackResult:
    """What became of one job; ``at`` is the engine's clock."""

    job_id: JobId
    answer: TakenBack
    at: datetime
    detail: str = ""
