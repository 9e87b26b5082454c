"""One holder's turn in a lane of files: from nonce allocation to the reply."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType

import msgspec

from holdfast.core.events import event
from holdfast.core.nonces import FAR_AHEAD_S, NonceRecord, ahead_s
from holdfast.core.parking import INVALID_NONCE, Entry, named, parked, rearmed
from holdfast.core.seams import Priority
from holdfast.errors import ClosedError, CredentialBusyError, InvariantError, StoreError
from holdfast.runtime.lane_gate import Ticket
from holdfast.runtime.lane_passage import Passage

__all__ = ["FileTurn"]


class FileTurn:
    """
    One turn in a ``FileLane``: an ``async with`` block, and the ``Turn`` it gives.

    Used once, by one task at a time, inside its block and its process; everything else raises ``ClosedError``.
    """

    def __init__(self, passage: Passage, *, priority: Priority, wait_s: float) -> None:
        self._passage = passage
        self._priority = priority
        self._wait_s = wait_s
        self._ticket: Ticket | None = None
        self._record: NonceRecord | None = None  # What the next nonce follows; None: read it.
        self._nonce: int | None = None
        self._is_probe = False
        self._has_jumped = False
        self._has_parked = False

    async def __aenter__(self) -> FileTurn:
        passage, gate = self._passage, self._passage.gate
        if self._ticket is not None:
            raise ClosedError(f"{passage.name}: a turn is used once; ask the lane for another")
        if gate.is_inside(asyncio.current_task()):
            raise InvariantError(
                f"{passage.name}: this task is inside the lane; a second turn would wait for the first"
            )
        ticket = Ticket(priority=self._priority, since_s=passage.clock.now_s(), berth_count=passage.in_flight_max)
        await passage.enter(ticket, self._wait_s)
        try:
            record = passage.read() if ticket.berth_count == 1 else passage.peek()
            self._judge(record)
            if ticket.berth_count == 1:
                await passage.wait_alone(ticket, record, self._wait_s)
                self._record = record
            if not passage.has_nonces and record.parking is not None:
                await self._pass_parking(ticket)
        except BaseException:
            gate.leave(ticket, now_s=passage.clock.now_s())
            raise
        self._ticket = ticket
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ticket = self._ticket
        assert ticket is not None
        try:
            # The probe was answered and nobody complained: the credential is good again.
            has_called = self._nonce is not None or not self._passage.has_nonces
            if self._is_probe and kind is None and has_called and not self._has_parked:
                await self._clear(ticket)
        finally:
            # Nothing suspends here, so that no cancellation and no loop that is torn down can leave the lane locked.
            self._passage.gate.leave(ticket, now_s=self._passage.clock.now_s())

    async def take(self) -> int:
        """The next nonce, durable before it is returned. See ``holdfast.core.seams.Turn``."""
        ticket = self._check()
        self._check_numbered()
        if ticket.berth_count > 1:
            return await self._take_beside(ticket)
        record = self._record or self._passage.read()
        nonce = self._passage.source(record).take(now_ns=self._passage.now_ns())
        return await self._hand_out(ticket, record, nonce)

    async def take_beyond(self) -> int:
        """
        The one regenerated nonce after a refusal. See ``holdfast.core.seams.Turn``.

        Raises:
            CredentialParkedError: The refused call was the one probe of a key parked for its nonces: now a person acts.
            InvariantError: Called twice in a turn, or before ``take``.
        """
        ticket, passage = self._check(), self._passage
        self._check_numbered()
        if self._nonce is None or self._has_jumped:
            raise InvariantError(f"{passage.name}: one regeneration per turn, and only of a nonce that was refused")
        if self._is_probe:
            parking = passage.peek().parking
            if parking is not None and parking.cause == INVALID_NONCE:
                await self.park(INVALID_NONCE, for_s=None)
                raise passage.closed(msgspec.structs.replace(parking, for_s=None))
        self._has_jumped = True
        passage.refused += 1
        if ticket.berth_count > 1:
            return await self._take_beyond_beside(ticket)
        return await self._hand_out_beyond(ticket, self._record or passage.read())

    async def park(self, cause: str, *, for_s: float | None) -> str:
        """
        Close the credential to every process of this host. See ``holdfast.core.seams.Turn``.

        Durable even where the caller is cancelled meanwhile. Invalid nonces get one probe before a person has to act;
        see ``holdfast.core.parking.parked``. Says nothing: who found the reason tells it.
        """
        ticket, passage = self._check(), self._passage
        try:
            if ticket.berth_count > 1:
                await passage.lock_lane(ticket)
            record = self._record or passage.read()
            now_s, wall_us = passage.clock.now_s(), passage.clock.wall_us()
            if cause == INVALID_NONCE:
                passage.refused += 1
                record = record.refused(self._nonce, wall_us=wall_us)
            expires_us = record.expires_wall_us
            cause = named(
                cause,
                was_healthy=record.healthy_wall_us is not None,
                has_expired=expires_us is not None and expires_us <= wall_us,
            )
            parking = parked(record.parking, cause, for_s=for_s, is_probe=self._is_probe, now_s=now_s, wall_us=wall_us)
            self._has_parked = True
            # A cancelled caller must not leave the key open to the next one.
            await self._write(ticket, msgspec.structs.replace(record, parking=parking), must_land=True)
            return cause
        finally:
            self._free_lane(ticket)

    def _check(self) -> Ticket:
        ticket = self._ticket
        if ticket is None or not self._passage.gate.holds(ticket):
            raise ClosedError(f"{self._passage.name}: this turn is over, or belongs to the process that forked us")
        return ticket

    def _judge(self, record: NonceRecord) -> None:
        """Find out whether this turn is a parked credential's probe; raises where it is closed."""
        entry = self._passage.entry(record.parking)
        if entry is Entry.CLOSED and not self._is_probe:
            assert record.parking is not None
            raise self._passage.closed(record.parking)
        self._is_probe = self._is_probe or entry is Entry.PROBE

    def _check_numbered(self) -> None:
        if not self._passage.has_nonces:
            raise InvariantError(f"{self._passage.name}: its venue has no nonces, and a turn there hands out none")

    async def _pass_parking(self, ticket: Ticket) -> None:
        """
        What else is written together with a nonce: a lockout that has passed is over, and one call alone is the probe.

        Before the turn is given: nothing durable follows in it.
        """
        passage = self._passage
        try:
            if ticket.berth_count > 1:
                await passage.lock_lane(ticket)
            record = self._with_berths(passage.read())
            self._is_probe = False
            self._judge(record)  # Another one may have become the probe since.
            parking = record.parking
            if parking is None:
                return
            now_s, wall_us = passage.clock.now_s(), passage.clock.wall_us()
            again = rearmed(parking, now_s=now_s, wall_us=wall_us) if self._is_probe else None
            await self._write(ticket, msgspec.structs.replace(record, parking=again))
        finally:
            self._free_lane(ticket)
        if again is None:
            passage.emit(event("credential.unparked", broker=passage.name, cause=parking.cause))

    async def _hand_out(self, ticket: Ticket, record: NonceRecord, nonce: int) -> int:
        passage = self._passage
        parking, mark = record.parking, record.mark
        if parking is not None:
            # A lockout that has passed is over; a probe closes the key behind itself until it is answered.
            now_s, wall_us = passage.clock.now_s(), passage.clock.wall_us()
            again = rearmed(parking, now_s=now_s, wall_us=wall_us) if self._is_probe else None
            record = msgspec.structs.replace(record, parking=again)
        await self._write(ticket, record.taken(nonce))
        self._handed_out(nonce)
        if parking is not None and not self._is_probe:
            passage.emit(event("credential.unparked", broker=passage.name, cause=parking.cause))
        mark_ahead_s = ahead_s(mark, unit=record.unit, now_ns=passage.now_ns())
        if mark_ahead_s > FAR_AHEAD_S and not passage.is_far_ahead:
            passage.emit(event("nonce.far_ahead", credential=passage.name, ahead_s=round(mark_ahead_s, 3)))
        passage.is_far_ahead = mark_ahead_s > FAR_AHEAD_S
        return nonce

    async def _hand_out_beyond(self, ticket: Ticket, record: NonceRecord) -> int:
        passage = self._passage
        nonce = passage.source(record).take_beyond(now_ns=passage.now_ns())
        refused = record.refused(self._nonce, wall_us=passage.clock.wall_us())
        await self._write(ticket, msgspec.structs.replace(refused, mark=nonce))
        self._handed_out(nonce)
        return nonce

    def _handed_out(self, nonce: int) -> None:
        self._nonce = nonce
        self._passage.gate.highest = max(self._passage.gate.highest, nonce)

    async def _take_beside(self, ticket: Ticket) -> int:
        """Allocate while others are in flight, under the lane's own lock."""
        passage, gate = self._passage, self._passage.gate
        try:
            await passage.lock_lane(ticket)
            record = self._with_berths(passage.read())
            self._judge(record)
            ceiling = await passage.wait_for_room(ticket, record)
            nonce = passage.source(record).take(now_ns=passage.now_ns(), ceiling=ceiling)
            gate.put(ticket, nonce)
            try:
                return await self._hand_out(ticket, record, nonce)
            except BaseException:
                with contextlib.suppress(StoreError):
                    gate.put(ticket, None)  # Never handed out: it is not in anybody's way.
                raise
        finally:
            self._free_lane(ticket)

    async def _take_beyond_beside(self, ticket: Ticket) -> int:
        passage, gate = self._passage, self._passage.gate
        gate.put(ticket, None)  # Refused: it is not under way any more.
        try:
            await passage.lock_lane(ticket)
            record = self._with_berths(passage.read())
            await passage.wait_alone(
                ticket, record, passage.wait_s
            )  # A jump would leave the others outside the window.
            nonce = await self._hand_out_beyond(ticket, record)
            gate.put(ticket, nonce)
            return nonce
        finally:
            self._free_lane(ticket)

    def _with_berths(self, record: NonceRecord) -> NonceRecord:
        """Whoever holds the lane alone has to look for our berths from now on."""
        count = max(record.in_flight_max, self._passage.in_flight_max)
        return msgspec.structs.replace(record, in_flight_max=count)

    def _free_lane(self, ticket: Ticket) -> None:
        if ticket.berth_count > 1:
            self._record = None  # Others write it as soon as the lock is theirs.
            self._passage.gate.unlock_lane(ticket)

    async def _write(self, ticket: Ticket, record: NonceRecord, *, must_land: bool = False) -> None:
        self._record = None  # After an error or a cancellation the file is read again.
        await self._passage.store(ticket, record, must_land=must_land)
        self._record = record

    async def _clear(self, ticket: Ticket) -> None:
        """Open the credential again. What fails here must not hide that the call itself went well."""
        passage = self._passage
        try:
            if ticket.berth_count > 1:
                await passage.lock_lane(ticket)
            record = self._record or passage.read()
            cause = None if record.parking is None else record.parking.cause
            await self._write(ticket, msgspec.structs.replace(record, parking=None, refused_in_a_row=0), must_land=True)
        except (StoreError, CredentialBusyError) as error:
            passage.emit(event("store.failed", broker=passage.name, reason=type(error).__name__))
            return
        if cause is not None:
            passage.emit(event("credential.unparked", broker=passage.name, cause=cause))
