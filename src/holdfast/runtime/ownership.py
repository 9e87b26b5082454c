"""
The owner lock: one process holds an account's ledger, streams and database, for its lifetime.

A lock file per broker's name, which guards its store and its socket, one per credential and, once the venue has named
the account, one per account: two keys of one account are one owner's. The kernel keeps the lock with the open file, so
it dies with its holder, however that dies, and a stopped holder keeps it. The file's text only tells the loser who won
and decides nothing. The file is never removed: two processes that hold locks on two files of one name would both
believe that they own the account.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import socket
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from holdfast.errors import ClosedError, ConfigError, OwnedElsewhereError

__all__ = ["Holder", "OwnerLock", "account_fingerprint", "broker_fingerprint"]

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_ATTEMPTS: Final = 10
_PAUSE_S: Final = 0.005


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds an owner lock, as its file says; ``since`` is UTC in ISO 8601."""

    pid: int
    host: str
    broker: str | None
    since: str


def account_fingerprint(*, venue: str, account: str) -> str:
    """Names an account's lock, whichever credential leads there: 16 hex digits over the venue's own account id."""
    return hashlib.sha256(f"{venue}\0{account}".encode()).hexdigest()[:16]


def broker_fingerprint(*, environment: str, name: str) -> str:
    """Names the lock of a broker's folder, whatever its credential: 16 hex digits."""
    return account_fingerprint(venue="broker", account=f"{environment}/{name}")


