"""
Unsigned REST methods.

Sources (checked 2026-11-20): https://docs.kraken.com/api/docs/rest-api/get-system-status/,
https://docs.kraken.com/api-reference/market-data/get-maintenance-schedule,
https://docs.kraken.com/api/docs/rest-api/get-asset-info,
https://docs.kraken.com/api/docs/rest-api/get-tradable-asset-pairs,
https://docs.kraken.com/exchange/guides/general/historical-data.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import exact, total_of
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.markets import Market, with_quiet
from holdfast.simulators.kraken.call import Call
from holdfast.simulators.kraken.errors import KrakenRefusedError, invalid_arguments
from holdfast.simulators.kraken.exchange import FEES, KrakenExchange
from holdfast.simulators.kraken.listing import ListedPair
from holdfast.simulators.kraken.render import places, plain, rfc1123, rfc3339, unix_fine

__all__ = ["INTERVALS", "METHODS", "day_figures"]

INTERVALS: Final = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
"""Candle lengths in minutes."""

_MOST_CANDLES: Final = 720


def _time(call: Call) -> Any:
    now_us = call.exchange.now_us()
    fault = call.exchange.impairments.applies("server_time")
    form = None if fault is None else fault.fields["form"]
    if fault is not None and form in ("frozen", "backwards"):
        passed_us = round((call.exchange.now_s() - fault.since_s) * 1_000_000)
        now_us -= passed_us if form == "frozen" else 2 * passed_us
    unixtime = now_us // (1000 if form == "milliseconds" else 1_000_000)
    return {"unixtime": unixtime, "rfc1123": rfc1123(now_us)}


def _system_status(call: Call) -> Any:
    exchange = call.exchange
    result: dict[str, Any] = {
        "status": exchange.mode,
        "timestamp": rfc3339(exchange.now_us() // 1_000_000 * 1_000_000).replace(".000000", ""),
    }
    if exchange.settings.has_maintenance_arrays:
        result |= {"upcoming_maintenance": exchange.upcoming_maintenance(), "emergency": list(exchange.emergencies)}
    return result


def _maintenance_schedule(call: Call) -> Any:
    return {"events": call.exchange.upcoming_maintenance()}


def _assets(call: Call) -> Any:
    listing = call.exchange.listing
    names = _names(call, "asset")
    assets = list(listing.assets.values())
    if names:
        found = [listing.asset(name) for name in names]
        if None in found:
            raise KrakenRefusedError("EQuery:Unknown asset")
        assets = [asset for asset in found if asset is not None]
    result: dict[str, Any] = {}
    for asset in assets:
        row: dict[str, Any] = {
            "aclass": "currency",
            "altname": asset.altname,
            "decimals": asset.decimals,
            "display_decimals": asset.display_decimals,
        }
        if asset.collateral is not None:
            row["collateral_value"] = Decimal(asset.collateral)
        result[asset.id] = row | {"status": "enabled"}
    return result


def _asset_pairs(call: Call) -> Any:
    pairs = _pairs(call) or list(call.exchange.listing.pairs.values())
    info = str(call.fields.get("info") or "info")
    if info not in ("info", "leverage", "fees", "margin"):
        raise invalid_arguments("info")
    return {pair.key: _pair_row(call.exchange, pair, info) for pair in pairs}


def _pair_row(exchange: KrakenExchange, pair: ListedPair, info: str) -> dict[str, Any]:
    fees = {
        "fees": [[int(tier.volume), tier.taker] for tier in FEES.tiers],
        "fees_maker": [[int(tier.volume), tier.maker] for tier in FEES.tiers],
        "fee_volume_currency": "ZUSD",
    }
    leverage = {"leverage_buy": list(pair.leverage), "leverage_sell": list(pair.leverage)}
    margin = {"margin_call": 80, "margin_stop": 40}
    if info != "info":
        choices: dict[str, dict[str, Any]] = {"fees": fees, "leverage": leverage, "margin": margin}
        return choices[info]
    row: dict[str, Any] = {
        "altname": pair.altname,
        "wsname": pair.wsname,
        "aclass_base": "currency",
        "base": pair.base.id,
        "aclass_quote": "currency",
        "quote": pair.quote.id,
        "execution_venue": "international",
        "lot": "unit",
        "cost_decimals": pair.cost_decimals,
        "pair_decimals": pair.price_decimals,
        "lot_decimals": pair.lot_decimals,
        "lot_multiplier": 1,
        **leverage,
        **fees,
        **margin,
        "ordermin": plain(pair.order_min),
        "costmin": plain(pair.cost_min),
        "tick_size": plain(pair.tick),
        "status": exchange.status_of(pair),
    }
    if pair.leverage:
        row |= {"long_position_limit": 100, "short_position_limit": 80}
    return row


def _ticker(call: Call) -> Any:
    pairs = _pairs(call) or list(call.exchange.listing.pairs.values())
    result = {}
    for pair in pairs:
        market = call.exchange.engine.markets[pair.code]
        book = call.exchange.engine.books[pair.code]
        bid, ask = book.best("buy"), book.best("sell")
        today, day = (day_figures(call.exchange, market, hours=hours) for hours in (None, 24))
        price = [
            [places(offer.price, pair.price_decimals), str(int(offer.quantity)), places(offer.quantity, 3)]
            if offer is not None
            else ["0", "0", "0.000"]
            for offer in (ask, bid)
        ]
        last = market.trades[-1]
        result[pair.key] = {
            "a": price[0],
            "b": price[1],
            "c": [places(last.price, pair.price_decimals), places(last.quantity, pair.lot_decimals)],
            "v": [places(figures.volume, pair.lot_decimals) for figures in (today, day)],
            "p": [places(figures.vwap, pair.price_decimals) for figures in (today, day)],
            "t": [figures.count for figures in (today, day)],
            "l": [places(figures.low, pair.price_decimals) for figures in (today, day)],
            "h": [places(figures.high, pair.price_decimals) for figures in (today, day)],
            "o": places(today.open, pair.price_decimals),
        }
    return result


class DayFigures:
    """Open, high, low, volume-weighted price, volume and count of a day, today's or the last 24 hours'."""

    __slots__ = ("count", "high", "low", "open", "volume", "vwap")

    def __init__(self, market: Market, *, since_s: int, until_s: int) -> None:
        candles = market.candles(interval_s=3600, since_s=since_s, until_s=until_s) or market.candles(
            interval_s=3600, since_s=since_s - since_s % 3600, until_s=until_s
        )
        self.open = candles[0].open
        self.high = max(candle.high for candle in candles)
        self.low = min(candle.low for candle in candles)
        self.volume = total_of(candle.volume for candle in candles)
        self.count = sum(candle.count for candle in candles)
        with exact():
            turnover = total_of(candle.vwap * candle.volume for candle in candles)
        self.vwap = divide(turnover, self.volume, places=market.rules.price_decimals)


def day_figures(exchange: KrakenExchange, market: Market, *, hours: int | None) -> DayFigures:
    """Today's figures (UTC), or those of so many hours."""
    now_s = exchange.now_us() // 1_000_000
    since_s = now_s - now_s % 86_400 if hours is None else now_s - hours * 3600
    return DayFigures(market, since_s=since_s, until_s=now_s)


