"""The ledger: apps, entries, operations, items, users and audit in SQL.

SQLite embedded, PostgreSQL in production, through one set of statements.
"""

from redrive.ledger.accounts import SqlAccounts
from redrive.ledger.database import Database
from redrive.ledger.following import SqlFollowerLedger
from redrive.ledger.migrations import current_revision, migrate, require_current_schema
from redrive.ledger.operations import SqlOperationLedger
from redrive.ledger.reading import SqlReadingLedger
from redrive.ledger.regrouping import SqlRegroupingLedger
from redrive.ledger.retention import SqlRetentionLedger
from redrive.ledger.triage import SqlTriageLedger
from redrive.ledger.undoing import SqlUndoLedger

__all__ = [
    "Database",
    "SqlAccounts",
    "SqlFollowerLedger",
    "SqlOperationLedger",
    "SqlReadingLedger",
    "SqlRegroupingLedger",
    "SqlRetentionLedger",
    "SqlTriageLedger",
    "SqlUndoLedger",
    "current_revision",
    "migrate",
    "require_current_schema",
]
