"""Users, audit, and how long things are kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from redrive.domain import (
    Actor,
    App,
    AppId,
    AuditEntry,
    AuditFilter,
    GroupId,
    OperationId,
    OverEntry,
    Prunable,
    PrunedBatch,
    RegroupedBatch,
    User,
)
from redrive.ports.common import Page

Held = Callable[[Sequence[OverEntry]], Awaitable[Collection[int]]]
"""Says which of the entries have to stay, by ``entry_pk``: their queue still holds the failure."""


class RetentionLedger(Protocol):
    """Removing what is over. One call is one short transaction of at most ``limit`` rows (an
    entry's payload and counters go with it), so that a crash between two loses nothing."""

    async def prune(
        self,
        what: Prunable,
        before: datetime,
        limit: int,
        position: str | None,
        held: Held,
    ) -> PrunedBatch | None:
        """Remove what has been over since ``before`` or longer, oldest first.

        OPERATIONS: finished ones, their items first (ITEMS is not asked for by itself). ENTRIES:
        recovered, dismissed or vanished ones of which nothing was heard since, and which no item
        names any more and that are not ``held``, which is asked before the transaction begins;
        failed and live ones never. GROUPS: those that no entry belongs to any more
        and nobody left a note with. AUDIT and ACTIVITY: rows from before.
        None, and nothing removed, while an operation is at work, that is open and not paused: its
        selection stays as it was counted, and pruning never slows it down. ENTRIES also wait for
        the plan of a resync. Beside a paused operation those go that were over before it was
        planned, so that none of its selection does; beside a paused resync none, and the call says
        that there are no more.
        Several may prune at once; each row is counted by the one that removed it.
        """


class RegroupingLedger(Protocol):
    """Moves entries to the groups of this version's fingerprint. One call is one short
    transaction, and goes on where the one before ended, whoever made it."""

    async def regroup(self, limit: int) -> RegroupedBatch | None:
        """Move up to ``limit`` of the entries whose group is of an older version, or that have
        none; once there are none left, let old groups hand over their notes and their history, up
        to ``limit`` minutes of it at a time, each to the group that most of its entries moved to.

        What an older version takes in beside it is found by the next pass after the end.

        None, and nothing done, while an operation is at work, that is open and not paused. Under a
        version that is older than the ledger's groups nothing is done at all.
        """


class Accounts(Protocol):
    """Users and the audit trail."""

    async def user(self, name: str) -> User | None: ...

    async def users(self) -> list[User]: ...

    async def put_user(
        self,
        name: str,
        password_hash: str,
        *,
        actor: Actor | None = None,
        action: str | None = None,
    ) -> User:
        """Create the user, or change the password, which ends all of the user's sessions.

        With an actor it is audited in the same step, as ``user.add`` or ``user.passwd`` unless
        ``action`` names it.
        """

    async def audit(
        self,
        actor: Actor,
        action: str,
        scope: str,
        *,
        reason: str = "",
        result: str = "",
        operation_id: OperationId | None = None,
        counts: Mapping[str, int] | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one row: who did what, to what, why, with what result, from where, and what it
        changed, before and after."""

    async def name_app(self, app_id: AppId, display_name: str, actor: Actor) -> App | None:
        """Give an app a display name, audited; empty takes it back. None without such an app."""

    async def note_group(self, group_id: GroupId, note: str, actor: Actor) -> bool:
        """Keep a note with a group (or the one that took it over), audited with the note before;
        empty takes it back. False without such a group."""

    async def audit_trail(
        self, cursor: str | None, limit: int, audit_filter: AuditFilter | None = None
    ) -> Page[AuditEntry]:
        """The audit rows, newest first. With several filters it looks at a bounded number of
        rows at a time, as a :class:`ReadingLedger` does."""