class OwnerLock:
    """
    One held owner lock. Made by ``take``, released by ``release``, at the end of a ``with`` block or with the process.

    Attributes:
        path: The lock file.
        holder: What others read in it.
    """

    def __init__(self, path: Path, fd: int, holder: Holder) -> None:
        self.path = path
        self.holder = holder
        self._fd = fd
        self._is_forked = False
        facts = os.fstat(fd)
        self._place = (facts.st_dev, facts.st_ino)
        _held.add(self)

    @classmethod
    def take(
        cls,
        path: str | os.PathLike[str],
        *,
        broker: str | None = None,
        wall_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> OwnerLock:
        """
        Take the lock at *path*, or say who has it. Never waits for its holder; does not suspend.

        That locks exclude in the folder at all is proved once at start by ``StateFolder.check_locks``.

        Args:
            path: The lock file, made where it is missing; see ``StateFolder.owner_lock_path``.
            broker: Configured name, for whoever loses.
            wall_us: UTC microseconds since 1970, for whoever loses.

        Raises:
            OwnedElsewhereError: A process has it, possibly this one; names its pid and host, and how to go on.
            ConfigError: The file cannot be opened, or is not a plain file of ours.
        """
        place = Path(path)
        for _ in range(_ATTEMPTS):
            fd = _open(place)
            try:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise _owned_elsewhere(place, _read_holder(fd), broker=broker) from None
                if not _is_at(place, fd):
                    # Somebody removed the file between the two steps: a lock on it would exclude nobody.
                    os.close(fd)
                    continue
                holder = Holder(
                    pid=os.getpid(),
                    host=socket.gethostname(),
                    broker=broker,
                    since=datetime.fromtimestamp(wall_us() / 1_000_000, UTC).isoformat(timespec="seconds"),
                )
                _write(fd, json.dumps(msgspec.to_builtins(holder)) + "\n")
                return cls(place, fd, holder)
            except OSError as error:
                os.close(fd)
                raise ConfigError(f"the lock {place} cannot be taken: {error.strerror}") from error
            except BaseException:
                os.close(fd)
                raise
        raise ConfigError(f"the lock {place} vanishes as often as it is made: something removes files in its folder")

    @property
    def is_held(self) -> bool:
        """Whether this process holds the lock through this object."""
        return self._fd >= 0

    def check(self) -> None:
        """
        Prove that the account is still ours. Touches the disk's directory only; does not suspend.

        Raises:
            ClosedError: Released, inherited by a forked child, or the lock file was removed under us, so that another
                process may have taken the account.
        """
        if self._is_forked:
            raise ClosedError(f"{self.path} is held by a parent process: a forked child owns nothing; open anew")
        if self._fd < 0:
            raise ClosedError(f"{self.path} was released")
        try:
            facts = self.path.lstat()
        except OSError as error:
            raise ClosedError(f"{self.path} is gone ({error.strerror}): another process may own the account") from error
        if (facts.st_dev, facts.st_ino) != self._place:
            raise ClosedError(
                f"{self.path} is another file than the one we locked: another process may own the account"
            )

    def release(self) -> None:
        """Let the account go; safe to repeat, and without effect in a forked child."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        _held.discard(self)
        with contextlib.suppress(OSError):
            # Whoever comes next and fails shall not be told about us.
            os.ftruncate(fd, 0)
        os.close(fd)

    def __enter__(self) -> OwnerLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<OwnerLock {self.path.name} {'held' if self.is_held else 'not held'}>"

    def _forget_in_child(self) -> None:
        # The lock belongs to the open file, which parent and child share: the child must not keep it open when the
        # parent dies, and must not unlock it either. Closing does neither harm.
        fd, self._fd = self._fd, -1
        self._is_forked = True
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)


# Strong: a lock that its owner lost sight of is still held, and a forked child still has to close it.
_held: set[OwnerLock] = set()


def _forget_all_in_child() -> None:
    for lock in list(_held):
        lock._forget_in_child()
    _held.clear()


os.register_at_fork(after_in_child=_forget_all_in_child)


def _open(place: Path) -> int:
    try:
        fd = os.open(place, _FLAGS, 0o600)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EMLINK}:
            raise ConfigError(f"the lock {place} is a symbolic link, and none is followed; remove it") from error
        raise ConfigError(f"the lock {place} cannot be opened: {error.strerror}") from error
    facts = os.fstat(fd)
    if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
        os.close(fd)
        raise ConfigError(f"the lock {place} is not a plain file of this user; remove it")
    if stat.S_IMODE(facts.st_mode) & 0o077:
        os.fchmod(fd, 0o600)
    return fd


def _is_at(place: Path, fd: int) -> bool:
    here = os.fstat(fd)
    try:
        there = place.lstat()
    except OSError:
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _write(fd: int, text: str) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, text.encode(), 0)


def _read_holder(fd: int) -> Holder | None:
    """What the winner wrote; it may be a moment from writing it, with its dead predecessor's words still there."""
    holder: Holder | None = None
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_S)
        try:
            holder = msgspec.json.decode(os.pread(fd, 4096, 0), type=Holder)
        except (msgspec.DecodeError, OSError):
            continue
        if holder.host != socket.gethostname() or _may_be_alive(holder.pid):
            return holder
    return holder


def _may_be_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _owned_elsewhere(place: Path, holder: Holder | None, *, broker: str | None) -> OwnedElsewhereError:
    what = f"the account of broker {broker}" if broker is not None else "the account"
    if holder is None:
        return OwnedElsewhereError(
            f"{what} is owned by another process that did not say who it is (lock {place}); attach to it (mode auto or "
            "attach), or stop it",
            pid=None,
            host=None,
        )
    if holder.pid == os.getpid() and holder.host == socket.gethostname():
        return OwnedElsewhereError(
            f"{what} is open in this process already, as broker {holder.broker or 'unnamed'}; use or close that one",
            pid=holder.pid,
            host=holder.host,
        )
    as_broker = f" as broker {holder.broker}" if holder.broker not in {None, broker} else ""
    return OwnedElsewhereError(
        f"{what} is owned by process {holder.pid} on {holder.host} since {holder.since}{as_broker}; attach to it (mode "
        "auto or attach), or stop it: the account is free as soon as it has ended",
        pid=holder.pid,
        host=holder.host,
    )
