"""
OKX's codes to our classes: a table, one source per row.

Codes are five digits and come in three places: of the envelope, of each item (``sCode``, which counts where it is), and
of the stream's events. Texts are translated and reworded over time, and HTTP statuses do not agree with their own
catalogue, so that nothing but the code is judged; a detail behind an underscore (``51008_1000``) is dropped.
``outcome`` is what the code means for an *order*: a read can simply be asked again. It is ``REJECTED`` only where the
code cannot come after an order that went through, however often the network delivered the request.
"""

from __future__ import annotations

import enum
from datetime import UTC
from typing import Final

import msgspec

from holdfast.core.parking import ACCOUNT_LOCKED, BAD_KEY, CLOCK, WRONG_SECRET
from holdfast.errors import (
    BadCredentialError,
    FaultClass,
    InsufficientFundsError,
    MaintenanceError,
    Outcome,
    OutcomeUnknownError,
    PayloadError,
    PermissionMissingError,
    RateLimitedError,
    UnknownOrderError,
    VenueBusyError,
    VenueError,
    VenueRejectedError,
)
from holdfast.venues.okx import limits
from holdfast.venues.okx.facts import REGIONS

__all__ = [
    "ALREADY_CANCELLING",
    "TABLE",
    "After",
    "Row",
    "cause_of",
    "error_of",
    "error_of_status",
    "find",
    "retry_after_s",
    "shown",
]

ALREADY_CANCELLING: Final = "51410"
"""What a cancel of an order that is being cancelled is answered with; it is no failure."""


class After(enum.IntEnum):
    """What a caller may do next."""

    BAD_KEY = 0  # Park the key.
    CLOCK = 1  # Compare the clocks; a read once more, then park.
    MISSING_RIGHT = 2  # Not this call again before something changed.
    WAIT = 3  # Back off.
    FIND = 4  # An order of this id may be there already: look it up.
    LOGIN = 5  # Log in, then subscribe again.
    NOT_AGAIN = 6  # A refusal, or nothing we know: the same call gets the same answer.
    AGAIN = 7  # A read may be asked again after a pause.


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One code's meaning."""

    code: str
    error: type[VenueError]
    outcome: Outcome
    fault: FaultClass
    after: After
    source: str


_REST: Final = "https://www.okx.com/docs-v5/en/#error-code-rest-api-public"
_STREAM: Final = "https://www.okx.com/docs-v5/en/#error-code-websocket-public"
_FUNDING: Final = "https://www.okx.com/docs-v5/en/#error-code-rest-api-funding"
_TIMEOUTS: Final = "https://www.okx.com/docs-v5/en/#overview-transaction-timeouts"
_GENERAL: Final = "https://www.okx.com/docs-v5/en/#overview-general-info"
_RATES: Final = "https://www.okx.com/docs-v5/en/#overview-rate-limits-sub-account-rate-limit"
_REGION: Final = "https://github.com/ccxt/ccxt/issues/24601"
_DEMO: Final = "https://github.com/okxapi/python-okx/issues/30"
_CCXT: Final = "https://github.com/ccxt/ccxt/blob/master/python/ccxt/okx.py"
_PLACE: Final = "https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-order"


def _rows(
    error: type[VenueError], outcome: Outcome, fault: FaultClass, after: After, source: str, *codes: str
) -> list[Row]:
    return [Row(code=code, error=error, outcome=outcome, fault=fault, after=after, source=source) for code in codes]


_R, _U = Outcome.REJECTED, Outcome.UNKNOWN
_F = FaultClass

