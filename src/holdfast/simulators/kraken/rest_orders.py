"""
Signed REST methods that place, change and cancel orders.

Sources (checked 2026-11-20): https://docs.kraken.com/api-reference/trading/add-order,
https://docs.kraken.com/api/docs/rest-api/amend-order, https://docs.kraken.com/api-reference/trading/amend-order,
https://docs.kraken.com/api-reference/trading/cancel-all-orders-after-x.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from holdfast.core.amounts import ZERO
from holdfast.simulators.core.orders import Order, OrderRequest
from holdfast.simulators.kraken.call import Call
from holdfast.simulators.kraken.errors import KrakenRefusedError, invalid_arguments
from holdfast.simulators.kraken.render import places, rfc3339
from holdfast.simulators.kraken.rest_rows import described
from holdfast.simulators.kraken.tickets import (
    checked_client_id,
    checked_user_ref,
    moment_us,
    rest_ticket,
    truth_of_text,
    wire_amount,
)

__all__ = ["METHODS"]


def _add_order(call: Call) -> Any:
    ticket = rest_ticket(call.exchange, call.fields)
    order = call.orders.add(call.account, ticket)
    result: dict[str, Any] = {"descr": {"order": described(ticket.pair, ticket.order)}}
    if order is not None:
        result["txid"] = [order.id]
    return result


def _add_order_batch(call: Call) -> Any:
    rows = call.fields.get("orders")
    if not isinstance(rows, list) or not 2 <= len(rows) <= 15 or not all(isinstance(row, dict) for row in rows):
        raise invalid_arguments("orders")
    shared = {name: call.fields[name] for name in ("pair", "deadline", "validate") if name in call.fields}
    tickets = [rest_ticket(call.exchange, {**row, **shared}) for row in rows]
    for ticket in tickets:
        call.orders.check(call.account, ticket)  # One that is malformed refuses the whole batch.
    answers = []
    for ticket in tickets:
        answer: dict[str, Any] = {"descr": {"order": described(ticket.pair, ticket.order)}}
        try:
            order = call.orders.add(call.account, ticket)
        except KrakenRefusedError as refusal:  # One that cannot be funded refuses only itself.
            answer = {"error": refusal.text}
        else:
            if order is not None:
                answer["txid"] = order.id
        answers.append(answer)
    return {"orders": answers}


def _amend_order(call: Call) -> Any:
    fields = call.fields
    client_id = fields.get("cl_ord_id")
    order = call.orders.find(
        call.account,
        order_id=None if fields.get("txid") in (None, "") else str(fields["txid"]),
        client_id=None if client_id in (None, "") else checked_client_id(client_id),
    )
    amounts = {
        argument: wire_amount(fields[name], name)
        for name, argument in (
            ("order_qty", "quantity"),
            ("limit_price", "limit_price"),
            ("trigger_price", "trigger_price"),
            ("display_qty", "display"),
        )
        if fields.get(name) not in (None, "")
    }
    call.orders.amend(
        call.account,
        order,
        **amounts,
        is_post_only=truth_of_text(fields["post_only"]) if fields.get("post_only") not in (None, "") else None,
        deadline_us=_deadline_us(call, fields),
    )
    return {"amend_id": call.exchange.new_id("T")}


def _edit_order(call: Call) -> Any:
    fields = call.fields
    found = call.orders.find_all(call.account, str(fields.get("txid") or ""))
    if len(found) != 1:
        raise invalid_arguments("txid")
    order = found[0]
    pair = call.exchange.listing.by_code[order.request.symbol]
    if "pair" in fields and call.exchange.listing.pair(str(fields["pair"])) is not pair:
        raise KrakenRefusedError("EQuery:Unknown asset pair")
    price = None if fields.get("price") in (None, "") else wire_amount(fields["price"], "price")
    price2 = None if fields.get("price2") in (None, "") else wire_amount(fields["price2"], "price2")
    is_stop = order.request.trigger is not None
    flags = str(fields.get("oflags") or "").split(",")

    def flagged(request: OrderRequest) -> OrderRequest:
        limit = price2 if is_stop else price
        texts = dict(request.details)
        if price is not None:
            texts["price"] = places(price, pair.price_decimals)
        if price2 is not None:
            texts["price2"] = places(price2, pair.price_decimals)
        return msgspec.structs.replace(
            request,
            limit_price=limit if limit is not None and request.limit_price is not None else request.limit_price,
            is_post_only="post" in flags if "oflags" in fields else request.is_post_only,
            details=texts,
        )

    new = call.orders.edit(
        call.account,
        order,
        volume=None if fields.get("volume") in (None, "") else wire_amount(fields["volume"], "volume"),
        price=None if is_stop else price,
        trigger_price=price if is_stop else None,
        flags=flagged,
        user_ref=None if fields.get("userref") in (None, "") else checked_user_ref(fields["userref"]),
        is_validate_only=truth_of_text(fields.get("validate")),
        deadline_us=_deadline_us(call, fields),
    )
    request = order.request if new is None else new.request
    result: dict[str, Any] = {
        "status": "ok",
        "originaltxid": order.id,
        "volume": places(request.quantity or ZERO, pair.lot_decimals),
        "price": request.details["price"],
        "price2": request.details["price2"],
        "orders_cancelled": 0 if new is None else 1,
        "descr": {"order": described(pair, request)},
    }
    if new is not None:
        result["txid"] = new.id
    return result


def _cancel_order(call: Call) -> Any:
    client_id = call.fields.get("cl_ord_id")
    if client_id not in (None, ""):
        found = [call.orders.find(call.account, client_id=str(client_id))]
    else:
        found = call.orders.find_all(call.account, str(call.fields.get("txid") or ""))
    pending = [call.orders.cancel(call.account, order) for order in found]
    return {"count": len(found), "pending": any(pending)}


def _cancel_all(call: Call) -> Any:
    call.orders.check_cancels()
    return {"count": call.orders.cancel_all(call.account)}


def _cancel_order_batch(call: Call) -> Any:
    ids = [*_listed(call.fields, "orders"), *_listed(call.fields, "cl_ord_ids")]
    if not 1 <= len(ids) <= 50:
        raise invalid_arguments("orders")
    count = 0
    for name in ids:
        orders: list[Order] = []
        try:
            orders = call.orders.find_all(call.account, name)
        except KrakenRefusedError:
            orders = [o for o in call.account.orders.open.values() if o.request.client_order_id == name]
        for order in orders:
            call.orders.cancel(call.account, order)
            count += 1
    if not count:
        raise KrakenRefusedError("EOrder:Unknown order")
    return {"count": count}


def _cancel_after(call: Call) -> Any:
    text = str(call.fields.get("timeout", ""))
    if not text.isascii() or not text.isdigit() or int(text) >= 86_400:
        raise invalid_arguments("timeout")
    return cancel_after_result(call, int(text))


def cancel_after_result(call: Call, timeout_s: int) -> dict[str, str]:
    """Arm or disarm the dead-man switch, and say when it fires."""
    fires_us = call.orders.cancel_after(call.account, timeout_s)
    now = rfc3339(call.exchange.now_us())
    off = {"zero": "0", "now": now, "empty": ""}[call.exchange.settings.dead_man_off_time]
    return {"currentTime": now, "triggerTime": off if fires_us is None else rfc3339(fires_us)}


def _listed(fields: Mapping[str, Any], name: str) -> list[str]:
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid_arguments(name)
    return [str(item.get("txid", "")) if isinstance(item, dict) else str(item) for item in value]


def _deadline_us(call: Call, fields: Mapping[str, Any]) -> int | None:
    value = fields.get("deadline")
    return None if value in (None, "") else moment_us(value, "deadline", now_us=call.exchange.now_us())


_MODIFY: Final = ("modify-trades",)
_CLOSE: Final = ("modify-trades", "close-trades")

METHODS: Final[dict[str, tuple[tuple[str, ...], Callable[[Call], Any]]]] = {
    "AddOrder": (_MODIFY, _add_order),
    "AddOrderBatch": (_MODIFY, _add_order_batch),
    "AmendOrder": (_MODIFY, _amend_order),
    "EditOrder": (_MODIFY, _edit_order),
    "CancelOrder": (_CLOSE, _cancel_order),
    "CancelAll": (_CLOSE, _cancel_all),
    "CancelOrderBatch": (_CLOSE, _cancel_order_batch),
    "CancelAllOrdersAfter": (_CLOSE, _cancel_after),
}
"""Every signed method of order entry: the permissions of which one suffices, and what answers."""
