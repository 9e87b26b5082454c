"""
Counters and budgets.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/guides/rest/ratelimits,
https://docs.kraken.com/exchange/guides/general/ratelimits,
https://support.kraken.com/articles/360045239571-trading-rate-limits.
"""

from __future__ import annotations

import pytest

from holdfast.simulators.core.seam import SimReply
from holdfast.simulators.kraken.limits import cancel_cost, change_cost
from tests.simulators.kraken.bench import Bench, Stream

OVER = "EAPI:Rate limit exceeded"


@pytest.mark.parametrize(
    ("tier", "at_once", "per_100_s"), [("starter", 15, 33), ("intermediate", 20, 50), ("pro", 20, 100)]
)
def test_rest_counter_allows_its_maximum_and_then_what_decays(tier: str, at_once: int, per_100_s: int) -> None:
    bench = Bench(tier=tier)
    for _ in range(at_once):
        bench.call("Balance")
    assert bench.error("Balance") == OVER
    done = 0
    for _ in range(100):
        bench.pass_time(1)
        done += bench.envelope("Balance")["error"] == []
    assert abs(done - per_100_s) <= 1


def test_history_costs_two_and_order_entry_nothing() -> None:
    bench = Bench()
    for _ in range(10):
        bench.call("Ledgers")
    assert bench.error("Balance") == OVER
    txid = bench.limit()
    bench.call("CancelOrder", txid=txid)
    assert bench.error("TradesHistory") == OVER


def test_refused_calls_may_count_too() -> None:
    strict = Bench(do_refused_calls_count=True)
    for _ in range(30):
        strict.envelope("Balance")
    strict.pass_time(5)
    assert strict.error("Balance") == OVER
    mild = Bench()
    for _ in range(30):
        mild.envelope("Balance")
    mild.pass_time(5)
    mild.call("Balance")


def test_over_the_limit_may_be_http_429() -> None:
    bench = Bench(rate_limit_status=429)
    bench.impair("rate_limit", above=3)
    assert bench.reply("Balance").status == 429
    assert bench.reply("StealEverything").status == 200


def test_keys_of_one_account_count_apart() -> None:
    bench = Bench()
    other = bench.happen("new_key", name="second")["credential"]
    for _ in range(20):
        bench.call("Balance")
    assert bench.error("Balance") == OVER
    bench.call("Balance", nonce=1, credential=other)


def test_counters_can_be_switched_off() -> None:
    bench = Bench(are_calls_counted=False)
    for _ in range(200):
        bench.call("Ledgers")


def test_too_many_calls_at_once_are_throttled_until_a_moment_in_the_answer() -> None:
    bench = Bench(concurrent_calls=2, call_time_s=0.5, throttle_s=5.0)
    bench.call("Balance")
    bench.call("Balance")
    assert bench.error("Balance") == f"EService: Throttled: {bench.clock.wall_us() // 1_000_000 + 5}"
    bench.pass_time(0.6)
    bench.call("Balance")


def test_public_calls_have_a_limit_of_their_own() -> None:
    bench = Bench(public_calls_per_s=2.0)
    bench.look("Time")
    bench.look("Time")
    assert bench.public("Time")["error"] == ["EGeneral:Too many requests"]
    bench.pass_time(1)
    bench.look("Time")


@pytest.mark.parametrize(
    ("age_s", "cost"), [(0, 8), (4.9, 8), (5, 6), (10, 5), (15, 4), (45, 2), (90, 1), (299, 1), (300, 0), (9999, 0)]
)
def test_cancelling_costs_by_age(age_s: float, cost: float) -> None:
    assert cancel_cost(age_s) == cost


@pytest.mark.parametrize(
    ("age_s", "amend", "edit"), [(0, 4, 7), (5, 3, 6), (10, 2, 5), (15, 1, 3), (45, 1, 2), (90, 1, 1)]
)
def test_amending_and_editing_cost_one_and_more_by_age(age_s: float, amend: float, edit: float) -> None:
    assert change_cost(age_s, is_edit=False) == amend
    assert change_cost(age_s, is_edit=True) == edit


def test_engine_counter_is_per_pair_and_decays() -> None:
    bench = Bench(tier="starter")
    for _ in range(6):
        bench.call("CancelOrder", txid=bench.limit())  # 1 + 8 each.
    txid = bench.limit()
    assert bench.error("CancelOrder", txid=txid) == "EOrder:Rate limit exceeded"
    bench.call("AddOrder", ordertype="limit", type="buy", volume="0.1", pair="ETHUSD", price="2000")
    bench.pass_time(5)
    bench.call("CancelOrder", txid=txid)


def test_refused_orders_count_for_the_engine() -> None:
    bench = Bench(tier="starter")
    for _ in range(60):
        assert bench.error("AddOrder", ordertype="limit", type="buy", volume="9", pair="XBTUSD", price="39000") == (
            "EOrder:Insufficient funds"
        )
    assert bench.error("AddOrder", ordertype="limit", type="buy", volume="9", pair="XBTUSD", price="39000") == (
        "EOrder:Rate limit exceeded"
    )


def test_open_orders_per_pair_are_limited() -> None:
    bench = Bench(tier="starter", are_calls_counted=False)
    for _ in range(60):
        bench.limit("buy", "0.0001", "39000")
    assert bench.error("AddOrder", ordertype="limit", type="buy", volume="0.0001", pair="XBTUSD", price="39000") == (
        "EOrder:Orders limit exceeded"
    )


def test_counter_is_in_the_stream_where_it_is_asked_for() -> None:
    bench = Bench(tier="intermediate")
    stream = bench.stream()
    answer = stream.subscribe("executions", ratecounter=True)
    assert answer["result"]["maxratecount"] == 125
    txid = bench.limit()
    bench.call("CancelOrder", txid=txid)
    assert [row["ratecount"] for row in stream.rows("executions")] == [1, 1, 9]


def test_connections_have_a_budget_and_then_a_ban() -> None:
    bench = Bench()
    for _ in range(150):
        Stream(bench)
        bench.pass_time(1)
    refused = bench.sim.connect("/v2", Stream.__new__(Stream), {})
    assert isinstance(refused, SimReply)
    assert refused.status == 429
    bench.pass_time(590)
    assert isinstance(bench.sim.connect("/v2", Stream.__new__(Stream), {}), SimReply)
    bench.pass_time(11)
    Stream(bench)


def test_tier_can_change_while_the_venue_runs() -> None:
    bench = Bench()
    for _ in range(16):
        bench.call("Balance")
    bench.happen("tier", tier="starter")
    assert bench.error("Balance") == OVER
