"""
The ledger of one simulated account: the only place where its totals change.

A *row* is one line of the venue's own balance answer, under the venue's spelling; several rows may belong to one
asset. Totals change by posting entries and in no other way, so that the sum of a row's entries always is its balance.
What is behind open orders is *held*, and changes nothing in the ledger. Both keep a short past, because a venue's
REST replicas answer from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from holdfast.core.amounts import ZERO, exact
from holdfast.simulators.core.history import History

__all__ = ["AccountLedger", "LedgerEntry", "Posting", "Rows"]


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """
    One posted entry. ``balance`` is the row's afterwards: the one before, plus ``amount``, minus ``fee``.

    ``kind`` and ``subtype`` are the venue's words, ``at_us`` the venue's clock in Unix microseconds, ``ref`` the id
    that all legs of one event share.
    """

    id: str
    ref: str
    at_us: int
    at_s: float
    kind: str
    subtype: str
    row: str
    amount: Decimal
    fee: Decimal
    balance: Decimal


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One leg to post; ``fee`` is positive and charged on the same row."""

    row: str
    amount: Decimal
    fee: Decimal = ZERO
    kind: str
    subtype: str = ""


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Balances and holds by row, as they were at one moment. A row that was never touched is absent."""

    balances: dict[str, Decimal]
    holds: dict[str, Decimal]


class AccountLedger:
    """
    Rows, their entries and their holds.

    Args:
        next_id: Makes entry ids.
        keep_s: How many seconds of the past ``rows_at`` can answer for.
    """

    def __init__(self, *, next_id: Callable[[], str], keep_s: float) -> None:
        self.balances: dict[str, Decimal] = {}
        self.holds: dict[str, Decimal] = {}
        self.entries: list[LedgerEntry] = []
        self._next_id = next_id
        self._past_balances: History[str, Decimal] = History(keep_s=keep_s)
        self._past_holds: History[str, Decimal] = History(keep_s=keep_s)

    def post(self, postings: Sequence[Posting], *, ref: str, at_us: int, now_s: float) -> tuple[LedgerEntry, ...]:
        """
        Post the legs of one event, in order.

        *at_us* stamps them with the venue's clock; *now_s* is the unstepped clock that lag is measured on.
        """
        entries = []
        with exact():
            for leg in postings:
                before = self.balances.get(leg.row)
                balance = (before or ZERO) + leg.amount - leg.fee
                self._past_balances.note(leg.row, before, now_s=now_s)
                self.balances[leg.row] = balance
                entries.append(
                    LedgerEntry(
                        id=self._next_id(),
                        ref=ref,
                        at_us=at_us,
                        at_s=now_s,
                        kind=leg.kind,
                        subtype=leg.subtype,
                        row=leg.row,
                        amount=leg.amount,
                        fee=leg.fee,
                        balance=balance,
                    )
                )
        self.entries.extend(entries)
        return tuple(entries)

    def touch(self, row: str) -> None:
        """Make a row exist with a zero balance, as one that was funded and emptied long ago."""
        self.balances.setdefault(row, ZERO)

    def hold(self, row: str, change: Decimal, *, now_s: float) -> None:
        """Raise or lower what open orders hold on a row."""
        before = self.holds.get(row)
        self._past_holds.note(row, before, now_s=now_s)
        with exact():
            self.holds[row] = (before or ZERO) + change

    def rows_at(self, at_s: float, *, holds_at_s: float | None = None) -> Rows:
        """The rows as they were at *at_s* (holds at *holds_at_s* where that differs), within ``keep_s``."""
        return Rows(
            balances=self._past_balances.rewind(self.balances, to_s=at_s),
            holds=self._past_holds.rewind(self.holds, to_s=at_s if holds_at_s is None else holds_at_s),
        )

    @property
    def rows(self) -> Rows:
        """The rows as they are."""
        return Rows(balances=self.balances, holds=self.holds)
