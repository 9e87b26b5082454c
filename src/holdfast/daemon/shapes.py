"""
What goes in and out over HTTP, as types: queries and bodies that are checked, and replies that are documented.

Money goes in as text and comes out as text. A query or body with a name that is not here is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from holdfast.core.balances import Balance
from holdfast.core.health import Health
from holdfast.core.seams import StoreStatus
from holdfast.core.verdicts import TradingState
from holdfast.daemon.access import Role
from holdfast.runtime.views import BrokerStatus, Order, ReservationView

__all__ = [
    "BalanceRow",
    "BalancesReply",
    "BrokerBalances",
    "BrokerRow",
    "BrokersReply",
    "CancelAllBody",
    "CloseBody",
    "EventsQuery",
    "EventsReply",
    "ExplainQuery",
    "ExplainReply",
    "HealthReply",
    "HistoryQuery",
    "HistoryReply",
    "IsolateBody",
    "JobView",
    "JobsReply",
    "LinkBody",
    "LinkReply",
    "ListQuery",
    "OrderBody",
    "OrderReply",
    "OrdersReply",
    "Probe",
    "ProbeBroker",
    "ReleaseBody",
    "ReservationsReply",
    "RouteBody",
    "RoutedOrderBody",
    "RoutingReply",
    "SessionBody",
    "SessionReply",
    "StatusReply",
    "StreamQuery",
    "TimelineQuery",
    "TimeoutBody",
    "TradingBody",
    "TradingReply",
    "VerdictReply",
    "VerifyAmountQuery",
    "VerifyBody",
]

Amount = Annotated[str, Meta(min_length=1, max_length=120, description="An exact amount, as text.", examples=["1.50"])]
Word = Annotated[str, Meta(min_length=1, max_length=64)]
Symbol = Annotated[str, Meta(min_length=3, max_length=64, description="Canonical: BASE-QUOTE.", examples=["BTC-USD"])]
IntentId = Annotated[
    str,
    Meta(min_length=1, max_length=128, description="The caller's own key: the same one never places a second order."),
]
Words = Annotated[str, Meta(max_length=300, description="A person's own words, for the status and the record.")]
Seconds = Annotated[float, Meta(gt=0, le=300)]


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of an address behind the question mark."""


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object that is sent."""


# Queries


class ListQuery(Query, frozen=True, kw_only=True):
    """How many."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class HistoryQuery(Query, frozen=True, kw_only=True):
    """Which rows of the journal."""

    asset: Word | None = None
    after_seq: Annotated[int, Meta(ge=0, le=2**62, description="Only rows after this sequence number.")] = 0
    since_us: Annotated[int, Meta(ge=0, le=2**62, description="Only rows since then, UTC microseconds.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=4000)] = 200
    newest_first: bool = True
    kind: Word | None = None


class ExplainQuery(Query, frozen=True, kw_only=True):
    """How many rows behind a figure."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 20


class VerifyAmountQuery(Query, frozen=True, kw_only=True):
    """What is to be spent."""

    asset: Word
    amount: Amount


class TimelineQuery(Query, frozen=True, kw_only=True):
    """Which stretch of an asset's past, and how fine."""

    asset: Word
    range_s: Annotated[float, Meta(gt=0, le=90 * 86_400)] = 3600.0
    points: Annotated[int, Meta(ge=10, le=2000)] = 600


class EventsQuery(Query, frozen=True, kw_only=True):
    """Which of the events that are remembered."""

    broker: Word | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200


class StreamQuery(Query, frozen=True, kw_only=True):
    """What is wanted of the stream: everything, one broker's, or what the page draws."""

    view: Literal["all", "page"] = "all"
    broker: Word | None = None


# Bodies


class SessionBody(Body, frozen=True, kw_only=True):
    """A one-time code, to be traded."""

    code: Annotated[str, Meta(min_length=1, max_length=200)]


class LinkBody(Body, frozen=True, kw_only=True):
    """What a one-time code is to be worth."""

    role: Role = Role.READ


class OrderBody(Body, frozen=True, kw_only=True):
    """
    An order. Exactly one of ``quantity`` (base) and ``quote_quantity``; ``price`` of a limit order.

    With ``is_reserved`` it is placed on the claim that was made under its ``intent_id``.
    """

    intent_id: IntentId
    symbol: Symbol
    side: Literal["buy", "sell"]
    order_type: Literal["market", "limit"] = "market"
    quantity: Amount | None = None
    quote_quantity: Amount | None = None
    price: Amount | None = None
    time_in_force: Literal["gtc", "ioc", "fok"] = "gtc"
    post_only: bool = False
    bot: Word | None = None
    is_reserved: bool = False
    validate: Annotated[bool, Meta(description="A dry run: the venue checks it, and nothing is placed.")] = False


class VerifyBody(Body, frozen=True, kw_only=True):
    """An order to be judged, and with ``reserve`` to be claimed for in the same step, under ``intent_id``."""

    symbol: Symbol
    side: Literal["buy", "sell"]
    order_type: Literal["market", "limit"] = "market"
    quantity: Amount | None = None
    quote_quantity: Amount | None = None
    price: Amount | None = None
    time_in_force: Literal["gtc", "ioc", "fok"] = "gtc"
    post_only: bool = False
    bot: Word | None = None
    intent_id: IntentId | None = None
    reserve: bool = False


class RouteBody(Body, frozen=True, kw_only=True):
    """An order that names no broker, to be asked where it would go."""

    symbol: Symbol
    side: Literal["buy", "sell"]
    order_type: Literal["market", "limit"] = "market"
    quantity: Amount | None = None
    quote_quantity: Amount | None = None
    price: Amount | None = None
    time_in_force: Literal["gtc", "ioc", "fok"] = "gtc"
    post_only: bool = False
    bot: Word | None = None
    policy: Literal["priority", "lowest_fee", "most_spendable", "round_robin"] | None = None
    brokers: Annotated[list[Word], Meta(max_length=1000)] | None = None


class RoutedOrderBody(RouteBody, frozen=True, kw_only=True):
    """An order that names no broker, to be placed where it would go, once."""

    intent_id: IntentId


class CloseBody(Body, frozen=True, kw_only=True):
    """Which position is to be sold at the market: all of it, or *quantity* of base."""

    intent_id: IntentId
    symbol: Symbol
    quantity: Amount | None = None
    bot: Word | None = None


class CancelAllBody(Body, frozen=True, kw_only=True):
    """Whose orders are to be cancelled: those of one instrument, or all of the account."""

    symbol: Symbol | None = None


class ReleaseBody(Body, frozen=True, kw_only=True):
    """
    How a claim is to end.

    ``force`` ends one that is in doubt, and needs the role operate and, in ``confirm``, the last four characters of
    its intent id: a person has made sure that its order is not at the venue.
    """

    force: bool = False
    confirm: Annotated[str, Meta(max_length=128)] | None = None


class TradingBody(Body, frozen=True, kw_only=True):
    """Which orders are to be taken from now on."""

    state: Literal["active", "reducing", "halted"]
    reason: Words | None = None
    accepts_restored: bool = False


class IsolateBody(Body, frozen=True, kw_only=True):
    """Which breakers are to be held open."""

    what: Literal["all", "read", "trade"] = "all"
    reason: Words | None = None


class TimeoutBody(Body, frozen=True, kw_only=True):
    """How long the venue is waited for, in seconds."""

    timeout_s: Seconds = 30.0


class RepairBody(Body, frozen=True, kw_only=True):
    """Whether something is to be mended, or only said what would be."""

    dry_run: bool = False
    timeout_s: Seconds = 60.0


# Replies


class BalanceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One asset's figures: exact text, ``null`` for what is not known, with the state that says how sure it is."""

    total: str | None
    held: str | None
    available: str | None
    reserved: str | None
    spendable: str | None
    state: str
    age_s: float | None
    source: str | None
    reason: str | None


class BrokerBalances(msgspec.Struct, frozen=True, kw_only=True):
    """One broker's figures and how it is."""

    health: Health
    balances: dict[str, BalanceRow]


class BalancesReply(msgspec.Struct, frozen=True, kw_only=True):
    """What ``holdfast balances --output json`` prints."""

    schema_version: int
    brokers: dict[str, BrokerBalances]


class BrokerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One broker in a list."""

    name: str
    venue: str
    environment: str
    health: Health
    reasons: tuple[str, ...]
    is_available: bool
    error_count: int
    trading_state: TradingState
    stream: str
    states: dict[str, int]
    reservations: int
    in_doubt: int
    discrepancies: int


class BrokersReply(msgspec.Struct, frozen=True, kw_only=True):
    """Every broker of this daemon, and who is asked."""

    version: str
    pid: int
    host: str
    role: Role
    now_s: float
    wall_us: int
    is_starting: bool
    brokers: list[BrokerRow]


class StatusReply(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a broker knows of its own condition."""

    status: BrokerStatus


class HealthReply(msgspec.Struct, frozen=True, kw_only=True):
    """Whether orders should be brought to a broker now, and why not."""

    broker: str
    health: Health
    reasons: tuple[str, ...]
    is_available: bool
    error_count: int
    last_error: str | None
    trading_state: TradingState
    store: StoreStatus


class VerdictReply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a funds check; ``line`` shows the arithmetic, ``verdict`` everything that went into it."""

    is_approved: bool
    code: str
    line: str
    verdict: dict[str, Any]


class RoutingReply(msgspec.Struct, frozen=True, kw_only=True):
    """Where an order would go, ``null`` where no broker would do, and in ``routing`` why, for each of them."""

    broker: str | None
    code: str
    routing: dict[str, Any]


class OrderReply(msgspec.Struct, frozen=True, kw_only=True):
    """One order as it is known now; ``null`` where there was nothing but dust to sell."""

    order: Order | None


class OrdersReply(msgspec.Struct, frozen=True, kw_only=True):
    """Orders, the latest change first."""

    orders: list[Order]


class ReservationsReply(msgspec.Struct, frozen=True, kw_only=True):
    """Live claims."""

    reservations: list[ReservationView]


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a broker's journal; ``seq`` rises by one per row, ``cause`` says why."""

    seq: int | None
    wall_us: int
    kind: str
    asset: str | None
    total: str | None
    held: str | None
    available: str | None
    source: str | None
    cause: Any
    is_money: bool


class HistoryReply(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a broker's journal."""

    broker: str
    rows: list[JournalEntry]


class ExplainReply(msgspec.Struct, frozen=True, kw_only=True):
    """Why a balance is what it is: sentences, and the rows behind them, newest first."""

    broker: str
    balance: Balance
    lines: tuple[str, ...]
    rows: list[JournalEntry]


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, as the catalogue names it; ``at_us`` is UTC microseconds."""

    name: str
    level: str
    at_us: int
    fields: dict[str, Any]


class EventsReply(msgspec.Struct, frozen=True, kw_only=True):
    """What happened since the daemon started, as far as it is remembered; the newest first."""

    events: list[EventView]


class TradingReply(msgspec.Struct, frozen=True, kw_only=True):
    """Which orders a broker took before, and takes now."""

    broker: str
    before: TradingState
    after: TradingState


class SessionReply(msgspec.Struct, frozen=True, kw_only=True):
    """A bearer for one browser tab."""

    token: str
    role: Role
    expires_in_s: float


class LinkReply(msgspec.Struct, frozen=True, kw_only=True):
    """A one-time code, and the address to open with it; ``url`` is None where no port is served."""

    code: str
    url: str | None
    expires_in_s: float


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """
    Work that takes a while and that everybody may watch: one of a broker at a time.

    ``state`` is ``running``, ``done``, ``failed`` or ``stopped``; ``steps`` say how far it has come; ``result`` is what
    it came to. Times are UTC microseconds.
    """

    id: str
    kind: str
    broker: str
    state: str
    asked_by: str
    started_us: int
    ended_us: int | None
    plan: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    sentence: str | None
    result: Any
    error: dict[str, Any] | None


class JobsReply(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs, the newest first."""

    jobs: list[JobView]


class ProbeBroker(msgspec.Struct, frozen=True, kw_only=True):
    """How one broker is; ``reasons`` only for whoever shows a token."""

    is_ready: bool
    health: str
    reasons: tuple[str, ...] | None = None


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe is told. Without a token there is neither an amount nor an account's id nor a reason in it."""

    status: str
    is_ready: bool
    version: str
    uptime_s: float
    brokers: dict[str, ProbeBroker]


class ReloadReply(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a reload came to, by broker: ``reopened`` where settings or key changed, or ``unchanged``.

    ``failed`` says why a broker could not be opened as configured, and goes on as it was; ``needs_restart`` names
    settings, and brokers that came or went, which count only after a restart.
    """

    reopened: list[str]
    unchanged: list[str]
    failed: dict[str, str]
    needs_restart: list[str]
