"""Masks what looks like a secret in JSON text that is shown to people.

Works on the text, token by token, and never parses it into values: the rest of the payload stays
byte for byte as it was (big integers, 1e400, order, spaces), and text that is not quite JSON is
masked as far as it can be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from redrive import wire
from redrive.domain import Payload

MASK = '"••••••"'

# A string that is never closed goes on to the end: if it did not match, each escaped quote inside
# would be tried as a start of its own, and a poisoned payload would take minutes.
_STRING_PATTERN = r'"(?>(?:[^"\\]++|\\(?:.|\Z))*)(?:"|\Z)'
_STRING = re.compile(_STRING_PATTERN, re.DOTALL)
_COLON = re.compile(r"\s*:\s*")
_SCALAR = re.compile(r"[^\s,\]}]*")
_STRING_OR_BRACKET = re.compile(_STRING_PATTERN + r"|[\[\]{}]", re.DOTALL)
_DEEPEST = 3


def normalised(key: str) -> str:
    """``API-Key``, ``apiKey`` and ``api_key`` are one key: ``apikey``."""
    return re.sub(r"[^0-9a-z]", "", key.lower())


class Masker:
    """Masks the value of every key that contains one of the secret keys' names."""

    def __init__(self, secret_keys: Iterable[str]) -> None:
        names = sorted({normalised(key) for key in secret_keys} - {""})
        self._secret = re.compile("|".join(names)) if names else None

    def shown(self, payload: Payload) -> wire.Payload:
        """A payload as people may see it."""
        return wire.Payload(
            data=self.mask(payload.data.decode("utf-8", "replace")),
            options=self.mask(payload.options.decode("utf-8", "replace")),
            extra={name: self._shown_extra(name, value) for name, value in payload.extra.items()},
        )

    def mask(self, text: str, depth: int = 0) -> str:
        """The text with secret values replaced; also in JSON that is a string inside it."""
        if self._secret is None:
            return text
        parts: list[str] = []
        kept = 0
        position = 0
        while (token := _STRING.search(text, position)) is not None:
            position = token.end()
            replacement = token.group()
            colon = _COLON.match(text, position)
            if colon is None:
                replacement = self._nested(token.group(), depth)
                start, end = token.span()
            elif self._is_secret(token.group()):
                replacement = MASK
                start, end = colon.end(), _value_end(text, colon.end())
            else:
                continue
            parts += [text[kept:start], replacement]
            kept = position = end
        return "".join((*parts, text[kept:]))

    def _shown_extra(self, name: str, value: str) -> str:
        return MASK.strip('"') if self._matches(name) else self.mask(value)

    def _matches(self, key: str) -> bool:
        return self._secret is not None and bool(self._secret.search(normalised(key)))

    def _is_secret(self, token: str) -> bool:
        return self._matches(_decoded(token))

    def _nested(self, token: str, depth: int) -> str:
        """A string value, masked inside if it is JSON text itself."""
        if depth >= _DEEPEST or len(token) < len('"{}"') or token[1] not in "{[":
            return token
        inner = _decoded(token)
        masked = self.mask(inner, depth + 1)
        return token if masked == inner else json.dumps(masked, ensure_ascii=False)


def _decoded(token: str) -> str:
    """What a JSON string says; its raw text where it is not valid."""
    try:
        decoded: str = json.loads(token, strict=False)
    except ValueError:
        return token[1:-1]
    return decoded


def _value_end(text: str, start: int) -> int:
    """Where the value that starts here ends; the text's end if it is never closed."""
    if string := _STRING.match(text, start):
        return string.end()
    if text[start : start + 1] not in ("{", "["):
        scalar = _SCALAR.match(text, start)
        return scalar.end() if scalar else len(text)
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text, start):
        if token.group() in ("{", "["):
            depth += 1
        elif token.group() in ("}", "]"):
            depth -= 1
            if depth == 0:
                return token.end()
    return len(text)
