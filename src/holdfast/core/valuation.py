"""
What an account is worth in one currency: the one path by which anything here is converted.

USD, USDC and USDT are three kinds of money and are converted like anything else, through a price that somebody would
pay. A price is that of the venue's own market: direct, inverse, or over one currency in between. What has no price is
named and left out of the sum, and the sum says so; an old price or figure counts, and makes the sum as old. Nothing in
here approves an order: funds are judged on balances alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, multiply, round_down, round_up, rounding_up, total_of
from holdfast.core.assets import AssetCode, Symbol, symbol_of
from holdfast.core.balances import Balance, BalanceState
from holdfast.core.instruments import Instrument, InstrumentStatus, Ticker
from holdfast.core.products import why_unsupported

__all__ = [
    "CASH",
    "HOPS",
    "AccountBalance",
    "AccountBalanceDetailed",
    "LeftOut",
    "Leg",
    "Price",
    "ValuedAsset",
    "account_balance",
    "paths_between",
    "price_by",
    "worst_state",
    "worth",
]

HOPS: Final[tuple[AssetCode, ...]] = ("USD", "USDT", "USDC", "BTC", "EUR")
"""What a price may go over where two currencies have no market of their own, in order of preference."""

_FIAT: Final = ("USD", "EUR", "GBP", "CAD", "AUD", "CHF", "JPY", "SGD", "HKD", "BRL", "TRY", "MXN", "AED")
_COINS: Final = ("USDT", "USDC", "DAI", "PYUSD", "USDG", "USDS", "USDP", "TUSD", "RLUSD", "EURC", "EURT", "BUSD")

CASH: Final[frozenset[AssetCode]] = frozenset((*_FIAT, *_COINS))
"""Fiat money and the coins that stand for some: held to pay with, and no position in a market."""

_PLACES: Final = 8
"""Decimals of a worth: what is shown of a sum of many products."""

_PRICE_PLACES: Final = 18
"""Decimals of a price that had to be turned round or multiplied."""


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One market on the way from one currency to another; inverse where it is quoted the other way round."""

    symbol: Symbol
    is_inverse: bool = False


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """
    What one unit of *base* brings in *quote* now: the best bid, or what the best ask makes of it the other way round.

    For something owed (a negative amount) the price at which it could be bought instead. ``path`` names the markets, in
    order; empty where both are the same. ``age_s`` is that of the older ticker, 0 where none was needed.
    """

    base: AssetCode
    quote: AssetCode
    price: Decimal
    path: tuple[Symbol, ...]
    age_s: float


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """Something held that a sum does not contain: how much, and why. ``total`` is None where that is unknown."""

    asset: AssetCode
    total: Decimal | None
    why: str  # no_market, no_price, unknown


class ValuedAsset(msgspec.Struct, frozen=True, kw_only=True):
    """
    One asset's figures, and what they are worth.

    ``value`` is the worth of all of it, ``spendable_value`` the worth of what may still be promised; in whole units of
    the quote, before fees, rounded against us to eight decimals. Both None where there is no price, with the reason in
    ``why``.
    """

    balance: Balance
    price: Price | None
    value: Decimal | None
    spendable_value: Decimal | None
    why: str | None = None

    @property
    def asset(self) -> AssetCode:
        """Its code."""
        return self.balance.asset


class AccountBalance(msgspec.Struct, frozen=True, kw_only=True):
    """
    What an account is worth in one currency, as one figure that says how far it may be trusted.

    ``total`` is the worth of everything owned, cash and positions, what open orders hold included: at the prices at
    which it could be sold now, before fees. ``spendable`` is the worth of what may still be promised. Both are None
    while nothing is known, and never 0 for that. Neither is a limit for an order: an order pays in one currency, and
    ``broker.balance(asset).spendable`` is what there is of it.

    Attributes:
        broker: Whose account.
        quote: What it is told in; whole units.
        total: See above; without what ``left_out`` names.
        spendable: See above; likewise, and None where of one asset in the sum it is not known.
        state: The worst of every figure and price in it.
        age_s: Seconds since the oldest figure or price in it was known to be true; None while unknown.
        is_complete: Whether nothing is left out.
        left_out: What is held and is not in the sum.
        reason: A fixed word for why it is not fresh: ``price_age``, or the reason of the oldest figure; None where it
            is.
    """

    broker: str
    quote: AssetCode
    total: Decimal | None
    spendable: Decimal | None
    state: BalanceState
    age_s: float | None
    is_complete: bool
    left_out: tuple[LeftOut, ...] = ()
    reason: str | None = None


