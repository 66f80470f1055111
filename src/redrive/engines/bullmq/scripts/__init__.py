"""The Lua scripts, each a file with its contract, put together when first used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text and the name that a server knows it by."""

    text: str

    @property
    def sha(self) -> str:
        return _sha_of(self.text)


@cache
def script(*names: str) -> Script:
    """The files of these names, one behind the other."""
    return Script("\n".join(_own(name) for name in names))


@cache
def rebuild_script(library_script: str) -> Script:
    """``rebuild.lua`` around one of the library's own add scripts.

    Within one script the library's text and ours are one atomic step; sent one after the other
    they would not be.
    """
    library = resources.files("bullmq") / "commands" / f"{library_script}.lua"
    add = "\n".join(
        ("local function library_add(KEYS, ARGV)", library.read_text(encoding="utf-8"), "end")
    )
    return Script("\n".join((_own("splice"), _own("queue"), add, _own("rebuild"))))


def _own(name: str) -> str:
    return (resources.files(__name__) / f"{name}.lua").read_text(encoding="utf-8")


@cache
def _sha_of(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
