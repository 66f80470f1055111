"""Verdicts: what became of an operation's work."""

from __future__ import annotations

from datetime import datetime

from pydantic import ConfigDict
from pydantic.config import JsonDict

from redrive import domain
from redrive.wire.base import Output

VERDICT_EXAMPLE: JsonDict = {
    "is_final": False,
    "moved": 790,
    "waiting": 275,
    "recovered": 512,
    "failed_again": 3,
    "failed_same": 2,
    "failed_differently": 1,
    "vanished": 0,
    "recovery_rate": 0.9942,
    "observed_until": None,
}


class Verdict(Output):
    """What became of what an operation moved.
    ``moved = waiting + recovered + failed_again + vanished``."""

    model_config = ConfigDict(json_schema_extra={"example": VERDICT_EXAMPLE})

    is_final: bool
    """Nobody waits for the rest any more. What comes later is still counted."""
    moved: int
    waiting: int
    """Without an outcome yet."""
    recovered: int
    failed_again: int
    failed_same: int
    """Of those that failed again: the same way as before."""
    failed_differently: int
    """Of those that failed again: another way, or one that cannot be compared."""
    vanished: int
    """The queue no longer knows the job and gave no verdict."""
    recovery_rate: float | None
    """The part of those with an outcome that recovered, from 0 to 1; null while there is none."""
    observed_until: datetime | None
    """Until then outcomes are waited for; null until the operation has ended."""


class OutcomePoint(Output):
    """The outcomes of one step of time."""

    at: datetime
    """Its beginning."""
    recovered: int
    failed_again: int
    recovery_rate: float | None
    """The part that recovered of all that ran until its end; null while there is none."""


class FollowUp(Output):
    """An operation that would deal with what failed again."""

    kind: domain.OperationKind
    entries: int
    """How many it would still take; at most, where they are too many to be counted."""
    filter: dict[str, str | int]
    """What to plan it with."""


class OperationVerdict(Verdict):
    """An operation's verdict, how it came about, and what could be done next."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **VERDICT_EXAMPLE,
                "observed_until": "2026-01-05T11:01:00Z",
                "operation_id": "op_01jd9x2m7k",
                "phase": "observing",
                "step_seconds": 60,
                "series": [
                    {
                        "at": "2026-01-05T10:00:00Z",
                        "recovered": 512,
                        "failed_again": 3,
                        "recovery_rate": 0.9942,
                    }
                ],
                "follow_ups": [
                    {
                        "kind": "retry",
                        "entries": 3,
                        "filter": {"failed_again_in": "op_01jd9x2m7k"},
                    }
                ],
            }
        }
    )

    operation_id: str
    phase: domain.OperationPhase
    step_seconds: int
    series: list[OutcomePoint]
    """The outcomes over time, one point per step, 120 at most."""
    follow_ups: list[FollowUp]
    """None until the operation has ended, and none that would take nothing any more."""

    @staticmethod
    def of(judgement: domain.Judgement) -> OperationVerdict:
        return OperationVerdict(
            **Verdict.model_validate(judgement.verdict).model_dump(),
            operation_id=judgement.operation.operation_id,
            phase=judgement.verdict.phase,
            step_seconds=int(judgement.step.total_seconds()),
            series=_series(judgement),
            follow_ups=_follow_ups(judgement),
        )


def _series(judgement: domain.Judgement) -> list[OutcomePoint]:
    return [
        OutcomePoint(
            at=point.at,
            recovered=point.recovered,
            failed_again=point.failed_again,
            recovery_rate=rate,
        )
        for point, rate in zip(judgement.points, judgement.rates, strict=True)
    ]


def _follow_ups(judgement: domain.Judgement) -> list[FollowUp]:
    found = []
    for one in judgement.follow_ups:
        asked: dict[str, str | int] = {"failed_again_in": judgement.operation.operation_id}
        if one.same_failures_min is not None:
            asked["same_failures_min"] = one.same_failures_min
        found.append(FollowUp(kind=one.kind, entries=one.at_most, filter=asked))
    return found
