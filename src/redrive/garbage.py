"""Python's garbage collector in a process that runs for long."""

from __future__ import annotations

import gc

_ALLOCATIONS = 50_000


def collect_rarely() -> None:
    """Look for cycles of garbage seventy times less often than by default, and never among what is
    there now. For a process that has started and goes on for long.

    A batch is tens of thousands of objects that live for some milliseconds and hold no cycles. To
    look through them, and through everything that was imported, took a third of a runner's
    processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
