"""
Order entry over REST.

Sources (checked 2026-11-20): https://docs.kraken.com/api-reference/trading/add-order,
https://docs.kraken.com/api-reference/trading/amend-order,
https://docs.kraken.com/api-reference/trading/cancel-all-orders-after-x,
https://docs.kraken.com/exchange/guides/general/errors.
"""

from __future__ import annotations

import re
import uuid
from decimal import Decimal
from typing import Any

import pytest

from holdfast.simulators.kraken.render import rfc3339
from tests.simulators.kraken.bench import Bench

LIMIT = {"ordertype": "limit", "type": "buy", "volume": "0.01", "pair": "XBTUSD", "price": "39000"}


def uncounted(**settings: Any) -> Bench:
    return Bench(are_calls_counted=False, **settings)


class TestPlacing:
    def test_answer_describes_the_order_and_names_it(self) -> None:
        result = Bench().call("AddOrder", **{**LIMIT, "price": "39000.0"})
        assert result["descr"] == {"order": "buy 0.01000000 XBTUSD @ limit 39000.0"}
        (txid,) = result["txid"]
        assert re.fullmatch(r"O[A-Z2-7]{5}-[A-Z2-7]{5}-[A-Z2-7]{6}", txid)

    @pytest.mark.parametrize("pair", ["XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD"])
    def test_pair_may_be_spelled_in_every_documented_way(self, pair: str) -> None:
        bench = Bench()
        bench.call("AddOrder", **{**LIMIT, "pair": pair})
        (row,) = bench.call("OpenOrders")["open"].values()
        assert row["descr"]["pair"] == "XBTUSD"

    def test_open_order_has_the_documented_fields(self) -> None:
        bench = Bench()
        txid = bench.limit(cl_ord_id="acct-000123")
        row = bench.call("OpenOrders")["open"][txid]
        opened = Decimal(bench.clock.wall_us()) / 1_000_000
        assert row == {
            "refid": None,
            "userref": 0,
            "cl_ord_id": "acct-000123",
            "status": "open",
            "opentm": opened,
            "starttm": 0,
            "expiretm": 0,
            "descr": {
                "pair": "XBTUSD",
                "type": "buy",
                "ordertype": "limit",
                "price": "39000.0",
                "price2": "0",
                "leverage": "none",
                "order": "buy 0.01000000 XBTUSD @ limit 39000.0",
                "close": "",
            },
            "vol": "0.01000000",
            "vol_exec": "0.00000000",
            "cost": "0.00000",
            "fee": "0.00000",
            "price": "0.0",
            "stopprice": "0.00000",
            "limitprice": "0.00000",
            "trigger": "last",
            "margin": False,
            "misc": "",
            "oflags": "fciq",
        }

    def test_market_buy_is_filled_at_once_and_pays_its_fee_in_quote(self) -> None:
        bench = Bench()
        txid = bench.market("buy", "0.01")
        row = bench.call("QueryOrders", txid=txid)[txid]
        assert (row["status"], row["vol_exec"], row["oflags"]) == ("closed", "0.01000000", "fciq")
        assert row["closetm"] == row["opentm"]
        cost, fee = Decimal(row["cost"]), Decimal(row["fee"])
        assert fee == (cost * Decimal("0.0024")).quantize(Decimal("0.0001"), rounding="ROUND_DOWN")
        truth = bench.truth()
        assert Decimal(truth["USD"]["total"]) == 10_000 - cost - fee
        assert truth["BTC"] == {"total": "0.41", "held": "0", "available": "0.41"}

    def test_sell_prefers_its_fee_in_base_and_falls_back_to_quote(self) -> None:
        bench = Bench()
        txid = bench.market("sell", "0.1")
        assert bench.call("QueryOrders", txid=txid)[txid]["oflags"] == "fcib"
        assert bench.truth()["BTC"]["total"] == "0.29976"  # 0.24 % of 0.1 in base.
        bench.market("sell", "0.29976")
        assert bench.truth()["BTC"]["total"] == "0"
        (newest, *_) = bench.call("Ledgers", asset="ZUSD")["ledger"].values()
        assert Decimal(newest["fee"]) > 0

    def test_sell_fee_default_may_be_quote(self) -> None:
        bench = Bench(sell_fee_default="fciq")
        bench.market("sell", "0.1")
        assert bench.truth()["BTC"]["total"] == "0.3"

    def test_large_market_order_walks_the_book(self) -> None:
        bench = Bench()
        txid = bench.market("sell", "0.4")
        trades = bench.call("TradesHistory")["trades"].values()
        assert len({trade["price"] for trade in trades}) > 1
        assert sum(Decimal(trade["vol"]) for trade in trades) == Decimal("0.4")
        assert all(trade["ordertxid"] == txid for trade in trades)

    def test_volume_in_quote_spends_at_most_that(self) -> None:
        bench = Bench()
        txid = bench.market("buy", "100", oflags="viqc")
        row = bench.call("QueryOrders", txid=txid)[txid]
        assert row["status"] == "closed"
        assert row["oflags"] == "fciq,viqc"
        assert Decimal("99.99") < Decimal(row["cost"]) <= 100

    @pytest.mark.parametrize("pair", ["XDGUSD", "XBTUSD", "ETHXBT"])
    def test_volume_in_quote_ends_at_any_price(self, pair: str) -> None:
        bench = Bench()
        volume = "0.01" if pair == "ETHXBT" else "10.0001"
        (txid,) = bench.call("AddOrder", ordertype="market", type="buy", volume=volume, pair=pair, oflags="viqc")[
            "txid"
        ]
        row = bench.call("QueryOrders", txid=txid)[txid]
        assert row["status"] == "closed"
        assert Decimal(volume) * Decimal("0.999") < Decimal(row["cost"]) <= Decimal(volume)

    def test_ioc_takes_what_it_gets_and_cancels_the_rest(self) -> None:
        bench = Bench()
        ask = bench.look("Depth", "pair=XBTUSD&count=1")["XXBTZUSD"]["asks"][0]
        txid = bench.limit("buy", "0.2", ask[0], timeinforce="IOC")
        row = bench.call("QueryOrders", txid=txid)[txid]
        assert row["status"] == "canceled"
        assert row["misc"] == "partial"
        assert Decimal(0) < Decimal(row["vol_exec"]) < Decimal("0.2")
        assert bench.truth()["USD"]["held"] == "0"

    def test_fok_takes_everything_or_nothing(self) -> None:
        bench = Bench()
        ask = bench.look("Depth", "pair=XBTUSD&count=1")["XXBTZUSD"]["asks"][0]
        nothing = bench.limit("buy", "0.2", ask[0], timeinforce="FOK")
        assert bench.call("QueryOrders", txid=nothing)[nothing]["vol_exec"] == "0.00000000"
        everything = bench.limit("buy", "0.2", "41000", timeinforce="FOK")
        assert bench.call("QueryOrders", txid=everything)[everything]["status"] == "closed"

    def test_post_only_that_would_take_is_accepted_and_cancelled(self) -> None:
        bench = Bench()
        txid = bench.limit("buy", "0.01", "41000", oflags="post")
        row = bench.call("ClosedOrders")["closed"][txid]
        assert (row["status"], row["reason"], row["vol_exec"]) == ("canceled", "Post only order", "0.00000000")
        resting = bench.limit("buy", "0.01", "39000", oflags="post")
        assert bench.call("OpenOrders")["open"][resting]["oflags"] == "fciq,post"

    def test_post_only_that_would_take_may_be_refused(self) -> None:
        bench = Bench(is_crossing_post_only_an_error=True)
        assert bench.error("AddOrder", **{**LIMIT, "price": "41000", "oflags": "post"}) == "EOrder:Post only order"

    def test_resting_order_fills_as_maker_when_the_price_reaches_it(self) -> None:
        bench = Bench()
        txid = bench.limit("buy", "0.01", "39000")
        bench.happen("market_price", pair="BTC-USD", price="39010")
        assert bench.call("OpenOrders")["open"]
        bench.happen("market_price", pair="BTC-USD", price="38900")
        (trade,) = bench.call("TradesHistory")["trades"].values()
        assert (trade["maker"], trade["price"], trade["ordertxid"]) == (True, "39000.0", txid)
        assert trade["fee"] == "0.54600"  # 390 at the maker rate of 0.14 %.
        assert bench.truth()["USD"] == {"total": "9609.454", "held": "0", "available": "9609.454"}

    def test_partial_fill_lowers_the_hold_by_its_part(self) -> None:
        bench = Bench()
        txid = bench.limit("buy", "0.01", "39000")
        bench.happen("fill", order=txid, quantity="0.0025")
        row = bench.call("OpenOrders", trades="true")["open"][txid]
        assert (row["vol_exec"], row["cost"], row["price"]) == ("0.00250000", "97.50000", "39000.0")
        assert len(row["trades"]) == 1
        assert bench.call("BalanceEx")["ZUSD"]["hold_trade"] == "293.2020"

    @pytest.mark.parametrize(
        ("kind", "side", "price", "reached"),
        [
            ("stop-loss", "sell", "39000", "38990"),
            ("stop-loss", "buy", "41000", "41010"),
            ("take-profit", "sell", "41000", "41010"),
            ("take-profit", "buy", "39000", "38990"),
        ],
    )
    def test_triggered_order_waits_for_its_price(self, kind: str, side: str, price: str, reached: str) -> None:
        bench = Bench()
        (txid,) = bench.call("AddOrder", ordertype=kind, type=side, volume="0.01", pair="XBTUSD", price=price)["txid"]
        row = bench.call("OpenOrders")["open"][txid]
        assert row["stopprice"] == f"{price}.00000"
        assert row["descr"]["order"] == f"{side} 0.01000000 XBTUSD @ {kind.replace('-', ' ')} {price}.0"
        bench.happen("market_price", pair="BTC-USD", price="40005")
        assert txid in bench.call("OpenOrders")["open"]
        bench.happen("market_price", pair="BTC-USD", price=reached)
        row = bench.call("ClosedOrders")["closed"][txid]
        assert row["status"] == "closed"
        assert row["misc"] in ("stopped", "touched")

    def test_triggered_limit_order_rests_once_it_is_set_off(self) -> None:
        bench = Bench()
        fields = {"ordertype": "stop-loss-limit", "type": "sell", "volume": "0.01", "pair": "XBTUSD"}
        (txid,) = bench.call("AddOrder", **fields, price="39000", price2="39500")["txid"]
        assert bench.call("OpenOrders")["open"][txid]["descr"]["order"] == (
            "sell 0.01000000 XBTUSD @ stop loss 39000.0 -> limit 39500.0"
        )
        bench.happen("market_price", pair="BTC-USD", price="38990")
        bids = bench.look("Depth", "pair=XBTUSD&count=500")["XXBTZUSD"]["asks"]
        assert ["39500.0", "0.010", bids[-1][2]] in bids
        bench.happen("market_price", pair="BTC-USD", price="39600")
        assert bench.call("ClosedOrders")["closed"][txid]["price"] == "39500.0"

    @pytest.mark.parametrize(("holds", "held"), [(True, "411"), (False, "0")])
    def test_untriggered_stop_holds_funds_or_not(self, holds: bool, held: str) -> None:
        bench = Bench(do_untriggered_stops_hold=holds, does_hold_include_fee=False)
        bench.call("AddOrder", ordertype="stop-loss", type="buy", volume="0.01", pair="XBTUSD", price="41100")
        assert bench.truth()["USD"]["held"] == held

    def test_stop_without_hold_is_cancelled_when_the_money_is_gone(self) -> None:
        bench = Bench(do_untriggered_stops_hold=False)
        (txid,) = bench.call("AddOrder", ordertype="stop-loss", type="buy", volume="0.2", pair="XBTUSD", price="41100")[
            "txid"
        ]
        bench.happen("withdrawal", asset="USD", amount="9000")
        bench.happen("market_price", pair="BTC-USD", price="41200")
        row = bench.call("ClosedOrders")["closed"][txid]
        assert (row["status"], row["reason"]) == ("canceled", "Insufficient funds")

    def test_relative_prices_count_from_the_last_trade(self) -> None:
        bench = Bench()
        for price, shown in (("-1000", "39000.0"), ("#2.5%", "39000.0"), ("+1%", "40400.0")):
            result = bench.call("AddOrder", **{**LIMIT, "price": price, "volume": "0.0001"}, oflags="post")
            assert result["descr"]["order"].endswith(shown)

    def test_gtd_order_expires(self) -> None:
        bench = Bench()
        txid = bench.limit(timeinforce="GTD", expiretm="+60")
        bench.pass_time(59)
        assert txid in bench.call("OpenOrders")["open"]
        bench.pass_time(2)
        assert bench.call("ClosedOrders")["closed"][txid]["status"] == "expired"
        assert bench.truth()["USD"]["held"] == "0"

    def test_scheduled_order_is_pending_until_its_time_and_holds_meanwhile(self) -> None:
        bench = Bench()
        txid = bench.limit(starttm="+30")
        assert bench.call("OpenOrders")["open"][txid]["status"] == "pending"
        assert bench.truth()["USD"]["held"] == "390.936"
        bench.pass_time(31)
        assert bench.call("OpenOrders")["open"][txid]["status"] == "open"

    def test_iceberg_shows_only_its_display_volume(self) -> None:
        bench = Bench()
        bench.call(
            "AddOrder", ordertype="iceberg", type="buy", volume="0.1", displayvol="0.01", pair="XBTUSD", price="39999"
        )
        (best, *_) = bench.look("Depth", "pair=XBTUSD&count=1")["XXBTZUSD"]["bids"]
        assert best[:2] == ["39999.0", "0.010"]

    @pytest.mark.parametrize(
        ("mode", "newer", "older"),
        [
            ("cancel-newest", "canceled", "open"),
            ("cancel-oldest", "open", "canceled"),
            ("cancel-both", "canceled", "canceled"),
        ],
    )
    def test_own_orders_never_trade_with_each_other(self, mode: str, newer: str, older: str) -> None:
        bench = Bench()
        first = bench.limit("buy", "0.01", "39999.9")
        second = bench.limit("sell", "0.01", "39999.9", stptype=mode)
        rows = {**bench.call("OpenOrders")["open"], **bench.call("ClosedOrders")["closed"]}
        assert (rows[second]["status"], rows[first]["status"]) == (newer, older)
        assert bench.call("TradesHistory")["count"] == 0

    def test_two_accounts_do_trade_with_each_other(self) -> None:
        bench = Bench(profile="many")
        sub = next(c for c in bench.sim.credentials() if c["account"] == "sub1")
        txid = bench.limit("buy", "0.01", "39999.9")
        bench.call(
            "AddOrder",
            **{**LIMIT, "type": "sell", "price": "39990"},
            credential=sub,
        )
        assert bench.call("ClosedOrders")["closed"][txid]["price"] == "39999.9"
        (theirs,) = bench.call("TradesHistory", credential=sub)["trades"].values()
        (ours,) = bench.call("TradesHistory")["trades"].values()
        assert (theirs["type"], theirs["maker"], ours["type"], ours["maker"]) == ("sell", False, "buy", True)
        assert theirs["trade_id"] == ours["trade_id"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"pair": "XBTNOPE"}, "EQuery:Unknown asset pair"),
            ({"pair": ""}, "EQuery:Unknown asset pair"),
            ({"type": "hold"}, "EGeneral:Invalid arguments:type"),
            ({"ordertype": "trailing-stop"}, "EGeneral:Invalid arguments:ordertype"),
            ({"volume": "0"}, "EGeneral:Invalid arguments:volume"),
            ({"volume": "-1"}, "EGeneral:Invalid arguments:volume"),
            ({"volume": "NaN"}, "EGeneral:Invalid arguments:volume"),
            ({"volume": "1e"}, "EGeneral:Invalid arguments:volume"),
            ({"volume": "0.010000001"}, "EGeneral:Invalid arguments:volume"),
            ({"volume": "0.00001"}, "EOrder:Order minimum not met"),
            ({"pair": "ETHXBT", "price": "0.01", "volume": "0.001"}, "EOrder:Cost minimum not met"),
            ({"price": "39000.05"}, "EOrder:Tick size check failed"),
            ({"price": ""}, "EGeneral:Invalid arguments:price"),
            ({"volume": "1"}, "EOrder:Insufficient funds"),
            ({"timeinforce": "NEVER"}, "EGeneral:Invalid arguments:timeinforce"),
            ({"timeinforce": "GTD"}, "EGeneral:Invalid arguments:expiretm"),
            ({"oflags": "post", "timeinforce": "IOC"}, "EGeneral:Invalid arguments:oflags"),
            ({"oflags": "gift"}, "EGeneral:Invalid arguments:oflags"),
            ({"oflags": "viqc"}, "EGeneral:Invalid arguments:viqc"),
            ({"userref": "1", "cl_ord_id": "a"}, "EGeneral:Invalid arguments:cl_ord_id"),
            ({"userref": str(2**31)}, "EGeneral:Invalid arguments:userref"),
            ({"cl_ord_id": "x" * 19}, "EGeneral:Invalid arguments:cl_ord_id"),
            ({"cl_ord_id": "naïve"}, "EGeneral:Invalid arguments:cl_ord_id"),
            ({"leverage": "2:1"}, "EAccount:Invalid permissions"),
            ({"stptype": "none"}, "EGeneral:Invalid arguments:stptype"),
            ({"close[ordertype]": "limit"}, "EGeneral:Invalid arguments:close"),
        ],
    )
    def test_each_reason_has_its_string(self, change: dict[str, str], error: str) -> None:
        bench = Bench()
        assert bench.error("AddOrder", **{**LIMIT, **change}) == error
        assert bench.call("OpenOrders")["open"] == {}
        assert bench.truth()["USD"]["held"] == "0"

    def test_fee_counts_toward_sufficiency(self) -> None:
        bench = Bench()
        # 10,000 of cost alone would fit exactly.
        assert bench.error("AddOrder", **{**LIMIT, "price": "40000", "volume": "0.25"}) == "EOrder:Insufficient funds"
        bench.limit("buy", "0.2494", "40000")

    def test_short_funds_may_be_an_accepted_order_that_is_cancelled(self) -> None:
        bench = Bench(are_short_funds_a_cancel=True)
        txid = bench.limit("buy", "1")
        row = bench.call("ClosedOrders")["closed"][txid]
        assert (row["status"], row["reason"]) == ("canceled", "Insufficient funds")

    @pytest.mark.parametrize(
        ("mode", "error"),
        [
            ("maintenance", "EService:Unavailable"),
            ("cancel_only", "EService:Market in cancel_only mode"),
            ("post_only", "EService:Market in post_only mode"),
            ("limit_only", "EService:Market in limit_only mode"),
        ],
    )
    def test_engine_modes_refuse_a_market_order(self, mode: str, error: str) -> None:
        bench = Bench(do_reads_fail_in_maintenance=False)
        bench.happen("mode", mode=mode)
        assert bench.error("AddOrder", ordertype="market", type="buy", volume="0.01", pair="XBTUSD") == error
        bench.happen("mode", mode="online")
        bench.market()

    def test_modes_let_through_what_they_are_named_after(self) -> None:
        bench = Bench()
        txid = bench.limit()
        bench.happen("mode", mode="cancel_only")
        bench.call("CancelOrder", txid=txid)
        bench.happen("mode", mode="post_only")
        bench.limit(oflags="post")
        bench.happen("mode", mode="limit_only")
        bench.limit()

    def test_one_pair_can_be_closed_alone(self) -> None:
        bench = Bench()
        bench.happen("pair_status", pair="BTC-USD", status="cancel_only")
        assert bench.error("AddOrder", **LIMIT) == "EService:Market in cancel_only mode"
        assert bench.look("AssetPairs", "pair=XBTUSD")["XXBTZUSD"]["status"] == "cancel_only"
        bench.call("AddOrder", **{**LIMIT, "pair": "ETHUSD", "price": "2000", "volume": "0.1"})

    def test_maintenance_refuses_cancels_too(self) -> None:
        bench = Bench(do_reads_fail_in_maintenance=False)
        txid = bench.limit()
        bench.happen("mode", mode="maintenance")
        assert bench.error("CancelOrder", txid=txid) == "EService:Unavailable"
        assert bench.error("CancelAll") == "EService:Unavailable"
        assert txid in bench.call("OpenOrders")["open"]

    def test_maintenance_may_refuse_every_signed_call(self) -> None:
        bench = Bench()
        bench.happen("mode", mode="maintenance")
        assert bench.error("Balance") == "EService:Unavailable"
        assert bench.look("SystemStatus")["status"] == "maintenance"

    def test_deadline_that_has_passed_keeps_the_order_out(self) -> None:
        bench = Bench()
        late = rfc3339(bench.clock.wall_us() - 1)
        assert bench.error("AddOrder", **LIMIT, deadline=late) == "EService:Deadline elapsed"
        assert bench.call("OpenOrders")["open"] == {}

    @pytest.mark.parametrize(("ahead_s", "passes"), [(0.4, False), (0.6, True), (59, True), (61, False)])
    def test_deadline_has_to_lie_within_bounds(self, ahead_s: float, passes: bool) -> None:
        bench = Bench()
        deadline = rfc3339(bench.clock.wall_us() + round(ahead_s * 1_000_000))
        error = bench.envelope("AddOrder", **LIMIT, deadline=deadline)["error"]
        assert error == ([] if passes else ["EGeneral:Invalid arguments:deadline"])

    def test_client_order_id_is_unique_among_open_orders_only(self) -> None:
        bench = Bench()
        name = str(uuid.UUID(int=7))
        txid = bench.limit(cl_ord_id=name)
        assert bench.error("AddOrder", **LIMIT, cl_ord_id=name) == "EOrder:Invalid order"
        bench.call("CancelOrder", cl_ord_id=name)
        again = bench.limit(cl_ord_id=name.replace("-", ""))
        once_more = bench.limit(cl_ord_id=name)
        assert len({txid, again, once_more}) == 3

    def test_user_references_may_repeat(self) -> None:
        bench = Bench()
        bench.limit(userref="42")
        bench.limit(userref="42")
        assert len(bench.call("OpenOrders", userref="42")["open"]) == 2
        assert bench.call("CancelOrder", txid="42")["count"] == 2


