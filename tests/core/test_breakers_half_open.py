"""A half-open breaker hands out few trials, each with a deadline, and lets them decide."""

from __future__ import annotations

import pytest

from holdfast.core.breakers import COUNTED, BreakerState
from holdfast.errors import FaultClass
from tests.core.breaker_rig import Rig


def test_asking_whether_a_call_may_go_takes_no_trial() -> None:
    rig = Rig(trials=1).half_open()
    for _ in range(5):
        assert rig.breaker.would_allow(rig.now_s)
    assert rig.allow()
    assert not rig.breaker.would_allow(rig.now_s)


@pytest.mark.parametrize("trials", [1, 2, 5])
def test_as_many_trials_as_set_go_at_once_and_not_one_more(trials: int) -> None:
    rig = Rig(trials=trials).half_open()
    assert [rig.allow() for _ in range(trials + 2)] == [True] * trials + [False] * 2


def test_one_success_closes_it() -> None:
    rig = Rig().half_open()
    assert rig.allow()
    rig.tick(1).succeed(took_s=1.0)
    assert (rig.state, rig.breaker.error_count, rig.allow()) == (BreakerState.CLOSED, 0, True)


@pytest.mark.parametrize("fault", sorted(COUNTED))
def test_a_failed_trial_opens_it_for_twice_as_long_up_to_the_cap(fault: FaultClass) -> None:
    rig = Rig(break_initial_s=5.0, break_max_s=30.0).open()
    for break_s in (5.0, 10.0, 20.0, 30.0, 30.0):
        assert rig.retry_after_s() == pytest.approx(break_s)
        assert rig.tick(break_s).allow()
        rig.tick(0.25).fail(fault=fault, took_s=0.25)
    assert rig.breaker.openings == 6


def test_a_slow_trial_has_failed() -> None:
    rig = Rig(break_initial_s=5.0, slow_call_s=4.0).half_open()
    assert rig.allow()
    rig.tick(4).succeed(took_s=4.0)
    assert (rig.state, rig.retry_after_s(), rig.breaker.why) == (BreakerState.OPEN, 10.0, "slow")


def test_a_trial_that_never_reports_is_over_at_its_deadline_and_has_failed() -> None:
    rig = Rig(break_initial_s=5.0, trial_within_s=20.0).half_open()
    assert rig.allow()
    assert (rig.tick(19).state, rig.retry_after_s()) == (BreakerState.HALF_OPEN, 1.0)
    rig.tick(1)
    assert (rig.state, rig.breaker.why, rig.retry_after_s()) == (BreakerState.OPEN, "trial_lost", 10.0)


def test_a_lost_trials_break_counts_from_its_deadline_whoever_looks_and_when() -> None:
    rig = Rig(break_initial_s=5.0, trial_within_s=20.0).half_open()
    assert rig.allow()
    assert rig.tick(30).state is BreakerState.HALF_OPEN  # 20 s of waiting and the break of 10 s are both over.
    assert rig.allow()


def test_a_trial_that_ends_without_a_word_of_the_venue_is_given_back() -> None:
    rig = Rig(trials=1).half_open()
    for fault in (FaultClass.RATE_LIMIT, FaultClass.CREDENTIAL, FaultClass.CLOCK, FaultClass.REQUEST):
        assert rig.allow()
        rig.fail(fault=fault)
        assert rig.state is BreakerState.HALF_OPEN
    assert rig.allow()
    rig.breaker.abandoned(rig.now_s)
    assert rig.allow()


def test_a_venue_that_refuses_what_is_asked_answers_again() -> None:
    rig = Rig().half_open()
    assert rig.allow()
    rig.breaker.answered(rig.now_s)
    assert (rig.state, rig.breaker.error_count) == (BreakerState.CLOSED, 0)


def test_a_failure_of_a_call_that_left_before_the_trial_decides_nothing() -> None:
    rig = Rig(break_initial_s=5.0).half_open().tick(1)
    assert rig.fail(took_s=3.0).state is BreakerState.HALF_OPEN  # It left while the breaker was open.
    assert rig.allow()
    assert rig.tick(0.1).fail(took_s=0.1).state is BreakerState.OPEN


def test_the_first_of_several_trials_that_fails_decides_and_a_later_success_still_heals() -> None:
    rig = Rig(trials=3).half_open()
    assert [rig.allow() for _ in range(3)] == [True] * 3
    rig.tick(1).fail(took_s=1.0)
    assert rig.state is BreakerState.OPEN
    assert rig.fail(took_s=1.0).breaker.openings == 2  # The second adds nothing.
    assert rig.succeed(took_s=1.0).state is BreakerState.CLOSED


def test_nobody_asking_is_not_stuck_and_a_trial_that_hangs_for_ever_is() -> None:
    rig = Rig(stuck_after_s=900.0).half_open().tick(1e6)
    assert rig.state is BreakerState.HALF_OPEN
    assert not rig.breaker.is_stuck(rig.now_s)
    assert rig.allow()
    assert rig.breaker.is_stuck(rig.now_s)
