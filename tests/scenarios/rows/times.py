"""Rows of time: clocks that step, drift and sleep, and a venue whose clock is wrong."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any, Final

from holdfast.core.seams import Priority
from holdfast.runtime.lane import FileLane
from tests.crash.noticed import CASES, notice
from tests.runtime.lane_rig import Rig
from tests.scenarios.families import live_on
from tests.scenarios.rows.benches import act_out, calls, counted, expect, reading, said, trade, trading_bench
from tests.scenarios.rows.scenario import calling, on_virtual_time
from tests.scenarios.world import World

__all__: list[str] = []

_CASES: Final = {case.name: case for case in CASES}
_BUFFER_US: Final = 1_500


def _at_once(seed: int, *names: str) -> dict[str, Any]:
    case = _CASES[names[seed % len(names)]]
    found = notice(case, seed)
    return {"noticed_s": found.after_s, "bound_s": case.bound_s, "live_again_s": found.live_again_s}


async def _take(lane: FileLane) -> int:
    async with lane.turn(priority=Priority.BALANCE) as turn:
        return await turn.take()


async def _lane_over_steps(seed: int, *steps_s: float) -> dict[str, Any]:
    """Nonces of one lane file, over steps of the wall clock with a restart after each."""
    with tempfile.TemporaryDirectory(prefix="hf-row-") as folder:
        rig = Rig(Path(folder))
        rig.clock.advance(seed)
        lane = rig.lane()
        taken = [await _take(lane)]
        for step_s in steps_s:
            rig.clock.step_wall(step_s)
            taken.append(await _take(lane))
            lane.close()
            lane = rig.lane()
            taken += [await _take(lane), await _take(lane)]
            rig.clock.advance(1.0)
        lane.close()
        expect(taken == sorted(set(taken)), f"nonces do not rise over steps of {steps_s}: {taken}")
        return {"nonces": len(taken), "ahead_s": round((taken[-1] - rig.clock.true_wall_us()) / 1e6, 3)}


@calling(seeds=4)
def t1_an_hour_back_is_noticed_at_once(seed: int) -> dict[str, Any]:
    """The wall clock goes back by an hour; by turns somebody asks for figures, or nobody does."""
    return _at_once(seed, "the wall clock goes back 1 h", "the wall clock goes back 1 h, nobody asks")


@on_virtual_time(seeds=4)
async def t1_nonces_go_on_over_a_restart(seed: int) -> dict[str, Any]:
    """The wall clock goes back by an hour, and the process with its lane file ends and comes back."""
    return await _lane_over_steps(seed, -3600.0, -3600.0)


@on_virtual_time(sampled=False)
async def t1_orders_while_the_clock_goes_back(seed: int) -> dict[str, Any]:
    """The wall clock goes back by an hour, again and again, while orders are placed."""
    async with trading_bench(seed) as run:
        stepper = asyncio.create_task(_step(run.w, -3600.0))
        await trade(run, orders=8, seed=seed)
        stepper.cancel()
        await asyncio.gather(stepper, return_exceptions=True)
    return counted(run)


async def _step(w: World, by_s: float) -> None:
    while True:
        await asyncio.sleep(w.rng.uniform(2.0, 4.0))
        w.clock.step_wall(by_s)


@calling(seeds=4)
def t2_a_day_forward_is_noticed_at_once(seed: int) -> dict[str, Any]:
    """The wall clock goes on by a day."""
    return _at_once(seed, "the wall clock goes on 1 day")


@on_virtual_time(seeds=4)
async def t2_a_day_forward_and_back_burns_no_nonces(seed: int) -> dict[str, Any]:
    """The wall clock goes on by a day and back, a restart after each; the lane has heard the venue's time."""
    with tempfile.TemporaryDirectory(prefix="hf-row-") as folder:
        rig = Rig(Path(folder))
        rig.clock.advance(seed)
        lane = rig.lane()
        lane.hear_venue_time(rig.venue_time())
        taken = [await _take(lane)]
        for step_s in (86_400.0, -86_400.0):
            rig.clock.step_wall(step_s)
            taken.append(await _take(lane))
            lane.close()
            lane = rig.lane()
            lane.hear_venue_time(rig.venue_time())
            taken.append(await _take(lane))
        lane.close()
        expect(taken == sorted(set(taken)), f"nonces do not rise: {taken}")
        ahead_s = (max(taken) - rig.clock.true_wall_us()) / 1e6
        expect(ahead_s < 5.0, f"the highest nonce is {ahead_s:.1f} s ahead of the venue's clock")
        return {"ahead_s": round(ahead_s, 3)}


