"""What venues differ in, met by the same runtime: no pushed balances, a push that is owed, other account modes."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import msgspec
import pytest

from holdfast.core.balances import BalanceState
from holdfast.core.venue import Capability, Channel
from holdfast.errors import ConfigError, FundsShortError, UnsupportedError
from holdfast.testing import FakeClock, FakeStream, FakeVenue, run_virtual
from holdfast.testing.parts import memory_parts
from tests.runtime.entry_rig import D, trading
from tests.runtime.worlds import world

ORDERS_ONLY = msgspec.structs.replace(FakeStream.rules, channels=(Channel.ORDERS,), pushes_balances=False)
OWES_A_PUSH = msgspec.structs.replace(FakeStream.rules, balances_within_s=15.0)
FUNDS = {"USD": ("1000", "0"), "BTC": ("0.5", "0")}


def facts(**changes: Any) -> Any:
    return msgspec.structs.replace(FakeVenue.facts, **changes)


def test_figures_of_a_stream_of_orders_are_fresh_for_as_long_as_it_lives() -> None:
    async def scenario() -> None:
        async with world(venue=FakeVenue(FUNDS, rules=ORDERS_ONLY)) as w:
            await w.desk.ready(timeout_s=10)
            states = set()
            for _ in range(300):
                await asyncio.sleep(1.0)
                states.add(w.broker.balance("USD").state)
            assert states == {BalanceState.FRESH}
            assert w.broker.status().stream.state == "live"
            reads = w.asked("BalanceEx")
            gaps = [later - sooner for sooner, later in itertools.pairwise(reads)]
            assert max(gaps) <= 15.5

    run_virtual(scenario())


def test_an_orders_event_brings_the_next_read_forward_and_a_fill_is_spendable_once() -> None:
    async def scenario() -> None:
        async with trading(venue=FakeVenue(FUNDS, rules=ORDERS_ONLY), is_ready=False) as t:
            await t.desk.ready(timeout_s=10)
            await asyncio.sleep(5.0)
            await t.buy("a", quantity="0.02", price="40000")
            await asyncio.sleep(8.0)
            before_s = t.clock.now_s()
            t.orders.fill(next(iter(t.orders.open)))
            await asyncio.sleep(0.01)
            assert t.spendable() <= 200
            await asyncio.sleep(0.5)
            assert [at_s for at_s in t.asked("BalanceEx") if before_s < at_s <= before_s + 0.4]
            assert t.spendable() <= 200
            await asyncio.sleep(30.0)
            assert t.broker.balance("USD").total == t.spendable()
            assert t.reserved() == 0

    run_virtual(scenario())


def test_what_a_cancelled_order_claimed_counts_until_a_figure_of_later() -> None:
    """Where no balance is pushed nobody tells when the venue lets a hold go: its fee least of all."""

    async def scenario() -> None:
        async with trading(venue=FakeVenue(FUNDS, rules=ORDERS_ONLY), is_ready=False) as t:
            await t.desk.ready(timeout_s=10)
            await asyncio.sleep(5.0)
            await t.buy("a", quantity="0.02", price="40000")
            await t.broker.cancel_order("a")
            assert t.reserved() > 0
            assert t.spendable() <= 200
            await asyncio.sleep(30.0)
            assert t.reserved() == 0
            assert t.spendable() == 1000
            assert (await t.broker.order("a")).filled == 0

    run_virtual(scenario())


def test_the_claim_of_a_cancelled_order_ends_with_the_first_read_that_settles_it_and_a_denial_says_so() -> None:
    """A bot that cancels and places again is told what is waited for, and waits for seconds, not for the whole lag."""

    async def scenario() -> None:
        async with trading(venue=FakeVenue(FUNDS, rules=ORDERS_ONLY), is_ready=False) as t:
            await t.desk.ready(timeout_s=10)
            await asyncio.sleep(60.0)
            await t.buy("a", quantity="0.02", price="40000")
            await asyncio.sleep(5.0)
            await t.broker.cancel_order("a")
            await asyncio.sleep(0.1)
            with pytest.raises(FundsShortError, match=r"for an order that is over.* first\s+balance read.* scheduled"):
                await t.buy("b", quantity="0.02", price="40000")
            assert "for an order that is over" in t.broker.verify_balance("USD", "900").arithmetic
            await asyncio.sleep(3.2)
            assert t.reserved() == 0
            assert (await t.buy("c", quantity="0.02", price="40000")).state == "open"

    run_virtual(scenario())


def test_what_an_order_took_before_it_was_cancelled_is_claimed_until_a_read_has_to_include_it() -> None:
    """A read soon after a fill may be of before it: the money would count as free, and is gone."""

    async def scenario() -> None:
        async with trading(venue=FakeVenue(FUNDS, rules=ORDERS_ONLY), is_ready=False) as t:
            await t.desk.ready(timeout_s=10)
            await asyncio.sleep(60.0)
            await t.buy("a", quantity="0.02", price="40000")
            await asyncio.sleep(5.0)
            t.orders.fill(next(iter(t.orders.open)), quantity=D("0.01"))
            await t.broker.cancel_order("a")
            lag_s = ORDERS_ONLY.rest_lag_s
            assert lag_s > 4
            await asyncio.sleep(lag_s - 1.0)
            assert t.reserved() >= 400
            await asyncio.sleep(5.0)
            assert t.reserved() == 0

    run_virtual(scenario())


def test_a_channel_that_owes_a_push_and_is_silent_is_asked_for_a_snapshot_and_read_over_rest() -> None:
    async def scenario() -> None:
        async with world(venue=FakeVenue(FUNDS, rules=OWES_A_PUSH)) as w:
            await w.desk.ready(timeout_s=10)
            stated_s = w.clock.now_s()
            await asyncio.sleep(20.0)
            assert ("balances", "overdue") in [(channel.value, why) for channel, why in w.stream.resubscribed]
            reads = [at_s for at_s in w.asked("BalanceEx") if at_s >= stated_s + 14]
            assert reads
            assert reads[0] <= stated_s + 16.5
            assert w.broker.status().stream.state == "live"  # The snapshot that was asked for has come.
            assert w.stream.aborts == []

    run_virtual(scenario())


def test_an_account_that_is_set_up_otherwise_is_refused_by_name_at_every_start() -> None:
    async def scenario() -> None:
        venue = FakeVenue(FUNDS, facts=facts(checks_account_mode=True))
        venue.account_mode, venue.refusal = "portfolio", "acme: the account is in portfolio mode: set it to spot"
        async with world(venue=venue) as w:
            await asyncio.sleep(5.0)
            status = w.broker.status()
            assert (status.halted_reason, status.halted_detail) == ("account_mode", venue.refusal)
            assert status.account_mode == "portfolio"
            assert not status.is_available
            assert w.asked("BalanceEx") == []

    run_virtual(scenario())


def test_how_an_account_is_set_up_is_asked_again_after_a_restart(tmp_path: Any) -> None:
    async def scenario() -> None:
        clock = FakeClock(asyncio.get_running_loop())
        for checks, again in ((False, 0), (True, 1)):
            venue = FakeVenue(FUNDS, facts=facts(checks_account_mode=checks))
            path = tmp_path / f"store-{checks}"
            async with world(
                venue=venue, clock=clock, parts=memory_parts(clock=clock, venue=venue, store_path=path)
            ) as w:
                await w.desk.ready(timeout_s=10)
            async with world(
                venue=venue, clock=clock, parts=memory_parts(clock=clock, venue=venue, store_path=path)
            ) as w:
                await w.desk.ready(timeout_s=10)
                assert len(w.asked("credential_info")) == again

    run_virtual(scenario())


def test_a_dry_run_at_a_venue_that_has_none_is_denied_by_name_and_nothing_is_asked() -> None:
    lacks = {Capability.ORDER_CHECK: "acme validates nothing that it does not place"}

    async def scenario() -> None:
        async with trading(venue=FakeVenue(FUNDS, facts=facts(lacks=lacks))) as t:
            with pytest.raises(UnsupportedError, match="acme validates nothing") as caught:
                await t.broker.place_limit_order("BTC-USD", "buy", "0.01", "40000", validate=True)
            assert caught.value.capability == "order-check"
            assert t.client.checked == t.stream.checked == []

    run_virtual(scenario())


def test_settings_that_the_venue_does_not_take_are_refused() -> None:
    async def scenario(lacks: Any, settings: Any, told: str) -> None:
        with pytest.raises(ConfigError, match=told):
            async with world(venue=FakeVenue(FUNDS, facts=facts(lacks=lacks)), settings=settings):
                pass

    run_virtual(scenario({}, {"rate_tier": "pro"}, "rate_tier means nothing"))
