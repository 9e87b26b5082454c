"""
When to read the account again, and which way.

Pure: facts and ``now_s`` in, the next planned read out. Never slower than the quiet interval, sooner after an event or
a fault, often enough without a live stream to stay fresh, and never faster than the budget of calls allows. Jitter
only ever shortens an interval: the longest one is a promise (a frozen channel is contradicted within it).
"""

from __future__ import annotations

from typing import Final

import msgspec

from holdfast.core.changes import Want, WantKind
from holdfast.core.limits import DecayingCounter
from holdfast.core.seams import Randomness

__all__ = ["ORDERS", "PlannedRead", "ReconcileSettings", "Reconciler"]

ORDERS: Final = "orders"
"""What a planned read of the open orders is called."""


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

    gap_s: float = 1.0
    """The same read does not leave twice within this time, whatever is wanted."""

    cost: float = 1.0
    """Points one read takes of the budget."""

    headroom: float = 4.0
    """Points of the budget that reads leave to tokens, orders and cancels."""


class PlannedRead(msgspec.Struct, frozen=True, kw_only=True):
    """One read to make: at ``at_s`` (our clock) or, where that has passed, now."""

    at_s: float
    read: str  # One of the complete balance reads, or ``ORDERS``.
    reason: str


class Reconciler:
    """
    The reading schedule of one account. Never suspends.

    Args:
        settings: Intervals.
        reads: Names of the complete balance reads, the one that states holds first.
        budget: The venue's call counter, spent by whoever sends; None where there is none.
        randomness: For jitter.
    """

    def __init__(
        self,
        *,
        settings: ReconcileSettings,
        reads: tuple[str, ...],
        budget: DecayingCounter | None,
        randomness: Randomness,
    ) -> None:
        self._settings = settings
        self._reads = reads
        self._budget = budget
        self._randomness = randomness
        self._wants: tuple[Want, ...] = ()
        self._is_live = False
        self._started_s: dict[str, float] = {}
        self._balances_started_s: float | None = None
        self._shortening = self._draw()
        self._noted: tuple[float, str] | None = None
        self._hurried: tuple[float, str] | None = None
        self._failures: dict[str, int] = {}
        self._retry_s: dict[str, float] = {}
        self._paused_until_s = float("-inf")
        self._parked_until_s = float("-inf")

    def plan(self, *, now_s: float) -> PlannedRead:
        """
        The next read; ask again after anything below was called.

        A read that some want excludes (``other_than``) is not chosen once that want is due.
        """
        at_s, read, reason = min(self._candidates(now_s), key=lambda candidate: candidate[0])
        if read != ORDERS:
            read = self._choose(max(at_s, now_s))
        at_s = max(at_s, self._retry_s.get(read, at_s), self._paused_until_s, self._parked_until_s)
        started_s = self._started_s.get(read)
        if started_s is not None:
            at_s = max(at_s, started_s + self._settings.gap_s)
        if self._budget is not None:
            at_s = max(at_s, now_s + self._budget.wait_s(self._settings.cost, now_s=now_s, headroom=self._headroom()))
        return PlannedRead(at_s=at_s, read=read, reason=reason)

    def _candidates(self, now_s: float) -> list[tuple[float, str, str]]:
        settings, main = self._settings, self._reads[0]
        if self._balances_started_s is None:
            candidates = [(now_s, main, "first")]
        elif self._is_live:
            interval_s = (settings.quiet_s - settings.answer_within_s) * self._shortening
            candidates = [(self._balances_started_s + interval_s, main, "quiet")]
        else:
            interval_s = settings.max_age_s / 2.0 * self._shortening
            candidates = [(self._balances_started_s + interval_s, main, "not_live")]
        for noted in (self._noted, self._hurried):
            if noted is not None:
                candidates.append((noted[0], main, noted[1]))
        for read, retry_s in self._retry_s.items():
            candidates.append((retry_s, read, "retry"))
        for want in self._wants:
            if want.kind is WantKind.READ_BALANCES:
                candidates.append((want.not_before_s, main, want.reason))
            elif want.kind is WantKind.READ_ORDERS:
                candidates.append((want.not_before_s, ORDERS, want.reason))
        return candidates

    def _choose(self, at_s: float) -> str:
        """The balance read to make: the main one, unless what is due by then excludes it and there is another."""
        excluded = {
            want.other_than
            for want in self._wants
            if want.kind is WantKind.READ_BALANCES and want.other_than is not None and want.not_before_s <= at_s
        }
        return next((read for read in self._reads if read not in excluded), self._reads[0])

    def _headroom(self) -> float:
        # A small budget cannot spare what a large one can.
        budget = self._budget
        return 0.0 if budget is None else min(self._settings.headroom, budget.maximum / 2.0)

    def want(self, wants: tuple[Want, ...]) -> None:
        """Replace what the ledger wants with all that is outstanding now; reads leave not before their time."""
        self._wants = wants

    def note(self, reason: str, *, now_s: float) -> None:
        """A fill or a fault happened: read again within ``after_event_s``."""
        if self._noted is None:
            self._noted = (now_s + self._settings.after_event_s, reason)

    def hurry(self, reason: str, *, now_s: float) -> None:
        """Read as soon as the budget allows: a stream was lost, a person asked."""
        if self._hurried is None:
            self._hurried = (now_s, reason)

    def set_live(self, is_live: bool, *, now_s: float) -> None:
        """Whether a stream keeps the figures live now."""
        self._is_live = is_live

    def pause(self, until_s: float) -> None:
        """No read leaves before this time: a rate limit's cool-down. Never shortens an earlier pause."""
        self._paused_until_s = max(self._paused_until_s, until_s)

    def park(self, until_s: float) -> None:
        """No read leaves before this time, unless the credential is opened earlier. Never shortens an earlier one."""
        self._parked_until_s = max(self._parked_until_s, until_s)

    def unpark(self) -> None:
        """The credential is open: nothing waits for it any more."""
        self._parked_until_s = float("-inf")

    def started(self, read: str, *, now_s: float) -> None:
        """A read leaves now."""
        self._started_s[read] = now_s
        self._retry_s.pop(read, None)
        if read == ORDERS:
            return
        self._balances_started_s = now_s
        self._shortening = self._draw()
        self._hurried = None
        if self._noted is not None and self._noted[0] <= now_s:
            self._noted = None

    def ended(self, read: str, *, ok: bool, now_s: float) -> None:
        """A read was answered and believed to be an answer, or it failed."""
        if ok:
            self._failures.pop(read, None)
            self._retry_s.pop(read, None)
            return
        settings = self._settings
        failures = self._failures[read] = self._failures.get(read, 0) + 1
        # The exponent is bounded, so that a long outage cannot make a number too large.
        wait_s = min(settings.after_event_s, settings.retry_initial_s * 2.0 ** min(failures - 1, 16))
        self._retry_s[read] = now_s + wait_s * self._shortening

    def _draw(self) -> float:
        return 1.0 - self._settings.jitter * self._randomness.random()
