"""The ``Store`` over one SQLite file."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeVar

from holdfast.core.events import Event, event
from holdfast.core.seams import Emit, IntentRow, JournalRow, StoreStatus
from holdfast.errors import ClosedError, StoreError, StoreFullError
from holdfast.store.marks import MarkSlots
from holdfast.store.receipts import Receipt
from holdfast.store.sqlite import queries
from holdfast.store.sqlite.backlog import NO_FACTS, Work
from holdfast.store.sqlite.connection import IN_MEMORY
from holdfast.store.sqlite.copies import copy_into
from holdfast.store.sqlite.engine import Engine, Settings
from holdfast.store.sqlite.faults import Fault
from holdfast.store.sqlite.reader import Reader
from holdfast.store.sqlite.schema import Migration, shipped_migrations
from holdfast.store.sqlite.writer import InlineWriter, Report, ThreadWriter, Writer

__all__ = ["SqliteStore"]

T = TypeVar("T")


class SqliteStore:
    """
    Journal, facts and intents of one account in one SQLite file; a ``holdfast.core.seams.Store``.

    Opened with ``SqliteStore.open``. Used from the event loop it was opened on; in a forked child and after ``close``
    every method raises ``ClosedError``. One process has the file open: whoever opens it holds the owner lock.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        settings: Settings,
        keep_days: int,
        max_queued_rows: int,
        is_threaded: bool,
        emit: Emit,
        broker: str | None,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._keep_days = keep_days
        self._emit = emit
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._fault: Fault | None = None
        self._last_seq = 0
        self._halted: str | None = None
        self._generation = 0
        self._refused = 0
        self._heard = 0
        self._is_closed = False
        self._is_forked = False
        self._reader: Reader | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._writer: Writer
        if is_threaded:
            self._reader = Reader(settings.path, connection_class=settings.connection_class, busy_s=settings.busy_s)
            self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="holdfast-store-reader")
            self._writer = ThreadWriter(engine, on_report=self._take_report, max_rows=max_queued_rows)
        else:
            self._writer = InlineWriter(engine, on_report=self._take_report)
        _open_stores.add(self)

    @classmethod
    async def open(
        cls,
        path: str | os.PathLike[str],
        *,
        wall_us: Callable[[], int],
        keep_days: int = 90,
        writer: Literal["thread", "inline"] = "thread",
        max_pages: int | None = None,
        emit: Emit | None = None,
        broker: str | None = None,
        journal_mark: MarkSlots | None = None,
        on_damage: Literal["refuse", "quarantine"] = "refuse",
        max_queued_rows: int = 50_000,
        max_wal_bytes: int = 256 * 1024 * 1024,
        busy_s: float = 2.0,
        connection_class: type[sqlite3.Connection] = sqlite3.Connection,
        migrations: Sequence[Migration] | None = None,
    ) -> SqliteStore:
        """
        Open the store at *path*, or make a new one where nothing shows that there was one. Suspends.

        Opening reads the whole file to prove that it is whole: about a second per 300 MB, and one per 200,000
        intents.

        Args:
            path: The file; its folder exists and is private. ``":memory:"`` needs ``writer="inline"``.
            wall_us: UTC microseconds since 1970, for names and notes; rows carry their own.
            keep_days: ``prune`` drops days older than this many.
            writer: ``thread`` commits in a thread of its own, many callers' rows at a time; ``inline`` commits at once
                in the caller, which blocks it, and is the same every time: for virtual time.
            max_pages: Bound on the file's 4 KiB pages; None leaves the disk as the bound.
            emit: Told of ``store.failed``, ``store.recovered``, ``store.restored`` and ``journal.pruned``.
            broker: Put into those events.
            journal_mark: Remembers outside the file how far the journal had come: an older copy is then noticed.
            on_damage: ``quarantine`` moves a damaged or missing store aside and starts a new, *halted* one.
            max_queued_rows: Rows that may wait for the disk before further ones are refused.
            max_wal_bytes: Bound on the write-ahead log, should another process keep it from being emptied.
            busy_s: How long to wait for another process's lock, seconds.
            connection_class: Opens every connection; the place where tests put a slow or failing disk.
            migrations: Others than the shipped ones, for tests.

        Raises:
            StoreCorruptError: It is damaged, or gone while its mark or its log is there; it was left untouched.
            StoreVersionError: It is not a holdfast store, or a newer one's; it was left untouched.
            StoreFullError, StoreReadOnlyError, StoreError: It cannot be written.
        """
        if os.fspath(path) == IN_MEMORY and writer != "inline":
            raise ValueError('a store in memory needs writer="inline": it has one connection only')
        settings = Settings(
            path=os.fspath(path),
            migrations=tuple(shipped_migrations() if migrations is None else migrations),
            wall_us=wall_us,
            mark=journal_mark,
            on_damage=on_damage,
            max_pages=max_pages,
            max_wal_bytes=max_wal_bytes,
            busy_s=busy_s,
            reopen_every_s=1.0 if writer == "thread" else 0.0,
            connection_class=connection_class,
        )
        engine = Engine(settings)
        store = cls(
            engine,
            settings=settings,
            keep_days=keep_days,
            max_queued_rows=max_queued_rows,
            is_threaded=writer == "thread",
            emit=emit or _keep_quiet,
            broker=broker,
        )
        try:
            await store._put(Work(job=Engine.open))
        except BaseException:
            await store.close()
            raise
        if engine.became_halted:
            store._emit(event("store.restored", broker=broker))
        return store

    def append(self, rows: Sequence[JournalRow]) -> Awaitable[int]:
        """
        Hand rows to the writer, in order; see ``Store.append``. Never suspends, and blocks only where *inline*.

        A row that only confirms what was kept within the same minute is not kept again; the number returned is then
        that of the newest row. Rows of one call are kept together or not at all.

        Raises:
            StoreFullError: On awaiting: the disk, the size bound or the queue is full; nothing was kept.
            StoreReadOnlyError: On awaiting: the file cannot be written; nothing was kept.
            StoreCorruptError: On awaiting: the file is damaged, deleted or replaced.
            StoreError: On awaiting: anything else; after an I/O error the rows may turn out to have been kept.
            ClosedError: On awaiting: closed. At once: another event loop, or a forked child.
        """
        if self._is_closed and not self._is_forked:
            # Whoever is still told of something while all is being closed shall not fail for it.
            return Receipt[int]().fail(self._closed)
        return self._put(Work(rows=rows))

    def keep(
        self,
        intents: Sequence[IntentRow],
        rows: Sequence[JournalRow] = (),
        facts: Mapping[str, str | None] | None = None,
    ) -> Receipt[int]:
        """
        Hand intents to the writer, with the rows and facts that belong to them, all or nothing; see ``Store.keep``.

        In order with ``append``; never suspends, and blocks only where *inline*. An intent keeps the client order id
        it first had, and no two have the same. Where intents could not be kept, neither are those that are handed over
        before that was told: what failed can be handed over again, and all is kept in the order in which it happened.

        Raises:
            StoreError: On awaiting, as from ``append``; where something cannot be kept as it is, nothing of it was.
        """
        if self._is_closed and not self._is_forked:
            return Receipt[int]().fail(self._closed)
        kept = dict(facts) if facts else NO_FACTS
        return self._put(Work(rows=rows, intents=tuple(intents), facts=kept, heard=self._heard))

    async def open_intents(self) -> list[IntentRow]:
        """Every intent that has not ended, oldest change first. Suspends."""
        return await self._ask(queries.open_intents)

    async def intent(self, intent_id: str) -> IntentRow | None:
        """One intent, ended ones included while they are remembered, or None. Suspends."""
        number = self._engine.number_of(intent_id)
        return await self._ask(lambda connection: queries.intent(connection, intent_id, number=number))

    async def intents(self, *, limit: int = 1000, since_wall_us: int | None = None) -> list[IntentRow]:
        """Remembered intents, newest change first, at most *limit*. Suspends."""
        return await self._ask(lambda connection: queries.intents(connection, limit=limit, since_wall_us=since_wall_us))

    async def intent_ids(self) -> list[str]:
        """The ids of every remembered intent. Suspends."""
        return await self._ask(queries.intent_ids)

    async def latest(self) -> list[JournalRow]:
        """The newest row with figures for each asset, in asset order, out of what is durable now. Suspends."""
        return await self._ask(queries.latest)

    async def opening(self) -> list[JournalRow]:
        """Each asset's newest row as it was when the oldest kept day began, in asset order. Suspends."""
        return await self._ask(queries.opening)

    async def history(
        self,
        *,
        asset: str | None = None,
        after_seq: int = 0,
        since_wall_us: int | None = None,
        limit: int = 1000,
        newest_first: bool = False,
        kind: str | None = None,
    ) -> list[JournalRow]:
        """Kept rows, of one *kind* or all, oldest first unless *newest_first*, at most *limit*. Suspends."""
        return await self._ask(
            lambda connection: queries.history(
                connection,
                asset=asset,
                after_seq=after_seq,
                since_wall_us=since_wall_us,
                limit=limit,
                newest_first=newest_first,
                kind=kind,
            )
        )

    async def fact(self, name: str) -> str | None:
        """The JSON text kept under *name*, or None. Suspends."""
        return await self._ask(lambda connection: queries.fact(connection, name))

    async def keep_fact(self, name: str, value: str | None) -> None:
        """Keep JSON text under *name*, durable when this returns; None removes it. Suspends; raises ``StoreError``."""
        await self._put(Work(facts={name: value}))

    def status(self) -> StoreStatus:
        """Whether writes are accepted now, as far as the last of them showed."""
        reason = "closed" if self._is_closed or self._is_forked else self._fault.reason if self._fault else None
        return StoreStatus(
            is_ok=reason is None,
            reason=reason,
            last_seq=self._last_seq,
            path=self._settings.path,
            halted=_reason_in(self._halted),
        )

    @property
    def halted(self) -> str | None:
        """
        JSON text that says why the account is halted, or None; also the fact ``halted``.

        Removing the fact lifts it, for good: opening brought the mark beside the file up to it.
        """
        return self._halted

    async def backup(self, path: str, *, overwrite: bool = False) -> None:
        """
        Write a consistent, checked copy to *path* while open. Suspends; writers and readers go on.

        Raises:
            StoreError: It could not be written, or *path* exists and *overwrite* is false. No partial file stays.
        """
        self._check_usable()
        target = Path(path)
        if self._reader is None:
            self._engine_read(lambda connection: copy_into(connection, target, overwrite=overwrite))
        else:
            await asyncio.to_thread(self._reader.back_up, target, overwrite=overwrite)

    async def prune(self, *, wall_us: int) -> int:
        """
        Drop whole journal segments older than the kept days; how many rows went. Suspends.

        Each asset's figures at the start of the oldest kept day stay (``opening``), and so does ``latest``. Goes in
        small transactions, between which other rows are written. Intents that ended more than 30 days ago go too; an
        open one stays, however old.
        """
        dropped = 0
        while step := await self._put(
            Work(job=lambda engine: engine.prune(wall_us=wall_us, keep_days=self._keep_days))
        ):
            dropped += step
        while await self._put(Work(job=lambda engine: engine.prune_intents(wall_us=wall_us))):
            pass
        if dropped:
            self._emit(event("journal.pruned", broker=self._broker, rows=dropped))
        return dropped

    async def resize(self, *, max_pages: int | None) -> StoreStatus:
        """Change the bound on the file's pages and try again to write. Suspends."""
        await self._put(Work(job=lambda engine: engine.resize(max_pages)))
        return await self.recover()

    async def recover(self) -> StoreStatus:
        """
        Try now whether a failed store accepts writes again, and say. Suspends.

        The thread writer tries by itself every second; a damaged store stays refused until it is restored.
        """
        await self._put(Work(job=Engine.recover))
        return self.status()

    async def close(self) -> None:
        """Write what is queued and close. Suspends; closing twice is allowed."""
        if self._is_closed or self._is_forked:
            return
        self._is_closed = True
        if self._reader is not None and self._pool is not None:
            await self._loop.run_in_executor(self._pool, self._reader.close)
            self._pool.shutdown(wait=False)
        await self._writer.close()
        _open_stores.discard(self)

    async def __aenter__(self) -> SqliteStore:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<SqliteStore {self._settings.path} {self.status().reason or 'ok'}>"

    def _put(self, work: Work) -> Receipt[Any]:
        self._check_usable()
        receipt = self._writer.put(work)
        if receipt is None:
            overflow = Fault(
                "full", StoreFullError, "the store's queue is full: the disk does not keep up; nothing of it was kept"
            )
            self._note(overflow)
            return work.receipt.fail(overflow.error)
        return receipt

    async def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        self._check_usable()
        if self._reader is None:
            return self._engine_read(question)
        if self._fault is not None and self._fault.reason in {"corrupt", "replaced"}:
            raise self._fault.error()
        reader, generation = self._reader, self._generation
        try:
            return await self._loop.run_in_executor(self._pool, lambda: reader.read(question, generation=generation))
        except Fault as fault:
            if fault.reason == "corrupt" and not self._is_closed:
                seen = fault
                self._put(Work(job=lambda engine: engine.condemn(seen)))
            raise fault.error() from fault

    def _engine_read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._engine.read(question)
        except Fault as fault:
            self._note(self._engine.fault)
            raise fault.error() from fault

    def _take_report(self, report: Report) -> None:
        self._last_seq = report.last_seq
        self._heard = report.failures
        self._halted = report.halted
        self._generation = report.generation
        if report.refused != self._refused:
            # Whoever did not wait for it shall not miss it, even though the next commit went well.
            self._refused = report.refused
            self._note(Fault("refused", StoreError, "a row could not be kept as it was"))
        self._note(report.fault)
        for receipt, value, fault in report.outcomes:
            if fault is None:
                receipt.settle(value)
            else:
                receipt.fail(fault)

    def _note(self, fault: Fault | None) -> None:
        before, self._fault = self._fault, fault
        if self._is_closed:
            return
        if fault is not None and (before is None or before.reason != fault.reason):
            self._emit(event("store.failed", broker=self._broker, reason=fault.reason))
        elif fault is None and before is not None:
            self._emit(event("store.recovered", broker=self._broker))

    def _closed(self) -> ClosedError:
        return ClosedError(f"the store {self._settings.path} is closed")

    def _check_usable(self) -> None:
        if self._is_forked:
            raise ClosedError(f"the store {self._settings.path} was opened by a parent process; open it anew")
        if self._is_closed:
            raise self._closed()
        try:
            loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is not self._loop:
            raise ClosedError(f"the store {self._settings.path} is used outside the event loop it was opened on")


def _keep_quiet(_: Event) -> None:
    pass


def _reason_in(halted: str | None) -> str | None:
    if halted is None:
        return None
    try:
        return str(json.loads(halted)["reason"])
    except (ValueError, KeyError, TypeError):
        return "unreadable"


_open_stores: weakref.WeakSet[SqliteStore] = weakref.WeakSet()
_left_behind: list[SqliteStore] = []


def _forget_in_child() -> None:
    # SQLite connections must not be used in a forked child, and closing one is using it: they are kept, unused.
    for store in list(_open_stores):
        store._is_forked = True
        _left_behind.append(store)
    _open_stores.clear()


os.register_at_fork(after_in_child=_forget_in_child)
