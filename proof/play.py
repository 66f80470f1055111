"""Plays one scenario: real stores, real processes, real workers, and everything that goes wrong."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from proof.acting import act_together, perform
from proof.checker import Verdict, check
from proof.crew import Crew, Death, environment_of, source_at
from proof.observed import Observed, read_runs
from proof.older import OLDER_FINGERPRINT
from proof.plan import Act, Fault, Part, Scenario
from proof.processes import Forker
from proof.stage import Stage, WaitedInVainError, open_stage
from proof.stores import Ledgers
from proof.trouble import Trouble
from proof.world import RETRY_ALL

_PATIENT_TIMES = 3
_MOP_UPS = 6
_TELLING_SECONDS = 5.0
_NOWHERE = "redis://127.0.0.1:1"


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of a scenario."""

    scenario: Scenario
    verdict: Verdict
    problems: list[str]
    seconds: float
    deaths: list[Death] = field(default_factory=list)
    stops: list[Fault] = field(default_factory=list)
    vain: list[Fault] = field(default_factory=list)
    outages: int = 0
    losses: int = 0
    uneaten: int = 0

    @property
    def clean(self) -> bool:
        return not (self.problems or self.found or (self.scenario.strict and self.missed))

    @property
    def found(self) -> set[str]:
        """The kinds of wrong that the checker found."""
        return set(self.verdict.problems)

    @property
    def missed(self) -> list[str]:
        """What was planned and did not happen: faults, kills that met nobody, sleepers that nobody
        took over from, and replies that were to be eaten."""
        happened = [*self.stops, *(death.fault for death in self.deaths)]
        faults = [str(fault) for fault in self.scenario.faults if fault not in happened]
        struck = Counter(death.part for death in self.deaths if death.fault is None)
        meant = Counter(kill.what for kill in self.scenario.kills if isinstance(kill.what, Part))
        unmet = [f"{part} killed" for part in (meant - struck).elements()]
        return [*faults, *unmet, *map(str, self.vain), *(["a reply eaten"] * self.uneaten)]


async def play(
    scenario: Scenario, forker: Forker, ledgers: Ledgers, folder: Path, prepare: str | None = None
) -> Played:
    """From empty stores to a verdict. ``prepare`` is called in every process of Redrive first."""
    began = time.monotonic()
    async with open_stage(scenario, ledgers, folder) as stage:
        trouble = Trouble(stage)
        crew = Crew(
            forker,
            folder,
            environment_of(
                folder,
                stage.ledger_url,
                stage.redis.server.url,
                stage.console_port,
                scenario,
            ),
            scenario,
            trouble.when_stopped,
            prepare,
        )
        try:
            async with asyncio.timeout(_PATIENT_TIMES * scenario.patience):
                await _act_out(stage, crew, trouble)
        except WaitedInVainError as error:
            stage.problems.append(str(error))
        except TimeoutError:
            stage.problems.append("the operator's acts did not come to an end")
        except Exception:
            stage.problems.append(traceback.format_exc())
        finally:
            await trouble.abandon()
            await crew.dismiss()
        return Played(
            scenario=scenario,
            verdict=await _judged(stage, crew),
            problems=stage.problems + crew.problems,
            seconds=time.monotonic() - began,
            deaths=crew.deaths,
            stops=crew.stops,
            vain=stage.vain,
            outages=len(stage.outages),
            losses=len(stage.losses),
            uneaten=stage.uneaten,
        )


