"""
Invariants that stay on in production: broken on purpose, each halts approvals, keeps cancels, and says so for good.

What breaks here is a book, a ledger or a rule of ours, replaced by a hostile one: no wire can do it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from holdfast.core.reservations import ReservationState
from holdfast.core.verdicts import Verdict, VerdictCode
from holdfast.errors import HaltedError, InvariantError
from holdfast.store.memory import MemoryStore
from holdfast.testing import run_virtual
from tests.runtime.entry_rig import D, Trade, outcome_of, trading


def _sums_drift(t: Trade) -> None:
    """I9: the sum is not that of the claims."""
    t.entry.claims.book._sums["USD"] = D("5")


def _a_claim_is_negative(t: Trade) -> None:
    """I9: a claim counts for less than nothing."""
    live = t.entry.claims.book._live
    name = next(iter(live))
    live[name] = msgspec.structs.replace(live[name], counted=D("-1"))


def _an_ended_claim_lives(t: Trade) -> None:
    """I9: a claim has two ends."""
    book = t.entry.claims.book
    book._ended[next(iter(book._live))] = ReservationState.RELEASED


def _a_rule_that_approves_anything(t: Trade) -> None:
    """I1: more is approved than there is."""
    judge = t.entry.judging.judge

    def approve(*facts: Any, **more: Any) -> Verdict:
        verdict = judge(*facts, **more)
        if verdict.code is not VerdictCode.FUNDS_SHORT:
            return verdict
        return msgspec.structs.replace(verdict, code=VerdictCode.APPROVED, spendable=D("1e9"))

    t.entry.judging.judge = approve  # type: ignore[method-assign]


def _a_rule_that_counts_in_floats(t: Trade) -> None:
    """I16: an amount that is no exact decimal."""
    judge = t.entry.judging.judge

    def inexact(*facts: Any, **more: Any) -> Verdict:
        return msgspec.structs.replace(judge(*facts, **more), fee=1.6)

    t.entry.judging.judge = inexact  # type: ignore[method-assign]


def _a_rule_that_knows_no_number(t: Trade) -> None:
    """I16: NaN."""
    judge = t.entry.judging.judge

    def unknown(*facts: Any, **more: Any) -> Verdict:
        return msgspec.structs.replace(judge(*facts, **more), buffer=Decimal("NaN"))

    t.entry.judging.judge = unknown  # type: ignore[method-assign]


BREAKS: dict[str, tuple[Callable[[Trade], None], str, str]] = {
    "sums": (_sums_drift, "I9", "0.001"),
    "negative": (_a_claim_is_negative, "I9", "0.001"),
    "two ends": (_an_ended_claim_lives, "I9", "0.001"),
    "overspent": (_a_rule_that_approves_anything, "I1", "10"),
    "float": (_a_rule_that_counts_in_floats, "I16", "0.001"),
    "NaN": (_a_rule_that_knows_no_number, "I16", "0.001"),
}


@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize("way", ["place", "reserve", "claimed"])
def test_a_broken_invariant_halts_approvals_keeps_cancels_and_is_told_and_kept(name: str, way: str) -> None:
    break_it, invariant, quantity = BREAKS[name]

    async def main() -> None:
        store = MemoryStore()
        async with trading(store=store) as t:
            await t.buy("resting", quantity="0.001")
            claim = await t.broker.verify_balance_before_order(
                "BTC-USD", "buy", "0.001", order_type="limit", price="40000", intent_id="claimed", reserve=True
            )
            sent = len(t.sent)
            break_it(t)
            work: Coroutine[Any, Any, Any]
            if way == "place":
                work = t.buy("a", quantity=quantity)
            elif way == "reserve":
                work = t.broker.verify_balance_before_order(
                    "BTC-USD", "buy", quantity, order_type="limit", price="40000", reserve=True
                )
            else:
                work = t.buy("claimed", quantity=quantity, reservation=claim)
            with pytest.raises(InvariantError, match=f"{invariant} does not hold"):
                await work
            assert len(t.sent) == sent
            status = t.broker.status()
            assert status.trading_state == "halted"
            assert status.trading_reason == f"invariant_{invariant}"
            assert not status.is_available
            (told,) = t.said("invariant.broken")
            assert told["invariant"] == invariant
            assert t.said("trading.changed")[0]["after"] == "halted"
            # No approvals, and cancels.
            assert await outcome_of(t.buy("b", quantity="0.001")) == "HaltedError"
            verdict = await t.broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="10")
            assert verdict.code == "halted"
            assert await outcome_of(t.broker.cancel_order("resting")) in ("canceled", "open")
            assert t.orders.open == {}
            # Durable.
            await asyncio.sleep(1)
            kept = await store.fact("trading")
            assert kept is not None
            assert f"invariant_{invariant}" in kept

    run_virtual(main())


def test_an_order_that_was_judged_before_an_invariant_broke_is_stopped_by_the_last_look() -> None:
    async def main() -> None:
        async with trading(contact="rest") as t:
            place = t.client.place_order

            async def slow(ticket: Any, **more: Any) -> Any:
                await asyncio.sleep(1)
                return await place(ticket, **more)

            t.client.place_order = slow  # type: ignore[method-assign]
            placing = asyncio.create_task(t.buy("a"))
            await asyncio.sleep(0.5)
            assert t.at("a") == "sending, active"
            t.entry.trading.broken("invariant_I9", t.entry.account.store)
            with pytest.raises(HaltedError):
                await placing
            assert t.sent == []
            assert t.reserved() == 0

    run_virtual(main())


def test_a_bug_in_what_is_made_of_a_row_halts_the_account_and_keeps_cancels() -> None:
    async def main() -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
        async with trading() as t:
            await t.buy("a")

            def bug(*_: object, **__: object) -> bool:
                raise LookupError("as arranged")

            t.entry.intents.changed = bug  # type: ignore[method-assign]
            t.orders.fill("O1", quantity=D("0.004"))
            assert t.broker.status().is_halted
            assert await outcome_of(t.buy("b", quantity="0.001")) == "HaltedError"
            assert t.reserved() > 0
            await t.broker.cancel_order("a")
            assert t.orders.open == {}
            assert [type(each) for each in reported] == [LookupError]

    run_virtual(main())


def test_sound_orders_break_nothing() -> None:
    async def main() -> None:
        async with trading() as t:
            for number in range(5):
                await t.buy(f"i{number}", quantity="0.004")
            for number in range(5):
                t.orders.fill(f"O{number + 1}") if number % 2 else await t.broker.cancel_order(f"i{number}")
            await t.broker.place_market_order("BTC-USD", "sell", "0.5")
            assert t.said("invariant.broken") == []
            assert t.broker.status().trading_state == "active"

    run_virtual(main())
