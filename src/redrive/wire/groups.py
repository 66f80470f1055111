"""Groups: the failures of one cause."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict

from redrive import domain
from redrive.wire.base import Output, Shown
from redrive.wire.entries import Entry


class GroupFrame(Output):
    """One call that the failures of a group share."""

    module: Shown
    function: Shown
    is_own: bool
    """False for a runtime's and an installed package's."""


class GroupPoint(Output):
    """How many failures of a group happened from ``at`` on, for one step."""

    at: datetime
    failed: int


class Count(Output):
    """A number that is counted to a bound."""

    found: int
    is_bounded: bool
    """There are more than ``found``."""


_EXAMPLE: dict[str, Any] = {
    "group_id": "grp_1_0a1b2c3d4e5f60718293a4b5",
    "source": "default",
    "queue": "mail",
    "job_name": "deliver",
    "error_type": "ConnectError",
    "title": "connect ECONNREFUSED <ip>",
    "basis": "frames",
    "frames": [{"module": "mail/deliver", "function": "send", "is_own": True}],
    "failed": 400,
    "entries": 412,
    "failures": 655,
    "apps": {"found": 12, "is_bounded": False},
    "first_seen_at": "2026-01-05T09:12:00Z",
    "last_failed_at": "2026-01-05T10:03:41.120Z",
    "chart": [{"at": "2026-01-05T09:00:00Z", "failed": 655}],
    "example_entry_id": "ent_0a1b2c3d4e5f60718293a4b5",
    "note": "the relay's certificate has expired, ask the hoster",
    "noted_by": "ada",
    "noted_at": "2026-01-05T09:40:00Z",
}


class Group(Output):
    """The failures of one cause."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    group_id: str
    source: str
    queue: Shown
    job_name: Shown
    error_type: Shown
    title: Shown
    """The message with everything that varies replaced, or the error's type."""
    basis: str
    """What tells it from other groups: ``frames``, ``message`` or ``library``."""
    frames: list[GroupFrame]
    """The calls that tell it, innermost first."""
    failed: int
    """Entries that are failed now."""
    entries: int
    """All entries whose newest failure it is."""
    failures: int
    """Every failure ever; an entry that fails again counts again."""
    apps: Count
    """Apps with failed entries: counted to 100 in a list, to 1,000 where one group is asked for."""
    first_seen_at: datetime
    last_failed_at: datetime
    chart: list[GroupPoint]
    """Failures by hour, the last 24 of them, the one that is running last."""
    example_entry_id: str | None
    """The entry that failed last."""
    note: Shown
    noted_by: str | None
    noted_at: datetime | None


class GroupDetail(Group):
    """A group with its example."""

    example: Entry | None
    touched: list[Shown]
    """The apps with failed entries, by name, the first 20 of them."""

    @staticmethod
    def of(detail: domain.GroupDetail) -> GroupDetail:
        fields = Group.model_validate(detail.group).model_dump()
        more = {"example": detail.example, "touched": detail.touched}
        return GroupDetail.model_validate(fields | more)
