"""Cursors of lists: what was given out comes back, anything else is refused."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redrive.errors import BadCursor
from redrive.ledger.cursors import decode, decode_ints, encode

STORED = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
INTEGERS = st.integers(-(2**63) + 1, 2**63 - 1)


def made_up(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@given(INTEGERS, STORED)
def test_a_position_comes_back_from_its_cursor(number: int, name: str) -> None:
    assert decode("apps", encode("apps", number, name), int, str) == [number, name]
    assert decode_ints("items", encode("items", number)) == (number,)
    assert decode_ints("failed", encode("failed", number, 7), 2) == (number, 7)


@given(STORED, STORED)
def test_a_cursor_is_safe_in_a_url_without_escapes(kind: str, name: str) -> None:
    cursor = encode(kind, name)
    assert cursor.isascii()
    assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "apps",
        {"apps": 1},
        [],
        ["apps"],
        ["items", 1, "a"],
        ["apps", 1],
        ["apps", 1, "a", 2],
        ["apps", "1", "a"],
        ["apps", 1, 2],
        ["apps", True, "a"],
        ["apps", 1.5, "a"],
        ["apps", None, "a"],
        ["apps", 2**63, "a"],
        ["apps", -(2**63), "a"],
        ["apps", float("nan"), "a"],
        ["apps", 1, "a\0b"],
        ["apps", 1, "\ud800"],
    ],
    ids=repr,
)
def test_a_value_that_no_list_gives_out_is_refused(value: object) -> None:
    with pytest.raises(BadCursor):
        decode("apps", made_up(value), int, str)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "====",
        "!",
        "ünïcode",
        "a b",
        encode("apps", 1, "a") + "!",
        encode("apps", 1, "a")[:-3],
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b'["apps",' + b"9" * 10_000 + b',"a"]').decode(),
    ],
    ids=range(10),
)
def test_text_that_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursor) as refused:
        decode("apps", cursor, int, str)
    assert refused.value.fields == {"cursor": cursor}


@given(st.text())
def test_no_text_does_anything_but_be_refused(cursor: str) -> None:
    with pytest.raises(BadCursor):
        decode_ints("apps", cursor)
