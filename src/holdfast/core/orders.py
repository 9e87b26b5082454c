"""
What is asked of a venue about orders, and what it answers.

An order is asked for (``OrderAsk``), judged, put on the instrument's grid as a ``OrderTicket`` and sent once. What the
venue answers at once (``OrderAck``) says that the request was handled; what became of the order is told by the orders
channel and by reads. Amounts are whole units, exact.
"""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from holdfast.core.assets import Symbol
from holdfast.core.balances import Side

__all__ = [
    "CancelAck",
    "OrderAck",
    "OrderAsk",
    "OrderState",
    "OrderTicket",
    "OrderType",
    "TimeInForce",
]


class OrderType(enum.StrEnum):
    """What kind of order."""

    MARKET = "market"
    LIMIT = "limit"


class TimeInForce(enum.StrEnum):
    """How long a limit order may rest."""

    GTC = "gtc"  # Until it is cancelled.
    IOC = "ioc"  # What cannot be filled at once is cancelled.
    FOK = "fok"  # All of it at once, or nothing.


class OrderState(enum.StrEnum):
    """
    Where one of our own orders stands, as far as there is evidence.

    ``sending`` and ``in_doubt`` are the states in which the venue may have it without our knowing; an order leaves
    ``in_doubt`` by evidence only.
    """

    SENDING = "sending"  # Its intent is durable and its answer is not there.
    OPEN = "open"  # The venue has it.
    FILLED = "filled"
    CANCELED = "canceled"  # Ended by somebody before it was filled; what was filled until then stands.
    EXPIRED = "expired"  # Ended by the venue on a time or rule of the order's own.
    REJECTED = "rejected"  # The venue said no, with evidence.
    NEVER_SENT = "never_sent"  # Provably nothing left.
    IN_DOUBT = "in_doubt"  # The answer was lost: it may or may not be at the venue.
    ABSENT = "absent"  # Was in doubt; its validity passed and the venue's own lists do not know it.

    @property
    def is_ended(self) -> bool:
        """Whether nothing more can happen to it."""
        return self in _ENDED


_ENDED = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.EXPIRED,
        OrderState.REJECTED,
        OrderState.NEVER_SENT,
        OrderState.ABSENT,
    }
)


class OrderAsk(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    What a caller asks for, with every amount exact and above zero.

    Exactly one of ``quantity`` (base units) and ``quote_quantity`` (quote units) is set. ``limit_price`` is set for a
    limit order and only there.
    """

    symbol: Symbol
    side: Side
    order_type: OrderType
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    limit_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False
    bot: str | None = None


class OrderTicket(msgspec.Struct, frozen=True, kw_only=True):
    """
    One order as it is to be sent: on the instrument's grid, with an id of ours and an end of its validity.

    ``client_order_id`` is 32 lower-case hex digits, legal at every venue. ``valid_until_us`` is UTC microseconds on the
    *venue's* clock: the venue executes nothing of a request that it handles later.
    """

    client_order_id: str
    symbol: Symbol
    side: Side
    order_type: OrderType
    quantity: Decimal | None
    quote_quantity: Decimal | None
    limit_price: Decimal | None
    time_in_force: TimeInForce
    is_post_only: bool
    valid_until_us: int


class OrderAck(msgspec.Struct, frozen=True, kw_only=True):
    """
    The venue took the request. ``order_id`` is None for a dry run, and where the venue did not say.

    ``as_of_s`` is our clock when the answer had arrived; ``via`` is ``stream`` or ``rest``.
    """

    order_id: str | None
    client_order_id: str | None
    as_of_s: float
    via: str
    warnings: tuple[str, ...] = ()


class CancelAck(msgspec.Struct, frozen=True, kw_only=True):
    """The venue took a cancel: of how many orders, and whether it is only under way."""

    count: int
    is_pending: bool
    as_of_s: float
