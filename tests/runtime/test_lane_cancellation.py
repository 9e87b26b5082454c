"""Cancelled anywhere, a lane stays usable, no nonce comes twice, and nothing is written after somebody else."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import Awaitable, Coroutine
from pathlib import Path

import pytest

from holdfast.core.parking import LOCKOUT
from holdfast.core.seams import Priority
from holdfast.errors import CredentialBusyError, CredentialParkedError, StoreError
from holdfast.runtime.lane import FileLane
from holdfast.runtime.lane_gate import disk_threads
from holdfast.testing import FakeClock, run_virtual
from tests.runtime.lane_rig import Rig

STEPS = range(25)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def take(lane: FileLane, *, wait_s: float = 5.0) -> int:
    async with lane.turn(priority=Priority.BALANCE, wait_s=wait_s) as turn:
        return await turn.take()


async def cancelled_after(steps: int, work: Awaitable[object]) -> bool:
    """Let *work* take so many steps of the loop, cancel it; whether it was still going."""
    task = asyncio.ensure_future(work)
    for _ in range(steps):
        await asyncio.sleep(0)
    was_going = task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return was_going and task.cancelled()


async def test_taking_may_be_cancelled_at_every_step(rig: Rig) -> None:
    lane = rig.lane()
    handed_out = [await take(lane)]

    async def work() -> None:
        async with lane.turn(priority=Priority.ORDER) as turn:
            handed_out.append(await turn.take())
            await asyncio.sleep(0)
            handed_out.append(await turn.take_beyond())
            await asyncio.sleep(0)

    cut_short = 0
    for steps in STEPS:
        cut_short += await cancelled_after(steps, work())
        handed_out.append(await take(lane))

    assert cut_short > 5
    assert handed_out == sorted(set(handed_out))


async def test_waiting_may_be_cancelled_at_every_step(rig: Rig) -> None:
    lane = rig.lane()
    cut_short = 0
    for steps in STEPS:
        async with lane.turn(priority=Priority.ORDER):
            cut_short += await cancelled_after(steps, take(lane))
        await take(lane, wait_s=1.0)

    assert cut_short > 10


async def test_waiter_cancelled_while_it_is_being_woken_wakes_the_next(rig: Rig) -> None:
    lane = rig.lane()
    for steps in range(8):
        async with lane.turn(priority=Priority.ORDER):
            first = asyncio.create_task(take(lane))
            await asyncio.sleep(0.002)
            second = asyncio.create_task(take(lane))
            await asyncio.sleep(0.002)
        for _ in range(steps):
            await asyncio.sleep(0)
        first.cancel()
        assert await asyncio.wait_for(second, 1.0) > 0
        await asyncio.wait([first])


def test_next_in_line_enters_at_once_where_the_one_before_it_is_cancelled_while_woken(tmp_path: Path) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        lane = FileLane(tmp_path / "lane", clock=FakeClock(loop), sync=lambda fd: None)
        async with lane.turn(priority=Priority.ORDER):
            first = asyncio.create_task(take(lane))
            await asyncio.sleep(0.31)
            second = asyncio.create_task(take(lane))
            await asyncio.sleep(0.31)
        left_s = loop.time()
        first.cancel()  # Nudged, and never to try.
        await second
        return loop.time() - left_s

    assert run_virtual(main()) < 0.001


async def test_first_use_may_be_cancelled_at_every_step(rig: Rig) -> None:
    for steps in range(10):
        lane = rig.lane(path=rig.path.with_name(f"lane-{steps}"))
        await cancelled_after(steps, take(lane))
        assert await take(lane) > 0


async def test_parking_lands_though_its_caller_is_cancelled(rig: Rig) -> None:
    lane = rig.lane()
    await take(lane)
    rig.disk.hang()

    async def work() -> None:
        async with lane.turn(priority=Priority.ORDER) as turn:
            await turn.park(LOCKOUT, for_s=900)

    task = asyncio.create_task(work())
    await rig.disk.reached()
    task.cancel()
    await asyncio.wait([task])
    rig.disk.heal()

    with pytest.raises(CredentialParkedError):
        await take(lane)


async def test_parking_lands_though_its_caller_is_cancelled_before_the_disk_hears_of_it(rig: Rig) -> None:
    lane = rig.lane()
    await take(lane)
    may_go_on = threading.Event()
    busy = [disk_threads().submit(may_go_on.wait, 20) for _ in range(8)]

    async def work() -> None:
        async with lane.turn(priority=Priority.ORDER) as turn:
            await turn.park(LOCKOUT, for_s=900)

    task = asyncio.create_task(work())
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.wait([task])
    may_go_on.set()
    await asyncio.gather(*(asyncio.wrap_future(future) for future in busy))

    with pytest.raises(CredentialParkedError):
        await take(lane)


async def test_nonce_whose_caller_is_cancelled_before_the_disk_hears_of_it_frees_the_lane_at_once(rig: Rig) -> None:
    lane = rig.lane()
    before = await take(lane)
    may_go_on = threading.Event()
    busy = [disk_threads().submit(may_go_on.wait, 20) for _ in range(8)]
    task = asyncio.create_task(take(lane))
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.wait([task])

    async with lane.turn(priority=Priority.ORDER, wait_s=0.2) as turn:
        may_go_on.set()
        assert await turn.take() == before + 1
    await asyncio.gather(*(asyncio.wrap_future(future) for future in busy))


async def test_cancelled_write_that_is_at_the_disk_keeps_the_lane_until_it_ends(rig: Rig) -> None:
    lane = rig.lane()
    before = await take(lane)
    rig.disk.hang()
    task = asyncio.create_task(take(lane))
    await rig.disk.reached()

    task.cancel()
    await asyncio.wait([task], timeout=1.0)
    assert task.cancelled()  # The caller is free at once ...
    with pytest.raises(CredentialBusyError):  # ... and the lane is not: the write could land after another one's.
        await take(lane, wait_s=0.05)

    rig.disk.heal()
    assert await take(lane) > before + 1


async def test_cancelled_write_that_fails_in_the_end_frees_the_lane_too(rig: Rig) -> None:
    lane = rig.lane()
    before = await take(lane)
    rig.disk.hang()
    task = asyncio.create_task(take(lane))
    await rig.disk.reached()
    task.cancel()
    await asyncio.wait([task])
    rig.disk.fail()
    rig.disk.goes_on.set()

    with pytest.raises(StoreError):
        await take(lane)
    rig.disk.heal()
    assert await take(lane) > before


async def test_timeout_around_a_hanging_take_leaves_the_turn_usable_once_the_disk_answers(rig: Rig) -> None:
    lane = rig.lane()
    await take(lane)
    async with lane.turn(priority=Priority.ORDER) as turn:
        rig.disk.hang()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await turn.take()
        with pytest.raises(StoreError, match="has not answered"):
            await turn.take()
        rig.disk.heal()
        nonce = 0
        while not nonce:
            with contextlib.suppress(StoreError):
                nonce = await turn.take()
            await asyncio.sleep(0.001)

    assert await take(lane) > nonce


def test_loop_torn_down_inside_a_turn_leaves_nothing_locked(rig: Rig) -> None:
    lane = rig.lane(wait_s=1.0)

    async def abandon() -> None:
        async def hold() -> None:
            async with lane.turn(priority=Priority.ORDER) as turn:
                await turn.take()
                await asyncio.sleep(3600)

        task = asyncio.create_task(hold())
        await asyncio.sleep(0.05)
        assert not task.done()

    asyncio.run(abandon())  # Cancels what is left.
    gc.collect()

    assert asyncio.run(take(lane)) > 0


def test_coroutine_closed_inside_a_turn_leaves_nothing_locked(rig: Rig) -> None:
    lane = rig.lane(wait_s=1.0)

    async def hold() -> None:
        async with lane.turn(priority=Priority.ORDER):
            await asyncio.get_running_loop().create_future()

    async def drop() -> None:
        await take(lane)
        coroutine = hold()
        coroutine.send(None)  # As a loop would, up to where it waits inside.
        coroutine.close()  # As the garbage collector does with what no loop runs any more.

    asyncio.run(drop())

    assert asyncio.run(take(lane)) > 0


def test_turn_ended_by_the_garbage_collector_inside_our_own_call_does_not_deadlock(rig: Rig) -> None:
    lane = rig.lane(wait_s=5.0)

    async def hold() -> None:
        async with lane.turn(priority=Priority.ORDER):
            await asyncio.get_running_loop().create_future()

    class Grave:
        """Ends what lies in it when it is collected, which may be anywhere."""

        def __init__(self, coroutine: Coroutine[object, object, None]) -> None:
            self.coroutine = coroutine

        def __del__(self) -> None:
            self.coroutine.close()

    async def drop() -> int:
        await take(lane)
        coroutine = hold()
        coroutine.send(None)
        grave = [Grave(coroutine)]
        del coroutine
        with lane._passage.gate._mutex:  # As any call of ours, when the collector strikes.
            grave.clear()
        return await take(lane)

    assert asyncio.run(drop()) > 0
