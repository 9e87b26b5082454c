"""
Orders and the simulated Kraken, which share no parser: over both wires, through every fault, one order is one order.

The judge is the simulator's own log of every order that it ever accepted. An acknowledgement has to be of the order
that is there, and after a refusal, or where nothing is said to have left, none may be there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from decimal import Decimal
from functools import wraps
from typing import Any

import pytest

from holdfast.core.balances import OrderChange, Side
from holdfast.core.credentials import Credential
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket, OrderType, TimeInForce
from holdfast.core.venue import ClosedOrder
from holdfast.errors import (
    HoldfastError,
    InsufficientFundsError,
    MaintenanceError,
    Outcome,
    OutcomeUnknownError,
    PermissionMissingError,
    UnknownOrderError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from holdfast.runtime.clock import SystemClock
from holdfast.runtime.wire import AiohttpWire, PicowsWire
from holdfast.simulators.core.memory import MemoryFront
from holdfast.simulators.core.server import serve_simulator
from holdfast.simulators.kraken import OPEN_POINTS, KrakenSimSettings, KrakenSimulator
from holdfast.testing import FakeClock, MemoryLane, run_virtual
from holdfast.venues.kraken import KRAKEN
from tests.venues.kraken import tickets
from tests.venues.kraken.test_against_simulator import OPTIONS, Folded, World

D = Decimal
WIRES = ("rest", "stream")
NAMES = {"rest": "AddOrder", "stream": "add_order"}
CANCELS = {"rest": "CancelOrder", "stream": "cancel_order"}


class Orders(World):
    """A world whose orders go over one wire, and whose every answer is held against what the venue really did."""

    def __init__(self, wire: str, *, profile: str = "plain", seed: int = 1, **settings: Any) -> None:
        loop = asyncio.get_running_loop()
        self.wire = wire
        self.clock = FakeClock(loop)
        self.simulator = KrakenSimulator(
            seed=seed,
            profile=profile,
            clock=self.clock.world(),
            timers=loop,
            settings=KrakenSimSettings(**settings),
        )
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
        self.dice = random.Random(seed)
        self.left: list[str] = []

    @property
    def way(self) -> Any:
        return self.client if self.wire == "rest" else self.stream

    def ticket(self, **changes: Any) -> OrderTicket:
        fields: dict[str, Any] = {
            "client_order_id": f"{self.dice.getrandbits(128):032x}",
            "symbol": "BTC-USD",
            "side": Side.BUY,
            "order_type": OrderType.LIMIT,
            "quantity": D("0.01"),
            "quote_quantity": None,
            "limit_price": D("20000.0"),
            "time_in_force": TimeInForce.GTC,
            "is_post_only": False,
            "valid_until_us": self.simulator.now_us() + 5_000_000,
            **changes,
        }
        if fields["order_type"] is OrderType.MARKET:
            fields["limit_price"] = None
        return OrderTicket(**fields)

    def of(self, client_order_id: str) -> list[dict[str, Any]]:
        """Every order of this id that the venue ever accepted."""
        log: list[dict[str, Any]] = self.simulator.orders()["accounts"]["master"]["orders"]
        return [order for order in log if order["client_order_id"] == client_order_id]

    async def attempt(self, ticket: OrderTicket) -> OrderAck | VenueError:
        """Try to place it, and judge what is said of it by what the venue knows."""
        before = len(self.of(ticket.client_order_id))
        answer: OrderAck | VenueError
        try:
            answer = await self.way.place_order(
                ticket, deadline_s=6.0, before_send=lambda: self.left.append(ticket.client_order_id)
            )
        except VenueError as error:
            answer = error
            await asyncio.sleep(0.5)  # Nothing of it may turn up behind the answer.
        placed = self.of(ticket.client_order_id)[before:]
        if isinstance(answer, VenueError):
            assert answer.outcome is Outcome.UNKNOWN or not placed, answer
        else:
            assert [order["order_id"] for order in placed] == [answer.order_id]
            assert (answer.client_order_id, answer.via) == (ticket.client_order_id, self.wire)
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

    async def cancel(self, ack: OrderAck, *, by_ours: bool = False) -> CancelAck:
        answer: CancelAck = await self.way.cancel_order(
            order_id=None if by_ours else ack.order_id,
            client_order_id=ack.client_order_id,
            deadline_s=5.0,
            before_send=lambda: None,
        )
        return answer

    async def evidence(self, client_order_id: str) -> list[str]:
        """The ids of the orders that the venue's lists know under our id."""
        opened = await self.client.open_orders()
        closed = await self.client.closed_orders(client_order_id=client_order_id)
        found = [each.order_id for each in opened.orders.values() if each.client_order_id == client_order_id]
        return found + [each.order_id for each in closed]

    def changes(self, order_id: str | None) -> list[OrderChange]:
        return [change for batch in self.sink.of("changed") for change in batch if change.order_id == order_id]


