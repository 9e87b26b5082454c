"""Answers about the venue and the account: the documents' own samples, and everything that is none of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.balances import Side
from holdfast.core.venue import VenueMode
from holdfast.errors import AmountError, PayloadError
from holdfast.venues.okx import order_rows, parse
from tests.venues.okx.samples import compact, listing, loaded, sample

D = Decimal


def changed(name: str, **fields: Any) -> bytes:
    """A fixture with fields of its first row replaced; None takes one away."""
    whole = loaded(name)
    for field, value in fields.items():
        if value is None:
            del whole["data"][0][field]
        else:
            whole["data"][0][field] = value
    return compact(whole)


# The venue


def test_time_is_read_to_the_millisecond() -> None:
    assert parse.venue_time_s(sample("http_time")) == 1_790_000_000.123


@pytest.mark.parametrize("text", ["1790000000", "", "1e12", "-1790000000123", "1790000000123000"])
def test_time_in_another_unit_is_refused(text: str) -> None:
    with pytest.raises(PayloadError):
        parse.venue_time_s(changed("http_time", ts=text))


def test_maintenance_of_trading_closes_the_venue_and_of_the_other_environment_does_not() -> None:
    assert parse.status(sample("http_status_none"), env="1") == (VenueMode.ONLINE, None)
    mode, told = parse.status(sample("http_status"), env="1")
    assert mode is VenueMode.MAINTENANCE
    assert told
    assert parse.status(sample("http_status"), env="2")[0] is VenueMode.ONLINE


@pytest.mark.parametrize(
    ("state", "service", "mode"),
    [
        ("ongoing", "99", VenueMode.MAINTENANCE),
        ("pre_open", "5", VenueMode.POST_ONLY),
        ("scheduled", "5", VenueMode.ONLINE),
        ("ongoing", "0", VenueMode.ONLINE),
        ("completed", "5", VenueMode.ONLINE),
        ("a word to come", "5", VenueMode.ONLINE),
    ],
)
def test_state_and_service_of_a_maintenance_decide(state: str, service: str, mode: VenueMode) -> None:
    assert parse.status(changed("http_status", state=state, serviceType=service), env="1")[0] is mode


def test_worst_of_several_maintenances_counts() -> None:
    whole = loaded("http_status")
    whole["data"].append({**whole["data"][0], "state": "pre_open"})
    assert parse.status(compact(whole), env="1")[0] is VenueMode.MAINTENANCE
    whole["data"].reverse()
    assert parse.status(compact(whole), env="1")[0] is VenueMode.MAINTENANCE


def test_ticker_is_keyed_by_our_symbol() -> None:
    names = listing()
    found = parse.tickers(sample("http_ticker_spot"), names, ["BTC-USD", "BTC-USDC"], as_of_s=7.0)
    assert set(found) == {"BTC-USD", "BTC-USDC"}  # One book, whatever it is traded against.
    ticker = found["BTC-USDC"]
    assert (ticker.bid, ticker.ask, ticker.last, ticker.as_of_s) == (D(40000), D("40000.2"), D("40000.1"), 7.0)
    assert set(parse.tickers(sample("http_ticker_spot"), names, ["BTC-USD"], as_of_s=7.0)) == {"BTC-USD"}
    assert parse.tickers(sample("http_ticker"), names, ["BTC-USD"], as_of_s=7.0) == {}  # A swap is none of ours.


def test_book_without_a_side_has_no_price() -> None:
    assert parse.tickers(changed("http_ticker_spot", bidPx=""), listing(), ["BTC-USD"], as_of_s=7.0) == {}


def test_candles_rise_and_the_last_one_is_forming() -> None:
    first, last = parse.candles(sample("http_candles"))
    assert (first.start_s, last.start_s) == (1_789_999_980, 1_790_000_040)
    assert (first.is_final, last.is_final) == (True, False)
    assert (last.open, last.high, last.low, last.close) == (D("3.721"), D("3.743"), D("3.677"), D("3.708"))
    assert last.volume == D(8422410)


@pytest.mark.parametrize("how", ["order", "short", "time", "number"])
def test_candles_of_another_shape_are_refused(how: str) -> None:
    whole = loaded("http_candles")
    if how == "order":
        whole["data"].reverse()
    elif how == "short":
        whole["data"][0] = whole["data"][0][:5]
    elif how == "time":
        whole["data"][0][0] = "1790000040"
    else:
        whole["data"][0][1] = "NaN"
    with pytest.raises(PayloadError):
        parse.candles(compact(whole))


# The account


def test_account_in_spot_mode_is_taken_and_every_other_is_refused_with_what_to_do() -> None:
    info = parse.account_info(sample("http_config_spot"))
    assert (info.account_id, info.account_mode, info.refusal) == ("44705892343619584", "spot", None)
    assert (info.permissions, info.can_withdraw) == (("read_only", "trade"), False)
    assert any("14 days" in note for note in info.notes)
    futures = parse.account_info(sample("http_config"))
    assert futures.account_mode == "futures"
    assert futures.can_withdraw
    assert futures.refusal is not None
    assert "futures" in futures.refusal
    assert "sub-account in spot mode" in futures.refusal
    for level in ("3", "4", "9"):
        assert parse.account_info(changed("http_config", acctLv=level)).refusal is not None


def test_what_else_matters_of_an_account_is_said_beside_it() -> None:
    body = changed("http_config_spot", enableSpotBorrow=True, mainUid="1", ip="10.0.0.1, 10.0.0.2", feeType="1")
    info = parse.account_info(body)
    assert info.account_mode == "spot, borrowing enabled"
    assert info.ip_allow_list == ("10.0.0.1", "10.0.0.2")
    told = " ".join(info.notes)
    assert "sub-account" in told
    assert "borrow" in told
    assert "quote currency" in told
    assert "14 days" not in told  # Bound to an address, a key does not die of silence.
    assert parse.account_info(changed("http_config_spot", perm="read_only")).notes == ()


def test_fees_are_fractions() -> None:
    line = listing().line("BTC-USDT")
    rates = parse.fee_rates(sample("http_trade_fee"), "BTC-USDT", line)
    assert (rates.taker, rates.maker) == (D("0.001"), D("0.0008"))
    rebate = loaded("http_trade_fee")
    rebate["data"][0]["feeGroup"][0]["maker"] = "0.0001"
    assert parse.fee_rates(compact(rebate), "BTC-USDT", line).maker == D("-0.0001")


def test_fee_is_of_the_instruments_own_group() -> None:
    whole = loaded("http_trade_fee")
    line = listing().line("ETH-BTC")
    whole["data"][0]["feeGroup"] += [{"groupId": "2", "maker": "-0.002", "taker": "-0.003", "elpMaker": ""}]
    assert parse.fee_rates(compact(whole), "ETH-BTC", line).taker == D("0.003")
    whole["data"][0]["feeGroup"][1]["groupId"] = "77"
    with pytest.raises(PayloadError, match="group"):
        parse.fee_rates(compact(whole), "ETH-BTC", line)
    whole["data"][0]["feeGroup"] = []  # As before there were groups.
    assert parse.fee_rates(compact(whole), "ETH-BTC", line).taker == D("0.001")


def test_ledger_rows_are_signed_and_keep_the_fee_apart() -> None:
    [row] = parse.ledger_rows(sample("http_bills")).values()
    assert (row.entry, row.ref, row.asset, row.kind) == ("623950854533513219", "586760148", "USDT", "trade")
    assert row.change == D("0.021955779")
    assert row.fee == D("0.000021955779")
    assert row.total_after == D("8694.2179403378290202")
    assert row.at_s == 1_695_033_476.167


def test_bill_of_a_type_to_come_is_named_by_its_number() -> None:
    [row] = parse.ledger_rows(changed("http_bills", type="999", tradeId="", ordId="")).values()
    assert (row.kind, row.ref) == ("type '999'", None)


# Orders


def test_order_is_as_documented_and_its_fee_is_told_in_quote() -> None:
    [row] = order_rows.orders_of(sample("http_order"), "trade/order")
    order = order_rows.closed_order(row, listing(), "trade/order")
    assert (order.order_id, order.symbol, order.side) == ("680800019749904384", "BTC-USDT", Side.BUY)
    assert (order.status, order.quantity, order.filled) == ("filled", D(100), D("0.00192834"))
    assert order.cost == D("0.00192834") * D(51858)
    assert order.fee == D("0.00000192834") * D(51858)
    assert order.closed_at_s == 1_708_587_373.362


def test_open_orders_hold_what_remains() -> None:
    [row] = order_rows.orders_of(sample("http_orders_pending"), "trade/orders-pending")
    names = listing()
    sell = order_rows.open_order(row, names, "trade/orders-pending")
    assert (sell.symbol, sell.hold_asset, sell.hold) == ("BTC-USDT", "BTC", D("0.01"))
    assert (sell.limit_price, sell.quantity, sell.fee) == (D(40000), D("0.01"), D(0))

    def hold(**fields: Any) -> tuple[Any, Any]:
        [changed_row] = order_rows.orders_of(changed("http_orders_pending", **fields), "trade/orders-pending")
        order = order_rows.open_order(changed_row, names, "trade/orders-pending")
        return order.hold_asset, order.hold

    assert hold(side="buy", accFillSz="0.004", avgPx="40000") == ("USDT", D("240.000"))
    assert hold(side="buy", ordType="market", px="", sz="100", tgtCcy="quote_ccy") == ("USDT", D(100))
    assert hold(side="buy", ordType="market", px="", sz="100", tgtCcy="") == ("USDT", D(100))
    assert hold(side="buy", ordType="market", px="", tgtCcy="base_ccy") == ("USDT", None)
    assert hold(tdMode="cross") == ("BTC", D(0))
    assert hold(instId="XMR-USDT") == (None, None)
    assert hold(instId="BTC-USD", tradeQuoteCcy="USDC", side="buy") == ("USDC", D("400.00"))


def test_fee_and_rebate_are_each_in_a_currency_of_their_own() -> None:
    names = listing()

    def fee(**fields: Any) -> Decimal | None:
        [row] = order_rows.orders_of(changed("http_order", **fields), "trade/order")
        return order_rows.open_order(row, names, "trade/order").fee

    # A maker's sell: the fee in quote, the rebate in base.
    assert fee(side="sell", fee="-0.1", feeCcy="USDT", rebate="0.000001", rebateCcy="BTC") == D("0.1") - D("0.051858")
    assert fee(fee="", rebate="") == D(0)
    assert fee(feeCcy="OKB") is None


def test_closed_orders_say_how_they_ended() -> None:
    names = listing()
    for fields, status, reason in (
        ({"state": "canceled", "cancelSource": "31"}, "canceled", "post only"),
        ({"state": "canceled", "cancelSource": "1", "cancelSourceReason": "by user"}, "canceled", "by user"),
        ({"state": "canceled", "cancelSource": "4711"}, "canceled", "4711"),
        ({"state": "mmp_canceled"}, "canceled", None),
        ({"state": "filled"}, "filled", None),
    ):
        [row] = order_rows.orders_of(changed("http_order", **fields), "trade/order")
        assert order_rows.has_ended(row)
        order = order_rows.closed_order(row, names, "trade/order")
        assert order.status == status
        assert (order.reason is None) is (reason is None)
        assert reason is None or reason in (order.reason or "")
    [row] = order_rows.orders_of(changed("http_order", state="a state to come"), "trade/order")
    assert not order_rows.has_ended(row)


def test_fills_are_as_documented() -> None:
    found, traded = order_rows.fills(sample("http_fills"), listing(), "trade/fills")
    [fill] = found.values()
    assert set(found) == {"680800019754098688"}
    assert (fill.fill_id, fill.order_id, fill.symbol) == ("BTC-USDT:744876980", "680800019749904384", "BTC-USDT")
    assert (fill.quantity, fill.price) == (D("0.00192834"), D(51858))
    assert fill.cost == fill.quantity * fill.price
    assert fill.fee == D("0.00000192834") * D(51858)
    assert fill.at_s == 1_708_587_373.361
    assert traded == {"680800019749904384": "BTC-USDT"}
    [row] = order_rows.fills(changed("http_fills", fee="0.5", feeCcy="USDT"), listing(), "trade/fills")[0].values()
    assert row.fee == D("-0.5")  # A rebate.


# Every answer


READERS: list[tuple[str, Any]] = [
    ("http_time", parse.venue_time_s),
    ("http_config_spot", parse.account_info),
    ("http_trade_fee", lambda body: parse.fee_rates(body, "BTC-USDT", listing().line("BTC-USDT"))),
    ("http_bills", parse.ledger_rows),
    ("http_order", lambda body: order_rows.orders_of(body, "trade/order")),
    ("http_fills", lambda body: order_rows.fills(body, listing(), "trade/fills")),
    ("http_candles", parse.candles),
    ("http_instruments_many", lambda body: parse.names_of(body).instruments),
]
ALL = pytest.mark.parametrize(("name", "read"), READERS, ids=[name for name, _ in READERS])


@ALL
def test_answer_cut_anywhere_is_refused(name: str, read: Any) -> None:
    body = compact(loaded(name))
    for end in range(0, len(body), max(1, len(body) // 60)):
        with pytest.raises(PayloadError):
            read(body[:end])


@ALL
def test_answer_of_another_kind_is_refused(name: str, read: Any) -> None:
    whole = loaded(name)
    for body in (
        b"",
        b"null",
        b"[]",
        b"<html>maintenance</html>",
        b'{"code":"0","msg":""}',
        compact({**whole, "code": "50001"}),
        compact({**whole, "code": 0}).replace(b'"code":0', b'"code":"0","code":"0"'),
        compact({**whole, "data": {"rows": []}}),
        compact({**whole, "data": [7]}),
        compact(whole).replace(b'"data":', b'"data":[],"data":'),
    ):
        with pytest.raises(PayloadError):
            read(body)


@ALL
def test_unknown_fields_are_tolerated(name: str, read: Any) -> None:
    whole = loaded(name)
    more = {**whole, "aField": {"deep": [1, None, True]}, "data": []}
    for each in whole["data"]:
        more["data"].append(
            {**each, "yetToCome": "1", "nested": {"a": [{}]}} if isinstance(each, dict) else [*each, "x"]
        )
    assert str(read(compact(more))) == str(read(compact(whole)))


NEEDED = [
    ("http_order", ("ordId", "instId", "instType", "side", "ordType", "state", "sz", "accFillSz", "uTime")),
    ("http_fills", ("billId", "tradeId", "ordId", "instId", "side", "fillSz", "fillPx", "fillTime", "ts")),
    ("http_bills", ("billId", "ccy", "type", "balChg", "bal", "ts")),
    ("http_config_spot", ("uid", "mainUid", "acctLv", "perm", "ip")),
    ("http_time", ("ts",)),
]


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, fields in NEEDED for field in fields])
def test_field_that_is_needed_is_missed_by_name(name: str, field: str) -> None:
    read = dict(READERS)[name]
    with pytest.raises(PayloadError, match=field):
        read(changed(name, **{field: None}))


@pytest.mark.parametrize("wrong", ["NaN", "1,0", "0x1", " 1", "1_0", "", "١"])
def test_money_that_is_no_amount_is_refused(wrong: str) -> None:
    with pytest.raises(AmountError):
        order_rows.fills(changed("http_fills", fillSz=wrong), listing(), "trade/fills")
