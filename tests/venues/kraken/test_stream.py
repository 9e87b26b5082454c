"""The stream keeps its word whatever the socket does: order, gaps, tokens, silence and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from functools import wraps
from typing import Any, cast

import msgspec
import pytest

from holdfast.core.seams import HttpReply, Priority, WireError
from holdfast.core.venue import Channel, VenueClient, VenueMode
from holdfast.errors import (
    ClosedError,
    ConfigError,
    CredentialParkedError,
    FaultClass,
    HoldfastError,
    OutcomeUnknownError,
    PermissionMissingError,
    RateLimitedError,
    VenueError,
    VenueUnreachableError,
)
from holdfast.testing import run_virtual
from holdfast.venues.kraken import KRAKEN
from holdfast.venues.kraken.stream import KrakenStream
from tests.venues.kraken.fakes import Asked, Bench, FakeConnection, FakeHttp, FakeStreams, Sink
from tests.venues.kraken.samples import sample
from tests.venues.kraken.test_frames import NEW, held

D = Decimal
BALANCES, ORDERS = Channel.BALANCES, Channel.ORDERS
NAME = {BALANCES: "balances", ORDERS: "executions"}


def on_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs), horizon_s=100_000)

    return run


class Venue:
    """
    A Kraken stream of two channels, as far as these tests need one.

    ``refusals[channel]`` are errors for the next subscriptions of it; ``acks_after`` puts the acknowledgement after
    the snapshot; ``is_mute`` acknowledges and says nothing more; ``on_order`` answers everything about orders.
    """

    def __init__(self, wire: FakeStreams) -> None:
        self.sequence = {BALANCES: 0, ORDERS: 0}
        self.refusals: dict[Channel, list[str]] = {BALANCES: [], ORDERS: []}
        self.acks_after = False
        self.is_mute = False
        self.holdings: list[dict[str, Any]] = [held("USD", main=1500.25), held("BTC", main=0.5)]
        self.orders: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.on_order: Callable[[FakeConnection, dict[str, Any]], None] = lambda connection, request: None
        wire.on_request = self.answer

    def answer(self, connection: FakeConnection, request: dict[str, Any]) -> None:
        asyncio.get_running_loop().call_soon(self._answer, connection, request)

    def _answer(self, connection: FakeConnection, request: dict[str, Any]) -> None:
        method, req_id = request["method"], request["req_id"]
        if method == "ping":
            connection.say({"method": "pong", "req_id": req_id})
            return
        if method not in ("subscribe", "unsubscribe"):
            self.on_order(connection, request)
            return
        channel = next(each for each, name in NAME.items() if name == request["params"]["channel"])
        answer: dict[str, Any] = {
            "method": method,
            "req_id": req_id,
            "success": True,
            "result": {"channel": NAME[channel]},
        }
        if method == "unsubscribe":
            connection.say(answer)
            return
        self.tokens.append(request["params"]["token"])
        if self.refusals[channel]:
            connection.say(
                {"method": method, "req_id": req_id, "success": False, "error": self.refusals[channel].pop(0)}
            )
            return
        if not self.acks_after:
            connection.say(answer)
        if not self.is_mute:
            self.snapshot(connection, channel)
        if self.acks_after:
            connection.say(answer)

    def snapshot(self, connection: FakeConnection, channel: Channel, *, sequence: int = 1) -> None:
        self.sequence[channel] = sequence
        data = self.holdings if channel is BALANCES else self.orders
        connection.say({"channel": NAME[channel], "type": "snapshot", "sequence": sequence, "data": data})

    def ledger(self, connection: FakeConnection, *, skip: int = 0, **fields: Any) -> None:
        self.sequence[BALANCES] += 1 + skip
        row = {
            "ledger_id": "L-1",
            "ref_id": "T-1",
            "timestamp": "2026-09-21T10:00:00.123456Z",
            "type": "trade",
            "subtype": "",
            "category": "trade",
            "asset": "USD",
            "asset_class": "currency",
            "wallet_type": "spot",
            "wallet_id": "main",
            "amount": -400.0,
            "fee": 1.0,
            "balance": 1099.25,
            **fields,
        }
        connection.say({"channel": "balances", "type": "update", "sequence": self.sequence[BALANCES], "data": [row]})

    def execution(self, connection: FakeConnection, *, skip: int = 0, **fields: Any) -> None:
        self.sequence[ORDERS] += 1 + skip
        row = {"order_id": "O-1", **fields}
        connection.say({"channel": "executions", "type": "update", "sequence": self.sequence[ORDERS], "data": [row]})


class Scene:
    """One stream, its fake venue, and the task that runs it."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.wire = FakeStreams()
        self.venue = Venue(self.wire)
        self.sink = Sink()
        stream = KRAKEN.stream(
            wire=self.wire,
            client=self.bench.client,
            clock=self.bench.clock,
            emit=self.bench.events.append,
            ws_url="ws://127.0.0.1:1/v2",
            account="kraken-master",
            options=self.bench.options,
        )
        assert isinstance(stream, KrakenStream)
        self.stream = stream
        self.task: asyncio.Task[None] | None = None
        tokens = iter(range(1, 1000))

        async def token(http: FakeHttp, asked: Asked) -> HttpReply:
            return http.reply(f'{{"error":[],"result":{{"token":"token-{next(tokens)}","expires":900}}}}'.encode())

        self.bench.http.answers["GetWebSocketsToken"] = [token]

    async def start(self) -> FakeConnection:
        """Run until the subscriptions were answered."""
        self.task = asyncio.create_task(self.stream.run(self.sink))
        await self.settle()
        return self.connection

    @property
    def connection(self) -> FakeConnection:
        return self.wire.connections[-1]

    async def settle(self) -> None:
        await asyncio.sleep(0.01)

    async def ended(self) -> BaseException:
        assert self.task is not None
        with pytest.raises(HoldfastError) as caught:
            async with asyncio.timeout(60):
                await self.task
        return caught.value

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.task


