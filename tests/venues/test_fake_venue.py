"""The venue in memory does with orders what a test says, and tells it on every way a broker listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.amounts import add
from holdfast.core.balances import OpenOrder, Side
from holdfast.core.credentials import Credential
from holdfast.core.orders import OrderAck, OrderTicket, OrderType, TimeInForce
from holdfast.core.venue import VenueClient, VenueMode, VenueStream
from holdfast.errors import (
    HaltedError,
    HoldfastError,
    InsufficientFundsError,
    MaintenanceError,
    Outcome,
    OutcomeUnknownError,
    UnknownOrderError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from holdfast.testing import FakeClock, FakeVenue, MemoryLane, run_virtual
from holdfast.testing.venues import FakeClient, FakeStream
from tests.venues.kraken.fakes import Sink
from tests.venues.kraken.tickets import ticket

D = Decimal


class Bench:
    """A fake venue with one client and one stream that is open."""

    def __init__(self) -> None:
        self.clock = FakeClock(asyncio.get_running_loop())
        self.venue = FakeVenue({"USD": ("1000", "0"), "BTC": ("0.5", "0")})
        self.lane = MemoryLane(self.clock)
        more: dict[str, Any] = {"clock": self.clock, "emit": lambda _: None, "account": "acme-master", "options": {}}
        credential = Credential(venue="acme", key="SIMkey", secret="secret")
        http: Any = None
        self.client: FakeClient = self.venue.client(
            http=http, lane=self.lane, credential=credential, rest_url="", **more
        )
        self.stream: FakeStream = self.venue.stream(wire=http, client=self.client, ws_url="", **more)
        self.sink = Sink()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Bench]:
        await self.client.load()
        task = asyncio.create_task(self.stream.run(self.sink))
        await asyncio.sleep(0.2)
        try:
            yield self
        finally:
            self.stream.cut()
            with suppress(HoldfastError):
                await task

    def way(self, name: str) -> VenueClient | VenueStream:
        return self.client if name == "rest" else self.stream

    async def place(self, name: str, order: OrderTicket | None = None) -> OrderAck:
        return await self.way(name).place_order(order or ticket(), deadline_s=5.0, before_send=lambda: None)

    def reasons(self) -> list[str | None]:
        return [change.reason for batch in self.sink.of("changed") for change in batch]


def market(**changes: Any) -> OrderTicket:
    return ticket(order_type=OrderType.MARKET, limit_price=None, **changes)


async def error_of(call: Awaitable[Any]) -> HoldfastError:
    with pytest.raises(HoldfastError) as caught:
        await call
    return caught.value


WIRES = pytest.mark.parametrize("wire", ["rest", "stream"])


@WIRES
def test_limit_order_rests_holds_and_is_seen_everywhere(wire: str) -> None:
    async def scenario() -> None:
        async with Bench().open() as bench:
            ack = await bench.place(wire)
            assert (ack.via, ack.client_order_id) == (wire, ticket().client_order_id)
            assert bench.venue.truth["USD"] == ("1000", "400.000")
            orders = (await bench.client.open_orders()).orders
            assert set(orders) == {ack.order_id}
            assert bench.reasons() == ["new"]
            assert ack.order_id is not None
            found = (await bench.client.open_orders_by_id([ack.order_id, "nobody"]))[ack.order_id]
            assert isinstance(found, OpenOrder)
            bench.venue.orders.fill(ack.order_id, quantity=D("0.004"), fee=D("0.4"))
            assert bench.venue.truth == {"USD": ("839.6000", "240.0000"), "BTC": ("0.504", "0")}
            bench.venue.orders.fill(ack.order_id)
            assert bench.venue.orders.open == {}
            assert bench.reasons() == ["new", "trade", "trade", "filled"]
            [closed] = await bench.client.closed_orders(client_order_id=ticket().client_order_id)
            assert (closed.status, closed.filled, closed.cost) == ("closed", D("0.01"), D("400.0000"))
            fills = await bench.client.fills()
            assert [fill.order_id for fill in fills] == [ack.order_id] * 2
            assert await bench.client.closed_orders(client_order_id="other") == []
            assert bench.venue.truth["USD"][1] == "0.0000"

    run_virtual(scenario())


@WIRES
def test_market_order_fills_at_once_and_its_legs_are_pushed(wire: str) -> None:
    async def scenario() -> None:
        async with Bench().open() as bench:
            await bench.place(wire, market())
            assert bench.reasons() == ["new", "trade", "filled"]
            change = bench.sink.of("changed")[1][0]
            legs = [delta for batch in bench.sink.of("moved") for delta in batch]
            assert {leg.ref for leg in legs} == {change.ref} == {change.fill.fill_id}
            assert {leg.asset: leg.change for leg in legs} == {"BTC": D("0.01"), "USD": D("-401.6")}
            assert {asset: D(total) for asset, (total, _) in bench.venue.truth.items()} == {
                "USD": D("598.4"),
                "BTC": D("0.51"),
            }
            await bench.place(wire, market(quantity=None, quote_quantity=D(100)))
            assert bench.venue.truth["BTC"][0] == "0.51250000"
            await bench.place(wire, market(side=Side.SELL, quantity=D("0.5")))
            assert D(bench.venue.truth["BTC"][0]) == D("0.0125")
            bench.venue.orders.fills_market = False
            await bench.place(wire, market())
            assert len(bench.venue.orders.open) == 1

    run_virtual(scenario())


@WIRES
@pytest.mark.parametrize(
    ("outcome", "kind", "expected", "placed"),
    [
        ("reject", VenueRejectedError, Outcome.REJECTED, 0),
        ("funds", InsufficientFundsError, Outcome.REJECTED, 0),
        ("lost", OutcomeUnknownError, Outcome.UNKNOWN, 1),
        ("lost_before", OutcomeUnknownError, Outcome.UNKNOWN, 0),
        ("never_sent", VenueUnreachableError, Outcome.NEVER_SENT, 0),
        (MaintenanceError("closed", venue="acme", request="order"), MaintenanceError, Outcome.UNKNOWN, 0),
    ],
    ids=str,
)
def test_next_order_has_the_outcome_that_was_asked_for(
    wire: str, outcome: Any, kind: type[VenueError], expected: Outcome, placed: int
) -> None:
    async def scenario() -> None:
        async with Bench().open() as bench:
            way: Any = bench.way(wire)
            way.outcomes.add(outcome)
            began_s = bench.clock.now_s()
            error = await error_of(bench.place(wire))
            assert isinstance(error, kind)
            assert error.outcome is expected
            assert len(bench.venue.orders.placed) == placed
            took_s = bench.clock.now_s() - began_s
            assert (took_s > 4) is (outcome in ("lost", "lost_before"))
            await bench.place(wire)
            assert len(bench.venue.orders.placed) == placed + 1

    run_virtual(scenario())


def test_outcome_that_does_not_exist_is_refused() -> None:
    async def scenario() -> None:
        with pytest.raises(ValueError, match="no such outcome"):
            Bench().client.outcomes.add("luck")

    run_virtual(scenario())


@WIRES
def test_before_send_stops_the_order_in_the_lane_or_on_the_connection(wire: str) -> None:
    def stop() -> None:
        raise HaltedError("no")

    async def scenario() -> None:
        async with Bench().open() as bench:
            call = bench.way(wire).place_order(ticket(), deadline_s=5.0, before_send=stop)
            assert isinstance(await error_of(call), HaltedError)
            call_off = bench.way(wire).cancel_order(
                order_id="O1", client_order_id=None, deadline_s=5.0, before_send=stop
            )
            assert isinstance(await error_of(call_off), HaltedError)
            assert bench.venue.orders.placed == bench.client.sent == bench.stream.sent == []

    run_virtual(scenario())


@WIRES
def test_cancels_end_orders_or_say_why_not(wire: str) -> None:
    async def scenario() -> None:
        async with Bench().open() as bench:
            way: Any = bench.way(wire)

            async def cancel(**ids: str | None) -> Any:
                named: dict[str, Any] = {"order_id": None, "client_order_id": None, **ids}
                return await way.cancel_order(**named, deadline_s=5.0, before_send=lambda: None)

            ack = await bench.place(wire)
            way.cancel_outcomes.add("pending", "never_sent", "lost")
            assert (await cancel(order_id=ack.order_id)).is_pending
            assert isinstance(await error_of(cancel(order_id=ack.order_id)), VenueUnreachableError)
            assert set(bench.venue.orders.open) == {ack.order_id}
            assert isinstance(await error_of(cancel(order_id=ack.order_id)), OutcomeUnknownError)
            assert bench.venue.orders.open == {}
            assert isinstance(await error_of(cancel(order_id=ack.order_id)), UnknownOrderError)
            ack = await bench.place(wire)
            assert (await cancel(client_order_id=ack.client_order_id)).count == 1
            assert bench.reasons() == ["new", "canceled", "new", "canceled"]
            assert D(bench.venue.truth["USD"][1]) == 0

    run_virtual(scenario())


@WIRES
def test_dry_runs_place_nothing_and_the_dead_man_switch_is_remembered(wire: str) -> None:
    async def scenario() -> None:
        async with Bench().open() as bench:
            way: Any = bench.way(wire)
            assert (await way.check_order(ticket(), deadline_s=5.0)).order_id is None
            way.outcomes.add("reject")
            assert isinstance(await error_of(way.check_order(ticket(), deadline_s=5.0)), VenueRejectedError)
            assert (len(way.checked), bench.venue.orders.placed) == (2, [])
            await way.cancel_all_after(60, deadline_s=5.0)
            assert way.dead_man == 60

    run_virtual(scenario())


def test_stream_takes_orders_only_while_it_is_open_and_willing() -> None:
    async def scenario() -> None:
        bench = Bench()
        seen = [bench.stream.can_send_orders]
        assert isinstance(await error_of(bench.place("stream")), VenueUnreachableError)
        async with bench.open():
            seen.append(bench.stream.can_send_orders)
            call = asyncio.create_task(bench.place("stream"))
            await asyncio.sleep(0.01)
            bench.stream.cut()
            assert isinstance(await error_of(call), OutcomeUnknownError)
        async with bench.open():
            bench.stream.takes_orders = False
            seen.append(bench.stream.can_send_orders)
            assert isinstance(await error_of(bench.place("stream")), VenueUnreachableError)
        assert seen == [False, True, False]

    run_virtual(scenario())


def test_prices_rates_and_mode_are_what_the_test_says() -> None:
    async def scenario() -> None:
        async with Bench().open() as bench:
            orders = bench.venue.orders
            orders.prices["BTC-USD"] = ("9.0", "10.0")
            orders.rates["BTC-USD"] = ("0.001", "0")
            bench.venue.mode = VenueMode.CANCEL_ONLY
            ticker = (await bench.client.tickers(["BTC-USD", "NO-SUCH"]))["BTC-USD"]
            assert (ticker.bid, ticker.ask) == (D("9.0"), D("10.0"))
            assert (await bench.client.fee_rates(["BTC-USD"]))["BTC-USD"].taker == D("0.001")
            assert (await bench.client.status()).mode is VenueMode.CANCEL_ONLY
            await bench.place("rest", market(quantity=D(1)))
            assert D(bench.venue.truth["USD"][0]) == add(D(1000), D("-10.010"))

    run_virtual(scenario())


def test_order_that_cannot_rest_ends_at_once_and_an_external_one_is_told() -> None:
    async def scenario() -> None:
        async with Bench().open() as bench:
            await bench.place("rest", ticket(time_in_force=TimeInForce.IOC))
            assert bench.venue.orders.open == {}
            assert bench.reasons() == ["new", "canceled"]
            [closed] = bench.venue.orders.closed
            bench.venue.orders.add_external(
                OpenOrder(
                    order_id="EXT",
                    client_order_id=None,
                    symbol="BTC-USD",
                    side=Side.SELL,
                    order_type="limit",
                    quantity=D("0.1"),
                    filled=D(0),
                    limit_price=D(50_000),
                    hold_asset="BTC",
                    hold=D("0.1"),
                )
            )
            assert (closed.reason, bench.venue.truth["BTC"]) == ("nothing to fill it with", ("0.5", "0.1"))
            assert bench.sink.of("changed")[-1][0].order_id == "EXT"

    run_virtual(scenario())
