"""Orders whose answer was lost: what is asked, in which order, what counts as evidence, and what never does."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from holdfast.core.balances import OrderChange, OrdersSnapshot
from holdfast.core.venue import Channel, Fill, ServerTime
from holdfast.errors import OutcomeUnknownError, UnknownReservationError, VenueError
from holdfast.testing import run_virtual
from tests.runtime.entry_rig import D, Trade, outcome_of, trading

LAG_S = 5.0
"""The fake venue's."""


async def lose(t: Trade, outcome: str = "lost_before", *, intent_id: str = "a") -> None:
    """Place an order whose answer is lost; the orders channel tells nothing of it."""
    t.orders.listeners.clear()
    t.orders.money_listeners.clear()
    (t.stream if t.broker.status().stream.state == "live" else t.client).outcomes.add(outcome)
    with pytest.raises(OutcomeUnknownError):
        await t.buy(intent_id)
    assert t.at(intent_id) == "in_doubt, in_doubt"


def asked(t: Trade, *names: str, since_s: float = 0.0) -> list[str]:
    return [name for at_s, name in t.client.asked if name in names and at_s >= since_s]


# Absent


def test_an_order_that_never_arrived_is_absent_once_every_list_was_asked_late_enough() -> None:
    async def main() -> None:
        async with trading() as t:
            await lose(t)
            lost_s = t.clock.now_s()
            order = await t.broker.resolution("a", timeout_s=120)
            took_s = t.clock.now_s() - lost_s
            assert order.state == "absent"
            assert took_s > LAG_S
            assert t.reserved() == 0
            (told,) = t.said("order.resolved")
            assert (told["intent_id"], told["state"], told["evidence"]) == ("a", "absent", "absent from every list")
            assert (await t.broker.reservation("a")).state == "released"
            assert {"time", "orders", "closed_orders", "fills"} <= {name for _, name in t.client.asked}

    run_virtual(main())


def test_the_money_stays_reserved_until_the_last_piece_of_evidence() -> None:
    async def main() -> None:
        async with trading() as t:
            await lose(t)
            while t.at("a") is not None:
                assert t.reserved() == D("409.6")
                verdict = await t.broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="600")
                assert verdict.code == "funds_short"
                await asyncio.sleep(0.5)
            assert t.spendable() == D("1000")

    run_virtual(main())


@pytest.mark.parametrize("query", ["time", "orders", "closed_orders", "fills"])
def test_a_list_that_cannot_be_asked_leaves_the_doubt_however_long_it_takes(query: str) -> None:
    async def main() -> None:
        async with trading(contact="rest") as t:
            await lose(t)
            t.client.failing[query] = t.venue.lost(query, "acme-master")
            await asyncio.sleep(600)
            assert t.at("a") == "in_doubt, in_doubt"
            assert t.reserved() == D("409.6")
            assert len(asked(t, query)) > 5
            del t.client.failing[query]
            await asyncio.sleep(30)
            assert t.at("a") is None
            assert (await t.broker.order("a")).state == "absent"

    run_virtual(main())


def test_the_lists_that_count_are_asked_later_than_the_lag_after_the_venues_clock_passed_the_validity() -> None:
    async def main() -> None:
        async with trading() as t:
            await lose(t)
            valid_until_s = t.stream.sent[0].valid_until_us / 1e6
            await t.broker.resolution("a", timeout_s=120)
            said = [(at_s, name) for at_s, name in t.client.asked]
            wall_of = t.clock.wall_us() / 1e6 - t.clock.now_s()
            passed_s = min(at_s for at_s, name in said if name == "time" and at_s + wall_of + 0.1 >= valid_until_s)
            for query in ("orders", "closed_orders", "fills"):
                assert max(at_s for at_s, name in said if name == query) >= passed_s + LAG_S

    run_virtual(main())


def test_a_clock_of_the_venue_that_lags_ours_prolongs_the_doubt() -> None:
    """Ours may be ahead: the venue takes the order until the end of its validity on its own clock."""

    async def main() -> None:
        async with trading() as t:
            server_time = t.client.server_time

            async def late() -> ServerTime:
                time = await server_time()
                return msgspec.structs.replace(time, venue_time_s=time.venue_time_s - 100.0)

            t.client.server_time = late  # type: ignore[method-assign]
            await lose(t)
            await asyncio.sleep(95)
            assert t.at("a") == "in_doubt, in_doubt"
            await asyncio.sleep(30)
            assert t.at("a") is None

    run_virtual(main())


