"""The adapter and the simulated Kraken, which share no parser, agree on what the account holds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.amounts import ZERO, add
from holdfast.core.balances import Delta, OpenOrder, OrderChange, OrdersSnapshot, Partial, Snapshot
from holdfast.core.credentials import Credential
from holdfast.core.seams import HttpWire, StreamWire
from holdfast.core.venue import Channel
from holdfast.errors import (
    BadCredentialError,
    CredentialParkedError,
    HoldfastError,
    LockoutError,
    PayloadError,
    PermissionMissingError,
    VenueError,
)
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.wire import AiohttpWire, PicowsWire
from holdfast.simulators.core.memory import MemoryFront
from holdfast.simulators.core.mutations import MUTATIONS
from holdfast.simulators.core.server import Served, serve_simulator
from holdfast.simulators.core.tls import issue_certificates
from holdfast.simulators.kraken import KrakenSimulator
from holdfast.testing import FakeClock, MemoryLane, run_virtual
from holdfast.venues.kraken import KRAKEN
from tests.venues.kraken.fakes import Sink

D = Decimal
OPTIONS: dict[str, object] = {"must_be_simulator": True, "rate_tier": "pro"}


class Folded(Sink):
    """A sink that puts together what the stream says, as simply as can be."""

    def __init__(self) -> None:
        super().__init__()
        self.totals: dict[str, Decimal] = {}
        self.open: dict[str, OpenOrder] = {}
        self.are_stated = {Channel.BALANCES: False, Channel.ORDERS: False}
        self.has_been_told_everything = asyncio.Event()
        self.has_moved = asyncio.Event()

    def _told(self, channel: Channel) -> None:
        self.are_stated[channel] = True
        if all(self.are_stated.values()):
            self.has_been_told_everything.set()

    def channel_gapped(self, channel: Channel, *, expected: int, found: int | None) -> None:
        super().channel_gapped(channel, expected=expected, found=found)
        self.are_stated[channel] = False
        self.has_been_told_everything.clear()

    def balances_stated(self, snapshot: Snapshot | Partial) -> None:
        super().balances_stated(snapshot)
        self.totals = {code: each.total for code, each in snapshot.holdings.items()}
        self._told(Channel.BALANCES)

    def balances_moved(self, deltas: Sequence[Delta]) -> None:
        super().balances_moved(deltas)
        assert self.are_stated[Channel.BALANCES]
        for delta in deltas:
            summed = add(self.totals.get(delta.asset, ZERO), delta.change)
            assert delta.total is None or delta.total == summed
            self.totals[delta.asset] = summed
        self.has_moved.set()

    def orders_stated(self, snapshot: OrdersSnapshot) -> None:
        super().orders_stated(snapshot)
        self.open = dict(snapshot.orders)
        self._told(Channel.ORDERS)

    def orders_changed(self, changes: Sequence[OrderChange]) -> None:
        super().orders_changed(changes)
        assert self.are_stated[Channel.ORDERS]
        for change in changes:
            if change.order is None:
                self.open.pop(change.order_id, None)
            else:
                self.open[change.order_id] = change.order


class World:
    """A simulator in memory, our client and our stream, on virtual time."""

    def __init__(self, profile: str = "plain", *, seed: int = 1) -> None:
        loop = asyncio.get_running_loop()
        self.clock = FakeClock(loop)
        self.simulator = KrakenSimulator(seed=seed, profile=profile, clock=self.clock.world(), timers=loop)
        self.front = MemoryFront(
            self.simulator, clock=self.clock.world(), rng=random.Random(seed), latency_s=(0.01, 0.1)
        )
        self.lane = MemoryLane(self.clock)
        self.events: list[Any] = []
        self.key = self.simulator.credentials()[0]
        self.client = KRAKEN.client(
            http=self.front.http_wire(clock=self.clock),
            lane=self.lane,
            credential=Credential(venue="kraken", key=self.key["key"], secret=self.key["secret"]),
            clock=self.clock,
            emit=self.events.append,
            rest_url="http://127.0.0.1:1",
            account="kraken-master",
            options=OPTIONS,
        )
        self.stream = KRAKEN.stream(
            wire=self.front.stream_wire(),
            client=self.client,
            clock=self.clock,
            emit=self.events.append,
            ws_url="ws://127.0.0.1:1/v2",
            account="kraken-master",
            options=OPTIONS,
        )
        self.sink = Folded()

    @property
    def truth(self) -> dict[str, dict[str, Decimal]]:
        assets: Mapping[str, Mapping[str, str]] = self.simulator.truth()["accounts"]["master"]["assets"]
        return {code: {name: D(text) for name, text in each.items()} for code, each in assets.items()}

    def happen(self, kind: str, **fields: Any) -> dict[str, Any]:
        return self.simulator.happen({"kind": kind, **fields})

    def check_stream(self) -> None:
        """Totals of what the stream may speak of are the truth's, and so is what orders hold."""
        truth = {code: each["total"] for code, each in self.truth.items() if "." not in code}
        for code in truth.keys() | self.sink.totals.keys():
            assert self.sink.totals.get(code, ZERO) == truth.get(code, ZERO), code
        holds: dict[str, Decimal] = {}
        for order in self.sink.open.values():
            assert order.hold is not None
            assert order.hold_asset is not None
            holds[order.hold_asset] = add(holds.get(order.hold_asset, ZERO), order.hold)
        for code, each in self.truth.items():
            # Kraken may hold the fee too; our estimate leaves it out.
            assert ZERO <= each["held"] - holds.get(code, ZERO) <= each["held"] * D("0.01"), code

    @asynccontextmanager
    async def streaming(self) -> AsyncIterator[None]:
        """Keep the stream open for the block: connect again as often as it ends."""

        async def keep() -> None:
            while True:
                with suppress(VenueError):
                    await self.stream.run(self.sink)
                self.sink.has_been_told_everything.clear()
                await asyncio.sleep(1.0)

        task = asyncio.create_task(keep())
        async with asyncio.timeout(30):
            await self.sink.has_been_told_everything.wait()
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


