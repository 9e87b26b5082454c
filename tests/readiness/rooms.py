"""A host with one broker at a simulated venue, in memory on virtual time, for one measurement of readiness."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from holdfast.config import BrokerConfig
from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.core.readiness import ReadinessReport
from holdfast.core.venue import Venue, VenueFacts
from holdfast.runtime.credentials import read_credential
from holdfast.runtime.parts import Parts
from holdfast.runtime.readiness.shelf import Shelf
from holdfast.runtime.readiness.surroundings import Surroundings, look_at_tls
from holdfast.runtime.readiness.unopened import verify
from holdfast.simulators.core.faults import FaultPlan
from holdfast.simulators.core.memory import MemoryFront
from holdfast.testing import FakeClock, MemoryLane, MemoryOwners, MemorySockets, memory_config, memory_parts
from tests.scenarios.venues import PLAYS

__all__ = ["Room"]


class Room:
    """
    One venue and what a broker needs to be opened at it; state outlives the desks that use it.

    Attributes:
        environ: Where the credential is read from, as a person set it: a test may spoil it.
        events: What was told during measurements.
    """

    def __init__(
        self,
        venue: str,
        *,
        profile: str = "plain",
        settings: Mapping[str, Any] | None = None,
        configured: Mapping[str, Any] | None = None,
        folder: Path | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.play = PLAYS[venue]
        self.clock = FakeClock(loop)
        self.venue: Any = self.play.simulate(
            settings=settings or {}, seed=1, profile=profile, clock=self.clock.world(), timers=loop
        )
        plan = FaultPlan(self.clock.world(), impair=self.venue.impair)
        self.front = MemoryFront(self.venue, clock=self.clock.world(), plan=plan, latency_s=(0.01, 0.03))
        self.lanes: dict[str, MemoryLane] = {}
        self.sockets = MemorySockets()
        self.owners = MemoryOwners()
        self.folder = folder
        self.store_path = ":memory:" if folder is None else str(folder / "holdfast.db")
        self.events: list[Event] = []
        config = memory_config(self.play.broker, venue=venue, **(configured or {}))
        broker = msgspec.structs.replace(config.brokers[self.play.broker], ws_url=self.play.ws_url)
        self.config = msgspec.structs.replace(config, brokers={broker.name: broker})
        self.environ: dict[str, str] = {}
        self.use_key(next(each for each in self.venue.credentials() if each["account"] == "master"))

    @property
    def broker(self) -> BrokerConfig:
        return self.config.brokers[self.play.broker]

    def use_key(self, key: Mapping[str, Any]) -> None:
        """Put a key in place, as the venue's ``credentials()`` or an event's answer have it."""
        key = key.get("credential", key)
        prefix = self.broker.variable_prefix
        self.environ = {f"{prefix}_API_KEY": key["key"], f"{prefix}_API_SECRET": key["secret"]}
        if key.get("passphrase"):
            self.environ[f"{prefix}_API_PASSPHRASE"] = key["passphrase"]

    def configure(self, **settings: Any) -> None:
        """Change the broker's configuration."""
        broker = msgspec.structs.replace(self.broker, **settings)
        self.config = msgspec.structs.replace(self.config, brokers={broker.name: broker})

    def parts(self) -> Parts:
        made = memory_parts(
            clock=self.clock,
            venue=self.play.adapter,
            http=lambda _: self.front.http_wire(clock=self.clock),
            streams=lambda _: self.front.stream_wire(),
            owners=self.owners,
            sockets=self.sockets,
            lanes=self.lanes,
            store_path=self.store_path,
        )
        return dataclasses.replace(made, credential=self._credential, surroundings=self._surroundings)

    def _credential(self, broker: BrokerConfig, venue: Venue) -> Credential:
        return read_credential(broker, venue, config=self.config, environ=dict(self.environ))

    def _surroundings(self, _: BrokerConfig, facts: VenueFacts, rest_url: str) -> Surroundings:
        shelf = None if self.folder is None else Shelf(self.folder / "readiness")
        return Surroundings(facts=facts, rest_url=rest_url, shelf=shelf, look_at_tls=look_at_tls)

    async def measured(self, *, timeout_s: float = 180.0) -> ReadinessReport:
        """One measurement, as the command makes it."""
        return await verify(
            self.config, self.play.broker, timeout_s=timeout_s, parts=self.parts(), tell=self.events.append
        )

    @staticmethod
    async def once(venue: str, **parts: Any) -> ReadinessReport:
        """One measurement in a room of its own."""
        return await Room(venue, **parts).measured()

    def happen(self, **event: Any) -> Any:
        """Something happens at the venue."""
        return self.venue.happen(event)

    def fault(self, **rule: Any) -> None:
        """A fault is in force from now on."""
        self.front.plan.add(rule)
