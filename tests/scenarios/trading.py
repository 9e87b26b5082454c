"""
Bots that trade while everything goes wrong, and the venue's word on what they were allowed.

[N1-N12, N16, H1-H10, W1-W8, W11, C3-C6, K7, V1-V8, V11] Several bots ask, claim, place and cancel over one account;
somebody else trades on it too, the market moves, wires and venue fail, the client ends in order or at once and comes
back. Then all heals: every doubt has to end by evidence, every figure has to be true, no claim may be left over.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

import msgspec

from holdfast import Broker
from holdfast.config import OrderSettings
from holdfast.core.amounts import format_amount
from holdfast.core.assets import split_symbol
from holdfast.core.orders import OrderState
from holdfast.core.verdicts import TradingState, Verdict
from holdfast.errors import HoldfastError, OutcomeUnknownError
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.ledger import LedgerEntry
from tests.scenarios.trading_faults import mending, order_fault, outside_event, venue_mode
from tests.scenarios.trading_judge import TradingJudge
from tests.scenarios.venues import play_now
from tests.scenarios.wires import WIRES
from tests.scenarios.world import TRADING_POINTS, World, world

__all__ = ["FLOORS", "FUNDS", "Run", "heal", "judge_of", "trading"]

ASSETS: Final = ("USD", "EUR", "BTC", "ETH", "SOL")
FLOORS: Final = {"USD": Decimal(500), "BTC": Decimal("0.02")}
FUNDS: Final = {"USD": "15000", "EUR": "6000", "BTC": "0.3", "ETH": "5", "SOL": "60", "KFEE": "900"}
_BUDGETS: Final = {"alpha": {"USD": "4000", "BTC": "25 %"}, "beta": {"USD": "40 %"}, "gamma": {"ETH": "1.5"}}
_BOTS: Final = ("alpha", "beta", "gamma", "delta")

# Price decimals, quantity decimals that bots use, and the least quantity.
_MARKETS: Final = {
    "BTC-USD": (1, 5, Decimal("0.0001")),
    "ETH-USD": (2, 4, Decimal("0.002")),
    "SOL-USD": (2, 3, Decimal("0.05")),
    "BTC-EUR": (1, 5, Decimal("0.0001")),
    "ETH-BTC": (5, 4, Decimal("0.002")),
}

_HEALED_WITHIN_S: Final = 90.0
_LOOKED_AT_AFTER_S: Final = 5


def _doubt_s(w: World) -> float:
    """A doubt ends by evidence of absence a validity, the venue's lag and a question or two after it began."""
    return w.play.adapter.facts.validity_s + w.play.rest_lag_s + 15.0


