"""The book in which intents are bound to brokers: one winner, durable, never taken for empty."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.seams import RouteRow
from holdfast.errors import StoreCorruptError, StoreError, StoreVersionError
from holdfast.store.sqlite.routes import SqliteRoutes


def row(key: str = "k", token: str = "t1", record: str = "{}", updated_us: int = 1) -> RouteRow:
    return RouteRow(key=key, token=token, updated_us=updated_us, record=record)


def run(body: Callable[[Path], Coroutine[Any, Any, None]], path: Path) -> None:
    asyncio.run(body(path))


def test_a_row_is_kept_beyond_the_process_and_private(tmp_path: Path) -> None:
    async def body(path: Path) -> None:
        book = await SqliteRoutes.open(path)
        assert await book.find("k") is None
        assert await book.put(row(record='{"to":"a"}'), was=None)
        await book.close()
        await book.close()  # Safe to repeat.
        again = await SqliteRoutes.open(path)
        assert await again.find("k") == row(record='{"to":"a"}')
        await again.close()

    run(body, tmp_path / "simulated.db")
    assert stat.S_IMODE((tmp_path / "simulated.db").stat().st_mode) == 0o600


def test_whoever_names_another_state_changes_nothing(tmp_path: Path) -> None:
    async def body(path: Path) -> None:
        book = await SqliteRoutes.open(path)
        assert await book.put(row(token="t1"), was=None)
        assert not await book.put(row(token="t2"), was=None)
        assert not await book.put(row(token="t2"), was="t0")
        assert not await book.drop("k", was="t0")
        found = await book.find("k")
        assert found is not None
        assert found.token == "t1"
        assert await book.put(row(token="t2"), was="t1")
        assert await book.drop("k", was="t2")
        assert await book.find("k") is None
        await book.close()

    run(body, tmp_path / "b.db")


def test_of_many_processes_that_bind_one_intent_one_wins(tmp_path: Path) -> None:
    async def body(path: Path) -> None:
        books = await asyncio.gather(*(SqliteRoutes.open(path) for _ in range(4)))
        for number in range(6):
            key = f"k{number}"
            won = await asyncio.gather(
                *(book.put(row(key, token=f"t{place}"), was=None) for place, book in enumerate(books))
            )
            assert sum(won) == 1
            found = await books[0].find(key)
            assert found is not None
            assert found.token == f"t{won.index(True)}"
        for book in books:
            await book.close()

    run(body, tmp_path / "b.db")


def test_what_is_old_is_forgotten_and_nothing_else(tmp_path: Path) -> None:
    async def body(path: Path) -> None:
        book = await SqliteRoutes.open(path, writer="inline")
        await book.put(row("old", updated_us=10), was=None)
        await book.put(row("new", updated_us=20), was=None)
        assert await book.prune(before_us=20) == 1
        assert await book.find("old") is None
        assert await book.find("new") is not None
        await book.close()

    run(body, tmp_path / "b.db")


def test_a_damaged_book_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    path.write_bytes(b"this is no database, and it is longer than a header of one" * 20)
    path.chmod(0o600)

    async def body(path: Path) -> None:
        with pytest.raises(StoreCorruptError, match=r"b\.db"):
            await SqliteRoutes.open(path)

    run(body, path)
    assert path.read_bytes().startswith(b"this is no database")


def test_a_book_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    async def body(path: Path) -> None:
        with pytest.raises(StoreVersionError, match="99"):
            await SqliteRoutes.open(path)

    run(body, path)


def test_a_full_disk_is_told_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    class Full(sqlite3.Connection):
        is_full = False

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql == "COMMIT" and Full.is_full:
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(sql, *values)

    async def body(path: Path) -> None:
        book = await SqliteRoutes.open(path, writer="inline", connection_class=Full)
        Full.is_full = True
        with pytest.raises(StoreError):
            await book.put(row(), was=None)
        Full.is_full = False
        assert await book.find("k") is None
        assert await book.put(row(), was=None)
        await book.close()

    run(body, tmp_path / "b.db")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.db").touch(mode=0o600)
    (tmp_path / "b.db").symlink_to(tmp_path / "elsewhere.db")

    async def body(path: Path) -> None:
        with pytest.raises(StoreError, match="symbolic link"):
            await SqliteRoutes.open(path)

    run(body, tmp_path / "b.db")
