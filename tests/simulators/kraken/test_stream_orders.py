"""
Order methods over the stream.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/add_order,
.../amend_order, .../cancel_order, .../cancel_after, .../batch_add.
"""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.simulators.kraken.render import rfc3339
from tests.simulators.kraken.bench import Bench, Stream

LIMIT: dict[str, Any] = {
    "order_type": "limit",
    "side": "buy",
    "order_qty": 0.01,
    "symbol": "BTC/USD",
    "limit_price": 39000,
}


def place(stream: Stream, **change: Any) -> str:
    answer = stream.order("add_order", **{**LIMIT, **change})
    assert answer["success"], answer
    return str(answer["result"]["order_id"])


def test_order_is_acknowledged_with_its_ids_before_its_events() -> None:
    bench = Bench()
    stream = bench.stream()
    stream.subscribe("executions")
    stream.clear()
    answer = stream.order("add_order", **LIMIT, cl_ord_id="mine")
    assert answer["result"] == {"order_id": answer["result"]["order_id"], "cl_ord_id": "mine"}
    assert [frame.get("method") or frame["data"][0]["exec_type"] for frame in stream.frames] == [
        *("add_order", "pending_new", "new")
    ]
    assert list(bench.call("OpenOrders")["open"]) == [answer["result"]["order_id"]]


def test_events_may_come_before_the_acknowledgement() -> None:
    bench = Bench(are_acks_before_events=False)
    stream = bench.stream()
    stream.subscribe("executions")
    stream.clear()
    place(stream)
    assert [frame.get("method") or frame["data"][0]["exec_type"] for frame in stream.frames] == [
        *("pending_new", "new", "add_order")
    ]


def test_no_nonce_is_needed_and_none_is_used() -> None:
    bench = Bench()
    stream = bench.stream()
    bench.token()
    before = bench.nonce
    for _ in range(5):
        place(stream)
    bench.call("Balance", nonce=before + 1)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"order_qty": 9}, "EOrder:Insufficient funds"),
        ({"order_qty": 0.00001}, "EOrder:Order minimum not met"),
        ({"limit_price": 39000.05}, "EOrder:Tick size check failed"),
        ({"symbol": "XBT/USD"}, "Currency pair not supported XBT/USD"),
        ({"order_qty": "0.01"}, "EGeneral:Invalid arguments:order_qty"),
        ({"limit_price": "39000"}, "EGeneral:Invalid arguments:limit_price"),
        ({"price": 39000}, "Unsupported field: 'price' for the given msg type: add order"),
        ({"order_type": "dance"}, "EGeneral:Invalid arguments:ordertype"),
        ({"side": "hold"}, "EGeneral:Invalid arguments:type"),
        ({"conditional": {"order_type": "limit"}}, "EGeneral:Invalid arguments:conditional"),
    ],
)
def test_refusal_is_one_string(change: dict[str, Any], error: str) -> None:
    bench = Bench()
    answer = bench.stream().order("add_order", **{**LIMIT, **change})
    assert (answer["success"], answer["error"]) == (False, error)
    assert "result" not in answer
    assert bench.call("OpenOrders")["open"] == {}


def test_refusal_may_explain_itself() -> None:
    answer = Bench(do_stream_errors_explain=True).stream().order("add_order", **{**LIMIT, "order_qty": 9})
    assert answer["error"] == "EOrder:Insufficient funds (insufficient user funds)"


def test_market_buy_can_spend_cash() -> None:
    bench = Bench()
    stream = bench.stream()
    answer = stream.order("add_order", order_type="market", side="buy", cash_order_qty=100, symbol="BTC/USD")
    row = bench.call("QueryOrders", txid=answer["result"]["order_id"])[answer["result"]["order_id"]]
    assert row["oflags"] == "fciq,viqc"


def test_triggered_order_takes_its_price_from_triggers() -> None:
    bench = Bench()
    stream = bench.stream()
    txid = place(stream, order_type="stop-loss", side="sell", limit_price=None, triggers={"price": 39000})
    assert bench.call("OpenOrders")["open"][txid]["stopprice"] == "39000.00000"
    assert not stream.order("add_order", **{**LIMIT, "order_type": "stop-loss", "limit_price": None})["success"]


@pytest.mark.parametrize("names", [True, False])
def test_validated_order_may_be_named(names: bool) -> None:
    bench = Bench(does_stream_validate_name_order=names)
    answer = bench.stream().order("add_order", **LIMIT, validate=True)
    assert answer["success"]
    assert ("order_id" in answer["result"]) is names
    assert bench.call("OpenOrders")["open"] == {}


def test_deadline_and_expiry_are_rfc3339() -> None:
    bench = Bench()
    stream = bench.stream()
    now_us = bench.clock.wall_us()
    txid = place(
        stream,
        time_in_force="gtd",
        expire_time=rfc3339(now_us + 30_000_000),
        deadline=rfc3339(now_us + 5_000_000),
    )
    bench.pass_time(31)
    assert bench.call("ClosedOrders")["closed"][txid]["status"] == "expired"
    late = stream.order("add_order", **LIMIT, deadline=rfc3339(now_us))
    assert late["error"] == "EService:Deadline elapsed"


