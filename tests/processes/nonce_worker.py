"""
One process that calls a venue through the lane: ``python -m tests.processes.nonce_worker '{"lane": …}'``.

Runs until SIGTERM, then prints one JSON line with what it saw. Its wall clock may be wrong from the start and stepped
while it runs, as no test may do to the machine's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from holdfast.core.events import Event
from holdfast.core.seams import Clock, Priority, Turn
from holdfast.core.venue import ServerTime
from holdfast.errors import HoldfastError
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.lane import FileLane

__all__ = ["Connection", "SteppedClock", "Work"]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """
    What one worker is to do.

    ``steps``: seconds after its start, and by how much its wall clock jumps then. With a ``secret`` the venue is a
    simulated Kraken and everything is real: client, signature, HTTP wire. Without, the least that carries a nonce.
    """

    lane: str
    address: str
    key: str = ""
    secret: str = ""
    tasks: int = 4
    wall_off_s: float = 0.0
    steps: tuple[tuple[float, float], ...] = ()
    wait_s: float = 60.0


class SteppedClock(SystemClock):
    """The machine's clocks, but for a wall clock that is wrong and gets stepped."""

    __slots__ = ("_began_s", "_off_s", "_steps")

    def __init__(self, off_s: float, steps: tuple[tuple[float, float], ...]) -> None:
        self._off_s = off_s
        self._steps = steps
        self._began_s = self.now_s()

    def wall_us(self) -> int:
        passed_s = self.now_s() - self._began_s
        off_s = self._off_s + sum(by_s for at_s, by_s in self._steps if passed_s >= at_s)
        return super().wall_us() + int(off_s * 1e6)


class Connection:
    """The least HTTP client that keeps a connection, for as long as it is entered."""

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.removeprefix("http://").partition(":")
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._streams is not None:
            self._streams[1].close()
            with contextlib.suppress(ConnectionError):
                await self._streams[1].wait_closed()

    async def ask(self, method: str, path: str, body: str = "") -> bytes:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, int(self._port))
        reader, writer = self._streams
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Sender: {os.getpid()}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return await reader.readexactly(length)

    async def server_time(self, clock: Clock) -> ServerTime:
        sent_s = clock.now_s()
        answer = json.loads(await self.ask("GET", "/0/public/Time"))
        return ServerTime(
            venue_time_s=float(answer["result"]["unixtime"]),
            resolution_s=1.0,
            sent_s=sent_s,
            received_s=clock.now_s(),
            wall_us=clock.wall_us(),
        )


class TimedLane:
    """A lane that remembers how long was waited for a turn, and for a nonce."""

    def __init__(self, lane: FileLane) -> None:
        self._lane = lane
        self.waits_s: list[float] = []
        self.takes_s: list[float] = []

    @contextlib.asynccontextmanager
    async def turn(self, *, priority: Priority, wait_s: float | None = None) -> AsyncIterator[Turn]:
        began_s = time.perf_counter()
        async with self._lane.turn(priority=priority, wait_s=wait_s) as turn:
            self.waits_s.append(time.perf_counter() - began_s)
            yield TimedTurn(turn, self.takes_s)


class TimedTurn:
    """A turn that notes what a nonce took."""

    def __init__(self, turn: Turn, takes_s: list[float]) -> None:
        self._turn = turn
        self._takes_s = takes_s
        self.take_beyond = turn.take_beyond
        self.park = turn.park

    async def take(self) -> int:
        began_s = time.perf_counter()
        nonce = await self._turn.take()
        self._takes_s.append(time.perf_counter() - began_s)
        return nonce


class Worker:
    """Calls until it is told to stop."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._clock = SteppedClock(work.wall_off_s, work.steps)
        self._files = FileLane(work.lane, clock=self._clock, wait_s=work.wait_s, emit=self._note)
        self._is_stopping = False
        self.lane = TimedLane(self._files)
        self.calls = 0
        self.events: dict[str, int] = {}
        self.failures: dict[str, int] = {}

    async def run(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop)
        await (self._call_kraken() if self._work.secret else self._call_plainly())

    async def _call_plainly(self) -> None:
        async def ask_time() -> ServerTime:
            async with Connection(self._work.address) as connection:
                return await connection.server_time(self._clock)

        async def calls() -> None:
            async with Connection(self._work.address) as connection:

                async def call() -> None:
                    async with self.lane.turn(priority=Priority.BALANCE) as turn:
                        answer = await connection.ask("POST", "/0/private/Balance", f"nonce={await turn.take()}")
                        if b"Invalid nonce" in answer:
                            self._count("InvalidNonce")

                await self._repeat(call)

        self._files.use_venue_time(ask_time)
        print("ready", flush=True)
        await asyncio.gather(*(calls() for _ in range(self._work.tasks)))

    async def _call_kraken(self) -> None:
        # Imported here: the plain worker starts in a third of the time.
        from holdfast.core.credentials import Credential
        from holdfast.core.limits import DecayingCounter
        from holdfast.runtime.wire import AiohttpWire
        from holdfast.venues.kraken import KRAKEN
        from holdfast.venues.kraken.client import KrakenClient

        wire = AiohttpWire(clock=self._clock)
        client = KRAKEN.client(
            http=wire,
            lane=self.lane,
            credential=Credential(venue="kraken", key=self._work.key, secret=self._work.secret),
            clock=self._clock,
            emit=self._note,
            rest_url=self._work.address,
            account="race",
            options={"must_be_simulator": True, "read_deadline_s": 30.0},
        )
        assert isinstance(client, KrakenClient)
        # Kraken's own pace would make hours of this; the venue at the other end counts no calls either.
        client._private_counter = DecayingCounter(maximum=1e9, decay_per_s=1e9, now_s=self._clock.now_s())
        await client.load()
        self._files.use_venue_time(client.server_time)
        print("ready", flush=True)

        async def call() -> None:
            await client.read_balances("Balance")

        await asyncio.gather(*(self._repeat(call) for _ in range(self._work.tasks)))
        await client.close()
        await wire.close()

    async def _repeat(self, call: Callable[[], Awaitable[None]]) -> None:
        while not self._is_stopping:
            try:
                await call()
            except (ConnectionError, asyncio.IncompleteReadError):
                return  # The venue is gone: so is the work.
            except HoldfastError as error:
                self._count(type(error).__name__)
            else:
                self.calls += 1

    def _count(self, failure: str) -> None:
        self.failures[failure] = self.failures.get(failure, 0) + 1

    def _stop(self) -> None:
        self._is_stopping = True

    def _note(self, event: Event) -> None:
        self.events[event.name] = self.events.get(event.name, 0) + 1


def main() -> None:
    """Work as told on the command line."""
    worker = Worker(msgspec.json.decode(sys.argv[1], type=Work))
    asyncio.run(worker.run())
    print(
        json.dumps(
            {
                "calls": worker.calls,
                "failures": worker.failures,
                "events": worker.events,
                "waits_s": [round(seconds, 6) for seconds in worker.lane.waits_s],
                "takes_s": [round(seconds, 6) for seconds in worker.lane.takes_s],
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
