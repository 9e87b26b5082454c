"""
Coinbase's words for what went wrong to our classes: a table, one source per row.

A word stands in one of five places: a request's ``error`` (of either of two envelopes), an order's refusal (three
fields, of which any may be the one that says it), a preview's list, a cancel's ``failure_reason``, or a stream's
``message``. They are one vocabulary here: compared in capitals, blanks as underscores, ``PREVIEW_`` in front dropped.
A row's ``*`` stands for a family; the exact word decides before it. ``outcome`` is what a word means for an *order*: a
read can simply be asked again. A status without a word is judged by ``of_status``.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping
from typing import Final

import msgspec

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
from holdfast.venues.coinbase import limits

__all__ = [
    "TABLE",
    "After",
    "Row",
    "error_of",
    "find",
    "of_status",
    "refused_for_good",
    "retry_after_s",
    "shown",
    "word_in",
    "words_in",
]


class After(enum.IntEnum):
    """What a caller may do next; where several words come at once the smallest decides."""

    NEW_TOKEN = 1  # The clock is compared again; a read goes out once more with a fresh token.
    MISSING_RIGHT = 2  # Not this call again before something changed.
    WAIT = 3  # Back off; ``retry_after_s`` says how long where Coinbase does.
    LOOK_UP = 4  # An order with this id exists: look it up.
    NOT_AGAIN = 5  # A refusal, or nothing we know: the same call gets the same answer.
    AGAIN = 6  # A read may be asked again after a pause.


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One word's meaning, or a family's."""

    word: str
    error: type[VenueError]
    outcome: Outcome
    fault: FaultClass
    after: After
    source: str


_REST: Final = "https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api"
_CREATE: Final = f"{_REST}/orders/create-order"
_PREVIEW: Final = f"{_REST}/orders/preview-orders"
_CANCEL: Final = f"{_REST}/orders/cancel-order"
_SANDBOX: Final = "https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/sandbox"
_FAQ: Final = "https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/faq"
_LIMITS: Final = "https://docs.cdp.coinbase.com/coinbase-app/api-architecture/rate-limiting"
_APP: Final = "https://docs.cdp.coinbase.com/coinbase-app/api-architecture/error-handling"
_PORTFOLIO: Final = "https://github.com/coinbase/coinbase-advanced-py/issues/89"
_SCOPES: Final = "https://github.com/coinbase/coinbase-advanced-py/blob/master/coinbase/rest/rest_base.py"
_THROTTLED: Final = "https://github.com/coinbase/coinbase-advanced-py/issues/60"
_SKEW: Final = "https://github.com/coinbase/coinbase-advanced-py/issues/19"
_CCXT: Final = "https://github.com/ccxt/ccxt/blob/master/python/ccxt/coinbase.py"
_SOCKET: Final = "https://github.com/tiagosiebler/coinbase-api"
_GRPC: Final = "https://cloud.google.com/apis/design/errors"


def _rows(
    error: type[VenueError], outcome: Outcome, fault: FaultClass, after: After, source: str, *words: str
) -> list[Row]:
    return [Row(word=word, error=error, outcome=outcome, fault=fault, after=after, source=source) for word in words]


_R, _U = Outcome.REJECTED, Outcome.UNKNOWN
_F = FaultClass

