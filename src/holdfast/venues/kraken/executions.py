"""
Kraken's ``executions`` channel to our values. Pure: rows in, values or a named refusal out.

An update of an order carries only what changed, so this keeps what one connection has said of every open order. The
last fill still calls its order partially filled; that it ended is a row of its own.

Source: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/executions (checked 2026-11-20)
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from holdfast.core.amounts import ZERO, add, multiply, subtract, total_of
from holdfast.core.assets import AssetCode
from holdfast.core.balances import OpenOrder, OrderChange, OrderFill, OrdersSnapshot, Side, Source
from holdfast.errors import PayloadError
from holdfast.venues.kraken import errors, wire
from holdfast.venues.kraken.parse import amount, hold_of, optional_amount
from holdfast.venues.kraken.symbols import Names

__all__ = ["Executions", "UnstatedOrderError"]

T = TypeVar("T")


class UnstatedOrderError(PayloadError):
    """
    An update of an open order that no snapshot and no earlier update stated.

    Attributes:
        order_id: The order.
    """

    def __init__(self, message: str, *, order_id: str) -> None:
        super().__init__(message)
        self.order_id = order_id


_ENDED: Final = frozenset({"filled", "canceled", "expired"})


class _Order(msgspec.Struct, kw_only=True):
    """What is known of one order; each row overwrites what it names."""

    symbol: str
    side: Side
    order_type: str
    client_order_id: str | None
    quantity: Decimal | None
    cash: Decimal | None
    limit_price: Decimal | None
    price_is_static: bool
    on_margin: bool
    filled: Decimal
    cost: Decimal
    fee: Decimal | None  # In quote; None once a fill of it was charged otherwise, or before we knew the order.


class Executions:
    """
    One connection's open orders, put together from a snapshot and the changes after it.

    Args:
        names: The listing to translate with.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self.forgiven: set[str] = set()
        """Orders that even a new snapshot did not state: what is said of them is passed over."""
        self._orders: dict[str, _Order] = {}

    def stated(self, rows: list[wire.Execution], *, as_of_s: float) -> OrdersSnapshot:
        """
        A snapshot: every open order.

        Raises:
            PayloadError: An order twice, or one without side or symbol.
            AmountError: Money that is no amount.
        """
        orders: dict[str, _Order] = {}
        for row in rows:
            if row.user is not None or _has_ended(row) or row.exec_type == "trade":
                continue  # Fills come only where they were asked for; what they filled stands in the order's own row.
            if row.order_id in orders:
                raise PayloadError(f"executions {ascii(row.order_id)[:40]}: stated twice")
            orders[row.order_id] = _first(row)
        self._orders = orders
        return OrdersSnapshot(
            read="executions",
            source=Source.STREAM,
            as_of_s=as_of_s,
            orders={order_id: self._open(order_id, order) for order_id, order in orders.items()},
        )

    def changed(self, rows: list[wire.Execution], *, as_of_s: float) -> list[OrderChange]:
        """
        What one update changed, row by row; nothing is kept of an update that is refused.

        A fill's ``ref`` is its ``exec_id``, under which the balances channel sends its legs. The row that completes
        an order still calls it partially filled; that it ended is a row of its own.

        Raises:
            UnstatedOrderError: An open order whose beginning we never saw.
            PayloadError, AmountError: As ``stated``.
        """
        changes: list[OrderChange] = []
        # Built beside the present picture and swapped in whole; most updates touch one order.
        touched: dict[str, _Order | None] = {}
        for row in rows:
            if row.user is not None:
                continue
            order_id = row.order_id
            known = touched[order_id] if order_id in touched else self._orders.get(order_id)
            has_ended = _has_ended(row)
            fill = None if row.exec_type != "trade" else self._fill(row, known)
            if known is not None:
                order = _merged(known, row, fill, quote=self._quote(known.symbol))
            elif has_ended:
                # Its beginning does not matter any more: what it says of itself is all there is.
                touched[order_id] = None
                changes.append(_last_word(row, fill, as_of_s=as_of_s))
                continue
            elif row.side is not None and row.symbol is not None and (row.order_qty or row.cash_order_qty):
                order = _first(row, fill, quote=self._quote(row.symbol))
            else:
                if order_id in self.forgiven:
                    continue
                raise UnstatedOrderError(
                    f"executions {ascii(order_id)[:40]}: {ascii(row.exec_type)[:40]} of an order never stated",
                    order_id=order_id,
                )
            touched[order_id] = None if has_ended else order
            changes.append(
                OrderChange(
                    order_id=order_id,
                    order=None if has_ended else self._open(order_id, order),
                    as_of_s=as_of_s,
                    ref=_ref(row),
                    reason=((row.order_status if has_ended else None) or row.exec_type) or None,
                    client_order_id=order.client_order_id,
                    filled=order.filled,
                    cost=order.cost,
                    fill=fill,
                    detail=_detail(row) if has_ended else None,
                )
            )
        for order_id, changed in touched.items():
            if changed is None:
                self._orders.pop(order_id, None)
            else:
                self._orders[order_id] = changed
        return changes

    def _fill(self, row: wire.Execution, known: _Order | None) -> OrderFill | None:
        """The execution a row is, with what its sums tell where it does not; None where they do not either."""
        where = f"executions {ascii(row.order_id)[:40]}"
        if row.exec_id is None:
            return None
        price = None if row.last_price is None else amount(row.last_price, f"{where}.last_price")
        quantity = cost = None
        if row.last_qty is not None:
            quantity = amount(row.last_qty, f"{where}.last_qty")
        elif row.cum_qty is not None and known is not None:
            quantity = subtract(amount(row.cum_qty, f"{where}.cum_qty"), known.filled)
        if row.cost is not None:
            cost = amount(row.cost, f"{where}.cost")
        elif quantity is not None and price is not None:
            cost = multiply(quantity, price)
        elif row.cum_cost is not None and known is not None:
            cost = subtract(amount(row.cum_cost, f"{where}.cum_cost"), known.cost)
        if not quantity or cost is None:
            return None
        if quantity < 0 or cost < 0:
            raise PayloadError(f"{where}: a fill of {quantity} for {cost}")
        fees = []
        for fee in row.fees or ():
            asset = self.names.streamed_asset(fee.asset)
            if asset is not None:  # Fee credits are not money.
                fees.append((asset, amount(fee.qty, f"{where}.fees")))
        return OrderFill(fill_id=row.exec_id, quantity=quantity, price=price, cost=cost, fees=tuple(fees))

    def _quote(self, symbol: str) -> AssetCode | None:
        return self.names.sides(self.names.streamed_instrument(symbol))[1]

    def _open(self, order_id: str, order: _Order) -> OpenOrder:
        symbol = self.names.streamed_instrument(order.symbol)
        base, quote = self.names.sides(symbol)
        by_cost = order.cash is not None
        hold_asset, hold = hold_of(
            base=base,
            quote=quote,
            side=order.side,
            on_margin=order.on_margin,
            remaining=None if order.quantity is None or by_cost else subtract(order.quantity, order.filled),
            remaining_cost=None if order.cash is None else subtract(order.cash, order.cost),
            limit_price=order.limit_price if order.price_is_static else None,
        )
        return OpenOrder(
            order_id=order_id,
            client_order_id=order.client_order_id,
            symbol=symbol,
            side=order.side,
            order_type=order.order_type,
            quantity=None if by_cost else order.quantity,
            filled=order.filled,
            limit_price=order.limit_price if order.price_is_static else None,
            hold_asset=hold_asset,
            hold=hold,
            cost=order.cost,
            fee=order.fee,
        )


