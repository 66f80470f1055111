"""What operations, and the filters that they keep, are called."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redrive.domain import GroupId, Operation, OperationKind, ScopeKind
from redrive.web.context import Console
from redrive.web.pages.formats import address, counted, exact, first_line, number
from redrive.web.pages.selecting import FILTER_WORDS, kept_query

Titles = Mapping[GroupId, str]
"""What groups are called, by id."""

KIND_NOUNS: Mapping[OperationKind, str] = {
    OperationKind.RETRY: "Retry",
    OperationKind.RESYNC: "Resync",
    OperationKind.DISMISS: "Dismissal",
}

_LONGEST_GROUP = 80
_SAID_BY_TITLE = ("app_id", "group_id", "entry_ids")
_PLACES = {"group_id": "/admin/groups", "failed_again_in": "/admin/operations"}


async def titles_of(console: Console, kept: Iterable[str | None]) -> Titles:
    """What the groups that kept filters name are called; one that is gone has no title."""
    return await console.services.overview.group_titles(one for one in kept if one is not None)


def scope_words(operation: Operation, titles: Titles) -> str:
    """``app acme``, ``all apps``, ``one entry``, ``3 entries chosen by hand``, ``group “no such
    mailbox”``, ``a selection``."""
    if operation.scope.kind is ScopeKind.FILTER:
        return _selection_words(operation, titles)
    return "one entry" if operation.scope.kind is ScopeKind.ENTRY else str(operation.scope)


def _selection_words(operation: Operation, titles: Titles) -> str:
    said = json.loads(operation.filter or "{}")
    if "entry_ids" in said:
        return f"{counted(operation.total, 'entry', 'entries')} chosen by hand"
    if not said:
        return "everything"
    if said.keys() == {"app_id"}:
        return f"app {said['app_id']}"
    what = _group_words(said["group_id"], titles) if "group_id" in said else "a selection"
    return f"{what} in app {said['app_id']}" if "app_id" in said else what


def _group_words(group_id: str, titles: Titles) -> str:
    title = titles.get(GroupId(group_id))
    return "a group" if title is None else f"group “{first_line(title, _LONGEST_GROUP)}”"


def title_of(operation: Operation, titles: Titles) -> str:
    """``Retry of app acme``."""
    return f"{KIND_NOUNS[operation.kind]} of {scope_words(operation, titles)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterPart:
    """What a filter narrows, and to what; ``place`` is the page of that."""

    name: str
    value: str
    place: str | None = None


def parts_of(kept: str | None, titles: Titles, without: Container[str] = ()) -> list[FilterPart]:
    """A kept filter in words, but for the fields that are said elsewhere."""
    if kept is None:
        return []
    query = kept_query(kept)
    if query is None:
        said = counted(json.loads(kept)["entry_ids_count"], "entry", "entries")
        return [] if "entry_ids" in without else [FilterPart(name="Chosen by hand", value=said)]
    return [
        FilterPart(
            name=FILTER_WORDS[name], value=_value(name, value, titles), place=_place(name, value)
        )
        for name, value in query.items()
        if name not in without
    ]


def beside_title(operation: Operation, titles: Titles) -> str:
    """What the operation's filter narrows beyond what its title says: ``Error or id:
    ECONNREFUSED, Attempts, at least: 3``; empty for nothing."""
    parts = parts_of(operation.filter, titles, without=_SAID_BY_TITLE)
    return ", ".join(f"{part.name}: {part.value}" for part in parts)


def _value(name: str, value: Any, titles: Titles) -> str:
    if name == "group_id":
        return titles.get(GroupId(value), str(value))
    if name in ("start", "end"):
        return exact(datetime.fromisoformat(value).astimezone(UTC))
    return number(value) if isinstance(value, int) else str(value)


def _place(name: str, value: Any) -> str | None:
    return address(_PLACES[name], value) if name in _PLACES else None
