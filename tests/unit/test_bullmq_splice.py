"""The re-scan key is set in a job's data as text, and every other byte stays."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from redrive.engines.bullmq.scripts import script
from tests.support.servers import RedisServer

Splice = Callable[[str | bytes, str, str], bytes]

CALL = script("splice").text + "\nreturn splice(ARGV[1], ARGV[2], ARGV[3])"

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(['"isRescan"', '\\"isRescan":', "{", "}]", ",", ":", "\\"])
)
KEYS = st.text(max_size=8) | st.sampled_from(["isRescan", "isRescan ", '"isRescan"', "\\"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=6)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r\n ")])


@pytest.fixture(scope="session")
def splice(shared_redis: RedisServer) -> Splice:
    client = redis.Redis(port=shared_redis.port)

    def call(data: str | bytes, key: str = '"isRescan"', value: str = "true") -> bytes:
        answer = client.eval(CALL, 0, data, key, value)
        assert isinstance(answer, bytes)
        return answer

    return call


@settings(deadline=None)
@given(data=OBJECTS, separators=SEPARATORS, ascii_only=st.booleans(), mark=st.booleans())
def test_splice_sets_the_key_and_nothing_else(
    splice: Splice,
    data: dict[str, object],
    separators: tuple[str, str],
    ascii_only: bool,
    mark: bool,
) -> None:
    text = json.dumps(data, separators=separators, ensure_ascii=ascii_only)
    raw = text.encode("utf-8", "surrogatepass")
    new = splice(raw, '"isRescan"', json.dumps(mark)).decode("utf-8", "surrogatepass")
    assert json.loads(new) == {**data, "isRescan": mark}
    if "isRescan" not in data:
        member = f'"isRescan":{json.dumps(mark)}'
        assert new == "{" + member + ("," + text[1:] if data else text[1:])


@settings(deadline=None)
@given(before=OBJECTS, old=VALUES, after=OBJECTS, separators=SEPARATORS)
def test_splice_replaces_a_value_in_place_byte_for_byte(
    splice: Splice,
    before: dict[str, object],
    old: object,
    after: dict[str, object],
    separators: tuple[str, str],
) -> None:
    members = [item for item in before.items() if item[0] != "isRescan"]
    rest = [item for item in after.items() if item[0] not in {"isRescan", *before}]

    def text(value: str) -> str:
        parts = [
            json.dumps(key) + separators[1] + (json.dumps(item, separators=separators))
            for key, item in members
        ]
        parts.append('"isRescan"' + separators[1] + value)
        parts += [
            json.dumps(key) + separators[1] + json.dumps(item, separators=separators)
            for key, item in rest
        ]
        return "{" + separators[0].join(parts) + "}"

    old_text = text(json.dumps(old, separators=separators))
    assert splice(old_text, '"isRescan"', "false").decode() == text("false")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("{}", '{"isRescan":true}'),
        (" { } ", ' {"isRescan":true } '),
        ('{"a":1}', '{"isRescan":true,"a":1}'),
        ('{"isRescan":false}', '{"isRescan":true}'),
        ('{"isRescan":true,"a":[]}', '{"isRescan":true,"a":[]}'),
        ('{"isRescan" : null , "a":1}', '{"isRescan" : true , "a":1}'),
        ('{"isRescan":{"isRescan":[1,"]}"]},"a":1}', '{"isRescan":true,"a":1}'),
        ('{"a":{"isRescan":false}}', '{"isRescan":true,"a":{"isRescan":false}}'),
        ('{"a":"\\"isRescan\\":false"}', '{"isRescan":true,"a":"\\"isRescan\\":false"}'),
        ('{"a":"\\\\","isRescan":false}', '{"a":"\\\\","isRescan":true}'),
        ('{"a":["isRescan"]}', '{"isRescan":true,"a":["isRescan"]}'),
        ('{"isRescan":1,"isRescan":2}', '{"isRescan":1,"isRescan":true}'),
        ('{"n":12345678901234567890}', '{"isRescan":true,"n":12345678901234567890}'),
        ('{"n":1.10,"e":1E400}', '{"isRescan":true,"n":1.10,"e":1E400}'),
        ('{"a":{},"b":[]}', '{"isRescan":true,"a":{},"b":[]}'),
        ('{"ключ":"значение 🎉"}', '{"isRescan":true,"ключ":"значение 🎉"}'),
    ],
)
def test_splice_of_an_object(splice: Splice, data: str, expected: str) -> None:
    assert splice(data, '"isRescan"', "true").decode() == expected


@pytest.mark.parametrize(
    "data",
    [
        "",
        "[]",
        '[{"isRescan":false}]',
        '"isRescan"',
        "17",
        "null",
        "undefined",
        '{"a":1',
        '{"isRescan":"unfinished}',
        '{"isRescan"}',
        '{"isRescan":}',
        '{"isRescan":[1}',
        '"isRescan":1}',
        "\x00\xff",
    ],
)
def test_data_that_is_no_object_or_is_broken_stays_as_it_is(splice: Splice, data: str) -> None:
    assert splice(data, '"isRescan"', "true").decode() == data


def test_an_empty_key_leaves_the_data_alone(splice: Splice) -> None:
    assert splice('{"isRescan":1}', "", "true") == b'{"isRescan":1}'


def test_bytes_that_are_no_text_stay_as_they_are(splice: Splice) -> None:
    assert splice(b'{"a":"\xff\x00"}', '"k"', "true") == b'{"k":true,"a":"\xff\x00"}'


@pytest.mark.parametrize("key_first", [True, False])
def test_a_megabyte_of_data_is_spliced_whole(splice: Splice, key_first: bool) -> None:
    body = ",".join(f'"k{number}":["{{\\"",{number},{{}}]' for number in range(50_000))
    old = '"isRescan":false,' + body if key_first else body + ',"isRescan":false'
    text = "{" + old + "}"
    assert len(text) > 1_000_000
    assert splice(text, '"isRescan"', "true").decode() == text.replace(":false", ":true")
