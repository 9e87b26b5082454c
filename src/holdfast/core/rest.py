"""
What a REST figure means for an asset that the stream speaks of too.

Equal to the stream's current total it is the anchor: held and available are taken from it. Equal to an earlier one of
the lag it is late, and says nothing. Anything else is a dispute: the asset is no longer live, the lower figure is what
may be spent, the stream is asked to state its snapshot anew; if REST insists for longer than it can lag, it wins, and
the difference is recorded.
"""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.amounts import ZERO, add
from holdfast.core.balances import Holding, Partial, Snapshot, Source
from holdfast.core.book import Book, ended
from holdfast.core.changes import Discrepancy, Draft, WantKind
from holdfast.core.holds import HoldBase
from holdfast.core.lag import Likeness, compare
from holdfast.core.lines import Dispute, Line, contradiction
from holdfast.core.venue import Channel

__all__ = ["take_anchor", "take_rest", "take_rest_of_some"]


def take_rest(book: Book, snapshot: Snapshot, *, now_s: float, draft: Draft) -> None:
    """Apply a complete REST statement that is believed: what it does not name is zero."""
    book.rest_s = max(book.rest_s, snapshot.as_of_s)
    book.rest_answered(snapshot)
    book.open_lines(snapshot)
    for line in book.every_line():
        stated = snapshot.holdings.get(line.asset)
        if stated is None:
            if line.asset in snapshot.omits:
                continue
            nothing = ZERO if snapshot.states_holds else None
            stated = Holding(asset=line.asset, total=ZERO, held=nothing, available=nothing)
        _take_line(book, line, stated, snapshot, now_s=now_s, draft=draft)
    has_open_lines = any(line.available is None or not line.anchor_counts for line in book.every_line())
    if has_open_lines and not snapshot.states_holds:
        book.want(draft, WantKind.READ_BALANCES, "unanchored", not_before_s=now_s)
    _keep_fresh(book, snapshot, draft)


def _keep_fresh(book: Book, snapshot: Snapshot, draft: Draft) -> None:
    """What the stream does not speak of, or is wrong about, is read as often as without a stream."""
    if not snapshot.states_holds:
        return  # It leaves held and available as old as they were.
    book.drop_want(WantKind.READ_BALANCES, "not_streamed")
    if not book.standing.is_accepted:
        return  # No stream keeps anything young then, and the schedule of reads knows it.
    if any(line.total is not None and (line.raw is None or line.rest_won) for line in book.lines.values()):
        half_s = book.settings.max_age_s / 2.0
        book.want(draft, WantKind.READ_BALANCES, "not_streamed", not_before_s=snapshot.as_of_s + half_s)


def take_rest_of_some(book: Book, partial: Partial, *, now_s: float, draft: Draft) -> None:
    """Apply a REST statement of the assets it names."""
    for asset, stated in partial.holdings.items():
        _take_line(book, book.line(asset), stated, partial, now_s=now_s, draft=draft)


