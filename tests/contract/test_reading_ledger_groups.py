"""Reading groups (``redrive.ports.GroupInsight``)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from redrive.domain import (
    AppId,
    EntryFilter,
    EntryState,
    Group,
    GroupDetail,
    GroupFilter,
    GroupId,
    GroupPoint,
    MatchCount,
)
from redrive.errors import BadCursor
from redrive.fingerprint import fingerprint
from redrive.ledger.schema_triage import groups
from tests.support.books import Books
from tests.support.factories import ADA, AT, SOURCE, active, completed, failure, later

HOUR = timedelta(hours=1)
SINCE = AT - 23 * HOUR
FAILED = (EntryState.FAILED,)


async def groups_of(books: Books, **wanted: Any) -> list[Group]:
    page = await books.reading.groups(GroupFilter(**wanted), SINCE, HOUR, None, 500)
    return page.items


async def detail_of(books: Books, group_id: GroupId) -> GroupDetail:
    found = await books.reading.group(group_id, SINCE, HOUR)
    assert found is not None
    return found


async def fail_alike(books: Books, message: str, *job_ids: str, **values: Any) -> GroupId:
    """Jobs fail with one message, from one place."""
    told = {"error_message": message, "stacktrace": ""} | values
    await books.fail(*job_ids, **told)
    group_id = (await books.entry(job_ids[-1])).group_id
    assert group_id is not None
    return group_id


async def test_an_entry_tells_the_group_of_its_newest_failure(books: Books) -> None:
    await books.take_in(failure("1", error_message="no route to host", stacktrace=""))
    expected = fingerprint(SOURCE, "mail", "deliver", "TimeoutError", "no route to host", "")
    assert (await books.entry("1")).group_id == expected.key
    await books.take_in(failure("1", at=5, error_message="the disk is full", stacktrace=""))
    expected = fingerprint(SOURCE, "mail", "deliver", "TimeoutError", "the disk is full", "")
    assert (await books.entry("1")).group_id == expected.key


async def test_a_group_tells_what_its_failures_share_and_how_many_there_are(books: Books) -> None:
    trace = "TimeoutError: late\n    at deliver (/srv/shop/src/mail.js:42:11)"
    await books.fail("1", "2", app="acme", stacktrace=trace)
    await books.fail("3", app="globex", at=30, stacktrace=trace)
    (group,) = await groups_of(books)
    assert (group.source, group.queue, group.job_name) == (SOURCE, "mail", "deliver")
    assert (group.error_type, group.basis) == ("TimeoutError", "frames")
    assert [(one.module, one.function, one.is_own) for one in group.frames] == [
        ("mail", "deliver", True)
    ]
    assert (group.failed, group.entries, group.failures) == (3, 3, 3)
    assert group.apps == MatchCount(found=2, is_bounded=False)
    assert (group.first_seen_at, group.last_failed_at) == (AT, later(30))
    assert group.chart == (GroupPoint(at=AT, failed=3),)
    assert (group.note, group.noted_by, group.noted_at) == ("", None, None)
    detail = await detail_of(books, group.group_id)
    assert detail.group == group
    assert detail.touched == ("acme", "globex")
    assert detail.example is not None
    assert detail.example.job_id == "3"
    assert group.example_entry_id == detail.example.entry_id


async def test_of_the_apps_of_a_group_the_first_twenty_are_named(books: Books) -> None:
    names = [f"app-{number:02}" for number in range(23)]
    for name in reversed(names):
        group_id = await fail_alike(books, "the disk is full", f"job-{name}", app=name)
    await books.requeue_one("job-app-01", app="app-01")
    detail = await detail_of(books, group_id)
    assert list(detail.touched) == [name for name in names if name != "app-01"][:20]
    assert detail.group.apps == MatchCount(found=22, is_bounded=False)


async def test_groups_come_with_the_most_failed_first_and_each_on_one_page(books: Books) -> None:
    few = await fail_alike(books, "the disk is full", "1")
    many = await fail_alike(books, "no such table", "2", "3", "4")
    other = await fail_alike(books, "out of memory", "5")
    found = []
    cursor = None
    while True:
        page = await books.reading.groups(GroupFilter(), SINCE, HOUR, cursor, 1)
        found += [group.group_id for group in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [many, other, few]
    with pytest.raises(BadCursor):
        await books.reading.groups(GroupFilter(), SINCE, HOUR, "made-up", 1)


async def test_a_group_without_failed_entries_is_shown_only_when_asked_for(books: Books) -> None:
    quiet = await fail_alike(books, "the disk is full", "1")
    failing = await fail_alike(books, "no such table", "2")
    await books.requeue_one("1")
    assert [group.group_id for group in await groups_of(books)] == [failing]
    assert await books.reading.failing_groups() == 1
    shown = await groups_of(books, with_quiet=True)
    assert [(group.group_id, group.failed, group.entries) for group in shown] == [
        (failing, 1, 1),
        (quiet, 0, 1),
    ]
    await books.hear(active("1", 11), completed("1", 12))
    assert (await detail_of(books, quiet)).group.apps == MatchCount(found=0, is_bounded=False)


async def test_groups_are_filtered_by_app_queue_and_text(books: Books) -> None:
    disk = await fail_alike(books, "the disk is full", "1", app="acme")
    table = await fail_alike(books, "no such table 100%", "2", app="globex", error_type="DbError")
    await books.accounts.note_group(disk, "ask the hoster", ADA)
    given: list[tuple[dict[str, object], list[GroupId]]] = [
        ({"app_id": AppId("acme")}, [disk]),
        ({"app_id": AppId("nobody")}, []),
        ({"queue": "mail"}, [table, disk]),
        ({"queue": "other"}, []),
        ({"query": "DISK"}, [disk]),
        ({"query": "dberr"}, [table]),
        ({"query": "hoster"}, [disk]),
        ({"query": "full_"}, []),
        ({"query": table}, [table]),
        ({"app_id": AppId("globex"), "query": "disk"}, []),
    ]
    for wanted, expected in given:
        assert [group.group_id for group in await groups_of(books, **wanted)] == expected, wanted


async def test_apps_are_counted_to_a_bound(books: Books) -> None:
    await books.take_in(
        *(failure(str(n), f"app-{n}", error_message="full", stacktrace="") for n in range(1_001))
    )
    (group,) = await groups_of(books)
    assert group.apps == MatchCount(found=100, is_bounded=True)
    detail = await detail_of(books, group.group_id)
    assert detail.group.apps == MatchCount(found=1_000, is_bounded=True)
    await books.requeue_one("7", app="app-7")
    detail = await detail_of(books, group.group_id)
    assert detail.group.apps == MatchCount(found=1_000, is_bounded=False)


async def test_the_chart_counts_failures_in_the_steps_in_which_they_happened(
    books: Books,
) -> None:
    for hours, job_id in [(-30, "long ago"), (-2, "1"), (-2, "2"), (0, "3")]:
        await fail_alike(books, "full", job_id, at=hours * 3600)
    (group,) = await groups_of(books)
    assert group.chart == (
        GroupPoint(at=AT - 2 * HOUR, failed=2),
        GroupPoint(at=AT, failed=1),
    )
    assert group.failures == 4


async def test_the_example_is_an_entry_that_is_still_of_the_group(books: Books) -> None:
    group_id = await fail_alike(books, "full", "1", "2")
    await fail_alike(books, "no such table", "2", at=50)
    detail = await detail_of(books, group_id)
    assert detail.example is not None
    assert detail.example.job_id == "1"
    await fail_alike(books, "no such table", "1", at=60)
    assert (await detail_of(books, group_id)).example is None


async def test_an_unknown_group_is_none(books: Books) -> None:
    assert await books.reading.group(GroupId("grp_1_unknown"), SINCE, HOUR) is None


@pytest.mark.parametrize("oldest_first", [True, False])
async def test_entries_are_listed_by_group(books: Books, oldest_first: bool) -> None:
    group_id = await fail_alike(books, "full", "1", "2", "3")
    await fail_alike(books, "no such table", "4")
    found = []
    cursor = None
    wanted = EntryFilter(states=FAILED, group_id=group_id)
    while True:
        page = await books.reading.entries(wanted, cursor, 1, oldest_first)
        found += [entry.job_id for entry in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == (["1", "2", "3"] if oldest_first else ["3", "2", "1"])
    count = await books.reading.count(wanted, 2, 100)
    assert count == MatchCount(found=2, is_bounded=True)


async def test_entries_are_listed_by_group_and_more(books: Books) -> None:
    group_id = await fail_alike(books, "full", "1", app="acme")
    await fail_alike(books, "full", "2", app="globex")
    await books.requeue_one("2", app="globex")
    for wanted, expected in [
        (EntryFilter(states=FAILED, group_id=group_id, app_id=AppId("globex")), []),
        (EntryFilter(group_id=group_id, app_id=AppId("globex")), ["2"]),
        (EntryFilter(group_id=group_id), ["2", "1"]),
        (EntryFilter(group_id=GroupId("unknown")), []),
    ]:
        page = await books.reading.entries(wanted, None, 10, oldest_first=False)
        assert [entry.job_id for entry in page.items] == expected


async def test_entries_of_jobs_tell_their_groups(books: Books) -> None:
    group_id = await fail_alike(books, "full", "1")
    known = await books.reading.entries_of_jobs(SOURCE, "mail", [failure("1").job_id])
    assert known[failure("1").job_id].group_id == group_id


async def test_a_title_is_that_of_the_heir_and_an_unknown_group_has_none(books: Books) -> None:
    old = await fail_alike(books, "the disk is full", "1")
    heir = await fail_alike(books, "no such table", "2")
    assert await books.reading.group_titles([old, heir, GroupId("grp_gone")]) == {
        old: "the disk is full",
        heir: "no such table",
    }
    own = select(groups.c.group_pk).where(groups.c.group_id == heir).scalar_subquery()
    await books.database.write(
        lambda connection: connection.execute(
            update(groups).where(groups.c.group_id == old).values(merged_into=own)
        )
    )
    assert await books.reading.group_titles([old]) == {old: "no such table"}
    assert await books.reading.group_titles([]) == {}