def test_one_answer_about_the_time_that_is_hours_off_proves_nothing() -> None:
    async def main() -> None:
        async with trading(orders={"validity_s": 30}) as t:
            server_time, answers = t.client.server_time, [3600.0]

            async def wrong_once() -> ServerTime:
                told = await server_time()
                off_s = answers.pop() if answers else 0.0
                return msgspec.structs.replace(told, venue_time_s=told.venue_time_s + off_s)

            t.orders.listeners.clear()
            t.stream.latency_s = 1.0
            placing = asyncio.create_task(outcome_of(t.buy("a")))
            await asyncio.sleep(0.5)
            t.client.server_time = wrong_once  # type: ignore[method-assign]
            t.stream.cut()
            assert await placing == "OutcomeUnknownError"
            await asyncio.sleep(25)
            assert t.at("a") == "in_doubt, in_doubt"
            await asyncio.sleep(30)
            assert t.at("a") is None

    run_virtual(main())


# Found


@pytest.mark.parametrize("contact", ["stream", "rest"])
def test_an_order_that_is_open_is_found_within_seconds(contact: str) -> None:
    async def main() -> None:
        async with trading(contact=contact) as t:  # type: ignore[arg-type]
            await lose(t, "lost")
            lost_s = t.clock.now_s()
            order = await t.broker.resolution("a", timeout_s=60)
            assert (order.state, order.order_id) == ("open", "O1")
            assert t.clock.now_s() - lost_s < 3
            assert t.at("a") in ("open, active", "open, covered")
            (told,) = t.said("order.resolved")
            assert (told["state"], told["evidence"]) == ("open", "found")
            assert len(t.orders.placed) == 1

    run_virtual(main())


def test_an_order_that_filled_and_closed_before_anybody_looked_is_found_closed() -> None:
    async def main() -> None:
        async with trading() as t:
            await lose(t, "lost")
            t.orders.fill("O1")
            order = await t.broker.resolution("a", timeout_s=60)
            assert (order.state, order.filled, order.cost) == ("filled", D("0.01"), D("400"))
            assert order.fees == {"USD": D("1")}
            # What it took stays claimed until the figures have it.
            await asyncio.sleep(90)
            assert t.reserved() == 0
            assert (await t.broker.reservation("a")).state == "consumed"
            assert t.broker.balance("USD").total == D("599")

    run_virtual(main())


def test_an_order_that_only_the_fills_know_is_looked_up_by_its_id() -> None:
    """The venue's closed list may miss it: the executions name the order, and the order names us."""

    async def main() -> None:
        async with trading() as t:
            await lose(t, "lost")
            t.orders.fill("O1")

            async def nothing(**_: object) -> list[object]:
                return []

            t.client.closed_orders = nothing  # type: ignore[method-assign,assignment]
            order = await t.broker.resolution("a", timeout_s=120)
            assert (order.state, order.filled) == ("filled", D("0.01"))
            assert asked(t, "orders_by_id")

    run_virtual(main())


@pytest.mark.parametrize("by_s", [-7200.0, 7200.0])
def test_fills_are_asked_for_by_the_venues_clock_whatever_was_done_to_ours(by_s: float) -> None:
    """A wall clock that was set between the claim and the question hides no fill."""

    async def main() -> None:
        async with trading() as t:
            await lose(t, "lost")
            t.orders.fill("O1")

            async def nothing(**_: object) -> list[object]:
                return []

            asked_since: list[float] = []
            fills = t.client.fills

            async def world_fills(*, since_s: float | None = None, until_s: float | None = None) -> list[Fill]:
                assert since_s is not None
                asked_since.append(since_s)
                return await fills(since_s=since_s, until_s=until_s)

            t.venue.orders.clock = t.clock.world()
            t.orders.fills[:] = [
                msgspec.structs.replace(each, at_s=t.clock.true_wall_us() / 1e6) for each in t.orders.fills
            ]
            server_time = t.client.server_time

            async def world_time() -> ServerTime:
                told = await server_time()
                return msgspec.structs.replace(told, venue_time_s=t.clock.true_wall_us() / 1e6)

            t.client.server_time = world_time  # type: ignore[method-assign]
            t.client.closed_orders = nothing  # type: ignore[method-assign,assignment]
            t.client.fills = world_fills  # type: ignore[method-assign]
            t.clock.step_wall(by_s)
            order = await t.broker.resolution("a", timeout_s=300)
            assert (order.state, order.filled) == ("filled", D("0.01"))
            assert all(since_s <= t.orders.fills[0].at_s for since_s in asked_since)

    run_virtual(main())


