"""
OKX's rows of orders and fills to our values, from REST and from the stream alike. Pure.

A size is in base, but for a market order whose ``tgtCcy`` says quote, which is what a market buy means where nothing is
said. Fees are charged in what is received, so mostly in base on a buy: a list's fee is stated in quote, at the average
price; a rebate lowers it. A state we do not know is taken for an open one: such an order may still trade.

Sources: https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-order-details ·
https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-order-history-last-7-days ·
https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-transaction-details-last-3-days (checked 2026-11-20)
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from holdfast.core.amounts import ZERO, add, multiply, subtract
from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import OpenOrder, Side
from holdfast.core.venue import ClosedOrder, Fill
from holdfast.errors import PayloadError
from holdfast.venues.okx import errors, wire
from holdfast.venues.okx.parse import amount, milliseconds, optional_amount, rows_of, side_of
from holdfast.venues.okx.symbols import Names

__all__ = [
    "closed_order",
    "cost_of",
    "end_of",
    "fill_name",
    "fills",
    "has_ended",
    "hold_of",
    "is_by_quote",
    "open_order",
    "orders_of",
    "symbol_of_row",
    "why_ended",
]

_ENDED: Final = {"filled": "filled", "canceled": "canceled", "mmp_canceled": "canceled"}

# Source: https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-order-channel (checked 2026-11-20)
_CANCEL_SOURCES: Final = {
    "0": "cancelled by OKX",
    "1": "cancelled by the user",
    "13": "fill or kill: not all of it could be filled",
    "14": "immediate or cancel: what could not be filled",
    "15": "beyond the price limit",
    "20": "cancelled by cancel-all-after",
    "31": "post only: it would have taken",
    "32": "self-trade prevention",
    "33": "it would have matched too many orders",
}


def orders_of(body: bytes, request: str) -> list[wire.Order]:
    """
    The rows of ``trade/order``, ``orders-pending`` and ``orders-history``, newest first.

    Raises:
        PayloadError: Not this shape, an order without an id, or one twice.
    """
    rows = rows_of(body, wire.Order, request)
    seen: set[str] = set()
    for row in rows:
        if not row.ord_id or row.ord_id in seen:
            raise PayloadError(f"{request}: order {ascii(row.ord_id)[:40]} is without an id, or stated twice")
        seen.add(row.ord_id)
    return rows


def has_ended(row: wire.Order) -> bool:
    """Whether nothing more can happen to it."""
    return row.state in _ENDED


def end_of(row: wire.Order) -> str:
    """How it ended: ``filled`` or ``canceled``."""
    return _ENDED[row.state]


def why_ended(row: wire.Order) -> str | None:
    """OKX's own words on why it was cancelled; None where there are none."""
    told = row.cancel_source_reason or _CANCEL_SOURCES.get(row.cancel_source) or row.cancel_source
    return errors.shown(told) if told else None


def symbol_of_row(row: wire.Order, names: Names) -> Symbol | None:
    """Our symbol of what is traded, by the money that moves; None where OKX did not list it to us."""
    return names.instrument(row.inst_id, row.trade_quote_ccy)


def is_by_quote(row: wire.Order) -> bool:
    """Whether its size is in quote."""
    if row.ord_type != "market":
        return False
    return row.tgt_ccy == "quote_ccy" or (not row.tgt_ccy and row.side == "buy")


def cost_of(row: wire.Order, where: str) -> Decimal:
    """What was paid or received so far in quote, without fees: the filled size at the average price."""
    filled = amount(row.acc_fill_sz, f"{where}.accFillSz") if row.acc_fill_sz else ZERO
    average = optional_amount(row.avg_px, f"{where}.avgPx")
    return multiply(filled, average) if filled and average is not None else ZERO


def open_order(row: wire.Order, names: Names, request: str, *, cost: Decimal | None = None) -> OpenOrder:
    """
    An order that is open.

    Args:
        row: The order.
        names: The listing to translate with.
        request: Where it was told, for errors.
        cost: What was paid so far, where fills told it more exactly than the average price.

    Raises:
        PayloadError, AmountError: A field that is wrong; names it.
    """
    where = f"{request} {ascii(row.ord_id)[:40]}"
    side = side_of(row.side, f"{where}.side")
    symbol = symbol_of_row(row, names)
    base, quote = names.sides(symbol)
    size = amount(row.sz, f"{where}.sz")
    filled = amount(row.acc_fill_sz, f"{where}.accFillSz") if row.acc_fill_sz else ZERO
    cost = cost_of(row, where) if cost is None else cost
    price = optional_amount(row.px, f"{where}.px")
    by_quote = is_by_quote(row)
    hold_asset, hold = hold_of(
        base=base,
        quote=quote,
        side=side,
        is_cash=row.td_mode in ("", "cash"),
        remaining=None if by_quote else subtract(size, filled),
        remaining_cost=subtract(size, cost) if by_quote else None,
        limit_price=price,
    )
    return OpenOrder(
        order_id=row.ord_id,
        client_order_id=row.cl_ord_id or None,
        symbol=symbol,
        side=side,
        order_type=row.ord_type,
        quantity=None if by_quote else size,
        filled=filled,
        limit_price=price,
        hold_asset=hold_asset,
        hold=hold,
        cost=cost,
        fee=_fee_in_quote(row, base=base, quote=quote, where=where),
    )


