"""
The connections that every process of this machine has made to one venue, counted together.

Venues count by address: Kraken refuses an address for ten minutes after some 150 attempts in ten, whoever made them.
A bot that crashes and restarts in a loop, or several bots on one machine, share that allowance; so the attempts are
kept in a small file beside the locks, as moments on the clock that all processes of a machine share.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from collections import deque
from pathlib import Path
from typing import Final

from holdfast.core.limits import ConnectionBudget

__all__ = ["SharedBudget"]

_MOMENT: Final = struct.Struct("<d")
_LARGEST_BYTES: Final = 64 * 1024


class SharedBudget(ConnectionBudget):
    """
    A ``ConnectionBudget`` that processes share through the file *path*. It touches the disk when a connection is made.

    A file that cannot be read or written leaves this process's own count: the budget is a courtesy of ours, and no
    reason to be without a stream.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path, *, limit: int, window_s: float) -> None:
        super().__init__(limit=limit, window_s=window_s)
        self._path = path

    def wait_s(self, *, now_s: float) -> float:
        """Seconds until one more attempt fits, whoever made the others; zero: now."""
        moments = {*self._attempts, *self._read(now_s)}
        self._attempts = deque(sorted(moments)[-self.limit :], maxlen=self.limit)
        return super().wait_s(now_s=now_s)

    def spend(self, *, now_s: float) -> None:
        """Record an attempt that is about to be made, for every process."""
        super().spend(now_s=now_s)
        with contextlib.suppress(OSError):
            self._write(now_s)

    def _read(self, now_s: float) -> list[float]:
        try:
            raw = self._path.read_bytes()
        except OSError:
            return []
        whole = raw[: len(raw) - len(raw) % _MOMENT.size]
        # The clock starts anew with the machine: what lies ahead of it is from before.
        return [at_s for (at_s,) in _MOMENT.iter_unpack(whole) if now_s - self.window_s < at_s <= now_s]

    def _write(self, now_s: float) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_size > _LARGEST_BYTES:
                recent = self._read(now_s)
                os.ftruncate(descriptor, 0)
                os.write(descriptor, b"".join(map(_MOMENT.pack, recent)))
            os.write(descriptor, _MOMENT.pack(now_s))
        finally:
            os.close(descriptor)
