"""Orders and cancels over REST: each sent once, and called what its answer proves."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.health import fault_of
from holdfast.core.seams import Priority, WireError
from holdfast.errors import (
    ClosedError,
    ConfigError,
    CredentialParkedError,
    HoldfastError,
    InsufficientFundsError,
    OrderRuleError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    PermissionMissingError,
    RateLimitedError,
    UnknownNameError,
    UnknownOrderError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from holdfast.venues.coinbase import limits
from tests.venues.coinbase.fakes import Asked, Bench, FakeHttp
from tests.venues.coinbase.samples import encoded, sample, tree
from tests.venues.coinbase.test_client import on_virtual_time
from tests.venues.coinbase.tickets import CLIENT_ID, spending, ticket

D = Decimal
OURS = "6f0c0000-0000-4000-8000-000000000001"
CREATE = "POST orders"
CANCEL = "POST orders/batch_cancel"
LIST = "GET orders/historical/batch"


class Sent:
    """A *before_send* that remembers when it was called, and may stop what it is told of."""

    def __init__(self, bench: Bench, error: Exception | None = None) -> None:
        self.bench = bench
        self.error = error
        self.times: list[float] = []
        self.asked_before = -1

    def __call__(self) -> None:
        self.times.append(self.bench.clock.now_s())
        self.asked_before = len(self.bench.http.asked)
        if self.error is not None:
            raise self.error


async def _ready() -> Bench:
    bench = Bench()
    await bench.client.load()
    await bench.client.read_balances("accounts")
    bench.lane.had.clear()
    return bench


async def _place(bench: Bench, order: Any = None, *, sent: Sent | None = None, deadline_s: float = 5.0) -> Any:
    order = order or ticket(valid_until_us=bench.clock.wall_us() + 30_000_000)
    return await bench.client.place_order(order, deadline_s=deadline_s, before_send=sent or Sent(bench))


async def _cancel(bench: Bench, *, sent: Sent | None = None, **by: str | None) -> Any:
    named = {"order_id": OURS, "client_order_id": None, **by}
    return await bench.client.cancel_order(deadline_s=5.0, before_send=sent or Sent(bench), **named)


async def _refused(bench: Bench, **more: Any) -> VenueError:
    with pytest.raises(VenueError) as caught:
        await _place(bench, **more)
    return caught.value


# Sending


@on_virtual_time
async def test_order_is_sent_with_a_token_that_ends_where_its_validity_does() -> None:
    bench = await _ready()
    until_us = bench.clock.wall_us() + 17_900_000
    ack = await _place(bench, ticket(valid_until_us=until_us))
    (asked,) = bench.http.of(CREATE)
    assert asked.claims["exp"] == until_us // 1_000_000
    assert asked.claims["uri"] == "POST api.coinbase.com/api/v3/brokerage/orders"
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.json["client_order_id"] == CLIENT_ID
    assert not asked.is_repeatable
    assert bench.lane.had == [Priority.ORDER]
    assert (ack.order_id, ack.via) == (OURS, "rest")


@on_virtual_time
async def test_first_order_proves_the_venue_compares_clocks_and_reads_the_listing_before() -> None:
    bench = Bench()
    await _place(bench)
    assert bench.http.names() == ["GET market/products", "GET time", CREATE]


@on_virtual_time
async def test_before_send_is_called_in_the_turn_and_just_before_the_wire() -> None:
    bench = await _ready()
    sent = Sent(bench)
    await _place(bench, sent=sent)
    assert len(sent.times) == 1
    assert sent.asked_before == len(bench.http.asked) - 1


@on_virtual_time
async def test_what_before_send_raises_is_raised_and_nothing_is_sent() -> None:
    bench = await _ready()
    for call in (_place(bench, sent=Sent(bench, KeyError("no"))), _cancel(bench, sent=Sent(bench, KeyError("no")))):
        with pytest.raises(KeyError):
            await call
    assert bench.http.of(CREATE) == bench.http.of(CANCEL) == []


@on_virtual_time
async def test_nothing_is_sent_where_the_lane_is_closed() -> None:
    bench = await _ready()
    bench.lane.park("bad_key", for_s=None)
    for call in (_place(bench), _cancel(bench)):
        with pytest.raises(CredentialParkedError):
            await call
    assert bench.http.of(CREATE) == bench.http.of(CANCEL) == []


@pytest.mark.parametrize("name", ["GET market/products", "GET time"])
@on_virtual_time
async def test_order_was_not_sent_where_only_what_goes_before_it_failed(name: str) -> None:
    bench = Bench()
    bench.http.answers[name] = [bench.http.reply(b"", status=500)]
    error = await _refused(bench)
    assert isinstance(error, VenueUnreachableError)
    assert error.outcome is Outcome.NEVER_SENT
    assert bench.http.signed() == []


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        (ticket(symbol="BTC-EUR"), UnknownNameError),
        (spending("5", quantity=D(1)), OrderRuleError),
        (ticket(limit_price=None), OrderRuleError),
    ],
)
@on_virtual_time
async def test_order_that_cannot_be_one_is_refused_before_the_lane(order: Any, kind: type[HoldfastError]) -> None:
    bench = await _ready()
    with pytest.raises(kind):
        await _place(bench, order)
    assert bench.lane.had == []


# What answers prove


def _doubts(http: FakeHttp) -> dict[str, Any]:
    return {
        "reset": WireError("x", kind="reset", was_sent=True),
        "too large": WireError("x", kind="too_large", was_sent=True),
        "empty": http.reply(b""),
        "page": http.reply(b"<html>"),
        "cut": http.reply(sample("http_create")[:-40]),
        "500": http.reply(b'{"error":"INTERNAL"}', status=500),
        "502": http.reply(b"<html>", status=502),
        "503 with a refusal": http.reply(sample("http_create_refused"), status=503),
        "429 as text": http.reply(b"slow down", status=429),
        "cached": http.reply(sample("http_create"), headers={"age": "3"}),
        "another order": http.reply(sample("http_create").replace(CLIENT_ID.encode(), b"other")),
        "no word": http.reply(encoded({"success": False, "error_response": {"message": "no"}})),
        "word of tomorrow": http.reply(
            encoded({"success": False, "error_response": {"new_order_failure_reason": "TOMORROW"}})
        ),
    }


DOUBTS = [
    "reset", "too large", "empty", "page", "cut", "500", "502", "503 with a refusal", "429 as text", "cached",
    "another order", "no word", "word of tomorrow",
]  # fmt: skip


@pytest.mark.parametrize("what", DOUBTS)
@on_virtual_time
async def test_order_whose_answer_proves_nothing_is_unknown_and_never_sent_again(what: str) -> None:
    bench = await _ready()
    bench.http.answers[CREATE] = [_doubts(bench.http)[what]]
    error = await _refused(bench)
    assert error.outcome is Outcome.UNKNOWN
    assert not isinstance(error, VenueRejectedError)
    await asyncio.sleep(60)
    assert len(bench.http.of(CREATE)) == 1


@on_virtual_time
async def test_order_that_coinbase_refuses_is_rejected_with_its_word() -> None:
    bench = await _ready()
    bench.answer(CREATE, sample("http_create_refused"))
    error = await _refused(bench)
    assert isinstance(error, InsufficientFundsError)
    assert (error.outcome, error.code) == (Outcome.REJECTED, "INSUFFICIENT_FUND")
    bench.http.answers[CREATE] = [bench.http.reply(sample("http_error_v3"), status=400)]
    assert (await _refused(bench)).outcome is Outcome.REJECTED


@on_virtual_time
async def test_order_whose_token_is_refused_is_rejected_and_not_sent_again() -> None:
    bench = await _ready()
    bench.http.answers[CREATE] = [bench.http.reply(b"Unauthorized", status=401)]
    error = await _refused(bench)
    assert (error.outcome, error.code) == (Outcome.REJECTED, "401")
    assert len(bench.http.of(CREATE)) == 1
    # The clock is compared before the next token.
    bench.answer(CREATE, sample("http_create"))
    await _place(bench)
    assert bench.http.names()[-2:] == ["GET time", CREATE]


@on_virtual_time
async def test_documented_limit_is_a_rejection_and_quietens_the_key() -> None:
    bench = await _ready()
    bench.http.answers[CREATE] = [
        bench.http.reply(sample("http_error_v2"), status=429, headers={"x-ratelimit-reset": "3"}),
        bench.http.reply(sample("http_create")),
    ]
    error = await _refused(bench)
    assert isinstance(error, RateLimitedError)
    assert error.outcome is Outcome.REJECTED
    began_s = bench.clock.now_s()
    await _place(bench)
    assert bench.clock.now_s() - began_s >= 3.0


@on_virtual_time
async def test_no_count_of_ours_holds_a_cancel_back() -> None:
    bench = await _ready()
    bench.http.answers[CREATE] = [bench.http.reply(sample("http_error_v2"), status=429, headers={"retry-after": "30"})]
    await _refused(bench)
    began_s = bench.clock.now_s()
    await _cancel(bench)
    assert bench.clock.now_s() == began_s
    assert bench.lane.had[-1] is Priority.CANCEL


@on_virtual_time
async def test_missing_right_silences_orders_and_never_cancels() -> None:
    bench = await _ready()
    refusal = bench.http.reply(b'{"error":"PERMISSION_DENIED","error_details":"Missing required scopes"}', status=403)
    bench.http.answers[CREATE] = [refusal]
    bench.http.answers[CANCEL] = [refusal]
    for _ in range(2):
        with pytest.raises(PermissionMissingError):
            await _place(bench)
        with pytest.raises(PermissionMissingError):
            await _cancel(bench)
    assert len(bench.http.of(CREATE)) == 1
    assert len(bench.http.of(CANCEL)) == 2
    await asyncio.sleep(limits.PROBE_AFTER_S + 1)
    bench.answer(CREATE, sample("http_create"))
    await _place(bench)


@pytest.mark.parametrize("kind", ["refused", "dns", "tls", "connect_timeout"])
@on_virtual_time
async def test_order_that_provably_never_left_was_never_sent(kind: str) -> None:
    bench = await _ready()
    bench.http.answers[CREATE] = [WireError("x", kind=kind, was_sent=False)]
    error = await _refused(bench)
    assert isinstance(error, VenueUnreachableError)
    assert error.outcome is Outcome.NEVER_SENT


@on_virtual_time
async def test_answer_that_never_comes_is_unknown_at_the_deadline() -> None:
    bench = await _ready()
    bench.http.takes_s = 1000.0
    began_s = bench.clock.now_s()
    error = await _refused(bench, deadline_s=2.0)
    assert (error.outcome, error.code) == (Outcome.UNKNOWN, "deadline")
    assert bench.clock.now_s() - began_s == pytest.approx(2.0)


@on_virtual_time
async def test_answer_that_is_no_simulators_leaves_the_order_unknown() -> None:
    bench = await _ready()
    bench.http.headers = {"content-type": "application/json"}
    error = await _refused(bench)
    assert isinstance(error, OutcomeUnknownError)


# An id that an order has already


def _listed(**changes: Any) -> bytes:
    terms = {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "40000", "post_only": False}}
    row = {**tree("http_order")["order"], "order_configuration": terms, **changes}
    return encoded({"orders": [row], "has_next": False, "cursor": ""})


def _duplicate() -> bytes:
    whole = tree("http_create_refused")
    whole["error_response"] = {"error": "DUPLICATE_CLIENT_ORDER_ID"}
    return encoded(whole)


@on_virtual_time
async def test_duplicate_id_is_the_order_that_has_it_and_no_failure() -> None:
    bench = await _ready()
    bench.answer(CREATE, _duplicate())
    bench.answer(LIST, _listed())
    ack = await _place(bench)
    assert (ack.order_id, ack.warnings) == (OURS, ("DUPLICATE_CLIENT_ORDER_ID",))
    assert len(bench.http.of(CREATE)) == 1


@pytest.mark.parametrize(
    "listed",
    [
        _listed(client_order_id="another"),
        _listed(side="SELL"),
        _listed(order_configuration={"limit_limit_gtc": {"base_size": "0.02", "limit_price": "40000"}}),
        sample("http_orders_none"),
        b"<html>",
    ],
)
@on_virtual_time
async def test_duplicate_id_of_an_order_that_is_not_the_one_we_meant_leaves_it_unknown(listed: bytes) -> None:
    bench = await _ready()
    bench.answer(CREATE, _duplicate())
    bench.answer(LIST, listed)
    error = await _refused(bench)
    assert (error.outcome, error.code) == (Outcome.UNKNOWN, "DUPLICATE_CLIENT_ORDER_ID")


# Evidence


@on_virtual_time
async def test_closed_orders_by_our_id_are_looked_for_from_when_ours_can_have_been_made() -> None:
    bench = await _ready()
    bench.answer(LIST, sample("http_orders_ended"))
    placed_s = 1795158000.0
    found = await bench.client.closed_orders(client_order_id="bot-9a44", placed_since_s=placed_s)
    assert [order.client_order_id for order in found] == ["bot-9a44"]
    assert await bench.client.closed_orders(client_order_id="nobody", placed_since_s=placed_s) == []
    (first, _) = bench.http.of(LIST)
    assert first.fields["start_date"] == "2026-11-20T06:59:00.000Z"
    assert "order_status" not in first.fields
    await bench.client.closed_orders(client_order_id="nobody")
    assert bench.http.of(LIST)[-1].fields["start_date"].startswith("20")


@on_virtual_time
async def test_order_of_ours_that_is_open_there_is_no_evidence_that_it_is_not() -> None:
    bench = await _ready()
    bench.answer(LIST, sample("http_orders_open"))
    with pytest.raises(PayloadError, match="is not over: it is OPEN"):
        await bench.client.closed_orders(client_order_id=CLIENT_ID)
    await bench.client.open_orders()  # Has it: whoever asked for it has it from there.
    assert await bench.client.closed_orders(client_order_id=CLIENT_ID) == []


@on_virtual_time
async def test_looking_for_one_order_stops_where_it_is_found() -> None:
    bench = await _ready()
    page = tree("http_orders_ended") | {"has_next": True, "cursor": "x"}
    bench.answer(LIST, encoded(page))
    assert await bench.client.closed_orders(client_order_id="bot-9a43", placed_since_s=0.0)
    assert len(bench.http.of(LIST)) == 1


# Dry runs and cancels


@on_virtual_time
async def test_dry_run_is_a_preview_and_places_nothing() -> None:
    bench = await _ready()
    ack = await bench.client.check_order(ticket(), deadline_s=5.0)
    assert ack.order_id is None
    assert bench.http.of(CREATE) == []
    (asked,) = bench.http.of("POST orders/preview")
    assert "client_order_id" not in asked.json
    bench.answer("POST orders/preview", sample("http_preview_refused"))
    with pytest.raises(InsufficientFundsError):
        await bench.client.check_order(ticket(), deadline_s=5.0)


@on_virtual_time
async def test_cancel_names_the_order_and_is_pending() -> None:
    bench = await _ready()
    ack = await _cancel(bench)
    (asked,) = bench.http.of(CANCEL)
    assert asked.json == {"order_ids": [OURS]}
    assert ack.is_pending
    assert bench.lane.had == [Priority.CANCEL]


@on_virtual_time
async def test_cancel_by_our_id_looks_the_order_up_first() -> None:
    bench = await _ready()
    await _cancel(bench, order_id=None, client_order_id=CLIENT_ID)
    (asked,) = bench.http.of(CANCEL)
    assert asked.json == {"order_ids": [OURS]}
    with pytest.raises(UnknownOrderError) as caught:
        await _cancel(bench, order_id=None, client_order_id="nobody")
    assert caught.value.outcome is Outcome.REJECTED
    bench.http.answers[LIST] = [bench.http.reply(b"", status=502)]
    with pytest.raises(VenueUnreachableError) as unsent:
        await _cancel(bench, order_id=None, client_order_id=CLIENT_ID)
    assert unsent.value.outcome is Outcome.NEVER_SENT
    assert len(bench.http.of(CANCEL)) == 1
    with pytest.raises(ValueError, match="names an order"):
        await _cancel(bench, order_id=None)


@on_virtual_time
async def test_cancel_of_no_open_order_is_told_as_that() -> None:
    bench = await _ready()
    bench.answer(CANCEL, sample("http_cancel_refused"))
    with pytest.raises(UnknownOrderError):
        await _cancel(bench)


@on_virtual_time
async def test_cancel_whose_answer_is_lost_is_unknown() -> None:
    bench = await _ready()
    bench.http.answers[CANCEL] = [WireError("x", kind="reset", was_sent=True)]
    with pytest.raises(OutcomeUnknownError):
        await _cancel(bench)
    assert len(bench.http.of(CANCEL)) == 1


# Callers that go away


@on_virtual_time
async def test_order_cancelled_before_it_left_is_not_sent() -> None:
    bench = await _ready()
    turns = [bench.lane.turn(priority=Priority.CANCEL) for _ in range(8)]
    for turn in turns:
        await turn.__aenter__()
    placing = asyncio.create_task(_place(bench))
    await asyncio.sleep(0.1)
    placing.cancel()
    await asyncio.gather(placing, return_exceptions=True)
    for turn in turns:
        await turn.__aexit__(None, None, None)
    await asyncio.sleep(1)
    assert bench.http.of(CREATE) == []


@on_virtual_time
async def test_closed_client_and_one_without_a_key_send_no_order() -> None:
    bench = await _ready()
    await bench.client.close()
    with pytest.raises(ClosedError):
        await _place(bench)
    bare = Bench(has_credential=False)
    with pytest.raises(ConfigError):
        await _place(bare)
    assert bench.http.of(CREATE) == bare.http.of(CREATE) == []


@on_virtual_time
async def test_neither_key_nor_token_appears_in_a_refusal_of_an_order() -> None:
    bench = await _ready()

    async def echo(http: FakeHttp, asked: Asked) -> Any:
        why = {"error": "INVALID_REQUEST", "message": asked.headers["Authorization"]}
        return http.reply(encoded({"success": False, "error_response": why}))

    bench.http.answers[CREATE] = [echo]
    error = await _refused(bench)
    assert isinstance(error, VenueRejectedError)
    assert bench.http.of(CREATE)[0].token not in str(error)


@on_virtual_time
async def test_with_nothing_left_of_its_time_nothing_leaves_and_the_venue_is_not_blamed() -> None:
    bench = await _ready()
    sent, before = Sent(bench), len(bench.http.asked)
    with pytest.raises(VenueError) as refused:
        await _place(bench, sent=sent, deadline_s=0.02)
    assert refused.value.outcome is Outcome.NEVER_SENT
    assert not fault_of(refused.value).counts
    assert len(bench.http.asked) == before
