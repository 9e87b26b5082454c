"""Intents as rows of the store, as lines of the journal, as events, and as what a bot sees of them. Pure."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO
from holdfast.core.assets import AssetCode
from holdfast.core.balances import OpenOrder
from holdfast.core.events import Event, event
from holdfast.core.intents import Intent, IntentChange
from holdfast.core.orders import OrderState
from holdfast.core.seams import IntentRow, JournalRow, Randomness
from holdfast.errors import OrderInputError, StoreCorruptError
from holdfast.runtime.record import amount_text
from holdfast.runtime.views import Order, ReservationView

__all__ = [
    "checked_intent_id",
    "client_order_id_of",
    "event_of",
    "external_order",
    "intent_of",
    "journal_row_of",
    "new_intent_id",
    "order_of",
    "reservation_of",
    "row_of",
    "spent_fact",
    "spent_of",
]

_UUID: Final = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\Z")
_ID_LENGTH: Final = 128

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Intent).decode
_decode_spent = msgspec.json.Decoder(dict[str, Decimal]).decode


def checked_intent_id(intent_id: str) -> str:
    """
    *intent_id*, where it can be one.

    Raises:
        OrderInputError: It is not 1 to 128 printable ASCII characters.
    """
    if type(intent_id) is not str or not 1 <= len(intent_id) <= _ID_LENGTH or not intent_id.isascii():
        raise OrderInputError(f"intent_id has to be 1 to {_ID_LENGTH} printable ASCII characters", field="intent_id")
    if not intent_id.isprintable():
        raise OrderInputError("intent_id holds a character that cannot be printed", field="intent_id")
    return intent_id


def new_intent_id(randomness: Randomness) -> str:
    """An id that nobody chose: 32 hex digits."""
    return "".join(f"{int(randomness.random() * 0x1_0000_0000):08x}" for _ in range(4))


def client_order_id_of(intent_id: str) -> str:
    """The intent's client order id: its own hex digits where it is a UUID, else the first 32 of its SHA-256."""
    if _UUID.match(intent_id):
        return intent_id.replace("-", "")
    return hashlib.sha256(f"holdfast intent\0{intent_id}".encode()).hexdigest()[:32]


def row_of(intent: Intent) -> IntentRow:
    """The intent as the store keeps it."""
    return IntentRow(
        intent_id=intent.intent_id,
        client_order_id=intent.client_order_id,
        is_ended=intent.is_ended,
        wall_us=intent.updated_us,
        record=_encode(intent).decode(),
    )


def intent_of(row: IntentRow) -> Intent:
    """
    The intent that a row keeps.

    Raises:
        StoreCorruptError: It keeps none: it is never taken for an intent that claims nothing.
    """
    try:
        return _decode(row.record)
    except msgspec.DecodeError as error:
        raise StoreCorruptError(f"the intent {row.intent_id!a} in the store cannot be read: {error}") from None


def journal_row_of(change: IntentChange) -> JournalRow:
    """One step of an intent, with the claim before and after it."""
    before, after = change
    facts = {
        "intent_id": after.intent_id,
        "cause": after.cause,
        "before": None if before is None else before.reservation.value,
        "after": after.reservation.value,
        "order": None if after.order is None else after.order.value,
        "order_id": after.order_id,
        "amount": amount_text(after.amount),
        "reserved": amount_text(after.counted),
        "filled": amount_text(after.filled) if after.filled else None,
        "bot": after.bot,
        "detail": after.detail,
    }
    return JournalRow(
        wall_us=after.updated_us,
        kind="reservation",
        asset=after.asset,
        total=None,
        held=None,
        available=None,
        source=None,
        cause=_encode({name: value for name, value in facts.items() if value is not None}).decode(),
        is_money=True,
    )


def event_of(change: IntentChange, broker: str) -> list[Event]:
    """What to tell of one step."""
    before, after = change
    told = []
    if before is None or before.reservation is not after.reservation:
        told.append(
            event(
                "reservation.changed",
                broker=broker,
                intent_id=after.intent_id,
                asset=after.asset,
                before=None if before is None else before.reservation.value,
                after=after.reservation.value,
                reserved=amount_text(after.counted),
                cause=after.cause,
            )
        )
    was = None if before is None else before.order
    if after.order is not None and (was is not after.order or (before is not None and before.filled != after.filled)):
        told.append(
            event(
                "order.changed",
                broker=broker,
                intent_id=after.intent_id,
                order_id=after.order_id,
                before=None if was is None else was.value,
                after=after.order.value,
                filled=amount_text(after.filled),
                cause=after.cause,
            )
        )
        if after.order is OrderState.IN_DOUBT:
            told.append(event("order.doubted", broker=broker, intent_id=after.intent_id, cause=after.cause))
    return told


def order_of(intent: Intent, broker: str) -> Order:
    """The intent's order as a bot sees it."""
    ticket = intent.ticket
    assert ticket is not None
    return Order(
        broker=broker,
        intent_id=intent.intent_id,
        client_order_id=intent.client_order_id,
        order_id=intent.order_id,
        symbol=ticket.symbol,
        side=ticket.side,
        order_type=ticket.order_type.value,
        quantity=ticket.quantity,
        quote_quantity=ticket.quote_quantity,
        limit_price=ticket.limit_price,
        state=intent.order or OrderState.NEVER_SENT,
        filled=intent.filled,
        cost=intent.cost,
        fees=intent.fees,
        asset=intent.asset,
        reserved=intent.counted or ZERO,  # What came back to nothing would print as 0E-9.
        reservation=intent.reservation,
        bot=intent.bot,
        detail=intent.detail,
        created_us=intent.created_us,
        updated_us=intent.updated_us,
    )


def external_order(order: OpenOrder, broker: str) -> Order:
    """An open order of the account that holdfast did not place."""
    return Order(
        broker=broker,
        intent_id=None,
        client_order_id=order.client_order_id,
        order_id=order.order_id,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        quantity=order.quantity,
        quote_quantity=None,
        limit_price=order.limit_price,
        state=OrderState.OPEN,
        filled=order.filled,
        cost=order.cost,
        asset=order.hold_asset,
    )


def reservation_of(intent: Intent, broker: str) -> ReservationView:
    """The intent's claim as a bot sees it."""
    return ReservationView(
        broker=broker,
        intent_id=intent.intent_id,
        client_order_id=intent.client_order_id,
        asset=intent.asset,
        amount=intent.amount,
        reserved=intent.counted or ZERO,
        state=intent.reservation,
        order=intent.order,
        order_id=intent.order_id,
        symbol=intent.symbol,
        side=intent.side,
        bot=intent.bot,
        cause=intent.cause,
        detail=intent.detail,
        created_us=intent.created_us,
        updated_us=intent.updated_us,
    )


def spent_fact(bot: str) -> str:
    """Name of the store's fact that keeps what a bot has spent, net."""
    return f"spent:{bot}"


def spent_of(text: str) -> dict[AssetCode, Decimal]:
    """
    What such a fact says.

    Raises:
        StoreCorruptError: It cannot be read.
    """
    try:
        return _decode_spent(text)
    except msgspec.DecodeError as error:
        raise StoreCorruptError(f"what a bot has spent cannot be read in the store: {error}") from None
