"""
The machine's three clocks.

What runs through suspend is ``CLOCK_BOOTTIME`` on Linux and ``CLOCK_MONOTONIC`` on macOS; what halts meanwhile is
``CLOCK_MONOTONIC`` on Linux and ``CLOCK_UPTIME_RAW`` on macOS. ``time.monotonic`` is the halting one on both, which is
why an age measured on it would forget a night. Both start at boot and are the same for every process of a host.

Sources: clock_gettime(2), https://man7.org/linux/man-pages/man2/clock_gettime.2.html; clock_gettime(3) of macOS
(checked 2026-11-20)
"""

from __future__ import annotations

import time
from functools import partial
from time import clock_gettime

__all__ = ["SystemClock"]

_THROUGH_SUSPEND: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_AWAKE_ONLY: int = getattr(time, "CLOCK_UPTIME_RAW", time.CLOCK_MONOTONIC)


class SystemClock:
    """The real ``Clock``. Stateless: all of them agree, in every process of this host."""

    __slots__ = ()

    # No function of ours around them: they are read for every frame and every call.
    now_s = staticmethod(partial(clock_gettime, _THROUGH_SUSPEND))
    """Seconds since boot, sleep included; never steps."""

    awake_s = staticmethod(partial(clock_gettime, _AWAKE_ONLY))
    """Seconds that the machine was awake; only its difference to the others means anything."""

    def wall_us(self) -> int:
        """UTC microseconds since 1970; may step."""
        return time.time_ns() // 1_000
