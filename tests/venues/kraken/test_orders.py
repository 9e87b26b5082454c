"""What is sent for an order is exactly what was meant, and an answer proves what it says and nothing more."""

from __future__ import annotations

import decimal
import json
import random
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.amounts import parse_amount
from holdfast.core.balances import Side
from holdfast.core.orders import CancelAck, OrderAck, TimeInForce
from holdfast.core.seams import HttpReply
from holdfast.errors import (
    FaultClass,
    InsufficientFundsError,
    InvalidNonceError,
    OrderRuleError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    RateLimitedError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from holdfast.simulators.core.mutations import MUTATIONS, mutate, places
from holdfast.venues.kraken import errors, frames, orders, parse
from tests.venues.kraken.samples import listing, sample
from tests.venues.kraken.tickets import CLIENT_ID, market, spending, ticket

D = Decimal
BTC = listing().instruments["BTC-USD"]
TXID = "OABCDE-FGHIJ-KLMNOP"


def placed(body: bytes, *, is_check: bool = False) -> OrderAck:
    return orders.placed(body, ticket(), is_check=is_check, account="a", as_of_s=1.0)


def refusal(body: bytes, status: int = 200) -> VenueError:
    """What a body with errors proves, judged as the client does."""
    texts = json.loads(body)["error"]
    error, _ = errors.error_of(texts, request="AddOrder", account="a", wall_s=0.0)
    return orders.proven(error, reply(body, status), request="AddOrder", account="a")


def reply(body: bytes, status: int = 200) -> HttpReply:
    return HttpReply(status=status, headers={}, body=body, sent_s=0.0, received_s=1.0)


# What is sent


def test_limit_order_is_sent_with_its_id_its_validity_and_its_fee_in_quote() -> None:
    assert orders.add_fields(ticket(), BTC) == {
        "ordertype": "limit",
        "type": "buy",
        "pair": "XXBTZUSD",
        "volume": "0.01",
        "price": "40000.0",
        "timeinforce": "GTC",
        "oflags": "fciq",
        "cl_ord_id": CLIENT_ID,
        "deadline": "2026-09-21T14:13:25.123Z",
    }


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (market(), {"ordertype": "market", "volume": "0.01", "oflags": "fciq"}),
        (market(side=Side.SELL), {"type": "sell", "oflags": "fciq"}),
        (spending("250.50"), {"volume": "250.50", "oflags": "fciq,viqc"}),
        (ticket(is_post_only=True), {"oflags": "fciq,post", "timeinforce": "GTC"}),
        (ticket(time_in_force=TimeInForce.IOC), {"timeinforce": "IOC"}),
        (ticket(time_in_force=TimeInForce.FOK), {"timeinforce": "FOK"}),
    ],
)
def test_order_of_each_kind_is_asked_for_over_rest(order: Any, expected: dict[str, str]) -> None:
    fields = orders.add_fields(order, BTC)
    assert expected.items() <= fields.items()
    if fields["ordertype"] == "market":
        assert not {"price", "timeinforce"} & fields.keys()


def test_dry_run_says_validate_and_nothing_else_ever_does() -> None:
    """``validate=false`` used to count as true (pykrakenapi 3)."""
    assert "validate" not in orders.add_fields(ticket(), BTC)
    assert "validate" not in orders.add_params(ticket(), BTC)
    assert orders.add_fields(ticket(), BTC, is_check=True)["validate"] == "true"
    assert orders.add_params(ticket(), BTC, is_check=True)["validate"] == "true"


def params(order: Any, **more: Any) -> dict[str, Any]:
    """The params of a stream request as the venue decodes them, numbers exact."""
    text = orders.request_text("add_order", orders.add_params(order, BTC, **more), req_id=7)
    request = json.loads(text, parse_float=D, parse_int=D)
    assert (request["method"], request["req_id"]) == ("add_order", 7)
    found: dict[str, Any] = request["params"]
    return found


def test_limit_order_over_the_stream_has_numbers_not_texts() -> None:
    assert params(ticket()) == {
        "order_type": "limit",
        "side": "buy",
        "symbol": "BTC/USD",
        "order_qty": D("0.01"),
        "limit_price": D("40000.0"),
        "time_in_force": "gtc",
        "cl_ord_id": CLIENT_ID,
        "deadline": "2026-09-21T14:13:25.123Z",
        "fee_preference": "quote",
    }


