"""What happened, in words: for the API's messages and the pages alike."""

from __future__ import annotations

from typing import assert_never

from redrive.domain import Answer, Entry, Operation, OperationKind, OperationState, scope_in_words
from redrive.recovery import OneResult

_VERBS = {
    OperationKind.RETRY: "Retrying",
    OperationKind.RESYNC: "Resyncing",
    OperationKind.DISMISS: "Dismissing",
}


def moved(result: OneResult) -> str:
    """What became of one entry."""
    job = f"Job {result.job_id}"
    match result.answer:
        case Answer.REQUEUED:
            return f"{job} is back in its queue."
        case Answer.RECREATED:
            return f"{job} had been forgotten by its queue; it was rebuilt and is queued again."
        case Answer.ALREADY_LIVE:
            return f"{job} was not moved: it is already waiting or running."
        case Answer.SUPERSEDED:
            return f"{job} was not moved: it has failed again since; retry that failure."
        case Answer.NOT_FAILED:
            return f"{job} was not moved: it has completed meanwhile."
        case Answer.MISSING:
            return (
                f"{job} was not moved: its queue no longer has it, and it cannot be rebuilt. "
                "The entry is vanished now."
            )
        case Answer.WITHHELD:
            return f"{job} was not moved: the operation was cancelled before the hand-over."
        case Answer.DISMISSED:
            return f"{job} was left as it is; its entry is dismissed."
        case Answer.ERROR:
            return f"{job} was not moved: {result.detail or 'the queue system refused it'}."
        case _:
            assert_never(result.answer)


def restored(entry: Entry) -> str:
    """That a dismissal was taken back."""
    return f"The entry of job {entry.job_id} is failed again."


def started(operation: Operation, new: bool) -> str:
    """What a bulk start selected."""
    entries = "1 entry" if operation.total == 1 else f"{operation.total} entries"
    what = scope_in_words(str(operation.scope), operation.filter)
    if not new:
        return (
            f"This idempotency key has started operation {operation.operation_id} before "
            f"({entries} of {what}); nothing new was started."
        )
    said = f"{_VERBS[operation.kind]} {entries} of {what}."
    if operation.state is OperationState.PAUSED:
        return f"{said} It is paused: {operation.pause_reason}."
    return said


def paused_by(operation: Operation) -> str:
    """By what a paused operation is paused, and why."""
    by = f"is paused by {operation.paused_by}"
    why = f": {operation.why_paused}" if operation.why_paused else ""
    return f"The operation {'waits for approval' if operation.awaits_approval else by}{why}."


def paused(operation: Operation) -> str:
    """What a pause has done so far."""
    if operation.state is OperationState.PAUSED:
        return "The operation is paused."
    return "The operation is being paused: no further entry is taken; what is in hand is finished."


def resumed(operation: Operation) -> str:
    """What a resume has done."""
    first = operation.turn == 1 and operation.approved_by is not None
    approved = f"Approved by {operation.approved_by}. " if first else ""
    left = operation.total - operation.completed
    return f"{approved}The operation goes on; {left:,} of {operation.total:,} are left."


def controls_changed(operation: Operation) -> str:
    """The limits that an operation has now."""
    return f"From the next batch on: {operation.controls}."


def cancelled(operation: Operation, in_hand: int) -> str:
    """What a cancel has done so far; ``in_hand`` entries were claimed and are not settled."""
    if operation.state is OperationState.CANCELLED:
        return _cancelled_at_once(operation)
    if operation.undo_wanted:
        return (
            "The operation is being undone: no further entry is taken, and what was moved and no "
            f"worker has started is taken back (of {operation.waiting:,} nothing is known yet)."
        )
    settled = f"{operation.completed:,} of {operation.total:,} are settled"
    if in_hand == 0:
        return f"The operation is being cancelled: no further entry is taken; {settled}."
    entries = "1 entry in hand is" if in_hand == 1 else f"{in_hand:,} entries in hand are"
    return (
        f"The operation is being cancelled: no further entry is taken; {settled}, and "
        f"{entries} finished or given back."
    )


def _cancelled_at_once(operation: Operation) -> str:
    """What the cancel of an operation that was in nobody's hands leaves, and what an undo could
    still take back."""
    if not operation.completed:
        return "The operation was cancelled before it took any entry."
    done, word = operation.requeued, "moved"
    if operation.kind is OperationKind.DISMISS:
        done, word = operation.dismissed, "dismissed"
    one = done == 1
    left = f"{done:,} of {operation.total:,} {'was' if one else 'were'} {word}"
    left += f" and {'stays' if one else 'stay'} {word}" if done else ""
    if operation.waiting <= 0:
        return f"The operation is cancelled: {left}."
    unknown = f"of {operation.waiting:,} nothing is known yet"
    undo = "an undo takes back what no worker has started"
    return f"The operation is cancelled: {left}; {unknown}, and {undo}."
