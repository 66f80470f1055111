"""When each source was last followed to its end (``redrive.ports.FollowerReports``)."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from redrive.errors import StoreUnavailable
from redrive.progress import RedisFollowerReports
from tests.support.factories import AT, later


async def test_a_follower_report_is_read_by_source_for_an_hour(redis: Redis) -> None:
    reports = RedisFollowerReports(redis)
    assert await reports.read() == {}
    await reports.caught_up("one", AT)
    await reports.caught_up("two", later(1))
    await reports.caught_up("one", later(2))
    assert await reports.read() == {"one": later(2), "two": later(1)}
    assert 3590 < await redis.ttl("redrive:followers") <= 3600


async def test_without_redis_no_report_is_read_or_written(away: Redis) -> None:
    reports = RedisFollowerReports(away)
    with pytest.raises(StoreUnavailable):
        await reports.read()
    with pytest.raises(StoreUnavailable):
        await reports.caught_up("one", AT)
