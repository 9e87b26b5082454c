"""
Who hears of changes, and how a slow listener is kept from holding anything up.

A callback is a plain function called in the very step in which the figures changed. An iterator has a bounded queue:
when it is full the oldest change is dropped and the reader is told so, once, in the place where it happened.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from holdfast.runtime.views import BalancesChanged, Lagged

__all__ = ["Changes", "Listeners", "Subscription"]


class Subscription:
    """A callback's place in the list; closing it ends the calls. Also a context manager."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave

    def close(self) -> None:
        """End the calls. Safe to repeat; never suspends."""
        self._leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Changes:
    """
    Changes of one broker, or of a whole desk, one at a time: ``async for change in broker.changes()``.

    Ends when the broker is closed. Never blocks the broker: a reader that falls *limit* changes behind loses the
    oldest ones and finds a ``Lagged`` in their place.
    """

    def __init__(self, *, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"limit has to be at least 1, not {limit}")
        self._limit = limit
        self._queue: deque[BalancesChanged] = deque()
        self._missed: dict[str, int] = {}
        self._waiter: asyncio.Future[None] | None = None
        self._is_closed = False

    def put(self, change: BalancesChanged) -> None:
        """Add one change, dropping the oldest where the queue is full. For the broker; never suspends."""
        if len(self._queue) >= self._limit:
            dropped = self._queue.popleft()
            self._missed[dropped.broker] = self._missed.get(dropped.broker, 0) + 1
        self._queue.append(change)
        self._wake()

    def close(self) -> None:
        """End the iteration once what is queued has been read. Never suspends."""
        self._is_closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BalancesChanged | Lagged:
        while True:
            if self._missed:
                # What was dropped is always older than what is queued, so it is told first.
                broker, missed = self._missed.popitem()
                return Lagged(broker=broker, missed=missed)
            if self._queue:
                return self._queue.popleft()
            if self._is_closed:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None


class Listeners:
    """
    The callbacks and iterators of one broker, or of a desk.

    Attributes:
        is_empty: True while nobody listens: what is only for listeners need not be made.
        on_first: Called when somebody listens again after nobody did.
    """

    def __init__(self) -> None:
        self.on_first: list[Callable[[], None]] = []
        # Replaced, never changed: a callback may leave, or bring another, while the list is being called.
        self._call({})
        # Weak: a reader that leaves its loop early is forgotten with its iterator.
        self._iterators: tuple[weakref.ref[Changes], ...] = ()
        self.is_empty = True

    def subscribe(self, callback: Callable[[BalancesChanged], object]) -> Subscription:
        """Call *callback* with every change from now on. Never suspends."""
        place = object()  # The same function may be subscribed twice, and left once.
        self._begin()
        self._call({**self._callbacks, place: callback})

        def leave() -> None:
            self._call({key: kept for key, kept in self._callbacks.items() if key is not place})
            self.is_empty = not self._callbacks and not self._iterators

        return Subscription(leave)

    def iterate(self, *, limit: int) -> Changes:
        """An iterator over every change from now on. Never suspends."""
        changes = Changes(limit=limit)
        self._begin()
        self._iterators = (*self._iterators, weakref.ref(changes, self._forget))
        return changes

    def _call(self, callbacks: dict[object, Callable[[BalancesChanged], object]]) -> None:
        self._callbacks = callbacks
        self._called = tuple(callbacks.values())

    def _begin(self) -> None:
        if self.is_empty:
            for prepare in self.on_first:
                prepare()
            self.is_empty = False

    def _forget(self, gone: weakref.ref[Changes]) -> None:
        self._iterators = tuple(each for each in self._iterators if each is not gone)
        self.is_empty = not self._callbacks and not self._iterators

    def tell(self, change: BalancesChanged) -> None:
        """Hand *change* to everyone. Never suspends, never raises."""
        for callback in self._called:
            try:
                callback(change)
            except (Exception, asyncio.CancelledError) as error:
                # A listener's bug is reported where asyncio reports such bugs; figures and other listeners go on.
                # Asked for the result of a cancelled future it raises what would end the task that told it.
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a subscriber to balance changes failed", "exception": error}
                )
        for reference in self._iterators:
            changes = reference()
            if changes is not None:
                changes.put(change)

    def close(self) -> None:
        """End every iterator and forget every callback."""
        self._call({})
        iterators, self._iterators = self._iterators, ()
        for reference in iterators:
            changes = reference()
            if changes is not None:
                changes.close()
        self.is_empty = True
