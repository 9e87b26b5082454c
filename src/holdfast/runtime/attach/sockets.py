"""
Unix sockets: who may connect, where the file lies, and what a fork must not keep.

Read and written here rather than through asyncio's transports, because three things have to be known exactly: that a
line is in the kernel's hands before what it announces is begun, that what has arrived is read before somebody is
called silent, and that a forked child lets go of everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import socket
import stat
import struct
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from holdfast.errors import ConfigError
from holdfast.runtime.attach.lines import LineEnd, LocalLine, Peer, Place
from holdfast.runtime.state_folder import StateFolder, runtime_folder

__all__ = ["PATH_MAX", "UnixLine", "UnixServer", "UnixSockets", "peer_of"]

PATH_MAX: Final = 100
"""Longest path of a socket, bytes; the kernel's own bound is 103 (macOS) or 107 (Linux)."""

_BACKLOG: Final = 64
_CHUNK: Final = 64 * 1024
_READ_NOW_MAX: Final = 8 * 1024 * 1024
_PAUSE_S: Final = 1.0


def peer_of(connection: socket.socket) -> Peer:
    """The process at the other end, as the kernel says."""
    linux: int | None = getattr(socket, "SO_PEERCRED", None)
    if linux is not None:
        credentials = connection.getsockopt(socket.SOL_SOCKET, linux, struct.calcsize("3i"))
        pid, uid, _ = struct.unpack("3i", credentials)
        return Peer(uid=uid, pid=pid or None)
    # xucred of <sys/ucred.h>: version, uid, groups; then the pid by itself. Source: unix(4) of macOS, sys/un.h
    # (checked 2026-11-20).
    credentials = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 76)
    _, uid = struct.unpack_from("2I", credentials)
    pid = None
    with contextlib.suppress(OSError, struct.error):
        (pid,) = struct.unpack("i", connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4))
    return Peer(uid=uid, pid=pid)


_SOL_LOCAL: Final = 0
_LOCAL_PEERCRED: Final = 1
_LOCAL_PEERPID: Final = 2


class UnixSockets:
    """
    The real ``LocalSockets``.

    Args:
        folder: Where brokers' own folders lie; None for whoever knows nothing but paths.
        peer: What the kernel says of the other end; for tests that pretend to be somebody else.
    """

    def __init__(self, folder: StateFolder | None, *, peer: Callable[[socket.socket], Peer] = peer_of) -> None:
        self._folder = folder
        self._peer = peer

    def serve(self, place: Place, accept: Callable[[LocalLine], LineEnd | None]) -> UnixServer:
        named = self._named(place)
        failures: list[str] = []
        moved = _pointer(named)
        if len(os.fsencode(named)) <= PATH_MAX:
            try:
                served = self._serve_at(named, accept)
            except OSError as error:
                failures.append(f"{named}: {error.strerror or error}")
            else:
                with contextlib.suppress(OSError):
                    moved.unlink()
                return served
        # Where a path is too long, and where a file system has no sockets.
        elsewhere = runtime_folder() / f"{StateFolder.socket_name(named)}.sock"
        try:
            served = self._serve_at(elsewhere, accept)
            try:
                _write_pointer(moved, elsewhere)
            except OSError:
                served.close()
                raise
        except OSError as error:
            failures.append(f"{elsewhere}: {error.strerror or error}")
            raise ConfigError(f"the owner's socket cannot be made: {'; '.join(failures)}") from error
        return served

    def _serve_at(self, path: Path, accept: Callable[[LocalLine], LineEnd | None]) -> UnixServer:
        with contextlib.suppress(FileNotFoundError):
            # The owner lock is ours, so whoever made this is gone. Anything but a socket is somebody's file.
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise OSError(errno.EEXIST, "something that is no socket is in the way; remove it")
            path.unlink()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.setblocking(False)
            with contextlib.suppress(OSError):
                os.fchmod(listening.fileno(), 0o600)  # Linux: from the very moment it is bound.
            listening.bind(os.fspath(path))
            path.chmod(0o600)
            listening.listen(_BACKLOG)
        except BaseException:
            listening.close()
            raise
        return UnixServer(path, listening, accept, peer=self._peer)

    def connect(self, place: Place, end: LineEnd) -> UnixLine | None:
        named = self._named(place)
        path = named
        with contextlib.suppress(OSError, UnicodeDecodeError, ValueError):
            path = _read_pointer(_pointer(named)) or named
        if len(os.fsencode(path)) > PATH_MAX:
            return None
        if path.parent != named.parent and not _is_private(path.parent):
            raise ConfigError(f"the folder {path.parent} is not a private one of this user: nothing in it is trusted")
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            try:
                connection.connect(os.fspath(path))
            except (FileNotFoundError, ConnectionRefusedError, BlockingIOError, NotADirectoryError):
                connection.close()
                return None
            peer = self._peer(connection)
            if peer.uid != os.geteuid():
                raise ConfigError(f"the socket {path} is served by user {peer.uid}, we are {os.geteuid()}")
            return UnixLine(connection, peer, end)
        except OSError as error:
            connection.close()
            raise ConfigError(f"the socket {path} may not be used: {error.strerror or error}") from error
        except BaseException:
            connection.close()
            raise

    def _named(self, place: Place) -> Path:
        if place.path is not None:
            return Path(place.path)
        if self._folder is None or place.environment is None or place.name is None:
            raise ConfigError(f"no folder to find the socket of {place} in")
        return self._folder.socket_path(environment=place.environment, name=place.name)


