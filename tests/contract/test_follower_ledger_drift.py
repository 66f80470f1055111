"""The drift check's side of the ledger: pages to check, and verdicts (``FollowerLedger``)."""

from __future__ import annotations

import pytest

from redrive.domain import Answer, EntryState, OperationKind
from tests.support.books import Books, job_ids
from tests.support.factories import SOURCE, completed, failure, later

FAILED, QUEUED, ACTIVE = EntryState.FAILED, EntryState.QUEUED, EntryState.ACTIVE
RECOVERED, VANISHED = EntryState.RECOVERED, EntryState.VANISHED

VERDICTS = [
    (FAILED, QUEUED),
    (FAILED, ACTIVE),
    (FAILED, RECOVERED),
    (FAILED, VANISHED),
    (QUEUED, ACTIVE),
    (QUEUED, FAILED),
    (QUEUED, RECOVERED),
    (QUEUED, VANISHED),
    (ACTIVE, QUEUED),
    (ACTIVE, FAILED),
    (ACTIVE, RECOVERED),
    (ACTIVE, VANISHED),
]
OUTCOME = {RECOVERED: "recovered", VANISHED: "vanished", FAILED: "vanished"}


@pytest.mark.parametrize(("state", "to_state"), VERDICTS)
async def test_a_verdict_takes_the_entry_where_its_job_was_found(
    books: Books, state: EntryState, to_state: EntryState
) -> None:
    await books.make(state, "1")
    before = await books.entry("1")
    books.clock.advance(seconds=30)
    await books.drift("1", to_state, "seen by the check")
    entry = await books.entry("1")
    assert (entry.state, entry.state_reason) == (to_state, "seen by the check")
    assert entry.recovered_at == (later(30) if to_state is RECOVERED else None)
    assert (entry.error_message, entry.failed_at) == (before.error_message, before.failed_at)
    await books.check_counts()


@pytest.mark.parametrize(("state", "to_state"), [v for v in VERDICTS if v[0] != FAILED])
async def test_a_verdict_about_a_live_job_is_its_operations_outcome(
    books: Books, state: EntryState, to_state: EntryState
) -> None:
    await books.fail("1")
    operation = await books.requeue_one("1")
    if state is ACTIVE:
        await books.drift("1", ACTIVE)
    changed = await books.drift("1", to_state)
    item = await books.item(operation, "1")
    assert item.outcome == OUTCOME.get(to_state, "waiting")
    now = await books.operation(operation)
    assert changed == ([now] if to_state in OUTCOME else [])
    assert (now.recovered, now.vanished, now.failed_again) == (
        int(item.outcome == "recovered"),
        int(item.outcome == "vanished"),
        0,
    )


@pytest.mark.parametrize("state", [EntryState.CLAIMED, RECOVERED, VANISHED])
@pytest.mark.parametrize("to_state", [QUEUED, ACTIVE, RECOVERED, VANISHED])
async def test_a_verdict_is_not_applied_if_the_entry_is_in_another_state_meanwhile(
    books: Books, state: EntryState, to_state: EntryState
) -> None:
    await books.fail("1")
    verdict = await books.verdict("1", to_state)
    if state is EntryState.CLAIMED:
        await books.single("1")
    else:
        await books.drift("1", state)
    before = await books.rows()
    assert await books.following.record_drift([verdict]) == []
    assert await books.rows() == before


async def test_a_verdict_is_not_applied_if_the_entry_failed_again_meanwhile(books: Books) -> None:
    await books.fail("1")
    verdict = await books.verdict("1", RECOVERED)
    await books.take_in(failure("1", at=60))
    before = await books.rows()
    assert await books.following.record_drift([verdict]) == []
    assert await books.rows() == before


async def test_a_verdict_is_not_applied_if_the_entry_was_handed_over_once_more_meanwhile(
    books: Books,
) -> None:
    await books.make(QUEUED, "1")
    verdict = await books.verdict("1", RECOVERED)
    await books.hear(completed("1", 12))
    again, batch = await books.single("1", OperationKind.RESYNC)
    await books.complete(again, batch, Answer.REQUEUED, 20)
    before = await books.rows()
    assert await books.following.record_drift([verdict]) == []
    assert await books.rows() == before
    assert (await books.item(again, "1")).outcome == "waiting"


async def test_a_verdict_is_applied_once(books: Books) -> None:
    await books.fail("1")
    verdict = await books.verdict("1", VANISHED)
    await books.following.record_drift([verdict])
    before = await books.rows()
    assert await books.following.record_drift([verdict]) == []
    assert await books.rows() == before


async def test_no_verdicts_change_nothing(books: Books) -> None:
    await books.fail("1")
    before = await books.rows()
    assert await books.following.record_drift([]) == []
    assert await books.rows() == before


