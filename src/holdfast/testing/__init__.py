"""
What tests of holdfast stand on, and tests of bots may too: virtual time, fake
clocks, lanes and venues in memory, and a simulator in a process of its own.

Each name is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.testing.clocks import FakeClock as FakeClock
    from holdfast.testing.clocks import WorldClock as WorldClock
    from holdfast.testing.lanes import MemoryLane as MemoryLane
    from holdfast.testing.local_venues import LocalVenue as LocalVenue
    from holdfast.testing.local_venues import local_venue as local_venue
    from holdfast.testing.parts import MemoryOwners as MemoryOwners
    from holdfast.testing.parts import memory_config as memory_config
    from holdfast.testing.parts import memory_parts as memory_parts
    from holdfast.testing.proxies import TcpLink as TcpLink
    from holdfast.testing.proxies import TcpProxy as TcpProxy
    from holdfast.testing.proxies import TcpWay as TcpWay
    from holdfast.testing.proxies import tcp_proxy as tcp_proxy
    from holdfast.testing.sockets import MemorySockets as MemorySockets
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
    "LocalVenue",
    "MemoryLane",
    "MemoryOwners",
    "MemorySockets",
    "RealWaitError",
    "StuckError",
    "TcpLink",
    "TcpProxy",
    "TcpWay",
    "VirtualTimeLoop",
    "WorldClock",
    "local_venue",
    "memory_config",
    "memory_parts",
    "run_virtual",
    "tcp_proxy",
]

_HOMES = {
    "FakeClient": "venues",
    "FakeClock": "clocks",
    "FakeStream": "venues",
    "FakeVenue": "venues",
    "LocalVenue": "local_venues",
    "MemoryLane": "lanes",
    "MemoryOwners": "parts",
    "MemorySockets": "sockets",
    "RealWaitError": "virtual_time",
    "StuckError": "virtual_time",
    "TcpLink": "proxies",
    "TcpProxy": "proxies",
    "TcpWay": "proxies",
    "VirtualTimeLoop": "virtual_time",
    "WorldClock": "clocks",
    "local_venue": "local_venues",
    "memory_config": "parts",
    "memory_parts": "parts",
    "run_virtual": "virtual_time",
    "tcp_proxy": "proxies",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'holdfast.testing' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"holdfast.testing.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