class TestValidate:
    def test_validated_order_has_no_txid_and_does_nothing(self) -> None:
        bench = Bench()
        result = bench.call("AddOrder", **LIMIT, validate="true")
        assert result == {"descr": {"order": "buy 0.01000000 XBTUSD @ limit 39000.0"}}
        assert bench.call("OpenOrders")["open"] == {}

    def test_validate_checks_the_rules(self) -> None:
        assert Bench().error("AddOrder", **{**LIMIT, "volume": "0.00001"}, validate="true") == (
            "EOrder:Order minimum not met"
        )

    @pytest.mark.parametrize("checks", [True, False])
    def test_validate_checks_funds_or_not(self, checks: bool) -> None:
        bench = Bench(does_validate_check_funds=checks)
        error = bench.envelope("AddOrder", **{**LIMIT, "volume": "99"}, validate="true")["error"]
        assert error == (["EOrder:Insufficient funds"] if checks else [])

    @pytest.mark.parametrize("is_true", [True, False])
    def test_validate_false_in_a_form_may_count_as_true(self, is_true: bool) -> None:
        bench = Bench(is_validate_false_true=is_true)
        bench.call("AddOrder", **LIMIT, validate="false")
        assert len(bench.call("OpenOrders")["open"]) == (0 if is_true else 1)


