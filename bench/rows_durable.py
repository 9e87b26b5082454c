"""Rows that are on disk: 64 callers that each wait for theirs, beside a bare writer with nobody to wait for it."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, Scale, figure, median
from holdfast.core.seams import JournalRow
from holdfast.store.sqlite import SqliteStore

__all__ = ["durable"]

_CALLERS = 64
_ROWS_PER_S = 20_000.0
_P99_MS = 5.0


def durable(scale: Scale) -> list[Figure]:
    """The store with its writer thread; the floor commits as many rows at a time with bare ``sqlite3``."""
    each = scale.of(300, 10)
    rates: dict[str, list[float]] = {"floor": [], "ours": []}
    p99s_ms: dict[str, list[float]] = {"floor": [], "ours": []}
    for _ in range(scale.repeats):
        for name, run in (("floor", _bare), ("ours", lambda each: asyncio.run(_store(each)))):
            took_s, waits_s = run(each)
            rates[name].append(_CALLERS * each / took_s)
            p99s_ms[name].append(sorted(waits_s)[int(len(waits_s) * 0.99)] * 1000)
    rate = {name: median(values) for name, values in rates.items()}
    p99_ms = {name: median(values) for name, values in p99s_ms.items()}
    return [
        figure(
            "durable",
            "rate, 64 callers",
            unit="µs/row",
            floor=1e6 / rate["floor"],
            ours=1e6 / rate["ours"],
            goal=f"≥ {_ROWS_PER_S:,.0f} rows/s",
            is_met=rate["ours"] >= _ROWS_PER_S,
            facts={"floor_rows_per_s": rate["floor"], "ours_rows_per_s": rate["ours"]},
        ),
        figure(
            "durable",
            "p99, 64 callers",
            unit="ms",
            floor=p99_ms["floor"],
            ours=p99_ms["ours"],
            goal=f"≤ {_P99_MS:g} ms",
            is_met=p99_ms["ours"] <= _P99_MS,
        ),
    ]


def _row(number: int) -> JournalRow:
    total = f"{number}.25"
    return JournalRow(
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


async def _store(each: int) -> tuple[float, list[float]]:
    """Seconds in all, and what every caller waited for every row."""
    waits_s: list[float] = []
    # Built beforehand: making a row is the account's work, not the store's.
    rows = [[_row(caller * each + number) for number in range(each)] for caller in range(_CALLERS)]
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        store = await SqliteStore.open(Path(folder) / "bench.db", wall_us=lambda: time.time_ns() // 1000)

        async def call(own: list[JournalRow]) -> None:
            for row in own:
                began_s = time.perf_counter()
                await store.append((row,))
                waits_s.append(time.perf_counter() - began_s)

        try:
            began_s = time.perf_counter()
            await asyncio.gather(*(call(own) for own in rows))
            return time.perf_counter() - began_s, waits_s
        finally:
            await store.close()


def _bare(each: int) -> tuple[float, list[float]]:
    """Seconds in all, and those of every commit."""
    waits_s: list[float] = []
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        connection = sqlite3.connect(Path(folder) / "bench.db", isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(
                "CREATE TABLE journal (seq INTEGER PRIMARY KEY, wall_us INTEGER, kind TEXT, asset TEXT, total TEXT, "
                "held TEXT, available TEXT, source TEXT, cause TEXT, is_money INTEGER) STRICT"
            )
            batches = [[_values(batch * _CALLERS + number) for number in range(_CALLERS)] for batch in range(each)]
            began_s = time.perf_counter()
            for batch in batches:
                commit_s = time.perf_counter()
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany("INSERT INTO journal VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", batch)
                connection.execute("COMMIT")
                waits_s.append(time.perf_counter() - commit_s)
            return time.perf_counter() - began_s, waits_s
        finally:
            connection.close()


def _values(number: int) -> tuple[object, ...]:
    row = _row(number)
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
