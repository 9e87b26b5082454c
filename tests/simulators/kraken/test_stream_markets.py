"""
The public channels.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/ticker, .../book,
.../trade, .../ohlc, .../instrument, https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2,
https://docs.kraken.com/api/docs/guides/spot-ws-book-v1.
"""

from __future__ import annotations

import json
import zlib
from decimal import Decimal
from typing import Any

import pytest

from holdfast.simulators.kraken.checksum import book_checksum
from tests.simulators.kraken.bench import Bench, Stream

# The book of Kraken's own example and its checksum.
ASKS = ["0.05005", "0.05010", "0.05015", "0.05020", "0.05025", "0.05030", "0.05035", "0.05040", "0.05045", "0.05050"]
BIDS = ["0.05000", "0.04995", "0.04990", "0.04980", "0.04975", "0.04970", "0.04965", "0.04960", "0.04955", "0.04950"]


def test_checksum_is_the_published_one() -> None:
    asks, bids = ([(price, "0.00000500") for price in side] for side in (ASKS, BIDS))
    assert book_checksum(asks, bids) == 974947235


def test_checksum_looks_at_ten_levels_only() -> None:
    asks, bids = ([(price, "0.00000500") for price in side] for side in (ASKS, BIDS))
    assert book_checksum([*asks, ("1.00000", "1.00000000")], bids) == 974947235


