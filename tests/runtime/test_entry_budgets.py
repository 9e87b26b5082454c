"""Budgets of bots and floors of assets: what each may claim, through orders, fills, other bots and restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import OrderRuleError
from holdfast.testing import FakeClock, FakeVenue, run_virtual
from holdfast.testing.parts import memory_parts
from tests.runtime.entry_rig import FUNDS, D, SlowStore, Trade, outcome_of, trading

BUDGETS: dict[str, Any] = {"budgets": {"grid": {"USD": "500"}, "trend": {"USD": "25 %"}}}


async def code(t: Trade, quantity: str, bot: str | None, **more: Any) -> str:
    verdict = await t.broker.verify_balance_before_order(
        "BTC-USD", "buy", quantity, order_type="limit", price="40000", bot=bot, **more
    )
    return verdict.code.value


def left(t: Trade, bot: str, asset: str = "USD") -> Any:
    return t.broker.budgets()[bot][asset]


def test_a_bot_spends_within_its_budget_and_not_beyond() -> None:
    async def main() -> None:
        async with trading(**BUDGETS) as t:
            assert left(t, "grid") == D("500")
            assert left(t, "trend") == D("250")
            assert await code(t, "0.012", "grid") == "approved"
            assert await code(t, "0.0123", "grid") == "budget_short"
            assert await code(t, "0.006", "trend") == "approved"
            assert await code(t, "0.0062", "trend") == "budget_short"
            with pytest.raises(OrderRuleError) as caught:
                await t.buy("a", quantity="0.0123", bot="grid")
            assert caught.value.verdict.budget_left == D("500")
            assert t.sent == []

    run_virtual(main())


def test_leaving_the_name_out_or_using_another_is_no_way_around_a_budget() -> None:
    async def main() -> None:
        async with trading(**BUDGETS) as t:
            assert await code(t, "0.001", None) == "budget_short"
            assert await code(t, "0.001", "somebody") == "budget_short"
            # Where nothing is shared out everybody may.
            assert await outcome_of(t.broker.place_market_order("BTC-USD", "sell", "0.1")) == "filled"

    run_virtual(main())


def test_what_is_claimed_rests_or_was_spent_counts_against_the_budget_once_each() -> None:
    async def main() -> None:
        async with trading(**BUDGETS) as t:
            verdict = await t.broker.verify_balance_before_order(
                "BTC-USD", "buy", "0.005", order_type="limit", price="40000", bot="grid", intent_id="a", reserve=True
            )
            assert left(t, "grid") == D("500") - D("204.8")
            await t.buy("a", quantity="0.005", bot="grid", reservation=verdict)
            assert left(t, "grid") == D("500") - D("200.8")
            t.orders.fill("O1")
            await asyncio.sleep(1)
            assert left(t, "grid") == D("500") - D("200.5")
            assert left(t, "trend") == D("250")

    run_virtual(main())


def test_an_order_on_a_claim_is_its_bots_without_being_told_so() -> None:
    async def main() -> None:
        async with trading(**BUDGETS) as t:
            verdict = await t.broker.verify_balance_before_order(
                "BTC-USD", "buy", "0.005", order_type="limit", price="40000", bot="grid", intent_id="a", reserve=True
            )
            order = await t.buy("a", quantity="0.005", reservation=verdict)
            assert order.bot == "grid"
            assert left(t, "grid") == D("500") - D("200.8")

    run_virtual(main())


def test_what_is_sold_again_may_be_spent_again() -> None:
    async def main() -> None:
        async with trading(budgets={"grid": {"USD": "500", "BTC": "1"}}) as t:
            await t.broker.place_market_order("BTC-USD", "buy", quote_quantity="400", bot="grid")
            assert left(t, "grid") == D("98.4")
            await t.broker.place_market_order("BTC-USD", "sell", "0.01", bot="grid")
            await asyncio.sleep(1)
            # 401.60 paid, 398.399… received for what was bought.
            assert left(t, "grid") == D("500") - (D("401.6") - D("399.999") * D("0.996"))

    run_virtual(main())


def test_a_cancelled_or_rejected_order_gives_its_budget_back() -> None:
    async def main() -> None:
        async with trading(**BUDGETS) as t:
            await t.buy("a", bot="grid")
            assert left(t, "grid") < D("100")
            await t.broker.cancel_order("a")
            assert left(t, "grid") == D("500")
            t.stream.outcomes.add("reject")
            assert await outcome_of(t.buy("b", bot="grid")) == "VenueRejectedError"
            assert left(t, "grid") == D("500")

    run_virtual(main())


def test_money_in_doubt_is_no_budget() -> None:
    async def main() -> None:
        async with trading(**BUDGETS) as t:
            t.stream.outcomes.add("lost_before")
            assert await outcome_of(t.buy("a", bot="grid")) == "OutcomeUnknownError"
            assert left(t, "grid") == D("500") - D("409.6")
            await t.broker.resolution("a", timeout_s=120)
            assert left(t, "grid") == D("500")

    run_virtual(main())


def test_two_bots_that_ask_at_once_do_not_spend_each_others_money() -> None:
    async def main() -> None:
        async with trading(store=SlowStore(), **BUDGETS) as t:
            asked = [t.buy(f"g{number}", quantity="0.006", bot="grid") for number in range(8)]
            asked += [t.buy(f"t{number}", quantity="0.006", bot="trend") for number in range(8)]
            found = await asyncio.gather(*(outcome_of(each) for each in asked))
            assert found.count("open") == 3
            assert [each.bot for each in t.broker.reservations()] == ["grid", "grid", "trend"]

    run_virtual(main())


def test_a_budget_is_no_more_than_there_is() -> None:
    async def main() -> None:
        async with trading(budgets={"grid": {"USD": "5000"}}) as t:
            assert await code(t, "0.02", "grid") == "approved"
            assert await code(t, "0.03", "grid") == "funds_short"

    run_virtual(main())


def test_a_share_of_an_account_that_is_not_known_is_nothing() -> None:
    async def main() -> None:
        async with trading(is_ready=False, contact="rest", **BUDGETS) as t:
            t.client.failing["BalanceEx"] = t.client.failing["Balance"] = t.venue.lost("BalanceEx", "acme-master")
            await asyncio.sleep(3)
            assert not left(t, "trend")
            assert await code(t, "0.001", "trend") == "balance_unknown"

    run_virtual(main())


def test_what_a_bot_has_spent_is_remembered_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock(asyncio.get_running_loop())
        venue = FakeVenue(dict(FUNDS))
        for life in range(2):
            parts = memory_parts(clock=clock, venue=venue, store_path=tmp_path / "store.db", seed=life)
            async with trading(parts=parts, venue=venue, clock=clock, **BUDGETS) as t:
                if life == 0:
                    await t.broker.place_market_order("BTC-USD", "buy", quote_quantity="200", bot="grid")
                    await t.buy("resting", quantity="0.005", bot="grid")
                assert left(t, "grid") == D("500") - D("200.8") - D("200.8")
                assert await code(t, "0.003", "grid") == "budget_short"

    run_virtual(main())


def test_a_floor_is_never_spent() -> None:
    async def main() -> None:
        async with trading(floors={"USD": "300", "BTC": "0.2"}) as t:
            assert t.spendable() == D("700")
            assert await code(t, "0.017", None) == "approved"
            assert await code(t, "0.0175", None) == "funds_short"
            assert await outcome_of(t.broker.place_market_order("BTC-USD", "sell", "0.31")) == "FundsShortError"
            assert await outcome_of(t.broker.place_market_order("BTC-USD", "sell", "0.3")) == "filled"
            assert t.spendable("BTC") == 0

    run_virtual(main())
