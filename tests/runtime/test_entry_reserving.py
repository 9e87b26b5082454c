"""Claims as a bot holds them: made once, given back once, and never given back under an order that may be there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.core.venue import VenueMode, VenueStatus
from holdfast.errors import (
    FundsShortError,
    OrderInputError,
    OutcomeUnknownError,
    ReservationStateError,
    UnknownReservationError,
    VenueRejectedError,
)
from holdfast.testing import run_virtual
from tests.runtime.entry_rig import D, SlowStore, Trade, outcome_of, trading

LIMIT: dict[str, Any] = {"order_type": "limit", "price": "40000"}


async def verdict_of(t: Trade, quantity: str = "0.01", **more: Any) -> Any:
    return await t.broker.verify_balance_before_order("BTC-USD", "buy", quantity, **LIMIT, **more)


# The context


def test_an_order_is_placed_on_the_claim_of_its_context_and_keeps_it() -> None:
    async def main() -> None:
        async with trading() as t:
            verdict = await verdict_of(t)
            assert t.reserved() == 0
            async with t.broker.reserve(verdict, intent_id="a") as reservation:
                assert (reservation.intent_id, reservation.asset, reservation.amount) == ("a", "USD", D("409.6"))
                assert t.reserved() == D("409.6")
                assert t.at("a") == "-, active"
                order = await t.broker.place_limit_order("BTC-USD", "buy", "0.01", "40000", reservation=reservation)
            assert (order.intent_id, order.state) == ("a", "open")
            assert t.at("a") == "open, active"
            assert len(t.sent) == 1

    run_virtual(main())


def test_a_cancellation_inside_a_claim_is_not_turned_into_an_error_of_ours() -> None:
    # A bot that catches HoldfastError around its work would live on after it was cancelled, as one did in a simulated
    # crash (seed 656 of the trading scenarios).
    async def main() -> None:
        async with trading() as t:
            verdict = await verdict_of(t)

            async def bot() -> None:
                async with t.broker.reserve(verdict, intent_id="a"):
                    await asyncio.sleep(60)

            task = asyncio.create_task(bot())
            await asyncio.sleep(1)
            t.broker._guard.close()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelled()

    run_virtual(main())


def test_a_claim_no_order_was_placed_on_is_given_back_at_the_end_of_its_context() -> None:
    async def main() -> None:
        async with trading() as t:
            async with t.broker.reserve(await verdict_of(t), intent_id="a"):
                pass
            assert t.reserved() == 0
            assert (await t.broker.reservation("a")).state == "released"

    run_virtual(main())


def test_an_exception_before_an_order_gives_the_claim_back() -> None:
    async def main() -> None:
        async with trading() as t:
            with pytest.raises(ZeroDivisionError):
                async with t.broker.reserve(await verdict_of(t), intent_id="a"):
                    raise ZeroDivisionError
            assert t.reserved() == 0

    run_virtual(main())


@pytest.mark.parametrize("outcome", ["ack", "lost", "lost_before"])
def test_an_exception_after_an_order_may_have_left_gives_nothing_back(outcome: str) -> None:
    async def main() -> None:
        async with trading() as t:
            t.orders.listeners.clear()
            t.stream.outcomes.add(outcome)
            verdict = await verdict_of(t)

            async def bot() -> None:
                async with t.broker.reserve(verdict, intent_id="a") as reservation:
                    await t.broker.place_limit_order("BTC-USD", "buy", "0.01", "40000", reservation=reservation)
                    raise ZeroDivisionError

            with pytest.raises((ZeroDivisionError, OutcomeUnknownError)):
                await bot()
            assert t.reserved() >= D("401.6")
            assert t.at("a") in ("open, active", "in_doubt, in_doubt")

    run_virtual(main())


def test_an_exception_after_a_rejection_finds_the_claim_released() -> None:
    async def main() -> None:
        async with trading() as t:
            t.stream.outcomes.add("reject")
            with pytest.raises(VenueRejectedError):
                async with t.broker.reserve(await verdict_of(t), intent_id="a") as reservation:
                    await t.broker.place_limit_order("BTC-USD", "buy", "0.01", "40000", reservation=reservation)
            assert t.reserved() == 0

    run_virtual(main())


def test_entering_judges_again_and_may_deny() -> None:
    async def main() -> None:
        async with trading() as t:
            first, second = await verdict_of(t, "0.02"), await verdict_of(t, "0.02")
            assert first.is_approved
            assert second.is_approved
            async with t.broker.reserve(first):
                with pytest.raises(FundsShortError) as caught:
                    async with t.broker.reserve(second):
                        raise AssertionError("never entered")
                assert caught.value.verdict.code == "funds_short"
                assert len(t.broker.reservations()) == 1
            assert t.reserved() == 0

    run_virtual(main())


def test_a_denied_verdict_may_be_reserved_once_there_is_money() -> None:
    async def main() -> None:
        async with trading() as t:
            denied = await verdict_of(t, "0.03")
            assert not denied.is_approved
            t.stream.move("USD", "1000")
            await t.broker.refresh()
            async with t.broker.reserve(denied) as reservation:
                assert reservation.amount == D("1228.8")

    run_virtual(main())


def test_a_post_only_order_is_reserved_where_only_such_are_taken() -> None:
    async def main() -> None:
        async with trading() as t:
            t.entry.account.venue_changed(VenueStatus(mode=VenueMode.POST_ONLY, as_of_s=t.clock.now_s()))
            verdict = await verdict_of(t, post_only=True)
            assert verdict.is_approved
            async with t.broker.reserve(verdict) as reservation:
                order = await t.broker.place_limit_order(
                    "BTC-USD", "buy", "0.01", "40000", post_only=True, reservation=reservation
                )
            assert order.state == "open"

    run_virtual(main())


def test_a_reservation_is_entered_once() -> None:
    async def main() -> None:
        async with trading() as t:
            reservation = t.broker.reserve(await verdict_of(t))
            async with reservation:
                pass
            with pytest.raises(ReservationStateError):
                async with reservation:
                    raise AssertionError("never entered")
            assert t.reserved() == 0

    run_virtual(main())


def test_a_verdict_about_an_amount_reserves_nothing() -> None:
    async def main() -> None:
        async with trading() as t:
            with pytest.raises(OrderInputError, match="about an amount"):
                async with t.broker.reserve(t.broker.verify_balance("USD", "1")):
                    raise AssertionError("never entered")

    run_virtual(main())


# Check and claim in one step


def test_a_verdict_that_reserves_is_placed_or_released() -> None:
    async def main() -> None:
        async with trading() as t:
            one = await verdict_of(t, intent_id="a", reserve=True)
            two = await verdict_of(t, intent_id="b", reserve=True)
            assert one.is_reserved
            assert two.is_reserved
            assert t.reserved() == D("819.2")
            await t.buy("a", reservation=one)
            await t.broker.release_reservation("b")
            assert t.reserved() == D("1.6")

    run_virtual(main())


def test_a_claim_is_durable_when_it_is_told() -> None:
    async def main() -> None:
        async with trading(store=SlowStore(delay_s=0.5)) as t:
            began_s = t.clock.now_s()
            verdict = await verdict_of(t, intent_id="a", reserve=True)
            assert verdict.is_reserved
            assert t.clock.now_s() - began_s >= 0.5
            row = await t.store.intent("a")
            assert row is not None
            assert not row.is_ended
            assert '"reservation":"active"' in row.record

    run_virtual(main())


def test_a_verdict_without_a_claim_is_no_reservation() -> None:
    async def main() -> None:
        async with trading() as t:
            verdict = await verdict_of(t)
            with pytest.raises(ReservationStateError, match="nothing is claimed"):
                await t.broker.place_limit_order("BTC-USD", "buy", "0.01", "40000", reservation=verdict)
            with pytest.raises(ReservationStateError, match="nothing is claimed"):
                await t.broker.place_limit_order(
                    "BTC-USD", "buy", "0.01", "40000", reservation=t.broker.reserve(verdict)
                )
            denied = await verdict_of(t, "1", intent_id="a", reserve=True)
            with pytest.raises(ReservationStateError, match="nothing is claimed"):
                await t.broker.place_limit_order("BTC-USD", "buy", "1", "40000", reservation=denied)
            assert t.sent == []

    run_virtual(main())


def test_a_claim_is_for_one_order() -> None:
    async def main() -> None:
        async with trading() as t:
            verdict = await verdict_of(t, "0.005", intent_id="a", reserve=True)
            await t.buy("a", quantity="0.005", reservation=verdict)
            with pytest.raises(ReservationStateError, match="has an order already"):
                await t.buy("a", quantity="0.005", reservation=verdict)
            both = await verdict_of(t, "0.005", intent_id="b", reserve=True)
            found = await asyncio.gather(
                *(outcome_of(t.buy("b", quantity="0.005", reservation=both)) for _ in range(5))
            )
            assert sorted(found) == ["ReservationStateError"] * 4 + ["open"]
            assert len(t.orders.placed) == 2

    run_virtual(main())


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ({"symbol": "ETH-USD", "side": "buy", "quantity": "0.1", "price": "2500"}, ReservationStateError),
        ({"symbol": "BTC-USD", "side": "sell", "quantity": "0.01", "price": "40000"}, ReservationStateError),
        ({"symbol": "BTC-USD", "side": "buy", "quantity": "0.01", "price": "40000", "bot": "x"}, ReservationStateError),
        ({"symbol": "BTC-USD", "side": "buy", "quantity": "0.01", "price": "40000", "intent_id": "b"}, OrderInputError),
    ],
)
def test_an_order_of_another_kind_is_not_placed_on_a_claim_and_the_claim_stays(
    order: dict[str, Any], error: type[Exception]
) -> None:
    async def main() -> None:
        async with trading() as t:
            verdict = await verdict_of(t, intent_id="a", reserve=True)
            with pytest.raises(error):
                await t.broker.place_limit_order(**order, reservation=verdict)
            assert t.at("a") == "-, active"
            assert t.reserved() == D("409.6")
            assert t.sent == []

    run_virtual(main())


def test_an_order_larger_than_its_claim_is_judged_on_what_is_left_beside_it() -> None:
    async def main() -> None:
        async with trading() as t:
            verdict = await verdict_of(t, intent_id="a", reserve=True)
            other = await verdict_of(t, "0.01", intent_id="b", reserve=True)
            assert other.is_reserved
            with pytest.raises(FundsShortError):
                await t.buy("a", quantity="0.015", reservation=verdict)
            assert t.sent == []
            assert (await t.broker.reservation("a")).cause == "funds_short"
            await t.buy("b", quantity="0.012", reservation=other)
            assert t.stream.sent[0].quantity == D("0.012")

    run_virtual(main())


def test_an_order_smaller_than_its_claim_gives_the_rest_back() -> None:
    async def main() -> None:
        async with trading() as t:
            verdict = await verdict_of(t, "0.02", intent_id="a", reserve=True)
            await t.buy("a", quantity="0.005", reservation=verdict)
            assert t.reserved() == D("0.8")

    run_virtual(main())


# Its time


def test_a_claim_without_an_order_ends_by_itself() -> None:
    async def main() -> None:
        async with trading(orders={"unsent_ttl_s": 20}) as t:
            verdict = await verdict_of(t, intent_id="a", reserve=True)
            await asyncio.sleep(19)
            assert t.at("a") == "-, active"
            await asyncio.sleep(7)
            assert t.at("a") is None
            assert (await t.broker.reservation("a")).state == "expired"
            assert t.reserved() == 0
            with pytest.raises(UnknownReservationError, match="expired"):
                await t.buy("a", reservation=verdict)
            assert t.sent == []

    run_virtual(main())


def test_a_claim_may_be_given_another_time() -> None:
    async def main() -> None:
        async with trading() as t, t.broker.reserve(await verdict_of(t), intent_id="a", ttl_s=300):
            await asyncio.sleep(290)
            assert t.at("a") == "-, active"
            await asyncio.sleep(16)
            assert t.at("a") is None

    run_virtual(main())


def test_a_claim_does_not_outlive_its_time_because_the_wall_clock_was_set_back() -> None:
    async def main() -> None:
        async with trading() as t:
            await verdict_of(t, intent_id="a", reserve=True)
            t.clock.step_wall(-3600)
            await asyncio.sleep(40)
            assert t.at("a") is None

    run_virtual(main())


def test_a_claim_does_not_end_early_because_the_wall_clock_was_set_forward() -> None:
    async def main() -> None:
        async with trading() as t:
            await verdict_of(t, intent_id="a", reserve=True)
            t.clock.step_wall(3600)
            await asyncio.sleep(10)
            assert t.at("a") == "-, active"

    run_virtual(main())


# Giving back


def test_releasing_twice_releasing_what_never_was_and_releasing_under_an_order_are_told_apart() -> None:
    async def main() -> None:
        async with trading() as t:
            await verdict_of(t, "0.005", intent_id="a", reserve=True)
            view = await t.broker.release_reservation("a")
            assert view.state == "released"
            assert view.reserved == 0
            with pytest.raises(ReservationStateError, match="ended before: released") as twice:
                await t.broker.release_reservation("a")
            assert twice.value.state == "released"
            with pytest.raises(UnknownReservationError):
                await t.broker.release_reservation("never")
            await t.buy("b", quantity="0.005")
            with pytest.raises(ReservationStateError, match="is, or may be, at the venue"):
                await t.broker.release_reservation("b")
            with pytest.raises(ReservationStateError):
                await t.broker.release_reservation("b", force=True)
            assert t.reserved() == D("0.8")

    run_virtual(main())


def test_every_change_of_a_claim_is_explained_in_the_journal() -> None:
    async def main() -> None:
        async with trading() as t:
            verdict = await verdict_of(t, intent_id="a", reserve=True)
            await t.buy("a", reservation=verdict)
            t.orders.fill("O1")
            await asyncio.sleep(1)
            await verdict_of(t, intent_id="b", reserve=True)
            await t.broker.release_reservation("b")
            causes = [row.cause for row in await t.journal()]
            assert [cause.split('"cause":"')[1].split('"')[0] for cause in causes] == [
                "claimed",
                "submitted",
                "new",
                "trade",
                "filled",
                "reflected",
                "claimed",
                "released",
            ]
            assert all('"intent_id"' in cause for cause in causes)
            assert '"after":"consumed"' in causes[5]

    run_virtual(main())