class Run:
    """One scenario: the world, its judge, and the bots in it."""

    def __init__(self, w: World, judge: TradingJudge) -> None:
        self.w = w
        self.judge = judge
        self.used: list[str] = []  # Intent ids that were given to a placement.
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.serial = 0
        self.halted_for_s = 0
        # Shares of orders that take little and some of what is spendable; the others take about all.
        self.appetite = w.rng.choice(((0.75, 0.17), (0.75, 0.17), (0.4, 0.4), (0.2, 0.3)))

    # The client's lives

    def watch(self) -> None:
        self.judge.watch(self.w.broker)

    async def close(self) -> None:
        self.judge.unwatch(in_order=True)
        await self.w.close()

    async def crash(self) -> None:
        """The process dies with its bots: nobody is told anything."""
        self.judge.unwatch(in_order=False)
        bots, self.tasks = list(self.tasks.values()), {}
        for bot in bots:
            bot.cancel()
        # Whatever a dying bot still tries to do meets a client without wires and disk, and is nobody's error.
        await asyncio.gather(self.w.crash(), *bots, return_exceptions=True)

    async def reopen(self) -> None:
        await self.w.open()
        self.watch()

    # Bots

    def start_bots(self) -> None:
        for name in _BOTS:
            if name not in self.tasks or self.tasks[name].done():
                self.tasks[name] = asyncio.create_task(_Bot(self, name).live(), name=f"bot {name}")

    async def stop_bots(self) -> None:
        tasks, self.tasks = self.tasks, {}
        for task in tasks.values():
            task.cancel()
        for result in await asyncio.gather(*tasks.values(), return_exceptions=True):
            self.judge_end(result)

    def judge_end(self, result: BaseException | None) -> None:
        """A bot may be cancelled, and end in nothing else."""
        if result is not None and not isinstance(result, asyncio.CancelledError):
            self.w.checker.violated("I12", f"a bot ended with {type(result).__name__}: {result}")

    # Looking

    async def sample(self) -> None:
        """Look twice a second; every other time, whether approvals are possible."""
        while True:
            await asyncio.sleep(0.5)
            self.look()
            await asyncio.sleep(0.5)
            self.look()
            if self.w.desk is not None:
                self.judge.sample(is_possible=self._is_possible())
                await self._resume()

    async def _resume(self) -> None:
        """A person looks at an order that the venue made of a copy of a request, and lets trading go on."""
        if self.w.broker.status().trading_state is not TradingState.HALTED or not self.judge.is_told_of_doubled:
            return
        self.halted_for_s += 1
        if self.halted_for_s >= _LOOKED_AT_AFTER_S:
            self.halted_for_s = 0
            with contextlib.suppress(HoldfastError):
                await self.w.broker.set_trading_state(TradingState.ACTIVE, reason="two orders of one request, seen")

    def look(self) -> None:
        self.judge.look()
        self.w.checker.check()

    def _is_possible(self) -> bool:
        broker = self.w.broker
        status = broker.status()
        is_fit = all(broker.balance(asset).is_fit_to_approve for asset in ("USD", "BTC"))
        return is_fit and status.is_available and status.trading_state is TradingState.ACTIVE


