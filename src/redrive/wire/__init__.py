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
from redrive.wire.groups import Count, Group, GroupDetail, GroupFrame, GroupPoint
from redrive.wire.operations import (
    BulkProgressResponse,
    BulkRetryResponse,
    CancelResponse,
    Item,
    Operation,
    ResyncResponse,
    RetryResponse,
)
from redrive.wire.requests import (
    BulkRetryRequest,
    LoginRequest,
    NoteRequest,
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
    "CancelResponse",
    "Count",
    "Entry",
    "EntryDetail",
    "Envelope",
    "FieldProblem",
    "Follower",
    "Group",
    "GroupDetail",
    "GroupFrame",
    "GroupPoint",
    "Item",
    "Job",
    "JobNow",
    "LoginRequest",
    "NoteRequest",
    "Operation",
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
]
