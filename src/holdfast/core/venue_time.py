"""The venue's clock as well as we know it."""

from __future__ import annotations

from typing import Final

from holdfast.core.seams import Clock
from holdfast.core.venue import ServerTime

__all__ = ["VenueTime", "offset_s"]

_JUMP_S: Final = 2.0
_COMPARED_EVERY_S: Final = 1800.0


class VenueTime:
    """One venue's clock, counted on from the last time it was told. Never suspends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_s: float | None = None  # UTC seconds at the venue, less our clock, which never steps.
        self._doubted_s: float | None = None  # The same, of an answer that is hard to believe.
        self._heard_s = float("-inf")

    def hear(self, time: ServerTime) -> None:
        """
        The venue told its time: somewhere between request and reply, cut to its resolution.

        One answer that is far from what was known is believed once another says the same: order entry hangs on it.
        """
        middle_s = (time.sent_s + time.received_s) / 2
        ahead_s = time.venue_time_s + time.resolution_s / 2 - middle_s
        known = (self._ahead_s, self._doubted_s)
        if self._ahead_s is None or any(each is not None and abs(ahead_s - each) <= _JUMP_S for each in known):
            self._ahead_s, self._doubted_s, self._heard_s = ahead_s, None, time.received_s
        else:
            self._doubted_s = ahead_s

    def is_due(self, now_s: float) -> bool:
        """Whether the clocks should be compared again: neither keeps time for ever."""
        return now_s - self._heard_s >= _COMPARED_EVERY_S

    def now_us(self) -> int:
        """UTC microseconds on the venue's clock; on our wall clock where it was never told."""
        return self.at_us(self._clock.now_s())

    def at_us(self, now_s: float) -> int:
        """The same at *now_s* on our clock, lately."""
        if self._ahead_s is None:
            return self._clock.wall_us() - int((self._clock.now_s() - now_s) * 1_000_000)
        return int((now_s + self._ahead_s) * 1_000_000)


def offset_s(time: ServerTime) -> float:
    """The venue's clock minus ours, seconds, as well as one exchange can tell."""
    # It read its clock at some moment between request and reply, and cut it to its resolution: the middle of both.
    travel_s = max(0.0, time.received_s - time.sent_s)
    return round(time.venue_time_s + time.resolution_s / 2 - (time.wall_us / 1_000_000 - travel_s / 2), 3)
