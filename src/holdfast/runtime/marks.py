"""
Small durable records that only move forward, each in a file of its own.

A record lives in two slots on different pages, and a new one always goes where the current one is not: whatever tears
the write, the last synced record stays. Each slot says how long it is and carries a digest, in plain ASCII, so that a
person can read the file. Damage is told from absence: a missing file is a new record, anything else that is not ours
is refused, and nothing is ever taken for zero.

Not a lock: whoever writes holds one that keeps others from writing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from holdfast.errors import StoreCorruptError, StoreError, StoreFullError, StoreReadOnlyError, StoreVersionError

__all__ = ["PAGE", "MarkFile", "MarkReading", "Sync", "as_store_error", "sync_file"]

Sync = Callable[[int], None]
"""Makes what was written to a file descriptor durable, or raises ``OSError``. Blocks."""

PAGE: Final = 4096
"""Slots are this far apart: no sector, and no page of the page cache, holds parts of both."""

_MAX_PAYLOAD: Final = 3000
_HEADER: Final = re.compile(rb"holdfast mark (\d{1,4}) (\d{20}) (\d{5}) ([0-9a-f]{32})\n")
_VERSION: Final = 1
_BLANK: Final = bytes(PAGE)
_FILE_BYTES: Final = 4 * PAGE


class MarkReading(NamedTuple):
    """
    The newest sound record of a mark file.

    ``is_damaged``: the other slot is neither sound nor blank. It may have held an older record, one whose write tore
    and that nobody was told of, or a newer one that has been lost: its reader goes on with a margin.
    """

    payload: bytes
    sequence: int
    is_damaged: bool


class MarkFile:
    """
    One record in two checksummed slots. Every method but ``fd`` touches the disk and blocks; none suspends.

    The two pages after the slots are left alone: a lane keeps its waiting line there.

    Attributes:
        path: The file.
        fd: Its descriptor; closed on exec, not across fork.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd
        self._newest: tuple[int, int] | None = None  # Slot and sequence of the record that the next one follows.

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, first: bytes, sync: Sync | None = None) -> MarkFile:
        """
        Open the file, or make it with the record *first* where it is missing; made in one step, whoever else tries.

        Raises:
            StoreError: It is a link or no file, open to other users, or cannot be opened or made.
        """
        place = Path(path)
        for _ in range(100):
            try:
                fd = os.open(place, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            except FileNotFoundError:
                _make(place, first, sync or sync_file)
                continue
            except OSError as error:
                raise as_store_error(error, place, "cannot be opened") from error
            facts = os.fstat(fd)
            if stat.S_ISREG(facts.st_mode) and not facts.st_mode & 0o022:
                return cls(place, fd)
            os.close(fd)
            what = "can be written by other users" if stat.S_ISREG(facts.st_mode) else "is not a regular file"
            raise StoreError(f"{place} {what}: its content cannot be trusted; fix or move it away")
        raise StoreError(f"{place} vanishes as often as it is made: something else removes files in its folder")

    def read(self) -> MarkReading:
        """
        The newest sound record. The next ``write`` follows it, so the caller holds the file's lock.

        Raises:
            StoreCorruptError: Neither slot is sound.
            StoreVersionError: A newer holdfast wrote it.
            StoreError: The disk did not answer.
        """
        reading, slot = self._read()
        self._newest = (slot, reading.sequence)
        return reading

    def peek(self) -> MarkReading:
        """As ``read``, without a lock and without consequence; a write under way shows the record before it."""
        return self._read()[0]

    def write(self, payload: bytes, *, sync: Sync | None = None) -> None:
        """
        Replace the record; durable when this returns. Needs an earlier ``read`` or ``write``.

        After an error the new record counts as lost even if the disk kept it: it is blotted out as far as possible,
        never written again, and the file has to be ``read`` before the next write.

        Raises:
            StoreError: The disk refused; its subclass says why.
        """
        if self._newest is None:
            raise StoreError(f"{self.path} was not read since its last failure")
        if len(payload) > _MAX_PAYLOAD:
            raise StoreError(f"{self.path}: a record of {len(payload)} bytes is longer than {_MAX_PAYLOAD}")
        slot, sequence = 1 - self._newest[0], self._newest[1] + 1
        self._newest = None
        record = _encode(sequence, payload)
        try:
            if os.pwrite(self.fd, record, slot * PAGE) != len(record):
                raise OSError(errno.ENOSPC, "written in part")
            (sync or sync_file)(self.fd)
        except OSError as error:
            # A failed sync marks the page clean: the next one would report success for bytes that never arrived.
            with contextlib.suppress(OSError):
                os.pwrite(self.fd, _BLANK, slot * PAGE)
            raise as_store_error(error, self.path, "could not be written") from error
        self._newest = (slot, sequence)

    def is_current(self) -> bool:
        """Whether the path still names the open file, rather than nothing or another one."""
        try:
            there = os.lstat(self.path)
        except OSError:
            return False
        here = os.fstat(self.fd)
        return (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev)

    def close(self) -> None:
        """Close the descriptor; a lock held through it is gone."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def _read(self) -> tuple[MarkReading, int]:
        try:
            raw = os.pread(self.fd, 2 * PAGE, 0)
        except OSError as error:
            raise as_store_error(error, self.path, "could not be read") from error
        slots = (_decode(raw[:PAGE]), _decode(raw[PAGE:]))
        newest: tuple[int, bytes, int] | None = None
        is_damaged = False
        for index, found in enumerate(slots):
            if isinstance(found, str):
                if found == "newer":
                    raise StoreVersionError(f"{self.path} was written by a newer holdfast: upgrade this one")
                is_damaged = is_damaged or found == "damaged"
            elif newest is None or found[0] > newest[0]:
                newest = (*found, index)
        if newest is None:
            raise StoreCorruptError(
                f"{self.path} is damaged in both of its slots; it was left as it is. Nothing in it can be relied on, "
                "and it is not taken for empty"
            )
        sequence, payload, index = newest
        return MarkReading(payload=payload, sequence=sequence, is_damaged=is_damaged), index


def sync_file(fd: int) -> None:
    """Make the file's content durable. Blocks for as long as the disk takes."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:  # macOS: fsync alone leaves the bytes in the drive's own cache.
        fcntl.fcntl(fd, full)
    else:
        os.fdatasync(fd)


def as_store_error(error: OSError, path: Path, what: str) -> StoreError:
    """The member of our error tree for what the system said about *path*."""
    text = f"{path} {what}: {error.strerror or error}"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreFullError(f"{text}; free some space and try again")
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return StoreReadOnlyError(f"{text}; this user needs to read and write it")
    if error.errno == errno.ELOOP:
        return StoreError(f"{path} is a symbolic link and none is followed; remove it")
    return StoreError(text)


def _encode(sequence: int, payload: bytes) -> bytes:
    prefix = b"holdfast mark %d %020d %05d " % (_VERSION, sequence, len(payload))
    digest = hashlib.blake2b(prefix + payload, digest_size=16).hexdigest().encode()
    return prefix + digest + b"\n" + payload + b"\n"


def _decode(raw: bytes) -> tuple[int, bytes] | str:
    """Sequence and payload of a sound slot, else ``blank``, ``damaged`` or ``newer``."""
    header = _HEADER.match(raw)
    if header is None:
        return "blank" if raw == _BLANK else "damaged"
    version, sequence, length, digest = header.groups()
    prefix = raw[: header.start(4)]
    payload = raw[header.end() : header.end() + int(length)]
    if hashlib.blake2b(prefix + payload, digest_size=16).hexdigest().encode() != digest:
        return "damaged"
    return "newer" if int(version) != _VERSION else (int(sequence), payload)


def _make(path: Path, first: bytes, sync: Sync) -> None:
    """Make *path* with its first record, complete or not at all; losing to somebody else is as good."""
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            # Every page is written now: later a full disk has nothing left to refuse.
            whole = _encode(1, first).ljust(_FILE_BYTES, b"\0")
            if os.pwrite(fd, whole, 0) != len(whole):
                raise OSError(errno.ENOSPC, "written in part")
            sync(fd)
            # A link, unlike a rename, never replaces the file of a process that was faster.
            with contextlib.suppress(FileExistsError):
                os.link(partial, path)
        finally:
            os.close(fd)
            partial.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise as_store_error(error, path, "could not be made") from error
