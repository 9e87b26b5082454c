"""
Unsigned endpoints: time, status, instruments, prices.

Sources (checked 2026-11-20): https://www.okx.com/docs-v5/en/#public-data-rest-api-get-system-time,
https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments, https://www.okx.com/docs-v5/en/#status-get-status,
https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-ticker and the pages beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import exact, round_down, total_of
from holdfast.simulators.core.markets import Candle, Market, PublicTrade, with_quiet
from holdfast.simulators.okx.call import Call, wrong_parameter
from holdfast.simulators.okx.exchange import OkxExchange
from holdfast.simulators.okx.listing import Instrument
from holdfast.simulators.okx.render import ms, plain

__all__ = [
    "BARS",
    "ENDPOINTS",
    "book_levels",
    "candle_row",
    "instrument_row",
    "instrument_rows",
    "ticker_row",
    "trade_row",
]

_HONG_KONG_S: Final = -8 * 3600  # Bars from six hours on open at midnight there, unless their name ends in utc.
_MONDAY_S: Final = 4 * 86_400  # 1970-01-01 was a Thursday.
_HOURS: Final = {"1H": 1, "2H": 2, "4H": 4}
_LONG: Final = {"6H": 6, "12H": 12, "1D": 24, "2D": 48, "3D": 72, "1W": 168}

BARS: Final[dict[str, tuple[int, int]]] = {
    **{f"{minutes}m": (minutes * 60, 0) for minutes in (1, 3, 5, 15, 30)},
    **{name: (hours * 3600, 0) for name, hours in _HOURS.items()},
    **{name: (hours * 3600, _HONG_KONG_S + (_MONDAY_S if name == "1W" else 0)) for name, hours in _LONG.items()},
    **{f"{name}utc": (hours * 3600, _MONDAY_S if name == "1W" else 0) for name, hours in _LONG.items()},
}
"""Candle lengths that are modelled: seconds, and the offset from the epoch at which they open."""

_MOST_CANDLES: Final = 300
_TYPES: Final = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS")
_LISTED_MS: Final = "1611907686000"


def _time(call: Call) -> Any:
    now_us = call.exchange.now_us()
    fault = call.exchange.impairments.applies("server_time")
    form = None if fault is None else fault.fields["form"]
    if fault is not None and form in ("frozen", "backwards"):
        passed_us = round((call.exchange.now_s() - fault.since_s) * 1_000_000)
        now_us -= passed_us if form == "frozen" else 2 * passed_us
    return [{"ts": str(now_us // (1_000_000 if form == "seconds" else 1000))}]


def _status(call: Call) -> Any:
    now_us = call.exchange.now_us()
    wanted = call.text("state")
    rows = [outage.stated(now_us) for outage in call.exchange.outages]
    shown = ("scheduled", "ongoing", "pre_open") if wanted is None else (wanted,)
    return [row for row in rows if row["state"] in shown]


def instrument_row(exchange: OkxExchange, instrument: Instrument) -> dict[str, Any]:
    """One spot instrument, complete."""
    most = f"{plain(instrument.max_limit_size)}.0000000000000000"
    return {
        "alias": "",
        "auctionEndTime": "",
        "baseCcy": instrument.base.code,
        "category": "1",
        "contTdSwTime": "",
        "ctMult": "",
        "ctType": "",
        "ctVal": "",
        "ctValCcy": "",
        ("rpi" if exchange.settings.is_elp_renamed else "elp"): "0",
        "expTime": "",
        "futureSettlement": False,
        "groupId": instrument.group,
        "instCategory": "1",
        "instFamily": "",
        "instId": instrument.id,
        "instIdCode": exchange.wire_code(instrument),
        "instType": "SPOT",
        "lever": "",
        "listTime": _LISTED_MS,
        "longPosRemainingQuota": "",
        "lotSz": plain(instrument.lot),
        "maxIcebergSz": most,
        "maxLmtAmt": "20000000",
        "maxLmtSz": plain(instrument.max_limit_size),
        "maxMktAmt": plain(instrument.max_market_usd),
        "maxMktSz": plain(instrument.max_market_usd),
        "maxPlatOICoinLmt": "",
        "maxPlatOILmt": "",
        "maxStopSz": plain(instrument.max_market_usd),
        "maxTriggerSz": most,
        "maxTwapSz": most,
        "minSz": plain(instrument.min_size),
        "openType": "",
        "optType": "",
        "posLmtAmt": "",
        "posLmtPct": "",
        "preMktSwTime": "",
        "quoteCcy": instrument.named_quote,
        "ruleType": "normal",
        "settleCcy": "",
        "seriesId": "",
        "shortPosRemainingQuota": "",
        "state": exchange.state_of(instrument),
        "stk": "",
        "tickSz": plain(instrument.tick),
        "tradeQuoteCcyList": list(instrument.quotes),
        "uly": "",
        "upcChg": [],
    }


def instrument_rows(call: Call) -> list[dict[str, Any]]:
    """The instruments of a type, or the one that is named; only spot is listed."""
    kind = call.needed("instType")
    if kind not in _TYPES:
        raise wrong_parameter("instType")
    if kind != "SPOT":
        return []
    instruments = list(call.exchange.listing.instruments.values())
    if call.text("instId") is not None:
        instruments = [call.instrument()]
    return [instrument_row(call.exchange, instrument) for instrument in instruments]


def _underlying(call: Call) -> Any:
    call.needed("instType")
    return [[]]


def _price_limit(call: Call) -> Any:
    instrument = call.instrument()
    market = call.exchange.engine.markets[instrument.line]
    percent = call.exchange.settings.price_band_percent
    with exact():
        away = market.mid * (percent or Decimal(5)) / 100
        prices = (market.mid + away, market.mid - away)
        limits = [round_down(price, places=instrument.price_decimals) for price in prices]
    return [
        {
            "instType": "SPOT",
            "instId": instrument.id,
            "buyLmt": plain(limits[0]),
            "sellLmt": plain(limits[1]),
            "ts": ms(call.exchange.now_us()),
            "enabled": bool(percent),
        }
    ]


def day_candles(exchange: OkxExchange, market: Market) -> list[Candle]:
    """The last 24 hours by the hour."""
    now_s = exchange.now_us() // 1_000_000
    return market.candles(interval_s=3600, since_s=now_s - 86_400, until_s=now_s)


def ticker_row(exchange: OkxExchange, instrument: Instrument) -> dict[str, Any]:
    """One ticker; the book is the one of the instrument's own quote currency."""
    market = exchange.engine.markets[instrument.line]
    book = exchange.engine.books[instrument.line]
    bid, ask = book.best("buy"), book.best("sell")
    hours = day_candles(exchange, market)
    now_us = exchange.now_us()
    with exact():
        worth = total_of(round_down(hour.volume * hour.vwap, places=8) for hour in hours)
    return {
        "instType": "SPOT",
        "instId": instrument.id,
        "last": plain(market.last),
        "lastSz": plain(market.trades[-1].quantity),
        "askPx": plain(ask.price) if ask else "",
        "askSz": plain(ask.quantity) if ask else "",
        "bidPx": plain(bid.price) if bid else "",
        "bidSz": plain(bid.quantity) if bid else "",
        "open24h": plain(hours[0].open),
        "high24h": plain(max(hour.high for hour in hours)),
        "low24h": plain(min(hour.low for hour in hours)),
        "volCcy24h": plain(worth),
        "vol24h": plain(total_of(hour.volume for hour in hours)),
        "sodUtc0": plain(market.price_at(_day_us(now_us, 0))),
        "sodUtc8": plain(market.price_at(_day_us(now_us, _HONG_KONG_S))),
        "ts": ms(now_us),
    }


