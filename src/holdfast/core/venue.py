"""
What a venue's folder provides: reads, and a stream.

The rooms above know only this. A venue's adapter turns its wire into these values and its errors into our tree; it
keeps no balances and decides nothing about them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Delta, OpenOrder, OrderChange, OrdersSnapshot, Partial, Side, Snapshot
from holdfast.core.credentials import Credential
from holdfast.core.instruments import AssetInfo, Candle, Instrument, Ticker
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket
from holdfast.core.seams import Clock, Emit, HttpWire, Lane, StreamWire

__all__ = [
    "Channel",
    "ClosedOrder",
    "CredentialInfo",
    "FeeRates",
    "Fill",
    "LedgerRow",
    "ServerTime",
    "StreamRules",
    "StreamSink",
    "Venue",
    "VenueClient",
    "VenueMode",
    "VenueStatus",
    "VenueStream",
]


class VenueMode(enum.StrEnum):
    """What a venue accepts as a whole."""

    ONLINE = "online"
    CANCEL_ONLY = "cancel_only"
    POST_ONLY = "post_only"
    LIMIT_ONLY = "limit_only"
    MAINTENANCE = "maintenance"  # Neither orders nor cancels.
    UNKNOWN = "unknown"


class VenueStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's word about itself; ``as_of_s`` is our clock."""

    mode: VenueMode
    as_of_s: float
    detail: str | None = None


class ServerTime(msgspec.Struct, frozen=True, kw_only=True):
    """
    The venue's clock against ours.

    ``venue_time_s`` is Unix seconds with the venue's own resolution, ``resolution_s``. ``sent_s`` and ``received_s``
    are our ``now_s`` around the request; ``wall_us`` is our wall clock when the reply had arrived.
    """

    venue_time_s: float
    resolution_s: float
    sent_s: float
    received_s: float
    wall_us: int


