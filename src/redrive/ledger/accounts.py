"""Users and the audit trail."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from redrive.domain import Actor, AuditEntry, OperationId, User
from redrive.ledger.auditing import add_audit
from redrive.ledger.cursors import decode_int, encode
from redrive.ledger.database import Database, insert_or_ignore
from redrive.ledger.schema import audit, users
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

    async def put_user(self, name: str, password_hash: str) -> User:
        async def work(connection: AsyncConnection) -> User:
            created = await connection.execute(
                insert_or_ignore(connection, users).returning(users),
                {
                    "name": name,
                    "password_hash": password_hash,
                    "session_epoch": 1,
                    "created_at": self._clock.now(),
                },
            )
            row = created.first()
            if row is None:
                changed = await connection.execute(
                    update(users)
                    .where(users.c.name == name)
                    .values(password_hash=password_hash, session_epoch=users.c.session_epoch + 1)
                    .returning(users)
                )
                row = changed.one()
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
            )

        await self._database.write(work)

    async def audit_trail(self, cursor: str | None, limit: int) -> Page[AuditEntry]:
        statement = select(audit).order_by(audit.c.seq.desc()).limit(limit + 1)
        if cursor is not None:
            statement = statement.where(audit.c.seq < decode_int("audit", cursor))
        rows = await self._database.rows(statement)
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
            )
            for row in rows[:limit]
        ]
        more = len(rows) > limit
        return Page(items=found, next_cursor=encode("audit", found[-1].seq) if more else None)
