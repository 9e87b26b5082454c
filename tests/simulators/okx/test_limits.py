"""Limits: per address and per user, shared by REST and stream, with both forms of the refusal."""

from __future__ import annotations

import pytest

from tests.simulators.okx.bench import Bench
from tests.simulators.okx.test_stream_orders import item


def spend(bench: Bench, count: int) -> list[str]:
    return [bench.envelope("GET", "account/balance")["code"] for _ in range(count)]


def test_so_many_calls_pass_in_a_window_and_the_next_ones_when_it_has_passed() -> None:
    bench = Bench()
    assert spend(bench, 12) == ["0"] * 10 + ["50011"] * 2
    assert bench.get("account/config")  # Each endpoint counts apart.
    bench.pass_time(2.0)
    assert spend(bench, 1) == ["0"]


@pytest.mark.parametrize(("form", "status", "has_data"), [("429", 429, False), ("200", 200, True)])
def test_refusal_comes_in_either_form(form: str, status: int, has_data: bool) -> None:
    bench = Bench(rate_limit_form=form, retry_after_s=2.0)
    spend(bench, 10)
    reply = bench.reply("GET", "account/balance")
    assert reply.status == status
    assert (b'"data"' in reply.body) is has_data
    assert ("retry-after" in reply.headers) is (form == "429")


def test_refused_calls_count_where_the_setting_says_so() -> None:
    for counts, later in ((False, "0"), (True, "50011")):
        bench = Bench(do_refused_calls_count=counts)
        spend(bench, 10)
        bench.pass_time(1.0)
        spend(bench, 10)
        bench.pass_time(1.0)
        assert spend(bench, 1) == [later]


def test_burst_may_be_refused_long_before_the_window_is_full() -> None:
    bench = Bench(burst_share=0.5)
    assert spend(bench, 6) == ["0"] * 5 + ["50011"]
    bench.pass_time(0.2)
    assert spend(bench, 1) == ["0"]


def test_whoever_was_refused_may_be_refused_everything_for_a_while() -> None:
    bench = Bench(ban_s=5.0)
    spend(bench, 11)
    assert bench.refusal("GET", "account/config")[1] == "50011"
    assert bench.look("public/time")  # That is the address's.
    bench.pass_time(5.0)
    assert bench.get("account/config")


def test_accounts_count_apart_and_addresses_together() -> None:
    bench = Bench(profile="many")
    spend(bench, 10)
    other = next(one for one in bench.sim.credentials() if one["account"] == "sub1")
    assert bench.envelope("GET", "account/balance", credential=other)["code"] == "0"
    for _ in range(10):
        bench.look("public/time")
    assert bench.refusal("GET", "public/time")[1] == "50011"


def test_orders_are_counted_per_instrument_and_together_over_both_wires() -> None:
    bench = Bench()
    stream = bench.stream()
    for _ in range(30):
        bench.limit(sz="0.0001", px="20000")
    body = item(bench, sz="0.0001", px="20000")
    for _ in range(30):
        assert stream.operate("order", body)["code"] == "0"
    assert bench.refusal("POST", "trade/order", bench.order())[1] == "50011"
    assert stream.operate("order", {"instIdCode": 10_000})["code"] == "50011"
    assert bench.limit(instId="ETH-USDT", px="2000", sz="0.01")
    order_id = bench.get("trade/orders-pending", limit="1")[0]["ordId"]
    assert bench.post("trade/cancel-order", {"instId": "ETH-USDT", "ordId": order_id})  # Counted apart.


def test_stream_refusal_has_the_code_of_the_setting() -> None:
    bench = Bench(stream_rate_code="60014")
    bench.impair("rate_limit", name="POST trade/order")
    stream = bench.stream()
    answer = stream.operate("order", item(bench))
    assert (answer["code"], answer["data"]) == ("60014", [])
    bench.pass_time(1.0)
    assert stream.operate("order", item(bench))["code"] == "0"


def test_batches_count_their_orders_apart_from_single_ones() -> None:
    bench = Bench()
    batch = [bench.order(sz="0.00001", px="20000") for _ in range(20)]
    for _ in range(15):
        assert bench.envelope("POST", "trade/batch-orders", batch)["code"] == "0"
    assert bench.refusal("POST", "trade/batch-orders", batch)[1] == "50011"
    assert bench.post("trade/batch-orders", batch[:1])  # One in a batch counts as a single one.
    assert bench.limit()


@pytest.mark.parametrize("applies", [True, False])
def test_account_has_a_thousand_orders_in_two_seconds_where_spot_counts(applies: bool) -> None:
    bench = Bench(max_pending_per_instrument=4000, does_account_limit_apply=applies)
    instruments = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "LTC-USDT")
    for inst_id in instruments:
        batch = [bench.order(instId=inst_id, sz="0.01", px="1") for _ in range(20)]
        for _ in range(15 if inst_id != "LTC-USDT" else 5):
            assert bench.envelope("POST", "trade/batch-orders", batch)["code"] == "0"
    further = bench.order(instId="OKB-USDT", px="1", sz="0.01")
    assert bench.envelope("POST", "trade/order", further)["code"] == ("50061" if applies else "0")
    bench.pass_time(2.0)
    assert bench.limit()


def test_fault_uses_up_a_count_for_the_length_of_its_window() -> None:
    bench = Bench()
    bench.impair("rate_limit", name="GET account/balance")
    assert spend(bench, 1) == ["50011"]
    assert bench.get("account/config")
    bench.pass_time(2.0)
    assert spend(bench, 1) == ["0"]
    bench.impair("rate_limit")
    assert bench.refusal("GET", "account/config")[1] == "50011"


def test_counting_may_be_switched_off() -> None:
    assert spend(Bench(are_calls_counted=False), 50) == ["0"] * 50
