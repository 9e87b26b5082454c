"""
Who holds a lane and who waits for it, across the processes of a host.

Two pages of the lane file, beside the durable record and never synced: they say whose turn is next and whom to name
when it takes too long. Nothing here protects a nonce; the kernel's lock does. So entries are written without any lock
of their own: a torn or overwritten one costs somebody a place in line for a moment, and is mended by the next try.

A waiter renews its entry as it tries. One that stopped doing so (killed, stopped, its loop blocked) is passed over
after ``STALE_AFTER_S``: a dead process cannot hold up the living.
"""

from __future__ import annotations

import contextlib
import os
import struct
from typing import Final, NamedTuple

from holdfast.core.turns import standing
from holdfast.runtime.marks import PAGE

__all__ = ["BERTHS_MAX", "STALE_AFTER_S", "HolderEntry", "WaitingLine"]

STALE_AFTER_S: Final = 0.5
"""A waiter that has not tried for so long is passed over."""

BERTHS_MAX: Final = 16
"""As many holders can be named; more requests in flight on one key than this are not offered."""

_RENEW_EVERY_S: Final = 0.02
_ABANDONED_AFTER_S: Final = 10.0
_WAITERS_MAX: Final = 64
_ENTRY: Final = struct.Struct("<QIIdd")  # token, pid, priority (holder: 1 while held), since_s, renewed_s
_FIELDS: Final = 5
_TABLE: Final = struct.Struct("<" + "QIIdd" * _WAITERS_MAX)
_HOLDERS_AT: Final = 2 * PAGE
_WAITERS_AT: Final = 3 * PAGE
_NOBODY: Final = bytes(_ENTRY.size)
_NOBODY_AT_ALL: Final = bytes(_TABLE.size)


class HolderEntry(NamedTuple):
    """Who held a lane last: since when, and until when (None while held), on the clock that starts at boot."""

    pid: int
    since_s: float
    until_s: float | None


class _Waiter(NamedTuple):
    place: int
    token: int
    pid: int
    priority: int
    since_s: float
    renewed_s: float


class WaitingLine:
    """
    One process's view of a lane's line, and its own entry in it.

    Plain functions on the page cache; they do not wait for the disk. A process has one entry per lane: its best waiter.
    """

    __slots__ = ("_entered", "_fd", "_pid", "_place", "_renewed_s", "_token")

    def __init__(self, fd: int, *, token: int, pid: int) -> None:
        self._fd = fd
        self._token = token
        self._pid = pid
        self._place: int | None = None
        self._entered: tuple[int, float] | None = None
        self._renewed_s = 0.0

    def ahead_of(self, priority: int, since_s: float, *, now_s: float) -> int:
        """How many waiters of other processes, of those still trying, go before this one."""
        waiters = self._waiters()
        if not waiters:
            return 0
        ours = standing(priority, since_s=since_s, now_s=now_s, tie=self._token)
        return sum(
            waiter.token != self._token
            and -1.0 < now_s - waiter.renewed_s <= STALE_AFTER_S
            and standing(waiter.priority, since_s=waiter.since_s, now_s=now_s, tie=waiter.token) < ours
            for waiter in waiters
        )

    def stand(self, priority: int, since_s: float, *, now_s: float) -> None:
        """Enter the line, or renew our entry in it. Without a free place we go unnoticed, and still try."""
        entry = (priority, since_s)
        if entry == self._entered and 0 <= now_s - self._renewed_s < _RENEW_EVERY_S:
            return
        waiters = self._waiters()
        if not any(waiter.token == self._token and waiter.place == self._place for waiter in waiters):
            taken = {waiter.place for waiter in waiters if -1.0 < now_s - waiter.renewed_s <= _ABANDONED_AFTER_S}
            first = self._token % _WAITERS_MAX  # Spread out, so that two newcomers seldom choose the same place.
            candidates = ((first + step) % _WAITERS_MAX for step in range(_WAITERS_MAX))
            self._place = next((place for place in candidates if place not in taken), None)
        if self._place is not None:
            self._entered, self._renewed_s = entry, now_s
            self._write(_ENTRY.pack(self._token, self._pid, priority, since_s, now_s), self._place_at(self._place))

    def leave(self) -> None:
        """Take our entry out of the line."""
        if self._place is None:
            return
        at = self._place_at(self._place)
        if self._read(8, at) == self._token.to_bytes(8, "little"):
            self._write(_NOBODY, at)
        self._place = self._entered = None

    def hold(self, berth: int, *, now_s: float) -> None:
        """Say that we hold *berth*."""
        self._write(_ENTRY.pack(self._token, self._pid, 1, now_s, 0.0), _HOLDERS_AT + berth * _ENTRY.size)

    def let_go(self, berth: int, *, since_s: float, now_s: float) -> None:
        """Say that we held *berth* until now."""
        self._write(_ENTRY.pack(self._token, self._pid, 0, since_s, now_s), _HOLDERS_AT + berth * _ENTRY.size)

    def holders(self, count: int = BERTHS_MAX) -> list[HolderEntry]:
        """Who holds, or held last, each of the first *count* berths. A killed holder still stands as holding."""
        raw = self._read(count * _ENTRY.size, _HOLDERS_AT)
        return [
            HolderEntry(pid=pid, since_s=since_s, until_s=None if is_held else until_s)
            for token, pid, is_held, since_s, until_s in _ENTRY.iter_unpack(raw[: len(raw) - len(raw) % _ENTRY.size])
            if token
        ]

    def waiting_pids(self, *, now_s: float) -> set[int]:
        """Processes that are waiting now."""
        return {waiter.pid for waiter in self._waiters() if -1.0 < now_s - waiter.renewed_s <= STALE_AFTER_S}

    def _waiters(self) -> list[_Waiter]:
        raw = self._read(_TABLE.size, _WAITERS_AT)
        if raw == _NOBODY_AT_ALL or len(raw) != _TABLE.size:
            return []
        table = _TABLE.unpack(raw)
        return [
            _Waiter(place, *table[place * _FIELDS : (place + 1) * _FIELDS])
            for place, token in enumerate(table[::_FIELDS])
            if token
        ]

    @staticmethod
    def _place_at(place: int) -> int:
        return _WAITERS_AT + place * _ENTRY.size

    # A disk that refuses these pages costs fairness and names, and must not cost a turn.

    def _read(self, size: int, at: int) -> bytes:
        try:
            return os.pread(self._fd, size, at)
        except OSError:
            return b""

    def _write(self, entry: bytes, at: int) -> None:
        with contextlib.suppress(OSError):
            os.pwrite(self._fd, entry, at)
