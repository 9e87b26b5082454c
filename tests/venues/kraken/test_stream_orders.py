"""Orders over the stream: sent once, answered by number, and unknown when the answer is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.orders import CancelAck, OrderAck
from holdfast.core.seams import WireError
from holdfast.core.venue import Channel
from holdfast.errors import (
    FaultClass,
    HaltedError,
    HoldfastError,
    InsufficientFundsError,
    MaintenanceError,
    OrderRuleError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    UnknownNameError,
    UnknownOrderError,
    VenueBusyError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from tests.venues.kraken.fakes import FakeConnection
from tests.venues.kraken.test_stream import Scene, on_virtual_time
from tests.venues.kraken.tickets import CLIENT_ID, spending, ticket

D = Decimal
Answer = Callable[[FakeConnection, dict[str, Any]], None]


def nothing() -> None:
    """A *before_send* that lets everything pass."""


def answers(**frame: Any) -> Answer:
    """Answer each request with these members beside its own method and number."""

    def answer(connection: FakeConnection, request: dict[str, Any]) -> None:
        connection.say({"method": request["method"], "req_id": request["req_id"], **frame})

    return answer


def accepts(order_id: str = "O-1", **more: Any) -> Answer:
    return answers(success=True, result={"order_id": order_id, **more})


def refuses(text: str) -> Answer:
    return answers(success=False, error=text)


async def started(on_order: Answer | None = None) -> Scene:
    scene = Scene()
    if on_order is not None:
        scene.venue.on_order = on_order
    await scene.start()
    return scene


async def place(scene: Scene, order: Any = None, *, deadline_s: float = 5.0) -> OrderAck:
    return await scene.stream.place_order(order or ticket(), deadline_s=deadline_s, before_send=nothing)


async def cancel(scene: Scene, *, order_id: str | None = "O-1") -> CancelAck:
    return await scene.stream.cancel_order(
        order_id=order_id, client_order_id=CLIENT_ID, deadline_s=5.0, before_send=nothing
    )


def can_send(scene: Scene) -> bool:
    return scene.stream.can_send_orders


async def refused(call: Awaitable[Any]) -> HoldfastError:
    with pytest.raises(HoldfastError) as caught:
        await call
    return caught.value


async def outcome(call: Awaitable[Any]) -> Outcome:
    error = await refused(call)
    assert isinstance(error, VenueError)
    return error.outcome


# What is sent


@on_virtual_time
async def test_order_goes_over_the_connection_with_the_token_of_its_channels() -> None:
    scene = await started(accepts())
    assert can_send(scene)
    ack = await place(scene)
    assert ack == OrderAck(order_id="O-1", client_order_id=CLIENT_ID, as_of_s=ack.as_of_s, via="stream")
    assert ack.as_of_s == pytest.approx(scene.bench.clock.now_s())
    [request] = scene.connection.of("add_order")
    assert request["params"] == {
        "order_type": "limit",
        "side": "buy",
        "symbol": "BTC/USD",
        "order_qty": 0.01,
        "cl_ord_id": CLIENT_ID,
        "deadline": "2026-09-21T14:13:25.123Z",
        "fee_preference": "quote",
        "limit_price": 40000.0,
        "time_in_force": "gtc",
        "token": "token-1",
    }
    numbers = [request["req_id"] for request in scene.connection.sent]
    assert len(set(numbers)) == len(numbers)
    assert len(scene.bench.http.of("GetWebSocketsToken")) == 1
    await scene.stop()


@on_virtual_time
async def test_dry_run_cancel_and_dead_man_switch_go_the_same_way() -> None:
    scene = await started(answers(success=True, result={}))
    assert (await scene.stream.check_order(spending("250"), deadline_s=5.0)).order_id is None
    assert scene.connection.of("add_order")[0]["params"]["validate"] is True
    scene.venue.on_order = accepts()
    assert await cancel(scene) == CancelAck(count=1, is_pending=False, as_of_s=scene.bench.clock.now_s())
    await cancel(scene, order_id=None)
    asked = [request["params"] for request in scene.connection.of("cancel_order")]
    assert asked == [
        {"order_id": ["O-1"], "token": "token-1"},
        {"cl_ord_id": [CLIENT_ID], "token": "token-1"},
    ]
    times = {"currentTime": "2026-09-21T10:00:00Z", "triggerTime": "2026-09-21T10:01:00Z"}
    scene.venue.on_order = answers(success=True, result=times)
    await scene.stream.cancel_all_after(60, deadline_s=5.0)
    scene.venue.on_order = answers(success=True, result={**times, "triggerTime": "0"})
    await scene.stream.cancel_all_after(0, deadline_s=5.0)
    asked = [request["params"] for request in scene.connection.of("cancel_all_orders_after")]
    assert asked == [{"timeout": 60, "token": "token-1"}, {"timeout": 0, "token": "token-1"}]
    await scene.stop()


@on_virtual_time
async def test_order_that_cannot_be_one_is_refused_before_anything_is_sent() -> None:
    scene = await started(accepts())
    assert isinstance(await refused(place(scene, ticket(symbol="BTC-XYZ"))), UnknownNameError)
    assert isinstance(await refused(place(scene, ticket(quantity=None, quote_quantity=D(1)))), OrderRuleError)
    assert not scene.connection.of("add_order")
    await scene.stop()


# When it may be sent


@on_virtual_time
async def test_orders_are_taken_while_connected_and_subscribed_and_never_otherwise() -> None:
    scene = Scene()
    assert not can_send(scene)
    assert await outcome(place(scene)) is Outcome.NEVER_SENT
    scene.venue.refusals[Channel.ORDERS] = ["EGeneral:Permission denied"] * 2
    await scene.start()
    assert not can_send(scene)
    assert await outcome(place(scene)) is Outcome.NEVER_SENT
    await scene.stop()
    await scene.start()
    assert can_send(scene)
    scene.stream.abort("silent")
    assert not can_send(scene)
    assert await outcome(place(scene)) is Outcome.NEVER_SENT
    await scene.ended()
    assert not can_send(scene)
    assert not [request for each in scene.wire.connections for request in each.of("add_order")]


@on_virtual_time
async def test_before_send_is_called_in_the_step_of_the_sending_and_can_stop_it() -> None:
    scene = await started(accepts())
    sent: list[int] = []
    await scene.stream.place_order(
        ticket(), deadline_s=5.0, before_send=lambda: sent.append(len(scene.connection.of("add_order")))
    )
    assert sent == [0]

    def stop() -> None:
        raise HaltedError("no longer the owner")

    call = scene.stream.place_order(ticket(), deadline_s=5.0, before_send=stop)
    assert isinstance(await refused(call), HaltedError)
    assert len(scene.connection.of("add_order")) == 1
    await scene.stop()


@on_virtual_time
async def test_connection_that_was_gone_before_the_frame_never_sent_it() -> None:
    scene = await started(accepts())
    scene.connection.is_gone = True
    error = await refused(place(scene))
    assert isinstance(error, VenueUnreachableError)
    assert error.outcome is Outcome.NEVER_SENT
    assert isinstance(await scene.ended(), OutcomeUnknownError)


@on_virtual_time
async def test_connection_that_breaks_with_the_frame_leaves_it_unknown() -> None:
    scene = await started(accepts())

    def breaks(frame: bytes) -> None:
        raise WireError("half of it left", kind="reset", was_sent=True)

    scene.connection.send = breaks  # type: ignore[method-assign]
    assert await outcome(place(scene)) is Outcome.UNKNOWN
    await scene.ended()


# Answers that are lost


@pytest.mark.parametrize("how", ["closed", "aborted", "stopped", "deadline"])
def test_order_whose_answer_is_lost_is_unknown(how: str) -> None:
    @on_virtual_time
    async def scenario() -> None:
        scene = await started()
        call = asyncio.create_task(place(scene, deadline_s=3.0))
        await asyncio.sleep(0.5)
        began_s = scene.bench.clock.now_s()
        if how == "closed":
            scene.connection.lose(1011, "internal error")
        elif how == "aborted":
            scene.stream.abort("silent")
        elif how == "stopped":
            await scene.stop()
        error = await refused(call)
        assert isinstance(error, OutcomeUnknownError)
        assert (error.outcome, error.fault, error.request) == (Outcome.UNKNOWN, FaultClass.NETWORK, "add_order")
        assert scene.bench.clock.now_s() - began_s == pytest.approx(2.5 if how == "deadline" else 0.0, abs=0.1)
        assert len(scene.connection.of("add_order")) == 1
        if how == "deadline":
            assert can_send(scene)
            await scene.stop()
        elif how != "stopped":
            await scene.ended()

    scenario()


@on_virtual_time
async def test_answer_after_the_deadline_is_for_nobody_and_harms_nothing() -> None:
    scene = await started()
    assert await outcome(place(scene, deadline_s=1.0)) is Outcome.UNKNOWN
    [late] = scene.connection.of("add_order")
    heard = len(scene.sink.heard)
    accepts("O-LATE")(scene.connection, late)
    refuses("EOrder:Insufficient funds")(scene.connection, late)
    assert len(scene.sink.heard) == heard
    scene.venue.on_order = accepts("O-2")
    assert (await place(scene)).order_id == "O-2"
    await scene.stop()


@on_virtual_time
async def test_answers_are_found_by_number_in_whatever_order_they_come() -> None:
    scene = await started()
    calls = [asyncio.create_task(place(scene)) for _ in range(3)]
    await scene.settle()
    asked = scene.connection.of("add_order")
    for number, request in reversed(list(enumerate(asked))):
        accepts(f"O-{number}")(scene.connection, request)
    assert [(await call).order_id for call in calls] == ["O-0", "O-1", "O-2"]
    await scene.stop()


@on_virtual_time
async def test_foreign_and_repeated_answers_are_nobodys() -> None:
    scene = await started()
    call = asyncio.create_task(place(scene))
    await scene.settle()
    [request] = scene.connection.of("add_order")
    accepts("O-X")(scene.connection, {"method": "add_order", "req_id": 999})
    accepts("O-X")(scene.connection, {"method": "cancel_order", "req_id": request["req_id"]})
    scene.connection.say({"method": "add_order", "success": True, "result": {"order_id": "O-X"}})
    await scene.settle()
    assert not call.done()
    accepts("O-1")(scene.connection, request)
    accepts("O-2")(scene.connection, request)
    assert (await call).order_id == "O-1"
    await scene.stop()


@on_virtual_time
async def test_caller_that_gives_up_leaves_nothing_behind() -> None:
    scene = await started()
    call = asyncio.create_task(place(scene))
    await scene.settle()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    accepts()(scene.connection, scene.connection.of("add_order")[0])
    scene.connection.lose()
    await scene.ended()


@on_virtual_time
async def test_answer_that_comes_while_a_channel_starts_anew_counts() -> None:
    scene = await started()
    call = asyncio.create_task(place(scene))
    await scene.settle()
    scene.stream.resubscribe(Channel.ORDERS, "anew")
    await scene.settle()
    accepts()(scene.connection, scene.connection.of("add_order")[0])
    assert (await call).order_id == "O-1"
    await scene.stop()


@on_virtual_time
async def test_frame_that_cannot_be_read_leaves_the_order_unknown() -> None:
    scene = await started()
    call = asyncio.create_task(place(scene, deadline_s=2.0))
    await scene.settle()
    [request] = scene.connection.of("add_order")
    number = request["req_id"]
    scene.connection.say(f'{{"method":"add_order","req_id":{number},"success":true,"result":{{"order_id":"O-'.encode())
    assert await outcome(call) is Outcome.UNKNOWN
    await scene.stop()


@pytest.mark.parametrize(
    "answer",
    [
        answers(success=True),
        answers(success=True, result={}),
        answers(success=True, result={"order_id": "O-1", "cl_ord_id": "another"}),
        answers(success=True, result=[]),
        answers(success=True, result={"order_id": "O-1"}, error="EOrder:Insufficient funds"),
        answers(success=False),
        answers(success=False, error="EOrder:Insufficient funds", result={"order_id": "O-1"}),
        answers(error="EOrder:Insufficient funds"),
        answers(result={"order_id": "O-1"}),
    ],
)
def test_answer_that_is_neither_clear_is_unknown(answer: Answer) -> None:
    @on_virtual_time
    async def scenario() -> None:
        scene = await started(answer)
        assert isinstance(await refused(place(scene)), OutcomeUnknownError)
        await scene.stop()

    scenario()


# Refusals


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("EOrder:Insufficient funds", InsufficientFundsError, Outcome.REJECTED),
        ("EOrder:Insufficient funds (insufficient user funds)", InsufficientFundsError, Outcome.REJECTED),
        ("EOrder:Order minimum not met (volume too low)", VenueRejectedError, Outcome.REJECTED),
        ("EOrder:Rate limit exceeded", RateLimitedError, Outcome.REJECTED),
        ("EService:Market in cancel_only mode", MaintenanceError, Outcome.REJECTED),
        ("EService:Unavailable", VenueBusyError, Outcome.UNKNOWN),
        ("EService:Deadline elapsed", OutcomeUnknownError, Outcome.UNKNOWN),
        ("EGeneral:Internal error", OutcomeUnknownError, Outcome.UNKNOWN),
        ("EOrder:Invalid order", OutcomeUnknownError, Outcome.UNKNOWN),
        ("Unsupported field: 'price' for the given msg type: add order", VenueError, Outcome.UNKNOWN),
        ("Currency pair not supported XBT/USD", VenueError, Outcome.UNKNOWN),
    ],
)
def test_refusal_is_judged_by_the_same_table(text: str, kind: type[VenueError], expected: Outcome) -> None:
    @on_virtual_time
    async def scenario() -> None:
        scene = await started(refuses(text))
        error = await refused(place(scene))
        assert type(error) is kind
        assert isinstance(error, VenueError)
        assert (error.outcome, error.request, error.account) == (expected, "add_order", "kraken-master")
        assert text in str(error)
        assert can_send(scene)
        await scene.stop()

    scenario()


@on_virtual_time
async def test_cancel_of_no_open_order_and_of_one_that_is_being_cancelled() -> None:
    scene = await started(refuses("EOrder:Unknown order"))
    assert isinstance(await refused(cancel(scene)), UnknownOrderError)
    scene.venue.on_order = refuses("EOrder:Cancel pending")
    assert (await cancel(scene)).is_pending
    scene.venue.on_order = refuses("EService:Unavailable")
    assert await outcome(cancel(scene)) is Outcome.UNKNOWN
    await scene.stop()


# Tokens


@pytest.mark.parametrize("text", ["ESession:Invalid session", "EAPI:Invalid session", "Token is expired"])
def test_dead_token_refuses_the_order_and_is_replaced_before_the_next(text: str) -> None:
    @on_virtual_time
    async def scenario() -> None:
        scene = await started(refuses(text))
        call = asyncio.create_task(place(scene))
        assert await outcome(call) is Outcome.REJECTED
        assert not can_send(scene)
        assert await outcome(place(scene)) is Outcome.NEVER_SENT
        await scene.settle()
        assert can_send(scene)
        scene.venue.on_order = accepts()
        await place(scene)
        assert [request["params"]["token"] for request in scene.connection.of("add_order")] == ["token-1", "token-2"]
        assert scene.venue.tokens == ["token-1", "token-1"]
        assert len(scene.sink.of("subscribed")) == 2
        await scene.stop()

    scenario()


@on_virtual_time
async def test_token_that_cannot_be_replaced_costs_neither_the_stream_nor_its_snapshots() -> None:
    scene = await started(refuses("ESession:Invalid session"))
    good = scene.bench.http.answers["GetWebSocketsToken"]
    scene.bench.http.answers["GetWebSocketsToken"] = [scene.bench.http.error("EGeneral:Internal error")]
    assert await outcome(place(scene)) is Outcome.REJECTED
    await asyncio.sleep(2.5)
    assert not can_send(scene)
    scene.venue.ledger(scene.connection)
    assert scene.sink.of("moved")
    scene.bench.http.answers["GetWebSocketsToken"] = good
    await asyncio.sleep(8)
    assert can_send(scene)
    assert len(scene.wire.connections) == 1
    await scene.stop()


@on_virtual_time
async def test_channel_that_starts_anew_while_a_token_cannot_be_had_gets_a_fresh_one() -> None:
    scene = await started(refuses("ESession:Invalid session"))
    good = scene.bench.http.answers["GetWebSocketsToken"]
    scene.bench.http.answers["GetWebSocketsToken"] = [scene.bench.http.error("EOrder:Nonsense")]
    assert await outcome(place(scene)) is Outcome.REJECTED
    await asyncio.sleep(1)
    scene.bench.http.answers["GetWebSocketsToken"] = good
    scene.stream.resubscribe(Channel.ORDERS, "anew")
    await scene.settle()
    assert scene.venue.tokens == ["token-1", "token-1", "token-2"]
    assert can_send(scene)
    await scene.stop()


@on_virtual_time
async def test_fresh_token_of_a_channel_serves_orders_too() -> None:
    scene = await started(accepts())
    scene.stream.resubscribe(Channel.BALANCES, "anew")
    await scene.settle()
    await place(scene)
    assert scene.connection.of("add_order")[0]["params"]["token"] == "token-2"
    await scene.stop()


@on_virtual_time
async def test_once_a_token_died_of_age_the_next_are_replaced_in_time() -> None:
    """The pages disagree whether a token lives as long as its connection or for 15 minutes."""
    scene = await started(accepts())
    scene.venue.is_mute = False
    keep = asyncio.create_task(_heartbeats(scene))
    await asyncio.sleep(1000)
    await place(scene)  # Nobody asked whether it may age, so nobody replaced it.
    scene.venue.on_order = refuses("ESession:Invalid session")
    assert await outcome(place(scene)) is Outcome.REJECTED
    await scene.settle()
    scene.venue.on_order = accepts()
    for _ in range(3):
        await asyncio.sleep(840)
        await place(scene)
    tokens = [request["params"]["token"] for request in scene.connection.of("add_order")]
    assert tokens == ["token-1", "token-1", "token-3", "token-4", "token-5"]
    keep.cancel()
    await scene.stop()


async def _heartbeats(scene: Scene) -> None:
    while True:
        scene.connection.say(b'{"channel":"heartbeat"}')
        await asyncio.sleep(1)


@on_virtual_time
async def test_token_that_a_refusal_repeats_reaches_no_error() -> None:
    scene = await started(refuses("EGeneral:Invalid arguments:token-1"))
    error = await refused(place(scene))
    assert "token-1" not in str(error)
    assert "token-1" not in repr(error.__dict__)
    scene.venue.on_order = answers(success=True, result={"order_id": 1, "cl_ord_id": ["token-1"]})
    assert "token-1" not in str(await refused(place(scene)))
    await scene.stop()
