"""The adapter and the simulated OKX, which share no parser, agree on what the account holds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.amounts import ZERO
from holdfast.core.balances import Holding, OpenOrder, OrderChange, OrdersSnapshot, Partial, Snapshot
from holdfast.core.credentials import Credential
from holdfast.core.seams import HttpWire, StreamWire
from holdfast.core.venue import Channel, SequencePolicy, VenueMode
from holdfast.errors import (
    BadCredentialError,
    CredentialParkedError,
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
from holdfast.simulators.okx import OkxSimSettings, OkxSimulator
from holdfast.testing import FakeClock, MemoryLane, run_virtual
from holdfast.venues.okx import OKX
from tests.venues.kraken.fakes import Sink

D = Decimal
OPTIONS: dict[str, object] = {"must_be_simulator": True}


class Folded(Sink):
    """A sink that puts together what the stream says, as simply as can be."""

    def __init__(self) -> None:
        super().__init__()
        self.holdings: dict[str, Holding] = {}
        self.open: dict[str, OpenOrder] = {}
        self.are_stated = {Channel.BALANCES: False, Channel.ORDERS: False}
        self.has_been_told_everything = asyncio.Event()
        self.has_moved = asyncio.Event()

    def _told(self, channel: Channel) -> None:
        self.are_stated[channel] = True
        if all(self.are_stated.values()):
            self.has_been_told_everything.set()

    def forget(self) -> None:
        self.are_stated = {Channel.BALANCES: False, Channel.ORDERS: False}
        self.has_been_told_everything.clear()

    def channel_gapped(self, channel: Channel, *, expected: int, found: int | None) -> None:
        super().channel_gapped(channel, expected=expected, found=found)
        self.are_stated[channel] = False
        self.has_been_told_everything.clear()

    def balances_stated(self, snapshot: Snapshot | Partial) -> None:
        super().balances_stated(snapshot)
        if isinstance(snapshot, Snapshot):
            self.holdings = dict(snapshot.holdings)
            self._told(Channel.BALANCES)
        else:
            assert self.are_stated[Channel.BALANCES]
            self.holdings |= snapshot.holdings
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

    def __init__(self, profile: str = "plain", *, seed: int = 1, **settings: Any) -> None:
        loop = asyncio.get_running_loop()
        self.clock = FakeClock(loop)
        self.simulator = OkxSimulator(
            seed=seed, profile=profile, clock=self.clock.world(), timers=loop, settings=OkxSimSettings(**settings)
        )
        self.front = MemoryFront(
            self.simulator, clock=self.clock.world(), rng=random.Random(seed), latency_s=(0.01, 0.1)
        )
        self.lane = MemoryLane(self.clock, sequence=SequencePolicy.NONE, in_flight_max=8)
        self.events: list[Any] = []
        self.key = self.simulator.credentials()[0]
        self.client = OKX.client(
            http=self.front.http_wire(clock=self.clock),
            lane=self.lane,
            credential=credential(self.key),
            clock=self.clock,
            emit=self.events.append,
            rest_url="http://127.0.0.1:1",
            account="okx-master",
            options=OPTIONS,
        )
        self.stream = OKX.stream(
            wire=self.front.stream_wire(),
            client=self.client,
            clock=self.clock,
            emit=self.events.append,
            ws_url="ws://127.0.0.1:1/ws/v5",
            account="okx-master",
            options=OPTIONS,
        )
        self.sink = Folded()

    @property
    def truth(self) -> dict[str, dict[str, Decimal]]:
        assets: Mapping[str, Mapping[str, str]] = self.simulator.truth()["accounts"]["master"]["assets"]
        return {code: {name: D(text) for name, text in each.items()} for code, each in assets.items()}

    def happen(self, kind: str, **fields: Any) -> dict[str, Any]:
        return self.simulator.happen({"kind": kind, **fields})

    def check(self, holdings: Mapping[str, Holding]) -> None:
        """Every figure is the truth's; what is not stated is zero."""
        truth = self.truth
        for code in truth.keys() | holdings.keys():
            stated = holdings.get(code, Holding(asset=code, total=ZERO, held=ZERO, available=ZERO))
            real = truth.get(code, {"total": ZERO, "held": ZERO, "available": ZERO})
            figures = {"total": stated.total, "held": stated.held, "available": stated.available}
            assert figures == {name: real[name] for name in figures}, code

    def check_stream(self) -> None:
        """The stream's figures are the truth's, and what orders hold fits them."""
        self.check(self.sink.holdings)
        holds: dict[str, Decimal] = {}
        for order in self.sink.open.values():
            assert order.hold is not None
            assert order.hold_asset is not None
            holds[order.hold_asset] = holds.get(order.hold_asset, ZERO) + order.hold
        for code, each in self.truth.items():
            # OKX may freeze the fee too; our estimate leaves it out.
            assert ZERO <= each["held"] - holds.get(code, ZERO) <= each["held"] * D("0.01"), code

    @asynccontextmanager
    async def streaming(self) -> AsyncIterator[None]:
        """Keep the stream open for the block: connect again as often as it ends."""

        async def keep() -> None:
            while True:
                with suppress(VenueError):
                    await self.stream.run(self.sink)
                self.sink.forget()
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


