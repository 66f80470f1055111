"""The values of the domain."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redrive.domain import (
    BULK_TAKES,
    LIVE_STATES,
    OPEN_STATES,
    SETTLED_STATES,
    SINGLE_TAKES,
    TERMINAL_STATES,
    Answer,
    App,
    AppId,
    Controls,
    EntryFilter,
    EntryId,
    EntryState,
    Limit,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    Pace,
    Reason,
    Scope,
    entry_id_of,
    from_millis,
    progress_of,
    to_millis,
)
from tests.support.factories import AT, failure, later

LAST_MILLIS = 253_402_300_799_999


def operation(**values: Any) -> Operation:
    """A running operation of a hundred, ten seconds old, with nothing done yet."""
    bare = Operation(
        operation_id=OperationId("op_1"),
        kind=OperationKind.RETRY,
        scope=Scope.everything(),
        state=OperationState.RUNNING,
        cutoff_seq=100,
        total=100,
        requeued=0,
        skipped=0,
        errored=0,
        released=0,
        recovered=0,
        failed_again=0,
        vanished=0,
        runner_epoch=1,
        actor="ada",
        origin="cli",
        reason="",
        created_at=AT,
        started_at=AT,
        finished_at=None,
        cancelled_by=None,
        error=None,
    )
    return replace(bare, **values)


def test_an_entry_id_is_the_same_for_the_same_job_in_every_release() -> None:
    assert entry_id_of("default", "mail", "42") == "ent_ce88fcd792655a08ad19ea84"
    assert failure("42").entry_id == entry_id_of("default", "mail", "42")


@given(st.tuples(*[st.text()] * 3), st.tuples(*[st.text()] * 3))
def test_different_jobs_have_different_entry_ids(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    named = any("\0" in part for part in one + other)
    assert (entry_id_of(*one) == entry_id_of(*other)) == (one == other) or named


def test_the_parts_of_an_entry_id_do_not_run_together() -> None:
    ids = {entry_id_of("a", "bc", "d"), entry_id_of("ab", "c", "d"), entry_id_of("a", "b", "cd")}
    assert len(ids) == 3


def test_text_that_is_not_valid_has_an_entry_id_too() -> None:
    assert entry_id_of("default", "mail", "\ud800") != entry_id_of("default", "mail", "\ud801")


@given(st.integers(-62_135_596_800_000, LAST_MILLIS))
def test_milliseconds_come_back_from_their_time(millis: int) -> None:
    value = from_millis(millis)
    assert value.tzinfo is UTC
    assert to_millis(value) == millis


def test_a_time_of_another_zone_is_the_same_instant() -> None:
    east = timezone(timedelta(hours=5))
    assert to_millis(datetime(2026, 1, 1, 5, tzinfo=east)) == to_millis(
        datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_every_entry_state_is_settled_live_or_claimed() -> None:
    assert sorted([*SETTLED_STATES, *LIVE_STATES, EntryState.CLAIMED]) == sorted(EntryState)


def test_every_operation_state_is_open_or_terminal() -> None:
    assert sorted([*OPEN_STATES, *TERMINAL_STATES]) == sorted(OperationState)
    assert [state for state in OperationState if state.terminal] == list(TERMINAL_STATES)


@pytest.mark.parametrize("kind", OperationKind)
def test_a_bulk_operation_takes_nothing_that_a_single_one_would_not(kind: OperationKind) -> None:
    assert set(BULK_TAKES[kind]) <= set(SINGLE_TAKES[kind]) <= set(SETTLED_STATES)


def test_a_job_is_moved_by_two_answers_only() -> None:
    assert {answer for answer in Answer if answer.moved} == {Answer.REQUEUED, Answer.RECREATED}


@pytest.mark.parametrize("answer", [answer for answer in Answer if answer != Answer.WITHHELD])
def test_every_answer_of_an_engine_is_a_reason_of_an_item(answer: Answer) -> None:
    assert Reason(answer.value) == answer.value


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        (Scope.everything(), "all apps"),
        (Scope.of_app(AppId("acme")), "app acme"),
        (Scope.of_entry(AppId("acme"), EntryId("ent_1")), "entry ent_1"),
    ],
)
def test_a_scope_says_what_it_selects(scope: Scope, text: str) -> None:
    assert str(scope) == text


@pytest.mark.parametrize(("counts", "failed"), [({}, 0), ({EntryState.FAILED: 3}, 3)])
def test_an_app_says_how_many_of_its_entries_are_failed(
    counts: dict[EntryState, int], failed: int
) -> None:
    app = App(
        app_id=AppId("acme"),
        display_name="acme",
        counts=counts,
        first_seen_at=AT,
        last_failed_at=None,
    )
    assert app.failed == failed


@given(*[st.integers(0, 25)] * 4)
def test_progress_adds_up(requeued: int, skipped: int, errored: int, released: int) -> None:
    given = operation(requeued=requeued, skipped=skipped, errored=errored, released=released)
    progress = progress_of(given, later(10))
    assert progress.completed == progress.succeeded + progress.failed + progress.skipped
    assert (progress.succeeded, progress.failed) == (requeued, errored)
    assert (progress.skipped, progress.released) == (skipped, released)
    assert progress.completed == given.completed <= progress.total


@pytest.mark.parametrize(
    ("least", "most", "bounds"),
    [
        ("attempts_min", "attempts_max", (2, 1)),
        ("retried_min", "retried_max", (5, 2)),
        ("failed_from", "failed_before", (later(1), AT)),
    ],
)
def test_a_range_of_a_filter_does_not_end_before_it_begins(
    least: str, most: str, bounds: tuple[Any, Any]
) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{most}: must not be below {bounds[0]}")):
        EntryFilter(**{least: bounds[0], most: bounds[1]})
    assert EntryFilter(**{least: bounds[0], most: bounds[0]}) != EntryFilter()


def test_rate_and_time_left_are_told_from_what_is_done_so_far() -> None:
    progress = progress_of(operation(requeued=40), later(10))
    assert (progress.rate, progress.eta_seconds) == (4.0, 15.0)


@pytest.mark.parametrize(
    ("effective", "measured", "limit", "left"),
    [
        (5.0, 4.0, Limit.RATE, 12.0),
        (None, 4.0, Limit.NONE, 15.0),
        (None, 0.0, Limit.NONE, None),
        (5.0, 4.0, Limit.CANARY, None),
    ],
)
def test_the_time_left_is_told_from_the_pace_where_it_is_known(
    effective: float | None, measured: float, limit: Limit, left: float | None
) -> None:
    pace = Pace(effective_rate=effective, measured_rate=measured, limited_by=limit)
    assert progress_of(operation(requeued=40), later(1000), pace).eta_seconds == left


def test_an_average_over_a_pause_tells_no_time_left() -> None:
    assert progress_of(operation(requeued=40, turn=2), later(1000)).eta_seconds is None


@pytest.mark.parametrize("state", ["queued", "paused", "cancelling", "completed"])
def test_what_does_not_run_is_held_by_nothing_but_a_pause(state: str) -> None:
    controls = Controls(rate=50.0)
    found = operation(state=OperationState(state), requeued=40, controls=controls)
    told = progress_of(found, later(10))
    limit = Limit.PAUSED if state == "paused" else None
    assert (told.effective_rate, told.measured_rate, told.limited_by) == (None, 0.0, limit)
    assert told.eta_seconds == (0.0 if state == "completed" else None)


@pytest.mark.parametrize("values", [{"started_at": None}, {}], ids=["not started", "nothing done"])
def test_the_time_left_is_unknown_before_anything_is_done(values: dict[str, object]) -> None:
    progress = progress_of(operation(**values), later(10))
    assert (progress.rate, progress.eta_seconds) == (0.0, None)


@pytest.mark.parametrize("state", TERMINAL_STATES)
def test_a_finished_operations_rate_stands_still(state: OperationState) -> None:
    finished = operation(state=state, requeued=50, finished_at=later(10))
    assert progress_of(finished, later(10)) == progress_of(finished, later(10_000))
    progress = progress_of(finished, later(10_000))
    assert (progress.rate, progress.eta_seconds) == (5.0, 0.0)
    assert progress.cancelled is (state is OperationState.CANCELLED)


@pytest.mark.parametrize("now", [AT, later(-5)], ids=["at once", "by a clock that went back"])
def test_a_rate_is_told_even_if_no_time_has_passed(now: datetime) -> None:
    assert progress_of(operation(requeued=1), now).rate == 1000.0