def _take_line(
    book: Book, line: Line, stated: Holding, statement: Snapshot | Partial, *, now_s: float, draft: Draft
) -> None:
    as_of_s = statement.as_of_s
    if as_of_s < max(line.valid_after_s, line.rest_s):
        return  # Asked before something later was stated, or before everything earlier stopped counting.
    before, was_restored = line.figures(), line.is_restored
    line.detail = stated.detail
    since_s = as_of_s - book.settings.rest_lag_s
    total = stated.total
    # Not while a part of an event waits: the stream's own total has it already, and what is shown is to get it yet.
    if line.rest_won and total == line.raw and book.standing.is_accepted and not line.pending:
        book.resolved(line, "agreed", draft)
        line.set_total(total, as_of_s=as_of_s, source=Source.STREAM)
    if book.standing.is_accepted and line.raw is not None and not line.rest_won:
        likeness = compare(total, current=line.raw, trail=line.trail, since_s=since_s)
        if likeness is not Likeness.DIFFERS and book.legs.has_waiting(line.asset):
            likeness = Likeness.LAGS  # Whether it includes the legs that wait is not known; the next one will tell.
        if likeness is Likeness.LAGS:
            _lagging(book, line, as_of_s, draft)
            return
        if likeness is Likeness.DIFFERS and not _disputed(book, line, stated, as_of_s, draft):
            return
        if likeness is Likeness.AGREES:
            book.resolved(line, "agreed", draft)
            line.source = Source.STREAM
            line.agree(as_of_s)
    else:
        is_known = total in (line.raw, line.total) or line.rest_won
        if line.raw is not None and not is_known and line.trail.had(total, since_s=since_s):
            _lagging(book, line, as_of_s, draft)
            return
        _take_total(book, line, stated, as_of_s, draft)
    line.rest_s = as_of_s
    take_anchor(book, line, stated, as_of_s=as_of_s, is_rest=True, now_s=now_s, draft=draft)
    kind = "snapshot" if isinstance(statement, Snapshot) else "partial"
    book.changed(line, before, draft, kind=kind, cause=statement.read, as_of_s=as_of_s, was_restored=was_restored)


def _take_total(book: Book, line: Line, stated: Holding, as_of_s: float, draft: Draft) -> None:
    """REST's word counts: no stream speaks of this asset, or it was found wrong."""
    if line.dispute is not None:
        if line.raw != stated.total:
            # The stream was asked to state its snapshot anew and has not yet: what it said before was wrong.
            _record(book, line, "stream_frozen", stated, draft)
        line.dispute = None
    line.set_total(stated.total, as_of_s=as_of_s, source=Source.REST)
    if not book.standing.is_stated:
        line.raw = None


def _disputed(book: Book, line: Line, stated: Holding, as_of_s: float, draft: Draft) -> bool:
    """Open or renew a dispute; True where REST has insisted for long enough and wins."""
    dispute, settings = line.dispute, book.settings
    if dispute is None:
        line.dispute = dispute = Dispute(stated, as_of_s)
        # The frame may be on its way: a stream that was merely slower than REST needs no new snapshot.
        _want_snapshot(book, "disputed", as_of_s + settings.leg_wait_s, draft)
    else:
        dispute.renew(stated, as_of_s)
    if line.asset not in draft.disputed:
        draft.disputed.append(line.asset)
    if as_of_s < dispute.first_s + settings.rest_lag_s or book.legs.has_waiting(line.asset):
        book.want(draft, WantKind.READ_BALANCES, "disputed", not_before_s=as_of_s + settings.after_event_s)
        return False
    _record(book, line, "rest_differs", stated, draft)
    _want_snapshot(book, "rest_differs", as_of_s, draft)
    line.dispute = None
    line.rest_won = True
    line.set_total(stated.total, as_of_s=as_of_s, source=Source.REST)
    return True


def _want_snapshot(book: Book, reason: str, not_before_s: float, draft: Draft) -> None:
    book.want(draft, WantKind.RESUBSCRIBE, reason, not_before_s=not_before_s, channel=Channel.BALANCES)


def _record(book: Book, line: Line, kind: str, stated: Holding, draft: Draft) -> None:
    if line.discrepancy is not None:
        return
    book.found(
        line,
        Discrepancy(
            asset=line.asset,
            kind=kind,
            ours=line.raw if line.raw is not None else line.total,
            theirs=stated.total,
            found_s=line.dispute.first_s if line.dispute is not None else line.rest_s,
            rows=stated.rows,
        ),
        draft,
    )


def _lagging(book: Book, line: Line, as_of_s: float, draft: Draft) -> None:
    if line.asset not in draft.lagging:
        draft.lagging.append(line.asset)
    book.want(draft, WantKind.READ_BALANCES, "lagging", not_before_s=as_of_s + book.settings.after_event_s)


