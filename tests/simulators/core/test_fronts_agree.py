"""
The two fronts tell a client the same: every fault, through the real wires over sockets and through the wires in memory.

What scenarios find out in memory holds for sockets only as long as this does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from holdfast.core.seams import HttpRequest, HttpWire, StreamConnection, StreamWire, WireError
from holdfast.runtime.wire import AiohttpWire, PicowsWire
from holdfast.simulators.core.clock import SystemClock
from holdfast.simulators.core.memory import MemoryFront
from holdfast.simulators.core.server import serve_simulator
from holdfast.testing import FakeClock, run_virtual
from tests.simulators.core.fake_venue import AcmeVenue

UPDATE = b'{"channel":"balances","type":"update","sequence":%d,"data":[{"asset":"USD","balance":1.5}]}'

DEADLINE_S = 2.0

Tell = Callable[[HttpWire, StreamWire, str, str, AcmeVenue], Awaitable[Any]]


async def over_sockets(rule: dict[str, Any], tell: Tell, http: HttpWire, turns: asyncio.Semaphore) -> Any:
    venue = AcmeVenue()
    async with turns, serve_simulator(venue, stream_path="/v2") as served:
        served.plan.add(rule)
        return await tell(http, PicowsWire(must_be_simulator=True), served.rest, served.ws, venue)


def in_memory(rule: dict[str, Any], tell: Tell) -> Any:
    async def main() -> Any:
        venue = AcmeVenue()
        front = MemoryFront(venue, clock=FakeClock(asyncio.get_running_loop()))
        front.plan.add(rule)
        return await tell(front.http_wire(), front.stream_wire(), "http://h", "ws://h/v2", venue)

    return run_virtual(main())


async def tell_of_request(http: HttpWire, streams: StreamWire, rest: str, ws: str, venue: AcmeVenue) -> Any:
    """How two requests in a row end: the first one's answer or error, and whether the second goes through."""
    told: list[Any] = []
    for _ in range(2):
        request = HttpRequest(
            method="POST", url=f"{rest}/0/private/Order?x=1", headers={"API-Key": "SIMK"}, body=b"n=1"
        )
        try:
            reply = await http.request(request, deadline_s=DEADLINE_S)
            told.append(
                (reply.status, reply.body, reply.headers["x-holdfast-simulator"], reply.headers.get("retry-after"))
            )
        except WireError as error:
            told.append((error.kind, error.was_sent))
        await asyncio.sleep(0.05)
    return told, len(venue.handled)


def name_of(rule: dict[str, Any]) -> str:
    return " ".join([rule["kind"], *map(str, rule["action"].values())])


def rest(do: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "rest", "count": 1, "action": {"do": do, **fields}}


REST_RULES = [
    rest("delay", low_s=0.01),
    rest("delay", low_s=5),
    rest("delay", low_s=5, where="reply"),
    rest("lose_request"),
    rest("lose_request", how="reset"),
    rest("lose_request", how="close"),
    rest("lose_reply"),
    rest("lose_reply", how="reset"),
    rest("lose_reply", how="close"),
    rest("duplicate_request"),
    rest("answer", body='{"error":["EService:Busy"]}'),
    rest("answer", body="{}", status=500, commits=True),
    rest("html_error", status=502),
    rest("html_error", status=520, commits=True),
    rest("too_many", retry_after="1000000000"),
    rest("redirect", location="http://elsewhere.invalid/"),
    rest("empty"),
    rest("empty", status=204),
    rest("cut_body", at=0),
    rest("cut_body", at=10),
    rest("cut_body", at=10, how="close"),
    rest("cut_body", at=10, how="silence"),
    rest("cut_body", at=10, how="close", chunked=True),
    rest("cut_body", at=10_000),
    rest("truncate", at=10),
    rest("truncate"),
    rest("wrong_length", by=4),
    rest("wrong_length", by=-4),
    rest("mutate", how="nan"),
    rest("mutate", how="duplicate_row", field="ZUSD"),
    rest("mislabel", bom=True, content_type="text/html"),
    rest("mislabel", charset="utf-16"),
    rest("mislabel", content_encoding="gzip"),
    rest("mislabel", content_encoding="br"),
    rest("mislabel", content_encoding="gzip", encodes=True),
    rest("mislabel", content_encoding="deflate", encodes=True),
    rest("mislabel", content_encoding="gzip, gzip", encodes=True),
    rest("gzip_bomb", unpacked_bytes=1000),
    rest("gzip_bomb", unpacked_bytes=20_000_000),
    rest("endless_body", total_bytes=1000),
    rest("endless_body"),
    rest("huge_headers"),
    rest("huge_headers", count=500, value_bytes=10),
    rest("huge_headers", count=3, value_bytes=100),
    rest("drip"),
    rest("drip", bytes_per_s=10_000),
    rest("close_idle"),
    rest("close_idle", races=True),
]