def test_a_row_that_does_not_name_us_makes_no_order_somebody_elses() -> None:
    """The channel may tell of an order without our id: whose it is, a look-up by the venue's id has to say."""

    async def main() -> None:
        async with trading() as t:
            push = t.stream.push_order
            await lose(t, "lost")
            order = t.orders.open["O1"]
            anonymous = msgspec.structs.replace(order, client_order_id=None)
            push(OrderChange(order_id="O1", order=anonymous, as_of_s=t.clock.now_s(), reason="new"))
            assert len(t.said("order.external")) == 1
            t.orders.fill("O1")

            async def nothing(**_: object) -> list[object]:
                return []

            t.client.closed_orders = nothing  # type: ignore[method-assign,assignment]
            found = await t.broker.resolution("a", timeout_s=300)
            assert (found.state, found.filled) == ("filled", D("0.01"))

    run_virtual(main())


def test_a_fill_of_an_order_that_cannot_be_looked_up_is_no_evidence_of_absence() -> None:
    async def main() -> None:
        async with trading() as t:
            await lose(t, "lost")
            t.orders.fill("O1")

            async def nothing(*_: object, **__: object) -> dict[str, object]:
                return {}

            t.client.closed_orders = nothing  # type: ignore[method-assign,assignment]
            t.client.open_orders_by_id = nothing  # type: ignore[method-assign,assignment]
            await asyncio.sleep(300)
            assert t.at("a") == "in_doubt, in_doubt"
            assert t.reserved() == D("409.6")

    run_virtual(main())


def test_the_orders_channel_ends_a_doubt_by_itself() -> None:
    async def main() -> None:
        async with trading() as t:
            listeners = list(t.orders.listeners)
            await lose(t, "lost")
            t.orders.listeners.extend(listeners)
            t.orders.fill("O1", quantity=D("0.004"))
            assert t.at("a") == "open, active"
            assert (await t.broker.order("a")).filled == D("0.004")

    run_virtual(main())


def test_an_order_found_open_after_a_lagging_list_is_not_called_absent() -> None:
    """Every list lags: for as long as the venue's lag an empty answer says nothing."""

    async def main() -> None:
        async with trading() as t:
            await lose(t, "lost")
            empty_until_s = t.clock.now_s() + LAG_S
            open_orders = t.client.open_orders

            async def lagging() -> OrdersSnapshot:
                found = await open_orders()
                return msgspec.structs.replace(found, orders={}) if t.clock.now_s() < empty_until_s else found

            t.client.open_orders = lagging  # type: ignore[method-assign]
            order = await t.broker.resolution("a", timeout_s=120)
            assert order.state == "open"

    run_virtual(main())


# Waiting for it


def test_waiting_for_a_resolution_ends_at_its_bound_and_the_money_stays() -> None:
    async def main() -> None:
        async with trading() as t:
            await lose(t)
            with pytest.raises(OutcomeUnknownError) as caught:
                await t.broker.resolution("a", timeout_s=3)
            assert caught.value.intent_id == "a"
            assert t.reserved() == D("409.6")

    run_virtual(main())


def test_the_resolution_of_an_order_in_no_doubt_is_there_at_once() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a")
            assert (await t.broker.resolution("a", timeout_s=0.1)).state == "open"
            with pytest.raises(UnknownReservationError):
                await t.broker.resolution("never", timeout_s=0.1)

    run_virtual(main())


def test_the_caller_goes_on_while_one_order_is_in_doubt() -> None:
    async def main() -> None:
        async with trading() as t:
            await lose(t)
            assert (await t.broker.place_market_order("BTC-USD", "sell", "0.1")).state != "in_doubt"
            assert await outcome_of(t.buy("b", quantity="0.005")) == "open"

    run_virtual(main())


