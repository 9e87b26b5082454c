"""Rows and reservations that are on disk: 64 callers that each wait for theirs, beside a bare writer for nobody."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.figures import Figure, Scale, figure, median
from holdfast.core.seams import IntentRow, JournalRow
from holdfast.store.sqlite import SqliteStore

__all__ = ["durable", "reservations"]

_CALLERS = 64
_PER_S = 20_000.0
_P99_MS = 5.0

_JOURNAL = (
    "CREATE TABLE journal (seq INTEGER PRIMARY KEY, wall_us INTEGER, kind TEXT, asset TEXT, total TEXT, held TEXT, "
    "available TEXT, source TEXT, cause TEXT, is_money INTEGER) STRICT"
)
_INTO_JOURNAL = "INSERT INTO journal VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INTENT = (
    "CREATE TABLE intent (number INTEGER PRIMARY KEY, intent_id TEXT, client_order_id TEXT, is_ended INTEGER, "
    "wall_us INTEGER, record TEXT) STRICT"
)
_INTO_INTENT = "INSERT INTO intent VALUES (NULL, ?, ?, ?, ?, ?)"

# What a claim of the real thing looks like, as long as one.
_RECORD = (
    '{"intent_id":"%s","client_order_id":"%s","asset":"USD","amount":"818.37","reservation":"active",'
    '"symbol":"BTC-USD","side":"buy","bot":"grid-7","fee_rate":"0.004","verdict":"approved","price":"64123.4",'
    '"is_exit":false,"ticket":null,"order":null,"order_id":null,"via":null,"filled":"0","cost":"0","fees":{},'
    '"remaining":null,"debits":[],"counted":"818.37","expires_us":1790000030000000,"valid_until_us":null,'
    '"doubted_us":null,"cause":"claimed","detail":null,"created_us":1790000000000000,'
    '"updated_us":1790000000000000,"claimed_s":1234.5}'
)


class _One(NamedTuple):
    """What one caller hands over at a time."""

    row: JournalRow
    intent: IntentRow | None


class _Work(NamedTuple):
    """How *ours* and the floor write one of them."""

    make: Callable[[int], _One]
    hand: Callable[[SqliteStore, _One], Awaitable[int]]
    tables: tuple[str, ...]


def durable(scale: Scale) -> list[Figure]:
    """Journal rows; the floor commits as many rows at a time with bare ``sqlite3``."""
    work = _Work(_row, lambda store, one: store.append((one.row,)), (_JOURNAL,))
    return _figures("durable", work, scale, unit="row")


def reservations(scale: Scale) -> list[Figure]:
    """One intent and one journal row each, together or not at all; the floor commits both with bare ``sqlite3``."""
    work = _Work(_reservation, lambda store, one: store.keep((_intent_of(one),), (one.row,)), (_JOURNAL, _INTENT))
    return _figures("reservations", work, scale, unit="reservation")


def _figures(name: str, work: _Work, scale: Scale, *, unit: str) -> list[Figure]:
    each = scale.of(300, 10)
    rates: dict[str, list[float]] = {"floor": [], "ours": []}
    p99s_ms: dict[str, list[float]] = {"floor": [], "ours": []}
    for _ in range(scale.repeats):
        for side, run in (("floor", _bare), ("ours", lambda work, each: asyncio.run(_store(work, each)))):
            took_s, waits_s = run(work, each)
            rates[side].append(_CALLERS * each / took_s)
            p99s_ms[side].append(sorted(waits_s)[int(len(waits_s) * 0.99)] * 1000)
    rate = {side: median(values) for side, values in rates.items()}
    p99_ms = {side: median(values) for side, values in p99s_ms.items()}
    return [
        figure(
            name,
            "rate, 64 callers",
            unit=f"µs/{unit}",
            floor=1e6 / rate["floor"],
            ours=1e6 / rate["ours"],
            goal=f"≥ {_PER_S:,.0f} {unit}s/s",
            is_met=rate["ours"] >= _PER_S,
            facts={f"floor_{unit}s_per_s": rate["floor"], f"ours_{unit}s_per_s": rate["ours"]},
        ),
        figure(
            name,
            "p99, 64 callers",
            unit="ms",
            floor=p99_ms["floor"],
            ours=p99_ms["ours"],
            goal=f"≤ {_P99_MS:g} ms",
            is_met=p99_ms["ours"] <= _P99_MS,
        ),
    ]


def _row(number: int) -> _One:
    total = f"{number}.25"
    row = JournalRow(
        wall_us=1_790_000_000_000_000 + number,
        kind="delta",
        asset="USD",
        total=total,
        held="0",
        available=total,
        source="stream",
        cause='{"channel":"balances"}',
        is_money=True,
    )
    return _One(row, None)


def _reservation(number: int) -> _One:
    intent_id, client_order_id = f"grid-7/{number:08}", hashlib.sha256(b"%d" % number).hexdigest()[:32]
    wall_us = 1_790_000_000_000_000 + number
    intent = IntentRow(
        intent_id=intent_id,
        client_order_id=client_order_id,
        is_ended=False,
        wall_us=wall_us,
        record=_RECORD % (intent_id, client_order_id),
    )
    row = JournalRow(
        wall_us=wall_us,
        kind="reservation",
        asset="USD",
        total=None,
        held=None,
        available=None,
        source=None,
        cause=f'{{"intent_id":"{intent_id}","cause":"claimed","after":"active","amount":"818.37","bot":"grid-7"}}',
        is_money=True,
    )
    return _One(row, intent)


def _intent_of(one: _One) -> IntentRow:
    assert one.intent is not None
    return one.intent


async def _store(work: _Work, each: int) -> tuple[float, list[float]]:
    """Seconds in all, and what every caller waited for every one of its own."""
    waits_s: list[float] = []
    # Built beforehand: making a row is the account's work, not the store's. Callers take turns, as time does.
    ones = [[work.make(number * _CALLERS + caller) for number in range(each)] for caller in range(_CALLERS)]
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        store = await SqliteStore.open(Path(folder) / "bench.db", wall_us=lambda: time.time_ns() // 1000)

        async def call(own: Sequence[_One]) -> None:
            for one in own:
                began_s = time.perf_counter()
                await work.hand(store, one)
                waits_s.append(time.perf_counter() - began_s)

        try:
            began_s = time.perf_counter()
            await asyncio.gather(*(call(own) for own in ones))
            return time.perf_counter() - began_s, waits_s
        finally:
            await store.close()


def _bare(work: _Work, each: int) -> tuple[float, list[float]]:
    """Seconds in all, and those of every commit."""
    waits_s: list[float] = []
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        connection = sqlite3.connect(Path(folder) / "bench.db", isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            for table in work.tables:
                connection.execute(table)
            batches = [[work.make(batch * _CALLERS + number) for number in range(_CALLERS)] for batch in range(each)]
            rows = [[_row_values(one.row) for one in batch] for batch in batches]
            intents = [[_intent_values(one.intent) for one in batch if one.intent is not None] for batch in batches]
            began_s = time.perf_counter()
            for batch_of_rows, batch_of_intents in zip(rows, intents, strict=True):
                commit_s = time.perf_counter()
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(_INTO_JOURNAL, batch_of_rows)
                if batch_of_intents:
                    connection.executemany(_INTO_INTENT, batch_of_intents)
                connection.execute("COMMIT")
                waits_s.append(time.perf_counter() - commit_s)
            return time.perf_counter() - began_s, waits_s
        finally:
            connection.close()


def _row_values(row: JournalRow) -> tuple[object, ...]:
    return (
        row.wall_us,
        row.kind,
        row.asset,
        row.total,
        row.held,
        row.available,
        row.source,
        row.cause,
        int(row.is_money),
    )


def _intent_values(intent: IntentRow) -> tuple[object, ...]:
    return (intent.intent_id, intent.client_order_id, int(intent.is_ended), intent.wall_us, intent.record)