@pytest.mark.parametrize("index", range(len(REST_RULES)), ids=lambda index: name_of(REST_RULES[index]))
def test_request_ends_the_same(index: int, told_over_sockets: dict[str, Any]) -> None:
    rule = REST_RULES[index]
    assert in_memory(rule, tell_of_request) == told_over_sockets[name_of(rule)]


async def tell_of_stream(http: HttpWire, streams: StreamWire, rest: str, ws: str, venue: AcmeVenue) -> Any:
    """What a stream client hears: frames, the end and its code."""
    heard: list[bytes] = []
    closes: list[int | None] = []
    try:
        connection: StreamConnection = await streams.connect(
            ws, on_frame=heard.append, on_close=lambda code, reason: closes.append(code), deadline_s=DEADLINE_S
        )
    except WireError as error:
        return error.kind, error.status, error.was_sent
    await asyncio.sleep(0.05)
    for sequence in (1, 2, 3):
        if not venue.sessions[0].is_closed:
            venue.sessions[0].peer.send(UPDATE % sequence)
    await asyncio.sleep(0.25)
    for number in (1, 2, 3):
        try:
            connection.send(b'{"method":"m","n":%d}' % number)
        except WireError as error:
            heard.append(f"{error.kind} {error.was_sent}".encode())
    await asyncio.sleep(0.25)
    before = list(closes)
    await connection.close()
    await asyncio.sleep(0.25)
    return heard, before, len(closes), venue.sessions[0].received, venue.sessions[0].is_closed


def stream(kind: str, do: str, **fields: Any) -> dict[str, Any]:
    which = {"channel": "balances"} if kind == "ws_out" else {"name": "m"} if kind == "ws_in" else {}
    nth = {"nth": 2} if which else {}
    return {"kind": kind, **which, **nth, "action": {"do": do, **fields}}


STREAM_RULES = [
    stream("ws_out", "delay", low_s=0.03),
    stream("ws_out", "drop"),
    stream("ws_out", "duplicate", times=2),
    stream("ws_out", "swap"),
    stream("ws_out", "mutate", how="retype"),
    stream("ws_out", "truncate", at=10),
    stream("ws_out", "inject", text="{}"),
    stream("ws_out", "burst", frames=100),
    stream("ws_out", "mute"),
    stream("ws_out", "close", code=1011, reason="why"),
    stream("ws_out", "close", code=1000),
    stream("ws_out", "close", code=4000, delivers=True),
    stream("ws_out", "close"),
    stream("ws_out", "fragment", parts=5),
    stream("ws_out", "send_binary"),
    stream("ws_out", "invalid_utf8"),
    stream("ws_out", "deflate_bomb"),
    stream("ws_out", "huge_frame", total_bytes=16 << 20),
    stream("ws_out", "huge_frame", total_bytes=50_000),
    stream("ws_in", "drop"),
    stream("ws_in", "duplicate"),
    stream("ws_in", "swap", for_s=0.03),
    stream("ws_in", "mute", direction="both"),
    stream("ws_in", "close", code=1008),
    stream("handshake", "refuse", status=429),
    stream("handshake", "refuse", status=502),
    stream("handshake", "refuse", status=0),
    stream("handshake", "mute"),
    stream("handshake", "close", code=1013),
    stream("handshake", "delay", low_s=0.05),
    stream("handshake", "delay", low_s=5),
]


@pytest.fixture(scope="module")
def told_over_sockets() -> dict[str, Any]:
    """What every rule looks like over sockets: several at a time, since nearly all of it is waiting."""

    async def everything() -> list[Any]:
        turns = asyncio.Semaphore(10)
        http = AiohttpWire(clock=SystemClock())
        try:
            return await asyncio.gather(
                *(over_sockets(rule, tell_of_request, http, turns) for rule in REST_RULES),
                *(over_sockets(rule, tell_of_stream, http, turns) for rule in STREAM_RULES),
            )
        finally:
            await http.close()

    rules = [*REST_RULES, *STREAM_RULES]
    return dict(zip(map(name_of, rules), asyncio.run(everything()), strict=True))


@pytest.mark.parametrize("index", range(len(STREAM_RULES)), ids=lambda index: name_of(STREAM_RULES[index]))
def test_stream_tells_the_same(index: int, told_over_sockets: dict[str, Any]) -> None:
    rule = STREAM_RULES[index]
    assert in_memory(rule, tell_of_stream) == told_over_sockets[name_of(rule)]


def test_every_rule_is_told_apart() -> None:
    names = [name_of(rule) for rule in (*REST_RULES, *STREAM_RULES)]
    assert len(set(names)) == len(names)
