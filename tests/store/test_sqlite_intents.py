"""Intents in the file: none is lost, none is invented, and a file that lost one is not opened (D1-D6, D8, K5)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import sqlite3
import time
from collections.abc import Awaitable
from pathlib import Path

import pytest

from holdfast.core.events import Event
from holdfast.core.seams import IntentRow
from holdfast.errors import StoreCorruptError, StoreError, StoreFullError, StoreReadOnlyError
from holdfast.runtime.journal_mark import JournalMark
from holdfast.store.sqlite import SqliteStore, quarantine, restore, verify
from tests.store.conftest import Mark, OpenStore, names
from tests.store.disks import Disk
from tests.store.rows import DAY_US, NOON_US, ids, intent, money, seqs, totals


async def filled(open_store: OpenStore, path: Path, *, count: int = 60) -> list[IntentRow]:
    """A closed store of some pages at *path*; every intent in it, as they first came."""
    store = await open_store(path, writer="inline")
    kept: dict[str, IntentRow] = {}
    for number in range(count):
        row = intent(f"bot/{number}", f'{{"amount":"1500.25","pad":"{"x" * 300}"}}', wall_us=NOON_US + number)
        await store.keep([row], [money("USD", str(number))])
        kept[row.intent_id] = row
        if number % 3:
            ended = intent(f"bot/{number}", '{"amount":"1500.25"}', wall_us=NOON_US + number + 7, is_ended=True)
            await store.keep([ended])
            kept[row.intent_id] = ended
    await store.close()
    return list(kept.values())


async def seen_in(store: SqliteStore) -> list[object]:
    """Everything that can be asked about intents."""
    return [
        await store.open_intents(),
        await store.intents(limit=10_000),
        await store.intent_ids(),
        [await store.intent(f"bot/{number}") for number in (0, 1, 30, 59)],
    ]


async def recovered(store: SqliteStore) -> None:
    """Until the store accepts writes again: a failed file is tried once a second."""
    async with asyncio.timeout(10):
        while not (await store.recover()).is_ok:  # noqa: ASYNC110 - what is waited for happens on the disk.
            await asyncio.sleep(0.02)


def meddle(path: Path, statement: str, *values: object) -> None:
    """Change the file by other hands, well formed for SQLite."""
    other = sqlite3.connect(path)
    other.execute(statement, values)
    other.commit()
    other.close()


def copy_live(path: Path, target: Path) -> None:
    """What a killed process would have left, under another name."""
    target.parent.mkdir(exist_ok=True)
    for side in ("", "-wal"):
        shutil.copyfile(f"{path}{side}", f"{target}{side}")


# Damage


async def test_a_flipped_bit_is_refused_or_changes_no_intent(open_store: OpenStore, path: Path) -> None:
    """Never another claim, never one claim less: that is what a flipped bit may not become."""
    await filled(open_store, path)
    whole = path.read_bytes()
    store = await open_store(writer="inline")
    truth = await seen_in(store)
    await store.close()
    rng = random.Random(20_261_120)
    places = [rng.randrange(len(whole)) for _ in range(150)]
    # A third of them in what an intent says: its columns lie around its client order id.
    told = intent("bot/0").client_order_id.encode(), intent("bot/59").client_order_id.encode()
    places += [whole.index(each) + offset for each in told for offset in range(-12, 60, 2)]
    found = 0

    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(damaged))
        try:
            store = await open_store(writer="inline")
        except StoreError:
            found += 1
            continue
        # Once it is open, nothing has to be found later: what is wrong with an intent is found at the door.
        assert await seen_in(store) == truth, f"byte {place} of {len(whole)}"
        await store.close()

    # The rest hit bytes that no intent and no structure uses: free room, and rows of the journal.
    assert found > 90


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        ("UPDATE intent SET record = replace(record, '1500.25', '0') WHERE intent_id = 'bot/0'", "checksum"),
        ("UPDATE intent SET is_ended = 1 WHERE intent_id = 'bot/0'", "checksum"),
        ("UPDATE intent SET is_ended = 7 WHERE intent_id = 'bot/0'", "checksum"),
        ("UPDATE intent SET intent_id = 'bot/x' WHERE intent_id = 'bot/0'", "checksum"),
        ("UPDATE intent SET client_order_id = 'x' WHERE intent_id = 'bot/1'", "checksum"),
        ("UPDATE intent SET wall_us = wall_us - 1 WHERE intent_id = 'bot/1'", "checksum"),
        ("UPDATE intent SET record = 5 WHERE intent_id = 'bot/1'", "checksum"),
        ("DELETE FROM intent WHERE intent_id = 'bot/0'", "59 intents, which are not the 60"),
        ("DELETE FROM intent WHERE intent_id = 'bot/1'", "59 intents, which are not the 60"),
        ("DELETE FROM intent", "0 intents, which are not the 60"),
        ("UPDATE journal_state SET intents = 0, intents_sum = 0", "60 intents, which are not the 0"),
        ("DROP TABLE intent", "no such table"),
    ],
)
async def test_an_intent_that_is_not_as_it_was_written_is_found_at_the_door(
    open_store: OpenStore, path: Path, statement: str, match: str
) -> None:
    """SQLite calls such a file intact."""
    await filled(open_store, path)
    meddle(path, statement)
    before = path.read_bytes()

    with pytest.raises(StoreCorruptError, match=match):
        await open_store()
    with pytest.raises(StoreCorruptError):
        verify(path)

    assert path.read_bytes() == before


async def test_an_intent_as_it_was_before_is_found_at_the_door(open_store: OpenStore, path: Path) -> None:
    """What a page of an older state does: each row is one that was written, and carries its checksum."""
    store = await open_store(writer="inline")
    await store.keep([intent("a", "1"), intent("b", "1")])
    old = sqlite3.connect(path).execute("SELECT record, crc FROM intent WHERE intent_id = 'a'").fetchone()
    await store.keep([intent("a", "2")])
    await store.close()
    meddle(path, "UPDATE intent SET record = ?, crc = ? WHERE intent_id = 'a'", *old)

    with pytest.raises(StoreCorruptError, match="which are not the 2"):
        await open_store()


async def test_two_intents_of_one_id_are_found_at_the_door(open_store: OpenStore, path: Path) -> None:
    store = await open_store(writer="inline")
    await store.keep([intent("a"), intent("b")])
    await store.close()
    meddle(
        path,
        "UPDATE intent SET (intent_id, client_order_id, crc) = "
        "(SELECT intent_id, client_order_id, crc FROM intent WHERE number = 1) WHERE number = 2",
    )
    meddle(path, "UPDATE journal_state SET intents_sum = (SELECT sum(crc) FROM intent)")

    with pytest.raises(StoreCorruptError, match="same id"):
        await open_store()


async def test_an_index_that_does_not_find_an_open_intent_is_found_at_the_door(
    open_store: OpenStore, path: Path
) -> None:
    """The row itself is whole; asked for open intents, SQLite would not name it."""
    store = await open_store(writer="inline")
    told = NOON_US + 0x0102
    await store.keep([intent("a", wall_us=told)])
    await store.close()
    whole = path.read_bytes()
    value = told.to_bytes(8, "big")
    places = [place for place in range(len(whole)) if whole.startswith(value, place)]
    assert len(places) == 2  # The row's own, and the index's.

    for place in places:
        path.write_bytes(whole[: place + 7] + b"\x03" + whole[place + 8 :])
        with pytest.raises(StoreCorruptError):
            await open_store()


async def test_a_cell_that_changes_while_it_is_open_stops_the_store(open_store: OpenStore, path: Path) -> None:
    store = await open_store()
    await store.keep([intent("a", '{"amount":"1500.25"}')])
    # As a failing disk would: with no word to whoever has it open. The row's page is in the log by now.
    log = Path(f"{path}-wal")
    meddle(path, 'UPDATE intent SET record = \'{"amount":"0"}\'')
    assert log.exists()

    with pytest.raises(StoreCorruptError, match="checksum"):
        await store.open_intents()

    with pytest.raises(StoreCorruptError):
        await store.keep([intent("b")])
    assert store.status().reason == "corrupt"


async def test_somebody_else_writing_intents_is_noticed(open_store: OpenStore, path: Path) -> None:
    store = await open_store(writer="inline")
    await store.keep([intent("a")])
    meddle(path, "UPDATE journal_state SET intents_kept = 7")

    with pytest.raises(StoreCorruptError, match="somebody else"):
        await store.keep([intent("b")])


async def test_an_intent_is_never_written_over_another(open_store: OpenStore, path: Path) -> None:
    store = await open_store(writer="inline")
    await store.keep([intent("a")])
    # By other hands, the same as ours in everything that a commit compares.
    meddle(path, "INSERT INTO intent SELECT 2, 'x', 'y', is_ended, wall_us, record, crc FROM intent")

    with pytest.raises(StoreCorruptError, match="another intent"):
        await store.keep([intent("b")], [money("USD", "1")])

    assert store.status().reason == "corrupt"
    meddle(path, "DELETE FROM intent WHERE number = 2")
    assert await (await open_store()).open_intents() == [intent("a")]


# What a power loss leaves


async def test_a_log_cut_at_any_synced_length_holds_every_acknowledged_intent(
    open_store: OpenStore, path: Path, tmp_path: Path
) -> None:
    store = await open_store(writer="inline", journal_mark=(mark := Mark()))
    log = Path(f"{path}-wal")
    states: dict[int, tuple[list[IntentRow], list[str], int]] = {log.stat().st_size: ([], [], 0)}
    for number in range(1, 13):
        # Without a journal row every other time: intents alone have to count as well.
        rows = [money("USD", str(number))] if number % 2 else []
        await store.keep(
            [intent(f"i{number}"), intent(f"i{number - 1}", is_ended=True)][: 1 + (number > 1)],
            rows,
            {"spent": str(number)},
        )
        states[log.stat().st_size] = (await store.open_intents(), await store.intent_ids(), mark.value or 0)
    whole, database = log.read_bytes(), path.read_bytes()
    assert mark.value == 6 + 23
    synced = sorted(states)
    rng = random.Random(7)
    cuts = synced + [size - 1 for size in synced if size] + [rng.randrange(len(whole)) for _ in range(20)]

    for index, cut in enumerate(cuts):
        target = tmp_path / f"cut{index}.db"
        target.write_bytes(database)
        Path(f"{target}-wal").write_bytes(whole[:cut])
        length = max(size for size in synced if size <= cut)
        opened, known, reached = states[length]

        left = await open_store(target, writer="inline", journal_mark=Mark(reached))
        assert (await left.open_intents(), await left.intent_ids()) == (opened, known), f"cut at {cut}"
        assert left.halted is None
        await left.close()
        # Whatever had been acknowledged beyond is missed, be it one intent without a row.
        missing = await open_store(target, writer="inline", journal_mark=Mark(reached + 1))
        assert missing.status().halted == "restored_old_copy"
        await missing.close()


async def test_a_checkpoint_cut_short_anywhere_loses_no_intent(
    open_store: OpenStore, path: Path, tmp_path: Path
) -> None:
    store = await open_store(writer="inline")
    for number in range(150):
        await store.keep([intent(f"bot/{number}", "x" * 200, wall_us=NOON_US + number), intent("bot/0", str(number))])
    truth = await seen_in(store)
    log, before = Path(f"{path}-wal").read_bytes(), path.read_bytes()
    await store.close()
    after = path.read_bytes()
    pages = [after[start : start + 4096] for start in range(0, len(after), 4096)]
    rng = random.Random(3)

    for index in range(12):
        reached = rng.randrange(len(pages) + 1)
        mixed = bytearray(before.ljust(reached * 4096, b"\0"))
        for page in range(reached):
            if rng.random() < 0.7 or page * 4096 >= len(before):
                mixed[page * 4096 : (page + 1) * 4096] = pages[page]
        target = tmp_path / f"cut{index}.db"
        target.write_bytes(bytes(mixed))
        Path(f"{target}-wal").write_bytes(log)

        left = await open_store(target, writer="inline", journal_mark=Mark(300))
        assert await seen_in(left) == truth
        assert left.halted is None
        await left.close()


# Disks


@pytest.mark.parametrize("writer", ["thread", "inline"])
async def test_a_full_disk_refuses_an_intent_with_all_that_belongs_to_it(
    open_store: OpenStore, events: list[Event], writer: str
) -> None:
    store = await open_store(writer=writer, max_pages=60)
    kept = 0
    with contextlib.suppress(StoreFullError):
        while True:
            row = intent(f"bot/{kept + 1}", "x" * 3_000)
            await store.keep([row], [money("USD", str(kept + 1))], {"spent": str(kept + 1)})
            kept += 1
    assert kept > 5
    assert (store.status().reason, names(events)) == ("full", ["store.failed"])
    with pytest.raises(StoreFullError):
        await store.keep([intent("one more", "x" * 3_000)])
    assert await store.intent_ids() == [f"bot/{number}" for number in range(1, kept + 1)]
    assert [row.total for row in await store.history()] == [str(number) for number in range(1, kept + 1)]
    assert await store.fact("spent") == str(kept)

    await store.resize(max_pages=1_000)

    assert await store.keep([intent(f"bot/{kept + 1}")], [money("USD", "after")]) == kept + 1
    await store.close()
    again = await open_store()
    assert len(await again.intent_ids()) == kept + 1


@pytest.mark.parametrize("writer", ["thread", "inline"])
@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (sqlite3.SQLITE_FULL, StoreFullError, "full"),
        (sqlite3.SQLITE_READONLY, StoreReadOnlyError, "read_only"),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreError, "io"),
    ],
)
async def test_a_bad_disk_refuses_within_one_operation_and_keeps_no_half(
    open_store: OpenStore, disk: type[Disk], writer: str, code: int, kind: type[StoreError], reason: str
) -> None:
    store = await open_store(writer=writer, connection_class=disk)
    await store.keep([intent("a")], [money("USD", "1")], {"spent": "1"})
    disk.fails_before = code

    with pytest.raises(kind):
        await store.keep([intent("b"), intent("a", is_ended=True)], [money("USD", "2")], {"spent": "2"})

    assert (store.status().is_ok, store.status().reason) == (False, reason)
    disk.fails_before = None
    await recovered(store)
    assert await store.open_intents() == [intent("a")]
    assert await store.fact("spent") == "1"
    # What was refused was not taken in anywhere: it can be kept now.
    assert await store.keep([intent("b"), intent("a", is_ended=True)], [money("USD", "3")]) == 2
    assert ids(await store.open_intents()) == ["b"]


@pytest.mark.parametrize("writer", ["thread", "inline"])
async def test_an_intent_whose_sync_failed_is_looked_for_and_found(
    open_store: OpenStore, disk: type[Disk], writer: str
) -> None:
    """The commit had reached the file: it may be kept again, and is one intent."""
    store = await open_store(writer=writer, connection_class=disk)
    disk.fails_after = sqlite3.SQLITE_IOERR_FSYNC

    with pytest.raises(StoreError, match="may or may not"):
        await store.keep([intent("a")])
    disk.fails_after = None
    await recovered(store)

    assert await store.open_intents() == [intent("a")]
    await store.keep([intent("a", "2")])
    assert await store.intent_ids() == ["a"]


async def test_acknowledged_intents_that_are_gone_after_a_failed_sync_are_corruption(
    open_store: OpenStore, disk: type[Disk], path: Path, tmp_path: Path
) -> None:
    """No row of the journal went with it: the intent alone is missed."""
    store = await open_store(writer="inline", connection_class=disk)
    await store.keep([intent("a")])
    await store.backup(str(tmp_path / "earlier"))
    await store.keep([intent("b")])
    disk.fails_before = sqlite3.SQLITE_IOERR_FSYNC
    with pytest.raises(StoreError):
        await store.keep([intent("c")])
    disk.fails_before = None
    path.write_bytes((tmp_path / "earlier").read_bytes())

    with pytest.raises(StoreCorruptError, match="had been acknowledged"):
        await store.keep([intent("c")])

    assert store.status().reason == "corrupt"


@pytest.mark.parametrize("writer", ["thread", "inline"])
async def test_a_file_deleted_under_us_keeps_no_intent_nobody_will_find(
    open_store: OpenStore, path: Path, writer: str
) -> None:
    store = await open_store(writer=writer)
    await store.keep([intent("a")])
    path.unlink()

    with pytest.raises(StoreCorruptError, match="deleted"):
        await store.keep([intent("b")])

    assert store.status().reason == "replaced"
    with pytest.raises(StoreCorruptError):
        await store.open_intents()
    with pytest.raises(StoreCorruptError):
        await store.intent("a")
    assert not path.exists()


async def test_another_store_in_the_place_of_ours_takes_no_intent(
    open_store: OpenStore, path: Path, tmp_path: Path
) -> None:
    store = await open_store(writer="inline")
    other = await open_store(tmp_path / "other.db", writer="inline")
    await other.close()
    await store.keep([intent("a")])
    (tmp_path / "other.db").replace(path)

    with pytest.raises(StoreCorruptError, match="replaced"):
        await store.keep([intent("b")])


# The queue


async def test_intents_count_against_the_queue_and_past_it_are_refused_whole(
    open_store: OpenStore, disk: type[Disk]
) -> None:
    store = await open_store(connection_class=disk, max_queued_rows=10)
    disk.commit_s = 0.2
    calls = [store.keep([intent(f"i{number}")], [money("USD", str(number))]) for number in range(30)]

    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    disk.commit_s = 0.0

    kept = [f"i{number}" for number, outcome in enumerate(outcomes) if isinstance(outcome, int)]
    assert 5 <= len(kept) < 30
    assert all(isinstance(outcome, StoreFullError) for outcome in outcomes if not isinstance(outcome, int))
    await store.keep([])
    assert await store.intent_ids() == kept
    assert [f"i{row.total}" for row in await store.history()] == kept


async def test_intents_of_one_sync_share_the_next_one(open_store: OpenStore, disk: type[Disk]) -> None:
    store = await open_store(connection_class=disk)
    disk.commit_s = 0.1
    disk.commits = 0

    await asyncio.gather(
        *(_wait(store.keep([intent(f"i{number}")], [money("USD", str(number))])) for number in range(200))
    )
    disk.commit_s = 0.0

    assert disk.commits <= 3
    assert len(await store.open_intents()) == 200


@pytest.mark.parametrize("writer", ["thread", "inline"])
async def test_what_no_store_can_keep_is_refused_alone(open_store: OpenStore, writer: str) -> None:
    store = await open_store(writer=writer)
    calls: list[Awaitable[int]] = [store.keep([intent("good")])]
    bad: list[IntentRow] = [
        intent("a", "\ud800"),
        intent("b", 5),  # type: ignore[arg-type]
        intent("c", wall_us=1.5),  # type: ignore[arg-type]
        intent("d", wall_us=2**63),
        intent("e", None),  # type: ignore[arg-type]
    ]
    for each in bad:
        with pytest.raises(StoreError, match="cannot be kept"):
            await store.keep([intent("beside " + each.intent_id), each], [money("USD", "1")])
    calls.append(store.keep([intent("good too")]))

    assert [await call for call in calls] == [0, 0]
    assert await store.intent_ids() == ["good", "good too"]
    assert await store.history() == []


async def test_what_is_handed_over_before_a_failure_is_told_fails_with_it(
    open_store: OpenStore, disk: type[Disk]
) -> None:
    store = await open_store(connection_class=disk)
    disk.fails_before = sqlite3.SQLITE_FULL
    first = store.keep([intent("a")], [money("USD", "1")])
    while not store._engine.failures:
        time.sleep(0.001)  # noqa: ASYNC251  # The loop is busy while the disk fails, and is well again.
    disk.fails_before = None
    second = store.keep([intent("b")], [money("USD", "2")])
    told: list[bool] = []
    for each in (first, second):
        each.when_settled(told.append)
    again: list[Awaitable[int]] = []

    async def hand_over_again() -> None:
        with pytest.raises(StoreFullError):
            await first
        again.append(store.keep([intent("a"), intent("b")], [money("USD", "1"), money("USD", "2")]))

    waiting = asyncio.create_task(hand_over_again())
    with pytest.raises(StoreFullError):
        await second
    await waiting
    await again[0]

    assert told == [False, False]
    assert totals(await store.history()) == [("USD", "1"), ("USD", "2")]
    assert await store.intent_ids() == ["a", "b"]


# Reading beside writing


async def test_reading_intents_does_not_wait_behind_a_slow_sync(open_store: OpenStore, disk: type[Disk]) -> None:
    store = await open_store(connection_class=disk)
    await store.keep([intent("a")])
    disk.commit_s = 1.0
    slow = asyncio.ensure_future(_wait(store.keep([intent("b"), intent("a", is_ended=True)])))
    await asyncio.sleep(0.05)

    # What is not durable yet is not told.
    assert await store.open_intents() == [intent("a")]
    assert await store.intent("a") == intent("a")
    assert await store.intent("b") is None
    assert not slow.done()

    disk.commit_s = 0.0
    await slow
    assert await store.intent("b") == intent("b")
    assert await store.intent("a") == intent("a", is_ended=True)


async def test_an_intent_is_found_while_the_store_is_given_up(open_store: OpenStore, disk: type[Disk]) -> None:
    store = await open_store(writer="thread", connection_class=disk)
    await store.keep([intent("a"), intent("b", is_ended=True)])
    disk.fails_before = sqlite3.SQLITE_IOERR_FSYNC
    with pytest.raises(StoreError):
        await store.keep([intent("c")])

    assert await store.intent("b") == intent("b", is_ended=True)
    assert await store.intent("c") is None
    disk.fails_before = None


# Copies


async def test_a_backup_and_its_restoration_carry_intents_and_start_halted(
    open_store: OpenStore, path: Path, mark: Mark, tmp_path: Path
) -> None:
    store = await open_store(journal_mark=mark)
    await store.keep([intent("a"), intent("b", is_ended=True)], [money("USD", "1")])
    await store.backup(str(tmp_path / "backup"))
    # Acted on afterwards, without a word in the journal.
    await store.keep([intent("c")])
    await store.close()
    assert mark.value == 4

    restore(tmp_path / "backup", path, wall_us=NOON_US, journal_mark=mark)

    store = await open_store(journal_mark=mark)
    assert store.status().halted == "restored_old_copy"
    assert await store.open_intents() == [intent("a")]
    assert await store.intent_ids() == ["a", "b"]
    why = json.loads(store.halted or "{}")
    assert (why["backup"], why["mark"]) == ("backup", 4)
    # Two of the four were intents for all we know, so two were numbers: neither is given again.
    assert await store.append([money("USD", "2")]) == 3
    assert seqs(await store.history()) == [1, 3]
    assert mark.value == 3 + 2


async def test_a_database_copied_back_is_found_out_though_only_an_intent_is_missing(
    open_store: OpenStore, path: Path, tmp_path: Path
) -> None:
    mark_path = tmp_path / "journal.mark"
    store = await open_store(journal_mark=JournalMark.open(mark_path))
    await store.keep([intent("a")], [money("USD", "1")])
    await store.close()
    old = path.read_bytes()
    store = await open_store(journal_mark=JournalMark.open(mark_path))
    await store.keep([intent("a", is_ended=True)])
    await store.close()
    path.write_bytes(old)

    store = await open_store(journal_mark=JournalMark.open(mark_path))

    assert store.status().halted == "restored_old_copy"
    assert await store.open_intents() == [intent("a")]


@pytest.mark.parametrize("writer", ["thread", "inline"])
async def test_a_halt_that_a_person_lifts_is_gone_for_good_and_the_mark_goes_with_it(
    open_store: OpenStore, path: Path, tmp_path: Path, writer: str
) -> None:
    mark_path = tmp_path / "journal.mark"
    store = await open_store(writer=writer, journal_mark=JournalMark.open(mark_path))
    await store.keep([intent("a")], [money("USD", "1")] * 3)
    await store.close()
    old = path.read_bytes()
    store = await open_store(writer=writer, journal_mark=JournalMark.open(mark_path))
    await store.keep([intent("b")], [money("USD", "2")] * 5)
    await store.close()
    path.write_bytes(old)
    store = await open_store(writer=writer, journal_mark=JournalMark.open(mark_path))
    assert store.status().halted == "restored_old_copy"

    await store.keep_fact("halted", None)

    assert (store.status().halted, store.halted, await store.fact("halted")) == (None, None, None)
    await store.close()
    for _ in range(2):  # The first of them writes nothing: the second shall not be told otherwise.
        store = await open_store(writer=writer, journal_mark=JournalMark.open(mark_path))
        assert store.status().halted is None
        await store.close()
    store = await open_store(writer=writer, journal_mark=JournalMark.open(mark_path))
    assert await store.keep([intent("c")], [money("USD", "3")]) > 8
    await store.close()
    # Nor is what was lifted forgotten so far that the same old copy would pass.
    path.write_bytes(old)
    store = await open_store(writer=writer, journal_mark=JournalMark.open(mark_path))
    assert store.status().halted == "restored_old_copy"


async def test_a_halt_is_lifted_in_one_transaction_with_the_row_that_says_so(
    open_store: OpenStore, disk: type[Disk]
) -> None:
    store = await open_store(writer="inline", connection_class=disk)
    await store.keep_fact("halted", '{"reason":"restored_old_copy"}')
    disk.fails_before = sqlite3.SQLITE_FULL
    with pytest.raises(StoreFullError):
        await store.keep([], [money("USD", "1")], {"halted": None})
    assert store.status().halted == "restored_old_copy"
    disk.fails_before = None

    await store.keep([], [money("USD", "1")], {"halted": None})

    assert store.status().halted is None


async def test_a_store_started_anew_beside_a_damaged_one_is_halted_and_has_no_intents(
    open_store: OpenStore, path: Path, mark: Mark
) -> None:
    store = await open_store(journal_mark=mark)
    await store.keep([intent("a"), intent("b")], [money("USD", "1")])
    await store.close()
    aside = quarantine(path, wall_us=NOON_US)
    assert aside is not None

    store = await open_store(journal_mark=mark, on_damage="quarantine")

    assert store.status().halted == "started_anew"
    assert await store.open_intents() == []
    assert await store.append([money("USD", "2")]) == 4
    await store.close()
    kept = await open_store(aside)
    assert ids(await kept.open_intents()) == ["a", "b"]


async def test_a_backup_of_a_store_with_a_damaged_intent_is_refused(
    open_store: OpenStore, path: Path, tmp_path: Path
) -> None:
    store = await open_store()
    await store.keep([intent("a", "1")])
    meddle(path, "UPDATE intent SET record = '2'")

    with pytest.raises(StoreCorruptError, match="checksum"):
        await store.backup(str(tmp_path / "backup"))

    assert not (tmp_path / "backup").exists()


async def test_an_older_copy_of_intents_cannot_pass_for_the_present_by_its_rows(
    open_store: OpenStore, path: Path, mark: Mark
) -> None:
    """As many rows as the present one, fewer intents; then fewer rows and as many intents."""
    store = await open_store(journal_mark=mark)
    await store.keep([intent("a")], [money("USD", "1")])
    await store.close()
    one = path.read_bytes()
    for rows, intents in ((1, 0), (0, 1)):
        path.write_bytes(one)
        mark.value = None
        store = await open_store(journal_mark=mark)
        await store.keep([intent("b")] * intents, [money("USD", "2")] * rows)
        await store.close()
        path.write_bytes(one)

        store = await open_store(journal_mark=mark)
        assert store.status().halted == "restored_old_copy"
        await store.close()


# Forgetting


async def test_pruning_intents_survives_being_interrupted_and_reopened(
    open_store: OpenStore, path: Path, disk: type[Disk]
) -> None:
    store = await open_store(writer="inline", connection_class=disk)
    for start in range(0, 1_200, 100):
        await store.keep(
            [
                intent(str(number), wall_us=NOON_US + number, is_ended=number % 10 > 0)
                for number in range(start, start + 100)
            ]
        )
    later = NOON_US + 31 * DAY_US
    disk.fails_before = sqlite3.SQLITE_FULL
    with pytest.raises(StoreFullError):
        await store.prune(wall_us=later)
    disk.fails_before = None
    assert len(await store.intent_ids()) == 1_200

    await store.prune(wall_us=later)

    assert await store.intent_ids() == [str(number) for number in range(0, 1_200, 10)]
    await store.close()
    assert verify(path) == 0
    store = await open_store()
    assert len(await store.open_intents()) == 120
    await store.keep([intent("1"), intent("10", is_ended=True)])
    assert len(await store.open_intents()) == 120
    assert len(await store.intent_ids()) == 121


async def test_rows_and_intents_are_written_between_the_steps_of_forgetting(open_store: OpenStore) -> None:
    store = await open_store()
    await store.keep([intent(str(number), is_ended=True) for number in range(2_000)])

    pruning = asyncio.ensure_future(store.prune(wall_us=NOON_US + 31 * DAY_US))
    kept = [await store.keep([intent(f"new {number}")], [money("USD", str(number))]) for number in range(20)]
    await pruning

    assert kept == list(range(1, 21))
    assert await store.intent_ids() == [f"new {number}" for number in range(20)]
    assert totals(await store.latest()) == [("USD", "19")]


async def _wait(receipt: Awaitable[int]) -> int:
    return await receipt
