"""
What tests of holdfast stand on, and tests of bots may too: virtual time, a fake clock, a lane and a venue in memory.

Each name is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.testing.clocks import FakeClock as FakeClock
    from holdfast.testing.clocks import WorldClock as WorldClock
    from holdfast.testing.lanes import MemoryLane as MemoryLane
    from holdfast.testing.venues import FakeClient as FakeClient
    from holdfast.testing.venues import FakeStream as FakeStream
    from holdfast.testing.venues import FakeVenue as FakeVenue
    from holdfast.testing.virtual_time import RealWaitError as RealWaitError
    from holdfast.testing.virtual_time import StuckError as StuckError
    from holdfast.testing.virtual_time import VirtualTimeLoop as VirtualTimeLoop
    from holdfast.testing.virtual_time import run_virtual as run_virtual

__all__ = [
    "FakeClient",
    "FakeClock",
    "FakeStream",
    "FakeVenue",
    "MemoryLane",
    "RealWaitError",
    "StuckError",
    "VirtualTimeLoop",
    "WorldClock",
    "run_virtual",
]

_HOMES = {
    "FakeClient": "venues",
    "FakeClock": "clocks",
    "FakeStream": "venues",
    "FakeVenue": "venues",
    "MemoryLane": "lanes",
    "RealWaitError": "virtual_time",
    "StuckError": "virtual_time",
    "VirtualTimeLoop": "virtual_time",
    "WorldClock": "clocks",
    "run_virtual": "virtual_time",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'holdfast.testing' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"holdfast.testing.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
