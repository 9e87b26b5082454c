"""Numbered migrations: all pending ones in one transaction, so that a killed process leaves the old or the new."""

from __future__ import annotations

import functools
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec

from holdfast.store.files import create_private, put_in_place, sync_file
from holdfast.store.sqlite.connection import connect, roll_back

__all__ = ["APPLICATION_ID", "Migration", "give_birth", "migrate", "shipped_migrations"]

APPLICATION_ID: Final = int.from_bytes(b"hold")
"""What marks the file as ours: https://www.sqlite.org/pragma.html#pragma_application_id (checked 2026-11-20)."""


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One numbered SQL file; ``PRAGMA user_version`` is the number of the last one applied."""

    number: int
    sql: str


@functools.cache
def shipped_migrations() -> tuple[Migration, ...]:
    """The migrations of this version, from 1 without a hole."""
    folder = resources.files("holdfast.store.sqlite") / "migrations"
    found = sorted(
        (
            Migration(number=int(entry.name.split("_")[0]), sql=entry.read_text("utf-8"))
            for entry in folder.iterdir()
            if entry.name.endswith(".sql")
        ),
        key=lambda migration: migration.number,
    )
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise AssertionError(f"migrations are numbered {[migration.number for migration in found]}")
    return tuple(found)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration], *, version: int) -> None:
    """Apply what lies beyond *version*, in one transaction."""
    connection.execute("BEGIN EXCLUSIVE")
    try:
        for migration in migrations:
            if migration.number > version:
                for statement in _statements(migration.sql):
                    connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {migrations[-1].number}")
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


def give_birth(path: Path, migrations: Sequence[Migration], *, wall_us: int) -> None:
    """
    Make a new, empty store at *path*.

    It is finished under another name first: whatever is found at *path* is a whole store, or damaged, and never one
    that somebody was about to make.

    Raises:
        FileExistsError: Something lies there.
    """
    for left_behind in path.parent.glob(f".{path.name}.*.new"):
        left_behind.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.new")
    create_private(temporary)
    try:
        fill(str(temporary), migrations, wall_us=wall_us)
        sync_file(temporary)
        put_in_place(temporary, path, overwrite=False)
    finally:
        temporary.unlink(missing_ok=True)


def fill(path: str, migrations: Sequence[Migration], *, wall_us: int) -> None:
    connection = connect(path, connection_class=sqlite3.Connection, busy_s=0, is_reader=False)
    try:
        # Without a write-ahead log, so that all of it is in the one file that gets the name.
        connection.execute("PRAGMA journal_mode = DELETE")
        found(connection, migrations, wall_us=wall_us)
    finally:
        connection.close()


def found(connection: sqlite3.Connection, migrations: Sequence[Migration], *, wall_us: int) -> None:
    """Give an empty database its tables and its identity."""
    migrate(connection, migrations, version=0)
    store_id = secrets.token_hex(16)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO identity VALUES (1, ?, ?)", (store_id, wall_us))
    connection.execute("INSERT INTO journal_state (only_row, store_id, last_seq) VALUES (1, ?, 0)", (store_id,))
    connection.execute("COMMIT")


def _statements(sql: str) -> Iterator[str]:
    # One at a time: executescript would commit the transaction that holds them together.
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip() and not all(line.lstrip().startswith("--") for line in pending.splitlines() if line.strip()):
        raise AssertionError(f"a migration ends in an unfinished statement: {pending.strip()[:60]!r}")
