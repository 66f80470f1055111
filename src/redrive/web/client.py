"""Who sent a request: address, TLS, origin. A proxy is believed only if the settings name it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from redrive.errors import SettingsError
from redrive.settings import Settings

_DEFAULT_PORTS = {"http": 80, "https": 443}


class ClientReader:
    """Reads what the settings allow to be believed from a request's headers."""

    def __init__(self, settings: Settings) -> None:
        self._public_origin = settings.public_origin
        self._trusted = []
        for proxy in settings.trusted_proxies:
            try:
                self._trusted.append(ipaddress.ip_network(proxy, strict=False))
            except ValueError as error:
                raise SettingsError(
                    (f"trusted_proxies (REDRIVE_TRUSTED_PROXIES): {error}",)
                ) from error

    def address(self, request: HTTPConnection) -> str:
        """The address of the client: the last one in X-Forwarded-For that is no trusted proxy,
        if the connection comes from a trusted proxy, else that of the connection."""
        address = request.client.host if request.client else "unknown"
        hops = [
            hop.strip()
            for header in request.headers.getlist("x-forwarded-for")
            for hop in header.split(",")
        ]
        while hops and self._is_trusted(address):
            hop = hops.pop()
            if not _is_address(hop):
                break
            address = hop
        return address

    def is_tls(self, request: HTTPConnection) -> bool:
        """Whether the browser's own connection was over TLS."""
        forwarded = request.headers.get("x-forwarded-proto", "")
        if forwarded and request.client and self._is_trusted(request.client.host):
            return forwarded.rsplit(",", 1)[-1].strip().lower() == "https"
        return bool(request.scope["scheme"] == "https")

    def is_cross_origin(self, request: HTTPConnection) -> bool:
        """Whether another site's page made the browser send this.

        Sec-Fetch-Site decides where a browser sends it (TLS and localhost); elsewhere the Origin
        must be the public origin or the host that was asked. A client without both headers is
        no browser.
        """
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site not in ("same-origin", "none")
        origin = request.headers.get("origin")
        if origin is None:
            return False
        host = request.headers.get("host", "")
        allowed = [self._public_origin] if self._public_origin else []
        allowed += [f"http://{host}", f"https://{host}"]
        return _normal(origin) not in [_normal(one) for one in allowed]

    def _is_trusted(self, address: str) -> bool:
        if not self._trusted or not _is_address(address):
            return False
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _normal(origin: str) -> tuple[str, str, int] | str:
    """An origin in comparable form; one that cannot be read equals only itself."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return origin
    return (parts.scheme, parts.hostname or "", port)
