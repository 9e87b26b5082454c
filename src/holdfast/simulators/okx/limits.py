"""
OKX's limits, as data and as rules: so many calls in so many seconds, per endpoint and whom it counts for.

Public calls count per address; signed ones per user, some of them per user and instrument, instrument type or currency.
Order operations of REST and of the stream share one count, and orders in batches have one of their own. Sources
(checked 2026-11-20): https://www.okx.com/docs-v5/en/#overview-rate-limits, and the page of each endpoint.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from holdfast.simulators.okx.settings import OkxSimSettings

__all__ = ["LIMITS", "SUB_ACCOUNT_ORDERS", "CallLimits", "Limit", "Window"]


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """So many ``calls`` within ``window_s`` seconds, counted per address, or per user and what ``by`` names."""

    calls: int
    window_s: float
    by: str = "user"  # address, user, or the field that divides a user's count: instId, instType, ccy.
    bucket: str = ""  # Whose count it shares; empty: its own.


def _of(calls: int, window_s: float, by: str = "user", bucket: str = "") -> Limit:
    return Limit(calls=calls, window_s=window_s, by=by, bucket=bucket)


LIMITS: Final[Mapping[str, Limit]] = {
    "GET public/time": _of(10, 2, "address"),
    "GET system/status": _of(1, 5, "address"),
    "GET public/instruments": _of(20, 2, "address"),
    "GET public/price-limit": _of(20, 2, "address"),
    "GET market/ticker": _of(20, 2, "address"),
    "GET market/tickers": _of(20, 2, "address"),
    "GET market/books": _of(40, 2, "address"),
    "GET market/trades": _of(100, 2, "address"),
    "GET market/history-trades": _of(20, 2, "address"),
    "GET market/candles": _of(40, 2, "address"),
    "GET market/history-candles": _of(20, 2, "address"),
    "GET account/balance": _of(10, 2),
    "GET account/config": _of(5, 2),
    "GET account/positions": _of(10, 2),
    "GET account/instruments": _of(20, 2, "instType"),
    "GET account/trade-fee": _of(5, 2),
    "GET account/max-size": _of(20, 2),
    "GET account/max-avail-size": _of(20, 2),
    "GET account/max-withdrawal": _of(20, 2),
    "GET account/bills": _of(5, 1),
    "GET account/bills-archive": _of(5, 2),
    "GET asset/balances": _of(6, 1),
    "GET asset/currencies": _of(6, 1),
    "POST asset/transfer": _of(2, 1, "ccy"),
    "GET asset/transfer-state": _of(10, 1),
    "POST trade/order": _of(60, 2, "instId"),
    "POST trade/cancel-order": _of(60, 2, "instId"),
    "POST trade/amend-order": _of(60, 2, "instId"),
    "POST trade/batch-orders": _of(300, 2, "instId"),
    "POST trade/cancel-batch-orders": _of(300, 2, "instId"),
    "POST trade/amend-batch-orders": _of(300, 2, "instId"),
    "POST trade/order-precheck": _of(5, 2),
    "POST trade/cancel-all-after": _of(1, 1, "tag"),
    "GET trade/order": _of(60, 2, "instId"),
    "GET trade/orders-pending": _of(60, 2),
    "GET trade/orders-history": _of(40, 2),
    "GET trade/orders-history-archive": _of(20, 2),
    "GET trade/fills": _of(60, 2),
    "GET trade/fills-history": _of(10, 2),
    "GET trade/account-rate-limit": _of(1, 1),
}
"""Every endpoint's limit, by method and path below ``/api/v5``."""

SUB_ACCOUNT_ORDERS: Final = _of(1000, 2)
"""New and amended orders of one account, whatever they are for."""

_BURST_PART: Final = 10  # A burst is what comes within this part of a window.


class Window:
    """The calls of one count within its window."""

    __slots__ = ("_at_s",)

    def __init__(self) -> None:
        self._at_s: deque[tuple[float, int]] = deque()

    def admits(self, limit: Limit, *, now_s: float, cost: int, settings: OkxSimSettings) -> bool:
        """Count *cost* calls; False where that is too many, and then only a setting says whether they count."""
        at_s = self._at_s
        while at_s and at_s[0][0] <= now_s - limit.window_s:
            at_s.popleft()
        used = sum(count for _, count in at_s)
        burst = sum(count for when_s, count in at_s if when_s > now_s - limit.window_s / _BURST_PART)
        fits = used + cost <= limit.calls and burst + cost <= max(1, math.floor(limit.calls * settings.burst_share))
        if fits or settings.do_refused_calls_count:
            at_s.append((now_s, cost))
        return fits

    def fill(self, limit: Limit, *, now_s: float) -> None:
        """Use up everything."""
        self._at_s.append((now_s, limit.calls))


class CallLimits:
    """Every count of one venue; *settings* gives those in force."""

    def __init__(self, settings: Callable[[], OkxSimSettings]) -> None:
        self._settings = settings
        self._windows: dict[tuple[str, str, str], Window] = {}
        self._filled: dict[str, float] = {}  # When a fault used up every count of an endpoint.
        self._banned_until_s: dict[str, float] = {}

    def admits(self, name: str, whose: str, part: str, *, now_s: float, cost: int = 1) -> bool:
        """
        Whether another call may pass; counts it where it may.

        Args:
            name: Method and path; an endpoint without a limit always passes.
            whose: The user, or the address.
            part: The instrument, currency or type that divides the user's count.
            cost: Calls it counts as: the orders of a batch.
        """
        settings = self._settings()
        if not settings.are_calls_counted:
            return True
        if now_s < self._banned_until_s.get(whose, -math.inf):
            return False
        limit = SUB_ACCOUNT_ORDERS if name == "orders" else LIMITS.get(name)
        if limit is None:
            return True
        window = self._windows.setdefault((name, whose, part if limit.by not in ("user", "address") else ""), Window())
        filled_s = self._filled.get(name)
        is_filled = filled_s is not None and now_s < filled_s + limit.window_s
        if is_filled or not window.admits(limit, now_s=now_s, cost=cost, settings=settings):
            if settings.ban_s:
                self._banned_until_s[whose] = now_s + settings.ban_s
            return False
        return True

    def fill(self, name: str, *, now_s: float) -> None:
        """Use up every count of an endpoint (``*``: of all)."""
        for one in LIMITS if name == "*" else (name,):
            self._filled[one] = now_s
