"""``HttpWire`` over a memory front: what a client sees of a delivery, faults included, without any bytes."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from holdfast.core.seams import Clock, HttpReply, HttpRequest, WireError
from holdfast.errors import ClosedError
from holdfast.simulators.core import actions as do
from holdfast.simulators.core.front import Delivery
from holdfast.simulators.core.seam import SimRequest

if TYPE_CHECKING:
    from holdfast.simulators.core.memory import MemoryFront

__all__ = ["ENDINGS", "MAX_BODY_BYTES", "MemoryHttpWire"]

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
MAX_HEADER_BYTES: Final = 16 * 1024
MAX_HEADERS: Final = 120

ENDINGS: Final[dict[str, tuple[str, bool]]] = {
    "reset": ("connection reset", True),
    "close": ("connection closed before a reply", True),
    "refused": ("connection refused", False),
    "dns": ("name not found", False),
    "tls": ("TLS handshake failed", False),
}
"""How a request without a reply ends: what is said, and whether it may have left."""


class MemoryHttpWire:
    """``HttpWire`` over a memory front."""

    def __init__(self, front: MemoryFront, *, clock: Clock, max_body_bytes: int) -> None:
        self._front = front
        self._clock = clock
        self._loop = front.loop
        self._max_body_bytes = max_body_bytes
        self._pending: set[_Call] = set()
        self._stale_from_s: float | None = None
        self._is_closed = False

    async def request(self, request: HttpRequest, *, deadline_s: float) -> HttpReply:
        """See ``HttpWire.request``. A request whose caller gave up still arrives: its bytes had left."""
        if self._is_closed:
            raise ClosedError("this HTTP wire was closed")
        call = _Call(self, request)
        self._pending.add(call)
        timer = self._loop.call_later(deadline_s, call.expire)
        try:
            call.depart()
            return await call.future
        finally:
            timer.cancel()
            self._pending.discard(call)

    async def close(self) -> None:
        """Abort what is open; later requests are refused. Does not suspend."""
        self._is_closed = True
        for call in list(self._pending):
            call.fail("the wire was closed", kind="closed", was_sent=True)

    def _meets_closing(self, request: HttpRequest) -> bool:
        stale_from_s, self._stale_from_s = self._stale_from_s, None
        if stale_from_s is None or self._loop.time() < stale_from_s:
            return False
        return not request.is_repeatable  # A repeatable one goes out once more on a new connection.


class _Call:
    """One request in memory, from leaving to its reply."""

    __slots__ = ("_connects", "_front", "_request", "_sent_s", "_wire", "future")

    def __init__(self, wire: MemoryHttpWire, request: HttpRequest) -> None:
        self._wire = wire
        self._front = wire._front
        self._request = request
        self._sent_s = wire._clock.now_s()
        self._connects = True
        self.future: asyncio.Future[HttpReply] = wire._loop.create_future()

    def depart(self) -> None:
        self._front.after(self._arrive)

    def _arrive(self) -> None:
        request = self._request
        if self._wire._meets_closing(request):
            self._land_later(Delivery(ending="reset"))
            return
        parts = urlsplit(request.url)
        self._front.accept(
            SimRequest(
                method=request.method,
                path=parts.path or "/",
                query=parts.query,
                headers={name.lower(): value for name, value in request.headers.items()},
                body=request.body,
            ),
            self._land_later,
        )

    def _land_later(self, delivery: Delivery) -> None:
        if delivery.ending == "connect_timeout":
            self._connects = False  # Nothing more happens until the deadline.
            return
        shape = delivery.shape
        if isinstance(shape, do.Drip) and delivery.reply is not None:
            self._front.loop.call_later(len(delivery.reply.body) / shape.bytes_per_s, self._land, delivery)
        else:
            self._front.after(self._land, delivery)

    def _land(self, delivery: Delivery) -> None:
        if self.future.done():
            return
        if delivery.ending is not None:
            text, was_sent = ENDINGS[delivery.ending]
            kind = "closed" if delivery.ending == "close" else delivery.ending
            self.fail(text, kind=kind, was_sent=was_sent)
            return
        reply = delivery.reply
        assert reply is not None
        if delivery.idle is not None and delivery.idle.races:
            self._wire._stale_from_s = self._front.loop.time() + delivery.idle.after_s
        headers = self._front.headers_of(reply)
        body: bytes | None = reply.body
        if delivery.shape is not None:
            body = self._shaped(reply.body, headers, delivery)
        if body is None:
            return
        if "content-encoding" in headers and not isinstance(delivery.shape, do.GzipBomb):
            body = self._decoded(body, headers["content-encoding"])
            if body is None:
                return
        if len(body) > self._wire._max_body_bytes:
            self.fail(f"body over {self._wire._max_body_bytes} bytes", kind="too_large", was_sent=True)
            return
        self._front.saw(body)
        self.future.set_result(
            HttpReply(
                status=reply.status,
                headers=headers,
                body=body,
                sent_s=self._sent_s,
                received_s=self._wire._clock.now_s(),
            )
        )

    def _shaped(self, body: bytes, headers: dict[str, str], delivery: Delivery) -> bytes | None:
        """What is left of *body*, or None where the shape ended the call or leaves it to the deadline."""
        shape = delivery.shape
        if isinstance(shape, do.CutBody):
            if delivery.shape_at >= len(body) and not shape.chunked:
                return body
            if shape.how != "silence":
                # Inside a body the real wire does not tell a reset from a close: both are a body without its end.
                text = f"connection lost after {min(delivery.shape_at, len(body))} bytes of the body"
                self.fail(text, kind="closed", was_sent=True)
            return None
        if isinstance(shape, do.WrongLength):
            headers["content-length"] = str(len(body) + shape.by)
            if shape.by > 0:
                self.fail("connection closed inside the body", kind="closed", was_sent=True)
                return None
            if shape.by < 0:
                self.fail("bytes after the declared body", kind="protocol", was_sent=True)
                return None
            return body
        if isinstance(shape, do.GzipBomb | do.EndlessBody):
            size = shape.unpacked_bytes if isinstance(shape, do.GzipBomb) else shape.total_bytes
            if size > self._wire._max_body_bytes:
                self.fail(f"body over {self._wire._max_body_bytes} bytes", kind="too_large", was_sent=True)
                return None
            return body.ljust(size)
        if isinstance(shape, do.HugeHeaders):
            if shape.value_bytes > MAX_HEADER_BYTES or shape.count > MAX_HEADERS:
                self.fail("headers over the bound", kind="protocol", was_sent=True)
                return None
            headers.update((f"x-filler-{index}", "x" * shape.value_bytes) for index in range(shape.count))
        return body

    def _decoded(self, body: bytes, encoding: str) -> bytes | None:
        """The body as a client that takes gzip and deflate reads it, or None where it cannot."""
        word = encoding.strip().lower()
        if word == "identity":
            return body
        try:
            if word in ("gzip", "deflate"):
                return zlib.decompress(body, zlib.MAX_WBITS | (16 if word == "gzip" else 0))
        except zlib.error:
            pass
        self.fail(f"content encoding {encoding}", kind="encoding", was_sent=True)
        return None

    def expire(self) -> None:
        if self._connects:
            self.fail("no whole reply within the deadline", kind="deadline", was_sent=True)
        else:
            self.fail("not connected within the deadline", kind="connect_timeout", was_sent=False)

    def fail(self, text: str, *, kind: str, was_sent: bool) -> None:
        if not self.future.done():
            self.future.set_exception(WireError(text, kind=kind, was_sent=was_sent))
