"""The doors between the middle and the edges. The docstrings are the contract.

One contract suite per port runs over every implementation (``tests/contract``).
"""

from __future__ import annotations

from redrive.ports.common import Clock, Page, T
from redrive.ports.engine import Engine
from redrive.ports.following import DriftVerdict, FollowerLedger, FollowerReports, LedgerEntry
from redrive.ports.keeping import Accounts, RetentionLedger
from redrive.ports.operations import OperationLedger, OperationQueue, ProgressStore
from redrive.ports.reading import InsightLedger, ReadingLedger
from redrive.ports.steering import SteeringLedger, Tried

__all__ = [
    "Accounts",
    "Clock",
    "DriftVerdict",
    "Engine",
    "FollowerLedger",
    "FollowerReports",
    "InsightLedger",
    "LedgerEntry",
    "OperationLedger",
    "OperationQueue",
    "Page",
    "ProgressStore",
    "ReadingLedger",
    "RetentionLedger",
    "SteeringLedger",
    "T",
    "Tried",
]
