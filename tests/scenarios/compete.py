"""
[C1] Many tasks ask at one moment for money that is there once: exactly one of them may have it.

Nothing fails here; what is drawn is the order in which the tasks take their steps. Every round is judged by the same
judge as the trading scenarios, and the account has to be as before once the winner has let go.
"""

from __future__ import annotations

import asyncio
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from holdfast.core.amounts import format_amount
from holdfast.core.verdicts import VerdictCode
from holdfast.errors import DeniedError, FundsShortError
from tests.scenarios.trading_judge import TradingJudge
from tests.scenarios.world import World, world

__all__ = ["compete"]

_SYMBOL: Final = "BTC-USD"
_PRICE: Final = Decimal("30000.0")  # Far from the market: an order rests.
_WITH_FEE_AND_BUFFER: Final = Decimal("1.03")
_ORDERS_EVERY: Final = 50


async def compete(seed: int, *, rounds: int, tasks: int = 64) -> dict[str, Any]:
    """
    Let *tasks* compete *rounds* times; what came of it.

    Most rounds claim and release; one in fifty places real orders, of which the winner's is cancelled.
    """
    async with world(seed=seed, settings={"are_calls_counted": False}) as w:
        judge = _judge_of(w)
        w.on_event = judge.on_event
        await w.converged()
        judge.watch(w.broker)
        won: dict[int, int] = {}
        denied = 0
        for number in range(rounds):
            winners, losers = await (_place if number % _ORDERS_EVERY == 0 else _claim)(w, number, tasks)
            won[winners] = won.get(winners, 0) + 1
            denied += losers
            if winners != 1 or winners + losers != tasks:
                w.checker.violated("I1", f"round {number}: {winners} of {tasks} were approved, {losers} denied")
            judge.look()
            w.checker.check()
        judge.judge_run()
        return {
            "rounds": rounds,
            "tasks": tasks,
            "rounds_by_approved": {str(count): rounds_ for count, rounds_ in sorted(won.items())},
            "approved": sum(count * rounds_ for count, rounds_ in won.items()),
            "denied": denied,
            "orders_accepted": judge.figures.orders_accepted,
        }


def _judge_of(w: World) -> TradingJudge:
    return TradingJudge(
        venue=w.venue,
        record=w.record,
        clock=w.clock,
        assets=("USD", "BTC"),
        unnoticed_s=lambda: 2.5,
        floors={},
        budgets={},
        rest_lag_s=60.0,
        violated=w.checker.violated,
    )


def _quantity(w: World) -> str:
    """Somewhere between half of what is spendable and nearly all of it: there is room for one."""
    spendable = w.broker.balance("USD").spendable
    assert spendable is not None
    share = Decimal(f"{w.rng.uniform(0.51, 0.99):.4f}")
    quantity = spendable * share / _PRICE / _WITH_FEE_AND_BUFFER
    return format_amount(quantity.quantize(Decimal("0.00001"), rounding=ROUND_DOWN))


async def _claim(w: World, number: int, tasks: int) -> tuple[int, int]:
    quantity = _quantity(w)

    async def ask(index: int) -> bool:
        await _stagger(w)
        verdict = await w.broker.verify_balance_before_order(
            _SYMBOL,
            "buy",
            quantity,
            order_type="limit",
            price=_PRICE,
            intent_id=f"{number}-{index}",
            reserve=True,
        )
        if not verdict.is_reserved and verdict.code is not VerdictCode.FUNDS_SHORT:
            w.checker.violated("I1", f"round {number}: a loser was told {verdict.code}")
        return verdict.is_reserved

    results = await asyncio.gather(*(ask(index) for index in range(tasks)))
    for index, is_mine in enumerate(results):
        if is_mine:
            await w.broker.release_reservation(f"{number}-{index}")
    return sum(results), tasks - sum(results)


async def _place(w: World, number: int, tasks: int) -> tuple[int, int]:
    quantity = _quantity(w)

    async def ask(index: int) -> bool:
        await _stagger(w)
        try:
            await w.broker.place_limit_order(_SYMBOL, "buy", quantity, _PRICE, intent_id=f"{number}-{index}")
        except DeniedError as denial:
            if not isinstance(denial, FundsShortError):
                w.checker.violated("I1", f"round {number}: a loser was told {denial!r}")
            return False
        return True

    results = await asyncio.gather(*(ask(index) for index in range(tasks)))
    for index, is_mine in enumerate(results):
        if is_mine:
            await w.broker.cancel_order(f"{number}-{index}")
            await w.broker.ended(f"{number}-{index}", timeout_s=30.0)
    # The venue's own figures have to show the money again: that is a read away.
    for _ in range(200):
        figure = w.broker.balance("USD")
        if figure.spendable == figure.total:
            break
        await asyncio.sleep(0.5)
    return sum(results), tasks - sum(results)


async def _stagger(w: World) -> None:
    """None, one or a few steps of the loop, or a moment of time: whoever comes first is drawn."""
    kind = w.rng.randrange(4)
    if kind == 0:
        return
    if kind == 3:
        await asyncio.sleep(w.rng.uniform(0.0, 0.01))
        return
    for _ in range(w.rng.randint(1, 5)):
        await asyncio.sleep(0)
