"""
OKX's rate limits as data; the arithmetic is in ``holdfast.core.limits``.

Each endpoint has a window of its own. Who bursts a whole window at once was seen to be refused all the same, so a
window becomes a small burst and an even pace that together never exceed it, wherever it begins.

Sources: https://www.okx.com/docs-v5/en/#overview-rate-limits · https://www.okx.com/docs-v5/en/#overview-websocket-connect
· https://www.okx.com/docs-v5/en/#overview-rate-limits-sub-account-rate-limit · the pages of the endpoints ·
https://github.com/c9s/bbgo/pull/1534 for the bursts (checked 2026-11-20)
"""

from __future__ import annotations

import enum
from typing import Final

import msgspec

__all__ = [
    "CONNECTS",
    "CONNECTS_WINDOW_S",
    "MISSING_RIGHT_S",
    "ORDERS_OF_ACCOUNT",
    "PROBE_AFTER_S",
    "QUIET_AFTER_REFUSAL_S",
    "REST_LAG_S",
    "RETRY_AFTER_MAX_S",
    "SUBSCRIPTIONS_PER_HOUR",
    "WINDOWS",
    "Scope",
    "Window",
]


class Scope(enum.Enum):
    """What OKX counts by."""

    ADDRESS = "address"  # Public calls.
    ACCOUNT = "account"  # Private calls: the user id; each sub-account has its own.
    INSTRUMENT = "instrument"  # Orders and cancels: the user id and the instrument, over REST and stream together.


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """So many calls in any stretch of so many seconds."""

    calls: int
    per_s: float
    scope: Scope = Scope.ACCOUNT

    @property
    def burst(self) -> float:
        """Calls that may go at once after a rest."""
        return float(max(1, self.calls // 6))

    @property
    def per_second(self) -> float:
        """The pace after a burst: with it no stretch of the window's length has more calls than it allows."""
        if self.calls == 1:
            return 0.95 / self.per_s  # One by one; the network may bring two of them closer together.
        return (self.calls - self.burst) / self.per_s


def _public(calls: int, per_s: float) -> Window:
    return Window(calls=calls, per_s=per_s, scope=Scope.ADDRESS)


def _orders(calls: int, per_s: float) -> Window:
    return Window(calls=calls, per_s=per_s, scope=Scope.INSTRUMENT)


# By path below /api/v5/.
WINDOWS: Final[dict[str, Window]] = {
    "public/time": _public(10, 2.0),
    "system/status": _public(1, 5.0),
    "public/instruments": _public(20, 2.0),
    "market/ticker": _public(20, 2.0),
    "market/tickers": _public(20, 2.0),
    "market/candles": _public(40, 2.0),
    "market/history-candles": _public(20, 2.0),
    "account/balance": Window(calls=10, per_s=2.0),
    "account/config": Window(calls=5, per_s=2.0),
    "account/positions": Window(calls=10, per_s=2.0),
    "account/instruments": Window(calls=20, per_s=2.0),
    "account/trade-fee": Window(calls=5, per_s=2.0),
    "account/bills": Window(calls=5, per_s=1.0),
    "account/bills-archive": Window(calls=5, per_s=2.0),
    "asset/balances": Window(calls=6, per_s=1.0),
    "trade/order": _orders(60, 2.0),
    "trade/cancel-order": _orders(60, 2.0),
    "trade/order-details": _orders(60, 2.0),  # GET of trade/order is counted apart from its POST.
    "trade/orders-pending": Window(calls=60, per_s=2.0),
    "trade/orders-history": Window(calls=40, per_s=2.0),
    "trade/orders-history-archive": Window(calls=20, per_s=2.0),
    "trade/fills": Window(calls=60, per_s=2.0),
    "trade/fills-history": Window(calls=10, per_s=2.0),
    "trade/cancel-all-after": Window(calls=1, per_s=1.0),
}

# New and amended orders of one account, all instruments together. A remark exempts spot; whether from this limit is
# unconfirmed, so it is kept.
ORDERS_OF_ACCOUNT: Final = Window(calls=1000, per_s=2.0)

# 50011 is answered once a window is full: after another one it is open again.
QUIET_AFTER_REFUSAL_S: Final = 2.0

# A key that was refused, or a right that is missing, is tried again only this seldom.
PROBE_AFTER_S: Final = 300.0
MISSING_RIGHT_S: Final = 300.0

# No Retry-After is documented; one that comes all the same never silences us for longer.
RETRY_AFTER_MAX_S: Final = 60.0

# Three connections a second for an address. A minute of them is the budget, so that a loop of reconnections stays far
# below it.
CONNECTS: Final = 30
CONNECTS_WINDOW_S: Final = 60.0

# Logins, subscriptions and unsubscriptions of one connection.
SUBSCRIPTIONS_PER_HOUR: Final = 480

# How far REST may lag the stream is not documented; clients see seconds at most.
REST_LAG_S: Final = 5.0
