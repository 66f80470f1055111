"""Migrated ledgers for tests: a copy of a template each, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Literal

from redrive.ledger import Database, migrate
from tests.support.servers import PostgresServer

Backend = Literal["sqlite", "postgresql"]
BACKENDS: tuple[Backend, ...] = ("sqlite", "postgresql")


def migrate_now(url: str) -> None:
    """Migrate the database at ``url``, in a loop of its own."""

    async def work() -> None:
        database = Database(url)
        await migrate(database)
        await database.close()

    asyncio.run(work())


class LedgerTemplates:
    """Makes migrated databases quickly; on PostgreSQL only if there is one."""

    def __init__(self, folder: Path, postgres: PostgresServer | None) -> None:
        self._folder = folder
        self._postgres = postgres
        self._sqlite_template: Path | None = None
        self._postgres_template: str | None = None

    def create(self, backend: Backend, folder: Path) -> str:
        """The URL of a new ledger with the newest schema."""
        return self._sqlite(folder) if backend == "sqlite" else self._postgresql()

    def create_in_place(self, backend: Backend, folder: Path) -> str:
        """The same in ``folder``, at a URL that is always the same; there is one at a time, to be
        dropped before the next."""
        if backend == "postgresql":
            return self._postgresql("ledger_in_place")
        place = self._folder / "in-place"
        place.unlink(missing_ok=True)
        place.symlink_to(folder, target_is_directory=True)
        return self._sqlite(place)

    def drop(self, url: str) -> None:
        """Give the space of a ledger back, whoever is still connected to it: a PostgreSQL database
        of its own has hundreds of files. A SQLite file goes with its folder."""
        if not url.startswith("sqlite"):
            assert self._postgres is not None
            self._postgres.drop_database(url)

    def _sqlite(self, folder: Path) -> str:
        if self._sqlite_template is None:
            self._sqlite_template = self._folder / "template.db"
            migrate_now(f"sqlite:///{self._sqlite_template}")
        copy = folder / "ledger.db"
        shutil.copy(self._sqlite_template, copy)
        return f"sqlite:///{copy}"

    def _postgresql(self, name: str | None = None) -> str:
        assert self._postgres is not None
        if self._postgres_template is None:
            url = self._postgres.create_database()
            migrate_now(url)
            self._postgres_template = url.split("?")[0].rsplit("/", 1)[1]
        return self._postgres.create_database(self._postgres_template, name)