def _day_us(now_us: int, offset_s: int) -> int:
    day_us = 86_400_000_000
    return (now_us - offset_s * 1_000_000) // day_us * day_us + offset_s * 1_000_000


def _ticker(call: Call) -> Any:
    return [ticker_row(call.exchange, call.instrument())]


def _tickers(call: Call) -> Any:
    if call.needed("instType") != "SPOT":
        return []
    return [ticker_row(call.exchange, instrument) for instrument in call.exchange.listing.instruments.values()]


def book_levels(exchange: OkxExchange, instrument: Instrument, side: str, depth: int) -> list[list[str]]:
    """Price, quantity, a deprecated zero and the number of orders, per level, best first."""
    levels = exchange.engine.books[instrument.line].levels(side, depth)
    return [[plain(price), plain(quantity), "0", "1"] for price, quantity in levels]


def _books(call: Call) -> Any:
    instrument = call.instrument()
    depth = max(1, min(call.number("sz") or 1, 400))
    return [
        {
            "asks": book_levels(call.exchange, instrument, "sell", depth),
            "bids": book_levels(call.exchange, instrument, "buy", depth),
            "ts": ms(call.exchange.now_us()),
        }
    ]


def trade_row(instrument: Instrument, trade: PublicTrade) -> dict[str, str]:
    """One public trade."""
    return {
        "instId": instrument.id,
        "side": trade.side,
        "sz": plain(trade.quantity),
        "px": plain(trade.price),
        "source": "0",
        "tradeId": str(trade.number),
        "ts": ms(trade.at_us),
    }


