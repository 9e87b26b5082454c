"""
One store's file over its lifetime: opened with proof, written in groups, given up when it can no longer be believed.

Synchronous, for one thread at a time: the writer's own thread, or the event loop's where the store is *inline*. After a
fault that leaves open what was kept (an I/O error, a file replaced under us) the connection is closed, and a new one
shows that every acknowledged row is still there and can be synced before the next row is taken.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec

from holdfast.core.seams import IntentRow, JournalRow
from holdfast.errors import StoreCorruptError, StoreError, StoreFullError, StoreVersionError
from holdfast.store.files import is_missing, move_aside
from holdfast.store.marks import MarkSlots
from holdfast.store.rows import HALTED
from holdfast.store.sqlite.checks import check_contents, check_header, check_version, has_log
from holdfast.store.sqlite.connection import IN_MEMORY, connect
from holdfast.store.sqlite.copies import copy_into
from holdfast.store.sqlite.faults import LEFT_UNTOUCHED, Fault, fault_of
from holdfast.store.sqlite.journal import Journal
from holdfast.store.sqlite.schema import Migration, found, give_birth, migrate

__all__ = ["Engine", "Settings"]

T = TypeVar("T")

_STICKY: Final = frozenset({"corrupt", "closed"})
"""Faults that no later success of ours talks away: a person has to act, or nothing is left to act on."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a store was opened with; see ``SqliteStore.open``."""

    path: str
    migrations: tuple[Migration, ...]
    wall_us: Callable[[], int]
    mark: MarkSlots | None
    on_damage: Literal["refuse", "quarantine"]
    max_pages: int | None
    max_wal_bytes: int
    busy_s: float
    reopen_every_s: float  # Between two attempts to trust a lost file again: each reads all of it.
    connection_class: type[sqlite3.Connection]


