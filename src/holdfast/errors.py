"""
Every error holdfast raises, and what each one allows you to do next.

    HoldfastError
    ├── ConfigError                   fix the file, restart (exit 3)
    │   └── UnknownNameError          no such broker, asset or instrument; names the nearest ones
    │       └── UnsupportedSymbolError   understood, and not traded here: symbol, and the reason
    ├── DeniedError                   we refused, nothing was sent
    │   ├── BalanceUnknownError       the figure was never confirmed
    │   ├── BalanceStaleError         the figure is too old, suspect or restored
    │   ├── FundsShortError           the figure is good and too small
    │   ├── BreakerOpenError          retry_after_s, or None when isolated by a person
    │   ├── CredentialBusyError       another process holds the lane: pid, held_for_s
    │   ├── CredentialParkedError     why, and until when
    │   ├── HaltedError               the broker takes no such order now: halted, or reducing
    │   ├── OrderInputError           what was asked for is no order: float money, zero, no price (exit 2)
    │   ├── OrderRuleError            the instrument, the venue or one of our limits does not allow it
    │   ├── ReservationError          the reservation does not exist, or is not in a state for this
    │   │   ├── UnknownReservationError
    │   │   ├── ReservationStateError
    │   │   └── IntentRepeatedError   this intent was used before; ``intent_id`` leads to what became of it
    │   ├── UnsupportedError          the venue offers no such thing: capability, and the venue's reason
    │   ├── OwnerSilentError          the owner does not answer: pid, for how long; nothing was sent (exit 9)
    │   ├── NoBrokerError             no broker would do: routing says why not, of each
    │   │   ├── AllUnhealthyError     none is fit now (exit 6)
    │   │   ├── NoneFundedError       none that is fit has the money (exit 4)
    │   │   └── NotListedError        none lists the instrument (exit 2)
    │   └── NotReadyError             the checks that failed
    ├── VenueError                    the venue is involved: venue, account, request, outcome
    │   ├── VenueUnreachableError     NEVER_SENT: provably never arrived
    │   ├── VenueRejectedError        REJECTED: the venue's code and text
    │   │   ├── InsufficientFundsError
    │   │   ├── InvalidNonceError
    │   │   ├── UnknownOrderError     no such open order: it ended, or was never there
    │   │   ├── BadCredentialError
    │   │   └── PermissionMissingError
    │   ├── VenueBusyError            UNKNOWN unless the venue documents otherwise
    │   │   ├── RateLimitedError
    │   │   │   └── LockoutError      the venue asks for silence on this credential
    │   │   └── MaintenanceError
    │   └── OutcomeUnknownError       UNKNOWN: reconcile, do not resend
    ├── PayloadError                  the venue's answer cannot be believed; nothing was applied
    │   ├── AmountError               a money field that is not an exact, bounded decimal
    │   ├── UnknownAssetError         an asset symbol the venue never listed
    │   └── SuspectAnswerError        well-formed, but contradicts what is known until a second read agrees
    ├── StoreError                    our own durable state
    │   ├── StoreCorruptError
    │   ├── StoreFullError
    │   ├── StoreReadOnlyError
    │   └── StoreVersionError
    ├── OwnedElsewhereError           pid, host, and how to attach (exit 9)
    ├── ClosedError                   used after close, from another loop, or in a forked child
    └── InvariantError                our bug: stop that account, keep the evidence

The class says what happened; ``outcome`` on a ``VenueError`` says what may follow.
"""

from __future__ import annotations

import enum
from typing import Any, ClassVar

