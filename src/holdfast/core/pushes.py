"""
What the stream pushes: its snapshots, the changes on top of them, and the word on our orders that belongs to them.

The stream's own totals (``raw``) follow every frame at once, believed or not; what is shown follows when the snapshot
below is believed and the event is whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.amounts import ZERO, add, subtract
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Delta, Holding, OrderChange, OrdersSnapshot, Partial, Snapshot, Source
from holdfast.core.book import ANCHOR_WANT, Book
from holdfast.core.changes import Discrepancy, Draft, WantKind
from holdfast.core.holds import HoldMove
from holdfast.core.legs import Event
from holdfast.core.lines import Dispute, Line
from holdfast.core.rest import take_anchor
from holdfast.core.venue import Channel

__all__ = [
    "accept_stream",
    "expire",
    "move",
    "move_orders",
    "restate_stream",
    "show_waiting",
    "state_orders",
    "state_some",
]

_READS_AFTER_ORDERS: Final = (("order_event", 0.25), ("order_settled", 2.1))
"""When balances are read after an event of an order, seconds, where none are pushed; a burst is one read."""

# Snapshots


def restate_stream(book: Book, snapshot: Snapshot, *, now_s: float, draft: Draft) -> None:
    """Take the stream's totals as its own, whether or not they will be believed."""
    show_waiting(book, now_s=now_s, draft=draft)
    standing = book.standing
    # Should this snapshot not be believed, it proves nothing of what was stated before it.
    book.freeze_proof(standing.proof_before_s if standing.proof_s >= now_s else standing.proof_s)
    standing.is_stated, standing.is_accepted = True, False
    standing.stated_since_s = snapshot.as_of_s
    standing.pushes_holds = snapshot.states_holds
    standing.proof_s = max(standing.proof_s, now_s)
    book.drop_wants(WantKind.RESUBSCRIBE, Channel.BALANCES)
    book.open_lines(snapshot)
    for line in book.every_line():
        stated = snapshot.holdings.get(line.asset)
        if stated is None and line.asset in snapshot.omits:
            line.raw = None
        else:
            line.restate_raw(ZERO if stated is None else stated.total, now_s)


def accept_stream(book: Book, snapshot: Snapshot, *, now_s: float, draft: Draft) -> None:
    """
    Show the stream's totals: *snapshot*, and every delta since.

    A snapshot of totals hides what moved between available and not before it: the figures are live again only once
    REST was asked later.
    """
    book.standing.is_accepted = True
    if not book.standing.pushes_holds and book.rest_s <= snapshot.as_of_s:
        book.want(draft, WantKind.READ_BALANCES, "restated", not_before_s=snapshot.as_of_s)
    for line in book.every_line():
        if line.anchor_s <= snapshot.as_of_s:
            line.is_tracked = False
        if line.dispute is not None:
            line.dispute.is_tracked = False
        if line.raw is None:
            continue
        before, was_restored, raw = line.figures(), line.is_restored, line.raw
        stated = snapshot.holdings.get(line.asset)
        if stated is None:
            nothing = ZERO if snapshot.states_holds else None
            stated = Holding(asset=line.asset, total=ZERO, held=nothing, available=nothing)
        line.detail = stated.detail or line.detail
        if line.rest_won and raw != line.total:
            continue  # It insists on what REST has contradicted for long enough.
        dispute = line.dispute
        if dispute is not None and raw == dispute.stated.total:
            _found_frozen(book, line, before[0], dispute, draft)
            line.dispute = None
        line.set_total(raw, as_of_s=snapshot.as_of_s, source=Source.STREAM)
        if dispute is not None and line.dispute is None:
            take_anchor(book, line, dispute.stated, as_of_s=dispute.as_of_s, is_rest=True, now_s=now_s, draft=draft)
            line.is_tracked = False
        if line.dispute is None:
            book.resolved(line, "restated", draft)
        if raw == stated.total:
            take_anchor(book, line, stated, as_of_s=snapshot.as_of_s, is_rest=False, now_s=now_s, draft=draft)
        book.changed(
            line,
            before,
            draft,
            kind="snapshot",
            cause=snapshot.read,
            as_of_s=snapshot.as_of_s,
            was_restored=was_restored,
        )


