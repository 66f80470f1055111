"""Logging in: cookies, answers that give nothing away, the growing delay."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from argon2 import PasswordHasher, extract_parameters

from redrive.errors import LedgerUnavailable
from redrive.web.passwords import PasswordChecker, hash_password
from tests.web.support import PASSWORD, USER, Console, log_in


async def wrong(client: httpx.AsyncClient, username: str = USER) -> httpx.Response:
    return await log_in(client, username, "wrong")


async def test_login_answers_with_the_session_and_its_cookie(stranger: httpx.AsyncClient) -> None:
    response = await log_in(stranger)
    assert response.status_code == 200
    assert response.json()["data"]["user"] == USER
    name, *attributes = response.headers["set-cookie"].split("; ")
    assert name.startswith("redrive=")
    assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=strict"}


async def test_over_tls_the_cookie_is_bound_to_tls_and_to_the_host(console: Console) -> None:
    async with console.operator("https://console.test") as client:
        response = await log_in(client)
        assert response.headers["set-cookie"].startswith("__Host-redrive=")
        assert "Secure" in response.headers["set-cookie"].split("; ")
        assert (await client.get("/admin/api/session")).status_code == 200


async def test_a_cookie_that_plain_http_could_have_set_does_not_count_over_tls(
    console: Console, operator: httpx.AsyncClient
) -> None:
    token = operator.cookies["redrive"]
    async with console.stranger("https://console.test") as client:
        client.cookies.set("redrive", token)
        assert (await client.get("/admin/api/session")).status_code == 401


async def test_redis_holds_a_hash_of_the_token_and_not_the_token(
    console: Console, operator: httpx.AsyncClient
) -> None:
    token = operator.cookies["redrive"]
    assert len(token) >= 43
    with console.server.client() as redis:
        keys = redis.keys("*")
        assert [key for key in keys if key.startswith("redrive:session:")]
        assert not [key for key in keys if token in key or token in str(redis.dump(key))]


async def test_each_login_gives_a_new_token_and_ends_the_old_session(
    console: Console, operator: httpx.AsyncClient
) -> None:
    old = operator.cookies["redrive"]
    await log_in(operator)
    assert operator.cookies["redrive"] != old
    async with console.stranger() as thief:
        thief.cookies.set("redrive", old)
        assert (await thief.get("/admin/api/session")).status_code == 401


async def test_an_unknown_user_and_a_wrong_password_get_the_same_answer(
    stranger: httpx.AsyncClient,
) -> None:
    unknown, known = await wrong(stranger, "nobody"), await wrong(stranger)
    assert unknown.status_code == known.status_code == 401
    assert unknown.content == known.content
    assert known.json()["code"] == "bad_credentials"
    assert "set-cookie" not in known.headers


async def test_an_unknown_user_costs_the_same_work_as_a_wrong_password() -> None:
    checker = PasswordChecker()
    assert extract_parameters(checker._of_nobody) == extract_parameters(hash_password("x"))
    assert not (await checker.check("nobody has this password", None)).right


def test_passwords_are_hashed_with_argon2id_at_the_asked_strength() -> None:
    assert hash_password("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_stored_hash_that_cannot_be_read_lets_nobody_in() -> None:
    assert not (await PasswordChecker().check("x", "not a hash")).right


async def test_login_takes_a_form_too(stranger: httpx.AsyncClient) -> None:
    form = {"username": USER, "password": PASSWORD}
    assert (await stranger.post("/admin/api/login", data=form)).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"username":"admin"}', "body.password"),
        ('{"username":"admin","password":"hunter2!","remember":1}', "body.remember"),
        ('{"username":"a\\u0000","password":"hunter2!"}', "body.username"),
        ('{"username":"\\ud800","password":"hunter2!"}', "body"),
        ("[]", "body"),
        ("{", "body"),
        ("", "body"),
    ],
)
async def test_a_malformed_login_is_refused_by_field_and_its_password_not_repeated(
    stranger: httpx.AsyncClient, body: str, field: str
) -> None:
    response = await stranger.post(
        "/admin/api/login", content=body, headers={"content-type": "application/json"}
    )
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert "hunter2!" not in response.text


async def test_a_hash_of_older_parameters_is_replaced_at_login(
    console: Console, stranger: httpx.AsyncClient
) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    epoch = (await console.services.accounts.put_user(USER, weak)).session_epoch
    assert (await log_in(stranger)).status_code == 200
    rows = (await console.services.overview.audit_trail(None, 10)).items
    (row,) = [row for row in rows if row.action == "user.rehash"]
    assert (row.actor, row.before, row.after) == (
        USER,
        {"session_epoch": epoch},
        {"session_epoch": epoch + 1},
    )
    user = await console.services.accounts.user(USER)
    assert user is not None
    assert "m=19456,t=2" in user.password_hash
    assert (await stranger.get("/admin/api/session")).status_code == 200
    assert (await log_in(stranger)).status_code == 200


async def test_logins_and_logouts_leave_a_trace_with_their_address(console: Console) -> None:
    async with console.stranger(address="198.51.100.7") as client:
        await wrong(client)
        await wrong(client, "hunter2-typed-into-the-wrong-field")
        await log_in(client)
        await client.post("/admin/api/logout")
    assert await console.audit_rows() == [
        (USER, "login", "refused"),
        ("(unknown user)", "login", "refused"),
        (USER, "login", "logged in"),
        (USER, "logout", "logged out"),
    ]
    page = await console.services.overview.audit_trail(None, 10)
    assert {row.origin for row in page.items} == {"198.51.100.7"}


async def test_from_the_fifth_failure_on_the_next_attempt_has_to_wait(
    console: Console, stranger: httpx.AsyncClient
) -> None:
    assert [(await wrong(stranger)).status_code for _ in range(5)] == [401] * 5
    refused = await log_in(stranger)
    assert refused.status_code == 429
    assert refused.json()["code"] == "slow_down"
    assert refused.headers["retry-after"] == "1"
    console.clock.advance(seconds=1)
    assert (await log_in(stranger)).status_code == 200


async def test_attempts_while_the_ledger_is_away_are_not_failures(
    console: Console, stranger: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_name: str) -> None:
        raise LedgerUnavailable

    for _ in range(4):
        await wrong(stranger)
    with monkeypatch.context() as outage:
        outage.setattr(console.services.accounts, "user", away)
        assert [(await log_in(stranger)).status_code for _ in range(6)] == [503] * 6
    assert (await wrong(stranger)).status_code == 401, "the fifth failure"
    assert (await log_in(stranger)).status_code == 429


async def test_the_delay_grows_to_a_minute_and_no_further(
    console: Console, stranger: httpx.AsyncClient
) -> None:
    for _ in range(4):
        await wrong(stranger)
    delays = []
    for _ in range(9):
        assert (await wrong(stranger)).status_code == 401
        delays.append(int((await wrong(stranger)).headers["retry-after"]))
        console.clock.advance(seconds=delays[-1])
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert (await log_in(stranger)).status_code == 200


async def test_a_burst_gets_no_more_tries_than_a_sequence(stranger: httpx.AsyncClient) -> None:
    responses = await asyncio.gather(*(wrong(stranger) for _ in range(20)))
    assert sorted(response.status_code for response in responses) == [401] * 5 + [429] * 15


async def test_an_account_is_guarded_over_all_addresses(console: Console) -> None:
    for number in range(5):
        async with console.stranger(address=f"198.51.100.{number}") as client:
            assert (await wrong(client)).status_code == 401
    async with console.stranger(address="203.0.113.1") as client:
        assert (await wrong(client)).status_code == 429
        assert (await wrong(client, "somebody else")).status_code == 401


@pytest.mark.parametrize(
    "addresses",
    [["198.51.100.7"] * 6, ["2001:db8::1", "2001:db8::2"] * 3],
    ids=["one IPv4 address", "one IPv6 network"],
)
async def test_an_address_is_guarded_over_all_accounts(
    console: Console, addresses: list[str]
) -> None:
    statuses = []
    for number, address in enumerate(addresses):
        async with console.stranger(address=address) as client:
            statuses.append((await wrong(client, f"user-{number}")).status_code)
    assert statuses == [401] * 5 + [429]


async def test_ipv4_addresses_written_as_ipv6_are_guarded_one_by_one(console: Console) -> None:
    for number in range(6):
        async with console.stranger(address=f"::ffff:198.51.100.{number}") as client:
            assert (await wrong(client, f"user-{number}")).status_code == 401


async def test_success_forgets_the_account_s_failures(stranger: httpx.AsyncClient) -> None:
    for _ in range(4):
        await wrong(stranger)
    assert (await log_in(stranger)).status_code == 200
    assert (await wrong(stranger, "somebody else")).status_code == 401


async def test_one_known_password_buys_an_address_no_guesses_at_others(
    stranger: httpx.AsyncClient,
) -> None:
    statuses = []
    for number in range(6):
        statuses.append((await wrong(stranger, f"user-{number}")).status_code)
        await log_in(stranger)
    assert statuses == [401] * 5 + [429]


async def test_counts_of_failures_are_forgotten_after_an_hour(
    console: Console, stranger: httpx.AsyncClient
) -> None:
    await wrong(stranger)
    with console.server.client() as redis:
        keys = redis.keys("redrive:login:*")
        assert len(keys) == 2
        assert all(0 < redis.ttl(key) <= 3600 for key in keys)
