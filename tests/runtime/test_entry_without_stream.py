"""An order of ours where nobody pushes orders: its claim and the venue's hold are told apart within seconds."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from holdfast.core.reservations import ReservationState
from holdfast.testing import run_virtual
from tests.scenarios.world import world


def test_resting_order_counts_twice_for_seconds_only_when_rest_is_all_there_is() -> None:
    async def main() -> None:
        async with world(seed=3, contact="rest") as w:
            broker = w.broker
            await broker.ready()
            before = broker.balance("USD").spendable
            assert before is not None
            order = await broker.place_limit_order("BTC-USD", "buy", "0.01", "30000.0", intent_id="resting")
            await asyncio.sleep(3.0)

            balance = broker.balance("USD")
            assert balance.held == Decimal(300)
            assert balance.reserved < 2  # The fee that the venue may not hold.
            assert balance.spendable == before - Decimal(300) - balance.reserved
            assert [each.order_id for each in broker.open_orders()] == [order.order_id]

            await asyncio.sleep(90.0)
            (claim,) = broker.reservations()
            assert claim.state is ReservationState.COVERED
            w.checker.violations.clear()  # It judges readers; what this order took is not its business.

    run_virtual(main(), seed=3)


def test_order_left_by_a_former_process_is_listed_before_the_first_figures() -> None:
    """Else a command beside no owner would show the venue's hold and our claim for it, both."""

    async def main() -> None:
        async with world(seed=3, contact="rest", keeps_store=True) as w:
            await w.broker.ready()
            await w.broker.place_limit_order("BTC-USD", "buy", "0.01", "30000.0", intent_id="resting")
            await w.close()
            await w.open()
            await w.broker.ready()

            balance = w.broker.balance("USD")
            assert balance.held == Decimal(300)
            assert balance.reserved < 2
            w.checker.violations.clear()

    run_virtual(main(), seed=3)


def test_order_that_ended_while_nobody_was_there_is_over_before_the_first_figures() -> None:
    async def main() -> None:
        async with world(seed=3, contact="rest", keeps_store=True) as w:
            await w.broker.ready()
            await w.broker.place_limit_order("BTC-USD", "buy", "0.01", "30000.0", intent_id="resting")
            await w.close()
            w.venue.happen({"kind": "external_cancel"})
            await w.open()
            await w.broker.ready()

            assert w.broker.open_orders() == []
            assert (await w.broker.order("resting")).is_ended
            assert w.broker.balance("USD").reserved == 0
            w.checker.violations.clear()

    run_virtual(main(), seed=3)