# Checked 2026-11-20.
TABLE: Final[tuple[Row, ...]] = (
    # Requests. An unauthenticated one did nothing; whose fault it is, only repetition tells.
    *_rows(
        VenueRejectedError,
        _R,
        _F.VENUE,
        After.NEW_TOKEN,
        _APP,
        "AUTHENTICATION_ERROR",
        "UNAUTHORIZED",
        "INVALID_TOKEN",
        "REVOKED_TOKEN",
        "EXPIRED_TOKEN",
    ),
    *_rows(VenueRejectedError, _R, _F.VENUE, After.NEW_TOKEN, _GRPC, "UNAUTHENTICATED"),
    *_rows(VenueRejectedError, _R, _F.VENUE, After.NEW_TOKEN, _SKEW, "AUTHENTICATION_FAILURE"),
    *_rows(PermissionMissingError, _R, _F.CREDENTIAL, After.MISSING_RIGHT, _PORTFOLIO, "PERMISSION_DENIED"),
    *_rows(
        PermissionMissingError,
        _R,
        _F.CREDENTIAL,
        After.MISSING_RIGHT,
        _APP,
        "INVALID_SCOPE",
        "TWO_FACTOR_REQUIRED",
        "PERSONAL_DETAILS_REQUIRED",
        "IDENTITY_VERIFICATION_REQUIRED",
    ),
    *_rows(RateLimitedError, _R, _F.RATE_LIMIT, After.WAIT, _LIMITS, "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"),
    *_rows(RateLimitedError, _R, _F.RATE_LIMIT, After.WAIT, _CREATE, "RFQ_RATE_LIMITED"),
    *_rows(VenueRejectedError, _R, _F.REQUEST, After.NOT_AGAIN, _CREATE, "INVALID_ARGUMENT"),
    *_rows(VenueRejectedError, _R, _F.REQUEST, After.NOT_AGAIN, _GRPC, "FAILED_PRECONDITION", "OUT_OF_RANGE"),
    *_rows(VenueRejectedError, _R, _F.REQUEST, After.NOT_AGAIN, _APP, "PARAM_REQUIRED", "VALIDATION_ERROR"),
    *_rows(UnknownOrderError, _R, _F.REQUEST, After.NOT_AGAIN, _APP, "NOT_FOUND"),
    *_rows(VenueBusyError, _U, _F.VENUE, After.AGAIN, _GRPC, "UNAVAILABLE"),
    *_rows(OutcomeUnknownError, _U, _F.VENUE, After.AGAIN, _GRPC, "INTERNAL", "DEADLINE_EXCEEDED", "ABORTED"),
    *_rows(OutcomeUnknownError, _U, _F.VENUE, After.AGAIN, _APP, "INTERNAL_SERVER_ERROR"),
    *_rows(OutcomeUnknownError, _U, _F.VENUE, After.AGAIN, _CCXT, "UNKNOWN"),
    # Orders. The answer says that none was created; these are about the order, and stay true.
    *_rows(
        InsufficientFundsError,
        _R,
        _F.FUNDS,
        After.NOT_AGAIN,
        _CREATE,
        "INSUFFICIENT_FUND",
        "INSUFFICIENT_FUNDS",
        "INVALID_LEDGER_BALANCE",
    ),
    *_rows(
        InsufficientFundsError,
        _R,
        _F.FUNDS,
        After.NOT_AGAIN,
        _PREVIEW,
        "INSUFFICIENT_LEDGER_BALANCE",
        "INSUFFICIENT_FUNDS_FOR_FUTURES",
    ),
    *_rows(
        MaintenanceError,
        _R,
        _F.REQUEST,
        After.NOT_AGAIN,
        _CREATE,
        "ORDER_ENTRY_DISABLED",
        "TRADING_DISABLED",
        "PRODUCT_TRADING_HALTED",
        "UNTRADABLE_PRODUCT",
        "INVALID_NO_LIQUIDITY",
        "MISSING_MARKET_TRADE_DATA",
    ),
    *_rows(
        MaintenanceError,
        _R,
        _F.REQUEST,
        After.NOT_AGAIN,
        _PREVIEW,
        "NOT_ALLOWED_BY_MARKET_STATE",
        "MISSING_PRODUCT_PRICE_BOOK",
        "MISSING_COMMISSION_RATE",
    ),
    *_rows(
        VenueRejectedError,
        _R,
        _F.REQUEST,
        After.NOT_AGAIN,
        _CREATE,
        "UNSUPPORTED_ORDER_CONFIGURATION",
        "INVALID_SIDE",
        "INVALID_PRODUCT_ID",
        "INVALID_SIZE_PRECISION",
        "INVALID_PRICE_PRECISION",
        "INELIGIBLE_PAIR",
        "INVALID_LIMIT_PRICE",
        "INVALID_LIMIT_PRICE_POST_ONLY",
        "INVALID_REQUEST",
        "INVALID_MARGIN_TYPE",
        "INVALID_LEVERAGE",
        "INVALID_FCM_TRADING_SESSION",
        "INVALID_SETTLEMENT_CURRENCY",
        "GEOFENCING_RESTRICTION",
        "UNTRADABLE_FCM_ACCOUNT_STATUS",
        "IN_LIQUIDATION",
        "LIMIT_PRICE_TOO_FAR_FROM_MARKET",
        "LIMIT_ORDER_PRICE_EXCEEDS_PRICE_BAND*",
        "BREACHED_RISK_LIMIT",
        "POSITION_SIZE_INCREASE_REJECT",
        "ASSET_BALANCE_INCREASE_REJECT",
        "FOK_DISABLED",
        "FOK_ONLY_ALLOWED_ON_LIMIT_ORDERS",
        "POST_ONLY_NOT_ALLOWED_WITH_FOK",
        "END_TIME_*",
        "GTD_ORDERS_MUST_HAVE_END_TIME",
        "STOP_ALREADY_TRIGGERED",
        "REPLACE_NOT_SUPPORTED",
        "ORDER_IS_PENDING_CANCEL",
        "TOO_MANY_PENDING_REPLACES",
        "QUOTE_ORDERS_NOT_ALLOWED_FOR_PRODUCT",
        "FRACTIONAL_ORDERS_NOT_ALLOWED_FOR_PRODUCT",
        "REDUCE_ONLY_NOT_ALLOWED_ON_SPOT_PRODUCTS",
        "CANNOT_CLOSE_ZERO_POSITION",
        "*BRACKET*",
        "*ATTACHED*",
        "TAKE_PROFIT_*",
        "STOP_LOSS_*",
        "DURATION_*",
        "BUCKET_SIZE_*",
        "START_TIME_MUST_BE_SPECIFIED",
        "SCALED_*",
        "*_PEG_*",
        "PEG_*",
        "RFQ_*",
        "INVALID_RFQ_*",
        "*NBBO*",
        "*15C35*",
        "*NON_CORE_SESSION*",
        "FUTURES_AFTER_HOUR_*",
    ),
    *_rows(
        VenueRejectedError,
        _R,
        _F.REQUEST,
        After.NOT_AGAIN,
        _PREVIEW,
        "INVALID_ORDER_CONFIG",
        "INVALID_COMMISSION_CONFIGURATION",
        "INVALID_STOP_PRICE",
        "INVALID_BASE_SIZE_*",
        "INVALID_QUOTE_SIZE_*",
        "INVALID_PRICE_TOO_LARGE",
        "INVALID_LIMIT_PRICE_PRECISION",
        "BREACHED_PRICE_LIMIT",
        "BREACHED_ACCOUNT_POSITION_LIMIT",
        "BREACHED_COMPANY_POSITION_LIMIT",
        "COMPLIANCE_PURCHASE_LIMIT_EXCEEDED",
        "MAX_DAILY_VOLUME_NOTIONAL_BREACHED",
        "NON_NUMERIC_ORDER_SIZE",
        "CLOSE_ONLY_FAILURE",
        "STOP_PRICE_*",
        "INVALID_MARGIN_HEALTH",
    ),
    # The order is there already; which answer re-use gets, this or the first order itself, is unconfirmed.
    *_rows(OutcomeUnknownError, _U, _F.REQUEST, After.LOOK_UP, _CREATE, "DUPLICATE_CLIENT_ORDER_ID"),
    # Not created, says the answer, for a reason inside the venue: not believed without a look.
    *_rows(OutcomeUnknownError, _U, _F.VENUE, After.AGAIN, _CREATE, "COMMANDER_REJECTED_NEW_ORDER"),
    *_rows(OutcomeUnknownError, _U, _F.VENUE, After.AGAIN, _PREVIEW, "RISK_PROXY_FAILURE"),
    *_rows(OutcomeUnknownError, _U, _F.VENUE, After.AGAIN, _FAQ, "UNKNOWN_*"),
    # Cancels.
    *_rows(UnknownOrderError, _R, _F.REQUEST, After.NOT_AGAIN, _SANDBOX, "UNKNOWN_CANCEL_ORDER", "ORDER_NOT_FOUND"),
    *_rows(
        VenueRejectedError,
        _R,
        _F.REQUEST,
        After.NOT_AGAIN,
        _CANCEL,
        "INVALID_CANCEL_REQUEST",
        "COMMANDER_REJECTED_CANCEL_ORDER",
        "DUPLICATE_CANCEL_REQUEST",
    ),
)
"""Every word we know, in no order that matters."""

