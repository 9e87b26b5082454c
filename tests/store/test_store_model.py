"""
Property: whatever is done to a store, in whatever order, it holds what a plain list would.

The model is the list. The steps include reopening, damage that takes no data (a lost write-ahead log after a clean
close is none), full disks, failing syncs, pruning and clocks that jump.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from holdfast.core.seams import IntentRow, JournalRow, Store
from holdfast.errors import StoreError
from holdfast.store.memory import MemoryStore
from holdfast.store.rows import is_repeated
from holdfast.store.sqlite import SqliteStore, verify
from tests.store.conftest import Mark
from tests.store.disks import Disk
from tests.store.rows import DAY_US, MINUTE_US, NOON_US, intent

T = TypeVar("T")
KEEP_DAYS = 2

assets = st.sampled_from(["USD", "BTC", "ZÜ\0", ""])
amounts = st.sampled_from(["0", "1", "1.0", "-0.5", "1E-30", "123456789012345678901234567890.000000000000000001"])
intent_ids = st.sampled_from(["a", "b", "c", "ü\0", ""])
kinds = st.sampled_from(["snapshot", "delta", "derived", "discrepancy", "notice", "restored"])


class FailingDisk(Disk):
    pass


class Journal(RuleBasedStateMachine):
    """One store and the list it has to equal."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.kept: list[JournalRow] = []
        self.dropped = 0
        self.newest: dict[str, JournalRow] = {}
        self.facts: dict[str, str] = {}
        self.intents: dict[str, IntentRow] = {}
        self.intents_kept = 0
        self.days: list[tuple[int, int]] = []
        self.now_us = NOON_US
        self.store: Store

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.do(self.store.close())
        self.loop.close()

    # What the model knows

    def note(self, row: JournalRow) -> None:
        known = self.newest.get(row.asset or "") if row.asset is not None else None
        if known is not None and is_repeated(row, known):
            return
        seq = self.dropped + len(self.kept) + 1
        row = msgspec.structs.replace(row, seq=seq)
        day = row.wall_us // DAY_US
        if not self.days or day > self.days[-1][0] or day < self.days[-1][0] - 1:
            self.days.append((day, seq))
        self.kept.append(row)
        stated = (row.total, row.held, row.available) != (None, None, None)
        if row.asset is not None and stated and row.kind not in {"discrepancy", "notice"}:
            self.newest[row.asset] = row

    @property
    def last_seq(self) -> int:
        return self.dropped + len(self.kept)

    # Steps

    @rule(
        rows=st.lists(
            st.tuples(kinds, st.none() | assets, st.none() | amounts, st.none() | amounts, st.booleans()), max_size=5
        )
    )
    def append(self, rows: list[tuple[str, str | None, str | None, str | None, bool]]) -> None:
        made = [
            JournalRow(
                wall_us=self.now_us,
                kind=kind,
                asset=asset,
                total=total,
                held=held,
                available=None,
                source="rest",
                cause="{}",
                is_money=is_money,
            )
            for kind, asset, total, held, is_money in rows
        ]

        async def append() -> int:
            return await self.store.append(made)

        seq = self.do(append())
        for row in made:
            self.note(row)
        assert seq == self.last_seq

    @rule(by_us=st.sampled_from([1, MINUTE_US, DAY_US, 3 * DAY_US, -MINUTE_US, -DAY_US, -5 * DAY_US, 300 * DAY_US]))
    def let_time_pass(self, by_us: int) -> None:
        self.now_us = max(0, self.now_us + by_us)

    @rule(name=st.sampled_from(["a", "b"]), value=st.none() | st.sampled_from(['"1"', '{"x":2}']))
    def keep_fact(self, name: str, value: str | None) -> None:
        self.do(self.store.keep_fact(name, value))
        if value is None:
            self.facts.pop(name, None)
        else:
            self.facts[name] = value

    @rule(
        steps=st.lists(st.tuples(intent_ids, st.sampled_from(["1", "2"]), st.booleans()), max_size=4),
        total=st.none() | amounts,
        fact=st.none() | st.sampled_from(["1", None]),
        is_foreign=st.sampled_from([False, False, False, True]),
    )
    def keep(self, steps: list[tuple[str, str, bool]], total: str | None, fact: str | None, is_foreign: bool) -> None:
        """Intents with a row and a fact; *is_foreign*: the last of them has a client order id that is not its own."""
        made = [intent(name, record, is_ended=is_ended, wall_us=self.now_us) for name, record, is_ended in steps]
        if is_foreign:
            made.append(intent("foreign", client_order_id=intent("a").client_order_id))
        rows = [] if total is None else [self.row_of(total)]
        is_refused = is_foreign and ("a" in self.intents or any(name == "a" for name, _, _ in steps))

        async def keep() -> int:
            return await self.store.keep(made, rows, {"a": fact})

        if is_refused:
            with contextlib.suppress(StoreError):
                self.do(keep())
                raise AssertionError("a client order id was given to a second intent")
            return
        if is_foreign:
            return  # Then it is nobody's yet: nothing to be seen here.
        seq = self.do(keep())
        self.note_intents(made)
        for row in rows:
            self.note(row)
        if fact is None:
            self.facts.pop("a", None)
        else:
            self.facts["a"] = fact
        assert seq == self.last_seq

    def note_intents(self, made: list[IntentRow]) -> None:
        for each in made:
            self.intents[each.intent_id] = each
        self.intents_kept += len(made)

    def row_of(self, total: str) -> JournalRow:
        return JournalRow(
            wall_us=self.now_us,
            kind="delta",
            asset="USD",
            total=total,
            held=None,
            available=None,
            source=None,
            cause="{}",
            is_money=True,
        )

    @rule()
    def prune(self) -> None:
        limit = self.now_us // DAY_US - KEEP_DAYS
        old = [index for index, (day, _) in enumerate(self.days[:-1]) if day < limit]
        gone = 0
        if old:
            first_kept = self.days[old[-1] + 1][1]
            gone = first_kept - self.dropped - 1
            self.days = self.days[old[-1] + 1 :]
            self.kept = self.kept[gone:]
            self.dropped += gone

        assert self.do(self.store.prune(wall_us=self.now_us)) == gone
        remembered = self.now_us - 30 * DAY_US
        self.intents = {
            name: each for name, each in self.intents.items() if not each.is_ended or each.wall_us >= remembered
        }

    # What has to hold

    @invariant()
    def it_holds_what_the_list_holds(self) -> None:
        if not hasattr(self, "store"):
            return
        assert self.do(self.store.history(limit=10_000)) == self.kept
        assert self.do(self.store.latest()) == [self.newest[asset] for asset in sorted(self.newest)]
        assert {name: self.do(self.store.fact(name)) for name in ("a", "b")} == {
            name: self.facts.get(name) for name in ("a", "b")
        }
        assert self.store.status().last_seq == self.last_seq
        first_first = self.intents.values()
        oldest_first = sorted(first_first, key=lambda each: each.wall_us)
        assert self.do(self.store.open_intents()) == [each for each in oldest_first if not each.is_ended]
        newest_first = oldest_first[::-1]
        assert self.do(self.store.intents(limit=3)) == newest_first[:3]
        assert self.do(self.store.intents(since_wall_us=self.now_us)) == [
            each for each in newest_first if each.wall_us >= self.now_us
        ]
        assert self.do(self.store.intent_ids()) == list(self.intents)
        for name in ("a", "ü\0", "foreign"):
            assert self.do(self.store.intent(name)) == self.intents.get(name)

    @rule(
        asset=st.none() | assets,
        after=st.integers(0, 30),
        days=st.none() | st.integers(-400, 2),
        limit=st.integers(0, 20),
        newest_first=st.booleans(),
    )
    def ask(self, asset: str | None, after: int, days: int | None, limit: int, newest_first: bool) -> None:
        since = None if days is None else self.now_us + days * DAY_US
        expected = [
            row
            for row in (reversed(self.kept) if newest_first else self.kept)
            if (asset is None or row.asset == asset)
            and (row.seq or 0) > after
            and (since is None or row.wall_us >= since)
        ]

        found = self.do(
            self.store.history(
                asset=asset, after_seq=after, since_wall_us=since, limit=limit, newest_first=newest_first
            )
        )

        assert found == expected[:limit]


