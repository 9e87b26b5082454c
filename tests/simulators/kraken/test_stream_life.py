"""
Connections: greeting, heartbeats, idleness, pings, tokens, and what is not understood.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/guides/websockets/introduction,
https://docs.kraken.com/exchange/guides/websockets/authentication,
https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/status, .../heartbeat, .../ping.
"""

from __future__ import annotations

import pytest

from holdfast.simulators.core.seam import SimReply
from tests.simulators.kraken.bench import Bench, Stream

HEARTBEAT = {"channel": "heartbeat"}


def beats(stream: Stream) -> int:
    return stream.frames.count(HEARTBEAT)


def test_status_comes_unasked_and_once() -> None:
    stream = Bench().stream()
    assert stream.frames == [
        {
            "channel": "status",
            "type": "update",
            "data": [{"api_version": "v2", "connection_id": 1, "system": "online", "version": "2.0.10"}],
        }
    ]


def test_status_comes_again_when_the_mode_changes() -> None:
    bench = Bench()
    stream = bench.stream()
    for mode in ("maintenance", "cancel_only", "post_only", "online", "online"):
        bench.happen("mode", mode=mode)
    assert [row["system"] for row in stream.rows("status")] == [
        *("online", "maintenance", "cancel_only", "post_only", "online")
    ]


def test_other_paths_are_not_streams() -> None:
    bench = Bench()
    reply = bench.sim.connect("/v1", Stream.__new__(Stream), {})
    assert isinstance(reply, SimReply)
    assert reply.status == 404


def test_no_heartbeat_before_the_first_subscription() -> None:
    bench = Bench()
    stream = bench.stream()
    bench.pass_time(30)
    assert beats(stream) == 0


def test_heartbeat_every_quiet_second_after_any_subscription() -> None:
    bench = Bench()
    stream = bench.stream()
    stream.ask("subscribe", channel="trade", symbol=["BTC/USD"])
    bench.pass_time(10.5)
    assert beats(stream) == 10


def test_no_heartbeat_while_data_flows() -> None:
    bench = Bench()
    stream = bench.stream()
    stream.subscribe("balances")
    for _ in range(20):
        bench.pass_time(0.7)
        bench.happen("deposit", asset="USD", amount="1")
    assert beats(stream) == 0
    bench.pass_time(1.1)
    assert beats(stream) == 1


def test_idle_heartbeats_can_be_coalesced() -> None:
    bench = Bench(coalesce_heartbeats_s=4.0)
    stream = bench.stream()
    stream.subscribe("balances")
    bench.pass_time(60.5)
    assert beats(stream) == 15


def test_socket_without_subscriptions_is_closed_after_a_minute() -> None:
    bench = Bench()
    stream = bench.stream()
    bench.pass_time(59)
    assert stream.closed_with is None
    bench.pass_time(2)
    assert stream.closed_with == (1000, "idle")


def test_ping_puts_the_idle_close_off() -> None:
    bench = Bench()
    stream = bench.stream()
    for _ in range(5):
        bench.pass_time(40)
        assert stream.ask("ping")
    assert stream.closed_with is None


def test_subscription_keeps_the_socket_open_and_its_end_does_not() -> None:
    bench = Bench()
    stream = bench.stream()
    stream.subscribe("balances")
    bench.pass_time(600)
    assert stream.closed_with is None
    stream.ask("unsubscribe", channel="balances", token=bench.token())
    bench.pass_time(125)
    assert stream.closed_with is not None


def test_pong_carries_the_id_and_both_times() -> None:
    stream = Bench().stream()
    (pong,) = stream.ask("ping")
    assert pong == {
        "method": "pong",
        "req_id": 1,
        "time_in": "2026-09-21T14:13:20.000000Z",
        "time_out": "2026-09-21T14:13:20.000000Z",
    }


@pytest.mark.parametrize("frame", [b"", b"{", b"[]", b'"ping"', b"\xff", b"[" * 100_000, b"NaN"])
def test_what_is_no_object_is_answered_as_malformed(frame: bytes) -> None:
    stream = Bench().stream()
    stream.session.receive(frame)
    answer = stream.frames[-1]
    assert (answer["success"], answer["error"]) == (False, "Malformed request")


@pytest.mark.parametrize("method", ["steal", "", "subscribe "])
def test_unknown_method_is_refused(method: str) -> None:
    (answer,) = Bench().stream().ask(method)
    assert (answer["method"], answer["success"], answer["error"]) == (method, False, "Unsupported method")


@pytest.mark.parametrize("channel", ["status", "heartbeat"])
def test_status_and_heartbeat_can_be_subscribed_to_or_not(channel: str) -> None:
    (answer,) = Bench().stream().ask("subscribe", channel=channel)
    assert answer["error"] == "Subscription channel is not supported"
    (answer,) = Bench(can_status_be_subscribed=True).stream().ask("subscribe", channel=channel)
    assert answer["success"]


