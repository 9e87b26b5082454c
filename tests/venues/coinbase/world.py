"""A simulated Coinbase in memory, our client and our stream, on virtual time; the truth judges what is said."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

from holdfast.core.amounts import ZERO, add
from holdfast.core.balances import OpenOrder, OrderChange, OrdersSnapshot, Side
from holdfast.core.credentials import Credential
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket, OrderType, TimeInForce
from holdfast.core.venue import Channel, SequencePolicy
from holdfast.errors import Outcome, VenueError
from holdfast.simulators.coinbase import CoinbaseSimSettings, CoinbaseSimulator
from holdfast.simulators.core.memory import MemoryFront
from holdfast.testing import FakeClock, MemoryLane
from holdfast.venues.coinbase import COINBASE
from tests.venues.coinbase.fakes import Sink

__all__ = ["OPTIONS", "Folded", "World"]

D = Decimal
OPTIONS: dict[str, object] = {"must_be_simulator": True}


class Folded(Sink):
    """A sink that puts together what the stream says, as simply as can be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[str, OpenOrder] = {}
        self.is_stated = asyncio.Event()

    def channel_gapped(self, channel: Channel, *, expected: int, found: int | None) -> None:
        super().channel_gapped(channel, expected=expected, found=found)
        self.is_stated.clear()

    def orders_stated(self, snapshot: OrdersSnapshot) -> None:
        super().orders_stated(snapshot)
        self.open = dict(snapshot.orders)
        self.is_stated.set()

    def orders_changed(self, changes: Sequence[OrderChange]) -> None:
        super().orders_changed(changes)
        assert self.is_stated.is_set()
        for change in changes:
            if change.order is None:
                self.open.pop(change.order_id, None)
            else:
                self.open[change.order_id] = change.order

    def of_order(self, order_id: str | None) -> list[OrderChange]:
        return [change for batch in self.of("changed") for change in batch if change.order_id == order_id]