@on_virtual_time(sampled=False)
async def t2_a_day_forward_and_back_while_running(seed: int) -> dict[str, Any]:
    """The wall clock goes on by a day and back while signed calls are made."""
    async with reading(seed) as w:
        for step_s in (86_400.0, -86_400.0):
            w.clock.step_wall(step_s)
            await w.broker.refresh(timeout_s=10.0)
            await live_on(w, for_s=15.0, every_s=3.0)
        w.heal()
        return {"healed_s": round(await w.converged(), 1)}


@on_virtual_time()
async def t3_the_venue_is_half_a_minute_off(seed: int) -> dict[str, Any]:
    """The venue's clock is 31 s ahead or behind while orders with a validity are placed."""
    async with trading_bench(seed, settings={"clock_skew_s": float((31, -31)[seed % 2])}) as run:
        traded = await trade(run, orders=6, seed=seed)
        offset_s = run.w.broker.status().venue_clock_offset_s
        expect(offset_s is not None and abs(abs(offset_s) - 31.0) < 2.5, f"31 s are measured as {offset_s}")
        expect(traded.told["placed"], f"no order was taken: {traded.told} {traded.denied}")
    return {"offset_s": round(offset_s or 0.0, 2), **counted(run)}


@on_virtual_time(sampled=False)
async def t3_the_venue_jumps_by_half_a_minute(seed: int) -> dict[str, Any]:
    """The venue's clock jumps by 31 s while orders are placed."""
    async with trading_bench(seed) as run:
        await trade(run, orders=2, seed=seed)
        act_out(run.w, "T3", seed)
        await trade(run, orders=5, seed=seed + 1_000)
    return counted(run)


@on_virtual_time()
async def t4_the_clock_slews(seed: int) -> dict[str, Any]:
    """The wall clock loses or gains a few milliseconds every second, with a leap second in between."""
    async with reading(seed) as w:
        for second in range(60):
            w.clock.step_wall(w.rng.choice((-0.005, 0.005)) if second != 30 else w.rng.choice((-1.0, 1.0)))
            if second % 7 == 0:
                w.happen(kind="deposit", asset="USD", amount="1")
            # That no age is negative is judged at every look (I6).
            await w.sleep(1.0)
        ages = [each.age_s for each in w.broker.balances().values() if each.age_s is not None]
        expect(ages and min(ages) >= 0, f"ages are {ages}")
        w.heal()
        return {"jumps_told": len(said(w, "clock.jumped")), "healed_s": round(await w.converged(), 1)}


@calling(seeds=6)
def t5_sleep_is_noticed_at_once(seed: int) -> dict[str, Any]:
    """The machine sleeps for eight hours; the very first answer after it counts."""
    return _at_once(seed, "the machine sleeps for 8 h")


@on_virtual_time(sampled=False)
async def t5_sleep_of_ten_minutes_while_orders_rest(seed: int) -> dict[str, Any]:
    """The machine sleeps for ten minutes between orders, and others trade meanwhile."""
    async with trading_bench(seed) as run:
        w = run.w
        await trade(run, orders=4, seed=seed)
        w.clock.suspend(600.0)
        states = {each.state.value for each in w.broker.balances().values()}
        expect(not states & {"live", "fresh"}, f"figures from before the sleep are {states}")
        w.happen(kind="withdrawal", asset="USD", amount="25")
        run.judge.happened()
        code = w.broker.verify_balance("USD", "1").code.value
        expect(code == "balance_stale", f"the first answer after a sleep is {code}")
        since = len(calls(w))
        await w.sleep(20.0)
        expect(len(calls(w)) > since, "nothing was asked after the sleep")
        await trade(run, orders=3, seed=seed + 1_000)
    return counted(run)


@on_virtual_time()
async def t7_the_venues_time_is_nonsense(seed: int) -> dict[str, Any]:
    """`Time` stands still, runs back, or counts milliseconds, from the start of a client on."""
    async with trading_bench(seed) as run:
        w = run.w
        run.judge.unwatch(in_order=True)
        await w.close()
        act_out(w, "T7", seed)
        await w.open()
        run.watch()
        await w.sleep(60.0)
        offset_s = w.broker.status().venue_clock_offset_s
        expect(offset_s is None or abs(offset_s) < 120.0, f"a nonsensical clock is believed: {offset_s}")
        await trade(run, orders=5, seed=seed)
    return {"offset_s": None if offset_s is None else round(offset_s, 1), **counted(run)}
