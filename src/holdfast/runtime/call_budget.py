"""How much of a venue's call budget a credential uses now, read off the counters that its client spends from."""

from __future__ import annotations

from holdfast.core.limits import DecayingCounter, MakeCounter, own_counter
from holdfast.runtime.views import CallBudget

__all__ = ["KeptCounters"]


class KeptCounters:
    """
    A ``MakeCounter`` that remembers what it made.

    Args:
        make: Makes them; counters of this process alone where None.
    """

    def __init__(self, make: MakeCounter | None) -> None:
        self._make: MakeCounter = make or own_counter
        self._made: list[DecayingCounter] = []

    def __call__(self, *, maximum: float, decay_per_s: float, now_s: float, name: str = "") -> DecayingCounter:
        counter = self._make(maximum=maximum, decay_per_s=decay_per_s, now_s=now_s, name=name)
        self._made.append(counter)
        return counter

    def fullest(self, *, now_s: float, kept: float) -> CallBudget | None:
        """
        The counter with the least room left, which is the one that will refuse first; None where nothing is counted.

        *kept* points of it are left to tokens, orders and cancels.
        """
        found: CallBudget | None = None
        for counter in self._made:
            used = counter.level(now_s=now_s)
            if found is None or used / counter.maximum > found.used / found.limit:
                found = CallBudget(
                    used=used,
                    limit=counter.maximum,
                    zero_in_s=used / counter.decay_per_s,
                    kept=min(kept, counter.maximum),
                )
        return found
