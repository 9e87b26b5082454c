"""
Orders, fills and bills as OKX writes them, with every documented field.

Sources (checked 2026-11-20): https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-order-details,
https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-transaction-details-last-3-days,
https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-order-channel,
https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-bills-details-last-7-days.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import ZERO, multiply, round_down, subtract, total_of
from holdfast.simulators.core.accounts import Account
from holdfast.simulators.core.arithmetic import divide
from holdfast.simulators.core.ledger import LedgerEntry
from holdfast.simulators.core.orders import Fill, Order, OrderStatus
from holdfast.simulators.okx.exchange import FUNDING, OkxExchange
from holdfast.simulators.okx.listing import Instrument
from holdfast.simulators.okx.render import minus, ms, plain, plain_or_empty

__all__ = ["CANCEL_REASONS", "bill_row", "fill_row", "order_row", "pushed_row", "state_of"]

CANCEL_REASONS: Final[Mapping[str, str]] = {
    "0": "Order canceled by system.",
    "1": "Order canceled by user.",
    "13": "FOK order was canceled because it could not be filled completely.",
    "14": "IOC order was partially canceled because it could not be filled completely.",
    "15": "The order price is beyond the limit.",
    "20": "Cancel all after triggered.",
    "31": "The post-only order would have taken liquidity.",
    "32": "Self trade prevention.",
    "33": "The order exceeds the maximum number of order matches per taker order.",
}
"""What cancelled an order, by OKX's code (``cancelSource``); the words are ours."""

_PRICE_PLACES: Final = 10


def state_of(order: Order) -> str:
    """OKX's word for where an order is in its life."""
    if order.is_open:
        return "partially_filled" if order.filled else "live"
    return "filled" if order.status is OrderStatus.CLOSED else "canceled"


def _average(order: Order, empty: str) -> str:
    return plain(divide(order.cost, order.filled, places=_PRICE_PLACES)) if order.filled else empty


def _fills_of(account: Account, order: Order) -> list[Fill]:
    return [account.orders.fills[name] for name in order.fills if name in account.orders.fills]


def _fees(order: Order, line: Instrument, fills: list[Fill]) -> dict[str, str]:
    """
    What was charged and what was paid back so far.

    A charge is a negative ``fee``; a rebate a positive ``rebate``, except of a maker's sell, where it is in ``fee``.
    """
    received = line.base.code if order.request.side == "buy" and order.request.is_fee_in_base else line.quote.code
    is_maker_sell = order.request.side == "sell" and bool(fills) and all(fill.is_maker for fill in fills)
    charged = total_of(fill.fee for fill in fills if fill.fee > 0)
    paid = total_of(fill.fee.copy_negate() for fill in fills if fill.fee < 0)
    if is_maker_sell:
        return {
            "fee": plain(subtract(paid, charged)),
            "feeCcy": received,
            "rebate": "0",
            "rebateCcy": line.base.code,
        }
    rebated = line.quote.code if received == line.base.code else line.base.code
    return {
        "fee": minus(charged),
        "feeCcy": received,
        "rebate": plain(paid),
        "rebateCcy": received if paid else rebated,
    }


def order_row(exchange: OkxExchange, account: Account, order: Order) -> dict[str, Any]:
    """One order as the REST queries state it."""
    request = order.request
    line = exchange.listing.lines[request.symbol]
    fills = _fills_of(account, order)
    last = fills[-1] if fills else None
    reason = order.reason if not order.is_open and order.status is not OrderStatus.CLOSED else None
    return {
        "accFillSz": plain(order.filled),
        "algoClOrdId": "",
        "algoId": "",
        "attachAlgoClOrdId": "",
        "attachAlgoOrds": [],
        "avgPx": _average(order, ""),
        "cTime": ms(order.created_us),
        "cancelSource": reason or "",
        "cancelSourceReason": CANCEL_REASONS.get(reason or "", ""),
        "category": "normal",
        "ccy": "",
        "clOrdId": request.client_order_id or "",
        **_fees(order, line, fills),
        "fillPx": plain(last.price) if last else "",
        "fillSz": plain(last.quantity) if last else "0",
        "fillTime": ms(last.at_us) if last else "",
        "instId": line.id,
        "instType": "SPOT",
        "isTpLimit": "false",
        "lever": "",
        "linkedAlgoOrd": {"algoId": ""},
        "ordId": order.id,
        "ordType": request.details["ordType"],
        "pnl": "0",
        "posSide": "net",
        "px": plain_or_empty(request.limit_price),
        "pxType": "",
        "pxUsd": "",
        "pxVol": "",
        "quickMgnType": "",
        "reduceOnly": "false",
        "side": request.side,
        "slOrdPx": "",
        "slTriggerPx": "",
        "slTriggerPxType": "",
        "source": "",
        "state": state_of(order),
        "stpId": "",
        "stpMode": request.details["stpMode"],
        "sz": plain(_size(order)),
        "tag": request.details["tag"],
        "tdMode": request.details["tdMode"],
        "tgtCcy": request.details["tgtCcy"],
        "tpOrdPx": "",
        "tpTriggerPx": "",
        "tpTriggerPxType": "",
        "tradeId": str(last.number) if last else "",
        "tradeQuoteCcy": line.quote.code,
        "uTime": ms(order.changed_us),
    }