def _pointer(named: Path) -> Path:
    return named.with_name("owner.place")


def _write_pointer(pointer: Path, target: Path) -> None:
    temporary = pointer.with_name(f".{pointer.name}-{secrets.token_hex(8)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(fd, os.fsencode(target))
    finally:
        os.close(fd)
    temporary.replace(pointer)


def _read_pointer(pointer: Path) -> Path | None:
    fd = os.open(pointer, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        text = os.read(fd, 4096)
    finally:
        os.close(fd)
    found = Path(os.fsdecode(text))
    return found if found.is_absolute() else None


def _is_private(folder: Path) -> bool:
    try:
        facts = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid() and not stat.S_IMODE(facts.st_mode) & 0o077


# Every socket of ours, so that a forked child can let go of them: a child that kept one open would keep attached
# processes waiting for an owner that is gone.
_open: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def _forget_all_in_child() -> None:
    for each in list(_open):
        # The loop's poll set is the parent's too: nothing is unregistered, the descriptor alone is closed.
        with contextlib.suppress(OSError):
            fd = each.detach()
            if fd >= 0:
                os.close(fd)
    _open.clear()


os.register_at_fork(after_in_child=_forget_all_in_child)


class UnixLine:
    """One connected socket."""

    def __init__(self, connection: socket.socket, peer: Peer, end: LineEnd | None = None) -> None:
        self.peer = peer
        self._socket = connection
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._queue: deque[bytes] = deque()
        self._is_open = True
        self.queued = 0
        connection.setblocking(False)
        _open.add(connection)
        if end is not None:
            self._listen()

    def heard_by(self, end: LineEnd) -> None:
        """Name who hears it, where that was not known when it was made."""
        self._end = end
        self._listen()

    def _listen(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._socket.fileno(), self._read)

    def send(self, data: bytes) -> bool:
        if not self._is_open:
            return False
        if not self._queue:
            try:
                sent = self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                # Said by the reading side, in its turn: whoever sends is in the middle of something.
                self._loop.call_soon(self._lose_after_reading)
                return False
            if sent == len(data):
                return True
            data = data[sent:]
            self._loop.add_writer(self._socket.fileno(), self._write)
        self._queue.append(data)
        self.queued += len(data)
        return False

    def _write(self) -> None:
        while self._queue:
            data = self._queue[0]
            try:
                sent = self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._lose_after_reading()
                return
            self.queued -= sent
            if sent < len(data):
                self._queue[0] = data[sent:]
                return
            self._queue.popleft()
        self._loop.remove_writer(self._socket.fileno())

    def _read(self) -> bool:
        """One piece; whether there may be more."""
        if not self._is_open or self._end is None:
            return False
        try:
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self._lose("reset")
            return False
        if not data:
            self._lose("ended")
            return False
        self._end.received(data)
        return True

    def read_now(self) -> None:
        for _ in range(_READ_NOW_MAX // _CHUNK):
            if not self._read():
                return

    def _lose(self, reason: str) -> None:
        if self._is_open:
            self.abort()
            if self._end is not None:
                self._end.lost(reason)

    def _lose_after_reading(self) -> None:
        # What the other end said last is still there to be read, and it may be why.
        self.read_now()
        self._lose("reset")

    def abort(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._queue.clear()
        self.queued = 0
        fd = self._socket.fileno()
        if fd >= 0:  # Not in a forked child, where it is closed already and the poll set is the parent's.
            self._loop.remove_reader(fd)
            self._loop.remove_writer(fd)
            self._socket.close()
        _open.discard(self._socket)


class UnixServer:
    """One listening socket."""

    def __init__(
        self,
        path: Path,
        listening: socket.socket,
        accept: Callable[[LocalLine], LineEnd | None],
        *,
        peer: Callable[[socket.socket], Peer],
    ) -> None:
        self.address = os.fspath(path)
        self._path = path
        self._socket = listening
        self._accept = accept
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()
        self._again: asyncio.TimerHandle | None = None
        facts = path.lstat()
        self._made = (facts.st_dev, facts.st_ino)
        _open.add(listening)
        self._listen()

    def _listen(self) -> None:
        self._again = None
        self._loop.add_reader(self._socket.fileno(), self._take_in)

    def _take_in(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            # Out of descriptors, as a rule: the waiting line stays readable, and asking at once would be a busy loop.
            self._loop.remove_reader(self._socket.fileno())
            self._again = self._loop.call_later(_PAUSE_S, self._listen)
            return
        try:
            peer = self._peer(connection)
        except OSError:
            connection.close()
            return
        if peer.uid != os.geteuid():
            connection.close()
            return
        line = UnixLine(connection, peer)
        end = self._accept(line)
        if end is None:
            line.abort()
        else:
            line.heard_by(end)

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        if os.getpid() == self._pid:
            with contextlib.suppress(OSError):
                facts = self._path.lstat()
                if (facts.st_dev, facts.st_ino) == self._made:
                    self._path.unlink()
        self.abandon()

    def abandon(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        fd = self._socket.fileno()
        if fd >= 0:
            self._loop.remove_reader(fd)
            self._socket.close()
        _open.discard(self._socket)
