"""
OKX's signatures: time, request and secret in, text out. Pure.

``OK-ACCESS-SIGN = base64(HMAC-SHA256(secret, timestamp + METHOD + target + body))``, where *target* is the path with
its query and *body* the very bytes that go on the wire. The secret is used as text, not decoded. There is no nonce: a
request counts while its timestamp is within 30 seconds of the venue's clock.

Sources: https://www.okx.com/docs-v5/en/#overview-rest-authentication ·
https://www.okx.com/docs-v5/en/#overview-websocket-login (checked 2026-11-20)
"""

from __future__ import annotations

import binascii
import hmac
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn

from holdfast.errors import ConfigError

__all__ = ["Signer", "check_passphrase", "check_secret", "timestamp_of"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOGIN: Final = "GET/users/self/verify"


def check_secret(secret: str) -> bytes:
    """
    The key material of an API secret: its own bytes.

    Raises:
        ConfigError: *secret* cannot be one; says what is wrong, never the value.
    """
    _check("API secret", secret, "Secret key")
    return secret.encode("ascii")


def check_passphrase(passphrase: str | None) -> str:
    """
    The passphrase that was chosen when the key was made; it travels in a header.

    Raises:
        ConfigError: There is none, or it cannot be one; never shows the value.
    """
    if passphrase is None:
        raise ConfigError(
            "okx: the API passphrase is missing; it is the one that was chosen when the key was made, "
            "not the account's password"
        )
    _check("API passphrase", passphrase, "passphrase chosen with it")
    return passphrase


def _check(what: str, text: str, whole: str) -> None:
    if text != text.strip():
        raise ConfigError(f"okx: the {what} has blanks or a newline around it; store it without them")
    if not text or not text.isascii() or not text.isprintable():
        raise ConfigError(f"okx: the {what} is not printable text; copy the whole '{whole}' of OKX's API page")


def timestamp_of(now_us: int) -> str:
    """
    ``OK-ACCESS-TIMESTAMP``: ISO 8601 in UTC with exactly milliseconds, such as ``2026-01-15T08:30:00.123Z``.

    Args:
        now_us: UTC microseconds on the venue's clock; what is finer than a millisecond is dropped.
    """
    at = _EPOCH + timedelta(microseconds=now_us)
    return f"{at.isoformat(timespec='milliseconds')[:23]}Z"


class Signer:
    """
    Signs requests of one credential.

    An instance shows nothing of the secret.
    """

    __slots__ = ("__key",)

    def __init__(self, key: bytes) -> None:
        self.__key = key

    def __repr__(self) -> str:
        return "<Signer okx>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Signer cannot be pickled or copied: its key must not travel")

    def sign(self, timestamp: str, *, method: str, target: str, body: bytes = b"") -> str:
        """
        The ``OK-ACCESS-SIGN`` header.

        Args:
            timestamp: The text of ``OK-ACCESS-TIMESTAMP``.
            method: ``GET`` or ``POST``.
            target: From ``/api/v5/`` on, the query included, without host.
            body: Exactly the bytes that are sent; empty for ``GET``.
        """
        mac = hmac.digest(self.__key, f"{timestamp}{method}{target}".encode() + body, "sha256")
        return binascii.b2a_base64(mac, newline=False).decode("ascii")

    def sign_login(self, seconds: str) -> str:
        """The ``sign`` of a stream's login; *seconds* is its ``timestamp``: whole seconds, not milliseconds."""
        mac = hmac.digest(self.__key, f"{seconds}{_LOGIN}".encode(), "sha256")
        return binascii.b2a_base64(mac, newline=False).decode("ascii")
