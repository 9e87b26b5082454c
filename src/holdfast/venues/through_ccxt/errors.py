"""
ccxt's errors to our classes: its own tree, https://docs.ccxt.com/#/README?id=error-handling (checked 2026-11-20).

ccxt maps each exchange's words to these classes by lists of its own, and falls back to ``ExchangeError`` where it knows
none. So only what its documentation calls a refusal is one for an order; everything else is an unknown outcome.
"""

from __future__ import annotations

from typing import Any, Final

import ccxt
import msgspec

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

__all__ = ["TABLE", "Row", "error_of"]

_DOCS: Final = "https://docs.ccxt.com/#/README?id=error-handling"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One class of ccxt's: what it is here, and what it means for an order. ``source`` is its page."""

    word: str
    error: type[VenueError]
    outcome: Outcome
    fault: FaultClass
    source: str = _DOCS


_R, _U = Outcome.REJECTED, Outcome.UNKNOWN

TABLE: Final = (
    Row(word="InsufficientFunds", error=InsufficientFundsError, outcome=_R, fault=FaultClass.FUNDS),
    Row(word="OrderNotFound", error=UnknownOrderError, outcome=_R, fault=FaultClass.REQUEST),
    Row(word="DuplicateOrderId", error=OutcomeUnknownError, outcome=_U, fault=FaultClass.REQUEST),
    Row(word="InvalidOrder", error=VenueRejectedError, outcome=_R, fault=FaultClass.REQUEST),
    Row(word="BadSymbol", error=VenueRejectedError, outcome=_R, fault=FaultClass.REQUEST),
    Row(word="BadRequest", error=VenueRejectedError, outcome=_R, fault=FaultClass.REQUEST),
    Row(word="ArgumentsRequired", error=VenueRejectedError, outcome=_R, fault=FaultClass.REQUEST),
    Row(word="NotSupported", error=VenueRejectedError, outcome=_R, fault=FaultClass.REQUEST),
    Row(word="OperationRejected", error=VenueRejectedError, outcome=_R, fault=FaultClass.REQUEST),
    Row(word="PermissionDenied", error=PermissionMissingError, outcome=_R, fault=FaultClass.CREDENTIAL),
    Row(word="AuthenticationError", error=BadCredentialError, outcome=_R, fault=FaultClass.CREDENTIAL),
    Row(word="InvalidNonce", error=InvalidNonceError, outcome=_U, fault=FaultClass.CREDENTIAL),
    Row(word="DDoSProtection", error=LockoutError, outcome=_U, fault=FaultClass.RATE_LIMIT),
    Row(word="RateLimitExceeded", error=RateLimitedError, outcome=_U, fault=FaultClass.RATE_LIMIT),
    Row(word="OnMaintenance", error=MaintenanceError, outcome=_U, fault=FaultClass.VENUE),
    Row(word="ExchangeNotAvailable", error=VenueBusyError, outcome=_U, fault=FaultClass.VENUE),
    Row(word="RequestTimeout", error=OutcomeUnknownError, outcome=_U, fault=FaultClass.NETWORK),
    Row(word="NetworkError", error=OutcomeUnknownError, outcome=_U, fault=FaultClass.NETWORK),
    Row(word="BadResponse", error=OutcomeUnknownError, outcome=_U, fault=FaultClass.PAYLOAD),
    Row(word="ExchangeError", error=OutcomeUnknownError, outcome=_U, fault=FaultClass.VENUE),
    Row(word="BaseError", error=OutcomeUnknownError, outcome=_U, fault=FaultClass.VENUE),
)
"""From the particular to the general: the first class that fits decides."""

_CLASSES: Final = tuple((getattr(ccxt, row.word), row) for row in TABLE)


def error_of(error: BaseException, *, request: str, account: str, told: str) -> VenueError | PayloadError:
    """
    What a ccxt call raised, as ours. Does not suspend.

    Args:
        error: Of ccxt's tree; anything else is an answer that ccxt itself could not read.
        request: The unified call.
        account: The broker's name.
        told: The message, cleaned of secrets.
    """
    for kind, row in _CLASSES:
        if isinstance(error, kind):
            facts: dict[str, Any] = {"venue": "through_ccxt", "request": request, "account": account}
            return row.error(
                f"{request}: {type(error).__name__}: {told}",
                outcome=row.outcome,
                fault=row.fault,
                code=type(error).__name__,
                **facts,
            )
    return PayloadError(f"{request}: ccxt could not read the answer: {type(error).__name__}: {told}")
