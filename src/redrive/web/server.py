"""Runs the console until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from redrive.settings import Settings
from redrive.web.context import Console

_GRACE_SECONDS = 5


def listen(settings: Settings) -> socket.socket:
    """Take the console's address, before anything else is started. Raises OSError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    # Connections inherit it. The event loop sets it only on sockets that name their protocol, and
    # without it an answer's body waits up to 40 ms for the client to acknowledge its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def serve(
    app: FastAPI,
    settings: Settings,
    *,
    stop: asyncio.Event | None = None,
    listener: socket.socket | None = None,
) -> None:
    """Serve until ``stop`` is set, or until SIGTERM or SIGINT where it is not given.

    Streams end at once, other answers have five seconds. ``listener`` is what :func:`listen`
    returned; without it the address is taken here (OSError).
    """
    console: Console = app.state.console
    server = _Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    own_stop = stop or _stop_on_signals()
    serving = asyncio.create_task(server.serve(sockets=[listener or listen(settings)]))
    stopping = asyncio.create_task(own_stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        console.closing.set()
        server.should_exit = True
        stopping.cancel()
        await serving


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


class _Server(uvicorn.Server):
    """Leaves signals to who runs it: the console may be one of several loops in a process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
