"""One process's lane: nonces, marks, order, bounds, and what is refused."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.core.nonces import Basis, NonceRecord, NonceUnit
from holdfast.core.seams import Lane, Priority
from holdfast.core.venue import CredentialInfo, ServerTime
from holdfast.errors import (
    ClosedError,
    ConfigError,
    CredentialBusyError,
    InvariantError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
)
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.lane import FileLane
from holdfast.testing import FakeClock, run_virtual
from tests.runtime.lane_rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def take(lane: FileLane, priority: Priority = Priority.BALANCE) -> int:
    async with lane.turn(priority=priority) as turn:
        return await turn.take()


def test_file_lane_is_a_lane(rig: Rig) -> None:
    lane: Lane = rig.lane()

    assert isinstance(lane, FileLane)


# Nonces


async def test_first_nonce_is_the_clock_plus_the_buffer(rig: Rig) -> None:
    assert await take(rig.lane()) == rig.now_us() + 1500


async def test_buffer_is_configurable(rig: Rig) -> None:
    assert await take(rig.lane(forward_buffer_us=0)) == rig.now_us()


async def test_nonces_rise_within_a_turn_across_turns_and_across_lanes(rig: Rig) -> None:
    taken = []
    for lane in (rig.lane(), rig.lane()):
        async with lane.turn(priority=Priority.ORDER) as turn:
            taken += [await turn.take(), await turn.take()]

    assert taken == sorted(set(taken))


async def test_nonce_is_durable_before_it_is_returned(rig: Rig) -> None:
    lane = rig.lane()
    await take(lane)
    synced = rig.disk.syncs

    nonce = await take(lane)

    assert rig.disk.syncs == synced + 1
    assert b'"mark":%d' % nonce in rig.path.read_bytes()


async def test_restart_goes_on_above_the_mark_though_the_clock_went_back(rig: Rig) -> None:
    before = await take(rig.lane())
    gc.collect()  # Gone with the lane: what this process remembers.
    rig.clock.step_wall(-3600)

    assert await take(rig.lane()) == before + 1


@pytest.mark.parametrize("step_s", [-3600.0, 86_400.0])
async def test_step_of_the_wall_clock_moves_no_nonce(rig: Rig, step_s: float) -> None:
    lane = rig.lane()
    before = await take(lane)
    rig.clock.advance(2.0)
    rig.clock.step_wall(step_s)

    assert await take(lane) == before + 2_000_000


async def test_mark_far_ahead_goes_on_and_is_said_once_until_it_is_over(rig: Rig) -> None:
    fast = FakeClock(wall_us=rig.now_us() + 700_000_000)
    mark = await take(rig.lane(clock=fast, emit=None))
    lane = rig.lane()

    assert [await take(lane), await take(lane)] == [mark + 1, mark + 2]
    assert [fields["credential"] for fields in rig.said("nonce.far_ahead")] == ["kraken-master"]
    assert rig.said("nonce.far_ahead")[0]["ahead_s"] == pytest.approx(700, abs=0.01)

    rig.clock.advance(800)
    assert await take(lane) == rig.now_us() + 1500
    assert len(rig.said("nonce.far_ahead")) == 1


async def test_unit_may_become_finer_and_never_coarser(rig: Rig) -> None:
    coarse = await take(rig.lane(unit=NonceUnit.MS))
    fine = await take(rig.lane(unit=NonceUnit.NS))
    after = await take(rig.lane(unit=NonceUnit.MS))

    assert len(str(coarse)) == 13
    assert len(str(fine)) == 19
    assert abs(fine // 1_000_000 - coarse) <= 3
    assert (len(str(after)), after > fine) == (19, True)


async def test_ratchet_keeps_a_mark_that_is_ahead_ahead(rig: Rig) -> None:
    fast = FakeClock(wall_us=rig.now_us() + 700_000_000)
    mark = await take(rig.lane(clock=fast))
    lane = rig.lane()

    await lane.ratchet(NonceUnit.NS)

    assert await take(lane) == mark * 1000 + 1


async def test_regeneration_jumps_ahead_once(rig: Rig) -> None:
    lane = rig.lane()
    async with lane.turn(priority=Priority.ORDER) as turn:
        first = await turn.take()
        second = await turn.take_beyond()
        with pytest.raises(InvariantError, match="one regeneration per turn"):
            await turn.take_beyond()

    assert second - first == 10_000_000
    assert lane.refused == 1
    assert await take(lane) == second + 1
    assert (await lane.state()).record.refusals_healed == 1


async def test_regeneration_of_nothing_is_refused(rig: Rig) -> None:
    async with rig.lane().turn(priority=Priority.ORDER) as turn:
        with pytest.raises(InvariantError):
            await turn.take_beyond()


# The venue's time


def ask(times: list[ServerTime]) -> Callable[[], Awaitable[ServerTime]]:
    async def answer() -> ServerTime:
        return times.pop(0)

    return answer


async def test_new_key_asks_the_venue_and_a_clock_a_day_ahead_burns_nothing(rig: Rig) -> None:
    rig.clock.step_wall(86_400)
    lane = rig.lane()
    times = [rig.venue_time()]
    lane.use_venue_time(ask(times))

    nonce = await take(lane)

    assert abs(nonce - rig.clock.true_wall_us()) < 2_000_000
    assert times == []
    assert rig.said("clock.skewed") == [{"venue": "kraken", "offset_s": pytest.approx(86_400, abs=1)}]
    await take(lane)  # Asks no more: there is nothing left to pop.
    assert (await lane.state()).basis is Basis.VENUE


async def test_recent_mark_spares_the_question(rig: Rig) -> None:
    await take(rig.lane())
    rig.clock.advance(30)
    lane = rig.lane()
    lane.use_venue_time(ask([]))

    assert await take(lane) == rig.now_us() + 1500


async def test_old_mark_and_a_clock_a_day_ahead_ask(rig: Rig) -> None:
    await take(rig.lane())
    rig.clock.step_wall(86_400)
    lane = rig.lane()
    lane.use_venue_time(ask([rig.venue_time()]))

    assert await take(lane) < rig.clock.true_wall_us() + 2_000_000


async def test_venue_time_that_was_heard_spares_the_question(rig: Rig) -> None:
    lane = rig.lane()
    lane.use_venue_time(ask([]))
    lane.hear_venue_time(rig.venue_time())

    assert await take(lane) == rig.now_us() + 1500


async def test_venue_time_in_milliseconds_is_asked_for_once_and_not_believed(rig: Rig) -> None:
    odd = msgspec.structs.replace(rig.venue_time(), venue_time_s=1.79e12)
    times = [odd, odd]
    lane = rig.lane()
    lane.use_venue_time(ask(times))

    assert [await take(lane), await take(lane)] == [rig.now_us() + 1500, rig.now_us() + 1501]
    assert times == [odd]


async def test_question_that_fails_sends_nothing_and_is_asked_again(rig: Rig) -> None:
    calls: list[int] = []

    async def fails() -> ServerTime:
        calls.append(1)
        raise ConnectionError("no venue")

    lane = rig.lane()
    lane.use_venue_time(fails)

    for _ in range(2):
        with pytest.raises(ConnectionError):
            await take(lane)

    assert len(calls) == 2
    assert (await lane.state()).record.mark is None


async def test_skew_is_said_once_until_the_clock_is_right_again(rig: Rig) -> None:
    lane = rig.lane()
    lane.hear_venue_time(rig.venue_time())
    rig.clock.step_wall(300)
    lane.hear_venue_time(rig.venue_time())
    lane.hear_venue_time(rig.venue_time())
    rig.clock.step_wall(-300)
    lane.hear_venue_time(rig.venue_time())
    rig.clock.step_wall(-300)
    lane.hear_venue_time(rig.venue_time())

    assert [round(fields["offset_s"] / 100) for fields in rig.said("clock.skewed")] == [3, -3]


# Order and bounds


async def test_only_one_is_inside_at_a_time(rig: Rig) -> None:
    lanes = [rig.lane(), rig.lane()]
    inside = 0
    most = 0

    async def call(number: int) -> None:
        nonlocal inside, most
        async with lanes[number % 2].turn(priority=Priority.BALANCE) as turn:
            inside += 1
            most = max(most, inside)
            await turn.take()
            await asyncio.sleep(0)
            inside -= 1

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(call(number))

    assert most == 1


async def test_waiters_enter_by_priority_and_then_in_the_order_they_came(rig: Rig) -> None:
    lane = rig.lane()
    order: list[str] = []

    async def call(name: str, priority: Priority) -> None:
        async with lane.turn(priority=priority):
            order.append(name)

    async with asyncio.TaskGroup() as group, lane.turn(priority=Priority.BALANCE):
        for name, priority in [
            ("history", Priority.HISTORY),
            ("balance", Priority.BALANCE),
            ("order 1", Priority.ORDER),
            ("token", Priority.TOKEN),
            ("order 2", Priority.ORDER),
            ("cancel", Priority.CANCEL),
        ]:
            group.create_task(call(name, priority))
            await asyncio.sleep(0.005)

    assert order == ["cancel", "order 1", "order 2", "token", "balance", "history"]


def test_history_is_not_starved_by_a_steady_stream_of_cancels(tmp_path: Path) -> None:
    async def busy_day() -> float:
        loop = asyncio.get_running_loop()
        lane = FileLane(tmp_path / "lane", clock=FakeClock(loop), sync=lambda fd: None)

        async def cancel() -> None:
            while True:
                async with lane.turn(priority=Priority.CANCEL, wait_s=60):
                    await asyncio.sleep(0.1)

        cancels = [asyncio.create_task(cancel()) for _ in range(3)]
        await asyncio.sleep(1)
        began_s = loop.time()
        async with lane.turn(priority=Priority.HISTORY):
            waited_s = loop.time() - began_s
        for task in cancels:
            task.cancel()
        await asyncio.wait(cancels)
        return waited_s

    # Four seconds until it stands in the first class, then those that came before it: at most one turn each.
    assert 3.9 < run_virtual(busy_day()) < 4.5


async def test_wait_ends_at_its_bound_and_names_the_holder(rig: Rig) -> None:
    lane = rig.lane(wait_s=0.05)
    async with lane.turn(priority=Priority.ORDER):
        rig.clock.advance(7.5)
        with pytest.raises(CredentialBusyError, match=r"this process has held .* for 7\.5 s") as busy:
            await asyncio.create_task(take(lane))

    assert busy.value.pid == os.getpid()
    assert busy.value.held_for_s == pytest.approx(7.5)


async def test_wait_bound_can_be_set_per_turn(rig: Rig) -> None:
    lane = rig.lane(wait_s=60)

    async def impatient() -> None:
        async with lane.turn(priority=Priority.ORDER, wait_s=0):
            raise AssertionError("entered an occupied lane")

    async with lane.turn(priority=Priority.ORDER):
        with pytest.raises(CredentialBusyError):
            await asyncio.create_task(impatient())
    await take(lane)


async def test_second_turn_in_the_same_task_is_refused_at_once(rig: Rig) -> None:
    lane = rig.lane(wait_s=60)
    async with lane.turn(priority=Priority.ORDER):
        with pytest.raises(InvariantError, match="this task is inside"):
            async with rig.lane().turn(priority=Priority.CANCEL):
                pass
    await take(lane)


async def test_turn_is_over_after_its_block_and_used_once(rig: Rig) -> None:
    lane = rig.lane()
    turn = lane.turn(priority=Priority.ORDER)
    async with turn as inside:
        await inside.take()

    for act in (inside.take, inside.take_beyond, lambda: inside.park("lockout", for_s=1)):
        with pytest.raises(ClosedError, match="this turn is over"):
            await act()
    with pytest.raises(ClosedError, match="used once"):
        async with turn:
            pass


async def test_error_inside_a_turn_frees_the_lane(rig: Rig) -> None:
    lane = rig.lane(wait_s=1)
    with pytest.raises(ValueError, match="boom"):
        async with lane.turn(priority=Priority.ORDER):
            raise ValueError("boom")

    await take(lane)


async def test_closed_lane_refuses_further_turns(rig: Rig) -> None:
    lane, other = rig.lane(), rig.lane()
    async with lane.turn(priority=Priority.ORDER) as turn:
        lane.close()
        await turn.take()

    with pytest.raises(ClosedError):
        await take(lane)
    await take(other)


async def test_closing_one_lane_leaves_another_on_the_same_file_open(rig: Rig) -> None:
    lane, other = rig.lane(), rig.lane()
    await take(other)
    lane.close()
    lane.close()

    assert other.parking_now() is None
    assert (await other.state()).record.mark is not None
    await take(other)


# The disk


@pytest.mark.parametrize(("code", "error"), [(errno.EIO, StoreError), (errno.ENOSPC, StoreFullError)])
async def test_nonce_that_cannot_be_made_durable_is_not_handed_out(rig: Rig, code: int, error: type[Exception]) -> None:
    lane = rig.lane()
    before = await take(lane)
    rig.disk.fail(code)
    with pytest.raises(error):
        await take(lane)
    rig.disk.heal()

    assert await take(lane) > before
    assert rig.said("nonce.mark_recovered") == []


async def test_failed_nonce_can_be_taken_again_in_the_same_turn(rig: Rig) -> None:
    lane = rig.lane()
    async with lane.turn(priority=Priority.ORDER) as turn:
        rig.disk.fail()
        with pytest.raises(StoreError):
            await turn.take()
        rig.disk.heal()
        nonce = await turn.take()

    assert await take(lane) > nonce


async def test_hanging_disk_does_not_block_the_event_loop(rig: Rig) -> None:
    lane = rig.lane()
    await take(lane)
    rig.disk.hang()
    waiting = asyncio.create_task(take(lane))
    await rig.disk.reached()

    await asyncio.sleep(0.02)  # The loop is alive, and the nonce is not there.
    assert not waiting.done()

    rig.disk.heal()
    assert await waiting > 0


async def test_waiters_behind_a_hanging_disk_are_told_who_holds_the_lane(rig: Rig) -> None:
    lane = rig.lane()
    await take(lane)
    rig.disk.hang()
    hanging = asyncio.create_task(take(lane))
    await rig.disk.reached()

    with pytest.raises(CredentialBusyError):
        async with lane.turn(priority=Priority.CANCEL, wait_s=0.05):
            pass

    rig.disk.heal()
    await hanging


async def test_file_without_a_sound_slot_is_refused_and_never_taken_for_new(rig: Rig) -> None:
    lane = rig.lane()
    await take(lane)
    lane.close()
    rig.path.write_bytes(os.urandom(9000))

    with pytest.raises(StoreCorruptError, match=re.escape(str(rig.path))) as corrupt:
        await take(rig.lane())
    assert "Move it away" in str(corrupt.value)
    assert "`holdfast nonce doctor`" in str(corrupt.value)


async def test_sound_record_of_something_else_is_refused(rig: Rig) -> None:
    from holdfast.runtime.marks import MarkFile

    MarkFile.open(rig.path, first=b'{"mark":"many"}').close()

    with pytest.raises(StoreCorruptError, match="no lane's"):
        await take(rig.lane())


async def test_damaged_slot_costs_a_jump_and_repeats_nothing(rig: Rig) -> None:
    lane = rig.lane()
    taken = [await take(lane) for _ in range(2)]
    lane.close()
    raw = bytearray(rig.path.read_bytes())
    newest = raw.index(b'"mark":%d' % taken[1])
    raw[newest + 8] ^= 1
    rig.path.write_bytes(raw)
    del lane
    gc.collect()  # And with it goes what this process remembers, as in a restart.
    rig.clock.step_wall(-3600)

    restarted = rig.lane()

    assert await take(restarted) == taken[0] + 10_000_001
    assert [fields["reason"] for fields in rig.said("nonce.mark_recovered")] == ["slot_damaged"]
    await take(restarted)  # The damage was written over.
    assert len(rig.said("nonce.mark_recovered")) == 1


async def test_lane_file_that_was_deleted_by_hand_is_made_anew_and_nonces_go_on(rig: Rig) -> None:
    lane = rig.lane()
    before = await take(lane)
    rig.clock.step_wall(-3600)
    rig.path.unlink()

    assert await take(lane) > before
    assert rig.path.exists()


async def test_older_copy_in_the_files_place_does_not_take_nonces_back(rig: Rig) -> None:
    lane = rig.lane()
    await take(lane)
    copy = rig.path.read_bytes()
    before = [await take(lane) for _ in range(3)]
    older = rig.path.with_name("copy")
    older.write_bytes(copy)
    older.chmod(0o600)
    older.replace(rig.path)

    assert await take(lane) > before[-1]
    assert [fields["reason"] for fields in rig.said("nonce.mark_recovered")] == ["file_went_back"]


async def test_linked_lane_file_is_refused(rig: Rig, tmp_path: Path) -> None:
    rig.path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreError, match="symbolic link"):
        await take(rig.lane())


async def test_lane_file_is_private(rig: Rig) -> None:
    await take(rig.lane())

    assert rig.path.stat().st_mode & 0o777 == 0o600


# State, settings, other loops


async def test_state_tells_mark_unit_and_who_was_there(rig: Rig) -> None:
    lane = rig.lane()
    empty = await lane.state()
    nonce = await take(lane)
    rig.clock.advance(10)

    state = await lane.state()

    assert (empty.record, empty.ahead_s, empty.holder) == (NonceRecord(), None, None)
    assert (state.record.mark, state.record.unit) == (nonce, NonceUnit.US)
    assert state.ahead_s == pytest.approx(-10 + 0.0015)
    assert [entry.pid for entry in state.last_holders] == [os.getpid()]
    async with lane.turn(priority=Priority.ORDER):
        holder = (await lane.state()).holder
        assert holder is not None
        assert holder.pid == os.getpid()


async def test_what_was_learnt_of_a_healthy_key_is_kept(rig: Rig) -> None:
    info = CredentialInfo(
        account_id="AA",
        permissions=("query-funds",),
        can_withdraw=False,
        nonce_window=25,
        ip_allow_list=(),
        expires_at_s=None,
    )
    lane = rig.lane()
    await take(lane)
    await lane.keep_credential_info(info)

    record = (await rig.lane().state()).record
    assert (record.nonce_window, record.permissions, record.healthy_wall_us) == (25, ("query-funds",), rig.now_us())


@pytest.mark.parametrize("settings", [{"in_flight_max": 0}, {"in_flight_max": 17, "nonce_window": 100}])
def test_nonsense_in_flight_is_refused(rig: Rig, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="1 to 16"):
        rig.lane(**settings)


def test_several_in_flight_without_a_window_are_refused(rig: Rig) -> None:
    with pytest.raises(ConfigError, match="nonce window"):
        rig.lane(in_flight_max=4, nonce_window=3)


def test_lane_runs_on_virtual_time_with_real_files(tmp_path: Path) -> None:
    async def day() -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        clock = FakeClock(loop)
        lane = FileLane(tmp_path / "lane", clock=clock, sync=lambda fd: None)
        taken = []

        async def caller() -> None:
            for _ in range(24):
                async with lane.turn(priority=Priority.BALANCE) as turn:
                    taken.append(await turn.take())
                    await asyncio.sleep(1.0)
                await asyncio.sleep(3600)

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(caller())
        assert taken == sorted(set(taken))
        return len(taken), loop.time()

    count, took_s = run_virtual(day())

    assert count == 96
    assert 86_000 < took_s < 87_000


def test_wait_is_bounded_on_virtual_time_too(tmp_path: Path) -> None:
    async def wait() -> float:
        loop = asyncio.get_running_loop()
        lane = FileLane(tmp_path / "lane", clock=FakeClock(loop), sync=lambda fd: None)
        async with lane.turn(priority=Priority.BALANCE):
            with pytest.raises(CredentialBusyError):
                await asyncio.create_task(take(lane))
            return loop.time()

    assert 10.0 <= run_virtual(wait()) < 10.1


async def test_lane_with_the_real_clock_and_the_real_disk(rig: Rig) -> None:
    lane = rig.lane(clock=SystemClock(), sync=None)

    nonce = await take(lane)

    assert abs(nonce - SystemClock().wall_us()) < 60_000_000
