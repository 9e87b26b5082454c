"""Waiting for a moment on our clock that may be brought forward."""

from __future__ import annotations

import asyncio

from holdfast.core.seams import Clock

__all__ = ["Alarm"]

_LONGEST_S = 3600.0

# A moment that is ahead by a rounding error only is waited for all the same, or whoever asks again would spin.
_SHORTEST_S = 0.001


class Alarm:
    """
    One task's wait until a moment, which anyone may end early.

    The loop's timers stand still while the machine sleeps and the clock does not: whoever notices that rings.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._place: asyncio.Future[None] | None = None
        self._has_rung = False

    async def wait_until(self, at_s: float) -> None:
        """Suspend until *at_s* on our clock, or until rung; returns at once when it rang since the last wait."""
        if self._has_rung:
            self._has_rung = False
            return
        delay_s = at_s - self._clock.now_s()
        if delay_s <= 0:
            return
        loop = asyncio.get_running_loop()
        self._place = loop.create_future()
        # A bound, so that a moment at infinity is only a long wait.
        timer = loop.call_later(min(max(delay_s, _SHORTEST_S), _LONGEST_S), _end, self._place)
        try:
            await self._place
        finally:
            timer.cancel()
            self._place = None
            self._has_rung = False

    def ring(self) -> None:
        """End the present wait, or the next one. Never suspends."""
        self._has_rung = True
        if self._place is not None:
            _end(self._place)


def _end(place: asyncio.Future[None]) -> None:
    if not place.done():
        place.set_result(None)
