"""
A bot that trades and is about to be killed. ``tests.crash.forks`` runs it; its work is a ``TradingWork``.

It opens its desk like any bot, does what it is told on stdin and says on stdout, a JSON line each, what it sees: what
it found when it opened, how the account stands whenever that changes, what it was answered, what happened. It runs
until it is killed, or told to end.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
import os
import pkgutil
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import msgspec

import holdfast
from holdfast.config import load_config
from holdfast.core.amounts import format_amount
from holdfast.core.events import Event
from holdfast.core.orders import OrderState
from holdfast.core.verdicts import Verdict
from holdfast.errors import DeniedError, HoldfastError, VenueError
from holdfast.runtime.parts import real_parts
from holdfast.runtime.views import Order, ReservationView
from tests.crash.client import say
from tests.crash.order_disk import failing_store
from tests.crash.order_steps import OrderStep, Trap

__all__ = ["TradingWork", "main"]

_TOLD: Final = (
    "reservation.changed", "order.sent", "order.changed", "order.doubted", "order.resolved", "invariant.broken",
    "broker.halted", "trading.changed", "store.failed", "store.restored", "nonce.refused", "reservations.uncovered",
    "clock.jumped", "owner.lost", "owner.attached", "owner.succeeded", "account.taken_over",
)  # fmt: skip

_Do = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class TradingWork(msgspec.Struct, frozen=True, kw_only=True):
    """
    What one client does.

    ``fails`` names a file: while it is there, every commit to the store does as its text says; see ``order_disk``.
    """

    config: dict[str, Any]
    step: OrderStep | None = None
    stops: bool = False  # At the step it stops itself, in place of killing itself.
    mode: Literal["auto", "own", "attach"] = "own"
    fails: str | None = None


class _Client:
    def __init__(self, work: TradingWork, trap: Trap | None) -> None:
        self._work = work
        self._trap = trap
        self._config = load_config(work.config)
        self._end = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._broker: holdfast.Broker | None = None
        self._claims: dict[str, Verdict] = {}
        self._does: dict[str, _Do] = {
            "arm": self._arm,
            "place": self._place,
            "reserve": self._reserve,
            "release": self._release,
            "cancel": self._cancel,
            "cancel_all": self._cancel_all,
            "trade": self._trade,
            "compete": self._compete,
            "order": self._order,
            "stop": self._stop,
        }

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end.set)
        parts = real_parts(self._config)
        if self._work.fails is not None:
            parts = dataclasses.replace(parts, store=failing_store(self._config, self._work.fails))
        opening = holdfast.open(self._config, mode=self._work.mode, parts=parts, on_event=_tell_event)
        async with opening as desk:
            (name,) = self._config.brokers
            self._broker = broker = desk[name]
            say(at="opened", picture=_picture(broker))
            reading = asyncio.create_task(self._listen())
            showing = asyncio.create_task(self._show(broker))
            await self._end.wait()
            for task in (reading, showing):
                task.cancel()
            await asyncio.gather(reading, showing, return_exceptions=True)
        say(at="closed")

    async def _show(self, broker: holdfast.Broker) -> None:
        last: dict[str, Any] = {}
        while True:
            picture = _picture(broker)
            if picture != last:
                say(at="picture", picture=picture, said_s=time.monotonic())
                last = picture
            await broker._backend.changed(within_s=0.25)
            await asyncio.sleep(0.02)  # A burst is one line, not a hundred.

    async def _listen(self) -> None:
        reader = asyncio.StreamReader(limit=2**20)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(0), "rb", 0)
        )
        async for line in reader:
            order = json.loads(line)
            task = asyncio.create_task(self._do(order))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._end.set()  # Whoever started us is gone.

    async def _do(self, order: dict[str, Any]) -> None:
        said: dict[str, Any]
        began_s = time.monotonic()
        try:
            said = {"ok": True, **await self._does[order["do"]](order)}
        except HoldfastError as error:
            said = {"ok": False, "error": type(error).__name__, "text": str(error)[:500]}
            if isinstance(error, DeniedError):
                verdict = getattr(error, "verdict", None)
                said |= {"code": None if verdict is None else verdict.code.value, "pid": getattr(error, "pid", None)}
            if isinstance(error, VenueError):
                said |= {"outcome": error.outcome.value, "code": error.code}
        say(at="did", n=order["n"], did=order["do"], took_s=time.monotonic() - began_s, **said)

    @property
    def _owner(self) -> holdfast.Broker:
        assert self._broker is not None
        return self._broker

    # What it is told

    async def _arm(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._trap is not None
        self._trap.set()
        return {}

    async def _place(self, order: dict[str, Any]) -> dict[str, Any]:
        return {"order": _order_facts(await self._placed(order["ask"], order["intent_id"], order.get("claim", False)))}

    async def _placed(self, ask: dict[str, Any], intent_id: str, is_claimed: bool) -> Order:
        claimed = self._claims.pop(intent_id) if is_claimed else None
        place = self._owner.place_limit_order if "price" in ask else self._owner.place_market_order
        return await place(**ask, intent_id=None if claimed else intent_id, reservation=claimed)

    async def _reserve(self, order: dict[str, Any]) -> dict[str, Any]:
        intent_id = order["intent_id"]
        kind: dict[str, Any] = {"order_type": "limit" if "price" in order["ask"] else "market"}
        verdict = await self._owner.verify_balance_before_order(
            **order["ask"], **kind, intent_id=intent_id, reserve=True
        )
        self._claims[intent_id] = verdict
        if not verdict.is_reserved:
            return {"ok": False, "error": "denied", "code": verdict.code.value, "text": verdict.arithmetic}
        return {}

    async def _release(self, order: dict[str, Any]) -> dict[str, Any]:
        view = await self._owner.release_reservation(order["intent_id"], force=order.get("force", False))
        return {"state": view.state.value}

    async def _cancel(self, order: dict[str, Any]) -> dict[str, Any]:
        return {"order": _order_facts(await self._owner.cancel_order(order["name"]))}

    async def _cancel_all(self, order: dict[str, Any]) -> dict[str, Any]:
        return {"count": len(await self._owner.cancel_all_orders())}

    async def _trade(self, order: dict[str, Any]) -> dict[str, Any]:
        await self._owner.set_trading_state(order["state"], reason="a test")
        return {}

    async def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        return {"order": _order_facts(await self._owner.order(order["intent_id"]))}

    async def _compete(self, order: dict[str, Any]) -> dict[str, Any]:
        """Ask for the same money as often at once as there are names; what each was told."""
        if "at_s" in order:
            # Everybody at one moment of the clock that all processes share.
            await asyncio.sleep(max(0.0, order["at_s"] - time.monotonic()))
        kind: dict[str, Any] = {"order_type": "limit" if "price" in order["ask"] else "market"}

        async def one(name: str) -> str:
            if order.get("places", False):
                try:
                    await self._placed(order["ask"], name, False)
                except DeniedError as denial:
                    verdict = getattr(denial, "verdict", None)
                    return type(denial).__name__ if verdict is None else str(verdict.code.value)
                return "approved"
            verdict = await self._owner.verify_balance_before_order(
                **order["ask"], **kind, intent_id=name, reserve=True
            )
            return verdict.code.value

        told = await asyncio.gather(*(one(name) for name in order["names"]))
        return {"told": dict(zip(order["names"], told, strict=True))}

    async def _stop(self, order: dict[str, Any]) -> dict[str, Any]:
        self._end.set()
        return {}


def _picture(broker: holdfast.Broker) -> dict[str, Any]:
    status = broker.status()
    return {
        "balances": {
            asset: [
                *(None if each is None else format_amount(each) for each in (one.total, one.held, one.available)),
                one.state.value,
                one.reason,
                format_amount(one.reserved),
                None if one.spendable is None else format_amount(one.spendable),
            ]
            for asset, one in broker.balances().items()
        },
        "reservations": [_reservation_facts(each) for each in broker.reservations()],
        "open_orders": sorted(
            str(each.client_order_id or each.order_id) for each in broker.open_orders() if each.state is OrderState.OPEN
        ),
        "in_doubt": status.in_doubt,
        "trading": status.trading_state.value,
        "halted": status.halted_reason,
        "store": status.store.reason,
    }


def _reservation_facts(view: ReservationView) -> dict[str, Any]:
    return {
        "intent_id": view.intent_id,
        "client_order_id": view.client_order_id,
        "asset": view.asset,
        "amount": format_amount(view.amount),
        "reserved": format_amount(view.reserved),
        "state": view.state.value,
        "order": None if view.order is None else view.order.value,
        "cause": view.cause,
    }


def _order_facts(order: Order) -> dict[str, Any]:
    return {
        "intent_id": order.intent_id,
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "state": order.state.value,
        "filled": format_amount(order.filled),
    }


def _tell_event(event: Event) -> None:
    if event.name in _TOLD:
        say(at="event", name=event.name, fields={name: str(value) for name, value in event.fields.items()})


def main(given: dict[str, Any]) -> None:
    """Work as told."""
    work = msgspec.convert(given, TradingWork)
    trap = None
    if work.step is not None:
        trap = Trap(work.step, signal.SIGSTOP if work.stops else signal.SIGKILL)
        if work.step.is_set_from_the_start:
            trap.set()
    try:
        asyncio.run(_Client(work, trap).run())
    except HoldfastError as error:
        say(at="failed", error=type(error).__name__, pid=getattr(error, "pid", None), text=str(error)[:500])


def _warm() -> None:
    """Import what a desk imports when it is first asked to, so that a fork has it."""
    for room in ("core", "runtime", "store", "venues"):
        package = importlib.import_module(f"holdfast.{room}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    for name in ("aiohttp", "picows"):
        importlib.import_module(name)


_warm()
