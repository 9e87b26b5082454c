"""An API key with its secrets, made so that the secrets cannot leak by accident."""

from __future__ import annotations

import hashlib
from typing import Any, NoReturn

__all__ = ["Credential", "Secret"]

_LEAST_REDACTED = 6  # What is shorter is found in any text by chance, and is no secret worth the name.

_LEAST_HINTED = 12  # Of a shorter key four characters are too much of it.


class Secret:
    """
    One secret text that cannot be shown by accident.

    ``repr``, ``str`` and ``format`` show nothing of it; pickling and copying are refused. False where it is empty.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """The text itself; whoever asks keeps it out of any place that may raise or log."""
        return self.__text

    @property
    def is_padded(self) -> bool:
        """Whether there is a blank or a line break around it."""
        return self.__text != self.__text.strip()

    def without_last_breaks(self) -> Secret:
        """
        A PEM text without the line breaks after its last line, which belong to its format; anything else as it is.

        What stands between its two banners says where it ends (RFC 7468, section 3), so nothing is guessed.
        """
        text = self.__text.rstrip("\r\n")
        is_pem = text.startswith("-----BEGIN ") and text.endswith("-----")
        return Secret(text) if is_pem else self

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __repr__(self) -> str:
        return "<Secret>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied: it must not travel")

    def __deepcopy__(self, memo: dict[int, Any]) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied: it must not travel")


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

    @property
    def hint(self) -> str:
        """The last four characters of the public key: enough to tell keys apart, too little to name an account."""
        return self.key[-4:] if len(self.key) >= _LEAST_HINTED else ""

    def reveal_secret(self) -> str:
        """The secret, for signing only."""
        return self.__secret

    def reveal_passphrase(self) -> str | None:
        """The passphrase, for signing only."""
        return self.__passphrase

    def redact(self, text: str) -> str:
        """
        *text* without anything of this credential: for words of a venue, which may echo what it was sent.

        Secret, passphrase and key become ``***``; so does each line of a secret that has several.
        """
        for part in (*self.__secret.splitlines(), self.__passphrase, self.key):
            if part is not None and len(part) >= _LEAST_REDACTED and part in text:
                text = text.replace(part, "***")
        return text

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
