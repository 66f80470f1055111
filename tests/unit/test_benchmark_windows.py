"""What is measured beside something was under way while that happened."""

from __future__ import annotations

import pytest

from benchmarks.neighbours import under_way
from benchmarks.report import NotMeasuredError

BEFORE, INTO, WITHIN, OUT_OF, AROUND, AFTER = (
    *((90.0, 5.0), (90.0, 15.0), (110.0, 1.0)),
    *((199.0, 20.0), (50.0, 500.0), (201.0, 3.0)),
)


def test_samples_beside_are_those_under_way_from_first_to_last() -> None:
    samples = [BEFORE, INTO, WITHIN, OUT_OF, AROUND, AFTER]
    assert under_way(samples, 100, 200) == [15, 1, 20, 500]


def test_no_sample_under_way_fails_instead_of_measuring_nothing() -> None:
    with pytest.raises(NotMeasuredError, match="nothing while jobs were handed over"):
        under_way([BEFORE, AFTER], 100, 200)
