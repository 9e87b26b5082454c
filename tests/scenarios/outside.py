"""
What others do to the funds of an account: the part of every change of its free funds that its client did not cause.

A client learns of it late, and for a while that is nobody's fault. How much of a promise such a change excuses is the
difference between what was free before it and what is free now.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import add, subtract
from holdfast.core.assets import AssetCode, split_symbol
from holdfast.core.seams import Clock
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.ledger import LedgerEntry
from holdfast.simulators.core.orders import Change, Fill, Order

__all__ = ["Outside"]

_ZERO: Final = Decimal(0)
_OF_ORDERS: Final = frozenset({"trade", "margin"})


class Outside:
    """
    The sum of what others did to each asset's free funds, with its past.

    An order without a client order id is somebody else's, and so is every posting that no order of ours makes.
    ``is_ours`` says which of the others are not ours either: those that a copy of a request made.
    """

    def __init__(
        self, venue: Any, clock: Clock, *, assets: Sequence[AssetCode], is_ours: Callable[[Order], bool]
    ) -> None:
        self._venue = venue
        self._is_ours = is_ours
        self._clock = clock
        self._free = {asset: venue.free(asset) for asset in assets}
        self._sums: dict[AssetCode, tuple[list[float], list[Decimal]]] = {asset: ([], []) for asset in assets}
        venue.watch(orders=self._order_changed, entries=self._posted)

    def settle(self) -> None:
        """Whatever changed since the last look was done by others."""
        for asset in self._free:
            self._look(asset, is_ours=False)

    def excuse(self, asset: AssetCode, *, since_s: float) -> Decimal:
        """How much more of *asset* would be free, had others not taken what they took since *since_s*."""
        times, sums = self._sums[asset]
        if not times or times[-1] <= since_s:
            return _ZERO
        first = bisect.bisect_right(times, since_s)
        before = sums[first - 1] if first else _ZERO
        return subtract(max(before, *sums[first:]), sums[-1])

    def last_debit_s(self, asset: AssetCode) -> float | None:
        """When others last took some of *asset*."""
        times, sums = self._sums[asset]
        for index in range(len(sums) - 1, -1, -1):
            if sums[index] < (sums[index - 1] if index else _ZERO):
                return times[index]
        return None

    def _order_changed(self, order: Order, change: Change, fill: Fill | None) -> None:
        is_ours = order.request.client_order_id is not None and self._is_ours(order)
        for asset in {*split_symbol(order.request.symbol), *(() if fill is None else (fill.fee_asset,))}:
            if asset in self._free:
                self._look(asset, is_ours=is_ours)

    def _posted(self, account: Account, entries: Sequence[LedgerEntry]) -> None:
        # A trade's postings belong to the order that is told of right after them, and so do the moves around it.
        if not any(entry.kind in _OF_ORDERS or entry.subtype for entry in entries):
            self.settle()

    def _look(self, asset: AssetCode, *, is_ours: bool) -> None:
        free = self._venue.free(asset)
        change = subtract(free, self._free[asset])
        if not change:
            return
        self._free[asset] = free
        if not is_ours:
            times, sums = self._sums[asset]
            times.append(self._clock.now_s())
            sums.append(add(sums[-1], change) if sums else change)