# In memory, on virtual time


@pytest.mark.parametrize("profile", ["plain", "earn", "busy", "margin", "empty", "many"])
def test_rest_figures_are_the_truth(profile: str) -> None:
    async def scenario() -> None:
        world = World(profile)
        detailed = await world.client.read_balances("BalanceEx")
        simple = await world.client.read_balances("Balance")
        truth = world.truth
        assert detailed.holdings.keys() == simple.holdings.keys()
        for code in truth.keys() | detailed.holdings.keys():
            stated = detailed.holdings[code]
            assert (stated.total, stated.held, stated.available) == (
                truth[code]["total"],
                truth[code]["held"],
                truth[code]["available"],
            )
            assert simple.holdings[code].total == truth[code]["total"]

    run_virtual(scenario())


STEPS: list[tuple[str, dict[str, Any]]] = [
    ("deposit", {"asset": "USD", "amount": "250.5"}),
    ("deposit", {"asset": "USD", "amount": "100", "fee": "2.5"}),
    ("deposit", {"asset": "LTC", "amount": "3"}),
    ("withdrawal", {"asset": "USD", "amount": "50", "fee": "1"}),
    ("external_trade", {"pair": "BTC-USD", "side": "buy", "quantity": "0.01"}),
    ("external_trade", {"pair": "BTC-USD", "side": "sell", "quantity": "0.005"}),
    ("external_order", {"pair": "BTC-USD", "side": "buy", "quantity": "0.02", "price": "20000"}),
    ("external_order", {"pair": "BTC-USD", "side": "sell", "quantity": "0.01", "price": "900000"}),
    ("auto_earn_move", {"asset": "USD", "amount": "10", "to": "earn"}),
    ("auto_earn_move", {"asset": "USD", "to": "spot"}),
    ("staking", {"asset": "USD", "amount": "1", "suffix": "B"}),
    ("external_cancel", {}),
]


