"""Rigs (processes of Redrive) on one BullMQ world and one ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from redrive.ledger import Database
from tests.faults.scene import Scene
from tests.support.bullmq_world import BullMQWorld
from tests.support.rig import MakeRig, Rig
from tests.support.servers import RedisServer


@pytest.fixture
async def make_rig(
    database: Database, world: BullMQWorld, redis_server: RedisServer
) -> AsyncIterator[MakeRig]:
    rigs: list[Rig] = []

    def make(**options: Any) -> Rig:
        rigs.append(Rig(database, world.engine, redis_server.url, **options))
        return rigs[-1]

    yield make
    for rig in rigs:
        await rig.close()


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    return make_rig()


@pytest.fixture
async def scene(
    database: Database, world: BullMQWorld, redis_server: RedisServer
) -> AsyncIterator[Scene]:
    scene = Scene(database, world, redis_server)
    yield scene
    await scene.close()
