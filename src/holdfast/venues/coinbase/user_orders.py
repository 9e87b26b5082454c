"""
Coinbase's ``user`` channel to our values. Pure: rows in, values or a named refusal out.

Every row is an order's whole cumulative state, and no row names a trade: a fill is the difference to the row before.
Rows are repeated, after a reconnect above all, so one that says nothing newer is passed over, and an order that was
told to be over stays over.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels
(checked 2026-11-20)
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, add, format_amount, multiply, subtract
from holdfast.core.assets import AssetCode
from holdfast.core.balances import OpenOrder, OrderChange, OrderFill, OrdersSnapshot, Side, Source
from holdfast.errors import PayloadError
from holdfast.venues.coinbase import errors, wire
from holdfast.venues.coinbase.parse import ENDED, hold_of, side_of, stated
from holdfast.venues.coinbase.symbols import Names

__all__ = ["Ended", "UserOrders"]

# How far along an order is; a status that we do not know is as far as an open one.
_RANKS: Final = {"PENDING": 0, "QUEUED": 0, "OPEN": 1, "EDIT_QUEUED": 1, "CANCEL_QUEUED": 2, **dict.fromkeys(ENDED, 3)}
_SPOT: Final = frozenset({"", "SPOT", "UNKNOWN_PRODUCT_TYPE"})
_REMEMBERED: Final = 5000


def _is_spot(row: wire.UserOrder) -> bool:
    return (row.product_type or "") in _SPOT


class Ended:
    """The latest orders that were told to be over, whatever the connection: they stay over."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def add(self, order_id: str) -> None:
        self._ids[order_id] = None
        if len(self._ids) > _REMEMBERED:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, order_id: str) -> bool:
        return order_id in self._ids


class _Order(msgspec.Struct, frozen=True, kw_only=True):
    """What one row says of one order."""

    symbol: str | None
    product_id: str
    side: Side
    client_order_id: str | None
    order_type: str
    quantity: Decimal | None
    limit_price: Decimal | None
    filled: Decimal
    cost: Decimal
    fee: Decimal | None
    told_hold: Decimal | None
    value: Decimal | None
    rank: int


