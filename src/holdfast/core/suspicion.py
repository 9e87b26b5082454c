"""
Well-formed answers that are hard to believe.

Venues have answered "no money" out of an empty cache, dropped one asset, or sent somebody else's figures. Such an
answer is not refused, because it may be true; it is put aside until a second, *different* read, requested a little
later, says the same. The same read repeated proves nothing: it may come from the same broken cache.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from holdfast.core.amounts import ZERO
from holdfast.core.assets import AssetCode
from holdfast.core.balances import Snapshot

__all__ = ["SUSPECT_EMPTY", "SUSPECT_JUMP", "SUSPECT_VANISHED", "Suspicion", "says_the_same", "suspect"]

SUSPECT_EMPTY = "suspect_empty"
SUSPECT_VANISHED = "suspect_vanished"
SUSPECT_JUMP = "suspect_jump"


class Suspicion(msgspec.Struct, frozen=True, kw_only=True):
    """
    One answer put aside.

    ``assets`` are those whose figures are in doubt; where ``is_whole_account`` holds, every figure is. ``round`` counts
    jumps in a row, each unlike the one before.
    """

    reason: str
    assets: tuple[AssetCode, ...]
    snapshot: Snapshot
    round: int = 1

    @property
    def is_whole_account(self) -> bool:
        """True where not only ``assets`` but every figure of the account is in doubt."""
        return self.reason != SUSPECT_VANISHED

    def at(self, snapshot: Snapshot) -> Suspicion:
        """The same suspicion of another form of the statement."""
        return msgspec.structs.replace(self, snapshot=snapshot)

    def again(self, earlier: Suspicion) -> Suspicion:
        """This suspicion as the successor of one that it contradicts."""
        return msgspec.structs.replace(self, round=earlier.round + 1)

    def is_within(self, earlier: Suspicion) -> bool:
        """Whether this doubts nothing that *earlier* did not doubt for the same reason."""
        return self.reason == earlier.reason and set(self.assets) <= set(earlier.assets)

    def doubts(self, asset: AssetCode) -> bool:
        """Whether this asset's figures are in doubt."""
        return self.reason != SUSPECT_VANISHED or asset in self.assets


def suspect(
    snapshot: Snapshot,
    *,
    confirmed: Mapping[AssetCode, Decimal],
    is_zero_proven: bool,
    is_explained: Callable[[AssetCode, Decimal], bool],
) -> Suspicion | None:
    """
    Judge a complete statement against what is confirmed.

    Args:
        snapshot: The statement; an absent asset is stated to be zero.
        confirmed: The totals last confirmed, by asset.
        is_zero_proven: Whether a complete statement was accepted before, so that an account without money is known.
        is_explained: Whether a delta, a fill or a ledger row accounts for this asset having this total now.

    Returns:
        The suspicion, or None where the statement can be believed.
    """
    stated = snapshot.holdings
    funded = [asset for asset, total in confirmed.items() if total]
    if not any(holding.total for holding in stated.values()):
        unexplained = tuple(asset for asset in funded if not is_explained(asset, ZERO))
        if unexplained or not is_zero_proven:
            return Suspicion(reason=SUSPECT_EMPTY, assets=unexplained, snapshot=snapshot)
        return None
    vanished: list[AssetCode] = []
    jumped: list[AssetCode] = []
    moved = 0
    for asset in funded:
        holding = stated.get(asset)
        total = ZERO if holding is None else holding.total
        if total == confirmed[asset]:
            continue
        moved += 1
        if is_explained(asset, total):
            continue
        jumped.append(asset)
        if not total:
            vanished.append(asset)
    if vanished:
        return Suspicion(reason=SUSPECT_VANISHED, assets=tuple(vanished), snapshot=snapshot)
    # All of it moved, and what accounts for some of it (a fill) does not for the rest.
    if len(jumped) >= 2 and moved == len(funded):
        return Suspicion(reason=SUSPECT_JUMP, assets=tuple(jumped), snapshot=snapshot)
    return None


def says_the_same(suspicion: Suspicion, snapshot: Snapshot) -> bool:
    """Whether *snapshot* states the doubted totals as the suspect answer did; an empty one must be empty again."""
    if suspicion.reason == SUSPECT_EMPTY:
        return not any(holding.total for holding in snapshot.holdings.values())
    for asset in suspicion.assets:
        first = suspicion.snapshot.holdings.get(asset)
        second = snapshot.holdings.get(asset)
        if (ZERO if first is None else first.total) != (ZERO if second is None else second.total):
            return False
    return True
