"""
Order entry on Kraken's two wires: a ticket to what is sent, an answer to what it proves. Pure.

An order is refused only where the answer proves it. Everything that is not clearly an acknowledgement or clearly a
refusal leaves the order's fate unknown: an unreadable body, a server's fault, an answer without the order's id, one
that names another order.

Sources: https://docs.kraken.com/api-reference/trading/add-order ·
https://docs.kraken.com/api-reference/trading/cancel-order ·
https://docs.kraken.com/api-reference/trading/cancel-all-orders-after-x ·
https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/add_order ·
https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/cancel_order ·
https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/cancel_after (checked 2026-11-20)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from holdfast.core.amounts import format_amount
from holdfast.core.balances import Side
from holdfast.core.instruments import Instrument
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket, OrderType
from holdfast.core.payloads import decode_strictly
from holdfast.core.seams import HttpReply
from holdfast.errors import (
    FaultClass,
    InvalidNonceError,
    OrderRuleError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from holdfast.venues.kraken import errors, wire

__all__ = [
    "CANCEL_PENDING",
    "add_fields",
    "add_params",
    "as_doubt",
    "cancel_fields",
    "cancel_params",
    "cancelled",
    "check_timeout",
    "placed",
    "proven",
    "request_text",
    "stream_cancelled",
    "stream_placed",
    "stream_switched",
    "switched",
    "unknown",
    "unsent",
]

CANCEL_PENDING: Final = "EOrder:Cancel pending"
"""What a cancel of an order that is being cancelled is answered with; it is no failure."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_ID: Final = 64
_MOST_TIMEOUT_S: Final = 86_399
_VALIDATE: Final = "true"

T = TypeVar("T")

# Asking


def add_fields(ticket: OrderTicket, instrument: Instrument, *, is_check: bool = False) -> dict[str, str]:
    """
    The form fields of ``AddOrder``.

    The fee is asked for in quote, on sells too: what an order needs is then known in one asset. ``validate`` is left
    out unless it is meant: any value of it used to count as true.

    Raises:
        OrderRuleError: A quote quantity for anything but a market buy: Kraken has no such order.

    Source: https://github.com/dominiktraxl/pykrakenapi/issues/3 (checked 2026-11-20)
    """
    quantity, is_quote = _quantity(ticket)
    flags = ["fciq"]
    fields = {
        "ordertype": ticket.order_type.value,
        "type": ticket.side.value,
        "pair": instrument.venue_symbol,
        "volume": format_amount(quantity),
        "cl_ord_id": ticket.client_order_id,
        "deadline": _deadline(ticket),
    }
    if is_quote:
        flags.append("viqc")
    if ticket.order_type is OrderType.LIMIT:
        fields["price"] = format_amount(_limit(ticket))
        fields["timeinforce"] = ticket.time_in_force.value.upper()
        if ticket.is_post_only:
            flags.append("post")
    fields["oflags"] = ",".join(flags)
    if is_check:
        fields["validate"] = _VALIDATE
    return fields


def add_params(ticket: OrderTicket, instrument: Instrument, *, is_check: bool = False) -> dict[str, str]:
    """
    The params of ``add_order``, each as JSON text: amounts are JSON numbers, digit for digit, and never floats.

    Raises:
        OrderRuleError: As ``add_fields``.
    """
    quantity, is_quote = _quantity(ticket)
    params = {
        "order_type": _text(ticket.order_type.value),
        "side": _text(ticket.side.value),
        "symbol": _text(instrument.stream_symbol),
        "cash_order_qty" if is_quote else "order_qty": format_amount(quantity),
        "cl_ord_id": _text(ticket.client_order_id),
        "deadline": _text(_deadline(ticket)),
        "fee_preference": _text("quote"),
    }
    if ticket.order_type is OrderType.LIMIT:
        params["limit_price"] = format_amount(_limit(ticket))
        params["time_in_force"] = _text(ticket.time_in_force.value)
        if ticket.is_post_only:
            params["post_only"] = "true"
    if is_check:
        params["validate"] = "true"
    return params


def cancel_fields(*, order_id: str | None, client_order_id: str | None) -> dict[str, str]:
    """The form fields of ``CancelOrder``: by Kraken's id where it is known, else by ours."""
    if order_id is not None:
        return {"txid": order_id}
    return {"cl_ord_id": _named(client_order_id)}


def cancel_params(*, order_id: str | None, client_order_id: str | None) -> dict[str, str]:
    """The params of ``cancel_order``, as JSON text."""
    if order_id is not None:
        return {"order_id": json.dumps([order_id])}
    return {"cl_ord_id": json.dumps([_named(client_order_id)])}


