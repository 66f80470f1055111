"""The words for states, reasons and outcomes, and the tone in which they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from redrive.domain import (
    EntryState,
    Item,
    ItemState,
    JobState,
    Operation,
    OperationKind,
    OperationPhase,
    OperationState,
    Outcome,
    Reason,
    ReasonCount,
)
from redrive.web.pages.formats import counted, number

TONES: Mapping[str, str] = {
    EntryState.FAILED: "danger",
    EntryState.CLAIMED: "info",
    EntryState.QUEUED: "info",
    EntryState.ACTIVE: "info",
    EntryState.RECOVERED: "ok",
    EntryState.DISMISSED: "quiet",
    EntryState.VANISHED: "warn",
    OperationState.RUNNING: "info",
    OperationState.CANCELLING: "warn",
    OperationState.PAUSED: "warn",
    OperationState.CANCELLED: "warn",
    ItemState.REQUEUED: "info",
    ItemState.SKIPPED: "warn",
    ItemState.ERRORED: "danger",
    ItemState.RELEASED: "quiet",
    Outcome.FAILED_AGAIN: "danger",
}
"""By value; equal words of different enums have the same tone. Others are quiet, also a completed
operation: its tone is that of its outcome."""

ENTRY_WORDS: Mapping[EntryState, str] = {
    EntryState.FAILED: "failed",
    EntryState.CLAIMED: "in hand",
    EntryState.QUEUED: "moved, waiting",
    EntryState.ACTIVE: "running",
    EntryState.RECOVERED: "recovered",
    EntryState.DISMISSED: "dismissed",
    EntryState.VANISHED: "vanished",
}

ITEM_WORDS: Mapping[ItemState, str] = {
    ItemState.CLAIMED: "in hand",
    ItemState.REQUEUED: "moved",
    ItemState.SKIPPED: "skipped",
    ItemState.ERRORED: "error",
    ItemState.RELEASED: "given back",
    ItemState.DISMISSED: "dismissed",
}

DONE_WORDS: Mapping[OperationKind, str] = {
    OperationKind.RETRY: "Retried",
    OperationKind.RESYNC: "Resynced",
    OperationKind.DISMISS: "Dismissed",
}

BASIS_WORDS: Mapping[str, str] = {
    "frames": "their own stack frames",
    "message": "their message",
    "library": "their library frames: there is no own frame and no message",
}
"""What tells the failures of a group from others."""

REDIS_AWAY = "Redrive's Redis does not answer: nothing can be started or cancelled now."

OUTCOME_WORDS: Mapping[Outcome, str] = {
    Outcome.WAITING: "still waiting",
    Outcome.RECOVERED: "recovered",
    Outcome.FAILED_AGAIN: "failed again",
    Outcome.VANISHED: "vanished",
}


class Again(StrEnum):
    """How what failed again compares with the failure before."""

    SAME = "failed_same"
    DIFFERENTLY = "failed_differently"


ITEM_RESULTS: Mapping[str, str] = {
    **{state.value: word for state, word in ITEM_WORDS.items()},
    Outcome.WAITING: OUTCOME_WORDS[Outcome.WAITING],
    Outcome.RECOVERED: OUTCOME_WORDS[Outcome.RECOVERED],
    Outcome.FAILED_AGAIN: OUTCOME_WORDS[Outcome.FAILED_AGAIN],
    Again.SAME: "failed again the same way",
    Again.DIFFERENTLY: "failed again differently",
    Outcome.VANISHED: OUTCOME_WORDS[Outcome.VANISHED],
}
"""What a list of an operation's entries can be narrowed to."""

REASON_WORDS: Mapping[Reason, str] = {
    Reason.REQUEUED: "back in its queue",
    Reason.RECREATED: "rebuilt: its queue had dropped it",
    Reason.ALREADY_LIVE: "already waiting or running",
    Reason.SUPERSEDED: "failed again since it was taken",
    Reason.NOT_FAILED: "completed meanwhile",
    Reason.MISSING: "gone from its queue",
    Reason.ERROR: "refused by the queue system",
    Reason.CANCELLED: "given back by the cancel",
    Reason.TAKEN_BACK: "taken back by the undo",
    Reason.ENGINE_AWAY: "given back: the queue system was away",
    Reason.TAKEN_BY_ANOTHER: "taken by another operation",
    Reason.FAILED_AGAIN_BEFORE: "failed again before its turn",
    Reason.RESOLVED_ELSEWHERE: "resolved elsewhere before its turn",
    Reason.DISMISSED: "dismissed",
}

OPERATION_WORDS: Mapping[OperationState, str] = {
    OperationState.QUEUED: "queued",
    OperationState.RUNNING: "running",
    OperationState.PAUSED: "paused",
    OperationState.CANCELLING: "cancelling",
    OperationState.PAUSED: "paused",
    OperationState.COMPLETED: "finished",
    OperationState.CANCELLED: "cancelled",
    OperationState.FAILED: "stopped by an error",
}

RESULT_WORDS: Mapping[str, str] = {state.value: word for state, word in OPERATION_WORDS.items()}
"""An audit row's result, where it is the state of an operation."""

COUNT_WORDS: Mapping[str, str] = {
    "requeued": "moved",
    "errored": "errors",
    "released": "given back",
    "failed_again": "failed again",
}
"""The names of an audit row's counts, in the words of the console."""

