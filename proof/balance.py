"""Whether an operation's counts add up, and whether ledger and engine know the same failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from proof.observed import EntrySeen, ItemSeen, JobKey, Loss, OperationSeen
from proof.plan import JobPlan
from redrive.domain import SOURCE_AWAY

_SETTLED = ("requeued", "skipped", "errored", "released", "dismissed")
_OUTCOMES = ("recovered", "failed_again", "vanished")
_GIVEN_BACK: Mapping[str, set[str]] = {
    "completed": set(),
    "cancelled": {"cancelled", "taken_back"},
    "failed": {"engine_away"},
}
"""Why items may be released, by how their operation ended."""

_REPORT_SECONDS = 1.0
"""Between the end of a run and the engine's knowing of it."""


def unbalanced(operation: OperationSeen, items: Sequence[ItemSeen], promised: int) -> list[str]:
    """What does not add up of an operation with these items, which had to take ``promised``."""
    found = [
        *_unfinished(operation, items),
        *_miscounted(operation, items),
        *_unbalanced_verdict(operation, items),
    ]
    if promised != operation.total:
        found.append(f"took {operation.total}, it had to take {promised}")
    return [f"{operation.operation_id} {problem}" for problem in found]


def _unfinished(operation: OperationSeen, items: Sequence[ItemSeen]) -> list[str]:
    """Where an operation's end is not what became of its items.

    A completed one settled its total. A cancelled one may have left some unclaimed. One fails only
    if its source was away, and all of it is as it was.
    """
    states, total = Counter(item.state for item in items), operation.total
    found = []
    if operation.state not in _GIVEN_BACK:
        found.append(f"ended as {operation.state}")
    if any(item.reason is None for item in items):
        found.append(f"has items without a reason: {dict(states)}")
    if len(items) > total:
        found.append(f"has {len(items)} items of {total}")
    settled = len(items) - states["released"] - states["claimed"]
    if operation.state == "completed" and (settled, operation.error) != (total, None):
        found.append(f"completed and settled {settled} of {total} ({operation.error})")
    if operation.state == "cancelled" and not operation.cancelled_by:
        found.append("was cancelled by nobody")
    if operation.state == "failed" and (states["released"], operation.error) != (
        total,
        SOURCE_AWAY,
    ):
        found.append(f"failed and released {states['released']} of {total} ({operation.error})")
    reasons = {str(item.reason) for item in items if item.state == "released"}
    if not reasons <= _GIVEN_BACK.get(operation.state, reasons):
        found.append(f"{operation.state}, gave items back as {sorted(reasons)}")
    return found


def _miscounted(operation: OperationSeen, items: Sequence[ItemSeen]) -> list[str]:
    """The counts of an operation that are not those of its items."""
    counted = Counter(item.state for item in items)
    counted.update(item.outcome for item in items if item.outcome in _OUTCOMES)
    counted["taken_back"] = sum(item.reason == "taken_back" for item in items)
    return [
        f"counts {operation.counts[name]} {name}, its items {counted[name]}"
        for name in (*_SETTLED, *_OUTCOMES, "taken_back")
        if operation.counts[name] != counted[name]
    ]


def _unbalanced_verdict(operation: OperationSeen, items: Sequence[ItemSeen]) -> list[str]:
    """Where an operation's verdict is not that of its items, or not that of its minutes."""
    counts = operation.counts
    found = [
        f"says how {item.job} failed, which is {item.outcome}"
        for item in items
        if item.same_way is not None and item.outcome != "failed_again"
    ]
    same = sum(item.same_way is True for item in items)
    if same != counts["failed_same"]:
        found.append(f"counts {counts['failed_same']} failed_same, its items {same}")
    for outcome in ("recovered", "failed_again"):
        minutes = operation.by_minute.get(outcome, 0)
        if minutes != counts[outcome]:
            found.append(f"counts {counts[outcome]} {outcome}, its minutes {minutes}")
    return found


def disagreements(
    jobs: Iterable[JobPlan],
    entries: Iterable[EntrySeen],
    engine_failed: Mapping[JobKey, float],
    losses: Sequence[Loss],
) -> list[str]:
    """Where ledger and engine do not know the same failures, and entries that are left open.
    The job of a dismissed entry stays as it failed.

    If Redis has lost a completion that the ledger heard of, the ledger is right: the work is done,
    and the engine's failure is the old one.
    """
    dropped = {(plan.queue, plan.job_id) for plan in jobs if plan.dropped}
    found = []
    for entry in entries:
        at, in_engine = entry.failed_at, engine_failed.get(entry.job)
        unmoved = at == in_engine or (entry.job in dropped and in_engine is None)
        done = in_engine is None or (at == in_engine and _completion_lost(entry, losses))
        if entry.state in ("failed", "dismissed") and not unmoved:
            found.append(
                f"{entry.job} {entry.state} since {at} by the ledger, {in_engine} by the engine"
            )
        elif entry.state == "recovered" and not done:
            found.append(f"{entry.job} recovered by the ledger, failed at {in_engine}")
        elif entry.state not in ("failed", "dismissed", "recovered"):
            found.append(f"{entry.job} is left {entry.state}")
    return found


def _completion_lost(entry: EntrySeen, losses: Sequence[Loss]) -> bool:
    recovered_at = entry.recovered_at or 0.0
    return any(
        loss.since - _REPORT_SECONDS <= recovered_at <= loss.until + _REPORT_SECONDS
        for loss in losses
    )
