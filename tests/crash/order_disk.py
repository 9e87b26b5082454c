"""A real store on a disk that fails while a file says so: full, or with an I/O error that leaves open what was kept."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from holdfast.config import BrokerConfig, Config
from holdfast.core.seams import Emit, Store
from holdfast.runtime.journal_mark import JournalMark
from holdfast.runtime.state_folder import StateFolder
from holdfast.store.sqlite import SqliteStore
from tests.store.disks import failure

__all__ = ["failing_store"]


def failing_store(config: Config, fails: str) -> Callable[[BrokerConfig, Emit], Awaitable[Store]]:
    """
    A maker of stores as a desk's parts have one.

    While the file *fails* is there, a commit does as its text says: ``full`` fails before anything was kept, ``io``
    likewise, ``io_kept`` after it was; ``slow 1.5`` takes so many seconds more.
    """
    place = Path(fails)

    class Disk(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            how = place.read_text() if sql == "COMMIT" and place.exists() else ""
            if how == "full":
                raise failure(sqlite3.SQLITE_FULL, "database or disk is full")
            if how == "io":
                raise failure(sqlite3.SQLITE_IOERR_FSYNC)
            if how.startswith("slow "):
                time.sleep(float(how.removeprefix("slow ")))
            cursor = super().execute(sql, *args)
            if how == "io_kept":
                raise failure(sqlite3.SQLITE_IOERR_FSYNC)
            return cursor

    async def open_store(broker: BrokerConfig, emit: Emit) -> Store:
        folder = StateFolder.open(config.state_dir)
        named = {"environment": broker.environment, "name": broker.name}
        return await SqliteStore.open(
            folder.database_path(**named),
            wall_us=_wall_us,
            emit=emit,
            broker=broker.name,
            journal_mark=JournalMark.open(folder.journal_mark_path(**named)),
            connection_class=Disk,
        )

    return open_store


def _wall_us() -> int:
    return time.time_ns() // 1000
