"""A console on real services for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.servers import RedisServer
from tests.web.support import BROWSER, Console, open_console


@pytest.fixture
async def console(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Console]:
    async with open_console(redis_server, tmp_path) as opened:
        yield opened


@pytest.fixture
async def stranger(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a session."""
    async with console.stranger() as client:
        yield client


@pytest.fixture
async def operator(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has logged in."""
    async with console.operator() as client:
        yield client


@pytest.fixture
async def browser(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    async with console.operator() as client:
        client.headers.update(BROWSER)
        yield client
