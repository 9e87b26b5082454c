"""Disks that are full, slow, read-only, gone or lying: refused by name within one operation, and taken up again."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.core.events import Event
from holdfast.core.seams import JournalRow
from holdfast.errors import (
    ClosedError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
)
from holdfast.store.sqlite import SqliteStore
from holdfast.store.sqlite.writer import Report
from tests.store.conftest import Mark, OpenStore, names
from tests.store.disks import Disk
from tests.store.rows import confirmation, money, notice, seqs, totals


def heavy(number: int) -> JournalRow:
    return money("USD", str(number), cause='"' + "x" * 3_000 + '"')


async def fill(store: SqliteStore) -> int:
    """Append until the store is full; how many rows were acknowledged."""
    for number in range(1, 10_000):
        try:
            assert await store.append([heavy(number)]) == number
        except StoreFullError:
            return number - 1
    raise AssertionError("the bound was never met")


# Full (D1)


@pytest.mark.parametrize("writer", ["thread", "inline"])
async def test_a_full_store_refuses_at_once_and_keeps_what_it_acknowledged(
    open_store: OpenStore, events: list[Event], writer: str
) -> None:
    store = await open_store(writer=writer, max_pages=40)

    kept = await fill(store)

    assert (store.status().is_ok, store.status().reason, store.status().last_seq) == (False, "full", kept)
    assert names(events) == ["store.failed"]
    assert events[0].fields == {"broker": "main", "reason": "full"}
    assert seqs(await store.history()) == list(range(1, kept + 1))
    with pytest.raises(StoreFullError):
        await store.append([heavy(0)])


@pytest.mark.parametrize("writer", ["thread", "inline"])
async def test_a_full_store_goes_on_once_there_is_room(open_store: OpenStore, events: list[Event], writer: str) -> None:
    store = await open_store(writer=writer, max_pages=40)
    kept = await fill(store)

    status = await store.resize(max_pages=400)

    assert status.is_ok
    assert names(events) == ["store.failed", "store.recovered"]
    assert await store.append([money("USD", "after")]) == kept + 1
    assert seqs(await store.history()) == list(range(1, kept + 2))
    await store.close()
    again = await open_store()
    assert totals(await again.latest()) == [("USD", "after")]


async def test_a_full_store_is_not_called_good_because_nothing_had_to_be_written(open_store: OpenStore) -> None:
    store = await open_store(writer="inline", max_pages=40)
    kept = await fill(store)

    assert await store.append([confirmation("USD", str(kept))]) == kept
    assert await store.append([]) == kept

    assert store.status().reason == "full"


async def test_a_full_store_that_got_room_elsewhere_is_found_good_again_by_itself(
    open_store: OpenStore, disk: type[Disk], events: list[Event]
) -> None:
    store = await open_store(connection_class=disk)
    disk.fails_before = sqlite3.SQLITE_FULL
    with pytest.raises(StoreFullError):
        await store.append([money("USD", "1")])
    disk.fails_before = None

    await until(lambda: store.status().is_ok)

    assert names(events) == ["store.failed", "store.recovered"]


async def test_a_failed_fact_is_not_kept(open_store: OpenStore, disk: type[Disk]) -> None:
    store = await open_store(writer="inline", connection_class=disk)
    await store.keep_fact("halted", '{"reason":"first"}')
    disk.fails_before = sqlite3.SQLITE_FULL

    with pytest.raises(StoreFullError):
        await store.keep_fact("halted", None)

    assert await store.fact("halted") == '{"reason":"first"}'
    assert store.halted == '{"reason":"first"}'


# The queue


async def test_a_queue_that_overflows_refuses_money_rows_and_says_so(
    open_store: OpenStore, disk: type[Disk], events: list[Event]
) -> None:
    store = await open_store(connection_class=disk, max_queued_rows=10)
    disk.commit_s = 0.2
    receipts = [store.append([money("USD", str(number))]) for number in range(40)]
    assert store.status().reason == "full"

    outcomes = await asyncio.gather(*receipts, return_exceptions=True)
    disk.commit_s = 0.0

    acknowledged = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, int)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, StoreFullError)]
    assert len(acknowledged) >= 10
    assert len(refused) == 40 - len(acknowledged) > 0
    await store.append([money("USD", "last")])
    assert [row.total for row in await store.history()] == [*map(str, acknowledged), "last"]
    assert store.status().is_ok
    assert names(events) == ["store.failed", "store.recovered"]


async def test_confirmations_cannot_fill_the_queue(open_store: OpenStore, disk: type[Disk]) -> None:
    store = await open_store(connection_class=disk, max_queued_rows=10)
    disk.commit_s = 0.1
    for number in range(500):
        store.append([confirmation("USD", str(number))])
    await store.append([money("USD", "m")])

    assert (await store.latest())[0].total == "m"
    assert len(await store.history()) < 10
    assert store.status().is_ok


# Slow (D4)


async def test_a_slow_sync_holds_up_the_rows_and_not_the_event_loop(open_store: OpenStore, disk: type[Disk]) -> None:
    store = await open_store(connection_class=disk)
    disk.commit_s = 0.4
    receipt = store.append([money("USD", "1")])
    lags: list[float] = []

    async def watch() -> None:
        while True:
            before_s = time.monotonic()
            await asyncio.sleep(0.005)
            lags.append(time.monotonic() - before_s - 0.005)

    watching = asyncio.create_task(watch())
    started_s = time.monotonic()
    await receipt
    took_s = time.monotonic() - started_s
    watching.cancel()
    disk.commit_s = 0.0

    assert took_s >= 0.35
    # A blocked loop would have been away for the whole sync; a busy machine is not that slow that often.
    assert len(lags) >= 10
    assert sorted(lags)[len(lags) // 2] < 0.05


async def test_reading_does_not_wait_behind_a_slow_sync(open_store: OpenStore, disk: type[Disk]) -> None:
    store = await open_store(connection_class=disk)
    await store.append([money("USD", "1")])
    disk.commit_s = 1.0
    slow = asyncio.ensure_future(_wait(store.append([money("USD", "2")])))
    await asyncio.sleep(0.05)

    assert totals(await store.latest()) == [("USD", "1")]
    assert not slow.done()

    disk.commit_s = 0.0
    await slow
    assert totals(await store.latest()) == [("USD", "2")]


async def test_rows_that_arrive_during_a_sync_share_the_next_one(open_store: OpenStore, disk: type[Disk]) -> None:
    store = await open_store(connection_class=disk)
    disk.commit_s = 0.1
    disk.commits = 0

    await asyncio.gather(*(_wait(store.append([money("USD", str(number))])) for number in range(200)))
    disk.commit_s = 0.0

    assert disk.commits <= 3
    assert seqs(await store.history()) == list(range(1, 201))


# Failing syncs (D4)


@pytest.mark.parametrize("writer", ["thread", "inline"])
async def test_a_failed_sync_is_believed_only_after_reopening_and_proving(
    open_store: OpenStore, disk: type[Disk], events: list[Event], writer: str
) -> None:
    store = await open_store(writer=writer, connection_class=disk)
    await store.append([money("USD", "1")])
    before = disk.opened
    disk.fails_after = sqlite3.SQLITE_IOERR_FSYNC

    with pytest.raises(StoreError, match="may or may not"):
        await store.append([money("USD", "2")])
    assert store.status().reason == "io"
    disk.fails_after = None
    if writer == "inline":
        await store.recover()
    await until(lambda: store.status().is_ok)

    assert disk.opened > before
    # The commit had reached the file before the sync failed: it is found, and numbered rows follow it.
    assert await store.append([money("USD", "3")]) == 3
    assert [row.total for row in await store.history()] == ["1", "2", "3"]
    assert names(events) == ["store.failed", "store.recovered"]


async def test_a_failing_disk_is_not_asked_again_and_again(open_store: OpenStore, disk: type[Disk]) -> None:
    store = await open_store(connection_class=disk)
    disk.fails_before = sqlite3.SQLITE_IOERR_FSYNC
    with pytest.raises(StoreError):
        await store.append([money("USD", "1")])
    opened = disk.opened

    outcomes = await asyncio.gather(
        *(_wait(store.append([money("USD", str(number))])) for number in range(50)), return_exceptions=True
    )

    assert all(isinstance(outcome, StoreError) for outcome in outcomes)
    assert disk.opened - opened <= 2
    disk.fails_before = None


async def test_acknowledged_rows_that_are_gone_after_a_failed_sync_are_corruption(
    open_store: OpenStore, disk: type[Disk], path: Path, tmp_path: Path
) -> None:
    store = await open_store(writer="inline", connection_class=disk)
    await store.append([money("USD", "1")])
    earlier = tmp_path / "earlier"
    await store.backup(str(earlier))
    await store.append([money("USD", "2")])
    disk.fails_before = sqlite3.SQLITE_IOERR_FSYNC
    with pytest.raises(StoreError):
        await store.append([money("USD", "3")])
    disk.fails_before = None
    path.write_bytes(earlier.read_bytes())

    with pytest.raises(StoreCorruptError, match="had been acknowledged"):
        await store.append([money("USD", "3")])

    assert store.status().reason == "corrupt"


# Busy and long readers (D5)


async def test_another_process_that_holds_the_file_is_waited_for_only_so_long(
    open_store: OpenStore, path: Path
) -> None:
    store = await open_store(busy_s=0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started_s = time.monotonic()

    with pytest.raises(StoreError, match="another process"):
        await store.append([money("USD", "1")])

    assert time.monotonic() - started_s < 5
    assert store.status().reason == "busy"
    other.execute("ROLLBACK")
    other.close()
    assert await store.append([money("USD", "2")]) == 1


async def test_a_reader_that_never_ends_cannot_grow_the_log_past_its_bound(open_store: OpenStore, path: Path) -> None:
    store = await open_store(writer="inline", max_wal_bytes=400_000)
    await store.append([money("USD", "0")])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM journal").fetchone()

    async def grow() -> None:
        for number in range(1_000):
            await store.append([heavy(number)])

    with pytest.raises(StoreFullError, match="keeps reading"):
        await grow()
    kept = store.status().last_seq
    assert Path(f"{path}-wal").stat().st_size < 500_000

    other.close()
    assert await store.append([money("USD", "after")]) == kept + 1
    assert store.status().is_ok


async def test_the_log_is_emptied_while_nobody_writes(
    open_store: OpenStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.store.sqlite.writer._IDLE_S", 0.02)
    store = await open_store()
    await store.append([heavy(1)])

    await until(lambda: not Path(f"{path}-wal").stat().st_size)

    assert await store.append([money("USD", "2")]) == 2


async def test_somebody_else_writing_to_the_file_is_noticed(open_store: OpenStore, path: Path) -> None:
    store = await open_store(writer="inline")
    await store.append([money("USD", "1")])
    other = sqlite3.connect(path)
    other.execute("UPDATE journal_state SET last_seq = 7")
    other.commit()
    other.close()

    with pytest.raises(StoreCorruptError, match="somebody else"):
        await store.append([money("USD", "2")])


# Gone and replaced (D3)


@pytest.mark.parametrize("writer", ["thread", "inline"])
async def test_a_file_deleted_under_us_is_noticed_before_the_next_row(
    open_store: OpenStore, path: Path, writer: str
) -> None:
    store = await open_store(writer=writer)
    await store.append([money("USD", "1")])
    path.unlink()

    with pytest.raises(StoreCorruptError, match="deleted"):
        await store.append([money("USD", "2")])

    assert store.status().reason == "replaced"
    with pytest.raises(StoreCorruptError):
        await store.latest()
    assert not path.exists()


async def test_a_file_that_was_put_back_is_taken_up_again(open_store: OpenStore, path: Path) -> None:
    store = await open_store(writer="inline")
    await store.append([money("USD", "1")])
    hidden = path.with_name("hidden.db")
    path.rename(hidden)
    with pytest.raises(StoreCorruptError):
        await store.append([money("USD", "2")])
    hidden.rename(path)

    assert await store.append([money("USD", "3")]) == 2
    assert [row.total for row in await store.history()] == ["1", "3"]


@pytest.mark.parametrize(("with_our_log", "reason"), [(True, "corrupt"), (False, "replaced")])
async def test_another_store_in_the_place_of_ours_is_refused(
    open_store: OpenStore, path: Path, with_our_log: bool, reason: str
) -> None:
    store = await open_store(writer="inline")
    other = await open_store(path.with_name("other.db"), writer="inline")
    await other.append([money("USD", "99")] * 9)
    await other.close()
    await store.append([money("USD", "1")])
    path.with_name("other.db").replace(path)
    if not with_our_log:
        path.with_name("holdfast.db-wal").unlink()
        path.with_name("holdfast.db-shm").unlink()

    with pytest.raises(StoreCorruptError, match="replaced"):
        await store.append([money("USD", "2")])
    with pytest.raises(StoreCorruptError, match="another store"):
        await store.append([money("USD", "2")])

    assert store.status().reason == reason


async def test_a_folder_replaced_by_a_link_is_noticed(open_store: OpenStore, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    store = await open_store(folder / "holdfast.db", writer="inline")
    await store.append([money("USD", "1")])
    folder.rename(tmp_path / "moved")
    folder.symlink_to(elsewhere)

    with pytest.raises(StoreCorruptError):
        await store.append([money("USD", "2")])

    assert list(elsewhere.iterdir()) == []


# Who may read and write it (X12, D3)


async def test_files_are_ours_alone(open_store: OpenStore, path: Path, tmp_path: Path) -> None:
    old_mask = os.umask(0)
    try:
        store = await open_store()
        await store.append([money("USD", "1")])
        await store.backup(str(tmp_path / "copy"))
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    finally:
        os.umask(old_mask)

    assert set(modes) == {"holdfast.db", "holdfast.db-wal", "holdfast.db-shm", "copy"}
    assert set(modes.values()) == {0o600}


async def test_a_file_that_was_opened_to_others_is_narrowed(open_store: OpenStore, path: Path) -> None:
    await (await open_store()).close()
    path.chmod(0o644)

    await open_store()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["holdfast.db", "holdfast.db-wal"])
async def test_a_link_in_the_place_of_a_file_is_not_followed(
    open_store: OpenStore, tmp_path: Path, path: Path, name: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.with_name(name).symlink_to(victim)

    with pytest.raises(StoreError, match="symbolic link"):
        await open_store()

    assert victim.read_text() == "precious"


async def test_a_disk_that_became_read_only_is_named(open_store: OpenStore, disk: type[Disk]) -> None:
    store = await open_store(writer="inline", connection_class=disk)
    await store.append([money("USD", "1")])
    disk.fails_before = sqlite3.SQLITE_READONLY

    with pytest.raises(StoreReadOnlyError):
        await store.append([money("USD", "2")])

    assert store.status().reason == "read_only"
    assert totals(await store.latest()) == [("USD", "1")]
    disk.fails_before = None
    assert await store.append([money("USD", "3")]) == 2
    assert store.status().is_ok


_AS_NOBODY = """
import asyncio, os, sys
from holdfast.errors import StoreError
from holdfast.store.sqlite import SqliteStore
folder, uid = sys.argv[1], int(sys.argv[2])
async def main():
    # Everything that is imported late is imported now: the other user may not be able to read it.
    await (await SqliteStore.open(":memory:", wall_us=lambda: 0, writer="inline")).close()
    if uid:
        os.setgid(uid)
        os.setuid(uid)
    try:
        await SqliteStore.open(folder + "/holdfast.db", wall_us=lambda: 0)
    except StoreError as error:
        print(type(error).__name__, error)
