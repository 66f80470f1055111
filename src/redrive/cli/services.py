"""The services under the commands, on the Redis that this data directory's ``up`` runs."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redrive.domain import COMMAND_LINE, Actor
from redrive.embedded import read_redis_url
from redrive.errors import SettingsError
from redrive.settings import Settings
from redrive.wiring import Services, open_services


def with_redis(settings: Settings) -> Settings:
    """The settings with Redrive's own Redis filled in.

    First wins: the one that is named, then the one that ``redrive up`` runs, or ran last, in this
    data directory. Raises SettingsError where there is neither.
    """
    if settings.redis_url is not None:
        return settings
    url = read_redis_url(settings.data_dir)
    if url is None:
        raise SettingsError(
            (
                "redis_url (REDRIVE_REDIS_URL): no Redis is named, and no 'redrive up' has run "
                f"in data_dir (REDRIVE_DATA_DIR) {settings.data_dir.absolute()}; name one of them",
            )
        )
    return settings.model_copy(update={"redis_url": url})


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Services]:
    """The services for one command; an old schema is refused."""
    async with open_services(with_redis(settings)) as services:
        yield services


def this_user() -> Actor:
    """Who acts on the command line: the user of the machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return Actor(name=name, origin=COMMAND_LINE)
