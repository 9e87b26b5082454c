"""
A process that dies at some moment, and what the next one makes of what was durable.

The death is a copy of the store's files at that moment: the first life goes on a little and is not heard any more, the
second begins with the copy, at the same venue.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast.testing import FakeClock, FakeVenue, run_virtual
from holdfast.testing.parts import memory_parts
from tests.runtime.entry_rig import FUNDS, D, Trade, outcome_of, trading


class Lives:
    """One account through several processes."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.settings = settings
        self.clock = FakeClock(asyncio.get_running_loop())
        self.venue = FakeVenue(dict(FUNDS))
        self.count = 0

    @asynccontextmanager
    async def live(self, **more: Any) -> AsyncIterator[Trade]:
        """The next process."""
        self.count += 1
        path = self.folder / f"{self.count}.db"
        self.venue.orders.listeners.clear()
        self.venue.orders.money_listeners.clear()
        parts = memory_parts(clock=self.clock, venue=self.venue, store_path=path, seed=self.count)
        async with trading(parts=parts, venue=self.venue, clock=self.clock, **{**self.settings, **more}) as t:
            yield t

    def die(self) -> None:
        """What the next process finds is what is durable now."""
        for file in self.folder.glob(f"{self.count}.db*"):
            shutil.copy(file, file.with_name(file.name.replace(f"{self.count}.db", f"{self.count + 1}.db")))


async def die_while_sending(lives: Lives, outcome: str, **order: Any) -> None:
    """Die with an order on its way, whose answer nobody hears."""
    async with lives.live() as t:
        lives.venue.orders.listeners.clear()
        lives.venue.orders.money_listeners.clear()
        t.stream.outcomes.add(outcome)
        placing = asyncio.create_task(t.buy("a", **order))
        await asyncio.sleep(0.3)
        assert t.at("a") == "sending, active"
        lives.die()
        placing.cancel()
        await asyncio.gather(placing, return_exceptions=True)


@pytest.mark.parametrize("outcome", ["lost", "lost_before"])
def test_an_order_that_was_being_sent_is_in_doubt_with_its_money_until_there_is_evidence(
    outcome: str, tmp_path: Path
) -> None:
    async def main() -> None:
        lives = Lives(tmp_path)
        await die_while_sending(lives, outcome)
        async with lives.live(is_ready=False) as t:
            assert t.at("a") == "in_doubt, in_doubt"
            assert t.reserved() == D("409.6")
            await t.broker.wait_until("live")
            order = await t.broker.resolution("a", timeout_s=120)
            assert order.state == ("open" if outcome == "lost" else "absent")
            assert t.sent == []
            assert len(lives.venue.orders.placed) == (1 if outcome == "lost" else 0)
            await asyncio.sleep(100)
            assert t.reserved() == (D("1.6") if outcome == "lost" else 0)

    run_virtual(main())


def test_an_order_that_was_being_sent_and_filled_is_found_and_its_money_counted_once(tmp_path: Path) -> None:
    async def main() -> None:
        lives = Lives(tmp_path)
        await die_while_sending(lives, "lost")
        lives.venue.orders.fill("O1")
        async with lives.live() as t:
            order = await t.broker.resolution("a", timeout_s=120)
            assert (order.state, order.filled, order.cost) == ("filled", D("0.01"), D("400"))
            assert t.spendable() <= D("599")
            await asyncio.sleep(100)
            assert t.reserved() == 0
            assert t.spendable() == D("599")
            assert (await t.broker.reservation("a")).state == "consumed"

    run_virtual(main())


def test_order_entry_opens_once_the_last_order_of_the_former_owner_can_no_longer_arrive(tmp_path: Path) -> None:
    async def main() -> None:
        lives = Lives(tmp_path)
        await die_while_sending(lives, "lost_before")
        began_s = lives.clock.now_s()
        async with lives.live() as t:
            verdict = await t.broker.verify_balance_before_order("BTC-USD", "buy", quote_quantity="10")
            assert verdict.code == "settling"
            # An order waits for it; nothing leaves before the validity of the other has passed.
            order = await t.buy("b", quantity="0.001")
            assert order.state == "open"
            assert t.clock.now_s() - began_s >= 4
            assert await outcome_of(t.buy("c", quantity="0.001")) == "open"

    run_virtual(main())


def test_cancels_do_not_wait_for_it(tmp_path: Path) -> None:
    async def main() -> None:
        lives = Lives(tmp_path)
        async with lives.live() as t:
            await t.buy("resting", quantity="0.001")
            lives.die()
        await die_while_sending(lives, "lost_before")
        began_s = lives.clock.now_s()
        async with lives.live() as t:
            await t.broker.cancel_order("resting")
            assert lives.clock.now_s() - began_s < 2
            assert lives.venue.orders.open == {}

    run_virtual(main())


def test_without_a_doubt_order_entry_is_open_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        lives = Lives(tmp_path)
        async with lives.live() as t:
            await t.buy("a", quantity="0.001")
            lives.die()
        async with lives.live() as t:
            began_s = t.clock.now_s()
            assert await outcome_of(t.buy("b", quantity="0.001")) == "open"
            assert t.clock.now_s() - began_s < 1

    run_virtual(main())


