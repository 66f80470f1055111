"""Judging what happened, in the manner of a total-queue check: multisets, and their differences.

A **hand-over** is named by its stamp (operation and generation), which the job carries and the
worker's record repeats. The engine counts the starts of a job from one after each hand-over. So the
same job, stamp and start number seen twice means that Redrive handed over twice; a higher start
number means that the engine ran the job again by itself, as it does when a worker dies.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from proof.balance import disagreements, unbalanced
from proof.observed import ItemSeen, JobKey, Observed, OperationSeen, Run
from proof.reasons import untrue
from proof.told import overlapping, wrong_answer, wrong_audit, wrong_progress

_CLOCK_SLACK_SECONDS = 0.002
_SETTLE_SECONDS = 15.0
"""In which what was moved is settled, on a machine that has much else to do."""

_BEGIN_SECONDS = 2.0
_STAT_SECONDS = 0.5
"""What Redis has just done may not be in its file yet."""


WRONG = ("lost", "doubled", "unexpected", "misjudged", "unbalanced", "untold")
"""What must not be."""


@dataclass(kw_only=True)
class Verdict:
    """What was found. The first group must be empty, the second is counted only.

    ``lost``        handed over by the ledger's word, and never run; or never completed at the end
    ``doubled``     one failure handed over twice, or run again after it had completed
    ``unexpected``  run under a hand-over that the ledger does not know or says did not happen,
                    or of another failure than the one that was selected; handed over by a
                    dismissal; taken by an operation whose app or plan does not select it; a
                    bulk operation started while another one worked on the same entries
    ``misjudged``   what the ledger says became of a hand-over is not what the worker recorded; an
                    error, or a reason for leaving an entry alone, that nothing accounts for
    ``unbalanced``  counts that do not add up, claims left open, ledger and engine at odds, an
                    operation that did not take what its plan promised, or all that had failed

    ``untold``      progress, audit rows or an answer to one click that are not what happened

    ``recovered``   hand-overs in doubt (something was hurt between move and settling)
                    that the ledger got right
    ``by_engine``   runs that the engine repeated by itself
    ``undone``      hand-overs that Redis forgot, and that the ledger noticed
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misjudged: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    selected: int = 0
    handed_over: int = 0
    runs: int = 0
    recovered: int = 0
    by_engine: int = 0
    undone: int = 0

    @property
    def problems(self) -> dict[str, list[str]]:
        named = {name: getattr(self, name) for name in WRONG}
        return {name: found for name, found in named.items() if found}


def check(seen: Observed) -> Verdict:
    """Judge everything."""
    verdict = Verdict(
        selected=len(seen.items),
        handed_over=sum(item.state == "requeued" for item in seen.items),
        runs=len(seen.runs),
    )
    lives: defaultdict[tuple[JobKey, str | None], list[Run]] = defaultdict(list)
    for run in seen.runs:
        lives[(run.job, run.stamp)].append(run)
    _check_runs(seen, lives, verdict)
    _check_hand_overs(seen, lives, verdict)
    _check_occurrences(seen, lives, verdict)
    _check_selections(seen, verdict)
    _check_ends(seen, verdict)
    _check_balance(seen, verdict)
    _check_told(seen, verdict)
    verdict.misjudged += untrue(seen)
    return verdict


def _check_told(seen: Observed, verdict: Verdict) -> None:
    for operation in seen.operations:
        if seen.progress is not None:
            told = seen.progress.get(operation.operation_id, {})
            verdict.untold += wrong_progress(operation, told)
        if seen.audit is not None:
            rows = [row for row in seen.audit if row.operation_id == operation.operation_id]
            verdict.untold += wrong_audit(operation, rows)
    verdict.unexpected += overlapping(seen.operations, seen.audit or ())
    for answer in seen.answers:
        verdict.untold += wrong_answer(answer, seen.items, seen.operations)


