"""Kraken's error strings become our classes through a table."""

from __future__ import annotations

import email.utils

import pytest

from holdfast.errors import (
    BadCredentialError,
    FaultClass,
    InsufficientFundsError,
    InvalidNonceError,
    LockoutError,
    MaintenanceError,
    Outcome,
    OutcomeUnknownError,
    PermissionMissingError,
    RateLimitedError,
    UnknownOrderError,
    VenueBusyError,
    VenueError,
    VenueRejectedError,
)
from holdfast.venues.kraken import errors, limits
from holdfast.venues.kraken.errors import After

NOW_S = 1_790_000_000.0


def judged(*texts: str, asked_to_wait_s: float | None = None) -> tuple[VenueError, After]:
    return errors.error_of(
        texts, request="BalanceEx", account="kraken-master", wall_s=NOW_S, asked_to_wait_s=asked_to_wait_s
    )


@pytest.mark.parametrize(
    ("text", "kind", "outcome", "fault", "after"),
    [
        ("EAPI:Invalid nonce", InvalidNonceError, "unknown", "credential", After.NEW_NONCE),
        ("EAPI:Invalid key", BadCredentialError, "rejected", "credential", After.BAD_KEY),
        ("EAPI:Invalid signature", BadCredentialError, "rejected", "credential", After.BAD_KEY),
        ("EAuth:Account temporary disabled", BadCredentialError, "rejected", "credential", After.BAD_KEY),
        ("EGeneral:Temporary lockout", LockoutError, "rejected", "rate_limit", After.LOCKOUT),
        ("EGeneral:Permission denied", PermissionMissingError, "rejected", "credential", After.MISSING_RIGHT),
        ("EAPI:Rate limit exceeded", RateLimitedError, "rejected", "rate_limit", After.WAIT),
        ("EOrder:Domain rate limit exceeded", RateLimitedError, "rejected", "rate_limit", After.WAIT),
        ("EGeneral:Invalid arguments:volume", VenueRejectedError, "rejected", "request", After.NOT_AGAIN),
        ("EGeneral:Internal error:5", OutcomeUnknownError, "unknown", "venue", After.AGAIN),
        ("EService:Unavailable", VenueBusyError, "unknown", "venue", After.AGAIN),
        ("EService:Busy", VenueBusyError, "unknown", "venue", After.AGAIN),
        ("EService:Deadline elapsed", OutcomeUnknownError, "unknown", "venue", After.AGAIN),
        ("EService:Market in cancel_only mode", MaintenanceError, "rejected", "request", After.NOT_AGAIN),
        ("EOrder:Insufficient funds (need 5)", InsufficientFundsError, "rejected", "funds", After.NOT_AGAIN),
        ("EOrder:Insufficient margin", VenueRejectedError, "rejected", "request", After.NOT_AGAIN),
        ("EFunding:Unknown withdraw key", VenueRejectedError, "rejected", "request", After.NOT_AGAIN),
        ("ESession:Invalid session", VenueRejectedError, "rejected", "venue", After.NEW_TOKEN),
        ("EAPI:Invalid session", VenueRejectedError, "rejected", "venue", After.NEW_TOKEN),
        ("EService:Throttled: 1790000007", RateLimitedError, "unknown", "rate_limit", After.WAIT),
        ("EService:Market in limit-only mode", MaintenanceError, "rejected", "request", After.NOT_AGAIN),
        ("EOrder:Order minimum not met", VenueRejectedError, "rejected", "request", After.NOT_AGAIN),
        ("EOrder:Post only order", VenueRejectedError, "rejected", "request", After.NOT_AGAIN),
        ("EOrder:Rate limit exceeded", RateLimitedError, "rejected", "rate_limit", After.WAIT),
        ("EOrder:Unknown order", UnknownOrderError, "rejected", "request", After.NOT_AGAIN),
        ("EOrder:Invalid order", VenueRejectedError, "unknown", "request", After.NOT_AGAIN),
        ("EGeneral:Invalid arguments: cl_ord_id", VenueRejectedError, "unknown", "request", After.NOT_AGAIN),
    ],
)
def test_string_has_its_class(text: str, kind: type[VenueError], outcome: str, fault: str, after: After) -> None:
    error, then = judged(text)
    assert type(error) is kind
    assert (error.outcome, error.fault, then) == (Outcome(outcome), FaultClass(fault), after)
    assert (error.venue, error.request, error.account) == ("kraken", "BalanceEx", "kraken-master")
    assert text in str(error)


@pytest.mark.parametrize("text", [" EAPI: Invalid nonce ", "EAPI : Invalid nonce", "EAPI:Invalid nonce: 5 < 6"])
def test_blanks_and_tails_do_not_hide_a_string(text: str) -> None:
    assert isinstance(judged(text)[0], InvalidNonceError)


def test_longest_prefix_decides() -> None:
    assert errors.find("EQuery:Unknown asset pair") == next(
        row for row in errors.TABLE if row.prefix == "EQuery:Unknown asset pair"
    )
    assert isinstance(judged("EOrder:Insufficient funds")[0], InsufficientFundsError)


def test_unlisted_string_stays_unknown_and_is_not_asked_again() -> None:
    error, after = judged("ENew:Something else")
    assert type(error) is VenueError
    assert (error.outcome, after, error.code) == (Outcome.UNKNOWN, After.NOT_AGAIN, "ENew:Something else")


