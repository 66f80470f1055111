"""Every route is gated, and every error has the one shape."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import product

import httpx
import pytest
import structlog
from fastapi.routing import APIRoute

from redrive import errors
from redrive.logs import configure_logging
from redrive.web.app import ROUTERS, create_app
from redrive.web.assets import ADDRESSES
from redrive.web.gate import LARGEST_BODY, PUBLIC
from redrive.web.openapi import ADDRESS
from redrive.web.problems import code_of, status_of
from tests.web.support import Console, log_in

BROWSER = {"accept": "text/html,application/xhtml+xml"}
NAMES = {"app_id": "no/such", "entry_id": "no-such", "operation_id": "no-such", "name": "no-such"}
NAMES |= {"group_id": "no-such"}
JSON = {"content-type": "application/json"}


def routes() -> Iterator[tuple[str, str]]:
    """Method and path of every route, its parameters filled in."""
    yield "GET", ADDRESS
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in sorted(route.methods or ()):
                yield method, route.path_format.format(**NAMES)


GATED = [(method, path) for method, path in routes() if path not in PUBLIC]


def assert_problem(response: httpx.Response, status: int | None = None) -> None:
    """The answer is an error in the one shape."""
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert {"type", "title", "status", "detail", "code"} <= problem.keys()
    assert problem["status"] == response.status_code
    assert status in (None, response.status_code), (response.request.url, problem)
    assert_headers(response)


def assert_page(response: httpx.Response, status: int, said: str) -> None:
    """The answer is a page for people."""
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    assert said in response.text
    assert_headers(response)


def assert_headers(response: httpx.Response) -> None:
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert response.headers["cross-origin-opener-policy"] == "same-origin"


def test_the_routes_that_need_no_session_are_these() -> None:
    assert {path for _, path in routes() if path in PUBLIC} - ADDRESSES == {
        "/admin/login",
        "/admin/api/login",
        "/healthz",
        "/readyz",
        "/metrics",
    }


async def test_without_a_session_every_route_answers_401_and_does_nothing(
    stranger: httpx.AsyncClient,
) -> None:
    for method, path in GATED:
        body = "{not json" if method in ("POST", "PATCH", "PUT") else ""
        assert_problem(await stranger.request(method, path, content=body, headers=JSON), 401)


async def test_without_a_session_a_browser_is_sent_to_the_login_page_from_pages_only(
    stranger: httpx.AsyncClient,
) -> None:
    for method, path in GATED:
        response = await stranger.request(method, path, headers=BROWSER)
        if method == "GET" and not path.startswith("/admin/api/"):
            assert response.status_code == 303, path
            assert response.headers["location"].startswith("/admin/login?next=/")
        elif path.startswith("/admin/api/") or not path.startswith("/admin/"):
            assert_problem(response, 401)
        else:
            assert_page(response, 401, "Your session has ended")


async def test_whatever_a_route_answers_errors_have_the_one_shape(
    operator: httpx.AsyncClient,
) -> None:
    bodies = ("", "{}", "[]", "{", '"\\ud800"', "[" * 60_000)
    for (method, path), content in product(GATED, bodies):
        response = await operator.request(method, path, content=content, headers=JSON)
        assert response.status_code not in (401, 500), (method, path, content[:10])
        if response.status_code >= 400:
            assert_problem(response)
        else:
            assert_headers(response)
        if path.endswith("/logout"):
            await log_in(operator)


async def test_a_page_of_another_site_cannot_act(operator: httpx.AsyncClient) -> None:
    elsewhere = {"sec-fetch-site": "cross-site"}
    for method, path in [one for one in GATED if one[0] != "GET"]:
        response = await operator.request(method, path, headers=elsewhere)
        assert_problem(response, 403)
        assert response.json()["code"] == "cross_origin"


async def test_a_page_of_another_site_cannot_log_anyone_in(stranger: httpx.AsyncClient) -> None:
    for path in ("/admin/login", "/admin/api/login"):
        response = await stranger.post(path, headers={"origin": "http://elsewhere.test"})
        assert_problem(response, 403)


@pytest.mark.parametrize(
    "host", ["console.test/healthz?", "console.test/healthz#", "a@b/metrics?", "[::1", ""]
)
async def test_no_host_header_opens_the_gate(stranger: httpx.AsyncClient, host: str) -> None:
    response = await stranger.get("/admin/api/entries", headers={"host": host})
    assert_problem(response, 401)


@pytest.mark.parametrize(
    "path", ["/healthz/../admin/api/entries", "/admin/api/login/", "//healthz", "/admin/API/apps"]
)
async def test_no_odd_path_opens_the_gate(stranger: httpx.AsyncClient, path: str) -> None:
    url = httpx.URL("http://console.test").copy_with(raw_path=path.encode())
    assert_problem(await stranger.get(url), 401)


async def test_an_unknown_route_is_404_and_a_wrong_method_405(operator: httpx.AsyncClient) -> None:
    assert_problem(await operator.get("/admin/api/nothing"), 404)
    assert_problem(await operator.get("/admin/nothing"), 404)
    assert_page(await operator.get("/admin/nothing", headers=BROWSER), 404, "nothing here")
    wrong_method = await operator.get("/admin/api/retry")
    assert_problem(wrong_method, 405)
    assert wrong_method.headers["allow"] == "POST"


async def test_retrying_is_never_done_by_get(operator: httpx.AsyncClient) -> None:
    assert_problem(await operator.get("/admin/api/retry/all"), 405)


async def test_a_body_that_is_too_large_is_refused(operator: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_BODY // 1024 + 1):
            yield b" " * 1024

    announced = b" " * (LARGEST_BODY + 1)
    for content in (announced, chunks()):
        response = await operator.post("/admin/api/retry", content=content, headers=JSON)
        assert_problem(response, 413)
    fits = b" " * LARGEST_BODY
    response = await operator.post("/admin/api/retry", content=fits, headers=JSON)
    assert_problem(response, 422)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_a_body_that_is_not_json_is_refused(
    operator: httpx.AsyncClient, content_type: str
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    response = await operator.post("/admin/api/retry", content=b"{}", headers=headers)
    assert_problem(response, 415)


async def test_an_error_inside_tells_nothing_about_the_inside(
    console: Console, operator: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    async def crash() -> None:
        password = "hunter2!"
        raise RuntimeError(f"secret of {len(password)}")

    async def outdated_runner() -> None:
        raise errors.StaleRunner(operation_id="secret")

    configure_logging(console.services.settings)
    console.app.add_api_route("/admin/api/crash", crash)
    console.app.add_api_route("/admin/api/stale", outdated_runner)
    for path in ("/admin/api/crash", "/admin/api/stale"):
        response = await operator.get(path)
        assert_problem(response, 500)
        assert "secret" not in response.text
        logged = capsys.readouterr().err
        assert response.json()["request_id"] == response.headers["x-request-id"]
        assert response.headers["x-request-id"] in logged
        assert "secret" in logged
        assert "hunter2!" not in logged.replace('password = "hunter2!"', "")
    structlog.reset_defaults()


def test_every_error_that_can_reach_a_client_has_a_status_and_a_code() -> None:
    inside = {errors.StaleRunner, errors.RedriveError}
    for name in dir(errors):
        kind = getattr(errors, name)
        is_error = isinstance(kind, type) and issubclass(kind, errors.RedriveError)
        if is_error and kind is not errors.SettingsError:
            assert (status_of(kind("message")) == 500) == (kind in inside), kind
    assert code_of(errors.EntryNotFound) == "entry_not_found"


async def test_over_tls_browsers_are_told_to_stay_with_it(console: Console) -> None:
    async with console.stranger("https://console.test") as client:
        response = await client.get("/healthz")
        assert "max-age" in response.headers["strict-transport-security"]
    async with console.stranger() as client:
        assert "strict-transport-security" not in (await client.get("/healthz")).headers


async def test_an_app_can_be_made_more_than_once(console: Console) -> None:
    services = console.app.state.console.services
    assert create_app(services) is not console.app
