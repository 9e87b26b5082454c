"""Every order and fill of one account, with a short past."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from holdfast.core.amounts import add, format_amount
from holdfast.simulators.core.history import History
from holdfast.simulators.core.orders import Fill, Order

if TYPE_CHECKING:
    from holdfast.simulators.core.accounts import Account

__all__ = ["OrderLog", "stated_order"]

_KEEP: Final = 20_000


class OrderLog:
    """
    Orders by id, the open ones in order of arrival, the others in order of their end.

    The oldest finished orders and fills are forgotten beyond 20,000: a long run must not grow without bound.
    """

    def __init__(self, *, keep_s: float) -> None:
        self.open: dict[str, Order] = {}
        self.finished: dict[str, Order] = {}
        self.fills: dict[str, Fill] = {}
        self._arrived: dict[str, None] = {}  # Ids of everything remembered, in order of arrival.
        self._past_open: History[str, Order] = History(keep_s=keep_s)
        self._past_finished: History[str, Order] = History(keep_s=keep_s)

    def get(self, order_id: str) -> Order | None:
        """The order of this id, open or not."""
        return self.open.get(order_id) or self.finished.get(order_id)

    def ever(self) -> list[Order]:
        """Every remembered order, open or not, in order of arrival."""
        return [order for order_id in self._arrived if (order := self.get(order_id)) is not None]

    def put(self, order: Order, *, now_s: float) -> None:
        """Replace an order by its next state."""
        self._arrived.setdefault(order.id)
        before = self.open.get(order.id)
        if order.is_open:
            self._past_open.note(order.id, before, now_s=now_s)
            self.open[order.id] = order
            return
        if before is not None:
            self._past_open.note(order.id, before, now_s=now_s)
            del self.open[order.id]
        self._past_finished.note(order.id, self.finished.get(order.id), now_s=now_s)
        self.finished[order.id] = order
        for order_id in _forget(self.finished):
            self._arrived.pop(order_id, None)

    def add(self, fill: Fill) -> None:
        """Remember a fill."""
        self.fills[fill.id] = fill
        _forget(self.fills)

    def open_at(self, at_s: float) -> dict[str, Order]:
        """The open orders as they were at *at_s*, each in its state of then, in order of arrival."""
        past = self._past_open.rewind(self.open, to_s=at_s)
        return dict(sorted(past.items(), key=lambda entry: (entry[1].created_us, entry[0])))

    def finished_at(self, at_s: float) -> dict[str, Order]:
        """The orders that had ended by *at_s*."""
        return self._past_finished.rewind(self.finished, to_s=at_s)

    def fills_at(self, at_s: float) -> list[Fill]:
        """The fills made by *at_s*, oldest first."""
        return [fill for fill in self.fills.values() if fill.at_s <= at_s]


def _forget(rows: dict[str, Fill] | dict[str, Order]) -> list[str]:
    oldest = list(itertools.islice(rows, max(0, len(rows) - _KEEP)))
    for name in oldest:
        del rows[name]
    return oldest


def stated_order(account: Account, order: Order) -> dict[str, Any]:
    """One order with its fills as the truth states it: exact text, times in microseconds of the venue's clock."""
    request = order.request
    fills = [account.orders.fills[fill_id] for fill_id in order.fills if fill_id in account.orders.fills]
    fees: dict[str, Decimal] = {}
    for fill in fills:
        fees[fill.fee_asset] = add(fees.get(fill.fee_asset, Decimal(0)), fill.fee)
    return {
        "order_id": order.id,
        "client_order_id": request.client_order_id,
        "symbol": request.symbol,
        "side": request.side,
        "quantity": _shown(request.quantity),
        "quote_quantity": _shown(request.quote_quantity),
        "limit_price": _shown(request.limit_price),
        "status": order.status.value,
        "reason": order.reason,
        "accepted_us": order.created_us,
        "ended_us": order.closed_us,
        "filled": format_amount(order.filled),
        "cost": format_amount(order.cost),
        "fees": {asset: format_amount(fee) for asset, fee in fees.items()},
        "held": {} if order.hold_asset is None or not order.hold else {order.hold_asset: format_amount(order.hold)},
        "claimed": {}
        if order.hold_asset is None or not order.claim
        else {order.hold_asset: format_amount(order.claim)},
        "fills": [
            {
                "id": fill.id,
                "at_us": fill.at_us,
                "quantity": format_amount(fill.quantity),
                "price": format_amount(fill.price),
                "cost": format_amount(fill.cost),
                "fee": format_amount(fill.fee),
                "fee_asset": fill.fee_asset,
                "is_maker": fill.is_maker,
            }
            for fill in fills
        ],
    }


def _shown(amount: Decimal | None) -> str | None:
    return None if amount is None else format_amount(amount)
