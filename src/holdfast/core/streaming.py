"""
The life of one broker's stream, as a state machine: when to connect, when to give up on a connection, what it is worth.

Pure: facts and ``now_s`` in, decisions out. The shell connects, aborts and waits as told. A socket that is open proves
nothing: it is judged by what it delivers, against the venue's own rules.
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
    """The least wait after the venue's maintenance, even for a first retry."""

    jitter: float = 0.5
    """Waits are shortened by a random part of at most this fraction, so that many clients do not return at once."""

    stable_after_s: float = 30.0
    """Live this long: the next loss begins again with retries at once."""

    down_after_failures: int = 3
    """Reads failed in a row, without a live stream, before the broker's stream state is down."""


class StreamLife:
    """
    The stream of one broker. Never suspends.

    Args:
        rules: The venue's liveness facts.
        settings: Bounds of reconnecting.
        budget: Connections allowed to this host; shared by every stream to it.
        randomness: For jitter.
        now_s: Our clock: the first connection may start at once.
    """

    def __init__(
        self,
        *,
        rules: StreamRules,
        settings: StreamSettings,
        budget: ConnectionBudget,
        randomness: Randomness,
        now_s: float,
    ) -> None:
        self._rules = rules
        self._silent_after_s = rules.silent_after_s
        self._settings = settings
        self._budget = budget
        self._randomness = randomness
        self._connect_at_s: float | None = now_s  # None while a connection is open or being made.
        self._connecting_s: float | None = None
        self._lost_s = now_s
        self._is_open = False
        self._frame_s = now_s
        self._unstated_s: dict[Channel, float] = {}
        self._live_since_s: float | None = None
        self._retries = 0
        self._has_failed = False
        self._read_failures = 0
        self._is_silent = False
        self._reason: str | None = "connecting"

    @property
    def state(self) -> StreamState:
        """What the stream is worth now."""
        if self._is_open:
            return StreamState.SNAPSHOT if self._unstated_s else StreamState.LIVE
        if not self._has_failed:
            return StreamState.CONNECTING
        is_down = self._read_failures >= self._settings.down_after_failures
        return StreamState.DOWN if is_down else StreamState.DEGRADED

    @property
    def reason(self) -> str | None:
        """Why it is not live; a fixed word."""
        return None if self.state is StreamState.LIVE else self._reason

    # Facts

    def connecting(self, *, now_s: float) -> None:
        """A connection attempt starts; counted in the budget."""
        self._budget.spend(now_s=now_s)
        self._connect_at_s = None
        self._connecting_s = now_s

    def opened(self, *, now_s: float) -> None:
        """The socket is open; every channel owes its snapshot."""
        self._connect_at_s = self._connecting_s = None
        self._is_open = True
        self._is_silent = False
        self._frame_s = now_s
        self._unstated_s = dict.fromkeys(self._rules.channels, now_s)
        self._live_since_s = None
        self._reason = "no_snapshot"
        self._note_live(now_s)

    def frame_arrived(self, now_s: float) -> None:
        """
        Any frame arrived. O(1).

        One that comes after a silence beyond the bound comes too late, whether or not anyone looked in between.
        """
        if now_s - self._frame_s >= self._silent_after_s and self._is_open:
            self._is_silent = True
        self._frame_s = now_s

    def subscribed(self, channel: Channel, *, now_s: float) -> None:
        """The venue acknowledged a subscription: its snapshot is owed from now."""
        if channel in self._unstated_s:
            self._unstated_s[channel] = now_s

    def stated(self, channel: Channel, *, now_s: float) -> None:
        """A channel delivered its snapshot."""
        if self._unstated_s.pop(channel, None) is not None:
            self._note_live(now_s)

    def unstated(self, channel: Channel, reason: str, *, now_s: float) -> None:
        """A channel's sequence broke, it was refused, or a new snapshot was asked for."""
        if self._is_open and channel in self._rules.channels:
            self._unstated_s.setdefault(channel, now_s)
            self._reason = reason

    def lost(self, reason: str, *, now_s: float) -> None:
        """The connection, or the attempt at one, ended: the next one is due after a wait that grows."""
        settings = self._settings
        live_s = 0.0 if self._live_since_s is None else now_s - self._live_since_s
        if live_s >= settings.stable_after_s:
            self._retries = 0
        self._is_open = False
        self._connecting_s = None
        self._unstated_s = {}
        self._live_since_s = None
        self._has_failed = True
        self._lost_s = now_s
        self._reason = reason
        self._connect_at_s = now_s + self._wait_s(reason)
        self._retries += 1

    def hurry(self, *, now_s: float) -> None:
        """A person asked: what is left of a wait is over, and waits begin anew; the budget is kept."""
        self._retries = 0
        if self._connect_at_s is not None:
            self._connect_at_s = min(self._connect_at_s, now_s)

    def _wait_s(self, reason: str) -> float:
        settings = self._settings
        beyond = self._retries - settings.retries_at_once
        wait_s = 0.0
        if beyond >= 0:
            wait_s = min(settings.wait_max_s, settings.wait_initial_s * 2.0 ** min(beyond, 16))
            wait_s *= 1.0 - settings.jitter * self._randomness.random()
        return max(wait_s, settings.wait_after_maintenance_s) if reason == "maintenance" else wait_s

    def read_ended(self, *, ok: bool, now_s: float) -> None:
        """A REST read was answered or failed: degraded or down."""
        self._read_failures = 0 if ok else self._read_failures + 1

    def _note_live(self, now_s: float) -> None:
        if self._is_open and not self._unstated_s and self._live_since_s is None:
            self._live_since_s = now_s

    # Decisions

    def connect_at_s(self) -> float | None:
        """When to connect next, our clock, within the budget; None while a connection is open or being made."""
        if self._connect_at_s is None:
            return None
        # Asked as of the loss: asking as of a moment to come would forget attempts that still count for others.
        return max(self._connect_at_s, self._lost_s + self._budget.wait_s(now_s=self._lost_s))

    def abort_reason(self, *, now_s: float) -> str | None:
        """Why the connection has to be dropped now (``silent``, ``no_snapshot``, ``connect_timeout``), or None."""
        if self._is_open:
            if self._is_silent or now_s - self._frame_s >= self._rules.silent_after_s:
                return "silent"
            within_s = self._rules.snapshot_within_s
            if any(now_s - since_s >= within_s for since_s in self._unstated_s.values()):
                return "no_snapshot"
            return None
        if self._connecting_s is not None and now_s - self._connecting_s >= self._settings.connect_within_s:
            return "connect_timeout"
        return None

    def next_due_s(self) -> float | None:
        """When ``abort_reason`` has to be asked next, our clock; None while nothing is open or being opened."""
        if self._is_open:
            if self._is_silent:
                return self._frame_s
            due_s = self._frame_s + self._rules.silent_after_s
            for since_s in self._unstated_s.values():
                due_s = min(due_s, since_s + self._rules.snapshot_within_s)
            return due_s
        return None if self._connecting_s is None else self._connecting_s + self._settings.connect_within_s