# The beginning


@on_virtual_time
async def test_stream_subscribes_both_channels_with_a_fresh_token_and_states_them() -> None:
    scene = Scene()
    connection = await scene.start()
    asked = {request["params"]["channel"]: request["params"] for request in connection.of("subscribe")}
    assert asked == {
        "balances": {"channel": "balances", "snapshot": True, "token": "token-1"},
        "executions": {"channel": "executions", "snap_orders": True, "snap_trades": False, "token": "token-1"},
    }
    assert scene.bench.lane.held_for == [Priority.TOKEN]
    assert scene.sink.names() == ["opened", "subscribed", "balances", "subscribed", "orders"]
    snapshot = scene.sink.of("balances")[0]
    assert {code: each.total for code, each in snapshot.holdings.items()} == {"USD": D("1500.25"), "BTC": D("0.5")}
    assert snapshot.as_of_s == pytest.approx(scene.bench.clock.now_s(), abs=0.1)
    await scene.stop()
    assert connection.is_gone


@on_virtual_time
async def test_acknowledgement_may_come_after_the_snapshot() -> None:
    scene = Scene()
    scene.venue.acks_after = True
    await scene.start()
    assert scene.sink.names() == ["opened", "balances", "subscribed", "orders", "subscribed"]
    scene.venue.ledger(scene.connection)
    assert scene.sink.of("moved")[0][0].change == D("-401.0")
    await scene.stop()


@on_virtual_time
async def test_frame_before_the_connection_is_ours_opens_it_first() -> None:
    scene = Scene()
    scene.wire.greeting = sample("ws_status")
    await scene.start()
    assert scene.sink.names()[:2] == ["opened", "status"]
    assert scene.sink.names().count("opened") == 1
    await scene.stop()


@on_virtual_time
async def test_every_run_takes_a_fresh_token() -> None:
    scene = Scene()
    await scene.start()
    await scene.stop()
    await scene.start()
    await scene.stop()
    assert scene.venue.tokens == ["token-1", "token-1", "token-2", "token-2"]