def credential(key: Mapping[str, Any]) -> Credential:
    return Credential(venue="okx", key=key["key"], secret=key["secret"], passphrase=key["passphrase"])


# In memory, on virtual time


@pytest.mark.parametrize("profile", ["plain", "busy", "empty", "many"])
def test_rest_figures_are_the_truth(profile: str) -> None:
    async def scenario() -> None:
        world = World(profile)
        for read in world.client.balance_reads:
            snapshot = await world.client.read_balances(read)
            assert snapshot.states_holds
            world.check(snapshot.holdings)

    run_virtual(scenario())


@pytest.mark.parametrize(("level", "word"), [("2", "futures"), ("3", "multi-currency"), ("4", "portfolio")])
def test_account_in_another_mode_is_refused_by_name(level: str, word: str) -> None:
    async def scenario() -> None:
        world = World(account_mode=level)
        info = await world.client.credential_info()
        assert info.refusal is not None
        assert word in info.refusal

    run_virtual(scenario())


STEPS: list[tuple[str, dict[str, Any]]] = [
    ("deposit", {"asset": "USDT", "amount": "250.5"}),
    ("deposit", {"asset": "LTC", "amount": "3"}),
    ("withdrawal", {"asset": "USDT", "amount": "50", "fee": "1"}),
    ("external_trade", {"pair": "BTC-USDT", "side": "buy", "quantity": "0.01"}),
    ("external_trade", {"pair": "BTC-USDT", "side": "sell", "quantity": "0.005"}),
    ("external_trade", {"pair": "BTC-USDC", "side": "buy", "quantity": "0.002"}),
    ("external_order", {"pair": "BTC-USDT", "side": "buy", "quantity": "0.02", "price": "20000"}),
    ("external_order", {"pair": "BTC-USDT", "side": "sell", "quantity": "0.01", "price": "900000"}),
    ("external_cancel", {}),
]


