"""Rows of limits: counters that run out, lockouts, reads that compete with orders."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from holdfast.errors import HoldfastError
from tests.scenarios.quiet import BUSINESS, lockout_silence, refused_orders
from tests.scenarios.rows.benches import act_out, calls, counted, drill, endures, expect, reading, trade, trading_bench
from tests.scenarios.rows.scenario import on_virtual_time
from tests.scenarios.world import World

__all__: list[str] = []

_SLOW_ORDER_S = 3.0


@on_virtual_time(sampled=False)
async def l1_limits_while_the_account_lives_on(seed: int) -> dict[str, Any]:
    """The counter of REST or of the engine stands above its maximum, or the key is locked out for a while."""
    async with reading(seed, settings={"lockout_after": 0}) as w:
        return await endures(w, "L1", seed)


@on_virtual_time(sampled=False)
async def l1_limits_while_orders_are_placed(seed: int) -> dict[str, Any]:
    """The same while orders are placed."""
    return await drill(seed, "L1", orders=6)


@on_virtual_time(seeds=10, sampled=False)
async def l1_nothing_is_sent_during_a_lockout(seed: int) -> dict[str, Any]:
    """The key is locked out for five minutes while everybody asks for everything; the venue's journal counts."""
    found = await lockout_silence(for_s=300.0, seed=seed)
    expect(found["calls"] == 0, f"{found['calls']} calls reached the venue during a lockout")
    expect(found["asked"] > 50 and found["afterwards"] > 0, f"the scenario proves nothing: {found}")
    return found


@on_virtual_time(seeds=len(BUSINESS))
async def l1_refusals_by_the_hundred_open_no_breaker(seed: int) -> dict[str, Any]:
    """One documented refusal that is no fault of the venue's answers thirty orders in a row."""
    found = await refused_orders(BUSINESS[seed % len(BUSINESS)], orders=30, seed=seed)
    expect(not any(found["openings"].values()), f"{BUSINESS[seed % len(BUSINESS)]} opened a breaker: {found}")
    expect(found["error_count"] == 0, f"refusals were counted as errors: {found}")
    return {"refusals": 30}


@on_virtual_time(seeds=4, sampled=False)
async def l1_the_lowest_tier_is_never_overdrawn(seed: int) -> dict[str, Any]:
    """A quarter of an hour of reads and orders on the lowest tier: the venue refuses none for its counter."""
    async with trading_bench(seed, settings={"tier": "starter"}, configured={"rate_tier": "starter"}) as run:
        reader = asyncio.create_task(_hammer(run.w))
        await trade(run, orders=40, seed=seed, wait=(10.0, 30.0))
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        refused = _over_budget(run.w)
        expect(not refused, f"calls over the budget: {refused}")
    return {**counted(run), "calls": len(calls(run.w, kinds=("verdict",)))}


async def _hammer(w: World) -> None:
    while True:
        await w.broker.refresh(timeout_s=10.0)
        await asyncio.sleep(1.0)


def _over_budget(w: World) -> dict[str, int]:
    told = [each.get("outcome") or "" for each in calls(w, kinds=("verdict", "ws_out"))]
    return dict(Counter(each for each in told if "Rate limit" in each or "Too many" in each))


@on_virtual_time(seeds=6)
async def l3_orders_do_not_wait_behind_reads(seed: int) -> dict[str, Any]:
    """Readers ask without pause on the lowest tier, and orders are placed over REST: how long each took."""
    options: dict[str, Any] = {"settings": {"tier": "starter"}, "configured": {"rate_tier": "starter"}}
    took: list[float] = []
    async with trading_bench(seed, **options) as run:
        w = run.w
        act_out(w, "L3", seed)
        readers = [asyncio.create_task(_hammer(w)) for _ in range(4)]
        await w.sleep(60.0)
        for number in range(8):
            began_s = w.clock.now_s()
            try:
                await w.broker.place_limit_order("BTC-USD", "buy", "0.001", "20000.0", intent_id=f"one-{number}")
            except HoldfastError as error:
                expect(False, f"order {number} was stopped by {type(error).__name__}: {error}")
            took.append(w.clock.now_s() - began_s)
            await w.sleep(12.0)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        refused = _over_budget(w)
        expect(not refused, f"calls over the budget: {refused}")
        expect(max(took) < _SLOW_ORDER_S, f"an order waited {max(took):.1f} s behind reads")
    return {"longest_order_s": round(max(took), 3), **counted(run)}
