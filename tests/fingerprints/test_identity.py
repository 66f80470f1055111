"""Which failures share a key, over generated ones; and that any text has one."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redrive.fingerprint import VERSION, Basis, Fingerprint, fingerprint, key_of
from redrive.fingerprint.identity import LONGEST_TITLE

ROOTS = (
    "/srv/shop",
    "/app",
    "/app/src",
    "/srv/shop/releases/20260101",
    "/home/kim/shop",
    "C:\\app",
)
FUNCTIONS = st.text(string.ascii_lowercase, min_size=1, max_size=12)
LINES = st.integers(1, 99_999)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)


def node(root: str, line: int, function: str, detail: str) -> str:
    return (
        f"TypeError: {detail}\n    at {function} ({root}/orders/create.js:{line}:7)\n"
        f"    at async Worker.run ({root}/node_modules/bullmq/worker.js:{line}:1)"
    )


def python(root: str, line: int, function: str, detail: str) -> str:
    return (
        "Traceback (most recent call last):\n"
        f'  File "/usr/lib/python3.11/asyncio/runners.py", line {line}, in run\n'
        f'  File "{root}/orders/create.py", line {line}, in {function}\n    raise\n'
        f"TypeError: {detail}"
    )


def of(
    stack: str = "", message: str = "down", kind: str = "Error", queue: str = "mail"
) -> Fingerprint:
    return fingerprint("main", queue, "send", kind, message, stack)


@pytest.mark.parametrize("write", [node, python])
@settings(deadline=None)
@given(data=st.data())
def test_line_numbers_messages_and_deployments_do_not_count(
    write: object, data: st.DataObject
) -> None:
    assert callable(write)
    function = data.draw(FUNCTIONS)
    keys = set()
    for _ in range(2):
        root, line = data.draw(st.sampled_from(ROOTS)), data.draw(LINES)
        detail = f"no order {data.draw(LINES)}"
        keys.add(of(write(root, line, function, detail), detail).key)
    assert len(keys) == 1


@pytest.mark.parametrize("write", [node, python])
@settings(deadline=None)
@given(one=FUNCTIONS, other=FUNCTIONS)
def test_another_own_function_is_another_cause(write: object, one: str, other: str) -> None:
    assert callable(write)
    keys = [of(write("/app", 1, function, "x")).key for function in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


@settings(deadline=None)
@given(one=FUNCTIONS, other=FUNCTIONS, stack=st.sampled_from(["", node("/app", 1, "f", "x")]))
def test_another_type_or_queue_is_another_cause(one: str, other: str, stack: str) -> None:
    assert (of(stack, kind=one).key == of(stack, kind=other).key) == (one == other)
    assert (of(stack, queue=one).key == of(stack, queue=other).key) == (one == other)


VARYING = {
    "number": st.integers(0, 10**12).map(str),
    "float": st.floats(0.01, 1e6).map(lambda value: f"{value:.3f}"),
    "uuid": st.uuids().map(str),
    "ip": st.ip_addresses().map(str),
    "hex": st.integers(0, 2**64).map(hex),
    "date": st.datetimes().map(lambda value: value.isoformat()),
    "hash": st.binary(min_size=16, max_size=16).map(bytes.hex),
    "email": FUNCTIONS.map(lambda name: f"{name}@{name}.example"),
    "url": FUNCTIONS.map(lambda name: f"https://{name}.example/{name}?{name}=1"),
    "host": FUNCTIONS.map(lambda name: f"{name}.internal:6379"),
    "duration": st.integers(1, 10**6).map(lambda value: f"{value}ms"),
}


@pytest.mark.parametrize("kind", VARYING)
@settings(deadline=None)
@given(data=st.data())
def test_whatever_varies_in_a_message_does_not_count(kind: str, data: st.DataObject) -> None:
    one, other = data.draw(VARYING[kind]), data.draw(VARYING[kind])
    assert (
        of(message=f"no place for {one} here").key == of(message=f"no place for {other} here").key
    )


@settings(deadline=None)
@given(one=st.integers(400, 599), other=st.integers(400, 599))
def test_another_http_status_is_another_cause(one: int, other: int) -> None:
    for stack in ("", node("/app", 1, "fetch", "x")):
        keys = [of(stack, f"Request failed with status code {code}").key for code in (one, other)]
        assert (keys[0] == keys[1]) == (one == other)


@settings(deadline=None)
@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_any_text_has_a_key(kind: str, message: str, stack: str) -> None:
    found = of(stack, message, kind)
    assert found == of(stack, message, kind)
    assert found.key.startswith(f"grp_{VERSION}_")
    assert found.key.isascii()
    assert len(found.title) <= LONGEST_TITLE


@pytest.mark.parametrize("digits", ["²²²", "٤٠٤", "④④④"])
def test_digits_of_any_script_do_no_harm(digits: str) -> None:
    assert of(message=f"status {digits}").key == of(message=f"status {digits}").key
    of(f"Error\n    at f (/app/a.js:{digits}:{digits})", f"HTTP {digits}: [Errno {digits}]")


def test_the_basis_is_said() -> None:
    stack = "Error: x\n    at f (node:net:1:1)"
    assert of(node("/app", 1, "f", "x")).basis is Basis.FRAMES
    assert of(stack, "down").basis is Basis.MESSAGE
    assert of(stack, "").basis is Basis.LIBRARY
    assert of("", "").basis is Basis.MESSAGE
    assert [str(frame) for frame in of(stack, "").frames] == ["node:net:f"]


def test_the_title_is_the_first_line_or_the_type() -> None:
    assert of(message="\n no order 17 \nmore").title == "no order <number>"
    assert of(message="", kind="Late").title == "Late"
    assert (
        len(of(message="word " * 100).title)
        == len(of(kind="L" * 999, message="").title)
        == LONGEST_TITLE
    )


def test_the_cause_of_an_error_counts() -> None:
    raised = node("/app", 1, "pay", "x")
    keys = {of(f"{raised}\n[cause]: {kind}: x\n  at f (/app/a.js:1:1)").key for kind in "AB"}
    assert len({*keys, of(raised).key}) == 3


def test_what_one_function_raises_with_one_type_is_one_cause_but_for_its_codes() -> None:
    stack = node("/app", 1, "deliver", "x")
    refused, away, lost = (
        of(stack, message).key for message in ("no address", "no lines", "connect ECONNREFUSED ::1")
    )
    assert refused == away != lost


def test_keys_stay_what_they_are_within_a_version() -> None:
    """A change here is a new version; see :data:`redrive.fingerprint.VERSION`."""
    assert VERSION == 1
    assert of(python("/app", 1, "f", "x"), "no order 17").key == "grp_1_07f618eb05469bed15e9e89c"
    assert of(message="no order 17").key == "grp_1_b6b2423bf802e3f3a92a0697"


@pytest.mark.parametrize(
    ("message", "stacktrace"),
    [
        ("connect ECONNREFUSED 10.0.0.7:443", "Error: x\n    at send (/srv/app/src/mail.js:1:1)"),
        ("the disk is full", ""),
        ("", "Error\n    at emit (node:events:1:1)"),
        ("", ""),
    ],
)
def test_a_key_alone_is_that_of_the_fingerprint(message: str, stacktrace: str) -> None:
    told = ("default", "mail", "deliver", "Error", message, stacktrace)
    assert key_of(*told) == fingerprint(*told).key