@pytest.mark.parametrize("shows_zero", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_stream_follows_the_truth_through_anything_that_happens(seed: int, shows_zero: bool) -> None:
    async def scenario() -> None:
        world = World(seed=seed, do_updates_show_zero=shows_zero, does_hold_move_u_time=bool(seed % 2))
        dice = random.Random(seed)
        world.happen("deposit", asset="USDT", amount="5000")
        async with world.streaming():
            for _ in range(40):
                kind, fields = dice.choice(STEPS)
                with suppress(ValueError):  # Not everything can happen at every moment.
                    world.happen(kind, **fields)
                await asyncio.sleep(dice.random() * 2)
            await asyncio.sleep(1.0 if shows_zero else 6.0)
            world.check_stream()
            assert world.sink.of("gapped") == []
            assert world.sink.of("refused") == []
        world.check((await world.client.read_balances("account/balance")).holdings)
        orders = await world.client.open_orders()
        assert orders.orders == world.sink.open

    run_virtual(scenario(), seed=seed)


def test_snapshot_in_pages_with_changes_between_them_is_the_truth() -> None:
    async def scenario() -> None:
        world = World("many", snapshot_page_rows=7, page_gap_s=0.02)
        dice = random.Random(2)
        async with world.streaming():
            for _ in range(60):
                world.happen("deposit", asset=dice.choice(["USDT", "BTC", "LTC", "DOT"]), amount="1")
                await asyncio.sleep(dice.random() * 0.3)
            await asyncio.sleep(6.0)
            world.check(world.sink.holdings)
            assert world.sink.of("gapped") == []

    run_virtual(scenario())


FAULTS: list[dict[str, Any]] = [
    {"kind": "missing_event", "channel": "account"},
    {"kind": "missing_event", "channel": "orders"},
    {"kind": "duplicate_event", "channel": "*"},
    {"kind": "reorder_event", "channel": "account"},
    {"kind": "old_row"},
    {"kind": "foreign_uid"},
    {"kind": "snapshot_empty", "channel": "account"},
    {"kind": "missing_snapshot"},
    {"kind": "update_before_snapshot", "channel": "*"},
    {"kind": "extra_snapshot", "channel": "*"},
    {"kind": "subscribe_error", "channel": "account"},
    {"kind": "foreign_ack", "channel": "account"},
    {"kind": "connection_count_error", "channel": "account"},
    {"kind": "freeze_channel", "channel": "account", "for_s": 3},
    {"kind": "upgrade_notice", "after_s": 5},
    {"kind": "close_streams", "code": 4006},
    {"kind": "log_out"},
    {"kind": "login_refused"},
    {"kind": "ws_out", "channel": "account", "action": {"do": "truncate", "at": 20}, "count": 1},
    {"kind": "ws_out", "channel": "account", "action": {"do": "duplicate"}, "count": 1},
    {"kind": "ws_out", "channel": "account", "action": {"do": "drop"}, "count": 1},
    {"kind": "ws_out", "channel": "orders", "action": {"do": "drop"}, "count": 1},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: " ".join(str(each) for each in fault.values()))
def test_stream_comes_back_to_the_truth_after_every_fault(fault: dict[str, Any]) -> None:
    async def scenario() -> None:
        world = World()
        async with world.streaming():
            world.front.plan.add(fault)
            for _ in range(6):
                world.happen("external_order", pair="BTC-USDT", side="buy", quantity="0.01", price="20000")
                world.happen("external_trade", pair="BTC-USDT", side="buy", quantity="0.001")
                await asyncio.sleep(2)
            world.sink.forget()
            world.stream.resubscribe(Channel.BALANCES, "anew")
            world.stream.resubscribe(Channel.ORDERS, "anew")
            await asyncio.sleep(10)
            if not all(world.sink.are_stated.values()):
                world.stream.abort("a channel is dead")  # As the runtime does where a snapshot is owed for too long.
            async with asyncio.timeout(90):
                await world.sink.has_been_told_everything.wait()
            world.happen("external_trade", pair="BTC-USDT", side="sell", quantity="0.001")
            await asyncio.sleep(6)
            world.check_stream()

    run_virtual(scenario(), horizon_s=100_000)


def test_change_that_the_account_channel_swallowed_is_noticed_before_its_next_snapshot() -> None:
    async def scenario() -> None:
        world = World(snapshot_s=60.0)
        async with world.streaming():
            await asyncio.sleep(1)
            world.front.plan.add({"kind": "missing_event", "channel": "account", "count": 1})
            world.happen("external_trade", pair="BTC-USDT", side="buy", quantity="0.001")
            await asyncio.sleep(3)
            assert [gap[0] for gap in world.sink.of("gapped")] == [Channel.BALANCES]
            world.check(world.sink.holdings)

    run_virtual(scenario())


def test_announced_close_leaves_no_gap() -> None:
    async def scenario() -> None:
        world = World()
        async with world.streaming():
            opened = world.sink.names().count("opened")
            world.front.plan.add({"kind": "upgrade_notice", "after_s": 30})
            for _ in range(20):
                world.happen("external_trade", pair="BTC-USDT", side="buy", quantity="0.001")
                await asyncio.sleep(2)
                assert world.stream.can_send_orders
            await asyncio.sleep(1)
            world.check_stream()
            assert world.sink.names().count("opened") == opened
            assert world.sink.of("gapped") == []

    run_virtual(scenario())


def test_refusals_of_the_credential_have_their_causes() -> None:
    async def scenario() -> None:
        world = World()
        await world.client.read_balances("account/balance")
        world.happen("permissions", key=world.key["key"], permissions=["read_only"])
        await world.client.open_orders()
        with pytest.raises(PermissionMissingError):
            await world.client.cancel_all_after(60, deadline_s=5.0)
        world.happen("key_revocation", key=world.key["key"])
        with pytest.raises(BadCredentialError):
            await world.client.read_balances("account/balance")
        assert world.lane.parked_cause == "bad_key"
        with pytest.raises(CredentialParkedError):
            await world.client.read_balances("account/balance")

    run_virtual(scenario())


@pytest.mark.parametrize("skew_s", [-45.0, 45.0, 3600.0])
def test_clock_that_is_off_is_no_fault(skew_s: float) -> None:
    async def scenario() -> None:
        world = World(clock_skew_s=abs(skew_s))
        await world.client.read_balances("account/balance")
        async with world.streaming():
            world.check_stream()
        assert world.lane.parked_cause is None

    run_virtual(scenario())


def test_key_that_rests_for_two_weeks_is_removed_and_one_that_is_read_with_is_not() -> None:
    async def scenario() -> None:
        world = World(snapshot_s=86_400.0)
        await world.client.credential_info()
        for _ in range(20):
            await asyncio.sleep(86_400)
            await world.client.credential_info()
        await asyncio.sleep(15 * 86_400)
        with pytest.raises(BadCredentialError):
            await world.client.credential_info()

    run_virtual(scenario(), horizon_s=40 * 86_400)


def test_maintenance_is_told_by_the_venue_itself() -> None:
    async def scenario() -> None:
        world = World()
        assert (await world.client.status()).mode is VenueMode.ONLINE

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
        world.front.plan.add({"kind": "rest", "name": "GET account/balance", "action": action})
        try:
            stated = (await world.client.read_balances("account/balance")).holdings
        except (PayloadError, VenueError):
            return
        for code, holding in stated.items():
            # It has come through the strict parser. A well-formed lie is the ledger's to find out.
            assert holding.total.is_finite()
            assert code in world.truth or not holding.total

    run_virtual(scenario())


# Over real sockets


async def _over_sockets(served: Served, simulator: OkxSimulator, *, ca: str | None = None) -> None:
    clock = SystemClock()
    http: HttpWire = AiohttpWire(clock=clock, ca_file=ca)
    wire: StreamWire = PicowsWire(must_be_simulator=True, ca_file=ca)
    client = OKX.client(
        http=http,
        lane=MemoryLane(clock, sequence=SequencePolicy.NONE, in_flight_max=8),
        credential=credential(simulator.credentials()[0]),
        clock=clock,
        emit=lambda _: None,
        rest_url=served.rest,
        account="okx-master",
        options=OPTIONS,
    )
    stream = OKX.stream(
        wire=wire,
        client=client,
        clock=clock,
        emit=lambda _: None,
        ws_url=served.ws,
        account="okx-master",
        options=OPTIONS,
    )
    sink = Folded()
    try:
        assert (await client.read_balances("account/balance")).holdings["BTC"].total == D("0.4")
        running = asyncio.create_task(stream.run(sink))
        async with asyncio.timeout(10):
            await sink.has_been_told_everything.wait()
            sink.has_moved.clear()
            simulator.happen({"kind": "deposit", "asset": "BTC", "amount": "0.1"})
            await sink.has_moved.wait()
        assert sink.holdings["BTC"].total == D("0.5")
        assert (await client.read_balances("account/balance")).holdings["BTC"].total == D("0.5")
        stream.abort("done")
        with pytest.raises(VenueError):
            await running
    finally:
        await client.close()
        await http.close()


async def test_both_real_wires_bring_the_truth_over_sockets() -> None:
    simulator = OkxSimulator(seed=1, clock=SystemClock(), timers=asyncio.get_running_loop())
    async with serve_simulator(simulator) as served:
        await _over_sockets(served, simulator)


async def test_both_real_wires_bring_the_truth_over_tls() -> None:
    simulator = OkxSimulator(seed=1, clock=SystemClock(), timers=asyncio.get_running_loop())
    with issue_certificates() as certificates:
        async with serve_simulator(simulator, tls=certificates) as served:
            assert served.rest.startswith("https://")
            await _over_sockets(served, simulator, ca=str(certificates.ca))