class ClockJump(msgspec.Struct, frozen=True, kw_only=True):
    """
    Time did something that no running program sees; ``by_s`` is signed where the wall clock stepped back.

    ``kind`` is ``suspended`` (the machine slept), ``clock_jump`` (the wall clock was set) or ``paused`` (this process
    did not run, or was too busy to look).
    """

    kind: str
    by_s: float


class ClockWatch:
    """
    Compares readings of three clocks: a step between them means the wall clock jumped or the machine slept.

    Args:
        step_s: The least difference that counts as a step. Slewing moves clocks by far less between two looks.
        paused_after_s: Longer than this between two looks, this process was stopped.
    """

    def __init__(self, *, step_s: float = 1.0, paused_after_s: float = 15.0) -> None:
        self._step_s = step_s
        self._paused_after_s = paused_after_s
        self._last: tuple[float, float, float] | None = None

    def observe(self, *, now_s: float, awake_s: float, wall_us: int) -> ClockJump | None:
        """One reading of all three, at least every few seconds; what happened since the last, or None."""
        wall_s = wall_us / 1_000_000
        last, self._last = self._last, (now_s, awake_s, wall_s)
        if last is None:
            return None
        passed_s = now_s - last[0]
        asleep_s = passed_s - (awake_s - last[1])
        if asleep_s > self._step_s:
            return ClockJump(kind="suspended", by_s=asleep_s)
        stepped_s = (wall_s - last[2]) - passed_s
        if abs(stepped_s) > self._step_s:
            return ClockJump(kind="clock_jump", by_s=stepped_s)
        if passed_s > self._paused_after_s:
            return ClockJump(kind="paused", by_s=passed_s)
        return None
