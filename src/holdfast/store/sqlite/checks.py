"""
Is this file a store, ours, of a version we know, and whole?

SQLite notices a broken structure. It does not notice a changed digit in a cell, a write-ahead log that belongs to
another copy, or a file from last week: those are noticed here, by checksums, counts and identities that every commit
renews. What a file alone cannot show (it is whole, but old) is what the mark beside it is for.
"""
# ruff: noqa: S608 - only our own constants are put into statements; values are always bound.

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from holdfast.errors import StoreCorruptError, StoreVersionError
from holdfast.store.rows import Segment
from holdfast.store.sqlite.faults import LEFT_UNTOUCHED
from holdfast.store.sqlite.intents import FIRST_VERSION, check_intents
from holdfast.store.sqlite.schema import APPLICATION_ID
from holdfast.store.sqlite.values import COLUMNS, fact_crc, row_of

__all__ = ["check_contents", "check_header", "check_version", "has_log", "read_segments"]

_MAGIC: Final = b"SQLite format 3\0"


def check_header(path: Path, *, newest_version: int) -> None:
    """
    Judge a file by its first hundred bytes, before SQLite opens it and perhaps changes it.

    Only for files that this process does not have open as a database.
    Layout: https://www.sqlite.org/fileformat2.html#the_database_header (checked 2026-11-20).

    Raises:
        StoreCorruptError: Not an SQLite file at all, or cut before the header ends.
        StoreVersionError: Another program's, or a newer holdfast's.
    """
    with path.open("rb") as file:
        header = file.read(100)
        size = file.seek(0, os.SEEK_END)
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise StoreCorruptError(f"{path} is no SQLite database ({len(header)} bytes read); {LEFT_UNTOUCHED}")
    check_version(
        path,
        application_id=int.from_bytes(header[68:72]),
        version=int.from_bytes(header[60:64]),
        newest_version=newest_version,
    )
    page = int.from_bytes(header[16:18])
    # A checkpoint that was cut short ends within a page too, but then the log still has all of it.
    if page > 1 and size % page and not has_log(path):
        raise StoreCorruptError(f"{path} was cut: its {size} bytes end within a page; {LEFT_UNTOUCHED}")


def has_log(path: Path) -> bool:
    """Whether a write-ahead log with something in it lies beside the file."""
    try:
        return Path(f"{path}-wal").lstat().st_size > 0
    except FileNotFoundError:
        return False


def check_version(path: Path | str, *, application_id: int, version: int, newest_version: int) -> None:
    """Refuse what another program or a newer holdfast wrote; raises ``StoreVersionError``."""
    if application_id != APPLICATION_ID:
        raise StoreVersionError(
            f"{path} is an SQLite database, but not holdfast's (application id {application_id:#x}); "
            "name another path, or move that file away"
        )
    if version > newest_version:
        raise StoreVersionError(
            f"{path} was written by a newer holdfast (store version {version}, this one knows {newest_version}); "
            "upgrade holdfast, or restore a backup made by this version"
        )


def check_contents(connection: sqlite3.Connection, path: Path | str, *, is_deep: bool) -> None:
    """
    Check structure, identity, that no row is missing and every intent; with *is_deep* every index and row too.

    Takes time in proportion to the file: about a second per 300 MB and one per 200,000 intents, several times that
    with *is_deep*.

    Raises:
        StoreCorruptError: It does not hold together; the message says how.
        sqlite3.Error: SQLite itself could not read it.
    """

    def refuse(why: str) -> StoreCorruptError:
        return StoreCorruptError(f"{path}: {why}; {LEFT_UNTOUCHED}")

    findings = [text for (text,) in connection.execute(f"PRAGMA {'integrity' if is_deep else 'quick'}_check(3)")]
    if findings != ["ok"]:
        raise refuse(f"SQLite found {'; '.join(findings)!a}")
    identity = connection.execute("SELECT store_id FROM identity").fetchall()
    state = connection.execute("SELECT store_id, last_seq FROM journal_state").fetchall()
    if len(identity) != 1 or len(state) != 1:
        raise refuse("its identity is missing")
    if identity[0][0] != state[0][0]:
        raise refuse("its write-ahead log belongs to another store")
    _check_segments(connection, refuse, last_seq=state[0][1])
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version >= FIRST_VERSION:
        check_intents(connection, refuse)
    for name, value, crc in connection.execute("SELECT name, value, crc FROM fact"):
        if fact_crc(name, value) != crc:
            raise refuse(f"the fact {name!a} does not carry its own checksum")
    for table in ("latest", "checkpoint", "journal") if is_deep else ("latest",):
        for values in connection.execute(f"SELECT {COLUMNS} FROM {table}"):
            try:
                row_of(values)
            except StoreCorruptError as error:
                raise refuse(str(error)) from None


def read_segments(connection: sqlite3.Connection) -> list[Segment]:
    """Every segment, oldest first."""
    return [
        Segment(number=number, day=day, first_seq=first, last_seq=last)
        for number, day, first, last in connection.execute(
            "SELECT number, day, first_seq, last_seq FROM segment ORDER BY number"
        )
    ]


def _check_segments(
    connection: sqlite3.Connection, refuse: Callable[[str], StoreCorruptError], *, last_seq: int
) -> None:
    segments = read_segments(connection)
    rows, lowest, highest = connection.execute("SELECT count(*), min(seq), max(seq) FROM journal").fetchone()
    for before, after in itertools.pairwise(segments):
        if after.first_seq <= before.last_seq:
            raise refuse(f"segments {before.number} and {after.number} of its journal overlap")
    expected = sum(segment.last_seq - segment.first_seq + 1 for segment in segments)
    if rows != expected:
        raise refuse(f"its journal has {rows} rows where it counts {expected}")
    if segments and (lowest != segments[0].first_seq or highest != segments[-1].last_seq or highest > last_seq):
        raise refuse(f"its journal runs from {lowest} to {highest}, which is not what it counts")
