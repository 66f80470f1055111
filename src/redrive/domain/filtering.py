"""A filter as JSON and in words; an empty one is refused where it would act on everything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from redrive.domain.history import EntryFilter
from redrive.domain.names import GroupId

_SHOWN_IDS = 20

_WORDS = {
    "app_id": "app={}",
    "source": "source={}",
    "queue": "queue={}",
    "query": "text={}",
    "job_name": "job={}",
    "error_type": "type={}",
    "failed_from": "since={}",
    "failed_before": "until={}",
    "group_id": "group={}",
    "attempts_min": "attempts>={}",
    "attempts_max": "attempts<={}",
    "retried_min": "retried>={}",
    "retried_max": "retried<={}",
    "same_failures_min": "same>={}",
    "failed_again_in": "failed-again-in={}",
}


def filter_fields(entry_filter: EntryFilter) -> dict[str, Any]:
    """What a filter narrows, by field; its states are not said: the kind of the operation is.

    Of many entry ids the first are named, and ``entry_ids_count`` says how many there are.
    """
    said = {
        field.name: _plain(getattr(entry_filter, field.name))
        for field in fields(entry_filter)
        if field.name not in ("states", "entry_ids")
    }
    kept: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    if entry_filter.entry_ids:
        kept["entry_ids"] = list(entry_filter.entry_ids[:_SHOWN_IDS])
        kept["entry_ids_count"] = len(entry_filter.entry_ids)
    return kept


def filter_json(entry_filter: EntryFilter) -> str:
    """As the ledger keeps it."""
    return json.dumps(filter_fields(entry_filter), ensure_ascii=False)


def filter_in_words(kept: str) -> str:
    """From :func:`filter_json`, as the command line would say it; ``everything`` if it is empty."""
    said: Mapping[str, Any] = json.loads(kept)
    words = [form.format(said[name]) for name, form in _WORDS.items() if name in said]
    if "entry_ids" in said:
        number = said["entry_ids_count"]
        words.append(f"{number} {'entry' if number == 1 else 'entries'} by hand")
    return ", ".join(words) or "everything"


def group_of(kept: str) -> GroupId | None:
    """The group that a filter from :func:`filter_json` is narrowed to."""
    found = json.loads(kept).get("group_id")
    return None if found is None else GroupId(found)


def scope_in_words(scope: str, kept_filter: str | None) -> str:
    """What an operation is about; a plan's is told by its filter."""
    return scope if kept_filter is None else f"{scope}: {filter_in_words(kept_filter)}"


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
