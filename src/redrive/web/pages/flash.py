"""One message that outlives a redirect: what the action before has done.

It travels in a cookie of its own that ends with the next page, so that no store is needed for it.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, replace
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from redrive.web.pages.addresses import local

_LONGEST = 1000

Tone = Literal["ok", "warn", "danger", "info"]
_TONES: tuple[Tone, ...] = ("ok", "warn", "danger", "info")


@dataclass(frozen=True, kw_only=True, slots=True)
class Flash:
    """``link`` is a page of the console that says more, ``link_text`` what it is called.

    ``subject``, if given, is the state of which the text speaks: a page that shows another one by
    then leaves the message out. A message that ``lasts`` stays on its page until it is sent away or
    the page is left, whatever becomes of what it speaks of. ``reason`` and ``typed``, which are
    limits as a query, are what had been typed into a form that was refused.
    """

    tone: Tone
    text: str
    link: str = ""
    link_text: str = ""
    subject: str = ""
    lasts: bool = False
    reason: str = ""
    typed: str = ""


def read_flash(request: Request, *, tls: bool) -> Flash | None:
    """The message that came with the request; None for one that cannot be read."""
    try:
        fields = json.loads(base64.urlsafe_b64decode(request.cookies[_name(tls)]))
        flash = Flash(
            tone=fields["tone"],
            text=str(fields["text"]),
            link=local(fields["link"]) if fields["link"] else "",
            link_text=str(fields["link_text"]),
            subject=str(fields["subject"]),
            lasts=bool(fields["lasts"]),
            reason=str(fields["reason"]),
            typed=str(fields["typed"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
    return flash if flash.tone in _TONES else None


def set_flash(response: Response, flash: Flash, *, tls: bool) -> None:
    """Show the message on the next page."""
    text = flash.text.encode("utf-8", "replace").decode()
    cut = replace(flash, text=text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
    told = json.dumps(asdict(cut), ensure_ascii=False).encode("utf-8", "replace")
    packed = base64.urlsafe_b64encode(told).decode()
    response.set_cookie(
        _name(tls), packed, path="/", secure=tls, httponly=True, samesite="strict", max_age=60
    )


def clear_flash(response: Response, *, tls: bool) -> None:
    """It was shown."""
    response.delete_cookie(_name(tls), path="/", secure=tls, httponly=True, samesite="strict")


def _name(tls: bool) -> str:
    return "__Host-redrive-flash" if tls else "redrive-flash"
