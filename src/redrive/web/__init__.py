"""HTTP: the JSON API, sessions, probes and pages, over the services of the middle."""

from __future__ import annotations

from redrive.web.app import create_app
from redrive.web.passwords import hash_password
from redrive.web.server import listen, serve
from redrive.web.services import WebServices

__all__ = ["WebServices", "create_app", "hash_password", "listen", "serve"]
