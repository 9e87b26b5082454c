"""
Lists of orders and fills.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/list-orders,
.../orders/list-fills.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.coinbase.bench import Bench


def listed(bench: Bench, **query: Any) -> list[str]:
    return [row["order_id"] for row in bench.get("orders/historical/batch", **query)["orders"]]


class Traded:
    """A portfolio with an order of each kind, a second apart."""

    def __init__(self, **settings: Any) -> None:
        self.bench = bench = Bench(**settings)
        self.open = bench.limit()
        bench.pass_time(1)
        self.filled = bench.market()
        bench.pass_time(1)
        self.cancelled = bench.limit("SELL", "0.1", "50000")
        bench.post("orders/batch_cancel", {"order_ids": [self.cancelled]})
        bench.pass_time(1)
        self.ether = bench.place(bench.body(product="ETH-USDC", market_market_ioc={"base_size": "0.01"}))


def test_answer_has_every_documented_field_and_the_newest_first() -> None:
    traded = Traded()
    answer = traded.bench.get("orders/historical/batch")
    assert set(answer) == {"orders", "sequence", "has_next", "cursor", "proof_token_required"}
    assert listed(traded.bench) == [traded.ether, traded.cancelled, traded.filled, traded.open]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"order_status": "OPEN"}, ["open"]),
        ({"order_status": ["FILLED", "CANCELLED"]}, ["ether", "cancelled", "filled"]),
        ({"product_ids": "ETH-USDC"}, ["ether"]),
        ({"product_ids": ["ETH-USDC", "BTC-USD"], "order_status": "FILLED"}, ["ether", "filled"]),
        ({"order_side": "SELL"}, ["cancelled"]),
        ({"order_types": "MARKET"}, ["ether", "filled"]),
        ({"time_in_forces": "GOOD_UNTIL_CANCELLED"}, ["cancelled", "open"]),
        ({"asset_filters": "ETH"}, ["ether"]),
        ({"product_type": "FUTURE"}, []),
        ({"start_date": "2026-09-21T14:13:22Z"}, ["ether", "cancelled"]),
        ({"end_date": "2026-09-21T14:13:22Z"}, ["filled", "open"]),
        ({"start_date": "2026-09-21T14:13:21Z", "end_date": "2026-09-21T14:13:22Z"}, ["filled"]),
        ({"order_placement_source": "RETAIL_SIMPLE"}, []),
        ({"sort_by": "LIMIT_PRICE", "order_types": "LIMIT"}, ["cancelled", "open"]),
    ],
)
def test_each_filter_picks_what_it_says(query: dict[str, Any], names: list[str]) -> None:
    traded = Traded()
    assert listed(traded.bench, **query) == [getattr(traded, name) for name in names]


def test_order_ids_are_a_filter() -> None:
    traded = Traded()
    assert listed(traded.bench, order_ids=[traded.open, traded.ether]) == [traded.ether, traded.open]


@pytest.mark.parametrize(
    "query", ["order_status=NONSENSE", "sort_by=NONSENSE", "start_date=yesterday", "limit=many", "cursor=@@@"]
)
def test_malformed_filter_is_refused(query: str) -> None:
    code, body = Bench().refused("GET", "orders/historical/batch", query=query)
    assert (code, body["error"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(("can_be", "code"), [(True, 200), (False, 400)])
def test_open_orders_may_have_to_be_listed_alone(can_be: bool, code: int) -> None:
    bench = Bench(can_open_be_combined=can_be)
    query = "order_status=OPEN&order_status=PENDING"
    assert bench.reply("GET", "orders/historical/batch", query=query).status == code
    assert bench.reply("GET", "orders/historical/batch", query="order_status=OPEN").status == 200


def test_pages_of_orders_and_fills_give_each_once() -> None:
    bench = Bench(are_calls_counted=False)
    orders = [bench.market(base_size="0.001") for _ in range(7)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = bench.get("orders/historical/batch", limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [row["order_id"] for row in page["orders"]]
        assert page["has_next"] == bool(page["cursor"])
        cursor = page["cursor"]
        if not cursor:
            break
    assert seen == orders[::-1]
    fills: list[str] = []
    cursor = ""
    while True:
        page = bench.get("orders/historical/fills", limit=3, **({"cursor": cursor} if cursor else {}))
        fills += [row["order_id"] for row in page["fills"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert fills == orders[::-1]


def test_page_is_never_larger_than_the_largest() -> None:
    bench = Bench(largest_page=2)
    for _ in range(3):
        bench.limit()
    assert len(bench.get("orders/historical/batch", limit=100)["orders"]) == 2


def test_orders_of_the_app_are_hidden_unless_asked_for_and_hold_funds_all_the_same() -> None:
    bench = Bench()
    bench.happen("external_order", pair="BTC-USD", side="buy", quantity="0.01", price="39000", source="RETAIL_SIMPLE")
    assert listed(bench) == []
    assert len(listed(bench, order_placement_source="RETAIL_SIMPLE")) == 1
    assert bench.figures("USD")[1] == "390.975"


@pytest.mark.parametrize(
    ("query", "count"),
    [({}, 2), ({"product_ids": "ETH-USDC"}, 1), ({"product_id": "BTC-USD"}, 1), ({"order_ids": "nobody"}, 0)],
)
def test_fills_can_be_filtered(query: dict[str, str], count: int) -> None:
    assert len(Traded().bench.get("orders/historical/fills", **query)["fills"]) == count


def test_fills_are_listed_by_time_and_identity() -> None:
    traded = Traded()
    rows = traded.bench.get("orders/historical/fills")["fills"]
    assert [row["order_id"] for row in rows] == [traded.ether, traded.filled]
    since = traded.bench.get("orders/historical/fills", start_sequence_timestamp="2026-09-21T14:13:23Z")["fills"]
    assert [row["order_id"] for row in since] == [traded.ether]
    named = traded.bench.get("orders/historical/fills", trade_ids=rows[1]["trade_id"])["fills"]
    assert named == [rows[1]]
    by_price = traded.bench.get("orders/historical/fills", sort_by="PRICE")["fills"]
    assert [Decimal(row["price"]) for row in by_price] == sorted((Decimal(row["price"]) for row in rows), reverse=True)


@pytest.mark.parametrize("kind", ["CORRECTION", "REVERSAL", "SYNTHETIC"])
def test_rows_that_are_no_fills_may_stand_beside_them(kind: str) -> None:
    rows = Traded(odd_fills=kind).bench.get("orders/historical/fills")["fills"]
    assert [row["trade_type"] for row in rows] == ["FILL", kind] * 2
    assert len({row["entry_id"] for row in rows}) == 4


def test_fill_has_the_documented_fields() -> None:
    traded = Traded()
    row = traded.bench.get("orders/historical/fills", order_ids=traded.filled)["fills"][0]
    assert {
        "entry_id",
        "trade_id",
        "order_id",
        "trade_time",
        "trade_type",
        "price",
        "size",
        "commission",
        "product_id",
        "sequence_timestamp",
        "liquidity_indicator",
        "size_in_quote",
        "user_id",
        "side",
        "retail_portfolio_id",
    } <= set(row)
    assert (row["trade_type"], row["liquidity_indicator"], row["side"]) == ("FILL", "TAKER", "BUY")


def test_order_of_another_portfolio_is_not_found() -> None:
    bench = Bench(profile="many")
    order = bench.limit(size="0.001")
    reply = bench.reply("GET", f"orders/historical/{order}", credential=bench.sim.credentials()[1])
    assert reply.status == 404
