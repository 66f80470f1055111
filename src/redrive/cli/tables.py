"""Tables for terminals: what does not fit is shortened or left out, an id never."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Without ``least`` its cells stand whole on one line at any width, as ids must, so that they
    can be copied. With it they are free text that may be narrowed to ``least`` characters:
    shortened, or folded over several lines if ``folds``. Where the terminal is still too narrow
    the columns of the highest ``rank`` are left out first; those of rank 0 always stay.
    """

    title: str
    _: KW_ONLY
    rank: int = 0
    least: int | None = None
    folds: bool = False


def print_table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int, *, aside: bool = False
) -> None:
    """Print rows of ``width`` characters; longer ones if the columns of rank 0 need them.
    ``aside``: on stderr."""
    natural = [
        max(cell_len(column.title), *(cell_len(row[place]) for row in rows), 0)
        for place, column in enumerate(columns)
    ]
    needed = [
        whole if column.least is None else max(cell_len(column.title), min(column.least, whole))
        for column, whole in zip(columns, natural, strict=True)
    ]
    kept = _kept(columns, needed, width)
    widths = _widened({place: needed[place] for place in kept}, natural, width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for place in kept:
        folds = columns[place].folds
        table.add_column(
            columns[place].title,
            width=widths[place],
            no_wrap=not folds,
            overflow="fold" if folds else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(row[place]) for place in kept))
    Console(width=max(width, _total(list(widths.values()))), stderr=aside).print(table)


def _kept(columns: Sequence[Column], needed: Sequence[int], width: int) -> list[int]:
    """The places of the columns that are shown."""
    kept = list(range(len(columns)))
    while _total([needed[place] for place in kept]) > width:
        last = max(kept, key=lambda place: columns[place].rank)
        if columns[last].rank == 0:
            break
        kept.remove(last)
    return kept


def _widened(widths: dict[int, int], natural: Sequence[int], width: int) -> dict[int, int]:
    """Give what is left of the line to the columns that were narrowed, from the left."""
    left = max(width - _total(list(widths.values())), 0)
    for place in widths:
        more = min(left, natural[place] - widths[place])
        widths[place] += more
        left -= more
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)