@pytest.mark.parametrize(
    ("order", "expected", "missing"),
    [
        (market(), {"order_type": "market", "order_qty": D("0.01")}, {"limit_price", "time_in_force", "post_only"}),
        (spending("250.50"), {"cash_order_qty": D("250.50")}, {"order_qty"}),
        (ticket(is_post_only=True), {"post_only": True}, set()),
        (ticket(time_in_force=TimeInForce.FOK), {"time_in_force": "fok"}, {"post_only", "validate"}),
    ],
)
def test_order_of_each_kind_is_asked_for_over_the_stream(
    order: Any, expected: dict[str, Any], missing: set[str]
) -> None:
    found = params(order)
    assert expected.items() <= found.items()
    assert not missing & found.keys()


@given(
    digits=st.integers(1, 10**40),
    places_after=st.integers(0, 30),
    precision=st.integers(1, 5),
)
def test_amounts_go_out_digit_for_digit_whatever_context_the_caller_has(
    digits: int, places_after: int, precision: int
) -> None:
    amount = D(digits).scaleb(-places_after, context=decimal.Context(prec=100))
    with decimal.localcontext(decimal.Context(prec=precision)):
        form = orders.add_fields(ticket(quantity=amount, limit_price=amount), BTC)
        text = orders.request_text("add_order", orders.add_params(ticket(quantity=amount), BTC), req_id=1)
    assert parse_amount(form["volume"]) == parse_amount(form["price"]) == amount
    assert json.loads(text, parse_float=parse_amount, parse_int=parse_amount)["params"]["order_qty"] == amount
    assert "e" not in form["volume"].lower()


@pytest.mark.parametrize(
    "order",
    [
        ticket(quantity=None, quote_quantity=D(100)),
        spending("100", side=Side.SELL),
        market(quote_quantity=D(100)),
        market(quantity=None),
        ticket(limit_price=None),
    ],
)
def test_order_that_kraken_does_not_have_is_refused_before_anything_is_sent(order: Any) -> None:
    with pytest.raises(OrderRuleError):
        orders.add_fields(order, BTC)
    with pytest.raises(OrderRuleError):
        orders.add_params(order, BTC)


def test_validity_is_stated_to_the_millisecond_and_never_lengthened() -> None:
    assert orders.add_fields(ticket(valid_until_us=1_790_000_005_000_999), BTC)["deadline"].endswith("25.000Z")
    assert orders.add_fields(ticket(valid_until_us=1_790_000_005_999_999), BTC)["deadline"].endswith("25.999Z")


def test_cancel_names_the_order_by_krakens_id_where_it_is_known() -> None:
    assert orders.cancel_fields(order_id=TXID, client_order_id=CLIENT_ID) == {"txid": TXID}
    assert orders.cancel_fields(order_id=None, client_order_id=CLIENT_ID) == {"cl_ord_id": CLIENT_ID}
    assert orders.cancel_params(order_id=TXID, client_order_id=CLIENT_ID) == {"order_id": f'["{TXID}"]'}
    assert orders.cancel_params(order_id=None, client_order_id=CLIENT_ID) == {"cl_ord_id": f'["{CLIENT_ID}"]'}
    for ask in (orders.cancel_fields, orders.cancel_params):
        with pytest.raises(ValueError, match="names an order"):
            ask(order_id=None, client_order_id=None)


@pytest.mark.parametrize("timeout_s", [-1, 86_400, True, 1.0, "60"])
def test_dead_man_switch_takes_whole_seconds_of_less_than_a_day(timeout_s: Any) -> None:
    assert orders.check_timeout(0) == 0
    assert orders.check_timeout(86_399) == 86_399
    with pytest.raises(ValueError, match="seconds"):
        orders.check_timeout(timeout_s)


# REST's answers


