"""Verdicts over the API: phases, what became of the work, and each entry's story."""

from __future__ import annotations

import httpx

from redrive import wire
from redrive.domain import JobId, JobOutcome, OutcomeKind
from tests.web.support import Console, retry_elsewhere


async def verdict_of(client: httpx.AsyncClient, operation_id: str) -> wire.OperationVerdict:
    response = await client.get(f"/admin/api/operations/{operation_id}/verdict")
    assert response.status_code == 200, response.text
    return wire.OperationVerdict.model_validate(response.json()["data"])


async def operation_of(client: httpx.AsyncClient, operation_id: str) -> wire.Operation:
    response = await client.get(f"/admin/api/operations/{operation_id}")
    return wire.Operation.model_validate(response.json()["data"])


async def retried(console: Console, client: httpx.AsyncClient, count: int) -> str:
    """An operation that has handed back ``count`` entries."""
    for number in range(count):
        await console.fail(str(number))
    started = await client.post("/admin/api/retry/all", json={"reason": "the provider is back"})
    operation_id: str = started.json()["data"]["operation_id"]
    await console.run(operation_id)
    return operation_id


async def complete(console: Console, *job_ids: str) -> None:
    following, now = console.services.following, console.services.clock.now()
    before = (await following.cursors("default", "outcomes")).get("mail", "")
    heard = [
        JobOutcome(job_id=JobId(job_id), kind=OutcomeKind.COMPLETED, at=now) for job_id in job_ids
    ]
    await following.record_outcomes("default", "mail", heard, (before, f"{before}+"))


async def test_an_operation_observes_until_everything_it_moved_has_an_outcome(
    console: Console, operator: httpx.AsyncClient
) -> None:
    operation_id = await retried(console, operator, 3)
    operation = await operation_of(operator, operation_id)
    assert (operation.state, operation.phase) == ("completed", "observing")
    assert (operation.waiting, operation.verdict.is_final) == (3, False)
    progress = await operator.get(f"/admin/api/retry/progress/{operation_id}")
    assert progress.json()["data"]["phase"] == "observing"
    (listed,) = (await operator.get("/admin/api/operations")).json()["data"]["items"]
    assert (listed["phase"], listed["verdict"]["waiting"]) == ("observing", 3)
    await complete(console, "0", "1")
    await console.fail("2")
    operation = await operation_of(operator, operation_id)
    assert (operation.phase, operation.waiting) == ("completed", 0)
    assert operation.verdict == wire.Verdict(
        is_final=True,
        moved=3,
        waiting=0,
        recovered=2,
        failed_again=1,
        failed_same=1,
        failed_differently=0,
        vanished=0,
        recovery_rate=0.6667,
        observed_until=operation.verdict.observed_until,
    )


async def test_a_verdict_tells_how_it_came_about_and_what_could_be_done_next(
    console: Console, operator: httpx.AsyncClient
) -> None:
    operation_id = await retried(console, operator, 2)
    found = await verdict_of(operator, operation_id)
    assert (found.operation_id, found.phase) == (operation_id, "observing")
    assert (found.series, found.follow_ups) == ([], [])
    await complete(console, "0")
    await console.fail("1")
    found = await verdict_of(operator, operation_id)
    assert (found.is_final, found.step_seconds) == (True, 60)
    assert sum(point.recovered for point in found.series) == 1
    assert sum(point.failed_again for point in found.series) == 1
    assert found.series[-1].recovery_rate == 0.5
    assert [(one.kind, one.entries, one.filter) for one in found.follow_ups] == [
        ("retry", 1, {"failed_again_in": operation_id}),
        ("dismiss", 1, {"failed_again_in": operation_id, "same_failures_min": 1}),
    ]


async def test_a_verdict_on_nothing_that_was_moved_is_final_at_once(
    console: Console, operator: httpx.AsyncClient
) -> None:
    await console.fail("17")
    started = (await operator.post("/admin/api/retry/all")).json()["data"]["operation_id"]
    retry_elsewhere(console.server, "17")
    await console.run(started)
    found = await verdict_of(operator, started)
    assert (found.phase, found.is_final, found.moved) == ("completed", True, 0)
    assert found.recovery_rate is None


async def test_an_unknown_operation_has_no_verdict(operator: httpx.AsyncClient) -> None:
    response = await operator.get("/admin/api/operations/op_unknown/verdict")
    assert (response.status_code, response.json()["code"]) == (404, "operation_not_found")


async def test_items_say_which_failed_again_and_whether_the_same_way(
    console: Console, operator: httpx.AsyncClient
) -> None:
    operation_id = await retried(console, operator, 3)
    await complete(console, "0")
    await console.fail("1")
    for outcome, job_id, same_way in (
        ("recovered", "0", None),
        ("failed_again", "1", True),
        ("waiting", "2", None),
    ):
        response = await operator.get(
            f"/admin/api/operations/{operation_id}/items", params={"outcome": outcome}
        )
        (item,) = response.json()["data"]["items"]
        assert (item["job_id"], item["same_way"]) == (job_id, same_way)


async def test_an_entry_tells_who_retried_it_when_why_and_that_it_failed_the_same_way(
    console: Console, operator: httpx.AsyncClient
) -> None:
    operation_id = await retried(console, operator, 1)
    entry_id = await console.fail("0")
    retry = {"app_id": "acme", "entry_id": entry_id, "reason": "once more"}
    second = (await operator.post("/admin/api/retry", json=retry)).json()["data"]
    detail = wire.EntryDetail.model_validate(
        (await operator.get(f"/admin/api/entries/{entry_id}")).json()["data"]
    )
    assert not detail.has_older
    newer, older = detail.history
    assert (older.operation_id, older.kind, older.actor) == (operation_id, "retry", "admin")
    assert (older.why, older.reason) == ("the provider is back", "requeued")
    assert (older.outcome, older.same_way) == ("failed_again", True)
    assert older.started_at <= newer.started_at
    assert (newer.operation_id, newer.why) == (second["operation_id"], "once more")
    assert (newer.outcome, newer.same_way) == ("waiting", None)
    assert older.failed_at < newer.failed_at == detail.failed_at


async def test_items_are_narrowed_by_the_way_in_which_they_failed_again(
    console: Console, operator: httpx.AsyncClient
) -> None:
    operation_id = await retried(console, operator, 3)
    await complete(console, "0")
    await console.fail("1")
    await console.fail("2", error="no such mailbox")
    for same_way, job_id in (("true", "1"), ("false", "2")):
        response = await operator.get(
            f"/admin/api/operations/{operation_id}/items", params={"same_way": same_way}
        )
        assert [one["job_id"] for one in response.json()["data"]["items"]] == [job_id]
