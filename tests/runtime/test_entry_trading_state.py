"""Which orders are taken: by a person's word, by an invariant, by a store that is behind; and that it outlives us."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from holdfast.errors import HaltedError, StoreFullError
from holdfast.store.memory import MemoryStore
from holdfast.testing import FakeClock, FakeVenue, run_virtual
from holdfast.testing.parts import memory_parts
from tests.runtime.entry_rig import FUNDS, SlowStore, Trade, outcome_of, trading


async def takes(t: Trade) -> list[str]:
    """What becomes of a buy, of an exit and of a cancel now."""
    buy = await outcome_of(t.buy(f"buy{t.clock.now_s()}", quantity="0.001"))
    out = await outcome_of(t.broker.place_market_order("BTC-USD", "sell", "0.001"))
    cancel = await outcome_of(t.broker.cancel_order("resting"))
    return [buy, out, cancel]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("active", ["open", "filled", "canceled"]),
        ("reducing", ["HaltedError", "filled", "canceled"]),
        ("halted", ["HaltedError", "HaltedError", "canceled"]),
    ],
)
def test_each_state_takes_what_it_takes_and_says_why_not(state: str, expected: list[str]) -> None:
    async def main() -> None:
        async with trading() as t:
            await t.buy("resting", quantity="0.001")
            await t.broker.set_trading_state(state, reason="maintenance of ours")
            assert await takes(t) == expected
            status = t.broker.status()
            assert status.trading_state == state
            if state != "active":
                assert status.trading_reason == "maintenance of ours"
                (told,) = t.said("trading.changed")
                assert (told["before"], told["after"], told["reason"]) == ("active", state, "maintenance of ours")
                with pytest.raises(HaltedError, match="maintenance of ours") as caught:
                    await t.buy("b")
                assert caught.value.verdict.code == state
            await t.broker.set_trading_state("active")
            assert await outcome_of(t.buy("after", quantity="0.001")) == "open"

    run_virtual(main())


def test_a_state_is_told_once_however_often_it_is_set() -> None:
    async def main() -> None:
        async with trading() as t:
            for _ in range(3):
                await t.broker.set_trading_state("halted")
            assert len(t.said("trading.changed")) == 1

    run_virtual(main())


def test_an_order_on_its_way_to_the_write_is_stopped_by_the_last_look() -> None:
    async def main() -> None:
        async with trading(store=SlowStore(delay_s=0.5)) as t:
            placing = asyncio.create_task(outcome_of(t.buy("a")))
            leaving = asyncio.create_task(
                outcome_of(t.broker.place_market_order("BTC-USD", "sell", "0.1", intent_id="out"))
            )
            await asyncio.sleep(0.2)
            assert t.at("a") == "sending, active"
            setting = asyncio.create_task(t.broker.set_trading_state("reducing"))
            assert await placing == "HaltedError"
            assert await leaving == "filled"
            await setting
            assert len(t.sent) == 1
            assert (await t.broker.order("a")).state == "never_sent"
            assert t.reserved() == 0

    run_virtual(main())


def test_a_stricter_state_is_in_force_before_it_is_durable_and_even_if_it_cannot_be() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with trading(store=store) as t:
            store.fail_with = "full"
            with pytest.raises(StoreFullError):
                await t.broker.set_trading_state("halted", reason="now")
            assert t.broker.status().trading_state == "halted"
            assert t.said("trading.changed")[0]["after"] == "halted"
            store.fail_with = None

    run_virtual(main())


def test_active_is_not_in_force_before_it_is_durable() -> None:
    """A state that could not be kept would be another one after a restart."""

    async def main() -> None:
        store = MemoryStore()
        async with trading(store=store) as t:
            await t.broker.set_trading_state("halted")
            store.fail_with = "full"
            with pytest.raises(StoreFullError):
                await t.broker.set_trading_state("active")
            assert t.broker.status().trading_state == "halted"
            store.fail_with = None
            keep_fact = store.keep_fact

            async def slow(name: str, value: str | None) -> None:
                await asyncio.sleep(0.5)
                await keep_fact(name, value)

            store.keep_fact = slow  # type: ignore[method-assign]
            resuming = asyncio.create_task(t.broker.set_trading_state("active"))
            await asyncio.sleep(0.4)
            assert t.broker.status().trading_state == "halted"
            await resuming
            assert t.broker.status().trading_state == "active"

    run_virtual(main())


def test_an_invariant_that_breaks_while_a_person_resumes_stays_broken() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with trading(store=store) as t:
            await t.broker.set_trading_state("halted")
            keep_fact = store.keep_fact

            async def slow(name: str, value: str | None) -> None:
                await asyncio.sleep(0.5)
                await keep_fact(name, value)

            store.keep_fact = slow  # type: ignore[method-assign]
            resuming = asyncio.create_task(t.broker.set_trading_state("active"))
            await asyncio.sleep(0.2)
            t.entry.trading.broken("invariant_I9", store)
            await resuming
            await asyncio.sleep(2)
            assert t.broker.status().trading_state == "halted"
            assert t.broker.status().trading_reason == "invariant_I9"
            kept = await store.fact("trading")
            assert kept is not None
            assert json.loads(kept)["broken"] == "invariant_I9"

    run_virtual(main())


@pytest.mark.parametrize("state", ["reducing", "halted"])
def test_a_state_outlives_the_process(state: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock(asyncio.get_running_loop())
        venue = FakeVenue(dict(FUNDS))
        for seed in range(2):
            parts = memory_parts(clock=clock, venue=venue, store_path=tmp_path / "store.db", seed=seed)
            async with trading(parts=parts, venue=venue, clock=clock) as t:
                if seed == 0:
                    await t.broker.set_trading_state(state, reason="over for today")
                    continue
                assert t.broker.status().trading_state == state
                assert t.broker.status().trading_reason == "over for today"
                assert t.said("trading.changed") == []
                assert await outcome_of(t.buy("a")) == "HaltedError"
                await t.broker.set_trading_state("active")
                assert [(told["before"], told["after"]) for told in t.said("trading.changed")] == [(state, "active")]

    run_virtual(main())


def test_what_an_invariant_halted_outlives_the_process_until_a_person_resumes(tmp_path: Path) -> None:
    async def main() -> None:
        clock = FakeClock(asyncio.get_running_loop())
        venue = FakeVenue(dict(FUNDS))
        for seed in range(3):
            parts = memory_parts(clock=clock, venue=venue, store_path=tmp_path / "store.db", seed=seed)
            async with trading(parts=parts, venue=venue, clock=clock) as t:
                if seed == 0:
                    t.entry.trading.broken("invariant_I1", t.entry.account.store)
                    await asyncio.sleep(0.1)
                elif seed == 1:
                    assert t.broker.status().trading_state == "halted"
                    assert t.broker.status().trading_reason == "invariant_I1"
                    assert not t.broker.is_available()
                    await t.broker.set_trading_state("active")
                else:
                    assert await outcome_of(t.buy("a")) == "open"

    run_virtual(main())


def test_what_an_invariant_halted_is_kept_as_soon_as_the_store_takes_it() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with trading(store=store) as t:
            store.fail_with = "full"
            t.entry.trading.broken("invariant_I1", store)
            await asyncio.sleep(1)
            assert await store.fact("trading") is None
            assert t.broker.status().trading_state == "halted"
            store.fail_with = None
            t.stream.move("USD", "1")
            await asyncio.sleep(10)
            kept = await store.fact("trading")
            assert kept is not None
            assert "invariant_I1" in kept

    run_virtual(main())


def test_a_person_may_be_stricter_while_an_invariant_has_halted_and_lifts_neither() -> None:
    async def main() -> None:
        async with trading() as t:
            t.entry.trading.broken("invariant_I1", t.entry.account.store)
            await t.broker.set_trading_state("reducing")
            assert t.broker.status().trading_state == "halted"
            await t.broker.set_trading_state("active")
            assert t.broker.status().trading_state == "active"

    run_virtual(main())


# A store that is behind


def test_a_restored_older_store_starts_halted_and_a_person_has_to_accept_it_by_name(tmp_path: Path) -> None:
    async def main() -> None:
        store = MemoryStore()
        store._set_fact("halted", json.dumps({"reason": "restored_old_copy"}))
        async with trading(store=store) as t:
            assert t.broker.status().trading_state == "halted"
            assert t.broker.status().trading_reason == "restored_old_copy"
            assert await outcome_of(t.buy("a")) == "HaltedError"
            assert await outcome_of(t.broker.place_market_order("BTC-USD", "sell", "0.1")) == "HaltedError"
            with pytest.raises(HaltedError, match="accept-restored"):
                await t.broker.set_trading_state("active")
            assert t.broker.status().trading_state == "halted"
            await t.broker.set_trading_state("active", accepts_restored=True)
            assert await outcome_of(t.buy("b")) == "open"
            assert await store.fact("halted") is None

    run_virtual(main())


def test_accepting_a_restored_store_that_is_none_does_no_harm() -> None:
    async def main() -> None:
        async with trading() as t:
            await t.broker.set_trading_state("active", accepts_restored=True)
            assert await outcome_of(t.buy("a")) == "open"

    run_virtual(main())
