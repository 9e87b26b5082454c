"""From a wish to an order: over one wire, once; and what each answer, or its loss, makes of it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from holdfast.config import ReadingSettings, load_config
from holdfast.core.orders import OrderAck
from holdfast.core.seams import Priority
from holdfast.errors import (
    ClosedError,
    ConfigError,
    DeniedError,
    FundsShortError,
    InsufficientFundsError,
    MaintenanceError,
    OrderRuleError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from holdfast.runtime.intent_record import order_of, reservation_of
from holdfast.testing import run_virtual
from tests.runtime.entry_rig import D, SlowStore, outcome_of, trading

# The way of an order


def test_a_limit_order_goes_over_the_stream_and_rests_with_its_claim() -> None:
    async def main() -> None:
        async with trading() as t:
            order = await t.buy("a")
            assert (order.state, order.intent_id, order.symbol, order.side) == ("open", "a", "BTC-USD", "buy")
            assert (order.quantity, order.limit_price, order.order_id) == (D("0.01"), D("40000"), "O1")
            assert [len(t.stream.sent), len(t.client.sent)] == [1, 0]
            assert t.stream.sent[0].client_order_id == order.client_order_id
            # 400 are held by the venue, 1.60 for the fee by us; nothing is counted twice.
            assert t.reserved() == D("1.6")
            assert t.spendable() <= D("598.4")
            await asyncio.sleep(70)
            assert t.at("a") == "open, covered"
            assert t.spendable() == D("598.4")

    run_virtual(main())


def test_a_hand_over_has_rest_read_in_time_and_does_not_wait_for_the_schedule() -> None:
    """What counts twice meanwhile counts twice for the venue's lag and a few seconds, however quiet the account is."""

    async def main() -> None:
        async with trading(reading=ReadingSettings(reconcile_quiet_s=290, anchor_max_age_s=600)) as t:
            await asyncio.sleep(5)
            await t.buy("a")
            began_s = t.clock.now_s()
            assert t.spendable() < D("598.4")
            while t.at("a") != "open, covered":
                await asyncio.sleep(0.5)
                assert t.clock.now_s() - began_s < 5 + 15
            assert t.spendable() == D("598.4")

    run_virtual(main())


def test_a_market_buy_spends_what_it_was_asked_for_and_leaves_no_claim() -> None:
    async def main() -> None:
        async with trading() as t:
            order = await t.broker.place_market_order("BTC-USD", "buy", quote_quantity="250", intent_id="a")
            assert order.state == "filled"
            assert (order.filled, order.cost) == (D("0.00625"), D("250"))
            assert order.fees == {"USD": D("1")}
            assert t.reserved() == 0
            assert t.broker.reservations() == []
            assert t.broker.balance("USD").total == D("749")
            assert (await t.broker.order("a")).state == "filled"
            assert (await t.broker.reservation("a")).state == "consumed"

    run_virtual(main())


def test_a_market_sell_is_an_exit_and_claims_base() -> None:
    async def main() -> None:
        async with trading() as t:
            order = await t.broker.place_market_order("BTC-USD", "sell", "0.1", intent_id="a")
            assert (order.state, order.asset) == ("filled", "BTC")
            assert t.broker.balance("BTC").total == D("0.4")
            assert t.reserved("BTC") == 0

    run_virtual(main())


def test_a_claim_of_which_nothing_is_left_prints_as_zero() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.broker.place_limit_order("BTC-USD", "sell", "0.10000000", "50000.0", intent_id="a")
            assert str(t.broker.balance("BTC").reserved) == "0"  # The venue holds all of it.
            known = t.entry.claims.intents.get("a")
            assert known is not None
            intent = msgspec.structs.replace(known, counted=D("0E-15"))
            assert str(order_of(intent, "b").reserved) == str(reservation_of(intent, "b").reserved) == "0"

    run_virtual(main())


def test_what_is_sent_is_what_was_judged_with_an_id_of_ours_and_an_end() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("a", quantity="0.01", price="40000.0", time_in_force="ioc")
            ticket = t.stream.sent[0]
            assert (ticket.symbol, ticket.side, ticket.order_type) == ("BTC-USD", "buy", "limit")
            assert (ticket.quantity, ticket.quote_quantity, ticket.limit_price) == (D("0.01"), None, D("40000.0"))
            assert (ticket.time_in_force, ticket.is_post_only) == ("ioc", False)
            assert len(ticket.client_order_id) == 32
            assert int(ticket.client_order_id, 16) >= 0
            assert ticket.valid_until_us == pytest.approx(t.clock.wall_us() + 5e6, abs=0.2e6)

    run_virtual(main())


