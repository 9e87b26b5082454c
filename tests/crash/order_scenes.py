"""
What goes on at the moment of death: one scene each, played by a client that is told what to do and a venue that helps.

A scene goes on until its process is dead; whoever plays it cancels it then.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from tests.crash.lives import BrokenPromiseError

if TYPE_CHECKING:
    from tests.crash.order_lives import OrderChain, TradingLife

__all__ = ["SCENES"]

PAIR: Final = "BTC-USD"
_FOREVER_S: Final = 3600.0
_LATE_AT_VENUE: Final = ("EService:Deadline elapsed", "50036")  # Its validity had passed when it arrived.
_SLOW: Final = frozenset({"settling", "balance_stale", "balance_unknown", *_LATE_AT_VENUE})


def _rests(chain: OrderChain) -> dict[str, Any]:
    """A buy far below the market: a few hundred dollars are held and nothing happens."""
    price = chain.rng.randint(20_000, 30_000)
    return {"symbol": PAIR, "side": "buy", "quantity": f"0.00{chain.rng.randint(10, 99)}", "price": f"{price}.0"}


def _buys(chain: OrderChain) -> dict[str, Any]:
    if chain.rng.random() < 0.5:
        return {"symbol": PAIR, "side": "buy", "quote_quantity": f"{chain.rng.randint(10, 40)}.50"}
    return {"symbol": PAIR, "side": "buy", "quantity": f"0.000{chain.rng.randint(10, 50)}"}


async def _on(chain: OrderChain, life: TradingLife, ask: dict[str, Any]) -> str:
    """
    Place an order and wait until it is acknowledged; its intent id.

    Another one where a machine that is slow for once let the first come too late, or its answer be given up.
    """
    while True:
        name = chain.new_name()
        answer = await life.do("place", ask=ask, intent_id=name, may_fail=True)
        if answer["ok"]:
            return name
        if not _is_slow(answer):
            raise BrokenPromiseError(f"{ask} of {name} was answered {answer}")
        await asyncio.sleep(0.2)


async def _tried(chain: OrderChain, life: TradingLife, ask: dict[str, Any]) -> None:
    """Ask for an order whatever comes of it; for another one where a slow machine let nothing be sent."""
    while True:
        answer = await life.do("place", ask=ask, intent_id=chain.new_name(), may_fail=True)
        if answer["ok"] or answer.get("outcome", "never_sent") != "never_sent" or not _is_slow(answer):
            return
        await asyncio.sleep(0.2)


def _is_slow(answer: dict[str, Any]) -> bool:
    """Whether the only reason is time: figures or a turn that came too late, or an answer that was not waited for."""
    if answer["error"] == "DeniedError" and answer["code"] is None:
        return "too late" in answer["text"]
    return answer.get("code") in _SLOW or answer.get("outcome") in ("unknown", "never_sent")


async def _claim(chain: OrderChain, life: TradingLife, ask: dict[str, Any]) -> str:
    """Claim what an order needs; its intent id. Waits while a predecessor's last order could still arrive."""
    name = chain.new_name()
    while not (answer := await life.do("reserve", ask=ask, intent_id=name, may_fail=True))["ok"]:
        if answer["code"] not in _SLOW:
            raise BrokenPromiseError(f"a claim for {ask} was answered {answer}")
        await asyncio.sleep(0.2)
    return name


async def _reported_open(life: TradingLife, name: str) -> None:
    """Wait until the orders channel has told of it and the venue's hold covers it."""
    await life.shows(
        lambda picture: any(
            each["intent_id"] == name and each["state"] == "covered" for each in picture["reservations"]
        )
    )


async def buy(chain: OrderChain, life: TradingLife) -> None:
    """A market buy that is filled at once."""
    await _on(chain, life, _buys(chain))


async def sell(chain: OrderChain, life: TradingLife) -> None:
    """A market sell: an exit."""
    await _on(chain, life, {"symbol": PAIR, "side": "sell", "quantity": f"0.000{chain.rng.randint(10, 50)}"})


async def limit(chain: OrderChain, life: TradingLife) -> None:
    """A buy that rests."""
    await _on(chain, life, _rests(chain))