def test_documented_answers_are_acknowledgements() -> None:
    assert placed(sample("http_add_order")) == OrderAck(
        order_id=TXID, client_order_id=CLIENT_ID, as_of_s=1.0, via="rest"
    )
    assert placed(sample("http_add_order_validated"), is_check=True).order_id is None
    assert orders.cancelled(sample("http_cancel_order"), account="a", as_of_s=1.0) == CancelAck(
        count=1, is_pending=False, as_of_s=1.0
    )
    orders.switched(sample("http_cancel_after"), 60, account="a")


def test_warnings_come_with_the_acknowledgement() -> None:
    body = b'{"error":["WOrder:Something odd"],"result":{"txid":["O-1"]}}'
    assert placed(body).warnings == ("WOrder:Something odd",)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":[]}',
        b'{"error":[],"result":null}',
        b'{"error":[],"result":{}}',
        b'{"error":[],"result":{"txid":[]}}',
        b'{"error":[],"result":{"txid":null}}',
        b'{"error":[],"result":{"txid":["O-1","O-2"]}}',
        b'{"error":[],"result":{"txid":[""]}}',
        b'{"error":[],"result":{"txid":["O 1\\n"]}}',
        b'{"error":[],"result":{"txid":"O-1"}}',
        b'{"error":[],"result":{"txid":[1.5e3]}, "result":{"txid":["O-1"]}}',
        b'{"error":[],"result":[]}',
    ],
)
def test_answer_that_names_no_one_order_leaves_it_unknown(body: bytes) -> None:
    with pytest.raises(OutcomeUnknownError) as caught:
        placed(body)
    assert caught.value.outcome is Outcome.UNKNOWN
    assert caught.value.fault is FaultClass.PAYLOAD


def test_dry_run_that_is_answered_with_an_order_is_told() -> None:
    with pytest.raises(OutcomeUnknownError, match="dry run"):
        placed(sample("http_add_order"), is_check=True)


@pytest.mark.parametrize(
    "result", ["{}", '{"count":-1}', '{"count":null}', '{"count":"many"}', '{"count":1e9999999}', "[]", "null"]
)
def test_cancel_without_a_count_is_unknown(result: str) -> None:
    with pytest.raises(OutcomeUnknownError):
        orders.cancelled(f'{{"error":[],"result":{result}}}'.encode(), account="a", as_of_s=1.0)


def test_cancel_may_be_pending_or_say_nothing_about_it() -> None:
    for result, is_pending in (
        ('{"count":1,"pending":true}', True),
        ('{"count":2}', False),
        ('{"count":1,"pending":null}', False),
    ):
        ack = orders.cancelled(f'{{"error":[],"result":{result}}}'.encode(), account="a", as_of_s=1.0)
        assert ack.is_pending is is_pending


@pytest.mark.parametrize("off", ["0", "", "2026-09-21T10:00:00Z"])
def test_when_a_disarmed_switch_fires_is_not_asked(off: str) -> None:
    body = f'{{"error":[],"result":{{"currentTime":"2026-09-21T10:00:00Z","triggerTime":"{off}"}}}}'.encode()
    orders.switched(body, 0, account="a")
    if not off:
        with pytest.raises(OutcomeUnknownError):
            orders.switched(body, 60, account="a")


# What a refusal proves


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("EOrder:Insufficient funds", InsufficientFundsError),
        ("EOrder:Order minimum not met", VenueRejectedError),
        ("EGeneral:Invalid arguments:volume", VenueRejectedError),
        ("EOrder:Rate limit exceeded", RateLimitedError),
    ],
)
@pytest.mark.parametrize("result", ["", ',"result":{}', ',"result":null'])
def test_refusal_in_a_readable_answer_is_one(text: str, kind: type[VenueError], result: str) -> None:
    error = refusal(f'{{"error":["{text}"]{result}}}'.encode())
    assert type(error) is kind
    assert error.outcome is Outcome.REJECTED


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"error":["EOrder:Insufficient funds"]}', 502),
        (b'{"error":["EOrder:Insufficient funds"]}', 302),
        (b'{"error":["EOrder:Insufficient funds"],"result":{"txid":["O-1"]}}', 200),
        (b'{"error":["EService:Unavailable"],"error":["EOrder:Insufficient funds"]}', 200),
        (b'{"error":["EOrder:Insufficient funds","EService:Unavailable"]}', 200),
        (b'{"error":["EOrder:Insufficient funds","ENew:Thing"]}', 200),
        (b'{"error":["EAPI:Invalid nonce"]}', 200),
        (b'{"error":["EOrder:Invalid order"]}', 200),
        (b'{"error":["EGeneral:Invalid arguments:cl_ord_id"]}', 200),
        (b'{"error":["EService:Throttled: 1790000000"]}', 200),
    ],
)
def test_refusal_that_proves_nothing_is_unknown(body: bytes, status: int) -> None:
    assert refusal(body, status).outcome is Outcome.UNKNOWN


