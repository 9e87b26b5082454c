"""
Coinbase's JSON Web Token: key, request and time in, token out. Pure, but that ECDSA draws a number of its own.

Every request and every subscription has a token of its own, bound to method and path (a subscription's to nothing).
Nothing of the body is signed. A token begins five seconds before the venue's own clock, because one that begins in
the venue's future, by however little, is refused; and it ends two minutes after it began at the latest, or where an
order's validity ends.

Sources: https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication ·
https://docs.cdp.coinbase.com/coinbase-app/authentication-authorization/api-key-authentication ·
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-authentication ·
https://github.com/coinbase/coinbase-advanced-py/issues/19 for the clock (checked 2026-11-20)
"""

from __future__ import annotations

import binascii
import re
from typing import Final, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from holdfast.errors import ConfigError

__all__ = ["BACKDATED_S", "HOST", "LIFE_S", "PrivateKey", "Signer", "check_key_name", "decode_secret", "is_simulated"]

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
"""What signs: a P-256 key (ES256), or an Ed25519 key (EdDSA)."""

HOST: Final = "api.coinbase.com"
"""The host that every token names, as the venue's own client does: a token is good for nobody else."""

LIFE_S: Final = 120
"""Longest time between a token's beginning and its end, seconds."""

BACKDATED_S: Final = 5
"""How far before the venue's clock a token begins, seconds."""

_SEED_BYTES: Final = 32
_BANNER: Final = "-----BEGIN"
_PEM: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+?)-----(.*?)-----END \1-----", re.DOTALL)
_UUID: Final = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
_NAME: Final = re.compile(rf"(?:organizations/{_UUID}/apiKeys/)?{_UUID}\Z")
_SIMULATED: Final = "00000000-0000-0000-0000-000000000000"
_COPY: Final = "copy the whole privateKey of the key file"


def check_key_name(key: str) -> None:
    """
    Refuse a key name that no CDP key can have.

    Raises:
        ConfigError: Neither ``organizations/<id>/apiKeys/<id>`` nor a bare id; never shows it.
    """
    if key != key.strip():
        raise ConfigError("coinbase: the API key name has blanks or a newline around it; store it without them")
    if _NAME.match(key) is None:
        raise ConfigError(
            "coinbase: the API key name is neither organizations/<id>/apiKeys/<id> nor a bare <id>; copy name (or id) "
            "of the key file. Keys of Coinbase Pro and legacy HMAC keys do not work here: make a CDP key"
        )


def is_simulated(key: str) -> bool:
    """Whether a simulator made this key: its organization, or its id where it has none, begins with zeros."""
    return key.startswith((f"organizations/{_SIMULATED}/apiKeys/", "00000000-"))


def decode_secret(secret: str) -> PrivateKey:
    """
    The key behind a secret, in any of the shapes that Coinbase hands out.

    PEM of a P-256 key (SEC1 or PKCS#8) or of an Ed25519 key, with line breaks, with literal ``\\n`` or with blanks in
    their place; or base64 of an Ed25519 key, 64 bytes (seed and public part) or 32. Blanks and one pair of quotation
    marks around it are dropped.

    Raises:
        ConfigError: None of these; says what is wrong, never the value.
    """
    text = secret.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    text = text.replace("\\r", "").replace("\\n", "\n").strip()
    if text.startswith("{"):
        raise ConfigError("coinbase: the API secret is the whole key file; store only its privateKey")
    return _of_pem(text) if _BANNER in text else _of_base64(text)


def _of_pem(text: str) -> PrivateKey:
    parts = _PEM.search(text)
    if parts is None:
        raise ConfigError(f"coinbase: the API secret is a PEM key without its end; {_COPY}")
    kind, body = parts[1], "".join(parts[2].split())
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    pem = "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])
    try:
        key = load_pem_private_key(pem.encode("ascii"), password=None)
    except (ValueError, TypeError, UnicodeEncodeError, UnsupportedAlgorithm):
        raise ConfigError(f"coinbase: the API secret looks like a PEM key and cannot be read; {_COPY}") from None
    # The banner says little: PKCS#8 holds either kind.
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ConfigError("coinbase: the API secret is a PEM key of another kind; CDP keys are ECDSA P-256 or Ed25519")


def _of_base64(text: str) -> PrivateKey:
    try:
        material = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ConfigError(f"coinbase: the API secret is neither a PEM key nor base64; {_COPY}") from None
    if len(material) not in (_SEED_BYTES, 2 * _SEED_BYTES):
        raise ConfigError(
            f"coinbase: the API secret is {len(material)} bytes long, an Ed25519 key has 64 or 32; {_COPY}"
        )
    key = ed25519.Ed25519PrivateKey.from_private_bytes(material[:_SEED_BYTES])
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    if material[_SEED_BYTES:] not in (b"", public):
        raise ConfigError(f"coinbase: the API secret's two halves do not belong together; {_COPY}")
    return key


class Signer:
    """
    Makes the tokens of one credential.

    The secret is decoded once. An instance shows nothing of it.

    Args:
        name: The key's name, ``kid`` and ``sub`` of its tokens.
        key: What ``decode_secret`` made of its secret.
    """

    __slots__ = ("__key", "_claims", "_header", "algorithm")

    def __init__(self, name: str, key: PrivateKey) -> None:
        check_key_name(name)  # Its characters need no escape in JSON.
        self.__key = key
        self.algorithm = "EdDSA" if isinstance(key, ed25519.Ed25519PrivateKey) else "ES256"
        self._header = f'{{"alg":"{self.algorithm}","typ":"JWT","kid":"{name}","nonce":"'
        self._claims = f'{{"sub":"{name}","iss":"cdp","nbf":'

    def __repr__(self) -> str:
        return f"<Signer coinbase {self.algorithm}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Signer cannot be pickled or copied: its key must not travel")

    def token(self, *, now_us: int, nonce: str, uri: str | None, valid_until_us: int | None = None) -> str:
        """
        One token.

        Args:
            now_us: UTC microseconds on the venue's clock.
            nonce: Hexadecimal text that was never used before.
            uri: ``METHOD host/path``, without scheme and query; None for a subscription.
            valid_until_us: Where the token has to end at the latest, UTC microseconds on the venue's clock; cut to the
                whole second.
        """
        begins_s = now_us // 1_000_000 - BACKDATED_S
        ends_s = begins_s + LIFE_S
        if valid_until_us is not None:
            ends_s = min(ends_s, valid_until_us // 1_000_000)
        named = "" if uri is None else f',"uri":"{uri}"'
        signed = (
            _base64url(f'{self._header}{nonce}"}}'.encode())
            + b"."
            + _base64url(f'{self._claims}{begins_s},"exp":{ends_s}{named}}}'.encode())
        )
        return (signed + b"." + _base64url(self._signature(signed))).decode("ascii")

    def _signature(self, signed: bytes) -> bytes:
        key = self.__key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(signed)
        # JOSE wants both numbers side by side, where the library writes them as DER.
        r, s = decode_dss_signature(key.sign(signed, _ES256))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


_ES256: Final = ec.ECDSA(hashes.SHA256())


def _base64url(octets: bytes) -> bytes:
    return binascii.b2a_base64(octets, newline=False).rstrip(b"=").translate(_URL_SAFE)


_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
