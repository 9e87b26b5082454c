"""One world of a scenario: a venue, a client, the faults between them, and the hand that makes things happen."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

import msgspec

import holdfast
from holdfast.core.amounts import parse_amount
from holdfast.core.credentials import Credential
from holdfast.core.events import Event
from holdfast.core.venue import Venue, VenueStream
from holdfast.runtime.open import Opening
from holdfast.runtime.supervisor import Contact
from holdfast.simulators.core.faults import FaultPlan
from holdfast.simulators.core.journal import Journal
from holdfast.simulators.core.memory import MemoryFront
from holdfast.simulators.kraken.settings import OPEN_POINTS
from holdfast.testing import FakeClock, MemoryLane, memory_config, memory_parts
from holdfast.venues.kraken import KRAKEN
from tests.scenarios.checker import Checker
from tests.scenarios.lives import Life, Record
from tests.scenarios.venues import PLAYS, play_now

__all__ = ["BROKER", "READING_POINTS", "TRADING_POINTS", "World", "world"]

BROKER: Final = "kraken-master"

# With idle heartbeats left out only one in so many seconds comes. The client drops a stream that is silent for five.
_COALESCED_S: Final = 4.0

READING_POINTS: Final = PLAYS["kraken"].drawn_points
"""What Kraken leaves unsaid and concerns a client that only reads."""

# A key that is locked out for minutes heals later than anything is waited for; lockouts are a fault of their own.
TRADING_POINTS: Final = tuple(name for name in OPEN_POINTS if name not in ("lockout_after", "lockout_s"))
"""What concerns a client that trades."""

_MEMORY_DISK: Final = Path("/dev/shm")  # A disk that syncs at once, where there is one.


class _SeldomPinged:
    """Kraken, but for when its stream asks for a sign of life: after a coalesced heartbeat's time, not before it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(KRAKEN, name)

    def stream(self, **parts: Any) -> VenueStream:
        stream = KRAKEN.stream(**parts)
        stream.rules = msgspec.structs.replace(stream.rules, ping_after_s=_COALESCED_S + 0.5)
        return stream


