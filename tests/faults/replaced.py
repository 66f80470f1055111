"""A part of a rig that does one thing otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any


class Replaced:
    """A part of which one method is called through another one."""

    def __init__(self, real: Any, method: str, through: Callable[..., Awaitable[Any]]) -> None:
        self._real, self._method, self._through = real, method, through

    def __getattr__(self, method: str) -> Any:
        attribute = getattr(self._real, method)
        if method != self._method:
            return attribute
        return lambda *arguments: self._through(attribute, *arguments)
