"""
Telling an older figure from a different one.

A REST answer may lag the stream and carries no sequence, so its age cannot be read off it. What can be known is
whether the stream itself stated the same figure a while ago: then the answer is merely late. A figure that the
stream never had within the lag is another matter, and is not decided here.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterator
from decimal import Decimal

__all__ = ["Likeness", "Trail", "compare"]


class Likeness(enum.Enum):
    """How a stated figure relates to the one we hold."""

    AGREES = enum.auto()
    LAGS = enum.auto()  # It was true within the lag, and no longer is.
    DIFFERS = enum.auto()


class Trail:
    """
    Figures that stopped being true lately, oldest first, each with the time it was superseded (our clock, seconds).

    Bounded in time and in number. Forgetting a figure early is safe: a late answer is then taken for a different one.

    Attributes:
        entries: Time and figure. May be appended to as it is: the bound on their number holds, and what has become
            too old is not looked at.
    """

    __slots__ = ("_keep_s", "entries")

    def __init__(self, *, keep_s: float, length: int) -> None:
        self._keep_s = keep_s
        self.entries: deque[tuple[float, Decimal]] = deque(maxlen=length)

    def supersede(self, figure: Decimal, at_s: float) -> None:
        """Note that *figure* was true until *at_s*."""
        entries = self.entries
        entries.append((at_s, figure))
        # An answer asked for just before a figure was superseded may lag by all of the bound: hence twice.
        oldest_s = at_s - 2.0 * self._keep_s
        while entries[0][0] < oldest_s:
            entries.popleft()

    def since(self, at_s: float) -> Iterator[tuple[float, Decimal]]:
        """What was still true at *at_s* or later, newest first, each with the time it was superseded."""
        for entry in reversed(self.entries):
            if entry[0] < at_s:
                return
            yield entry

    def had(self, figure: Decimal, *, since_s: float) -> bool:
        """Whether *figure* was true at any time from *since_s* on."""
        return self.last_had(figure, since_s=since_s) is not None

    def last_had(self, figure: Decimal, *, since_s: float) -> float | None:
        """When *figure* was last superseded, at *since_s* or later; None where it was not."""
        return next((at_s for at_s, earlier in self.since(since_s) if earlier == figure), None)

    def clear(self) -> None:
        """Forget everything."""
        self.entries.clear()

    def copy(self) -> Trail:
        """An independent trail with the same entries."""
        twin = Trail(keep_s=self._keep_s, length=self.entries.maxlen or 0)
        twin.entries.extend(self.entries)
        return twin

    def __len__(self) -> int:
        return len(self.entries)


def compare(stated: Decimal, *, current: Decimal, trail: Trail, since_s: float) -> Likeness:
    """
    How a REST figure relates to the stream's.

    Args:
        stated: What REST said.
        current: The stream's figure now.
        trail: The stream's earlier figures.
        since_s: The oldest moment REST may speak of: its request's start less the lag.
    """
    if stated == current:
        return Likeness.AGREES
    return Likeness.LAGS if trail.had(stated, since_s=since_s) else Likeness.DIFFERS
