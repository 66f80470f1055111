"""What kind of varying thing one word of a message is."""

from __future__ import annotations

import re

_OCTET = r"\d{1,3}+"
_UNITS = (
    r"(?:nanoseconds?|microseconds?|milliseconds?|seconds?|minutes?|hours?|days?|weeks?"
    r"|secs?|mins?|ns|us|µs|ms|s|m|h|d)"
)
_CLOCK = r"\d{1,2}:\d{2}(?>(?::\d{2}(?>(?:[.,]\d{1,9})?))?)"
_ZONE = r"(?:Z|[+-]\d{2}:?+\d{2})"
_DAY = r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4})"

_KINDS = [
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("uuid", r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"),
        ("email", r"[^@:/]{1,128}+@[\w-]++(?>(?:\.[\w-]++)*)"),
        ("ip", rf"(?:{_OCTET}\.){{3}}{_OCTET}(?>(?:/\d{{1,2}}+)?)(?>(?::\d{{1,5}}+)?)"),
        ("date", rf"{_DAY}(?>(?:[T_]{_CLOCK}(?>{_ZONE}?))?)|\d{{8}}T\d{{4,6}}(?>{_ZONE}?)"),
        ("time", rf"{_CLOCK}(?>{_ZONE}?)"),
        ("ip", r"(?=[^:]{0,4}:[^:]{0,4}:)[0-9a-f:.]{2,45}+(?>(?:%\w{1,16}+)?)"),
        ("number", r"[+-]?+\d++(?>(?:\.\d++)*)(?>(?:e[+-]?+\d++)?)%?+"),
        ("duration", rf"[+-]?+(?>(?:\d++(?>(?:\.\d++)?){_UNITS}(?![a-z]))+)|PT\d[\dHMSDT.]*+"),
        ("hex", r"0x[0-9a-f]++"),
        ("hash", r"(?>(?:sha\d{1,3}+[:-])?)(?=\w{0,63}\d)(?:[0-9a-f]{32,128}+|[0-9a-f]{12,31}+)"),
        ("hex", r"(?=\D{0,11}\d)[0-9a-f]{7,11}+"),
    )
]
_CALENDAR = frozenset(
    "Mon Tue Wed Thu Fri Sat Sun Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
    " Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
)
_TELLING = re.compile(r"[\d@:]")
_UUID = re.compile(_KINDS[0][1].pattern, re.IGNORECASE)
_NUMBER = re.compile(r"\d++(?>(?:\.\d++)*)")
_PARTS = re.compile(r"([_:/\\@-]|\.(?!\d)|(?<!\d)\.)")
_IDENTIFIER = re.compile(
    r"(?=[^0-9]{0,64}[0-9])(?=[^A-Za-z]{0,64}[A-Za-z])(?:\d++[A-Za-z]++|[A-Za-z]++\d++)"
    r"(?:[A-Za-z0-9]++)"
)
_HOST = re.compile(
    r"(?>(?:[a-z0-9_](?:[\w-]*+)\.)+)[a-z][a-z0-9-]*+(?>(?::\d{1,5}+)?)", re.IGNORECASE
)
_PLAIN_HOST = re.compile(r"[a-z0-9][\w.-]*+(?>(?::\d{1,5}+)?)", re.IGNORECASE)
_TOP_LEVELS = frozenset(
    "com net org edu gov int info biz io dev app cloud co ai me tv uk de fr nl eu us ca au jp cn in"
    " br ru ch at it es se no pl be dk fi cz local localdomain internal intranet lan home corp"
    " private example test invalid localhost svc cluster consul onion arpa".split()
)
_BEFORE_HOSTS = frozenset(
    "enotfound eai_again econnrefused econnreset etimedout ehostunreach enetunreach epipe"
    " getaddrinfo host hostname".split()
)
_FILES = frozenset(
    "js mjs cjs ts tsx jsx json py rb php java go rs c h cpp cs html css txt md yml yaml".split()
)


def kind_of(word: str) -> str | None:
    """The kind of a word that varies as a whole, such as ``uuid``; None of all others."""
    if not _TELLING.search(word):
        return "date" if word in _CALENDAR else None
    for kind, pattern in _KINDS:
        if pattern.fullmatch(word):
            return kind
    return None


def is_host_word(word: str, before: str) -> bool:
    """Whether a word names a host: by its ending, by a port, or by the word before it."""
    if before in _BEFORE_HOSTS and _PLAIN_HOST.fullmatch(word):
        return True
    if not _HOST.fullmatch(word):
        return False
    name, colon, _ = word.partition(":")
    last = name.rpartition(".")[2].lower()
    return last in _TOP_LEVELS or (bool(colon) and last not in _FILES)


def numbers_replaced(word: str) -> str:
    """``ord_<number>`` for ``ord_17``, ``cus_<id>`` for ``cus_Nf8aB3xK``."""
    if not _TELLING.search(word):
        return word
    pieces = _PARTS.split(_UUID.sub("<uuid>", word))
    return "".join(_part_replaced(piece) for piece in pieces)


def _part_replaced(part: str) -> str:
    if kind := kind_of(part):
        return f"<{kind}>"
    if len(part) >= 8 and _IDENTIFIER.fullmatch(part):
        return "<id>"
    return _NUMBER.sub("<number>", part)
