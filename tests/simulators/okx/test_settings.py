"""Switches that other tests leave at their defaults."""

from __future__ import annotations

from decimal import Decimal

from tests.simulators.okx.bench import Bench


def test_window_of_timestamps_is_as_wide_as_it_says() -> None:
    bench = Bench(timestamp_window_s=5.0)
    assert bench.envelope("GET", "account/config", at_us=bench.sim.now_us() - 5_000_000)["code"] == "0"
    assert bench.refusal("GET", "account/config", at_us=bench.sim.now_us() - 6_000_000)[1] == "50102"


def test_venues_clock_may_be_off_from_the_start() -> None:
    bench = Bench(clock_skew_s=-40.0)
    assert int(bench.look("public/time")[0]["ts"]) * 1000 == bench.clock.wall_us() - 40_000_000
    assert bench.refusal("GET", "account/config", at_us=bench.clock.wall_us())[1] == "50102"
    assert bench.get("account/config")


def test_keys_may_live_through_any_silence() -> None:
    bench = Bench(environment="live", key_idle_s=0.0)
    bench.pass_time(365 * 86_400)
    assert bench.get("account/config")


def test_takers_pay_what_the_setting_says() -> None:
    bench = Bench(taker_fee_percent="0.25")
    bench.market("buy", "0.01")
    (fill,) = bench.get("trade/fills")
    assert (fill["fee"], fill["feeRate"]) == ("-0.000025", "-0.0025")


def test_changes_are_gathered_on_the_grid_that_is_set() -> None:
    bench = Bench(account_grid_s=2.0, snapshot_s=0.0, idle_close_s=3.0, connects_per_s=1)
    stream = bench.stream()
    stream.subscribe("account")
    stream.clear()
    bench.limit()
    bench.pass_time(1.9)
    assert stream.of("account") == []
    bench.pass_time(0.2)
    assert len(stream.of("account")) == 1
    bench.pass_time(3.1)
    assert stream.closed_with is not None


def test_prices_walk_and_others_trade_as_often_as_is_set() -> None:
    bench = Bench(market_step_s=0.5, background_trade_s=1.0, book_levels=3)
    (book,) = bench.look("market/books", "instId=BTC-USDT&sz=50")
    assert len(book["asks"]) == len(book["bids"]) == 3
    before = bench.sim.mid("BTC-USDT")
    bench.pass_time(30)
    assert bench.sim.mid("BTC-USDT") != before
    assert 10 < len(bench.get("trade/fills")) < 100
    assert abs(bench.sim.mid("BTC-USDT") - 40_000) < 4000


def test_venue_tells_what_scenarios_ask_of_it() -> None:
    bench = Bench()
    assert bench.sim.total("USDT") == Decimal(10_000)
    assert bench.sim.total("LTC") == 0
    bench.limit(px="39000", sz="0.01")
    assert bench.sim.free("USDT") == Decimal(9610)
    assert [order.request.symbol for order in bench.sim.open_orders()] == ["BTC-USDT"]
    assert (bench.sim.decimals("BTC"), bench.sim.decimals("USDT")) == (10, 8)
    assert bench.sim.asset_of("BTC") == "BTC"
    assert bench.sim.takes_orders("BTC-USDC")
    truth = bench.sim.truth()["accounts"]["master"]
    assert (truth["funding"], truth["equity"]["USDT"]) == ({"USDT": "200", "OKB": "4"}, "10000")
