"""A process that was paused has not read what was pushed meanwhile: nothing of before is judged on or sent."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import BalanceStaleError, DeniedError
from holdfast.testing import run_virtual
from tests.runtime.entry_rig import SlowStore, Trade, outcome_of, trading


def pause(t: Trade, seconds: float) -> None:
    """The process is stopped: every clock goes on, and nothing of ours runs; a stop is no suspend."""
    t.clock._offset_s += seconds


async def awake(t: Trade) -> None:
    """An order was judged lately."""
    await t.broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="10")
    await asyncio.sleep(1)


def test_orders_that_were_judged_before_a_pause_are_not_sent_after_it_however_many_there_are() -> None:
    async def main() -> None:
        async with trading(store=SlowStore(delay_s=0.3)) as t:
            await awake(t)
            placing = [asyncio.create_task(outcome_of(t.buy(f"i{number}", quantity="0.001"))) for number in range(4)]
            await asyncio.sleep(0.1)
            assert t.at("i3") == "sending, active"
            pause(t, 2.0)
            assert await asyncio.gather(*placing) == ["DeniedError"] * 4
            assert t.sent == []
            assert t.reserved() == 0

    run_virtual(main())


def test_an_exit_is_sent_after_a_short_pause() -> None:
    async def main() -> None:
        async with trading(store=SlowStore(delay_s=0.3)) as t:
            await awake(t)
            placing = asyncio.create_task(outcome_of(t.broker.place_market_order("BTC-USD", "sell", "0.1")))
            await asyncio.sleep(0.1)
            pause(t, 2.0)
            assert await placing == "filled"

    run_virtual(main())


@pytest.mark.parametrize("seconds", [3.5, 60.0])
def test_a_pause_longer_than_the_validity_sends_nothing_at_all(seconds: float) -> None:
    async def main() -> None:
        async with trading(store=SlowStore(delay_s=0.3)) as t:
            await awake(t)
            placing = [
                asyncio.create_task(outcome_of(t.buy("a", quantity="0.001"))),
                asyncio.create_task(outcome_of(t.broker.place_market_order("BTC-USD", "sell", "0.1"))),
            ]
            await asyncio.sleep(0.1)
            pause(t, seconds)
            assert await asyncio.gather(*placing) == ["DeniedError"] * 2
            assert t.sent == []

    run_virtual(main())


def test_nothing_is_approved_on_figures_of_before_a_pause() -> None:
    async def main() -> None:
        async with trading() as t:
            await awake(t)
            assert t.state() == "live"
            pause(t, 2.0)
            with pytest.raises(BalanceStaleError):
                await t.buy("a")
            assert t.reason() == "paused"
            (told,) = t.said("clock.jumped")
            assert (told["kind"], told["by_s"] >= 2.0) == ("paused", True)
            await asyncio.sleep(12)
            assert await outcome_of(t.buy("b")) == "open"

    run_virtual(main())


def test_an_order_judged_after_a_pause_is_not_held_against_it() -> None:
    async def main() -> None:
        async with trading() as t:
            await awake(t)
            pause(t, 2.0)
            assert await outcome_of(t.buy("a")) == "BalanceStaleError"
            await t.broker.refresh()
            assert await outcome_of(t.buy("b")) == "open"

    run_virtual(main())


def test_a_busy_moment_is_no_pause() -> None:
    async def main() -> None:
        async with trading(store=SlowStore(delay_s=0.3)) as t:
            await awake(t)
            placing = asyncio.create_task(outcome_of(t.buy("a")))
            await asyncio.sleep(0.1)
            pause(t, 0.8)
            assert await placing == "open"
            assert t.said("clock.jumped") == []

    run_virtual(main())


def test_the_first_order_after_a_machine_woke_is_not_judged_on_figures_of_before() -> None:
    async def main() -> None:
        async with trading() as t:
            t.client.latency_s = 1.0
            t.clock.suspend(3)
            with pytest.raises(BalanceStaleError):
                await t.broker.place_market_order("BTC-USD", "buy", quote_quantity="10")

    run_virtual(main())


def test_a_machine_that_slept_sends_nothing_that_was_judged_before() -> None:
    async def main() -> None:
        async with trading(store=SlowStore(delay_s=0.3)) as t:
            await awake(t)
            placing = asyncio.create_task(t.buy("a"))
            await asyncio.sleep(0.1)
            t.clock.suspend(600)
            with pytest.raises(DeniedError):
                await placing
            assert t.sent == []
            assert t.state() == "stale"

    run_virtual(main())
