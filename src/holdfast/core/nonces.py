"""
Nonces for one API key: which number comes next, on which clock, in which unit.

A venue that wants rising nonces compares numbers, not times. Time only seeds them, so that a lost record or a second
program on the key starts near where the first one was. Everything here is arithmetic on facts that are handed in; who
may send and how a number becomes durable before it leaves is the lane's business (``holdfast.runtime.lane``).
"""

from __future__ import annotations

import enum
import math
from typing import Final

import msgspec

from holdfast.core.parking import Parking
from holdfast.core.venue import ServerTime
from holdfast.errors import CredentialParkedError

__all__ = [
    "FAR_AHEAD_S",
    "FORWARD_BUFFER_US",
    "JUMP_S",
    "NONCE_MAX",
    "SKEW_BOUND_S",
    "Basis",
    "Heard",
    "NonceClock",
    "NonceRecord",
    "NonceSource",
    "NonceUnit",
    "ahead_s",
    "ratcheted",
]

NONCE_MAX: Final = 2**63 - 1
"""
The largest nonce sent. Kraken describes an unsigned 64-bit number and types it int64; the smaller bound satisfies both.

Source: https://docs.kraken.com/exchange/guides/rest/authentication (checked 2026-11-20)
"""

FORWARD_BUFFER_US: Final = 1500
"""How far nonces run ahead of the clock, in microseconds, unless configured."""

SKEW_BOUND_S: Final = 60.0
"""A wall clock further than this from the venue's own is not believed."""

FAR_AHEAD_S: Final = 600.0
"""A mark further ahead of the clock than this is worth telling somebody."""

JUMP_S: Final = 10.0
"""
How far the one regenerated nonce jumps, in seconds' worth of the unit.

Enough to pass another sender of the same unit whose clock is a little ahead, and to pass what a nonce window of the
recommended size forgives; far too little to hide a finer unit, which no jump can outrun and which has to be seen.
"""

_PLAUSIBLE_S: Final = (1_577_836_800.0, 7_258_118_400.0)  # 2020 to 2200: seconds, never milliseconds or nanoseconds.


class NonceUnit(enum.StrEnum):
    """
    What one step of a nonce is worth. A key's unit may only become finer: its numbers can never fall again.

    The units are those that Kraken clients are known to use: milliseconds (Kraken's samples, ccxt, krakenex),
    microseconds (holdfast, nautilus), 100 ns, 10 ns (python-kraken-sdk) and nanoseconds (kraken-cli).
    """

    MS = "ms"
    US = "us"
    NS_100 = "100ns"
    NS_10 = "10ns"
    NS = "ns"

    @property
    def ns(self) -> int:
        """Nanoseconds per step."""
        return _UNIT_NS[self]

    def is_finer_than(self, other: NonceUnit) -> bool:
        """Whether this unit's numbers stand above *other*'s."""
        return self.ns < other.ns


_UNIT_NS: Final = {
    NonceUnit.MS: 1_000_000,
    NonceUnit.US: 1_000,
    NonceUnit.NS_100: 100,
    NonceUnit.NS_10: 10,
    NonceUnit.NS: 1,
}


class NonceRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What is durably known of one key's nonces; the content of its lane file.

    ``mark`` is the largest nonce ever handed out, None on a key that was never used. Wall times are UTC microseconds
    and only shown. ``in_flight_max`` above 1 says that requests may be under way beside the lane's holder.
    """

    unit: NonceUnit = NonceUnit.US
    mark: int | None = None
    refused_in_a_row: int = 0
    refusals_healed: int = 0  # Refusals that the one regeneration got past: somebody else sends now and then.
    refused_last: int | None = None
    refused_last_wall_us: int | None = None
    parking: Parking | None = None
    nonce_window: int | None = None  # Read while the key was healthy, like permissions.
    permissions: tuple[str, ...] = ()
    healthy_wall_us: int | None = None
    expires_wall_us: int | None = None
    in_flight_max: int = 1

    def taken(self, nonce: int) -> NonceRecord:
        """After *nonce* was allocated in the ordinary way."""
        if self.parking is not None or not self.refused_in_a_row:
            return msgspec.structs.replace(self, mark=nonce)
        # Not parked, so the regeneration got through (or a person cleared the way): the streak is over.
        healed = self.refusals_healed + (1 if self.refused_in_a_row == 1 else 0)
        return msgspec.structs.replace(self, mark=nonce, refused_in_a_row=0, refusals_healed=healed)

    def refused(self, nonce: int | None, *, wall_us: int) -> NonceRecord:
        """After the venue refused *nonce*."""
        return msgspec.structs.replace(
            self, refused_in_a_row=self.refused_in_a_row + 1, refused_last=nonce, refused_last_wall_us=wall_us
        )


class NonceSource(msgspec.Struct, kw_only=True):
    """
    Strictly increasing nonces for one key.

    Does no I/O. The caller stores the returned value as the key's new high-water mark *before* sending it: a crash may
    waste a nonce but can never repeat one.

    Attributes:
        mark: The largest nonce handed out so far, in *unit*; None for a key that was never used.
        unit: What one step is worth.
        forward_buffer_us: Nonces run ahead of the clock by this much.
    """

    mark: int | None
    unit: NonceUnit = NonceUnit.US
    forward_buffer_us: int = FORWARD_BUFFER_US

    def take(self, *, now_ns: int, ceiling: int | None = None) -> int:
        """
        The next nonce: ahead of the clock by the buffer, and above the mark whatever the clock says.

        Args:
            now_ns: The nonce clock (``NonceClock.now_ns``), nanoseconds since 1970.
            ceiling: The largest value that leaves every request under way inside the key's nonce window; None where
                nothing else is under way. The caller makes sure that it is above the mark.

        Raises:
            CredentialParkedError: No number is left that the venue could take (cause ``nonce_exhausted``), or the
                clock is beyond what it could ever be (cause ``clock``).
        """
        timed = (now_ns + self.forward_buffer_us * 1_000) // self.unit.ns
        if ceiling is not None:
            timed = min(timed, ceiling)
        # The clock may be stepped back under a new process. The mark may not.
        return self._advance(max(timed, 1))

    def take_beyond(self, *, now_ns: int) -> int:
        """
        A nonce further ahead by ``JUMP_S``, for the one retry after a refusal. Raises like ``take``.

        Jumps do not pile up without bound: a second refusal parks the key.
        """
        jump = int(JUMP_S * 1e9) // self.unit.ns
        timed = (now_ns + self.forward_buffer_us * 1_000) // self.unit.ns
        return self._advance(max(timed, 0 if self.mark is None else self.mark) + jump)

    def _advance(self, timed: int) -> int:
        least = 1 if self.mark is None else self.mark + 1
        nonce = max(timed, least)
        if nonce > NONCE_MAX:
            if least > NONCE_MAX:
                raise CredentialParkedError(
                    f"this key's mark is {self.mark}, the largest nonce there is: only a new key starts lower",
                    cause="nonce_exhausted",
                    retry_after_s=None,
                )
            raise CredentialParkedError(
                f"a nonce of {nonce} in {self.unit} is beyond {NONCE_MAX}: this machine's clock cannot be right",
                cause="clock",
                retry_after_s=None,
            )
        self.mark = nonce
        return nonce


def ahead_s(mark: int | None, *, unit: NonceUnit, now_ns: int) -> float:
    """Seconds by which *mark* is ahead of the clock; negative where the clock has passed it, and for a new key."""
    if mark is None:
        return -math.inf
    return (mark * unit.ns - now_ns) / 1e9


def ratcheted(record: NonceRecord, unit: NonceUnit) -> NonceRecord:
    """
    The record in *unit*; unchanged where *unit* is not finer. One way: there is no road back for a key.

    The mark is multiplied, so that it keeps its place in time. Where the product is more than any venue takes, the
    mark was never of its unit, and its bare number stays: rising is all that matters.
    """
    if not unit.is_finer_than(record.unit):
        return record
    mark = record.mark
    if mark is not None:
        scaled = mark * (record.unit.ns // unit.ns)
        mark = scaled if scaled < NONCE_MAX else mark
    return msgspec.structs.replace(record, unit=unit, mark=mark)


class Basis(enum.StrEnum):
    """What the nonce clock stands on."""

    UNCHECKED = "unchecked"  # The wall clock's sample; the venue has not been asked yet.
    WALL = "wall"  # The wall clock, found near the venue's.
    VENUE = "venue"  # The venue's own time: our wall clock was refused.


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """
    What one reading of the venue's clock meant.

    ``wall_offset_s`` is our wall clock minus the venue's, None where the venue's answer was not plausible.
    ``is_skewed``: the wall clock itself is further off than the bound. ``is_rebased``: the nonce clock was set anew.
    """

    basis: Basis
    wall_offset_s: float | None
    is_skewed: bool
    is_rebased: bool


class NonceClock:
    """
    The clock nonces are counted on: sampled once, then advanced by a clock that cannot be stepped.

    The wall clock is read when a process starts and not again: stepping it moves no nonce. The venue's unsigned time
    judges the sample. The first plausible reading decides: a sample within ``SKEW_BOUND_S`` stays, any other is
    replaced by the venue's time. Later readings are witnesses only: a venue whose clock stands still, runs backwards
    or changes its unit moves nothing. The clock is set anew later only where the venue *and* the wall clock agree
    with each other against it, as after a virtual machine was paused.

    Not a time of day: it may differ from it by as much as the bound.
    """

    __slots__ = ("_base_ns", "_base_s", "basis")

    def __init__(self, *, wall_us: int, now_s: float) -> None:
        self._base_ns = wall_us * 1_000
        self._base_s = now_s
        self.basis = Basis.UNCHECKED

    def now_ns(self, now_s: float) -> int:
        """Nanoseconds since 1970 at *now_s* on the unstepped clock; never negative."""
        return max(0, self._base_ns + int((now_s - self._base_s) * 1e9))

    def is_near(self, mark: int | None, *, unit: NonceUnit, now_s: float) -> bool:
        """Whether *mark* lies within the skew bound of this clock: then an unchecked sample can do no harm."""
        return abs(ahead_s(mark, unit=unit, now_ns=self.now_ns(now_s))) <= SKEW_BOUND_S

    def hear(self, time: ServerTime) -> Heard:
        """Judge the sample by one reading of the venue's clock, as above."""
        round_trip_s = time.received_s - time.sent_s
        low, high = _PLAUSIBLE_S
        if not (low <= time.venue_time_s < high and 0 <= round_trip_s < SKEW_BOUND_S and 0 <= time.resolution_s <= 1):
            return Heard(basis=self.basis, wall_offset_s=None, is_skewed=False, is_rebased=False)
        middle_s = time.sent_s + round_trip_s / 2
        # A time in whole seconds says "this second has begun": its middle is the best guess.
        venue_ns = int((time.venue_time_s + time.resolution_s / 2) * 1e9)
        wall_ns = time.wall_us * 1_000 - int(round_trip_s / 2 * 1e9)
        bound_s = SKEW_BOUND_S + (time.resolution_s + round_trip_s) / 2
        wall_offset_s = (wall_ns - venue_ns) / 1e9
        is_skewed = abs(wall_offset_s) > bound_s
        is_off = abs(self.now_ns(middle_s) - venue_ns) / 1e9 > bound_s
        is_rebased = False
        if not is_off:
            if self.basis is Basis.UNCHECKED:
                self.basis = Basis.WALL
        elif not is_skewed:
            self._base_ns, self._base_s, self.basis, is_rebased = wall_ns, middle_s, Basis.WALL, True
        elif self.basis is Basis.UNCHECKED:
            self._base_ns, self._base_s, self.basis, is_rebased = venue_ns, middle_s, Basis.VENUE, True
        return Heard(basis=self.basis, wall_offset_s=wall_offset_s, is_skewed=is_skewed, is_rebased=is_rebased)
