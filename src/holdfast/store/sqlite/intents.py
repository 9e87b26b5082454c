"""
The intents over one write connection: written whole, counted, and summed up, so that a missing one is noticed.

A reservation that is not found is money that two orders may spend. So what is opened is not only asked whether each row
says what was written, but whether all of them are there.
"""
# ruff: noqa: S608 - only our own constants are put into statements; values are always bound.

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from holdfast.core.seams import IntentRow
from holdfast.errors import StoreCorruptError
from holdfast.store.sqlite.statements import insert_many
from holdfast.store.sqlite.values import INTENT_COLUMNS, INTENT_WIDTH, intent_of, intent_values

__all__ = ["FIRST_VERSION", "Batch", "IntentTable", "Pruning", "Tally", "check_intents"]

FIRST_VERSION: Final = 2
"""The version of the store that has intents for the first time."""

_INTO: Final = f"INSERT INTO intent ({INTENT_COLUMNS})"
_OR_CHANGE: Final = (
    "ON CONFLICT (number) DO UPDATE SET is_ended = excluded.is_ended, wall_us = excluded.wall_us, "
    "record = excluded.record, crc = excluded.crc WHERE intent_id = excluded.intent_id"
)

_PRUNED_AT_ONCE: Final = 500

_STATE: Final = "SELECT intents, intents_sum, intents_kept FROM journal_state"


class Tally(NamedTuple):
    """How many intents there are, the sum of their checksums, and how many rows were ever kept."""

    intents: int
    crc_sum: int
    kept: int


class _Place(NamedTuple):
    """Where an open intent lies, and what is needed of it to write it again."""

    number: int
    client_order_id: str
    crc: int


class Batch(NamedTuple):
    """Intents to be kept in one transaction, and what will then hold."""

    values: list[tuple[Any, ...]]
    tally: Tally
    places: dict[str, _Place]
    ended: set[str]


class Pruning(NamedTuple):
    """Intents to be forgotten in one transaction, and what will then hold."""

    numbers: list[int]
    tally: Tally
    ids: list[tuple[str, str]]