class TestChanging:
    def test_amend_keeps_the_ids_and_moves_the_hold(self) -> None:
        bench = Bench()
        txid = bench.limit(cl_ord_id="a")
        result = bench.call("AmendOrder", cl_ord_id="a", order_qty="0.02", limit_price="38000")
        assert list(result) == ["amend_id"]
        row = bench.call("OpenOrders")["open"][txid]
        assert (row["vol"], row["cl_ord_id"], row["misc"]) == ("0.02000000", "a", "amended")
        assert bench.truth()["USD"]["held"] == "761.824"

    def test_amend_that_cannot_be_funded_changes_nothing(self) -> None:
        bench = Bench()
        txid = bench.limit()
        assert bench.error("AmendOrder", txid=txid, order_qty="1") == "EOrder:Insufficient funds"
        assert bench.call("OpenOrders")["open"][txid]["vol"] == "0.01000000"
        assert bench.truth()["USD"]["held"] == "390.936"

    def test_amend_below_what_is_filled_cancels_the_rest(self) -> None:
        bench = Bench()
        txid = bench.limit()
        bench.happen("fill", order=txid, quantity="0.004")
        bench.call("AmendOrder", txid=txid, order_qty="0.003")
        row = bench.call("ClosedOrders")["closed"][txid]
        assert (row["status"], row["vol_exec"]) == ("canceled", "0.00400000")

    def test_amend_to_a_price_that_crosses_trades(self) -> None:
        bench = Bench()
        txid = bench.limit()
        bench.call("AmendOrder", txid=txid, limit_price="40100")
        assert bench.call("ClosedOrders")["closed"][txid]["status"] == "closed"

    def test_post_only_amend_that_would_cross_is_refused(self) -> None:
        bench = Bench()
        txid = bench.limit()
        error = bench.error("AmendOrder", txid=txid, limit_price="40100", post_only="true")
        assert error == "EOrder:Post only order"
        assert txid in bench.call("OpenOrders")["open"]

    def test_amend_of_an_unknown_order_is_refused(self) -> None:
        assert Bench().error("AmendOrder", txid="OXXXXX-XXXXX-XXXXXX", order_qty="1") == "EOrder:Unknown order"

    def test_amend_moves_the_trigger_of_a_stop_until_it_is_set_off(self) -> None:
        bench = Bench()
        fields = {"ordertype": "stop-loss-limit", "type": "sell", "volume": "0.01", "pair": "XBTUSD"}
        (txid,) = bench.call("AddOrder", **fields, price="39000", price2="39900")["txid"]
        bench.call("AmendOrder", txid=txid, trigger_price="39500")
        assert bench.call("OpenOrders")["open"][txid]["stopprice"] == "39500.00000"
        bench.happen("market_price", pair="BTC-USD", price="39400")
        assert bench.error("AmendOrder", txid=txid, trigger_price="39000") == "EOrder:Invalid order"

    @pytest.mark.parametrize("change", [{"limit_price": "39000"}, {"trigger_price": "x"}, {"order_qty": "0"}])
    def test_amend_of_what_an_order_does_not_have_is_refused(self, change: dict[str, str]) -> None:
        bench = Bench()
        (txid,) = bench.call(
            "AddOrder", ordertype="stop-loss", type="sell", volume="0.01", pair="XBTUSD", price="39000"
        )["txid"]
        assert bench.error("AmendOrder", txid=txid, **change).startswith(("EOrder:Invalid", "EGeneral:Invalid"))

    def test_edit_of_a_stop_changes_both_its_prices(self) -> None:
        bench = Bench()
        fields = {"ordertype": "stop-loss-limit", "type": "sell", "volume": "0.01", "pair": "XBTUSD"}
        (txid,) = bench.call("AddOrder", **fields, price="39000", price2="38900")["txid"]
        result = bench.call("EditOrder", txid=txid, pair="XBTUSD", price="38500", price2="38400")
        assert result["descr"]["order"] == "sell 0.01000000 XBTUSD @ stop loss 38500.0 -> limit 38400.0"
        row = bench.call("OpenOrders")["open"][result["txid"]]
        assert (row["stopprice"], row["limitprice"]) == ("38500.00000", "38400.00000")

    def test_validated_edit_changes_nothing(self) -> None:
        bench = Bench()
        txid = bench.limit()
        result = bench.call("EditOrder", txid=txid, pair="XBTUSD", volume="0.02", validate="true")
        assert (result["orders_cancelled"], "txid" in result) == (0, False)
        assert list(bench.call("OpenOrders")["open"]) == [txid]

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"volume": "9"}, "EOrder:Insufficient funds"),
            ({"pair": "ETHUSD"}, "EQuery:Unknown asset pair"),
            ({"price": "39000.05"}, "EOrder:Tick size check failed"),
            ({"userref": "x"}, "EGeneral:Invalid arguments:userref"),
        ],
    )
    def test_edit_that_is_refused_leaves_the_order_as_it_was(self, change: dict[str, str], error: str) -> None:
        bench = Bench()
        txid = bench.limit()
        assert bench.error("EditOrder", **{"txid": txid, "pair": "XBTUSD", **change}) == error
        assert list(bench.call("OpenOrders")["open"]) == [txid]
        assert bench.truth()["USD"]["held"] == "390.936"

    def test_edit_makes_a_new_order_with_a_new_id(self) -> None:
        bench = Bench()
        txid = bench.limit(userref="5")
        result = bench.call("EditOrder", txid=txid, pair="XBTUSD", volume="0.02", price="38000")
        assert (result["status"], result["originaltxid"], result["orders_cancelled"]) == ("ok", txid, 1)
        assert result["descr"]["order"] == "buy 0.02000000 XBTUSD @ limit 38000.0"
        assert list(bench.call("OpenOrders")["open"]) == [result["txid"]]
        assert bench.call("ClosedOrders")["closed"][txid]["status"] == "canceled"

    def test_edit_of_a_partly_filled_order_is_refused(self) -> None:
        bench = Bench()
        txid = bench.limit()
        bench.happen("fill", order=txid, quantity="0.004")
        assert bench.error("EditOrder", txid=txid, pair="XBTUSD", volume="0.02") == "EOrder:Invalid order"


