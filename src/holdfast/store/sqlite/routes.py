"""
Which broker each intent of a desk is bound to: one small file per host and environment, shared by its processes.

Unlike a broker's own store it has no single owner: two processes that are attached to the same accounts may both be
asked to route one intent. So every step is one transaction that compares what it replaces, and one of the two loses.
It is written once per routed order, before anything leaves, and again only where the order moves on.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal, TypeVar

from holdfast.core.seams import RouteRow
from holdfast.errors import StoreVersionError
from holdfast.store.files import create_private, is_missing
from holdfast.store.sqlite.connection import IN_MEMORY, connect, roll_back
from holdfast.store.sqlite.faults import fault_of

__all__ = ["SqliteRoutes"]

T = TypeVar("T")

_VERSION: Final = 1
_BUSY_S: Final = 5.0

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS routes (
    key TEXT PRIMARY KEY NOT NULL,
    token TEXT NOT NULL,
    updated_us INTEGER NOT NULL,
    record TEXT NOT NULL
) WITHOUT ROWID
"""


class SqliteRoutes:
    """A ``RouteBook`` in one SQLite file. Every method suspends, and raises ``StoreError`` where the file fails."""

    def __init__(self, path: str, connection: sqlite3.Connection, executor: ThreadPoolExecutor | None) -> None:
        self._path = path
        self._connection = connection
        self._executor = executor
        self._is_closed = False

    @classmethod
    async def open(
        cls,
        path: str | Path,
        *,
        writer: Literal["thread", "inline"] = "thread",
        connection_class: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> SqliteRoutes:
        """
        Open the file, made 0600 where it is missing. Suspends.

        Raises:
            StoreError: It cannot be used; it is never taken for empty.
        """
        executor = ThreadPoolExecutor(1, thread_name_prefix="holdfast-routes") if writer == "thread" else None

        def opening() -> sqlite3.Connection:
            return _opened(str(path), connection_class)

        try:
            connection = await _run(executor, opening)
        except BaseException as error:
            if executor is not None:
                executor.shutdown(wait=False)
            if isinstance(error, Exception):
                raise fault_of(error, path, is_read=True).error() from error
            raise
        return cls(str(path), connection, executor)

    async def find(self, key: str) -> RouteRow | None:
        """What is kept under *key*."""

        def find() -> RouteRow | None:
            query = "SELECT key, token, updated_us, record FROM routes WHERE key = ?"
            row = self._connection.execute(query, (key,)).fetchone()
            return None if row is None else RouteRow(key=row[0], token=row[1], updated_us=row[2], record=row[3])

        return await self._do(find, is_read=True)

    async def put(self, row: RouteRow, *, was: str | None) -> bool:
        """Keep *row* in the place of the one whose token *was*, of none where None; False where that is not so."""

        def put() -> bool:
            values = (row.token, row.updated_us, row.record, row.key)
            if was is None:
                statement = "INSERT OR IGNORE INTO routes (token, updated_us, record, key) VALUES (?, ?, ?, ?)"
                return self._changed(statement, values)
            statement = "UPDATE routes SET token = ?, updated_us = ?, record = ? WHERE key = ? AND token = ?"
            return self._changed(statement, (*values, was))

        return await self._do(put)

    async def drop(self, key: str, *, was: str) -> bool:
        """Forget the row under *key* whose token *was*; False where there is none."""
        return await self._do(lambda: self._changed("DELETE FROM routes WHERE key = ? AND token = ?", (key, was)))

    async def prune(self, *, before_us: int) -> int:
        """Forget what was last changed before that time, UTC microseconds; how many rows."""

        def prune() -> int:
            return self._written("DELETE FROM routes WHERE updated_us < ?", (before_us,))

        return await self._do(prune)

    async def close(self) -> None:
        """Give the file back; safe to repeat."""
        if not self._is_closed:
            self._is_closed = True
            await _run(self._executor, self._connection.close)
            if self._executor is not None:
                self._executor.shutdown(wait=False)

    def _changed(self, statement: str, values: tuple[object, ...]) -> bool:
        return self._written(statement, values) > 0

    def _written(self, statement: str, values: tuple[object, ...]) -> int:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            count = connection.execute(statement, values).rowcount
            connection.execute("COMMIT")
        except BaseException:
            roll_back(connection)
            raise
        return count

    async def _do(self, work: Callable[[], T], *, is_read: bool = False) -> T:
        try:
            return await _run(self._executor, work)
        except Exception as error:
            raise fault_of(error, self._path, is_read=is_read).error() from error


async def _run(executor: ThreadPoolExecutor | None, work: Callable[[], T]) -> T:
    if executor is None:
        return work()
    return await asyncio.get_running_loop().run_in_executor(executor, work)


def _opened(path: str, connection_class: type[sqlite3.Connection]) -> sqlite3.Connection:
    if path != IN_MEMORY and is_missing(Path(path)):
        try:
            create_private(Path(path))
        except FileExistsError:
            is_missing(Path(path))  # Made by another process meanwhile; it has to be ours all the same.
    connection = connect(path, connection_class=connection_class, busy_s=_BUSY_S)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise StoreVersionError(
                f"{path}: its version is {version}, this holdfast knows {_VERSION}: run a newer one"
            )
        if version == 0:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
            connection.execute("COMMIT")
        connection.execute("SELECT key, token, updated_us, record FROM routes LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection
