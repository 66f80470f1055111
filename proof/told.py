"""Whether what Redrive tells is what happened: progress, the audit trail, answers to one click."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from proof.observed import AnswerSeen, AuditSeen, ItemSeen, OperationSeen

_OVER = ("completed", "cancelled", "failed")
_COUNTED_AT_END = ("requeued", "skipped", "errored", "released")
_STEERING = ("cancel", "undo", "approve", "pause", "resume")
_CANCELLING = ("operation.cancel", "operation.undo")
_MAY_BE_ANSWERED = (200, 409, 503)


def wrong_progress(operation: OperationSeen, told: Mapping[str, Any]) -> list[str]:
    """Where the progress of an operation that is over is not what the ledger counts."""
    counts = operation.counts
    succeeded = counts["requeued"] + counts["dismissed"]
    heard = counts["recovered"] + counts["failed_again"] + counts["vanished"]
    right = {
        "state": operation.state,
        "cancelled": operation.state == "cancelled",
        "total": operation.total,
        "completed": succeeded + counts["errored"] + counts["skipped"],
        "succeeded": succeeded,
        "failed": counts["errored"],
        "waiting": counts["requeued"] - heard,
        **{
            name: counts[name]
            for name in (
                *("skipped", "released"),
                *("recovered", "failed_again", "failed_same", "vanished"),
            )
        },
    }
    return [
        f"{operation.operation_id} tells {told.get(name)} as {name}, the ledger {value}"
        for name, value in right.items()
        if told.get(name) != value
    ]


def wrong_audit(operation: OperationSeen, rows: Sequence[AuditSeen]) -> list[str]:
    """Where the rows about an operation, oldest first, are not its course: one start, an end for
    each time it ended, the last of them with its counts, and who started, cancelled and approved
    it. Only the first of several cancels and undos is kept beside the operation."""
    said = {name: [row for row in rows if row.action == f"operation.{name}"] for name in _STEERING}
    starts = [row for row in rows if row.action == f"{operation.kind}.start"]
    found = []
    if [row.counts for row in starts] != [{"total": operation.total}] or rows[0] not in starts:
        found.append(f"{len(starts)} starts of {operation.total}")
    ends = [row for row in rows if _ends(row)]
    reopened = sum((row.before or {}).get("state") in _OVER for row in said["undo"])
    if len(ends) != 1 + reopened:
        found.append(f"{len(ends)} ends, {reopened} times opened again")
    if ends and ends[-1].result != operation.state:
        found.append(f"an end as {ends[-1].result}")
    if ends and ends[-1].action.endswith(".end"):
        counts = {name: operation.counts[name] for name in _COUNTED_AT_END}
        if any(ends[-1].counts.get(name) != count for name, count in counts.items()):
            found.append(f"an end with {dict(ends[-1].counts)}")
    stopped = len(said["cancel"]) + len(said["undo"])
    if bool(stopped) != (operation.state == "cancelled") or len(said["cancel"]) > 1:
        found.append(f"{stopped} cancels")
    if len(said["approve"]) != (operation.approved_by is not None):
        found.append(f"{len(said['approve'])} approvals")
    waited = sum(row.result == "waits for approval" for row in starts)
    if len(said["resume"]) + len(said["approve"]) > len(said["pause"]) + waited:
        found.append(f"{len(said['pause'])} pauses, {len(said['resume'])} resumes")
    by = {
        "started": (operation.actor, starts),
        "cancelled": (operation.cancelled_by, [row for row in rows if row.action in _CANCELLING]),
        "approved": (operation.approved_by, said["approve"]),
    }
    found += [
        f"{did} by {told[0].actor}, the ledger {who}"
        for did, (who, told) in by.items()
        if told and told[0].actor != who
    ]
    return [f"{operation.operation_id} {operation.state}, its audit says {one}" for one in found]


def _ends(row: AuditSeen) -> bool:
    """Whether an operation was over with this; one that nobody had in hand is by its cancel."""
    return row.action.endswith(".end") or (
        row.action == "operation.cancel" and row.result == "cancelled"
    )


def overlapping(operations: Sequence[OperationSeen], rows: Sequence[AuditSeen]) -> list[str]:
    """Bulk operations that were started while another one worked on the same entries.

    Rows of the same operations are numbered in the order of their transactions.
    """
    bulk = {one.operation_id: one for one in operations if one.scope != "entry"}
    working: dict[str, OperationSeen] = {}
    found = []
    for row in rows:
        one = bulk.get(row.operation_id or "")
        if one is None:
            continue
        if row.action == f"{one.kind}.start":
            found += [
                f"{one.operation_id} was started while {other.operation_id} was at work"
                for other in working.values()
                if other is not one and _share(one, other)
            ]
            working[one.operation_id] = one
        elif _ends(row):
            working.pop(one.operation_id, None)
    return found


def _share(one: OperationSeen, other: OperationSeen) -> bool:
    """Whether two operations work on the same entries. Two plans may share an app and no entry."""
    if "all" in (one.scope, other.scope):
        return True
    apps = [two.where.get("app_id", two.app_id) for two in (one, other)]
    return "app" in (one.scope, other.scope) and apps[0] == apps[1]


def wrong_answer(
    answer: AnswerSeen, items: Sequence[ItemSeen], operations: Sequence[OperationSeen]
) -> list[str]:
    """Where an answer to a retry or a resync of one entry is not what became of it."""
    said = f"{answer.job} was answered {answer.status} ({answer.result})"
    if answer.status not in _MAY_BE_ANSWERED:
        return [said]
    if answer.operation_id not in (None, *(one.operation_id for one in operations)):
        return [f"{said} for {answer.operation_id}, which there is not"]
    own = [item for item in items if item.operation_id == answer.operation_id]
    if answer.status == 200 and [item.job for item in own] != [answer.job]:
        return [f"{said} for {answer.operation_id} with {[item.job for item in own]}"]
    if answer.status == 503 or not own:
        return []
    [item] = own
    moved = item.state == "requeued" or item.reason == "taken_back"
    right = item.reason in (answer.result, "taken_back") and answer.job_id in (None, item.job[1])
    if right and moved == (answer.status == 200):
        return []
    return [f"{said} with job {answer.job_id}; the ledger says {item.state} ({item.reason})"]
