"""
A venue's call counter as every process of this machine uses it up, counted together.

Venues count calls by credential, or by address, whoever makes them: a bot, another bot and a command beside them share
one counter. So its level is kept in a small file, on the clock that all processes of a machine share. Our own picture
it stays: calls from other machines are learnt of when the venue refuses.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from holdfast.core.limits import DecayingCounter

__all__ = ["SharedCounter"]

_STATE: Final = struct.Struct("<ddd")  # Level, as of when, quiet until when.
_SUM: Final = struct.Struct("<I")
_QUIET_MAX_S: Final = 3600.0


class SharedCounter(DecayingCounter):
    """
    A ``DecayingCounter`` that processes share through the file *path*. Each use touches the file; nothing is synced.

    Of what this process remembers and what the file says the higher counts. A file that cannot be read or written
    leaves this process's own count, and a lock that another process keeps is not waited for: the counter is a courtesy
    of ours, and no reason to stand still.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path, *, maximum: float, decay_per_s: float, now_s: float) -> None:
        super().__init__(maximum=maximum, decay_per_s=decay_per_s, now_s=now_s)
        self._path = path

    def level(self, *, now_s: float) -> float:
        """Points in use now, whoever used them."""
        self._join(now_s)
        return super().level(now_s=now_s)

    def spend(self, cost: float, *, now_s: float) -> None:
        """Record a call of *cost* points that is about to leave, for every process."""
        with _open_locked(self._path) as descriptor:
            self._join(now_s)
            super().spend(cost, now_s=now_s)
            self._write(descriptor)

    def refused(self, *, now_s: float, quiet_s: float) -> None:
        """The venue refused for its counter: for every process it is full, and silent for *quiet_s* seconds."""
        with _open_locked(self._path) as descriptor:
            self._join(now_s)
            super().refused(now_s=now_s, quiet_s=quiet_s)
            self._write(descriptor)

    def _join(self, now_s: float) -> None:
        """Take over from the file what is more than we know of."""
        try:
            raw = self._path.read_bytes()
        except OSError:
            return
        state = _decode(raw)
        if state is None:
            return
        level, as_of_s, quiet_until_s = state
        is_from_before = as_of_s > now_s
        if is_from_before:
            # The clock began anew with the machine: of use is only how much was used up, at the worst just now.
            as_of_s, quiet_until_s = now_s, now_s
        theirs = min(max(0.0, level - (now_s - as_of_s) * self.decay_per_s), 2 * self.maximum)
        if theirs > super().level(now_s=now_s):
            self._level, self._as_of_s = theirs, now_s
        self._quiet_until_s = max(self._quiet_until_s, min(quiet_until_s, now_s + _QUIET_MAX_S))
        if is_from_before:
            with _open_locked(self._path) as descriptor:
                self._write(descriptor)  # Else it would be just now for ever.

    def _write(self, descriptor: int | None) -> None:
        if descriptor is not None:
            state = _STATE.pack(self._level, self._as_of_s, self._quiet_until_s)
            with contextlib.suppress(OSError):
                os.pwrite(descriptor, state + _SUM.pack(zlib.crc32(state)), 0)


@contextlib.contextmanager
def _open_locked(path: Path) -> Iterator[int | None]:
    """The file, locked where nobody else holds it just now; None where it cannot be opened."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        yield None
        return
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


def _decode(raw: bytes) -> tuple[float, float, float] | None:
    """The state that the file holds; None where it is not whole."""
    size = _STATE.size
    if len(raw) != size + _SUM.size or _SUM.unpack_from(raw, size)[0] != zlib.crc32(raw[:size]):
        return None
    level, as_of_s, quiet_until_s = _STATE.unpack_from(raw)
    is_sane = 0.0 <= level < 1e9 and abs(as_of_s) < 1e12 and abs(quiet_until_s) < 1e12
    return (level, as_of_s, quiet_until_s) if is_sane else None
