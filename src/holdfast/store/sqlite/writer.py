"""
Who runs the engine: one thread with group commit, or the caller itself.

Group commit: while one transaction is being synced others queue up, and all of them go into the next one. One sync then
pays for as many rows as arrived meanwhile, and the event loop waits for none.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

from holdfast.errors import StoreError
from holdfast.store.receipts import Receipt
from holdfast.store.sqlite.backlog import Backlog, Work
from holdfast.store.sqlite.engine import Engine
from holdfast.store.sqlite.faults import Fault

__all__ = ["InlineWriter", "Report", "ThreadWriter", "Writer", "perform"]

_ROWS_PER_COMMIT: Final = 2_048

# How long the writer stays idle before it empties the log, and how often it tries whether a failed store recovered.
_IDLE_S: Final = 2.0
_RETRY_S: Final = 1.0


Outcome = tuple[Receipt[Any], Any, Callable[[], Exception] | None]
"""A receipt, and what it is told: a value, or what makes the error for each who waits."""


class Report(NamedTuple):
    """What became of some works, and how the store stands after them."""

    outcomes: Sequence[Outcome]
    fault: Fault | None
    last_seq: int
    halted: str | None
    generation: int
    refused: int
    failures: int


class Writer(Protocol):
    """Takes works in order and reports on the event loop's thread."""

    def put(self, work: Work) -> Receipt[Any] | None:
        """Queue work; the receipt that will tell of it, or None where the queue is full. Never suspends."""
        ...

    async def close(self) -> None:
        """Finish what is queued and close the engine. Suspends."""
        ...


def perform(engine: Engine, works: list[Work]) -> Report:
    """Do works in order: rows, facts and intents between two jobs share one transaction."""
    outcomes: list[Outcome] = []
    for group in _groups(works):
        outcomes += _outcomes(engine, group)
    return Report(
        outcomes=outcomes,
        fault=engine.fault,
        last_seq=engine.last_seq,
        halted=engine.halted,
        generation=engine.generation,
        refused=engine.refused,
        failures=engine.failures,
    )


def _groups(works: list[Work]) -> Iterator[list[Work]]:
    group: list[Work] = []
    for work in works:
        if work.job is None:
            group.append(work)
            continue
        if group:
            yield group
            group = []
        yield [work]
    if group:
        yield group


def _outcomes(engine: Engine, group: list[Work]) -> list[Outcome]:
    if any(work.intents and work.heard < engine.failures for work in group):
        if len(group) > 1:
            return [outcome for work in group for outcome in _outcomes(engine, [work])]
        # Kept now it would stand before what failed, which comes again with the caller's next write.
        return [(group[0].receipt, None, engine.failure)]
    job = group[0].job
    try:
        if job is not None:
            return [(group[0].receipt, job(engine), None)]
        facts = {name: value for work in group for name, value in work.facts.items()}
        intents = [intent for work in group for intent in work.intents]
        seqs = engine.commit([work.rows for work in group], facts, intents)
        return [(work.receipt, seq, None) for work, seq in zip(group, seqs, strict=True)]
    except Fault as fault:
        if fault.reason == "refused" and len(group) > 1:
            # One of them cannot be kept by any store: the others shall not go down with it.
            return [outcome for work in group for outcome in _outcomes(engine, [work])]
        if fault.reason == "refused":
            return [(group[0].receipt, None, fault.error)]
        return _failed(engine, group, fault.error)
    except Exception as error:
        return _failed(engine, group, _repeat(error))


def _failed(engine: Engine, group: list[Work], error: Callable[[], Exception]) -> list[Outcome]:
    if any(work.intents for work in group):
        engine.failures += 1
        engine.failure = error
    return [(work.receipt, None, error) for work in group]


def _repeat(error: Exception) -> Callable[[], Exception]:
    return lambda: error


class InlineWriter:
    """Does each work at once, in the caller's thread: no queue, no thread, the same every time."""

    def __init__(self, engine: Engine, *, on_report: Callable[[Report], None]) -> None:
        self._engine = engine
        self._on_report = on_report

    def put(self, work: Work) -> Receipt[Any] | None:
        self._on_report(perform(self._engine, [work]))
        return work.receipt

    async def close(self) -> None:
        self.put(Work(job=Engine.close))


class ThreadWriter:
    """One thread that owns the engine from opening to closing."""

    def __init__(self, engine: Engine, *, on_report: Callable[[Report], None], max_rows: int) -> None:
        self._engine = engine
        self._on_report = on_report
        self._backlog = Backlog(max_rows=max_rows)
        self._loop = asyncio.get_running_loop()
        self._is_tidy = True
        self._taken: list[Work] = []
        # A daemon: what was acknowledged is durable, so a process that forgot to close may end.
        self._thread = threading.Thread(target=self._serve, name="holdfast-store-writer", daemon=True)
        self._thread.start()

    def put(self, work: Work) -> Receipt[Any] | None:
        return self._backlog.put(work)

    async def close(self) -> None:
        receipt = self._backlog.put(Work(job=Engine.close))
        assert receipt is not None
        await receipt
        # It has nothing left to do but return.
        self._thread.join()

    def _serve(self) -> None:
        while not self._engine.is_closed:
            try:
                self._turn()
            except Exception as error:
                # A bug of ours. Were the thread to die of it, every row would wait for ever.
                fault = Fault("corrupt", StoreError, f"the writer failed: {error!r}", is_lost=True)
                self._engine.condemn(fault)
                outcomes = [(work.receipt, None, fault.error) for work in self._taken]
                self._report(perform(self._engine, [])._replace(outcomes=outcomes))

    def _turn(self) -> None:
        engine = self._engine
        before = engine.fault
        wait_s = _RETRY_S if before is not None else None if self._is_tidy else _IDLE_S
        self._taken = works = self._backlog.take(max_rows=_ROWS_PER_COMMIT, wait_s=wait_s)
        if works:
            self._is_tidy = False
            self._report(perform(engine, works))
        elif before is None:
            engine.tidy()
            self._is_tidy = True
        else:
            engine.recover()
            if engine.fault is None or engine.fault.reason != before.reason:
                self._report(perform(engine, []))

    def _report(self, report: Report) -> None:
        try:
            self._loop.call_soon_threadsafe(self._on_report, report)
        except RuntimeError:
            # The loop was closed and the store was not: nobody is left to tell.
            self._engine.close()