def request_text(method: str, params: dict[str, str], *, req_id: int) -> bytes:
    """One stream request, from params that are JSON text already."""
    members = ",".join(f"{_text(name)}:{text}" for name, text in params.items())
    return f'{{"method":{_text(method)},"params":{{{members}}},"req_id":{req_id}}}'.encode()


def check_timeout(timeout_s: int) -> int:
    """
    *timeout_s* as the dead-man switch takes it: whole seconds, less than a day, 0 for off.

    Raises:
        ValueError: Anything else.
    """
    if type(timeout_s) is not int or not 0 <= timeout_s <= _MOST_TIMEOUT_S:
        raise ValueError(f"the dead-man switch takes 0 to {_MOST_TIMEOUT_S} whole seconds")
    return timeout_s


def _quantity(ticket: OrderTicket) -> tuple[Decimal, bool]:
    """How much, and whether that is in quote."""
    if ticket.quote_quantity is None:
        if ticket.quantity is None:
            raise OrderRuleError("an order needs a quantity")
        return ticket.quantity, False
    if ticket.side is not Side.BUY or ticket.order_type is not OrderType.MARKET or ticket.quantity is not None:
        raise OrderRuleError("kraken takes a quote quantity for market buys only; state a quantity in base")
    return ticket.quote_quantity, True


def _limit(ticket: OrderTicket) -> Decimal:
    if ticket.limit_price is None:
        raise OrderRuleError("a limit order needs a price")
    return ticket.limit_price


def _deadline(ticket: OrderTicket) -> str:
    """RFC 3339 with milliseconds, as the pages show it; what is dropped only shortens the validity."""
    at = _EPOCH + timedelta(microseconds=ticket.valid_until_us)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _named(client_order_id: str | None) -> str:
    if client_order_id is None:
        raise ValueError("a cancel names an order: by the venue's id or by ours")
    return client_order_id


def _text(value: str) -> str:
    return json.dumps(value)


# REST's answers


def placed(body: bytes, ticket: OrderTicket, *, is_check: bool, account: str, as_of_s: float) -> OrderAck:
    """
    What an ``AddOrder`` answer without errors proves.

    Raises:
        OutcomeUnknownError: It does not name exactly one order; or names one where it was only to validate.
    """
    answer, texts = _result(body, wire.Placed, "AddOrder", account)
    named = answer.txid or []
    if is_check and named:
        raise unknown("AddOrder: answered a dry run with the id of an order", "AddOrder", account)
    if not is_check and (len(named) != 1 or not _is_id(named[0])):
        raise unknown(f"AddOrder: the answer names {len(named)} orders", "AddOrder", account)
    return OrderAck(
        order_id=named[0] if named else None,
        client_order_id=ticket.client_order_id,
        as_of_s=as_of_s,
        via="rest",
        warnings=_shown(errors.warnings(texts)),
    )


def cancelled(body: bytes, *, account: str, as_of_s: float) -> CancelAck:
    """
    What a ``CancelOrder`` answer without errors proves.

    Raises:
        OutcomeUnknownError: It does not say how many.
    """
    answer, _ = _result(body, wire.Cancelled, "CancelOrder", account)
    if not 0 <= answer.count <= 1_000_000:
        raise unknown("CancelOrder: no believable count", "CancelOrder", account)
    return CancelAck(count=answer.count, is_pending=answer.pending is True, as_of_s=as_of_s)


def switched(body: bytes, timeout_s: int, *, account: str) -> None:
    """
    Make sure that the dead-man switch is set; when it fires is not told for 0.

    Raises:
        OutcomeUnknownError: The answer does not say so.
    """
    answer, _ = _result(body, wire.Switch if timeout_s else dict[str, Any], "CancelAllOrdersAfter", account)
    if isinstance(answer, wire.Switch) and not answer.trigger_time:
        raise unknown("CancelAllOrdersAfter: does not say when it fires", "CancelAllOrdersAfter", account)


def _result(body: bytes, shape: type[T], request: str, account: str) -> tuple[T, Sequence[str]]:
    try:
        whole: wire.Envelope[T] = decode_strictly(body, wire.Envelope[shape])  # type: ignore[valid-type]
    except PayloadError as error:
        raise unknown(f"{request}: {error}", request, account) from None
    if whole.result is None:
        raise unknown(f"{request}: no result", request, account)
    return whole.result, whole.error


