"""
Where daemons of a state folder are found: each keeps a socket for HTTP there, and a note of what it serves.

The socket is 0600 in a folder of 0700, and who connects is checked by the kernel's word: a process of the same user
may do what the state folder lets it do anyway, so it needs no token.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import stat
from pathlib import Path
from typing import Final

import msgspec

from holdfast.errors import ConfigError
from holdfast.runtime.state_folder import StateFolder, runtime_folder

__all__ = ["DaemonNote", "DaemonPlace", "daemons_in", "tokens_path"]

_PATH_MAX: Final = 100
_NOTE_MAX: Final = 256 * 1024


class DaemonNote(msgspec.Struct, frozen=True, kw_only=True):
    """One daemon: its process, the socket it answers HTTP on, its address for browsers, and its brokers."""

    pid: int
    socket: str
    url: str | None
    brokers: tuple[str, ...]
    started_us: int


def tokens_path(folder: StateFolder) -> Path:
    """Where the bearers of a state folder are kept."""
    return folder.daemon_folder() / "tokens.json"


class DaemonPlace:
    """This process's place in a state folder, from ``open`` to ``close``."""

    def __init__(self, folder: StateFolder) -> None:
        home = folder.daemon_folder()
        self._note = home / f"{os.getpid()}.json"
        path = home / f"{os.getpid()}.sock"
        if len(os.fsencode(path)) > _PATH_MAX:
            path = runtime_folder() / f"{StateFolder.socket_name(path)}.http"
        self._path = path

    def bind(self) -> socket.socket:
        """
        A listening socket that only our own user may connect to.

        Raises:
            ConfigError: It cannot be made.
        """
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with contextlib.suppress(FileNotFoundError):
                # It has our own process id in its name: whoever made it is gone.
                if not stat.S_ISSOCK(self._path.lstat().st_mode):
                    raise ConfigError(f"{self._path}: something that is no socket is in the way; remove it")
                self._path.unlink()
            with contextlib.suppress(OSError):
                os.fchmod(listening.fileno(), 0o600)  # Linux: from the very moment it is bound.
            listening.bind(os.fspath(self._path))
            self._path.chmod(0o600)
            listening.setblocking(False)
        except OSError as error:
            listening.close()
            raise ConfigError(f"the socket {self._path} cannot be made: {error.strerror or error}") from error
        except BaseException:
            listening.close()
            raise
        return listening

    def tell(self, *, url: str | None, brokers: tuple[str, ...], started_us: int) -> None:
        """Write the note, whole. Raises ``ConfigError`` where it cannot be."""
        note = DaemonNote(
            pid=os.getpid(), socket=os.fspath(self._path), url=url, brokers=brokers, started_us=started_us
        )
        temporary = self._note.with_name(f".{self._note.name}-{secrets.token_hex(4)}")
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.write(fd, msgspec.json.encode(note))
            finally:
                os.close(fd)
            temporary.replace(self._note)
        except OSError as error:
            raise ConfigError(f"{self._note} cannot be written: {error.strerror or error}") from error

    def close(self) -> None:
        """Remove note and socket. Safe to repeat."""
        for path in (self._note, self._path):
            with contextlib.suppress(OSError):
                path.unlink()


def daemons_in(folder: StateFolder) -> list[DaemonNote]:
    """The daemons that answer now, the newest first; what those that died left behind is removed."""
    found: list[DaemonNote] = []
    for path in sorted(folder.daemon_folder().glob("*.json")):
        if path.name == "tokens.json":
            continue
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            if path.lstat().st_uid != os.geteuid() or not stat.S_ISREG(path.lstat().st_mode):
                continue
            note = msgspec.json.decode(path.read_bytes()[:_NOTE_MAX], type=DaemonNote)
            if _answers(note.socket):
                found.append(note)
            else:
                path.unlink()
                Path(note.socket).unlink(missing_ok=True)
    return sorted(found, key=lambda note: -note.started_us)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(1.0)
        try:
            trial.connect(path)
        except OSError:
            return False
    return True
