"""
The channel ``executions``.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/executions,
https://docs.kraken.com/exchange/guides/general/order-lifecycle.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.kraken.bench import Bench, Stream


def subscribed(bench: Bench, **params: Any) -> Stream:
    stream = bench.stream()
    assert stream.subscribe("executions", **params)["success"]
    return stream


def story(stream: Stream) -> list[tuple[str, str]]:
    return [(row["exec_type"], row["order_status"]) for row in stream.rows("executions")]


def test_acknowledgement_repeats_the_options() -> None:
    answer = Bench().stream().subscribe("executions")
    assert answer["result"] == {
        "channel": "executions",
        "snap_orders": True,
        "snap_trades": False,
        "order_status": True,
        "ratecounter": False,
    }


def test_snapshot_has_the_open_orders_whole() -> None:
    bench = Bench()
    txid = bench.limit(cl_ord_id="mine")
    (row,) = subscribed(bench).rows("executions", "snapshot")
    expected = {
        "order_id": txid,
        "cl_ord_id": "mine",
        "symbol": "BTC/USD",
        "side": "buy",
        "order_type": "limit",
        "order_qty": Decimal("0.01"),
        "limit_price": Decimal("39000.0"),
        "limit_price_type": "static",
        "time_in_force": "GTC",
        "order_status": "new",
        "exec_type": "new",
        "cum_qty": 0,
        "cum_cost": 0,
        "fee_ccy_pref": "fciq",
    }
    assert {name: row[name] for name in expected} == expected


def test_snapshot_without_orders_is_empty_and_still_comes() -> None:
    (frame,) = subscribed(Bench()).of("executions")
    assert (frame["type"], frame["data"], frame["sequence"]) == ("snapshot", [], 1)


def test_snapshot_can_have_the_last_fifty_trades() -> None:
    bench = Bench(are_calls_counted=False)
    for _ in range(52):
        bench.market("sell", "0.0001")
    stream = subscribed(bench, snap_orders=False, snap_trades=True)
    rows = stream.rows("executions", "snapshot")
    assert len(rows) == 50
    assert {row["exec_type"] for row in rows} == {"trade"}
    numbers = [row["trade_id"] for row in rows]
    assert numbers == sorted(numbers, reverse=True)
    assert subscribed(bench, snap_orders=False, snap_trades=False).of("executions") == []


def test_market_order_lives_in_four_steps() -> None:
    bench = Bench()
    stream = subscribed(bench)
    bench.market("buy", "0.01")
    assert story(stream) == [
        ("pending_new", "pending_new"),
        ("new", "new"),
        ("trade", "partially_filled"),
        ("filled", "filled"),
    ]
    assert [frame["sequence"] for frame in stream.of("executions")] == [1, 2, 3, 4, 5]


def test_only_the_first_row_has_the_whole_order() -> None:
    bench = Bench()
    stream = subscribed(bench)
    txid = bench.limit(userref="3")
    bench.call("CancelOrder", txid=txid)
    whole, new, canceled = stream.rows("executions")
    assert (whole["symbol"], whole["order_qty"], whole["order_userref"]) == ("BTC/USD", Decimal("0.01"), 3)
    assert new == {
        "exec_type": "new",
        "order_status": "new",
        "order_id": txid,
        "order_userref": 3,
        "timestamp": "2026-09-21T14:13:20.000000Z",
    }
    assert "symbol" not in canceled
    assert "order_qty" not in canceled
    assert (canceled["exec_type"], canceled["reason"]) == ("canceled", "User requested")


def test_trade_row_has_the_documented_fields() -> None:
    bench = Bench()
    stream = subscribed(bench)
    txid = bench.limit()
    bench.happen("fill", order=txid, quantity="0.0025")
    row = stream.rows("executions")[-1]
    (trade_id,) = bench.call("TradesHistory")["trades"]
    assert isinstance(row.pop("trade_id"), int)
    assert row == {
        "exec_type": "trade",
        "order_status": "partially_filled",
        "order_id": txid,
        "order_userref": 0,
        "exec_id": trade_id,
        "symbol": "BTC/USD",
        "side": "buy",
        "order_type": "limit",
        "last_qty": Decimal("0.0025"),
        "last_price": Decimal("39000.0"),
        "cost": Decimal("97.5"),
        "liquidity_ind": "m",
        "cum_qty": Decimal("0.0025"),
        "cum_cost": Decimal("97.5"),
        "avg_price": Decimal("39000.0"),
        "fees": [{"asset": "USD", "qty": Decimal("0.1365")}],
        "fee_usd_equiv": Decimal("0.1365"),
        "timestamp": "2026-09-21T14:13:20.000000Z",
    }


def test_balance_legs_and_fill_share_the_trade_id() -> None:
    bench = Bench()
    stream = subscribed(bench)
    stream.subscribe("balances")
    bench.market()
    ids = {row["ref_id"] for row in stream.rows("balances")}
    ids |= {row["exec_id"] for row in stream.rows("executions") if row["exec_type"] == "trade"}
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("fields", "ending"),
    [
        ({"price": "41000", "oflags": "post"}, [("canceled", "canceled")]),
        ({"price": "39000", "timeinforce": "IOC"}, [("new", "new"), ("canceled", "canceled")]),
        ({"price": "39000", "timeinforce": "FOK"}, [("canceled", "canceled")]),
    ],
)
def test_venue_ends_an_order_with_a_reason(fields: dict[str, str], ending: list[tuple[str, str]]) -> None:
    bench = Bench()
    stream = subscribed(bench)
    bench.call("AddOrder", ordertype="limit", type="buy", volume="0.01", pair="XBTUSD", **fields)
    assert story(stream) == [("pending_new", "pending_new"), *ending]
    assert stream.rows("executions")[-1]["reason"]


def test_short_funds_may_be_pending_new_and_then_canceled() -> None:
    bench = Bench(are_short_funds_a_cancel=True)
    stream = subscribed(bench)
    bench.limit(volume="9")
    assert story(stream) == [("pending_new", "pending_new"), ("canceled", "canceled")]
    assert stream.rows("executions")[-1]["reason"] == "Insufficient funds"


def test_expiry_amend_and_trigger_have_their_rows() -> None:
    bench = Bench()
    stream = subscribed(bench)
    txid = bench.limit(timeinforce="GTD", expiretm="+30")
    bench.call("AmendOrder", txid=txid, order_qty="0.02")
    bench.pass_time(31)
    bench.call("AddOrder", ordertype="stop-loss", type="sell", volume="0.01", pair="XBTUSD", price="39500")
    bench.happen("market_price", pair="BTC-USD", price="39400")
    assert story(stream) == [
        ("pending_new", "pending_new"),
        ("new", "new"),
        ("amended", "new"),
        ("expired", "expired"),
        ("pending_new", "pending_new"),
        ("new", "new"),
        ("status", "new"),
        ("trade", "partially_filled"),
        ("filled", "filled"),
    ]
    rows = stream.rows("executions")
    assert (rows[2]["order_qty"], rows[2]["amended"]) == (Decimal("0.02"), True)
    assert rows[4]["triggers"]["status"] == "untriggered"
    assert rows[6]["triggers"]["status"] == "triggered"


def test_without_order_status_only_openings_endings_and_trades_come() -> None:
    bench = Bench()
    stream = subscribed(bench, order_status=False)
    bench.market()
    assert [kind for kind, _ in story(stream)] == ["new", "trade", "filled"]


@pytest.mark.parametrize(("exec_type", "left"), [("trade", 3), ("filled", 3), ("canceled", 4)])
def test_an_event_of_one_kind_may_be_missing(exec_type: str, left: int) -> None:
    bench = Bench()
    stream = subscribed(bench)
    bench.impair("missing_event", channel="executions", exec_type=exec_type)
    bench.market()
    assert len(story(stream)) == left
    assert exec_type not in [kind for kind, _ in story(stream)] or exec_type == "canceled"
    assert [frame["sequence"] for frame in stream.of("executions")] == list(range(1, left + 2))


def test_orders_of_every_account_come_with_their_user() -> None:
    bench = Bench(profile="many")
    stream = subscribed(bench, users="all")
    sub = next(c for c in bench.sim.credentials() if c["account"] == "sub1")
    bench.call("AddOrder", ordertype="market", type="buy", volume="0.01", pair="XBTUSD", credential=sub)
    rows = stream.rows("executions")
    assert len(rows) == 4
    assert {row["user"] for row in rows} == {bench.call("GetApiKeyInfo", credential=sub, nonce=2**60)["iban"]}
