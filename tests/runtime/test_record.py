"""What a journal says of the moments before a restart."""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.seams import JournalRow
from holdfast.runtime.record import lows_of


def _row(total: str | None, at_s: int, *, kind: str = "delta") -> JournalRow:
    return JournalRow(
        wall_us=at_s * 1_000_000,
        kind=kind,
        asset="SOL",
        total=total,
        held=None,
        available=None,
        source=None,
        cause="{}",
        is_money=True,
    )


def test_a_late_answer_written_down_last_does_not_lift_the_bound_of_the_figure_before() -> None:
    rows = [_row("99.408", 59), _row("0", 40), _row("99.408", 10)]

    assert lows_of(rows, wall_us=60_000_000) == {"SOL": (Decimal(0), 1.0)}


def test_evidence_is_no_figure_and_no_age_is_negative() -> None:
    rows = [_row("1", 30, kind="discrepancy"), _row(None, 20, kind="reservation"), _row("5", 70)]

    assert lows_of(rows, wall_us=60_000_000) == {"SOL": (Decimal(5), 0.0)}
