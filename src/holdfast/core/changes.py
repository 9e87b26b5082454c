"""
What one statement did to the ledger, and what the shell should do next.

A statement is applied, partly applied, put aside or refused; an ``Outcome`` says which, with every figure that moved
as a ``Change`` (one journal row), every disagreement between two sources as a ``Discrepancy``, and every read that
would settle something as a ``Want``. All of them are facts: nothing here changes after it was made.
"""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from holdfast.core.assets import AssetCode
from holdfast.core.balances import Delta, Source
from holdfast.core.venue import Channel

__all__ = [
    "NOTHING",
    "Change",
    "Discrepancy",
    "Draft",
    "LedgerSettings",
    "Moved",
    "Outcome",
    "Want",
    "WantKind",
    "change_of",
]


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """
    The ledger's bounds, in seconds, and what is kept back from spending.

    The defaults are Kraken's; other venues lag less (``rest_lag_s`` 5).
    """

    max_age_s: float = 30.0
    """A figure known to be true at most this long ago is fresh."""

    anchor_max_age_s: float = 300.0
    """Without a REST figure this young, a stream's figure is not live, and what it carries forward not fresh."""

    rest_lag_s: float = 60.0
    """How far behind the stream a REST answer may be."""

    confirm_after_s: float = 1.0
    """A read confirms a suspect answer only when requested at least this much later."""

    confirm_attempts: int = 3
    """Reads in a row that each contradict the one before, all of them unlike the confirmed figures: the newest wins."""

    leg_wait_s: float = 1.0
    """How long one leg of an event waits for the others before it is shown alone."""

    after_event_s: float = 10.0
    """How soon figures that the stream moved are anchored again."""

    proof_within_s: float = 5.0
    """A stream heard within this time is proven alive; after a longer silence its figures no longer count."""

    hold_allowance: Decimal = Decimal("0.01")
    """
    What a venue may hold for an order beyond our estimate (a fee), as a fraction of it.

    Counted against spendable only, and only until a REST figure includes the order.
    """

    floors: dict[AssetCode, Decimal] = {}
    """Amounts never spent, by asset, in whole units."""

    trail_length: int = 1024
    """Most superseded figures kept per asset to recognise a lagging answer."""


class WantKind(enum.StrEnum):
    """What the ledger asks of the shell."""

    READ_BALANCES = "read_balances"
    READ_ORDERS = "read_orders"
    RESUBSCRIBE = "resubscribe"


class Want(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    One thing that would settle an open question; a proposal, and harmless when repeated.

    A ``READ_BALANCES`` is a complete read; it has to be another one than ``other_than`` where that is set, and
    *requested* at ``not_before_s`` or later (our clock), or it settles nothing.
    """

    kind: WantKind
    reason: str  # Fixed word: suspect_empty, lagging, disputed, moved, leg_missing, fill_unreflected ...
    not_before_s: float
    other_than: str | None = None
    channel: Channel | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    One asset's figures after an accepted change; whole units, ``None`` where unknown.

    ``is_money`` is False where only the label moved, or a figure became known without having changed: such rows may be
    coalesced. ``as_of_s`` is our clock: request start for REST, frame arrival for the stream.
    """

    asset: AssetCode
    kind: str  # snapshot, partial, delta, derived (held and available carried forward), restored
    total: Decimal | None
    held: Decimal | None
    available: Decimal | None
    source: Source | None
    as_of_s: float
    is_money: bool
    cause: str | None = None  # The read, the venue's word for a delta's kind, or what happened to an order.
    ref: str | None = None
    entry: str | None = None


Moved = tuple[Delta, Decimal, Decimal | None, Decimal | None, Source]
"""A delta that was followed, and the asset's total, held, available and their source after it."""


def change_of(moved: Moved) -> Change:
    """The change that a followed delta is; made once somebody wants to write it down."""
    delta, total, held, available, source = moved
    return Change(
        asset=delta.asset,
        kind="delta",
        total=total,
        held=held,
        available=available,
        source=source,
        as_of_s=delta.as_of_s,
        is_money=True,
        cause=delta.kind,
        ref=delta.ref,
        entry=delta.entry,
    )


class Discrepancy(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    Two figures for one thing that cannot both be right, each as it was stated.

    ``how`` is ``None`` when found and says how it ended when resolved: ``agreed``, ``restated``.
    """

    asset: AssetCode
    # rest_differs, stream_frozen, delta_differs, held_exceeds_total, available_exceeds_total, reservations_uncovered
    kind: str
    ours: Decimal | None
    theirs: Decimal | None
    found_s: float
    how: str | None = None
    rows: tuple[tuple[str, str], ...] = ()  # The venue's own rows behind ``theirs``, where there are several.


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    What a statement did.

    ``refused`` names why nothing of it was applied (``before_snapshot``, ``outdated``); ``suspect`` why it was put
    aside until a different read agrees (``suspect_empty``, ``suspect_vanished``, ``suspect_jump``), with the assets
    in ``suspect_assets``. ``confirmed`` and ``dismissed`` name an earlier suspicion that this statement ended.
    ``wants`` are new ones only; ``Ledger.wants`` has all that are outstanding. An asset in ``lagging`` was stated
    with an older figure than the stream's, one in ``disputed`` with one that the stream never had: both keep the
    stream's.
    """

    changes: tuple[Change, ...] = ()
    refused: str | None = None
    suspect: str | None = None
    suspect_assets: tuple[AssetCode, ...] = ()
    confirmed: str | None = None
    dismissed: str | None = None
    lagging: tuple[AssetCode, ...] = ()
    disputed: tuple[AssetCode, ...] = ()
    found: tuple[Discrepancy, ...] = ()
    resolved: tuple[Discrepancy, ...] = ()
    wants: tuple[Want, ...] = ()
    invalidated: str | None = None  # The reason, where this ended the validity of earlier figures.
    invalidated_assets: tuple[AssetCode, ...] | None = None  # Of these; None for all.


NOTHING = Outcome()
"""The outcome of what changed nothing."""


class Draft:
    """An outcome while it is being made."""

    __slots__ = Outcome.__struct_fields__

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.refused: str | None = None
        self.suspect: str | None = None
        self.suspect_assets: tuple[AssetCode, ...] = ()
        self.confirmed: str | None = None
        self.dismissed: str | None = None
        self.lagging: list[AssetCode] = []
        self.disputed: list[AssetCode] = []
        self.found: list[Discrepancy] = []
        self.resolved: list[Discrepancy] = []
        self.wants: list[Want] = []
        self.invalidated: str | None = None
        self.invalidated_assets: tuple[AssetCode, ...] | None = None

    def outcome(self) -> Outcome:
        """The outcome as it stands."""
        return Outcome(
            changes=tuple(self.changes),
            refused=self.refused,
            suspect=self.suspect,
            suspect_assets=self.suspect_assets,
            confirmed=self.confirmed,
            dismissed=self.dismissed,
            lagging=tuple(self.lagging),
            disputed=tuple(self.disputed),
            found=tuple(self.found),
            resolved=tuple(self.resolved),
            wants=tuple(self.wants),
            invalidated=self.invalidated,
            invalidated_assets=self.invalidated_assets,
        )
