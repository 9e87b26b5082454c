"""
Order entry at Coinbase: a ticket to what is sent, an answer to what it proves. Pure.

Whether an order was created is said by ``success`` in an answer of status 200, and by nothing else. An order is
refused only where the answer proves it. Everything that is not clearly an acknowledgement or clearly a refusal leaves
the order's fate unknown: an unreadable body, a server's fault, an answer without the order's id, one that names
another order, a refusal without a word or with one that we do not know.

Sources: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/create-order ·
https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/preview-orders ·
https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/cancel-order ·
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/faq (checked 2026-11-20)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from holdfast.core.amounts import format_amount
from holdfast.core.balances import Side
from holdfast.core.instruments import Instrument
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket, OrderType, TimeInForce
from holdfast.core.payloads import decode_strictly
from holdfast.core.seams import HttpReply
from holdfast.errors import (
    FaultClass,
    OrderRuleError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)
from holdfast.venues.coinbase import errors, wire

__all__ = [
    "CANCEL",
    "CREATE",
    "DUPLICATE",
    "PREVIEW",
    "as_doubt",
    "cancel_body",
    "cancelled",
    "create_body",
    "is_same",
    "placed",
    "preview_body",
    "previewed",
    "proven",
    "unknown",
    "unsent",
]

CREATE: Final = "orders"
PREVIEW: Final = "orders/preview"
CANCEL: Final = "orders/batch_cancel"

DUPLICATE: Final = "DUPLICATE_CLIENT_ORDER_ID"
"""One of the two answers to an id that an order has already; the other is that order."""

_CANCEL_AGAIN: Final = "DUPLICATE_CANCEL_REQUEST"
_MOST_ID: Final = 64

T = TypeVar("T")

# Asking


def create_body(ticket: OrderTicket, instrument: Instrument) -> bytes:
    """
    The body of ``POST /orders``.

    Raises:
        OrderRuleError: A quote quantity for anything but a market buy, or an order that cannot take liquidity and may
            not rest: Coinbase has no such orders.
    """
    return msgspec.json.encode({"client_order_id": ticket.client_order_id, **_order(ticket, instrument)})


def preview_body(ticket: OrderTicket, instrument: Instrument) -> bytes:
    """
    The body of ``POST /orders/preview``: the same without our id.

    Raises:
        OrderRuleError: As ``create_body``.
    """
    return msgspec.json.encode(_order(ticket, instrument))


def cancel_body(order_id: str) -> bytes:
    """The body of ``POST /orders/batch_cancel`` for one order."""
    return msgspec.json.encode({"order_ids": [order_id]})


def _order(ticket: OrderTicket, instrument: Instrument) -> dict[str, object]:
    kind, terms = _configuration(ticket)
    return {
        "product_id": instrument.venue_symbol,
        "side": ticket.side.value.upper(),
        "order_configuration": {kind: terms},
    }


_KINDS: Final = {
    TimeInForce.GTC: "limit_limit_gtc",
    TimeInForce.IOC: "sor_limit_ioc",
    TimeInForce.FOK: "limit_limit_fok",
}


def _configuration(ticket: OrderTicket) -> tuple[str, dict[str, object]]:
    if ticket.quote_quantity is not None:
        is_market_buy = ticket.side is Side.BUY and ticket.order_type is OrderType.MARKET
        if not is_market_buy or ticket.quantity is not None:
            raise OrderRuleError("coinbase takes a quote quantity for market buys only; state a quantity in base")
        return "market_market_ioc", {"quote_size": format_amount(ticket.quote_quantity)}
    if ticket.quantity is None:
        raise OrderRuleError("an order needs a quantity")
    terms: dict[str, object] = {"base_size": format_amount(ticket.quantity)}
    if ticket.order_type is OrderType.MARKET:
        return "market_market_ioc", terms
    if ticket.limit_price is None:
        raise OrderRuleError("a limit order needs a price")
    terms["limit_price"] = format_amount(ticket.limit_price)
    if ticket.time_in_force is TimeInForce.GTC:
        terms["post_only"] = ticket.is_post_only
    elif ticket.is_post_only:
        raise OrderRuleError(f"a post-only order rests: {ticket.time_in_force.value} does not let it")
    return _KINDS[ticket.time_in_force], terms


# Answers


def placed(reply: HttpReply, ticket: OrderTicket, instrument: Instrument, *, account: str) -> OrderAck:
    """
    What an answer to ``POST /orders`` proves; *reply* has a status of success.

    Raises:
        VenueError: A refusal, REJECTED or UNKNOWN as its word means it.
        OutcomeUnknownError: It is neither a clear success nor a clear refusal.
    """
    told = _told(reply.body, wire.Created, CREATE, account)
    if not told.success:
        raise _refusal(told, account)
    order = told.success_response
    if order is None or not _is_id(order.order_id):
        raise unknown(f"{CREATE}: the answer names no order", CREATE, account)
    expected = {
        "client_order_id": ticket.client_order_id,
        "product_id": instrument.venue_symbol,
        "side": ticket.side.value.upper(),
    }
    for name, value in expected.items():
        if getattr(order, name) not in (None, "", value):
            raise unknown(f"{CREATE}: the answer is about another order ({name})", CREATE, account)
    if not _is_alike(told.order_configuration, ticket):
        # An id that was used before is answered with the order that has it.
        raise unknown(f"{CREATE}: the answer is about an order of another size or price", CREATE, account)
    return OrderAck(
        order_id=order.order_id,
        client_order_id=ticket.client_order_id,
        as_of_s=reply.received_s,
        via="rest",
    )


def _refusal(told: wire.Created, account: str) -> VenueError:
    """The error of an answer that says that no order was created."""
    if told.order_id or (told.success_response is not None and told.success_response.order_id):
        return unknown(f"{CREATE}: refused, and names an order", CREATE, account)
    why = told.error_response or wire.Refusal()
    word = errors.word_in(why.new_order_failure_reason, why.error, why.preview_failure_reason)
    texts = dict.fromkeys(text for text in (why.message, why.error_details, why.preview_failure_reason) if text)
    error, _ = errors.error_of(word, request=CREATE, account=account, told="; ".join(texts))
    return as_doubt(error)


def previewed(reply: HttpReply, ticket: OrderTicket, *, account: str) -> OrderAck:
    """
    What an answer to ``POST /orders/preview`` says; it reserves nothing and creates nothing.

    Raises:
        VenueError: The first of ``errs`` that we know, or the first.
        OutcomeUnknownError: The answer cannot be read.
    """
    told = _told(reply.body, wire.Previewed, PREVIEW, account)
    words = [word for word in told.errs if word]
    if words:
        known = [word for word in words if errors.find(word) is not None]
        error, _ = errors.error_of(
            errors.word_in(*(known or words)), request=PREVIEW, account=account, told=", ".join(words)
        )
        raise error
    return OrderAck(
        order_id=None,
        client_order_id=ticket.client_order_id,
        as_of_s=reply.received_s,
        via="rest",
        warnings=tuple(errors.shown(word) for word in told.warning if word and word != "UNKNOWN"),
    )


def cancelled(reply: HttpReply, order_id: str, *, account: str) -> CancelAck:
    """
    What an answer to ``POST /orders/batch_cancel`` says of one order: taken, which is not yet cancelled.

    Raises:
        UnknownOrderError: No such open order.
        VenueError: Refused for another reason; or it does not tell of this order (UNKNOWN).
    """
    told = _told(reply.body, wire.Cancelled, CANCEL, account)
    ours = [result for result in told.results if result.order_id == order_id]
    if len(ours) != 1 or len(told.results) != 1:
        raise unknown(
            f"{CANCEL}: the answer tells of {len(told.results)} orders, {len(ours)} of them ours", CANCEL, account
        )
    result = ours[0]
    if result.success or (result.failure_reason or "").upper() == _CANCEL_AGAIN:
        return CancelAck(count=1, is_pending=True, as_of_s=reply.received_s)
    error, _ = errors.error_of(result.failure_reason or "", request=CANCEL, account=account)
    raise as_doubt(error)


def _told(body: bytes, shape: type[T], request: str, account: str) -> T:
    try:
        return decode_strictly(body, shape)
    except PayloadError as error:
        raise unknown(f"{request}: {error}", request, account) from None


def proven(error: VenueError | PayloadError, reply: HttpReply | None, *, request: str, account: str) -> VenueError:
    """
    A failure as what it proves of an order.

    An order's own refusal counts with any status that blames the request. Every other refusal counts only out of an
    answer; a 401's is bare text.

    Args:
        error: What the answer, or the lack of one, was taken for.
        reply: The answer, where there was one.
        request: Our name of the call.
        account: The broker's name.
    """
    if isinstance(error, PayloadError):
        return unknown(str(error), request, account)
    if reply is not None and request == CREATE and 400 <= reply.status < 500:
        try:
            told = decode_strictly(reply.body, wire.Created)
        except PayloadError:
            pass
        else:
            if told.success:
                return unknown(f"{request}: a success with HTTP {reply.status}", request, account)
            return _refusal(told, account)
    if reply is None and error.outcome is Outcome.REJECTED:
        return unknown(f"{error}; the refusal came without an answer", request, account, code=error.code)
    return as_doubt(error)


def is_same(order: wire.Order, ticket: OrderTicket, instrument: Instrument) -> bool:
    """Whether an order that has our id is the one that we meant: product, side, size, price."""
    return (
        order.client_order_id == ticket.client_order_id
        and order.product_id == instrument.venue_symbol
        and order.side == ticket.side.value.upper()
        and _is_alike(order.order_configuration, ticket)
    )


def _is_alike(configuration: Mapping[str, object], ticket: OrderTicket) -> bool:
    """Whether a configuration states no other size and price than those that were meant, as far as it states any."""
    _, meant = _configuration(ticket)
    return all(
        _is_equal(terms.get(name), value)
        for terms in configuration.values()
        if isinstance(terms, dict)
        for name, value in meant.items()
        if name != "post_only"
    )


def _is_equal(told: object, meant: object) -> bool:
    """Whether two texts are one number, or the order does not repeat it."""
    return told in (None, "") or (
        isinstance(told, str) and isinstance(meant, str) and (_trimmed(told) == _trimmed(meant))
    )


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


# Errors


def unknown(
    told: str, request: str, account: str, *, fault: FaultClass = FaultClass.PAYLOAD, code: str | None = None
) -> OutcomeUnknownError:
    """It may have been done."""
    return OutcomeUnknownError(
        f"coinbase {told}", venue="coinbase", request=request, account=account, fault=fault, code=code
    )


def unsent(told: str, request: str, account: str, *, cause: Exception | None = None) -> VenueUnreachableError:
    """Nothing of it left."""
    return VenueUnreachableError(
        f"coinbase: {request} was not sent; {told}",
        venue="coinbase",
        request=request,
        account=account,
        fault=getattr(cause, "fault", FaultClass.NETWORK),
        code=getattr(cause, "code", None),
        retry_after_s=getattr(cause, "retry_after_s", None),
    )


def as_doubt(error: VenueError) -> VenueError:
    """*error*, under a class that does not claim a rejection where its outcome says that there may be none."""
    if error.outcome is not Outcome.UNKNOWN or not isinstance(error, VenueRejectedError):
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
