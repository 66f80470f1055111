"""Messages with everything that varies between failures of one cause replaced by its kind.

One pass over the text splits it into words; each word is then told by patterns that must fit it
as a whole. No repeat of any pattern gives back what it took, so the work grows with the length.
What is replaced wrongly is replaced in the same way each time: that costs a distinction, never
a group.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

from redrive.fingerprint.kinds import is_host_word, kind_of, numbers_replaced
from redrive.fingerprint.statuses import ERROR_CODES, is_status

LONGEST_MESSAGE = 8 * 1024
"""Characters in which the lines are looked for."""
LONGEST_LINE = 2_000
"""Characters of a line that are read."""
MOST_LINES = 2
LONGEST_RESULT = 300
"""Characters of a line that count once it is normalised."""
MOST_CODES = 3

_PIECE = re.compile(
    r"(?P<url>[A-Za-z][A-Za-z0-9+.-]{1,20}+://[^\s\"'`<>(){}\[\]]++)"
    r"|(?P<path>(?<=[\"'`])(?:[A-Za-z]:\\|\.{0,2}/)[^\"'`\n]{1,400}+(?=[\"'`]))"
    r"|(?P<name>(?i:https?|(?:http_?)?status|status_?code|code):(?=\d{3}(?!\d)))"
    r"|(?P<word>(?!:[^:])[^\s\"'`<>(){}\[\],;|=!]++)"
    r"|(?P<space>\s++)"
    r"|(?P<mark>.)",
    re.DOTALL,
)
_KIND = (
    r"<(?:uuid|email|url|path|host|ip|date|time|duration|number|hex|hash|id)>(?>(?:st|nd|rd|th)?)"
)
_VARYING = re.compile(rf"{_KIND}(?>(?:[ ,.:;/_+-]{{0,3}}{_KIND})*)")
_PLURAL = re.compile(r"(?<=[^\W\d_]{3})s\b")
_NUMBERS = re.compile(r"<(number|time)>(?>(?:(?:[.]|, ?)<number>)+)")
_DURATION = re.compile(
    r"<number> ?(?:(?:nano|micro|milli)?second|sec|minute|min|hour|day|week|ms|us|s|h)s?+(?!\w)"
)
_MAYBE_CODE = re.compile(r"(?<!\d)\d{3}(?!\d)|E[A-Z]|CERT_|DEPTH_|(?i:errno|sqlstate)")
"""Met by every line that holds a code: looking closer takes ten times as long."""


def normalise(message: str) -> tuple[str, ...]:
    """The first two lines that are not blank, normalised; none of a blank message."""
    return tuple(_normalised(line) for line in _lines(message))


def shape_of(words: tuple[str, ...]) -> tuple[str, ...]:
    """Normalised lines with one mark for whatever varies, of whichever kind.

    One id may be all digits and the next one hexadecimal; a host may be named or numbered. There
    may be one error or two errors.
    """
    return tuple(_PLURAL.sub("", _VARYING.sub("<*>", line)) for line in words)


def codes_of(message: str) -> tuple[str, ...]:
    """What a message tells by a code: HTTP statuses, names of system errors, each once."""
    codes: dict[str, None] = {}
    for line in filter(_MAYBE_CODE.search, _lines(message)):
        pieces = _pieces(line)
        for at, piece in enumerate(pieces):
            word = piece.text.strip(".:-")
            if word in ERROR_CODES or word.startswith("ERR_") or _is_status_at(pieces, at):
                codes[word] = None
            elif piece.before[-1] in ("errno", "sqlstate") and word.isalnum():
                codes[f"errno {word}"] = None
    return tuple(codes)[:MOST_CODES]


class _Piece(NamedTuple):
    """A part of a line, with the two words before it, in lower case."""

    kind: str
    text: str
    before: tuple[str, str]


def _lines(message: str) -> list[str]:
    lines = (line.strip()[:LONGEST_LINE] for line in message[:LONGEST_MESSAGE].splitlines())
    return list(islice(filter(None, lines), MOST_LINES))


def _normalised(line: str) -> str:
    pieces = _pieces(line)
    text = "".join(_replaced(pieces, at) for at in range(len(pieces)))
    text = _NUMBERS.sub(r"<\1>", text)
    return _DURATION.sub("<duration>", text)[:LONGEST_RESULT]


def _pieces(line: str) -> list[_Piece]:
    pieces = []
    before = ("", "")
    for found in _PIECE.finditer(line):
        kind = str(found.lastgroup)
        pieces.append(_Piece(kind, found[0], before))
        if kind in ("word", "name"):
            before = (before[1], found[0].rstrip(".:").lower())
    return pieces


def _replaced(pieces: list[_Piece], at: int) -> str:
    piece = pieces[at]
    match piece.kind:
        case "space":
            return " "
        case "url" | "path":
            return f"<{piece.kind}>"
        case "mark" | "name":
            return piece.text
    word = piece.text.rstrip(".:?")
    tail = piece.text[len(word) :]
    if word in ERROR_CODES or _is_status_at(pieces, at):
        return piece.text
    if kind := kind_of(piece.text):
        return f"<{kind}>"
    if kind := kind_of(word):
        return f"<{kind}>{tail}"
    if is_host_word(word, piece.before[-1]):
        return f"<host>{tail}"
    return numbers_replaced(word) + tail


def _is_status_at(pieces: list[_Piece], at: int) -> bool:
    word = pieces[at].text.rstrip(".:")
    if len(word) != 3 or not word.isdecimal():
        return False
    following = (piece.text for piece in pieces[at + 1 : at + 4] if piece.kind != "space")
    return is_status(int(word), pieces[at].before, next(following, ""))
