"""One event loop in a thread of its own, for code that has none, and plain calls into it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from holdfast.errors import ClosedError

__all__ = ["LoopThread", "refuse_in_loop"]

T = TypeVar("T")


class LoopThread:
    """One event loop in a daemon thread, and calls into it."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        self._has_begun = threading.Event()
        self._failure: BaseException | None = None
        self._is_given_up = False

    def start(self, opening: AbstractAsyncContextManager[T]) -> T:
        """Enter *opening* in a new thread; returns what that gives, raises what it raised. Blocks until then."""
        desks: list[T] = []

        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._stop = asyncio.Event()
            if self._is_given_up:
                return
            async with opening as desk:
                desks.append(desk)
                self._has_begun.set()
                await self._stop.wait()

        def run() -> None:
            try:
                asyncio.run(main())
            except BaseException as error:
                self._failure = error
            finally:
                self._has_begun.set()

        self._thread = threading.Thread(target=run, name="holdfast", daemon=True)
        self._thread.start()
        try:
            self._has_begun.wait()
        except BaseException:
            # Interrupted while it opened: what was taken is given back before anybody tries again.
            self._is_given_up = True
            self.stop()
            raise
        if not desks:
            self._thread.join()
            raise self._failure if self._failure is not None else ClosedError("this desk ended while it opened")
        return desks[0]

    def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine in the thread and wait for what it returns or raises. Blocks."""
        refuse_in_loop()
        future = self.submit(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def submit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """
        Run a coroutine in the thread; its future. Does not block, from whatever thread or loop.

        Raises:
            ClosedError: The thread has ended, is ending, or belongs to the process that forked us.
        """
        if os.getpid() != self._pid:
            raise ClosedError(f"this desk was opened in process {self._pid}: open one per process, after forking")
        if self._loop is None or self._thread is None or not self._thread.is_alive() or self._stop is None:
            raise ClosedError("this desk is closed: use it inside its 'with holdfast.open_blocking(...)' block")
        if self._stop.is_set():
            raise ClosedError("this desk is closing")
        return asyncio.run_coroutine_threadsafe(work(), self._loop)

    def stop(self) -> None:
        """Close the desk and end the thread; raises what closing raised. Blocks."""
        if os.getpid() != self._pid or self._thread is None:
            return
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # Its loop was just closed: it has ended by itself.
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


def refuse_in_loop() -> None:
    """
    Refuse a blocking call where it would stop an event loop.

    Raises:
        ClosedError: This thread is running one.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ClosedError("a blocking call inside a running event loop would stop it: use 'async with holdfast.open(...)'")
