"""The calls that change something: move a batch, withhold it, rebuild a job or decline to, take
jobs back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgpack

from redrive.domain import (
    Answer,
    JobId,
    Payload,
    RequeueBatch,
    RequeueItem,
    RequeueResult,
    TakeBackBatch,
    TakeBackResult,
    to_millis,
)
from redrive.engines.bullmq.answers import RECEIPT_SECONDS, read_receipt, read_undo_receipt
from redrive.engines.bullmq.calls import Argument, Calls
from redrive.engines.bullmq.keys import QueueKeys
from redrive.engines.bullmq.library import WORKER_MAJORS
from redrive.engines.bullmq.reading import LOWEST_PRIORITY
from redrive.engines.bullmq.scripts import rebuild_script, script
from redrive.engines.bullmq.text import json_or_none, whole
from redrive.errors import RedriveError, Unavailable
from redrive.faultpoints import Step, reach

MAJORS = "".join(f":{major}." for major in WORKER_MAJORS)
"""The supported majors as ``scripts/queue.lua`` looks for them."""

CALL_JOBS = 125
"""Jobs moved by one call of the script: some milliseconds in which the server does nothing else."""

_DETAIL_AT_MOST = 200

Answered = list[RequeueResult] | RedriveError
"""What one call for a batch gave."""

_MOVE, _WITHHOLD, _DECLINE = "move", "withhold", "decline"

STANDARD, PRIORITIZED = "addStandardJob-9", "addPrioritizedJob-9"


class Mover:
    """Moves jobs of one source; every call leaves a receipt and can be repeated."""

    def __init__(self, calls: Calls, rescan_key: str) -> None:
        self._calls = calls
        self._quoted_key = json.dumps(rescan_key, ensure_ascii=False) if rescan_key else ""

    async def move(self, keys: QueueKeys, batch: RequeueBatch) -> list[RequeueResult]:
        """Move the batch.

        What makes one of its calls fail may have let the others through: the jobs of that one are
        errors then, and the rest is answered. Raises where all fail alike, and EngineUnavailable.
        """
        return await self._call_all(keys, batch, _MOVE)

    async def withhold(self, keys: QueueKeys, batch: RequeueBatch) -> list[RequeueResult]:
        """Take the batch's receipts so that it is never moved; fails as :meth:`move` does.

        A job that was missing may have been rebuilt since, or may still be about to be: its receipt
        of the rebuild is taken too.
        """
        results = await self._call_all(keys, batch, _WITHHOLD)
        if any(result.answer is Answer.MISSING for result in results):
            reach(Step.BATCH_WITHHELD)
        return [
            await self._take_rebuild(keys, batch, item, _WITHHOLD)
            if result.answer is Answer.MISSING
            else result
            for item, result in zip(batch.items, results, strict=True)
        ]

    async def decline(self, keys: QueueKeys, batch: RequeueBatch, job_id: JobId) -> RequeueResult:
        """Take the receipt of the job's rebuild so that it never is: it completed elsewhere."""
        return await self._take_rebuild(keys, batch, _item_of(batch, job_id), _DECLINE)

    async def _call_all(
        self, keys: QueueKeys, batch: RequeueBatch, mode: str
    ) -> list[RequeueResult]:
        return _together(
            [
                (items, await self._call(keys, batch, first, items, mode))
                for first, items in _calls(batch.items)
            ]
        )

    async def _call(
        self,
        keys: QueueKeys,
        batch: RequeueBatch,
        first: int,
        items: Sequence[RequeueItem],
        mode: str,
    ) -> Answered:
        if first:
            reach(Step.PART_MOVED)
        receipt = keys.receipt(batch.operation_id, batch.number, first, len(batch.items))
        try:
            return await self._move(keys, batch, items, receipt, mode)
        except Unavailable:
            raise
        except RedriveError as error:
            return error

    async def _take_rebuild(
        self, keys: QueueKeys, batch: RequeueBatch, item: RequeueItem, mode: str
    ) -> RequeueResult:
        receipt = keys.rebuild_receipt(batch.operation_id, batch.number, item.job_id)
        [result] = await self._move(keys, batch, (item,), receipt, mode)
        return result

    async def rebuild(
        self, keys: QueueKeys, batch: RequeueBatch, job_id: JobId, name: str, payload: Payload
    ) -> RequeueResult:
        """Create the job; if it exists after all, what a move of just this job gives."""
        item = _item_of(batch, job_id)
        job = _ForgottenJob(keys, item, name, payload)
        receipt_key = keys.rebuild_receipt(batch.operation_id, batch.number, job_id)
        priority = LOWEST_PRIORITY if batch.low_priority else job.priority
        receipt = await self._calls.script(
            rebuild_script(PRIORITIZED if priority else STANDARD),
            [*keys.for_scripts, receipt_key, keys.of("id")],
            [
                *(keys.base, job_id, "prioritized" if priority else "standard"),
                *(self._quoted_key, json.dumps(batch.mark)),
                *(f"{batch.operation_id}:{item.generation}", RECEIPT_SECONDS),
                *job.arguments(priority),
                *(MAJORS, int(batch.low_priority), job.priority or ""),
            ],
        )
        if receipt:
            return read_receipt(receipt, [job_id])[0]
        reach(Step.REBUILD_REFUSED)
        [result] = await self._move(keys, batch, (item,), receipt_key, _MOVE)
        return result

    async def take_back(self, keys: QueueKeys, batch: TakeBackBatch) -> list[TakeBackResult]:
        """Take back what of a moved batch nobody has started, in one call."""
        flat = [
            value
            for item in batch.items
            for value in (item.job_id.encode(), item.generation, int(item.remove))
        ]
        receipt = await self._calls.script(
            script("splice", "queue", "takeback"),
            [
                *keys.for_scripts,
                keys.undo_receipt(batch.operation_id, batch.number),
                keys.before(batch.operation_id, batch.moved_as),
            ],
            [
                *(keys.base, self._quoted_key, json.dumps(batch.mark)),
                *(batch.operation_id, RECEIPT_SECONDS, MAJORS),
                msgpack.packb(flat, use_bin_type=False),
            ],
        )
        return read_undo_receipt(receipt, [item.job_id for item in batch.items])

    async def _move(
        self,
        keys: QueueKeys,
        batch: RequeueBatch,
        items: Sequence[RequeueItem],
        receipt_key: str,
        mode: str,
    ) -> list[RequeueResult]:
        arguments: list[Argument] = [
            *(keys.base, mode, int(batch.take_finished)),
            *(self._quoted_key, json.dumps(batch.mark)),
            *(batch.operation_id, RECEIPT_SECONDS, MAJORS, int(batch.low_priority)),
            _packed(items),
        ]
        receipt = await self._calls.script(
            script("splice", "queue", "requeue"),
            [*keys.for_scripts, receipt_key, keys.before(batch.operation_id, batch.number)],
            arguments,
        )
        return read_receipt(receipt, [item.job_id for item in items])


