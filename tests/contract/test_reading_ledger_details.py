"""Single values and sums (``redrive.ports.ReadingLedger``), and payloads byte for byte."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from sqlalchemy import text

from redrive.domain import (
    Answer,
    AppId,
    EntryId,
    EntryState,
    OperationKind,
    OperationState,
    Payload,
    Stamp,
)
from redrive.ledger import Database, reading
from tests.support.books import Books, app_scope, results
from tests.support.factories import ADA, AT, BOB, completed, failure, id_of, later

PAYLOADS: Mapping[str, bytes] = {
    "empty object": b"{}",
    "empty array": b"[]",
    "nothing": b"",
    "big integers": b'{"n":123456789012345678901234567890,"f":1e400,"z":-0.0}',
    "spelling": b'{ "b" : 1.0 ,\t"a":1.00,"a":2}\n',
    "unicode": '{"ключ":"失败 🚀 é e\u0301"}'.encode(),
    "escapes": rb'{"a":"\u0000\ud800\/"}',
    "not text": bytes(range(256)),
    "NUL bytes": b"\0\0{}\0",
    "1 MB": b'{"x":"' + bytes(range(32, 127)) * 11_000 + b'"}',
    "1 MB of one letter": b"a" * 1_000_000,
}


@pytest.mark.parametrize("name", PAYLOADS)
async def test_a_payload_comes_back_byte_for_byte(books: Books, name: str) -> None:
    data = PAYLOADS[name]
    payload = Payload(
        data=data, options=data[::-1], extra={"parent": "q:1", "ключ": 'a"b\\c\n\0', "": ""}
    )
    await books.take_in(failure("1", payload=payload, data_size=len(data)))
    assert await books.operations.payload(await books.pk("1")) == ("deliver", payload)
    detail = await books.reading.entry(id_of("1"))
    assert detail is not None
    assert (detail.payload, detail.entry.data_size) == (payload, len(data))


async def test_a_payload_that_was_not_kept_is_none(books: Books) -> None:
    await books.take_in(failure("1", payload=None, data_size=900_000))
    assert await books.operations.payload(await books.pk("1")) == ("deliver", None)


@pytest.mark.parametrize("length", [0, 511, 512, 70_000])
async def test_a_stack_trace_comes_back_whole(books: Books, length: int) -> None:
    stack = ("Error: é\n    at 失败 " * (length // 10 + 1))[:length]
    await books.take_in(failure("1", stacktrace=stack))
    detail = await books.reading.entry(id_of("1"))
    assert detail is not None
    assert detail.stacktrace == stack


async def test_an_entrys_history_is_its_items_newest_operation_first(books: Books) -> None:
    await books.fail("1")
    first = await books.requeue_one("1")
    await books.take_in(failure("1", at=50))
    books.clock.advance(seconds=1)
    second, batch = await books.single("1")
    await books.complete(second, batch, Answer.MISSING, at=60)
    detail = await books.reading.entry(id_of("1"))
    assert detail is not None
    assert [(item.operation_id, item.reason) for item in detail.history] == [
        (second.operation_id, "missing"),
        (first.operation_id, "requeued"),
    ]
    assert [item.failed_at for item in detail.history] == [later(50), AT]


async def test_an_entrys_story_says_who_took_it_when_and_why_and_what_came_of_it(
    books: Books,
) -> None:
    await books.fail("1")
    books.clock.advance(seconds=5)
    operation = await books.begin()
    await books.complete(operation, await books.claim(operation), Answer.REQUEUED)
    stamp = Stamp(operation_id=operation.operation_id, generation=1)
    await books.take_in(failure("1", at=50, stamp=stamp))
    books.clock.advance(seconds=5)
    second, _ = await books.single("1", OperationKind.RESYNC, actor=BOB)
    detail = await books.reading.entry(id_of("1"))
    assert detail is not None
    newer, older = detail.story
    assert (older.kind, older.actor, older.why, older.started_at) == (
        *("retry", "ada", ""),
        later(5),
    )
    assert (older.item.outcome, older.item.same_way) == ("failed_again", True)
    assert (newer.kind, newer.actor, newer.started_at) == ("resync", "bob", later(10))
    assert (newer.item.operation_id, newer.item.outcome) == (second.operation_id, None)
    assert not detail.has_older


async def test_an_entrys_story_is_bounded_and_says_that_there_is_more(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_CHAPTERS", 2)
    await books.fail("1")
    operations = []
    for number in range(3):
        detail = await books.reading.entry(id_of("1"))
        assert detail is not None
        assert (len(detail.story), detail.has_older) == (number, False)
        books.clock.advance(seconds=1)
        operation, batch = await books.single("1")
        await books.complete(operation, batch, Answer.ERROR)
        operations.append(operation.operation_id)
    detail = await books.reading.entry(id_of("1"))
    assert detail is not None
    assert [item.operation_id for item in detail.history] == operations[:0:-1]
    assert detail.has_older


async def test_an_unknown_entry_is_none(books: Books) -> None:
    assert await books.reading.entry(EntryId("ent_nobody")) is None


async def test_totals_count_every_state_over_all_apps(books: Books) -> None:
    assert await books.reading.totals() == dict.fromkeys(EntryState, 0)
    for state in EntryState:
        await books.make(state, f"a-{state}", app="acme")
        await books.make(state, f"g-{state}", app="globex")
    assert await books.reading.totals() == dict.fromkeys(EntryState, 2)
    app = await books.reading.app(AppId("acme"))
    assert app is not None
    assert (app.counts, app.failed) == (dict.fromkeys(EntryState, 1), 1)


async def test_an_app_is_called_by_its_id_until_it_is_named(books: Books) -> None:
    await books.fail("1")
    named = await books.accounts.name_app(AppId("acme"), "Acme Inc. ✓", ADA)
    assert named is not None
    assert named.display_name == "Acme Inc. ✓"
    assert await books.reading.app(AppId("acme")) == named
    unnamed = await books.accounts.name_app(AppId("acme"), "", ADA)
    assert unnamed is not None
    assert unnamed.display_name == "acme"


async def test_an_unknown_app_is_none_and_cannot_be_named(books: Books) -> None:
    assert await books.reading.app(AppId("nobody")) is None
    assert await books.accounts.name_app(AppId("nobody"), "Somebody", ADA) is None


async def test_a_name_survives_the_apps_next_failure(books: Books) -> None:
    await books.fail("1")
    await books.accounts.name_app(AppId("acme"), "Acme", ADA)
    await books.fail("2")
    app = await books.reading.app(AppId("acme"))
    assert app is not None
    assert (app.display_name, app.failed) == ("Acme", 2)


async def test_tallies_sum_operations_by_kind_and_state(books: Books) -> None:
    await books.fail("1", "2", "3", app="acme")
    await books.fail("4", app="globex")
    for job_id in ("1", "2"):
        operation, batch = await books.single(job_id)
        books.clock.advance(seconds=2)
        await books.complete(operation, batch, Answer.REQUEUED)
    await books.hear(completed("1", 20))
    resync = await books.begin(app_scope("globex"), OperationKind.RESYNC)
    batch = await books.claim(resync)
    await books.operations.settle(resync, batch, results(batch, Answer.ERROR))
    tallies = {(t.kind, t.state): t for t in await books.reading.tallies()}
    assert set(tallies) == {
        (OperationKind.RETRY, OperationState.COMPLETED),
        (OperationKind.RESYNC, OperationState.RUNNING),
    }
    retries = tallies[OperationKind.RETRY, OperationState.COMPLETED]
    assert (retries.operations, retries.seconds) == (2, 4.0)
    assert (retries.requeued, retries.recovered, retries.failed_again) == (2, 1, 0)
    resyncs = tallies[OperationKind.RESYNC, OperationState.RUNNING]
    assert (resyncs.operations, resyncs.seconds, resyncs.errored) == (1, 0.0, 1)


async def test_an_operation_cancelled_before_its_start_has_no_duration(books: Books) -> None:
    await books.fail("1")
    operation = await books.start()
    await books.operations.request_cancel(operation.operation_id, ADA)
    (tally,) = await books.reading.tallies()
    assert (tally.state, tally.operations, tally.seconds) == (OperationState.CANCELLED, 1, 0.0)


async def test_a_ledger_with_this_schema_is_reachable(books: Books) -> None:
    assert await books.reading.reachable()


async def test_a_ledger_with_another_schema_is_not_reachable(
    books: Books, database: Database
) -> None:
    await database.write(
        lambda connection: connection.execute(
            text("UPDATE alembic_version SET version_num = '9999'")
        )
    )
    assert not await books.reading.reachable()
