"""What an account is said to hold: fields by mode, zeros and absences, two pots, bots, bills that add up."""

from __future__ import annotations

import itertools
import re
from decimal import Decimal

import pytest

from tests.simulators.okx.bench import Bench

# From the documented sample of GET account/balance (checked 2026-11-20).
DETAIL_FIELDS = set(
    re.findall(
        r"\w+",
        """
    accAvgPx autoLendMtAmt autoLendStatus availBal availEq borrowFroz cashBal ccy clSpotInUseAmt
    colBorrAutoConversion colRes collateralEnabled collateralRestrict crossLiab disEq eq eqUsd fixedBal frozenBal
    frpType imr interest isoEq isoLiab isoUpl liab maxLoan maxSpotInUse mgnRatio mmr notionalLever openAvgPx
    ordFrozen rewardBal smtSyncEq spotBal spotCopyTradingEq spotInUseAmt spotIsoBal spotUpl spotUplRatio stgyEq
    totalPnl totalPnlRatio twap uTime upl uplLiab
        """,
    )
)
ACCOUNT_FIELDS = set(
    re.findall(
        r"\w+",
        """
    adjEq availEq borrowFroz delta deltaLever deltaNeutralStatus details imr isoEq mgnRatio mmr notionalUsd
    notionalUsdForBorrow notionalUsdForFutures notionalUsdForOption notionalUsdForSwap ordFroz totalEq uTime upl
        """,
    )
)


def test_answer_has_every_documented_field_and_all_of_them_are_text() -> None:
    (account,) = Bench().get("account/balance")
    assert set(account) == ACCOUNT_FIELDS
    for row in account["details"]:
        assert set(row) == DETAIL_FIELDS
        assert {name for name, value in row.items() if not isinstance(value, str)} == {
            "collateralEnabled",
            "collateralRestrict",
        }


def test_zero_currency_is_left_out_unless_it_is_asked_for_by_name() -> None:
    bench = Bench()
    shown = [row["ccy"] for row in bench.get("account/balance")[0]["details"]]
    assert shown == ["USDT", "USDC", "USD", "BTC", "ETH", "SOL"]
    assert bench.balance("DOGE")["cashBal"] == "0"  # Funded and emptied once.
    assert bench.get("account/balance", ccy="LTC")[0]["details"] == []  # Never held.


def test_empty_account_is_a_success_without_details() -> None:
    (account,) = Bench(profile="empty").get("account/balance")
    assert (account["totalEq"], account["details"]) == ("0", [])


def test_more_than_twenty_currencies_are_refused() -> None:
    codes = ",".join(f"C{number}" for number in range(21))
    assert Bench().refusal("GET", "account/balance", {"ccy": codes}) == (400, "51000")


def test_resting_buy_freezes_the_quote_and_moves_no_cash() -> None:
    bench = Bench()
    bench.pass_time(1.0)
    before = bench.balance("USDT")
    order_id = bench.limit(px="39000", sz="0.01")
    row = bench.balance("USDT")
    assert (row["cashBal"], row["availBal"], row["frozenBal"]) == ("10000", "9610", "390")
    assert row["ordFrozen"] == "390"
    assert int(row["uTime"]) > int(before["uTime"])
    bench.post("trade/cancel-order", {"instId": "BTC-USDT", "ordId": order_id})
    row = bench.balance("USDT")
    assert (row["cashBal"], row["availBal"], row["frozenBal"]) == ("10000", "10000", "0")


def test_resting_sell_freezes_the_base() -> None:
    bench = Bench()
    bench.limit(side="sell", px="41000", sz="0.1")
    row = bench.balance("BTC")
    assert (row["cashBal"], row["availBal"], row["frozenBal"]) == ("0.4", "0.3", "0.1")


@pytest.mark.parametrize(("form", "shown"), [("held", "390"), ("zero", "0"), ("empty", "")])
def test_what_orders_froze_is_shown_as_the_setting_says(form: str, shown: str) -> None:
    bench = Bench(order_frozen=form)
    bench.limit(px="39000", sz="0.01")
    assert bench.balance("USDT")["ordFrozen"] == shown
    assert bench.balance("USDT")["frozenBal"] == "390"


def test_freeze_leaves_the_currencys_time_alone_where_the_setting_says_so() -> None:
    bench = Bench(does_hold_move_u_time=False)
    bench.pass_time(1.0)
    before = bench.balance("USDT")["uTime"]
    bench.limit()
    assert bench.balance("USDT")["uTime"] == before
    bench.market()
    assert int(bench.balance("USDT")["uTime"]) > int(before)


def test_equity_is_cash_and_frozen_is_the_rest_without_bots() -> None:
    bench = Bench()
    bench.limit(px="39000", sz="0.01")
    for row in bench.get("account/balance")[0]["details"]:
        assert Decimal(row["eq"]) == Decimal(row["cashBal"]) == Decimal(row["availBal"]) + Decimal(row["frozenBal"])


