"""
Kraken's signature: request, credential and nonce in, header out. Pure.

``API-Sign = base64(HMAC-SHA512(base64decode(secret), path + SHA256(nonce + body)))``, where *body* are the very
bytes that go on the wire and contain the same nonce.

Source: https://docs.kraken.com/exchange/guides/rest/authentication (checked 2026-11-20)
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from typing import Final, NoReturn

from holdfast.errors import ConfigError

__all__ = ["Signer", "decode_secret"]

_SECRET_BYTES: Final = 64


def decode_secret(secret: str) -> bytes:
    """
    The key material of an API secret.

    Raises:
        ConfigError: *secret* is not the base64 text of 64 bytes; says what is wrong, never the value.
    """
    key, problem = _decoded(secret)
    if problem is None:
        return key
    del secret, key  # A traceback that shows local variables shows neither.
    raise ConfigError(f"kraken: the API secret {problem}")


def _decoded(secret: str) -> tuple[bytes, str | None]:
    """The key material, and what is wrong with the secret; never raises."""
    if secret != secret.strip():
        return b"", "has blanks or a newline around it; store it without them"
    try:
        key = binascii.a2b_base64(secret.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return b"", "is not base64; copy the whole 'Private key' of Kraken's API page"
    if len(key) != _SECRET_BYTES:
        return b"", f"is {len(key)} bytes long, expected {_SECRET_BYTES}; copy the whole 'Private key'"
    return key, None


class Signer:
    """
    Signs requests of one credential.

    The secret is decoded once. An instance shows nothing of it.
    """

    __slots__ = ("__key",)

    def __init__(self, key: bytes) -> None:
        self.__key = key

    def __repr__(self) -> str:
        return "<Signer kraken>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Signer cannot be pickled or copied: its key must not travel")

    def sign(self, path: bytes, *, nonce: bytes, body: bytes) -> str:
        """
        The ``API-Sign`` header.

        Args:
            path: From ``/0/private/`` on, without host or query.
            nonce: The nonce's decimal text, the same one that *body* carries.
            body: Exactly the bytes that are sent.
        """
        digest = hashlib.sha256(nonce + body).digest()
        mac = hmac.digest(self.__key, path + digest, "sha512")
        return binascii.b2a_base64(mac, newline=False).decode("ascii")
