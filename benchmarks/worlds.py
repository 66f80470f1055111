"""Real servers to measure on, and ledgers that are seeded once and copied."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from redrive.settings import Settings, load_settings
from tests.support.servers import PostgresServer, RedisServer, running_redis

BACKENDS = ("sqlite", "postgresql")


@dataclass(kw_only=True)
class World:
    """A Redis, a PostgreSQL and a folder, gone with the run; ``backends`` are measured."""

    folder: Path
    server: RedisServer
    postgres: PostgresServer
    backends: Sequence[str]
    _made: int = field(default=0, init=False)

    def ledger(self, backend: str, copy_of: Settings | None = None) -> Settings:
        """Settings with a ledger of their own: empty and not migrated, or a copy."""
        self._made += 1
        folder = self.folder / str(self._made)
        folder.mkdir()
        template = None if copy_of is None else copy_of.ledger_url
        if backend == "sqlite":
            file = folder / "ledger.db"
            url = f"sqlite:///{file}"
            if template is not None:
                shutil.copy(template.removeprefix("sqlite:///"), file)
        elif template is None:
            url = self.postgres.create_database()
        else:
            name = template.split("?")[0].rsplit("/", 1)[1]
            url = self.postgres.create_database(template=name)
        return load_settings(data_dir=folder, redis_url=self.server.url, database_url=url)

    async def describe(self) -> dict[str, str]:
        """How safely each server writes, as it says itself."""
        client = self.server.client()
        kept = client.config_get("append*")
        redis = client.info("server")["redis_version"]
        client.close()
        connection = await asyncpg.connect(self.postgres.url("postgres"))
        names = ("server_version", "fsync", "synchronous_commit")
        version, fsync, commit = [await connection.fetchval(f"SHOW {name}") for name in names]
        await connection.close()
        return {
            "redis": f"{redis}, appendonly {kept['appendonly']}, appendfsync {kept['appendfsync']}",
            "postgresql": f"{version}, fsync {fsync}, synchronous_commit {commit}",
            "sqlite": f"{sqlite3.sqlite_version}, WAL, synced at every commit",
        }

    def drop(self, settings: Settings) -> None:
        """Give the space of a ledger back."""
        if not settings.ledger_url.startswith("sqlite"):
            self.postgres.drop_database(settings.ledger_url)
        shutil.rmtree(settings.data_dir)


@contextmanager
def world(backends: Sequence[str] = BACKENDS) -> Iterator[World]:
    """Start everything, Redis with the append-only file that the receipts need; end it with the
    block."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="redrive-bench-")))
        server = stack.enter_context(running_redis(folder / "redis"))
        postgres = PostgresServer()
        stack.callback(postgres.stop)
        yield World(folder=folder, server=server, postgres=postgres, backends=backends)