def _trades(call: Call) -> Any:
    instrument = call.instrument()
    trades = call.exchange.engine.markets[instrument.line].trades
    return [trade_row(instrument, trade) for trade in reversed(trades[-call.limit(500) :])]


def _history_trades(call: Call) -> Any:
    instrument = call.instrument()
    after, before = call.number("after"), call.number("before")
    trades = [
        trade
        for trade in call.exchange.engine.markets[instrument.line].trades
        if (after is None or trade.number < after) and (before is None or trade.number > before)
    ]
    return [trade_row(instrument, trade) for trade in reversed(trades[-call.limit() :])]


def candle_row(instrument: Instrument, candle: Candle, *, ends_s: int, now_s: int) -> list[str]:
    """One candle: ts, open, high, low, close, volumes in base, quote and quote, and whether it is complete."""
    with exact():
        worth = plain(round_down(candle.volume * candle.vwap, places=instrument.quote.decimals))
    prices = [plain(price) for price in (candle.open, candle.high, candle.low, candle.close)]
    return [str(candle.start_s * 1000), *prices, plain(candle.volume), worth, worth, str(int(now_s >= ends_s))]


def _candles(call: Call) -> Any:
    return _candle_rows(call, most_back=1440)


def _history_candles(call: Call) -> Any:
    return _candle_rows(call, most_back=100_000)


def _candle_rows(call: Call, *, most_back: int) -> list[list[str]]:
    instrument = call.instrument()
    interval_s, offset_s = BARS.get(call.text("bar") or "1m", (0, 0))
    if not interval_s:
        raise wrong_parameter("bar")
    market = call.exchange.engine.markets[instrument.line]
    now_s = call.exchange.now_us() // 1_000_000
    limit = min(call.number("limit") or 100, _MOST_CANDLES)
    after, before = call.number("after"), call.number("before")
    until_s = now_s if after is None else min(now_s, (after - 1) // 1000)
    since_s = max(until_s - limit * interval_s, now_s - most_back * interval_s)
    if before is not None:
        since_s = max(since_s, before // 1000 + 1)
    if since_s > until_s:
        return []
    # The last candle of a page is whole, unless it is the one that is still forming.
    ends_s = (until_s - offset_s) // interval_s * interval_s + offset_s + interval_s
    made = market.candles(interval_s=interval_s, since_s=since_s, until_s=min(now_s, ends_s), offset_s=offset_s)
    every = call.exchange.settings.quiet_candles
    candles = with_quiet([one for one in made if one.start_s <= until_s], interval_s=interval_s, every=every)
    rows = [candle_row(instrument, one, ends_s=one.start_s + interval_s, now_s=now_s) for one in candles[-limit:]]
    return rows[::-1]


ENDPOINTS: Final[dict[str, Callable[[Call], Any]]] = {
    "GET public/time": _time,
    "GET system/status": _status,
    "GET public/instruments": instrument_rows,
    "GET public/underlying": _underlying,
    "GET public/price-limit": _price_limit,
    "GET market/ticker": _ticker,
    "GET market/tickers": _tickers,
    "GET market/books": _books,
    "GET market/trades": _trades,
    "GET market/history-trades": _history_trades,
    "GET market/candles": _candles,
    "GET market/history-candles": _history_candles,
}
"""Unsigned endpoints, and what answers."""