_EXACT: Final = {row.word: row for row in TABLE if "*" not in row.word}
_FAMILIES: Final = [
    (re.compile(re.escape(row.word).replace(r"\*", ".*") + r"\Z"), row)
    for row in sorted(TABLE, key=lambda row: len(row.word), reverse=True)
    if "*" in row.word
]


def find(word: str) -> Row | None:
    """The row for one word, or None where we do not know it."""
    squeezed = "_".join(word.upper().split())
    for each in (squeezed, squeezed.removeprefix("PREVIEW_")):
        row = _EXACT.get(each)
        if row is not None:
            return row
    for pattern, row in _FAMILIES:
        if pattern.match(squeezed) or pattern.match(squeezed.removeprefix("PREVIEW_")):
            return row
    return None


class _Envelope(msgspec.Struct, kw_only=True):
    """Both request-level envelopes: ``{"error", "message"}`` and ``{"errors": [{"id", "message"}]}``."""

    error: str | None = None
    error_details: str | None = None
    message: str | None = None
    errors: list[dict[str, object]] | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


def words_in(body: bytes) -> tuple[str, str] | None:
    """
    The word and the text of a request's error, whichever envelope it has; None where it has neither.

    The word is empty where an envelope only has text. Source:
    https://docs.cdp.coinbase.com/coinbase-app/api-architecture/error-handling (checked 2026-11-20)
    """
    try:
        envelope = _ENVELOPE.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    for each in envelope.errors or ():
        return str(each.get("id") or ""), str(each.get("message") or "")
    told = envelope.error_details or envelope.message or ""
    if envelope.error is None and not told:
        return None
    return envelope.error or "", told


