"""A breaker with a clock that stands still until it is told, and no jitter unless a test wants some."""

from __future__ import annotations

from typing import Any

from holdfast.core.breakers import Breaker, BreakerRecord, BreakerSettings, BreakerState
from holdfast.errors import FaultClass

WALL_US = 1_800_000_000_000_000


class Dice:
    """Always the same number."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def random(self) -> float:
        return self.value

    def uniform(self, a: float, b: float, /) -> float:
        return a + (b - a) * self.value


class Rig:
    """One breaker at one moment."""

    def __init__(self, *, dice: float = 0.0, now_s: float = 1000.0, **changes: Any) -> None:
        self.settings = BreakerSettings(**changes)
        self.now_s = now_s
        self.dice = Dice(dice)
        self.breaker = Breaker(self.settings, now_s, randomness=self.dice)

    @property
    def state(self) -> BreakerState:
        return self.breaker.state(self.now_s)

    def tick(self, seconds: float) -> Rig:
        self.now_s += seconds
        return self

    def fail(self, times: int = 1, *, fault: FaultClass = FaultClass.NETWORK, took_s: float = 0.0) -> Rig:
        for _ in range(times):
            self.breaker.failed(fault, self.now_s, took_s)
        return self

    def succeed(self, took_s: float = 0.0) -> Rig:
        self.breaker.succeeded(self.now_s, took_s)
        return self

    def allow(self) -> bool:
        return self.breaker.allow(self.now_s)

    def retry_after_s(self) -> float | None:
        return self.breaker.retry_after_s(self.now_s)

    def open(self) -> Rig:
        """Open for its first break."""
        self.fail(self.settings.failure_threshold)
        assert self.state is BreakerState.OPEN
        return self

    def half_open(self) -> Rig:
        """Open, and wait until the break is over."""
        self.open()
        left_s = self.retry_after_s()
        assert left_s is not None
        return self.tick(left_s)

    def record(self, wall_us: int = WALL_US) -> BreakerRecord:
        return self.breaker.snapshot(now_s=self.now_s, wall_us=wall_us)

    def after_restart(self, record: BreakerRecord, *, wall_us: int, now_s: float = 5.0) -> Rig:
        """Another process, whose clock that never steps began anew."""
        again = Rig(dice=self.dice.value, now_s=now_s)
        again.settings = self.settings
        again.breaker = Breaker(self.settings, now_s, randomness=self.dice)
        again.breaker.restore(record, now_s=now_s, wall_us=wall_us)
        return again