def _has_ended(row: wire.Execution) -> bool:
    return (row.order_status or row.exec_type) in _ENDED


def _ref(row: wire.Execution) -> str | None:
    return row.exec_id if row.exec_type == "trade" else None


def _detail(row: wire.Execution) -> str | None:
    told = row.reason or row.cancel_reason
    return errors.shown(told) if told else None


def _last_word(row: wire.Execution, fill: OrderFill | None, *, as_of_s: float) -> OrderChange:
    """The end of an order of which nothing else is known."""
    where = f"executions {ascii(row.order_id)[:40]}"
    return OrderChange(
        order_id=row.order_id,
        order=None,
        as_of_s=as_of_s,
        ref=_ref(row),
        reason=row.order_status or row.exec_type,
        client_order_id=row.cl_ord_id,
        filled=optional_amount(row.cum_qty, f"{where}.cum_qty"),
        cost=optional_amount(row.cum_cost, f"{where}.cum_cost"),
        fill=fill,
        detail=_detail(row),
    )


def _first(row: wire.Execution, fill: OrderFill | None = None, *, quote: AssetCode | None = None) -> _Order:
    where = f"executions {ascii(row.order_id)[:40]}"
    if row.side is None or row.symbol is None:
        raise PayloadError(f"{where}: no side or no symbol")
    try:
        side = Side(row.side)
    except ValueError:
        raise PayloadError(f"{where}: side {ascii(row.side)[:40]} is neither buy nor sell") from None
    nothing = _Order(
        symbol=row.symbol,
        side=side,
        order_type="",
        client_order_id=None,
        quantity=None,
        cash=None,
        limit_price=None,
        price_is_static=True,
        on_margin=False,
        filled=ZERO,
        cost=ZERO,
        fee=ZERO,
    )
    order = _merged(nothing, row, fill, quote=quote)
    if order.filled and (fill is None or order.filled != fill.quantity):
        order.fee = None  # Fills of before our time were charged too.
    return order


def _merged(order: _Order, row: wire.Execution, fill: OrderFill | None, *, quote: AssetCode | None) -> _Order:
    """What is known of *order* after *row*, which is *fill* where it is one."""
    where = f"executions {ascii(row.order_id)[:40]}"

    def newer(text: str | None, older: T, field: str) -> Decimal | T:
        return older if text is None else amount(text, f"{where}.{field}")

    filled: Decimal = newer(row.cum_qty, order.filled, "cum_qty")
    if row.cum_qty is None and row.exec_type == "trade" and row.last_qty is not None:
        filled = add(filled, amount(row.last_qty, f"{where}.last_qty"))
    cost: Decimal = newer(row.cum_cost, order.cost, "cum_cost")
    fee = order.fee
    if row.exec_type == "trade":
        if row.cum_cost is None and fill is not None:
            cost = add(cost, fill.cost)
        if fee is not None:
            is_told = fill is not None and fill.fees and all(asset == quote for asset, _ in fill.fees)
            fee = add(fee, total_of(paid for _, paid in fill.fees)) if fill is not None and is_told else None
    return _Order(
        symbol=row.symbol or order.symbol,
        side=order.side,
        order_type=row.order_type or order.order_type,
        client_order_id=row.cl_ord_id or order.client_order_id,
        quantity=newer(row.order_qty, order.quantity, "order_qty"),
        cash=newer(row.cash_order_qty, order.cash, "cash_order_qty"),
        limit_price=newer(row.limit_price, order.limit_price, "limit_price"),
        # A price stated relative to the market (pct, quote) is no price yet.
        price_is_static=order.price_is_static if row.limit_price_type is None else row.limit_price_type == "static",
        on_margin=order.on_margin if row.margin is None else row.margin,
        filled=filled,
        cost=cost,
        fee=fee,
    )
