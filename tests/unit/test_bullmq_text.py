"""Text from queues, made fit for any store."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redrive.engines.bullmq.text import (
    STACK_LIMIT,
    attempts_of,
    clean,
    cut_middle,
    error_type_of,
    last_stack,
    time_of,
)

PYTHON_STACK = """Traceback (most recent call last):
  File "worker.py", line 12, in run
    deliver()
  File "mail.py", line 7, in deliver
    raise mail.errors.Refused("no")
mail.errors.Refused: no
and: more
"""


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ("TypeError: x is not a function\n    at run", "TypeError"),
        ("TimeoutError\n    at run", "TimeoutError"),
        ("Mail$Error: no", "Mail$Error"),
        (PYTHON_STACK, "mail.errors.Refused"),
        (PYTHON_STACK + "\nDuring handling\n\n" + PYTHON_STACK, "mail.errors.Refused"),
        ("Traceback (most recent call last):\nKeyboardInterrupt", "KeyboardInterrupt"),
        ("Traceback (most recent call last):", "Error"),
        ("something went wrong: here", "Error"),
        ("Übel: so", "Übel"),
        ("", "Error"),
        ("\n\n", "Error"),
        ("17: no", "Error"),
        ("E" * 500 + ": long", "E" * 200),
    ],
)
def test_the_error_type_is_found_in_stacks_of_both_languages(stack: str, expected: str) -> None:
    assert error_type_of(stack) == expected


@settings(deadline=None)
@given(st.text() | st.binary(), st.integers(1, 50))
def test_clean_text_fits_any_store(value: str | bytes, limit: int) -> None:
    text = clean(value, limit)
    assert len(text) <= limit
    assert "\0" not in text
    text.encode()


@settings(deadline=None)
@given(st.text(max_size=2000), st.integers(100, 300))
def test_a_cut_text_keeps_its_head_and_its_tail(text: str, limit: int) -> None:
    cut = cut_middle(text, limit)
    assert len(cut) <= limit
    assert cut == text or (cut[:20] == text[:20] and cut[-10:] == text[-10:])


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (None, ""),
        (b"", ""),
        (b'["a","b"]', "b"),
        (b'["a",null,{}]', "a"),
        (b"[]", ""),
        (b"[null]", ""),
        (b'"text"', '"text"'),
        (b"Error: plain", "Error: plain"),
        (b'["unfinished', '["unfinished'),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_the_newest_stack_is_taken(field: bytes | None, expected: str) -> None:
    assert last_stack(field, plain=False) == expected


def test_a_stack_is_cut_to_its_limit() -> None:
    assert len(last_stack(b"x" * 200_000, plain=True)) == STACK_LIMIT


@pytest.mark.parametrize("value", [None, b"", b"x", b"-1", b"0", b"9" * 33, b"9" * 20, b"\xff"])
def test_a_field_that_holds_no_time_is_none(value: bytes | None) -> None:
    assert time_of(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, 0), (b"3", 3), (b"-3", 0), (b"x", 0), (b"99999999999", 2**31 - 1)],
)
def test_attempts_are_a_number_that_any_store_takes(value: bytes | None, expected: int) -> None:
    assert attempts_of(value) == expected
