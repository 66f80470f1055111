"""Plans: what an operation would do, before anything moves; dismissing entries."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)
from pydantic.config import JsonDict

from redrive import domain
from redrive.wire.base import (
    NO_CONTROL,
    AppIdText,
    EntryIdText,
    Input,
    Output,
    ReasonText,
    Shown,
)
from redrive.wire.entries import Entry
from redrive.wire.operations import Controls, shown_filter
from redrive.wire.requests import ControlsInput, IdempotencyKey, LimitedStart, RetryRequest

FilterText = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=NO_CONTROL)]
Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
PlanToken = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, pattern=NO_CONTROL),
    Field(examples=["plan_0a1b2c3d4e5f60718293a4b5"]),
]


def _no_number(value: Any) -> Any:
    """A number would be taken for seconds since 1970."""
    if isinstance(value, bool | int | float):
        raise ValueError("must be a time such as 2026-01-31T12:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_no_number)]

_FILTER_EXAMPLE: JsonDict = {
    "app_id": "acme",
    "queue": "mail",
    "q": "ECONNREFUSED",
    "retried_max": 2,
}


class EntriesFilter(Input):
    """Which entries are meant; all that is said has to fit. Failed ones, and for a resync
    recovered ones too."""

    model_config = ConfigDict(json_schema_extra={"example": _FILTER_EXAMPLE})

    app_id: AppIdText | None = None
    source: FilterText | None = None
    queue: FilterText | None = None
    job_name: FilterText | None = None
    group_id: FilterText | None = None
    error_type: FilterText | None = None
    """The whole of it, as entries show it."""
    q: FilterText | None = None
    """Found in the error, the job id or the entry id."""
    failed_from: Moment | None = None
    """The newest failure is not older than this."""
    failed_before: Moment | None = None
    attempts_min: Count | None = None
    """How many attempts the newest run had, at least."""
    attempts_max: Count | None = None
    retried_min: Count | None = None
    """How many times it was put back already, at least."""
    retried_max: Count | None = None
    same_failures_min: Count | None = None
    """How many times in a row it failed the same way after it was put back, at least."""
    failed_again_in: FilterText | None = None
    """The operation that moved it last, and after which it failed again."""
    entry_ids: Annotated[tuple[EntryIdText, ...], Field(max_length=domain.MOST_ENTRY_IDS)] = ()
    """These and no others."""

    @model_validator(mode="after")
    def _ends_in_order(self) -> EntriesFilter:
        self.meant()
        return self

    def meant(self) -> domain.EntryFilter:
        """The filter as the services take it."""
        values = self.model_dump(exclude={"q", "entry_ids"})
        ids = tuple(domain.EntryId(one) for one in dict.fromkeys(self.entry_ids))
        return domain.EntryFilter(**values, query=self.q, entry_ids=ids)


class PlanRequest(LimitedStart):
    """What would happen? Nothing moves. The plan keeps its limits for the start."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"kind": "retry", "filter": _FILTER_EXAMPLE, "rate": 500}}
    )

    kind: domain.OperationKind = domain.OperationKind.RETRY
    filter: EntriesFilter = EntriesFilter()
    everything: StrictBool = False
    """Said in place of a filter: every entry of every app is meant."""
    include_repeated: StrictBool = False
    """Take in the entries that failed the same way three times or more after they were put back."""


class Part(Output):
    """How many of the selected entries have something in common."""

    key: Shown | None
    """The app, group or queue; null: entries without a group."""
    entries: int
    title: Shown = ""
    source: str = ""
    """A queue's source."""


class Breakdown(Output):
    """The selection, told apart: the 20 largest parts, and what else there is."""

    parts: list[Part]
    others: int
    """How many further apps, groups or queues there are."""
    other_entries: int


class LeftOut(Output):
    """Entries that fit the filter and are not selected."""

    reason: str
    """``repeated``; ``unknown`` (no entry has such an id); or the state that is in the way."""
    entries: int


class PlanWarning(Output):
    """What to know before starting."""

    code: str
    """``repeated``, ``unreadable``, ``overlap``, ``queue_paused``, ``engine_away``,
    ``not_watched``."""
    message: Shown
    entries: int
    operation_id: str | None
    """The operation that is in the way."""


