"""What is asked of a store: each question a few short read transactions, so that none keeps the log from emptying."""
# ruff: noqa: S608 - only our own constants are put into statements; values are always bound.

from __future__ import annotations

import sqlite3
from typing import Any, Final

from holdfast.core.seams import IntentRow, JournalRow
from holdfast.errors import StoreCorruptError
from holdfast.store.rows import day_of
from holdfast.store.sqlite.values import COLUMNS, INTENT_COLUMNS, fact_crc, intent_of, row_of

__all__ = ["fact", "history", "intent", "intent_ids", "intents", "latest", "open_intents", "opening"]

_ROWS_AT_ONCE: Final = 5_000


def latest(connection: sqlite3.Connection) -> list[JournalRow]:
    """The newest row with figures for each asset, in asset order."""
    return [row_of(values) for values in connection.execute(f"SELECT {COLUMNS} FROM latest ORDER BY asset").fetchall()]


def opening(connection: sqlite3.Connection) -> list[JournalRow]:
    """What each asset's newest row was when the oldest kept segment began, in asset order."""
    found = connection.execute(
        f"SELECT {COLUMNS} FROM checkpoint WHERE segment = (SELECT min(number) FROM segment) ORDER BY asset"
    )
    return [row_of(values) for values in found.fetchall()]


def history(
    connection: sqlite3.Connection,
    *,
    asset: str | None,
    after_seq: int,
    since_wall_us: int | None,
    limit: int,
    newest_first: bool,
    kind: str | None,
) -> list[JournalRow]:
    """Kept rows as ``Store.history`` promises them."""
    conditions = ["seq > :after", "seq < :before"]
    bounds: dict[str, Any] = {"after": after_seq, "before": 2**63 - 1, "since": since_wall_us}
    bounds |= {"asset": asset, "kind": kind}
    conditions += [f"{name} = :{name}" for name in ("asset", "kind") if bounds[name] is not None]
    if since_wall_us is not None:
        # A row never lies in a segment of an earlier day than its own, so the days before need not be searched.
        (first,) = connection.execute(
            "SELECT min(first_seq) FROM segment WHERE day >= ?", (day_of(since_wall_us),)
        ).fetchone()
        if first is None:
            return []
        bounds["after"] = max(after_seq, first - 1)
        conditions.append("wall_us >= :since")
    statement = (
        f"SELECT {COLUMNS} FROM journal WHERE {' AND '.join(conditions)} "
        f"ORDER BY seq {'DESC' if newest_first else 'ASC'} LIMIT :limit"
    )
    rows: list[JournalRow] = []
    while len(rows) < limit:
        wanted = min(limit - len(rows), _ROWS_AT_ONCE)
        found = connection.execute(statement, {**bounds, "limit": wanted}).fetchall()
        rows += map(row_of, found)
        if len(found) < wanted:
            break
        bounds["before" if newest_first else "after"] = found[-1][0]
    return rows


def open_intents(connection: sqlite3.Connection) -> list[IntentRow]:
    """Every intent that has not ended, oldest change first."""
    found = connection.execute(f"SELECT {INTENT_COLUMNS} FROM intent WHERE is_ended = 0 ORDER BY wall_us, number")
    return [intent_of(values) for values in found.fetchall()]


def intent(connection: sqlite3.Connection, intent_id: str, *, number: int | None) -> IntentRow | None:
    """The intent of this id, or None; *number* is where it lies, None where that is not known and all are searched."""
    where, bound = (
        ("intent_id = ?", (intent_id,)) if number is None else ("number = ? AND intent_id = ?", (number, intent_id))
    )
    found = connection.execute(f"SELECT {INTENT_COLUMNS} FROM intent WHERE {where}", bound).fetchone()
    return None if found is None else intent_of(found)


def intents(connection: sqlite3.Connection, *, limit: int, since_wall_us: int | None) -> list[IntentRow]:
    """Remembered intents, newest change first."""
    bounds = (-(2**63) if since_wall_us is None else since_wall_us, max(limit, 0))
    found: list[tuple[Any, ...]] = []
    for is_ended in (0, 1):
        found += connection.execute(
            f"SELECT {INTENT_COLUMNS} FROM intent WHERE is_ended = {is_ended} AND wall_us >= ? "
            "ORDER BY wall_us DESC, number DESC LIMIT ?",
            bounds,
        ).fetchall()
    found.sort(key=lambda values: (values[4], values[0]), reverse=True)
    return [intent_of(values) for values in found[: bounds[1]]]


def intent_ids(connection: sqlite3.Connection) -> list[str]:
    """The ids of every remembered intent, in the order in which they first came."""
    ids: list[str] = []
    after = 0
    while found := connection.execute(
        f"SELECT {INTENT_COLUMNS} FROM intent WHERE number > ? ORDER BY number LIMIT ?", (after, _ROWS_AT_ONCE)
    ).fetchall():
        ids += [intent_of(values).intent_id for values in found]
        after = found[-1][0]
    return ids


def fact(connection: sqlite3.Connection, name: str) -> str | None:
    """The JSON text kept under *name*."""
    found = connection.execute("SELECT value, crc FROM fact WHERE name = ?", (name,)).fetchone()
    if found is None:
        return None
    value, crc = found
    if fact_crc(name, value) != crc:
        raise StoreCorruptError(f"the fact {name!a} does not carry its own checksum")
    return str(value)
