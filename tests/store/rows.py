"""Journal rows and intents for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from holdfast.core.seams import IntentRow, JournalRow

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


def intent(
    intent_id: str,
    record: str = '{"amount":"1"}',
    *,
    is_ended: bool = False,
    wall_us: int = NOON_US,
    client_order_id: str | None = None,
) -> IntentRow:
    """An intent, with the client order id that belongs to its id."""
    return IntentRow(
        intent_id=intent_id,
        client_order_id=client_order_id or hashlib.sha256(intent_id.encode()).hexdigest()[:32],
        is_ended=is_ended,
        wall_us=wall_us,
        record=record,
    )


def ids(intents: Sequence[IntentRow]) -> list[str]:
    return [each.intent_id for each in intents]


def seqs(rows: Sequence[JournalRow]) -> list[int | None]:
    return [row.seq for row in rows]


def totals(rows: Sequence[JournalRow]) -> list[tuple[str | None, str | None]]:
    return [(row.asset, row.total) for row in rows]
