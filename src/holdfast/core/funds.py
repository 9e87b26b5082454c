"""
The funds rule: what an order would cost at the worst, what may be spent, and whether the one covers the other.

Pure: facts in, a ``Verdict`` out, the first thing that is wrong named by its code. Every rounding is against us. The
rule claims nothing: check and claim in one step is ``Reservations.reserve``, on the spendable of the same moment.

An *exit* is a spot sell within the last confirmed quantity: neither a stale figure, nor a buffer, nor *reducing* stands
in its way. A sell beyond that quantity is short of funds, so of a sell only the figure itself is asked.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, rounding_up, run_rounding_up, trim_amount
from holdfast.core.asking import Money, parse_ask, parse_money
from holdfast.core.assets import AssetCode, split_symbol
from holdfast.core.balances import Balance, BalanceState, Side
from holdfast.core.denials import error_of
from holdfast.core.instruments import InstrumentStatus, Ticker
from holdfast.core.orders import OrderAsk, OrderType
from holdfast.core.terms import Terms, sale_fee_of, terms_of, whole_steps
from holdfast.core.venue import VenueMode
from holdfast.core.verdicts import APPROVALS, TradingState, Verdict, VerdictCode
from holdfast.errors import InvariantError

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
    has_rules: bool = True  # Whether the venue's instruments were read.
    parked: str | None = None  # Why the credential is parked, in one word; None where it is not.
    opens_s: float | None = None  # Our clock: until then an earlier owner's last order may still arrive.
    breaker: str | None = None  # Why the trade breaker lets no new order through, in words; None where it does.
    retry_after_s: float | None = None  # Seconds until it does; None where a person holds it open.


def pay_asset_of(ask: OrderAsk) -> AssetCode:
    """What pays for an order: quote of a buy, base of a sell."""
    base, quote = split_symbol(ask.symbol)
    return quote if ask.side is Side.BUY else base


def judge(
    ask: OrderAsk,
    balance: Balance,
    terms: Terms | None,
    gate: Gate,
    settings: FundsSettings,
    now_s: float,
    ticker: Ticker | None = None,
    orders_lately: int = 0,
    budget_left: Decimal | None = None,
    budget_note: str | None = None,
    intent_id: str | None = None,
) -> Verdict:
    """
    Judge one order on the facts of this moment. Never suspends; claims nothing.

    What is wrong first names the code: the broker, the instrument, its grid and minimums, our own limits, the figure.

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
    try:
        return run_rounding_up(
            _judge,
            ask,
            balance,
            terms,
            gate,
            settings,
            now_s,
            ticker,
            orders_lately,
            budget_left,
            budget_note,
            intent_id,
        )
    except RuntimeError:  # Another thread is judging.
        with rounding_up():
            return _judge(
                ask,
                balance,
                terms,
                gate,
                settings,
                now_s,
                ticker,
                orders_lately,
                budget_left,
                budget_note,
                intent_id,
            )


def judge_amount(asset: AssetCode, amount: Decimal, balance: Balance, now_s: float) -> Verdict:
    """Judge whether *amount* of *asset* may be spent: no order, so no fee, no buffer and no rule but the figure's."""
    spendable = balance.spendable
    if balance.is_fit_to_approve and spendable is not None:
        code = VerdictCode.APPROVED if amount <= spendable else VerdictCode.FUNDS_SHORT
    elif balance.state is BalanceState.UNKNOWN:
        code = VerdictCode.BALANCE_UNKNOWN
    else:
        code = VerdictCode.BALANCE_STALE
    return Verdict(
        code=code,
        asset=asset,
        balance=balance,
        notional=amount,
        fee=ZERO,
        buffer=ZERO,
        required=amount,
        spendable=spendable,
        judged_s=now_s,
    )


_Refusal = tuple[VerdictCode, str | None]

# Read once: an enum's member costs a look-up that shows in every order.
_BUY: Final = Side.BUY
_TRADING: Final = TradingState.ACTIVE
_VENUE_ONLINE: Final = VenueMode.ONLINE
_ONLINE: Final = InstrumentStatus.ONLINE
_LIVE: Final = BalanceState.LIVE
_FRESH: Final = BalanceState.FRESH
_APPROVED: Final = VerdictCode.APPROVED
_FUNDS_SHORT: Final = VerdictCode.FUNDS_SHORT
_ONE: Final = Decimal(1)

