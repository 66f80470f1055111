"""Codes that tell causes apart and are kept: HTTP statuses, names of system errors."""

from __future__ import annotations

ERROR_CODES = frozenset(
    "ECONNREFUSED ECONNRESET ECONNABORTED ETIMEDOUT ESOCKETTIMEDOUT ENOTFOUND EAI_AGAIN EPIPE"
    " EHOSTUNREACH EHOSTDOWN ENETUNREACH EADDRINUSE EADDRNOTAVAIL ENOENT EACCES EPERM EEXIST EISDIR"
    " ENOTDIR ENOTEMPTY EMFILE ENFILE ENOSPC EROFS EBUSY EINVAL EIO ENOMEM EPROTO ESRCH EAGAIN"
    " EXDEV ELOOP ENAMETOOLONG EFBIG CERT_HAS_EXPIRED DEPTH_ZERO_SELF_SIGNED_CERT".split()
)

_NAMING = frozenset("http https status statuscode status_code http_status httpstatus".split())
_ANSWERING = frozenset("returned responded answered got received with".split())
_PHRASES = frozenset(
    "Bad Unauthorized Payment Forbidden Not Method Request Conflict Gone Precondition Too Internal"
    " Unprocessable Service Gateway Client Server Locked Unsupported Moved Found".split()
)
_PAUSES = frozenset(("", ".", ",", ";", ")", "]", "}", "'", '"', "for", "from", "on", "-"))


def is_status(number: int, before: tuple[str, str], after: str) -> bool:
    """Whether a number is an HTTP status, by the two words before it and the one after.

    Close to the word *status* or *HTTP* it is one; after *got* or *returned* only at the end of
    what is said, since rows and bytes are returned too; and before the phrase that belongs to it.
    """
    if not 100 <= number <= 599 or "exit" in before:
        return False
    latest = before[-1]
    if latest in _NAMING or latest.startswith("http/"):
        return True
    if latest == "code" and before[0] in ("status", "response"):
        return True
    answered = latest in _ANSWERING or latest.endswith("error")
    return number >= 300 and (after in _PHRASES or (answered and after in _PAUSES))
