"""Numbers on the command lines of the proof and the benchmarks; others are refused by name."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def whole(least: int) -> Callable[[str], int]:
    """An argument's type: a whole number of at least ``least``."""

    def parse(text: str) -> int:
        if not text.removeprefix("-").isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number of at least {least:,}"
            )
        return int(text)

    return parse


def wholes(least: int) -> Callable[[str], list[int]]:
    """An argument's type: whole numbers of at least ``least``, with commas between them."""
    parse = whole(least)
    return lambda text: [parse(part) for part in text.split(",")]


def number(least: float) -> Callable[[str], float]:
    """An argument's type: a number of at least ``least``."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value < math.inf:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least {least:g}")
        return value

    return parse
