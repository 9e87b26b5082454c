"""
A store in plain memory, for tests of whatever uses a store.

It keeps the same promises as the others, passes the same contract suite, and forgets everything when it is dropped.
``fail_with`` makes it refuse writes, the way a full or read-only disk does.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path

import msgspec

from holdfast.core.seams import IntentRow, JournalRow, StoreStatus
from holdfast.errors import ClosedError, StoreError, StoreFullError, StoreReadOnlyError
from holdfast.store.receipts import Receipt
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

__all__ = ["MemoryStore"]

_ERRORS = {"full": StoreFullError, "read_only": StoreReadOnlyError}


class MemoryStore:
    """
    Journal, facts and intents in memory; a ``holdfast.core.seams.Store``. Nothing it does suspends.

    Attributes:
        fail_with: While it is a reason (``full``, ``read_only``, ``io`` …) every write is refused with it.
    """

    def __init__(self, *, keep_days: int = 90) -> None:
        self.fail_with: str | None = None
        self._keep_days = keep_days
        self._rows: dict[int, JournalRow] = {}
        self._segments: list[Segment] = []
        self._checkpoints: dict[int, dict[str, JournalRow]] = {}
        self._newest: dict[str, JournalRow] = {}
        self._facts: dict[str, str] = {}
        self._intents: dict[str, IntentRow] = {}
        self._intent_of_order: dict[str, str] = {}
        self._last_seq = 0
        self._reason: str | None = None

    def append(self, rows: Sequence[JournalRow]) -> Awaitable[int]:
        """Keep rows at once; see ``Store.append``."""
        receipt: Receipt[int] = Receipt()
        if self._reason == "closed":
            return receipt.fail(lambda: ClosedError("the store is closed"))
        refused = self._refusal()
        if refused is not None:
            return receipt.fail(lambda: refused)
        self._add(rows)
        return receipt.settle(self._last_seq)

    def _add(self, rows: Sequence[JournalRow]) -> None:
        for row in rows:
            known = self._newest.get(row.asset or "")
            if known is not None and is_repeated(row, known):
                continue
            self._last_seq += 1
            kept = msgspec.structs.replace(row, seq=self._last_seq)
            self._extend(kept)
            self._rows[self._last_seq] = kept
            if states_figures(kept):
                self._newest[kept.asset or ""] = kept

    def keep(
        self,
        intents: Sequence[IntentRow],
        rows: Sequence[JournalRow] = (),
        facts: Mapping[str, str | None] | None = None,
    ) -> Receipt[int]:
        """Keep intents at once, with the rows and facts that belong to them; see ``Store.keep``."""
        receipt: Receipt[int] = Receipt()
        if self._reason == "closed":
            return receipt.fail(lambda: ClosedError("the store is closed"))
        refused = self._refusal()
        if refused is not None:
            return receipt.fail(lambda: refused)
        kept: dict[str, IntentRow] = {}
        of_order: dict[str, str] = {}
        for intent in intents:
            known = kept.get(intent.intent_id) or self._intents.get(intent.intent_id, intent)
            of_order.setdefault(intent.client_order_id, intent.intent_id)
            owner = self._intent_of_order.get(intent.client_order_id, of_order[intent.client_order_id])
            if owner != intent.intent_id or known.client_order_id != intent.client_order_id:
                return receipt.fail(lambda: StoreError("an intent cannot be kept: its client order id is another's"))
            kept[intent.intent_id] = intent
        self._intents |= kept
        self._intent_of_order |= of_order
        self._add(rows)
        for name, value in (facts or {}).items():
            self._set_fact(name, value)
        return receipt.settle(self._last_seq)

    async def open_intents(self) -> list[IntentRow]:
        """Every intent that has not ended, oldest change first."""
        self._check_open()
        return sorted((each for each in self._intents.values() if not each.is_ended), key=_changed_at)

    async def intent(self, intent_id: str) -> IntentRow | None:
        """One intent, ended ones included while they are remembered, or None."""
        self._check_open()
        return self._intents.get(intent_id)

    async def intents(self, *, limit: int = 1000, since_wall_us: int | None = None) -> list[IntentRow]:
        """Remembered intents, newest change first, at most *limit*."""
        self._check_open()
        found = [each for each in self._intents.values() if since_wall_us is None or each.wall_us >= since_wall_us]
        found.sort(key=_changed_at)
        return found[::-1][: max(limit, 0)]

    async def intent_ids(self) -> list[str]:
        """The ids of every remembered intent, in the order in which they first came."""
        self._check_open()
        return list(self._intents)

    async def latest(self) -> list[JournalRow]:
        """The newest row with figures for each asset, in asset order."""
        self._check_open()
        return [self._newest[asset] for asset in sorted(self._newest)]

    async def opening(self) -> list[JournalRow]:
        """Each asset's newest row as it was when the oldest kept day began, in asset order."""
        self._check_open()
        held = self._checkpoints[self._segments[0].number] if self._segments else {}
        return [held[asset] for asset in sorted(held)]

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
        """Kept rows, of one *kind* or all, oldest first unless *newest_first*, at most *limit*."""
        self._check_open()
        found = [
            row
            for seq, row in sorted(self._rows.items(), reverse=newest_first)
            if seq > after_seq
            and (asset is None or row.asset == asset)
            and (kind is None or row.kind == kind)
            and (since_wall_us is None or row.wall_us >= since_wall_us)
        ]
        return found[: max(limit, 0)]

    async def fact(self, name: str) -> str | None:
        """The JSON text kept under *name*, or None."""
        self._check_open()
        return self._facts.get(name)

    async def keep_fact(self, name: str, value: str | None) -> None:
        """Keep JSON text under *name*; None removes it. Raises ``StoreError`` while ``fail_with`` says so."""
        refused = self._refusal()
        if refused is not None:
            raise refused
        self._set_fact(name, value)

    def status(self) -> StoreStatus:
        """Whether writes are accepted, as far as the last of them showed."""
        halted = self._facts.get(HALTED)
        return StoreStatus(
            is_ok=self._reason is None,
            reason=self._reason,
            last_seq=self._last_seq,
            path=":memory:",
            halted=None if halted is None else str(json.loads(halted)["reason"]),
        )

    async def backup(self, path: str) -> None:
        """Write what is kept to *path* as JSON lines; raises ``StoreError`` where that exists or cannot be written."""
        self._check_open()
        kept = [*self._rows.values(), *self._intents.values(), self._facts]
        lines = list(map(msgspec.json.encode, kept))
        _write_new(Path(path), b"\n".join(lines) + b"\n")

    async def prune(self, *, wall_us: int) -> int:
        """Drop whole segments older than the kept days; how many rows went. Long ended intents go too."""
        refused = self._refusal()
        if refused is not None:
            raise refused
        due = droppable(self._segments, wall_us=wall_us, keep_days=self._keep_days)
        for segment in due:
            for seq in range(segment.first_seq, segment.last_seq + 1):
                del self._rows[seq]
            del self._checkpoints[segment.number]
        self._segments = self._segments[len(due) :]
        for intent in [each for each in self._intents.values() if each.is_ended]:
            if intent.wall_us < forgotten_before(wall_us):
                del self._intents[intent.intent_id]
                del self._intent_of_order[intent.client_order_id]
        return sum(segment.last_seq - segment.first_seq + 1 for segment in due)

    async def close(self) -> None:
        """Accept nothing more."""
        self._reason = "closed"

    def _extend(self, row: JournalRow) -> None:
        seq = row.seq or 0
        last = self._segments[-1] if self._segments else None
        if last is None or begins_segment(row, last):
            number = 1 if last is None else last.number + 1
            self._segments.append(Segment(number=number, day=day_of(row.wall_us), first_seq=seq, last_seq=seq))
            self._checkpoints[number] = dict(self._newest)
        else:
            self._segments[-1] = msgspec.structs.replace(last, last_seq=seq)

    def _set_fact(self, name: str, value: str | None) -> None:
        if value is None:
            self._facts.pop(name, None)
        else:
            self._facts[name] = value

    def _check_open(self) -> None:
        if self._reason == "closed":
            raise ClosedError("the store is closed")

    def _refusal(self) -> StoreError | None:
        self._check_open()
        self._reason = self.fail_with
        if self.fail_with is None:
            return None
        return _ERRORS.get(self.fail_with, StoreError)(f"the store is told to fail: {self.fail_with}")


def _changed_at(intent: IntentRow) -> int:
    return intent.wall_us


def _write_new(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
