"""
Kraken's error strings to our classes: a table, one source per row.

A string is ``<severity><category>:<text>``, severity ``E`` or ``W``. Some carry a tail (``:volume``, a timestamp) and
some a blank after the colon, so rows match by prefix with blanks after colons dropped, longest prefix first.
``outcome`` is what the string means for an *order*: a read can simply be asked again. It is ``REJECTED`` only where
the string cannot come after an order that went through, however often the network delivered the request.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from datetime import UTC
from typing import Final

import msgspec

from holdfast.core.parking import ACCOUNT_LOCKED, BAD_KEY, WRONG_SECRET
from holdfast.errors import (
    BadCredentialError,
    FaultClass,
    InsufficientFundsError,
    InvalidNonceError,
    LockoutError,
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
from holdfast.venues.kraken import limits

__all__ = [
    "TABLE",
    "After",
    "Row",
    "cause_of",
    "error_of",
    "error_of_status",
    "failures",
    "find",
    "retry_after_s",
    "shown",
    "warnings",
]


class After(enum.IntEnum):
    """What a caller may do next; where several strings come at once the smallest decides."""

    LOCKOUT = 0  # Silence on the key.
    BAD_KEY = 1  # Park the key: repeating leads to the lockout.
    NEW_NONCE = 2  # Once more with a regenerated nonce, then park.
    MISSING_RIGHT = 3  # Not this call again before something changed.
    WAIT = 4  # Back off; ``retry_after_s`` says how long where Kraken does.
    NEW_TOKEN = 5  # A fresh stream token, once.
    NOT_AGAIN = 6  # A refusal, or nothing we know: the same call gets the same answer.
    AGAIN = 7  # A read may be asked again after a pause.


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One error string's meaning."""

    prefix: str
    error: type[VenueError]
    outcome: Outcome
    fault: FaultClass
    after: After
    source: str


_GUIDE: Final = "https://docs.kraken.com/exchange/guides/general/errors"
_SUPPORT: Final = "https://support.kraken.com/articles/360001491786-api-error-messages"
_CCXT: Final = "https://github.com/ccxt/ccxt/blob/master/python/ccxt/kraken.py"
_LIMITS: Final = "https://docs.kraken.com/exchange/guides/rest/ratelimits"
_SOCKET: Final = "https://docs.kraken.com/exchange/guides/websockets/authentication"
_ORDER: Final = "https://docs.kraken.com/api-reference/trading/add-order"


def _rows(
    error: type[VenueError], outcome: Outcome, fault: FaultClass, after: After, source: str, *prefixes: str
) -> list[Row]:
    return [
        Row(prefix=prefix, error=error, outcome=outcome, fault=fault, after=after, source=source) for prefix in prefixes
    ]


_R, _U = Outcome.REJECTED, Outcome.UNKNOWN
_F = FaultClass

