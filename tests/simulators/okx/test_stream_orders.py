"""The channel ``orders``, and order operations over the stream."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulators.okx.bench import Bench, Stream
from tests.simulators.okx.test_orders import ORDER_FIELDS

# From the documented sample of the orders channel (checked 2026-11-20).
PUSHED_FIELDS = (ORDER_FIELDS - {"cancelSourceReason"}) | {
    "amendResult",
    "amendSource",
    "code",
    "execType",
    "fillFee",
    "fillFeeCcy",
    "fillFwdPx",
    "fillIdxPx",
    "fillMarkPx",
    "fillMarkVol",
    "fillNotionalUsd",
    "fillPnl",
    "fillPxUsd",
    "fillPxVol",
    "lastPx",
    "msg",
    "notionalUsd",
    "reqId",
}


def subscribed(bench: Bench, **arg: Any) -> Stream:
    stream = bench.stream()
    assert stream.subscribe("orders", **{"instType": "SPOT", **arg})["event"] == "subscribe"
    stream.clear()
    return stream


def told(stream: Stream) -> list[tuple[str, str]]:
    return [(row["state"], row["fillSz"]) for row in stream.rows("orders")]


def item(bench: Bench, **fields: Any) -> dict[str, Any]:
    """The body of a small limit buy as the stream takes it."""
    order = bench.order(**fields)
    order.pop("instId")
    code = bench.look("public/instruments", "instType=SPOT&instId=BTC-USDT")[0]["instIdCode"]
    return {"instIdCode": code, **order}


def test_channel_begins_with_nothing_and_tells_a_life_in_whole_rows() -> None:
    bench = Bench()
    bench.limit()
    stream = subscribed(bench)
    assert stream.frames == []
    order_id = bench.limit(clOrdId="a1")
    bench.happen("fill", order=order_id, quantity="0.004")
    bench.happen("fill", order=order_id)
    assert told(stream) == [("live", "0"), ("partially_filled", "0.004"), ("filled", "0.006")]
    rows = stream.rows("orders")
    assert {frozenset(row) for row in rows} == {frozenset(PUSHED_FIELDS)}
    assert [row["accFillSz"] for row in rows] == ["0", "0.004", "0.01"]
    assert [row["avgPx"] for row in rows] == ["0", "39000", "39000"]
    assert [row["fillFee"] for row in rows] == ["0", "-0.0000032", "-0.0000048"]
    assert rows[1]["tradeId"] != rows[2]["tradeId"]
    fills = {fill["tradeId"]: fill["fee"] for fill in bench.get("trade/fills")}
    assert fills == {row["tradeId"]: row["fillFee"] for row in rows[1:]}


def test_cancel_and_amendment_are_told() -> None:
    bench = Bench()
    stream = subscribed(bench)
    order_id = bench.limit()
    bench.post("trade/amend-order", {"instId": "BTC-USDT", "ordId": order_id, "newPx": "38000"})
    bench.post("trade/cancel-order", {"instId": "BTC-USDT", "ordId": order_id})
    rows = stream.rows("orders")
    assert [(row["state"], row["px"], row["amendResult"], row["cancelSource"]) for row in rows] == [
        ("live", "39000", "", ""),
        ("live", "38000", "0", ""),
        ("canceled", "38000", "", "1"),
    ]


def test_market_order_by_quote_ends_with_a_row_that_has_no_trade() -> None:
    bench = Bench()
    stream = subscribed(bench)
    bench.limit(ordType="market", px=None, sz="100")
    last = stream.rows("orders")[-1]
    assert (last["state"], last["fillSz"], last["tradeId"]) == ("filled", "0", "")
    assert last["accFillSz"] != "0"


@pytest.mark.parametrize(("goes_live", "states"), [(False, ["canceled"]), (True, ["live", "canceled"])])
def test_post_only_that_would_take_is_told_as_the_setting_says(goes_live: bool, states: list[str]) -> None:
    bench = Bench(does_crossing_post_only_go_live=goes_live)
    stream = subscribed(bench)
    bench.limit(ordType="post_only", px="41000")
    assert [row["state"] for row in stream.rows("orders")] == states


def test_refused_order_is_not_told_of() -> None:
    bench = Bench()
    stream = subscribed(bench)
    bench.envelope("POST", "trade/order", bench.order(sz="1"))
    assert stream.frames == []


def test_subscription_may_be_narrowed_to_an_instrument() -> None:
    bench = Bench()
    one, every = subscribed(bench, instId="ETH-USDT"), subscribed(bench, instType="ANY")
    bench.limit()
    bench.limit(instId="ETH-USDT", px="2000", sz="0.1")
    assert [row["instId"] for row in one.rows("orders")] == ["ETH-USDT"]
    assert [row["instId"] for row in every.rows("orders")] == ["BTC-USDT", "ETH-USDT"]
    assert subscribed(bench, instType="SWAP").frames == []


# Operations


@pytest.mark.parametrize("is_first", [True, False])
def test_order_is_placed_by_code_and_acknowledged_before_or_after_its_events(is_first: bool) -> None:
    bench = Bench(is_wire_ack_before_events=is_first)
    stream = subscribed(bench)
    answer = stream.operate("order", item(bench, clOrdId="a1"))
    assert set(answer) == {"id", "op", "code", "msg", "data", "inTime", "outTime"}
    (row,) = answer["data"]
    assert (answer["code"], row["sCode"], row["clOrdId"]) == ("0", "0", "a1")
    assert bench.details(row["ordId"])["state"] == "live"
    kinds = ["op" in frame for frame in stream.frames]
    assert kinds == ([True, False] if is_first else [False, True])


def test_order_is_amended_and_cancelled_over_the_stream() -> None:
    bench = Bench()
    stream = bench.stream()
    code = item(bench)["instIdCode"]
    (placed,) = stream.operate("order", item(bench, clOrdId="a1"))["data"]
    (amended,) = stream.operate("amend-order", {"instIdCode": code, "clOrdId": "a1", "newPx": "38000"})["data"]
    assert (amended["sCode"], amended["ordId"]) == ("0", placed["ordId"])
    (gone,) = stream.operate("cancel-order", {"instIdCode": code, "ordId": placed["ordId"]})["data"]
    assert gone["sCode"] == "0"
    assert bench.details(placed["ordId"])["px"] == "38000"
    assert bench.details(placed["ordId"])["state"] == "canceled"
    again = stream.operate("cancel-order", {"instIdCode": code, "ordId": placed["ordId"]})
    assert (again["code"], again["data"][0]["sCode"]) == ("1", "51400")


def test_batches_go_over_the_stream_as_well() -> None:
    bench = Bench()
    stream = bench.stream()
    placed = stream.operate("batch-orders", item(bench, clOrdId="a1"), item(bench, sz="1"))
    assert (placed["code"], [row["sCode"] for row in placed["data"]]) == ("2", ["0", "51008"])
    code = item(bench)["instIdCode"]
    changed = stream.operate("batch-amend-orders", {"instIdCode": code, "clOrdId": "a1", "newSz": "0.02"})
    assert changed["code"] == "0"
    gone = stream.operate("batch-cancel-orders", {"instIdCode": code, "clOrdId": "a1"})
    assert gone["code"] == "0"


@pytest.mark.parametrize(
    ("settings", "changed", "code"),
    [
        ({}, {"instIdCode": None}, "50014"),
        ({}, {"instIdCode": None, "instId": "BTC-USDT"}, "50014"),
        ({}, {"instIdCode": 99}, "51001"),
        ({}, {"instIdCode": "10000"}, "51000"),
        ({"does_stream_know_codes": False}, {}, "51001"),
        ({"stream_instrument": "either"}, {"instIdCode": None, "instId": "BTC-USDT"}, "0"),
        ({"stream_instrument": "either"}, {"instIdCode": None}, "50014"),
    ],
)
def test_instrument_is_named_by_its_code(settings: dict[str, Any], changed: dict[str, Any], code: str) -> None:
    bench = Bench(**settings)
    body = {name: value for name, value in (item(bench) | changed).items() if value is not None}
    (row,) = bench.stream().operate("order", body)["data"]
    assert row["sCode"] == code


def test_codes_are_distinct_or_absent() -> None:
    codes = [row["instIdCode"] for row in Bench().look("public/instruments", "instType=SPOT")]
    assert len(set(codes)) == len(codes)
    assert all(isinstance(code, int) for code in codes)
    none = Bench(has_instrument_codes=False).look("public/instruments", "instType=SPOT")
    assert {row["instIdCode"] for row in none} == {None}


@pytest.mark.parametrize(
    "message",
    [
        {"op": "order", "args": [{}]},
        {"id": "with-dash", "op": "order", "args": [{}]},
        {"id": "n1", "op": "order"},
        {"id": "n1", "op": "order", "args": [{}, {}]},
        {"id": "n1", "op": "batch-orders", "args": [{}] * 21},
    ],
)
def test_operation_that_is_not_well_formed_has_no_rows(message: dict[str, Any]) -> None:
    (answer,) = Bench().stream().say(message)
    assert (answer["code"], answer["data"]) == ("60013", [])


def test_operation_needs_a_login_the_right_address_and_the_right_to_trade() -> None:
    bench = Bench()
    assert bench.stream(logs_in=False).operate("order", {})["code"] == "60011"
    assert bench.stream("public").operate("order", {})["code"] == "60018"
    bench.happen("permissions", permissions=["read_only"])
    assert bench.stream().operate("order", item(bench))["code"] == "50030"


def test_expired_operation_is_not_executed() -> None:
    bench = Bench()
    stream = bench.stream()
    now_ms = bench.sim.now_us() // 1000
    answer = stream.operate("order", item(bench), expTime=str(now_ms - 1))
    assert (answer["code"], answer["data"]) == ("50036", [])
    assert stream.operate("order", item(bench), expTime=str(now_ms + 5000))["code"] == "0"
    assert len(bench.get("trade/orders-pending")) == 1


def test_refusals_before_and_after_look_the_same_over_the_stream() -> None:
    bench = Bench()
    stream = bench.stream()
    bench.impair("refuse", name="order", code="50004", when="before")
    assert stream.operate("order", item(bench))["code"] == "50004"
    assert bench.get("trade/orders-pending") == []
    bench.impair("refuse", name="order", code="50004", when="after")
    assert stream.operate("order", item(bench))["code"] == "50004"
    assert len(bench.get("trade/orders-pending")) == 1


def test_row_may_be_told_again_with_a_later_time() -> None:
    bench = Bench()
    stream = subscribed(bench)
    bench.impair("repeated_order")
    bench.limit()
    first, second = stream.rows("orders")
    assert int(second["uTime"]) == int(first["uTime"]) + 1
    assert {**second, "uTime": ""} == {**first, "uTime": ""}