async def test_verdicts_of_one_call_are_judged_each_by_itself(books: Books) -> None:
    await books.fail("1", "2", "3")
    verdicts = [
        await books.verdict("1", QUEUED),
        await books.verdict("2", RECOVERED),
        await books.verdict("3", VANISHED),
    ]
    await books.take_in(failure("2", at=60))
    await books.following.record_drift(verdicts)
    assert await books.states() == {"1": QUEUED, "2": FAILED, "3": VANISHED}
    await books.check_counts()


async def test_a_lost_hand_over_gives_the_entry_a_new_place_in_the_order(books: Books) -> None:
    await books.fail("1", "2")
    operation = await books.begin()
    batch = await books.claim(operation, 1)
    await books.operations.release(operation, batch, engine_away=True)
    await books.requeue_one("1")
    before = await books.entry("1")
    await books.drift("1", FAILED)
    entry = await books.entry("1")
    assert entry.failure_seq > before.failure_seq
    assert entry.failures == before.failures
    assert job_ids(await books.claim(operation)) == ["2"]


@pytest.mark.parametrize("kind", OperationKind)
async def test_an_entry_whose_hand_over_was_lost_can_be_taken_again(
    books: Books, kind: OperationKind
) -> None:
    await books.make(QUEUED, "1")
    await books.drift("1", FAILED)
    assert (await books.start(kind=kind)).total == 1


async def test_failed_entries_are_paged_in_the_order_of_their_failures(books: Books) -> None:
    await books.fail(*"12345")
    await books.drift("3", VANISHED)
    await books.take_in(failure("1", at=60))
    seen, after = [], 0
    while page := await books.following.failed_to_check(SOURCE, after, 2):
        assert len(page) <= 2
        assert all(entry.state is FAILED for entry in page)
        seen += [entry.job_id for entry in page]
        after = page[-1].failure_seq
    assert seen == ["2", "4", "5", "1"]


async def test_live_entries_are_paged_by_primary_key(books: Books) -> None:
    for number, state in enumerate([QUEUED, FAILED, ACTIVE, RECOVERED, QUEUED, VANISHED]):
        await books.make(state, str(number))
    seen, after = [], 0
    while page := await books.following.live_to_check(SOURCE, after, 2):
        seen += [(entry.job_id, entry.state) for entry in page]
        after = page[-1].entry_pk
    assert seen == [("0", QUEUED), ("2", ACTIVE), ("4", QUEUED)]


async def test_an_entry_to_check_tells_what_the_check_compares(books: Books) -> None:
    await books.take_in(failure("1", at=3, forgets=True), failure("2", at=4))
    await books.requeue_one("2", at=10)
    (failed,) = await books.following.failed_to_check(SOURCE, 0, 10)
    assert (failed.job_id, failed.queue, failed.forgets) == ("1", "mail", True)
    assert (failed.failed_at, failed.moved_at) == (later(3), None)
    assert failed.entry_pk == await books.pk("1")
    (live,) = await books.following.live_to_check(SOURCE, 0, 10)
    assert (live.job_id, live.moved_at, live.forgets) == ("2", later(10), False)


async def test_another_sources_entries_are_not_checked(books: Books) -> None:
    await books.fail("1")
    await books.make(QUEUED, "2")
    assert await books.following.failed_to_check("other", 0, 10) == []
    assert await books.following.live_to_check("other", 0, 10) == []


async def test_a_failed_entry_awaits_what_came_of_its_hand_over(books: Books) -> None:
    await books.fail("1", "2")
    operation = await books.requeue_one("1")
    await books.take_in(failure("1", at=-20))
    by_job = {entry.job_id: entry for entry in await books.following.failed_to_check(SOURCE, 0, 9)}
    assert {job_id: entry.awaits for job_id, entry in by_job.items()} == {"1": True, "2": False}
    before = await books.entry("1")
    (changed,) = await books.drift("1", FAILED, "its queue lost the hand-over")
    assert changed == await books.operation(operation)
    assert (changed.vanished, changed.failed_again) == (1, 0)
    after = await books.entry("1")
    assert (after.state, after.state_reason) == (FAILED, "its queue lost the hand-over")
    assert after.failure_seq == before.failure_seq
    assert not any(one.awaits for one in await books.following.failed_to_check(SOURCE, 0, 9))
    await books.check_counts()


async def test_a_failed_entry_whose_hand_over_was_lost_stays_in_the_selection_of_an_operation(
    books: Books,
) -> None:
    await books.fail("1")
    await books.requeue_one("1")
    await books.take_in(failure("1", at=-20))
    operation = await books.begin()
    await books.drift("1", FAILED)
    assert job_ids(await books.claim(operation)) == ["1"]


async def test_nothing_is_left_of_a_hand_over_that_another_one_has_outlived(books: Books) -> None:
    await books.fail("1")
    first = await books.requeue_one("1", at=10)
    await books.take_in(failure("1", at=-20))
    second = await books.requeue_one("1", at=30)
    assert (await books.item(first, "1")).outcome == "waiting"
    await books.hear(completed("1", 40))
    assert (await books.item(first, "1")).outcome == "vanished"
    assert (await books.item(second, "1")).outcome == "recovered"
    assert (await books.operation(first)).vanished == 1
