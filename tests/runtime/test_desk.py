"""A desk: who may open it, what it refuses, what it takes over from its store, and that it gives everything back."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.errors import (
    ClosedError,
    ConfigError,
    NotReadyError,
    OwnedElsewhereError,
    StoreError,
    UnknownNameError,
    VenueUnreachableError,
)
from holdfast.runtime.parts import Parts
from holdfast.testing import FakeClock, FakeVenue, MemoryOwners, memory_config, memory_parts, run_virtual
from tests.runtime.worlds import world
from tests.store.disks import Disk


def parts_of(clock: FakeClock, venue: FakeVenue, **more: Any) -> Parts:
    return memory_parts(clock=clock, venue=venue, **more)


def new_clock() -> FakeClock:
    return FakeClock(asyncio.get_running_loop())


# Names


def test_brokers_are_reached_by_name_in_the_order_of_the_configuration() -> None:
    async def main() -> None:
        async with world("b-two", "a-one") as w:
            assert [broker.name for broker in w.desk] == ["b-two", "a-one"]
            assert w.desk["a-one"].name == "a-one"
            assert len(w.desk) == 2
            assert "a-one" in w.desk
            assert list(w.desk.status()) == ["b-two", "a-one"]
            with pytest.raises(TypeError):
                w.desk.brokers["c"] = w.desk["a-one"]  # type: ignore[index]

    run_virtual(main())


def test_an_unknown_broker_names_the_near_one() -> None:
    async def main() -> None:
        async with world("acme-master") as w:
            with pytest.raises(UnknownNameError, match=r"did you mean acme-master\?"):
                w.desk["acme-mastr"]

    run_virtual(main())


def test_only_the_brokers_asked_for_are_opened() -> None:
    async def main() -> None:
        clock, venue = new_clock(), FakeVenue()
        config = memory_config("one", "two", "three")
        async with holdfast.open(config, brokers=["two"], parts=parts_of(clock, venue)) as desk:
            assert list(desk.brokers) == ["two"]
            assert len(venue.clients) == 1
        with pytest.raises(UnknownNameError, match="four"):
            async with holdfast.open(config, brokers=["four"], parts=parts_of(clock, venue)):
                pass

    run_virtual(main())


# Misuse


def test_everything_is_refused_after_close() -> None:
    async def main() -> None:
        async with world() as w:
            await w.desk.ready()
            desk, broker = w.desk, w.broker
        uses: list[Callable[[], object]] = [
            lambda: desk["acme-master"],
            desk.status,
            desk.changes,
            lambda: desk.subscribe(print),
            lambda: desk.on_event(print),
            lambda: broker.balance("USD"),
            broker.balances,
            broker.status,
            broker.is_available,
            broker.get_error_count,
            broker.changes,
            lambda: broker.subscribe(print),
        ]
        for use in uses:
            with pytest.raises(ClosedError, match="is closed"):
                use()
        waits = (
            broker.refresh(),
            broker.ready(),
            broker.wait_until("live"),
            broker.explain("USD"),
            broker.history(),
            broker.backup("x"),
            desk.ready(),
        )
        for wait in waits:
            with pytest.raises(ClosedError, match="is closed"):
                await wait

    run_virtual(main())


def test_an_opening_is_entered_once() -> None:
    async def main() -> None:
        opening = holdfast.open(memory_config(), parts=parts_of(new_clock(), FakeVenue()))
        async with opening:
            pass
        with pytest.raises(ClosedError, match="opened before"):
            async with opening:
                pass

    run_virtual(main())


def test_another_event_loop_and_no_event_loop_are_refused() -> None:
    kept: list[holdfast.Broker] = []

    async def main() -> None:
        async with world() as w:
            kept.append(w.broker)
            await asyncio.to_thread(refused_here, "runs outside of it")

    def refused_here(why: str) -> None:
        with pytest.raises(ClosedError, match=why):
            kept[0].balance("USD")

    run_virtual(main())

    async def elsewhere() -> None:
        with pytest.raises(ClosedError):
            kept[0].balance("USD")

    run_virtual(elsewhere())


@pytest.mark.processes
async def test_a_forked_child_is_refused(tmp_path: Path) -> None:
    clock = FakeClock(asyncio.get_running_loop())
    async with world(clock=clock) as w:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                w.broker.balance("USD")
                text = "allowed"
            except BaseException as error:
                text = type(error).__name__
            os.write(writer, text.encode())
            os._exit(0)
        os.close(writer)
        os.waitpid(child, 0)  # noqa: ASYNC222  # It ends at once.
        assert os.read(reader, 100) == b"ClosedError"
        os.close(reader)


@pytest.mark.parametrize(("mode", "why"), [("attach", "no sockets here"), ("borrow", "one of auto, own, attach")])
def test_a_mode_that_cannot_be_had_is_refused_by_name(mode: Any, why: str) -> None:
    async def main() -> None:
        with pytest.raises(ConfigError, match=why):
            async with holdfast.open(memory_config(), mode=mode, parts=parts_of(new_clock(), FakeVenue())):
                pass

    run_virtual(main())


# Ownership


def test_a_second_owner_is_told_and_the_account_is_free_after_close() -> None:
    async def main() -> None:
        clock, owners = new_clock(), MemoryOwners()
        first = parts_of(clock, FakeVenue(), owners=owners)
        async with holdfast.open(memory_config(), parts=first):
            with pytest.raises(OwnedElsewhereError) as caught:
                async with holdfast.open(memory_config(), parts=parts_of(clock, FakeVenue(), owners=owners)):
                    pass
            assert caught.value.exit_code == 9
        async with holdfast.open(memory_config(), parts=parts_of(clock, FakeVenue(), owners=owners)):
            pass

    run_virtual(main())


def test_two_keys_of_one_account_are_one_owners() -> None:
    async def main() -> None:
        clock, owners, venue = new_clock(), MemoryOwners(), FakeVenue()
        venue.account_id = "ACCT-1"
        parts = parts_of(clock, venue, owners=owners)
        async with holdfast.open(memory_config("one", "two"), parts=parts) as desk:
            await asyncio.sleep(30)
            reasons = [broker.status().halted_reason for broker in desk]
            assert sorted(map(str, reasons)) == ["None", "owned_elsewhere"]
            # One that will never be ready keeps nobody from the other.
            await desk.ready(at_least=1, timeout_s=5)
            with pytest.raises(NotReadyError):
                await desk.ready(timeout_s=5)
            with pytest.raises(NotReadyError):
                await desk.ready(at_least=2, timeout_s=5)

    run_virtual(main())


def test_an_account_known_from_its_store_is_refused_while_opening(tmp_path: Path) -> None:
    async def main() -> None:
        clock, owners, venue = new_clock(), MemoryOwners(), FakeVenue()
        venue.account_id = "ACCT-1"
        kept = parts_of(clock, venue, owners=owners, store_path=tmp_path / "one.db")
        async with holdfast.open(memory_config("one"), parts=kept) as desk:
            await desk.ready()
        async with holdfast.open(memory_config("two"), parts=parts_of(clock, venue, owners=owners)) as desk:
            await desk.ready()
            with pytest.raises(OwnedElsewhereError):
                async with holdfast.open(memory_config("one"), parts=kept):
                    pass

    run_virtual(main())


async def test_a_contact_that_does_not_exist_is_refused() -> None:
    opening = holdfast.open(memory_config(), contact="foo", parts=parts_of(new_clock(), FakeVenue()))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="contact 'foo': one of stream, rest, none"):
        await opening.__aenter__()


def test_a_lock_that_vanished_stops_the_broker() -> None:
    async def main() -> None:
        clock, owners, venue = new_clock(), MemoryOwners(), FakeVenue()
        async with holdfast.open(memory_config(), parts=parts_of(clock, venue, owners=owners)) as desk:
            broker = desk["acme-master"]
            await broker.wait_until("live")
            owners.forget()
            await asyncio.sleep(10)
            assert broker.status().halted_reason == "ownership_lost"
            assert broker.status().last_error
            asked = len(venue.clients[0].asked)
            await asyncio.sleep(300)
            assert len(venue.clients[0].asked) == asked
            assert broker.balance("USD").state == "stale"

    run_virtual(main())


def test_a_failure_while_opening_gives_back_what_was_taken() -> None:
    async def main() -> None:
        clock, owners = new_clock(), MemoryOwners()

        class Refusing(FakeVenue):
            def stream(self, **_: Any) -> Any:
                raise ConfigError("as arranged")

        with pytest.raises(ConfigError, match="as arranged"):
            async with holdfast.open(memory_config(), parts=parts_of(clock, Refusing(), owners=owners)):
                pass
        async with holdfast.open(memory_config(), parts=parts_of(clock, FakeVenue(), owners=owners)):
            pass

    run_virtual(main())


# What the store knows


def test_a_refresh_after_a_restart_tells_no_figure_as_moved_that_is_what_was_restored(tmp_path: Path) -> None:
    async def main() -> None:
        clock, venue, path = new_clock(), FakeVenue(), tmp_path / "store.db"
        async with world(clock=clock, venue=venue, parts=parts_of(clock, venue, store_path=path)) as w:
            await w.broker.wait_until("live")
        parts = parts_of(clock, venue, store_path=path)
        async with world(clock=clock, venue=venue, parts=parts, contact="none") as w:
            assert w.state() == "stale"
            report = await w.broker.refresh()
            assert (report.is_ok, report.changed, w.state()) == (True, (), "fresh")

    run_virtual(main())


def test_after_a_restart_figures_are_restored_and_stale_until_confirmed(tmp_path: Path) -> None:
    async def main() -> None:
        clock, venue, path = new_clock(), FakeVenue(), tmp_path / "store.db"
        async with world(clock=clock, venue=venue, parts=parts_of(clock, venue, store_path=path)) as w:
            await w.broker.wait_until("live")
            w.stream.move("USD", "5")
        await asyncio.sleep(120)  # Within a minute a row that only confirms would not be kept anyway.
        async with world(clock=clock, venue=venue, parts=parts_of(clock, venue, store_path=path)) as w:
            usd = w.broker.balance("USD")
            assert (str(usd.total), usd.state, usd.reason, usd.age_s) == ("1505.25", "stale", "restored", None)
            await w.broker.wait_until("live")
            kinds = [row.kind for row in await w.broker.history(asset="USD")]
            assert kinds == ["snapshot", "delta"]
            assert w.total() == "1505.25"

    run_virtual(main())


def test_the_account_is_asked_for_once_per_key_and_pinned(tmp_path: Path) -> None:
    async def main() -> None:
        clock, venue, path = new_clock(), FakeVenue(), tmp_path / "store.db"
        for run in range(3):
            async with world(clock=clock, venue=venue, parts=parts_of(clock, venue, store_path=path)) as w:
                await w.broker.ready()
                assert len(w.asked("credential_info")) == (1 if run == 0 else 0)
                assert w.broker.account_id == "ACCT-acme-master"

    run_virtual(main())


def test_a_key_of_another_account_is_refused_and_nothing_is_read_with_it(tmp_path: Path) -> None:
    async def main() -> None:
        clock, venue, path = new_clock(), FakeVenue(), tmp_path / "store.db"
        async with world(clock=clock, venue=venue, parts=parts_of(clock, venue, store_path=path)) as w:
            await w.broker.ready()
        venue.account_id = "SOMEBODY-ELSE"
        other = Credential(venue="acme", key="SIM-OTHER", secret="c2VjcmV0")
        swapped = parts_of(clock, venue, store_path=path, credential=other)
        async with world(clock=clock, venue=venue, parts=swapped) as w:
            await asyncio.sleep(60)
            assert w.broker.status().halted_reason == "account_mismatch"
            assert w.said("account.mismatched")[0]["found"] == "SOMEBODY-ELSE"
            told = w.broker.status().last_error
            assert told == w.broker.status().halted_detail
            for word in ("ACCT-acme-master", "SOMEBODY-ELSE", "another broker name", "restore --start-new"):
                assert word in str(told)
            assert w.asked("BalanceEx", "Balance", "orders") == []
            assert w.stream.runs == 0
            assert (w.total(), w.state()) == ("1500.25", "stale")

    run_virtual(main())


def test_a_new_key_of_the_same_account_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        clock, venue, path = new_clock(), FakeVenue(), tmp_path / "store.db"
        venue.account_id = "ACCT-1"
        async with world(clock=clock, venue=venue, parts=parts_of(clock, venue, store_path=path)) as w:
            await w.broker.ready()
        other = Credential(venue="acme", key="SIM-NEW", secret="c2VjcmV0")
        rotated = parts_of(clock, venue, store_path=path, credential=other)
        async with world(clock=clock, venue=venue, parts=rotated) as w:
            await w.broker.ready()
            assert w.asked("credential_info")

    run_virtual(main())


def test_the_journal_alone_can_be_read_without_the_venue(tmp_path: Path) -> None:
    async def main() -> None:
        clock, venue, path = new_clock(), FakeVenue(), tmp_path / "store.db"
        async with world(clock=clock, venue=venue, parts=parts_of(clock, venue, store_path=path)) as w:
            await w.broker.ready()
        async with world(clock=clock, venue=venue, parts=parts_of(clock, venue, store_path=path), contact="none") as w:
            assert [row.asset for row in await w.broker.history()] == ["USD", "BTC"]
            await asyncio.sleep(100)
            assert w.client.asked == []

    run_virtual(main())


def test_a_store_that_fails_is_shown_and_reading_goes_on(tmp_path: Path) -> None:
    class FillingDisk(Disk):
        pass

    async def main() -> None:
        clock, venue = new_clock(), FakeVenue()
        parts = parts_of(clock, venue, store_path=tmp_path / "store.db", connection_class=FillingDisk)
        async with world(clock=clock, venue=venue, parts=parts) as w:
            await w.broker.wait_until("live")
            FillingDisk.fails_before = sqlite3.SQLITE_FULL
            w.stream.move("USD", "7")
            await asyncio.sleep(5)
            status = w.broker.status()
            assert not status.store.is_ok
            assert status.health == "degraded"
            assert "store_full" in status.reasons
            assert (w.total(), w.state()) == ("1507.25", "live")
            assert len(w.said("store.failed")) == 1
            FillingDisk.fails_before = None
            w.stream.move("USD", "1")
            await asyncio.sleep(10)
            assert w.broker.status().health == "healthy"
            newest = await w.broker.history(asset="USD", newest_first=True, limit=1)
            assert newest[0].total == "1508.25"

    run_virtual(main())


def test_a_damaged_store_is_refused_by_name_and_never_taken_for_empty(tmp_path: Path) -> None:
    async def main() -> None:
        clock, venue, path = new_clock(), FakeVenue(), tmp_path / "store.db"
        async with world(clock=clock, venue=venue, parts=parts_of(clock, venue, store_path=path)) as w:
            await w.broker.ready()
        path.write_bytes(b"this is no database, whatever it was" * 200)
        with pytest.raises(StoreError, match=r"store\.db"):
            async with world(clock=clock, venue=venue, parts=parts_of(clock, venue, store_path=path)):
                pass

    run_virtual(main())


# Events


def test_events_are_heard_from_the_very_first_and_until_left() -> None:
    async def main() -> None:
        async with world() as w:
            assert w.events[0].name == "broker.opened"
            later: list[Event] = []
            with w.desk.on_event(later.append):
                await w.broker.ready()
            count = len(later)
            assert count > 0
            w.client.failing["*"] = VenueUnreachableError("gone", venue="acme", request="any")
            await asyncio.sleep(100)
            assert len(later) == count
        assert w.events[-1].name == "broker.closed"
        assert "stream.lost" not in {event.name for event in w.events}  # Closing is not losing.

    run_virtual(main())


def test_a_listener_with_a_bug_harms_nobody() -> None:
    async def main() -> list[Any]:
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
        async with world() as w:

            def bug(event: Event) -> None:
                raise LookupError("as arranged")

            w.desk.on_event(bug)
            await w.broker.wait_until("live")
            return reported

    assert {type(error) for error in run_virtual(main())} == {LookupError}
