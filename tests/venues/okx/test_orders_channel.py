"""The orders channel: begun with a list, repeated rows known for what they are, one end to an order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from holdfast.core.balances import OrderChange
from holdfast.errors import AmountError, PayloadError
from holdfast.venues.okx import order_rows, wire
from holdfast.venues.okx.orders_channel import OrdersChannel
from tests.venues.okx.samples import listing, loaded, order

D = Decimal


class Told:
    """A channel and what it said."""

    def __init__(self, *listed: dict[str, Any]) -> None:
        self.channel = OrdersChannel(listing())
        self.standing = self.begin(*listed)

    def begin(self, *listed: dict[str, Any]) -> dict[str, Any]:
        rows = [msgspec.convert(each, wire.Order) for each in listed]
        return self.channel.begin({row.ord_id: order_rows.open_order(row, listing(), "list") for row in rows})

    def row(self, **changes: Any) -> OrderChange | None:
        told = self.rows(order(**changes))
        assert len(told) <= 1
        return told[0] if told else None

    def rows(self, *rows: dict[str, Any]) -> list[OrderChange]:
        return self.channel.changed([msgspec.convert(each, wire.Order) for each in rows], as_of_s=5.0)


def fill(size: str, total: str, trade: str, price: str = "40000", **more: Any) -> dict[str, Any]:
    """A fill of *size*, the sum of which is *total*."""
    return {
        "state": "partially_filled",
        "accFillSz": total,
        "fillSz": size,
        "fillPx": price,
        "tradeId": trade,
        "avgPx": price,
        "fillFee": "-0.4",
        "fillFeeCcy": "USDT",
        **more,
    }


def test_documented_fill_ends_its_order_and_says_what_it_was() -> None:
    told = Told()
    [change] = told.rows(*loaded("ws_orders_filled")["data"])
    assert (change.order_id, change.order, change.reason) == ("452197707845865472", None, "filled")
    assert (change.filled, change.cost) == (D("0.001"), D("31.5271"))
    assert change.fill is not None
    assert (change.fill.fill_id, change.fill.quantity) == ("BTC-USDT:242589207", D("0.001"))
    assert change.fill.fees == (("USDT", D("0.02522168")),)
    assert change.ref is None  # Balances come whole, not in legs.


def test_order_lives_fills_and_ends() -> None:
    told = Told()
    new = told.row(clOrdId="abc")
    assert new is not None
    assert new.order is not None
    assert (new.reason, new.client_order_id, new.order.hold) == ("live", "abc", D("0.01"))
    part = told.row(**fill("0.004", "0.004", "1"))
    assert part is not None
    assert part.order is not None
    assert (part.reason, part.filled, part.cost, part.order.hold) == ("trade", D("0.004"), D(160), D("0.006"))
    last = told.row(**fill("0.006", "0.01", "2", state="filled"))
    assert last is not None
    assert (last.order, last.reason, last.filled, last.cost) == (None, "filled", D("0.01"), D(400))


def test_costs_are_summed_from_fills_where_the_average_is_rounded() -> None:
    told = Told()
    told.row()
    told.row(**fill("0.003", "0.003", "1", "40000.1"))
    last = told.row(**fill("0.003", "0.006", "2", "40000.2", avgPx="40000.2"))
    assert last is not None
    assert last.cost == D("0.003") * D("40000.1") + D("0.003") * D("40000.2")


def test_fill_that_was_missed_is_counted_by_the_average() -> None:
    told = Told()
    told.row()
    last = told.row(**fill("0.003", "0.006", "2", avgPx="40000.5"))
    assert last is not None
    assert last.cost == D("0.006") * D("40000.5")


def test_repeated_row_counts_its_fill_once_even_under_another_time() -> None:
    told = Told()
    told.row()
    told.row(**fill("0.004", "0.004", "1"))
    again = told.row(**fill("0.004", "0.004", "1", uTime="1654084399999"))
    assert again is not None
    assert (again.fill, again.filled, again.cost) == (None, D("0.004"), D(160))
    both = told.rows(order(**fill("0.002", "0.006", "2")), order(**fill("0.002", "0.006", "2")))
    assert [change.fill is None for change in both] == [False, True]


def test_trade_with_oneself_is_a_fill_of_two_orders() -> None:
    told = Told()
    both = told.rows(
        order(ordId="1", **fill("0.004", "0.004", "9")), order(ordId="2", side="buy", **fill("0.004", "0.004", "9"))
    )
    assert all(change.fill is not None for change in both)


def test_row_of_before_is_passed_over_and_the_first_end_is_the_end() -> None:
    told = Told()
    told.row()
    told.row(**fill("0.004", "0.004", "1"))
    assert told.row() is None  # Still live, says a late row.
    ended = told.row(state="canceled", accFillSz="0.004", avgPx="40000", cancelSource="1")
    assert ended is not None
    assert (ended.order, ended.reason, ended.detail) == (None, "canceled", "cancelled by the user")
    for late in ({}, fill("0.006", "0.01", "2", state="filled"), {"state": "canceled"}):
        assert told.row(**late) is None


def test_market_order_may_end_without_naming_a_fill() -> None:
    told = Told()
    ended = told.row(
        ordType="market",
        px="",
        state="filled",
        accFillSz="0.01",
        avgPx="40000",
        fillSz="0",
        tradeId="",
        tgtCcy="base_ccy",
    )
    assert ended is not None
    assert (ended.fill, ended.filled, ended.cost) == (None, D("0.01"), D(400))


def test_state_to_come_is_taken_for_an_open_order() -> None:
    change = Told().row(state="held by a rule to come")
    assert change is not None
    assert change.order is not None


def test_post_only_order_that_would_take_is_only_ever_cancelled() -> None:
    change = Told().row(ordType="post_only", state="canceled", cancelSource="31")
    assert change is not None
    assert (change.order, change.filled, change.detail) == (None, D(0), "post only: it would have taken")


def test_list_begins_it_and_what_ended_meanwhile_is_left_out() -> None:
    told = Told(order(ordId="1"), order(ordId="2", accFillSz="0.004", avgPx="40000"))
    assert set(told.standing) == {"1", "2"}
    change = told.row(ordId="2", **fill("0.001", "0.005", "7"))
    assert change is not None
    assert change.cost == D(200)
    told.row(ordId="1", state="canceled")
    # A list that lags still has it.
    assert set(told.begin(order(ordId="1"), order(ordId="2", accFillSz="0.005", avgPx="40000"))) == {"2"}


def test_orders_of_other_kinds_are_none_of_ours() -> None:
    assert Told().row(instType="SWAP", instId="BTC-USD-SWAP") is None


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"ordId": ""}, PayloadError),
        ({"side": "both"}, PayloadError),
        ({"sz": "much"}, AmountError),
        ({"accFillSz": "NaN"}, AmountError),
        (fill("-1", "0.004", "1"), PayloadError),
        (fill("0.004", "0.004", "1", fillPx=""), PayloadError),
    ],
)
def test_push_that_cannot_be_believed_changes_nothing(changes: dict[str, Any], kind: type[PayloadError]) -> None:
    told = Told()
    told.row(ordId="1")
    with pytest.raises(kind):
        told.rows(order(ordId="1", **fill("0.004", "0.004", "1")), order(ordId="2") | changes)
    again = told.row(ordId="1", **fill("0.004", "0.004", "1"))
    assert again is not None
    assert again.fill is not None  # Nothing of it was kept.


def test_memory_of_ended_orders_is_bounded() -> None:
    told = Told()
    row = msgspec.convert(order(state="canceled"), wire.Order)
    for number in range(10_050):
        told.channel.changed([msgspec.structs.replace(row, ord_id=str(number))], as_of_s=5.0)
    assert told.row(ordId="10049") is None
    assert told.row(ordId="1") is not None
