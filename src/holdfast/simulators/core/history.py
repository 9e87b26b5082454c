"""
A short past of a mapping, kept as what each change replaced.

Answering from the past is rare and changing is frequent, so a change costs one append and a look back walks.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

__all__ = ["History"]

K = TypeVar("K")
V = TypeVar("V")


class History(Generic[K, V]):
    """What a mapping's values were before each change of the last *keep_s* seconds."""

    __slots__ = ("_changes", "_keep_s")

    def __init__(self, *, keep_s: float) -> None:
        self._keep_s = keep_s
        self._changes: deque[tuple[float, K, V | None]] = deque()

    def note(self, key: K, before: V | None, *, now_s: float) -> None:
        """Remember that *key* held *before* (None: was absent) until now."""
        changes = self._changes
        oldest = now_s - self._keep_s
        while changes and changes[0][0] < oldest:
            changes.popleft()
        changes.append((now_s, key, before))

    def rewind(self, current: dict[K, V], *, to_s: float) -> dict[K, V]:
        """A copy of *current* with every change made after *to_s* undone; order of keys is kept."""
        past = dict(current)
        for at_s, key, before in reversed(self._changes):
            if at_s <= to_s:
                break
            if before is None:
                past.pop(key, None)
            else:
                past[key] = before
        return past
