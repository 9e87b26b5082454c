"""AiohttpWire keeps what the seam promises, whatever a server does."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import resource
import socket
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from holdfast.core.seams import HttpRequest, WireError
from holdfast.errors import ClosedError
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.wire import MAX_BODY_BYTES, AiohttpWire
from holdfast.testing import FakeClock
from tests.runtime.loopback import Handler, RawServer, always, free_port, once, raw_server, reply, reset


@asynccontextmanager
async def a_wire(**options: Any) -> AsyncIterator[AiohttpWire]:
    wire = AiohttpWire(clock=SystemClock(), **options)
    try:
        yield wire
    finally:
        await wire.close()


def get(server: RawServer, path: str = "/x", *, is_repeatable: bool = False) -> HttpRequest:
    return HttpRequest(method="GET", url=server.url + path, headers={}, is_repeatable=is_repeatable)


def post(server: RawServer, body: bytes = b"nonce=1") -> HttpRequest:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "API-Sign": "abc/+="}
    return HttpRequest(method="POST", url=server.url + "/0/private/Balance", headers=headers, body=body)


async def failure(wire: AiohttpWire, request: HttpRequest, *, deadline_s: float = 5.0) -> WireError:
    with pytest.raises(WireError) as caught:
        await wire.request(request, deadline_s=deadline_s)
    return caught.value


async def failure_of(answer: Callable[[RawServer], Handler], *, deadline_s: float = 5.0) -> WireError:
    async with a_wire() as wire, raw_server(answer) as server:
        return await failure(wire, post(server), deadline_s=deadline_s)


# What goes out, and what comes back


async def test_request_leaves_exactly_as_it_was_signed() -> None:
    async with a_wire() as wire, raw_server(always(reply(b"{}"))) as server:
        request = HttpRequest(
            method="GET", url=f"{server.url}/0/public/Ticker?pair=A%2bB%2CC&x=1+2", headers={"User-Agent": "holdfast"}
        )
        await wire.request(request, deadline_s=5)
        head = server.heads[0]
    assert head.startswith(b"GET /0/public/Ticker?pair=A%2bB%2CC&x=1+2 HTTP/1.1\r\n")
    sent = {line.partition(b":")[0].lower() for line in head.strip().split(b"\r\n")[1:]}
    assert sent == {b"host", b"user-agent", b"accept-encoding"}


async def test_reply_has_lower_case_headers_and_its_times() -> None:
    async with a_wire() as wire, raw_server(always(reply(b"{}", headers="X-Holdfast-Simulator: 1\r\n"))) as server:
        before_s = SystemClock().now_s()
        answer = await wire.request(post(server), deadline_s=5)
    assert (answer.status, answer.body, answer.headers["x-holdfast-simulator"]) == (200, b"{}", "1")
    assert before_s <= answer.sent_s <= answer.received_s <= SystemClock().now_s()


async def test_connections_are_kept_alive_between_calls() -> None:
    async with a_wire() as wire, raw_server(always(reply(b"{}"))) as server:
        for _ in range(3):
            await wire.request(post(server), deadline_s=5)
        assert server.connections == 1


async def test_connection_is_not_used_beyond_its_age() -> None:
    clock = FakeClock()
    wire = AiohttpWire(clock=clock)
    async with raw_server(always(reply(b"{}"))) as server:
        await wire.request(post(server), deadline_s=5)
        clock.advance(239)
        await wire.request(post(server), deadline_s=5)
        assert server.connections == 1
        clock.advance(2)
        await wire.request(post(server), deadline_s=5)
        assert server.connections == 2
        await wire.close()


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_redirect_is_an_answer_and_is_never_followed(status: str) -> None:
    async with raw_server(always(reply(b"{}"))) as other, a_wire() as wire:
        moved = reply(b"", status=status, headers=f"Location: {other.url}/stolen\r\n")
        async with raw_server(always(moved)) as server:
            answer = await wire.request(post(server), deadline_s=5)
        assert answer.status == int(status[:3])
        assert other.connections == 0


async def test_cookies_and_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    async with a_wire() as wire, raw_server(always(reply(b"{}", headers="Set-Cookie: a=b\r\n"))) as server:
        await wire.request(post(server), deadline_s=5)
        await wire.request(post(server), deadline_s=5)
        assert b"cookie" not in server.heads[1].lower()


# Content encodings


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body, wbits=-15)),
        ("GZip", gzip.compress),
        ("identity", lambda body: body),
    ],
)
async def test_agreed_encodings_are_undone(encoding: str, encode: Callable[[bytes], bytes]) -> None:
    body = b'{"error":[],"result":{}}' * 100
    answered = always(reply(encode(body), headers=f"Content-Encoding: {encoding}\r\n"))
    async with a_wire() as wire, raw_server(answered) as server:
        assert (await wire.request(post(server), deadline_s=5)).body == body


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip, identity", "compress"])
async def test_other_and_double_encodings_are_refused(encoding: str) -> None:
    error = await failure_of(always(reply(gzip.compress(b"{}"), headers=f"Content-Encoding: {encoding}\r\n")))
    assert (error.kind, error.was_sent) == ("encoding", True)


@pytest.mark.parametrize(
    "body",
    [b"not gzip at all", gzip.compress(b"x" * 1000)[:-9], gzip.compress(b"x") + gzip.compress(b"y")],
    ids=["garbage", "truncated", "trailing"],
)
async def test_broken_compressed_body_is_refused(body: bytes) -> None:
    error = await failure_of(always(reply(body, headers="Content-Encoding: gzip\r\n")))
    assert error.kind == "encoding"


async def test_gzip_bomb_is_refused_within_bounded_memory() -> None:
    bomb = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    packed = b"".join(bomb.compress(zeros) for _ in range(128)) + bomb.flush()  # 128 MiB in 128 kB.
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = await failure_of(always(reply(packed, headers="Content-Encoding: gzip\r\n")))
    assert error.kind == "too_large"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 64 * 1024


# Sizes


async def test_announced_body_beyond_the_bound_is_not_even_read() -> None:
    error = await failure_of(once(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n{"))
    assert (error.kind, error.was_sent) == ("too_large", True)


def _endless(server: RawServer) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        block = b"40000\r\n" + b"x" * 0x40000 + b"\r\n"
        while not writer.transport.is_closing():
            writer.write(block)
            await writer.drain()

    return handle


async def test_endless_body_is_cut_at_the_bound() -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = await failure_of(_endless)
    assert error.kind == "too_large"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 64 * 1024


async def test_body_of_exactly_the_bound_is_taken() -> None:
    body = b"x" * MAX_BODY_BYTES
    async with a_wire() as wire, raw_server(once(reply(body))) as server:
        assert len((await wire.request(post(server), deadline_s=10)).body) == MAX_BODY_BYTES


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"H%d: v\r\n" % n for n in range(100_000)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nH: " + b"v" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 " + b"O" * 100_000 + b"\r\n\r\n",
    ],
    ids=["many", "long", "status line"],
)
async def test_headers_beyond_the_bounds_are_refused(head: bytes) -> None:
    error = await failure_of(once(head))
    assert (error.kind, error.was_sent) == ("protocol", True)


async def test_something_that_is_no_http_is_refused() -> None:
    error = await failure_of(once(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"))
    assert (error.kind, error.was_sent) == ("protocol", True)


# Time


def _drip(server: RawServer) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_request(reader)
        for byte in reply(b"{}" * 1000):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    return handle


async def test_slow_drip_ends_at_the_whole_deadline() -> None:
    started_s = SystemClock().now_s()
    error = await failure_of(_drip, deadline_s=0.3)
    assert (error.kind, error.was_sent) == ("deadline", True)
    assert SystemClock().now_s() - started_s < 1.5


async def test_server_that_never_answers_ends_at_the_deadline() -> None:
    def silent(server: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            await reader.read()

        return handle

    error = await failure_of(silent, deadline_s=0.2)
    assert (error.kind, error.was_sent) == ("deadline", True)


async def test_connection_that_hangs_was_provably_not_sent() -> None:
    # A full backlog swallows what tries to connect, as a firewall that drops does.
    with socket.socket() as full, socket.socket() as filler:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        filler.connect(full.getsockname())
        async with a_wire() as wire:
            request = HttpRequest(method="POST", url=f"http://127.0.0.1:{full.getsockname()[1]}/", headers={})
            errors = [await failure(wire, request, deadline_s=0.2) for _ in range(2)]
    assert ("connect_timeout", False) in [(error.kind, error.was_sent) for error in errors]


# Who is there


async def test_refused_connection_was_provably_not_sent() -> None:
    async with a_wire() as wire:
        error = await failure(wire, HttpRequest(method="POST", url=f"http://127.0.0.1:{free_port()}/", headers={}))
    assert (error.kind, error.was_sent) == ("refused", False)


async def test_unknown_host_was_provably_not_sent_and_heals_at_once() -> None:
    answers: list[Sequence[tuple[Any, ...]] | None] = [None]

    async def resolve(host: str, port: int) -> Sequence[tuple[Any, ...]]:
        assert host == "api.example"
        if answers[0] is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answers[0]

    async with a_wire(resolve=resolve) as wire, raw_server(always(reply(b"{}"))) as server:
        request = HttpRequest(method="POST", url=f"http://api.example:{server.port}/", headers={})
        error = await failure(wire, request)
        assert (error.kind, error.was_sent) == ("dns", False)
        answers[0] = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]
        assert (await wire.request(request, deadline_s=5)).body == b"{}"


# Endings in the middle


async def test_reset_after_every_byte_is_told_and_never_gives_half_a_body() -> None:
    whole = reply(b'{"error":[]}', close=True)
    cut = [0]

    def answer(server: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            writer.write(whole[: cut[0]])
            await writer.drain()
            reset(writer)

        return handle

    async with a_wire() as wire, raw_server(answer) as server:
        for cut[0] in range(len(whole)):
            error = await failure(wire, post(server))
            assert error.was_sent
            assert error.kind in ("reset", "closed", "protocol")
        assert server.connections == len(whole)


async def test_end_after_every_byte_is_told_and_never_gives_half_a_body() -> None:
    whole = reply(b'{"error":[]}', close=True)
    cut = [0]

    def answer(server: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            writer.write(whole[: cut[0]])

        return handle

    async with a_wire() as wire, raw_server(answer) as server:
        for cut[0] in range(len(whole)):
            error = await failure(wire, post(server))
            assert error.was_sent
            assert error.kind in ("closed", "protocol")


async def test_truncated_chunks_are_told() -> None:
    error = await failure_of(once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{}"))
    assert (error.kind, error.was_sent) == ("closed", True)


# Kept-alive connections that died meanwhile


def _dies_after_the_first(server: RawServer) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_request(reader)
        writer.write(reply(b'{"n":1}'))
        await writer.drain()
        if server.connections == 1:
            # The second request arrives, and is thrown away unanswered.
            await server.read_request(reader)
            reset(writer)
        else:
            await server.read_request(reader)

    return handle


async def test_repeatable_request_is_sent_again_when_the_kept_connection_is_dead() -> None:
    async with a_wire() as wire, raw_server(_dies_after_the_first) as server:
        await wire.request(get(server, is_repeatable=True), deadline_s=5)
        assert (await wire.request(get(server, is_repeatable=True), deadline_s=5)).body == b'{"n":1}'
        assert (server.connections, len(server.heads)) == (2, 3)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_any_other_request_is_sent_once(method: str) -> None:
    async with a_wire() as wire, raw_server(_dies_after_the_first) as server:
        request = HttpRequest(method=method, url=server.url, headers={}, body=b"")
        await wire.request(request, deadline_s=5)
        error = await failure(wire, request)
        assert error.was_sent
        assert error.kind in ("closed", "reset")
        assert len(server.heads) == 2


async def test_fresh_connection_that_dies_is_not_tried_again() -> None:
    def dies(server: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            reset(writer)

        return handle

    async with a_wire() as wire, raw_server(dies) as server:
        await failure(wire, get(server, is_repeatable=True))
        assert server.connections == 1


# Giving up


async def test_cancelled_call_leaves_no_connection_behind() -> None:
    ended = asyncio.Event()
    arrived = asyncio.Event()

    def waits(server: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            arrived.set()
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""  # Nothing of it is written afterwards.
            ended.set()

        return handle

    async with a_wire() as wire, raw_server(waits) as server:
        call = asyncio.create_task(wire.request(post(server), deadline_s=30))
        await arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        async with asyncio.timeout(5):
            await ended.wait()
        async with raw_server(always(reply(b"{}"))) as other:
            assert (await wire.request(post(other), deadline_s=5)).status == 200


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_unread_request_is_dropped_not_flushed_when_the_deadline_passes() -> None:
    """The peer reads nothing, so part of a large body is still ours when time is up: it must never follow."""
    seen = bytearray()
    go_on = asyncio.Event()
    ended = asyncio.Event()

    def waits(_: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # Of the server's own read side.
            await go_on.wait()
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            with contextlib.suppress(ConnectionError):
                while block := await reader.read(1 << 20):
                    seen.extend(block)
            ended.set()

        return handle

    body = b"x" * (16 << 20)
    async with a_wire() as wire, raw_server(waits) as server:
        error = await failure(wire, post(server, body), deadline_s=0.3)
        assert (error.kind, error.was_sent) == ("deadline", True)
        go_on.set()
        async with asyncio.timeout(5):
            await ended.wait()
    assert len(seen) < len(body)


async def test_closed_wire_aborts_what_is_open_and_refuses_more() -> None:
    wire = AiohttpWire(clock=SystemClock())
    arrived = asyncio.Event()

    def waits(server: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            arrived.set()
            await reader.read()

        return handle

    async with raw_server(waits) as server:
        call = asyncio.create_task(wire.request(post(server), deadline_s=30))
        await arrived.wait()
        await wire.close()
        with pytest.raises(WireError) as caught:
            await call
        assert caught.value.was_sent
        with pytest.raises(ClosedError):
            await wire.request(post(server), deadline_s=5)


def test_wire_of_another_loop_is_refused() -> None:
    wire = AiohttpWire(clock=SystemClock())

    async def use() -> None:
        async with raw_server(once(reply(b"{}", close=True))) as server:
            await wire.request(post(server), deadline_s=5)

    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(use())
        with pytest.raises(ClosedError):
            second.run(use())
        first.run(wire.close())