def test_a_doubt_that_lasts_is_told_once_with_what_is_missing() -> None:
    async def main() -> None:
        async with trading(orders={"in_doubt_alert_s": 30}, contact="rest") as t:
            await lose(t)
            t.client.failing["closed_orders"] = t.venue.lost("closed_orders", "acme-master")
            await asyncio.sleep(300)
            (told,) = t.said("order.overdue")
            assert told["intent_id"] == "a"
            assert told["for_s"] >= 30
            assert "closed" in told["missing"]

    run_virtual(main())


def test_several_doubts_end_each_by_its_own_evidence() -> None:
    async def main() -> None:
        async with trading(funds={"USD": ("5000", "0"), "BTC": ("1", "0")}) as t:
            t.orders.listeners.clear()
            t.orders.money_listeners.clear()
            names = ("there", "not there", "filled")
            t.stream.outcomes.add("lost", "lost_before", "lost")
            t.client.latency_s = 2.5  # So that nothing is found before the last answer is given up.
            placing = []
            for name in names:
                placing.append(asyncio.create_task(outcome_of(t.buy(name))))
                await asyncio.sleep(1)
            assert await asyncio.gather(*placing) == ["OutcomeUnknownError"] * 3
            t.orders.fill("O2")
            ended = await asyncio.gather(*(t.broker.resolution(name, timeout_s=120) for name in names))
            assert [order.state for order in ended] == ["open", "absent", "filled"]
            assert len(t.said("order.resolved")) == 3

    run_virtual(main())


# A person's word


def test_a_person_releases_a_doubt_and_is_told_when_it_was_there_all_the_same() -> None:
    async def main() -> None:
        async with trading() as t:
            listeners = list(t.orders.listeners)
            await lose(t, "lost")
            t.client.failing["orders"] = t.venue.lost("orders", "acme-master")
            view = await t.broker.release_reservation("a", force=True)
            assert (view.state, view.order, view.cause) == ("released", "in_doubt", "forced")
            assert t.reserved() == 0
            with pytest.raises(OutcomeUnknownError):
                await t.broker.resolution("a", timeout_s=0.1)
            t.orders.listeners.extend(listeners)
            t.orders.fill("O1", quantity=D("0.004"))
            order = await t.broker.resolution("a", timeout_s=5)
            assert (order.state, order.order_id, order.filled) == ("open", "O1", D("0.004"))
            await asyncio.sleep(6)
            assert t.said("order.resolved")[0]["state"] == "open"
            assert t.said("invariant.broken") == []
            assert (await t.broker.cancel_order("a")).order_id == "O1"

    run_virtual(main())


@pytest.mark.parametrize("said", ["rejected", "never_sent", "absent"])
def test_an_order_that_was_said_not_to_be_there_and_is_stops_approvals_and_keeps_cancels(said: str) -> None:
    async def main() -> None:
        async with trading() as t:
            if said == "never_sent":
                t.stream.takes_orders = False
                t.client.outcomes.add("never_sent")
            else:
                t.stream.outcomes.add("reject" if said == "rejected" else "lost_before")
            await outcome_of(t.buy("a"))
            assert (await t.broker.resolution("a", timeout_s=120)).state == said
            t.stream.takes_orders = True
            ticket = (t.client if said == "never_sent" else t.stream).sent[0]
            t.orders.place(ticket)
            (told,) = t.said("invariant.broken")
            assert told["invariant"] == "I10"
            assert t.broker.status().trading_state == "halted"
            assert t.broker.status().trading_reason == "invariant_I10"
            assert await outcome_of(t.buy("b", quantity="0.001")) == "HaltedError"
            await t.broker.cancel_all_orders()
            assert t.orders.open == {}

    run_virtual(main())


def test_a_second_order_under_one_id_of_ours_stops_approvals_and_is_not_taken_for_the_first() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a")
            t.orders.place(t.stream.sent[0])
            assert t.said("invariant.broken")[0]["invariant"] == "I11"
            assert t.broker.status().trading_reason == "invariant_I11"
            assert await outcome_of(t.buy("b", quantity="0.001")) == "HaltedError"
            assert (await t.broker.order("a")).order_id == "O1"
            t.orders.fill("O2")
            assert (await t.broker.order("a")).state == "open"

    run_virtual(main())


def test_nothing_is_asked_about_orders_while_there_is_no_doubt() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a")
            before = t.clock.now_s()
            await asyncio.sleep(120)
            assert asked(t, "closed_orders", "fills", "orders_by_id", since_s=before) == []

    run_virtual(main())


