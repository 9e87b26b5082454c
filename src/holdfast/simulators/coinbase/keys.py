"""
API keys of the simulated Coinbase: who they belong to, what they may do, and the secrets behind them.

Sources (checked 2026-11-20):
https://docs.cdp.coinbase.com/coinbase-app/authentication-authorization/api-key-authentication,
https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from holdfast.simulators.core.dice import bytes_for

__all__ = ["ALGORITHMS", "ALL_SCOPES", "ORGANIZATION", "TRADING_SCOPES", "ApiKey", "made_key", "uuid_of"]

ALGORITHMS: Final = ("ES256", "EdDSA")
"""What a key may sign with."""

ALL_SCOPES: Final = ("view", "trade", "transfer", "receive")
"""Every permission a key can have."""

TRADING_SCOPES: Final = ("view", "trade")
"""What a trading bot needs: no right to move funds out."""

ORGANIZATION: Final = "00000000-0000-0000-0000-000000000000"
"""The organization in the names of simulated keys, as no real one is."""

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""How many points P-256 has: a secret number is below it."""


def uuid_of(raw: bytes) -> str:
    """Sixteen bytes as a random-looking UUID of version 4."""
    marked = bytearray(raw[:16])
    marked[6] = marked[6] & 0x0F | 0x40
    marked[8] = marked[8] & 0x3F | 0x80
    text = marked.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class ApiKey:
    """
    One key with everything the venue remembers about it.

    Attributes:
        id: Its bare UUID.
        public: Its name, ``organizations/…/apiKeys/…``: what tokens carry as ``kid`` and ``sub``.
        locked_until_s: Unstepped clock until which every call is answered 401, as if the key were unknown.
        used_tokens: Tokens already seen, and until when each is remembered, on the unstepped clock.
    """

    def __init__(
        self,
        *,
        id_: str,
        private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
        secret: str,
        account: str,
        name: str,
        scopes: Iterable[str],
        created_us: int,
    ) -> None:
        self.id = id_
        self.public = f"organizations/{ORGANIZATION}/apiKeys/{id_}"
        self.secret = secret
        self.account = account
        self.name = name
        self.scopes = set(scopes)
        self.created_us = created_us
        self.is_revoked = False
        self.locked_until_s = float("-inf")
        self.used_tokens: dict[str, float] = {}
        self._public_key = private.public_key()

    @property
    def algorithm(self) -> str:
        """``ES256`` or ``EdDSA``."""
        return "ES256" if isinstance(self._public_key, ec.EllipticCurvePublicKey) else "EdDSA"

    def is_called(self, kid: str) -> bool:
        """Whether a token may name this key so: by its name, and an Ed25519 one by its bare UUID too."""
        return kid == self.public or (kid == self.id and self.algorithm == "EdDSA")

    def is_signed(self, *, message: bytes, signature: bytes) -> bool:
        """Whether *signature* is this key's over these bytes."""
        try:
            if isinstance(self._public_key, ec.EllipticCurvePublicKey):
                if len(signature) != 64:
                    return False
                pair = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
                self._public_key.verify(encode_dss_signature(*pair), message, ec.ECDSA(hashes.SHA256()))
            else:
                self._public_key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def is_token_new(self, token: str, *, now_s: float, kept_s: float) -> bool:
        """Whether this token was not seen before; it is remembered for *kept_s* seconds, longer than it lives."""
        for old in [old for old, until_s in self.used_tokens.items() if until_s <= now_s]:
            del self.used_tokens[old]
        if token in self.used_tokens:
            return False
        self.used_tokens[token] = now_s + kept_s
        return True

    def credential(self) -> dict[str, Any]:
        """The key with its secret, as the ready line has it."""
        return {
            "account": self.account,
            "key": self.public,
            "secret": self.secret,
            "passphrase": None,
            "nonce_window": None,
        }


def made_key(
    seed: int,
    *,
    account: str,
    name: str,
    algorithm: str,
    pem: str,
    scopes: Iterable[str],
    created_us: int,
) -> ApiKey:
    """
    A key that the seed and its names decide.

    Args:
        pem: ``sec1`` or ``pkcs8``, of an EC key; an Ed25519 secret is base64 of seed and public half.
    """
    material = bytes_for(seed, "secret", account, name, algorithm)
    private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    if algorithm == "ES256":
        private = ec.derive_private_key(1 + int.from_bytes(material, "big") % (_ORDER - 1), ec.SECP256R1())
        form = PrivateFormat.TraditionalOpenSSL if pem == "sec1" else PrivateFormat.PKCS8
        secret = private.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    else:
        private = ed25519.Ed25519PrivateKey.from_private_bytes(material[:32])
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        secret = base64.b64encode(material[:32] + public).decode()
    return ApiKey(
        id_=uuid_of(bytes_for(seed, "key", account, name)),
        private=private,
        secret=secret,
        account=account,
        name=name,
        scopes=scopes,
        created_us=created_us,
    )
