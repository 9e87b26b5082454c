"""
Positions on margin, as far as a spot venue shows them.

Deliberately small: a leveraged fill opens a position or closes opposite ones, oldest first, and what was won or lost is
posted when it is realised. There is no interest, no margin call and no liquidation.
"""

from __future__ import annotations

from decimal import ROUND_UP, Decimal

import msgspec

from holdfast.core.amounts import ZERO, exact
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.markets import Market
from holdfast.simulators.core.orders import Order, OrderRequest

__all__ = ["MarginBook", "Position"]


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """
    One open position: opened by one order, in quote units where it is money.

    ``quantity`` is what was opened, ``closed`` how much of it is gone; ``cost`` and ``margin`` belong to the whole.
    """

    order_id: str
    account: str
    symbol: str
    side: str
    quantity: Decimal
    closed: Decimal
    cost: Decimal
    fee: Decimal
    margin: Decimal
    leverage: int
    opened_us: int


class MarginBook:
    """Open positions by account and order."""

    def __init__(self) -> None:
        self._positions: dict[str, dict[str, Position]] = {}

    def of(self, account: str) -> list[Position]:
        """An account's open positions, oldest first."""
        return list(self._positions.get(account, {}).values())

    def can_carry(self, account: Account, request: OrderRequest, market: Market) -> bool:
        """Whether the quote asset's equity covers the margin of another position; closing always passes."""
        if any(p.symbol == request.symbol and p.side != request.side for p in self.of(account.name)):
            return True
        quote = market.rules.quote
        with exact():
            notional = (request.quantity or ZERO) * (request.limit_price or market.mid)
            used = sum((position.margin for position in self.of(account.name)), ZERO)
            needed = divide(notional, Decimal(request.leverage or 1), places=market.rules.quote_decimals)
            return needed + used <= account.free(quote)

    def fill(
        self, account: Account, order: Order, *, quantity: Decimal, cost: Decimal, fee: Decimal, at_us: int
    ) -> Decimal:
        """Take a leveraged fill into the account's positions; returns the profit it realised, in quote units."""
        request = order.request
        positions = self._positions.setdefault(account.name, {})
        profit, left = ZERO, quantity
        with exact():
            for key, position in list(positions.items()):
                if not left or position.symbol != request.symbol or position.side == request.side:
                    continue
                part = min(left, position.quantity - position.closed)
                paid = divide(position.cost * part, position.quantity, places=10)
                got = divide(cost * part, quantity, places=10)
                profit += got - paid if position.side == "buy" else paid - got
                left -= part
                closed = position.closed + part
                if closed >= position.quantity:
                    del positions[key]
                else:
                    positions[key] = msgspec.structs.replace(position, closed=closed)
            if left:
                self._open(positions, account, order, left=left, cost=cost, quantity=quantity, fee=fee, at_us=at_us)
        return profit

    def _open(
        self,
        positions: dict[str, Position],
        account: Account,
        order: Order,
        *,
        left: Decimal,
        cost: Decimal,
        quantity: Decimal,
        fee: Decimal,
        at_us: int,
    ) -> None:
        leverage = order.request.leverage or 1
        share = divide(cost * left, quantity, places=10)
        margin = divide(share, Decimal(leverage), places=10, rounding=ROUND_UP)
        known = positions.get(order.id)
        positions[order.id] = Position(
            order_id=order.id,
            account=account.name,
            symbol=order.request.symbol,
            side=order.request.side,
            quantity=left + (known.quantity if known else ZERO),
            closed=known.closed if known else ZERO,
            cost=share + (known.cost if known else ZERO),
            fee=fee + (known.fee if known else ZERO),
            margin=margin + (known.margin if known else ZERO),
            leverage=leverage,
            opened_us=known.opened_us if known else at_us,
        )
