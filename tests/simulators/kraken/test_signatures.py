"""
Signatures, held against the vector that Kraken publishes.

Source: https://docs.kraken.com/exchange/guides/rest/authentication (checked 2026-11-20).
"""

from __future__ import annotations

import base64

import pytest

from holdfast.simulators.core.seam import SimRequest
from holdfast.simulators.kraken.keys import ApiKey, api_sign
from tests.simulators.kraken.bench import Bench, read_json

SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
NONCE = "1616492376594"
BODY = b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
PATH = "/0/private/AddOrder"
SIGNATURE = "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="


def published_key() -> ApiKey:
    return ApiKey(
        public="SIMpublished",
        secret=SECRET,
        account="master",
        name="published",
        permissions=[],
        nonce_window=0,
        created_us=0,
    )


def test_published_signature_is_reproduced() -> None:
    assert api_sign(secret=base64.b64decode(SECRET), path=PATH, nonce=NONCE, body=BODY) == SIGNATURE


def test_published_signature_is_accepted() -> None:
    assert published_key().is_signed(path=PATH, nonce=NONCE, body=BODY, signature=SIGNATURE)


@pytest.mark.parametrize(
    ("path", "nonce", "body", "signature"),
    [
        ("/0/private/CancelAll", NONCE, BODY, SIGNATURE),
        (PATH, "1616492376595", BODY, SIGNATURE),
        (PATH, NONCE, BODY + b"&validate=true", SIGNATURE),
        (PATH, NONCE, BODY, SIGNATURE[:-4] + "LUR="),
        (PATH, NONCE, BODY, SIGNATURE.rstrip("=")),
        (PATH, NONCE, BODY, "not base64 at all"),
        (PATH, NONCE, BODY, ""),
    ],
)
def test_anything_else_is_not_that_signature(path: str, nonce: str, body: bytes, signature: str) -> None:
    assert not published_key().is_signed(path=path, nonce=nonce, body=body, signature=signature)


def test_wrong_signature_is_refused_in_the_venues_words() -> None:
    bench = Bench()
    assert bench.error("Balance", signature=SIGNATURE) == "EAPI:Invalid signature"


def test_wrong_signature_may_be_called_an_invalid_key() -> None:
    bench = Bench(bad_signature_error="EAPI:Invalid key")
    assert bench.error("Balance", signature=SIGNATURE) == "EAPI:Invalid key"


def test_unknown_key_is_refused() -> None:
    bench = Bench()
    stranger = {**bench.credential, "key": "SIMstranger"}
    assert bench.error("Balance", credential=stranger) == "EAPI:Invalid key"


def test_json_body_is_signed_over_its_own_bytes() -> None:
    bench = Bench()
    assert bench.call("Balance", as_json=True)["ZUSD"] == "10000.0000"


def test_nonce_in_json_may_be_a_number_or_text() -> None:
    bench = Bench()
    bench.call("Balance", as_json=True, nonce=bench.nonce + 10)
    bench.call("Balance", as_json=True, nonce=str(bench.nonce + 11))


@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"nonce":', b"\xff\xfe"])
def test_body_that_is_no_object_is_refused(body: bytes) -> None:
    bench = Bench()
    reply = bench.sim.handle(
        SimRequest(
            method="POST",
            path="/0/private/Balance",
            query="",
            headers={"api-key": bench.credential["key"], "api-sign": SIGNATURE, "content-type": "application/json"},
            body=body,
        )
    )
    assert reply.status == 200
    assert read_json(reply.body)["error"][0].startswith("EGeneral:Invalid arguments")


def test_every_key_looks_simulated_and_its_secret_is_64_bytes() -> None:
    for profile in ("plain", "earn", "busy", "margin", "empty", "many"):
        for credential in Bench(profile=profile).sim.credentials():
            assert credential["key"].startswith("SIM")
            assert len(credential["key"]) == 56
            assert len(base64.b64decode(credential["secret"], validate=True)) == 64
            assert credential["passphrase"] is None
            assert credential["nonce_window"] == 0


def test_keys_follow_the_seed() -> None:
    assert Bench(seed=1).credential == Bench(seed=1).credential
    assert Bench(seed=1).credential["key"] != Bench(seed=2).credential["key"]
    assert Bench(seed=1).credential["secret"] != Bench(seed=2).credential["secret"]


def test_unknown_method_is_an_error_string_with_status_200() -> None:
    bench = Bench()
    assert bench.error("StealEverything") == "EGeneral:Unknown method"
    assert bench.public("Nope")["error"] == ["EGeneral:Unknown method"]


@pytest.mark.parametrize(("form", "has"), [("absent", None), ("empty", {}), ("null", None)])
def test_a_refusal_may_come_with_an_empty_result(form: str, has: object) -> None:
    envelope = Bench(result_on_error=form).envelope("StealEverything")
    assert ("result" in envelope) == (form != "absent")
    assert envelope.get("result") == has
