"""Unsigned endpoints: time, status, instruments, prices, candles that fit together."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from holdfast.simulators.okx.rest_public import BARS
from tests.simulators.okx.bench import Bench

# From the documented sample of GET account/instruments and what spot rows have beside it (checked 2026-11-20).
INSTRUMENT_FIELDS = set(
    re.findall(
        r"\w+",
        """
    instType instId baseCcy quoteCcy tickSz lotSz minSz maxLmtSz maxMktSz maxLmtAmt maxMktAmt state tradeQuoteCcyList
    groupId listTime contTdSwTime openType expTime instIdCode instCategory ruleType upcChg auctionEndTime elp
    maxIcebergSz maxStopSz maxTriggerSz maxTwapSz futureSettlement
        """,
    )
)


def test_time_is_the_venues_and_skew_moves_it() -> None:
    bench = Bench()
    assert bench.look("public/time") == [{"ts": str(bench.sim.now_us() // 1000)}]
    before = int(bench.look("public/time")[0]["ts"])
    bench.impair("clock_skew", by_s=31)
    assert int(bench.look("public/time")[0]["ts"]) == before + 31_000
    bench.happen("clock", by_s=-5)
    assert int(bench.look("public/time")[0]["ts"]) == before - 5_000


@pytest.mark.parametrize(("form", "ahead_ms"), [("frozen", 0), ("backwards", -3000)])
def test_time_may_stand_or_run_backwards(form: str, ahead_ms: int) -> None:
    bench = Bench()
    before = int(bench.look("public/time")[0]["ts"])
    bench.impair("server_time", form=form)
    bench.pass_time(3)
    assert int(bench.look("public/time")[0]["ts"]) == before + ahead_ms


def test_time_may_be_in_seconds() -> None:
    bench = Bench()
    bench.impair("server_time", form="seconds")
    assert bench.look("public/time") == [{"ts": "1790000000"}]


def test_announced_maintenance_is_shown_by_its_state() -> None:
    bench = Bench()
    assert bench.look("system/status") == []
    stream = bench.stream("public")
    stream.subscribe("status")
    bench.happen("maintenance", title="Upgrade", starts_in_s=60, lasts_s=30)
    assert stream.rows("status")[0]["title"] == "Upgrade"
    states = []
    for _ in range(3):
        bench.pass_time(40)
        states.append([row["state"] for row in bench.look("system/status")])
    assert states == [["scheduled"], ["ongoing"], []]
    bench.pass_time(5)
    assert bench.look("system/status", "state=completed")[0]["serviceType"] == "5"


def test_instruments_have_every_documented_field() -> None:
    rows = Bench().look("public/instruments", "instType=SPOT")
    for row in rows:
        assert set(row) >= INSTRUMENT_FIELDS
        assert row["instId"] == f"{row['baseCcy']}-{row['quoteCcy']}"
        assert row["tradeQuoteCcyList"][0] == row["quoteCcy"]
    by_id = {row["instId"]: row for row in rows}
    assert by_id["BTC-USD"]["tradeQuoteCcyList"] == ["USD", "USDC"]
    assert "BTC-USDC" not in by_id


def test_account_sees_the_same_instruments_and_other_types_are_none() -> None:
    bench = Bench()
    public = bench.look("public/instruments", "instType=SPOT")
    assert bench.get("account/instruments", instType="SPOT") == public
    assert bench.look("public/instruments", "instType=SWAP") == []
    assert bench.look("public/instruments", "instType=SPOT&instId=BTC-USDT") == [public[0]]
    assert bench.refusal("GET", "public/instruments")[1] == "50014"
    assert bench.refusal("GET", "public/instruments", {"instType": "SPICE"})[1] == "51000"
    assert bench.refusal("GET", "public/instruments", {"instType": "SPOT", "instId": "X-Y"})[1] == "51001"


def test_state_of_an_instrument_is_stated_and_pushed() -> None:
    bench = Bench()
    stream = bench.stream("public")
    stream.subscribe("instruments", instType="SPOT")
    assert len(stream.rows("instruments")) == len(bench.look("public/instruments", "instType=SPOT"))
    stream.clear()
    bench.happen("instrument_state", pair="SOL-USDT", state="suspend")
    (row,) = stream.rows("instruments")
    assert (row["instId"], row["state"]) == ("SOL-USDT", "suspend")
    assert bench.look("public/instruments", "instType=SPOT&instId=SOL-USDT") == [row]


def test_ticker_book_trades_and_candles_tell_of_one_market() -> None:
    bench = Bench()
    bench.market()
    (fill,) = bench.get("trade/fills")
    (ticker,) = bench.look("market/ticker", "instId=BTC-USDT")
    assert ticker["last"] == fill["fillPx"]
    assert Decimal(ticker["low24h"]) <= Decimal(ticker["last"]) <= Decimal(ticker["high24h"])
    (book,) = bench.look("market/books", "instId=BTC-USDT&sz=5")
    assert (book["bids"][0][0], book["asks"][0][0]) == (ticker["bidPx"], ticker["askPx"])
    assert len(book["bids"]) == len(book["asks"]) == 5
    (trade, *_) = bench.look("market/trades", "instId=BTC-USDT&limit=1")
    assert (trade["tradeId"], trade["px"]) == (fill["tradeId"], fill["fillPx"])
    older = bench.look("market/history-trades", f"instId=BTC-USDT&after={trade['tradeId']}&limit=2")
    assert [int(row["tradeId"]) for row in older] == [int(trade["tradeId"]) - 1, int(trade["tradeId"]) - 2]
    assert len(bench.look("market/tickers", "instType=SPOT")) == 16
    assert bench.look("market/tickers", "instType=SWAP") == []


@pytest.mark.parametrize("bar", BARS)
def test_candles_come_newest_first_on_their_grid(bar: str) -> None:
    bench = Bench()
    rows = bench.look("market/history-candles", f"instId=BTC-USDT&bar={bar}&limit=5")
    interval_s, offset_s = BARS[bar]
    starts = [int(row[0]) // 1000 for row in rows]
    assert starts == sorted(starts, reverse=True)
    assert {(start - offset_s) % interval_s for start in starts} == {0}
    assert [row[8] for row in rows] == ["0"] + ["1"] * (len(rows) - 1)
    for _, opened, high, low, closed, *_ in rows:
        assert Decimal(low) <= min(Decimal(opened), Decimal(closed))
        assert max(Decimal(opened), Decimal(closed)) <= Decimal(high)


def test_day_begins_in_hong_kong_unless_it_is_asked_for_in_utc() -> None:
    bench = Bench()
    hour_ms = 3_600_000
    (day,) = bench.look("market/candles", "instId=BTC-USDT&bar=1D&limit=1")
    (utc,) = bench.look("market/candles", "instId=BTC-USDT&bar=1Dutc&limit=1")
    assert int(day[0]) % (24 * hour_ms) == 16 * hour_ms
    assert int(utc[0]) % (24 * hour_ms) == 0


def test_candles_are_read_in_pages_without_gap_or_overlap() -> None:
    bench = Bench()
    newest = bench.look("market/candles", "instId=BTC-USDT&bar=1H&limit=4")
    first, second = newest[:2], bench.look("market/candles", f"instId=BTC-USDT&bar=1H&limit=2&after={newest[1][0]}")
    assert first + second == newest
    assert bench.look("market/candles", f"instId=BTC-USDT&bar=1H&before={newest[1][0]}") == newest[:1]
    assert bench.refusal("GET", "market/candles", {"instId": "BTC-USDT", "bar": "7m"})[1] == "51000"


@pytest.mark.parametrize("path", ["market/ticker", "market/books", "market/trades", "market/candles"])
def test_unknown_instrument_is_refused_by_name(path: str) -> None:
    assert Bench().refusal("GET", path, {"instId": "X-Y"})[1] == "51001"
    assert Bench().refusal("GET", path)[1] == "50014"