def _check_runs(
    seen: Observed, lives: dict[tuple[JobKey, str | None], list[Run]], verdict: Verdict
) -> None:
    items = {(item.job, item.stamp): item for item in seen.items}
    for (job, stamp), runs in lives.items():
        verdict.by_engine += sum(run.reported is None for run in runs[:-1])
        if stamp is None:
            continue
        verdict.doubled += _begun_after_completion(seen, runs)
        for attempt, times in Counter(run.attempt for run in runs).items():
            twice = [run for run in runs if run.attempt == attempt]
            if times > 1 and not any(_was_undone(seen, run) for run in twice):
                verdict.doubled.append(f"{job} started {times} times as {stamp} start {attempt}")
        item = items.get((job, stamp))
        if item is not None and item.state == "requeued":
            continue
        if not all(_was_undone(seen, run) for run in runs):
            said = f"says {item.state} ({item.reason})" if item else "does not know it"
            verdict.unexpected.append(f"{job} ran as {stamp}; the ledger {said}")


def _begun_after_completion(seen: Observed, runs: Sequence[Run]) -> list[str]:
    """Runs of one hand-over after the engine had taken its completion, as of a job that stood in
    its queue twice: the engine repeats only what did not end."""
    done = [
        run
        for run in runs
        if run.outcome == "completed" and run.reported is not None and not _was_undone(seen, run)
    ]
    return [
        f"{run.job} as {run.stamp} was started again after it had completed"
        for run in runs
        if any(one is not run and run.started > (one.reported or 0) for one in done)
    ]


def _check_hand_overs(
    seen: Observed, lives: dict[tuple[JobKey, str | None], list[Run]], verdict: Verdict
) -> None:
    for item in seen.items:
        if item.state != "requeued":
            continue
        runs = lives.get((item.job, item.stamp), [])
        if not runs:
            if _maybe_undone(seen, item):
                verdict.undone += 1
            else:
                verdict.lost.append(f"{item.job} was handed over as {item.stamp} and never ran")
            continue
        if _is_outcome_right(seen, item, runs, verdict):
            moved = item.moved or runs[0].started
            verdict.recovered += any(moved <= hurt <= (item.settled or 0) for hurt in seen.hurt_at)


def _is_outcome_right(seen: Observed, item: ItemSeen, runs: list[Run], verdict: Verdict) -> bool:
    last = runs[-1]
    expected = {"completed": "recovered", "failed": "failed_again"}.get(last.outcome or "")
    if any(_was_undone(seen, run) for run in runs):
        verdict.undone += item.outcome != expected
    elif item.outcome != expected:
        verdict.misjudged.append(
            f"{item.job} as {item.stamp} {last.outcome}; the ledger says {item.outcome}"
        )
    return item.outcome == expected


def _check_occurrences(
    seen: Observed, lives: dict[tuple[JobKey, str | None], list[Run]], verdict: Verdict
) -> None:
    """Each hand-over moved the failure that was selected, and each failure was moved once."""
    moved = [
        item for item in seen.items if item.state == "requeued" and not _maybe_undone(seen, item)
    ]
    failed = Counter((one.job, one.failed_at) for one in moved if one.from_state == "failed")
    for (job, failed_at), times in failed.items():
        if times > 1:
            verdict.doubled.append(f"{job}, failed at {failed_at}, was handed over {times} times")
    ended: defaultdict[JobKey, list[Run]] = defaultdict(list)
    for run in seen.runs:
        if run.ended is not None:
            ended[run.job].append(run)
    resynced: Counter[JobKey] = Counter()
    for item in sorted(moved, key=lambda one: int(one.stamp.rpartition(":")[2])):
        before = ended[item.job]
        kept = [run for run in before if not _was_undone(seen, run)]
        resynced[item.job] += item.from_state == "recovered"
        if runs := lives.get((item.job, item.stamp)):
            verdict.unexpected += _other_end_moved(item, runs[0], kept)
            verdict.doubled += _resynced_early(item, runs[0], before, resynced[item.job])


def _other_end_moved(item: ItemSeen, first: Run, ended: Sequence[Run]) -> list[str]:
    """Whether a retry moved another end of its job than the selected one."""
    ends = sorted(run.ended for run in ended if run.ended is not None)
    named = bisect_right(ends, item.failed_at + _CLOCK_SLACK_SECONDS)
    moved = bisect_left(ends, first.started)
    if item.kind != "retry" or named == moved:
        return []
    return [f"{item.job} as {item.stamp}: its end {moved} was moved, end {named} was selected"]


