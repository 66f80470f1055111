"""Tables on stdout, the same figures as JSON beside them."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(os.environ.get("BENCHMARK_RESULTS") or Path(__file__).parent / "results")
_WIDTH = 120


class NotMeasuredError(Exception):
    """What was to be measured did not happen as it had to; there is no figure for it."""


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
        """From the least to the most; what was measured once has none."""
        if len(self.values) == 1:
            return "once"
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
        ratio = [f"{row.median / base:,.2f}"] if base else []
        table.add_row(row.name, _figure(row.median), row.unit, row.spread, *ratio)
    _print(table)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def show_latencies(title: str, rounds_of: Mapping[str, Sequence[Measured]]) -> None:
    """Print percentiles over all rounds, and how far the 95th moved between rounds."""
    table = Table(title=title, title_justify="left")
    for heading in ("what", "p50", "p95", "p99", "unit", "p95 by round"):
        table.add_column(heading, justify="left" if heading in ("what", "unit") else "right")
    for name, rounds in rounds_of.items():
        values = [value for measured in rounds for value in measured.values]
        shares = [f"{percentile(values, share):,.1f}" for share in (50, 95, 99)]
        p95s = [percentile(measured.values, 95) for measured in rounds]
        spread = f"{min(p95s):,.1f} to {max(p95s):,.1f}" if len(p95s) > 1 else "one round"
        table.add_row(name, *shares, rounds[0].unit, spread)
    _print(table)


def _print(table: Table) -> None:
    console = Console()
    (console if console.is_terminal else Console(width=_WIDTH)).print(table)


def percentile(values: Sequence[float], share: int) -> float:
    """The smallest value that ``share`` percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * share / 100) - 1, 0)]


def save(name: str, rows: Sequence[Measured]) -> None:
    """Write the figures with the machine they were measured on."""
    content = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        "rows": [asdict(row) | {"median": row.median} for row in rows],
    }
    _write(name, content)


def show_servers(servers: Mapping[str, str]) -> None:
    """Print what is measured on, and write it beside the figures."""
    for name, described in servers.items():
        print(f"{name}: {described}")
    _write("servers", servers)


def _write(name: str, content: object) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
