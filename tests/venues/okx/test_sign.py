"""Signatures: the vectors hold, and nothing of a secret is ever shown."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from holdfast.core.credentials import Credential
from holdfast.errors import ConfigError
from holdfast.venues.okx import OKX
from holdfast.venues.okx.sign import Signer, check_passphrase, check_secret, timestamp_of

SECRET = "demo-secret-not-real-0123456789AB"
AT = "2026-01-15T08:30:00.123Z"
BODY = (
    b'{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"limit","px":"50000","sz":"0.001","clOrdId":"abc123"}'
)

# Made up for this test from the documented recipe; the secret is no one's.
VECTORS = [
    ("GET", "/api/v5/account/balance", b"", "Z+yHpNsvyPclmOBcCo2/fHxlgwn00F4eaoBVZu/uz3M="),
    ("GET", "/api/v5/account/balance?ccy=BTC,USDT", b"", "ViZv4c+W66IQqIGxG67QltDsTNqYZajzsJ3NX45wmtw="),
    ("GET", "/api/v5/account/balance?ccy=BTC%2CUSDT", b"", "6Va5QrDRgj5MUe2y7dCLCmzYHFebDu2VtpWt6uY3ugA="),
    ("POST", "/api/v5/trade/order", BODY, "aNr9nYh9aJ0jltHYIzHJ6HUAWxm7XBFMfcpazeQ6FLQ="),
]


@pytest.mark.parametrize(("method", "target", "body", "expected"), VECTORS)
def test_signature_is_of_time_method_target_and_body(method: str, target: str, body: bytes, expected: str) -> None:
    assert Signer(check_secret(SECRET)).sign(AT, method=method, target=target, body=body) == expected


def test_login_is_signed_with_whole_seconds() -> None:
    assert Signer(check_secret(SECRET)).sign_login("1768465800") == "ibrEvaImD3os5y7BhHIpXcojw+MDiPFocz/LAWrFPqo="


@pytest.mark.parametrize(
    ("now_us", "text"),
    [
        (1_768_465_800_123_999, "2026-01-15T08:30:00.123Z"),
        (1_768_465_800_000_000, "2026-01-15T08:30:00.000Z"),
        (1_768_465_799_999_999, "2026-01-15T08:29:59.999Z"),
    ],
)
def test_timestamp_has_milliseconds_whatever_the_moment(now_us: int, text: str) -> None:
    assert timestamp_of(now_us) == text


@pytest.mark.parametrize("secret", [f"{SECRET}\n", f" {SECRET}", f"{SECRET}\r\n", "", "sécret-0123456789", "a\tb"])
def test_secret_that_cannot_be_one_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_secret(secret)
    assert SECRET not in str(refused.value)
    assert not secret.strip() or secret.strip() not in str(refused.value)


def test_missing_passphrase_says_which_one_is_meant() -> None:
    with pytest.raises(ConfigError, match="not the account's password"):
        check_passphrase(None)
    with pytest.raises(ConfigError, match="newline"):
        check_passphrase("hidden-phrase\n")
    assert check_passphrase("Two words!") == "Two words!"


def test_signer_shows_and_travels_nothing() -> None:
    signer = Signer(check_secret(SECRET))
    assert SECRET not in repr(signer)
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            way(signer)


def credential(**changes: Any) -> Credential:
    fields = {"venue": "okx", "key": "00000000-1", "secret": SECRET, "passphrase": "phrase", **changes}
    return Credential(**fields)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"venue": "kraken"}, "kraken"),
        ({"key": "a b"}, "API key"),
        ({"key": "abc\n"}, "newline"),
        ({"secret": "abc\n"}, "secret"),
        ({"passphrase": None}, "passphrase"),
    ],
)
def test_credential_that_cannot_be_right_is_refused_by_field(changes: dict[str, Any], word: str) -> None:
    OKX.check_credential(credential())
    with pytest.raises(ConfigError, match=word) as refused:
        OKX.check_credential(credential(**changes))
    assert SECRET not in str(refused.value)