class AccountBalanceDetailed(AccountBalance, frozen=True, kw_only=True):
    """An ``AccountBalance`` with what it is made of: every asset with a figure, by code in alphabetical order."""

    assets: tuple[ValuedAsset, ...]

    def one_figure(self) -> AccountBalance:
        """The same without its parts."""
        return AccountBalance(**{name: getattr(self, name) for name in AccountBalance.__struct_fields__})


_ORDER: Final = (BalanceState.LIVE, BalanceState.FRESH, BalanceState.STALE, BalanceState.UNKNOWN)


def worst_state(states: Sequence[BalanceState]) -> BalanceState:
    """The least trustworthy of some states; unknown for none."""
    return max(states, key=_ORDER.index, default=BalanceState.UNKNOWN)


def paths_between(
    base: AssetCode, quote: AssetCode, listed: Mapping[Symbol, Instrument]
) -> tuple[tuple[Leg, ...], ...]:
    """
    Every way from one currency to another over markets that are open, the best first; one empty way for the same.

    Direct, then inverse, then over each of ``HOPS``.
    """
    if base == quote:
        return ((),)
    ways: list[tuple[Leg, ...]] = [(leg,) for leg in _legs(base, quote, listed)]
    for hop in HOPS:
        if hop not in (base, quote):
            ways += [(first, second) for first in _legs(base, hop, listed) for second in _legs(hop, quote, listed)]
    return tuple(ways)


def _legs(base: AssetCode, quote: AssetCode, listed: Mapping[Symbol, Instrument]) -> list[Leg]:
    legs = []
    for symbol, is_inverse in ((symbol_of(base=base, quote=quote), False), (symbol_of(base=quote, quote=base), True)):
        instrument = listed.get(symbol)
        # A market that is closed keeps the price at which it closed; nobody redeems what was given up.
        if instrument is None or instrument.status in (InstrumentStatus.OFFLINE, InstrumentStatus.UNKNOWN):
            continue
        if why_unsupported(instrument) is None:
            legs.append(Leg(symbol=symbol, is_inverse=is_inverse))
    return legs


def price_by(
    base: AssetCode,
    quote: AssetCode,
    path: Sequence[Leg],
    tickers: Mapping[Symbol, Ticker],
    *,
    now_s: float,
    is_owed: bool = False,
) -> Price | None:
    """
    The price along one way; None where a market on it told none, or nobody bids there.

    Args:
        base: What is converted.
        quote: Into what.
        path: One of ``paths_between``.
        tickers: The newest price of each market.
        now_s: Our clock.
        is_owed: The price to buy at instead of the price to sell at.
    """
    price, age_s = Decimal(1), 0.0
    for leg in path:
        ticker = tickers.get(leg.symbol)
        if ticker is None:
            return None
        # Selling base is to take the bid; where the market is the other way round, it is to buy at the ask.
        side = ticker.bid if leg.is_inverse is is_owed else ticker.ask
        if side <= ZERO:
            return None
        price = _divided(price, side, is_up=is_owed) if leg.is_inverse else multiply(price, side)
        age_s = max(age_s, now_s - ticker.as_of_s)
    if len(path) > 1:
        price = (round_up if is_owed else round_down)(price, places=_PRICE_PLACES)
    if price <= ZERO:
        return None
    return Price(base=base, quote=quote, price=price, path=tuple(leg.symbol for leg in path), age_s=age_s)


