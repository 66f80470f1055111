"""Grouping failures by what they have in common."""

from __future__ import annotations

import pytest

from redrive.causes import group_causes
from redrive.domain import AppId, FailureSample
from tests.support.factories import later


def sample(message: str, app: str = "acme", at: float = 0, kind: str = "Error") -> FailureSample:
    return FailureSample(
        app_id=AppId(app),
        queue="mail",
        error_type=kind,
        error_message=message,
        failed_at=later(at),
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timeout after 30 s", "timeout after 2.5 s"),
        ("no order ord_17", "no order ord_4711"),
        (
            "no user 0b7cf1a0-6f2b-4a53-9d3c-0d7c1c3c5f11",
            "no user 4c1d8a7e-11aa-4b4e-8f0a-d41d8cd98f00",
        ),
        ("hash d41d8cd98f00b204", "hash 0cc175b9c0f1b6a8"),
        ("down\n    at a.js:1", "down\n    at b.js:2"),
    ],
)
def test_errors_that_differ_in_numbers_and_ids_have_one_cause(one: str, other: str) -> None:
    (cause,) = group_causes([sample(one, "b", 2), sample(other, "a", 1), sample(other, "a", 3)], 5)
    assert cause.entries == 3
    assert cause.apps == ("a", "b")
    assert cause.last_failed_at == later(3)
    assert cause.fragment in one
    assert cause.fragment in other


def test_other_words_and_other_types_are_other_causes() -> None:
    samples = [sample("down"), sample("up"), sample("down", kind="TypeError")]
    assert len(group_causes(samples, 5)) == 3


def test_the_most_frequent_come_first_and_the_rest_is_left_out() -> None:
    samples = [sample("rare"), sample("often"), sample("often"), sample("never seen")]
    assert [cause.example for cause in group_causes(samples, 2)] == ["often", "rare"]


def test_an_error_without_words_is_found_by_its_type() -> None:
    (cause,) = group_causes([sample("12345", kind="ReadTimeout")], 5)
    assert (cause.error_type, cause.fragment) == ("ReadTimeout", "")


def test_a_cause_counts_whatever_a_list_of_its_type_and_fragment_shows() -> None:
    samples = [sample("refused by 10.0.0.1"), sample("Refused by 10.0.0.1, then by 10.0.0.2")]
    samples += [sample("was refused by"), sample("refused by", kind="TypeError")]
    first, other = group_causes([*samples, sample("refused by 7")], 5)
    assert (first.error_type, first.fragment, first.entries) == ("Error", "refused by", 4)
    assert (other.error_type, other.entries) == ("TypeError", 1)


def test_a_fragment_is_one_that_an_address_can_carry() -> None:
    (cause,) = group_causes([sample("no\tsuch\x00 mailbox")], 5)
    assert cause.fragment == "mailbox"
