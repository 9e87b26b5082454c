"""PicowsWire keeps what the seam promises, whatever a server does."""

from __future__ import annotations

import asyncio
import gc
import resource
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from holdfast.core.seams import WireError
from holdfast.errors import ConfigError
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.wire import MAX_FRAME_BYTES, PicowsWire
from tests.runtime.loopback import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    Handler,
    RawServer,
    accept_of,
    always,
    frame,
    free_port,
    raw_server,
    read_frame,
    reply,
    reset,
)


class Heard:
    """What a connection told its user."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.closes: list[tuple[int | None, str]] = []
        self.something = asyncio.Event()

    def on_frame(self, message: bytes) -> None:
        self.frames.append(message)
        self.something.set()

    def on_close(self, code: int | None, reason: str) -> None:
        self.closes.append((code, reason))
        self.something.set()

    async def until_closed(self) -> tuple[int | None, str]:
        async with asyncio.timeout(5):
            while not self.closes:
                self.something.clear()
                await self.something.wait()
        await asyncio.sleep(0.02)  # A second on_close, where there were one, would come now.
        assert len(self.closes) == 1
        return self.closes[0]


def opens(*, then: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any], headers: str = "") -> Any:
    """A server that opens the WebSocket and goes on with *then*."""

    def answer(server: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await server.read_request(reader)
            writer.write(accept_of(head, headers=headers))
            await writer.drain()
            await then(reader, writer)

        return handle

    return answer


@asynccontextmanager
async def connected(
    then: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any], heard: Heard | None = None
) -> AsyncIterator[tuple[Any, Heard]]:
    heard = heard or Heard()
    async with raw_server(opens(then=then)) as server:
        connection = await PicowsWire(must_be_simulator=None).connect(
            server.ws_url, on_frame=heard.on_frame, on_close=heard.on_close, deadline_s=5
        )
        yield connection, heard
        connection.abort()


async def says(*payloads: bytes) -> tuple[Heard, tuple[int | None, str]]:
    """What is heard of a server that sends *payloads*, waits for the client's close and hangs up."""
    heard, close, _ = await conversation(*payloads)
    return heard, close


async def conversation(*payloads: bytes) -> tuple[Heard, tuple[int | None, str], list[tuple[int, bytes]]]:
    answers: list[tuple[int, bytes]] = []

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for payload in payloads:
            writer.write(payload)
        await writer.drain()
        try:
            while True:
                answers.append(await read_frame(reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    async with connected(then) as (_, heard):
        close = await heard.until_closed()
    await asyncio.sleep(0.01)
    return heard, close, answers


async def refused(answer: Callable[[RawServer], Handler], *, deadline_s: float = 5.0) -> WireError:
    heard = Heard()
    async with raw_server(answer) as server:
        with pytest.raises(WireError) as caught:
            await PicowsWire(must_be_simulator=None).connect(
                server.ws_url, on_frame=heard.on_frame, on_close=heard.on_close, deadline_s=deadline_s
            )
    assert heard.frames == []
    return caught.value


END = frame(b"\x03\xe8", opcode=CLOSE)  # 1000


# Messages


async def test_text_messages_arrive_whole_and_in_order() -> None:
    large = b'"' + b"x" * 200_000 + b'"'
    heard, close = await says(frame(b"{}"), frame(large), frame("€".encode()), END)
    assert heard.frames == [b"{}", large, "€".encode()]
    assert close == (1000, "")


async def test_fragments_are_joined_around_control_frames() -> None:
    heard, _, answers = await conversation(
        frame(b'{"a', fin=False),
        frame(b"are you there", opcode=PING),
        frame(b'":', opcode=CONTINUATION, fin=False),
        frame(b"1}", opcode=CONTINUATION),
        END,
    )
    assert heard.frames == [b'{"a":1}']
    assert (10, b"are you there") in answers


async def test_message_of_exactly_the_bound_is_taken() -> None:
    heard, _ = await says(frame(b"x" * MAX_FRAME_BYTES), END)
    assert len(heard.frames[0]) == MAX_FRAME_BYTES


@pytest.mark.parametrize(
    "payloads",
    [
        [frame(b"x" * 1000, announced=MAX_FRAME_BYTES + 1)],
        [frame(b"x" * 1000, announced=16 << 20)],
        [frame(b"x" * (MAX_FRAME_BYTES + 1))],
        [frame(b"x" * (5 << 20), fin=False), frame(b"x", opcode=CONTINUATION)],
        [frame(b"x" * (3 << 20), fin=False), frame(b"x" * (2 << 20), opcode=CONTINUATION)],
        [frame(b"", fin=False)] + [frame(b"x" * (1 << 20), opcode=CONTINUATION, fin=False)] * 5,
    ],
    ids=["one byte", "16 MiB", "one byte and all of it there", "first fragment", "two fragments", "many fragments"],
)
async def test_message_beyond_the_bound_ends_the_connection(payloads: list[bytes]) -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    heard, (code, _), answers = await conversation(*payloads)
    assert heard.frames == []
    assert code == 1009
    assert answers[0][0] == CLOSE
    assert answers[0][1][:2] == (1009).to_bytes(2, "big")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 64 * 1024


async def test_end_that_the_library_makes_is_told_once_and_to_nobody_else() -> None:
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["message"]))
    _, (code, _) = await says(frame(b"x" * 1000, announced=16 << 20))
    gc.collect()
    await asyncio.sleep(0)
    assert (code, reported) == (1009, [])


async def test_message_that_its_user_fails_on_ends_the_connection_before_the_next() -> None:
    class Failing(Heard):
        def on_frame(self, message: bytes) -> None:
            super().on_frame(message)
            raise LookupError("as arranged")

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(b"{}") + frame(b"[]"))
        await reader.read()

    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    async with connected(then, heard := Failing()):
        assert await heard.until_closed() == (1011, "not understood")
    assert heard.frames == [b"{}"]
    assert [type(error) for error in reported] == [LookupError]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (frame(b"\x00\x01", opcode=BINARY), 1003),
        (frame(b"\x00", opcode=BINARY, fin=False), 1003),
        (frame(b'{"a":"\xff"}'), 1007),
        (frame(b"\xed\xa0\x80"), 1007),
        (frame(b"\xf3\x48", rsv=4), 1002),
        (frame(b"x", opcode=CONTINUATION), 1002),
        (frame(b"{", fin=False) + frame(b"{}"), 1002),
        (frame(b"x", opcode=5), 1002),
        (frame(b"x" * 200, opcode=PING), 1002),
        (b"\x81\x82abcdef", 1002),
    ],
    ids=[
        "binary",
        "binary part",
        "not UTF-8",
        "surrogate",
        "compressed",
        "stray part",
        "interleaved",
        "opcode",
        "ping",
        "masked",
    ],
)
async def test_what_must_not_be_sent_ends_the_connection_with_the_right_code(payload: bytes, code: int) -> None:
    heard, (told, _), answers = await conversation(payload, frame(b"{}"))
    assert told == code
    assert answers[0][0] == CLOSE
    assert answers[0][1][:2] == code.to_bytes(2, "big")
    assert heard.frames == []


async def test_split_utf8_is_judged_when_whole() -> None:
    euro = "€".encode()
    heard, _ = await says(frame(euro[:1], fin=False), frame(euro[1:], opcode=CONTINUATION), END)
    assert heard.frames == [euro]


# Endings


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 1013, 3000, 4000, 4999])
async def test_close_of_the_server_is_told_with_its_code_and_answered(code: int) -> None:
    payload = frame(code.to_bytes(2, "big") + b"going", opcode=CLOSE)
    _, close, answers = await conversation(payload)
    assert close == (code, "going")
    assert answers[0] == (CLOSE, code.to_bytes(2, "big"))


