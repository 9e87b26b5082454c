"""The worlds in which rows happen: one that only reads, and one that trades; both judged all the time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from holdfast.config import OrderSettings
from holdfast.core.amounts import format_amount
from holdfast.errors import DeniedError, HoldfastError, OutcomeUnknownError
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.ledger import LedgerEntry
from holdfast.simulators.core.plans import Plan
from holdfast.simulators.kraken.plans import plan_of
from tests.crash.injections import BAD_READS
from tests.crash.misled import mislead
from tests.scenarios.families import live_on
from tests.scenarios.trading import FLOORS, FUNDS, Run, heal, judge_of
from tests.scenarios.world import TRADING_POINTS, World, world

__all__ = [
    "Traded",
    "act_out",
    "bad_answer",
    "calls",
    "drill",
    "endures",
    "expect",
    "reading",
    "said",
    "trade",
    "trading_bench",
    "verdict_code",
    "watch_ledger",
]


def expect(condition: object, text: object) -> None:
    """Raise ``AssertionError`` with *text* where *condition* does not hold; unlike ``assert``, in every mode."""
    if not condition:
        raise AssertionError(str(text))


def act_out(w: World, row: str, seed: int) -> Plan:
    """Let the plan of a row happen, its events at the account's truth included."""
    plan = plan_of(row, seed=seed)
    for command in plan.commands:
        if command.to == "faults":
            w.fault(**command.body)
        else:
            w.happen(**command.body)
    return plan


def said(w: World, name: str, *, since_s: float = 0.0, **fields: Any) -> list[dict[str, Any]]:
    """The events of a name that were told since then and have these fields."""
    return [
        event.fields
        for at_s, event in w.events
        if event.name == name and at_s >= since_s and all(event.fields.get(key) == each for key, each in fields.items())
    ]


def calls(w: World, *, since: int = 0, kinds: Sequence[str] = ("request",), **facts: Any) -> list[dict[str, Any]]:
    """What the venue's journal has of these kinds, with these facts."""
    found = w.front.journal.since(since, kinds=tuple(kinds))["entries"]
    return [each for each in found if all(each.get(name) == value for name, value in facts.items())]


def watch_ledger(w: World) -> None:
    """Let the world's judge know of every posting at the venue, not only of those that a scenario makes."""

    def posted(account: Account, entries: Sequence[LedgerEntry]) -> None:
        for row in dict.fromkeys(entry.row for entry in entries):
            asset = w.venue.asset_of(row)
            if "." not in asset:  # Locked rows change by events alone, and those note the truth.
                w.checker.note_total(asset, w.venue.total(asset))

    w.venue.watch(entries=posted)


def fired(w: World) -> int:
    """How many messages rules have hit so far."""
    return len(calls(w, kinds=("fault",)))


@contextlib.asynccontextmanager
async def reading(seed: int, **options: Any) -> AsyncIterator[World]:
    """A client that reads, its figures true."""
    async with world(seed=seed, **options) as w:
        await w.converged()
        yield w


async def endures(
    w: World, row: str, seed: int, *, for_s: float = 40.0, must_fire: bool = True, says: Sequence[str] = ()
) -> dict[str, Any]:
    """
    Let a row happen while the account lives on, end it, and wait until every figure is true again.

    The world's judge looks all the time. With *must_fire* some message has to have been hit; each event of *says* has
    to be told.
    """
    began_s, before = w.clock.now_s(), fired(w)
    plan = act_out(w, row, seed)
    end_s = w.clock.now_s() + for_s
    while w.clock.now_s() < end_s:
        await live_on(w, for_s=for_s / 8, every_s=3.0)
        # A quiet client whose stream lives asks for little: what is to be hit has to be asked for.
        await w.broker.refresh(timeout_s=5.0)
    hit = fired(w) - before
    are_rules = any(rule["kind"] in ("rest", "ws_in", "ws_out", "handshake", "streams") for rule in plan.faults)
    if must_fire and are_rules:
        expect(hit, f"no message was hit by {plan.faults}: the scenario proves nothing")
    for name in says:
        expect(said(w, name, since_s=began_s), f"{name} was not told; {plan.commands}")
    w.heal()
    healed_s = await w.converged()
    return {"healed_s": round(healed_s, 1), **({"messages_hit": hit} if hit else {})}


def bad_answer(row: str, seed: int) -> dict[str, Any]:
    """
    One bad answer of a row, by the seed, to one read of `BalanceEx`: refused and untouched, or exact.

    Raises:
        AssertionError: Something moved that must not, or nobody named it.
    """
    kinds = [each for each in BAD_READS if each.row == row and "memory" in each.fronts]
    found = mislead(kinds[seed % len(kinds)], seed=seed)
    expect(found.is_kept, f"{found.what}: {found.problem}")
    return {"bad_answers": 1}