def on_both_wires(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on virtual time, once for each wire."""

    @wraps(test)
    def run(wire: str, **kwargs: Any) -> None:
        run_virtual(test(wire=wire, **kwargs), horizon_s=100_000)

    on_each: Callable[..., None] = pytest.mark.parametrize("wire", WIRES)(run)
    return on_each


# Placed


@on_both_wires
async def test_order_of_each_kind_is_placed_as_it_was_meant(wire: str) -> None:
    world = Orders(wire)
    async with world.streaming():
        for changes, expected in (
            ({}, {"status": "open", "quantity": "0.01", "limit_price": "20000.0"}),
            ({"is_post_only": True}, {"status": "open"}),
            ({"side": Side.SELL, "limit_price": D("900000.0")}, {"status": "open", "side": "sell"}),
            ({"time_in_force": TimeInForce.IOC}, {"status": "canceled", "filled": "0"}),
            ({"time_in_force": TimeInForce.FOK}, {"status": "canceled", "filled": "0"}),
            ({"order_type": OrderType.MARKET}, {"status": "closed", "filled": "0.01"}),
            ({"order_type": OrderType.MARKET, "side": Side.SELL}, {"status": "closed"}),
            ({"quantity": D("0.00012345"), "limit_price": D("20000.1")}, {"quantity": "0.00012345"}),
            (
                {"order_type": OrderType.MARKET, "quantity": None, "quote_quantity": D("100.5")},
                {"status": "closed", "quote_quantity": "100.5"},
            ),
        ):
            ticket = world.ticket(**changes)
            ack = await world.place(ticket)
            [order] = world.of(ticket.client_order_id)
            assert {name: order[name] for name in expected} == expected, changes
            await asyncio.sleep(0.5)
            told = world.changes(ack.order_id)
            assert {change.client_order_id for change in told} == {ticket.client_order_id}
            last = told[-1]
            assert (last.order is None) is (order["status"] != "open")
            assert (last.filled, last.cost) == (D(order["filled"]), D(order["cost"]))
            fills = [change.fill for change in told if change.fill is not None]
            assert [(each.fill_id, each.quantity, each.cost) for each in fills] == [
                (each["id"], D(each["quantity"]), D(each["cost"])) for each in order["fills"]
            ]
            # The fee was asked for in quote, and every fill says what it was.
            assert {asset for each in fills for asset, _ in each.fees} <= {"USD"}
            assert sum(fee for each in fills for _, fee in each.fees) == D(order["fees"].get("USD", "0"))
        await asyncio.sleep(1)
        world.check_stream()
        assert (await world.client.open_orders()).orders == world.sink.open
    assert len(world.left) == len(set(world.left)) == 9


@on_both_wires
async def test_fees_of_sells_are_in_quote_whatever_the_venues_default(wire: str) -> None:
    for default in ("fcib", "fciq"):
        world = Orders(wire, sell_fee_default=default)
        async with world.streaming():
            ticket = world.ticket(order_type=OrderType.MARKET, side=Side.SELL)
            await world.place(ticket)
            [order] = world.of(ticket.client_order_id)
            assert set(order["fees"]) == {"USD"}


@on_both_wires
async def test_dry_run_places_nothing_and_says_what_kraken_would_say(wire: str) -> None:
    every: list[dict[str, Any]] = [{}, {"does_validate_check_funds": True}, {"does_stream_validate_name_order": True}]
    for settings in every:
        world = Orders(wire, **settings)
        async with world.streaming():
            ack = await world.way.check_order(world.ticket(), deadline_s=5.0)
            assert ack.order_id is None
            with pytest.raises(VenueRejectedError):
                await world.way.check_order(world.ticket(quantity=D("0.00000001")), deadline_s=5.0)
            poor = world.way.check_order(world.ticket(quantity=D(1)), deadline_s=5.0)
            if settings.get("does_validate_check_funds"):
                with pytest.raises(InsufficientFundsError):
                    await poor
            else:
                await poor
            assert world.simulator.orders()["accounts"]["master"]["orders"] == []


# Refused


@on_both_wires
async def test_order_is_refused_for_each_reason_with_krakens_word(wire: str) -> None:
    world = Orders(wire)
    async with world.streaming():
        for changes, kind in (
            ({"quantity": D(5)}, InsufficientFundsError),
            ({"side": Side.SELL, "limit_price": D("900000.0"), "quantity": D(5)}, InsufficientFundsError),
            ({"quantity": D("0.00001")}, VenueRejectedError),
            ({"limit_price": D("20000.05")}, VenueRejectedError),
            ({"quantity": D("0.0001"), "limit_price": D("0.1")}, VenueRejectedError),
            ({"is_post_only": True, "time_in_force": TimeInForce.IOC}, VenueRejectedError),
            ({"valid_until_us": world.simulator.now_us() + 90_000_000}, VenueRejectedError),
        ):
            error = await world.refused(world.ticket(**changes))
            assert (type(error), error.outcome) == (kind, Outcome.REJECTED), changes
        late = await world.refused(world.ticket(valid_until_us=world.simulator.now_us() - 1))
        assert (type(late), late.outcome) == (OutcomeUnknownError, Outcome.UNKNOWN)
        for mode in ("cancel_only", "post_only", "limit_only"):
            world.happen("mode", mode=mode)
            error = await world.refused(world.ticket(order_type=OrderType.MARKET))
            assert (type(error), error.outcome) == (MaintenanceError, Outcome.REJECTED), mode
        world.happen("mode", mode="online")
        world.happen("permissions", key=world.key["key"], permissions=["query-funds", "create-ws-token"])
        error = await world.refused(world.ticket())
        assert (type(error), error.outcome) == (PermissionMissingError, Outcome.REJECTED)
    assert world.simulator.orders()["accounts"]["master"]["orders"] == []


@on_both_wires
async def test_order_that_is_accepted_and_then_cancelled_for_funds_says_why_on_the_stream(wire: str) -> None:
    for acks_first in (True, False):
        world = Orders(wire, are_short_funds_a_cancel=True, are_acks_before_events=acks_first)
        async with world.streaming():
            ticket = world.ticket(quantity=D(5))
            ack = await world.place(ticket)
            await asyncio.sleep(0.5)
            told = world.changes(ack.order_id)
            assert [change.reason for change in told] == ["pending_new", "canceled"]
            end = told[-1]
            assert (end.order, end.client_order_id, end.filled) == (None, ticket.client_order_id, D(0))
            assert end.detail
            assert "funds" in end.detail.lower()
            assert world.sink.open == {}


# Unknown, and found by the venue's own lists


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "error", ["EService:Unavailable", "EService:Busy", "EService:Deadline elapsed", "EGeneral:Internal error"]
)
@on_both_wires
async def test_refusal_that_may_follow_an_order_leaves_it_unknown(wire: str, when: str, error: str) -> None:
    world = Orders(wire)
    async with world.streaming():
        world.front.plan.add({"kind": "refuse", "name": NAMES[wire], "when": when, "error": error})
        ticket = world.ticket()
        assert (await world.refused(ticket)).outcome is Outcome.UNKNOWN
        there = [order["order_id"] for order in world.of(ticket.client_order_id)]
        assert len(there) == (1 if when == "after" else 0)
        assert await world.evidence(ticket.client_order_id) == there
        assert world.left == [ticket.client_order_id]


LOST: list[tuple[str, dict[str, Any], int]] = [
    ("rest", {"kind": "rest", "action": {"do": "lose_reply", "how": "silence"}}, 1),
    ("rest", {"kind": "rest", "action": {"do": "lose_reply", "how": "reset"}}, 1),
    ("rest", {"kind": "rest", "action": {"do": "lose_reply", "how": "close"}}, 1),
    ("rest", {"kind": "rest", "action": {"do": "lose_request", "how": "silence"}}, 0),
    ("rest", {"kind": "rest", "action": {"do": "lose_request", "how": "reset"}}, 0),
    ("rest", {"kind": "rest", "action": {"do": "html_error", "status": 502, "commits": True}}, 1),
    ("rest", {"kind": "rest", "action": {"do": "html_error", "status": 520}}, 0),
    ("rest", {"kind": "rest", "action": {"do": "empty"}}, 1),
    ("rest", {"kind": "rest", "action": {"do": "cut_body", "at": 20}}, 1),
    ("rest", {"kind": "rest", "action": {"do": "truncate", "at": 20}}, 1),
    ("rest", {"kind": "rest", "action": {"do": "mutate", "how": "duplicate_key", "field": "txid"}}, 1),
    ("rest", {"kind": "rest", "action": {"do": "mutate", "how": "remove", "field": "txid"}}, 1),
    ("stream", {"kind": "ws_out", "action": {"do": "drop"}}, 1),
    ("stream", {"kind": "ws_in", "action": {"do": "drop"}}, 0),
    ("stream", {"kind": "ws_out", "action": {"do": "truncate", "at": 20}}, 1),
    ("stream", {"kind": "ws_out", "action": {"do": "mutate", "how": "remove", "field": "order_id"}}, 1),
    ("stream", {"kind": "ws_out", "action": {"do": "close", "code": 1011}}, 1),
    ("stream", {"kind": "ws_in", "action": {"do": "close", "code": 1011}}, 0),
]


@pytest.mark.parametrize(("wire", "fault", "there"), LOST, ids=lambda each: str(each))
def test_order_whose_answer_is_lost_is_unknown_sent_once_and_found(
    wire: str, fault: dict[str, Any], there: int
) -> None:
    async def scenario() -> None:
        world = Orders(wire)
        async with world.streaming():
            world.front.plan.add({"name": NAMES[wire], "count": 1, **fault})
            for order_type in (OrderType.LIMIT, OrderType.MARKET):
                ticket = world.ticket(order_type=order_type)
                if order_type is OrderType.MARKET:
                    async with asyncio.timeout(60):
                        await world.sink.has_been_told_everything.wait()
                    world.front.plan.add({"name": NAMES[wire], "count": 1, **fault})
                assert (await world.refused(ticket)).outcome is Outcome.UNKNOWN
                await asyncio.sleep(10)
                placed = [order["order_id"] for order in world.of(ticket.client_order_id)]
                assert len(placed) == there
                assert await world.evidence(ticket.client_order_id) == placed
        assert len(world.left) == 2

    run_virtual(scenario(), horizon_s=100_000)


@pytest.mark.parametrize("how", ["refused", "dns", "tls", "connect_timeout"])
def test_order_that_found_no_connection_was_never_sent(how: str) -> None:
    async def scenario() -> None:
        world = Orders("rest")
        await world.client.load()
        await world.client.server_time()
        world.front.plan.add(
            {"kind": "rest", "name": "AddOrder", "action": {"do": "unreachable", "how": how}, "count": 1}
        )
        error = await world.refused(world.ticket())
        assert (type(error), error.outcome) == (VenueUnreachableError, Outcome.NEVER_SENT)
        await world.place(world.ticket())

    run_virtual(scenario())


# Delivered twice


@pytest.mark.parametrize("reply", ["first", "second"])
@pytest.mark.parametrize("duplicate", OPEN_POINTS["duplicate_cl_ord_id_error"])
@pytest.mark.parametrize(("window", "accepts"), [(0, False), (10_000_000, False), (10_000_000, True)])
def test_request_that_arrives_twice_is_one_order_and_never_a_refused_one(
    reply: str, duplicate: str, window: int, accepts: bool
) -> None:
    async def scenario() -> None:
        world = Orders(
            "rest",
            duplicate_cl_ord_id_error=duplicate,
            nonce_window=window,
            is_identical_nonce_in_window_accepted=accepts,
        )
        await world.client.load()
        await world.client.server_time()
        action = {"do": "duplicate_request", "reply": reply}
        world.front.plan.add({"kind": "rest", "name": "AddOrder", "action": action, "count": 1})
        ticket = world.ticket()
        answer = await world.attempt(ticket)
        told = answer.outcome if isinstance(answer, VenueError) else Outcome.APPLIED
        assert told is (Outcome.APPLIED if reply == "first" else Outcome.UNKNOWN)
        assert len(world.of(ticket.client_order_id)) == 1
        assert world.lane.parked_cause is None
        assert (await world.evidence(ticket.client_order_id)) == [world.of(ticket.client_order_id)[0]["order_id"]]

    run_virtual(scenario())


@pytest.mark.parametrize("duplicate", OPEN_POINTS["duplicate_cl_ord_id_error"])
@on_both_wires
async def test_client_order_id_of_an_open_order_is_never_told_as_a_refusal(wire: str, duplicate: str) -> None:
    world = Orders(wire, duplicate_cl_ord_id_error=duplicate)
    async with world.streaming():
        ticket = world.ticket()
        await world.place(ticket)
        with pytest.raises(OutcomeUnknownError):
            await world.way.place_order(ticket, deadline_s=5.0, before_send=lambda: None)
        assert len(world.of(ticket.client_order_id)) == 1


# Cancels


@on_both_wires
async def test_order_is_cancelled_by_either_id_and_once(wire: str) -> None:
    world = Orders(wire)
    async with world.streaming():
        for by_ours in (False, True):
            ack = await world.place(world.ticket())
            answer = await world.cancel(ack, by_ours=by_ours)
            assert answer == CancelAck(count=1, is_pending=False, as_of_s=answer.as_of_s)
            assert answer.as_of_s == pytest.approx(world.clock.now_s(), abs=0.2)
            await asyncio.sleep(0.5)
            assert world.changes(ack.order_id)[-1].detail == "User requested"
            with pytest.raises(UnknownOrderError):
                await world.cancel(ack, by_ours=by_ours)
            assert (await world.client.open_orders()).orders == {}
            [closed] = await world.client.closed_orders(client_order_id=ack.client_order_id)
            assert isinstance(closed, ClosedOrder)
            assert closed.status == "canceled"


@on_both_wires
async def test_cancel_that_takes_its_time_is_pending_then_done(wire: str) -> None:
    world = Orders(wire, cancel_pending_s=2.0)
    async with world.streaming():
        ack = await world.place(world.ticket())
        first = await world.cancel(ack)
        # Over the stream the answer has no word for it; what became of the order is told by its channel.
        assert first.is_pending is (wire == "rest")
        assert (await world.cancel(ack)).is_pending
        await asyncio.sleep(3)
        assert world.changes(ack.order_id)[-1].reason == "canceled"
        with pytest.raises(UnknownOrderError):
            await world.cancel(ack)


@on_both_wires
async def test_cancel_whose_answer_is_lost_is_unknown_and_safe_to_repeat(wire: str) -> None:
    world = Orders(wire)
    async with world.streaming():
        ack = await world.place(world.ticket())
        fault: dict[str, Any] = {"kind": "ws_out", "action": {"do": "drop"}}
        if wire == "rest":
            fault = {"kind": "rest", "action": {"do": "lose_reply"}}
        world.front.plan.add({"name": CANCELS[wire], "count": 1, **fault})
        with pytest.raises(OutcomeUnknownError):
            await world.cancel(ack)
        with pytest.raises(UnknownOrderError):
            await world.cancel(ack)


@on_both_wires
async def test_cancels_fail_in_maintenance_and_the_order_stands(wire: str) -> None:
    world = Orders(wire)
    async with world.streaming():
        ack = await world.place(world.ticket())
        world.happen("mode", mode="maintenance")
        with pytest.raises(VenueError) as caught:
            await world.cancel(ack)
        assert caught.value.outcome is Outcome.UNKNOWN
        assert (await world.refused(world.ticket())).outcome is Outcome.UNKNOWN
        world.happen("mode", mode="cancel_only")
        assert (await world.cancel(ack)).count == 1


@pytest.mark.parametrize("off", OPEN_POINTS["dead_man_off_time"])
@on_both_wires
async def test_dead_man_switch_cancels_everything_once_and_not_after_it_was_disarmed(wire: str, off: str) -> None:
    world = Orders(wire, dead_man_off_time=off)
    async with world.streaming():
        ack = await world.place(world.ticket())
        await world.way.cancel_all_after(60, deadline_s=5.0)
        await world.way.cancel_all_after(0, deadline_s=5.0)
        await asyncio.sleep(70)
        assert world.sink.open.keys() == {ack.order_id}
        await world.way.cancel_all_after(60, deadline_s=5.0)
        await asyncio.sleep(50)
        await world.way.cancel_all_after(60, deadline_s=5.0)
        await asyncio.sleep(50)
        assert world.sink.open
        await asyncio.sleep(20)
        assert world.sink.open == {}
        assert world.changes(ack.order_id)[-1].reason == "canceled"


# Tokens


@pytest.mark.parametrize("text", OPEN_POINTS["dead_session_error"])
@pytest.mark.parametrize("life", OPEN_POINTS["session_life"])
def test_token_that_dies_costs_one_refusal_at_most(text: str, life: str) -> None:
    async def scenario() -> None:
        world = Orders("stream", dead_session_error=text, session_life=life)
        async with world.streaming():
            await world.place(world.ticket())
            world.front.plan.add({"kind": "token_death", "closes": False})
            error = await world.refused(world.ticket())
            assert error.outcome is Outcome.REJECTED
            await asyncio.sleep(1)
            assert world.stream.can_send_orders
            await world.place(world.ticket())
            refusals = 0
            for _ in range(4):
                await asyncio.sleep(1000)
                answer = await world.attempt(world.ticket())
                if isinstance(answer, VenueError):
                    assert answer.outcome is Outcome.REJECTED
                    refusals += 1
                await asyncio.sleep(1)
            # A fresh token that subscribed nothing dies of age under either reading; that is found out once.
            assert refusals <= 1

    run_virtual(scenario(), horizon_s=100_000)


# Whatever Kraken leaves unsaid


SWITCHES = [
    (name, value)
    for name in (
        "is_identical_nonce_in_window_accepted",
        "does_refused_call_consume_nonce",
        "check_order",
        "do_refused_calls_count",
        "rate_limit_status",
        "does_hold_include_fee",
        "are_holds_rounded_up",
        "result_on_error",
        "sell_fee_default",
        "does_validate_check_funds",
        "is_validate_false_true",
        "does_stream_validate_name_order",
        "duplicate_cl_ord_id_error",
        "limit_only_error",
        "are_short_funds_a_cancel",
        "is_crossing_post_only_an_error",
        "do_stream_errors_explain",
        "cancel_pending_s",
        "deadline_min_s",
        "dead_session_error",
        "are_acks_before_events",
        "is_ack_before_snapshot",
        "are_trade_legs_apart",
        "first_sequence",
        "numbers",
    )
    for value in OPEN_POINTS[name]
]


@pytest.mark.parametrize(("switch", "value"), SWITCHES, ids=lambda each: str(each))
@on_both_wires
async def test_every_answer_is_true_under_every_open_point(wire: str, switch: str, value: Any) -> None:
    world = Orders(wire, **{switch: value})
    async with world.streaming():
        resting = await world.place(world.ticket())
        await world.place(world.ticket(order_type=OrderType.MARKET))
        await world.place(world.ticket(order_type=OrderType.MARKET, side=Side.SELL))
        await world.place(world.ticket(order_type=OrderType.MARKET, quantity=None, quote_quantity=D(50)))
        attempts = {
            "funds": world.ticket(quantity=D(5)),
            "crossing": world.ticket(is_post_only=True, limit_price=D("900000.0"), quantity=D("0.0001")),
            "limit_only": world.ticket(order_type=OrderType.MARKET),
            "minimum": world.ticket(quantity=D("0.00001")),
        }
        for name, ticket in attempts.items():
            world.happen("mode", mode="limit_only" if name == "limit_only" else "online")
            answer = await world.attempt(ticket)  # Judges what it is told by what is there.
            if isinstance(answer, VenueError):
                assert answer.outcome is Outcome.REJECTED, (name, answer)
            else:
                assert name in ("funds", "crossing")
        world.happen("mode", mode="online")
        assert (await world.way.check_order(world.ticket(), deadline_s=5.0)).order_id is None
        await world.cancel(resting)
        await asyncio.sleep(1)
        for order in world.simulator.orders()["accounts"]["master"]["orders"]:
            told = world.changes(order["order_id"])
            assert told[-1].order is None
            assert (told[-1].filled, told[-1].cost) == (D(order["filled"]), D(order["cost"]))
            assert sum((change.fill.quantity for change in told if change.fill is not None), D(0)) == D(order["filled"])
        world.check_stream()


@pytest.mark.parametrize("seed", range(4))
@on_both_wires
async def test_partial_fills_rebates_and_credits_add_up(wire: str, seed: int) -> None:
    settings: list[dict[str, Any]] = [
        {"resting_fill_parts": 4},
        {"resting_fill_parts": 3, "maker_rebate_percent": D("0.02")},
        {"are_fees_paid_in_credits": True},
        {"resting_fill_parts": 2, "liquidity": D("0.001")},
    ]
    world = Orders(wire, seed=seed, **settings[seed])
    async with world.streaming():
        mid = world.simulator.mid("BTC-USD")
        below = (mid * D("0.99")).quantize(D("0.1"))
        ack = await world.place(world.ticket(limit_price=below))
        world.happen("market_price", pair="BTC-USD", price=str((mid * D("0.97")).quantize(D("0.1"))))
        await asyncio.sleep(30)
        await world.place(world.ticket(order_type=OrderType.MARKET, side=Side.SELL))
        await asyncio.sleep(5)
        for order in world.simulator.orders()["accounts"]["master"]["orders"]:
            told = world.changes(order["order_id"])
            fills = [change.fill for change in told if change.fill is not None]
            assert [each.fill_id for each in fills] == [each["id"] for each in order["fills"]]
            fees: dict[str, Decimal] = {}
            for fill in fills:
                for asset, fee in fill.fees:
                    fees[asset] = fees.get(asset, D(0)) + fee
            stated = {asset: D(fee) for asset, fee in order["fees"].items() if asset != "KFEE" and D(fee)}
            assert {asset: fee for asset, fee in fees.items() if fee} == stated
        assert ack.order_id in {order["order_id"] for order in world.simulator.orders()["accounts"]["master"]["orders"]}
        with pytest.raises(HoldfastError):
            await world.cancel(ack)  # It is filled.


# Over real sockets


async def test_orders_go_over_both_real_wires() -> None:
    clock = SystemClock()
    simulator = KrakenSimulator(seed=1, clock=clock, timers=asyncio.get_running_loop())
    async with serve_simulator(simulator) as served:
        http = AiohttpWire(clock=clock)
        key = simulator.credentials()[0]
        more: dict[str, Any] = {
            "clock": clock,
            "emit": lambda _: None,
            "account": "kraken-master",
            "options": OPTIONS,
        }
        client = KRAKEN.client(
            http=http,
            lane=MemoryLane(clock),
            credential=Credential(venue="kraken", key=key["key"], secret=key["secret"]),
            rest_url=served.rest,
            **more,
        )
        stream = KRAKEN.stream(wire=PicowsWire(must_be_simulator=True), client=client, ws_url=served.ws, **more)
        sink = Folded()
        running = asyncio.create_task(stream.run(sink))
        try:
            async with asyncio.timeout(10):
                await sink.has_been_told_everything.wait()
            for way in (client, stream):
                ticket = tickets.ticket(
                    client_order_id=f"{random.Random(way is client).getrandbits(128):032x}",
                    limit_price=D("20000.0"),
                    valid_until_us=simulator.now_us() + 5_000_000,
                )
                ack = await way.place_order(ticket, deadline_s=5.0, before_send=lambda: None)
                assert ack.order_id in simulator.orders()["accounts"]["master"]["orders"][-1].values()
                cancelled = await way.cancel_order(
                    order_id=None, client_order_id=ticket.client_order_id, deadline_s=5.0, before_send=lambda: None
                )
                assert cancelled.count == 1
                await way.cancel_all_after(0, deadline_s=5.0)
            assert [each["status"] for each in simulator.orders()["accounts"]["master"]["orders"]] == ["canceled"] * 2
        finally:
            stream.abort("done")
            with pytest.raises(VenueError):
                await running
            await client.close()
            await http.close()
