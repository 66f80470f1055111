"""Migrations give exactly the schema of the code, and other schemas are refused."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

from redrive.errors import SchemaOutdated
from redrive.ledger import Database, current_revision, migrate, migrations, require_current_schema
from redrive.ledger.schema import apps, metadata, sequences
from tests.support.factories import AT

MIGRATE = """
import asyncio, sys
from redrive.ledger import Database, migrate

async def main():
    database = Database(sys.argv[1])
    print(await migrate(database))
    await database.close()

asyncio.run(main())
"""


STORED = "SELECT relname, reloptions FROM pg_class WHERE reloptions IS NOT NULL"


def picture(connection: Connection) -> dict[str, dict[str, Any]]:
    """Everything that a database says of its tables, in a form that can be compared."""
    seen = inspect(connection)
    on_sqlite = connection.dialect.name == "sqlite"
    rows = [] if on_sqlite else connection.execute(text(STORED)).all()
    stored = {row.relname: row.reloptions for row in rows}
    return {
        table: {
            "columns": [
                (column["name"], str(column["type"]), column["nullable"], column["default"])
                for column in seen.get_columns(table)
            ],
            "primary key": seen.get_pk_constraint(table),
            "checks": {
                check["name"]: check["sqltext"] for check in seen.get_check_constraints(table)
            },
            "indexes": {
                index["name"]: (
                    index["column_names"],
                    bool(index["unique"]),
                    str(_condition(connection, index)),
                )
                for index in seen.get_indexes(table)
            },
            "room": {name: room for name, room in stored.items() if name.endswith(table)}
            | {index["name"]: stored.get(index["name"]) for index in seen.get_indexes(table)},
        }
        for table in seen.get_table_names()
        if table != "alembic_version"
    }


def _condition(connection: Connection, index: Any) -> object:
    return index.get("dialect_options", {}).get(f"{connection.dialect.name}_where")


async def picture_of(database: Database) -> dict[str, dict[str, Any]]:
    return await database.read(lambda connection: connection.run_sync(picture))


def downgrade(connection: Connection) -> None:
    config = migrations._config()
    config.attributes["connection"] = connection
    command.downgrade(config, "base")


async def test_migrations_give_the_schema_of_the_code(empty: Database, database: Database) -> None:
    await empty.write(lambda connection: connection.run_sync(metadata.create_all))
    expected = await picture_of(empty)
    assert set(expected) == set(metadata.tables)
    assert await picture_of(database) == expected


async def test_alembic_finds_nothing_to_change(database: Database) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found: list[Any] = compare_metadata(context, metadata)
        return found

    assert await database.read(lambda connection: connection.run_sync(differences)) == []


async def test_states_are_checked_and_failed_entries_have_indexes_of_their_own(
    database: Database,
) -> None:
    seen = await picture_of(database)
    assert {"ck_entries_state"} <= set(seen["entries"]["checks"])
    assert {"ck_operations_state", "ck_operations_counts_within_total"} <= set(
        seen["operations"]["checks"]
    )
    assert {"ck_items_state", "ck_items_outcome"} <= set(seen["items"]["checks"])
    for name, columns in [
        ("ix_entries_failed", ["failure_seq"]),
        ("ix_entries_failed_app", ["app_id", "failure_seq"]),
        ("ix_entries_failed_at", ["failed_at", "failure_seq"]),
        ("ix_entries_failed_app_at", ["app_id", "failed_at", "failure_seq"]),
    ]:
        found, unique, condition = seen["entries"]["indexes"][name]
        assert (found, unique) == (columns, False)
        assert "state" in condition
        assert "failed" in condition


async def test_an_empty_database_is_migrated_to_the_newest_revision(empty: Database) -> None:
    assert await current_revision(empty) is None
    assert await migrate(empty) == migrations.newest_revision()
    await require_current_schema(empty)
    rows = await empty.rows(select(sequences))
    assert [tuple(row) for row in rows] == [("failure_seq", 0)]


async def test_revisions_are_one_line_and_each_can_be_reached(empty: Database) -> None:
    script = ScriptDirectory.from_config(migrations._config())
    assert len(script.get_heads()) == 1
    for revision in reversed(list(script.walk_revisions())):
        assert await migrate(empty, revision.revision) == revision.revision
    assert await current_revision(empty) == migrations.newest_revision()


async def test_migrating_again_keeps_everything(database: Database) -> None:
    await database.write(
        lambda connection: connection.execute(insert(apps), {"app_id": "acme", "first_seen_at": AT})
    )
    before = await picture_of(database)
    assert await migrate(database) == migrations.newest_revision()
    assert await picture_of(database) == before
    assert [row.app_id for row in await database.rows(select(apps))] == ["acme"]


async def test_a_downgrade_to_the_base_leaves_no_table(empty: Database) -> None:
    await migrate(empty)
    await empty.write(lambda connection: connection.run_sync(downgrade))
    assert await picture_of(empty) == {}
    assert await current_revision(empty) is None
    assert await migrate(empty) == migrations.newest_revision()


async def test_a_migration_that_breaks_leaves_the_database_as_it_was(empty: Database) -> None:
    await empty.write(lambda connection: connection.execute(text("CREATE TABLE audit (a int)")))
    before = await picture_of(empty)
    with pytest.raises(DBAPIError, match="audit"):
        await migrate(empty)
    assert await picture_of(empty) == before
    assert await current_revision(empty) is None


async def test_an_empty_database_is_refused_with_the_command_to_run(empty: Database) -> None:
    with pytest.raises(SchemaOutdated, match="redrive migrate") as refused:
        await require_current_schema(empty)
    assert refused.value.fields["needed"] == migrations.newest_revision()
    assert "empty" in str(refused.value)


@pytest.mark.parametrize("revision", ["0000", "9999"], ids=["older", "unknown"])
async def test_another_revision_is_refused_with_the_command_to_run(
    database: Database, revision: str
) -> None:
    await database.write(
        lambda connection: connection.execute(
            text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision}
        )
    )
    with pytest.raises(SchemaOutdated, match="redrive migrate") as refused:
        await require_current_schema(database)
    assert refused.value.fields["found"] == revision


async def test_a_schema_that_lost_its_revision_is_refused(database: Database) -> None:
    await database.write(lambda connection: connection.execute(text("DELETE FROM alembic_version")))
    with pytest.raises(SchemaOutdated):
        await require_current_schema(database)


async def test_two_processes_that_migrate_at_once_do_no_harm(
    empty: Database, empty_url: str
) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", MIGRATE, empty_url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for process in processes:
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        assert out.decode().strip() == migrations.newest_revision()
    await require_current_schema(empty)
    assert len(await empty.rows(select(sequences))) == 1
