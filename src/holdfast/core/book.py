"""
The ledger's pages: every asset's line, our open orders, the events that wait, what is wanted, and how all of it stands.

The rules that turn the pages live beside it, one per kind of statement; in here is only what they share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from holdfast.core.amounts import ZERO
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Snapshot
from holdfast.core.changes import Discrepancy, Draft, LedgerSettings, Want, WantKind
from holdfast.core.holds import OpenOrders
from holdfast.core.lag import Trail
from holdfast.core.legs import Legs
from holdfast.core.lines import Line
from holdfast.core.standing import Standing
from holdfast.core.venue import Channel

__all__ = ["ANCHOR_WANT", "Book", "Figures"]

ANCHOR_WANT: Final = (WantKind.READ_BALANCES, "moved")
"""What is wanted once money moved."""

Figures = tuple[Decimal | None, Decimal | None, Decimal | None]
"""Total, held and available as shown."""


class Book:
    """
    Everything the ledger of one account knows.

    ``others`` is the line of every asset that has none of its own: absent from a complete statement is stated to be
    zero, and that is as good a statement, with as good an age, as any other.
    """

    __slots__ = (
        "is_anchor_wanted",
        "legs",
        "lines",
        "orders",
        "others",
        "pushes_balances",
        "rest_s",
        "settings",
        "standing",
        "wants",
    )

    def __init__(self, settings: LedgerSettings, *, pushes_balances: bool = True) -> None:
        self.settings = settings
        self.pushes_balances = pushes_balances
        self.standing = Standing()
        self.lines: dict[AssetCode, Line] = {}
        self.others = Line("", Trail(keep_s=settings.rest_lag_s, length=settings.trail_length))
        self.others.gives_back = pushes_balances
        self.orders = OpenOrders(lag_s=settings.rest_lag_s, trail_length=settings.trail_length)
        self.legs = Legs(wait_s=settings.leg_wait_s, remember_s=settings.rest_lag_s, length=settings.trail_length)
        self.wants: dict[tuple[WantKind, str], Want] = {}
        self.is_anchor_wanted = False  # Whether ANCHOR_WANT stands: asked for every pushed change, hence kept.
        self.rest_s = float("-inf")  # As-of of the newest complete REST statement that was taken.

    # Lines

    def line(self, asset: AssetCode) -> Line:
        """The asset's own line, opened where there was none."""
        line = self.lines.get(asset)
        if line is None:
            line = self.lines[asset] = self.others.twin(asset)
        return line

    def open_lines(self, snapshot: Snapshot) -> None:
        """A line for every asset that a statement names, and for those it cannot speak of: they are not the others."""
        for asset in snapshot.holdings:
            self.line(asset)
        for asset in snapshot.omits:
            self.line(asset)

    def peek(self, asset: AssetCode) -> Line:
        """The asset's own line, or that of all others."""
        return self.lines.get(asset, self.others)

    def every_line(self) -> Iterator[Line]:
        """All lines, that of all others last."""
        yield from self.lines.values()
        yield self.others

    def funded(self) -> dict[AssetCode, Decimal]:
        """Confirmed totals other than zero."""
        return {asset: line.total for asset, line in self.lines.items() if line.total}

    def holds(self, asset: AssetCode) -> Decimal:
        """What our open orders are known to hold of an asset now."""
        holds = self.orders.of(asset)
        return ZERO if holds is None else holds.known

    def freeze_proof(self, proof_s: float) -> None:
        """The stream stops speaking: what it proved until *proof_s* is the age of what it stated."""
        standing = self.standing
        for line in self.every_line():
            if standing.is_accepted and line.raw is not None and not line.rest_won:
                line.raw_lost, line.raw_lost_s = line.raw, proof_s
            if not standing.is_streamed(line) or line.total is None:
                continue
            line.total_s = max(line.total_s, proof_s)
            if standing.tracks_holds(line):
                line.holds_s = max(line.holds_s, proof_s)

    # Validity

    def invalidate(self, reason: str, *, now_s: float, draft: Draft, assets: Iterable[AssetCode] | None = None) -> None:
        """Figures from before now no longer count, and a read is wanted."""
        named = None if assets is None else tuple(assets)
        if named is None:
            self.standing.valid_after_s = now_s
        for line in list(self.every_line() if named is None else map(self.line, named)):
            line.invalidate(reason, now_s)
        draft.invalidated = reason
        draft.invalidated_assets = named
        self.want(draft, WantKind.READ_BALANCES, reason, not_before_s=now_s)

    # Wants

    def want(
        self,
        draft: Draft,
        kind: WantKind,
        reason: str,
        *,
        not_before_s: float,
        other_than: str | None = None,
        channel: Channel | None = None,
    ) -> None:
        """Ask the shell for something; asking twice is asking once, at the earlier time."""
        standing = self.wants.get((kind, reason))
        if standing is not None and standing.other_than == other_than and standing.not_before_s <= not_before_s:
            return
        want = Want(kind=kind, reason=reason, not_before_s=not_before_s, other_than=other_than, channel=channel)
        self.wants[kind, reason] = want
        self.is_anchor_wanted = ANCHOR_WANT in self.wants
        draft.wants.append(want)

    def rest_answered(self, snapshot: Snapshot) -> None:
        """A complete read came: what it was wanted for is done, or will be wanted anew."""
        for key, want in list(self.wants.items()):
            is_plain_read = want.kind is WantKind.READ_BALANCES and want.other_than is None
            if is_plain_read and snapshot.states_holds and want.not_before_s <= snapshot.as_of_s:
                del self.wants[key]
        self.is_anchor_wanted = ANCHOR_WANT in self.wants

    def drop_wants(self, kind: WantKind, channel: Channel | None = None) -> None:
        """What was wanted has come, or cannot come any more; not for reads of balances."""
        for key, want in list(self.wants.items()):
            if want.kind is kind and want.channel is channel:
                del self.wants[key]

    def drop_want(self, kind: WantKind, reason: str) -> None:
        """One thing is not wanted any more."""
        self.wants.pop((kind, reason), None)
        self.is_anchor_wanted = ANCHOR_WANT in self.wants

    # Disagreements

    def found(self, line: Line, discrepancy: Discrepancy, draft: Draft) -> None:
        """Record a disagreement on the line's total."""
        line.discrepancy = discrepancy
        draft.found.append(discrepancy)

    def resolved(self, line: Line, how: str, draft: Draft) -> None:
        """The line's sources agree again; whatever was open between them ends."""
        had_dispute, line.dispute = line.dispute is not None, None
        line.rest_won = False
        if had_dispute and not any(other.dispute is not None for other in self.lines.values()):
            self.drop_want(WantKind.RESUBSCRIBE, "disputed")
            self.drop_want(WantKind.READ_BALANCES, "disputed")
        if line.discrepancy is not None:
            draft.resolved.append(ended(line.discrepancy, how))
            line.discrepancy = None

    # Changes

    def changed(
        self,
        line: Line,
        before: Figures,
        draft: Draft,
        *,
        kind: str,
        cause: str | None,
        as_of_s: float,
        was_restored: bool,
    ) -> None:
        """Record the line's new figures, where they are new."""
        if line is self.others or (line.figures() == before and not was_restored):
            return
        draft.changes.append(line.change(kind, cause=cause, as_of_s=as_of_s, is_money=line.figures() != before))


def ended(discrepancy: Discrepancy, how: str) -> Discrepancy:
    """The discrepancy, with how it ended."""
    return Discrepancy(
        asset=discrepancy.asset,
        kind=discrepancy.kind,
        ours=discrepancy.ours,
        theirs=discrepancy.theirs,
        found_s=discrepancy.found_s,
        how=how,
        rows=discrepancy.rows,
    )
