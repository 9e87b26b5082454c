"""Several requests in flight on a key with a nonce window: bounded, and every one of them inside the window."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from pathlib import Path

import pytest

from holdfast.core.nonces import NonceUnit
from holdfast.core.parking import INVALID_NONCE
from holdfast.core.seams import Priority
from holdfast.errors import CredentialBusyError, CredentialParkedError
from holdfast.runtime.lane import FileLane
from holdfast.testing import FakeClock, run_virtual
from tests.runtime.lane_rig import Rig


class WindowVenue:
    """Takes a nonce above the largest so far minus the window, and none twice."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.largest = 0
        self.seen: set[int] = set()
        self.refused = 0
        self.inside = 0
        self.most = 0

    async def arrive(self, nonce: int, after_s: float) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(after_s)
        if nonce in self.seen or nonce <= self.largest - self.window:
            self.refused += 1
        self.seen.add(nonce)
        self.largest = max(self.largest, nonce)
        await asyncio.sleep(after_s)
        self.inside -= 1


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def take(lane: FileLane, *, wait_s: float = 5.0) -> int:
    async with lane.turn(priority=Priority.BALANCE, wait_s=wait_s) as turn:
        return await turn.take()


@pytest.mark.parametrize(("in_flight_max", "window"), [(2, 2), (4, 10), (16, 10_000)])
@pytest.mark.parametrize("seed", range(3))
def test_requests_in_any_order_of_arrival_stay_inside_the_window(
    tmp_path: Path, in_flight_max: int, window: int, seed: int
) -> None:
    dice = random.Random(seed)
    venue = WindowVenue(window)

    async def busy() -> None:
        clock = FakeClock(asyncio.get_running_loop())
        lanes = [
            FileLane(
                tmp_path / "lane",
                clock=clock,
                in_flight_max=in_flight_max,
                nonce_window=window,
                sync=lambda fd: None,
                wait_s=60,
            )
            for _ in range(2)
        ]

        async def call(number: int) -> None:
            await asyncio.sleep(dice.uniform(0, 0.2))
            async with lanes[number % 2].turn(priority=Priority.BALANCE) as turn:
                # The slow ones lie at their berths while many others come and go.
                await venue.arrive(await turn.take(), dice.choice([0.0, 0.001, 0.002, 0.005, 0.1]))

        async with asyncio.TaskGroup() as group:
            for number in range(60):
                group.create_task(call(number))

    run_virtual(busy())

    assert venue.refused == 0
    assert len(venue.seen) == 60
    assert 2 <= venue.most <= in_flight_max


async def test_nonces_of_a_windowed_key_rise_in_the_order_of_allocation(rig: Rig) -> None:
    lane = rig.lane(in_flight_max=4, nonce_window=100)
    async with lane.turn(priority=Priority.ORDER) as first:
        nonces = [await first.take()]
        nonces += [await asyncio.create_task(take(lane)) for _ in range(5)]

    assert nonces == sorted(set(nonces))


async def test_clock_that_runs_on_does_not_leave_a_slow_request_outside_the_window(rig: Rig) -> None:
    lane = rig.lane(in_flight_max=2, nonce_window=1000)
    async with lane.turn(priority=Priority.ORDER) as slow:
        first = await slow.take()
        rig.clock.advance(60)  # Sixty million steps in a window of a thousand.
        second = await asyncio.create_task(take(lane))
    rig.clock.advance(1)

    assert second - first == 999
    assert await take(lane) == rig.now_us() + 1500


async def test_full_window_waits_for_the_oldest_request_and_says_who_it_is(rig: Rig) -> None:
    lane = rig.lane(in_flight_max=3, nonce_window=3, wait_s=0.05)
    async with lane.turn(priority=Priority.ORDER) as slow:
        oldest = await slow.take()
        assert [await asyncio.create_task(take(lane)) for _ in range(2)] == [oldest + 1, oldest + 2]
        with pytest.raises(CredentialBusyError) as busy:
            await asyncio.create_task(take(lane))
        assert busy.value.pid == os.getpid()
    await take(lane)


