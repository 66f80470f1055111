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
    Controls,
    Item,
    Operation,
    ResyncResponse,
    RetryResponse,
    SteerResponse,
)
from redrive.wire.requests import (
    BulkRetryRequest,
    Canary,
    ChangeControlsRequest,
    Guard,
    LoginRequest,
    PauseRequest,
    RenameRequest,
    ResyncRequest,
    RetryRequest,
)

__all__ = [
    "App",
    "AuditEntry",
    "BulkProgressResponse",
    "BulkRetryRequest",
    "BulkRetryResponse",
    "Canary",
    "CancelResponse",
    "ChangeControlsRequest",
    "Controls",
    "Entry",
    "EntryDetail",
    "Envelope",
    "FieldProblem",
    "Follower",
    "Guard",
    "Item",
    "Job",
    "JobNow",
    "LoginRequest",
    "Operation",
    "Overview",
    "Page",
    "PauseRequest",
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
    "SteerResponse",
    "User",
]
