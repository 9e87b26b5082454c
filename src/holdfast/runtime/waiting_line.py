"""
Who holds a lane and who waits for it, across the processes of a host.

Two pages of the lane file, beside the durable record and never synced: they say whose turn is next and whom to name
when it takes too long. Nothing here protects a nonce; the kernel's lock does. So entries are written without any lock
of their own: a torn or overwritten one costs somebody a place in line for a moment, and is mended by the next try.

A waiter renews its entry each time it tries. One that stopped doing so (killed, stopped, its loop blocked) is passed
over after ``STALE_AFTER_S``: a dead process cannot hold up the living.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from holdfast.core.turns import standing
from holdfast.runtime.marks import PAGE

__all__ = ["BERTHS_MAX", "STALE_AFTER_S", "HolderEntry", "WaitingLine"]

STALE_AFTER_S: Final = 0.25
"""A waiter that has not tried for so long is passed over. Trying takes place every 50 ms at least."""

BERTHS_MAX: Final = 16
"""As many holders can be named; more requests in flight on one key than this are not offered."""

_ENTRY: Final = struct.Struct("<QIIdd")  # token, pid, priority (holder: 1 while held), since_s, renewed_s
_WAITERS_MAX: Final = 64
_HOLDERS_AT: Final = 2 * PAGE
_WAITERS_AT: Final = 3 * PAGE
_WAITERS_BYTES: Final = _WAITERS_MAX * _ENTRY.size
_NOBODY: Final = bytes(_ENTRY.size)
_NOBODY_AT_ALL: Final = bytes(_WAITERS_BYTES)
_ABANDONED_AFTER_S: Final = 10.0


class HolderEntry(NamedTuple):
    """Who held a lane last: since when, and until when (None while held), on the clock that starts at boot."""

    pid: int
    since_s: float
    until_s: float | None


class WaitingLine:
    """
    One process's view of a lane's line, and its own entry in it.

    Plain functions on the page cache; they do not wait for the disk. A process has one entry per lane: its best waiter.
    """

    __slots__ = ("_fd", "_pid", "_place", "_token")

    def __init__(self, fd: int, *, token: int, pid: int) -> None:
        self._fd = fd
        self._token = token
        self._pid = pid
        self._place: int | None = None

    def is_someone_ahead(self, priority: int, since_s: float, *, now_s: float) -> bool:
        """Whether a waiter of another process, one that is still trying, goes before this one."""
        ours = standing(priority, since_s=since_s, now_s=now_s, tie=self._token)
        return any(
            standing(theirs, since_s=their_since_s, now_s=now_s, tie=token) < ours
            for _, token, _, theirs, their_since_s, renewed_s in self._waiters()
            if token != self._token and -1.0 < now_s - renewed_s <= STALE_AFTER_S
        )

    def stand(self, priority: int, since_s: float, *, now_s: float) -> None:
        """Enter the line, or renew our entry. Without a free place we go unnoticed, and still try."""
        taken: set[int] = set()
        is_ours = False
        for place, token, _, _, _, renewed_s in self._waiters():
            if token == self._token and place == self._place:
                is_ours = True
            elif -1.0 < now_s - renewed_s <= _ABANDONED_AFTER_S:
                taken.add(place)
        if not is_ours:
            first = self._token % _WAITERS_MAX  # Spread out, so that two newcomers seldom choose the same place.
            candidates = ((first + step) % _WAITERS_MAX for step in range(_WAITERS_MAX))
            self._place = next((place for place in candidates if place not in taken), None)
        if self._place is not None:
            entry = _ENTRY.pack(self._token, self._pid, priority, since_s, now_s)
            self._write(entry, _WAITERS_AT + self._place * _ENTRY.size)

    def leave(self) -> None:
        """Take our entry out of the line."""
        if self._place is None:
            return
        at = _WAITERS_AT + self._place * _ENTRY.size
        if self._read(8, at) == self._token.to_bytes(8, "little"):
            self._write(_NOBODY, at)
        self._place = None

    def hold(self, berth: int, *, now_s: float) -> None:
        """Say that we hold *berth*."""
        self._write(_ENTRY.pack(self._token, self._pid, 1, now_s, 0.0), _HOLDERS_AT + berth * _ENTRY.size)

    def let_go(self, berth: int, *, since_s: float, now_s: float) -> None:
        """Say that we held *berth* until now."""
        self._write(_ENTRY.pack(self._token, self._pid, 0, since_s, now_s), _HOLDERS_AT + berth * _ENTRY.size)

    def holders(self) -> list[HolderEntry]:
        """Who holds, or held last, each berth that was ever used. A killed holder still stands as holding."""
        raw = self._read(BERTHS_MAX * _ENTRY.size, _HOLDERS_AT)
        return [
            HolderEntry(pid=pid, since_s=since_s, until_s=None if is_held else renewed_s)
            for token, pid, is_held, since_s, renewed_s in _entries(raw)
            if token
        ]

    def waiting_pids(self, *, now_s: float) -> set[int]:
        """Processes that are waiting now."""
        return {pid for _, _, pid, _, _, renewed_s in self._waiters() if -1.0 < now_s - renewed_s <= STALE_AFTER_S}

    def _waiters(self) -> Iterator[tuple[int, int, int, int, float, float]]:
        raw = self._read(_WAITERS_BYTES, _WAITERS_AT)
        if raw == _NOBODY_AT_ALL:
            return
        for place, (token, pid, priority, since_s, renewed_s) in enumerate(_entries(raw)):
            if token:
                yield place, token, pid, priority, since_s, renewed_s

    # A disk that refuses these pages costs fairness and names, and must not cost a turn.

    def _read(self, size: int, at: int) -> bytes:
        try:
            return os.pread(self._fd, size, at)
        except OSError:
            return b""

    def _write(self, entry: bytes, at: int) -> None:
        with contextlib.suppress(OSError):
            os.pwrite(self._fd, entry, at)


def _entries(raw: bytes) -> Iterator[tuple[int, int, int, float, float]]:
    return _ENTRY.iter_unpack(raw[: len(raw) - len(raw) % _ENTRY.size])
