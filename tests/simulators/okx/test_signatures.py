"""Signed calls: OKX's signature, its headers, the window of time, and every reason to refuse a key."""

from __future__ import annotations

import json

import pytest

from holdfast.simulators.core.seam import SimRequest
from holdfast.simulators.okx.keys import signature_of
from holdfast.simulators.okx.settings import CHECKS
from tests.simulators.okx.bench import Bench

# Made up for the purpose, and computed by hand from the documented recipe.
SECRET = "demo-secret-not-real-0123456789AB"
STAMP = "2026-01-15T08:30:00.123Z"
VECTORS = {
    "GET/api/v5/account/balance": "Z+yHpNsvyPclmOBcCo2/fHxlgwn00F4eaoBVZu/uz3M=",
    "GET/api/v5/account/balance?ccy=BTC,USDT": "ViZv4c+W66IQqIGxG67QltDsTNqYZajzsJ3NX45wmtw=",
    "GET/api/v5/account/balance?ccy=BTC%2CUSDT": "6Va5QrDRgj5MUe2y7dCLCmzYHFebDu2VtpWt6uY3ugA=",
    'POST/api/v5/trade/order{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"limit","px":"50000",'
    '"sz":"0.001","clOrdId":"abc123"}': "aNr9nYh9aJ0jltHYIzHJ6HUAWxm7XBFMfcpazeQ6FLQ=",
}


@pytest.mark.parametrize("tail", VECTORS)
def test_signature_is_the_documented_one(tail: str) -> None:
    assert signature_of(secret=SECRET, text=STAMP + tail) == VECTORS[tail]


def test_login_signature_is_the_documented_one() -> None:
    made = signature_of(secret=SECRET, text="1768465800GET/users/self/verify")
    assert made == "ibrEvaImD3os5y7BhHIpXcojw+MDiPFocz/LAWrFPqo="


@pytest.mark.parametrize("query", ["ccy=BTC,USDT", "ccy=BTC%2CUSDT"])
def test_query_is_signed_as_it_was_sent(query: str) -> None:
    bench = Bench()
    request = bench.request("GET", "account/balance", {"ccy": "BTC,USDT"})
    stamp = request.headers["ok-access-timestamp"]
    sign = signature_of(secret=bench.credential["secret"], text=f"{stamp}GET/api/v5/account/balance?{query}")
    asked = SimRequest(
        method="GET",
        path=request.path,
        query=query,
        headers={**request.headers, "ok-access-sign": sign},
        body=b"",
    )
    details = json.loads(bench.sim.handle(asked).body)["data"][0]["details"]
    assert [row["ccy"] for row in details] == ["USDT", "BTC"]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("ok_access_key", "50103"),
        ("ok_access_passphrase", "50104"),
        ("ok_access_sign", "50106"),
        ("ok_access_timestamp", "50107"),
    ],
)
def test_missing_header_is_named_by_its_code(header: str, code: str) -> None:
    assert Bench().refusal("GET", "account/balance", **{header: ""}) == (401, code)


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("ok_access_key", "00000000-dead", "50119"),
        ("ok_access_passphrase", "wrong", "50105"),
        ("ok_access_sign", "d3Jvbmc=", "50113"),
        ("ok_access_timestamp", "1790000000", "50112"),
        ("ok_access_timestamp", "2026-13-45T99:00:00.000Z", "50112"),
    ],
)
def test_wrong_header_is_refused_by_its_own_code(header: str, value: str, code: str) -> None:
    assert Bench().refusal("GET", "account/balance", **{header: value}) == (401, code)


@pytest.mark.parametrize("off_s", [-31, 31])
def test_timestamp_is_taken_within_thirty_seconds_and_refused_beyond(off_s: int) -> None:
    bench = Bench()
    near = off_s - 1 if off_s > 0 else off_s + 1
    assert bench.envelope("GET", "account/balance", at_us=bench.sim.now_us() + near * 1_000_000)["code"] == "0"
    late = bench.sim.now_us() + off_s * 1_000_000
    assert bench.refusal("GET", "account/balance", at_us=late) == (401, "50102")


