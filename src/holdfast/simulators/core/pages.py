"""Pages of a history: what lies between two bounds, from an offset on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["page", "window"]

T = TypeVar("T")


def window(
    rows: Sequence[T], *, at_us: Callable[[T], int], after_us: int | None = None, until_us: int | None = None
) -> list[T]:
    """The rows later than *after_us* (exclusive) and not later than *until_us* (inclusive), in their order."""
    return [
        row
        for row in rows
        if (after_us is None or at_us(row) > after_us) and (until_us is None or at_us(row) <= until_us)
    ]


def page(rows: Sequence[T], *, offset: int, size: int) -> list[T]:
    """At most *size* rows from *offset* on; nothing beyond the end."""
    return list(rows[offset : offset + size])