def test_nothing_is_sent_after_the_client_is_gone() -> None:
    bench = Bench()
    stream = bench.stream()
    stream.subscribe("balances")
    stream.session.closed()
    stream.clear()
    stream.session.closed()
    bench.happen("deposit", asset="USD", amount="1")
    stream.session.receive(b'{"method":"ping"}')
    bench.pass_time(100)
    assert stream.raw == []


class TestTokens:
    def test_token_answer_has_the_documented_shape(self) -> None:
        result = Bench().call("GetWebSocketsToken")
        assert set(result) == {"token", "expires"}
        assert result["expires"] == 900

    def test_two_tokens_differ(self) -> None:
        bench = Bench()
        assert bench.call("GetWebSocketsToken") != bench.call("GetWebSocketsToken")

    @pytest.mark.parametrize("token", ["", "nobody", None, 7, ["x"]])
    def test_unknown_token_is_refused(self, token: object) -> None:
        (answer,) = Bench().stream().ask("subscribe", channel="balances", token=token)
        assert (answer["success"], answer["error"]) == (False, "ESession:Invalid session")

    def test_refusal_may_be_worded_differently(self) -> None:
        bench = Bench(dead_session_error="Token is expired")
        (answer,) = bench.stream().ask("subscribe", channel="balances", token="nobody")
        assert answer["error"] == "Token is expired"

    def test_token_has_to_be_used_within_fifteen_minutes(self) -> None:
        bench = Bench()
        bench.token()
        bench.pass_time(899)
        stream = bench.stream()
        assert stream.subscribe("balances")["success"]
        stream.session.closed()
        bench.pass_time(2)
        assert not bench.stream().subscribe("balances")["success"]

    @pytest.mark.parametrize("life", ["while_subscribed", "first_use_only"])
    def test_used_token_lives_with_its_subscription_or_not(self, life: str) -> None:
        bench = Bench(session_life=life)
        stream = bench.stream()
        stream.subscribe("balances")
        bench.pass_time(3600)
        lives = life == "while_subscribed"
        assert stream.order("cancel_all")["success"] is lives
        assert stream.subscribe("executions")["success"] is lives
        # The subscription itself goes on either way.
        stream.clear()
        bench.happen("deposit", asset="USD", amount="1")
        assert len(stream.of("balances")) == 1

    def test_token_death_leaves_subscriptions_and_ends_everything_new(self) -> None:
        bench = Bench()
        stream = bench.stream()
        stream.subscribe("balances")
        bench.impair("token_death")
        assert stream.order("cancel_all")["error"] == "ESession:Invalid session"
        assert stream.subscribe("executions")["error"] == "ESession:Invalid session"
        assert stream.closed_with is None
        bench.fresh_token()
        assert stream.subscribe("executions")["success"]

    def test_token_death_may_close_the_connection(self) -> None:
        bench = Bench()
        stream, other = bench.stream(), bench.stream()
        stream.subscribe("balances")
        bench.impair("token_death", closes=True)
        assert stream.closed_with is not None
        assert other.closed_with is None

    def test_revoked_key_takes_its_tokens_along(self) -> None:
        bench = Bench()
        bench.token()
        bench.happen("key_revocation", key=bench.credential["key"])
        (answer,) = bench.stream().ask("subscribe", channel="balances", token=bench.token())
        assert answer["error"] == "ESession:Invalid session"

    def test_missing_permission_is_refused_or_never_delivers(self) -> None:
        bench = Bench()
        bench.token()
        bench.happen("permissions", key=bench.credential["key"], permissions=["create-ws-token"])
        assert bench.stream().subscribe("balances")["error"] == "EGeneral:Permission denied"
        mute = Bench(missing_permission_on_stream="mute")
        mute.token()
        mute.happen("permissions", key=mute.credential["key"], permissions=["create-ws-token"])
        stream = mute.stream()
        assert stream.subscribe("balances")["success"]
        mute.happen("deposit", asset="USD", amount="1")
        assert stream.of("balances") == []
        mute.pass_time(5.5)
        assert beats(stream) == 5


class TestDeadStreams:
    def test_mute_stream_says_nothing_at_all(self) -> None:
        bench = Bench()
        stream = bench.stream()
        stream.subscribe("balances")
        bench.impair("mute_stream", for_s=60)
        stream.clear()
        bench.happen("deposit", asset="USD", amount="1")
        assert stream.ask("ping") == []
        bench.pass_time(30)
        assert stream.raw == []
        bench.pass_time(32)
        assert beats(stream) > 0

    def test_every_connection_can_be_closed_with_any_code(self) -> None:
        bench = Bench()
        streams = [bench.stream(), bench.stream()]
        bench.impair("close_streams", code=1011, reason="oops")
        assert [stream.closed_with for stream in streams] == [(1011, "oops")] * 2
