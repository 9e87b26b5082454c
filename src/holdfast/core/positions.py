"""
What is held in markets: spot holdings that can be sold, and margin positions where the venue has them.

One shape for both, so that a bot can walk through them. Cash (fiat money and the coins that stand for some) is no
position. A holding that no order could sell, because it is below the venue's minimums, is *dust*: listed apart, with
the minimum it misses. What a venue does not tell is not guessed: spot holdings have no entry price here.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, multiply, subtract, trim_amount
from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Balance, BalanceState, Source
from holdfast.core.instruments import Instrument, InstrumentStatus, Ticker
from holdfast.core.products import why_unsupported
from holdfast.core.terms import whole_steps
from holdfast.core.valuation import CASH, HOPS, Price, paths_between, price_by, worst_state, worth

__all__ = [
    "MarginPosition",
    "Position",
    "PositionKind",
    "PositionList",
    "PositionSide",
    "StatedPositions",
    "dust_reason",
    "markets_of",
    "position_list",
]


class PositionKind(enum.StrEnum):
    """What a position is."""

    SPOT = "spot"  # Something owned.
    MARGIN = "margin"  # Something borrowed for: the venue's own position, with a side.


class PositionSide(enum.StrEnum):
    """Which way a position gains."""

    LONG = "long"
    SHORT = "short"


class MarginPosition(msgspec.Struct, frozen=True, kw_only=True):
    """
    One open margin position as its venue states it; amounts in whole units, exact.

    ``quantity`` is base units still open, above zero. ``cost``, ``fee``, ``margin``, ``value`` and ``unrealised`` are
    quote units of what is open, None where the venue does not say. ``opened_at_s`` is Unix seconds on its clock.
    """

    position_id: str
    symbol: Symbol | None  # None for an instrument that the venue did not list to us.
    venue_symbol: str
    side: PositionSide
    quantity: Decimal
    cost: Decimal | None = None
    fee: Decimal | None = None
    margin: Decimal | None = None
    value: Decimal | None = None
    unrealised: Decimal | None = None
    opened_at_s: float | None = None


class StatedPositions(msgspec.Struct, frozen=True, kw_only=True):
    """
    Every position that a venue states of an account; absence means that there is none.

    ``others`` are those that have no place in here (derivatives, say), each in a sentence. ``as_of_s`` is our clock
    when the request left.
    """

    read: str
    positions: tuple[MarginPosition, ...]
    as_of_s: float
    others: tuple[str, ...] = ()


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """
    One position; amounts in whole units, exact.

    Attributes:
        kind: Spot or margin.
        asset: Canonical code of what is held, or was borrowed for.
        symbol: The instrument to close it by; None where the venue has no open market for it.
        side: Long, always, of a spot holding.
        quantity: Base units: all that is owned, what open orders hold included; of a margin position what is open.
        closable: Base units that ``close_position`` could sell now, on the instrument's steps; 0 for a margin position,
            which holdfast does not close; None while unknown.
        state: How far ``quantity`` may be trusted.
        age_s: Seconds since it was last known to be true.
        source: Where it came from; None while unknown.
        reason: Why it is not fresh, a fixed word; None where it is.
        price: What one unit brings now in ``PositionList.quote``; None where nobody says.
        value: What all of it is worth there; negative for what is short.
        dust: Why no order could sell it, in a sentence; None where one could.
        cost: Quote units paid for it, of a margin position; None of a spot holding: no venue states it reliably.
        unrealised: The venue's own profit or loss, of a margin position, in quote units.
        margin: Quote units that back it, of a margin position.
        position_id: The venue's id, of a margin position.
        opened_at_s: Unix seconds on the venue's clock, of a margin position.
        note: What a person should know of it, in a sentence.
    """

    kind: PositionKind
    asset: AssetCode
    symbol: Symbol | None
    side: PositionSide
    quantity: Decimal
    closable: Decimal | None
    state: BalanceState
    age_s: float | None
    source: Source | None
    reason: str | None = None
    price: Price | None = None
    value: Decimal | None = None
    dust: str | None = None
    cost: Decimal | None = None
    unrealised: Decimal | None = None
    margin: Decimal | None = None
    position_id: str | None = None
    opened_at_s: float | None = None
    note: str | None = None


class PositionList(msgspec.Struct, frozen=True, kw_only=True):
    """
    Every position of an account, spot first, each by symbol.

    Attributes:
        broker: Whose account.
        quote: What values are told in.
        positions: Those that an order could change.
        dust: Holdings that no order could sell, each with the reason.
        state: The worst state of all of them; of an account without any, that of its balances.
        age_s: Seconds since the oldest of them was known to be true; None while unknown.
        is_complete: Whether everything that the account may have was told. Without it the lists are what is known.
        notes: What is missing or not offered, in sentences: margin positions that could not be read, or that the venue
            has none of.
    """

    broker: str
    quote: AssetCode
    positions: tuple[Position, ...]
    dust: tuple[Position, ...]
    state: BalanceState
    age_s: float | None
    is_complete: bool
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.positions)

    def __iter__(self) -> Iterator[Position]:
        return iter(self.positions)

    def of(self, symbol: Symbol) -> tuple[Position, ...]:
        """Those that are closed by one instrument, or were opened by it."""
        return tuple(position for position in self.positions if position.symbol == symbol)


_QUOTES: Final = (*HOPS, "GBP", "ETH")


def markets_of(asset: AssetCode, listed: Mapping[Symbol, Instrument], *, quote: AssetCode) -> list[Instrument]:
    """
    The open instruments by which an asset could be sold, the likeliest first.

    That of *quote*, then those of the currencies that most is traded in, then the others by name.
    """
    order = {code: place for place, code in enumerate(dict.fromkeys((quote, *_QUOTES)))}
    found = [
        each
        for each in listed.values()
        if each.base == asset
        and each.status not in (InstrumentStatus.OFFLINE, InstrumentStatus.UNKNOWN)
        and why_unsupported(each) is None
    ]
    return sorted(found, key=lambda each: (order.get(each.quote, len(order)), each.symbol))


def dust_reason(quantity: Decimal, instrument: Instrument, bid: Decimal | None) -> str | None:
    """
    Why no order could sell that much of an instrument's base, in a sentence; None where one could.

    Args:
        quantity: Base units.
        instrument: Its rules.
        bid: The best price now; None where none is young enough: no price makes nothing dust.
    """
    symbol, base = instrument.symbol, instrument.base
    sellable = whole_steps(quantity, grid=instrument.quantity_step)
    if not sellable:
        step = trim_amount(instrument.quantity_step)
        return f"{trim_amount(quantity)} {base} is less than the step of {symbol}, {step}"
    least = instrument.quantity_min
    if least is not None and sellable < least:
        return f"{trim_amount(sellable)} {base} is less than the least order of {symbol}, {trim_amount(least)} {base}"
    if instrument.cost_min is not None and bid is not None:
        value = multiply(sellable, bid)
        if value < instrument.cost_min:
            quote = instrument.quote
            return (
                f"{trim_amount(sellable)} {base} is worth {trim_amount(value)} {quote} at {trim_amount(bid)}, "
                f"less than the least cost of an order of {symbol}, {trim_amount(instrument.cost_min)} {quote}"
            )
    return None


def position_list(
    balances: Mapping[AssetCode, Balance],
    margin: StatedPositions | None,
    tickers: Mapping[Symbol, Ticker],
    listed: Mapping[Symbol, Instrument],
    *,
    broker: str,
    quote: AssetCode,
    now_s: float,
    price_max_age_s: float,
    notes: Iterable[str] = (),
    is_complete: bool = True,
) -> PositionList:
    """
    Every position that balances and the venue's own list make.

    Args:
        balances: Every asset with a figure; empty while nothing was ever believed.
        margin: The venue's margin positions; None where it has none to tell or could not be asked.
        tickers: The newest price of each market.
        listed: What the venue lists.
        broker: Whose account.
        quote: What values are told in.
        now_s: Our clock.
        price_max_age_s: A price older than this makes nothing dust.
        notes: What is missing or not offered.
        is_complete: Whether the venue was asked for everything and answered.
    """
    positions: list[Position] = []
    dust: list[Position] = []
    oldest_s = now_s - price_max_age_s
    bids = {symbol: ticker.bid for symbol, ticker in tickers.items() if ticker.as_of_s >= oldest_s}
    for code in sorted(balances):
        balance = balances[code]
        if code in CASH or code == quote or balance.total == ZERO:
            continue
        position = _spot(balance, tickers, bids, listed, quote=quote, now_s=now_s)
        (positions if position.dust is None else dust).append(position)
    if margin is not None:
        age_s = max(0.0, now_s - margin.as_of_s)
        positions += [
            _margin(each, tickers, listed, quote=quote, now_s=now_s, age_s=age_s) for each in margin.positions
        ]
        notes = (*notes, *margin.others)
    shown = [*positions, *dust]
    figures = [balance.state for balance in balances.values()] if not shown else [each.state for each in shown]
    ages = [each.age_s for each in (shown or balances.values()) if each.age_s is not None]
    return PositionList(
        broker=broker,
        quote=quote,
        positions=tuple(
            sorted(positions, key=lambda each: (each.kind is PositionKind.MARGIN, each.symbol or each.asset))
        ),
        dust=tuple(dust),
        state=worst_state(figures),
        age_s=max(ages, default=None),
        is_complete=is_complete and bool(balances),
        notes=tuple(notes) if balances else ("no balance was believed yet: what is held is not known", *notes),
    )


def _spot(
    balance: Balance,
    tickers: Mapping[Symbol, Ticker],
    bids: Mapping[Symbol, Decimal],
    listed: Mapping[Symbol, Instrument],
    *,
    quote: AssetCode,
    now_s: float,
) -> Position:
    code, total = balance.asset, balance.total
    assert total is not None or balance.state is BalanceState.UNKNOWN
    quantity = ZERO if total is None else total
    markets = markets_of(code, listed, quote=quote)
    reasons = [dust_reason(quantity, each, bids.get(each.symbol)) for each in markets]
    chosen = next((each for each, reason in zip(markets, reasons, strict=True) if reason is None), None)
    market = chosen or (markets[0] if markets else None)
    spendable = balance.spendable
    price = None
    for path in paths_between(code, quote, listed):
        price = price_by(code, quote, path, tickers, now_s=now_s, is_owed=quantity < ZERO)
        if price is not None:
            break
    note = None
    if total is None:
        note = "how much of it is held was never confirmed"
    elif market is None:
        note = "the venue has no open market that sells it"
    elif quantity < ZERO:
        note = "the venue lends it: less than nothing is owned"
    return Position(
        kind=PositionKind.SPOT,
        asset=code,
        symbol=None if market is None else market.symbol,
        side=PositionSide.SHORT if quantity < ZERO else PositionSide.LONG,
        quantity=quantity.copy_abs(),
        closable=None
        if spendable is None or total is None
        else ZERO
        if market is None
        else whole_steps(spendable, grid=market.quantity_step),
        state=balance.state,
        age_s=balance.age_s,
        source=balance.source,
        reason=balance.reason,
        price=price,
        value=None if price is None or total is None else worth(quantity, price),
        dust=reasons[0] if markets and chosen is None and quantity > ZERO else None,
        note=note,
    )


def _margin(
    stated: MarginPosition,
    tickers: Mapping[Symbol, Ticker],
    listed: Mapping[Symbol, Instrument],
    *,
    quote: AssetCode,
    now_s: float,
    age_s: float | None,
) -> Position:
    instrument = None if stated.symbol is None else listed.get(stated.symbol)
    base = stated.venue_symbol if instrument is None else instrument.base
    is_short = stated.side is PositionSide.SHORT
    price = None
    for path in paths_between(base, quote, listed) if instrument is not None else ():
        price = price_by(base, quote, path, tickers, now_s=now_s, is_owed=is_short)
        if price is not None:
            break
    signed = subtract(ZERO, stated.quantity) if is_short else stated.quantity
    return Position(
        kind=PositionKind.MARGIN,
        asset=base,
        symbol=stated.symbol,
        side=stated.side,
        quantity=stated.quantity,
        closable=ZERO,
        state=BalanceState.FRESH,
        age_s=age_s,
        source=Source.REST,
        price=price,
        value=None if price is None else worth(signed, price),
        cost=stated.cost,
        unrealised=stated.unrealised,
        margin=stated.margin,
        position_id=stated.position_id,
        opened_at_s=stated.opened_at_s,
        note="a margin position is closed at the venue: holdfast places spot orders only",
    )