def proven(error: VenueError | PayloadError, reply: HttpReply | None, *, request: str, account: str) -> VenueError:
    """
    A failure as what it proves of an order.

    A refusal counts only out of a body that can be read strictly, names no order and did not come with a server's
    fault: a gateway may repeat what it does not know.

    Args:
        error: What the answer, or the lack of one, was taken for.
        reply: The answer, where there was one.
        request: Kraken's name of the call.
        account: The broker's name.
    """
    if isinstance(error, PayloadError):
        return unknown(str(error), request, account)
    if error.outcome is not Outcome.REJECTED:
        return as_doubt(error)
    doubt = None
    if reply is None:
        doubt = "came without an answer"
    elif not 200 <= reply.status < 300 and not 400 <= reply.status < 500:
        doubt = f"came with HTTP {reply.status}"
    else:
        try:
            result = decode_strictly(reply.body, wire.Envelope[Any]).result
        except PayloadError as fault:
            doubt = f"cannot be read: {fault}"
        else:
            if isinstance(result, dict) and result.get("txid"):
                doubt = "names an order"
    return error if doubt is None else unknown(f"{error}; the refusal {doubt}", request, account, code=error.code)


# The stream's answers


def stream_placed(frame: wire.Frame, ticket: OrderTicket, *, is_check: bool, account: str, as_of_s: float) -> OrderAck:
    """
    What an ``add_order`` answer that says ``success`` proves; what a dry run's result holds is not documented.

    Raises:
        OutcomeUnknownError: It names no order, or another one than ours.
    """
    answer = _stream_result(frame, wire.StreamPlaced, "add_order", account)
    if answer.cl_ord_id is not None and answer.cl_ord_id != ticket.client_order_id:
        raise unknown("add_order: the answer is about another order", "add_order", account)
    if not is_check and not _is_id(answer.order_id):
        raise unknown("add_order: the answer names no order", "add_order", account)
    return OrderAck(
        order_id=None if is_check else answer.order_id,
        client_order_id=ticket.client_order_id,
        as_of_s=as_of_s,
        via="stream",
        warnings=_shown(answer.warnings or ()),
    )


def stream_cancelled(
    frame: wire.Frame, *, order_id: str | None, client_order_id: str | None, account: str, as_of_s: float
) -> CancelAck:
    """
    What a ``cancel_order`` answer that says ``success`` proves; there is one for each order.

    Raises:
        OutcomeUnknownError: It names another order than the one that was to be cancelled.
    """
    answer = _stream_result(frame, wire.StreamPlaced, "cancel_order", account)
    asked, told = (order_id, answer.order_id) if order_id is not None else (client_order_id, answer.cl_ord_id)
    if told is not None and told != asked:
        raise unknown("cancel_order: the answer is about another order", "cancel_order", account)
    return CancelAck(count=1, is_pending=False, as_of_s=as_of_s)


def stream_switched(frame: wire.Frame, timeout_s: int, *, account: str) -> None:
    """As ``switched``."""
    request = "cancel_all_orders_after"
    answer = _stream_result(frame, wire.Switch if timeout_s else dict[str, Any], request, account)
    if isinstance(answer, wire.Switch) and not answer.trigger_time:
        raise unknown(f"{request}: does not say when it fires", request, account)


def _stream_result(frame: wire.Frame, shape: type[T], request: str, account: str) -> T:
    if frame.success is not True or frame.error is not None:
        raise unknown(f"{request}: neither a clear success nor a clear refusal", request, account)
    try:
        return msgspec.convert(frame.result, shape, strict=False)
    except msgspec.ValidationError as error:
        raise unknown(f"{request}: not of the expected shape: {error}", request, account) from None


# Errors


def unknown(
    told: str, request: str, account: str, *, fault: FaultClass = FaultClass.PAYLOAD, code: str | None = None
) -> OutcomeUnknownError:
    """It may have been done."""
    # What another error said names the venue already.
    message = told if told.startswith("kraken ") else f"kraken {told}"
    return OutcomeUnknownError(message, venue="kraken", request=request, account=account, fault=fault, code=code)


def unsent(told: str, request: str, account: str, *, cause: Exception | None = None) -> VenueUnreachableError:
    """Nothing of it left."""
    return VenueUnreachableError(
        f"kraken: {request} was not sent; {told}",
        venue="kraken",
        request=request,
        account=account,
        fault=getattr(cause, "fault", FaultClass.NETWORK),
        code=getattr(cause, "code", None),
        retry_after_s=getattr(cause, "retry_after_s", None),
    )


def as_doubt(error: VenueError) -> VenueError:
    """
    *error*, under a class that does not claim a rejection where its outcome says that there may be none.

    A refused nonce keeps its own: whoever sees it has to look after the credential.
    """
    is_claim = isinstance(error, VenueRejectedError) and not isinstance(error, InvalidNonceError)
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
    return text is not None and 0 < len(text) <= _MOST_ID and text.isascii() and text.isprintable() and " " not in text


def _shown(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(errors.shown(text) for text in texts)
