"""
A breaker: it stops calls to something that fails, tries again by itself, and closes at the first sign of health.

Pure: facts and ``now_s`` in, decisions out. Closed lets calls through; so many counted faults in a row open it; once
the break is over it is half-open, and a bounded number of *trials* decides. A break grows with each failed trial and
shrinks back once the breaker has stayed closed. A trial has a deadline: one that never reports has failed, so that
nothing waits for it for ever. Held open by a person it is *isolated*, until that person resets it.

What it is not: a rate limit (those have a cool-down of their own), a judge of our own mistakes (they never count), or
a gate for cancels and exits, which pass it as they please.
"""

from __future__ import annotations

import enum
from typing import Final

import msgspec

from holdfast.core.seams import Randomness
from holdfast.errors import FaultClass

__all__ = ["COUNTED", "SLOW", "Breaker", "BreakerRecord", "BreakerSettings", "BreakerState"]

COUNTED: Final = frozenset({FaultClass.NETWORK, FaultClass.VENUE, FaultClass.PAYLOAD})
"""The fault classes that count; the others are ours, or have a cool-down of their own."""

SLOW: Final = "slow"
"""The word for a call that succeeded and took too long, which counts like a fault."""

_DOUBLINGS_MAX: Final = 32
_ROUNDING_S: Final = 0.001


class BreakerState(enum.StrEnum):
    """What a breaker does with a call."""

    CLOSED = "closed"  # It goes.
    OPEN = "open"  # It is refused until the break is over.
    HALF_OPEN = "half_open"  # The break is over: it goes as a trial, where no other trial is under way.
    ISOLATED = "isolated"  # A person holds it open until resetting it.


class BreakerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one breaker; seconds."""

    failure_threshold: int = 3
    """So many counted faults in a row open it."""

    break_initial_s: float = 5.0
    """The first break; each later one is twice as long, while trials fail."""

    break_max_s: float = 300.0
    """No break is longer."""

    jitter: float = 0.2
    """A break is shortened by a random part of at most this fraction, so that many clients do not return at once."""

    slow_call_s: float = 4.0
    """A call that succeeds and takes this long counts like a fault."""

    trials: int = 1
    """Trials under way at once while half-open."""

    trial_within_s: float = 20.0
    """A trial that has not reported within this time has failed."""

    forget_after_s: float = 60.0
    """Each such time that it stays closed halves the next break again."""

    stuck_after_s: float = 900.0
    """Not closed for this long although trials were made: a person should look."""


class BreakerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """
    What of a breaker survives a restart. ``until_us`` and ``wall_us`` are UTC microseconds on our wall clock.

    ``doublings`` is how often the next break has been doubled, ``break_s`` the whole of the present one, and
    ``failing_for_s`` how long trials had failed when it was written.
    """

    state: BreakerState
    wall_us: int
    error_count: int = 0
    doublings: int = 0
    break_s: float = 0.0
    until_us: int = 0
    failing_for_s: float = 0.0
    why: str | None = None


class Breaker:
    """
    One breaker. Never suspends.

    Attributes:
        error_count: Counted faults in a row; 0 after one success.
        why: The latest fault's word while it is not closed, a person's reason while it is isolated; else None.
        openings: How often it opened since it was made.
        was_open_for_s: How long it was not closed, the last time it closed.
        is_quiet: True while it is closed and counts nothing: a success then needs no report.

    Args:
        settings: Its bounds.
        now_s: Our clock.
        randomness: For jitter.
    """

    __slots__ = (
        "_break_s",
        "_closed_s",
        "_doublings",
        "_fault_s",
        "_opened_s",
        "_randomness",
        "_settings",
        "_state",
        "_trials",
        "_until_s",
        "error_count",
        "is_quiet",
        "openings",
        "was_open_for_s",
        "why",
    )

    def __init__(self, settings: BreakerSettings, now_s: float, *, randomness: Randomness) -> None:
        self._settings = settings
        self._randomness = randomness
        self._state = BreakerState.CLOSED
        self._closed_s = now_s
        self._opened_s = self._fault_s = self._until_s = now_s
        self._break_s = 0.0
        self._doublings = 0
        self._trials: list[float] = []  # The deadlines of those under way, in order.
        self.error_count = 0
        self.why: str | None = None
        self.openings = 0
        self.was_open_for_s = 0.0
        self.is_quiet = True

    # Decisions

    def state(self, now_s: float) -> BreakerState:
        """What it does with a call now; an elapsed break, or a trial's passed deadline, is seen to first."""
        if self._state is BreakerState.OPEN:
            self._end_break(now_s)
        if self._state is BreakerState.HALF_OPEN and self._trials and self._trials[0] <= now_s:
            self.error_count += 1
            self._open(self._trials[0], "trial_lost")
            self._end_break(now_s)
        return self._state

    def allow(self, now_s: float) -> bool:
        """Whether a call may go now; half-open it goes as a trial, which has to be reported within its deadline."""
        if self.is_quiet:
            return True
        if not self.would_allow(now_s):
            return False
        if self._state is BreakerState.HALF_OPEN:
            self._trials.append(now_s + self._settings.trial_within_s)
        return True

    def would_allow(self, now_s: float) -> bool:
        """What ``allow`` would answer, without taking a trial."""
        match self.state(now_s):
            case BreakerState.CLOSED:
                return True
            case BreakerState.HALF_OPEN:
                return len(self._trials) < self._settings.trials
        return False

    def retry_after_s(self, now_s: float) -> float | None:
        """Seconds until a call may go again, 0 where one may go now; None while isolated."""
        match self.state(now_s):
            case BreakerState.ISOLATED:
                return None
            case BreakerState.OPEN:
                return self._until_s - now_s
            case BreakerState.HALF_OPEN if len(self._trials) >= self._settings.trials:
                return self._trials[0] - now_s
        return 0.0

    @property
    def opened_s(self) -> float:
        """When it was last closed, our clock; of use only while it is not."""
        return self._opened_s

    def open_for_s(self, now_s: float) -> float | None:
        """How long it has not been closed; None while it is."""
        return None if self.state(now_s) is BreakerState.CLOSED else max(0.0, now_s - self._opened_s)

    def is_stuck(self, now_s: float) -> bool:
        """
        Whether it has failed to close for too long.

        Half-open and never tried is not stuck: nobody asked. Isolated is a person's wish.
        """
        state = self.state(now_s)
        if state in (BreakerState.CLOSED, BreakerState.ISOLATED):
            return False
        seen_s = now_s if state is BreakerState.OPEN or self._trials else self._fault_s
        return seen_s - self._opened_s >= self._settings.stuck_after_s

    # Facts

    def succeeded(self, now_s: float, took_s: float = 0.0) -> None:
        """A call was answered as asked. One such heals; one that took too long counts like a fault."""
        if took_s >= self._settings.slow_call_s:
            self._count(SLOW, now_s, took_s)
        elif not self.is_quiet:
            self.close(now_s)

    def failed(self, fault: FaultClass, now_s: float, took_s: float = 0.0) -> None:
        """
        A call failed. Only network, venue and payload faults count; any other gives a trial back undecided.

        *took_s* tells how long ago the call left: what left before the break was over is no trial's answer.
        """
        if fault in COUNTED:
            self._count(fault.value, now_s, took_s)
        else:
            self.abandoned(now_s)

    def answered(self, now_s: float) -> None:
        """
        The venue handled a call and refused what was asked, for want of funds or by a rule.

        Neither a success nor a fault; but what was broken answers again.
        """
        if self.state(now_s) in (BreakerState.OPEN, BreakerState.HALF_OPEN):
            self.close(now_s)

    def abandoned(self, now_s: float) -> None:
        """A trial ended without a word about the venue: it was never sent, or refused for another reason."""
        if self.state(now_s) is BreakerState.HALF_OPEN and self._trials:
            del self._trials[0]

    def close(self, now_s: float) -> None:
        """Close it: there is proof of health. Not while a person isolates it."""
        self.error_count = 0
        if self._state is BreakerState.ISOLATED:
            return
        if self._state is not BreakerState.CLOSED:
            self._state = BreakerState.CLOSED
            self._closed_s = now_s
            self.was_open_for_s = max(0.0, now_s - self._opened_s)
        self._trials.clear()
        self.why = None
        self.is_quiet = True

    def bring_forward(self, now_s: float) -> None:
        """End the break now: the next call is a trial."""
        if self.state(now_s) is BreakerState.OPEN:
            self._until_s = now_s
            self._end_break(now_s)

    def isolate(self, now_s: float, why: str) -> None:
        """Hold it open until ``reset``: a person's word."""
        if self.state(now_s) is BreakerState.CLOSED:
            self._opened_s = now_s
        self._state = BreakerState.ISOLATED
        self._trials.clear()
        self.why = why
        self.is_quiet = False

    def reset(self, now_s: float) -> None:
        """Close it and forget every fault: a person's word."""
        if self._state is BreakerState.ISOLATED:
            self._state = BreakerState.OPEN  # From which it closes like any other.
        self._doublings = 0
        self.close(now_s)
        self._closed_s = now_s

    # Restarts

    def snapshot(self, *, now_s: float, wall_us: int) -> BreakerRecord:
        """What a later process has to know."""
        state = self.state(now_s)
        is_open = state in (BreakerState.OPEN, BreakerState.HALF_OPEN)
        return BreakerRecord(
            state=state,
            wall_us=wall_us,
            error_count=self.error_count,
            doublings=self._doublings,
            break_s=self._break_s if is_open else 0.0,
            until_us=wall_us + int((self._until_s - now_s) * 1_000_000) if is_open else 0,
            failing_for_s=max(0.0, self._fault_s - self._opened_s) if is_open else 0.0,
            why=self.why,
        )

    def restore(self, record: BreakerRecord, *, now_s: float, wall_us: int) -> None:
        """
        Go on where an earlier process was; time between the two counts, as far as the wall clock can be believed.

        Whatever that says, the rest of a break is never longer than the break was, nor than one may be.
        """
        settings = self._settings
        self._doublings = min(max(record.doublings, 0), _DOUBLINGS_MAX)
        self.error_count = min(max(record.error_count, 0), 1_000_000)
        self.why = record.why
        self._trials.clear()
        if record.state is BreakerState.ISOLATED:
            self._state = BreakerState.ISOLATED
            self._opened_s = now_s
        elif record.state is BreakerState.CLOSED:
            self._state = BreakerState.CLOSED
            self._closed_s = now_s
        else:
            longest_s = min(max(record.break_s, 0.0), settings.break_max_s)
            left_s = (record.until_us - wall_us) / 1_000_000
            self._break_s = longest_s
            self._until_s = now_s + min(max(left_s, 0.0), longest_s)
            self._fault_s = now_s
            # The time in which nobody tried does not make it stuck.
            self._opened_s = now_s - min(max(record.failing_for_s, 0.0), settings.stuck_after_s)
            self._state = BreakerState.OPEN
            self._end_break(now_s)
        self.is_quiet = self._state is BreakerState.CLOSED and not self.error_count

    # The machine

    def _count(self, word: str, now_s: float, took_s: float) -> None:
        state = self.state(now_s)
        self.error_count += 1
        self.is_quiet = False
        if state is BreakerState.CLOSED:
            if self.error_count >= self._settings.failure_threshold:
                self._opened_s = now_s
                quiet = int((now_s - self._closed_s) / self._settings.forget_after_s)
                self._doublings = max(0, self._doublings - quiet)
                self._open(now_s, word)
        elif state is BreakerState.HALF_OPEN and now_s - took_s >= self._until_s - _ROUNDING_S:
            self._open(now_s, word)

    def _open(self, now_s: float, word: str) -> None:
        settings = self._settings
        longest_s = min(settings.break_max_s, settings.break_initial_s * 2.0**self._doublings)
        self._break_s = longest_s * (1.0 - settings.jitter * self._randomness.random())
        self._until_s = now_s + self._break_s
        self._fault_s = now_s
        self._doublings = min(self._doublings + 1, _DOUBLINGS_MAX)
        self._trials.clear()
        self._state = BreakerState.OPEN
        self.why = word
        self.openings += 1
        self.is_quiet = False

    def _end_break(self, now_s: float) -> None:
        if now_s >= self._until_s:
            self._state = BreakerState.HALF_OPEN
