"""The OpenAPI document, and requests made up from it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from redrive.web import listen, serve
from redrive.web.openapi import ADDRESS
from tests.support.servers import RedisServer
from tests.web.support import PASSWORD, USER, Console, open_console, settings_of

EXAMPLES = 15


@pytest.fixture
def console_url(redis_server: RedisServer, tmp_path: Path) -> Iterator[str]:
    """A console with three failed entries that serves from a thread of its own."""
    listener = listen(settings_of(host="127.0.0.1").model_copy(update={"port": 0}))
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        async with open_console(redis_server, tmp_path) as console:
            for number in range(3):
                await console.fail(str(number))
            await serve(console.app, console.services.settings, stop=stop, listener=listener)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


@pytest.fixture
async def document(operator: httpx.AsyncClient) -> dict[str, Any]:
    made: dict[str, Any] = (await operator.get(ADDRESS)).json()
    return made


def log_in(url: str) -> tuple[str, dict[str, Any]]:
    """The session's cookie and the document."""
    with httpx.Client(base_url=url) as client:
        body = {"username": USER, "password": PASSWORD}
        client.post("/admin/api/login", json=body, timeout=30).raise_for_status()
        return f"redrive={client.cookies['redrive']}", client.get(ADDRESS).json()


def test_requests_made_up_from_the_document_get_the_answers_that_it_promises(
    console_url: str,
) -> None:
    cookie, made = log_in(console_url)
    found = schemathesis.openapi.from_dict(made).get_all_operations()
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(operations) >= 20
    for operation in sorted(operations, key=lambda one: one.label.endswith("/logout")):

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        def check(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(
                base_url=console_url,
                headers={"cookie": cookie},
                timeout=30,
                # A cursor is opaque: the document cannot say which ones a list gave out.
                excluded_checks=[positive_data_acceptance],
            )

        check()


async def test_the_document_is_for_those_who_are_logged_in(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get(ADDRESS)).status_code == 401


async def test_every_request_body_and_every_action_s_answer_has_an_example(
    document: dict[str, Any],
) -> None:
    schemas = document["components"]["schemas"]
    shown = {name for name, schema in schemas.items() if "example" in schema}
    assert {name for name in schemas if name.endswith("Request")} <= shown
    assert {"RetryResponse", "BulkRetryResponse", "BulkProgressResponse", "Operation"} <= shown
    assert {"CancelResponse", "Problem"} <= shown


async def test_every_route_documents_its_errors_as_problems(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            errors = {status for status in operation["responses"] if status >= "400"}
            assert "503" in errors, (method, path)
            if path != "/readyz":
                assert "401" in errors, (method, path)
            for status in errors:
                content = operation["responses"][status]["content"]
                assert list(content) == ["application/problem+json"], (method, path, status)


async def test_the_document_is_made_once(console: Console, document: dict[str, Any]) -> None:
    made = console.app.openapi_schema
    async with console.operator() as client:
        assert (await client.get(ADDRESS)).json() == document
    assert console.app.openapi_schema is made


async def test_no_description_is_missing_where_a_model_has_one(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["description"]