_GLITCHES: Final = frozenset(
    {
        "age",
        "anchor_age",
        "closed",
        "connection_lost",
        "gap",
        "maintenance",
        "network",
        "rate_limited",
        "refused",
        "silent",
        "unreachable",
        "venue",
    }
)
"""
Reasons of a stale figure that was true when it was stated, and that nothing has contradicted since.

A suspect, restored or contradicted figure, or one from before a pause or a clock's jump, is no glitch's.
"""


def _closed(ask: OrderAsk, gate: Gate, terms: Terms | None, now_s: float) -> _Refusal | None:
    """What keeps this order out whatever it costs: the broker first, then the instrument and the venue."""
    is_buy = ask.side is _BUY
    if gate.trading_state is TradingState.HALTED:
        return VerdictCode.HALTED, gate.trading_reason
    if gate.trading_state is TradingState.REDUCING and is_buy:
        return VerdictCode.REDUCING, gate.trading_reason
    if gate.opens_s is not None and now_s < gate.opens_s:
        return VerdictCode.SETTLING, f"order entry opens in {gate.opens_s - now_s:.1f} s"
    if not gate.has_store:
        return VerdictCode.STORE_UNAVAILABLE, None
    if gate.parked is not None:
        return VerdictCode.CREDENTIAL_PARKED, gate.parked
    if gate.breaker is not None and is_buy:
        return VerdictCode.BREAKER_OPEN, gate.breaker
    if terms is None and not gate.has_rules:
        return VerdictCode.RULES_UNKNOWN, None
    if terms is None:
        return VerdictCode.INSTRUMENT_UNKNOWN, f"{ask.symbol} is not listed"
    modes = (
        (gate.venue_mode.value, "the venue", VerdictCode.VENUE_CLOSED),
        (terms.instrument.status.value, ask.symbol, VerdictCode.INSTRUMENT_CLOSED),
    )
    for mode, who, closed in modes:
        said = f"{who} is {mode}" if mode != "unknown" else f"the status of {who} was not heard yet"
        if mode == "post_only":
            if not ask.is_post_only:
                return VerdictCode.POST_ONLY, said
        elif mode == "limit_only":
            if ask.order_type is not OrderType.LIMIT:
                return VerdictCode.LIMIT_ONLY, said
        elif mode == "reduce_only":
            if is_buy:
                return VerdictCode.REDUCE_ONLY, said
        elif mode != "online":
            return closed, said
    return None


def _refused(
    refusal: _Refusal,
    ask: OrderAsk,
    balance: Balance,
    terms: Terms | None,
    gate: Gate,
    now_s: float,
    intent_id: str | None,
) -> Verdict:
    code, note = refusal
    return Verdict(
        code=code,
        asset=pay_asset_of(ask),
        ask=ask,
        balance=balance,
        quantity=ask.quantity,
        quote_quantity=ask.quote_quantity,
        price=ask.limit_price,
        price_source=None if ask.limit_price is None else "limit",
        spendable=balance.spendable,
        intent_id=intent_id,
        judged_s=now_s,
        terms=terms,
        note=note,
        retry_after_s=gate.retry_after_s if code is VerdictCode.BREAKER_OPEN else None,
    )


