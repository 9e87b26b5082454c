"""Every other REST answer: documented payloads become our values, others are refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from holdfast.core.balances import OpenOrder, Side
from holdfast.core.venue import ClosedOrder, VenueMode
from holdfast.errors import AmountError, PayloadError, UnknownAssetError
from holdfast.venues.kraken import parse
from tests.venues.kraken.samples import listing, sample

D = Decimal


# The clock and the status


def test_time_is_whole_seconds() -> None:
    assert parse.venue_time_s(sample("http_time")) == 1688669448.0


@pytest.mark.parametrize("unixtime", ["1688669448000", "1688669448000000", "0", "-5", "1e9", '"soon"', "null", "[]"])
def test_time_in_another_unit_is_refused(unixtime: str) -> None:
    with pytest.raises(PayloadError):
        parse.venue_time_s(f'{{"error":[],"result":{{"unixtime":{unixtime},"rfc1123":""}}}}'.encode())


@pytest.mark.parametrize("word", ["online", "maintenance", "cancel_only", "post_only", "limit_only"])
def test_status_is_krakens_word(word: str) -> None:
    body = sample("http_system_status").replace(b"online", word.encode())
    assert parse.status(body) == (VenueMode(word), None)


def test_status_that_is_new_is_unknown() -> None:
    assert parse.status(sample("http_system_status").replace(b"online", b"party"))[0] is VenueMode.UNKNOWN


def test_status_says_what_is_announced() -> None:
    body = b'{"error":[],"result":{"status":"online","timestamp":"","upcoming_maintenance":[{}],"emergency":[{},{}]}}'
    assert parse.status(body) == (VenueMode.ONLINE, "2 unresolved incidents, 1 maintenances ahead")


# Market data


def test_ticker_is_keyed_by_our_symbol() -> None:
    found = parse.tickers(sample("http_ticker"), listing(), as_of_s=5.0)
    ticker = found["BTC-USD"]
    assert (ticker.bid, ticker.ask, ticker.last, ticker.as_of_s) == (
        D("30300.00000"),
        D("30300.10000"),
        D("30303.20000"),
        5.0,
    )


def test_candles_rise_and_the_last_one_is_forming() -> None:
    found = parse.candles(sample("http_ohlc"), listing(), symbol="BTC-USD")
    assert [candle.start_s for candle in found] == [1688671200, 1688671260, 1688671320, 1688671380]
    assert [candle.is_final for candle in found] == [True, True, True, False]
    assert (found[0].open, found[0].high, found[0].low, found[0].close, found[0].volume) == (
        D("30306.1"),
        D("30306.2"),
        D("30305.7"),
        D("30305.7"),
        D("3.39243896"),
    )


@pytest.mark.parametrize(
    "change",
    [
        (b"XXBTZUSD", b"XETHZUSD"),
        (b"1688671260", b"1688671100"),
        (b"1688671260", b"1688671200"),
        (b"1688671260", b"-5"),
        (b",23]", b"]"),
        (b'"30306.1","30306.2"', b'"NaN","30306.2"'),
    ],
)
def test_candles_that_are_none_are_refused(change: tuple[bytes, bytes]) -> None:
    with pytest.raises(PayloadError):
        parse.candles(sample("http_ohlc").replace(*change), listing(), symbol="BTC-USD")


# Orders


def test_open_orders_hold_what_remains() -> None:
    found = parse.open_orders(sample("http_open_orders"), listing())
    order = found["OQCLML-BW3P3-BUCMWZ"]
    assert order == OpenOrder(
        order_id="OQCLML-BW3P3-BUCMWZ",
        client_order_id=None,
        symbol="BTC-USD",
        side=Side.BUY,
        order_type="limit",
        quantity=D("1.25000000"),
        filled=D("0.37500000"),
        limit_price=D("30010.0"),
        hold_asset="USD",
        hold=D("0.875") * D("30010"),
        cost=D("11253.7"),
        fee=D("0.00000"),
    )


def test_margin_order_holds_nothing_on_the_spot_balance() -> None:
    order = parse.open_orders(sample("http_open_orders"), listing())["OB5VMB-B4U2U-DK2WRW"]
    assert (order.hold_asset, order.hold) == ("USD", D(0))


def one_order(**changes: str) -> OpenOrder:
    """An open order: a buy of 2 BTC at 100 USD, of which half is filled; *changes* replace parts of its JSON."""
    parts = {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "limit",
        "price": "100",
        "price2": "0",
        "leverage": '"none"',
        "vol": "2",
        "vol_exec": "1",
        "cost": "100",
        "oflags": "fciq",
        "rest": "",
        **changes,
    }
    body = (
        '{{"error":[],"result":{{"open":{{"O-1":{{"status":"open","descr":{{"pair":"{pair}","type":"{type}",'
        '"ordertype":"{ordertype}","price":"{price}","price2":"{price2}","leverage":{leverage}}},"vol":"{vol}",'
        '"vol_exec":"{vol_exec}","cost":"{cost}","fee":"0","oflags":"{oflags}"{rest}}}}}}}}}'
    ).format(**parts)
    return parse.open_orders(body.encode(), listing())["O-1"]


@pytest.mark.parametrize(
    ("changes", "asset", "hold"),
    [
        ({}, "USD", "100"),
        ({"type": "sell"}, "BTC", "1"),
        ({"type": "sell", "ordertype": "market", "price": "0"}, "BTC", "1"),
        ({"type": "sell", "ordertype": "stop-loss", "price": "90"}, "BTC", "1"),
        ({"ordertype": "iceberg"}, "USD", "100"),
        ({"ordertype": "stop-loss-limit", "price": "90", "price2": "95"}, "USD", "95"),
        ({"ordertype": "market", "price": "0"}, "USD", None),
        ({"ordertype": "stop-loss", "price": "90"}, "USD", None),
        ({"price": "+5%"}, "USD", None),
        ({"price": "0"}, "USD", None),
        ({"ordertype": "market", "price": "0", "oflags": "fciq,viqc", "vol": "500", "cost": "120.5"}, "USD", "379.5"),
        ({"vol_exec": "3"}, "USD", "0"),
        ({"leverage": "null"}, "USD", "100"),
        ({"leverage": '"2:1"'}, "USD", "0"),
        ({"rest": ',"margin":true'}, "USD", "0"),
        ({"pair": "NEWUSD"}, None, None),
        ({"pair": "NEWUSD", "leverage": '"2:1"'}, None, "0"),
    ],
)
def test_hold_is_estimated_or_unknown(changes: dict[str, str], asset: str | None, hold: str | None) -> None:
    order = one_order(**changes)
    assert (order.hold_asset, order.hold) == (asset, None if hold is None else D(hold))


def test_order_by_cost_has_no_quantity() -> None:
    order = one_order(ordertype="market", price="0", oflags="viqc", vol="500", cost="0", vol_exec="0")
    assert order.quantity is None


def test_client_order_id_is_kept() -> None:
    assert one_order(rest=',"cl_ord_id":"acct-000123"').client_order_id == "acct-000123"


@pytest.mark.parametrize("changes", [{"vol": "NaN"}, {"vol_exec": ""}, {"cost": " 1"}, {"type": "hold"}])
def test_order_that_is_none_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(PayloadError):
        one_order(**changes)


def test_closed_orders_say_how_they_ended() -> None:
    found = parse.closed_orders(sample("http_closed_orders"), listing())
    order = found["O37652-RJWRT-IMO74O"]
    assert (order.status, order.reason, order.closed_at_s) == ("canceled", "User requested", 1688148610.0482)
    assert (order.symbol, order.side, order.quantity, order.filled) == ("BTC-GBP", Side.BUY, D("0.00100000"), D(0))


def test_queried_orders_are_open_or_closed_as_they_are() -> None:
    body = sample("http_query_orders").replace(b'"status":"closed"', b'"status":"pending"', 1)
    found = parse.queried_orders(body, listing())
    assert isinstance(found["OBCMZD-JIEE7-77TH3F"], OpenOrder)
    closed = found["OMMDB2-FSB6Z-7W3HPO"]
    assert isinstance(closed, ClosedOrder)
    assert (closed.cost, closed.fee) == (D("7500.0"), D("7.5"))


# History


def test_fills_are_as_documented() -> None:
    found = parse.fills(sample("http_trades_history"), listing())
    fill = found["THVRQM-33VKH-UCI7BS"]
    assert (fill.order_id, fill.symbol, fill.side) == ("OQCLML-BW3P3-BUCMWZ", "BTC-USD", Side.BUY)
    assert (fill.quantity, fill.price, fill.cost, fill.fee) == (
        D("0.02000000"),
        D("30010.00000"),
        D("600.20000"),
        D("0.00000"),
    )
    assert fill.at_s == 1688667796.8802


def test_ledger_rows_are_signed_and_keep_the_fee_apart() -> None:
    found = parse.ledger_rows(sample("http_ledgers"), listing())
    entry = found["L4UESK-KG3EQ-UFO4T5"]
    assert (entry.asset, entry.change, entry.fee, entry.total_after) == (
        "GBP",
        D("-24.5000"),
        D("0.0490"),
        D("459567.9171"),
    )
    assert (entry.ref, entry.kind, entry.at_s) == ("TJKLXF-PGMUI-4NTLXU", "trade", 1688464484.1787)


@pytest.mark.parametrize(
    ("symbol", "asset", "total_after"),
    [("XBT.F", "BTC", None), ("DOT.S", "DOT.S", "52732.1132"), ("XXBT", "BTC", "52732.1132")],
)
def test_ledger_row_of_a_part_states_no_total_of_the_whole(symbol: str, asset: str, total_after: str | None) -> None:
    entry = parse.ledger_rows(sample("http_ledgers").replace(b"ZUSD", symbol.encode()), listing())[
        "LMKZCZ-Z3GVL-CXKK4H"
    ]
    assert (entry.asset, entry.total_after) == (asset, None if total_after is None else D(total_after))


def test_ledger_rows_of_fee_credits_are_passed_over_and_unlisted_ones_refused() -> None:
    assert len(parse.ledger_rows(sample("http_ledgers").replace(b"ZUSD", b"KFEE"), listing())) == 1
    with pytest.raises(UnknownAssetError):
        parse.ledger_rows(sample("http_ledgers").replace(b"ZUSD", b"NEWCOIN"), listing())


@pytest.mark.parametrize("time", ["1e400", '"nan"', '"inf"', "-1", "1688464484178700", "null", '""'])
def test_time_that_is_none_is_refused(time: str) -> None:
    with pytest.raises(PayloadError):
        parse.ledger_rows(sample("http_ledgers").replace(b"1688464484.1787", time.encode()), listing())


# The account


def test_fees_are_fractions() -> None:
    rates = parse.fee_rates(sample("http_trade_volume"), listing())["BTC-USD"]
    assert (rates.taker, rates.maker) == (D("0.001"), D(0))


def test_fees_without_makers_are_the_takers() -> None:
    body = (
        b'{"error":[],"result":{"currency":"ZUSD","volume":"0","fees":{"XXBTZUSD":{"fee":"0.4000"},"NEW":{"fee":"1"}}}}'
    )
    rates = parse.fee_rates(body, listing())
    assert rates.keys() == {"BTC-USD"}
    assert rates["BTC-USD"].maker == D("0.004")


def test_fees_that_nobody_asked_for_are_none() -> None:
    assert parse.fee_rates(b'{"error":[],"result":{"currency":"ZUSD","volume":"0","fees":null}}', listing()) == {}


def test_key_info_names_the_account_and_its_rights() -> None:
    key = "4/SDrDBcOOPnm3nPlNfEMMJDeRcIVqPz+QhRxIodyZbI9po/aVRiHsgX"
    info = parse.api_key_info(sample("http_api_key_info"), key=key)
    assert (info.account_id, info.nonce_window, info.can_withdraw) == ("AA88 N84G WOAK NMOI", 0, True)
    assert (info.expires_at_s, info.ip_allow_list) == (None, ())
    assert "query-funds" in info.permissions


@pytest.mark.parametrize(
    ("right", "can_withdraw"),
    [
        ("withdraw-funds", True),
        ("add-withdraw-address", True),
        ("update-withdraw-address", True),
        ("earn-funds", False),
        ("something-new", False),
    ],
)
def test_rights_that_move_money_out_are_recognised(right: str, can_withdraw: bool) -> None:
    body = sample("http_api_key_info").replace(b"withdraw-funds", right.encode())
    info = parse.api_key_info(body, key="4/SDrDBcOOPnm3nPlNfEMMJDeRcIVqPz+QhRxIodyZbI9po/aVRiHsgX")
    assert info.can_withdraw is can_withdraw
    assert bool(info.notes) is can_withdraw  # A person is told, wherever the status is shown.


def test_key_info_of_another_key_is_refused_without_naming_either() -> None:
    with pytest.raises(PayloadError) as caught:
        parse.api_key_info(sample("http_api_key_info"), key="SIMother")
    assert "SIMother" not in str(caught.value)
    assert "4/SDrDBc" not in str(caught.value)


def test_key_that_expires_says_when() -> None:
    body = sample("http_api_key_info").replace(b'"validUntil":"0"', b'"validUntil":"1800000000"')
    info = parse.api_key_info(body, key="4/SDrDBcOOPnm3nPlNfEMMJDeRcIVqPz+QhRxIodyZbI9po/aVRiHsgX")
    assert info.expires_at_s == 1800000000.0


def test_token_is_taken_as_it_is() -> None:
    assert parse.token(sample("http_token")) == "1Dwc4lzSwNWOAwkMdqhssNNFhs1ed606d1WcF3XfEMw"


@pytest.mark.parametrize("value", ['""', "null", '"a\\nb"', '"é"', "[]"])
def test_token_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(PayloadError):
        parse.token(f'{{"error":[],"result":{{"token":{value}}}}}'.encode())


# All of them


READERS: dict[str, Callable[[bytes], object]] = {
    "http_time": parse.venue_time_s,
    "http_system_status": parse.status,
    "http_ticker": lambda body: parse.tickers(body, listing(), as_of_s=0.0),
    "http_ohlc": lambda body: parse.candles(body, listing(), symbol="BTC-USD"),
    "http_open_orders": lambda body: parse.open_orders(body, listing()),
    "http_closed_orders": lambda body: parse.closed_orders(body, listing()),
    "http_query_orders": lambda body: parse.queried_orders(body, listing()),
    "http_trades_history": lambda body: parse.fills(body, listing()),
    "http_ledgers": lambda body: parse.ledger_rows(body, listing()),
    "http_trade_volume": lambda body: parse.fee_rates(body, listing()),
    "http_token": parse.token,
    "http_api_key_info": lambda body: parse.api_key_info(
        body, key="4/SDrDBcOOPnm3nPlNfEMMJDeRcIVqPz+QhRxIodyZbI9po/aVRiHsgX"
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_answer_cut_at_any_byte_is_refused(name: str) -> None:
    body = sample(name)
    for length in range(0, len(body), 7):
        with pytest.raises(PayloadError):
            READERS[name](body[:length])


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"error":[]}',
        b'{"error":[],"result":null}',
        b'{"error":[],"result":[]}',
        b'{"error":[],"result":{"result":5}}',
        sample("http_balance_ex"),
    ],
)
def test_answer_of_another_kind_is_refused(name: str, body: bytes) -> None:
    with pytest.raises(PayloadError):
        READERS[name](body)


@pytest.mark.parametrize("name", READERS)
def test_duplicate_key_anywhere_is_refused(name: str) -> None:
    body = sample(name).replace(b'{"error":[],', b'{"error":[],"error":[],')
    with pytest.raises(PayloadError, match="duplicate key"):
        READERS[name](body)


def test_errors_are_found_in_any_form_of_envelope() -> None:
    assert parse.errors_in(b'{"error":[],"result":{}}') == []
    assert parse.errors_in(b' { "error" : [ "EAPI:Invalid key" ] } ') == ["EAPI:Invalid key"]
    assert parse.errors_in(b'{"result":{"a":[1,2]},"error":["W:x","EAPI:Invalid key"]}') == ["W:x", "EAPI:Invalid key"]
    for none in (b"", b"<html>", b"[]", b'{"error":"no"}', b'{"error":[1]}', b'{"result":{}}', b'{"a":' * 100_000):
        assert parse.errors_in(none) is None


def test_amount_error_is_kept_as_such() -> None:
    with pytest.raises(AmountError):
        parse.tickers(sample("http_ticker").replace(b'"30300.10000"', b'"NaN"'), listing(), as_of_s=0.0)
