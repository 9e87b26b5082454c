"""
The in-memory front: the same venue, faults and journal without sockets, on whatever loop is running.

Bytes travel by seeded latency through the running loop's timers, so a virtual-time loop makes a week pass in seconds.
Order is kept per direction of a connection; HTTP requests in flight together may overtake each other, as on separate
connections.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Callable, Mapping
from email.utils import formatdate
from random import Random
from typing import Final
from urllib.parse import urlsplit

from holdfast.core.seams import Clock, HttpReply, HttpRequest, StreamConnection, WireError
from holdfast.errors import ClosedError
from holdfast.simulators.core import actions as do
from holdfast.simulators.core.faults import FaultPlan
from holdfast.simulators.core.front import Delivery, Front
from holdfast.simulators.core.journal import Journal
from holdfast.simulators.core.line import Line
from holdfast.simulators.core.pipe import Pipe
from holdfast.simulators.core.seam import SimReply, SimRequest, SimulatedVenue

__all__ = ["MemoryFront", "MemoryHttpWire", "MemoryStreamWire"]

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
MAX_FRAME_BYTES: Final = 4 * 1024 * 1024
MAX_HEADER_BYTES: Final = 16 * 1024
MAX_HEADERS: Final = 120

_ENDINGS: Final[dict[str, tuple[str, bool]]] = {
    "reset": ("connection reset", True),
    "close": ("connection closed before a reply", True),
    "refused": ("connection refused", False),
    "dns": ("name not found", False),
    "tls": ("TLS handshake failed", False),
}


class MemoryFront(Front):
    """
    One simulated venue reachable without sockets.

    Args:
        venue: The venue; the host of every URL is ignored, its path used.
        clock: Times the journal and the rules, and dates replies: the venue's side of time.
        plan: The faults; a plan without rules where None.
        journal: Where everything is written; a new one where None.
        rng: Draws the latencies.
        latency_s: Bounds of the one-way time of every message, in seconds.
        loop: The loop everything runs on; the running one where None.
        with_digest: Keep a running hash of everything that reached clients, for proof that a seed replays.
    """

    def __init__(
        self,
        venue: SimulatedVenue,
        *,
        clock: Clock,
        plan: FaultPlan | None = None,
        journal: Journal | None = None,
        rng: Random | None = None,
        latency_s: tuple[float, float] = (0.0, 0.0),
        loop: asyncio.AbstractEventLoop | None = None,
        with_digest: bool = False,
    ) -> None:
        super().__init__(venue, loop=loop or asyncio.get_running_loop(), clock=clock, plan=plan, journal=journal)
        self._rng = rng or Random(0)  # noqa: S311 - reproducible latency, not secrets.
        self._low_s = latency_s[0]
        self._span_s = latency_s[1] - latency_s[0]
        self._digest = hashlib.blake2b(digest_size=16) if with_digest else None
        self._date_s = -1
        self._date = ""

    def http_wire(self, *, clock: Clock | None = None, max_body_bytes: int = MAX_BODY_BYTES) -> MemoryHttpWire:
        """
        A client's HTTP side, as ``HttpWire``.

        Args:
            clock: The client's own clock, which stamps replies; the front's where None.
            max_body_bytes: Bodies over this are refused, as the wire contract wants.
        """
        return MemoryHttpWire(self, clock=clock or self.clock, max_body_bytes=max_body_bytes)

    def stream_wire(self, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> MemoryStreamWire:
        """A client's stream side, as ``StreamWire``."""
        return MemoryStreamWire(self, max_frame_bytes=max_frame_bytes)

    def digest(self) -> str:
        """
        The hash of every byte that reached a client so far, in order.

        Raises:
            ValueError: The front was made without ``with_digest``.
        """
        if self._digest is None:
            raise ValueError("made without with_digest")
        return self._digest.hexdigest()

    def _saw(self, arrived: bytes) -> None:
        if self._digest is not None:
            self._digest.update(arrived)

    def _latency_s(self) -> float:
        return self._low_s + self._span_s * self._rng.random() if self._span_s else self._low_s

    def _headers(self, reply: SimReply) -> dict[str, str]:
        second = self.clock.wall_us() // 1_000_000
        if second != self._date_s:
            self._date_s = second
            self._date = formatdate(second, usegmt=True)
        headers = {name.lower(): value for name, value in reply.headers.items()}
        headers["x-holdfast-simulator"] = f"{self.venue.id}/1"
        headers.setdefault("date", self._date)
        headers.setdefault("content-length", str(len(reply.body)))
        return headers


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
        _after(self._front, self._arrive)

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
            _after(self._front, self._land, delivery)

    def _land(self, delivery: Delivery) -> None:
        if self.future.done():
            return
        if delivery.ending is not None:
            text, was_sent = _ENDINGS[delivery.ending]
            kind = "closed" if delivery.ending == "close" else delivery.ending
            self.fail(text, kind=kind, was_sent=was_sent)
            return
        reply = delivery.reply
        assert reply is not None
        if delivery.idle is not None and delivery.idle.races:
            self._wire._stale_from_s = self._front.loop.time() + delivery.idle.after_s
        headers = self._front._headers(reply)
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
        self._front._saw(body)
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


