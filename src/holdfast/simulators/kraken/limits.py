"""
Kraken's counters, as data and as rules: REST per key, matching engine per pair, connections per address.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/guides/rest/ratelimits,
https://docs.kraken.com/exchange/guides/general/ratelimits,
https://support.kraken.com/articles/360045239571-trading-rate-limits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from holdfast.simulators.kraken.settings import KrakenSimSettings

__all__ = ["TIERS", "Counter", "Throttle", "Tier", "cancel_cost", "change_cost", "rest_cost"]


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """One tier: counters decay by so much per second and may not exceed their maximum."""

    rest_max: float
    rest_decay: float
    engine_max: float
    engine_decay: float
    open_orders: int  # Per pair.


TIERS: Final[Mapping[str, Tier]] = {
    "starter": Tier(rest_max=15, rest_decay=0.33, engine_max=60, engine_decay=1.0, open_orders=60),
    "intermediate": Tier(rest_max=20, rest_decay=0.5, engine_max=125, engine_decay=2.34, open_orders=80),
    "pro": Tier(rest_max=20, rest_decay=1.0, engine_max=180, engine_decay=3.75, open_orders=225),
}
"""Both counters' figures by tier."""

_REST_COSTS: Final[Mapping[str, float]] = {"Ledgers": 2, "TradesHistory": 2, "AddOrder": 0, "CancelOrder": 0}
_ORDER_CHANGES: Final = ("AmendOrder", "EditOrder", "AddOrderBatch", "CancelOrderBatch")

# Seconds since the order was made or last changed, below which a cancel, amend or edit costs more.
_CANCEL_COSTS: Final = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))
_AMEND_COSTS: Final = ((5, 3), (10, 2), (15, 1))
_EDIT_COSTS: Final = ((5, 6), (10, 5), (15, 4), (45, 2), (90, 1))


def rest_cost(name: str, settings: KrakenSimSettings) -> float:
    """What one call adds to the REST counter of its key."""
    if name == "QueryLedgers":
        return settings.query_ledgers_cost
    if name in _ORDER_CHANGES:
        return settings.order_change_cost
    return _REST_COSTS.get(name, 1)


def cancel_cost(age_s: float) -> float:
    """What cancelling an order of this age adds to the engine's counter."""
    return _by_age(age_s, _CANCEL_COSTS)


def change_cost(age_s: float, *, is_edit: bool) -> float:
    """What amending or editing an order of this age adds to the engine's counter."""
    return 1 + _by_age(age_s, _EDIT_COSTS if is_edit else _AMEND_COSTS)


def _by_age(age_s: float, costs: Sequence[tuple[float, float]]) -> float:
    return next((cost for below_s, cost in costs if age_s < below_s), 0.0)


class Counter:
    """A counter that falls by itself."""

    __slots__ = ("_at_s", "_value")

    def __init__(self) -> None:
        self._value = 0.0
        self._at_s = 0.0

    def value(self, *, now_s: float, decay: float) -> float:
        """What it stands at."""
        return max(0.0, self._value - decay * max(0.0, now_s - self._at_s))

    def add(self, cost: float, *, now_s: float, decay: float, maximum: float, counts_when_over: bool) -> bool:
        """Add *cost*; False where that would exceed *maximum*, and then only *counts_when_over* says if it counts."""
        value = self.value(now_s=now_s, decay=decay)
        fits = value + cost <= maximum
        if fits or counts_when_over:
            self._value = value + cost
            self._at_s = now_s
        return fits


class Throttle:
    """How many calls of a key are being worked on: each counts for a while."""

    __slots__ = ("_started_s",)

    def __init__(self) -> None:
        self._started_s: deque[float] = deque()

    def admits(self, *, now_s: float, at_once: int, call_s: float) -> bool:
        """Whether another call may be worked on now; counts it where it may."""
        started_s = self._started_s
        while started_s and started_s[0] <= now_s - call_s:
            started_s.popleft()
        if len(started_s) >= at_once:
            return False
        started_s.append(now_s)
        return True
