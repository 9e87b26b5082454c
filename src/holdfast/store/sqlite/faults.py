"""From what SQLite or the system says to one word for the status and one error of ours."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from holdfast.errors import (
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreVersionError,
)

__all__ = ["LEFT_UNTOUCHED", "Fault", "fault_of"]

LEFT_UNTOUCHED: Final = "it was left untouched: restore a backup, or set it aside by an explicit quarantine"


class Fault(Exception):  # noqa: N818 - it never leaves this package: the error it makes does.
    """
    Why the store cannot be relied on; inside this package only.

    Attributes:
        reason: The word in ``StoreStatus.reason``.
        error: Makes a fresh public error, so that each task that waits gets its own.
        is_lost: The connection can no longer be believed: it is closed, and a new one proves itself first.
    """

    def __init__(self, reason: str, kind: Callable[[str], StoreError], message: str, *, is_lost: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_lost = is_lost
        self._kind = kind
        self._message = message

    def error(self) -> StoreError:
        return self._kind(self._message)

    def again(self) -> Fault:
        """The same fault without the traceback it gathered: one that is kept is raised many times."""
        return Fault(self.reason, self._kind, self._message, is_lost=self.is_lost)


def fault_of(error: Exception, path: Path | str, *, is_read: bool = False) -> Fault:
    """
    Name what went wrong at *path*; what a row cannot express is our caller's fault on a write, damage on a read.

    Result codes: https://www.sqlite.org/rescode.html (checked 2026-11-20).
    """
    match error:
        case Fault():
            return error
        case StoreFullError():
            return Fault("full", StoreFullError, str(error))
        case StoreReadOnlyError():
            return Fault("read_only", StoreReadOnlyError, str(error))
        case StoreCorruptError():
            said = str(error) if str(path) in str(error) else f"{path}: {error}; {LEFT_UNTOUCHED}"
            return Fault("corrupt", StoreCorruptError, said, is_lost=True)
        case StoreVersionError():
            return Fault("corrupt", StoreVersionError, str(error), is_lost=True)
        case StoreError():
            return Fault("io", StoreError, str(error), is_lost=True)
        case sqlite3.Error():
            return _sqlite_fault(error, path, is_read=is_read)
        case OSError():
            return Fault("io", StoreError, f"{path}: {error.strerror or error}", is_lost=True)
        case ValueError() | TypeError() | OverflowError() if is_read:
            return Fault("corrupt", StoreCorruptError, f"{path}: {error}; {LEFT_UNTOUCHED}", is_lost=True)
    return Fault("refused", StoreError, f"a row cannot be kept as it is: {error}")


def _sqlite_fault(error: sqlite3.Error, path: Path | str, *, is_read: bool) -> Fault:
    # Errors that Python's own binding raises, an unsupported type for one, carry no code.
    code = getattr(error, "sqlite_errorcode", None)
    said = f"{path}: {error}" + (f" ({error.sqlite_errorname})" if hasattr(error, "sqlite_errorname") else "")
    match code & 0xFF if code is not None else None:
        case sqlite3.SQLITE_FULL:
            return Fault("full", StoreFullError, f"{said}; nothing of it was kept: free disk space or raise the bound")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return Fault("read_only", StoreReadOnlyError, f"{said}; make the file and its folder writable")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return Fault("busy", StoreError, f"{said}; another process holds the file")
        case sqlite3.SQLITE_CANTOPEN if not os.access(Path(path).parent, os.W_OK):
            return Fault("read_only", StoreReadOnlyError, f"{said}; make its folder writable", is_lost=True)
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_NOMEM:
            # A sync that failed once may report success the next time without having written a thing, so what the
            # transaction left behind is unknown until a new connection has read it back.
            return Fault("io", StoreError, f"{said}; it may or may not have been kept", is_lost=True)
        case None | sqlite3.SQLITE_TOOBIG | sqlite3.SQLITE_MISMATCH | sqlite3.SQLITE_RANGE if not is_read:
            return Fault("refused", StoreError, f"a row cannot be kept as it is: {error}")
    # Corrupt, not a database, and everything our own fixed statements cannot cause on an intact schema.
    return Fault("corrupt", StoreCorruptError, f"{said}; {LEFT_UNTOUCHED}", is_lost=True)
