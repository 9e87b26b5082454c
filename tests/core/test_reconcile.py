"""When the account is read again: often enough, soon after events, within the budget, never before a want's time."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.changes import Want, WantKind
from holdfast.core.limits import DecayingCounter
from holdfast.core.reconcile import ORDERS, PlannedRead, Reconciler, ReconcileSettings

READS = ("BalanceEx", "Balance")


class Schedule:
    """A reconciler, a clock, and reads that take a moment."""

    def __init__(
        self, *, seed: int = 1, budget: DecayingCounter | None = None, settings: ReconcileSettings | None = None
    ) -> None:
        self.now_s = 1000.0
        self.budget = budget
        self.rule = Reconciler(
            settings=settings or ReconcileSettings(), reads=READS, budget=budget, randomness=random.Random(seed)
        )

    def plan(self) -> PlannedRead:
        """What is planned now."""
        return self.rule.plan(now_s=self.now_s)

    def next(self, *, ok: bool = True, took_s: float = 0.2) -> PlannedRead:
        """Wait for the planned read and make it."""
        plan = self.plan()
        self.now_s = max(self.now_s, plan.at_s)
        self.rule.started(plan.read, now_s=self.now_s)
        if self.budget is not None:
            self.budget.spend(1.0, now_s=self.now_s)
        self.now_s += took_s
        self.rule.ended(plan.read, ok=ok, now_s=self.now_s)
        return plan

    def times(self, seconds: float, *, ok: bool = True) -> list[float]:
        """When reads leave during so many seconds."""
        end_s = self.now_s + seconds
        times: list[float] = []
        while self.plan().at_s <= end_s:
            times.append(max(self.now_s, self.plan().at_s))
            self.next(ok=ok)
        self.now_s = end_s
        return times


def want(
    not_before_s: float, *, kind: WantKind = WantKind.READ_BALANCES, other_than: str | None = None, reason: str = "x"
) -> Want:
    return Want(kind=kind, reason=reason, not_before_s=not_before_s, other_than=other_than)


def test_first_read_leaves_at_once_by_the_read_that_states_holds() -> None:
    schedule = Schedule()

    assert schedule.plan() == PlannedRead(at_s=1000.0, read="BalanceEx", reason="first")


@pytest.mark.parametrize("seed", range(5))
def test_quiet_live_account_takes_few_calls_and_never_leaves_a_minute_unread(seed: int) -> None:
    schedule = Schedule(seed=seed)
    schedule.next()
    schedule.rule.set_live(True, now_s=schedule.now_s)

    times = schedule.times(3600.0)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]

    assert len({round(gap, 3) for gap in gaps}) > 50
    # The frozen channel is contradicted by the answer, which may take its time.
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) <= 57.2
    assert len(times) <= 68  # Leaves a few of the 72 calls an hour to tokens and orders.


def test_jitter_only_shortens_and_spreads() -> None:
    gaps = set()
    for seed in range(20):
        schedule = Schedule(seed=seed)
        schedule.next()
        schedule.rule.set_live(True, now_s=schedule.now_s)
        gaps.add(round(schedule.plan().at_s - 1000.0, 3))

    assert all(54.1 <= gap <= 57.0 for gap in gaps)
    assert len(gaps) > 15


def test_account_without_a_live_stream_is_read_often_enough_to_stay_fresh() -> None:
    schedule = Schedule()

    times = schedule.times(600.0)

    assert max(later - earlier for earlier, later in itertools.pairwise(times)) <= 15.3
    assert schedule.plan().reason == "not_live"


def test_losing_the_stream_shortens_the_wait_that_already_runs() -> None:
    schedule = Schedule()
    schedule.next()
    schedule.rule.set_live(True, now_s=schedule.now_s)
    schedule.now_s += 20.0
    assert schedule.plan().at_s > schedule.now_s + 30.0

    schedule.rule.set_live(False, now_s=schedule.now_s)

    assert schedule.plan().at_s <= schedule.now_s


def test_event_is_followed_by_a_read_after_ten_seconds_and_not_before() -> None:
    schedule = Schedule()
    schedule.next()
    schedule.rule.set_live(True, now_s=schedule.now_s)
    schedule.now_s += 5.0
    noted_s = schedule.now_s
    schedule.rule.note("fill", now_s=noted_s)
    schedule.now_s += 3.0
    schedule.rule.note("fill", now_s=schedule.now_s)

    assert schedule.plan() == PlannedRead(at_s=noted_s + 10.0, read="BalanceEx", reason="fill")
    schedule.next()
    assert schedule.plan().reason == "quiet"


def test_read_made_too_early_for_an_event_does_not_settle_it() -> None:
    schedule = Schedule()
    schedule.next()
    schedule.now_s += 8.0
    schedule.rule.note("fill", now_s=schedule.now_s)

    schedule.next()  # By the schedule of a broker without stream, seven seconds after the fill.

    assert schedule.plan().reason == "fill"


def test_hurry_reads_now_and_once() -> None:
    schedule = Schedule()
    schedule.next()
    schedule.now_s += 5.0
    schedule.rule.hurry("stream_lost", now_s=schedule.now_s)

    assert schedule.next().reason == "stream_lost"
    assert schedule.plan().reason == "not_live"


def test_want_is_read_at_its_time_by_a_read_it_does_not_exclude() -> None:
    schedule = Schedule()
    schedule.next()
    schedule.rule.want((want(schedule.now_s + 1.0, other_than="BalanceEx", reason="suspect_empty"),))

    plan = schedule.plan()

    assert plan == PlannedRead(at_s=schedule.now_s + 1.0, read="Balance", reason="suspect_empty")


def test_read_due_anyway_respects_what_a_want_excludes() -> None:
    schedule = Schedule()
    schedule.next()
    schedule.rule.want((want(schedule.now_s + 3.0, other_than="BalanceEx", reason="suspect_empty"),))
    schedule.rule.hurry("asked", now_s=schedule.now_s + 4.0)
    schedule.now_s += 4.0

    assert schedule.plan().read == "Balance"


def test_venue_with_one_read_uses_it_whatever_is_excluded() -> None:
    rule = Reconciler(settings=ReconcileSettings(), reads=("only",), budget=None, randomness=random.Random(1))
    rule.want((want(0.0, other_than="only"),))

    assert rule.plan(now_s=5.0).read == "only"


def test_wanted_orders_are_read_as_orders() -> None:
    schedule = Schedule()
    schedule.next()
    schedule.rule.want((want(schedule.now_s + 2.0, kind=WantKind.READ_ORDERS, reason="holds_differ"),))

    assert schedule.next() == PlannedRead(at_s=1000.2 + 2.0, read=ORDERS, reason="holds_differ")


def test_resubscriptions_are_no_reads() -> None:
    schedule = Schedule()
    schedule.next()
    before = schedule.plan()
    schedule.rule.want((want(0.0, kind=WantKind.RESUBSCRIBE),))

    assert schedule.plan() == before


def test_want_that_no_read_settles_is_not_read_in_a_hot_loop() -> None:
    schedule = Schedule()
    schedule.next()
    schedule.rule.want((want(0.0),))

    times = schedule.times(10.0)

    assert len(times) <= 11
    assert all(later - earlier >= 1.0 for earlier, later in itertools.pairwise(times))


def test_failed_read_is_repeated_soon_then_less_often_and_never_given_up() -> None:
    schedule = Schedule()
    schedule.rule.set_live(True, now_s=schedule.now_s)

    times = schedule.times(300.0, ok=False)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]

    assert gaps[0] <= 1.3
    assert gaps == sorted(gaps) or max(gaps) <= 10.3
    assert 9.0 <= gaps[-1] <= 10.3
    assert schedule.next(ok=True).reason == "retry"
    assert schedule.plan().reason == "quiet"


def test_failure_of_one_read_is_forgotten_when_it_succeeds() -> None:
    schedule = Schedule()
    schedule.next(ok=False)
    schedule.next(ok=False)
    schedule.next(ok=True)
    schedule.next(ok=False)

    assert schedule.plan().at_s - schedule.now_s <= 1.0


def test_no_read_leaves_during_a_pause_and_a_shorter_pause_does_not_end_it() -> None:
    schedule = Schedule()
    schedule.next()
    schedule.rule.pause(schedule.now_s + 900.0)
    schedule.rule.pause(schedule.now_s + 5.0)
    schedule.rule.hurry("asked", now_s=schedule.now_s)

    assert schedule.plan().at_s == schedule.now_s + 900.0


def test_budget_delays_even_what_is_urgent_and_keeps_headroom_for_others() -> None:
    budget = DecayingCounter(maximum=15.0, decay_per_s=0.33, now_s=1000.0)
    schedule = Schedule(budget=budget)
    schedule.next()
    schedule.rule.want((want(0.0),))

    times = schedule.times(600.0)

    assert budget.level(now_s=schedule.now_s) <= 15.0 - 4.0
    assert len(times) <= 10 + 600 * 0.33 + 1


def test_small_budget_spares_no_more_than_half() -> None:
    budget = DecayingCounter(maximum=2.0, decay_per_s=0.1, now_s=1000.0)
    schedule = Schedule(budget=budget)

    assert schedule.plan().at_s == 1000.0


actions = st.lists(
    st.tuples(
        st.sampled_from(["wait", "read", "fail", "note", "hurry", "live", "not live", "want", "orders", "pause"]),
        st.floats(0.0, 120.0),
    ),
    max_size=40,
)


@settings(max_examples=200)
@given(actions=actions, seed=st.integers(0, 99))
def test_whatever_happens_reads_are_neither_late_nor_early(actions: list[tuple[str, float]], seed: int) -> None:
    budget = DecayingCounter(maximum=20.0, decay_per_s=0.5, now_s=1000.0)
    schedule = Schedule(seed=seed, budget=budget)
    rule = schedule.rule
    paused_until_s = 0.0
    for action, number in actions:
        now_s = schedule.now_s
        if action == "wait":
            schedule.now_s += number
        elif action in ("read", "fail"):
            schedule.next(ok=action == "read")
        elif action == "note":
            rule.note("fill", now_s=now_s)
        elif action == "hurry":
            rule.hurry("asked", now_s=now_s)
        elif action in ("live", "not live"):
            rule.set_live(action == "live", now_s=now_s)
        elif action == "want":
            rule.want((want(now_s + number, other_than="BalanceEx"),))
        elif action == "orders":
            rule.want((want(now_s + number, kind=WantKind.READ_ORDERS),))
        else:
            rule.pause(now_s + number)
            paused_until_s = max(paused_until_s, now_s + number)
        plan = schedule.plan()
        now_s = schedule.now_s
        assert plan.at_s >= paused_until_s
        # Never slower than the quiet interval, but for a pause, the budget and a failing read's bounded wait.
        free_s = now_s + budget.wait_s(1.0, now_s=now_s, headroom=4.0)
        assert plan.at_s <= max(now_s + 60.0, paused_until_s, free_s)
        assert plan.read in (*READS, ORDERS)
        assert plan == schedule.plan()
