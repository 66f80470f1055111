"""Empty ledgers for a benchmark, one after the other, each removed after its use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ledgers import Backend
from tests.support.servers import PostgresServer


@contextmanager
def new_ledger(backend: Backend, folder: Path, postgres: PostgresServer) -> Iterator[str]:
    """The URL of a ledger without a schema, gone at the end of the block."""
    if backend == "postgresql":
        url = postgres.create_database()
        try:
            yield url
        finally:
            postgres.drop_database(url)
        return
    path = folder / "ledger.db"
    try:
        yield f"sqlite:///{path}"
    finally:
        for part in ("", "-wal", "-shm"):
            path.with_name(path.name + part).unlink(missing_ok=True)
