"""The console's listening socket, taken before anything else is started."""

from __future__ import annotations

import socket

from redrive.errors import Conflict
from redrive.settings import Settings
from redrive.web import listen


def take_address(settings: Settings) -> socket.socket:
    """Listen on the console's address; requests that come early wait there.

    Raises Conflict, naming the address, when it cannot be had.
    """
    try:
        return listen(settings)
    except OSError as error:
        raise Conflict(
            f"The console cannot listen on {settings.host} port {settings.port} "
            f"(REDRIVE_HOST, REDRIVE_PORT): {error.strerror}. Nothing was started."
        ) from error


def address_of(settings: Settings) -> str:
    """Where a browser on this machine finds the console."""
    if settings.public_origin is not None:
        return f"{settings.public_origin}/admin/"
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - only compared
    host = everywhere.get(settings.host, settings.host)
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"http://{host}:{settings.port}/admin/"
