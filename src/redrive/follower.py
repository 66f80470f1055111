"""The follower: reads what an engine reports and writes it to the ledger.

Per source, the scan takes in failures, the outcomes tell what became of moved jobs,
and the check (:mod:`redrive.drift`) compares ledger and engine, as the truth behind both. Killed
anywhere it loses nothing, because cursors move in the transaction that records what they cover.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic

import structlog

from redrive.ahead import ReadAhead
from redrive.domain import (
    DROPPED_AT_ONCE,
    AppId,
    Failure,
    JobId,
    JobOutcome,
    JobState,
    Operation,
    progress_of,
)
from redrive.drift import DriftCheck
from redrive.errors import StoreUnavailable, Unavailable
from redrive.faultpoints import Step, reach
from redrive.hearing import announced_in, completed_in, overtaken_in
from redrive.ports import (
    Clock,
    Engine,
    EntryVersion,
    FollowerLedger,
    FollowerReports,
    ProgressStore,
)

log = structlog.get_logger()

BATCH = 1000
# A stream holds about 10,000 events: one page shows what became of a failure further on.
_EVENTS = 20_000
_PAGES_IN_A_ROW = 5
_IDLE_SECONDS = 0.25
_EVENT_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 2.0
_REMEMBERED = 100_000
_SAVE_CURSOR_SECONDS = 1.0
_BEGUN_ANEW_SECONDS = 5.0
_SAME_FAILURE = timedelta(seconds=2)
"""A worker says by its own clock when a job failed, the announcement by the server's."""


