"""
Order entry on OKX's two wires: a ticket to what is sent, an answer to what it proves. Pure.

An order is refused only where its own item says so in a code that proves it. Everything that is not clearly an
acknowledgement or clearly a refusal leaves the order's fate unknown: an unreadable body, a server's fault, an answer
without the order's id, one that names another order. ``clOrdId`` is no idempotency key: it is unique among *open*
orders only, so that a repetition may fill twice; a duplicate of ours says that the order is there.

A market order's unit is always stated (``tgtCcy``: a market buy means quote otherwise), its size is never shrunk to
what is there (``banAmend``), and what it is traded against is named (``tradeQuoteCcy``).

Sources: https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-order ·
https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-cancel-order ·
https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-cancel-all-after ·
https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-place-order (``instIdCode``) ·
https://www.okx.com/docs-v5/en/#overview-transaction-timeouts (``expTime``) (checked 2026-11-20)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import ZERO, format_amount
from holdfast.core.balances import Side
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket, OrderType, TimeInForce
from holdfast.core.payloads import decode_strictly
from holdfast.errors import (
    BadCredentialError,
    FaultClass,
    OrderRuleError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from holdfast.venues.okx import wire
from holdfast.venues.okx.errors import After
from holdfast.venues.okx.facts import DEAD_MAN_S
from holdfast.venues.okx.order_rows import is_by_quote
from holdfast.venues.okx.parse import amount
from holdfast.venues.okx.symbols import Line

__all__ = [
    "DUPLICATE",
    "as_doubt",
    "body_of",
    "cancel_fields",
    "cancelled",
    "check_timeout",
    "expires_ms",
    "found_instead",
    "frame_of",
    "is_duplicate",
    "item_of",
    "place_fields",
    "placed",
    "proven",
    "refusal_in",
    "switched",
    "unknown",
    "unsent",
]

DUPLICATE: Final = "51016"
"""An open order has this id of ours already; what an acknowledgement warns with where that order was found."""

_MOST_ID: Final = 64

_ORDER_TYPES: Final = {TimeInForce.GTC: "limit", TimeInForce.IOC: "ioc", TimeInForce.FOK: "fok"}


# Asking


def place_fields(ticket: OrderTicket, line: Line, *, is_stream: bool) -> dict[str, object]:
    """
    The body of an order: over REST the instrument's id, over the stream its code.

    Raises:
        OrderRuleError: A quote quantity for anything but a market order, or a limit order without a price.
    """
    fields: dict[str, object] = {"instIdCode": line.code} if is_stream else {"instId": line.inst_id}
    fields |= {"tdMode": "cash", "side": ticket.side.value, "clOrdId": ticket.client_order_id}
    if ticket.order_type is OrderType.MARKET:
        quantity, unit = _market_size(ticket)
        fields |= {"ordType": "market", "sz": format_amount(quantity), "tgtCcy": unit, "banAmend": True}
    else:
        if ticket.quantity is None or ticket.limit_price is None:
            raise OrderRuleError("a limit order needs a quantity in base and a price")
        kind = "post_only" if ticket.is_post_only else _ORDER_TYPES[ticket.time_in_force]
        fields |= {
            "ordType": kind,
            "sz": format_amount(ticket.quantity),
            "px": format_amount(ticket.limit_price),
        }
    if line.trade_quote is not None:
        fields["tradeQuoteCcy"] = line.trade_quote
    return fields


def _market_size(ticket: OrderTicket) -> tuple[Decimal, str]:
    if ticket.quote_quantity is None:
        if ticket.quantity is None:
            raise OrderRuleError("an order needs a quantity")
        return ticket.quantity, "base_ccy"
    if ticket.side is not Side.BUY or ticket.quantity is not None:
        raise OrderRuleError("a quote quantity is taken for market buys only; state a quantity in base")
    return ticket.quote_quantity, "quote_ccy"


def cancel_fields(
    line: Line, *, order_id: str | None, client_order_id: str | None, is_stream: bool
) -> dict[str, object]:
    """The body of a cancel: by OKX's id where it is known, else by ours."""
    fields: dict[str, object] = {"instIdCode": line.code} if is_stream else {"instId": line.inst_id}
    if order_id is not None:
        return {**fields, "ordId": order_id}
    if client_order_id is None:
        raise ValueError("a cancel names an order: by the venue's id or by ours")
    return {**fields, "clOrdId": client_order_id}


