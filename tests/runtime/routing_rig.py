"""Two or three fake venues under one desk, one for each broker: what the tests of routing stand on."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import holdfast
from holdfast.config import BrokerConfig, Config
from holdfast.config.routing import RoutingSettings
from holdfast.core.events import Event
from holdfast.core.seams import Emit, RouteBook, Store
from holdfast.core.venue import Venue
from holdfast.runtime.attach.connect import Connecting
from holdfast.runtime.open import Mode
from holdfast.runtime.parts import Parts
from holdfast.store.sqlite import SqliteStore
from holdfast.store.sqlite.routes import SqliteRoutes
from holdfast.testing import FakeClient, FakeClock, FakeStream, FakeVenue, MemoryLane, MemoryOwners, MemorySockets
from holdfast.testing.parts import memory_parts

FUNDS = {"USD": ("100000", "0"), "BTC": ("5", "0")}


class _ByPath:
    """Sockets of this host by their paths."""

    def __init__(self, sockets: MemorySockets) -> None:
        self._sockets = sockets
        self.serve = sockets.serve

    def connect(self, place: Any, end: Any) -> Any:
        environment, _, name = place.path.strip("/").partition("/")
        return self._sockets.connect(type(place)(environment=environment, name=name), end)


class Host:
    """
    One pretended host: its venues, its stores, its book of routes, its sockets. Desks on it share all of them.

    *folder* keeps the stores beyond a desk.
    """

    def __init__(self, *names: str, folder: Path | None = None, funds: Mapping[str, tuple[str, str]] = FUNDS) -> None:
        self.clock = FakeClock(asyncio.get_running_loop())
        self.names = names or ("one", "two")
        self.venues = {name: FakeVenue(funds) for name in self.names}
        self.owners = MemoryOwners()
        self.sockets = MemorySockets()
        self.lanes: dict[str, MemoryLane] = {}
        self.folder = folder
        self.events: list[Event] = []
        self.books: list[SqliteRoutes] = []

    def parts(self) -> Parts:
        made = memory_parts(
            clock=self.clock,
            venue=FakeVenue(),
            owners=self.owners,
            sockets=self.sockets,
            lanes=self.lanes,
            routes=self.open_book,
        )
        return dataclasses.replace(made, venue=self._venue, store=self._store)

    def _venue(self, name: str) -> Venue:
        return self.venues[name]

    async def _store(self, broker: BrokerConfig, emit: Emit) -> Store:
        path = ":memory:" if self.folder is None else self.folder / f"{broker.name}.db"
        return await SqliteStore.open(path, wall_us=self.clock.wall_us, writer="inline", emit=emit, broker=broker.name)

    async def open_book(self, environment: str) -> RouteBook:
        path = ":memory:" if self.folder is None else self.folder / f"routes-{environment}.db"
        self.books.append(await SqliteRoutes.open(path, writer="inline"))
        return self.books[-1]

    def config(self, *names: str, routing: RoutingSettings | None = None, **environments: Any) -> Config:
        made = {
            name: BrokerConfig(
                name=name,
                venue=name,
                environment=environments.get(name, "simulated"),
                rest_url="http://127.0.0.1:1",
                ws_url=f"ws://127.0.0.1:1/{name}",
            )
            for name in names or self.names
        }
        return Config(brokers=made, routing=routing or RoutingSettings())

    @contextlib.asynccontextmanager
    async def desk(
        self, *names: str, mode: Mode = "auto", routing: RoutingSettings | None = None, waits: bool = True
    ) -> AsyncIterator[holdfast.Desk]:
        opening = holdfast.open(
            self.config(*names, routing=routing), mode=mode, parts=self.parts(), on_event=self.events.append
        )
        async with opening as desk:
            if waits:
                await desk.ready()
            yield desk

    @contextlib.asynccontextmanager
    async def connected(self, name: str, state_dir: Path) -> AsyncIterator[holdfast.Desk]:
        """A desk that knows nothing but a socket."""
        opening = Connecting(
            f"unix:/simulated/{name}",
            state_dir=state_dir,
            wait_s=10.0,
            on_event=self.events.append,
            sockets=_ByPath(self.sockets),
            clock=self.clock,
        )
        async with opening as desk:
            await desk.ready()
            yield desk

    def client(self, name: str) -> FakeClient:
        return self.venues[name].clients[-1]

    def stream(self, name: str) -> FakeStream:
        return self.venues[name].streams[-1]

    def sent(self, name: str) -> int:
        """How many orders were handed to a wire of this venue's."""
        venue = self.venues[name]
        return sum(len(each.sent) for each in venue.clients) + sum(len(each.sent) for each in venue.streams)

    def said(self, name: str) -> list[dict[str, Any]]:
        return [event.fields for event in self.events if event.name == name]
