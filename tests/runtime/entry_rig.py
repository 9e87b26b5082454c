"""A broker that trades at a fake venue on virtual time, and short ways to do to it what tests of order entry do."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from decimal import Decimal
from typing import Any

from holdfast.config import OrderSettings
from holdfast.core.amounts import total_of
from holdfast.core.seams import IntentRow, JournalRow
from holdfast.errors import HoldfastError
from holdfast.runtime.entry import OrderEntry
from holdfast.runtime.local import LocalBroker
from holdfast.runtime.parts import Parts
from holdfast.runtime.supervisor import Contact
from holdfast.runtime.views import Order
from holdfast.store.memory import MemoryStore
from holdfast.store.receipts import Receipt
from holdfast.testing import FakeClock, FakeVenue
from holdfast.testing.parts import memory_parts
from tests.runtime.worlds import World, world

FUNDS = {"USD": ("1000", "0"), "BTC": ("0.5", "0")}
D = Decimal


class SlowStore(MemoryStore):
    """
    A store whose writes take time, and end in order, as one with a disk below it.

    Attributes:
        delay_s: How long.
    """

    def __init__(self, *, delay_s: float = 0.02) -> None:
        super().__init__()
        self.delay_s = delay_s

    def keep(
        self,
        intents: Sequence[IntentRow],
        rows: Sequence[JournalRow] = (),
        facts: Mapping[str, str | None] | None = None,
    ) -> Receipt[int]:
        late: Receipt[int] = Receipt()
        asyncio.get_running_loop().call_later(self.delay_s, self._keep_late, late, intents, rows, facts)
        return late

    async def close(self) -> None:
        await asyncio.sleep(1.1 * self.delay_s)  # What is queued is written.
        await super().close()

    def _keep_late(self, late: Receipt[int], *work: Any) -> None:
        done = super().keep(*work)
        assert isinstance(done, Receipt)
        if done._fault is None:
            late.settle(self._last_seq)
        else:
            late.fail(done._fault)


class Trade(World):
    """A world with a broker that is ready to trade, and its insides for tests that are hostile to them."""

    store: MemoryStore

    @property
    def entry(self) -> OrderEntry:
        backend = self.broker._backend
        assert isinstance(backend, LocalBroker)
        return backend.entry

    @property
    def orders(self) -> Any:
        """What the venue has."""
        return self.venue.orders

    def reserved(self, asset: str = "USD") -> Decimal:
        """What is taken off spendable; the ledger, the sums and the list of claims agree."""
        book = self.entry.claims.book
        book.check()
        shown = self.broker.balance(asset).reserved
        assert shown == book.reserved(asset)
        assert shown == total_of(each.reserved for each in self.broker.reservations() if each.asset == asset)
        return shown

    def spendable(self, asset: str = "USD") -> Decimal:
        spendable = self.broker.balance(asset).spendable
        assert spendable is not None
        return spendable

    def at(self, intent_id: str) -> str | None:
        """Where a live claim stands, its order first; None where none is live."""
        for each in self.broker.reservations():
            if each.intent_id == intent_id:
                return f"{'-' if each.order is None else each.order.value}, {each.state.value}"
        return None

    @property
    def sent(self) -> list[str]:
        """Client order ids of everything that was handed to either wire, in order of the wires."""
        return [ticket.client_order_id for ticket in (*self.stream.sent, *self.client.sent)]

    async def buy(self, intent_id: str = "a", *, quantity: str = "0.01", price: str = "40000", **more: Any) -> Order:
        """A resting limit buy of 0.01 BTC at 40,000: 409.60 with fee and buffer, of 1,000."""
        return await self.broker.place_limit_order("BTC-USD", "buy", quantity, price, intent_id=intent_id, **more)

    async def journal(self, kind: str = "reservation") -> list[JournalRow]:
        return [row for row in await self.broker.history() if row.kind == kind]


@contextlib.asynccontextmanager
async def trading(
    *,
    funds: Mapping[str, tuple[str, str]] | None = None,
    venue: FakeVenue | None = None,
    clock: FakeClock | None = None,
    parts: Parts | None = None,
    store: MemoryStore | None = None,
    contact: Contact = "stream",
    is_ready: bool = True,
    names: tuple[str, ...] = (),
    orders: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Trade]:
    """
    A desk with a broker at a fake venue, once its figures are good.

    Args:
        funds: What the account holds: total and held, by asset.
        venue: Another venue than a new one with *funds*.
        clock: Go on with this clock.
        parts: Other parts than those in memory.
        store: This store in place of a database in memory: it can be told to fail.
        contact: As ``holdfast.open``.
        is_ready: Whether to wait for good figures.
        names: Several brokers.
        orders: Order settings.
        settings: Of the broker.
    """
    clock = clock or FakeClock(asyncio.get_running_loop())
    venue = venue or FakeVenue(dict(funds or FUNDS))
    kept = store or MemoryStore()
    if parts is None:
        parts = memory_parts(clock=clock, venue=venue)
        if store is not None:

            async def open_store(*_: object) -> MemoryStore:
                kept._reason = None
                return kept

            parts = dataclasses.replace(parts, store=open_store)
    if orders is not None:
        settings["orders"] = OrderSettings(**orders)
    async with world(*names, venue=venue, clock=clock, parts=parts, contact=contact, settings=settings) as made:
        found = Trade(clock=made.clock, venue=made.venue, desk=made.desk, events=made.events)
        found.store = kept
        if is_ready:
            for broker in found.desk:
                await (broker.wait_until("live") if contact == "stream" else broker.ready())
        yield found


async def outcome_of(work: Coroutine[Any, Any, Order]) -> str:
    """The state of the order, or the name of the error."""
    try:
        return (await work).state.value
    except HoldfastError as error:
        return type(error).__name__
