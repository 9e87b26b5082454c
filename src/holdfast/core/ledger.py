"""
One account's balances: what the venue stated, how it fits together, and how far it may be trusted now.

Pure: statements and ``now_s`` in, an ``Outcome`` out. A statement that is refused or suspect changes no figure. The
ledger never reads, subscribes or waits by itself; what would settle an open question is handed out as a ``Want``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from holdfast.core.assets import AssetCode
from holdfast.core.balances import Balance, Delta, Holding, OrderChange, OrdersSnapshot, Partial, Snapshot
from holdfast.core.changes import Change, Discrepancy, LedgerSettings, Outcome, Want, WantKind
from holdfast.core.venue import Channel

__all__ = ["Change", "Discrepancy", "Ledger", "LedgerSettings", "Outcome", "Want", "WantKind"]


class Ledger:
    """
    The balances of one account. Never suspends; not safe to share between threads.

    Args:
        settings: Bounds.
        reads: Names of the venue's complete balance reads, the one that states holds first.
        pushes_balances: Whether the venue's stream states totals; without, a figure is fresh at best.
    """

    def __init__(self, *, settings: LedgerSettings, reads: tuple[str, ...], pushes_balances: bool) -> None: ...

    # Statements

    def restore(self, holdings: Mapping[AssetCode, Holding], *, now_s: float) -> Outcome:
        """Take last known figures from the store: stale, reason ``restored``, age unknown, until a read confirms."""
        raise NotImplementedError

    def state_snapshot(self, snapshot: Snapshot, *, now_s: float) -> Outcome:
        """Judge, and where it can be believed apply, a complete statement of REST or of the stream."""
        raise NotImplementedError

    def state_partial(self, partial: Partial, *, now_s: float) -> Outcome:
        """Apply a statement of some assets; the others are not touched."""
        raise NotImplementedError

    def move(self, deltas: Sequence[Delta], *, now_s: float) -> Outcome:
        """Apply changes on top of the stream's snapshot; refused (``before_snapshot``) where none stands."""
        raise NotImplementedError

    def state_orders(self, snapshot: OrdersSnapshot, *, now_s: float) -> Outcome:
        """Take every open order, from the stream or from REST; recent stream facts outlast a lagging REST answer."""
        raise NotImplementedError

    def change_orders(self, changes: Sequence[OrderChange], *, now_s: float) -> Outcome:
        """Apply what happened to single orders; refused (``before_snapshot``) where the orders channel never stated."""
        raise NotImplementedError

    # Proof and its loss

    def prove(self, now_s: float) -> None:
        """Any frame arrived on the living socket: what its channels last stated is still true now. O(1)."""
        raise NotImplementedError

    def lose_stream(self, reason: str, *, now_s: float) -> Outcome:
        """The connection ended: no channel states anything any more, and only later figures count."""
        raise NotImplementedError

    def lose_channel(self, channel: Channel, reason: str, *, now_s: float) -> Outcome:
        """One channel's sequence broke or it was refused: its deltas are refused until it states a snapshot again."""
        raise NotImplementedError

    def invalidate(self, reason: str, *, now_s: float, assets: Iterable[AssetCode] | None = None) -> Outcome:
        """Only figures requested, or snapshots received, from now on count; for *assets*, or for all when None."""
        raise NotImplementedError

    def refuse(self, read: str, reason: str, *, now_s: float) -> None:
        """An answer could not be believed and was not delivered: counted, and nothing else."""
        raise NotImplementedError

    def explain(self, assets: Iterable[AssetCode], *, now_s: float) -> None:
        """A fill or a row of the venue's ledger accounts for a change of these assets: it is not suspect."""
        raise NotImplementedError

    def set_reserved(self, asset: AssetCode, amount: Decimal) -> None:
        """Our own claims on an asset, in whole units, that the venue does not hold yet; replaces the former amount."""
        raise NotImplementedError

    # Time

    def tick(self, now_s: float) -> Outcome:
        """Do what has become due: legs that waited long enough, silence that nobody noticed."""
        raise NotImplementedError

    def next_due_s(self) -> float | None:
        """When ``tick`` is next needed, on our clock; None while nothing waits. Ages need no tick."""
        raise NotImplementedError

    # Answers

    def balance(self, asset: AssetCode, *, now_s: float) -> Balance:
        """The figures of one asset and how far they may be trusted at *now_s*; unknown amounts are None, never zero."""
        raise NotImplementedError

    def balances(self, *, now_s: float) -> dict[AssetCode, Balance]:
        """Every asset that was ever stated, proven zeros included, by code."""
        raise NotImplementedError

    def has_complete_picture(self) -> bool:
        """Whether a complete statement was accepted since the start: an asset nobody stated is then a proven zero."""
        raise NotImplementedError

    @property
    def wants(self) -> tuple[Want, ...]:
        """Everything that would settle what is open now."""
        raise NotImplementedError

    @property
    def discrepancies(self) -> tuple[Discrepancy, ...]:
        """The disagreements that stand now."""
        raise NotImplementedError

    @property
    def refusals(self) -> Mapping[tuple[str, str], int]:
        """How often each (read, reason) was refused since the start."""
        raise NotImplementedError
