"""
Signed endpoints about orders: entering, changing and cancelling them, and asking for orders and fills.

Questions are answered from a replica that may lag. Sources (checked 2026-11-20):
https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-order-details and the pages beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from holdfast.simulators.core.orders import Order, OrderStatus
from holdfast.simulators.okx.call import Call, wrong_parameter
from holdfast.simulators.okx.errors import ItemRefusedError, OkxRefusedError
from holdfast.simulators.okx.listing import Instrument
from holdfast.simulators.okx.order_desk import Answer
from holdfast.simulators.okx.order_rows import fill_row, order_row, state_of
from holdfast.simulators.okx.pages import page_of
from holdfast.simulators.okx.render import ms
from holdfast.simulators.okx.tickets import text_of_field

__all__ = ["ENDPOINTS"]

_HOURS_US: Final = 3_600_000_000
_KEPT_UNFILLED_US: Final = 2 * _HOURS_US
_WEEK_US: Final = 7 * 24 * _HOURS_US
_QUARTER_US: Final = 90 * 24 * _HOURS_US
_FILLS_US: Final = 3 * 24 * _HOURS_US
_MOST_SWITCHES: Final = 20
_PRECHECKED: Final = (
    *("adjEq", "adjEqChg", "availBal", "availBalChg", "imr", "imrChg", "liab", "liabChg", "liabChgCcy", "liqPx"),
    *("liqPxDiff", "liqPxDiffRatio", "mgnRatio", "mgnRatioChg", "mmr", "mmrChg", "posBal", "posBalChg", "type"),
)


# Orders in


def _act(call: Call, what: str, *, is_batch: bool) -> Answer:
    instruments = call.exchange.listing.instruments

    def instrument_of(item: Mapping[str, Any]) -> Instrument | None:
        name = text_of_field(item, "instId")
        if name is None:
            raise ItemRefusedError("50014", "Parameter instId can not be empty")
        return instruments.get(name)

    return call.desk.act(
        what,
        call.account,
        call.items if is_batch else [call.fields],
        instrument_of=instrument_of,
        deadline_ms=call.deadline_ms,
        is_batch=is_batch,
    )


def _place(call: Call) -> Any:
    return _act(call, "place", is_batch=False)


def _place_batch(call: Call) -> Any:
    return _act(call, "place", is_batch=True)


def _amend(call: Call) -> Any:
    return _act(call, "amend", is_batch=False)


def _amend_batch(call: Call) -> Any:
    return _act(call, "amend", is_batch=True)


def _cancel(call: Call) -> Any:
    return _act(call, "cancel", is_batch=False)


def _cancel_batch(call: Call) -> Any:
    return _act(call, "cancel", is_batch=True)


def _precheck(call: Call) -> Any:
    if call.account.mode not in ("3", "4"):
        raise OkxRefusedError("51010")
    return [dict.fromkeys(_PRECHECKED, "")]


def _cancel_all_after(call: Call) -> Any:
    timeout_s = call.number("timeOut")
    tag = call.text("tag") or ""
    if timeout_s is None or not (timeout_s == 0 or 10 <= timeout_s <= 120) or len(tag) > 16:
        raise wrong_parameter("timeOut")
    if tag and timeout_s and call.orders.switches(call.account) >= _MOST_SWITCHES:
        raise OkxRefusedError("51071", "Too many tags")
    fires_us = call.orders.cancel_after(call.account, timeout_s, tag)
    now = ms(call.exchange.now_us())
    return [{"triggerTime": ms(fires_us) if fires_us else "0", "tag": tag, "ts": now}]


def _rate_limit(call: Call) -> Any:
    now = ms(call.exchange.now_us())
    return [
        {
            "accRateLimit": "1000",
            "fillRatio": "0.1",
            "mainFillRatio": "0.1",
            "nextAccRateLimit": "1000",
            "ts": now,
        }
    ]


# Questions


def _is_visible(call: Call, order: Order) -> bool:
    """Whether a query finds an order: neither too young, nor cancelled unfilled for two hours."""
    now_us = call.exchange.now_us()
    if order.created_us > now_us - round(call.exchange.settings.order_visibility_lag_s * 1_000_000):
        return not call.exchange.settings.order_visibility_lag_s
    is_gone = order.status is not OrderStatus.CLOSED and not order.is_open and not order.filled
    return not (is_gone and (order.closed_us or 0) < now_us - _KEPT_UNFILLED_US)


def _known(call: Call) -> tuple[dict[str, Order], dict[str, Order]]:
    """The open and the finished orders that this reader sees."""
    orders = call.account.orders
    seen_s = call.seen_s
    if seen_s is None:
        return orders.open, orders.finished
    return orders.open_at(seen_s), orders.finished_at(seen_s)


def _details(call: Call) -> Any:
    instrument = call.instrument()
    order_id, client_id = call.text("ordId"), call.text("clOrdId")
    if order_id is None and client_id is None:
        raise OkxRefusedError("51003")
    opened, finished = _known(call)
    listing = call.exchange.listing
    found = [
        order
        for order in (*opened.values(), *finished.values())
        if listing.lines[order.request.symbol].id == instrument.id
        and (order.id == order_id if order_id is not None else order.request.client_order_id == client_id)
        and _is_visible(call, order)
    ]
    if not found:
        raise OkxRefusedError("51603")
    return [order_row(call.exchange, call.account, max(found, key=lambda order: int(order.id)))]


def _listed(call: Call, orders: Mapping[str, Order]) -> list[Order]:
    """The orders that the filters of a list let through, newest first."""
    listing = call.exchange.listing
    wanted = {name: call.text(name) for name in ("instType", "instId", "ordType", "state")}
    if wanted["instType"] not in (None, "SPOT"):
        return []
    types = None if wanted["ordType"] is None else wanted["ordType"].split(",")
    found = [
        order
        for order in orders.values()
        if wanted["instId"] in (None, listing.lines[order.request.symbol].id)
        and (types is None or order.request.details["ordType"] in types)
        and wanted["state"] in (None, state_of(order))
        and _is_visible(call, order)
    ]
    return sorted(found, key=lambda order: int(order.id), reverse=True)


def _stated(call: Call, orders: list[Order]) -> Any:
    page = page_of(call, orders, id_of=lambda order: order.id, at_us=lambda order: order.created_us)
    return [order_row(call.exchange, call.account, order) for order in page]


def _pending(call: Call) -> Any:
    return _stated(call, _listed(call, _known(call)[0]))


def _finished_since(call: Call, oldest_us: int) -> Any:
    if call.needed("instType") not in ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS"):
        raise wrong_parameter("instType")
    orders = [order for order in _listed(call, _known(call)[1]) if (order.closed_us or 0) >= oldest_us]
    return _stated(call, orders)


def _history(call: Call) -> Any:
    return _finished_since(call, call.exchange.now_us() - _WEEK_US)


def _archive(call: Call) -> Any:
    return _finished_since(call, call.exchange.now_us() - _QUARTER_US)


def _fills_since(call: Call, oldest_us: int) -> Any:
    exchange, account = call.exchange, call.account
    seen_s = call.seen_s
    if call.text("instType") not in (None, "SPOT"):
        return []
    inst_id, order_id = call.text("instId"), call.text("ordId")
    fills = [
        fill
        for fill in account.orders.fills.values()
        if fill.at_us >= oldest_us
        and (seen_s is None or fill.at_s <= seen_s)
        and inst_id in (None, exchange.listing.lines[fill.symbol].id)
        and order_id in (None, fill.order_id)
    ]
    fills.sort(key=lambda fill: int(fill.entries[-1]), reverse=True)
    page = page_of(call, fills, id_of=lambda fill: fill.entries[-1], at_us=lambda fill: fill.at_us)
    return [fill_row(exchange, account, fill) for fill in page]


def _fills(call: Call) -> Any:
    return _fills_since(call, call.exchange.now_us() - _FILLS_US)


def _fills_history(call: Call) -> Any:
    return _fills_since(call, call.exchange.now_us() - _QUARTER_US)


ENDPOINTS: Final[dict[str, tuple[str, Callable[[Call], Any]]]] = {
    "POST trade/order": ("trade", _place),
    "POST trade/batch-orders": ("trade", _place_batch),
    "POST trade/amend-order": ("trade", _amend),
    "POST trade/amend-batch-orders": ("trade", _amend_batch),
    "POST trade/cancel-order": ("trade", _cancel),
    "POST trade/cancel-batch-orders": ("trade", _cancel_batch),
    "POST trade/order-precheck": ("trade", _precheck),
    "POST trade/cancel-all-after": ("trade", _cancel_all_after),
    "GET trade/order": ("read_only", _details),
    "GET trade/orders-pending": ("read_only", _pending),
    "GET trade/orders-history": ("read_only", _history),
    "GET trade/orders-history-archive": ("read_only", _archive),
    "GET trade/fills": ("read_only", _fills),
    "GET trade/fills-history": ("read_only", _fills_history),
    "GET trade/account-rate-limit": ("read_only", _rate_limit),
}
"""Signed endpoints about orders: the right that is needed, and what answers."""
