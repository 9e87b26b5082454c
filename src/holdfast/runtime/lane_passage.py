"""
The way into a lane, and the record one finds there.

What a turn and a person's command have in common: wait in line with a bound, read the record under the lock, replace
it durably without blocking the event loop, and say who or what is in the way.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final

import msgspec

from holdfast.core.events import event
from holdfast.core.nonces import JUMP_S, NonceClock, NonceRecord, NonceSource, NonceUnit, ratcheted
from holdfast.core.parking import Entry, Parking, advice_of, judge, remaining_s
from holdfast.core.seams import Clock, Emit, Randomness
from holdfast.errors import CredentialBusyError, CredentialParkedError, StoreCorruptError, StoreError
from holdfast.runtime.lane_gate import Entrance, Gate, Ticket, Write, disk_threads
from holdfast.runtime.marks import MarkReading, Sync
from holdfast.runtime.waiting_line import HolderEntry

__all__ = ["Passage", "is_alive"]

_RETRY_FIRST_S: Final = 0.0002
_RETRY_MAX_S: Final = 0.005
_RETRY_GROWTH: Final = 1.2
_IN_LINE_S: Final = 0.05
_PER_TURN_AHEAD_S: Final = 0.003
_AHEAD_MAX: Final = 4
_BEHIND_MAX_S: Final = 0.025
_MOVE_IT_AWAY: Final = (
    "Move it away while nothing uses the key: nonces then start from the clock, which has passed every earlier one "
    "unless the key counted in a finer unit; `holdfast nonce doctor` tries that with one read"
)


class Passage:
    """
    One lane as its users see it: settings, clocks and the gate.

    Attributes:
        has_nonces: Whether turns hand out nonces; without, only priorities, the bound in flight and parking are left.
        is_far_ahead: The mark was last found far ahead of the clock; said once until it no longer is.
        refused: Nonces the venue refused, as far as this process was told.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        clock: Clock,
        name: str,
        emit: Emit,
        unit: NonceUnit,
        forward_buffer_us: int,
        wait_s: float,
        in_flight_max: int,
        nonce_window: int,
        has_nonces: bool,
        sync: Sync | None,
        randomness: Randomness,
    ) -> None:
        self.gate = gate
        self.clock = clock
        self.name = name
        self.emit = emit
        self.wait_s = wait_s
        self.in_flight_max = in_flight_max
        self.nonce_window = nonce_window
        self.has_nonces = has_nonces
        self.nonce_clock = NonceClock(wall_us=clock.wall_us(), now_s=clock.now_s())
        self.is_far_ahead = False
        self.refused = 0
        self._unit = unit
        self._forward_buffer_us = forward_buffer_us
        self._sync = sync
        self._random = randomness

    # Waiting

    async def open(self) -> None:
        """Open the lane file where it is not, making it where it is missing. Suspends; raises ``StoreError``."""
        if not self.gate.is_open:
            await self._reopen()

    async def enter(self, ticket: Ticket, wait_s: float) -> None:
        """
        Take the lane for *ticket*, or raise and leave nothing behind. Suspends, for *wait_s* seconds at most.

        Raises:
            CredentialBusyError: Not free in time.
            CredentialParkedError: The credential is parked, and *ticket* would have had to wait just to hear it.
            StoreError: The file cannot be opened or locked.
        """
        gate, loop = self.gate, ticket.loop
        await self.open()
        deadline_s = loop.time() + wait_s
        retry_s = _RETRY_FIRST_S
        seen: list[HolderEntry] | None = None
        moved_s = loop.time()
        is_news = False
        try:
            while True:
                entrance = gate.try_enter(ticket, now_s=self.clock.now_s())
                if entrance is Entrance.ENTERED:
                    return
                left_s = deadline_s - loop.time()
                if left_s <= 0:
                    raise self.busy(wait_s)
                if entrance is Entrance.REOPEN:
                    await self._reopen()
                    continue
                holders = gate.last_holders(ticket.berth_count)
                if holders != seen:
                    seen, retry_s, moved_s = holders, _RETRY_FIRST_S, loop.time()  # The line moves: be quick again.
                    is_news = True
                if ticket.respects_parking and (is_news or entrance is Entrance.WAIT_IN_LINE):
                    self._refuse_if_closed()
                    is_news = False
                if entrance is Entrance.WAIT_IN_LINE:
                    pause_s = _IN_LINE_S
                elif ticket.ahead:
                    # Not before each of them has had a turn; and turns seem to last as long as this one.
                    least_s = _PER_TURN_AHEAD_S * min(ticket.ahead, _AHEAD_MAX)
                    pause_s = min(max(least_s, (loop.time() - moved_s) / 5), _BEHIND_MAX_S)
                else:
                    pause_s = retry_s
                    retry_s = min(retry_s * _RETRY_GROWTH, _RETRY_MAX_S)
                await gate.pause(ticket, min(left_s, self._jittered(pause_s)))
        except BaseException:
            gate.withdraw(ticket, now_s=self.clock.now_s())
            raise

    async def wait_alone(self, ticket: Ticket, record: NonceRecord, wait_s: float) -> None:
        """
        Wait, with the lane's lock, until nothing is in flight at a berth. Suspends, for *wait_s* seconds at most.

        Raises:
            CredentialBusyError: Something still is.
        """
        deadline_s = ticket.loop.time() + wait_s
        while record.in_flight_max > 1 and self.gate.under_way(ticket, record.in_flight_max):
            await self._wait_or_give_up(deadline_s, _RETRY_MAX_S)

    async def wait_for_room(self, ticket: Ticket, record: NonceRecord) -> int | None:
        """
        The largest nonce that keeps everything in flight inside the window; None where nothing else is. Suspends.

        Raises:
            CredentialBusyError: The oldest request leaves no room, even after the lane's usual bound.
        """
        deadline_s = ticket.loop.time() + self.wait_s
        while True:
            others = self.gate.under_way(ticket, record.in_flight_max)
            if not others:
                return None
            ceiling = min(others) + self.nonce_window - 1
            if ceiling > (record.mark or 0):
                return ceiling
            await self._wait_or_give_up(deadline_s, _RETRY_MAX_S)

    async def lock_lane(self, ticket: Ticket) -> None:
        """
        Take the lane's own lock while at a berth. Suspends.

        Raises:
            CredentialBusyError: Not free after the lane's usual bound.
            StoreError: The file was removed or replaced meanwhile.
        """
        deadline_s = ticket.loop.time() + self.wait_s
        retry_s = _RETRY_FIRST_S
        while not self.gate.lock_lane(ticket):
            await self._wait_or_give_up(deadline_s, self._jittered(retry_s))
            retry_s = min(retry_s * _RETRY_GROWTH, _RETRY_MAX_S)
        if not self.gate.mark.is_current():
            self.gate.unlock_lane(ticket)
            raise StoreError(
                f"{self.gate.path} was removed or replaced while in use; it is opened anew once nothing is in flight"
            )

    # The record

    def peek(self) -> NonceRecord:
        """The record as it stands, without the lock: not to be followed by a nonce."""
        return self._decode(self._advised(self.gate.mark.peek).payload)

    def read(self) -> NonceRecord:
        """
        The record that the next nonce follows; the caller has the lane's lock.

        Never behind what this process saw itself. Where a slot is damaged, a newer record may have been in it: one,
        because each is written only after the one before it was sound, and a jump goes past what it can have held.

        Raises:
            StoreError: It cannot be read or trusted.
        """
        reading = self._advised(self.gate.mark.read)
        record = self._decode(reading.payload)
        if self._unit.is_finer_than(record.unit):
            record = ratcheted(record, self._unit)
        mark, reason = record.mark or 0, None
        if self.gate.highest > mark:
            mark, reason = self.gate.highest, "file_went_back"
        if reading.is_damaged:
            mark, reason = max(mark, self.now_ns() // record.unit.ns), "slot_damaged"
            mark += int(JUMP_S * 1e9) // record.unit.ns
        if reason is None:
            return record
        self.emit(event("nonce.mark_recovered", credential=self.name, reason=reason))
        return msgspec.structs.replace(record, mark=mark)

    async def store(self, ticket: Ticket, record: NonceRecord, *, must_land: bool = False) -> None:
        """
        Make *record* durable. Suspends.

        Cancelled, it is called back where it has not started, and ends by itself where it has; *must_land* is never
        called back.

        Raises:
            StoreError: The disk refused; what is in the file has to be read again.
        """
        if ticket.write is not None:
            raise StoreError(f"{self.gate.path}: the disk has not answered for the nonce before this one yet")
        payload = msgspec.json.encode(record)
        write = Write(self.gate, ticket, payload, sync=self._sync, now_s=self.clock.now_s(), must_land=must_land)
        done = asyncio.get_running_loop().run_in_executor(disk_threads(), write)
        if must_land:
            done.add_done_callback(_consume)
            await asyncio.shield(done)
            return
        try:
            await done
        except asyncio.CancelledError:
            self.gate.call_back(ticket)
            raise

    def source(self, record: NonceRecord) -> NonceSource:
        """The numbers that follow *record*."""
        return NonceSource(mark=record.mark, unit=record.unit, forward_buffer_us=self._forward_buffer_us)

    def now_ns(self) -> int:
        """The nonce clock, nanoseconds since 1970."""
        return self.nonce_clock.now_ns(self.clock.now_s())

    def entry(self, parking: Parking | None) -> Entry:
        """What *parking* means now."""
        return judge(parking, now_s=self.clock.now_s(), wall_us=self.clock.wall_us())

    # What is in the way

    def holder(self) -> HolderEntry | None:
        """Who has the lane, as far as it is written and alive."""
        holder = self.gate.holder()
        return holder if holder is not None and is_alive(holder.pid) else None

    def busy(self, wait_s: float) -> CredentialBusyError:
        """The error that names the holder."""
        holder = self.holder()
        if holder is None:
            return CredentialBusyError(
                f"{self.name}: the lane was not free within {wait_s:g} s; too many are waiting for this key",
                pid=None,
                held_for_s=None,
            )
        held_for_s = max(0.0, self.clock.now_s() - holder.since_s)
        whose = "this process" if holder.pid == os.getpid() else f"process {holder.pid}"
        return CredentialBusyError(
            f"{self.name}: {whose} has held the credential's lane for {held_for_s:.1f} s and we waited {wait_s:g} s; "
            "nothing is stolen: wait for it, or end it",
            pid=holder.pid,
            held_for_s=held_for_s,
        )

    def closed(self, parking: Parking) -> CredentialParkedError:
        """The error that names the cause and the time left."""
        left_s = remaining_s(parking, now_s=self.clock.now_s(), wall_us=self.clock.wall_us())
        until = "until a person acts" if left_s is None else f"for another {left_s:.0f} s"
        return CredentialParkedError(
            f"{self.name}: nothing is sent, the credential is parked for {parking.cause} {until}{advice_of(parking)}",
            cause=parking.cause,
            retry_after_s=left_s,
        )

    async def _reopen(self) -> None:
        first = msgspec.json.encode(NonceRecord(unit=self._unit))
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(disk_threads(), self.gate.open_files, first, self._sync)

    async def _wait_or_give_up(self, deadline_s: float, seconds: float) -> None:
        if asyncio.get_running_loop().time() >= deadline_s:
            raise self.busy(self.wait_s)
        await asyncio.sleep(seconds)

    def _refuse_if_closed(self) -> None:
        parking = self.peek().parking
        if parking is not None and self.entry(parking) is Entry.CLOSED:
            raise self.closed(parking)

    def _jittered(self, seconds: float) -> float:
        return seconds * self._random.uniform(0.8, 1.2)

    def _advised(self, look: Callable[[], MarkReading]) -> MarkReading:
        try:
            return look()
        except StoreCorruptError as error:
            raise StoreCorruptError(f"{error}. {_MOVE_IT_AWAY}") from error

    def _decode(self, payload: bytes) -> NonceRecord:
        try:
            return msgspec.json.decode(payload, type=NonceRecord)
        except msgspec.DecodeError as error:
            raise StoreCorruptError(
                f"{self.gate.path} holds a record that is no lane's ({error}); it was left as it is, and is not "
                f"taken for empty. {_MOVE_IT_AWAY}"
            ) from error


def _consume(done: asyncio.Future[None]) -> None:
    """Look at the outcome of a write whose caller was cancelled: the file says it better when it is read next."""
    if not done.cancelled():
        done.exception()


def is_alive(pid: int) -> bool:
    """Whether a process with this id exists; it may be another one by now."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
