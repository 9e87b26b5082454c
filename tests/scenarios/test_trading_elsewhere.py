"""What trading at the other venues has shown: orders of which a row is lost, copies of requests, reserves of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from holdfast.config import OrderSettings
from holdfast.core.orders import OrderState
from holdfast.core.verdicts import TradingState, VerdictCode
from holdfast.errors import HaltedError
from holdfast.testing import run_virtual
from tests.scenarios.trading import FUNDS, judge_of
from tests.scenarios.venues import played_at
from tests.scenarios.world import World, world

_FUNDS = {asset: amount for asset, amount in FUNDS.items() if asset != "KFEE"}


def played(venue: str, play: Callable[[World], Awaitable[None]], **settings: Any) -> None:
    # Over REST, where requests can be copied on their way.
    configured: dict[str, object] = {"orders": OrderSettings(prefer="rest")}

    async def main() -> None:
        async with world(
            seed=1, keeps_store=True, points=(), settings=settings, configured=configured, funds=_FUNDS
        ) as w:
            judge = judge_of(w, {})
            w.on_event = judge.on_event
            await w.converged()
            judge.watch(w.broker)
            await play(w)
            judge.unwatch(in_order=True)
            judge.judge_run()
            w.checker.check()

    with played_at(venue):
        run_virtual(main(), seed=1)


@pytest.mark.parametrize(("venue", "channel"), [("okx", "orders"), ("coinbase", "user")])
def test_an_order_that_was_taken_and_of_which_no_row_ever_came_is_looked_up(venue: str, channel: str) -> None:
    async def play(w: World) -> None:
        w.fault(kind="missing_event", channel=channel, count=20)
        order = await w.broker.place_limit_order("BTC-USD", "buy", "0.001", "60000", intent_id="unheard")
        assert order.state is OrderState.OPEN  # It was filled at once, and nobody said so.
        await asyncio.sleep(1.0)
        w.heal()
        await asyncio.sleep(9.0)
        assert (await w.broker.order("unheard")).state is OrderState.FILLED
        await asyncio.sleep(20.0)
        assert w.broker.reservations() == []

    played(venue, play)


def test_at_okx_an_order_that_ended_without_a_row_is_noticed_by_a_list_within_a_minute() -> None:
    """Its holds are pushed, so no read contradicts our record of orders; its rows have no numbers, so no gap shows."""

    async def play(w: World) -> None:
        order = await w.broker.place_limit_order("BTC-USD", "buy", "0.01", "30000", intent_id="rests")
        await asyncio.sleep(5.0)
        w.fault(kind="missing_event", channel="orders")
        w.happen(kind="venue_cancel", order=order.order_id)
        assert w.broker.open_orders()
        await asyncio.sleep(60.0)
        assert w.broker.open_orders() == []
        assert (await w.broker.order("rests")).state is OrderState.CANCELED

    played("okx", play)


def test_at_okx_two_orders_of_one_request_stop_approvals_and_both_are_counted() -> None:
    async def play(w: World) -> None:
        w.fault(kind="rest", name="POST trade/order", action={"do": "duplicate_request", "reply": "first"}, count=1)
        before = w.broker.balance("USD").total
        assert before is not None
        await w.broker.place_market_order("BTC-USD", "buy", quote_quantity="1000", intent_id="copied")
        await asyncio.sleep(1.0)
        assert [event.fields["invariant"] for _, event in w.events if event.name == "invariant.broken"] == ["I11"]
        status = w.broker.status()
        assert (status.trading_state, status.trading_reason) == (TradingState.HALTED, "invariant_I11")
        with pytest.raises(HaltedError):
            await w.broker.place_market_order("BTC-USD", "buy", quote_quantity="10")
        after = w.broker.balance("USD").total
        assert after is not None
        assert before - after == pytest.approx(Decimal(2000), abs=Decimal(1))
        assert len(w.record.sent) == 1
        await w.broker.set_trading_state("active", reason="seen")
        await w.broker.place_market_order("BTC-USD", "buy", quote_quantity="10")

    played("okx", play)


@pytest.mark.parametrize("reserve", ["base", "both"])
def test_at_okx_the_largest_affordable_market_buy_leaves_what_the_venue_reserves(reserve: str) -> None:
    async def play(w: World) -> None:
        wishes: tuple[dict[str, Any], ...] = ({"quantity": "9"}, {"quote_quantity": "900000"})
        for asked in wishes:
            verdict = await w.broker.verify_balance_before_order("BTC-EUR", "buy", **asked)
            assert verdict.code is VerdictCode.FUNDS_SHORT
            assert verdict.buffer_rate == Decimal("0.05")
            assert verdict.largest_affordable
            asked[next(iter(asked))] = str(verdict.largest_affordable)
            order = await w.broker.place_market_order("BTC-EUR", "buy", **asked)
            assert order.order_id is not None  # Taken.
            await asyncio.sleep(15.0)
            w.happen(kind="deposit", asset="EUR", amount="6000")
            await w.converged()

    played("okx", play, market_reserve=reserve)


def test_at_okx_a_fee_that_could_not_be_read_is_asked_for_again_in_seconds() -> None:
    """No instrument states a lowest tier there: until the account's own rate was read nothing can be approved."""

    async def play(w: World) -> None:
        w.fault(kind="rest", name="GET account/trade-fee", action={"do": "html_error", "status": 502})
        asked: dict[str, Any] = {"quantity": "0.1", "order_type": "limit", "price": "2000"}
        denied = await w.broker.verify_balance_before_order("ETH-USD", "buy", **asked)
        assert denied.code is VerdictCode.FEE_UNKNOWN
        w.heal()
        await asyncio.sleep(2.5)
        verdict = await w.broker.verify_balance_before_order("ETH-USD", "buy", **asked)
        assert (verdict.code, verdict.fee_source) == (VerdictCode.APPROVED, "account")

    played("okx", play)