def _found_frozen(book: Book, line: Line, ours: Decimal | None, dispute: Dispute, draft: Draft) -> None:
    """The stream's former word was wrong, as REST had said: it had stopped, or missed something."""
    stated = dispute.stated
    if line.discrepancy is None and ours != stated.total:
        discrepancy = Discrepancy(
            asset=line.asset,
            kind="stream_frozen",
            ours=ours,
            theirs=stated.total,
            found_s=dispute.first_s,
            rows=stated.rows,
        )
        book.found(line, discrepancy, draft)


def state_some(book: Book, partial: Partial, *, now_s: float, draft: Draft) -> None:
    """A push that states some assets whole."""
    for asset, stated in partial.holdings.items():
        line = book.line(asset)
        before, was_restored = line.figures(), line.is_restored
        line.restate_raw(stated.total, now_s)
        line.detail = stated.detail or line.detail
        if not book.standing.is_accepted or line.rest_won:
            continue
        if line.dispute is not None and line.dispute.stated.total == stated.total:
            book.resolved(line, "agreed", draft)
        line.set_total(stated.total, as_of_s=partial.as_of_s, source=Source.STREAM)
        take_anchor(book, line, stated, as_of_s=partial.as_of_s, is_rest=False, now_s=now_s, draft=draft)
        book.changed(
            line, before, draft, kind="partial", cause=partial.read, as_of_s=partial.as_of_s, was_restored=was_restored
        )


# Deltas


def move(book: Book, deltas: Sequence[Delta], *, now_s: float, draft: Draft) -> None:
    """Apply deltas in order; the parts of one event are shown once it is whole."""
    legs, standing = book.legs, book.standing
    touched: list[Event] = []
    for delta in deltas:
        line = book.line(delta.asset)
        if line.pending and standing.is_accepted:
            # Before the stream's own total has this change: what is shown is compared with it.
            _show_earlier(book, line, delta.ref, now_s=now_s, draft=draft)
        if line.raw is not None:
            raw = line.push(delta.change, now_s)
            if delta.total is not None and delta.total != raw:
                delta = _corrected(book, line, delta, raw, now_s=now_s, draft=draft)
        if not standing.is_accepted:
            continue
        ref = delta.ref
        if ref is not None and not legs.has_settled(ref) and (delta.has_other_leg or ref in legs.pending):
            event = legs.event(ref, now_s=now_s)
            event.deltas.append(delta)
            line.pending += 1
            line.pending_change = add(line.pending_change, delta.change)
            touched.append(event)
        else:
            _show_delta(book, line, delta, now_s=now_s, draft=draft)
    for event in touched:
        if event.ref in legs.pending and _is_whole(book, event):
            _settle(book, event, now_s=now_s, draft=draft)
    if standing.is_accepted:
        want_anchor(book, now_s=now_s, draft=draft)


def _show_earlier(book: Book, line: Line, ref: str | None, *, now_s: float, draft: Draft) -> None:
    """What moved this asset before is shown before it: a later change never overtakes one that waits for its parts."""
    for event in list(book.legs.pending.values()):
        if event.ref != ref and any(delta.asset == line.asset for delta in event.deltas):
            _settle(book, event, now_s=now_s, draft=draft)


def want_anchor(book: Book, *, now_s: float, draft: Draft) -> None:
    """Money moved: a read after a while anchors the figures again."""
    not_before_s = now_s + book.settings.after_event_s
    book.want(draft, *ANCHOR_WANT, not_before_s=not_before_s)


def _corrected(book: Book, line: Line, delta: Delta, raw: Decimal, *, now_s: float, draft: Draft) -> Delta:
    """The venue states another total than this delta leads to: its total counts, and we must have missed something."""
    stated = delta.total
    if stated is None:
        return delta
    line.raw = stated
    if line.discrepancy is None:
        kind = "delta_differs"
        discrepancy = Discrepancy(asset=line.asset, kind=kind, ours=raw, theirs=stated, found_s=now_s)
        book.found(line, discrepancy, draft)
    book.invalidate("delta_differs", now_s=now_s, draft=draft, assets=(line.asset,))
    book.want(draft, WantKind.RESUBSCRIBE, "delta_differs", not_before_s=now_s, channel=Channel.BALANCES)
    return msgspec.structs.replace(delta, change=add(delta.change, subtract(stated, raw)))


