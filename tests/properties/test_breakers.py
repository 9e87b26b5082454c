"""
Whatever happens to a breaker, in whatever order: it heals by itself, it never lets a flood through, it never sticks.

The reference is told the same facts and keeps only what the promises are about.
"""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from holdfast.core.breakers import COUNTED, Breaker, BreakerSettings, BreakerState
from holdfast.errors import FaultClass

SETTINGS = st.builds(
    BreakerSettings,
    failure_threshold=st.integers(1, 5),
    break_initial_s=st.floats(0.1, 30),
    break_max_s=st.floats(30, 600),
    jitter=st.floats(0, 0.9),
    trials=st.integers(1, 3),
    trial_within_s=st.floats(1, 60),
    forget_after_s=st.floats(1, 120),
    stuck_after_s=st.floats(600, 2000),
)
WAITS = st.one_of(st.just(0.0), st.floats(0, 40), st.floats(0, 5000))


class Machine(RuleBasedStateMachine):
    """A breaker among calls, clocks and people."""

    @initialize(settings=SETTINGS, seed=st.integers(0, 2**32))
    def begin(self, settings: BreakerSettings, seed: int) -> None:
        self.settings = settings
        self.dice = random.Random(seed)
        self.now_s = 1000.0
        self.wall_us = 1_800_000_000_000_000
        self.breaker = Breaker(settings, self.now_s, randomness=self.dice)
        self.is_isolated = False

    @property
    def state(self) -> BreakerState:
        return self.breaker.state(self.now_s)

    @rule(seconds=WAITS)
    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.wall_us += int(seconds * 1_000_000)

    @rule()
    def call(self) -> None:
        would, state = self.breaker.would_allow(self.now_s), self.state
        retry_after_s = self.breaker.retry_after_s(self.now_s)
        assert self.breaker.allow(self.now_s) is would
        assert would is (retry_after_s == 0.0 or state is BreakerState.CLOSED)

    @rule(fault=st.sampled_from(FaultClass), took_s=st.floats(0, 30))
    def fail(self, fault: FaultClass, took_s: float) -> None:
        state = self.state  # Sees to a trial whose deadline has passed, which counts by itself.
        count, openings = self.breaker.error_count, self.breaker.openings
        self.breaker.failed(fault, self.now_s, took_s)
        if fault in COUNTED:
            assert self.breaker.error_count == count + 1
            assert self.breaker.openings - openings <= int(state in (BreakerState.CLOSED, BreakerState.HALF_OPEN))
        else:
            assert (self.breaker.error_count, self.breaker.openings) == (count, openings)

    @rule(took_s=st.floats(0, 10))
    def succeed(self, took_s: float) -> None:
        self.breaker.succeeded(self.now_s, took_s)
        if took_s < self.settings.slow_call_s:
            assert self.breaker.error_count == 0
            assert self.is_isolated or self.state is BreakerState.CLOSED

    @rule()
    def abandon(self) -> None:
        self.breaker.abandoned(self.now_s)

    @rule()
    def prove(self) -> None:
        self.breaker.close(self.now_s)
        assert self.is_isolated or self.state is BreakerState.CLOSED

    @rule()
    def bring_forward(self) -> None:
        self.breaker.bring_forward(self.now_s)
        assert self.state is not BreakerState.OPEN

    @rule()
    def isolate(self) -> None:
        self.breaker.isolate(self.now_s, "a person")
        self.is_isolated = True

    @rule()
    def reset(self) -> None:
        self.breaker.reset(self.now_s)
        self.is_isolated = False
        assert self.breaker.is_quiet

    @rule(away_s=st.floats(-1e7, 1e7), boot_s=st.floats(0, 1e6))
    def restart(self, away_s: float, boot_s: float) -> None:
        record = self.breaker.snapshot(now_s=self.now_s, wall_us=self.wall_us)
        self.wall_us = max(0, self.wall_us + int(away_s * 1_000_000))
        self.now_s = boot_s
        self.breaker = Breaker(self.settings, self.now_s, randomness=self.dice)
        self.breaker.restore(record, now_s=self.now_s, wall_us=self.wall_us)

    @invariant()
    def quiet_is_closed_and_uncounted(self) -> None:
        if hasattr(self, "breaker"):
            is_closed = self.state is BreakerState.CLOSED
            assert self.breaker.is_quiet is (is_closed and self.breaker.error_count == 0)

    @invariant()
    def isolated_until_reset(self) -> None:
        if hasattr(self, "breaker"):
            assert (self.state is BreakerState.ISOLATED) is self.is_isolated

    @invariant()
    def no_wait_is_longer_than_a_break_or_a_trial(self) -> None:
        if hasattr(self, "breaker"):
            retry_after_s = self.breaker.retry_after_s(self.now_s)
            longest_s = max(self.settings.break_max_s, self.settings.trial_within_s)
            assert retry_after_s is None or 0.0 <= retry_after_s <= longest_s + 1e-6

    def teardown(self) -> None:
        if not hasattr(self, "breaker") or self.is_isolated:
            return
        # The venue is healthy from now on: closed within a break and two trials, whatever was before.
        healed_s = self.now_s
        for _ in range(3):
            retry_after_s = self.breaker.retry_after_s(self.now_s)
            assert retry_after_s is not None
            self.now_s += retry_after_s + 1e-3
            if self.breaker.allow(self.now_s):
                self.breaker.succeeded(self.now_s)
                break
        assert self.state is BreakerState.CLOSED
        assert self.now_s - healed_s <= self.settings.break_max_s + 2 * self.settings.trial_within_s + 0.01


TestBreaker = Machine.TestCase


@given(
    settings=SETTINGS,
    seed=st.integers(0, 2**32),
    gaps=st.lists(st.floats(0.01, 30), min_size=20, max_size=300),
    hangs=st.floats(0, 1),
)
def test_a_venue_that_never_heals_gets_few_trials(
    settings: BreakerSettings, seed: int, gaps: list[float], hangs: float
) -> None:
    dice = random.Random(seed)
    now_s = 0.0
    breaker = Breaker(settings, now_s, randomness=dice)
    trials_s: list[float] = []
    for gap_s in gaps:
        now_s += gap_s
        is_half_open = breaker.state(now_s) is BreakerState.HALF_OPEN
        if breaker.allow(now_s):
            if is_half_open:
                trials_s.append(now_s)
            if dice.random() >= hangs:  # The others never report.
                breaker.failed(FaultClass.NETWORK, now_s)
    shortest_s = settings.break_initial_s * (1 - settings.jitter)
    for first_s, last_s in zip(trials_s, trials_s[settings.trials :], strict=False):
        assert last_s - first_s >= min(shortest_s, settings.trial_within_s) - 1e-6


@given(seed=st.integers(0, 2**32), settings=SETTINGS, failures=st.integers(1, 40))
def test_breaks_only_grow_while_trials_fail_and_stay_within_the_cap(
    seed: int, settings: BreakerSettings, failures: int
) -> None:
    breaker = Breaker(settings, 0.0, randomness=random.Random(seed))
    now_s, longest_s = 0.0, settings.break_initial_s
    for _ in range(settings.failure_threshold):
        breaker.failed(FaultClass.VENUE, now_s)
    for _ in range(failures):
        left_s = breaker.retry_after_s(now_s)
        assert left_s is not None
        assert longest_s * (1 - settings.jitter) - 1e-9 <= left_s <= longest_s + 1e-9
        now_s += left_s
        assert breaker.allow(now_s)
        breaker.failed(FaultClass.VENUE, now_s)
        longest_s = min(2 * longest_s, settings.break_max_s)