# Checked 2026-11-20.
TABLE: Final[tuple[Row, ...]] = (
    *_rows(LockoutError, _R, _F.RATE_LIMIT, After.LOCKOUT, _GUIDE, "EGeneral:Temporary lockout"),
    # Something on the way may have delivered the request twice: the second of them is refused for its nonce.
    *_rows(InvalidNonceError, _U, _F.CREDENTIAL, After.NEW_NONCE, _GUIDE, "EAPI:Invalid nonce"),
    *_rows(BadCredentialError, _R, _F.CREDENTIAL, After.BAD_KEY, _GUIDE, "EAPI:Invalid key", "EAPI:Invalid signature"),
    *_rows(
        BadCredentialError,
        _R,
        _F.CREDENTIAL,
        After.BAD_KEY,
        _GUIDE,
        "EAuth:Account temporary disabled",
        "EAuth:Account unconfirmed",
        "EAuth:Failed",
    ),
    *_rows(BadCredentialError, _R, _F.CREDENTIAL, After.BAD_KEY, _CCXT, "ETrade:User Locked", "ETrade:Locked"),
    *_rows(PermissionMissingError, _R, _F.CREDENTIAL, After.MISSING_RIGHT, _GUIDE, "EGeneral:Permission denied"),
    *_rows(PermissionMissingError, _R, _F.CREDENTIAL, After.MISSING_RIGHT, _GUIDE, "EAccount:Invalid permissions"),
    *_rows(RateLimitedError, _R, _F.RATE_LIMIT, After.WAIT, _LIMITS, "EAPI:Rate limit exceeded"),
    *_rows(
        RateLimitedError,
        _R,
        _F.RATE_LIMIT,
        After.WAIT,
        _GUIDE,
        "EAuth:Rate limit exceeded",
        "EAuth:Too many requests",
        "EGeneral:Too many requests",
        "EAPI:Too many requests",
        "EOrder:Rate limit exceeded",
        "EOrder:Domain rate limit exceeded",
    ),
    # That nothing was done is only inferred.
    *_rows(RateLimitedError, _U, _F.RATE_LIMIT, After.WAIT, _GUIDE, "EService:Throttled"),
    *_rows(
        VenueRejectedError,
        _R,
        _F.REQUEST,
        After.NOT_AGAIN,
        _GUIDE,
        "EAPI:Bad request",
        "EGeneral:Unknown method",
        "EGeneral:Invalid arguments",
        "EQuery:Unknown asset",
        "EQuery:Unknown asset pair",
        "EQuery:Invalid asset pair",
        "EOrder:Order minimum not met",
        "EOrder:Cost minimum not met",
        "EOrder:Tick size check failed",
        "EOrder:Invalid price",
        "EOrder:Orders limit exceeded",
        "EOrder:Scheduled orders limit exceeded",
        "EOrder:Positions limit exceeded",
        "EOrder:Unknown position",
        "EOrder:Cannot open position",
        "EOrder:Cannot open opposing position",
        "EOrder:Margin allowance exceeded",
        "EOrder:Margin level too low",
        "EOrder:Margin position size exceeded",
        "EOrder:Insufficient margin",
        "EOrder:Reduce only",
        "ETrade:Invalid request",
        "EFunding:",
        "EEarnings:",
    ),
    *_rows(VenueRejectedError, _R, _F.REQUEST, After.NOT_AGAIN, _SUPPORT, "EAPI:Feature disabled"),
    *_rows(VenueRejectedError, _R, _F.REQUEST, After.NOT_AGAIN, _CCXT, "EOrder:Cancel pending", "EBM:limit exceeded"),
    # How Kraken answers a cl_ord_id that an open order has already is unconfirmed, and these may be it: the order that
    # has it is then ours.
    *_rows(
        VenueRejectedError,
        _U,
        _F.REQUEST,
        After.NOT_AGAIN,
        _ORDER,
        "EOrder:Invalid order",
        "EGeneral:Invalid arguments:cl_ord_id",
    ),
    # The string is not documented; clients know it.
    *_rows(VenueRejectedError, _R, _F.REQUEST, After.NOT_AGAIN, _ORDER, "EOrder:Post only order"),
    *_rows(UnknownOrderError, _R, _F.REQUEST, After.NOT_AGAIN, _GUIDE, "EOrder:Unknown order"),
    *_rows(InsufficientFundsError, _R, _F.FUNDS, After.NOT_AGAIN, _GUIDE, "EOrder:Insufficient funds"),
    # Processing passed the deadline, yet Kraken says to look into OpenOrders first: the order may exist.
    *_rows(OutcomeUnknownError, _U, _F.VENUE, After.AGAIN, _GUIDE, "EService:Deadline elapsed"),
    *_rows(
        OutcomeUnknownError,
        _U,
        _F.VENUE,
        After.AGAIN,
        _GUIDE,
        "EGeneral:Internal error",
        "EDatabase:Internal error",
    ),
    *_rows(VenueBusyError, _U, _F.VENUE, After.AGAIN, _GUIDE, "EService:Unavailable"),
    *_rows(VenueBusyError, _U, _F.VENUE, After.AGAIN, _CCXT, "EService:Busy"),
    *_rows(
        MaintenanceError,
        _R,
        _F.REQUEST,
        After.NOT_AGAIN,
        _GUIDE,
        # cancel_only, post_only and limit_only are documented, the exact text of the last is not.
        "EService:Market in",
    ),
    # Whoever the token does not name has no account to order on.
    *_rows(
        VenueRejectedError,
        _R,
        _F.VENUE,
        After.NEW_TOKEN,
        _SOCKET,
        "ESession:Invalid session",
        "EAPI:Invalid session",
        "Token is expired",
    ),
)
"""Every string we know, in no order that matters."""

_BY_LENGTH: Final = sorted(TABLE, key=lambda row: len(row.prefix), reverse=True)


def failures(texts: Sequence[str]) -> list[str]:
    """The strings that mean failure: all but warnings."""
    return [text for text in texts if not text.startswith("W")]


