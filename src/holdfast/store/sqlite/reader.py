"""A second connection for questions, so that none of them waits behind a sync."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from holdfast.errors import StoreCorruptError
from holdfast.store.sqlite.connection import connect
from holdfast.store.sqlite.copies import copy_into
from holdfast.store.sqlite.faults import Fault, fault_of

__all__ = ["Reader"]

T = TypeVar("T")


class Reader:
    """Answers questions about the file at *path*; used by one thread."""

    def __init__(self, path: str, *, connection_class: type[sqlite3.Connection], busy_s: float) -> None:
        self._path = Path(path)
        self._connection_class = connection_class
        self._busy_s = busy_s
        self._connection: sqlite3.Connection | None = None
        self._generation = 0
        self._place: tuple[int, int] | None = None

    def read(self, question: Callable[[sqlite3.Connection], T], *, generation: int) -> T:
        """
        Ask *question*, on a new connection where the writer has one too.

        Raises:
            Fault: It could not be answered; ``corrupt`` where what was read is not what was written.
        """
        try:
            facts = self._path.lstat()
            place = (facts.st_dev, facts.st_ino)
            if self._connection is None or generation != self._generation:
                self.close()
                self._connection = self._connect(is_reader=True)
                self._generation, self._place = generation, place
            if place != self._place:
                raise Fault("replaced", StoreCorruptError, f"{self._path} was replaced while it was open")
            return question(self._connection)
        except FileNotFoundError as error:
            raise Fault("replaced", StoreCorruptError, f"{self._path} was deleted while it was open") from error
        except Exception as error:
            raise fault_of(error, self._path, is_read=True) from error

    def back_up(self, path: Path, *, overwrite: bool) -> None:
        """Write a checked copy to *path* over a connection of its own; may run beside ``read``."""
        try:
            # Copying counts as writing for SQLite, though it only writes the copy.
            connection = self._connect(is_reader=False)
        except sqlite3.Error as error:
            raise fault_of(error, self._path, is_read=True).error() from error
        try:
            copy_into(connection, path, overwrite=overwrite)
        finally:
            connection.close()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _connect(self, *, is_reader: bool) -> sqlite3.Connection:
        return connect(
            str(self._path), connection_class=self._connection_class, busy_s=self._busy_s, is_reader=is_reader
        )
