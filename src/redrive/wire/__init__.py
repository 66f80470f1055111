"""The shapes of requests and answers, for the server, the command line and clients.

Needs only pydantic and :mod:`redrive.domain`, so that a client may import it.
"""

from __future__ import annotations

from redrive.wire.base import Envelope, FieldProblem, Page, Problem
from redrive.wire.console import (
    AuditEntry,
    Follower,
    Job,
    Overview,
    Queue,
    Readiness,
    Session,
    User,
)
from redrive.wire.entries import App, Entry, EntryDetail, JobNow, Payload
from redrive.wire.operations import (
    BulkProgressResponse,
    BulkRetryResponse,
    CancelResponse,
    Chapter,
    Item,
    Operation,
    ResyncResponse,
    RetryResponse,
)
from redrive.wire.requests import (
    BulkRetryRequest,
    CancelRequest,
    LoginRequest,
    RenameRequest,
    ResyncRequest,
    RetryRequest,
)
from redrive.wire.verdicts import FollowUp, OperationVerdict, OutcomePoint, Verdict

__all__ = [
    "App",
    "AuditEntry",
    "BulkProgressResponse",
    "BulkRetryRequest",
    "BulkRetryResponse",
    "CancelRequest",
    "CancelResponse",
    "Chapter",
    "Entry",
    "EntryDetail",
    "Envelope",
    "FieldProblem",
    "FollowUp",
    "Follower",
    "Item",
    "Job",
    "JobNow",
    "LoginRequest",
    "Operation",
    "OperationVerdict",
    "OutcomePoint",
    "Overview",
    "Page",
    "Payload",
    "Problem",
    "Queue",
    "Readiness",
    "RenameRequest",
    "ResyncRequest",
    "ResyncResponse",
    "RetryRequest",
    "RetryResponse",
    "Session",
    "User",
    "Verdict",
]
