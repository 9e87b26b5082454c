"""
One asset's figures and what they stand on.

Two pictures are kept apart. ``raw`` is the stream's own total, with every delta the moment it arrived; ``total``,
``held`` and ``available`` are what is shown, and follow only when a statement was accepted and an event is whole.
``held`` and ``available`` come from a statement that has them (the anchor) and are carried forward from there: by
every change of the total, and by what our own orders hold more or less since.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from holdfast.core.amounts import ZERO, add, subtract
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Delta, Holding, Source
from holdfast.core.changes import Change, Discrepancy, Moved
from holdfast.core.holds import HoldBase, HoldMove, most_of
from holdfast.core.lag import Trail

__all__ = ["NEVER_S", "Dispute", "Line", "contradiction"]

NEVER_S = float("-inf")

# Read once: an enum's member costs a look-up that shows in every frame.
_STREAM: Final = Source.STREAM
_DERIVED: Final = Source.DERIVED


class Dispute:
    """REST stated a total that the stream never had within the lag; which of them is right is not known yet."""

    __slots__ = ("as_of_s", "debits", "first_s", "is_tracked", "stated")

    def __init__(self, stated: Holding, as_of_s: float) -> None:
        self.first_s = as_of_s
        self.as_of_s = as_of_s
        self.stated = stated
        self.debits = ZERO  # What the stream took off since REST was asked; never positive.
        self.is_tracked = True  # No channel has stated itself anew since.

    def renew(self, stated: Holding, as_of_s: float) -> None:
        """REST still differs."""
        self.as_of_s = as_of_s
        self.stated = stated
        self.debits = ZERO
        self.is_tracked = True


class Line:
    """One asset. Amounts are ``None`` while unknown; times are our clock, seconds, ``NEVER_S`` where it never was."""

    __slots__ = (
        "anchor_counts",
        "anchor_s",
        "asset",
        "available",
        "base_since_s",
        "contradiction",
        "detail",
        "discrepancy",
        "dispute",
        "excess",
        "explained_s",
        "filled_s",
        "ghost",
        "gives_back",
        "held",
        "holds_asked",
        "holds_s",
        "invalid_reason",
        "is_base_sure",
        "is_derived",
        "is_restored",
        "is_tracked",
        "late_debits",
        "moved_s",
        "pending",
        "pending_change",
        "pending_release",
        "pending_unknown",
        "raw",
        "raw_lost",
        "raw_lost_s",
        "rest_anchor_s",
        "rest_s",
        "rest_won",
        "slack",
        "slack_until_s",
        "source",
        "total",
        "total_counts",
        "total_s",
        "trail",
        "unproven",
        "valid_after_s",
    )

    def __init__(self, asset: AssetCode, trail: Trail) -> None:
        self.asset = asset
        # Shown.
        self.total: Decimal | None = None
        self.held: Decimal | None = None
        self.available: Decimal | None = None
        self.total_s = NEVER_S  # When the total was last stated, or agreed to by REST.
        self.anchor_s = NEVER_S  # As-of of the statement that held and available stand on.
        self.holds_s = NEVER_S  # When held and available were last known to be true: later, while all was told.
        self.rest_s = NEVER_S  # As-of of the newest REST statement taken.
        self.rest_anchor_s = NEVER_S  # As-of of the newest one that stated held and available.
        self.source: Source | None = None
        self.detail: tuple[tuple[str, Decimal], ...] = ()  # Beside the figures, as last stated; never counted.
        self.is_derived = False
        self.is_restored = False
        # What available was carried up by and no venue figure includes yet: shown, not spent.
        self.unproven = ZERO
        # Whether what an order's end, or a fill, gives back is free before a read says so. Not where no stream pushes
        # totals: of a filled buy the old total and the freed hold would be spendable at once.
        self.gives_back = True
        # Whether both channels have told of every change since the anchor was asked for.
        self.is_tracked = False
        self.ghost = ZERO  # What our record of orders holds beyond the anchor: ended unheard, or never held.
        self.slack = ZERO  # By how much the anchor may be that of an order less.
        self.slack_until_s = NEVER_S
        self.base_since_s = NEVER_S  # Orders whose hold rose since then the anchor does not include.
        self.is_base_sure = False  # Whether it is known that it includes all others.
        self.excess = ZERO  # What the anchor holds beyond our estimates of those it includes: fees, as a rule.
        # The stream's own.
        self.raw: Decimal | None = None
        self.trail = trail
        self.moved_s = NEVER_S
        self.raw_lost: Decimal | None = None  # What it was when the stream last stopped speaking,
        self.raw_lost_s = NEVER_S  # and until when that was proven.
        # Parts of events that wait for others.
        self.pending = 0
        self.pending_change = ZERO
        self.pending_release = ZERO  # Positive: holds ended by fills whose legs have not come.
        self.pending_unknown = 0
        # Disagreements.
        self.dispute: Dispute | None = None
        self.rest_won = False
        self.late_debits = ZERO  # What the stream took off since REST, having won, was asked; never positive.
        self.discrepancy: Discrepancy | None = None
        self.contradiction: Discrepancy | None = None
        self.holds_asked: tuple[Decimal, Decimal] | None = None
        # Validity: what was stated before valid_after_s counts no more, whatever the clock's resolution says.
        self.total_counts = True
        self.anchor_counts = True
        self.valid_after_s = NEVER_S
        self.invalid_reason: str | None = None
        self.explained_s = NEVER_S
        self.filled_s = NEVER_S  # A fill of ours explains that a total moved, and not that it is gone.

    def twin(self, asset: AssetCode) -> Line:
        """A line for *asset* with the same figures and the same standing."""
        line = Line(asset, self.trail.copy())
        for name in Line.__slots__:
            if name not in ("asset", "trail"):
                setattr(line, name, getattr(self, name))
        return line

    def invalidate(self, reason: str, now_s: float) -> None:
        """Nothing that was stated so far counts; only what is asked for, or pushed whole, from now on."""
        self.total_counts = self.anchor_counts = False
        self.valid_after_s = now_s
        self.invalid_reason = reason

    def agree(self, as_of_s: float) -> None:
        """A statement says what is shown already."""
        self.total_s = max(self.total_s, as_of_s)
        self.total_counts = self.total_counts or as_of_s >= self.valid_after_s

    def push(self, change: Decimal, now_s: float) -> Decimal:
        """A delta reached the stream's own total; the new one."""
        before = self.raw if self.raw is not None else ZERO
        self.trail.supersede(before, now_s)
        self.raw = add(before, change)
        self.moved_s = now_s
        return self.raw

    def restate_raw(self, total: Decimal, now_s: float) -> None:
        """The stream stated its total anew."""
        if self.raw is not None and self.raw != total:
            self.trail.supersede(self.raw, now_s)
        self.raw = total

    def move(self, change: Decimal, *, as_of_s: float, is_proven: bool) -> None:
        """
        Show a delta. A rise counts as available at once, as spendable only where *is_proven*.

        Where REST has won over the stream nothing is shown: REST's figure may include it. What it takes is not spent.
        """
        if self.rest_won and change < ZERO:
            self.late_debits = add(self.late_debits, change)
        if self.total is None or self.rest_won:
            return
        self.total = add(self.total, change)
        if self.available is not None:
            self.available = add(self.available, change)
        if not is_proven and change > ZERO:
            self.unproven = add(self.unproven, change)
        if self.dispute is not None and change < ZERO:
            self.dispute.debits = add(self.dispute.debits, change)
        self.total_s = as_of_s
        self.source = Source.STREAM

    def follow(self, delta: Delta, now_s: float) -> Moved | None:
        """
        What ``push``, ``move`` and ``change_by`` do, in one step; None, and nothing done, where there is more to it.

        Only while no event waits. The line has to show the stream's own total, undisputed, and the venue's new total,
        where it states one, has to be what the change leads to.
        """
        raw = self.raw
        if raw is None or self.total is None or self.dispute is not None or self.rest_won:
            return None
        change, available, stated = delta.change, self.available, delta.total
        if not change.is_finite():
            return None
        total = add(raw, change)
        if stated is not None and stated != total:
            return None
        self.trail.entries.append((now_s, raw))
        self.moved_s = now_s
        self.total = self.raw = total
        if available is not None:
            # With nothing held both are one figure; comparing costs less than adding.
            available = self.available = total if available == raw else add(available, change)
        if change > ZERO:
            self.unproven = add(self.unproven, change)
        self.total_s = delta.as_of_s
        self.source = _STREAM
        return delta, total, self.held, available, _DERIVED if self.is_derived else _STREAM

    def carry(self, change: Decimal, now_s: float) -> None:
        """Our orders hold *change* more than before; what the anchor does not hold, or may not, is not given back."""
        if change < ZERO:
            absorbed = min(self.ghost, change.copy_abs())
            self.ghost = subtract(self.ghost, absorbed)
            change = add(change, absorbed)
            if now_s <= self.slack_until_s:
                absorbed = min(self.slack, change.copy_abs())
                self.slack = subtract(self.slack, absorbed)
                change = add(change, absorbed)
            if not self.gives_back:
                return
        if change and self.held is not None and self.available is not None:
            self.held = add(self.held, change)
            self.available = subtract(self.available, change)
            self.is_derived = True

    def set_total(self, total: Decimal, *, as_of_s: float, source: Source) -> None:
        """Take a stated total; available moves with it until a statement has its own."""
        if self.total is not None and self.available is not None:
            change = subtract(total, self.total)
            self.available = add(self.available, change)
            if change > ZERO:
                self.unproven = add(self.unproven, change)
        self.total = total
        self.total_s = as_of_s
        self.total_counts = self.total_counts or as_of_s >= self.valid_after_s
        self.source = source
        self.is_restored = False

    def anchor(
        self,
        stated: Holding,
        *,
        as_of_s: float,
        base: HoldBase | None,
        holds: Decimal,
        is_tracked: bool,
        is_ambiguous: bool,
        allowance: Decimal,
        in_flight_s: float,
        now_s: float,
    ) -> None:
        """
        Take the held and available that a statement has.

        Args:
            stated: The statement; without held or available it changes nothing here.
            base: What of our orders it includes, or None where that cannot be told: then nothing is carried forward.
            holds: What our orders hold now.
            is_tracked: Whether the channels have told of every change since *as_of_s*.
            is_ambiguous: Whether the total was the same before, within the lag: then what was added since is not
                proven to be in it.
            allowance: What the venue may hold beyond our estimate, as a fraction of it.
            in_flight_s: How long a frame may still arrive that the statement already includes.
            now_s: Our clock.
        """
        if stated.held is None or stated.available is None:
            return
        self.held = stated.held
        self.available = stated.available
        self.is_derived = False
        if not is_ambiguous:
            self.unproven = ZERO
        self.late_debits = ZERO
        self.anchor_s = self.holds_s = as_of_s
        self.anchor_counts = self.anchor_counts or as_of_s >= self.valid_after_s
        self.is_tracked = is_tracked
        self.base_since_s = now_s if base is None else base.since_s
        self.is_base_sure = base is not None and base.fits and base.doubt_s is None
        self.excess = ZERO if base is None or not base.fits else subtract(stated.held, base.holds)
        self.ghost = self.slack = ZERO
        self.slack_until_s = now_s + in_flight_s
        if base is not None:
            beyond = max(ZERO, subtract(most_of(base.holds, allowance), stated.held))
            if not base.fits:
                self.ghost = beyond
            self.carry(subtract(holds, base.holds), now_s)
            if base.fits and stated.held != base.holds:
                # A little more than our estimate is a fee, or an order less whose end is on its way to us.
                self.slack = beyond

    def hold_back(self, move: HoldMove) -> None:
        """A fill ended this hold; it counts on until the fill's legs have come."""
        self.pending += 1
        self.pending_release = subtract(self.pending_release, move.change)
        self.pending_unknown += move.is_unknown

    def release(self, move: HoldMove, *, is_shown: bool, now_s: float) -> None:
        """The wait of ``hold_back`` ended; *is_shown* where held and available have to follow."""
        self.pending -= 1
        self.pending_release = add(self.pending_release, move.change)
        self.pending_unknown -= move.is_unknown
        if is_shown:
            self.carry(move.change, now_s)

    def figures(self) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
        """Total, held and available as shown."""
        return self.total, self.held, self.available

    def change(
        self,
        kind: str,
        *,
        cause: str | None,
        as_of_s: float,
        is_money: bool = True,
        ref: str | None = None,
    ) -> Change:
        """This line as it stands, as a change."""
        return Change(
            asset=self.asset,
            kind=kind,
            total=self.total,
            held=self.held,
            available=self.available,
            source=Source.DERIVED if self.is_derived else self.source,
            as_of_s=as_of_s,
            is_money=is_money,
            cause=cause,
            ref=ref,
        )

    def change_by(self, delta: Delta) -> Change:
        """This line as it stands after a delta, as a change."""
        return Change(
            asset=self.asset,
            kind="delta",
            total=self.total,
            held=self.held,
            available=self.available,
            source=Source.DERIVED if self.is_derived else self.source,
            as_of_s=delta.as_of_s,
            is_money=True,
            cause=delta.kind,
            ref=delta.ref,
            entry=delta.entry,
        )


def contradiction(stated: Holding, *, found_s: float) -> Discrepancy | None:
    """What a single statement says against itself, or None: more held, or more available, than there is."""
    owned = max(stated.total, ZERO)
    for kind, figure in (("held_exceeds_total", stated.held), ("available_exceeds_total", stated.available)):
        credit = ZERO if kind == "held_exceeds_total" or stated.credit is None else stated.credit
        if figure is not None and figure > add(owned, credit):
            return Discrepancy(
                asset=stated.asset, kind=kind, ours=stated.total, theirs=figure, found_s=found_s, rows=stated.rows
            )
    return None