def _show_delta(book: Book, line: Line, delta: Delta, *, now_s: float, draft: Draft) -> None:
    """Show one delta by itself."""
    if line.total is None:
        return
    is_shown = not line.rest_won
    line.move(delta.change, as_of_s=delta.as_of_s, is_proven=delta.has_other_leg)
    _agree(book, line, now_s=now_s, draft=draft)
    if is_shown:
        draft.changes.append(line.change_by(delta))


def _agree(book: Book, line: Line, *, now_s: float, draft: Draft) -> None:
    """The stream has come to say what REST said before it."""
    dispute = line.dispute
    if dispute is not None and line.raw == dispute.stated.total and not line.pending:
        book.resolved(line, "agreed", draft)
        take_anchor(book, line, dispute.stated, as_of_s=dispute.as_of_s, is_rest=True, now_s=now_s, draft=draft)
        line.is_tracked = line.is_tracked and dispute.is_tracked
    elif line.rest_won and line.raw == line.total and not line.pending:
        book.resolved(line, "agreed", draft)
        line.is_tracked = False  # Whether REST's available includes what came meanwhile, the next read will tell.


# Events


def _is_whole(book: Book, event: Event) -> bool:
    """Whether all parts have come: two legs, and the fill where one of our open orders holds what was paid."""
    if event.is_overdue:
        return bool(event.deltas)
    if not event.has_both_legs():
        return False
    if event.has_order or not book.standing.orders_stated:
        return True
    for asset in event.debited():
        holds = book.orders.of(asset)
        if holds is not None and holds.orders:
            return False
    return True


def _settle(book: Book, event: Event, *, now_s: float, draft: Draft) -> None:
    """Show all that has come of an event, in one step."""
    book.legs.settle(event, now_s=now_s)
    shown: dict[AssetCode, Delta | None] = {}
    before = {asset: book.line(asset).figures() for asset in event.assets()}
    for move in event.moves:
        book.line(move.asset).release(move, is_shown=not book.standing.pushes_holds, now_s=now_s)
        shown.setdefault(move.asset, None)
    for delta in event.deltas:
        line = book.line(delta.asset)
        line.pending -= 1
        line.pending_change = subtract(line.pending_change, delta.change)
        line.move(delta.change, as_of_s=delta.as_of_s, is_proven=delta.has_other_leg)
        shown[delta.asset] = delta
    for asset, last in shown.items():
        line = book.line(asset)
        _agree(book, line, now_s=now_s, draft=draft)
        if line.total is None or line.figures() == before[asset]:
            continue
        if last is None:
            draft.changes.append(line.change("derived", cause="fill", as_of_s=now_s, ref=event.ref))
        else:
            draft.changes.append(line.change_by(last))


def show_waiting(book: Book, *, now_s: float, draft: Draft) -> None:
    """The balances channel stops or starts anew: legs that came are shown, fills whose legs did not count on."""
    for event in list(book.legs.pending.values()):
        if event.deltas:
            _settle(book, event, now_s=now_s, draft=draft)
        else:
            event.is_overdue = True


def expire(book: Book, *, now_s: float, draft: Draft) -> None:
    """End the wait of events that lack a part for too long."""
    for event in book.legs.expired(now_s):
        if event.deltas or event.is_overdue:
            is_half = not event.has_both_legs()  # As is one of too many overdue fills.
            _settle(book, event, now_s=now_s, draft=draft)
            if is_half:
                book.want(draft, WantKind.READ_BALANCES, "leg_missing", not_before_s=now_s)
            else:
                book.want(draft, WantKind.READ_ORDERS, "fill_missing", not_before_s=now_s)
            continue
        # A fill that the balances channel does not know of: what it paid is still in our figures.
        event.is_overdue = True
        if not event.moves:
            book.legs.settle(event, now_s=now_s)
        assets = set(event.touched) | {move.asset for move in event.moves}
        book.invalidate("fill_unreflected", now_s=now_s, draft=draft, assets=assets)
        book.want(draft, WantKind.RESUBSCRIBE, "fill_unreflected", not_before_s=now_s, channel=Channel.BALANCES)


