"""How we open an SQLite file: never making it, always synced, suspicious of its pages."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from holdfast.errors import StoreError

__all__ = ["IN_MEMORY", "connect", "roll_back"]

IN_MEMORY: Final = ":memory:"

# Pages in the write-ahead log before a commit moves them into the file: about 16 MiB. Moving costs its commit some
# milliseconds; SQLite's own 1,000 made one commit in a hundred slow at full load.
CHECKPOINT_PAGES: Final = 4_000
WAL_KEEP_BYTES: Final = 16 * 1024 * 1024


def connect(
    path: str,
    *,
    connection_class: type[sqlite3.Connection],
    busy_s: float,
    max_pages: int | None = None,
    is_reader: bool = False,
    is_examiner: bool = False,
) -> sqlite3.Connection:
    """
    Open the file at *path*, which has to exist, or a database in memory.

    An *examiner* leaves every byte as it is: closing an ordinary last connection would move the write-ahead log into
    the file, and with it whatever is wrong with that log. Transactions are only those we begin. Waits at most *busy_s*
    seconds for another process's lock.
    """
    in_memory = path == IN_MEMORY
    connection = sqlite3.connect(
        path if in_memory else f"file:{quote(str(Path(path).absolute()))}?mode={'ro' if is_examiner else 'rw'}",
        uri=not in_memory,
        timeout=busy_s,
        isolation_level=None,
        cached_statements=64,
        # One thread at a time uses it, but not always the one that opened it.
        check_same_thread=False,
        factory=connection_class,
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA mmap_size = 0")  # A page that cannot be read is an error, not a SIGBUS.
        connection.execute("PRAGMA temp_store = MEMORY")
        if is_reader or is_examiner:
            connection.execute("PRAGMA query_only = ON")
        elif not in_memory:
            _make_durable(connection, path)
        if max_pages is not None:
            connection.execute(f"PRAGMA max_page_count = {int(max_pages)}")
    except BaseException:
        connection.close()
        raise
    return connection


def _make_durable(connection: sqlite3.Connection, path: str) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(f"{path}: this file system cannot keep a write-ahead log (journal mode {mode})")
    connection.execute("PRAGMA synchronous = FULL")
    # On macOS an ordinary sync stops at the drive's cache; elsewhere these two change nothing.
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA checkpoint_fullfsync = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_KEEP_BYTES}")


def roll_back(connection: sqlite3.Connection) -> None:
    """End a transaction that SQLite may have ended itself; where even that fails, ``in_transaction`` stays true."""
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
