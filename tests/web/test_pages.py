"""The login page and the first page."""

from __future__ import annotations

import httpx
import pytest

from tests.web.support import PASSWORD, USER, Console

BROWSER = {"accept": "text/html"}
FORM = {"username": USER, "password": PASSWORD}


async def test_a_browser_comes_to_the_login_page_and_back_to_where_it_was_going(
    stranger: httpx.AsyncClient,
) -> None:
    stranger.headers.update(BROWSER)
    sent = await stranger.get("/admin/?app=a%20b&state=failed")
    assert sent.status_code == 303
    page = await stranger.get(sent.headers["location"])
    assert page.status_code == 200
    assert 'value="/admin/?app=a%20b&amp;state=failed"' in page.text
    wanted = {"next": "/admin/?app=a%20b&state=failed"}
    response = await stranger.post("/admin/login", data={**FORM, **wanted})
    assert (response.status_code, response.headers["location"]) == (303, wanted["next"])
    assert USER in (await stranger.get("/admin/")).text


@pytest.mark.parametrize(
    "wanted",
    ["https://elsewhere.test/", "//elsewhere.test", "/\\elsewhere.test", "/admin/\r\nX: y", "x"],
)
async def test_the_login_page_sends_nobody_elsewhere(
    stranger: httpx.AsyncClient, wanted: str
) -> None:
    response = await stranger.post("/admin/login", data={**FORM, "next": wanted})
    assert (response.status_code, response.headers["location"]) == (303, "/admin/")


async def test_a_wrong_password_shows_the_form_again(stranger: httpx.AsyncClient) -> None:
    response = await stranger.post("/admin/login", data={**FORM, "password": "wrong"})
    assert response.status_code == 401
    assert "The name or the password is not right." in response.text
    assert "set-cookie" not in response.headers


async def test_an_incomplete_form_is_shown_again(stranger: httpx.AsyncClient) -> None:
    for content in (b"username=admin", b"", b"username=%ff&password=%ff"):
        response = await stranger.post(
            "/admin/login",
            content=content,
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        assert response.status_code == 422
        assert "<form" in response.text


async def test_too_many_failures_are_told_on_the_page(stranger: httpx.AsyncClient) -> None:
    for _ in range(5):
        await stranger.post("/admin/login", data={**FORM, "password": "wrong"})
    response = await stranger.post("/admin/login", data=FORM)
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    assert "try again in 1 s" in response.text


async def test_what_a_user_or_an_address_brings_along_is_escaped(
    console: Console, stranger: httpx.AsyncClient
) -> None:
    page = await stranger.get("/admin/login", params={"next": '/admin/"><script>'})
    assert "<script>" not in page.text
    user = await console.services.accounts.user(USER)
    assert user is not None
    await console.services.accounts.put_user("<b>", user.password_hash)
    await stranger.post("/admin/login", data={**FORM, "username": "<b>"})
    assert "&lt;b&gt;" in (await stranger.get("/admin/")).text


async def test_pages_may_load_nothing_from_elsewhere(operator: httpx.AsyncClient) -> None:
    policy = (await operator.get("/admin/")).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "http" not in policy


async def test_logging_out_on_the_page_ends_the_session(operator: httpx.AsyncClient) -> None:
    response = await operator.post("/admin/logout")
    assert (response.status_code, response.headers["location"]) == (303, "/admin/login")
    assert (await operator.get("/admin/api/session")).status_code == 401


@pytest.mark.parametrize("path", ["/", "/admin"])
async def test_the_console_is_found_from_the_root(operator: httpx.AsyncClient, path: str) -> None:
    response = await operator.get(path)
    assert (response.status_code, response.headers["location"]) == (303, "/admin/")
