"""A queue system in memory that keeps the engine port's contract, for tests of the middle.

It is kept honest by the same contract suite as the real engines.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from redrive.domain import (
    Answer,
    AppId,
    Failure,
    JobId,
    JobOutcome,
    JobState,
    JobStatus,
    JobSummary,
    OutcomeKind,
    Payload,
    QueueCounts,
    RequeueBatch,
    RequeueItem,
    RequeueResult,
    Stamp,
    TakeBackBatch,
    TakeBackItem,
    TakeBackResult,
    TakenBack,
    to_millis,
)
from redrive.errors import EngineUnavailable
from redrive.ports import Page
from redrive.testing.queues import MemoryJob, MemoryQueues

T = TypeVar("T")


class InMemoryEngine(MemoryQueues):
    """See :class:`redrive.ports.Engine`; the inherited methods are the other side of the port."""

    def __init__(self, source: str = "default", rescan_key: str = "isRescan") -> None:
        super().__init__()
        self.source = source
        self._rescan_key = rescan_key

    async def check(self) -> None:
        self._answer(None)

    async def queues(self) -> list[str]:
        return self._answer(
            sorted(name for name, queue in self._queues.items() if queue.outcomes or queue.jobs)
        )

    def problems(self) -> Mapping[str, str]:
        return {}

    async def failures(self, queue: str, cursor: str, limit: int) -> tuple[list[Failure], str]:
        millis, _, member = cursor.partition(":")
        place = (int(millis or -1), member)
        ordered = sorted(self._failed(queue), key=_place)
        page = [job for job in ordered if _place(job) > place][:limit]
        if page:
            cursor = "{}:{}".format(*_place(page[-1]))
        return self._answer(([self._failure(queue, job) for job in page], cursor))

    async def failures_of(self, queue: str, job_ids: Sequence[JobId]) -> list[Failure]:
        failed = {job.job_id: job for job in self._failed(queue)}
        return self._answer(
            [self._failure(queue, failed[job_id]) for job_id in job_ids if job_id in failed]
        )

    async def failed_ids(
        self, queue: str, cursor: str, limit: int
    ) -> tuple[list[JobStatus], str | None]:
        ordered = sorted(job.job_id for job in self._failed(queue))
        page = [job_id for job_id in ordered if job_id > cursor or not cursor][:limit]
        following = page[-1] if page and page[-1] != ordered[-1] else None
        return self._answer(([self._status(queue, job_id) for job_id in page], following))

    async def outcomes(
        self, cursors: Mapping[str, str], limit: int, wait_seconds: float
    ) -> dict[str, tuple[list[JobOutcome], str]]:
        self._news.clear()
        news = self._answer(self._told(cursors, limit))
        if not news and wait_seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), wait_seconds)
            news = self._answer(self._told(cursors, limit))
        return news

    async def begun_anew(self, cursors: Mapping[str, str]) -> set[str]:
        return self._answer(
            {
                queue
                for queue, cursor in cursors.items()
                if (told := self._queue(queue).outcomes) and len(told) < int(cursor or 0)
            }
        )

    async def statuses(self, queue: str, job_ids: Sequence[JobId]) -> list[JobStatus]:
        return self._answer([self._status(queue, job_id) for job_id in job_ids])

    async def requeue(self, batch: RequeueBatch) -> list[RequeueResult]:
        return self._once(batch, None, lambda: [self._move(batch, item) for item in batch.items])

    async def withhold(self, batch: RequeueBatch) -> list[RequeueResult]:
        results = self._once(
            batch, None, lambda: [self._result(item, Answer.WITHHELD) for item in batch.items]
        )
        return [
            self._withhold_rebuild(batch, item) if result.answer is Answer.MISSING else result
            for item, result in zip(batch.items, results, strict=True)
        ]

    def _withhold_rebuild(self, batch: RequeueBatch, item: RequeueItem) -> RequeueResult:
        return self._once(batch, item.job_id, lambda: [self._result(item, Answer.WITHHELD)])[0]

    async def rebuild(
        self, batch: RequeueBatch, job_id: JobId, name: str, payload: Payload
    ) -> RequeueResult:
        [item] = [item for item in batch.items if item.job_id == job_id]
        return self._once(batch, job_id, lambda: [self._rebuild(batch, item, name, payload)])[0]

    async def completed(self, queue: str, job_ids: Sequence[JobId]) -> dict[JobId, datetime]:
        last = {
            outcome.job_id: outcome
            for outcome in self._queue(queue).outcomes
            if outcome.kind is not OutcomeKind.REMOVED
        }
        found = [last[one] for one in job_ids if one in last]
        return self._answer(
            {one.job_id: one.at for one in found if one.kind is OutcomeKind.COMPLETED}
        )

    async def decline(self, batch: RequeueBatch, job_id: JobId) -> RequeueResult:
        [item] = [item for item in batch.items if item.job_id == job_id]
        return self._once(batch, job_id, lambda: [self._result(item, Answer.NOT_FAILED)])[0]

    async def take_back(self, batch: TakeBackBatch) -> list[TakeBackResult]:
        self._answer(None)
        receipts = self._queue(batch.queue).undo_receipts
        name = f"{batch.operation_id}:{batch.number}"
        if name not in receipts:
            receipts[name] = [self._take_back(batch, item) for item in batch.items]
        self._lose_the_reply()
        return receipts[name]

    async def counts(self, queue: str) -> QueueCounts:
        states = [job.state for job in self._queue(queue).jobs.values()]
        counts = {state: states.count(state) for state in JobState if state in states}
        return self._answer(
            QueueCounts(source=self.source, queue=queue, counts=counts, paused=False)
        )

    async def jobs(self, queue: str, state: JobState, cursor: str, limit: int) -> Page[JobSummary]:
        found = [job for job in self._queue(queue).jobs.values() if job.state is state]
        if state in (JobState.FAILED, JobState.COMPLETED):
            found.sort(key=_place, reverse=True)
            millis, _, job_id = cursor.partition("/")
            after = (int(millis), job_id) if cursor else None
            found = [job for job in found if after is None or _place(job) < after]
            cursors = ["/".join(map(str, _place(job))) for job in found]
        else:
            first = int(cursor or 0)
            found = found[first:]
            cursors = [str(first + number) for number in range(1, len(found) + 1)]
        more = len(found) > limit
        shown = [_summary(job) for job in found[:limit]]
        return self._answer(Page(items=shown, next_cursor=cursors[limit - 1] if more else None))

    async def close(self) -> None:
        """Nothing to give back."""

    def _told(
        self, cursors: Mapping[str, str], limit: int
    ) -> dict[str, tuple[list[JobOutcome], str]]:
        news = {}
        for queue, cursor in cursors.items():
            first = int(cursor or 0)
            told = self._queue(queue).outcomes[first : first + limit]
            if told:
                news[queue] = (told, str(first + len(told)))
        return news

    def _answer(self, value: T) -> T:
        if self.away:
            raise EngineUnavailable(source=self.source, sent=False, detail="away")
        return value

    def _once(
        self, batch: RequeueBatch, job_id: JobId | None, act: Callable[[], list[RequeueResult]]
    ) -> list[RequeueResult]:
        self._answer(None)
        receipts = self._queue(batch.queue).receipts
        name = f"{batch.operation_id}:{batch.number}:{job_id or ''}"
        if name not in receipts:
            receipts[name] = act()
        self._lose_the_reply()
        return receipts[name]

    def _lose_the_reply(self) -> None:
        if self._replies_to_lose:
            self._replies_to_lose -= 1
            raise EngineUnavailable(source=self.source, sent=True, detail="the reply was lost")

    def _result(self, item: RequeueItem, answer: Answer) -> RequeueResult:
        return RequeueResult(job_id=item.job_id, answer=answer, at=self._now())

    def _move(self, batch: RequeueBatch, item: RequeueItem) -> RequeueResult:
        job = self.job(batch.queue, item.job_id)
        answer = _answer_for(job, item, batch.take_finished)
        if answer is Answer.REQUEUED and job is not None:
            self._queue(batch.queue).before[_moved_as(batch, item.job_id)] = job
            self._change(
                batch.queue,
                item.job_id,
                state=_waiting(batch),
                low_priority=batch.low_priority,
                started=False,
                data=self._marked(job.data, batch.mark),
                finished_at=None,
                error_message="",
                attempts_made=0,
                stamp=Stamp(operation_id=batch.operation_id, generation=item.generation),
            )
        return self._result(item, answer)

    def _rebuild(
        self, batch: RequeueBatch, item: RequeueItem, name: str, payload: Payload
    ) -> RequeueResult:
        if self.job(batch.queue, item.job_id) is not None:
            return self._move(batch, item)
        self._queue(batch.queue).jobs[item.job_id] = MemoryJob(
            job_id=item.job_id,
            name=name,
            data=self._marked(payload.data, batch.mark),
            state=_waiting(batch),
            low_priority=batch.low_priority,
            created_at=self._now(),
            forgets=bool(json.loads(payload.options).get("removeOnFail")),
            stamp=Stamp(operation_id=batch.operation_id, generation=item.generation),
        )
        return self._result(item, Answer.RECREATED)

    def _take_back(self, batch: TakeBackBatch, item: TakeBackItem) -> TakeBackResult:
        answer = self._can_take_back(batch, item)
        if answer is TakenBack.TAKEN_BACK:
            queue = self._queue(batch.queue)
            if item.remove:
                self.drop(batch.queue, item.job_id)
            else:
                queue.jobs[item.job_id] = queue.before[_moved_as(batch, item.job_id)]
        return TakeBackResult(job_id=item.job_id, answer=answer, at=self._now())

    def _can_take_back(self, batch: TakeBackBatch, item: TakeBackItem) -> TakenBack:
        job = self.job(batch.queue, item.job_id)
        stamp = Stamp(operation_id=batch.operation_id, generation=item.generation)
        if job is None:
            return TakenBack.MISSING
        if job.stamp != stamp:
            return TakenBack.CHANGED
        if job.started:
            return TakenBack.STARTED
        known = item.remove or _moved_as(batch, item.job_id) in self._queue(batch.queue).before
        return TakenBack.TAKEN_BACK if known else TakenBack.LEFT

    def _marked(self, data: bytes, mark: bool) -> bytes:
        decoded = json.loads(data)
        if not self._rescan_key or not isinstance(decoded, dict):
            return data
        return json.dumps({**decoded, self._rescan_key: mark}, separators=(",", ":")).encode()

    def _failure(self, queue: str, job: MemoryJob) -> Failure:
        data = json.loads(job.data)
        options = b'{"removeOnFail":{"count":100}}' if job.forgets else b"{}"
        return Failure(
            source=self.source,
            queue=queue,
            job_id=job.job_id,
            app_id=AppId(str(data.get("app_id") or queue)),
            job_name=job.name,
            failed_at=job.finished_at or job.created_at,
            error_type="Error",
            error_message=job.error_message,
            stacktrace=f"Error: {job.error_message}",
            attempts_made=job.attempts_made,
            created_at=job.created_at,
            payload=Payload(data=job.data, options=options),
            data_size=len(job.data),
            stamp=job.stamp,
            forgets=job.forgets,
        )

    def _status(self, queue: str, job_id: JobId) -> JobStatus:
        job = self.job(queue, job_id)
        if job is None:
            return JobStatus(job_id=job_id, state=JobState.MISSING)
        return JobStatus(job_id=job_id, state=job.state, finished_at=job.finished_at)


def _waiting(batch: RequeueBatch) -> JobState:
    return JobState.PRIORITIZED if batch.low_priority else JobState.WAITING


def _moved_as(batch: RequeueBatch | TakeBackBatch, job_id: JobId) -> str:
    number = batch.number if isinstance(batch, RequeueBatch) else batch.moved_as
    return f"{batch.operation_id}:{number}:{job_id}"


def _answer_for(job: MemoryJob | None, item: RequeueItem, take_finished: bool) -> Answer:
    if job is None:
        return Answer.MISSING
    if job.state is JobState.FAILED:
        same = job.finished_at == item.failed_at or take_finished
        return Answer.REQUEUED if same else Answer.SUPERSEDED
    if job.state is JobState.COMPLETED:
        return Answer.REQUEUED if take_finished else Answer.NOT_FAILED
    return Answer.ALREADY_LIVE


def _place(job: MemoryJob) -> tuple[int, str]:
    return (to_millis(job.finished_at) if job.finished_at else 0, job.job_id)


def _summary(job: MemoryJob) -> JobSummary:
    return JobSummary(
        job_id=job.job_id,
        name=job.name,
        state=job.state,
        attempts_made=job.attempts_made,
        created_at=job.created_at,
        finished_at=job.finished_at,
        error_message=job.error_message,
    )
