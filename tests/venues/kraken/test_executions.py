"""What the executions channel says of an order's life: whose it was, what each fill cost, and why it ended."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from holdfast.core.balances import OrderChange, OrderFill
from holdfast.errors import AmountError, PayloadError, UnknownAssetError
from holdfast.venues.kraken.executions import Executions, UnstatedOrderError
from tests.venues.kraken.samples import listing, sample
from tests.venues.kraken.test_frames import NEW, changed, executed, rows

D = Decimal

FILL: dict[str, Any] = {
    "exec_type": "trade",
    "order_status": "partially_filled",
    "exec_id": "T-1",
    "last_qty": 0.5,
    "last_price": 100.0,
    "cost": 50.0,
    "cum_qty": 0.5,
    "cum_cost": 50.0,
    "fees": [{"asset": "USD", "qty": 0.125}],
}


def known(**changes: Any) -> Executions:
    orders = Executions(listing())
    changed(orders, executed(**{**NEW, **changes}))
    return orders


def one(orders: Executions, **fields: Any) -> OrderChange:
    [change] = changed(orders, executed(**fields))
    return change


def test_documented_fill_is_told_whole() -> None:
    # The page's row lacks what the order's first row has said.
    row = msgspec.structs.replace(rows(sample("ws_executions_trade"))[0], order_qty="0.01", limit_price="40000.0")
    [change] = Executions(listing()).changed([row], as_of_s=5.0)
    assert change.fill == OrderFill(
        fill_id="TABCDE-FGHIJ-KLMNOP",
        quantity=D("0.0025"),
        price=D("40000.0"),
        cost=D("100.0"),
        fees=(("USD", D("0.25")),),
    )
    assert (change.ref, change.filled, change.cost) == ("TABCDE-FGHIJ-KLMNOP", D("0.0025"), D("100.0"))
    assert change.order is not None
    assert (change.order.cost, change.order.fee, change.order.hold) == (D("100.0"), D("0.25"), D("300"))


def test_every_change_carries_our_id_and_the_sums_though_its_row_does_not() -> None:
    orders = known()
    for fields in ({"exec_type": "new", "order_status": "new"}, {"exec_type": "status"}, {"exec_type": "restated"}):
        change = one(orders, **fields)
        assert (change.client_order_id, change.filled, change.cost, change.fill) == ("acct-1", D(0), D(0), None)
    change = one(orders, **FILL)
    assert (change.client_order_id, change.filled, change.cost) == ("acct-1", D("0.5"), D("50.0"))


def test_last_fill_leaves_the_order_open_and_the_end_tells_the_sums() -> None:
    orders = known()
    change = one(orders, **{**FILL, "last_qty": 2.0, "cost": 200.0, "cum_qty": 2.0, "cum_cost": 200.0})
    assert change.order is not None
    assert (change.reason, change.order.hold) == ("trade", D(0))
    end = one(orders, exec_type="filled", order_status="filled")
    assert (end.order, end.reason, end.client_order_id, end.filled, end.cost, end.fill, end.detail) == (
        None,
        "filled",
        "acct-1",
        D(2),
        D("200.0"),
        None,
        None,
    )


def test_fill_that_is_called_the_end_is_both() -> None:
    orders = known()
    change = one(orders, **{**FILL, "order_status": "filled", "last_qty": 2.0, "cost": 200.0, "cum_qty": 2.0})
    assert (change.order, change.reason, change.ref) == (None, "filled", "T-1")
    assert change.fill is not None
    assert (change.filled, change.fill.quantity) == (D(2), D(2))
    again = one(orders, exec_type="filled", order_status="filled", cl_ord_id="acct-1", cum_qty=2.0)
    assert (again.order, again.filled, again.client_order_id) == (None, D(2), "acct-1")


def test_order_that_is_cancelled_before_it_is_new_says_why() -> None:
    orders = known(order_id="OABCDE-FGHIJ-KLMNOP", cl_ord_id="6d1b345e2821e2a36d14a9d1e1a6a0ff")
    [change] = changed(orders, sample("ws_executions_canceled"))
    assert (change.order, change.reason, change.detail) == (None, "canceled", "Insufficient funds")
    assert (change.client_order_id, change.filled, change.cost) == ("6d1b345e2821e2a36d14a9d1e1a6a0ff", D(0), D(0))


def test_end_of_an_order_never_stated_tells_what_it_says_itself() -> None:
    orders = Executions(listing())
    [change] = changed(orders, sample("ws_executions_canceled"))
    assert (change.client_order_id, change.filled, change.detail) == (
        "6d1b345e2821e2a36d14a9d1e1a6a0ff",
        D(0),
        "Insufficient funds",
    )
    bare = one(orders, exec_type="expired", order_status="expired")
    assert (bare.order, bare.client_order_id, bare.filled, bare.cost) == (None, None, None, None)


def test_cancelled_after_a_part_keeps_what_was_filled() -> None:
    orders = known()
    one(orders, **FILL)
    end = one(orders, exec_type="canceled", order_status="canceled", cancel_reason="User requested")
    assert (end.filled, end.cost, end.detail) == (D("0.5"), D("50.0"), "User requested")


def test_reason_of_the_venue_is_one_safe_line() -> None:
    end = one(known(), exec_type="canceled", order_status="canceled", reason="a\nb" + "x" * 500)
    assert end.detail is not None
    assert "\n" not in end.detail
    assert len(end.detail) == 160


@pytest.mark.parametrize(
    ("fees", "expected", "fee"),
    [
        ([{"asset": "USD", "qty": 0.125}], (("USD", D("0.125")),), D("0.125")),
        ([{"asset": "USD", "qty": -0.05}], (("USD", D("-0.05")),), D("-0.05")),
        ([{"asset": "BTC", "qty": 0.001}], (("BTC", D("0.001")),), None),
        (
            [{"asset": "BTC", "qty": 0.001}, {"asset": "USD", "qty": 0.1}],
            (("BTC", D("0.001")), ("USD", D("0.1"))),
            None,
        ),
        ([{"asset": "KFEE", "qty": 12.5}], (), None),
        ([], (), None),
        (None, (), None),
    ],
    ids=["quote", "rebate", "base", "both", "credits", "none", "absent"],
)
def test_fees_are_in_the_assets_they_were_charged_in(fees: Any, expected: tuple[Any, ...], fee: Decimal | None) -> None:
    change = one(known(), **{**FILL, "fees": fees})
    assert change.fill is not None
    assert change.order is not None
    assert change.fill.fees == expected
    assert change.order.fee == fee


def test_fee_of_an_order_is_the_sum_of_its_fills_where_each_told_it() -> None:
    orders = known()
    one(orders, **FILL)
    second = {**FILL, "exec_id": "T-2", "cum_qty": 1.0, "cum_cost": 100.0}
    change = one(orders, **second)
    assert change.order is not None
    assert (change.order.fee, change.order.cost) == (D("0.250"), D("100.0"))
    one(orders, **{**second, "exec_id": "T-3", "cum_qty": 1.5, "cum_cost": 150.0, "fees": None})
    change = one(orders, **{**second, "exec_id": "T-4", "cum_qty": 2.0, "cum_cost": 200.0})
    assert change.order is not None
    assert change.order.fee is None


def test_fee_of_an_order_that_was_filled_before_we_knew_it_is_not_told() -> None:
    change = one(Executions(listing()), **{**NEW, "cum_qty": 0.5, "cum_cost": 50.0})
    assert change.order is not None
    assert (change.order.filled, change.order.cost, change.order.fee) == (D("0.5"), D("50.0"), None)


@pytest.mark.parametrize(
    ("missing", "quantity", "cost"),
    [
        ((), "0.5", "50.0"),
        (("cost",), "0.5", "50.00"),
        (("last_qty",), "0.5", "50.0"),
        (("cost", "last_price"), "0.5", "50.0"),
        (("cost", "last_qty"), "0.5", "50.00"),
    ],
)
def test_fill_is_whole_though_its_row_leaves_something_out(missing: tuple[str, ...], quantity: str, cost: str) -> None:
    change = one(known(), **{name: value for name, value in FILL.items() if name not in missing})
    assert change.fill is not None
    assert (change.fill.quantity, change.fill.cost) == (D(quantity), D(cost))


@pytest.mark.parametrize("missing", [("exec_id",), ("last_qty", "cum_qty"), ("cost", "last_price", "cum_cost")])
def test_fill_that_cannot_be_told_is_left_out_and_the_order_still_changes(missing: tuple[str, ...]) -> None:
    change = one(known(), **{name: value for name, value in FILL.items() if name not in missing})
    assert change.fill is None
    assert change.order is not None
    assert change.order.filled == (0 if "cum_qty" in missing else D("0.5"))


def test_fill_without_sums_adds_itself_to_them() -> None:
    orders = known()
    bare = {name: value for name, value in FILL.items() if name not in ("cum_qty", "cum_cost")}
    one(orders, **bare)
    change = one(orders, **bare)
    assert change.order is not None
    assert (change.order.filled, change.order.cost, change.order.fee) == (D(1), D(100), D("0.25"))


@pytest.mark.parametrize(
    "changes",
    [{"last_qty": -0.5}, {"cost": -50.0}, {"last_qty": "NaN"}, {"cost": ""}, {"fees": [{"asset": "USD", "qty": "x"}]}],
)
def test_fill_that_is_none_is_refused_and_changes_nothing(changes: dict[str, Any]) -> None:
    orders = known()
    with pytest.raises((AmountError, PayloadError)):
        one(orders, **{**FILL, **changes})
    assert one(orders, exec_type="status").filled == 0


def test_fee_in_an_asset_that_kraken_does_not_list_is_refused_by_name() -> None:
    with pytest.raises(UnknownAssetError):
        one(known(), **{**FILL, "fees": [{"asset": "NEWCOIN", "qty": 1}]})


def test_order_by_cost_is_counted_in_quote() -> None:
    orders = known(order_type="market", order_qty=None, cash_order_qty=500.0, limit_price=None)
    change = one(orders, **{**FILL, "cost": 499.0, "cum_cost": 499.0})
    assert change.order is not None
    assert (change.order.quantity, change.order.hold, change.order.filled) == (None, D("1.0"), D("0.5"))


def test_change_of_an_order_never_stated_is_refused() -> None:
    with pytest.raises(UnstatedOrderError):
        one(Executions(listing()), **FILL)
