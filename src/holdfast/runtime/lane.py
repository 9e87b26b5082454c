"""
The per-credential lane on files: one sender at a time, whatever the tasks, threads and processes of a host.

A turn lasts from the allocation of a nonce to the reply, because a venue refuses what *arrives* out of order, however
well it was numbered. The mark is durable before its nonce is handed out: a crash wastes one and repeats none. Where the
venue has no nonces (``SequencePolicy.NONE``) several are in flight, and what is left of a turn is its place in line,
the bound and the parking that all processes share. What each part does and does not promise is told in
docs/concepts/nonces.md.
"""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType

import msgspec

from holdfast.core.events import Event, event
from holdfast.core.nonces import FORWARD_BUFFER_US, Basis, Heard, NonceRecord, NonceUnit, ahead_s, ratcheted
from holdfast.core.parking import Entry, Parking, remaining_s
from holdfast.core.seams import Clock, Emit, Priority, Randomness, Turn
from holdfast.core.venue import CredentialInfo, SequencePolicy, ServerTime
from holdfast.errors import ClosedError, ConfigError
from holdfast.runtime.lane_gate import Ticket, gate_of
from holdfast.runtime.lane_passage import Passage
from holdfast.runtime.lane_turn import FileTurn
from holdfast.runtime.marks import Sync
from holdfast.runtime.waiting_line import BERTHS_MAX, HolderEntry

__all__ = ["FileLane", "LaneState"]


