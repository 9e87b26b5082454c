"""Files that are ours alone: made without following links, put in place in one step, moved aside and never deleted."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from holdfast.errors import StoreError

__all__ = ["create_private", "is_missing", "move_aside", "put_in_place", "stamp", "sync_file", "sync_folder"]

SIDE_FILES = ("", "-wal", "-shm")
"""What together is one SQLite database: they are moved together or not at all."""


def create_private(path: Path) -> None:
    """Make an empty file 0600; raises ``FileExistsError`` rather than opening what is there."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def is_missing(path: Path) -> bool:
    """
    Whether nothing lies at *path*; what lies there has to be a plain file of ours, and is narrowed to 0600.

    The file itself is never opened: in a process that has it open as a database, closing it again would drop every
    lock SQLite holds on it (https://www.sqlite.org/howtocorrupt.html, section 2.2, checked 2026-11-20).

    Raises:
        StoreError: A symbolic link, a folder, or somebody else's file.
    """
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return True
    if stat.S_ISLNK(facts.st_mode):
        raise StoreError(f"{path} is a symbolic link; the store follows none; put the file itself there")
    if not stat.S_ISREG(facts.st_mode):
        raise StoreError(f"{path} is not a plain file")
    if facts.st_uid != os.geteuid():
        raise StoreError(f"{path} belongs to user {facts.st_uid}, we are {os.geteuid()}")
    if stat.S_IMODE(facts.st_mode) & 0o077:
        path.chmod(0o600)
    return False


def sync_file(path: Path) -> None:
    """Ask the disk to hold the file; only for files that are not open as a database."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        full = getattr(fcntl, "F_FULLFSYNC", None)
        if full is not None:  # macOS: fsync alone leaves the bytes in the drive's own cache.
            fcntl.fcntl(fd, full)
        else:
            os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in *folder* survive a power loss."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def put_in_place(temporary: Path, final: Path, *, overwrite: bool) -> None:
    """
    Give a finished file its name in one durable step; raises ``FileExistsError`` unless *overwrite*.

    A reader sees the old file or the whole new one.
    """
    if overwrite:
        temporary.replace(final)
    else:
        try:
            os.link(temporary, final, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:
            # File systems without hard links: the owner lock keeps a second writer out of the gap between the two.
            if final.exists() or final.is_symlink():
                raise FileExistsError(f"{final} exists") from None
            temporary.rename(final)
        else:
            temporary.unlink()
    sync_folder(final.parent)


def move_aside(database: Path, *, label: str, wall_us: int) -> Path | None:
    """
    Rename a database and its side files to a free name that says why and when; None where there was nothing.

    The side files go first: were we killed half-way, the database would be found without them and behind its mark,
    never with another database's log.
    """
    base = f"{database.name}.{label}-{stamp(wall_us)}"
    aside = database.with_name(base)
    number = 1
    while any(os.path.lexists(f"{aside}{side}") for side in SIDE_FILES):
        number += 1
        aside = database.with_name(f"{base}-{number}")
    moved = False
    for side in reversed(SIDE_FILES):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{database}{side}").rename(f"{aside}{side}")
            moved = True
    if moved:
        sync_folder(database.parent)
    return aside if moved else None


def stamp(wall_us: int) -> str:
    """UTC for file names: ``20261120T083000Z``."""
    return datetime.fromtimestamp(wall_us / 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
