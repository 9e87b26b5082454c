"""Disks that are slow, fail or fill up: connections that do to SQLite what a bad disk would."""

from __future__ import annotations

import sqlite3
import time
from typing import Any, ClassVar

_NAMES = {
    sqlite3.SQLITE_IOERR_FSYNC: "SQLITE_IOERR_FSYNC",
    sqlite3.SQLITE_FULL: "SQLITE_FULL",
    sqlite3.SQLITE_READONLY: "SQLITE_READONLY",
    sqlite3.SQLITE_BUSY: "SQLITE_BUSY",
    sqlite3.SQLITE_CORRUPT: "SQLITE_CORRUPT",
}


def failure(code: int, text: str = "disk I/O error") -> sqlite3.OperationalError:
    """What SQLite's binding raises for a result code."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    error.sqlite_errorname = _NAMES[code]
    return error


class Disk(sqlite3.Connection):
    """
    A disk whose commits can be told to be slow or to fail. Subclass it per test: the switches are class-wide.

    ``fails_before`` raises instead of committing; ``fails_after`` commits and raises nevertheless, the way a sync
    fails after the bytes were handed over.
    """

    commit_s: ClassVar[float] = 0.0
    fails_before: ClassVar[int | None] = None
    fails_after: ClassVar[int | None] = None
    commits: ClassVar[int] = 0
    opened: ClassVar[int] = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        type(self).opened += 1
        super().__init__(*args, **kwargs)

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        kind = type(self)
        if sql != "COMMIT":
            return super().execute(sql, *args)
        kind.commits += 1
        if kind.commit_s:
            time.sleep(kind.commit_s)
        if kind.fails_before is not None:
            raise failure(kind.fails_before)
        cursor = super().execute(sql, *args)
        if kind.fails_after is not None:
            raise failure(kind.fails_after)
        return cursor
