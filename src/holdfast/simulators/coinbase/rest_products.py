"""
Products, books, trades, candles and the time; below ``/market`` without a token.

Sources (checked 2026-11-20):
https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/products/list-products,
.../products/get-product, .../products/get-product-book, .../products/get-best-bid-ask,
.../products/get-product-candles, .../products/get-market-trades, .../public/get-server-time.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import ZERO, add, exact, multiply, subtract, trim_amount
from holdfast.simulators.coinbase.call import Call
from holdfast.simulators.coinbase.errors import invalid_argument
from holdfast.simulators.coinbase.exchange import CoinbaseExchange
from holdfast.simulators.coinbase.listing import Product
from holdfast.simulators.coinbase.render import rfc3339
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.markets import Market, PublicTrade, with_quiet

__all__ = ["GRANULARITIES", "METHODS", "PRODUCT_FLAGS", "product_row", "server_us"]

GRANULARITIES: Final = {
    "ONE_MINUTE": 60,
    "FIVE_MINUTE": 300,
    "FIFTEEN_MINUTE": 900,
    "THIRTY_MINUTE": 1800,
    "ONE_HOUR": 3600,
    "TWO_HOUR": 7200,
    "FOUR_HOUR": 14_400,
    "SIX_HOUR": 21_600,
    "ONE_DAY": 86_400,
}
"""Candle sizes in seconds."""

PRODUCT_FLAGS: Final = (
    "is_disabled",
    "cancel_only",
    "limit_only",
    "post_only",
    "trading_disabled",
    "auction_mode",
    "view_only",
)
"""The booleans of a product that say what it takes."""

_DAY_US: Final = 86_400_000_000
_DEFAULT_TRADES: Final = 100
_DEFAULT_DEPTH: Final = 50


def _market(exchange: CoinbaseExchange, product: Product) -> Market:
    """The market whose data stand for a product's."""
    return exchange.engine.markets[exchange.listing.data_of(product).code]


