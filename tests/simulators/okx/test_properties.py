"""Whatever is asked for in whatever order, the ledger balances and what is shown agrees with it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulators.okx.bench import Bench

SIZES = st.decimals(min_value="0.0001", max_value="0.3", places=4).map(str)
PRICES = st.integers(min_value=30_000, max_value=50_000).map(str)
STEPS = st.one_of(
    st.tuples(st.just("limit"), st.sampled_from(["buy", "sell"]), SIZES, PRICES),
    st.tuples(st.just("post_only"), st.sampled_from(["buy", "sell"]), SIZES, PRICES),
    st.tuples(st.just("ioc"), st.sampled_from(["buy", "sell"]), SIZES, PRICES),
    st.tuples(st.just("market"), st.sampled_from(["buy", "sell"]), SIZES, st.just("")),
    st.tuples(st.just("quote"), st.sampled_from(["buy", "sell"]), st.integers(10, 20_000).map(str), st.just("")),
    st.tuples(st.just("cancel"), st.just(""), st.just(""), st.just("")),
    st.tuples(st.just("move"), st.just(""), st.just(""), PRICES),
    st.tuples(st.just("wait"), st.just(""), st.just(""), st.just("")),
)


def act(bench: Bench, step: tuple[str, str, str, str]) -> None:
    kind, side, size, price = step
    if kind == "cancel":
        for order in bench.sim.open_orders()[:1]:
            bench.post("trade/cancel-order", {"instId": "BTC-USDT", "ordId": order.id})
    elif kind == "move":
        bench.happen("market_price", pair="BTC-USDT", price=price)
    elif kind == "wait":
        bench.pass_time(2.5)
    else:
        wanted: dict[str, Any] = {"side": side, "sz": size, "ordType": kind, "px": price}
        if kind in ("market", "quote"):
            target = "base_ccy" if kind == "market" else "quote_ccy"
            wanted |= {"ordType": "market", "px": None, "tgtCcy": target}
        bench.envelope("POST", "trade/order", bench.order(**wanted))


def check(bench: Bench, pushed: dict[str, dict[str, Any]]) -> None:
    assert bench.get("account/balance")
    truth = bench.truth()
    entries: dict[str, Decimal] = {}
    for bill in reversed(bench.get("account/bills")):
        code = bill["ccy"]
        if code in entries:
            assert entries[code] + Decimal(bill["balChg"]) == Decimal(bill["bal"])
        entries[code] = Decimal(bill["bal"])
    for code, last in entries.items():
        assert last == Decimal(truth[code]["total"])
    held: dict[str, Decimal] = {}
    for order in bench.sim.open_orders():
        assert order.hold_asset is not None
        held[order.hold_asset] = held.get(order.hold_asset, Decimal(0)) + order.hold
    for code, row in truth.items():
        assert Decimal(row["total"]) >= 0
        assert Decimal(row["available"]) >= 0
        assert Decimal(row["held"]) == held.get(code, Decimal(0))
        assert Decimal(row["total"]) == Decimal(row["held"]) + Decimal(row["available"])
        shown = pushed.get(code, {"cashBal": "0", "availBal": "0"})
        assert Decimal(shown["cashBal"]) == Decimal(row["total"])
        assert Decimal(shown["availBal"]) == Decimal(row["available"])


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(STEPS, min_size=1, max_size=12), fee_type=st.sampled_from(["0", "1"]))
def test_ledger_balances_and_the_stream_tells_all_of_it(steps: list[tuple[str, str, str, str]], fee_type: str) -> None:
    bench = Bench(fee_type=fee_type, snapshot_s=0, are_calls_counted=False, book_levels=10)
    stream = bench.stream()
    stream.subscribe("account")
    for step in steps:
        act(bench, step)
    bench.pass_time(0.06)
    pushed: dict[str, dict[str, Any]] = {}
    for frame in stream.of("account"):
        for row in frame["data"][0]["details"]:
            pushed[row["ccy"]] = row
    check(bench, pushed)