# Checked 2026-11-20.
TABLE: Final[tuple[Row, ...]] = (
    # Requests that are wrong in themselves.
    *_rows(
        VenueRejectedError,
        _R,
        _F.REQUEST,
        After.NOT_AGAIN,
        _REST,
        *("50000", "50002", "50006", "50014", "50015", "50016", "50024", "50025", "50039"),
        *("50005", "50038", "50053", "50076", "50077", "50103", "50104", "50106", "50107", "50112", "50115"),
        *("51001", "51003", "51012", "51015", "51021", "51022", "51027", "51087", "51155"),
        *("51005", "51201", "51202", "51203", "51185", "51006", "51116", "51137", "51138"),
        *("51020", "51120", "51121", "51150", "51025", "51102", "51103", "51174"),
        *("51010", "51033", "51056", "51063", "51072", "51109", "51110", "51122", "51124", "51129", "51139", "51140"),
        *("51180", "51196", "51197", "51204", "51403", "51404", "51405", "51406", "52000"),
    ),
    # A parameter is wrong, and it may be the order's id, which an order has already: which of the codes a duplicate is
    # answered with is unconfirmed.
    *_rows(VenueRejectedError, _U, _F.REQUEST, After.FIND, _REST, "51000"),
    *_rows(VenueRejectedError, _U, _F.REQUEST, After.FIND, _PLACE, "51016"),
    *_rows(VenueRejectedError, _U, _F.REQUEST, After.FIND, _REST, "50071", "51011", "50042"),
    # The account, the instrument or the person behind it.
    *_rows(
        VenueRejectedError,
        _R,
        _F.REQUEST,
        After.NOT_AGAIN,
        _REST,
        *("50007", "50008", "50009", "50012", "50027", "50028", "50029", "50032", "50033", "50041", "50051", "50052"),
        *("50059", "50060", "50062", "50067", "50075", "51009", "51024"),
    ),
    *_rows(
        VenueBusyError,
        _R,
        _F.REQUEST,
        After.NOT_AGAIN,
        _REST,
        *("50017", "50018", "50019", "50020", "50021", "50022", "50023", "54008"),
    ),
    *_rows(MaintenanceError, _R, _F.REQUEST, After.NOT_AGAIN, _REST, "50046"),
    # Our time.
    *_rows(BadCredentialError, _R, _F.CLOCK, After.CLOCK, _REST, "50102"),
    *_rows(BadCredentialError, _R, _F.CLOCK, After.CLOCK, _STREAM, "60004", "60006"),
    # Our order came too late: that is what its time is for.
    *_rows(VenueRejectedError, _R, _F.REQUEST, After.NOT_AGAIN, _TIMEOUTS, "50036", "50037"),
    # The key.
    *_rows(
        BadCredentialError,
        _R,
        _F.CREDENTIAL,
        After.BAD_KEY,
        _REST,
        *("50100", "50105", "50108", "50109", "50110", "50111", "50113", "50114", "50116", "50118", "50121"),
    ),
    *_rows(BadCredentialError, _R, _F.CREDENTIAL, After.BAD_KEY, _DEMO, "50101"),
    *_rows(BadCredentialError, _R, _F.CREDENTIAL, After.BAD_KEY, _REGION, "50119"),
    *_rows(BadCredentialError, _R, _F.CREDENTIAL, After.BAD_KEY, _STREAM, "60005", "60007", "60009", "60024", "60032"),
    *_rows(PermissionMissingError, _R, _F.CREDENTIAL, After.MISSING_RIGHT, _REST, "50030", "50035", "50120"),
    *_rows(PermissionMissingError, _R, _F.CREDENTIAL, After.MISSING_RIGHT, _STREAM, "64003"),
    # Too much at once.
    *_rows(RateLimitedError, _R, _F.RATE_LIMIT, After.WAIT, _REST, "50011", "50040"),
    *_rows(RateLimitedError, _R, _F.RATE_LIMIT, After.WAIT, _RATES, "50061"),
    *_rows(RateLimitedError, _R, _F.RATE_LIMIT, After.WAIT, _FUNDING, "58102"),
    *_rows(RateLimitedError, _R, _F.RATE_LIMIT, After.WAIT, _STREAM, "60014", "60023"),
    # Money.
    *_rows(InsufficientFundsError, _R, _F.FUNDS, After.NOT_AGAIN, _REST, "51008", "51127", "51131", "51502"),
    *_rows(InsufficientFundsError, _R, _F.FUNDS, After.NOT_AGAIN, _CCXT, "51119"),
    *_rows(InsufficientFundsError, _R, _F.FUNDS, After.NOT_AGAIN, _FUNDING, "58116"),
    # No such open order.
    *_rows(
        UnknownOrderError,
        _R,
        _F.REQUEST,
        After.NOT_AGAIN,
        _REST,
        *("51400", "51401", "51402", "51503", "51509", "51603"),
    ),
    *_rows(VenueRejectedError, _R, _F.REQUEST, After.NOT_AGAIN, _REST, ALREADY_CANCELLING),
    # What OKX itself does not know of the request.
    *_rows(OutcomeUnknownError, _U, _F.VENUE, After.AGAIN, _TIMEOUTS, "50004", "51054", "51149", "51412"),
    *_rows(OutcomeUnknownError, _U, _F.VENUE, After.AGAIN, _REST, "50026"),
    *_rows(VenueBusyError, _U, _F.VENUE, After.AGAIN, _REST, "50001", "50013"),
    # Everything of a batch failed, or some of it; what failed an order stands in its item.
    *_rows(VenueError, _U, _F.VENUE, After.NOT_AGAIN, _GENERAL, "1", "2"),
    # The stream.
    *_rows(VenueRejectedError, _R, _F.VENUE, After.LOGIN, _STREAM, "60011"),
    *_rows(
        VenueRejectedError,
        _R,
        _F.REQUEST,
        After.NOT_AGAIN,
        _STREAM,
        *("60008", "60012", "60013", "60018", "60019", "60026", "60027", "60028", "60031", "60033", "64001", "64002"),
    ),
    *_rows(VenueBusyError, _U, _F.VENUE, After.AGAIN, _STREAM, "63999", "64007"),
)
"""Every code we know, in no order that matters."""

_BY_CODE: Final = {row.code: row for row in TABLE}

