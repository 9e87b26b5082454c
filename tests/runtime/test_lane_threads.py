"""One lane under several threads and event loops of a process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.seams import Priority
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.lane import FileLane


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lane"


def lane_at(path: Path, **settings: Any) -> FileLane:
    return FileLane(path, clock=SystemClock(), sync=lambda fd: None, **settings)


def in_threads(*works: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run each in an event loop and a thread of its own."""
    with ThreadPoolExecutor(max_workers=len(works)) as threads:
        return [future.result() for future in [threads.submit(asyncio.run, work) for work in works]]


@pytest.mark.parametrize("is_shared", [True, False])
def test_loops_in_several_threads_take_turns(path: Path, is_shared: bool) -> None:
    shared = lane_at(path)
    arrived: list[int] = []
    inside = 0
    overlaps = 0

    async def calls() -> None:
        nonlocal inside, overlaps
        lane = shared if is_shared else lane_at(path)

        async def call() -> None:
            nonlocal inside, overlaps
            for _ in range(25):
                async with lane.turn(priority=Priority.BALANCE) as turn:
                    inside += 1
                    nonce = await turn.take()
                    await asyncio.sleep(0)
                    overlaps += inside != 1
                    arrived.append(nonce)
                    inside -= 1

        async with asyncio.TaskGroup() as group:
            group.create_task(call())
            group.create_task(call())

    in_threads(*(calls() for _ in range(4)))

    assert overlaps == 0
    assert len(arrived) == 200
    assert arrived == sorted(set(arrived))


def test_blocked_loop_at_the_head_of_the_line_does_not_hold_up_the_others(path: Path) -> None:
    lane = lane_at(path)
    is_in_line = threading.Event()
    is_blocked = threading.Event()

    async def blocks() -> float:
        async def wait() -> None:
            async with lane.turn(priority=Priority.CANCEL):
                pass

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.02)
        is_blocked.set()
        time.sleep(2.5)  # noqa: ASYNC251 - The fault itself: first in line, and its loop does not run.
        await waiting
        return time.monotonic()

    async def others() -> float:
        async with lane.turn(priority=Priority.BALANCE):
            is_in_line.set()
            await asyncio.to_thread(is_blocked.wait)
        async with lane.turn(priority=Priority.BALANCE):
            return time.monotonic()

    async def blocks_once_held() -> float:
        await asyncio.to_thread(is_in_line.wait)
        return await blocks()

    blocked_until, entered = in_threads(blocks_once_held(), others())

    assert entered < blocked_until - 0.5


def test_loop_that_is_closed_with_a_waiter_in_line_does_not_hold_up_the_others(path: Path) -> None:
    lane = lane_at(path)
    is_held = threading.Event()
    may_leave = threading.Event()

    async def holds() -> None:
        async with lane.turn(priority=Priority.BALANCE):
            is_held.set()
            await asyncio.to_thread(may_leave.wait)

    async def waits() -> None:
        async with lane.turn(priority=Priority.CANCEL):
            raise AssertionError("entered an occupied lane")

    with ThreadPoolExecutor() as threads:
        holder = threads.submit(asyncio.run, holds())
        is_held.wait()
        # A loop that is simply dropped: its task stays in line and will never try again.
        loop = asyncio.new_event_loop()
        task = loop.create_task(waits())
        loop.run_until_complete(asyncio.sleep(0.02))
        may_leave.set()
        holder.result()

        assert threads.submit(asyncio.run, _take(lane)).result(timeout=5) > 0
        task.cancel()
        loop.run_until_complete(asyncio.wait([task]))
        loop.close()


async def _take(lane: FileLane) -> int:
    async with lane.turn(priority=Priority.BALANCE) as turn:
        return await turn.take()