@on_virtual_time
async def test_stream_runs_once_at_a_time() -> None:
    scene = Scene()
    await scene.start()
    with pytest.raises(ClosedError):
        await scene.stream.run(scene.sink)
    await scene.stop()


# What flows


@on_virtual_time
async def test_moves_and_changes_arrive_in_wire_order() -> None:
    scene = Scene()
    connection = await scene.start()
    scene.sink.heard.clear()
    scene.venue.execution(connection, **NEW)
    scene.venue.ledger(connection)
    scene.venue.ledger(connection, asset="BTC", amount=0.01, fee=0.0, balance=0.51)
    scene.venue.execution(connection, exec_type="trade", exec_id="T-1", cum_qty=0.01, cum_cost=400.0)
    assert scene.sink.names() == ["changed", "moved", "moved", "changed"]
    legs = [deltas[0] for deltas in scene.sink.of("moved")]
    fill = scene.sink.of("changed")[1][0]
    assert {leg.ref for leg in legs} == {fill.ref} == {"T-1"}
    await scene.stop()


@on_virtual_time
async def test_every_frame_is_told_first_and_heartbeats_say_nothing_more() -> None:
    scene = Scene()
    connection = await scene.start()
    before, heard = scene.sink.frames, len(scene.sink.heard)
    for _ in range(3):
        connection.say(sample("ws_heartbeat"))
    connection.say(b'{ "channel": "heartbeat" }')
    connection.say({"channel": "ticker", "type": "update", "data": {"a": 1}})
    connection.say({"error": "Malformed request", "success": False})
    connection.say({"method": "subscribe", "success": True, "req_id": 999, "result": {"channel": "ohlc"}})
    assert (scene.sink.frames, len(scene.sink.heard)) == (before + 7, heard)
    await scene.stop()


@pytest.mark.parametrize(
    ("word", "mode"),
    [
        ("online", VenueMode.ONLINE),
        ("maintenance", VenueMode.MAINTENANCE),
        ("cancel_only", VenueMode.CANCEL_ONLY),
        ("post_only", VenueMode.POST_ONLY),
        ("party", VenueMode.UNKNOWN),
    ],
)
def test_status_is_told(word: str, mode: VenueMode) -> None:
    async def scenario() -> None:
        scene = Scene()
        connection = await scene.start()
        connection.say(sample("ws_status").replace(b"online", word.encode()))
        assert [status.mode for status in scene.sink.of("status")] == [mode]
        await scene.stop()

    run_virtual(scenario())


# Gaps


@pytest.mark.parametrize("channel", [BALANCES, ORDERS])
@pytest.mark.parametrize(
    ("skip", "found"), [(1, 3), (40, 42), (-1, 1), (-2, 0)], ids=["gap", "far", "repeat", "regress"]
)
def test_sequence_that_breaks_drops_everything_until_a_new_snapshot(channel: Channel, skip: int, found: int) -> None:
    async def scenario() -> None:
        scene = Scene()
        connection = await scene.start()
        scene.sink.heard.clear()
        say = scene.venue.ledger if channel is BALANCES else scene.venue.execution
        fields: dict[str, Any] = {} if channel is BALANCES else NEW
        say(connection, skip=skip, **fields)
        say(connection, **fields)
        assert scene.sink.heard == [("gapped", (channel, 2, found))]
        await scene.settle()
        assert scene.venue.tokens[2:] == ["token-2"]
        assert [request["params"] for request in connection.of("unsubscribe")] == [
            {"channel": NAME[channel], "token": "token-2"}
        ]
        stated = "balances" if channel is BALANCES else "orders"
        assert scene.sink.names() == ["gapped", "subscribed", stated]
        say(connection, **fields)
        assert scene.sink.names()[-1] == ("moved" if channel is BALANCES else "changed")
        told = [each.fields["reason"] for each in scene.bench.events if each.name == "stream.resubscribed"]
        assert told == ["gap"]
        await scene.stop()

    run_virtual(scenario())