def take_anchor(
    book: Book, line: Line, stated: Holding, *, as_of_s: float, is_rest: bool, now_s: float, draft: Draft
) -> None:
    """Take held and available from a statement that agrees on the total, and carry them forward to now."""
    if stated.held is None or stated.available is None:
        return
    _note_contradiction(book, line, stated, as_of_s, draft)
    standing, settings = book.standing, book.settings
    if is_rest:
        line.rest_anchor_s = as_of_s
    if standing.pushes_holds and is_rest and standing.is_accepted:
        # The stream's own word on holds is younger than any answer's.
        line.anchor_s = line.holds_s = as_of_s
        line.anchor_counts = line.anchor_counts or as_of_s >= line.valid_after_s
        return
    holds = book.orders.of(line.asset)
    base: HoldBase | None = None
    if standing.orders_stated and not standing.pushes_holds:
        if holds is None:
            base = HoldBase(ZERO, now_s, True, not stated.held, None)
        else:
            lag_s = settings.rest_lag_s
            base = holds.base(stated.held, since_s=as_of_s - lag_s, now_s=now_s, allowance=settings.hold_allowance)
    if line.pending_release or line.pending_unknown:
        _clear_overdue(book, line, as_of_s, is_included=base is not None and base.is_current and base.fits, now_s=now_s)
    since_s = as_of_s - settings.rest_lag_s
    was_s = line.trail.last_had(stated.total, since_s=since_s) if is_rest else None
    for doubt_s in (was_s, None if base is None else base.doubt_s):
        if is_rest and doubt_s is not None:
            clear_s = doubt_s + settings.rest_lag_s + settings.confirm_after_s  # Nothing of before can be meant then.
            book.want(draft, WantKind.READ_BALANCES, "ambiguous", not_before_s=clear_s)
    known = book.holds(line.asset)
    line.anchor(
        stated,
        as_of_s=as_of_s,
        base=base,
        holds=add(known, line.pending_release),
        is_tracked=base is not None and as_of_s >= standing.stated_since_s,
        is_ambiguous=was_s is not None,
        allowance=settings.hold_allowance,
        in_flight_s=settings.proof_within_s,
        now_s=now_s,
    )
    if base is not None and base.is_current:
        _ask_for_orders(book, line, stated.held, fits=base.fits, draft=draft)


def _clear_overdue(book: Book, line: Line, as_of_s: float, *, is_included: bool, now_s: float) -> None:
    """Stop counting fills whose legs never came, where this REST answer cannot but include them."""
    settings = book.settings
    for event in list(book.legs.pending.values()):
        if not event.is_overdue:
            continue
        has_moved = as_of_s >= event.started_s and line.moved_s >= event.started_s - settings.leg_wait_s
        if not (is_included or has_moved or as_of_s >= event.started_s + settings.rest_lag_s):
            continue
        for move in [move for move in event.moves if move.asset == line.asset]:
            line.release(move, is_shown=False, now_s=now_s)
            event.moves.remove(move)
        if not event.moves:
            book.legs.settle(event, now_s=now_s)


def _ask_for_orders(book: Book, line: Line, held: Decimal, *, fits: bool, draft: Draft) -> None:
    """The venue holds less than our orders, or far more: our record of them may have missed something. Asked once."""
    known = book.holds(line.asset)
    if fits:
        line.holds_asked = None
    elif line.holds_asked != (held, known) and not line.pending_release:
        line.holds_asked = (held, known)
        book.want(draft, WantKind.READ_ORDERS, "holds_differ", not_before_s=line.anchor_s)


def _note_contradiction(book: Book, line: Line, stated: Holding, as_of_s: float, draft: Draft) -> None:
    if line is book.others:
        return
    earlier, line.contradiction = line.contradiction, contradiction(stated, found_s=as_of_s)
    if line.contradiction is not None and earlier is not None and line.contradiction.kind == earlier.kind:
        line.contradiction = earlier
        return
    if earlier is not None:
        draft.resolved.append(ended(earlier, "restated"))
    if line.contradiction is not None:
        draft.found.append(line.contradiction)