def test_several_strings_are_all_named_and_the_most_restrictive_decides() -> None:
    error, after = judged("EService:Unavailable", "EAPI:Invalid nonce", "EGeneral:Temporary lockout")
    assert isinstance(error, LockoutError)
    assert after is After.LOCKOUT
    assert "EService:Unavailable" in str(error)
    assert "EAPI:Invalid nonce" in str(error)
    assert isinstance(judged("ENew:Something", "EAPI:Invalid key")[0], BadCredentialError)
    assert type(judged("EService:Unavailable", "ENew:Something")[0]) is VenueError


def test_warnings_are_no_failures() -> None:
    texts = ["WGeneral:Something deprecated", "EAPI:Invalid key", "odd"]
    assert errors.warnings(texts) == ["WGeneral:Something deprecated"]
    assert errors.failures(texts) == ["EAPI:Invalid key", "odd"]


def test_every_row_of_the_table_names_its_source_once() -> None:
    prefixes = [row.prefix for row in errors.TABLE]
    assert len(set(prefixes)) == len(prefixes)
    for row in errors.TABLE:
        assert row.source.startswith("https://")
        assert errors.find(row.prefix) == row


# Refusals of one's own doing that an order may have gone before all the same.
DOUBTFUL = {
    "EAPI:Invalid nonce",  # The request was delivered twice.
    "EGeneral:Invalid arguments:cl_ord_id",  # So it was, and the first one is open.
    "EOrder:Invalid order",  # Likewise.
    "EService:Throttled",  # Only inferred.
}


def test_every_rejection_releases_and_every_doubt_holds() -> None:
    for row in errors.TABLE:
        is_doubtful = row.after is After.AGAIN or row.prefix in DOUBTFUL
        assert row.outcome is (Outcome.UNKNOWN if is_doubtful else Outcome.REJECTED), row.prefix


@pytest.mark.parametrize("doubt", ["EService:Unavailable", "ENew:Something", *sorted(DOUBTFUL)])
def test_refusal_beside_a_doubt_is_a_doubt(doubt: str) -> None:
    assert judged("EOrder:Insufficient funds")[0].outcome is Outcome.REJECTED
    assert judged("EOrder:Insufficient funds", "EOrder:Order minimum not met")[0].outcome is Outcome.REJECTED
    assert judged("EOrder:Insufficient funds", doubt)[0].outcome is Outcome.UNKNOWN
    assert judged(doubt, "EGeneral:Temporary lockout")[0].outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        (f"EService:Throttled: {int(NOW_S) + 7}", 7),
        (f"EService: Throttled: {int(NOW_S) + 7}", 7),
        (f"EService:Throttled: {int(NOW_S) - 7}", 1),
        (f"EService:Throttled: {int(NOW_S) + 10**6}", limits.RETRY_AFTER_MAX_S),
        ("EService:Throttled: soon", limits.QUIET_AFTER_REFUSAL_S),
        ("EService:Throttled", limits.QUIET_AFTER_REFUSAL_S),
        ("EAPI:Rate limit exceeded", limits.QUIET_AFTER_REFUSAL_S),
        ("EGeneral:Temporary lockout", limits.LOCKOUT_S),
    ],
)
def test_wait_is_what_kraken_says_within_bounds(text: str, wait_s: float) -> None:
    assert judged(text)[0].retry_after_s == wait_s


def test_lockout_is_not_shortened_by_a_header() -> None:
    assert judged("EGeneral:Temporary lockout", asked_to_wait_s=1.0)[0].retry_after_s == limits.LOCKOUT_S
    assert judged("EAPI:Rate limit exceeded", asked_to_wait_s=3.0)[0].retry_after_s == 3.0


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("1000000000", limits.RETRY_AFTER_MAX_S),
        ("9" * 400, limits.RETRY_AFTER_MAX_S),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٧", None),
        (email.utils.formatdate(NOW_S + 30, usegmt=True), 30.0),
        (email.utils.formatdate(NOW_S - 30, usegmt=True), 0.0),
        (email.utils.formatdate(NOW_S + 10**6, usegmt=True), limits.RETRY_AFTER_MAX_S),
        (email.utils.formatdate(NOW_S + 30), 30.0),
        ("Mon, 99 Foo 2026 10:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_capped(header: str | None, wait_s: float | None) -> None:
    assert errors.retry_after_s(header, wall_s=NOW_S) == wait_s


@pytest.mark.parametrize(
    ("status", "kind", "outcome", "after"),
    [
        (429, RateLimitedError, Outcome.UNKNOWN, After.WAIT),
        (500, OutcomeUnknownError, Outcome.UNKNOWN, After.AGAIN),
        (502, OutcomeUnknownError, Outcome.UNKNOWN, After.AGAIN),
        (503, OutcomeUnknownError, Outcome.UNKNOWN, After.AGAIN),
        (504, OutcomeUnknownError, Outcome.UNKNOWN, After.AGAIN),
        (520, OutcomeUnknownError, Outcome.UNKNOWN, After.AGAIN),
        (526, OutcomeUnknownError, Outcome.UNKNOWN, After.AGAIN),
        (403, VenueError, Outcome.UNKNOWN, After.NOT_AGAIN),
        (301, VenueError, Outcome.UNKNOWN, After.NOT_AGAIN),
    ],
)
def test_gateways_status_is_ambiguous_unless_it_is_a_limit(
    status: int, kind: type[VenueError], outcome: Outcome, after: After
) -> None:
    error, then = errors.error_of_status(status, request="BalanceEx", account=None, asked_to_wait_s=None)
    assert type(error) is kind
    assert (error.outcome, then, error.code) == (outcome, after, str(status))


def test_venues_text_is_one_escaped_line() -> None:
    error, _ = judged("EBad:\n\x1b[31mred\u202e" + "x" * 1000)
    assert str(error).isprintable()
    assert str(error).isascii()
    assert len(str(error)) < 300
