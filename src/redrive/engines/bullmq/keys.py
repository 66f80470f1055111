"""The names of BullMQ's keys."""

from __future__ import annotations

from dataclasses import dataclass

from redrive.domain import OperationId

REDRIVE_QUEUE = "redrive-operations"
"""Redrive's own queue, which no source ever watches."""

SCRIPT_KEYS = (
    "failed",
    "completed",
    "delayed",
    "prioritized",
    "waiting-children",
    "active",
    "wait",
    "paused",
    "marker",
    "events",
    "meta",
    "pc",
)
"""What every script gets as its first keys, in this order (see ``scripts/queue.lua``)."""


@dataclass(frozen=True, slots=True)
class QueueKeys:
    """The keys of one queue. A receipt lies beside them: same server, same cluster slot."""

    prefix: str
    queue: str

    @property
    def base(self) -> str:
        """What every key of the queue begins with; a job's key is this and the job's id."""
        return f"{self.prefix}:{self.queue}:"

    def of(self, name: str) -> str:
        return self.base + name

    @property
    def for_scripts(self) -> list[str]:
        return [self.of(name) for name in SCRIPT_KEYS]

    def before(self, operation_id: OperationId, number: int) -> str:
        """Where a batch's jobs are kept as they were before the move."""
        return self.of(f"redrive:before:{operation_id}:{number}")

    def undo_receipt(self, operation_id: OperationId, number: int) -> str:
        """The receipt of taking jobs back."""
        return self.of(f"redrive:undo:{operation_id}:{number}")

    def receipt(self, operation_id: OperationId, number: int, first: int, jobs: int) -> str:
        """The receipt of one call for a batch of so many jobs, named for the place of its first
        one. For a batch of another size it is not the receipt."""
        return self.of(f"redrive:{operation_id}:{number}@{first}/{jobs}")

    def rebuild_receipt(self, operation_id: OperationId, number: int, job_id: str) -> str:
        """The receipt of one rebuilt job of a batch."""
        return self.of(f"redrive:{operation_id}:{number}:{job_id}")
