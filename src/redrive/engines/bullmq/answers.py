"""Receipts: what a batch's script call did, as text, and what it means."""

from __future__ import annotations

from datetime import datetime

from redrive.domain import Answer, JobId, RequeueResult, from_millis
from redrive.errors import RedriveError

RECEIPT_SECONDS = 86_400

LETTERS: dict[str, tuple[Answer, str]] = {
    "R": (Answer.REQUEUED, ""),
    "C": (Answer.RECREATED, ""),
    "L": (Answer.ALREADY_LIVE, ""),
    "B": (Answer.ALREADY_LIVE, "the queue is too long to look for it"),
    "S": (Answer.SUPERSEDED, ""),
    "N": (Answer.NOT_FAILED, ""),
    "M": (Answer.MISSING, ""),
    "V": (Answer.ERROR, "this version of the queue library is not supported"),
    "W": (Answer.WITHHELD, ""),
    "E": (Answer.ERROR, "the job's record is not one that the queue library writes"),
    "Q": (Answer.ERROR, "one of the queue's own keys is not what the queue library writes"),
}


def read_receipt(receipt: bytes, job_ids: list[JobId]) -> list[RequeueResult]:
    """One result per job. A receipt of another number of jobs belongs to another batch."""
    millis, _, letters = receipt.decode("ascii", "replace").partition(":")
    if len(letters) != len(job_ids) or not millis.isdigit() or not set(letters) <= set(LETTERS):
        raise RedriveError(
            f"The receipt {receipt[:64]!r} is not that of a batch of {len(job_ids)}. "
            "Nothing was changed."
        )
    at = from_millis(int(millis))
    return [_result(job_id, letter, at) for job_id, letter in zip(job_ids, letters, strict=True)]


def _result(job_id: JobId, letter: str, at: datetime) -> RequeueResult:
    answer, detail = LETTERS[letter]
    return RequeueResult(job_id=job_id, answer=answer, at=at, detail=detail)