@pytest.mark.parametrize("profile", ["plain", "earn"])
@pytest.mark.parametrize("seed", range(6))
def test_stream_follows_the_truth_through_anything_that_happens(profile: str, seed: int) -> None:
    async def scenario() -> None:
        world = World(profile, seed=seed)
        dice = random.Random(seed)
        world.happen("deposit", asset="USD", amount="5000")
        world.happen("deposit", asset="BTC", amount="1")
        await world.client.read_balances("BalanceEx")
        async with world.streaming():
            for _ in range(40):
                kind, fields = dice.choice(STEPS)
                with suppress(ValueError):  # Not everything can happen at every moment.
                    world.happen(kind, **fields)
                await asyncio.sleep(dice.random() * 3)
            await asyncio.sleep(1.0)
            world.check_stream()
        detailed = await world.client.read_balances("BalanceEx")
        assert {code: each.total for code, each in detailed.holdings.items() if each.total} == {
            code: each["total"] for code, each in world.truth.items() if each["total"]
        }
        orders = await world.client.open_orders()
        assert orders.orders == world.sink.open

    run_virtual(scenario(), seed=seed)


FAULTS: list[dict[str, Any]] = [
    {"kind": "sequence_gap", "channel": "balances"},
    {"kind": "sequence_gap", "channel": "executions"},
    {"kind": "sequence_duplicate", "channel": "*"},
    {"kind": "sequence_regress", "channel": "*"},
    {"kind": "sequence_reorder", "channel": "balances"},
    {"kind": "update_before_snapshot", "channel": "*"},
    {"kind": "extra_snapshot", "channel": "*"},
    {"kind": "subscribe_error", "channel": "*"},
    {"kind": "foreign_ack", "channel": "*"},
    {"kind": "close_streams", "code": 1011},
    {"kind": "token_death", "closes": True},
    {"kind": "ws_out", "channel": "balances", "action": {"do": "truncate", "at": 20}, "count": 1},
    {"kind": "ws_out", "channel": "balances", "action": {"do": "duplicate"}, "count": 1},
    {"kind": "ws_out", "channel": "balances", "action": {"do": "drop"}, "count": 1},
    {"kind": "ws_out", "channel": "executions", "action": {"do": "drop"}, "count": 1},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: " ".join(str(each) for each in fault.values()))
def test_stream_comes_back_to_the_truth_after_every_fault(fault: dict[str, Any]) -> None:
    async def scenario() -> None:
        world = World()
        async with world.streaming():
            world.front.plan.add(fault)
            for _ in range(6):
                world.happen("external_order", pair="BTC-USD", side="buy", quantity="0.01", price="20000")
                world.happen("external_trade", pair="BTC-USD", side="buy", quantity="0.001")
                await asyncio.sleep(2)
            world.stream.resubscribe(Channel.BALANCES, "anew")
            world.stream.resubscribe(Channel.ORDERS, "anew")
            async with asyncio.timeout(90):
                await asyncio.sleep(5)
                await world.sink.has_been_told_everything.wait()
            world.happen("external_trade", pair="BTC-USD", side="sell", quantity="0.001")
            await asyncio.sleep(1)
            world.check_stream()

    run_virtual(scenario())


def test_stolen_nonce_is_overtaken_once_and_a_finer_scale_parks_the_key() -> None:
    async def scenario() -> None:
        world = World()
        await world.client.read_balances("BalanceEx")
        world.front.plan.add({"kind": "stolen_nonce", "nonce": world.lane.mark + 500_000})
        await world.client.read_balances("BalanceEx")
        assert [each.name for each in world.events] == ["nonce.refused"]
        world.front.plan.add({"kind": "stolen_nonce", "scale": "ns"})
        with pytest.raises(HoldfastError):
            await world.client.read_balances("BalanceEx")
        assert world.lane.parked_cause == "invalid_nonce"

    run_virtual(scenario())