async def _act_out(stage: Stage, crew: Crew, trouble: Trouble) -> None:
    scenario = stage.scenario
    await stage.add_jobs(scenario.jobs)
    crew.take(Part.WORKER, None, *scenario.queues)
    await stage.until(stage.all_failed, "every job fails")
    for _ in range(scenario.followers):
        crew.take(Part.FOLLOWER, prepare=OLDER_FINGERPRINT if scenario.regroups else None)
    await stage.until(stage.all_known, "the ledger takes every failure in")
    if scenario.regroups:
        await crew.replace(Part.FOLLOWER)
    await stage.drop_jobs()
    for part in (Part.WEB, Part.RUNNER):
        crew.take(part, _source_of(part, stage))
    if scenario.runners > 1:
        crew.take(Part.RUNNER)
    trouble.begin(crew)
    for person in (stage.operator, stage.approver) if scenario.together else (stage.operator,):
        await person.sign_in()
    trouble.act_begins(0)
    if scenario.together:
        await act_together(stage)
        await _until_quiet(stage)
    else:
        for number, act in enumerate(scenario.acts):
            trouble.act_begins(number)
            await _do(stage, act, f"act-{number}", trouble)
    await trouble.end()
    await _mop_up(stage, trouble)
    if scenario.regroups:
        await stage.until(stage.ledger.regrouped, "every entry is in a group of the newer version")
    with suppress(WaitedInVainError):  # the checker says what was told wrongly
        await stage.until(stage.told_as_counted, "all progress is told", _TELLING_SECONDS)


def _source_of(part: Part, stage: Stage) -> dict[str, str] | None:
    """How the first process of a part reaches the queues, if not as everybody does."""
    scenario = stage.scenario
    if part is Part.WEB and scenario.unreachable:
        return source_at(_NOWHERE)
    return source_at(stage.eater.url) if scenario.eaten and part is scenario.eaten_from else None


async def _do(stage: Stage, act: Act, key: str, trouble: Trouble) -> None:
    """One act of the operator, and its operation to its end."""
    await perform(stage, stage.operator, act, key)
    await trouble.of_the_moment()
    await _until_quiet(stage)


async def _until_quiet(stage: Stage) -> None:
    """Wait until no operation is open. What a dead process has left is found by a sweep."""
    await stage.until(stage.resumed_and_quiet, "the operations end")


async def _mop_up(stage: Stage, trouble: Trouble) -> None:
    """With nothing going wrong any more, retry until only poison is left.

    What vanished because Redis lost it is resynced one by one, as a person would, and what was
    dismissed is restored.
    """
    poison = {(job.queue, job.job_id) for job in stage.scenario.jobs if job.poison}
    for number in range(_MOP_UPS):
        await stage.until(stage.at_rest, "everything comes to rest")
        entries = await stage.ledger.entries()
        for entry in entries:
            if entry.state == "vanished" and stage.losses:
                await stage.operator.act_on_one("/resync", *entry.job, entry.app_id)
        dismissed = [one for one in entries if one.state == "dismissed" and one.job not in poison]
        await stage.restore(dismissed)
        vanished = any(entry.state == "vanished" for entry in entries)
        failed = {entry.job for entry in entries if entry.state == "failed"}
        if not (vanished or dismissed) and failed <= poison:
            return
        await _do(stage, RETRY_ALL, f"mop-up-{number}", trouble)


async def _judged(stage: Stage, crew: Crew) -> Verdict:
    """What the checker says; that there is nothing to be read is a problem beside the others."""
    try:
        return check(await _observe(stage, crew))
    except Exception:
        stage.problems.append(traceback.format_exc())
        return Verdict()


async def _observe(stage: Stage, crew: Crew) -> Observed:
    lines = crew.record.read_text(encoding="utf-8").splitlines() if crew.record.exists() else []
    return Observed(
        jobs=stage.scenario.jobs,
        runs=read_runs(lines),
        items=await stage.ledger.items(),
        operations=await stage.ledger.operations(),
        entries=await stage.ledger.entries(),
        engine_failed=stage.engine.failed(),
        losses=stage.losses,
        promised=stage.operator.promised | stage.approver.promised,
        miscounts=await stage.ledger.miscounts(),
        audit=await stage.ledger.audit(),
        progress=stage.progress,
        answers=[*stage.operator.answers, *stage.approver.answers],
        hurt_at=[*stage.outages, *(death.at for death in crew.deaths)],
    )
