"""Which group a failure belongs to."""

from __future__ import annotations

from redrive.domain import Failure
from redrive.fingerprint import fingerprint

_DIGITS = 15


def group_of(failure: Failure) -> int:
    """The number of the group that a failure's fingerprint names."""
    found = fingerprint(
        failure.source,
        failure.queue,
        failure.job_name,
        failure.error_type,
        failure.error_message,
        failure.stacktrace,
    )
    return int(found.key.rpartition("_")[2][:_DIGITS], 16)