__all__ = [
    "AllUnhealthyError",
    "AmountError",
    "BadCredentialError",
    "BalanceStaleError",
    "BalanceUnknownError",
    "BreakerOpenError",
    "ClosedError",
    "ConfigError",
    "CredentialBusyError",
    "CredentialParkedError",
    "DeniedError",
    "FaultClass",
    "FundsShortError",
    "HaltedError",
    "HoldfastError",
    "InsufficientFundsError",
    "IntentRepeatedError",
    "InvalidNonceError",
    "InvariantError",
    "LockoutError",
    "MaintenanceError",
    "NoBrokerError",
    "NoneFundedError",
    "NotListedError",
    "NotReadyError",
    "OrderInputError",
    "OrderRuleError",
    "Outcome",
    "OutcomeUnknownError",
    "OwnedElsewhereError",
    "OwnerSilentError",
    "PayloadError",
    "PermissionMissingError",
    "RateLimitedError",
    "ReservationError",
    "ReservationStateError",
    "StoreCorruptError",
    "StoreError",
    "StoreFullError",
    "StoreReadOnlyError",
    "StoreVersionError",
    "SuspectAnswerError",
    "UnknownAssetError",
    "UnknownNameError",
    "UnknownOrderError",
    "UnknownReservationError",
    "UnsupportedError",
    "UnsupportedSymbolError",
    "VenueBusyError",
    "VenueError",
    "VenueRejectedError",
    "VenueUnreachableError",
]


class Outcome(enum.StrEnum):
    """
    What may have happened at the venue.

    Only ``REJECTED`` and ``NEVER_SENT`` release money. The kind of request decides which applies to a lost answer:
    for an order it is ``UNKNOWN``; a read can simply be asked again.
    """

    APPLIED = "applied"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NEVER_SENT = "never_sent"


class FaultClass(enum.StrEnum):
    """
    Whose fault an error is; decides whether it counts against the venue.

    ``NETWORK``, ``VENUE`` and ``PAYLOAD`` count toward a broker's error count. ``RATE_LIMIT`` has its own cool-down,
    ``CREDENTIAL`` and ``CLOCK`` park the credential, ``FUNDS`` and ``REQUEST`` are ours and never count.
    """

    NETWORK = "network"
    VENUE = "venue"
    PAYLOAD = "payload"
    RATE_LIMIT = "rate_limit"
    CREDENTIAL = "credential"
    CLOCK = "clock"
    FUNDS = "funds"
    REQUEST = "request"


class HoldfastError(Exception):
    """Base of everything holdfast raises on purpose."""

    exit_code: ClassVar[int] = 1
    """Process exit code the CLI uses for this error (see the exit-code table in the reference)."""


class ConfigError(HoldfastError):
    """The configuration or a credential file cannot be used; the message names the file, the key and the fix."""

    exit_code = 3


class UnknownNameError(ConfigError):
    """A broker, asset or instrument name that does not exist here; the message lists the nearest ones."""

    exit_code = 2


class UnsupportedSymbolError(UnknownNameError):
    """
    The instrument is understood, and holdfast does not trade it, whether the venue lists it or not.

    Attributes:
        symbol: Canonical where it can be said so, else the text as it was given.
        reason: Why, in a sentence.
    """

    def __init__(self, message: str, *, symbol: str, reason: str) -> None:
        super().__init__(message)
        self.symbol = symbol
        self.reason = reason


class DeniedError(HoldfastError):
    """
    We refused; nothing was sent.

    Attributes:
        verdict: The ``Verdict`` that says why, with its arithmetic, where a funds check refused; else None.
    """

    exit_code = 6
    verdict: Any = None


class BalanceUnknownError(DeniedError):
    """The balance asked for was never confirmed. Unknown is not zero."""

    exit_code = 5


class BalanceStaleError(DeniedError):
    """The latest figure is too old, suspect, restored or invalidated to act on."""

    exit_code = 5


class FundsShortError(DeniedError):
    """The figure is good, and smaller than what is needed."""

    exit_code = 4