def _ohlc(call: Call) -> Any:
    pair = _one_pair(call)
    interval = str(call.fields.get("interval") or "1")
    if not interval.isdigit() or int(interval) not in INTERVALS:
        raise invalid_arguments("interval")
    interval_s = int(interval) * 60
    now_s = call.exchange.now_us() // 1_000_000
    since_s = max(_since_s(call) + 1, now_s - now_s % interval_s - (_MOST_CANDLES - 1) * interval_s)
    market = call.exchange.engine.markets[pair.code]
    candles = with_quiet(
        market.candles(interval_s=interval_s, since_s=since_s, until_s=now_s),
        interval_s=interval_s,
        every=call.exchange.settings.quiet_candles,
    )
    rows = [
        [
            candle.start_s,
            places(candle.open, pair.price_decimals),
            places(candle.high, pair.price_decimals),
            places(candle.low, pair.price_decimals),
            places(candle.close, pair.price_decimals),
            places(candle.vwap, pair.price_decimals),
            places(candle.volume, pair.lot_decimals),
            candle.count,
        ]
        for candle in candles
    ]
    # The last row is still forming; `last` names the one before it.
    last = candles[-2].start_s if len(candles) > 1 else now_s - now_s % interval_s - interval_s
    return {pair.key: rows, "last": last}


