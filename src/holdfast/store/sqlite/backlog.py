"""What waits to be written: bounded, and bounded in favour of money."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from holdfast.core.seams import IntentRow, JournalRow
from holdfast.store.receipts import Receipt
from holdfast.store.rows import states_figures

if TYPE_CHECKING:
    from holdfast.store.sqlite.engine import Engine

__all__ = ["NO_FACTS", "Backlog", "Work"]

NO_FACTS: Final[Mapping[str, str | None]] = {}


class Work:
    """
    One thing for the writer: rows, facts and intents that go into one transaction, or a job of its own.

    Attributes:
        heard: How many failures of writes with intents the caller had been told of when it handed this over.
    """

    __slots__ = ("facts", "heard", "intents", "job", "receipt", "rows")

    def __init__(
        self,
        *,
        rows: Sequence[JournalRow] = (),
        facts: Mapping[str, str | None] = NO_FACTS,
        intents: Sequence[IntentRow] = (),
        job: Callable[[Engine], Any] | None = None,
        heard: int = 0,
    ) -> None:
        self.rows = list(rows)
        self.facts = facts
        self.intents = intents
        self.job = job
        self.heard = heard
        self.receipt: Receipt[Any] = Receipt()


class Backlog:
    """
    A queue from the event loop to the writer's thread.

    A row that only confirms figures takes the place of the one before it, where nothing about that asset came between:
    such rows cannot fill the queue while the disk hangs. A row that moves money and an intent with all that belongs to
    it are never dropped and never merged; past the bound they are refused.
    """

    def __init__(self, *, max_rows: int) -> None:
        self._max_rows = max_rows
        self._works: deque[Work] = deque()
        self._rows = 0
        # The last waiting row of each asset: its work and its place there.
        self._tails: dict[str, tuple[Work, int]] = {}
        self._is_ready = threading.Condition(threading.Lock())

    def put(self, work: Work) -> Receipt[Any] | None:
        """Queue work; the receipt that will tell of it, or None where it does not fit. Never blocks on the disk."""
        rows, is_alone = work.rows, not work.intents and not work.facts
        size = len(rows) + len(work.intents)
        with self._is_ready:
            if len(rows) == 1 and is_alone and not rows[0].is_money:
                merged = self._merge(rows[0])
                if merged is not None:
                    return merged
            # A job holds no rows and always fits: closing has to work on a full queue.
            if size and self._rows + size > self._max_rows:
                return None
            for index, row in enumerate(rows):
                if row.asset is None:
                    continue
                if is_alone:
                    self._tails[row.asset] = (work, index)
                else:
                    self._tails.pop(row.asset, None)
            self._rows += size
            self._works.append(work)
            self._is_ready.notify()
        return work.receipt

    def take(self, *, max_rows: int, wait_s: float | None) -> list[Work]:
        """Wait for work and take up to about *max_rows* rows of it; nothing where none came within *wait_s*."""
        with self._is_ready:
            if not self._works and not self._is_ready.wait_for(self._has_work, wait_s):
                return []
            taken: list[Work] = []
            rows = 0
            while self._works and rows < max_rows:
                work = self._works.popleft()
                rows += len(work.rows) + len(work.intents)
                taken.append(work)
            self._rows -= rows
            # What was taken may be being written: nothing may take its place any more.
            self._tails = {}
        return taken

    def _has_work(self) -> bool:
        return bool(self._works)

    def _merge(self, row: JournalRow) -> Receipt[Any] | None:
        tail = self._tails.get(row.asset) if row.asset is not None else None
        if tail is None or not states_figures(row):
            return None
        work, index = tail
        waiting = work.rows[index]
        if waiting.is_money or waiting.kind != row.kind:
            return None
        work.rows[index] = row
        return work.receipt
