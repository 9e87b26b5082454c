"""The blocking form: one loop in one thread, plain calls into it, and clear words where it cannot be used."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import holdfast
from holdfast.errors import ClosedError, ConfigError, NotReadyError, UnknownNameError
from holdfast.runtime.clock import SystemClock
from holdfast.testing import FakeVenue, MemoryOwners, memory_config, memory_parts


@pytest.fixture
def venue() -> FakeVenue:
    return FakeVenue()


@pytest.fixture
def desk(venue: FakeVenue) -> Iterator[holdfast.BlockingDesk]:
    with opened(venue) as desk:
        yield desk


def opened(venue: FakeVenue, **more: Any) -> holdfast.BlockingDesk:
    parts = memory_parts(clock=SystemClock(), venue=venue, **more)
    return holdfast.open_blocking(memory_config(), parts=parts, contact="rest")


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "holdfast"]


def test_a_synchronous_bot_reads_what_an_asynchronous_one_reads(desk: holdfast.BlockingDesk) -> None:
    desk.ready(timeout_s=10)
    broker = desk["acme-master"]
    assert str(broker.balance("USD").total) == "1500.25"
    assert list(broker.balances()) == ["BTC", "USD"]
    assert broker.status().is_available
    assert broker.is_available()
    assert broker.get_error_count() == 0
    assert [row.asset for row in broker.history()] == ["USD", "BTC"]
    assert broker.explain("USD").balance.asset == "USD"
    assert (broker.name, broker.venue, broker.environment) == ("acme-master", "acme", "simulated")


def test_the_desk_is_a_mapping_of_brokers(desk: holdfast.BlockingDesk) -> None:
    assert [broker.name for broker in desk] == list(desk.brokers) == list(desk.status()) == ["acme-master"]
    assert len(desk) == 1
    assert "acme-master" in desk
    with pytest.raises(UnknownNameError, match="did you mean acme-master"):
        desk["acme-mastr"]


def test_errors_arrive_where_the_call_was_made(desk: holdfast.BlockingDesk) -> None:
    desk.ready(timeout_s=10)
    with pytest.raises(UnknownNameError, match="did you mean USD"):
        desk["acme-master"].balance("UDS")
    with pytest.raises(NotReadyError):
        desk["acme-master"].wait_until("live", timeout_s=0.05)


def test_changes_can_be_walked_and_callbacks_run_in_the_desks_thread(
    desk: holdfast.BlockingDesk, venue: FakeVenue
) -> None:
    desk.ready(timeout_s=10)
    broker = desk["acme-master"]
    heard: list[str] = []
    changes = broker.changes()
    with broker.subscribe(lambda _: heard.append(threading.current_thread().name)):
        venue.truth["USD"] = ("7", "0")
        assert broker.refresh().changed == ("USD",)
        first = next(iter(changes))
    assert isinstance(first, holdfast.BalancesChanged)
    assert first.assets == ("USD",)
    assert heard[0] == "holdfast"


def test_any_thread_may_call(desk: holdfast.BlockingDesk) -> None:
    desk.ready(timeout_s=10)
    found: list[str] = []

    def read() -> None:
        found.extend(str(desk["acme-master"].balance("USD").total) for _ in range(20))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert found == ["1500.25"] * 80


def test_a_blocking_call_inside_a_running_loop_is_refused_not_deadlocked(desk: holdfast.BlockingDesk) -> None:
    async def main() -> None:
        began_s = time.monotonic()
        with pytest.raises(ClosedError, match="inside a running event loop"):
            desk["acme-master"].balance("USD")
        with pytest.raises(ClosedError, match="inside a running event loop"):
            opened(FakeVenue()).__enter__()
        assert time.monotonic() - began_s < 1

    asyncio.run(main())


def test_a_blocking_call_from_a_callback_is_refused_not_deadlocked(
    desk: holdfast.BlockingDesk, venue: FakeVenue
) -> None:
    desk.ready(timeout_s=10)
    broker, refused = desk["acme-master"], []

    def callback(_: object) -> None:
        try:
            broker.balance("USD")
        except ClosedError as error:
            refused.append(str(error))

    with broker.subscribe(callback):
        venue.truth["USD"] = ("7", "0")
        broker.refresh()
    assert "inside a running event loop" in refused[0]


def test_everything_is_refused_after_close_and_closing_twice_is_fine(venue: FakeVenue) -> None:
    with opened(venue) as desk:
        broker = desk["acme-master"]
        changes = broker.changes()
    desk.close()
    assert threads() == []
    for use in (lambda: broker.balance("USD"), broker.refresh, desk.status, lambda: desk["acme-master"]):
        with pytest.raises(ClosedError, match="is closed"):
            use()
    with pytest.raises(ClosedError):
        list(changes)
    with pytest.raises(ClosedError, match="opened before"):
        desk.__enter__()


def test_a_desk_that_was_never_entered_says_so(venue: FakeVenue) -> None:
    with pytest.raises(ClosedError, match="is not open"):
        opened(venue).status()


def test_what_opening_raises_arrives_here_and_leaves_no_thread(venue: FakeVenue) -> None:
    owners = MemoryOwners()
    with opened(venue, owners=owners), pytest.raises(holdfast.OwnedElsewhereError):
        opened(FakeVenue(), owners=owners).__enter__()
    with pytest.raises(ConfigError):
        holdfast.open_blocking({"brokers": {}}).__enter__()
    assert threads() == []


def test_an_interrupted_wait_leaves_the_desk_usable(desk: holdfast.BlockingDesk) -> None:
    desk.ready(timeout_s=10)
    began_s = time.monotonic()
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        desk["acme-master"].wait_until("live", timeout_s=20)
    assert time.monotonic() - began_s < 10
    assert str(desk["acme-master"].balance("USD").total) == "1500.25"


@pytest.mark.processes
def test_a_forked_child_is_refused(desk: holdfast.BlockingDesk) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            desk["acme-master"].balance("USD")
            text = "allowed"
        except BaseException as error:
            text = type(error).__name__
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    assert os.read(reader, 100) == b"ClosedError"
    os.close(reader)
