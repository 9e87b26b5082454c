"""
A TCP proxy on the loopback that does to the bytes between a client and a server what networks do.

It knows nothing of what passes through it, TLS included; only ``hold_after_head`` looks for the blank line that ends
the head of an HTTP message. What a simulator's own fault plan can do (statuses, bodies, sequences) is better done
there: the plan runs on virtual time and a proxy does not. The proxy is for what only a socket can show: ports that
refuse or swallow, resets at a certain byte, bytes that trickle, connections that are half closed.

Everything random is drawn from a seed, per connection and direction. Bytes are cut where a rule says, never where the
kernel happened to cut them; only the pieces that ``delay`` draws for are the kernel's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator
from typing import Final, Literal

__all__ = ["TcpLink", "TcpProxy", "TcpWay", "tcp_proxy"]

_PIECE: Final = 65_536
_HEAD_ENDS: Final = b"\r\n\r\n"
_FILLERS: Final = 4  # Connections that fill the backlog of a port that swallows.

Ending = Literal["reset", "close"]


class TcpWay:
    """
    One direction of every connection: what happens to the bytes that go this way.

    A rule holds for the connections that are open and for those to come, until ``pass_on``; rules of different kinds
    add up, a second rule of one kind replaces the first. Bytes are counted per connection from the moment of the rule.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._epoch = 0  # Counts are taken anew with each rule that counts.
        self.pass_on()

    def pass_on(self) -> None:
        """End every rule of this direction; what was held goes on, what was dropped stays lost."""
        self._rate: float | None = None
        self._end_at: int | None = None
        self._ending: Ending = "reset"
        self._is_dropping = False
        self._is_holding_bodies = False
        self._is_holding = False
        self._delay_s: tuple[float, float] | None = None
        self._loss = 0.0
        self._retransmit_s = 0.0
        self._flips_every = 0
        self._tell()

    def hold(self) -> None:
        """Let nothing through until ``pass_on``; the bytes are kept."""
        self._is_holding = True
        self._tell()

    def hold_after_head(self) -> None:
        """Let the head of the next HTTP message through, blank line included, and keep everything after it."""
        self._is_holding_bodies = True
        self._tell()

    def drop(self) -> None:
        """Swallow everything; the connection stays open, and its sender notices nothing."""
        self._is_dropping = True
        self._tell()

    def throttle(self, bytes_per_s: float) -> None:
        """Let so many bytes a second through: 1.0 is the slow drip."""
        if bytes_per_s <= 0:
            raise ValueError(f"bytes_per_s has to be above 0; hold() lets nothing through: {bytes_per_s}")
        self._rate = bytes_per_s
        self._tell()

    def reset_at(self, byte: int) -> None:
        """Let so many bytes through and then reset the connection, both its halves; 0 lets none through."""
        self._end(byte, "reset")

    def close_at(self, byte: int) -> None:
        """Let so many bytes through and then close the connection in order."""
        self._end(byte, "close")

    def _end(self, byte: int, ending: Ending) -> None:
        if byte < 0:
            raise ValueError(f"a count of bytes, not {byte}")
        self._end_at, self._ending = byte, ending
        self._tell()

    def corrupt(self, every: int) -> None:
        """
        Flip one bit of every so-manieth byte, from the first of them on.

        Under TLS both ends notice, and end the connection. Without it nobody can: a flipped digit is another amount.
        """
        if every < 1:
            raise ValueError(f"every is a count of bytes, from 1 on, not {every}")
        self._flips_every = every
        self._tell()

    def delay(self, low_s: float, high_s: float, *, loss: float = 0.0, retransmit_s: float = 0.2) -> None:
        """
        Let each piece travel for a drawn time, in order: latency and jitter.

        Args:
            low_s: The shortest time.
            high_s: The longest.
            loss: The share of pieces that are lost on their way. TCP sends them again after *retransmit_s*, twice that
                the next time, and everything behind them waits: a client sees no loss, only the time it costs.
            retransmit_s: How long the sender takes to notice.
        """
        if not 0 <= low_s <= high_s or not 0 <= loss < 1:
            raise ValueError(f"a delay is 0 <= low_s <= high_s with 0 <= loss < 1: {low_s}, {high_s}, {loss}")
        self._delay_s, self._loss, self._retransmit_s = (low_s, high_s), loss, retransmit_s
        self._tell()

    def _tell(self) -> None:
        self._epoch += 1
        self._changed.set()
        self._changed = asyncio.Event()

    # For the pumps

    def _piece(self, state: _Pump) -> tuple[int, float | None]:
        """How many of the bytes that wait may go now, and after how long to ask again (None: when a rule changes)."""
        if state.epoch != self._epoch:
            state.begin(self._epoch)
        ready = len(state.waiting)
        if self._is_holding:
            return 0, None
        if self._is_holding_bodies:
            ready = state.rest_of_head()
        if self._end_at is not None:
            ready = min(ready, self._end_at - state.passed)
        if self._rate is not None and ready:
            return min(ready, max(1, int(self._rate))), max(1.0, self._rate) / self._rate
        if self._is_holding_bodies and not ready:
            return 0, None
        return ready, 0.0

    def _carried(self, piece: bytes, before: int) -> bytes:
        """*piece* as it arrives, *before* bytes having gone since the latest rule."""
        every = self._flips_every
        if not every:
            return piece
        flipped = bytearray(piece)
        for at in range((every - 1 - before) % every, len(piece), every):
            flipped[at] ^= 0x01
        return bytes(flipped)

    def _travel_s(self, rng: random.Random) -> float:
        if self._delay_s is None:
            return 0.0
        travel_s, again_s = rng.uniform(*self._delay_s), self._retransmit_s
        while rng.random() < self._loss:
            travel_s, again_s = travel_s + again_s, 2 * again_s
        return travel_s


