"""
How many requests, connections and messages are let through.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/coinbase-app/api-architecture/rate-limiting,
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-rate-limits. The REST figures are of
a page that is no longer published; three clients still use them.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Window"]


class Window:
    """How many of something happened in the last so many seconds. It slides: the strictest reading of "per second"."""

    __slots__ = ("_at_s", "_span_s")

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._at_s: deque[float] = deque()

    def left(self, maximum: int, *, now_s: float) -> int:
        """How many more fit now."""
        at_s = self._at_s
        while at_s and at_s[0] <= now_s - self._span_s:
            at_s.popleft()
        return max(0, maximum - len(at_s))

    def admit(self, maximum: int, *, now_s: float) -> bool:
        """Whether one more fits; counts it where it does."""
        if not self.left(maximum, now_s=now_s):
            return False
        self._at_s.append(now_s)
        return True

    def reset_s(self, *, now_s: float) -> float:
        """Seconds until the oldest one no longer counts; 0 where there is none."""
        return max(0.0, self._at_s[0] + self._span_s - now_s) if self._at_s else 0.0

    def fill(self, count: int, *, now_s: float) -> None:
        """Count so many more at once."""
        self._at_s.extend([now_s] * count)
