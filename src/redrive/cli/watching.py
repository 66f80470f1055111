"""Following one operation: a live bar on a terminal, plain lines elsewhere, a table at the end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as LiveProgress

from redrive import wire
from redrive.cli.exit_codes import ExitCode
from redrive.cli.output import Output, say
from redrive.domain import (
    ItemState,
    Limit,
    Operation,
    OperationId,
    OperationPhase,
    OperationState,
    Progress,
    Reason,
    phase_of,
    progress_of,
    verdict_of,
)
from redrive.web import saying
from redrive.wiring import Services

NO_RUNNER_SECONDS = 10.0
POLL_SECONDS = 0.5
REASON_PAGES = 40
PAGE = 500


Outcomes = Annotated[
    float,
    typer.Option(
        "--outcomes",
        min=0,
        metavar="SECONDS",
        help="With --watch: then wait so long for what becomes of the moved jobs.",
    ),
]


UntilVerdict = Annotated[
    bool,
    typer.Option(
        "--verdict",
        help="With --watch: then wait until the verdict is final; exit code 8 unless everything "
        "that was moved recovered.",
    ),
]


def refuse_waiting_alone(watch: bool, outcome_seconds: float, verdict: bool) -> None:
    """Raises BadParameter for ``--outcomes`` or ``--verdict`` without ``--watch``, which would
    wait for nothing, and for both, which end at different times."""
    for option, is_given in (("--outcomes", outcome_seconds > 0), ("--verdict", verdict)):
        if is_given and not watch:
            raise typer.BadParameter(f"{option} needs --watch")
    if outcome_seconds and verdict:
        raise typer.BadParameter("name one of: --outcomes SECONDS, --verdict")


class Show(Protocol):
    def __call__(self, progress: Progress) -> None: ...


async def watch_to_the_end(
    services: Services,
    output: Output,
    operation_id: OperationId,
    outcome_seconds: float,
    until_verdict: bool,
) -> None:
    """Show the progress until the operation ends, then what happened.

    In between, wait up to ``outcome_seconds``, or until the verdict is final, for what becomes of
    the moved jobs. Exit code 6 unless it completed without errors, 7 as soon as it pauses, 8 for a
    verdict that was waited for unless everything recovered. Interrupted, it leaves the operation
    running and says how to go on.
    """
    try:
        with _shown(services) as show:
            async for progress in _watched(services, operation_id, until_verdict):
                show(progress)
                if progress.state is OperationState.PAUSED:
                    break
            else:
                await _wait_for_outcomes(services, operation_id, outcome_seconds, show)
    except asyncio.CancelledError:
        say(
            f"The operation goes on. Watch it: redrive operations --watch {operation_id}\n"
            f"Stop it: redrive cancel {operation_id}"
        )
        raise
    operation = await services.overview.operation(operation_id)
    now, observe_for = services.clock.now(), services.overview.observe_for
    model = wire.Operation.of(operation, now, observe_for)
    output.table(model, ("WHAT HAPPENED", "ENTRIES"), await _rows(services, model))
    if operation.state is OperationState.PAUSED:
        say(
            f"{saying.paused_by(operation)}\n{_go_on(operation)}\n"
            f"Stop it: redrive cancel {operation_id}",
            bad=True,
        )
        raise typer.Exit(ExitCode.PAUSED)
    if operation.state is not OperationState.COMPLETED or operation.errored:
        say(f"The operation ended {operation.state}. {operation.error or ''}".strip(), bad=True)
        raise typer.Exit(ExitCode.NOT_ALL_DONE)
    verdict = verdict_of(operation, now, observe_for)
    if until_verdict and not verdict.all_recovered:
        say(f"Of {verdict.moved} that were moved {verdict.recovered} recovered.", bad=True)
        raise typer.Exit(ExitCode.NOT_ALL_RECOVERED)


def _go_on(operation: Operation) -> str:
    """How a paused operation goes on."""
    if operation.awaits_approval:
        return "Approve it: another user, at the console, on the operation's page"
    return f"Go on: redrive resume {operation.operation_id}"


async def _watched(
    services: Services, operation_id: OperationId, until_verdict: bool
) -> AsyncIterator[Progress]:
    """The operation's progress; says so when no runner takes it."""
    hint: asyncio.TimerHandle | None = asyncio.get_running_loop().call_later(
        NO_RUNNER_SECONDS,
        say,
        "No runner has taken it yet; is 'redrive up' or 'redrive runner' running?",
    )
    try:
        watched = services.overview.watch(operation_id, until_verdict=until_verdict)
        async for progress in watched:
            if hint is not None and progress.state is not OperationState.QUEUED:
                hint.cancel()
                hint = None
            yield progress
    finally:
        if hint is not None:
            hint.cancel()


