"""
A venue that is as strict about nonces as can be, and nothing else: raw HTTP, window 0, jitter on the way in and out.

Its journal is the judge: who sent what, when it arrived, whether it was taken.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from typing import NamedTuple
from urllib.parse import parse_qs

__all__ = ["Arrival", "StrictVenue"]

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_SENDER = re.compile(rb"x-sender: *(\d+)", re.IGNORECASE)


class Arrival(NamedTuple):
    """One nonce as it came in; ``at_s`` is ``time.monotonic``."""

    at_s: float
    sender: int
    nonce: int
    is_taken: bool
    ahead_us: int  # Of the venue's own clock, where the nonce counts microseconds.


class StrictVenue:
    """
    Serves on loopback while it is entered. One key.

    Attributes:
        journal: Every arrival, in order.
        taken: Nonces accepted so far.
        address: Base address of its HTTP.
    """

    key = secret = ""

    def __init__(self, *, seed: int = 0, jitter_s: float = 0.005, wall_off_s: float = 0.0) -> None:
        self.journal: list[Arrival] = []
        self.taken = 0
        self.address = ""
        self._largest = 0
        self._dice = random.Random(seed)
        self._jitter_s = jitter_s
        self._wall_off_s = wall_off_s
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._moved = asyncio.Event()

    async def __aenter__(self) -> StrictVenue:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._connections.values():
            writer.close()
        if self._connections:
            await asyncio.wait(list(self._connections))

    async def until_taken(self, count: int) -> None:
        """Wait until so many nonces have been accepted."""
        while self.taken < count:
            self._moved.clear()
            await self._moved.wait()

    @property
    def refused(self) -> list[Arrival]:
        """Every nonce that was refused."""
        return [arrival for arrival in self.journal if not arrival.is_taken]

    def wall_us(self) -> int:
        """The venue's own clock."""
        return int((time.time() + self._wall_off_s) * 1e6)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        requests: set[asyncio.Task[None]] = set()
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length.group(1))) if length else b""
                # The bytes are on their way: they arrive whatever becomes of the one who sent them.
                request = asyncio.create_task(self._answer(head, body, writer))
                requests.add(request)
                request.add_done_callback(requests.discard)
                await asyncio.shield(request)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if requests:
                await asyncio.wait(requests)
            del self._connections[task]
            writer.close()

    async def _answer(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        if head.startswith(b"GET /0/public/Time "):
            text = f'{{"error":[],"result":{{"unixtime":{self.wall_us() // 1_000_000}}}}}'
        else:
            await asyncio.sleep(self._dice.uniform(0, self._jitter_s))
            sender = _SENDER.search(head)
            nonce = int(parse_qs(body.decode())["nonce"][0])
            is_taken = nonce > self._largest
            self._largest = max(nonce, self._largest)
            self.taken += is_taken
            self.journal.append(
                Arrival(
                    at_s=time.monotonic(),
                    sender=int(sender.group(1)) if sender else 0,
                    nonce=nonce,
                    is_taken=is_taken,
                    ahead_us=nonce - self.wall_us(),
                )
            )
            self._moved.set()
            await asyncio.sleep(self._dice.uniform(0, self._jitter_s))
            text = '{"error":[],"result":{}}' if is_taken else '{"error":["EAPI:Invalid nonce"]}'
        try:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text.encode())
            await writer.drain()
        except ConnectionError:
            pass  # Nobody is there to hear it.
