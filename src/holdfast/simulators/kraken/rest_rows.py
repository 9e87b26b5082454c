"""
Orders, trades and ledger entries as REST answers them: amounts as strings, times as JSON numbers.

Sources (checked 2026-11-20): https://docs.kraken.com/api/docs/rest-api/get-open-orders,
https://docs.kraken.com/api/docs/rest-api/get-trade-history,
https://docs.kraken.com/api-reference/account-data/get-ledgers-info.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from holdfast.core.amounts import ZERO
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.ledger import LedgerEntry
from holdfast.simulators.core.orders import Fill, Order, OrderRequest
from holdfast.simulators.kraken.listing import ListedPair, Listing
from holdfast.simulators.kraken.render import places, unix, unix_fine

__all__ = ["described", "entry_row", "flags_of", "order_row", "trade_row"]


def described(pair: ListedPair, order: OrderRequest) -> str:
    """The sentence that describes an order: ``buy 0.01000000 XBTUSD @ limit 40000.0``."""
    kind = str(order.details["ordertype"])
    volume = places(order.quantity or order.quote_quantity or ZERO, pair.lot_decimals)
    first, second = order.details["price"], order.details["price2"]
    terms = {"market": "market", "iceberg": f"limit {first}", "limit": f"limit {first}"}.get(kind)
    if terms is None:
        terms = f"{kind.removesuffix('-limit').replace('-', ' ')} {first}"
        if kind.endswith("-limit"):
            terms += f" -> limit {second}"
    leverage = "" if order.leverage is None else f" with {order.leverage}:1 leverage"
    return f"{order.side} {volume} {pair.altname} @ {terms}{leverage}"


def flags_of(order: OrderRequest) -> str:
    """The order's flags, comma separated."""
    flags = ["fcib" if order.is_fee_in_base else "fciq"]
    if order.is_post_only:
        flags.append("post")
    if order.quote_quantity is not None:
        flags.append("viqc")
    return ",".join(flags)


def order_row(listing: Listing, order: Order, *, with_trades: bool) -> dict[str, Any]:
    """One order with its whole field set; closed ones have ``closetm`` and ``reason`` too."""
    request = order.request
    pair = listing.by_code[request.symbol]
    fee, fee_places = (
        (order.fee_base, pair.base.decimals) if request.is_fee_in_base else (order.fee_quote, pair.cost_decimals)
    )
    is_stop = request.trigger is not None
    row: dict[str, Any] = {
        "refid": None,
        "userref": request.user_ref or 0,
        "status": order.status.value,
        "opentm": unix(order.created_us),
        "starttm": 0 if request.starts_us is None else unix(request.starts_us),
        "expiretm": 0 if request.expires_us is None else unix(request.expires_us),
        "descr": {
            "pair": pair.altname,
            "type": request.side,
            "ordertype": request.details["ordertype"],
            "price": request.details["price"],
            "price2": request.details["price2"],
            "leverage": "none" if request.leverage is None else f"{request.leverage}:1",
            "order": described(pair, request),
            "close": "",
        },
        "vol": places(request.quantity or request.quote_quantity or ZERO, pair.lot_decimals),
        "vol_exec": places(order.filled, pair.lot_decimals),
        "cost": places(order.cost, pair.cost_decimals),
        "fee": places(fee, fee_places),
        "price": places(_average(order, pair), pair.price_decimals),
        "stopprice": places(request.trigger.price if request.trigger is not None else ZERO, pair.cost_decimals),
        "limitprice": places(
            request.limit_price if is_stop and request.limit_price is not None else ZERO, pair.cost_decimals
        ),
        "trigger": "last",
        "margin": request.leverage is not None,
        "misc": _misc(order),
        "oflags": flags_of(request),
    }
    if request.client_order_id is not None:
        row["cl_ord_id"] = request.client_order_id
    if request.display_quantity is not None:
        row["display_volume"] = places(request.display_quantity, pair.lot_decimals)
    if with_trades and order.fills:
        row["trades"] = list(order.fills)
    if order.closed_us is not None:
        row |= {"closetm": unix(order.closed_us), "reason": order.reason}
    return row


def trade_row(listing: Listing, order: Order | None, fill: Fill, *, with_ledgers: bool) -> dict[str, Any]:
    """One trade; ``pair`` in the AssetPairs key form."""
    pair = listing.by_code[fill.symbol]
    leverage = None if order is None else order.request.leverage
    margin = ZERO if leverage is None else divide(fill.cost, Decimal(leverage), places=pair.cost_decimals)
    row: dict[str, Any] = {
        "ordertxid": fill.order_id,
        "postxid": _position_id(fill),
        "pair": pair.key,
        "time": unix_fine(fill.at_us),
        "type": fill.side,
        "ordertype": "limit" if order is None else order.request.details["ordertype"],
        "price": places(fill.price, pair.price_decimals),
        "cost": places(fill.cost, pair.cost_decimals),
        "fee": _fee_of(fill, pair),
        "vol": places(fill.quantity, pair.lot_decimals),
        "margin": places(margin, pair.cost_decimals),
        "leverage": str(leverage or 0),
        "misc": "",
        "trade_id": fill.number,
        "maker": fill.is_maker,
    }
    if with_ledgers:
        row["ledgers"] = list(fill.entries)
    return row


def entry_row(listing: Listing, entry: LedgerEntry) -> dict[str, Any]:
    """One ledger entry; ``balance`` is the row's, after it."""
    decimals = listing.assets[entry.row].decimals
    return {
        "refid": entry.ref,
        "time": unix_fine(entry.at_us),
        "type": entry.kind,
        "subtype": entry.subtype,
        "aclass": "currency",
        "asset": entry.row,
        "amount": places(entry.amount, decimals),
        "fee": places(entry.fee, decimals),
        "balance": places(entry.balance, decimals),
    }


def _fee_of(fill: Fill, pair: ListedPair) -> str:
    if fill.fee_asset == pair.base.code:
        return places(fill.fee, pair.base.decimals)
    # One that fee credits paid is in the ledger alone.
    return places(fill.fee if fill.fee_asset == pair.quote.code else ZERO, pair.cost_decimals)


def _average(order: Order, pair: ListedPair) -> Decimal:
    return divide(order.cost, order.filled, places=pair.price_decimals) if order.filled else ZERO


def _misc(order: Order) -> str:
    words = []
    if order.is_triggered:
        words.append("stopped" if str(order.request.details["ordertype"]).startswith("stop") else "touched")
    if order.closed_us is not None and order.filled and order.status.value != "closed":
        words.append("partial")
    if order.is_amended:
        words.append("amended")
    return ",".join(words)


def _position_id(fill: Fill) -> str:
    return f"TKH2SE-{fill.id[1:6]}-{fill.id[-6:]}"
