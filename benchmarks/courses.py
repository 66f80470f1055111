"""Operations under a rate, and what happens to them on their way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from benchmarks.bulk_retry import ACTOR
from redrive.domain import Controls, OperationId, to_millis
from redrive.wiring import Services, build_runner

RATES = (10, 500, 5_000)
_RATE = 500.0
_FLOOR, _CEILING = 25.0, 400.0
_STOPS = 4


@dataclass(kw_only=True)
class Drive:
    """One operation on its way. ``seconds`` is how long it is driven, as planned."""

    services: Services
    operation_id: OperationId
    seconds: float
    changes: list[tuple[int, float]] = field(default_factory=list)
    """When a change of the rate was asked for, in milliseconds, and to how much a second."""
    _running: asyncio.Task[bool] | None = field(default=None, init=False)

    def begin(self) -> None:
        self._running = asyncio.create_task(build_runner(self.services).run(self.operation_id))

    async def go_on(self, share: float) -> None:
        """Let a share of the time pass."""
        await asyncio.sleep(self.seconds * share)

    async def ended(self) -> None:
        """Wait until the runner lets the operation go."""
        assert self._running is not None
        await self._running

    async def replace_runner(self) -> None:
        """End the runner in the middle of whatever it does; another one takes over at once."""
        assert self._running is not None
        self._running.cancel()
        await asyncio.wait([self._running])
        self.begin()

    async def pause_and_resume(self) -> None:
        await self.services.recovery.pause(self.operation_id, ACTOR)
        await self.ended()
        await self.services.recovery.resume(self.operation_id, ACTOR)
        self.begin()

    async def change(self, rate: float) -> None:
        self.changes.append((to_millis(self.services.clock.now()), rate))
        await self.services.recovery.change_controls(self.operation_id, ACTOR, {"rate": rate})


async def _straight_on(drive: Drive) -> None:
    await drive.go_on(1)


async def _changed(drive: Drive) -> None:
    await drive.go_on(1 / 3)
    for rate in (_RATE * 10, _RATE / 10):
        await drive.change(rate)
        await drive.go_on(1 / 3)


async def _taken_over(drive: Drive) -> None:
    for _ in range(_STOPS):
        await drive.go_on(1 / (_STOPS + 1))
        await drive.replace_runner()
    await drive.go_on(1 / (_STOPS + 1))


async def _paused(drive: Drive) -> None:
    for _ in range(_STOPS):
        await drive.go_on(1 / (_STOPS + 1))
        await drive.pause_and_resume()
    await drive.go_on(1 / (_STOPS + 1))


async def _ramped(drive: Drive) -> None:
    await drive.go_on(2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """What an operation is limited by and what happens on its way.

    ``most`` is how many entries there are for each planned second. Where something happens on the
    way they are more than the rate allows, so that on a slow machine too it happens before the end.
    """

    name: str
    controls: Controls
    most: float
    way: Callable[[Drive], Awaitable[None]] = _straight_on
    works: bool = False
    """Whether a worker and a follower run beside it."""


COURSES = (
    *(Course(name=f"{rate:,}/s", controls=Controls(rate=rate), most=rate) for rate in RATES),
    Course(
        name=f"{_RATE:g}/s, changed to {_RATE * 10:,g}/s, then to {_RATE / 10:g}/s",
        controls=Controls(rate=_RATE),
        most=_RATE * 8,
        way=_changed,
    ),
    Course(
        name=f"{_RATE:g}/s, runner ended and replaced {_STOPS} times",
        controls=Controls(rate=_RATE),
        most=_RATE * 4,
        way=_taken_over,
    ),
    Course(
        name=f"{_RATE:g}/s, paused and resumed {_STOPS} times",
        controls=Controls(rate=_RATE),
        most=_RATE * 4,
        way=_paused,
    ),
    Course(
        name=f"from {_FLOOR:g}/s up to {_CEILING:g}/s",
        controls=Controls(rate=_CEILING, floor=_FLOOR),
        most=_CEILING * 2,
        way=_ramped,
        works=True,
    ),
)
