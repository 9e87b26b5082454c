"""Backup, restore and the mark that tells an old copy from the present store."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from holdfast.core.events import Event
from holdfast.errors import ClosedError, StoreCorruptError, StoreError, StoreVersionError
from holdfast.runtime.journal_mark import JournalMark
from holdfast.store.sqlite import restore, verify
from holdfast.store.sqlite.schema import shipped_migrations
from tests.store.conftest import Mark, OpenStore, names
from tests.store.rows import NOON_US, money, seqs, totals
from tests.store.test_sqlite_durability import NEXT


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "main.backup"


# Backup


@pytest.mark.parametrize("writer", ["thread", "inline"])
async def test_a_backup_is_a_whole_store_of_one_moment(open_store: OpenStore, backup: Path, writer: str) -> None:
    store = await open_store(writer=writer)
    await store.append([money("USD", "1"), money("BTC", "2")])
    await store.keep_fact("account", '"AA1"')

    await store.backup(str(backup))
    await store.append([money("USD", "3")])

    assert verify(backup) == 2
    copy = await open_store(backup)
    assert totals(await copy.history()) == [("USD", "1"), ("BTC", "2")]
    assert await copy.fact("account") == '"AA1"'
    assert await store.append([money("USD", "4")]) == 4


async def test_a_backup_under_full_load_is_consistent_and_holds_nobody_up(open_store: OpenStore, backup: Path) -> None:
    store = await open_store()
    is_done = False

    async def caller(name: str) -> int:
        number = 0
        while not is_done:
            number += 1
            await store.append([money(name, str(number)), money("SUM", f"{name}{number}")])
        return number

    callers = [asyncio.create_task(caller(f"A{index}")) for index in range(8)]
    await asyncio.sleep(0.05)
    before = store.status().last_seq
    await store.backup(str(backup))
    after = store.status().last_seq
    is_done = True
    await asyncio.gather(*callers)

    assert before <= verify(backup) <= after
    rows = await (await open_store(backup)).history(limit=100_000)
    assert seqs(rows) == list(range(1, len(rows) + 1))
    # Rows of one append are both in it or neither.
    assert len(rows) % 2 == 0


async def test_a_backup_overwrites_only_when_asked(open_store: OpenStore, backup: Path) -> None:
    store = await open_store()
    await store.append([money("USD", "1")])
    backup.write_text("something else")

    with pytest.raises(StoreError, match="exists"):
        await store.backup(str(backup))
    assert backup.read_text() == "something else"
    await store.backup(str(backup), overwrite=True)

    assert verify(backup) == 1


async def test_a_backup_does_not_follow_a_link(open_store: OpenStore, backup: Path, tmp_path: Path) -> None:
    store = await open_store()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    backup.symlink_to(victim)

    with pytest.raises(StoreError):
        await store.backup(str(backup))
    await store.backup(str(backup), overwrite=True)

    assert victim.read_text() == "precious"
    assert not backup.is_symlink()


async def test_a_backup_of_a_damaged_store_is_refused(open_store: OpenStore, path: Path, backup: Path) -> None:
    store = await open_store()
    await store.append([money("USD", "1500.25")])
    await store.append([money("USD", "7")])
    await store.close()
    path.write_bytes(path.read_bytes().replace(b"1500.25", b"9500.25", 1))
    store = await open_store()

    with pytest.raises(StoreCorruptError, match="checksum"):
        await store.backup(str(backup))

    assert not backup.exists()
    assert [each.name for each in backup.parent.iterdir() if each.name.startswith(".")] == []


async def test_a_closed_store_makes_no_backup(open_store: OpenStore, backup: Path) -> None:
    store = await open_store()
    await store.close()

    with pytest.raises(ClosedError):
        await store.backup(str(backup))


# Verify


async def test_verify_judges_a_killed_store_with_its_log_and_changes_neither(
    open_store: OpenStore, path: Path, tmp_path: Path
) -> None:
    store = await open_store(writer="inline")
    await store.append([money("USD", "1")] * 3)
    left = tmp_path / "left" / "holdfast.db"
    left.parent.mkdir()
    for side in ("", "-wal"):
        shutil.copyfile(f"{path}{side}", f"{left}{side}")
    before = {each.name: each.read_bytes() for each in left.parent.iterdir()}

    assert verify(left) == 3

    assert {each.name: each.read_bytes() for each in left.parent.iterdir()} == before


def test_verify_finds_nothing_where_there_is_nothing(path: Path) -> None:
    with pytest.raises(StoreCorruptError, match="no store"):
        verify(path)


# Restore


async def test_a_restored_backup_starts_halted_and_gives_no_number_twice(
    open_store: OpenStore, path: Path, backup: Path, mark: Mark, events: list[Event]
) -> None:
    store = await open_store(journal_mark=mark)
    await store.append([money("USD", "1")] * 3)
    await store.backup(str(backup))
    await store.append([money("USD", "2")] * 4)
    await store.close()

    aside = restore(backup, path, wall_us=NOON_US, journal_mark=mark)

    assert aside is not None
    assert aside.name == "holdfast.db.before-restore-20241004T120000Z"
    assert verify(aside) == 7
    store = await open_store(journal_mark=mark)
    assert totals(await store.latest()) == [("USD", "1")]
    assert store.status().halted == "restored_old_copy"
    why = json.loads(store.halted or "{}")
    assert (why["last_seq"], why["mark"], why["backup"]) == (3, 7, "main.backup")
    assert await store.append([money("USD", "3")]) == 8
    assert seqs(await store.history()) == [1, 2, 3, 8]
    assert mark.value == 8
    await store.close()
    again = await open_store(journal_mark=mark)
    assert again.status().halted == "restored_old_copy"
    await again.keep_fact("halted", None)
    assert again.status().halted is None
    assert names(events) == []


@pytest.mark.parametrize("writer", ["thread", "inline"])
async def test_a_database_that_was_merely_copied_back_is_found_out_by_the_mark(
    open_store: OpenStore, path: Path, tmp_path: Path, events: list[Event], writer: str
) -> None:
    mark_path = tmp_path / "journal.mark"
    store = await open_store(writer=writer, journal_mark=JournalMark.open(mark_path))
    await store.append([money("USD", "1")] * 3)
    await store.close()
    old = path.read_bytes()
    store = await open_store(writer=writer, journal_mark=JournalMark.open(mark_path))
    await store.append([money("USD", "2")] * 4)
    await store.close()
    path.write_bytes(old)

    store = await open_store(writer=writer, journal_mark=JournalMark.open(mark_path))

    assert store.status().halted == "restored_old_copy"
    assert names(events) == ["store.restored"]
    assert await store.append([money("USD", "3")]) == 8
    await store.close()
    # Said once, kept until somebody takes it away.
    store = await open_store(writer=writer, journal_mark=JournalMark.open(mark_path))
    assert store.status().halted == "restored_old_copy"
    assert names(events) == ["store.restored"]


async def test_a_mark_that_lags_after_a_power_loss_is_no_reason_to_halt(open_store: OpenStore, mark: Mark) -> None:
    store = await open_store(journal_mark=mark)
    await store.append([money("USD", "1")] * 3)
    await store.close()
    mark.value = 1

    store = await open_store(journal_mark=mark)

    assert store.halted is None
    assert mark.value == 3


async def test_restoring_where_nothing_was_missed_does_not_halt(
    open_store: OpenStore, path: Path, backup: Path, mark: Mark
) -> None:
    store = await open_store(journal_mark=mark)
    await store.append([money("USD", "1")] * 3)
    await store.backup(str(backup))
    await store.close()

    restore(backup, path, wall_us=NOON_US, journal_mark=mark)

    store = await open_store(journal_mark=mark)
    assert store.halted is None
    assert await store.append([money("USD", "2")]) == 4


async def test_restoring_without_a_mark_halts_because_nobody_can_know(
    open_store: OpenStore, tmp_path: Path, backup: Path
) -> None:
    store = await open_store()
    await store.append([money("USD", "1")] * 3)
    await store.backup(str(backup))
    elsewhere = tmp_path / "other host" / "holdfast.db"
    elsewhere.parent.mkdir()

    assert restore(backup, elsewhere, wall_us=NOON_US) is None

    assert (await open_store(elsewhere)).status().halted == "restored_old_copy"
    assert verify(backup) == 3


async def test_a_damaged_store_is_replaced_by_a_restore_and_kept(
    open_store: OpenStore, path: Path, backup: Path
) -> None:
    store = await open_store()
    await store.append([money("USD", "1")])
    await store.backup(str(backup))
    await store.close()
    path.write_bytes(b"rubbish")

    aside = restore(backup, path, wall_us=NOON_US)

    assert aside is not None
    assert aside.read_bytes() == b"rubbish"
    assert totals(await (await open_store()).latest()) == [("USD", "1")]


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "foreign", "newer"])
async def test_a_backup_that_cannot_be_believed_changes_nothing(
    open_store: OpenStore, path: Path, backup: Path, damage: str
) -> None:
    store = await open_store()
    await store.append([money("USD", "1500.25"), money("USD", "2")])
    await store.backup(str(backup))
    await store.close()
    content = backup.read_bytes()
    match damage:
        case "missing":
            backup.unlink()
        case "cut":
            backup.write_bytes(content[:9_000])
        case "flipped":
            backup.write_bytes(content.replace(b"1500.25", b"1500.26", 1))
        case "foreign" | "newer":
            other = sqlite3.connect(backup)
            other.execute(f"PRAGMA {'application_id' if damage == 'foreign' else 'user_version'} = 99")
            other.close()
    before = path.read_bytes()

    with pytest.raises(StoreVersionError if damage in {"foreign", "newer"} else StoreCorruptError):
        restore(backup, path, wall_us=NOON_US)

    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir() if "restored" in each.name or "before" in each.name] == []


async def test_a_backup_of_an_older_version_is_restored_as_the_present_one(
    open_store: OpenStore, path: Path, backup: Path
) -> None:
    store = await open_store()
    await store.append([money("USD", "1")])
    await store.backup(str(backup))
    await store.close()
    steps = [*shipped_migrations(), NEXT]

    restore(backup, path, wall_us=NOON_US, migrations=steps)

    assert totals(await (await open_store(migrations=steps)).latest()) == [("USD", "1")]


async def test_a_copied_database_with_its_log_can_be_restored_from(
    open_store: OpenStore, path: Path, backup: Path, tmp_path: Path
) -> None:
    store = await open_store(writer="inline")
    await store.append([money("USD", "1")] * 3)
    for side in ("", "-wal"):
        shutil.copyfile(f"{path}{side}", f"{backup}{side}")
    target = tmp_path / "new.db"

    restore(backup, target, wall_us=NOON_US)

    assert len(await (await open_store(target)).history()) == 3


async def test_restoring_refuses_a_link_in_the_place_of_the_store(
    open_store: OpenStore, path: Path, backup: Path, tmp_path: Path
) -> None:
    store = await open_store()
    await store.append([money("USD", "1")])
    await store.backup(str(backup))
    link = tmp_path / "link.db"
    link.symlink_to(path)

    with pytest.raises(StoreError, match="symbolic link"):
        restore(backup, link, wall_us=NOON_US)
