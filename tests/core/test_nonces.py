"""Which nonce comes next: the rule, its bounds, its units."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.nonces import (
    JUMP_S,
    NONCE_MAX,
    NonceRecord,
    NonceSource,
    NonceUnit,
    ahead_s,
    ratcheted,
)
from holdfast.errors import CredentialParkedError

NOW_US = 1_790_000_000_000_000
NOW_NS = NOW_US * 1_000
HOUR_NS = 3_600 * 10**9

UNITS = st.sampled_from(list(NonceUnit))
TIMES = st.integers(min_value=0, max_value=4 * 10**18)
MARKS = st.none() | st.integers(min_value=1, max_value=4 * 10**18)


def test_nonce_is_the_clock_plus_1500_us_by_default() -> None:
    source = NonceSource(mark=None)

    assert source.take(now_ns=NOW_NS) == NOW_US + 1500


def test_nonce_is_one_above_the_mark_while_the_clock_is_behind_it() -> None:
    source = NonceSource(mark=NOW_US + 5_000_000)

    assert [source.take(now_ns=NOW_NS) for _ in range(3)] == [NOW_US + 5_000_000 + step for step in (1, 2, 3)]


def test_nonce_keeps_rising_when_the_clock_steps_back_an_hour() -> None:
    source = NonceSource(mark=None)

    before = source.take(now_ns=NOW_NS)
    after = source.take(now_ns=NOW_NS - HOUR_NS)

    assert after == before + 1


def test_nonce_returns_to_the_clock_once_the_clock_has_passed_the_mark() -> None:
    source = NonceSource(mark=NOW_US + 10)

    assert source.take(now_ns=NOW_NS + HOUR_NS) == NOW_US + 3_600_000_000 + 1500


@given(mark=MARKS, unit=UNITS, times=st.lists(TIMES, min_size=1, max_size=20), beyond=st.integers(0, 20))
def test_nonces_rise_strictly_under_any_clock(mark: int | None, unit: NonceUnit, times: list[int], beyond: int) -> None:
    source = NonceSource(mark=mark, unit=unit)
    taken = [mark or 0]

    for place, now_ns in enumerate(times):
        taken.append(source.take_beyond(now_ns=now_ns) if place == beyond else source.take(now_ns=now_ns))

    assert all(later > earlier for earlier, later in itertools.pairwise(taken))
    assert source.mark == taken[-1]


@given(mark=MARKS, unit=UNITS, now_ns=TIMES)
def test_regenerated_nonce_jumps_by_a_bounded_amount(mark: int | None, unit: NonceUnit, now_ns: int) -> None:
    source = NonceSource(mark=mark, unit=unit, forward_buffer_us=1500)
    ordinary = NonceSource(mark=mark, unit=unit, forward_buffer_us=1500).take(now_ns=now_ns)
    jump = round(JUMP_S * 1e9) // unit.ns

    assert ordinary + jump - 1 <= source.take_beyond(now_ns=now_ns) <= ordinary + jump


def test_ceiling_holds_a_nonce_inside_the_window_of_what_is_under_way() -> None:
    source = NonceSource(mark=NOW_US)

    assert source.take(now_ns=NOW_NS + HOUR_NS, ceiling=NOW_US + 9) == NOW_US + 9


def test_largest_nonce_is_used_and_none_after_it() -> None:
    source = NonceSource(mark=NONCE_MAX - 1, unit=NonceUnit.NS)

    assert source.take(now_ns=NOW_NS) == NONCE_MAX
    with pytest.raises(CredentialParkedError, match="only a new key starts lower") as refusal:
        source.take(now_ns=NOW_NS)
    assert refusal.value.cause == "nonce_exhausted"
    assert refusal.value.retry_after_s is None
    assert source.mark == NONCE_MAX


def test_clock_beyond_all_sense_is_refused_and_leaves_the_mark_alone() -> None:
    source = NonceSource(mark=5, unit=NonceUnit.NS)

    with pytest.raises(CredentialParkedError, match="clock cannot be right") as refusal:
        source.take(now_ns=NONCE_MAX)

    assert refusal.value.cause == "clock"
    assert source.mark == 5


def test_units_follow_each_other_from_coarse_to_fine() -> None:
    order = [NonceUnit.MS, NonceUnit.US, NonceUnit.NS_100, NonceUnit.NS_10, NonceUnit.NS]

    assert [unit.ns for unit in order] == [1_000_000, 1_000, 100, 10, 1]
    assert all(finer.is_finer_than(coarser) for coarser, finer in itertools.pairwise(order))
    assert not any(coarser.is_finer_than(finer) for coarser, finer in itertools.pairwise(order))


@pytest.mark.parametrize(
    ("unit", "digits"),
    [(NonceUnit.MS, 13), (NonceUnit.US, 16), (NonceUnit.NS_100, 17), (NonceUnit.NS_10, 18), (NonceUnit.NS, 19)],
)
def test_present_has_as_many_digits_as_the_clients_that_count_so(unit: NonceUnit, digits: int) -> None:
    assert len(str(NonceSource(mark=None, unit=unit).take(now_ns=NOW_NS))) == digits


def test_ratchet_multiplies_the_mark_so_that_it_keeps_its_place_in_time() -> None:
    record = NonceRecord(unit=NonceUnit.US, mark=NOW_US)

    finer = ratcheted(record, NonceUnit.NS)

    assert (finer.unit, finer.mark) == (NonceUnit.NS, NOW_NS)


@pytest.mark.parametrize("unit", [NonceUnit.MS, NonceUnit.US])
def test_ratchet_never_goes_back_to_a_coarser_unit(unit: NonceUnit) -> None:
    record = NonceRecord(unit=NonceUnit.US, mark=NOW_US)

    assert ratcheted(record, unit) is record


def test_ratchet_keeps_a_mark_whose_product_no_venue_would_take() -> None:
    record = NonceRecord(unit=NonceUnit.US, mark=NOW_NS)  # Never a count of microseconds.

    assert ratcheted(record, NonceUnit.NS).mark == NOW_NS


@given(mark=st.integers(1, NONCE_MAX - 1), unit=UNITS, to=UNITS)
def test_ratchet_never_lowers_a_mark(mark: int, unit: NonceUnit, to: NonceUnit) -> None:
    assert (ratcheted(NonceRecord(unit=unit, mark=mark), to).mark or 0) >= mark


def test_key_that_was_never_used_is_behind_any_clock() -> None:
    assert ahead_s(None, unit=NonceUnit.US, now_ns=NOW_NS) == -math.inf
    assert ahead_s(NOW_US + 2_000_000, unit=NonceUnit.US, now_ns=NOW_NS) == 2.0


def test_refusal_that_a_jump_got_past_is_remembered_as_healed() -> None:
    record = NonceRecord(mark=10).refused(10, wall_us=NOW_US)

    after = record.taken(30)

    assert (after.refused_in_a_row, after.refusals_healed, after.refused_last) == (0, 1, 10)


def test_refusal_after_the_jump_too_is_no_healed_one() -> None:
    record = NonceRecord(mark=10).refused(10, wall_us=NOW_US).refused(20, wall_us=NOW_US + 1)

    after = record.taken(30)

    assert record.refused_in_a_row == 2
    assert (after.refused_in_a_row, after.refusals_healed) == (0, 0)
