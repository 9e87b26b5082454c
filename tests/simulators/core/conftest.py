"""The fake venue, and a clock that stands where it is put."""

from __future__ import annotations

import pytest

from tests.simulators.core.fake_venue import AcmeVenue


class HandClock:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.at_s = 100.0
        self.wall_at_us = 1_790_000_000_000_000

    def now_s(self) -> float:
        return self.at_s

    def awake_s(self) -> float:
        return self.at_s

    def wall_us(self) -> int:
        return self.wall_at_us + round((self.at_s - 100.0) * 1e6)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def venue() -> AcmeVenue:
    return AcmeVenue()
