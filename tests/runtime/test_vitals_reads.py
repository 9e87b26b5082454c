"""Reads and the stream: what opens their breakers, what waits for them, and what closes them again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.config.health import HealthSettings
from holdfast.core.breakers import BreakerState
from holdfast.errors import (
    BadCredentialError,
    HoldfastError,
    LockoutError,
    PayloadError,
    RateLimitedError,
    VenueUnreachableError,
)
from holdfast.runtime.views import CapabilityHealth
from holdfast.runtime.vitals import READ_BREAK_MAX_S
from holdfast.testing import run_virtual
from tests.runtime.worlds import World, world

READS = ("BalanceEx", "Balance", "orders")
AT: Any = {"venue": "acme", "request": "BalanceEx"}


def unreachable() -> VenueUnreachableError:
    return VenueUnreachableError("connection refused", **AT)


def read_of(w: World) -> CapabilityHealth:
    return w.broker.status().capability("read")


def break_reads(w: World, error: HoldfastError | None) -> None:
    """Let every read fail, or none."""
    for name in READS:
        if error is None:
            w.client.failing.pop(name, None)
        else:
            w.client.failing[name] = error


async def opened(w: World) -> None:
    """Let reads fail until their breaker is open."""
    break_reads(w, unreachable())
    await w.broker.wait_until(lambda status: status.capability("read").breaker.state is BreakerState.OPEN)


def test_three_failed_reads_open_the_breaker_and_the_last_balance_stays_with_its_age() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            await opened(w)
            read = read_of(w)
            assert (w.broker.get_error_count(), read.error_count, read.breaker.why) == (3, 3, "network")
            assert not w.broker.is_available()
            assert w.broker.status().reasons[:2] == ("reads_failing", "read_breaker_open")
            assert (read.last_fault, read.last_error) == ("network", "connection refused")
            usd = w.broker.balance("USD")
            assert (str(usd.total), usd.state.value) == ("1500.25", "fresh")
            await asyncio.sleep(60)
            usd = w.broker.balance("USD")
            assert (str(usd.total), usd.state.value, usd.reason) == ("1500.25", "stale", "age")
            assert usd.age_s is not None
            assert usd.age_s > 60
            assert usd.source == "rest"

    run_virtual(main())


def test_the_schedule_waits_for_the_break_and_each_break_has_one_trial() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            await opened(w)
            opened_s = w.clock.now_s()
            await asyncio.sleep(600)
            asked = [at_s for at_s in w.asked(*READS) if at_s > opened_s]
            gaps = [later - earlier for earlier, later in zip([opened_s, *asked], asked, strict=False)]
            # 5, 10, 20 and then 30 s, each shortened by a fifth at most: reads are right again within 90 s.
            for gap_s, break_s in zip(gaps, (5.0, 10.0, 20.0, *[READ_BREAK_MAX_S] * 99), strict=False):
                assert 0.8 * break_s <= gap_s <= break_s + 0.2
            assert w.said("breaker.opened")[0]["capability"] == "read"
            assert len(w.said("breaker.opened")) == len(asked) + 1
            assert len(w.said("breaker.half_opened")) == len(asked)

    run_virtual(main())


@pytest.mark.parametrize("outage_s", [20, 300, 7200])
def test_a_venue_that_heals_is_read_within_a_break_and_available_again_after_one_success(outage_s: int) -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            await opened(w)
            await asyncio.sleep(outage_s)
            break_reads(w, None)
            healed_s = w.clock.now_s()
            await w.broker.wait_until(
                lambda status: status.capability("read").breaker.state is BreakerState.CLOSED, timeout_s=120
            )
            assert w.clock.now_s() - healed_s <= READ_BREAK_MAX_S + 1
            assert w.broker.get_error_count() == 0
            assert w.broker.is_available()
            assert w.state() == "fresh"
            assert [each["capability"] for each in w.said("breaker.closed")] == ["read"]

    run_virtual(main())


def test_a_half_open_breaker_has_proved_nothing_yet() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            await opened(w)
            w.client.latency_s = 3.0
            half_open = lambda status: status.capability("read").breaker.state is BreakerState.HALF_OPEN  # noqa: E731
            await w.broker.wait_until(half_open)
            assert not w.broker.is_available()

    run_virtual(main())


def test_a_forced_refresh_goes_while_the_breaker_is_open_and_heals_it() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            await opened(w)
            break_reads(w, None)
            report = await w.broker.refresh()
            assert report.is_ok
            assert read_of(w).breaker.state is BreakerState.CLOSED

    run_virtual(main())


@pytest.mark.parametrize(
    "error",
    [
        RateLimitedError("slow down", retry_after_s=1.0, **AT),
        BadCredentialError("no such key", **AT),
        LockoutError("locked out", retry_after_s=5.0, **AT),
    ],
)
def test_what_is_not_the_venues_fault_opens_nothing_however_often(error: HoldfastError) -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            break_reads(w, error)
            for _ in range(300):
                await w.broker.refresh(timeout_s=20)
            assert w.broker.get_error_count() == 0
            assert read_of(w).breaker.openings == 0
            assert w.said("breaker.opened") == []

    run_virtual(main())


def test_answers_that_cannot_be_believed_count() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            break_reads(w, PayloadError("not a balance"))
            await w.broker.wait_until(lambda status: status.capability("read").breaker.state is BreakerState.OPEN)
            assert read_of(w).breaker.why == "payload"

    run_virtual(main())


def test_slow_answers_count_and_are_believed_all_the_same() -> None:
    async def main() -> None:
        async with world(contact="rest", settings={"health": HealthSettings(slow_call_s=2.0)}) as w:
            await w.broker.ready()
            w.client.latency_s = 2.5
            w.venue.truth["USD"] = ("1400.00", "0")
            is_open = lambda status: status.capability("read").breaker.state is BreakerState.OPEN  # noqa: E731
            await w.broker.wait_until(is_open, timeout_s=90)
            assert read_of(w).breaker.why == "slow"
            await w.broker.refresh()
            assert w.total() == "1400.00"
            w.client.latency_s = 0.1
            await w.broker.refresh()
            assert read_of(w).breaker.state is BreakerState.CLOSED

    run_virtual(main())


def test_what_a_read_waits_for_in_its_lane_is_not_the_venues_time() -> None:
    async def main() -> None:
        async with world(contact="rest", settings={"health": HealthSettings(slow_call_s=2.0)}) as w:
            await w.broker.ready()
            for _ in range(5):
                async with w.client._lane.turn(priority=0):  # type: ignore[arg-type]
                    reading = asyncio.create_task(w.broker.refresh())
                    await asyncio.sleep(3)
                assert (await reading).is_ok
            assert read_of(w).error_count == 0

    run_virtual(main())


# The stream


def test_a_live_stream_stands_in_for_reads_which_are_counted_and_open_nothing() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            break_reads(w, unreachable())
            w.broker._backend.supervisor.account.reconciler.hurry("test", now_s=0)  # type: ignore[attr-defined]
            await asyncio.sleep(120)
            assert w.broker.get_error_count() >= 3
            assert read_of(w).breaker.openings == 0
            assert w.broker.is_available()
            assert "reads_failing" in w.broker.status().reasons

    run_virtual(main())


def test_validated_stream_data_closes_the_read_breaker_and_the_streams_own() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            w.stream.refuses = unreachable()
            w.stream.cut()
            await opened(w)
            await asyncio.sleep(120)
            stream = w.broker.status().capability("stream")
            assert (stream.breaker.state is BreakerState.CLOSED, stream.breaker.openings) == (False, 1)
            assert w.broker.status().capability("read").breaker.openings > 2
            w.stream.refuses = None
            await w.broker.wait_until(lambda status: status.stream.state == "live", timeout_s=90)
            states = {each.name: each.breaker.state for each in w.broker.status().capabilities}
            assert set(states.values()) == {BreakerState.CLOSED}
            assert w.broker.is_available()
            assert {each["capability"] for each in w.said("breaker.closed")} == {"read", "stream"}

    run_virtual(main())


def test_the_streams_breaker_is_a_mirror_and_adds_no_second_backoff() -> None:
    async def main() -> list[int]:
        counts = []
        for threshold in (1, 1000):
            async with world(settings={"health": HealthSettings(failure_threshold=threshold)}) as w:
                await w.broker.wait_until("live")
                w.stream.refuses = unreachable()
                w.stream.cut()
                await asyncio.sleep(1800)
                counts.append(w.stream.runs)
                stream = w.broker.status().capability("stream")
                assert (stream.breaker.openings == 1) is (threshold == 1)
                assert stream.breaker.is_stuck is (threshold == 1)
        return counts

    few, many = run_virtual(main())
    assert few == many > 10


def test_a_reset_lets_the_stream_connect_without_waiting() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            w.stream.refuses = unreachable()
            w.stream.cut()
            await asyncio.sleep(1800)
            w.stream.refuses = None
            report = await w.broker.reset_circuit_breaker()
            assert [each.breaker.state.value for each in report.before][2] != "closed"
            await w.broker.wait_until("live", timeout_s=6)

    run_virtual(main())


@pytest.mark.parametrize("error", [LockoutError("locked out", retry_after_s=30, **AT), BadCredentialError("", **AT)])
def test_a_stream_that_may_not_be_opened_is_not_broken(error: HoldfastError) -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.wait_until("live")
            w.stream.refuses = error
            await asyncio.sleep(60)
            w.stream.refuses = error
            w.stream.cut()
            await asyncio.sleep(1800)
            # The cut itself is the only loss that counts.
            assert w.broker.status().capability("stream").error_count == 1

    run_virtual(main())


# Time


def test_a_breaker_that_trials_cannot_close_is_told_as_stuck_once() -> None:
    async def main() -> None:
        async with world(contact="rest", settings={"health": HealthSettings(stuck_after_s=600.0)}) as w:
            await w.broker.ready()
            await opened(w)
            await asyncio.sleep(590)
            assert w.said("breaker.stuck") == []
            await asyncio.sleep(20)
            assert [each["capability"] for each in w.said("breaker.stuck")] == ["read"]
            assert read_of(w).breaker.is_stuck
            await asyncio.sleep(3600)
            assert len(w.said("breaker.stuck")) == 1
            break_reads(w, None)
            await w.broker.ready(timeout_s=60)
            assert not read_of(w).breaker.is_stuck

    run_virtual(main())


def test_a_machine_that_slept_through_the_break_tries_at_once() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            await opened(w)
            break_reads(w, None)
            w.clock.suspend(3600)
            await asyncio.sleep(6)
            assert read_of(w).breaker.state is BreakerState.CLOSED

    run_virtual(main())
