"""
The in-memory front: the same venue, faults and journal without sockets, on whatever loop is running.

Bytes travel by seeded latency through the running loop's timers, so a virtual-time loop makes a week pass in seconds.
Order is kept per direction of a connection; HTTP requests in flight together may overtake each other, as on separate
connections.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from email.utils import formatdate
from random import Random

from holdfast.core.seams import Clock
from holdfast.simulators.core.faults import FaultPlan
from holdfast.simulators.core.front import Front
from holdfast.simulators.core.journal import Journal
from holdfast.simulators.core.memory_http import MAX_BODY_BYTES, MemoryHttpWire
from holdfast.simulators.core.memory_stream import MAX_FRAME_BYTES, MemoryStreamWire
from holdfast.simulators.core.seam import SimReply, SimulatedVenue

__all__ = ["MemoryFront", "MemoryHttpWire", "MemoryStreamWire"]


class MemoryFront(Front):
    """
    One simulated venue reachable without sockets.

    Args:
        venue: The venue; the host of every URL is ignored, its path used.
        clock: Times the journal and the rules, and dates replies: the venue's side of time.
        plan: The faults; a plan without rules where None.
        journal: Where everything is written; a new one where None.
        rng: Draws the latencies.
        latency_s: Bounds of the one-way time of every message, in seconds.
        loop: The loop everything runs on; the running one where None.
        with_digest: Keep a running hash of everything that reached clients, for proof that a seed replays.
    """

    def __init__(
        self,
        venue: SimulatedVenue,
        *,
        clock: Clock,
        plan: FaultPlan | None = None,
        journal: Journal | None = None,
        rng: Random | None = None,
        latency_s: tuple[float, float] = (0.0, 0.0),
        loop: asyncio.AbstractEventLoop | None = None,
        with_digest: bool = False,
    ) -> None:
        super().__init__(venue, loop=loop or asyncio.get_running_loop(), clock=clock, plan=plan, journal=journal)
        self._rng = rng or Random(0)  # noqa: S311 - reproducible latency, not secrets.
        self._low_s = latency_s[0]
        self._span_s = latency_s[1] - latency_s[0]
        self._digest = hashlib.blake2b(digest_size=16) if with_digest else None
        self._date_s = -1
        self._date = ""

    def http_wire(self, *, clock: Clock | None = None, max_body_bytes: int = MAX_BODY_BYTES) -> MemoryHttpWire:
        """
        A client's HTTP side, as ``HttpWire``.

        Args:
            clock: The client's own clock, which stamps replies; the front's where None.
            max_body_bytes: Bodies over this are refused, as the wire contract wants.
        """
        return MemoryHttpWire(self, clock=clock or self.clock, max_body_bytes=max_body_bytes)

    def stream_wire(self, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> MemoryStreamWire:
        """A client's stream side, as ``StreamWire``."""
        return MemoryStreamWire(self, max_frame_bytes=max_frame_bytes)

    def digest(self) -> str:
        """
        The hash of every byte that reached a client so far, in order.

        Raises:
            ValueError: The front was made without ``with_digest``.
        """
        if self._digest is None:
            raise ValueError("made without with_digest")
        return self._digest.hexdigest()

    def saw(self, arrived: bytes) -> None:
        """These bytes reached a client."""
        if self._digest is not None:
            self._digest.update(arrived)

    @property
    def latency_max_s(self) -> float:
        """The longest one-way time of a message, seconds."""
        return self._low_s + self._span_s

    def latency_s(self) -> float:
        """The one-way time of the next message."""
        return self._low_s + self._span_s * self._rng.random() if self._span_s else self._low_s

    def headers_of(self, reply: SimReply) -> dict[str, str]:
        """The reply's headers as a client sees them, in lower case, with those a front adds."""
        second = self.clock.wall_us() // 1_000_000
        if second != self._date_s:
            self._date_s = second
            self._date = formatdate(second, usegmt=True)
        headers = {name.lower(): value for name, value in reply.headers.items()}
        headers["x-holdfast-simulator"] = f"{self.venue.id}/1"
        headers.setdefault("date", self._date)
        headers.setdefault("content-length", str(len(reply.body)))
        return headers

    def after(self, step: Callable[..., object], *args: object) -> None:
        """Call *step* when the next message has arrived."""
        delay_s = self.latency_s()
        if delay_s > 0:
            self.loop.call_later(delay_s, step, *args)
        else:
            self.loop.call_soon(step, *args)
