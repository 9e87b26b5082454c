"""Closing a position: all that can be sold, never more, never held up by what an exit does not need, and no dust."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.core.balances import Holding
from holdfast.errors import DeniedError, FundsShortError, HoldfastError
from holdfast.testing import FakeVenue, run_virtual
from tests.runtime.entry_rig import D, Trade, outcome_of, trading


def test_all_that_is_spendable_is_sold_at_the_market() -> None:
    async def main() -> None:
        async with trading(funds={"USD": ("1000", "0"), "BTC": ("0.123456789", "0")}) as t:
            order = (await t.broker.close_position("BTC-USD", intent_id="out")).order
            assert order is not None
            assert (order.side, order.order_type, order.state) == ("sell", "market", "filled")
            assert order.quantity == D("0.12345678")  # Down to the step: never more than there is.
            assert t.broker.balance("BTC").total == D("0.000000009")
            assert (await t.broker.close_position("BTC-USD")).order is None

    run_virtual(main())


def test_a_part_is_sold_where_a_part_is_asked_for() -> None:
    async def main() -> None:
        async with trading() as t:
            order = (await t.broker.close_position("BTC-USD", quantity="0.2")).order
            assert order is not None
            assert order.filled == D("0.2")

    run_virtual(main())


def test_no_more_than_there_is() -> None:
    async def main() -> None:
        async with trading() as t:
            with pytest.raises(FundsShortError):
                await t.broker.close_position("BTC-USD", quantity="0.50000001")
            assert t.sent == []

    run_virtual(main())


def test_what_resting_orders_hold_and_what_is_claimed_is_not_part_of_it() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.broker.place_limit_order("BTC-USD", "sell", "0.2", "50000", intent_id="a")
            await asyncio.sleep(70)  # Until then a little more is left for what the venue may hold beyond it.
            await t.broker.verify_balance_before_order("BTC-USD", "sell", "0.1", intent_id="b", reserve=True)
            order = (await t.broker.close_position("BTC-USD")).order
            assert order is not None
            assert order.filled == D("0.2")

    run_virtual(main())


def test_what_the_floor_keeps_is_kept() -> None:
    async def main() -> None:
        async with trading(floors={"BTC": "0.1"}) as t:
            order = (await t.broker.close_position("BTC-USD")).order
            assert order is not None
            assert order.filled == D("0.4")

    run_virtual(main())


@pytest.mark.parametrize(
    "held", ["0", "0.00009999", "0.00001"], ids=["nothing", "below the least quantity", "far below it"]
)
def test_dust_is_left_alone(held: str) -> None:
    async def main() -> None:
        async with trading(funds={"USD": ("1000", "0"), "BTC": (held, "0")}) as t:
            assert (await t.broker.close_position("BTC-USD")).order is None
            assert t.sent == []

    run_virtual(main())


def test_what_is_worth_less_than_the_least_cost_is_dust() -> None:
    async def main() -> None:
        async with trading(funds={"USD": ("1000", "0"), "BTC": ("0.0002", "0")}) as t:
            rules = t.orders.instruments["BTC-USD"]
            t.orders.instruments["BTC-USD"] = msgspec.structs.replace(rules, cost_min=D("10"))
            assert (await t.broker.close_position("BTC-USD")).order is None
            t.orders.prices["BTC-USD"] = ("60000.0", "60000.1")
            await asyncio.sleep(6)
            order = (await t.broker.close_position("BTC-USD")).order
            assert order is not None
            assert order.state == "filled"

    run_virtual(main())


def test_a_price_that_is_old_makes_nothing_dust() -> None:
    """It fell, and rose again: the venue is asked, and says no itself where it has to."""

    async def main() -> None:
        async with trading(funds={"USD": ("1000", "0"), "BTC": ("0.0002", "0")}) as t:
            rules = t.orders.instruments["BTC-USD"]
            t.orders.instruments["BTC-USD"] = msgspec.structs.replace(rules, cost_min=D("10"))
            assert (await t.broker.close_position("BTC-USD")).order is None
            t.client.failing["tickers"] = t.venue.lost("tickers", "acme-master")
            await asyncio.sleep(600)
            order = (await t.broker.close_position("BTC-USD")).order
            assert order is not None

    run_virtual(main())


@pytest.mark.parametrize("step", ["0.5", "0.25", "10", "1"])
def test_a_step_that_is_no_power_of_ten_is_kept_to(step: str) -> None:
    async def main() -> None:
        async with trading(funds={"USD": ("1000", "0"), "SOL": ("33.3", "0")}) as t:
            rules = t.orders.instruments["SOL-USD"]
            t.orders.instruments["SOL-USD"] = msgspec.structs.replace(rules, quantity_step=D(step))
            order = (await t.broker.close_position("SOL-USD")).order
            assert order is not None
            assert order.quantity == D(33.3 // float(step)) * D(step)

    run_virtual(main())


# What does not stop it


def test_neither_a_stale_figure_nor_reducing_nor_a_missing_price_stops_it() -> None:
    async def main() -> None:
        async with trading(contact="rest") as t:
            await t.broker.set_trading_state("reducing", reason="over for today")
            for read in ("BalanceEx", "Balance", "tickers", "fee_rates"):
                t.client.failing[read] = t.venue.lost(read, "acme-master")
            await asyncio.sleep(120)
            assert t.state("BTC") == "stale"
            assert await outcome_of(t.buy("a")) == "HaltedError"
            order = (await t.broker.close_position("BTC-USD")).order
            assert order is not None
            assert order.quantity == D("0.5")

    run_virtual(main())


def test_a_figure_without_its_available_is_sold_less_what_is_claimed_of_it() -> None:
    """The last confirmed quantity is what there is in all, where nobody said how much of it is free."""

    async def main() -> None:
        venue = FakeVenue({"USD": ("1000", "0"), "BTC": ("0.5", "0")})
        async with trading(venue=venue, contact="rest", is_ready=False) as t:
            t.client.answers["BalanceEx"] = {
                "USD": Holding(asset="USD", total=D("1000")),
                "BTC": Holding(asset="BTC", total=D("0.5")),
            }
            await asyncio.sleep(20)
            assert t.broker.balance("BTC").total == D("0.5")
            assert t.broker.balance("BTC").spendable is None
            order = (await t.broker.close_position("BTC-USD")).order
            assert order is not None
            assert order.quantity == D("0.5")

    run_virtual(main())


@pytest.mark.parametrize("state", ["halted", "broken"])
def test_halted_stops_it(state: str) -> None:
    async def main() -> None:
        async with trading() as t:
            if state == "halted":
                await t.broker.set_trading_state("halted")
            else:
                t.entry.trading.broken("invariant_I9", t.entry.account.store)
            with pytest.raises(DeniedError) as caught:
                await t.broker.close_position("BTC-USD")
            assert caught.value.verdict.code == "halted"
            assert t.sent == []

    run_virtual(main())


def test_an_exit_is_remembered_and_repeated_like_any_order() -> None:
    async def main() -> None:
        async with trading() as t:
            t.orders.listeners.clear()
            t.stream.outcomes.add("lost_before")
            first = await _name(t, quantity="0.1", intent_id="out")
            assert first == "OutcomeUnknownError"
            assert t.reserved("BTC") == D("0.1")
            assert await _name(t, quantity="0.1", intent_id="out") == "IntentRepeatedError"
            # What is in doubt is not sold a second time.
            order = (await t.broker.close_position("BTC-USD")).order
            assert order is not None
            assert order.quantity == D("0.4")

    run_virtual(main())


async def _name(t: Trade, **close: Any) -> str:
    try:
        await t.broker.close_position("BTC-USD", **close)
    except HoldfastError as error:
        return type(error).__name__
    return "done"