def test_equity_of_bots_is_frozen_and_no_cash() -> None:
    bench = Bench(profile="earn")
    row = bench.balance("USDT")
    assert (row["cashBal"], row["eq"], row["availBal"]) == ("5000", "5150", "5000")
    assert (row["frozenBal"], row["stgyEq"], row["autoLendMtAmt"]) == ("150", "150", "2000")
    bench.happen("bot_equity", asset="USDT", amount="10")
    assert bench.balance("USDT")["frozenBal"] == "10"
    assert bench.truth()["USDT"] == {"total": "5000", "held": "10", "available": "5000"}


def test_spot_mode_leaves_margin_fields_empty_and_margin_mode_fills_them() -> None:
    spot, margin = Bench().balance("BTC"), Bench(profile="margin").balance("BTC")
    for name in ("availEq", "disEq", "liab", "upl", "isoEq", "maxLoan"):
        assert spot[name] == ""
        assert margin[name] != ""
    assert Bench(does_spot_fill_margin_fields=True).balance("BTC")["liab"] == "0"


@pytest.mark.parametrize("mode", ["1", "2", "3", "4"])
def test_mode_is_stated_and_decides_how_spot_is_traded(mode: str) -> None:
    bench = Bench(account_mode=mode)
    assert bench.get("account/config")[0]["acctLv"] == mode
    cash, cross = (bench.envelope("POST", "trade/order", bench.order(tdMode=word)) for word in ("cash", "cross"))
    taken, refused = (cross, cash) if mode in ("3", "4") else (cash, cross)
    assert taken["code"] == "0"
    assert refused["data"][0]["sCode"] == "51010"


def test_config_tells_who_is_asking() -> None:
    bench = Bench(profile="many")
    (main,) = bench.get("account/config")
    assert main["uid"] == main["mainUid"]
    assert (main["perm"], main["type"], main["feeType"]) == ("read_only,trade", "0", "0")
    other = next(one for one in bench.sim.credentials() if one["account"] == "sub1")
    (sub,) = bench.envelope("GET", "account/config", credential=other)["data"]
    assert (sub["mainUid"], sub["type"]) == (main["uid"], "1")
    assert sub["uid"] != main["uid"]


def test_funding_pot_stands_apart_and_a_transfer_moves_between_them() -> None:
    bench = Bench()
    assert bench.get("asset/balances", ccy="USDT") == [
        {"availBal": "200", "bal": "200", "ccy": "USDT", "frozenBal": "0"}
    ]
    body = {"ccy": "USDT", "amt": "150", "from": "6", "to": "18", "clientId": "t1"}
    (moved,) = bench.post("asset/transfer", body)
    assert (moved["amt"], moved["clientId"]) == ("150", "t1")
    (state,) = bench.get("asset/transfer-state", transId=moved["transId"])
    assert state["state"] == "success"
    assert bench.balance("USDT")["cashBal"] == "10150"
    assert bench.get("asset/balances", ccy="USDT")[0]["bal"] == "50"
    bench.pass_time(1.0)
    assert bench.refusal("POST", "asset/transfer", body)[1] == "58116"


def test_transfer_may_be_pending_and_may_fail_when_it_arrives() -> None:
    bench = Bench(transfer_s=2.0)
    (moved,) = bench.post("asset/transfer", {"ccy": "USDT", "amt": "10000", "from": "18", "to": "6"})
    assert bench.get("asset/transfer-state", transId=moved["transId"])[0]["state"] == "pending"
    assert bench.balance("USDT")["cashBal"] == "10000"
    bench.limit()
    bench.pass_time(2.0)
    assert bench.get("asset/transfer-state", transId=moved["transId"])[0]["state"] == "failed"
    assert bench.truth()["USDT"]["total"] == "10000"


def test_transfer_of_what_orders_hold_is_refused() -> None:
    bench = Bench()
    bench.limit(px="39000", sz="0.25")
    body = {"ccy": "USDT", "amt": "9999", "from": "18", "to": "6"}
    assert bench.refusal("POST", "asset/transfer", body)[1] == "58116"


def test_bills_add_up_to_the_balance_and_come_newest_first_in_pages() -> None:
    bench = Bench()
    bench.market("buy", "0.01")
    bench.market("sell", "0.005")
    bench.happen("deposit", asset="USDT", amount="12.5")
    bills = bench.get("account/bills", ccy="USDT")
    assert bills[0]["bal"] == bench.balance("USDT")["cashBal"]
    for newer, older in itertools.pairwise(bills):
        assert Decimal(newer["bal"]) - Decimal(newer["balChg"]) == Decimal(older["bal"])
    first = bench.get("account/bills", ccy="USDT", limit="2")
    rest = bench.get("account/bills", ccy="USDT", after=first[-1]["billId"])
    assert first + rest == bills
    assert bench.get("account/bills", ccy="USDT", before=first[0]["billId"]) == []
    trades = bench.get("account/bills", type="2", instId="BTC-USDT")
    assert {bill["ccy"] for bill in trades} == {"BTC", "USDT"}
    assert {bill["subType"] for bill in trades} == {"1", "2"}


def test_old_bills_are_in_the_archive_only() -> None:
    bench = Bench()
    bench.happen("deposit", asset="USDT", amount="1")
    bench.pass_time(8 * 86_400)
    assert bench.get("account/bills") == []
    assert bench.get("account/bills-archive", ccy="USDT")[0]["balChg"] == "1"


