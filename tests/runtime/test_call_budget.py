"""What a broker says of its call budget is read off the counters that its client spends from."""

from __future__ import annotations

import pytest

from holdfast.runtime.call_budget import KeptCounters


def test_a_client_that_counts_nothing_has_no_budget() -> None:
    assert KeptCounters(None).fullest(now_s=0.0, kept=4.0) is None


def test_the_counter_with_the_least_room_left_is_told() -> None:
    counters = KeptCounters(None)
    wide = counters(maximum=100.0, decay_per_s=1.0, now_s=0.0)
    narrow = counters(maximum=10.0, decay_per_s=0.5, now_s=0.0, name="hour")
    wide.spend(40.0, now_s=0.0)
    narrow.spend(5.0, now_s=0.0)

    budget = counters.fullest(now_s=0.0, kept=4.0)

    assert budget is not None
    assert (budget.used, budget.limit, budget.zero_in_s, budget.kept) == (5.0, 10.0, 10.0, 4.0)


@pytest.mark.parametrize(("now_s", "used"), [(0.0, 5.0), (4.0, 3.0), (60.0, 0.0)])
def test_time_gives_the_budget_back(now_s: float, used: float) -> None:
    counters = KeptCounters(None)
    counter = counters(maximum=10.0, decay_per_s=0.5, now_s=0.0)
    counter.spend(5.0, now_s=0.0)

    budget = counters.fullest(now_s=now_s, kept=20.0)

    assert budget is not None
    assert budget.used == used
    assert budget.kept == 10.0  # Never more than there is.
