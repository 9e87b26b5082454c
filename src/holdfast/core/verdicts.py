"""
The answer of a funds check: approved or denied, why, and the arithmetic behind it.

One enum names every reason; the reference's table of denial codes is made from it.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import ZERO, format_amount, multiply, subtract, trim_amount
from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Balance, BalanceState, Side
from holdfast.core.orders import OrderAsk, OrderType
from holdfast.core.terms import Terms, largest_of, largest_sale, whole_steps

__all__ = ["APPROVALS", "MEANINGS", "TradingState", "Verdict", "VerdictCode"]


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
    RULES_UNKNOWN = "rules_unknown"
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
    BREAKER_OPEN = "breaker_open"
    SETTLING = "settling"

    @property
    def is_approval(self) -> bool:
        """Whether an order may be placed on it."""
        return self in APPROVALS


APPROVALS: Final = frozenset({VerdictCode.APPROVED, VerdictCode.APPROVED_UNVERIFIED, VerdictCode.APPROVED_DEGRADED})
"""The codes on which an order may be placed."""

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
    VerdictCode.RULES_UNKNOWN: "what the venue lists, and by which rules, was not read yet",
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
    VerdictCode.BREAKER_OPEN: "orders are held back, by faults in a row or by a person: exits and cancels alone go now",
    VerdictCode.SETTLING: "an earlier owner's last order may still arrive: order entry opens when its validity passed",
}
"""One sentence per code; the reference's table is made from it."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """
    The answer of one funds check at one moment, with everything that went into it.

    Amounts are whole units, exact: those of ``required`` and its parts, and of ``spendable``, in ``asset``; a price is
    quote per base. ``required = notional + fee + buffer``, each rounded against us. ``quantity`` and ``quote_quantity``
    are as they would be sent. Amounts are None where the check did not come that far.

    A verdict is no claim: the figures may be others a moment later. Only a reservation is one.

    Make it with keywords; only the rule itself, which makes one per order, names its fields by their place.
    """

    code: VerdictCode
    asset: AssetCode  # What pays: quote of a buy, base of a sell.
    ask: OrderAsk | None = None  # As it was asked for; None for a plain check of an amount.
    balance: Balance | None = None  # Of ``asset``, as it stood.
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None  # The limit, or the estimate that the cost was worked out with.
    price_source: str | None = None  # limit, ticker
    price_age_s: float | None = None
    notional: Decimal | None = None
    fee: Decimal | None = None
    fee_rate: Decimal | None = None  # Fraction of cost; taker.
    buffer: Decimal | None = None
    buffer_rate: Decimal | None = None
    required: Decimal | None = None
    spendable: Decimal | None = None
    is_exit: bool = False
    intent_id: str | None = None  # Under which it was claimed, or asked for.
    judged_s: float = 0.0  # Our clock.
    terms: Terms | None = None  # The instrument's rules, and how amounts were rounded.
    budget_left: Decimal | None = None  # What the bot may still spend of ``asset``; None: as much as there is.
    largest_order: Decimal | None = None  # The most that the order may be worth, in quote; None: no bound.
    note: str | None = None  # What was compared against what, where neither code nor figures say; see ``detail``.
    is_reserved: bool = False  # Whether the money was claimed in the same step.
    retry_after_s: float | None = None  # Of an open breaker: seconds until it lets a trial through; None: isolated.

    @property
    def is_approved(self) -> bool:
        """Whether an order may be placed on it."""
        return self.code in APPROVALS

    @property
    def symbol(self) -> Symbol | None:
        """The instrument; None for a plain check of an amount."""
        return None if self.ask is None else self.ask.symbol

    @property
    def side(self) -> Side | None:
        """Buy or sell."""
        return None if self.ask is None else self.ask.side

    @property
    def order_type(self) -> OrderType | None:
        """Market or limit."""
        return None if self.ask is None else self.ask.order_type

    @property
    def bot(self) -> str | None:
        """Whose order it is."""
        return None if self.ask is None else self.ask.bot

    @property
    def state(self) -> BalanceState:
        """How far the figure could be trusted."""
        return BalanceState.UNKNOWN if self.balance is None else self.balance.state

    @property
    def age_s(self) -> float | None:
        """How old the figure was."""
        return None if self.balance is None else self.balance.age_s

    @property
    def reason(self) -> str | None:
        """Why the figure's state is not simply live or fresh; of a parked credential, why it is parked."""
        if self.code is VerdictCode.CREDENTIAL_PARKED:
            return self.note
        return None if self.balance is None else self.balance.reason

    @property
    def detail(self) -> str | None:
        """What was compared against what, where the code alone does not say."""
        balance = self.balance
        if self.note is not None or balance is None or self.code not in _FIGURE_CODES:
            return self.note
        if balance.total is None:
            return f"{balance.asset} was never confirmed ({balance.reason})"
        parts = [f"total {trim_amount(balance.total)}"]
        if balance.held is not None:
            parts.append(f"held {trim_amount(balance.held)}")
            if balance.available is not None and balance.available != subtract(balance.total, balance.held):
                parts.append(f"available {trim_amount(balance.available)}")
        parts.append(f"reserved {trim_amount(balance.reserved)}")
        if balance.floor:
            parts.append(f"floor {trim_amount(balance.floor)}")
        if balance.kept_back:
            parts.append(f"kept back {trim_amount(balance.kept_back)}")
        if self.code is not VerdictCode.FUNDS_SHORT:
            parts.append(f"{balance.state.value} {balance.reason or ''}".rstrip())
        return ", ".join(parts)

    @property
    def fee_source(self) -> str | None:
        """Where ``fee_rate`` is from: ``account`` or ``lowest_tier``."""
        return None if self.terms is None else self.terms.fee_source

    @property
    def fee_asset(self) -> AssetCode | None:
        """What the fee is charged in."""
        return None if self.terms is None else self.terms.fee_asset

    @property
    def quantity_step(self) -> Decimal | None:
        """The grid of the instrument's quantities."""
        return None if self.terms is None else self.terms.instrument.quantity_step

    @property
    def shortfall(self) -> Decimal | None:
        """By how much ``spendable`` falls short of ``required``, zero where it does not; None where one is unknown."""
        if self.required is None or self.spendable is None:
            return None
        return max(ZERO, subtract(self.required, self.spendable))

    @property
    def largest_affordable(self) -> Decimal | None:
        """
        The largest order of this kind that the same figures would cover, with its fee and its buffer.

        A quantity on the instrument's grid, or an amount of quote where the order was asked for by one; within the
        bot's budget and ``largest_order`` too. Zero where not even the smallest order of the instrument fits; None
        where the check did not come as far as the figure, or knew no price or fee.
        """
        terms, most, price = self.terms, self.spendable, self.price
        if terms is None or most is None or self.notional is None:
            return None
        if self.budget_left is not None:
            most = min(most, self.budget_left)
        instrument = terms.instrument
        grid = instrument.quantity_step
        if self.quote_quantity is not None:
            price, grid = _ONE, instrument.cost_step or terms.cost_step
        if self.side is Side.SELL:
            largest = largest_sale(most, terms=terms)
        elif price is None or self.fee_rate is None or self.buffer_rate is None:
            return None
        else:
            rates = {"fee_rate": self.fee_rate, "buffer_rate": self.buffer_rate}
            largest = largest_of(most, grid=grid, price=price, terms=terms, **rates)
        if price is not None and self.largest_order is not None:
            largest = min(largest, whole_steps(self.largest_order, grid=grid, price=price))
        least, least_cost = instrument.quantity_min, instrument.cost_min
        if self.quote_quantity is None and least is not None and largest < least:
            return ZERO
        if price is not None and least_cost is not None and multiply(largest, price) < least_cost:
            return ZERO
        return largest

    @property
    def arithmetic(self) -> str:
        """What was compared with what, in one line; rendered when asked for."""
        if self.required is None or self.notional is None:
            return f"{self._asked()}: {self.detail or MEANINGS[self.code]}"
        parts = [_money(self.notional)]
        if self.fee:
            parts.append(f"fee {_money(self.fee)} ({self._fee_words()})")
        if self.buffer:
            parts.append(f"buffer {_money(self.buffer)} ({self._buffer_words()})")
        total = "" if len(parts) == 1 else f" = {_money(self.required)}"
        needed = f"{self._asked()}: {' + '.join(parts)}{total} {self.asset} needed"
        return f"{needed}, {self._found()}: {self._outcome()}"

    def document(self) -> dict[str, Any]:
        """Everything as JSON can carry it: amounts as exact text without exponent, unknown ones as None."""
        shown: dict[str, Any] = {
            "code": self.code.value,
            "is_approved": self.is_approved,
            "meaning": MEANINGS[self.code],
        }
        for name in _DOCUMENTED:
            value = getattr(self, name)
            if isinstance(value, Decimal):
                value = format_amount(value)
            elif isinstance(value, enum.StrEnum):
                value = value.value
            elif isinstance(value, float) and name.endswith("age_s"):
                value = round(value, 3)
            shown[name] = value
        return shown

    def _asked(self) -> str:
        if self.ask is None:
            return self.asset
        asked = f"{self.ask.symbol} {self.ask.side.value}"
        if self.quantity is not None:
            asked += f" {format_amount(self.quantity)}"
        elif self.quote_quantity is not None:
            asked += f" for {format_amount(self.quote_quantity)}"
        if self.price is not None:
            is_estimate = self.price_source == "ticker"
            asked += f" @ {'~' + _money(self.price) if is_estimate else format_amount(self.price)}"
        return f"{asked} {self.ask.order_type.value}"

    def _fee_words(self) -> str:
        source = "" if self.fee_source is None else f", {self.fee_source.replace('_', ' ')}"
        return f"{_percent(self.fee_rate, places=2)} taker{source}"

    def _buffer_words(self) -> str:
        least = None if self.terms is None else self.terms.buffer_min
        if self.buffer == least and self.notional is not None and self.buffer_rate is not None:
            share = multiply(self.notional, self.buffer_rate)
            if self.buffer is not None and share < self.buffer:
                return f"the least; {_percent(self.buffer_rate, places=0)} is {_money(share)}"
        return _percent(self.buffer_rate, places=0)

    def _found(self) -> str:
        age = "" if self.age_s is None else f", {self.age_s:.1f} s"
        state = f"{self.state.value}{age}" + ("" if self.reason is None else f", {self.reason}")
        return f"{'?' if self.spendable is None else _money(self.spendable)} spendable ({state})"

    def _outcome(self) -> str:
        if self.code is VerdictCode.FUNDS_SHORT and self.shortfall:
            kept_back = None if self.balance is None else self.balance.kept_back
            short = f"short by {_money(self.shortfall)}" + (f", {_money(kept_back)} kept back" if kept_back else "")
            return short if self.note is None else f"{short} ({self.note})"
        if not self.is_approved or self.spendable is None or self.required is None:
            return self.detail or MEANINGS[self.code]
        left = f"{_money(subtract(self.spendable, self.required))} left"
        return left if self.code is VerdictCode.APPROVED else f"{left}, {self.code.value}"


