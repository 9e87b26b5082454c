"""The simulated Kraken, judged by its own journal: the same figures as of the strict venue, over the real wire."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from holdfast.simulators.core.clock import SystemClock
from holdfast.simulators.core.journal import Journal
from holdfast.simulators.core.server import serve_simulator
from holdfast.simulators.kraken import KrakenSimSettings, KrakenSimulator
from tests.processes.strict_venue import Arrival

__all__ = ["SimulatedKraken"]


class SimulatedKraken:
    """Serves on loopback while it is entered; every request takes a seeded while to arrive. Nonce window 0."""

    def __init__(self, *, seed: int = 0, jitter_s: float = 0.005) -> None:
        self.address = self.key = self.secret = ""
        self.journal: list[Arrival] = []
        self._seed = seed
        self._jitter_s = jitter_s
        self._stack = AsyncExitStack()
        self._source: Journal | None = None
        self._next = 0
        self._asked: dict[int, tuple[int, int, float]] = {}

    async def __aenter__(self) -> SimulatedKraken:
        clock = SystemClock()
        venue = KrakenSimulator(
            seed=self._seed,
            clock=clock,
            timers=asyncio.get_running_loop(),
            settings=KrakenSimSettings(are_calls_counted=False),
        )
        self._source = Journal(clock, describe_frame=venue.describe_frame, max_entries=1_000_000)
        serving = serve_simulator(venue, clock=clock, journal=self._source)
        served = await self._stack.enter_async_context(serving)
        delay = {"do": "delay", "low_s": 0.0, "high_s": self._jitter_s}
        served.plan.add({"kind": "rest", "action": delay})
        credential = venue.credentials()[0]
        self.address, self.key, self.secret = served.rest, credential["key"], credential["secret"]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._read()
        await self._stack.aclose()

    @property
    def taken(self) -> int:
        """Nonces accepted so far."""
        self._read()
        return sum(arrival.is_taken for arrival in self.journal)

    @property
    def refused(self) -> list[Arrival]:
        """Every nonce that was refused."""
        self._read()
        return [arrival for arrival in self.journal if not arrival.is_taken]

    async def until_taken(self, count: int) -> None:
        """Wait until so many nonces have been accepted."""
        while self.taken < count:  # noqa: ASYNC110 - The journal is read, not listened to.
            await asyncio.sleep(0.05)

    def _read(self) -> None:
        assert self._source is not None
        new = self._source.since(self._next)
        assert new["lost"] == 0
        self._next = new["next"]
        for entry in new["entries"]:
            if entry["kind"] == "request" and "nonce" in entry:
                self._asked[entry["n"]] = (int(entry["nonce"]), int(entry["wall_us"]), float(entry["at_s"]))
            elif entry["kind"] == "verdict" and entry["of"] in self._asked:
                nonce, wall_us, at_s = self._asked.pop(entry["of"])
                is_taken = entry["outcome"] != "EAPI:Invalid nonce"
                # The journal does not say who sent it: every refusal counts as one of the living.
                self.journal.append(Arrival(at_s, 0, nonce, is_taken, nonce - wall_us))