class Engine:
    """
    The write side of one store.

    Attributes:
        fault: Why writes are not accepted, or None.
        last_seq: The last sequence number known to be durable.
        halted: JSON text of the fact that says why the account is halted, or None.
        became_halted: Whether opening found less than what was already acted on: an older copy, or nothing at all.
        refused: How many commits were refused because a row could not be kept by any store.
        failures: How many writes with intents failed; ``failure`` makes the error of the last of them.
        generation: Rises with each connection; whoever reads beside the engine opens anew when it has risen.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._in_memory = settings.path == IN_MEMORY
        self._path = Path(settings.path)
        self._log_path = Path(f"{settings.path}-wal")
        self._max_pages = settings.max_pages
        self._connection: sqlite3.Connection | None = None
        self._journal: Journal | None = None
        self._place: tuple[int, int] | None = None
        self._reopen_after_s = 0.0
        self._store_id = ""
        self._progress = 0
        self.fault: Fault | None = None
        self.last_seq = 0
        self.halted: str | None = None
        self.became_halted = False
        self.refused = 0
        self.failures = 0
        self.failure: Callable[[], Exception] | None = None
        self.generation = 0

    @property
    def is_closed(self) -> bool:
        """Whether ``close`` was called."""
        return self.fault is not None and self.fault.reason == "closed"

    # Opening

    def open(self) -> None:
        """
        Open the file, making a new one only where nothing shows that there was one.

        Raises:
            StoreError: One of its kinds; nothing was changed but where *on_damage* allowed it.
        """
        settings = self._settings
        try:
            if self._in_memory:
                self._connection = connect(
                    IN_MEMORY, connection_class=settings.connection_class, busy_s=0, max_pages=self._max_pages
                )
                found(self._connection, settings.migrations, wall_us=settings.wall_us())
                self._journal = Journal(self._connection)
            else:
                mark = settings.mark.read() if settings.mark is not None else None
                try:
                    started_anew = self._find_or_make(mark)
                    self._connect()
                except (sqlite3.Error, StoreCorruptError, ValueError, TypeError) as error:
                    started_anew = self._quarantine(error)
                    self._connect()
                self._compare(mark, started_anew=started_anew)
            assert self._journal is not None
            self.halted = self._journal.fact(HALTED)
            self.last_seq, self._progress = self._journal.last_seq, self._journal.progress
            self._store_id = self._journal.store_id
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            self._let_go()
            raise fault_of(error, settings.path, is_read=True).error() from error
        except BaseException:
            self._let_go()
            raise

    def _find_or_make(self, mark: int | None) -> dict[str, Any] | None:
        settings = self._settings
        for side in ("-wal", "-shm"):
            is_missing(Path(f"{self._path}{side}"))
        if not is_missing(self._path):
            check_header(self._path, newest_version=settings.migrations[-1].number)
            return None
        if mark or has_log(self._path):
            come_to = f"its journal had come to {mark}" if mark else "its write-ahead log is still there"
            raise StoreCorruptError(
                f"there is no store at {self._path}, but {come_to}: put it back, restore a backup, or start anew by an "
                "explicit quarantine"
            )
        give_birth(self._path, settings.migrations, wall_us=settings.wall_us())
        return None

    def _quarantine(self, error: Exception) -> dict[str, Any]:
        fault = fault_of(error, self._path, is_read=True)
        if self._settings.on_damage != "quarantine" or fault.reason != "corrupt":
            raise fault.error() from error
        self._let_go()
        wall_us = self._settings.wall_us()
        aside = move_aside(self._path, label="quarantined", wall_us=wall_us)
        give_birth(self._path, self._settings.migrations, wall_us=wall_us)
        return {"reason": "started_anew", "kept_as": aside.name if aside else None, "detail": str(error)}

    def _connect(self) -> None:
        settings = self._settings
        version, newest = self._examine(), settings.migrations[-1].number
        connection = connect(
            settings.path,
            connection_class=settings.connection_class,
            busy_s=settings.busy_s,
            max_pages=self._max_pages,
        )
        self._connection = connection
        # Whoever cannot write shall hear of it now and not with the first order. Beginning alone would not tell.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("ROLLBACK")
        if version < newest:
            self._migrate(connection, version=version)
            check_contents(connection, self._path, is_deep=False)
        self._journal = Journal(connection)
        self._place = self._place_now()
        self.generation += 1

    def _migrate(self, connection: sqlite3.Connection, *, version: int) -> None:
        migrations = self._settings.migrations
        newest = migrations[-1].number
        kept = self._path.with_name(f"{self._path.name}.before-v{newest}")
        copy_into(connection, kept, overwrite=True, is_current=False)
        try:
            migrate(connection, migrations, version=version)
        except sqlite3.Error as error:
            if fault_of(error, self._path).reason != "corrupt":
                raise
            # It was whole a moment ago: what failed is the migration, and nothing of it was kept.
            raise StoreVersionError(
                f"{self._path} could not be migrated from version {version} to {newest}: {error}; it is as it was, and "
                f"a copy lies at {kept}"
            ) from error

    def _examine(self) -> int:
        """Judge the file with its write-ahead log while both stay as they are; the version it has."""
        newest = self._settings.migrations[-1].number
        connection = connect(
            self._settings.path, connection_class=sqlite3.Connection, busy_s=self._settings.busy_s, is_examiner=True
        )
        try:
            (application_id,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            # Asked again: the write-ahead log may hold a newer header than the file.
            check_version(self._path, application_id=application_id, version=version, newest_version=newest)
            check_contents(connection, self._path, is_deep=False)
            if version < newest and [text for (text,) in connection.execute("PRAGMA integrity_check(1)")] != ["ok"]:
                raise StoreCorruptError(f"{self._path} is damaged and of an older version; {LEFT_UNTOUCHED}")
        finally:
            connection.close()
        return int(version)

    def _compare(self, mark: int | None, *, started_anew: dict[str, Any] | None) -> None:
        assert self._journal is not None
        last_seq = self._journal.last_seq
        halted = started_anew
        if halted is None and mark is not None and self._journal.progress < mark:
            halted = {"reason": "restored_old_copy"}
        if halted is not None:
            self.became_halted = True
            halted |= {"wall_us": self._settings.wall_us(), "last_seq": last_seq, "mark": mark}
            self._journal.halt_beyond(mark or 0, halted=json.dumps(halted))
        if self._settings.mark is not None and (mark or 0) < self._journal.progress:
            self._settings.mark.write(self._journal.progress)

    # Writing

    def commit(
        self,
        groups: Sequence[Sequence[JournalRow]],
        facts: Mapping[str, str | None],
        intents: Sequence[IntentRow] = (),
    ) -> list[int]:
        """
        Keep rows, facts and intents in one transaction; the last sequence number after each group.

        Raises:
            Fault: Nothing was kept, or it is unknown whether it was.
        """

        def write(journal: Journal) -> list[int]:
            return journal.commit(groups, facts, intents)

        seqs = self.run(write)
        if HALTED in facts:
            self.halted = facts[HALTED]
        return seqs

    def run(self, write: Callable[[Journal], T]) -> T:
        """Do something that commits, and judge what became of it; raises ``Fault``."""
        try:
            journal = self._trusted()
            commits = journal.commits
            result = write(journal)
        except Exception as error:
            raise self._judge(error) from error
        if journal.commits != commits:
            self.fault = None
            self._remember(journal)
        return result

    def recover(self) -> None:
        """Try whether writes are possible again: nobody else may be writing while the store is given up."""
        with contextlib.suppress(Fault):
            self.run(lambda journal: journal.prove_writable())

    def prune(self, *, wall_us: int, keep_days: int) -> int:
        """One bounded step of ``Journal.prune``; raises ``Fault``."""
        return self.run(lambda journal: journal.prune(wall_us=wall_us, keep_days=keep_days))

    def prune_intents(self, *, wall_us: int) -> int:
        """One bounded step of ``Journal.prune_intents``; raises ``Fault``."""
        return self.run(lambda journal: journal.prune_intents(wall_us=wall_us))

    def number_of(self, intent_id: str) -> int | None:
        """Where a remembered intent lies, -1 where there is none, None where it has to be searched; for any thread."""
        journal = self._journal
        if journal is None:
            return None
        number = journal.intents.number_of(intent_id)
        return -1 if number is None else number

    def resize(self, max_pages: int | None) -> None:
        """Change the bound on the file's pages; None lifts it."""
        self._max_pages = max_pages
        if self._connection is not None:
            # SQLite's own largest bound; it never goes below what the file has.
            self._connection.execute(f"PRAGMA max_page_count = {0xFFFFFFFE if max_pages is None else int(max_pages)}")

    def condemn(self, fault: Fault) -> None:
        """A reader found damage: accept nothing more."""
        self._judge(fault)

    def tidy(self) -> None:
        """Empty the write-ahead log while nobody waits. What hinders that is met by the next commit."""
        if self._connection is not None and not self._in_memory and self.fault is None:
            with contextlib.suppress(sqlite3.Error):
                self._empty_log(self._connection)

    def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask on the write connection, where there is no other; raises ``Fault``."""
        if self._connection is None:
            raise self.fault.again() if self.fault else Fault("closed", StoreError, f"{self._settings.path} is closed")
        try:
            return question(self._connection)
        except Exception as error:
            fault = fault_of(error, self._settings.path, is_read=True)
            if fault.reason == "corrupt":
                self.condemn(fault)
            raise fault from error

    def check_place(self) -> None:
        """
        Prove that the path still leads to the file we have open.

        Raises:
            Fault: It was deleted or replaced: what is written now would be lost with the file.
        """
        if self._place is not None and self._place_now() != self._place:
            raise Fault(
                "replaced",
                StoreCorruptError,
                f"{self._path} was deleted or replaced while it was open; put it back, or restart on a restored backup",
                is_lost=True,
            )

    def close(self) -> None:
        """Close; the log is emptied into the file where the disk allows it."""
        self.tidy()
        self._let_go()
        if self._settings.mark is not None and not self.is_closed:
            self._settings.mark.close()
        self.fault = Fault("closed", StoreError, f"{self._settings.path} is closed")

    def _trusted(self) -> Journal:
        fault = self.fault
        if fault is not None and fault.reason in _STICKY:
            raise fault.again()
        if self._journal is None:
            self._regain(fault)
        elif not self._in_memory:
            self.check_place()
            self._check_log()
        assert self._journal is not None
        return self._journal

    def _regain(self, fault: Fault | None) -> None:
        """Open the given-up file again, if it proves to hold all that was acknowledged and can be synced."""
        if fault is not None and time.monotonic() < self._reopen_after_s:
            raise fault.again()
        self._reopen_after_s = time.monotonic() + self._settings.reopen_every_s
        if is_missing(self._path):
            raise Fault("replaced", StoreCorruptError, f"{self._path} was deleted while it was open", is_lost=True)
        self._connect()
        assert self._journal is not None
        assert self._connection is not None
        if self._journal.store_id != self._store_id:
            raise Fault("replaced", StoreCorruptError, f"{self._path} is another store than before", is_lost=True)
        if self._journal.progress < self._progress:
            raise StoreCorruptError(
                f"{self._path} comes to {self._journal.progress}, but {self._progress} had been acknowledged: rows "
                "were lost; restore a backup"
            )
        # Written out and synced anew, because what the failed sync left in memory may never reach the disk by itself.
        if not self._empty_log(self._connection):
            raise Fault("busy", StoreError, f"{self._path} is being read by another process", is_lost=True)
        self.halted = self._journal.fact(HALTED)
        self.fault = None

    def _judge(self, error: Exception) -> Fault:
        fault = fault_of(error, self._settings.path)
        self.refused += fault.reason == "refused"
        if self._connection is not None and self._connection.in_transaction:
            fault.is_lost = True
        if fault.is_lost and not self._in_memory:
            self._let_go()
        # What has to stay is not talked away by what follows from it.
        if self.fault is None or self.fault.reason not in _STICKY:
            self.fault = fault.again()
        return fault

    def _remember(self, journal: Journal) -> None:
        if journal.progress == self._progress:
            return
        self.last_seq, self._progress = journal.last_seq, journal.progress
        if self._settings.mark is None:
            return
        try:
            self._settings.mark.write(journal.progress)
        except (OSError, StoreError) as error:
            # The rows are durable and are reported so; but a later loss of them could go unnoticed, so we say stop.
            self.fault = Fault("io", StoreError, f"the journal's mark cannot be written: {error}")

    def _check_log(self) -> None:
        try:
            size = self._log_path.stat().st_size
        except FileNotFoundError:
            return
        if size > self._settings.max_wal_bytes:
            assert self._connection is not None
            if not self._empty_log(self._connection):
                raise Fault(
                    "full",
                    StoreFullError,
                    f"{self._path}-wal has grown to {size} bytes because another process keeps reading an old state; "
                    "end that process",
                )

    def _empty_log(self, connection: sqlite3.Connection) -> bool:
        # Without waiting for readers: whoever reads now is met again at the next occasion.
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            (is_blocked, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(self._settings.busy_s * 1000)}")
        return not is_blocked

    def _place_now(self) -> tuple[int, int] | None:
        try:
            facts = self._path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return facts.st_dev, facts.st_ino

    def _let_go(self) -> None:
        connection, self._connection, self._journal = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
