"""The clock of a simulator that runs on real time."""

from __future__ import annotations

import time

__all__ = ["SystemClock"]

# Linux has a monotonic clock that runs through suspend; elsewhere the plain one does or is the best there is.
_RUNS_THROUGH_SUSPEND = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """``Clock`` read from the operating system."""

    def now_s(self) -> float:
        """Seconds that run through suspend and never step."""
        return time.clock_gettime(_RUNS_THROUGH_SUSPEND)

    def awake_s(self) -> float:
        """Seconds that halt while the machine sleeps."""
        return time.monotonic()

    def wall_us(self) -> int:
        """UTC microseconds since 1970; may step."""
        return time.time_ns() // 1000