class TestCancelling:
    def test_cancel_answers_with_a_count(self) -> None:
        bench = Bench()
        txid = bench.limit()
        assert bench.call("CancelOrder", txid=txid) == {"count": 1, "pending": False}
        assert bench.truth()["USD"]["held"] == "0"

    @pytest.mark.parametrize("fields", [{"txid": "OXXXXX-XXXXX-XXXXXX"}, {"txid": ""}, {"cl_ord_id": "nobody"}])
    def test_cancel_of_what_is_not_open_is_refused(self, fields: dict[str, str]) -> None:
        assert Bench().error("CancelOrder", **fields) == "EOrder:Unknown order"

    def test_filled_order_is_unknown_to_cancel(self) -> None:
        bench = Bench()
        assert bench.error("CancelOrder", txid=bench.market()) == "EOrder:Unknown order"

    def test_cancel_may_be_pending_for_a_moment(self) -> None:
        bench = Bench(cancel_pending_s=0.2)
        txid = bench.limit()
        assert bench.call("CancelOrder", txid=txid) == {"count": 1, "pending": True}
        assert txid in bench.call("OpenOrders")["open"]
        assert bench.error("CancelOrder", txid=txid) == "EOrder:Cancel pending"
        bench.pass_time(0.3)
        assert bench.call("ClosedOrders")["closed"][txid]["status"] == "canceled"

    def test_cancel_all_and_batches_count_what_they_cancelled(self) -> None:
        bench = uncounted()
        ids = [bench.limit(cl_ord_id=f"c{number}") for number in range(4)]
        result = bench.call("CancelOrderBatch", as_json=True, orders=[ids[0], "nobody"], cl_ord_ids=["c1"])
        assert result == {"count": 2}
        assert bench.call("CancelAll") == {"count": 2}
        assert bench.call("CancelAll") == {"count": 0}

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"orders": []}, "EGeneral:Invalid arguments:orders"),
            ({"orders": "O"}, "EGeneral:Invalid arguments:orders"),
            ({"orders": ["O"] * 51}, "EGeneral:Invalid arguments:orders"),
            ({"orders": ["nobody", {"txid": "nothing"}]}, "EOrder:Unknown order"),
        ],
    )
    def test_cancel_batch_takes_one_to_fifty_ids(self, fields: dict[str, Any], error: str) -> None:
        assert Bench().error("CancelOrderBatch", as_json=True, **fields) == error

    def test_dead_man_switch_fires_once(self) -> None:
        bench = uncounted()
        result = bench.call("CancelAllOrdersAfter", timeout="60")
        now_us = bench.clock.wall_us()
        assert result == {"currentTime": rfc3339(now_us), "triggerTime": rfc3339(now_us + 60_000_000)}
        bench.limit()
        bench.pass_time(61)
        assert bench.call("OpenOrders")["open"] == {}
        bench.limit()
        bench.pass_time(120)
        assert len(bench.call("OpenOrders")["open"]) == 1

    def test_dead_man_switch_is_put_off_by_every_call_and_off_by_zero(self) -> None:
        bench = uncounted()
        txid = bench.limit()
        for _ in range(5):
            bench.call("CancelAllOrdersAfter", timeout="60")
            bench.pass_time(30)
        assert bench.call("CancelAllOrdersAfter", timeout="0")["triggerTime"] == "0"
        bench.pass_time(600)
        assert txid in bench.call("OpenOrders")["open"]

    def test_dead_man_switch_fires_when_the_engine_returns(self) -> None:
        bench = uncounted(do_reads_fail_in_maintenance=False)
        txid = bench.limit()
        bench.call("CancelAllOrdersAfter", timeout="60")
        bench.happen("mode", mode="maintenance")
        bench.pass_time(300)
        assert txid in bench.call("OpenOrders")["open"]
        bench.happen("mode", mode="online")
        bench.pass_time(2)
        assert bench.call("OpenOrders")["open"] == {}

    @pytest.mark.parametrize("timeout", ["", "-1", "86400", "soon"])
    def test_dead_man_switch_needs_a_time_below_a_day(self, timeout: str) -> None:
        assert Bench().error("CancelAllOrdersAfter", timeout=timeout) == "EGeneral:Invalid arguments:timeout"


