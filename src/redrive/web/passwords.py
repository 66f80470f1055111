"""Passwords: argon2id, off the event loop, a few at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import anyio
import anyio.to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
_AT_ONCE = 2


def hash_password(password: str) -> str:
    """An argon2id hash with a salt of its own. Takes tens of milliseconds and 19 MiB."""
    return _HASHER.hash(password)


@cache
def _hash_of_nobody() -> str:
    return hash_password("nobody has this password")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """``replacement`` is a new hash where the stored one was made with other parameters."""

    right: bool
    replacement: str | None = None


class PasswordChecker:
    """Checks passwords in threads, at most two at once, so that a flood of logins neither stops
    the event loop nor takes more than 40 MiB."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(_AT_ONCE)
        self._of_nobody = _hash_of_nobody()

    async def check(self, password: str, password_hash: str | None) -> Verdict:
        """Whether the password is that of the hash.

        None (there is no such user) takes as long as a wrong password does.
        """
        return await anyio.to_thread.run_sync(
            self._check, password, password_hash, limiter=self._limiter
        )

    def _check(self, password: str, password_hash: str | None) -> Verdict:
        try:
            _HASHER.verify(password_hash or self._of_nobody, password)
        except (VerificationError, InvalidHashError):
            return Verdict(right=False)
        if password_hash is None:
            return Verdict(right=False)
        if _HASHER.check_needs_rehash(password_hash):
            return Verdict(right=True, replacement=hash_password(password))
        return Verdict(right=True)
