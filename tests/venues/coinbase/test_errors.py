"""Coinbase's words become our classes through a table, wherever they stand."""

from __future__ import annotations

import json

import pytest

from holdfast.errors import (
    BadCredentialError,
    FaultClass,
    InsufficientFundsError,
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
from holdfast.venues.coinbase import errors, limits
from holdfast.venues.coinbase.errors import After
from tests.venues.coinbase.samples import sample


def judged(word: str, **more: object) -> tuple[VenueError, After]:
    return errors.error_of(word, request="orders", account="coinbase-main", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "kind", "outcome", "fault", "after"),
    [
        ("INSUFFICIENT_FUND", InsufficientFundsError, "rejected", "funds", After.NOT_AGAIN),
        ("INSUFFICIENT_FUNDS", InsufficientFundsError, "rejected", "funds", After.NOT_AGAIN),
        ("PREVIEW_INSUFFICIENT_FUND", InsufficientFundsError, "rejected", "funds", After.NOT_AGAIN),
        ("PREVIEW_INSUFFICIENT_LEDGER_BALANCE", InsufficientFundsError, "rejected", "funds", After.NOT_AGAIN),
        ("INVALID_SIZE_PRECISION", VenueRejectedError, "rejected", "request", After.NOT_AGAIN),
        ("PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", VenueRejectedError, "rejected", "request", After.NOT_AGAIN),
        ("INVALID_LIMIT_PRICE_POST_ONLY", VenueRejectedError, "rejected", "request", After.NOT_AGAIN),
        ("LIMIT_ORDER_PRICE_EXCEEDS_PRICE_BAND_ON_BUY", VenueRejectedError, "rejected", "request", After.NOT_AGAIN),
        ("INVALID_BRACKET_ORDER_SIDE", VenueRejectedError, "rejected", "request", After.NOT_AGAIN),
        ("TRADING_DISABLED", MaintenanceError, "rejected", "request", After.NOT_AGAIN),
        ("PREVIEW_NOT_ALLOWED_BY_MARKET_STATE", MaintenanceError, "rejected", "request", After.NOT_AGAIN),
        ("PRODUCT_TRADING_HALTED", MaintenanceError, "rejected", "request", After.NOT_AGAIN),
        ("DUPLICATE_CLIENT_ORDER_ID", OutcomeUnknownError, "unknown", "request", After.LOOK_UP),
        ("COMMANDER_REJECTED_NEW_ORDER", OutcomeUnknownError, "unknown", "venue", After.AGAIN),
        ("PREVIEW_RISK_PROXY_FAILURE", OutcomeUnknownError, "unknown", "venue", After.AGAIN),
        ("UNKNOWN_FAILURE_REASON", OutcomeUnknownError, "unknown", "venue", After.AGAIN),
        ("UNKNOWN_PREVIEW_FAILURE_REASON", OutcomeUnknownError, "unknown", "venue", After.AGAIN),
        ("UNKNOWN_CANCEL_FAILURE_REASON", OutcomeUnknownError, "unknown", "venue", After.AGAIN),
        ("UNKNOWN_CANCEL_ORDER", UnknownOrderError, "rejected", "request", After.NOT_AGAIN),
        ("INVALID_ARGUMENT", VenueRejectedError, "rejected", "request", After.NOT_AGAIN),
        ("PERMISSION_DENIED", PermissionMissingError, "rejected", "credential", After.MISSING_RIGHT),
        ("unauthenticated", VenueRejectedError, "rejected", "venue", After.NEW_TOKEN),
        ("authentication failure", VenueRejectedError, "rejected", "venue", After.NEW_TOKEN),
        ("rate limit exceeded", RateLimitedError, "rejected", "rate_limit", After.WAIT),
        ("RFQ_RATE_LIMITED", RateLimitedError, "rejected", "rate_limit", After.WAIT),
        ("unknown", OutcomeUnknownError, "unknown", "venue", After.AGAIN),
        ("INTERNAL", OutcomeUnknownError, "unknown", "venue", After.AGAIN),
        ("Unavailable", VenueBusyError, "unknown", "venue", After.AGAIN),
    ],
)
def test_word_has_its_class(word: str, kind: type[VenueError], outcome: str, fault: str, after: After) -> None:
    error, then = judged(word)
    assert type(error) is kind
    assert (error.outcome, error.fault, then) == (Outcome(outcome), FaultClass(fault), after)


def test_unlisted_word_stays_unknown_and_is_not_asked_again() -> None:
    error, after = judged("ORDER_OF_THE_PHOENIX")
    assert type(error) is VenueError
    assert error.outcome is Outcome.UNKNOWN
    assert after is After.NOT_AGAIN
    assert error.code == "ORDER_OF_THE_PHOENIX"


def test_exact_word_decides_before_its_family() -> None:
    assert errors.find("UNKNOWN_CANCEL_ORDER") is not errors.find("UNKNOWN_CANCEL_FAILURE_REASON")
    row = errors.find("RFQ_RATE_LIMITED")
    assert row is not None
    assert row.error is RateLimitedError


def test_every_row_of_the_table_names_its_source_once() -> None:
    words = [row.word for row in errors.TABLE]
    assert len(words) == len(set(words))
    assert all(row.source.startswith("https://") and row.word for row in errors.TABLE)
    for row in errors.TABLE:
        assert errors.find(row.word.replace("*", "X")) is not None, row.word
        assert row.word == row.word.upper()
        assert not row.word.startswith("PREVIEW_")


