"""An entry's story, newest first."""

from __future__ import annotations

from typing import Any

from redrive.domain import (
    AppId,
    Chapter,
    Entry,
    EntryDetail,
    EntryState,
    Item,
    ItemState,
    JobId,
    OperationId,
    OperationKind,
    Outcome,
    Reason,
)
from redrive.web.pages.timeline import timeline_of
from tests.support.factories import AT, QUEUE, SOURCE, id_of, later


def test_of_moments_with_the_same_time_what_came_of_the_other_stands_above_it() -> None:
    moments = timeline_of(
        detail(
            entry(state=EntryState.RECOVERED, created_at=AT, recovered_at=AT),
            chapter("op_2", outcome=Outcome.RECOVERED),
            chapter("op_1", outcome=Outcome.RECOVERED),
        )
    )
    assert [moment.operation_id or moment.title for moment in moments] == [
        "Recovered",
        "op_2",
        "op_1",
        "Failed",
        "Added to its queue",
    ]


def test_a_story_says_who_retried_it_why_and_how_it_failed_again() -> None:
    same: dict[str, Any] = {"outcome": Outcome.FAILED_AGAIN, "same_way": True}
    other: dict[str, Any] = {"outcome": Outcome.FAILED_AGAIN, "same_way": False}
    moments = timeline_of(
        detail(
            entry(failed_at=later(20), failures=3, attempts_made=5),
            chapter("op_2", at=10, settled=15, actor="bob", kind=OperationKind.RESYNC, **other),
            chapter("op_1", at=0, settled=5, why="the provider is back", **same),
        )
    )
    assert [(moment.at, moment.title, moment.detail) for moment in moments] == [
        (later(20), "Failed again in another way", "failure 3 in all, after 5 attempts"),
        (later(15), "Resynced by bob", ""),
        (later(10), "Failed again the same way", ""),
        (later(5), "Retried by ada", ""),
        (later(0), "Failed", ""),
    ]
    assert moments[3].why == "the provider is back"


def test_a_job_that_failed_before_it_was_noted_that_it_was_put_back_failed_after_it() -> None:
    moments = timeline_of(
        detail(
            entry(failed_at=later(2)),
            chapter("op_1", settled=9, outcome=Outcome.FAILED_AGAIN, same_way=True),
        )
    )
    assert [(moment.at, moment.title) for moment in moments] == [
        (later(2), "Failed again the same way"),
        (later(2), "Retried by ada"),
        (later(0), "Failed"),
    ]


def test_a_recovery_elsewhere_stands_where_its_time_belongs() -> None:
    moments = timeline_of(
        detail(
            entry(failed_at=later(20), recovered_at=later(10)),
            chapter("op_1", at=0, settled=1, state=ItemState.SKIPPED, reason=Reason.NOT_FAILED),
        )
    )
    assert [moment.title for moment in moments] == [
        "Failed",
        "Recovered, before it failed again",
        "Retry by ada: skipped",
        "Failed",
    ]


def test_a_failure_that_cannot_be_compared_only_failed_again() -> None:
    moments = timeline_of(
        detail(entry(failed_at=later(9)), chapter("op_1", outcome=Outcome.FAILED_AGAIN))
    )
    assert [moment.title for moment in moments] == ["Failed again", "Retried by ada", "Failed"]


def test_what_an_operation_left_alone_and_what_it_dismissed_is_told() -> None:
    moments = timeline_of(
        detail(
            entry(state=EntryState.DISMISSED),
            chapter(
                "op_3",
                settled=9,
                state=ItemState.DISMISSED,
                reason=Reason.DISMISSED,
                kind=OperationKind.DISMISS,
            ),
            chapter("op_2", settled=6, state=ItemState.SKIPPED, reason=Reason.ALREADY_LIVE),
            chapter("op_1", settled=None, state=ItemState.RELEASED, reason=Reason.CANCELLED),
        )
    )
    assert [(moment.title, moment.detail) for moment in moments[:3]] == [
        ("Dismissed by ada", ""),
        ("Retry by ada: skipped", "already waiting or running"),
        ("Retry by ada: given back", "given back by the cancel"),
    ]


def test_an_earlier_recovery_is_told_with_the_retry_and_the_last_one_apart() -> None:
    moments = timeline_of(
        detail(
            entry(state=EntryState.RECOVERED, failed_at=later(10), recovered_at=later(20)),
            chapter("op_2", at=10, settled=15, outcome=Outcome.RECOVERED),
            chapter("op_1", at=0, settled=5, outcome=Outcome.RECOVERED),
        )
    )
    assert [(moment.title, moment.detail) for moment in moments] == [
        ("Recovered", ""),
        ("Retried by ada", ""),
        ("Failed", ""),
        ("Retried by ada", "recovered"),
        ("Failed", ""),
    ]


def detail(of: Entry, *story: Chapter) -> EntryDetail:
    """An entry with its chapters, newest first."""
    return EntryDetail(entry=of, stacktrace="", payload=None, story=story)


def entry(**values: Any) -> Entry:
    given: dict[str, Any] = {
        "state": EntryState.FAILED,
        "failures": 1,
        "failed_at": AT,
        "created_at": None,
        "recovered_at": None,
        "attempts_made": 1,
    }
    return Entry(
        entry_id=id_of("1"),
        app_id=AppId("acme"),
        source=SOURCE,
        queue=QUEUE,
        job_id=JobId("1"),
        job_name="deliver",
        state_reason="",
        failure_seq=1,
        generation=2,
        first_failed_at=AT,
        started_at=AT,
        error_type="Error",
        error_message="down",
        data_size=0,
        forgets=False,
        defect=None,
        operation_id=OperationId("op_2"),
        **given | values,
    )


def chapter(
    operation_id: str,
    *,
    at: float = 0,
    settled: float | None = 0,
    kind: OperationKind = OperationKind.RETRY,
    actor: str = "ada",
    why: str = "",
    **values: Any,
) -> Chapter:
    """What an operation did with the failure of ``at``."""
    given: dict[str, Any] = {
        "state": ItemState.REQUEUED,
        "reason": Reason.REQUEUED,
        "outcome": None,
        "same_way": None,
    }
    item = Item(
        operation_id=OperationId(operation_id),
        entry_id=id_of("1"),
        app_id=AppId("acme"),
        job_id=JobId("1"),
        queue=QUEUE,
        batch_number=1,
        detail="",
        failed_at=later(at),
        settled_at=None if settled is None else later(settled),
        **given | values,
    )
    return Chapter(item=item, kind=kind, actor=actor, why=why, started_at=AT)
