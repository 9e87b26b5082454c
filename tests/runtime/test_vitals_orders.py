"""Orders and the trade breaker: who is denied, who passes, what a trial decides, and what a person may say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.config.health import HealthSettings
from holdfast.core.breakers import BreakerState
from holdfast.errors import BreakerOpenError, OrderInputError, VenueError
from holdfast.runtime.views import CapabilityHealth
from holdfast.store.memory import MemoryStore
from holdfast.testing import FakeClock, FakeVenue, run_virtual
from tests.runtime.entry_rig import Trade, outcome_of, trading

READS = ("BalanceEx", "Balance", "orders")


def trade_of(t: Trade) -> CapabilityHealth:
    return t.broker.status().capability("trade")


def busy() -> VenueError:
    return VenueError("EService:Unavailable", venue="acme", request="place_order", code="EService:Unavailable")


async def opened(t: Trade, *, money: str = "0.001") -> None:
    """Lose three orders in a row to a venue that fails."""
    t.stream.outcomes.add(busy(), busy(), busy())
    for number in range(3):
        assert await outcome_of(t.buy(f"lost {number}", quantity=money)) == "OutcomeUnknownError"
    assert trade_of(t).breaker.state is BreakerState.OPEN


async def break_over(t: Trade) -> None:
    left_s = trade_of(t).breaker.retry_after_s
    assert left_s is not None
    await asyncio.sleep(left_s + 0.01)
    assert trade_of(t).breaker.state is BreakerState.HALF_OPEN


def test_three_faults_in_a_row_deny_new_orders_with_the_time_to_wait_and_nothing_reaches_the_venue() -> None:
    async def main() -> None:
        async with trading() as t:
            await opened(t)
            assert not t.broker.is_available()
            assert t.broker.get_error_count() == 3
            assert "trade_breaker_open" in t.broker.status().reasons
            before = (len(t.sent), len(t.asked("tickers", "fee_rates")))
            for number in range(20):
                with pytest.raises(BreakerOpenError) as caught:
                    await t.buy(f"denied {number}")
                assert caught.value.retry_after_s is not None
                assert 0 < caught.value.retry_after_s <= 5
                assert caught.value.verdict.code == "breaker_open"
                with pytest.raises(BreakerOpenError):
                    await t.broker.place_market_order("SOL-USD", "buy", "0.1", intent_id=f"market {number}")
                assert "`holdfast reset-circuit-breaker acme-master`" in str(caught.value)
            assert (len(t.sent), len(t.asked("tickers", "fee_rates"))) == before
            assert t.broker.reservations() == [each for each in t.broker.reservations() if "lost" in each.intent_id]

    run_virtual(main())


def test_a_verdict_says_that_the_breaker_is_open_and_for_how_long() -> None:
    async def main() -> None:
        async with trading() as t:
            await opened(t)
            verdict = await t.broker.verify_balance_before_order("BTC-USD", "buy", "0.001")
            assert (verdict.code, verdict.is_approved) == ("breaker_open", False)
            assert verdict.retry_after_s is not None
            assert verdict.document()["retry_after_s"] == verdict.retry_after_s
            assert "the trade breaker lets nothing through" in verdict.arithmetic
            claim = await t.broker.verify_balance_before_order("BTC-USD", "buy", "0.001", reserve=True)
            assert not claim.is_reserved

    run_virtual(main())


def test_exits_and_cancels_pass_an_open_breaker_and_one_that_succeeds_heals_it() -> None:
    async def main() -> None:
        async with trading() as t:
            resting = await t.buy("resting", quantity="0.001")
            await opened(t)
            cancelled = await t.broker.cancel_order(resting)
            assert cancelled.state == "canceled"
            assert trade_of(t).breaker.state is not BreakerState.CLOSED
            sold = (await t.broker.close_position("BTC-USD", quantity="0.01", intent_id="exit")).order
            assert sold is not None
            assert sold.state == "filled"
            assert trade_of(t).breaker.state is BreakerState.CLOSED
            assert t.broker.get_error_count() == 0
            assert (await t.buy("again", quantity="0.001")).state == "open"

    run_virtual(main())


@pytest.mark.parametrize("kind", ["exits", "cancels"])
def test_what_passes_an_open_breaker_goes_one_at_a_time(kind: str) -> None:
    async def main() -> None:
        async with trading() as t:
            resting = [await t.buy(f"resting {number}", quantity="0.0005") for number in range(4)]
            t.stream.outcomes.add(*[busy()] * 20)
            await opened(t)
            under_way, most = 0, 0
            latency = t.stream._latency

            async def counted(end: Any, request: str) -> None:
                nonlocal under_way, most
                under_way += 1
                most = max(most, under_way)
                await latency(end, request)
                under_way -= 1

            t.stream._latency = counted  # type: ignore[method-assign]
            if kind == "exits":
                work = [t.broker.place_market_order("BTC-USD", "sell", "0.001", intent_id=f"x{n}") for n in range(4)]
                assert set(await asyncio.gather(*map(outcome_of, work))) == {"OutcomeUnknownError"}
            else:
                await asyncio.gather(*(t.broker.cancel_order(each) for each in resting))
            assert most == 1

    run_virtual(main())


def test_after_the_break_one_order_of_many_is_the_trial_and_its_success_lets_all_through() -> None:
    async def main() -> None:
        async with trading() as t:
            await opened(t)
            await break_over(t)
            assert t.broker.is_available()  # Else nobody would ever bring the trial.
            outcomes = await asyncio.gather(*(outcome_of(t.buy(f"b{n}", quantity="0.0005")) for n in range(6)))
            assert sorted(outcomes) == ["BreakerOpenError"] * 5 + ["open"]
            assert trade_of(t).breaker.state is BreakerState.CLOSED
            assert (await t.buy("after", quantity="0.0005")).state == "open"

    run_virtual(main())


def test_a_failed_trial_opens_it_for_longer() -> None:
    async def main() -> None:
        async with trading() as t:
            await opened(t)
            await break_over(t)
            t.stream.outcomes.add(busy())
            assert await outcome_of(t.buy("trial", quantity="0.0005")) == "OutcomeUnknownError"
            left_s = trade_of(t).breaker.retry_after_s
            assert left_s is not None
            assert 8 <= left_s <= 10

    run_virtual(main())


def test_a_hanging_trial_fails_at_its_own_deadline_and_never_leaves_the_breaker_half_open() -> None:
    async def main() -> None:
        async with trading() as t:
            await opened(t)
            await break_over(t)
            t.stream.outcomes.add("lost_before")
            trial = asyncio.create_task(outcome_of(t.buy("trial", quantity="0.0005")))
            await asyncio.sleep(1)
            assert await outcome_of(t.buy("meanwhile", quantity="0.0005")) == "BreakerOpenError"
            assert await trial == "OutcomeUnknownError"
            assert trade_of(t).breaker.state is BreakerState.OPEN

    run_virtual(main())


@pytest.mark.parametrize("outcome", ["reject", "funds"])
def test_refusals_count_for_nothing_however_many_and_prove_that_the_venue_answers(outcome: str) -> None:
    async def main() -> None:
        async with trading() as t:
            for number in range(100):
                t.stream.outcomes.add(outcome)
                await outcome_of(t.buy(f"r{number}", quantity="0.0005"))
                await t.broker.refresh()
            assert (t.broker.get_error_count(), trade_of(t).breaker.openings) == (0, 0)
            await opened(t)
            await break_over(t)
            t.stream.outcomes.add(outcome)
            await outcome_of(t.buy("trial", quantity="0.0005"))
            assert trade_of(t).breaker.state is BreakerState.CLOSED

    run_virtual(main())


def test_a_trial_that_was_never_sent_is_given_back() -> None:
    async def main() -> None:
        async with trading(store=MemoryStore()) as t:
            await opened(t)
            await break_over(t)
            t.store.fail("full") if hasattr(t.store, "fail") else setattr(t.store, "_reason", "full")
            await outcome_of(t.buy("unkept", quantity="0.0005"))
            t.store._reason = None
            await asyncio.sleep(0.1)
            assert trade_of(t).breaker.state is BreakerState.HALF_OPEN
            assert await outcome_of(t.buy("kept", quantity="0.0005")) == "open"

    run_virtual(main())


def test_orders_that_take_too_long_count_and_stand_all_the_same() -> None:
    async def main() -> None:
        async with trading(health=HealthSettings(slow_call_s=2.0)) as t:
            t.stream.latency_s = 2.5
            for number in range(3):
                assert (await t.buy(f"slow {number}", quantity="0.0005")).state == "open"
            assert (trade_of(t).breaker.state, trade_of(t).breaker.why) == (BreakerState.OPEN, "slow")

    run_virtual(main())


def test_a_dry_run_goes_through_the_same_breaker() -> None:
    async def main() -> None:
        async with trading() as t:
            await opened(t)
            with pytest.raises(BreakerOpenError):
                await t.broker.place_limit_order("BTC-USD", "buy", "0.001", "40000", validate=True)
            await break_over(t)
            await t.broker.place_limit_order("BTC-USD", "buy", "0.001", "40000", validate=True)
            assert trade_of(t).breaker.state is BreakerState.CLOSED

    run_virtual(main())


# The stream's word


def test_fresh_stream_data_ends_the_break_early_and_only_once() -> None:
    async def main() -> None:
        async with trading() as t:
            await opened(t)
            assert await outcome_of(t.buy("at once", quantity="0.0005")) == "BreakerOpenError"
            await asyncio.sleep(0.5)
            t.stream.move("USD", "1")
            t.stream.outcomes.add(busy())
            assert await outcome_of(t.buy("trial", quantity="0.0005")) == "OutcomeUnknownError"
            await asyncio.sleep(0.5)
            t.stream.move("USD", "1")
            # The stream was good all along: what it says a second time is no news about orders.
            assert await outcome_of(t.buy("no trial", quantity="0.0005")) == "BreakerOpenError"

    run_virtual(main())


def test_a_stream_that_comes_back_ends_the_break_early() -> None:
    async def main() -> None:
        async with trading(health=HealthSettings(break_initial_s=200.0)) as t:
            t.stream.refuses = busy()
            t.stream.cut()
            await asyncio.sleep(1)
            await t.broker.ready()
            t.client.outcomes.add(busy(), busy(), busy())
            for number in range(3):
                assert await outcome_of(t.buy(f"lost {number}", quantity="0.0005")) == "OutcomeUnknownError"
            assert trade_of(t).breaker.state is BreakerState.OPEN
            t.stream.refuses = None
            await t.broker.wait_until("live", timeout_s=90)
            assert (await t.buy("trial", quantity="0.0005")).state == "open"
            assert trade_of(t).breaker.state is BreakerState.CLOSED

    run_virtual(main())


# Restarts


def test_a_restart_keeps_an_open_breaker_for_the_rest_of_its_break() -> None:
    async def main() -> None:
        clock, store, venue = FakeClock(asyncio.get_running_loop()), MemoryStore(), FakeVenue({"USD": ("1000", "0")})
        health = HealthSettings(break_initial_s=120.0)
        async with trading(clock=clock, store=store, venue=venue, health=health) as t:
            await opened(t)
        await asyncio.sleep(20)
        async with trading(clock=clock, store=store, venue=venue, health=health, contact="rest", is_ready=False) as t:
            trade = trade_of(t)
            assert (trade.breaker.state, trade.breaker.why) == (BreakerState.OPEN, "venue")
            assert trade.breaker.retry_after_s is not None
            assert 60 < trade.breaker.retry_after_s < 100

    run_virtual(main())


@pytest.mark.parametrize("step_s", [-86_400.0, 86_400.0])
def test_a_wall_clock_that_stepped_while_nobody_ran_keeps_it_for_one_break_at_most(step_s: float) -> None:
    async def main() -> None:
        clock, store, venue = FakeClock(asyncio.get_running_loop()), MemoryStore(), FakeVenue({"USD": ("1000", "0")})
        health = HealthSettings(break_initial_s=120.0)
        async with trading(clock=clock, store=store, venue=venue, health=health) as t:
            await opened(t)
        clock.step_wall(step_s)
        async with trading(clock=clock, store=store, venue=venue, health=health, is_ready=False) as t:
            trade = trade_of(t)
            if step_s > 0:
                assert trade.breaker.state is BreakerState.HALF_OPEN
            else:
                assert trade.breaker.retry_after_s is not None
                assert 90 <= trade.breaker.retry_after_s <= 120

    run_virtual(main())


# A person's word


def test_an_isolated_broker_takes_exits_and_cancels_alone_through_a_restart_until_it_is_reset() -> None:
    async def main() -> None:
        clock, store, venue = (
            FakeClock(asyncio.get_running_loop()),
            MemoryStore(),
            FakeVenue({"USD": ("1000", "0"), "BTC": ("0.5", "0")}),
        )
        async with trading(clock=clock, store=store, venue=venue) as t:
            resting = await t.buy("resting", quantity="0.001")
            await t.broker.isolate(reason="something is odd")
            assert not t.broker.is_available()
            assert t.broker.status().reasons[:2] == ("trade_isolated", "read_isolated")
            assert [each["capability"] for each in t.said("breaker.isolated")] == ["read", "trade"]
            await t.broker.isolate()
            assert {each.breaker.why for each in t.broker.status().capabilities[:2]} == {"something is odd"}
        async with trading(clock=clock, store=store, venue=venue, is_ready=False) as t:
            await t.broker.wait_until(lambda status: status.stream.state == "live")
            assert trade_of(t).breaker.why == "something is odd"
            with pytest.raises(BreakerOpenError, match="something is odd") as caught:
                await t.buy("denied", quantity="0.001")
            assert caught.value.retry_after_s is None
            await t.broker.refresh()
            assert (await t.broker.cancel_order(resting.intent_id or "")).state == "canceled"
            assert (await t.broker.place_market_order("BTC-USD", "sell", "0.001", intent_id="exit")).state == "filled"
            assert trade_of(t).breaker.state is BreakerState.ISOLATED
            report = await t.broker.reset_circuit_breaker()
            assert report.is_ok
            assert [each.breaker.state.value for each in report.before] == ["isolated", "isolated", "closed"]
            assert [each.breaker.state.value for each in report.after] == ["closed"] * 3
            assert t.broker.is_available()
            assert (await t.buy("again", quantity="0.001")).state == "open"

    run_virtual(main())


def test_isolated_reads_stop_the_schedule_and_not_a_refresh() -> None:
    async def main() -> None:
        async with trading(contact="rest") as t:
            await t.broker.isolate("read")
            before = len(t.asked(*READS))
            await asyncio.sleep(600)
            assert len(t.asked(*READS)) == before
            assert (await t.broker.refresh()).is_ok
            assert t.broker.status().capability("read").breaker.state is BreakerState.ISOLATED
            await t.broker.reset_circuit_breaker()
            await asyncio.sleep(60)
            assert len(t.asked(*READS)) > before + 3

    run_virtual(main())


def test_there_are_no_other_breakers_to_isolate() -> None:
    async def main() -> None:
        async with trading() as t:
            with pytest.raises(OrderInputError, match="no breaker 'stream'"):
                await t.broker.isolate("stream")  # type: ignore[arg-type]

    run_virtual(main())


def test_a_reset_clears_and_reads_again_with_retries_and_tells_what_it_found() -> None:
    async def main() -> None:
        async with trading(contact="rest", funds={"USD": ("1000", "0")}) as t:
            t.client.outcomes.add(busy(), busy(), busy())
            for number in range(3):
                await outcome_of(t.buy(f"lost {number}", quantity="0.0005"))
            for read in READS:
                t.client.failing[read] = busy()
            await t.broker.wait_until(lambda status: status.capability("read").breaker.state is BreakerState.OPEN)
            asyncio.get_running_loop().call_later(2.5, t.client.failing.clear)
            report = await t.broker.reset_circuit_breaker()
            assert report.refresh.attempts > 2
            assert [each.breaker.state.value for each in report.before] == ["open", "half_open", "closed"]
            assert report.is_ok
            assert t.broker.get_error_count() == 0
            assert {each["capability"] for each in t.said("breaker.reset")} == {"read", "trade"}

    run_virtual(main())


def test_a_reset_of_what_is_still_broken_says_so() -> None:
    async def main() -> None:
        async with trading(contact="rest") as t:
            for read in READS:
                t.client.failing[read] = busy()
            report = await t.broker.reset_circuit_breaker(timeout_s=20)
            assert not report.is_ok
            assert report.refresh.error is not None
            assert "EService:Unavailable" in report.refresh.error
            assert report.after[0].breaker.state is BreakerState.OPEN

    run_virtual(main())


def test_what_ends_because_we_end_it_is_not_the_venues_fault() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with trading(store=store, health=HealthSettings(failure_threshold=1)) as t:
            t.stream.latency_s = 2.0
            placing = asyncio.create_task(outcome_of(t.buy("under way", quantity="0.0005")))
            await asyncio.sleep(0.1)
        assert await placing == "OutcomeUnknownError"
        assert t.said("breaker.opened") == []
        assert "breakers" not in store._facts

    run_virtual(main())
