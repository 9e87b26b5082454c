"""
The public channels: ``ticker``, ``book``, ``trade``, ``ohlc`` and ``instrument``.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/ticker, .../book,
.../trade, .../ohlc, .../instrument, https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import exact, subtract
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.markets import Candle, PublicTrade
from holdfast.simulators.kraken.checksum import book_checksum
from holdfast.simulators.kraken.exchange import KrakenExchange
from holdfast.simulators.kraken.feeds import Feed
from holdfast.simulators.kraken.listing import ListedPair
from holdfast.simulators.kraken.render import number_writer, places, rfc3339
from holdfast.simulators.kraken.rest_public import day_figures
from holdfast.simulators.kraken.stream import StreamSurface

__all__ = ["BOOK_DEPTHS", "MarketChannels"]

BOOK_DEPTHS: Final = (10, 25, 100, 500, 1000)

_Levels = dict[str, str]


class MarketChannels:
    """What the subscriptions of public channels are told."""

    def __init__(self, exchange: KrakenExchange, surface: StreamSurface) -> None:
        self._exchange = exchange
        self._surface = surface
        self._number = number_writer(exchange.settings.numbers)
        exchange.trade_listeners.append(self.traded)
        exchange.book_listeners.append(self.book_changed)
        exchange.instrument_listeners.append(self.instrument_changed)

    def snapshot(self, feed: Feed, pair: ListedPair | None) -> Any:
        """The first message's data of a subscription."""
        if feed.channel == "instrument" or pair is None:
            return self._instruments()
        if feed.channel == "ticker":
            return [self._ticker(pair)]
        if feed.channel == "book":
            return [self._book(feed, pair)]
        if feed.channel == "trade":
            trades = list(self._exchange.engine.markets[pair.code].trades)[-50:]
            return [self._trade(pair, trade) for trade in trades]
        interval_s = feed.options["interval"] * 60
        now_s = self._exchange.now_us() // 1_000_000
        candles = self._exchange.engine.markets[pair.code].candles(
            interval_s=interval_s, since_s=now_s - 10 * interval_s, until_s=now_s
        )
        return [self._candle(pair, candle, feed.options["interval"]) for candle in candles]

    # What happens

    def traded(self, pair: ListedPair, trade: PublicTrade) -> None:
        """Push a public trade, and the ticker and candle it changes."""
        if not self._surface.sessions:
            return
        for feed in self._surface.public_feeds("trade", pair.symbol):
            feed.push("update", [self._trade(pair, trade)])
        for feed in self._surface.public_feeds("ticker", pair.symbol):
            feed.push("update", [self._ticker(pair)])
        for feed in self._surface.public_feeds("ohlc", pair.symbol):
            interval_s = feed.options["interval"] * 60
            now_s = self._exchange.now_us() // 1_000_000
            candle = self._exchange.engine.markets[pair.code].candles(
                interval_s=interval_s, since_s=now_s - now_s % interval_s, until_s=now_s
            )[-1]
            feed.push("update", [self._candle(pair, candle, feed.options["interval"])])

    def book_changed(self, pair: ListedPair) -> None:
        """Push what differs from the book that each subscription was last shown."""
        if not self._surface.sessions:
            return
        for feed in self._surface.public_feeds("book", pair.symbol):
            changes = self._book_changes(feed, pair)
            if changes is not None:
                feed.push("update", [changes])
        for feed in self._surface.public_feeds("ticker", pair.symbol):
            if feed.options.get("event_trigger") == "bbo":
                row = self._ticker(pair)
                best = (row["bid"], row["ask"])
                if feed.options.get("shown") != best:
                    feed.options["shown"] = best
                    feed.push("update", [row])

    def instrument_changed(self, pair: ListedPair) -> None:
        """Push a pair whose status changed."""
        for session in self._surface.sessions:
            for feed in session.feeds.values():
                if feed.channel == "instrument":
                    feed.push("update", {"assets": [], "pairs": [self._pair(pair)]})

    # Rows

    def _ticker(self, pair: ListedPair) -> dict[str, Any]:
        market = self._exchange.engine.markets[pair.code]
        book = self._exchange.engine.books[pair.code]
        bid, ask = book.best("buy"), book.best("sell")
        day = day_figures(self._exchange, market, hours=24)
        change = subtract(market.last, day.open)
        with exact():
            percent = divide(change * 100, day.open, places=2)
        number = self._number
        zero = Decimal(0)
        return {
            "symbol": pair.symbol,
            "bid": number(bid.price if bid else zero),
            "bid_qty": number(bid.quantity if bid else zero),
            "ask": number(ask.price if ask else zero),
            "ask_qty": number(ask.quantity if ask else zero),
            "last": number(market.last),
            "volume": number(day.volume),
            "vwap": number(day.vwap),
            "low": number(day.low),
            "high": number(day.high),
            "change": number(change),
            "change_pct": number(percent),
        }

    def _trade(self, pair: ListedPair, trade: PublicTrade) -> dict[str, Any]:
        return {
            "symbol": pair.symbol,
            "side": trade.side,
            "qty": self._number(trade.quantity),
            "price": self._number(trade.price),
            "ord_type": trade.kind,
            "trade_id": trade.number,
            "timestamp": rfc3339(trade.at_us),
        }

    def _candle(self, pair: ListedPair, candle: Candle, interval: int) -> dict[str, Any]:
        number = self._number
        return {
            "symbol": pair.symbol,
            "open": number(candle.open),
            "high": number(candle.high),
            "low": number(candle.low),
            "close": number(candle.close),
            "trades": candle.count,
            "volume": number(candle.volume),
            "vwap": number(candle.vwap),
            "interval_begin": rfc3339(candle.start_s * 1_000_000),
            "interval": interval,
            "timestamp": rfc3339((candle.start_s + interval * 60) * 1_000_000),
        }

    def _levels(self, feed: Feed, pair: ListedPair) -> tuple[_Levels, _Levels]:
        book = self._exchange.engine.books[pair.code]
        asks, bids = (
            {
                places(price, pair.price_decimals): places(quantity, pair.lot_decimals)
                for price, quantity in book.levels(side, feed.options["depth"])
            }
            for side in ("sell", "buy")
        )
        return asks, bids

    def _book(self, feed: Feed, pair: ListedPair) -> dict[str, Any]:
        asks, bids = feed.options["book"] = self._levels(feed, pair)
        return {
            "symbol": pair.symbol,
            "bids": _written(bids),
            "asks": _written(asks),
            "checksum": book_checksum(list(asks.items()), list(bids.items())),
            "timestamp": rfc3339(self._exchange.now_us()),
        }

    def _book_changes(self, feed: Feed, pair: ListedPair) -> dict[str, Any] | None:
        shown_asks, shown_bids = feed.options["book"]
        asks, bids = feed.options["book"] = self._levels(feed, pair)
        depth = feed.options["depth"]
        ask_changes = _changes(shown_asks, asks, depth=depth, is_bid=False)
        bid_changes = _changes(shown_bids, bids, depth=depth, is_bid=True)
        if not ask_changes and not bid_changes:
            return None
        return {
            "symbol": pair.symbol,
            "bids": _written(bid_changes),
            "asks": _written(ask_changes),
            "checksum": book_checksum(list(asks.items()), list(bids.items())),
            "timestamp": rfc3339(self._exchange.now_us()),
        }

    def _instruments(self) -> dict[str, Any]:
        listing = self._exchange.listing
        assets = [
            {
                "id": asset.code,
                "status": "enabled",
                "precision": asset.decimals,
                "precision_display": asset.display_decimals,
                "borrowable": asset.collateral is not None,
                "collateral_value": self._number(Decimal(asset.collateral or 0)),
                "margin_rate": self._number(Decimal("0.02" if asset.collateral else "0")),
            }
            for asset in listing.main.values()
        ]
        return {"assets": assets, "pairs": [self._pair(pair) for pair in listing.pairs.values()]}

    def _pair(self, pair: ListedPair) -> dict[str, Any]:
        row: dict[str, Any] = {
            "symbol": pair.symbol,
            "base": pair.base.code,
            "quote": pair.quote.code,
            "status": self._exchange.status_of(pair),
            "qty_precision": pair.lot_decimals,
            "qty_increment": self._number(Decimal(f"1e-{pair.lot_decimals}")),
            "price_precision": pair.price_decimals,
            "cost_precision": pair.cost_decimals,
            "marginable": bool(pair.leverage),
            "has_index": True,
            "cost_min": self._number(pair.cost_min),
            "tick_size": self._number(pair.tick),
            "price_increment": self._number(pair.tick),
            "qty_min": self._number(pair.order_min),
        }
        if pair.leverage:
            row |= {
                "margin_initial": self._number(Decimal("0.2")),
                "position_limit_long": 100,
                "position_limit_short": 80,
            }
        return row


def _written(levels: _Levels) -> list[dict[str, msgspec.Raw]]:
    # Full precision: the checksum is over these very digits.
    return [
        {"price": msgspec.Raw(price.encode()), "qty": msgspec.Raw(quantity.encode())}
        for price, quantity in levels.items()
    ]


def _changes(before: _Levels, after: _Levels, *, depth: int, is_bid: bool) -> _Levels:
    """What to tell a client that keeps its own book: new and changed levels, and gone ones with zero."""
    worst = Decimal(next(reversed(after))) if len(after) == depth else None
    changes = {}
    for price in before:
        # A level that was only pushed out of the subscribed depth is the client's to drop.
        is_out = worst is not None and (Decimal(price) < worst if is_bid else Decimal(price) > worst)
        if price not in after and not is_out:
            changes[price] = "0.00000000"
    changes |= {price: quantity for price, quantity in after.items() if before.get(price) != quantity}
    return changes
