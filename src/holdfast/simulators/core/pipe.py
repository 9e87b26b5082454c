"""Items that arrive later and in the order they were sent: one timer per pipe, no task and no timer per item."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Pipe"]

T = TypeVar("T")


class Pipe(Generic[T]):
    """
    One direction of one connection.

    An item pushed with a shorter delay than the one before it still arrives after it, as on a byte stream.

    Args:
        loop: Its clock and timers are used, so the pipe runs on real or virtual time alike.
        deliver: Takes each item when it is due; never called from inside ``push``.
    """

    __slots__ = ("_deliver", "_due", "_is_running", "_items", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[T], None]) -> None:
        self._loop = loop
        self._deliver = deliver
        self._items: deque[tuple[float, T]] = deque()
        self._due = 0.0
        self._timer: asyncio.Handle | None = None
        self._is_running = False

    def __len__(self) -> int:
        return len(self._items)

    def push(self, item: T, delay_s: float = 0.0) -> None:
        """Send *item*, to arrive after *delay_s* seconds or right after the item before it, whichever is later."""
        due = self._loop.time() + delay_s
        if due < self._due:
            due = self._due
        self._due = due
        self._items.append((due, item))
        if self._timer is None and not self._is_running:
            self._timer = self._loop.call_at(due, self._run) if delay_s > 0 else self._loop.call_soon(self._run)

    def clear(self) -> None:
        """Forget what has not arrived yet."""
        self._items.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def drain(self) -> list[T]:
        """Take out what has not arrived yet, in order."""
        items = [item for _, item in self._items]
        self.clear()
        return items

    def _run(self) -> None:
        self._timer = None
        items = self._items
        # The head is due by construction; comparing it again could spin on a clock of coarse resolution.
        now = max(self._loop.time(), items[0][0]) if items else 0.0
        self._is_running = True
        try:
            while items and items[0][0] <= now:
                self._deliver(items.popleft()[1])
        finally:
            self._is_running = False
            if items:
                self._timer = self._loop.call_at(items[0][0], self._run)
