"""Rows of the venue's own ways: modes, partial fills, lag, rounding, others on the account."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import format_amount
from holdfast.errors import DeniedError, HoldfastError
from tests.scenarios.rows.benches import (
    act_out,
    counted,
    drill,
    endures,
    expect,
    reading,
    said,
    trade,
    trading_bench,
    watch_ledger,
)
from tests.scenarios.rows.scenario import on_virtual_time
from tests.scenarios.trading import Run

__all__: list[str] = []

# What each mode lets through, by the venue's page: market orders, resting limit orders, post-only ones; cancels.
_MODES: Final[dict[str, tuple[bool, bool, bool, bool]]] = {
    "maintenance": (False, False, False, False),
    "cancel_only": (False, False, False, True),
    "post_only": (False, False, True, True),
    "limit_only": (False, True, True, True),
}


async def _resting(run: Run, intent: str, **more: Any) -> str | None:
    """Place a bid far below the market; why it was refused, None where it was taken."""
    price = format_amount((run.w.venue.mid("BTC-USD") * Decimal("0.9")).quantize(Decimal("0.1")))
    try:
        await run.w.broker.place_limit_order("BTC-USD", "buy", "0.001", price, intent_id=intent, **more)
    except HoldfastError as error:
        verdict = error.verdict if isinstance(error, DeniedError) else None
        return type(error).__name__ if verdict is None else str(verdict.code.value)
    return None


@on_virtual_time()
async def v1_modes_of_the_engine(seed: int) -> dict[str, Any]:
    """The whole engine goes into one mode after the other; each kind of order is tried, and a cancel."""
    mode = tuple(_MODES)[seed % len(_MODES)]
    async with trading_bench(seed) as run:
        w = run.w
        expect(await _resting(run, "before") is None, "an order before the mode was refused")
        w.happen(kind="mode", mode=mode)
        await w.sleep(3.0)
        sent = len(w.record.sent)
        refused: dict[str, str | None] = {"limit": await _resting(run, "limit")}
        refused["post_only"] = await _resting(run, "post_only", post_only=True)
        try:
            await w.broker.place_market_order("BTC-USD", "buy", "0.001", intent_id="market")
            refused["market"] = None
        except DeniedError as error:
            refused["market"] = str(error.verdict.code.value)
        allowed = dict(zip(("market", "limit", "post_only"), _MODES[mode], strict=False))
        for kind, is_taken in allowed.items():
            expect((refused[kind] is None) == is_taken, f"{kind} in {mode}: {refused[kind]}")
        expect(len(w.record.sent) - sent == sum(allowed.values()), "something was sent that the venue does not take")
        cancelled: str | None = None
        try:
            await w.broker.cancel_order("before")
        except HoldfastError as error:
            cancelled = type(error).__name__
        expect((cancelled is None) == _MODES[mode][3], f"a cancel in {mode}: {cancelled}")
        run.judge.happened()
    return {"mode": mode, "refused": {kind: code for kind, code in refused.items() if code}, **counted(run)}


@on_virtual_time(sampled=False)
async def v1_modes_while_orders_are_placed(seed: int) -> dict[str, Any]:
    """The engine or one market goes into a drawn mode while orders are placed, and comes back."""
    async with trading_bench(seed) as run:
        act_out(run.w, "V1", seed)
        run.judge.happened()
        await trade(run, orders=6, seed=seed)
    return counted(run)


@on_virtual_time(seeds=30)
async def v2_fills_in_parts_and_odd_fees(seed: int) -> dict[str, Any]:
    """Orders are filled in three parts; fees are taken in base, in credits, or paid to us."""
    async with trading_bench(seed, settings={"market_step_s": 0.5}) as run:
        act_out(run.w, "V2", seed)
        traded = await trade(run, orders=8, seed=seed)
        mid = run.w.venue.mid("BTC-USD")
        for factor in ("0.96", "1.04"):
            run.w.happen(
                kind="market_price",
                pair="BTC-USD",
                price=format_amount((mid * Decimal(factor)).quantize(Decimal("0.1"))),
            )
            run.judge.happened()
            await asyncio.sleep(8.0)
            run.look()
        expect(traded.told["placed"], f"nothing was placed: {traded.told}")
    return counted(run)


@on_virtual_time(seeds=30)
async def v3_errors_that_do_not_say(seed: int) -> dict[str, Any]:
    """Orders are answered with an error that proves nothing, before or after they were taken."""
    found = await drill(seed, "V3")
    # Where every order was taken all the same, its push may have said so before anybody doubted.
    expect(found["doubts"] or found["orders_accepted"] == found["orders_sent"], f"nothing was in doubt: {found}")
    return found


@on_virtual_time()
async def v4_filled_and_over_before_anybody_looks(seed: int) -> dict[str, Any]:
    """Orders are filled at once, and neither their answers nor any push tells of it."""
    async with trading_bench(seed) as run:
        act_out(run.w, "V4", seed)
        for number in range(2):
            with contextlib.suppress(HoldfastError):
                await run.w.broker.place_market_order("BTC-USD", "buy", "0.002", intent_id=f"market-{number}")
            run.look()
        await asyncio.sleep(20.0)
        run.look()
    found = counted(run)
    expect(found["doubts_found"] >= 1, f"no doubt was ended by finding the order: {found}")
    return found


@on_virtual_time(seeds=30)
async def v5_others_use_the_account(seed: int) -> dict[str, Any]:
    """Others withdraw, deposit, trade, stake and earn on the account."""
    async with reading(seed, points=()) as w:
        watch_ledger(w)
        began_s = w.clock.now_s()
        for extra in range(5):
            with contextlib.suppress(ValueError):  # Not enough left for it.
                act_out(w, "V5", seed + 1_000 * extra)
            await w.sleep(1.0, 8.0)
        w.heal()
        while differences := {asset: each for asset, each in w.checker.differences().items() if "." not in asset}:
            expect(w.clock.now_s() - began_s < 130.0, differences)
            await w.sleep(0.5)
        return {"changes_told": len(said(w, "balance.changed", since_s=began_s))}


@on_virtual_time()
async def v5_others_take_what_is_claimed(seed: int) -> dict[str, Any]:
    """Money is reserved, and others take it: told of within the bound, and again once it is back."""
    async with trading_bench(seed, points=()) as run:
        w = run.w
        began_s = w.clock.now_s()
        verdict = await w.broker.verify_balance_before_order(
            "BTC-USD", "buy", quote_quantity="9000", order_type="market", intent_id="claimed", reserve=True
        )
        expect(verdict.is_reserved, f"not reserved: {verdict.code}")
        most = format_amount((w.venue.free("USD") - w.rng.randint(4_000, 6_000)).quantize(Decimal(1)))
        w.happen(kind="withdrawal", asset="USD", amount=most)
        run.judge.happened()
        await w.sleep(6.0)
        run.look()
        expect(said(w, "reservations.uncovered", since_s=began_s, asset="USD"), "nobody was told")
        w.happen(kind="deposit", asset="USD", amount=most)
        run.judge.happened()
        await w.sleep(6.0)
        run.look()
        expect(said(w, "reservations.recovered", since_s=began_s, asset="USD"), "nobody was told that it is back")
        await w.broker.release_reservation("claimed")
    return counted(run)


@on_virtual_time(seeds=30)
async def v6_rest_lags_behind(seed: int) -> dict[str, Any]:
    """Balances, holds and lists of orders come from a replica that lags, while orders are placed."""
    return await drill(seed, "V6", orders=10)


@on_virtual_time(sampled=False)
async def v6_figures_of_a_lagging_venue(seed: int) -> dict[str, Any]:
    """The same while somebody else trades: no figure goes back."""
    async with reading(seed) as w:
        return await endures(w, "V6", seed, for_s=90.0, must_fire=False)


@on_virtual_time(seeds=30)
async def v7_holds_are_rounded_up(seed: int) -> dict[str, Any]:
    """Holds are rounded up, and an account spends all that is spendable, by bids that rest."""
    async with trading_bench(seed) as run:
        w = run.w
        act_out(w, "V7", seed)
        approved = 0
        for number in range(4):
            spendable = w.broker.balance("USD").spendable or Decimal(0)
            price = (w.venue.mid("BTC-USD") * Decimal("0.95")).quantize(Decimal("0.1"))
            share = Decimal("1.0") if number == 3 else Decimal("0.4")
            quantity = (spendable * share / price / Decimal("1.01")).quantize(Decimal("0.00001"))
            with contextlib.suppress(DeniedError):
                await w.broker.place_limit_order(
                    "BTC-USD", "buy", format_amount(quantity), format_amount(price), intent_id=f"all-{number}"
                )
                approved += 1
            await w.sleep(2.0)
            run.look()
        # That none of them was refused for funds is the judge's to say (P4).
        expect(approved, "nothing was approved")
    return {"approved": approved, **counted(run)}


@on_virtual_time(seeds=4, sampled=False)
async def v7_what_is_too_small_is_refused_here(seed: int) -> dict[str, Any]:
    """Orders below the minimum, off the tick and with too many decimals."""
    async with trading_bench(seed) as run:
        w = run.w
        codes = {}
        for name, quantity, price in (
            ("quantity_minimum", "0.00001", "30000.0"),
            ("price_step", "0.001", "30000.01"),
            ("quantity_step", "0.0010000001", "30000.0"),
        ):
            verdict = await w.broker.verify_balance_before_order(
                "BTC-USD", "buy", quantity=quantity, price=price, order_type="limit"
            )
            codes[name] = verdict.code.value
            expect(verdict.code.value == name, f"{name}: {verdict.code.value}")
        await w.broker.place_limit_order("BTC-USD", "buy", "0.001", "30000.0")
    return {"codes": len(codes), **counted(run)}


@on_virtual_time()
async def v8_one_client_order_id_twice(seed: int) -> dict[str, Any]:
    """Every order reaches the venue twice under one client order id, the second with a nonce of its own or not."""
    async with trading_bench(seed, prefer="rest") as run:
        act_out(run.w, "V8", seed)
        await trade(run, orders=8, seed=seed)
    return counted(run)


@on_virtual_time(seeds=8)
async def v8_the_same_intent_twice(seed: int) -> dict[str, Any]:
    """A bot places the same intent again, at once and after a restart."""
    async with trading_bench(seed) as run:
        w = run.w
        refused = []
        expect(await _resting(run, "one") is None, "the first was refused")
        refused.append(await _resting(run, "one"))
        run.judge.unwatch(in_order=True)
        await w.close()
        await w.open()
        run.watch()
        await w.converged()
        refused.append(await _resting(run, "one"))
        expect(refused == ["intent_repeated", "intent_repeated"] or refused == ["IntentRepeatedError"] * 2, refused)
    found = counted(run)
    expect(found["orders_sent"] == 1, f"one intent was sent {found['orders_sent']} times")
    return found


@on_virtual_time()
async def v9_an_instrument_is_delisted(seed: int) -> dict[str, Any]:
    """One instrument is delisted, or not open yet."""
    async with trading_bench(seed) as run:
        w = run.w
        plan = act_out(w, "V9", seed)
        run.judge.happened()
        await w.sleep(5.0)
        sent = len(w.record.sent)
        try:
            await w.broker.place_market_order("SOL-USD", "buy", "0.1")
            raise AssertionError(f"a closed instrument took an order: {plan.events}")
        except DeniedError as error:
            code = str(error.verdict.code.value)
        expect(len(w.record.sent) == sent, "something was sent")
        expect(code in ("instrument_closed", "instrument_unknown"), f"a delisted instrument is {code}")
        await trade(run, orders=3, seed=seed)
    return {"refused_as": code, **counted(run)}


@on_virtual_time(seeds=2)
async def v9_an_instrument_that_never_was(seed: int) -> dict[str, Any]:
    """An order for an instrument that the venue does not list."""
    async with reading(seed, points=()) as w:
        verdict = await w.broker.verify_balance_before_order("NOSUCH-USD", "buy", quantity="1", order_type="market")
        expect(verdict.code.value == "instrument_unknown", verdict.code.value)
        return {"refused_as": verdict.code.value}


@on_virtual_time()
async def v10_a_credit_line_appears(seed: int) -> dict[str, Any]:
    """The venue grants the account credit while it is used."""
    async with reading(seed, points=()) as w:
        before = w.broker.balance("USD")
        act_out(w, "V10", seed)
        await w.broker.refresh()
        await w.sleep(5.0)
        after = w.broker.balance("USD")
        free = w.venue.free("USD")
        expect(after.total == before.total, f"credit changed the total from {before.total} to {after.total}")
        expect(after.spendable is not None and after.spendable <= free, f"{after.spendable} of {free} are spendable")
        w.heal()
        return {"available": str(after.available), "spendable": str(after.spendable), "total": str(after.total)}


@on_virtual_time()
async def v11_the_venue_ends_orders(seed: int) -> dict[str, Any]:
    """The venue cancels or expires resting orders for a reason of its own."""
    async with trading_bench(seed) as run:
        w = run.w
        for number in range(3):
            expect(await _resting(run, f"rest-{number}") is None, "a bid was refused")
        await w.sleep(1.0)
        act_out(w, "V11", seed)
        run.judge.happened()
        await w.sleep(5.0)
        run.look()
        left = [each for each in w.broker.reservations() if not each.state.is_ended]
        expect(not left, f"still claimed: {left}")
        states = {(await w.broker.order(f"rest-{number}")).state.value for number in range(3)}
        expect(states <= {"canceled", "cancelled", "expired"}, f"orders that the venue ended are {states}")
    return {"states": sorted(states), **counted(run)}
