"""What every page shows around its content: counts in the navigation, running operations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from redrive.domain import AppId, GroupId, Operation, OperationState, ScopeKind
from redrive.standing import FollowerLag, Standing
from redrive.web.context import console_of, session_of
from redrive.web.pages.formats import percent

LATE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    user: str
    section: str
    failed: int
    failing_groups: int
    running: list[Operation]
    late: list[FollowerLag]
    redis_away: bool
    planned: Mapping[str, frozenset[AppId]]
    """The apps of operations over a selection, by plan; one that is left out may touch any app."""

    @property
    def bulk(self) -> Operation | None:
        """The operation that the title and the icon tell about: the newest of many entries, of
        those that go on before those that are paused."""
        of_many = [one for one in self.running if one.scope.kind is not ScopeKind.ENTRY]
        going_on = [one for one in of_many if one.state is not OperationState.PAUSED]
        found = going_on or of_many
        return found[-1] if found else None

    def running_over(self, app_id: str | None) -> Operation | None:
        """The operation that a bulk action on the app, or on everything, would meet."""
        for one in self.running:
            kind = one.scope.kind
            meets = app_id is None or kind is ScopeKind.ALL or one.scope.app_id == app_id
            if kind is ScopeKind.FILTER and app_id is not None:
                meets = app_id in self.planned.get(one.plan_id or "", (app_id,))
            if meets and kind is not ScopeKind.ENTRY:
                return one
        return None

    def running_over_group(self, group_id: GroupId) -> Operation | None:
        """The operation on everything, or on entries of the group, that a retry of the group would
        meet. One on an app of it may be met too, which the start tells."""
        for one in self.running:
            named: str | None = json.loads(one.filter or "{}").get("group_id")
            if one.scope.kind is ScopeKind.ALL or named == group_id:
                return one
        return None

    @property
    def headline(self) -> str:
        """What goes before the page's title."""
        bulk = self.bulk
        if bulk is None:
            return ""
        paused = "Paused " if bulk.state is OperationState.PAUSED else ""
        return f"{paused}{percent(bulk.completed, bulk.total)} · "

    @property
    def icon(self) -> str:
        """The file of the page's icon."""
        if self.bulk is not None:
            paused = self.bulk.state is OperationState.PAUSED
            return "icon-paused.svg" if paused else "icon-running.svg"
        return "icon-failing.svg" if self.failed else "icon.svg"

    @property
    def open_words(self) -> str:
        """What the number of open operations says."""
        states = {one.state for one in self.running}
        if OperationState.PAUSED not in states:
            return "running"
        return "paused" if len(states) == 1 else "running or paused"


async def frame_of(request: Request, section: str, standing: Standing | None = None) -> Frame:
    """The frame of a page in a section of the navigation; a page that shows the same counts
    itself gives the ``standing`` that it has read them from."""
    if standing is None:
        standing = await console_of(request).services.overview.standing()
    session = session_of(request)
    return Frame(
        user=session.user,
        section=section,
        failed=standing.failed,
        failing_groups=standing.failing_groups,
        running=standing.operations,
        late=[one for one in standing.followers if is_late(one)],
        redis_away=session.is_remembered or not all(one.is_known for one in standing.followers),
        planned=standing.planned,
    )


def is_late(follower: FollowerLag) -> bool:
    """Whether what fails now is not on screen within a minute."""
    return follower.lag_seconds is None or follower.lag_seconds > LATE_SECONDS
