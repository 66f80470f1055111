"""Which queues are found, and which are left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from redrive.engines.bullmq import REDRIVE_QUEUE, BullMQEngine, discovery, library, open_engine
from redrive.errors import EngineUnsupported
from redrive.settings import Source
from tests.support.bullmq_world import BullMQWorld
from tests.support.servers import RedisServer

Open = Callable[..., BullMQEngine]


@pytest.fixture
async def open_source(redis_server: RedisServer) -> AsyncIterator[Open]:
    opened: list[BullMQEngine] = []

    def make(**settings: object) -> BullMQEngine:
        source = Source.model_validate(settings)
        opened.append(open_engine(source, redis_server.url, 0))
        return opened[-1]

    yield make
    for engine in opened:
        await engine.close()


async def add(server: RedisServer, prefix: str, *names: str) -> None:
    world = BullMQWorld(server, Source(prefix=prefix))
    for name in names:
        await world.add(name, "1")
    await world.close()


async def test_a_pattern_finds_the_queues_of_its_prefix_alone(
    redis_server: RedisServer, open_source: Open
) -> None:
    await add(redis_server, "bull", "mail", "billing")
    await add(redis_server, "bull:eu", "other")
    await add(redis_server, "bullock", "other")
    assert await open_source().queues() == ["billing", "mail"]
    assert await open_source(prefix="bull:eu").queues() == ["other"]


@pytest.mark.parametrize("prefix", ["{shop}", "a*c", "a?c", "[abc]", "back\\slash", "é", "a-c^"])
async def test_a_prefix_means_itself_whatever_it_contains(
    redis_server: RedisServer, open_source: Open, prefix: str
) -> None:
    await add(redis_server, prefix, "mail")
    await add(redis_server, "abc", "not-this")
    assert await open_source(prefix=prefix).queues() == ["mail"]


async def test_patterns_and_plain_names_choose_queues(
    redis_server: RedisServer, open_source: Open
) -> None:
    await add(redis_server, "bull", "mail-eu", "mail-us", "billing", "Mail-x")
    assert await open_source(queues=("mail-*",)).queues() == ["mail-eu", "mail-us"]
    assert await open_source(queues=("billing", "mail-?s")).queues() == ["billing", "mail-us"]
    assert await open_source(queues=("nobody",)).queues() == []


async def test_a_plain_name_is_found_by_any_of_its_keys(
    redis_server: RedisServer, open_source: Open
) -> None:
    redis_server.client().zadd("bull:old:failed", {"1": 1})
    assert await open_source(queues=("old",)).queues() == ["old"]


async def test_redrives_own_queue_is_never_watched(
    redis_server: RedisServer, open_source: Open
) -> None:
    await add(redis_server, "bull", REDRIVE_QUEUE, "mail")
    assert await open_source().queues() == ["mail"]
    assert await open_source(queues=(REDRIVE_QUEUE,)).queues() == []


async def test_a_removed_queue_is_no_longer_listed(
    redis_server: RedisServer, open_source: Open
) -> None:
    await add(redis_server, "bull", "mail", "billing")
    engine = open_source()
    assert await engine.queues() == ["billing", "mail"]
    client = redis_server.client()
    client.delete(*client.keys("bull:mail:*"))
    assert await engine.queues() == ["billing"]


async def test_a_queue_of_an_unsupported_library_is_named_with_its_problem_and_left_out(
    redis_server: RedisServer, open_source: Open
) -> None:
    await add(redis_server, "bull", "mail", "new")
    redis_server.client().hset("bull:new:meta", "version", "bullmq:7.0.1")
    engine = open_source()
    assert await engine.queues() == ["mail"]
    assert list(engine.problems()) == ["new"]
    assert "bullmq:7.0.1" in engine.problems()["new"]
    counts = await engine.counts("new")
    assert (counts.library, counts.problem) == ("bullmq:7.0.1", engine.problems()["new"])
    redis_server.client().hset("bull:new:meta", "version", "bullmq:6.7.0")
    assert await engine.queues() == ["mail", "new"]
    assert engine.problems() == {}


async def test_a_queue_whose_settings_are_no_hash_is_a_problem(
    redis_server: RedisServer, open_source: Open
) -> None:
    redis_server.client().set("bull:odd:meta", "text")
    engine = open_source()
    assert await engine.queues() == []
    assert list(engine.problems()) == ["odd"]


async def test_a_name_that_is_no_text_is_passed_over(
    redis_server: RedisServer, open_source: Open
) -> None:
    redis_server.client().hset(b"bull:\xff:meta", "a", "b")
    assert await open_source().queues() == []


async def test_a_large_redis_is_scanned_whole_once_and_then_a_part_at_a_time(
    redis_server: RedisServer, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "SCAN_COUNT", 100)
    monkeypatch.setattr(discovery, "STEPS_PER_LOOK", 1)
    client = redis_server.client()
    client.mset({f"noise:{number}": "" for number in range(3000)})
    await add(redis_server, "bull", "first")
    engine = open_source()
    assert await engine.queues() == ["first"]
    await add(redis_server, "bull", "second")
    client.config_resetstat()
    looks = 0
    while await engine.queues() != ["first", "second"]:
        looks += 1
        assert looks < 100
    scans = client.info("commandstats")["cmdstat_scan"]["calls"]
    assert scans == looks + 1


async def test_another_major_of_the_installed_library_is_refused(
    open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "version", lambda _: "4.0.0")
    with pytest.raises(EngineUnsupported, match=r"bullmq 4.0.0 for Python; supported is bullmq 3"):
        await open_source().check()


async def test_an_older_server_is_refused(
    open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "LEAST_SERVER", (99, 0))
    with pytest.raises(EngineUnsupported, match=r"Redis 6\.2; supported is Redis 99.0 or newer"):
        await open_source().check()
