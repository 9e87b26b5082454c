"""One adapter against its simulator in memory, on virtual time, and the truth beside both."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

from holdfast.core.amounts import ZERO, add, parse_amount
from holdfast.core.balances import Delta, OpenOrder, OrderChange, OrdersSnapshot, Partial, Side, Snapshot
from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.core.orders import OrderAck, OrderTicket, OrderType, TimeInForce
from holdfast.core.seams import HttpReply, HttpRequest, HttpWire
from holdfast.core.venue import Channel, VenueStatus
from holdfast.core.venue_time import VenueTime
from holdfast.errors import HoldfastError, VenueError
from holdfast.simulators.core.memory import MemoryFront
from holdfast.testing.clocks import FakeClock
from holdfast.testing.contract.subject import Subject
from holdfast.testing.lanes import MemoryLane

__all__ = ["Bench", "Folded", "raised"]

_ACCOUNT = "master"


class Folded:
    """
    A ``StreamSink`` that puts together what the stream says, as simply as can be.

    Attributes:
        totals: By asset, where balances are pushed; ``held`` where the stream states it.
        open: Every open order, by the venue's id.
        told: Each channel that has stated its snapshot since the connection opened or its sequence broke.
        changes: Every row of the orders channel, in order.
        statuses: What the venue said of itself.
        refusals: What could not be believed: read, reason, detail.
        is_whole: Set while every channel that owes a snapshot has stated one.
        opened: How often a connection was opened.
        gaps: How often a sequence broke.
        quietest_s: The longest time between two frames of one connection.
    """

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._owing = frozenset(channels)
        self.totals: dict[str, Decimal] = {}
        self.held: dict[str, Decimal] = {}
        self.open: dict[str, OpenOrder] = {}
        self.told: set[Channel] = set()
        self.changes: list[OrderChange] = []
        self.statuses: list[VenueStatus] = []
        self.refusals: list[tuple[str, str, str]] = []
        self.refused_channels: list[tuple[Channel, str]] = []
        self.is_whole = asyncio.Event()
        self._frame_s: float | None = None
        self.quietest_s = 0.0
        self.opened = 0
        self.gaps = 0

    def lost(self) -> None:
        """The connection ended."""
        self._frame_s = None
        self.told.clear()
        self.is_whole.clear()

    def frame_arrived(self, now_s: float) -> None:
        if self._frame_s is not None:
            self.quietest_s = max(self.quietest_s, now_s - self._frame_s)
        self._frame_s = now_s

    def stream_opened(self) -> None:
        self.opened += 1

    def channel_subscribed(self, channel: Channel) -> None:
        pass

    def channel_refused(self, channel: Channel, reason: str) -> None:
        self.refused_channels.append((channel, reason))

    def channel_gapped(self, channel: Channel, *, expected: int, found: int | None) -> None:
        self.gaps += 1
        self.told.discard(channel)
        self.is_whole.clear()

    def balances_stated(self, snapshot: Snapshot | Partial) -> None:
        if isinstance(snapshot, Snapshot):
            self.totals, self.held = {}, {}
            self._tell(Channel.BALANCES)
        else:
            assert Channel.BALANCES in self.told, "some balances were stated before all were"
        for code, each in snapshot.holdings.items():
            self.totals[code] = each.total
            if each.held is not None:
                self.held[code] = each.held

    def balances_moved(self, deltas: Sequence[Delta]) -> None:
        assert Channel.BALANCES in self.told, "a balance moved before any was stated"
        for delta in deltas:
            after = add(self.totals.get(delta.asset, ZERO), delta.change)
            assert delta.total is None or delta.total == after, "a change does not lead to the total that it states"
            self.totals[delta.asset] = after

    def orders_stated(self, snapshot: OrdersSnapshot) -> None:
        self.open = dict(snapshot.orders)
        self._tell(Channel.ORDERS)

    def orders_changed(self, changes: Sequence[OrderChange]) -> None:
        assert Channel.ORDERS in self.told, "an order changed before any was stated"
        for change in changes:
            self.changes.append(change)
            if change.order is None:
                self.open.pop(change.order_id, None)
            else:
                self.open[change.order_id] = change.order

    def venue_changed(self, status: VenueStatus) -> None:
        self.statuses.append(status)

    def answer_refused(self, read: str, reason: str, detail: str) -> None:
        self.refusals.append((read, reason, detail))

    def _tell(self, channel: Channel) -> None:
        self.told.add(channel)
        if self.told >= self._owing:
            self.is_whole.set()


async def raised(call: Awaitable[object]) -> HoldfastError | None:
    """What a call raises of ours, or None where it answers."""
    try:
        await call
    except HoldfastError as error:
        return error
    return None


class _Counted:
    """A wire that counts what leaves through it."""

    def __init__(self, wire: HttpWire) -> None:
        self._wire = wire
        self.requests: list[HttpRequest] = []

    async def request(self, request: HttpRequest, *, deadline_s: float) -> HttpReply:
        self.requests.append(request)
        return await self._wire.request(request, deadline_s=deadline_s)

    async def close(self) -> None:
        await self._wire.close()


class Bench:
    """
    Adapter, simulator and clock of one case. Needs the virtual loop to run.

    Attributes:
        clock: The client's; ``simulator`` has the same world's.
        simulator: The judge: ``truth`` and ``log`` are its own.
        front: Takes faults on the wire (``front.plan.add``) as well as those that the venue acts out.
        client: The adapter's client; ``stream`` its stream; ``sink`` what the stream told.
        lane: The credential's turn.
        left: Every order handed to a wire, by client order id.
        events: What the adapter emitted.
    """

    def __init__(self, subject: Subject, *, profile: str = "plain", seed: int = 1) -> None:
        loop = asyncio.get_running_loop()
        self.subject = subject
        venue = subject.venue
        self.clock = FakeClock(loop)
        self.simulator = subject.simulate(seed, profile, self.clock.world(), loop)
        rng = random.Random(seed)  # noqa: S311  # Reproducible on purpose.
        self.front = MemoryFront(self.simulator, clock=self.clock.world(), rng=rng, latency_s=(0.01, 0.1))
        self.lane = MemoryLane(self.clock, sequence=venue.facts.sequence, in_flight_max=venue.facts.in_flight_max)
        self.events: list[Event] = []
        self.left: list[str] = []
        self._dice = rng
        self.http = _Counted(self.front.http_wire(clock=self.clock))
        key = self.simulator.credentials()[0]
        self.key: str = key["key"]
        self.credential = Credential(venue=venue.id, key=key["key"], secret=key["secret"], passphrase=key["passphrase"])
        offered: dict[str, object] = {
            "must_be_simulator": True,
            "environment": "simulated",
            "region": None,
            "rate_tier": "pro",
            "random": rng,
            "venue_time": VenueTime(self.clock),
            **subject.options,
        }
        options = {name: value for name, value in offered.items() if name in venue.facts.options}
        common: dict[str, Any] = {
            "clock": self.clock,
            "emit": self.events.append,
            "account": f"{venue.id}-master",
            "options": options,
        }
        self.client = venue.client(
            http=self.http, lane=self.lane, credential=self.credential, rest_url="http://127.0.0.1:1", **common
        )
        self.stream = venue.stream(wire=self.front.stream_wire(), client=self.client, ws_url=subject.ws_url, **common)
        self.sink = Folded(self.stream.rules.channels)

    # The truth

    @property
    def truth(self) -> dict[str, dict[str, Decimal]]:
        """What the account really holds: asset to ``total``, ``held`` and ``available``."""
        assets: Mapping[str, Mapping[str, str]] = self.simulator.truth()["accounts"][_ACCOUNT]["assets"]
        return {code: {name: parse_amount(text) for name, text in each.items()} for code, each in assets.items()}

    def log(self, client_order_id: str | None = None) -> list[dict[str, Any]]:
        """Every order that the venue ever accepted, oldest first; those of one id of ours where one is named."""
        log: list[dict[str, Any]] = self.simulator.orders()["accounts"][_ACCOUNT]["orders"]
        return [order for order in log if client_order_id in (None, order["client_order_id"])]

    def happen(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Let something happen at the venue."""
        return self.simulator.happen({"kind": kind, **fields})

    def rest_order(self, *, side: str = "buy", price: Decimal | None = None) -> dict[str, Any]:
        """Another client of the account places a limit order that rests."""
        subject = self.subject
        return self.happen(
            "external_order",
            pair=subject.symbol,
            side=side,
            quantity=format(subject.quantity, "f"),
            price=format(subject.low if price is None else price, "f"),
        )

    # Orders of ours

    @property
    def ways(self) -> tuple[str, ...]:
        """The wires that orders may take here."""
        return ("rest", "stream") if self.subject.calls.place_stream is not None else ("rest",)

    def way(self, name: str) -> Any:
        """The client, or the stream."""
        return self.client if name == "rest" else self.stream

    def ticket(self, **changes: Any) -> OrderTicket:
        """A limit buy that rests; *changes* replace its fields. Its validity is the venue's own default."""
        subject = self.subject
        fields: dict[str, Any] = {
            "client_order_id": f"{self._dice.getrandbits(128):032x}",
            "symbol": subject.symbol,
            "side": Side.BUY,
            "order_type": OrderType.LIMIT,
            "quantity": subject.quantity,
            "quote_quantity": None,
            "limit_price": subject.low,
            "time_in_force": TimeInForce.GTC,
            "is_post_only": False,
            "valid_until_us": self.venue_us() + int(subject.venue.facts.validity_s * 1_000_000),
            **changes,
        }
        if fields["order_type"] is OrderType.MARKET:
            fields["limit_price"] = None
        return OrderTicket(**fields)

    def venue_us(self) -> int:
        """The venue's clock, UTC microseconds: it is right here."""
        return self.clock.true_wall_us()

    async def place(
        self, ticket: OrderTicket, *, way: str = "rest", before_send: Callable[[], None] | None = None
    ) -> OrderAck:
        """Place an order; raises what the adapter raises."""

        def leave() -> None:
            if before_send is not None:
                before_send()
            self.left.append(ticket.client_order_id)

        ack: OrderAck = await self.way(way).place_order(ticket, deadline_s=6.0, before_send=leave)
        return ack

    async def cancel(
        self, *, way: str = "rest", order_id: str | None = None, client_order_id: str | None = None
    ) -> Any:
        """Cancel an order by one of its ids."""
        return await self.way(way).cancel_order(
            order_id=order_id, client_order_id=client_order_id, deadline_s=5.0, before_send=lambda: None
        )

    async def found(self, client_order_id: str) -> list[str]:
        """The venue's ids of an order of ours, by what the adapter's reads find of it."""
        await asyncio.sleep(self.stream.rules.rest_lag_s)
        orders = (await self.client.open_orders()).orders.values()
        found = [order.order_id for order in orders if order.client_order_id == client_order_id]
        try:
            closed = await self.client.closed_orders(
                client_order_id=client_order_id, placed_since_s=self.venue_us() / 1e6 - 600.0
            )
        except HoldfastError:
            # Of an order that is open the list of closed ones may refuse to speak: that is no evidence of its absence.
            assert found, "neither list tells of the order"
            closed = []
        found += [order.order_id for order in closed if order.client_order_id == client_order_id]
        fills = await self.client.fills(since_s=self.venue_us() / 1e6 - 600.0)
        assert all(fill.quantity > 0 for fill in fills)
        return list(dict.fromkeys(found))

    # The stream

    @asynccontextmanager
    async def streaming(self) -> AsyncIterator[None]:
        """Keep the stream open for the block: connect again as often as it ends."""

        async def keep() -> None:
            while True:
                with suppress(VenueError):
                    await self.stream.run(self.sink)
                self.sink.lost()
                await asyncio.sleep(1.0)

        task = asyncio.create_task(keep())
        try:
            await self.whole()
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def whole(self, *, within_s: float = 60.0) -> None:
        """Wait until every channel that owes a snapshot has stated one."""
        async with asyncio.timeout(within_s):
            await self.sink.is_whole.wait()

    def check_stream(self) -> None:
        """What the stream told, put together, is the truth: totals where they are pushed, and open orders."""
        if self.stream.rules.pushes_balances:
            truth = {code: each["total"] for code, each in self.truth.items() if "." not in code}
            for code in truth.keys() | self.sink.totals.keys():
                told, true = self.sink.totals.get(code, ZERO), truth.get(code, ZERO)
                assert told == true, f"{code}: the stream says {told}, and it is {true}"
        live = {order["order_id"] for order in self.log() if order["ended_us"] is None}
        assert set(self.sink.open) == live, "the stream's open orders are not the venue's"
