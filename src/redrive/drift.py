"""The drift check: what other tools and people did to jobs, and what the scan passed by."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic

from redrive.domain import EntryState, JobId, JobState, JobStatus, Operation
from redrive.faultpoints import Step, reach
from redrive.ports import Clock, DriftVerdict, Engine, FollowerLedger, LedgerEntry

PAGE = 1000
_GRACE = timedelta(seconds=2)
_LONGEST_REST_SECONDS = 0.005
_NEVER = datetime.min.replace(tzinfo=UTC)
_GONE_AT_ONCE = 100_000
"""Jobs that are looked for in a queue's events at once: each look reads all of them."""

_LIVE = {
    JobState.WAITING: EntryState.QUEUED,
    JobState.DELAYED: EntryState.QUEUED,
    JobState.PRIORITIZED: EntryState.QUEUED,
    JobState.PAUSED: EntryState.QUEUED,
    JobState.WAITING_CHILDREN: EntryState.QUEUED,
    JobState.ACTIVE: EntryState.ACTIVE,
}


class DriftCheck:
    """Compares a source's failed and live entries with the engine, a page at a time.

    Pages of a thousand with a short rest between them: a million failed entries are through
    within a minute without taking a store for itself.
    """

    PAUSE_SECONDS = 5.0

    def __init__(
        self,
        *,
        engine: Engine,
        ledger: FollowerLedger,
        clock: Clock,
        tell: Callable[[Iterable[Operation]], Awaitable[None]],
        take_in: Callable[[str, Sequence[JobId]], Awaitable[object]],
    ) -> None:
        self._engine = engine
        self._source = engine.source
        self._ledger = ledger
        self._clock = clock
        self._tell = tell
        self._take_in = take_in
        self._heard_until = _NEVER
        self._gone: defaultdict[str, list[LedgerEntry]] = defaultdict(list)
        self._looked_until = 0

    def heard_until(self, at: datetime) -> None:
        """Say that every outcome before ``at`` has been applied."""
        self._heard_until = at

    async def check_entries(self) -> None:
        """One pass over the ledger's failed and live entries."""
        self._gone.clear()
        newest = await self._walk(self._ledger.failed_to_check, lambda entry: entry.failure_seq)
        await self._judge_all_gone()
        self._looked_until = max(self._looked_until, newest)
        await self._walk(self._ledger.live_to_check, lambda entry: entry.entry_pk)

    async def find_completed(self, queue: str, completed: Sequence[JobId]) -> None:
        """Look after failed entries whose jobs are said to have completed, because another tool
        retried them. Where a queue removes what completes, nothing else tells of it: later the job
        looks like one that its queue dropped when it had failed.

        It may have been said late, of a run before the failure: the engine knows what came last,
        unless it has lost the failure.
        """
        entries = await self._ledger.failed_among(self._source, queue, completed)
        if not entries:
            return
        statuses = await self._engine.statuses(queue, [entry.job_id for entry in entries])
        over = [
            entry
            for entry, status in zip(entries, statuses, strict=True)
            if status.state in (JobState.COMPLETED, JobState.MISSING)
        ]
        done = await self._done_since(queue, over) if over else set()
        await self._apply([_done_elsewhere(entry) for entry in over if entry.job_id in done])

    async def find_unrecorded(self, queues: Sequence[str]) -> None:
        """One pass over the engine's failed jobs, for those that the scan passed by."""
        for queue in queues:
            await self._find_unrecorded(queue)

    async def _walk(
        self,
        page: Callable[[str, int, int], Awaitable[list[LedgerEntry]]],
        position: Callable[[LedgerEntry], int],
    ) -> int:
        """Compare page after page; returns the position of the last entry."""
        after = 0
        while True:
            began = monotonic()
            entries = await page(self._source, after, PAGE)
            if not entries:
                return after
            await self._compare(entries)
            after = position(entries[-1])
            await _rest(began)

    async def _compare(self, entries: Sequence[LedgerEntry]) -> None:
        by_queue: defaultdict[str, list[LedgerEntry]] = defaultdict(list)
        for entry in entries:
            by_queue[entry.queue].append(entry)
        verdicts: list[DriftVerdict] = []
        for queue, members in by_queue.items():
            statuses = await self._engine.statuses(queue, [entry.job_id for entry in members])
            other_run: list[JobId] = []
            for entry, status in zip(members, statuses, strict=True):
                if status.state is JobState.FAILED and status.finished_at != entry.failed_at:
                    other_run.append(entry.job_id)
                elif status.state is JobState.MISSING and entry.state is EntryState.FAILED:
                    if not (entry.forgets and entry.failure_seq <= self._looked_until):
                        self._gone[queue].append(entry)
                elif (found := self._judge(entry, status)) is not None:
                    verdicts.append(_verdict(entry, *found))
            if other_run:
                await self._take_in(queue, other_run)
        await self._apply(verdicts)
        if sum(map(len, self._gone.values())) >= _GONE_AT_ONCE:
            await self._judge_all_gone()

    async def _judge_all_gone(self) -> None:
        for queue in list(self._gone):
            await self._judge_gone(queue)

    async def _judge_gone(self, queue: str) -> None:
        """Judge the failed entries whose jobs their queue does not know any more. One that may be
        rebuilt is looked for once: of what completes later, the stream tells (find_completed)."""
        gone = self._gone.pop(queue)
        done = await self._done_since(queue, gone)
        completed = [_done_elsewhere(entry) for entry in gone if entry.job_id in done]
        # A queue that drops failed jobs by plan leaves the entry as it is: it can be rebuilt.
        removed = [
            _verdict(entry, EntryState.VANISHED, "removed from its queue")
            for entry in gone
            if entry.job_id not in done and not entry.forgets
        ]
        verdicts = completed + removed
        for start in range(0, len(verdicts), PAGE):
            await self._apply(verdicts[start : start + PAGE])

    async def _done_since(self, queue: str, failed: Sequence[LedgerEntry]) -> set[JobId]:
        """Those of the jobs that have completed, as their last event says, since they failed."""
        last = await self._engine.completed(queue, [entry.job_id for entry in failed])
        return {entry.job_id for entry in failed if last.get(entry.job_id, _NEVER) > _since(entry)}

    async def _apply(self, verdicts: Sequence[DriftVerdict]) -> None:
        if verdicts:
            reach(Step.DRIFT_JUDGED)
            await self._tell(await self._ledger.record_drift(verdicts))
            reach(Step.DRIFT_RECORDED)

    def _judge(self, entry: LedgerEntry, status: JobStatus) -> tuple[EntryState, str] | None:
        """The state an entry should have, and why; None if it is as it should be."""
        was_failed = entry.state is EntryState.FAILED
        if status.state in _LIVE:
            state = _LIVE[status.state]
            reason = "retried elsewhere" if was_failed else ""
            return None if state is entry.state else (state, reason)
        if status.state is JobState.COMPLETED:
            return EntryState.RECOVERED, "completed elsewhere" if was_failed else ""
        if status.state is JobState.FAILED:
            # The same run as before the hand-over: the queue's store lost it, as after a crash.
            lost = (EntryState.FAILED, "its queue lost the hand-over")
            return lost if entry.awaits or not was_failed else None
        if was_failed or not self._was_heard(entry):
            return None
        if status.state is JobState.MISSING:
            return EntryState.VANISHED, "gone from its queue without a verdict"
        # Known, and in none of its queue's lists: no worker will ever take it.
        return EntryState.VANISHED, "in none of its queue's lists"

    def _was_heard(self, entry: LedgerEntry) -> bool:
        """Whether every outcome since the entry's hand-over has been applied."""
        return entry.moved_at is None or entry.moved_at + _GRACE < self._heard_until

    async def _find_unrecorded(self, queue: str) -> None:
        cursor: str | None = ""
        while cursor is not None:
            began = monotonic()
            failed, cursor = await self._engine.failed_ids(queue, cursor, PAGE)
            missed = await self._ledger.unrecorded(self._source, queue, failed)
            if missed:
                await self._take_in(queue, missed)
                await self._bring_back(queue, [one for one in failed if one.job_id in missed])
            await _rest(began)

    async def _bring_back(self, queue: str, failed: Sequence[JobStatus]) -> None:
        """What had vanished and is failed since the same time was away with its queue's store."""
        back = await self._ledger.vanished_among(self._source, queue, failed)
        await self._apply(
            [_verdict(entry, EntryState.FAILED, "its queue holds it again") for entry in back]
        )


def _since(entry: LedgerEntry) -> datetime:
    """When the run began to be awaited whose completion ends the failure."""
    handed_over = entry.moved_at if entry.awaits else None
    return handed_over or entry.failed_since


def _done_elsewhere(entry: LedgerEntry) -> DriftVerdict:
    return _verdict(entry, EntryState.RECOVERED, "completed elsewhere")


def _verdict(entry: LedgerEntry, state: EntryState, reason: str) -> DriftVerdict:
    return DriftVerdict(
        entry_pk=entry.entry_pk,
        failure_seq=entry.failure_seq,
        generation=entry.generation,
        from_state=entry.state,
        to_state=state,
        reason=reason,
    )


async def _rest(began: float) -> None:
    await asyncio.sleep(min(monotonic() - began, _LONGEST_REST_SECONDS))
