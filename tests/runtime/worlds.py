"""A desk, a fake venue and a fake clock on virtual time: what the tests of this room stand on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import holdfast
from holdfast.core.events import Event
from holdfast.runtime.parts import Parts
from holdfast.runtime.supervisor import Contact
from holdfast.testing import FakeClient, FakeClock, FakeStream, FakeVenue
from holdfast.testing.parts import memory_config, memory_parts


@dataclass
class World:
    """One open desk with one broker, and everything around it."""

    clock: FakeClock
    venue: FakeVenue
    desk: holdfast.Desk
    events: list[Event] = field(default_factory=list)

    @property
    def broker(self) -> holdfast.Broker:
        return next(iter(self.desk))

    @property
    def client(self) -> FakeClient:
        return self.venue.clients[-1]

    @property
    def stream(self) -> FakeStream:
        return self.venue.streams[-1]

    def said(self, name: str) -> list[dict[str, Any]]:
        """The fields of every event called *name*, in order."""
        return [event.fields for event in self.events if event.name == name]

    def state(self, asset: str = "USD") -> str:
        return self.broker.balance(asset).state.value

    def reason(self, asset: str = "USD") -> str | None:
        return self.broker.balance(asset).reason

    def total(self, asset: str = "USD") -> str:
        total = self.broker.balance(asset).total
        return "unknown" if total is None else format(total, "f")

    def asked(self, *names: str) -> list[float]:
        """When the venue was asked for *names* (any call when none), our clock."""
        return [at_s for at_s, name in self.client.asked if not names or name in names]


@contextlib.asynccontextmanager
async def world(
    *names: str,
    venue: FakeVenue | None = None,
    clock: FakeClock | None = None,
    parts: Parts | None = None,
    contact: Contact = "stream",
    settings: dict[str, Any] | None = None,
) -> AsyncIterator[World]:
    """Open a desk over a fake venue on the running loop's time."""
    clock = clock or FakeClock(asyncio.get_running_loop())
    venue = venue or FakeVenue()
    events: list[Event] = []
    async with holdfast.open(
        memory_config(*names, **(settings or {})),
        contact=contact,
        parts=parts or memory_parts(clock=clock, venue=venue),
        on_event=events.append,
    ) as desk:
        yield World(clock=clock, venue=venue, desk=desk, events=events)
