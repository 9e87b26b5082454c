"""
What a venue's folder provides: its facts, reads, orders, and a stream.

The rooms above know only this, and no venue by name: where venues differ in kind, the difference is a *fact* that the
adapter states (``VenueFacts``, ``StreamRules``). A venue's adapter turns its wire into these values and its errors into
our tree; it keeps no balances and decides nothing about them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal, Protocol

import msgspec

from holdfast.core.amounts import ZERO
from holdfast.core.assets import AssetCode, Symbol
from holdfast.core.balances import Delta, OpenOrder, OrderChange, OrdersSnapshot, Partial, Side, Snapshot
from holdfast.core.candles import CandleRules
from holdfast.core.credentials import Credential
from holdfast.core.instruments import AssetInfo, Candle, Instrument, Ticker
from holdfast.core.orders import CancelAck, OrderAck, OrderTicket
from holdfast.core.positions import StatedPositions
from holdfast.core.seams import Clock, Emit, HttpWire, Lane, Priority, StreamWire

__all__ = [
    "EVIDENCE",
    "CallCounter",
    "Capability",
    "Channel",
    "ClosedOrder",
    "CredentialInfo",
    "Environment",
    "FeeRates",
    "Fill",
    "LedgerRow",
    "PassphraseUse",
    "SequencePolicy",
    "ServerTime",
    "Site",
    "StreamRules",
    "StreamSink",
    "Venue",
    "VenueClient",
    "VenueClock",
    "VenueFacts",
    "VenueMode",
    "VenueStatus",
    "VenueStream",
]


Environment = Literal["production", "demo", "simulated"]
"""Which money: the real venue's, the venue's own demo, or a local simulator's."""

EVIDENCE: Final = ("open", "closed", "fills")
"""The lists that prove an order absent: ``open_orders``, ``closed_orders`` and ``fills`` of a client, in that order."""


class SequencePolicy(enum.StrEnum):
    """What a venue demands of the order in which one key's signed requests arrive."""

    INCREASING_PER_KEY = "increasing_per_key"  # A nonce that only rises: one call in flight, numbered by the lane.
    NONE = "none"  # Unique tokens or timestamps: several calls in flight; ``Turn.take`` is never called.


