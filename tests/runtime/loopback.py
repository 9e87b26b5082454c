"""A raw server on loopback for the wires' tests: it says exactly the bytes it is told, and when."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """
    What the server saw.

    Attributes:
        port: Where it listens.
        connections: How many were accepted.
        heads: The head of every request, as it arrived.
    """

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.heads: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v2"

    async def read_request(self, reader: asyncio.StreamReader) -> bytes:
        """One request, head and body; empty where the client hung up instead."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        self.heads.append(head)
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return head + (await reader.readexactly(length) if length else b"")


@asynccontextmanager
async def raw_server(answer: Callable[[RawServer], Handler]) -> AsyncIterator[RawServer]:
    """Serve *answer*'s handler; every connection that is still open at the end is dropped."""
    server = RawServer()
    handle = answer(server)
    writers: set[asyncio.StreamWriter] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        writers.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await handle(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def reply(body: bytes, *, status: str = "200 OK", headers: str = "", close: bool = False) -> bytes:
    """A whole HTTP reply."""
    connection = "Connection: close\r\n" if close else ""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{connection}{headers}\r\n"
    return head.encode("latin-1") + body


def always(payload: bytes) -> Callable[[RawServer], Handler]:
    """Answer every request of every connection with *payload*."""

    def answer(server: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await server.read_request(reader):
                writer.write(payload)
                await writer.drain()

        return handle

    return answer


def once(payload: bytes, *, then_reset: bool = False) -> Callable[[RawServer], Handler]:
    """Answer one request per connection with *payload*, then end it: in order, or with a reset."""

    def answer(server: RawServer) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            writer.write(payload)
            await writer.drain()
            if then_reset:
                reset(writer)

        return handle

    return answer


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a TCP reset."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# WebSocket, by hand: the tests send what no library would


TEXT, BINARY, CONTINUATION, CLOSE, PING = 1, 2, 0, 8, 9


def accept_of(head: bytes, *, headers: str = "") -> bytes:
    """The answer that opens the WebSocket which *head* asks for."""
    key = next(
        line.partition(b":")[2].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
    ).encode()


def frame(payload: bytes, *, opcode: int = TEXT, fin: bool = True, rsv: int = 0, announced: int | None = None) -> bytes:
    """One frame of a server; *announced* lies about its length."""
    length = len(payload) if announced is None else announced
    first = (0x80 if fin else 0) | (rsv << 4) | opcode
    if length < 126:
        return bytes([first, length]) + payload
    if length < 65536:
        return bytes([first, 126]) + struct.pack(">H", length) + payload
    return bytes([first, 127]) + struct.pack(">Q", length) + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """One frame of a client: its opcode and its payload, unmasked."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length == 126:
        length = struct.unpack(">H", await reader.readexactly(2))[0]
    elif length == 127:
        length = struct.unpack(">Q", await reader.readexactly(8))[0]
    mask = await reader.readexactly(4)
    payload = await reader.readexactly(length)
    return first & 0x0F, bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
