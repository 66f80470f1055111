"""Bringing a ledger to this version's schema, and refusing to run on another."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from redrive.errors import SchemaOutdated
from redrive.ledger.database import Database
from redrive.ledger.snapshot import Readable

_FOLDER = Path(__file__).parent


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER / "alembic"))
    config.set_main_option("version_locations", str(_FOLDER / "versions"))
    config.set_main_option("path_separator", "os")
    return config


def newest_revision() -> str:
    """The revision that this version of Redrive needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _revision_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def current_revision(database: Readable) -> str | None:
    """The revision that the ledger is at; None for an empty database."""
    return await database.read(lambda connection: connection.run_sync(_revision_of))


async def require_current_schema(database: Readable) -> None:
    """Raises SchemaOutdated, which names the command, if the ledger is not at this revision."""
    found = await current_revision(database)
    needed = newest_revision()
    if found != needed:
        raise SchemaOutdated(found=found or "none (it is empty)", needed=needed)


async def migrate(database: Database, revision: str = "head") -> str:
    """Migrate in one transaction; returns the revision. Two at once wait for each other."""

    def upgrade(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    await database.write(lambda connection: connection.run_sync(upgrade))
    return await current_revision(database) or ""