class Plan(Output):
    """A selection, frozen and told. Starting it with ``plan_token`` acts on exactly this."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "plan_token": "plan_0a1b2c3d4e5f60718293a4b5",
                "expires_at": "2026-01-05T10:10:00Z",
                "kind": "retry",
                "filter": {"app_id": "acme", "q": "ECONNREFUSED"},
                "filter_in_words": "app=acme, text=ECONNREFUSED",
                "total": 400,
                "apps": {
                    "parts": [{"key": "acme", "entries": 400}],
                    "others": 0,
                    "other_entries": 0,
                },
                "groups": {
                    "parts": [{"key": "grp_1_6f1c", "entries": 400, "title": "ECONNREFUSED"}],
                    "others": 0,
                    "other_entries": 0,
                },
                "queues": {
                    "parts": [{"key": "mail", "entries": 400, "source": "default"}],
                    "others": 0,
                    "other_entries": 0,
                },
                "samples": [],
                "left_out": [{"reason": "repeated", "entries": 12}],
                "warnings": [
                    {
                        "code": "queue_paused",
                        "message": "The queue mail is paused: its 400 jobs wait until it is "
                        "resumed.",
                        "entries": 400,
                        "operation_id": None,
                    }
                ],
                "rate": 500.0,
                "predicted_seconds": 0.8,
                "controls": {
                    "rate": 500.0,
                    "floor": None,
                    "canary": None,
                    "guard": None,
                    "low_priority": False,
                },
            }
        }
    )

    plan_token: str | None
    """Good until ``expires_at``, for the user who asked, once. Null: nothing is selected."""
    expires_at: datetime
    kind: domain.OperationKind
    filter: dict[str, object]
    filter_in_words: Shown
    total: int
    """How many entries are selected, exactly."""
    apps: Breakdown
    groups: Breakdown
    queues: Breakdown
    samples: list[Entry]
    """Ten of them, from the oldest failure to the newest."""
    left_out: list[LeftOut]
    warnings: list[PlanWarning]
    rate: float
    """The highest pace that is reckoned with, in entries per second."""
    predicted_seconds: float
    """How long the hand-over takes; the wait for a canary's outcomes comes on top."""
    controls: Controls = Controls()
    """The limits that its start takes where it names no others."""

    @staticmethod
    def of(plan: domain.Plan, rate: float, seconds: float) -> Plan:
        """The plan as the services tell it, at this pace."""
        return Plan(
            plan_token=plan.plan_token,
            expires_at=plan.expires_at,
            kind=plan.kind,
            filter=shown_filter(plan.filter),
            filter_in_words=domain.filter_in_words(plan.filter),
            total=plan.total,
            apps=Breakdown.model_validate(plan.apps),
            groups=Breakdown.model_validate(plan.groups),
            queues=Breakdown.model_validate(plan.queues),
            samples=[Entry.model_validate(one) for one in plan.samples],
            left_out=[LeftOut.model_validate(one) for one in plan.left_out],
            warnings=[PlanWarning.model_validate(one) for one in plan.warnings],
            rate=rate,
            predicted_seconds=seconds,
            controls=Controls.model_validate(plan.controls),
        )


class StartPlanRequest(ControlsInput):
    """Start exactly what a plan selected, with the plan's limits but for those that are named here;
    null takes one away."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "plan_token": "plan_0a1b2c3d4e5f60718293a4b5",
                "reason": "the mail provider is back",
                "canary": {"entries": 20, "percent": 80, "seconds": 300},
            }
        }
    )

    plan_token: PlanToken
    reason: ReasonText = ""
    """Why, for the audit trail."""
    idempotency_key: IdempotencyKey | None = None
    """The same key with the same token answers with the operation that it started."""


class DismissRequest(RetryRequest):
    """Decide against a failed entry: it is left alone from now on."""


class RestoreRequest(RetryRequest):
    """Take a dismissal back."""


class DismissResponse(Output):
    """An entry was dismissed."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "message": "Job 17 was left as it is; its entry is dismissed.",
                "entry_id": "ent_0a1b2c3d4e5f60718293a4b5",
                "operation_id": "op_01jd9x2m7k",
            }
        }
    )

    message: Shown
    entry_id: str
    operation_id: str


class RestoreResponse(Output):
    """A dismissed entry is failed again."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "message": "The entry of job 17 is failed again.",
                "entry_id": "ent_0a1b2c3d4e5f60718293a4b5",
                "state": "failed",
            }
        }
    )

    message: Shown
    entry_id: str
    state: domain.EntryState
