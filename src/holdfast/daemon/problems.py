"""
Errors as HTTP says them: one envelope for all, a status that programs may act on, and never a trace of our insides.

What the tree of errors knows goes along: what may have happened at the venue (``outcome``), whose intent it was, when
to come again. Money in doubt is a 504 with ``outcome`` unknown: it is looked up by its intent, and never sent again.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

import msgspec

from holdfast import errors
from holdfast.errors import HoldfastError
from holdfast.runtime.documents import document_of

__all__ = ["Problem", "ProblemReply", "RefusedError", "problem_of", "status_of"]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """
    Why a request was not answered as asked.

    ``code`` is a fixed word; ``message`` a sentence for people, which may quote a venue; ``hint`` what to do.
    ``retry_after_s`` is None where waiting does not help or nobody knows. ``outcome`` is what may have happened at the
    venue. ``verdict`` is the arithmetic of a funds check that denied, ``routing`` why no broker
    would do.
    """

    code: str
    message: str
    hint: str | None = None
    retry_after_s: float | None = None
    outcome: str | None = None
    field: str | None = None
    intent_id: str | None = None
    checks: tuple[str, ...] = ()
    verdict: dict[str, Any] | None = None
    routing: dict[str, Any] | None = None


class ProblemReply(msgspec.Struct, frozen=True, kw_only=True):
    """What every reply that is no answer holds."""

    error: Problem


class RefusedError(Exception):
    """A request that is refused before anything was asked of a broker."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        retry_after_s: float | None = None,
        field: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = Problem(code=code, message=message, hint=hint, retry_after_s=retry_after_s, field=field)
        self.headers = headers or {}


_STATUSES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (errors.UnknownNameError, HTTPStatus.NOT_FOUND),
    (errors.OwnedElsewhereError, HTTPStatus.CONFLICT),
    (errors.OrderInputError, HTTPStatus.BAD_REQUEST),
    (errors.UnknownReservationError, HTTPStatus.NOT_FOUND),
    (errors.ReservationError, HTTPStatus.CONFLICT),
    (errors.HaltedError, HTTPStatus.CONFLICT),
    (errors.OrderRuleError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.FundsShortError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.UnsupportedError, HTTPStatus.NOT_IMPLEMENTED),
    (errors.NotListedError, HTTPStatus.NOT_FOUND),
    (errors.NoneFundedError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.DeniedError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.UnknownOrderError, HTTPStatus.NOT_FOUND),
    (errors.VenueUnreachableError, HTTPStatus.BAD_GATEWAY),
    (errors.VenueRejectedError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.VenueBusyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.OutcomeUnknownError, HTTPStatus.GATEWAY_TIMEOUT),
    (errors.VenueError, HTTPStatus.BAD_GATEWAY),
    (errors.PayloadError, HTTPStatus.BAD_GATEWAY),
    (errors.ConfigError, HTTPStatus.CONFLICT),
    (errors.ClosedError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.InvariantError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (HoldfastError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (ValueError, HTTPStatus.BAD_REQUEST),
)
"""Status by class, the first that fits."""

_HINTS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (errors.IntentRepeatedError, "ask what became of it: GET /v1/brokers/{broker}/orders/{intent_id}"),
    (errors.OutcomeUnknownError, "it is not sent again; GET /v1/brokers/{broker}/orders/{intent_id} tells its end"),
    (errors.BreakerOpenError, "it heals by itself; POST /v1/brokers/{broker}/reset closes it at once"),
    (errors.BalanceStaleError, "POST /v1/brokers/{broker}/refresh reads the account now"),
    (errors.BalanceUnknownError, "POST /v1/brokers/{broker}/refresh reads the account now"),
    (errors.HaltedError, "POST /v1/brokers/{broker}/trading with state active takes orders again"),
    (errors.StoreError, "`holdfast doctor` tells what is wrong with the store, and what to do"),
)


def status_of(error: Exception) -> int:
    """The HTTP status for an error of ours, or 500."""
    return next((int(status) for kind, status in _STATUSES if isinstance(error, kind)), 500)


def problem_of(error: Exception) -> Problem:
    """An error as the envelope says it; what is neither ours nor a caller's mistake is a bug, and nothing of it is."""
    if not isinstance(error, HoldfastError | ValueError):
        return Problem(code="bug", message="a bug of holdfast ended this request; the daemon's log has more")
    verdict = getattr(error, "verdict", None)
    routing = getattr(error, "routing", None)
    outcome = getattr(error, "outcome", None)
    return Problem(
        code=code_of(type(error)),
        message=str(error)[:4000],
        hint=next((hint for kind, hint in _HINTS if isinstance(error, kind)), None),
        retry_after_s=getattr(error, "retry_after_s", None),
        outcome=None if outcome is None else str(outcome.value),
        field=getattr(error, "field", None),
        intent_id=getattr(error, "intent_id", None),
        checks=tuple(getattr(error, "checks", ())),
        verdict=None if verdict is None else document_of(verdict),
        routing=None if routing is None else routing.document(),
    )


def code_of(kind: type[Exception]) -> str:
    """The fixed word for a class of errors: ``FundsShortError`` is ``funds_short``."""
    known = next((each for each in kind.__mro__ if each.__name__ in errors.__all__), None)
    if known is None:
        return "bad_request"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", known.__name__.removesuffix("Error")).lower()
