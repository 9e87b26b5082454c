"""Journal rows for tests."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core.seams import JournalRow

DAY_US = 86_400_000_000
MINUTE_US = 60_000_000
NOON_US = 20_000 * DAY_US + DAY_US // 2
"""Noon of a day in 2024: hours away from any change of day."""


def money(asset: str, total: str, *, wall_us: int = NOON_US, kind: str = "delta", cause: str = "{}") -> JournalRow:
    """A row that moved money."""
    return JournalRow(
        wall_us=wall_us,
        kind=kind,
        asset=asset,
        total=total,
        held="0",
        available=total,
        source="stream",
        cause=cause,
        is_money=True,
    )


def confirmation(asset: str, total: str, *, wall_us: int = NOON_US) -> JournalRow:
    """A row that only repeats what is known."""
    return JournalRow(
        wall_us=wall_us,
        kind="snapshot",
        asset=asset,
        total=total,
        held="0",
        available=total,
        source="rest",
        cause='{"read":"BalanceEx"}',
        is_money=False,
    )


def notice(cause: str, *, asset: str | None = None, kind: str = "notice", wall_us: int = NOON_US) -> JournalRow:
    """A row without figures."""
    return JournalRow(
        wall_us=wall_us,
        kind=kind,
        asset=asset,
        total=None,
        held=None,
        available=None,
        source=None,
        cause=cause,
        is_money=False,
    )


def seqs(rows: Sequence[JournalRow]) -> list[int | None]:
    return [row.seq for row in rows]


def totals(rows: Sequence[JournalRow]) -> list[tuple[str | None, str | None]]:
    return [(row.asset, row.total) for row in rows]
