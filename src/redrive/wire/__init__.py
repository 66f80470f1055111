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
    Chapter,
    Item,
    Operation,
    ResyncResponse,
    RetryResponse,
)
from redrive.wire.plans import (
    Breakdown,
    DismissRequest,
    DismissResponse,
    EntriesFilter,
    LeftOut,
    Part,
    Plan,
    PlanRequest,
    PlanWarning,
    RestoreRequest,
    RestoreResponse,
    StartPlanRequest,
)
from redrive.wire.requests import (
    BulkRetryRequest,
    CancelRequest,
    LoginRequest,
    NoteRequest,
    RenameRequest,
    ResyncRequest,
    RetryRequest,
)
from redrive.wire.verdicts import FollowUp, OperationVerdict, OutcomePoint, Verdict

__all__ = [
    "App",
    "AuditEntry",
    "Breakdown",
    "BulkProgressResponse",
    "BulkRetryRequest",
    "BulkRetryResponse",
    "CancelRequest",
    "CancelResponse",
    "Chapter",
    "Count",
    "DismissRequest",
    "DismissResponse",
    "EntriesFilter",
    "Entry",
    "EntryDetail",
    "Envelope",
    "FieldProblem",
    "FollowUp",
    "Follower",
    "Group",
    "GroupDetail",
    "GroupFrame",
    "GroupPoint",
    "Item",
    "Job",
    "JobNow",
    "LeftOut",
    "LoginRequest",
    "NoteRequest",
    "Operation",
    "OperationVerdict",
    "OutcomePoint",
    "Overview",
    "Page",
    "Part",
    "Payload",
    "Plan",
    "PlanRequest",
    "PlanWarning",
    "Problem",
    "Queue",
    "Readiness",
    "RenameRequest",
    "RestoreRequest",
    "RestoreResponse",
    "ResyncRequest",
    "ResyncResponse",
    "RetryRequest",
    "RetryResponse",
    "Session",
    "StartPlanRequest",
    "User",
    "Verdict",
]
