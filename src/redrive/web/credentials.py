"""The part of logging in and out that meets the request, for the API and the login page."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from redrive import wire
from redrive.web.context import Console
from redrive.web.cookies import token_of
from redrive.web.sessions import Session


async def credentials_of(request: Request) -> wire.LoginRequest:
    """Name and password, from a JSON body or a form. Raises RequestValidationError."""
    body = await request.body()
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            return wire.LoginRequest.model_validate_json(body)
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict"))
        fields.pop("next", None)
        return wire.LoginRequest.model_validate(fields)
    except ValidationError as error:
        problems = [
            {"loc": ("body", *one["loc"]), "msg": one["msg"]}
            for one in error.errors(include_input=False, include_url=False)
        ]
    except ValueError:
        problems = [{"loc": ("body",), "msg": "the form is not UTF-8 text"}]
    raise RequestValidationError(problems)


Credentials = Annotated[wire.LoginRequest, Depends(credentials_of)]


async def log_in(
    request: Request, credentials: wire.LoginRequest, console: Console
) -> tuple[str, Session]:
    """Open a session in place of the one that the browser may have. Raises as SignIn.login."""
    return await console.sign_in.login(
        credentials.username,
        credentials.password.get_secret_value(),
        console.reader.address(request),
        token_of(request, tls=console.reader.is_tls(request)),
    )


async def log_out(request: Request, session: Session, console: Console) -> None:
    """End the session that the request came with."""
    token = token_of(request, tls=console.reader.is_tls(request)) or ""
    await console.sign_in.logout(token, session, console.reader.address(request))
