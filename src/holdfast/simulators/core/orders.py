"""
Orders and fills of a simulated venue, as values: an order's next state is a new value.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from holdfast.core.amounts import ZERO, subtract
from holdfast.core.assets import AssetCode

__all__ = ["Change", "Fill", "Order", "OrderRequest", "OrderStatus", "SelfTrade", "TimeInForce", "Trigger"]


class OrderStatus(enum.StrEnum):
    """Where an order is in its life; only the first two are open."""

    PENDING = "pending"  # Waits for its start time.
    OPEN = "open"
    CLOSED = "closed"  # Filled.
    CANCELED = "canceled"
    EXPIRED = "expired"


class TimeInForce(enum.StrEnum):
    """How long an order may rest."""

    GTC = "gtc"
    GTD = "gtd"
    IOC = "ioc"
    FOK = "fok"


class SelfTrade(enum.StrEnum):
    """Which side gives way when an order meets one of its own account."""

    CANCEL_NEWEST = "cancel_newest"
    CANCEL_OLDEST = "cancel_oldest"
    CANCEL_BOTH = "cancel_both"


class Change(enum.StrEnum):
    """What happened to an order."""

    ACCEPTED = "accepted"  # Checked, not yet live.
    OPENED = "opened"  # Live.
    TRADED = "traded"
    FILLED = "filled"  # Follows the last trade.
    CANCELED = "canceled"
    EXPIRED = "expired"
    AMENDED = "amended"
    TRIGGERED = "triggered"


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """The price at which an order goes live: once the last price is at or beyond it on that side."""

    price: Decimal
    is_above: bool


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was asked for.

    Exactly one of ``quantity`` (base units) and ``quote_quantity`` (quote units, market buys) is set; ``limit_price``
    is None for market orders. ``details`` is the venue's own, kept and given back.
    """

    symbol: str
    side: str  # buy, sell
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    limit_price: Decimal | None = None
    trigger: Trigger | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    expires_us: int | None = None
    starts_us: int | None = None
    is_post_only: bool = False
    is_reduce_only: bool = False
    is_fee_in_base: bool = False  # A preference: the quote asset pays where base cannot.
    leverage: int | None = None
    self_trade: SelfTrade = SelfTrade.CANCEL_NEWEST
    client_order_id: str | None = None
    user_ref: int | None = None
    display_quantity: Decimal | None = None
    details: Mapping[str, Any] = {}


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """
    One order as it stands.

    ``hold`` is what the venue shows as held for it, ``claim`` what it counts; both in ``hold_asset``. ``cost`` and
    the fees are of the fills so far. Times are the venue's clock.
    """

    id: str
    account: str
    request: OrderRequest
    status: OrderStatus
    created_us: int
    changed_us: int
    closed_us: int | None = None
    is_triggered: bool = False
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    fee_base: Decimal = ZERO
    fee_quote: Decimal = ZERO
    hold_asset: AssetCode | None = None
    hold: Decimal = ZERO
    claim: Decimal = ZERO
    reason: str | None = None
    is_amended: bool = False
    is_cancel_pending: bool = False
    fills: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """True while it may still trade."""
        return self.status is OrderStatus.OPEN or self.status is OrderStatus.PENDING

    @property
    def remaining(self) -> Decimal:
        """Base units still to be filled; zero for an order by quote quantity."""
        quantity = self.request.quantity
        return ZERO if quantity is None else subtract(quantity, self.filled)

    @property
    def rests(self) -> bool:
        """True while it offers liquidity in the book."""
        return (
            self.status is OrderStatus.OPEN
            and self.request.limit_price is not None
            and (self.request.trigger is None or self.is_triggered)
        )


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of one order. ``fee`` is charged in ``fee_asset``; ``number`` counts the market's trades."""

    id: str
    number: int
    order_id: str
    account: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    cost: Decimal
    fee: Decimal
    fee_asset: AssetCode
    is_maker: bool
    at_us: int
    at_s: float
    entries: tuple[str, ...]