def test_a_limit_order_by_worth_is_rounded_down_to_the_step() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.broker.place_limit_order("BTC-USD", "buy", price="30000", quote_quantity="100", intent_id="a")
            ticket = t.stream.sent[0]
            assert (ticket.quantity, ticket.quote_quantity) == (D("0.00333333"), None)

    run_virtual(main())


def test_an_intent_is_durable_before_anything_leaves() -> None:
    async def main() -> list[tuple[str, str]]:
        seen: list[tuple[str, str]] = []
        async with trading() as t:
            place = t.stream.place_order

            async def look(ticket: object, **more: object) -> object:
                row = await t.entry.account.store.intent("a")
                assert row is not None
                seen.append((row.intent_id, row.record))
                return await place(ticket, **more)  # type: ignore[arg-type]

            t.stream.place_order = look  # type: ignore[method-assign,assignment]
            await t.buy("a")
        return seen

    ((name, record),) = run_virtual(main())
    assert name == "a"
    assert '"order":"sending"' in record


def test_a_denied_order_sends_nothing_and_claims_nothing() -> None:
    async def main() -> None:
        async with trading() as t:
            with pytest.raises(FundsShortError) as caught:
                await t.buy("a", quantity="0.0245")
            assert caught.value.verdict.code == "funds_short"
            assert caught.value.verdict.required == D("1003.52")
            assert t.sent == []
            assert t.reserved() == 0
            # The id was never used: a smaller order may have it.
            assert (await t.buy("a", quantity="0.01")).state == "open"

    run_virtual(main())


# Which wire


def test_rest_takes_orders_while_the_stream_is_down() -> None:
    async def main() -> None:
        async with trading(contact="rest") as t:
            order = await t.buy("a")
            assert order.state == "open"
            assert len(t.client.sent) == 1
            assert t.venue.streams[-1].sent == []

    run_virtual(main())


def test_rest_is_used_where_the_stream_takes_no_orders() -> None:
    async def main() -> None:
        async with trading() as t:
            t.stream.takes_orders = False
            await t.buy("a")
            assert [len(t.stream.sent), len(t.client.sent)] == [0, 1]

    run_virtual(main())


def test_rest_is_used_where_it_is_preferred() -> None:
    async def main() -> None:
        async with trading(orders={"prefer": "rest"}) as t:
            await t.buy("a")
            assert [len(t.stream.sent), len(t.client.sent)] == [0, 1]

    run_virtual(main())


def test_rest_follows_where_the_stream_provably_sent_nothing() -> None:
    async def main() -> None:
        async with trading(orders={"orders_per_minute": 2}) as t:
            t.stream.outcomes.add("never_sent")
            order = await t.buy("a", quantity="0.001")
            assert order.state == "open"
            assert [len(t.stream.sent), len(t.client.sent)] == [0, 1]
            assert [ticket.client_order_id for ticket in t.orders.placed] == [order.client_order_id]
            # One order is one order, however many wires were tried.
            await t.buy("b", quantity="0.001")
            with pytest.raises(OrderRuleError, match="too_many_orders"):
                await t.buy("c", quantity="0.001")

    run_virtual(main())


@pytest.mark.parametrize("outcome", ["lost", "lost_before", "reject", "funds"])
def test_rest_never_follows_where_the_stream_may_have_sent_it(outcome: str) -> None:
    async def main() -> None:
        async with trading() as t:
            t.orders.listeners.clear()  # Or else the orders channel would tell that it is there.
            t.stream.outcomes.add(outcome)
            with pytest.raises(VenueError):
                await t.buy("a")
            assert [len(t.stream.sent), len(t.client.sent)] == [1, 0]

    run_virtual(main())


# Refusals


@pytest.mark.parametrize("contact", ["stream", "rest"])
def test_a_rejection_releases_the_claim_and_is_told_with_the_venues_word(contact: str) -> None:
    async def main() -> None:
        async with trading(contact=contact) as t:  # type: ignore[arg-type]
            (t.stream if contact == "stream" else t.client).outcomes.add("reject")
            with pytest.raises(VenueRejectedError) as caught:
                await t.buy("a")
            assert caught.value.outcome is Outcome.REJECTED
            assert caught.value.code == "EOrder:Invalid order"
            assert t.reserved() == 0
            assert (await t.broker.order("a")).state == "rejected"
            found = await t.broker.reservation("a")
            assert (found.state, found.cause) == ("released", "EOrder:Invalid order")

    run_virtual(main())