class World:
    """
    A venue and its one client.

    Attributes:
        rng: Draws everything the scenario does; the venue, the faults and the loop have sources of their own.
        record: What every life of the client sent.
        on_event: Told of every event of the living client, beside the checker.
    """

    def __init__(
        self,
        *,
        seed: int,
        profile: str,
        heartbeats: bool,
        folder: Path | None,
        keeps_digest: bool,
        contact: Contact = "stream",
        points: Sequence[str] | None = None,
        settings: Mapping[str, Any] | None = None,
        configured: Mapping[str, object] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.play = play_now()
        self.seed = seed
        self._contact = contact
        self.rng = random.Random(f"scenario {seed}")
        self.clock = FakeClock(loop)
        drawn = {name: self._drawn(name) for name in (self.play.drawn_points if points is None else points)}
        if not heartbeats:
            drawn["coalesce_heartbeats_s"] = _COALESCED_S
        self.venue: Any = self.play.simulate(
            settings={**drawn, **(settings or {})}, seed=seed, profile=profile, clock=self.clock.world(), timers=loop
        )
        journal = Journal(
            self.clock.world(), describe_frame=self.venue.describe_frame, max_entries=400_000, keeps_heartbeats=False
        )
        self.front = MemoryFront(
            self.venue,
            clock=self.clock.world(),
            plan=FaultPlan(self.clock.world(), impair=self.venue.impair, seed=seed),
            journal=journal,
            rng=random.Random(f"latency {seed}"),
            latency_s=(0.002, self.rng.choice((0.01, 0.05, 0.25))),
            with_digest=keeps_digest,
        )
        self._adapter = self.play.adapter if heartbeats else cast(Venue, _SeldomPinged())
        self._key = next(each for each in self.venue.credentials() if each["account"] == "master")
        self._lanes: dict[str, MemoryLane] = {}
        self._store_path = ":memory:" if folder is None else str(folder / "store.db")
        self._configured = dict(configured or {})
        self.record = Record()
        self.record.number_tasks(loop)
        self.life: Life | None = None
        self.on_event: Callable[[Event], None] | None = None
        self.events: list[tuple[float, Event]] = []
        self.opened: contextlib.AsyncExitStack | None = None
        self.desk: holdfast.Desk | None = None
        self.checker = Checker(self)

    def _drawn(self, name: str) -> Any:
        values = self.play.open_points[name]
        return values[0] if self.rng.random() < 0.5 else self.rng.choice(values)

    # The client's life

    @property
    def asked(self) -> list[float]:
        """When balances were asked for."""
        return self.record.asked

    @property
    def orphans(self) -> set[int]:
        """Nonces of calls that were given up on their way."""
        return self.record.orphans

    @property
    def broker(self) -> holdfast.Broker:
        assert self.desk is not None
        return self.desk[self.play.broker]

    async def open(self) -> None:
        """Start the client, with whatever an earlier one left in store and lane."""
        life = self.life = Life(
            self.record, clock=self.clock, venue_us=self.venue_us, describe=self.venue.describe, play=self.play
        )
        parts = memory_parts(
            clock=self.clock,
            venue=self._adapter,
            credential=Credential(
                venue=self.play.id,
                key=self._key["key"],
                secret=self._key["secret"],
                passphrase=self._key.get("passphrase"),
            ),
            http=lambda _: life.http(self.front.http_wire(clock=self.clock)),
            streams=lambda _: life.streams(self.front.stream_wire()),
            lanes=self._lanes,
            store_path=self._store_path,
            connection_class=life.disk(),
            seed=self.seed,
        )
        config = memory_config(self.play.broker, venue=self.play.id, **self._configured)
        broker = msgspec.structs.replace(config.brokers[self.play.broker], ws_url=self.play.ws_url)
        config = msgspec.structs.replace(config, brokers={broker.name: broker})

        def on_event(event: Event) -> None:
            if not life.is_over:
                self._on_event(event)

        opening: Opening = holdfast.open(config, parts=parts, contact=self._contact, on_event=on_event)
        self.opened = contextlib.AsyncExitStack()
        self.desk = await self.opened.enter_async_context(opening)
        self.checker.watch(self.desk)

    def use_key(self, key: Mapping[str, str]) -> None:
        """Open the client with another key from now on; *key* is as the venue's ``credentials()`` say."""
        self._key = dict(key)

    async def close(self) -> None:
        """End the client in order."""
        if self.opened is not None:
            self.checker.unwatch()
            opened, self.opened, self.desk = self.opened, None, None
            await opened.aclose()

    async def crash(self) -> None:
        """End the client as ``kill -9`` does; store and lane are as it left them."""
        if self.opened is not None:
            assert self.life is not None
            self.checker.unwatch()
            opened, self.opened, self.desk = self.opened, None, None
            await self.life.end()
            opened.pop_all()  # Nobody is left to close anything in order.

    def _on_event(self, event: Event) -> None:
        self.events.append((self.clock.now_s(), event))
        self.checker.on_event(event)
        if self.on_event is not None:
            self.on_event(event)

    def venue_us(self) -> int:
        """The venue's clock."""
        now_us: int = self.venue.now_us()
        return now_us

    # What happens at the venue

    def happen(self, **event: Any) -> dict[str, Any]:
        """Let something happen to the account, and remember what is true from now on."""
        answer: dict[str, Any] = self.venue.happen(event)
        self.checker.note_truth()
        return answer

    def fault(self, **rule: Any) -> None:
        """Put a fault in force."""
        self.front.plan.add(rule)
        self.checker.note_fault(rule)

    def heal(self) -> None:
        """End every fault; what they did stays."""
        self.front.plan.clear()
        self.checker.faults_ended()
        self.checker.note_truth()

    def truth(self) -> dict[str, dict[str, Decimal]]:
        """The venue's own ledger: asset to total, held, available."""
        assets: Mapping[str, Mapping[str, str]] = self.venue.truth()["accounts"]["master"]["assets"]
        return {asset: {name: parse_amount(text) for name, text in row.items()} for asset, row in assets.items()}

    def digest(self) -> str:
        """One hash of everything that reached the client and everything it said about it."""
        told = hashlib.blake2b(self.front.digest().encode(), digest_size=16)
        for at_s, event in self.events:
            told.update(f"{at_s!r} {event.name} {sorted(event.fields.items())!r}".encode())
        return told.hexdigest()

    # Waiting

    async def sleep(self, low_s: float, high_s: float | None = None) -> None:
        """Let virtual time pass, a drawn length of it where two bounds are given."""
        await asyncio.sleep(low_s if high_s is None else self.rng.uniform(low_s, high_s))
        self.checker.look()
        self.checker.check()

    async def converged(self, *, within_s: float = 90.0) -> float:
        """
        Wait until every figure is live and equals the truth; how long it took.

        Raises:
            ViolationError: It did not within the bound (I15, I7).
        """
        began_s = self.clock.now_s()
        # A lockout is the venue's word to be silent: what it costs is not healing time.
        within_s += self.broker.status().nonce.parked_for_s or 0.0
        while self.checker.differences():
            if self.clock.now_s() - began_s > within_s:
                self.checker.violated("I15", f"not converged after {within_s:.0f} s: {self.checker.differences()}")
            await self.sleep(0.5)
        return self.clock.now_s() - began_s


@contextlib.asynccontextmanager
async def world(
    *,
    seed: int,
    profile: str = "plain",
    heartbeats: bool = True,
    keeps_store: bool = False,
    keeps_digest: bool = False,
    contact: Contact = "stream",
    points: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    configured: Mapping[str, object] | None = None,
    funds: Mapping[str, str] | None = None,
) -> AsyncIterator[World]:
    """
    A world with an open client; at the end the client is closed and the whole run is judged.

    *points* of the venue are drawn, *settings* of it given, *configured* is the broker's; *funds* arrive before all.
    """
    with contextlib.ExitStack() as stack:
        folder = None
        if keeps_store:
            at = _MEMORY_DISK if _MEMORY_DISK.is_dir() else None
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hf-scenario-", dir=at)))
        made = World(
            seed=seed,
            profile=profile,
            heartbeats=heartbeats,
            folder=folder,
            keeps_digest=keeps_digest,
            contact=contact,
            points=points,
            settings=settings,
            configured=configured,
        )
        made.checker.note_truth()  # A venue whose reads lag may tell of before.
        for asset, amount in (funds or {}).items():
            made.venue.happen({"kind": "deposit", "asset": asset, "amount": amount})
        made.checker.note_truth()
        await made.open()
        try:
            yield made
            made.checker.judge_run()
        finally:
            await made.close()
