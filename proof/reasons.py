"""Whether the recorded reason of an entry that was not handed over is what happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from proof.observed import ItemSeen, JobKey, Observed, Run
from proof.plan import JobPlan

_CLOCK_SLACK_SECONDS = 0.002


@dataclass(kw_only=True)
class _Life:
    """What is known of one job beside the item in question."""

    plan: JobPlan | None = None
    runs: list[Run] = field(default_factory=list)
    items: list[ItemSeen] = field(default_factory=list)

    def later(self, item: ItemSeen) -> list[Run]:
        """The runs after the failure that was selected."""
        return [run for run in self.runs if run.started > item.failed_at - _CLOCK_SLACK_SECONDS]

    def ended(self, item: ItemSeen, outcome: str) -> bool:
        """Whether one of them had ended so before the item was settled."""
        until = self.until(item)
        return any(
            run.outcome == outcome and run.ended is not None and run.ended <= until
            for run in self.later(item)
        )

    def until(self, item: ItemSeen) -> float:
        """When its reason was given."""
        return float("inf") if item.settled is None else item.settled + _CLOCK_SLACK_SECONDS


def _completed(item: ItemSeen, life: _Life) -> bool:
    return life.ended(item, "completed")


def _failed_again(item: ItemSeen, life: _Life) -> bool:
    return life.ended(item, "failed")


def _had_failed_twice(item: ItemSeen, life: _Life) -> bool:
    """Whether the job failed anew; of one that left a selection by that, the item may name either
    failure."""
    until = life.until(item)
    failed = [run for run in life.runs if run.outcome == "failed" and (run.ended or 0) <= until]
    return len(failed) > 1


def _was_live(item: ItemSeen, life: _Life) -> bool:
    """Everything has come to rest: what waited then has run since."""
    return bool(life.later(item))


def _was_gone(item: ItemSeen, life: _Life) -> bool:
    return life.plan is None or life.plan.dropped or _completed(item, life)


def _was_taken(item: ItemSeen, life: _Life) -> bool:
    return any(other.operation_id != item.operation_id for other in life.items)


_TRUE_IF: Mapping[str, Callable[[ItemSeen, _Life], bool]] = {
    "not_failed": _completed,
    "superseded": _failed_again,
    "failed_again_before": _had_failed_twice,
    "already_live": _was_live,
    "missing": _was_gone,
    "taken_by_another": _was_taken,
}


def untrue(seen: Observed) -> list[str]:
    """The items whose reason nothing accounts for.

    Nothing that is done to a job here is an error of its own. What Redis has forgotten nobody can
    account for.
    """
    if seen.losses:
        return []
    lives = _lives(seen.jobs, seen.runs, seen.items)
    return [
        f"{item.job} as {item.stamp} was {item.state}: {item.reason}, which it was not"
        for item in seen.items
        if not _is_true(item, lives[item.job])
    ]


def _is_true(item: ItemSeen, life: _Life) -> bool:
    if item.state == "errored":
        return False
    accounted = _TRUE_IF.get(item.reason or "") if item.state == "skipped" else None
    return accounted is None or accounted(item, life)


def _lives(
    jobs: Sequence[JobPlan], runs: Sequence[Run], items: Sequence[ItemSeen]
) -> Mapping[JobKey, _Life]:
    lives: defaultdict[JobKey, _Life] = defaultdict(_Life)
    for plan in jobs:
        lives[(plan.queue, plan.job_id)].plan = plan
    for run in runs:
        lives[run.job].runs.append(run)
    for item in items:
        lives[item.job].items.append(item)
    return lives
