"""Tickets for the adapter's tests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from holdfast.core.balances import Side
from holdfast.core.orders import OrderTicket, OrderType, TimeInForce

CLIENT_ID = "6d1b345e2821e2a36d14a9d1e1a6a0ff"
VALID_UNTIL_US = 1_790_000_005_123_456


def ticket(**changes: Any) -> OrderTicket:
    """A limit buy of 0.01 BTC for 40000 USDT each; *changes* replace its fields."""
    fields: dict[str, Any] = {
        "client_order_id": CLIENT_ID,
        "symbol": "BTC-USDT",
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "quantity": Decimal("0.01"),
        "quote_quantity": None,
        "limit_price": Decimal("40000.0"),
        "time_in_force": TimeInForce.GTC,
        "is_post_only": False,
        "valid_until_us": VALID_UNTIL_US,
        **changes,
    }
    return OrderTicket(**fields)


def market(**changes: Any) -> OrderTicket:
    """A market buy of 0.01 BTC."""
    return ticket(**{"order_type": OrderType.MARKET, "limit_price": None, **changes})


def spending(amount: str, **changes: Any) -> OrderTicket:
    """A market buy for so much quote."""
    return market(**{"quantity": None, "quote_quantity": Decimal(amount), **changes})
