"""
Signed REST methods that answer from the past: orders, trades and ledger entries, in pages of 50.

Sources (checked 2026-11-20): https://docs.kraken.com/api/docs/rest-api/get-open-orders,
https://docs.kraken.com/api/docs/rest-api/get-orders-info, https://docs.kraken.com/api/docs/rest-api/get-trade-history,
https://docs.kraken.com/api-reference/account-data/get-ledgers-info.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from holdfast.simulators.core.ledger import LedgerEntry
from holdfast.simulators.core.orders import Fill, Order
from holdfast.simulators.core.pages import page, window
from holdfast.simulators.kraken.call import Call
from holdfast.simulators.kraken.errors import PERMISSION_DENIED, KrakenRefusedError, invalid_arguments
from holdfast.simulators.kraken.rest_rows import entry_row, order_row, trade_row
from holdfast.simulators.kraken.tickets import truth_of_text

__all__ = [
    "closed_orders",
    "ledgers",
    "open_orders",
    "query_ledgers",
    "query_orders",
    "query_trades",
    "trades_history",
]

_PAGE: Final = 50


def _seen_s(call: Call) -> float | None:
    return call.exchange.impairments.lagging_s("rest_lag")


def open_orders(call: Call) -> Any:
    """The open orders, by id."""
    seen_s = _seen_s(call)
    orders = call.account.orders.open if seen_s is None else call.account.orders.open_at(seen_s)
    return {"open": _order_rows(call, [order for order in orders.values() if _is_asked_for(call, order)])}


def closed_orders(call: Call) -> Any:
    """The orders that ended, latest first."""
    seen_s = _seen_s(call)
    log = call.account.orders
    finished = list((log.finished if seen_s is None else log.finished_at(seen_s)).values())
    at_us = _closed_us if str(call.fields.get("closetime", "both")) != "open" else _created_us
    orders = window(
        [order for order in finished if _is_asked_for(call, order)],
        at_us=at_us,
        after_us=_bound_us(call, "start", log.finished, _closed_us),
        until_us=_bound_us(call, "end", log.finished, _closed_us),
    )
    orders.sort(key=at_us, reverse=True)
    result: dict[str, Any] = {"closed": _order_rows(call, page(orders, offset=_offset(call), size=_PAGE))}
    return _counted(call, result, len(orders))


def query_orders(call: Call) -> Any:
    """Orders by id, open or not."""
    ids = _ids(call, "txid", most=50)
    seen_s = _seen_s(call)
    log = call.account.orders
    known = {**log.finished, **log.open} if seen_s is None else {**log.finished_at(seen_s), **log.open_at(seen_s)}
    missing = [order_id for order_id in ids if order_id not in known]
    if missing:
        raise KrakenRefusedError("EOrder:Invalid order")
    needed = {"query-open-trades" if known[i].is_open else "query-closed-trades" for i in ids}
    if not needed <= call.key.permissions:
        raise KrakenRefusedError(PERMISSION_DENIED)
    return _order_rows(call, [known[order_id] for order_id in ids])


def _order_rows(call: Call, orders: list[Order]) -> dict[str, Any]:
    with_trades = truth_of_text(call.fields.get("trades"))
    return {order.id: order_row(call.exchange.listing, order, with_trades=with_trades) for order in orders}


def _is_asked_for(call: Call, order: Order) -> bool:
    user_ref, client_id = call.fields.get("userref"), call.fields.get("cl_ord_id")
    if user_ref not in (None, "") and str(order.request.user_ref) != str(user_ref):
        return False
    return client_id in (None, "") or order.request.client_order_id == client_id


def trades_history(call: Call) -> Any:
    """The trades, latest first."""
    kind = str(call.fields.get("type") or "all")
    fills = _fills(call)
    if kind not in ("all", "no position"):
        fills = [fill for fill in fills if _on_margin(call, fill)]
    elif kind == "no position":
        fills = [fill for fill in fills if not _on_margin(call, fill)]
    trades = window(
        fills,
        at_us=_fill_us,
        after_us=_bound_us(call, "start", call.account.orders.fills, _fill_us),
        until_us=_bound_us(call, "end", call.account.orders.fills, _fill_us),
    )
    trades.reverse()
    with_ledgers = truth_of_text(call.fields.get("ledgers"))
    rows = {
        fill.id: trade_row(
            call.exchange.listing, call.account.orders.get(fill.order_id), fill, with_ledgers=with_ledgers
        )
        for fill in page(trades, offset=_offset(call), size=_PAGE)
    }
    return _counted(call, {"trades": rows}, len(trades))


def query_trades(call: Call) -> Any:
    """Trades by id."""
    known = {fill.id: fill for fill in _fills(call)}
    ids = _ids(call, "txid", most=20)
    if any(trade_id not in known for trade_id in ids):
        raise invalid_arguments("txid")
    return {
        trade_id: trade_row(
            call.exchange.listing,
            call.account.orders.get(known[trade_id].order_id),
            known[trade_id],
            with_ledgers=truth_of_text(call.fields.get("ledgers")),
        )
        for trade_id in ids
    }


def _fills(call: Call) -> list[Fill]:
    seen_s = _seen_s(call)
    log = call.account.orders
    return list(log.fills.values()) if seen_s is None else log.fills_at(seen_s)


def _on_margin(call: Call, fill: Fill) -> bool:
    order = call.account.orders.get(fill.order_id)
    return order is not None and order.request.leverage is not None


def ledgers(call: Call) -> Any:
    """The ledger, latest first."""
    names = [name for name in str(call.fields.get("asset") or "all").split(",") if name]
    kind = str(call.fields.get("type") or "all")
    wanted: set[str] | None = None
    if "all" not in names:
        listed = [call.exchange.listing.asset(name) for name in names]
        if any(asset is None for asset in listed):
            raise KrakenRefusedError("EQuery:Unknown asset")
        wanted = {asset.id for asset in listed if asset is not None}
    known = _entries(call)
    entries = window(
        [entry for entry in known if (wanted is None or entry.row in wanted) and kind in ("all", entry.kind)],
        at_us=_entry_us,
        after_us=_bound_us(call, "start", {entry.id: entry for entry in known}, _entry_us),
        until_us=_bound_us(call, "end", {entry.id: entry for entry in known}, _entry_us),
    )
    entries.reverse()
    rows = {
        entry.id: entry_row(call.exchange.listing, entry) for entry in page(entries, offset=_offset(call), size=_PAGE)
    }
    return _counted(call, {"ledger": rows}, len(entries))


def query_ledgers(call: Call) -> Any:
    """Ledger entries by id."""
    known = {entry.id: entry for entry in _entries(call)}
    ids = _ids(call, "id", most=20)
    if any(entry_id not in known for entry_id in ids):
        raise invalid_arguments("id")
    return {entry_id: entry_row(call.exchange.listing, known[entry_id]) for entry_id in ids}


def _entries(call: Call) -> list[LedgerEntry]:
    seen_s = _seen_s(call)
    entries = call.account.ledger.entries
    return entries if seen_s is None else [entry for entry in entries if entry.at_s <= seen_s]


def _closed_us(order: Order) -> int:
    return order.closed_us or 0


def _created_us(order: Order) -> int:
    return order.created_us


def _fill_us(fill: Fill) -> int:
    return fill.at_us


def _entry_us(entry: LedgerEntry) -> int:
    return entry.at_us


def _bound_us(call: Call, name: str, known: Mapping[str, Any], at_us: Callable[[Any], int]) -> int | None:
    """A bound: a row's own id, or Unix seconds with or without a fraction."""
    value = call.fields.get(name)
    if value in (None, "", 0, "0"):
        return None
    if str(value) in known:
        return at_us(known[str(value)])
    whole, _, fraction = str(value).partition(".")
    if not (whole + fraction).isdigit() or not (whole + fraction).isascii():
        raise invalid_arguments(name)
    # An end in whole seconds includes that second.
    filler = "0" if name == "start" or fraction else "9"
    return int(whole) * 1_000_000 + int(fraction[:6].ljust(6, filler))


def _offset(call: Call) -> int:
    value = str(call.fields.get("ofs") or 0)
    if not value.isascii() or not value.isdigit():
        raise invalid_arguments("ofs")
    return int(value)


def _ids(call: Call, name: str, *, most: int) -> list[str]:
    value = call.fields.get(name) or ""
    ids = [str(item) for item in value] if isinstance(value, list) else [item for item in str(value).split(",") if item]
    if not ids or len(ids) > most:
        raise invalid_arguments(name)
    return ids


def _counted(call: Call, result: dict[str, Any], count: int) -> dict[str, Any]:
    if not truth_of_text(call.fields.get("without_count")):
        result["count"] = count
    return result