@on_virtual_time
async def test_gap_in_one_channel_leaves_the_other_alone() -> None:
    scene = Scene()
    connection = await scene.start()
    scene.venue.ledger(connection, skip=1)
    scene.sink.heard.clear()
    scene.venue.execution(connection, **NEW)
    assert scene.sink.names() == ["changed"]
    await scene.stop()


@on_virtual_time
async def test_frame_without_a_sequence_is_a_gap() -> None:
    scene = Scene()
    connection = await scene.start()
    connection.say({"channel": "executions", "type": "update", "data": []})
    assert scene.sink.of("gapped") == [(ORDERS, 2, None)]
    await scene.stop()


@on_virtual_time
async def test_update_before_the_first_snapshot_is_dropped() -> None:
    scene = Scene()
    scene.venue.is_mute = True
    connection = await scene.start()
    scene.venue.ledger(connection)
    assert scene.sink.names() == ["opened", "subscribed", "subscribed"]
    scene.venue.snapshot(connection, BALANCES, sequence=7)
    scene.venue.ledger(connection)
    assert scene.sink.names()[3:] == ["balances", "moved"]
    await scene.stop()


@pytest.mark.parametrize("start", [0, 1, 5])
def test_sequence_may_begin_anywhere(start: int) -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.venue.is_mute = True
        connection = await scene.start()
        scene.venue.snapshot(connection, BALANCES, sequence=start)
        scene.venue.ledger(connection)
        assert scene.sink.names()[3:] == ["balances", "moved"]
        await scene.stop()

    run_virtual(scenario())


@on_virtual_time
async def test_second_snapshot_in_sequence_replaces_and_an_old_one_repeated_is_a_gap() -> None:
    scene = Scene()
    connection = await scene.start()
    scene.venue.ledger(connection)
    scene.venue.snapshot(connection, BALANCES, sequence=3)
    assert len(scene.sink.of("balances")) == 2
    scene.venue.ledger(connection)
    assert len(scene.sink.of("moved")) == 2
    scene.venue.snapshot(connection, BALANCES, sequence=1)
    assert len(scene.sink.of("balances")) == 2
    assert scene.sink.of("gapped") == [(BALANCES, 5, 1)]
    await scene.stop()


@on_virtual_time
async def test_snapshot_of_the_subscription_before_is_not_taken_for_the_new_one() -> None:
    scene = Scene()
    connection = await scene.start()
    scene.bench.http.takes_s = 1.0
    scene.venue.ledger(connection, skip=1)
    before = len(scene.sink.of("balances"))
    scene.venue.snapshot(connection, BALANCES)
    await asyncio.sleep(0.5)
    scene.venue.snapshot(connection, BALANCES)
    assert len(scene.sink.of("balances")) == before
    await asyncio.sleep(1.0)
    assert len(scene.sink.of("balances")) == before + 1
    await scene.stop()


@on_virtual_time
async def test_caller_may_ask_for_a_new_snapshot() -> None:
    scene = Scene()
    connection = await scene.start()
    scene.stream.resubscribe(BALANCES, "frozen")
    scene.stream.resubscribe(BALANCES, "frozen")
    scene.venue.ledger(connection)
    assert scene.sink.of("moved") == []
    await scene.settle()
    assert len(scene.sink.of("balances")) == 2
    assert len(connection.of("unsubscribe")) == 1
    assert scene.sink.of("gapped") == []
    await scene.stop()
    scene.stream.resubscribe(BALANCES, "nobody is there")


@on_virtual_time
async def test_channel_that_never_comes_right_ends_the_connection() -> None:
    scene = Scene()
    connection = await scene.start()
    for _ in range(4):
        scene.venue.ledger(connection, skip=5)
        await scene.settle()
    assert not connection.is_gone
    scene.venue.ledger(connection, skip=5)
    error = await scene.ended()
    assert isinstance(error, OutcomeUnknownError)
    assert "balances would not come right" in str(error)
    assert connection.is_gone


