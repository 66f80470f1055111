"""Finding entries by text (``EntryFilter.query``)."""

from __future__ import annotations

import pytest

from redrive.domain import EntryFilter
from tests.support.books import Books
from tests.support.factories import failure, id_of

MESSAGES = {
    "percent": "disk is 100% full",
    "plain": "disk is 100 times full",
    "underscore": "no field user_id",
    "letter": "no field userXid",
    "single": "can't open 'file'",
    "double": 'unexpected "token"',
    "slash": "a/b\\c",
    "unicode": "Überraschung: 失败",
    "lines": "first\nsecond",
}


async def found(books: Books, query: str) -> set[str]:
    page = await books.reading.entries(EntryFilter(query=query), None, 100, oldest_first=True)
    return {entry.job_id for entry in page.items}


@pytest.fixture(autouse=True)
async def entries(books: Books) -> None:
    await books.take_in(
        *(
            failure(job_id, error_message=message, error_type=f"{job_id.title()}Error")
            for job_id, message in MESSAGES.items()
        )
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("100", {"percent", "plain"}),
        ("100%", {"percent"}),
        ("%", {"percent"}),
        ("_", {"underscore"}),
        ("user_id", {"underscore"}),
        ("'", {"single"}),
        ("can't open 'file'", {"single"}),
        ("'; DROP TABLE entries; --", set()),
        ('"token"', {"double"}),
        ("\\", {"slash"}),
        ("/", {"slash"}),
        ("a/b\\c", {"slash"}),
        ("失败", {"unicode"}),
        ("first\nsecond", {"lines"}),
        ("DISK IS", {"percent", "plain"}),
        ("nothing like it", set()),
    ],
)
async def test_a_query_is_found_as_text_in_the_message(
    books: Books, query: str, expected: set[str]
) -> None:
    assert await found(books, query) == expected


async def test_a_query_is_found_in_the_error_type(books: Books) -> None:
    assert await found(books, "PercentError") == {"percent"}
    assert await found(books, "percenterr") == {"percent"}


async def test_a_whole_job_id_or_entry_id_is_found(books: Books) -> None:
    await books.take_in(failure("repeat:x:1", error_type="E", error_message="m"))
    assert await found(books, "repeat:x:1") == {"repeat:x:1"}
    assert await found(books, id_of("plain")) == {"plain"}
    assert await found(books, "repeat:x") == set()


async def test_an_empty_query_filters_nothing(books: Books) -> None:
    assert await found(books, "") == set(MESSAGES)


async def test_a_query_goes_together_with_the_other_filters(books: Books) -> None:
    await books.take_in(failure("other", app="globex", error_message="disk is 100% full"))
    given = EntryFilter(app_id=failure("other", "globex").app_id, query="100%")
    page = await books.reading.entries(given, None, 100, oldest_first=True)
    assert [entry.job_id for entry in page.items] == ["other"]