def test_amend_keeps_and_edit_replaces_the_id() -> None:
    bench = Bench()
    stream = bench.stream()
    txid = place(stream, cl_ord_id="mine")
    amended = stream.order("amend_order", cl_ord_id="mine", order_qty=0.02)["result"]
    assert (set(amended), amended["cl_ord_id"]) == ({"amend_id", "cl_ord_id"}, "mine")
    assert stream.order("amend_order", order_id=txid, limit_price=38000)["result"]["order_id"] == txid
    edited = stream.order("edit_order", order_id=txid, symbol="BTC/USD", order_qty=0.03, limit_price=37000)["result"]
    assert edited["original_order_id"] == txid
    (row,) = bench.call("OpenOrders")["open"].values()
    assert row["descr"]["order"] == "buy 0.03000000 XBTUSD @ limit 37000.0"


def test_cancel_answers_once_per_order_with_the_same_id() -> None:
    bench = Bench()
    stream = bench.stream()
    ids = [place(stream), place(stream)]
    answers = stream.ask("cancel_order", order_id=[*ids, "OXXXXX-XXXXX-XXXXXX"], token=bench.token())
    assert [answer["success"] for answer in answers] == [True, True, False]
    assert [answer["result"]["order_id"] for answer in answers[:2]] == ids
    assert answers[2]["error"] == "EOrder:Unknown order"
    assert len({answer["req_id"] for answer in answers}) == 1


@pytest.mark.parametrize("field", ["cl_ord_id", "order_userref"])
def test_cancel_takes_client_ids_and_user_references(field: str) -> None:
    bench = Bench()
    stream = bench.stream()
    value: Any = "mine" if field == "cl_ord_id" else 7
    txid = place(stream, **{field: value})
    (answer,) = stream.ask("cancel_order", token=bench.token(), **{field: [value]})
    assert answer["result"]["order_id"] == txid


@pytest.mark.parametrize("params", [{}, {"order_id": []}, {"order_id": "O"}, {"order_id": ["O"], "cl_ord_id": ["c"]}])
def test_cancel_takes_one_kind_of_id(params: dict[str, Any]) -> None:
    bench = Bench()
    (answer,) = bench.stream().ask("cancel_order", token=bench.token(), **params)
    assert answer["error"] == "EGeneral:Invalid arguments"


def test_cancel_all_counts() -> None:
    bench = Bench()
    stream = bench.stream()
    place(stream)
    place(stream)
    assert stream.order("cancel_all")["result"] == {"count": 2}


def test_dead_man_switch_answers_in_camel_case() -> None:
    bench = Bench()
    stream = bench.stream()
    now_us = bench.clock.wall_us()
    assert stream.order("cancel_all_orders_after", timeout=60)["result"] == {
        "currentTime": rfc3339(now_us),
        "triggerTime": rfc3339(now_us + 60_000_000),
    }
    place(stream)
    bench.pass_time(61)
    assert bench.call("OpenOrders")["open"] == {}


def test_batches_add_and_cancel() -> None:
    bench = Bench()
    stream = bench.stream()
    row = {name: value for name, value in LIMIT.items() if name != "symbol"}
    added = stream.order("batch_add", symbol="BTC/USD", orders=[row, {**row, "order_qty": 9}, row])["result"]
    assert added[1]["error"] == "EOrder:Insufficient funds"
    ids = [added[0]["order_id"], added[2]["order_id"]]
    assert set(bench.call("OpenOrders")["open"]) == set(ids)
    answer = stream.order("batch_cancel", orders=ids)
    assert (answer["result"], answer["orders_cancelled"]) == ({"count": 2}, 2)
    refused = stream.order("batch_add", symbol="BTC/USD", orders=[row, {**row, "limit_price": 1.05}])
    assert refused["error"] == "EOrder:Tick size check failed"


def test_trading_needs_its_permission() -> None:
    bench = Bench()
    stream = bench.stream()
    bench.token()
    bench.happen("permissions", key=bench.credential["key"], permissions=["close-trades", "query-open-trades"])
    assert stream.order("add_order", **LIMIT)["error"] == "EGeneral:Permission denied"
    assert stream.order("cancel_all")["success"]


def test_order_may_stand_although_the_answer_says_no() -> None:
    bench = Bench()
    stream = bench.stream()
    bench.impair("refuse", name="add_order", when="after", error="EService:Unavailable")
    answer = stream.order("add_order", **LIMIT)
    assert (answer["success"], answer["error"]) == (False, "EService:Unavailable")
    assert len(bench.call("OpenOrders")["open"]) == 1
    bench.impair("refuse", name="add_order", when="before")
    assert stream.order("add_order", **LIMIT)["error"] == "EService:Unavailable"
    assert len(bench.call("OpenOrders")["open"]) == 1


def test_maintenance_takes_neither_orders_nor_cancels() -> None:
    bench = Bench()
    stream = bench.stream()
    txid = place(stream)
    bench.happen("mode", mode="maintenance")
    assert stream.order("add_order", **LIMIT)["error"] == "EService:Unavailable"
    assert stream.order("cancel_order", order_id=[txid])["error"] == "EService:Unavailable"
    assert stream.order("cancel_all")["error"] == "EService:Unavailable"