@on_virtual_time
async def test_gaps_far_apart_are_healed_for_ever() -> None:
    scene = Scene()
    connection = await scene.start()
    for _ in range(20):
        scene.venue.ledger(connection, skip=5)
        await asyncio.sleep(20)
    assert len(scene.sink.of("balances")) == 21
    await scene.stop()


# Frames that cannot be believed


@pytest.mark.parametrize(
    ("fields", "word"),
    [({"balance": "NaN"}, "amount"), ({"balance": -5.0}, "payload"), ({"asset": "NEWCOIN"}, "unknown_asset")],
)
def test_unbelievable_frame_changes_nothing_and_is_asked_for_anew(fields: dict[str, Any], word: str) -> None:
    async def scenario() -> None:
        scene = Scene()
        connection = await scene.start()
        scene.sink.heard.clear()
        scene.venue.ledger(connection, **fields)
        scene.venue.ledger(connection)
        assert scene.sink.names() == ["refused", "gapped"]
        assert scene.sink.of("refused")[0][:2] == ("balances", word)
        assert scene.sink.of("gapped")[0][0] is BALANCES
        await scene.settle()
        assert scene.sink.names()[2:] == ["subscribed", "balances"]
        await scene.stop()

    run_virtual(scenario())


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"<html>",
        b'{"channel":"balances"',
        b"[]",
        b"null",
        b'{"channel":[]}',
        b"{}",
        b'{"type":"update","sequence":2,"data":[]}',
        b'{"a":1,"a":2}',
        b"[" * 100_000,
    ],
)
def test_frame_that_names_no_channel_puts_both_in_doubt(frame: bytes) -> None:
    async def scenario() -> None:
        scene = Scene()
        connection = await scene.start()
        scene.sink.heard.clear()
        connection.say(frame)
        assert sorted(scene.sink.names()) == ["gapped", "gapped", "refused"]
        await scene.settle()
        assert scene.sink.names()[3:] == ["subscribed", "balances", "subscribed", "orders"]
        assert scene.venue.tokens[2:] == ["token-2", "token-2"]
        await scene.stop()

    run_virtual(scenario())


@on_virtual_time
async def test_asset_listed_meanwhile_is_learned_before_the_new_snapshot() -> None:
    scene = Scene()
    connection = await scene.start()
    listed = sample("http_assets_many").replace(b'"1INCH":', b'"NEWCOIN":{"altname":"NEWCOIN","decimals":8},"1INCH":')

    async def by_class(http: FakeHttp, asked: Asked) -> HttpReply:
        return http.reply(b'{"error":[],"result":{}}') if "aclass" in asked.fields else http.reply(listed)

    scene.bench.http.answers["Assets"] = [by_class]
    scene.venue.holdings.append(held("NEWCOIN", main=5.0))
    scene.venue.ledger(connection, asset="NEWCOIN", amount=5.0, fee=0.0, balance=5.0)
    await scene.settle()
    assert scene.sink.of("balances")[-1].holdings["NEWCOIN"].total == D("5.0")
    await scene.stop()


@on_virtual_time
async def test_change_of_an_order_never_stated_asks_once_and_is_then_passed_over() -> None:
    scene = Scene()
    connection = await scene.start()
    scene.venue.execution(connection, exec_type="new", order_status="new")
    assert scene.sink.of("refused")[0][:2] == ("executions", "unknown_order")
    await scene.settle()
    scene.sink.heard.clear()
    for _ in range(10):
        scene.venue.execution(connection, exec_type="status", order_status="new")
    scene.venue.execution(connection, **{**NEW, "order_id": "O-2"})
    assert scene.sink.names() == ["changed"]
    await scene.stop()