def word_in(*fields: str | None) -> str:
    """The first of an order's refusal fields that says something; empty where none does."""
    told = [field for field in fields if field]
    for field in told:
        if not field.upper().removeprefix("PREVIEW_").startswith("UNKNOWN"):
            return field
    return told[0] if told else ""


def error_of(
    word: str, *, request: str, account: str | None, told: str = "", wait_s: float | None = None
) -> tuple[VenueError, After]:
    """
    The error that one word means, and what may follow. An unlisted word is a plain ``VenueError``, outcome unknown.

    Args:
        word: Coinbase's word.
        request: Our name of the call.
        account: The broker's name, or None for public calls.
        told: Coinbase's text beside it.
        wait_s: What a header asked for, already capped.
    """
    row = find(word)
    text = f": {shown(told)}" if told else ""
    message = f"coinbase answered {request} with {shown(word) or 'no word'}{text}"
    if row is None:
        unlisted = VenueError(
            f"{message}; not in our table",
            venue="coinbase",
            request=request,
            account=account,
            code=shown(word) or None,
            retry_after_s=wait_s,
        )
        return unlisted, After.NOT_AGAIN
    if row.after is After.WAIT and wait_s is None:
        wait_s = limits.QUIET_AFTER_REFUSAL_S
    error = row.error(
        message,
        venue="coinbase",
        request=request,
        account=account,
        outcome=row.outcome,
        fault=row.fault,
        code=shown(word.upper()) if "*" in row.word else row.word,
        retry_after_s=wait_s,
    )
    return error, row.after


