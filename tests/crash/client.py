"""
A bot that is about to be killed: ``python -m tests.crash.client ORDER``, *ORDER* being a ``Work`` in JSON.

It opens its desk like any bot and says on stdout, a JSON line each, what it was told: what it found when it opened,
every figure that changes, and every row of the journal that was acknowledged to it. It runs until it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Awaitable, Sequence
from typing import Any

import msgspec

import holdfast
from holdfast.config import load_config
from holdfast.core.events import Event
from holdfast.core.seams import HttpReply, HttpRequest, HttpWire, JournalRow, Store
from holdfast.errors import StoreError
from holdfast.runtime.parts import Parts, real_parts
from tests.crash.failpoints import Step, arm

__all__ = ["BROKER", "Work", "balances_of", "row_facts"]

BROKER = "kraken-master"

# What a judge wants to hear of; the rest is said by the figures.
_TOLD = ("store.failed", "store.restored", "broker.halted", "nonce.refused", "nonce.mark_recovered", "read.failed")


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What one client does: its configuration, and where it dies by itself (None: it is killed)."""

    config: dict[str, Any]
    step: Step | None = None
    backup_to: str | None = None  # A path to which a number is added: one backup after the other, once live.


def say(**facts: Any) -> None:
    """One line, whole and at once: nothing is left in a buffer for a killed process to lose."""
    os.write(1, json.dumps(facts).encode() + b"\n")


def row_facts(row: JournalRow) -> list[Any]:
    """What has to be found again of an acknowledged row."""
    return [row.wall_us, row.kind, row.asset, row.total, row.held, row.available, row.source]


def balances_of(broker: holdfast.Broker | holdfast.BlockingBroker) -> dict[str, list[str | None]]:
    """Asset to total, held, available, state and reason."""
    return {
        asset: [
            *(None if amount is None else format(amount, "f") for amount in (each.total, each.held, each.available)),
            each.state.value,
            each.reason,
        ]
        for asset, each in broker.balances().items()
    }


class _TellingStore:
    """A store that says what was acknowledged."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self._told: set[asyncio.Task[None]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def append(self, rows: Sequence[JournalRow]) -> Awaitable[int]:
        receipt = self._inner.append(rows)
        task = asyncio.get_running_loop().create_task(self._tell(rows, receipt))
        self._told.add(task)
        task.add_done_callback(self._told.discard)
        return receipt

    async def _tell(self, rows: Sequence[JournalRow], receipt: Awaitable[int]) -> None:
        with contextlib.suppress(StoreError):
            seq = await receipt
            say(at="acknowledged", seq=seq, rows=[row_facts(row) for row in rows if row.is_money])


class _CountingHttp:
    """An HTTP wire that counts the balances it was told."""

    def __init__(self, inner: HttpWire) -> None:
        self._inner = inner
        self.balance_replies = 0

    async def request(self, request: HttpRequest, *, deadline_s: float) -> HttpReply:
        reply = await self._inner.request(request, deadline_s=deadline_s)
        if "/private/Balance" in request.url:
            self.balance_replies += 1
        return reply

    async def close(self) -> None:
        await self._inner.close()


class _Client:
    def __init__(self, work: Work) -> None:
        self.work = work
        config = load_config(work.config)
        parts = real_parts(config)
        self.config = config
        self.http: _CountingHttp | None = None

        async def store(broker: Any, emit: Any) -> Any:
            return _TellingStore(await parts.store(broker, emit))

        def http(broker: Any) -> HttpWire:
            self.http = _CountingHttp(parts.http(broker))
            return self.http

        self.parts: Parts = dataclasses.replace(parts, store=store, http=http)

    async def run(self) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        async with holdfast.open(self.config, parts=self.parts, on_event=_tell_event) as desk:
            broker = desk[BROKER]
            store = broker.status().store
            halted, last_seq = store.halted, store.last_seq
            say(at="opened", balances=balances_of(broker), halted=halted, last_seq=last_seq)
            asking = asyncio.create_task(self._tell_figures(broker))
            saving = asyncio.create_task(self._save(broker))
            await stop.wait()
            for task in (asking, saving):
                task.cancel()
            await asyncio.gather(asking, saving, return_exceptions=True)

    async def _tell_figures(self, broker: holdfast.Broker) -> None:
        while True:
            assert self.http is not None
            figures = balances_of(broker)
            say(at="figures", replies=self.http.balance_replies, stream=broker.status().stream.state, balances=figures)
            await broker._backend.changed(within_s=0.5)
            await asyncio.sleep(0.02)  # A burst is one line, not a hundred.

    async def _save(self, broker: holdfast.Broker) -> None:
        if self.work.backup_to is None:
            return
        await broker.wait_until("live", timeout_s=None)
        number = 0
        while True:
            number += 1
            await broker.backup(f"{self.work.backup_to}-{number}")


def _tell_event(event: Event) -> None:
    if event.name in _TOLD:
        say(at="event", name=event.name, fields={name: str(value) for name, value in event.fields.items()})


def main() -> None:
    """Work as told on the command line."""
    work = msgspec.json.decode(sys.argv[1], type=Work)
    if work.step is not None:
        arm(work.step)
    asyncio.run(_Client(work).run())


if __name__ == "__main__":
    main()