TAKES: Mapping[OperationKind, str] = {
    OperationKind.RETRY: "failed entries; each goes back to its queue, once",
    OperationKind.RESYNC: "failed and recovered entries; each runs again from scratch",
    OperationKind.DISMISS: "failed entries; they count as failed no more, their jobs stay as they "
    "are",
}
"""What a bulk action takes, and what it does."""

WHY_NO_RETRY: Mapping[EntryState, str] = {
    EntryState.CLAIMED: "An operation has it in hand.",
    EntryState.QUEUED: "Its job is waiting in its queue.",
    EntryState.ACTIVE: "Its job is running now.",
    EntryState.RECOVERED: "It has recovered; Resync runs it again.",
    EntryState.DISMISSED: "It was dismissed; Restore makes it failed again.",
    EntryState.VANISHED: "Its queue no longer has it; Resync rebuilds it.",
}

JOB_WORDS: Mapping[JobState, str] = {
    JobState.WAITING_CHILDREN: "waiting for children",
    JobState.MISSING: "not in its queue",
}


def left_out(reason: str) -> str:
    """Why entries that fit a filter, or were chosen by hand, are not in a plan."""
    if reason == "repeated":
        return "failed the same way three times or more after they were put back"
    if reason == "unknown":
        return "are not known (any more)"
    return f"are {ENTRY_WORDS[EntryState(reason)]}"


def tone(value: str) -> str:
    return TONES.get(value, "quiet")


def job_state(state: JobState) -> str:
    return JOB_WORDS.get(state, state.value)


CANCELLABLE = (OperationState.QUEUED, OperationState.RUNNING, OperationState.PAUSED)


def subject_of(operation: Operation) -> str:
    """Of what a message about an operation speaks: it is left out once that is over."""
    goes_on = operation.state in (OperationState.QUEUED, OperationState.RUNNING)
    return "open" if goes_on else operation.state.value


def verdict_of(operation: Operation, phase: OperationPhase) -> tuple[str, str]:
    """An operation's state in a word and its tone. Of a finished one they tell what became of the
    work: moved is not recovered, and while jobs wait it is observed."""
    if operation.awaits_approval:
        return "waits for approval", "warn"
    if phase is OperationPhase.OBSERVING and operation.state is OperationState.CANCELLED:
        return f"{OPERATION_WORDS[operation.state]}, observing", tone(operation.state)
    if operation.state is not OperationState.COMPLETED:
        return OPERATION_WORDS[operation.state], tone(operation.state)
    word, its_tone = _outcome_of(operation, phase)
    return f"{OPERATION_WORDS[operation.state]}, {word}", its_tone


def _outcome_of(operation: Operation, phase: OperationPhase) -> tuple[str, str]:
    lost = operation.failed_again + operation.vanished
    if operation.dismissed:
        return "dismissed", "quiet"
    if operation.requeued == 0:
        word = "nothing dismissed" if operation.kind is OperationKind.DISMISS else "nothing moved"
        return word, "danger" if operation.errored else "warn"
    if waiting_outcomes(operation):
        observing = phase is OperationPhase.OBSERVING
        waits = ("observing", "info") if observing else ("still waiting", "quiet")
        return ("some failed again", "warn") if lost else waits
    if operation.recovered == 0:
        return ("failed again" if operation.failed_again else "vanished"), "danger"
    if lost or operation.errored:
        return "partly recovered", "warn"
    return "recovered", "ok"


def waiting_outcomes(operation: Operation) -> int:
    """Moved jobs that have not run to an end yet."""
    known = operation.recovered + operation.failed_again + operation.vanished
    return max(operation.requeued - known, 0)


def way_of(item: Item) -> str:
    """How what failed again compares with the failure before; empty for what did not."""
    if item.outcome is not Outcome.FAILED_AGAIN:
        return ""
    if item.same_way is None:
        return "cannot be compared"
    return "the same way" if item.same_way else "differently"


def what_happened(operation: Operation, reasons: Iterable[ReasonCount]) -> str:
    """``312 moved, 4 skipped: 3 already waiting or running, 1 completed meanwhile.``"""
    is_dismissal = operation.kind is OperationKind.DISMISS
    done, word = (
        (operation.dismissed, "dismissed") if is_dismissal else (operation.requeued, "moved")
    )
    parts = [f"{number(done)} {word}"]
    listed = list(reasons)
    for state, count in (
        (ItemState.SKIPPED, operation.skipped),
        (ItemState.ERRORED, operation.errored),
    ):
        if count:
            word = "skipped" if state is ItemState.SKIPPED else counted(count, "error")
            said = f"{number(count)} {word}" if state is ItemState.SKIPPED else word
            parts.append(said + _why(listed, state, count))
    taken = sum(one.items for one in listed if one.reason is Reason.TAKEN_BACK)
    if taken:
        parts.append(f"{number(taken)} taken back before a worker had started them")
    left = operation.total - operation.completed - taken
    if operation.state is OperationState.CANCELLED and (left or not taken):
        parts.append(f"{number(left)} left as they were by the cancel")
    return ", ".join(parts) + "."


def _why(reasons: list[ReasonCount], state: ItemState, count: int) -> str:
    """The reasons of a state, if all of its items were counted."""
    told = [one for one in reasons if one.state is state and one.reason is not None]
    if sum(one.items for one in told) != count:
        return ""
    if len(told) == 1 and told[0].reason is not None:
        return f" ({REASON_WORDS[told[0].reason]})"
    said = [f"{number(one.items)} {REASON_WORDS[one.reason]}" for one in told if one.reason]
    return f" ({', '.join(said)})"
