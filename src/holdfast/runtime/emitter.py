"""Where events go: to the log, and to whoever asked for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from holdfast.core.events import Event
from holdfast.runtime.listeners import Subscription

__all__ = ["Emitter"]


class Emitter:
    """
    An ``Emit`` with any number of listeners. Calling it never blocks and never raises.

    Attributes:
        is_heard: False while nobody listens: events that are costly to make need not be made then.
        on_heard: Called whenever that changed.
    """

    def __init__(self, sinks: Sequence[Callable[[Event], object]] = ()) -> None:
        self._sinks: tuple[Callable[[Event], object], ...] = tuple(sinks)
        self.is_heard = bool(sinks)
        self.on_heard: list[Callable[[], None]] = []

    def __call__(self, event: Event) -> None:
        for sink in self._sinks:
            try:
                sink(event)
            except (Exception, asyncio.CancelledError) as error:
                # A listener's bug is its own: the account it heard of goes on, and no task of ours is cancelled by it.
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a listener to events failed", "exception": error}
                )

    def subscribe(self, callback: Callable[[Event], object]) -> Subscription:
        """Call *callback* with every event from now on. Never suspends."""

        # Wrapped, so that the same function may listen twice and leave once.
        def sink(event: Event) -> object:
            return callback(event)

        self._listen((*self._sinks, sink))

        def leave() -> None:
            self._listen(tuple(other for other in self._sinks if other is not sink))

        return Subscription(leave)

    def _listen(self, sinks: tuple[Callable[[Event], object], ...]) -> None:
        before, self.is_heard = self.is_heard, bool(sinks)
        self._sinks = sinks
        if self.is_heard is not before:
            for tell in tuple(self.on_heard):
                tell()