def of_status(
    status: int, body: bytes, *, request: str, account: str | None, wait_s: float | None
) -> tuple[VenueError, After]:
    """
    The error of an answer whose status is none of success.

    The status decides whose answer it is: a server's fault may follow an order that went through, whatever word it
    carries, and a 401 is most often bare text. Otherwise the word does.

    Sources: https://github.com/JKorf/Coinbase.Net/pull/31 for the 401,
    https://github.com/hummingbot/hummingbot/pull/6458 for 502 and 503 with text (checked 2026-11-20)
    """
    words = words_in(body)
    word, told = words or ("", "")
    text = f" ({shown(f'{word} {told}'.strip())})" if words else ""
    message = f"coinbase answered {request} with HTTP {status}{text}"

    def made(kind: type[VenueError], outcome: Outcome, fault: FaultClass) -> VenueError:
        return kind(
            message,
            venue="coinbase",
            request=request,
            account=account,
            outcome=outcome,
            fault=fault,
            code=str(status),
            retry_after_s=wait_s,
        )

    if status >= 500:
        kind = VenueBusyError if status == 503 else OutcomeUnknownError
        return made(kind, _U, _F.VENUE), After.AGAIN
    if status == 401:
        return made(VenueRejectedError, _R, _F.VENUE), After.NEW_TOKEN
    if status == 429:
        row = find(word)
        # Its documented form says that nothing was done; anything else may come from before Coinbase.
        proof = _R if row is not None and row.error is RateLimitedError else _U
        limited = made(RateLimitedError, proof, _F.RATE_LIMIT)
        limited.retry_after_s = limits.QUIET_AFTER_REFUSAL_S if wait_s is None else wait_s
        return limited, After.WAIT
    if words is None:
        return made(VenueError, _U, _F.VENUE), After.NOT_AGAIN
    if status == 403:
        return made(PermissionMissingError, _R, _F.CREDENTIAL), After.MISSING_RIGHT
    if status == 404:
        return made(UnknownOrderError, _R, _F.REQUEST), After.NOT_AGAIN
    return error_of(word, request=request, account=account, told=told, wait_s=wait_s)


def refused_for_good(request: str, account: str | None, *, times: int, for_s: float) -> BadCredentialError:
    """What so many refused tokens in a row mean, with clocks compared before each."""
    return BadCredentialError(
        f"coinbase refused {times} tokens in a row over {for_s:.0f} s ({request}), with clocks compared: the key is "
        "unknown or its secret is wrong; where it is an Ed25519 key, try an ECDSA one",
        venue="coinbase",
        request=request,
        account=account,
        code="401",
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """
    Seconds that ``x-ratelimit-reset`` or ``retry-after`` ask for: capped, never negative; None where neither says.

    Source: https://github.com/JKorf/Coinbase.Net for the former's unit (checked 2026-11-20)
    """
    for name in ("retry-after", "x-ratelimit-reset"):
        text = headers.get(name, "").strip()[:32]
        if re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", text):
            asked_s = float(text)
            return min(math.ceil(asked_s * 1000) / 1000, limits.RETRY_AFTER_MAX_S)
    return None


# A token, or a part of one: it would be good for two minutes wherever it is read.
_TOKEN: Final = re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*")


def shown(text: str) -> str:
    """A venue's text made safe for one line of a log, without any token that it repeats."""
    text = _TOKEN.sub("***", text)
    safe = text if text.isascii() and text.isprintable() else ascii(text)
    return safe if len(safe) <= 160 else safe[:157] + "..."
