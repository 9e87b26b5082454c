"""
The public channels: tickers, trades, books, instruments, status; and candles, which live on the business address.

Sources (checked 2026-11-20): https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-tickers-channel,
...-ws-trades-channel, ...-ws-order-book-channel, ...-ws-candlesticks-channel,
https://www.okx.com/docs-v5/en/#public-data-websocket-instruments-channel, https://www.okx.com/docs-v5/en/#status-ws-status-channel.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

from holdfast.simulators.core.markets import PublicTrade
from holdfast.simulators.okx.exchange import OkxExchange, Outage
from holdfast.simulators.okx.feeds import Feed
from holdfast.simulators.okx.listing import Instrument
from holdfast.simulators.okx.render import ms
from holdfast.simulators.okx.rest_public import BARS, book_levels, candle_row, instrument_row, ticker_row, trade_row
from holdfast.simulators.okx.stream import StreamSurface

__all__ = ["BOOKS", "MarketChannels", "book_checksum"]

BOOKS: Final = {"books": 400, "books5": 5, "bbo-tbt": 1}
"""Book channels and how deep they are; the first sends what changed, the others send all of it."""

_CHECKED_LEVELS: Final = 25

Levels = list[list[str]]


def book_checksum(bids: Levels, asks: Levels) -> int:
    """
    The checksum of a book: CRC32 over the best 25 levels, bid and ask in turn, as a signed number of 32 bits.

    Source: https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel (checked 2026-11-20).
    """
    parts = []
    for index in range(_CHECKED_LEVELS):
        for side in (bids, asks):
            if index < len(side):
                parts += side[index][:2]
    value = zlib.crc32(":".join(parts).encode())
    return value - (1 << 32) if value >= 1 << 31 else value


class MarketChannels:
    """What public subscriptions are told."""

    def __init__(self, exchange: OkxExchange, surface: StreamSurface) -> None:
        self._exchange = exchange
        self._surface = surface
        exchange.trade_listeners.append(self.traded)
        exchange.book_listeners.append(self.book_changed)
        exchange.instrument_listeners.append(self.instrument_changed)
        exchange.outage_listeners.append(self.outage_announced)

    def begin(self, feed: Feed) -> None:
        """Send what a new subscription starts with."""
        exchange = self._exchange
        if feed.channel == "instruments":
            rows = [instrument_row(exchange, one) for one in exchange.listing.instruments.values()]
            feed.push(rows if feed.arg.get("instType") == "SPOT" else [], is_update=False)
            return
        if feed.channel == "status":
            for outage in exchange.outages:
                self._push_outage(feed, outage)
            return
        instrument = exchange.listing.instruments[str(feed.arg["instId"])]
        if feed.channel == "tickers":
            feed.push([ticker_row(exchange, instrument)], is_update=False)
        elif feed.channel in BOOKS:
            self._push_book(feed, instrument, is_first=True)
        elif feed.channel.startswith("candle"):
            feed.push([self._candle(feed, instrument)], is_update=False)

    def traded(self, line: Instrument, trade: PublicTrade) -> None:
        """Push a public trade, and the ticker and candles it changes."""
        if not self._surface.sessions or line.line != line.id:
            return
        for channel in ("trades", "trades-all"):
            for feed in self._of(channel, line):
                feed.push([{**trade_row(line, trade), "count": "1"}], is_update=True)
        for feed in self._of("tickers", line):
            feed.push([ticker_row(self._exchange, line)], is_update=True)
        for session in self._surface.sessions:
            for feed in list(session.feeds.values()):
                if feed.channel.startswith("candle") and feed.arg.get("instId") == line.id:
                    feed.push([self._candle(feed, line)], is_update=True)

    def book_changed(self, line: Instrument) -> None:
        """Push the books that differ from what they last showed."""
        if not self._surface.sessions or line.line != line.id:
            return
        for channel in BOOKS:
            for feed in self._of(channel, line):
                self._push_book(feed, line, is_first=False)

    def instrument_changed(self, instrument: Instrument) -> None:
        """Push an instrument whose state changed."""
        for feed in self._surface.feeds("instruments"):
            if feed.arg.get("instType") == "SPOT":
                feed.push([instrument_row(self._exchange, instrument)], is_update=True)

    def outage_announced(self, outage: Outage) -> None:
        """Push an announced maintenance."""
        for feed in self._surface.feeds("status"):
            self._push_outage(feed, outage)

    def _push_outage(self, feed: Feed, outage: Outage) -> None:
        now_us = self._exchange.now_us()
        feed.push([{**outage.stated(now_us), "ts": ms(now_us)}], is_update=True)

    def _of(self, channel: str, line: Instrument) -> list[Feed]:
        return [feed for feed in self._surface.feeds(channel) if feed.arg.get("instId") == line.id]

    def _candle(self, feed: Feed, instrument: Instrument) -> list[str]:
        interval_s, offset_s = BARS[feed.channel.removeprefix("candle")]
        now_s = self._exchange.now_us() // 1_000_000
        since_s = (now_s - offset_s) // interval_s * interval_s + offset_s
        market = self._exchange.engine.markets[instrument.line]
        (candle,) = market.candles(interval_s=interval_s, since_s=since_s, until_s=now_s, offset_s=offset_s)[-1:]
        return candle_row(instrument, candle, ends_s=candle.start_s + interval_s, now_s=now_s)

    def _push_book(self, feed: Feed, instrument: Instrument, *, is_first: bool) -> None:
        depth = BOOKS[feed.channel]
        asks = book_levels(self._exchange, instrument, "sell", depth)
        bids = book_levels(self._exchange, instrument, "buy", depth)
        shown = feed.memory.get("book")
        if shown == (asks, bids):
            return
        feed.memory["book"] = (asks, bids)
        previous = feed.memory.get("number", -1)
        number = feed.memory["number"] = 1 if previous < 0 else previous + 1
        row: dict[str, Any] = {"asks": asks, "bids": bids, "ts": ms(self._exchange.now_us())}
        if feed.channel != "books":
            feed.push([{**row, "instId": instrument.id, "seqId": number}], is_update=not is_first)
            return
        row |= {"checksum": book_checksum(bids, asks), "seqId": number, "prevSeqId": previous}
        if is_first or shown is None:
            feed.push([row], is_update=False, action="snapshot")
            return
        row |= {"asks": _changes(shown[0], asks), "bids": _changes(shown[1], bids)}
        feed.push([row], is_update=True, action="update")


def _changes(before: Levels, after: Levels) -> Levels:
    """New and changed levels, and those that are gone with a quantity of zero."""
    old, new = ({level[0]: level for level in levels} for levels in (before, after))
    gone = [[price, "0", "0", "0"] for price in old if price not in new]
    return gone + [level for price, level in new.items() if old.get(price) != level]
