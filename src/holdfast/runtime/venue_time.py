"""The venue's clock as well as we know it."""

from __future__ import annotations

from holdfast.core.seams import Clock
from holdfast.core.venue import ServerTime

__all__ = ["VenueTime"]


class VenueTime:
    """One venue's clock, counted on from the last time it was told. Never suspends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_s: float | None = None  # UTC seconds at the venue, less our clock, which never steps.

    def hear(self, time: ServerTime) -> None:
        """The venue told its time: somewhere between request and reply, cut to its resolution."""
        middle_s = (time.sent_s + time.received_s) / 2
        self._ahead_s = time.venue_time_s + time.resolution_s / 2 - middle_s

    def now_us(self) -> int:
        """UTC microseconds on the venue's clock; on our wall clock where it was never told."""
        return self.at_us(self._clock.now_s())

    def at_us(self, now_s: float) -> int:
        """The same at *now_s* on our clock, lately."""
        if self._ahead_s is None:
            return self._clock.wall_us() - int((self._clock.now_s() - now_s) * 1_000_000)
        return int((now_s + self._ahead_s) * 1_000_000)

    def of_wall(self, wall_us: int) -> int:
        """A moment of our wall clock, on the venue's."""
        return wall_us + self.now_us() - self._clock.wall_us()
