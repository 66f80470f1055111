"""What varies in messages is replaced; what tells causes apart is kept."""

from __future__ import annotations

import pytest

from redrive.fingerprint import normalise
from redrive.fingerprint.message import LONGEST_RESULT, MOST_CODES, codes_of, shape_of


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("no user bob.smith+x@mail.example.com", "no user <email>"),
        ("GET https://a.example/b?c=1,2&d=[3] failed", "GET <url>[<number>] failed"),
        ("getaddrinfo ENOTFOUND redis", "getaddrinfo ENOTFOUND <host>"),
        ("cache-eu.internal:6379 is down", "<host> is down"),
        ("api.example.com is down", "<host> is down"),
        ("redis-eu.production:6379 is down", "<host> is down"),
        ("mail.sender is down", "mail.sender is down"),
        ("server.js:12 is wrong", "server.js:<number> is wrong"),
        ("connect ECONNREFUSED 10.0.0.17:5432", "connect ECONNREFUSED <ip>"),
        ("no route to fe80::1%eth0 or ::1", "no route to <ip> or <ip>"),
        ("no order 0b7cf1a0-6f2b-4a53-9d3c-0d7c1c3c5f11", "no order <uuid>"),
        ("order-0b7cf1a0-6f2b-4a53-9d3c-0d7c1c3c5f11 gone", "order-<uuid> gone"),
        ("etag d41d8cd98f00b204e9800998ecf8427e", "etag <hash>"),
        ("commit 4f3a2b1 at 0xdeadBEEF", "commit <hex> at <hex>"),
        ("since 2026-11-22T01:02:39.123Z", "since <date>"),
        ("since 2026-11-22 01:02:39,5", "since <date> <time>"),
        ("on 22/11/2026, Sun Nov", "on <date>, <date> <date>"),
        ("timeout of 3000ms exceeded", "timeout of <duration> exceeded"),
        ("timeout after 2.5 s", "timeout after <duration>"),
        ("in 1 minute, 1h30m, PT30S", "in <duration>, <duration>, <duration>"),
        ("1,234.5 of -7 and 1e10 and 12%", "<number> of <number> and <number> and <number>"),
        ("ord_17, cus_Nf8aB3xK", "ord_<number>, cus_<id>"),
        ("open '/srv/My Files/a.txt'", "open '<path>'"),
        ("Request failed with status code 503", "Request failed with status code 503"),
        ("HTTP/1.1 404", "HTTP/<number> 404"),
        ("status:503, {'statusCode':429}", "status:503, {'statusCode':429}"),
        ("Client error '404 Not Found'", "Client error '404 Not Found'"),
        ("Response code 502 (Bad Gateway)", "Response code 502 (Bad Gateway)"),
        ("AxiosError: 503", "AxiosError: 503"),
        ("503 Service Unavailable", "503 Service Unavailable"),
        ("https://a.example/ answered 502", "<url> answered 502"),
        ("got 450 rows of 500 bytes", "got <number> rows of <number> bytes"),
        ("exit status 137", "exit status <number>"),
        ("you may retry", "you may retry"),
    ],
)
def test_a_message_keeps_its_words_and_its_status(message: str, expected: str) -> None:
    assert normalise(message) == (expected,)


def test_the_first_two_lines_that_are_not_blank_count() -> None:
    assert normalise("\n \n first 1\r\n\n second 2\nthird") == ("first <number>", "second <number>")
    assert normalise(" \n\t") == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no order 12345678", "no order 4f3a2b1c"),
        ("no order ord_17", "no order ord_0b7cf1a0-6f2b-4a53-9d3c-0d7c1c3c5f11"),
        ("redis at 10.0.0.1:6379 is away", "redis at redis.internal:6379 is away"),
        ("rows 1, 2, 3", "rows 4"),
        ("1 validation error for Order", "12 validation errors for Order"),
        ("since 2026-11-22 01:02:39", "since Sun Nov 22 2026 01:02:39"),
    ],
)
def test_one_kind_of_id_does_for_another(one: str, other: str) -> None:
    assert shape_of(normalise(one)) == shape_of(normalise(other))


def test_a_long_line_is_cut_once_what_varies_is_out() -> None:
    one, other = ("x" * 50 + f" {number} " + "word " * 200 for number in ("1", "1" * 900))
    assert normalise(one) == normalise(other)
    assert len(normalise(one)[0]) == LONGEST_RESULT


@pytest.mark.parametrize(
    ("message", "codes"),
    [
        ("connect ECONNREFUSED 10.0.0.1", ("ECONNREFUSED",)),
        ("ENOENT: no such file", ("ENOENT",)),
        ("[Errno 111] Connection refused", ("errno 111",)),
        ("SQLSTATE[42P01]: no such table", ("errno 42P01",)),
        ("ERR_TLS_CERT: status 503, status 503", ("ERR_TLS_CERT", "503")),
        ("450 rows", ()),
    ],
)
def test_codes_are_read_from_the_message(message: str, codes: tuple[str, ...]) -> None:
    assert codes_of(message) == codes


def test_few_codes_count() -> None:
    assert len(codes_of("ENOENT EACCES EPERM EEXIST EPIPE")) == MOST_CODES
