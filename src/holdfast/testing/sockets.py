"""
A pretended host's sockets: owners are served and found in memory, and may be stopped, cut and read slowly.

What is sent arrives in the loop's next round, or after ``latency_s``. The kernel's part is kept: what a process sent
before it died still arrives, and then the end of it.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable

from holdfast.errors import ConfigError
from holdfast.runtime.attach.lines import LineEnd, LocalLine, Peer, Place

__all__ = ["MemoryLine", "MemoryServer", "MemorySockets"]


class MemorySockets:
    """
    Whoever shares this object is on one host.

    Attributes:
        latency_s: How long what is sent takes to arrive.
        capacity: Bytes that a connection takes before its reader has read: beyond that they queue at the sender.
        uid: Who connects from now on; the serving process is always this user.
        lines: Every connection made so far, the connecting end.
    """

    def __init__(self, *, latency_s: float = 0.0, capacity: int = 208 * 1024) -> None:
        self.latency_s = latency_s
        self.capacity = capacity
        self.uid = os.geteuid()
        self.lines: list[MemoryLine] = []
        self._servers: dict[str, MemoryServer] = {}

    def serve(self, place: Place, accept: Callable[[LocalLine], LineEnd | None]) -> MemoryServer:
        """See ``LocalSockets``."""
        server = MemoryServer(self, str(place), accept)
        self._servers[str(place)] = server  # Of an earlier owner nothing but the file would be left.
        return server

    def connect(self, place: Place, end: LineEnd) -> MemoryLine | None:
        """See ``LocalSockets``."""
        server = self._servers.get(str(place))
        if server is None or not server.is_open:
            return None
        if self.uid != os.geteuid():
            raise ConfigError(f"the socket {place} may not be used: Permission denied")
        ours, theirs = MemoryLine(self, end), MemoryLine(self, None)
        ours.other, theirs.other = theirs, ours
        self.lines.append(ours)
        server.take_in(theirs)
        return ours

    def server_of(self, place: str) -> MemoryServer:
        """Who serves *place*, such as ``simulated/acme-master``; raises ``KeyError``."""
        return self._servers[place]

    def leave(self, server: MemoryServer) -> None:
        """Forget a server, unless another has its place."""
        if self._servers.get(server.address) is server:
            del self._servers[server.address]


class MemoryServer:
    """
    A served place.

    Attributes:
        lines: The serving ends of its connections.
    """

    def __init__(self, sockets: MemorySockets, address: str, accept: Callable[[LocalLine], LineEnd | None]) -> None:
        self.address = address
        self.is_open = True
        self.lines: list[MemoryLine] = []
        self._sockets = sockets
        self._accept = accept
        self._is_stopped = False

    def take_in(self, line: MemoryLine) -> None:
        """One more connection."""
        self.lines.append(line)
        if self._is_stopped:
            line.is_stopped = True
        end = self._accept(line)
        if end is None:
            line.abort()
        else:
            line.heard_by(end)

    def stop(self) -> None:
        """The serving process does not run: it reads nothing and says nothing. Connections are still made."""
        self._is_stopped = True
        for line in self.lines:
            line.is_stopped = True

    def resume(self) -> None:
        """It runs again, and finds everything that was sent meanwhile."""
        self._is_stopped = False
        for line in self.lines:
            line.resume()

    def die(self) -> None:
        """The serving process ends without a word: what it sent arrives, then the end."""
        self.is_open = False
        self._sockets.leave(self)
        for line in self.lines:
            line.is_stopped = False  # Who is killed need not run for it.
            line.abort()

    def close(self) -> None:
        """See ``LocalServer``."""
        self.abandon()

    def abandon(self) -> None:
        """See ``LocalServer``."""
        self.is_open = False
        self._sockets.leave(self)


class MemoryLine:
    """
    One end of a connection.

    Attributes:
        is_stopped: This end's process does not run: nothing is delivered to it, and what it sends waits.
    """

    def __init__(self, sockets: MemorySockets, end: LineEnd | None) -> None:
        self.peer = Peer(uid=sockets.uid, pid=os.getpid())
        self.other: MemoryLine | None = None
        self.is_stopped = False
        self._sockets = sockets
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[bytes | None] = deque()  # None: the other end is gone.
        self._inbox_size = 0
        self._outbox: deque[bytes] = deque()
        self._is_open = True
        self._is_leaving = False

    @property
    def queued(self) -> int:
        return sum(map(len, self._outbox))

    def heard_by(self, end: LineEnd) -> None:
        """Name who hears it."""
        self._end = end
        self._deliver_soon()

    def send(self, data: bytes) -> bool:
        if not self._is_open or self.other is None:
            return False
        if self._outbox or self.is_stopped or not self.other.has_room_for(len(data)):
            self._outbox.append(data)
            return False
        self.other.take(data)
        return True

    def has_room_for(self, size: int) -> bool:
        """Whether the kernel would take so much for this end."""
        return self._inbox_size == 0 or self._inbox_size + size <= self._sockets.capacity

    def take(self, data: bytes | None) -> None:
        """Something, or the end of everything, is on its way to this end."""
        self._inbox.append(data)
        self._inbox_size += 0 if data is None else len(data)
        self._deliver_soon()

    def _deliver_soon(self) -> None:
        if self._sockets.latency_s > 0:
            self._loop.call_later(self._sockets.latency_s, self.read_now)
        else:
            self._loop.call_soon(self.read_now)

    def read_now(self) -> None:
        while self._inbox and self._is_open and not self.is_stopped and self._end is not None:
            data = self._inbox.popleft()
            if data is None:
                self._is_open = False
                self._end.lost("ended")
                return
            self._inbox_size -= len(data)
            if self.other is not None:
                self.other.drain()
            self._end.received(data)

    def drain(self) -> None:
        """There is room again: send on what is queued here."""
        while self._outbox and not self.is_stopped and self._is_open and self.other is not None:
            if not self.other.has_room_for(len(self._outbox[0])):
                return
            self.other.take(self._outbox.popleft())

    def resume(self) -> None:
        """This end's process runs again."""
        self.is_stopped = False
        if self._is_leaving:
            self.abort()
        self.drain()
        self._deliver_soon()

    def abort(self) -> None:
        if self.is_stopped:
            self._is_leaving = True  # Who does not run cannot leave; its timers are this loop's, and fired.
        elif self._is_open:
            self._is_open = False
            self._outbox.clear()
            if self.other is not None:
                self.other.take(None)
