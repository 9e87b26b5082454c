"""A desk's parts in memory: everything real but for sockets, lane files, locks and the disk."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Awaitable, Callable

from holdfast.config import BrokerConfig, Config
from holdfast.core.credentials import Credential
from holdfast.core.limits import ConnectionBudget
from holdfast.core.seams import Clock, Emit, HttpWire, RouteBook, StreamWire
from holdfast.core.venue import StreamRules, Venue
from holdfast.errors import ClosedError, OwnedElsewhereError
from holdfast.runtime.attach.lines import LocalSockets
from holdfast.runtime.parts import Parts
from holdfast.store.sqlite import SqliteStore
from holdfast.store.sqlite.routes import SqliteRoutes
from holdfast.testing.lanes import MemoryLane
from holdfast.testing.wires import NoHttp, NoStreams

__all__ = ["MemoryOwners", "memory_config", "memory_parts"]


class MemoryOwners:
    """Owner locks of one pretended host: who shares this object competes for accounts."""

    def __init__(self) -> None:
        self._held: set[str] = set()

    def own(self, broker: BrokerConfig, fingerprint: str) -> _MemoryHeld:
        """Take the lock of *fingerprint* for *broker*."""
        if fingerprint in self._held:
            raise OwnedElsewhereError("another desk of this test owns the account", pid=os.getpid(), host=None)
        self._held.add(fingerprint)
        return _MemoryHeld(self._held, fingerprint)

    def forget(self) -> None:
        """Somebody removed the lock files."""
        self._held.clear()


class _MemoryHeld:
    def __init__(self, held: set[str], fingerprint: str) -> None:
        self._held = held
        self._fingerprint = fingerprint

    def check(self) -> None:
        if self._fingerprint not in self._held:
            raise ClosedError("the test took this lock away")

    def release(self) -> None:
        self._held.discard(self._fingerprint)


def memory_parts(
    *,
    clock: Clock,
    venue: Venue,
    credential: Credential | None = None,
    http: Callable[[BrokerConfig], HttpWire] | None = None,
    streams: Callable[[BrokerConfig], StreamWire] | None = None,
    owners: MemoryOwners | None = None,
    lanes: dict[str, MemoryLane] | None = None,
    sockets: LocalSockets | None = None,
    store_path: str | os.PathLike[str] = ":memory:",
    connection_class: type[sqlite3.Connection] = sqlite3.Connection,
    seed: int = 0,
    routes: Callable[[str], Awaitable[RouteBook]] | None = None,
) -> Parts:
    """
    Parts that need no file, socket or thread, unless *store_path* names a file.

    Args:
        clock: A ``FakeClock`` of the virtual loop, as a rule.
        venue: What every broker's venue is, whatever it is called.
        credential: What every broker's credential is; one simulator's key for each when None.
        http: Wires of REST; none that works when None, for venues that need none.
        streams: Wires of streams, likewise.
        owners: Shared between desks that compete for accounts.
        lanes: Where lanes are kept by fingerprint; pass it again to go on with the same marks.
        sockets: Shared between desks of one pretended host that attach to each other; nobody attaches when None.
        store_path: A file keeps the journal beyond a desk; ``":memory:"`` forgets it.
        connection_class: Opens the store's connections: the place for a disk that fails.
        seed: Draws every jitter.
        routes: Opens the book in which an environment's intents are bound; one in memory for each desk when None.
    """
    kept_lanes = {} if lanes is None else lanes
    budgets: dict[str, ConnectionBudget] = {}

    def key_of(broker: BrokerConfig, _: Venue) -> Credential:
        if credential is not None:
            return credential
        return Credential(venue=venue.id, key=f"SIM-{broker.name}", secret="c2VjcmV0")  # noqa: S106  # Of no venue.

    def lane(broker: BrokerConfig, credential: Credential, emit: Emit) -> MemoryLane:
        if credential.fingerprint not in kept_lanes:
            facts = venue.facts
            in_flight_max = broker.requests_in_flight or facts.in_flight_max
            kept_lanes[credential.fingerprint] = MemoryLane(clock, sequence=facts.sequence, in_flight_max=in_flight_max)
        return kept_lanes[credential.fingerprint]

    async def store(broker: BrokerConfig, emit: Emit) -> SqliteStore:
        return await SqliteStore.open(
            store_path,
            wall_us=clock.wall_us,
            writer="inline",
            emit=emit,
            broker=broker.name,
            connection_class=connection_class,
        )

    def connections(ws_url: str, rules: StreamRules) -> ConnectionBudget:
        if ws_url not in budgets:
            budgets[ws_url] = ConnectionBudget(limit=rules.connect_budget, window_s=rules.connect_budget_window_s)
        return budgets[ws_url]

    async def memory_routes(environment: str) -> RouteBook:
        return await SqliteRoutes.open(":memory:", writer="inline")

    return Parts(
        clock=clock,
        randomness=random.Random(seed),  # noqa: S311  # Reproducible on purpose.
        venue=lambda _: venue,
        credential=key_of,
        http=http or (lambda _: NoHttp()),
        streams=streams or (lambda _: NoStreams()),
        lane=lane,
        store=store,
        own=(owners or MemoryOwners()).own,
        connections=connections,
        sockets=sockets,
        routes=routes or memory_routes,
    )


def memory_config(*names: str, venue: str = "acme", **settings: object) -> Config:
    """A configuration of simulated brokers called *names* (``acme-master`` when none); *settings* go to each."""
    made = {
        name: BrokerConfig(
            name=name,
            venue=venue,
            environment="simulated",
            rest_url="http://127.0.0.1:1",
            ws_url="ws://127.0.0.1:1/v2",
            **settings,  # type: ignore[arg-type]
        )
        for name in names or ("acme-master",)
    }
    return Config(brokers=made)
