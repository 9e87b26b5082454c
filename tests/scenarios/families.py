"""
The families of scenarios: each draws its faults from the seed, heals, and has to converge.

Names in brackets are the rows of the fault catalogue in the documentation.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from holdfast.core.amounts import format_amount
from holdfast.simulators.core.mutations import MUTATIONS
from tests.scenarios.breakers import breakers
from tests.scenarios.failover import failover
from tests.scenarios.trading import trading
from tests.scenarios.world import World, world

__all__ = ["FAMILIES", "Family", "live_on", "run_family"]

Family = Callable[[int, bool], Awaitable[dict[str, Any]]]
"""Takes a seed and whether to keep a digest; returns what it measured."""

_ASSETS: Final = ("USD", "EUR", "BTC", "ETH", "SOL", "USDT")

# Mutations that leave a well-formed, different amount: the venue would be lying, and no client can tell.
_LIES: Final = frozenset({"set", "rename", "giant", "tiny", "many_digits", "remove", "exponent", "plain_number"})


def _happening(w: World) -> dict[str, Any]:
    """Something ordinary that happens to the account."""
    asset = w.rng.choice(_ASSETS)
    amount = format_amount(w.truth()["USD"]["total"].__class__(w.rng.randint(1, 500)).scaleb(-w.rng.randint(0, 4)))
    return w.rng.choice(
        (
            {"kind": "deposit", "asset": asset, "amount": amount},
            {"kind": "withdrawal", "asset": "USD", "amount": "1.5"},
            {"kind": "external_trade", "pair": "BTC-USD", "side": "buy", "quantity": "0.001"},
            {"kind": "external_trade", "pair": "BTC-USD", "side": "sell", "quantity": "0.001"},
            {"kind": "external_order", "pair": "BTC-USD", "side": "buy", "quantity": "0.001", "price": "20000.0"},
            {"kind": "external_cancel"},
        )
    )


async def live_on(w: World, *, for_s: float, every_s: float = 8.0) -> None:
    """Let ordinary things happen for about *for_s* seconds."""
    end_s = w.clock.now_s() + for_s
    while w.clock.now_s() < end_s:
        await w.sleep(0.2, 2 * every_s)
        with contextlib.suppress(ValueError):  # Not enough to trade with: then nothing happens.
            w.happen(**_happening(w))


async def _trouble(w: World, faults: Callable[[World], dict[str, Any]], *, rounds: int, length_s: float) -> float:
    """Rounds of drawn faults with life going on, each healed; the longest time to converge."""
    longest_s = await w.converged()
    for _ in range(rounds):
        for _ in range(w.rng.randint(1, 3)):
            w.fault(**faults(w))
        await live_on(w, for_s=w.rng.uniform(0.3, 1.0) * length_s)
        w.heal()
        longest_s = max(longest_s, await w.converged())
    return longest_s


# Faults, a group each


def network_fault(w: World) -> dict[str, Any]:
    """[N1-N9, N12, N16] Refused, hanging, lost, reset, slow."""
    rng = w.rng
    action = rng.choice(
        (
            {"do": "unreachable", "how": rng.choice(("refused", "dns", "tls", "connect_timeout"))},
            {"do": "lose_request", "how": rng.choice(("silence", "reset", "close"))},
            {"do": "lose_reply", "how": rng.choice(("silence", "reset", "close"))},
            {"do": "delay", "low_s": 0.2, "high_s": 5.0, "where": rng.choice(("request", "reply"))},
            {"do": "cut_body", "how": rng.choice(("reset", "close", "silence")), "chunked": rng.random() < 0.5},
            {"do": "drip", "bytes_per_s": rng.choice((1.0, 40.0))},
            {"do": "close_idle", "races": rng.random() < 0.5},
        )
    )
    return {"kind": "rest", "action": action, "probability": rng.choice((0.05, 0.3, 1.0))}


def http_fault(w: World) -> dict[str, Any]:
    """[H1-H10] Statuses, pages, limits, redirects, wrong lengths, bombs."""
    rng = w.rng
    action = rng.choice(
        (
            {"do": "html_error", "status": rng.choice((200, 500, 502, 503, 504, 520, 526))},
            {"do": "too_many", "retry_after": rng.choice((None, "1", "-5", "1000000000", "soon"))},
            {"do": "redirect", "location": "http://203.0.113.9/", "status": rng.choice((301, 302, 307))},
            {"do": "empty", "status": rng.choice((200, 204))},
            {"do": "wrong_length", "by": rng.choice((-3, 7))},
            {"do": "mislabel", "content_type": "text/html"},
            {"do": "mislabel", "bom": True},
            {"do": "mislabel", "charset": rng.choice(("utf-16", "utf-32"))},
            {"do": "mislabel", "content_encoding": "gzip"},
            {"do": "mislabel", "content_encoding": "gzip", "encodes": True},
            {"do": "gzip_bomb", "unpacked_bytes": 64 << 20},
            {"do": "endless_body", "total_bytes": 64 << 20},
            {"do": "huge_headers", "count": 3, "value_bytes": 1 << 20},
        )
    )
    return {"kind": "rest", "action": action, "probability": rng.choice((0.1, 0.5, 1.0))}


def body_fault(w: World) -> dict[str, Any]:
    """[B1, B2, B6, B8, B13, B14, N15] Texts that are not what they should be."""
    rng = w.rng
    play = w.play
    if rng.random() < 0.25:
        return {"kind": "rest", "name": rng.choice(play.reads), "action": {"do": "truncate"}, "probability": 0.7}
    if rng.random() < 0.15:
        body = rng.choice(play.bodies)
        return {"kind": "rest", "name": list(play.balance_calls), "action": {"do": "answer", "body": body}}
    how = rng.choice(sorted(set(MUTATIONS) - _LIES))
    return {
        "kind": "rest",
        "name": list(play.balance_calls),
        "action": {"do": "mutate", "how": how},
        "probability": rng.choice((0.5, 1.0)),
    }


def stream_fault(w: World) -> dict[str, Any]:
    """[W1-W4, W11, W13] Sockets that close, fall silent, refuse, or carry what they must not."""
    rng = w.rng
    kind = rng.randrange(5)
    if kind == 0:
        action: dict[str, Any] = {"do": "close", "code": rng.choice((1000, 1001, 1006, 1008, 1011, 4000))}
        return {"kind": "streams", "action": action}
    if kind == 1:
        return {"kind": "streams", "action": {"do": "mute"}}
    if kind == 2:
        status = rng.choice((0, 401, 403, 429, 502))
        w.fault(kind="streams", action={"do": "close", "code": 1006})
        return {"kind": "handshake", "action": {"do": "refuse", "status": status}, "count": rng.randint(1, 4)}
    if kind == 3:
        typed = () if w.play.updates is None else ({"type": "snapshot"}, {"type": w.play.updates})
        where = rng.choice(({"name": w.play.subscribing}, *typed))
        return {"kind": "ws_out", **where, "action": {"do": "close", "code": 1011}, "count": 2}
    action = rng.choice(({"do": "send_binary"}, {"do": "invalid_utf8"}, {"do": "huge_frame", "total_bytes": 16 << 20}))
    return {"kind": "ws_out", **_updates(w), "action": action, "count": 2}


def _updates(w: World) -> dict[str, str]:
    """The messages of a channel that are no answers, where a fault can tell them apart."""
    return {"channel": w.play.channels[-1]} if w.play.updates is None else {"type": w.play.updates}


def channel_fault(w: World) -> dict[str, Any]:
    """[W2, W5, W6, W7] Channels that lose, repeat, reorder, freeze, or begin wrongly."""
    rng = w.rng
    play = w.play
    channel = rng.choice(play.channels)
    if rng.random() < 0.3:
        do = rng.choice(({"do": "drop"}, {"do": "duplicate"}, {"do": "swap"}, {"do": "truncate"}))
        where = {} if play.updates is None else {"type": play.updates}
        return {"kind": "ws_out", "channel": channel, **where, "action": do, "count": rng.randint(1, 3)}
    kind = rng.choice(play.channel_faults)
    if kind == "token_death":
        return {"kind": kind, "closes": rng.random() < 0.7}
    if kind in ("log_out", "missing_snapshot", "lost_page"):
        return {"kind": kind}
    if kind == "upgrade_notice":
        return {"kind": kind, "after_s": rng.choice((5, 30))}
    if kind in ("update_before_snapshot", "subscribe_error", "foreign_ack", "connection_count_error"):
        w.fault(kind="close_streams")
    if kind in ("update_before_snapshot", "extra_snapshot") and play.id != "kraken":
        return {"kind": kind}
    return {"kind": kind, "channel": channel}


def lag_fault(w: World) -> dict[str, Any]:
    """[V6, W10, kraken trap 14] Answers from a replica that lags behind the stream."""
    rng = w.rng
    lags = [by_s for by_s in (1, 5, 30, 55) if by_s <= w.play.rest_lag_s]
    return {"kind": rng.choice(w.play.lag_faults), "by_s": rng.choice(lags)}


def suspect_fault(w: World) -> dict[str, Any]:
    """[B10, B15] Well-formed answers that say that everything, or something, is gone."""
    return w.play.suspect(w)


def venue_fault(w: World) -> dict[str, Any]:
    """[H3-H5, L1, V1, V3] The venue's own refusals."""
    return w.play.refusal(w)


