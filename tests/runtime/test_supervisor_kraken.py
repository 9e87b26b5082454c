"""A desk, the real Kraken adapter and the Kraken simulator in one process, over memory, on virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

import holdfast
from holdfast.core.amounts import parse_amount
from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.errors import UnknownNameError
from holdfast.simulators.core.faults import FaultPlan
from holdfast.simulators.core.memory import MemoryFront
from holdfast.simulators.kraken import KrakenSimulator
from holdfast.testing import FakeClock, run_virtual
from holdfast.testing.parts import memory_config, memory_parts
from holdfast.venues.kraken import KRAKEN


@dataclass
class Scene:
    """One desk at one simulated Kraken."""

    desk: holdfast.Desk
    clock: FakeClock
    venue: KrakenSimulator
    front: MemoryFront
    events: list[Event]

    @property
    def broker(self) -> holdfast.Broker:
        return self.desk["kraken-master"]

    def state(self, asset: str = "USD") -> str:
        return self.broker.balance(asset).state.value

    def fault(self, **fault: Any) -> None:
        self.front.plan.add(fault)

    def heal(self) -> None:
        self.front.plan.clear()

    def said(self, name: str) -> list[dict[str, Any]]:
        return [event.fields for event in self.events if event.name == name]

    def truth(self) -> Mapping[str, Mapping[str, str]]:
        found: Mapping[str, Mapping[str, str]] = self.venue.truth()["accounts"]["master"]["assets"]
        return found

    def differences(self) -> dict[str, tuple[Any, Any]]:
        """Assets whose total, held or available is not what the venue really has, ours beside theirs."""
        found = {}
        shown = self.broker.balances()
        for asset in {*shown, *self.truth()}:
            figures = self.truth().get(asset, {"total": "0", "held": "0", "available": "0"})
            theirs = {name: parse_amount(figures[name]) for name in ("total", "held", "available")}
            ours = {name: getattr(shown.get(asset), name, Decimal(0)) for name in theirs}
            if ours != theirs:
                found[asset] = (ours, theirs)
        return found

    async def live(self, *, timeout_s: float = 90.0) -> float:
        """Wait until every figure is live; how long it took."""
        began_s = self.clock.now_s()
        await self.broker.wait_until(
            lambda status: bool(status.assets) and all(b.state == "live" for b in self.broker.balances().values()),
            timeout_s=timeout_s,
        )
        return self.clock.now_s() - began_s

    async def not_live(self, *, timeout_s: float) -> float:
        """Wait until USD is not live; how long it took."""
        began_s = self.clock.now_s()
        await self.broker.wait_until(lambda _: self.state() != "live", timeout_s=timeout_s)
        return self.clock.now_s() - began_s


@contextlib.asynccontextmanager
async def scene(*, profile: str = "plain", latency_s: tuple[float, float] = (0.01, 0.03)) -> AsyncIterator[Scene]:
    loop = asyncio.get_running_loop()
    clock = FakeClock(loop)
    venue = KrakenSimulator(seed=1, profile=profile, clock=clock.world(), timers=loop)
    front = MemoryFront(
        venue, clock=clock.world(), plan=FaultPlan(clock.world(), impair=venue.impair), latency_s=latency_s
    )
    key = next(each for each in venue.credentials() if each["account"] == "master")
    events: list[Event] = []
    parts = memory_parts(
        clock=clock,
        venue=KRAKEN,
        credential=Credential(venue="kraken", key=key["key"], secret=key["secret"]),
        http=lambda _: front.http_wire(clock=clock),
        streams=lambda _: front.stream_wire(),
    )
    config = memory_config("kraken-master", venue="kraken")
    async with holdfast.open(config, parts=parts, on_event=events.append) as desk:
        yield Scene(desk=desk, clock=clock, venue=venue, front=front, events=events)


def test_it_becomes_live_and_equals_the_truth() -> None:
    async def main() -> None:
        async with scene() as s:
            assert await s.live() < 10
            assert s.differences() == {}
            assert s.broker.status().health == "healthy"
            assert s.broker.account_id is not None
            assert s.broker.status().nonce.refused == 0

    run_virtual(main())


@pytest.mark.parametrize("profile", ["plain", "busy", "margin", "empty"])
def test_every_profile_converges_to_the_truth(profile: str) -> None:
    async def main() -> None:
        async with scene(profile=profile) as s:
            await s.broker.ready(timeout_s=60)
            await asyncio.sleep(120)
            await s.broker.wait_until(lambda _: s.differences() == {}, timeout_s=90)

    run_virtual(main())


def test_rows_the_stream_does_not_speak_of_stay_fresh_beside_it() -> None:
    async def main() -> tuple[set[str], set[str], int]:
        async with scene(profile="earn") as s:
            await s.broker.ready(timeout_s=60)
            await asyncio.sleep(10)
            states, healths = set(), set()
            before = s.front.journal.since(0)["next"]
            for _ in range(600):
                await asyncio.sleep(1)
                states |= {balance.state.value for balance in s.broker.balances().values()}
                healths.add(s.broker.status().health.value)
            asked = [row.get("name") for row in s.front.journal.since(before)["entries"] if row["kind"] == "request"]
            return states, healths, asked.count("BalanceEx")

    states, healths, reads = run_virtual(main())
    assert states == {"live", "fresh"}
    assert healths == {"healthy"}
    assert 600 / 15 <= reads <= 600 / 13


def test_a_planned_step_of_the_stream_is_not_done_after_the_end() -> None:
    async def main() -> list[str]:
        async with scene() as s:
            await s.live()
            s.fault(kind="missing_event", channel="balances")
            s.venue.happen({"kind": "withdrawal", "asset": "USD", "amount": "10"})
            await s.broker.refresh()
            assert s.broker.balance("USD").reason == "disputed"  # A new snapshot is asked for in a second.
        await asyncio.sleep(5)
        return [event.name for event in s.events]

    assert run_virtual(main())[-1] == "broker.closed"


def test_a_deposit_shows_within_two_seconds() -> None:
    async def main() -> None:
        async with scene() as s:
            await s.live()
            before = s.broker.balance("USD").total
            with pytest.raises(UnknownNameError, match="kraken's XBT is BTC here"):
                s.broker.balance("XBT")
            with pytest.raises(UnknownNameError, match="kraken's ZUSD is USD here"):
                s.broker.balance("ZUSD")
            assert before is not None
            s.venue.happen({"kind": "deposit", "asset": "USD", "amount": "123.45"})
            await s.broker.wait_until(
                lambda _: s.broker.balance("USD").total == before + Decimal("123.45"), timeout_s=2
            )
            assert s.state() == "live"

    run_virtual(main())


def test_an_order_of_another_client_is_held_within_two_seconds() -> None:
    async def main() -> None:
        async with scene() as s:
            await s.live()
            s.venue.happen(
                {"kind": "external_order", "pair": "BTC-USD", "side": "buy", "quantity": "0.001", "price": "20000"}
            )
            await s.broker.wait_until(
                lambda _: (s.broker.balance("USD").held or 0) > 0 and s.state() == "live", timeout_s=2
            )
            await asyncio.sleep(90)
            assert s.differences() == {}

    run_virtual(main())


def test_a_cut_stream_degrades_and_comes_back() -> None:
    async def main() -> None:
        async with scene() as s:
            await s.live()
            s.fault(kind="close_streams")
            assert await s.not_live(timeout_s=1) < 0.2
            s.venue.happen({"kind": "deposit", "asset": "USD", "amount": "1"})
            assert await s.live() < 20
            assert s.differences() == {}
            assert [fields["after"] for fields in s.said("supervisor.changed")][-3:] == ["degraded", "snapshot", "live"]

    run_virtual(main())


def test_a_silent_stream_is_noticed_within_five_seconds_and_replaced_by_rest() -> None:
    async def main() -> None:
        async with scene() as s:
            await s.live()
            s.fault(kind="mute_stream", for_s=60)
            assert await s.not_live(timeout_s=10) <= 6.1  # Five seconds after the last heartbeat, one second apart.
            s.venue.happen({"kind": "withdrawal", "asset": "USD", "amount": "10"})
            await s.broker.wait_until(lambda _: s.differences() == {}, timeout_s=35)
            assert s.state() == "fresh"
            await s.live()
            assert s.said("stream.lost")[0]["reason"] == "silent"

    run_virtual(main())


@pytest.mark.parametrize("channel", ["balances", "executions", "*"])
def test_a_stream_that_acks_and_never_delivers_is_dropped(channel: str) -> None:
    async def main() -> None:
        async with scene() as s:
            await s.live()
            s.fault(kind="mute_channel", channel=channel, for_s=40)
            s.fault(kind="close_streams")
            await s.not_live(timeout_s=1)
            await s.broker.wait_until(lambda _: len(s.said("stream.lost")) >= 2, timeout_s=15)
            assert s.said("stream.lost")[1]["reason"] == "no_snapshot"
            assert await s.live() < 60

    run_virtual(main())


def test_a_channel_that_freezes_is_found_out_by_rest_within_a_minute() -> None:
    async def main() -> None:
        async with scene() as s:
            await s.live()
            s.fault(kind="freeze_channel", channel="balances", for_s=600)
            s.venue.happen({"kind": "withdrawal", "asset": "USD", "amount": "10"})
            assert await s.not_live(timeout_s=70) <= 60.5
            await s.broker.wait_until(lambda _: s.differences() == {}, timeout_s=90)
            await s.live()

    run_virtual(main())


@pytest.mark.parametrize("kind", ["sequence_gap", "sequence_duplicate", "sequence_regress", "sequence_reorder"])
def test_a_broken_sequence_is_never_applied_and_heals_by_a_snapshot(kind: str) -> None:
    async def main() -> None:
        async with scene() as s:
            await s.live()
            s.fault(kind=kind, channel="balances")
            for _ in range(3):
                s.venue.happen({"kind": "deposit", "asset": "USD", "amount": "7"})
                await asyncio.sleep(0.5)
            assert s.said("stream.gapped")
            assert await s.live() < 30
            assert s.differences() == {}
            assert s.broker.status().stream.connects == 1

    run_virtual(main())


def test_a_dead_rest_beside_a_living_stream() -> None:
    async def main() -> None:
        async with scene() as s:
            await s.live()
            s.fault(kind="rest", action={"do": "unreachable"})
            await asyncio.sleep(200)
            status = s.broker.status()
            assert s.state() == "live"
            assert status.error_count >= 3
            assert (status.health, status.is_available) == ("degraded", True)
            s.heal()
            await s.broker.wait_until(lambda status: status.error_count == 0, timeout_s=90)

    run_virtual(main())


@pytest.mark.parametrize(
    "answer",
    [
        {"do": "html_error", "status": 502},
        {"do": "html_error", "status": 200},
        {"do": "answer", "body": '{"error":[],"result":{}}'},
        {"do": "answer", "body": '{"error":[]}'},
        {"do": "answer", "body": '{"error":[],"result":{"ZUSD":{"balance":"NaN","hold_trade":"0"}}}'},
        {"do": "answer", "body": '{"error":["EService:Unavailable"]}'},
        {"do": "truncate", "at": 40},
    ],
)
def test_nonsense_for_balances_never_changes_a_figure(answer: dict[str, Any]) -> None:
    async def main() -> None:
        async with scene() as s:
            await s.live()
            before = {asset: (b.total, b.held, b.available) for asset, b in s.broker.balances().items()}
            # What two different reads agree on is believed, and rightly: emptiness is stated by one of them only.
            names = ["BalanceEx"] if "answer" in answer["do"] else ["Balance", "BalanceEx"]
            s.fault(kind="rest", name=names, action=answer)
            for _ in range(60):
                await asyncio.sleep(2)
                after = {asset: (b.total, b.held, b.available) for asset, b in s.broker.balances().items()}
                assert after == before
            s.heal()
            await s.live()

    run_virtual(main())


def test_a_night_asleep_costs_live_at_once_and_comes_back_on_new_figures() -> None:
    async def main() -> None:
        async with scene() as s:
            await s.live()
            s.clock.suspend(8 * 3600)
            s.venue.happen({"kind": "withdrawal", "asset": "USD", "amount": "10"})
            woke_s = s.clock.now_s()
            assert (s.state(), s.broker.balance("USD").reason) == ("stale", "suspended")
            assert await s.live() < 60
            assert s.differences() == {}
            age_s = s.broker.status().last_success_age_s
            assert age_s is not None
            assert s.clock.now_s() - age_s >= woke_s
            assert s.broker.status().nonce.refused == 0

    run_virtual(main())


@pytest.mark.parametrize("by_s", [-3600.0, 86_400.0])
def test_a_stepped_wall_clock_costs_no_nonce(by_s: float) -> None:
    async def main() -> None:
        async with scene() as s:
            await s.live()
            s.clock.step_wall(by_s)
            assert s.state() == "stale"
            assert await s.live() < 60
            await asyncio.sleep(600)
            assert s.said("nonce.refused") == []

    run_virtual(main())


def test_a_token_that_died_is_replaced() -> None:
    async def main() -> None:
        async with scene() as s:
            await s.live()
            s.fault(kind="token_death", closes=True)
            await s.not_live(timeout_s=2)
            assert await s.live() < 20

    run_virtual(main())


def test_a_lockout_is_met_with_silence() -> None:
    async def main() -> None:
        async with scene() as s:
            await s.live()
            s.fault(kind="lockout", for_s=300)
            s.fault(kind="close_streams")
            await s.broker.wait_until(lambda status: not status.is_available, timeout_s=60)
            told = s.front.journal.since()["next"]
            await asyncio.sleep(600)
            private = [entry for entry in s.front.journal.since(told)["entries"] if entry.get("nonce")]
            assert private == []
            assert s.state() == "stale"
            assert s.broker.status().nonce.parked_cause == "lockout"

    run_virtual(main())


def test_the_same_seed_runs_the_same_way() -> None:
    async def main() -> list[tuple[str, str]]:
        async with scene(profile="busy") as s:
            await s.broker.ready(timeout_s=60)
            await asyncio.sleep(300)
            return [(event.name, str(sorted(event.fields.items()))) for event in s.events]

    assert run_virtual(main(), seed=7) == run_virtual(main(), seed=7)


def test_a_channel_the_key_may_not_see_is_named_in_the_status_with_the_venues_words() -> None:
    async def main() -> None:
        async with scene() as s:
            key = next(each["key"] for each in s.venue.credentials() if each["account"] == "master")
            s.venue.happen({"kind": "permissions", "key": key, "permissions": ["query-funds", "create-ws-token"]})
            await asyncio.sleep(60)
            refusals = {channel.name: channel.refusal for channel in s.broker.status().stream.channels}
            assert refusals["orders"] is not None
            assert "Permission denied" in refusals["orders"]
            assert s.state() == "fresh"  # REST still may: money is read on, and nothing is called live.
            every = ["query-funds", "create-ws-token", "query-open-trades", "query-closed-trades"]
            s.venue.happen({"kind": "permissions", "key": key, "permissions": every})
            await s.live(timeout_s=120)
            assert all(channel.refusal is None for channel in s.broker.status().stream.channels)

    run_virtual(main())
