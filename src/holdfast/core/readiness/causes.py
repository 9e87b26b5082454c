"""
From an error to the cause that a person understands, and to what that person does about it.

Each fix ends in something that can be done, with the command where there is one.
"""

from __future__ import annotations

from typing import Final

from holdfast.core.parking import CAUSES, CLOCK, INVALID_NONCE, LOCKOUT
from holdfast.core.readiness.report import CheckOutcome, Finding
from holdfast.errors import (
    BadCredentialError,
    BreakerOpenError,
    ConfigError,
    CredentialBusyError,
    CredentialParkedError,
    FaultClass,
    HoldfastError,
    InsufficientFundsError,
    InvalidNonceError,
    LockoutError,
    MaintenanceError,
    PayloadError,
    PermissionMissingError,
    RateLimitedError,
    VenueError,
    VenueRejectedError,
)

__all__ = ["fix_of", "fix_of_cause", "lost_by"]

_KEYS: Final = {
    "key_revoked": "The venue does not know the key any more: make a new one there, or allow this machine's address on "
    "it",
    "key_expired": "The key is over: make a new one at the venue",
    "wrong_secret": "The secret is not this key's: copy key and secret again from one and the same page",
    "account_locked": "See the venue's messages to you, and have the account opened",
}


def lost_by(error: BaseException, *, broker: str, what: str) -> Finding:
    """
    The finding for a check that *error* has lost.

    Args:
        error: What was raised while it was observed; a ``TimeoutError`` is a bound of ours.
        broker: For the commands that are named.
        what: What was asked, to begin the sentence with.
    """
    if isinstance(error, TimeoutError):
        return Finding(
            outcome=CheckOutcome.LOST,
            evidence=f"{what}: no answer within the check's time.",
            fix=f"See whether the venue can be reached and is not slow: `holdfast doctor {broker}`; then run again.",
        )
    return Finding(
        outcome=CheckOutcome.LOST,
        evidence=f"{what}: {type(error).__name__}: {error}",
        fix=fix_of(error, broker=broker),
    )


def fix_of(error: BaseException, *, broker: str) -> str:
    """What a person does about *error*, as a sentence."""
    for kinds, advice in _ADVICE:
        if isinstance(error, kinds):
            return advice.replace("BROKER", broker)
    if isinstance(error, CredentialParkedError):
        return _of_parking(error.cause, broker)
    if isinstance(error, BadCredentialError):
        return (
            f"{_KEYS.get(error.code or '', _KEY)}; then restart what uses it, and "
            f"`holdfast nonce doctor --broker {broker} --retry` opens it at once."
        )
    if isinstance(error, VenueRejectedError):
        return (
            "The venue refuses such a request, in the words of the evidence: see whether the account may do this in "
            "its region and tier; a newer holdfast may know a new rule."
        )
    if isinstance(error, VenueError):
        if error.fault is FaultClass.CLOCK:
            return (
                f"Set this machine's clock (a time service keeps it right), then `holdfast emergency-repair {broker}`."
            )
        if error.fault is FaultClass.NETWORK:
            return (
                "See whether this machine has a network, and its name server and proxies let the address through: "
                f"`holdfast doctor {broker}`."
            )
        return "The venue, or a gateway before it, is in trouble: wait, see the venue's status page, and run again."
    if isinstance(error, HoldfastError):
        return f"See what is in the way: `holdfast doctor {broker}`."
    return "A bug of holdfast: please report it with this report and the log."


_SET_CLOCK: Final = "Set this machine's clock (a time service keeps it right), then `holdfast emergency-repair BROKER`."

_KEY: Final = (
    "Put the key, secret and passphrase that belong together in place; see at the venue whether the key is there, not "
    "over, and allowed from this machine's address"
)

_ADVICE: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...]] = (
    (ConfigError, "Correct what it names, and run again; `holdfast config check` reads the configuration."),
    (
        InvalidNonceError,
        (
            "Another program uses this key, or once counted in a finer unit: `holdfast nonce doctor --broker BROKER` "
            "finds out which. Give each program a key of its own."
        ),
    ),
    (LockoutError, "Wait until the lockout is over, and stop every other program that uses the key meanwhile."),
    (RateLimitedError, "Other programs use up the key's rate limit: give them keys of their own, wait, and run again."),
    (MaintenanceError, "The venue is in maintenance: wait for its end, and run again."),
    (
        PermissionMissingError,
        "Give the key the right that the venue names, on its API page; the call is tried again within 5 minutes.",
    ),
    (InsufficientFundsError, "Fund the account with at least what the order needs, and run again."),
    (BreakerOpenError, "Wait for the breaker's next trial, or `holdfast reset-circuit-breaker BROKER` closes it."),
    (CredentialBusyError, "Another process holds the credential's turn: end it, or let it finish, and run again."),
    (
        PayloadError,
        (
            "What the venue answers cannot be believed: compare it with the venue's own page, and see whether a newer "
            "holdfast knows this form; nothing was acted on."
        ),
    ),
)


def fix_of_cause(cause: str, *, broker: str) -> str:
    """What a person does about a credential that is parked for *cause*."""
    return _of_parking(cause, broker)


def _of_parking(cause: str, broker: str) -> str:
    known = CAUSES.get(cause)
    if cause == LOCKOUT:
        return "Wait until the lockout is over, and stop every other program that uses the key meanwhile."
    if cause == CLOCK:
        return _SET_CLOCK.replace("BROKER", broker)
    if cause == INVALID_NONCE:
        return f"`holdfast nonce doctor --broker {broker}` tells why the nonces are refused, and what ends it."
    if cause in _KEYS or known is not None:
        return (
            f"{_KEYS.get(cause, _KEY)}; then restart what uses it, and "
            f"`holdfast nonce doctor --broker {broker} --retry` opens it at once."
        )
    return f"See what is in the way: `holdfast doctor {broker}`."
