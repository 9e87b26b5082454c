"""Public channels: what they start with, and what they say when something happens."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.simulators.okx.market_channels import book_checksum
from tests.simulators.okx.bench import Bench, Stream


def subscribed(bench: Bench, channel: str, kind: str = "public", **arg: Any) -> Stream:
    stream = bench.stream(kind)
    assert stream.subscribe(channel, **{"instId": "BTC-USDT", **arg})["event"] == "subscribe"
    return stream


def test_ticker_comes_at_once_and_with_every_trade() -> None:
    bench = Bench()
    stream = subscribed(bench, "tickers")
    assert stream.rows("tickers") == bench.look("market/ticker", "instId=BTC-USDT")
    bench.happen("market_price", pair="BTC-USDT", price="41000")
    assert stream.rows("tickers")[-1]["last"] == "41000"


def test_trades_are_told_as_they_happen() -> None:
    bench = Bench()
    stream, business = subscribed(bench, "trades"), subscribed(bench, "trades-all", "business")
    assert stream.rows("trades") == []
    bench.market("sell", "0.01")
    (row,) = stream.rows("trades")
    assert (row["side"], row["sz"], row["instId"]) == ("sell", "0.01", "BTC-USDT")
    assert business.rows("trades-all") == [row]


def test_candle_of_the_moment_follows_the_price() -> None:
    bench = Bench()
    stream = subscribed(bench, "candle1m", "business")
    bench.happen("market_price", pair="BTC-USDT", price="41000")
    rows: list[Any] = list(stream.rows("candle1m"))
    assert rows[-1][4] == "41000"
    assert rows[-1] == bench.look("market/candles", "instId=BTC-USDT&bar=1m&limit=1")[0]


@pytest.mark.parametrize(("channel", "depth"), [("books5", 5), ("bbo-tbt", 1)])
def test_short_books_are_always_whole(channel: str, depth: int) -> None:
    bench = Bench()
    stream = subscribed(bench, channel)
    bench.happen("market_price", pair="BTC-USDT", price="41000")
    for row in stream.rows(channel):
        assert len(row["asks"]) == len(row["bids"]) == depth
    assert stream.rows(channel)[-1]["asks"] == bench.look("market/books", f"instId=BTC-USDT&sz={depth}")[0]["asks"]


def test_deep_book_is_kept_current_by_changes_and_its_checksum_agrees() -> None:
    bench = Bench()
    stream = subscribed(bench, "books")
    bench.limit(px="39990", sz="0.01")
    bench.market("buy", "0.05")
    bench.happen("market_price", pair="BTC-USDT", price="40100")
    first, *updates = stream.of("books")
    assert (first["action"], {update["action"] for update in updates}) == ("snapshot", {"update"})
    kept: dict[str, dict[str, list[str]]] = {"asks": {}, "bids": {}}
    previous = -1
    for frame in stream.of("books"):
        (data,) = frame["data"]
        assert data["prevSeqId"] == previous
        previous = data["seqId"]
        for side, levels in kept.items():
            for level in data[side]:
                levels[level[0]] = level
                if level[1] == "0":
                    del levels[level[0]]
        asks, bids = (
            sorted(kept[side].values(), key=lambda level: float(level[0]), reverse=side == "bids")
            for side in ("asks", "bids")
        )
        assert book_checksum(bids, asks) == data["checksum"]


def test_checksum_is_the_documented_one() -> None:
    # The page's own example (https://www.okx.com/docs-v5/en/, merge of incremental books, checked 2026-11-20) names the
    # text "3366.1:7:3366.8:9:3366:6:3368:8"; its CRC32 as a signed number follows from that.
    bids = [["3366.1", "7", "0", "3"], ["3366", "6", "3", "4"]]
    asks = [["3366.8", "9", "10", "3"], ["3368", "8", "3", "4"]]
    assert book_checksum(bids, asks) == -1881014294


def test_unknown_instrument_is_refused() -> None:
    assert Bench().stream("public").subscribe("tickers", instId="X-Y")["code"] == "60018"
    assert Bench().stream("public").subscribe("instruments")["code"] == "60013"
