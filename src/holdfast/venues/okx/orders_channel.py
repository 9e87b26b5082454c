"""
OKX's ``orders`` channel to our values. Pure: rows in, values or a named refusal out.

A row is the whole order, and the fill that it is about. The channel states nothing of its own when it is subscribed, so
that this begins with a list that REST told, and rows that came meanwhile follow it. Rows come twice, also under another
time: what was filled only rises, a fill counts once by its trade, and the first end of an order is its end.

Source: https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-order-channel (checked 2026-11-20)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, add, multiply, subtract
from holdfast.core.assets import AssetCode
from holdfast.core.balances import OpenOrder, OrderChange, OrderFill
from holdfast.errors import PayloadError
from holdfast.venues.okx import order_rows, wire
from holdfast.venues.okx.parse import amount, optional_amount
from holdfast.venues.okx.symbols import Names, code_of

__all__ = ["OrdersChannel"]

_CHANNEL: Final = "orders"

# Ended orders and fills that are remembered, so that a repetition is known for one.
_REMEMBERED: Final = 10_000


class _Order(msgspec.Struct, kw_only=True):
    filled: Decimal
    cost: Decimal


class OrdersChannel:
    """
    One connection's orders, as a list and the rows after it have told.

    Args:
        names: The listing to translate with.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self._known: dict[str, _Order] = {}
        self._ended: dict[str, None] = {}
        self._fills: dict[str, None] = {}

    def begin(self, orders: Mapping[str, OpenOrder]) -> dict[str, OpenOrder]:
        """Start from a list; those of it that this connection knows to have ended are left out."""
        standing = {order_id: order for order_id, order in orders.items() if order_id not in self._ended}
        self._known = {
            order_id: _Order(filled=order.filled, cost=order.cost or ZERO) for order_id, order in standing.items()
        }
        return standing

    def changed(self, rows: Sequence[wire.Order], *, as_of_s: float) -> list[OrderChange]:
        """
        What one push changed, row by row; nothing is kept of a push that is refused.

        Raises:
            PayloadError: An order without an id, or a fill that is none.
            AmountError: Money that is no amount.
        """
        changes: list[OrderChange] = []
        touched: dict[str, _Order | None] = {}
        told: list[str] = []
        for row in rows:
            if row.inst_type not in ("SPOT", "MARGIN"):
                continue
            if not row.ord_id:
                raise PayloadError(f"{_CHANNEL}: an order without an id")
            if row.ord_id in self._ended or (row.ord_id in touched and touched[row.ord_id] is None):
                continue  # It has ended: whatever says otherwise is late.
            known = touched[row.ord_id] if row.ord_id in touched else self._known.get(row.ord_id)
            where = f"{_CHANNEL} {ascii(row.ord_id)[:40]}"
            filled = amount(row.acc_fill_sz, f"{where}.accFillSz") if row.acc_fill_sz else ZERO
            if known is not None and filled < known.filled:
                continue  # Of before what is known.
            fill = self._fill(row, where, told)
            cost = order_rows.cost_of(row, where)
            before = _Order(filled=ZERO, cost=ZERO) if known is None else known
            if fill is not None and add(before.filled, fill.quantity) == filled:
                cost = add(before.cost, fill.cost)  # Its own sum, where an average price is a rounded one.
            elif filled == before.filled:
                cost = before.cost
            if fill is not None:
                told.append(_seen(row.ord_id, fill.fill_id))
            has_ended = order_rows.has_ended(row)
            order = order_rows.open_order(row, self.names, _CHANNEL, cost=cost)
            touched[row.ord_id] = None if has_ended else _Order(filled=filled, cost=cost)
            changes.append(
                OrderChange(
                    order_id=row.ord_id,
                    order=None if has_ended else order,
                    as_of_s=as_of_s,
                    reason=order_rows.end_of(row) if has_ended else ("trade" if fill is not None else row.state),
                    client_order_id=row.cl_ord_id or None,
                    filled=filled,
                    cost=cost,
                    fill=fill,
                    detail=order_rows.why_ended(row) if has_ended else None,
                )
            )
        for order_id, changed in touched.items():
            if changed is None:
                self._known.pop(order_id, None)
                _remember(self._ended, [order_id])
            else:
                self._known[order_id] = changed
        _remember(self._fills, told)
        return changes

    def _fill(self, row: wire.Order, where: str, told: list[str]) -> OrderFill | None:
        """The execution that a row is about; None where it is about none, or was told before."""
        if not row.trade_id or not row.fill_sz:
            return None
        name = order_rows.fill_name(row.inst_id, row.trade_id)
        quantity = amount(row.fill_sz, f"{where}.fillSz")
        seen = _seen(row.ord_id, name)
        if not quantity or seen in self._fills or seen in told:
            return None
        price = optional_amount(row.fill_px, f"{where}.fillPx")
        if quantity < 0 or price is None:
            raise PayloadError(f"{where}: a fill of {quantity} at {price}")
        fees: tuple[tuple[AssetCode, Decimal], ...] = ()
        charged = optional_amount(row.fill_fee, f"{where}.fillFee")
        if charged and row.fill_fee_ccy:
            fees = ((code_of(row.fill_fee_ccy), subtract(ZERO, charged)),)
        return OrderFill(fill_id=name, quantity=quantity, price=price, cost=multiply(quantity, price), fees=fees)


def _seen(order_id: str, fill_id: str) -> str:
    """A trade with oneself is a fill of two orders."""
    return f"{order_id} {fill_id}"


def _remember(kept: dict[str, None], names: Iterable[str]) -> None:
    for name in names:
        kept[name] = None
    while len(kept) > _REMEMBERED:
        del kept[next(iter(kept))]
