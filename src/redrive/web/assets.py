"""The pages' own files: read once, served under an address that names their content.

A changed file has another address, so that browsers may keep what they have for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    content: bytes
    media_type: str


def _read() -> dict[str, Asset]:
    """Scripts and icons one by one; the parts of the stylesheet, in their order, as one."""
    parts = sorted((_FOLDER / "styles").glob("*.css"))
    sheet = b"\n".join(part.read_bytes() for part in parts)
    found = {"console.css": Asset(content=sheet, media_type=_TYPES[".css"])}
    for path in sorted((*_FOLDER.glob("*.js"), *_FOLDER.glob("*.svg"))):
        found[path.name] = Asset(content=path.read_bytes(), media_type=_TYPES[path.suffix])
    return found


ASSETS = _read()
_DIGEST = hashlib.sha256(b"\0".join(asset.content for asset in ASSETS.values())).hexdigest()[:12]


def address_of(name: str) -> str:
    """Where a file is served. Scripts import each other by relative names, which keeps them
    within one version."""
    return f"/admin/static/{_DIGEST}/{name}"


ADDRESSES = frozenset(address_of(name) for name in ASSETS)

router = APIRouter(include_in_schema=False)


def _serve(asset: Asset) -> Callable[[], Awaitable[Response]]:
    async def serve() -> Response:
        return Response(
            asset.content, media_type=asset.media_type, headers={"Cache-Control": _FOR_EVER}
        )

    return serve


for _name, _asset in ASSETS.items():
    router.add_api_route(address_of(_name), _serve(_asset), methods=["GET"])
