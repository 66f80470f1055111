"""Real servers to measure on, and ledgers that are seeded once and copied."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redrive.settings import Settings, load_settings
from tests.support.servers import PostgresServer, RedisServer, running_redis

BACKENDS = ("sqlite", "postgresql")


@dataclass(kw_only=True)
class World:
    """A Redis, a PostgreSQL and a folder, gone with the run."""

    folder: Path
    server: RedisServer
    postgres: PostgresServer
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

    def drop(self, settings: Settings) -> None:
        """Give the space of a ledger back."""
        if not settings.ledger_url.startswith("sqlite"):
            self.postgres.drop_database(settings.ledger_url)
        shutil.rmtree(settings.data_dir)


@contextmanager
def world() -> Iterator[World]:
    """Start everything; end it with the block."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="redrive-bench-")))
        server = stack.enter_context(running_redis(folder / "redis", appendonly=False))
        postgres = PostgresServer()
        stack.callback(postgres.stop)
        yield World(folder=folder, server=server, postgres=postgres)