def _depth(call: Call) -> Any:
    pair = _one_pair(call)
    count = _count(call, most=500, default=100)
    now_s = call.exchange.now_us() // 1_000_000
    book = call.exchange.engine.books[pair.code]
    sides = {
        name: [
            [places(price, pair.price_decimals), places(quantity, 3), now_s]
            for price, quantity in book.levels(side, count)
        ]
        for name, side in (("asks", "sell"), ("bids", "buy"))
    }
    return {pair.key: sides}


def _trades(call: Call) -> Any:
    pair = _one_pair(call)
    since = str(call.fields.get("since") or 0)
    whole, _, fraction = since.partition(".")
    if not (whole + fraction).isdigit():
        raise invalid_arguments("since")
    # Nanoseconds, as `last` gives them, or seconds.
    since_us = int(whole) // 1000 if len(whole) > 14 else int(whole) * 1_000_000 + int(fraction[:6].ljust(6, "0"))
    trades = [trade for trade in call.exchange.engine.markets[pair.code].trades if trade.at_us > since_us]
    trades = trades[: _count(call, most=1000, default=1000)] if since_us else trades[-_count(call, 1000, 1000) :]
    rows = [
        [
            places(trade.price, pair.price_decimals),
            places(trade.quantity, pair.lot_decimals),
            unix_fine(trade.at_us),
            trade.side[0],
            trade.kind[0],
            "",
            trade.number,
        ]
        for trade in trades
    ]
    last_us = trades[-1].at_us if trades else since_us
    return {pair.key: rows, "last": str(last_us * 1000)}


def _spread(call: Call) -> Any:
    pair = _one_pair(call)
    now_s = call.exchange.now_us() // 1_000_000
    book = call.exchange.engine.books[pair.code]
    bid, ask = book.best("buy"), book.best("sell")
    if bid is None or ask is None:
        return {pair.key: [], "last": now_s}
    row = [places(bid.price, pair.price_decimals), places(ask.price, pair.price_decimals)]
    return {pair.key: [[now_s - 1, *row], [now_s, *row]], "last": now_s}


def _names(call: Call, field: str) -> list[str]:
    return [name for name in str(call.fields.get(field) or "").split(",") if name]


def _pairs(call: Call) -> list[ListedPair]:
    found = [call.exchange.listing.pair(name) for name in _names(call, "pair")]
    if None in found:
        raise KrakenRefusedError("EQuery:Unknown asset pair")
    return [pair for pair in found if pair is not None]


def _one_pair(call: Call) -> ListedPair:
    pairs = _pairs(call)
    if len(pairs) != 1:
        raise invalid_arguments("pair") if not pairs else KrakenRefusedError("EQuery:Unknown asset pair")
    return pairs[0]


def _since_s(call: Call) -> int:
    text = str(call.fields.get("since") or 0).partition(".")[0]
    if not text.isdigit():
        raise invalid_arguments("since")
    return int(text)


def _count(call: Call, most: int, default: int) -> int:
    text = str(call.fields.get("count") or default)
    if not text.isdigit() or int(text) < 1:
        raise invalid_arguments("count")
    return min(int(text), most)


METHODS: Final[dict[str, Callable[[Call], Any]]] = {
    "Time": _time,
    "SystemStatus": _system_status,
    "MaintenanceSchedule": _maintenance_schedule,
    "Assets": _assets,
    "AssetPairs": _asset_pairs,
    "Ticker": _ticker,
    "OHLC": _ohlc,
    "Depth": _depth,
    "Trades": _trades,
    "Spread": _spread,
}
"""Every unsigned method."""
