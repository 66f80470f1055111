"""Places of source files: whose they are, and what they are called wherever they are deployed.

The same release lies at ``/srv/app/src/orders/create.js``, ``/app/src/orders/create.js`` and
``C:\\apps\\shop\\releases\\20260101\\src\\orders\\create.js``; its module is ``orders/create``.
"""

from __future__ import annotations

import re

MOST_SEGMENTS = 3
"""A module is named by the end of its path: a file and at most two folders."""

_LIBRARY_FOLDERS = frozenset(
    "node_modules site-packages dist-packages vendored _vendor third_party .pnpm .yarn"
    " bower_components jspm_packages".split()
)
_VENDOR_FOLDERS = frozenset(("vendor", "gems"))
"""Of PHP, Go and Ruby; elsewhere these are words that a shop may use."""
_LIBRARY_STARTS = ("node:", "bun:", "ext:", "deno:", "wasm:", "<")
_STANDARD_LIBRARY = re.compile(
    r"/lib(?:64)?/python\d|/Python\d{1,4}/Lib/|/python\d{1,4}\.zip/"
    r"|/usr/local/go/src/|/pkg/mod/|/ruby/\d|/usr/lib/ruby/|/usr/share/php/"
    r"|^/?(?:var/runtime|var/lang)/"
)
_OLD_NODE = frozenset(
    "_http_agent.js _http_client.js _http_outgoing.js _stream_readable.js _stream_writable.js"
    " _tls_wrap.js assert.js buffer.js child_process.js dgram.js dns.js events.js fs.js http.js"
    " https.js net.js stream.js timers.js tls.js url.js util.js vm.js zlib.js".split()
)
_ROOTS = {"home": 2, "Users": 2, "srv": 1, "opt": 1, "var": 1, "mnt": 1, "data": 1, "tmp": 1}
_ROOTS |= {"usr": 2, "workspace": 1, "workspaces": 1, "private": 2, "root": 1, "builds": 2}
_MARKERS = dict.fromkeys("src dist build out lib app apps current htdocs html www".split(), 0)
_MARKERS |= {"releases": 1, "release": 1, "deployments": 1, "deploys": 1, "versions": 1}
_DRIVE = re.compile(r"/?[A-Za-z]:/")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z-]{1,20}+)://?+")
_HEXADECIMAL = re.compile(r"(?=[^0-9]{0,64}[0-9])[0-9a-fA-F]{6,64}+")
_BUNDLER_HASH = re.compile(r"(?=[^0-9]{0,40}[0-9])(?=[^A-Z]{0,40}[A-Z])[0-9A-Za-z_]{8,40}+")
_VERSION = re.compile(r"v?+\d++(?>(?:[._-]\d++)+)")
_PARTS = re.compile(r"[.-]")


def is_library(place: str) -> bool:
    """Whether a file belongs to a runtime or an installed package."""
    path = place.replace("\\", "/")
    if path.startswith(_LIBRARY_STARTS) or path == "native":
        return True
    folders = path.split("/")
    if _LIBRARY_FOLDERS.intersection(folders):
        return True
    if path.endswith((".php", ".go", ".rb")) and _VENDOR_FOLDERS.intersection(folders):
        return True
    if path.endswith(".js") and (path.startswith("internal/") or path in _OLD_NODE):
        return True
    return bool(_STANDARD_LIBRARY.search(path))


def module_of(place: str) -> str:
    """The file's path below its root, without extension, bundler hash and query.

    An absolute path loses its first folder (``/srv`` and ``/opt`` with the one below, ``/home``
    with the two below), then everything up to the last folder named ``src``, ``dist``, ``app``,
    ``releases/<one>`` and the like. A relative path loses the latter only.
    """
    folders, name = _below_root(place)
    kept = [plain for folder in folders if (plain := _unversioned(folder))]
    return "/".join([*kept[-(MOST_SEGMENTS - 1) :], _stem(name)])


def _below_root(place: str) -> tuple[list[str], str]:
    path = place.replace("\\", "/")
    absolute = path.startswith("/")
    if scheme := _SCHEME.match(path):
        path = path[scheme.end() :]
        absolute = scheme[1] == "file"
        if scheme[1] in ("http", "https"):
            path = path.partition("/")[2]
    if drive := _DRIVE.match(path):
        path, absolute = path[drive.end() :], True
    path = path.partition("?")[0].partition("#")[0]
    *folders, name = [part for part in path.split("/") if part not in ("", ".", "..")] or [""]
    if absolute and folders and folders[0] not in _MARKERS:
        folders = folders[1 + _ROOTS.get(folders[0], 0) :]
    for at in range(len(folders) - 1, -1, -1):
        if folders[at] in _MARKERS:
            return folders[at + 1 + _MARKERS[folders[at]] :], name
    return folders, name


def _unversioned(folder: str) -> str:
    """``shop`` for ``shop-1.4.2``; nothing for a folder that is a version, a date or a hash."""
    name, _, version = folder.rpartition("-")
    if _VERSION.fullmatch(folder) or _is_hash(folder):
        return ""
    return name if _VERSION.fullmatch(version) or _is_hash(version) else folder


def _stem(name: str) -> str:
    """``main`` for ``main.py``, ``main.4f3a2b.js`` and ``main-DkX8sG2a.mjs``."""
    base, dot, extension = name.rpartition(".")
    first, *rest = _PARTS.split(base if dot and len(extension) <= 5 else name)
    kept = [part for part in rest if not (_is_hash(part) or _BUNDLER_HASH.fullmatch(part))]
    if _is_hash(first):
        return "-".join(kept) or "<chunk>"
    return "-".join([first, *kept])


def _is_hash(part: str) -> bool:
    return part.isdigit() or bool(_HEXADECIMAL.fullmatch(part))
