"""
The rules of the journal and the intents: what is kept, where a segment begins, and what may be dropped.

Pure and shared by every store, so that each keeps the same rows in the same segments. A *segment* is one UTC day of the
journal; at its start every asset's latest figures are put down as its *checkpoint*, so that older segments can be
dropped without losing what the accounts held.
"""

from __future__ import annotations

from typing import Final

import msgspec

from holdfast.core.seams import JournalRow

__all__ = [
    "HALTED",
    "INTENT_DAYS",
    "Segment",
    "begins_segment",
    "day_of",
    "droppable",
    "forgotten_before",
    "is_repeated",
    "states_figures",
]

HALTED: Final = "halted"
"""Name of the fact that says why an account is halted: a JSON object with a ``reason``."""

INTENT_DAYS: Final = 30
"""An intent is remembered for this many days after it ended, so that its id cannot be used again."""

MINUTE_US: Final = 60_000_000
DAY_US: Final = 86_400_000_000

# They carry amounts as evidence; what the account holds is said by the rows beside them.
_EVIDENCE: Final = frozenset({"discrepancy", "notice"})


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One UTC day's run of rows, without a hole: *day* counts from 1970-01-01."""

    number: int
    day: int
    first_seq: int
    last_seq: int


def day_of(wall_us: int) -> int:
    """The UTC day of a wall time, counted from 1970-01-01."""
    return wall_us // DAY_US


def forgotten_before(wall_us: int) -> int:
    """Intents that ended before this wall time need not be remembered any more."""
    return wall_us - INTENT_DAYS * DAY_US


def states_figures(row: JournalRow) -> bool:
    """Whether a row says what the account holds of its asset (a discrepancy's amounts are evidence, not figures)."""
    return (
        row.asset is not None
        and row.kind not in _EVIDENCE
        and (row.total is not None or row.held is not None or row.available is not None)
    )


def is_repeated(row: JournalRow, known: JournalRow | None) -> bool:
    """
    Whether a row only repeats what was kept within the same minute, and so need not be kept.

    *known* is the asset's newest kept row with figures. A row whose figures differ is kept whatever it claims to be.
    """
    return (
        known is not None
        and not row.is_money
        and states_figures(row)
        and known.wall_us // MINUTE_US == row.wall_us // MINUTE_US
        and known.total == row.total
        and known.held == row.held
        and known.available == row.available
    )


def begins_segment(row: JournalRow, current: Segment | None) -> bool:
    """
    Whether a row starts a new segment rather than extending *current*.

    A later day does. So does a wall clock that stepped back by more than a day, else the journal would stay in a day of
    the future; smaller steps do not, or a clock that wavers around midnight would write a checkpoint each time.
    """
    return current is None or not (current.day - 1) * DAY_US <= row.wall_us < (current.day + 1) * DAY_US


def droppable(segments: list[Segment], *, wall_us: int, keep_days: int) -> list[Segment]:
    """
    The oldest segments that lie wholly before the kept days; never the newest one.

    *segments* in order. Sequence outranks the wall clock: what was written before an old row is at least as old, so a
    day of the future that a clock fault left behind does not keep everything after it alive.
    """
    limit = day_of(wall_us) - keep_days
    last_old = -1
    for index, segment in enumerate(segments[:-1]):
        if segment.day < limit:
            last_old = index
    return segments[: last_old + 1]
