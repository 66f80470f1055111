"""What every model of the wire shares: limits of texts, the envelope, pages, problems."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

T = TypeVar("T")

NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
NO_CONTROL_BUT_LINES = r"^[^\x00-\x09\x0b\x0c\x0e-\x1f\x7f]*$"


def _showable(value: Any) -> Any:
    """A text that UTF-8 can carry: a job made by hand may hold half a surrogate pair."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


Shown = Annotated[str, BeforeValidator(_showable)]
"""A text that came out of a queue."""

AppIdText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=256, pattern=NO_CONTROL),
    Field(examples=["acme"]),
]
EntryIdText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, pattern=NO_CONTROL),
    Field(examples=["ent_0a1b2c3d4e5f60718293a4b5"]),
]
ReasonText = Annotated[
    str,
    StringConstraints(max_length=500, pattern=NO_CONTROL),
    Field(examples=["the mail provider is back"]),
]


class Input(BaseModel):
    """A request's body. A field that is not named here is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Output(BaseModel):
    """An answer. A client that reads a newer server's answer passes over what it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", from_attributes=True, use_attribute_docstrings=True
    )


_WITHOUT_DOCSTRINGS = ConfigDict(use_attribute_docstrings=False)
"""Of a generic model they would be looked for in the source each time that it is given a type: a
second of every command."""


class Envelope(Output, Generic[T]):
    """Every answer that is not an error."""

    model_config = _WITHOUT_DOCSTRINGS

    data: T


class Page(Output, Generic[T]):
    """A list, or the part of it that was asked for."""

    model_config = _WITHOUT_DOCSTRINGS

    items: list[T]
    next_cursor: str | None = Field(
        default=None,
        description="Give it back as ``cursor`` for the next page; null on the last one.",
    )


class FieldProblem(Output):
    """One field of a request that is not valid."""

    field: str
    """Where it stands: ``body.entry_id``, ``query.limit``."""
    message: str
    given: str | None = None
    """What was given, where it stands in the address."""
    allowed: list[str] | None = None
    """The values that are allowed, where they are few."""


class Problem(BaseModel):
    """An error, as RFC 9457 problem details. Some carry further fields."""

    model_config = ConfigDict(
        extra="allow",
        use_attribute_docstrings=True,
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "detail": "There is no app acme. Nothing was changed.",
                "code": "app_not_found",
            }
        },
    )

    type: str = "about:blank"
    title: str
    """The status in words."""
    status: int
    detail: str
    """What happened, for a person; says so where nothing was changed."""
    code: str
    """What happened, for a program; stable."""
    operation_id: str | None = None
    """The operation that stands in the way, or keeps the entry."""
    errors: list[FieldProblem] | None = None
    """The fields that are not valid (422)."""
