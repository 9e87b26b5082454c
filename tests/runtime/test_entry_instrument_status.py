"""A pair that takes no orders is denied by us, and a halted broker can still be used for what it may do."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.core.verdicts import VerdictCode
from holdfast.errors import MaintenanceError
from holdfast.testing import run_virtual
from tests.scenarios.world import World, world


async def _code(w: World, side: str = "buy") -> VerdictCode:
    verdict = await w.broker.verify_balance_before_order(
        "ETH-USD", side, "0.01", order_type="limit", price="2000.0" if side == "buy" else "3000.0"
    )
    return verdict.code


def test_a_pair_that_closes_is_denied_within_a_minute() -> None:
    async def main() -> None:
        async with world(seed=1) as w:
            await w.broker.ready()
            assert await _code(w) is VerdictCode.APPROVED
            w.happen(kind="pair_status", pair="ETH-USD", status="cancel_only")
            await asyncio.sleep(61.0)
            assert await _code(w) is VerdictCode.INSTRUMENT_CLOSED
            w.happen(kind="pair_status", pair="ETH-USD", status="online")
            await asyncio.sleep(61.0)
            assert await _code(w) is VerdictCode.APPROVED

    run_virtual(main(), seed=1)


def test_a_refusal_for_the_pairs_status_is_believed_at_once_and_says_that_the_money_is_free() -> None:
    async def main() -> None:
        async with world(seed=1) as w:
            await w.broker.ready()
            assert await _code(w) is VerdictCode.APPROVED
            w.happen(kind="pair_status", pair="ETH-USD", status="cancel_only")
            with pytest.raises(MaintenanceError, match="nothing was placed, and what was claimed for it is released"):
                await w.broker.place_limit_order("ETH-USD", "buy", "0.01", "2000.0")
            assert w.broker.reservations() == []
            assert await _code(w) is VerdictCode.INSTRUMENT_CLOSED

    run_virtual(main(), seed=1)


def test_a_bot_that_restarts_under_a_halt_comes_as_far_as_cancelling() -> None:
    async def main() -> None:
        async with world(seed=1, keeps_store=True) as w:
            await w.broker.ready()
            await w.broker.place_limit_order("ETH-USD", "buy", "0.01", "2000.0", intent_id="resting")
            await w.broker.set_trading_state("halted", reason="a person looks")
            await w.close()
            await w.open()

            await w.broker.ready()
            assert not w.broker.is_available()
            await w.broker.cancel_order("resting")
            assert (await w.broker.ended("resting", timeout_s=10)).is_ended

    run_virtual(main(), seed=1)
