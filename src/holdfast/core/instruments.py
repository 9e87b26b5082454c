"""What is traded: one instrument's rules as its venue states them."""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from holdfast.core.assets import AssetCode, Symbol

__all__ = ["AssetInfo", "Candle", "Instrument", "InstrumentStatus", "Ticker"]


class InstrumentStatus(enum.StrEnum):
    """What an instrument accepts now; a status we do not know maps to ``UNKNOWN`` and is treated as closed."""

    ONLINE = "online"
    CANCEL_ONLY = "cancel_only"
    POST_ONLY = "post_only"
    LIMIT_ONLY = "limit_only"
    REDUCE_ONLY = "reduce_only"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


class AssetInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One asset as the venue lists it."""

    code: AssetCode
    venue_symbol: str  # The venue's own id, such as XXBT.
    decimals: int  # Places of the venue's ledger.
    is_enabled: bool
    venue_altname: str | None = None  # Another spelling the venue uses for it, such as XBT.


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """
    One spot instrument's rules.

    Quantities are in whole units of base, costs in whole units of quote, prices in quote per base. ``None`` means
    that the venue states no such rule, never zero.
    """

    symbol: Symbol
    base: AssetCode
    quote: AssetCode
    venue_symbol: str  # The spelling the venue's REST calls take.
    stream_symbol: str  # The spelling its stream takes; the same where the venue has one spelling.
    status: InstrumentStatus
    quantity_step: Decimal
    price_step: Decimal
    quantity_min: Decimal | None
    cost_min: Decimal | None
    cost_step: Decimal | None
    taker_fee: Decimal | None  # Fraction of cost at the lowest tier (0.004 = 0.4 %).
    maker_fee: Decimal | None


class Ticker(msgspec.Struct, frozen=True, kw_only=True):
    """Best prices of one instrument; ``as_of_s`` is our clock when the request left."""

    symbol: Symbol
    bid: Decimal
    ask: Decimal
    last: Decimal
    as_of_s: float


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """One candle; ``start_s`` is the venue's clock, Unix seconds, at which it opens. The last one is still forming."""

    start_s: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal  # Whole units of base.
    is_final: bool
