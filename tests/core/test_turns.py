"""Who goes first in a lane."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.seams import Priority
from holdfast.core.turns import PROMOTE_EVERY_S, standing


def first(*waiters: tuple[Priority, float], now_s: float) -> tuple[Priority, float]:
    return min(waiters, key=lambda waiter: standing(waiter[0], since_s=waiter[1], now_s=now_s, tie=0))


def test_classes_go_in_their_order() -> None:
    waiters = [(priority, 10.0) for priority in reversed(Priority)]

    order = sorted(waiters, key=lambda waiter: standing(waiter[0], since_s=waiter[1], now_s=10.1, tie=0))

    assert [priority for priority, _ in order] == [
        Priority.CANCEL,
        Priority.ORDER,
        Priority.TOKEN,
        Priority.BALANCE,
        Priority.HISTORY,
    ]


def test_equals_go_in_the_order_they_came() -> None:
    assert first((Priority.ORDER, 10.2), (Priority.ORDER, 10.1), now_s=10.3) == (Priority.ORDER, 10.1)


def test_cancel_goes_before_everyone_who_has_not_waited_long() -> None:
    assert first((Priority.ORDER, 10.0), (Priority.CANCEL, 10.9), now_s=10.95) == (Priority.CANCEL, 10.9)


def test_history_goes_before_newer_cancels_after_four_seconds() -> None:
    waited = (Priority.HISTORY, 0.0)

    assert first(waited, (Priority.CANCEL, 3.8), now_s=3.9) == (Priority.CANCEL, 3.8)
    assert first(waited, (Priority.CANCEL, 4.0), now_s=4.05) == waited


@given(priority=st.sampled_from(Priority), since_s=st.floats(0, 1e6), others=st.lists(st.floats(0, 1e6), max_size=20))
def test_nobody_waits_behind_newcomers_for_ever(priority: Priority, since_s: float, others: list[float]) -> None:
    """Once lifted to the first class, a waiter has only those before it that came earlier."""
    now_s = since_s + (Priority.HISTORY + 1) * PROMOTE_EVERY_S
    ours = standing(priority, since_s=since_s, now_s=now_s, tie=1)

    ahead = [came for came in others if standing(Priority.CANCEL, since_s=came, now_s=now_s, tie=2) < ours]

    assert all(came <= since_s for came in ahead)


def test_clock_that_is_behind_lifts_nobody() -> None:
    assert standing(Priority.HISTORY, since_s=10.0, now_s=5.0, tie=0)[0] == Priority.HISTORY
