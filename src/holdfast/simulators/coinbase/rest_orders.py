"""
Placing, previewing, changing and cancelling orders.

An order that is refused is HTTP 200 with ``success`` false; which of its fields says why is a setting. Sources (checked
2026-11-20): https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/create-order,
.../orders/preview-orders, .../orders/cancel-order, .../orders/edit-order, .../orders/preview-edit-order,
.../orders/close-position.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import ZERO, add, exact, multiply, parse_amount, round_up, subtract, trim_amount
from holdfast.errors import AmountError
from holdfast.simulators.coinbase.call import Call
from holdfast.simulators.coinbase.errors import UNKNOWN, OrderRefusedError, invalid_argument
from holdfast.simulators.coinbase.exchange import CoinbaseExchange
from holdfast.simulators.coinbase.render import number
from holdfast.simulators.coinbase.tickets import Ticket, read_ticket
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.orders import Order

__all__ = ["METHODS"]

_NO_PREVIEW: Final = "UNKNOWN_PREVIEW_FAILURE_REASON"
_NO_CANCEL: Final = "UNKNOWN_CANCEL_FAILURE_REASON"
_NO_EDIT: Final = "UNKNOWN_EDIT_ORDER_FAILURE_REASON"
_MOST_CANCELS: Final = 100


def _create(call: Call) -> dict[str, Any]:
    body, account, exchange = call.body(), call.account, call.exchange
    client_id = body.get("client_order_id")
    known = call.orders.known(account, client_id if isinstance(client_id, str) else None)
    if known is not None:
        if exchange.settings.duplicate_client_order_id == "return_existing":
            return _accepted(exchange, known)
        refusal = OrderRefusedError(
            "DUPLICATE_CLIENT_ORDER_ID", "client_order_id was used already", preview=_NO_PREVIEW
        )
        return _refused(exchange, refusal, body)
    try:
        if (fields := exchange.is_fault("reject_orders")) is not None:
            raise OrderRefusedError(fields["reason"], "rejected", preview=_NO_PREVIEW)
        order = call.orders.add(account, read_ticket(exchange, account, body))
    except OrderRefusedError as refusal:
        return _refused(exchange, refusal, body)
    return _accepted(exchange, order)


def _accepted(exchange: CoinbaseExchange, order: Order) -> dict[str, Any]:
    request = order.request
    answer: dict[str, Any] = {"success": True}
    if exchange.settings.has_deprecated_order_fields:
        answer |= {"failure_reason": UNKNOWN, "order_id": order.id}
    answer |= {
        "success_response": {
            "order_id": order.id,
            "product_id": request.details["product_id"],
            "side": request.side.upper(),
            "client_order_id": request.client_order_id,
            "attached_order_id": "",
        },
        "order_configuration": request.details["configuration"],
    }
    return answer


def _refused(exchange: CoinbaseExchange, refusal: OrderRefusedError, body: Any) -> dict[str, Any]:
    place = exchange.settings.reason_in
    # A reason that has a word among the preview's only cannot stand anywhere else.
    is_elsewhere = place in ("all", "preview_failure_reason") or refusal.word == UNKNOWN
    response = {
        "error": refusal.word if place in ("all", "error") else UNKNOWN,
        "message": refusal.message if exchange.settings.explains_in == "message" else "",
        "error_details": "" if exchange.settings.explains_in == "message" else refusal.message,
        "preview_failure_reason": (refusal.preview or _NO_PREVIEW) if is_elsewhere else _NO_PREVIEW,
        "new_order_failure_reason": refusal.word if place in ("all", "new_order_failure_reason") else UNKNOWN,
    }
    answer: dict[str, Any] = {"success": False}
    if exchange.settings.has_deprecated_order_fields:
        answer |= {"failure_reason": UNKNOWN, "order_id": ""}
    return {**answer, "error_response": response, "order_configuration": body.get("order_configuration")}


def _preview(call: Call) -> dict[str, Any]:
    body, account, exchange = call.body(), call.account, call.exchange
    try:
        ticket = read_ticket(exchange, account, body, is_preview=True)
        call.orders.check(account, ticket)
    except OrderRefusedError as refusal:
        return {**_previewed(exchange, account, None), "errs": [_preview_word(refusal)]}
    answer = _previewed(exchange, account, ticket)
    try:
        call.orders.check_funds(account, ticket)
    except OrderRefusedError as refusal:
        answer["errs"] = [_preview_word(refusal)]
    return answer


def _preview_word(refusal: OrderRefusedError) -> str:
    return refusal.preview or f"PREVIEW_{refusal.word}"


def _previewed(exchange: CoinbaseExchange, account: Account, ticket: Ticket | None) -> dict[str, Any]:
    base = quote = fee = best_bid = best_ask = average = ZERO
    is_buy = True
    if ticket is not None:
        request = ticket.order
        is_buy = request.side == "buy"
        book = exchange.engine.books[request.symbol]
        bid, ask = book.best("buy"), book.best("sell")
        best_bid, best_ask = bid.price if bid else ZERO, ask.price if ask else ZERO
        average = request.limit_price or (best_ask if is_buy else best_bid)
        if request.quantity is not None:
            base, quote = request.quantity, multiply(request.quantity, average)
        else:
            quote = request.quote_quantity or ZERO
            base = divide(quote, average, places=8) if average else ZERO
        fee = round_up(multiply(quote, exchange.fee_rate(account, is_maker=False)), places=8)
    settings = exchange.settings
    shown = number if settings.are_preview_sizes_numbers else trim_amount
    total = add(quote, fee) if is_buy else subtract(quote, fee)
    return {
        "order_total": trim_amount(total),
        "commission_total": trim_amount(fee),
        "errs": [],
        "warning": ["UNKNOWN"],
        "quote_size": shown(quote),
        "base_size": shown(base),
        "best_bid": trim_amount(best_bid),
        "best_ask": trim_amount(best_ask),
        "is_max": False,
        "order_margin_total": "",
        "leverage": "",
        "long_leverage": "",
        "short_leverage": "",
        "slippage": "0",
        "preview_id": exchange.new_id(),
        "current_liquidation_buffer": "",
        "projected_liquidation_buffer": "",
        "max_leverage": "",
        "pnl_configuration": None,
        "twap_bucket_metadata": None,
        "position_notional_limit": "",
        "max_notional_at_requested_leverage": "",
        "margin_ratio_data": None,
        "commission_detail_total": {
            "total_commission": trim_amount(fee),
            "gst_commission": "",
            "withholding_commission": "",
            "client_commission": trim_amount(fee),
            "venue_commission": "",
            "regulatory_commission": "",
            "clearing_commission": "",
        },
        "compliance_limit_data": None,
        "scaled_metadata": None,
        "est_average_filled_price": trim_amount(average),
    }


def _cancel(call: Call) -> dict[str, Any]:
    ids = call.body().get("order_ids")
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
        raise invalid_argument("order_ids is required")
    if len(ids) > _MOST_CANCELS:
        raise invalid_argument("too many order_ids")
    results = []
    for order_id in ids:
        refusal = call.orders.cancel(call.account, order_id)
        reason = _NO_CANCEL if refusal is None else refusal
        results.append({"success": refusal is None, "failure_reason": reason, "order_id": order_id})
    return {"results": results}


def _amount(body: Any, name: str) -> Decimal | None:
    text = body.get(name)
    if text is None or text == "":
        return None
    try:
        value = parse_amount(text)
    except AmountError:
        raise invalid_argument(f"{name} is not a number") from None
    return value if value > 0 else None


def _edit(call: Call) -> dict[str, Any]:
    body = call.body()
    order_id = body.get("order_id")
    if not isinstance(order_id, str) or not order_id:
        raise invalid_argument("order_id is required")
    try:
        order, request = call.orders.changed(
            call.account, order_id, price=_amount(body, "price"), size=_amount(body, "size")
        )
        call.orders.edit(call.account, order, request)
    except OrderRefusedError as refusal:
        errors = _edit_errors(refusal)
        return {"success": False, "error_response": errors[0], "errors": errors}
    return {"success": True, "success_response": {"order_id": order.id}, "errors": []}


def _edit_errors(refusal: OrderRefusedError) -> list[dict[str, str]]:
    word = _NO_EDIT if refusal.word == UNKNOWN else refusal.word
    return [{"edit_failure_reason": word, "preview_failure_reason": refusal.preview or _NO_PREVIEW}]


def _preview_edit(call: Call) -> dict[str, Any]:
    body, exchange = call.body(), call.exchange
    order_id = body.get("order_id")
    errors: list[dict[str, str]] = []
    notional = fee = average = ZERO
    try:
        order, request = call.orders.changed(
            call.account, str(order_id), price=_amount(body, "price"), size=_amount(body, "size")
        )
        with exact():
            average = request.limit_price or ZERO
            notional = ((request.quantity or ZERO) - order.filled) * average
            fee = round_up(notional * exchange.fee_rate(call.account, is_maker=False), places=8)
    except OrderRefusedError as refusal:
        errors = _edit_errors(refusal)
    return {
        "errors": errors,
        "slippage": "0",
        "order_total": trim_amount(add(notional, fee)),
        "commission_total": trim_amount(fee),
        "quote_size": trim_amount(notional),
        "base_size": str(body.get("size", "")),
        "best_bid": "",
        "best_ask": "",
        "average_filled_price": trim_amount(average),
        "order_margin_total": "",
        "commission_detail_total": None,
    }


def _close_position(call: Call) -> dict[str, Any]:
    # Spot has no positions; the shape is that of a refused order.
    body = call.body()
    if not isinstance(body.get("client_order_id"), str) or not isinstance(body.get("product_id"), str):
        raise invalid_argument("client_order_id and product_id are required")
    return _refused(call.exchange, OrderRefusedError("CANNOT_CLOSE_ZERO_POSITION", "", preview=_NO_PREVIEW), body)


METHODS: Final = {
    "CreateOrder": _create,
    "PreviewOrder": _preview,
    "CancelOrders": _cancel,
    "EditOrder": _edit,
    "PreviewEditOrder": _preview_edit,
    "ClosePosition": _close_position,
}
"""By name: what answers."""
