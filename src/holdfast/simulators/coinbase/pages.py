"""
Cursors of lists that come in pages, and pages that are kept as they were when a list was begun.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from holdfast.simulators.coinbase.errors import invalid_argument

__all__ = ["Pages", "offset_in", "page_cursor"]

_KEPT: Final = 50


def page_cursor(offset: int, tag: str = "") -> str:
    """An opaque cursor for what comes from *offset* on."""
    return base64.urlsafe_b64encode(f"{offset}/{tag}".encode()).decode().rstrip("=")


def offset_in(cursor: str) -> tuple[int, str]:
    """
    The offset and tag in a cursor; nothing of an empty one.

    Raises:
        CoinbaseRefusedError: It is none of ours.
    """
    if not cursor:
        return 0, ""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        offset, _, tag = text.partition("/")
        return max(0, int(offset)), tag
    except (binascii.Error, ValueError):
        raise invalid_argument("invalid cursor") from None


class Pages:
    """Lists that were begun, where later pages are to state what the first one did."""

    def __init__(self) -> None:
        self._kept: dict[str, list[dict[str, Any]]] = {}
        self._count = 0

    def keep(self, rows: list[dict[str, Any]]) -> str:
        """Remember the rows; returns the tag to find them by."""
        self._count += 1
        self._kept[str(self._count)] = rows
        while len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return str(self._count)

    def find(self, tag: str) -> list[dict[str, Any]] | None:
        """The rows behind a tag."""
        return self._kept.get(tag)
