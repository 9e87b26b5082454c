"""
Whether this process has been running: a paused one has not seen what the venue pushed meanwhile, and does not know it.

Clocks do not tell: they run on while a process is stopped, or while a bot blocks its event loop. So while orders are
judged a timer of our own beats, and a beat that is missing says that what arrived since has not been read. It beats
only while it is needed, and for a while after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from holdfast.core.seams import Clock

__all__ = ["Pulse"]

_EVERY_S: Final = 0.5

_MISSING_AFTER_S: Final = 1.5
"""Below the time within which a push has to be noticed, and above what a busy machine takes."""

_LASTS_S: Final = 60.0


class Pulse:
    """
    One broker's beat. Needs a running loop; never suspends but where it says so.

    Args:
        clock: Runs through a pause.
        on_pause: Called with our clock and the length of a pause, in the step that notices it.
    """

    def __init__(self, clock: Clock, on_pause: Callable[[float, float], None]) -> None:
        self._clock = clock
        self._on_pause = on_pause
        self._timer: asyncio.TimerHandle | None = None
        self._beat_s = 0.0
        self._until_s = 0.0
        self._paused_s = float("-inf")  # When the latest pause was noticed.

    async def start(self) -> None:
        """Beat from now on. Where it did not, what has arrived already is let in first: suspends for a moment."""
        now_s = self._clock.now_s()
        self._until_s = now_s + _LASTS_S
        if self._timer is not None:
            return
        self._beat_s = now_s
        self._timer = asyncio.get_running_loop().call_later(_EVERY_S, self._beat)
        for _ in range(3):  # Once to be asked again, once to have sockets looked at, once to have them read.
            await asyncio.sleep(0)

    def has_paused(self, now_s: float) -> bool:
        """Whether a beat is missing; who hears of it first tells ``on_pause``."""
        if self._timer is None:
            return False
        missed_s = now_s - self._beat_s
        if missed_s <= _MISSING_AFTER_S:
            return False
        self._beat_s = self._paused_s = now_s
        self._on_pause(now_s, missed_s)
        return True

    def has_paused_since(self, since_s: float, *, now_s: float) -> bool:
        """Whether a pause was noticed after *since_s*, whoever heard of it first."""
        return self.has_paused(now_s) or self._paused_s > since_s

    def stop(self) -> None:
        """Beat no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        now_s = self._clock.now_s()
        self.has_paused(now_s)
        self._beat_s = now_s
        lasts = now_s < self._until_s
        self._timer = asyncio.get_running_loop().call_later(_EVERY_S, self._beat) if lasts else None
