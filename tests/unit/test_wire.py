"""The shapes that clients rely on."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from redrive import domain, wire

AT = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


def operation(**changes: Any) -> domain.Operation:
    fields: dict[str, Any] = {
        "operation_id": "op_1",
        "kind": domain.OperationKind.RETRY,
        "scope": domain.Scope.of_app(domain.AppId("acme")),
        "state": domain.OperationState.COMPLETED,
        "cutoff_seq": 9,
        "total": 10,
        "requeued": 6,
        "skipped": 3,
        "errored": 1,
        "released": 0,
        "recovered": 5,
        "failed_again": 1,
        "vanished": 0,
        "runner_epoch": 1,
        "actor": "admin",
        "origin": "127.0.0.1",
        "reason": "",
        "created_at": AT,
        "started_at": AT,
        "finished_at": AT,
        "cancelled_by": None,
        "error": None,
    }
    return domain.Operation(**{**fields, **changes})


def test_a_client_needs_only_pydantic_and_the_domain() -> None:
    code = (
        "import sys, redrive.wire\n"
        "ours = {n for n in sys.modules if n.startswith('redrive.')}\n"
        "print(sorted(n for n in ours if not n.startswith(('redrive.wire', 'redrive.domain'))))\n"
        "print(sorted(n for n in ('fastapi', 'redis', 'sqlalchemy') if n in sys.modules))\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert printed.splitlines() == ["[]", "[]"]


@pytest.mark.parametrize(
    ("model", "body", "field"),
    [
        (wire.RetryRequest, {"app_id": "a"}, "entry_id"),
        (wire.RetryRequest, {"app_id": "a", "entry_id": ""}, "entry_id"),
        (wire.RetryRequest, {"app_id": "a\n", "entry_id": "e"}, "app_id"),
        (wire.RetryRequest, {"app_id": "a", "entry_id": 7}, "entry_id"),
        (wire.RetryRequest, {"app_id": "a", "entry_id": "e", "force": True}, "force"),
        (wire.BulkRetryRequest, {"reason": "x" * 501}, "reason"),
        (wire.BulkRetryRequest, {"reason": "\x1b[2J"}, "reason"),
        (wire.BulkRetryRequest, {"idempotency_key": "x" * 201}, "idempotency_key"),
        (wire.BulkRetryRequest, {"idempotency_key": ""}, "idempotency_key"),
        (wire.LoginRequest, {"username": "admin", "password": ""}, "password"),
    ],
)
def test_input_out_of_bounds_is_refused_by_field(
    model: type[BaseModel], body: dict[str, object], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(body)
    assert [error["loc"] for error in refused.value.errors()] == [(field,)]


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (wire.PlanRequest, {"everything": "yes"}),
        (wire.PlanRequest, {"everything": 1}),
        (wire.PlanRequest, {"include_repeated": "true"}),
        (wire.PlanRequest, {"filter": {"retried_max": "2"}}),
        (wire.PlanRequest, {"filter": {"attempts_min": True}}),
        (wire.PlanRequest, {"filter": {"failed_from": 10}}),
        (wire.PlanRequest, {"filter": {"failed_before": True}}),
        (wire.BulkRetryRequest, {"rate": True}),
        (wire.BulkRetryRequest, {"rate": "5"}),
        (wire.BulkRetryRequest, {"rate": 5, "floor": True}),
        (wire.BulkRetryRequest, {"low_priority": "on"}),
        (wire.BulkRetryRequest, {"canary": {"entries": True}}),
        (wire.BulkRetryRequest, {"canary": {"entries": 2, "percent": "80"}}),
        (wire.BulkRetryRequest, {"canary": {"entries": 2, "seconds": True}}),
        (wire.BulkRetryRequest, {"guard": {"percent": True}}),
        (wire.BulkRetryRequest, {"guard": {"percent": 5, "outcomes": "9"}}),
        (wire.ChangeControlsRequest, {"rate": True}),
        (wire.CancelRequest, {"undo": "yes"}),
    ],
    ids=str,
)
def test_what_moves_jobs_takes_no_value_of_another_type(
    model: type[BaseModel], body: dict[str, object]
) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(body)


def test_a_whole_number_is_a_rate() -> None:
    body = {"rate": 5, "canary": {"entries": 2, "percent": 80}, "low_priority": True}
    assert wire.BulkRetryRequest.model_validate(body).rate == 5.0


def test_a_password_is_not_shown_by_its_request() -> None:
    request = wire.LoginRequest.model_validate({"username": "admin", "password": "hunter2!"})
    assert "hunter2!" not in repr(request)


def test_an_operation_carries_every_field_of_its_progress() -> None:
    assert set(wire.BulkProgressResponse.model_fields) < set(wire.Operation.model_fields)


def test_an_operation_shows_the_same_counts_as_its_progress() -> None:
    shown = wire.Operation.of(operation(), AT, domain.OBSERVE_FOR)
    assert (shown.total, shown.completed) == (10, 10)
    assert (shown.succeeded, shown.failed, shown.skipped) == (6, 1, 3)
    assert (shown.scope, shown.app_id) == (domain.ScopeKind.APP, "acme")


@pytest.mark.parametrize(
    ("state", "cancelled"),
    [(domain.OperationState.CANCELLED, True), (domain.OperationState.COMPLETED, False)],
)
def test_cancelled_says_whether_the_operation_was(
    state: domain.OperationState, cancelled: bool
) -> None:
    shown = wire.Operation.of(operation(state=state), AT, domain.OBSERVE_FOR)
    assert shown.cancelled is cancelled


def test_progress_is_the_domain_s_progress_field_by_field() -> None:
    progress = domain.progress_of(operation(), AT)
    shown = wire.BulkProgressResponse.at(progress, AT, domain.OBSERVE_FOR).model_dump()
    assert shown.pop("phase") == domain.phase_of(progress, AT, domain.OBSERVE_FOR)
    assert shown == {name: getattr(progress, name) for name in shown}


def test_a_verdict_is_the_domain_s_verdict_field_by_field() -> None:
    verdict = domain.verdict_of(operation(failed_same=1), AT, domain.OBSERVE_FOR)
    shown = wire.Operation.of(operation(failed_same=1), AT, domain.OBSERVE_FOR).verdict
    assert shown.model_dump() == {
        name: getattr(verdict, name) for name in wire.Verdict.model_fields
    }


def test_half_a_surrogate_pair_from_a_queue_does_not_break_an_answer() -> None:
    job = wire.Job.model_validate(
        domain.JobSummary(
            job_id=domain.JobId("\ud800"),
            name="x",
            state=domain.JobState.FAILED,
            attempts_made=1,
            created_at=None,
            finished_at=None,
            error_message="bad \udfff",
        )
    )
    assert job.model_dump_json().encode()
    assert job.error_message == "bad ?"


def test_a_client_passes_over_fields_of_a_newer_server() -> None:
    body = {"message": "m", "operation_id": "op", "total": 1, "from_the_future": True}
    assert wire.BulkRetryResponse.model_validate(body).total == 1


@pytest.mark.parametrize("name", wire.__all__)
def test_every_model_says_what_it_is(name: str) -> None:
    assert getattr(wire, name).__doc__
