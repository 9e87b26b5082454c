"""Cancelling: in any trading state, over whichever wire works, by any name, and safe to repeat."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.errors import (
    ClosedError,
    MaintenanceError,
    OutcomeUnknownError,
    ReservationStateError,
    UnknownNameError,
    UnknownOrderError,
    VenueError,
    VenueRejectedError,
)
from holdfast.store.memory import MemoryStore
from holdfast.testing import run_virtual
from tests.runtime.entry_rig import D, trading
from tests.runtime.test_entry_external import manual


@pytest.mark.parametrize("name", ["intent", "client", "venue", "order"])
def test_an_order_is_cancelled_by_any_of_its_names(name: str) -> None:
    async def main() -> None:
        async with trading() as t:
            order = await t.buy("a")
            named: dict[str, Any] = {
                "intent": "a",
                "client": order.client_order_id,
                "venue": order.order_id,
                "order": order,
            }
            cancelled = await t.broker.cancel_order(named[name])
            assert (cancelled.intent_id, cancelled.state) == ("a", "canceled")
            assert t.orders.open == {}
            assert t.reserved() == 0
            assert t.broker.open_orders() == []

    run_virtual(main())


def test_what_was_filled_until_the_cancel_stands_and_is_consumed() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a")
            t.orders.fill("O1", quantity=D("0.004"))
            cancelled = await t.broker.cancel_order("a")
            assert (cancelled.state, cancelled.filled) == ("canceled", D("0.004"))
            assert (await t.broker.reservation("a")).state == "consumed"
            assert t.reserved() == 0

    run_virtual(main())


def test_an_order_of_somebody_else_is_cancelled_too() -> None:
    async def main() -> None:
        async with trading() as t:
            t.orders.add_external(manual())
            cancelled = await t.broker.cancel_order("M1")
            assert (cancelled.order_id, cancelled.intent_id) == ("M1", None)
            assert t.orders.open == {}

    run_virtual(main())


def test_an_order_that_is_over_is_cancelled_without_harm_and_nothing_is_asked() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a")
            await t.broker.cancel_order("a")
            asked = len(t.client.asked)
            for name in ("a", "O1"):
                again = await t.broker.cancel_order(name)
                assert (again.intent_id, again.state) == ("a", "canceled")
            assert len(t.client.asked) == asked

    run_virtual(main())


def test_an_unknown_order_is_told() -> None:
    async def main() -> None:
        async with trading() as t:
            with pytest.raises(UnknownNameError, match="no order 'never'"):
                await t.broker.cancel_order("never")

    run_virtual(main())


@pytest.mark.parametrize("is_ended", [False, True])
def test_a_claim_without_an_order_has_nothing_to_cancel(is_ended: bool) -> None:
    async def main() -> None:
        async with trading(contact="rest") as t:
            await t.broker.verify_balance_before_order(
                "BTC-USD", "buy", quote_quantity="10", intent_id="a", reserve=True
            )
            if is_ended:
                await t.broker.release_reservation("a")
            asked = len(t.asked())
            with pytest.raises(ReservationStateError):
                await t.broker.cancel_order("a")
            assert len(t.asked()) == asked

    run_virtual(main())


# Wires


@pytest.mark.parametrize("outcome", ["lost_before", "lost"])
def test_a_cancel_whose_answer_is_lost_on_the_stream_goes_over_rest(outcome: str) -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a")
            t.stream.cancel_outcomes.add(outcome)
            await t.broker.cancel_order("a")
            assert t.orders.open == {}
            order = await t.broker.ended("a", timeout_s=10)
            assert order.state == "canceled"

    run_virtual(main())


def test_a_cancel_goes_over_rest_where_there_is_no_stream() -> None:
    async def main() -> None:
        async with trading(contact="rest") as t:
            await t.buy("a")
            await t.broker.cancel_order("a")
            assert t.orders.open == {}
            assert (await t.broker.ended("a", timeout_s=30)).state == "canceled"
            assert t.reserved() == 0

    run_virtual(main())


def test_a_cancel_lost_on_both_wires_is_unknown_and_changes_nothing() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a")
            t.stream.cancel_outcomes.add("lost_before")
            t.client.cancel_outcomes.add("lost_before")
            with pytest.raises(OutcomeUnknownError):
                await t.broker.cancel_order("a")
            assert t.at("a") in ("open, active", "open, covered")  # Its money is claimed, by us or by the venue.
            await t.broker.cancel_order("a")
            assert t.at("a") is None

    run_virtual(main())


def test_a_cancel_under_way_leaves_the_order_open_until_it_ends() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a")
            t.stream.cancel_outcomes.add("pending")
            cancelled = await t.broker.cancel_order("a")
            assert cancelled.state == "open"
            t.orders.fill("O1")
            assert (await t.broker.order("a")).state == "filled"

    run_virtual(main())


def test_a_venue_that_knows_no_such_open_order_says_how_it_ended() -> None:
    """It filled while the cancel was on its way, and nobody has told us."""

    async def main() -> None:
        async with trading() as t:
            await t.buy("a")
            t.orders.listeners.clear()
            t.orders.money_listeners.clear()
            t.orders.fill("O1")
            order = await t.broker.cancel_order("a")
            assert order.state == "open"
            assert (await t.broker.ended("a", timeout_s=30)).state == "filled"

    run_virtual(main())


@pytest.mark.parametrize(
    "error",
    [
        VenueRejectedError("no", venue="acme", request="cancel", code="EOrder:Whatever"),
        MaintenanceError("closed", venue="acme", request="cancel", code="EService:Unavailable"),
    ],
    ids=["rejected", "maintenance"],
)
def test_a_cancel_the_venue_does_not_take_is_told_and_the_order_stays_open(error: VenueError) -> None:
    async def main() -> None:
        async with trading(contact="rest") as t:
            await t.buy("a")
            t.client.cancel_outcomes.add(error)
            with pytest.raises(type(error)):
                await t.broker.cancel_order("a")
            assert t.at("a") in ("open, active", "open, covered")

    run_virtual(main())


# States


@pytest.mark.parametrize("outcome", ["lost", "lost_before"])
def test_an_order_in_doubt_is_cancelled_by_our_id_and_stays_in_doubt_until_there_is_evidence(outcome: str) -> None:
    async def main() -> None:
        async with trading() as t:
            listeners = list(t.orders.listeners)
            t.orders.listeners.clear()
            t.stream.outcomes.add(outcome)
            with pytest.raises(OutcomeUnknownError):
                await t.buy("a")
            t.orders.listeners.extend(listeners)
            cancelled = await t.broker.cancel_order("a")
            assert t.orders.open == {}
            if outcome == "lost":
                assert cancelled.state == "canceled"
            else:
                # That the venue knows no such open order now says nothing of the next seconds.
                assert cancelled.state == "in_doubt"
                assert t.reserved() == D("409.6")
            order = await t.broker.resolution("a", timeout_s=120)
            assert order.state == ("canceled" if outcome == "lost" else "absent")
            assert t.reserved() == 0

    run_virtual(main())


@pytest.mark.parametrize("state", ["reducing", "halted", "broken", "stale", "no store"])
def test_nothing_of_ours_stops_a_cancel(state: str) -> None:
    async def main() -> None:
        store = MemoryStore()
        async with trading(store=store) as t:
            await t.buy("a")
            if state in ("reducing", "halted"):
                await t.broker.set_trading_state(state)
            if state == "broken":
                t.entry.trading.broken("invariant_I1", store)
            if state == "stale":
                t.clock.suspend(600)
            if state == "no store":
                store.fail_with = "full"
            order = await t.broker.cancel_order("a")
            assert order.state == "canceled"
            assert t.orders.open == {}
            assert t.reserved() == 0

    run_virtual(main())


def test_who_does_not_own_the_account_any_more_cancels_nothing() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a")

            def not_ours() -> None:
                raise ClosedError("another process may own the account")

            t.entry.cancelling._check_ownership = not_ours
            with pytest.raises(ClosedError):
                await t.broker.cancel_order("a")
            assert "O1" in t.orders.open

    run_virtual(main())


# All


def test_every_open_order_of_the_account_is_cancelled_or_those_of_an_instrument() -> None:
    async def main() -> None:
        async with trading(funds={"USD": ("5000", "0"), "BTC": ("1", "0")}) as t:
            for number in range(3):
                await t.buy(f"i{number}")
            await t.broker.place_limit_order("ETH-USD", "buy", "0.1", "2000", intent_id="eth")
            t.orders.add_external(manual())
            assert len(t.broker.open_orders()) == 5
            cancelled = await t.broker.cancel_all_orders("ETH-USD")
            assert [order.intent_id for order in cancelled] == ["eth"]
            cancelled = await t.broker.cancel_all_orders()
            assert len(cancelled) == 4
            assert t.orders.open == {}
            assert await t.broker.cancel_all_orders() == []

    run_virtual(main())


def test_orders_of_others_are_cancelled_with_one_of_ours_in_doubt() -> None:
    async def main() -> None:
        async with trading() as t:
            t.orders.add_external(manual(quantity="0.001"))
            t.stream.outcomes.add("lost_before")
            with pytest.raises(OutcomeUnknownError):
                await t.buy("a")
            await t.broker.cancel_all_orders()
            assert t.orders.open == {}

    run_virtual(main())


def test_one_cancel_that_fails_keeps_none_of_the_others_from_being_sent() -> None:
    async def main() -> None:
        async with trading(contact="rest") as t:
            for number in range(3):
                await t.buy(f"i{number}", quantity="0.001")
            refusal = VenueRejectedError("no", venue="acme", request="cancel", code="EOrder:Whatever")
            t.client.cancel_outcomes.add("ack", refusal, "ack")
            with pytest.raises(VenueRejectedError):
                await t.broker.cancel_all_orders()
            assert len(t.orders.open) == 1

    run_virtual(main())


def test_an_order_that_ends_by_itself_while_all_are_cancelled_is_no_failure() -> None:
    async def main() -> None:
        async with trading() as t:
            for number in range(2):
                t.orders.add_external(manual(f"M{number}", quantity="0.001"))
            cancelling = asyncio.create_task(t.broker.cancel_all_orders())
            await asyncio.sleep(0.02)
            t.orders.end("M1")
            await cancelling
            assert t.orders.open == {}

    run_virtual(main())


def test_an_order_of_others_that_is_gone_when_it_is_cancelled_is_told_by_its_error() -> None:
    async def main() -> None:
        async with trading() as t:
            t.orders.add_external(manual())
            t.orders.listeners.clear()
            t.orders.end("M1")
            with pytest.raises(UnknownOrderError):
                await t.broker.cancel_order("M1")

    run_virtual(main())
