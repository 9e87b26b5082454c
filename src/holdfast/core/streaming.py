"""
The life of one broker's stream, as a state machine: when to connect, when to give up on a connection, what it is worth.

Pure: facts and ``now_s`` in, decisions out. The shell connects, aborts and waits as told.
"""

from __future__ import annotations

import enum

import msgspec

from holdfast.core.limits import ConnectionBudget
from holdfast.core.seams import Randomness
from holdfast.core.venue import Channel, StreamRules

__all__ = ["ClockJump", "ClockWatch", "StreamLife", "StreamSettings", "StreamState"]


class StreamState(enum.StrEnum):
    """How a broker's figures reach us."""

    CONNECTING = "connecting"  # The first connection is being made.
    SNAPSHOT = "snapshot"  # Connected; not every channel has stated its snapshot.
    LIVE = "live"  # Every channel has stated, and the socket is heard.
    DEGRADED = "degraded"  # No live stream; REST answers.
    DOWN = "down"  # Neither.


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of reconnecting, in seconds."""

    connect_within_s: float = 15.0
    """From the start of a connection to its opening, token included."""

    retries_at_once: int = 3
    """Retries right after a loss before the backoff begins."""

    wait_initial_s: float = 1.0
    wait_max_s: float = 60.0
    wait_after_maintenance_s: float = 5.0
    stable_after_s: float = 30.0
    """Live this long: the next loss begins again with retries at once."""

    down_after_failures: int = 3
    """Reads failed in a row, without a live stream, before the broker's stream state is down."""


class StreamLife:
    """The stream of one broker. Never suspends."""

    def __init__(
        self,
        *,
        rules: StreamRules,
        settings: StreamSettings,
        budget: ConnectionBudget,
        randomness: Randomness,
        now_s: float,
    ) -> None: ...

    @property
    def state(self) -> StreamState:
        """What the stream is worth now."""
        raise NotImplementedError

    @property
    def reason(self) -> str | None:
        """Why it is not live; a fixed word."""
        raise NotImplementedError

    # Facts

    def connecting(self, *, now_s: float) -> None:
        """A connection attempt starts; counted in the budget."""
        raise NotImplementedError

    def opened(self, *, now_s: float) -> None:
        """The socket is open."""
        raise NotImplementedError

    def frame_arrived(self, now_s: float) -> None:
        """Any frame arrived. O(1)."""
        raise NotImplementedError

    def subscribed(self, channel: Channel, *, now_s: float) -> None:
        """The venue acknowledged a subscription."""
        raise NotImplementedError

    def stated(self, channel: Channel, *, now_s: float) -> None:
        """A channel delivered its snapshot."""
        raise NotImplementedError

    def unstated(self, channel: Channel, reason: str, *, now_s: float) -> None:
        """A channel's sequence broke, it was refused, or a new snapshot was asked for."""
        raise NotImplementedError

    def lost(self, reason: str, *, now_s: float) -> None:
        """The connection, or the attempt at one, ended."""
        raise NotImplementedError

    def read_ended(self, *, ok: bool, now_s: float) -> None:
        """A REST read was answered or failed: degraded or down."""
        raise NotImplementedError

    # Decisions

    def connect_at_s(self) -> float | None:
        """When to connect next, our clock; None while a connection is open or being made."""
        raise NotImplementedError

    def abort_reason(self, *, now_s: float) -> str | None:
        """Why the present connection has to be dropped now: ``silent``, ``no_snapshot``, ``connect_timeout``; or None."""
        raise NotImplementedError

    def next_due_s(self) -> float | None:
        """When ``abort_reason`` has to be asked next, our clock."""
        raise NotImplementedError


class ClockJump(msgspec.Struct, frozen=True, kw_only=True):
    """Time did something no running program sees: ``kind`` is ``suspended``, ``clock_jump`` or ``paused``."""

    kind: str
    by_s: float


class ClockWatch:
    """Compares readings of three clocks: a step between them means the wall clock jumped or the machine slept."""

    def __init__(self, *, step_s: float = 1.0) -> None: ...

    def observe(self, *, now_s: float, awake_s: float, wall_us: int) -> ClockJump | None:
        """One reading of all three, at least every few seconds; what happened since the last, or None."""
        raise NotImplementedError
