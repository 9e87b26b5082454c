"""Out of each stuck state by the command that the error itself names, tried by somebody who knows nothing else."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

import holdfast
from holdfast.cli.run import hint_for
from holdfast.config.settings import ReadingSettings
from holdfast.core.breakers import BreakerState
from holdfast.errors import (
    BalanceStaleError,
    BreakerOpenError,
    HaltedError,
    HoldfastError,
    NotReadyError,
    OutcomeUnknownError,
    RateLimitedError,
    VenueUnreachableError,
)
from holdfast.store.memory import MemoryStore
from holdfast.testing import memory_config, run_virtual
from tests.cli.stuck import Host, commands_in

AWAY = VenueUnreachableError("no route", venue="acme", request="any")


def at_a_host(folder: Path, monkeypatch: pytest.MonkeyPatch, story: Callable[[Host], Awaitable[None]]) -> None:
    async def main() -> None:
        await story(Host(folder, monkeypatch))

    run_virtual(main())


async def buy(broker: holdfast.Broker) -> holdfast.Order:
    return await broker.place_limit_order("BTC-USD", "buy", "0.001", "30000")


async def refused(broker: holdfast.Broker, kind: type[HoldfastError]) -> str:
    with pytest.raises(kind) as caught:
        await buy(broker)
    return str(caught.value)


async def open_the_breaker(host: Host, broker: holdfast.Broker) -> str:
    """Let three orders meet faults; what the next one is told."""
    host.stream.takes_orders = False
    host.client.outcomes.add(*["never_sent"] * 3)
    for _ in range(3):
        with pytest.raises(HoldfastError):
            await buy(broker)
    return await refused(broker, BreakerOpenError)


# Breakers


@pytest.mark.parametrize("what", ["trade", "read", "all"])
def test_a_breaker_that_a_person_holds_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    async def story(host: Host) -> None:
        async with host.owning() as broker:
            await broker.wait_until("live")
            await broker.isolate(what, reason="a look")  # type: ignore[arg-type]
            text = (
                await refused(broker, BreakerOpenError) if what != "read" else (await host.type("holdfast status")).err
            )
            assert commands_in(text)[0] == "holdfast reset-circuit-breaker acme-master"

            done = await host.obey(text)

            assert done.code == 0, done.said
            assert "isolated → closed" in done.out
            assert broker.is_available()
            assert (await buy(broker)).state == "open"

    at_a_host(tmp_path, monkeypatch, story)


def test_a_breaker_held_open_and_nobody_owns_the_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        async with host.owning() as broker:
            await broker.wait_until("live")
            await broker.isolate(reason="over night")

        text = (await host.type("holdfast status")).err
        done = await host.obey(text)

        assert done.code == 0, done.said
        async with host.owning() as broker:
            await broker.wait_until("live")
            assert (await buy(broker)).state == "open"

    at_a_host(tmp_path, monkeypatch, story)


def test_an_order_breaker_that_is_open_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        async with host.owning() as broker:
            await broker.wait_until("live")
            text = await open_the_breaker(host, broker)

            done = await host.obey(text)

            assert done.code == 0, done.said
            assert "trade open → closed" in done.out
            assert (await buy(broker)).state == "open"

    at_a_host(tmp_path, monkeypatch, story)


def test_a_breaker_whose_trial_never_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        async with host.owning() as broker:
            await broker.wait_until("live")
            await open_the_breaker(host, broker)
            await asyncio.sleep(5.1)
            host.client.outcomes.add("lost_before")
            trial = asyncio.create_task(buy(broker))
            await asyncio.sleep(0.2)
            text = await refused(broker, BreakerOpenError)
            assert "a trial is under way" in text
            assert broker.status().capability("trade").breaker.state is BreakerState.HALF_OPEN

            done = await host.obey(text)

            assert done.code == 0, done.said
            assert "trade half_open → closed" in done.out
            assert (await buy(broker)).state == "open"
            with pytest.raises(OutcomeUnknownError):
                await trial

    at_a_host(tmp_path, monkeypatch, story)


def test_reads_that_failed_until_their_breaker_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.client.failing["*"] = AWAY
            await broker.wait_until(
                lambda status: status.capability("read").breaker.state is BreakerState.OPEN, timeout_s=120
            )
            await asyncio.sleep(120)
            assert broker.balance("USD").state == "stale"
            assert broker.balance("USD").total == 1000
            still = await host.type("holdfast reset-circuit-breaker")
            assert still.code == 6
            assert "no route" in still.said
            host.client.failing.clear()
            text = (await host.type("holdfast status --wait 0.1")).err

            done = await host.obey(text)

            assert done.code == 0, done.said
            assert broker.balance("USD").state == "fresh"
            assert broker.status().capability("read").breaker.state is BreakerState.CLOSED

    at_a_host(tmp_path, monkeypatch, story)


# Figures


def test_figures_that_are_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            # The venue asks for a long pause, and means it no more: nothing is read before it has passed.
            host.client.failing["*"] = RateLimitedError("slow", venue="acme", request="any", retry_after_s=600.0)
            await asyncio.sleep(60)
            host.client.failing.clear()
            text = await refused(broker, BalanceStaleError)

            done = await host.obey(text)

            assert done.code == 0, done.said
            assert broker.balance("USD").state == "fresh"
            assert (await buy(broker)).state == "open"

    at_a_host(tmp_path, monkeypatch, story)


def test_a_refresh_that_the_venue_limits_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.client.failing["*"] = RateLimitedError("slow", venue="acme", request="any", retry_after_s=600.0)

            done = await host.type("holdfast force-balance-refresh acme-master")

            assert done.code == 7
            assert broker.balance("USD").total == 1000

    at_a_host(tmp_path, monkeypatch, story)


def test_a_stream_that_waits_for_its_next_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        async with host.owning() as broker:
            await broker.wait_until("live")
            host.stream.refuses = AWAY
            host.stream.cut()
            await asyncio.sleep(600)
            host.stream.refuses = None
            await broker.wait_until(lambda status: "stream_unreachable" in status.reasons)
            text = (await host.type("holdfast status --wait 0.1")).err
            began_s = host.clock.now_s()

            done = await host.obey(text)

            assert done.code == 0, done.said
            assert host.clock.now_s() - began_s < 5
            assert broker.status().stream.state == "live"

    at_a_host(tmp_path, monkeypatch, story)


def test_sources_that_contradict_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        async with host.owning() as broker:
            await broker.wait_until("live")
            # REST states another figure than the stream, over and over: the venue's own answer, so it stands.
            holdings = host.venue.holdings(with_holds=True)
            usd = msgspec.structs.replace(holdings["USD"], total=holdings["USD"].total - 200)
            usd = msgspec.structs.replace(usd, available=usd.total)
            host.client.answers["BalanceEx"] = {**holdings, "USD": usd}
            await broker.wait_until(lambda status: status.discrepancies > 0, timeout_s=300)
            host.client.answers.clear()
            asked = await host.type("holdfast doctor acme-master")
            assert asked.code == 5, asked.said

            done = await host.obey(asked.out)

            assert broker.status().discrepancies == 0, done.said
            assert done.code == 0, done.said
            assert broker.balance("USD").total == 1000

    at_a_host(tmp_path, monkeypatch, story)


def test_a_venue_that_was_away_when_the_broker_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        async with host.owning() as broker:
            host.client.failing["*"] = AWAY
            host.stream.refuses = AWAY
            await asyncio.sleep(900)
            host.client.failing.clear()
            host.stream.refuses = None
            text = (await host.type("holdfast status --wait 0.1")).err
            began_s = host.clock.now_s()

            done = await host.obey(text)

            assert done.code == 0, done.said
            await broker.wait_until("live")
            assert host.clock.now_s() - began_s < 5
            assert broker.balance("USD").total == 1000
            assert broker.is_available()

    at_a_host(tmp_path, monkeypatch, story)


# Orders


def test_an_order_in_doubt_that_is_at_the_venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.client.outcomes.add("lost")
            for name in ("orders", "closed_orders", "fills", "orders_by_id"):
                host.client.failing[name] = AWAY
            with pytest.raises(OutcomeUnknownError) as caught:
                await broker.place_limit_order("BTC-USD", "buy", "0.001", "30000", intent_id="lost-1")
            await asyncio.sleep(300)
            assert broker.status().in_doubt == 1
            host.client.failing.clear()
            shown = await host.obey(hint_for(caught.value) or "")
            assert shown.code == 0, shown.said
            assert "in_doubt" in shown.out or "in doubt" in shown.out

            done = await host.type("holdfast emergency-repair")

            assert broker.status().in_doubt == 0, done.said
            assert (await broker.order("lost-1")).state == "open"

    at_a_host(tmp_path, monkeypatch, story)


def test_an_order_in_doubt_that_never_arrived_keeps_its_money_until_there_is_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(host: Host) -> None:
        host.config = memory_config("acme-master", reading=ReadingSettings(rest_lag_s=60.0))
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.client.outcomes.add("lost_before")
            with pytest.raises(OutcomeUnknownError):
                await broker.place_limit_order("BTC-USD", "buy", "0.001", "30000", intent_id="lost-2")

            early = await host.type("holdfast emergency-repair")

            assert early.code == 5, early.said
            assert broker.status().in_doubt == 1
            assert broker.balance("USD").reserved > 0
            assert "holdfast orders show lost-2 --broker acme-master" in commands_in(early.out)
            assert (await host.obey(early.out, word="orders show")).code == 0
            await asyncio.sleep(120)

            late = await host.type("holdfast emergency-repair")

            assert late.code == 0, late.said
            assert broker.balance("USD").reserved == 0

    at_a_host(tmp_path, monkeypatch, story)


# Halts


def test_a_broker_that_a_person_halted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        async with host.owning() as broker:
            await broker.wait_until("live")
            assert (await host.type("holdfast halt acme-master --reason 'a look'")).code == 0
            text = await refused(broker, HaltedError)
            repair = await host.type("holdfast emergency-repair")
            assert repair.code == 6
            assert "holdfast resume acme-master" in commands_in(repair.out)

            done = await host.obey(text)

            assert done.code == 0, done.said
            assert (await buy(broker)).state == "open"

    at_a_host(tmp_path, monkeypatch, story)


def test_a_broker_that_an_invariant_halted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        async with host.owning() as broker:
            await broker.wait_until("live")
            entry = broker._backend.entry  # type: ignore[attr-defined]
            entry.trading.broken("invariant_I9", entry.account.store)
            text = await refused(broker, HaltedError)
            asked = await host.type("holdfast doctor")
            assert asked.code == 6
            assert "holdfast resume acme-master" in commands_in(asked.out)

            done = await host.obey(text)

            assert done.code == 0, done.said
            assert (await buy(broker)).state == "open"

    at_a_host(tmp_path, monkeypatch, story)


def test_a_store_that_was_restored_from_an_older_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        host.store = MemoryStore()
        host.store._set_fact("halted", json.dumps({"reason": "restored_old_copy"}))
        async with host.owning() as broker:
            await broker.wait_until("live")
            text = await refused(broker, HaltedError)
            first = await host.obey(text)  # Not enough for this one: it says what is.
            assert first.code != 0

            done = await host.obey(first.err, word="--accept-restored")

            assert done.code == 0, done.said
            assert (await buy(broker)).state == "open"

    at_a_host(tmp_path, monkeypatch, story)


# The machine


def test_a_machine_that_slept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        async with host.owning(contact="rest") as broker:
            await broker.ready()
            host.clock.suspend(7200.0)
            text = await refused(broker, BalanceStaleError)

            done = await host.obey(text)

            assert done.code == 0, done.said
            assert (await buy(broker)).state == "open"

    at_a_host(tmp_path, monkeypatch, story)


@pytest.mark.parametrize("reason", ["full", "read_only"])
def test_a_store_that_takes_no_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    async def story(host: Host) -> None:
        host.store = MemoryStore()
        async with host.owning() as broker:
            await broker.wait_until("live")
            host.store.fail_with = reason
            with pytest.raises(HoldfastError):
                await buy(broker)
            text = await refused(broker, NotReadyError)
            told = await host.obey(text)
            assert told.code == 1, told.said
            assert ("free space" if reason == "full" else "writable") in told.out
            repair = await host.type("holdfast emergency-repair")
            assert repair.code == 1, repair.said
            assert "is not on record" in repair.err

            host.store.fail_with = None
            await host.type("holdfast doctor")  # Its own record is the first write that succeeds.
            await asyncio.sleep(6)

            assert (await host.type("holdfast doctor")).code == 0
            assert (await buy(broker)).state == "open"

    at_a_host(tmp_path, monkeypatch, story)


def test_an_owner_that_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: Host) -> None:
        async with host.owning() as broker:
            await broker.wait_until("live")
            owner = host.sockets.server_of("simulated/acme-master")
            owner.stop()
            for command in ("emergency-repair", "reset-circuit-breaker", "force-balance-refresh", "doctor"):
                done = await host.type(f"holdfast {command} acme-master")
                assert done.code == 9, done.said
                assert re.search(r"`kill -CONT \d+`", done.said), done.said
            owner.resume()

            assert (await host.type("holdfast emergency-repair")).code == 0

    at_a_host(tmp_path, monkeypatch, story)