class _Bot:
    """One bot: it does something every other second, and takes every refusal as it comes."""

    def __init__(self, run: Run, name: str) -> None:
        run.serial += 1
        self.run = run
        self.name = name
        self.rng = random.Random(f"bot {run.w.seed} {name} {run.serial}")
        self.count = 0

    async def live(self) -> None:
        acts: tuple[tuple[Callable[[], Awaitable[object]], int], ...] = (
            (self.market, 5),
            (self.limit, 6),
            (self.verify_only, 3),
            (self.reserve_then_place, 3),
            (self.reserve_and_release, 2),
            (self.claim_and_fail, 1),
            (self.claim_and_forget, 1),
            (self.cancel_one, 4),
            (self.close_some, 1),
            (self.repeat, 1),
            (self.dry_run, 1),
        )
        names, weights = zip(*acts, strict=True)
        while True:
            await asyncio.sleep(self.rng.uniform(0.3, 3.0))
            (act,) = self.rng.choices(names, weights)
            if self.run.w.desk is None:
                continue
            patience_s = self.rng.uniform(0.0, 0.6) if self.rng.random() < 0.15 else None
            await self._do(act(), patience_s=patience_s)
            if self.run.w.desk is not None:
                self.run.look()

    async def _do(self, act: Coroutine[Any, Any, object], *, patience_s: float | None) -> None:
        """Let an act end as it does; a bot without patience cancels it wherever it is."""
        with contextlib.suppress(HoldfastError, _BotsOwnError, TimeoutError):
            async with asyncio.timeout(patience_s):
                await act

    @property
    def broker(self) -> Broker:
        """The living client's broker; a bot that wakes up between two lives has nothing to do."""
        if self.run.w.desk is None:
            raise _BotsOwnError
        return self.run.w.broker

    # What it asks for

    def _intent(self) -> str:
        self.count += 1
        return f"{self.name}-{self.run.serial}-{self.count}"

    def _share(self) -> Decimal:
        """How much of what is spendable: a little, some, or about all of it, as the run's appetite is."""
        little, some = self.run.appetite
        kind = self.rng.random()
        low, high = (0.01, 0.08) if kind < little else (0.1, 0.5) if kind < little + some else (0.85, 1.02)
        return Decimal(f"{self.rng.uniform(low, high):.3f}")

    def _wish(self) -> dict[str, Any] | None:
        """Symbol, side and amount of an order that is about affordable; None where there is nothing to spend."""
        symbol = self.rng.choice(tuple(_MARKETS))
        side = self.rng.choice(("buy", "sell"))
        _, decimals, least = _MARKETS[symbol]
        base, quote = split_symbol(symbol)
        spendable = self.broker.balance(quote if side == "buy" else base).spendable
        if not spendable:
            return None
        amount = spendable * self._share()
        if side == "buy":
            # What fee, buffer and estimate will be taken to add.
            quantity = amount / self.run.w.venue.mid(symbol) / Decimal("1.035")
        else:
            quantity = amount / Decimal("1.005")
        quantity = quantity.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_DOWN)
        return {"symbol": symbol, "side": side, "quantity": format_amount(max(quantity, least))}

    def _price(self, symbol: str, side: str) -> str:
        """A limit: near enough to be reached soon, far away, or beyond the market."""
        away = self.rng.choice((0.0005, 0.002, 0.01, 0.03, -0.003))
        mid = self.run.w.venue.mid(symbol)
        factor = 1 - away if side == "buy" else 1 + away
        price = (mid * Decimal(f"{factor:.5f}")).quantize(Decimal(1).scaleb(-_MARKETS[symbol][0]))
        return format_amount(price)

    def _limit_terms(self, wish: dict[str, Any]) -> dict[str, Any]:
        terms: dict[str, Any] = {**wish, "price": self._price(wish["symbol"], wish["side"])}
        kind = self.rng.random()
        if kind < 0.15:
            terms["post_only"] = True
        elif kind < 0.35:
            terms["time_in_force"] = self.rng.choice(("ioc", "fok"))
        return terms

    async def _place(self, **more: Any) -> None:
        wish = self._wish()
        if wish is None:
            return
        intent = self._intent()
        self.run.used.append(intent)
        broker = self.broker
        try:
            if self.rng.random() < 0.5:
                if wish["side"] == "buy" and self.rng.random() < 0.4:
                    cost = Decimal(wish.pop("quantity")) * self.run.w.venue.mid(wish["symbol"])
                    quote_decimals = 5 if wish["symbol"].endswith("-BTC") else 2
                    wish["quote_quantity"] = format_amount(cost.quantize(Decimal(1).scaleb(-quote_decimals)))
                await broker.place_market_order(**wish, intent_id=intent, bot=self.name, **more)
            else:
                await broker.place_limit_order(**self._limit_terms(wish), intent_id=intent, bot=self.name, **more)
        except OutcomeUnknownError:
            if self.rng.random() < 0.5:
                await broker.resolution(intent, timeout_s=self.rng.uniform(1.0, 40.0))

    # What it does

    async def market(self) -> None:
        wish = self._wish()
        if wish is not None:
            intent = self._intent()
            self.run.used.append(intent)
            await self.broker.place_market_order(**wish, intent_id=intent, bot=self.name)

    async def limit(self) -> None:
        await self._place()

    async def _verdict(self, **more: Any) -> Verdict | None:
        wish = self._wish()
        if wish is None:
            return None
        if self.rng.random() < 0.5:
            wish |= {"order_type": "limit", "price": self._price(wish["symbol"], wish["side"])}
        return await self.broker.verify_balance_before_order(**wish, bot=self.name, **more)

    async def verify_only(self) -> None:
        await self._verdict()

    async def reserve_then_place(self) -> None:
        verdict = await self._verdict()
        if verdict is None or not verdict.is_approved:
            return
        broker = self.broker
        async with broker.reserve(verdict, intent_id=self._intent()) as reservation:
            if self.rng.random() < 0.5:
                await asyncio.sleep(self.rng.uniform(0.0, 2.0))
            assert verdict.symbol is not None
            assert verdict.side is not None
            asked: dict[str, Any] = {
                "symbol": verdict.symbol,
                "side": verdict.side.value,
                "quantity": verdict.quantity,
            }
            if verdict.order_type == "limit":
                await broker.place_limit_order(**asked, price=verdict.price, reservation=reservation)
            else:
                await broker.place_market_order(**asked, reservation=reservation)

    async def reserve_and_release(self) -> None:
        verdict = await self._verdict()
        if verdict is not None and verdict.is_approved:
            async with self.broker.reserve(verdict, intent_id=self._intent()):
                await asyncio.sleep(self.rng.uniform(0.0, 3.0))

    async def claim_and_fail(self) -> None:
        verdict = await self._verdict()
        if verdict is not None and verdict.is_approved:
            async with self.broker.reserve(verdict):
                raise _BotsOwnError

    async def claim_and_forget(self) -> None:
        verdict = await self._verdict(intent_id=self._intent(), reserve=True)
        if verdict is not None and verdict.is_reserved and self.rng.random() < 0.5:
            assert verdict.intent_id is not None
            await asyncio.sleep(self.rng.uniform(0.0, 5.0))
            await self.broker.release_reservation(verdict.intent_id)

    async def cancel_one(self) -> None:
        broker = self.broker
        mine = [order for order in broker.open_orders() if order.intent_id is not None]
        if mine and self.rng.random() < 0.95:
            await broker.cancel_order(self.rng.choice(mine))
        elif self.rng.random() < 0.1:
            await broker.cancel_all_orders(self.rng.choice((None, "BTC-USD")))

    async def close_some(self) -> None:
        symbol = self.rng.choice(("ETH-USD", "SOL-USD"))
        least = _MARKETS[symbol][2]
        quantity = None if self.rng.random() < 0.1 else format_amount(least * self.rng.randint(1, 20))
        await self.broker.close_position(symbol, quantity=quantity, bot=self.name)

    async def repeat(self) -> None:
        if self.run.used:
            wish = self._wish()
            if wish is not None:
                await self.broker.place_market_order(**wish, intent_id=self.rng.choice(self.run.used))

    async def dry_run(self) -> None:
        await self._place(validate=True)


