"""
When an order whose answer was lost may be called absent, and what to ask next to find out.

Absence takes evidence: its validity has passed on the venue's own clock, and the venue's lists of open orders, of
closed orders and of fills, each *asked for* later than that by more than the venue's lag, know nothing of it. Time that
merely goes by is none. Found in any of them, or told by the orders channel, it is found. Pure.
"""

from __future__ import annotations

from typing import Final

__all__ = ["QUERIES", "Doubt"]

QUERIES: Final = ("open", "closed", "fills")
"""The lists that have to be negative, in the order in which they are asked."""

_EARLY_S: Final = (0.5, 2.0, 6.0, 15.0, 30.0)
"""When the lists are asked in the hope of finding it, seconds after the doubt began."""

_AGAIN_S: Final = 5.0

_UNBOUNDED_AGAIN_S: Final = 60.0
"""Without a validity nothing proves absence: the lists are asked now and then in the hope of finding it."""


class Doubt:
    """
    The evidence about one order in doubt. Times are our clock, seconds.

    Args:
        began_s: When its answer was given up.
        valid_until_s: UTC seconds on the venue's clock; None where it was sent without a validity.
        lag_s: How far the venue's lists may lag.
    """

    __slots__ = (
        "_early",
        "_is_hurried",
        "_lag_s",
        "_negative_s",
        "_retry_s",
        "began_s",
        "is_told",
        "passed_s",
        "valid_until_s",
    )

    def __init__(self, *, began_s: float, valid_until_s: float | None, lag_s: float) -> None:
        self.began_s = began_s
        self.valid_until_s = valid_until_s
        self.passed_s: float | None = None
        self.is_told = False  # Whether somebody was told that it has lasted too long.
        self._lag_s = lag_s
        self._early = 0
        self._is_hurried = False
        self._retry_s = began_s
        self._negative_s: dict[str, float] = {}

    def hurry(self) -> None:
        """A person asks: look now, at everything. What evidence has to be stays the same."""
        self._is_hurried = True

    def heard_time(self, *, venue_time_s: float, received_s: float) -> None:
        """The venue told its time, in an answer that had arrived at *received_s*."""
        if self.passed_s is None and self.valid_until_s is not None and venue_time_s >= self.valid_until_s:
            self.passed_s = received_s

    def negative(self, query: str, *, asked_s: float) -> None:
        """One of ``QUERIES``, sent at *asked_s*, does not know the order."""
        self._negative_s[query] = max(asked_s, self._negative_s.get(query, asked_s))

    def is_absent(self) -> bool:
        """Whether the evidence of absence is complete."""
        return not self.missing()

    def missing(self) -> tuple[str, ...]:
        """What the evidence lacks: ``validity``, or names of ``QUERIES``."""
        if self.passed_s is None:
            return ("validity",)
        since_s = self.passed_s + self._lag_s
        return tuple(query for query in QUERIES if self._negative_s.get(query, float("-inf")) < since_s)

    def wants(self, *, now_s: float) -> tuple[str, ...]:
        """What to ask now: ``time`` for the venue's clock, and names of ``QUERIES``; nothing while it is too early."""
        if self._is_hurried:
            return QUERIES if self.passed_s is not None or self.valid_until_s is None else (*QUERIES, "time")
        if now_s < self.next_s():
            return ()
        if self.passed_s is not None and now_s >= self.passed_s + self._lag_s:
            return self.missing()
        wanted = ["open", "closed"] if self._is_early(now_s) or self.valid_until_s is None else []
        if self.passed_s is None and self.valid_until_s is not None:
            wanted.append("time")
        return tuple(wanted)

    def asked(self, *, now_s: float) -> None:
        """What was wanted was asked, whatever came of it."""
        self._is_hurried = False
        while self._is_early(now_s):
            self._early += 1
        self._retry_s = now_s + _AGAIN_S

    def next_s(self) -> float:
        """When to look at it again: never in the past where ``wants`` has nothing to ask; infinity where nothing is."""
        if self._is_hurried:
            return self.began_s
        times = []
        if self._early < len(_EARLY_S):
            times.append(self.began_s + _EARLY_S[self._early])
        if self.passed_s is not None:
            times.append(max(self._retry_s, self.passed_s + self._lag_s))
        elif self.valid_until_s is not None:
            times.append(self._retry_s)
        elif self._early == len(_EARLY_S):
            times.append(self._retry_s - _AGAIN_S + _UNBOUNDED_AGAIN_S)
        return min(times, default=float("inf"))

    def _is_early(self, now_s: float) -> bool:
        return self._early < len(_EARLY_S) and now_s >= self.began_s + _EARLY_S[self._early]
