"""Many scenarios side by side, within a bound of time."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from proof import report
from proof.checker import Verdict
from proof.moments import moments
from proof.plan import BACKENDS, Scenario
from proof.play import Played, play
from proof.processes import Forker
from proof.scenarios import KINDS, from_seed
from proof.sleepers import leases
from proof.steps import at_step
from proof.stores import Ledgers
from redrive.faultpoints import Step


def chosen(given: argparse.Namespace) -> tuple[list[Scenario], list[Scenario]]:
    """The scenarios of a command line, the two databases in turn: those that belong to every run
    (a seed of each kind, the moments, the leases that run out, the steps), and more seeds, as far
    as there is time."""
    backends = (given.backend,) if given.backend else BACKENDS
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    seeded = [from_seed(seed, backend) for seed in seeds for backend in backends]
    first = len(KINDS) * len(backends)
    due, more = seeded[:first], seeded[first:]
    if not given.no_steps:
        due += [one for both in zip(*map(moments, backends), strict=True) for one in both]
        due += [one for backend in backends for one in leases(backend)]
        due += [at_step(step, backend, 1) for step in Step for backend in backends]

    def wanted(scenarios: list[Scenario]) -> list[Scenario]:
        return [one for one in scenarios if given.only is None or given.only in one.name]

    return wanted(due), wanted(more)


async def run(given: argparse.Namespace) -> int:
    """Play them all; returns the exit code. The folders of failures stay, the others go.

    Interrupted, it tells of what was played until then.
    """
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="redrive-proof-"))
    ends_at = began + given.minutes * 60 if given.minutes else None
    due, more = chosen(given)
    played: list[Played] = []
    try:
        await play_all(due + more, folder, given.at_once, played, ends_at)
    finally:
        report.table(played, len(due + more) - len(played), time.monotonic() - began)
        report.left_out(left_out(due, played))
        if all(one.clean for one in played):
            shutil.rmtree(folder)
        else:
            report.where(folder)
    return exit_code(due, played)


def left_out(due: Sequence[Scenario], played: Sequence[Played]) -> Sequence[Scenario]:
    """What belongs to every run and was not played to its end."""
    done = {(one.scenario.name, one.scenario.backend) for one in played}
    return [one for one in due if (one.name, one.backend) not in done]


def exit_code(due: Sequence[Scenario], played: Sequence[Played]) -> int:
    """0 if all that is due was played, and all that was played went well."""
    sound = all(one.clean for one in played) and not left_out(due, played)
    return 0 if played and sound else 1


async def play_all(
    scenarios: Sequence[Scenario],
    folder: Path,
    at_once: int,
    played: list[Played],
    ends_at: float | None = None,
) -> None:
    """Play scenarios side by side, each reported and added to ``played`` as it ends; none is begun
    after ``ends_at``."""
    waiting = iter(scenarios)
    async with Forker() as forker, Ledgers(folder) as ledgers:

        async def one_after_another() -> None:
            for scenario in waiting:
                if ends_at is not None and time.monotonic() > ends_at:
                    return
                played.append(await play_safely(scenario, forker, ledgers, folder))
                report.line(played[-1], len(played))

        await asyncio.gather(*(one_after_another() for _ in range(at_once)))


async def play_safely(
    scenario: Scenario, forker: Forker, ledgers: Ledgers, folder: Path, prepare: str | None = None
) -> Played:
    """Play one in a folder of its own; what nobody thought of is a problem of this one alone."""
    own = folder / f"{scenario.name}-{scenario.backend}"
    own.mkdir(parents=True)
    try:
        result = await play(scenario, forker, ledgers, own, prepare)
    except Exception:
        trace = traceback.format_exc()
        result = Played(scenario=scenario, verdict=Verdict(), problems=[trace], seconds=0)
    if result.clean:
        shutil.rmtree(own)
    return result
