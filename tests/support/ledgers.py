"""Migrated ledgers for tests: a copy of a template each, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import asyncpg

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


_IN_PLACE = "ledger_in_place"

# What the migrations have written is kept in a schema of its own.
_KEEP = """
CREATE SCHEMA pristine;
DO $$
DECLARE
  name text;
  is_used boolean;
BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO is_used;
    IF is_used THEN
      EXECUTE format('CREATE TABLE pristine.%I AS TABLE public.%I', name, name);
    END IF;
  END LOOP;
END $$;
"""

# Deleting takes a tenth of what truncating takes, where there is little to delete.
_EMPTY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid();
SET session_replication_role = replica;
DO $$
DECLARE
  name text;
BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    IF pg_table_size(format('public.%I', name)) > 1000000 THEN
      EXECUTE format('TRUNCATE public.%I CASCADE', name);
    ELSE
      EXECUTE format('DELETE FROM public.%I', name);
    END IF;
  END LOOP;
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'pristine' LOOP
    EXECUTE format('INSERT INTO public.%I TABLE pristine.%I', name, name);
  END LOOP;
  PERFORM setval(format('public.%I', sequencename), start_value, false)
    FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL;
END $$;
"""


@cache
def migrated_sqlite() -> bytes:
    """What a SQLite file holds that has the newest schema and nothing else."""
    with TemporaryDirectory() as folder:
        place = Path(folder) / "ledger.db"
        migrate_now(f"sqlite:///{place}")
        return place.read_bytes()


class _Session:
    """A session with a PostgreSQL database that stays open: a psql for every statement takes
    several times as long as the statement."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._runner = asyncio.Runner()
        self._connection: asyncpg.Connection | None = None

    def execute(self, statements: str) -> None:
        self._runner.run(self._execute(statements))

    async def _execute(self, statements: str) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._url)
        await self._connection.execute(statements)

    def close(self) -> None:
        if self._connection is not None:
            self._runner.run(self._connection.close())
        self._runner.close()


class LedgerTemplates:
    """Makes migrated databases quickly; on PostgreSQL only if there is one."""

    def __init__(self, folder: Path, postgres: PostgresServer | None) -> None:
        self._folder = folder
        self._postgres = postgres
        self._postgres_template: str | None = None
        self._in_place: str | None = None
        self._in_place_session: _Session | None = None

    def create(self, backend: Backend, folder: Path) -> str:
        """The URL of a new ledger with the newest schema."""
        return self._sqlite(folder) if backend == "sqlite" else self._postgresql()

    def create_in_place(self, backend: Backend, folder: Path) -> str:
        """The same in ``folder``, at a URL that is always the same; there is one at a time, to be
        emptied before the next. Its tables are not to be changed."""
        if backend == "postgresql":
            return self._postgresql_in_place()
        place = self._folder / "in-place"
        place.unlink(missing_ok=True)
        place.symlink_to(folder, target_is_directory=True)
        return self._sqlite(place)

    def empty_in_place(self, backend: Backend) -> None:
        """Make the ledger in place as it was, whoever is still connected to it. On PostgreSQL that
        takes a fraction of what a new database takes; a SQLite file goes with its folder."""
        if backend == "postgresql":
            assert self._in_place_session is not None
            self._in_place_session.execute(_EMPTY)

    def drop(self, url: str) -> None:
        """Give the space of a ledger back, whoever is still connected to it: a PostgreSQL database
        of its own has hundreds of files. A SQLite file goes with its folder."""
        if not url.startswith("sqlite"):
            assert self._postgres is not None
            self._postgres.drop_database(url)

    def _sqlite(self, folder: Path) -> str:
        place = folder / "ledger.db"
        place.write_bytes(migrated_sqlite())
        return f"sqlite:///{place}"

    def _postgresql(self, name: str | None = None) -> str:
        assert self._postgres is not None
        if self._postgres_template is None:
            url = self._postgres.create_database()
            migrate_now(url)
            self._postgres_template = url.split("?")[0].rsplit("/", 1)[1]
        return self._postgres.create_database(self._postgres_template, name)

    def _postgresql_in_place(self) -> str:
        assert self._postgres is not None
        if self._in_place is None:
            self._in_place = self._postgresql(_IN_PLACE)
            self._in_place_session = _Session(self._in_place)
            self._in_place_session.execute(_KEEP)
        return self._in_place

    def close(self) -> None:
        """End what is open; the databases stay."""
        if self._in_place_session is not None:
            self._in_place_session.close()
