"""What the HTTP edge is built on."""

from __future__ import annotations

from dataclasses import dataclass

from redis.asyncio import Redis

from redrive.overview import Overview
from redrive.planning import Planning
from redrive.ports import Accounts, Clock
from redrive.recovery import Recovery
from redrive.settings import Settings


@dataclass(frozen=True, kw_only=True)
class WebServices:
    """``redis`` is Redrive's own, with ``decode_responses=True``; it holds the sessions."""

    settings: Settings
    recovery: Recovery
    planning: Planning
    overview: Overview
    accounts: Accounts
    redis: Redis
    clock: Clock