async def verdict_code(w: World, side: str = "buy", *, symbol: str = "BTC-USD", quantity: str = "0.001") -> str:
    """How an order at the market would be judged now."""
    verdict = await w.broker.verify_balance_before_order(symbol, side, quantity=quantity, order_type="market")
    return verdict.code.value


# Trading


class Traded:
    """What a drill came to: ``told`` counts how placements ended, by the error's name, ``placed`` where by none."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.told: Counter[str] = Counter()
        self.denied: Counter[str] = Counter()
        self.intents: list[str] = []


@contextlib.asynccontextmanager
async def trading_bench(
    seed: int,
    *,
    prefer: str | None = None,
    settings: Mapping[str, Any] | None = None,
    configured: Mapping[str, object] | None = None,
    points: Sequence[str] = TRADING_POINTS,
    profile: str = "plain",
    funds: Mapping[str, str] = FUNDS,
) -> AsyncIterator[Run]:
    """A client that trades, its figures true, judged as the bots of the trading scenarios are."""
    draw = random.Random(f"row {seed}")
    asked: dict[str, Any] = {
        "rate_tier": "pro",
        "floors": {asset: format_amount(amount) for asset, amount in FLOORS.items()},
        "orders": OrderSettings(
            prefer=prefer or draw.choice(("stream", "rest")),  # type: ignore[arg-type]  # Either of its words.
            largest_order={"USD": "100000"},
        ),
        **(configured or {}),
    }
    async with world(
        seed=seed,
        keeps_store=True,
        profile=profile,
        points=points,
        settings={"tier": "pro", **(settings or {})},
        configured=asked,
        funds=funds,
    ) as w:
        judge = judge_of(w, {})
        run = Run(w, judge)
        w.on_event = judge.on_event
        await w.converged()
        run.watch()
        watcher = asyncio.create_task(run.sample(), name="sampler")
        try:
            yield run
            await heal(run)
            judge.judge_run()
            w.checker.check()
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)


async def trade(
    run: Run, *, orders: int, seed: int, symbol: str = "BTC-USD", wait: tuple[float, float] = (0.2, 2.5)
) -> Traded:
    """Place *orders* orders of several kinds and cancel some; every error but ours is a defect."""
    rng = random.Random(f"drill {seed}")
    traded, broker = Traded(run), run.w.broker
    for number in range(orders):
        intent = f"drill-{number}"
        traded.intents.append(intent)
        side = rng.choice(("buy", "sell"))
        quantity = f"{rng.randint(10, 80) / 10_000:.4f}"
        kind = rng.choice(("market", "rest", "cross", "rest"))
        mid = run.w.venue.mid(symbol)
        away = {"rest": Decimal("0.97"), "cross": Decimal("1.002"), "market": Decimal(1)}[kind]
        price = (mid * (away if side == "buy" else 2 - away)).quantize(Decimal("0.1"))
        try:
            if kind == "market":
                await broker.place_market_order(symbol, side, quantity, intent_id=intent)
            else:
                await broker.place_limit_order(symbol, side, quantity, format_amount(price), intent_id=intent)
            traded.told["placed"] += 1
        except HoldfastError as error:
            traded.told[type(error).__name__] += 1
            if isinstance(error, DeniedError):
                verdict = error.verdict
                traded.denied["?" if verdict is None else verdict.code.value] += 1
            if isinstance(error, OutcomeUnknownError) and rng.random() < 0.3:
                with contextlib.suppress(HoldfastError, TimeoutError):
                    await broker.resolution(intent, timeout_s=5.0)
        if rng.random() < 0.3:
            mine = [order for order in broker.open_orders() if order.intent_id is not None]
            if mine:
                with contextlib.suppress(HoldfastError):
                    await broker.cancel_order(rng.choice(mine))
        await asyncio.sleep(rng.uniform(*wait))
        run.look()
    return traded


async def drill(
    seed: int,
    row: str,
    *,
    orders: int = 8,
    then_s: float = 5.0,
    hits: bool = False,
    doubts: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """
    Let a row happen while orders are placed; then all heals, every doubt ends by evidence, and nothing is left over.

    With *hits* some message has to have been hit by a rule, with *doubts* some order has to have been in doubt.
    """
    async with trading_bench(seed, **options) as run:
        act_out(run.w, row, seed)
        run.judge.happened()
        traded = await trade(run, orders=orders, seed=seed)
        await asyncio.sleep(then_s)
        run.look()
        figures = run.judge.figures
        expect(figures.approved, f"nothing was approved: {traded.told}, {traded.denied}")
        expect(not hits or fired(run.w), f"no message was hit: {traded.told}")
    if doubts:
        expect(figures.doubts, f"no order was in doubt: {traded.told}")
    return counted(run)


def counted(run: Run) -> dict[str, Any]:
    """What a run of orders came to."""
    figures = run.judge.figures
    return {
        "orders_sent": figures.orders_sent,
        "orders_accepted": figures.orders_accepted,
        "doubts": figures.doubts,
        "doubts_found": figures.doubts_found,
        "doubts_absent": figures.doubts_absent,
    }