def account_balance(
    balances: Mapping[AssetCode, Balance],
    tickers: Mapping[Symbol, Ticker],
    listed: Mapping[Symbol, Instrument],
    *,
    broker: str,
    quote: AssetCode,
    now_s: float,
    price_max_age_s: float,
) -> AccountBalanceDetailed:
    """
    What an account is worth, with what it is made of.

    Args:
        balances: Every asset with a figure; empty while nothing was ever believed.
        tickers: The newest price of each market, however old.
        listed: What the venue lists.
        broker: Whose account.
        quote: What it is told in.
        now_s: Our clock.
        price_max_age_s: A price older than this makes the whole ``stale``.
    """
    assets: list[ValuedAsset] = []
    left_out: list[LeftOut] = []
    states: list[BalanceState] = []
    ages: list[tuple[float, str | None]] = []
    for code in sorted(balances):
        balance = balances[code]
        valued = _valued(balance, tickers, listed, quote=quote, now_s=now_s)
        assets.append(valued)
        if valued.value is None:
            left_out.append(LeftOut(asset=code, total=balance.total, why=valued.why or "no_price"))
            if balance.total is not None:
                continue
        states.append(balance.state)
        if balance.age_s is not None:
            ages.append((balance.age_s, balance.reason))
        price = valued.price
        if price is not None and price.path:
            is_old = price.age_s > price_max_age_s
            states.append(BalanceState.STALE if is_old else BalanceState.FRESH)
            ages.append((price.age_s, "price_age" if is_old else None))
    values = [each.value for each in assets if each.value is not None]
    spendables = [each.spendable_value for each in assets if each.value is not None]
    known = [each for each in spendables if each is not None]
    state = worst_state(states)
    # Assets without a figure of their own are zeros of a complete answer; nothing at all is no answer yet.
    is_told = bool(values)
    oldest = max(ages, default=(None, None), key=lambda age: (age[1] is not None, age[0]))
    return AccountBalanceDetailed(
        broker=broker,
        quote=quote,
        total=total_of(values) if is_told else None,
        spendable=total_of(known) if known and len(known) == len(spendables) else None,
        state=state if is_told else BalanceState.UNKNOWN,
        age_s=max((age for age, _ in ages), default=None) if is_told else None,
        is_complete=is_told and not left_out,
        left_out=tuple(left_out),
        reason=oldest[1] if is_told else "unknown",
        assets=tuple(assets),
    )


def _valued(
    balance: Balance,
    tickers: Mapping[Symbol, Ticker],
    listed: Mapping[Symbol, Instrument],
    *,
    quote: AssetCode,
    now_s: float,
) -> ValuedAsset:
    total = balance.total
    if total is None:
        return ValuedAsset(balance=balance, price=None, value=None, spendable_value=None, why="unknown")
    if total == ZERO and not balance.spendable:
        return ValuedAsset(balance=balance, price=None, value=ZERO, spendable_value=ZERO)
    paths = paths_between(balance.asset, quote, listed)
    for path in paths:
        price = price_by(balance.asset, quote, path, tickers, now_s=now_s, is_owed=total < ZERO)
        if price is not None:
            return ValuedAsset(
                balance=balance,
                price=price,
                value=worth(total, price),
                spendable_value=None if balance.spendable is None else worth(balance.spendable, price),
            )
    why = "no_price" if paths else "no_market"
    return ValuedAsset(balance=balance, price=None, value=None, spendable_value=None, why=why)


def worth(amount: Decimal, price: Price) -> Decimal:
    """What an amount is worth at a price: to eight decimals, rounded against us."""
    value = multiply(amount, price.price)
    return round_up(value, places=_PLACES) if value < ZERO else round_down(value, places=_PLACES)


def _divided(value: Decimal, by: Decimal, *, is_up: bool) -> Decimal:
    with rounding_up():
        quotient = value / by
    return (round_up if is_up else round_down)(quotient, places=_PRICE_PLACES)
