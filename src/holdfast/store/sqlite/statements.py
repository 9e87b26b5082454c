"""Many rows with few statements."""

from __future__ import annotations

import functools
import itertools
import sqlite3
from typing import Any, Final

__all__ = ["SIZES", "insert_many"]

# Each statement lets go of the interpreter while it runs, and a busy event loop gives it back only after its switch
# interval: sixty rows by executemany took 560 ms beside a spinning thread, by one many-row INSERT 30 ms.
SIZES: Final = (128, 64, 32, 16, 8, 4, 2, 1)
"""Rows per statement: few different ones, so that they stay prepared."""


def insert_many(
    connection: sqlite3.Connection, into: str, width: int, rows: list[tuple[Any, ...]], *, then: str = ""
) -> int:
    """Insert *rows* of *width* values in order, ``{into} VALUES … {then}``; how many were inserted or changed."""
    start = changed = 0
    for size in SIZES:
        while len(rows) - start >= size:
            flat = list(itertools.chain.from_iterable(rows[start : start + size]))
            changed += connection.execute(_many(into, width, size, then), flat).rowcount
            start += size
    return changed


@functools.cache
def _many(into: str, width: int, size: int, then: str) -> str:
    one = f"({', '.join('?' * width)})"
    return f"{into} VALUES {', '.join([one] * size)} {then}".rstrip()
