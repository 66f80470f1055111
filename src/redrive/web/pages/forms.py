"""What the pages' forms send."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
    model_validator,
)

from redrive.wire.base import NO_CONTROL, NO_CONTROL_BUT_LINES, AppIdText, ReasonText
from redrive.wire.requests import IdempotencyKey

LARGE = 1000
"""A bulk action over more entries than this asks for their number to be typed."""

LONGEST_NOTE = 2000
"""Characters, a broken line counting as one."""

_M = TypeVar("_M", bound=BaseModel)
_Address = Annotated[str, StringConstraints(max_length=4000, pattern=NO_CONTROL)]


class OneForm(BaseModel):
    """An action on one entry; ``back`` is the page that it was started from."""

    model_config = ConfigDict(extra="forbid")

    app_id: AppIdText
    reason: ReasonText = ""
    back: _Address = ""


class CancelForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    back: _Address = ""


class NoteForm(BaseModel):
    """A group's note; empty takes it back. Browsers break lines with two characters."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[
        str,
        BeforeValidator(lambda text: text.replace("\r\n", "\n").strip()),
        StringConstraints(max_length=LONGEST_NOTE, pattern=NO_CONTROL_BUT_LINES),
    ] = ""


class BulkForm(BaseModel):
    """A bulk action that was confirmed; ``count`` is the number that the operator was shown."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["retry", "resync"]
    app_id: Annotated[AppIdText | None, BeforeValidator(lambda value: value or None)] = None
    reason: ReasonText = ""
    count: int
    typed: Annotated[str, StringConstraints(max_length=40)] = ""
    key: IdempotencyKey

    @model_validator(mode="after")
    def _resync_is_of_one_app(self) -> BulkForm:
        if self.kind == "resync" and self.app_id is None:
            raise ValueError("a resync of many is of one app: name it")
        return self

    @property
    def is_confirmed(self) -> bool:
        """Whether a large number was typed as it was shown, with or without separators."""
        return self.count <= LARGE or re.sub(r"\D", "", self.typed) == str(self.count)


async def read_form(request: Request, model: type[_M]) -> _M:
    """The form in the request's body. Raises RequestValidationError."""
    try:
        fields = dict(
            parse_qsl((await request.body()).decode(), keep_blank_values=True, errors="strict")
        )
        return model.model_validate(fields)
    except ValidationError as error:
        problems = [
            {"loc": ("form", *one["loc"]), "msg": one["msg"]}
            for one in error.errors(include_input=False, include_url=False)
        ]
    except ValueError:
        problems = [{"loc": ("form",), "msg": "the form is not UTF-8 text"}]
    raise RequestValidationError(problems)
