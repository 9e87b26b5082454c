"""Signatures match Kraken's published vector, and a secret that cannot be right is refused by what is wrong with it."""

from __future__ import annotations

import base64
import pickle

import pytest

from holdfast.core.credentials import Credential
from holdfast.errors import ConfigError
from holdfast.venues.kraken import KRAKEN
from holdfast.venues.kraken.sign import Signer, decode_secret

# Published: https://docs.kraken.com/exchange/guides/rest/authentication (checked 2026-11-20)
SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="

VECTORS = {
    "published": (
        "/0/private/AddOrder",
        "1616492376594",
        "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25",
        "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==",
    ),
    # The rest is computed with the same secret by another implementation; Kraken publishes one only.
    "balance": (
        "/0/private/Balance",
        "1616492376594",
        "nonce=1616492376594",
        "1nH4vwR+8FHiYh1QT649xXkGd3JR3x0DWkgv3u9Ed/Qqv6KPtgQpEU4m+Emb/VgpEji3j1XNwI+HCbfXxmrTOg==",
    ),
    "token": (
        "/0/private/GetWebSocketsToken",
        "1700000000000000",
        "nonce=1700000000000000",
        "7jN+MJbZupeK+JxDEA2MOMqz9d4pqhU09QUUm4wUw5FFDI5hNZ/Zf8GuHP6KQ5dMFwNbT85G+igMj/dWUZARaA==",
    ),
    "json": (
        "/0/private/AddOrder",
        "1616492376594",
        (
            '{"nonce": "1616492376594", "ordertype": "limit", "pair": "XBTUSD", '
            '"price": 37500, "type": "buy", "volume": 1.25}'
        ),
        "xojekerxRL59CSvi3027oZ1+nMQF0TgqD5QE569qR8tgSJ4tAhoVYVGhSEciXkufsn6foHHVi0N3Utiarvg74w==",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_signature_matches_vector(name: str) -> None:
    path, nonce, body, signature = VECTORS[name]
    signer = Signer(decode_secret(SECRET))
    assert signer.sign(path.encode(), nonce=nonce.encode(), body=body.encode()) == signature


def test_signer_shows_nothing_of_the_key() -> None:
    signer = Signer(decode_secret(SECRET))
    assert "kQH5" not in repr(signer) + str(signer)
    with pytest.raises(TypeError):
        pickle.dumps(signer)


@pytest.mark.parametrize(
    ("secret", "complaint"),
    [
        (SECRET + "\n", "newline"),
        (" " + SECRET, "blanks"),
        (SECRET[:-3], "not base64"),
        (SECRET[:40] + "!" + SECRET[41:], "not base64"),
        ("Ü" + SECRET[1:], "not base64"),
        ("", "0 bytes"),
        (base64.b64encode(bytes(32)).decode(), "32 bytes"),
    ],
)
def test_secret_that_cannot_be_right_is_refused_without_being_shown(secret: str, complaint: str) -> None:
    credential = Credential(venue="kraken", key="SIMkey", secret=secret)
    with pytest.raises(ConfigError, match=complaint) as caught:
        KRAKEN.check_credential(credential)
    assert len(secret) < 8 or secret.strip()[:20] not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "complaint"),
    [("", "not printable"), ("SIMkey\n", "newline"), ("SIM key", "not printable"), ("SIMkéy", "not")],
)
def test_key_that_cannot_be_right_is_refused(key: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        KRAKEN.check_credential(Credential(venue="kraken", key=key, secret=SECRET))


def test_credential_of_another_venue_is_refused() -> None:
    with pytest.raises(ConfigError, match="okx"):
        KRAKEN.check_credential(Credential(venue="okx", key="SIMkey", secret=SECRET))


def test_two_factor_password_with_a_newline_is_refused() -> None:
    with pytest.raises(ConfigError, match="passphrase"):
        KRAKEN.check_credential(Credential(venue="kraken", key="SIMkey", secret=SECRET, passphrase="otp\n"))


def test_simulator_keys_are_recognised() -> None:
    assert KRAKEN.is_simulator_key("SIMabc")
    assert not KRAKEN.is_simulator_key("4/SDrDBcOOPnm3nPlNfEMMJDeRcIVqPz+QhRxIodyZbI9po/aVRiHsgX")
