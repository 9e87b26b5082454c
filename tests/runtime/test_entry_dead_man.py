"""The venue's dead-man switch: armed while we live, disarmed when we leave in order, and left armed when we do not."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from holdfast.core.venue import VenueMode, VenueStatus
from holdfast.testing import run_virtual
from tests.runtime.entry_rig import Trade, trading

ARMED: dict[str, Any] = {"dead_man_s": 60}


def watch(t: Trade) -> list[tuple[float, str, int]]:
    """What is set from now on: when, over which wire, to how many seconds."""
    told: list[tuple[float, str, int]] = []
    stream, client = t.stream, t.client
    by_stream, by_rest = stream.cancel_all_after, client.cancel_all_after

    async def over_stream(timeout_s: int, **more: Any) -> None:
        await by_stream(timeout_s, **more)
        told.append((t.clock.now_s(), "stream", timeout_s))

    async def over_rest(timeout_s: int, **more: Any) -> None:
        await by_rest(timeout_s, **more)
        told.append((t.clock.now_s(), "rest", timeout_s))

    stream.cancel_all_after = over_stream  # type: ignore[method-assign]
    client.cancel_all_after = over_rest  # type: ignore[method-assign]
    return told


def set_mode(t: Trade, mode: VenueMode) -> None:
    t.venue.mode = mode
    t.entry.account.venue_changed(VenueStatus(mode=mode, as_of_s=t.clock.now_s()))


def test_no_switch_is_set_where_none_is_wanted() -> None:
    async def main() -> None:
        async with trading() as t:
            told = watch(t)
            await asyncio.sleep(120)
            assert told == []
        assert told == []

    run_virtual(main())


def test_it_is_rearmed_at_a_third_of_its_time_and_told_once() -> None:
    async def main() -> None:
        async with trading(orders=ARMED) as t:
            told = watch(t)
            await asyncio.sleep(121)
            assert [timeout_s for _, _, timeout_s in told] == [60] * len(told)
            assert len(told) == pytest.approx(6, abs=1)
            pauses = [later[0] - earlier[0] for earlier, later in itertools.pairwise(told)]
            assert all(pause <= 20.2 for pause in pauses)
            assert len(t.said("dead_man.armed")) == 1

    run_virtual(main())


def test_it_is_disarmed_when_the_broker_is_closed_in_order() -> None:
    async def main() -> None:
        async with trading(orders=ARMED) as t:
            told = watch(t)
            await asyncio.sleep(30)
        assert told[-1][2] == 0

    run_virtual(main())


@pytest.mark.parametrize("reason", ["ownership_lost", "invariant"])
def test_a_broker_that_is_stopped_by_a_fault_leaves_it_armed(reason: str) -> None:
    """Nobody looks after the orders any more; and where another process owns the account, the switch is that one's."""

    async def main() -> None:
        async with trading(orders=ARMED) as t:
            told = watch(t)
            await asyncio.sleep(30)
            t.entry.account.halt(reason)
            await asyncio.sleep(5)
            assert 0 not in [timeout_s for _, _, timeout_s in told]
        assert 0 not in [timeout_s for _, _, timeout_s in told]

    run_virtual(main())


def test_rest_keeps_it_armed_while_the_stream_is_down() -> None:
    async def main() -> None:
        async with trading(orders=ARMED) as t:
            told = watch(t)
            t.stream.refuses = t.venue.lost("stream", "acme-master")
            t.stream.cut()
            await asyncio.sleep(60)
            assert {wire for _, wire, _ in told} == {"rest"}
            assert len(told) >= 2

    run_virtual(main())


def test_a_failure_is_told_once_and_tried_again_soon() -> None:
    async def main() -> None:
        async with trading(orders=ARMED, contact="rest") as t:
            await asyncio.sleep(5)
            told = watch(t)
            t.client.failing["cancel_all_after"] = t.venue.lost("cancel_all_after", "acme-master")
            await asyncio.sleep(60)
            assert told == []
            assert len(t.said("dead_man.failed")) == 1
            assert len(t.asked("cancel_all_after")) > 10
            t.client.failing.clear()
            await asyncio.sleep(10)
            assert told[-1][2] == 60
            assert len(t.said("dead_man.armed")) == 2

    run_virtual(main())


def test_it_is_disarmed_before_maintenance_once_and_armed_again_after_it() -> None:
    async def main() -> None:
        async with trading(orders=ARMED) as t:
            told = watch(t)
            await asyncio.sleep(30)
            set_mode(t, VenueMode.MAINTENANCE)
            await asyncio.sleep(25)
            assert told[-1][2] == 0
            disarmed = len(told)
            t.client.failing["cancel_all_after"] = t.venue.lost("cancel_all_after", "acme-master")
            before = len(t.asked())
            await asyncio.sleep(120)
            # A venue in maintenance is not hammered with what it was told already.
            assert len(told) == disarmed
            assert len(t.asked("cancel_all_after")) <= 6
            assert len(t.asked()) >= before
            t.client.failing.clear()
            set_mode(t, VenueMode.ONLINE)
            await asyncio.sleep(25)
            assert told[-1][2] == 60

    run_virtual(main())


@pytest.mark.parametrize("latency_s", [0.5, 5.0, 60.0])
def test_a_venue_that_is_slow_at_the_end_neither_delays_closing_nor_counts_as_a_bug(latency_s: float) -> None:
    async def main() -> list[str]:
        async with trading(orders=ARMED, contact="rest") as t:
            await asyncio.sleep(5)
            t.client.latency_s = latency_s
            began_s = t.clock.now_s()
        assert t.clock.now_s() - began_s <= 3
        await asyncio.sleep(200)
        return [event.name for event in t.events]

    assert "broker.halted" not in run_virtual(main())


def test_a_venue_that_refuses_at_the_end_is_no_bug() -> None:
    async def main() -> list[str]:
        async with trading(orders=ARMED, contact="rest") as t:
            await asyncio.sleep(5)
            t.client.failing["cancel_all_after"] = t.venue.lost("cancel_all_after", "acme-master")
        return [event.name for event in t.events]

    assert "broker.halted" not in run_virtual(main())
