"""
How far the journal had come, remembered outside the database.

A database that was copied back from yesterday looks whole: only something beside it can tell that more had already
been acted on. The store is handed an object with these two methods and does not care where it keeps the number.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["MarkSlots"]


class MarkSlots(Protocol):
    """
    One number that only rises, kept in checksummed slots outside the database.

    Used from one thread at a time, not always the same one; closed by the store. No method suspends.
    """

    def read(self) -> int | None:
        """The largest number written, or None when none ever was; raises ``StoreError`` when it cannot be told."""
        ...

    def write(self, value: int, /) -> None:
        """Remember *value*; raises ``StoreError`` or ``OSError`` when it could not."""
        ...

    def close(self) -> None:
        """Let the slots go."""
        ...
