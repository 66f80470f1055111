"""The long-running commands: everything at once, or one part for a larger deployment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import typer

from redrive.cli.command import LOG_FLAGS, SERVE_FLAGS, STORE_FLAGS, Context, command
from redrive.cli.listening import address_of, take_address
from redrive.cli.output import say
from redrive.cli.services import opened
from redrive.cli.stopping import stop_on_signals
from redrive.cli.up import run_up
from redrive.garbage import collect_rarely
from redrive.web import serve
from redrive.wiring import Services, build_web, migrate_ledger, run_follower, run_runner

RETENTION_FLAGS = ("retention_days", "audit_retention_days")
RUNNER_FLAGS = (*STORE_FLAGS, "batch_size", *RETENTION_FLAGS, *LOG_FLAGS)
FOLLOWER_FLAGS = (*STORE_FLAGS, "payload_limit", *LOG_FLAGS)
WEB_FLAGS = (*STORE_FLAGS, *SERVE_FLAGS, *LOG_FLAGS)
UP_FLAGS = (
    *STORE_FLAGS,
    "redis_binary",
    *SERVE_FLAGS,
    "payload_limit",
    "batch_size",
    *RETENTION_FLAGS,
    *LOG_FLAGS,
)

Loop = Callable[[Services, asyncio.Event], Coroutine[Any, Any, None]]


def register(app: typer.Typer) -> None:
    command(app, "up", flags=UP_FLAGS, with_json=False)(up)
    command(app, "web", flags=WEB_FLAGS, with_json=False)(web)
    command(app, "runner", flags=RUNNER_FLAGS, with_json=False)(runner)
    command(app, "follower", flags=FOLLOWER_FLAGS, with_json=False)(follower)
    command(app, "migrate", with_json=False)(migrate)


def up(context: Context) -> None:
    """Start everything: console, runner, follower and, where none is named, a Redis."""
    run_up(context.settings)


async def web(context: Context) -> None:
    """Start the console alone; the ledger's schema must be up to date."""
    with take_address(context.settings) as listener:

        async def loop(services: Services, stop: asyncio.Event) -> None:
            say(f"The console is at {address_of(context.settings)}")
            await serve(build_web(services), services.settings, stop=stop, listener=listener)

        await _run_one(context, loop)


async def runner(context: Context) -> None:
    """Start one runner; as many as wanted share the work."""
    await _run_one(context, run_runner)


async def follower(context: Context) -> None:
    """Start one follower; a second one does no harm."""
    await _run_one(context, run_follower)


async def migrate(context: Context) -> None:
    """Bring the ledger's schema up to date."""
    revision = await migrate_ledger(context.settings)
    say(f"The ledger's schema is at revision {revision}.")


async def _run_one(context: Context, loop: Loop) -> None:
    async with stop_on_signals() as stop, opened(context.settings) as services:
        collect_rarely()
        await loop(services, stop)
