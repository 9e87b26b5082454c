"""The server's half of RFC 6455: unmasked frames, written at once and in order."""

from __future__ import annotations

import asyncio
from typing import Final

__all__ = ["SocketCarrier", "frame_bytes"]

TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PONG: Final = 0xA
CLOSE_WAIT_S: Final = 1.0

MAX_BUFFERED_BYTES: Final = 64 * 1024 * 1024
"""A client for whom so much waits already is cut off at the next frame."""


def frame_bytes(opcode: int, payload: bytes, *, is_final: bool = True) -> bytes:
    """One WebSocket frame from a server (https://www.rfc-editor.org/rfc/rfc6455#section-5.2)."""
    first = (0x80 if is_final else 0) | opcode
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


class SocketCarrier:
    """``Carrier`` over one transport; keeps what is said until the handshake has been answered."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self._aborts = False
        self.is_closing = False

    def open(self, transport: asyncio.Transport) -> None:
        """The handshake was answered: say what was kept."""
        self._transport = transport
        for frame in self._waiting:
            transport.write(frame)
        self._waiting.clear()
        if self._aborts:
            transport.abort()
        elif self.is_closing:
            self._loop.call_later(CLOSE_WAIT_S, transport.close)

    def _write(self, frame: bytes) -> None:
        transport = self._transport
        if self.is_closing:
            return
        if transport is None:
            self._waiting.append(frame)
        elif transport.get_write_buffer_size() > MAX_BUFFERED_BYTES:
            transport.abort()
        elif not transport.is_closing():
            transport.write(frame)

    def text(self, frame: bytes) -> None:
        """One whole text message."""
        self._write(frame_bytes(TEXT, frame))

    def fragments(self, parts: list[bytes]) -> None:
        """One text message in several frames."""
        for index, part in enumerate(parts):
            self._write(frame_bytes(TEXT if index == 0 else 0, part, is_final=index == len(parts) - 1))

    def binary(self, frame: bytes) -> None:
        """One binary message."""
        self._write(frame_bytes(BINARY, frame))

    def invalid_utf8(self, frame: bytes) -> None:
        """A text frame with bytes that are not UTF-8."""
        self._write(frame_bytes(TEXT, frame))

    def compressed(self, frame: bytes) -> None:
        """A text frame with the bit that only an agreed extension may set."""
        plain = frame_bytes(TEXT, frame)
        self._write(bytes((plain[0] | 0x40,)) + plain[1:])

    def pong(self, payload: bytes) -> None:
        """The answer to a ping frame."""
        self._write(frame_bytes(PONG, payload))

    def close(self, code: int, reason: str) -> None:
        """Say goodbye once; the transport goes when the client has answered, or after a second."""
        if self.is_closing:
            return
        self._write(frame_bytes(CLOSE, code.to_bytes(2, "big") + reason.encode()[:123]))
        self.is_closing = True
        if self._transport is not None:
            self._loop.call_later(CLOSE_WAIT_S, self._transport.close)

    def abort(self) -> None:
        """Be gone without a word."""
        self.is_closing = True
        self._aborts = True
        if self._transport is not None:
            self._transport.abort()
