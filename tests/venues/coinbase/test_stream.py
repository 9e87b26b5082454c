"""The user's stream on virtual time: subscriptions, snapshots in batches, gaps, refusals, and every way to end."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.balances import OrderChange
from holdfast.core.seams import WireError
from holdfast.core.venue import Channel
from holdfast.errors import (
    ClosedError,
    ConfigError,
    CredentialParkedError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    UnsupportedError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from holdfast.venues.coinbase import COINBASE
from holdfast.venues.coinbase.stream import CoinbaseStream
from tests.venues.coinbase.fakes import FakeConnection, StreamBench, claims_of, usual
from tests.venues.coinbase.samples import encoded, sample, tree
from tests.venues.coinbase.test_client import on_virtual_time
from tests.venues.coinbase.tickets import ticket

D = Decimal
ROW = tree("ws_user_snapshot")["events"][0]["orders"][0]
ORDERS = Channel.ORDERS


def _row(order_id: str = "1", **changes: Any) -> dict[str, Any]:
    return {**ROW, "order_id": order_id, **changes}


def _silent(connection: FakeConnection, request: dict[str, Any]) -> None:
    """Coinbase says nothing by itself."""


def _changes(bench: StreamBench) -> list[OrderChange]:
    return [change for batch in bench.sink.of("changed") for change in batch]


# Subscribing


@on_virtual_time
async def test_stream_subscribes_heartbeats_and_orders_with_a_token_each_and_states_them() -> None:
    bench = StreamBench()
    async with bench.running():
        heartbeats, user = bench.connection.sent
        assert [(each["type"], each["channel"]) for each in (heartbeats, user)] == [
            ("subscribe", "heartbeats"), ("subscribe", "user"),
        ]  # fmt: skip
        assert "product_ids" not in user
        assert heartbeats["jwt"] != user["jwt"]
        assert "uri" not in claims_of(user["jwt"])
        assert bench.sink.names() == ["opened", "orders", "subscribed"]
        assert bench.sink.of("orders")[0].orders == {}


@pytest.mark.parametrize("name", ["ws_heartbeat", "ws_subscriptions", "ws_user_snapshot", "ws_user_update", "ws_error"])
@on_virtual_time
async def test_documented_frames_are_understood(name: str) -> None:
    bench = StreamBench()
    bench.wire.on_request = _silent
    async with bench.running():
        for frame in ("ws_subscriptions_heartbeats", "ws_heartbeat", "ws_user_snapshot", "ws_subscriptions"):
            bench.connection.say(sample(frame))
        bench.connection.say(sample("ws_user_update"))
        assert bench.sink.names() == ["opened", "orders", "subscribed", "changed"]
        (change,) = _changes(bench)
        assert (change.reason, change.filled) == ("filled", D("0.01"))
        bench.connection.say(sample(name))
        assert bench.sink.of("gapped") == []


@on_virtual_time
async def test_snapshot_of_many_orders_comes_in_batches_and_ends_with_a_smaller_one() -> None:
    bench = StreamBench()
    bench.wire.on_request = _silent
    async with bench.running():
        bench.connection.tell_subscribed("heartbeats", "user")
        for start in (0, 50):
            bench.connection.tell_user("snapshot", *(_row(str(start + each)) for each in range(50)))
        assert bench.sink.of("orders") == []
        # A change in between is kept back until the snapshot is whole.
        bench.connection.tell_user("update", _row("7", status="CANCELLED"))
        bench.connection.tell_user("snapshot")
        assert len(bench.sink.of("orders")[0].orders) == 100
        assert [change.order_id for change in _changes(bench)] == ["7"]


@on_virtual_time
async def test_every_frame_is_told_first_and_heartbeats_say_nothing_more() -> None:
    bench = StreamBench()
    async with bench.running():
        heard = len(bench.sink.heard)
        frames = bench.sink.frames
        for _ in range(5):
            bench.connection.tell("heartbeats", {"current_time": "2026-11-20 07:00:01 +0000 UTC m=+1", "x": []})
        bench.connection.tell("channel_of_tomorrow", {"what": "ever"})
        assert bench.sink.frames == frames + 6
        assert len(bench.sink.heard) == heard


@on_virtual_time
async def test_frame_before_the_connection_is_ours_opens_it_first() -> None:
    bench = StreamBench()

    async def connect(url: str, **more: Any) -> FakeConnection:
        connection = FakeConnection(bench.wire, more["on_frame"], more["on_close"])
        bench.wire.connections.append(connection)
        connection.tell("heartbeats", {})
        return connection

    bench.wire.connect = connect  # type: ignore[method-assign]
    async with bench.running():
        assert bench.sink.names()[0] == "opened"
        assert bench.sink.names().count("opened") == 1


@on_virtual_time
async def test_stream_runs_once_at_a_time() -> None:
    bench = StreamBench()
    async with bench.running():
        with pytest.raises(ClosedError):
            await bench.stream.run(bench.sink)


# Gaps


@pytest.mark.parametrize("channel", ["user", "heartbeats", "subscriptions"])
@on_virtual_time
async def test_missing_frame_of_any_channel_drops_everything_until_a_new_snapshot(channel: str) -> None:
    bench = StreamBench()
    async with bench.running():
        connection = bench.connection
        if channel == "user":
            connection.tell_user("update", _row(), skip=1)
        else:
            connection.tell(channel, {"subscriptions": {"user": [], "heartbeats": []}}, skip=1)
        assert bench.sink.names()[-1] == "gapped"
        assert bench.sink.of("gapped")[0][0] is ORDERS
        connection.tell_user("update", _row("2"))
        assert _changes(bench) == []
        await asyncio.sleep(0.1)
        assert len(connection.of("unsubscribe")) == 1
        assert len(connection.of("subscribe")) == 2
        assert bench.sink.names()[-2:] == ["orders", "subscribed"]
        connection.tell_user("update", _row("3"))
        assert [change.order_id for change in _changes(bench)] == ["3"]
        assert [each.name for each in bench.events] == ["stream.resubscribed"]
        tokens = [each["jwt"] for each in connection.sent]
        assert len(set(tokens)) == len(tokens) == 4


@on_virtual_time
async def test_new_snapshot_is_asked_for_only_once_the_old_subscription_is_over() -> None:
    bench = StreamBench()
    async with bench.running():
        connection = bench.connection
        bench.wire.on_request = _silent
        connection.tell_user("update", skip=1)
        await asyncio.sleep(0.1)
        assert len(connection.of("subscribe")) == 1
        # What still comes of the old one is nobody's, a snapshot included.
        connection.tell_user("snapshot", _row("old"))
        connection.tell_subscribed("heartbeats", "user")
        await asyncio.sleep(0.1)
        assert len(connection.of("subscribe")) == 1
        connection.tell_subscribed("heartbeats")
        await asyncio.sleep(0.1)
        assert len(connection.of("subscribe")) == 2
        connection.tell_user("snapshot", _row("new"))
        assert bench.sink.of("orders")[-1].orders.keys() == {"new"}


@on_virtual_time
async def test_word_that_is_missed_while_leaving_is_asked_for_again() -> None:
    bench = StreamBench()
    async with bench.running():
        connection = bench.connection
        bench.wire.on_request = _silent
        connection.tell_user("update", skip=1)
        await asyncio.sleep(0.1)
        bench.wire.on_request = usual
        connection.tell("heartbeats", {}, skip=1)
        await asyncio.sleep(0.1)
        assert len(connection.of("unsubscribe")) == 2
        assert bench.sink.names()[-2:] == ["orders", "subscribed"]


@on_virtual_time
async def test_gap_before_the_snapshot_is_whole_starts_it_anew() -> None:
    bench = StreamBench()
    bench.wire.on_request = _silent
    async with bench.running():
        connection = bench.connection
        connection.tell_user("snapshot", *(_row(str(each)) for each in range(50)))
        bench.wire.on_request = usual
        connection.tell_user("snapshot", skip=1)
        assert bench.sink.of("orders") == []
        await asyncio.sleep(0.1)
        assert bench.sink.of("orders")[0].orders == {}


@on_virtual_time
async def test_first_number_that_is_not_zero_is_a_gap() -> None:
    bench = StreamBench()
    bench.wire.on_request = _silent
    async with bench.running():
        bench.connection.next = 3
        bench.wire.on_request = usual
        bench.connection.tell_user("snapshot")
        await asyncio.sleep(0.1)
        assert bench.sink.names() == ["opened", "gapped", "orders", "subscribed"]


@on_virtual_time
async def test_repeated_and_late_frames_are_passed_over() -> None:
    bench = StreamBench()
    async with bench.running():
        connection = bench.connection
        frame = encoded(
            {"channel": "user", "sequence_num": connection.next, "events": [{"type": "update", "orders": [_row()]}]}
        )
        connection.next += 1
        for _ in range(3):
            connection.say(frame)
        assert len(_changes(bench)) == 1
        connection.tell_user("update", skip=1)
        await asyncio.sleep(0.1)
        stated = len(bench.sink.of("orders"))
        late = connection.next - 6
        connection.say({"channel": "user", "sequence_num": late, "events": [{"type": "update", "orders": [_row("9")]}]})
        await asyncio.sleep(0.1)
        assert len(bench.sink.of("orders")) >= stated


@on_virtual_time
async def test_count_that_goes_back_with_something_new_is_a_gap() -> None:
    bench = StreamBench()
    async with bench.running():
        connection = bench.connection
        connection.next -= 1
        connection.tell_user("update", _row())
        assert bench.sink.names()[-1] == "gapped"
        await asyncio.sleep(0.1)
        assert bench.sink.names()[-2:] == ["orders", "subscribed"]
        connection.tell_user("update", _row())
        assert len(_changes(bench)) == 1


@on_virtual_time
async def test_caller_may_ask_for_a_new_snapshot() -> None:
    bench = StreamBench()
    async with bench.running():
        bench.stream.resubscribe(ORDERS, "overdue")
        bench.stream.resubscribe(ORDERS, "overdue")
        bench.stream.resubscribe(Channel.BALANCES, "there are none")
        await asyncio.sleep(0.1)
        assert len(bench.sink.of("orders")) == 2
        assert [each.name for each in bench.events] == ["stream.resubscribed"]


@on_virtual_time
async def test_channel_that_never_comes_right_ends_the_connection() -> None:
    bench = StreamBench()
    async with bench.running() as task:
        for _ in range(5):
            bench.connection.tell_user("update", skip=1)
            await asyncio.sleep(1)
        with pytest.raises(OutcomeUnknownError, match="would not come right"):
            await task


@on_virtual_time
async def test_gaps_far_apart_are_healed_for_ever() -> None:
    bench = StreamBench()
    async with bench.running() as task:
        for _ in range(10):
            bench.connection.tell_user("update", skip=1)
            await asyncio.sleep(30)
        assert not task.done()
        assert bench.sink.names()[-2:] == ["orders", "subscribed"]


@on_virtual_time
async def test_subscription_that_coinbase_drops_is_asked_for_again() -> None:
    bench = StreamBench()
    async with bench.running():
        bench.connection.tell_subscribed("heartbeats")
        assert bench.sink.names()[-1] == "gapped"
        await asyncio.sleep(0.1)
        assert bench.sink.names()[-2:] == ["orders", "subscribed"]


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (b"not json", "payload"),
        (b"{}", "payload"),
        (b"[]", "payload"),
        ({"channel": "user", "events": []}, "payload"),
        ({"channel": "user", "sequence_num": 3, "events": [{"type": "update"}]}, "payload"),
        ({"channel": "user", "sequence_num": 3, "events": [{"type": "news", "orders": []}]}, "payload"),
        ({"channel": "user", "sequence_num": 3, "events": [{"type": "snapshot", "orders": []}]}, "payload"),
        ({"channel": "user", "sequence_num": 3, "events": ["x"]}, "payload"),
        ({"channel": "subscriptions", "sequence_num": 3, "events": [{}]}, "payload"),
        (
            {"channel": "user", "sequence_num": 3, "events": [{"type": "update", "orders": [_row(filled_value="x")]}]},
            "amount",
        ),
        (b'{"channel":"user","channel":"user","sequence_num":3,"events":[]}', "payload"),
    ],
)
@on_virtual_time
async def test_unbelievable_frame_changes_nothing_and_is_asked_for_anew(frame: Any, word: str) -> None:
    bench = StreamBench()
    async with bench.running():
        assert bench.connection.next == 3
        bench.connection.say(frame)
        bench.connection.next = 4 if isinstance(frame, dict) and "sequence_num" in frame else 3
        assert [refused[1] for refused in bench.sink.of("refused")] == [word]
        assert bench.sink.names()[-1] == "gapped"
        assert _changes(bench) == []
        await asyncio.sleep(0.1)
        assert bench.sink.names()[-2:] == ["orders", "subscribed"]


@on_virtual_time
async def test_heartbeat_that_cannot_be_read_is_still_a_sign_of_life() -> None:
    bench = StreamBench()
    async with bench.running():
        bench.connection.say({"channel": "heartbeats", "events": "?"})
        assert bench.sink.of("refused") == []
        bench.connection.tell_user("update", _row())
        assert len(_changes(bench)) == 1


# Refusals


def _refuse(times: int, message: str = "authentication failure") -> Any:
    left = times

    def on_request(connection: FakeConnection, request: dict[str, Any]) -> None:
        nonlocal left
        if request["channel"] == "user" and request["type"] == "subscribe" and left:
            left -= 1
            asyncio.get_running_loop().call_soon(connection.say, {"type": "error", "message": message})
        else:
            usual(connection, request)

    return on_request


@on_virtual_time
async def test_refused_subscription_is_tried_once_more_with_clocks_compared() -> None:
    bench = StreamBench()
    bench.wire.on_request = _refuse(1)
    async with bench.running():
        first, second = bench.connection.of("subscribe")
        assert first["jwt"] != second["jwt"]
        assert len(bench.http.of("GET time")) == 2
        assert bench.sink.names() == ["opened", "orders", "subscribed"]


@on_virtual_time
async def test_subscription_refused_twice_is_told_and_ends_the_connection() -> None:
    bench = StreamBench()
    bench.wire.on_request = _refuse(2)
    async with bench.running() as task:
        with pytest.raises(VenueRejectedError, match="authentication failure"):
            await task
        assert bench.sink.of("refused_channel") == [(ORDERS, "authentication failure")]
        assert bench.connection.is_gone


@on_virtual_time
async def test_stream_that_is_limited_ends_with_that() -> None:
    bench = StreamBench()
    bench.wire.on_request = _refuse(1, "rate limit exceeded")
    async with bench.running() as task:
        with pytest.raises(RateLimitedError):
            await task


@on_virtual_time
async def test_error_while_all_is_well_is_told_and_changes_nothing() -> None:
    bench = StreamBench()
    async with bench.running() as task:
        bench.connection.say({"type": "error", "message": "something odd"})
        bench.connection.say({"type": "error"})
        assert [refused[0] for refused in bench.sink.of("refused")] == ["stream", "stream"]
        bench.connection.tell_user("update", _row())
        assert len(_changes(bench)) == 1
        assert not task.done()


@on_virtual_time
async def test_error_while_leaving_ends_the_connection() -> None:
    bench = StreamBench()
    async with bench.running() as task:
        bench.wire.on_request = _silent
        bench.stream.resubscribe(ORDERS, "anew")
        await asyncio.sleep(0.1)
        bench.connection.say({"type": "error", "message": "authentication failure"})
        with pytest.raises(VenueError):
            await task


# Orders


@on_virtual_time
async def test_stream_takes_no_orders() -> None:
    bench = StreamBench()
    async with bench.running():
        assert not bench.stream.can_send_orders
        sent: list[int] = []
        by = {"order_id": "1", "client_order_id": None}
        for call in (
            bench.stream.place_order(ticket(), deadline_s=1.0, before_send=lambda: sent.append(1)),
            bench.stream.check_order(ticket(), deadline_s=1.0),
            bench.stream.cancel_order(**by, deadline_s=1.0, before_send=lambda: sent.append(1)),
        ):
            with pytest.raises(VenueUnreachableError) as caught:
                await call
            assert caught.value.outcome is Outcome.NEVER_SENT
        with pytest.raises(UnsupportedError):
            await bench.stream.cancel_all_after(60, deadline_s=1.0)
        assert sent == []
        assert len(bench.connection.sent) == 2


@on_virtual_time
async def test_order_that_was_over_stays_over_on_the_next_connection() -> None:
    bench = StreamBench()
    async with bench.running():
        bench.connection.tell_user("update", _row("1", status="CANCELLED"))
    bench.wire.on_request = _silent
    async with bench.running():
        bench.connection.tell_user("snapshot", _row("1"), _row("2"))
        assert bench.sink.of("orders")[-1].orders.keys() == {"2"}
        bench.connection.tell_user("update", _row("1"))
        assert len(_changes(bench)) == 1


# Ends


@pytest.mark.parametrize(("code", "reason"), [(None, ""), (1006, ""), (1011, "bye \x1b[31m")])
@on_virtual_time
async def test_lost_connection_ends_the_run(code: int | None, reason: str) -> None:
    bench = StreamBench()
    async with bench.running() as task:
        bench.connection.lose(code, reason)
        with pytest.raises(OutcomeUnknownError) as caught:
            await task
        assert "\x1b" not in str(caught.value)
        bench.connection.is_gone = False
        heard = len(bench.sink.heard)
        bench.connection.tell_user("update", _row())
        assert len(bench.sink.heard) == heard


@pytest.mark.parametrize("when", ["names", "connecting", "running", "resubscribing"])
@on_virtual_time
async def test_abort_ends_the_run_in_any_phase(when: str) -> None:
    bench = StreamBench()
    if when == "names":
        bench.http.takes_s = 1.0
    if when == "connecting":

        async def never(url: str, **more: Any) -> Any:
            await asyncio.sleep(1000)

        bench.wire.connect = never  # type: ignore[method-assign]
    async with bench.running() as task:
        if when == "resubscribing":
            bench.wire.on_request = _silent
            bench.stream.resubscribe(ORDERS, "anew")
            await asyncio.sleep(0.1)
        bench.stream.abort("silent")
        with pytest.raises(OutcomeUnknownError, match="aborted: silent"):
            await task
    async with bench.running():
        pass  # It may run again.


@on_virtual_time
async def test_connection_that_is_gone_when_we_write_ends_the_run() -> None:
    bench = StreamBench()
    async with bench.running() as task:
        bench.stream.resubscribe(ORDERS, "anew")
        bench.connection.lose()
        with pytest.raises(OutcomeUnknownError):
            await task


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (WireError("x", kind="refused", was_sent=False), VenueUnreachableError),
        (WireError("x", kind="reset", was_sent=True), OutcomeUnknownError),
        (WireError("x", kind="handshake", was_sent=True, status=401), VenueRejectedError),
        (WireError("x", kind="handshake", was_sent=True, status=429), RateLimitedError),
        (WireError("x", kind="handshake", was_sent=True, status=503), VenueError),
    ],
)
@on_virtual_time
async def test_refused_handshake_has_its_class(refusal: WireError, kind: type[VenueError]) -> None:
    bench = StreamBench()
    bench.wire.refusal = refusal
    async with bench.running() as task:
        with pytest.raises(kind):
            await task


@on_virtual_time
async def test_parked_key_opens_no_connection() -> None:
    bench = StreamBench()
    bench.lane.park("bad_key", for_s=None)
    async with bench.running() as task:
        with pytest.raises(CredentialParkedError):
            await task
    assert bench.wire.connections == []


@on_virtual_time
async def test_token_that_cannot_be_had_for_a_new_snapshot_ends_the_connection() -> None:
    bench = StreamBench()
    async with bench.running() as task:
        bench.lane.park("bad_key", for_s=None)
        bench.stream.resubscribe(ORDERS, "anew")
        with pytest.raises(CredentialParkedError):
            await task
        assert bench.connection.is_gone


@on_virtual_time
async def test_token_appears_in_no_error_event_or_refusal() -> None:
    bench = StreamBench()

    def echo(connection: FakeConnection, request: dict[str, Any]) -> None:
        told = {"type": "error", "message": f"bad token {request['jwt']}"}
        asyncio.get_running_loop().call_soon(connection.say, told)

    bench.wire.on_request = echo
    async with bench.running() as task:
        with pytest.raises(VenueError) as caught:
            await task
        tokens = [request["jwt"] for request in bench.connection.sent]
    told = repr(bench.sink.heard) + repr(bench.events) + str(caught.value)
    for token in tokens:
        assert token[:40] not in told


@on_virtual_time
async def test_stream_belongs_to_coinbases_address_and_to_a_coinbase_client() -> None:
    bench = StreamBench()
    with pytest.raises(ConfigError, match="advanced-trade-ws-user"):
        COINBASE.stream(
            wire=bench.wire,
            client=bench.client,
            clock=bench.clock,
            emit=bench.events.append,
            ws_url="ws://127.0.0.1:1",
            account="coinbase-main",
            options={},
        )
    with pytest.raises(TypeError):
        COINBASE.stream(
            wire=bench.wire,
            client=object(),  # type: ignore[arg-type]
            clock=bench.clock,
            emit=bench.events.append,
            ws_url="ws://127.0.0.1:1",
            account="coinbase-main",
            options={"must_be_simulator": True},
        )


def test_rules_are_coinbases() -> None:
    assert CoinbaseStream.rules.channels == (ORDERS,)
    assert not CoinbaseStream.rules.pushes_balances
    assert CoinbaseStream.rules.silent_after_s >= 5.0  # Heartbeats come every second.
    assert (CoinbaseStream.rules.connect_budget, CoinbaseStream.rules.connect_budget_window_s) == (8, 1.0)