_ONE: Final = Decimal(1)
_HUNDRED: Final = Decimal(100)

_DOCUMENTED: Final = (
    "asset",
    "symbol",
    "side",
    "order_type",
    "quantity",
    "quote_quantity",
    "price",
    "price_source",
    "price_age_s",
    "notional",
    "fee",
    "fee_rate",
    "fee_source",
    "fee_asset",
    "buffer",
    "buffer_rate",
    "required",
    "spendable",
    "shortfall",
    "largest_affordable",
    "budget_left",
    "state",
    "age_s",
    "reason",
    "detail",
    "is_exit",
    "bot",
    "intent_id",
    "is_reserved",
    "retry_after_s",
    "arithmetic",
)


_FIGURE_CODES: Final = frozenset(
    {
        VerdictCode.FUNDS_SHORT,
        VerdictCode.BALANCE_STALE,
        VerdictCode.BALANCE_UNKNOWN,
        VerdictCode.APPROVED_UNVERIFIED,
        VerdictCode.APPROVED_DEGRADED,
    }
)


def _money(amount: Decimal) -> str:
    """Plain text without idle zeros, but with two places as money has them."""
    whole, _, places = format_amount(amount).partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"


def _percent(rate: Decimal | None, *, places: int) -> str:
    if rate is None:
        return "?"
    whole, _, digits = format_amount(multiply(rate, _HUNDRED)).partition(".")
    digits = digits.rstrip("0").ljust(places, "0")
    return f"{whole}.{digits} %" if digits else f"{whole} %"