async def test_close_without_a_code_is_told_without_one() -> None:
    assert (await says(frame(b"", opcode=CLOSE)))[1] == (None, "")


@pytest.mark.parametrize("is_reset", [True, False], ids=["reset", "end"])
async def test_lost_connection_is_told_without_a_code(is_reset: bool) -> None:
    async def then(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(b"{}"))
        await writer.drain()
        if is_reset:
            await asyncio.sleep(0.05)
            reset(writer)

    async with connected(then) as (connection, heard):
        assert await heard.until_closed() == (None, "")
        with pytest.raises(WireError):
            connection.send(b"{}")
    assert heard.frames == [b"{}"]


async def test_nothing_is_heard_of_a_message_cut_at_any_byte() -> None:
    whole = frame(b'{"channel":"balances"}')
    cut = [0]

    async def then(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(whole[: cut[0]])
        await writer.drain()
        reset(writer)

    wire = PicowsWire(must_be_simulator=None)
    async with raw_server(opens(then=then)) as server:
        for cut[0] in range(len(whole)):
            heard = Heard()
            await wire.connect(server.ws_url, on_frame=heard.on_frame, on_close=heard.on_close, deadline_s=5)
            code, _ = await heard.until_closed()
            assert (code, heard.frames) == (None, [])


async def test_abort_drops_the_connection_and_tells() -> None:
    async def then(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with connected(then) as (connection, heard):
        connection.abort()
        assert await heard.until_closed() == (None, "")
        connection.abort()


async def test_close_is_in_order_and_within_a_second_of_a_deaf_server() -> None:
    seen: list[tuple[int, bytes]] = []

    async def then(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        seen.append(await read_frame(reader))
        await asyncio.sleep(30)

    async with connected(then) as (connection, heard):
        started_s = SystemClock().now_s()
        await connection.close()
        assert SystemClock().now_s() - started_s < 1.5
        await heard.until_closed()
    assert seen == [(CLOSE, b"\x03\xe8")]


async def test_frames_are_sent_as_text() -> None:
    seen: list[tuple[int, bytes]] = []

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_frame(reader))
        writer.write(END)

    async with connected(then) as (connection, heard):
        connection.send(b'{"method":"ping"}')
        await heard.until_closed()
    assert seen == [(TEXT, b'{"method":"ping"}')]


async def test_library_pings_nobody_by_itself() -> None:
    seen: list[tuple[int, bytes]] = []

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(0.3):
                seen.append(await read_frame(reader))
        except TimeoutError:
            writer.write(END)

    async with connected(then) as (_, heard):
        await heard.until_closed()
    assert seen == []


# Opening


async def test_handshake_asks_for_no_compression_and_carries_our_headers() -> None:
    heard = Heard()

    async def then(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(opens(then=then)) as server:
        connection = await PicowsWire(must_be_simulator=None).connect(
            server.ws_url,
            on_frame=heard.on_frame,
            on_close=heard.on_close,
            deadline_s=5,
            headers={"User-Agent": "holdfast"},
        )
        connection.abort()
        head = server.heads[0].lower()
    assert head.startswith(b"get /v2 http/1.1\r\n")
    assert b"user-agent: holdfast\r\n" in head
    assert b"sec-websocket-extensions" not in head


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502, 520])
async def test_refused_handshake_tells_its_status(status: int) -> None:
    error = await refused(always(reply(b"<html>", status=f"{status} No")))
    assert (error.kind, error.status) == ("handshake", status)


@pytest.mark.parametrize("status", [301, 302, 307])
async def test_redirected_handshake_is_not_followed(status: int) -> None:
    async with raw_server(always(reply(b""))) as other:
        moved = reply(b"", status=f"{status} Moved", headers=f"Location: {other.ws_url}\r\n")
        error = await refused(always(moved))
        assert other.connections == 0
    assert (error.kind, error.status) == ("handshake", status)


async def test_wrong_accept_key_is_refused() -> None:
    def answer(server: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await server.read_request(reader)
            writer.write(accept_of(head).replace(b"Sec-WebSocket-Accept: ", b"Sec-WebSocket-Accept: AAAA"))
            await reader.read()

        return handle

    assert (await refused(answer)).kind == "protocol"


@pytest.mark.parametrize("head", [b"hello\r\n\r\n", b"HTTP/1.1 101 S\r\n" + b"A: b\r\n" * 10_000, b"\x00" * 100_000])
async def test_handshake_that_is_none_is_refused(head: bytes) -> None:
    assert (await refused(always(head))).kind in ("protocol", "closed")


async def test_handshake_cut_at_any_byte_is_refused() -> None:
    cut = [0]
    length = [1]

    def answer(server: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            whole = accept_of(await server.read_request(reader))
            length[0] = len(whole)
            writer.write(whole[: cut[0]])
            await writer.drain()
            reset(writer)

        return handle

    while cut[0] < length[0]:
        assert (await refused(answer)).was_sent
        cut[0] += 3


async def test_handshake_that_stalls_ends_at_the_deadline_and_leaves_no_connection() -> None:
    ended = asyncio.Event()

    def answer(server: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            writer.write(b"HTTP/1.1 101")
            assert await reader.read() == b""
            ended.set()

        return handle

    heard = Heard()
    async with raw_server(answer) as server:
        with pytest.raises(WireError) as caught:
            await PicowsWire(must_be_simulator=None).connect(
                server.ws_url, on_frame=heard.on_frame, on_close=heard.on_close, deadline_s=0.2
            )
        async with asyncio.timeout(5):
            await ended.wait()
    assert caught.value.kind == "deadline"
    assert heard.closes == []


async def test_cancelled_handshake_leaves_no_connection() -> None:
    arrived, ended = asyncio.Event(), asyncio.Event()

    def answer(server: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            arrived.set()
            await reader.read()
            ended.set()

        return handle

    heard = Heard()
    async with raw_server(answer) as server:
        opening = asyncio.create_task(
            PicowsWire(must_be_simulator=None).connect(
                server.ws_url, on_frame=heard.on_frame, on_close=heard.on_close, deadline_s=30
            )
        )
        await arrived.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        async with asyncio.timeout(5):
            await ended.wait()


async def test_refused_port_and_unknown_host_are_told_apart() -> None:
    heard = Heard()
    with pytest.raises(WireError) as caught:
        await PicowsWire(must_be_simulator=None).connect(
            f"ws://127.0.0.1:{free_port()}/", on_frame=heard.on_frame, on_close=heard.on_close, deadline_s=5
        )
    assert (caught.value.kind, caught.value.was_sent) == ("refused", False)

    async def nowhere(_: str, __: int) -> Sequence[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(WireError) as caught:
        await PicowsWire(must_be_simulator=None, resolve=nowhere).connect(
            "ws://stream.example/", on_frame=heard.on_frame, on_close=heard.on_close, deadline_s=5
        )
    assert (caught.value.kind, caught.value.was_sent) == ("dns", False)


# Simulated and real cannot be mixed up


@pytest.mark.parametrize(
    ("must_be_simulator", "headers", "is_good"),
    [
        (True, "X-Holdfast-Simulator: kraken\r\n", True),
        (True, "", False),
        (False, "", True),
        (False, "x-holdfast-simulator: kraken\r\n", False),
        (None, "X-Holdfast-Simulator: kraken\r\n", True),
    ],
)
async def test_header_of_the_handshake_decides_what_answers(
    must_be_simulator: bool | None, headers: str, is_good: bool
) -> None:
    heard = Heard()

    async def then(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(opens(then=then, headers=headers)) as server:
        opening = PicowsWire(must_be_simulator=must_be_simulator).connect(
            server.ws_url, on_frame=heard.on_frame, on_close=heard.on_close, deadline_s=5
        )
        if is_good:
            (await opening).abort()
        else:
            with pytest.raises(ConfigError, match="simulat"):
                await opening
