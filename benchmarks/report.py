"""Tables on stdout, the same figures as JSON beside them."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
_WIDTH = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One measured thing: all its values, in ``unit``."""

    name: str
    unit: str
    values: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> str:
        return f"{_figure(min(self.values))} to {_figure(max(self.values))}"


def show(title: str, rows: Sequence[Measured], *, beside: str | None = None) -> None:
    """Print a table; ``beside`` names the row that the ratios are against."""
    table = Table(title=title, title_justify="left")
    for heading in ("what", "median", "unit", "range"):
        table.add_column(heading, justify="left" if heading in ("what", "unit") else "right")
    base = next((row.median for row in rows if row.name == beside), None)
    if base:
        table.add_column(f"ratio to {beside}", justify="right")
    for row in rows:
        ratio = [f"{row.median / base:,.1f}"] if base else []
        table.add_row(row.name, _figure(row.median), row.unit, row.spread, *ratio)
    console = Console()
    (console if console.is_terminal else Console(width=_WIDTH)).print(table)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def save(name: str, rows: Sequence[Measured]) -> Path:
    """Write the figures with the machine they were measured on."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        "rows": [asdict(row) | {"median": row.median} for row in rows],
    }
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return path