class TestBatches:
    def test_batch_places_each_order(self) -> None:
        bench = Bench()
        row = {name: value for name, value in LIMIT.items() if name != "pair"}
        result = bench.call("AddOrderBatch", as_json=True, pair="XBTUSD", orders=[row, {**row, "volume": 0.02}])
        assert [order["descr"]["order"] for order in result["orders"]] == [
            "buy 0.01000000 XBTUSD @ limit 39000.0",
            "buy 0.02000000 XBTUSD @ limit 39000.0",
        ]
        assert {order["txid"] for order in result["orders"]} == set(bench.call("OpenOrders")["open"])

    def test_malformed_order_refuses_the_whole_batch(self) -> None:
        bench = Bench()
        row = {name: value for name, value in LIMIT.items() if name != "pair"}
        error = bench.error("AddOrderBatch", as_json=True, pair="XBTUSD", orders=[row, {**row, "price": "39000.05"}])
        assert error == "EOrder:Tick size check failed"
        assert bench.call("OpenOrders")["open"] == {}

    def test_unfunded_order_refuses_only_itself(self) -> None:
        bench = Bench()
        row = {name: value for name, value in LIMIT.items() if name != "pair"}
        result = bench.call("AddOrderBatch", as_json=True, pair="XBTUSD", orders=[{**row, "volume": "9"}, row])
        assert result["orders"][0] == {"error": "EOrder:Insufficient funds"}
        assert "txid" in result["orders"][1]

    @pytest.mark.parametrize("count", [0, 1, 16])
    def test_batch_has_two_to_fifteen_orders(self, count: int) -> None:
        row = {name: value for name, value in LIMIT.items() if name != "pair"}
        error = Bench().error("AddOrderBatch", as_json=True, pair="XBTUSD", orders=[row] * count)
        assert error == "EGeneral:Invalid arguments:orders"