def test_insufficient_funds_at_the_venue_mean_that_our_figure_was_wrong() -> None:
    async def main() -> None:
        async with trading() as t:
            t.stream.outcomes.add("funds")
            with pytest.raises(InsufficientFundsError):
                await t.buy("a")
            assert t.reserved() == 0
            assert (t.state(), t.reason()) == ("stale", "insufficient_funds")
            assert t.state("BTC") == "live"
            verdict = await t.broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="10")
            assert verdict.code == "balance_stale"
            await asyncio.sleep(15)
            assert t.state() == "live"

    run_virtual(main())


def test_what_provably_never_left_is_released() -> None:
    async def main() -> None:
        async with trading(contact="rest") as t:
            t.client.outcomes.add("never_sent")
            with pytest.raises(VenueUnreachableError):
                await t.buy("a")
            assert t.reserved() == 0
            assert (await t.broker.order("a")).state == "never_sent"

    run_virtual(main())


def test_an_error_that_proves_a_refusal_releases_whatever_its_class() -> None:
    async def main() -> None:
        async with trading() as t:
            t.stream.outcomes.add(RateLimitedError("slow down", venue="acme", request="order", code="EOrder:Rate"))
            with pytest.raises(RateLimitedError):
                await t.buy("a")
            assert t.reserved() == 0

    run_virtual(main())


# Lost answers


@pytest.mark.parametrize("contact", ["stream", "rest"])
def test_a_lost_answer_is_unknown_and_keeps_its_money(contact: str) -> None:
    async def main() -> None:
        async with trading(contact=contact) as t:  # type: ignore[arg-type]
            (t.stream if contact == "stream" else t.client).outcomes.add("lost_before")
            with pytest.raises(OutcomeUnknownError, match=r"409\.60000 USD stay reserved") as caught:
                await t.buy("a")
            assert caught.value.intent_id == "a"
            assert caught.value.outcome is Outcome.UNKNOWN
            assert t.at("a") == "in_doubt, in_doubt"
            assert t.reserved() == D("409.6")
            assert (await t.broker.order("a")).state == "in_doubt"
            assert t.broker.status().in_doubt == 1
            assert t.said("order.doubted")[0]["intent_id"] == "a"

    run_virtual(main())


def test_an_error_whose_outcome_is_unknown_keeps_the_money_whatever_its_class() -> None:
    async def main() -> None:
        async with trading() as t:
            t.stream.outcomes.add(MaintenanceError("busy", venue="acme", request="order", code="EService:Busy"))
            with pytest.raises(OutcomeUnknownError) as caught:
                await t.buy("a")
            assert caught.value.code == "EService:Busy"
            assert t.reserved() == D("409.6")

    run_virtual(main())


def test_an_error_nobody_foresaw_keeps_the_money_once_something_left() -> None:
    async def main() -> None:
        async with trading() as t:
            place = t.orders.place

            def explode(ticket: object) -> str:
                place(ticket)
                raise LookupError("an adapter's bug")

            t.orders.place = explode
            t.orders.listeners.clear()
            with pytest.raises(OutcomeUnknownError, match="an adapter's bug"):
                await t.buy("a")
            assert t.at("a") == "in_doubt, in_doubt"

    run_virtual(main())


def test_what_the_orders_channel_has_told_outweighs_the_lost_answer() -> None:
    async def main() -> None:
        async with trading() as t:
            t.stream.outcomes.add("lost")
            order = await t.buy("a")
            assert order.state == "open"
            assert t.at("a") == "open, active"

    run_virtual(main())


def test_the_stream_lost_before_the_acknowledgement_leaves_the_order_in_doubt() -> None:
    async def main() -> None:
        async with trading() as t:
            t.orders.listeners.clear()
            t.stream.latency_s = 1.0
            placing = asyncio.create_task(t.buy("a"))
            await asyncio.sleep(0.5)
            t.stream.cut()
            with pytest.raises(OutcomeUnknownError):
                await placing
            assert t.at("a") == "in_doubt, in_doubt"
            assert t.reserved() == D("409.6")

    run_virtual(main())


