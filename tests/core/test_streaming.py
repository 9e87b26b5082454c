"""The life of a stream: what each state needs, when a connection is given up, when the next one is tried."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.limits import ConnectionBudget
from holdfast.core.streaming import ClockJump, ClockWatch, StreamLife, StreamSettings, StreamState
from holdfast.core.venue import Channel, StreamRules

KRAKEN = StreamRules(
    channels=(Channel.BALANCES, Channel.ORDERS),
    silent_after_s=5.0,
    ping_after_s=2.0,
    snapshot_within_s=10.0,
    connect_budget=150,
    connect_budget_window_s=600.0,
    pushes_balances=True,
)


class Broker:
    """A stream's life, and a clock."""

    def __init__(self, *, budget: ConnectionBudget | None = None, seed: int = 1) -> None:
        self.now_s = 1000.0
        self.budget = budget or ConnectionBudget(limit=150, window_s=600.0)
        self.life = StreamLife(
            rules=KRAKEN,
            settings=StreamSettings(),
            budget=self.budget,
            randomness=random.Random(seed),
            now_s=self.now_s,
        )

    def connect(self) -> None:
        """Wait until it is time, and open."""
        at_s = self.life.connect_at_s()
        assert at_s is not None
        self.now_s = max(self.now_s, at_s)
        self.life.connecting(now_s=self.now_s)
        self.now_s += 0.1
        self.life.opened(now_s=self.now_s)

    def go_live(self) -> None:
        """Connect and state every channel."""
        self.connect()
        for channel in Channel:
            self.life.subscribed(channel, now_s=self.now_s)
            self.life.frame_arrived(self.now_s)
            self.life.stated(channel, now_s=self.now_s)

    def hear(self, seconds: float) -> None:
        """Let time pass with a heartbeat every second."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s = min(end_s, self.now_s + 1.0)
            self.life.frame_arrived(self.now_s)

    def lose(self, reason: str = "closed") -> float:
        """The connection ends; the wait until the next attempt, in seconds."""
        self.life.lost(reason, now_s=self.now_s)
        at_s = self.life.connect_at_s()
        assert at_s is not None
        return at_s - self.now_s

    def fail(self) -> float:
        """An attempt that never opens; the wait until the next."""
        at_s = self.life.connect_at_s()
        assert at_s is not None
        self.now_s = max(self.now_s, at_s)
        self.life.connecting(now_s=self.now_s)
        return self.lose("refused")

    @property
    def told(self) -> str:
        reason = self.life.reason
        return self.life.state.value if reason is None else f"{self.life.state.value} {reason}"

    @property
    def abort(self) -> str | None:
        return self.life.abort_reason(now_s=self.now_s)


def test_life_goes_from_connecting_over_snapshot_to_live() -> None:
    broker = Broker()
    assert broker.told == "connecting connecting"
    assert broker.life.connect_at_s() == 1000.0

    broker.connect()
    assert broker.told == "snapshot no_snapshot"
    assert broker.life.connect_at_s() is None
    broker.life.stated(Channel.ORDERS, now_s=broker.now_s)
    assert broker.life.state is StreamState.SNAPSHOT
    broker.life.stated(Channel.BALANCES, now_s=broker.now_s)
    assert broker.told == "live"


def test_lost_stream_is_degraded_while_reads_succeed_and_down_when_they_fail() -> None:
    broker = Broker()
    broker.go_live()
    broker.lose("silent")
    assert broker.told == "degraded silent"

    for failures in range(1, 4):
        broker.life.read_ended(ok=False, now_s=broker.now_s)
        assert broker.life.state is (StreamState.DOWN if failures >= 3 else StreamState.DEGRADED)
    broker.life.read_ended(ok=True, now_s=broker.now_s)
    assert broker.told == "degraded silent"


def test_failing_reads_do_not_end_a_live_stream() -> None:
    broker = Broker()
    broker.go_live()
    for _ in range(5):
        broker.life.read_ended(ok=False, now_s=broker.now_s)

    assert broker.told == "live"


def test_first_attempt_that_fails_is_degraded_and_not_connecting_any_more() -> None:
    broker = Broker()
    broker.fail()

    assert broker.told == "degraded refused"
    broker.connect()
    assert broker.life.state is StreamState.SNAPSHOT


def test_reconnected_stream_needs_every_snapshot_again() -> None:
    broker = Broker()
    broker.go_live()
    broker.lose()
    broker.connect()

    assert broker.told == "snapshot no_snapshot"


def test_silent_socket_is_aborted_within_the_venues_bound() -> None:
    broker = Broker()
    broker.go_live()
    broker.hear(100.0)
    assert broker.life.next_due_s() == broker.now_s + 5.0

    broker.now_s += 4.9
    assert broker.abort is None
    broker.now_s += 0.1
    assert broker.abort == "silent"


def test_frame_after_a_silence_that_nobody_noticed_comes_too_late() -> None:
    broker = Broker()
    broker.go_live()
    broker.now_s += 600.0  # Stopped; the frame was waiting in the kernel.
    broker.life.frame_arrived(broker.now_s)

    assert broker.abort == "silent"
    due_s = broker.life.next_due_s()
    assert due_s is not None
    assert due_s <= broker.now_s


def test_silence_of_one_connection_is_not_held_against_the_next() -> None:
    broker = Broker()
    broker.go_live()
    broker.now_s += 600.0
    broker.life.frame_arrived(broker.now_s)
    broker.lose("silent")
    broker.connect()

    assert broker.abort is None


def test_next_moment_to_look_is_the_nearest_bound() -> None:
    broker = Broker()
    broker.connect()
    opened_s = broker.now_s
    assert broker.life.next_due_s() == opened_s + 5.0
    broker.hear(7.0)

    assert broker.life.next_due_s() == opened_s + 10.0


def test_socket_that_acknowledges_and_delivers_nothing_is_aborted() -> None:
    broker = Broker()
    broker.connect()
    for channel in Channel:
        broker.life.subscribed(channel, now_s=broker.now_s)
    broker.life.stated(Channel.ORDERS, now_s=broker.now_s)
    broker.hear(9.9)
    assert broker.abort is None
    broker.hear(0.1)

    assert broker.abort == "no_snapshot"


def test_subscription_that_is_never_acknowledged_is_aborted_too() -> None:
    broker = Broker()
    broker.connect()
    broker.hear(10.0)

    assert broker.abort == "no_snapshot"


def test_late_acknowledgement_starts_the_snapshots_time_anew() -> None:
    broker = Broker()
    broker.connect()
    broker.hear(6.0)
    for channel in Channel:
        broker.life.subscribed(channel, now_s=broker.now_s)
    broker.hear(6.0)

    assert broker.abort is None
    broker.hear(4.0)
    assert broker.abort == "no_snapshot"


def test_acknowledgement_of_a_channel_that_stated_already_changes_nothing() -> None:
    broker = Broker()
    broker.go_live()
    broker.life.subscribed(Channel.BALANCES, now_s=broker.now_s)

    assert broker.told == "live"


def test_gapped_channel_owes_a_snapshot_and_is_live_again_with_it() -> None:
    broker = Broker()
    broker.go_live()
    broker.hear(3.0)
    broker.life.unstated(Channel.BALANCES, "gap", now_s=broker.now_s)
    assert broker.told == "snapshot gap"

    broker.hear(3.0)
    broker.life.stated(Channel.BALANCES, now_s=broker.now_s)
    assert broker.told == "live"


def test_gap_that_is_not_healed_in_time_ends_the_connection() -> None:
    broker = Broker()
    broker.go_live()
    broker.life.unstated(Channel.BALANCES, "gap", now_s=broker.now_s)
    broker.hear(5.0)
    broker.life.unstated(Channel.BALANCES, "gap", now_s=broker.now_s)  # Asked again: the first asking counts.
    broker.hear(5.0)

    assert broker.abort == "no_snapshot"


def test_channel_the_venue_does_not_push_is_not_waited_for() -> None:
    broker = Broker()
    broker.life = StreamLife(
        rules=StreamRules(
            channels=(Channel.ORDERS,),
            silent_after_s=10.0,
            ping_after_s=4.0,
            snapshot_within_s=10.0,
            connect_budget=100,
            connect_budget_window_s=60.0,
            pushes_balances=False,
        ),
        settings=StreamSettings(),
        budget=broker.budget,
        randomness=random.Random(1),
        now_s=broker.now_s,
    )
    broker.connect()
    broker.life.stated(Channel.ORDERS, now_s=broker.now_s)
    assert broker.told == "live"
    broker.life.unstated(Channel.BALANCES, "refused", now_s=broker.now_s)
    assert broker.told == "live"


def test_connection_that_never_opens_is_given_up() -> None:
    broker = Broker()
    broker.life.connecting(now_s=broker.now_s)
    assert broker.life.next_due_s() == broker.now_s + 15.0
    broker.now_s += 14.9
    assert broker.abort is None
    broker.now_s += 0.1
    assert broker.abort == "connect_timeout"


def test_nothing_is_due_between_connections() -> None:
    broker = Broker()
    broker.go_live()
    broker.lose()

    assert broker.life.next_due_s() is None
    assert broker.abort is None


def test_first_retries_leave_at_once_then_wait_longer_up_to_a_minute() -> None:
    broker = Broker()
    waits = [broker.fail() for _ in range(14)]

    assert waits[:3] == [0.0, 0.0, 0.0]
    for step, wait_s in enumerate(waits[3:]):
        most_s = min(60.0, 2.0**step)
        assert most_s / 2.0 <= wait_s <= most_s


def test_waits_of_many_clients_differ() -> None:
    def fifth_wait(seed: int) -> float:
        broker = Broker(seed=seed)
        return [broker.fail() for _ in range(6)][-1]

    assert len({fifth_wait(seed) for seed in range(20)}) > 15


def test_after_maintenance_even_the_first_retry_waits() -> None:
    broker = Broker()
    broker.go_live()

    assert broker.lose("maintenance") == 5.0


def test_stable_connection_earns_retries_at_once_and_a_flapping_one_does_not() -> None:
    broker = Broker()
    for _ in range(6):
        broker.fail()
    broker.go_live()
    broker.hear(10.0)
    assert broker.lose() > 1.0

    broker.go_live()
    broker.hear(31.0)
    assert broker.lose() == 0.0


def test_budget_of_the_host_is_never_exceeded() -> None:
    budget = ConnectionBudget(limit=150, window_s=600.0)
    brokers = [Broker(budget=budget, seed=seed) for seed in range(10)]
    attempts: list[float] = []
    while len(attempts) < 400:
        broker = min(brokers, key=lambda each: each.life.connect_at_s() or 0.0)
        broker.now_s = attempts[-1] if attempts else 1000.0  # One machine, one time.
        broker.fail()
        attempts.append(broker.now_s)

    assert attempts == sorted(attempts)
    for position, at_s in enumerate(attempts):
        assert sum(1 for other in attempts[position:] if other < at_s + 600.0) <= 150


facts = st.lists(
    st.tuples(
        st.sampled_from(["wait", "connect", "frame", "state", "gap", "lose", "ok", "failed"]), st.floats(0.0, 30.0)
    ),
    max_size=60,
)


@given(facts=facts)
def test_live_means_open_stated_and_heard_or_about_to_be_aborted(facts: list[tuple[str, float]]) -> None:
    broker = Broker()
    life = broker.life
    is_open, stated, frame_s = False, set[Channel](), 0.0
    for fact, number in facts:
        now_s = broker.now_s
        if fact == "wait":
            broker.now_s += number
        elif fact == "connect" and life.connect_at_s() is not None:
            broker.connect()
            is_open, stated, frame_s = True, set(), broker.now_s
        elif fact == "frame":
            life.frame_arrived(now_s)
            frame_s = now_s
        elif fact == "state":
            channel = list(Channel)[int(number) % 2]
            life.stated(channel, now_s=now_s)
            stated.add(channel)
        elif fact == "gap":
            life.unstated(Channel.BALANCES, "gap", now_s=now_s)
            stated.discard(Channel.BALANCES)
        elif fact == "lose" and is_open:
            broker.lose()
            is_open = False
        elif fact in ("ok", "failed"):
            life.read_ended(ok=fact == "ok", now_s=now_s)
        assert (life.state is StreamState.LIVE) == (is_open and stated == set(Channel))
        assert (life.reason is None) == (life.state is StreamState.LIVE)
        if is_open and broker.now_s - frame_s >= 5.0:
            assert life.abort_reason(now_s=broker.now_s) == "silent"
        assert (life.connect_at_s() is None) == is_open


def watch() -> ClockWatch:
    clock = ClockWatch()
    assert clock.observe(now_s=100.0, awake_s=90.0, wall_us=5_000_000) is None
    return clock


def test_clocks_that_run_together_say_nothing() -> None:
    clock = watch()
    for second in range(1, 10):
        slewed_us = 5_000_000 + second * 1_000_500
        assert clock.observe(now_s=100.0 + second, awake_s=90.0 + second, wall_us=slewed_us) is None


@pytest.mark.parametrize("step_s", [-3600.0, 86400.0, 1.5, -1.5])
def test_wall_clock_that_was_set_is_told_with_its_step(step_s: float) -> None:
    jump = watch().observe(now_s=104.0, awake_s=94.0, wall_us=5_000_000 + int((4.0 + step_s) * 1_000_000))

    assert jump is not None
    assert jump.kind == "clock_jump"
    assert jump.by_s == pytest.approx(step_s)


def test_leap_second_is_no_jump() -> None:
    assert watch().observe(now_s=104.0, awake_s=94.0, wall_us=5_000_000 + 3_000_000) is None


def test_machine_that_slept_is_told_even_though_its_wall_clock_is_right() -> None:
    hours_s = 8 * 3600.0
    jump = watch().observe(now_s=101.0 + hours_s, awake_s=91.0, wall_us=5_000_000 + int((1 + hours_s) * 1e6))

    assert jump == ClockJump(kind="suspended", by_s=hours_s)


def test_process_that_was_stopped_is_told_though_all_clocks_agree() -> None:
    jump = watch().observe(now_s=700.0, awake_s=690.0, wall_us=605_000_000)

    assert jump == ClockJump(kind="paused", by_s=600.0)


def test_jump_is_told_once() -> None:
    clock = watch()
    assert clock.observe(now_s=104.0, awake_s=94.0, wall_us=99_000_000) is not None
    assert clock.observe(now_s=105.0, awake_s=95.0, wall_us=100_000_000) is None


def test_a_person_ends_a_wait_and_not_the_budget() -> None:
    broker = Broker(budget=ConnectionBudget(limit=8, window_s=600.0))
    for _ in range(8):
        at_s = broker.life.connect_at_s()
        assert at_s is not None
        broker.now_s = max(broker.now_s, at_s)
        broker.life.connecting(now_s=broker.now_s)
        broker.life.lost("unreachable", now_s=broker.now_s)
        if broker.budget.used(now_s=broker.now_s) == 6:
            assert (broker.life.connect_at_s() or 0.0) > broker.now_s
            broker.life.hurry(now_s=broker.now_s)
            assert broker.life.connect_at_s() == broker.now_s
    broker.life.hurry(now_s=broker.now_s)
    assert (broker.life.connect_at_s() or 0.0) > broker.now_s + 100