def test_the_same_timestamp_passes_again_because_there_is_no_nonce() -> None:
    bench = Bench()
    request = bench.request("GET", "account/config")
    assert [bench.sim.handle(request).status for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize("has_data", [False, True])
def test_gateway_refusals_have_data_only_where_the_setting_says_so(has_data: bool) -> None:
    envelope = Bench(has_data_on_gateway_errors=has_data).envelope("GET", "account/balance", ok_access_sign="eA==")
    assert ("data" in envelope) is has_data
    assert envelope["code"] == "50113"


@pytest.mark.parametrize("status", [200, 401])
def test_unknown_key_is_answered_with_either_status(status: int) -> None:
    bench = Bench(unknown_key_status=status)
    assert bench.refusal("GET", "account/balance", ok_access_key="00000000-dead") == (status, "50119")


@pytest.mark.parametrize(
    ("environment", "header", "is_taken"),
    [
        ("live", "", True),
        ("live", "0", True),
        ("live", "1", False),
        ("demo", "1", True),
        ("demo", "", False),
        ("any", "1", True),
        ("any", "", True),
    ],
)
def test_demo_header_has_to_fit_the_key(environment: str, header: str, is_taken: bool) -> None:
    bench = Bench(environment=environment)
    code = bench.envelope("GET", "account/balance", x_simulated_trading=header)["code"]
    assert code == ("0" if is_taken else "50101")


def test_key_of_another_region_does_not_exist_here_until_it_is_moved_back() -> None:
    bench = Bench()
    bench.happen("key_region", elsewhere=True)
    assert bench.refusal("GET", "account/balance")[1] == "50119"
    assert bench.stream(logs_in=False).log_in()["code"] == "60032"
    bench.happen("key_region", elsewhere=False)
    assert bench.get("account/config")


def test_address_that_is_not_listed_is_refused_and_the_listed_one_is_stated() -> None:
    bench = Bench()
    bench.happen("ip_allow_list", addresses=["203.0.113.9"])
    assert bench.refusal("GET", "account/balance") == (401, "50110")
    bench.happen("ip_allow_list", addresses=["203.0.113.9", "127.0.0.1"])
    assert bench.get("account/config")[0]["ip"] == "203.0.113.9,127.0.0.1"


def test_reading_key_may_not_trade_and_trading_alone_may_not_read() -> None:
    bench = Bench()
    bench.happen("permissions", permissions=["read_only"])
    assert bench.refusal("POST", "trade/order", bench.order()) == (200, "50030")
    assert bench.get("account/config")[0]["perm"] == "read_only"
    bench.happen("permissions", permissions=["trade"])
    assert bench.refusal("GET", "account/balance") == (200, "50030")


def test_frozen_revoked_and_renamed_keys_are_refused() -> None:
    bench = Bench()
    bench.happen("key_freeze", on=True)
    assert bench.refusal("GET", "account/balance")[1] == "50100"
    bench.happen("key_freeze", on=False)
    bench.happen("passphrase", to="other")
    assert bench.refusal("GET", "account/balance")[1] == "50105"
    bench.happen("key_revocation")
    assert bench.refusal("GET", "account/balance")[1] == "50119"
    assert bench.sim.credentials() == []


def test_trading_key_without_addresses_dies_of_fourteen_silent_days() -> None:
    bench = Bench(environment="live")
    day_s = 86_400
    bench.pass_time(14 * day_s - 60)
    assert bench.get("account/config")
    bench.pass_time(14 * day_s - 60)
    bench.stream().session.closed()  # A login is a use as well.
    bench.pass_time(14 * day_s + 60)
    assert bench.refusal("GET", "account/config")[1] == "50119"


@pytest.mark.parametrize("saved_by", ["demo", "addresses", "reading"])
def test_key_that_is_demo_bound_or_only_reads_survives_any_silence(saved_by: str) -> None:
    bench = Bench(environment="demo" if saved_by == "demo" else "live")
    if saved_by == "addresses":
        bench.happen("ip_allow_list", addresses=["127.0.0.1"])
    elif saved_by == "reading":
        bench.happen("permissions", permissions=["read_only"])
    bench.pass_time(100 * 86_400)
    assert bench.envelope("GET", "account/config", x_simulated_trading="1" if saved_by == "demo" else "")["code"] == "0"


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (CHECKS, "50102"),
        (("key", "passphrase", "signature", "timestamp", "environment", "address", "permission"), "50105"),
        (("key", "environment", "address", "timestamp", "signature", "passphrase", "permission"), "50101"),
    ],
)
def test_checks_come_in_the_order_of_the_setting(order: tuple[str, ...], code: str) -> None:
    bench = Bench(check_order=order, environment="demo")
    wrong = {"at_us": bench.sim.now_us() - 60_000_000, "ok_access_passphrase": "no", "ok_access_sign": "no"}
    assert bench.refusal("GET", "account/balance", **wrong)[1] == code


@pytest.mark.parametrize("body", ['"text"', "{", "7"])
def test_body_that_is_no_object_or_list_is_refused(body: str) -> None:
    bench = Bench()
    request = bench.request("POST", "trade/order")
    stamp = request.headers["ok-access-timestamp"]
    sign = signature_of(secret=bench.credential["secret"], text=f"{stamp}POST/api/v5/trade/order{body}")
    asked = SimRequest(
        method="POST",
        path=request.path,
        query="",
        headers={**request.headers, "ok-access-sign": sign},
        body=body.encode(),
    )
    assert json.loads(bench.sim.handle(asked).body)["code"] == "50002"


def test_unknown_endpoint_is_not_found() -> None:
    assert Bench().refusal("GET", "account/nonsense") == (404, "404")
    assert Bench().refusal("POST", "account/balance", {}) == (404, "404")
