"""The machine's clocks, as the rest of holdfast relies on them."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from holdfast.core.seams import Clock
from holdfast.runtime.clock import SystemClock


def test_system_clock_is_a_clock() -> None:
    clock: Clock = SystemClock()

    assert clock.now_s() > 0


def test_now_never_falls_and_moves() -> None:
    clock = SystemClock()
    readings = [clock.now_s() for _ in range(1000)]

    assert readings == sorted(readings)
    assert readings[-1] > readings[0]


def test_wall_clock_is_utc_in_microseconds() -> None:
    assert abs(SystemClock().wall_us() / 1e6 - time.time()) < 1.0


@pytest.mark.skipif(sys.platform != "linux", reason="what Linux calls its clocks")
def test_ages_run_through_suspend_and_awake_time_does_not_on_linux() -> None:
    clock = SystemClock()

    assert abs(clock.now_s() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1.0
    assert abs(clock.awake_s() - time.clock_gettime(time.CLOCK_MONOTONIC)) < 1.0


@pytest.mark.processes
def test_now_is_the_same_for_every_process() -> None:
    clock = SystemClock()
    code = "from holdfast.runtime.clock import SystemClock; print(SystemClock().now_s())"

    before_s = clock.now_s()
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert before_s < float(answer.stdout) < clock.now_s()