def _resynced_early(item: ItemSeen, first: Run, ended: Sequence[Run], times: int) -> list[str]:
    """Whether what had recovered was run for the so-manieth time before it had completed as often
    before."""
    completed = {
        run.stamp
        for run in ended
        if run.outcome == "completed" and run.ended is not None and run.ended <= first.started
    }
    if item.from_state != "recovered" or len(completed) >= times:
        return []
    return [f"{item.job} as {item.stamp} was resynced before it had completed {times} times"]


def _check_selections(seen: Observed, verdict: Verdict) -> None:
    """Each operation did what it is for, to what its app or its plan selected."""
    where = {operation.operation_id: _selected(operation) for operation in seen.operations}
    apps = {(plan.queue, plan.job_id): plan.app_id for plan in seen.jobs}
    for item in seen.items:
        other = {"dismiss": "requeued"}.get(item.kind, "dismissed")
        if item.state == other:
            verdict.unexpected.append(f"{item.job} was {other} by {item.stamp}, a {item.kind}")
        own = {"app_id": apps.get(item.job), "queue": item.job[0]}
        selected = where.get(item.operation_id, {})
        if any(selected[name] != own[name] for name in own.keys() & selected.keys()):
            verdict.unexpected.append(f"{item.job} as {item.stamp} is none of {selected}")


def _selected(operation: OperationSeen) -> dict[str, object]:
    """The app of an operation, and what the filter of its plan says."""
    app = {} if operation.app_id is None else {"app_id": operation.app_id}
    return {**app, **operation.where}


def _check_ends(seen: Observed, verdict: Verdict) -> None:
    """Every job that can complete has: once, and once more for each resync of what was done."""
    resynced = Counter(
        item.job for item in seen.items if item.state == "requeued" and item.from_state != "failed"
    )
    completed: defaultdict[JobKey, list[Run]] = defaultdict(list)
    for run in seen.runs:
        if run.outcome == "completed":
            completed[run.job].append(run)
    for plan in seen.jobs:
        job = (plan.queue, plan.job_id)
        if not plan.poison and not completed[job]:
            verdict.lost.append(f"{job} never completed")
        stamps = {run.stamp for run in completed[job] if not _was_undone(seen, run)}
        if len(stamps) > 1 + resynced[job]:
            verdict.doubled.append(f"{job} completed as {sorted(map(str, stamps))}")


def _check_balance(seen: Observed, verdict: Verdict) -> None:
    for operation in seen.operations:
        items = [one for one in seen.items if one.operation_id == operation.operation_id]
        promised = seen.promised.get(operation.operation_id, operation.total)
        verdict.unbalanced += unbalanced(operation, items, promised)
    verdict.unbalanced += seen.miscounts
    verdict.unbalanced += disagreements(seen.jobs, seen.entries, seen.engine_failed, seen.losses)
    known = {entry.job for entry in seen.entries}
    verdict.unbalanced += [
        f"{job} failed in the engine and unknown to the ledger"
        for job in seen.engine_failed
        if job not in known
    ]


def _was_undone(seen: Observed, run: Run) -> bool:
    """Whether Redis may have forgotten this run or what came of it.

    A worker may begin what it was given in the lost while only after that.
    """
    if run.reported is None:
        return any(run.started <= loss.until + _BEGIN_SECONDS for loss in seen.losses)
    return any(run.started <= loss.until and run.reported >= loss.since for loss in seen.losses)


def _maybe_undone(seen: Observed, item: ItemSeen) -> bool:
    """Whether Redis may have forgotten this hand-over: it was moved in a lost while, as far as the
    engine's time of it is known, and was settled soon after."""
    if item.settled is None:
        return False
    first = item.moved or item.settled - _SETTLE_SECONDS
    last = (item.moved or item.settled) + _STAT_SECONDS
    return any(first <= loss.until and loss.since <= last for loss in seen.losses)


def summed(verdicts: Iterable[Verdict]) -> Verdict:
    """The figures of many, together."""
    total = Verdict()
    for verdict in verdicts:
        for name in ("selected", "handed_over", "runs", "recovered", "by_engine", "undone"):
            setattr(total, name, getattr(total, name) + getattr(verdict, name))
        for name, found in verdict.problems.items():
            getattr(total, name).extend(found)
    return total