def hold_of(
    *,
    base: AssetCode | None,
    quote: AssetCode | None,
    side: Side,
    is_cash: bool,
    remaining: Decimal | None,
    remaining_cost: Decimal | None,
    limit_price: Decimal | None,
) -> tuple[AssetCode | None, Decimal | None]:
    """
    What OKX most likely freezes for an open order, without fees: asset and amount, each None where unknown.

    The account channel states what is frozen in all; this is our estimate of one order's part, beside it.

    Args:
        base: What is traded, or None where unlisted.
        quote: What it is traded for, or None where unlisted.
        side: The order's side.
        is_cash: False where the order is on margin and freezes nothing of the cash.
        remaining: Base units not yet filled, or None for an order by cost.
        remaining_cost: Quote units not yet spent or received, for an order by cost.
        limit_price: The limit, or None.
    """
    asset = base if side is Side.SELL else quote
    if not is_cash:
        return asset, ZERO
    if asset is None:
        return None, None  # An amount of nobody knows what is no estimate.
    if side is Side.SELL:
        return asset, None if remaining is None else max(remaining, ZERO)
    if remaining_cost is not None:
        return asset, max(remaining_cost, ZERO)
    if remaining is None or limit_price is None:
        return asset, None
    return asset, max(multiply(remaining, limit_price), ZERO)


def closed_order(row: wire.Order, names: Names, request: str) -> ClosedOrder:
    """
    An order that has ended; a row whose state we do not know counts as cancelled.

    Raises:
        PayloadError, AmountError: A field that is wrong; names it.
    """
    where = f"{request} {ascii(row.ord_id)[:40]}"
    symbol = symbol_of_row(row, names)
    base, quote = names.sides(symbol)
    fee = _fee_in_quote(row, base=base, quote=quote, where=where)
    return ClosedOrder(
        order_id=row.ord_id,
        client_order_id=row.cl_ord_id or None,
        symbol=symbol,
        side=side_of(row.side, f"{where}.side"),
        status=_ENDED.get(row.state, "canceled"),
        quantity=amount(row.sz, f"{where}.sz"),
        filled=amount(row.acc_fill_sz, f"{where}.accFillSz") if row.acc_fill_sz else ZERO,
        cost=cost_of(row, where),
        fee=ZERO if fee is None else fee,
        closed_at_s=milliseconds(row.u_time, f"{where}.uTime") / 1000,
        reason=why_ended(row),
    )


def _fee_in_quote(row: wire.Order, *, base: AssetCode | None, quote: AssetCode | None, where: str) -> Decimal | None:
    """What was charged in all, in quote: fee and rebate, each signed and in a currency of its own."""
    charged = ZERO
    for text, ccy, name in ((row.fee, row.fee_ccy, "fee"), (row.rebate, row.rebate_ccy, "rebate")):
        part = optional_amount(text, f"{where}.{name}") or ZERO
        if not part:
            continue
        if ccy == quote:
            charged = subtract(charged, part)
        elif ccy == base and row.avg_px:
            charged = subtract(charged, multiply(part, amount(row.avg_px, f"{where}.avgPx")))
        else:
            return None  # Charged in something that the order's own figures cannot convert.
    return charged


def fills(body: bytes, names: Names, request: str) -> tuple[dict[str, Fill], dict[str, str]]:
    """
    One page of ``trade/fills`` by bill, newest first, and each fill's order to the instrument it traded.

    A fee in base is stated in quote at the fill's price; one in a third currency is left out.

    Raises:
        PayloadError, AmountError: As ``orders_of``.
    """
    found: dict[str, Fill] = {}
    traded: dict[str, str] = {}
    for row in rows_of(body, wire.Trade, request):
        where = f"{request} {ascii(row.bill_id)[:40]}"
        symbol = names.instrument(row.inst_id, row.trade_quote_ccy)
        base, quote = names.sides(symbol)
        quantity, price = amount(row.fill_sz, f"{where}.fillSz"), amount(row.fill_px, f"{where}.fillPx")
        fee = subtract(ZERO, optional_amount(row.fee, f"{where}.fee") or ZERO)
        if row.fee_ccy != quote:
            fee = multiply(fee, price) if row.fee_ccy == base else ZERO
        found[row.bill_id] = Fill(
            fill_id=fill_name(row.inst_id, row.trade_id),
            order_id=row.ord_id,
            symbol=symbol,
            side=side_of(row.side, f"{where}.side"),
            quantity=quantity,
            price=price,
            cost=multiply(quantity, price),
            fee=add(fee, ZERO),
            at_s=milliseconds(row.fill_time or row.ts, f"{where}.fillTime") / 1000,
        )
        if row.ord_id:
            traded[row.ord_id] = row.inst_id
    return found, traded


def fill_name(inst_id: str, trade_id: str) -> str:
    """A fill's name: a trade's id is unique in its instrument only."""
    return f"{inst_id}:{trade_id}"