class UserOrders:
    """
    One connection's open orders, put together from a snapshot and the changes after it.

    Args:
        names: The listing to translate with.
        ended: Orders that are over, kept by whoever reconnects.
    """

    def __init__(self, names: Names, ended: Ended) -> None:
        self.names = names
        self._ended = ended
        self._orders: dict[str, _Order] = {}

    def stated(self, rows: Iterable[wire.UserOrder], *, as_of_s: float) -> OrdersSnapshot:
        """
        A snapshot, all of its batches together: every open order.

        Raises:
            PayloadError: A side that is none.
            AmountError: Money that is no amount.
        """
        orders: dict[str, _Order] = {}
        for row in rows:
            if not _is_spot(row) or row.status in ENDED or row.order_id in self._ended:
                continue
            order = self._read(row, None)
            before = orders.get(row.order_id)
            if before is None or _is_newer(order, before):  # It may move from one batch to the next.
                orders[row.order_id] = order
        self._orders = orders
        return OrdersSnapshot(
            read="user",
            source=Source.STREAM,
            as_of_s=as_of_s,
            orders={order_id: self._open(order_id, order) for order_id, order in orders.items()},
        )

    def changed(self, rows: Iterable[wire.UserOrder], *, as_of_s: float) -> list[OrderChange]:
        """
        What one update changed, row by row; nothing is kept of an update that is refused.

        Raises:
            PayloadError, AmountError: As ``stated``.
        """
        changes: list[OrderChange] = []
        touched: dict[str, _Order] = {}
        for row in rows:
            order_id = row.order_id
            if not _is_spot(row) or order_id in self._ended:
                continue
            known = touched.get(order_id) or self._orders.get(order_id)
            order = self._read(row, known)
            if known is not None and not _is_newer(order, known):
                continue
            touched[order_id] = order
            changes.append(self._change(row, order, known, as_of_s=as_of_s))
        for order_id, order in touched.items():
            if order.rank == _RANKS["FILLED"]:
                self._orders.pop(order_id, None)
                self._ended.add(order_id)
            else:
                self._orders[order_id] = order
        return changes

    def _change(self, row: wire.UserOrder, order: _Order, known: _Order | None, *, as_of_s: float) -> OrderChange:
        fill = self._fill(row, order, known)
        has_ended = row.status in ENDED
        reason = ENDED[row.status] if has_ended else "trade" if fill is not None else row.status.lower()
        told = [text for text in (row.reject_reason, row.cancel_reason) if text and not text.startswith("UNKNOWN")]
        return OrderChange(
            order_id=row.order_id,
            order=None if has_ended else self._open(row.order_id, order),
            as_of_s=as_of_s,
            reason=reason,
            client_order_id=order.client_order_id,
            filled=order.filled,
            cost=order.cost,
            fill=fill,
            detail=errors.shown(told[0]) if told and has_ended else None,
        )

    def _fill(self, row: wire.UserOrder, order: _Order, known: _Order | None) -> OrderFill | None:
        before, cost_before = (ZERO, ZERO) if known is None else (known.filled, known.cost)
        fee_before = ZERO if known is None else known.fee
        quantity = subtract(order.filled, before)
        if quantity <= 0:
            return None
        cost = subtract(order.cost, cost_before)
        if cost < 0:
            raise PayloadError(f"user {ascii(row.order_id)[:40]}: more was filled, for less in all")
        fees: tuple[tuple[AssetCode, Decimal], ...] = ()
        quote = self.names.sides(row.product_id)[1]
        if quote is not None and order.fee is not None and fee_before is not None:
            fees = ((quote, subtract(order.fee, fee_before)),)
        return OrderFill(
            fill_id=f"{row.order_id}@{format_amount(order.filled)}",
            quantity=quantity,
            price=stated(row.avg_price, "user.avg_price") if not before else None,
            cost=cost,
            fees=fees,
        )

    def _read(self, row: wire.UserOrder, known: _Order | None) -> _Order:
        where = f"user {ascii(row.order_id)[:40]}"
        side = side_of(row.order_side, f"{where}.order_side")
        filled = stated(row.cumulative_quantity, f"{where}.cumulative_quantity")
        if filled is None:
            filled = ZERO if known is None else known.filled
        cost = stated(row.filled_value, f"{where}.filled_value")
        if cost is None:
            price = stated(row.avg_price, f"{where}.avg_price")
            cost = multiply(filled, price) if price is not None else ZERO if known is None else known.cost
        order_type = "_".join((row.order_type or "").lower().split())
        left = stated(row.leaves_quantity, f"{where}.leaves_quantity")
        # What is left is in the currency that the order was sized in, and set to nothing once it is over: only of a
        # market buy that may be quote.
        is_sized_in_base = not (order_type.startswith("market") and side is Side.BUY)
        quantity = add(filled, left) if left and is_sized_in_base else None if known is None else known.quantity
        limit_price = stated(row.limit_price, f"{where}.limit_price")
        fee = stated(row.total_fees, f"{where}.total_fees")
        return _Order(
            symbol=self.names.instrument(row.product_id),
            product_id=row.product_id,
            side=side,
            client_order_id=row.client_order_id or (None if known is None else known.client_order_id),
            order_type=order_type,
            quantity=quantity,
            # Left out now and then, although documented.
            limit_price=known.limit_price if not limit_price and known is not None else limit_price or None,
            filled=filled,
            cost=cost,
            fee=known.fee if fee is None and known is not None and filled == known.filled else fee,
            told_hold=stated(row.outstanding_hold_amount, f"{where}.outstanding_hold_amount"),
            value=stated(row.total_value_after_fees, f"{where}.total_value_after_fees"),
            rank=_RANKS.get(row.status, _RANKS["OPEN"]),
        )

    def _open(self, order_id: str, order: _Order) -> OpenOrder:
        base, quote = self.names.sides(order.product_id)
        hold_asset, hold = hold_of(
            base=base,
            quote=quote,
            side=order.side,
            told=order.told_hold,
            remaining=None if order.quantity is None else subtract(order.quantity, order.filled),
            remaining_cost=_remaining_cost(order),
            limit_price=order.limit_price,
        )
        return OpenOrder(
            order_id=order_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            quantity=order.quantity,
            filled=order.filled,
            limit_price=order.limit_price,
            hold_asset=hold_asset,
            hold=hold,
            cost=order.cost,
            fee=order.fee,
        )


def _remaining_cost(order: _Order) -> Decimal | None:
    """
    What of a buy is not spent, where the row has no limit price: captures lack it, and state the order's whole value.

    Source: https://github.com/nautechsystems/nautilus_trader/blob/develop/crates/adapters/coinbase/test_data/ws_user.json
    (checked 2026-11-20)
    """
    if order.limit_price is not None or not order.value:
        return None
    left = subtract(subtract(order.value, order.cost), order.fee or ZERO)
    return left if left > 0 else None


def _is_newer(order: _Order, known: _Order) -> bool:
    """
    Whether a row says more than what is known; one that says the same or less is a repetition.

    More may be filled, it may be further along, or less may be held for what is not filled (an edit). What went
    backwards on either count is old, whatever the other says.
    """
    if order.filled < known.filled or order.rank < known.rank:
        return False
    return (
        order.filled > known.filled
        or order.rank > known.rank
        or order.told_hold != known.told_hold
        or order.limit_price != known.limit_price
        or order.quantity != known.quantity
        or order.fee != known.fee
    )
