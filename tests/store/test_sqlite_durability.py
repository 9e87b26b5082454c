"""Killed at any moment: what was acknowledged is there, in order, without a hole (K5, K7, D6)."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.seams import IntentRow
from holdfast.errors import StoreCorruptError, StoreVersionError
from holdfast.runtime.journal_mark import JournalMark
from holdfast.store.sqlite import SqliteStore
from holdfast.store.sqlite.schema import Migration, shipped_migrations
from tests.store.conftest import Mark, OpenStore
from tests.store.rows import NOON_US, intent, money, seqs, totals
from tests.store.writing_process import STEPS

pytestmark = pytest.mark.processes

PROJECT = Path(__file__).resolve().parents[2]


async def write_until_killed(path: Path, *, run: int, kill_after_s: float) -> list[str]:
    """Start a writing process, kill it; what it had said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.writing_process", str(path), str(run), stdout=-1, stderr=-1, cwd=PROJECT
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"open\n"
    await asyncio.sleep(kill_after_s)
    process.kill()
    said, complaints = await process.communicate()
    assert complaints == b""
    return said.decode().splitlines()


async def prove(path: Path, said: list[str]) -> None:
    """Reopen and compare with what was said."""
    store = await SqliteStore.open(path, wall_us=lambda: NOON_US, journal_mark=JournalMark.open(f"{path}.mark"))
    rows = await store.history(limit=1_000_000)
    kept = seqs(rows)
    last_seq = store.status().last_seq
    # None at all, where it was killed before it had written a row.
    assert kept == list(range(last_seq + 1 - len(kept), last_seq + 1))
    assert store.halted is None
    by_seq = {row.seq: row for row in rows}
    latest = {row.asset: row.total for row in await store.latest()}
    prove_intents(said, await store.intents(limit=1_000_000), opened=await store.open_intents(), latest=latest)
    facts = [line.removeprefix("fact ") for line in said if line.startswith("fact")]
    newest: dict[str, tuple[int, str]] = {}
    for line in said:
        if line.startswith("row"):
            _, number, asset, said_total = line.split()
            row = by_seq[int(number)]
            assert (row.asset, row.total) == (asset, said_total)
            newest[asset] = max(newest.get(asset, (0, "")), (int(number), said_total))
    for asset, (seq, total) in newest.items():
        # At most the one append that was under way is beyond what was acknowledged.
        beyond = {row.total for row in rows if row.asset == asset and (row.seq or 0) > seq}
        assert latest[asset] in beyond | {total}
        assert len(beyond) <= 1
    if facts:
        fact = json.loads(await store.fact("round") or "null")
        assert fact[1] - json.loads(facts[-1])[1] in {0, 1}
    await store.close()


def prove_intents(
    said: list[str], kept: list[IntentRow], *, opened: list[IntentRow], latest: dict[str | None, str | None]
) -> None:
    """Every acknowledged intent is as it was last said to be, or as the one call that was under way made it."""
    reached: dict[str, int] = {}
    for line in said:
        if line.startswith("intent"):
            _, intent_id, step = line.split()
            reached[intent_id] = int(step)
    by_id = {row.intent_id: row for row in kept}
    for intent_id, last_step in reached.items():
        row = by_id[intent_id]
        assert int(row.record) - last_step in {0, 1}, f"{intent_id} was said to be at {last_step}, is at {row.record}"
        assert row.is_ended == (int(row.record) == STEPS)
    assert {row.intent_id for row in opened} == {row.intent_id for row in kept if not row.is_ended}
    for asset, total in latest.items():
        if asset is not None and asset.startswith("T"):
            # The row that went with the intent's last step is there, and no row of a step that is not.
            intent_id, _, last = str(total).rpartition(".")
            assert by_id[intent_id].record == last


async def crash_loop(path: Path, *, runs: int, seed: int) -> int:
    rng = random.Random(seed)
    acknowledged = 0
    for run in range(runs):
        said = await write_until_killed(path, run=run, kill_after_s=rng.uniform(0.0, 0.15))
        acknowledged += len(said)
        await prove(path, said)
    return acknowledged


async def test_a_process_killed_again_and_again_loses_nothing_it_acknowledged(path: Path) -> None:
    assert await crash_loop(path, runs=5, seed=1) > 10


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_a_process_killed_a_hundred_times_loses_nothing_it_acknowledged(path: Path) -> None:
    assert await crash_loop(path, runs=100, seed=2) > 1_000


# Migrations