class _BotsOwnError(Exception):
    """What a bot's own code may raise inside a claim."""


# The run


async def trading(seed: int, keeps_digest: bool) -> dict[str, Any]:
    """Bots, faults, others and restarts for a minute or two; then everything heals and has to converge."""
    draw = random.Random(f"trading {seed}")
    # The venue's tier, and the one that the client was told: the same, or a stricter one.
    budgets = _BUDGETS if draw.random() < 0.5 else {}
    tiers = draw.choice((("pro", "pro"), ("pro", "starter"), ("intermediate", "intermediate")))
    settings: dict[str, Any] = {"tier": tiers[0], **_venue_settings(draw)}
    configured: dict[str, object] = {"rate_tier": tiers[1], **_configured(draw, budgets)}
    funds, points = FUNDS, TRADING_POINTS
    play = play_now()
    if play.id != "kraken":
        known = ("market_step_s", "liquidity", "resting_fill_parts", "clock_skew_s")
        settings = {name: settings[name] for name in known}
        del configured["rate_tier"]
        funds, points = {asset: amount for asset, amount in FUNDS.items() if asset != "KFEE"}, play.drawn_points
    async with world(
        seed=seed,
        keeps_store=True,
        keeps_digest=keeps_digest,
        points=points,
        settings=settings,
        configured=configured,
        funds=funds,
    ) as w:
        judge = judge_of(w, budgets)
        run = Run(w, judge)
        w.on_event = judge.on_event
        await w.converged()
        run.watch()
        watcher = asyncio.create_task(run.sample(), name="sampler")
        try:
            if draw.random() < 0.4:
                await _others_take(run, draw)
            await _trouble(run)
            healed_s = await heal(run)
            judge.judge_run()
            w.checker.check()
        finally:
            watcher.cancel()
            await run.stop_bots()
            await asyncio.gather(watcher, return_exceptions=True)
        if watcher.done() and not watcher.cancelled() and watcher.exception() is not None:
            raise watcher.exception()  # type: ignore[misc]  # Not None: looked at right before.
        return {
            "converged_s": round(healed_s, 3),
            "trading": msgspec.to_builtins(judge.figures),
            "digest": w.digest() if keeps_digest else None,
        }


