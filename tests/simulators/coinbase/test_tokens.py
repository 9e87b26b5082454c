"""
What a token has to be, and how one is refused.

Sources (checked 2026-11-20): https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication,
https://github.com/coinbase/coinbase-advanced-py/issues/19 (sub-second skew),
https://github.com/sieblyio/coinbase-api/issues/62 (a query in the uri).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simulators.coinbase.bench import V3, Bench

ACCOUNTS = f"GET api.coinbase.com{V3}/accounts"


def status(bench: Bench, **token: Any) -> int:
    return bench.reply("GET", "accounts", token=bench.token(token.pop("uri", ACCOUNTS), **token)).status


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
@pytest.mark.parametrize("pem", ["sec1", "pkcs8"])
def test_both_kinds_of_keys_and_forms_of_secrets_are_accepted(algorithm: str, pem: str) -> None:
    bench = Bench(key_algorithm=algorithm, ec_pem=pem)
    assert bench.get("key_permissions")["can_view"]
    banner = {"sec1": "-----BEGIN EC PRIVATE KEY-----", "pkcs8": "-----BEGIN PRIVATE KEY-----"}[pem]
    if algorithm == "ES256":
        assert bench.credential["secret"].startswith(banner)
    else:
        assert len(bench.credential["secret"]) == 88


def test_refusal_is_the_bare_text_and_no_json() -> None:
    reply = Bench().reply("GET", "accounts", token="nonsense")
    assert (reply.status, reply.body) == (401, b"Unauthorized\n")
    assert reply.headers["content-type"].startswith("text/plain")


def test_refusal_below_v2_is_the_v2_envelope() -> None:
    code, body = Bench().refused("GET", "/v2/accounts", token="nonsense")
    assert (code, body["errors"][0]["id"]) == (401, "authentication_error")


@pytest.mark.parametrize(
    ("form", "body"), [("text", b"Unauthorized\n"), ("empty", b""), ("json", b'"error":"UNAUTHENTICATED"')]
)
def test_refusal_has_each_of_its_forms(form: str, body: bytes) -> None:
    reply = Bench(unauthorized_body=form).reply("GET", "accounts", token="nonsense")
    assert reply.status == 401
    assert body in reply.body


def test_missing_header_is_refused() -> None:
    assert Bench().reply("GET", "accounts", headers={"authorization": ""}).status == 401


@pytest.mark.parametrize(
    "uri",
    [
        "POST api.coinbase.com/api/v3/brokerage/accounts",
        "GET api.coinbase.com/api/v3/brokerage/orders",
        "GET api.coinbase.com/api/v3/brokerage/accounts?limit=250",
        "GET https://api.coinbase.com/api/v3/brokerage/accounts",
        "GET example.com/api/v3/brokerage/accounts",
        "get api.coinbase.com/api/v3/brokerage/accounts",
    ],
)
def test_token_for_another_request_is_refused(uri: str) -> None:
    bench = Bench()
    assert status(bench) == 200
    assert status(bench, uri=uri) == 401


def test_token_may_name_the_host_the_client_called_or_a_list_of_uris() -> None:
    bench = Bench()
    assert status(bench, uri=f"GET 127.0.0.1:4000{V3}/accounts") == 200
    assert status(bench, uri=None, claims={"uris": [ACCOUNTS]}) == 200
    assert status(bench, uri=None) == 401


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({"iss": "somebody"}, {}),
        ({"iss": None}, {}),
        ({"sub": "organizations/other/apiKeys/other"}, {}),
        ({"nbf": None}, {}),
        ({"exp": None}, {}),
        ({"exp": "soon"}, {}),
        ({"exp": True}, {}),
        ({}, {"kid": "organizations/other/apiKeys/other"}),
        ({}, {"kid": None}),
        ({}, {"nonce": None}),
        ({}, {"nonce": ""}),
        ({}, {"alg": "none"}),
        ({}, {"alg": "HS256"}),
        ({}, {"alg": "EdDSA"}),
    ],
)
def test_token_with_one_thing_wrong_is_refused(claims: dict[str, Any], header: dict[str, Any]) -> None:
    assert status(Bench(), claims=claims, header=header) == 401


def test_older_forms_of_claims_are_taken() -> None:
    claims = {"iss": "coinbase-cloud", "aud": ["retail_rest_api_proxy"], "iat": 1_790_000_000}
    assert status(Bench(), claims=claims) == 200


def test_token_of_another_key_is_refused_although_it_names_ours() -> None:
    bench, other = Bench(), Bench(seed=8)
    assert status(bench, secret=other.credential["secret"]) == 401


def test_changed_token_is_refused() -> None:
    bench = Bench()
    token = bench.token(ACCOUNTS)
    head, claims, signature = token.split(".")
    assert bench.reply("GET", "accounts", token=token).status == 200
    assert bench.reply("GET", "accounts", token=f"{head}.{claims}.{signature[:-6]}AAAAAA").status == 401
    assert bench.reply("GET", "accounts", token=f"{head}.{claims}").status == 401


def test_bare_key_id_is_enough_for_an_ed25519_key_only() -> None:
    for algorithm, code in (("EdDSA", 200), ("ES256", 401)):
        bench = Bench(key_algorithm=algorithm)
        bare = bench.credential["key"].rpartition("/")[2]
        assert status(bench, header={"kid": bare}, claims={"sub": bare}) == code


def test_ed25519_keys_are_refused_where_the_account_has_none() -> None:
    assert status(Bench(key_algorithm="EdDSA", is_ed25519_accepted=False)) == 401


@pytest.mark.parametrize(("ahead_s", "leeway_s", "code"), [(0, 0.0, 200), (1, 0.0, 401), (1, 1.0, 200), (2, 1.0, 401)])
def test_token_from_the_future_is_refused(ahead_s: float, leeway_s: float, code: int) -> None:
    assert status(Bench(clock_leeway_s=leeway_s), from_s=ahead_s) == code


def test_token_dies_with_its_expiry() -> None:
    bench = Bench()
    token = bench.token(ACCOUNTS, from_s=0)
    bench.pass_time(119.9)
    assert bench.reply("GET", "accounts", token=token).status == 200
    bench.pass_time(0.1)
    assert bench.reply("GET", "accounts", token=token).status == 401


@pytest.mark.parametrize(("is_refused", "code"), [(True, 401), (False, 200)])
def test_token_that_lives_too_long_is_refused_or_dies_all_the_same(is_refused: bool, code: int) -> None:
    bench = Bench(is_long_token_refused=is_refused)
    begins = bench.clock.wall_us() // 1_000_000
    token = bench.token(ACCOUNTS, claims={"nbf": begins, "exp": begins + 600})
    assert bench.reply("GET", "accounts", token=token).status == code
    bench.pass_time(121)
    assert bench.reply("GET", "accounts", token=token).status == 401


@pytest.mark.parametrize(("is_refused", "code"), [(False, 200), (True, 401)])
def test_second_use_of_a_token(is_refused: bool, code: int) -> None:
    bench = Bench(is_token_reuse_refused=is_refused)
    token = bench.token(ACCOUNTS)
    assert bench.reply("GET", "accounts", token=token).status == 200
    assert bench.reply("GET", "accounts", token=token).status == code


@pytest.mark.parametrize("by_s", [31, -31])
def test_venue_judges_by_its_own_clock(by_s: float) -> None:
    bench = Bench()
    bench.impair("clock_skew", by_s=by_s)
    assert status(bench, from_s=by_s) == 200
    assert status(bench, from_s=0) == (200 if by_s > 0 else 401)


def test_missing_permission_is_403_and_names_scopes() -> None:
    bench = Bench()
    bench.happen("permissions", permissions=["view"])
    code, body = bench.refused("POST", "orders", body=bench.gtc())
    assert (code, body["error"], body["error_details"]) == (403, "PERMISSION_DENIED", "Missing required scopes")
    assert bench.get("key_permissions")["can_trade"] is False
    bench.happen("permissions", permissions=["trade"])
    assert status(bench) == 403


def test_revoked_key_is_unknown_at_once() -> None:
    bench = Bench()
    assert status(bench) == 200
    bench.happen("key_revocation")
    assert status(bench) == 401
    assert bench.sim.credentials() == []


def test_unauthorized_fault_acts_as_often_as_it_says_whatever_the_token() -> None:
    bench = Bench()
    bench.impair("unauthorized", count=2)
    assert [status(bench) for _ in range(3)] == [401, 401, 200]


def test_locked_key_is_answered_401_until_it_is_not() -> None:
    bench = Bench()
    bench.impair("lockout", for_s=20)
    assert status(bench) == 401
    bench.pass_time(20)
    assert status(bench) == 200


def test_keys_are_decided_by_the_seed() -> None:
    assert Bench().credential == Bench().credential
    assert Bench().credential["secret"] != Bench(seed=8).credential["secret"]


def test_keys_look_like_no_real_ones() -> None:
    assert Bench().credential["key"].startswith("organizations/00000000-0000-0000-0000-000000000000/apiKeys/")


class TestLimits:
    def test_thirty_requests_of_a_key_pass_in_any_second(self) -> None:
        bench = Bench()
        replies = [bench.reply("GET", "key_permissions") for _ in range(31)]
        assert [reply.status for reply in replies] == [200] * 30 + [429]
        assert json.loads(replies[-1].body) == {
            "errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]
        }
        stated = [replies[0].headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")]
        assert stated == ["30", "29", "1"]
        bench.pass_time(1)
        assert bench.reply("GET", "key_permissions").status == 200

    def test_each_key_is_counted_for_itself(self) -> None:
        bench = Bench()
        other = bench.happen("new_key", name="another")["credential"]
        bench.impair("rate_limit")
        assert bench.reply("GET", "key_permissions").status == 429
        assert bench.reply("GET", "key_permissions", credential=other).status == 429  # All keys are filled.
        bench.pass_time(1)
        for _ in range(30):
            bench.get("key_permissions")
        assert bench.reply("GET", "key_permissions").status == 429
        assert bench.reply("GET", "key_permissions", credential=other).status == 200

    def test_refused_token_is_not_counted(self) -> None:
        bench = Bench()
        for _ in range(40):
            assert bench.reply("GET", "key_permissions", token="nonsense").status == 401
        assert bench.reply("GET", "key_permissions").status == 200

    @pytest.mark.parametrize("form", ["v2", "v3", "text"])
    def test_refusal_has_each_of_its_forms(self, form: str) -> None:
        bench = Bench(rate_limit_body=form, has_retry_after=True)
        bench.impair("rate_limit")
        reply = bench.reply("GET", "key_permissions")
        assert reply.status == 429
        assert reply.headers["retry-after"] == "1"
        expected = {"v2": b'"errors"', "v3": b"RESOURCE_EXHAUSTED", "text": b"Too Many Requests"}
        assert expected[form] in reply.body

    def test_throttled_request_may_look_like_a_bad_token(self) -> None:
        bench = Bench(throttle_status=401)
        bench.impair("rate_limit")
        assert bench.reply("GET", "key_permissions").status == 401

    def test_hour_has_a_limit_where_it_has_one(self) -> None:
        bench = Bench(calls_per_hour=50)
        codes = []
        for _ in range(52):
            codes.append(bench.reply("GET", "key_permissions").status)
            bench.pass_time(1)
        assert codes == [200] * 50 + [429] * 2

    def test_ten_unsigned_requests_pass_in_any_second_and_v2_apart(self) -> None:
        bench = Bench()
        for _ in range(10):
            bench.look("time")
        bench.look("/v2/time")
        with pytest.raises(AssertionError):
            bench.look("time")

    def test_nothing_is_counted_where_counting_is_off(self) -> None:
        bench = Bench(are_calls_counted=False)
        assert {bench.reply("GET", "key_permissions").status for _ in range(50)} == {200}
        assert "x-ratelimit-limit" not in bench.reply("GET", "key_permissions").headers