NEWEST = shipped_migrations()[-1].number

NEXT = Migration(
    number=NEWEST + 1,
    sql="""
    ALTER TABLE journal ADD COLUMN note TEXT;
    -- a comment; with a semicolon
    CREATE TABLE extra (name TEXT PRIMARY KEY, value TEXT);
    INSERT INTO extra SELECT asset, total FROM latest;
    UPDATE journal SET note = 'migrated';
    """,
)


def version_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return int(version)


async def test_an_older_store_is_migrated_and_a_copy_of_it_is_kept(open_store: OpenStore, path: Path) -> None:
    store = await open_store()
    await store.append([money("USD", "1"), money("BTC", "2")])
    await store.keep_fact("account", '"AA1"')
    await store.close()

    migrated = await open_store(migrations=[*shipped_migrations(), NEXT])

    assert totals(await migrated.history()) == [("USD", "1"), ("BTC", "2")]
    assert await migrated.fact("account") == '"AA1"'
    assert await migrated.append([money("USD", "3")]) == 3
    await migrated.close()
    kept = path.with_name(f"holdfast.db.before-v{NEXT.number}")
    assert (version_of(path), version_of(kept)) == (NEXT.number, NEWEST)
    assert totals(await (await open_store(kept)).latest()) == [("BTC", "2"), ("USD", "1")]


async def test_a_migration_that_fails_leaves_the_old_store(open_store: OpenStore, path: Path) -> None:
    store = await open_store()
    await store.append([money("USD", "1")])
    await store.close()
    broken = Migration(number=NEXT.number, sql="CREATE TABLE extra (a);\nINSERT INTO nowhere VALUES (1);\n")

    with pytest.raises(StoreVersionError, match=rf"version {NEWEST} to {NEXT.number}.*nowhere.*before-v{NEXT.number}"):
        await open_store(migrations=[*shipped_migrations(), broken], on_damage="quarantine")

    assert version_of(path) == NEWEST
    assert totals(await (await open_store()).latest()) == [("USD", "1")]


_MIGRATE_AND_DIE = """
import asyncio, os, signal, sqlite3, sys
from holdfast.store.sqlite import SqliteStore, schema
from tests.store.test_sqlite_durability import NEXT

path, deadly = sys.argv[1], int(sys.argv[2])
seen = 0

class Deadly(sqlite3.Connection):
    is_migrating = False
    def execute(self, sql, *args):
        global seen
        if sql == "BEGIN EXCLUSIVE":
            self.is_migrating = True
        if self.is_migrating:
            seen += 1
            if seen == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(sql, *args)

async def main():
    steps = [*schema.shipped_migrations(), NEXT]
    await SqliteStore.open(path, wall_us=lambda: 0, writer="inline", migrations=steps, connection_class=Deadly)

asyncio.run(main())
"""


@pytest.mark.parametrize("deadly", [1, 3, 5, 7, 8])
async def test_a_process_killed_while_migrating_leaves_the_old_store(
    open_store: OpenStore, path: Path, deadly: int
) -> None:
    """Statements: begin, the four of the migration, the two that mark the version, commit."""
    store = await open_store()
    await store.append([money("USD", "1")])
    await store.close()

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _MIGRATE_AND_DIE, str(path), str(deadly), stderr=-1, cwd=PROJECT
    )
    _, complaints = await process.communicate()
    assert process.returncode == -9, complaints.decode()

    old = await open_store()
    assert totals(await old.latest()) == [("USD", "1")]
    await old.close()
    assert version_of(path) == NEWEST
    new = await open_store(migrations=[*shipped_migrations(), NEXT])
    assert await new.append([money("USD", "2")]) == 2


async def test_a_process_killed_while_making_a_store_leaves_none(open_store: OpenStore, path: Path) -> None:
    """The file gets its name only when it is finished."""
    script = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from holdfast.store.sqlite import schema\n"
        "schema.sync_file = lambda path: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"schema.give_birth(Path({str(path)!r}), schema.shipped_migrations(), wall_us=0)\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    assert await process.wait() == -9
    assert not path.exists()
    assert len(list(path.parent.iterdir())) == 1

    store = await open_store()
    assert await store.append([money("USD", "1")]) == 1
    await store.close()
    assert [each.name for each in path.parent.iterdir()] == ["holdfast.db"]


def test_shipped_migrations_are_numbered_without_a_hole() -> None:
    assert [migration.number for migration in shipped_migrations()] == [1, 2]


