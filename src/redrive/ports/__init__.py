"""The doors between the middle and the edges. The docstrings are the contract.

One contract suite per port runs over every implementation (``tests/contract``).
"""

from __future__ import annotations

from redrive.ports.common import Clock, Page, T
from redrive.ports.engine import Engine
from redrive.ports.following import (
    DriftVerdict,
    EntryVersion,
    FollowerLedger,
    FollowerReports,
    LedgerEntry,
    Seen,
)
from redrive.ports.keeping import Accounts, Held, RegroupingLedger, RetentionLedger
from redrive.ports.operations import OperationLedger, OperationQueue, ProgressStore
from redrive.ports.reading import GroupInsight, InsightLedger, ReadingLedger
from redrive.ports.steering import SteeringLedger, Tried
from redrive.ports.triage import TriageLedger
from redrive.ports.undoing import UndoLedger

__all__ = [
    "Accounts",
    "Clock",
    "DriftVerdict",
    "Engine",
    "EntryVersion",
    "FollowerLedger",
    "FollowerReports",
    "GroupInsight",
    "Held",
    "InsightLedger",
    "LedgerEntry",
    "OperationLedger",
    "OperationQueue",
    "Page",
    "ProgressStore",
    "ReadingLedger",
    "RegroupingLedger",
    "RetentionLedger",
    "Seen",
    "SteeringLedger",
    "T",
    "TriageLedger",
    "Tried",
    "UndoLedger",
]