def test_a_resolved_doubt_asks_nothing_more() -> None:
    async def main() -> None:
        async with trading() as t:
            await lose(t)
            await t.broker.resolution("a", timeout_s=120)
            before = t.clock.now_s()
            await asyncio.sleep(120)
            assert asked(t, "closed_orders", "fills", "time", since_s=before) == []

    run_virtual(main())


# Orders that nobody tells of


def test_without_a_stream_an_open_order_is_followed_to_its_end() -> None:
    async def main() -> None:
        async with trading(contact="rest") as t:
            await t.buy("a")
            t.orders.fill("O1", quantity=D("0.004"))
            await asyncio.sleep(20)
            assert (await t.broker.order("a")).filled == D("0.004")
            t.orders.end("O1")
            await asyncio.sleep(20)
            order = await t.broker.order("a")
            assert (order.state, order.filled) == ("canceled", D("0.004"))
            await asyncio.sleep(60)
            assert t.reserved() == 0

    run_virtual(main())


def test_an_order_that_ended_while_the_stream_was_away_is_looked_up() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a")
            t.stream.refuses = t.venue.lost("stream", "acme-master")
            t.stream.cut()
            t.orders.fill("O1")
            t.stream.refuses = None
            order = await t.broker.ended("a", timeout_s=60)
            assert (order.state, order.filled) == ("filled", D("0.01"))
            await asyncio.sleep(80)
            assert t.reserved() == 0
            assert (await t.broker.order("a")).fees == {"USD": D("1")}

    run_virtual(main())


def test_an_order_that_a_list_of_the_channel_does_not_know_is_looked_up_at_once() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a")
            t.orders.listeners.clear()
            t.orders.money_listeners.clear()
            t.orders.fill("O1")
            t.stream._state(Channel.ORDERS)
            await asyncio.sleep(1)
            assert (await t.broker.order("a")).state == "filled"

    run_virtual(main())


def test_an_order_whose_end_was_never_told_is_looked_up_once_all_of_it_is_filled() -> None:
    """Its trades came and the row of its end did not: no balance will move and no list will change any more."""

    async def main() -> None:
        async with trading() as t:
            await t.buy("a")
            push = t.stream.push_order

            def without_the_end(change: OrderChange) -> None:
                if change.order is not None:
                    push(change)

            t.orders.listeners[:] = [without_the_end]
            t.orders.fill("O1")
            order = await t.broker.ended("a", timeout_s=60)
            assert (order.state, order.filled) == ("filled", D("0.01"))
            await asyncio.sleep(80)
            assert t.reserved() == 0

    run_virtual(main())


def test_a_fee_that_no_row_told_is_found_out_after_the_order_is_over() -> None:
    """A bot's budget is not charged with the worst fee for good."""

    async def main() -> None:
        async with trading(budgets={"grid": {"USD": "500"}}) as t:
            await t.buy("a", bot="grid")
            push = t.stream.push_order

            def without_fills(change: OrderChange) -> None:
                if change.fill is None:
                    push(change)

            t.orders.listeners[:] = [without_fills]
            t.orders.fill("O1")
            assert (await t.broker.order("a")).state == "filled"
            await asyncio.sleep(100)
            assert (await t.broker.order("a")).fees == {"USD": D("1")}
            assert t.broker.budgets()["grid"]["USD"] == D("99")

    run_virtual(main())


def test_an_end_that_says_not_what_was_filled_is_looked_up_with_the_money_claimed() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a")
            push = t.stream.push_order

            def curt(change: OrderChange) -> None:
                push(msgspec.structs.replace(change, filled=None, cost=None, fill=None))

            t.orders.listeners[:] = [curt]
            t.orders.fill("O1", quantity=D("0.004"))
            t.orders.end("O1")
            assert t.reserved() > 0
            order = await t.broker.ended("a", timeout_s=30)
            assert (order.state, order.filled) == ("canceled", D("0.004"))

    run_virtual(main())


def test_reads_that_fail_are_asked_again_and_the_doubt_lasts() -> None:
    async def main() -> None:
        async with trading(contact="rest") as t:
            await lose(t, "lost")
            error: VenueError = t.venue.lost("orders", "acme-master")
            t.client.failing["*"] = error
            await asyncio.sleep(60)
            assert t.at("a") == "in_doubt, in_doubt"
            t.client.failing.clear()
            assert (await t.broker.resolution("a", timeout_s=60)).state == "open"

    run_virtual(main())