def expires_ms(ticket: OrderTicket) -> str:
    """``expTime``: Unix milliseconds on OKX's clock; what is dropped only shortens the validity."""
    return str(ticket.valid_until_us // 1000)


def body_of(fields: Mapping[str, object]) -> bytes:
    """The bytes of a body: they are signed and sent as they are."""
    return json.dumps(fields, separators=(",", ":")).encode()


def frame_of(op: str, fields: Mapping[str, object], *, number: str, expires: str | None) -> bytes:
    """One order operation on the stream."""
    frame: dict[str, object] = {"id": number, "op": op, "args": [fields]}
    if expires is not None:
        frame["expTime"] = expires
    return json.dumps(frame, separators=(",", ":")).encode()


def check_timeout(timeout_s: int) -> int:
    """
    *timeout_s* as ``cancel-all-after`` takes it: whole seconds, 0 for off.

    Raises:
        ValueError: Anything else.
    """
    least, most = DEAD_MAN_S
    if type(timeout_s) is not int or (timeout_s != 0 and not least <= timeout_s <= most):
        raise ValueError(f"okx's dead-man switch takes 0 or {least} to {most} whole seconds")
    return timeout_s


# Answers


def item_of(data: Any, request: str, account: str) -> wire.Item | None:
    """
    What an answer says of the one order that it is about; None where it says nothing of any.

    Raises:
        OutcomeUnknownError: It speaks of several, or of one in another shape.
    """
    if data is None or data == []:
        return None
    try:
        items = msgspec.convert(data, list[wire.Item], strict=False)
    except msgspec.ValidationError as error:
        raise unknown(f"{request}: not of the expected shape: {error}", request, account) from None
    if len(items) != 1:
        raise unknown(f"{request}: the answer speaks of {len(items)} orders", request, account)
    return items[0]


def refusal_in(code: str, text: str, data: Any) -> tuple[str, str] | None:
    """
    The code and the words with which an answer refuses: the item's where it has some; None where nothing refuses.

    A code of the whole without an item says all there is; an item that succeeded is none, whatever the whole says.
    """
    if isinstance(data, list) and len(data) == 1 and isinstance(data[0], dict):
        told = data[0].get("sCode")
        if isinstance(told, str) and told:
            if told == "0":
                return None
            words = data[0].get("sMsg")
            detail = data[0].get("subCode")
            shown = words if isinstance(words, str) else ""
            if isinstance(detail, str) and detail:
                shown = f"{shown} ({detail})"
            return told, shown
    return None if code == "0" else (code, text)


def is_duplicate(after: After) -> bool:
    """Whether an order of this id may be there already."""
    return after is After.FIND


def placed(
    code: str, data: Any, ticket: OrderTicket, *, request: str, account: str, as_of_s: float, via: str
) -> OrderAck:
    """
    What an answer to an order that does not refuse proves.

    Raises:
        OutcomeUnknownError: It names no order, several, or another one than ours; or says two things at once.
    """
    item = item_of(data, request, account)
    if item is None or code != "0" or item.s_code != "0":
        raise unknown(f"{request}: neither a clear success nor a clear refusal", request, account)
    if item.cl_ord_id not in ("", ticket.client_order_id):
        raise unknown(f"{request}: the answer is about another order", request, account)
    if not _is_id(item.ord_id):
        raise unknown(f"{request}: the answer names no order", request, account)
    return OrderAck(order_id=item.ord_id, client_order_id=ticket.client_order_id, as_of_s=as_of_s, via=via)


def cancelled(
    code: str,
    data: Any,
    *,
    order_id: str | None,
    client_order_id: str | None,
    request: str,
    account: str,
    as_of_s: float,
) -> CancelAck:
    """
    What an answer to a cancel that does not refuse proves: that it was taken, not that it has happened.

    Raises:
        OutcomeUnknownError: It names another order than the one that was to be cancelled, or none.
    """
    item = item_of(data, request, account)
    if item is None or code != "0" or item.s_code != "0":
        raise unknown(f"{request}: neither a clear success nor a clear refusal", request, account)
    asked, told = (order_id, item.ord_id) if order_id is not None else (client_order_id, item.cl_ord_id)
    if told not in ("", asked):
        raise unknown(f"{request}: the answer is about another order", request, account)
    return CancelAck(count=1, is_pending=True, as_of_s=as_of_s)


def switched(body: bytes, timeout_s: int, *, account: str) -> None:
    """
    Make sure that the dead-man switch is set.

    Raises:
        OutcomeUnknownError: The answer does not say so.
    """
    request = "trade/cancel-all-after"
    try:
        whole: wire.Envelope[wire.Triggered] = decode_strictly(body, wire.Envelope[wire.Triggered])
    except PayloadError as error:
        raise unknown(f"{request}: {error}", request, account) from None
    rows = whole.data or []
    if whole.code != "0" or len(rows) != 1 or (timeout_s and rows[0].trigger_time in ("", "0")):
        raise unknown(f"{request}: does not say when it fires", request, account)


def found_instead(row: wire.Order, ticket: OrderTicket, line: Line) -> bool:
    """
    Whether an order that has our id is the order of this ticket: side, instrument, size and price are its own.

    Raises:
        AmountError: A size or price that is none.
    """
    by_quote = ticket.order_type is OrderType.MARKET and ticket.quote_quantity is not None
    asked = ticket.quote_quantity if by_quote else ticket.quantity
    price = ticket.limit_price or ZERO
    return (
        row.cl_ord_id == ticket.client_order_id
        and row.inst_id == line.inst_id
        and (line.trade_quote is None or row.trade_quote_ccy in ("", line.trade_quote))
        and row.side == ticket.side.value
        and is_by_quote(row) is by_quote
        and amount(row.sz, "trade/order.sz") == asked
        and (amount(row.px, "trade/order.px") if row.px else ZERO) == price
    )


def proven(
    error: VenueError | PayloadError, *, status: int | None, body: bytes, request: str, account: str
) -> VenueError:
    """
    A failure as what it proves of an order.

    A refusal counts only out of a body that can be read strictly and did not come with a server's fault: a gateway may
    repeat what it does not know. One of an order that names an order says two things at once.

    Args:
        error: What the answer, or the lack of one, was taken for.
        status: The answer's HTTP status; None where there was no answer.
        body: The answer's bytes.
        request: OKX's name of the call.
        account: The broker's name.
    """
    if isinstance(error, PayloadError):
        return unknown(str(error), request, account)
    if error.outcome is not Outcome.REJECTED:
        return as_doubt(error)
    doubt = None
    if status is None:
        doubt = "came without an answer"
    elif not 200 <= status < 300 and not 400 <= status < 500:
        doubt = f"came with HTTP {status}"
    else:
        try:
            data = decode_strictly(body, wire.Envelope[Any]).data
        except PayloadError as fault:
            doubt = f"cannot be read: {fault}"
        else:
            names_order = isinstance(data, list) and any(isinstance(item, dict) and item.get("ordId") for item in data)
            if request == "trade/order" and names_order:
                doubt = "names an order"
    return error if doubt is None else unknown(f"{error}; the refusal {doubt}", request, account, code=error.code)


# Errors


def unknown(
    told: str, request: str, account: str, *, fault: FaultClass = FaultClass.PAYLOAD, code: str | None = None
) -> OutcomeUnknownError:
    """It may have been done."""
    return OutcomeUnknownError(f"okx {told}", venue="okx", request=request, account=account, fault=fault, code=code)


def unsent(told: str, request: str, account: str, *, cause: Exception | None = None) -> VenueUnreachableError:
    """Nothing of it left."""
    return VenueUnreachableError(
        f"okx: {request} was not sent; {told}",
        venue="okx",
        request=request,
        account=account,
        fault=getattr(cause, "fault", FaultClass.NETWORK),
        code=getattr(cause, "code", None),
        retry_after_s=getattr(cause, "retry_after_s", None),
    )


def as_doubt(error: VenueError) -> VenueError:
    """*error*, under a class that does not claim a rejection where its outcome says that there may be none."""
    is_claim = isinstance(error, VenueRejectedError) and not isinstance(error, BadCredentialError)
    if error.outcome is not Outcome.UNKNOWN or not is_claim:
        return error
    return OutcomeUnknownError(
        str(error),
        venue=error.venue,
        request=error.request,
        account=error.account,
        fault=error.fault,
        code=error.code,
        retry_after_s=error.retry_after_s,
    )


def _is_id(text: str | None) -> bool:
    return bool(text) and text is not None and len(text) <= _MOST_ID and text.isascii() and text.isalnum()
