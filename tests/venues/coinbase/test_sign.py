"""Tokens are what Coinbase asks for, under every shape of key; a secret that cannot be right is refused by name."""

from __future__ import annotations

import base64
import json
import pickle
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from holdfast.core.credentials import Credential
from holdfast.errors import ConfigError
from holdfast.venues.coinbase import COINBASE
from holdfast.venues.coinbase.sign import Signer, check_key_name, decode_secret, is_simulated

NAME = "organizations/00000000-0000-0000-0000-000000000000/apiKeys/11111111-2222-4333-8444-555555555555"
EC = ec.derive_private_key(0x1234567890ABCDEF1234567890ABCDEF, ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ED_PUBLIC = ED.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _pem(key: Any, form: PrivateFormat) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, form, NoEncryption())
    return text.decode()


SEC1 = _pem(EC, PrivateFormat.TraditionalOpenSSL)
PKCS8 = _pem(EC, PrivateFormat.PKCS8)
ED_PEM = _pem(ED, PrivateFormat.PKCS8)
ED_64 = base64.b64encode(bytes(range(32)) + ED_PUBLIC).decode()
ED_32 = base64.b64encode(bytes(range(32))).decode()

SHAPES = {
    "SEC1": (SEC1, EC),
    "PKCS#8": (PKCS8, EC),
    "literal line breaks": (SEC1.replace("\n", "\\n"), EC),
    "windows line breaks": (SEC1.replace("\n", "\r\n"), EC),
    "literal windows line breaks": (SEC1.replace("\n", "\\r\\n"), EC),
    "blanks for line breaks": (SEC1.replace("\n", " "), EC),
    "quoted": (f'"{SEC1}"', EC),
    "quoted with literal line breaks": ("'" + PKCS8.replace("\n", "\\n") + "'", EC),
    "blanks around it": (f"\n  {SEC1}\n\n", EC),
    "Ed25519, 64 bytes": (ED_64, ED),
    "Ed25519, its seed": (ED_32, ED),
    "Ed25519, PEM": (ED_PEM, ED),
    "Ed25519, with a line break": (ED_64 + "\n", ED),
}


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    texts = token.split(".")
    raw = [base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) for text in texts]
    return json.loads(raw[0]), json.loads(raw[1]), raw[2], f"{texts[0]}.{texts[1]}".encode()


def _is_signed(signature: bytes, signed: bytes, key: Any) -> None:
    """Raises where *signature* is not of *key*; written from RFC 7518, without the adapter."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        key.public_key().verify(signature, signed)
        return
    assert len(signature) == 64
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.public_key().verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_key_signs(shape: str) -> None:
    secret, key = SHAPES[shape]
    signer = Signer(NAME, decode_secret(secret))
    token = signer.token(
        now_us=1_795_158_000_999_999, nonce="ab" * 16, uri="GET api.coinbase.com/api/v3/brokerage/accounts"
    )
    header, claims, signature, signed = _parts(token)
    assert header == {"alg": "EdDSA" if key is ED else "ES256", "typ": "JWT", "kid": NAME, "nonce": "ab" * 16}
    assert claims == {
        "sub": NAME,
        "iss": "cdp",
        "nbf": 1_795_157_995,
        "exp": 1_795_158_115,
        "uri": "GET api.coinbase.com/api/v3/brokerage/accounts",
    }
    _is_signed(signature, signed, key)
    assert "=" not in token


def test_token_of_a_subscription_names_no_request() -> None:
    _, claims, _, _ = _parts(Signer(NAME, ED).token(now_us=10**15, nonce="00", uri=None))
    assert claims.keys() == {"sub", "iss", "nbf", "exp"}


@pytest.mark.parametrize(
    ("valid_s", "ends_s"), [(30.999999, 30), (30.0, 30), (2.5, 2), (200.0, 115), (-3.0, -3)], ids=str
)
def test_token_ends_with_the_order_and_never_later_than_two_minutes(valid_s: float, ends_s: int) -> None:
    now_us = 1_795_158_000_000_000
    token = Signer(NAME, EC).token(
        now_us=now_us, nonce="00", uri="POST x", valid_until_us=now_us + round(valid_s * 1_000_000)
    )
    _, claims, _, _ = _parts(token)
    assert claims["exp"] - 1_795_158_000 == ends_s
    assert claims["exp"] - claims["nbf"] <= 120
    assert claims["nbf"] == 1_795_157_995


P384 = ec.derive_private_key(99, ec.SECP384R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WRONG = {
    "not base64": ("hunter2!hunter2", "neither a PEM key nor base64"),
    "too short": (base64.b64encode(b"short-secret").decode(), "12 bytes long"),
    "halves of two keys": (base64.b64encode(bytes(range(32)) + bytes(32)).decode(), "halves"),
    "another curve": (_pem(P384, PrivateFormat.PKCS8), "another kind"),
    "RSA": (_pem(RSA, PrivateFormat.PKCS8), "another kind"),
    "cut": (SEC1[: len(SEC1) // 2], "without its end"),
    "garbled": (SEC1.replace("M", "!", 3), "cannot be read"),
    "the whole file": (json.dumps({"name": NAME, "privateKey": SEC1}), "only its privateKey"),
    "empty": ("", "bytes long"),
    "not ASCII": ("ключ", "neither"),
}


@pytest.mark.parametrize("what", WRONG)
def test_secret_that_cannot_be_right_is_refused_by_what_is_wrong_and_not_shown(what: str) -> None:
    secret, told = WRONG[what]
    with pytest.raises(ConfigError, match=told) as caught:
        decode_secret(secret)
    for piece in (secret[:12], secret[-12:]):
        assert not piece or piece not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "key", ["", " " + NAME, NAME + "\n", "abcdef0123456789", "organizations/x/apiKeys/y", NAME + "/more", NAME[:-1]]
)
def test_key_that_no_cdp_key_can_have_is_refused(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_key_name(key)
    assert "abcdef" not in str(caught.value)


def test_keys_of_a_simulator_are_known_by_their_zeros() -> None:
    assert is_simulated(NAME)
    assert is_simulated("00000000-1111-4222-8333-444444444444")
    assert not is_simulated(NAME.replace("00000000-0000", "10000000-0000"))
    assert not is_simulated("11111111-2222-4333-8444-555555555555")


def test_credential_is_checked_before_anything_is_sent() -> None:
    COINBASE.check_credential(Credential(venue="coinbase", key=NAME, secret=SEC1))
    COINBASE.check_credential(Credential(venue="coinbase", key=NAME[-36:], secret=ED_64))
    for bad in (
        Credential(venue="kraken", key=NAME, secret=SEC1),
        Credential(venue="coinbase", key="short", secret=SEC1),
        Credential(venue="coinbase", key=NAME, secret="nothing"),
        Credential(venue="coinbase", key=NAME, secret=SEC1, passphrase="words"),
    ):
        with pytest.raises(ConfigError):
            COINBASE.check_credential(bad)


def test_signer_shows_nothing_of_the_key() -> None:
    signer = Signer(NAME, ED)
    assert repr(signer) == "<Signer coinbase EdDSA>"
    with pytest.raises(TypeError):
        pickle.dumps(signer)
    assert not hasattr(signer, "__dict__")