def test_refused_nonce_keeps_its_class() -> None:
    assert type(refusal(b'{"error":["EAPI:Invalid nonce"]}')) is InvalidNonceError


def test_unreadable_answer_is_unknown_and_what_never_left_stays_so() -> None:
    lost = orders.proven(PayloadError("a page"), None, request="AddOrder", account="a")
    assert (type(lost), lost.outcome) == (OutcomeUnknownError, Outcome.UNKNOWN)
    unsent = VenueUnreachableError("refused", venue="kraken", request="AddOrder")
    assert orders.proven(unsent, None, request="AddOrder", account="a") is unsent
    claimed = VenueRejectedError("no", venue="kraken", request="AddOrder")
    assert orders.proven(claimed, None, request="AddOrder", account="a").outcome is Outcome.UNKNOWN


# The stream's answers


def stream_placed(frame: bytes, *, is_check: bool = False) -> OrderAck:
    return orders.stream_placed(frames.decode(frame), ticket(), is_check=is_check, account="a", as_of_s=1.0)


def test_documented_stream_answers_are_acknowledgements() -> None:
    assert stream_placed(sample("ws_add_order")) == OrderAck(
        order_id="AA5JGQ-SBMRC-SCJ7J7", client_order_id=CLIENT_ID, as_of_s=1.0, via="stream"
    )
    ack = orders.stream_cancelled(
        frames.decode(sample("ws_cancel_order")), order_id=TXID, client_order_id=None, account="a", as_of_s=1.0
    )
    assert ack == CancelAck(count=1, is_pending=False, as_of_s=1.0)
    switched = sample("ws_cancel_after")
    orders.stream_switched(frames.decode(switched), 60, account="a")
    silent = frames.decode(switched.replace(b'"triggerTime":"2026-09-21T10:01:00Z"', b'"triggerTime":""'))
    orders.stream_switched(silent, 0, account="a")
    with pytest.raises(OutcomeUnknownError):
        orders.stream_switched(silent, 60, account="a")


def test_dry_run_over_the_stream_needs_no_id_and_takes_none() -> None:
    for result in ({}, {"order_id": "O-1"}, {"cl_ord_id": CLIENT_ID, "warnings": ["Order validated"]}):
        frame = msgspec.json.encode({"method": "add_order", "success": True, "result": result, "req_id": 1})
        assert stream_placed(frame, is_check=True).order_id is None


@pytest.mark.parametrize(
    "answer",
    [
        {"success": True},
        {"success": True, "result": {}},
        {"success": True, "result": {"order_id": ""}},
        {"success": True, "result": {"order_id": None}},
        {"success": True, "result": {"order_id": ["O-1"]}},
        {"success": True, "result": [{"order_id": "O-1"}]},
        {"success": True, "result": {"order_id": "O-1", "cl_ord_id": "somebody-else"}},
        {"success": True, "result": {"order_id": "O-1"}, "error": "EOrder:Insufficient funds"},
        {"success": False, "result": {"order_id": "O-1"}, "error": "EOrder:Insufficient funds"},
        {"success": False},
        {"result": {"order_id": "O-1"}},
    ],
)
def test_stream_answer_that_is_neither_is_unknown(answer: dict[str, Any]) -> None:
    frame = msgspec.json.encode({"method": "add_order", "req_id": 1, **answer})
    with pytest.raises(OutcomeUnknownError):
        stream_placed(frame)


