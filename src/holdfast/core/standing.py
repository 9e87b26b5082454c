"""
How far a figure may be trusted at this moment, and how much of it may be spent.

Nothing here is stored: state, age and spendable are worked out when they are asked for, so that a timer that fires
late, a blocked loop or a suspended machine can never leave an old answer looking young.
"""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.amounts import ZERO, add, subtract, total_of
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance, BalanceState, Source
from holdfast.core.changes import LedgerSettings
from holdfast.core.holds import OpenOrders, most_of
from holdfast.core.lines import NEVER_S, Line
from holdfast.core.suspicion import Suspicion

__all__ = ["Standing", "answer", "is_plainly_live", "state_of"]


class Standing:
    """What holds for the whole account: which channels stand on a snapshot, when they were last heard, what counts."""

    __slots__ = (
        "is_accepted",
        "is_stated",
        "orders_count_until_s",
        "orders_stated",
        "proof_before_s",
        "proof_s",
        "pushes_holds",
        "stated_since_s",
        "suspicion",
        "valid_after_s",
    )

    def __init__(self) -> None:
        self.is_stated = False  # The balances channel has stated a snapshot, and its sequence is whole since.
        self.is_accepted = False  # That snapshot was believed.
        self.pushes_holds = False  # It states held and available itself.
        self.orders_stated = False  # The orders channel has stated a snapshot, and its sequence is whole since.
        self.stated_since_s = NEVER_S  # When the newest snapshot of either channel came: it hides what was before.
        # Orders known only from before then count against spendable while the anchor may not include them.
        self.orders_count_until_s = NEVER_S
        self.proof_s = NEVER_S  # When the newest frame came.
        self.proof_before_s = NEVER_S  # The one before it: what the newest may contradict was true until then.
        self.valid_after_s = NEVER_S
        self.suspicion: Suspicion | None = None

    def tracks_holds(self, line: Line) -> bool:
        """Whether every change of what our orders hold is known since the line's anchor."""
        return self.pushes_holds or (self.orders_stated and line.is_tracked)

    def is_streamed(self, line: Line) -> bool:
        """Whether the stream's word on this line stands, uncontradicted."""
        return self.is_accepted and line.raw is not None and not line.rest_won and line.dispute is None


def answer(
    line: Line,
    asset: AssetCode,
    *,
    standing: Standing,
    orders: OpenOrders,
    reserved: Decimal,
    settings: LedgerSettings,
    now_s: float,
) -> Balance:
    """The balance of *asset*, whose figures *line* has, at *now_s*."""
    if line.total is None:
        suspicion = standing.suspicion
        return Balance(
            asset=asset,
            total=None,
            held=None,
            available=None,
            reserved=reserved,
            spendable=None,
            state=BalanceState.UNKNOWN,
            age_s=None,
            source=None,
            reason="never_stated" if suspicion is None else suspicion.reason,
        )
    floor = settings.floors.get(asset, ZERO)
    state, as_of_s, reason = _judge(line, asset, standing=standing, settings=settings, now_s=now_s)
    return Balance(
        asset=asset,
        total=line.total,
        held=line.held,
        available=line.available,
        reserved=reserved,
        spendable=_spendable(
            line, asset, standing=standing, orders=orders, taken=add(reserved, floor), settings=settings
        ),
        state=state,
        age_s=None if as_of_s == NEVER_S else max(0.0, now_s - as_of_s),
        source=Source.DERIVED if line.is_derived else line.source,
        reason=reason,
        floor=floor,
        detail=line.detail,
    )


def state_of(
    line: Line, asset: AssetCode, *, standing: Standing, settings: LedgerSettings, now_s: float
) -> BalanceState:
    """What ``answer`` would call the state, without working out any amount."""
    if line.total is None:
        return BalanceState.UNKNOWN
    if is_plainly_live(line, standing, settings, now_s):
        return BalanceState.LIVE
    return _judge(line, asset, standing=standing, settings=settings, now_s=now_s)[0]


def is_plainly_live(line: Line, standing: Standing, settings: LedgerSettings, now_s: float) -> bool:
    """Whether nothing at all is wrong, which is all that most looks at most accounts find."""
    return (
        standing.is_accepted
        and standing.orders_stated
        and standing.suspicion is None
        and now_s - standing.proof_s <= settings.proof_within_s
        and now_s - line.anchor_s <= settings.anchor_max_age_s
        and line.is_tracked
        and line.total_counts
        and line.anchor_counts
        and not line.is_restored
        and not line.rest_won
        and line.dispute is None
        and line.raw is not None
        and line.available is not None
    )


