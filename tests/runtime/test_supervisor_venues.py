"""A desk at every simulated venue: the same code above the adapter, from the first figure to recovery after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

import holdfast
from holdfast.config import OrderSettings
from holdfast.core.amounts import ZERO, parse_amount
from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.core.orders import OrderState
from holdfast.core.venue import Capability
from holdfast.errors import FundsShortError, OutcomeUnknownError
from holdfast.simulators.core.memory import MemoryFront
from holdfast.simulators.core.seam import SimulatedVenue
from holdfast.testing import FakeClock, MemoryLane, run_virtual
from holdfast.testing.contract import Subject
from holdfast.testing.parts import MemoryOwners, memory_config, memory_parts
from tests.contract.subjects import SUBJECTS

VENUES = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.venue.id)


@dataclass
class Town:
    """One venue that outlives the desks that trade at it."""

    subject: Subject
    clock: FakeClock
    venue: SimulatedVenue
    front: MemoryFront
    owners: MemoryOwners
    lanes: dict[str, MemoryLane]
    store_path: str
    events: list[Event]

    @contextlib.asynccontextmanager
    async def desk(self, *, contact: Any = "stream", **orders: Any) -> AsyncIterator[holdfast.Broker]:
        """A desk with one broker, once its figures are good."""
        name, subject = f"{self.subject.venue.id}-master", self.subject
        key = self.venue.credentials()[0]
        parts = memory_parts(
            clock=self.clock,
            venue=subject.venue,
            credential=Credential(
                venue=subject.venue.id, key=key["key"], secret=key["secret"], passphrase=key["passphrase"]
            ),
            http=lambda _: self.front.http_wire(clock=self.clock),
            streams=lambda _: self.front.stream_wire(),
            owners=self.owners,
            lanes=self.lanes,
            store_path=self.store_path,
        )
        made = memory_config(name, venue=subject.venue.id, orders=OrderSettings(**orders))
        broker = made.brokers[name]
        broker = msgspec.structs.replace(broker, ws_url=subject.ws_url)
        config = msgspec.structs.replace(made, brokers={name: broker})
        async with holdfast.open(config, parts=parts, contact=contact, on_event=self.events.append) as desk:
            await desk.ready(timeout_s=60)
            if contact == "stream":
                await desk[name].wait_until(lambda status: status.stream.state == "live", timeout_s=60)
            yield desk[name]

    def happen(self, kind: str, **fields: Any) -> dict[str, Any]:
        return self.venue.happen({"kind": kind, **fields})

    def said(self, name: str) -> list[dict[str, Any]]:
        return [event.fields for event in self.events if event.name == name]

    def log(self) -> list[dict[str, Any]]:
        log: list[dict[str, Any]] = self.venue.orders()["accounts"]["master"]["orders"]
        return log

    def differences(self, broker: holdfast.Broker) -> dict[str, tuple[Any, Any]]:
        """Assets whose figures are not what the venue really has, ours beside theirs."""
        truth = self.venue.truth()["accounts"]["master"]["assets"]
        shown, found = broker.balances(), {}
        for asset in {*shown, *truth}:
            if "." in asset and asset not in shown:
                continue
            figures = truth.get(asset, {"total": "0", "held": "0", "available": "0"})
            theirs = {name: parse_amount(figures[name]) for name in ("total", "held", "available")}
            ours = {name: getattr(shown.get(asset), name, ZERO) for name in theirs}
            if ours != theirs:
                found[asset] = (ours, theirs)
        return found

    async def agrees(self, broker: holdfast.Broker, *, within_s: float = 90.0) -> None:
        """Until every figure shown is the truth, and nothing is claimed any more."""

        def is_true(_: Any) -> bool:
            return not self.differences(broker) and not broker.reservations()

        try:
            await broker.wait_until(is_true, timeout_s=within_s)
        except holdfast.NotReadyError:
            raise AssertionError((self.differences(broker), broker.reservations())) from None


def in_town(
    subject: Subject, scenario: Callable[[Town], Coroutine[Any, Any, None]], *, path: Path | None = None
) -> None:
    """Play *scenario* on virtual time."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        clock = FakeClock(loop)
        venue = subject.simulate(1, "plain", clock.world(), loop)
        rng = random.Random(1)
        front = MemoryFront(venue, clock=clock.world(), rng=rng, latency_s=(0.01, 0.05))
        store_path = ":memory:" if path is None else str(path)
        town = Town(subject, clock, venue, front, MemoryOwners(), {}, store_path, [])
        town.happen("deposit", asset=subject.quote, amount="5000")
        town.happen("deposit", asset=subject.base, amount="1")
        await scenario(town)

    run_virtual(play(), horizon_s=20_000.0)


