"""
The page's files: read once, at the start, into a table. What is not in it is not served, whatever the path says.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec

__all__ = ["PAGE", "StaticFile", "page_files"]

PAGE: Final = Path(__file__).parent / "page"
"""Where the built page lies in the package."""

_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_VIEWS: Final = ("brokers", "discrepancies", "events", "readiness", "reservations")
"""First segments of addresses inside the page: each is answered with the page itself."""


class StaticFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the page; ``keeps`` where its name changes with what is in it."""

    text: bytes
    kind: str
    tag: str
    keeps: bool


class PageFiles:
    """The table."""

    def __init__(self, files: dict[str, StaticFile]) -> None:
        self._files = files

    def find(self, path: str) -> StaticFile | None:
        """The file for a request's path, or None."""
        found = self._files.get(path)
        if found is None and (path == "/" or path.split("/")[1] in _VIEWS):
            found = self._files.get("/index.html")
        return found


def page_files(folder: Path = PAGE) -> PageFiles:
    """Everything below *folder* that is a plain file of a kind that is known. Reads the disk; does not suspend."""
    files: dict[str, StaticFile] = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        kind = _KINDS.get(path.suffix)
        if kind is None or path.is_symlink() or not path.is_file():
            continue
        text = path.read_bytes()
        name = "/" + path.relative_to(folder).as_posix()
        tag = f'"{hashlib.sha256(text).hexdigest()[:32]}"'
        files[name] = StaticFile(text=text, kind=kind, tag=tag, keeps=name.startswith("/assets/"))
    return PageFiles(files)
