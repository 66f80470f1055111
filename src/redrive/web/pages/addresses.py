"""Where a browser may be sent."""

from __future__ import annotations

HOME = "/admin/"


def local(wanted: str | None) -> str:
    """A page of the console; anything else, such as ``//elsewhere``, becomes the first page."""
    if wanted is None:
        return HOME
    is_local = wanted.startswith(HOME) and "\\" not in wanted and wanted.isprintable()
    return wanted if is_local else HOME