# Families


async def _faulty(
    seed: int, keeps_digest: bool, faults: Callable[[World], dict[str, Any]], *, rounds: int = 4, length_s: float = 60.0
) -> dict[str, Any]:
    async with world(seed=seed, keeps_digest=keeps_digest) as w:
        longest_s = await _trouble(w, faults, rounds=rounds, length_s=length_s)
        return {"converged_s": round(longest_s, 3), "digest": w.digest() if keeps_digest else None}


async def network(seed: int, keeps_digest: bool) -> dict[str, Any]:
    return await _faulty(seed, keeps_digest, network_fault)


async def http(seed: int, keeps_digest: bool) -> dict[str, Any]:
    return await _faulty(seed, keeps_digest, http_fault)


async def body(seed: int, keeps_digest: bool) -> dict[str, Any]:
    return await _faulty(seed, keeps_digest, body_fault)


async def stream(seed: int, keeps_digest: bool) -> dict[str, Any]:
    return await _faulty(seed, keeps_digest, stream_fault)


async def channel(seed: int, keeps_digest: bool) -> dict[str, Any]:
    return await _faulty(seed, keeps_digest, channel_fault, length_s=120.0)


async def lag(seed: int, keeps_digest: bool) -> dict[str, Any]:
    return await _faulty(seed, keeps_digest, lag_fault, length_s=180.0)