class IntentTable:
    """
    Which intents there are, between commits. Nothing it knows changes unless a transaction was kept.

    Of the many that ended only hashes of their ids stay in memory, about 200 bytes for each. That two different ids
    share one is as good as impossible, and would refuse an intent, never accept one twice.

    Attributes:
        tally: As the last commit left it.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.tally = Tally(*connection.execute(_STATE).fetchone())
        self._open: dict[str, _Place] = {}
        self._ended: dict[int, int] = {}
        self._clients: set[int] = set()
        self._last_number = 0
        for number, intent_id, client_order_id, is_ended, crc in connection.execute(
            "SELECT number, intent_id, client_order_id, is_ended, crc FROM intent ORDER BY number"
        ):
            self._last_number = number
            self._clients.add(hash(client_order_id))
            if is_ended:
                self._ended[hash(intent_id)] = number
            else:
                self._open[intent_id] = _Place(number, client_order_id, crc)
        if not len(self._clients) == len(self._open) + len(self._ended) == self.tally.intents:
            raise StoreCorruptError("two of its intents have the same id")

    def number_of(self, intent_id: str) -> int | None:
        """The number of a remembered intent, or None; may be asked by another thread than the writer's."""
        place = self._open.get(intent_id)
        # In this order: one that is ending meanwhile is added there before it is taken away here.
        return place.number if place is not None else self._ended.get(hash(intent_id))

    def weigh(self, intents: Sequence[IntentRow]) -> Batch:
        """
        What keeping *intents* will write.

        Raises:
            ValueError, TypeError: One of them is none, or its client order id is another's.
        """
        values: list[tuple[Any, ...]] = []
        places: dict[str, _Place] = {}
        ended: set[str] = set()
        new_clients: set[str] = set()
        count, crc_sum, kept = self.tally
        number = self._last_number
        for intent in intents:
            intent_id, client_order_id = intent.intent_id, intent.client_order_id
            known = places.get(intent_id) or self._open.get(intent_id)
            if known is None and hash(intent_id) in self._ended:
                known = self._ended_place(intent_id)
            if known is None:
                if hash(client_order_id) in self._clients or client_order_id in new_clients:
                    raise ValueError(f"the client order id of intent {intent_id!a} is another's")
                new_clients.add(client_order_id)
                number += 1
                count += 1
                row = intent_values(intent, number)
            else:
                if known.client_order_id != client_order_id:
                    raise ValueError(f"the intent {intent_id!a} has another client order id")
                crc_sum -= known.crc
                row = intent_values(intent, known.number)
            crc: int = row[-1]
            crc_sum += crc
            places[intent_id] = _Place(row[0], client_order_id, crc)
            if intent.is_ended:
                ended.add(intent_id)
            else:
                ended.discard(intent_id)
            values.append(row)
        return Batch(values, Tally(count, crc_sum, kept + len(values)), places, ended)

    def put(self, batch: Batch) -> None:
        """Write them, within a transaction; raises ``StoreCorruptError`` rather than write over another intent."""
        if insert_many(self._connection, _INTO, INTENT_WIDTH, batch.values, then=_OR_CHANGE) != len(batch.values):
            raise StoreCorruptError("another intent lies where one of its intents is to be written")

    def was_put(self, batch: Batch) -> None:
        """The transaction was kept."""
        self.tally = batch.tally
        self._last_number = max(self._last_number, max(place.number for place in batch.places.values()))
        for intent_id, place in batch.places.items():
            self._clients.add(hash(place.client_order_id))
            if intent_id in batch.ended:
                self._ended[hash(intent_id)] = place.number
                self._open.pop(intent_id, None)
            else:
                self._open[intent_id] = place
                self._ended.pop(hash(intent_id), None)

    def due(self, *, before_wall_us: int) -> Pruning:
        """A bounded number of the intents that ended before *before_wall_us*."""
        found = self._connection.execute(
            "SELECT number, intent_id, client_order_id, crc FROM intent WHERE is_ended = 1 AND wall_us < ? "
            "ORDER BY wall_us LIMIT ?",
            (before_wall_us, _PRUNED_AT_ONCE),
        ).fetchall()
        count, crc_sum, kept = self.tally
        return Pruning(
            numbers=[number for number, _, _, _ in found],
            tally=Tally(count - len(found), crc_sum - sum(crc for _, _, _, crc in found), kept),
            ids=[(intent_id, client_order_id) for _, intent_id, client_order_id, _ in found],
        )

    def drop(self, pruning: Pruning) -> None:
        """Delete them, within a transaction."""
        marks = ", ".join("?" * len(pruning.numbers))
        self._connection.execute(f"DELETE FROM intent WHERE number IN ({marks})", pruning.numbers)

    def was_dropped(self, pruning: Pruning) -> None:
        """The transaction was kept."""
        self.tally = pruning.tally
        for intent_id, client_order_id in pruning.ids:
            del self._ended[hash(intent_id)]
            self._clients.discard(hash(client_order_id))

    def _ended_place(self, intent_id: str) -> _Place:
        number = self._ended[hash(intent_id)]
        found = self._connection.execute(
            "SELECT number, client_order_id, crc FROM intent WHERE number = ? AND intent_id = ?", (number, intent_id)
        ).fetchone()
        if found is None:
            raise ValueError(f"the intent {intent_id!a} cannot be told from another one: choose another id")
        return _Place(*found)


def check_intents(connection: sqlite3.Connection, refuse: Callable[[str], StoreCorruptError]) -> None:
    """
    Check every intent's checksum, that none is missing, and that the index finds each of them.

    Takes about a second per 200,000 intents.
    """
    findings = [text for (text,) in connection.execute("PRAGMA integrity_check(intent)")]
    if findings != ["ok"]:
        raise refuse(f"SQLite found {'; '.join(findings[:3])!a}")
    tally = Tally(*connection.execute(_STATE).fetchone())
    count = crc_sum = 0
    for values in connection.execute(f"SELECT {INTENT_COLUMNS} FROM intent"):
        try:
            intent_of(values)
        except StoreCorruptError as error:
            raise refuse(str(error)) from None
        count += 1
        crc_sum += values[-1]
    if (count, crc_sum) != (tally.intents, tally.crc_sum):
        raise refuse(f"it has {count} intents, which are not the {tally.intents} that it counts")
