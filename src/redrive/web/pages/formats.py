"""How numbers, times and texts look on a page."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote, urlencode

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def number(value: float) -> str:
    """With thousands separators: ``1,204``."""
    return f"{value:,.0f}"


def compact(value: int) -> str:
    """In at most four characters, for a badge: ``999``, ``1.2k``, ``50k``, ``1.2M``."""
    for limit, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1000, "k")):
        if value >= limit:
            whole, rest = divmod(value * 10 // limit, 10)
            return f"{whole}.{rest}{unit}" if whole < 10 and rest else f"{whole}{unit}"
    return str(value)


def rate(value: float) -> str:
    """Entries per second; the slow ones with a decimal."""
    return f"{value:,.1f}" if 0 < value < 10 else f"{value:,.0f}"


def counted(value: int, one: str, many: str | None = None) -> str:
    """``1 entry``, ``1,204 entries``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def exact(at: datetime) -> str:
    """``2026-01-05 10:00:00 UTC``."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def field_time(at: datetime | None) -> str:
    """As a date field has it, in UTC; to the millisecond, which is all that fits in one."""
    if at is None:
        return ""
    there = at.astimezone(UTC).replace(tzinfo=None)
    return there.isoformat(
        timespec="milliseconds"
        if there.microsecond
        else "minutes"
        if not there.second
        else "seconds"
    )


def ago(at: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that says something."""
    seconds = (now - at).total_seconds()
    if seconds < 5:
        return "just now"
    return f"{_in_words(seconds)} ago"


def duration(seconds: float) -> str:
    """``4 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 1:
        return "under 1 s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        rest = f" {whole % _MINUTE} s" if whole % _MINUTE and whole < 10 * _MINUTE else ""
        return f"{whole // _MINUTE} min{rest}"
    if whole < _DAY:
        minutes = whole % _HOUR // _MINUTE
        return f"{whole // _HOUR} h" + (f" {minutes} min" if minutes else "")
    return _in_words(whole)


def size(value: int) -> str:
    """Bytes in the unit that fits."""
    if value < 1024:
        return f"{value} B"
    if value < 1024 * 1024:
        return f"{value / 1024:,.1f} KiB"
    return f"{value / 1024 / 1024:,.1f} MiB"


def percent(part: float, whole: float) -> str:
    """Whole percents; 100% only where nothing is left, 0% only where there is nothing."""
    if whole <= 0 or part <= 0:
        return "0%"
    if part >= whole:
        return "100%"
    return f"{min(max(int(100 * part / whole), 1), 99)}%"


def first_line(text: str, longest: int = 300) -> str:
    """The first line that says something."""
    line = text.strip().split("\n", 1)[0].strip()
    return line if len(line) <= longest else f"{line[:longest]}…"


def address(path: str, *parts: str, **query: object) -> str:
    """A page's address: ``parts`` go into the path, of ``query`` what is set."""
    whole = "/".join((path.rstrip("/"), *(quote(part, safe="") for part in parts)))
    given = {key: str(value) for key, value in query.items() if value not in (None, "")}
    return f"{whole}?{urlencode(given, errors='replace')}" if given else whole


def app_address(app_id: str) -> str:
    """An app's page. A browser takes dots alone for a step in a path: such an id is asked for."""
    if app_id in (".", ".."):
        return address("/admin/apps", app_id=app_id)
    return address("/admin/apps", app_id)


def _in_words(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{int(seconds)} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min"
    if seconds < 2 * _DAY:
        return f"{int(seconds // _HOUR)} h"
    return f"{int(seconds // _DAY)} days"