# What an answer to a wrong parameter names; one that names none of these may be about the order's id.
_PARAMETERS: Final = (
    *("instId", "tdMode", "posSide", "ordType", "tgtCcy", "tradeQuoteCcy", "banAmend", "side", "sz", "px"),
)

_HINTS: Final = {
    "50101": '; the key is of another environment: demo keys go with environment = "demo", live ones with production',
    "50119": f"; a key is known only where its account was registered: set region to one of {', '.join(REGIONS)}",
    "60032": f"; a key is known only where its account was registered: set region to one of {', '.join(REGIONS)}",
    "50105": "; it is the passphrase that was chosen when the key was made, not the account's password",
    "51008": "; orders spend the trading account only: what lies in the funding account has to be transferred first",
}


def find(code: str) -> Row | None:
    """The row for one code, a detail behind it dropped; None where we do not know it."""
    return _BY_CODE.get(code.partition("_")[0])


def error_of(
    code: str, text: str, *, request: str, account: str | None, asked_to_wait_s: float | None = None
) -> tuple[VenueError, After]:
    """
    The error that one code means, and what may follow.

    Args:
        code: The item's code where there is one, else the envelope's or the event's.
        text: OKX's words: shown, and judged only for the name of a wrong parameter.
        request: OKX's name of the call.
        account: The broker's name, or None for public calls.
        asked_to_wait_s: What a Retry-After header asked for, already capped.
    """
    row = find(code)
    message = f"okx answered {request} with {shown(code)}"
    if text:
        message += f" {shown(text)}"
    if row is None:
        unlisted = VenueError(
            f"{message}: not in our table",
            venue="okx",
            request=request,
            account=account,
            code=shown(code),
            retry_after_s=asked_to_wait_s,
        )
        return unlisted, After.NOT_AGAIN
    outcome, after = row.outcome, row.after
    if row.code == "51000" and "clOrdId" not in text and any(name in text for name in _PARAMETERS):
        outcome, after = _R, After.NOT_AGAIN  # It names another parameter: no order has come of it.
    wait_s = asked_to_wait_s
    if after is After.WAIT and wait_s is None:
        wait_s = limits.QUIET_AFTER_REFUSAL_S
    error = row.error(
        message + _HINTS.get(row.code, ""),
        venue="okx",
        request=request,
        account=account,
        outcome=outcome,
        fault=row.fault,
        code=row.code,
        retry_after_s=wait_s,
    )
    return error, after


def cause_of(error: VenueError | PayloadError) -> str:
    """Why a key is parked whose call was refused with *error*, by the code alone."""
    code = getattr(error, "code", None) or ""
    if code in ("50105", "50113", "60007", "60024"):
        return WRONG_SECRET
    if code in ("50102", "60004", "60006"):
        return CLOCK
    return ACCOUNT_LOCKED if code == "50100" else BAD_KEY


def error_of_status(
    status: int, *, request: str, account: str | None, asked_to_wait_s: float | None
) -> tuple[VenueError, After]:
    """
    The error of an HTTP status whose body is no answer of OKX's: it comes from the gateway before it.

    Such an answer may still follow an order that went through.
    Source: https://github.com/c9s/bbgo/pull/1534 (checked 2026-11-20)
    """
    message = f"okx's gateway answered {request} with HTTP {status}"
    if status == 429:
        limited = RateLimitedError(
            message,
            venue="okx",
            request=request,
            account=account,
            outcome=_U,
            code="429",
            retry_after_s=limits.QUIET_AFTER_REFUSAL_S if asked_to_wait_s is None else asked_to_wait_s,
        )
        return limited, After.WAIT
    if status >= 500:
        lost = OutcomeUnknownError(
            message,
            venue="okx",
            request=request,
            account=account,
            fault=FaultClass.VENUE,
            code=str(status),
            retry_after_s=asked_to_wait_s,
        )
        return lost, After.AGAIN
    refused = VenueError(
        message, venue="okx", request=request, account=account, code=str(status), retry_after_s=asked_to_wait_s
    )
    return refused, After.NOT_AGAIN


def retry_after_s(header: str | None, *, wall_s: float) -> float | None:
    """
    Seconds that a Retry-After header asks for: capped, never negative; None where there is none to believe.

    OKX documents no such header; a gateway before it may send one. Both forms of RFC 9110 are read.
    """
    if header is None:
        return None
    text = header.strip()[:64]
    if text.isascii() and text.isdigit():
        asked_s = float(text)
    else:
        from email.utils import parsedate_to_datetime  # Loads much, and is hardly ever needed.

        try:
            date = parsedate_to_datetime(text)
            asked_s = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - wall_s
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(asked_s, 0.0), limits.RETRY_AFTER_MAX_S)


def shown(text: str) -> str:
    """A venue's text made safe for one line of a log."""
    safe = text if text.isascii() and text.isprintable() else ascii(text)
    return safe if len(safe) <= 160 else safe[:157] + "..."
