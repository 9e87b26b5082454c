"""
What our open orders hold, asset by asset.

Venues push totals at once and holds not at all, so between two REST reads the only word on a new order's hold is our
own record of open orders. It is an estimate (without fees, sometimes without an amount), used to carry the venue's
held and available forward, never in place of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from holdfast.core.amounts import ZERO, add, multiply, subtract
from holdfast.core.assets import AssetCode, split_symbol
from holdfast.core.balances import OpenOrder, OrdersSnapshot
from holdfast.core.lag import Trail
from holdfast.errors import UnknownNameError

__all__ = ["AssetHolds", "HoldBase", "HoldMove", "OpenOrders", "is_like", "most_of"]


class HoldMove(NamedTuple):
    """One order's hold on one asset changed by ``change``; ``is_unknown`` where it held an amount nobody told."""

    asset: AssetCode
    change: Decimal
    is_unknown: bool


class HoldBase(NamedTuple):
    """
    The sum of our holds that a venue's held figure already includes.

    Orders whose hold last rose at ``since_s`` or later are not in it. ``is_current`` where it is the sum of now,
    ``fits`` where the venue's figure is indeed that sum or a little more. Where there was a choice, ``doubt_s`` is when
    the newest of the other sums was superseded.
    """

    holds: Decimal
    since_s: float
    is_current: bool
    fits: bool
    doubt_s: float | None


def is_like(held: Decimal, holds: Decimal, allowance: Decimal) -> bool:
    """Whether the venue's *held* is what our orders hold by estimate, or more by at most that fraction."""
    return held == holds or holds < held <= most_of(holds, allowance)


def most_of(holds: Decimal, allowance: Decimal) -> Decimal:
    """The most that the venue may hold for what our orders hold by estimate."""
    return add(holds, multiply(holds, allowance)) if holds else ZERO


class AssetHolds:
    """Our open orders on one asset: the sum of the known holds, the earlier sums, and each order's part."""

    __slots__ = ("_last_s", "asset", "known", "orders", "trail")

    def __init__(self, asset: AssetCode, trail: Trail) -> None:
        self.asset = asset
        self.known = ZERO
        self.orders: dict[str, tuple[Decimal | None, float]] = {}  # Hold, and when it last rose.
        self.trail = trail
        self._last_s = float("-inf")

    def moment(self, now_s: float) -> float:
        """*now_s*, or just after the last change where the clock has not moved since: no two changes are one."""
        return max(now_s, math.nextafter(self._last_s, math.inf))

    def set(
        self, order_id: str, hold: Decimal | None, *, is_open: bool, leaves_trail: bool, now_s: float
    ) -> HoldMove | None:
        """Take what an order holds, ``None`` for an amount nobody tells; what that changes."""
        at_s = self._last_s = self.moment(now_s)
        was = self.known
        before, rose_s = self.orders.get(order_id, (ZERO, at_s))
        if is_open:
            has_risen = hold != before and (hold is None or before is None or hold > before)
            self.orders[order_id] = (hold, at_s if has_risen else rose_s)
        else:
            self.orders.pop(order_id, None)
            hold = ZERO
        change = subtract(hold or ZERO, before or ZERO)
        if change:
            self.known = add(self.known, change)
            if leaves_trail:
                self.trail.supersede(was, at_s)
        was_unknown, is_unknown = before is None, hold is None
        return HoldMove(self.asset, change, was_unknown) if change or was_unknown != is_unknown else None

    def note(self, known: Decimal, at_s: float) -> None:
        """Several orders changed at once at *at_s*, and until then the sum was *known*."""
        if known != self.known:
            self.trail.supersede(known, at_s)

    def base(self, held: Decimal, *, since_s: float, now_s: float, allowance: Decimal) -> HoldBase:
        """
        Which sum of ours a REST answer's *held* stands for, when it may speak of any moment since *since_s*.

        The venue may hold a little more than our estimate. Where no sum fits, or several do, the smallest counts: all
        that was ordered since is then taken off the venue's available, which errs on the safe side until a read
        without such a choice.
        """
        bases = [HoldBase(self.known, self.moment(now_s), True, is_like(held, self.known, allowance), None)]
        for at_s, holds in self.trail.since(since_s):
            if holds != self.known:
                bases.append(HoldBase(holds, at_s, False, is_like(held, holds, allowance), None))
        if len(bases) == 1 or held == self.known:
            return bases[0]
        alike = [base for base in bases if base.holds == held] or [base for base in bases if base.fits]
        least = min(alike or bases, key=lambda base: (base.holds, base.since_s))
        # The newest comes first: once the lag has passed over it, the sum of now is all that is left.
        return least if len({base.holds for base in alike}) == 1 else least._replace(doubt_s=bases[1].since_s)

    def risen_since(self, since_s: float) -> Decimal:
        """Sum of the known holds that rose at *since_s* or later."""
        risen = ZERO
        for hold, rose_s in self.orders.values():
            if hold is not None and rose_s >= since_s:
                risen = add(risen, hold)
        return risen

    def has_unknown_since(self, since_s: float) -> bool:
        """Whether an order whose hold cannot be estimated was placed at *since_s* or later."""
        return any(hold is None and rose_s >= since_s for hold, rose_s in self.orders.values())