class Book:
    """A client's own book, kept as the guide says, from the text of the frames."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.sides: dict[str, dict[Decimal, tuple[str, str]]] = {"asks": {}, "bids": {}}

    def apply(self, frame: bytes) -> None:
        message = json.loads(frame, parse_float=str)
        if message["type"] == "snapshot":
            self.sides = {"asks": {}, "bids": {}}
        row = message["data"][0]
        for side, levels in self.sides.items():
            for level in row[side]:
                price, quantity = level["price"], level["qty"]
                if Decimal(quantity):
                    levels[Decimal(price)] = (price, quantity)
                else:
                    levels.pop(Decimal(price), None)
            kept = sorted(levels, reverse=side == "bids")[: self.depth]
            self.sides[side] = {price: levels[price] for price in kept}
        assert self.checksum() == row["checksum"]

    def checksum(self) -> int:
        text = "".join(
            part.replace(".", "").lstrip("0")
            for side in ("asks", "bids")
            for level in list(self.sides[side].values())[:10]
            for part in level
        )
        return zlib.crc32(text.encode())


def frames_of(stream: Stream, channel: str) -> list[bytes]:
    return [frame for frame in stream.raw if json.loads(frame).get("channel") == channel]


@pytest.mark.parametrize("depth", [10, 25])
def test_book_kept_by_the_guide_has_the_venues_checksum_at_every_step(depth: int) -> None:
    bench = Bench(are_calls_counted=False)
    stream = bench.stream()
    (answer,) = stream.ask("subscribe", channel="book", symbol=["BTC/USD"], depth=depth)
    assert answer["result"] == {"channel": "book", "depth": depth, "snapshot": True, "symbol": "BTC/USD"}
    mine = bench.limit("buy", "0.01", "39999.9")
    bench.market("buy", "0.2")
    bench.market("sell", "0.15")
    bench.call("AmendOrder", txid=bench.limit("buy", "0.01", "39980"), order_qty="0.02")
    bench.envelope("CancelOrder", txid=mine)
    bench.pass_time(5)
    bench.happen("market_price", pair="BTC-USD", price="40100")
    bench.happen("market_price", pair="BTC-USD", price="39900")
    frames = frames_of(stream, "book")
    assert len(frames) > 6
    book = Book(depth)
    for frame in frames:
        book.apply(frame)
    best = bench.look("Depth", "pair=XBTUSD&count=1")["XXBTZUSD"]
    assert next(iter(book.sides["asks"])) == Decimal(best["asks"][0][0])
    assert next(iter(book.sides["bids"])) == Decimal(best["bids"][0][0])


def test_each_symbol_is_acknowledged_by_itself() -> None:
    stream = Bench().stream()
    answers = stream.ask("subscribe", channel="ticker", symbol=["BTC/USD", "XBT/USD", "ETH/USD"])
    assert [answer["success"] for answer in answers] == [True, False, True]
    assert answers[1]["error"] == "Currency pair not supported XBT/USD"
    assert answers[1]["symbol"] == "XBT/USD"
    assert {row["symbol"] for row in stream.rows("ticker", "snapshot")} == {"BTC/USD", "ETH/USD"}


def test_ticker_updates_on_trades() -> None:
    bench = Bench()
    stream = bench.stream()
    stream.ask("subscribe", channel="ticker", symbol=["BTC/USD"])
    (row,) = stream.rows("ticker", "snapshot")
    assert set(row) == {
        *("symbol", "bid", "bid_qty", "ask", "ask_qty", "last", "volume", "vwap", "low", "high", "change"),
        "change_pct",
    }
    bench.limit("buy", "0.01", "39999.9")
    assert stream.rows("ticker") == []
    bench.happen("market_price", pair="BTC-USD", price="40200")
    assert stream.rows("ticker")[-1]["last"] == Decimal("40200.0")


def test_ticker_can_update_on_the_best_prices() -> None:
    bench = Bench()
    stream = bench.stream()
    stream.ask("subscribe", channel="ticker", symbol=["BTC/USD"], event_trigger="bbo")
    bench.limit("buy", "0.01", "39999.9")
    assert stream.rows("ticker")[-1]["bid"] == Decimal("39999.9")


def test_trades_come_without_a_snapshot_unless_asked_for() -> None:
    bench = Bench()
    stream, other = bench.stream(), bench.stream()
    stream.ask("subscribe", channel="trade", symbol=["BTC/USD"])
    other.ask("subscribe", channel="trade", symbol=["BTC/USD"], snapshot=True)
    assert stream.of("trade") == []
    assert len(other.rows("trade", "snapshot")) == 50
    bench.market("buy", "0.01")
    (row,) = stream.rows("trade")
    assert (row["symbol"], row["side"], row["qty"], row["ord_type"]) == ("BTC/USD", "buy", Decimal("0.01"), "market")
    assert isinstance(row["trade_id"], int)


def test_candles_update_on_trades() -> None:
    bench = Bench()
    stream = bench.stream()
    (answer,) = stream.ask("subscribe", channel="ohlc", symbol=["BTC/USD"], interval=5)
    assert answer["result"]["interval"] == 5
    bench.pass_time(1)
    bench.happen("market_price", pair="BTC-USD", price="40400")
    row = stream.rows("ohlc")[-1]
    assert (row["interval"], row["interval_begin"]) == (5, "2026-09-21T14:10:00.000000Z")
    assert set(row) == {
        *("symbol", "open", "high", "low", "close", "trades", "volume", "vwap", "interval_begin", "interval"),
        "timestamp",
    }


def test_instruments_are_one_object_and_change_with_a_pairs_status() -> None:
    bench = Bench()
    stream = bench.stream()
    (answer,) = stream.ask("subscribe", channel="instrument")
    assert answer["success"]
    (frame,) = stream.of("instrument")
    data: Any = frame["data"]
    assert set(data) == {"assets", "pairs"}
    pair = next(pair for pair in data["pairs"] if pair["symbol"] == "BTC/USD")
    assert (pair["base"], pair["quote"], pair["status"]) == ("BTC", "USD", "online")
    assert (pair["qty_min"], pair["price_increment"], pair["cost_min"]) == (
        *(Decimal("0.00005"), Decimal("0.1")),
        Decimal("0.5"),
    )
    bench.happen("pair_status", pair="BTC-USD", status="post_only")
    change = stream.of("instrument", "update")[-1]["data"]
    assert [(pair["symbol"], pair["status"]) for pair in change["pairs"]] == [("BTC/USD", "post_only")]


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"channel": "book", "symbol": ["BTC/USD"], "depth": 7}, "Subscription depth not supported"),
        ({"channel": "ohlc", "symbol": ["BTC/USD"], "interval": 7}, "Subscription ohlc interval not supported"),
        ({"channel": "book"}, "Pair field must be an array"),
        ({"channel": "book", "symbol": "BTC/USD"}, "Pair field must be an array"),
        ({"channel": "gossip"}, "Subscription channel is not supported"),
    ],
)
def test_malformed_subscriptions_are_refused(params: dict[str, Any], error: str) -> None:
    (answer,) = Bench().stream().ask("subscribe", **params)
    assert (answer["success"], answer["error"]) == (False, error)


def test_unsubscribing_ends_one_symbol() -> None:
    bench = Bench()
    stream = bench.stream()
    stream.ask("subscribe", channel="trade", symbol=["BTC/USD", "ETH/USD"])
    answers = stream.ask("unsubscribe", channel="trade", symbol=["BTC/USD", "SOL/USD"])
    assert [answer["success"] for answer in answers] == [True, False]
    bench.happen("market_price", pair="BTC-USD", price="40100")
    bench.happen("market_price", pair="ETH-USD", price="2510")
    assert [row["symbol"] for row in stream.rows("trade")] == ["ETH/USD"]