def test_an_order_in_doubt_is_never_sent_again() -> None:
    async def main() -> None:
        async with trading() as t:
            t.stream.outcomes.add("lost_before")
            with pytest.raises(OutcomeUnknownError):
                await t.buy("a")
            for _ in range(20):
                await asyncio.sleep(10)
            assert len(t.sent) == 1
            assert t.orders.placed == []

    run_virtual(main())


def test_an_error_before_anything_was_handed_to_the_wire_is_no_doubt_whatever_it_says() -> None:
    async def main() -> None:
        async with trading() as t:

            async def torn(*_: object, **__: object) -> OrderAck:
                raise OutcomeUnknownError("the connection broke", venue="acme", request="place_order")

            t.stream.place_order = torn  # type: ignore[method-assign]
            with pytest.raises(OutcomeUnknownError):
                await t.buy("a")
            assert t.reserved() == 0
            assert (await t.broker.order("a")).state == "never_sent"

    run_virtual(main())


def test_who_does_not_own_the_account_any_more_sends_nothing() -> None:
    async def main() -> None:
        async with trading() as t:

            def not_ours() -> None:
                raise ClosedError("another process may own the account")

            t.entry.sending._check_ownership = not_ours
            with pytest.raises(ClosedError):
                await t.buy("a")
            assert t.sent == []
            assert t.reserved() == 0

    run_virtual(main())


def test_an_account_that_halts_while_an_order_is_on_its_way_to_the_write_sends_nothing() -> None:
    async def main() -> None:
        async with trading(store=SlowStore(delay_s=0.3)) as t:
            placing = asyncio.create_task(outcome_of(t.buy("a")))
            await asyncio.sleep(0.2)
            assert t.at("a") == "sending, active"
            t.entry.account.halt("invariant")
            assert await placing == "HaltedError"
            assert t.sent == []
            assert t.reserved() == 0

    run_virtual(main())


# Limits of ours


def test_orders_placed_at_once_are_counted_before_any_of_them_has_left() -> None:
    async def main() -> None:
        async with trading(orders={"orders_per_minute": 3}, store=SlowStore()) as t:
            placing = [t.buy(f"i{number}", quantity="0.0005") for number in range(10)]
            found = await asyncio.gather(*placing, return_exceptions=True)
            denied = [each for each in found if isinstance(each, OrderRuleError)]
            assert len(denied) == 7
            assert {each.verdict.code for each in denied} == {"too_many_orders"}
            assert len(t.sent) == 3
            await asyncio.sleep(61)
            assert (await t.buy("later", quantity="0.0005")).state == "open"

    run_virtual(main())


def test_an_order_that_never_left_does_not_use_up_the_limit() -> None:
    async def main() -> None:
        async with trading(orders={"orders_per_minute": 1}, contact="rest") as t:
            t.client.outcomes.add("never_sent")
            with pytest.raises(VenueUnreachableError):
                await t.buy("a", quantity="0.001")
            assert (await t.buy("b", quantity="0.001")).state == "open"

    run_virtual(main())


@pytest.mark.parametrize("validity_s", [3, 5, 60])
def test_every_validity_that_may_be_set_lets_orders_through(validity_s: float) -> None:
    async def main() -> None:
        async with trading(orders={"validity_s": validity_s}, contact="rest", store=SlowStore()) as t:
            assert (await t.buy("a")).state == "open"

    run_virtual(main())


def test_a_validity_in_which_nothing_could_be_sent_cannot_be_set() -> None:
    """Kraken takes a deadline two seconds ahead, and making an intent durable takes time too."""
    with pytest.raises(ConfigError, match="validity_s"):
        load_config(
            {
                "brokers": {
                    "kraken-master": {"venue": "kraken", "environment": "production", "orders": {"validity_s": 2}}
                }
            }
        )


def test_an_order_that_comes_to_the_write_too_late_is_not_sent() -> None:
    """The venue would take no request so close to the end of its validity."""

    async def main() -> None:
        async with trading(contact="rest") as t:
            async with t.client._lane.turn(priority=Priority.CANCEL):
                placing = asyncio.create_task(t.buy("a"))
                await asyncio.sleep(6)
            with pytest.raises(DeniedError, match="too late"):
                await placing
            assert t.sent == []
            assert t.reserved() == 0
            assert (await t.broker.order("a")).state == "never_sent"

    run_virtual(main())
