"""
The picture that the page shows, as values: one snapshot that replaces everything, and deltas that follow it.

The page composes no claim of its own. What it says about money or about what holdfast will do is a ``Sentence`` made
here, of words and of the few things that the page has to render by itself: amounts (exact text, grouped there) and
durations (counted on there). Durations are seconds at ``now_s`` of the picture, on the daemon's clock.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from holdfast.core.amounts import format_amount
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance
from holdfast.daemon.shapes import JobView

__all__ = [
    "SCHEMA_VERSION",
    "Ages",
    "Attention",
    "Breaker",
    "BrokerFigures",
    "BrokerPicture",
    "Budget",
    "Capability",
    "Claims",
    "Credential",
    "Delta",
    "Difference",
    "EventRow",
    "Figure",
    "FigureChange",
    "Nonces",
    "Owner",
    "Part",
    "Readiness",
    "ReservationRow",
    "Sentence",
    "Snapshot",
    "Span",
    "Stream",
    "Sums",
    "Verdict",
    "age",
    "amount",
    "figure_of",
    "left",
    "strong",
    "text",
    "words_of",
]

SCHEMA_VERSION = 1


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One part of a sentence: ``text``; or an exact ``amount`` of ``asset``; or a duration.

    ``age_s`` counts up from ``now_s`` of its picture, ``left_s`` counts down to zero, ``age_of`` is the age of that
    name in the broker's own record (``age_s``, ``frame_age_s``), which is renewed more often than sentences are.
    """

    text: str | None = None
    amount: str | None = None
    asset: str | None = None
    age_s: float | None = None
    left_s: float | None = None
    age_of: str | None = None
    strong: bool = False


Sentence = tuple[Part, ...]


def text(words: str) -> Part:
    """Plain words."""
    return Part(text=words)


def strong(words: str) -> Part:
    """Words that carry the sentence."""
    return Part(text=words, strong=True)


def amount(value: Decimal, asset: AssetCode) -> Part:
    """An exact amount; the page groups and cuts what it shows, never what it copies."""
    return Part(amount=format_amount(value), asset=asset, strong=True)


def age(seconds: float) -> Part:
    """How long something has lasted."""
    return Part(age_s=round(max(0.0, seconds), 3))


def left(seconds: float) -> Part:
    """How long until something happens."""
    return Part(left_s=round(max(0.0, seconds), 3))


def words_of(sentence: Sentence) -> str:
    """The sentence as plain text, durations in whole seconds: for tests, logs and anything that is not a page."""
    found = []
    for part in sentence:
        if part.text is not None:
            found.append(part.text)
        elif part.amount is not None:
            found.append(f"{part.amount} {part.asset}")
        elif part.age_s is not None or part.left_s is not None:
            found.append(f"{part.age_s if part.age_s is not None else part.left_s or 0.0:.0f} s")
        else:
            found.append(f"<{part.age_of}>")
    return "".join(found)


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One balance in the shape of ``holdfast balances --output json``, and the note that stands under the asset."""

    total: str | None
    held: str | None
    available: str | None
    reserved: str | None
    spendable: str | None
    state: str
    age_s: float | None
    source: str | None
    reason: str | None
    note: str | None = None


class BrokerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One broker's balances; ``absent`` are assets that this venue does not list: their cell stays empty."""

    health: str
    balances: dict[AssetCode, Figure]
    absent: tuple[AssetCode, ...] = ()


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """One asset over all brokers, live and fresh figures only; None where there is no such figure."""

    total: str | None
    held: str | None
    reserved: str | None
    spendable: str | None


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """How many orders, and what they hold by asset."""

    orders: int
    amounts: dict[AssetCode, str]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """
    Is flow going? ``sentence`` and ``detail`` answer; ``past`` is the same sentence for a page that has lost touch.

    ``oldest_age_s`` is the age of the oldest figure on which an order could be approved now; None where there is none.
    """

    taking: int
    brokers: int
    sentence: str
    past: str
    detail: Sentence
    in_doubt: Claims
    reserved: Claims
    discrepancies: int
    oldest_age_s: float | None


class Attention(msgspec.Struct, frozen=True, kw_only=True):
    """
    One thing that needs a person's eye: what is wrong, what holdfast does about it, and the one button that helps.

    ``kind`` is ``in_doubt``, ``halted``, ``parked``, ``down``, ``stuck``, ``degraded``, ``discrepancy``, ``readiness``;
    ``level`` is ``error`` or ``warning``. ``action`` is ``evidence``, ``repair``, ``restart-stream``, ``reset``,
    ``compare``, ``readiness`` or ``resume``; ``target`` what it is about (an intent id, an asset). ``id`` names the row
    as long as it stands.
    """

    id: str
    kind: str
    level: str
    broker: str
    what: Sentence
    does: Sentence
    action: str
    label: str
    target: str | None = None


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """One breaker; ``retry_after_s`` counts down."""

    state: str
    retry_after_s: float | None = None
    open_for_s: float | None = None
    why: str | None = None
    is_stuck: bool = False


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """Read, trade or stream, with its breaker."""

    name: str
    word: str
    breaker: Breaker
    error_count: int
    latency_s: float | None
    last_error: str | None
    last_error_age_s: float | None


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """The stream in words; ``state`` as the status has it."""

    state: str
    words: Sentence
    reason: str | None
    connects: int


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Points of the venue's call budget: used, limit, the share kept for orders and cancels."""

    used: float
    limit: float
    zero_in_s: float
    kept: float


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """Last characters of the public key and what it may do; ``can_withdraw`` None where the venue does not tell."""

    hint: str
    permissions: tuple[str, ...]
    can_withdraw: bool | None


