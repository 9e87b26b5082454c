"""A person's word holds a breaker open, and only a person's word ends that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast.core.breakers import BreakerState
from tests.core.breaker_rig import Rig


@pytest.mark.parametrize("before", [Rig, lambda: Rig().fail(2), lambda: Rig().open(), lambda: Rig().half_open()])
def test_it_can_be_isolated_from_any_state_and_says_why(before: Callable[[], Rig]) -> None:
    rig = before()
    rig.breaker.isolate(rig.now_s, "lunch")
    assert (rig.state, rig.allow(), rig.retry_after_s(), rig.breaker.why) == (
        BreakerState.ISOLATED,
        False,
        None,
        "lunch",
    )


def test_nothing_but_a_reset_ends_it() -> None:
    rig = Rig()
    rig.breaker.isolate(rig.now_s, "lunch")
    rig.tick(1e6).succeed()
    rig.breaker.close(rig.now_s)
    rig.breaker.answered(rig.now_s)
    rig.breaker.bring_forward(rig.now_s)
    rig.fail(10).breaker.abandoned(rig.now_s)
    assert (rig.state, rig.breaker.why) == (BreakerState.ISOLATED, "lunch")
    assert not rig.breaker.is_stuck(rig.now_s)
    rig.breaker.reset(rig.now_s)
    assert (rig.state, rig.allow(), rig.breaker.why, rig.breaker.error_count) == (BreakerState.CLOSED, True, None, 0)
    assert rig.breaker.is_quiet


def test_a_reset_forgets_how_long_breaks_had_become() -> None:
    rig = Rig(break_initial_s=5.0).open()
    for _ in range(4):
        left_s = rig.retry_after_s()
        assert left_s is not None
        assert rig.tick(left_s).allow()
        rig.fail()
    assert rig.retry_after_s() == 80.0
    rig.breaker.reset(rig.now_s)
    assert rig.open().retry_after_s() == 5.0
