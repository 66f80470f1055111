"""An entry's history, newest first."""

from __future__ import annotations

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
from tests.support.factories import AT, QUEUE, SOURCE, id_of


def test_of_moments_with_the_same_time_what_came_of_the_other_stands_above_it() -> None:
    entry = Entry(
        entry_id=id_of("1"),
        app_id=AppId("acme"),
        source=SOURCE,
        queue=QUEUE,
        job_id=JobId("1"),
        job_name="deliver",
        state=EntryState.RECOVERED,
        state_reason="",
        failure_seq=1,
        failures=1,
        generation=2,
        failed_at=AT,
        first_failed_at=AT,
        created_at=AT,
        started_at=AT,
        recovered_at=AT,
        error_type="Error",
        error_message="down",
        attempts_made=1,
        data_size=0,
        forgets=False,
        defect=None,
        operation_id=OperationId("op_2"),
    )
    story = tuple(chapter(name, entry) for name in ("op_2", "op_1"))
    detail = EntryDetail(entry=entry, stacktrace="", payload=None, story=story)
    moments = timeline_of(detail)
    assert [moment.operation_id or moment.title for moment in moments] == [
        "Recovered",
        "op_2",
        "op_1",
        "Failed",
        "Added to its queue",
    ]


def chapter(operation_id: str, entry: Entry) -> Chapter:
    found = item(operation_id, entry)
    return Chapter(item=found, kind=OperationKind.RETRY, actor="ada", why="", started_at=AT)


def item(operation_id: str, entry: Entry) -> Item:
    return Item(
        operation_id=OperationId(operation_id),
        entry_id=entry.entry_id,
        app_id=entry.app_id,
        job_id=entry.job_id,
        queue=entry.queue,
        batch_number=1,
        state=ItemState.REQUEUED,
        reason=Reason.REQUEUED,
        detail="",
        outcome=Outcome.RECOVERED,
        failed_at=AT,
        settled_at=AT,
    )
