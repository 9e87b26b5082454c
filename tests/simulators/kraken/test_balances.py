"""
``Balance``, ``BalanceEx`` and what stands behind them.

Sources (checked 2026-11-20): https://docs.kraken.com/api-reference/account-data/get-account-balance,
https://docs.kraken.com/api-reference/account-data/get-extended-balance.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.kraken.bench import Bench


def test_balances_are_decimal_strings_with_the_ledgers_places() -> None:
    bench = Bench()
    assert bench.call("Balance") == {
        "ZUSD": "10000.0000",
        "ZEUR": "2500.0000",
        "XXBT": "0.4000000000",
        "XETH": "3.0000000000",
        "SOL": "12.5000000000",
        "USDT": "500.00000000",
        "XXDG": "0.00000000",
    }


def test_untouched_assets_are_absent_and_emptied_ones_are_zero() -> None:
    rows = Bench().call("Balance")
    assert "XXRP" not in rows
    assert rows["XXDG"] == "0.00000000"


def test_extended_balance_states_the_hold_of_an_open_buy_with_its_fee() -> None:
    bench = Bench()
    bench.limit("buy", "0.01", "39000")
    # 390 at the taker rate of 0.24 %.
    assert bench.call("BalanceEx")["ZUSD"] == {"balance": "10000.0000", "hold_trade": "390.9360"}
    assert bench.call("Balance")["ZUSD"] == "10000.0000"


def test_hold_may_leave_the_fee_out_and_the_fee_is_still_claimed() -> None:
    bench = Bench(does_hold_include_fee=False)
    bench.limit("buy", "0.25", "39000")
    row = bench.call("BalanceEx")["ZUSD"]
    assert row["hold_trade"] == "9750.0000"
    # 250 look available; 23.40 of them are fees to come.
    assert bench.truth()["USD"]["available"] == "250"
    assert bench.sim.truth()["accounts"]["master"]["free"]["USD"] == "226.6"
    assert bench.error("AddOrder", ordertype="limit", type="buy", volume="0.006", pair="XBTUSD", price="39000") == (
        "EOrder:Insufficient funds"
    )


def test_open_sell_holds_the_base_row() -> None:
    bench = Bench()
    bench.limit("sell", "0.15", "50000")
    assert bench.call("BalanceEx")["XXBT"] == {"balance": "0.4000000000", "hold_trade": "0.1500000000"}


@pytest.mark.parametrize(("form", "expected"), [("object", {}), ("absent", "nothing"), ("null", None), ("zeros", {})])
@pytest.mark.parametrize("read", ["Balance", "BalanceEx"])
def test_never_funded_account_answers_in_the_configured_form(form: str, expected: object, read: str) -> None:
    envelope = Bench(profile="empty", empty_balance=form).envelope(read)
    assert envelope["error"] == []
    assert envelope.get("result", "nothing") == expected


def test_credit_fields_come_with_a_credit_line() -> None:
    rows = Bench(profile="margin").call("BalanceEx")
    assert rows["ZUSD"] == {
        "balance": "20000.0000",
        "credit": "5000.0000",
        "credit_used": "0.0000",
        "hold_trade": "0.0000",
    }
    assert "credit" not in rows["ZEUR"]
    assert "credit" in Bench(credit_fields="always").call("BalanceEx")["ZUSD"]
    assert "credit" not in Bench(profile="margin", credit_fields="never").call("BalanceEx")["ZUSD"]


def test_credit_can_be_traded_with() -> None:
    bench = Bench(profile="margin")
    assert bench.truth()["USD"] == {"total": "20000", "held": "0", "available": "25000"}
    bench.limit("buy", "0.6", "39000")  # 23,456.16 with its fee: more than the balance, within the credit.
    assert Decimal(bench.truth()["USD"]["available"]) == Decimal("1543.84")


class TestAutoEarn:
    """Source: https://support.kraken.com/hc/en-us/articles/360039879471 (checked 2026-11-20)."""

    def test_base_row_is_zero_while_the_coin_is_in_the_suffixed_row(self) -> None:
        rows = Bench(profile="earn").call("BalanceEx")
        assert rows["XXBT"] == {"balance": "0.0000000000", "hold_trade": "0.0000000000"}
        assert rows["XBT.F"] == {"balance": "0.4000000000", "hold_trade": "0.0000000000"}

    def test_hold_is_booked_on_the_base_row_although_that_is_empty(self) -> None:
        bench = Bench(profile="earn")
        bench.limit("sell", "0.3", "50000")
        rows = bench.call("BalanceEx")
        assert rows["XXBT"] == {"balance": "0.0000000000", "hold_trade": "0.3000000000"}
        assert bench.truth()["BTC"] == {"total": "0.4", "held": "0.3", "available": "0.1"}

    def test_sell_brings_the_coin_back_and_the_rest_keeps_earning(self) -> None:
        bench = Bench(profile="earn", sell_fee_default="fciq")
        bench.market("sell", "0.1")
        rows = bench.call("Balance")
        assert rows["XXBT"] == "0.0000000000"
        assert rows["XBT.F"] == "0.3000000000"
        types = [(e["asset"], e["type"], e["subtype"]) for e in bench.call("Ledgers")["ledger"].values()][:4]
        assert types == [
            ("ZUSD", "trade", ""),
            ("XXBT", "trade", ""),
            ("XXBT", "transfer", "spotfromstaking"),
            ("XBT.F", "transfer", "stakingtospot"),
        ]

    def test_what_arrives_goes_on_earning_after_the_configured_delay(self) -> None:
        bench = Bench(profile="earn", auto_earn_delay_s=30.0)
        bench.happen("deposit", asset="SOL", amount="1")
        assert bench.call("Balance")["SOL"] == "1.0000000000"
        bench.pass_time(31)
        assert bench.call("Balance")["SOL"] == "0.0000000000"
        assert bench.call("Balance")["SOL.F"] == "11.0000000000"

    def test_suffixed_row_may_not_be_spendable(self) -> None:
        bench = Bench(profile="earn", are_f_rows_spendable=False)
        assert bench.truth()["BTC"] == {"total": "0.4", "held": "0", "available": "0"}
        error = bench.error("AddOrder", ordertype="market", type="sell", volume="0.1", pair="XBTUSD")
        assert error == "EOrder:Insufficient funds"

    def test_locked_rows_are_owned_and_never_available(self) -> None:
        truth = Bench(profile="earn").truth()
        assert truth["DOT"] == {"total": "1", "held": "0", "available": "1"}
        assert truth["DOT.S"] == {"total": "20", "held": "0", "available": "0"}
        assert truth["DOT28.S"] == {"total": "7", "held": "0", "available": "0"}
        assert truth["SOL03.S"] == {"total": "2.5", "held": "0", "available": "0"}
        assert truth["USDC.M"] == {"total": "100", "held": "0", "available": "0"}


