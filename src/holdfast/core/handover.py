"""
What the ledger's figures already take off for an order of ours, so that its claim and the venue's hold never count
twice for long, and never not at all.

A claim may count for less only by what *every* reading that ``spendable`` is the least of has taken off. Two of those
readings know of orders: ours, as the sum of what open orders hold, and the venue's, as held. They are two words on the
same money: where held is no less than our sum, every order in it is taken off the venue's available too. What is
missing of that no order of the asset may call its own.
"""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.amounts import ZERO, add, subtract
from holdfast.core.assets import AssetCode
from holdfast.core.book import Book
from holdfast.core.holds import AssetHolds, most_of
from holdfast.core.lines import Line

__all__ = ["counted_hold", "hold_excess", "includes"]


def counted_hold(book: Book, order_id: str) -> tuple[AssetCode, Decimal] | None:
    """``Ledger.counted_hold``."""
    found = _found(book, order_id)
    if found is None:
        return None
    line, holds, hold, rose_s = found
    if hold is None:
        return None
    standing, lag_s = book.standing, book.settings.rest_lag_s
    if not (standing.orders_stated or line.anchor_s < standing.orders_count_until_s):
        # Our record of orders is not counted any more: the anchor alone has to have it.
        return holds.asset, hold if line.anchor_s >= rose_s + lag_s else ZERO
    missing = _missing(book, line, holds)
    return holds.asset, max(ZERO, subtract(hold, missing)) if missing > ZERO else hold


def _missing(book: Book, line: Line, holds: AssetHolds) -> Decimal:
    """By how much the venue's readings take off less than our orders hold; zero or less where they do not."""
    allowance = book.settings.hold_allowance
    known = add(holds.known, line.pending_release)
    if line.held is None:
        return known
    missing = subtract(known, add(line.held, min(line.ghost, most_of(holds.known, allowance))))
    dispute = line.dispute
    if dispute is not None and dispute.stated.held is not None:
        theirs = add(dispute.stated.held, holds.risen_since(dispute.as_of_s))
        missing = max(missing, subtract(known, theirs))
    return missing


def includes(book: Book, order_id: str) -> bool:
    """``Ledger.includes``."""
    found = _found(book, order_id)
    if found is None:
        return False
    line, _, hold, rose_s = found
    if line.anchor_s >= rose_s + book.settings.rest_lag_s:
        return True
    return hold is not None and rose_s < line.base_since_s and _is_sure(book, line)


def hold_excess(book: Book, asset: AssetCode) -> Decimal:
    """``Ledger.hold_excess``."""
    line, holds = book.peek(asset), book.orders.of(asset)
    if holds is None or not line.excess or not _is_sure(book, line):
        return ZERO
    # A list of orders may have used some of it up: it adds to held only what that does not cover.
    return max(ZERO, min(line.excess, subtract(ZERO, _missing(book, line, holds))))


def _is_sure(book: Book, line: Line) -> bool:
    """
    Whether it is known which of our orders the anchor includes, and the anchor is all that there is to go by.

    Where the stream is contradicted or lost, ``spendable`` also goes by totals less our estimates, which have no fees.
    """
    standing = book.standing
    return (
        standing.orders_stated
        and standing.is_accepted
        and line.is_base_sure
        and line.anchor_counts
        and line.dispute is None
        and not line.rest_won
    )


def _found(book: Book, order_id: str) -> tuple[Line, AssetHolds, Decimal | None, float] | None:
    """Of an order in the open-order set: its asset's line, the holds on it, its own, and when that last rose."""
    order = book.orders.orders.get(order_id)
    holds = None if order is None or order.hold_asset is None else book.orders.of(order.hold_asset)
    part = None if holds is None else holds.orders.get(order_id)
    if holds is None or part is None:
        return None
    return book.peek(holds.asset), holds, *part