async def _wait_for_outcomes(
    services: Services, operation_id: OperationId, seconds: float, show: Show
) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        operation = await services.overview.operation(operation_id)
        show(progress_of(operation, services.clock.now()))
        if operation.recovered + operation.failed_again + operation.vanished >= operation.requeued:
            return
        await asyncio.sleep(POLL_SECONDS)


@contextlib.contextmanager
def _shown(services: Services) -> Iterator[Show]:
    """A way to show progress on stderr."""

    def phase(progress: Progress) -> OperationPhase:
        return phase_of(progress, services.clock.now(), services.overview.observe_for)

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(phase)
        return
    with LiveProgress(
        TextColumn("{task.fields[state]}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[counts]}"),
        console=console,
    ) as live:
        bar = live.add_task("", state="", counts="", total=None)

        def show(progress: Progress) -> None:
            live.update(
                bar,
                total=progress.total,
                completed=progress.completed,
                state=phase(progress),
                counts=_counts(progress),
            )

        yield show


class _Lines:
    """One line per change of phase and per tenth of the way."""

    def __init__(self, phase: Callable[[Progress], OperationPhase]) -> None:
        self._phase = phase
        self._last: tuple[OperationPhase, int, int] | None = None

    def __call__(self, progress: Progress) -> None:
        phase = self._phase(progress)
        tenth = progress.completed * 10 // max(progress.total, 1)
        recovered_tenth = progress.recovered * 10 // max(progress.total, 1)
        if (phase, tenth, recovered_tenth) != self._last:
            self._last = (phase, tenth, recovered_tenth)
            say(f"{phase} {progress.completed}/{progress.total} {_counts(progress)}")


def _counts(progress: Progress) -> str:
    """The counts in few words, so that a terminal of 80 columns holds them beside the bar."""
    rate = progress.rate if progress.measured_rate is None else progress.measured_rate
    parts = [f"{rate:.0f}/s", f"{progress.recovered} recovered"]
    if progress.failed_again:
        parts.append(f"{progress.failed_again} failed again")
    if progress.limited_by not in (None, Limit.NONE, Limit.PAUSED):
        parts.append(f"limited by {progress.limited_by}")
    if progress.skipped:
        parts.append(f"{progress.skipped} skipped")
    if progress.failed:
        parts.append(f"{progress.failed} errors")
    if progress.eta_seconds:
        parts.append(f"{progress.eta_seconds:.0f} s left")
    return ", ".join(parts)


async def _rows(services: Services, model: wire.Operation) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("selected", model.total),
        ("moved back to their queue", model.succeeded),
    ]
    for state, count in ((ItemState.SKIPPED, model.skipped), (ItemState.ERRORED, model.failed)):
        rows.append((state, count))
        if count:
            reasons = await _reasons(services, OperationId(model.operation_id), state)
            rows += [(f"  {reason or 'no reason'}", number) for reason, number in reasons]
    if model.released:
        rows.append(("given back by the cancel", model.released))
    return rows + _verdict_rows(model.verdict)


def _verdict_rows(verdict: wire.Verdict) -> list[tuple[str, object]]:
    so_far = "" if verdict.is_final else " so far"
    rows: list[tuple[str, object]] = [
        (f"recovered{so_far}", verdict.recovered),
        (f"failed again{so_far}", verdict.failed_again),
    ]
    if verdict.failed_again:
        rows += [
            ("  the same way", verdict.failed_same),
            ("  differently", verdict.failed_differently),
        ]
    if verdict.vanished:
        rows.append(("vanished from their queue", verdict.vanished))
    if verdict.waiting:
        rows.append(("still waiting", verdict.waiting))
    return rows


async def _reasons(
    services: Services, operation_id: OperationId, state: ItemState
) -> list[tuple[Reason | None, int]]:
    """How often each reason stands, most frequent first; of the first 20,000 items at most."""
    found: Counter[Reason | None] = Counter()
    cursor: str | None = None
    for _ in range(REASON_PAGES):
        page = await services.overview.items(operation_id, state, cursor, PAGE)
        found.update(item.reason for item in page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    return found.most_common()
