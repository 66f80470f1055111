"""What several ports share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """The time, as an aware datetime in UTC."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[T]):
    """A keyset page; ``next_cursor`` is None on the last one."""

    items: list[T]
    next_cursor: str | None
