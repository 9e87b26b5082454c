"""The clock nonces are counted on: sampled once, judged by the venue's time, never stepped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.nonces import Basis, NonceClock, NonceUnit
from holdfast.core.venue import ServerTime

TRUE_S = 1_790_000_000
HOUR_S = 3_600
DAY_S = 86_400


def clock(*, wall_off_s: float = 0.0, now_s: float = 1000.0) -> NonceClock:
    return NonceClock(wall_us=int((TRUE_S + wall_off_s) * 1e6), now_s=now_s)


def venue_time(
    *, venue_off_s: float = 0.0, wall_off_s: float = 0.0, at_s: float = 1000.0, round_trip_s: float = 0.1
) -> ServerTime:
    """What the venue says *at_s*, and our wall clock at that moment; both as seconds off the truth."""
    passed_s = at_s - 1000.0
    return ServerTime(
        venue_time_s=float(int(TRUE_S + passed_s + venue_off_s)),
        resolution_s=1.0,
        sent_s=at_s - round_trip_s / 2,
        received_s=at_s + round_trip_s / 2,
        wall_us=int((TRUE_S + passed_s + round_trip_s / 2 + wall_off_s) * 1e6),
    )


def off_s(nonces: NonceClock, *, at_s: float = 1000.0) -> float:
    """How far the nonce clock is off the truth."""
    return nonces.now_ns(at_s) / 1e9 - (TRUE_S + at_s - 1000.0)


def test_nonce_clock_runs_with_the_unstepped_clock_alone() -> None:
    nonces = clock()

    assert nonces.now_ns(1000.0 + 2.5) - nonces.now_ns(1000.0) == 2_500_000_000


def test_sample_near_the_venue_stays_as_it_is() -> None:
    nonces = clock(wall_off_s=3)

    heard = nonces.hear(venue_time(wall_off_s=3))

    assert (heard.basis, heard.is_rebased, heard.is_skewed) == (Basis.WALL, False, False)
    assert off_s(nonces) == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize("wall_off_s", [-HOUR_S, DAY_S, -120, 120])
def test_sample_far_off_the_venue_is_replaced_by_the_venues_time(wall_off_s: float) -> None:
    nonces = clock(wall_off_s=wall_off_s)

    heard = nonces.hear(venue_time(wall_off_s=wall_off_s))

    assert (heard.basis, heard.is_rebased, heard.is_skewed) == (Basis.VENUE, True, True)
    assert heard.wall_offset_s == pytest.approx(wall_off_s, abs=1)
    assert abs(off_s(nonces)) <= 1


def test_sample_within_the_bound_passes_and_beyond_it_does_not() -> None:
    assert clock(wall_off_s=59).hear(venue_time(wall_off_s=59)).basis is Basis.WALL
    assert clock(wall_off_s=62).hear(venue_time(wall_off_s=62)).basis is Basis.VENUE


def test_bad_sample_is_replaced_by_a_wall_clock_that_was_mended_meanwhile() -> None:
    nonces = clock(wall_off_s=DAY_S)

    heard = nonces.hear(venue_time(wall_off_s=0))

    assert (heard.basis, heard.is_rebased, heard.is_skewed) == (Basis.WALL, True, False)
    assert abs(off_s(nonces)) <= 0.01


@pytest.mark.parametrize("wall_off_s", [-HOUR_S, DAY_S])
def test_step_of_the_wall_clock_moves_nothing_afterwards(wall_off_s: float) -> None:
    nonces = clock()
    nonces.hear(venue_time())

    heard = nonces.hear(venue_time(wall_off_s=wall_off_s, at_s=1500.0))

    assert (heard.is_skewed, heard.is_rebased) == (True, False)
    assert abs(off_s(nonces, at_s=1500.0)) <= 0.01


@pytest.mark.parametrize("venue_off_s", [-HOUR_S, DAY_S, -10 * DAY_S])
def test_venue_clock_that_goes_wrong_later_moves_nothing(venue_off_s: float) -> None:
    nonces = clock()
    nonces.hear(venue_time())

    heard = nonces.hear(venue_time(venue_off_s=venue_off_s, at_s=2000.0))

    assert not heard.is_rebased
    assert abs(off_s(nonces, at_s=2000.0)) <= 0.01


def test_frozen_venue_clock_moves_nothing() -> None:
    nonces = clock()

    for at_s in (1000.0, 1100.0, 5000.0):
        nonces.hear(venue_time(venue_off_s=1000.0 - at_s, at_s=at_s))

    assert abs(off_s(nonces, at_s=5000.0)) <= 0.01


@pytest.mark.parametrize("scale", [1e3, 1e6, 1e9, 0, -1, float("nan"), float("inf")])
def test_venue_time_in_another_unit_is_not_believed(scale: float) -> None:
    nonces = clock(wall_off_s=DAY_S)
    odd = ServerTime(venue_time_s=TRUE_S * scale, resolution_s=1.0, sent_s=999.9, received_s=1000.0, wall_us=1)

    heard = nonces.hear(odd)

    assert (heard.basis, heard.wall_offset_s, heard.is_rebased) == (Basis.UNCHECKED, None, False)


def test_answer_that_took_longer_than_the_bound_proves_nothing() -> None:
    assert clock().hear(venue_time(round_trip_s=61)).wall_offset_s is None


def test_paused_machine_is_set_right_once_wall_clock_and_venue_agree() -> None:
    nonces = clock()
    nonces.hear(venue_time())

    # Ten minutes passed outside in which our unstepped clock stood still.
    heard = nonces.hear(venue_time(venue_off_s=600, wall_off_s=600, at_s=1001.0))

    assert (heard.is_rebased, heard.is_skewed) == (True, False)
    assert off_s(nonces, at_s=1001.0) == pytest.approx(600, abs=0.01)


@pytest.mark.parametrize(("mark_off_s", "is_near"), [(-59, True), (59, True), (-61, False), (61, False)])
def test_recent_mark_vouches_for_an_unchecked_sample(mark_off_s: int, is_near: bool) -> None:
    mark = (TRUE_S + mark_off_s) * 1_000_000

    assert clock().is_near(mark, unit=NonceUnit.US, now_s=1000.0) is is_near


def test_key_without_a_mark_vouches_for_nothing() -> None:
    assert not clock().is_near(None, unit=NonceUnit.US, now_s=1000.0)


@given(
    wall_off_s=st.floats(-1e8, 1e8),
    readings=st.lists(st.tuples(st.floats(-1e8, 1e8), st.floats(-1e8, 1e8)), max_size=8),
)
def test_nonce_clock_stands_near_some_witness_whatever_they_say(
    wall_off_s: float, readings: list[tuple[float, float]]
) -> None:
    nonces = clock(wall_off_s=wall_off_s)
    witnesses = [wall_off_s]

    for step, (venue_off_s, wall_now_off_s) in enumerate(readings):
        nonces.hear(venue_time(venue_off_s=venue_off_s, wall_off_s=wall_now_off_s, at_s=1000.0 + step))
        witnesses += [venue_off_s, wall_now_off_s]

    assert min(abs(off_s(nonces) - witness) for witness in witnesses) <= 1.1
