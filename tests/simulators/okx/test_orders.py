"""Orders: what they ask for, what they cost, what refuses them, and what becomes of them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.okx.bench import Bench

# From the documented sample of GET trade/order (checked 2026-11-20).
ORDER_FIELDS = set(
    re.findall(
        r"\w+",
        """
    accFillSz algoClOrdId algoId attachAlgoClOrdId attachAlgoOrds avgPx cTime cancelSource cancelSourceReason
    category ccy clOrdId fee feeCcy fillPx fillSz fillTime instId instType isTpLimit lever linkedAlgoOrd ordId
    ordType pnl posSide px pxType pxUsd pxVol quickMgnType rebate rebateCcy reduceOnly side slOrdPx slTriggerPx
    slTriggerPxType source state stpId stpMode sz tag tdMode tgtCcy tpOrdPx tpTriggerPx tpTriggerPxType tradeId
    tradeQuoteCcy uTime
        """,
    )
)
FILL_FIELDS = set(
    re.findall(
        r"\w+",
        """
    side fillSz fillPx fillPxVol fillFwdPx fee fillPnl ordId feeRate instType fillPxUsd instId clOrdId posSide
    billId subType fillMarkVol tag fillTime execType fillIdxPx tradeId fillMarkPx feeCcy ts tradeQuoteCcy
        """,
    )
)


def test_order_rests_live_and_is_told_of_with_every_field() -> None:
    bench = Bench()
    envelope = bench.envelope("POST", "trade/order", bench.order(clOrdId="a1", tag="t1"))
    assert set(envelope) == {"code", "msg", "data", "inTime", "outTime"}
    (ack,) = envelope["data"]
    assert set(ack) == {"clOrdId", "ordId", "tag", "ts", "sCode", "sMsg", "subCode"}
    assert (ack["clOrdId"], ack["tag"], ack["sCode"], ack["subCode"]) == ("a1", "t1", "0", "")
    order = bench.details(ack["ordId"])
    assert set(order) == ORDER_FIELDS
    assert (order["state"], order["px"], order["sz"], order["avgPx"], order["tgtCcy"]) == (
        "live",
        "39000",
        "0.01",
        "",
        "",
    )
    assert bench.get("trade/orders-pending") == [order]
    assert bench.get("trade/order", instId="BTC-USDT", clOrdId="a1") == [order]


def test_market_buy_in_base_pays_its_fee_in_base() -> None:
    bench = Bench()
    order = bench.details(bench.market("buy", "0.01"))
    assert (order["state"], order["accFillSz"], order["fee"], order["feeCcy"]) == ("filled", "0.01", "-0.00001", "BTC")
    assert bench.balance("BTC")["cashBal"] == "0.40999"
    (fill,) = bench.get("trade/fills", ordId=order["ordId"])
    assert set(fill) == FILL_FIELDS
    assert (fill["fillSz"], fill["execType"], fill["feeRate"]) == ("0.01", "T", "-0.001")
    assert Decimal(bench.balance("USDT")["cashBal"]) == 10000 - Decimal(fill["fillPx"]) * Decimal("0.01")


def test_market_sell_pays_its_fee_in_quote() -> None:
    bench = Bench()
    order = bench.details(bench.market("sell", "0.01"))
    assert order["feeCcy"] == "USDT"
    worth = Decimal(order["avgPx"]) * Decimal("0.01")
    assert Decimal(order["fee"]) == -worth / 1000
    assert Decimal(bench.balance("USDT")["cashBal"]) == 10000 + worth + Decimal(order["fee"])
    assert bench.balance("BTC")["cashBal"] == "0.39"


def test_fee_type_one_charges_the_quote_of_a_buy_as_well() -> None:
    bench = Bench(fee_type="1")
    order = bench.details(bench.market("buy", "0.01"))
    assert (order["feeCcy"], bench.balance("BTC")["cashBal"]) == ("USDT", "0.41")
    bench.limit(px="39000", sz="0.01")
    held = Decimal(bench.balance("USDT")["frozenBal"])
    assert held == Decimal("390") + Decimal("0.39")
    shy = Bench(fee_type="1", does_hold_include_fee=False)
    shy.limit(px="39000", sz="0.01")
    assert shy.balance("USDT")["frozenBal"] == "390"
    assert Decimal(shy.sim.truth()["accounts"]["master"]["free"]["USDT"]) == Decimal("9609.61")


def test_market_buy_is_sized_in_quote_unless_it_says_otherwise() -> None:
    bench = Bench()
    order = bench.details(bench.limit(ordType="market", px=None, sz="100"))
    assert (order["tgtCcy"], order["sz"], order["state"]) == ("quote_ccy", "100", "filled")
    spent = 10000 - Decimal(bench.balance("USDT")["cashBal"])
    assert 0 <= 100 - spent < Decimal("0.001")
    assert Decimal(order["accFillSz"]) * Decimal(order["avgPx"]) == spent


def test_market_sell_sized_in_quote_receives_about_that_much() -> None:
    bench = Bench()
    order = bench.details(bench.market("sell", "100", tgtCcy="quote_ccy"))
    assert (order["sz"], order["tgtCcy"]) == ("100", "quote_ccy")
    assert abs(Decimal(order["accFillSz"]) * Decimal(order["avgPx"]) - 100) < Decimal("0.01")


@pytest.mark.parametrize(("side", "size", "left"), [("buy", "5", "USDT"), ("sell", "5", "BTC")])
def test_market_order_beyond_the_funds_shrinks_in_silence_or_is_refused_with_ban_amend(
    side: str, size: str, left: str
) -> None:
    bench = Bench()
    body = {"side": side, "ordType": "market", "px": None, "sz": size, "tgtCcy": "base_ccy"}
    assert bench.refusal("POST", "trade/order", bench.order(**body, banAmend=True)) == (200, "51008")
    assert bench.refusal("POST", "trade/order", bench.order(**body, banAmend="true")) == (200, "51008")
    order = bench.details(bench.limit(**body))
    assert (order["state"], order["sz"]) == ("filled", "5")
    assert 0 < Decimal(order["accFillSz"]) < 1
    assert Decimal(bench.balance(left)["cashBal"]) < 600


def test_market_buy_by_quote_beyond_the_funds_spends_what_there_is() -> None:
    bench = Bench()
    bench.limit(ordType="market", px=None, sz="50000", tgtCcy="quote_ccy")
    assert Decimal(bench.balance("USDT")["cashBal"]) < 1


@pytest.mark.parametrize(
    ("reserve", "by_base", "by_quote"), [("base", "51008", "0"), ("both", "51008", "51008"), ("none", "0", "0")]
)
def test_five_percent_more_is_checked_where_the_setting_says_so(reserve: str, by_base: str, by_quote: str) -> None:
    wanted = {"ordType": "market", "px": None, "banAmend": True}
    bench = Bench(market_reserve=reserve)
    ack = bench.envelope("POST", "trade/order", bench.order(**wanted, sz="0.245", tgtCcy="base_ccy"))
    assert ack["data"][0]["sCode"] == by_base
    bench = Bench(market_reserve=reserve)
    ack = bench.envelope("POST", "trade/order", bench.order(**wanted, sz="9800", tgtCcy="quote_ccy"))
    assert ack["data"][0]["sCode"] == by_quote


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"instId": "NOPE-USDT"}, "51001"),
    ({"instId": None}, "50014"),
    ({"tdMode": None}, "51000"),
    ({"tdMode": "cross"}, "51010"),
    ({"side": "hold"}, "51000"),
    ({"ordType": "iceberg"}, "51000"),
    ({"sz": None}, "51000"),
    ({"sz": "0"}, "51000"),
    ({"sz": "-1"}, "51000"),
    ({"sz": "1e999999"}, "51000"),
    ({"px": None}, "51000"),
    ({"px": "39000.05"}, "51000"),
    ({"px": "0"}, "51000"),
    ({"sz": "0.000000001"}, "51121"),
    ({"sz": "0.000001"}, "51020"),
    ({"sz": "99999999999", "px": "0.1"}, "51203"),
    ({"ordType": "market", "px": None, "sz": "2000000", "tgtCcy": "quote_ccy"}, "51201"),
    ({"ordType": "market", "px": None, "sz": "100", "tgtCcy": "base_ccy"}, "51202"),
    ({"ordType": "market", "px": None, "sz": "0.1", "tgtCcy": "quote_ccy"}, "51020"),
    ({"clOrdId": "with-dash"}, "51000"),
    ({"clOrdId": "a" * 33}, "51000"),
    ({"tag": "b" * 17}, "51000"),
    ({"posSide": "long"}, "51000"),
    ({"reduceOnly": True}, "51139"),
    ({"stpMode": "cancel_both", "ordType": "fok"}, "50016"),
    ({"tradeQuoteCcy": "USDC"}, "51000"),
    ({"attachAlgoOrds": [{"tpTriggerPx": "1"}]}, "51000"),
    ({"sz": "1"}, "51008"),
    ({"side": "sell", "sz": "0.5", "px": "41000"}, "51008"),
]


@pytest.mark.parametrize(("changed", "code"), REFUSALS)
def test_order_that_is_not_well_is_refused_by_its_code_and_leaves_nothing(changed: dict[str, Any], code: str) -> None:
    bench = Bench()
    reply = bench.envelope("POST", "trade/order", bench.order(**changed))
    assert (reply["code"], reply["data"][0]["sCode"], reply["data"][0]["ordId"]) == ("1", code, "")
    assert bench.get("trade/orders-pending") == []
    assert bench.truth() == Bench().truth()


def test_parameter_errors_may_refuse_the_whole_call() -> None:
    bench = Bench(are_parameter_errors_top_level=True)
    assert bench.refusal("POST", "trade/order", bench.order(clOrdId="no-dashes")) == (400, "51000")
    assert bench.refusal("POST", "trade/order", bench.order(sz="1")) == (200, "51008")


@pytest.mark.parametrize(
    ("settings", "code", "sub_code"),
    [
        ({}, "51008", "1000"),
        ({"sub_code": "whole"}, "51008", "51008_1000"),
        ({"sub_code": "absent"}, "51008", None),
        ({"short_code": "51131"}, "51131", ""),
        ({"short_code": "51119"}, "51119", ""),
    ],
)
def test_short_funds_have_the_code_and_detail_of_the_settings(
    settings: dict[str, Any], code: str, sub_code: str | None
) -> None:
    bench = Bench(**settings)
    (row,) = bench.envelope("POST", "trade/order", bench.order(sz="1"))["data"]
    assert (row["sCode"], row.get("subCode")) == (code, sub_code)


def test_nothing_at_all_available_may_have_a_code_of_its_own() -> None:
    body = {"instId": "DOGE-USDT", "side": "sell", "px": "0.2", "sz": "100"}
    assert Bench().refusal("POST", "trade/order", Bench().order(**body))[1] == "51008"
    bench = Bench(is_nothing_available_51127=True)
    assert bench.refusal("POST", "trade/order", bench.order(**body))[1] == "51127"


@pytest.mark.parametrize("code", ["51016", "51000", "50071"])
def test_client_id_is_unique_among_pending_orders_only(code: str) -> None:
    bench = Bench(duplicate_code=code)
    first = bench.limit(clOrdId="same")
    assert bench.refusal("POST", "trade/order", bench.order(clOrdId="same")) == (200, code)
    assert len(bench.get("trade/orders-pending")) == 1
    bench.post("trade/cancel-order", {"instId": "BTC-USDT", "clOrdId": "same"})
    second = bench.limit(clOrdId="same")
    assert second != first
    (latest,) = bench.get("trade/order", instId="BTC-USDT", clOrdId="same")
    assert latest["ordId"] == second


def test_a_filled_market_order_is_placed_again_under_its_own_client_id() -> None:
    bench = Bench()
    ids = {bench.market(clOrdId="twice") for _ in range(2)}
    assert len(ids) == 2
    assert bench.balance("BTC")["cashBal"] == "0.41998"


@pytest.mark.parametrize(("code", "form"), [("50036", "call"), ("50037", "call"), ("50036", "item")])
def test_expired_request_is_not_executed(code: str, form: str) -> None:
    bench = Bench(expired_code=code, expired_form=form)
    now_ms = bench.sim.now_us() // 1000
    assert bench.refusal("POST", "trade/order", bench.order(), exptime=str(now_ms - 1)) == (200, code)
    batch = [bench.order(), bench.order()]
    assert bench.refusal("POST", "trade/batch-orders", batch, exptime=str(now_ms - 1)) == (200, code)
    assert bench.get("trade/orders-pending") == []
    order_id = bench.limit()
    amend = {"instId": "BTC-USDT", "ordId": order_id, "newPx": "38000"}
    assert bench.refusal("POST", "trade/amend-order", amend, exptime=str(now_ms - 1)) == (200, code)
    assert bench.post("trade/order", bench.order(), exptime=str(now_ms))
    assert bench.refusal("POST", "trade/order", bench.order(), exptime="soon") == (400, "51000")
    cancel = {"instId": "BTC-USDT", "ordId": order_id}
    assert bench.post("trade/cancel-order", cancel, exptime=str(now_ms - 1))  # Cancels know no such time.


def test_post_only_that_would_take_is_accepted_and_cancelled() -> None:
    bench = Bench()
    order = bench.details(bench.limit(ordType="post_only", px="41000"))
    assert (order["state"], order["cancelSource"]) == ("canceled", "31")
    assert bench.details(bench.limit(ordType="post_only"))["state"] == "live"


@pytest.mark.parametrize(("kind", "source", "is_filled"), [("fok", "13", False), ("ioc", "14", True)])
def test_fok_is_all_or_nothing_and_ioc_leaves_the_rest(kind: str, source: str, is_filled: bool) -> None:
    bench = Bench(liquidity="0.01")
    order = bench.details(bench.limit(ordType=kind, px="40010", sz="0.2"))
    assert (order["state"], order["cancelSource"]) == ("canceled", source)
    assert (order["accFillSz"] != "0") is is_filled
    assert bench.truth()["USDT"]["held"] == "0"


@pytest.mark.parametrize(
    ("mode", "maker", "taker"),
    [
        ("cancel_maker", "canceled", "live"),
        ("cancel_taker", "live", "canceled"),
        ("cancel_both", "canceled", "canceled"),
    ],
)
def test_order_never_meets_one_of_its_own_account(mode: str, maker: str, taker: str) -> None:
    bench = Bench()
    resting = bench.limit(side="sell", px="40001", sz="0.01", ordType="post_only")
    taking = bench.limit(px="40002", sz="0.01", stpMode=mode)
    assert (bench.details(resting)["state"], bench.details(taking)["state"]) == (maker, taker)
    assert bench.get("trade/fills") == []


def test_price_band_refuses_or_amends_the_price() -> None:
    bench = Bench(price_band_percent="2")
    assert bench.refusal("POST", "trade/order", bench.order(px="42000", sz="0.01"))[1] == "51006"
    order = bench.details(bench.limit(px="42000", sz="0.01", pxAmendType="1"))
    assert order["px"] == "40800"
    assert bench.look("public/price-limit", "instId=BTC-USDT")[0] | {"ts": ""} == {
        "instType": "SPOT",
        "instId": "BTC-USDT",
        "buyLmt": "40800",
        "sellLmt": "39200",
        "ts": "",
        "enabled": True,
    }


def test_dollar_book_debits_the_coin_that_is_named() -> None:
    bench = Bench()
    order = bench.details(bench.limit(instId="BTC-USD", tradeQuoteCcy="USDC", sz="0.01"), "BTC-USD")
    assert (order["instId"], order["tradeQuoteCcy"]) == ("BTC-USD", "USDC")
    assert bench.balance("USDC")["frozenBal"] == "390"
    assert bench.balance("USD")["frozenBal"] == "0"
    assert bench.details(bench.limit(instId="BTC-USD", sz="0.01"), "BTC-USD")["tradeQuoteCcy"] == "USD"
    assert bench.sim.orders()["accounts"]["master"]["orders"][0]["symbol"] == "BTC-USDC"
    bench.happen("market_price", pair="BTC-USD", price="38000")  # Both lines move.
    assert len(bench.get("trade/fills", instId="BTC-USD")) == 2


def test_quote_currency_may_be_mandatory_where_there_are_several() -> None:
    bench = Bench(is_trade_quote_required=True)
    assert bench.refusal("POST", "trade/order", bench.order(instId="BTC-USD"))[1] == "51000"
    assert bench.limit(instId="BTC-USD", tradeQuoteCcy="USD")
    assert bench.limit(instId="BTC-USDT")


@pytest.mark.parametrize(("state", "code"), [("suspend", "51022"), ("preopen", "51021"), ("test", "51021")])
def test_instrument_that_is_not_live_takes_no_orders_and_lets_them_go(state: str, code: str) -> None:
    bench = Bench()
    order_id = bench.limit()
    bench.happen("instrument_state", pair="BTC-USDT", state=state)
    assert bench.refusal("POST", "trade/order", bench.order())[1] == code
    assert not bench.sim.takes_orders("BTC-USDT")
    assert bench.post("trade/cancel-order", {"instId": "BTC-USDT", "ordId": order_id})


def test_blocked_account_and_outage_refuse() -> None:
    bench = Bench()
    bench.happen("account_block", on=True)
    assert bench.refusal("POST", "trade/order", bench.order())[1] == "51024"
    bench.happen("outage", on=True)
    assert bench.refusal("GET", "account/balance") == (503, "50001")
    assert bench.look("public/time")
    bench.happen("outage", on=False)
    assert bench.get("account/balance")


def test_too_many_pending_orders_are_refused() -> None:
    bench = Bench(max_pending_per_instrument=2, max_pending_orders=3)
    for _ in range(2):
        bench.limit()
    assert bench.refusal("POST", "trade/order", bench.order())[1] == "51102"
    bench.limit(instId="ETH-USDT", px="2000", sz="0.1")
    assert bench.refusal("POST", "trade/order", bench.order(instId="ETH-USDT", px="2000", sz="0.1"))[1] == "51025"


def test_batch_takes_each_order_by_itself() -> None:
    bench = Bench()
    rows = bench.envelope("POST", "trade/batch-orders", [bench.order(clOrdId="x1"), bench.order(sz="1")])
    assert (rows["code"], [row["sCode"] for row in rows["data"]]) == ("2", ["0", "51008"])
    none = bench.envelope("POST", "trade/batch-orders", [bench.order(sz="1"), bench.order(clOrdId="x1")])
    assert (none["code"], [row["sCode"] for row in none["data"]]) == ("1", ["51008", "51016"])
    assert bench.refusal("POST", "trade/batch-orders", [bench.order()] * 21)[1] == "51000"
    assert bench.refusal("POST", "trade/batch-orders", [])[1] == "50014"
    ids = [{"instId": "BTC-USDT", "clOrdId": "x1"}, {"instId": "BTC-USDT", "clOrdId": "x2"}]
    gone = bench.envelope("POST", "trade/cancel-batch-orders", ids)
    assert (gone["code"], [row["sCode"] for row in gone["data"]]) == ("2", ["0", "51603"])


# Changing and cancelling


def test_amend_changes_price_and_size_in_place() -> None:
    bench = Bench()
    order_id = bench.limit(clOrdId="a1")
    body = {"instId": "BTC-USDT", "clOrdId": "a1", "newSz": "0.02", "newPx": "38000", "reqId": "r1"}
    (ack,) = bench.post("trade/amend-order", body)
    assert (ack["ordId"], ack["reqId"]) == (order_id, "r1")
    order = bench.details(order_id)
    assert (order["px"], order["sz"], order["state"]) == ("38000", "0.02", "live")
    assert bench.balance("USDT")["frozenBal"] == "760"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"newSz": "1"}, "51502"),
        ({"newPx": "38000.05"}, "51000"),
        ({"newSz": "0.000001"}, "51020"),
        ({}, "51000"),
        ({"clOrdId": "never", "newSz": "1"}, "51603"),
    ],
)
def test_amend_that_is_not_well_is_refused_and_the_order_stands(changed: dict[str, str], code: str) -> None:
    bench = Bench()
    order_id = bench.limit(clOrdId="a1")
    body = {"instId": "BTC-USDT", "clOrdId": "a1", **changed}
    assert bench.refusal("POST", "trade/amend-order", body)[1] == code
    assert bench.details(order_id)["state"] == "live"
    assert bench.balance("USDT")["frozenBal"] == "390"


def test_amend_may_cancel_where_it_fails() -> None:
    bench = Bench()
    order_id = bench.limit()
    body = {"instId": "BTC-USDT", "ordId": order_id, "newSz": "1", "cxlOnFail": True}
    assert bench.refusal("POST", "trade/amend-order", body)[1] == "51502"
    assert bench.details(order_id)["state"] == "canceled"
    assert bench.refusal("POST", "trade/amend-order", body)[1] == "51503"


@pytest.mark.parametrize("code", ["51603", "51400"])
def test_cancel_of_nothing_has_the_code_of_the_setting(code: str) -> None:
    bench = Bench(unknown_cancel_code=code)
    assert bench.refusal("POST", "trade/cancel-order", {"instId": "BTC-USDT", "ordId": "12"})[1] == code
    assert bench.refusal("POST", "trade/cancel-order", {"instId": "BTC-USDT"})[1] == "51003"
    assert bench.refusal("POST", "trade/cancel-order", {"instId": "NOPE-USDT", "ordId": "12"})[1] == "51001"
    order_id = bench.limit()
    assert bench.refusal("POST", "trade/cancel-order", {"instId": "ETH-USDT", "ordId": order_id})[1] == code
    bench.post("trade/cancel-order", {"instId": "BTC-USDT", "ordId": order_id})
    assert bench.refusal("POST", "trade/cancel-order", {"instId": "BTC-USDT", "ordId": order_id})[1] == "51400"


def test_cancel_may_take_effect_later_and_lose_against_a_fill() -> None:
    bench = Bench(cancel_delay_s=0.2)
    body = {"instId": "BTC-USDT", "ordId": bench.limit()}
    bench.post("trade/cancel-order", body)
    assert bench.details(body["ordId"])["state"] == "live"
    assert bench.refusal("POST", "trade/cancel-order", body)[1] == "51410"
    bench.pass_time(0.2)
    assert bench.details(body["ordId"])["state"] == "canceled"
    late = bench.limit()
    bench.post("trade/cancel-order", {"instId": "BTC-USDT", "ordId": late})
    bench.happen("fill", order=late)
    bench.pass_time(0.2)
    assert bench.details(late)["state"] == "filled"
    bench.impair("fill_before_cancel")
    beaten = bench.limit()
    bench.post("trade/cancel-order", {"instId": "BTC-USDT", "ordId": beaten})
    assert bench.details(beaten)["state"] == "filled"


def test_partial_fills_add_up_and_release_what_they_held() -> None:
    bench = Bench()
    order_id = bench.limit(px="39000", sz="0.01")
    bench.happen("fill", order=order_id, quantity="0.004")
    order = bench.details(order_id)
    assert (order["state"], order["accFillSz"], order["fillSz"], order["fillPx"]) == (
        "partially_filled",
        "0.004",
        "0.004",
        "39000",
    )
    assert (order["fee"], order["feeCcy"]) == ("-0.0000032", "BTC")
    assert bench.balance("USDT")["frozenBal"] == "234"
    bench.happen("fill", order=order_id)
    assert bench.details(order_id)["state"] == "filled"
    assert bench.truth()["USDT"] == {"total": "9610", "held": "0", "available": "9610"}


@pytest.mark.parametrize(
    ("side", "fee", "rebate"), [("buy", ("0", "BTC"), ("0.000001", "BTC")), ("sell", ("0.041", "USDT"), ("0", "BTC"))]
)
def test_rebate_of_a_maker_is_told_apart_from_a_fee(side: str, fee: tuple[str, str], rebate: tuple[str, str]) -> None:
    bench = Bench(maker_fee_percent="-0.01")
    order_id = bench.limit(side=side, px="39000" if side == "buy" else "41000", sz="0.01")
    bench.happen("fill", order=order_id)
    order = bench.details(order_id)
    assert (order["fee"], order["feeCcy"]) == fee
    assert (order["rebate"], order["rebateCcy"]) == rebate
    (fill,) = bench.get("trade/fills", ordId=order_id)
    assert Decimal(fill["fee"]) > 0


def test_cancel_all_after_fires_once_and_for_its_tag() -> None:
    bench = Bench()
    ours, tagged = bench.limit(), bench.limit(tag="grid1")
    (armed,) = bench.post("trade/cancel-all-after", {"timeOut": "10", "tag": "grid1"})
    assert int(armed["triggerTime"]) - int(armed["ts"]) == 10_000
    bench.pass_time(10)
    gone = bench.details(tagged)
    assert (gone["state"], gone["cancelSource"]) == ("canceled", "20")
    assert bench.details(ours)["state"] == "live"
    bench.post("trade/cancel-all-after", {"timeOut": "60"})
    bench.pass_time(1)
    (off,) = bench.post("trade/cancel-all-after", {"timeOut": "0"})
    assert off["triggerTime"] == "0"
    bench.pass_time(100)
    assert bench.details(ours)["state"] == "live"


@pytest.mark.parametrize("timeout", ["9", "121", "-1", "x"])
def test_cancel_all_after_takes_ten_to_a_hundred_and_twenty_seconds(timeout: str) -> None:
    assert Bench().refusal("POST", "trade/cancel-all-after", {"timeOut": timeout})[1] == "51000"


def test_dry_run_is_for_margin_modes_only() -> None:
    assert Bench().refusal("POST", "trade/order-precheck", Bench().order())[1] == "51010"
    assert Bench(profile="margin").post("trade/order-precheck", Bench().order())


# Questions


def test_young_orders_may_be_invisible_to_queries() -> None:
    bench = Bench(order_visibility_lag_s=0.3)
    order_id = bench.limit(clOrdId="a1")
    assert bench.refusal("GET", "trade/order", {"instId": "BTC-USDT", "clOrdId": "a1"}) == (200, "51603")
    assert bench.get("trade/orders-pending") == []
    bench.pass_time(0.3)
    assert bench.details(order_id)["state"] == "live"


def test_order_cancelled_unfilled_is_forgotten_after_two_hours() -> None:
    bench = Bench()
    empty, partly = bench.limit(), bench.limit()
    bench.happen("fill", order=partly, quantity="0.001")
    for order_id in (empty, partly):
        bench.post("trade/cancel-order", {"instId": "BTC-USDT", "ordId": order_id})
    assert len(bench.get("trade/orders-history", instType="SPOT")) == 2
    bench.pass_time(2 * 3600 + 1)
    assert [row["ordId"] for row in bench.get("trade/orders-history", instType="SPOT")] == [partly]
    assert bench.refusal("GET", "trade/order", {"instId": "BTC-USDT", "ordId": empty}) == (200, "51603")


def test_lists_come_newest_first_in_pages_and_by_their_filters() -> None:
    bench = Bench()
    ids = [bench.limit(ordType="limit" if number % 2 else "post_only") for number in range(5)]
    rows = bench.get("trade/orders-pending", limit="2")
    assert [row["ordId"] for row in rows] == ids[:2:-1]
    older = bench.get("trade/orders-pending", after=rows[-1]["ordId"])
    assert [row["ordId"] for row in older] == ids[2::-1]
    newer = bench.get("trade/orders-pending", before=ids[2])
    assert [row["ordId"] for row in newer] == ids[:2:-1]
    assert len(bench.get("trade/orders-pending", ordType="post_only")) == 3
    assert bench.get("trade/orders-pending", instId="ETH-USDT") == []
    assert bench.get("trade/orders-pending", instType="SWAP") == []
    fills = [bench.market() for _ in range(3)]
    assert [row["ordId"] for row in bench.get("trade/fills")] == fills[::-1]
    first = bench.get("trade/fills", limit="1")
    assert [row["ordId"] for row in bench.get("trade/fills", after=first[0]["billId"])] == fills[1::-1]
    now_ms = bench.sim.now_us() // 1000
    assert bench.get("trade/fills", begin=str(now_ms + 1)) == []
    assert len(bench.get("trade/fills", begin=str(now_ms), end=str(now_ms))) == 3
    assert bench.refusal("GET", "trade/orders-history")[1] == "50014"


def test_refusal_before_or_after_it_was_done_looks_the_same() -> None:
    bench = Bench()
    bench.impair("refuse", name="POST trade/order", code="50004", when="before")
    assert bench.refusal("POST", "trade/order", bench.order(clOrdId="a1")) == (400, "50004")
    assert bench.get("trade/orders-pending") == []
    bench.impair("refuse", name="POST trade/order", code="51149", when="after")
    assert bench.refusal("POST", "trade/order", bench.order(clOrdId="a2")) == (500, "51149")
    assert [row["clOrdId"] for row in bench.get("trade/orders-pending")] == ["a2"]
    bench.impair("refuse", name="GET trade/fills", code="50026", status=503)
    assert bench.refusal("GET", "trade/fills") == (503, "50026")
    assert bench.get("trade/fills") == []


def test_watchers_hear_of_orders_entries_and_refusals() -> None:
    bench = Bench()
    heard: list[Any] = []
    bench.sim.watch(
        orders=lambda order, change, fill: heard.append(change.value),
        entries=lambda account, entries: heard.append([entry.row for entry in entries]),
        refusals=lambda account, request, code: heard.append(code),
    )
    bench.market()
    bench.envelope("POST", "trade/order", bench.order(sz="1"))
    assert heard == ["accepted", "opened", ["USDT", "BTC"], "traded", "filled", "51008"]
