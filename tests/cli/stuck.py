"""
A pretended host on virtual time: a venue, an account's state, an owner or none, and commands typed beside it.

Commands are the real ones, parsed by the real parser and run by their own bodies, so that a command that an error text
names has to exist with that spelling and has to work. What is pretended is time, sockets, locks and the venue.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import io
import re
import shlex
import sys
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.cli.app import build_app, with_default
from holdfast.cli.run import report
from holdfast.config import BrokerConfig, Config
from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.core.seams import Emit
from holdfast.core.venue import Venue
from holdfast.errors import HoldfastError
from holdfast.runtime import doctor
from holdfast.runtime.callers import typed
from holdfast.runtime.lane import FileLane
from holdfast.runtime.parts import Parts
from holdfast.simulators.core.faults import FaultPlan
from holdfast.simulators.core.memory import MemoryFront
from holdfast.simulators.kraken import KrakenSimulator
from holdfast.store.memory import MemoryStore
from holdfast.testing import FakeClock, FakeVenue, MemoryOwners, MemorySockets
from holdfast.testing.lanes import MemoryLane
from holdfast.testing.parts import memory_config, memory_parts
from holdfast.venues.kraken import KRAKEN

__all__ = ["Done", "Host", "KrakenHost", "commands_in"]

_COMMAND = re.compile(r"`(holdfast [^`]+)`")


def commands_in(text: str) -> list[str]:
    """Every command that *text* names, in order."""
    return _COMMAND.findall(text)


@dataclasses.dataclass
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


class Host:
    """One host with one broker at a fake venue, ``acme-master``. State outlives the desks that use it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, broker: str = "acme-master") -> None:
        self.folder = folder
        self.broker_name = broker
        self.clock = FakeClock(asyncio.get_running_loop())
        self.venue: Any = FakeVenue({"USD": ("1000", "0"), "BTC": ("0.5", "0")})
        self.events: list[Event] = []
        self._owners = MemoryOwners()
        self.sockets = MemorySockets()
        self.lanes: dict[str, MemoryLane] = {}
        self.store: MemoryStore | None = None
        """In place of the file, where a test wants to break it."""
        self._monkeypatch = monkeypatch
        self._open = holdfast.open
        self.config: Config = memory_config(broker, venue="acme")

    def parts(self) -> Parts:
        made = memory_parts(
            clock=self.clock,
            venue=self.venue,
            owners=self._owners,
            sockets=self.sockets,
            lanes=self.lanes,
            store_path=self.folder / "holdfast.db",
        )
        return made if self.store is None else dataclasses.replace(made, store=self._broken_store)

    async def _broken_store(self, _: BrokerConfig, __: Emit) -> MemoryStore:
        assert self.store is not None
        return self.store

    @property
    def client(self) -> Any:
        """The fake client of whoever opened the account last."""
        return self.venue.clients[-1]

    @property
    def stream(self) -> Any:
        return self.venue.streams[-1]

    @contextlib.asynccontextmanager
    async def owning(self, *, contact: Any = "stream") -> AsyncIterator[holdfast.Broker]:
        """A process that owns the account, as ``holdfast up`` or a bot does."""
        opening = self._open(self.config, mode="own", contact=contact, parts=self.parts(), on_event=self.events.append)
        async with opening as desk:
            yield desk[self.broker_name]

    def said(self, name: str) -> list[dict[str, Any]]:
        return [event.fields for event in self.events if event.name == name]

    async def type(self, line: str) -> Done:
        """Type *line* in another terminal, as somebody who has nothing but what an error said."""
        argv = with_default(shlex.split(line)[1:])
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                with typed(argv):
                    code = await self._run(argv)
            except (HoldfastError, ExceptionGroup) as error:
                code = report(error)
        return Done(int(code), out.getvalue(), err.getvalue())

    async def _run(self, argv: list[str]) -> int:
        body, bound, _ = build_app().parse_args(argv, exit_on_error=False, print_error=False)
        module = sys.modules[body.__module__]
        begun: list[Coroutine[Any, Any, int]] = []

        def wait(work: Coroutine[Any, Any, int]) -> int:
            begun.append(work)
            return 0

        def opens(config: Any = None, **more: Any) -> Any:
            return self._open(config, **{**more, "parts": self.parts()})

        with self._monkeypatch.context() as patch:
            patch.setattr(module, "wait", wait)
            patch.setattr(module, "load", lambda _: self.config)
            patch.setattr(holdfast, "open", opens)
            patch.setattr(doctor, "examine", functools.partial(doctor.examine, parts=self.parts()))
            body(*bound.args, **bound.kwargs)
            return await begun[0]

    async def obey(self, text: str, *, word: str = "") -> Done:
        """Do what *text* says: type the first command it names (that has *word* in it)."""
        named = [each for each in commands_in(text) if word in each]
        assert named, f"no command with {word!r} is named in: {text}"
        return await self.type(named[0])


class KrakenHost(Host):
    """The same at a simulated Kraken, with the credential's lane in a real file."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        super().__init__(folder, monkeypatch, broker="kraken-master")
        loop = asyncio.get_running_loop()
        self.simulator = KrakenSimulator(seed=1, clock=self.clock.world(), timers=loop, **settings)
        plan = FaultPlan(self.clock.world(), impair=self.simulator.impair)
        self.front = MemoryFront(self.simulator, clock=self.clock.world(), plan=plan, latency_s=(0.01, 0.03))
        self.config = memory_config("kraken-master", venue="kraken")
        key = next(each for each in self.simulator.credentials() if each["account"] == "master")
        self.key, self.secret = key["key"], key["secret"]
        self.venue = KRAKEN

    def parts(self) -> Parts:
        made = memory_parts(
            clock=self.clock,
            venue=KRAKEN,
            http=lambda _: self.front.http_wire(clock=self.clock),
            streams=lambda _: self.front.stream_wire(),
            owners=self._owners,
            sockets=self.sockets,
            store_path=self.folder / "holdfast.db",
        )
        return dataclasses.replace(made, lane=self._lane, credential=self._credential)

    def _credential(self, _: BrokerConfig, venue: Venue) -> Credential:
        return Credential(venue=venue.id, key=self.key, secret=self.secret)

    def _lane(self, broker: BrokerConfig, credential: Credential, emit: Emit) -> FileLane:
        return self.lane(credential.fingerprint, emit)

    def lane(self, fingerprint: str | None = None, emit: Emit | None = None) -> FileLane:
        """The credential's lane, as another process of the host has it."""
        fingerprint = fingerprint or Credential(venue="kraken", key=self.key, secret="-").fingerprint
        return FileLane(
            self.folder / f"lane-{fingerprint}", clock=self.clock, name="kraken-master", venue="kraken", emit=emit
        )

    def happen(self, **event: Any) -> Any:
        return self.simulator.happen(event)

    def fault(self, **fault: Any) -> None:
        self.front.plan.add(fault)

    def heal(self) -> None:
        self.front.plan.clear()
