"""Users and the audit trail (``redrive.ports.Accounts``)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from redrive.domain import AppId, AuditFilter, OperationId
from redrive.ledger import accounts, filters
from tests.support.books import Books
from tests.support.factories import ADA, AT, BOB, later


async def test_an_unknown_user_is_none(books: Books) -> None:
    assert await books.accounts.user("ada") is None
    assert await books.accounts.users() == []


async def test_a_new_user_is_kept_with_the_hash_that_was_given(books: Books) -> None:
    user = await books.accounts.put_user("ada", "$argon2id$one")
    assert (user.name, user.password_hash) == ("ada", "$argon2id$one")
    assert (user.session_epoch, user.created_at) == (1, AT)
    assert await books.accounts.user("ada") == user


async def test_a_changed_password_ends_all_sessions_and_keeps_the_user(books: Books) -> None:
    await books.accounts.put_user("ada", "$argon2id$one")
    books.clock.advance(days=1)
    changed = await books.accounts.put_user("ada", "$argon2id$two")
    assert (changed.password_hash, changed.session_epoch) == ("$argon2id$two", 2)
    assert changed.created_at == AT
    assert await books.accounts.user("ada") == changed


async def test_users_are_listed_by_name(books: Books) -> None:
    for name in ("cyd", "ada", "bob"):
        await books.accounts.put_user(name, "hash")
    assert [user.name for user in await books.accounts.users()] == ["ada", "bob", "cyd"]


async def test_a_user_and_the_audit_row_come_together_and_say_what_was_changed(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    await books.accounts.put_user("cyd", "hash", actor=BOB)
    await books.accounts.put_user("cyd", "other", actor=BOB)
    await books.accounts.put_user("cyd", "third", actor=ADA, action="user.rehash")
    rows = (await books.accounts.audit_trail(None, 10)).items[::-1]
    assert [(row.actor, row.action, row.scope, row.before, row.after) for row in rows] == [
        ("bob", "user.add", "user cyd", None, {"session_epoch": 1}),
        ("bob", "user.passwd", "user cyd", {"session_epoch": 1}, {"session_epoch": 2}),
        ("ada", "user.rehash", "user cyd", {"session_epoch": 2}, {"session_epoch": 3}),
    ]
    monkeypatch.setattr(accounts, "add_audit", _disk_is_full)
    with pytest.raises(RuntimeError):
        await books.accounts.put_user("cyd", "fourth", actor=BOB)
    user = await books.accounts.user("cyd")
    assert user is not None
    assert user.password_hash == "third"


async def _disk_is_full(*_: object, **__: object) -> None:
    raise RuntimeError("the disk is full")


@pytest.mark.parametrize("other", ["Ada", "ada ", "ad", "ad%", "ada'--"])
async def test_a_name_is_itself_only(books: Books, other: str) -> None:
    await books.accounts.put_user("ada", "hash")
    assert await books.accounts.user(other) is None


async def test_a_user_put_twice_at_once_is_one_user(books: Books, second: Books) -> None:
    users = await asyncio.gather(
        books.accounts.put_user("ada", "one"), second.accounts.put_user("ada", "two")
    )
    assert sorted(user.session_epoch for user in users) == [1, 2]
    assert len(await books.accounts.users()) == 1


async def test_an_audit_row_says_who_did_what_to_what_why_with_what_result_from_where(
    books: Books,
) -> None:
    books.clock.advance(seconds=5)
    await books.accounts.audit(
        BOB,
        "user.passwd",
        "user ada",
        reason="forgotten ✓",
        result="changed",
        operation_id=OperationId("op_1"),
        counts={"sessions": 3},
        before={"note": ""},
        after={"note": "known ✓", "apps": ["acme"]},
    )
    (row,) = (await books.accounts.audit_trail(None, 10)).items
    assert (row.at, row.actor, row.origin) == (later(5), "bob", "cli")
    assert (row.action, row.scope) == ("user.passwd", "user ada")
    assert (row.reason, row.result) == ("forgotten ✓", "changed")
    assert (row.operation_id, row.counts) == ("op_1", {"sessions": 3})
    assert (row.before, row.after) == ({"note": ""}, {"note": "known ✓", "apps": ["acme"]})


async def test_what_an_audit_row_does_not_say_is_empty(books: Books) -> None:
    await books.accounts.audit(ADA, "login", "console")
    (row,) = (await books.accounts.audit_trail(None, 10)).items
    assert (row.reason, row.result, row.operation_id, row.counts) == ("", "", None, {})
    assert (row.before, row.after) == (None, None)


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
async def test_the_trail_is_read_newest_first_page_by_page(books: Books, limit: int) -> None:
    for number in range(5):
        await books.accounts.audit(ADA, f"action-{number}", "console")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await books.accounts.audit_trail(cursor, limit)
        seen += [row.action for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [f"action-{number}" for number in (4, 3, 2, 1, 0)]


async def test_seq_only_grows(books: Books) -> None:
    for _ in range(3):
        await books.accounts.audit(ADA, "login", "console")
    seqs = [row.seq for row in (await books.accounts.audit_trail(None, 10)).items]
    assert seqs == sorted(seqs, reverse=True)
    assert len(set(seqs)) == 3


async def test_a_name_and_its_audit_row_come_together_or_not_at_all(books: Books) -> None:
    await books.fail("1")
    assert await books.accounts.name_app(AppId("nobody"), "Somebody", ADA) is None
    assert (await books.accounts.audit_trail(None, 10)).items == []
    await books.accounts.name_app(AppId("acme"), "Acme", ADA)
    (row,) = (await books.accounts.audit_trail(None, 10)).items
    assert (row.actor, row.action, row.scope, row.result) == ("ada", "rename", "app acme", "Acme")
    assert (row.before, row.after) == ({"display_name": ""}, {"display_name": "Acme"})
    await books.accounts.name_app(AppId("acme"), "", BOB)
    row, _ = (await books.accounts.audit_trail(None, 10)).items
    assert (row.before, row.after) == ({"display_name": "Acme"}, {"display_name": ""})


async def test_a_name_is_not_given_where_its_audit_row_cannot_be_written(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    await books.fail("1")
    monkeypatch.setattr(accounts, "add_audit", _disk_is_full)
    with pytest.raises(RuntimeError):
        await books.accounts.name_app(AppId("acme"), "Acme", ADA)
    app = await books.reading.app(AppId("acme"))
    assert app is not None
    assert app.display_name == "acme"


async def test_the_trail_is_filtered_by_who_what_and_app_a_bounded_look_at_a_time(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "ROWS_PER_LOOK", 3)
    await books.fail("1")
    for number in range(4):
        await books.accounts.audit(ADA, f"action-{number % 2}", "console")
        await books.accounts.audit(BOB, f"action-{number % 2}", "console")
    await books.accounts.name_app(AppId("acme"), "Acme", ADA)

    async def found(**given: Any) -> list[tuple[str, str]]:
        rows, cursor, looks = [], None, 0
        while looks == 0 or cursor is not None:
            page = await books.accounts.audit_trail(cursor, 2, AuditFilter(**given))
            rows += page.items
            cursor, looks = page.next_cursor, looks + 1
        return [(row.actor, row.action) for row in rows]

    assert await found(app_id=AppId("acme")) == [("ada", "rename")]
    assert await found(actor="bob") == [("bob", f"action-{n}") for n in (1, 0, 1, 0)]
    assert await found(action="action-0", actor="ada") == [("ada", "action-0")] * 2
    assert await found(action="action-0", app_id=AppId("acme")) == []