class World:
    """Adapter and simulator, which share no parser, and a judge: the simulator's own truth and its log of orders."""

    def __init__(self, profile: str = "plain", *, seed: int = 1, **settings: Any) -> None:
        loop = asyncio.get_running_loop()
        self.clock = FakeClock(loop)
        self.simulator = CoinbaseSimulator(
            seed=seed,
            profile=profile,
            clock=self.clock.world(),
            timers=loop,
            settings=CoinbaseSimSettings(**settings) if settings else None,
        )
        self.front = MemoryFront(
            self.simulator, clock=self.clock.world(), rng=random.Random(seed), latency_s=(0.01, 0.1)
        )
        self.lane = MemoryLane(self.clock, sequence=SequencePolicy.NONE, in_flight_max=8)
        self.events: list[Any] = []
        self.key = self.simulator.credentials()[0]
        self.client = COINBASE.client(
            http=self.front.http_wire(clock=self.clock),
            lane=self.lane,
            credential=Credential(venue="coinbase", key=self.key["key"], secret=self.key["secret"]),
            clock=self.clock,
            emit=self.events.append,
            rest_url="http://127.0.0.1:1",
            account="coinbase-main",
            options=OPTIONS,
        )
        self.stream = COINBASE.stream(
            wire=self.front.stream_wire(),
            client=self.client,
            clock=self.clock,
            emit=self.events.append,
            ws_url="ws://127.0.0.1:1/",
            account="coinbase-main",
            options=OPTIONS,
        )
        self.sink = Folded()
        self.dice = random.Random(seed)

    # The truth

    @property
    def truth(self) -> dict[str, dict[str, Decimal]]:
        assets: Mapping[str, Mapping[str, str]] = self.simulator.truth()["accounts"]["master"]["assets"]
        return {code: {name: D(text) for name, text in each.items()} for code, each in assets.items()}

    def happen(self, kind: str, **fields: Any) -> dict[str, Any]:
        return self.simulator.happen({"kind": kind, **fields})

    def of(self, client_order_id: str) -> list[dict[str, Any]]:
        """Every order of this id that the venue ever accepted."""
        log: list[dict[str, Any]] = self.simulator.orders()["accounts"]["master"]["orders"]
        return [order for order in log if order["client_order_id"] == client_order_id]

    def check_holds(self) -> None:
        """What the stream says that open orders hold is what the venue holds."""
        holds: dict[str, Decimal] = {}
        for order in self.sink.open.values():
            assert order.hold is not None
            assert order.hold_asset is not None
            holds[order.hold_asset] = add(holds.get(order.hold_asset, ZERO), order.hold)
        truth = {code: each["held"] for code, each in self.truth.items() if each["held"]}
        assert {code: hold for code, hold in holds.items() if hold} == truth

    @asynccontextmanager
    async def streaming(self) -> AsyncIterator[None]:
        """Keep the stream open for the block: connect again as often as it ends."""

        async def keep() -> None:
            while True:
                with suppress(VenueError):
                    await self.stream.run(self.sink)
                self.sink.is_stated.clear()
                await asyncio.sleep(1.0)

        task = asyncio.create_task(keep())
        async with asyncio.timeout(30):
            await self.sink.is_stated.wait()
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    # Orders

    def ticket(self, **changes: Any) -> OrderTicket:
        fields: dict[str, Any] = {
            "client_order_id": f"{self.dice.getrandbits(128):032x}",
            "symbol": "BTC-USD",
            "side": Side.BUY,
            "order_type": OrderType.LIMIT,
            "quantity": D("0.01"),
            "quote_quantity": None,
            "limit_price": D("20000"),
            "time_in_force": TimeInForce.GTC,
            "is_post_only": False,
            "valid_until_us": self.simulator.now_us() + 30_000_000,
            **changes,
        }
        if fields["order_type"] is OrderType.MARKET:
            fields["limit_price"] = None
        if fields["quote_quantity"] is not None:
            fields["quantity"] = None
        return OrderTicket(**fields)

    async def attempt(self, ticket: OrderTicket) -> OrderAck | VenueError:
        """Try to place it, and judge what is said of it by what the venue knows."""
        before = len(self.of(ticket.client_order_id))
        left: list[int] = []
        answer: OrderAck | VenueError
        try:
            answer = await self.client.place_order(ticket, deadline_s=6.0, before_send=lambda: left.append(1))
        except VenueError as error:
            answer = error
            await asyncio.sleep(0.5)  # Nothing of it may turn up behind the answer.
        placed = self.of(ticket.client_order_id)[before:]
        assert len(left) <= 1
        if isinstance(answer, VenueError):
            assert answer.outcome is Outcome.UNKNOWN or not placed, answer
        else:
            assert [order["order_id"] for order in self.of(ticket.client_order_id)] == [answer.order_id]
        return answer

    async def place(self, ticket: OrderTicket) -> OrderAck:
        answer = await self.attempt(ticket)
        if isinstance(answer, VenueError):
            raise answer
        return answer

    async def refused(self, ticket: OrderTicket) -> VenueError:
        answer = await self.attempt(ticket)
        assert isinstance(answer, VenueError)
        return answer

    async def cancel(self, *, order_id: str | None = None, client_order_id: str | None = None) -> CancelAck:
        return await self.client.cancel_order(
            order_id=order_id, client_order_id=client_order_id, deadline_s=5.0, before_send=lambda: None
        )

    async def evidence(self, client_order_id: str) -> list[str]:
        """The ids of the orders that the venue's lists know under our id."""
        opened = await self.client.open_orders()
        since_s = self.simulator.now_us() / 1e6 - 600
        closed = await self.client.closed_orders(client_order_id=client_order_id, placed_since_s=since_s)
        found = [each.order_id for each in opened.orders.values() if each.client_order_id == client_order_id]
        return found + [each.order_id for each in closed]
