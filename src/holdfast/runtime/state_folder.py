"""
The one folder per host in which holdfast keeps what must outlive a process.

It holds databases, owner locks and lane files, so it is private (0700, files 0600), never reached through a symbolic
link that somebody else could turn, and lies on a file system whose locks really exclude. What does not hold is refused
by name: a state folder that cannot be trusted would let two processes own one account.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from holdfast.errors import ConfigError

__all__ = ["STATE_DIR_VARIABLE", "StateFolder", "runtime_folder"]

STATE_DIR_VARIABLE: Final = "HOLDFAST_STATE_DIR"

_SUBFOLDERS: Final = frozenset({"brokers", "daemon", "lanes", "locks", "routes"})
_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


class StateFolder:
    """
    Where one host's state lies.

    ``brokers/<environment>/<name>/`` holds one broker's database and its marks, ``lanes/`` the credentials' lane
    files, ``locks/`` the owner locks, ``daemon/`` what the HTTP API keeps, ``routes/`` which broker an intent is
    bound to. None of the methods suspends; they touch the disk briefly.

    Attributes:
        root: The folder, absolute, with symbolic links resolved once.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def open(
        cls, path: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] | None = None
    ) -> StateFolder:
        """
        Find or make the state folder.

        *path* decides, else ``HOLDFAST_STATE_DIR``, else the user's own state folder of the platform. A folder of ours
        that is wider than 0700 is narrowed, unless it holds other things too.

        Raises:
            ConfigError: It is not a folder, not ours, or shared with others; the message says what to change.
        """
        chosen = os.fspath(path) if path is not None else (environ or os.environ).get(STATE_DIR_VARIABLE) or None
        if chosen is None:
            import platformdirs  # Only needed here, and a tenth of the time of a short command.

            chosen = platformdirs.user_state_dir("holdfast", appauthor=False)
        if "://" in chosen:
            # Not shown: a database's address carries its password.
            raise ConfigError(f"the state folder is a folder of this host, and an address is named; {_ELSEWHERE}")
        root = Path(os.path.realpath(os.path.expanduser(chosen)))  # noqa: PTH111 - one call, before there is a Path.
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the state folder {root} cannot be made: {error.strerror}; {_ELSEWHERE}") from error
        _check_own_folder(root)
        if stat.S_IMODE(root.stat().st_mode) & 0o077:
            strangers = sorted(entry.name for entry in os.scandir(root) if entry.name not in _SUBFOLDERS)
            if strangers:
                raise ConfigError(
                    f"the state folder {root} is open to other users and holds other things ({strangers[0]} …); "
                    f"run chmod 700 on it, or {_ELSEWHERE}"
                )
            root.chmod(0o700)
        return cls(root)

    def lane_path(self, fingerprint: str) -> Path:
        """The lane file of the credential with this fingerprint; its folder exists afterwards."""
        return self._subfolder("lanes") / f"lane-{_part(fingerprint)}"

    def counter_path(self, fingerprint: str, name: str = "") -> Path:
        """Where the calls on a credential are counted, those of one *name* apart; its folder exists afterwards."""
        suffix = f"-{_part(name)}" if name else ""
        return self._subfolder("lanes") / f"counter-{_part(fingerprint)}{suffix}"

    def owner_lock_path(self, fingerprint: str) -> Path:
        """The owner lock of a credential's or an account's fingerprint; its folder exists afterwards."""
        return self._subfolder("locks") / f"owner-{_part(fingerprint)}.lock"

    def broker_folder(self, *, environment: str, name: str) -> Path:
        """One broker's own folder, made where missing."""
        return self._subfolder("brokers", _part(environment), _part(name))

    def database_path(self, *, environment: str, name: str) -> Path:
        """One broker's database; its folder exists afterwards."""
        return self.broker_folder(environment=environment, name=name) / "holdfast.db"

    def journal_mark_path(self, *, environment: str, name: str) -> Path:
        """The file beside the database that remembers how far its journal had come; its folder exists afterwards."""
        return self.broker_folder(environment=environment, name=name) / "journal.mark"

    def socket_path(self, *, environment: str, name: str) -> Path:
        """Where one broker's owner is asked; its folder exists afterwards. See also ``runtime_folder``."""
        return self.broker_folder(environment=environment, name=name) / "owner.sock"

    def daemon_folder(self) -> Path:
        """Where daemons keep bearers and their sockets for HTTP, made where missing."""
        return self._subfolder("daemon")

    def routes_path(self, *, environment: str) -> Path:
        """Where the intents of an environment are bound to brokers; its folder exists afterwards."""
        return self._subfolder("routes") / f"{_part(environment)}.db"

    def broker_places(self) -> list[tuple[str, str]]:
        """Environment and name of every broker that ever had a folder here, in order."""
        found = []
        with contextlib.suppress(OSError):
            for environment in sorted((self.root / "brokers").iterdir()):
                found += [(environment.name, each.name) for each in sorted(environment.iterdir()) if each.is_dir()]
        return found

    @staticmethod
    def socket_name(path: Path) -> str:
        """16 hex digits that name a socket whose own path is too long."""
        return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]

    def check_locks(self, *, flock: Callable[[int, int], None] = fcntl.flock) -> None:
        """
        Prove that file locks exclude in this folder.

        Some network and container file systems accept every lock. *flock* is ``fcntl.flock`` but for tests.

        Raises:
            ConfigError: They do not; the message names the folder and ``HOLDFAST_STATE_DIR``.
        """
        folder = self._subfolder("locks")
        trial = folder / f".trial-{os.getpid()}-{secrets.token_hex(4)}"
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            first = os.open(trial, flags | os.O_EXCL, 0o600)
            try:
                second = os.open(trial, flags, 0o600)
                try:
                    works = _take(flock, first) and not _take(flock, second)
                    flock(first, fcntl.LOCK_UN)
                    works = works and _take(flock, second)
                finally:
                    os.close(second)
            finally:
                os.close(first)
                with contextlib.suppress(OSError):
                    trial.unlink()
        except OSError as error:
            raise ConfigError(f"file locks cannot be tried in {folder}: {error.strerror}; {_ELSEWHERE}") from error
        if not works:
            raise ConfigError(
                f"file locks do not exclude in {folder}: its file system cannot keep one owner; {_ELSEWHERE}"
            )

    def _subfolder(self, *parts: str) -> Path:
        folder = self.root
        for part in parts:
            folder = folder / part
            try:
                with contextlib.suppress(FileExistsError):
                    folder.mkdir(mode=0o700)
            except OSError as error:
                raise ConfigError(f"the folder {folder} cannot be made: {error.strerror}; {_ELSEWHERE}") from error
            _check_own_folder(folder)
            if stat.S_IMODE(folder.stat().st_mode) & 0o077:
                folder.chmod(0o700)
        return folder

    def __repr__(self) -> str:
        return f"<StateFolder {self.root}>"


