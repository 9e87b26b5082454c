"""What happened, as journal rows, and journal rows as the figures to begin with. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import format_amount, parse_amount
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance, Holding
from holdfast.core.changes import Change, Discrepancy
from holdfast.core.seams import JournalRow

__all__ = ["amount_text", "holdings_of", "lows_of", "row_of_balance", "row_of_change", "row_of_discrepancy"]

_EVIDENCE: Final = ("discrepancy", "notice", "reservation", "audit")

_encode = msgspec.json.Encoder().encode


def amount_text(value: Decimal | None) -> str | None:
    """The amount's exact text; ``None`` stays ``None``: unknown is not zero."""
    return None if value is None else format_amount(value)


def row_of_change(change: Change, *, read: str, wall_us: int) -> JournalRow:
    """One accepted change, with the read or channel it came by as its cause."""
    return JournalRow(
        wall_us=wall_us,
        kind=change.kind,
        asset=change.asset,
        total=amount_text(change.total),
        held=amount_text(change.held),
        available=amount_text(change.available),
        source=None if change.source is None else change.source.value,
        cause=_cause(read=read, cause=change.cause, ref=change.ref, entry=change.entry),
        is_money=change.is_money,
    )


def row_of_discrepancy(discrepancy: Discrepancy, *, wall_us: int) -> JournalRow:
    """A disagreement of two sources, found or ended, with both figures as they were stated."""
    return JournalRow(
        wall_us=wall_us,
        kind="discrepancy",
        asset=discrepancy.asset,
        total=None,
        held=None,
        available=None,
        source=None,
        cause=_cause(
            kind=discrepancy.kind,
            ours=amount_text(discrepancy.ours),
            theirs=amount_text(discrepancy.theirs),
            how=discrepancy.how,
        ),
        is_money=True,
    )


def row_of_balance(balance: Balance, *, why: str, wall_us: int) -> JournalRow:
    """Where one asset stands now, for a journal that missed something."""
    return JournalRow(
        wall_us=wall_us,
        kind="snapshot",
        asset=balance.asset,
        total=amount_text(balance.total),
        held=amount_text(balance.held),
        available=amount_text(balance.available),
        source=None if balance.source is None else balance.source.value,
        cause=_cause(cause=why),
        is_money=True,
    )


def holdings_of(rows: Iterable[JournalRow]) -> dict[AssetCode, Holding]:
    """
    The figures that the newest rows state, to begin with after a restart.

    Raises:
        AmountError: A row holds what no journal of ours ever held.
    """
    return {
        row.asset: Holding(
            asset=row.asset,
            total=parse_amount(row.total),
            held=None if row.held is None else parse_amount(row.held),
            available=None if row.available is None else parse_amount(row.available),
        )
        for row in rows
        if row.asset is not None and row.total is not None
    }


def lows_of(rows: Iterable[JournalRow], *, wall_us: int) -> dict[AssetCode, tuple[Decimal, float]]:
    """
    Of figures that were written down lately: each asset's lowest total, and how long ago its newest row was written.

    Seconds, never negative, whatever the wall clock did. The newest row alone would not do: it may be a late answer
    that was believed only under the bound of the one before.
    """
    lows: dict[AssetCode, tuple[Decimal, float]] = {}
    for row in rows:
        if row.asset is None or row.total is None or row.kind in _EVIDENCE:
            continue
        total, age_s = parse_amount(row.total), max(0.0, (wall_us - row.wall_us) / 1_000_000)
        low, newest_s = lows.get(row.asset, (total, age_s))
        lows[row.asset] = (min(low, total), min(newest_s, age_s))
    return lows


def _cause(**facts: Any) -> str:
    return _encode({name: value for name, value in facts.items() if value is not None}).decode()
