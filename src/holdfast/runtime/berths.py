"""
Several requests in flight on one key whose nonce window allows it.

Each request lies at one of N berths: a small file locked from before its nonce is allocated until its reply, in which
that nonce is written. Allocation itself stays one at a time, under the lane's own lock. So whoever allocates can see
every nonce that may still arrive, and keeps the new one less than a window above the oldest of them: whatever order
they arrive in, the venue takes them all. A killed holder's lock dies with it, and its nonce no longer counts.

Not durable, and worthless after a reboot, as the requests are.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final

from holdfast.runtime.marks import as_store_error

__all__ = ["Berths"]

_DIGITS: Final = 20
_NONE: Final = b"0" * _DIGITS


class Berths:
    """
    One process's hands on a lane's berths. Plain functions; the caller keeps threads apart.

    Raises ``StoreError`` where a berth's file cannot be opened or written.
    """

    __slots__ = ("_fds", "_lane", "_ours")

    def __init__(self, lane: Path) -> None:
        self._lane = lane
        self._fds: dict[int, int] = {}
        self._ours: dict[int, int | None] = {}  # Berth we hold to the nonce that lies there.

    def try_take(self, count: int) -> int | None:
        """Lock a free one of the first *count* berths; None where all are held."""
        for berth in range(count):
            if berth not in self._ours and self._lock(berth):
                self._write(berth, _NONE)
                self._ours[berth] = None
                return berth
        return None

    def put(self, berth: int, nonce: int | None) -> None:
        """Say what is under way from *berth*, before it may leave; None: nothing."""
        self._write(berth, _NONE if nonce is None else b"%0*d" % (_DIGITS, nonce))
        self._ours[berth] = nonce

    def release(self, berth: int) -> None:
        """Nothing of this berth is under way any more."""
        if berth in self._ours:
            del self._ours[berth]
            with contextlib.suppress(OSError):
                os.pwrite(self._fds[berth], _NONE, 0)
            with contextlib.suppress(OSError):
                fcntl.flock(self._fds[berth], fcntl.LOCK_UN)

    def under_way(self, count: int, *, besides: int | None = None) -> list[int]:
        """Nonces that may still arrive, other than *besides*'s. Complete while the caller holds the lane's own lock."""
        found = []
        for berth in range(count):
            if berth == besides:
                continue
            if berth in self._ours:
                nonce = self._ours[berth]
                if nonce is not None:
                    found.append(nonce)
            elif self._lock(berth):
                fcntl.flock(self._fds[berth], fcntl.LOCK_UN)
            else:
                raw = os.pread(self._fds[berth], _DIGITS, 0)
                if raw.isdigit() and int(raw):
                    found.append(int(raw))
        return found

    def close(self) -> None:
        """Close every file without unlocking: in a forked child the locks are the parent's."""
        for fd in self._fds.values():
            with contextlib.suppress(OSError):
                os.close(fd)
        self._fds.clear()
        self._ours.clear()

    def _lock(self, berth: int) -> bool:
        path = self._lane.with_name(f"{self._lane.name}.berth-{berth}")
        try:
            while True:
                fd = self._fds.get(berth)
                if fd is None:
                    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                    fd = self._fds[berth] = os.open(path, flags, 0o600)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                here = os.fstat(fd)
                with contextlib.suppress(FileNotFoundError):
                    there = os.lstat(path)
                    if (here.st_ino, here.st_dev) == (there.st_ino, there.st_dev):
                        return True
                # Somebody removed or replaced it: what we locked is no longer what others lock.
                os.close(self._fds.pop(berth))
        except OSError as error:
            raise as_store_error(error, path, "cannot be locked") from error

    def _write(self, berth: int, text: bytes) -> None:
        try:
            os.pwrite(self._fds[berth], text, 0)
        except OSError as error:
            path = self._lane.with_name(f"{self._lane.name}.berth-{berth}")
            raise as_store_error(error, path, "could not be written") from error