@on_virtual_time
async def test_locked_assets_known_from_rest_are_omitted_by_the_stream() -> None:
    scene = Scene()
    scene.bench.http.answers["BalanceEx"] = [
        scene.bench.http.reply(b'{"error":[],"result":{"DOT.S":{"balance":"5","hold_trade":"0"}}}')
    ]
    await scene.bench.client.read_balances("BalanceEx")
    await scene.start()
    assert scene.sink.of("balances")[0].omits == {"DOT.S"}
    await scene.stop()


@on_virtual_time
async def test_what_rest_found_out_meanwhile_counts_for_the_next_snapshot() -> None:
    scene = Scene()
    await scene.start()
    lent = '"ZUSD":{"balance":"-1","credit":"9","credit_used":"1","hold_trade":"0"}'
    body = f'{{"error":[],"result":{{"DOT.S":{{"balance":"5","hold_trade":"0"}},{lent}}}}}'.encode()
    scene.bench.http.answers["BalanceEx"] = [scene.bench.http.reply(body)]
    await scene.bench.client.read_balances("BalanceEx")
    scene.venue.holdings = [held("USD", main=-1.0)]
    scene.stream.resubscribe(BALANCES, "anew")
    await scene.settle()
    snapshot = scene.sink.of("balances")[-1]
    assert snapshot.omits == {"DOT.S"}
    assert snapshot.holdings["USD"].total == D("-1.0")
    await scene.stop()


# Tokens and refusals


@on_virtual_time
async def test_refused_subscription_is_tried_once_more_with_a_fresh_token() -> None:
    scene = Scene()
    scene.venue.refusals[BALANCES] = ["ESession:Invalid session"]
    await scene.start()
    assert scene.venue.tokens == ["token-1", "token-1", "token-2"]
    assert "refused_channel" not in scene.sink.names()
    assert len(scene.sink.of("balances")) == 1
    await scene.stop()


@on_virtual_time
async def test_channel_refused_twice_is_told_and_the_other_goes_on() -> None:
    scene = Scene()
    scene.venue.refusals[ORDERS] = ["EGeneral:Permission denied\n"] * 2
    connection = await scene.start()
    assert scene.sink.of("refused_channel") == [(ORDERS, r"'EGeneral:Permission denied\n'")]
    scene.venue.ledger(connection)
    assert len(scene.sink.of("moved")) == 1
    scene.stream.resubscribe(ORDERS, "again")
    await scene.settle()
    assert len(scene.venue.tokens) == 4 - 1
    await scene.stop()


@on_virtual_time
async def test_token_that_a_refusal_repeats_is_told_to_nobody() -> None:
    scene = Scene()
    scene.venue.refusals[ORDERS] = ["ESession:Invalid session: token-1", "ESession:Invalid session: token-2"]
    await scene.start()
    assert scene.sink.of("refused_channel") == [(ORDERS, "ESession:Invalid session: (our token)")]
    await scene.stop()
    for channel in (BALANCES, ORDERS):
        scene.venue.refusals[channel] = [f"ESession:Invalid session: token-{number}" for number in (3, 4)]
    scene.task = asyncio.create_task(scene.stream.run(scene.sink))
    assert "token-" not in str(await scene.ended())


@on_virtual_time
async def test_both_channels_refused_end_the_connection_with_the_cause() -> None:
    scene = Scene()
    for channel in (BALANCES, ORDERS):
        scene.venue.refusals[channel] = ["EGeneral:Permission denied"] * 2
    scene.task = asyncio.create_task(scene.stream.run(scene.sink))
    error = await scene.ended()
    assert isinstance(error, PermissionMissingError)
    assert scene.connection.is_gone


@on_virtual_time
async def test_acknowledgement_for_another_channel_is_no_acknowledgement() -> None:
    scene = Scene()
    scene.wire.on_request = None
    connection = await scene.start()
    balances = connection.of("subscribe")[0]
    connection.say(
        {"method": "subscribe", "success": True, "req_id": balances["req_id"], "result": {"channel": "executions"}}
    )
    await scene.settle()
    assert scene.sink.of("subscribed") == []
    assert len(connection.of("subscribe")) == 3
    await scene.stop()


