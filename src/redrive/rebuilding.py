"""Creating jobs anew that their queue has forgotten, unless their work was done meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from redrive.domain import (
    Answer,
    ClaimedEntry,
    EntryState,
    JobId,
    Operation,
    OperationKind,
    RequeueBatch,
    RequeueResult,
    ScopeKind,
)
from redrive.errors import Unavailable
from redrive.faultpoints import Step, reach
from redrive.ports import Engine, OperationLedger

log = structlog.get_logger()

Answered = tuple[ClaimedEntry, RequeueResult]
"""A claimed entry and what its engine said of its job."""

_DETAIL_AT_MOST = 200


class Rebuilding:
    """What becomes of those jobs of a batch that the engine said are missing."""

    def __init__(self, *, ledger: OperationLedger, engines: Mapping[str, Engine]) -> None:
        self._ledger = ledger
        self._engines = engines

    async def rebuild(
        self, operation: Operation, source: str, part: RequeueBatch, missing: Sequence[Answered]
    ) -> list[Answered]:
        """Rebuild forgotten jobs where forgetting was the plan, or where a person asked for it by
        hand; a bulk operation does not raise what somebody removed.

        Safe to repeat: each rebuild leaves its receipt. Raises EngineUnavailable; whatever else
        goes wrong is the ERROR of its entry.
        """
        answered = [
            (entry, _with_detail(result, "the job was removed from its queue"))
            for entry, result in missing
            if not _may_rebuild(operation, entry)
        ]
        wanted = [pair for pair in missing if _may_rebuild(operation, pair[0])]
        if not wanted:
            return answered
        engine = self._engines[source]
        try:
            completed = await self._completed_elsewhere(operation, engine, part, wanted)
        except Unavailable:
            raise
        except Exception as error:
            log.exception("completions_not_read", source=source, queue=part.queue)
            return answered + [(entry, _error(result, error)) for entry, result in wanted]
        for entry, result in wanted:
            done = entry.job_id in completed
            answered.append((entry, await self._result(engine, part, entry, result, done)))
        return answered

    async def _completed_elsewhere(
        self, operation: Operation, engine: Engine, part: RequeueBatch, wanted: Sequence[Answered]
    ) -> set[JobId]:
        """Jobs that were retried by another tool, completed, and were removed then.

        A rebuild would run them twice. Of an operation that has rebuilt them itself before, the
        receipt says so. The ledger may not have heard of it yet, so the engine is asked; one that
        has lost the failure may tell of a completion from before. A resync is meant to run
        completed jobs again.
        """
        if operation.kind is not OperationKind.RETRY:
            return set()
        told = await engine.completed(part.queue, [entry.job_id for entry, _ in wanted])
        return {
            entry.job_id
            for entry, _ in wanted
            if entry.job_id in told
            and told[entry.job_id] > await self._ledger.failed_since(entry.entry_pk)
        }

    async def _result(
        self,
        engine: Engine,
        part: RequeueBatch,
        entry: ClaimedEntry,
        missing: RequeueResult,
        completed: bool,
    ) -> RequeueResult:
        try:
            if completed:
                declined = await engine.decline(part, entry.job_id)
                reach(Step.REBUILD_DECLINED)
                return declined
            return await self._rebuilt(engine, part, entry, missing)
        except Unavailable:
            raise
        except Exception as error:
            log.exception("job_not_rebuilt", entry_id=entry.entry_id)
            return _error(missing, error)

    async def _rebuilt(
        self, engine: Engine, part: RequeueBatch, entry: ClaimedEntry, missing: RequeueResult
    ) -> RequeueResult:
        name, payload = await self._ledger.payload(entry.entry_pk)
        if payload is None:
            return _with_detail(missing, "the job is gone and its payload was not kept")
        reach(Step.REBUILD_WANTED)
        rebuilt = await engine.rebuild(part, entry.job_id, name, payload)
        reach(Step.REBUILT)
        return rebuilt


def _may_rebuild(operation: Operation, entry: ClaimedEntry) -> bool:
    completed_and_dropped = (
        operation.kind is OperationKind.RESYNC and entry.from_state is EntryState.RECOVERED
    )
    by_hand = operation.scope.kind is ScopeKind.ENTRY
    return by_hand or entry.forgets or completed_and_dropped


def _with_detail(result: RequeueResult, detail: str) -> RequeueResult:
    return result._replace(detail=detail)


def _error(missing: RequeueResult, error: Exception) -> RequeueResult:
    return missing._replace(answer=Answer.ERROR, detail=str(error)[:_DETAIL_AT_MOST])
