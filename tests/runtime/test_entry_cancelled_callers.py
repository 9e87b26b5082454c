"""
A caller that is cancelled, at whatever moment: what was not sent is given back, what may have left goes on without it.

Virtual time makes every moment reachable: each story is told once for every moment in which something may have changed,
and cancelled there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from holdfast.errors import HoldfastError, OutcomeUnknownError
from holdfast.testing import run_virtual
from holdfast.testing.orders import Outcomes
from tests.runtime.entry_rig import D, SlowStore, Trade, trading

Work = Callable[[Trade], Coroutine[Any, Any, Any]]


async def _market(t: Trade) -> None:
    await t.broker.place_market_order("BTC-USD", "buy", "0.005", intent_id="a")


async def _limit(t: Trade) -> None:
    await t.buy("a")


async def _reserved(t: Trade) -> None:
    verdict = await t.broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="100")
    async with t.broker.reserve(verdict, intent_id="a") as reservation:
        await t.broker.place_market_order("BTC-USD", "buy", quote_quantity="100", reservation=reservation)


async def _verified(t: Trade) -> None:
    await t.broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="100", intent_id="a", reserve=True)


async def _closed(t: Trade) -> None:
    await t.broker.close_position("BTC-USD", quantity="0.1", intent_id="a")


async def _cancelled(t: Trade) -> None:
    order = await t.buy("a")
    await t.broker.cancel_order(order)


async def _resolved(t: Trade) -> None:
    (t.stream if t.stream.can_send_orders else t.client).outcomes.add("lost_before")
    try:
        await t.buy("a")
    except OutcomeUnknownError:
        await t.broker.resolution("a")


STORIES: dict[str, Work] = {
    "market": _market,
    "limit": _limit,
    "reserved": _reserved,
    "verified": _verified,
    "closed": _closed,
    "cancelled": _cancelled,
    "resolved": _resolved,
}


MOMENTS = (0.0, *(0.005 + 0.01 * number for number in range(20)), 0.3, 0.7, 3.0, 5.01, 5.2, 6.0, 8.0, 11.0, 20.0)
"""Seconds after which a caller is cancelled: every latency in here is a multiple of 10 ms."""


def cancelled_after(work: Work, seconds: float, *, contact: str) -> bool:
    """Tell a story whose task is cancelled after so many seconds; whether it was still running then."""

    async def main() -> bool:
        async with trading(store=SlowStore(), contact=contact) as t:  # type: ignore[arg-type]
            task = asyncio.create_task(work(t))
            await asyncio.sleep(seconds)
            was_running = not task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(200)
            # Everything that was claimed came to its end, but for what rests at the venue; nothing was sent twice.
            resting = {order.client_order_id for order in t.orders.open.values()}
            assert {each.client_order_id for each in t.broker.reservations()} <= resting
            assert len(t.sent) <= 1
            assert len(t.orders.placed) <= 1
            assert t.reserved() == (D("1.6") if resting else 0)
            assert t.reserved("BTC") == 0
            assert t.broker.status().in_doubt == 0
            # Locks are free: another order goes through.
            t.stream.outcomes, t.client.outcomes = Outcomes(), Outcomes()
            assert (await t.broker.place_market_order("BTC-USD", "sell", "0.01")).state in ("open", "filled")
            return was_running

    return run_virtual(main())


@pytest.mark.parametrize("contact", ["stream", "rest"])
@pytest.mark.parametrize("story", STORIES)
def test_a_caller_cancelled_at_any_moment_leaves_nothing_claimed_and_nothing_half_sent(
    story: str, contact: str
) -> None:
    assert cancelled_after(STORIES[story], MOMENTS[0], contact=contact)
    for seconds in MOMENTS[1:]:
        if not cancelled_after(STORIES[story], seconds, contact=contact):
            return
    raise AssertionError("a story that does not end")


def test_an_order_that_was_sent_goes_on_without_its_caller() -> None:
    async def main() -> None:
        async with trading() as t:
            t.stream.latency_s = 1.0
            placing = asyncio.create_task(t.buy("a"))
            await asyncio.sleep(0.5)
            placing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await placing
            assert t.at("a") == "sending, active"
            await asyncio.sleep(1)
            assert t.at("a") == "open, active"

    run_virtual(main())


def test_an_order_whose_caller_left_before_the_claim_is_never_sent() -> None:
    async def main() -> None:
        async with trading() as t:
            t.client.latency_s = 1.0
            placing = asyncio.create_task(t.buy("a"))
            await asyncio.sleep(0.5)
            placing.cancel()
            await asyncio.sleep(10)
            assert t.sent == []
            assert t.broker.reservations() == []

    run_virtual(main())


def test_a_claim_whose_caller_left_before_it_was_durable_is_given_back_at_once() -> None:
    async def main() -> None:
        async with trading(store=SlowStore(delay_s=1.0)) as t:
            verdict = await t.broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="100")

            async def bot() -> None:
                async with t.broker.reserve(verdict, intent_id="a"):
                    raise AssertionError("never entered")

            entering = asyncio.create_task(bot())
            await asyncio.sleep(0.5)
            assert t.reserved() == D("102.4")
            entering.cancel()
            with pytest.raises(asyncio.CancelledError):
                await entering
            assert t.reserved() == 0

    run_virtual(main())


def test_a_timeout_of_the_caller_is_a_cancellation_like_any_other() -> None:
    async def main() -> None:
        async with trading() as t:
            t.orders.listeners.clear()
            t.stream.outcomes.add("lost_before")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await t.buy("a")
            assert t.at("a") == "sending, active"
            await asyncio.sleep(6)
            assert t.at("a") == "in_doubt, in_doubt"
            await asyncio.sleep(120)
            assert t.at("a") is None

    run_virtual(main())


@pytest.mark.parametrize("contact", ["stream", "rest"])
def test_a_desk_that_closes_under_an_order_says_so_and_leaves_it_in_doubt(contact: str) -> None:
    """Nobody cancelled the caller: it is told what is known, by a type it can catch."""

    async def main() -> None:
        caught: list[BaseException] = []

        async def bot(t: Trade) -> None:
            try:
                await t.buy("a")
            except BaseException as error:
                caught.append(error)
                raise

        store = SlowStore()
        async with trading(store=store, contact=contact) as t:  # type: ignore[arg-type]
            await t.broker.verify_balance_before_order("BTC-USD", "buy", "0.001", order_type="limit", price="40000")
            t.orders.listeners.clear()
            t.stream.latency_s = t.client.latency_s = 30.0
            running = asyncio.create_task(bot(t))
            await asyncio.sleep(0.5)
            assert len(t.sent) == 1
        await asyncio.gather(running, return_exceptions=True)
        assert [type(error) for error in caught] == [OutcomeUnknownError]
        store._reason = None
        row = await store.intent("a")
        assert row is not None
        assert '"order":"in_doubt"' in row.record

    run_virtual(main())


def test_a_desk_that_closes_before_an_order_left_says_that_nothing_was_sent() -> None:
    async def main() -> None:
        caught: list[BaseException] = []

        async def bot(t: Trade) -> None:
            try:
                await t.buy("a")
            except BaseException as error:
                caught.append(error)
                raise

        store = SlowStore()
        async with trading(store=store) as t:
            store.delay_s = 2.0
            running = asyncio.create_task(bot(t))
            await asyncio.sleep(0.2)
            assert t.at("a") == "sending, active"
        await asyncio.gather(running, return_exceptions=True)
        assert len(caught) == 1
        assert isinstance(caught[0], HoldfastError)
        assert "nothing was sent" in str(caught[0])
        assert t.venue.orders.placed == []

    run_virtual(main())


def test_a_desk_lets_what_is_under_way_come_to_an_end() -> None:
    async def main() -> None:
        async with trading(contact="rest") as t:
            running = asyncio.create_task(t.buy("a"))
            await asyncio.sleep(0.08)
            assert len(t.sent) == 1
        order = await running
        assert order.state == "open"

    run_virtual(main())