@on_virtual_time
async def test_token_that_cannot_be_had_ends_the_run_before_a_connection() -> None:
    scene = Scene()
    scene.bench.lane.park("lockout", for_s=900.0)
    with pytest.raises(CredentialParkedError):
        await scene.stream.run(scene.sink)
    assert scene.wire.connections == []


@on_virtual_time
async def test_token_that_cannot_be_had_for_a_new_snapshot_ends_the_connection() -> None:
    scene = Scene()
    connection = await scene.start()
    scene.bench.http.answers["GetWebSocketsToken"] = [scene.bench.http.error("EAPI:Rate limit exceeded")]
    scene.venue.ledger(connection, skip=1)
    assert isinstance(await scene.ended(), RateLimitedError)
    assert connection.is_gone


@on_virtual_time
async def test_token_answer_that_is_none_is_a_payload_fault() -> None:
    scene = Scene()
    scene.bench.http.answers["GetWebSocketsToken"] = [scene.bench.http.reply(b'{"error":[],"result":{}}')]
    with pytest.raises(VenueError) as caught:
        await scene.stream.run(scene.sink)
    assert caught.value.fault is FaultClass.PAYLOAD


# Pings


@on_virtual_time
async def test_quiet_socket_is_pinged_and_a_busy_one_is_not() -> None:
    scene = Scene()
    connection = await scene.start()
    await asyncio.sleep(20)
    # Each answer is a frame: after it the socket is quiet anew.
    assert 9 <= len(connection.of("ping")) <= 10
    frames = scene.sink.frames
    for _ in range(20):
        connection.say(sample("ws_heartbeat"))
        await asyncio.sleep(1.0)
    assert len(connection.of("ping")) <= 11
    assert scene.sink.frames - frames >= 20
    await scene.stop()


@on_virtual_time
async def test_pings_go_on_though_nobody_answers_and_judge_nothing() -> None:
    scene = Scene()
    connection = await scene.start()
    scene.wire.on_request = None
    await asyncio.sleep(60)
    assert len(connection.of("ping")) >= 25
    assert not connection.is_gone
    assert len({request["req_id"] for request in connection.sent}) == len(connection.sent)
    await scene.stop()


@on_virtual_time
async def test_answered_ping_tells_how_long_the_way_is() -> None:
    scene = Scene()
    connection = await scene.start()
    assert scene.stream.round_trip_s is None
    scene.wire.on_request = None
    await asyncio.sleep(2.5)
    await asyncio.sleep(0.3)
    ping = connection.of("ping")[0]
    connection.say({"method": "pong", "req_id": ping["req_id"], "success": True})
    connection.say({"method": "pong", "req_id": 12345})
    connection.say({"method": "pong"})
    assert scene.stream.round_trip_s == pytest.approx(0.8, abs=0.1)
    await scene.stop()
    assert scene.stream.round_trip_s is None


@on_virtual_time
async def test_no_ping_follows_the_end() -> None:
    scene = Scene()
    connection = await scene.start()
    await scene.stop()
    sent = len(connection.sent)
    await asyncio.sleep(30)
    assert len(connection.sent) == sent


# The end


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1008, 1011, 4000])
@pytest.mark.parametrize("phase", ["subscribing", "stated", "resubscribing"])
def test_lost_connection_ends_the_run_in_any_phase(code: int | None, phase: str) -> None:
    async def scenario() -> None:
        scene = Scene()
        if phase == "subscribing":
            scene.venue.is_mute = True
        connection = await scene.start()
        if phase == "resubscribing":
            scene.bench.http.takes_s = 3.0
            scene.venue.ledger(connection, skip=1)
            await asyncio.sleep(1.0)
        began_s = scene.bench.clock.now_s()
        connection.lose(code, "going")
        error = await scene.ended()
        assert isinstance(error, OutcomeUnknownError)
        assert error.fault is FaultClass.NETWORK
        assert str(code) in str(error) or code is None
        assert scene.bench.clock.now_s() - began_s < 0.1
        await asyncio.sleep(5.0)  # What had left keeps the lane until it is answered, or its time is over.
        assert not scene.bench.lane.is_held
        heard = len(scene.sink.heard)
        connection.is_gone = False
        connection.say(sample("ws_status"))
        assert len(scene.sink.heard) == heard

    run_virtual(scenario())


