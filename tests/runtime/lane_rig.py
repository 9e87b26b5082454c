"""What the lane's tests stand on: a fake clock, recorded events, a disk that can be told to fail or to hang."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path
from typing import Any

from holdfast.core.events import Event
from holdfast.core.seams import Clock
from holdfast.core.venue import ServerTime
from holdfast.runtime.lane import FileLane
from holdfast.testing import FakeClock


class Disk:
    """A ``Sync`` without a disk, that fails or hangs on demand."""

    def __init__(self) -> None:
        self.syncs = 0
        self.error: int | None = None
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.is_reached = threading.Event()

    def __call__(self, fd: int) -> None:
        self.is_reached.set()
        self.goes_on.wait(20)
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        self.syncs += 1

    def fail(self, code: int = errno.EIO) -> None:
        self.error = code

    def hang(self) -> None:
        self.is_reached.clear()
        self.goes_on.clear()

    async def reached(self) -> None:
        """Until a write hangs."""
        assert await asyncio.to_thread(self.is_reached.wait, 10)

    def heal(self) -> None:
        self.error = None
        self.goes_on.set()


class Rig:
    """Lanes on one path, and everything they see and say."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lane-0123456789abcdef"
        self.clock = FakeClock()
        self.disk = Disk()
        self.events: list[Event] = []

    def lane(self, *, clock: Clock | None = None, **settings: Any) -> FileLane:
        settings.setdefault("name", "kraken-master")
        settings.setdefault("venue", "kraken")
        settings.setdefault("sync", self.disk)
        settings.setdefault("emit", self.events.append)
        return FileLane(settings.pop("path", self.path), clock=clock or self.clock, **settings)

    def now_us(self) -> int:
        return self.clock.wall_us()

    def said(self, name: str) -> list[dict[str, Any]]:
        return [event.fields for event in self.events if event.name == name]

    def venue_time(self, *, off_s: float = 0.0) -> ServerTime:
        """What a venue says that is *off_s* off the true time."""
        now_s = self.clock.now_s()
        return ServerTime(
            venue_time_s=float(int(self.clock.true_wall_us() / 1e6 + off_s)),
            resolution_s=1.0,
            sent_s=now_s,
            received_s=now_s,
            wall_us=self.clock.wall_us(),
        )
