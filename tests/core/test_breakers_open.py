"""An open breaker refuses, says for how long, and ends its break by itself."""

from __future__ import annotations

import pytest

from holdfast.core.breakers import BreakerState
from tests.core.breaker_rig import Rig


def test_open_breaker_refuses_until_its_break_is_over_to_the_moment() -> None:
    rig = Rig(break_initial_s=5.0).open()
    assert (rig.allow(), rig.retry_after_s()) == (False, 5.0)
    assert rig.tick(4.5).allow() is False
    assert rig.retry_after_s() == 0.5
    assert rig.tick(0.5).state is BreakerState.HALF_OPEN
    assert rig.allow()


def test_jitter_shortens_a_break_and_never_prolongs_it() -> None:
    assert Rig(break_initial_s=10.0, jitter=0.2, dice=0.5).open().retry_after_s() == 9.0
    assert Rig(break_initial_s=10.0, jitter=0.2, dice=0.0).open().retry_after_s() == 10.0


def test_faults_of_calls_that_were_under_way_do_not_prolong_the_break() -> None:
    rig = Rig(break_initial_s=5.0).open().tick(2).fail(10)
    assert (rig.retry_after_s(), rig.breaker.openings, rig.breaker.error_count) == (3.0, 1, 13)


@pytest.mark.parametrize("is_refusal", [False, True])
def test_an_answer_to_an_exit_or_a_forced_read_closes_it_at_once(is_refusal: bool) -> None:
    rig = Rig().open().tick(1)
    rig.breaker.answered(rig.now_s) if is_refusal else rig.succeed()
    assert (rig.state, rig.breaker.error_count, rig.breaker.why) == (BreakerState.CLOSED, 0, None)
    assert rig.breaker.was_open_for_s == 1.0


def test_a_slow_answer_is_no_proof_of_health() -> None:
    assert Rig(slow_call_s=4.0).open().tick(1).succeed(took_s=4.0).state is BreakerState.OPEN


def test_proof_of_health_from_elsewhere_closes_it() -> None:
    rig = Rig().open().tick(2)
    rig.breaker.close(rig.now_s)
    assert (rig.state, rig.allow()) == (BreakerState.CLOSED, True)


def test_a_break_that_is_brought_forward_makes_the_next_call_a_trial_and_no_more() -> None:
    rig = Rig(trials=1).open()
    rig.breaker.bring_forward(rig.now_s)
    assert (rig.state, rig.retry_after_s()) == (BreakerState.HALF_OPEN, 0.0)
    assert (rig.allow(), rig.allow()) == (True, False)


def test_it_is_stuck_once_it_was_not_closed_for_long_enough() -> None:
    rig = Rig(break_initial_s=400.0, break_max_s=400.0, stuck_after_s=900.0).open()
    for _ in range(2):
        rig.tick(400)
        assert rig.allow()
        rig.fail()
    assert not rig.breaker.is_stuck(rig.now_s + 99)
    assert rig.breaker.is_stuck(rig.now_s + 100)
    assert rig.breaker.open_for_s(rig.now_s + 100) == 900.0
    assert not rig.succeed().breaker.is_stuck(rig.now_s)


def test_failing_anew_after_closing_is_not_stuck_by_what_was_before() -> None:
    rig = Rig(stuck_after_s=30.0, break_max_s=300.0).open().tick(25).succeed().open().tick(3)
    assert not rig.breaker.is_stuck(rig.now_s)
