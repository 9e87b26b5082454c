"""Our errors as ccxt's own, so that a bot's handlers go on working: retryable there means that nothing was sent."""

from __future__ import annotations

from typing import Any, Final

import ccxt

from holdfast import errors

__all__ = ["OrderInDoubtError", "as_ccxt", "rejected_order"]


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


_CROSSES: Final = frozenset({"EOrder:Post only order", "INVALID_LIMIT_PRICE_POST_ONLY"})
"""
A post-only order that would have taken from the book, at venues that refuse it (OKX takes it and cancels it).

https://docs.kraken.com/exchange/guides/general/errors ·
https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/create-order (checked 2026-11-20)
"""


def rejected_order(error: errors.VenueRejectedError, exchange: Any) -> BaseException:
    """
    An order that the venue refused, as the class that ccxt itself raises for the venue's code; does not suspend.

    By *exchange*'s own tables; ``InvalidOrder`` where they have no row for the code, whose ``OrderImmediatelyFillable``
    says that a post-only order would have crossed. What we know better keeps our row.
    """
    if type(error) is not errors.VenueRejectedError:
        return as_ccxt(error, exchange_id=exchange.id)
    message, code = f"{exchange.id} {error}", error.code or ""
    if code in _CROSSES:
        return ccxt.OrderImmediatelyFillable(message)  # type: ignore[no-any-return]
    tables = exchange.exceptions if isinstance(exchange.exceptions, dict) else {}
    found = (tables.get("exact") or {}).get(code)
    if found is None:
        broad = tables.get("broad") or {}
        found = next((kind for words, kind in broad.items() if words in code or words in str(error)), None)
    # A code that ccxt has under another branch says nothing that a handler of orders would catch.
    is_of_use = isinstance(found, type) and issubclass(found, ccxt.BaseError) and found is not ccxt.ExchangeError
    return (found if is_of_use else ccxt.InvalidOrder)(message)  # type: ignore[misc,no-any-return]
