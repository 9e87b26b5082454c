"""What a user may set about orders: how they are judged, sent and given up on."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from holdfast.config.exact import amounts_of, fraction_of
from holdfast.core.assets import AssetCode
from holdfast.core.orders import OrderType

__all__ = ["OrderSettings"]


class OrderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How orders are judged and sent. Fractions and amounts are kept as the text that was written."""

    validity_s: Annotated[
        Annotated[float, Meta(ge=3, le=120)] | None,
        Meta(
            description="An order that the venue has not handled within this time is void there; unset: what suits the "
            "venue (5, Coinbase 30).",
            examples=[5.0],
        ),
    ] = None
    unsent_ttl_s: Annotated[
        float,
        Meta(gt=0, le=3600, description="A reservation without an order ends after this time, unless told otherwise."),
    ] = 30.0
    in_doubt_alert_s: Annotated[
        float,
        Meta(gt=0, le=86_400, description="An order in doubt for longer than this is told once more, as an alert."),
    ] = 120.0
    buffer_market: Annotated[
        str,
        Meta(
            description="Kept free beside cost and fee of a market buy, as a fraction of the cost; exits have none.",
            extra={"exact": "fraction"},
        ),
    ] = "0.02"
    buffer_limit: Annotated[
        str,
        Meta(
            description="Kept free beside cost and fee of a limit buy, as a fraction of the cost; exits have none.",
            extra={"exact": "fraction"},
        ),
    ] = "0.02"
    market_estimate: Annotated[
        str,
        Meta(
            description="A market order without a price is estimated to fill this fraction beyond the best offer.",
            extra={"exact": "fraction"},
        ),
    ] = "0.01"
    ticker_max_age_s: Annotated[
        float, Meta(gt=0, le=600, description="No cost is estimated with a ticker older than this.")
    ] = 5.0
    largest_order: Annotated[
        dict[str, str],
        Meta(
            description="The most one order may be worth, by quote asset; an asset that is not named has no bound.",
            extra={"exact": "amounts above 0 by asset"},
            examples=[{"USD": "10000"}],
        ),
    ] = {}
    price_collar: Annotated[
        str | None,
        Meta(
            description="A limit price this much beyond the market, on the side that costs, is denied; unset: none is.",
            extra={"exact": "fraction above 0"},
            examples=["0.05"],
        ),
    ] = None
    orders_per_minute: Annotated[
        int | None,
        Meta(description="More orders within a minute are denied; unset: no bound of ours.", examples=[60]),
    ] = None
    degraded_max_age_s: Annotated[
        float | None,
        Meta(description="Trade on a stale figure up to this age, less the haircut; unset: never.", examples=[90.0]),
    ] = None
    degraded_haircut: Annotated[
        str,
        Meta(
            description="Taken off a stale figure that is traded on, as a fraction of it.",
            extra={"exact": "fraction"},
        ),
    ] = "0.05"
    dead_man_s: Annotated[
        int,
        Meta(
            ge=0,
            le=86_399,
            description="The venue cancels every order once it has not heard from us for this long, where it has such "
            "a switch; 0: never.",
        ),
    ] = 0
    prefer: Annotated[Literal["stream", "rest"], Meta(description="How orders are sent while both ways are open.")] = (
        "stream"
    )

    def buffer(self, order_type: OrderType) -> Decimal:
        """What is kept free beside an order of this type, as a fraction of its cost."""
        return fraction_of(self.buffer_market if order_type is OrderType.MARKET else self.buffer_limit)

    @property
    def market_estimate_fraction(self) -> Decimal:
        """``market_estimate``, exact."""
        return fraction_of(self.market_estimate)

    @property
    def largest_order_amounts(self) -> dict[AssetCode, Decimal]:
        """``largest_order``, exact, by quote asset."""
        return amounts_of(self.largest_order)

    @property
    def price_collar_fraction(self) -> Decimal | None:
        """``price_collar``, exact, or None."""
        return None if self.price_collar is None else fraction_of(self.price_collar)

    @property
    def degraded_haircut_fraction(self) -> Decimal:
        """``degraded_haircut``, exact."""
        return fraction_of(self.degraded_haircut)