class OpenOrders:
    """Every open order we know of, with what each holds. Stream facts of the last *lag_s* outlast a REST answer."""

    def __init__(self, *, lag_s: float, trail_length: int) -> None:
        self._lag_s = lag_s
        self._trail_length = trail_length
        self._orders: dict[str, OpenOrder] = {}
        self._is_known = False
        self._rose_s: dict[str, float] = {}
        self._heard_s: dict[str, float] = {}  # When the stream last spoke of an order, ended ones included.
        self._assets: dict[AssetCode, AssetHolds] = {}
        self.unplaced: dict[str, float] = {}
        """Orders that may hold any asset, with the time they were first seen."""
        self.doubted_s: float | None = None
        """When the stream last spoke of an order of which the newest REST answer said otherwise, within the lag."""

    def __len__(self) -> int:
        return len(self._orders)

    @property
    def orders(self) -> Mapping[str, OpenOrder]:
        """The orders, by the venue's id."""
        return self._orders

    def of(self, asset: AssetCode) -> AssetHolds | None:
        """The holds on one asset, or None where no order ever held it."""
        return self._assets.get(asset)

    def assets_of(self, order_id: str, order: OpenOrder | None) -> tuple[AssetCode, ...]:
        """Which balances a fill of this order touches, as far as known."""
        known = order or self._orders.get(order_id)
        if known is None:
            return ()
        if known.symbol is not None:
            try:
                return split_symbol(known.symbol)
            except UnknownNameError:
                pass
        return () if known.hold_asset is None else (known.hold_asset,)

    def put(self, order_id: str, order: OpenOrder | None, *, now_s: float) -> list[HoldMove]:
        """Take one order's new state from the stream, ``None`` for ended; what changed in holds."""
        self._hear(order_id, now_s)
        return self._put(order_id, order, leaves_trail=True, now_s=now_s)

    def replace(self, snapshot: OrdersSnapshot, *, is_streamed: bool, now_s: float) -> set[AssetCode]:
        """
        Take all open orders; which assets' holds changed.

        A REST answer may lag: what the stream said of an order since the request's start less the lag stands.
        """
        changed: set[AssetCode] = set()
        before = {asset: (holds.known, holds.moment(now_s)) for asset, holds in self._assets.items()}
        self.doubted_s = None
        is_first, self._is_known = not self._is_known, True
        heard_since_s = snapshot.as_of_s - self._lag_s
        for order_id in [*self._orders, *(new for new in snapshot.orders if new not in self._orders)]:
            order = snapshot.orders.get(order_id)
            if is_streamed:
                self._hear(order_id, now_s)
            elif self._heard_s.get(order_id, float("-inf")) >= heard_since_s:
                if (order is None) is (order_id in self._orders):
                    self.doubted_s = max(self.doubted_s or heard_since_s, self._heard_s[order_id])
                continue
            for move in self._put(order_id, order, leaves_trail=False, now_s=now_s):
                changed.add(move.asset)
        if not is_first:  # That we knew of no order before the first list says nothing about what was held.
            for asset in changed:
                known, at_s = before.get(asset, (ZERO, now_s))
                self._assets[asset].note(known, at_s)
        return changed

    def _hear(self, order_id: str, now_s: float) -> None:
        self._heard_s.pop(order_id, None)  # So that the order of insertion is the order of hearing.
        self._heard_s[order_id] = now_s
        while len(self._heard_s) > len(self._orders) + self._trail_length:
            del self._heard_s[next(iter(self._heard_s))]

    def _put(self, order_id: str, order: OpenOrder | None, *, leaves_trail: bool, now_s: float) -> list[HoldMove]:
        before = self._orders.get(order_id)
        if order is None:
            self._orders.pop(order_id, None)
        else:
            self._orders[order_id] = order
        self._mark_unplaced(order_id, order, now_s=now_s)
        changes: list[HoldMove | None] = []
        held_asset = None if before is None else before.hold_asset
        if held_asset is not None and (order is None or order.hold_asset != held_asset):
            holds = self._holds(held_asset)
            changes.append(holds.set(order_id, None, is_open=False, leaves_trail=leaves_trail, now_s=now_s))
        if order is not None and order.hold_asset is not None:
            holds = self._holds(order.hold_asset)
            changes.append(holds.set(order_id, order.hold, is_open=True, leaves_trail=leaves_trail, now_s=now_s))
        return [move for move in changes if move is not None]

    def _holds(self, asset: AssetCode) -> AssetHolds:
        holds = self._assets.get(asset)
        if holds is None:
            holds = self._assets[asset] = AssetHolds(asset, Trail(keep_s=self._lag_s, length=self._trail_length))
        return holds

    def _mark_unplaced(self, order_id: str, order: OpenOrder | None, *, now_s: float) -> None:
        if order is not None and order.hold_asset is None and order.hold is None:
            self.unplaced.setdefault(order_id, now_s)
        elif self.unplaced:
            self.unplaced.pop(order_id, None)
