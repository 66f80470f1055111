"""The command line in this process, over real services: BullMQ on a real Redis, SQLite."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import CliRunner, Result

from redrive import wire
from redrive.cli.app import app
from redrive.domain import OperationId
from redrive.settings import Settings, load_settings
from redrive.wiring import build_follower, build_runner, open_services
from tests.support.failing import fail_jobs, retry_by_library, run_jobs
from tests.support.servers import RedisServer


class Shell:
    """A terminal in which ``redrive`` is run, and the system behind it."""

    def __init__(self, server: RedisServer, data_dir: Path) -> None:
        self.server = server
        self.data_dir = data_dir

    @property
    def settings(self) -> Settings:
        return load_settings()

    def run(self, *arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=typed)

    def program(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same in a process of its own, whose log nothing before has configured."""
        return subprocess.run(
            [sys.executable, "-m", "redrive", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    def on_terminal(self, *arguments: str, columns: int = 80) -> list[str]:
        """The lines that a command prints on a terminal of this width; it must succeed."""
        controller, terminal = pty.openpty()
        with (
            pytest.MonkeyPatch.context() as environment,
            ThreadPoolExecutor(1) as reader,
        ):
            environment.setenv("TERM", "dumb")
            environment.setenv("COLUMNS", str(columns))
            written = reader.submit(read_all, controller)
            with os.fdopen(terminal, "w", encoding="utf-8") as screen, redirect_stdout(screen):
                assert not app(list(arguments), standalone_mode=False)
            return written.result().splitlines()

    def data(self, *arguments: str) -> Any:
        """The JSON that a command prints; it must succeed."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return result

    def entries(self, *arguments: str) -> list[wire.Entry]:
        result = self.data("failed", *arguments)
        return wire.Page[wire.Entry].model_validate_json(result.stdout).items

    def operation(self, operation_id: str) -> wire.Operation:
        return wire.Operation.model_validate_json(self.data("operations", operation_id).stdout)

    def start(self, *arguments: str) -> wire.BulkRetryResponse:
        return wire.BulkRetryResponse.model_validate_json(self.data(*arguments).stdout)

    def fail(self, jobs: Sequence[Mapping[str, Any]], queue: str = "mail") -> None:
        """Let jobs fail, and take their failures in."""
        asyncio.run(fail_jobs(self.server.url, queue, jobs))
        asyncio.run(self._follow())

    def carry_out(self, operation_id: str) -> None:
        """What a runner does with an operation."""
        asyncio.run(self._carry_out(OperationId(operation_id)))

    def work(self, process: Any, queue: str = "mail") -> None:
        """A worker runs what waits, and the ledger hears of it."""
        asyncio.run(run_jobs(self.server.url, queue, process))
        asyncio.run(self._follow(hear=True))

    def retry_elsewhere(self, entry: wire.Entry) -> None:
        """What another tool does: the library's own retry of one job."""
        asyncio.run(retry_by_library(self.server.url, entry.queue, entry.job_id))

    def client(self) -> redis.Redis:
        return self.server.client()

    async def _follow(self, *, hear: bool = False) -> None:
        async with open_services(self.settings, migrate_first=True) as services:
            for engine in services.engines.values():
                follower = build_follower(services, engine)
                await follower.scan()
                if hear:
                    await follower.hear()

    async def _carry_out(self, operation_id: OperationId) -> None:
        async with open_services(self.settings) as services:
            await build_runner(services).run(operation_id)


def read_all(controller: int) -> str:
    """What was written to a terminal; reading on at its end is an error on Linux."""
    parts = []
    try:
        while part := os.read(controller, 65536):
            parts.append(part)
    except OSError:
        pass
    os.close(controller)
    return b"".join(parts).decode()


def use_environment(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    """These settings and none of this machine's."""
    for name in list(os.environ):
        if name.startswith("REDRIVE_"):
            monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(f"REDRIVE_{name.upper()}", value)


@pytest.fixture
def bare(redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell whose ledger does not exist yet."""
    monkeypatch.chdir(tmp_path)
    use_environment(monkeypatch, data_dir=str(tmp_path / "data"), redis_url=redis_server.url)
    return Shell(redis_server, tmp_path / "data")


@pytest.fixture
def shell(bare: Shell) -> Shell:
    """A shell with an empty ledger of the present schema."""
    assert bare.run("migrate").exit_code == 0
    return bare
