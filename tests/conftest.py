"""Fixtures that every test may use: real servers, emptied for each test."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from redrive.ledger import Database
from tests.support.bullmq_world import BullMQWorld
from tests.support.ledgers import BACKENDS, Backend, LedgerTemplates
from tests.support.servers import PostgresServer, RedisServer, running_redis

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts its background jobs deaf to Ctrl-C, and so would be what the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


HERE = Path(__file__).parent
SLOW = ("acceptance", "browser", "proof/test_sabotage.py", "proof/test_short_run.py")
"""Where modules are that take long, and mostly wait."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where processes share the tests, all but one begin with their share of the slow modules.

    Each process gets an equal part of the list, and later helps the others out from the end of
    theirs. As they are collected the slow ones would all be of one process, and torn apart at the
    end. The one without works while they wait.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if processes == 1:
        return
    slow: defaultdict[Path, list[pytest.Item]] = defaultdict(list)
    others: list[pytest.Item] = []
    for item in items:
        is_slow = any(item.path.is_relative_to(HERE / place) for place in SLOW)
        (slow[item.path] if is_slow else others).append(item)
    shares: list[list[pytest.Item]] = [[] for _ in range(processes)]
    for module in sorted(slow.values(), key=len, reverse=True):
        min(shares[1:], key=len).extend(module)
    left = len(items)
    for number, share in enumerate(shares):
        size = left // (processes - number)
        left -= size
        rest = size - len(share)
        share += others[:rest]
        del others[:rest]
    items[:] = [item for share in shares for item in share]


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis"), appendonly=False) as server:
        yield server


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """An empty Redis that this test does not stop."""
    client = shared_redis.client()
    client.flushall()
    client.close()
    return shared_redis


@pytest.fixture
async def world(redis_server: RedisServer) -> AsyncIterator[BullMQWorld]:
    """BullMQ's queues on that Redis."""
    world = BullMQWorld(redis_server)
    yield world
    await world.close()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test's own, with an append-only file, to be killed and restarted."""
    with running_redis(tmp_path / "own-redis") as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer(synced=False)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def ledger_templates(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> Iterator[LedgerTemplates]:
    templates = LedgerTemplates(tmp_path_factory.mktemp("ledger"), postgres)
    yield templates
    templates.close()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Every test that asks for a ledger runs on both databases."""
    chosen: Backend = request.param
    return chosen


@pytest.fixture
def ledger_url(
    backend: Backend, ledger_templates: LedgerTemplates, tmp_path: Path
) -> Iterator[str]:
    """The URL of a ledger with the newest schema and nothing in it."""
    yield ledger_templates.create_in_place(backend, tmp_path)
    ledger_templates.empty_in_place(backend)


@pytest.fixture(scope="session")
def databases() -> dict[str, Database]:
    """By name. A closed one can be opened again, and still knows the statements that it has
    compiled: a new one compiles them all anew."""
    return {}


@pytest.fixture
async def database(ledger_url: str, databases: dict[str, Database]) -> AsyncIterator[Database]:
    database = databases.setdefault(ledger_url, Database(ledger_url))
    yield database
    await database.close()
