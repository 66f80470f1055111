"""What is left to be judged when everything has come to rest. Plain values, times in seconds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from proof.plan import JobPlan

JobKey = tuple[str, str]
"""A queue and a job's id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run of a job, by the worker's own record.

    ``attempt`` is the engine's count of starts since the last hand-over. ``reported`` is when the
    worker knew that the engine had taken its verdict; None: it never knew.
    """

    job: JobKey
    stamp: str | None
    attempt: int
    started: float
    ended: float | None = None
    outcome: str | None = None
    reported: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemSeen:
    """An item of the ledger; ``stamp`` is what its hand-over writes on the job, ``from_state`` what
    its entry was before.

    ``moved`` is the engine's time of the hand-over, known while it is the entry's last one.
    """

    operation_id: str
    kind: str
    job: JobKey
    stamp: str
    failed_at: float
    state: str
    reason: str | None
    outcome: str | None
    settled: float | None
    from_state: str = "failed"
    moved: float | None = None
    same_way: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OperationSeen:
    """An operation of the ledger; ``by_minute`` sums up what it counts minute by minute, and
    ``where`` is the filter of its plan."""

    operation_id: str
    kind: str
    scope: str
    state: str
    total: int
    counts: dict[str, int]
    by_minute: dict[str, int]
    actor: str
    app_id: str | None = None
    error: str | None = None
    cancelled_by: str | None = None
    approved_by: str | None = None
    where: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditSeen:
    """A row of the audit trail."""

    action: str
    operation_id: str | None
    result: str
    counts: Mapping[str, int]
    actor: str
    before: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerSeen:
    """What the console answered to a retry or a resync of one job; ``result`` is what was done, or
    the code of the problem."""

    job: JobKey
    status: int
    result: str
    operation_id: str | None = None
    job_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EntrySeen:
    job: JobKey
    app_id: str
    state: str
    failed_at: float
    recovered_at: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """What Redis confirmed between these moments was lost."""

    since: float
    until: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """Everything that the checker judges by. ``promised`` is what plans told the operator, by the
    operation that was started from them: how many entries they would take. ``miscounts`` are the
    counters of the ledger that are not what a count says. ``audit`` is the trail, oldest first, and
    ``progress`` what the console told of each operation that is over; None where it was not read.
    """

    jobs: Sequence[JobPlan]
    runs: Sequence[Run]
    items: Sequence[ItemSeen]
    operations: Sequence[OperationSeen]
    entries: Sequence[EntrySeen]
    engine_failed: dict[JobKey, float]
    losses: Sequence[Loss] = ()
    promised: Mapping[str, int] = field(default_factory=dict)
    miscounts: Sequence[str] = ()
    hurt_at: Sequence[float] = ()
    audit: Sequence[AuditSeen] | None = None
    progress: Mapping[str, Mapping[str, Any]] | None = None
    answers: Sequence[AnswerSeen] = ()


def read_runs(lines: Iterable[str]) -> list[Run]:
    """The workers' record, run by run, in the order of their starts."""
    started: dict[str, dict[str, Any]] = {}
    for line in lines:
        said = json.loads(line)
        if said["event"] == "start":
            started[said["run"]] = {
                "job": (said["queue"], said["job_id"]),
                "stamp": said["stamp"],
                "attempt": said["attempt"],
                "started": said["at"],
            }
        elif said["event"] == "end":
            started[said["run"]] |= {"ended": said["at"], "outcome": said["outcome"]}
        else:
            started[said["run"]]["reported"] = said["at"]
    runs = [Run(**values) for values in started.values()]
    return sorted(runs, key=lambda run: run.started)


def seconds(at: datetime) -> float:
    return at.timestamp()
