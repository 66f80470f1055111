"""The work grows with the length of what is read, and what is read is bounded."""

from __future__ import annotations

import gc
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redrive.fingerprint import fingerprint, normalise, read_trace
from redrive.fingerprint.message import LONGEST_LINE, LONGEST_MESSAGE, codes_of
from redrive.fingerprint.trace import LONGEST_TRACE

MODULES = ("kinds", "lines", "message", "places", "trace")
UNBOUNDED = 500
"""Repeats above this count as having no bound."""
PIECES = [
    *(
        "0",
        "a",
        "1.",
        ".",
        "@",
        ":",
        "::",
        "(",
        "((",
        "((a)",
        "/",
        "\\",
        "-",
        "_",
        "a@",
        "a.a",
        "f0",
    ),
    *(
        '"',
        "'",
        "'/",
        "http://",
        "<",
        "[",
        "\n",
        "\r",
        " ",
        "\t",
        "\0",
        "\ud800",
        "é",
        "0x",
        "1h",
        "T1",
    ),
    *("    at a (", "    at a (b:1:1", '  File "a', '  File "a", line 1, in b\n', "| ", "a:1:in '"),
    *("Traceback (most recent call last):\n", "Caused by: a: b\n", "#0 a(1): b(", "<number> "),
]


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    for module in MODULES:
        names = vars(importlib.import_module(f"redrive.fingerprint.{module}"))
        for name, value in names.items():
            for found in value if isinstance(value, list) else [value]:
                pattern = found[1] if isinstance(found, tuple) else found
                if isinstance(pattern, re.Pattern):
                    yield f"{module}.{name}: {pattern.pattern[:40]}", pattern


def backtracking(parsed: Any) -> Iterator[Any]:
    """The repeats without a bound that may give back what they took: not the one with which an
    atomic group ends."""
    for operation, argument in parsed:
        if str(operation) == "ATOMIC_GROUP":
            *before, (_, last) = argument
            yield from backtracking(before)
            yield from inner(last)
            continue
        if str(operation) in ("MAX_REPEAT", "MIN_REPEAT") and int(argument[1]) > UNBOUNDED:
            yield argument
        yield from inner(argument)


def inner(argument: Any) -> Iterator[Any]:
    if type(argument).__name__ == "SubPattern":
        yield from backtracking(argument)
    elif isinstance(argument, tuple | list):
        for part in argument:
            yield from inner(part)


@pytest.mark.parametrize(("name", "pattern"), list(patterns()), ids=lambda value: str(value)[:40])
def test_no_repeat_gives_back_what_it_took(name: str, pattern: re.Pattern[str]) -> None:
    parser: Any = re._parser
    assert list(backtracking(parser.parse(pattern.pattern, pattern.flags))) == [], name


def test_a_repeat_that_gives_back_would_be_found() -> None:
    parser: Any = re._parser
    assert list(backtracking(parser.parse(r"(?:a|b(c+))?")))
    assert list(backtracking(parser.parse(r"(?>(?:a+b)*)")))
    assert list(backtracking(parser.parse(r"(?>(?:ab)*c)")))
    assert not list(backtracking(parser.parse(r"(?>(?:a|b(c++)){1,400})")))


@pytest.mark.parametrize(("name", "pattern"), list(patterns()), ids=lambda value: str(value)[:40])
def test_every_supported_python_reads_a_pattern_alike(name: str, pattern: re.Pattern[str]) -> None:
    """``(…)*+`` is read otherwise before Python 3.11.5 (python/cpython#106052): ``(?>(…)*)``."""
    assert not re.search(r"\)(?:[?*+]|\{[\d,]+\})\+", pattern.pattern), name


def calls_of(read: Callable[[str], object], text: str) -> int:
    """How many functions, of Python and of C, one reading calls; no garbage of other tests ends
    meanwhile, which calls functions too."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()
    sys.setprofile(note)
    try:
        read(text)
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@pytest.mark.parametrize("read", [normalise, codes_of, read_trace])
@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_twice_the_text_is_at_most_twice_the_work(
    piece: str, read: Callable[[str], object]
) -> None:
    once = piece * (900 // len(piece))
    read(once * 2)  # what is kept of known lines is kept for both
    assert calls_of(read, once * 2) <= 2.1 * calls_of(read, once) + 20


@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_a_megabyte_of_anything_has_a_key(piece: str) -> None:
    text = piece * (1024 * 1024 // len(piece))
    found = fingerprint("main", text, text, text, text, text)
    assert found.key == fingerprint("main", text, text, text, text, text).key


@settings(deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_mixture_has_a_key(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert fingerprint("main", text, text, text, text, text).key.isascii()


@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_what_lies_beyond_the_caps_is_not_read(piece: str) -> None:
    text = piece * (LONGEST_MESSAGE // len(piece) + 1)
    assert normalise(text[:LONGEST_MESSAGE]) == normalise(text[:LONGEST_MESSAGE] + "beyond\nthis")
    half = piece * (LONGEST_TRACE // len(piece) + 1)
    short = half[: LONGEST_TRACE // 2] + "\n" + half[-(LONGEST_TRACE // 2) :]
    assert read_trace(half[: LONGEST_TRACE // 2] + "x" * 10**6 + half[-(LONGEST_TRACE // 2) :]) == (
        read_trace(short)
    )


def test_of_a_long_line_the_beginning_is_read() -> None:
    assert normalise("1, " * (LONGEST_LINE // 3 - 1) + "seen") == ("<number>, seen",)
    assert "beyond" not in normalise("1, " * (LONGEST_LINE // 3 + 1) + "beyond")[0]
