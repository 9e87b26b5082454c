"""The in-memory front on virtual time: latency, order, and what each fault looks like to a client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from holdfast.core.seams import HttpReply, HttpRequest, StreamConnection, WireError
from holdfast.errors import ClosedError
from holdfast.simulators.core.memory import MemoryFront
from holdfast.simulators.core.seam import SimReply
from holdfast.testing import FakeClock, run_virtual
from tests.simulators.core.fake_venue import ACME_BODY, AcmeVenue

BALANCE = HttpRequest(
    method="POST", url="http://any.host/0/private/Balance?x=1", headers={"API-Key": "SIMK"}, body=b"n"
)
FRAME = b'{"channel":"balances","type":"update","sequence":%d,"data":[{"asset":"USD","balance":1.5}]}'


def front_of(venue: AcmeVenue, *rules: dict[str, Any], latency_s: tuple[float, float] = (0.0, 0.0)) -> MemoryFront:
    front = MemoryFront(
        venue, clock=FakeClock(asyncio.get_running_loop()), rng=Random(3), latency_s=latency_s, with_digest=True
    )
    if rules:
        front.plan.add(*rules)
    return front


def ask(venue: AcmeVenue, *rules: dict[str, Any], deadline_s: float = 5.0, request: HttpRequest = BALANCE) -> HttpReply:
    """One request under *rules*, on virtual time."""

    async def main() -> HttpReply:
        return await front_of(venue, *rules).http_wire().request(request, deadline_s=deadline_s)

    return run_virtual(main())


def rest(do: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "rest", "action": {"do": do, **fields}}


# Requests


def test_request_reaches_the_venue_as_it_was_and_the_reply_comes_back(venue: AcmeVenue) -> None:
    reply = ask(venue)
    (handled,) = venue.handled
    assert (handled.method, handled.path, handled.query, handled.body) == ("POST", "/0/private/Balance", "x=1", b"n")
    assert handled.headers == {"api-key": "SIMK"}
    assert (reply.status, reply.body) == (200, ACME_BODY)
    assert reply.headers["x-holdfast-simulator"] == "acme/1"
    assert reply.headers["content-type"] == "application/json"


def test_latency_counts_both_ways_and_is_stamped_by_the_clients_clock(venue: AcmeVenue) -> None:
    async def main() -> tuple[HttpReply, float]:
        front = front_of(venue, latency_s=(0.1, 0.1))
        mine = FakeClock(asyncio.get_running_loop(), start_s=50.0)
        reply = await front.http_wire(clock=mine).request(BALANCE, deadline_s=1)
        return reply, front.journal.since()["entries"][0]["at_s"]

    reply, arrived_s = run_virtual(main())
    assert reply.sent_s == 50.0
    assert reply.received_s == pytest.approx(50.2)
    assert arrived_s == pytest.approx(1000.1)


@pytest.mark.parametrize(
    ("rule", "kind", "was_sent", "is_processed"),
    [
        (rest("lose_request"), "deadline", True, False),
        (rest("lose_request", how="reset"), "reset", True, False),
        (rest("lose_request", how="close"), "closed", True, False),
        (rest("lose_reply"), "deadline", True, True),
        (rest("lose_reply", how="reset"), "reset", True, True),
        (rest("lose_reply", how="close"), "closed", True, True),
        (rest("unreachable"), "refused", False, False),
        (rest("unreachable", how="dns"), "dns", False, False),
        (rest("unreachable", how="tls"), "tls", False, False),
        (rest("unreachable", how="connect_timeout"), "connect_timeout", False, False),
        (rest("delay", low_s=6), "deadline", True, True),
        (rest("delay", low_s=6, where="reply"), "deadline", True, True),
        (rest("hold_request", for_s=6), "deadline", True, True),
        (rest("cut_body", at=0), "closed", True, True),
        (rest("cut_body", at=10, how="close"), "closed", True, True),
        (rest("cut_body", at=10, how="silence"), "deadline", True, True),
        (rest("cut_body", at=10_000, chunked=True), "closed", True, True),
        (rest("wrong_length", by=5), "closed", True, True),
        (rest("wrong_length", by=-3), "protocol", True, True),
        (rest("mislabel", content_encoding="gzip"), "encoding", True, True),
        (rest("gzip_bomb"), "too_large", True, True),
        (rest("endless_body"), "too_large", True, True),
        (rest("huge_headers"), "protocol", True, True),
        (rest("drip"), "deadline", True, True),
    ],
)
def test_fault_ends_as_a_wire_error_that_says_what_may_have_happened(
    venue: AcmeVenue, rule: dict[str, Any], kind: str, was_sent: bool, is_processed: bool
) -> None:
    async def main() -> WireError:
        wire = front_of(venue, rule).http_wire()
        with pytest.raises(WireError) as failed:
            await wire.request(BALANCE, deadline_s=5.0)
        await asyncio.sleep(60)
        return failed.value

    error = run_virtual(main())
    assert (error.kind, error.was_sent, len(venue.handled)) == (kind, was_sent, int(is_processed))


@pytest.mark.parametrize(
    ("rule", "status", "body", "is_processed"),
    [
        (rest("html_error", status=520), 520, None, False),
        (rest("html_error", status=502, commits=True), 502, None, True),
        (rest("html_error", status=200), 200, None, False),
        (rest("too_many", retry_after="1e9"), 429, None, False),
        (rest("answer", body='{"error":["EService:Busy"]}'), 200, b'{"error":["EService:Busy"]}', False),
        (rest("answer", body="{}", status=500, commits=True), 500, b"{}", True),
        (rest("redirect", location="http://elsewhere.invalid/"), 302, b"", False),
        (rest("empty"), 200, b"", True),
        (rest("empty", status=204), 204, b"", True),
        (rest("truncate", at=7), 200, ACME_BODY[:7], True),
        (rest("cut_body", at=10_000), 200, ACME_BODY, True),
        (rest("mutate", how="nan", field="XXBT.balance"), 200, ACME_BODY.replace(b'"0.4"', b'"NaN"'), True),
        (rest("mislabel", bom=True), 200, b"\xef\xbb\xbf" + ACME_BODY, True),
        (rest("mislabel", charset="utf-16"), 200, ACME_BODY.decode().encode("utf-16"), True),
        (rest("gzip_bomb", unpacked_bytes=200), 200, ACME_BODY.ljust(200), True),
        (rest("endless_body", total_bytes=200), 200, ACME_BODY.ljust(200), True),
        (rest("huge_headers", count=3, value_bytes=10), 200, ACME_BODY, True),
        (rest("drip", bytes_per_s=100), 200, ACME_BODY, True),
        (rest("delay", low_s=1, high_s=4), 200, ACME_BODY, True),
    ],
)
def test_fault_ends_as_a_reply(
    venue: AcmeVenue, rule: dict[str, Any], status: int, body: bytes | None, is_processed: bool
) -> None:
    reply = ask(venue, rule)
    assert reply.status == status
    if body is not None:
        assert reply.body == body
    else:
        assert reply.body.startswith(b"<!DOCTYPE html>")
        assert reply.headers["content-type"].startswith("text/html")
    assert len(venue.handled) == int(is_processed)


def test_headers_of_faults_reach_the_client(venue: AcmeVenue) -> None:
    assert (
        ask(venue, rest("too_many", retry_after="Fri, 20 Nov 2026 08:00:00 GMT")).headers["retry-after"].startswith("F")
    )
    assert ask(venue, rest("redirect", location="http://a.invalid/")).headers["location"] == "http://a.invalid/"
    assert ask(venue, rest("mislabel", content_type="text/plain")).headers["content-type"] == "text/plain"
    assert ask(venue, rest("mislabel", headers={"age": "900"})).headers["age"] == "900"
    assert ask(venue, rest("answer", body="x", headers={"Content-Type": "a/b"})).headers["content-type"] == "a/b"


def test_duplicated_request_is_processed_twice(venue: AcmeVenue) -> None:
    answers = [SimReply(status=200, headers={}, body=b"first"), SimReply(status=200, headers={}, body=b"second")]
    venue.replies = answers.copy()
    assert ask(venue, rest("duplicate_request")).body == b"first"
    venue.replies = answers.copy()
    assert ask(venue, rest("duplicate_request", reply="second")).body == b"second"


def test_held_request_is_overtaken_by_the_next_one_of_its_key(venue: AcmeVenue) -> None:
    async def main() -> tuple[float, list[str]]:
        front = front_of(venue, {**rest("hold_request", for_s=60), "count": 1})
        wire = front.http_wire()
        first = asyncio.create_task(wire.request(named("First"), deadline_s=90))
        await asyncio.sleep(1)
        await wire.request(named("Second", key="OTHER"), deadline_s=5)
        await wire.request(named("Third"), deadline_s=5)
        await first
        return asyncio.get_running_loop().time(), [request.path for request in venue.handled]

    assert run_virtual(main()) == (1.0, ["/Second", "/Third", "/First"])


def named(name: str, *, key: str = "SIMK", is_repeatable: bool = False) -> HttpRequest:
    return HttpRequest(
        method="POST", url=f"http://h/{name}", headers={"API-Key": key}, body=b"", is_repeatable=is_repeatable
    )


def test_delayed_request_is_processed_though_its_client_gave_up(venue: AcmeVenue) -> None:
    async def main() -> list[int]:
        wire = front_of(venue, rest("delay", low_s=3)).http_wire()
        task = asyncio.create_task(wire.request(BALANCE, deadline_s=10))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(1)
        before = len(venue.handled)
        await asyncio.sleep(2)
        return [before, len(venue.handled)]

    assert run_virtual(main()) == [0, 1]


def test_closing_keep_alive_hits_only_the_next_request_that_cannot_be_repeated(venue: AcmeVenue) -> None:
    async def main() -> list[str]:
        front = front_of(venue, {**rest("close_idle", after_s=10, races=True), "name": "Arm"})
        wire = front.http_wire()
        seen = []
        for wait_s, repeatable in ((1, False), (11, True), (11, False)):
            await wire.request(named("Arm"), deadline_s=5)
            await asyncio.sleep(wait_s)
            try:
                await wire.request(named("Order", is_repeatable=repeatable), deadline_s=5)
                seen.append("answered")
            except WireError as error:
                seen.append(f"{error.kind} {error.was_sent}")
        await wire.request(named("Order"), deadline_s=5)
        return seen

    assert run_virtual(main()) == ["answered", "answered", "reset True"]


def test_closed_wire_ends_what_is_open_and_sends_nothing_more(venue: AcmeVenue) -> None:
    async def main() -> None:
        wire = front_of(venue, rest("lose_reply")).http_wire()
        task = asyncio.create_task(wire.request(BALANCE, deadline_s=10))
        await asyncio.sleep(1)
        await wire.close()
        with pytest.raises(WireError) as open_one:
            await task
        assert open_one.value.was_sent
        with pytest.raises(ClosedError):
            await wire.request(BALANCE, deadline_s=10)

    run_virtual(main())
    assert len(venue.handled) == 1


def test_journal_tells_apart_what_was_asked_decided_and_delivered(venue: AcmeVenue) -> None:
    async def main() -> list[dict[str, Any]]:
        front = front_of(venue, rest("lose_reply", how="reset"))
        with pytest.raises(WireError):
            await front.http_wire().request(
                HttpRequest(method="POST", url="h/AddOrder", headers={}, body=b"nonce=7&cl_ord_id=a1"), deadline_s=1
            )
        shown: list[dict[str, Any]] = front.journal.since()["entries"]
        return [{name: value for name, value in entry.items() if name not in ("at_s", "wall_us")} for entry in shown]

    facts = {"name": "AddOrder", "nonce": "7", "client_order_id": "a1"}
    assert run_virtual(main()) == [
        {"n": 1, "kind": "request", **facts},
        {"n": 2, "kind": "fault", "of": 1, "name": "lose_reply", "rule": "1"},
        {"n": 3, "kind": "verdict", "of": 1, "outcome": "ok", **facts},
        {"n": 4, "kind": "reply", "of": 1, "outcome": "reset"},
    ]


@pytest.mark.parametrize(
    ("body", "status", "outcome"),
    [
        (b'{"error":[],"result":{}}', 200, "ok"),
        (b'{"error": ["EAPI:Invalid nonce"]}', 200, "EAPI:Invalid nonce"),
        (b'{"error":["WGeneral:old"],"result":{}}', 200, "ok"),
        (b'{"error":["WGeneral:old","EGeneral:new"]}', 200, "EGeneral:new"),
        (b'{"error":"NOT_FOUND","message":"x"}', 404, "NOT_FOUND"),
        (b'{"code":"50011","msg":"Too many"}', 200, "50011 Too many"),
        (b'{"code":"0","msg":"","data":[]}', 200, "ok"),
        (b"<html>", 502, "502"),
    ],
)
def test_verdict_is_the_venues_first_error(venue: AcmeVenue, body: bytes, status: int, outcome: str) -> None:
    venue.reply = SimReply(status=status, headers={}, body=body)

    async def main() -> Any:
        front = front_of(venue)
        await front.http_wire().request(BALANCE, deadline_s=1)
        return front.journal.since()["entries"][1]["outcome"]

    assert run_virtual(main()) == outcome


# Streams


class Heard:
    """What a stream client heard, with the virtual time of each."""

    def __init__(self) -> None:
        self.frames: list[tuple[float, bytes]] = []
        self.closes: list[tuple[float, int | None, str]] = []
        self.loop = asyncio.get_running_loop()

    def on_frame(self, frame: bytes) -> None:
        self.frames.append((self.loop.time(), frame))

    def on_close(self, code: int | None, reason: str) -> None:
        self.closes.append((self.loop.time(), code, reason))

    def sequences(self) -> list[int]:
        found = [json.loads(frame) for _, frame in self.frames]
        return [message["sequence"] for message in found if message.get("type") == "update" and "sequence" in message]


Script = Callable[[MemoryFront, StreamConnection, Heard], Awaitable[Any]]


def converse(
    venue: AcmeVenue, script: Script, *rules: dict[str, Any], latency_s: tuple[float, float] = (0.0, 0.0)
) -> Any:
    """Open one stream under *rules* and run *script* on virtual time."""

    async def main() -> Any:
        front = front_of(venue, *rules, latency_s=latency_s)
        heard = Heard()
        connection = await front.stream_wire().connect(
            "ws://any.host/v2", on_frame=heard.on_frame, on_close=heard.on_close, deadline_s=5
        )
        await asyncio.sleep(1)
        heard.frames.clear()
        return await script(front, connection, heard)

    return run_virtual(main())


def say(venue: AcmeVenue, *sequences: int) -> None:
    for sequence in sequences:
        venue.sessions[-1].peer.send(FRAME % sequence)


def test_stream_opens_and_speaks_both_ways(venue: AcmeVenue) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> list[bytes]:
        connection.send(b'{"method":"ping"}')
        await asyncio.sleep(1)
        return [frame for _, frame in heard.frames]

    assert converse(venue, script) == [b'{"method":"pong"}']
    assert venue.sessions[0].received == [b'{"method":"ping"}']


def test_what_the_venue_says_at_once_is_not_lost(venue: AcmeVenue) -> None:
    async def main() -> list[bytes]:
        heard = Heard()
        await (
            front_of(venue)
            .stream_wire()
            .connect("ws://h/v2", on_frame=heard.on_frame, on_close=heard.on_close, deadline_s=5)
        )
        await asyncio.sleep(0.1)
        return [frame for _, frame in heard.frames]

    assert run_virtual(main()) == [b'{"channel":"status","type":"update","data":[]}']


def test_order_is_kept_under_random_latency(venue: AcmeVenue) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> bool:
        for sequence in range(200):
            say(venue, sequence)
            await asyncio.sleep(0.001)
        await asyncio.sleep(1)
        return heard.sequences() == list(range(200))

    assert converse(venue, script, latency_s=(0.0, 0.05))


def out(do: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "ws_out", "channel": "balances", "nth": 2, "action": {"do": do, **fields}}


@pytest.mark.parametrize(
    ("rule", "sequences"),
    [
        (out("drop"), [1, 3, 4]),
        (out("duplicate"), [1, 2, 2, 3, 4]),
        (out("duplicate", times=2), [1, 2, 2, 2, 3, 4]),
        (out("swap"), [1, 3, 2, 4]),
        (out("delay", low_s=0.5), [1, 2, 3, 4]),
        (out("burst", frames=3), [1, 2, 2, 2, 2, 3, 4]),
        (out("inject", text='{"type":"update","sequence":99}'), [1, 2, 99, 3, 4]),
        (out("inject", text='{"type":"update","sequence":99}', where="before"), [1, 99, 2, 3, 4]),
        (out("mutate", how="set", field="sequence", value="1"), [1, 1, 3, 4]),
        (out("mute"), [1]),
        (out("fragment"), [1, 2, 3, 4]),
        (out("close", code=1011), [1]),
        (out("close", code=1011, delivers=True), [1, 2]),
        (out("close"), [1]),
        (out("send_binary"), [1]),
        (out("invalid_utf8"), [1]),
        (out("huge_frame"), [1]),
        (out("deflate_bomb"), [1]),
        (out("huge_frame", total_bytes=1000), [1, 2, 3, 4]),
    ],
)
def test_fault_on_the_way_to_the_client(venue: AcmeVenue, rule: dict[str, Any], sequences: list[int]) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> list[int]:
        say(venue, 1, 2, 3, 4)
        await asyncio.sleep(10)
        return heard.sequences()

    assert converse(venue, script, rule) == sequences


def test_truncated_frame_arrives_torn(venue: AcmeVenue) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> list[bytes]:
        say(venue, 1, 2)
        await asyncio.sleep(1)
        return [frame for _, frame in heard.frames]

    assert converse(venue, script, out("truncate", at=9)) == [FRAME % 1, b'{"channel']


def test_swapped_frame_arrives_alone_when_nothing_follows(venue: AcmeVenue) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> list[float]:
        say(venue, 1, 2)
        await asyncio.sleep(10)
        return [at - 1 for at, _ in heard.frames]

    assert converse(venue, script, out("swap", for_s=4)) == [0.0, 4.0]


def test_delayed_frame_holds_back_what_comes_after_it(venue: AcmeVenue) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> list[float]:
        say(venue, 1, 2, 3)
        await asyncio.sleep(2)
        say(venue, 4)
        await asyncio.sleep(2)
        return [at - 1 for at, _ in heard.frames]

    assert converse(venue, script, out("delay", low_s=0.5)) == [0.0, 0.5, 0.5, 2.0]


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (out("close", code=4000, reason="out"), 4000),
        (out("close"), None),
        (out("send_binary"), 1003),
        (out("invalid_utf8"), 1007),
        (out("huge_frame"), 1009),
        (out("deflate_bomb"), 1002),
    ],
)
def test_ended_connection_tells_both_ends_once(venue: AcmeVenue, rule: dict[str, Any], code: int | None) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> tuple[list[int | None], bool]:
        say(venue, 1, 2, 3)
        await asyncio.sleep(1)
        with pytest.raises(WireError) as refused:
            connection.send(b"{}")
        assert not refused.value.was_sent
        connection.abort()
        await connection.close()
        await asyncio.sleep(1)
        assert front.lines == {}
        return [code for _, code, _ in heard.closes], venue.sessions[0].is_closed

    assert converse(venue, script, rule) == ([code], True)


@pytest.mark.parametrize(
    ("rule", "received"),
    [
        ({"action": {"do": "drop"}}, [1, 3]),
        ({"action": {"do": "duplicate"}}, [1, 2, 2, 3]),
        ({"action": {"do": "swap"}}, [1, 3, 2]),
        ({"action": {"do": "delay", "low_s": 1}}, [1, 2, 3]),
        ({"action": {"do": "mute", "direction": "out"}}, [1]),
        ({"action": {"do": "close", "code": 1008}}, [1]),
        ({"action": {"do": "close", "code": 1008, "delivers": True}}, [1, 2]),
    ],
)
def test_fault_on_the_way_to_the_venue(venue: AcmeVenue, rule: dict[str, Any], received: list[int]) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> list[int]:
        for number in (1, 2, 3):
            connection.send(b'{"method":"m","n":%d}' % number)
        await asyncio.sleep(10)
        return [json.loads(frame)["n"] for frame in venue.sessions[0].received]

    assert converse(venue, script, {"kind": "ws_in", "name": "m", "nth": 2, **rule}) == received


def test_mute_ends_after_its_time(venue: AcmeVenue) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> list[int]:
        for sequence in range(1, 9):
            say(venue, sequence)
            await asyncio.sleep(1)
        return heard.sequences()

    assert converse(venue, script, out("mute", for_s=3.5)) == [1, 6, 7, 8]


def test_all_streams_are_cut_muted_or_freed_at_once(venue: AcmeVenue) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> Any:
        front.plan.add({"kind": "streams", "action": {"do": "mute"}})
        say(venue, 1)
        await asyncio.sleep(1)
        front.plan.add({"kind": "streams", "action": {"do": "unmute"}})
        say(venue, 2)
        await asyncio.sleep(1)
        front.plan.add({"kind": "streams", "key": "OTHER", "action": {"do": "close"}})
        say(venue, 3)
        await asyncio.sleep(1)
        connection.send(b'{"method":"auth","key":"SIMK"}')
        await asyncio.sleep(1)
        front.plan.add({"kind": "streams", "key": "SIMK", "action": {"do": "close"}})
        await asyncio.sleep(1)
        return heard.sequences(), heard.closes

    assert converse(venue, script) == ([2, 3], [(5.0, None, "connection lost")])


def handshake(do: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "handshake", "action": {"do": do, **fields}}


@pytest.mark.parametrize(
    ("rule", "path", "kind", "status", "was_sent"),
    [
        (handshake("refuse", status=403), "/v2", "handshake", 403, True),
        (handshake("refuse", status=0), "/v2", "deadline", None, True),
        (handshake("unreachable"), "/v2", "refused", None, False),
        (handshake("unreachable", how="connect_timeout"), "/v2", "connect_timeout", None, False),
        (handshake("delay", low_s=6), "/v2", "deadline", None, True),
        ({"kind": "rest", "action": {"do": "lose_reply"}}, "/elsewhere", "handshake", 404, True),
    ],
)
def test_handshake_that_fails(
    venue: AcmeVenue, rule: dict[str, Any], path: str, kind: str, status: int | None, was_sent: bool
) -> None:
    async def main() -> WireError:
        front = front_of(venue, rule)
        heard = Heard()
        with pytest.raises(WireError) as failed:
            await front.stream_wire().connect(
                f"ws://h{path}", on_frame=heard.on_frame, on_close=heard.on_close, deadline_s=5
            )
        await asyncio.sleep(10)
        assert heard.closes == []
        assert front.lines == {}
        return failed.value

    error = run_virtual(main())
    assert (error.kind, error.status, error.was_sent) == (kind, status, was_sent)


def test_handshake_rule_can_mute_or_close_a_connection_from_its_first_moment(venue: AcmeVenue) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> Any:
        say(venue, 1)
        await asyncio.sleep(1)
        return heard.sequences(), [code for _, code, _ in heard.closes], len(front.lines)

    assert converse(venue, script, handshake("mute")) == ([], [], 1)
    assert converse(venue, script, handshake("close", code=1013)) == ([], [1013], 0)


def test_venue_may_close_a_stream_while_it_opens(venue: AcmeVenue) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> Any:
        await asyncio.sleep(1)
        return [code for _, code, _ in heard.closes], front.lines, venue.sessions[0].is_closed

    venue.closes_at_once = True
    assert converse(venue, script) == ([1008], {}, True)


def test_client_can_close_in_order_or_abort(venue: AcmeVenue) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> Any:
        connection.send(b'{"method":"last"}')
        await connection.close()
        outcome = front.journal.since()["entries"][-1]["outcome"]
        return heard.closes, outcome, venue.sessions[-1].received

    assert converse(venue, script, latency_s=(0.1, 0.1)) == (
        [(pytest.approx(1.4), 1000, "")],
        "1000 client",
        [b'{"method":"last"}'],
    )

    async def abort(front: MemoryFront, connection: StreamConnection, heard: Heard) -> Any:
        connection.abort()
        await asyncio.sleep(1)
        return heard.closes, front.journal.since()["entries"][-1]["outcome"]

    assert converse(venue, abort) == ([(1.0, None, "aborted")], "1006 client")


def test_closing_a_mute_connection_takes_a_second_at_most(venue: AcmeVenue) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> Any:
        await connection.close()
        return heard.closes

    assert converse(venue, script, handshake("mute")) == [(2.0, None, "no answer to close")]


def test_venue_closing_a_stream_is_heard(venue: AcmeVenue) -> None:
    async def script(front: MemoryFront, connection: StreamConnection, heard: Heard) -> Any:
        connection.send(b'{"method":"bye"}')
        await asyncio.sleep(1)
        return heard.closes, venue.sessions[0].is_closed

    assert converse(venue, script) == ([(1.0, 1000, "bye")], True)


# Replay


def run_of(seed: int) -> tuple[str, list[dict[str, Any]]]:
    venue = AcmeVenue()

    async def main() -> tuple[str, list[dict[str, Any]]]:
        front = MemoryFront(
            venue,
            clock=FakeClock(asyncio.get_running_loop()),
            rng=Random(seed),
            latency_s=(0.001, 0.05),
            with_digest=True,
        )
        front.plan.add(
            {"kind": "ws_out", "probability": 0.2, "action": {"do": "mutate", "how": "negative"}},
            {"kind": "ws_out", "probability": 0.1, "action": {"do": "swap"}},
            {"kind": "rest", "probability": 0.5, "action": {"do": "delay", "low_s": 0, "high_s": 1}},
        )
        heard = Heard()
        await front.stream_wire().connect("ws://h/v2", on_frame=heard.on_frame, on_close=heard.on_close, deadline_s=5)
        wire = front.http_wire()
        for sequence in range(50):
            say(venue, sequence)
            await wire.request(BALANCE, deadline_s=5)
        return front.digest(), front.journal.since()["entries"]

    return run_virtual(main())


def test_same_seed_replays_to_the_byte_and_the_microsecond() -> None:
    assert run_of(5) == run_of(5)
    assert run_of(5)[1] != run_of(6)[1]


def test_digest_has_to_be_asked_for(venue: AcmeVenue) -> None:
    async def main() -> None:
        front = MemoryFront(venue, clock=FakeClock())
        with pytest.raises(ValueError, match="with_digest"):
            front.digest()

    run_virtual(main())
