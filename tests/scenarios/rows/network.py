"""Rows of the network, on virtual time; over real sockets they are in ``sockets``."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from holdfast.core.breakers import BreakerState
from tests.crash.misled import in_many_places, truncated_at_every_byte
from tests.scenarios.rows.benches import (
    act_out,
    bad_answer,
    calls,
    counted,
    drill,
    endures,
    expect,
    reading,
    said,
    trade,
    trading_bench,
    verdict_code,
)
from tests.scenarios.rows.scenario import calling, on_virtual_time
from tests.scenarios.world import World

__all__ = ["cut_off"]

_STALE_AFTER_S: Final = 45.0


def _amounts(w: World) -> dict[str, Any]:
    return {asset: (each.total, each.held) for asset, each in w.broker.balances().items()}


async def cut_off(w: World, row: str, seed: int) -> dict[str, Any]:
    """
    Cut the client off by the plan of a row: figures stay, age, and buy nothing; then all heals by itself.

    Nothing happens to the account meanwhile, so that what may not move can be compared.
    """
    await w.sleep(1.0)
    before = _amounts(w)
    act_out(w, row, seed)
    await w.sleep(_STALE_AFTER_S, 120.0)
    expect(_amounts(w) == before, f"figures moved from {before} to {_amounts(w)}")
    states = {each.state.value for each in w.broker.balances().values()}
    expect(states == {"stale"}, f"{states} after {_STALE_AFTER_S} s without the venue")
    code = w.broker.verify_balance("USD", "1").code.value
    expect(code == "balance_stale", f"1 USD was {code}")
    order = await verdict_code(w)
    expect(order in ("balance_stale", "breaker_open", "price_unknown", "venue_closed"), f"a buy was {order}")
    expect(not w.broker.is_available(), "available although nothing answers")
    arrived = len(calls(w, kinds=("verdict",)))
    w.heal()
    began_s = w.clock.now_s()
    healed_s = await w.converged()
    while any(each.breaker.state is not BreakerState.CLOSED for each in w.broker.status().capabilities):
        expect(w.clock.now_s() - began_s < 90.0, f"not closed: {w.broker.status().capabilities}")
        await w.sleep(0.5)
    expect(len(calls(w, kinds=("verdict",))) > arrived, "nothing was asked after healing")
    return {"refused_as": code, "healed_s": round(healed_s, 1), "closed_s": round(w.clock.now_s() - began_s, 1)}


@on_virtual_time()
async def n1_connections_are_refused(seed: int) -> dict[str, Any]:
    """REST and the stream's handshake are refused, the open stream is cut."""
    async with reading(seed) as w:
        return await cut_off(w, "N1", seed)


@on_virtual_time()
async def n2_connecting_hangs(seed: int) -> dict[str, Any]:
    """No connection comes about and none is refused."""
    async with reading(seed) as w:
        return await cut_off(w, "N2", seed)


@on_virtual_time()
async def n3_the_name_is_not_found(seed: int) -> dict[str, Any]:
    """The resolver knows no such name, until it does."""
    async with reading(seed) as w:
        found = await cut_off(w, "N3", seed)
        expect(not said(w, "order.doubted"), "an order that was never sent was in doubt")
        return found


@on_virtual_time()
async def n5_the_body_stalls_after_its_headers(seed: int) -> dict[str, Any]:
    """Headers and some bytes arrive, and nothing more."""
    async with reading(seed) as w:
        return await _stalls(w, "N5", seed)


@on_virtual_time()
async def n6_the_body_drips(seed: int) -> dict[str, Any]:
    """Bodies come at 1 to 20 bytes a second."""
    async with reading(seed) as w:
        return await _stalls(w, "N6", seed)


async def _stalls(w: World, row: str, seed: int) -> dict[str, Any]:
    took: list[float] = []
    act_out(w, row, seed)
    for _ in range(4):
        began_s = w.clock.now_s()
        report = await w.broker.refresh(timeout_s=20.0)
        took.append(w.clock.now_s() - began_s)
        expect(report.is_ok or report.error, "a refresh that failed says nothing")
        await w.sleep(1.0, 6.0)
    expect(max(took) <= 20.0 * 1.1, f"a refresh of at most 20 s took {max(took):.1f} s")
    w.heal()
    return {"longest_refresh_s": round(max(took), 1), "healed_s": round(await w.converged(), 1)}


@calling()
def n5_a_stalled_body_moves_nothing(seed: int) -> dict[str, Any]:
    """One balance read stalls inside its body, its figures compared by hash."""
    return bad_answer("N5", seed)


@calling()
def n6_a_dripping_body_moves_nothing(seed: int) -> dict[str, Any]:
    """One balance read drips beyond its deadline, its figures compared by hash."""
    return bad_answer("N6", seed)