async def suspect(seed: int, keeps_digest: bool) -> dict[str, Any]:
    return await _faulty(seed, keeps_digest, suspect_fault, length_s=150.0)


async def venue(seed: int, keeps_digest: bool) -> dict[str, Any]:
    return await _faulty(seed, keeps_digest, venue_fault, length_s=90.0)


async def mixed(seed: int, keeps_digest: bool) -> dict[str, Any]:
    """Everything at once."""
    groups = (network_fault, http_fault, body_fault, stream_fault, channel_fault, lag_fault, suspect_fault, venue_fault)
    return await _faulty(seed, keeps_digest, lambda w: w.rng.choice(groups)(w), rounds=6, length_s=90.0)


async def clock(seed: int, keeps_digest: bool) -> dict[str, Any]:
    """[T1, T2, T3, T5, T7] Steps, sleep, a venue whose clock is wrong."""
    async with world(seed=seed, keeps_digest=keeps_digest) as w:
        longest_s = await w.converged()
        for _ in range(5):
            kind = w.rng.randrange(4)
            if kind == 0:
                w.clock.step_wall(w.rng.choice((-3600.0, 86_400.0, -1.5, 30.0)))
            elif kind == 1:
                w.clock.suspend(w.rng.choice((20.0, 600.0, 8 * 3600.0)))
                w.happen(kind="deposit", asset="USD", amount="3")
                # The very first look after the sleep: nothing may count that was asked before it.
                states = {balance.state.value for balance in w.broker.balances().values()}
                if states & {"live", "fresh"}:
                    w.checker.violated("I6", f"figures from before a sleep are {states}")
            elif kind == 2:
                w.fault(kind="clock_skew", by_s=w.rng.choice(w.play.skews))
            else:
                w.fault(kind="server_time", form=w.rng.choice(w.play.times))
            await live_on(w, for_s=40.0)
            w.heal()
            longest_s = max(longest_s, await w.converged())
        return {"converged_s": round(longest_s, 3), "digest": w.digest() if keeps_digest else None}


async def restart(seed: int, keeps_digest: bool) -> dict[str, Any]:
    """[K7] The client ends and comes back, again and again, while the account lives on."""
    async with world(seed=seed, keeps_store=True, keeps_digest=keeps_digest) as w:
        longest_s = await w.converged()
        for _ in range(6):
            if w.rng.random() < 0.5:
                w.fault(**w.rng.choice((network_fault, stream_fault, channel_fault))(w))
            await live_on(w, for_s=w.rng.uniform(1.0, 40.0), every_s=3.0)
            known = {asset: balance.total for asset, balance in w.broker.balances().items()}
            await w.close()
            w.heal()
            if w.rng.random() < 0.7:
                w.happen(kind="deposit", asset="USD", amount="7")
            await asyncio.sleep(w.rng.uniform(0.0, 100.0))
            await w.open()
            for asset, balance in w.broker.balances().items():
                if balance.is_fit_to_approve or balance.reason != "restored" or balance.total != known[asset]:
                    w.checker.violated("P10", f"restored {asset} is {balance}, known before {known[asset]}")
            longest_s = max(longest_s, await w.converged())
        return {"converged_s": round(longest_s, 3), "digest": w.digest() if keeps_digest else None}


