"""
A desk in a process of its own, told what to do: ``python -m tests.processes.owner_scripts CONFIG MODE``.

Every line on stdin is a JSON object with an ``id``, what to ``do`` and its arguments; each is done in a task of its own
and answered with one line on stdout of the same ``id``: ``ok`` with the answer, or ``error`` with the class's name and
its facts. The first line on stdout says whether the desk is open; it ends with its stdin.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

import holdfast
from holdfast.core.events import Event
from holdfast.errors import HoldfastError
from holdfast.runtime.local import LocalBroker


def say(**facts: Any) -> None:
    print(json.dumps(msgspec.to_builtins(facts)), flush=True)


def facts_of(error: Exception) -> dict[str, Any]:
    facts: dict[str, Any] = {"error": type(error).__name__, "text": str(error)}
    for name in ("pid", "intent_id", "silent_for_s", "exit_code"):
        facts[name] = getattr(error, name, None)
    verdict = getattr(error, "verdict", None)
    facts["code"] = None if verdict is None else verdict.code.value
    return facts


class Session:
    """One desk with one broker, and what it is asked to do."""

    def __init__(self, broker: holdfast.Broker, events: list[Event]) -> None:
        self._broker = broker
        self._events = events

    async def do(self, what: str, arguments: dict[str, Any]) -> Any:
        deed: Callable[..., Any] = getattr(self, f"do_{what}")
        return await deed(**arguments)

    async def do_is_owner(self) -> bool:
        return isinstance(self._broker._backend, LocalBroker)

    async def do_said(self, name: str) -> list[dict[str, Any]]:
        return [event.fields for event in self._events if event.name == name]

    async def do_ready(self, timeout_s: float = 30.0) -> str:
        return (await self._broker.ready(timeout_s=timeout_s)).health.value

    async def do_wait_live(self, timeout_s: float = 30.0) -> str:
        return (await self._broker.wait_until("live", timeout_s=timeout_s)).stream.state

    async def do_balance(self, asset: str) -> Any:
        return self._broker.balance(asset)

    async def do_totals(self) -> dict[str, str]:
        return {asset: format(each.total, "f") for asset, each in self._broker.balances().items() if each.total}

    async def do_status(self) -> Any:
        return self._broker.status()

    async def do_refresh(self) -> Any:
        return await self._broker.refresh()

    async def do_buy(self, quote: str, intent_id: str) -> Any:
        return await self._broker.place_market_order("BTC-USD", "buy", quote_quantity=quote, intent_id=intent_id)

    async def do_rest(self, quantity: str, price: str, intent_id: str) -> Any:
        return await self._broker.place_limit_order("BTC-USD", "buy", quantity, price, intent_id=intent_id)

    async def do_claim(self, quote: str, intent_id: str) -> str:
        verdict = await self._broker.verify_balance_before_order(
            "BTC-USD", "buy", quote_quantity=quote, intent_id=intent_id, reserve=True
        )
        return verdict.code.value

    async def do_claims(self, quote: str, intent_ids: list[str]) -> list[str]:
        return list(await asyncio.gather(*(self.do_claim(quote, each) for each in intent_ids)))

    async def do_release(self, intent_id: str) -> Any:
        return await self._broker.release_reservation(intent_id)

    async def do_cancel(self, intent_id: str) -> Any:
        return await self._broker.cancel_order(intent_id)

    async def do_resolution(self, intent_id: str) -> Any:
        return await self._broker.resolution(intent_id, timeout_s=60.0)

    async def do_order(self, intent_id: str) -> Any:
        return await self._broker.order(intent_id)

    async def do_open_orders(self) -> Any:
        return self._broker.open_orders()

    async def do_reservations(self) -> Any:
        return self._broker.reservations()

    async def do_fork(self) -> int:
        """A child that lives on and does nothing."""
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
        return child


async def answer(session: Session, id_: int, what: str, arguments: dict[str, Any]) -> None:
    began_s = time.monotonic()
    try:
        found = await session.do(what, arguments)
    except HoldfastError as error:
        say(id=id_, took_s=time.monotonic() - began_s, **facts_of(error))
    else:
        say(id=id_, took_s=time.monotonic() - began_s, ok=found)


async def main(config: str, mode: Any) -> None:
    events: list[Event] = []
    tasks: set[asyncio.Task[None]] = set()
    began_s = time.monotonic()
    opening: Any
    if mode == "connect":
        opening = holdfast.connect(config, wait_s=2.0, on_event=events.append)
    else:
        opening = holdfast.open(json.loads(config), mode=mode, on_event=events.append)
    async with contextlib.AsyncExitStack() as stack:
        try:
            desk = await stack.enter_async_context(opening)
        except HoldfastError as error:
            say(id=0, took_s=time.monotonic() - began_s, **facts_of(error))
            return
        session = Session(next(iter(desk)), events)
        say(id=0, ok="open", pid=os.getpid(), took_s=time.monotonic() - began_s)
        while line := await asyncio.to_thread(sys.stdin.readline):
            wanted = json.loads(line)
            task = asyncio.create_task(answer(session, wanted.pop("id"), wanted.pop("do"), wanted))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
