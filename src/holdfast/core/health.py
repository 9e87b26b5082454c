"""
What a failed read means for the next one, and what a broker's facts add up to.

Pure. Three kinds of fault count toward a broker's error count: network, venue and payload. A rate limit has its own
cool-down; a refused credential is left alone for a while; a request of ours that was wrong counts for nothing.
"""

from __future__ import annotations

import enum
from typing import Final

import msgspec

from holdfast.core.breakers import BreakerState
from holdfast.core.parking import BAD_KEY, CLOCK, INVALID_NONCE, LOCKOUT, PERMISSION_MISSING
from holdfast.core.streaming import StreamState
from holdfast.core.venue import VenueMode
from holdfast.errors import (
    CredentialBusyError,
    CredentialParkedError,
    FaultClass,
    HoldfastError,
    InvalidNonceError,
    LockoutError,
    MaintenanceError,
    PayloadError,
    PermissionMissingError,
    RateLimitedError,
    StoreError,
    VenueError,
    VenueUnreachableError,
)

__all__ = ["Facts", "Fault", "Health", "Judgement", "fault_of", "judge", "word_of_loss"]

RATE_LIMIT_PAUSE_S: Final = 15.0
"""No read after a rate limit that names no time. Source: docs.kraken.com rate-limit guide (checked 2026-11-20)."""

LOCKOUT_PAUSE_S: Final = 900.0
"""Silence after a lockout that names no time: each further call may prolong it."""

CREDENTIAL_PAUSE_S: Final = 300.0
"""Between two probes of a credential that the venue refused."""

CLOCK_PAUSE_S: Final = 60.0
"""Between two probes while the clock is what is wrong."""


