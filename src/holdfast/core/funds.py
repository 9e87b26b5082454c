"""
The funds rule: what an order would cost at the worst, what may be spent, and whether the one covers the other.

Pure: facts in, a ``Verdict`` out, the first thing that is wrong named by its code. Every rounding is against us. The
rule claims nothing: check and claim in one step is ``Reservations.reserve``, on the spendable of the same moment.

An *exit* is a spot sell within the last confirmed quantity: neither a stale figure, nor a buffer, nor *reducing* stands
in its way. A sell beyond that quantity is short of funds, so of a sell only the figure itself is asked.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from holdfast.core.asking import Money, parse_ask, parse_money
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance
from holdfast.core.denials import error_of
from holdfast.core.instruments import Ticker
from holdfast.core.orders import OrderAsk
from holdfast.core.terms import Terms, terms_of
from holdfast.core.venue import VenueMode
from holdfast.core.verdicts import TradingState, Verdict

__all__ = [
    "FundsSettings",
    "Gate",
    "Money",
    "Terms",
    "error_of",
    "judge",
    "judge_amount",
    "parse_ask",
    "parse_money",
    "pay_asset_of",
    "terms_of",
]


class FundsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a user may set about the funds rule; fractions are of one (0.02 = 2 %), amounts in whole units."""

    buffer_market: Decimal = Decimal("0.02")
    """Kept beside notional and fee of a market buy; exits have none."""

    buffer_limit: Decimal = Decimal("0.02")
    """Kept beside notional and fee of a limit buy; exits have none."""

    market_estimate: Decimal = Decimal("0.01")
    """How far beyond the best offer a market order without a price is taken to be filled."""

    ticker_max_age_s: float = 5.0
    """A price older than this estimates nothing."""

    largest_order: dict[AssetCode, Decimal] = {}
    """The most that one order may be worth, by quote asset."""

    price_collar: Decimal | None = None
    """How far beyond the market, in the direction that costs us, a limit may be; None: anywhere."""

    orders_per_minute: int | None = None
    """Most orders in any minute; None: no bound of ours."""

    degraded_max_age_s: float | None = None
    """A stale figure this young may still be approved on, less the haircut; None: never."""

    degraded_haircut: Decimal = Decimal("0.05")
    """What is taken off such a figure."""

    floors: dict[AssetCode, Decimal] = {}
    """Amounts never spent, by asset: the ledger's to take off, kept here so that they are set in one place."""


class Gate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What holds for every order of one broker at this moment; the defaults let orders through but for the venue's."""

    venue_mode: VenueMode = VenueMode.UNKNOWN
    trading_state: TradingState = TradingState.ACTIVE
    trading_reason: str | None = None  # Why it is not active.
    has_store: bool = True  # Whether an intent can be made durable now.
    parked: str | None = None  # Why the credential is parked, in one word; None where it is not.
    opens_s: float | None = None  # Our clock: until then an earlier owner's last order may still arrive.


def pay_asset_of(ask: OrderAsk) -> AssetCode:
    """What pays for an order: quote of a buy, base of a sell."""
    raise NotImplementedError


def judge(
    ask: OrderAsk,
    balance: Balance,
    terms: Terms | None,
    gate: Gate,
    settings: FundsSettings,
    now_s: float,
    *,
    ticker: Ticker | None = None,
    orders_lately: int = 0,
    budget_left: Decimal | None = None,
    budget_note: str | None = None,
    intent_id: str | None = None,
) -> Verdict:
    """
    Judge one order on the facts of this moment. Never suspends; claims nothing.

    Args:
        ask: What is asked for, as ``parse_ask`` made it.
        balance: Of what pays (``pay_asset_of``), as the ledger answers it now: its ``spendable`` is less our claims.
        terms: The instrument's, or None where the venue lists no such instrument.
        gate: What holds for every order now.
        settings: Buffers and limits.
        now_s: Our clock.
        ticker: The instrument's best prices, where known; too old a one is none.
        orders_lately: Orders of this broker within the last minute.
        budget_left: What the bot may still spend of what pays; None: as much as there is.
        budget_note: Why that is so, where there is more to say than the amount.
        intent_id: Under which it is asked for.
    """
    raise NotImplementedError


def judge_amount(asset: AssetCode, amount: Decimal, balance: Balance, now_s: float) -> Verdict:
    """Judge whether *amount* of *asset* may be spent: no order, so no fee, no buffer and no rule but the figure's."""
    raise NotImplementedError