@VENUES
def test_figures_are_the_truth_and_as_good_as_the_venue_allows(subject: Subject) -> None:
    async def scenario(town: Town) -> None:
        async with town.desk() as broker:
            await town.agrees(broker)
            best = "fresh" if Capability.BALANCE_STREAM in town.subject.venue.facts.lacks else "live"
            await asyncio.sleep(20.0)
            assert {balance.state.value for balance in broker.balances().values()} == {best}
            status = broker.status()
            assert (status.health, status.is_available, status.error_count) == ("healthy", True, 0)
            assert broker.account_id
            assert town.said("answer.refused") == []

    in_town(subject, scenario)


@VENUES
def test_a_quiet_hour_stays_good_and_asks_little(subject: Subject) -> None:
    async def scenario(town: Town) -> None:
        async with town.desk() as broker:
            await asyncio.sleep(60.0)
            for _ in range(60):
                await asyncio.sleep(60.0)
                assert all(balance.is_fit_to_approve for balance in broker.balances().values())
            assert broker.status().stream.connects == 1
            assert broker.status().health == "healthy"

    in_town(subject, scenario)


@VENUES
def test_money_that_moves_without_us_is_noticed_within_the_venues_bound(subject: Subject) -> None:
    async def scenario(town: Town) -> None:
        async with town.desk() as broker:
            await town.agrees(broker)
            pushes = Capability.BALANCE_STREAM not in town.subject.venue.facts.lacks
            for amount in ("100", "250.5"):
                town.happen("withdrawal", asset=town.subject.quote, amount=amount)
                # Where balances are pushed: 2 s. Where they are read: max_age_s and the lag of REST.
                await asyncio.sleep(2.0 if pushes else 35.0)
                assert town.differences(broker) == {}

    in_town(subject, scenario)


@VENUES
def test_an_order_is_claimed_placed_held_cancelled_and_given_back(subject: Subject) -> None:
    async def scenario(town: Town) -> None:
        low = format(town.subject.low, "f")
        async with town.desk() as broker:
            await town.agrees(broker)
            before = broker.balance(town.subject.quote).spendable
            assert before is not None
            order = await broker.place_limit_order(town.subject.symbol, "buy", "0.01", low, intent_id="a")
            assert order.state is OrderState.OPEN
            (reservation,) = broker.reservations()
            spendable = broker.balance(town.subject.quote).spendable
            assert spendable is not None
            assert before - spendable >= Decimal("200")
            await asyncio.sleep(70.0)
            balance = broker.balance(town.subject.quote)
            assert balance.held is not None
            assert balance.held >= 200
            (reservation,) = broker.reservations()
            assert reservation.state.value == "covered"
            await broker.cancel_order("a")
            await town.agrees(broker)
            assert broker.balance(town.subject.quote).spendable == before
            assert (await broker.order("a")).state is OrderState.CANCELED

    in_town(subject, scenario)


@VENUES
def test_a_market_order_is_paid_for_once_and_an_exit_brings_it_back(subject: Subject) -> None:
    async def scenario(town: Town) -> None:
        symbol = town.subject.symbol
        async with town.desk() as broker:
            await town.agrees(broker)
            bought = await broker.place_market_order(symbol, "buy", quote_quantity="200", intent_id="buy")
            await asyncio.sleep(1.0)
            for _ in range(40):
                balance = broker.balance(town.subject.quote)
                true = parse_amount(town.venue.truth()["accounts"]["master"]["assets"][town.subject.quote]["available"])
                assert balance.spendable is None or balance.spendable <= true
                await asyncio.sleep(0.25)
            await town.agrees(broker)
            order = await broker.order("buy")
            assert order.state is OrderState.FILLED
            (true_order,) = [each for each in town.log() if each["order_id"] == order.order_id]
            assert (order.filled, bought.order_id) == (Decimal(true_order["filled"]), true_order["order_id"])
            sold = await broker.place_market_order(symbol, "sell", "0.001", intent_id="sell")
            assert sold.order_id is not None
            await town.agrees(broker)
            assert [each["side"] for each in town.log()] == ["buy", "sell"]

    in_town(subject, scenario)


