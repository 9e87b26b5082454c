"""Our errors as ccxt's own, so that a bot's handlers go on working: retryable there means that nothing was sent."""

from __future__ import annotations

from typing import Final

import ccxt

from holdfast import errors

__all__ = ["OrderInDoubtError", "as_ccxt"]


class OrderInDoubtError(ccxt.ExchangeError):  # type: ignore[misc]  # ccxt has no types.
    """
    The order's answer was lost and no evidence came in time. Not retryable: it may be at the venue.

    Its money stays reserved, and the account's owner goes on looking.

    Attributes:
        intent_id: For ``broker.resolution(intent_id)``, and as ``clientOrderId``: using it again places no second one.
    """

    def __init__(self, message: str, *, intent_id: str | None) -> None:
        super().__init__(message)
        self.intent_id = intent_id


# From the particular to the general: the first class that fits decides.
_CLASSES: Final[tuple[tuple[type[BaseException], type[BaseException]], ...]] = (
    (errors.FundsShortError, ccxt.InsufficientFunds),
    (errors.InsufficientFundsError, ccxt.InsufficientFunds),
    (errors.BalanceUnknownError, ccxt.ExchangeNotAvailable),
    (errors.BalanceStaleError, ccxt.ExchangeNotAvailable),
    (errors.BreakerOpenError, ccxt.ExchangeNotAvailable),
    (errors.CredentialBusyError, ccxt.ExchangeNotAvailable),
    (errors.OwnerSilentError, ccxt.ExchangeNotAvailable),
    (errors.NotReadyError, ccxt.ExchangeNotAvailable),
    (errors.CredentialParkedError, ccxt.AuthenticationError),
    (errors.HaltedError, ccxt.ManualInteractionNeeded),
    (errors.IntentRepeatedError, ccxt.DuplicateOrderId),
    (errors.OrderInputError, ccxt.InvalidOrder),
    (errors.OrderRuleError, ccxt.InvalidOrder),
    (errors.UnsupportedError, ccxt.NotSupported),
    (errors.UnknownReservationError, ccxt.OrderNotFound),
    (errors.UnknownOrderError, ccxt.OrderNotFound),
    (errors.PermissionMissingError, ccxt.PermissionDenied),
    (errors.BadCredentialError, ccxt.AuthenticationError),
    (errors.InvalidNonceError, ccxt.InvalidNonce),
    (errors.LockoutError, ccxt.DDoSProtection),
    (errors.RateLimitedError, ccxt.RateLimitExceeded),
    (errors.MaintenanceError, ccxt.OnMaintenance),
    (errors.VenueUnreachableError, ccxt.ExchangeNotAvailable),
    (errors.VenueBusyError, ccxt.ExchangeNotAvailable),
    (errors.OutcomeUnknownError, ccxt.RequestTimeout),
    (errors.PayloadError, ccxt.BadResponse),
    (errors.UnknownNameError, ccxt.BadSymbol),
    (errors.ClosedError, ccxt.ExchangeClosedByUser),
)


def as_ccxt(error: errors.HoldfastError, *, exchange_id: str) -> BaseException:
    """*error* as the class of ccxt's that a bot handles alike; raise it ``from`` the original. Does not suspend."""
    message = f"{exchange_id} {error}"
    if isinstance(error, errors.CredentialParkedError) and error.cause == "lockout":
        return ccxt.DDoSProtection(message)  # type: ignore[no-any-return]
    for ours, theirs in _CLASSES:
        if isinstance(error, ours):
            return theirs(message)
    return ccxt.ExchangeError(message)  # type: ignore[no-any-return]
