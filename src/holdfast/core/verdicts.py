"""
The answer of a funds check: approved or denied, why, and the arithmetic behind it.

One enum names every reason; the reference's table of denial codes is made from it.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import BalanceState, Side
from holdfast.core.orders import OrderType

__all__ = ["MEANINGS", "TradingState", "Verdict", "VerdictCode"]


class TradingState(enum.StrEnum):
    """Which orders a broker takes; the strictest of what a person and what an invariant has set."""

    ACTIVE = "active"  # All.
    REDUCING = "reducing"  # Exits only.
    HALTED = "halted"  # Cancels only.


class VerdictCode(enum.StrEnum):
    """Why an order was approved or denied; the first three approve."""

    APPROVED = "approved"
    APPROVED_UNVERIFIED = "approved_unverified"
    APPROVED_DEGRADED = "approved_degraded"
    # The figure.
    FUNDS_SHORT = "funds_short"
    BALANCE_STALE = "balance_stale"
    BALANCE_UNKNOWN = "balance_unknown"
    PRICE_UNKNOWN = "price_unknown"
    FEE_UNKNOWN = "fee_unknown"
    BUDGET_SHORT = "budget_short"
    # The instrument and the venue.
    INSTRUMENT_UNKNOWN = "instrument_unknown"
    INSTRUMENT_CLOSED = "instrument_closed"
    VENUE_CLOSED = "venue_closed"
    POST_ONLY = "post_only"
    LIMIT_ONLY = "limit_only"
    REDUCE_ONLY = "reduce_only"
    QUANTITY_STEP = "quantity_step"
    PRICE_STEP = "price_step"
    QUANTITY_MINIMUM = "quantity_minimum"
    COST_MINIMUM = "cost_minimum"
    # Our own limits.
    ORDER_TOO_LARGE = "order_too_large"
    PRICE_COLLAR = "price_collar"
    TOO_MANY_ORDERS = "too_many_orders"
    INTENT_REPEATED = "intent_repeated"
    # The broker.
    REDUCING = "reducing"
    HALTED = "halted"
    STORE_UNAVAILABLE = "store_unavailable"
    CREDENTIAL_PARKED = "credential_parked"
    SETTLING = "settling"

    @property
    def is_approval(self) -> bool:
        """Whether an order may be placed on it."""
        return self in _APPROVALS


_APPROVALS: Final = frozenset({VerdictCode.APPROVED, VerdictCode.APPROVED_UNVERIFIED, VerdictCode.APPROVED_DEGRADED})

MEANINGS: Final[dict[VerdictCode, str]] = {
    VerdictCode.APPROVED: "the figure is live or fresh and covers what is needed",
    VerdictCode.APPROVED_UNVERIFIED: "an exit within the last confirmed quantity, on a stale figure",
    VerdictCode.APPROVED_DEGRADED: "a stale figure, younger than degraded_max_age_s and less its haircut, covers it",
    VerdictCode.FUNDS_SHORT: "the figure is good, and smaller than what is needed",
    VerdictCode.BALANCE_STALE: "the figure is too old, suspect, restored or invalidated to promise anything on",
    VerdictCode.BALANCE_UNKNOWN: "the balance was never confirmed; unknown is not zero",
    VerdictCode.PRICE_UNKNOWN: "no fresh price to estimate the cost with",
    VerdictCode.FEE_UNKNOWN: "neither the account's rate nor the instrument's lowest tier is known",
    VerdictCode.BUDGET_SHORT: "the account has it, and the bot's own budget does not",
    VerdictCode.INSTRUMENT_UNKNOWN: "the venue lists no such instrument",
    VerdictCode.INSTRUMENT_CLOSED: "the instrument takes no orders now",
    VerdictCode.VENUE_CLOSED: "the venue takes no orders now: maintenance, cancels only, or its status is not known",
    VerdictCode.POST_ONLY: "only post-only limit orders are taken now",
    VerdictCode.LIMIT_ONLY: "only limit orders are taken now",
    VerdictCode.REDUCE_ONLY: "only exits are taken now, by the venue's rule",
    VerdictCode.QUANTITY_STEP: "the quantity has more decimals than the instrument allows",
    VerdictCode.PRICE_STEP: "the price is not on the instrument's tick",
    VerdictCode.QUANTITY_MINIMUM: "the quantity is below the instrument's minimum",
    VerdictCode.COST_MINIMUM: "the cost is below the instrument's minimum",
    VerdictCode.ORDER_TOO_LARGE: "the order is worth more than largest_order allows",
    VerdictCode.PRICE_COLLAR: "the limit price is further from the market than price_collar allows",
    VerdictCode.TOO_MANY_ORDERS: "orders_per_minute is used up",
    VerdictCode.INTENT_REPEATED: "this intent id was used before",
    VerdictCode.REDUCING: "the broker takes exits only",
    VerdictCode.HALTED: "the broker takes cancels only",
    VerdictCode.STORE_UNAVAILABLE: "the intent could not be made durable, and nothing is sent that is not",
    VerdictCode.CREDENTIAL_PARKED: "the credential is parked: nothing is signed with it",
    VerdictCode.SETTLING: "an earlier owner's last order may still arrive: order entry opens when its validity passed",
}
"""One sentence per code; the reference's table is made from it."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    The answer of one funds check at one moment, with everything that went into it.

    Amounts are whole units, exact: those of ``required`` and its parts, and of ``spendable``, in ``asset``; a price is
    quote per base. ``required = notional + fee + buffer``, each rounded against us. ``quantity`` and ``quote_quantity``
    are as they would be sent. Amounts are None where the check did not come that far.

    A verdict is no claim: the figures may be others a moment later. Only a reservation is one.
    """

    code: VerdictCode
    asset: AssetCode  # What pays: quote of a buy, base of a sell.
    symbol: Symbol | None = None  # None for a plain check of an amount.
    side: Side | None = None
    order_type: OrderType | None = None
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None  # The limit, or the estimate that the cost was worked out with.
    price_source: str | None = None  # limit, ticker
    price_age_s: float | None = None
    notional: Decimal | None = None
    fee: Decimal | None = None
    fee_rate: Decimal | None = None  # Fraction of cost; taker.
    fee_source: str | None = None  # account, lowest_tier
    fee_asset: AssetCode | None = None
    buffer: Decimal | None = None
    buffer_rate: Decimal | None = None
    required: Decimal | None = None
    spendable: Decimal | None = None
    state: BalanceState = BalanceState.UNKNOWN
    age_s: float | None = None
    reason: str | None = None  # Of the figure's state.
    detail: str | None = None  # What was compared against what, where the code alone does not say.
    quantity_step: Decimal | None = None
    is_exit: bool = False
    bot: str | None = None
    intent_id: str | None = None  # Under which it was claimed, or asked for.
    is_reserved: bool = False  # Whether the money was claimed in the same step.
    judged_s: float = 0.0  # Our clock.

    @property
    def is_approved(self) -> bool:
        """Whether an order may be placed on it."""
        return self.code in _APPROVALS
