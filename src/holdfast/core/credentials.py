"""An API key with its secrets, made so that the secrets cannot leak by accident."""

from __future__ import annotations

import hashlib
from typing import Any, NoReturn

__all__ = ["Credential"]


class Credential:
    """
    One API key, its secret and, where the venue has one, its passphrase.

    ``repr``, ``str`` and ``format`` show a fingerprint of the public key only; pickling and copying are refused, so
    that the secret cannot travel into a log, a crash report or a child process. ``==`` compares public keys.

    Attributes:
        venue: Venue id.
        key: The public key, as the venue spells it. Not secret, but not shown either: it names an account.
        fingerprint: First 16 hex digits of ``sha256(venue NUL key)``; names lanes and locks.
    """

    __slots__ = ("__passphrase", "__secret", "fingerprint", "key", "venue")

    def __init__(self, *, venue: str, key: str, secret: str, passphrase: str | None = None) -> None:
        self.venue = venue
        self.key = key
        self.__secret = secret
        self.__passphrase = passphrase
        self.fingerprint = hashlib.sha256(f"{venue}\0{key}".encode()).hexdigest()[:16]

    def reveal_secret(self) -> str:
        """The secret, for signing only."""
        return self.__secret

    def reveal_passphrase(self) -> str | None:
        """The passphrase, for signing only."""
        return self.__passphrase

    def __repr__(self) -> str:
        return f"<Credential {self.venue} {self.fingerprint}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Credential) and other.fingerprint == self.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Credential cannot be pickled or copied: its secret must not travel")

    def __deepcopy__(self, memo: dict[int, Any]) -> NoReturn:
        raise TypeError("a Credential cannot be pickled or copied: its secret must not travel")
