"""
The parts of one event that arrive one by one.

A trade reaches us as two balance rows and one word on its order, in any order and in separate frames; between them the
picture is half of the old one and half of the new one. Parts that share a reference wait for each other, for a
bounded time, and are then shown together.
"""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.assets import AssetCode
from holdfast.core.balances import Delta
from holdfast.core.holds import HoldMove

__all__ = ["Event", "Legs"]


class Event:
    """What has arrived of one event. ``moves`` are the holds a fill ended; ``touched`` the balances it must move."""

    __slots__ = ("deltas", "has_order", "is_overdue", "moves", "ref", "started_s", "touched")

    def __init__(self, ref: str, started_s: float) -> None:
        self.ref = ref
        self.started_s = started_s
        self.deltas: list[Delta] = []
        self.moves: list[HoldMove] = []
        self.has_order = False
        self.touched: tuple[AssetCode, ...] = ()
        self.is_overdue = False

    def has_both_legs(self) -> bool:
        """Whether two parts have come: two assets of a trade, or two wallets of one asset."""
        return len(self.deltas) >= 2

    def assets(self) -> set[AssetCode]:
        """Every asset that a part of this event concerns."""
        return {move.asset for move in self.moves} | {delta.asset for delta in self.deltas}

    def debited(self) -> list[AssetCode]:
        """Assets whose total this event lowers."""
        return [delta.asset for delta in self.deltas if delta.change < Decimal(0)]


class Legs:
    """Events that wait for their other parts, and the references of those that lately stopped waiting."""

    def __init__(self, *, wait_s: float, remember_s: float, length: int) -> None:
        self._wait_s = wait_s
        self._remember_s = remember_s
        self._length = length
        self.pending: dict[str, Event] = {}
        self._settled: dict[str, float] = {}

    def event(self, ref: str, *, now_s: float) -> Event:
        """The waiting event of this reference, a new one where there is none."""
        event = self.pending.get(ref)
        if event is None:
            event = self.pending[ref] = Event(ref, now_s)
        return event

    def has_waiting(self, asset: AssetCode) -> bool:
        """Whether a part that concerns this asset waits within its time."""
        return any(not event.is_overdue and asset in event.assets() for event in self.pending.values())

    def has_settled(self, ref: str) -> bool:
        """Whether this reference's event was shown already: what still comes of it is late, and waits for nothing."""
        return ref in self._settled

    def settle(self, event: Event, *, now_s: float) -> None:
        """The event was shown, or its statement was overtaken."""
        self.pending.pop(event.ref, None)
        self._settled[event.ref] = now_s
        oldest_s = now_s - self._remember_s
        while len(self._settled) > self._length or next(iter(self._settled.values())) < oldest_s:
            del self._settled[next(iter(self._settled))]

    def due_s(self) -> float | None:
        """When the longest waiting event has waited enough; None where none waits."""
        if len(self.pending) > self._length:
            return float("-inf")
        waiting = [event.started_s for event in self.pending.values() if not event.is_overdue]
        return min(waiting) + self._wait_s if waiting else None

    def expired(self, now_s: float) -> list[Event]:
        """Events that have waited enough and still lack a part; beyond the bound on their number, the oldest of all."""
        surplus = len(self.pending) - self._length
        return [
            event
            for position, event in enumerate(self.pending.values())
            if position < surplus or (not event.is_overdue and event.started_s + self._wait_s <= now_s)
        ]