class LaneState(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is known of a credential's lane at one moment.

    ``ahead_s`` is the mark minus the nonce clock (None without a mark). ``parked_for_s`` is None where not parked or
    where a person has to act: ``parking`` tells which. ``holder`` has the lane now; ``last_holders`` had it last.
    """

    record: NonceRecord
    basis: Basis
    ahead_s: float | None
    parking: Parking | None
    parked_for_s: float | None
    holder: HolderEntry | None
    last_holders: tuple[HolderEntry, ...]
    waiting_pids: frozenset[int]


class FileLane:
    """
    One credential's lane, in the file *path* of the host's state folder.

    May be made anywhere and used from any task, thread, event loop and process, also after a fork; two of them on one
    path are one lane. Makes its file on first use. Opening, like every write, happens in a worker thread (at once
    under virtual time): the event loop never waits for the disk.

    Args:
        path: The lane file; berth files for more than one request in flight stand beside it.
        clock: ``now_s`` has to be the same for every process of the host.
        name: Whose lane it is, for messages and events: the broker's name.
        venue: For the event that says our clock is off the venue's.
        emit: Takes events.
        unit: What one step of a nonce is worth. A finer unit found in the file stays; a coarser one is ratcheted up.
        forward_buffer_us: Nonces run ahead of the clock by so many microseconds.
        wait_s: How long a turn is waited for unless told otherwise.
        sequence: What the venue demands of the order of this credential's requests.
        in_flight_max: Requests under way at once, 1 to 16. More than 1 only with a *nonce_window*, or without nonces.
        nonce_window: The key's own window at the venue, in steps of its unit.
        sync: Makes a written file descriptor durable; the real thing unless told otherwise. Blocks.
        randomness: Jitter of retries.

    Raises:
        ConfigError: More than one request in flight is asked for without a nonce window that covers it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock,
        name: str = "credential",
        venue: str = "",
        emit: Emit | None = None,
        unit: NonceUnit = NonceUnit.US,
        forward_buffer_us: int = FORWARD_BUFFER_US,
        sequence: SequencePolicy = SequencePolicy.INCREASING_PER_KEY,
        wait_s: float = 10.0,
        in_flight_max: int = 1,
        nonce_window: int = 0,
        sync: Sync | None = None,
        randomness: Randomness | None = None,
    ) -> None:
        if not 1 <= in_flight_max <= BERTHS_MAX:
            raise ConfigError(f"{name}: requests in flight at once are 1 to {BERTHS_MAX}, not {in_flight_max}")
        has_nonces = sequence is SequencePolicy.INCREASING_PER_KEY
        if has_nonces and in_flight_max > 1 and nonce_window < in_flight_max:
            raise ConfigError(
                f"{name}: {in_flight_max} requests in flight at once need a nonce window of at least as many steps, "
                f"and the key's is {nonce_window}: raise it at the venue, or keep one in flight"
            )
        self.path = Path(path)
        self.name = name
        self._venue = venue
        self._passage = Passage(
            gate_of(path),
            clock=clock,
            name=name,
            emit=emit or _ignore,
            unit=unit,
            forward_buffer_us=forward_buffer_us,
            wait_s=wait_s,
            in_flight_max=in_flight_max,
            nonce_window=nonce_window,
            has_nonces=has_nonces,
            sync=sync,
            randomness=randomness or random.Random(),  # noqa: S311 - Jitter.
        )
        self._passage.gate.join()
        self._ask: Callable[[], Awaitable[ServerTime]] | None = None
        self._is_skewed = False
        self._is_closed = False

    def turn(self, *, priority: Priority, wait_s: float | None = None) -> LaneTurn:
        """
        Wait for the lane and hold it for the ``async with`` block. See ``holdfast.core.seams.Lane``.

        Waiting ends after *wait_s* seconds of the event loop's time. A task that holds the lane already is refused.

        Raises:
            CredentialBusyError: Not free in time; names the process that holds it. Nothing is stolen.
            CredentialParkedError: The credential is parked.
            StoreError: The lane's file cannot be opened, trusted or locked.
            VenueError: The venue's time had to be asked for (``use_venue_time``) and did not come.
            InvariantError: This task is inside the same lane.
        """
        bound_s = self._passage.wait_s if wait_s is None else wait_s
        return LaneTurn(self, FileTurn(self._passage, priority=priority, wait_s=bound_s))

    @property
    def has_nonces(self) -> bool:
        """Whether its turns hand out nonces."""
        return self._passage.has_nonces

    @property
    def refused(self) -> int:
        """Nonces the venue refused, as far as this object was told."""
        return self._passage.refused

    # The clock that nonces are counted on

    def use_venue_time(self, ask: Callable[[], Awaitable[ServerTime]]) -> None:
        """
        Let the lane ask for the venue's unsigned time before its first nonce, where it has reason to.

        It has none where ``hear_venue_time`` was called, or where the mark found is within a minute of our clock.
        """
        self._ask = ask

    def hear_venue_time(self, time: ServerTime) -> Heard:
        """
        Judge our wall clock's sample by the venue's time; see ``NonceClock``. Does not suspend.

        Emits ``clock.skewed`` when the wall clock turns out to be far off, once until it is right again.
        """
        heard = self._passage.nonce_clock.hear(time)
        if heard.wall_offset_s is not None:
            if heard.is_skewed and not self._is_skewed:
                skew = event("clock.skewed", venue=self._venue, offset_s=round(heard.wall_offset_s, 3))
                self._passage.emit(skew)
            self._is_skewed = heard.is_skewed
        return heard

    def now_ns(self) -> int:
        """The clock that nonces are counted on, nanoseconds since 1970; not a time of day."""
        return self._passage.now_ns()

    # What is known, and what a person may change

    async def state(self) -> LaneState:
        """What the lane's file says now. Makes the file where it is missing. Suspends; raises ``StoreError``."""
        passage = self._passage
        await passage.open()
        record = passage.peek()
        now_s, wall_us = passage.clock.now_s(), passage.clock.wall_us()
        mark_ahead_s = ahead_s(record.mark, unit=record.unit, now_ns=passage.now_ns())
        parking = None if passage.entry(record.parking) is Entry.OPEN else record.parking
        return LaneState(
            record=record,
            basis=passage.nonce_clock.basis,
            ahead_s=None if record.mark is None else mark_ahead_s,
            parking=parking,
            parked_for_s=None if parking is None else remaining_s(parking, now_s=now_s, wall_us=wall_us),
            holder=passage.holder(),
            last_holders=tuple(passage.gate.last_holders()),
            waiting_pids=frozenset(passage.gate.waiting_pids(now_s=now_s)),
        )

    @property
    def is_open(self) -> bool:
        """Whether its file is open, so that ``parking_now`` can tell."""
        return self._passage.gate.is_open

    async def open(self) -> None:
        """Open its file, making it where it is missing. Suspends; raises ``StoreError``."""
        await self._passage.open()

    def parking_now(self) -> Parking | None:
        """The parking in force, whoever parked it; None while the lane was never used here. Does not suspend."""
        if not self._passage.gate.is_open:
            return None
        parking = self._passage.peek().parking
        return None if self._passage.entry(parking) is Entry.OPEN else parking

    async def unpark(self, *, cause: str | None = None) -> bool:
        """
        Open a parked credential again: a person's decision, or a cause that is measured to be gone. Durable.

        Args:
            cause: Only where parked for this cause; None: whatever it is.

        Returns:
            Whether it was parked so. Suspends; raises ``StoreError``, ``CredentialBusyError``.
        """
        found: list[str] = []

        def change(record: NonceRecord) -> NonceRecord:
            if record.parking is None or cause not in {None, record.parking.cause}:
                return record
            found.append(record.parking.cause)
            return msgspec.structs.replace(record, parking=None, refused_in_a_row=0)

        await self._amend(change)
        for was in found:
            self._passage.emit(event("credential.unparked", broker=self.name, cause=was))
        return bool(found)

    async def ratchet(self, unit: NonceUnit) -> NonceRecord:
        """
        Move the credential to a finer unit, for ever. Durable; a unit that is not finer changes nothing.

        The caller has a person's consent: every other client of this key that counts in a coarser unit is refused from
        the next call on. Suspends; raises ``StoreError``, ``CredentialBusyError``.
        """
        return await self._amend(lambda record: ratcheted(record, unit))

    async def keep_credential_info(self, info: CredentialInfo) -> None:
        """
        Remember nonce window and permissions, read while the key is healthy: later they could not be asked for.

        Suspends; raises ``StoreError``, ``CredentialBusyError``.
        """
        wall_us = self._passage.clock.wall_us()
        await self._amend(
            lambda record: msgspec.structs.replace(
                record,
                nonce_window=info.nonce_window,
                permissions=info.permissions,
                healthy_wall_us=wall_us,
                expires_wall_us=None if info.expires_at_s is None else int(info.expires_at_s * 1_000_000),
            )
        )

    def close(self) -> None:
        """Refuse further turns. Turns that are held go on; files close with the last lane on them."""
        if not self._is_closed:
            self._is_closed = True
            self._passage.gate.part()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError(f"{self.name}: its lane is closed")

    async def _settle_clock(self) -> None:
        """Ask for the venue's time once, where our sample is unchecked and no recent mark vouches for it."""
        ask, passage = self._ask, self._passage
        if ask is None or not passage.has_nonces or passage.nonce_clock.basis is not Basis.UNCHECKED:
            return
        await passage.open()
        record = passage.peek()
        if not passage.nonce_clock.is_near(record.mark, unit=record.unit, now_s=passage.clock.now_s()):
            time = await ask()
            self._ask = None  # An answer that cannot be believed does not get better by asking again.
            self.hear_venue_time(time)

    async def _amend(self, change: Callable[[NonceRecord], NonceRecord]) -> NonceRecord:
        """Change the record outside of any turn, parked or not, with nothing in flight."""
        self._check_open()
        passage = self._passage
        ticket = Ticket(priority=Priority.CANCEL, since_s=passage.clock.now_s(), berth_count=1, respects_parking=False)
        await passage.enter(ticket, passage.wait_s)
        try:
            record = passage.read()
            await passage.wait_alone(ticket, record, passage.wait_s)
            changed = change(record)
            if changed != record:
                await passage.store(ticket, changed, must_land=True)
            return changed
        finally:
            passage.gate.leave(ticket, now_s=passage.clock.now_s())


class LaneTurn:
    """What ``FileLane.turn`` returns: settles the clock, waits, and gives the turn for the block."""

    def __init__(self, lane: FileLane, turn: FileTurn) -> None:
        self._lane = lane
        self._turn = turn

    async def __aenter__(self) -> Turn:
        self._lane._check_open()
        await self._lane._settle_clock()
        return await self._turn.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._turn.__aexit__(kind, error, trace)


def _ignore(_: Event) -> None:
    pass
