"""Data goes to stdout, talk to stderr; text out of a queue never reaches the terminal raw."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

UNLIMITED_WIDTH = 10_000
CELL_LIMIT = 120


def say(message: str, *, bad: bool = False) -> None:
    """One message for a person, on stderr."""
    Console(stderr=True, soft_wrap=True).print(
        Text(message, style="red" if bad else ""), highlight=False
    )


def shown(value: object) -> str:
    """A value as a cell: on one line, without control characters, of a bounded length.

    A job's error may hold escape sequences that would rewrite the terminal.
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    text = " ".join(_plain(str(value)).split())
    return text if len(text) <= CELL_LIMIT else text[: CELL_LIMIT - 1] + "…"


def _plain(text: str) -> str:
    return "".join(
        " " if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character
        for character in text
    )


class Output:
    """One command's data: JSON for programs, a table for people."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def value(self, value: dict[str, str], text: str) -> None:
        """A small value that is no model: its JSON, or a line that says it."""
        typer.echo(json.dumps(value) if self.as_json else text)

    def text(self, text: str) -> None:
        """A longer text out of a queue, line by line, without control characters."""
        for line in text.splitlines():
            typer.echo(_plain(line))

    def model(self, model: BaseModel, text: str) -> None:
        """One thing: its JSON, or a line that says it."""
        typer.echo(model.model_dump_json(indent=2) if self.as_json else text)

    def table(
        self, model: BaseModel, columns: Sequence[str], rows: Iterable[Sequence[object]]
    ) -> None:
        """A list: its JSON, or a table. Into a pipe, lines are as long as they need to be."""
        if self.as_json:
            typer.echo(model.model_dump_json(indent=2))
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(shown(cell)) for cell in row))
        width = None if sys.stdout.isatty() else UNLIMITED_WIDTH
        Console(width=width).print(table)
