"""
How much may be asked of a venue, and when: a decaying counter and a budget of connections.

Pure: the clock is passed in, nothing sleeps. The shell asks ``wait_s``, waits or refuses, and records what it did.
A venue's numbers live in that venue's ``limits.py``; here is only the arithmetic. These are our own *picture* of the
venue's counters: other processes with the same key or the same address count too, so a refusal of the venue corrects
the picture (``refused``) and is never argued with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Protocol

__all__ = ["ConnectionBudget", "DecayingCounter", "MakeCounter", "own_counter"]


class DecayingCounter:
    """
    A counter that each call raises and time lowers; at its maximum the venue refuses.

    Args:
        maximum: The level above which the venue refuses, in the venue's own points.
        decay_per_s: Points that one second takes away.
        now_s: Any steady clock, seconds; the same one in every call.
        level: Where to start: zero for a key that rested.
    """

    __slots__ = ("_as_of_s", "_level", "_quiet_until_s", "decay_per_s", "maximum")

    def __init__(self, *, maximum: float, decay_per_s: float, now_s: float, level: float = 0.0) -> None:
        if maximum <= 0 or decay_per_s <= 0:
            raise ValueError("a decaying counter needs a positive maximum and a positive decay")
        self.maximum = maximum
        self.decay_per_s = decay_per_s
        self._level = level
        self._as_of_s = now_s
        self._quiet_until_s = now_s

    def level(self, *, now_s: float) -> float:
        """Points in use now; never negative, and never lowered by a clock that went back."""
        passed_s = now_s - self._as_of_s
        return max(0.0, self._level - passed_s * self.decay_per_s) if passed_s > 0 else self._level

    def wait_s(self, cost: float, *, now_s: float, headroom: float = 0.0) -> float:
        """
        Seconds until *cost* points fit below the maximum, leaving *headroom* points to more urgent callers.

        Zero: it may go now. A cost that never fits waits as if it were the largest that does.
        """
        ceiling = max(0.0, self.maximum - headroom - cost)
        surplus = self.level(now_s=now_s) - ceiling
        decay_s = surplus / self.decay_per_s if surplus > 0 else 0.0
        return max(decay_s, self._quiet_until_s - now_s, 0.0)

    def spend(self, cost: float, *, now_s: float) -> None:
        """Record a call of *cost* points that is about to leave."""
        level = self.level(now_s=now_s)
        self._as_of_s = max(now_s, self._as_of_s)
        self._level = level + cost

    def refused(self, *, now_s: float, quiet_s: float) -> None:
        """
        The venue refused for its counter: whatever we thought, it is full, and nothing may go for *quiet_s* seconds.

        A shorter quiet time never shortens a longer one that is still running.
        """
        self._level = max(self.level(now_s=now_s), self.maximum)
        self._as_of_s = max(now_s, self._as_of_s)
        self._quiet_until_s = max(self._quiet_until_s, now_s + quiet_s)


class MakeCounter(Protocol):
    """
    Makes a counter of a credential's calls, which others on this machine may share.

    A venue that counts several kinds of calls apart names each: short, of letters, digits, ``-`` and ``.``.
    """

    def __call__(self, *, maximum: float, decay_per_s: float, now_s: float, name: str = "") -> DecayingCounter: ...


def own_counter(*, maximum: float, decay_per_s: float, now_s: float, name: str = "") -> DecayingCounter:
    """A counter of this process alone, whatever it is called: what an adapter uses where it is given no other."""
    return DecayingCounter(maximum=maximum, decay_per_s=decay_per_s, now_s=now_s)


class ConnectionBudget:
    """
    At most *limit* connection attempts in any *window_s* seconds.

    Attempts count whether or not they succeed: that is how venues count. *attempts* lets a shell hand over what other
    processes of the host already used.
    """

    __slots__ = ("_attempts", "limit", "window_s")

    def __init__(self, *, limit: int, window_s: float, attempts: Iterable[float] = ()) -> None:
        if limit < 1 or window_s <= 0:
            raise ValueError("a connection budget needs at least one attempt and a positive window")
        self.limit = limit
        self.window_s = window_s
        self._attempts = deque(sorted(attempts)[-limit:], maxlen=limit)

    def used(self, *, now_s: float) -> int:
        """Attempts within the window that ends now."""
        self._forget(now_s)
        return len(self._attempts)

    def wait_s(self, *, now_s: float) -> float:
        """Seconds until one more attempt fits; zero: now."""
        self._forget(now_s)
        if len(self._attempts) < self.limit:
            return 0.0
        return max(0.0, self._attempts[0] + self.window_s - now_s)

    def spend(self, *, now_s: float) -> None:
        """Record an attempt that is about to be made."""
        self._forget(now_s)
        self._attempts.append(now_s)

    def _forget(self, now_s: float) -> None:
        attempts = self._attempts
        while attempts and attempts[0] + self.window_s <= now_s:
            attempts.popleft()