def _judge(
    ask: OrderAsk,
    balance: Balance,
    terms: Terms | None,
    gate: Gate,
    settings: FundsSettings,
    now_s: float,
    ticker: Ticker | None,
    orders_lately: int,
    budget_left: Decimal | None,
    budget_note: str | None,
    intent_id: str | None,
) -> Verdict:
    """``judge``, in our own decimal context: operators are exact, and ``quantize`` rounds up."""
    if not (
        terms is not None
        and terms.instrument.status is _ONLINE
        and gate.trading_state is _TRADING
        and gate.venue_mode is _VENUE_ONLINE
        and gate.has_store
        and gate.parked is None
        and gate.opens_s is None
        and gate.breaker is None
    ):
        refusal = _closed(ask, gate, terms, now_s)
        if refusal is not None:
            return _refused(refusal, ask, balance, terms, gate, now_s, intent_id)
        assert terms is not None  # Or else it was refused.
    instrument = terms.instrument
    side, limit, quantity, quote_quantity = ask.side, ask.limit_price, ask.quantity, ask.quote_quantity
    is_buy = side is _BUY
    asset = instrument.quote if is_buy else instrument.base
    if balance.asset != asset:
        raise InvariantError(f"{ask.symbol} {side} was judged by the balance of {balance.asset}")

    # What it would be sent as, and at what price at the worst.
    price = limit
    price_source: str | None = "limit"
    price_age_s: float | None = None
    if ticker is not None and now_s - ticker.as_of_s > settings.ticker_max_age_s:
        ticker = None
    if limit is None:
        buffer_rate = settings.buffer_market
        price_source = None
        if quantity is not None and ticker is not None:
            price = ticker.ask * (_ONE + settings.market_estimate) if is_buy else ticker.bid
            if price > ZERO:
                price_source, price_age_s = "ticker", now_s - ticker.as_of_s
            else:
                price = None
    else:
        buffer_rate = settings.buffer_limit
        if quantity is None and quote_quantity is not None:
            quantity, quote_quantity = whole_steps(quote_quantity, grid=instrument.quantity_step, price=limit), None
    worth = quote_quantity
    if quantity is not None and price is not None:
        worth = quantity * price
    largest_order = settings.largest_order.get(instrument.quote)

    # What it costs, where that can be said.
    fee_rate = terms.fee_rate
    notional = fee = buffer = required = None
    if not is_buy:
        notional = quantity
        buffer = ZERO
        if quantity is not None:
            fee = sale_fee_of(quantity, terms)
            required = quantity + fee
        buffer_rate = ZERO
    elif worth is not None and fee_rate is not None:
        step = terms.cost_step
        notional = worth.quantize(step)
        fee = (notional * fee_rate).quantize(step)
        buffer = (notional * buffer_rate).quantize(step)
        if buffer_rate and buffer < terms.buffer_min:
            buffer = terms.buffer_min
        required = notional + fee + buffer

    # The first thing that is wrong.
    code: VerdictCode | None = None
    step, price_step, cost_step = (
        instrument.quantity_step,
        instrument.price_step,
        instrument.cost_step or terms.cost_step,
    )
    least, least_cost = instrument.quantity_min, instrument.cost_min
    if limit is not None and price_step and limit % price_step:
        code = VerdictCode.PRICE_STEP
    elif (quantity is not None and quantity % step) or (quote_quantity is not None and quote_quantity % cost_step):
        code = VerdictCode.QUANTITY_STEP
    elif worth is None and is_buy:
        code = VerdictCode.PRICE_UNKNOWN
    elif quantity is not None and (not quantity or (least is not None and quantity < least)):
        code = VerdictCode.QUANTITY_MINIMUM
    elif worth is not None and least_cost is not None and worth < least_cost:
        code = VerdictCode.COST_MINIMUM
    elif worth is not None and largest_order is not None and worth > largest_order:
        code = VerdictCode.ORDER_TOO_LARGE
    elif limit is not None and settings.price_collar is not None:
        code = _beyond_collar(limit, is_buy, ticker, settings.price_collar)
    if code is not None:
        pass
    elif settings.orders_per_minute is not None and orders_lately >= settings.orders_per_minute:
        code = VerdictCode.TOO_MANY_ORDERS
    elif required is None:
        code = VerdictCode.FEE_UNKNOWN

    # Whether the figure covers it.
    state, spendable = balance.state, balance.spendable
    is_exit = False
    if code is None and required is not None:
        if spendable is None or not (state is _LIVE or state is _FRESH):
            code, spendable = _beyond_fresh(balance, required, is_buy, settings)
            is_exit = code is VerdictCode.APPROVED_UNVERIFIED
        elif required <= spendable:
            code, is_exit = _APPROVED, not is_buy
        else:
            code = _FUNDS_SHORT
        if budget_left is not None and required > budget_left and code in APPROVALS:
            code = VerdictCode.BUDGET_SHORT
    assert code is not None  # What required is unknown of was refused for that.

    note = None
    if code is not _APPROVED and code is not _FUNDS_SHORT:
        note = _words(code, ask, terms, settings, ticker, budget_left, budget_note)
    return Verdict(
        code,
        asset,
        ask,
        balance,
        quantity,
        quote_quantity,
        price,
        price_source,
        price_age_s,
        notional,
        fee,
        fee_rate,
        buffer,
        buffer_rate,
        required,
        spendable,
        is_exit,
        intent_id,
        now_s,
        terms,
        budget_left,
        largest_order,
        note,
    )


