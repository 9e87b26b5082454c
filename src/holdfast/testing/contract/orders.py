"""Cases of orders: each is sent at most once, and what is said of it is what the venue did with it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from holdfast.core.balances import Side
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket, OrderType, TimeInForce
from holdfast.core.venue import Capability
from holdfast.errors import (
    HaltedError,
    HoldfastError,
    InsufficientFundsError,
    Outcome,
    UnknownOrderError,
    VenueError,
    VenueUnreachableError,
)
from holdfast.testing.contract.bench import Bench, raised
from holdfast.testing.contract.registry import case

__all__: list[str] = []


def _funded(bench: Bench) -> None:
    bench.happen("deposit", asset=bench.subject.quote, amount="5000")
    bench.happen("deposit", asset=bench.subject.base, amount="1")


async def _tried(bench: Bench, ticket: OrderTicket, *, way: str) -> HoldfastError | None:
    """Place an order; what was raised, judged by what the venue knows of it."""
    before = len(bench.log(ticket.client_order_id))
    error: VenueError | None = None
    ack: OrderAck | None = None
    try:
        ack = await bench.place(ticket, way=way)
    except VenueError as refusal:
        error = refusal
    if ack is None:
        assert error is not None
        await asyncio.sleep(0.5)  # Nothing of it may turn up behind the answer.
        placed = bench.log(ticket.client_order_id)[before:]
        assert error.outcome is Outcome.UNKNOWN or not placed, f"said to be {error.outcome}, and it is there: {error}"
        return error
    placed = bench.log(ticket.client_order_id)
    assert [order["order_id"] for order in placed] == [ack.order_id], "an acknowledgement of another order"
    assert (ack.client_order_id, ack.via) == (ticket.client_order_id, way)
    return None


@case(Capability.ORDER_ENTRY)
async def an_order_of_each_kind_is_placed_as_it_was_meant(bench: Bench) -> None:
    subject = bench.subject
    kinds: tuple[dict[str, Any], ...] = (
        {},
        {"side": Side.SELL, "limit_price": Decimal("900000.0")},
        {"is_post_only": True},
        {"limit_price": Decimal("900000.0"), "time_in_force": TimeInForce.IOC},
        {"limit_price": Decimal("900000.0"), "time_in_force": TimeInForce.FOK},
        {"order_type": OrderType.MARKET},
        {"order_type": OrderType.MARKET, "side": Side.SELL},
        {"order_type": OrderType.MARKET, "quantity": None, "quote_quantity": subject.spending},
    )
    for way in bench.ways:
        for changes in kinds:
            other = Bench(subject)
            other.happen("deposit", asset=subject.quote, amount="20000")
            _funded(other)
            async with other.streaming():
                ticket = other.ticket(**changes)
                assert await _tried(other, ticket, way=way) is None, changes
                (order,) = other.log(ticket.client_order_id)
                assert (order["symbol"], order["side"]) == (ticket.symbol, ticket.side.value)
                filled = Decimal(order["filled"])
                rests = ticket.limit_price in (subject.low, Decimal("900000.0")) and (
                    (ticket.side is Side.BUY) is (ticket.limit_price == subject.low)
                )
                if rests:
                    assert not filled, changes
                elif ticket.quantity is not None:
                    assert filled == ticket.quantity, changes
                else:
                    assert abs(Decimal(order["cost"]) - subject.spending) <= subject.spending * Decimal("0.03"), changes
                assert other.left == [ticket.client_order_id], "handed to the wire more than once, or unsaid"


@case(Capability.ORDER_ENTRY)
async def what_stops_an_order_in_its_last_step_stops_it_for_good(bench: Bench) -> None:
    def stop() -> None:
        raise HaltedError("a test says no")

    _funded(bench)
    async with bench.streaming():
        for way in bench.ways:
            ticket = bench.ticket()
            error = await raised(bench.place(ticket, way=way, before_send=stop))
            assert isinstance(error, HaltedError), "an order was sent although the last look said no"
            await asyncio.sleep(1.0)
            assert bench.log(ticket.client_order_id) == []


@case(Capability.ORDER_ENTRY)
async def an_order_that_nobody_can_pay_is_rejected_for_funds(bench: Bench) -> None:
    async with bench.streaming():
        for way in bench.ways:
            ticket = bench.ticket(quantity=Decimal(50))
            error = await _tried(bench, ticket, way=way)
            assert isinstance(error, InsufficientFundsError), f"{way}: {error!r}"
            assert error.outcome is Outcome.REJECTED


@case(Capability.ORDER_ENTRY)
async def an_order_against_the_rules_is_rejected_with_the_venues_own_word(bench: Bench) -> None:
    _funded(bench)
    async with bench.streaming():
        for way in bench.ways:
            error = await _tried(bench, bench.ticket(quantity=Decimal("0.00000001")), way=way)
            assert isinstance(error, VenueError), way
            assert error.outcome is Outcome.REJECTED, error
            assert error.code, "the venue's own code is missing"


@case(Capability.ORDER_ENTRY)
async def a_refusal_for_the_venues_mode_is_no_doubt(bench: Bench) -> None:
    refusing = bench.subject.refusing
    if refusing is None:
        return
    _funded(bench)
    await bench.client.load()
    bench.happen(**refusing)
    ticket = bench.ticket()
    error = await _tried(bench, ticket, way="rest")
    assert isinstance(error, VenueError)
    assert not bench.log(ticket.client_order_id)


@case(Capability.ORDER_EVIDENCE)
async def an_order_whose_validity_has_passed_is_not_executed(bench: Bench) -> None:
    _funded(bench)
    async with bench.streaming():
        for way in bench.ways:
            ticket = bench.ticket(order_type=OrderType.MARKET, valid_until_us=bench.venue_us() - 2_000_000)
            error = await _tried(bench, ticket, way=way)
            assert isinstance(error, HoldfastError), f"{way}: an order was taken after its validity"
            await asyncio.sleep(2.0)
            assert bench.log(ticket.client_order_id) == []


@case(Capability.ORDER_EVIDENCE)
async def an_order_that_arrives_after_its_validity_is_not_executed(bench: Bench) -> None:
    _funded(bench)
    await bench.client.load()
    await bench.client.server_time()
    validity_s = bench.subject.venue.facts.validity_s
    name = bench.subject.calls.place
    bench.front.plan.add({"kind": "rest", "name": name, "action": {"do": "delay", "low_s": validity_s + 3}, "count": 1})
    ticket = bench.ticket(order_type=OrderType.MARKET)
    error = await _tried(bench, ticket, way="rest")
    assert isinstance(error, VenueError)
    await asyncio.sleep(validity_s + 10)
    assert bench.log(ticket.client_order_id) == [], "executed after its validity"
    assert await bench.found(ticket.client_order_id) == []


@case(Capability.ORDER_EVIDENCE, horizon_s=20_000.0)
async def an_order_whose_answer_is_lost_is_unknown_sent_once_and_found(bench: Bench) -> None:
    calls = bench.subject.calls
    faults: list[tuple[str, dict[str, Any], int]] = [
        ("rest", {"kind": "rest", "action": {"do": "lose_reply"}}, 1),
        ("rest", {"kind": "rest", "action": {"do": "lose_reply", "how": "reset"}}, 1),
        ("rest", {"kind": "rest", "action": {"do": "lose_request"}}, 0),
        ("rest", {"kind": "rest", "action": {"do": "lose_request", "how": "reset"}}, 0),
        ("rest", {"kind": "rest", "action": {"do": "html_error", "status": 502, "commits": True}}, 1),
        ("rest", {"kind": "rest", "action": {"do": "html_error", "status": 503}}, 0),
        ("rest", {"kind": "rest", "action": {"do": "empty"}}, 1),
        ("rest", {"kind": "rest", "action": {"do": "truncate", "at": 30}}, 1),
        ("rest", {"kind": "rest", "action": {"do": "cut_body", "at": 12}}, 1),
        ("rest", {"kind": "rest", "action": {"do": "answer", "body": "{}", "commits": True}}, 1),
        ("stream", {"kind": "ws_out", "action": {"do": "drop"}}, 1),
        ("stream", {"kind": "ws_in", "action": {"do": "drop"}}, 0),
        ("stream", {"kind": "ws_out", "action": {"do": "close", "code": 1011}}, 1),
    ]
    for way, fault, there in faults:
        if way not in bench.ways:
            continue
        other = Bench(bench.subject)
        _funded(other)
        async with other.streaming():
            other.front.plan.add({"name": calls.placing(way), "count": 1, **fault})
            ticket = other.ticket()
            error = await _tried(other, ticket, way=way)
            assert isinstance(error, VenueError), f"{fault}: acknowledged without an answer"
            assert error.outcome is Outcome.UNKNOWN, f"{fault}: {error.outcome}"
            await asyncio.sleep(10.0)
            placed = [order["order_id"] for order in other.log(ticket.client_order_id)]
            assert len(placed) == there, f"{fault}: {len(placed)} orders of one id"
            assert other.left == [ticket.client_order_id], f"{fault}: sent again"
            assert await other.found(ticket.client_order_id) == placed, f"{fault}: the venue's lists tell otherwise"


@case(Capability.ORDER_EVIDENCE)
async def an_order_that_found_no_connection_was_never_sent(bench: Bench) -> None:
    for how in ("refused", "dns", "tls", "connect_timeout"):
        other = Bench(bench.subject)
        _funded(other)
        await other.client.load()
        await other.client.server_time()
        action = {"do": "unreachable", "how": how}
        other.front.plan.add({"kind": "rest", "name": other.subject.calls.place, "action": action, "count": 1})
        error = await _tried(other, other.ticket(), way="rest")
        assert isinstance(error, VenueUnreachableError), f"{how}: {error!r}"
        assert error.outcome is Outcome.NEVER_SENT
        assert await _tried(other, other.ticket(), way="rest") is None


@case(Capability.ORDER_EVIDENCE)
async def a_request_that_arrives_twice_is_one_order_and_never_a_refused_one(bench: Bench) -> None:
    for reply in ("first", "second"):
        other = Bench(bench.subject)
        _funded(other)
        await other.client.load()
        await other.client.server_time()
        action = {"do": "duplicate_request", "reply": reply}
        other.front.plan.add({"kind": "rest", "name": other.subject.calls.place, "action": action, "count": 1})
        ticket = other.ticket()
        error = await _tried(other, ticket, way="rest")
        assert error is None or getattr(error, "outcome", None) is Outcome.UNKNOWN, f"{reply}: {error!r}"
        assert len(other.log(ticket.client_order_id)) == 1
        assert await other.found(ticket.client_order_id) == [other.log(ticket.client_order_id)[0]["order_id"]]


@case(Capability.ORDER_CANCEL)
async def an_order_is_cancelled_by_either_id_and_once(bench: Bench) -> None:
    _funded(bench)
    async with bench.streaming():
        for way in bench.ways:
            for by in ("order_id", "client_order_id"):
                ticket = bench.ticket()
                ack = await bench.place(ticket, way=way)
                await asyncio.sleep(bench.stream.rules.rest_lag_s)
                name = {"order_id": ack.order_id} if by == "order_id" else {by: ticket.client_order_id}
                cancel = await bench.cancel(way=way, **name)
                assert cancel.count == 1
                await asyncio.sleep(bench.stream.rules.rest_lag_s)
                (order,) = bench.log(ticket.client_order_id)
                assert order["ended_us"] is not None
                again: CancelAck | None = None
                error: UnknownOrderError | None = None
                try:
                    again = await bench.cancel(way=way, **name)
                except UnknownOrderError as refusal:
                    error = refusal
                # A venue that only says that it has taken the request says nothing of the order.
                assert again is None or again.is_pending, f"{way}: an order that is over was cancelled again"
                assert again is not None or (error is not None and error.outcome is Outcome.REJECTED)


@case(Capability.ORDER_CANCEL)
async def a_cancel_whose_answer_is_lost_is_unknown_and_may_be_repeated(bench: Bench) -> None:
    _funded(bench)
    ticket = bench.ticket()
    ack = await bench.place(ticket)
    action = {"do": "lose_reply"}
    bench.front.plan.add({"kind": "rest", "name": bench.subject.calls.cancel, "action": action, "count": 1})
    error = await raised(bench.cancel(order_id=ack.order_id))
    assert isinstance(error, VenueError), "a cancel without an answer was acknowledged"
    assert error.outcome is Outcome.UNKNOWN
    await asyncio.sleep(bench.stream.rules.rest_lag_s)
    again = await raised(bench.cancel(order_id=ack.order_id))
    assert again is None or isinstance(again, UnknownOrderError), again
    (order,) = bench.log(ticket.client_order_id)
    assert order["ended_us"] is not None


@case(Capability.ORDER_CHECK)
async def a_dry_run_places_nothing_and_says_what_placing_would(bench: Bench) -> None:
    _funded(bench)
    await bench.client.load()
    ticket = bench.ticket()
    ack = await bench.client.check_order(ticket, deadline_s=5.0)
    assert ack.order_id is None
    assert bench.log() == [] or not bench.log(ticket.client_order_id)
    error = await raised(bench.client.check_order(bench.ticket(quantity=Decimal("0.00000001")), deadline_s=5.0))
    assert isinstance(error, VenueError), "an order against the rules passed the dry run"
    assert error.outcome is Outcome.REJECTED
    assert not bench.left


@case(Capability.DEAD_MAN_SWITCH)
async def the_dead_man_switch_cancels_what_rests_and_not_once_it_is_disarmed(bench: Bench) -> None:
    _funded(bench)
    bounds = bench.subject.venue.facts.dead_man_s
    assert bounds is not None, "step 1, facts.py: state dead_man_s, or in lacks why there is no such switch"
    timeout_s = max(bounds[0], 20)
    assert timeout_s <= bounds[1]
    for is_disarmed in (True, False):
        ticket = bench.ticket()
        await bench.place(ticket)
        await bench.client.cancel_all_after(timeout_s, deadline_s=5.0)
        if is_disarmed:
            await asyncio.sleep(2.0)
            await bench.client.cancel_all_after(0, deadline_s=5.0)
        await asyncio.sleep(timeout_s + 5.0)
        (order,) = bench.log(ticket.client_order_id)
        assert (order["ended_us"] is None) is is_disarmed
