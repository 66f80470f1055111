"""Which queues there are."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from redrive.engines.bullmq.calls import Calls
from redrive.engines.bullmq.keys import REDRIVE_QUEUE, QueueKeys
from redrive.engines.bullmq.library import problem_of
from redrive.settings import Source

SCAN_COUNT = 5000
STEPS_PER_LOOK = 20
"""SCAN steps of one look, after the first complete one: 100,000 keys.

A Redis with millions of jobs has millions of keys; a complete scan at every look would keep it
busy for seconds each time. So a look goes on where the last one stopped; a smaller Redis is seen
completely every time.
"""

SIGNS = ("meta", "id", "wait", "active", "failed", "completed", "delayed", "prioritized", "events")
_GLOB = str.maketrans({char: f"\\{char}" for char in "*?[]\\^-"})


class Discovery:
    """Finds the queues of one source and remembers them between looks."""

    def __init__(self, calls: Calls, source: Source) -> None:
        self._calls = calls
        self._prefix = source.prefix
        self._plain = {name for name in source.queues if not _is_pattern(name)}
        self._patterns = tuple(name for name in source.queues if _is_pattern(name))
        self._scanned: set[str] = set()
        self._cursor = b"0"
        self._complete = False
        self.problems: dict[str, str] = {}

    async def look(self) -> list[str]:
        """The queues that exist and may be touched, sorted; the others are in ``problems``."""
        if self._patterns:
            await self._scan()
        names = sorted((self._plain | self._scanned) - {REDRIVE_QUEUE})
        answers = await self._calls.many(
            [command for name in names for command in self._questions(name)]
        )
        existing = [name for at, name in enumerate(names) if answers[2 * at]]
        versions = {name: answers[2 * at + 1] for at, name in enumerate(names)}
        self._scanned &= set(existing)
        self.problems = {
            name: problem for name in existing if (problem := _problem(versions[name])) is not None
        }
        return [name for name in existing if name not in self.problems]

    def _questions(self, name: str) -> Iterable[tuple[str, ...]]:
        keys = QueueKeys(self._prefix, name)
        yield ("EXISTS", *(keys.of(sign) for sign in SIGNS))
        yield ("HGET", keys.of("meta"), "version")

    async def _scan(self) -> None:
        pattern = f"{self._prefix.translate(_GLOB)}:*:meta"
        steps = 0
        while True:
            self._cursor, keys = await self._calls.one(
                "SCAN", self._cursor, "MATCH", pattern, "COUNT", SCAN_COUNT
            )
            self._scanned.update(name for key in keys if (name := self._name_of(key)))
            steps += 1
            if self._cursor == b"0":
                self._complete = True
                return
            if self._complete and steps >= STEPS_PER_LOOK:
                return

    def _name_of(self, key: bytes) -> str | None:
        """The watched queue that the key belongs to. The library allows no colon in a name, so
        that one with a colon lies under another, longer prefix. No text of a database holds a
        NUL."""
        try:
            name = key.decode()[len(self._prefix) + 1 : -len(":meta")]
        except UnicodeDecodeError:
            return None
        if (
            ":" in name
            or "\0" in name
            or not any(fnmatchcase(name, pattern) for pattern in self._patterns)
        ):
            return None
        return name


def _is_pattern(name: str) -> bool:
    return any(char in name for char in "*?[")


def _problem(version: object) -> str | None:
    if isinstance(version, Exception):
        return "The queue's own settings are not what the queue library writes."
    return problem_of(version if isinstance(version, bytes) else None)
