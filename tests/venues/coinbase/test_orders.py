"""What is sent for an order, and what an answer proves of it: a refusal only where it is one."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.balances import Side
from holdfast.core.orders import OrderTicket, OrderType, TimeInForce
from holdfast.core.seams import HttpReply
from holdfast.errors import (
    InsufficientFundsError,
    MaintenanceError,
    OrderRuleError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    UnknownOrderError,
    VenueError,
    VenueRejectedError,
)
from holdfast.venues.coinbase import errors, orders, parse
from tests.venues.coinbase.samples import encoded, listing, sample, tree
from tests.venues.coinbase.tickets import CLIENT_ID, market, spending, ticket

D = Decimal
BTC_USD = listing().instruments["BTC-USD"]
OURS = "6f0c0000-0000-4000-8000-000000000001"


def _reply(body: bytes, status: int = 200) -> HttpReply:
    return HttpReply(status=status, headers={}, body=body, sent_s=1.0, received_s=2.0)


def _placed(body: bytes, order: OrderTicket | None = None) -> Any:
    return orders.placed(_reply(body), order or ticket(), BTC_USD, account="coinbase-main")


def _refused(body: bytes) -> VenueError:
    with pytest.raises(VenueError) as caught:
        _placed(body)
    return caught.value


# Asking


@pytest.mark.parametrize(
    ("order", "side", "configuration"),
    [
        (ticket(), "BUY", {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "40000.0", "post_only": False}}),
        (
            ticket(side=Side.SELL, is_post_only=True),
            "SELL",
            {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "40000.0", "post_only": True}},
        ),
        (
            ticket(time_in_force=TimeInForce.IOC),
            "BUY",
            {"sor_limit_ioc": {"base_size": "0.01", "limit_price": "40000.0"}},
        ),
        (
            ticket(time_in_force=TimeInForce.FOK),
            "BUY",
            {"limit_limit_fok": {"base_size": "0.01", "limit_price": "40000.0"}},
        ),
        (market(), "BUY", {"market_market_ioc": {"base_size": "0.01"}}),
        (market(side=Side.SELL), "SELL", {"market_market_ioc": {"base_size": "0.01"}}),
        (spending("25.00"), "BUY", {"market_market_ioc": {"quote_size": "25.00"}}),
        (ticket(quantity=D("1E-8")), "BUY",
         {"limit_limit_gtc": {"base_size": "0.00000001", "limit_price": "40000.0", "post_only": False}}),
    ],
)  # fmt: skip
def test_order_is_written_as_it_is_meant(order: OrderTicket, side: str, configuration: dict[str, Any]) -> None:
    whole = {"client_order_id": CLIENT_ID, "product_id": "BTC-USD", "side": side, "order_configuration": configuration}
    assert json.loads(orders.create_body(order, BTC_USD)) == whole
    del whole["client_order_id"]
    assert json.loads(orders.preview_body(order, BTC_USD)) == whole


@pytest.mark.parametrize(
    "order",
    [
        spending("25", side=Side.SELL),
        spending("25", order_type=OrderType.LIMIT, limit_price=D(1)),
        spending("25", quantity=D(1)),
        market(quantity=None),
        ticket(limit_price=None),
        ticket(is_post_only=True, time_in_force=TimeInForce.IOC),
        ticket(is_post_only=True, time_in_force=TimeInForce.FOK),
    ],
)
def test_order_that_coinbase_does_not_have_is_refused_before_anything_is_sent(order: OrderTicket) -> None:
    with pytest.raises(OrderRuleError):
        orders.create_body(order, BTC_USD)


def test_cancel_names_the_order() -> None:
    assert json.loads(orders.cancel_body(OURS)) == {"order_ids": [OURS]}


# Placing


def test_answer_that_names_our_order_is_an_acknowledgement() -> None:
    ack = _placed(sample("http_create"))
    assert (ack.order_id, ack.client_order_id, ack.as_of_s, ack.via) == (OURS, CLIENT_ID, 2.0, "rest")


def test_unknown_failure_reason_beside_a_success_is_no_failure() -> None:
    assert tree("http_create")["failure_reason"] == "UNKNOWN_FAILURE_REASON"
    assert _placed(encoded({**tree("http_create"), "error_response": None})).order_id == OURS


def _answer(**changes: Any) -> bytes:
    whole = tree("http_create")
    whole["success_response"] |= changes
    return encoded(whole)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>504</html>",
        sample("http_create")[:-20],
        encoded({"success": True}),
        encoded({"success": True, "success_response": None}),
        encoded({**tree("http_create"), "success": None}),
        encoded({name: value for name, value in tree("http_create").items() if name != "success"}),
        _answer(order_id=""),
        _answer(order_id="a b"),
        _answer(order_id="x" * 65),
        _answer(client_order_id="another"),
        _answer(product_id="BTC-USDC"),
        _answer(side="SELL"),
        encoded({**tree("http_create"), "order_configuration": {"limit_limit_gtc": {"base_size": "0.02"}}}),
        sample("http_create").replace(b'"success": true', b'"success": true, "success": true'),
        sample("http_error_v3"),
    ],
)
def test_answer_that_does_not_clearly_name_our_order_leaves_it_unknown(body: bytes) -> None:
    error = _refused(body)
    assert type(error) is OutcomeUnknownError
    assert error.outcome is Outcome.UNKNOWN


def _refusal(**fields: Any) -> bytes:
    whole = tree("http_create_refused")
    whole["error_response"] = {"message": "", "error_details": "", **fields}
    return encoded(whole)


@pytest.mark.parametrize("place", ["error", "new_order_failure_reason", "preview_failure_reason"])
@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("INSUFFICIENT_FUND", InsufficientFundsError),
        ("INVALID_SIZE_PRECISION", VenueRejectedError),
        ("TRADING_DISABLED", MaintenanceError),
    ],
)
def test_refusal_is_a_rejection_with_its_word_in_whichever_place_it_stands(
    place: str, word: str, kind: type[VenueError]
) -> None:
    blanks = {"error": "UNKNOWN_FAILURE_REASON", "new_order_failure_reason": "", "preview_failure_reason": None}
    error = _refused(_refusal(**{**blanks, place: word, "message": "because"}))
    assert type(error) is kind
    assert (error.outcome, error.code) == (Outcome.REJECTED, word)
    assert "because" in str(error)


def test_all_that_is_told_of_a_refusal_is_shown() -> None:
    error = _refused(
        _refusal(error="INVALID_PRODUCT_ID", message="one", error_details="two", preview_failure_reason="P")
    )
    for told in ("INVALID_PRODUCT_ID", "one", "two"):
        assert told in str(error)


@pytest.mark.parametrize(
    "body",
    [
        _refusal(),
        _refusal(error="UNKNOWN_FAILURE_REASON"),
        _refusal(new_order_failure_reason="A_WORD_OF_TOMORROW"),
        _refusal(new_order_failure_reason="COMMANDER_REJECTED_NEW_ORDER"),
        _refusal(preview_failure_reason="PREVIEW_RISK_PROXY_FAILURE"),
        _refusal(error="DUPLICATE_CLIENT_ORDER_ID"),
        encoded({"success": False}),
        encoded({**tree("http_create_refused"), "order_id": OURS}),
        encoded({**tree("http_create_refused"), "success_response": {"order_id": OURS}}),
    ],
)
def test_refusal_that_proves_nothing_is_unknown(body: bytes) -> None:
    error = _refused(body)
    assert error.outcome is Outcome.UNKNOWN
    assert not isinstance(error, VenueRejectedError)


def test_bytes_cut_at_every_place_are_unknown_and_never_a_refusal() -> None:
    for name in ("http_create", "http_create_refused"):
        body = sample(name)
        for end in range(len(body)):
            assert _refused(body[:end]).outcome is Outcome.UNKNOWN


def test_damaged_refusal_is_never_taken_for_an_order_nor_an_order_for_a_refusal() -> None:
    dice = random.Random(3)
    for _ in range(1500):
        name = dice.choice(["http_create", "http_create_refused"])
        body = bytearray(sample(name))
        place = dice.randrange(len(body))
        body[place : place + dice.randint(1, 3)] = dice.choice([b'"', b"", b"x", b"}", b",", b"\xff", b"null"])
        told = _outcome(bytes(body))
        assert told in ((None, Outcome.UNKNOWN) if name == "http_create" else (Outcome.REJECTED, Outcome.UNKNOWN))


def _outcome(body: bytes) -> Outcome | None:
    try:
        _placed(body)
    except VenueError as error:
        return error.outcome
    return None


# Dry runs


def test_dry_run_has_no_id_and_its_warnings() -> None:
    ack = orders.previewed(_reply(sample("http_preview")), ticket(), account="a")
    assert (ack.order_id, ack.warnings) == (None, ())
    big = encoded({**tree("http_preview"), "warning": ["BIG_ORDER", "UNKNOWN"]})
    assert orders.previewed(_reply(big), ticket(), account="a").warnings == ("BIG_ORDER",)


def test_dry_run_says_what_coinbase_would_refuse() -> None:
    with pytest.raises(InsufficientFundsError, match="INSUFFICIENT_FUND") as caught:
        orders.previewed(_reply(sample("http_preview_refused")), ticket(), account="a")
    assert caught.value.outcome is Outcome.REJECTED
    several = {**tree("http_preview"), "errs": ["PREVIEW_OF_TOMORROW", "PREVIEW_INVALID_SIDE"]}
    with pytest.raises(VenueRejectedError, match="PREVIEW_OF_TOMORROW"):
        orders.previewed(_reply(encoded(several)), ticket(), account="a")
    for body in (b"", b"{}", encoded({"errs": []})):
        with pytest.raises(OutcomeUnknownError):
            orders.previewed(_reply(body), ticket(), account="a")


# Cancelling


def _cancelled(body: bytes) -> Any:
    return orders.cancelled(_reply(body), OURS, account="a")


def test_cancel_that_is_taken_is_not_done_yet() -> None:
    ack = _cancelled(sample("http_cancel"))
    assert (ack.count, ack.is_pending, ack.as_of_s) == (1, True, 2.0)


def _result(**changes: Any) -> bytes:
    return encoded({"results": [{**tree("http_cancel_refused")["results"][0], **changes}]})


def test_cancel_of_no_open_order_is_told_as_that() -> None:
    with pytest.raises(UnknownOrderError):
        _cancelled(sample("http_cancel_refused"))
    assert _cancelled(_result(failure_reason="DUPLICATE_CANCEL_REQUEST")).is_pending
    with pytest.raises(VenueRejectedError) as caught:
        _cancelled(_result(failure_reason="COMMANDER_REJECTED_CANCEL_ORDER"))
    assert not isinstance(caught.value, UnknownOrderError)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        encoded({"results": []}),
        _result(order_id="another"),
        encoded({"results": tree("http_cancel")["results"] * 2}),
        _result(failure_reason="UNKNOWN_CANCEL_FAILURE_REASON"),
        _result(failure_reason=""),
        _result(failure_reason=None),
        _result(failure_reason="A_WORD_OF_TOMORROW"),
        _result(success=None),
    ],
)
def test_cancel_whose_answer_proves_nothing_is_unknown(body: bytes) -> None:
    with pytest.raises(VenueError) as caught:
        _cancelled(body)
    assert caught.value.outcome is Outcome.UNKNOWN


# What failures prove


def _proven(status: int, body: bytes, request: str = orders.CREATE) -> VenueError:
    error, _ = errors.of_status(status, body, request=request, account="a", wait_s=None)
    return orders.proven(error, _reply(body, status), request=request, account="a")


def test_refusal_that_blames_the_request_counts_whatever_envelope_it_has() -> None:
    assert _proven(400, sample("http_error_v3")).outcome is Outcome.REJECTED
    refused = _proven(400, sample("http_create_refused"))
    assert isinstance(refused, InsufficientFundsError)
    assert _proven(401, b"Unauthorized").outcome is Outcome.REJECTED


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, sample("http_create_refused")),
        (502, b"<html>"),
        (503, sample("http_error_v3")),
        (504, b""),
        (429, b"slow down"),
        (400, b"what"),
        (400, sample("http_create")),
        (403, b"<html>"),
        (302, b""),
    ],
)
def test_failure_that_may_follow_an_order_leaves_it_unknown(status: int, body: bytes) -> None:
    error = _proven(status, body)
    assert error.outcome is Outcome.UNKNOWN
    assert not isinstance(error, VenueRejectedError)


def test_payload_that_cannot_be_read_and_a_refusal_without_an_answer_are_unknown() -> None:
    assert orders.proven(PayloadError("x"), None, request="orders", account="a").outcome is Outcome.UNKNOWN
    error, _ = errors.error_of("INVALID_SIDE", request="orders", account="a")
    assert orders.proven(error, None, request="orders", account="a").outcome is Outcome.UNKNOWN


def test_order_that_has_our_id_is_the_one_we_meant_or_it_is_not() -> None:
    row = tree("http_order")["order"]
    meant = ticket(quantity=D("0.01"), limit_price=D("60000"))

    def is_same(**changes: Any) -> bool:
        return orders.is_same(parse.lone_order(encoded({"order": {**row, **changes}})), meant, BTC_USD)

    assert is_same()
    assert is_same(order_configuration={})
    assert not is_same(client_order_id="another")
    assert not is_same(product_id="BTC-USDC")
    assert not is_same(side="SELL")
    for terms in ({"base_size": "0.02", "limit_price": "60000"}, {"base_size": "0.01", "limit_price": "60001"}):
        assert not is_same(order_configuration={"limit_limit_gtc": terms})
