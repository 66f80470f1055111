"""Receipts: what a batch's script call did, as text, and what it means."""

from __future__ import annotations

from datetime import datetime

from redrive.domain import Answer, JobId, RequeueResult, TakeBackResult, TakenBack, from_millis
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


TAKEN_BACK_LETTERS: dict[str, tuple[TakenBack, str]] = {
    "T": (TakenBack.TAKEN_BACK, ""),
    "X": (TakenBack.TAKEN_BACK, "its queue had forgotten the job, and has again"),
    "A": (TakenBack.STARTED, ""),
    "S": (TakenBack.CHANGED, ""),
    "M": (TakenBack.MISSING, ""),
    "K": (TakenBack.LEFT, "what the job was before is not kept any more"),
    "P": (TakenBack.LEFT, "its parent waits for it"),
    "B": (TakenBack.LEFT, "the queue is too long to look for it"),
    "O": (TakenBack.LEFT, "it is in none of its queue's lists"),
    "V": (TakenBack.ERROR, LETTERS["V"][1]),
    "E": (TakenBack.ERROR, LETTERS["E"][1]),
    "Q": (TakenBack.ERROR, LETTERS["Q"][1]),
}


def read_receipt(receipt: bytes, job_ids: list[JobId]) -> list[RequeueResult]:
    """One result per job. A receipt of another number of jobs belongs to another batch."""
    at, letters = _read(receipt, len(job_ids), set(LETTERS))
    return [_result(job_id, letter, at) for job_id, letter in zip(job_ids, letters, strict=True)]


def read_undo_receipt(receipt: bytes, job_ids: list[JobId]) -> list[TakeBackResult]:
    """The same of a receipt of taking back."""
    at, letters = _read(receipt, len(job_ids), set(TAKEN_BACK_LETTERS))
    return [
        TakeBackResult(
            job_id=job_id,
            answer=TAKEN_BACK_LETTERS[letter][0],
            at=at,
            detail=TAKEN_BACK_LETTERS[letter][1],
        )
        for job_id, letter in zip(job_ids, letters, strict=True)
    ]


def _read(receipt: bytes, jobs: int, known: set[str]) -> tuple[datetime, str]:
    millis, _, letters = receipt.decode("ascii", "replace").partition(":")
    if len(letters) != jobs or not millis.isdigit() or not set(letters) <= known:
        raise RedriveError(
            f"The receipt {receipt[:64]!r} is not that of a batch of {jobs}. Nothing was changed."
        )
    return from_millis(int(millis)), letters


def _result(job_id: JobId, letter: str, at: datetime) -> RequeueResult:
    answer, detail = LETTERS[letter]
    return RequeueResult(job_id=job_id, answer=answer, at=at, detail=detail)