def _day(exchange: CoinbaseExchange, product: Product) -> tuple[Decimal, Decimal, Decimal]:
    """Last price, change in percent and volume of the last day."""
    if product.base.is_made_up and product.code not in exchange.engine.markets:
        return product.start_price, ZERO, ZERO
    market = _market(exchange, product)
    now_us = exchange.now_us()
    before = market.price_at(now_us - _DAY_US)
    with exact():
        change = divide(100 * (market.mid - before), before, places=14)
    now_s = now_us // 1_000_000
    (candle,) = market.candles(interval_s=86_400, since_s=now_s // 86_400 * 86_400, until_s=now_s)
    return market.last, change, candle.volume


def product_row(exchange: CoinbaseExchange, product: Product, *, with_tradability: bool = False) -> dict[str, Any]:
    """One product, all its documented fields."""
    price, change, volume = _day(exchange, product)
    status = exchange.status_of(product)
    modes = {status, exchange.mode}
    flags = {flag: flag in modes for flag in PRODUCT_FLAGS}
    if not with_tradability:
        flags["view_only"] = False  # Only the signed list that asks for it knows what this account may trade.
    return {
        "product_id": product.id,
        "price": trim_amount(price),
        "price_percentage_change_24h": trim_amount(change),
        "volume_24h": trim_amount(volume),
        "volume_percentage_change_24h": "1.5",
        "base_increment": trim_amount(product.base_increment),
        "quote_increment": trim_amount(product.quote_increment),
        "quote_min_size": trim_amount(product.quote_min),
        "quote_max_size": trim_amount(product.quote_max),
        "base_min_size": trim_amount(product.base_min),
        "base_max_size": trim_amount(product.base_max),
        "base_name": product.base.name,
        "quote_name": product.quote.name,
        "watched": False,
        "new": False,
        "status": status if status in ("offline", "delisted") else "online",
        **flags,
        "product_type": "SPOT",
        "quote_currency_id": product.quote.id,
        "base_currency_id": product.base.id,
        "fcm_trading_session_details": None,
        "mid_market_price": "",
        "alias": product.alias,
        "alias_to": list(product.alias_to),
        "base_display_symbol": product.base.id,
        "quote_display_symbol": "USD" if product.alias else product.quote.id,
        "price_increment": trim_amount(product.price_increment),
        "display_name": product.id,
        "product_venue": "CBE",
        "approximate_quote_24h_volume": trim_amount(multiply(volume, price)),
        "new_at": "2023-01-01T00:00:00Z",
        "market_cap": "",
        "icon_color": "",
        "icon_url": "",
        "display_name_overwrite": "",
        "is_alpha_testing": False,
        "about_description": "",
        "future_product_details": None,
    }


def _list_products(call: Call) -> dict[str, Any]:
    wanted = call.texts("product_ids")
    products = [one for one in call.exchange.listing.products.values() if not wanted or one.id in wanted]
    if call.text("product_type") not in ("", "UNKNOWN_PRODUCT_TYPE", "SPOT"):
        products = []
    offset, limit = call.whole("offset") or 0, call.whole("limit")
    shown = products[offset:] if not limit else products[offset : offset + limit]
    asks = call.text("get_tradability_status") == "true" and not call.is_public
    rows = [product_row(call.exchange, product, with_tradability=asks) for product in shown]
    count: int | str = str(len(rows)) if call.exchange.settings.is_product_count_text else len(rows)
    return {"products": rows, "num_products": count, "pagination": None}


def _product(call: Call, product_id: str) -> Product:
    product = call.exchange.listing.products.get(product_id)
    if product is None:
        raise call.missing("valid product_id is required") if product_id else invalid_argument("product_id is required")
    return product


def _get_product(call: Call) -> dict[str, Any]:
    asks = call.text("get_tradability_status") == "true" and not call.is_public
    return product_row(call.exchange, _product(call, call.id), with_tradability=asks)


def _book(exchange: CoinbaseExchange, product: Product, depth: int) -> dict[str, Any]:
    book = exchange.engine.books[exchange.listing.data_of(product).code]
    sides = {
        name: [{"price": trim_amount(price), "size": trim_amount(size)} for price, size in book.levels(side, depth)]
        for name, side in (("bids", "buy"), ("asks", "sell"))
    }
    return {"product_id": product.id, **sides, "time": rfc3339(exchange.now_us())}


def _product_book(call: Call) -> dict[str, Any]:
    product = _product(call, call.text("product_id"))
    book = _book(call.exchange, product, call.whole("limit") or _DEFAULT_DEPTH)
    bid, ask = Decimal(book["bids"][0]["price"]), Decimal(book["asks"][0]["price"])
    middle = divide(add(bid, ask), Decimal(2), places=8)
    spread = subtract(ask, bid)
    return {
        "pricebook": book,
        "last": trim_amount(_market(call.exchange, product).last),
        "mid_market": trim_amount(middle),
        "spread_bps": trim_amount(divide(multiply(spread, Decimal(10_000)), middle, places=8)),
        "spread_absolute": trim_amount(spread),
    }


def _best_bid_ask(call: Call) -> dict[str, Any]:
    wanted = call.texts("product_ids")
    products = [_product(call, one) for one in wanted] if wanted else list(call.exchange.listing.products.values())
    return {"pricebooks": [_book(call.exchange, product, 1) for product in products]}


def _trade_row(product: Product, trade: PublicTrade) -> dict[str, Any]:
    return {
        "trade_id": str(trade.number),
        "product_id": product.id,
        "price": trim_amount(trade.price),
        "size": trim_amount(trade.quantity),
        "time": rfc3339(trade.at_us),
        "side": "SELL" if trade.side == "buy" else "BUY",  # The maker's.
        "bid": "",
        "ask": "",
        "exchange": "coinbase",
    }


def _market_trades(call: Call) -> dict[str, Any]:
    product = _product(call, call.id)
    market = _market(call.exchange, product)
    begins, ends = call.whole("start"), call.whole("end")
    limit = call.whole("limit")
    trades = [
        trade
        for trade in reversed(market.trades)
        if (begins is None or trade.at_us >= begins * 1_000_000) and (ends is None or trade.at_us < ends * 1_000_000)
    ]
    book = _book(call.exchange, product, 1)
    return {
        "trades": [_trade_row(product, trade) for trade in trades[: limit if limit else _DEFAULT_TRADES]],
        "best_bid": book["bids"][0]["price"],
        "best_ask": book["asks"][0]["price"],
    }


def _candles(call: Call) -> dict[str, Any]:
    product = _product(call, call.id)
    begins, ends, limit = call.whole("start"), call.whole("end"), call.whole("limit")
    span_s = GRANULARITIES.get(call.text("granularity"))
    if begins is None or ends is None or span_s is None:
        raise invalid_argument("start, end and granularity are required")
    most = call.exchange.settings.most_candles
    if limit is not None and not 0 < limit <= most:
        raise invalid_argument("limit is out of range")
    if (ends - begins) // span_s > most:
        raise invalid_argument(f"number of candles requested should be less than {most}")
    until_s = min(ends, call.exchange.now_us() // 1_000_000)
    if until_s < begins:
        return {"candles": []}
    made = with_quiet(
        _market(call.exchange, product).candles(interval_s=span_s, since_s=begins, until_s=until_s),
        interval_s=span_s,
        every=call.exchange.settings.quiet_candles,
    )
    candles = [candle for candle in reversed(made) if candle.count]  # A bucket without a trade has no row.
    return {
        "candles": [
            {
                "start": str(candle.start_s),
                "low": trim_amount(candle.low),
                "high": trim_amount(candle.high),
                "open": trim_amount(candle.open),
                "close": trim_amount(candle.close),
                "volume": trim_amount(candle.volume),
            }
            for candle in candles[: limit or most]
        ]
    }


def server_us(call: Call) -> int:
    """The venue's clock as the time pages state it: a cached answer may be a second old, a fault may garble it."""
    exchange = call.exchange
    fault = exchange.impairments.applies("server_time")
    now_us = exchange.now_us()
    if fault is not None and fault.fields["form"] in ("frozen", "backwards"):
        since_us = round((exchange.now_s() - fault.since_s) * 1_000_000)
        return now_us - since_us * (1 if fault.fields["form"] == "frozen" else 2)
    if "no-cache" in call.request.headers.get("cache-control", ""):
        return now_us
    return exchange.cached_now_us()


def _time(call: Call) -> dict[str, Any]:
    us = server_us(call)
    fault = call.exchange.impairments.applies("server_time")
    seconds, millis = us // 1_000_000, us // 1000
    if fault is not None and fault.fields["form"] == "milliseconds":
        seconds, millis = millis, us
    epochs: dict[str, int] = {"epochSeconds": seconds, "epochMillis": millis}
    is_text = call.exchange.settings.is_epoch_text
    stated = {name: str(value) if is_text else value for name, value in epochs.items()}
    return {"iso": rfc3339(us // 1_000_000 * 1_000_000), **stated}


METHODS: Final = {
    "GetProducts": _list_products,
    "GetProduct": _get_product,
    "GetProductBook": _product_book,
    "GetBestBidAsk": _best_bid_ask,
    "GetProductCandles": _candles,
    "GetMarketTrades": _market_trades,
    "GetServerTime": _time,
}
"""By name: what answers."""
