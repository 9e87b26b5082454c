"""
Small programs for one process each: ``python -m tests.processes.lane_scripts NAME LANE``.

They say what they do in JSON lines on stdout and wait for a line on stdin where the test has to act in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
from typing import Any

from holdfast.core.seams import Priority
from holdfast.errors import ClosedError, CredentialBusyError
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.lane import FileLane


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


async def heard() -> str:
    line: str = await asyncio.to_thread(sys.stdin.readline)
    return line.strip()


async def take(lane: FileLane, *, wait_s: float = 5.0, priority: Priority = Priority.BALANCE) -> int:
    async with lane.turn(priority=priority, wait_s=wait_s) as turn:
        return await turn.take()


async def hold(path: str) -> None:
    """Take a nonce and hold the lane until told to send it."""
    lane = FileLane(path, clock=SystemClock())
    async with lane.turn(priority=Priority.ORDER) as turn:
        say(nonce=await turn.take(), pid=os.getpid())
        await heard()
        say(sent=True)
    say(left=True)
    await heard()


async def wait_in_line(path: str) -> None:
    """Wait for the lane with the priority that is read, and say when inside."""
    lane = FileLane(path, clock=SystemClock())
    while line := await heard():
        async with lane.turn(priority=Priority(int(line)), wait_s=30):
            say(inside=int(line))


async def park(path: str) -> None:
    """Be refused twice, and say so to everybody."""
    lane = FileLane(path, clock=SystemClock())
    async with lane.turn(priority=Priority.ORDER) as turn:
        await turn.take()
        await turn.take_beyond()
        await turn.park("invalid_nonce", for_s=None)
    say(parked=True)


async def in_flight(path: str) -> None:
    """Hold one of two berths with a nonce under way."""
    lane = FileLane(path, clock=SystemClock(), in_flight_max=2, nonce_window=1_000_000)
    async with lane.turn(priority=Priority.ORDER) as turn:
        say(nonce=await turn.take())
        await heard()


def fork(path: str) -> None:
    """Fork while a turn is held: the child inherits nothing, and can use the lane once it is free."""
    lane = FileLane(path, clock=SystemClock())

    async def child(turn: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        try:
            await turn.take()
        except ClosedError as error:
            found["inherited"] = str(error)
        try:
            await take(lane, wait_s=0.2)
        except CredentialBusyError as error:
            found["busy_pid"] = error.pid
        return found

    async def parent() -> None:
        async with lane.turn(priority=Priority.ORDER) as turn:
            first = await turn.take()
            read, write = os.pipe()
            pid = os.fork()
            if pid == 0:
                # A fresh thread has no running loop, as a worker of a pre-forking server has none.
                answer: dict[str, Any] = {}
                thread = threading.Thread(target=lambda: answer.update(asyncio.run(child(turn))))
                thread.start()
                thread.join()
                os.write(write, json.dumps(answer).encode())
                os._exit(0)
            os.close(write)
            with os.fdopen(read) as pipe:
                found = json.loads(pipe.read())
            os.waitpid(pid, 0)  # noqa: ASYNC222 - This loop has nothing else to do.
            say(parent=os.getpid(), still_ours=await turn.take() > first, **found)
        pid = os.fork()
        if pid == 0:
            thread = threading.Thread(target=lambda: say(child_took=asyncio.run(take(lane)) > first))
            thread.start()
            thread.join()
            os._exit(0)
        os.waitpid(pid, 0)  # noqa: ASYNC222
        say(parent_took=await take(lane) > first)

    asyncio.run(parent())


def orphan(path: str) -> None:
    """Be killed inside a turn while a forked child lives on."""
    lane = FileLane(path, clock=SystemClock())

    async def parent() -> None:
        async with lane.turn(priority=Priority.ORDER) as turn:
            await turn.take()
            child = os.fork()
            if child == 0:
                signal.pause()
            say(child=child)
            await asyncio.sleep(3600)

    asyncio.run(parent())


def crash_loop(path: str) -> None:
    """A hundred processes that die by kill -9, at every stage of a turn, one after the other."""
    taken: list[int] = []
    for number in range(100):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            thread = threading.Thread(target=lambda: asyncio.run(_crash(path, number, write)))  # noqa: B023
            thread.start()
            thread.join()
            os._exit(1)
        os.close(write)
        with os.fdopen(read) as pipe:
            taken += [int(line) for line in pipe.read().split()]
        os.waitpid(pid, 0)
    say(taken=taken, now_us=SystemClock().wall_us(), last=asyncio.run(take(FileLane(path, clock=SystemClock()))))


async def _crash(path: str, number: int, pipe: int) -> None:
    lane = FileLane(path, clock=SystemClock())
    stage = number % 4
    async with lane.turn(priority=Priority.ORDER) as turn:
        if stage == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if stage == 1:  # While the nonce is on its way to the disk.
            task = asyncio.create_task(turn.take())
            await asyncio.sleep(0)
            os.kill(os.getpid(), signal.SIGKILL)
            await task
        os.write(pipe, b"%d\n" % await turn.take())
        if stage == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(pipe, b"%d\n" % await turn.take_beyond())
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    name, path = sys.argv[1:3]
    script = globals()[name]
    with contextlib.suppress(KeyboardInterrupt):
        if asyncio.iscoroutinefunction(script):
            asyncio.run(script(path))
        else:
            script(path)


if __name__ == "__main__":
    main()
