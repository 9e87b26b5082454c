"""
How a secret gets in: from a private file, or from a variable that no child process inherits afterwards.

A file has to be a plain file of ours with mode 0600, not a link. A value is taken out of the process's environment once
it is read. What is refused is named by its file or variable, never by its value, and no error is raised from a place
that still holds one: a traceback that shows local variables shows none.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

from holdfast.core.credentials import Secret
from holdfast.errors import ConfigError

__all__ = ["configured_file", "known_variables", "named_file", "read_secret_file", "read_secret_variable"]

_MAX_BYTES: Final = 64 * 1024

# A value that was put where its file's name belongs: many letters of base64 and nothing else, an address, a PEM.
_LOOKS_SECRET: Final = re.compile(r"[A-Za-z0-9+/=_-]{40,}\Z|.*(-----|:/|\n)", re.DOTALL)

# What was taken out of os.environ, so that a desk can be opened a second time in one process. It holds no more than
# the environment did, and neither child processes nor crash reports of the environment see it.
_taken: dict[str, Secret] = {}


def known_variables(environ: Mapping[str, str] | None) -> frozenset[str]:
    """The names of the variables there are, those that were taken out of the process's environment included."""
    return frozenset(_taken.keys() | os.environ.keys()) if environ is None else frozenset(environ)


def named_file(variable: str, environ: Mapping[str, str] | None) -> Path | None:
    """
    The file that *variable* names, or None where it is not set.

    Raises:
        ConfigError: There is no such file and the name looks like the secret itself; it is not shown.
    """
    known = os.environ if environ is None else environ
    if not known.get(variable):
        return None
    path = _path_of(known[variable], Path())
    if path is None:
        del known  # A traceback that shows local variables shows no environment.
        raise ConfigError(f"{variable} {_MISPLACED}")
    return path


def configured_file(name: str, *, config_path: str | None, where: str) -> Path:
    """
    The file that the configuration calls *name*; relative to its folder, or to the current one where it has none.

    Raises:
        ConfigError: There is no such file and the name looks like the secret itself; it is not shown.
    """
    path = _path_of(name, Path(config_path).parent if config_path is not None else Path.cwd())
    if path is None:
        del name
        raise ConfigError(f"{where} {_MISPLACED}")
    return path


_MISPLACED: Final = "names a file, and what is there looks like the secret itself: it is not shown"


def _path_of(name: str, base: Path) -> Path | None:
    path = base / Path(name).expanduser()
    is_place = os.path.lexists(path) or ("/" in name and path.parent.is_dir())
    return path if is_place or not _LOOKS_SECRET.match(name) else None


def read_secret_variable(name: str, environ: MutableMapping[str, str] | None) -> Secret:
    """
    Take the value of a variable, out of *environ*, the process's own where None.

    Raises:
        ConfigError: It is empty.
    """
    if environ is not None:
        secret = Secret(environ.pop(name))
    elif name in os.environ:
        secret = _taken[name] = Secret(os.environ.pop(name))
    else:
        secret = _taken[name]
    if not secret:
        raise ConfigError(f"{name} is empty: set it, or unset it")
    return secret


def read_secret_file(path: Path, *, where: str) -> Secret:
    """
    The text of a private file, without its last line break. Reads a small file; does not suspend.

    Args:
        path: The file itself: a symbolic link is refused, at no point followed.
        where: What the file is for; errors begin with it.

    Raises:
        ConfigError: It is missing, not private, not ours, too large, empty or no UTF-8 text.
    """
    where = f"{where} {path}"
    secret, problem = _text_of(path)
    if problem is None and not secret:
        problem = "is empty"
    if problem is None and secret.reveal().startswith("\ufeff"):
        problem = "begins with a byte order mark: save it as plain UTF-8"
    if problem is not None:
        raise ConfigError(f"{where} {problem}")
    return secret


def _text_of(path: Path) -> tuple[Secret, str | None]:
    """What stands in the file, and what is wrong with it; never raises, so that no traceback has the value."""
    try:
        # Not through a link, at no point: whoever may turn the link would choose the key.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        if path.is_symlink():
            return Secret(""), "is a symbolic link: name the file itself"
        return Secret(""), f"cannot be read: {getattr(error, 'strerror', None) or 'this is no file name'}"
    try:
        problem = _not_private(os.fstat(descriptor), path)
        if problem is not None:
            return Secret(""), problem
        raw = os.read(descriptor, _MAX_BYTES + 1)
    except OSError as error:
        return Secret(""), f"cannot be read: {error.strerror}"
    finally:
        os.close(descriptor)
    if len(raw) > _MAX_BYTES:
        return Secret(""), f"is larger than {_MAX_BYTES} bytes: this is no key"
    try:
        # An editor's final newline is not part of a key; anything else around it is a mistake that signing would
        # only report as a wrong signature.
        return Secret(raw.decode().removesuffix("\n").removesuffix("\r")), None
    except UnicodeDecodeError:
        return Secret(""), "is not UTF-8 text"


def _not_private(found: os.stat_result, path: Path) -> str | None:
    if not stat.S_ISREG(found.st_mode):
        return "is not a plain file"
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o177:
        return f"has mode {mode:04o}, more than its owner needs: chmod 600 {path}"
    if found.st_uid not in (os.geteuid(), 0):
        return f"belongs to user {found.st_uid}, not to us ({os.geteuid()}): chown it"
    return None