def test_trade_balance_values_everything_in_dollars() -> None:
    result = Bench().call("TradeBalance")
    assert set(result) == {"eb", "tb", "m", "uv", "n", "c", "v", "e", "mf"}
    # 10000 + 2500 x 1.1 + 0.4 x 40000 + 3 x 2500 + 12.5 x 100 + 500 x 0.9999
    assert result["eb"] == "37999.9500"
    assert result["m"] == "0.0000"


def test_trade_balance_of_an_unknown_asset_is_refused() -> None:
    assert Bench().error("TradeBalance", asset="NOPE") == "EQuery:Unknown asset"


class TestFaults:
    def test_lagging_reads_answer_what_was_true_then(self) -> None:
        bench = Bench()
        bench.impair("rest_lag", by_s=30)
        bench.pass_time(1)
        txid = bench.limit("buy", "0.01", "39000")
        bench.happen("deposit", asset="USD", amount="5")
        bench.pass_time(10)
        assert bench.call("BalanceEx")["ZUSD"] == {"balance": "10000.0000", "hold_trade": "0.0000"}
        assert bench.call("OpenOrders")["open"] == {}
        assert bench.call("Ledgers")["count"] == 6
        assert bench.error("QueryOrders", txid=txid) == "EOrder:Invalid order"
        bench.pass_time(20.5)
        assert bench.call("BalanceEx")["ZUSD"] == {"balance": "10005.0000", "hold_trade": "390.9360"}
        assert list(bench.call("OpenOrders")["open"]) == [txid]

    def test_lag_never_reaches_back_before_it_began(self) -> None:
        bench = Bench()
        bench.happen("deposit", asset="USD", amount="5")
        bench.pass_time(1)
        bench.impair("rest_lag", by_s=60)
        bench.happen("deposit", asset="USD", amount="7")
        bench.pass_time(1)
        assert bench.call("Balance")["ZUSD"] == "10005.0000"
        bench.heal()
        assert bench.call("Balance")["ZUSD"] == "10012.0000"

    def test_order_that_ended_is_still_open_for_a_lagging_reader(self) -> None:
        bench = Bench()
        txid = bench.limit("buy", "0.01", "39000")
        bench.pass_time(1)
        bench.impair("rest_lag", by_s=20)
        bench.pass_time(1)
        bench.happen("fill", order=txid, quantity="0.004")
        bench.happen("external_cancel", order=txid)
        assert bench.call("OpenOrders")["open"][txid]["vol_exec"] == "0.00000000"
        assert bench.call("ClosedOrders")["closed"] == {}
        assert bench.call("TradesHistory")["trades"] == {}
        bench.pass_time(21)
        assert bench.call("OpenOrders")["open"] == {}
        assert bench.call("ClosedOrders")["closed"][txid]["vol_exec"] == "0.00400000"

    def test_holds_may_lag_alone(self) -> None:
        bench = Bench()
        bench.impair("hold_lag", by_s=10)
        bench.pass_time(1)
        bench.limit("buy", "0.01", "39000")
        bench.happen("deposit", asset="USD", amount="5")
        assert bench.call("BalanceEx")["ZUSD"] == {"balance": "10005.0000", "hold_trade": "0.0000"}
        bench.pass_time(11)
        assert bench.call("BalanceEx")["ZUSD"]["hold_trade"] == "390.9360"

    @pytest.mark.parametrize(
        ("form", "expected"), [("object", {}), ("absent", "nothing"), ("null", None), ("zeros", "zeros")]
    )
    def test_an_answer_may_come_empty_once(self, form: str, expected: Any) -> None:
        bench = Bench()
        bench.impair("empty_result", form=form, read="BalanceEx")
        assert bench.call("Balance")["ZUSD"] == "10000.0000"
        result = bench.envelope("BalanceEx").get("result", "nothing")
        if expected == "zeros":
            assert set(result) == set(bench.call("Balance"))
            assert all(Decimal(figure) == 0 for row in result.values() for figure in row.values())
        else:
            assert result == expected
        assert bench.call("BalanceEx")["ZUSD"]["balance"] == "10000.0000"

    def test_one_asset_may_vanish_for_a_while(self) -> None:
        bench = Bench()
        bench.impair("vanish", asset="XXBT", for_s=10)
        for _ in range(3):
            assert "XXBT" not in bench.call("Balance")
            assert "XXBT" not in bench.call("BalanceEx")
            bench.pass_time(3)
        bench.pass_time(2)
        assert "XXBT" in bench.call("Balance")

    def test_a_row_may_be_stated_as_anything(self) -> None:
        bench = Bench()
        bench.impair("override_row", asset="ZUSD", balance="-3.0000", hold="7.0000", count=2)
        assert bench.call("Balance")["ZUSD"] == "-3.0000"
        assert bench.call("BalanceEx")["ZUSD"] == {"balance": "-3.0000", "hold_trade": "7.0000"}
        bench.impair("override_row", asset="TYPO.X", balance="1.0")
        assert bench.call("Balance")["TYPO.X"] == "1.0"
        assert "TYPO.X" not in bench.call("Balance")

    def test_every_figure_may_jump(self) -> None:
        bench = Bench()
        bench.impair("scale_balances", factor="0.5")
        assert bench.call("Balance")["ZUSD"] == "5000.0000"
        assert bench.call("Balance")["ZUSD"] == "10000.0000"

    @pytest.mark.parametrize("error", ["EService:Unavailable", "EService:Busy", "EGeneral:Internal error:5"])
    def test_a_call_may_be_refused_for_no_fault_of_its_own(self, error: str) -> None:
        bench = Bench()
        bench.impair("refuse", name="BalanceEx", error=error, count=2)
        assert bench.error("BalanceEx") == error
        bench.call("Balance")
        assert bench.error("BalanceEx") == error
        bench.call("BalanceEx")
