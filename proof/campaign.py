"""Many scenarios side by side, within a bound of time."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from proof import report
from proof.checker import Verdict
from proof.plan import Scenario
from proof.play import Played, play
from proof.processes import Forker
from proof.scenarios import BACKENDS, at_step, from_seed
from proof.stores import Ledgers
from redrive.faultpoints import Step


def chosen(given: argparse.Namespace) -> Iterator[Scenario]:
    """The scenarios of a command line, the two databases in turn."""
    backends = (given.backend,) if given.backend else BACKENDS
    every = [at_step(step, backend, 1) for step in Step for backend in backends]
    if given.no_steps:
        every = []
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    every += [from_seed(seed, backend) for seed in seeds for backend in backends]
    return (scenario for scenario in every if given.only is None or given.only in scenario.name)


async def run(given: argparse.Namespace) -> int:
    """Play them all; returns the exit code. The folders of failures stay, the others go."""
    began = time.monotonic()
    scenarios = chosen(given)
    played: list[Played] = []
    left_out = 0
    folder = Path(tempfile.mkdtemp(prefix="redrive-proof-"))
    async with Forker() as forker, Ledgers(folder) as ledgers:

        async def one_after_another() -> None:
            nonlocal left_out
            for scenario in scenarios:
                if given.minutes and time.monotonic() - began > given.minutes * 60:
                    left_out += 1
                    continue
                played.append(await play_safely(scenario, forker, ledgers, folder, given.prepare))
                report.line(played[-1], len(played))

        await asyncio.gather(*(one_after_another() for _ in range(given.at_once)))
    report.table(played, left_out, time.monotonic() - began)
    if all(one.clean for one in played):
        shutil.rmtree(folder)
        return 0
    report.where(folder)
    return 1


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