def runtime_folder(environ: Mapping[str, str] | None = None) -> Path:
    """
    This user's folder for sockets whose own path is too long: in ``XDG_RUNTIME_DIR``, else ``/tmp/holdfast-<uid>``.

    Made where it is missing, 0700.

    Raises:
        ConfigError: It is not a folder of ours alone, or is a symbolic link: in ``/tmp`` anybody may have made it.
    """
    home = (os.environ if environ is None else environ).get("XDG_RUNTIME_DIR")
    if home and Path(home).is_absolute() and Path(home).is_dir():
        folder = Path(home) / "holdfast"
    else:
        folder = Path("/tmp") / f"holdfast-{os.geteuid()}"  # noqa: S108  # Checked right below.
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
    except OSError as error:
        raise ConfigError(f"the folder {folder} for sockets cannot be made: {error.strerror}") from error
    _check_own_folder(folder)
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        raise ConfigError(f"the folder {folder} for sockets is open to other users: run chmod 700 on it")
    return folder


_ELSEWHERE: Final = f"name another folder with {STATE_DIR_VARIABLE}, on a local disk and owned by this user"


def _part(text: str) -> str:
    if not _PART.match(text):
        raise ConfigError(
            f"{text!r} cannot name a folder: letters, digits, dot, dash and underscore, at most 64, "
            "the first a letter or digit"
        )
    return text


def _check_own_folder(folder: Path) -> None:
    try:
        facts = folder.lstat()
    except OSError as error:
        raise ConfigError(f"the folder {folder} cannot be read: {error.strerror}; {_ELSEWHERE}") from error
    if stat.S_ISLNK(facts.st_mode):
        raise ConfigError(f"{folder} is a symbolic link; inside the state folder none is followed; remove it")
    if not stat.S_ISDIR(facts.st_mode):
        raise ConfigError(f"{folder} is not a folder; {_ELSEWHERE}")
    if facts.st_uid != os.geteuid():
        raise ConfigError(f"the folder {folder} belongs to user {facts.st_uid}, we are {os.geteuid()}; {_ELSEWHERE}")


def _take(flock: Callable[[int, int], None], fd: int) -> bool:
    try:
        flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
