"""Sessions, kept in Redis under the hash of their token.

A session ends after 30 minutes without use, after 12 hours in any case, at logout, and when its
user's password changes (the user's ``session_epoch`` is another one then).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from redis.asyncio import Redis
from redis.exceptions import RedisError

from redrive.domain import User, from_millis, to_millis
from redrive.errors import StoreUnavailable
from redrive.ports import Accounts, Clock

IDLE = timedelta(minutes=30)
AT_MOST = timedelta(hours=12)

_PATIENCE_SECONDS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """An open session; ``used_at`` is its last use by a person."""

    user: str
    epoch: int
    created_at: datetime
    used_at: datetime

    @property
    def idle_until(self) -> datetime:
        return min(self.used_at + IDLE, self.ends_at)

    @property
    def ends_at(self) -> datetime:
        return self.created_at + AT_MOST


@asynccontextmanager
async def redis_errors() -> AsyncIterator[None]:
    """Turn the client's errors, and silence for five seconds, into StoreUnavailable."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            yield
    except (RedisError, OSError) as error:
        raise StoreUnavailable from error


class Sessions:
    """Opens, finds and ends sessions. Every method raises StoreUnavailable."""

    def __init__(self, redis: Redis, accounts: Accounts, clock: Clock) -> None:
        self._redis = redis
        self._accounts = accounts
        self._clock = clock

    async def open(self, user: User) -> tuple[str, Session]:
        """A new session for the user, and its token, which is kept nowhere."""
        token = secrets.token_urlsafe(32)
        now = self._clock.now()
        session = Session(user=user.name, epoch=user.session_epoch, created_at=now, used_at=now)
        async with redis_errors():
            await self._redis.set(_key(token), _packed(session), px=self._left(session))
        return token, session

    async def find(self, token: str) -> Session | None:
        """The open session of a token; finding it is not a use. Raises LedgerUnavailable."""
        async with redis_errors():
            packed = await self._redis.get(_key(token))
        session = _unpacked(packed) if packed else None
        if session is None or self._clock.now() >= session.idle_until:
            return None
        user = await self._accounts.user(session.user)
        if user is None or user.session_epoch != session.epoch:
            await self.end(token)
            return None
        return session

    async def use(self, token: str, session: Session) -> Session:
        """Note that a person used the session. One that was ended meanwhile stays ended."""
        used = replace(session, used_at=self._clock.now())
        async with redis_errors():
            # XX: without it a request that races with a logout would bring the session back.
            await self._redis.set(_key(token), _packed(used), px=self._left(used), xx=True)
        return used

    async def end(self, token: str) -> None:
        """End the session; ending it twice is the same."""
        async with redis_errors():
            await self._redis.delete(_key(token))

    def _left(self, session: Session) -> int:
        """Milliseconds until the session ends if nobody uses it, at least one."""
        left = session.idle_until - self._clock.now()
        return max(1, int(left.total_seconds() * 1000))


def _key(token: str) -> str:
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
    return f"redrive:session:{digest}"


def _packed(session: Session) -> str:
    return json.dumps(
        {
            "user": session.user,
            "epoch": session.epoch,
            "created": to_millis(session.created_at),
            "used": to_millis(session.used_at),
        }
    )


def _unpacked(packed: str | bytes) -> Session | None:
    try:
        fields = json.loads(packed)
        return Session(
            user=fields["user"],
            epoch=fields["epoch"],
            created_at=from_millis(fields["created"]),
            used_at=from_millis(fields["used"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
