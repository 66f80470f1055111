"""Everything in one process: console, runner, follower, and the embedded Redis as its child."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from redrive.cli.listening import address_of, take_address
from redrive.cli.output import say
from redrive.cli.stopping import run_together, stop_on_signals
from redrive.cli.users import ensure_admin
from redrive.embedded import DataDir, EmbeddedRedis, find_binary
from redrive.garbage import collect_rarely
from redrive.settings import Settings
from redrive.web import serve
from redrive.wiring import Services, build_web, open_services, run_follower, run_runner

Beside = Callable[[Services, asyncio.Event], Coroutine[Any, Any, None]]


def run_up(settings: Settings, beside: Beside | None = None) -> None:
    """Run until SIGTERM or SIGINT; ``beside`` runs along, and stops with the rest.

    The data directory is held all the time. Whatever ends this process, the embedded Redis ends
    too, and a new start finds everything as it was.
    """
    with DataDir(settings.data_dir), take_address(settings) as listener:
        if settings.redis_url is not None:
            asyncio.run(_run(settings, listener, None, beside))
            return
        embedded = EmbeddedRedis(settings.data_dir, find_binary(settings.redis_binary))
        embedded.start()
        try:
            chosen = settings.model_copy(update={"redis_url": embedded.url})
            asyncio.run(_run(chosen, listener, embedded, beside))
        finally:
            embedded.stop()


async def _run(
    settings: Settings,
    listener: socket.socket,
    embedded: EmbeddedRedis | None,
    beside: Beside | None,
) -> None:
    async with stop_on_signals() as stop, open_services(settings, migrate_first=True) as services:
        password = await ensure_admin(services)
        _greet(settings, embedded, password)
        collect_rarely()
        loops = [
            serve(build_web(services), settings, stop=stop, listener=listener),
            run_runner(services, stop),
            run_follower(services, stop),
        ]
        if embedded is not None:
            loops.append(embedded.keep_running(stop))
        if beside is not None:
            loops.append(beside(services, stop))
        await run_together(stop, loops)


def _greet(settings: Settings, embedded: EmbeddedRedis | None, password: str | None) -> None:
    say(f"Redrive is at {address_of(settings)}")
    if password is not None:
        say(f"User: admin\nPassword: {password}   (shown this once; 'redrive user passwd admin')")
    if embedded is not None:
        say(f"Redis for your queues (point workers at it): {embedded.url}")
    say("Ctrl-C stops it.")
