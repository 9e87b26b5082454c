"""A repair mends what it may, leaves alone what it must not touch, says each step, and ends in time."""

from __future__ import annotations

import asyncio
from typing import Any

import holdfast
from holdfast.core.breakers import BreakerState
from holdfast.core.events import Event
from holdfast.core.repair import Outcome, RepairReport, StepName
from holdfast.errors import VenueUnreachableError
from holdfast.testing import FakeClock, FakeVenue, MemoryOwners, MemorySockets, memory_config, memory_parts, run_virtual
from tests.runtime.worlds import world

AWAY = VenueUnreachableError("no route", venue="acme", request="any")


def outcomes(report: RepairReport) -> dict[str, str]:
    return {step.name.value: step.outcome.value for step in report.steps}


def test_a_healthy_broker_is_read_again_and_stays_well() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")

            report = await w.broker.emergency_repair()

            assert report.is_well
            assert report.left == ()
            assert {name for name, word in outcomes(report).items() if word != "well"} == {"refresh"}
            assert [each["step"] for each in w.said("repair.progressed") if each["state"] != "begun"] == [
                name.value for name in StepName
            ]

    run_virtual(main())


def test_a_dry_run_sends_nothing_signed_and_changes_nothing() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            w.client.failing["*"] = AWAY
            await w.broker.wait_until(
                lambda status: status.capability("read").breaker.state is BreakerState.OPEN, timeout_s=120
            )
            w.client.failing.clear()
            asked = len(w.asked("BalanceEx", "Balance", "orders", "credential_info"))

            report = await w.broker.emergency_repair(dry_run=True)

            assert report.is_dry_run
            assert report.before == report.after
            assert outcomes(report)["breaker"] == outcomes(report)["refresh"] == "planned"
            assert len(w.asked("BalanceEx", "Balance", "orders", "credential_info")) == asked
            assert w.broker.status().capability("read").breaker.state is not BreakerState.CLOSED

    run_virtual(main())


def test_what_a_person_holds_open_stays_open_while_the_rest_is_mended() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            await w.broker.isolate("trade", reason="a look")
            w.stream.refuses = AWAY
            w.stream.cut()
            await asyncio.sleep(300)
            w.stream.refuses = None

            report = await w.broker.emergency_repair()

            assert outcomes(report)["stream"] == "done"
            assert w.broker.status().stream.state == "live"
            assert w.broker.status().capability("trade").breaker.state is BreakerState.ISOLATED
            assert not report.is_well
            assert any("holdfast reset-circuit-breaker acme-master" in text for text in report.left)

    run_virtual(main())


def test_a_venue_that_stays_away_is_said_so_and_figures_stand() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            w.client.failing["*"] = AWAY
            w.stream.refuses = AWAY
            w.stream.cut()
            await asyncio.sleep(60)

            report = await w.broker.emergency_repair(timeout_s=120)

            assert not report.is_well
            found = outcomes(report)
            assert found["clock"] == "left"
            assert found["stream"] == found["refresh"] == "failed"
            assert w.total() == "1500.25"
            assert w.broker.balance("USD").state == "stale"
            assert len(w.asked("place_order", "cancel_order")) == 0

    run_virtual(main())


def test_it_ends_in_time_however_slow_the_venue_is() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            w.client.latency_s = 1000.0
            began_s = w.clock.now_s()

            report = await w.broker.emergency_repair(timeout_s=20)

            assert w.clock.now_s() - began_s < 21
            assert len(report.steps) == len(StepName)
            assert any("not reached within 20 s" in step.says for step in report.steps)

    run_virtual(main())


def test_a_silent_frozen_stream_is_replaced() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            w.stream.is_mute = True
            w.stream.cut()
            await w.broker.wait_until("snapshot")
            w.stream.is_mute = False
            runs = w.stream.runs

            report = await w.broker.emergency_repair()

            assert report.is_well, report
            assert "repair" in w.stream.aborts
            assert w.stream.runs == runs + 1
            assert report.steps[4].outcome is Outcome.DONE

    run_virtual(main())


def test_two_who_repair_at_once_drop_the_stream_once() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            w.stream.is_mute = True
            w.stream.cut()
            await w.broker.wait_until("snapshot")
            w.stream.is_mute = False

            reports = await asyncio.gather(w.broker.emergency_repair(), w.broker.emergency_repair())

            assert [report.is_well for report in reports] == [True, True]
            assert w.stream.aborts.count("repair") == 1

    run_virtual(main())


def test_an_attached_process_repairs_through_the_owner_and_hears_each_step() -> None:
    async def main() -> None:
        clock, venue = FakeClock(asyncio.get_running_loop()), FakeVenue()
        shared: dict[str, Any] = {"clock": clock, "venue": venue, "owners": MemoryOwners(), "sockets": MemorySockets()}
        events: list[Event] = []
        async with (
            holdfast.open(memory_config(), mode="own", parts=memory_parts(**shared)) as owner,
            holdfast.open(memory_config(), mode="attach", parts=memory_parts(**shared)) as attached,
        ):
            await owner["acme-master"].wait_until("live")
            with attached.on_event(events.append):
                report = await attached["acme-master"].emergency_repair()
            assert report.is_well
            told = [each.fields["step"] for each in events if each.name == "repair.progressed"]
            assert list(dict.fromkeys(told)) == [name.value for name in StepName]

    run_virtual(main())
