"""What an older version of Redrive does, in a process of its own."""

from __future__ import annotations

import zlib

from redrive.fingerprint import VERSION, Basis, Fingerprint
from redrive.ledger.grouping import CURRENT, Fingerprints

OLDER_FINGERPRINT = "proof.older:use_older_fingerprint"

_VERSION = VERSION - 1


def use_older_fingerprint() -> None:
    """Group failures by their queue and a quarter of the messages that there are."""
    vars(CURRENT).update(vars(Fingerprints(_VERSION, _fingerprint)))


def _fingerprint(
    _source: str, queue: str, _job_name: str, _error_type: str, message: str, _trace: str
) -> Fingerprint:
    title = f"{queue} {zlib.crc32(message.encode()) % 4}"
    return Fingerprint(
        version=_VERSION,
        key=f"grp_{_VERSION}_{title}",
        basis=Basis.MESSAGE,
        title=title,
        frames=(),
    )