class _Pump:
    """What one direction of one connection holds and has let through."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.waiting = bytearray()
        self.epoch = -1
        self.passed = 0  # Since the latest rule.
        self.total = 0
        self._head_left: int | None = None

    def begin(self, epoch: int) -> None:
        self.epoch = epoch
        self.passed = 0
        self._head_left = None

    def rest_of_head(self) -> int:
        """How many of the bytes that wait belong to the head; once it has gone, none ever does."""
        if self._head_left is None:
            end = self.waiting.find(_HEAD_ENDS)
            if end < 0:
                # All but what may be the beginning of its end.
                return max(0, len(self.waiting) - len(_HEAD_ENDS) + 1)
            self._head_left = end + len(_HEAD_ENDS)
        return self._head_left

    def take(self, count: int) -> bytes:
        piece = bytes(self.waiting[:count])
        del self.waiting[:count]
        self.passed += count
        self.total += count
        if self._head_left is not None:
            self._head_left -= count
        return piece


class TcpLink:
    """
    One connection through the proxy.

    Attributes:
        number: From 1, in the order in which they were accepted.
        is_open: Whether both ends are connected still.
    """

    def __init__(self, number: int, client: asyncio.StreamWriter, server: asyncio.StreamWriter, *, seed: str) -> None:
        self.number = number
        self.is_open = True
        self._client = client
        self._server = server
        self._up = _Pump(random.Random(f"{seed} {number} up"))  # noqa: S311  # Reproducible on purpose.
        self._down = _Pump(random.Random(f"{seed} {number} down"))  # noqa: S311
        self._sent = bytearray()  # What went to the server since it last began to answer.
        self._waits_for: asyncio.Event | None = None  # Set once another connection has overtaken this one.

    @property
    def to_server(self) -> int:
        """Bytes that were let through to the server."""
        return self._up.total

    @property
    def to_client(self) -> int:
        """Bytes that were let through to the client."""
        return self._down.total

    def reset(self) -> None:
        """End both halves with a reset."""
        self.is_open = False
        for writer in (self._client, self._server):
            _reset(writer)

    def close(self) -> None:
        """End both halves in order; what was let through still arrives."""
        self.is_open = False
        for writer in (self._client, self._server):
            writer.close()

    def half_close(self) -> None:
        """
        Tell the client that nothing more will come, and go on reading.

        That is what a connection looks like which a server gave up on while it was idle: the client may write to it,
        and is answered with a reset.
        """
        self.is_open = False
        with contextlib.suppress(OSError, RuntimeError):
            self._client.write_eof()
        self._server.close()


class TcpProxy:
    """
    A port in front of a server. Made by ``tcp_proxy``.

    Attributes:
        host: Where it listens.
        port: The port, the same for its whole life.
        up: What happens to bytes on their way to the server.
        down: What happens to bytes on their way to the client.
        links: Every connection that was accepted, the oldest first.
        refused: Connections that could not be passed on, because the server refused them.
    """

    def __init__(self, host: str, port: int, *, seed: int = 0) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.up = TcpWay()
        self.down = TcpWay()
        self.links: list[TcpLink] = []
        self.refused = 0
        self._target = (host, port)
        self._seed = f"tcp {seed}"
        self._listening: asyncio.Server | None = None
        self._swallowing: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._replays = 0
        self._delays_first_s: float | None = None
        self._overtaken: asyncio.Event | None = None

    @property
    def address(self) -> str:
        """``host:port``, for the address that a client is given."""
        return f"{self.host}:{self.port}"

    # The port

    async def open_port(self) -> None:
        """Listen, as it does from the beginning; again after ``close_port`` or ``swallow``. Suspends."""
        self._stop_swallowing()
        if self._listening is None:
            self._listening = await asyncio.start_server(self._accept, self.host, self.port, limit=_PIECE)
            self.port = self._listening.sockets[0].getsockname()[1]

    def close_port(self) -> None:
        """Refuse every new connection; those that are open stay so."""
        self._stop_swallowing()
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def swallow(self) -> None:
        """
        Accept nothing and refuse nothing: connecting hangs, as behind a firewall that drops.

        A backlog that is full does it, which is Linux's way; elsewhere a connection may come about and never be served.
        """
        self.close_port()
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((self.host, self.port))
        listening.listen(0)
        self._swallowing.append(listening)
        for _ in range(_FILLERS):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect((self.host, self.port))
            self._swallowing.append(filler)

    def _stop_swallowing(self) -> None:
        for each in self._swallowing:
            each.close()
        self._swallowing.clear()

    def point_to(self, host: str, port: int) -> None:
        """Pass new connections on to another server, as where a name points to another machine from now on."""
        self._target = (host, port)

    # What is about whole connections

    def pass_on(self) -> None:
        """End every rule of both directions, and ``replay`` and ``delay_first`` with them."""
        self.up.pass_on()
        self.down.pass_on()
        self._replays = 0
        self._delays_first_s = None
        if self._overtaken is not None:
            self._overtaken.set()

    def replay(self, count: int = 1) -> None:
        """
        Send the next *count* requests to the server twice, byte for byte.

        TCP itself never does that: a gateway does that repeats what it was given. The second time goes over a
        connection of its own once the first has been answered, and nobody hears its answer.
        """
        self._replays = count

    def delay_first(self, for_s: float) -> None:
        """Let the next connection's bytes wait until those of another one were passed on, at the most so long."""
        self._delays_first_s = for_s

    def reset_all(self) -> None:
        """Reset every open connection."""
        for link in self._open():
            link.reset()

    def half_close_all(self) -> None:
        """Half close every open connection: see ``TcpLink.half_close``."""
        for link in self._open():
            link.half_close()

    def _open(self) -> list[TcpLink]:
        return [link for link in self.links if link.is_open]

    async def close(self) -> None:
        """End everything at once. Suspends."""
        self.close_port()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for link in self.links:
            for writer in (link._client, link._server):
                writer.transport.abort()
        await asyncio.sleep(0)  # The transports tell their streams.

    # Moving bytes

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._carry(reader, writer)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()  # The client left, or the proxy is closing: neither is anybody's error.
        finally:
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection(*self._target, limit=_PIECE)
        except OSError:
            self.refused += 1
            _reset(writer)
            return
        link = TcpLink(len(self.links) + 1, writer, to_server, seed=self._seed)
        self.links.append(link)
        waits_s, self._delays_first_s = self._delays_first_s, None
        if waits_s is not None:
            link._waits_for = self._overtaken = asyncio.Event()
        pumps = [asyncio.ensure_future(self._pump(link, reader, to_server, self.up, link._up, wait_s=waits_s))]
        pumps.append(asyncio.ensure_future(self._pump(link, from_server, writer, self.down, link._down)))
        try:
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            if link.is_open:
                link.close()

    async def _pump(
        self,
        link: TcpLink,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        way: TcpWay,
        state: _Pump,
        *,
        wait_s: float | None = None,
    ) -> None:
        ended = False
        while not ended or state.waiting:
            if not ended and (not state.waiting or way._is_holding):
                piece = await self._read(reader, way)
                if piece is None:
                    continue  # A rule changed.
                ended = not piece
                state.waiting += piece
                if wait_s is not None and link._waits_for is not None and piece:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(link._waits_for.wait(), wait_s)
                    wait_s = None
            if way._is_dropping:
                state.waiting.clear()
                if ended:
                    await self._until_changed(way, None)  # Who is cut off hears no end either.
                continue
            if await self._send(link, writer, way, state):
                return
        with contextlib.suppress(OSError, RuntimeError):
            if link.is_open:
                writer.write_eof()

    async def _send(self, link: TcpLink, writer: asyncio.StreamWriter, way: TcpWay, state: _Pump) -> bool:
        """Pass on what may go now, or wait for it; True where the connection ended."""
        count, again_s = way._piece(state)
        if way._end_at is not None and state.passed + count >= way._end_at:
            await self._write(link, writer, way, state, count)
            (link.reset if way._ending == "reset" else link.close)()
            return True
        if count:
            await self._write(link, writer, way, state, count)
        if again_s is None or again_s > 0:
            await self._until_changed(way, again_s)
        return not link.is_open

    async def _write(self, link: TcpLink, writer: asyncio.StreamWriter, way: TcpWay, state: _Pump, count: int) -> None:
        if not count:
            return
        piece = way._carried(state.take(count), state.passed - count)
        travel_s = way._travel_s(state.rng)
        if travel_s:
            await asyncio.sleep(travel_s)
        is_up = way is self.up
        if not is_up and link._sent:
            self._answered(link)
        writer.write(piece)
        await writer.drain()
        if is_up:
            if self._replays:
                link._sent += piece
            if self._overtaken is not None and self._overtaken is not link._waits_for:
                self._overtaken.set()

    def _answered(self, link: TcpLink) -> None:
        """The server began to answer what it was sent: time to send it again where that was asked for."""
        request = bytes(link._sent)
        link._sent.clear()
        if self._replays:
            self._replays -= 1
            task = asyncio.ensure_future(self._repeat(request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _repeat(self, request: bytes) -> None:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(*self._target, limit=_PIECE)
            writer.write(request)
            await writer.drain()
            await reader.read(_PIECE)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, way: TcpWay) -> bytes | None:
        """What arrived, empty at the end; None where a rule changed before anything did."""
        reading = asyncio.ensure_future(reader.read(_PIECE))
        changed = asyncio.ensure_future(way._changed.wait())
        try:
            await asyncio.wait({reading, changed}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return reading.result()
            return None
        finally:
            changed.cancel()
            if not reading.done():
                reading.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await reading

    async def _until_changed(self, way: TcpWay, for_s: float | None) -> None:
        changed = way._changed
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), for_s)


def _reset(writer: asyncio.StreamWriter) -> None:
    connected = writer.get_extra_info("socket")
    if connected is not None:
        with contextlib.suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.asynccontextmanager
async def tcp_proxy(host: str, port: int, *, seed: int = 0) -> AsyncIterator[TcpProxy]:
    """
    Put a proxy in front of *host* and *port* for the length of the block. Suspends while it starts and stops.

    Args:
        host: The server, as a rule a simulator's ``127.0.0.1``.
        port: Its port.
        seed: Draws delays and losses.
    """
    proxy = TcpProxy(host, port, seed=seed)
    await proxy.open_port()
    try:
        yield proxy
    finally:
        await proxy.close()
