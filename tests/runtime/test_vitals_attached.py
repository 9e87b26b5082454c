"""An attached broker shows the owner's breakers, is denied by them, and may isolate and reset them."""

from __future__ import annotations

import asyncio

import pytest

import holdfast
from holdfast.core.breakers import BreakerState
from holdfast.core.events import Event
from holdfast.errors import BreakerOpenError
from holdfast.runtime.clock import SystemClock
from holdfast.testing import FakeClock, FakeVenue, MemoryOwners, MemorySockets, memory_config, memory_parts, run_virtual


def test_an_attached_broker_sees_meets_isolates_and_resets_the_owners_breakers() -> None:
    async def main() -> None:
        clock = FakeClock(asyncio.get_running_loop())
        venue = FakeVenue({"USD": ("1000", "0"), "BTC": ("0.5", "0")})
        shared = {"clock": clock, "venue": venue, "owners": MemoryOwners(), "sockets": MemorySockets()}
        events: list[Event] = []
        own = holdfast.open(memory_config(), mode="own", parts=memory_parts(**shared))  # type: ignore[arg-type]
        attach = holdfast.open(
            memory_config(),
            mode="attach",
            parts=memory_parts(**shared),  # type: ignore[arg-type]
            on_event=events.append,
        )
        async with own as owner, attach as attached:
            theirs, ours = owner["acme-master"], attached["acme-master"]
            await theirs.wait_until("live")
            await ours.wait_until("live")
            assert [each.name for each in ours.status().capabilities] == ["read", "trade", "stream"]
            await ours.isolate("trade", reason="a look")
            assert theirs.status().capability("trade").breaker.state is BreakerState.ISOLATED
            assert ours.status().capability("trade").breaker.why == "a look"
            assert not ours.is_available()
            with pytest.raises(BreakerOpenError, match="a look") as caught:
                await ours.place_limit_order("BTC-USD", "buy", "0.001", "40000")
            assert caught.value.retry_after_s is None
            assert caught.value.verdict.code == "breaker_open"
            assert (await ours.place_market_order("BTC-USD", "sell", "0.001")).state == "filled"
            report = await ours.reset_circuit_breaker()
            assert report.is_ok
            assert report.before[1].breaker.state is BreakerState.ISOLATED
            assert theirs.is_available()
            assert ours.is_available()
            assert (await ours.place_limit_order("BTC-USD", "buy", "0.001", "40000")).state == "open"
            assert {"breaker.isolated", "breaker.reset"} <= {each.name for each in events}

    run_virtual(main())


def test_a_blocking_broker_isolates_and_resets() -> None:
    parts = memory_parts(clock=SystemClock(), venue=FakeVenue({"USD": ("1000", "0")}))
    with holdfast.open_blocking(memory_config(), parts=parts, contact="rest") as desk:
        desk.ready(timeout_s=10)
        broker = desk["acme-master"]
        broker.isolate(reason="a look")
        assert not broker.is_available()
        assert broker.reset_circuit_breaker(timeout_s=10).is_ok
        assert broker.is_available()
        assert broker.get_error_count() == 0