@VENUES
def test_what_is_reserved_is_nobody_elses_and_more_than_there_is_is_denied(subject: Subject) -> None:
    async def scenario(town: Town) -> None:
        symbol = town.subject.symbol
        async with town.desk() as broker:
            await town.agrees(broker)
            most = broker.balance(town.subject.quote).spendable
            assert most is not None
            verdict = await broker.verify_balance_before_order(
                symbol, "buy", quote_quantity=format(most * Decimal("0.9"), ".2f"), order_type="market", reserve=True
            )
            assert verdict.is_reserved
            with pytest.raises(FundsShortError):
                await broker.place_market_order(symbol, "buy", quote_quantity=format(most * Decimal("0.5"), ".2f"))
            assert town.log() == []

    in_town(subject, scenario)


@VENUES
@pytest.mark.parametrize("arrives", [True, False])
def test_a_lost_answer_stays_reserved_until_there_is_evidence(subject: Subject, arrives: bool) -> None:
    async def scenario(town: Town) -> None:
        low = format(town.subject.low, "f")
        async with town.desk(prefer="rest") as broker:
            await town.agrees(broker)
            action = {"do": "lose_reply" if arrives else "lose_request"}
            town.front.plan.add({"kind": "rest", "name": town.subject.calls.place, "action": action, "count": 1})
            placing = asyncio.ensure_future(
                broker.place_limit_order(town.subject.symbol, "buy", "0.01", low, intent_id="lost")
            )
            try:
                order = await placing
            except OutcomeUnknownError:
                (reservation,) = broker.reservations()
                assert reservation.state.value in ("in_doubt", "active", "covered")
                order = await broker.resolution("lost", timeout_s=300)
            assert order.state is (OrderState.OPEN if arrives else OrderState.ABSENT)
            assert len(town.log()) == int(arrives)
            if arrives:
                await broker.cancel_order("lost")
            await town.agrees(broker)

    in_town(subject, scenario)


@VENUES
def test_after_a_crash_an_order_in_doubt_is_found_and_what_was_filled_meanwhile_is_counted_once(
    subject: Subject, tmp_path: Path
) -> None:
    async def scenario(town: Town) -> None:
        symbol, low = town.subject.symbol, format(town.subject.low, "f")
        async with town.desk(prefer="rest") as broker:
            await town.agrees(broker)
            await broker.place_limit_order(symbol, "buy", "0.01", low, intent_id="rests")
            action = {"do": "lose_reply"}
            town.front.plan.add({"kind": "rest", "name": town.subject.calls.place, "action": action, "count": 1})
            lost = asyncio.ensure_future(
                broker.place_market_order(symbol, "buy", quote_quantity="100", intent_id="lost")
            )
            await asyncio.sleep(0.3)  # It has left; this process ends before anything is heard of it.
        with contextlib.suppress(holdfast.HoldfastError):
            await lost
        rests = next(each for each in town.log() if each["symbol"] == symbol and each["ended_us"] is None)
        town.happen("fill", order=rests["order_id"])
        await asyncio.sleep(5.0)
        async with town.desk() as broker:
            await town.agrees(broker, within_s=300)
            assert (await broker.order("rests")).state is OrderState.FILLED
            assert (await broker.order("lost")).state is OrderState.FILLED
            assert len(town.log()) == 2

    in_town(subject, scenario, path=tmp_path / "store")


@VENUES
def test_a_stream_that_is_cut_or_goes_mute_is_replaced_and_comes_back(subject: Subject) -> None:
    async def scenario(town: Town) -> None:
        async with town.desk() as broker:
            await town.agrees(broker)
            for fault in (*town.subject.cuts, {"kind": "mute_stream", "for_s": 60}):
                town.front.plan.add(dict(fault))
                await asyncio.sleep(1.0)
                town.happen("deposit", asset=town.subject.quote, amount="7")
                await asyncio.sleep(45.0)
                assert broker.balance(town.subject.quote).is_fit_to_approve
                await asyncio.sleep(75.0)
                await broker.wait_until(lambda status: status.stream.state == "live", timeout_s=60)
                assert town.differences(broker) == {}

    in_town(subject, scenario)


@VENUES
def test_reads_alone_keep_figures_fresh_and_orders_placeable(subject: Subject) -> None:
    async def scenario(town: Town) -> None:
        low = format(town.subject.low, "f")
        async with town.desk(contact="rest") as broker:
            await asyncio.sleep(120.0)
            assert {balance.state.value for balance in broker.balances().values()} == {"fresh"}
            await broker.place_limit_order(town.subject.symbol, "buy", "0.01", low, intent_id="a")
            await asyncio.sleep(10.0)
            await broker.cancel_order("a")
            await town.agrees(broker, within_s=180)

    in_town(subject, scenario)
