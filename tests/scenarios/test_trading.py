"""
Trading on virtual time: scenarios see a runtime that errs, a crash is one, and one of many gets the room.

A sample of the family itself is in ``test_scenarios``; the judge's own tests are in ``test_trading_judge``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.doubt import Doubt
from holdfast.core.ledger import Ledger
from holdfast.errors import HoldfastError
from holdfast.runtime.claims import Claims
from holdfast.runtime.sending import Sending
from holdfast.testing import run_virtual
from tests.scenarios.compete import compete
from tests.scenarios.runner import Result, run_one
from tests.scenarios.world import TRADING_POINTS, world
from tests.soak.trading import summed

SEEDS = 12


def release_doubts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Sending, "_lost", lambda self, name, cause, detail: self._never_sent(name, cause, detail))


def count_no_claim(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "set_reserved", lambda self, asset, amount: None)


def wait_for_no_lag(patch: pytest.MonkeyPatch) -> None:
    init = Doubt.__init__
    patch.setattr(Doubt, "__init__", lambda self, **facts: init(self, **{**facts, "lag_s": 0.0}))


def forget_at_restart(patch: pytest.MonkeyPatch) -> None:
    async def restore(self: Claims, bots: Any) -> None:
        await self.trading.restore(self.account.store)

    patch.setattr(Claims, "restore", restore)


def see_nothing_of_others(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Claims, "look_for_uncovered", lambda self: None)


def send_again(patch: pytest.MonkeyPatch) -> None:
    send = Sending._send

    async def twice(self: Sending, intent: Any, ticket: Any, *facts: Any, **more: Any) -> Any:
        try:
            return await send(self, intent, ticket, *facts, **more)
        except HoldfastError:
            with contextlib.suppress(HoldfastError):
                await self._client.place_order(ticket, deadline_s=5.0, before_send=lambda: None)
            raise

    patch.setattr(Sending, "_send", twice)


@pytest.mark.parametrize(
    ("err", "invariant"),
    [
        (count_no_claim, "I9"),
        (release_doubts, "I10"),
        (wait_for_no_lag, "I10"),
        (forget_at_restart, "I9"),
        (send_again, "I11"),
        (see_nothing_of_others, "V5"),
    ],
)
def test_runtime_that_errs_is_seen_within_a_few_seeds(
    err: Callable[[pytest.MonkeyPatch], None], invariant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    err(monkeypatch)
    failures = (run_one("trading", seed).failure or "" for seed in range(SEEDS))
    assert any(f"{invariant} at " in failure for failure in failures)


def test_one_of_sixty_four_tasks_gets_the_room() -> None:
    came = run_virtual(compete(0, rounds=20), seed=0)
    assert came["rounds_by_approved"] == {"1": 20}
    assert came["denied"] == 20 * 63
    assert came["orders_accepted"] == 1


def test_crash_sends_and_hears_nothing_more_and_what_had_left_arrives() -> None:
    async def main() -> None:
        async with world(seed=3, keeps_store=True, points=TRADING_POINTS) as w:
            await w.converged()
            w.fault(kind="ws_in", name="add_order", action={"do": "delay", "low_s": 0.2})
            sent = asyncio.Event()
            w.on_event = lambda event: sent.set() if event.name == "order.sent" else None
            order = asyncio.create_task(
                w.broker.place_limit_order("BTC-USD", "buy", "0.01", "30000", intent_id="left"), name="order"
            )
            await sent.wait()
            await asyncio.sleep(0.0)
            assert len(w.record.sent) == 1
            told = len(w.events)
            await asyncio.gather(w.crash(), _cancelled(order))
            await asyncio.sleep(2.0)
            assert len(w.events) == told
            (stated,) = w.venue.orders()["accounts"]["master"]["orders"]
            assert stated["client_order_id"] == w.record.sent[0].client_order_id
            await w.open()
            (claim,) = w.broker.reservations()
            assert claim.intent_id == "left"
            found = await w.broker.resolution("left", timeout_s=30.0)
            assert found.order_id == stated["order_id"]
            await w.converged()

    run_virtual(main(), seed=3)


async def _cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


def test_figures_of_many_runs_add_up_with_their_shares() -> None:
    def result(fitting: int, approved: int, missed: dict[str, int]) -> Result:
        trading = {"fitting": fitting, "fitting_approved": approved, "missed": missed, "seconds": 10}
        return Result(
            family="trading",
            seed=0,
            failure=None,
            took_s=1.0,
            cpu_s=0.5,
            converged_s=float(fitting),
            figures={"trading": trading},
        )

    figures = summed([result(10, 10, {}), result(30, 29, {"funds_short": 1})])
    assert figures["fitting_approved_share"] == 0.975
    assert figures["missed"] == {"funds_short": 1}
    assert figures["longest_healing_s"] == 30.0
    assert Decimal(str(figures["cpu_s"])) == Decimal("1.0")
