"""What is wrong with a request, in the console's own words (``redrive.web.invalid``)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from redrive import wire
from redrive.web.api.params import EntriesQuery
from redrive.web.invalid import field_problems
from redrive.web.pages.selecting import FilterQuery


def problem_of(place: str, model: type[BaseModel], given: Any) -> tuple[str, str]:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(given)
    errors = [{**one, "loc": (place, *one["loc"])} for one in refused.value.errors()]
    (found,) = field_problems(errors)
    return found.field, found.message


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"floor": 5}, "body.floor", "needs a rate to come up to"),
        ({"rate": 5, "floor": 9}, "body.floor", "9 is over the rate of 5"),
        ({"rate": True}, "body.rate", "must be a number"),
        ({"rate": 0}, "body.rate", "must be at least 0.01"),
        ({"low_priority": 1}, "body.low_priority", "must be true or false"),
        ({"canary": {}}, "body.canary.entries", "is missing"),
        ({"canary": {"entries": 2.5}}, "body.canary.entries", "must be a whole number"),
        ({"reason": "\x1b[2J"}, "body.reason", "must not contain control characters"),
        ({"reason": "x" * 501}, "body.reason", "must not be longer than 500 characters"),
        ({"idempotency_key": ""}, "body.idempotency_key", "must not be empty"),
        ({"reason": 5}, "body.reason", "must be a text"),
        ({"resaon": "x"}, "body.resaon", "there is no such field here"),
    ],
)
def test_a_start_that_is_not_valid_is_told_by_its_field(
    body: dict[str, Any], field: str, message: str
) -> None:
    assert problem_of("body", wire.BulkRetryRequest, body) == (field, message)


def test_a_filter_is_refused_alike_wherever_it_is_given() -> None:
    given = {"retried_min": 5, "retried_max": 2}
    said = "must not be below 5"
    assert problem_of("body", wire.EntriesFilter, given) == ("body.retried_max", said)
    assert problem_of("query", EntriesQuery, given) == ("query.retried_max", said)
    assert problem_of("query", FilterQuery, given) == ("query.retried_max", said)


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({"attempts_min": "-1"}, "query.attempts_min", "must be at least 0"),
        ({"attempts_min": "1000001"}, "query.attempts_min", "must be at most 1000000"),
        ({"attempts_min": "many"}, "query.attempts_min", "must be a whole number"),
        ({"attempts_min": "2.5"}, "query.attempts_min", "must be a whole number"),
        ({"start": "soon"}, "query.start", "must be a time such as 2026-01-31T12:00:00Z"),
        ({"q": "a\nb"}, "query.q", "must not contain control characters"),
    ],
)
def test_an_address_that_is_not_valid_is_told_in_plain_words(
    given: dict[str, str], field: str, message: str
) -> None:
    assert problem_of("query", FilterQuery, given) == (field, message)
