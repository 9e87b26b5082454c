"""
Nonces as Kraken judges them: unsigned 64-bit, per key, strictly rising.

Sources (checked 2026-11-20): https://docs.kraken.com/exchange/guides/rest/authentication,
https://support.kraken.com/hc/en-us/articles/360001148023-What-is-a-nonce-window-.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.simulators.kraken import OPEN_POINTS
from tests.simulators.kraken.bench import Bench

INVALID = "EAPI:Invalid nonce"


def test_rising_nonces_are_accepted() -> None:
    bench = Bench()
    for nonce in (1, 2, 10, 10_000, 2**63 - 1, 2**64 - 1):
        bench.call("Balance", nonce=nonce)


@pytest.mark.parametrize("nonce", [100, 99, 0, 1])
def test_a_nonce_not_above_the_last_is_refused(nonce: int) -> None:
    bench = Bench()
    bench.call("Balance", nonce=100)
    assert bench.error("Balance", nonce=nonce) == INVALID
    bench.call("Balance", nonce=101)


@pytest.mark.parametrize("nonce", [2**64, -1, "", "abc", "1.5", "١٢", " 7", "1e9", "0x10"])
def test_what_is_no_unsigned_64_bit_number_is_refused(nonce: Any) -> None:
    assert Bench().error("Balance", nonce=nonce) == INVALID


def test_missing_nonce_is_refused() -> None:
    bench = Bench()
    assert bench.error("Balance", nonce="") == INVALID


def test_each_key_has_its_own_nonces() -> None:
    bench = Bench()
    other = bench.happen("new_key", name="second")["credential"]
    bench.call("Balance", nonce=1000)
    bench.call("Balance", nonce=5, credential=other)
    assert bench.error("Balance", nonce=5, credential=other) == INVALID


def test_a_refused_nonce_changes_nothing() -> None:
    bench = Bench()
    bench.call("Balance", nonce=100)
    bench.error("Balance", nonce=50)
    bench.call("Balance", nonce=101)


def test_window_lets_an_overtaken_nonce_in_once() -> None:
    bench = Bench(nonce_window=10)
    bench.call("Balance", nonce=100)
    bench.call("Balance", nonce=91)
    assert bench.error("Balance", nonce=91) == INVALID
    assert bench.error("Balance", nonce=90) == INVALID
    assert bench.error("Balance", nonce=100) == INVALID


def test_window_may_let_an_identical_nonce_in() -> None:
    bench = Bench(nonce_window=10, is_identical_nonce_in_window_accepted=True)
    bench.call("Balance", nonce=100)
    bench.call("Balance", nonce=100)
    assert bench.error("Balance", nonce=90) == INVALID


@given(st.lists(st.integers(0, 60), max_size=40), st.integers(0, 20))
def test_window_accepts_each_nonce_at_most_once_and_none_from_below_it(nonces: list[int], window: int) -> None:
    bench = Bench(nonce_window=window, are_calls_counted=False)
    used: set[int] = set()
    highest = 0
    for nonce in nonces:
        may_pass = nonce > highest or (window > 0 and nonce > highest - window and nonce not in used)
        error = bench.envelope("Balance", nonce=nonce)["error"]
        assert error == ([] if may_pass else [INVALID])
        if may_pass:
            used.add(nonce)
            highest = max(highest, nonce)


@pytest.mark.parametrize("consumes", [True, False])
def test_a_call_refused_after_the_nonce_check_consumes_it_or_not(consumes: bool) -> None:
    bench = Bench(does_refused_call_consume_nonce=consumes)
    bench.happen("permissions", key=bench.credential["key"], permissions=["query-open-trades"])
    assert bench.error("Balance", nonce=500) == "EGeneral:Permission denied"
    again = bench.envelope("OpenOrders", nonce=500)["error"]
    assert again == ([INVALID] if consumes else [])


def test_a_bad_signature_never_consumes_a_nonce_that_was_not_looked_at() -> None:
    bench = Bench()
    bench.error("Balance", nonce=500, signature="AAAA")
    bench.call("Balance", nonce=500)


@pytest.mark.parametrize("order", OPEN_POINTS["check_order"])
def test_checks_run_in_the_configured_order(order: tuple[str, ...]) -> None:
    bench = Bench(check_order=order, rate_limit_status=200)
    bench.call("Balance", nonce=100)
    bench.happen("permissions", key=bench.credential["key"], permissions=[])
    bench.impair("rate_limit")
    # Everything about this call is wrong but its key: the first check says so.
    words = {
        "signature": "EAPI:Invalid signature",
        "nonce": INVALID,
        "permission": "EGeneral:Permission denied",
        "counter": "EAPI:Rate limit exceeded",
    }
    assert bench.error("Balance", nonce=100, signature="AAAA") == words[order[1]]


def test_check_order_has_to_name_every_check() -> None:
    with pytest.raises(ValueError, match="once each"):
        Bench(check_order=("key", "nonce"))
    with pytest.raises(ValueError, match="begin with key"):
        Bench(check_order=("signature", "key", "nonce", "permission", "counter"))


def test_stolen_nonce_is_seen_as_a_refused_one() -> None:
    bench = Bench()
    bench.call("Balance")
    bench.impair("stolen_nonce", key=bench.credential["key"], nonce=bench.nonce + 5000)
    assert bench.error("Balance") == INVALID
    bench.call("Balance", nonce=bench.nonce + 5001)


@pytest.mark.parametrize(("scale", "factor"), [("ms", 1), ("us", 1000), ("10ns", 100_000), ("ns", 1_000_000)])
def test_a_finer_client_leaves_its_clock_behind(scale: str, factor: int) -> None:
    bench = Bench()
    now = bench.clock.wall_us() // 1000 * factor
    bench.impair("stolen_nonce", scale=scale)
    assert bench.error("Balance", nonce=now - 1) == INVALID
    bench.call("Balance", nonce=now + 1)


def test_key_info_tells_the_nonce_and_the_window() -> None:
    bench = Bench(nonce_window=50)
    bench.call("Balance", nonce=4711)
    info = bench.call("GetApiKeyInfo", nonce=4712)
    assert info["nonce"] == "4712"
    assert info["nonceWindow"] == 50


def test_repeated_bad_nonces_lock_the_key_out_and_every_try_starts_it_anew() -> None:
    bench = Bench(lockout_after=3, lockout_s=100.0)
    bench.call("Balance", nonce=100)
    for _ in range(3):
        assert bench.error("Balance", nonce=1) == INVALID
    assert bench.error("Balance", nonce=200) == "EGeneral:Temporary lockout"
    bench.pass_time(99)
    assert bench.error("Balance", nonce=201) == "EGeneral:Temporary lockout"
    bench.pass_time(99)
    assert bench.error("Balance", nonce=202) == "EGeneral:Temporary lockout"
    bench.pass_time(101)
    bench.call("Balance", nonce=203)


def test_lockout_may_run_out_although_calls_go_on() -> None:
    bench = Bench(lockout_after=2, lockout_s=100.0, does_attempt_restart_lockout=False)
    for _ in range(2):
        bench.error("Balance", nonce=0, signature="AAAA")
    bench.pass_time(60)
    assert bench.error("Balance") == "EGeneral:Temporary lockout"
    bench.pass_time(41)
    bench.call("Balance")


def test_bad_nonces_far_apart_do_not_lock_out() -> None:
    bench = Bench(lockout_after=2, lockout_window_s=60.0)
    bench.call("Balance", nonce=100)
    for _ in range(4):
        assert bench.error("Balance", nonce=1) == INVALID
        bench.pass_time(61)


def test_by_default_no_number_of_bad_nonces_locks_out() -> None:
    bench = Bench()
    bench.call("Balance", nonce=100)
    for _ in range(50):
        assert bench.error("Balance", nonce=1) == INVALID


def test_lockout_can_be_injected_for_one_key() -> None:
    bench = Bench()
    other = bench.happen("new_key", name="second")["credential"]
    bench.impair("lockout", key=bench.credential["key"], for_s=30)
    assert bench.error("Balance") == "EGeneral:Temporary lockout"
    bench.call("Balance", nonce=1, credential=other)


def test_revoked_and_expired_keys_are_unknown() -> None:
    bench = Bench()
    other = bench.happen("new_key", name="second")["credential"]
    bench.happen("key_expiry", key=other["key"], in_s=60)
    bench.call("Balance", nonce=1, credential=other)
    bench.pass_time(61)
    assert bench.error("Balance", nonce=2, credential=other) == "EAPI:Invalid key"
    bench.happen("key_revocation", key=bench.credential["key"])
    assert bench.error("Balance") == "EAPI:Invalid key"
    assert bench.sim.credentials() == [other]
