"""The session's cookie. Over TLS its name binds it to this host and to TLS."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import Response


def token_of(request: HTTPConnection, *, tls: bool) -> str | None:
    """The session's token that the request carries."""
    return request.cookies.get(_name(tls)) or None


def set_token(response: Response, token: str, *, tls: bool) -> None:
    """Give the browser the token, until it is closed; the server decides when it ends."""
    response.set_cookie(_name(tls), token, path="/", secure=tls, httponly=True, samesite="strict")


def clear_token(response: Response, *, tls: bool) -> None:
    """Take the token back."""
    response.delete_cookie(_name(tls), path="/", secure=tls, httponly=True, samesite="strict")


def _name(tls: bool) -> str:
    return "__Host-redrive" if tls else "redrive"
