"""
Orders and fills in Coinbase's words: REST has one set of names for an order, the ``user`` channel another.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/list-orders,
.../orders/list-fills,
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels (user channel).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import ZERO, exact, multiply, trim_amount
from holdfast.simulators.coinbase.exchange import CoinbaseExchange
from holdfast.simulators.coinbase.render import ZERO_TIME, places, rfc3339
from holdfast.simulators.coinbase.tickets import TIMES_IN_FORCE, kind_of
from holdfast.simulators.coinbase.trading import FAILURES, status_of
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.orders import Fill, Order, OrderStatus

__all__ = ["average_price", "completion", "fill_row", "is_sized_in_quote", "order_row", "user_row"]

_AVERAGE_PLACES: Final = 16
_TITLES: Final = {"MARKET": "Market", "LIMIT": "Limit", "STOP_LIMIT": "Stop Limit"}


def average_price(order: Order) -> Decimal:
    """What a unit cost so far; zero where nothing was traded."""
    return divide(order.cost, order.filled, places=_AVERAGE_PLACES) if order.filled else ZERO


def is_sized_in_quote(order: Order) -> bool:
    """Whether an order was asked for in quote units."""
    ((_, fields),) = order.request.details["configuration"].items()
    return bool(fields.get("quote_size"))


def completion(order: Order) -> Decimal:
    """How much of an order is filled, in percent; the whole of an order in quote units is what it was filled for."""
    request = order.request
    if request.quantity is not None:
        whole, done = request.quantity, order.filled
    else:
        whole, done = request.quote_quantity or ZERO, order.cost
        if order.status is OrderStatus.CLOSED:
            return Decimal(100)
    return divide(multiply(Decimal(100), done), whole, places=4) if whole else ZERO


def _after_fees(order: Order) -> Decimal:
    with exact():
        return order.cost + order.fee_quote if order.request.side == "buy" else order.cost - order.fee_quote


def order_row(exchange: CoinbaseExchange, account: Account, order: Order) -> dict[str, Any]:
    """One order as REST states it."""
    request, settings = order.request, exchange.settings
    kind = kind_of(request)
    status = status_of(order)
    failed = status == "FAILED"
    last = account.orders.fills.get(order.fills[-1]) if order.fills else None

    def amount(value: Decimal) -> str:
        return "" if not value and settings.empty_numbers == "empty" else trim_amount(value)

    fees = trim_amount(order.fee_quote)
    return {
        "order_id": order.id,
        "product_id": request.details["product_id"],
        "user_id": exchange.user_id,
        "order_configuration": request.details["configuration"],
        "side": request.side.upper(),
        "client_order_id": request.client_order_id or order.id,
        "status": status,
        "time_in_force": TIMES_IN_FORCE[kind.time_in_force],
        "created_time": rfc3339(order.created_us),
        "completion_percentage": trim_amount(completion(order)),
        "filled_size": amount(order.filled),
        "average_filled_price": amount(average_price(order)),
        "fee": "",
        "number_of_fills": str(len(order.fills)),
        "filled_value": amount(order.cost),
        "pending_cancel": order.is_open and order.is_cancel_pending,
        "size_in_quote": is_sized_in_quote(order),
        "total_fees": amount(order.fee_quote),
        "size_inclusive_of_fees": is_sized_in_quote(order) and settings.is_fee_inside_quote_size,
        "total_value_after_fees": amount(_after_fees(order)),
        "trigger_status": _trigger_status(order),
        "order_type": kind.order_type,
        "reject_reason": (order.reason or "") if failed else "REJECT_REASON_UNSPECIFIED",
        "settled": order.status is OrderStatus.CLOSED,
        "product_type": "SPOT",
        "reject_message": (order.reason or "") if failed else "",
        "cancel_message": (order.reason or "") if status == "CANCELLED" else "",
        "order_placement_source": request.details.get("source", "RETAIL_ADVANCED"),
        "outstanding_hold_amount": amount(order.hold),
        "is_liquidation": False,
        "last_fill_time": None if last is None else rfc3339(last.at_us),
        "last_update_time": rfc3339(order.changed_us),
        "edit_history": request.details.get("edits", []),
        "leverage": "",
        "margin_type": "UNKNOWN_MARGIN_TYPE",
        "retail_portfolio_id": account.account_id,
        "originating_order_id": "",
        "attached_order_id": "",
        "attached_order_configuration": None,
        "current_pending_replace": None,
        "commission_detail_total": {
            "total_commission": fees,
            "gst_commission": "",
            "withholding_commission": "",
            "client_commission": fees,
            "venue_commission": "",
            "regulatory_commission": "",
            "clearing_commission": "",
        },
        "workable_size": amount(order.remaining) if order.is_open else amount(ZERO),
        "workable_size_completion_pct": trim_amount(completion(order)),
        "product_details": None,
        "cost_basis_method": "COST_BASIS_METHOD_UNSPECIFIED",
        "displayed_order_config": "UNKNOWN_DISPLAYED_ORDER_CONFIG",
        "equity_trading_session": "UNKNOWN_EQUITY_TRADING_SESSION",
        "prediction_side": "PREDICTION_SIDE_UNSPECIFIED",
    }


def _trigger_status(order: Order) -> str:
    if order.request.trigger is None:
        return "INVALID_ORDER_TYPE"
    return "STOP_TRIGGERED" if order.is_triggered else "STOP_PENDING"


def fill_row(exchange: CoinbaseExchange, account: Account, fill: Fill) -> dict[str, Any]:
    """One fill as REST states it."""
    order = account.orders.get(fill.order_id)
    in_quote = exchange.settings.quote_sized_fills == "quote" and order is not None and is_sized_in_quote(order)
    return {
        "entry_id": fill.id,
        "trade_id": f"{fill.id[:8]}-{fill.number}",
        "order_id": fill.order_id,
        "trade_time": rfc3339(fill.at_us),
        "trade_type": "FILL",
        "price": trim_amount(fill.price),
        "size": trim_amount(fill.cost if in_quote else fill.quantity),
        "commission": trim_amount(fill.fee),
        "product_id": order.request.details["product_id"] if order is not None else fill.symbol,
        "sequence_timestamp": rfc3339(fill.at_us),
        "liquidity_indicator": "MAKER" if fill.is_maker else "TAKER",
        "size_in_quote": in_quote,
        "user_id": exchange.user_id,
        "side": fill.side.upper(),
        "retail_portfolio_id": account.account_id,
        "fillSource": "FILL_SOURCE_CLOB",
        "commission_detail_total": {
            "total_commission": trim_amount(fill.fee),
            "gst_commission": "",
            "withholding_commission": "",
            "client_commission": trim_amount(fill.fee),
            "venue_commission": "",
            "regulatory_commission": "",
            "clearing_commission": "",
        },
    }


def user_row(exchange: CoinbaseExchange, account: Account, order: Order) -> dict[str, Any]:
    """One order as the ``user`` channel states it: cumulative, and without the identity of any fill."""
    request, settings = order.request, exchange.settings
    kind = kind_of(request)
    status = status_of(order)
    left = ZERO
    if order.is_open:
        with exact():
            left = order.remaining if request.quantity is not None else (request.quote_quantity or ZERO) - order.cost
    row = {
        "avg_price": trim_amount(average_price(order)),
        "cancel_reason": (order.reason or "") if status == "CANCELLED" else "",
        "client_order_id": request.client_order_id or order.id,
        "completion_percentage": places(completion(order), 2),
        "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
        "cumulative_quantity": trim_amount(order.filled),
        "filled_value": trim_amount(order.cost),
        "leaves_quantity": trim_amount(left),
        "limit_price": "" if request.limit_price is None else trim_amount(request.limit_price),
        "number_of_fills": str(len(order.fills)),
        "order_id": order.id,
        "order_side": request.side.upper(),
        "order_type": _TITLES[kind.order_type] if settings.order_type_case == "title" else kind.order_type,
        "outstanding_hold_amount": trim_amount(order.hold),
        "post_only": "true" if request.is_post_only else "false",
        "product_id": request.details["product_id"],
        "product_type": "SPOT",
        "reject_reason": (order.reason or "") if order.reason in FAILURES else "",
        "retail_portfolio_id": account.account_id,
        "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
        "status": status,
        "stop_price": "" if request.trigger is None else trim_amount(request.trigger.price),
        "time_in_force": TIMES_IN_FORCE[kind.time_in_force],
        "total_fees": trim_amount(order.fee_quote),
        "total_value_after_fees": trim_amount(_after_fees(order)),
        "trigger_status": _trigger_status(order),
        "creation_time": rfc3339(order.created_us),
        "end_time": ZERO_TIME if request.expires_us is None else rfc3339(request.expires_us),
        "start_time": ZERO_TIME,
    }
    if settings.are_user_rows_sparse:
        del row["limit_price"], row["stop_price"]
    return row