def test_ceilings_are_in_the_documented_units() -> None:
    bench = Bench()
    bench.limit(px="39000", sz="0.01")
    (most,) = bench.get("account/max-avail-size", instId="BTC-USDT", tdMode="cash")
    assert (most["availBuy"], most["availSell"]) == ("9610", "0.4")
    (size,) = bench.get("account/max-size", instId="BTC-USDT", tdMode="cash", px="40000")
    assert (size["maxBuy"], size["maxSell"]) == ("0.24025", "16000")
    (base,) = Bench(max_sell_unit="base").get("account/max-size", instId="BTC-USDT", tdMode="cash", px="40000")
    assert base["maxSell"] == "0.4"
    assert bench.get("account/max-withdrawal", ccy="USDT")[0]["maxWd"] == "9610"
    (usdc,) = bench.get("account/max-avail-size", instId="BTC-USD", tdMode="cash", tradeQuoteCcy="USDC")
    assert usdc["availBuy"] == "2500"


def test_fees_are_negative_and_named_by_group() -> None:
    (fees,) = Bench().get("account/trade-fee", instType="SPOT", instId="BTC-USDT")
    assert fees["feeGroup"] == [{"elpMaker": "-0.0008", "groupId": "1", "maker": "-0.0008", "taker": "-0.001"}]
    every = Bench(maker_fee_percent="-0.01").get("account/trade-fee", instType="SPOT")[0]["feeGroup"]
    assert [group["groupId"] for group in every] == ["1", "2", "4", "9", "11"]
    assert {group["maker"] for group in every} == {"0.0001"}


def test_positions_of_a_spot_account_are_none() -> None:
    assert Bench().get("account/positions") == []


# Faults


def test_lagging_read_answers_from_the_past_and_catches_up() -> None:
    bench = Bench()
    bench.impair("rest_lag", by_s=5)
    bench.market()
    assert bench.balance("BTC")["cashBal"] == "0.4"
    assert bench.get("trade/fills") == []
    bench.pass_time(5.1)
    assert bench.balance("BTC")["cashBal"] == "0.40999"
    assert len(bench.get("trade/fills")) == 1


def test_lagging_hold_leaves_cash_current() -> None:
    bench = Bench()
    bench.impair("hold_lag", by_s=5)
    bench.limit(px="39000", sz="0.01")
    bench.happen("deposit", asset="USDT", amount="1")
    row = bench.balance("USDT")
    assert (row["cashBal"], row["frozenBal"], row["availBal"]) == ("10001", "0", "10001")
    bench.heal()
    assert bench.balance("USDT")["frozenBal"] == "390"


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        ("details", {"code", "msg", "data"}),
        ("no_details", {"code", "msg", "data"}),
        ("zeros", {"code", "msg", "data"}),
        ("data", {"code", "msg", "data"}),
        ("no_data", {"code", "msg"}),
    ],
)
def test_empty_answers_come_in_every_form_and_once(form: str, shape: set[str]) -> None:
    bench = Bench()
    bench.impair("empty_result", form=form)
    envelope = bench.envelope("GET", "account/balance")
    assert (envelope["code"], set(envelope)) == ("0", shape)
    if form == "details":
        assert envelope["data"][0]["details"] == []
    elif form == "no_details":
        assert "details" not in envelope["data"][0]
    elif form == "zeros":
        assert {row["cashBal"] for row in envelope["data"][0]["details"]} == {"0"}
    elif form == "data":
        assert envelope["data"] == []
    assert bench.get("account/balance")[0]["details"]


def test_rows_vanish_are_overridden_and_scaled() -> None:
    bench = Bench()
    bench.impair("vanish", asset="BTC")
    assert "BTC" not in [row["ccy"] for row in bench.get("account/balance")[0]["details"]]
    bench.impair("override_row", asset="BTC", balance="7", hold="8")
    row = bench.balance("BTC")
    assert (row["cashBal"], row["frozenBal"], row["availBal"]) == ("7", "8", "7")
    bench.impair("override_row", asset="NEWCOIN", balance="5")
    assert bench.get("account/balance")[0]["details"][-1]["ccy"] == "NEWCOIN"
    bench.impair("scale_balances", factor="0.5")
    assert bench.balance("BTC")["cashBal"] == "0.2"
    assert bench.balance("BTC")["cashBal"] == "0.4"


def test_answer_may_have_the_figures_of_another_account() -> None:
    bench = Bench(profile="many")
    bench.impair("foreign_balances", account="sub1")
    assert bench.balance("USDT")["cashBal"] == "2500"
    assert bench.balance("USDT")["cashBal"] == "100000"


def test_makers_programme_has_its_new_name_where_the_setting_says_so() -> None:
    bench = Bench(is_elp_renamed=True)
    (group,) = bench.get("account/trade-fee", instType="SPOT", instId="BTC-USDT")[0]["feeGroup"]
    assert "rpiMaker" in group
    assert "elpMaker" not in group
    assert "rpi" in bench.look("public/instruments", "instType=SPOT")[0]
