"""A restart keeps a breaker as it was, as far as the wall clock can be believed, and never for longer than a break."""

from __future__ import annotations

import msgspec
import pytest

from holdfast.core.breakers import BreakerRecord, BreakerState
from tests.core.breaker_rig import WALL_US, Rig

S = 1_000_000
DAY_S = 86_400


def through_json(record: BreakerRecord) -> BreakerRecord:
    return msgspec.json.decode(msgspec.json.encode(record), type=BreakerRecord)


def test_an_open_breaker_stays_open_for_what_is_left_of_its_break() -> None:
    rig = Rig(break_initial_s=60.0).open().tick(10)
    again = rig.after_restart(through_json(rig.record()), wall_us=WALL_US + 20 * S)
    assert (again.state, again.allow()) == (BreakerState.OPEN, False)
    assert again.retry_after_s() == pytest.approx(30.0)
    assert (again.breaker.why, again.breaker.error_count) == ("network", 3)
    assert again.tick(30).state is BreakerState.HALF_OPEN


def test_breaks_go_on_growing_where_they_were() -> None:
    rig = Rig(break_initial_s=5.0).half_open()
    assert rig.allow()
    rig.fail()
    again = rig.after_restart(rig.record(), wall_us=WALL_US + 10 * S)
    assert again.allow()
    assert again.fail().retry_after_s() == 20.0


@pytest.mark.parametrize("passed_s", [DAY_S, 3650 * DAY_S])
def test_a_record_that_is_old_means_a_trial_at_once(passed_s: int) -> None:
    rig = Rig(break_initial_s=60.0).open()
    again = rig.after_restart(rig.record(), wall_us=WALL_US + passed_s * S)
    assert (again.state, again.allow()) == (BreakerState.HALF_OPEN, True)
    assert not again.breaker.is_stuck(again.now_s)


@pytest.mark.parametrize("back_s", [1, DAY_S, 3650 * DAY_S])
def test_a_stamp_from_the_future_means_one_break_at_most(back_s: int) -> None:
    rig = Rig(break_initial_s=60.0).open().tick(10)
    again = rig.after_restart(rig.record(), wall_us=WALL_US - back_s * S)
    left_s = again.retry_after_s()
    assert left_s is not None
    assert 50.0 <= left_s <= 60.0


def test_a_record_that_claims_an_endless_break_is_cut_to_what_a_break_may_be() -> None:
    far = BreakerRecord(
        state=BreakerState.OPEN, wall_us=WALL_US, break_s=1e12, until_us=WALL_US + 10**18, doublings=10**9
    )
    again = Rig(break_max_s=300.0).after_restart(far, wall_us=WALL_US)
    left_s = again.retry_after_s()
    assert left_s is not None
    assert left_s <= 300.0
    again.tick(left_s)
    assert again.allow()
    assert again.fail().retry_after_s() == 300.0


def test_half_open_comes_back_half_open_and_its_trial_under_way_is_forgotten() -> None:
    rig = Rig().half_open()
    assert rig.allow()
    again = rig.after_restart(rig.record(), wall_us=WALL_US)
    assert (again.state, again.allow()) == (BreakerState.HALF_OPEN, True)


def test_isolation_outlives_every_restart_and_every_clock() -> None:
    rig = Rig()
    rig.breaker.isolate(rig.now_s, "lunch")
    for wall_us in (WALL_US - 10**15, WALL_US, WALL_US + 10**15):
        again = rig.after_restart(through_json(rig.record()), wall_us=wall_us)
        assert (again.state, again.breaker.why, again.retry_after_s()) == (BreakerState.ISOLATED, "lunch", None)


def test_a_closed_breaker_comes_back_closed_with_its_count() -> None:
    rig = Rig().fail(2)
    again = rig.after_restart(rig.record(), wall_us=WALL_US)
    assert (again.state, again.breaker.error_count) == (BreakerState.CLOSED, 2)
    assert again.fail().state is BreakerState.OPEN
    assert Rig().after_restart(Rig().record(), wall_us=WALL_US).breaker.is_quiet


def test_how_long_trials_have_failed_goes_on_and_the_time_in_between_does_not_count() -> None:
    rig = Rig(break_initial_s=300.0, break_max_s=300.0, stuck_after_s=900.0).open()
    for _ in range(2):
        assert rig.tick(300).allow()
        rig.fail()
    again = rig.after_restart(rig.record(), wall_us=WALL_US + DAY_S * S)
    assert not again.breaker.is_stuck(again.now_s)
    assert again.allow()
    assert again.fail().tick(299).breaker.is_stuck(again.now_s) is False
    assert again.tick(1).allow()
    assert again.fail().breaker.is_stuck(again.now_s)