async def tasks(seed: int, keeps_digest: bool) -> dict[str, Any]:
    """[C3, C6, C8] Many tasks read, refresh, wait and are cancelled at any step."""
    async with world(seed=seed, keeps_digest=keeps_digest) as w:
        longest_s = await w.converged()

        async def busy(number: int) -> None:
            while True:
                await asyncio.sleep(w.rng.uniform(0.0, 3.0))
                choice = w.rng.randrange(4)
                if choice == 0:
                    await w.broker.refresh()
                elif choice == 1:
                    await w.broker.explain(w.rng.choice(_ASSETS))
                elif choice == 2:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(w.rng.uniform(0.0, 0.2)):
                            await w.broker.refresh()
                else:
                    w.checker.look()

        running = {asyncio.create_task(busy(number)) for number in range(8)}
        for round_ in range(40):
            await live_on(w, for_s=2.0, every_s=0.5)
            task = w.rng.choice(sorted(running, key=lambda each: each.get_name()))
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            running.discard(task)
            running.add(asyncio.create_task(busy(100 + round_), name=f"busy {100 + round_:04}"))
        for task in running:
            task.cancel()
        results = await asyncio.gather(*running, return_exceptions=True)
        for result in results:
            if not isinstance(result, asyncio.CancelledError):
                w.checker.violated("I12", f"a task ended with {result!r}")
        longest_s = max(longest_s, await w.converged())
        return {"converged_s": round(longest_s, 3), "digest": w.digest() if keeps_digest else None}


async def zero(seed: int, keeps_digest: bool) -> dict[str, Any]:
    """[I4] Accounts that hold nothing, from the start or from some moment on: proven, then shown as zero."""
    profile = ("empty", "plain")[seed % 2]
    async with world(seed=seed, profile=profile, keeps_digest=keeps_digest) as w:
        longest_s = await w.converged()
        for asset, row in w.truth().items():
            if row["available"] > 0:
                w.happen(kind="withdrawal", asset=asset, amount=format_amount(row["available"]))
                await w.sleep(0.0, 5.0)
        longest_s = max(longest_s, await w.converged())
        if any(balance.total != 0 for balance in w.broker.balances().values()):
            w.checker.violated("I4", f"real zeros are not shown: {w.broker.balances()}")
        await w.sleep(120.0)
        w.happen(kind="deposit", asset="USD", amount="12.5")
        longest_s = max(longest_s, await w.converged())
        return {"converged_s": round(longest_s, 3), "digest": w.digest() if keeps_digest else None}


async def _days(seed: int, keeps_digest: bool, *, days: float, heartbeats: bool) -> dict[str, Any]:
    async with world(seed=seed, heartbeats=heartbeats, keeps_digest=keeps_digest) as w:
        longest_s = await w.converged()
        end_s = w.clock.now_s() + days * 86_400
        private_before = len(w.asked)
        groups = (network_fault, http_fault, body_fault, stream_fault, channel_fault, venue_fault)
        while w.clock.now_s() < end_s:
            await w.sleep(0.5 * 3600, 2.5 * 3600)
            await live_on(w, for_s=20.0)
            w.fault(**w.rng.choice(groups)(w))
            await live_on(w, for_s=60.0)
            w.heal()
            longest_s = max(longest_s, await w.converged())
        return {
            "converged_s": round(longest_s, 3),
            "balance_reads_per_hour": round((len(w.asked) - private_before) / (days * 24), 1),
            "digest": w.digest() if keeps_digest else None,
        }


async def day(seed: int, keeps_digest: bool) -> dict[str, Any]:
    """A day with every heartbeat, a dozen troubles in it."""
    return await _days(seed, keeps_digest, days=1, heartbeats=True)


async def week(seed: int, keeps_digest: bool) -> dict[str, Any]:
    """A week with idle heartbeats coalesced."""
    return await _days(seed, keeps_digest, days=7, heartbeats=False)


FAMILIES: Final[dict[str, Family]] = {
    "network": network,
    "http": http,
    "body": body,
    "stream": stream,
    "channel": channel,
    "lag": lag,
    "suspect": suspect,
    "venue": venue,
    "clock": clock,
    "restart": restart,
    "tasks": tasks,
    "zero": zero,
    "mixed": mixed,
    "trading": trading,
    "breakers": breakers,
    "failover": failover,
    "day": day,
    "week": week,
}
"""Every family by name; ``day`` and ``week`` are left out unless named."""


async def run_family(name: str, seed: int, *, keeps_digest: bool = False) -> dict[str, Any]:
    """Run one scenario; raises ``ViolationError`` or whatever it broke."""
    return await FAMILIES[name](seed, keeps_digest)
