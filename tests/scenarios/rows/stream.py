"""Rows of the stream: handshakes, silence, closings, numbers, snapshots, messages that are none."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from holdfast import Lagged
from tests.crash.injections import BAD_FRAMES
from tests.crash.misled import mislead_stream
from tests.crash.noticed import CASES, Case, notice
from tests.scenarios.rows.benches import (
    act_out,
    calls,
    counted,
    endures,
    expect,
    reading,
    said,
    trade,
    trading_bench,
    watch_ledger,
)
from tests.scenarios.rows.scenario import calling, on_virtual_time
from tests.scenarios.world import World

__all__: list[str] = []

_CASES: Final = {case.name: case for case in CASES}


def _noticed(seed: int, *names: str) -> dict[str, Any]:
    """One of the documented bounds, by the seed."""
    case: Case = _CASES[names[seed % len(names)]]
    found = notice(case, seed)
    return {"noticed_s": found.after_s, "bound_s": case.bound_s, "live_again_s": found.live_again_s}


def _bad_frame(row: str, seed: int) -> dict[str, Any]:
    """One bad message of a row, by the seed."""
    kinds = [each for each in BAD_FRAMES if each.row == row]
    found = mislead_stream(kinds[seed % len(kinds)], seed=seed)
    expect(found.is_kept, f"{found.what}: {found.problem}")
    return {"bad_messages": 1}


def _connects(w: World, *, since: int) -> int:
    return len(calls(w, since=since, kinds=("ws_open", "ws_refused")))


@on_virtual_time()
async def w1_handshakes_are_refused(seed: int) -> dict[str, Any]:
    """Handshakes are refused with 401, 403, 429, 502 or never answered, for ten minutes."""
    async with reading(seed) as w:
        act_out(w, "W1", seed)
        since = w.front.journal.since(0, kinds=())["next"]
        await w.sleep(30.0)
        states = {each.state.value for asset, each in w.broker.balances().items() if asset == "USD"}
        expect(states == {"fresh"}, f"REST answers, and USD is {states}")
        await w.sleep(570.0)
        tries = _connects(w, since=since)
        expect(2 <= tries <= 60, f"{tries} handshakes in ten minutes; the venue bans beyond 150")
        w.heal()
        return {"handshakes_in_10_min": tries, "healed_s": round(await w.converged(), 1)}


@calling()
def w2_silence_is_noticed(seed: int) -> dict[str, Any]:
    """The socket falls silent, a channel acknowledges and never delivers, or one freezes; by the documented bounds."""
    return _noticed(
        seed, "the socket falls silent", "acknowledges and never delivers", "balances freeze", "both channels freeze"
    )


@on_virtual_time(sampled=False)
async def w2_silence_while_the_account_lives_on(seed: int) -> dict[str, Any]:
    """The stream or a channel falls silent by a drawn plan while money comes and goes."""
    async with reading(seed) as w:
        return await endures(w, "W2", seed, for_s=90.0, must_fire=False)


@on_virtual_time()
async def w3_pings_are_not_answered(seed: int) -> dict[str, Any]:
    """No heartbeat comes, and every pong is lost or late."""
    async with reading(seed) as w:
        began_s = w.clock.now_s()
        act_out(w, "W3", seed)
        await w.sleep(25.0)
        lost = said(w, "stream.lost", since_s=began_s)
        expect(lost, "a connection without a sign of life was kept")
        pings = len([each for each in calls(w, kinds=("ws_in",)) if each.get("name") == "ping"])
        expect(pings, "nobody asked for a sign of life")
        w.heal()
        return {"reason": lost[0]["reason"], "pings": pings, "healed_s": round(await w.converged(), 1)}


@on_virtual_time(seeds=40)
async def w4_connections_close(seed: int) -> dict[str, Any]:
    """The connection closes with any code: while opening, before and after the snapshots, in the middle."""
    async with reading(seed) as w:
        return await endures(w, "W4", seed, says=("stream.lost",))


@calling(seeds=8)
def w5_breaks_in_the_sequence_are_noticed(seed: int) -> dict[str, Any]:
    """Gap, duplicate, regression, exchanged messages: by the documented bounds, live again only on a new snapshot."""
    return _noticed(
        seed,
        "a gap, seen by what follows",
        "a gap, nothing follows",
        "a duplicate",
        "a regression",
        "two messages change places",
    )


@on_virtual_time(seeds=40)
async def w5_breaks_while_the_account_lives_on(seed: int) -> dict[str, Any]:
    """Numbers are missing, come twice, go back or start again, on either channel."""
    async with reading(seed) as w:
        return await endures(w, "W5", seed, for_s=90.0, must_fire=False)


@on_virtual_time(sampled=False)
async def w5_breaks_while_orders_are_placed(seed: int) -> dict[str, Any]:
    """The same while orders are placed and filled."""
    async with trading_bench(seed) as run:
        for extra in range(3):
            act_out(run.w, "W5", seed + extra)
        await trade(run, orders=8, seed=seed)
    return counted(run)


@calling()
def w5_one_push_is_lost_or_doubled(seed: int) -> dict[str, Any]:
    """One pushed message is lost, or comes twice; figures by hash."""
    return _bad_frame("W5", seed)


@on_virtual_time(seeds=30)
async def w6_snapshots_out_of_order(seed: int) -> dict[str, Any]:
    """An update comes before its snapshot, a second snapshot in the middle, or an empty one of a funded account."""
    async with reading(seed) as w:
        return await endures(w, "W6", seed, for_s=60.0, must_fire=False)


@on_virtual_time()
async def w7_wrong_acknowledgements(seed: int) -> dict[str, Any]:
    """A subscription is refused, or acknowledged for the other channel."""
    async with reading(seed) as w:
        began_s = w.clock.now_s()
        found = await endures(w, "W7", seed, for_s=60.0, must_fire=False)
        expect(said(w, "stream.lost", since_s=began_s), "the connection was not given up or cut")
        return found


@on_virtual_time()
async def w8_the_token_expires(seed: int) -> dict[str, Any]:
    """Every stream token ends, the connections with it or not."""
    async with reading(seed) as w:
        return await endures(w, "W8", seed, for_s=60.0, must_fire=False)


@on_virtual_time(sampled=False)
async def w8_the_token_expires_while_orders_are_placed(seed: int) -> dict[str, Any]:
    """The same while orders go over the stream."""
    async with trading_bench(seed, prefer="stream") as run:
        killer = asyncio.create_task(_tokens_end(run.w, seed))
        await trade(run, orders=8, seed=seed)
        killer.cancel()
        await asyncio.gather(killer, return_exceptions=True)
    return counted(run)


async def _tokens_end(w: World, seed: int) -> None:
    while True:
        await asyncio.sleep(2.0)
        act_out(w, "W8", seed)
        seed += 1


@on_virtual_time()
async def w9_rows_of_other_wallets(seed: int) -> dict[str, Any]:
    """A row of a futures, staking or margin wallet is pushed."""
    async with reading(seed) as w:
        before = {asset: each.spendable for asset, each in w.broker.balances().items()}
        act_out(w, "W9", seed)
        await w.sleep(1.0)
        after = {asset: each.spendable for asset, each in w.broker.balances().items() if each.spendable is not None}
        more = {asset: each for asset, each in after.items() if each > (before.get(asset) or 0)}
        expect(not more, f"a foreign wallet's row made {more} spendable, before {before}")
        return await endures(w, "W9", seed, must_fire=False)


@on_virtual_time(seeds=30, sampled=False)
async def w10_stream_and_rest_disagree(seed: int) -> dict[str, Any]:
    """REST answers from the past, or an update states a total that its own amounts contradict."""
    async with reading(seed) as w:
        return await endures(w, "W10", seed, for_s=120.0, must_fire=False)


@calling(seeds=4)
def w10_an_older_answer_takes_nothing_back(seed: int) -> dict[str, Any]:
    """REST lags by 55 s behind a stream that is right."""
    return _noticed(seed, "REST lags by 55 s, the stream is right")


@calling()
def w11_messages_that_are_none(seed: int) -> dict[str, Any]:
    """A push is binary, no UTF-8, 16 MiB long, or compressed; figures by hash."""
    return _bad_frame("W11", seed)


@on_virtual_time(sampled=False)
async def w11_messages_that_are_none_go_on(seed: int) -> dict[str, Any]:
    """Pushes are fragmented, binary, broken or huge while the account lives on."""
    async with reading(seed) as w:
        return await endures(w, "W11", seed, must_fire=False)


@on_virtual_time(seeds=6, sampled=False)
async def w12_a_burst_of_messages(seed: int) -> dict[str, Any]:
    """Up to 4,000 pushes at once while a listener does not read."""
    async with reading(seed) as w:
        watch_ledger(w)
        changes = w.broker.changes(limit=100)
        act_out(w, "W12", seed)
        await w.sleep(5.0)
        first = await anext(aiter(changes))
        if not isinstance(first, Lagged):
            raise AssertionError(f"a listener that was too slow is told {first}")
        w.heal()
        return {"missed": first.missed, "healed_s": round(await w.converged(), 1)}


@on_virtual_time()
async def w13_the_venue_closes_every_connection(seed: int) -> dict[str, Any]:
    """A maintenance is announced and every connection is closed."""
    async with reading(seed) as w:
        began_s = w.clock.now_s()
        act_out(w, "W13", seed)
        await w.sleep(0.5)
        expect(said(w, "stream.lost", since_s=began_s), "nobody noticed")
        w.happen(kind="deposit", asset="USD", amount="9")
        await w.sleep(20.0)
        w.heal()
        return {"healed_s": round(await w.converged(), 1)}


@on_virtual_time()
async def w14_a_channel_may_not_be_heard(seed: int) -> dict[str, Any]:
    """The key loses the right to a channel: refused, or acknowledged and mute, as the venue likes."""
    async with reading(seed, points=()) as w:
        key = next(each for each in w.venue.credentials() if each["account"] == "master")["key"]
        had = sorted(w.venue._exchange.keys[key].permissions)
        plan = act_out(w, "W14", seed)
        await w.sleep(60.0)
        status = w.broker.status()
        missing = [each for each in status.stream.channels if not each.has_snapshot]
        expect(status.stream.state != "live" and missing, f"live without {plan.events[1]}: {status.stream}")
        named = [each.refusal for each in missing if each.refusal] or [str(status.stream.reason), *status.reasons]
        expect(any(named), f"no cause is named: {status.stream}")
        w.happen(kind="permissions", permissions=had)
        w.fault(kind="close_streams")
        w.heal()
        # A right that was refused is tried again after five minutes.
        return {
            "cause": str(next(each for each in named if each))[:80],
            "healed_s": round(await w.converged(within_s=400.0), 1),
        }
