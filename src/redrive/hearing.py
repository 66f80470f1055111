"""What a page of outcomes says as a whole, of each job."""

from __future__ import annotations

from collections.abc import Iterable

from redrive.domain import JobId, JobOutcome, OutcomeKind


def announced_in(outcomes: Iterable[JobOutcome], *, first: bool) -> dict[JobId, JobOutcome]:
    """The failures that nothing later in the stream takes back.

    Who hears a queue for the ``first`` time takes what was failed before a cleaning for cleaned;
    later it may have been other jobs, completed ones above all.
    """
    announced: dict[JobId, JobOutcome] = {}
    for outcome in outcomes:
        if outcome.kind is OutcomeKind.FAILED:
            announced[outcome.job_id] = outcome
        elif outcome.kind is OutcomeKind.REMOVED and not outcome.job_id:
            if first:
                announced.clear()
        else:
            announced.pop(outcome.job_id, None)
    return announced


def overtaken_in(outcomes: Iterable[JobOutcome]) -> list[JobOutcome]:
    """The completions after which the job failed in the same page: its producer has added one
    more of that name."""
    completed: dict[JobId, JobOutcome] = {}
    overtaken: dict[JobId, JobOutcome] = {}
    for outcome in outcomes:
        if outcome.kind is OutcomeKind.COMPLETED:
            completed[outcome.job_id] = outcome
        elif outcome.kind is OutcomeKind.FAILED and outcome.job_id in completed:
            overtaken[outcome.job_id] = completed[outcome.job_id]
    return [one for job_id, one in overtaken.items() if completed[job_id] is one]


def completed_in(outcomes: Iterable[JobOutcome]) -> list[JobId]:
    """The jobs that completed and that nobody has started since."""
    completed: dict[JobId, None] = {}
    for outcome in outcomes:
        if outcome.kind is OutcomeKind.COMPLETED:
            completed[outcome.job_id] = None
        elif outcome.kind is not OutcomeKind.REMOVED:
            completed.pop(outcome.job_id, None)
    return list(completed)
