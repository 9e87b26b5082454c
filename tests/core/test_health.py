"""What a failed read means for the next one, and what a broker's facts add up to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.health import (
    CLOCK_PAUSE_S,
    CREDENTIAL_PAUSE_S,
    LOCKOUT_PAUSE_S,
    RATE_LIMIT_PAUSE_S,
    Facts,
    Health,
    fault_of,
    judge,
    word_of_loss,
)
from holdfast.core.streaming import StreamState
from holdfast.core.venue import VenueMode
from holdfast.errors import (
    AmountError,
    BadCredentialError,
    ConfigError,
    CredentialBusyError,
    CredentialParkedError,
    FaultClass,
    HoldfastError,
    InsufficientFundsError,
    InvalidNonceError,
    LockoutError,
    MaintenanceError,
    OutcomeUnknownError,
    PayloadError,
    PermissionMissingError,
    RateLimitedError,
    StoreFullError,
    VenueError,
    VenueRejectedError,
    VenueUnreachableError,
)

AT: dict[str, Any] = {"venue": "acme", "request": "BalanceEx"}

# error, word, counts, pause_s, parks
FAULTS = [
    (VenueUnreachableError("", **AT), "network", True, None, None),
    (OutcomeUnknownError("", **AT), "network", True, None, None),
    (VenueError("", **AT), "venue", True, None, None),
    (VenueError("", retry_after_s=7, **AT), "venue", True, 7, None),
    (MaintenanceError("", **AT), "venue", True, None, None),
    (PayloadError(""), "payload", True, None, None),
    (AmountError(""), "payload", True, None, None),
    (RateLimitedError("", **AT), "rate_limit", False, RATE_LIMIT_PAUSE_S, None),
    (RateLimitedError("", retry_after_s=3, **AT), "rate_limit", False, 3, None),
    (LockoutError("", **AT), "rate_limit", False, LOCKOUT_PAUSE_S, "lockout"),
    (BadCredentialError("", code="bad_key", **AT), "credential", False, CREDENTIAL_PAUSE_S, "bad_key"),
    (PermissionMissingError("", **AT), "credential", False, CREDENTIAL_PAUSE_S, "permission_missing"),
    (InvalidNonceError("", **AT), "credential", False, CREDENTIAL_PAUSE_S, "invalid_nonce"),
    (VenueRejectedError("", fault=FaultClass.CLOCK, **AT), "clock", False, CLOCK_PAUSE_S, "clock"),
    (CredentialParkedError("", cause="lockout", retry_after_s=60), "credential", False, 60, "lockout"),
    (CredentialParkedError("", cause="x", retry_after_s=None), "credential", False, CREDENTIAL_PAUSE_S, "x"),
    (CredentialBusyError("", pid=1, held_for_s=2), "credential_busy", False, None, None),
    (VenueRejectedError("", **AT), "request", False, None, None),
    (InsufficientFundsError("", **AT), "funds", False, None, None),
    (StoreFullError(""), "store", False, None, None),
    (ConfigError(""), "ConfigError", False, None, None),
]


@pytest.mark.parametrize(("error", "word", "counts", "pause_s", "parks"), FAULTS)
def test_each_error_counts_pauses_and_parks_as_its_class_says(
    error: HoldfastError, word: str, counts: bool, pause_s: float | None, parks: str | None
) -> None:
    fault = fault_of(error)
    assert (fault.word, fault.counts, fault.pause_s, fault.parks) == (word, counts, pause_s, parks)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (VenueUnreachableError("", **AT), "unreachable"),
        (OutcomeUnknownError("", **AT), "connection_lost"),
        (MaintenanceError("", **AT), "maintenance"),
        (LockoutError("", **AT), "lockout"),
        (RateLimitedError("", **AT), "rate_limited"),
        (CredentialBusyError("", pid=None, held_for_s=None), "credential_busy"),
        (CredentialParkedError("", cause="x", retry_after_s=None), "credential_parked"),
        (BadCredentialError("", **AT), "credential"),
        (PayloadError(""), "payload"),
        (StoreFullError(""), "denied"),
    ],
)
def test_why_a_stream_was_lost_is_one_fixed_word(error: HoldfastError, word: str) -> None:
    assert word_of_loss(error) == word


def facts(**changes: Any) -> Facts:
    good: dict[str, Any] = {
        "stream": StreamState.LIVE,
        "stream_reason": None,
        "is_loaded": True,
        "has_figures": True,
        "are_fit": True,
        "error_count": 0,
        "failure_threshold": 3,
        "venue_mode": VenueMode.ONLINE,
        "parked_cause": None,
        "halted_reason": None,
        "is_stopped": False,
        "store_reason": None,
    }
    return Facts(**{**good, **changes})


def test_healthy_is_when_nothing_is_wrong() -> None:
    found = judge(facts())
    assert (found.health, found.reasons, found.is_available) == (Health.HEALTHY, (), True)
    assert judge(facts(stream=None)).health is Health.HEALTHY  # No stream is wanted.
    assert judge(facts(venue_mode=VenueMode.UNKNOWN)).health is Health.HEALTHY


@pytest.mark.parametrize(
    ("changes", "health", "reason", "is_available"),
    [
        ({"error_count": 1}, Health.DEGRADED, "read_failed", True),
        ({"error_count": 3}, Health.DEGRADED, "reads_failing", True),
        ({"error_count": 3, "stream": None}, Health.DOWN, "reads_failing", False),
        ({"error_count": 2, "stream": None}, Health.DEGRADED, "read_failed", True),
        (
            {"stream": StreamState.DEGRADED, "stream_reason": "silent"},
            Health.DEGRADED,
            "stream_silent",
            True,
        ),
        ({"stream": StreamState.CONNECTING}, Health.DEGRADED, "stream_connecting", True),
        ({"stream": StreamState.DOWN, "error_count": 3}, Health.DOWN, "stream_down", False),
        ({"are_fit": False}, Health.DEGRADED, "balances_stale", True),
        ({"has_figures": False}, Health.DEGRADED, "balances_unknown", True),
        ({"has_figures": False, "are_restored": True}, Health.DEGRADED, "balances_restored", True),
        ({"is_loaded": False, "stream": StreamState.CONNECTING}, Health.DOWN, "venue_not_loaded", False),
        ({"venue_mode": VenueMode.MAINTENANCE}, Health.DEGRADED, "venue_maintenance", True),
        ({"store_reason": "full"}, Health.DEGRADED, "store_full", True),
        ({"parked_cause": "lockout"}, Health.DEGRADED, "credential_lockout", False),
        ({"parked_cause": "lockout", "stream": StreamState.DEGRADED}, Health.DOWN, "credential_lockout", False),
        ({"halted_reason": "restored_old_copy"}, Health.DEGRADED, "halted_restored_old_copy", False),
        ({"halted_reason": "invariant", "is_stopped": True}, Health.DOWN, "halted_invariant", False),
    ],
)
def test_each_fact_shows_in_health_reasons_and_availability(
    changes: dict[str, Any], health: Health, reason: str, is_available: bool
) -> None:
    found = judge(facts(**changes))
    assert (found.health, found.is_available) == (health, is_available)
    assert reason in found.reasons


@given(
    st.fixed_dictionaries(
        {
            "stream": st.sampled_from([None, *StreamState]),
            "is_loaded": st.booleans(),
            "has_figures": st.booleans(),
            "are_fit": st.booleans(),
            "error_count": st.integers(0, 9),
            "venue_mode": st.sampled_from(VenueMode),
            "parked_cause": st.sampled_from([None, "lockout"]),
            "halted_reason": st.sampled_from([None, "invariant"]),
            "is_stopped": st.booleans(),
            "store_reason": st.sampled_from([None, "full"]),
        }
    )
)
def test_whatever_is_wrong_is_named_and_only_what_is_wrong(changes: dict[str, Any]) -> None:
    found = judge(facts(**changes))
    if found.health is Health.HEALTHY:
        assert found.is_available
        assert found.reasons == ()
    elif not changes["is_stopped"]:
        assert found.reasons
    if changes["halted_reason"] or changes["parked_cause"]:
        assert not found.is_available