def _judge(
    line: Line, asset: AssetCode, *, standing: Standing, settings: LedgerSettings, now_s: float
) -> tuple[BalanceState, float, str | None]:
    """State, as-of and reason; the first thing that is wrong names itself."""
    stale = BalanceState.STALE
    if line.is_restored:
        return stale, NEVER_S, "restored"
    is_streamed = standing.is_streamed(line)
    as_of_s = max(line.total_s, standing.proof_s) if is_streamed else line.total_s
    tracks_holds = standing.tracks_holds(line)
    if not tracks_holds and line.holds_s < as_of_s and line.holds_s != NEVER_S:
        as_of_s = line.holds_s  # The total is younger than held and available.
    suspicion = standing.suspicion
    if suspicion is not None and suspicion.doubts(asset):
        return stale, as_of_s, suspicion.reason
    if not (line.total_counts and line.anchor_counts):
        return stale, as_of_s, line.invalid_reason
    if line.available is None or line.anchor_s == NEVER_S:
        return stale, as_of_s, "unanchored"
    if now_s - line.anchor_s > settings.anchor_max_age_s:
        return stale, as_of_s, "anchor_age"
    if is_streamed and tracks_holds and now_s - standing.proof_s <= settings.proof_within_s:
        return BalanceState.LIVE, as_of_s, None
    if now_s - as_of_s > settings.max_age_s:
        return stale, as_of_s, "age"
    if line.dispute is not None:
        return BalanceState.FRESH, as_of_s, "disputed"
    return BalanceState.FRESH, as_of_s, "rest_differs" if line.rest_won else None


def _spendable(
    line: Line,
    asset: AssetCode,
    *,
    standing: Standing,
    orders: OpenOrders,
    taken: Decimal,
    settings: LedgerSettings,
) -> Decimal | None:
    """
    What may still be promised: the least of all readings that have not been ruled out, less *taken*: claims and floor.

    Where the venue contradicts itself, or an order holds an amount nobody can tell, that is nothing.
    """
    total, available = line.total, line.available
    if total is None or available is None:
        return None
    if line.contradiction is not None or line.pending_unknown:
        return ZERO
    recent_s = line.anchor_s - settings.rest_lag_s  # An order younger than this the anchor may not include.
    if orders.unplaced and any(seen_s >= recent_s for seen_s in orders.unplaced.values()):
        return ZERO
    known = ZERO
    basis = subtract(available, line.unproven)
    holds = orders.of(asset)
    if holds is not None and (standing.orders_stated or line.anchor_s < standing.orders_count_until_s):
        if holds.orders:
            if holds.has_unknown_since(recent_s):
                return ZERO
            risen = holds.risen_since(line.base_since_s)
            ghost = min(line.ghost, most_of(holds.known, settings.hold_allowance))
            basis = subtract(basis, add(ghost, subtract(most_of(risen, settings.hold_allowance), risen)))
        known = holds.known
    least = min(basis, subtract(total, add(known, line.pending_release)))
    if line.pending:
        # The picture as it will be once the waiting parts are shown.
        after = total_of((basis, line.pending_change, line.pending_release))
        least = min(least, after, subtract(add(total, line.pending_change), known))
    if line.raw is not None and (line.rest_won or (standing.is_stated and not standing.is_accepted)):
        # The stream says otherwise, and is not believed; it may still be right.
        least = min(least, subtract(line.raw, known))
    lost = line.raw_lost
    if lost is not None and not standing.is_accepted and line.rest_s < line.raw_lost_s + settings.rest_lag_s:
        # REST may speak of a moment before the stream's last word, and of figures that the stream never had.
        least = min(least, subtract(lost, known))
    dispute = line.dispute
    if dispute is not None:
        stated = dispute.stated
        theirs = subtract(stated.total, known)
        if stated.available is not None:
            risen = ZERO if holds is None else holds.risen_since(dispute.as_of_s)
            theirs = min(theirs, subtract(stated.available, risen))
        least = min(least, add(theirs, dispute.debits))
    least = add(least, line.late_debits)
    least = subtract(least, taken)
    return least if least > ZERO else ZERO