# Orders


def move_orders(book: Book, changes: Sequence[OrderChange], *, now_s: float, draft: Draft) -> None:
    """
    Apply what happened to single orders; a fill's lower hold waits for the fill's balance rows.

    Where no balance is pushed at all, what happened is read: soon, and once more when the venue's ledger has followed.
    """
    orders, legs = book.orders, book.legs
    if not book.pushes_balances:
        for reason, after_s in _READS_AFTER_ORDERS:
            book.want(draft, WantKind.READ_BALANCES, reason, not_before_s=now_s + after_s)
    for change in changes:
        touched = orders.assets_of(change.order_id, change.order)
        if change.fill is not None and not book.pushes_balances:
            for asset in touched:
                book.line(asset).filled_s = now_s
        moves = orders.put(change.order_id, change.order, now_s=now_s)
        ref = change.ref
        if ref is None or legs.has_settled(ref):
            _show_moves(book, moves, cause=change.reason, now_s=now_s, draft=draft)
            continue
        for asset in touched:
            book.line(asset).filled_s = now_s
        holds_nothing = change.order is not None and change.order.hold == ZERO
        if not moves and holds_nothing and ref not in legs.pending:
            continue  # A margin order: no legs will come.
        ends = [each for each in moves if each.change < ZERO or each.is_unknown]
        order = change.order
        if order is not None and order.hold is None and order.hold_asset is not None:
            ends.append(HoldMove(order.hold_asset, ZERO, True))  # What this fill took of it, nobody can tell.
        _show_moves(book, [each for each in moves if each not in ends], cause=change.reason, now_s=now_s, draft=draft)
        if not book.standing.is_accepted and not ends:
            continue
        event = legs.event(ref, now_s=now_s)
        event.has_order = True
        event.touched = touched
        event.is_overdue = event.is_overdue or not book.standing.is_accepted
        for each in ends:
            event.moves.append(each)
            book.line(each.asset).hold_back(each)
        if event.deltas and _is_whole(book, event):
            _settle(book, event, now_s=now_s, draft=draft)


def _show_moves(book: Book, moves: Sequence[HoldMove], *, cause: str | None, now_s: float, draft: Draft) -> None:
    for move in moves:
        if book.standing.pushes_holds or not move.change:
            continue
        line = book.line(move.asset)
        line.carry(move.change, now_s)
        if line.held is not None:
            draft.changes.append(line.change("derived", cause=cause, as_of_s=now_s))


def state_orders(book: Book, snapshot: OrdersSnapshot, *, now_s: float, draft: Draft) -> None:
    """
    Take every open order.

    What a list of orders adds or removes happened at an unknown time, so it is not carried into held and available:
    only where our orders hold more than the anchor says is the difference taken off, until the next anchor.
    """
    standing, settings = book.standing, book.settings
    is_streamed = snapshot.source is Source.STREAM
    changed = book.orders.replace(snapshot, is_streamed=is_streamed, now_s=now_s)
    book.drop_wants(WantKind.READ_ORDERS)
    if book.orders.doubted_s is not None:
        clear_s = book.orders.doubted_s + settings.rest_lag_s + settings.confirm_after_s
        book.want(draft, WantKind.READ_ORDERS, "lagging", not_before_s=clear_s)
    if is_streamed:
        standing.orders_stated = True
        standing.stated_since_s = snapshot.as_of_s
        book.drop_wants(WantKind.RESUBSCRIBE, Channel.ORDERS)
    elif not standing.orders_stated:
        standing.orders_count_until_s = snapshot.as_of_s + settings.rest_lag_s
    if standing.pushes_holds:
        return
    if is_streamed or changed:
        book.want(draft, WantKind.READ_BALANCES, "orders_restated", not_before_s=now_s)
    for line in book.every_line():
        if not (is_streamed or line.asset in changed):
            continue
        line.is_tracked = False
        if line.dispute is not None:
            line.dispute.is_tracked = False
        known = add(book.holds(line.asset), line.pending_release)
        if line.held is not None and known > line.held:
            line.carry(subtract(known, line.held), now_s)
            draft.changes.append(line.change("derived", cause=snapshot.read, as_of_s=snapshot.as_of_s))
