"""Secrets in payloads that people see."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redrive.domain import Payload
from redrive.web.masking import Masker
from tests.web.support import settings_of

MASKER = Masker(settings_of().secret_keys)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ('{"password":"hunter2","to":"a"}', '{"password":"••••••","to":"a"}'),
        ('{"API-Key" : 42, "to":"a"}', '{"API-Key" : "••••••", "to":"a"}'),
        ('{"accessToken":["a","]"],"n":1}', '{"accessToken":"••••••","n":1}'),
        ('{"token":{"deep":"}"},"n":1}', '{"token":"••••••","n":1}'),
        ('{"secret":null}', '{"secret":"••••••"}'),
        ('{"a":[{"cookie":"x"},{"b":"password"}]}', '{"a":[{"cookie":"••••••"},{"b":"password"}]}'),
        ('{"p\\u0061ssword":"x"}', '{"p\\u0061ssword":"••••••"}'),
        ('{"password":"never closed', '{"password":"••••••"'),
        ('{"password":{"never":["closed', '{"password":"••••••"'),
        ("password=1", "password=1"),
    ],
)
def test_the_value_of_a_secret_key_is_masked(shown: str, expected: str) -> None:
    assert MASKER.mask(shown) == expected


def test_json_text_inside_a_string_is_masked_too() -> None:
    inner = json.dumps({"password": "hunter2", "n": 1})
    masked = MASKER.mask(json.dumps({"body": inner}))
    assert json.loads(json.loads(masked)["body"]) == {"password": "••••••", "n": 1}


@pytest.mark.parametrize(
    "text", ['{"n":1e400}', '{"n":12345678901234567890123}', "{} []\n", "\x00"]
)
def test_what_is_not_secret_stays_byte_for_byte(text: str) -> None:
    assert MASKER.mask(text) == text


@given(JSON)
def test_masked_json_is_json_and_its_other_values_are_the_same(value: object) -> None:
    masked = json.loads(Masker(["zz"]).mask(json.dumps({"zz": value, "kept": value})))
    assert masked["zz"] == "••••••"
    assert "zz" in json.dumps(value) or masked["kept"] == value


@given(st.text(alphabet='{}[]",:\\ pasword1'))
def test_text_that_is_not_json_never_breaks_the_masking(text: str) -> None:
    assert isinstance(MASKER.mask(text), str)


def test_a_payload_of_escaped_quotes_is_masked_in_one_pass() -> None:
    poisoned = '{"a":"' + '\\"' * 200_000
    assert MASKER.mask(poisoned) == poisoned


def test_without_secret_keys_nothing_is_masked() -> None:
    assert Masker([]).mask('{"password":"x"}') == '{"password":"x"}'


def test_all_parts_of_a_payload_are_masked() -> None:
    payload = Payload(
        data=b'{"password":"x"}',
        options=b'{"token":"y"}',
        extra={"api_key": "z", "parent": '{"secret":"w"}', "priority": "3"},
    )
    shown = MASKER.shown(payload)
    assert shown.model_dump() == {
        "data": '{"password":"••••••"}',
        "options": '{"token":"••••••"}',
        "extra": {"api_key": "••••••", "parent": '{"secret":"••••••"}', "priority": "3"},
    }


def test_bytes_that_are_not_text_are_shown_as_far_as_they_can_be() -> None:
    shown = MASKER.shown(Payload(data=b'\xff{"password":"x"}', options=b"{}"))
    assert shown.data == '\ufffd{"password":"••••••"}'
