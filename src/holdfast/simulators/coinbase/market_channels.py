"""
Market data over the stream: ``ticker``, ``ticker_batch``, ``level2``, ``market_trades``, ``candles`` and ``status``.

A subscription to a product that shares its book (``BTC-USDC``) is told of the product it shares it with, under that
product's name. Source (checked 2026-11-20):
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import ZERO, exact, trim_amount
from holdfast.simulators.coinbase.exchange import CoinbaseExchange
from holdfast.simulators.coinbase.listing import Product
from holdfast.simulators.coinbase.render import rfc3339
from holdfast.simulators.coinbase.stream import StreamSurface, Subscription
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.markets import PublicTrade

__all__ = ["MarketChannels"]

_CANDLE_S: Final = 300
_SNAPSHOT_CANDLES: Final = 100
_SNAPSHOT_TRADES: Final = 50
_DAY_US: Final = 86_400_000_000
_BATCHES: Final = {"ticker_batch": 5.0, "market_trades": 0.25, "candles": 1.0}
"""Seconds between messages of the channels that collect."""

_Levels = dict[tuple[str, Decimal], Decimal]


class MarketChannels:
    """Tells of markets."""

    def __init__(self, exchange: CoinbaseExchange, surface: StreamSurface) -> None:
        self._exchange = exchange
        self._surface = surface
        self._books: dict[tuple[Subscription, str], _Levels] = {}
        self._waiting: dict[tuple[Subscription, str], list[PublicTrade]] = {}
        for channel in ("ticker", "ticker_batch", "level2", "market_trades", "candles", "status"):
            surface.channels[channel] = self
        exchange.trade_listeners.append(self._traded)
        exchange.book_listeners.append(self._book_changed)
        exchange.product_listeners.append(self._product_changed)

    def opened(self, subscription: Subscription) -> None:
        """Tell a new subscription how things stand."""
        if subscription.channel == "status":
            rows = [self._status_row(product) for product in self._products(subscription)]
            subscription.push("snapshot", {"type": "snapshot", "products": rows})
            return
        for product in self._data(subscription):
            self._snapshot(subscription, product)

    def closed(self, subscription: Subscription) -> None:
        """Forget what was kept for it."""
        for key in [key for key in (*self._books, *self._waiting) if key[0] is subscription]:
            self._books.pop(key, None)
            self._waiting.pop(key, None)

    def _products(self, subscription: Subscription) -> list[Product]:
        products = self._exchange.listing.products
        return [products[name] for name in (subscription.products or products)]

    def _data(self, subscription: Subscription) -> list[Product]:
        """The products whose data are told, each once. Without any named, nothing is: these channels need names."""
        listing = self._exchange.listing
        named = (listing.data_of(listing.products[name]) for name in subscription.products or ())
        return list({product.id: product for product in named}.values())

    def _listening(self, channel: str, product: Product) -> list[Subscription]:
        return [one for one in self._surface.subscriptions(channel) if product in self._data(one)]

    def _snapshot(self, subscription: Subscription, product: Product) -> None:
        channel = subscription.channel
        if channel in ("ticker", "ticker_batch"):
            self._push_ticker(subscription, product, kind="snapshot")
            if channel == "ticker_batch":
                self._later(subscription, product)
        elif channel == "level2":
            levels = self._levels(product)
            self._books[subscription, product.id] = levels
            updates = [self._level_row(side, price, size) for (side, price), size in levels.items()]
            subscription.push("snapshot", {"type": "snapshot", "product_id": product.id, "updates": updates})
        elif channel == "market_trades":
            trades = self._exchange.engine.markets[product.code].trades[: -_SNAPSHOT_TRADES - 1 : -1]
            rows = [self._trade_row(product, trade) for trade in trades]
            subscription.push("snapshot", {"type": "snapshot", "trades": rows})
        elif channel == "candles":
            self._push_candles(subscription, product, count=_SNAPSHOT_CANDLES, kind="snapshot")
            self._later(subscription, product)

    # What changes

    def _traded(self, product: Product, trade: PublicTrade) -> None:
        for subscription in self._listening("ticker", product):
            self._push_ticker(subscription, product, kind="update")
        for subscription in self._listening("market_trades", product):
            key = (subscription, product.id)
            if key not in self._waiting:
                self._waiting[key] = []
                self._exchange.timers.call_later(_BATCHES["market_trades"], self._flush_trades, subscription, product)
            self._waiting[key].append(trade)

    def _flush_trades(self, subscription: Subscription, product: Product) -> None:
        trades = self._waiting.pop((subscription, product.id), [])
        if trades:
            rows = [self._trade_row(product, trade) for trade in reversed(trades)]
            subscription.push("update", {"type": "update", "trades": rows})

    def _book_changed(self, product: Product) -> None:
        for subscription in self._listening("level2", product):
            key = (subscription, product.id)
            before, now = self._books.get(key, {}), self._levels(product)
            updates = [self._level_row(*level, ZERO) for level in before if level not in now]
            updates += [self._level_row(*level, size) for level, size in now.items() if before.get(level) != size]
            self._books[key] = now
            if updates:
                subscription.push("update", {"type": "update", "product_id": product.id, "updates": updates})

    def _product_changed(self, product: Product) -> None:
        for subscription in self._surface.subscriptions("status"):
            if subscription.covers(product.id):
                rows = [self._status_row(product)]
                subscription.push("update", {"type": "update", "products": rows})

    def _later(self, subscription: Subscription, product: Product) -> None:
        self._exchange.timers.call_later(_BATCHES[subscription.channel], self._again, subscription, product)

    def _again(self, subscription: Subscription, product: Product) -> None:
        if not subscription.is_live:
            return
        if subscription.channel == "candles":
            self._push_candles(subscription, product, count=1, kind="update")
        else:
            self._push_ticker(subscription, product, kind="update")
        self._later(subscription, product)

    # Rows

    def _push_ticker(self, subscription: Subscription, product: Product, *, kind: str) -> None:
        exchange = self._exchange
        market = exchange.engine.markets[product.code]
        now_s = exchange.now_us() // 1_000_000
        (day,) = market.candles(interval_s=86_400, since_s=now_s // 86_400 * 86_400, until_s=now_s)
        before = market.price_at(exchange.now_us() - _DAY_US)
        with exact():
            change = divide(100 * (market.last - before), before, places=8)
        row = {
            "type": "ticker",
            "product_id": product.id,
            "price": trim_amount(market.last),
            "volume_24_h": trim_amount(day.volume),
            "low_24_h": trim_amount(day.low),
            "high_24_h": trim_amount(day.high),
            "low_52_w": trim_amount(day.low),
            "high_52_w": trim_amount(day.high),
            "price_percent_chg_24_h": trim_amount(change),
        }
        if subscription.channel == "ticker":
            book = exchange.engine.books[product.code]
            for name, side in (("bid", "buy"), ("ask", "sell")):
                best = book.best(side)
                row[f"best_{name}"] = "0" if best is None else trim_amount(best.price)
                row[f"best_{name}_quantity"] = "0" if best is None else trim_amount(best.quantity)
        subscription.push(kind, {"type": kind, "tickers": [row]})

    def _push_candles(self, subscription: Subscription, product: Product, *, count: int, kind: str) -> None:
        market = self._exchange.engine.markets[product.code]
        now_s = self._exchange.now_us() // 1_000_000
        since_s = now_s // _CANDLE_S * _CANDLE_S - (count - 1) * _CANDLE_S
        rows = [
            {
                "start": str(candle.start_s),
                "high": trim_amount(candle.high),
                "low": trim_amount(candle.low),
                "open": trim_amount(candle.open),
                "close": trim_amount(candle.close),
                "volume": trim_amount(candle.volume),
                "product_id": product.id,
            }
            for candle in reversed(market.candles(interval_s=_CANDLE_S, since_s=since_s, until_s=now_s))
        ]
        subscription.push(kind, {"type": kind, "candles": rows})

    def _levels(self, product: Product) -> _Levels:
        book = self._exchange.engine.books[product.code]
        depth = self._exchange.settings.book_levels
        return {
            (name, price): size
            for name, side in (("bid", "buy"), ("offer", "sell"))
            for price, size in book.levels(side, depth)
        }

    def _level_row(self, side: str, price: Decimal, size: Decimal) -> dict[str, str]:
        return {
            "side": side,
            "event_time": rfc3339(self._exchange.now_us()),
            "price_level": trim_amount(price),
            "new_quantity": trim_amount(size),
        }

    def _trade_row(self, product: Product, trade: PublicTrade) -> dict[str, str]:
        return {
            "product_id": product.id,
            "trade_id": str(trade.number),
            "price": trim_amount(trade.price),
            "size": trim_amount(trade.quantity),
            "time": rfc3339(trade.at_us),
            "side": "SELL" if trade.side == "buy" else "BUY",  # The maker's.
        }

    def _status_row(self, product: Product) -> dict[str, Any]:
        status = self._exchange.status_of(product)
        return {
            "product_type": "SPOT",
            "id": product.id,
            "base_currency": product.base.id,
            "quote_currency": product.quote.id,
            "base_increment": trim_amount(product.base_increment),
            "quote_increment": trim_amount(product.quote_increment),
            "display_name": product.id.replace("-", "/"),
            "status": status if status in ("offline", "delisted") else "online",
            "status_message": "",
            "min_market_funds": trim_amount(product.quote_min),
        }