class Follower:
    """Follows one source. Any number of followers of the same source do no harm."""

    def __init__(
        self,
        *,
        engine: Engine,
        ledger: FollowerLedger,
        progress: ProgressStore,
        reports: FollowerReports,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._source = engine.source
        self._ledger = ledger
        self._progress = progress
        self._reports = reports
        self._clock = clock
        self._scanned: dict[str, str] | None = None
        self._heard: dict[str, str] | None = None
        self._saved: dict[str, str] = {}
        self._saved_at = 0.0
        self._queues: list[str] = []
        self._discover_at = 0.0
        self._begun_anew_at = 0.0
        self._recent: OrderedDict[tuple[str, str], datetime] = OrderedDict()
        self._scanning = asyncio.Lock()
        self._check = DriftCheck(
            engine=engine, ledger=ledger, clock=clock, tell=self._tell, take_in=self._take_in
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until ``stop`` is set; waits while a store or the queue system is away."""
        with structlog.contextvars.bound_contextvars(source=self._source):
            async with asyncio.TaskGroup() as loops:
                loops.create_task(self._forever(self.scan, _IDLE_SECONDS, stop))
                loops.create_task(self._forever(self.hear, 0.0, stop))
                pause = DriftCheck.PAUSE_SECONDS
                loops.create_task(self._forever(self.check_entries, pause, stop))
                loops.create_task(self._forever(self._find_unrecorded, pause, stop))

    async def _forever(
        self, step: Callable[[], Awaitable[object]], pause: float, stop: asyncio.Event
    ) -> None:
        wait = pause
        while not stop.is_set():
            try:
                await step()
                wait = pause
            except Exception as error:
                # Also what nobody thought of: one poisoned job must not end the following of all.
                wait = min(max(wait * 2, 0.1), _LONGEST_WAIT_SECONDS)
                self._scanned = self._heard = None
                expected = isinstance(error, Unavailable)
                log.warning("follower_waits", error=str(error), seconds=wait, exc_info=not expected)
            try:
                await asyncio.wait_for(stop.wait(), wait)
            except TimeoutError:
                continue

    async def queues(self) -> list[str]:
        """The watched queues; looked for again after twenty times what looking takes."""
        if monotonic() >= self._discover_at:
            began = monotonic()
            self._queues = await self._engine.queues()
            self._discover_at = monotonic() + max(1.0, 20 * (monotonic() - began))
        return self._queues

    async def scan(self) -> int:
        """Take in the failures that are new, of every queue in turn; returns how many."""
        began = self._clock.now()
        taken = 0
        unfinished = list(await self.queues())
        while unfinished:
            for queue in list(unfinished):
                found, is_through = await self._scan_queue(queue)
                taken += found
                if is_through:
                    unfinished.remove(queue)
        try:
            await self._reports.caught_up(self._source, began)
        except StoreUnavailable as error:
            log.warning("report_not_written", error=str(error))
        return taken

    async def _scan_queue(self, queue: str) -> tuple[int, bool]:
        """Take in some pages of a queue's failures; returns how many failures, and whether it came
        to the end of them. A page of large jobs is a short one."""
        taken = 0
        pages = ReadAhead(self._engine, self._ledger.newest_failure, queue, BATCH)
        async with self._scanning, pages as ahead:
            for pages_left in reversed(range(_PAGES_IN_A_ROW)):
                # Another loop that fails meanwhile forgets the places: they are read anew then.
                places = self._scanned
                if places is None:
                    places = self._scanned = await self._ledger.cursors(self._source, "failures")
                before = places.get(queue, "")
                page = await ahead.page(before)
                if page is None:
                    return taken, True
                reach(Step.FAILURES_READ)
                if pages_left and len(page.failures) == BATCH:
                    ahead.begin(page.after)
                changed = await self._ledger.record_failures(
                    self._source, queue, page.failures, (before, page.after), page.known
                )
                reach(Step.FAILURES_RECORDED)
                taken += len(page.failures)
                if changed is None:
                    self._scanned = None
                    continue
                places[queue] = page.after
                self._remember(queue, page.failures)
                await self._tell(changed)
        return taken, False

    async def hear(self) -> None:
        """Apply what happened to jobs since the last time; waits up to a second for it."""
        queues = await self.queues()
        if self._heard is None:
            self._saved = await self._ledger.cursors(self._source, "outcomes")
            self._heard = dict(self._saved)
            self._begun_anew_at = 0.0
        if monotonic() >= self._begun_anew_at:
            for queue in await self._engine.begun_anew(self._heard):
                self._heard[queue] = ""
            self._begun_anew_at = monotonic() + _BEGUN_ANEW_SECONDS
        if not queues:
            await asyncio.sleep(_IDLE_SECONDS)
            return
        asked_at = self._clock.now()
        cursors = {queue: self._heard.get(queue, "") for queue in queues}
        found = await self._engine.outcomes(cursors, _EVENTS, _EVENT_WAIT_SECONDS)
        applied = [
            await self._apply(queue, outcomes, after) for queue, (outcomes, after) in found.items()
        ]
        if all(applied) and all(outcomes for outcomes, _ in found.values()):
            newest = (outcomes[-1].at for outcomes, _ in found.values())
            self._check.heard_until(min([asked_at, *newest]))

    async def _apply(self, queue: str, outcomes: list[JobOutcome], after: str) -> bool:
        """Record a queue's outcomes; with none, save the cursor at most once a second. Returns
        whether they are recorded: another follower may be ahead of this one.

        Announced failures and completions elsewhere come first and the cursor last: killed in
        between, they are announced again.
        """
        places = self._heard
        if places is None:
            return False
        if after == places.get(queue, ""):
            return True
        due = monotonic() - self._saved_at >= _SAVE_CURSOR_SECONDS
        if outcomes or due:
            if outcomes:
                reach(Step.OUTCOMES_READ)
            saved = self._saved.get(queue, "")
            if overtaken := overtaken_in(outcomes):
                # What failed since takes its entry from there.
                stays = (saved, saved) if saved else None
                changed = await self._ledger.record_outcomes(self._source, queue, overtaken, stays)
                if changed is None:
                    self._heard = None
                    return False
                await self._tell(changed)
            await self._take_announced(queue, announced_in(outcomes, first=not places.get(queue)))
            if completed := completed_in(outcomes):
                await self._check.find_completed(queue, completed)
            changed = await self._ledger.record_outcomes(
                self._source, queue, outcomes, (saved, after)
            )
            if outcomes:
                reach(Step.OUTCOMES_RECORDED)
            if changed is None:
                self._heard = None
                return False
            self._saved[queue] = after
            self._saved_at = monotonic()
            await self._tell(changed)
        places[queue] = after
        return True

    async def _take_announced(self, queue: str, announced: dict[JobId, JobOutcome]) -> None:
        """Take in failures that were announced but that the scan does not come upon.

        A worker whose clock is behind puts its failures before the scan's place; a queue that
        drops failed jobs at once only announces them.
        """
        if announced:
            await self._scan_queue(queue)
        names = [name for name, told in announced.items() if not self._came_upon(queue, told)]
        for start in range(0, len(names), BATCH):
            part = names[start : start + BATCH]
            held = await self._take_in(queue, part)
            statuses = await self._engine.statuses(queue, [n for n in part if n not in held])
            gone = [one.job_id for one in statuses if one.state is JobState.MISSING]
            # Who reads late may find that another tool has had it done since.
            done = await self._engine.completed(queue, gone) if gone else {}
            await self._record(
                queue, [self._dropped(queue, announced[name]) for name in gone if name not in done]
            )

    def _came_upon(self, queue: str, announced: JobOutcome) -> bool:
        """Whether the scan has come upon an announced failure; each counts for one announcement."""
        found_at = self._recent.get((queue, announced.job_id))
        if found_at is None or abs(found_at - announced.at) > _SAME_FAILURE:
            return False
        del self._recent[(queue, announced.job_id)]
        return True

    def _dropped(self, queue: str, outcome: JobOutcome) -> Failure:
        return Failure(
            source=self._source,
            queue=queue,
            job_id=outcome.job_id,
            app_id=AppId(queue),
            job_name="",
            failed_at=outcome.at,
            error_type="Error",
            error_message=outcome.error_message,
            stacktrace="",
            attempts_made=0,
            forgets=True,
            defect=DROPPED_AT_ONCE,
            event_only=True,
        )

    async def check(self) -> None:
        """One pass of the drift check, in both directions."""
        await self.check_entries()
        await self._find_unrecorded()

    async def check_entries(self) -> None:
        """The half of the check that notices what was done elsewhere."""
        await self._check.check_entries()

    async def _find_unrecorded(self) -> None:
        await self._check.find_unrecorded(await self.queues())

    async def _take_in(self, queue: str, names: Sequence[JobId]) -> set[JobId]:
        """Read jobs beside the scan and take in those that are failed; returns which are.

        Much may become of them between the reading and the writing, in a process that is put to
        sleep above all: so the ledger is asked before how their entries stand.
        """
        seen = await self._ledger.versions(self._source, queue, names)
        failures = await self._engine.failures_of(queue, names)
        if failures:
            reach(Step.FAILURES_LOOKED_UP)
        await self._record(queue, failures, seen)
        return {failure.job_id for failure in failures}

    async def _record(
        self,
        queue: str,
        failures: list[Failure],
        seen: Mapping[JobId, EntryVersion] | None = None,
    ) -> None:
        if failures:
            changed = await self._ledger.record_failures(self._source, queue, failures, None, seen)
            await self._tell(changed or [])

    def _remember(self, queue: str, failures: Iterable[Failure]) -> None:
        for failure in failures:
            self._recent[(queue, failure.job_id)] = failure.failed_at
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)

    async def _tell(self, operations: Iterable[Operation]) -> None:
        """Outcome counts moved: show it. Progress is a view; without it the work goes on."""
        for operation in operations:
            try:
                await self._progress.write(progress_of(operation, self._clock.now()))
            except StoreUnavailable as error:
                log.warning("progress_not_written", error=str(error))