class Nonces(msgspec.Struct, frozen=True, kw_only=True):
    """The nonce line; ``has_nonces`` is False where the venue wants none, and then the clock's offset counts."""

    has_nonces: bool
    refused: int
    clock_offset_s: float | None
    parked_cause: str | None
    parked_for_s: float | None


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The process that owns the accounts."""

    pid: int
    host: str


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """The last measured score."""

    points: int
    max_points: int
    is_ready: bool
    at_us: int


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time in one state, on the daemon's clock; ``end_s`` None while it lasts."""

    state: str
    start_s: float
    end_s: float | None


class BrokerPicture(msgspec.Struct, frozen=True, kw_only=True):
    """
    One broker as the overview and its own page show it.

    ``figures`` is the state of its anchor, ``age_s`` that anchor's age; ``unknown`` and ``stale`` count the assets that
    differ from it. ``orders`` is what is taken now: ``active``, ``reducing`` (exits only) or ``halted``. ``spans`` are
    the breaker's last 24 hours as far as this process saw them: before the first there is no record.
    """

    name: str
    venue: str
    venue_title: str
    environment: str
    address: str | None
    account: str | None
    health: str
    reasons: tuple[str, ...]
    cause: Sentence
    takes_orders: bool
    orders: str
    orders_note: str | None
    figures: str
    age_s: float | None
    frame_age_s: float | None
    assets: int
    unknown: int
    stale: int
    discrepancies: int
    stream: Stream
    breaker: Breaker
    capabilities: tuple[Capability, ...]
    errors: int
    latency_s: float | None
    budget: Budget | None
    nonces: Nonces
    credential: Credential | None
    readiness: Readiness | None
    spans: tuple[Span, ...]
    notes: tuple[str, ...] = ()


class ReservationRow(msgspec.Struct, frozen=True, kw_only=True):
    """One live reservation; ``next`` says what happens to it now."""

    broker: str
    intent_id: str
    client_order_id: str
    order_id: str | None
    state: str
    order_state: str | None
    side: str | None
    symbol: str | None
    asset: AssetCode
    amount: str
    reserved: str
    bot: str | None
    cause: str
    detail: str | None
    age_s: float
    next: Sentence


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One open discrepancy; ``difference`` is ours minus theirs, None where one of them is not known."""

    id: str
    broker: str
    asset: AssetCode
    kind: str
    ours: str | None
    theirs: str | None
    difference: str | None
    rows: tuple[tuple[str, str], ...]
    for_s: float
    says: Sentence


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One event; ``number`` rises by one within a daemon's life, ``at_us`` is UTC microseconds."""

    number: int
    at_us: int
    name: str
    level: str
    broker: str | None
    fields: dict[str, str | int | float | bool | None]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows at one moment; deltas numbered from ``sequence + 1`` follow."""

    schema_version: int
    sequence: int
    instance: str
    version: str
    role: str
    now_s: float
    wall_us: int
    owner: Owner
    max_age_s: float
    verdict: Verdict
    attention: tuple[Attention, ...]
    brokers: tuple[BrokerPicture, ...]
    balances: dict[str, BrokerFigures]
    sums: dict[AssetCode, Sums]
    reservations: tuple[ReservationRow, ...]
    discrepancies: tuple[Difference, ...]
    events: tuple[EventRow, ...]
    jobs: tuple[JobView, ...] = ()


class FigureChange(msgspec.Struct, frozen=True, kw_only=True):
    """One asset's new figure at one broker."""

    broker: str
    asset: AssetCode
    figure: Figure


class Ages(msgspec.Struct, frozen=True, kw_only=True):
    """
    Ages of one broker that were renewed while nothing else changed.

    ``figures`` is by age: every asset named there is that old; an empty list means all of the broker's figures that
    have an age at all.
    """

    broker: str
    age_s: float | None
    frame_age_s: float | None
    figures: tuple[tuple[float, tuple[AssetCode, ...]], ...] = ()


class Delta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What changed since ``sequence - 1``; what is absent did not."""

    sequence: int
    now_s: float
    wall_us: int
    verdict: Verdict | None = None
    attention: tuple[Attention, ...] | None = None
    brokers: tuple[BrokerPicture, ...] = ()
    figures: tuple[FigureChange, ...] = ()
    sums: dict[AssetCode, Sums] = {}
    ages: tuple[Ages, ...] = ()
    oldest_age_s: float | None = None
    reservations: tuple[ReservationRow, ...] | None = None
    discrepancies: tuple[Difference, ...] | None = None
    events: tuple[EventRow, ...] = ()


def figure_of(balance: Balance, *, note: str | None = None) -> Figure:
    """One balance as the page is told of it."""
    return Figure(
        total=_exact(balance.total),
        held=_exact(balance.held),
        available=_exact(balance.available),
        reserved=_exact(balance.reserved),
        spendable=_exact(balance.spendable),
        state=balance.state.value,
        age_s=None if balance.age_s is None else round(balance.age_s, 3),
        source=None if balance.source is None else balance.source.value,
        reason=balance.reason,
        note=note,
    )


def _exact(value: Decimal | None) -> str | None:
    return None if value is None else format_amount(value)
