"""
One process that calls a strict venue through the lane: ``python -m tests.processes.nonce_worker '{"lane": …}'``.

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

import msgspec

from holdfast.core.events import Event
from holdfast.core.seams import Priority
from holdfast.core.venue import ServerTime
from holdfast.errors import CredentialBusyError
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.lane import FileLane

__all__ = ["SteppedClock", "Work"]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker is to do. ``steps``: seconds after its start, and by how much its wall clock jumps then."""

    lane: str
    port: int
    tasks: int = 4
    wall_off_s: float = 0.0
    steps: tuple[tuple[float, float], ...] = ()
    wait_s: float = 60.0
    asks_time: bool = True
    in_flight_max: int = 1
    nonce_window: int = 0


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

    def __init__(self, port: int) -> None:
        self._port = port
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
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Sender: {os.getpid()}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return await reader.readexactly(length)


class Worker:
    """Calls until it is told to stop."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._clock = SteppedClock(work.wall_off_s, work.steps)
        self._lane = FileLane(
            work.lane,
            clock=self._clock,
            wait_s=work.wait_s,
            emit=self._note,
            in_flight_max=work.in_flight_max,
            nonce_window=work.nonce_window,
        )
        self._is_stopping = False
        self.calls = 0
        self.refused = 0
        self.busy = 0
        self.events: dict[str, int] = {}
        self.waits_s: list[float] = []
        self.takes_s: list[float] = []

    async def run(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop)
        if self._work.asks_time:
            self._lane.use_venue_time(self._server_time)
        print("ready", flush=True)
        async with asyncio.TaskGroup() as group:
            for number in range(self._work.tasks):
                group.create_task(self._call(Priority(1 + number % 4)))

    async def _call(self, priority: Priority) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):  # The venue is gone: so is the work.
            async with Connection(self._work.port) as connection:
                await self._call_on(connection, priority)

    async def _call_on(self, connection: Connection, priority: Priority) -> None:
        while not self._is_stopping:
            began_s = time.perf_counter()
            try:
                async with self._lane.turn(priority=priority) as turn:
                    entered_s = time.perf_counter()
                    nonce = await turn.take()
                    taken_s = time.perf_counter()
                    answer = await connection.ask("POST", "/0/private/Balance", f"nonce={nonce}")
            except CredentialBusyError:
                self.busy += 1
                continue
            self.calls += 1
            self.refused += b"Invalid nonce" in answer
            self.waits_s.append(entered_s - began_s)
            self.takes_s.append(taken_s - entered_s)

    async def _server_time(self) -> ServerTime:
        sent_s = self._clock.now_s()
        async with Connection(self._work.port) as connection:
            answer = json.loads(await connection.ask("GET", "/0/public/Time"))
        return ServerTime(
            venue_time_s=float(answer["result"]["unixtime"]),
            resolution_s=1.0,
            sent_s=sent_s,
            received_s=self._clock.now_s(),
            wall_us=self._clock.wall_us(),
        )

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
                "refused": worker.refused,
                "busy": worker.busy,
                "events": worker.events,
                "waits_s": [round(seconds, 6) for seconds in worker.waits_s],
                "takes_s": [round(seconds, 6) for seconds in worker.takes_s],
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
