"""Plans: what an operation would do, frozen and told before anything moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from redrive.domain.controls import NO_CONTROLS, Controls
from redrive.domain.history import Entry, EntryFilter
from redrive.domain.names import OperationId
from redrive.domain.operations import Actor
from redrive.domain.states import OperationKind

PLAN_LASTS = timedelta(minutes=10)
REPEATED_AT = 3
"""An entry that failed the same way so many times after hand-overs is left out unless wanted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRequest:
    """What an operator wants to know before acting.

    ``include_repeated`` takes in entries that failed the same way REPEATED_AT times already.
    ``controls`` are the limits that it is to run with: the plan keeps them for its start.
    """

    kind: OperationKind
    entry_filter: EntryFilter
    actor: Actor
    include_repeated: bool = False
    controls: Controls = NO_CONTROLS

    @property
    def takes_repeated(self) -> bool:
        """Whether entries that keep failing the same way are selected: where that was said, where
        the filter asks for just them, and where they are to be dismissed."""
        asked_for = (self.entry_filter.same_failures_min or 0) >= REPEATED_AT
        return self.include_repeated or asked_for or self.kind is OperationKind.DISMISS


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanStart:
    """The start of what a plan selected.

    ``limits`` are the fields of Controls that are said here, None for one that is taken away; the
    others are the plan's.
    """

    plan_token: str
    actor: Actor
    reason: str = ""
    idempotency_key: str | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The selected entries that have one app, group or queue in common; ``key`` is None for those
    without a group. ``title`` is for people; ``source`` is a queue's."""

    key: str | None
    entries: int
    title: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Breakdown:
    """The largest parts first; ``others`` counts the further parts, with their entries."""

    parts: tuple[Part, ...]
    others: int = 0
    other_entries: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """How many entries fit the filter and are not selected: ``repeated``, ``unknown`` (an entry id
    that the ledger does not know), or the state that keeps them from being taken."""

    reason: str
    entries: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanWarning:
    """What an operator should know before starting; ``code`` is stable."""

    code: str
    message: str
    entries: int = 0
    operation_id: OperationId | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A frozen selection, told. ``plan_token`` is None where nothing was selected."""

    plan_token: str | None
    kind: OperationKind
    filter: str
    cutoff_seq: int
    total: int
    created_at: datetime
    expires_at: datetime
    apps: Breakdown
    groups: Breakdown
    queues: Breakdown
    samples: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[PlanWarning, ...]
    typical_rate: float | None
    controls: Controls = NO_CONTROLS
