"""The journal and the intents over one write connection: what a commit writes, and what is known between commits."""
# ruff: noqa: S608 - only our own constants are put into statements; values are always bound.

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from holdfast.core.seams import IntentRow, JournalRow
from holdfast.errors import StoreCorruptError
from holdfast.store.rows import (
    HALTED,
    Segment,
    begins_segment,
    day_of,
    droppable,
    forgotten_before,
    is_repeated,
    states_figures,
)
from holdfast.store.sqlite.checks import read_segments
from holdfast.store.sqlite.connection import roll_back
from holdfast.store.sqlite.intents import IntentTable, Tally
from holdfast.store.sqlite.statements import insert_many
from holdfast.store.sqlite.values import COLUMNS, WIDTH, fact_crc, row_of, values_of

__all__ = ["Journal"]

_Kept = tuple[JournalRow, tuple[Any, ...]]

_PRUNED_AT_ONCE: Final = 2_000


class Journal:
    """
    Writes in transactions, each of which is durable when its method returns.

    Nothing it knows changes unless the transaction was kept. Used by one thread at a time.

    Attributes:
        store_id: Identity given at birth.
        last_seq: The last sequence number given.
        commits: Transactions kept since it was opened.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        found = connection.execute("SELECT store_id, last_seq FROM journal_state").fetchone()
        if found is None:
            raise StoreCorruptError("its identity is missing")
        self.store_id: str = found[0]
        self.last_seq: int = found[1]
        self.intents = IntentTable(connection)
        self.commits = 0
        segments = read_segments(connection)
        self._segment: Segment | None = segments[-1] if segments else None
        # Each asset's newest kept row with figures: as a row, to compare with, and as columns, to write again.
        self._newest: dict[str, _Kept] = {}
        for values in connection.execute(f"SELECT {COLUMNS} FROM latest"):
            row = row_of(values)
            self._newest[row.asset or ""] = (row, values)

    @property
    def progress(self) -> int:
        """How far it has come: rises with every row and every intent that is kept, and only rises."""
        return self.last_seq + self.intents.tally.kept

    def commit(
        self,
        groups: Sequence[Sequence[JournalRow]],
        facts: Mapping[str, str | None],
        intents: Sequence[IntentRow] = (),
    ) -> list[int]:
        """Keep each group's rows, the facts and the intents in one transaction; the last number after each group."""
        seq, segment, newest = self.last_seq, self._segment, self._newest
        changed: dict[str, _Kept] = {}
        rows: list[tuple[Any, ...]] = []
        touched: list[Segment] = []
        checkpoints: list[tuple[Any, ...]] = []
        seqs: list[int] = []
        for group in groups:
            for row in group:
                asset = row.asset or ""
                known = changed.get(asset) or newest.get(asset)
                if known is not None and is_repeated(row, known[0]):
                    continue
                # A jump in sequence begins a segment too: a segment has no holes.
                if begins_segment(row, segment) or (not rows and segment is not None and segment.last_seq != seq):
                    if segment is not None and rows:
                        touched.append(_ending(segment, seq))
                    number = 1 if segment is None else segment.number + 1
                    segment = Segment(number=number, day=day_of(row.wall_us), first_seq=seq + 1, last_seq=seq + 1)
                    checkpoints += [(number, *values) for _, values in {**newest, **changed}.values()]
                seq += 1
                values = values_of(row, seq)
                rows.append(values)
                if states_figures(row):
                    changed[asset] = (row, values)
            seqs.append(seq)
        if not rows and not facts and not intents:
            return seqs
        if segment is not None and rows:
            segment = _ending(segment, seq)
            touched.append(segment)
        batch = self.intents.weigh(intents) if intents else None

        def write(connection: sqlite3.Connection) -> None:
            insert_many(connection, f"INSERT INTO journal ({COLUMNS})", WIDTH, rows)
            insert_many(connection, "INSERT OR REPLACE INTO segment", 4, [_columns(each) for each in touched])
            insert_many(connection, f"INSERT INTO checkpoint (segment, {COLUMNS})", WIDTH + 1, checkpoints)
            latest = [values for _, values in changed.values()]
            insert_many(connection, f"INSERT OR REPLACE INTO latest ({COLUMNS})", WIDTH, latest)
            if batch is not None:
                self.intents.put(batch)
            _keep_facts(connection, facts)

        self._transact(write, last_seq=seq, tally=batch.tally if batch is not None else None)
        if batch is not None:
            self.intents.was_put(batch)
        self._segment = segment
        newest.update(changed)
        return seqs

    def halt_beyond(self, progress: int, *, halted: str) -> None:
        """
        Remember that the account is halted, and go on from *progress* at least; one transaction.

        No sequence number that was ever given is given again: who had come to *progress* had kept at least as many
        intents as we know of, so at most the rest of it were numbers.
        """
        beyond = max(progress - self.intents.tally.kept, self.last_seq)
        self._transact(lambda connection: _keep_facts(connection, {HALTED: halted}), last_seq=beyond)

    def prune(self, *, wall_us: int, keep_days: int) -> int:
        """
        Drop a bounded number of the oldest rows that are due; how many went, 0 once nothing is due.

        Bounded, so that rows which wait to be written wait milliseconds and not for a whole day's rows to go.
        """
        due = droppable(read_segments(self._connection), wall_us=wall_us, keep_days=keep_days)
        if not due:
            return 0
        oldest = due[0]
        end = min(oldest.last_seq, oldest.first_seq + _PRUNED_AT_ONCE - 1)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM journal WHERE seq BETWEEN ? AND ?", (oldest.first_seq, end))
            if end == oldest.last_seq:
                connection.execute("DELETE FROM segment WHERE number = ?", (oldest.number,))
                connection.execute("DELETE FROM checkpoint WHERE segment = ?", (oldest.number,))
            else:
                connection.execute("UPDATE segment SET first_seq = ? WHERE number = ?", (end + 1, oldest.number))

        self._transact(write, last_seq=self.last_seq)
        return end - oldest.first_seq + 1

    def prune_intents(self, *, wall_us: int) -> int:
        """Forget a bounded number of the intents that ended too long ago; how many went, 0 once nothing is due."""
        pruning = self.intents.due(before_wall_us=forgotten_before(wall_us))
        if not pruning.numbers:
            return 0
        self._transact(lambda _: self.intents.drop(pruning), last_seq=self.last_seq, tally=pruning.tally)
        self.intents.was_dropped(pruning)
        return len(pruning.numbers)

    def fact(self, name: str) -> str | None:
        """The JSON text kept under *name*."""
        found = self._connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def prove_writable(self) -> None:
        """Write something of some size durably, and take it away again; raises where that is not possible."""
        name = "trial of the disk"
        for value in (" " * 16_384, None):
            keep = functools.partial(_keep_facts, facts={name: value})
            self._transact(keep, last_seq=self.last_seq)

    def _transact(
        self, write: Callable[[sqlite3.Connection], None], *, last_seq: int, tally: Tally | None = None
    ) -> None:
        connection, before = self._connection, self.intents.tally
        after = before if tally is None else tally
        try:
            connection.execute("BEGIN IMMEDIATE")
            ours = connection.execute(
                "UPDATE journal_state SET last_seq = ?, intents = ?, intents_sum = ?, intents_kept = ? "
                "WHERE only_row = 1 AND last_seq = ? AND intents_kept = ? AND store_id = ?",
                (last_seq, after.intents, after.crc_sum, after.kept, self.last_seq, before.kept, self.store_id),
            )
            if ours.rowcount != 1:
                # Our numbers would collide with, or silently follow, what we never wrote.
                raise StoreCorruptError("somebody else wrote to the store while we had it open")
            write(connection)
            connection.execute("COMMIT")
        except BaseException:
            roll_back(connection)
            raise
        self.last_seq = last_seq
        self.commits += 1


def _ending(segment: Segment, seq: int) -> Segment:
    return Segment(number=segment.number, day=segment.day, first_seq=segment.first_seq, last_seq=seq)


def _columns(segment: Segment) -> tuple[int, int, int, int]:
    return segment.number, segment.day, segment.first_seq, segment.last_seq


def _keep_facts(connection: sqlite3.Connection, facts: Mapping[str, str | None]) -> None:
    for name, value in facts.items():
        if value is None:
            connection.execute("DELETE FROM fact WHERE name = ?", (name,))
        else:
            connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?, ?)", (name, value, fact_crc(name, value)))
