"""A clock that stands still and timers that fire when a test moves it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

__all__ = ["ManualClock", "ManualTimers"]


class ManualClock:
    """Three readings of one time, moved by the test; the wall clock may be stepped apart from the others."""

    def __init__(self, *, start_s: float = 1000.0, wall_us: int = 1_790_000_000_000_000) -> None:
        self._now_s = start_s
        self._wall_us = wall_us

    def now_s(self) -> float:
        return self._now_s

    def awake_s(self) -> float:
        return self._now_s

    def wall_us(self) -> int:
        return self._wall_us

    def advance(self, by_s: float) -> None:
        self._now_s += by_s
        self._wall_us += round(by_s * 1_000_000)

    def step(self, by_s: float) -> None:
        self._wall_us += round(by_s * 1_000_000)


class _Timer:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class ManualTimers:
    """``call_later`` on a ``ManualClock``; ``run`` moves the clock and fires what falls due, in order."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[..., object], tuple[Any, ...], _Timer]] = []
        self._count = itertools.count()

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> _Timer:
        timer = _Timer()
        heapq.heappush(self._due, (self._clock.now_s() + delay, next(self._count), callback, args, timer))
        return timer

    def run(self, for_s: float = 0.0) -> None:
        until_s = self._clock.now_s() + for_s
        while self._due and self._due[0][0] <= until_s:
            due_s, _, callback, args, timer = heapq.heappop(self._due)
            self._clock.advance(max(0.0, due_s - self._clock.now_s()))
            if not timer.is_cancelled:
                callback(*args)
        self._clock.advance(max(0.0, until_s - self._clock.now_s()))