class PassphraseUse(enum.StrEnum):
    """Whether a credential has a third part."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Capability(enum.StrEnum):
    """
    What a venue may offer; the names in ``venue.toml``, each ``done`` or exempt with a reason.

    Each is proved by the contract test of that name.
    """

    SERVER_TIME = "server-time"
    VENUE_STATUS = "venue-status"
    CREDENTIAL_INFO = "credential-info"
    INSTRUMENTS = "instruments"
    SYMBOLS = "symbols"
    TICKERS = "tickers"
    CANDLES = "candles"
    BALANCE_SNAPSHOT = "balance-snapshot"
    BALANCE_HOLDS = "balance-holds"
    BALANCE_STREAM = "balance-stream"
    OPEN_ORDERS = "open-orders"
    ORDER_STREAM = "order-stream"
    CLOSED_ORDERS = "closed-orders"
    FILLS = "fills"
    LEDGER = "ledger"
    FEE_RATES = "fee-rates"
    POSITIONS = "positions"
    ORDER_ENTRY = "order-entry"
    ORDER_CHECK = "order-check"
    ORDER_CANCEL = "order-cancel"
    ORDER_EVIDENCE = "order-evidence"
    DEAD_MAN_SWITCH = "dead-man-switch"
    RATE_LIMITS = "rate-limits"
    ERRORS = "errors"
    DEMO_ENVIRONMENT = "demo-environment"


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """
    One pair of addresses of a venue, and which keys belong there.

    ``region`` is the part of the venue at which the account was registered, None where the venue has no parts. A header
    that a site wants (OKX's ``x-simulated-trading``) is the adapter's own business: it is told the environment.
    """

    environment: Environment
    rest_url: str
    ws_url: str
    region: str | None = None


class CallCounter(msgspec.Struct, frozen=True, kw_only=True):
    """
    The counter that a venue keeps of all signed calls of one credential, whoever makes them.

    An adapter keeps to it by itself; this is for calls of other clients that share the key with us.

    Attributes:
        tiers: The most points, and how many of them a second takes away, by the words of the ``rate_tier`` setting.
        default_tier: The tier of a key whose own is not known.
        costs: Points of a call by its name, where they are not ``default_cost``.
        default_cost: Points of any other call.
        headroom: Points that a less urgent call leaves to the more urgent.
        quiet_s: How long nothing is sent after the venue has refused for it.
    """

    tiers: Mapping[str, tuple[float, float]]
    default_tier: str
    costs: Mapping[str, float]
    default_cost: float
    headroom: Mapping[Priority, float]
    quiet_s: float


class VenueFacts(msgspec.Struct, frozen=True, kw_only=True):
    """
    How a venue differs in kind from others, as far as anything above its adapter has to know.

    Attributes:
        sites: Its real addresses; the first of an environment is that environment's default. Simulators have none.
        sequence: What it demands of signed requests' order.
        in_flight_max: Signed requests of one credential under way at once on a host, unless settings say less; 1 where
            the sequence rises.
        passphrase: Whether a credential has a passphrase.
        options: Names of the options that its adapter takes (see ``Venue.client``).
        validity_s: How long an order is valid at the venue unless settings say otherwise, seconds.
        validity_max_s: The longest validity that the venue enforces.
        enforces_validity: Whether the venue itself executes nothing of an order after its validity. Without, time
            proves nothing: an order in doubt that is not found stays so until a person decides.
        validity_ahead_s: An order of which less than this is left when it comes to the write is not sent: the venue
            would refuse it, or it would hardly arrive in time.
        evidence: The lists that have to be negative before an order in doubt is absent; of ``EVIDENCE``.
        dead_man_s: Least and largest timeout of the venue's dead-man switch, seconds; None where it has none.
        call_counter: What it counts of one credential's signed calls as a whole; None where each endpoint has its own.
        checks_account_mode: Whether an account can be set up in ways that the adapter refuses: asked at every start.
        has_stream: Whether there is a private stream at all; without one everything is read.
        trade_rights: The rights, in the venue's words, that a key needs to place and to cancel orders.
        stream_rights: Likewise for the private stream, where that needs one of its own.
        market_reserve: What the venue wants to be there beside a market buy's cost while it checks the order, as a
            fraction of that: the buffer of market buys is no less.
        tells_ip_list: Whether the venue tells from which addresses a key may be used.
        lacks: What the venue does not offer, with the reason that is shown; as ``venue.toml`` has it.
    """

    sites: tuple[Site, ...]
    sequence: SequencePolicy
    in_flight_max: int = 1
    passphrase: PassphraseUse = PassphraseUse.NONE
    options: frozenset[str] = frozenset({"must_be_simulator", "read_deadline_s", "random"})
    validity_s: float = 5.0
    validity_max_s: float = 55.0
    enforces_validity: bool = True
    validity_ahead_s: float = 2.0
    evidence: tuple[str, ...] = EVIDENCE
    dead_man_s: tuple[int, int] | None = None
    call_counter: CallCounter | None = None
    checks_account_mode: bool = False
    has_stream: bool = True
    trade_rights: tuple[str, ...] = ()
    stream_rights: tuple[str, ...] = ()
    market_reserve: Decimal = ZERO
    tells_ip_list: bool = True
    lacks: Mapping[Capability, str] = {}

    def site(self, environment: str, region: str | None = None) -> Site | None:
        """The addresses of an environment in a region, or in its first one; None where there are none."""
        for site in self.sites:
            if site.environment == environment and (region is None or site.region == region):
                return site
        return None


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


class VenueClock(Protocol):
    """
    The venue's clock as well as we know it; ``core.venue_time.VenueTime`` is one. Nothing suspends.

    One per broker, shared by its client and everything above. Who asks the venue hears: an adapter that measures on its
    own account passes the answer to ``hear``, and never does so in ``server_time``, whose caller hears it.
    """

    def hear(self, time: ServerTime) -> None:
        """The venue told its time. One answer far from what was known is believed once another says the same."""
        ...

    def is_due(self, now_s: float) -> bool:
        """Whether the clocks should be compared again; true at first."""
        ...

    def now_us(self) -> int:
        """UTC microseconds on the venue's clock; on our wall clock where it was never told."""
        ...


class CredentialInfo(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the venue says of our own credential.

    ``account_id`` is the venue's id of the account; two keys of one account share it. ``permissions`` are the venue's
    words. ``expires_at_s`` is Unix seconds on the venue's clock, None where it does not expire. ``account_mode`` is the
    venue's word for how the account is set up; ``refusal`` says why the adapter does not work with an account set up
    like that, and what to change: the broker is halted with it. ``notes`` are sentences that a person should read, such
    as that an unused key dies.
    """

    account_id: str
    permissions: tuple[str, ...]
    can_withdraw: bool | None  # None where the venue does not tell.
    nonce_window: int | None
    ip_allow_list: tuple[str, ...]  # Empty: unrestricted.
    expires_at_s: float | None
    account_mode: str | None = None
    refusal: str | None = None
    notes: tuple[str, ...] = ()


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
    """
    A venue's liveness facts; seconds.

    ``channels`` are those that owe a snapshot after every connection. Where the venue sends none of its own (OKX
    ``orders``), the adapter states one: it reads the list after the acknowledgement, keeps changes back meanwhile, and
    tells the sink ``orders_stated``, then the changes. A stream without balances has ``(Channel.ORDERS,)`` and
    ``pushes_balances`` False: figures are fresh at best then, and orders' events bring reads forward.
    """

    channels: tuple[Channel, ...]
    silent_after_s: float  # No frame of any kind for this long: the socket is dead.
    ping_after_s: float  # Quiet for this long: our own ping leaves.
    snapshot_within_s: float  # Subscribed and no snapshot for this long: dead.
    connect_budget: int  # (Re)connections allowed ...
    connect_budget_window_s: float  # ... in any window this long, per host.
    pushes_balances: bool
    rest_lag_s: float = 5.0  # How far the venue's REST is known to lag its stream.
    balances_within_s: float | None = None  # The venue pushes balances at least this often, whatever happens.
    sockets: int = 1  # Connections that one ``run`` makes: each counts against the budget.


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
    """
    One venue's private stream: connects, authenticates, subscribes, keeps itself pinged, decodes.

    One unit, however many sockets and channels the venue spreads it over (``StreamRules.sockets``): ``run`` opens all
    of them and ends when one of them does. A channel whose totals stand beside held and available states
    ``states_holds=True``; one that repeats whole rows of what changed is a stream of ``Partial`` statements. Where
    there is no sequence number the adapter drops rows that are older by the venue's own time of each asset
    (``answer_refused`` with ``regressed``).
    """

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

    @property
    def left_out(self) -> Mapping[str, str]:
        """Lines of the listing that are no instrument of ours, by the venue's symbol, with the reason in a sentence."""
        ...

    @property
    def candle_rules(self) -> CandleRules:
        """What ``candles`` may be asked for."""
        ...

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
        self,
        *,
        since_s: float | None = None,
        client_order_id: str | None = None,
        placed_since_s: float | None = None,
    ) -> list[ClosedOrder]:
        """
        Orders that are over, newest first; of *client_order_id* all that carry it, or an error.

        *placed_since_s* says that the order cannot have been created earlier, UTC seconds on the venue's clock: for a
        venue that has no query by our id and has to list.
        """
        ...

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

    async def candles(
        self, symbol: Symbol, *, interval_s: int, since_s: int | None = None, limit: int | None = None
    ) -> list[Candle]:
        """
        Candles of one instrument, oldest first, each start once; unsigned.

        The newest *limit*, or from *since_s* on at least the first *limit* where the venue still has them; what one
        call gives where no *limit* is said. More than was asked for may be told. Only the last may be not final.

        Raises:
            ConfigError: *interval_s* is none of ``candle_rules``.
        """
        ...

    async def positions(self) -> StatedPositions:
        """
        Every open margin position of the account; complete.

        Raises:
            UnsupportedError: The venue has none, or they cannot be read: see the facts.
        """
        ...

    async def close(self) -> None: ...


class Venue(Protocol):
    """
    A venue's folder as one value: the only thing it exports.

    The addresses of ``facts.sites`` are the only ones its real keys may ever be used with, each in its environment.
    """

    id: str
    facts: VenueFacts

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
        """
        A client; without a credential it answers unsigned reads only. *account* is the broker's name.

        Of *options* the runtime passes those that ``facts.options`` names, out of: ``must_be_simulator`` (bool:
        answers have to, or must not, carry the simulator's header), ``environment``, ``region`` (of the site, or
        None), ``exchange`` (ccxt's id), ``read_deadline_s``, ``random`` (``Randomness``), ``counter``
        (``MakeCounter``, shared by the processes of a host), ``venue_time`` (``VenueClock``, where signing needs
        it), ``auto_earn_spendable``, ``rate_tier``.
        """
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
