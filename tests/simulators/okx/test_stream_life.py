"""Connections: addresses, logins, silence, limits, notices, and what ends them."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.simulators.core.seam import SimReply
from holdfast.simulators.okx.subscriptions import CHANNELS
from tests.simulators.okx.bench import Bench, Stream


def test_login_is_answered_with_the_connection() -> None:
    stream = Bench().stream(logs_in=False)
    assert stream.log_in() == {"event": "login", "code": "0", "msg": "", "connId": "00000001"}


def test_login_takes_its_time_as_text_or_number() -> None:
    bench = Bench()
    now_s = bench.sim.now_us() // 1_000_000 + 1
    assert bench.stream(logs_in=False).log_in(timestamp=now_s)["code"] == "0"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"apiKey": ""}, "60005"),
        ({"apiKey": "00000000-dead"}, "60032"),
        ({"passphrase": "wrong"}, "60024"),
        ({"sign": "d3Jvbmc="}, "60007"),
        ({"timestamp": "soon"}, "60004"),
        ({"timestamp": "1790000000000"}, "60006"),  # Milliseconds, as one client once sent them.
        ({"timestamp": "1700000000"}, "60006"),
    ],
)
@pytest.mark.parametrize("closes", [True, False])
def test_login_is_refused_by_its_own_code(changed: dict[str, str], code: str, closes: bool) -> None:
    stream = Bench(closes_after_failed_login=closes).stream(logs_in=False)
    answer = stream.log_in(**changed)
    assert (answer["event"], answer["code"]) == ("error", code)
    assert stream.closed_with == ((4001, "Login failed") if closes else None)


def test_second_login_is_refused_and_the_first_still_counts() -> None:
    stream = Bench().stream()
    assert stream.log_in()["code"] == "60031"
    assert stream.closed_with is None
    assert stream.subscribe("account")["event"] == "subscribe"


def test_private_channel_asks_for_a_login_on_its_own_connection() -> None:
    bench = Bench()
    bench.stream()
    assert bench.stream(logs_in=False).subscribe("account")["code"] == "60011"
    assert bench.stream("public").log_in()["code"] == "60018"


@pytest.mark.parametrize("kind", CHANNELS)
def test_channel_lives_on_its_own_address_only(kind: str) -> None:
    bench = Bench()
    stream = bench.stream(kind)
    arg = {"instType": "SPOT", "instId": "BTC-USDT"}
    for other, channels in CHANNELS.items():
        for channel in channels:
            answer = stream.subscribe(channel, **arg)
            if channel == "fills" and kind == "private":
                assert answer["code"] == "64003"
            elif other == kind:
                assert answer == {
                    "id": "7",
                    "event": "subscribe",
                    "arg": {"channel": channel, **arg},
                    "connId": "00000001",
                }
            else:
                assert answer["code"] == "60018"


@pytest.mark.parametrize("path", ["/ws/v5", "/v2", "/ws/v5/secret", "/"])
def test_other_address_is_not_found(path: str) -> None:
    bench = Bench()
    answer = bench.sim.connect(path, None, {})  # type: ignore[arg-type]
    assert isinstance(answer, SimReply)
    assert answer.status == 404


def test_ping_is_text_and_so_is_its_answer() -> None:
    stream = Bench().stream()
    stream.session.receive(b"ping")
    assert stream.raw == [b"pong"]
    assert stream.say({"op": "ping"})[0]["code"] == "60019"


def test_silent_connection_is_closed_after_thirty_seconds_and_a_ping_is_enough_to_keep_it() -> None:
    bench = Bench()
    silent, pinging = bench.stream(), bench.stream()
    for _ in range(3):
        bench.pass_time(15)
        pinging.session.receive(b"ping")
    assert silent.closed_with == (4004, "No data received in 30s.")
    assert pinging.closed_with is None
    quiet = bench.stream()
    quiet.subscribe("orders", instType="ANY")
    bench.pass_time(31)
    assert quiet.closed_with is not None  # A subscription that says nothing does not keep it.
    told = bench.stream()
    told.subscribe("account")
    bench.pass_time(100)
    assert told.closed_with is None


def test_three_connections_a_second_are_taken() -> None:
    bench = Bench()
    for _ in range(3):
        Stream(bench, "/ws/v5/public")
    refused = bench.sim.connect("/ws/v5/public", None, {})  # type: ignore[arg-type]
    assert isinstance(refused, SimReply)
    assert refused.status == 429
    bench.pass_time(1.0)
    Stream(bench, "/ws/v5/public")


def test_requests_of_a_connection_are_counted_by_the_hour() -> None:
    bench = Bench(requests_per_hour=3, snapshot_s=0)
    stream = bench.stream()
    assert stream.subscribe("account")["event"] == "subscribe"
    assert stream.subscribe("account")["event"] == "subscribe"
    assert stream.subscribe("account")["code"] == "60014"
    for _ in range(150):
        bench.pass_time(25)
        stream.session.receive(b"ping")
    assert stream.subscribe("account")["event"] == "subscribe"


def test_one_connection_too_many_on_a_channel_is_acknowledged_and_dead() -> None:
    bench = Bench(connections_per_channel=2)
    streams = [bench.stream() for _ in range(3)]
    counts = []
    for stream in streams:
        stream.subscribe("account")
        counts += [frame for frame in stream.frames if str(frame.get("event")).startswith("channel-conn-count")]
    assert [(count["event"], count["connCount"]) for count in counts] == [
        ("channel-conn-count", "1"),
        ("channel-conn-count", "2"),
        ("channel-conn-count-error", "2"),
    ]
    assert streams[0].of("account")
    assert not streams[2].of("account")
    bench.happen("deposit", asset="USDT", amount="1")
    bench.pass_time(0.1)
    assert streams[1].of("account", "event_update")
    assert not streams[2].of("account")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"{", "60012"),
        (b"[]", "60012"),
        ({"op": 7}, "60012"),
        ({"op": "dance"}, "60019"),
        ({"op": "subscribe"}, "60012"),
        ({"op": "subscribe", "args": []}, "60012"),
        ({"op": "subscribe", "args": ["account"]}, "60012"),
        ({"op": "subscribe", "args": [{"channel": "orders"}]}, "60013"),
        ({"op": "unsubscribe", "args": [{"channel": "account"}]}, "60018"),
    ],
)
def test_message_that_is_not_well_is_refused_and_the_connection_stays(message: Any, code: str) -> None:
    stream = Bench().stream()
    (answer,) = stream.say(message)
    assert (answer["event"], answer["code"]) == ("error", code)
    assert stream.closed_with is None


def test_unsubscribing_ends_a_channel() -> None:
    bench = Bench()
    stream = bench.stream()
    stream.subscribe("account")
    (answer,) = stream.say({"id": "8", "op": "unsubscribe", "args": [{"channel": "account"}]})
    assert (answer["event"], answer["id"]) == ("unsubscribe", "8")
    stream.clear()
    bench.happen("deposit", asset="USDT", amount="1")
    bench.pass_time(10)
    assert stream.frames == []


def test_changed_or_deleted_key_closes_its_connections() -> None:
    bench = Bench()
    stream, public = bench.stream(), bench.stream("public")
    assert bench.happen("permissions", permissions=["read_only"])["closed"] == 1
    assert stream.closed_with is not None
    assert stream.closed_with[0] == 4007
    again = bench.stream()
    bench.happen("key_revocation")
    assert again.closed_with is not None
    assert again.closed_with[0] == 4007
    assert public.closed_with is None


def test_notice_comes_before_the_connection_is_closed() -> None:
    bench = Bench()
    stream = bench.stream()
    stream.subscribe("account")
    bench.impair("upgrade_notice", after_s=30)
    (notice,) = [frame for frame in stream.frames if frame.get("event") == "notice"]
    assert notice["code"] == "64008"
    bench.pass_time(29)
    endings = [stream.closed_with]
    later = bench.stream()
    later.subscribe("account")
    bench.pass_time(1)
    endings.append(stream.closed_with)
    assert endings == [None, (4006, "service upgrade")]
    assert later.closed_with is None


def test_forgotten_login_is_noticed_at_the_next_request() -> None:
    bench = Bench()
    stream = bench.stream()
    stream.subscribe("account")
    bench.impair("log_out")
    assert stream.subscribe("orders", instType="SPOT")["code"] == "60011"
    assert stream.operate("order", {})["code"] == "60011"
    assert stream.log_in()["code"] == "0"
    with pytest.raises(ValueError, match="public key"):
        bench.impair("log_out", key="nobody")


def test_refused_logins_and_subscriptions_and_wrong_acknowledgements_are_acted_out() -> None:
    bench = Bench(closes_after_failed_login=False)
    stream = bench.stream(logs_in=False)
    bench.impair("login_refused", code="63999")
    assert stream.log_in()["code"] == "63999"
    assert stream.log_in()["code"] == "0"
    bench.impair("subscribe_error", channel="account", code="60013")
    assert stream.subscribe("account")["code"] == "60013"
    bench.impair("foreign_ack", channel="account")
    assert stream.subscribe("account")["arg"] == {"channel": "orders"}
    bench.impair("connection_count_error", channel="orders")
    stream.clear()
    assert stream.subscribe("orders", instType="ANY")["event"] == "subscribe"
    assert [frame["event"] for frame in stream.frames] == ["subscribe", "channel-conn-count-error"]


def test_mute_stream_says_nothing_and_closing_says_why() -> None:
    bench = Bench()
    stream = bench.stream()
    bench.impair("mute_stream", for_s=5)
    stream.session.receive(b"ping")
    assert stream.raw == []
    bench.pass_time(5)
    stream.session.receive(b"ping")
    assert stream.raw == [b"pong"]
    bench.impair("close_streams", code=4005, reason="buffer")
    assert stream.closed_with == (4005, "buffer")
