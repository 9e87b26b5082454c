"""
What a broker says of itself: status, changes, explanations. Values only, made when asked for.

Every duration in here is seconds, and every age is measured on a clock that runs through suspend.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from holdfast.core.amounts import ZERO
from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Balance, Side
from holdfast.core.breakers import BreakerState
from holdfast.core.health import Health
from holdfast.core.orders import OrderState
from holdfast.core.reservations import ReservationState
from holdfast.core.seams import JournalRow, StoreStatus
from holdfast.core.venue import VenueMode
from holdfast.core.verdicts import TradingState

__all__ = [
    "BalancesChanged",
    "BreakerStatus",
    "BrokerStatus",
    "CallBudget",
    "CapabilityHealth",
    "ChannelStatus",
    "CredentialStatus",
    "Dispute",
    "Explanation",
    "Health",
    "Isolable",
    "Lagged",
    "NonceStatus",
    "Order",
    "RefreshReport",
    "ReservationView",
    "ResetReport",
    "StreamStatus",
    "Visit",
]


Isolable = Literal["all", "read", "trade"]
"""Which breakers a person may hold open."""

Visit = Literal["doctor", "verify_balance"]
"""Acts that change nothing and are kept on record all the same."""


class ChannelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One private channel of a broker's stream. Ages are ``None`` while nothing has arrived on this connection."""

    name: str
    is_subscribed: bool
    has_snapshot: bool
    age_s: float | None  # Since its last message; a quiet account leaves it old on a perfectly living socket.
    gaps: int  # Sequence breaks seen since the broker was opened.
    refusal: str | None = None  # The venue's own words, where it refused the channel and has not stated it since.


class StreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """
    A broker's stream.

    ``state`` is one of ``connecting``, ``snapshot``, ``live``, ``degraded``, ``down``; ``reason`` says why it is not
    ``live``. ``last_frame_age_s`` counts frames of any kind, heartbeats included.
    """

    state: str
    reason: str | None
    for_s: float  # How long it has been in this state.
    last_frame_age_s: float | None
    connects: int  # Connections opened since the broker was opened.
    channels: tuple[ChannelStatus, ...]


class NonceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The credential's nonce line. ``refused`` counts nonces the venue refused since the broker was opened."""

    refused: int
    parked_cause: str | None
    parked_for_s: float | None  # Seconds until it may be used again; None where a person has to act, or not parked.


class CallBudget(msgspec.Struct, frozen=True, kw_only=True):
    """
    The call counter with the least room left, in the venue's own points.

    ``used`` of ``limit`` points count now, and none will in ``zero_in_s`` seconds if nothing is asked; reads leave
    ``kept`` points to tokens, orders and cancels.
    """

    used: float
    limit: float
    zero_in_s: float
    kept: float


