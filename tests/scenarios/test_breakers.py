"""What opens no breaker and what is silence, in small; and that the judge of breakers can say no."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdfast.core.breakers import BreakerState
from holdfast.core.events import event
from holdfast.runtime.views import BreakerStatus, BrokerStatus, CapabilityHealth
from holdfast.testing import run_virtual
from tests.scenarios.breakers_judge import BreakerJudge
from tests.scenarios.lives import Record
from tests.scenarios.quiet import BUSINESS, lockout_silence, refused_orders, revoked_key

HORIZON_S = 40 * 86_400


@pytest.mark.parametrize("error", ["EOrder:Insufficient funds", "EOrder:Rate limit exceeded", "EOrder:Invalid price"])
def test_refused_orders_open_no_breaker(error: str) -> None:
    assert error in BUSINESS
    found = run_virtual(refused_orders(error, orders=30), seed=1, horizon_s=HORIZON_S)
    assert set(found["openings"].values()) == {0}
    assert (found["error_count"], found["is_available"]) == (0, True)


def test_nothing_reaches_the_venue_during_a_lockout() -> None:
    found = run_virtual(lockout_silence(for_s=300.0), seed=1, horizon_s=HORIZON_S)
    assert found["asked"] > 100
    assert found["silent_for_s"] > 600
    assert found["calls"] == 0
    assert found["afterwards"] > 0


def test_a_key_that_is_gone_is_parked_by_name_and_tried_once_in_five_minutes() -> None:
    found = run_virtual(revoked_key(hours=1.0), seed=1, horizon_s=HORIZON_S)
    assert found["cause"] == "bad_key"  # The lane in memory remembers no health.
    assert found["parked_after_s"] < 60
    assert 5 <= found["signed_calls"] <= found["allowed"]
    assert set(found["openings"].values()) == {0}


# The judge judged


class _View:
    """A client that says what a test lets it say."""

    def __init__(self) -> None:
        self.states: dict[str, BreakerState] = dict.fromkeys(("read", "trade", "stream"), BreakerState.CLOSED)
        self.retry_after_s: float | None = 0.0
        self.available = True
        self.stream = "live"
        self.errors = 0

    def is_available(self) -> bool:
        return self.available

    def get_error_count(self) -> int:
        return self.errors

    def status(self) -> BrokerStatus:
        view = self

        class Status:
            is_available = view.available

            class stream:  # noqa: N801
                state = view.stream

            capabilities = tuple(view._health(name) for name in view.states)

            @staticmethod
            def capability(name: str) -> CapabilityHealth:
                return view._health(name)

        return Status()  # type: ignore[return-value]

    def _health(self, name: str) -> CapabilityHealth:
        return CapabilityHealth(
            name=name,
            breaker=BreakerStatus(
                state=self.states[name],
                retry_after_s=self.retry_after_s,
                open_for_s=None,
                why=None,
                is_stuck=False,
                openings=0,
            ),
            error_count=0,
            last_success_age_s=None,
            latency_s=None,
            last_fault=None,
            last_error=None,
            last_fault_age_s=None,
        )


class _Clock:
    def __init__(self) -> None:
        self.at_s = 1000.0

    def now_s(self) -> float:
        return self.at_s

    def awake_s(self) -> float:
        return self.at_s

    def wall_us(self) -> int:
        return int(self.at_s * 1e6)


class _Bench:
    """A judge, a client and a clock."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self.clock = _Clock()
        self.record = Record()
        self.view = _View()
        self.judge = BreakerJudge(
            record=self.record,
            clock=self.clock,
            trials=1,
            break_max_s={"read": 30.0, "trade": 60.0},
            violated=lambda name, text: self.broken.append(name),
        )
        self.judge.watch(self.view)

    def say(self, name: str, capability: str = "trade", **fields: Any) -> None:
        self.judge.on_event(event(f"breaker.{name}", broker="b", capability=capability, **fields))

    def open(self, capability: str = "trade", retry_after_s: float | None = 5.0) -> None:
        self.say("opened", capability, failures=3, fault="network", retry_after_s=retry_after_s)

    def approve(self, intent: str, *, side: str = "buy", code: str = "approved") -> None:
        self.judge.on_event(
            event("verdict.given", broker="b", code=code, symbol="BTC-USD", side=side, intent_id=intent)
        )


def _order_through_an_open_breaker(b: _Bench) -> None:
    b.open()
    b.approve("x")


def _two_trials_at_once(b: _Bench) -> None:
    b.open()
    b.say("half_opened")
    b.approve("x")
    b.approve("y")


def _exit_denied(b: _Bench) -> None:
    b.open()
    b.approve("x", side="sell", code="breaker_open")


def _denied_by_a_closed_breaker(b: _Bench) -> None:
    b.approve("x", code="breaker_open")


def _available_while_open(b: _Bench) -> None:
    b.view.states["trade"] = BreakerState.OPEN
    b.judge.look(b.view)


def _available_with_nothing_proven(b: _Bench) -> None:
    b.view.states["read"] = BreakerState.HALF_OPEN
    b.view.stream = "degraded"
    b.judge.look(b.view)


def _waits_for_ever(b: _Bench) -> None:
    b.view.retry_after_s = 3600.0
    b.judge.look(b.view)


def _a_break_too_long(b: _Bench) -> None:
    b.open("trade", retry_after_s=61.0)


def _read_in_a_break(b: _Bench) -> None:
    b.open("read")
    b.clock.at_s += 2.0
    b.record.asked.append(b.clock.at_s)
    b.clock.at_s += 2.0
    b.say("half_opened", "read")
    b.judge.judge_run()


def _closed_by_a_person(b: _Bench) -> None:
    b.say("reset", before="open")


def _forgotten_by_a_restart(b: _Bench) -> None:
    b.view.states["trade"] = BreakerState.OPEN
    b.judge.unwatch(b.view)
    b.view.states["trade"] = BreakerState.CLOSED
    b.judge.watch(b.view)


@pytest.mark.parametrize(
    ("lie", "invariant"),
    [
        (_order_through_an_open_breaker, "I8"),
        (_two_trials_at_once, "I8"),
        (_exit_denied, "P8"),
        (_denied_by_a_closed_breaker, "I14"),
        (_available_while_open, "I14"),
        (_available_with_nothing_proven, "I14"),
        (_waits_for_ever, "I7"),
        (_a_break_too_long, "I7"),
        (_read_in_a_break, "I8"),
        (_closed_by_a_person, "I7"),
        (_forgotten_by_a_restart, "P6"),
    ],
)
def test_the_judge_of_breakers_sees_each_lie(lie: Callable[[_Bench], None], invariant: str) -> None:
    bench = _Bench()
    lie(bench)
    assert invariant in bench.broken


def test_the_judge_of_breakers_finds_nothing_wrong_with_a_breaker_that_does_as_it_should() -> None:
    bench = _Bench()
    bench.approve("before")
    bench.open()
    bench.approve("denied", code="breaker_open")
    bench.approve("exit", side="sell")
    bench.clock.at_s += 5.0
    bench.say("half_opened")
    bench.approve("trial")
    bench.judge.came_back("trial")
    bench.approve("another trial")
    bench.say("closed", after_s=5.0)
    bench.open("read")
    bench.clock.at_s += 5.0
    bench.say("half_opened", "read")
    bench.record.asked.append(bench.clock.at_s)
    bench.say("closed", "read", after_s=5.0)
    bench.judge.look(bench.view)
    bench.judge.judge_run()
    assert bench.broken == []
    assert bench.judge.shut(bench.view) == []
