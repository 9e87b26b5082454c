"""How a reply's bytes go out on a socket, whole or as a fault wants them."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from holdfast.simulators.core import actions as do
from holdfast.simulators.core.front import Delivery
from holdfast.simulators.core.seam import SimReply

__all__ = ["SERVER", "deliver", "gone", "reset"]

SERVER: Final = "holdfast-simulator"

_CHUNK: Final = 1 << 16
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)


class _Gone(web.StreamResponse):
    """Ends a connection without another byte."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        raise ConnectionResetError("ended by the fault plan")


def gone() -> web.StreamResponse:
    """No reply: the connection is closed in order."""
    return _Gone()


def reset(transport: asyncio.Transport) -> web.StreamResponse:
    """No reply: the connection is reset."""
    _abort(transport)
    return _Gone()


def _abort(transport: asyncio.Transport) -> None:
    raw = transport.get_extra_info("socket")
    if raw is not None:
        # With zero lingering the kernel sends a reset instead of an orderly end.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()


async def deliver(request: web.BaseRequest, delivery: Delivery, mark: str) -> web.StreamResponse:
    """
    Write the reply of *delivery* with the simulator's *mark*. Suspends while the client is slow to read.

    Raises:
        ConnectionError: The client left meanwhile.
    """
    reply = delivery.reply
    assert reply is not None
    headers = {"X-Holdfast-Simulator": mark, "Server": SERVER, **reply.headers}
    shape = delivery.shape
    if isinstance(shape, do.HugeHeaders):
        headers.update((f"X-Filler-{index}", "x" * shape.value_bytes) for index in range(shape.count))
        shape = None
    if shape is None:
        whole = web.Response(status=reply.status, headers=headers, body=reply.body)
        await whole.prepare(request)
        return whole
    if isinstance(shape, do.CutBody):
        return await _cut(request, reply, headers, shape, delivery.shape_at)
    if isinstance(shape, do.WrongLength):
        return await _wrong_length(request, reply, headers, shape.by)
    if isinstance(shape, do.Drip):
        return await _drip(request, reply, headers, shape.bytes_per_s)
    if isinstance(shape, do.EndlessBody):
        return await _endless(request, reply, headers, shape.total_bytes)
    assert isinstance(shape, do.GzipBomb)
    return await _bomb(request, reply, headers, shape.unpacked_bytes)


async def _started(
    request: web.BaseRequest, reply: SimReply, headers: dict[str, str], *, length: int | None
) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=headers)
    if length is None:
        response.enable_chunked_encoding()
    else:
        response.content_length = length
    if request.transport is not None:
        # Waiting for a write then means that the kernel has the bytes: a reset must not overtake them.
        request.transport.set_write_buffer_limits(high=0)
    await response.prepare(request)
    return response


async def _cut(
    request: web.BaseRequest, reply: SimReply, headers: dict[str, str], shape: do.CutBody, at: int
) -> web.StreamResponse:
    response = await _started(request, reply, headers, length=None if shape.chunked else len(reply.body))
    if part := reply.body[:at]:
        await response.write(part)
    if at >= len(reply.body) and not shape.chunked:
        return response
    transport = request.transport
    if transport is None or shape.how == "close":
        if transport is not None:
            transport.close()
        return gone()
    if shape.how == "reset":
        return reset(transport)
    await asyncio.Event().wait()  # Silence: the handler is cancelled when the client leaves or the server stops.
    return response


async def _wrong_length(
    request: web.BaseRequest, reply: SimReply, headers: dict[str, str], by: int
) -> web.StreamResponse:
    await _started(request, reply, headers, length=max(0, len(reply.body) + by))
    if request.transport is not None:
        # Past the library, which would hold back what is beyond the length; in one piece, so that it arrives in one.
        request.transport.write(reply.body)
        request.transport.close()
    return gone()


async def _drip(
    request: web.BaseRequest, reply: SimReply, headers: dict[str, str], bytes_per_s: float
) -> web.StreamResponse:
    response = await _started(request, reply, headers, length=len(reply.body))
    size = max(1, int(bytes_per_s / 20))
    for at in range(0, len(reply.body), size):
        piece = reply.body[at : at + size]
        await asyncio.sleep(len(piece) / bytes_per_s)
        await response.write(piece)
    return response


async def _endless(
    request: web.BaseRequest, reply: SimReply, headers: dict[str, str], total: int
) -> web.StreamResponse:
    response = await _started(request, reply, headers, length=None)
    await response.write(reply.body)
    blanks = b" " * _CHUNK
    sent = len(reply.body)
    while sent < total:
        await response.write(blanks[: total - sent])
        sent += _CHUNK
    return response


async def _bomb(
    request: web.BaseRequest, reply: SimReply, headers: dict[str, str], unpacked: int
) -> web.StreamResponse:
    response = await _started(request, reply, {**headers, "Content-Encoding": "gzip"}, length=None)
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    await response.write(packer.compress(reply.body))
    blanks = b" " * (1 << 20)
    left = unpacked - len(reply.body)
    while left > 0:
        if packed := packer.compress(blanks[:left]):
            await response.write(packed)
        left -= len(blanks)
        await asyncio.sleep(0)
    await response.write(packer.flush())
    return response
