"""The closed sets: states, kinds, answers and reasons."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class EntryState(StrEnum):
    """What the ledger knows about an entry.

    ``failed → claimed → queued → active → recovered | failed``; ``dismissed`` and ``vanished``
    stand beside that line. States and answers are keys once per entry: they hash as the texts that
    they are, without Python's own code for members.
    """

    __hash__ = str.__hash__

    FAILED = "failed"
    CLAIMED = "claimed"
    QUEUED = "queued"
    ACTIVE = "active"
    RECOVERED = "recovered"
    DISMISSED = "dismissed"
    VANISHED = "vanished"


LIVE_STATES = (EntryState.QUEUED, EntryState.ACTIVE)


RECOVERING_STATES = (EntryState.CLAIMED, *LIVE_STATES)
"""In hand, or moved and not yet run to an end."""


OVER_STATES = (EntryState.RECOVERED, EntryState.DISMISSED, EntryState.VANISHED)


SETTLED_STATES = (
    EntryState.FAILED,
    EntryState.RECOVERED,
    EntryState.DISMISSED,
    EntryState.VANISHED,
)


class OperationKind(StrEnum):
    RETRY = "retry"
    RESYNC = "resync"
    DISMISS = "dismiss"


SINGLE_TAKES: Mapping[OperationKind, tuple[EntryState, ...]] = {
    OperationKind.RETRY: (EntryState.FAILED,),
    OperationKind.RESYNC: SETTLED_STATES,
    OperationKind.DISMISS: (EntryState.FAILED,),
}
"""The states from which one entry, named by hand, can be taken."""


BULK_TAKES: Mapping[OperationKind, tuple[EntryState, ...]] = {
    OperationKind.RETRY: (EntryState.FAILED,),
    OperationKind.RESYNC: (EntryState.FAILED, EntryState.RECOVERED),
    OperationKind.DISMISS: (EntryState.FAILED,),
}
"""The states that a bulk operation sweeps up.

A bulk resync leaves out what an operator dismissed and what somebody removed from the queue:
those are taken one by one.
"""


class OperationState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL_STATES


class OperationPhase(StrEnum):
    """An operation's state, or that it observes what becomes of the work it moved."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    PAUSED = "paused"
    OBSERVING = "observing"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


OPEN_STATES = (
    OperationState.QUEUED,
    OperationState.RUNNING,
    OperationState.CANCELLING,
    OperationState.PAUSED,
)


TERMINAL_STATES = (OperationState.COMPLETED, OperationState.CANCELLED, OperationState.FAILED)


class ScopeKind(StrEnum):
    ENTRY = "entry"
    APP = "app"
    ALL = "all"
    FILTER = "filter"


class Answer(StrEnum):
    """What was done with one job of a batch: by an engine, but for DISMISSED, which needs none."""

    __hash__ = str.__hash__

    REQUEUED = "requeued"
    RECREATED = "recreated"
    ALREADY_LIVE = "already_live"
    SUPERSEDED = "superseded"
    NOT_FAILED = "not_failed"
    MISSING = "missing"
    WITHHELD = "withheld"
    ERROR = "error"
    DISMISSED = "dismissed"

    @property
    def moved(self) -> bool:
        return self in (Answer.REQUEUED, Answer.RECREATED)

    @property
    def done(self) -> bool:
        """Whether what was asked for was done."""
        return self.moved or self is Answer.DISMISSED


class TakenBack(StrEnum):
    """What an engine did with one job that was to be taken back."""

    TAKEN_BACK = "taken_back"
    STARTED = "started"
    CHANGED = "changed"
    MISSING = "missing"
    LEFT = "left"
    ERROR = "error"


class ItemState(StrEnum):
    CLAIMED = "claimed"
    REQUEUED = "requeued"
    SKIPPED = "skipped"
    ERRORED = "errored"
    RELEASED = "released"
    DISMISSED = "dismissed"


class Reason(StrEnum):
    """Why an item ended as it did; exactly one per item."""

    REQUEUED = "requeued"
    RECREATED = "recreated"
    ALREADY_LIVE = "already_live"
    SUPERSEDED = "superseded"
    NOT_FAILED = "not_failed"
    MISSING = "missing"
    ERROR = "error"
    CANCELLED = "cancelled"
    TAKEN_BACK = "taken_back"
    ENGINE_AWAY = "engine_away"
    TAKEN_BY_ANOTHER = "taken_by_another"
    FAILED_AGAIN_BEFORE = "failed_again_before"
    RESOLVED_ELSEWHERE = "resolved_elsewhere"
    DISMISSED = "dismissed"


class Outcome(StrEnum):
    """What became of a job after its hand-over."""

    WAITING = "waiting"
    RECOVERED = "recovered"
    FAILED_AGAIN = "failed_again"
    VANISHED = "vanished"


class JobState(StrEnum):
    """Where an engine holds a job right now."""

    WAITING = "waiting"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    DELAYED = "delayed"
    PRIORITIZED = "prioritized"
    PAUSED = "paused"
    WAITING_CHILDREN = "waiting-children"
    UNKNOWN = "unknown"
    MISSING = "missing"


class OutcomeKind(StrEnum):
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    REMOVED = "removed"


class Prunable(StrEnum):
    """What the ledger removes when it has been over for long enough; items go with their
    operations, before them."""

    OPERATIONS = "operations"
    ITEMS = "items"
    ENTRIES = "entries"
    AUDIT = "audit"
    ACTIVITY = "activity"
    GROUPS = "groups"