def _beyond_collar(limit: Decimal, is_buy: bool, ticker: Ticker | None, collar: Decimal) -> VerdictCode | None:
    """Whether a limit is too far on the side that costs us; an exit is not kept in for want of a price."""
    if is_buy:
        if ticker is None or ticker.ask <= ZERO:
            return VerdictCode.PRICE_UNKNOWN
        return VerdictCode.PRICE_COLLAR if limit > ticker.ask * (_ONE + collar) else None
    if ticker is None or ticker.bid <= ZERO:
        return None
    return VerdictCode.PRICE_COLLAR if limit < ticker.bid * (_ONE - collar) else None


def _beyond_fresh(
    balance: Balance, required: Decimal, is_buy: bool, settings: FundsSettings
) -> tuple[VerdictCode, Decimal | None]:
    """What a figure that is neither live nor fresh allows, and how much of it counts."""
    spendable = balance.spendable
    if balance.state is BalanceState.UNKNOWN or balance.total is None:
        return VerdictCode.BALANCE_UNKNOWN, spendable
    if not is_buy:
        if spendable is None:
            # Nobody stated what is available of it; the last confirmed quantity is what it was in all.
            spendable = max(ZERO, balance.total - balance.reserved)
        return (VerdictCode.APPROVED_UNVERIFIED if required <= spendable else _FUNDS_SHORT), spendable
    bound_s = settings.degraded_max_age_s
    if spendable is None or bound_s is None or balance.age_s is None or balance.age_s > bound_s:
        return VerdictCode.BALANCE_STALE, spendable
    if balance.reason not in _GLITCHES:
        return VerdictCode.BALANCE_STALE, spendable
    spendable = spendable * (_ONE - settings.degraded_haircut)
    return (VerdictCode.APPROVED_DEGRADED if required <= spendable else _FUNDS_SHORT), spendable


def _words(
    code: VerdictCode,
    ask: OrderAsk,
    terms: Terms,
    settings: FundsSettings,
    ticker: Ticker | None,
    budget_left: Decimal | None,
    budget_note: str | None,
) -> str | None:
    """What was compared with what, where the figures of the verdict do not show it."""
    rules, base, quote = terms.instrument, terms.instrument.base, terms.instrument.quote
    match code:
        case VerdictCode.PRICE_STEP:
            return f"prices of {rules.symbol} are multiples of {trim_amount(rules.price_step)} {quote}"
        case VerdictCode.QUANTITY_STEP if ask.quantity is None:
            return f"amounts are multiples of {trim_amount(rules.cost_step or terms.cost_step)} {quote}"
        case VerdictCode.QUANTITY_STEP:
            return f"quantities of {rules.symbol} are multiples of {trim_amount(rules.quantity_step)} {base}"
        case VerdictCode.QUANTITY_MINIMUM:
            return f"at least {trim_amount(rules.quantity_min or rules.quantity_step)} {base}"
        case VerdictCode.COST_MINIMUM:
            return f"at least {trim_amount(rules.cost_min or ZERO)} {quote}"
        case VerdictCode.PRICE_UNKNOWN:
            return f"no price of {rules.symbol} is younger than {settings.ticker_max_age_s:g} s"
        case VerdictCode.FEE_UNKNOWN:
            return f"no fee of {rules.symbol} is known"
        case VerdictCode.ORDER_TOO_LARGE:
            return f"one order may be worth {trim_amount(settings.largest_order[quote])} {quote}"
        case VerdictCode.PRICE_COLLAR if ticker is not None:
            market = (
                f"the ask is {trim_amount(ticker.ask)}" if ask.side is _BUY else f"the bid is {trim_amount(ticker.bid)}"
            )
            return f"{market}, and a limit may be {trim_amount((settings.price_collar or ZERO) * 100)} % beyond it"
        case VerdictCode.TOO_MANY_ORDERS:
            return f"{settings.orders_per_minute} orders were placed within a minute"
        case VerdictCode.BUDGET_SHORT:
            whose = "an order of no bot" if ask.bot is None else f"the bot {ask.bot}"
            left = f"{trim_amount(budget_left or ZERO)} {quote if ask.side is _BUY else base}"
            return budget_note or f"{whose} has {left} left of its budget"
    return None