@pytest.mark.parametrize("phase", ["token", "connecting", "stated"])
def test_abort_ends_the_run_in_any_phase(phase: str) -> None:
    async def scenario() -> None:
        scene = Scene()
        await scene.bench.client.load()
        await scene.bench.client.server_time()
        if phase == "token":
            scene.bench.http.takes_s = 3.0
        if phase == "connecting":
            scene.wire.takes_s = 3.0
        scene.task = asyncio.create_task(scene.stream.run(scene.sink))
        await asyncio.sleep(0.5)
        scene.stream.abort("silent")
        error = await scene.ended()
        assert isinstance(error, OutcomeUnknownError)
        assert "silent" in str(error)
        assert all(connection.is_gone for connection in scene.wire.connections)
        await asyncio.sleep(5.0)  # What had left keeps the lane until it is answered, or its time is over.
        assert not scene.bench.lane.is_held
        scene.stream.abort("nobody is there")

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (WireError("refused", kind="refused", was_sent=False), VenueUnreachableError),
        (WireError("dns", kind="dns", was_sent=False), VenueUnreachableError),
        (WireError("closed", kind="closed", was_sent=True), OutcomeUnknownError),
        (WireError("no", kind="handshake", was_sent=True, status=429), RateLimitedError),
        (WireError("no", kind="handshake", was_sent=True, status=502), OutcomeUnknownError),
        (WireError("no", kind="handshake", was_sent=True, status=403), VenueError),
    ],
)
def test_refused_handshake_has_its_class(refusal: WireError, kind: type[VenueError]) -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.wire.refusal = refusal
        scene.task = asyncio.create_task(scene.stream.run(scene.sink))
        error = await scene.ended()
        assert type(error) is kind
        assert "opened" not in scene.sink.names()

    run_virtual(scenario())


def test_stream_belongs_to_krakens_address_and_to_a_kraken_client() -> None:
    async def scenario() -> None:
        scene = Scene()
        parts: dict[str, Any] = {
            "wire": scene.wire,
            "clock": scene.bench.clock,
            "emit": scene.bench.events.append,
            "account": "kraken-master",
        }
        with pytest.raises(ConfigError, match="address"):
            KRAKEN.stream(client=scene.bench.client, ws_url="ws://127.0.0.1:1/v2", options={}, **parts)
        with pytest.raises(TypeError):
            KRAKEN.stream(client=cast(VenueClient, object()), ws_url="wss://ws-auth.kraken.com/v2", options={}, **parts)

    run_virtual(scenario())


@on_virtual_time
async def test_token_appears_in_no_error_event_or_refusal() -> None:
    scene = Scene()
    scene.venue.refusals[ORDERS] = ["ESession:Invalid session"] * 2
    connection = await scene.start()
    connection.say(b"<html>")
    await scene.settle()
    connection.lose(1011, "oops")
    error = await scene.ended()
    told = f"{error} {error!r} {scene.bench.events} {scene.sink.heard}"
    assert "token-" not in told


def test_rules_are_krakens() -> None:
    rules = KrakenStream.rules
    assert (rules.silent_after_s, rules.snapshot_within_s) == (5.0, 10.0)
    assert rules.ping_after_s < rules.silent_after_s / 2
    assert (rules.connect_budget, rules.connect_budget_window_s) == (150, 600.0)
    assert rules.pushes_balances
    assert msgspec.structs.asdict(rules)["channels"] == (BALANCES, ORDERS)
