"""The command line: thin commands on the services that every face uses."""

from __future__ import annotations

from redrive.cli.app import main

__all__ = ["main"]