def _item_of(batch: RequeueBatch, job_id: JobId) -> RequeueItem:
    return next(item for item in batch.items if item.job_id == job_id)


def _calls(items: tuple[RequeueItem, ...]) -> Iterator[tuple[int, tuple[RequeueItem, ...]]]:
    """The items of each call, with the place of the first."""
    for first in range(0, len(items), CALL_JOBS):
        yield first, items[first : first + CALL_JOBS]


def _together(answers: Sequence[tuple[Sequence[RequeueItem], Answered]]) -> list[RequeueResult]:
    """What the calls for a batch say of its jobs. Raises the first error if all are errors."""
    told = [answer for _, answer in answers if not isinstance(answer, RedriveError)]
    results: list[RequeueResult] = []
    for items, answer in answers:
        if not isinstance(answer, RedriveError):
            results += answer
        elif not told:
            raise answer
        else:
            at, detail = told[0][0].at, str(answer)[:_DETAIL_AT_MOST]
            results += [
                RequeueResult(job_id=item.job_id, answer=Answer.ERROR, at=at, detail=detail)
                for item in items
            ]
    return results


def _packed(items: Sequence[RequeueItem]) -> bytes:
    flat: list[bytes | int] = []
    for item in items:
        flat += (item.job_id.encode(), to_millis(item.failed_at), item.generation)
    packed: bytes = msgpack.packb(flat, use_bin_type=False)
    return packed


class _ForgottenJob:
    """A job as the ledger remembers it, in the words of the library's add scripts.

    The delay is dropped: the job had its delay before it failed. What the hash is to hold as it
    was (options, parent) goes beside the packed form, which the library decodes and encodes.
    """

    def __init__(self, keys: QueueKeys, item: RequeueItem, name: str, payload: Payload) -> None:
        self._keys = keys
        self._job_id = item.job_id
        self._name = name
        self._payload = payload
        self._failed_at: datetime = item.failed_at
        options = json_or_none(payload.options)
        self._options: dict[str, Any] = options if isinstance(options, dict) else {}
        self.priority = self._priority()

    def arguments(self, priority: int) -> list[Argument]:
        """From the job's data on, as ``scripts/rebuild.lua`` takes them."""
        parent_key, parent_text = self._extra("parentKey"), self._extra("parent")
        parent = json_or_none(parent_text.encode())
        if not parent_key or not isinstance(parent, dict):
            parent_key, parent = "", {}
        deduplication_key = self._deduplication_key()
        return [
            *(self._payload.data, self._payload.options, self._packed_options(priority)),
            self._packed_arguments(None, None, deduplication_key),
            self._packed_arguments(parent_key, parent, deduplication_key) if parent else "",
            *(parent_key, parent_text),
            *(f"{parent.get('queueKey', '')}:waiting-children", str(parent.get("id", ""))),
            deduplication_key or "",
        ]

    def _extra(self, field: str) -> str:
        return self._payload.extra.get(field, "")

    def _priority(self) -> int:
        stored = whole(self._extra("priority").encode())
        if stored is None:
            given = self._options.get("priority")
            stored = given if isinstance(given, int) else 0
        return stored if 0 < stored <= LOWEST_PRIORITY else 0

    def _packed_options(self, priority: int) -> bytes:
        options = {key: value for key, value in self._options.items() if key != "delay"}
        options["priority"] = priority
        packed: bytes = msgpack.packb(
            _portable(options), use_bin_type=True, unicode_errors="surrogatepass"
        )
        return packed

    def _packed_arguments(
        self, parent_key: str | None, parent: dict[str, Any] | None, deduplication_key: str | None
    ) -> bytes:
        created = whole(self._extra("timestamp").encode()) or to_millis(self._failed_at)
        packed: bytes = msgpack.packb(
            [
                *(self._keys.base, self._job_id, self._name, created),
                *(parent_key, f"{parent_key}:dependencies" if parent_key else None, parent),
                *(self._extra("rjk") or None, deduplication_key),
            ],
            use_bin_type=True,
            unicode_errors="surrogatepass",
        )
        return packed

    def _deduplication_key(self) -> str | None:
        deduplication = self._options.get("de")
        found = deduplication.get("id") if isinstance(deduplication, dict) else None
        return self._keys.of(f"de:{found}") if found else None


def _portable(value: Any) -> Any:
    """The value without integers that a packed number cannot hold."""
    if isinstance(value, dict):
        return {key: _portable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_portable(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    return value
