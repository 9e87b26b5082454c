"""A clock for tests: it runs with a virtual loop, or by hand, and does what real clocks do wrong on demand."""

from __future__ import annotations

import asyncio
from typing import Final

__all__ = ["FakeClock", "WorldClock"]

_START_WALL_US: Final = 1_790_000_000_000_000  # 2026-09-21: a date the fixtures of every venue are near to.


class FakeClock:
    """
    A ``Clock`` that nobody has to wait for.

    Inside a virtual loop it runs with it; without a loop ``advance`` moves it. ``step_wall`` moves the wall clock
    alone, as an administrator or a time daemon does; ``suspend`` lets the machine sleep: ``now_s`` and the wall clock
    go on, ``awake_s`` and every timer of the loop do not.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop | None = None, *, start_s: float = 1000.0, wall_us: int = _START_WALL_US
    ) -> None:
        self._loop = loop
        self._awake_s = start_s
        self._offset_s = start_s - (loop.time() if loop is not None else 0.0)
        self._start_s = start_s
        self._slept_s = 0.0
        self._stepped_us = 0
        self._wall_us = wall_us

    def now_s(self) -> float:
        if self._loop is not None:  # Asked for with every frame.
            return self._loop.time() + self._offset_s + self._slept_s
        return self._awake_s + self._slept_s

    def awake_s(self) -> float:
        if self._loop is not None:
            return self._loop.time() + self._offset_s
        return self._awake_s

    def wall_us(self) -> int:
        return self.true_wall_us() + self._stepped_us

    def true_wall_us(self) -> int:
        """UTC microseconds as everybody else has them: unmoved by ``step_wall``. A simulated venue's clock."""
        return self._wall_us + round((self.now_s() - self._start_s) * 1_000_000)

    def world(self) -> WorldClock:
        """The clock of everybody else, a simulated venue's first of all: it neither sleeps nor steps with ours."""
        return WorldClock(self)

    def advance(self, by_s: float) -> None:
        """Let *by_s* seconds pass. Only for a clock without a loop: a loop moves its clock itself."""
        if self._loop is not None:
            raise RuntimeError("this clock runs with its loop: await asyncio.sleep(...) instead")
        if by_s < 0:
            raise ValueError("time does not run backwards; step_wall moves the wall clock")
        self._awake_s += by_s

    def step_wall(self, by_s: float) -> None:
        """Set the wall clock forward, or back where *by_s* is negative; nothing else moves."""
        self._stepped_us += round(by_s * 1_000_000)

    def suspend(self, for_s: float) -> None:
        """Let the machine sleep for *for_s* seconds, at once."""
        if for_s < 0:
            raise ValueError("a machine cannot sleep backwards")
        self._slept_s += for_s


class WorldClock:
    """What time it is outside of the machine whose clock is faked."""

    __slots__ = ("_ours",)

    def __init__(self, ours: FakeClock) -> None:
        self._ours = ours

    def now_s(self) -> float:
        return self._ours.now_s()

    def awake_s(self) -> float:
        return self._ours.now_s()

    def wall_us(self) -> int:
        return self._ours.true_wall_us()
