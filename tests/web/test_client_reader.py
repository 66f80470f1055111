"""Which headers are believed."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from redrive.errors import SettingsError
from redrive.web.client import ClientReader
from tests.web.support import settings_of

BEHIND_PROXY = ClientReader(settings_of(trusted_proxies=("10.0.0.0/8", "::1")))
DIRECT = ClientReader(settings_of())


def request(peer: str = "203.0.113.9", scheme: str = "http", **headers: str) -> Request:
    named = {"host": "console.test:8484", **headers}
    return Request(
        {
            "type": "http",
            "method": "POST",
            "scheme": scheme,
            "path": "/",
            "client": (peer, 1),
            "headers": [
                (name.replace("_", "-").encode(), value.encode()) for name, value in named.items()
            ],
        }
    )


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "not an address", "10.0.0.1"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
    ],
)
def test_only_a_trusted_proxy_says_who_the_client_is(
    peer: str, forwarded: str, address: str
) -> None:
    assert BEHIND_PROXY.address(request(peer, x_forwarded_for=forwarded)) == address


def test_without_trusted_proxies_the_connection_says_who_the_client_is() -> None:
    assert DIRECT.address(request("10.0.0.1", x_forwarded_for="198.51.100.7")) == "10.0.0.1"


def test_only_a_trusted_proxy_says_that_the_browser_uses_tls() -> None:
    assert BEHIND_PROXY.is_tls(request("10.0.0.1", x_forwarded_proto="https"))
    assert not BEHIND_PROXY.is_tls(request(x_forwarded_proto="https"))
    assert not BEHIND_PROXY.is_tls(request("10.0.0.1", "https", x_forwarded_proto="http"))
    assert DIRECT.is_tls(request(scheme="https"))


def test_a_proxy_that_is_no_address_is_refused_at_start() -> None:
    with pytest.raises(SettingsError, match="TRUSTED_PROXIES"):
        ClientReader(settings_of(trusted_proxies=("proxy.internal",)))


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
        {"origin": "http://console.test:8484"},
        {"origin": "https://redrive.example"},
        {"origin": "https://redrive.example:443"},
        {},
    ],
)
def test_own_pages_and_clients_that_are_no_browsers_may_write(headers: dict[str, str]) -> None:
    reader = ClientReader(settings_of(public_origin="https://redrive.example"))
    assert not reader.is_cross_origin(request(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "origin": "http://console.test:8484"},
        {"sec_fetch_site": "anything new"},
        {"origin": "null"},
        {"origin": "http://console.test:8485"},
        {"origin": "http://elsewhere.test"},
        {"origin": "http://console.test:8484.elsewhere.test"},
        {"origin": "http://[broken"},
        {"origin": "http://console.test:99999"},
    ],
)
def test_pages_of_other_sites_may_not_write(headers: dict[str, str]) -> None:
    reader = ClientReader(settings_of(public_origin="https://redrive.example"))
    assert reader.is_cross_origin(request(**headers))
