"""
ccxt's unified structures to ours, strictly: https://docs.ccxt.com/#/README?id=order-structure and its neighbours
(checked 2026-11-20). Numbers are text (``exchange.number = str``), so that nothing passes through a float.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import ccxt

from holdfast.core.amounts import ZERO, multiply, parse_amount, subtract
from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Holding, OpenOrder, Side
from holdfast.core.instruments import AssetInfo, Candle, Instrument, InstrumentStatus, Ticker
from holdfast.core.venue import ClosedOrder, Fill
from holdfast.errors import AmountError, PayloadError, UnknownNameError
from holdfast.venues.through_ccxt.symbols import asset_of, symbol_of_market

__all__ = [
    "assets_of",
    "candle_of",
    "closed_order_of",
    "fill_of",
    "holdings_of",
    "instrument_of",
    "is_open",
    "open_order_of",
    "ticker_of",
]

_NO_CURRENCIES = frozenset({"info", "timestamp", "datetime", "free", "used", "total", "debt"})


def money(row: Mapping[str, Any], name: str, where: str) -> Decimal | None:
    """One number of a structure, exact; None where it is not told. Raises ``AmountError`` where it is no number."""
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        return parse_amount(value if isinstance(value, str) else repr(value))
    except AmountError as error:
        raise AmountError(f"{where}.{name}: {error}") from None


def needed(row: Mapping[str, Any], name: str, where: str) -> Decimal:
    """As ``money``; raises ``PayloadError`` where it is missing."""
    value = money(row, name, where)
    if value is None:
        raise PayloadError(f"{where}: {name} is missing")
    return value


def text(row: Mapping[str, Any], name: str, where: str) -> str:
    """One text of a structure. Raises ``PayloadError`` where there is none."""
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise PayloadError(f"{where}: {name} is missing")
    return value


def holdings_of(answer: Mapping[str, Any]) -> tuple[dict[AssetCode, Holding], bool]:
    """
    A balance structure's currencies, and whether every one of them tells what is held.

    Raises:
        PayloadError: It is no balance structure, or a currency states no total.
    """
    if not isinstance(answer.get("total"), Mapping):
        raise PayloadError("fetchBalance: no balance structure")
    found: dict[AssetCode, Holding] = {}
    states_holds = True
    for code, row in answer.items():
        if code in _NO_CURRENCIES:
            continue
        where = f"fetchBalance.{code}"
        if not isinstance(row, Mapping):
            raise PayloadError(f"{where}: no figures")
        total, held, available = money(row, "total", where), money(row, "used", where), money(row, "free", where)
        if total is None:
            raise PayloadError(f"{where}: total is missing")
        if held is None or available is None:
            states_holds = False
        found[asset_of(code)] = Holding(asset=asset_of(code), total=total, held=held, available=available)
    return found, states_holds


def assets_of(currencies: Mapping[str, Any], markets: Mapping[str, Any]) -> dict[AssetCode, AssetInfo]:
    """Every asset that currencies or spot markets name; those whose code we cannot spell are left out."""
    codes = dict.fromkeys([*currencies, *(market[side] for market in markets.values() for side in ("base", "quote"))])
    found: dict[AssetCode, AssetInfo] = {}
    for code in codes:
        row = currencies.get(code) or {}
        try:
            asset = asset_of(code)
        except UnknownNameError:
            continue
        found[asset] = AssetInfo(
            code=asset,
            venue_symbol=str(row.get("id") or code),
            venue_altname=str(code),
            decimals=_decimals(row.get("precision")),
            is_enabled=row.get("active") is not False,
        )
    return found


def _decimals(precision: Any) -> int:
    try:
        step = parse_amount(precision if isinstance(precision, str) else repr(precision))
    except AmountError:
        return 18
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 18


def instrument_of(market: Mapping[str, Any], *, precision_mode: int) -> Instrument | None:
    """One spot market's rules; None for what is no spot market, or counts precision in significant digits."""
    if not market.get("spot") or precision_mode == ccxt.SIGNIFICANT_DIGITS:
        return None
    symbol = symbol_of_market(market)
    where = f"market {market.get('symbol')}"
    precision = market.get("precision") or {}
    limits = market.get("limits") or {}
    steps = [_step(precision, name, precision_mode, where) for name in ("amount", "price")]
    if symbol is None or steps[0] is None or steps[1] is None:
        return None
    active = market.get("active")
    status = InstrumentStatus.ONLINE if active is not False else InstrumentStatus.OFFLINE
    return Instrument(
        symbol=symbol,
        base=asset_of(market["base"]),
        quote=asset_of(market["quote"]),
        venue_symbol=str(market["symbol"]),
        stream_symbol=str(market["symbol"]),
        status=status,
        quantity_step=steps[0],
        price_step=steps[1],
        quantity_min=money(limits.get("amount") or {}, "min", where),
        cost_min=money(limits.get("cost") or {}, "min", where),
        cost_step=_step(precision, "cost", precision_mode, where),
        taker_fee=money(market, "taker", where),
        maker_fee=money(market, "maker", where),
    )


def _step(precision: Mapping[str, Any], name: str, mode: int, where: str) -> Decimal | None:
    value = money(precision, name, where)
    if value is None:
        return None
    if mode == ccxt.TICK_SIZE:
        return value if value > 0 else None
    return Decimal(1).scaleb(-int(value))