def test_refusals_of_the_credential_have_their_causes() -> None:
    async def scenario() -> None:
        world = World()
        await world.client.read_balances("BalanceEx")
        world.happen("permissions", key=world.key["key"], permissions=["query-funds"])
        with pytest.raises(PermissionMissingError):
            await world.client.open_orders()
        await world.client.read_balances("BalanceEx")
        world.front.plan.add({"kind": "lockout", "for_s": 60})
        with pytest.raises(LockoutError):
            await world.client.read_balances("BalanceEx")
        with pytest.raises(CredentialParkedError):
            await world.client.read_balances("BalanceEx")
        await world.lane.unpark()
        await asyncio.sleep(61)
        world.happen("key_revocation", key=world.key["key"])
        with pytest.raises(BadCredentialError):
            await world.client.read_balances("BalanceEx")
        assert world.lane.parked_cause == "bad_key"

    run_virtual(scenario())


@pytest.mark.parametrize("how", sorted(MUTATIONS))
def test_mutated_balance_answer_is_believed_where_it_is_one_and_refused_where_not(how: str) -> None:
    async def scenario() -> None:
        world = World()
        await world.client.load()
        await world.client.server_time()
        action: dict[str, Any] = {"do": "mutate", "how": how}
        if how in ("set", "rename"):
            action["value"] = "oops"
        world.front.plan.add({"kind": "rest", "name": "BalanceEx", "action": action})
        try:
            stated = (await world.client.read_balances("BalanceEx")).holdings
        except (PayloadError, VenueError):
            return
        for code, holding in stated.items():
            # It has come through the strict parser. A well-formed lie is the ledger's to find out.
            assert holding.total.is_finite()
            assert code in world.truth

    run_virtual(scenario())


# Over real sockets


async def _over_sockets(served: Served, simulator: KrakenSimulator, *, ca: str | None = None) -> None:
    clock = SystemClock()
    key = simulator.credentials()[0]
    http: HttpWire = AiohttpWire(clock=clock, ca_file=ca)
    wire: StreamWire = PicowsWire(must_be_simulator=True, ca_file=ca)
    client = KRAKEN.client(
        http=http,
        lane=MemoryLane(clock),
        credential=Credential(venue="kraken", key=key["key"], secret=key["secret"]),
        clock=clock,
        emit=lambda _: None,
        rest_url=served.rest,
        account="kraken-master",
        options=OPTIONS,
    )
    stream = KRAKEN.stream(
        wire=wire,
        client=client,
        clock=clock,
        emit=lambda _: None,
        ws_url=served.ws,
        account="kraken-master",
        options=OPTIONS,
    )
    sink = Folded()
    try:
        assert (await client.read_balances("BalanceEx")).holdings["BTC"].total == D("0.4")
        running = asyncio.create_task(stream.run(sink))
        async with asyncio.timeout(10):
            await sink.has_been_told_everything.wait()
            simulator.happen({"kind": "deposit", "asset": "BTC", "amount": "0.1"})
            await sink.has_moved.wait()
        assert sink.totals["BTC"] == D("0.5")
        simulator.happen({"kind": "external_trade", "pair": "BTC-USD", "side": "buy", "quantity": "0.01"})
        assert (await client.read_balances("BalanceEx")).holdings["BTC"].total == D("0.51")
        stream.abort("done")
        with pytest.raises(VenueError):
            await running
    finally:
        await client.close()
        await http.close()


async def test_both_real_wires_bring_the_truth_over_sockets() -> None:
    simulator = KrakenSimulator(seed=1, clock=SystemClock(), timers=asyncio.get_running_loop())
    async with serve_simulator(simulator) as served:
        await _over_sockets(served, simulator)


async def test_both_real_wires_bring_the_truth_over_tls() -> None:
    simulator = KrakenSimulator(seed=1, clock=SystemClock(), timers=asyncio.get_running_loop())
    with issue_certificates() as certificates:
        async with serve_simulator(simulator, tls=certificates) as served:
            assert served.rest.startswith("https://")
            await _over_sockets(served, simulator, ca=str(certificates.ca))