def _size(order: Order) -> Decimal:
    """What ``sz`` says: quote units for an order that was sized in them."""
    asked = order.request.details.get("sz")
    if isinstance(asked, Decimal):
        return asked
    return order.request.quote_quantity or order.request.quantity or ZERO


def pushed_row(exchange: OkxExchange, account: Account, order: Order, fill: Fill | None) -> dict[str, Any]:
    """One order as the ``orders`` channel states it; *fill* is what this update is about, if it is about one."""
    line = exchange.listing.lines[order.request.symbol]
    row = order_row(exchange, account, order)
    del row["cancelSourceReason"]
    size, price = order.request.quantity, order.request.limit_price
    market = exchange.engine.markets[line.line]
    worth = order.request.quote_quantity
    if worth is None:
        worth = multiply(size or ZERO, price or market.last)
    usd = exchange.usd_price(line.quote.code)
    filled_usd = multiply(fill.cost, usd) if fill else ZERO
    row |= {
        "avgPx": _average(order, "0"),
        "amendResult": "",
        "amendSource": "",
        "code": "0",
        "execType": ("M" if fill.is_maker else "T") if fill else "",
        "fillFee": minus(fill.fee) if fill else "0",
        "fillFeeCcy": fill.fee_asset if fill else "",
        "fillFwdPx": "",
        "fillIdxPx": plain(fill.price) if fill else "",
        "fillMarkPx": "",
        "fillMarkVol": "",
        "fillNotionalUsd": plain(round_down(filled_usd, places=8)) if fill else "",
        "fillPnl": "0",
        "fillPx": plain(fill.price) if fill else "",
        "fillPxUsd": "",
        "fillPxVol": "",
        "fillSz": plain(fill.quantity) if fill else "0",
        "fillTime": ms(fill.at_us) if fill else "",
        "lastPx": plain(market.last),
        "lever": "0",
        "msg": "",
        "notionalUsd": plain(round_down(multiply(worth, usd), places=8)),
        "posSide": "",
        "reqId": "",
        "tradeId": str(fill.number) if fill else "",
    }
    return row


def fill_row(exchange: OkxExchange, account: Account, fill: Fill) -> dict[str, Any]:
    """One fill as ``trade/fills`` states it."""
    line = exchange.listing.lines[fill.symbol]
    order = account.orders.get(fill.order_id)
    rate = exchange.fee_rate(account, is_maker=fill.is_maker)
    return {
        "billId": fill.entries[-1],
        "clOrdId": (order.request.client_order_id or "") if order else "",
        "execType": "M" if fill.is_maker else "T",
        "fee": minus(fill.fee),
        "feeCcy": fill.fee_asset,
        "feeRate": minus(rate),
        "fillFwdPx": "",
        "fillIdxPx": plain(fill.price),
        "fillMarkPx": "",
        "fillMarkVol": "",
        "fillPnl": "0",
        "fillPx": plain(fill.price),
        "fillPxUsd": "",
        "fillPxVol": "",
        "fillSz": plain(fill.quantity),
        "fillTime": ms(fill.at_us),
        "instId": line.id,
        "instType": "SPOT",
        "ordId": fill.order_id,
        "posSide": "net",
        "side": fill.side,
        "subType": "1" if fill.side == "buy" else "2",
        "tag": order.request.details["tag"] if order else "",
        "tradeId": str(fill.number),
        "tradeQuoteCcy": line.quote.code,
        "ts": ms(fill.at_us),
    }


def bill_row(exchange: OkxExchange, account: Account, entry: LedgerEntry) -> dict[str, Any]:
    """One bill of the trading pot as ``account/bills`` states it."""
    fill = account.orders.fills.get(entry.ref) if entry.kind == "2" else None
    order = account.orders.get(fill.order_id) if fill else None
    line = exchange.listing.lines[fill.symbol] if fill else None
    change = subtract(entry.amount, entry.fee)
    pots = {"11": ("6", "18"), "12": ("18", "6")}.get(entry.subtype, ("", "")) if entry.kind == "1" else ("", "")
    return {
        "bal": plain(entry.balance),
        "balChg": plain(change),
        "billId": entry.id,
        "ccy": entry.row.removesuffix(FUNDING),
        "clOrdId": (order.request.client_order_id or "") if order else "",
        "earnAmt": "",
        "earnApr": "",
        "execType": ("M" if fill.is_maker else "T") if fill else "",
        "fee": minus(entry.fee),
        "fillFwdPx": "",
        "fillIdxPx": plain(fill.price) if fill else "",
        "fillMarkPx": "",
        "fillMarkVol": "",
        "fillPxUsd": "",
        "fillPxVol": "",
        "fillTime": ms(fill.at_us) if fill else "",
        "from": pots[0],
        "instId": line.id if line else "",
        "instType": "SPOT" if line else "",
        "interest": "0",
        "mgnMode": "cash" if fill else "",
        "notes": "",
        "ordId": fill.order_id if fill else "",
        "pnl": "0",
        "posBal": "0",
        "posBalChg": "0",
        "px": plain(fill.price) if fill else "",
        "subType": entry.subtype,
        "sz": plain(entry.amount.copy_abs()),
        "tag": order.request.details["tag"] if order else "",
        "to": pots[1],
        "tradeId": str(fill.number) if fill else "",
        "ts": ms(entry.at_us),
        "type": entry.kind,
    }
