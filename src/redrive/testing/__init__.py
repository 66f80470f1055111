"""Small real implementations and faults for tests of Redrive and of what builds on it."""

from redrive.testing.clock import ManualClock
from redrive.testing.engine import InMemoryEngine
from redrive.testing.faults import Crash, Faults, When
from redrive.testing.operation_queue import ListOperationQueue

__all__ = ["Crash", "Faults", "InMemoryEngine", "ListOperationQueue", "ManualClock", "When"]
