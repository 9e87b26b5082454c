"""
Unsigned reads.

Sources (checked 2026-11-20): https://docs.kraken.com/api/docs/rest-api/get-tradable-asset-pairs,
https://docs.kraken.com/api/docs/rest-api/get-asset-info, https://docs.kraken.com/api/docs/rest-api/get-system-status/,
https://docs.kraken.com/exchange/guides/general/historical-data.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.kraken.bench import Bench


def test_time_has_whole_seconds_and_a_sentence() -> None:
    bench = Bench()
    result = bench.look("Time")
    assert result == {"unixtime": 1_790_000_000, "rfc1123": "Mon, 21 Sep 26 14:13:20 +0000"}
    bench.pass_time(1.7)
    assert bench.look("Time")["unixtime"] == 1_790_000_001


def test_system_status_has_its_arrays_or_not() -> None:
    assert Bench().look("SystemStatus") == {
        "status": "online",
        "timestamp": "2026-09-21T14:13:20Z",
        "upcoming_maintenance": [],
        "emergency": [],
    }
    assert set(Bench(has_maintenance_arrays=False).look("SystemStatus")) == {"status", "timestamp"}


def test_maintenance_is_announced_and_drops_out_when_it_begins() -> None:
    bench = Bench()
    bench.happen("maintenance", starts_in_s=600, lasts_s=1800, title="Engine upgrade")
    (event,) = bench.look("MaintenanceSchedule")["events"]
    assert set(event) >= {
        *("event_id", "title", "expected_start_utc", "expected_end_utc", "time_to_start_s", "phase"),
        *("affected_services", "order_submission", "recommended_action", "cancel_before_utc", "source_url"),
    }
    assert (event["phase"], event["time_to_start_s"]) == ("approaching_30m", 600)
    assert bench.look("SystemStatus")["upcoming_maintenance"] == [event]
    bench.pass_time(601)
    assert bench.look("MaintenanceSchedule")["events"] == []


def test_assets_carry_ids_altnames_and_decimals() -> None:
    assets = Bench().look("Assets")
    xbt = assets["XXBT"]
    assert (xbt["aclass"], xbt["altname"], xbt["decimals"], xbt["display_decimals"], xbt["status"]) == (
        *("currency", "XBT", 10, 5),
        "enabled",
    )
    assert assets["ZUSD"]["altname"] == "USD"
    assert assets["SOL"]["altname"] == "SOL"
    assert {"XBT.F", "DOT.S", "DOT28.S", "DOT.P", "ETH.B", "USDC.M", "XTZ", "ZRX", "KFEE"} <= set(assets)
    assert set(Bench().look("Assets", "asset=XBT,ZUSD")) == {"XXBT", "ZUSD"}
    assert Bench().public("Assets", "asset=NOPE")["error"] == ["EQuery:Unknown asset"]


def test_asset_pairs_have_the_documented_field_types() -> None:
    pair = Bench().look("AssetPairs", "pair=XBTUSD")["XXBTZUSD"]
    texts = {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "aclass_base": "currency",
        "base": "XXBT",
        "aclass_quote": "currency",
        "quote": "ZUSD",
        "execution_venue": "international",
        "lot": "unit",
        "fee_volume_currency": "ZUSD",
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    }
    assert {name: pair[name] for name in texts} == texts
    for name in ("pair_decimals", "cost_decimals", "lot_decimals", "lot_multiplier", "margin_call", "margin_stop"):
        assert isinstance(pair[name], int), name
    assert pair["fees"][0] == [0, Decimal("0.40")]
    assert pair["fees_maker"][0] == [0, Decimal("0.25")]
    assert (pair["long_position_limit"], pair["short_position_limit"]) == (100, 80)


def test_four_spellings_of_one_market_agree() -> None:
    pairs = Bench().look("AssetPairs")
    assert {pairs[key]["wsname"] for key in ("XXBTZUSD", "XETHZEUR", "SOLUSD", "XDGUSD")} == {
        *("XBT/USD", "ETH/EUR", "SOL/USD", "XDG/USD")
    }


@pytest.mark.parametrize("info", ["leverage", "fees", "margin"])
def test_asset_pairs_can_be_narrowed(info: str) -> None:
    (row,) = Bench().look("AssetPairs", f"pair=XBTUSD&info={info}").values()
    assert "altname" not in row
    assert row


def test_ticker_is_strings_but_for_the_counts() -> None:
    result = Bench().look("Ticker", "pair=XBTUSD,ETHUSD")
    assert set(result) == {"XXBTZUSD", "XETHZUSD"}
    row = result["XXBTZUSD"]
    assert set(row) == set("abcvptlho")
    assert all(isinstance(figure, str) for name in "abcvplh" for figure in row[name])
    assert all(isinstance(count, int) for count in row["t"])
    assert Decimal(row["b"][0]) < Decimal(row["a"][0])
    assert Decimal(row["l"][1]) <= Decimal(row["c"][0]) <= Decimal(row["h"][1])
    assert len(Bench().look("Ticker")) == len(Bench().look("AssetPairs"))


@pytest.mark.parametrize("interval", [1, 5, 15, 30, 60, 240, 1440, 10080, 21600])
def test_candles_are_whole_and_the_last_one_still_forms(interval: int) -> None:
    bench = Bench()
    result = bench.look("OHLC", f"pair=XBTUSD&interval={interval}")
    (key,) = result.keys() - {"last"}
    rows = result[key]
    assert key == "XXBTZUSD"
    assert len(rows) == 720
    now_s = bench.clock.wall_us() // 1_000_000
    starts = [row[0] for row in rows]
    assert starts == list(range(starts[0], starts[0] + 720 * interval * 60, interval * 60))
    assert starts[-1] <= now_s < starts[-1] + interval * 60
    assert result["last"] == starts[-2]
    for row in rows:
        opening, high, low, closing, vwap, volume = (Decimal(figure) for figure in row[1:7])
        assert low <= min(opening, closing, vwap)
        assert max(opening, closing, vwap) <= high
        assert volume > 0
        assert isinstance(row[7], int)


def test_candles_since_the_last_one_are_only_the_forming_one() -> None:
    bench = Bench()
    last = bench.look("OHLC", "pair=XBTUSD&interval=5")["last"]
    assert len(bench.look("OHLC", f"pair=XBTUSD&interval=5&since={last}")["XXBTZUSD"]) == 1
    bench.pass_time(300)
    assert len(bench.look("OHLC", f"pair=XBTUSD&interval=5&since={last}")["XXBTZUSD"]) == 2


def test_finished_candles_never_change() -> None:
    bench = Bench()
    before = bench.look("OHLC", "pair=XBTUSD&interval=60")["XXBTZUSD"][:-1]
    bench.happen("market_price", pair="BTC-USD", price="41000")
    bench.pass_time(60)
    assert bench.look("OHLC", "pair=XBTUSD&interval=60")["XXBTZUSD"][: len(before)] == before


def test_a_price_move_is_in_the_forming_candle() -> None:
    bench = Bench()
    bench.pass_time(5)
    bench.happen("market_price", pair="BTC-USD", price="41000")
    bench.pass_time(1)
    row = bench.look("OHLC", "pair=XBTUSD&interval=60")["XXBTZUSD"][-1]
    assert (row[2], row[4]) == ("41000.0", "41000.0")


def test_depth_is_sorted_and_limited() -> None:
    book = Bench().look("Depth", "pair=XBTUSD&count=7")["XXBTZUSD"]
    asks, bids = ([Decimal(level[0]) for level in book[side]] for side in ("asks", "bids"))
    assert len(asks) == len(bids) == 7
    assert asks == sorted(asks)
    assert bids == sorted(bids, reverse=True)
    assert bids[0] < asks[0]


def test_own_orders_are_in_the_public_book() -> None:
    bench = Bench()
    bench.limit("buy", "0.01", "39999.9")
    assert bench.look("Depth", "pair=XBTUSD&count=1")["XXBTZUSD"]["bids"][0][:2] == ["39999.9", "0.010"]


def test_liquidity_that_was_taken_comes_back() -> None:
    bench = Bench(refill_s=2.0)
    before = bench.look("Depth", "pair=XBTUSD&count=5")["XXBTZUSD"]["asks"]
    bench.market("buy", "0.05")
    taken = bench.look("Depth", "pair=XBTUSD&count=5")["XXBTZUSD"]["asks"]
    assert [level[:2] for level in taken] != [level[:2] for level in before]
    bench.pass_time(3)
    after = bench.look("Depth", "pair=XBTUSD&count=5")["XXBTZUSD"]["asks"]
    assert [level[:2] for level in after] == [level[:2] for level in before]


def test_trades_go_on_from_the_last_one() -> None:
    bench = Bench()
    result = bench.look("Trades", "pair=XBTUSD")
    assert len(result["XXBTZUSD"]) == 60
    assert all(len(row) == 7 for row in result["XXBTZUSD"])
    bench.pass_time(1)
    bench.market("buy", "0.01")
    newer = bench.look("Trades", f"pair=XBTUSD&since={result['last']}")["XXBTZUSD"]
    assert [(row[1], row[3], row[4]) for row in newer] == [("0.01000000", "b", "m")]


def test_spread_names_best_bid_and_ask() -> None:
    rows = Bench().look("Spread", "pair=XBTUSD")["XXBTZUSD"]
    assert all(Decimal(bid) < Decimal(ask) for _, bid, ask in rows)


@pytest.mark.parametrize(
    ("name", "query", "error"),
    [
        ("OHLC", "pair=XBTUSD&interval=7", "EGeneral:Invalid arguments:interval"),
        ("OHLC", "", "EGeneral:Invalid arguments:pair"),
        ("Depth", "pair=NOPE", "EQuery:Unknown asset pair"),
        ("Ticker", "pair=NOPE", "EQuery:Unknown asset pair"),
        ("Trades", "pair=XBTUSD&since=yesterday", "EGeneral:Invalid arguments:since"),
        ("AssetPairs", "info=gossip", "EGeneral:Invalid arguments:info"),
    ],
)
def test_malformed_questions_are_refused(name: str, query: str, error: str) -> None:
    assert Bench().public(name, query)["error"] == [error]


@pytest.mark.parametrize("form", ["frozen", "backwards", "milliseconds"])
def test_the_venues_clock_may_be_stated_wrongly(form: str) -> None:
    bench = Bench()
    bench.impair("server_time", form=form)
    bench.pass_time(10)
    stated: Any = bench.look("Time")["unixtime"]
    assert stated == {"frozen": 1_790_000_000, "backwards": 1_789_999_990, "milliseconds": 1_790_000_010_000}[form]


def test_the_venues_clock_may_be_off() -> None:
    bench = Bench(clock_skew_s=-45.0)
    assert bench.look("Time")["unixtime"] == 1_789_999_955
    bench.impair("clock_skew", by_s=31)
    assert bench.look("Time")["unixtime"] == 1_790_000_031
    bench.happen("clock", by_s=0)
    assert bench.look("Time")["unixtime"] == 1_790_000_000
