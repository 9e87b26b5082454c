"""
Copies of a whole store: backup, restore, verify, and moving a damaged one aside.

Each ends in one rename of a file that was written, checked and synced before: a name never stands for half a store.
None of these functions suspends; they take time in proportion to the store.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from holdfast.errors import StoreCorruptError, StoreError
from holdfast.store.files import create_private, is_missing, move_aside, put_in_place, sync_file
from holdfast.store.marks import MarkSlots
from holdfast.store.sqlite.checks import check_contents, check_header
from holdfast.store.sqlite.connection import connect
from holdfast.store.sqlite.faults import fault_of
from holdfast.store.sqlite.journal import Journal
from holdfast.store.sqlite.schema import Migration, migrate, shipped_migrations

__all__ = ["copy_into", "quarantine", "restore", "verify"]

_BUSY_S = 2.0


def copy_into(connection: sqlite3.Connection, path: Path, *, overwrite: bool, is_current: bool = True) -> None:
    """
    Write what *connection* sees now to *path*, checked and synced.

    Writers go on meanwhile; the copy is of one moment. Mode 0600. Only a store of the *current* version can be checked.

    Raises:
        StoreError: It could not be written, or *path* exists and *overwrite* is false. No partial file stays behind.
    """
    if not overwrite and os.path.lexists(path):
        raise StoreError(f"{path} exists; name another file, or allow it to be overwritten")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")
    try:
        create_private(temporary)
        try:
            # Not the page-wise backup interface: it starts again each time somebody commits between two of its steps.
            connection.execute("VACUUM INTO ?", (str(temporary),))
            if is_current:
                _check_copy(temporary)
            sync_file(temporary)
            put_in_place(temporary, path, overwrite=overwrite)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        raise StoreError(f"{path} exists; name another file, or allow it to be overwritten") from None
    except (sqlite3.Error, OSError) as error:
        raise fault_of(error, path, is_read=True).error() from error


def verify(path: str | os.PathLike[str]) -> int:
    """
    Check a store that no process has open, in depth: structure, indexes, counts and every row's checksum.

    A store that a killed process left with its write-ahead log is judged together with that log, on a copy: the file
    itself is not changed.

    Returns:
        The last sequence number of its journal.

    Raises:
        StoreCorruptError: It is damaged, or there is none.
        StoreVersionError: It is not a holdfast store, or a newer one's.
        StoreError: It could not be read.
    """
    source = Path(path)
    temporary = source.with_name(f".{source.name}.{secrets.token_hex(6)}.check")
    try:
        return _copy_checked(source, temporary, migrations=shipped_migrations())[0]
    finally:
        _remove(temporary)


def restore(
    backup_path: str | os.PathLike[str],
    target_path: str | os.PathLike[str],
    *,
    wall_us: int,
    journal_mark: MarkSlots | None = None,
    migrations: Sequence[Migration] | None = None,
) -> Path | None:
    """
    Put a backup in the place of a store that no process has open.

    The backup is verified first and stays as it is; the present store, whole or damaged, is moved aside. What comes
    back is older than what was acted on, so it starts *halted*, unless *journal_mark* proves that nothing was missed.
    The caller holds the account's owner lock.

    Returns:
        Where the present store was moved to, or None where there was none.

    Raises:
        StoreCorruptError: The backup is damaged or not there; nothing was changed.
        StoreVersionError: The backup is not a holdfast store, or a newer one's; nothing was changed.
        StoreError: It could not be written.
    """
    backup, target = Path(backup_path), Path(target_path)
    steps = shipped_migrations() if migrations is None else migrations
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.restored")
    try:
        try:
            _, progress = _copy_checked(backup, temporary, migrations=steps)
            mark = journal_mark.read() if journal_mark is not None else None
            if mark is None or mark > progress:
                _halt(temporary, backup=backup, mark=mark, wall_us=wall_us)
            sync_file(temporary)
            is_missing(target)  # Refuses a link or somebody else's file before anything is moved.
            aside = move_aside(target, label="before-restore", wall_us=wall_us)
            put_in_place(temporary, target, overwrite=False)
        finally:
            _remove(temporary)
    except (sqlite3.Error, OSError) as error:
        raise fault_of(error, target, is_read=True).error() from error
    return aside


def quarantine(path: str | os.PathLike[str], *, wall_us: int) -> Path | None:
    """
    Move a damaged store aside, with its log, under a name that says when; where it went, or None where there was none.

    Never done by itself. The next ``SqliteStore.open`` starts a new store only when told to, and halted.

    Raises:
        StoreError: It could not be renamed.
    """
    try:
        return move_aside(Path(path), label="quarantined", wall_us=wall_us)
    except OSError as error:
        raise fault_of(error, os.fspath(path)).error() from error


def _copy_checked(source: Path, temporary: Path, *, migrations: Sequence[Migration]) -> tuple[int, int]:
    """Copy a closed store and its log, bring the copy up to date and check it; its last number and how far it came."""
    try:
        if is_missing(source):
            raise StoreCorruptError(f"there is no store at {source}")
        check_header(source, newest_version=migrations[-1].number)
        for side in ("", "-wal"):
            part = Path(f"{source}{side}")
            if side == "" or part.exists():
                create_private(Path(f"{temporary}{side}"))
                shutil.copyfile(part, f"{temporary}{side}", follow_symlinks=False)
        connection = connect(str(temporary), connection_class=sqlite3.Connection, busy_s=_BUSY_S)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version < migrations[-1].number:
                migrate(connection, migrations, version=version)
            check_contents(connection, source, is_deep=True)
            last_seq, kept = connection.execute("SELECT last_seq, intents_kept FROM journal_state").fetchone()
            connection.execute("PRAGMA journal_mode = DELETE")
        finally:
            connection.close()
    except (sqlite3.Error, OSError, ValueError, TypeError) as error:
        raise fault_of(error, source, is_read=True).error() from error
    return int(last_seq), int(last_seq + kept)


def _check_copy(path: Path) -> None:
    connection = connect(str(path), connection_class=sqlite3.Connection, busy_s=_BUSY_S, is_examiner=True)
    try:
        check_contents(connection, path, is_deep=True)
    finally:
        connection.close()


def _halt(path: Path, *, backup: Path, mark: int | None, wall_us: int) -> None:
    connection = connect(str(path), connection_class=sqlite3.Connection, busy_s=_BUSY_S)
    try:
        journal = Journal(connection)
        why = {
            "reason": "restored_old_copy",
            "wall_us": wall_us,
            "last_seq": journal.last_seq,
            "mark": mark,
            "backup": backup.name,
        }
        journal.halt_beyond(mark or 0, halted=json.dumps(why))
        connection.execute("PRAGMA journal_mode = DELETE")
    finally:
        connection.close()


def _remove(temporary: Path) -> None:
    for side in ("", "-wal", "-shm", "-journal"):
        Path(f"{temporary}{side}").unlink(missing_ok=True)
