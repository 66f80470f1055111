"""A part of a rig that does one thing otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from redrive.follower import Follower
from tests.support.rig import Rig


class Replaced:
    """A part of which one method is called through another one."""

    def __init__(self, real: Any, method: str, through: Callable[..., Awaitable[Any]]) -> None:
        self._real, self._method, self._through = real, method, through

    def __getattr__(self, method: str) -> Any:
        attribute = getattr(self._real, method)
        if method != self._method:
            return attribute
        return lambda *arguments: self._through(attribute, *arguments)


def follower_of(rig: Rig, *, engine: Any = None, ledger: Any = None) -> Follower:
    """One more follower of a rig's source, with another engine or ledger."""
    return Follower(
        engine=engine or rig.engine,
        ledger=ledger or rig.following,
        progress=rig.progress,
        reports=rig.reports,
        clock=rig.clock,
    )