asyncio.run(main())
"""


@pytest.mark.processes
@pytest.mark.parametrize("what", ["folder", "file"])
async def test_a_store_we_may_not_write_is_refused_by_name(open_store: OpenStore, tmp_path: Path, what: str) -> None:
    # Root may write anything, so root's tests ask as another user.
    uid = 65534 if os.geteuid() == 0 else 0
    folder = tmp_path / "state"
    folder.mkdir()
    path = folder / "holdfast.db"
    await (await open_store(path)).close()
    if uid:
        os.chown(path, uid, uid)
        os.chown(folder, uid, uid)
        for parent in (tmp_path, *tmp_path.parents):
            if parent.owner() == "root" and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o001)
    (folder if what == "folder" else path).chmod(0o500 if what == "folder" else 0o400)

    said = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", _AS_NOBODY, str(folder), str(uid)], capture_output=True, text=True
    )
    folder.chmod(0o700)

    assert said.stdout.startswith("StoreReadOnlyError"), said.stdout + said.stderr


# Rows that no store can keep


@pytest.mark.parametrize("writer", ["thread", "inline"])
async def test_a_row_that_cannot_be_kept_takes_no_other_down(
    open_store: OpenStore, events: list[Event], writer: str
) -> None:
    store = await open_store(writer=writer)
    good = [store.append([money("USD", str(number))]) for number in range(3)]
    bad = [
        store.append([money("USD", "\ud800")]),
        store.append([money("USD", 5)]),  # type: ignore[arg-type]
        store.append([money("USD", "1", wall_us=2**63)]),
        store.append([money("USD", "1", wall_us=1.5)]),  # type: ignore[arg-type]
    ]
    good.append(store.append([money("USD", "last")]))

    assert [await receipt for receipt in good] == [1, 2, 3, 4]
    for receipt in bad:
        with pytest.raises(StoreError, match="cannot be kept"):
            await receipt
    assert [row.total for row in await store.history()] == ["0", "1", "2", "last"]
    assert store.status().is_ok
    # Nobody may have waited: it is told nevertheless.
    assert "store.failed" in names(events)
    assert {event.fields["reason"] for event in events if event.name == "store.failed"} == {"refused"}


# The mark


async def test_a_mark_that_cannot_be_written_is_told_though_the_row_is_kept(open_store: OpenStore, mark: Mark) -> None:
    store = await open_store(writer="inline", journal_mark=mark)
    mark.error = OSError(5, "Input/output error")

    assert await store.append([money("USD", "1")]) == 1

    assert store.status().reason == "io"
    mark.error = None
    await store.append([money("USD", "2")])
    assert store.status().is_ok
    assert mark.value == 2


# Misuse (C7, M2)


async def test_use_from_another_event_loop_is_refused(open_store: OpenStore) -> None:
    store = await open_store()

    def elsewhere() -> None:
        async def use() -> None:
            store.append([money("USD", "1")])

        asyncio.run(use())

    with pytest.raises(ClosedError, match="event loop"):
        await asyncio.to_thread(elsewhere)
    with pytest.raises(ClosedError, match="event loop"):
        await asyncio.to_thread(store.append, [money("USD", "1")])
    assert await store.append([money("USD", "1")]) == 1


@pytest.mark.processes
@pytest.mark.parametrize("writer", ["thread", "inline"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
async def test_a_forked_child_is_refused_and_harms_nothing(open_store: OpenStore, writer: str, path: Path) -> None:
    store = await open_store(writer=writer)
    await store.append([money("USD", "1")])

    child = os.fork()
    if not child:
        try:
            store.append([money("USD", "2")])
        except ClosedError:
            os._exit(0 if store.status().reason == "closed" else 1)
        os._exit(2)

    assert (await asyncio.to_thread(os.waitpid, child, 0))[1] == 0
    assert await store.append([money("USD", "3")]) == 2
    assert [row.total for row in await store.history()] == ["1", "3"]


async def test_closing_writes_what_is_queued_and_leaves_one_file(
    open_store: OpenStore, path: Path, disk: type[Disk], mark: Mark
) -> None:
    store = await open_store(connection_class=disk, journal_mark=mark)
    disk.commit_s = 0.05
    for number in range(20):
        store.append([money("USD", str(number))])
    await store.close()

    assert [each.name for each in path.parent.iterdir()] == ["holdfast.db"]
    assert mark.is_closed
    assert mark.value == 20
    assert len(await (await open_store()).history()) == 20


async def test_a_bug_in_the_writer_ends_in_errors_and_not_in_silence(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store()

    def break_down(engine: object, works: list[object]) -> Report:
        monkeypatch.undo()
        raise RuntimeError("a bug")

    monkeypatch.setattr("holdfast.store.sqlite.writer.perform", break_down)

    for total in ("1", "2"):
        async with asyncio.timeout(10):
            with pytest.raises(StoreError, match="a bug"):
                await store.append([money("USD", total)])
    assert not store.status().is_ok


async def test_a_store_in_memory_needs_the_inline_writer(open_store: OpenStore) -> None:
    with pytest.raises(ValueError, match="inline"):
        await open_store(":memory:")

    store = await open_store(":memory:", writer="inline")
    assert await store.append([money("USD", "1"), notice("{}")]) == 2
    assert totals(await store.latest()) == [("USD", "1")]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another thread or on the disk.
            await asyncio.sleep(0.01)


async def _wait(receipt: object) -> object:
    return await receipt  # type: ignore[misc]
