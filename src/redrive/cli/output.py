"""Data goes to stdout, talk to stderr; text out of a queue never reaches the terminal raw."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from redrive.cli.tables import Column, print_table

UNLIMITED_WIDTH = 10_000
CELL_LIMIT = 120


def say(message: str, *, bad: bool = False) -> None:
    """One message for a person, on stderr."""
    text = "\n".join(map(_plain, message.splitlines()))
    Console(stderr=True, soft_wrap=True).print(
        Text(text, style="red" if bad else ""), highlight=False
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
        typer.echo(model.model_dump_json(indent=2) if self.as_json else _plain(text))

    def table(
        self, model: BaseModel, columns: Sequence[Column | str], rows: Iterable[Sequence[object]]
    ) -> None:
        """A list: its JSON, or a table. Into a pipe, lines are as long as they need to be.

        A title alone is a column that is always shown, and whole.
        """
        if self.as_json:
            typer.echo(model.model_dump_json(indent=2))
        else:
            self.rows(columns, rows)

    def rows(
        self,
        columns: Sequence[Column | str],
        rows: Iterable[Sequence[object]],
        *,
        aside: bool = False,
    ) -> None:
        """A table for people only; ``aside`` on stderr, where it is no data."""
        console = Console(stderr=aside)
        print_table(
            [Column(column) if isinstance(column, str) else column for column in columns],
            [[shown(cell) for cell in row] for row in rows],
            console.width if console.file.isatty() else UNLIMITED_WIDTH,
            aside=aside,
        )
