"""Users, audit, and how long things are kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from redrive.domain import (
    Actor,
    App,
    AppId,
    AuditEntry,
    AuditFilter,
    OperationId,
    Prunable,
    PrunedBatch,
    User,
)
from redrive.ports.common import Page


class RetentionLedger(Protocol):
    """Removing what is over. One call is one short transaction of at most ``limit`` rows (an
    entry's payload and counters go with it), so that a crash between two loses nothing."""

    async def prune(
        self, what: Prunable, before: datetime, limit: int, position: str | None
    ) -> PrunedBatch | None:
        """Remove what has been over since ``before`` or longer, oldest first.

        OPERATIONS: finished ones, their items first (ITEMS is not asked for by itself). ENTRIES:
        recovered, dismissed or vanished ones of which nothing was heard since, and which no item
        names any more; failed and live ones never. AUDIT and ACTIVITY: rows from before.
        None, and nothing removed, while an operation is open: its selection stays as it was
        counted, and pruning never slows it down. ENTRIES also wait for the plan of a resync.
        Several may prune at once; each row is counted by the one that removed it.
        """


class Accounts(Protocol):
    """Users and the audit trail."""

    async def user(self, name: str) -> User | None: ...

    async def users(self) -> list[User]: ...

    async def put_user(self, name: str, password_hash: str) -> User:
        """Create the user, or change the password, which ends all of the user's sessions."""

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
    ) -> None:
        """Append one row: who did what, to what, why, with what result, from where."""

    async def name_app(self, app_id: AppId, display_name: str, actor: Actor) -> App | None:
        """Give an app a display name, audited; empty takes it back. None without such an app."""

    async def audit_trail(
        self, cursor: str | None, limit: int, audit_filter: AuditFilter | None = None
    ) -> Page[AuditEntry]:
        """The audit rows, newest first. With several filters it looks at a bounded number of
        rows at a time, as a :class:`ReadingLedger` does."""