class MemoryJournal(Journal):
    @initialize()
    def begin(self) -> None:
        self.store = MemoryStore(keep_days=KEEP_DAYS)


class SqliteJournal(Journal):
    """The same, with everything that can happen to a file."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hf-model-"))
        self.path = self.folder / "holdfast.db"
        self.mark = Mark()
        FailingDisk.fails_before = FailingDisk.fails_after = None
        self.open()

    def open(self) -> None:
        self.store = self.do(
            SqliteStore.open(
                self.path,
                wall_us=lambda: self.now_us,
                keep_days=KEEP_DAYS,
                writer="inline",
                journal_mark=self.mark,
                connection_class=FailingDisk,
            )
        )

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    @rule()
    def reopen(self) -> None:
        self.do(self.store.close())
        assert verify(self.path) == self.last_seq
        assert self.mark.value in {None, self.last_seq + self.intents_kept}
        self.open()
        assert self.store.status().halted is None

    @rule()
    def be_killed(self) -> None:
        """Go on with what a killed process leaves: the file and its log as they are."""
        left = self.folder / "left.db"
        for side in ("", "-wal"):
            shutil.copyfile(f"{self.path}{side}", f"{left}{side}")
        self.do(self.store.close())
        for side in ("", "-wal"):
            Path(f"{left}{side}").replace(f"{self.path}{side}")
        self.open()

    @rule(total=amounts)
    def meet_a_full_disk(self, total: str) -> None:
        FailingDisk.fails_before = sqlite3.SQLITE_FULL
        self.fail_to_append(total, is_kept=False)

    @rule(total=amounts, is_kept=st.booleans())
    def meet_a_failing_sync(self, total: str, is_kept: bool) -> None:
        if is_kept:
            FailingDisk.fails_after = sqlite3.SQLITE_IOERR_FSYNC
        else:
            FailingDisk.fails_before = sqlite3.SQLITE_IOERR_FSYNC
        self.fail_to_append(total, is_kept=is_kept)

    def fail_to_append(self, total: str, *, is_kept: bool) -> None:
        row, claim = self.row_of(total), intent("c", total, wall_us=self.now_us)

        async def append() -> None:
            await self.store.keep([claim], [row])

        with contextlib.suppress(StoreError):
            self.do(append())
            raise AssertionError("a failing disk kept a row")
        assert not self.store.status().is_ok
        FailingDisk.fails_before = FailingDisk.fails_after = None
        if is_kept:
            self.note_intents([claim])
            self.note(row)
        assert isinstance(self.store, SqliteStore)
        assert self.do(self.store.recover()).is_ok


# HYPOTHESIS_PROFILE=soak asks for fifty times as many.
SHARE = hypothesis.settings.default.max_examples if hypothesis.settings.default is not None else 100

TestMemoryStoreEqualsAList = MemoryJournal.TestCase
TestMemoryStoreEqualsAList.settings = hypothesis.settings(max_examples=SHARE // 4, stateful_step_count=25)

TestSqliteStoreEqualsAList = SqliteJournal.TestCase
TestSqliteStoreEqualsAList.settings = hypothesis.settings(max_examples=SHARE // 8, stateful_step_count=20)
