"""Whole systems: real processes over real stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.console import ConsoleProcess
from tests.support.servers import RedisServer


@pytest.fixture
def console(tmp_path: Path, redis_server: RedisServer) -> Iterator[ConsoleProcess]:
    """``redrive up`` beside a team's own Redis; not started yet."""
    process = ConsoleProcess(tmp_path / "data", redis_url=redis_server.url)
    yield process
    process.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[ConsoleProcess]:
    """``redrive up`` with an embedded Redis; not started yet."""
    process = ConsoleProcess(tmp_path / "data")
    yield process
    process.close()
