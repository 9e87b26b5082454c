"""Counters and budgets say when the next call fits, and nothing that time does makes them forget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.limits import ConnectionBudget, DecayingCounter


def counter(*, level: float = 0.0) -> DecayingCounter:
    return DecayingCounter(maximum=15, decay_per_s=0.5, now_s=100.0, level=level)


def test_call_waits_until_its_cost_fits() -> None:
    full = counter(level=15)
    assert full.wait_s(1, now_s=100.0) == 2.0
    assert full.wait_s(2, now_s=100.0) == 4.0
    assert full.wait_s(1, now_s=102.0) == 0.0


def test_resting_counter_takes_its_maximum_at_once_and_no_more() -> None:
    fresh = counter()
    for _ in range(15):
        assert fresh.wait_s(1, now_s=100.0) == 0.0
        fresh.spend(1, now_s=100.0)
    assert fresh.wait_s(1, now_s=100.0) == 2.0


def test_headroom_is_left_to_the_more_urgent() -> None:
    busy = counter(level=12)
    assert busy.wait_s(1, now_s=100.0) == 0.0
    assert busy.wait_s(1, now_s=100.0, headroom=6) == 8.0


def test_cost_that_never_fits_waits_for_an_empty_counter_not_forever() -> None:
    assert counter(level=5).wait_s(99, now_s=100.0) == 10.0
    assert counter().wait_s(99, now_s=100.0) == 0.0


def test_refusal_fills_the_counter_and_keeps_quiet() -> None:
    mistaken = counter()
    mistaken.refused(now_s=100.0, quiet_s=15.0)
    assert mistaken.wait_s(1, now_s=100.0) == 15.0
    assert mistaken.wait_s(1, now_s=114.0) == 1.0
    assert mistaken.wait_s(0, now_s=115.0) == 0.0
    mistaken.refused(now_s=101.0, quiet_s=1.0)
    assert mistaken.wait_s(0, now_s=101.0) == 14.0


def test_clock_that_goes_back_lowers_nothing() -> None:
    steady = counter(level=10)
    assert steady.level(now_s=90.0) == 10.0
    steady.spend(1, now_s=90.0)
    assert steady.level(now_s=100.0) == 11.0


@pytest.mark.parametrize(("maximum", "decay_per_s"), [(0, 1), (1, 0), (-1, 1)])
def test_counter_without_bounds_is_refused(maximum: float, decay_per_s: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        DecayingCounter(maximum=maximum, decay_per_s=decay_per_s, now_s=0.0)


@given(
    pauses=st.lists(st.floats(0, 30), max_size=60),
    costs=st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=1, max_size=60),
)
def test_venue_that_counts_as_it_says_never_refuses_a_caller_who_waits(pauses: list[float], costs: list[float]) -> None:
    ours = DecayingCounter(maximum=15, decay_per_s=0.33, now_s=0.0)
    now_s, theirs, theirs_at_s = 0.0, 0.0, 0.0
    for place, cost in enumerate(costs):
        now_s += pauses[place] if place < len(pauses) else 0.0
        now_s += ours.wait_s(cost, now_s=now_s)
        ours.spend(cost, now_s=now_s)
        theirs = max(0.0, theirs - (now_s - theirs_at_s) * 0.33) + cost
        theirs_at_s = now_s
        assert theirs <= 15 + 1e-6


def test_budget_refuses_beyond_its_limit_until_the_oldest_is_forgotten() -> None:
    budget = ConnectionBudget(limit=3, window_s=600)
    for at_s in (0.0, 10.0, 20.0):
        assert budget.wait_s(now_s=at_s) == 0.0
        budget.spend(now_s=at_s)
    assert budget.wait_s(now_s=20.0) == 580.0
    assert budget.used(now_s=599.0) == 3
    assert budget.wait_s(now_s=600.0) == 0.0
    assert budget.used(now_s=610.0) == 1


def test_budget_counts_what_others_used() -> None:
    budget = ConnectionBudget(limit=2, window_s=10, attempts=[3.0, 1.0, 2.0])
    assert budget.wait_s(now_s=3.0) == 9.0


@pytest.mark.parametrize(("limit", "window_s"), [(0, 1.0), (1, 0.0)])
def test_budget_of_nothing_is_refused(limit: int, window_s: float) -> None:
    with pytest.raises(ValueError, match="budget"):
        ConnectionBudget(limit=limit, window_s=window_s)


@given(
    steps=st.lists(st.integers(0, 80).map(lambda quarters: quarters / 4), max_size=200),
    limit=st.integers(1, 10),
)
def test_no_window_ever_holds_more_than_the_limit(steps: list[float], limit: int) -> None:
    budget = ConnectionBudget(limit=limit, window_s=60)
    spent: list[float] = []
    now_s = 0.0
    for step in steps:
        now_s += step
        now_s += budget.wait_s(now_s=now_s)
        budget.spend(now_s=now_s)
        spent.append(now_s)
    for end_s in spent:
        assert sum(1 for at_s in spent if end_s - 60 < at_s <= end_s) <= limit
