"""The table of codes: one source a row, nothing claimed that a code does not prove."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from holdfast.core.parking import CAUSES
from holdfast.errors import (
    BadCredentialError,
    FaultClass,
    InsufficientFundsError,
    InvalidNonceError,
    Outcome,
    OutcomeUnknownError,
    PermissionMissingError,
    RateLimitedError,
    UnknownOrderError,
    VenueError,
    VenueRejectedError,
)
from holdfast.venues.okx import errors, limits
from holdfast.venues.okx.errors import TABLE, After


def judge(code: str, text: str = "") -> tuple[VenueError, After]:
    return errors.error_of(code, text, request="trade/order", account="okx-master")


def test_every_row_of_the_table_names_its_source_once() -> None:
    for row in TABLE:
        assert re.match(r"https://(www\.okx\.com|github\.com)/", row.source), row.code
        assert re.fullmatch(r"[0-9]{1,5}", row.code)
        assert row.error is not InvalidNonceError  # There is no nonce here.
        if row.after is After.AGAIN or row.error is OutcomeUnknownError:
            assert row.outcome is Outcome.UNKNOWN, row.code
        if row.after in (After.BAD_KEY, After.MISSING_RIGHT, After.CLOCK, After.WAIT):
            assert row.outcome is Outcome.REJECTED, row.code
        assert issubclass(row.error, VenueError)
    assert len({row.code for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize(
    ("code", "kind", "outcome", "fault", "after"),
    [
        ("50011", RateLimitedError, Outcome.REJECTED, FaultClass.RATE_LIMIT, After.WAIT),
        ("50061", RateLimitedError, Outcome.REJECTED, FaultClass.RATE_LIMIT, After.WAIT),
        ("50102", BadCredentialError, Outcome.REJECTED, FaultClass.CLOCK, After.CLOCK),
        ("50105", BadCredentialError, Outcome.REJECTED, FaultClass.CREDENTIAL, After.BAD_KEY),
        ("50113", BadCredentialError, Outcome.REJECTED, FaultClass.CREDENTIAL, After.BAD_KEY),
        ("50119", BadCredentialError, Outcome.REJECTED, FaultClass.CREDENTIAL, After.BAD_KEY),
        ("50101", BadCredentialError, Outcome.REJECTED, FaultClass.CREDENTIAL, After.BAD_KEY),
        ("50120", PermissionMissingError, Outcome.REJECTED, FaultClass.CREDENTIAL, After.MISSING_RIGHT),
        ("50004", OutcomeUnknownError, Outcome.UNKNOWN, FaultClass.VENUE, After.AGAIN),
        ("50026", OutcomeUnknownError, Outcome.UNKNOWN, FaultClass.VENUE, After.AGAIN),
        ("51149", OutcomeUnknownError, Outcome.UNKNOWN, FaultClass.VENUE, After.AGAIN),
        ("51054", OutcomeUnknownError, Outcome.UNKNOWN, FaultClass.VENUE, After.AGAIN),
        ("51008_1000", InsufficientFundsError, Outcome.REJECTED, FaultClass.FUNDS, After.NOT_AGAIN),
        ("51008", InsufficientFundsError, Outcome.REJECTED, FaultClass.FUNDS, After.NOT_AGAIN),
        ("51119", InsufficientFundsError, Outcome.REJECTED, FaultClass.FUNDS, After.NOT_AGAIN),
        ("51020", VenueRejectedError, Outcome.REJECTED, FaultClass.REQUEST, After.NOT_AGAIN),
        ("50036", VenueRejectedError, Outcome.REJECTED, FaultClass.REQUEST, After.NOT_AGAIN),
        ("50037", VenueRejectedError, Outcome.REJECTED, FaultClass.REQUEST, After.NOT_AGAIN),
        ("51603", UnknownOrderError, Outcome.REJECTED, FaultClass.REQUEST, After.NOT_AGAIN),
        ("51400", UnknownOrderError, Outcome.REJECTED, FaultClass.REQUEST, After.NOT_AGAIN),
        ("51016", VenueRejectedError, Outcome.UNKNOWN, FaultClass.REQUEST, After.FIND),
        ("50071", VenueRejectedError, Outcome.UNKNOWN, FaultClass.REQUEST, After.FIND),
    ],
)
def test_code_means_what_its_page_says(
    code: str, kind: type[VenueError], outcome: Outcome, fault: FaultClass, after: After
) -> None:
    error, then = judge(code, "words that do not matter")
    assert (type(error), error.outcome, error.fault, then) == (kind, outcome, fault, after)
    assert error.code == code.partition("_")[0]
    assert (error.venue, error.request, error.account) == ("okx", "trade/order", "okx-master")


def test_words_never_decide_but_for_the_name_of_a_wrong_parameter() -> None:
    for text in ("", "参数错误", "Parameter clOrdId error", "Parameter clOrdId or sz error", "Duplicated"):
        error, after = judge("51000", text)
        assert (error.outcome, after) == (Outcome.UNKNOWN, After.FIND), text
    for text in ("Parameter tradeQuoteCcy error", "Parameter tdMode  error", "参数 sz 错误"):
        error, after = judge("51000", text)
        assert (error.outcome, after) == (Outcome.REJECTED, After.NOT_AGAIN), text


@pytest.mark.parametrize("code", ["59999", "", "abc", "5 1008", "51008x", "x" * 1000, "\x1b[31m"])
def test_unlisted_code_stays_unknown_and_is_shown_safely(code: str) -> None:
    error, after = judge(code, "\x1b[31mred\n")
    assert (type(error), error.outcome, after) == (VenueError, Outcome.UNKNOWN, After.NOT_AGAIN)
    assert str(error).isprintable()
    assert len(str(error)) < 500


def test_key_in_the_wrong_place_is_told_where_it_belongs() -> None:
    assert "region" in str(judge("50119")[0])
    assert "eea" in str(judge("60032")[0])
    assert "demo" in str(judge("50101")[0])
    assert "not the account's password" in str(judge("50105")[0])
    assert "funding account" in str(judge("51008")[0])


def test_refused_key_is_parked_for_its_cause() -> None:
    causes = {
        row.code: errors.cause_of(judge(row.code)[0]) for row in TABLE if row.after in (After.BAD_KEY, After.CLOCK)
    }
    assert set(causes.values()) <= CAUSES.keys()
    assert causes["50113"] == causes["50105"] == causes["60007"] == "wrong_secret"
    assert causes["50102"] == "clock"
    assert causes["50100"] == "account_locked"
    assert causes["50119"] == causes["50111"] == "bad_key"


def test_refusal_for_the_rate_waits_out_a_window() -> None:
    assert judge("50011")[0].retry_after_s == limits.QUIET_AFTER_REFUSAL_S
    error, _ = errors.error_of("50011", "", request="x", account=None, asked_to_wait_s=7.0)
    assert error.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("status", "kind", "outcome", "after"),
    [
        (429, RateLimitedError, Outcome.UNKNOWN, After.WAIT),
        (503, OutcomeUnknownError, Outcome.UNKNOWN, After.AGAIN),
        (520, OutcomeUnknownError, Outcome.UNKNOWN, After.AGAIN),
        (403, VenueError, Outcome.UNKNOWN, After.NOT_AGAIN),
    ],
)
def test_gateway_proves_nothing_of_an_order(status: int, kind: Any, outcome: Outcome, after: After) -> None:
    error, then = errors.error_of_status(status, request="trade/order", account=None, asked_to_wait_s=None)
    assert (type(error), error.outcome, then) == (kind, outcome, after)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("5", 5.0),
        ("3600", limits.RETRY_AFTER_MAX_S),
        ("soon", None),
        ("-1", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 50.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
    ],
)
def test_asked_for_pause_is_read_and_bounded(header: str | None, expected: float | None) -> None:
    assert errors.retry_after_s(header, wall_s=50.0) == expected


def test_windows_are_never_exceeded_wherever_they_begin() -> None:
    for path, window in limits.WINDOWS.items():
        assert window.burst >= 1
        most = window.burst + window.per_second * window.per_s
        assert most <= window.calls + (0.95 if window.calls == 1 else 0.0) + 1e-9, path
        assert math.isfinite(window.per_second)
