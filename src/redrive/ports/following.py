"""The follower's side of the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from redrive.domain import EntryState, Failure, JobId, JobOutcome, JobStatus, Operation


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerEntry:
    """A failed or live entry in the ledger, as the drift check compares it with the engine.

    ``failed_since`` is when it had surely failed, also where the worker's clock is ahead.
    ``awaits`` says of a failed one that its last hand-over has no outcome yet.
    """

    entry_pk: int
    queue: str
    job_id: JobId
    state: EntryState
    failure_seq: int
    failed_at: datetime
    failed_since: datetime
    moved_at: datetime | None
    generation: int
    forgets: bool
    awaits: bool = False


class EntryVersion(NamedTuple):
    """What is never the same again once something has become of an entry."""

    state: EntryState
    generation: int
    failure_seq: int
    selectable_seq: int


Seen = Mapping[JobId, EntryVersion] | int
"""How the ledger stood before jobs were read: the versions of their entries (one that has no entry
is left out) or, where nobody knew which jobs it would be, the newest failure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftVerdict:
    """What the drift check found for one entry; applied only if the entry is still as it was."""

    entry_pk: int
    failure_seq: int
    generation: int
    from_state: EntryState
    to_state: EntryState
    reason: str

    @property
    def comes_back(self) -> bool:
        """Whether the entry is failed again."""
        return self.to_state is EntryState.FAILED and self.from_state is not EntryState.FAILED


class FollowerLedger(Protocol):
    """The ledger's side of following. One method is one transaction.

    A cursor moves in the transaction that records what it covers, and only if it still has the
    value that the caller read (compare and set), so that two followers do no harm: the second
    one's call changes nothing and returns None.
    """

    async def cursors(self, source: str, kind: str) -> dict[str, str]:
        """The saved cursors of one kind (``failures`` or ``outcomes``), by queue."""

    async def record_failures(
        self,
        source: str,
        queue: str,
        failures: Sequence[Failure],
        cursor: tuple[str, str] | None,
        seen: Seen | None = None,
    ) -> list[Operation] | None:
        """Take in failure occurrences; known ones change nothing.

        ``cursor`` is (as read, new) for kind ``failures``. ``seen`` is how the ledger stood before
        the jobs were read. Where something became of an entry since (where the newest failure was
        named: where it failed since), what was read may be older than that, and is passed over.
        Returns the operations whose outcome counts moved; None if the cursor was moved by another.
        """

    async def newest_failure(self) -> int:
        """The newest failure sequence number."""

    async def versions(
        self, source: str, queue: str, job_ids: Sequence[JobId]
    ) -> dict[JobId, EntryVersion]:
        """The versions of those of the jobs that have an entry."""

    async def record_outcomes(
        self,
        source: str,
        queue: str,
        outcomes: Sequence[JobOutcome],
        cursor: tuple[str, str] | None,
    ) -> list[Operation] | None:
        """Tie what happened to jobs to their entries, and to the operation that moved them.

        Unknown jobs are passed over. Outcomes from before an entry's hand-over are ignored. What
        has failed stays so, but for a failure that was only announced: whether another run came
        after a completion is for the engine to say (see :meth:`failed_among`).
        """

    async def failed_to_check(self, source: str, after_seq: int, limit: int) -> list[LedgerEntry]:
        """A page of the source's failed entries after a ``failure_seq``, in that order."""

    async def failed_among(
        self, source: str, queue: str, job_ids: Sequence[JobId]
    ) -> list[LedgerEntry]:
        """The failed entries of the named jobs, but for those whose failure was only announced:
        :meth:`record_outcomes` ends these itself."""

    async def live_to_check(self, source: str, after_pk: int, limit: int) -> list[LedgerEntry]:
        """A page of the source's queued and active entries after a primary key, in that order."""

    async def unrecorded(self, source: str, queue: str, failed: Sequence[JobStatus]) -> list[JobId]:
        """Those of the failed jobs whose occurrence the ledger does not have, or takes for
        vanished."""

    async def vanished_among(
        self, source: str, queue: str, failed: Sequence[JobStatus]
    ) -> list[LedgerEntry]:
        """The vanished entries of the failed jobs whose very failure it is."""

    async def record_drift(self, verdicts: Sequence[DriftVerdict]) -> list[Operation]:
        """Apply what the drift check found; returns operations whose outcome counts moved."""


class FollowerReports(Protocol):
    """When each source was last followed to its end. Raises StoreUnavailable."""

    async def caught_up(self, source: str, at: datetime) -> None:
        """Say that everything the source had at ``at`` has been taken in."""

    async def read(self) -> Mapping[str, datetime]:
        """The newest report per source, of the last hour."""
