"""
Rows on their way to the journal: gathered while a step lasts, handed to the store once it has ended.

What a frame changes is told before it is written down, so that a burst costs one hand-over and the reader of a stream
never waits for words to be made for the disk. Nothing is lost by that but what a crash in the same step would lose.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable

from holdfast.core.changes import Change, Discrepancy, Moved, change_of
from holdfast.core.seams import Clock, JournalRow, Store
from holdfast.errors import StoreError
from holdfast.runtime.record import row_of_change, row_of_discrepancy

__all__ = ["JournalQueue"]


class JournalQueue:
    """The rows of one account that the store has not been handed yet."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self._clock = clock
        self._waiting: list[tuple[tuple[Change, ...], tuple[Discrepancy, ...], str] | Moved] = []
        self._last: Awaitable[int] | None = None

    def add(self, changes: tuple[Change, ...], disagreements: tuple[Discrepancy, ...], *, read: str) -> None:
        """Keep what one statement did, in order."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append((changes, disagreements, read))

    def add_moved(self, moved: Moved) -> None:
        """Keep what one delta of the stream did, in order; its words are made once they are written."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(moved)

    def flush(self) -> None:
        """Hand over what is waiting."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        wall_us = self._clock.wall_us()  # The same step, so the same time.
        rows: list[JournalRow] = []
        for entry in waiting:
            if len(entry) == 5:
                rows.append(row_of_change(change_of(entry), read="balances", wall_us=wall_us))
                continue
            changes, disagreements, read = entry
            rows += [row_of_change(each, read=read, wall_us=wall_us) for each in changes]
            rows += [row_of_discrepancy(each, wall_us=wall_us) for each in disagreements]
        self._last = self.store.append(rows)

    async def written(self) -> None:
        """Wait until everything added so far is durable, or the store has refused it. Suspends."""
        self.flush()
        if self._last is not None:
            with contextlib.suppress(StoreError):  # The store's status remembers why.
                await self._last
