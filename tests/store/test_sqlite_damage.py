"""Files that were damaged, cut, swapped or never ours: told apart, refused untouched, and never read as empty."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from holdfast.core.events import Event
from holdfast.errors import StoreCorruptError, StoreError, StoreVersionError
from holdfast.store.sqlite import SqliteStore, quarantine
from holdfast.store.sqlite.schema import APPLICATION_ID, shipped_migrations
from tests.store.conftest import Mark, OpenStore, names
from tests.store.rows import DAY_US, NOON_US, money, seqs, totals

SIDES = ("", "-wal", "-shm")


async def filled(open_store: OpenStore, path: Path, *, rows: int = 300) -> None:
    """A closed store of some pages at *path*."""
    store = await open_store(path, writer="inline")
    for start in range(0, rows, 50):
        await store.append([money(f"A{number % 7}", str(number)) for number in range(start, start + 50)])
    await store.keep_fact("account", '{"id":"AA1"}')
    await store.close()


def copy_live(path: Path, target: Path) -> None:
    """What a killed process would have left, under another name."""
    for side in SIDES[:2]:
        shutil.copyfile(f"{path}{side}", f"{target}{side}")


def listing(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir() if not each.name.endswith("-shm")}


# Not ours


async def test_another_programs_database_is_refused_and_left_alone(open_store: OpenStore, path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (a)")
    other.commit()
    other.close()
    before = path.read_bytes()

    with pytest.raises(StoreVersionError, match="not holdfast's"):
        await open_store()
    with pytest.raises(StoreVersionError):
        await open_store(on_damage="quarantine")

    assert path.read_bytes() == before


async def test_a_newer_holdfasts_store_is_refused_with_what_to_do(open_store: OpenStore, path: Path) -> None:
    await filled(open_store, path)
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    before = path.read_bytes()

    with pytest.raises(StoreVersionError, match="upgrade holdfast"):
        await open_store(on_damage="quarantine")

    assert path.read_bytes() == before


async def test_a_newer_version_that_only_the_log_knows_of_is_refused(
    open_store: OpenStore, path: Path, tmp_path: Path
) -> None:
    store = await open_store(writer="inline")
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    target = tmp_path / "left" / "holdfast.db"
    target.parent.mkdir()
    copy_live(path, target)
    newer.close()
    await store.close()
    before = listing(target.parent)

    with pytest.raises(StoreVersionError, match="newer holdfast"):
        await open_store(target)

    assert listing(target.parent) == before


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 4096, b"SQLite format 2\0" + b"\0" * 4096, b"SQLite format 3\0", b"not a database at all" * 500],
    ids=["empty", "zeros", "other magic", "header only", "text"],
)
async def test_what_is_no_database_is_never_taken_for_an_empty_store(
    open_store: OpenStore, path: Path, content: bytes
) -> None:
    path.write_bytes(content)

    with pytest.raises(StoreCorruptError, match="left untouched"):
        await open_store()

    assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == ["holdfast.db"]


async def test_a_folder_in_the_place_of_the_file_is_refused(open_store: OpenStore, path: Path) -> None:
    path.mkdir()

    with pytest.raises(StoreError, match="not a plain file"):
        await open_store()


# Missing


async def test_a_store_that_is_gone_while_its_mark_is_there_is_not_started_anew(
    open_store: OpenStore, path: Path, mark: Mark
) -> None:
    store = await open_store(journal_mark=mark)
    await store.append([money("USD", "1")] * 5)
    await store.close()
    path.unlink()

    with pytest.raises(StoreCorruptError, match="had come to 5"):
        await open_store(journal_mark=mark)

    assert not path.exists()


async def test_a_store_that_is_gone_while_its_log_is_there_is_not_started_anew(
    open_store: OpenStore, path: Path, tmp_path: Path
) -> None:
    store = await open_store(writer="inline")
    await store.append([money("USD", "1")])
    target = tmp_path / "left" / "holdfast.db"
    target.parent.mkdir()
    shutil.copyfile(f"{path}-wal", f"{target}-wal")

    with pytest.raises(StoreCorruptError, match="log is still there"):
        await open_store(target)

    assert not target.exists()


# Cut


async def test_a_cut_file_is_refused_wherever_it_was_cut(open_store: OpenStore, path: Path) -> None:
    await filled(open_store, path)
    whole = path.read_bytes()
    pages = len(whole) // 4096
    assert pages >= 10

    for length in [50, 100, 512, 4096, *(4096 * page for page in range(2, pages)), len(whole) - 1, len(whole) - 100]:
        path.write_bytes(whole[:length])
        with pytest.raises(StoreCorruptError):
            await open_store()
        assert path.read_bytes() == whole[:length]


# Flipped


async def test_a_flipped_bit_is_refused_or_changes_nothing_that_is_read(open_store: OpenStore, path: Path) -> None:
    """Never another amount, never a missing row: that is what a flipped bit may not become."""
    await filled(open_store, path)
    whole = path.read_bytes()
    store = await open_store(writer="inline")
    truth = (await store.history(limit=10_000), await store.latest(), await store.fact("account"))
    await store.close()
    rng = random.Random(20_261_120)
    places = [rng.randrange(len(whole)) for _ in range(90)] + [rng.randrange(100) for _ in range(30)]
    found = 0

    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(damaged))
        try:
            store = await open_store(writer="inline")
            seen = (await store.history(limit=10_000), await store.latest(), await store.fact("account"))
            await store.close()
        except StoreError:
            found += 1
            continue
        assert seen == truth, f"byte {place} of {len(whole)}"

    # The rest hit bytes that no row, index or header uses.
    assert found > 30


async def test_a_changed_digit_in_a_kept_row_is_noticed_and_stops_the_store(open_store: OpenStore, path: Path) -> None:
    """SQLite calls such a file intact."""
    store = await open_store()
    await store.append([money("USD", "1500.25")])
    await store.append([money("USD", "7")])
    await store.close()
    whole = path.read_bytes()
    assert whole.count(b"1500.25") == 2  # total and available of the journal's row; latest has moved on
    path.write_bytes(whole.replace(b"1500.25", b"9500.25", 1))

    store = await open_store()
    with pytest.raises(StoreCorruptError, match="checksum"):
        await store.history()

    with pytest.raises(StoreCorruptError):
        await store.append([money("USD", "8")])
    assert store.status().reason == "corrupt"


async def test_a_changed_digit_in_the_latest_figures_is_noticed_at_once(open_store: OpenStore, path: Path) -> None:
    store = await open_store()
    await store.append([money("USD", "1500.25")])
    await store.close()
    path.write_bytes(path.read_bytes().replace(b"1500.25", b"9500.25"))

    with pytest.raises(StoreCorruptError, match="checksum"):
        await open_store()


async def test_a_changed_fact_is_noticed(open_store: OpenStore, path: Path) -> None:
    store = await open_store()
    await store.keep_fact("account", '"AA-ONE"')
    await store.close()
    path.write_bytes(path.read_bytes().replace(b"AA-ONE", b"AA-TWO"))

    with pytest.raises(StoreCorruptError, match="fact"):
        await open_store()


async def test_a_missing_row_is_noticed_though_the_file_is_well_formed(open_store: OpenStore, path: Path) -> None:
    await filled(open_store, path)
    other = sqlite3.connect(path)
    other.execute("DELETE FROM journal WHERE seq = 150")
    other.commit()
    other.close()

    with pytest.raises(StoreCorruptError, match="299 rows where it counts 300"):
        await open_store()


# The write-ahead log (D2, D6)


async def test_a_log_that_is_missing_is_noticed_by_the_mark(
    open_store: OpenStore, path: Path, mark: Mark, tmp_path: Path
) -> None:
    store = await open_store(writer="inline", journal_mark=mark)
    await store.append([money("USD", "1")] * 5)
    target = tmp_path / "left.db"
    shutil.copyfile(path, target)
    assert Path(f"{path}-wal").stat().st_size > 0

    left = await open_store(target, journal_mark=Mark(mark.value))

    assert left.status().halted == "restored_old_copy"
    assert json.loads(left.halted or "{}")["mark"] == 5
    assert await left.append([money("USD", "2")]) == 6


async def test_another_stores_log_is_refused_and_both_files_are_left_alone(
    open_store: OpenStore, path: Path, tmp_path: Path
) -> None:
    await filled(open_store, path)
    other_path = tmp_path / "other.db"
    await filled(open_store, other_path)
    other = await open_store(other_path, writer="inline")
    await other.append([money("USD", "666")])
    shutil.copyfile(f"{other_path}-wal", f"{path}-wal")
    before = path.read_bytes(), Path(f"{path}-wal").read_bytes()

    with pytest.raises(StoreCorruptError, match="log belongs to another store"):
        await open_store()

    assert (path.read_bytes(), Path(f"{path}-wal").read_bytes()) == before


async def test_an_old_copy_under_a_newer_log_is_refused(open_store: OpenStore, path: Path, tmp_path: Path) -> None:
    """The classic mistake: the database copied back, its log left where it was."""
    await filled(open_store, path)
    shutil.copyfile(path, tmp_path / "old")
    store = await open_store(writer="inline")
    await store.append([money("USD", "1", wall_us=NOON_US + DAY_US)] * 400)
    await store.close()
    store = await open_store(writer="inline")
    await store.append([money("USD", "2", wall_us=NOON_US + DAY_US)] * 3)
    target = tmp_path / "mixed.db"
    shutil.copyfile(tmp_path / "old", target)
    shutil.copyfile(f"{path}-wal", f"{target}-wal")

    with pytest.raises(StoreCorruptError):
        await open_store(target)


async def test_a_log_cut_anywhere_gives_the_rows_of_some_commit_and_nothing_in_between(
    open_store: OpenStore, path: Path, tmp_path: Path
) -> None:
    """What a power loss leaves: everything up to a sync, and any part of what came after."""
    store = await open_store(writer="inline")
    log = Path(f"{path}-wal")
    sizes = {log.stat().st_size: 0}
    for number in range(1, 11):
        await store.append([money(f"A{number}", str(number))] * (number % 3 + 1))
        sizes[log.stat().st_size] = store.status().last_seq
    whole, database = log.read_bytes(), path.read_bytes()
    rng = random.Random(7)
    synced = sorted(sizes)
    cuts = synced + [size - 1 for size in synced if size] + [rng.randrange(len(whole)) for _ in range(10)]

    for index, cut in enumerate(cuts):
        target = tmp_path / f"cut{index}.db"
        target.write_bytes(database)
        Path(f"{target}-wal").write_bytes(whole[:cut])
        last = max(seq for size, seq in sizes.items() if size <= cut)

        left = await open_store(target, writer="inline", journal_mark=Mark(last))
        kept = await left.history()
        assert seqs(kept) == list(range(1, last + 1)), f"cut at {cut}"
        assert left.halted is None
        # Whatever had been acknowledged beyond is missed:
        await left.close()
        missing = await open_store(target, writer="inline", journal_mark=Mark(last + 1))
        assert missing.status().halted == "restored_old_copy"
        await missing.close()


async def test_a_checkpoint_cut_short_anywhere_loses_nothing(open_store: OpenStore, path: Path, tmp_path: Path) -> None:
    """Some pages of the file are new, some old, the last perhaps half; the log has them all."""
    store = await open_store(writer="inline")
    for number in range(1, 200):
        await store.append([money(f"A{number % 9}", str(number))] * 3)
    truth = await store.history(limit=1_000)
    log, before = Path(f"{path}-wal").read_bytes(), path.read_bytes()
    await store.close()
    after = path.read_bytes()
    pages = [after[start : start + 4096] for start in range(0, len(after), 4096)]
    assert len(pages) > 10
    rng = random.Random(3)

    for index in range(15):
        reached = rng.randrange(len(pages) + 1)
        mixed = bytearray(before.ljust(reached * 4096, b"\0"))
        for page in range(reached):
            if rng.random() < 0.7 or page * 4096 >= len(before):
                mixed[page * 4096 : (page + 1) * 4096] = pages[page]
        target = tmp_path / f"cut{index}.db"
        target.write_bytes(bytes(mixed) + b"\xa5" * rng.choice([0, 0, 512]))
        Path(f"{target}-wal").write_bytes(log)

        left = await open_store(target, writer="inline", journal_mark=Mark(len(truth)))
        assert await left.history(limit=1_000) == truth
        assert left.halted is None
        await left.close()


async def test_a_flipped_bit_in_the_log_never_invents_a_row(open_store: OpenStore, path: Path, tmp_path: Path) -> None:
    store = await open_store(writer="inline")
    for number in range(1, 21):
        await store.append([money("USD", str(number))])
    truth = await store.history()
    whole, database = Path(f"{path}-wal").read_bytes(), path.read_bytes()
    rng = random.Random(11)
    halted = refused = 0

    for index in range(30):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        target = tmp_path / f"flip{index}.db"
        target.write_bytes(database)
        Path(f"{target}-wal").write_bytes(bytes(damaged))
        try:
            left = await open_store(target, writer="inline", journal_mark=Mark(20))
        except StoreError:
            refused += 1
            continue
        kept = await left.history(limit=100)
        own = [row for row in kept if row.seq is not None and row.seq <= 20]
        assert own == truth[: len(own)]
        assert left.status().last_seq == 20
        if len(own) < 20:
            assert left.status().halted == "restored_old_copy"
            halted += 1
        await left.close()

    assert halted > 5


# Quarantine


async def test_a_damaged_store_is_moved_aside_only_when_told_to_and_the_new_one_is_halted(
    open_store: OpenStore, path: Path, mark: Mark, events: list[Event]
) -> None:
    store = await open_store(journal_mark=mark)
    await store.append([money("USD", "1")] * 7)
    await store.close()
    damaged = path.read_bytes()[:5_000]
    path.write_bytes(damaged)
    with pytest.raises(StoreCorruptError):
        await open_store(journal_mark=mark)

    store = await open_store(journal_mark=mark, on_damage="quarantine")

    aside = path.with_name("holdfast.db.quarantined-20241004T120000Z")
    assert aside.read_bytes() == damaged
    assert await store.latest() == []
    why = json.loads(store.halted or "{}")
    assert (why["reason"], why["kept_as"], why["mark"]) == ("started_anew", aside.name, 7)
    assert store.status().halted == "started_anew"
    assert names(events) == ["store.restored"]
    # No number that was ever given is given again.
    assert await store.append([money("USD", "2")]) == 8


async def test_an_explicit_quarantine_keeps_the_set_together_and_opening_still_asks(
    open_store: OpenStore, path: Path, mark: Mark
) -> None:
    store = await open_store(writer="inline", journal_mark=mark)
    await store.append([money("USD", "1")])
    contents = [Path(f"{path}{side}").read_bytes() for side in SIDES[:2]]
    aside = quarantine(path, wall_us=NOON_US)
    assert aside is not None

    assert [Path(f"{aside}{side}").read_bytes() for side in SIDES[:2]] == contents
    assert not any(Path(f"{path}{side}").exists() for side in SIDES)
    with pytest.raises(StoreCorruptError, match="start anew"):
        await open_store(journal_mark=mark)
    assert totals(await (await open_store(aside)).latest()) == [("USD", "1")]
    assert quarantine(path, wall_us=NOON_US) is None


async def test_two_quarantines_of_one_second_do_not_overwrite_each_other(path: Path) -> None:
    path.write_bytes(b"first")
    first = quarantine(path, wall_us=NOON_US)
    path.write_bytes(b"second")
    second = quarantine(path, wall_us=NOON_US)

    assert first is not None
    assert second is not None
    assert (first.read_bytes(), second.read_bytes()) == (b"first", b"second")


async def test_a_new_store_is_marked_as_ours(open_store: OpenStore, path: Path) -> None:
    store = await open_store()
    assert isinstance(store, SqliteStore)
    await store.close()

    header = path.read_bytes()[:100]
    assert int.from_bytes(header[68:72]) == APPLICATION_ID
    assert int.from_bytes(header[60:64]) == shipped_migrations()[-1].number