class CredentialStatus(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which credential is in use, as far as it may be shown, and what the venue says it may do.

    ``hint`` is the last four characters of the public key. ``can_withdraw`` is None where the venue does not tell, or
    was not asked yet; ``permissions`` are the venue's words.
    """

    hint: str
    permissions: tuple[str, ...] = ()
    can_withdraw: bool | None = None


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """
    One open discrepancy: two figures for one thing that cannot both be right, each as it was stated.

    ``ours`` and ``theirs`` are whole units; ``for_s`` is how long it has been known, seconds; ``rows`` are the venue's
    own rows behind ``theirs``, where there are several.
    """

    asset: AssetCode
    kind: str
    ours: Decimal | None
    theirs: Decimal | None
    for_s: float
    rows: tuple[tuple[str, str], ...] = ()


class BreakerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """
    One breaker.

    ``retry_after_s`` is the time until a call may go again, 0 where one may go now, None while a person isolates it.
    ``why`` is the latest fault's word while it is not closed, or that person's reason.
    """

    state: BreakerState
    retry_after_s: float | None
    open_for_s: float | None  # How long it has not been closed; None while it is.
    why: str | None
    is_stuck: bool  # Tried for too long in vain.
    openings: int  # Since the broker was opened.


class CapabilityHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How well one thing works that a broker does: ``read``, ``trade`` or ``stream``."""

    name: str
    breaker: BreakerStatus
    error_count: int  # Counted errors in a row; 0 after one success.
    last_success_age_s: float | None  # Since the latest success left us; of the stream, since it became live.
    latency_s: float | None  # Of that success, request to answer.
    last_fault: str | None  # The latest counted fault's word, whatever came after it.
    last_error: str | None  # The same in the venue's or our own words.
    last_fault_age_s: float | None


class BrokerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """
    Everything a broker knows of its own condition at one moment.

    ``error_count`` is consecutive counted errors, 0 after one success. ``reasons`` are fixed words, worst first, and
    empty where ``health`` is healthy.
    """

    broker: str
    venue: str
    environment: str
    account_id: str | None  # The venue's own id; None until it has named the account.
    health: Health
    reasons: tuple[str, ...]
    is_available: bool
    error_count: int
    last_error: str | None
    last_success_age_s: float | None  # Since the last believed answer left us (REST).
    read_latency_s: float | None  # Of the last successful read, request to last byte.
    stream: StreamStatus
    venue_mode: VenueMode
    venue_clock_offset_s: float | None  # Venue minus ours, where measured.
    is_halted: bool
    halted_reason: str | None
    store: StoreStatus
    nonce: NonceStatus
    assets: int  # Assets with a confirmed figure.
    states: dict[str, int]  # How many of them are live, fresh and stale.
    discrepancies: int  # Open now.
    suspects: tuple[AssetCode, ...]  # Assets that wait for a second, different read.
    halted_detail: str | None = None  # What ``halted_reason`` means, in a sentence with what to do.
    trading_state: TradingState = TradingState.ACTIVE  # Which orders are taken.
    trading_reason: str | None = None  # Why not all of them, as whoever set it said.
    reservations: int = 0  # Live ones: active, covered or in doubt.
    in_doubt: int = 0  # Orders whose outcome is unknown.
    capabilities: tuple[CapabilityHealth, ...] = ()  # Read, trade and stream, in this order.
    account_mode: str | None = None  # How the account is set up at the venue, in its own word; None where it has none.
    notes: tuple[str, ...] = ()  # What the venue's word on the credential should make a person do, in sentences.
    disputes: tuple[Dispute, ...] = ()  # The discrepancies that are open now, both figures of each.
    calls: CallBudget | None = None  # None where the venue's calls are not counted.
    credential: CredentialStatus | None = None

    def capability(self, name: str) -> CapabilityHealth:
        """The health of ``read``, ``trade`` or ``stream``; raises ``KeyError`` for any other."""
        for each in self.capabilities:
            if each.name == name:
                return each
        raise KeyError(name)


class BalancesChanged(msgspec.Struct, frozen=True, kw_only=True):
    """
    Figures of some assets, or how far they may be trusted, changed.

    ``assets`` names them; the figures themselves are asked for with ``broker.balance(asset)`` and are then those of
    that moment. ``kind`` is the cause: ``snapshot``, ``delta``, ``orders``, ``state``.
    """

    broker: str
    kind: str
    assets: tuple[AssetCode, ...]


class Lagged(msgspec.Struct, frozen=True, kw_only=True):
    """The reader was too slow: *missed* changes were dropped before the next item. Read ``balances()`` again."""

    broker: str
    missed: int


class RefreshReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a forced refresh did.

    ``reads`` are the venue's names of the reads that were asked and believed; ``changed`` the assets whose figures
    moved; ``error`` is why the last attempt failed, ``None`` where it succeeded.
    """

    broker: str
    reads: tuple[str, ...]
    attempts: int
    took_s: float
    changed: tuple[AssetCode, ...]
    suspects: tuple[AssetCode, ...]
    error: str | None
    fault: str | None = None  # The class of that failure, as one fixed word.
    record: str | None = None  # Why this act does not stand in the journal; None where it does, or needs not.

    @property
    def is_ok(self) -> bool:
        """True where the venue answered and was believed."""
        return self.error is None and not self.suspects


class ResetReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a reset of the breakers found and left: ``before``, ``after``, and the refresh in between."""

    broker: str
    before: tuple[CapabilityHealth, ...]
    after: tuple[CapabilityHealth, ...]
    refresh: RefreshReport
    record: str | None = None  # Why this act does not stand in the journal; None where it does.

    @property
    def is_ok(self) -> bool:
        """True where the venue was read again and every breaker has stayed closed."""
        return self.refresh.is_ok and all(each.breaker.state is BreakerState.CLOSED for each in self.after)


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """
    Why a balance is what it is.

    ``lines`` are sentences for a person, in order; ``rows`` the journal's newest rows of the asset, newest first.
    """

    broker: str
    balance: Balance
    lines: tuple[str, ...]
    rows: tuple[JournalRow, ...]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """
    One order as it is known now: ours, or an external one of the account.

    ``state`` is as far as there is evidence. Amounts are whole units: ``quantity`` and ``filled`` of base,
    ``quote_quantity`` and ``cost`` of quote (cost without fees), ``reserved`` of ``asset``. ``created_us`` and
    ``updated_us`` are UTC microseconds on our clock. Of an external order ``intent_id`` is None.
    """

    broker: str
    intent_id: str | None
    client_order_id: str | None
    order_id: str | None
    symbol: Symbol | None
    side: Side
    order_type: str
    quantity: Decimal | None
    quote_quantity: Decimal | None
    limit_price: Decimal | None
    state: OrderState
    filled: Decimal = ZERO
    cost: Decimal | None = None  # None where not told.
    fees: dict[AssetCode, Decimal] = {}
    asset: AssetCode | None = None  # What pays.
    reserved: Decimal = ZERO  # Still taken off spendable for it, beyond the venue's own hold.
    reservation: ReservationState | None = None
    bot: str | None = None
    detail: str | None = None  # The venue's words, or ours, on how it came to this.
    created_us: int | None = None
    updated_us: int | None = None

    @property
    def is_ended(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.state.is_ended


class ReservationView(msgspec.Struct, frozen=True, kw_only=True):
    """
    One reservation as it stands: ``amount`` was claimed, ``reserved`` is still taken off spendable, both of ``asset``.

    ``order`` is the state of its order, None while there is none. ``cause`` is the fixed word for its latest change.
    """

    broker: str
    intent_id: str
    client_order_id: str
    asset: AssetCode
    amount: Decimal
    reserved: Decimal
    state: ReservationState
    order: OrderState | None
    order_id: str | None
    symbol: Symbol | None
    side: Side | None
    bot: str | None
    cause: str
    detail: str | None
    created_us: int
    updated_us: int