async def test_no_more_berths_than_configured(rig: Rig) -> None:
    lane = rig.lane(in_flight_max=2, nonce_window=100, wait_s=0.05)
    async with lane.turn(priority=Priority.ORDER) as first, contextlib.AsyncExitStack() as stack:
        await first.take()

        async def hold() -> None:
            async with lane.turn(priority=Priority.ORDER) as turn:
                await turn.take()
                await asyncio.sleep(3600)

        second = asyncio.create_task(hold())
        stack.callback(second.cancel)
        await asyncio.sleep(0.02)
        with pytest.raises(CredentialBusyError):
            await asyncio.create_task(take(lane, wait_s=0.05))


async def test_whoever_needs_the_lane_alone_waits_for_everything_in_flight(rig: Rig) -> None:
    wide = rig.lane(in_flight_max=4, nonce_window=100)
    alone = rig.lane(wait_s=0.3)
    async with wide.turn(priority=Priority.ORDER) as turn:
        nonce = await turn.take()
        with pytest.raises(CredentialBusyError):
            await asyncio.create_task(take(alone, wait_s=0.05))

    assert await take(alone) > nonce


async def test_nobody_goes_beside_one_that_holds_the_lane_alone(rig: Rig) -> None:
    wide = rig.lane(in_flight_max=4, nonce_window=100)
    await take(wide)
    async with rig.lane().turn(priority=Priority.ORDER) as turn:
        await turn.take()
        with pytest.raises(CredentialBusyError):
            await asyncio.create_task(take(wide, wait_s=0.05))


async def test_ratchet_waits_until_nothing_is_in_flight(rig: Rig) -> None:
    lane = rig.lane(in_flight_max=4, nonce_window=100, wait_s=5)
    async with lane.turn(priority=Priority.ORDER) as turn:
        await turn.take()
        ratchet = asyncio.create_task(lane.ratchet(NonceUnit.NS))
        await asyncio.sleep(0.05)
        assert not ratchet.done()
    await ratchet

    assert len(str(await take(lane))) == 19


async def test_jump_waits_until_the_others_have_arrived(rig: Rig) -> None:
    lane = rig.lane(in_flight_max=4, nonce_window=100)
    other = lane.turn(priority=Priority.ORDER)
    inside = asyncio.Event()
    may_leave = asyncio.Event()

    async def slow() -> None:
        async with other as turn:
            await turn.take()
            inside.set()
            await may_leave.wait()

    task = asyncio.create_task(slow())
    await inside.wait()
    async with lane.turn(priority=Priority.ORDER) as turn:
        first = await turn.take()
        jumping = asyncio.ensure_future(turn.take_beyond())
        await asyncio.sleep(0.03)
        assert not jumping.done()
        may_leave.set()
        assert await jumping >= first + 10_000_000
    await task


async def test_two_that_are_refused_together_both_get_to_jump(rig: Rig) -> None:
    lane = rig.lane(in_flight_max=4, nonce_window=100)

    async def call() -> int:
        async with lane.turn(priority=Priority.ORDER) as turn:
            await turn.take()
            await asyncio.sleep(0.01)
            return await turn.take_beyond()

    assert len(set(await asyncio.gather(call(), call()))) == 2


async def test_parking_closes_every_berth(rig: Rig) -> None:
    lane = rig.lane(in_flight_max=4, nonce_window=100)
    entered = asyncio.Event()

    async def late() -> None:
        async with lane.turn(priority=Priority.ORDER) as turn:
            entered.set()
            await asyncio.sleep(0.03)
            await turn.take()

    async with lane.turn(priority=Priority.ORDER) as turn:
        await turn.take()
        task = asyncio.create_task(late())
        await entered.wait()
        await turn.park(INVALID_NONCE, for_s=None)
        with pytest.raises(CredentialParkedError):
            await task
    with pytest.raises(CredentialParkedError):
        await take(lane)


async def test_berths_may_be_cancelled_at_every_step(rig: Rig) -> None:
    lane = rig.lane(in_flight_max=2, nonce_window=100, wait_s=1.0)

    async def work() -> None:
        async with lane.turn(priority=Priority.ORDER) as turn:
            await turn.take()
            await asyncio.sleep(0)
            await turn.take_beyond()

    nonces = []
    for steps in range(25):
        task = asyncio.create_task(work())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        nonces.append(await take(lane))

    assert nonces == sorted(set(nonces))
    # Alone again: nothing is left locked at any berth.
    assert await take(rig.lane(wait_s=1.0)) > nonces[-1]