def test_every_rejection_releases_and_every_doubt_holds() -> None:
    for row in errors.TABLE:
        if row.outcome is Outcome.REJECTED:
            assert issubclass(row.error, VenueRejectedError | MaintenanceError | RateLimitedError), row.word
        else:
            assert not issubclass(row.error, VenueRejectedError), row.word


REASONS = ("new_order_failure_reason", "error", "preview_failure_reason")


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("others", ["", None, "UNKNOWN_FAILURE_REASON", "PREVIEW_UNKNOWN_X"])
def test_refusal_is_found_in_any_of_its_three_places(place: int, others: str | None) -> None:
    fields: list[str | None] = [others] * 3
    fields[place] = "INSUFFICIENT_FUND"
    assert errors.word_in(*fields) == "INSUFFICIENT_FUND"


def test_first_place_that_says_something_counts() -> None:
    assert errors.word_in("INVALID_SIDE", "INSUFFICIENT_FUND", None) == "INVALID_SIDE"
    assert errors.word_in(None, "UNKNOWN_FAILURE_REASON", "") == "UNKNOWN_FAILURE_REASON"
    assert errors.word_in(None, "", None) == ""


def _of(status: int, body: bytes, wait_s: float | None = None) -> tuple[VenueError, After]:
    return errors.of_status(status, body, request="accounts", account=None, wait_s=wait_s)


@pytest.mark.parametrize(
    ("status", "body", "kind", "outcome", "after"),
    [
        (401, b"Unauthorized", VenueRejectedError, "rejected", After.NEW_TOKEN),
        (401, b"", VenueRejectedError, "rejected", After.NEW_TOKEN),
        (401, b'{"errors":[{"id":"authentication_error"}]}', VenueRejectedError, "rejected", After.NEW_TOKEN),
        (403, sample("http_error_portfolio"), PermissionMissingError, "rejected", After.MISSING_RIGHT),
        (403, b'{"error_details":"Missing required scopes"}', PermissionMissingError, "rejected", After.MISSING_RIGHT),
        (403, b"<html>blocked</html>", VenueError, "unknown", After.NOT_AGAIN),
        (429, sample("http_error_v2"), RateLimitedError, "rejected", After.WAIT),
        (429, b'{"error":"RESOURCE_EXHAUSTED"}', RateLimitedError, "rejected", After.WAIT),
        (429, b"slow down", RateLimitedError, "unknown", After.WAIT),
        (400, sample("http_error_v3"), VenueRejectedError, "rejected", After.NOT_AGAIN),
        (400, b'{"error":"NEW_WORD"}', VenueError, "unknown", After.NOT_AGAIN),
        (400, b"what?", VenueError, "unknown", After.NOT_AGAIN),
        (404, b'{"error":"unknown","message":"order with this orderID was not found"}', UnknownOrderError, "rejected",
         After.NOT_AGAIN),
        (404, b"<html>", VenueError, "unknown", After.NOT_AGAIN),
        (500, b'{"error":"INVALID_ARGUMENT"}', OutcomeUnknownError, "unknown", After.AGAIN),
        (502, b"bad gateway", OutcomeUnknownError, "unknown", After.AGAIN),
        (503, b"<html>", VenueBusyError, "unknown", After.AGAIN),
        (504, b"", OutcomeUnknownError, "unknown", After.AGAIN),
        (302, b"", VenueError, "unknown", After.NOT_AGAIN),
    ],
)  # fmt: skip
def test_status_without_success_has_its_class(
    status: int, body: bytes, kind: type[VenueError], outcome: str, after: After
) -> None:
    error, then = _of(status, body)
    assert type(error) is kind
    assert (error.outcome, then) == (Outcome(outcome), after)


def test_one_refused_token_is_nobodys_bad_key() -> None:
    error, _ = _of(401, b"Unauthorized")
    assert not isinstance(error, BadCredentialError)
    assert error.fault is FaultClass.VENUE


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"x-ratelimit-reset": "1"}, 1.0),
        ({"x-ratelimit-reset": "0.25"}, 0.25),
        ({"retry-after": "7", "x-ratelimit-reset": "1"}, 7.0),
        ({"x-ratelimit-reset": "99999"}, limits.RETRY_AFTER_MAX_S),
        ({"x-ratelimit-reset": "-1"}, None),
        ({"x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-reset": "1e9"}, None),
        ({"x-ratelimit-reset": "٣"}, None),
    ],
)
def test_wait_is_what_coinbase_says_within_bounds(headers: dict[str, str], wait_s: float | None) -> None:
    assert errors.retry_after_s(headers) == wait_s
    if wait_s is not None:
        assert _of(429, b"", wait_s)[0].retry_after_s == wait_s


def test_venues_text_is_one_escaped_line() -> None:
    error, _ = judged("INVALID_SIDE", told="line\nbreak \x1b[31m " + "x" * 400)
    assert "\n" not in str(error)
    assert "\x1b" not in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"{}", b"[" * 100_000, b"\xff", b'{"error": 5}'])
def test_body_that_is_no_envelope_says_nothing(body: bytes) -> None:
    assert errors.words_in(body) is None


def test_envelopes_are_read_wherever_they_come() -> None:
    assert errors.words_in(sample("http_error_v3")) == ("INVALID_ARGUMENT", "product_id is required")
    assert errors.words_in(sample("http_error_v2")) == ("rate_limit_exceeded", "Too many requests")
    assert errors.words_in(json.dumps({"message": "only text", "details": []}).encode()) == ("", "only text")
