"""Single lines of stack traces, in the ways that runtimes write them.

Lines are taken apart with ``partition`` and with patterns whose repeats never give back, so that a
line costs its length at most, whatever it holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from redrive.fingerprint.places import is_library, module_of

LONGEST_LINE = 1_000
"""Characters; a longer line is no frame."""

_JAVA_LIBRARIES = (
    *("java.", "javax.", "jdk.", "sun.", "com.sun.", "jakarta.", "kotlin.", "kotlinx.", "scala."),
    *("org.springframework.", "org.apache.", "org.hibernate.", "org.redisson.", "io.netty."),
    *("reactor.", "org.postgresql.", "com.mysql.", "com.zaxxer.", "com.fasterxml.", "okhttp3."),
)
_JAVA_FILE = re.compile(
    r"(?:[\w$-]++\.(?:java|kt|scala|groovy)(?>(?::\d++)?)|Native Method|Unknown Source)"
)
_JAVA_NUMBERS = re.compile(r"\$\d++")
_RECEIVERS = ("Object.", "Module.", "exports.", "Function.", "global.")
_RUBY_FRAME = re.compile(r"(?>(?:from )?)([^\s:]++):(\d++):in [`'](.++)")
_PHP_FRAME = re.compile(r"#\d++ (?:\[internal function\]: |([^\s(]++)\((\d++)\): )([^\s(]++)\(")
_GO_FUNCTION = re.compile(r"(?>(?:created by )?)([\w./\-%]++(?>(?:\(\*?+\w++\)(?=\.))?)[\w.]*+)")
_GO_PLACE = re.compile(r"((?>(?:[A-Za-z]:(?=[/\\]))?)[^\s:]++):\d++(?>(?: \+0x[0-9a-f]++)?)")
_LINES_KEPT = 4096
"""Lines whose frames are kept: the same ones come again and again."""
_INLINED = frozenset({"<listcomp>", "<dictcomp>", "<setcomp>"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One call: the module and the function, the same on every host and at every line number.

    ``place`` is for reading: the file and the line as the trace has them. It tells nothing apart.
    """

    module: str
    function: str
    is_own: bool
    place: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.module}:{self.function}"


@lru_cache(maxsize=_LINES_KEPT)
def frame_of(line: str) -> Frame | None:
    """The call that a line names, in any form of one line; None of all other lines."""
    return (
        script_frame(line)
        or python_frame(line)
        or php_frame(line)
        or ruby_frame(line)
        or at_sign_frame(line)
    )


@lru_cache(maxsize=_LINES_KEPT)
def python_frame(line: str) -> Frame | None:
    """``File "/srv/app/mail.py", line 12, in send``; None for comprehensions.

    Python 3.12 no longer gives comprehensions a frame.
    """
    frame = python_call(line)
    return None if frame is None or frame.function in _INLINED else frame


def python_call(line: str) -> Frame | None:
    """As :func:`python_frame`, comprehensions too."""
    if not line.startswith('File "'):
        return None
    place, _, rest = line[6:].partition('", line ')
    number, _, function = rest.partition(", in ")
    if not rest[:1].isdigit():
        return None
    return _frame(place, function or "<module>", f"{place}:{number}")


def script_frame(line: str) -> Frame | None:
    """``at async Invoice.total (/srv/app/invoice.js:41:17)`` of V8, or a line of Java."""
    if not line.startswith("at "):
        return None
    call = line[3:].removesuffix(" {").partition(" ~[")[0].removeprefix("async ")
    name, _, inside = call[:-1].partition(" (") if call.endswith(")") else ("", "", call)
    if not inside:
        return _java_frame(call)
    if inside.startswith("eval at "):
        return Frame(module="<eval>", function=_script_name(name), is_own=False, place=inside)
    place = _without_position(inside)
    if place is None:
        known = inside in ("<anonymous>", "native") or inside.startswith("index ")
        name = _script_name(name)
        return Frame(module=inside, function=name, is_own=False, place=inside) if known else None
    return _frame(place, _script_name(name), inside)


def at_sign_frame(line: str) -> Frame | None:
    """``total@https://shop/invoice.js:41:17`` of Firefox and Safari."""
    name, at, inside = line.partition("@")
    place = _without_position(inside) if at and " " not in line else None
    if place is None or not place.endswith((".js", ".mjs", ".ts", ".jsx", ".tsx")):
        return None
    return _frame(place, _script_name(name.removeprefix("async*")), inside)


def ruby_frame(line: str) -> Frame | None:
    """``from /srv/app/mail.rb:12:in 'Mail#send'``, with the back quote of older versions too."""
    if not (found := _RUBY_FRAME.match(line)):
        return None
    name = re.split(r"['`]", found[3], maxsplit=1)[0].rpartition(" in ")[2].rpartition("#")[2]
    return _frame(found[1], name, f"{found[1]}:{found[2]}")


def php_frame(line: str) -> Frame | None:
    """``#0 /srv/app/Mail.php(12): App\\Mail->send('x')``."""
    if not (found := _PHP_FRAME.match(line)):
        return None
    place = f"{found[1]}:{found[2]}" if found[1] else ""
    return _frame(found[1] or "<internal>", found[3], place)


def go_frame(line: str, following: str) -> Frame | None:
    """``main.send(0x1)`` on one line, ``/srv/app/main.go:12 +0x1d`` on the next."""
    place = _GO_PLACE.fullmatch(following)
    name = _GO_FUNCTION.match(line) if place else None
    if place is None or name is None or not place[1].endswith(".go"):
        return None
    return _frame(place[1], name[1].rpartition("/")[2], place[0].partition(" +")[0])


def _frame(file: str, function: str, place: str) -> Frame:
    return Frame(
        module=module_of(file), function=function, is_own=not is_library(file), place=place
    )


def _java_frame(call: str) -> Frame | None:
    """``com.acme.Orders.create(Orders.java:12)``, with what proxies and lambdas add taken off."""
    name, bracket, inside = call.partition("(")
    if not bracket or not _JAVA_FILE.fullmatch(inside.removesuffix(")")):
        return None
    name = name.rpartition("/")[2]
    owner, _, function = name.rpartition(".")
    function = _JAVA_NUMBERS.sub("", function.partition("$$")[0])
    module = _JAVA_NUMBERS.sub("", owner.partition("$$")[0])
    is_own = not name.startswith(_JAVA_LIBRARIES)
    return Frame(module=module, function=function, is_own=is_own, place=inside.removesuffix(")"))


def _script_name(name: str) -> str:
    """The function without the object that it was called on by chance, and without aliases."""
    name = name.partition(" [as ")[0].removeprefix("async ")
    for receiver in _RECEIVERS:
        name = name.removeprefix(receiver)
    return name.rstrip("/<") or "<anonymous>"


def _without_position(place: str) -> str | None:
    """The place without ``:line`` or ``:line:column``; None where it has neither."""
    shorter = place.rstrip("0123456789")
    if shorter == place or not shorter.endswith(":"):
        return None
    place = shorter[:-1]
    shorter = place.rstrip("0123456789")
    return shorter[:-1] if shorter != place and shorter.endswith(":") else place
