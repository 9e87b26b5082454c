"""When a credential is closed, and how it opens again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.parking import (
    BAD_KEY,
    BAD_KEYS,
    CAUSES,
    INVALID_NONCE,
    KEY_EXPIRED,
    KEY_REVOKED,
    LOCKOUT,
    PROBE_EVERY_S,
    Entry,
    Parking,
    advice_of,
    is_for_a_person,
    judge,
    named,
    parked,
    rearmed,
    remaining_s,
)

WALL_US = 1_790_000_000_000_000
NOW_S = 50_000.0


def park(
    cause: str, for_s: float | None, *, before: Parking | None = None, is_probe: bool = False, at_s: float = NOW_S
) -> Parking:
    wall_us = WALL_US + int((at_s - NOW_S) * 1e6)
    return parked(before, cause, for_s=for_s, is_probe=is_probe, now_s=at_s, wall_us=wall_us)


def entry(parking: Parking | None, *, after_s: float) -> Entry:
    return judge(parking, now_s=NOW_S + after_s, wall_us=WALL_US + int(after_s * 1e6))


def test_credential_that_was_never_parked_is_open() -> None:
    assert entry(None, after_s=0) is Entry.OPEN


def test_lockout_is_silence_for_its_time_and_then_over() -> None:
    lockout = park(LOCKOUT, 900)

    assert entry(lockout, after_s=899.9) is Entry.CLOSED
    assert entry(lockout, after_s=900.1) is Entry.OPEN


def test_other_causes_open_for_one_probe() -> None:
    bad_key = park("bad_key", 300)

    assert entry(bad_key, after_s=299) is Entry.CLOSED
    assert entry(bad_key, after_s=301) is Entry.PROBE


def test_cause_without_a_time_waits_for_a_person() -> None:
    clock = park("clock", None)

    assert entry(clock, after_s=1e9) is Entry.CLOSED
    assert remaining_s(clock, now_s=NOW_S + 1e9, wall_us=WALL_US) is None


@pytest.mark.parametrize("for_s", [None, 300.0])
def test_invalid_nonces_get_one_probe_and_then_a_person(for_s: float | None) -> None:
    first = park(INVALID_NONCE, for_s)
    assert entry(first, after_s=PROBE_EVERY_S + 1) is Entry.PROBE

    under_way = rearmed(first, now_s=NOW_S + 301, wall_us=WALL_US)
    second = park(INVALID_NONCE, for_s, before=under_way, is_probe=True, at_s=NOW_S + 302)

    assert entry(second, after_s=1e9) is Entry.CLOSED
    assert second.for_s is None


def test_probe_that_is_lost_closes_the_credential_for_another_while() -> None:
    under_way = rearmed(park("bad_key", 300), now_s=NOW_S + 400, wall_us=WALL_US + 400_000_000)

    assert entry(under_way, after_s=401) is Entry.CLOSED
    assert entry(under_way, after_s=400 + PROBE_EVERY_S + 1) is Entry.PROBE


@pytest.mark.parametrize("cause", sorted(BAD_KEYS))
def test_a_person_who_mended_a_refused_key_may_open_it_at_once(cause: str) -> None:
    parking = park(cause, 300)
    assert is_for_a_person(parking)
    assert "doctor --retry" in advice_of(parking)
    assert entry(parking, after_s=299) is Entry.CLOSED
    assert entry(parking, after_s=301) is Entry.PROBE


def test_only_a_key_that_nobody_knows_is_named_by_what_was_known_of_it() -> None:
    assert named(BAD_KEY, was_healthy=False, has_expired=False) == BAD_KEY
    assert named(BAD_KEY, was_healthy=True, has_expired=False) == KEY_REVOKED
    assert named(BAD_KEY, was_healthy=True, has_expired=True) == KEY_EXPIRED
    assert named("lockout", was_healthy=True, has_expired=True) == "lockout"


def test_every_cause_says_what_it_means_and_what_ends_it() -> None:
    assert set(CAUSES) > BAD_KEYS
    assert all(each.meaning and each.ends for each in CAUSES.values())


def test_bad_key_is_probed_again_and_again() -> None:
    under_way = rearmed(park("bad_key", 300), now_s=NOW_S + 301, wall_us=WALL_US)
    again = park("bad_key", 300, before=under_way, is_probe=True, at_s=NOW_S + 302)

    assert entry(again, after_s=302 + 301) is Entry.PROBE


def test_nothing_shortens_what_waits_for_a_person() -> None:
    human = park("clock", None)

    assert park(LOCKOUT, 900, before=human) is human


def test_longer_silence_holds() -> None:
    lockout = park(LOCKOUT, 900)

    after = park(INVALID_NONCE, 300, before=lockout, at_s=NOW_S + 100)

    assert entry(after, after_s=899) is Entry.CLOSED
    assert entry(after, after_s=901) is Entry.PROBE


def test_lockout_during_a_probe_leaves_the_probe_open() -> None:
    under_way = rearmed(park(INVALID_NONCE, 300), now_s=NOW_S + 301, wall_us=WALL_US)

    lockout = park(LOCKOUT, 900, before=under_way, is_probe=True, at_s=NOW_S + 302)

    assert lockout.cause == LOCKOUT
    assert entry(lockout, after_s=302 + 901) is Entry.PROBE
    assert rearmed(lockout, now_s=NOW_S, wall_us=WALL_US).cause == INVALID_NONCE


@pytest.mark.parametrize("step_s", [-3600, 86_400])
def test_stepping_the_wall_clock_neither_shortens_nor_lengthens_a_parking(step_s: int) -> None:
    lockout = park(LOCKOUT, 900)

    assert remaining_s(lockout, now_s=NOW_S + 100, wall_us=WALL_US + step_s * 1_000_000) == 800


def test_reboot_is_bridged_by_the_wall_clock() -> None:
    lockout = park(LOCKOUT, 900)

    assert remaining_s(lockout, now_s=20.0, wall_us=WALL_US + 600_000_000) == 300


@given(
    for_s=st.floats(0, 1e5),
    at_s=st.floats(0, 1e6),
    now_s=st.floats(0, 1e6),
    wall_us=st.integers(0, 4 * 10**15),
)
def test_parking_never_lasts_longer_than_it_was_meant_to(for_s: float, at_s: float, now_s: float, wall_us: int) -> None:
    parking = Parking(cause=LOCKOUT, at_s=at_s, at_wall_us=WALL_US, for_s=for_s)

    left_s = remaining_s(parking, now_s=now_s, wall_us=wall_us)

    assert left_s is not None
    assert 0 <= left_s <= for_s