def warnings(texts: Sequence[str]) -> list[str]:
    """The strings that may accompany a good answer."""
    return [text for text in texts if text.startswith("W")]


def find(text: str) -> Row | None:
    """The row for one error string, or None where we do not know it."""
    squeezed = ":".join(part.strip() for part in text.strip().split(":"))
    for row in _BY_LENGTH:
        if squeezed.startswith(row.prefix):
            return row
    return None


def error_of(
    texts: Sequence[str], *, request: str, account: str | None, wall_s: float, asked_to_wait_s: float | None = None
) -> tuple[VenueError, After]:
    """
    The error that one or more failure strings mean together, and what may follow.

    An order was refused only where every one of them says so.

    Args:
        texts: At least one string; several are all named, and the most restrictive decides.
        request: Kraken's name of the call.
        account: The broker's name, or None for public calls.
        wall_s: Our wall clock, Unix seconds: ``EService:Throttled`` states a time.
        asked_to_wait_s: What a Retry-After header asked for, already capped.
    """
    judged = [(find(text), text) for text in texts]
    row, text = min(judged, key=lambda pair: After.NOT_AGAIN if pair[0] is None else pair[0].after)
    message = f"kraken answered {request} with {', '.join(shown(each) for each in texts)}"
    if row is None:
        unlisted = VenueError(
            f"{message}: not in our table",
            venue="kraken",
            request=request,
            account=account,
            code=shown(text),
            retry_after_s=asked_to_wait_s,
        )
        return unlisted, After.NOT_AGAIN
    wait_s = asked_to_wait_s
    if row.after is After.LOCKOUT:
        wait_s = limits.LOCKOUT_S
    elif row.after is After.WAIT and wait_s is None:
        wait_s = _throttled_for_s(text, wall_s=wall_s)
    error = row.error(
        message,
        venue="kraken",
        request=request,
        account=account,
        outcome=row.outcome if all(each and each.outcome is _R for each, _ in judged) else _U,
        fault=row.fault,
        code=row.prefix,
        retry_after_s=wait_s,
    )
    return error, row.after


def cause_of(error: VenueError | PayloadError) -> str:
    """Why a key is parked whose call was refused with *error*, by the string alone."""
    code = getattr(error, "code", None) or ""
    if code == "EAPI:Invalid signature":
        return WRONG_SECRET
    return ACCOUNT_LOCKED if code.startswith(("EAuth:Account", "ETrade:")) else BAD_KEY


def error_of_status(
    status: int, *, request: str, account: str | None, asked_to_wait_s: float | None
) -> tuple[VenueError, After]:
    """
    The error of an HTTP status whose body is no Kraken envelope: it comes from the gateway before Kraken.

    Such an answer may still follow an order that went through.
    Source: https://github.com/veox/python3-krakenex/issues/60 (checked 2026-11-20)
    """
    message = f"kraken's gateway answered {request} with HTTP {status}"
    if status == 429:
        limited = RateLimitedError(
            message,
            venue="kraken",
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
            venue="kraken",
            request=request,
            account=account,
            fault=FaultClass.VENUE,
            code=str(status),
            retry_after_s=asked_to_wait_s,
        )
        return lost, After.AGAIN
    refused = VenueError(
        message, venue="kraken", request=request, account=account, code=str(status), retry_after_s=asked_to_wait_s
    )
    return refused, After.NOT_AGAIN


def retry_after_s(header: str | None, *, wall_s: float) -> float | None:
    """
    Seconds that a Retry-After header asks for: capped, never negative; None where there is none to believe.

    Both forms of RFC 9110 are read: seconds, and a date that is taken against our wall clock.
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


def _throttled_for_s(text: str, *, wall_s: float) -> float:
    """``EService:Throttled: <unix time>`` names the time from which on calls are welcome again."""
    tail = text.rpartition(":")[2].strip()
    if "Throttled" in text and tail.isascii() and tail.isdigit() and len(tail) <= 12:
        asked_s = int(tail) - wall_s
        return min(max(math.ceil(asked_s), 1.0), limits.RETRY_AFTER_MAX_S)
    return limits.QUIET_AFTER_REFUSAL_S


def shown(text: str) -> str:
    """A venue's text made safe for one line of a log."""
    safe = text if text.isascii() and text.isprintable() else ascii(text)
    return safe if len(safe) <= 160 else safe[:157] + "..."
