"""What a campaign prints: a line for each scenario, each failure with its replay, and a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from proof.checker import WRONG, summed
from proof.plan import Scenario
from proof.play import Played

_SHOWN = 5
_NAMED = 20


def line(played: Played, number: int) -> None:
    """One scenario, as it ends."""
    verdict = played.verdict
    print(
        f"{number:4} {'ok  ' if played.clean else 'FAIL'} {played.seconds:5.1f} s  "
        f"{verdict.handed_over:4} handed over, {len(played.deaths)} deaths  "
        f"{played.scenario.describe()}",
        flush=True,
    )
    if played.clean:
        return
    for fault in played.missed if played.scenario.strict else ():
        print(f"     never happened: {fault}")
    for problem in played.problems:
        print(f"     problem: {problem}")
    for name, found in verdict.problems.items():
        print(f"     {name}: {len(found)}")
        for one in found[:_SHOWN]:
            print(f"       {one}")
    print(f"     again: {again(played)}", flush=True)


def again(played: Played) -> str:
    """The command that plays it once more."""
    scenario = played.scenario
    what = f".venv/bin/python -m proof --backend {scenario.backend}"
    if scenario.seed is None:
        return f"{what} --seeds 0 --only {scenario.name}"
    return f"{what} --no-steps --seeds 1 --first-seed {scenario.seed}"


def table(played: Sequence[Played], left_out: int, seconds: float) -> None:
    """Sums by database and altogether."""
    print()
    figures = ("selected", "handed_over", "runs", "recovered", "by_engine", "undone")
    backends = sorted({one.scenario.backend for one in played})
    columns = [*backends, "together"]
    sums = {
        backend: [one for one in played if backend in (one.scenario.backend, "together")]
        for backend in columns
    }
    sums["together"] = list(played)
    print(f"{'':24}" + "".join(f"{backend:>14}" for backend in columns))

    def row(name: str, values: Sequence[object]) -> None:
        print(f"{name:24}" + "".join(f"{value!s:>14}" for value in values))

    row("scenarios", [len(sums[column]) for column in columns])
    row("failed", [sum(not one.clean for one in sums[column]) for column in columns])
    verdicts = {column: summed(one.verdict for one in sums[column]) for column in columns}
    for name in figures:
        row(name.replace("_", " "), [getattr(verdicts[column], name) for column in columns])
    row("deaths", [sum(len(one.deaths) for one in sums[column]) for column in columns])
    row("sleeps", [sum(len(one.stops) for one in sums[column]) for column in columns])
    row("missed faults", [sum(len(one.missed) for one in sums[column]) for column in columns])
    row("outages", [sum(one.outages for one in sums[column]) for column in columns])
    for name in WRONG:
        row(name, [len(getattr(verdicts[column], name)) for column in columns])
    reached = Counter(death.fault.step for one in played for death in one.deaths if death.fault)
    print(f"\n{len(reached)} steps at which a process died; {seconds:.0f} seconds", end="")
    print(f"; {left_out} scenarios not played" if left_out else "")


def left_out(due: Sequence[Scenario]) -> None:
    """What had to be played and was not; by name, unless it is most of it."""
    if due:
        names = ", ".join(f"{one.name} on {one.backend}" for one in due[:_NAMED])
        more = f" and {len(due) - _NAMED} more" if len(due) > _NAMED else ""
        print(f"Not a whole proof: {len(due)} that belong to it were not played: {names}{more}")


def where(folder: Path) -> None:
    print(f"What is left of the failures is in {folder}")