def _venue_settings(draw: random.Random) -> dict[str, Any]:
    return {
        "market_step_s": draw.choice((0.0, 0.5, 2.0)),
        "liquidity": Decimal(draw.choice(("1", "0.25"))),
        "resting_fill_parts": draw.choice((1, 1, 3)),
        "are_fees_paid_in_credits": draw.random() < 0.2,
        "maker_rebate_percent": Decimal(draw.choice(("0", "0", "0.02"))),
        "clock_skew_s": draw.choice((0.0, 0.0, 1.5, -1.5)),
    }


def _configured(draw: random.Random, budgets: dict[str, dict[str, str]]) -> dict[str, object]:
    return {
        "floors": {asset: format_amount(amount) for asset, amount in FLOORS.items()},
        "budgets": budgets,
        "orders": OrderSettings(
            prefer=draw.choice(("stream", "stream", "rest")),
            dead_man_s=draw.choice((0, 0, 0, 60 if play_now().adapter.facts.dead_man_s else 0)),
            largest_order={"USD": "100000"},
        ),
    }


def judge_of(w: World, budgets: Mapping[str, Mapping[str, str]]) -> TradingJudge:
    def unnoticed_s() -> float:
        is_pushed = w.desk is not None and w.broker.status().stream.state == "live"
        return (w.play.noticed_s if is_pushed else 90.0) + w.checker.hidden_s()

    def posted(account: Account, entries: Sequence[LedgerEntry]) -> None:
        for row in dict.fromkeys(entry.row for entry in entries):
            asset = w.venue.asset_of(row)
            if "." not in asset and "@" not in row:  # Locked rows change by events alone, and those note the truth.
                w.checker.note_total(asset, w.venue.total(asset))

    w.venue.watch(entries=posted)
    return TradingJudge(
        venue=w.venue,
        record=w.record,
        clock=w.clock,
        assets=ASSETS,
        unnoticed_s=unnoticed_s,
        floors=FLOORS,
        budgets={
            bot: {asset: Decimal(text) for asset, text in own.items() if "%" not in text}
            for bot, own in budgets.items()
        },
        rest_lag_s=w.play.rest_lag_s,
        violated=w.checker.violated,
        wire=WIRES.get(w.play.id),
    )


async def _others_take(run: Run, draw: random.Random) -> None:
    """[V5] In quiet, others take what a bot has claimed: it is told within the bound, and again once it is back."""
    w = run.w
    verdict = await w.broker.verify_balance_before_order(
        "BTC-USD", "buy", quote_quantity="9000", order_type="market", intent_id="claimed early", reserve=True
    )
    if not verdict.is_reserved:
        return  # A price that was no longer fresh: nothing to take from.
    free = w.venue.free("USD")
    most = format_amount((free - 5000).quantize(Decimal(1)))
    most_btc = "0.6" if w.play.id == "kraken" else "0.5"  # The others' accounts begin with less.
    event = draw.choice(
        (
            {"kind": "withdrawal", "asset": "USD", "amount": most},
            {"kind": "external_order", "pair": "BTC-USD", "side": "buy", "quantity": most_btc, "price": "35000.0"},
            {"kind": "external_trade", "pair": "BTC-USD", "side": "buy", "quantity": "0.45"},
        )
    )
    w.happen(**event)
    run.judge.happened()
    await asyncio.sleep(draw.uniform(5.0, 9.0))
    run.look()
    w.happen(kind="external_cancel")
    if event["kind"] != "external_order":
        w.happen(kind="deposit", asset="USD", amount=most)
    run.judge.happened()
    await asyncio.sleep(5.0)
    run.look()
    with contextlib.suppress(HoldfastError):
        await w.broker.release_reservation("claimed early")


