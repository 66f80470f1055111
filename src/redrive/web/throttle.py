"""A growing delay for failed logins, per account and per address.

Four failures cost nothing; from the fifth on the next attempt has to wait 1, 2, 4, … seconds, a
minute at most, so that nobody is locked out for good. A count is forgotten after an hour.
"""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import timedelta
from pathlib import Path

from redis.asyncio import Redis

from redrive.domain import to_millis
from redrive.ports import Clock
from redrive.web.sessions import redis_errors

FREE_FAILURES = 5
LONGEST_DELAY = timedelta(minutes=1)
FORGOTTEN_AFTER = timedelta(hours=1)

_ADMIT = (Path(__file__).parent / "scripts" / "admit.lua").read_text(encoding="utf-8")


class LoginThrottle:
    """Counts login attempts in Redis. Every method raises StoreUnavailable."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._admit = redis.register_script(_ADMIT)

    async def admit(self, account: str, address: str) -> timedelta | None:
        """Count an attempt as failed before its password is checked.

        None: it may go on. Otherwise how long to wait; nothing was counted then.
        """
        async with redis_errors():
            wait_millis = await self._admit(
                keys=[_account_key(account), _address_key(address)],
                args=[
                    to_millis(self._clock.now()),
                    FREE_FAILURES,
                    _millis(LONGEST_DELAY),
                    _millis(FORGOTTEN_AFTER),
                ],
            )
        return timedelta(milliseconds=int(wait_millis)) if wait_millis else None

    async def undecided(self, account: str, address: str) -> None:
        """The password could not be looked at: the attempt counts for nothing."""
        async with redis_errors(), self._redis.pipeline(transaction=True) as pipeline:
            for key in (_account_key(account), _address_key(address)):
                pipeline.hincrby(key, "attempts", -1)
                pipeline.hdel(key, "blocked_until")
                pipeline.pexpire(key, FORGOTTEN_AFTER)
            await pipeline.execute()

    async def succeeded(self, account: str, address: str) -> None:
        """The attempt was right: forget the account's failures and take this attempt off the
        address, which keeps its others (one known password must not buy guesses at the rest)."""
        async with redis_errors(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(_account_key(account))
            pipeline.hincrby(_address_key(address), "attempts", -1)
            # The delay that this attempt brought; those of failures before it were waited for,
            # or it would not have been admitted.
            pipeline.hdel(_address_key(address), "blocked_until")
            pipeline.pexpire(_address_key(address), FORGOTTEN_AFTER)
            await pipeline.execute()


def _account_key(account: str) -> str:
    return f"redrive:login:account:{hashlib.sha256(account.encode()).hexdigest()}"


def _address_key(address: str) -> str:
    """One key per IPv4 address and per IPv6 /64, which is what one subscriber gets."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return f"redrive:login:address:{hashlib.sha256(address.encode()).hexdigest()}"
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    prefix = 64 if parsed.version == 6 else 32
    return f"redrive:login:address:{ipaddress.ip_network((parsed, prefix), strict=False)}"


def _millis(delta: timedelta) -> int:
    return int(delta.total_seconds() * 1000)
