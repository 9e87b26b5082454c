"""
What opens no breaker, and when nothing is sent at all: refusals by the hundred, lockouts, keys that are gone.

Real client and simulated venue on virtual time; the venue's own journal counts what reached it.
"""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import format_amount
from holdfast.errors import FaultClass, HoldfastError
from holdfast.venues.kraken.errors import TABLE, After
from tests.scenarios.world import World, world

__all__ = ["BUSINESS", "lockout_silence", "refused_orders", "revoked_key"]

BUSINESS: Final = tuple(
    row.prefix
    for row in TABLE
    if row.fault in (FaultClass.FUNDS, FaultClass.REQUEST, FaultClass.RATE_LIMIT)
    and row.after is not After.LOCKOUT
    and not row.prefix.endswith(":")
)
"""Every documented refusal that is no fault of the venue's and closes no key."""


def _signed(w: World, *, since: int, until_s: float) -> list[dict[str, Any]]:
    """What was signed and arrived, in the venue's journal from entry *since* until then."""
    entries = w.front.journal.since(since, kinds=("request",))["entries"]
    return [each for each in entries if each.get("key") and each["at_s"] < until_s]


def _arrived(w: World, *, since: int, until_s: float) -> list[dict[str, Any]]:
    """Every call and every connection that arrived, signed or not, as ``_signed``."""
    entries = w.front.journal.since(since, kinds=("request", "ws_open", "ws_refused"))["entries"]
    return [each for each in entries if each["at_s"] < until_s]


async def refused_orders(error: str, *, orders: int, seed: int = 0) -> dict[str, Any]:
    """Let the venue refuse *orders* orders with *error*; what that did to the breakers."""
    async with world(
        seed=seed, heartbeats=False, points=(), settings={"tier": "pro"}, funds={"USD": "500000", "BTC": "1"}
    ) as w:
        await w.broker.wait_until("live", timeout_s=60)
        price = format_amount((w.venue.mid("BTC-USD") * Decimal("0.7")).quantize(Decimal("0.1")))
        w.fault(kind="refuse", name="add_order", error=error, when="before", count=10_000_000)
        w.fault(kind="refuse", name="AddOrder", error=error, when="before", count=10_000_000)
        refused: dict[str, int] = {}
        counted = 0
        while counted < orders:
            try:
                await w.broker.place_limit_order("BTC-USD", "buy", "0.001", price)
            except HoldfastError as told:
                name = type(told).__name__
                refused[name] = refused.get(name, 0) + 1
                counted += not hasattr(told, "verdict")  # Denied by us is no refusal of the venue's.
                if hasattr(told, "verdict"):
                    await w.broker.refresh()
                    await asyncio.sleep(5.0)
        status = w.broker.status()
        return {
            "refused": refused,
            "openings": {each.name: each.breaker.openings for each in status.capabilities},
            "error_count": w.broker.get_error_count(),
            "is_available": status.is_available,
        }


async def lockout_silence(*, for_s: float, seed: int = 0) -> dict[str, Any]:
    """Lock the key out while everybody asks for everything; calls that reached the venue meanwhile, of any kind."""
    async with world(seed=seed, points=(), settings={"tier": "pro"}) as w:
        await w.broker.wait_until("live", timeout_s=60)
        w.fault(kind="lockout", for_s=for_s)
        w.fault(kind="close_streams")
        await w.sleep(20.0)  # The next call is the one that is told of it.
        parked_for_s = w.broker.status().nonce.parked_for_s or 0.0
        since = w.front.journal.since(0, kinds=())["next"]
        end_s = w.clock.now_s() + parked_for_s - 1.0
        asked = 0
        while w.clock.now_s() < end_s:
            for act in (w.broker.refresh, w.broker.reset_circuit_breaker):
                await act(timeout_s=5.0)
            with contextlib.suppress(HoldfastError):
                await w.broker.place_limit_order("BTC-USD", "buy", "0.001", "10000")
            with contextlib.suppress(HoldfastError):
                await w.broker.close_position("BTC-USD", quantity="0.0001")
            asked += 4
            await w.sleep(10.0)
        await w.broker.wait_until("live", timeout_s=300)  # Or else nobody could have called at all.
        calls = _arrived(w, since=since, until_s=end_s)
        afterwards = len(_arrived(w, since=since, until_s=float("inf"))) - len(calls)
        return {"asked": asked, "silent_for_s": round(parked_for_s), "calls": len(calls), "afterwards": afterwards}


async def revoked_key(*, hours: float, seed: int = 0) -> dict[str, Any]:
    """Delete the key; how soon it is parked with its cause, and the calls signed with it afterwards."""
    async with world(seed=seed, points=(), settings={"tier": "pro"}) as w:
        await w.broker.wait_until("live", timeout_s=60)
        key = w.venue.credentials()[0]["key"]
        w.happen(kind="key_revocation", key=key)
        w.fault(kind="close_streams")
        began_s = w.clock.now_s()
        await w.broker.wait_until(lambda status: status.nonce.parked_cause is not None, timeout_s=120)
        parked_after_s = w.clock.now_s() - began_s
        cause = w.broker.status().nonce.parked_cause
        since = w.front.journal.since(0, kinds=())["next"]
        end_s = w.clock.now_s() + hours * 3600
        while w.clock.now_s() < end_s:
            await w.broker.refresh(timeout_s=5.0)
            await w.sleep(30.0)
        calls = _signed(w, since=since, until_s=end_s)
        return {
            "cause": cause,
            "parked_after_s": round(parked_after_s, 1),
            "hours": hours,
            "signed_calls": len(calls),
            "allowed": int(hours * 12) + 1,
            "openings": {each.name: each.breaker.openings for each in w.broker.status().capabilities},
        }