async def _trouble(run: Run) -> None:
    w, rng = run.w, run.w.rng
    end_s = w.clock.now_s() + rng.uniform(60.0, 110.0)
    restarts_s = sorted(rng.uniform(w.clock.now_s() + 10.0, end_s) for _ in range(rng.choice((0, 1, 1, 2))))
    run.start_bots()
    others = asyncio.create_task(_others(run), name="others")
    try:
        while w.clock.now_s() < end_s:
            for _ in range(rng.randint(1, 3)):
                w.fault(**order_fault(w))
            burst_end_s = w.clock.now_s() + rng.uniform(2.0, 14.0)
            while w.clock.now_s() < burst_end_s:
                await asyncio.sleep(rng.uniform(0.2, 2.0))
                if restarts_s and w.clock.now_s() >= restarts_s[0]:
                    restarts_s.pop(0)
                    await _restart(run)
            w.heal()
            await asyncio.sleep(rng.uniform(0.5, 8.0))
    finally:
        others.cancel()
        await asyncio.gather(others, return_exceptions=True)
    if others.done() and not others.cancelled() and others.exception() is not None:
        raise others.exception()  # type: ignore[misc]  # Not None: looked at right before.


async def _others(run: Run) -> None:
    """Somebody else on the account, the market, and the venue's own moods."""
    w, rng = run.w, run.w.rng
    while True:
        await asyncio.sleep(rng.uniform(0.5, 6.0))
        if rng.random() < 0.12:
            for event in venue_mode(w):
                w.happen(**event)
                run.judge.happened()
                await asyncio.sleep(rng.uniform(1.0, 6.0))
        else:
            with contextlib.suppress(ValueError):  # Not enough to trade with: then nothing happens.
                w.happen(**outside_event(w))
            run.judge.happened()


async def _restart(run: Run) -> None:
    rng = run.w.rng
    if rng.random() < 0.5:
        await run.close()
    else:
        await run.crash()
    await asyncio.sleep(rng.choice((0.0, 0.5, 3.0, 20.0)))
    await run.reopen()
    run.start_bots()


async def heal(run: Run) -> float:
    """Everything is well again: figures become true, doubts end, and once nothing is open nothing is claimed."""
    w = run.w
    w.heal()
    for event in mending(w, tuple(_MARKETS)):
        w.happen(**event)
    await run.stop_bots()
    healed_s = await _until(run, _all_true, within_s=_HEALED_WITHIN_S)
    await _until(run, _all_known, within_s=_HEALED_WITHIN_S + _doubt_s(w) - healed_s)
    for _ in range(3):
        with contextlib.suppress(HoldfastError):
            await w.broker.cancel_all_orders()
        if not any(order.intent_id for order in w.broker.open_orders()):
            break
        await asyncio.sleep(2.0)
    await _until(run, _all_over, within_s=_HEALED_WITHIN_S)
    return healed_s


async def _until(run: Run, what_is_wrong: Callable[[Run], object], *, within_s: float) -> float:
    w = run.w
    began_s = w.clock.now_s()
    within_s += w.broker.status().nonce.parked_for_s or 0.0
    while wrong := what_is_wrong(run):
        if w.clock.now_s() - began_s > within_s:
            w.checker.violated("I15", f"not converged after {within_s:.0f} s: {wrong}")
        run.look()
        await asyncio.sleep(0.5)
    return w.clock.now_s() - began_s


def _all_true(run: Run) -> object:
    return run.w.checker.differences()


def _all_known(run: Run) -> object:
    doubts = [order.intent_id for order in run.w.broker.open_orders() if order.state is OrderState.IN_DOUBT]
    return doubts or run.judge.leaks()


def _all_over(run: Run) -> object:
    claims = [f"{each.intent_id} {each.state} {each.reserved}" for each in run.w.broker.reservations()]
    return claims or run.w.checker.differences()