def lay(path: Path, fixture: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript((Path(__file__).parent / "fixtures" / fixture).read_text("utf-8"))
    connection.close()


async def test_a_store_of_version_1_is_read_by_every_later_version(open_store: OpenStore, path: Path) -> None:
    lay(path, "store_v1.sql")

    store = await open_store(journal_mark=Mark(5))

    assert store.halted is None
    assert totals(await store.latest()) == [("BTC", "0.000000000000000001"), ("ETH", "2"), ("USD", "1400.25")]
    rows = await store.history()
    assert [(row.seq, row.kind, row.asset, row.total, row.is_money) for row in rows] == [
        (1, "delta", "USD", "1500.25", True),
        (2, "delta", "BTC", "0.000000000000000001", True),
        (3, "notice", None, None, False),
        (4, "delta", "USD", "1400.25", True),
        (5, "snapshot", "ETH", "2", False),
    ]
    assert rows[3].cause == '{"ref":"TXYZ"}'
    assert await store.fact("account") == '{"id":"AA1"}'
    assert await store.append([money("USD", "1")]) == 6
    assert await store.intents() == []
    assert await store.keep([intent("a")]) == 6
    await store.close()
    assert (version_of(path), version_of(path.with_name(f"holdfast.db.before-v{NEWEST}"))) == (NEWEST, 1)
    assert await (await open_store(journal_mark=Mark(7))).open_intents() == [intent("a")]


async def test_a_store_of_version_2_is_read_by_every_later_version(open_store: OpenStore, path: Path) -> None:
    lay(path, "store_v2.sql")

    store = await open_store(journal_mark=Mark(4 + 3))

    assert store.halted is None
    assert totals(await store.latest()) == [("BTC", "0.000000000000000001"), ("USD", "1495.25")]
    assert await store.open_intents() == [intent("grid/1", '{"amount":"818.37","reservation":"active"}')]
    ended = intent("grid/2", '{"amount":"5","reservation":"consumed"}', wall_us=NOON_US + 2, is_ended=True)
    assert await store.intent("grid/2") == ended
    assert await store.intent_ids() == ["grid/1", "grid/2"]
    assert await store.keep([intent("grid/1", is_ended=True)], [money("USD", "1")]) == 5


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET total = '9' WHERE seq = 4",
        "UPDATE latest SET total = '9'",
        "UPDATE fact SET value = '9'",
        "DELETE FROM journal WHERE seq = 2",
        "UPDATE journal_state SET store_id = 'x'",
    ],
)
async def test_a_damaged_store_of_an_older_version_is_refused_as_it_is(
    open_store: OpenStore, path: Path, statement: str
) -> None:
    """What is wrong with it is found before it is migrated, so that its own version can still be tried on it."""
    lay(path, "store_v1.sql")
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreCorruptError):
        await (await open_store()).history()

    if "journal SET" not in statement:  # A row of the journal is checked when it is read.
        assert path.read_bytes() == before
        assert [each.name for each in path.parent.iterdir()] == ["holdfast.db"]


@pytest.mark.parametrize("deadly", [1, 2, 4, 6, 7, 9])
async def test_a_process_killed_while_intents_are_introduced_leaves_the_old_store(
    open_store: OpenStore, path: Path, deadly: int
) -> None:
    """Statements: begin, the five of the migration, the two that mark the version, commit."""
    lay(path, "store_v1.sql")
    script = _MIGRATE_AND_DIE.replace("[*schema.shipped_migrations(), NEXT]", "schema.shipped_migrations()")

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(path), str(deadly), stderr=-1, cwd=PROJECT
    )
    _, complaints = await process.communicate()

    assert process.returncode == -9, complaints.decode()
    assert version_of(path) == 1
    store = await open_store()
    assert len(await store.history()) == 5
    assert await store.keep([intent("a")], [money("USD", "2")]) == 6


async def test_whatever_writes_syncs_fully_and_keeps_a_log(open_store: OpenStore) -> None:
    """A power loss cannot be played here; that SQLite was told to expect one can be seen."""
    opened: list[sqlite3.Connection] = []

    class Seen(sqlite3.Connection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            opened.append(self)

    store = await open_store(connection_class=Seen)
    await store.append([money("USD", "1")])
    (writing,) = opened

    assert writing.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert writing.execute("PRAGMA synchronous").fetchone() == (2,)
    assert writing.execute("PRAGMA fullfsync").fetchone() == (1,)
    assert writing.execute("PRAGMA checkpoint_fullfsync").fetchone() == (1,)
