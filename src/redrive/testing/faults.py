"""Faults injected by wrapping the real thing.

A crash derives from BaseException, so that no ``except Exception`` survives what a process would
not survive.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

T = TypeVar("T")

When = Literal["before", "after"]


class Crash(BaseException):
    """The process died here."""


class Faults:
    """Wraps objects; raises once, before or after the n-th call of one of their methods.

    After the fault every further call through this object's wrappers crashes too: a dead process
    does nothing more.
    """

    def __init__(
        self,
        target: str,
        method: str,
        nth: int = 1,
        when: When = "before",
        error: Callable[[], BaseException] = Crash,
    ) -> None:
        self._target = target
        self._method = method
        self._left = nth
        self._when = when
        self._error = error
        self.happened = False

    def wrap(self, name: str, real: T) -> T:
        """``real``, with the fault if it is the target."""
        return cast("T", _Wrapper(self, name, real))

    def _hit(self, target: str, method: str) -> bool:
        if self.happened or (target, method) != (self._target, self._method):
            return False
        self._left -= 1
        self.happened = self._left == 0
        return self.happened

    def _dead(self) -> bool:
        return self.happened and self._error is Crash


class _Wrapper:
    def __init__(self, faults: Faults, name: str, real: object) -> None:
        self._faults = faults
        self._name = name
        self._real = real

    def __getattr__(self, method: str) -> Any:
        attribute = getattr(self._real, method)
        if not inspect.iscoroutinefunction(attribute):
            return attribute
        faults = self._faults

        async def call(*args: Any, **kwargs: Any) -> Any:
            if faults._dead():
                raise Crash
            hit = faults._hit(self._name, method)
            if hit and faults._when == "before":
                raise faults._error()
            answer = await attribute(*args, **kwargs)
            if hit:
                raise faults._error()
            return answer

        return call
