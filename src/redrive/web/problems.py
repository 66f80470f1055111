"""Errors as problem details (RFC 9457): the one place where errors meet status codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from redrive import errors, wire
from redrive.web.invalid import field_problems

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[type[errors.RedriveError], HTTPStatus] = {
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.ApprovalNeeded: HTTPStatus.FORBIDDEN,
    errors.BadInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.HandOverPending: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.SchemaOutdated: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.EngineUnsupported: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""A class without a line of its own has its parent's; one without either is a 500."""

_SHOWN_FIELDS = (
    *("operation_id", "app_id", "entry_id", "state", "queue", "source", "group_id"),
    *("scope", "actor"),
)

DETAILS: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "The request cannot be read. Nothing was changed."),
    401: ("not_logged_in", "There is no open session. Nothing was changed."),
    403: ("cross_origin", "This request was sent by a page of another site. Nothing was changed."),
    404: ("no_such_route", "There is nothing at this address. Nothing was changed."),
    405: ("method_not_allowed", "This address has no such method. Nothing was changed."),
    409: ("conflict", "The request does not fit the present state. Nothing was changed."),
    413: ("too_large", "The body is larger than 64 KiB. Nothing was changed."),
    415: ("not_json", "The body must be application/json. Nothing was changed."),
    422: ("invalid", "The request is not valid. Nothing was changed."),
    429: ("slow_down", "Too many failed logins. Nothing was changed."),
    500: ("internal_error", "Something went wrong in Redrive; its log says more."),
    503: ("unavailable", "A store that is needed cannot be reached. Nothing was changed."),
}
"""The code and the default detail of errors that have no class of their own."""


class ProblemError(Exception):
    """An error that the HTTP edge itself raises; ``code`` and ``detail`` default by status."""

    def __init__(
        self,
        status: int,
        *,
        code: str | None = None,
        detail: str | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> None:
        default_code, default_detail = DETAILS[status]
        self.status = status
        self.code = code or default_code
        self.detail = detail or default_detail
        self.headers = headers
        self.fields = fields
        super().__init__(self.detail)

    def response(self) -> Response:
        return problem(
            self.status, code=self.code, detail=self.detail, headers=self.headers, **self.fields
        )


def problem(
    status: int,
    *,
    code: str | None = None,
    detail: str | None = None,
    headers: Mapping[str, str] | None = None,
    **fields: Any,
) -> Response:
    """The answer for an error."""
    default_code, default_detail = DETAILS.get(status, DETAILS[400])
    body = wire.Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=_showable(detail or default_detail),
        code=code or default_code,
        **fields,
    )
    return Response(
        body.model_dump_json(exclude_none=True),
        status_code=status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def status_of(error: errors.RedriveError) -> HTTPStatus:
    """The status of an error of the tree."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem_of(error: errors.RedriveError) -> Response:
    """The answer for an error of the tree."""
    status = status_of(error)
    fields = {
        name: _showable(str(error.fields[name])) for name in _SHOWN_FIELDS if name in error.fields
    }
    headers = {"Retry-After": "5"} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    # What a database said names its place and may be answered to people who are not logged in.
    told = str(type(error)() if "detail" in error.fields else error)
    return problem(status, code=code_of(type(error)), detail=told, headers=headers, **fields)


def code_of(kind: type[errors.RedriveError]) -> str:
    """The class's name in snake case: ``EntryNotFound`` is ``entry_not_found``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def add_problem_handlers(app: FastAPI) -> None:
    """Give every error that a route can raise the one shape."""

    @app.exception_handler(errors.RedriveError)
    async def of_the_tree(request: Request, error: errors.RedriveError) -> Response:
        if status_of(error) is HTTPStatus.INTERNAL_SERVER_ERROR:
            raise error
        return problem_of(error)

    @app.exception_handler(ProblemError)
    async def of_the_edge(request: Request, error: ProblemError) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return invalid_fields(field_problems(error.errors()))

    @app.exception_handler(HTTPException)
    async def of_the_framework(request: Request, error: HTTPException) -> Response:
        # FastAPI answers 400 to a body that is not even text; for the sender that is the same
        # as JSON that does not parse.
        if error.status_code == HTTPStatus.BAD_REQUEST:
            unreadable = wire.FieldProblem(field="body", message="the body cannot be read as JSON")
            return invalid_fields([unreadable])
        return problem(error.status_code, headers=error.headers)


def invalid_fields(fields: list[wire.FieldProblem]) -> Response:
    """A 422 that names the fields."""
    detail = "; ".join(f"{one.field}: {one.message}" for one in fields[:5])
    return problem(422, detail=f"{detail}. Nothing was changed.", errors=fields)


def _showable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
