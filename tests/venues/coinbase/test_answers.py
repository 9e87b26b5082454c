"""Reads other than balances: the fixtures give the documented figures; what cannot be believed is refused by name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.balances import OpenOrder, Side
from holdfast.core.venue import ClosedOrder
from holdfast.errors import AmountError, PayloadError
from holdfast.venues.coinbase import parse
from tests.venues.coinbase.samples import encoded, listing, sample, tree

D = Decimal


def _orders(name: str) -> list[OpenOrder | ClosedOrder]:
    return [parse.order_of(row, listing()) for row in parse.orders(sample(name)).orders]


def _order(**changes: Any) -> OpenOrder | ClosedOrder:
    row = {**tree("http_order")["order"], **changes}
    return parse.order_of(parse.lone_order(encoded({"order": row})), listing())


def test_time_is_milliseconds_as_text_or_number() -> None:
    assert parse.venue_time_s(sample("http_time")) == 1795158000.123
    assert parse.venue_time_s(b'{"epochMillis": 1795158000123}') == 1795158000.123
    for body in (b'{"epochMillis": "1795158000"}', b'{"epochMillis": "x"}', b"{}", b"Unauthorized"):
        with pytest.raises(PayloadError, match="time"):
            parse.venue_time_s(body)


def test_ticker_is_keyed_by_our_symbol() -> None:
    ticker = parse.ticker(sample("http_ticker"), "BTC-USD", as_of_s=5.0)
    assert ticker is not None
    assert (ticker.symbol, ticker.bid, ticker.ask, ticker.last, ticker.as_of_s) == (
        "BTC-USD", D("60998.10"), D("61000.02"), D("61000.01"), 5.0,
    )  # fmt: skip
    whole = tree("http_ticker")
    without: list[dict[str, Any]] = [{"best_bid": ""}, {"best_ask": ""}, {"trades": []}]
    for missing in without:
        assert parse.ticker(encoded({**whole, **missing}), "BTC-USD", as_of_s=5.0) is None


def test_candles_rise_and_the_last_one_is_forming() -> None:
    found = parse.candles(sample("http_candles"), interval_s=3600, now_s=1795158600.0)
    assert [each.start_s for each in found] == [1795147200, 1795154400, 1795158000]
    assert [each.is_final for each in found] == [True, True, False]
    assert (found[1].open, found[1].high, found[1].low, found[1].close, found[1].volume) == (
        D(61000), D(61100), D(60900), D(60990), D("120.00045"),
    )  # fmt: skip
    twice = tree("http_candles")
    twice["candles"] += twice["candles"][:1]
    with pytest.raises(PayloadError, match="two of one start"):
        parse.candles(encoded(twice), interval_s=3600, now_s=0.0)


def test_key_tells_its_portfolio_and_its_rights() -> None:
    info = parse.credential_info(sample("http_key_permissions"))
    assert info.account_id == "c0ffee00-0000-4000-8000-000000000001"
    assert info.permissions == ("view", "trade")
    assert not info.can_withdraw
    assert info.refusal is None
    whole = tree("http_key_permissions")
    assert parse.credential_info(encoded({**whole, "can_transfer": True})).can_withdraw
    refused = parse.credential_info(encoded({**whole, "portfolio_type": "INTX"}))
    assert refused.account_mode == "INTX"
    assert refused.refusal is not None
    assert "DEFAULT" in refused.refusal
    for broken in ({"portfolio_uuid": ""}, {"can_view": None}):
        with pytest.raises(PayloadError, match=next(iter(broken))):
            parse.credential_info(encoded({**whole, **broken}))


def test_fees_are_fractions() -> None:
    rates = parse.fee_rates(sample("http_transaction_summary"), ["BTC-USD"])["BTC-USD"]
    assert (rates.taker, rates.maker) == (D("0.006"), D("0.004"))
    percent = tree("http_transaction_summary")
    percent["fee_tier"]["taker_fee_rate"] = "60"
    with pytest.raises(PayloadError, match="no fractions"):
        parse.fee_rates(encoded(percent), ["BTC-USD"])


# Orders


def test_open_orders_hold_what_remains() -> None:
    buy, sell = _orders("http_orders_open")
    assert isinstance(buy, OpenOrder)
    assert isinstance(sell, OpenOrder)
    assert (buy.symbol, buy.side, buy.quantity, buy.filled, buy.cost, buy.fee) == (
        "BTC-USD", Side.BUY, D("0.010"), D("0.004"), D(240), D("1.44"),
    )  # fmt: skip
    assert (buy.hold_asset, buy.hold) == ("USD", D("362.16"))
    assert buy.client_order_id == "6d1b345e2821e2a36d14a9d1e1a6a0ff"
    # Nothing told: what remains is held.
    assert (sell.hold_asset, sell.hold, sell.filled) == ("BTC", D("0.25"), D(0))


@pytest.mark.parametrize(
    ("changes", "hold"),
    [
        ({"outstanding_hold_amount": "0"}, "360.00000"),
        ({"outstanding_hold_amount": None}, "360.00000"),
        ({"outstanding_hold_amount": "", "side": "SELL"}, "0.006"),
        ({"outstanding_hold_amount": "", "order_configuration": {"market_market_ioc": {"quote_size": "300"}}}, "60"),
        ({"outstanding_hold_amount": "", "order_configuration": {"market_market_ioc": {"base_size": "1"}}}, None),
        ({"outstanding_hold_amount": "", "order_configuration": {"of_tomorrow": {}}}, None),
        ({"outstanding_hold_amount": "", "order_configuration": {}}, None),
    ],
)
def test_hold_that_is_not_told_is_what_remains_or_unknown(changes: dict[str, Any], hold: str | None) -> None:
    order = _order(**changes)
    assert isinstance(order, OpenOrder)
    assert order.hold == (None if hold is None else D(hold))


def test_closed_orders_say_how_they_ended() -> None:
    filled, cancelled, failed = _orders("http_orders_ended")
    assert isinstance(filled, ClosedOrder)
    assert isinstance(cancelled, ClosedOrder)
    assert isinstance(failed, ClosedOrder)
    assert (filled.status, filled.quantity, filled.filled, filled.cost, filled.fee, filled.reason) == (
        "filled", D("0.00040983"), D("0.00040983"), D("24.99963"), D("0.15"), None,
    )  # fmt: skip
    assert filled.closed_at_s == 1795158001.6
    assert (cancelled.status, cancelled.filled, cancelled.reason) == (
        "canceled", D("0.004"), "User requested cancel",
    )  # fmt: skip
    assert (failed.status, failed.reason) == ("failed", "Insufficient balance in source account")
    expired = _order(status="EXPIRED")
    assert isinstance(expired, ClosedOrder)
    assert expired.status == "expired"


@pytest.mark.parametrize("status", [*parse.RESTING, "UNKNOWN_ORDER_STATUS", "ORDER_STATUS_OF_TOMORROW"])
def test_order_that_is_not_told_to_be_over_is_open(status: str) -> None:
    assert isinstance(_order(status=status), OpenOrder)


def test_value_that_is_missing_is_size_times_average() -> None:
    order = _order(filled_value="")
    assert isinstance(order, OpenOrder)
    assert order.cost == D(240)


def test_order_of_an_unlisted_product_has_no_symbol_and_still_holds_its_asset() -> None:
    order = _order(product_id="XRP-EUR")
    assert isinstance(order, OpenOrder)
    assert (order.symbol, order.hold_asset, order.hold) == (None, "EUR", D("362.16"))


def test_order_that_makes_no_sense_is_refused_by_name() -> None:
    for changes, error, told in (
        ({"side": ""}, PayloadError, "side"),
        ({"filled_size": "lots"}, AmountError, "filled_size"),
        ({"outstanding_hold_amount": "1,5"}, AmountError, "outstanding_hold_amount"),
        ({"status": "FILLED", "last_update_time": "yesterday"}, PayloadError, "last_update_time"),
    ):
        with pytest.raises(error, match=told):
            _order(**changes)
    row = tree("http_order")["order"]
    for field in ("order_id", "product_id", "side", "status"):
        with pytest.raises(PayloadError, match=field):
            parse.lone_order(encoded({"order": {name: value for name, value in row.items() if name != field}}))
    with pytest.raises(PayloadError, match="has_next"):
        parse.orders(encoded({"orders": []}))


# Fills


def test_fills_are_as_documented() -> None:
    rows, count, cursor = parse.fills(sample("http_fills"), listing())
    (fill,) = rows.values()
    assert (fill.order_id, fill.fill_id, fill.symbol, fill.side) == (
        "0000-000000-000000", "1111-11111-111111", "BTC-USD", Side.BUY,
    )  # fmt: skip
    assert (fill.quantity, fill.price, fill.cost, fill.fee) == (D("0.001"), D(10000), D(10), D("1.25"))
    assert fill.at_s == 1622455199.0
    assert (count, cursor) == (1, "789100")


def test_size_in_quote_is_turned_into_base_on_the_grid_and_other_rows_are_no_fills() -> None:
    rows, count, cursor = parse.fills(sample("http_fills_quote"), listing())
    (fill,) = rows.values()
    assert (fill.quantity, fill.cost) == (D("0.00040983"), D("24.99963"))
    assert (count, cursor) == (2, "")


@pytest.mark.parametrize(
    ("text", "time_s"),
    [
        ("2026-11-20T07:00:00Z", 1795158000.0),
        ("2026-11-20T07:00:00.5Z", 1795158000.5),
        ("2026-11-20T07:00:00.123456789Z", 1795158000.123456789),
        ("2026-11-20 07:00:00+00:00", 1795158000.0),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
    ],
)
def test_times_have_any_number_of_decimals(text: str | None, time_s: float | None) -> None:
    assert parse.time_s(text, "x") == time_s


@pytest.mark.parametrize("text", ["2026-11-20T07:00:00", "2026-13-20T07:00:00Z", "now", "2026-11-20T07:00:00+02:00"])
def test_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PayloadError, match="no UTC time"):
        parse.time_s(text, "x")


@pytest.mark.parametrize(
    "read",
    [
        lambda body: parse.orders(body),
        lambda body: parse.fills(body, listing()),
        lambda body: parse.candles(body, interval_s=60, now_s=0.0),
        lambda body: parse.ticker(body, "BTC-USD", as_of_s=0.0),
        lambda body: parse.credential_info(body),
        lambda body: parse.fee_rates(body, ["BTC-USD"]),
        lambda body: parse.venue_time_s(body),
    ],
)
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b"Unauthorized", b'{"a":1,"a":2}', b"\xff", b"[" * 9999])
def test_answer_that_is_none_is_refused(read: Any, body: bytes) -> None:
    with pytest.raises(PayloadError):
        read(body)