def test_an_open_order_goes_on_with_its_claim_and_what_filled_meanwhile_is_found(tmp_path: Path) -> None:
    async def main() -> None:
        lives = Lives(tmp_path)
        async with lives.live() as t:
            await t.buy("a")
            t.orders.fill("O1", quantity=D("0.002"))
            lives.die()
        lives.venue.orders.fill("O1", quantity=D("0.003"))
        async with lives.live() as t:
            order = await t.broker.order("a")
            assert (order.state, order.filled) == ("open", D("0.005"))
            assert t.at("a") in ("open, active", "open, covered")
            await asyncio.sleep(100)
            # 200 rest, with 0.80 of the worst fee; 200 and 0.50 are paid.
            assert t.reserved() == D("0.8")
            assert t.spendable() == D("1000") - D("200.5") - D("200.8")
            t.orders.fill("O1")
            await asyncio.sleep(100)
            assert t.reserved() == 0
            assert (await t.broker.order("a")).fees == {"USD": D("1.0")}

    run_virtual(main())


@pytest.mark.parametrize("contact", ["stream", "rest"])
def test_an_open_order_that_ended_meanwhile_is_found(contact: str, tmp_path: Path) -> None:
    async def main() -> None:
        lives = Lives(tmp_path)
        async with lives.live() as t:
            await t.buy("a")
            lives.die()
        lives.venue.orders.fill("O1", quantity=D("0.002"))
        lives.venue.orders.end("O1")
        async with lives.live(contact=contact) as t:
            order = await t.broker.ended("a", timeout_s=60)
            assert (order.state, order.filled) == ("canceled", D("0.002"))
            await asyncio.sleep(100)
            assert t.reserved() == 0
            assert t.spendable() == D("1000") - D("80.2")

    run_virtual(main())


def test_a_claim_nothing_was_sent_on_stays_for_what_is_left_of_its_time(tmp_path: Path) -> None:
    async def main() -> None:
        lives = Lives(tmp_path)
        async with lives.live() as t:
            await t.broker.verify_balance_before_order(
                "BTC-USD", "buy", quote_quantity="100", intent_id="a", reserve=True
            )
            lives.die()
        async with lives.live() as t:
            assert t.at("a") == "-, active"
            assert t.reserved() == D("102.4")
            await asyncio.sleep(36)
            assert t.at("a") is None
            assert (await t.broker.reservation("a")).state == "expired"

    run_virtual(main())


def test_what_ended_is_remembered_and_claims_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        lives = Lives(tmp_path)
        async with lives.live() as t:
            await t.broker.place_market_order("BTC-USD", "buy", quote_quantity="100", intent_id="a")
            lives.die()
        async with lives.live() as t:
            assert t.broker.reservations() == []
            assert (await t.broker.order("a")).state == "filled"
            assert [order.intent_id for order in await t.broker.orders()] == ["a"]
            assert (await t.broker.reservation("a")).state == "consumed"

    run_virtual(main())


def test_nothing_is_approved_on_figures_of_the_former_life(tmp_path: Path) -> None:
    async def main() -> None:
        lives = Lives(tmp_path)
        async with lives.live():
            lives.die()
        async with lives.live(is_ready=False) as t:
            assert t.broker.balance("USD").reason == "restored"
            assert t.broker.balance("USD").spendable == D("1000")
            assert t.broker.verify_balance("USD", "1").code == "balance_stale"
            await t.broker.wait_until("live")
            assert await outcome_of(t.buy("a")) == "open"

    run_virtual(main())


def test_dying_again_and_again_leaks_nothing_and_places_nothing_twice(tmp_path: Path) -> None:
    async def main() -> None:
        lives = Lives(tmp_path)
        await die_while_sending(lives, "lost")
        for _ in range(6):
            async with lives.live(is_ready=False) as t:
                await asyncio.sleep(0.1)
                assert t.at("a") == "in_doubt, in_doubt"
                assert t.reserved() == D("409.6")
                lives.die()
        async with lives.live() as t:
            assert (await t.broker.resolution("a", timeout_s=120)).state == "open"
            assert len(lives.venue.orders.placed) == 1
            await t.broker.cancel_order("a")
            await asyncio.sleep(1)
            assert t.reserved() == 0
            assert t.broker.reservations() == []

    run_virtual(main())


def test_an_order_that_a_former_owner_cancelled_is_known_by_the_venues_id_to_the_next(tmp_path: Path) -> None:
    async def main() -> None:
        lives = Lives(tmp_path)
        async with lives.live() as t:
            order = await t.buy("a")
            await t.broker.cancel_order("a")  # Its answer is lost with the owner: whoever asked, asks the next one.
        lives.die()
        async with lives.live() as t:
            cancelled = await t.broker.cancel_order(str(order.order_id))
            assert (cancelled.intent_id, cancelled.state) == ("a", "canceled")

    run_virtual(main())
