"""The socket front on the loopback, asked by plain clients: what really arrives, healthy and under faults."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from holdfast.simulators.core.frames import frame_bytes
from holdfast.simulators.core.server import Served, serve_simulator
from tests.simulators.core.fake_venue import ACME_BODY, AcmeVenue

REQUEST = b"GET /0/public/Balance?a=1 HTTP/1.1\r\nHost: x\r\n\r\n"
UPDATE = b'{"channel":"balances","type":"update","sequence":%d,"data":[{"asset":"USD","balance":1.5}]}'


@asynccontextmanager
async def served_with(venue: AcmeVenue, *rules: dict[str, Any]) -> AsyncIterator[Served]:
    async with serve_simulator(venue, stream_path="/v2") as served:
        if rules:
            served.plan.add(*rules)
        yield served


async def eventually(is_so: Callable[[], bool]) -> None:
    """Wait a little for what the other end of a socket will find out in a moment."""
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110  # What is waited for has no event to set.
            await asyncio.sleep(0.01)


async def raw(served: Served, *requests: bytes, wait_s: float = 2.0, apart_s: float = 0.2) -> tuple[bytes, str]:
    """
    All bytes that come back over one plain connection, and how it ended: ``eof``, ``reset`` or ``open``.

    An open connection is given up after *wait_s*; requests go out *apart_s* from each other, so that each is answered.
    """
    # A bare socket: asyncio's stream reader forgets what had arrived once a reset follows.
    loop = asyncio.get_running_loop()
    received = b""
    with socket.create_connection(("127.0.0.1", served.port)) as plain:
        plain.setblocking(False)
        try:
            for index, request in enumerate(requests):
                await asyncio.sleep(apart_s if index else 0)
                await loop.sock_sendall(plain, request)
            async with asyncio.timeout(wait_s):
                while part := await loop.sock_recv(plain, 1 << 20):
                    received += part
        except TimeoutError:
            return received, "open"
        except ConnectionResetError:
            return received, "reset"
    return received, "eof"


@asynccontextmanager
async def stream_with(
    venue: AcmeVenue, *rules: dict[str, Any], autoping: bool = True
) -> AsyncIterator[tuple[Served, aiohttp.ClientWebSocketResponse]]:
    """One open stream whose first frame has been read."""
    async with (
        served_with(venue, *rules) as served,
        aiohttp.ClientSession() as client,
        client.ws_connect(served.ws, autoping=autoping) as stream,
    ):
        await stream.receive()
        yield served, stream


def rest(do: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "rest", "action": {"do": do, **fields}}


# Requests


async def test_request_is_handed_over_byte_for_byte(venue: AcmeVenue) -> None:
    async with served_with(venue) as served, aiohttp.ClientSession() as client:
        url = f"{served.rest}/0/private/AddOrder"
        async with client.post(url, data=b"nonce=1&a=%2b\x00", headers={"API-Key": "SIMK"}) as reply:
            assert await reply.read() == ACME_BODY
            assert reply.headers["X-Holdfast-Simulator"] == "acme/1"
            assert reply.headers["Content-Type"] == "application/json"
            assert "Date" in reply.headers
    (request,) = venue.handled
    assert (request.method, request.path, request.query) == ("POST", "/0/private/AddOrder", "")
    assert request.body == b"nonce=1&a=%2b\x00"
    assert request.headers["api-key"] == "SIMK"


async def test_query_stays_raw_and_connections_are_kept(venue: AcmeVenue) -> None:
    async with served_with(venue) as served:
        received, ending = await raw(served, REQUEST, REQUEST, wait_s=0.5)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert ending == "open"
    assert venue.handled[0].query == "a=1"


@pytest.mark.parametrize(
    ("rule", "ending", "is_processed", "body"),
    [
        (rest("lose_request", how="reset"), "reset", 0, None),
        (rest("lose_request", how="close"), "eof", 0, None),
        (rest("lose_reply", how="reset"), "reset", 1, None),
        (rest("lose_reply", how="close"), "eof", 1, None),
        (rest("unreachable"), "reset", 0, None),
        (rest("cut_body", at=10), "reset", 1, ACME_BODY[:10]),
        (rest("cut_body", at=0), "reset", 1, b""),
        (rest("cut_body", at=10, how="close"), "eof", 1, ACME_BODY[:10]),
        (rest("wrong_length", by=4), "eof", 1, ACME_BODY),
        (rest("wrong_length", by=-4), "eof", 1, ACME_BODY),
        (rest("close_idle", after_s=0.05), "eof", 1, ACME_BODY),
    ],
)
async def test_fault_ends_the_connection_as_it_says(
    venue: AcmeVenue, rule: dict[str, Any], ending: str, is_processed: int, body: bytes | None
) -> None:
    async with served_with(venue, rule) as served:
        received, how = await raw(served, REQUEST)
    assert (how, len(venue.handled)) == (ending, is_processed)
    head, _, rest_of_it = received.partition(b"\r\n\r\n")
    if body is None:
        assert received == b""
    else:
        assert rest_of_it == body
        assert head.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("rule", "is_processed"), [(rest("lose_request"), 0), (rest("lose_reply"), 1), (rest("cut_body", how="silence"), 1)]
)
async def test_silence_lasts_until_the_client_leaves(venue: AcmeVenue, rule: dict[str, Any], is_processed: int) -> None:
    async with served_with(venue, rule) as served:
        _, ending = await raw(served, REQUEST, wait_s=0.2)
    assert (ending, len(venue.handled)) == ("open", is_processed)


async def test_declared_length_is_wrong_by_what_was_asked(venue: AcmeVenue) -> None:
    for by in (4, -4):
        async with served_with(venue, rest("wrong_length", by=by)) as served:
            received, _ = await raw(served, REQUEST)
        assert f"Content-Length: {len(ACME_BODY) + by}\r\n".encode() in received


async def test_chunked_body_without_its_end(venue: AcmeVenue) -> None:
    async with served_with(venue, rest("cut_body", at=10_000, chunked=True, how="close")) as served:
        received, ending = await raw(served, REQUEST)
    assert b"Transfer-Encoding: chunked" in received
    assert ACME_BODY in received
    assert not received.endswith(b"0\r\n\r\n")
    assert ending == "eof"


async def test_gateway_pages_redirects_and_statuses(venue: AcmeVenue) -> None:
    async with served_with(
        venue,
        {**rest("html_error", status=520), "nth": 1},
        {**rest("too_many", retry_after="-5"), "nth": 2},
        {**rest("redirect", location="http://elsewhere.invalid/x", status=307), "nth": 3},
        {**rest("empty", status=204), "nth": 4},
        {**rest("answer", body='{"error":["EService:Busy"]}', commits=True), "nth": 5},
    ) as served:
        seen = []
        async with aiohttp.ClientSession() as client:
            for _ in range(5):
                async with client.get(f"{served.rest}/0/public/Time", allow_redirects=False) as reply:
                    assert reply.headers["X-Holdfast-Simulator"] == "acme/1"
                    seen.append((reply.status, reply.headers.get("Content-Type", ""), await reply.read()))
                    if reply.status == 429:
                        assert reply.headers["Retry-After"] == "-5"
                    if reply.status == 307:
                        assert reply.headers["Location"] == "http://elsewhere.invalid/x"
    assert [status for status, _, _ in seen] == [520, 429, 307, 204, 200]
    assert seen[0][1].startswith("text/html")
    assert seen[3][2] == b""
    assert seen[4][2] == b'{"error":["EService:Busy"]}'
    assert len(venue.handled) == 2


async def test_bomb_is_small_on_the_wire_and_large_unpacked(venue: AcmeVenue) -> None:
    async with (
        served_with(venue, rest("gzip_bomb", unpacked_bytes=20_000_000)) as served,
        aiohttp.ClientSession(auto_decompress=False) as client,
        client.get(f"{served.rest}/0/public/Time") as reply,
    ):
        assert reply.headers["Content-Encoding"] == "gzip"
        packed = await reply.read()
    assert len(packed) < 50_000
    unpacked = gzip.decompress(packed)
    assert len(unpacked) == 20_000_000
    assert unpacked.rstrip() == ACME_BODY


async def test_endless_body_goes_on_until_the_client_has_enough(venue: AcmeVenue) -> None:
    async with (
        served_with(venue, rest("endless_body")) as served,
        aiohttp.ClientSession() as client,
        client.get(f"{served.rest}/0/public/Time") as reply,
    ):
        got = 0
        async for part in reply.content.iter_any():
            got += len(part)
            if got > 10_000_000:
                break
        reply.close()


async def test_huge_headers_arrive(venue: AcmeVenue) -> None:
    async with served_with(venue, rest("huge_headers", count=200, value_bytes=100)) as served:
        received, _ = await raw(served, REQUEST, wait_s=0.6)
    assert received.count(b"X-Filler-") == 200
    assert received.endswith(ACME_BODY)


async def test_dripping_takes_its_time(venue: AcmeVenue) -> None:
    async with (
        served_with(venue, rest("drip", bytes_per_s=500)) as served,
        aiohttp.ClientSession() as client,
    ):
        began = time.monotonic()
        async with client.get(f"{served.rest}/0/public/Time") as reply:
            assert await reply.read() == ACME_BODY
        assert time.monotonic() - began >= len(ACME_BODY) / 500 * 0.9


async def test_text_is_dressed_wrongly(venue: AcmeVenue) -> None:
    rules = (
        {**rest("mislabel", charset="utf-16", content_type="text/plain"), "nth": 1},
        {**rest("mislabel", content_encoding="gzip"), "nth": 2},
        {**rest("mislabel", content_encoding="gzip, gzip", encodes=True), "nth": 3},
    )
    async with served_with(venue, *rules) as served, aiohttp.ClientSession(auto_decompress=False) as client:
        seen = []
        for _ in rules:
            async with client.get(f"{served.rest}/0/public/Time") as reply:
                seen.append((reply.headers, await reply.read()))
    assert seen[0][0]["Content-Type"] == "text/plain; charset=utf-16"
    assert seen[0][1].decode("utf-16").encode() == ACME_BODY
    assert (seen[1][0]["Content-Encoding"], seen[1][1]) == ("gzip", ACME_BODY)
    assert gzip.decompress(gzip.decompress(seen[2][1])) == ACME_BODY


async def test_keep_alive_that_races_resets_the_next_request_unread(venue: AcmeVenue) -> None:
    async with served_with(venue, {**rest("close_idle", races=True), "count": 1}) as served:
        received, ending = await raw(served, REQUEST, REQUEST)
        assert (received.count(b"HTTP/1.1 200"), ending, len(venue.handled)) == (1, "reset", 1)
        received, ending = await raw(served, REQUEST, REQUEST, wait_s=0.5)
        assert (received.count(b"HTTP/1.1 200"), ending) == (2, "open")


async def test_delayed_request_is_processed_though_its_client_left(venue: AcmeVenue) -> None:
    async with served_with(venue, rest("delay", low_s=0.8)) as served:
        await raw(served, REQUEST, wait_s=0.05)
        assert venue.handled == []
        await eventually(lambda: len(venue.handled) == 1)


async def test_too_large_a_request_is_refused_by_the_front(venue: AcmeVenue) -> None:
    async with (
        served_with(venue) as served,
        aiohttp.ClientSession() as client,
        client.post(f"{served.rest}/0/private/X", data=io.BytesIO(b"x" * 2_000_000)) as reply,
    ):
        assert reply.status == 413
        assert reply.headers["X-Holdfast-Simulator"] == "acme/1"
    assert venue.handled == []


async def test_failure_of_the_venue_itself_is_loud_and_ends_one_request_only(
    venue: AcmeVenue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served_with(venue) as served, aiohttp.ClientSession() as client:
        with monkeypatch.context() as broken:
            broken.setattr(venue, "handle", None)
            async with client.get(f"{served.rest}/0/public/Time") as reply:
                assert reply.status == 500
        async with client.get(f"{served.rest}/0/public/Time") as reply:
            assert reply.status == 200
    assert "failed at /0/public/Time" in caplog.text


# Streams


async def test_stream_speaks_on_the_same_port_and_names_the_simulator(venue: AcmeVenue) -> None:
    async with served_with(venue) as served, aiohttp.ClientSession() as client:
        assert served.ws == f"ws://127.0.0.1:{served.port}/v2"
        async with client.ws_connect(served.ws) as stream:
            assert stream._response.headers["X-Holdfast-Simulator"] == "acme/1"
            assert json.loads((await stream.receive()).data)["channel"] == "status"
            await stream.send_str('{"method":"subscribe"}')
            assert [json.loads((await stream.receive()).data).get("type") for _ in range(2)] == [None, "snapshot"]
        await eventually(lambda: venue.sessions[0].is_closed)
        assert served.journal.since()["entries"][-1]["outcome"] == "1000 client"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
async def test_frames_of_every_length_form_arrive_whole(venue: AcmeVenue, size: int) -> None:
    text = "x" * size
    async with stream_with(venue) as (_, stream):
        venue.sessions[0].peer.send(text.encode())
        assert (await stream.receive()).data == text


def test_frame_header_says_final_opcode_and_length() -> None:
    assert frame_bytes(1, b"hi") == b"\x81\x02hi"
    assert frame_bytes(1, b"hi", is_final=False) == b"\x01\x02hi"
    assert frame_bytes(2, b"x" * 126)[:4] == b"\x82\x7e\x00\x7e"
    assert frame_bytes(1, b"x" * 65_536)[:10] == b"\x81\x7f" + (65_536).to_bytes(8, "big")


def out(do: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "ws_out", "channel": "balances", "nth": 2, "action": {"do": do, **fields}}


@pytest.mark.parametrize(
    ("rule", "heard"),
    [
        (out("drop"), ["1", "3"]),
        (out("duplicate"), ["1", "2", "2", "3"]),
        (out("swap"), ["1", "3", "2"]),
        (out("delay", low_s=0.05), ["1", "2", "3"]),
        (out("fragment", parts=7), ["1", "2", "3"]),
        (out("burst", frames=2, text='{"sequence":9}'), ["1", "2", "9", "9", "3"]),
        (out("mutate", how="set", field="sequence", value="0"), ["1", "0", "3"]),
        (out("mute"), ["1", "nothing"]),
        (out("close", code=1011, reason="why"), ["1", "CLOSE 1011 why"]),
        (out("close", code=1001, delivers=True), ["1", "2", "CLOSE 1001 "]),
        (out("close"), ["1", "gone"]),
        (out("send_binary"), ["1", "BINARY", "3"]),
        (out("invalid_utf8"), ["1", "ERROR 1007"]),
        (out("huge_frame"), ["1", "ERROR 1009"]),
        (out("deflate_bomb"), ["1", "ERROR 1002"]),
    ],
)
async def test_fault_on_a_real_stream(venue: AcmeVenue, rule: dict[str, Any], heard: list[str]) -> None:
    async with stream_with(venue, rule) as (_, stream):
        for sequence in (1, 2, 3):
            venue.sessions[0].peer.send(UPDATE % sequence)
        assert [await _told(stream) for _ in heard] == heard


async def _told(stream: aiohttp.ClientWebSocketResponse) -> str:
    try:
        message = await stream.receive(timeout=1.0)
    except TimeoutError:
        return "nothing"
    if message.type is WSMsgType.TEXT:
        return str(json.loads(message.data)["sequence"])
    if message.type is WSMsgType.CLOSE:
        return f"CLOSE {message.data} {message.extra}"
    if message.type is WSMsgType.ERROR:
        return f"ERROR {message.data.code}"
    return "BINARY" if message.type is WSMsgType.BINARY else "gone"


async def test_protocol_ping_is_answered_unless_mute(venue: AcmeVenue) -> None:
    async with stream_with(venue, autoping=False) as (served, stream):
        await stream.ping(b"one")
        pong = await stream.receive()
        assert (pong.type, pong.data) == (WSMsgType.PONG, b"one")
        served.plan.add({"kind": "streams", "action": {"do": "mute"}})
        await stream.ping(b"two")
        with pytest.raises(TimeoutError):
            await stream.receive(timeout=0.2)


@pytest.mark.parametrize(
    ("rule", "path", "status"),
    [
        ({"kind": "handshake", "action": {"do": "refuse", "status": 429}}, "/v2", 429),
        ({"kind": "handshake", "action": {"do": "refuse", "status": 502}}, "/v2", 502),
        ({"kind": "rest", "action": {"do": "lose_reply"}}, "/nowhere", 404),
    ],
)
async def test_refused_handshake_says_its_status(
    venue: AcmeVenue, rule: dict[str, Any], path: str, status: int
) -> None:
    async with served_with(venue, rule) as served, aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f"ws://127.0.0.1:{served.port}{path}")
        assert refused.value.status == status
        assert refused.value.headers is not None
        assert refused.value.headers["X-Holdfast-Simulator"] == "acme/1"


async def test_handshake_left_hanging(venue: AcmeVenue) -> None:
    rule = {"kind": "handshake", "action": {"do": "refuse", "status": 0}}
    async with served_with(venue, rule) as served, aiohttp.ClientSession() as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.ws_connect(served.ws)
    assert venue.sessions == []


async def test_binary_messages_of_a_client_are_not_taken(venue: AcmeVenue) -> None:
    async with stream_with(venue) as (_, stream):
        await stream.send_bytes(b"x")
        assert (await stream.receive()).data == 1003
    assert venue.sessions[0].received == []


# Life


async def test_stopping_takes_little_time_with_open_streams_and_silent_requests(venue: AcmeVenue) -> None:
    async with aiohttp.ClientSession() as client:
        async with served_with(venue, rest("lose_reply")) as served:
            stream = await client.ws_connect(served.ws)
            await stream.receive()
            silent = asyncio.create_task(raw(served, REQUEST, wait_s=5))
            deaf_reader, deaf_writer = await asyncio.open_connection("127.0.0.1", served.port)
            deaf_writer.write(
                b"GET /v2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            await deaf_reader.readuntil(b"\r\n\r\n")
            await eventually(lambda: len(served.front.lines) == 2 and bool(served.journal.since()["entries"]))
            began = time.monotonic()
        assert time.monotonic() - began < 2
        message = await stream.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)
        await stream.close()
        deaf_writer.close()
        await silent


async def test_only_the_loopback_is_served(venue: AcmeVenue) -> None:
    with pytest.raises(ValueError, match="loopback"):
        async with serve_simulator(venue, host="0.0.0.0"):
            pass


async def test_port_that_is_taken_is_an_error(venue: AcmeVenue) -> None:
    async with served_with(venue) as served:
        with pytest.raises(OSError, match="in use"):
            async with serve_simulator(AcmeVenue(), port=served.port):
                pass


async def test_ready_line_names_everything_a_script_needs(venue: AcmeVenue) -> None:
    async with served_with(venue) as served:
        assert served.ready() == {
            "venue": "acme",
            "rest": f"http://127.0.0.1:{served.port}",
            "ws": f"ws://127.0.0.1:{served.port}/v2",
            "admin": f"http://127.0.0.1:{served.port}/admin",
            "credentials": venue.credentials(),
        }
