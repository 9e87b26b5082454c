"""
Where a desk may be used: in the event loop, thread and process that opened it, until it is closed.
"""

from __future__ import annotations

import asyncio
import os

from holdfast.errors import ClosedError

__all__ = ["Guard"]


class Guard:
    """
    One open desk's right to be used.

    A forked child shares the parent's sockets, lanes and locks without being the parent: everything is refused there.
    """

    __slots__ = ("_is_closed", "_loop", "_pid", "_what")

    def __init__(self, what: str) -> None:
        self._what = what
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()
        self._is_closed = False

    def check(self) -> None:
        """
        Refuse use from the wrong place.

        Raises:
            ClosedError: After close, in a forked child, or outside the event loop that opened it.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is self._loop and not self._is_closed and os.getpid() == self._pid:
            return
        if os.getpid() != self._pid:
            raise ClosedError(
                f"{self._what} was opened in process {self._pid} and this is its fork {os.getpid()}: "
                "open it after forking, once per process"
            )
        if self._is_closed:
            raise ClosedError(f"{self._what} is closed: use it inside its 'async with holdfast.open(...)' block")
        if loop is None:
            raise ClosedError(
                f"{self._what} belongs to an event loop and this code runs outside of it: "
                "call it from that loop, or use holdfast.open_blocking(...) in synchronous code"
            )
        raise ClosedError(f"{self._what} was opened in another event loop: open one per loop")

    def close(self) -> None:
        """Refuse everything from now on."""
        self._is_closed = True