class Health(enum.StrEnum):
    """The measured state of a broker."""

    HEALTHY = "healthy"  # Figures are live or fresh, reads succeed, the venue is online and the store accepts writes.
    DEGRADED = "degraded"  # Figures can still be had, and something named is wrong.
    DOWN = "down"  # Neither stream nor REST delivers, or the broker may not act at all.


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a failed call means.

    ``word`` names it; ``counts`` is True where it counts against the venue; no call leaves for ``pause_s`` seconds
    where that is set; ``parks`` names the cause where the credential is what is wrong.
    """

    word: str
    counts: bool
    pause_s: float | None = None
    parks: str | None = None


def fault_of(error: HoldfastError) -> Fault:
    """What *error*, raised by a read or a token request, means for the next one."""
    if isinstance(error, CredentialParkedError):
        pause_s = CREDENTIAL_PAUSE_S if error.retry_after_s is None else error.retry_after_s
        return Fault(word="credential", counts=False, pause_s=pause_s, parks=error.cause)
    if isinstance(error, CredentialBusyError):
        return Fault(word="credential_busy", counts=False)
    if isinstance(error, PayloadError):
        return Fault(word=FaultClass.PAYLOAD.value, counts=True)
    if isinstance(error, StoreError):
        return Fault(word="store", counts=False)
    if isinstance(error, LockoutError):
        pause_s = error.retry_after_s or LOCKOUT_PAUSE_S
        return Fault(word=error.fault.value, counts=False, pause_s=pause_s, parks=LOCKOUT)
    if isinstance(error, RateLimitedError):
        return Fault(word=error.fault.value, counts=False, pause_s=error.retry_after_s or RATE_LIMIT_PAUSE_S)
    if not isinstance(error, VenueError):
        return Fault(word=type(error).__name__, counts=False)
    match error.fault:
        case FaultClass.NETWORK | FaultClass.VENUE | FaultClass.PAYLOAD:
            return Fault(word=error.fault.value, counts=True, pause_s=error.retry_after_s)
        case FaultClass.RATE_LIMIT:
            return Fault(word=error.fault.value, counts=False, pause_s=error.retry_after_s or RATE_LIMIT_PAUSE_S)
        case FaultClass.CREDENTIAL:
            return Fault(word=error.fault.value, counts=False, pause_s=CREDENTIAL_PAUSE_S, parks=_cause_of(error))
        case FaultClass.CLOCK:
            return Fault(word=error.fault.value, counts=False, pause_s=CLOCK_PAUSE_S, parks=CLOCK)
        case _:
            return Fault(word=error.fault.value, counts=False)


def _cause_of(error: VenueError) -> str:
    """Why the credential is left alone, until its lane says it more precisely."""
    if isinstance(error, PermissionMissingError):
        return PERMISSION_MISSING
    return INVALID_NONCE if isinstance(error, InvalidNonceError) else BAD_KEY


def word_of_loss(error: HoldfastError) -> str:
    """Why a stream ended, or could not begin, as one fixed word."""
    for kind, word in _LOSSES:
        if isinstance(error, kind):
            return word
    fault = getattr(error, "fault", None)
    return "connection_lost" if fault is FaultClass.NETWORK else fault.value if fault is not None else "denied"


_LOSSES: Final = (
    (CredentialBusyError, "credential_busy"),
    (CredentialParkedError, "credential_parked"),
    (LockoutError, "lockout"),
    (RateLimitedError, "rate_limited"),
    (MaintenanceError, "maintenance"),
    (VenueUnreachableError, "unreachable"),
)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is known of a broker at one moment.

    ``stream`` is ``None`` where no stream is wanted; then REST alone decides. ``are_fit`` is True where every figure
    is live or fresh, ``are_restored`` where every one is known, some only from before the start. A halted broker goes
    on reading; one that ``is_stopped`` takes nothing in any more.
    """

    stream: StreamState | None
    stream_reason: str | None
    is_loaded: bool
    has_figures: bool
    are_fit: bool
    error_count: int
    failure_threshold: int
    venue_mode: VenueMode
    parked_cause: str | None
    halted_reason: str | None
    is_stopped: bool
    store_reason: str | None
    are_restored: bool = False
    read: BreakerState = BreakerState.CLOSED
    trade: BreakerState = BreakerState.CLOSED


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What facts add up to. ``reasons`` are fixed words, worst first; empty where healthy."""

    health: Health
    reasons: tuple[str, ...]
    is_available: bool


def judge(facts: Facts) -> Judgement:
    """
    Add up *facts*.

    A broker is available while it may act, its trade breaker is not open, and at least one of stream and REST is good:
    validated stream data stands in for reads that fail, and reads for a stream that is gone. A half-open trade breaker
    waits for an order to try, so that the broker is available; half-open reads try by themselves, and are not yet good.
    """
    barred = []
    if facts.halted_reason is not None:
        barred.append(f"halted_{facts.halted_reason}")
    if facts.parked_cause is not None:
        barred.append(f"credential_{facts.parked_cause}")
    breakers = (("trade", facts.trade), ("read", facts.read))
    barred += [f"{name}_isolated" for name, state in breakers if state is BreakerState.ISOLATED]
    wrong = []
    if not facts.is_loaded:
        wrong.append("venue_not_loaded")
    elif not facts.has_figures:
        wrong.append("balances_restored" if facts.are_restored else "balances_unknown")
    elif not facts.are_fit:
        wrong.append("balances_stale")
    if facts.error_count >= facts.failure_threshold:
        wrong.append("reads_failing")
    elif facts.error_count:
        wrong.append("read_failed")
    wrong += [f"{name}_breaker_{state.value}" for name, state in breakers if state in _IN_BREAK]
    if facts.stream is not None and facts.stream is not StreamState.LIVE:
        wrong.append(f"stream_{facts.stream_reason or facts.stream.value}")
    if facts.venue_mode not in (VenueMode.ONLINE, VenueMode.UNKNOWN):
        wrong.append(f"venue_{facts.venue_mode.value}")
    if facts.store_reason is not None:
        wrong.append(f"store_{facts.store_reason}")
    is_live = facts.stream is StreamState.LIVE
    is_failing = facts.error_count >= facts.failure_threshold or facts.read is not BreakerState.CLOSED
    is_reading = facts.is_loaded and not is_failing
    is_mute = facts.stream is StreamState.DOWN or not (is_live or is_reading)
    is_down = is_mute or facts.is_stopped or (facts.parked_cause is not None and not is_live)
    health = Health.DOWN if is_down else Health.DEGRADED if barred or wrong else Health.HEALTHY
    is_available = not barred and facts.trade is not BreakerState.OPEN and (is_live or is_reading)
    return Judgement(health=health, reasons=(*barred, *wrong), is_available=is_available)


_IN_BREAK: Final = (BreakerState.OPEN, BreakerState.HALF_OPEN)
