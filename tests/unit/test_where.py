"""The language of ``--where``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer

from redrive.cli.where import KEYS, filter_of
from redrive.domain import AppId, EntryFilter, EntryId, filter_in_words, filter_json


@pytest.mark.parametrize(
    ("condition", "meant"),
    [
        ("app=acme", {"app_id": "acme"}),
        ("queue=mail", {"queue": "mail"}),
        ("source=default", {"source": "default"}),
        ("job=send", {"job_name": "send"}),
        ("group=grp_1_a", {"group_id": "grp_1_a"}),
        ("type=TimeoutError", {"error_type": "TimeoutError"}),
        ("text=a=b >= c", {"query": "a=b >= c"}),
        ("attempts>=3", {"attempts_min": 3}),
        ("attempts<=3", {"attempts_max": 3}),
        ("attempts=3", {"attempts_min": 3, "attempts_max": 3}),
        ("retried >= 2", {"retried_min": 2}),
        ("same>=3", {"same_failures_min": 3}),
        ("failed-again-in=op_1", {"failed_again_in": "op_1"}),
        ("entry=ent_1,ent_2", {"entry_ids": ("ent_1", "ent_2")}),
        ("since=2026-01-01T12:00:00+00:00", {"failed_from": datetime(2026, 1, 1, 12, tzinfo=UTC)}),
        ("until=2026-01-01T12:00Z", {"failed_before": datetime(2026, 1, 1, 12, tzinfo=UTC)}),
    ],
)
def test_a_condition_says_one_part_of_a_filter(condition: str, meant: dict[str, Any]) -> None:
    assert filter_of([condition]) == EntryFilter(**meant)


def test_conditions_add_up() -> None:
    meant = filter_of(["app=acme", "retried>=1", "retried<=3", "entry=a", "entry=b,a"])
    assert meant == EntryFilter(
        app_id=AppId("acme"),
        retried_min=1,
        retried_max=3,
        entry_ids=(EntryId("a"), EntryId("b")),
    )


@pytest.mark.parametrize(
    ("ago", "units"),
    [("90s", 90), ("5m", 300), ("2h", 7200), ("7d", 604800), ("10m ago", 600), ("2 h ago", 7200)],
)
def test_a_time_may_be_told_from_now_back(ago: str, units: int) -> None:
    before = datetime.now(UTC)
    since = filter_of([f"since={ago}"]).failed_from
    assert since is not None
    assert before <= since + timedelta(seconds=units) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("colour=red", "allowed: app=…"),
        ("acme", "allowed: app=…"),
        ("app>=acme", "allowed: app=…"),
        ("app=", "app needs a value"),
        ("same=3", "allowed: same>=…"),
        ("attempts>=many", "attempts must be a whole number"),
        ("attempts>=-1", "attempts must be a whole number"),
        ("since=yesterday", "since must be a time such as"),
        ("since=999999999999d", "since must be a time such as"),
        ("since=99999999999d", "since must be a time such as"),
        ("since=99999999999999999999d", "or how long ago: 90s, 30m, 2h, 7d"),
        ("entry=a,,b", "entry needs a value"),
        ("entry=" + ",".join(map(str, range(10_001))), "at most 10,000 entries"),
    ],
)
def test_an_error_names_the_condition_and_what_is_allowed(condition: str, said: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        filter_of([condition])
    assert said in refused.value.message
    assert "--where" in refused.value.message


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="retried_max: must not be below 5"):
        filter_of(["retried>=5", "retried<=2"])


def test_one_thing_cannot_be_said_twice() -> None:
    with pytest.raises(typer.BadParameter, match="said before"):
        filter_of(["app=a", "app=b"])
    with pytest.raises(typer.BadParameter, match="said before"):
        filter_of(["queue=b"], queue="a")


def test_every_key_is_told_back_in_the_same_words() -> None:
    said = {
        "since": "since=2026-01-01T12:00:00+00:00",
        "until": "until=2026-01-01T12:00:00+00:00",
        "same": "same>=3",
        "attempts": "attempts>=3",
        "retried": "retried<=3",
    }
    for key in KEYS.keys() - {"entry"}:
        condition = said.get(key, f"{key}=x")
        assert filter_in_words(filter_json(filter_of([condition]))) == condition
    assert filter_in_words(filter_json(filter_of(["entry=a,b"]))) == "2 entries by hand"
