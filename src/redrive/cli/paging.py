"""Options that every list has."""

from __future__ import annotations

from typing import Annotated

import typer

from redrive.cli.output import say

Limit = Annotated[int, typer.Option(min=1, max=500, help="At most so many.")]
Cursor = Annotated[str | None, typer.Option(help="next_cursor of the page before.")]


def say_there_is_more(next_cursor: str | None) -> None:
    if next_cursor is not None:
        say(f"There is more: --cursor {next_cursor}")