def _after(front: MemoryFront, step: Callable[..., object], *args: object) -> None:
    delay_s = front._latency_s()
    if delay_s > 0:
        front.loop.call_later(delay_s, step, *args)
    else:
        front.loop.call_soon(step, *args)


class MemoryStreamWire:
    """``StreamWire`` over a memory front."""

    def __init__(self, front: MemoryFront, *, max_frame_bytes: int) -> None:
        self._front = front
        self._max_frame_bytes = max_frame_bytes

    async def connect(
        self,
        url: str,
        *,
        on_frame: Callable[[bytes], None],
        on_close: Callable[[int | None, str], None],
        deadline_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> StreamConnection:
        """See ``StreamWire.connect``. The first frames may reach *on_frame* before this returns, as on a socket."""
        connection = _Connection(self._front, on_frame, on_close, max_frame_bytes=self._max_frame_bytes)
        timer = self._front.loop.call_later(deadline_s, connection.expire)
        named = {name.lower(): value for name, value in (headers or {}).items()}
        path = urlsplit(url).path or "/"
        _after(self._front, self._front.open_line, path, named, connection.link, connection.answered)
        try:
            return await connection.opened
        except BaseException:
            connection.abandon()
            raise
        finally:
            timer.cancel()


class _Link:
    """The venue's end: what the venue says, on its way to the client."""

    __slots__ = ("_connection", "_down", "_front", "_is_open", "_waiting")

    def __init__(self, front: MemoryFront, connection: _Connection) -> None:
        self._front = front
        self._connection = connection
        self._down: Pipe[tuple[str, bytes, int]] = Pipe(front.loop, connection.arrived)
        self._waiting: list[tuple[str, bytes, int]] = []
        self._is_open = False

    def say(self, what: str, payload: bytes = b"", code: int = 0) -> None:
        if self._is_open:
            self._down.push((what, payload, code), self._front._latency_s())
        else:
            self._waiting.append((what, payload, code))

    def open(self) -> None:
        self._is_open = True
        waiting, self._waiting = self._waiting, []
        self.say("open")
        for item in waiting:
            self.say(*item)

    def text(self, frame: bytes) -> None:
        if self._is_open:
            self._down.push(("text", frame, 0), self._front._latency_s())
        else:
            self._waiting.append(("text", frame, 0))

    def fragments(self, parts: list[bytes]) -> None:
        self.text(b"".join(parts))

    def binary(self, frame: bytes) -> None:
        self.say("binary", frame)

    def invalid_utf8(self, frame: bytes) -> None:
        self.say("invalid_utf8", frame)

    def pong(self, payload: bytes) -> None:
        """Memory clients send no protocol pings."""

    def close(self, code: int, reason: str) -> None:
        self.say("close", reason.encode(), code)

    def abort(self) -> None:
        self.say("abort")

    def hush(self) -> None:
        self._down.clear()


class _Connection:
    """The client's end, as ``StreamConnection``."""

    def __init__(
        self,
        front: MemoryFront,
        on_frame: Callable[[bytes], None],
        on_close: Callable[[int | None, str], None],
        *,
        max_frame_bytes: int,
    ) -> None:
        self._front = front
        self._on_frame = on_frame
        self._on_close = on_close
        self._max_frame_bytes = max_frame_bytes
        self._line: Line | None = None
        self._connects = True
        self._is_open = False
        self._is_ended = False
        self._farewell: asyncio.Future[None] | None = None
        self._up: Pipe[bytes | None] = Pipe(front.loop, self._reaches_venue)
        self.opened: asyncio.Future[StreamConnection] = front.loop.create_future()
        self.link = _Link(front, self)

    # Opening

    def answered(self, answer: Line | SimReply | str) -> None:
        if isinstance(answer, Line):
            self._line = answer
            if self._is_ended:
                answer.gone("1006 client")  # The client gave up while the handshake was under way.
            else:
                self.link.open()
        elif isinstance(answer, SimReply):
            text = f"handshake refused with {answer.status}"
            _after(self._front, self._refuse, text, "handshake", True, answer.status)
        elif answer == "connect_timeout":
            self._connects = False  # Nothing more happens until the deadline.
        else:
            text, was_sent = _ENDINGS[answer]
            _after(self._front, self._refuse, text, answer, was_sent, None)

    def _refuse(self, text: str, kind: str, was_sent: bool, status: int | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(WireError(text, kind=kind, was_sent=was_sent, status=status))

    def expire(self) -> None:
        if self._connects:
            self._refuse("not open within the deadline", "deadline", True, None)
        else:
            self._refuse("not connected within the deadline", "connect_timeout", False, None)

    def abandon(self) -> None:
        self._is_ended = True
        self.link.hush()
        if self._line is not None:
            self._line.gone("1006 client")

    # From the venue

    def arrived(self, item: tuple[str, bytes, int]) -> None:
        what, payload, code = item
        if self._is_ended:
            return
        if what == "text":
            if len(payload) > self._max_frame_bytes:
                self._drop(1009, f"message over {self._max_frame_bytes} bytes")
                return
            self._front._saw(payload)
            self._on_frame(payload)
        elif what == "open":
            self._is_open = True
            if not self.opened.done():
                self.opened.set_result(self)
        elif what == "close":
            self._ended(code, payload.decode())
        elif what == "abort":
            self._ended(None, "connection lost")
        elif what == "binary":
            self._drop(1003, "binary message")
        else:
            self._drop(1007, "message is not UTF-8")

    def _drop(self, code: int, reason: str) -> None:
        """Our own end of a connection whose peer broke the rules."""
        self._tell_venue(f"{code} client")
        self._ended(code, reason)

    def _ended(self, code: int | None, reason: str) -> None:
        if self._is_ended:
            return
        self._is_ended = True
        self._is_open = False
        self._up.clear()
        self.link.hush()
        if self._farewell is not None and not self._farewell.done():
            self._farewell.set_result(None)
        self._on_close(code, reason)

    def _tell_venue(self, why: str) -> None:
        if self._line is not None:
            _after(self._front, self._line.gone, why)

    # StreamConnection

    def send(self, frame: bytes) -> None:
        if not self._is_open:
            raise WireError("the connection is closed", kind="closed", was_sent=False)
        self._up.push(frame, self._front._latency_s())

    def abort(self) -> None:
        if self._is_ended:
            return
        self._is_open = False
        self._up.clear()
        self.link.hush()
        self._tell_venue("1006 client")
        self._front.loop.call_soon(self._ended, None, "aborted")

    async def close(self) -> None:
        if self._is_ended or not self._is_open:
            return
        self._is_open = False
        self._up.push(None, self._front._latency_s())
        self._farewell = self._front.loop.create_future()
        timer = self._front.loop.call_later(1.0, self._ended, None, "no answer to close")
        try:
            await self._farewell
        finally:
            timer.cancel()
            if not self._is_ended:
                self._ended(None, "closed")

    def _reaches_venue(self, frame: bytes | None) -> None:
        line = self._line
        if line is None:
            return
        if frame is not None:
            line.receive(frame)
            return
        if line.is_speaking():
            self.link.close(1000, "")
        line.gone("1000 client")