class TestAmbiguity:
    """An answer may be lost or wrong although the order stands: https://docs.kraken.com/exchange/guides/general/errors."""

    @pytest.mark.parametrize("error", ["EService:Unavailable", "EService:Deadline elapsed", "EGeneral:Internal error"])
    def test_refused_after_it_was_done(self, error: str) -> None:
        bench = Bench()
        bench.impair("refuse", name="AddOrder", error=error, when="after")
        assert bench.error("AddOrder", **LIMIT, cl_ord_id="lost") == error
        assert len(bench.call("OpenOrders", cl_ord_id="lost")["open"]) == 1

    def test_refused_before_anything_happened(self) -> None:
        bench = Bench()
        bench.impair("refuse", name="AddOrder", when="before")
        assert bench.error("AddOrder", **LIMIT) == "EService:Unavailable"
        assert bench.call("OpenOrders")["open"] == {}


class TestMargin:
    def test_leveraged_order_holds_nothing_and_opens_a_position(self) -> None:
        bench = Bench(profile="margin")
        before = bench.truth()["USD"]["total"]
        (txid,) = bench.call("AddOrder", ordertype="market", type="buy", volume="0.2", pair="XBTUSD", leverage="2:1")[
            "txid"
        ]
        assert bench.truth()["BTC"]["total"] == "0.25"
        assert Decimal(before) > Decimal(bench.truth()["USD"]["total"]) > Decimal(before) - 50  # Only the fee.
        (row,) = bench.call("OpenPositions", docalcs="true").values()
        assert (row["ordertxid"], row["type"], row["vol"]) == (txid, "buy", "0.20000000")
        assert "ml" in bench.call("TradeBalance")

    def test_opposite_order_closes_the_position_and_realises_the_profit(self) -> None:
        bench = Bench(profile="margin")
        order = {"ordertype": "market", "volume": "0.2", "pair": "XBTUSD", "leverage": "2"}
        bench.call("AddOrder", **order, type="buy")
        bench.happen("market_price", pair="BTC-USD", price="42000")
        before = Decimal(bench.truth()["USD"]["total"])
        bench.call("AddOrder", **order, type="sell")
        assert bench.call("OpenPositions") == {}
        assert Decimal(bench.truth()["USD"]["total"]) - before > 350
        assert "margin" in {entry["type"] for entry in bench.call("Ledgers")["ledger"].values()}

    def test_resting_leveraged_order_holds_nothing(self) -> None:
        bench = Bench(profile="margin")
        bench.limit(leverage="2:1")
        assert bench.truth()["USD"]["held"] == "0"

    def test_position_beyond_the_equity_is_refused(self) -> None:
        bench = Bench(profile="margin")
        error = bench.error("AddOrder", ordertype="market", type="buy", volume="9", pair="XBTUSD", leverage="2")
        assert error == "EOrder:Margin allowance exceeded"

    def test_larger_opposite_order_closes_and_turns_the_position(self) -> None:
        bench = Bench(profile="margin")
        order = {"ordertype": "market", "pair": "XBTUSD", "leverage": "2"}
        bench.call("AddOrder", **order, type="buy", volume="0.1")
        bench.call("AddOrder", **order, type="sell", volume="0.04")
        (row,) = bench.call("OpenPositions").values()
        assert (row["vol"], row["vol_closed"]) == ("0.10000000", "0.04000000")
        bench.call("AddOrder", **order, type="sell", volume="0.16")
        (row,) = bench.call("OpenPositions").values()
        assert (row["type"], row["vol"]) == ("sell", "0.10000000")

    def test_leverage_the_pair_does_not_have_is_refused(self) -> None:
        bench = Bench(profile="margin")
        assert bench.error("AddOrder", **LIMIT, leverage="50:1") == "EGeneral:Invalid arguments:leverage"