class CredentialInfo(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the venue says of our own credential.

    ``account_id`` is the venue's id of the account; two keys of one account share it. ``permissions`` are the venue's
    words. ``expires_at_s`` is Unix seconds on the venue's clock, None where it does not expire.
    """

    account_id: str
    permissions: tuple[str, ...]
    can_withdraw: bool
    nonce_window: int | None
    ip_allow_list: tuple[str, ...]  # Empty: unrestricted.
    expires_at_s: float | None


class FeeRates(msgspec.Struct, frozen=True, kw_only=True):
    """The account's own rates on one instrument, as fractions of cost (0.0026 = 0.26 %)."""

    symbol: Symbol
    taker: Decimal
    maker: Decimal


class ClosedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is no longer open; amounts in whole units, ``closed_at_s`` Unix seconds on the venue's clock."""

    order_id: str
    client_order_id: str | None
    symbol: str | None
    side: Side
    status: str  # closed, canceled, expired: the venue's word.
    quantity: Decimal
    filled: Decimal
    cost: Decimal
    fee: Decimal
    closed_at_s: float | None
    reason: str | None


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of one of our orders; ``at_s`` is Unix seconds on the venue's clock."""

    fill_id: str
    order_id: str
    symbol: str | None
    side: Side
    quantity: Decimal
    price: Decimal
    cost: Decimal
    fee: Decimal
    at_s: float


class LedgerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the venue's own ledger; ``change`` is signed, fee apart, ``total_after`` as stated."""

    entry: str
    ref: str | None
    asset: AssetCode
    kind: str
    change: Decimal
    fee: Decimal
    total_after: Decimal | None
    at_s: float


class Channel(enum.StrEnum):
    """The two private channels a broker's stream may carry."""

    BALANCES = "balances"
    ORDERS = "orders"


class StreamRules(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's liveness facts; seconds. ``channels`` are those that push snapshots."""

    channels: tuple[Channel, ...]
    silent_after_s: float  # No frame of any kind for this long: the socket is dead.
    ping_after_s: float  # Quiet for this long: our own ping leaves.
    snapshot_within_s: float  # Subscribed and no snapshot for this long: dead.
    connect_budget: int  # (Re)connections allowed ...
    connect_budget_window_s: float  # ... in any window this long, per host.
    pushes_balances: bool
    rest_lag_s: float = 5.0  # How far the venue's REST is known to lag its stream.


class StreamSink(Protocol):
    """
    Who listens to a stream. Plain functions, called in wire order; none may suspend or raise.

    ``frame_arrived`` is called first for every frame, whatever it holds.
    """

    def frame_arrived(self, now_s: float) -> None: ...

    def stream_opened(self) -> None: ...

    def channel_subscribed(self, channel: Channel) -> None: ...

    def channel_refused(self, channel: Channel, reason: str) -> None: ...

    def channel_gapped(self, channel: Channel, *, expected: int, found: int | None) -> None:
        """The sequence broke: nothing after it was delivered; the adapter is already asking for a new snapshot."""

    def balances_stated(self, snapshot: Snapshot | Partial) -> None: ...

    def balances_moved(self, deltas: Sequence[Delta]) -> None: ...

    def orders_stated(self, snapshot: OrdersSnapshot) -> None: ...

    def orders_changed(self, changes: Sequence[OrderChange]) -> None: ...

    def venue_changed(self, status: VenueStatus) -> None: ...

    def answer_refused(self, read: str, reason: str, detail: str) -> None:
        """A frame could not be believed; nothing of it was delivered."""


class VenueStream(Protocol):
    """One venue's private stream: connects, authenticates, subscribes, keeps itself pinged, decodes."""

    rules: StreamRules

    async def run(self, sink: StreamSink) -> None:
        """
        Open one connection and serve it until it ends. Suspends for the connection's whole life.

        A fresh token is fetched each time. Silence is *not* judged here: the caller does, and calls ``abort``.

        Raises:
            VenueError: The connection, its handshake or its authentication failed, or it was lost.
            DeniedError: The credential's lane was busy or parked.
        """
        ...

    def resubscribe(self, channel: Channel, reason: str) -> None:
        """Ask for a new snapshot of one channel; its deltas are dropped until it has come. Never suspends."""
        ...

    @property
    def can_send_orders(self) -> bool:
        """Whether the connection is open, authenticated and takes orders now. Never suspends."""
        ...

    async def place_order(self, ticket: OrderTicket, *, deadline_s: float, before_send: Callable[[], None]) -> OrderAck:
        """
        Place an order over this connection; as ``VenueClient.place_order``, without lane or nonce.

        The frame is handed to the connection in the step that calls *before_send*. A connection lost before the answer
        is UNKNOWN; one that was gone before the frame is NEVER_SENT.
        """
        ...

    async def check_order(self, ticket: OrderTicket, *, deadline_s: float) -> OrderAck:
        """As ``VenueClient.check_order``."""
        ...

    async def cancel_order(
        self,
        *,
        order_id: str | None,
        client_order_id: str | None,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> CancelAck:
        """As ``VenueClient.cancel_order``."""
        ...

    async def cancel_all_after(self, timeout_s: int, *, deadline_s: float) -> None:
        """As ``VenueClient.cancel_all_after``."""
        ...

    def abort(self, reason: str) -> None:
        """Drop the connection now; ``run`` raises. Never suspends."""
        ...


class VenueClient(Protocol):
    """
    One credential's reads at one venue. Every method suspends for at most its deadline.

    All raise ``VenueError`` (with fault and outcome), ``PayloadError`` and ``DeniedError``.
    """

    venue: str
    balance_reads: tuple[str, ...]
    """Names of the complete balance reads, the one that states holds first; each confirms the others."""

    async def load(self) -> None:
        """Fetch assets and instruments; the other methods need them to translate names."""
        ...

    @property
    def assets(self) -> Mapping[AssetCode, AssetInfo]: ...

    @property
    def instruments(self) -> Mapping[Symbol, Instrument]: ...

    async def refresh_instrument(self, symbol: Symbol) -> None:
        """
        Read one instrument's rules and status again, unsigned; ``instruments`` has them afterwards.

        One that the venue lists no longer is ``offline`` from then on.
        """
        ...

    async def server_time(self) -> ServerTime:
        """The venue's clock; unsigned."""
        ...

    async def status(self) -> VenueStatus:
        """The venue's own word about itself; unsigned."""
        ...

    async def credential_info(self) -> CredentialInfo: ...

    async def read_balances(self, read: str) -> Snapshot:
        """One of ``balance_reads``; complete."""
        ...

    async def open_orders(self) -> OrdersSnapshot: ...

    async def open_orders_by_id(self, order_ids: Sequence[str]) -> Mapping[str, OpenOrder | ClosedOrder]: ...

    async def closed_orders(
        self, *, since_s: float | None = None, client_order_id: str | None = None
    ) -> list[ClosedOrder]: ...

    async def fills(self, *, since_s: float | None = None, until_s: float | None = None) -> list[Fill]:
        """Executions within a time of the venue's clock, UTC seconds, newest first; all of them or an error."""
        ...

    async def ledger_rows(self, *, asset: AssetCode | None = None, since_s: float | None = None) -> list[LedgerRow]: ...

    async def fee_rates(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, FeeRates]: ...

    async def tickers(self, symbols: Sequence[Symbol]) -> Mapping[Symbol, Ticker]: ...

    # Orders. Each is sent at most once, whatever comes of it. *before_send* is called in the very step in which the
    # bytes are handed to the wire, after the lane and the rate limit were waited for; what it raises is raised from
    # here, and then nothing was sent.

    async def place_order(self, ticket: OrderTicket, *, deadline_s: float, before_send: Callable[[], None]) -> OrderAck:
        """
        Place an order over REST. Suspends for the lane and at most *deadline_s* seconds after it.

        Raises:
            VenueError: ``outcome`` says what may have happened: REJECTED with the venue's own word, NEVER_SENT where
                provably nothing left, UNKNOWN for everything else, an unreadable answer included.
        """
        ...

    async def check_order(self, ticket: OrderTicket, *, deadline_s: float) -> OrderAck:
        """Let the venue validate an order without placing it; raises what placing would, where the venue looks."""
        ...

    async def cancel_order(
        self,
        *,
        order_id: str | None,
        client_order_id: str | None,
        deadline_s: float,
        before_send: Callable[[], None],
    ) -> CancelAck:
        """
        Cancel an open order over REST, by the venue's id where known, else by ours. Safe to repeat.

        Raises:
            UnknownOrderError: No such *open* order: filled, cancelled, or never there. Look it up.
            VenueError: As ``place_order``.
        """
        ...

    async def cancel_all_after(self, timeout_s: int, *, deadline_s: float) -> None:
        """(Re)arm the venue's dead-man switch, or disarm it with 0. Account-wide at Kraken."""
        ...

    async def candles(self, symbol: Symbol, *, interval_s: int, since_s: int | None = None) -> list[Candle]: ...

    async def close(self) -> None: ...


class Venue(Protocol):
    """
    A venue's folder as one value: the only thing it exports.

    ``production_rest_url`` and ``production_ws_url`` are the only addresses its real keys may ever be used with.
    """

    id: str
    production_rest_url: str
    production_ws_url: str

    def is_simulator_key(self, key: str) -> bool:
        """True where *key* was made by our simulator: such keys and real ones never meet."""
        ...

    def check_credential(self, credential: Credential) -> None:
        """
        Refuse a credential that cannot be right, before anything is sent.

        Raises:
            ConfigError: Names the field, what is wrong (a line break, not base64 ...) and the fix, never the value.
        """
        ...

    def client(
        self,
        *,
        http: HttpWire,
        lane: Lane,
        credential: Credential | None,
        clock: Clock,
        emit: Emit,
        rest_url: str,
        account: str,
        options: Mapping[str, object],
    ) -> VenueClient:
        """A client; without a credential it answers unsigned reads only. *account* is the broker's name."""
        ...

    def stream(
        self,
        *,
        wire: StreamWire,
        client: VenueClient,
        clock: Clock,
        emit: Emit,
        ws_url: str,
        account: str,
        options: Mapping[str, object],
    ) -> VenueStream:
        """A private stream that takes its tokens through *client*."""
        ...
