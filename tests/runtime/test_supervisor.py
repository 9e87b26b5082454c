"""The supervisor over a fake venue on virtual time: how figures become live, and how each loss is seen and healed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.config.health import HealthSettings
from holdfast.core.amounts import parse_amount
from holdfast.core.balances import Holding
from holdfast.core.venue import Channel
from holdfast.errors import (
    BadCredentialError,
    CredentialParkedError,
    LockoutError,
    NotReadyError,
    PayloadError,
    RateLimitedError,
    StoreCorruptError,
    VenueError,
    VenueUnreachableError,
)
from holdfast.runtime.local import LocalBroker
from holdfast.testing import FakeClock, FakeVenue, run_virtual
from tests.runtime.worlds import World, world


def unreachable() -> VenueUnreachableError:
    return VenueUnreachableError("connection refused", venue="acme", request="any")


async def live(w: World) -> None:
    """Wait until every figure is live."""
    await w.broker.wait_until(lambda _: w.state("USD") == w.state("BTC") == "live", timeout_s=60)


async def lost(w: World, *, within_s: float) -> float:
    """Wait until USD is no longer live; how long that took."""
    began_s = w.clock.now_s()
    await w.broker.wait_until(lambda _: w.state() != "live", timeout_s=within_s)
    return w.clock.now_s() - began_s


# Becoming live


def test_figures_are_unknown_then_fresh_then_live() -> None:
    async def main() -> None:
        async with world() as w:
            assert (w.state(), w.total()) == ("unknown", "unknown")
            assert w.broker.balances() == {}
            await w.broker.ready()
            assert w.state() == "fresh"
            await live(w)
            assert w.clock.now_s() - 1000.0 < 3
            usd = w.broker.balance("USD")
            assert (str(usd.total), str(usd.held), str(usd.available)) == ("1500.25", "400.00", "1100.25")
            assert usd.source == "stream"

    run_virtual(main())


def test_a_listed_asset_never_held_is_unknown_and_then_a_proven_zero() -> None:
    async def main() -> None:
        async with world() as w:
            assert w.broker.balance("ETH").total is None
            await live(w)
            eth = w.broker.balance("ETH")
            assert eth.total == 0
            assert eth.is_fit_to_approve

    run_virtual(main())


def test_a_deposit_is_seen_in_the_step_in_which_it_was_pushed() -> None:
    async def main() -> None:
        async with world() as w:
            await live(w)
            w.stream.move("USD", "100")
            assert w.total() == "1600.25"

    run_virtual(main())


def test_a_quiet_account_is_read_about_once_a_minute() -> None:
    async def main() -> int:
        async with world() as w:
            await live(w)
            before = len(w.client.asked)
            await asyncio.sleep(3600)
            assert w.state() == "live"
            return len(w.client.asked) - before

    assert 60 <= run_virtual(main()) <= 72


def test_a_day_of_heartbeats_stays_live_throughout() -> None:
    async def main() -> None:
        async with world() as w:
            await live(w)
            states = set()
            for _ in range(24 * 6):
                await asyncio.sleep(600)
                states.add(w.state())
            assert states == {"live"}
            assert w.stream.runs == 1

    run_virtual(main())


# Losing the stream


def test_a_cut_stream_is_lost_at_once_and_live_again_on_a_new_snapshot() -> None:
    async def main() -> None:
        async with world() as w:
            await live(w)
            w.stream.cut()
            assert await lost(w, within_s=1) < 0.1
            assert w.broker.balance("USD").reason == "connection_lost"
            w.venue.truth["USD"] = ("900", "0")  # Moved while nobody listened.
            await live(w)
            assert w.total() == "900"
            assert w.stream.runs == 2
            assert [fields["after"] for fields in w.said("supervisor.changed")][-3:] == ["degraded", "snapshot", "live"]

    run_virtual(main())


def test_a_silent_stream_is_noticed_within_its_bound() -> None:
    async def main() -> None:
        async with world() as w:
            await live(w)
            await asyncio.sleep(100.3)
            w.stream.is_silent = True
            assert await lost(w, within_s=10) <= 5.05
            assert w.stream.aborts == ["silent"]
            w.stream.is_silent = False
            await live(w)
            assert w.said("stream.lost")[0]["reason"] == "silent"

    run_virtual(main())


def test_a_stream_that_acks_and_never_delivers_is_dropped_within_its_bound() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.ready()
            w.stream.is_mute = True
            w.stream.cut()
            began_s = w.clock.now_s()
            await w.broker.wait_until(lambda _: w.stream.aborts == ["no_snapshot"], timeout_s=20)
            assert w.clock.now_s() - began_s <= 12
            assert w.state() == "fresh"  # REST goes on meanwhile.
            w.stream.is_mute = False
            await live(w)

    run_virtual(main())


def test_a_connection_that_never_opens_is_given_up() -> None:
    async def main() -> None:
        async with world() as w:
            await live(w)
            w.stream.latency_s = 1e6
            w.stream.cut()
            await w.broker.wait_until("degraded")
            await asyncio.sleep(20)
            assert w.stream.aborts[0] == "connect_timeout"
            assert w.state() == "fresh"
            w.stream.latency_s = 0.05
            await live(w)

    run_virtual(main())


def test_a_gap_takes_live_away_in_that_very_step() -> None:
    async def main() -> None:
        async with world() as w:
            await live(w)
            w.stream.gap(Channel.BALANCES)
            assert w.state() == "stale"
            assert w.reason() == "gap"
            await live(w)
            assert w.broker.status().stream.channels[0].gaps == 1
            assert w.stream.runs == 1

    run_virtual(main())


def test_a_frozen_channel_on_a_living_socket_is_contradicted_within_a_minute() -> None:
    async def main() -> None:
        async with world() as w:
            await live(w)
            w.stream.is_mute = True
            w.stream.move("USD", "100")
            began_s = w.clock.now_s()
            assert w.state() == "live"  # Nobody can know yet.
            await w.broker.wait_until(lambda _: w.state() != "live", timeout_s=70)
            assert w.clock.now_s() - began_s <= 61
            w.stream.is_mute = False
            await w.broker.wait_until(lambda _: w.total() == "1600.25", timeout_s=120)
            assert w.said("discrepancy.found")

    run_virtual(main())


def test_reconnecting_stays_within_the_hosts_budget_and_backs_off() -> None:
    async def main() -> tuple[int, int]:
        async with world() as w:
            await live(w)
            w.stream.refuses = unreachable()
            w.stream.cut()
            before = w.stream.runs
            await asyncio.sleep(600)
            first = w.stream.runs - before
            await asyncio.sleep(3000)
            assert w.state() == "fresh"
            return first, w.stream.runs - before

    first, hour = run_virtual(main())
    assert 3 <= first <= 30
    assert hour <= 6 * 30


# REST


def test_a_dead_rest_beside_a_living_stream_is_counted_and_not_hidden() -> None:
    async def main() -> None:
        async with world() as w:
            await live(w)
            w.client.failing["*"] = unreachable()
            await asyncio.sleep(200)
            status = w.broker.status()
            assert w.state() == "live"
            assert status.error_count >= 3
            assert status.is_available  # The stream's word is good.
            assert status.health == "degraded"
            assert "reads_failing" in status.reasons
            await asyncio.sleep(300)
            assert w.state() == "stale"
            assert w.reason() == "anchor_age"
            assert w.total() == "1500.25"
            w.client.failing.clear()
            await live(w)
            assert w.broker.get_error_count() == 0
            assert len(w.said("read.recovered")) == 1

    run_virtual(main())


def test_neither_stream_nor_rest_leaves_the_last_good_figure_stale_never_zero() -> None:
    async def main() -> None:
        async with world() as w:
            await live(w)
            w.stream.refuses = unreachable()
            w.client.failing["*"] = unreachable()
            w.stream.cut()
            await asyncio.sleep(120)
            status = w.broker.status()
            assert (w.state(), w.total()) == ("stale", "1500.25")
            assert (status.health, status.stream.state, status.is_available) == ("down", "down", False)
            with pytest.raises(NotReadyError, match="reads_failing"):
                await w.broker.ready(timeout_s=1)
            w.client.failing.clear()
            w.stream.refuses = None
            began_s = w.clock.now_s()
            await live(w)
            assert w.clock.now_s() - began_s <= 90
            assert w.broker.status().is_available

    run_virtual(main())


def test_one_success_heals_the_error_count() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            w.client.failing["*"] = unreachable()
            await w.broker.wait_until(lambda status: status.error_count == 3, timeout_s=60)
            assert not w.broker.is_available()
            w.client.failing.clear()
            await w.broker.wait_until(lambda status: status.error_count == 0, timeout_s=60)
            assert w.broker.is_available()

    run_virtual(main())


def test_without_a_stream_rest_is_read_often_enough_to_stay_fresh() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            for _ in range(100):
                await asyncio.sleep(3)
                assert w.state() == "fresh"
            assert w.venue.streams[0].runs == 0
            assert w.broker.status().health == "healthy"

    run_virtual(main())


def test_a_failing_read_is_said_once_not_with_every_attempt() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            w.client.failing["*"] = unreachable()
            await asyncio.sleep(600)
            assert len(w.said("read.failed")) == 2  # The first, and when it made the broker unavailable.

    run_virtual(main())


def test_an_unbelievable_answer_changes_neither_figure_nor_time_and_counts() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            w.client.failing["BalanceEx"] = PayloadError("not JSON")
            before_s = w.broker.balance("USD").age_s
            await asyncio.sleep(16)
            usd = w.broker.balance("USD")
            assert before_s is not None
            assert usd.age_s is not None
            assert usd.age_s >= 15
            assert str(usd.total) == "1500.25"
            assert w.broker.get_error_count() >= 1
            assert len(w.said("answer.refused")) == 1

    run_virtual(main())


# Suspects


def test_an_empty_answer_out_of_the_blue_is_not_believed_until_a_different_read_agrees() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            w.client.answers["BalanceEx"] = {}
            await w.broker.wait_until(lambda status: bool(status.suspects), timeout_s=30)
            assert (w.state(), w.reason(), w.total()) == ("stale", "suspect_empty", "1500.25")
            await asyncio.sleep(5)
            assert w.said("answer.dismissed")  # The other read contradicted it.
            assert w.total() == "1500.25"
            w.client.answers.clear()
            await w.broker.ready()

    run_virtual(main())


def test_a_genuine_zero_is_shown_once_a_different_read_agrees() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            w.venue.truth.clear()
            await w.broker.wait_until(lambda _: w.total() == "0", timeout_s=40)
            assert w.state() == "fresh"
            assert w.said("answer.confirmed")

    run_virtual(main())


def test_a_never_funded_account_is_a_proven_zero_after_two_different_reads() -> None:
    async def main() -> None:
        venue = FakeVenue(truth={})
        venue.truth.clear()
        async with world(venue=venue) as w:
            await w.broker.ready()
            assert w.broker.balance("USD").total == 0
            assert {name for _, name in w.client.asked} >= {"BalanceEx", "Balance"}

    run_virtual(main())


# Time


def test_the_first_answer_after_a_sleep_is_already_stale() -> None:
    async def main() -> None:
        async with world() as w:
            await live(w)
            w.clock.suspend(8 * 3600)
            assert w.state() == "stale"  # No timer has run yet.
            assert w.reason() == "suspended"
            woke_s = w.clock.now_s()
            await live(w)
            assert w.clock.now_s() - woke_s < 30
            assert min(w.asked("BalanceEx")[-1:]) >= woke_s
            assert w.said("clock.jumped")[0]["kind"] == "suspended"
            assert w.stream.runs == 2

    run_virtual(main())


def test_frames_that_waited_through_a_sleep_prove_nothing() -> None:
    async def main() -> None:
        async with world() as w:
            await live(w)
            w.clock.suspend(8 * 3600)
            w.stream.move("USD", "1")  # Arrives before anything else looked at the clock.
            assert w.state() == "stale"

    run_virtual(main())


@pytest.mark.parametrize("by_s", [-3600.0, 86_400.0, 5.0])
def test_a_stepped_wall_clock_takes_live_away_until_figures_were_asked_for_again(by_s: float) -> None:
    async def main() -> None:
        async with world() as w:
            await live(w)
            w.clock.step_wall(by_s)
            assert (w.state(), w.reason()) == ("stale", "clock_jump")
            stepped_s = w.clock.now_s()
            await live(w)
            assert w.clock.now_s() - stepped_s < 30
            assert w.asked("BalanceEx")[-1] >= stepped_s

    run_virtual(main())


def test_a_step_is_noticed_although_nobody_asks() -> None:
    async def main() -> None:
        async with world() as w:
            await live(w)
            w.clock.step_wall(-3600)
            await asyncio.sleep(5)
            assert len(w.said("clock.jumped")) == 1

    run_virtual(main())


# Credentials, limits


@pytest.mark.parametrize(
    ("error", "silent_s"),
    [
        (RateLimitedError("slow down", venue="acme", request="any"), 14),
        (RateLimitedError("slow down", venue="acme", request="any", retry_after_s=40), 39),
        (LockoutError("locked out", venue="acme", request="any"), 899),
        (BadCredentialError("bad key", venue="acme", request="any"), 299),
        (CredentialParkedError("parked", cause="invalid_nonce", retry_after_s=None), 299),
    ],
)
def test_a_refused_credential_is_left_alone(error: VenueError, silent_s: float) -> None:
    async def main() -> None:
        async with world(contact="rest") as w:

            def signed() -> list[float]:
                return [at_s for at_s, name in w.client.asked if name != "status"]

            await w.broker.ready()
            w.client.failing["*"] = error
            await w.broker.wait_until(lambda status: status.last_error is not None, timeout_s=30)
            refused_s = signed()[-1]
            await asyncio.sleep(silent_s - 1)
            assert signed()[-1] == refused_s
            assert w.broker.get_error_count() == 0  # None of it is the venue's fault.
            w.client.failing.clear()
            await asyncio.sleep(30)
            assert signed()[-1] > refused_s
            assert w.state() == "fresh"

    run_virtual(main())


def test_a_parked_credential_makes_the_broker_unavailable_and_says_why() -> None:
    async def main() -> None:
        async with world(contact="rest") as w:
            await w.broker.ready()
            w.client.failing["*"] = CredentialParkedError("parked", cause="invalid_nonce", retry_after_s=100)
            await w.broker.wait_until(lambda status: not status.is_available, timeout_s=30)
            status = w.broker.status()
            assert status.nonce.parked_cause == "invalid_nonce"
            assert "credential_invalid_nonce" in status.reasons
            assert len(w.said("credential.parked")) == 1

    run_virtual(main())


# Starting


def test_a_venue_that_is_away_at_start_is_waited_for_with_backoff() -> None:
    async def main() -> None:
        venue = FakeVenue()
        async with world(venue=venue) as w:
            w.client.failing["load"] = unreachable()
            await asyncio.sleep(600)
            assert 8 <= len(w.asked("load")) <= 35
            assert w.broker.status().health == "down"
            assert w.broker.balance("ANYTHING").total is None  # Its names are not known yet.
            w.client.failing.clear()
            await w.broker.wait_until("live", timeout_s=90)

    run_virtual(main())


def test_a_venue_that_was_away_at_start_is_tried_when_the_break_ends() -> None:
    async def main() -> None:
        async with world(venue=FakeVenue(), settings={"health": HealthSettings(break_max_s=8.0)}) as w:
            w.client.failing["load"] = unreachable()
            await asyncio.sleep(600)
            w.client.failing.clear()
            healed_s = w.clock.now_s()
            await w.broker.wait_until("live", timeout_s=90)
            assert w.clock.now_s() - healed_s < 12.0

    run_virtual(main())


def test_the_venues_clock_is_measured() -> None:
    async def main() -> None:
        async with world() as w:
            await w.broker.ready()
            offset_s = w.broker.status().venue_clock_offset_s
            assert offset_s is not None
            assert abs(offset_s) < 0.1

    run_virtual(main())


# Faults of our own


def test_a_bug_in_a_rule_stops_that_account_alone() -> None:
    async def main() -> tuple[list[Any], World]:
        loop = asyncio.get_running_loop()
        reported: list[Any] = []
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        async with world("acme-master", "acme-sub") as w:
            broken, sound = w.desk["acme-master"], w.desk["acme-sub"]
            await broken.wait_until("live")
            await sound.wait_until("live")

            def bug(*_: object, **__: object) -> None:
                raise ZeroDivisionError("as arranged")

            backend = broken._backend
            assert isinstance(backend, LocalBroker)
            backend.supervisor.account.ledger.move = bug  # type: ignore[method-assign, assignment]
            w.venue.streams[0].move("USD", "1")
            assert (broken.balance("USD").state, broken.balance("USD").reason) == ("stale", "halted")
            await asyncio.sleep(60)
            assert broken.status().halted_reason == "invariant"
            assert "a bug of holdfast" in str(broken.status().last_error)
            assert broken.status().health == "down"
            assert broken.balance("USD").state == "stale"
            assert sound.status().health == "healthy"
            assert sound.balance("USD").state == "live"
        return reported, w

    reported, _ = run_virtual(main())
    assert [type(error) for error in reported] == [ZeroDivisionError]


def test_a_lane_whose_file_is_damaged_while_we_run_is_told_by_the_status() -> None:
    async def main() -> tuple[str, tuple[str, ...], str | None]:
        async with world() as w:
            await live(w)

            def unreadable() -> None:
                raise StoreCorruptError("damaged in both of its slots")

            backend = w.broker._backend
            assert isinstance(backend, LocalBroker)
            backend.supervisor._lane.parking_now = unreadable  # type: ignore[method-assign]
            status = w.broker.status()
            return status.health.value, status.reasons, status.nonce.parked_cause

    assert run_virtual(main()) == ("degraded", ("credential_lane_unreadable",), "lane_unreadable")


def test_rest_and_stream_that_disagree_leave_the_lower_figure_spendable_and_a_discrepancy() -> None:
    async def main() -> None:
        async with world() as w:
            await live(w)
            wrong = Holding(asset="USD", total=parse_amount("9"), held=parse_amount("0"), available=parse_amount("9"))
            w.client.answers["BalanceEx"] = {**w.venue.holdings(with_holds=True), "USD": wrong}
            await asyncio.sleep(60)
            for _ in range(20):
                spendable = w.broker.balance("USD").spendable
                assert spendable is not None
                assert spendable <= 9
                await asyncio.sleep(10)
            assert w.said("discrepancy.found")

    run_virtual(main())


def test_the_clock_fake_is_the_worlds_not_ours() -> None:
    clock = FakeClock()
    clock.step_wall(10)
    assert clock.wall_us() - clock.true_wall_us() == 10_000_000
