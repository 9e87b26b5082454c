"""A closed breaker lets every call through, and counts what is the venue's fault and nothing else."""

from __future__ import annotations

import pytest

from holdfast.core.breakers import COUNTED, BreakerState
from holdfast.errors import FaultClass
from tests.core.breaker_rig import Rig

OURS = sorted(set(FaultClass) - COUNTED)


def test_new_breaker_lets_calls_through_and_counts_nothing() -> None:
    new = Rig()
    assert (new.state, new.allow(), new.retry_after_s(), new.breaker.error_count) == (BreakerState.CLOSED, True, 0.0, 0)
    assert new.breaker.open_for_s(new.now_s) is None


@pytest.mark.parametrize("fault", sorted(COUNTED))
def test_so_many_counted_faults_in_a_row_open_it_and_not_one_fewer(fault: FaultClass) -> None:
    rig = Rig(failure_threshold=3).fail(2, fault=fault)
    assert (rig.state, rig.breaker.error_count) == (BreakerState.CLOSED, 2)
    rig.fail(fault=fault)
    assert (rig.state, rig.breaker.error_count, rig.breaker.why) == (BreakerState.OPEN, 3, fault.value)
    assert rig.breaker.openings == 1


@pytest.mark.parametrize("fault", OURS)
def test_a_thousand_faults_that_are_not_the_venues_open_nothing_and_count_nothing(fault: FaultClass) -> None:
    rig = Rig().fail(1000, fault=fault)
    assert (rig.state, rig.breaker.error_count, rig.allow()) == (BreakerState.CLOSED, 0, True)


def test_faults_of_ours_in_between_do_not_begin_the_count_anew() -> None:
    rig = Rig().fail(2).fail(fault=FaultClass.FUNDS)
    rig.breaker.answered(rig.now_s)
    assert rig.fail().state is BreakerState.OPEN


def test_one_success_takes_the_count_to_zero() -> None:
    rig = Rig().fail(2).succeed()
    assert rig.breaker.error_count == 0
    assert rig.fail(2).state is BreakerState.CLOSED


def test_slow_calls_count_like_faults_from_the_bound_on() -> None:
    rig = Rig(slow_call_s=4.0)
    rig.succeed(took_s=3.999).succeed(took_s=4.0)
    assert rig.breaker.error_count == 1
    rig.succeed(took_s=9.0).succeed(took_s=4.0)
    assert (rig.state, rig.breaker.why) == (BreakerState.OPEN, "slow")


def test_quiet_is_closed_with_nothing_counted() -> None:
    rig = Rig()
    assert rig.breaker.is_quiet
    assert not rig.fail().breaker.is_quiet
    assert rig.succeed().breaker.is_quiet
    assert not rig.open().breaker.is_quiet


def test_closing_what_is_closed_forgets_the_count_and_nothing_more() -> None:
    rig = Rig().fail(2)
    rig.breaker.close(rig.now_s)
    assert (rig.state, rig.breaker.error_count, rig.breaker.openings) == (BreakerState.CLOSED, 0, 0)


def test_closed_breaker_is_never_stuck_and_has_no_break_to_end() -> None:
    rig = Rig(stuck_after_s=10.0).fail(2).tick(1e6)
    assert not rig.breaker.is_stuck(rig.now_s)
    rig.breaker.bring_forward(rig.now_s)
    assert rig.state is BreakerState.CLOSED


def test_flapping_makes_breaks_longer_and_staying_closed_makes_them_short_again() -> None:
    rig = Rig(break_initial_s=5.0, forget_after_s=60.0).open()
    assert rig.retry_after_s() == 5.0
    assert rig.succeed().open().retry_after_s() == 10.0  # Open again at once.
    assert rig.succeed().tick(59).open().retry_after_s() == 20.0
    assert rig.succeed().tick(60).open().retry_after_s() == 20.0  # One step forgotten, one gained.
    assert rig.succeed().tick(120).open().retry_after_s() == 10.0
    assert rig.succeed().tick(3600).open().retry_after_s() == 5.0
