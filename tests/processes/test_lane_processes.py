"""One key and many processes: killed, stopped, forked, with wrong clocks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.seams import Priority
from holdfast.errors import CredentialBusyError, CredentialParkedError
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.lane import FileLane
from tests.processes.nonce_race import ROOT, end, race
from tests.processes.nonce_worker import Connection
from tests.processes.strict_venue import StrictVenue

pytestmark = pytest.mark.processes


class Script:
    """One of ``lane_scripts`` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid = process.pid

    async def says(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 30)
        assert line, f"the script ended with {await self.process.wait()}"
        facts: dict[str, Any] = json.loads(line)
        return facts

    async def tell(self, text: str = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        await self.process.stdin.drain()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lane"


@contextlib.asynccontextmanager
async def script(name: str, path: Path) -> AsyncIterator[Script]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.processes.lane_scripts",
        name,
        str(path),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Script(process)
    finally:
        await end(process)


def lane_at(path: Path, **settings: Any) -> FileLane:
    return FileLane(path, clock=SystemClock(), **settings)


async def take(lane: FileLane, *, wait_s: float = 5.0) -> int:
    async with lane.turn(priority=Priority.BALANCE, wait_s=wait_s) as turn:
        return await turn.take()


async def in_line(lane: FileLane, script: Script) -> None:
    """Until *script* waits for the lane."""
    async with asyncio.timeout(20):
        while script.pid not in (await lane.state()).waiting_pids:  # noqa: ASYNC110 - Another process is waited for.
            await asyncio.sleep(0.005)


async def test_strict_venue_refuses_nothing_of_eight_processes_with_kills_and_clock_steps(tmp_path: Path) -> None:
    result = await race(tmp_path, calls=600, processes=8, tasks=4, kills=2)

    assert result.refused == 0
    assert result.calls >= 600
    assert result.failures == {}
    # A clock a day ahead at start was judged by the venue's, and steps moved nothing.
    assert result.farthest_ahead_s < 2.0
    assert result.events.get("clock.skewed", 0) >= 2
    # Eight equals: none of those that lived through it all was pushed aside.
    assert result.least_calls_of_a_survivor > result.most_calls_of_a_survivor / 2


async def test_waiters_of_a_stopped_holder_are_told_its_pid_within_the_bound_and_nothing_is_stolen(path: Path) -> None:
    async with script("hold", path) as holder:
        nonce = (await holder.says())["nonce"]
        holder.process.send_signal(signal.SIGSTOP)
        lane = lane_at(path)

        began_s = time.monotonic()
        answers = await asyncio.gather(*(take(lane, wait_s=0.5) for _ in range(5)), return_exceptions=True)
        took_s = time.monotonic() - began_s

        assert all(isinstance(answer, CredentialBusyError) for answer in answers)
        assert {getattr(answer, "pid", None) for answer in answers} == {holder.pid}
        assert all(0 < getattr(answer, "held_for_s", 0) < 30 for answer in answers)
        assert 0.5 <= took_s < 2.0

        holder.process.send_signal(signal.SIGCONT)
        await holder.tell("send")
        assert (await holder.says())["sent"]
        assert await take(lane) > nonce


async def test_zombie_that_resumes_sends_the_newest_nonce_there_is(path: Path) -> None:
    async with StrictVenue(jitter_s=0) as venue, script("hold", path) as holder:
        nonce = (await holder.says())["nonce"]
        holder.process.send_signal(signal.SIGSTOP)
        with pytest.raises(CredentialBusyError):
            await take(lane_at(path), wait_s=0.2)
        holder.process.send_signal(signal.SIGCONT)

        # What it was about to send, it sends now: nobody has passed it.
        async with Connection(venue.address) as connection:
            await connection.ask("POST", "/0/private/Balance", f"nonce={nonce}")
            await holder.tell("sent")
            await connection.ask("POST", "/0/private/Balance", f"nonce={await take(lane_at(path))}")

        assert venue.taken == 2


async def test_killed_holder_frees_the_lane_at_once_and_its_nonce_is_never_used_again(path: Path) -> None:
    lane = lane_at(path)
    async with script("hold", path) as holder:
        nonce = (await holder.says())["nonce"]
        waiting = asyncio.create_task(take(lane, wait_s=20))
        await asyncio.sleep(0.1)
        assert not waiting.done()

        began_s = time.monotonic()
        holder.process.kill()
        after = await waiting

    assert after > nonce
    assert time.monotonic() - began_s < 2.0


async def test_stopped_holder_that_is_killed_frees_the_lane(path: Path) -> None:
    async with script("hold", path) as holder:
        await holder.says()
        holder.process.send_signal(signal.SIGSTOP)
        with pytest.raises(CredentialBusyError):
            await take(lane_at(path), wait_s=0.1)
        holder.process.kill()
        await holder.process.wait()

        assert await take(lane_at(path), wait_s=5.0) > 0


async def test_crash_loop_repeats_no_nonce_and_does_not_run_away(path: Path) -> None:
    async with script("crash_loop", path) as loop:
        facts = await loop.says()

    taken = facts["taken"]
    assert len(taken) == 75  # Half of them got one out, a quarter two.
    assert taken == sorted(set(taken))
    assert facts["last"] > taken[-1]
    # Twenty-five regenerations of ten seconds; a crash itself moves nothing.
    assert taken[-1] - facts["now_us"] <= 25 * 10_000_000


async def test_fork_inherits_neither_turn_nor_lock_and_may_use_the_lane(path: Path) -> None:
    async with script("fork", path) as forking:
        inside = await forking.says()
        after = [await forking.says(), await forking.says()]

    assert "forked us" in inside["inherited"]
    assert inside["busy_pid"] == inside["parent"]
    assert inside["still_ours"]
    assert after == [{"child_took": True}, {"parent_took": True}]


async def test_child_that_outlives_a_killed_holder_holds_nothing(path: Path) -> None:
    async with script("orphan", path) as holder:
        child = (await holder.says())["child"]
        try:
            holder.process.kill()  # Not waited for: asyncio counts a process as ended once its pipes are, too.

            assert await take(lane_at(path), wait_s=5.0) > 0
        finally:
            os.kill(child, signal.SIGKILL)


async def test_priorities_hold_across_processes(path: Path) -> None:
    lane = lane_at(path)
    async with contextlib.AsyncExitStack() as stack:
        waiters = [await stack.enter_async_context(script("wait_in_line", path)) for _ in range(3)]
        for waiter in waiters:  # Each has started, and has been inside once.
            await waiter.tell("3")
            await waiter.says()
        order: list[int] = []

        async def note(waiter: Script) -> None:
            order.append((await waiter.says())["inside"])

        async with lane.turn(priority=Priority.BALANCE):
            for waiter, priority in zip(waiters, (Priority.HISTORY, Priority.BALANCE, Priority.CANCEL), strict=True):
                await waiter.tell(str(int(priority)))
                await in_line(lane, waiter)
            notes = [asyncio.create_task(note(waiter)) for waiter in waiters]
        await asyncio.wait_for(asyncio.gather(*notes), 10)

    assert order == [Priority.CANCEL, Priority.BALANCE, Priority.HISTORY]


async def test_stopped_waiter_is_passed_over(path: Path) -> None:
    lane = lane_at(path)
    async with script("wait_in_line", path) as waiter:
        await waiter.tell("3")
        await waiter.says()
        async with lane.turn(priority=Priority.BALANCE):
            await waiter.tell(str(int(Priority.CANCEL)))
            await in_line(lane, waiter)
            waiter.process.send_signal(signal.SIGSTOP)

        began_s = time.monotonic()
        await take(lane, wait_s=5)
        assert time.monotonic() - began_s < 2.0

        waiter.process.send_signal(signal.SIGCONT)
        assert (await waiter.says())["inside"] == Priority.CANCEL


async def test_killed_process_leaves_no_berth_taken_and_no_nonce_in_the_way(path: Path) -> None:
    lane = lane_at(path, in_flight_max=2, nonce_window=1_000_000)
    async with script("in_flight", path) as other:
        theirs = (await other.says())["nonce"]
        with pytest.raises(CredentialBusyError):  # Alone is alone, also for who knows of no berths.
            await take(lane_at(path), wait_s=0.1)
        async with lane.turn(priority=Priority.ORDER) as turn:
            assert theirs < await turn.take() < theirs + 1_000_000
            with pytest.raises(CredentialBusyError):
                await asyncio.create_task(take(lane, wait_s=0.1))
            other.process.kill()
            await other.process.wait()
            assert await asyncio.create_task(take(lane, wait_s=5.0)) > theirs

    assert await take(lane_at(path), wait_s=5.0) > theirs


async def test_key_that_one_process_parks_is_closed_to_all(path: Path) -> None:
    lane = lane_at(path)
    await take(lane)
    async with script("park", path) as other:
        assert (await other.says())["parked"]

    with pytest.raises(CredentialParkedError) as parked:
        await take(lane)
    assert parked.value.cause == "invalid_nonce"
    assert 290 < (parked.value.retry_after_s or 0) <= 300
    parking = lane.parking_now()
    assert parking is not None
    assert parking.cause == "invalid_nonce"


async def test_request_delivered_twice_is_refused_once_and_the_lane_goes_on(path: Path) -> None:
    lane = lane_at(path)
    async with StrictVenue(jitter_s=0) as venue, Connection(venue.address) as connection:
        async with lane.turn(priority=Priority.ORDER) as turn:
            body = f"nonce={await turn.take()}"
            answers = [await connection.ask("POST", "/0/private/Balance", body) for _ in range(2)]
        last = await connection.ask("POST", "/0/private/Balance", f"nonce={await take(lane)}")

    assert [b"Invalid nonce" in answer for answer in (*answers, last)] == [False, True, False]
