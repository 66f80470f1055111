"""Keyset cursors: opaque to clients, bound to the list that gave them out."""

from __future__ import annotations

import base64
import binascii
import json

from redrive.errors import BadCursor


def encode(kind: str, *position: int | str) -> str:
    """A cursor of the list ``kind`` after ``position``."""
    return base64.urlsafe_b64encode(json.dumps([kind, *position]).encode()).decode().rstrip("=")


def decode(kind: str, cursor: str, *types: type[int] | type[str]) -> list[int | str]:
    """The position in a cursor. Raises BadCursor if it is of another list or was made up."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError, binascii.Error) as error:
        raise BadCursor(cursor=cursor) from error
    fits = (
        isinstance(values, list)
        and len(values) == len(types) + 1
        and values[0] == kind
        and all(type(value) is wanted for value, wanted in zip(values[1:], types, strict=True))
        and all(abs(value) < 2**63 for value in values[1:] if isinstance(value, int))
        and all(_storable(value) for value in values[1:] if isinstance(value, str))
    )
    if not fits:
        raise BadCursor(cursor=cursor)
    return list(values[1:])


def decode_ints(kind: str, cursor: str, number: int = 1) -> tuple[int, ...]:
    """The whole numbers in a cursor, so many of them."""
    return tuple(int(value) for value in decode(kind, cursor, *[int] * number))


def _storable(text: str) -> bool:
    """Whether a database can compare with it: a made-up cursor may hold what none can encode."""
    return "\0" not in text and text.encode("utf-8", "ignore").decode() == text
