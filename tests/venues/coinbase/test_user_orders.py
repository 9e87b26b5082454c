"""The user channel's rows, cumulative and repeated, become changes and fills; each of them once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from holdfast.core.balances import OrderChange
from holdfast.errors import AmountError, PayloadError
from holdfast.venues.coinbase import wire
from holdfast.venues.coinbase.user_orders import Ended, UserOrders
from tests.venues.coinbase.samples import listing, tree

D = Decimal
ROW = tree("ws_user_snapshot")["events"][0]["orders"][0]
FIRST = ROW["order_id"]


def _row(**changes: Any) -> wire.UserOrder:
    return msgspec.convert({**ROW, **changes}, wire.UserOrder)


def _fresh(**changes: Any) -> wire.UserOrder:
    """An order that is new and of which nothing is filled."""
    nothing = {
        "cumulative_quantity": "0",
        "leaves_quantity": "0.01",
        "avg_price": "0",
        "filled_value": "0",
        "total_fees": "0",
        "outstanding_hold_amount": "603.6",
    }
    return _row(**{**nothing, **changes})


def _channel(*rows: wire.UserOrder, ended: Ended | None = None) -> UserOrders:
    channel = UserOrders(listing(), ended or Ended())
    channel.stated(rows, as_of_s=1.0)
    return channel


def _only(changes: list[OrderChange]) -> OrderChange:
    (change,) = changes
    return change


def test_snapshot_states_every_open_order() -> None:
    stated = UserOrders(listing(), Ended()).stated([_row()], as_of_s=5.0)
    order = stated.orders[FIRST]
    assert (stated.read, stated.source.value, stated.as_of_s) == ("user", "stream", 5.0)
    assert (order.symbol, order.side.value, order.order_type, order.client_order_id) == (
        "BTC-USD", "buy", "limit", "6d1b345e2821e2a36d14a9d1e1a6a0ff",
    )  # fmt: skip
    assert (order.quantity, order.filled, order.cost, order.fee) == (D("0.010"), D("0.004"), D(240), D("1.44"))
    assert (order.limit_price, order.hold_asset, order.hold) == (D(60000), "USD", D("362.16"))


def test_row_with_the_fields_that_live_rows_have_is_enough() -> None:
    row = msgspec.convert(tree("ws_user_sparse")["events"][0]["orders"][0], wire.UserOrder)
    (order,) = UserOrders(listing(), Ended()).stated([row], as_of_s=5.0).orders.values()
    # Without a limit price and a hold, the order's value less what is spent: 0.001 at 68 900.5.
    assert (order.quantity, order.hold_asset, order.hold) == (D("0.001"), "USD", D("68.90050000"))


def test_orders_that_are_over_or_no_spot_are_not_stated() -> None:
    rows = [
        _row(),
        _row(order_id="2", status="FILLED"),
        _row(order_id="3", product_type="FUTURE", product_id="BIT-28NOV26-CDE"),
    ]
    assert UserOrders(listing(), Ended()).stated(rows, as_of_s=1.0).orders.keys() == {FIRST}


def test_order_that_moves_between_batches_counts_with_what_is_newer() -> None:
    rows = [_row(), _row(cumulative_quantity="0.002", filled_value="120")]
    stated = UserOrders(listing(), Ended()).stated(rows, as_of_s=1.0)
    assert stated.orders[FIRST].filled == D("0.004")


def test_fill_is_the_difference_to_the_row_before() -> None:
    channel = _channel(_row())
    change = _only(
        channel.changed(
            [_row(cumulative_quantity="0.007", filled_value="420", total_fees="2.52", leaves_quantity="0.003",
                  outstanding_hold_amount="181.08")],
            as_of_s=2.0,
        )
    )  # fmt: skip
    assert change.reason == "trade"
    assert change.ref is None
    assert (change.filled, change.cost) == (D("0.007"), D(420))
    fill = change.fill
    assert fill is not None
    assert (fill.fill_id, fill.quantity, fill.cost, fill.fees) == (
        f"{FIRST}@0.007", D("0.003"), D(180), (("USD", D("1.08")),),
    )  # fmt: skip
    assert change.order is not None
    assert (change.order.hold, change.order.quantity, change.order.fee) == (D("181.08"), D("0.010"), D("2.52"))


def test_order_is_followed_from_pending_to_its_end() -> None:
    channel = _channel()
    rows = [
        _fresh(status="PENDING"),
        _fresh(),
        _row(),
        _row(cumulative_quantity="0.01", filled_value="600", total_fees="3.6", leaves_quantity="0", status="FILLED"),
    ]
    changes = channel.changed(rows, as_of_s=3.0)  # Several rows of one order may share a frame.
    assert [each.reason for each in changes] == ["pending", "open", "trade", "filled"]
    assert [each.fill.quantity if each.fill else None for each in changes] == [None, None, D("0.004"), D("0.006")]
    assert changes[-1].order is None
    assert sum((each.fill.cost for each in changes if each.fill), D(0)) == D(600)


@pytest.mark.parametrize(
    ("status", "reason"),
    [("FILLED", "filled"), ("CANCELLED", "canceled"), ("EXPIRED", "expired"), ("FAILED", "failed")],
)
def test_end_says_how_and_why(status: str, reason: str) -> None:
    change = _only(
        _channel(_row()).changed(
            [
                _row(
                    status=status,
                    leaves_quantity="0",
                    cancel_reason="User requested cancel",
                    outstanding_hold_amount="0",
                )
            ],
            as_of_s=2.0,
        )
    )
    assert (change.reason, change.order, change.detail) == (reason, None, "User requested cancel")
    assert (change.filled, change.fill) == (D("0.004"), None)


def test_first_word_of_an_order_may_be_its_last() -> None:
    change = _only(_channel().changed([_row(status="FILLED")], as_of_s=2.0))
    assert (change.order, change.filled, change.reason) == (None, D("0.004"), "filled")
    assert change.fill is not None
    assert change.fill.quantity == D("0.004")


def test_row_that_says_nothing_newer_is_passed_over() -> None:
    channel = _channel(_row())
    assert channel.changed([_row()], as_of_s=2.0) == []
    for old in (
        _row(cumulative_quantity="0.002", filled_value="120"),
        _row(status="PENDING"),
        _row(status="PENDING", cumulative_quantity="0.01", filled_value="600"),
    ):
        assert channel.changed([old], as_of_s=2.0) == []


def test_order_that_was_told_to_be_over_stays_over_even_on_the_next_connection() -> None:
    ended = Ended()
    _channel(_row(), ended=ended).changed([_row(status="CANCELLED")], as_of_s=2.0)
    later = _channel(_row(), ended=ended)
    assert later.stated([_row()], as_of_s=3.0).orders == {}
    assert later.changed([_row(), _row(status="FILLED", cumulative_quantity="0.01")], as_of_s=3.0) == []


def test_ended_orders_are_remembered_within_bounds() -> None:
    ended = Ended()
    for number in range(6000):
        ended.add(str(number))
    assert "0" not in ended
    assert "5999" in ended


def test_hold_that_moves_without_a_fill_is_a_change() -> None:
    change = _only(_channel(_row()).changed([_row(outstanding_hold_amount="100")], as_of_s=2.0))
    assert change.order is not None
    assert (change.order.hold, change.fill, change.reason) == (D(100), None, "open")


def test_edited_order_has_its_new_size_and_price() -> None:
    change = _only(
        _channel(_row()).changed(
            [_row(limit_price="61000", leaves_quantity="0.016", outstanding_hold_amount="981.856")], as_of_s=2.0
        )
    )
    assert change.order is not None
    assert (change.order.quantity, change.order.limit_price) == (D("0.020"), D(61000))


def test_market_buy_says_no_quantity_because_what_is_left_may_be_quote() -> None:
    row = _fresh(order_type="MARKET", status="PENDING", limit_price="", leaves_quantity="50",
                 outstanding_hold_amount="50.6")  # fmt: skip
    change = _only(_channel().changed([row], as_of_s=2.0))
    assert change.order is not None
    assert (change.order.quantity, change.order.hold) == (None, D("50.6"))


def test_status_and_fields_of_tomorrow_are_tolerated() -> None:
    change = _only(_channel().changed([_fresh(status="HALF_OPEN", mood="good")], as_of_s=2.0))
    assert change.order is not None
    assert change.reason == "half_open"


def test_value_that_is_missing_is_quantity_times_average() -> None:
    change = _only(_channel().changed([_row(filled_value="", total_fees="")], as_of_s=2.0))
    assert change.cost == D(240)
    assert change.fill is not None
    assert change.fill.fees == ()


def test_update_that_makes_no_sense_changes_nothing() -> None:
    for changes, error in (
        ({"order_side": "BOTH"}, PayloadError),
        ({"cumulative_quantity": "much"}, AmountError),
        ({"cumulative_quantity": "0.009", "filled_value": "10"}, PayloadError),
    ):
        channel = _channel(_row())
        good = _row(order_id="2", status="CANCELLED")
        with pytest.raises(error):
            channel.changed([good, _row(**changes)], as_of_s=2.0)
        assert _only(channel.changed([good], as_of_s=2.0)).reason == "canceled"


@pytest.mark.parametrize("field", ["order_id", "product_id", "order_side", "status"])
def test_missing_required_field_is_refused_by_name(field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert({name: value for name, value in ROW.items() if name != field}, wire.UserOrder)
