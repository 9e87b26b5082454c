"""
What a desk is put together from: clock, wires, lanes, stores, locks. The real ones here; tests bring their own.

Everything is imported when it is first asked for, so that a command that needs no network loads none.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from holdfast.config import KNOWN_VENUES, BrokerConfig, Config
from holdfast.core.credentials import Credential
from holdfast.core.limits import ConnectionBudget, DecayingCounter, MakeCounter
from holdfast.core.seams import Clock, Emit, HttpWire, Lane, Randomness, RouteBook, Store, StreamWire
from holdfast.core.venue import SequencePolicy, StreamRules, Venue, VenueFacts
from holdfast.errors import ConfigError
from holdfast.runtime.attach.lines import LocalSockets
from holdfast.runtime.supervisor import LaneView

if TYPE_CHECKING:
    from holdfast.runtime.alert_outbox import ClosablePost
    from holdfast.runtime.readiness.surroundings import Surroundings
    from holdfast.runtime.state_folder import StateFolder

__all__ = ["Held", "OpenLane", "Parts", "open_routes", "real_parts", "venue_called"]


class Held(Protocol):
    """A lock that is held until it is released."""

    def check(self) -> None:
        """Prove that it is still ours; raises ``ClosedError`` where it is not."""
        ...

    def release(self) -> None:
        """Let it go; safe to repeat."""
        ...


class OpenLane(Lane, LaneView, Protocol):
    """A lane with what the supervisor asks of it."""


def _plain_surroundings(_: BrokerConfig, facts: VenueFacts, rest_url: str) -> Surroundings:
    """Of a broker whose reports are kept nowhere."""
    from holdfast.runtime.readiness.surroundings import Surroundings, look_at_tls

    return Surroundings(facts=facts, rest_url=rest_url, shelf=None, look_at_tls=look_at_tls)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """
    The makers of everything that touches the outside. Each is called once per broker while a desk opens.

    ``own`` takes the owner lock of a broker's, a credential's or an account's fingerprint and raises
    ``OwnedElsewhereError``; ``connections`` gives the connection budget of the host a stream connects to, shared by
    every broker of it; ``counters`` makes the counter of a credential's calls, this process's own where None;
    ``alerts`` makes what takes notices for people, or gives None where nobody is to be told;
    ``sockets`` is where owners are served and found, None where nobody attaches;
    ``surroundings`` says what a run of readiness has to know of a broker whose REST calls go to an address;
    ``routes`` opens the book in which the intents of an environment are bound to brokers, None where none is routed.
    """

    clock: Clock
    randomness: Randomness
    venue: Callable[[str], Venue]
    credential: Callable[[BrokerConfig, Venue], Credential]
    http: Callable[[BrokerConfig], HttpWire]
    streams: Callable[[BrokerConfig], StreamWire]
    lane: Callable[[BrokerConfig, Credential, Emit], OpenLane]
    store: Callable[[BrokerConfig, Emit], Awaitable[Store]]
    own: Callable[[BrokerConfig, str], Held]
    connections: Callable[[str, StreamRules], ConnectionBudget]
    counters: Callable[[BrokerConfig, Credential], MakeCounter] | None = None
    alerts: Callable[[Emit], ClosablePost | None] | None = None
    sockets: LocalSockets | None = None
    surroundings: Callable[[BrokerConfig, VenueFacts, str], Surroundings] = _plain_surroundings
    routes: Callable[[str], Awaitable[RouteBook]] | None = None


def venue_called(name: str) -> Venue:
    """
    The adapter of a venue, imported now.

    Raises:
        ConfigError: There is none of that name.
    """
    import importlib

    if name not in KNOWN_VENUES:
        raise ConfigError(f"no adapter for venue {name!a}; there are: {', '.join(KNOWN_VENUES)}")
    # A folder exports one value, which is called as the folder is.
    venue: Venue = getattr(importlib.import_module(f"holdfast.venues.{name}"), name.upper())
    return venue


def real_parts(config: Config) -> Parts:
    """
    The machine's clock, sockets, lane files, database and locks, as *config* says.

    Raises:
        ConfigError: The state folder cannot be used; it is made where it is missing.
    """
    from holdfast.runtime.attach.sockets import UnixSockets
    from holdfast.runtime.clock import SystemClock
    from holdfast.runtime.credentials import read_credential
    from holdfast.runtime.state_folder import StateFolder

    clock = SystemClock()
    folder = StateFolder.open(config.state_dir)
    folder.check_locks()
    randomness = random.SystemRandom()

    def http(broker: BrokerConfig) -> HttpWire:
        from holdfast.runtime.wire import AiohttpWire

        return AiohttpWire(clock=clock, ca_file=_beside(config, broker.ca_file))

    def streams(broker: BrokerConfig) -> StreamWire:
        from holdfast.runtime.wire import PicowsWire

        return PicowsWire(ca_file=_beside(config, broker.ca_file), must_be_simulator=broker.environment == "simulated")

    def lane(broker: BrokerConfig, credential: Credential, emit: Emit) -> OpenLane:
        from holdfast.runtime.lane import FileLane

        _refuse_coarser_nonces(broker, credential, folder)
        facts = venue_called(broker.venue).facts
        return FileLane(
            folder.lane_path(credential.fingerprint),
            clock=clock,
            name=broker.name,
            venue=broker.venue,
            emit=emit,
            forward_buffer_us=config.lane.forward_buffer_us,
            wait_s=config.lane.wait_s,
            sequence=facts.sequence,
            in_flight_max=broker.requests_in_flight or facts.in_flight_max,
            nonce_window=broker.nonce_window,
        )

    async def store(broker: BrokerConfig, emit: Emit) -> Store:
        from holdfast.runtime.journal_mark import JournalMark
        from holdfast.store.sqlite import SqliteStore

        place = {"environment": broker.environment, "name": broker.name}
        return await SqliteStore.open(
            folder.database_path(**place),
            wall_us=clock.wall_us,
            keep_days=config.journal.keep_days,
            emit=emit,
            broker=broker.name,
            journal_mark=JournalMark.open(folder.journal_mark_path(**place)),
            on_damage=config.journal.on_damage,
        )

    def own(broker: BrokerConfig, fingerprint: str) -> Held:
        from holdfast.runtime.ownership import OwnerLock

        return OwnerLock.take(folder.owner_lock_path(fingerprint), broker=broker.name, wall_us=clock.wall_us)

    def connections(ws_url: str, rules: StreamRules) -> ConnectionBudget:
        from holdfast.runtime.connections import SharedBudget

        host = hashlib.sha256(urlsplit(ws_url).netloc.encode()).hexdigest()[:16]
        beside = folder.owner_lock_path(host).with_name(f"connections-{host}")
        return SharedBudget(beside, limit=rules.connect_budget, window_s=rules.connect_budget_window_s)

    def counters(broker: BrokerConfig, credential: Credential) -> MakeCounter:
        from holdfast.runtime.counters import SharedCounter

        def make(*, maximum: float, decay_per_s: float, now_s: float, name: str = "") -> DecayingCounter:
            path = folder.counter_path(credential.fingerprint, name)
            return SharedCounter(path, maximum=maximum, decay_per_s=decay_per_s, now_s=now_s)

        return make

    def alerts(emit: Emit) -> ClosablePost | None:
        from holdfast.runtime.alert_addresses import check_extra, read_addresses
        from holdfast.runtime.alert_outbox import Outbox, through_apprise

        addresses = read_addresses(config)
        if not addresses:
            return None
        check_extra()
        outbox = Outbox(addresses, connect=through_apprise, within_s=config.alerts.send_within_s, emit=emit)
        outbox.prepare()
        return outbox

    def surroundings(broker: BrokerConfig, facts: VenueFacts, rest_url: str) -> Surroundings:
        from holdfast.runtime.readiness.shelf import Shelf
        from holdfast.runtime.readiness.surroundings import Surroundings, look_at_tls

        place = folder.broker_folder(environment=broker.environment, name=broker.name)
        ca_file = _beside(config, broker.ca_file)
        return Surroundings(
            facts=facts,
            rest_url=rest_url,
            shelf=Shelf(place / "readiness"),
            look_at_tls=lambda url: look_at_tls(url, ca_file=ca_file),
        )

    async def routes(environment: str) -> RouteBook:
        return await open_routes(folder, environment)

    return Parts(
        clock=clock,
        randomness=randomness,
        venue=venue_called,
        credential=lambda broker, venue: read_credential(broker, venue, config=config),
        http=http,
        streams=streams,
        lane=lane,
        store=store,
        own=own,
        connections=connections,
        counters=counters,
        alerts=alerts,
        sockets=UnixSockets(folder),
        routes=routes,
        surroundings=surroundings,
    )


async def open_routes(folder: StateFolder, environment: str) -> RouteBook:
    """The book of a host in which the intents of an environment are bound to brokers. Suspends."""
    from holdfast.store.sqlite.routes import SqliteRoutes

    return await SqliteRoutes.open(folder.routes_path(environment=environment))


def _refuse_coarser_nonces(broker: BrokerConfig, credential: Credential, folder: StateFolder) -> None:
    """
    A key that counted in microseconds at its own adapter is of no use behind ccxt, which counts in milliseconds.

    Raises:
        ConfigError: It is such a key; names the fix. Nothing was sent with it.
    """
    if broker.exchange is None:
        return
    for name in KNOWN_VENUES:
        venue = venue_called(name)
        if name == broker.venue or venue.facts.sequence is not SequencePolicy.INCREASING_PER_KEY:
            continue
        own = Credential(venue=name, key=credential.key, secret="")
        if folder.lane_path(own.fingerprint).exists():
            raise ConfigError(
                f"brokers.{broker.name}: this key was used with venue = {name}, which counts nonces in microseconds; "
                f"ccxt counts in milliseconds, and {name} refuses every number below the highest that it has seen: "
                f"use venue = {name} for this key, or make another key for venue = {broker.venue}"
            )


def _beside(config: Config, name: str | None) -> str | None:
    """A path of the configuration, which starts at the configuration's own folder."""
    if name is None or config.path is None:
        return name
    return str(Path(config.path).parent / Path(name).expanduser())
