"""
The intents over one connection: written whole, counted, and summed up, so that a missing one is noticed.

A reservation that is not found is money that two orders may spend. So what is opened is not only asked whether each row
says what was written, but whether all of them are there.
"""
# ruff: noqa: S608 - only our own constants are put into statements; values are always bound.

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from holdfast.core.seams import IntentRow
from holdfast.errors import StoreCorruptError
from holdfast.store.sqlite.statements import SIZES, insert_many
from holdfast.store.sqlite.values import INTENT_COLUMNS, INTENT_WIDTH, intent_of, intent_values

__all__ = ["FIRST_VERSION", "Batch", "Tally", "check_intents", "drop", "due", "put", "read_tally", "weigh"]

FIRST_VERSION: Final = 2
"""The version of the store that has intents for the first time."""

_PRUNED_AT_ONCE: Final = 500

_PUT: Final = f"INSERT INTO intent ({INTENT_COLUMNS})"
_REPLACE: Final = (
    "ON CONFLICT (intent_id) DO UPDATE SET is_ended = excluded.is_ended, wall_us = excluded.wall_us, "
    "record = excluded.record, crc = excluded.crc"
)


class Tally(msgspec.Struct, frozen=True):
    """How many intents there are, the sum of their checksums, and how many rows were ever kept."""

    count: int
    crc_sum: int
    kept: int


class Batch(msgspec.Struct, frozen=True):
    """The columns of intents to be kept, in order, and the tally that will then hold."""

    values: list[tuple[Any, ...]]
    tally: Tally


def read_tally(connection: sqlite3.Connection) -> Tally:
    """The tally as the last commit left it."""
    found = connection.execute("SELECT intents, intents_sum, intents_kept FROM journal_state").fetchone()
    return Tally(*found)


def weigh(connection: sqlite3.Connection, intents: Sequence[IntentRow], tally: Tally) -> Batch:
    """
    What keeping *intents* will write.

    Raises:
        ValueError, TypeError: One of them is none, or would change the client order id that its order may have.
    """
    values = [intent_values(intent) for intent in intents]
    known = _known(connection, [each[0] for each in values])
    count, crc_sum = tally.count, tally.crc_sum
    for intent_id, client_order_id, _, _, _, crc in values:
        before = known.get(intent_id)
        if before is None:
            count += 1
            crc_sum += crc
        elif before[0] != client_order_id:
            raise ValueError(f"the intent {intent_id!a} has the client order id {before[0]!a} and may have no other")
        else:
            crc_sum += crc - before[1]
        known[intent_id] = (client_order_id, crc)
    return Batch(values, Tally(count, crc_sum, tally.kept + len(values)))


def put(connection: sqlite3.Connection, batch: Batch) -> None:
    """Write them, within a transaction; raises ``sqlite3.IntegrityError`` where a client order id is another's."""
    insert_many(connection, _PUT, INTENT_WIDTH, batch.values, then=_REPLACE)


def due(connection: sqlite3.Connection, *, before_wall_us: int) -> list[tuple[int, int]]:
    """Number and checksum of a bounded number of intents that ended before *before_wall_us*."""
    return connection.execute(
        "SELECT number, crc FROM intent WHERE is_ended = 1 AND wall_us < ? ORDER BY wall_us LIMIT ?",
        (before_wall_us, _PRUNED_AT_ONCE),
    ).fetchall()


def drop(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Delete intents by number, within a transaction."""
    connection.execute(f"DELETE FROM intent WHERE number IN ({', '.join('?' * len(numbers))})", numbers)


def check_intents(connection: sqlite3.Connection, refuse: Callable[[str], StoreCorruptError]) -> None:
    """
    Check every intent's checksum, that none is missing, and that its indexes find each of them.

    Takes about a second per 300,000 intents.
    """
    findings = [text for (text,) in connection.execute("PRAGMA integrity_check(intent)")]
    if findings != ["ok"]:
        raise refuse(f"SQLite found {'; '.join(findings[:3])!a}")
    tally = read_tally(connection)
    count = crc_sum = 0
    for values in connection.execute(f"SELECT {INTENT_COLUMNS} FROM intent NOT INDEXED"):
        try:
            intent_of(values)
        except StoreCorruptError as error:
            raise refuse(str(error)) from None
        count += 1
        crc_sum += values[-1]
    if (count, crc_sum) != (tally.count, tally.crc_sum):
        raise refuse(f"it has {count} intents, which are not the {tally.count} that it counts")


def _known(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
    known: dict[str, tuple[str, int]] = {}
    largest = SIZES[0]
    for start in range(0, len(ids), largest):
        part: list[str | None] = list(ids[start : start + largest])
        # Filled up with nulls, which equal nothing, so that few different statements are prepared.
        size = next(size for size in reversed(SIZES) if size >= len(part))
        part += [None] * (size - len(part))
        for intent_id, client_order_id, crc in connection.execute(
            f"SELECT intent_id, client_order_id, crc FROM intent WHERE intent_id IN ({', '.join('?' * size)})", part
        ).fetchall():
            known[intent_id] = (client_order_id, crc)
    return known