def ticker_of(row: Mapping[str, Any], symbol: Symbol, *, as_of_s: float) -> Ticker:
    """One ticker. Raises ``PayloadError`` where bid, ask or last is missing."""
    where = f"fetchTicker {symbol}"
    bid, ask = needed(row, "bid", where), needed(row, "ask", where)
    last = money(row, "last", where) or money(row, "close", where)
    return Ticker(symbol=symbol, bid=bid, ask=ask, last=ask if last is None else last, as_of_s=as_of_s)


def candle_of(row: Any, *, interval_s: int, now_s: float) -> Candle:
    """One row of ``fetchOHLCV``: time in milliseconds and five numbers; final where it ended before *now_s*, UTC."""
    if not isinstance(row, list) or len(row) < 6 or type(row[0]) is not int or row[0] < 0:
        raise PayloadError("fetchOHLCV: a row is not a time and five numbers")
    values = dict(zip(("open", "high", "low", "close", "volume"), row[1:6], strict=True))
    found = {name: needed(values, name, "fetchOHLCV") for name in values}
    start_s = row[0] // 1000
    return Candle(start_s=start_s, is_final=start_s + interval_s <= now_s, **found)


def is_open(row: Mapping[str, Any]) -> bool:
    """Whether an order structure says that it is open; one without a status is refused."""
    return text(row, "status", "order") == "open"


def _side(row: Mapping[str, Any], where: str) -> Side:
    try:
        return Side(text(row, "side", where).lower())
    except ValueError:
        raise PayloadError(f"{where}: side is {ascii(row.get('side'))[:20]}") from None


def open_order_of(row: Mapping[str, Any], symbols: Mapping[str, Symbol]) -> OpenOrder:
    """One open order; what it holds is estimated from what is left of it."""
    order_id = text(row, "id", "order")
    where = f"order {order_id}"
    symbol = symbols.get(str(row.get("symbol")))
    side, price = _side(row, where), money(row, "price", where)
    quantity, filled = money(row, "amount", where), needed(row, "filled", where)
    base, _, quote = (symbol or "").partition("-")
    left = None if quantity is None else max(subtract(quantity, filled), ZERO)
    hold = left if side is Side.SELL or left is None else None if price is None else multiply(left, price)
    return OpenOrder(
        order_id=order_id,
        client_order_id=_client_id(row),
        symbol=symbol,
        side=side,
        order_type=str(row.get("type") or "limit"),
        quantity=quantity,
        filled=filled,
        limit_price=price,
        hold_asset=(base if side is Side.SELL else quote) or None,
        hold=hold,
        cost=money(row, "cost", where),
        fee=_quote_fee(row, symbol, where),
    )


def closed_order_of(row: Mapping[str, Any], symbols: Mapping[str, Symbol]) -> ClosedOrder:
    """One order that is over."""
    order_id = text(row, "id", "order")
    where = f"order {order_id}"
    symbol = symbols.get(str(row.get("symbol")))
    status = text(row, "status", where)
    ended = row.get("lastTradeTimestamp") or row.get("lastUpdateTimestamp") or row.get("timestamp")
    filled = needed(row, "filled", where)
    cost = money(row, "cost", where)
    if cost is None:
        average = money(row, "average", where)
        if filled and average is None:
            raise PayloadError(f"{where}: neither cost nor average of what was filled")
        cost = multiply(filled, average) if average is not None else ZERO
    return ClosedOrder(
        order_id=order_id,
        client_order_id=_client_id(row),
        symbol=symbol,
        side=_side(row, where),
        status={"canceled": "canceled", "expired": "expired", "rejected": "canceled"}.get(status, "closed"),
        quantity=money(row, "amount", where) or filled,
        filled=filled,
        cost=cost,
        fee=_quote_fee(row, symbol, where) or ZERO,
        closed_at_s=None if ended is None else float(ended) / 1000,
        reason=status,
    )


def fill_of(row: Mapping[str, Any], symbols: Mapping[str, Symbol]) -> Fill:
    """One execution."""
    fill_id = text(row, "id", "trade")
    where = f"trade {fill_id}"
    quantity, price = needed(row, "amount", where), needed(row, "price", where)
    at_ms = row.get("timestamp")
    if at_ms is None:
        raise PayloadError(f"{where}: timestamp is missing")
    symbol = symbols.get(str(row.get("symbol")))
    return Fill(
        fill_id=fill_id,
        order_id=str(row.get("order") or ""),
        symbol=symbol,
        side=_side(row, where),
        quantity=quantity,
        price=price,
        cost=money(row, "cost", where) or multiply(quantity, price),
        fee=_quote_fee(row, symbol, where) or ZERO,
        at_s=float(at_ms) / 1000,
    )


def _client_id(row: Mapping[str, Any]) -> str | None:
    value = row.get("clientOrderId")
    return value if isinstance(value, str) and value else None


def _quote_fee(row: Mapping[str, Any], symbol: Symbol | None, where: str) -> Decimal | None:
    """The fee in quote; one in base at the row's own average. A third asset's is told by the balance alone."""
    base, _, quote = (symbol or "").partition("-")
    fees = row.get("fees") or ([row["fee"]] if row.get("fee") else [])
    found: Decimal | None = None
    for fee in fees:
        cost = money(fee, "cost", where) if isinstance(fee, Mapping) else None
        if cost is None:
            continue
        average = money(row, "average", where) or money(row, "price", where)
        if fee.get("currency") == quote:
            found = (found or ZERO) + cost
        elif fee.get("currency") == base and average is not None:
            found = (found or ZERO) + multiply(cost, average)
    return found
