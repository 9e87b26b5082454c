"""Order entry: what a ticket becomes on either wire, and what an answer proves of it."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.balances import Side
from holdfast.core.orders import OrderTicket, TimeInForce
from holdfast.errors import (
    InsufficientFundsError,
    OrderRuleError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    VenueError,
    VenueUnreachableError,
)
from holdfast.venues.okx import errors, order_rows, orders, parse
from tests.venues.okx.samples import compact, listing, loaded, sample
from tests.venues.okx.tickets import CLIENT_ID, market, spending, ticket

D = Decimal


def fields(ticket: OrderTicket, *, is_stream: bool = False) -> dict[str, object]:
    return orders.place_fields(ticket, listing().line(ticket.symbol), is_stream=is_stream)


# Asking


def test_limit_order_is_asked_for_in_base_with_its_price() -> None:
    assert fields(ticket()) == {
        "instId": "BTC-USDT",
        "tdMode": "cash",
        "side": "buy",
        "clOrdId": CLIENT_ID,
        "ordType": "limit",
        "sz": "0.01",
        "px": "40000.0",
        "tradeQuoteCcy": "USDT",
    }


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"time_in_force": TimeInForce.IOC}, "ioc"),
        ({"time_in_force": TimeInForce.FOK}, "fok"),
        ({"is_post_only": True}, "post_only"),
    ],
)
def test_time_in_force_is_a_type_of_order(changes: dict[str, Any], kind: str) -> None:
    assert fields(ticket(**changes))["ordType"] == kind


def test_unit_of_a_market_order_is_always_stated_and_its_size_never_shrunk() -> None:
    for each, size, unit in (
        (market(), "0.01", "base_ccy"),
        (market(side=Side.SELL), "0.01", "base_ccy"),
        (spending("100.5"), "100.5", "quote_ccy"),
    ):
        asked = fields(each)
        assert (asked["sz"], asked["tgtCcy"], asked["banAmend"]) == (size, unit, True)
        assert "px" not in asked
    assert not {"tgtCcy", "banAmend"} & fields(ticket()).keys()


def test_stream_names_the_instrument_by_its_code_and_rest_by_its_id() -> None:
    asked = fields(ticket(), is_stream=True)
    assert asked["instIdCode"] == 10000
    assert "instId" not in asked
    assert "instIdCode" not in fields(ticket())


def test_money_that_is_paid_is_named() -> None:
    coins = fields(ticket(symbol="BTC-USDC"))
    assert (coins["instId"], coins["tradeQuoteCcy"]) == ("BTC-USD", "USDC")
    assert fields(ticket(symbol="BTC-USD"))["tradeQuoteCcy"] == "USD"
    assert "tradeQuoteCcy" not in fields(ticket(symbol="OKB-USDT"))


def test_what_okx_has_no_order_for_is_denied() -> None:
    for each in (
        spending("100", side=Side.SELL),
        market(quantity=None),
        ticket(limit_price=None),
        ticket(quantity=None),
    ):
        with pytest.raises(OrderRuleError):
            fields(each)


def test_validity_is_milliseconds_and_never_longer() -> None:
    assert orders.expires_ms(ticket(valid_until_us=1_790_000_005_123_999)) == "1790000005123"


def test_numbers_are_written_plainly_and_digit_for_digit() -> None:
    asked = fields(ticket(quantity=D("1E-8"), limit_price=D("1E+5")))
    assert (asked["sz"], asked["px"]) == ("0.00000001", "100000")


def test_cancel_names_the_venues_id_first() -> None:
    line = listing().line("BTC-USDT")
    assert orders.cancel_fields(line, order_id="9", client_order_id="a", is_stream=False) == {
        "instId": "BTC-USDT",
        "ordId": "9",
    }
    assert orders.cancel_fields(line, order_id=None, client_order_id="a", is_stream=True) == {
        "instIdCode": 10000,
        "clOrdId": "a",
    }
    with pytest.raises(ValueError, match="names an order"):
        orders.cancel_fields(line, order_id=None, client_order_id=None, is_stream=False)


def test_frame_carries_number_validity_and_one_order() -> None:
    frame = json.loads(orders.frame_of("order", {"sz": "1"}, number="7", expires="123"))
    assert frame == {"id": "7", "op": "order", "args": [{"sz": "1"}], "expTime": "123"}
    assert "expTime" not in json.loads(orders.frame_of("cancel-order", {}, number="8", expires=None))


@pytest.mark.parametrize("wrong", [1, 9, 121, -1, 10.0, True])
def test_dead_man_switch_takes_what_okx_takes(wrong: Any) -> None:
    assert [orders.check_timeout(each) for each in (0, 10, 120)] == [0, 10, 120]
    with pytest.raises(ValueError, match="10 to 120"):
        orders.check_timeout(wrong)


# Answers


def place(body: bytes) -> Any:
    whole = parse.envelope(body, Any, "trade/order")
    return orders.placed(
        whole.code, whole.data, ticket(), request="trade/order", account="okx", as_of_s=3.0, via="rest"
    )


def refusal(body: bytes) -> tuple[str, str] | None:
    verdict = parse.verdict_of(body)
    assert verdict is not None
    return orders.refusal_in(verdict.code, verdict.msg, verdict.data)


def test_acknowledgement_has_the_venues_id() -> None:
    ack = place(sample("http_place"))
    assert (ack.order_id, ack.client_order_id, ack.as_of_s, ack.via) == ("12345689", CLIENT_ID, 3.0, "rest")


def test_item_decides_whatever_the_whole_says() -> None:
    assert refusal(sample("http_place")) is None
    code, text = refusal(sample("http_place_refused")) or ("", "")
    assert code == "51008"
    assert "1000" in text
    whole = loaded("http_place_refused")
    assert refusal(compact({**whole, "code": "0"})) == (code, text)
    whole["data"][0] |= {"sCode": "0", "ordId": "9"}
    assert refusal(compact(whole)) is None  # The whole failed, its one item did not: nothing is proved.
    with pytest.raises(OutcomeUnknownError):
        place(compact(whole))
    assert refusal(sample("http_gateway")) == ("50102", "Timestamp request expired")
    assert refusal(b'{"code":"50011","msg":"Too Many Requests","data":[]}') == ("50011", "Too Many Requests")


@pytest.mark.parametrize(
    "changes",
    [
        {"ordId": ""},
        {"ordId": "no id, this"},
        {"ordId": "9" * 65},
        {"clOrdId": "somebodyelses"},
        {"sCode": None},
        {"sCode": ""},
    ],
)
def test_answer_that_is_no_clear_acknowledgement_leaves_it_unknown(changes: dict[str, Any]) -> None:
    whole = loaded("http_place")
    whole["data"][0] |= changes
    with pytest.raises(OutcomeUnknownError):
        place(compact(whole))


def test_answer_about_several_orders_or_none_leaves_it_unknown() -> None:
    whole = loaded("http_place")
    every: tuple[Any, ...] = (whole["data"] * 2, [], None, {}, [7], "x")
    for data in every:
        with pytest.raises((OutcomeUnknownError, PayloadError)):
            place(compact({**whole, "data": data}))


def test_answer_cut_or_mutated_anywhere_never_refuses_and_never_invents_an_order() -> None:
    """Bytes on their way may break: an order that went through is then unknown, or acknowledged under its own id."""
    body = compact(loaded("http_place"))
    dice = random.Random(3)
    broken = [body[:end] for end in range(len(body))]
    for _ in range(1200):
        mutated = bytearray(body)
        mutated[dice.randrange(len(body))] = dice.choice(b'0123456789"{}[],:.-ab\\ ')
        broken.append(bytes(mutated))
    for each in broken:
        verdict = parse.verdict_of(each)
        failed = None if verdict is None else orders.refusal_in(verdict.code, verdict.msg, verdict.data)
        if failed is not None:
            error, _ = errors.error_of(*failed, request="trade/order", account="okx")
            proof = orders.proven(error, status=200, body=each, request="trade/order", account="okx")
            assert proof.outcome is Outcome.UNKNOWN, each
            continue
        try:
            ack = place(each)
        except (OutcomeUnknownError, PayloadError):
            continue
        assert ack.client_order_id == CLIENT_ID


def prove(error: VenueError | PayloadError, *, status: int | None = 200, body: bytes = b"", **more: Any) -> VenueError:
    return orders.proven(error, status=status, body=body, request=more.get("request", "trade/order"), account="okx")


def test_refusal_counts_only_out_of_an_answer_that_can_be_believed() -> None:
    body = sample("http_place_refused")
    error, _ = errors.error_of("51008", "", request="trade/order", account="okx")
    assert prove(error, body=body) is error
    assert prove(error, body=body, status=400) is error
    for doubt in (
        prove(error, body=body, status=503),
        prove(error, body=body[:-5]),
        prove(error, status=None),
        prove(error, body=body.replace(b'"ordId": ""', b'"ordId": "77"')),
    ):
        assert doubt.outcome is Outcome.UNKNOWN
        assert not isinstance(doubt, InsufficientFundsError)
    assert prove(PayloadError("what")).outcome is Outcome.UNKNOWN


def test_refused_cancel_may_name_its_order() -> None:
    error, _ = errors.error_of("51400", "", request="trade/cancel-order", account="okx")
    body = b'{"code":"1","msg":"","data":[{"ordId":"77","sCode":"51400","sMsg":""}]}'
    assert prove(error, body=body, request="trade/cancel-order") is error


def test_doubtful_refusal_makes_no_claim_and_what_never_left_says_so() -> None:
    error, _ = errors.error_of("51016", "", request="order", account="okx")
    doubt = orders.as_doubt(error)
    assert (type(doubt), doubt.code, doubt.outcome) == (OutcomeUnknownError, "51016", Outcome.UNKNOWN)
    unsent = orders.unsent("why", "order", "okx")
    assert (type(unsent), unsent.outcome) == (VenueUnreachableError, Outcome.NEVER_SENT)


def test_cancel_that_was_taken_is_only_under_way() -> None:
    whole = loaded("http_cancel")

    def cancel(body: Any, order_id: str | None = "12345689", client: str | None = None) -> Any:
        return orders.cancelled(
            body["code"],
            body["data"],
            order_id=order_id,
            client_order_id=client,
            request="trade/cancel-order",
            account="okx",
            as_of_s=1.0,
        )

    assert (cancel(whole).count, cancel(whole).is_pending) == (1, True)
    assert cancel(whole, None, "oktswap6").count == 1
    with pytest.raises(OutcomeUnknownError, match="another order"):
        cancel(whole, "999")
    with pytest.raises(OutcomeUnknownError):
        cancel({**whole, "data": []})


def test_dead_man_switch_is_set_only_where_it_says_when() -> None:
    orders.switched(sample("http_cancel_after"), 60, account="okx")
    off = loaded("http_cancel_after")
    off["data"][0]["triggerTime"] = "0"
    orders.switched(compact(off), 0, account="okx")
    for body in (compact(off), b'{"code":"0","msg":"","data":[]}', b"{}", b"<html>"):
        with pytest.raises(OutcomeUnknownError):
            orders.switched(body, 60, account="okx")


@pytest.mark.parametrize(
    ("changes", "is_ours"),
    [
        ({}, True),
        ({"tradeQuoteCcy": ""}, True),
        ({"clOrdId": "other"}, False),
        ({"side": "buy"}, False),
        ({"sz": "0.011"}, False),
        ({"px": "40001"}, False),
        ({"instId": "ETH-USDT"}, False),
        ({"tradeQuoteCcy": "USDC"}, False),
        ({"ordType": "market", "tgtCcy": "quote_ccy"}, False),
    ],
)
def test_order_found_under_our_id_is_ours_where_it_is_the_same_order(changes: dict[str, Any], is_ours: bool) -> None:
    whole = loaded("http_orders_pending")
    whole["data"][0] |= changes
    [row] = order_rows.orders_of(compact(whole), "trade/order")
    selling = ticket(side=Side.SELL)
    assert orders.found_instead(row, selling, listing().line("BTC-USDT")) is is_ours


def test_order_by_quote_is_compared_by_quote() -> None:
    whole = loaded("http_order")
    whole["data"][0] |= {"clOrdId": CLIENT_ID}
    [row] = order_rows.orders_of(compact(whole), "trade/order")
    line = listing().line("BTC-USDT")
    assert orders.found_instead(row, spending("100"), line)
    assert not orders.found_instead(row, spending("101"), line)
    assert not orders.found_instead(row, market(quantity=D(100)), line)
