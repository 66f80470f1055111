"""Users and the audit trail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import (
    Actor,
    App,
    AppId,
    AuditEntry,
    AuditFilter,
    GroupId,
    OperationId,
    Scope,
    User,
)
from redrive.ledger.auditing import add_audit
from redrive.ledger.cursors import decode_ints, encode
from redrive.ledger.database import Database, insert_or_ignore
from redrive.ledger.filters import Walk, group_pk_of
from redrive.ledger.rows import app_of, select_apps
from redrive.ledger.schema import apps, audit, users
from redrive.ledger.schema_triage import groups
from redrive.ports import Clock, Page


class SqlAccounts:
    """:class:`redrive.ports.Accounts` in SQL."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def user(self, name: str) -> User | None:
        rows = await self._database.rows(select(users).where(users.c.name == name))
        return User(**rows[0]._mapping) if rows else None

    async def users(self) -> list[User]:
        rows = await self._database.rows(select(users).order_by(users.c.name))
        return [User(**row._mapping) for row in rows]

    async def put_user(
        self,
        name: str,
        password_hash: str,
        *,
        actor: Actor | None = None,
        action: str | None = None,
    ) -> User:
        async def work(connection: AsyncConnection) -> User:
            now = self._clock.now()
            created = await connection.execute(
                insert_or_ignore(connection, users).returning(users),
                {
                    "name": name,
                    "password_hash": password_hash,
                    "session_epoch": 1,
                    "created_at": now,
                },
            )
            row = created.first()
            is_new = row is not None
            if row is None:
                changed = await connection.execute(
                    update(users)
                    .where(users.c.name == name)
                    .values(password_hash=password_hash, session_epoch=users.c.session_epoch + 1)
                    .returning(users)
                )
                row = changed.one()
            if actor is not None:
                epoch = row.session_epoch
                await add_audit(
                    connection,
                    now,
                    actor,
                    action or ("user.add" if is_new else "user.passwd"),
                    f"user {name}",
                    result="done",
                    before=None if is_new else {"session_epoch": epoch - 1},
                    after={"session_epoch": epoch},
                )
            return User(**row._mapping)

        return await self._database.write(work)

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
        async def work(connection: AsyncConnection) -> None:
            await add_audit(
                connection,
                self._clock.now(),
                actor,
                action,
                scope,
                reason=reason,
                result=result,
                operation_id=operation_id,
                counts=counts,
                before=before,
                after=after,
            )

        await self._database.write(work)

    async def name_app(self, app_id: AppId, display_name: str, actor: Actor) -> App | None:
        scope = Scope.of_app(app_id)

        async def work(connection: AsyncConnection) -> App | None:
            own = apps.c.app_id == app_id
            found = await connection.execute(select(apps.c.display_name).where(own))
            before = found.scalar_one_or_none()
            if before is None:
                return None
            await connection.execute(update(apps).where(own).values(display_name=display_name))
            await add_audit(
                connection,
                self._clock.now(),
                actor,
                "rename",
                str(scope),
                app_id=app_id,
                result=display_name,
                before={"display_name": before},
                after={"display_name": display_name},
            )
            return app_of((await connection.execute(select_apps().where(own))).one())

        return await self._database.write(work)

    async def note_group(self, group_id: GroupId, note: str, actor: Actor) -> bool:
        async def work(connection: AsyncConnection) -> bool:
            own = groups.c.group_pk == group_pk_of(group_id)
            found = await connection.execute(select(groups).where(own).with_for_update())
            row = found.first()
            if row is None:
                return False
            now = self._clock.now()
            await connection.execute(
                update(groups)
                .where(groups.c.group_pk == row.group_pk)
                .values(
                    note=note,
                    noted_by=actor.name if note else None,
                    noted_at=now if note else None,
                )
            )
            await add_audit(
                connection,
                now,
                actor,
                "group.note",
                f"group {row.group_id}",
                result="saved" if note else "taken back",
                before={"note": row.note},
                after={"note": note},
            )
            return True

        return await self._database.write(work)

    async def audit_trail(
        self, cursor: str | None, limit: int, audit_filter: AuditFilter | None = None
    ) -> Page[AuditEntry]:
        after = None if cursor is None else decode_ints("audit", cursor)
        walk = Walk(audit.c.seq, oldest_first=False, after=after)
        conditions = _conditions(audit_filter or AuditFilter())
        last_looked = None
        if len(conditions) > 1:
            look = await self._database.rows(walk.end_of_look(conditions[:1]))
            last_looked = tuple(look[0]) if look else None
        statement = walk.bounded(select(audit).where(*conditions), last_looked)
        rows = await self._database.rows(statement.limit(limit + 1))
        position = walk.position_after([(row.seq,) for row in rows], limit, last_looked)
        found = [
            AuditEntry(
                seq=row.seq,
                at=row.at,
                actor=row.actor,
                origin=row.origin,
                action=row.action,
                scope=row.scope,
                reason=row.reason,
                result=row.result,
                operation_id=None if row.operation_id is None else OperationId(row.operation_id),
                counts=json.loads(row.counts),
                before=None if row.before is None else json.loads(row.before),
                after=None if row.after is None else json.loads(row.after),
            )
            for row in rows[:limit]
        ]
        return Page(
            items=found, next_cursor=None if position is None else encode("audit", *position)
        )


def _conditions(audit_filter: AuditFilter) -> list[ColumnElement[bool]]:
    """A filter in SQL, the part that leaves the fewest rows first; an index serves each alone."""
    given = (
        (audit.c.app_id, audit_filter.app_id),
        (audit.c.actor, audit_filter.actor),
        (audit.c.action, audit_filter.action),
    )
    return [column == value for column, value in given if value is not None]
