"""
When to read the account again, and which way.

Pure: facts and ``now_s`` in, the next planned read out. Never slower than the quiet interval, sooner after an event or
a fault, often enough without a live stream to stay fresh, and never faster than the budget of calls allows.
"""

from __future__ import annotations

import msgspec

from holdfast.core.changes import Want
from holdfast.core.limits import DecayingCounter
from holdfast.core.seams import Randomness

__all__ = ["PlannedRead", "ReconcileSettings", "Reconciler"]


class ReconcileSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Intervals in seconds."""

    quiet_s: float = 60.0
    """A frozen channel is contradicted at most this long after it froze: reads leave a little sooner."""

    answer_within_s: float = 3.0
    """What a read may take; kept free before the end of the quiet interval."""

    jitter: float = 0.05
    """Intervals are shortened by a random part of at most this fraction, never prolonged."""

    after_event_s: float = 10.0
    """After a fill, a fault, or anything else noted."""

    max_age_s: float = 30.0
    """Without a live stream a read leaves every half of this."""

    retry_initial_s: float = 1.0
    """After a first failed read; doubles up to ``after_event_s``."""


class PlannedRead(msgspec.Struct, frozen=True, kw_only=True):
    """One read to make: at ``at_s`` (our clock) or, where that has passed, now."""

    at_s: float
    read: str  # One of the complete balance reads, or ``orders``.
    reason: str


class Reconciler:
    """
    The reading schedule of one account. Never suspends.

    Args:
        reads: Names of the complete balance reads, the one that states holds first.
    """

    def __init__(
        self,
        *,
        settings: ReconcileSettings,
        reads: tuple[str, ...],
        budget: DecayingCounter | None,
        randomness: Randomness,
    ) -> None: ...

    def plan(self, *, now_s: float) -> PlannedRead:
        """The next read; ask again after anything below was called."""
        raise NotImplementedError

    def want(self, wants: tuple[Want, ...]) -> None:
        """Replace what the ledger wants with all that is outstanding now; reads leave not before their time."""
        raise NotImplementedError

    def note(self, reason: str, *, now_s: float) -> None:
        """A fill or a fault happened: read again within ``after_event_s``."""
        raise NotImplementedError

    def hurry(self, reason: str, *, now_s: float) -> None:
        """Read as soon as the budget allows: a stream was lost, a person asked."""
        raise NotImplementedError

    def set_live(self, is_live: bool, *, now_s: float) -> None:
        """Whether a stream keeps the figures live now."""
        raise NotImplementedError

    def pause(self, until_s: float) -> None:
        """No read leaves before this time: a rate limit's cool-down or a lockout."""
        raise NotImplementedError

    def started(self, read: str, *, now_s: float) -> None:
        """A read leaves now."""
        raise NotImplementedError

    def ended(self, read: str, *, ok: bool, now_s: float) -> None:
        """A read was answered and believed to be an answer, or it failed."""
        raise NotImplementedError
