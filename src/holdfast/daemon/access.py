"""
Who may ask what over HTTP: bearer tokens with roles, one-time codes for a browser, and patience with guesses.

A token is 256 random bits, so its SHA-256 is what is kept, in one file of mode 0600 of the state folder; the token
itself is shown once, when it is made. Comparing is done in constant time, against every entry, whichever matches.
A one-time code is traded once, within a minute, for a session: a bearer of the same kind that ends by itself.
"""

from __future__ import annotations

import collections
import contextlib
import enum
import hashlib
import hmac
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Final

import msgspec

from holdfast.core.seams import Clock
from holdfast.errors import ConfigError

__all__ = ["CODE_S", "Access", "Guesses", "Principal", "Role", "Token", "TokenFile"]

CODE_S: Final = 60.0
"""How long a one-time code may be traded."""

_SESSION_S: Final = 12 * 3600.0
_CODES_MAX: Final = 32
_SESSIONS_MAX: Final = 64
_FILE_MAX: Final = 256 * 1024
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,47}\Z")
_PREFIX: Final = "hf_"
_BYTES: Final = 32


class Role(enum.StrEnum):
    """What a bearer may do; each role may do what the one before it may."""

    READ = "read"  # Figures, orders, the record, the stream.
    TRADE = "trade"  # Orders and claims, and a refresh.
    OPERATE = "operate"  # Breakers, trading states, repairs, forced releases, reloads, one-time codes.

    def allows(self, needed: Role) -> bool:
        """Whether whoever has this role may do what *needed* is for."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS: Final = {role: rank for rank, role in enumerate(Role)}


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: the name of a token or session, and its role. Never the token."""

    name: str
    role: Role


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """One bearer as it is kept: ``sha256`` of it in hex. Times are UTC microseconds."""

    name: str
    role: Role
    sha256: str
    created_us: int
    expires_us: int | None = None
    is_session: bool = False

    def is_expired(self, *, wall_us: int) -> bool:
        """Whether it has ended by itself."""
        return self.expires_us is not None and wall_us >= self.expires_us


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    schema_version: int
    tokens: tuple[Token, ...]


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class TokenFile:
    """
    The bearers of one state folder: a file of mode 0600, written whole and moved into place.

    Read again whenever it changed, so that what ``holdfast tokens`` does counts at once. No method suspends.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def tokens(self) -> tuple[Token, ...]:
        """
        Every bearer there is, expired ones too.

        Raises:
            ConfigError: The file is another user's, open to others, a symbolic link, or cannot be read.
        """
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            self._seen, self._tokens = None, ()
            return ()
        except OSError as error:
            raise ConfigError(f"the tokens in {self.path} cannot be read: {error.strerror or error}") from error
        try:
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o077:
                raise ConfigError(f"{self.path} holds bearers and is not a file of ours alone: run chmod 600 on it")
            seen = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
            if seen != self._seen:
                text = os.read(fd, _FILE_MAX + 1)
                try:
                    self._tokens = msgspec.json.decode(text, type=_Kept).tokens
                except (msgspec.DecodeError, UnicodeDecodeError):
                    # Its text is not shown: it may be anything that was put there.
                    raise ConfigError(f"{self.path} is not what `holdfast tokens` writes: remove it") from None
                self._seen = seen
        finally:
            os.close(fd)
        return self._tokens

    def create(self, name: str, role: Role, *, wall_us: int, lasts_s: float | None = None) -> str:
        """
        Make a token and keep what is needed to know it again; the token is returned here and nowhere else.

        Raises:
            ConfigError: The name is no name or taken, or the file cannot be written.
        """
        if not _NAME.match(name):
            raise ConfigError(f"{name!a} names no token: small letters, digits, dot, dash, underscore, at most 48")
        kept = self._kept(wall_us)
        if any(each.name == name for each in kept):
            raise ConfigError(f"there is a token called {name} already: revoke it first, or choose another name")
        token = _PREFIX + secrets.token_urlsafe(_BYTES)
        expires_us = None if lasts_s is None else wall_us + int(lasts_s * 1_000_000)
        made = Token(name=name, role=role, sha256=digest_of(token), created_us=wall_us, expires_us=expires_us)
        self._write((*kept, made))
        return token

    def open_session(self, role: Role, *, wall_us: int) -> tuple[str, str, float]:
        """A bearer that ends by itself: its name, the bearer, and after how many seconds. Raises as ``create``."""
        kept = list(self._kept(wall_us))
        sessions = [each for each in kept if each.is_session]
        for oldest in sessions[: max(0, len(sessions) - _SESSIONS_MAX + 1)]:
            kept.remove(oldest)
        token = _PREFIX + secrets.token_urlsafe(_BYTES)
        name = f"session-{secrets.token_hex(4)}"
        made = Token(
            name=name,
            role=role,
            sha256=digest_of(token),
            created_us=wall_us,
            expires_us=wall_us + int(_SESSION_S * 1_000_000),
            is_session=True,
        )
        self._write((*kept, made))
        return name, token, _SESSION_S

    def revoke(self, name: str, *, wall_us: int) -> bool:
        """End a token or session; False where none is called so. Raises as ``create``."""
        kept = self._kept(wall_us)
        left = tuple(each for each in kept if each.name != name)
        if len(left) == len(kept):
            return False
        self._write(left)
        return True

    def owner_of(self, bearer: str, *, wall_us: int) -> Principal | None:
        """Whose bearer it is, or None. Takes as long whichever entry matches. Raises as ``tokens``."""
        digest = digest_of(bearer)
        found: Token | None = None
        for each in self.tokens():
            if hmac.compare_digest(each.sha256, digest) and not each.is_expired(wall_us=wall_us):
                found = each
        return None if found is None else Principal(name=found.name, role=found.role)

    def _kept(self, wall_us: int) -> tuple[Token, ...]:
        return tuple(each for each in self.tokens() if not each.is_expired(wall_us=wall_us))

    def _write(self, tokens: tuple[Token, ...]) -> None:
        text = msgspec.json.format(msgspec.json.encode(_Kept(schema_version=1, tokens=tokens)), indent=1)
        temporary = self.path.with_name(f".{self.path.name}-{secrets.token_hex(8)}")
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.write(fd, text)
                os.fsync(fd)
            finally:
                os.close(fd)
            temporary.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise ConfigError(f"the tokens in {self.path} cannot be written: {error.strerror or error}") from error


class Guesses:
    """
    How many attempts an address has left: so many in a row, and one more every so often. Never suspends.

    Bounded in memory: of the addresses that were not heard of for longest, the account is forgotten.
    """

    _ADDRESSES_MAX: Final = 1024

    def __init__(self, clock: Clock, *, burst: float, per_s: float) -> None:
        self._clock = clock
        self._burst = burst
        self._per_s = per_s
        self._left: collections.OrderedDict[str, tuple[float, float]] = collections.OrderedDict()

    def peek(self, address: str) -> float | None:
        """What ``take`` would say, and nothing is used up."""
        left, at_s = self._left.get(address, (self._burst, 0.0))
        left = min(self._burst, left + (self._clock.now_s() - at_s) * self._per_s)
        return None if left >= 1.0 else (1.0 - left) / self._per_s

    def take(self, address: str) -> float | None:
        """Use one up: None where it was there, else the seconds until one is."""
        now_s = self._clock.now_s()
        left, at_s = self._left.pop(address, (self._burst, now_s))
        left = min(self._burst, left + (now_s - at_s) * self._per_s)
        is_there = left >= 1.0
        self._left[address] = (left - 1.0 if is_there else left, now_s)
        if len(self._left) > self._ADDRESSES_MAX:
            self._left.popitem(last=False)
        return None if is_there else (1.0 - left) / self._per_s


class Access:
    """
    The bearers of a state folder and the codes of this process.

    Args:
        tokens: The bearers.
        clock: Ends codes and counts attempts.
    """

    def __init__(self, tokens: TokenFile, clock: Clock) -> None:
        self.tokens = tokens
        self._clock = clock
        self._codes: dict[str, tuple[Role, float]] = {}

    def mint(self, role: Role) -> str:
        """A code that may be traded once, within a minute."""
        now_s = self._clock.now_s()
        self._codes = {each: kept for each, kept in self._codes.items() if kept[1] > now_s}
        while len(self._codes) >= _CODES_MAX:
            del self._codes[next(iter(self._codes))]
        code = secrets.token_urlsafe(24)
        self._codes[digest_of(code)] = (role, now_s + CODE_S)
        return code

    def trade(self, code: str) -> tuple[Principal, str, float] | None:
        """
        A session for a code: who it is, its bearer, and for how many seconds; None where the code is none, or used.

        Raises:
            ConfigError: The session cannot be kept.
        """
        digest = digest_of(code)
        match: str | None = None
        for each in self._codes:
            if hmac.compare_digest(each, digest):
                match = each
        if match is None:
            return None
        role, until_s = self._codes.pop(match)
        if self._clock.now_s() >= until_s:
            return None
        name, bearer, lasts_s = self.tokens.open_session(role, wall_us=self._clock.wall_us())
        return Principal(name=name, role=role), bearer, lasts_s

    def owner_of(self, bearer: str) -> Principal | None:
        """Whose bearer it is, or None. Raises ``ConfigError`` where the bearers cannot be read."""
        return self.tokens.owner_of(bearer, wall_us=self._clock.wall_us())
