"""Sessions, kept in Redis under the hash of their token.

A session ends after 30 minutes without use, after 12 hours in any case, at logout, and when its
user's password changes (the user's ``session_epoch`` is another one then).

While Redis does not answer, a session that this process found there within the last five minutes
is remembered: good for reading, never for acting.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections import OrderedDict
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
REMEMBERED = timedelta(minutes=5)

_PATIENCE_SECONDS = 5.0
_FIND_PATIENCE_SECONDS = 1.0
_MOST_REMEMBERED = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """An open session; ``used_at`` is its last use by a person.

    ``is_remembered`` says that Redis did not answer, so that nobody may act in it.
    """

    user: str
    epoch: int
    created_at: datetime
    used_at: datetime
    is_remembered: bool = False

    @property
    def idle_until(self) -> datetime:
        return min(self.used_at + IDLE, self.ends_at)

    @property
    def ends_at(self) -> datetime:
        return self.created_at + AT_MOST


@asynccontextmanager
async def redis_errors(seconds: float = _PATIENCE_SECONDS) -> AsyncIterator[None]:
    """Turn the client's errors, and silence for so long, into StoreUnavailable."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except (RedisError, OSError) as error:
        raise StoreUnavailable from error


class Sessions:
    """Opens, finds and ends sessions. Every method raises StoreUnavailable."""

    def __init__(self, redis: Redis, accounts: Accounts, clock: Clock) -> None:
        self._redis = redis
        self._accounts = accounts
        self._clock = clock
        self._memory = Memory()

    async def open(self, user: User) -> tuple[str, Session]:
        """A new session for the user, and its token, which is kept nowhere."""
        token = secrets.token_urlsafe(32)
        now = self._clock.now()
        session = Session(user=user.name, epoch=user.session_epoch, created_at=now, used_at=now)
        async with redis_errors():
            await self._redis.set(_key(token), _packed(session), px=self._left(session))
        return token, session

    async def find(self, token: str) -> Session | None:
        """The open session of a token; finding it is not a use. Raises LedgerUnavailable.

        Where Redis does not answer within a second, a remembered session; without one,
        StoreUnavailable.
        """
        key, ends = _key(token), self._memory.ends
        try:
            async with redis_errors(_FIND_PATIENCE_SECONDS):
                packed = await self._redis.get(key)
        except StoreUnavailable:
            session = self._memory.recall(key, self._clock.now())
            if session is None:
                raise
        else:
            session = _unpacked(packed) if packed else None
        if session is None or self._clock.now() >= session.idle_until:
            self._memory.forget(key)
            return None
        user = await self._accounts.user(session.user)
        if user is None or user.session_epoch != session.epoch:
            self._memory.forget(key)
            if not session.is_remembered:
                await self.end(token)
            return None
        if not session.is_remembered:
            self._memory.keep(key, session, self._clock.now(), ends)
        return session

    async def use(self, token: str, session: Session) -> Session:
        """Note that a person used the session. One that was ended meanwhile stays ended; where
        Redis has stopped answering since it was found, it is a remembered one."""
        key, used = _key(token), replace(session, used_at=self._clock.now())
        try:
            async with redis_errors(_FIND_PATIENCE_SECONDS):
                # XX: without it a request that races with a logout would bring the session back.
                await self._redis.set(key, _packed(used), px=self._left(used), xx=True)
        except StoreUnavailable:
            return replace(session, is_remembered=True)
        self._memory.keep_if_known(key, used)
        return used

    async def end(self, token: str) -> None:
        """End the session; ending it twice is the same."""
        try:
            async with redis_errors():
                await self._redis.delete(_key(token))
        finally:
            self._memory.forget(_key(token))

    def _left(self, session: Session) -> int:
        """Milliseconds until the session ends if nobody uses it, at least one."""
        left = session.idle_until - self._clock.now()
        return max(1, int(left.total_seconds() * 1000))


class Memory:
    """The sessions that were found lately, by key.

    ``ends`` counts what was forgotten: a request that began to look for a session before it was
    ended must not bring it back.
    """

    def __init__(self) -> None:
        self.ends = 0
        self._kept: OrderedDict[str, tuple[Session, datetime]] = OrderedDict()

    def keep(self, key: str, session: Session, now: datetime, ends: int) -> None:
        """Remember a session that Redis knew, unless any was ended since ``ends`` was read."""
        if ends != self.ends:
            return
        self._kept[key] = (session, now)
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST_REMEMBERED:
            self._kept.popitem(last=False)

    def keep_if_known(self, key: str, session: Session) -> None:
        """The session was used; one that was forgotten meanwhile stays forgotten."""
        if key in self._kept:
            self._kept[key] = (session, self._kept[key][1])

    def recall(self, key: str, now: datetime) -> Session | None:
        """The session, marked as remembered; None if it was not found within five minutes."""
        session, found_at = self._kept.get(key, (None, now))
        if session is None or now - found_at >= REMEMBERED:
            return None
        return replace(session, is_remembered=True)

    def forget(self, key: str) -> None:
        """The session has ended."""
        self.ends += 1
        self._kept.pop(key, None)


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
