"""
Orders and fills that were.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/list-orders,
.../orders/get-order, .../orders/list-fills.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from holdfast.core.amounts import ZERO
from holdfast.simulators.coinbase.call import Call
from holdfast.simulators.coinbase.errors import invalid_argument
from holdfast.simulators.coinbase.pages import offset_in, page_cursor
from holdfast.simulators.coinbase.rows import fill_row, order_row
from holdfast.simulators.coinbase.tickets import TIMES_IN_FORCE, kind_of
from holdfast.simulators.coinbase.trading import status_of
from holdfast.simulators.core.orders import Fill, Order

__all__ = ["METHODS", "STATUSES"]

STATUSES: Final = (
    "PENDING",
    "OPEN",
    "FILLED",
    "CANCELLED",
    "EXPIRED",
    "FAILED",
    "UNKNOWN_ORDER_STATUS",
    "QUEUED",
    "CANCEL_QUEUED",
    "EDIT_QUEUED",
)
"""What ``order_status`` may be."""

_FILL_PAGE: Final = 100
_SORTS: Final = ("", "UNKNOWN_SORT_BY", "LIMIT_PRICE", "LAST_FILL_TIME")

T = TypeVar("T")


def _page(call: Call, rows: Sequence[T], *, default: int) -> tuple[list[T], str]:
    limit = call.whole("limit")
    size = min(limit if limit is not None and limit > 0 else default, call.exchange.settings.largest_page)
    offset, _ = offset_in(call.text("cursor"))
    if offset and call.exchange.is_fault("page_failure") is not None:
        raise call.broken()
    rest = offset + size < len(rows)
    return list(rows[offset : offset + size]), page_cursor(offset + size) if rest else ""


def _list_orders(call: Call) -> dict[str, Any]:
    statuses = call.texts("order_status")
    unknown = [status for status in statuses if status not in STATUSES]
    if unknown:
        raise invalid_argument(f"invalid order_status {unknown[0]}")
    if "OPEN" in statuses and len(statuses) > 1 and not call.exchange.settings.can_open_be_combined:
        raise invalid_argument("OPEN cannot be combined with other statuses")
    sort = call.text("sort_by")
    if sort not in _SORTS:
        raise invalid_argument("invalid sort_by")
    matches = list(filter(_filter(call, statuses), call.views.orders(call.account)))
    if sort == "LIMIT_PRICE":
        matches.sort(key=lambda order: order.request.limit_price or ZERO, reverse=True)
    elif sort == "LAST_FILL_TIME":
        fills = call.account.orders.fills
        matches.sort(key=lambda order: fills[order.fills[-1]].at_us if order.fills else 0, reverse=True)
    orders, cursor = _page(call, matches, default=call.exchange.settings.largest_page)
    return {
        "orders": [order_row(call.exchange, call.account, order) for order in orders],
        "sequence": "0",
        "has_next": bool(cursor),
        "cursor": cursor,
        "proof_token_required": False,
    }


def _filter(call: Call, statuses: list[str]) -> Callable[[Order], bool]:
    """What the query asks for, read once."""
    ids, products, assets = call.texts("order_ids"), call.texts("product_ids"), set(call.texts("asset_filters"))
    products += [one for one in (call.text("product_id"),) if one]
    times, types = call.texts("time_in_forces"), call.texts("order_types")
    begins, ends = call.time_us("start_date"), call.time_us("end_date")
    source = call.text("order_placement_source") or "RETAIL_ADVANCED"
    side = call.text("order_side")
    is_spot = call.text("product_type") in ("", "UNKNOWN_PRODUCT_TYPE", "SPOT")

    def matches(order: Order) -> bool:
        request = order.request
        kind, product = kind_of(request), request.details["product_id"]
        return (
            is_spot
            and (begins is None or order.created_us >= begins)
            and (ends is None or order.created_us < ends)
            and (not statuses or status_of(order) in statuses)
            and (not ids or order.id in ids)
            and (not products or product in products)
            and (not assets or not assets.isdisjoint(product.split("-")))
            and (not times or TIMES_IN_FORCE[kind.time_in_force] in times)
            and (not types or kind.order_type in types)
            and side in ("", "UNKNOWN_ORDER_SIDE", request.side.upper())
            and source in ("UNKNOWN_PLACEMENT_SOURCE", request.details.get("source", "RETAIL_ADVANCED"))
        )

    return matches


def _get_order(call: Call) -> dict[str, Any]:
    order = call.views.order(call.account, call.id)
    if order is None:
        raise call.missing("order with this orderID was not found")
    return {"order": order_row(call.exchange, call.account, order)}


def _list_fills(call: Call) -> dict[str, Any]:
    begins, ends = call.time_us("start_sequence_timestamp"), call.time_us("end_sequence_timestamp")
    sort = call.text("sort_by")
    if sort not in ("", "UNKNOWN_SORT_BY", "PRICE", "TRADE_TIME"):
        raise invalid_argument("invalid sort_by")
    wanted = {
        name: {*call.texts(f"{name}s"), call.text(name)} - {""} for name in ("order_id", "trade_id", "product_id")
    }
    fills = [
        fill
        for fill in call.views.fills(call.account)
        if (begins is None or fill.at_us >= begins)
        and (ends is None or fill.at_us <= ends)
        and (not wanted["order_id"] or fill.order_id in wanted["order_id"])
    ]
    if sort == "PRICE":
        fills.sort(key=_price_of, reverse=True)
    rows = [row for fill in fills for row in _fill_rows(call, fill)]
    rows = [row for row in rows if all(not some or row[name] in some for name, some in wanted.items())]
    page, cursor = _page(call, rows, default=_FILL_PAGE)
    return {"fills": page, "cursor": cursor}


def _fill_rows(call: Call, fill: Fill) -> list[dict[str, Any]]:
    """A fill, and beside it a row of another type where there are such."""
    row = fill_row(call.exchange, call.account, fill)
    odd = call.exchange.settings.odd_fills
    if odd == "none":
        return [row]
    return [row, {**row, "entry_id": f"{fill.id[:-4]}{odd[:4].lower()}", "trade_type": odd}]


def _price_of(fill: Fill) -> Decimal:
    return fill.price


METHODS: Final = {"ListOrders": _list_orders, "GetOrder": _get_order, "ListFills": _list_fills}
"""By name: what answers."""
