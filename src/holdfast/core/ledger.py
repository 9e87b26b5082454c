"""
One account's balances: what the venue stated, how it fits together, and how far it may be trusted now.

Pure: statements and ``now_s`` in, an ``Outcome`` out. A statement that is refused or suspect changes no figure. The
ledger never reads, subscribes or waits by itself; what would settle an open question is handed out as a ``Want``.

In here is which statements are let in. What a REST figure means for one asset is in ``rest``, what the stream pushes in
``pushes``, what is hard to believe in ``suspicion``, what may be trusted at a moment in ``standing``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core import handover, pushes, rest
from holdfast.core.amounts import ZERO
from holdfast.core.assets import AssetCode
from holdfast.core.balances import (
    Balance,
    BalanceState,
    Delta,
    Holding,
    OpenOrder,
    OrderChange,
    OrdersSnapshot,
    Partial,
    Snapshot,
    Source,
)
from holdfast.core.book import Book
from holdfast.core.changes import Change, Discrepancy, Draft, LedgerSettings, Moved, Outcome, Want, WantKind, change_of
from holdfast.core.lines import NEVER_S
from holdfast.core.standing import answer, is_plainly_live, state_of
from holdfast.core.suspicion import SUSPECT_JUMP, Suspicion, says_the_same, suspect
from holdfast.core.venue import Channel
from holdfast.errors import InvariantError

_SAME_TIME_S: Final = 2.0
"""Two answers within this time may carry one venue time, which some venues state in whole seconds."""

__all__ = ["Change", "Discrepancy", "Ledger", "LedgerSettings", "Outcome", "Want", "WantKind"]


class Ledger:
    """
    The balances of one account. Never suspends; not safe to share between threads.

    Args:
        settings: Bounds.
        reads: Names of the venue's complete balance reads, the one that states holds first.
        pushes_balances: Whether the venue's stream states totals; without, a figure is fresh at best.
    """

    def __init__(self, *, settings: LedgerSettings, reads: tuple[str, ...], pushes_balances: bool) -> None:
        self.settings = settings
        self.reads = reads
        self.pushes_balances = pushes_balances
        self._book = Book(settings, pushes_balances=pushes_balances)
        self._reserved: dict[AssetCode, Decimal] = {}
        self._refusals: Counter[tuple[str, str]] = Counter()
        self._proof_within_s = settings.proof_within_s
        self._has_lapsed = False
        self._venue_times: dict[str, tuple[float, float]] = {}  # By read: the venue's newest time, and our as-of of it.
        self._streamed: Snapshot | None = None  # The stream's newest snapshot, believed or not.

    # Statements

    def restore(
        self,
        holdings: Mapping[AssetCode, Holding],
        lows: Mapping[AssetCode, tuple[Decimal, float]] | None = None,
        *,
        now_s: float,
    ) -> Outcome:
        """
        Take last known figures from the store: stale, reason ``restored``, age unknown, until a read confirms them.

        Only before anything was stated: what is already known is not replaced. *lows* has, for what was written down
        within the time that REST may lag, the lowest total and how long ago the newest was written: the first answers
        count no higher than that.
        """
        draft = Draft()
        for asset, holding in holdings.items():
            line = self._book.line(asset)
            if line.total is not None:
                continue
            line.total, line.held, line.available = holding.total, holding.held, holding.available
            line.is_restored = True
            if lows is not None and asset in lows:
                line.raw_lost, age_s = lows[asset]
                line.raw_lost_s = now_s - age_s
            draft.changes.append(line.change("restored", cause="store", as_of_s=now_s, is_money=False))
        return draft.outcome()

    def state_snapshot(self, snapshot: Snapshot, *, now_s: float) -> Outcome:
        """
        Judge, and where it can be believed apply, a complete statement of REST or of the stream.

        Refused (``outdated``) where REST was asked before what was stated since, or before everything older stopped
        counting, and (``cached``) where the venue's own time says that it is an older answer. Put aside as suspect
        where it is hard to believe and no different read has said the same.

        Raises:
            InvariantError: An amount is not an exact, finite decimal: a bug in whoever made the statement.
        """
        book, draft = self._book, Draft()
        _check_exact(snapshot.holdings)
        if snapshot.source is Source.STREAM:
            if not self.pushes_balances:
                return self._refused(snapshot.read, "not_pushed")
            pushes.restate_stream(book, snapshot, now_s=now_s, draft=draft)
            self._streamed = snapshot
        elif snapshot.as_of_s < max(book.standing.valid_after_s, book.rest_s):
            return self._refused(snapshot.read, "outdated")
        elif self._is_cached(snapshot):
            return self._refused(snapshot.read, "cached")
        self._judge(snapshot, now_s=now_s, draft=draft)
        return draft.outcome()

    def state_partial(self, partial: Partial, *, now_s: float) -> Outcome:
        """
        Apply a statement of some assets; the others are not touched.

        Raises:
            InvariantError: An amount is not an exact, finite decimal: a bug in whoever made the statement.
        """
        book, draft = self._book, Draft()
        _check_exact(partial.holdings)
        if partial.source is not Source.STREAM:
            if partial.as_of_s < book.standing.valid_after_s:
                return self._refused(partial.read, "outdated")
            rest.take_rest_of_some(book, partial, now_s=now_s, draft=draft)
        elif not book.standing.is_stated:
            return self._refused(partial.read, "before_snapshot")
        else:
            pushes.state_some(book, partial, now_s=now_s, draft=draft)
        return draft.outcome()

    def move(self, deltas: Sequence[Delta], *, now_s: float) -> Outcome:
        """
        Apply changes on top of the stream's snapshot, in order; refused (``before_snapshot``) where none stands.

        The legs of one event are shown together, or alone once they have waited ``leg_wait_s``.

        Raises:
            InvariantError: A change is not an exact, finite decimal: a bug in whoever made the delta.
        """
        if len(deltas) == 1:
            moved = self.follow(deltas[0], now_s)
            if moved is not None:
                return Outcome(changes=(change_of(moved),))
        for delta in deltas:
            if not delta.change.is_finite():
                raise InvariantError(f"{delta.asset} was moved by an amount that is no exact decimal")
        book = self._book
        standing = book.standing
        if not standing.is_stated:
            return self._refused("balances", "before_snapshot")
        draft = Draft()
        pushes.move(book, deltas, now_s=now_s, draft=draft)
        if standing.suspicion is not None:
            self._look_again(standing.suspicion, now_s=now_s, draft=draft)
        return draft.outcome()

    def follow(self, delta: Delta, now_s: float) -> Moved | None:
        """
        ``move`` of one delta where nothing else is open, as with nearly every frame of a busy account.

        None, and nothing done, where there is more to it: then ``move`` has to be asked.
        """
        book = self._book
        standing = book.standing
        line = book.lines.get(delta.asset)
        if (
            line is not None
            and not delta.has_other_leg
            and standing.is_accepted
            and standing.suspicion is None
            and book.is_anchor_wanted
            and not book.legs.pending
        ):
            return line.follow(delta, now_s)
        return None

    def state_orders(self, snapshot: OrdersSnapshot, *, now_s: float) -> Outcome:
        """Take every open order, from the stream or from REST; recent stream facts outlast a lagging REST answer."""
        draft = Draft()
        pushes.state_orders(self._book, snapshot, now_s=now_s, draft=draft)
        return draft.outcome()

    def change_orders(self, changes: Sequence[OrderChange], *, now_s: float) -> Outcome:
        """
        Apply what happened to single orders; refused (``before_snapshot``) where the orders channel never stated.

        A fill's lower hold is shown together with the balance rows of the same reference.
        """
        if not self._book.standing.orders_stated:
            return self._refused("orders", "before_snapshot")
        draft = Draft()
        pushes.move_orders(self._book, changes, now_s=now_s, draft=draft)
        return draft.outcome()

    # Proof and its loss

    def prove(self, now_s: float) -> None:
        """
        Any frame arrived on the living socket: what its channels last stated is still true now. O(1).

        The first frame after a silence longer than ``proof_within_s`` proves nothing of the time before it: a paused
        process finds old frames waiting. The figures then count again only once asked for anew.
        """
        standing = self._book.standing
        if now_s - standing.proof_s > self._proof_within_s:
            self._lapse(now_s)
        standing.proof_before_s = standing.proof_s
        standing.proof_s = now_s

    def _lapse(self, now_s: float) -> None:
        standing = self._book.standing
        if standing.is_stated or standing.orders_stated:
            self._book.freeze_proof(standing.proof_s)
            self._book.invalidate("silent", now_s=now_s, draft=Draft())
            self._has_lapsed = True

    def lose_stream(self, reason: str, *, now_s: float) -> Outcome:
        """The connection ended: no channel states anything any more, and only later figures count."""
        draft = Draft()
        proof_s = self._book.standing.proof_s
        self._lose(tuple(Channel), reason, now_s=now_s, proof_s=proof_s, draft=draft)
        return draft.outcome()

    def lose_channel(self, channel: Channel, reason: str, *, now_s: float) -> Outcome:
        """
        One channel's sequence broke or it was refused: its deltas are refused until it states a snapshot again.

        The frame that shows it proves that the socket lives and nothing of the figures: they are as old as the frame
        before it leaves them.
        """
        draft = Draft()
        proof_s = self._book.standing.proof_before_s
        self._lose((channel,), reason, now_s=now_s, proof_s=proof_s, draft=draft)
        return draft.outcome()

    def await_snapshot(self, channel: Channel, *, now_s: float) -> Outcome:
        """
        A new snapshot of a whole channel was asked for: its figures are fresh at best until it has come.

        Unlike a loss this invalidates nothing. Call it when a ``RESUBSCRIBE`` was carried out, since the adapter drops
        the channel's deltas from then on.
        """
        draft = Draft()
        self._stop(channel, now_s=now_s, proof_s=self._book.standing.proof_s, draft=draft)
        return draft.outcome()

    def _lose(self, channels: tuple[Channel, ...], reason: str, *, now_s: float, proof_s: float, draft: Draft) -> None:
        has_stated = [self._stop(channel, now_s=now_s, proof_s=proof_s, draft=draft) for channel in channels]
        if Channel.BALANCES in channels:
            for line in self._book.lines.values():
                line.dispute = None  # One side of it is gone; what is asked for from now on stands for itself.
        # A channel that never stated anything takes nothing with it.
        if any(has_stated):
            self._book.invalidate(reason, now_s=now_s, draft=draft)

    def _stop(self, channel: Channel, *, now_s: float, proof_s: float, draft: Draft) -> bool:
        """The channel states nothing from now on; whether it had. What it stated was true until *proof_s*."""
        book, standing = self._book, self._book.standing
        book.freeze_proof(proof_s)
        if channel is Channel.ORDERS:
            had_stated, standing.orders_stated = standing.orders_stated, False
            standing.orders_count_until_s = now_s + self.settings.rest_lag_s
            return had_stated
        book.drop_wants(WantKind.RESUBSCRIBE, channel)
        had_stated = standing.is_stated
        pushes.show_waiting(book, now_s=now_s, draft=draft)
        standing.is_stated = standing.is_accepted = False
        return had_stated

    def invalidate(self, reason: str, *, now_s: float, assets: Iterable[AssetCode] | None = None) -> Outcome:
        """Only figures requested, or snapshots received, from now on count; for *assets*, or for all when None."""
        draft = Draft()
        self._book.invalidate(reason, now_s=now_s, draft=draft, assets=assets)
        return draft.outcome()

    def refuse(self, read: str, reason: str, *, now_s: float) -> None:
        """An answer could not be believed and was not delivered: counted, and nothing else."""
        self._refusals[read, reason] += 1

    def explain(self, assets: Iterable[AssetCode], *, now_s: float) -> None:
        """A fill or a row of the venue's ledger accounts for a change of these assets: it is not suspect."""
        for asset in assets:
            self._book.line(asset).explained_s = now_s

    def set_reserved(self, asset: AssetCode, amount: Decimal) -> None:
        """Our own claims on an asset, in whole units, that the venue does not hold yet; replaces the former amount."""
        self._reserved[asset] = amount or ZERO  # A sum that came back to nothing would print as 0E-9.

    # Hand-over of a claim to the venue's hold

    def counted_hold(self, order_id: str) -> tuple[AssetCode, Decimal] | None:
        """
        How much of an order's hold ``spendable`` takes off now, whatever else is true: its claim counts for the rest.

        None where the order is not in the open-order set, or holds an amount that nobody tells.
        """
        return handover.counted_hold(self._book, order_id)

    def includes(self, order_id: str) -> bool:
        """
        Whether the venue figure that held and available stand on is known to include an open order's hold.

        So it is where that figure was asked for late enough, or where it is the sum of our orders and could be no
        other sum of the time that it may speak of.
        """
        return handover.includes(self._book, order_id)

    def hold_excess(self, asset: AssetCode) -> Decimal:
        """What the venue holds beyond our estimates for the orders that it includes (their fees); zero if unknown."""
        return handover.hold_excess(self._book, asset)

    def shows(self, asset: AssetCode) -> bool:
        """Whether a change of an asset that the stream tells of now is in its figures: believed, and not overruled."""
        standing, line = self._book.standing, self._book.peek(asset)
        return standing.is_accepted and line.raw is not None and not line.rest_won

    def is_anchored_since(self, asset: AssetCode, since_s: float) -> bool:
        """Whether held and available stand on a REST answer that was *asked for* at *since_s* or later, and counts."""
        line = self._book.peek(asset)
        return line.rest_anchor_s >= since_s and line.anchor_counts

    def is_restated_since(self, since_s: float, asset: AssetCode | None = None) -> bool:
        """Whether a believed stream snapshot (that speaks of *asset*) came at *since_s* or later, and stands."""
        streamed, standing = self._streamed, self._book.standing
        if streamed is None or not standing.is_accepted or streamed.as_of_s < since_s:
            return False
        return asset is None or standing.is_streamed(self._book.peek(asset))

    # Time

    def tick(self, now_s: float) -> Outcome:
        """Do what has become due: legs that waited long enough, silence that nobody noticed."""
        draft = Draft()
        if self._has_lapsed:
            self._has_lapsed = False
            draft.invalidated = "silent"
            draft.wants += [want for want in self.wants if want.reason == "silent"]
        pushes.expire(self._book, now_s=now_s, draft=draft)
        return draft.outcome()

    def next_due_s(self) -> float | None:
        """When ``tick`` is next needed, on our clock; None while nothing waits. Ages need no tick."""
        return NEVER_S if self._has_lapsed else self._book.legs.due_s()

    # Answers

    def balance(self, asset: AssetCode, *, now_s: float) -> Balance:
        """The figures of one asset and how far they may be trusted at *now_s*; unknown amounts are None, never zero."""
        book = self._book
        return answer(
            book.lines.get(asset, book.others),
            asset,
            standing=book.standing,
            orders=book.orders,
            reserved=self._reserved.get(asset, ZERO),
            settings=self.settings,
            now_s=now_s,
        )

    def balances(self, *, now_s: float) -> dict[AssetCode, Balance]:
        """Every asset that was ever stated, proven zeros included, by code."""
        lines = self._book.lines
        return {asset: self.balance(asset, now_s=now_s) for asset, line in lines.items() if line.total is not None}

    def states(self, *, now_s: float) -> dict[AssetCode, BalanceState]:
        """The state of every asset in ``balances``, for a fraction of the cost."""
        standing, settings = self._book.standing, self.settings
        return {
            asset: state_of(line, asset, standing=standing, settings=settings, now_s=now_s)
            for asset, line in self._book.lines.items()
            if line.total is not None
        }

    def live_until_s(self, *, now_s: float) -> float:
        """Until when every figure stays live by itself, while the stream is heard; not at all where one is not."""
        book, standing = self._book, self._book.standing
        lines = [line for line in book.lines.values() if line.total is not None]
        if not all(is_plainly_live(line, standing, self.settings, now_s) for line in lines):
            return NEVER_S
        return min((line.anchor_s for line in lines), default=now_s) + self.settings.anchor_max_age_s

    def is_heard(self, *, now_s: float) -> bool:
        """Whether the stream spoke lately enough to prove its figures alive."""
        return now_s - self._book.standing.proof_s <= self._proof_within_s

    def is_told_of_orders(self, *, now_s: float) -> bool:
        """Whether the orders channel stands on a snapshot and was heard lately: what happens to orders is pushed."""
        return self._book.standing.orders_stated and self.is_heard(now_s=now_s)

    @property
    def is_told_of_holds(self) -> bool:
        """Whether the stream itself states what is held: nothing is then worked out from our record of orders."""
        return self._book.standing.pushes_holds

    def has_complete_picture(self) -> bool:
        """Whether a complete statement was accepted since the start: an asset nobody stated is then a proven zero."""
        return self._book.others.total is not None

    def want_read(self, reason: str, *, not_before_s: float) -> None:
        """Ask for a complete read, requested at *not_before_s* or later."""
        self._book.want(Draft(), WantKind.READ_BALANCES, reason, not_before_s=not_before_s)

    def end_order(self, order_id: str, *, now_s: float) -> Outcome:
        """
        An order of ours was looked up and is over, and no channel has told so.

        It leaves the open-order set; held and available follow with the read that is asked for, never before it.
        """
        draft = Draft()
        book = self._book
        if order_id in book.orders.orders:
            book.orders.put(order_id, None, now_s=now_s)
            book.want(draft, WantKind.READ_BALANCES, "orders_restated", not_before_s=now_s)
        return draft.outcome()

    def want_orders(self, reason: str, *, not_before_s: float) -> None:
        """Ask for the list of open orders, requested at *not_before_s* or later."""
        self._book.want(Draft(), WantKind.READ_ORDERS, reason, not_before_s=not_before_s)

    @property
    def open_orders(self) -> Mapping[str, OpenOrder]:
        """Every open order of the account as last told, by the venue's id."""
        return self._book.orders.orders

    @property
    def wants(self) -> tuple[Want, ...]:
        """Everything that would settle what is open now."""
        return tuple(self._book.wants.values())

    @property
    def discrepancies(self) -> tuple[Discrepancy, ...]:
        """The disagreements that stand now."""
        lines = self._book.lines.values()
        standing = [each for line in lines for each in (line.discrepancy, line.contradiction) if each is not None]
        return tuple(standing)

    @property
    def refusals(self) -> Mapping[tuple[str, str], int]:
        """How often each (read, reason) was refused since the start."""
        return self._refusals

    # Judgement

    def _is_cached(self, snapshot: Snapshot) -> bool:
        """Whether the venue dates this answer no later than an earlier one that was asked for well before."""
        venue_time_s = snapshot.venue_time_s
        if venue_time_s is None:
            return False
        newest_s, as_of_s = self._venue_times.get(snapshot.read, (NEVER_S, NEVER_S))
        if venue_time_s < newest_s or (venue_time_s == newest_s and snapshot.as_of_s > as_of_s + _SAME_TIME_S):
            return True
        if venue_time_s > newest_s:
            self._venue_times[snapshot.read] = (venue_time_s, snapshot.as_of_s)
        return False

    def _refused(self, read: str, reason: str) -> Outcome:
        self._refusals[read, reason] += 1
        return Outcome(refused=reason)

    def _judge(self, snapshot: Snapshot, *, now_s: float, draft: Draft) -> None:
        """Believe a complete statement, put it aside, or let it confirm or dismiss the one that was put aside."""
        standing = self._book.standing
        doubt = self._doubt(snapshot)
        earlier, standing.suspicion = standing.suspicion, None
        if earlier is not None:
            self._book.drop_want(WantKind.READ_BALANCES, earlier.reason)  # Wanted again below if it stays.
            first = earlier.snapshot
            # An answer that raises doubts beyond the earlier ones confirms nothing: it may be worse, not better.
            is_same = self._says_the_same(earlier, snapshot) and (doubt is None or doubt.is_within(earlier))
            if is_same and doubt is not None:
                is_late_enough = snapshot.as_of_s >= first.as_of_s + self.settings.confirm_after_s
                if snapshot.read == first.read or not is_late_enough:
                    self._suspect(earlier, draft)
                    return
            if is_same:
                draft.confirmed = earlier.reason
                if first.source is not Source.STREAM and first.as_of_s >= standing.valid_after_s:
                    self._believe(first, now_s=now_s, draft=draft)  # It may state what the second does not.
                self._believe(snapshot, now_s=now_s, draft=draft)
                return
            draft.dismissed = earlier.reason
            if doubt is not None and doubt.reason == earlier.reason == SUSPECT_JUMP:
                # Everything moves from read to read: an account that trades, and no stream to tell us so. Where fills
                # are told, it is not that: one of the two reads is wrong for as long as they differ.
                doubt = doubt.again(earlier)
                if doubt.round > self.settings.confirm_attempts and not standing.orders_stated:
                    doubt = None
        if doubt is None:
            self._believe(snapshot, now_s=now_s, draft=draft)
        else:
            self._suspect(doubt, draft)

    def _doubt(self, snapshot: Snapshot) -> Suspicion | None:
        book = self._book
        is_rest = snapshot.source is not Source.STREAM
        lag_s = self.settings.rest_lag_s

        def is_explained(asset: AssetCode, total: Decimal) -> bool:
            line = book.peek(asset)
            if is_rest and line.rest_s > snapshot.as_of_s:
                return True  # Asked before what is known of this asset: it will not be applied to it.
            # A fill explains that a figure moved, never that it is gone: a repeated one would hide a lost row.
            explained_s = max(line.explained_s, line.filled_s) if total else line.explained_s
            if explained_s >= line.total_s - lag_s and explained_s != NEVER_S:
                return True
            if not is_rest:
                return asset in snapshot.omits or (line.dispute is not None and line.dispute.stated.total == total)
            if book.standing.is_accepted and line.raw == total:
                return True
            return asset in snapshot.omits or line.trail.had(total, since_s=snapshot.as_of_s - lag_s)

        return suspect(
            snapshot,
            confirmed=book.funded(),
            is_zero_proven=self.has_complete_picture(),
            is_explained=is_explained,
        )

    def _says_the_same(self, earlier: Suspicion, snapshot: Snapshot) -> bool:
        """Whether a read agrees with what was put aside; a stream's snapshot has moved on with its deltas."""
        if snapshot.source is not Source.STREAM and earlier.snapshot is self._streamed:
            earlier = earlier.at(self._moved_on(earlier.snapshot))
        return says_the_same(earlier, snapshot)

    def _moved_on(self, streamed: Snapshot) -> Snapshot:
        """The stream's snapshot with every delta since."""
        lines = self._book.lines.items()
        holdings = {asset: Holding(asset=asset, total=line.raw) for asset, line in lines if line.raw is not None}
        return msgspec.structs.replace(streamed, holdings=holdings)

    def _suspect(self, doubt: Suspicion, draft: Draft) -> None:
        self._book.standing.suspicion = doubt
        draft.suspect = doubt.reason
        draft.suspect_assets = doubt.assets
        first = doubt.snapshot
        self._book.want(
            draft,
            WantKind.READ_BALANCES,
            doubt.reason,
            not_before_s=first.as_of_s + self.settings.confirm_after_s,
            other_than=first.read,
        )

    def _believe(self, snapshot: Snapshot, *, now_s: float, draft: Draft) -> None:
        book, standing = self._book, self._book.standing
        if snapshot.source is Source.STREAM:
            pushes.accept_stream(book, snapshot, now_s=now_s, draft=draft)
            return
        rest.take_rest(book, snapshot, now_s=now_s, draft=draft)
        if standing.is_stated and not standing.is_accepted and self._streamed is not None:
            # The stream's snapshot was put aside; against what REST has confirmed it may look different.
            if self._doubt(self._moved_on(self._streamed)) is None:
                pushes.accept_stream(book, self._streamed, now_s=now_s, draft=draft)
            else:
                book.want(draft, WantKind.RESUBSCRIBE, "contradicted", not_before_s=now_s, channel=Channel.BALANCES)

    def _look_again(self, doubt: Suspicion, *, now_s: float, draft: Draft) -> None:
        """The stream may have accounted for what made a REST answer suspect."""
        standing, first = self._book.standing, doubt.snapshot
        if first.source is Source.STREAM or not standing.is_accepted or self._doubt(first) is not None:
            return
        standing.suspicion = None
        self._book.drop_want(WantKind.READ_BALANCES, doubt.reason)
        draft.confirmed = doubt.reason
        if first.as_of_s >= standing.valid_after_s:
            self._believe(first, now_s=now_s, draft=draft)


def _check_exact(holdings: Mapping[AssetCode, Holding]) -> None:
    """Amounts are exact decimals from end to end; this check stays on in production."""
    for holding in holdings.values():
        for amount in (holding.total, holding.held, holding.available):
            if amount is not None and not (type(amount) is Decimal and amount.is_finite()):
                raise InvariantError(f"{holding.asset} was stated with an amount that is no exact decimal")
