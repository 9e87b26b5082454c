"""The ground truth of orders: what a judge reads, and the behaviours of fills, fees and holds that it has to see."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from holdfast.simulators.core.orders import Change, Fill, Order
from tests.simulators.kraken.bench import Bench

CLIENT_ID = "0123456789abcdef0123456789abcdef"


def orders_of(bench: Bench, account: str = "master") -> list[dict[str, Any]]:
    stated: list[dict[str, Any]] = bench.sim.orders()["accounts"][account]["orders"]
    return stated


def free_of(bench: Bench, asset: str) -> Decimal:
    return bench.sim.free(asset)


class TestEveryOrderEver:
    def test_open_order_states_what_was_asked_and_what_it_claims(self) -> None:
        bench = Bench(does_hold_include_fee=False)
        txid = bench.limit(cl_ord_id=CLIENT_ID)
        (order,) = orders_of(bench)
        assert (order["order_id"], order["client_order_id"], order["status"]) == (txid, CLIENT_ID, "open")
        assert (order["symbol"], order["side"], order["quantity"], order["limit_price"]) == (
            "BTC-USD",
            "buy",
            "0.01",
            "39000",
        )
        assert order["held"] == {"USD": "390.0000"}
        assert order["claimed"] == {"USD": "390.9360"}  # 0.24 % of fee, whatever is shown as held.
        assert order["ended_us"] is None

    def test_filled_order_has_its_fills_fees_and_times(self) -> None:
        bench = Bench()
        bench.pass_time(5)
        txid = bench.market(cl_ord_id=CLIENT_ID)
        (order,) = orders_of(bench)
        (fill,) = order["fills"]
        assert (order["order_id"], order["status"], order["filled"]) == (txid, "closed", "0.01")
        assert order["accepted_us"] == order["ended_us"] == fill["at_us"] == bench.clock.wall_us()
        assert order["cost"] == fill["cost"]
        assert order["fees"] == {fill["fee_asset"]: fill["fee"]}
        assert order["claimed"] == order["held"] == {}

    def test_orders_that_share_a_client_id_are_all_told_in_order_of_arrival(self) -> None:
        bench = Bench()
        first = bench.market(cl_ord_id=CLIENT_ID)
        bench.pass_time(1)
        second = bench.market(cl_ord_id=CLIENT_ID)
        assert [order["order_id"] for order in orders_of(bench)] == [first, second]

    def test_refused_order_is_not_there_and_one_that_is_accepted_and_cancelled_is(self) -> None:
        bench = Bench()
        bench.error("AddOrder", ordertype="market", type="buy", volume="9", pair="XBTUSD")
        assert orders_of(bench) == []
        bench = Bench(are_short_funds_a_cancel=True)
        bench.call("AddOrder", ordertype="market", type="buy", volume="9", pair="XBTUSD")
        (order,) = orders_of(bench)
        assert (order["status"], order["reason"], order["fills"]) == ("canceled", "Insufficient funds", [])

    def test_watcher_is_told_of_orders_and_postings_as_they_happen(self) -> None:
        bench = Bench()
        told: list[tuple[str, str]] = []

        def order_changed(order: Order, change: Change, fill: Fill | None) -> None:
            told.append((change.value, "" if fill is None else fill.order_id))

        bench.sim.watch(orders=order_changed, entries=lambda account, entries: told.append((account.name, "posted")))
        txid = bench.market()
        assert told == [
            ("accepted", ""),
            ("opened", ""),
            ("master", "posted"),
            ("traded", txid),
            ("filled", ""),
        ]

    def test_watcher_is_told_of_refusals_and_not_of_dry_runs(self) -> None:
        bench = Bench()
        told: list[tuple[str | None, str]] = []
        bench.sim.watch(refusals=lambda account, order, text: told.append((order.client_order_id, text)))
        order = {"ordertype": "limit", "type": "buy", "pair": "XBTUSD", "price": "39000"}
        bench.error("AddOrder", **order, volume="0.00001", validate="true", cl_ord_id="dry")
        bench.error("AddOrder", **order, volume="9", cl_ord_id="large")
        assert told == [("large", "EOrder:Insufficient funds")]


class TestFreeFunds:
    def test_claim_of_an_open_order_is_not_free_fee_included(self) -> None:
        bench = Bench(does_hold_include_fee=False)
        assert free_of(bench, "USD") == Decimal(10000)
        bench.limit()
        assert free_of(bench, "USD") == Decimal("9609.064")
        assert bench.truth()["USD"]["available"] == "9610"

    def test_what_is_free_buys_and_a_little_more_does_not(self) -> None:
        bench = Bench()
        bench.limit(volume="0.1")
        # 0.24 % taker fee: the largest notional whose claim fits.
        fits = (free_of(bench, "USD") / Decimal("1.0024")).quantize(Decimal("0.01"), rounding="ROUND_DOWN")
        order = {"ordertype": "market", "type": "buy", "oflags": "viqc", "pair": "XBTUSD"}
        assert bench.error("AddOrder", **order, volume=str(fits + 1)) == "EOrder:Insufficient funds"
        bench.call("AddOrder", **order, volume=str(fits))

    def test_asset_nobody_touched_is_free_at_zero(self) -> None:
        assert free_of(Bench(), "ZRX") == 0


class TestHoldsRoundedUp:
    def test_buy_holds_and_claims_whole_cents(self) -> None:
        bench = Bench(are_holds_rounded_up=True)
        bench.limit(volume="0.01000001", price="39000.1")
        (order,) = orders_of(bench)
        assert order["held"] == order["claimed"] == {"USD": "390.94"}  # 390.9374... to the ledger's four places.

    def test_sell_holds_what_it_sells(self) -> None:
        bench = Bench(are_holds_rounded_up=True)
        bench.limit("sell", volume="0.01000001", price="50000")
        (order,) = orders_of(bench)
        assert order["held"] == {"BTC": "0.01000001"}

    def test_truth_adds_up_once_the_order_is_gone(self) -> None:
        bench = Bench(are_holds_rounded_up=True)
        txid = bench.limit(volume="0.01000001", price="39000.1")
        bench.happen("fill", order=txid, quantity="0.003")
        bench.call("CancelOrder", txid=txid)
        assert bench.truth()["USD"]["held"] == "0"
        assert free_of(bench, "USD") == Decimal(bench.truth()["USD"]["total"])


class TestFillsInParts:
    def test_resting_order_is_filled_part_by_part_as_the_market_stays(self) -> None:
        bench = Bench(resting_fill_parts=3, refill_s=2.0)
        txid = bench.limit(volume="0.01")
        bench.happen("market_price", pair="BTC-USD", price="38000")
        seen = [bench.call("QueryOrders", txid=txid)[txid]["vol_exec"]]
        for _ in range(2):
            bench.pass_time(2)
            seen.append(bench.call("QueryOrders", txid=txid)[txid]["vol_exec"])
        assert seen == ["0.00333334", "0.00666668", "0.01000000"]
        assert orders_of(bench)[0]["status"] == "closed"

    def test_market_that_moves_away_leaves_the_rest_open(self) -> None:
        bench = Bench(resting_fill_parts=3)
        txid = bench.limit(volume="0.01")
        bench.happen("market_price", pair="BTC-USD", price="38000")
        bench.happen("market_price", pair="BTC-USD", price="40000")
        bench.pass_time(10)
        row = bench.call("OpenOrders")["open"][txid]
        assert row["vol_exec"] == "0.00333334"

    def test_one_part_is_the_whole(self) -> None:
        bench = Bench()
        bench.limit(volume="0.01")
        bench.happen("market_price", pair="BTC-USD", price="38000")
        assert orders_of(bench)[0]["status"] == "closed"

    def test_thin_market_fills_a_taker_over_several_levels(self) -> None:
        bench = Bench(liquidity=Decimal("0.01"))
        bench.market(volume="0.01")
        (order,) = orders_of(bench)
        assert order["status"] == "closed"
        assert len(order["fills"]) > 2
        assert len({fill["price"] for fill in order["fills"]}) == len(order["fills"])


class TestFees:
    def test_fee_credits_pay_while_there_are_enough(self) -> None:
        bench = Bench(are_fees_paid_in_credits=True)
        bench.happen("deposit", asset="KFEE", amount="100")
        stream = bench.stream()
        stream.subscribe("executions")
        stream.subscribe("balances")
        stream.clear()
        before = bench.truth()["USD"]["total"]
        bench.market(volume="0.01")
        (order,) = orders_of(bench)
        fee = Decimal(order["fees"]["KFEE"])
        assert Decimal(before) - Decimal(bench.truth()["USD"]["total"]) == Decimal(order["cost"])
        assert Decimal(bench.truth()["KFEE"]["total"]) == 100 - fee
        (trade,) = [row for row in stream.rows("executions") if row["exec_type"] == "trade"]
        assert trade["fees"] == [{"asset": "KFEE", "qty": fee}]
        refs = {row["ref_id"] for row in stream.rows("balances")}
        assert [row["asset"] for row in stream.rows("balances")] == ["USD", "BTC", "KFEE"]
        assert refs == {trade["exec_id"]}
        (row,) = bench.call("TradesHistory")["trades"].values()
        assert Decimal(row["fee"]) == 0
        bench.market(volume="0.01")  # Only a few credits are left: the quote asset pays.
        assert set(orders_of(bench)[1]["fees"]) == {"USD"}

    def test_rebate_is_paid_to_makers_and_takers_pay_as_ever(self) -> None:
        bench = Bench(maker_rebate_percent=Decimal("0.02"))
        txid = bench.limit(volume="0.01", price="39000")
        before = Decimal(bench.truth()["USD"]["total"])
        bench.happen("fill", order=txid)
        assert Decimal(bench.truth()["USD"]["total"]) - before == Decimal("-390") + Decimal("0.078")
        assert orders_of(bench)[0]["fees"] == {"USD": "-0.0780"}
        fees = bench.call("TradeVolume", pair="XBTUSD")
        assert (fees["fees_maker"]["XXBTZUSD"]["fee"], fees["fees"]["XXBTZUSD"]["fee"]) == ("-0.0200", "0.2400")


class TestTheVenueEndsOrders:
    @pytest.mark.parametrize(("expires", "status"), [(False, "canceled"), (True, "expired")])
    def test_order_ends_with_the_reason_given_and_its_claim_is_free(self, expires: bool, status: str) -> None:
        bench = Bench()
        stream = bench.stream()
        stream.subscribe("executions")
        bench.limit(cl_ord_id=CLIENT_ID)
        stream.clear()
        bench.happen("venue_cancel", order=CLIENT_ID, reason="Market suspended", expires=expires)
        (order,) = orders_of(bench)
        assert (order["status"], order["reason"]) == (status, "Market suspended")
        assert free_of(bench, "USD") == Decimal(10000)
        (row,) = stream.rows("executions")
        assert (row["exec_type"], row["reason"]) == (status, "Market suspended")

    def test_without_an_order_all_end(self) -> None:
        bench = Bench()
        bench.limit()
        bench.limit("sell", price="50000")
        assert bench.happen("venue_cancel")["count"] == 2
        assert {order["status"] for order in orders_of(bench)} == {"canceled"}
