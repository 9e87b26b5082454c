"""
What a venue states about an account, and the balance we answer with.

Full and partial statements are different types, so that none can be taken for the other: a ``Snapshot`` replaces, a
``Partial`` touches only what it names, a ``Delta`` is applied on top, in sequence. ``total``, ``held`` and
``available`` are the venue's own figures, stored as stated and never computed from each other.
"""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from holdfast.core.amounts import ZERO, subtract
from holdfast.core.assets import AssetCode

__all__ = [
    "Balance",
    "BalanceState",
    "Delta",
    "Holding",
    "OpenOrder",
    "OrderChange",
    "OrderFill",
    "OrdersSnapshot",
    "Partial",
    "Side",
    "Snapshot",
    "Source",
]


class BalanceState(enum.StrEnum):
    """How far a balance may be trusted now."""

    LIVE = "live"  # Pushed on a channel proven alive, and anchored by REST recently enough.
    FRESH = "fresh"  # Read or pushed within max_age_s.
    STALE = "stale"  # Last known good: older, suspect, invalidated or restored.
    UNKNOWN = "unknown"  # Never confirmed. Not zero.


class Source(enum.StrEnum):
    """Where a figure came from."""

    STREAM = "stream"
    REST = "rest"
    DERIVED = "derived"  # Venue figures carried forward by our own record of orders since the last anchor.


class Side(enum.StrEnum):
    """Side of an order."""

    BUY = "buy"
    SELL = "sell"


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """
    One asset as one statement of the venue gives it; whole units, exact.

    ``held`` and ``available`` are ``None`` where that statement does not say (Kraken's ``Balance`` and its stream).
    """

    asset: AssetCode
    total: Decimal
    held: Decimal | None = None
    available: Decimal | None = None
    rows: tuple[tuple[str, str], ...] = ()  # The venue's own rows, symbol and stated total, where several make one.
    credit: Decimal | None = None  # What the venue lends: explains an available above the total.
    detail: tuple[tuple[str, Decimal], ...] = ()  # Beside the figures, shown and never counted: ("equity", ...).


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """
    A complete statement: an asset that is absent is stated to be zero.

    ``read`` names how it was read, in the venue's words (``BalanceEx``, ``balances``): a suspect answer is believed
    only once a *different* read agrees. ``as_of_s`` is our clock when the request left (REST) or the frame arrived
    (stream).
    """

    read: str
    source: Source
    as_of_s: float
    holdings: dict[AssetCode, Holding]
    states_holds: bool  # True when every holding carries held and available.
    venue_time_s: float | None = None
    omits: frozenset[AssetCode] = frozenset()  # Assets this statement cannot speak of: for these absence says nothing.


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """A statement of some assets: it says nothing about the others."""

    read: str
    source: Source
    as_of_s: float
    holdings: dict[AssetCode, Holding]
    states_holds: bool
    venue_time_s: float | None = None


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """
    One change of one asset's total, applied on top of a stream snapshot.

    The stream adapter has already proved the sequence. ``change`` is signed and net of fees; ``total`` is the
    asset's total afterwards where the venue states it with authority, else ``None``. Deltas with the same ``ref`` are
    legs of one event (one trade) and are shown together.
    """

    asset: AssetCode
    change: Decimal
    total: Decimal | None
    kind: str  # The venue's word for the cause: trade, deposit, withdrawal ...
    ref: str | None  # Id of the event this is a leg of.
    has_other_leg: (
        bool  # True where the venue will send, or has sent, another leg of the same event: another asset's or wallet's.
    )
    as_of_s: float
    entry: str | None = None  # The venue's ledger row id.
    venue_time_s: float | None = None


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """
    One open order as far as it holds money; whole units.

    ``hold`` is our estimate of what the venue holds for it in ``hold_asset``, without fees; ``None`` where it cannot
    be estimated (a market order by quantity). Margin orders hold nothing on the spot balance: ``hold`` is zero.
    """

    order_id: str
    client_order_id: str | None
    symbol: str | None  # Canonical, or None for an instrument the venue did not list to us.
    side: Side
    order_type: str
    quantity: Decimal | None  # Base units; None for an order by quote quantity.
    filled: Decimal
    limit_price: Decimal | None
    hold_asset: AssetCode | None
    hold: Decimal | None
    cost: Decimal | None = None  # Quote units paid or received so far, without fees; None where not told.
    fee: Decimal | None = None  # Quote units charged so far, where a read tells; None where not told.


class OrdersSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Every open order of the account: one that is absent is not open."""

    read: str
    source: Source
    as_of_s: float
    orders: dict[str, OpenOrder]


class OrderFill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    One execution of one of our orders, as the orders channel pushes it.

    ``fill_id`` is the reference under which the balance legs of the same fill arrive. ``fees`` are positive where paid
    and negative where received, each in the asset it was charged in.
    """

    fill_id: str
    quantity: Decimal
    price: Decimal | None
    cost: Decimal
    fees: tuple[tuple[AssetCode, Decimal], ...]


class OrderChange(msgspec.Struct, frozen=True, kw_only=True):
    """
    One order's new state: ``order`` while it is open, ``None`` once it is not.

    ``ref`` is the id under which the balance legs of the same fill arrive, so that a fill's lower hold and its lower
    total can be shown together; ``None`` for everything but fills.
    """

    order_id: str
    order: OpenOrder | None
    as_of_s: float
    ref: str | None = None
    reason: str | None = None  # The venue's word for what happened: new, trade, canceled, expired ...
    client_order_id: str | None = None  # Ours, where the venue knows one.
    filled: Decimal | None = None  # Base units in all, as known after this; None where not told.
    cost: Decimal | None = None  # Quote units in all, without fees, likewise.
    fill: OrderFill | None = None  # The execution that this is, where it is one.
    detail: str | None = None  # The venue's own words on why it ended, where it gave any.


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """
    The answer for one asset at one moment.

    Amounts are whole units, exact, or ``None`` while unknown: unknown is not zero. ``total``, ``held`` and
    ``available`` are shown as the venue states them, negative where it says so; ``spendable`` is never negative.
    ``age_s`` is seconds since the figure was last known to be true (request start for REST, latest proof of the
    channel for a stream), on a clock that runs through suspend. ``reason`` is a fixed word such as ``age``, ``gap``,
    ``suspect_empty``, ``restored``, ``clock_jump``, or ``None`` where nothing is wrong. ``floor`` is what your settings
    keep of it whatever is asked for. ``detail`` is what else the venue states of it, by a word of ours (``equity``):
    shown, never counted.
    """

    asset: AssetCode
    total: Decimal | None
    held: Decimal | None
    available: Decimal | None
    reserved: Decimal
    spendable: Decimal | None
    state: BalanceState
    age_s: float | None
    source: Source | None
    reason: str | None
    floor: Decimal = ZERO
    detail: tuple[tuple[str, Decimal], ...] = ()

    @property
    def is_fit_to_approve(self) -> bool:
        """True where the state allows a new order to be approved on this figure."""
        return self.state is BalanceState.LIVE or self.state is BalanceState.FRESH

    @property
    def kept_back(self) -> Decimal | None:
        """
        What of ``available`` may not be counted on yet, beside what is reserved and the floor; None while unknown.

        What was pushed and is not confirmed, what an open order may hold beyond what is shown, the difference between
        two readings of which neither was ruled out.
        """
        if self.available is None or self.spendable is None:
            return None
        left = subtract(subtract(self.available, self.reserved), self.floor)
        return max(ZERO, subtract(left, self.spendable))