async def cancel(chain: OrderChain, life: TradingLife) -> None:
    """A buy that rests, is covered by the venue's hold and is cancelled."""
    name = await _on(chain, life, _rests(chain))
    await _reported_open(life, name)
    await life.do("cancel", name=name)


async def fill(chain: OrderChain, life: TradingLife) -> None:
    """A buy that rests and is then taken in two parts."""
    ask = _rests(chain)
    name = await _on(chain, life, ask)
    await _reported_open(life, name)
    order_id = chain.order_id_of(name)
    chain.local.venue.happen({"kind": "fill", "order": order_id, "quantity": "0.0004"})
    await asyncio.sleep(0.1)
    chain.local.venue.happen({"kind": "fill", "order": order_id})


async def reserve(chain: OrderChain, life: TradingLife) -> None:
    """A claim first, then the order on it."""
    ask = _rests(chain) if chain.rng.random() < 0.5 else _buys(chain)
    while True:
        name = await _claim(chain, life, ask)
        answer = await life.do("place", ask=ask, intent_id=name, claim=True, may_fail=True)
        if answer["ok"]:
            return
        if not _is_slow(answer):
            raise BrokenPromiseError(f"{ask} on its claim {name} was answered {answer}")


async def release(chain: OrderChain, life: TradingLife) -> None:
    """A claim that is given back."""
    await life.do("release", intent_id=await _claim(chain, life, _buys(chain)))


async def expire(chain: OrderChain, life: TradingLife) -> None:
    """A claim that nobody uses."""
    await _claim(chain, life, _buys(chain))


async def lost(chain: OrderChain, life: TradingLife) -> None:
    """The order never arrives, and nobody can know that."""
    chain.place_fault("ws_in", count=1, action={"do": "close"})
    chain.place_fault("rest", count=1, action={"do": "lose_request", "how": "reset"})
    await _tried(chain, life, _buys(chain))


async def unheard(chain: OrderChain, life: TradingLife) -> None:
    """The venue takes the order, and neither its answer nor any row of it arrives."""
    chain.fault(kind="ws_out", channel=chain.place.order_events, count=1, action={"do": "close"})
    chain.place_fault("ws_out", count=1, action={"do": "close"})
    chain.place_fault("rest", count=1, action={"do": "lose_reply", "how": "reset"})
    await _tried(chain, life, _rests(chain) if chain.rng.random() < 0.5 else _buys(chain))


async def deaf(chain: OrderChain, life: TradingLife) -> None:
    """As ``unheard``, and the stream does not come back: only asking tells."""
    chain.fault(kind="handshake", action={"do": "refuse"})
    await unheard(chain, life)


async def refused(chain: OrderChain, life: TradingLife) -> None:
    """The venue says no: an order that may only rest would be filled."""
    ask = {"symbol": PAIR, "side": "buy", "quantity": "0.001", "price": "150000.0", "post_only": True}
    await _tried(chain, life, ask)


async def reduce(chain: OrderChain, life: TradingLife) -> None:
    """Somebody says that positions may only get smaller."""
    await life.do("trade", state="reducing")


async def close(chain: OrderChain, life: TradingLife) -> None:
    """The client is ended in order while an order's answer is under way."""
    chain.slow_answers(0.6)
    ask = _rests(chain) if chain.rng.random() < 0.5 else _buys(chain)
    placing = asyncio.create_task(life.do("place", ask=ask, intent_id=chain.new_name(), may_fail=True))
    try:
        await chain.sent_one_more()
        life.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(_FOREVER_S)
    finally:
        placing.cancel()
        await asyncio.gather(placing, return_exceptions=True)


async def asked(chain: OrderChain, life: TradingLife) -> None:
    """Another process asks the owner for an order, and outlives it."""
    caller = await chain.attach()
    await _tried(chain, caller, _rests(chain) if chain.rng.random() < 0.5 else _buys(chain))


SCENES: Final[dict[str, Callable[[OrderChain, TradingLife], Awaitable[None]]]] = {
    scene.__name__: scene
    for scene in (
        buy,
        sell,
        limit,
        cancel,
        fill,
        reserve,
        release,
        expire,
        lost,
        unheard,
        deaf,
        refused,
        reduce,
        close,
        asked,
    )
}
