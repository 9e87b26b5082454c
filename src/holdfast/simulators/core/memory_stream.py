"""``StreamWire`` over a memory front: both ends of a connection, a pipe each way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from holdfast.core.seams import StreamConnection, WireError
from holdfast.simulators.core.line import Line
from holdfast.simulators.core.memory_http import ENDINGS
from holdfast.simulators.core.pipe import Pipe
from holdfast.simulators.core.seam import SimReply

if TYPE_CHECKING:
    from holdfast.simulators.core.memory import MemoryFront

__all__ = ["MAX_FRAME_BYTES", "MemoryStreamWire"]

MAX_FRAME_BYTES: Final = 4 * 1024 * 1024


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
        self._front.after(self._front.open_line, path, named, connection.link, connection.answered)
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
            self._down.push((what, payload, code), self._front.latency_s())
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
            self._down.push(("text", frame, 0), self._front.latency_s())
        else:
            self._waiting.append(("text", frame, 0))

    def fragments(self, parts: list[bytes]) -> None:
        self.text(b"".join(parts))

    def binary(self, frame: bytes) -> None:
        self.say("binary", frame)

    def invalid_utf8(self, frame: bytes) -> None:
        self.say("invalid_utf8", frame)

    def compressed(self, frame: bytes) -> None:
        self.say("compressed", frame)

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
            self._front.after(self._refuse, text, "handshake", True, answer.status)
        elif answer == "connect_timeout":
            self._connects = False  # Nothing more happens until the deadline.
        else:
            text, was_sent = ENDINGS[answer]
            self._front.after(self._refuse, text, answer, was_sent, None)

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
            self._front.saw(payload)
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
        elif what == "compressed":
            self._drop(1002, "compression was not agreed on")
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
            self._front.after(self._line.gone, why)

    # StreamConnection

    def send(self, frame: bytes) -> None:
        if not self._is_open:
            raise WireError("the connection is closed", kind="closed", was_sent=False)
        self._up.push(frame, self._front.latency_s())

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
        self._up.push(None, self._front.latency_s())
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