class BreakerOpenError(DeniedError):
    """
    The breaker refuses calls.

    Attributes:
        retry_after_s: Seconds until the next trial, or None when isolated by a person.
    """

    def __init__(self, message: str, *, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CredentialBusyError(DeniedError):
    """
    Another holder kept the credential's lane for longer than the wait bound. Nothing is stolen.

    Attributes:
        pid: Process that holds the lane, or None when it could not be read.
        held_for_s: Seconds it has been held, by our clock, or None.
    """

    exit_code = 6

    def __init__(self, message: str, *, pid: int | None, held_for_s: float | None) -> None:
        super().__init__(message)
        self.pid = pid
        self.held_for_s = held_for_s


class CredentialParkedError(DeniedError):
    """
    The credential is parked: nothing is signed with it until the named cause is gone.

    Attributes:
        cause: One word for the cause, such as ``invalid_nonce``, ``bad_key``, ``lockout``, ``clock``.
        retry_after_s: Seconds until one probe is allowed, or None when a person has to act.
    """

    exit_code = 3

    def __init__(self, message: str, *, cause: str, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.cause = cause
        self.retry_after_s = retry_after_s


class HaltedError(DeniedError):
    """The broker is halted, by a person or because its restored store is behind what was already acted on."""


class OrderInputError(DeniedError, ValueError):
    """
    What was asked for is no order: money as a float or a bool, NaN, zero, negative, no price where one is needed.

    Attributes:
        field: The argument that is wrong, such as ``quantity``.
    """

    exit_code = 2

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class OrderRuleError(DeniedError):
    """The instrument's rules, the venue's mode or one of our own limits do not allow this order."""


class ReservationError(DeniedError):
    """
    A reservation does not exist, or is not in a state for what was asked; nothing changed.

    Attributes:
        intent_id: Whose reservation.
    """

    exit_code = 2

    def __init__(self, message: str, *, intent_id: str) -> None:
        super().__init__(message)
        self.intent_id = intent_id


class UnknownReservationError(ReservationError):
    """No intent of this id is remembered."""


class ReservationStateError(ReservationError):
    """
    The reservation's state does not allow this: released twice, consumed, or its order may be at the venue.

    Attributes:
        state: The state it is in.
    """

    def __init__(self, message: str, *, intent_id: str, state: str) -> None:
        super().__init__(message, intent_id=intent_id)
        self.state = state


class IntentRepeatedError(ReservationError):
    """This intent id was used before, within the 30 days that ids are remembered: look up what became of it."""


class UnsupportedError(DeniedError):
    """
    The venue offers nothing of the kind; nothing was sent, and asking again changes nothing.

    Attributes:
        capability: What is missing, by its name in the table of capabilities, such as ``order-check``.
    """

    exit_code = 2

    def __init__(self, message: str, *, capability: str) -> None:
        super().__init__(message)
        self.capability = capability


class OwnerSilentError(DeniedError):
    """
    The process that owns the account does not answer; nothing was sent, and nobody takes the account from it.

    Attributes:
        pid: The owning process, or None when it is not known.
        silent_for_s: Seconds since it was last heard.
    """

    exit_code = 9

    def __init__(self, message: str, *, pid: int | None, silent_for_s: float | None) -> None:
        super().__init__(message)
        self.pid = pid
        self.silent_for_s = silent_for_s


class NoBrokerError(DeniedError):
    """
    No broker would do for this order, and nothing was sent.

    Attributes:
        code: The answer, as one fixed word: ``all_unhealthy``, ``none_funded``, ``not_listed`` or ``none_suited``.
        routing: The decision with its evidence: ``routing.refusals`` says why not, of each broker.
    """

    code: str = "none_suited"
    routing: Any = None


class AllUnhealthyError(NoBrokerError):
    """No broker that may list the instrument is fit to take an order now; none was taken for being the least bad."""

    code = "all_unhealthy"
    exit_code = 6


class NoneFundedError(NoBrokerError):
    """Of the brokers that are fit and list the instrument, none has the money for this order."""

    code = "none_funded"
    exit_code = 4


class NotListedError(NoBrokerError):
    """No broker lists the instrument."""

    code = "not_listed"
    exit_code = 2


class NotReadyError(DeniedError):
    """Something needed is not proven yet; ``checks`` names what."""

    exit_code = 5

    def __init__(self, message: str, *, checks: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.checks = checks


class VenueError(HoldfastError):
    """
    Something went wrong between us and a venue.

    An unlisted venue code stays a plain ``VenueError``, ``UNKNOWN`` for an order and not retried.

    Attributes:
        venue: Venue id, such as ``kraken``.
        account: Broker or account name the request was for, or None for public requests.
        request: What was asked, in the venue's own name for it, such as ``BalanceEx``.
        outcome: What may have happened at the venue.
        fault: Whose fault it is.
        code: The venue's own code or text prefix, or None.
        retry_after_s: Seconds the venue asked us to wait, already capped, or None.
    """

    exit_code = 6
    default_outcome: ClassVar[Outcome] = Outcome.UNKNOWN
    default_fault: ClassVar[FaultClass] = FaultClass.VENUE

    def __init__(
        self,
        message: str,
        *,
        venue: str,
        request: str,
        account: str | None = None,
        outcome: Outcome | None = None,
        fault: FaultClass | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.venue = venue
        self.account = account
        self.request = request
        self.outcome = outcome or self.default_outcome
        self.fault = fault or self.default_fault
        self.code = code
        self.retry_after_s = retry_after_s


class VenueUnreachableError(VenueError):
    """The request provably never arrived."""

    default_outcome = Outcome.NEVER_SENT
    default_fault = FaultClass.NETWORK


class VenueRejectedError(VenueError):
    """The venue said no, with evidence."""

    default_outcome = Outcome.REJECTED
    default_fault = FaultClass.REQUEST


class InsufficientFundsError(VenueRejectedError):
    """The venue refused for lack of funds."""

    exit_code = 4
    default_fault = FaultClass.FUNDS


class InvalidNonceError(VenueRejectedError):
    """The venue refused the nonce: another sender or a finer scale is using this key."""

    exit_code = 3
    default_fault = FaultClass.CREDENTIAL


class UnknownOrderError(VenueRejectedError):
    """The venue knows no such *open* order: it was filled, cancelled, or never there."""


class BadCredentialError(VenueRejectedError):
    """The venue does not accept the key, its signature or its passphrase."""

    exit_code = 3
    default_fault = FaultClass.CREDENTIAL


class PermissionMissingError(VenueRejectedError):
    """The key is good and lacks the right that this request needs."""

    exit_code = 3
    default_fault = FaultClass.CREDENTIAL


class VenueBusyError(VenueError):
    """The venue is overloaded, limited or in maintenance."""


class RateLimitedError(VenueBusyError):
    """The venue refused because of a rate limit; nothing was executed."""

    exit_code = 7
    default_outcome = Outcome.REJECTED
    default_fault = FaultClass.RATE_LIMIT


class LockoutError(RateLimitedError):
    """The venue locked the credential out for a while; every further call may prolong it."""


class MaintenanceError(VenueBusyError):
    """The venue is in maintenance, or in a mode that does not take this request."""


class OutcomeUnknownError(VenueError):
    """
    The answer was lost: it may have been applied. Reconcile; do not resend.

    Attributes:
        intent_id: Of an order: the intent whose money stays reserved, for ``broker.resolution(intent_id)``; else None.
    """

    default_outcome = Outcome.UNKNOWN
    default_fault = FaultClass.NETWORK
    intent_id: str | None = None


class PayloadError(HoldfastError):
    """The venue's answer cannot be believed; nothing of it was applied."""

    exit_code = 6
    fault: ClassVar[FaultClass] = FaultClass.PAYLOAD


class AmountError(PayloadError, ValueError):
    """A money text that is not an exact decimal within bounds."""


class UnknownAssetError(PayloadError):
    """An asset symbol that the venue's own asset list lacks."""


class SuspectAnswerError(PayloadError):
    """A well-formed answer that contradicts confirmed figures; believed only once a different read agrees."""


class StoreError(HoldfastError):
    """Our durable state could not be read or written; it is never taken for empty."""


class StoreCorruptError(StoreError):
    """The store's file is damaged; it was moved aside or left untouched, and the message says where and what next."""


class StoreFullError(StoreError):
    """The disk or the store's size bound is full; nothing of the transaction was kept."""


class StoreReadOnlyError(StoreError):
    """The store's file or folder cannot be written."""


class StoreVersionError(StoreError):
    """The store was written by a newer holdfast, or is not a holdfast store."""


class OwnedElsewhereError(HoldfastError):
    """
    Another process owns this account.

    Attributes:
        pid: The owning process, or None when it could not be read.
        host: Its host name, or None.
    """

    exit_code = 9

    def __init__(self, message: str, *, pid: int | None, host: str | None) -> None:
        super().__init__(message)
        self.pid = pid
        self.host = host


class ClosedError(HoldfastError):
    """Used after close, twice, from another event loop, or in a forked child."""


class InvariantError(HoldfastError):
    """One of our own invariants broke: a bug. The account stops; the evidence is kept."""
