"""The OpenAPI document: what FastAPI makes of the routes, with problems and the session added."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from redrive import __version__, wire
from redrive.web.problems import DETAILS, MEDIA_TYPE

ADDRESS = "/admin/api/openapi.json"
ACTION_PROBLEMS = (401, 403, 404, 409, 413, 415, 422, 503)
"""The problems that an action on one entry, on many or on an operation can answer with."""

_REF = "#/components/schemas/{model}"
_ABOUT = (
    "Failed background jobs: see them, put them back exactly once, watch them recover. Every "
    "route except login needs a session. Errors are problem details (RFC 9457)."
)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that can answer with these problems."""
    schema = {"$ref": _REF.format(model="Problem")}
    return {
        status: {
            "description": DETAILS[status][1] if status in DETAILS else _phrase(status),
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that reads its body itself, as JSON or as a form."""
    schema = {"schema": {"$ref": _REF.format(model=model.__name__)}}
    content = {"application/json": schema, "application/x-www-form-urlencoded": schema}
    return {"requestBody": {"required": True, "content": content}}


def document(app: FastAPI) -> dict[str, Any]:
    """The document, made once per app."""
    if app.openapi_schema is None:
        made = get_openapi(
            title="Redrive",
            version=__version__,
            description=_ABOUT,
            routes=app.routes,
        )
        components = made.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for model in (wire.Problem, wire.FieldProblem, wire.LoginRequest):
            schema = model.model_json_schema(ref_template=_REF)
            schema.pop("$defs", None)
            schemas[model.__name__] = schema
        components["securitySchemes"] = {
            "session": {"type": "apiKey", "in": "cookie", "name": "redrive"}
        }
        made["security"] = [{"session": []}]
        for path, method in (("/admin/api/login", "post"), ("/readyz", "get")):
            made["paths"][path][method]["security"] = []
        app.openapi_schema = made
    return app.openapi_schema


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase
