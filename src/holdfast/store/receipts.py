"""The awaitable that ``append`` returns: cheap, shareable, and silent when nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

__all__ = ["Receipt"]

T = TypeVar("T")


class Receipt(Generic[T]):
    """
    Ends once something is durable, or raises why it is not.

    Unlike a future it may be awaited by several tasks, cancelling one of them does not touch the others, and a failure
    that nobody awaits is not reported a second time: the store's status remembers it. Settled on the event loop's
    thread only.
    """

    __slots__ = ("_fault", "_is_settled", "_told", "_value", "_waiters")

    def __init__(self) -> None:
        self._is_settled = False
        self._value: T | None = None
        self._fault: Callable[[], Exception] | None = None
        self._waiters: list[asyncio.Future[None]] | None = None
        self._told: Callable[[bool], None] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether the outcome is known."""
        return self._is_settled

    def when_settled(self, told: Callable[[bool], None]) -> None:
        """
        Have *told* called with whether it went well: before anyone who awaits goes on, at once where it is known.

        One callback only: that of whoever handed over what this tells of.
        """
        if self._is_settled:
            told(self._fault is None)
        else:
            self._told = told

    def settle(self, value: T) -> Receipt[T]:
        """Say that it is durable; a second outcome is ignored."""
        if not self._is_settled:
            self._value = value
            self._wake()
        return self

    def fail(self, fault: Callable[[], Exception]) -> Receipt[T]:
        """Say that it is not; *fault* makes a fresh error for each task that waits."""
        if not self._is_settled:
            self._fault = fault
            self._wake()
        return self

    def _wake(self) -> None:
        self._is_settled = True
        if self._told is not None:
            told, self._told = self._told, None
            told(self._fault is None)
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def __await__(self) -> Generator[Any, None, T]:
        if not self._is_settled:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if self._waiters is None:
                self._waiters = [waiter]
            else:
                self._waiters.append(waiter)
            yield from waiter
        if self._fault is not None:
            raise self._fault()
        return self._value  # type: ignore[return-value]  # None only where T allows it.
