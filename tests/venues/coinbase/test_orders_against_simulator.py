"""
Orders and the simulated Coinbase, which share no parser: through every fault, one order is one order.

The judge is the simulator's own log of every order that it ever accepted. An acknowledgement has to be of the order
that is there, and after a refusal, or where nothing is said to have left, none may be there.
"""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.balances import Side
from holdfast.core.orders import OrderAck, OrderType, TimeInForce
from holdfast.core.venue import ClosedOrder
from holdfast.errors import (
    InsufficientFundsError,
    MaintenanceError,
    Outcome,
    UnknownOrderError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from holdfast.simulators.coinbase import OPEN_POINTS
from tests.venues.coinbase.test_client import on_virtual_time
from tests.venues.coinbase.world import World

D = Decimal


# Placed


@on_virtual_time
async def test_order_of_each_kind_is_placed_as_it_was_meant() -> None:
    world = World()
    async with world.streaming():
        kinds: list[tuple[dict[str, Any], str]] = [
            ({}, "open"),
            ({"is_post_only": True}, "open"),
            ({"side": Side.SELL, "limit_price": D("90000")}, "open"),
            ({"order_type": OrderType.MARKET, "quantity": D("0.001")}, "closed"),
            ({"order_type": OrderType.MARKET, "side": Side.SELL, "quantity": D("0.001")}, "closed"),
            ({"order_type": OrderType.MARKET, "quote_quantity": D("50")}, "closed"),
            ({"time_in_force": TimeInForce.IOC, "limit_price": D("50000"), "quantity": D("0.001")}, "closed"),
            ({"time_in_force": TimeInForce.FOK, "limit_price": D("50000"), "quantity": D("0.001")}, "closed"),
            ({"time_in_force": TimeInForce.IOC}, "canceled"),
        ]
        for changes, status in kinds:
            ticket = world.ticket(**changes)
            ack = await world.place(ticket)
            await asyncio.sleep(1)
            (placed,) = world.of(ticket.client_order_id)
            assert (placed["side"], placed["symbol"]) == (ticket.side.value, "BTC-USD")
            assert placed["status"] == status
            if status == "open":
                assert world.sink.open[ack.order_id or ""].limit_price == ticket.limit_price
                continue
            (closed,) = await world.client.closed_orders(client_order_id=ticket.client_order_id)
            last = world.sink.of_order(ack.order_id)[-1]
            assert last.order is None
            assert (closed.order_id, last.filled, last.cost) == (ack.order_id, closed.filled, closed.cost)
            fills = [fill for fill in await world.client.fills(since_s=0.0) if fill.order_id == ack.order_id]
            assert sum((fill.quantity for fill in fills), D(0)) == closed.filled == D(placed["filled"])
            assert sum((fill.cost for fill in fills), D(0)) == closed.cost
            assert sum((fill.fee for fill in fills), D(0)) == closed.fee
            told = [change.fill for change in world.sink.of_order(ack.order_id) if change.fill]
            assert sum((fill.quantity for fill in told), D(0)) == closed.filled
            assert sum((paid for fill in told for _, paid in fill.fees), D(0)) == closed.fee


@on_virtual_time
async def test_dry_run_places_nothing_and_says_what_kraken_would_say() -> None:
    """Named as the venue folders' test asks: what *Coinbase* would say."""
    world = World()
    assert (await world.client.check_order(world.ticket(), deadline_s=5.0)).order_id is None
    with pytest.raises(InsufficientFundsError):
        await world.client.check_order(world.ticket(quantity=D(100)), deadline_s=5.0)
    assert world.simulator.orders()["accounts"]["master"]["orders"] == []


REFUSALS: list[tuple[dict[str, Any], type[VenueError]]] = [
    ({"quantity": D(100)}, InsufficientFundsError),
    ({"side": Side.SELL, "quantity": D(100), "limit_price": D("90000")}, InsufficientFundsError),
    ({"quantity": D("0.0000000001")}, VenueRejectedError),
    ({"limit_price": D("20000.001")}, VenueRejectedError),
    ({"is_post_only": True, "limit_price": D("50000")}, VenueRejectedError),
]


@pytest.mark.parametrize("place", ["all", "new_order_failure_reason", "error", "preview_failure_reason"])
@on_virtual_time
async def test_order_is_refused_for_each_reason_in_each_place_with_coinbases_word(place: str) -> None:
    world = World(reason_in=place)
    for changes, kind in REFUSALS:
        error = await world.refused(world.ticket(**changes))
        assert isinstance(error, kind), error
        assert error.outcome is Outcome.REJECTED


@on_virtual_time
async def test_product_that_is_halted_refuses_for_now() -> None:
    world = World()
    await world.client.load()
    world.happen("pair_status", pair="BTC-USD", status="cancel_only")
    error = await world.refused(world.ticket())
    assert error.outcome is Outcome.REJECTED
    await world.client.refresh_instrument("BTC-USD")
    assert world.client.instruments["BTC-USD"].status.value == "cancel_only"
    assert isinstance(error, MaintenanceError)


@pytest.mark.parametrize("switch", ["are_short_funds_a_failure", "is_crossing_post_only_a_failure"])
@on_virtual_time
async def test_order_that_is_accepted_and_then_fails_ends_with_its_reason(switch: str) -> None:
    settings: dict[str, Any] = {switch: True}
    world = World(**settings)
    async with world.streaming():
        changes = (
            {"quantity": D(100)} if switch.startswith("are") else {"is_post_only": True, "limit_price": D("50000")}
        )
        ack = await world.place(world.ticket(**changes))
        await asyncio.sleep(1)
        last = world.sink.of_order(ack.order_id)[-1]
        assert (last.order, last.filled) == (None, D(0))
        (closed,) = (await world.client.open_orders_by_id([ack.order_id or ""])).values()
        assert isinstance(closed, ClosedOrder)
        assert closed.status == "failed"


# Lost answers


LOST: list[tuple[dict[str, Any], int]] = [
    ({"do": "lose_reply"}, 1),
    ({"do": "lose_reply", "how": "reset"}, 1),
    ({"do": "lose_request"}, 0),
    ({"do": "lose_request", "how": "reset"}, 0),
    ({"do": "html_error", "status": 502, "commits": True}, 1),
    ({"do": "html_error", "status": 503}, 0),
    ({"do": "empty"}, 1),
    ({"do": "truncate", "at": 30}, 1),
    ({"do": "cut_body", "at": 12}, 1),
    ({"do": "answer", "body": "{}", "commits": True}, 1),
]


@pytest.mark.parametrize(("action", "there"), LOST, ids=str)
@on_virtual_time
async def test_order_whose_answer_is_lost_is_unknown_sent_once_and_found(action: dict[str, Any], there: int) -> None:
    world = World()
    await world.client.load()
    await world.client.server_time()
    world.front.plan.add({"kind": "rest", "name": "CreateOrder", "action": action, "count": 1})
    ticket = world.ticket()
    error = await world.refused(ticket)
    assert error.outcome is Outcome.UNKNOWN
    await asyncio.sleep(60)
    placed = [order["order_id"] for order in world.of(ticket.client_order_id)]
    assert len(placed) == there
    assert await world.evidence(ticket.client_order_id) == placed


@pytest.mark.parametrize("how", ["refused", "dns", "tls", "connect_timeout"])
@on_virtual_time
async def test_order_that_found_no_connection_was_never_sent(how: str) -> None:
    world = World()
    await world.client.load()
    await world.client.server_time()
    action = {"do": "unreachable", "how": how}
    world.front.plan.add({"kind": "rest", "name": "CreateOrder", "action": action, "count": 1})
    error = await world.refused(world.ticket())
    assert isinstance(error, VenueUnreachableError)
    assert isinstance(await world.attempt(world.ticket()), OrderAck)


@pytest.mark.parametrize("duplicate", ["return_existing", "refuse"])
@pytest.mark.parametrize("reply", ["first", "second"])
@on_virtual_time
async def test_request_that_arrives_twice_is_one_order_and_never_a_refused_one(duplicate: str, reply: str) -> None:
    world = World(duplicate_client_order_id=duplicate)
    await world.client.load()
    await world.client.server_time()
    action = {"do": "duplicate_request", "reply": reply}
    world.front.plan.add({"kind": "rest", "name": "CreateOrder", "action": action, "count": 1})
    ticket = world.ticket()
    answer = await world.attempt(ticket)
    assert isinstance(answer, OrderAck)
    assert len(world.of(ticket.client_order_id)) == 1


@pytest.mark.parametrize("duplicate", ["return_existing", "refuse"])
@on_virtual_time
async def test_identical_order_sent_again_by_a_person_is_the_first_one(duplicate: str) -> None:
    world = World(duplicate_client_order_id=duplicate)
    ticket = world.ticket()
    first = await world.place(ticket)
    second = await world.client.place_order(ticket, deadline_s=5.0, before_send=lambda: None)
    assert second.order_id == first.order_id
    assert len(world.of(ticket.client_order_id)) == 1


@on_virtual_time
async def test_order_that_arrives_after_its_validity_is_refused_by_its_token() -> None:
    world = World()
    await world.client.load()
    await world.client.server_time()
    action = {"do": "delay", "low_s": 4.0}
    world.front.plan.add({"kind": "rest", "name": "CreateOrder", "action": action, "count": 1})
    ticket = world.ticket(valid_until_us=world.simulator.now_us() + 3_000_000)
    error = await world.refused(ticket)
    await asyncio.sleep(30)
    assert world.of(ticket.client_order_id) == []
    assert error.outcome in (Outcome.REJECTED, Outcome.UNKNOWN)


# Cancels


@on_virtual_time
async def test_order_is_cancelled_by_either_id_and_once() -> None:
    world = World(second_cancel="failure", cancel_refusal="UNKNOWN_CANCEL_ORDER")
    async with world.streaming():
        for by in ("order_id", "client_order_id"):
            ticket = world.ticket()
            ack = await world.place(ticket)
            await asyncio.sleep(1)
            named = {by: ack.order_id if by == "order_id" else ticket.client_order_id}
            assert (await world.cancel(**named)).is_pending
            await asyncio.sleep(1)
            assert world.of(ticket.client_order_id)[0]["status"] == "canceled"
            assert world.sink.of_order(ack.order_id)[-1].reason == "canceled"
            with pytest.raises(UnknownOrderError):
                await world.cancel(**named)


@pytest.mark.parametrize("refusal", OPEN_POINTS["cancel_refusal"])
@on_virtual_time
async def test_second_cancel_says_nothing_that_is_not_so(refusal: str) -> None:
    world = World(second_cancel="failure", cancel_refusal=refusal)
    ack = await world.place(world.ticket())
    await world.cancel(order_id=ack.order_id)
    await asyncio.sleep(1)
    told: Outcome | None = None
    try:
        assert (await world.cancel(order_id=ack.order_id)).is_pending
    except VenueError as error:
        told = error.outcome
    assert told in (None, Outcome.REJECTED, Outcome.UNKNOWN)
    assert (told is Outcome.UNKNOWN) == refusal.startswith("UNKNOWN_CANCEL_FAILURE")


@on_virtual_time
async def test_cancel_whose_answer_is_lost_is_unknown_and_safe_to_repeat() -> None:
    world = World()
    ack = await world.place(world.ticket())
    world.front.plan.add({"kind": "rest", "name": "CancelOrders", "action": {"do": "lose_reply"}, "count": 1})
    with pytest.raises(VenueError) as caught:
        await world.cancel(order_id=ack.order_id)
    assert caught.value.outcome is Outcome.UNKNOWN
    assert (await world.cancel(order_id=ack.order_id)).is_pending


# Every open point


# What changes what an answer means, or when it is true; each seed draws a mixture of all of them.
POINTS = (
    "hold_release_lag_s", "does_hold_include_fee", "is_fee_inside_quote_size", "duplicate_client_order_id",
    "client_order_id_kept_s", "client_order_id_scope", "reason_in", "explains_in", "has_deprecated_order_fields",
    "no_wallet", "insufficient_word", "are_short_funds_a_failure", "is_crossing_post_only_a_failure", "pending_s",
    "cancel_queued_s", "order_visible_after_s", "can_open_be_combined", "second_cancel", "cancel_refusal",
    "empty_numbers", "quote_sized_fills", "odd_fills", "are_preview_sizes_numbers", "is_ack_before_snapshot",
    "order_type_case", "are_user_rows_sparse", "update_batch_s", "unauthorized_body", "rate_limit_body",
    "throttle_status", "error_word_case", "not_found_word", "clock_leeway_s", "is_token_reuse_refused",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(10))
@on_virtual_time
async def test_every_answer_is_true_under_any_mixture_of_open_points(seed: int) -> None:
    dice = random.Random(seed)
    settings: dict[str, Any] = {name: dice.choice(OPEN_POINTS[name]) for name in POINTS}
    world = World(seed=seed, **settings)
    async with world.streaming():
        resting, refused = world.ticket(), world.ticket(quantity=D(100))
        bought = world.ticket(order_type=OrderType.MARKET, quote_quantity=D(50))
        ack = await world.place(resting)
        await world.attempt(refused)
        await world.place(bought)
        await asyncio.sleep(12)
        assert await world.evidence(resting.client_order_id) == [ack.order_id]
        assert ack.order_id in world.sink.open
        (closed,) = await world.client.closed_orders(client_order_id=bought.client_order_id)
        (placed,) = world.of(bought.client_order_id)
        assert (closed.status, closed.filled) == ("filled", D(placed["filled"]))
        fills = [fill for fill in await world.client.fills(since_s=0.0) if fill.order_id == closed.order_id]
        assert sum((fill.quantity for fill in fills), D(0)) == closed.filled
        await world.client.check_order(world.ticket(), deadline_s=5.0)
        await world.cancel(client_order_id=resting.client_order_id)
        await asyncio.sleep(12)
        assert world.sink.of_order(ack.order_id)[-1].reason == "canceled"
        (ended,) = await world.client.closed_orders(client_order_id=resting.client_order_id)
        assert ended.status == "canceled"
    listed = await world.client.read_balances("accounts")
    for code, each in world.truth.items():
        assert listed.holdings[code].total == each["total"]