@on_virtual_time()
async def n7_connections_are_reset_inside_bodies(seed: int) -> dict[str, Any]:
    """Answers are reset at drawn bytes while the account lives on."""
    async with reading(seed) as w:
        return await endures(w, "N7", seed)


@on_virtual_time()
async def n8_the_answer_to_an_order_is_lost(seed: int) -> dict[str, Any]:
    """Every answer to an order is lost after the venue acted on it, on both ways."""
    return await drill(seed, "N8", hits=True)


@on_virtual_time()
async def n9_the_order_is_lost_on_its_way(seed: int) -> dict[str, Any]:
    """Every order is lost before the venue sees it, on both ways."""
    found = await drill(seed, "N9", hits=True, doubts=True)
    expect(not found["doubts_found"], f"an order that never arrived was found: {found}")
    return found


@on_virtual_time()
async def n10_requests_arrive_twice(seed: int) -> dict[str, Any]:
    """Signed requests reach the venue twice, byte for byte."""
    async with trading_bench(seed, prefer="rest") as run:
        act_out(run.w, "N10", seed)
        await trade(run, orders=8, seed=seed)
        refused = [each for each in calls(run.w, kinds=("verdict",)) if "Invalid nonce" in (each.get("outcome") or "")]
        expect(refused, "no second request was refused: the scenario proves nothing")
    return {**counted(run), "second_requests_refused": len(refused)}


@on_virtual_time()
async def n11_requests_overtake_each_other(seed: int) -> dict[str, Any]:
    """A signed request is held until another one of its key was processed."""
    async with trading_bench(seed, prefer="rest") as run:
        act_out(run.w, "N11", seed)
        readers = [asyncio.create_task(_read_on(run.w)) for _ in range(3)]
        await trade(run, orders=6, seed=seed)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    # That no nonce was refused is judged by the world (I2).
    return counted(run)


async def _read_on(w: World) -> None:
    while True:
        await w.broker.refresh(timeout_s=10.0)
        await asyncio.sleep(0.5)


@on_virtual_time()
async def n12_jitter_and_loss(seed: int) -> dict[str, Any]:
    """Answers take 0.2 to 5 s and one in twenty is lost, while orders are placed."""
    return await drill(seed, "N12", orders=6)


@on_virtual_time()
async def n13_one_of_two_channels_is_dead(seed: int) -> dict[str, Any]:
    """Every REST request is lost, or the stream is silent and cannot be opened again."""
    async with reading(seed) as w:
        plan = act_out(w, "N13", seed)
        await w.sleep(40.0)
        await w.broker.refresh(timeout_s=10.0)
        status = w.broker.status()
        usd = w.broker.balance("USD").state.value
        if plan.faults[0]["kind"] == "rest":
            expect(status.stream.state == "live", f"the stream lives, and is {status.stream.state}")
            expect(status.capability("read").error_count or status.capability("read").breaker.why, "reads look well")
            expect(usd == "live", f"USD is {usd} on a stream that lives")
        else:
            expect(status.stream.state != "live", "a silent stream is live")
            expect(status.capability("read").error_count == 0, f"reads fail: {status.last_error}")
            expect(usd == "fresh", f"USD is {usd} while REST answers")
        w.happen(kind="deposit", asset="USD", amount="3")
        await w.sleep(35.0)
        w.heal()
        dead = "rest" if plan.faults[0]["kind"] == "rest" else "stream"
        return {"dead": dead, "healed_s": round(await w.converged(), 1)}


@on_virtual_time()
async def n14_the_certificate_is_wrong(seed: int) -> dict[str, Any]:
    """Every handshake of TLS fails, REST and stream alike."""
    async with reading(seed) as w:
        return await cut_off(w, "N14", seed)


@calling()
def n15_a_captive_portal_answers(seed: int) -> dict[str, Any]:
    """A balance read is answered 200 with HTML."""
    return bad_answer("N15", seed)


@on_virtual_time(sampled=False)
async def n15_a_captive_portal_stays(seed: int) -> dict[str, Any]:
    """Requests are answered 200 with HTML while the account lives on, before or after the venue acted."""
    async with reading(seed) as w:
        return await endures(w, "N15", seed)


@on_virtual_time()
async def n16_kept_connections_close_as_they_are_used(seed: int) -> dict[str, Any]:
    """The next request on a kept connection meets its end, while orders are placed."""
    return await drill(seed, "N16", prefer="rest")


@calling(seeds=2, sampled=False)
def n7_an_answer_ends_after_each_of_its_bytes(seed: int) -> dict[str, Any]:
    """A balance read is cut after every byte of its body."""
    found = truncated_at_every_byte(("BalanceEx", "Balance")[seed % 2], seed=seed)
    expect(found.is_kept, found.problem)
    return {"bad_answers": in_many_places("N7", "", [found]).times * found.times}
