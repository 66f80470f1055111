"""Crash tests on the two databases in turn."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest

from tests.support.ledgers import BACKENDS


def in_turn(**values: Sequence[Any]) -> pytest.MarkDecorator:
    """Every combination of the values once, as many on one database as on the other.

    A crash between two transactions leaves either database as the one before left it; crashes
    within one, at every step and on both, are the proof's.
    """
    combinations = product(*map(enumerate, values.values()))
    return pytest.mark.parametrize(
        ("backend", *values),
        [_on_one(combination) for combination in combinations],
        indirect=["backend"],
    )


def _on_one(combination: Sequence[tuple[int, Any]]) -> Any:
    backend = BACKENDS[sum(place for place, _ in combination) % len(BACKENDS)]
    chosen = [value for _, value in combination]
    return pytest.param(backend, *chosen, id="-".join([backend, *map(_named, chosen)]))


def _named(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)