def test_cancel_of_another_order_is_unknown() -> None:
    frame = frames.decode(sample("ws_cancel_order"))
    with pytest.raises(OutcomeUnknownError, match="another order"):
        orders.stream_cancelled(frame, order_id="O-2", client_order_id=None, account="a", as_of_s=1.0)
    named = msgspec.json.encode(
        {"method": "cancel_order", "req_id": 1, "success": True, "result": {"order_id": "O-9", "cl_ord_id": CLIENT_ID}}
    )
    ack = orders.stream_cancelled(
        frames.decode(named), order_id=None, client_order_id=CLIENT_ID, account="a", as_of_s=1.0
    )
    assert ack.count == 1


# Whatever bytes arrive: an acknowledgement of one order, or unknown; a refusal never comes out of an acknowledgement


def judged(body: bytes) -> Outcome:
    """The whole of what the client makes of an ``AddOrder`` answer."""
    texts = parse.errors_in(body)
    failed = errors.failures(texts or ())
    if failed:
        error, _ = errors.error_of(failed, request="AddOrder", account="a", wall_s=0.0)
        return orders.proven(error, reply(body), request="AddOrder", account="a").outcome
    try:
        placed(body)
    except VenueError as error:
        return error.outcome
    return Outcome.APPLIED


def stream_judged(frame: bytes) -> Outcome | None:
    """Likewise of a stream frame; None where it is no frame at all."""
    try:
        decoded = frames.decode(frame)
    except PayloadError:
        return None
    if decoded.success is False and decoded.error and not decoded.result:
        return errors.error_of([decoded.error], request="add_order", account="a", wall_s=0.0)[0].outcome
    try:
        orders.stream_placed(decoded, ticket(), is_check=False, account="a", as_of_s=1.0)
    except VenueError as error:
        return error.outcome
    return Outcome.APPLIED


REFUSED = b'{"error":["EOrder:Insufficient funds"]}'


def test_answer_cut_at_every_byte_is_unknown() -> None:
    for whole in (sample("http_add_order"), REFUSED):
        for length in range(len(whole)):
            assert judged(whole[:length]) is Outcome.UNKNOWN, whole[:length]
    for name in ("ws_add_order", "ws_add_order_refused"):
        whole = sample(name)
        for length in range(len(whole)):
            assert stream_judged(whole[:length]) is None, whole[:length]


@pytest.mark.parametrize("how", sorted(MUTATIONS))
@pytest.mark.parametrize(
    ("name", "judge"),
    [("http_add_order", judged), ("ws_add_order", stream_judged)],
)
def test_acknowledgement_that_was_mutated_never_becomes_a_refusal(
    name: str, judge: Callable[[bytes], Outcome | None], how: str
) -> None:
    whole = sample(name).decode()
    values = {"nest": "100000", "set": '"oops"', "rename": "oops"}
    tried = 0
    for place in places(whole):
        field = ".".join(place.path)
        mutated = mutate(whole, how, field=field, value=values.get(how), rng=random.Random(1)) if field else None
        if mutated is not None and mutated != whole:
            tried += 1
            assert judge(mutated.encode()) is not Outcome.REJECTED, mutated[:200]
    assert tried or (name, how) in {("http_add_order", each) for each in ("exponent", "negative", "retype")}


@settings(max_examples=300)
@given(
    at=st.integers(0, 200),
    replaced=st.integers(0, 6),
    junk=st.binary(max_size=8) | st.sampled_from([b'"', b"}", b"]", b",", b"null", b"[]", b"E", b"1e999", b"\xff"]),
)
def test_acknowledgement_with_foreign_bytes_never_becomes_a_refusal(at: int, replaced: int, junk: bytes) -> None:
    for name in ("http_add_order", "http_add_order_validated", "http_cancel_order"):
        whole = sample(name)
        body = whole[:at] + junk + whole[at + replaced :]
        assert judged(body) is not Outcome.REJECTED
        with suppress(OutcomeUnknownError):  # Nothing else may come of it.
            orders.cancelled(body, account="a", as_of_s=1.0)
    whole = sample("ws_add_order")
    assert stream_judged(whole[:at] + junk + whole[at + replaced :]) is not Outcome.REJECTED


@settings(max_examples=300)
@given(body=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_bytes_of_any_kind_are_unknown(body: bytes) -> None:
    assert judged(body) is Outcome.UNKNOWN
    assert stream_judged(body) in (None, Outcome.UNKNOWN)
