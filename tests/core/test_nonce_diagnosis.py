"""The nonce doctor's conclusions, from facts alone."""

from __future__ import annotations

import msgspec
import pytest

from holdfast.core.nonce_diagnosis import NonceCause, NonceDiagnosis, NonceFacts, diagnose
from holdfast.core.nonces import NONCE_MAX, Basis, NonceRecord, NonceUnit
from holdfast.core.parking import INVALID_NONCE, LOCKOUT, Parking

NOW_US = 1_790_000_000_000_000
HOUR_US = 3_600_000_000


def facts(record: NonceRecord, *, parked: str | None = None, wall_offset_s: float | None = 0.4) -> NonceFacts:
    parking = None if parked is None else Parking(cause=parked, at_s=0.0, at_wall_us=NOW_US, for_s=None)
    return NonceFacts(
        record=record,
        now_ns=NOW_US * 1_000,
        wall_us=NOW_US,
        basis=Basis.WALL,
        wall_offset_s=wall_offset_s,
        parking=parking,
        parked_for_s=None,
    )


def refused_twice(*, at_us: int = NOW_US, unit: NonceUnit = NonceUnit.US) -> NonceRecord:
    """A key whose nonce, and the one after the jump, were refused just now; both lay near *at_us*."""
    nonce = at_us * 1_000 // unit.ns
    record = NonceRecord(unit=unit, mark=nonce, nonce_window=0)
    return record.refused(nonce - 1, wall_us=NOW_US).refused(nonce, wall_us=NOW_US)


def text(diagnosis: NonceDiagnosis) -> str:
    return " ".join((diagnosis.summary, *diagnosis.evidence, *diagnosis.next_steps))


def test_nothing_refused_is_no_finding() -> None:
    diagnosis = diagnose(facts(NonceRecord(mark=NOW_US)))

    assert diagnosis.cause is NonceCause.NOTHING
    assert not diagnosis.is_inferred
    assert diagnosis.next_steps == ()


def test_refused_above_our_mark_with_a_good_clock_is_a_finer_unit() -> None:
    diagnosis = diagnose(facts(refused_twice(), parked=INVALID_NONCE))

    assert diagnosis.cause is NonceCause.FINER_UNIT
    assert diagnosis.is_inferred
    assert diagnosis.ratchet_to is NonceUnit.NS
    assert "python-kraken-sdk" in diagnosis.summary
    assert "looks the same from here" in diagnosis.summary
    assert "no way back" in text(diagnosis)
    assert "nonce window at the venue was 0" in text(diagnosis)


def test_finest_unit_refused_leaves_only_a_new_key() -> None:
    diagnosis = diagnose(facts(refused_twice(unit=NonceUnit.NS), parked=INVALID_NONCE))

    assert diagnosis.cause is NonceCause.FINER_UNIT
    assert diagnosis.ratchet_to is None
    assert "new key" in text(diagnosis)


def test_refused_nonces_that_lay_behind_the_venues_clock_are_our_own_clocks_fault() -> None:
    record = refused_twice(at_us=NOW_US - HOUR_US)

    diagnosis = diagnose(facts(record, parked=INVALID_NONCE, wall_offset_s=-0.3))

    assert diagnosis.cause is NonceCause.NONCES_BEHIND
    assert "1.0 h behind the venue's clock" in diagnosis.summary
    assert diagnosis.ratchet_to is None


def test_slow_wall_clock_counts_in_judging_when_a_nonce_was_refused() -> None:
    # The wall clock was an hour slow at the refusal, and so was the nonce.
    record = refused_twice(at_us=NOW_US)

    assert diagnose(facts(record, wall_offset_s=-3600.0)).cause is NonceCause.NONCES_BEHIND


def test_refusals_without_the_venues_clock_stay_undetermined() -> None:
    diagnosis = diagnose(facts(refused_twice(), parked=INVALID_NONCE, wall_offset_s=None))

    assert diagnosis.cause is NonceCause.UNDETERMINED
    assert "could not be read" in text(diagnosis)


def test_refusals_that_a_jump_got_past_mean_another_sender() -> None:
    record = msgspec.structs.replace(NonceRecord(mark=NOW_US), refusals_healed=3)

    diagnosis = diagnose(facts(record))

    assert diagnosis.cause is NonceCause.OTHER_SENDER
    assert "3 earlier refusals" in text(diagnosis)


def test_lockout_is_told_before_any_guess_about_nonces() -> None:
    diagnosis = diagnose(facts(refused_twice(), parked=LOCKOUT))

    assert diagnosis.cause is NonceCause.LOCKOUT
    assert "Wait" in text(diagnosis)


def test_key_parked_for_something_else_is_sent_there() -> None:
    diagnosis = diagnose(facts(NonceRecord(mark=NOW_US), parked="bad_key"))

    assert diagnosis.cause is NonceCause.PARKED
    assert "bad_key" in diagnosis.summary
    assert "nonce doctor --retry" in text(diagnosis)


def test_key_at_the_end_of_its_numbers_needs_a_new_one() -> None:
    diagnosis = diagnose(facts(NonceRecord(mark=NONCE_MAX, unit=NonceUnit.NS)))

    assert diagnosis.cause is NonceCause.EXHAUSTED


@pytest.mark.parametrize(("ahead_us", "words"), [(HOUR_US, "a clock was ahead once"), (1_000_000, "1.0 s ahead")])
def test_evidence_says_how_far_the_mark_is_from_the_clock(ahead_us: int, words: str) -> None:
    assert words in text(diagnose(facts(NonceRecord(mark=NOW_US + ahead_us))))


def test_our_own_other_processes_are_named_and_acquitted() -> None:
    found = msgspec.structs.replace(facts(refused_twice(), parked=INVALID_NONCE), other_pids=(41, 42))

    assert "(41, 42); they cannot be the reason" in text(diagnose(found))


def test_wall_clock_that_was_set_aside_is_mentioned() -> None:
    found = msgspec.structs.replace(facts(NonceRecord(mark=NOW_US), wall_offset_s=86_400.0), basis=Basis.VENUE)

    assert "1.0 d off the venue's; nonces count on the venue's time instead" in text(diagnose(found))
